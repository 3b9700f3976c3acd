# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's Azure does on servers: assessments, installations, settings of virtual machines; on a moved clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import patch_rows
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import ArmAnswer, ArmRequest
from tests.unit.lab_world.rehearsal import Rehearsal

VM: dict[str, Any] = {"platform": "azure", "edition": "ServerTurbine", "arc": "none"}
BODY = {
    "maximumDuration": "PT1H",
    "rebootSetting": "Never",
    "windowsParameters": {"classificationsToInclude": ["Security"]},
}


class Azured(Rehearsal):
    """A rehearsal that talks to the lab's Azure with its given token."""

    def ask(self, method: str, path: str, body: Any = None) -> ArmAnswer:
        side = self.world.azure
        kind = "Microsoft.Compute/virtualMachines" if self.machine.spec.platform == "azure" else (
            "Microsoft.HybridCompute/machines")  # fmt: skip
        parts = urlsplit(path)
        whole = parts.path if "/providers/" in parts.path else (
            f"/subscriptions/{side.settings.subscription_id}/resourceGroups/{side.settings.resource_groups[0]}"
            f"/providers/{kind}/web01{parts.path}")  # fmt: skip
        version = "2024-07-01" if "Compute/virtual" in whole or "Microsoft.Compute" in whole else "2024-07-10"
        query = {"api-version": version, **dict(parse_qsl(parts.query))}
        headers: Mapping[str, str] = {"authorization": f"Bearer {side.settings.access_tokens[0]}"}
        self.world.timeline.advance()
        return self.world.arm.answer(ArmRequest(method, whole, query, headers, body, "http://lab"))

    def end_of(self, accepted: ArmAnswer, minutes: float = 120) -> Any:
        """The document of an operation, after so long at most."""
        assert accepted.status == 202
        for _second in self.wait(minutes * 60, 15):
            answer = self.ask("GET", accepted.headers["Location"].removeprefix("http://lab"))
            if answer.status != 202:
                assert answer.status == 200
                return answer.document
        raise AssertionError("it does not end")

    def code_of(self, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
        answer = self.ask(method, path, body)
        error = answer.document["error"]
        return answer.status, error["code"], error["message"]

    def settings(self, **windows: Any) -> ArmAnswer:
        return self.ask("PATCH", "", {"properties": {"osProfile": {"windowsConfiguration": windows}}})


@pytest.mark.parametrize("kind", [{}, VM])
def test_an_assessment_shows_what_windows_update_offers(kind: dict[str, Any]) -> None:
    lab = Azured(**kind, other_updates=["defender"])
    accepted = lab.ask("POST", "/assessPatches")
    assert lab.code_of("POST", "/assessPatches")[:2] == (409, "Conflict")
    result = lab.end_of(accepted)
    assert (result["status"], result["rebootPending"]) == ("Succeeded", False)
    if kind:
        assert [patch["kbId"] for patch in result["availablePatches"]] == ["5072014", "2267602"]
        assert result["criticalAndSecurityPatchCount"] == 1
    else:
        counts = result["availablePatchCountByClassification"]
        assert (counts["security"], counts["definition"]) == (1, 1)
    assert lab.machine.journal.installations == []


def test_an_installation_is_the_servers_own() -> None:
    lab = Azured()
    result = lab.end_of(lab.ask("POST", "/installPatches", BODY))
    assert (result["status"], result["installedPatchCount"], result["rebootStatus"]) == ("Succeeded", 1, "NotNeeded")
    assert lab.machine.updates.hotpatch is not None and lab.machine.updates.hotpatch.kb == "KB5072014"
    assert any(write.kind == "azure" for write in lab.machine.journal.writes)


@pytest.mark.parametrize(("setting", "status", "boots"), [("Never", "Required", 1), ("IfRequired", "Completed", 3)])
def test_a_restart_by_the_setting(setting: str, status: str, boots: int) -> None:
    lab = Azured(enrolled=False)
    result = lab.end_of(lab.ask("POST", "/installPatches", {**BODY, "rebootSetting": setting}))
    assert (result["rebootStatus"], lab.machine.power.boots) == (status, boots)


def test_a_policy_restarts_although_azure_never_does() -> None:
    lab = Azured(enrolled=False, policy={"AlwaysAutoRebootAtScheduledTime": 1})
    lab.end_of(lab.ask("POST", "/installPatches", BODY))
    for _second in lab.wait(3600, 60):
        pass
    assert lab.machine.power.boots > 1


@pytest.mark.parametrize("path", ["/assessPatches", "/installPatches"])
def test_without_contact_it_waits_and_then_fails(path: str) -> None:
    lab = Azured(arc="disconnected")
    accepted = lab.ask("POST", path, BODY if path == "/installPatches" else None)
    for _second in lab.wait(600, 60):
        assert lab.ask("GET", accepted.headers["Location"].removeprefix("http://lab")).status == 202
    result = lab.end_of(accepted)
    assert (result["status"], result["errorDetails"]["code"]) == ("Failed", "MachineNotReachable")


def test_a_hanging_installation_ends_with_the_maximum_duration() -> None:
    lab = Azured(faults=[{"kind": "install_hangs", "kb": "KB5072014"}])
    result = lab.end_of(lab.ask("POST", "/installPatches", BODY))
    assert (result["status"], result["pendingPatchCount"], result["maintenanceWindowExceeded"]) == ("Failed", 1, True)


@pytest.mark.parametrize(
    ("windows", "states"),
    [
        ({}, {"Installed": 3}),
        ({"kbNumbersToInclude": ["2267602"]}, {"Installed": 1, "NotSelected": 2}),
        (
            {"kbNumbersToInclude": ["KB890830"], "classificationsToInclude": ["Definition"]},
            {"Installed": 2, "NotSelected": 1},
        ),
        (
            {"classificationsToInclude": ["Security"], "kbNumbersToExclude": ["5072014"]},
            {"Excluded": 1, "NotSelected": 2},
        ),
        ({"excludeKbsRequiringReboot": True}, {"Installed": 1, "Excluded": 2}),
        ({"maxPatchPublishDate": "2025-12-10T00:00:00Z"}, {"Installed": 1, "NotSelected": 2}),
    ],
)
def test_what_is_selected(windows: dict[str, Any], states: dict[str, int]) -> None:
    lab = Azured(**VM, other_updates=["defender", "malware-tool"])
    result = lab.end_of(lab.ask("POST", "/installPatches", {**BODY, "windowsParameters": windows}))
    found = [patch["installationState"] for patch in result["patches"]]
    assert {state: found.count(state) for state in set(found)} == states


@pytest.mark.parametrize(
    "changes",
    [
        {"maximumDuration": "banana"},
        {"maximumDuration": "PT9H"},
        {"rebootSetting": "Sometimes"},
        {"rebootSetting": None},
        {"windowsParameters": {"classificationsToInclude": ["security"]}},
        {"windowsParameters": {"maxPatchPublishDate": "soon"}},
        {"windowsParameters": {"kbs": []}},
    ],
)
def test_bodies_that_are_refused(changes: dict[str, Any]) -> None:
    status, _code, _words = Azured().code_of("POST", "/installPatches", {**BODY, **changes})
    assert status == 400


PLATFORM = {"patchMode": "AutomaticByPlatform", "enableHotpatching": True}


def test_settings_of_a_virtual_machine() -> None:
    lab = Azured(**VM, enrolled=False)
    changed = lab.settings(provisionVMAgent=True, patchSettings=PLATFORM)
    assert changed.document["properties"]["osProfile"]["windowsConfiguration"]["patchSettings"]["enableHotpatching"]
    view = lab.ask("GET", "?$expand=instanceView").document["properties"]["instanceView"]["patchStatus"]
    assert view["configurationStatuses"][0]["code"] == "PatchModeConfigurationState/Pending"
    for _second in lab.wait(900, 60):
        pass
    view = lab.ask("GET", "?$expand=instanceView").document["properties"]["instanceView"]["patchStatus"]
    assert view["configurationStatuses"][0]["code"] == "PatchModeConfigurationState/Ready"
    assert lab.machine.updates.capable
    lab.settings(patchSettings={"enableHotpatching": False})
    for _second in lab.wait(900, 60):
        pass
    assert not lab.machine.updates.capable


@pytest.mark.parametrize(
    ("keys", "windows", "words"),
    [
        ({}, {"patchSettings": {"enableHotpatching": True}}, "'patchMode' must be set to 'AutomaticByPlatform'"),
        (
            {},
            {
                "patchSettings": {
                    **PLATFORM,
                    "automaticByPlatformSettings": {"bypassPlatformSafetyChecksOnUserSchedule": True},
                }
            },
            "Hotpatch updates require platform safety checks.",
        ),
        ({"azure_vm": {"image": "custom"}}, {"patchSettings": PLATFORM}, "does not support"),
        ({"azure_vm": {"image": "2025-datacenter"}}, {"patchSettings": PLATFORM}, "does not support"),
        ({"azure_vm": {"provision_vm_agent": "false"}}, {"patchSettings": PLATFORM}, "'provisionVMAgent'"),
        ({}, {"patchSettings": {"patchMode": "Manual"}}, "enableAutomaticUpdates"),
        ({}, {"patchSettings": {"patchMode": "ImageDefault"}}, "not allowed"),
        ({}, {"patchSettings": {"automaticByPlatformSettings": {"rebootSetting": "Never"}}}, "AutomaticByPlatform"),
    ],
)
def test_azures_own_refusals(keys: dict[str, Any], windows: dict[str, Any], words: str) -> None:
    lab = Azured(**{**VM, "enrolled": False, **keys})
    answer = lab.settings(**windows)
    assert answer.status == 400
    assert words in answer.document["error"]["message"]
    assert lab.settings(provisionVMAgent=lab.machine.spec.azure_vm.get("provision_vm_agent") == "false").status == 409


def test_resource_graph_is_behind() -> None:
    lab = Azured()
    accepted = lab.ask("POST", "/installPatches", BODY)
    assert list(patch_rows.installations(lab.world.arm)) == []
    lab.end_of(accepted)
    for _second in lab.wait(patch_rows.LAG_SECONDS + 15, 15):
        pass
    lab.world.timeline.advance()
    whole, *patches = patch_rows.installations(lab.world.arm)
    assert whole["type"] == "microsoft.hybridcompute/machines/patchinstallationresults"
    assert whole["properties"]["status"] == "Succeeded"
    assert {patch["type"] for patch in patches} == {f"{whole['type']}/softwarepatches"}
    states = {patch["properties"]["kbId"]: patch["properties"]["installationState"] for patch in patches}
    assert states["5072014"] == "Installed"
    assert list(patch_rows.assessments(lab.world.arm)) == []

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's Azure does when the window of a maintenance configuration opens; on a moved clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.maintenance_rows import maintenance_resources
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.maintenance_windows import openings
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.patch_rows import installations
from tests.unit.lab_world.test_arm_patches import VM, Azured

VERSION = "?api-version=2023-04-01"


class Scheduled(Azured):
    """A rehearsal with a configuration that opens every day at 22:00 in Berlin, from 21 December 2025 on."""

    def __init__(self, *, reboot: str = "Never", windows: dict[str, Any] | None = None, **keys: Any) -> None:
        super().__init__(**keys)
        side = self.world.azure.settings
        self.group = f"/subscriptions/{side.subscription_id}/resourceGroups/{side.resource_groups[0]}"
        self.configuration = f"{self.group}/providers/Microsoft.Maintenance/maintenanceConfigurations/nightly"
        self.body: dict[str, Any] = {
            "location": "westeurope",
            "properties": {
                "maintenanceScope": "InGuestPatch",
                "extensionProperties": {"InGuestPatchMode": "User"},
                "maintenanceWindow": {
                    "startDateTime": "2025-12-21 22:00",
                    "duration": "02:00",
                    "timeZone": "W. Europe Standard Time",
                    "recurEvery": "Day",
                },
                "installPatches": {
                    "rebootSetting": reboot,
                    "windowsParameters": windows or {"classificationsToInclude": ["Security"]},
                },
            },
        }
        assert self.ask("PUT", self.configuration + VERSION, self.body).status == 201

    def assign(self, above: str = "", name: str = "nightly", **properties: Any) -> None:
        kind = "Compute/virtualMachines" if self.machine.spec.platform == "azure" else "HybridCompute/machines"
        above = above or f"{self.group}/providers/Microsoft.{kind}/web01"
        path = f"{above}/providers/Microsoft.Maintenance/configurationAssignments/{name}{VERSION}"
        body = {"properties": {"maintenanceConfigurationId": self.configuration, **properties}}
        assert self.ask("PUT", path, body).status == 201

    def until(self, text: str) -> None:
        """Minute by minute, up to a moment of UTC."""
        end = datetime.fromisoformat(text).replace(tzinfo=UTC)
        for _second in self.wait((end - self.world.timeline.now()).total_seconds(), 60):
            pass

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for row in maintenance_resources(self.world.arm) if row["type"].endswith("/applyupdates")]


def test_a_hotpatch_comes_in_the_window_and_without_a_restart() -> None:
    lab = Scheduled()
    lab.assign()
    lab.until("2025-12-21T20:59")
    assert lab.machine.journal.installations == [] and lab.rows == []
    lab.until("2025-12-21T23:00")
    (done,) = lab.machine.journal.installations
    hotpatch = lab.machine.updates.hotpatch
    assert done.kb == "KB5072014" and hotpatch is not None and hotpatch.kb == "KB5072014"
    assert lab.machine.journal.restarts == []
    (row,) = lab.rows
    run = row["properties"]
    assert (run["status"], run["startDateTime"]) == ("Succeeded", "2025-12-21T21:00:00.0000000Z")
    patched = [item["properties"] for item in installations(lab.world.arm)]
    assert (patched[0]["startedBy"], patched[0]["maintenanceRunId"]) == ("Platform", run["correlationId"])
    assert patched[0]["installedPatchCount"] == 1
    lab.until("2025-12-22T23:00")
    assert len(lab.rows) == 2 and len(lab.machine.journal.installations) == 1


@pytest.mark.parametrize(("reboot", "restarts"), [("IfRequired", True), ("Never", False)])
def test_a_baseline_restarts_by_the_setting_and_inside_the_window(reboot: str, restarts: bool) -> None:
    lab = Scheduled(as_of=date(2026, 1, 20), level="KB5072014", reboot=reboot)
    lab.assign()
    lab.until("2025-12-21T20:59")
    assert lab.machine.journal.restarts == []
    lab.until("2025-12-21T23:30")
    assert [item.kb for item in lab.machine.journal.installations] == ["KB5073379"]
    times = [item.asked for item in lab.machine.journal.restarts]
    assert bool(times) is restarts
    begin = datetime(2025, 12, 21, 21, tzinfo=UTC)
    assert all(begin < time < begin + timedelta(hours=2) for time in times)
    assert lab.machine.updates.restart_required is not restarts


def test_lists_and_a_new_time_of_the_configuration_count() -> None:
    lab = Scheduled(windows={"classificationsToInclude": ["Security"], "kbNumbersToExclude": ["KB5072014"]})
    lab.assign()
    lab.until("2025-12-21T23:30")
    assert lab.rows[0]["properties"]["status"] == "Succeeded" and lab.machine.journal.installations == []
    windows = lab.body["properties"]["maintenanceWindow"]
    windows["startDateTime"] = "2025-12-24 04:00"
    lab.body["properties"]["installPatches"]["windowsParameters"] = {"kbNumbersToInclude": ["5072014"]}
    assert lab.ask("PUT", lab.configuration + VERSION, lab.body).status == 200
    lab.until("2025-12-24T02:59")
    assert lab.machine.journal.installations == [] and len(lab.rows) == 1
    lab.until("2025-12-24T05:00")
    assert len(lab.machine.journal.installations) == 1
    assert lab.ask("DELETE", lab.configuration + VERSION).status == 200
    lab.until("2025-12-26T05:00")
    assert len(lab.rows) == 2


@pytest.mark.parametrize(
    ("kind", "wanted", "found"),
    [
        ({}, {}, True),
        ({}, {"resourceTypes": ["Microsoft.HybridCompute/machines"], "locations": ["West Europe"]}, True),
        ({}, {"resourceTypes": ["Microsoft.Compute/virtualMachines"]}, False),
        ({}, {"osTypes": ["Linux"]}, False),
        ({}, {"locations": ["uksouth"]}, False),
        ({}, {"resourceGroups": ["RG-ARC-SERVERS"]}, True),
        ({}, {"resourceGroups": ["elsewhere"]}, False),
        ({}, {"tagSettings": {"tags": {"ring": ["1", "2"]}}}, True),
        ({}, {"tagSettings": {"tags": {"ring": ["1"], "env": ["prod"]}, "filterOperator": "Any"}}, True),
        ({}, {"tagSettings": {"tags": {"ring": ["1"], "env": ["prod"]}, "filterOperator": "All"}}, False),
    ],
)
@pytest.mark.parametrize("scope", ["group", "subscription"])
def test_a_dynamic_scope_is_looked_up_when_the_window_opens(
    kind: dict[str, Any], wanted: dict[str, Any], found: bool, scope: str
) -> None:
    lab = Scheduled(**kind)
    lab.assign(lab.group if scope == "group" else lab.group.partition("/resourceGroups")[0], filter=wanted)
    # The tag comes after the assignment.
    assert lab.ask("PATCH", "", {"tags": {"Ring": "1"}}).status == 200
    lab.until("2025-12-21T23:30")
    assert bool(lab.machine.journal.installations) is found
    assert len(lab.rows) == found


def test_a_virtual_machine_needs_customer_managed_schedules() -> None:
    lab = Scheduled(**{**VM, "enrolled": False, "azure_vm": {"image": "2025-datacenter"}})
    lab.assign()
    lab.until("2025-12-21T23:30")
    assert lab.machine.journal.installations == [] and lab.rows[0]["properties"]["status"] == "Failed"
    own = {"bypassPlatformSafetyChecksOnUserSchedule": True}
    lab.settings(patchSettings={"patchMode": "AutomaticByPlatform", "automaticByPlatformSettings": own})
    lab.until("2025-12-22T23:30")
    assert len(lab.machine.journal.installations) == 1


def test_a_window_is_opened_by_hand_once() -> None:
    lab = Scheduled()
    lab.assign()
    opened = lab.world.control("POST", "/azure/windows", {}, {"configuration": "nightly"})
    assert opened.status == 200 and opened.document["due"] == "2025-12-21T22:00:00+01:00"
    lab.until("2025-12-20T14:00")
    assert len(lab.machine.journal.installations) == 1
    shown = lab.world.control("GET", "/azure/windows", {}, None).document
    assert [row["due"] for row in shown["coming"]] == ["2025-12-22T22:00:00+01:00"]
    assert shown["opened"][0]["machines"][0]["status"] == "Succeeded"
    lab.until("2025-12-21T23:30")
    assert len(lab.rows) == 1
    for body, status in (({"configuration": "nobody"}, 409), ({}, 400)):
        assert lab.world.control("POST", "/azure/windows", {}, body).status == status


def test_of_two_windows_at_once_one_installs() -> None:
    lab = Scheduled()
    lab.assign()
    other = lab.configuration.replace("nightly", "other")
    assert lab.ask("PUT", other + VERSION, lab.body).status == 201
    lab.configuration = other
    lab.assign(name="other")
    lab.until("2025-12-21T23:30")
    assert sorted(row["properties"]["status"] for row in lab.rows) == ["Failed", "Succeeded"]
    assert len(lab.machine.journal.installations) == 1


@pytest.mark.parametrize(
    ("start", "rate", "found"),
    [
        # Patch Tuesdays of 2026: 13 January, 10 February, 10 March, 14 April, 14 July
        ("2026-01-01 22:00", "Month Second Tuesday Offset2", ["01-15 22:00+01", "02-12 22:00+01", "03-12 22:00+01"]),
        ("2026-01-01 22:00", "3Months Second Tuesday Offset-1", ["01-12 22:00+01", "04-13 22:00+02", "07-13 22:00+02"]),
        ("2026-03-01 22:00", "Month Last Saturday Offset3", ["03-03 22:00+01", "03-31 22:00+02"]),
        ("2026-01-07 22:00", "2Weeks Monday,Sunday", ["01-18 22:00+01", "01-19 22:00+01", "02-01 22:00+01"]),
        ("2026-01-30 22:00", "Month day30,day31", ["01-30 22:00+01", "01-31 22:00+01", "03-30 22:00+02"]),
        ("2026-01-01 20:00", "6Hours", ["01-01 20:00+01", "01-02 02:00+01"]),
        ("2026-01-01 22:00", "3Days", ["01-01 22:00+01", "01-04 22:00+01"]),
    ],
)
def test_rates(start: str, rate: str, found: list[str]) -> None:
    window = {
        "startDateTime": start,
        "expirationDateTime": "9999-12-31 23:59:59",
        "timeZone": "W. Europe Standard Time",
        "recurEvery": rate,
    }
    shown = [f"{item:%m-%d %H:%M%z}"[:-2] for item in islice(openings(window), len(found))]
    assert shown == found
    assert list(openings({**window, "timeZone": "Nowhere"})) == []
    assert list(openings({**window, "expirationDateTime": "2026-01-01 00:00"})) == []

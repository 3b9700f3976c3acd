# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch settings, assessments and installations against the lab's Azure: the ordinary ways, and what can go wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import many
from ansible_collections.winops.hotpatch.plugins.module_utils._core import (
    patch_assessment,
    patch_installation,
    patch_settings,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import RunningLab, running_lab

QUICK: dict[str, Any] = {"poll_interval": 0.2, "arm_share": 100.0}
AS_OF = {**QUICK, "as_of": "2025-12-20"}
HOTPATCH, LCU = "KB5072014", "KB5072033"
INSTALL: dict[str, Any] = {**AS_OF, "kb_include": [HOTPATCH]}
EDITION = {"platform": "azure", "edition": "ServerTurbine", "arc": "none", "level": "KB5068966"}
FRESH = [f"arc{number:02d}" for number in range(1, 14)]
FRESH_VMS = [f"vm{number:02d}" for number in range(1, 14)]


@pytest.fixture(scope="module")
def azure_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    servers: list[dict[str, Any]] = [{"name": name, "level": "KB5068966"} for name in FRESH]
    servers += [{"name": name, **EDITION} for name in FRESH_VMS]
    servers += [
        {"name": "off", "level": "KB5068966", "arc": "disconnected"},
        {"name": "silent", "level": "KB5068966", "arc": "disconnected"},
        {"name": "expired", "level": "KB5068966", "arc": "expired"},
        {"name": "novbs", "level": "KB5068861", "vbs": 1},
        {"name": "failing", "level": "KB5068966", "faults": [{"kind": "install_fails", "kb": HOTPATCH}]},
        {"name": "hanging", "level": "KB5068966", "faults": [{"kind": "install_hangs", "kb": HOTPATCH}]},
        {"name": "ordinary", "level": "KB5068861", "enrolled": False},
        {"name": "plainvm", **EDITION, "enrolled": False},
        {"name": "custom", **EDITION, "enrolled": False, "azure_vm": {"image": "custom"}},
        {"name": "uniform", **EDITION, "azure_vm": {"scale_set": "set1", "orchestration": "Uniform"}},
        {"name": "flexible", **EDITION, "enrolled": False, "azure_vm": {"scale_set": "set2"}},
        {"name": "noagent", **EDITION, "enrolled": False, "azure_vm": {"provision_vm_agent": "false"}},
    ]
    fleet = {"as_of": "2025-12-20", "servers": servers}
    with running_lab(fleet, tmp_path_factory.mktemp("lab"), "--scale", "2000") as running:
        yield running


@pytest.fixture
def calls(azure_lab: RunningLab) -> AzureCalls:
    azure_lab.mend_azure()
    return AzureCalls(azure_lab)


@pytest.fixture(scope="module")
def fresh() -> Iterator[str]:
    """Names of Arc machines that nobody has touched."""
    return iter(FRESH)


@pytest.fixture(scope="module")
def fresh_vm() -> Iterator[str]:
    """The same of virtual machines."""
    return iter(FRESH_VMS)


def writes(lab: RunningLab) -> list[str]:
    """Method and last part of the path of every write whose sender was known."""
    return [
        f"{item['request']['method']} {item['request']['url'].split('?')[0].rsplit('/', 1)[-1]}"
        for item in lab.exchanges(writes=True)
        if item["response"]["status"] != 401 and "ResourceGraph" not in item["request"]["url"]
    ]


def only(result: dict[str, Any]) -> dict[str, Any]:
    (machine,) = result["machines"]
    return dict(machine)


# Settings


def test_settings_of_an_arc_machine(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    name = next(fresh)
    asked: dict[str, Any] = {"name": name, "assessment_mode": "automatic_by_platform", "hotpatching": False, **QUICK}
    predicted = calls(patch_settings, check_mode=True, **asked)
    assert writes(azure_lab) == []
    done = calls(patch_settings, **asked)
    assert predicted["changed"] and predicted["diff"] == done["diff"]
    assert (only(done)["hotpatching"], only(done)["hotpatch_status"]) == (False, "Disabled")
    assert writes(azure_lab) == [f"PATCH {name}"]
    assert not calls(patch_settings, **asked)["changed"]
    back = calls(patch_settings, name=name, hotpatching=True, patch_mode="automatic_by_platform", **QUICK)
    assert only(back)["hotpatch_status"] == "Enabled"
    assert "starts nothing" in only(back)["notes"][0]
    assert len(writes(azure_lab)) == 2


def test_what_is_missing_is_said(calls: AzureCalls) -> None:
    calls(patch_settings, name="novbs", hotpatching=False, **QUICK)
    machine = only(calls(patch_settings, name="novbs", hotpatching=True, **QUICK))
    assert machine["hotpatch_status"] == "ActionRequired"
    assert "Virtualization-based security" in machine["notes"][0]


def test_a_status_that_stays_pending_has_a_remedy(calls: AzureCalls) -> None:
    error = calls.failing(patch_settings, name="off", hotpatching=False, wait_timeout=1, **QUICK)
    assert (error.code, error.changed, error.retryable) == ("agent_disconnected", True, True)
    assert calls.failing(patch_settings, name="expired", hotpatching=False, **QUICK).code == "agent_expired"


def test_settings_of_a_virtual_machine(azure_lab: RunningLab, calls: AzureCalls) -> None:
    asked: dict[str, Any] = {
        "kind": "vm", "name": "plainvm", "hotpatching": True, "patch_mode": "automatic_by_platform",
        "reboot_setting": "if_required", "bypass_platform_safety_checks": False, **QUICK,
    }  # fmt: skip
    machine = only(calls(patch_settings, **asked))
    assert (machine["hotpatching"], machine["configuration_status"]) == (True, "Ready")
    time.sleep(0.5)
    assert azure_lab.state("plainvm")["capable"]
    assert not calls(patch_settings, **asked)["changed"]
    flexible = calls(patch_settings, **{**asked, "name": "flexible"})
    assert only(flexible)["hotpatching"]
    assert writes(azure_lab) == ["PATCH plainvm", "PATCH flexible"]


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("custom", {}, "image_not_supported"),
        ("uniform", {}, "uniform_scale_set"),
        ("noagent", {}, "vm_agent_needed"),
        ("plainvm", {"bypass_platform_safety_checks": True}, "safety_checks_needed"),
        (FRESH_VMS[-2], {"patch_mode": "manual"}, "automatic_updates_on"),
    ],
)
def test_what_azure_would_refuse_is_not_sent(
    azure_lab: RunningLab, calls: AzureCalls, name: str, options: dict[str, Any], code: str
) -> None:
    asked = {"hotpatching": True, "patch_mode": "automatic_by_platform", **options}
    error = calls.failing(patch_settings, kind="vm", name=name, **asked, **QUICK)
    assert (error.code, error.changed) == (code, False)
    assert name in error.message
    assert writes(azure_lab) == []


def test_azures_own_refusals_are_shown(azure_lab: RunningLab, calls: AzureCalls) -> None:
    """What changed between our look and Azure's."""
    words = "EnableHotpatching cannot be set to true. For enableHotpatching, the 'provisionVMAgent' must be set to true"
    azure_lab.break_azure(
        "refused", action="*/virtualMachines/write", status=400, code="InvalidParameter", message=words
    )
    error = calls.failing(
        patch_settings, kind="vm", name=FRESH_VMS[-1], assessment_mode="automatic_by_platform", **QUICK
    )
    assert words in error.message
    azure_lab.mend_azure()
    error = calls.failing(patch_settings, kind="vm", name="noagent", provision_vm_agent=True, wait=False, **QUICK)
    assert "Changing property 'windowsConfiguration.provisionVMAgent' is not allowed" in error.message


def test_a_member_of_a_uniform_set_by_its_own_id(calls: AzureCalls) -> None:
    member = "/subscriptions/x/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/s/virtualMachines/0"
    for noun in (patch_settings, patch_assessment):
        assert calls.failing(noun, name=member).code == "uniform_scale_set"


def test_settings_whose_answer_is_lost(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    name = next(fresh)
    azure_lab.break_azure("answer_lost", action="*/machines/write", times=1)
    done = calls(patch_settings, name=name, assessment_mode="automatic_by_platform", **QUICK)
    assert only(done)["changed"]
    assert len(writes(azure_lab)) == 1
    azure_lab.break_azure("unavailable", action="*/machines/write", times=1)
    calls(patch_settings, name=name, assessment_mode="image_default", **QUICK)
    assert len(writes(azure_lab)) == 3


# Assessments


def test_an_assessment_is_judged_and_taken_again(
    azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]
) -> None:
    name = next(fresh)
    nothing = only(calls(patch_assessment, name=name, check_mode=True, **AS_OF))
    assert (nothing["state"], writes(azure_lab)) == ("not_started", [])
    machine = only(calls(patch_assessment, name=name, **AS_OF))
    assert (machine["state"], machine["track"], machine["restart_pending"]) == ("succeeded", "hotpatch", False)
    assert machine["patch_counts"]["security"] == 1
    judged = {patch["kb"]: patch["verdict"]["kind"] for patch in machine["patches"]}
    assert judged[HOTPATCH] == "hotpatch"
    again = only(calls(patch_assessment, name=name, maximum_age=60, **AS_OF))
    assert (again["reused"], again["activity_id"]) == (True, machine["activity_id"])
    assert again["patches"] == machine["patches"]
    assert writes(azure_lab) == ["POST assessPatches"]
    assert not calls(patch_assessment, name=name, **AS_OF)["changed"]
    assert len(writes(azure_lab)) == 2


def test_an_assessment_of_a_virtual_machine(azure_lab: RunningLab, calls: AzureCalls, fresh_vm: Iterator[str]) -> None:
    name = next(fresh_vm)
    machine = only(calls(patch_assessment, kind="vm", name=name, **AS_OF))
    first = machine["patches"][0]
    assert (first["kb"], first["verdict"]["kind"]) == (HOTPATCH, "hotpatch")
    time.sleep(0.3)
    again = only(calls(patch_assessment, kind="vm", name=name, maximum_age=60, **AS_OF))
    assert again["reused"]
    assert writes(azure_lab) == ["POST assessPatches"]


def test_an_assessment_in_two_tasks(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    names = [next(fresh), next(fresh)]
    begun = calls(patch_assessment, machines=names, wait=False, **AS_OF)
    operations = {name: machine["operation"] for name, machine in zip(names, begun["machines"], strict=True)}
    assert {machine["state"] for machine in begun["machines"]} == {"in_progress"}
    ended = calls(patch_assessment, machines=names, operation=operations, **AS_OF)
    assert [(machine["state"], machine["attached"]) for machine in ended["machines"]] == [("succeeded", True)] * 2
    assert writes(azure_lab) == ["POST assessPatches"] * 2
    wrong = calls.failing(patch_assessment, machines=names, operation=operations[names[0]], **AS_OF)
    assert wrong.code == "invalid_input"


def test_an_assessment_meets_bad_moments(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    name = next(fresh)
    azure_lab.break_azure("answer_lost", action="*/assessPatches/action", times=1)
    azure_lab.break_azure("tokens_revoked", action="*", times=1, after=4)
    assert only(calls(patch_assessment, name=name, **AS_OF))["state"] == "succeeded"
    azure_lab.mend_azure()
    azure_lab.break_azure("operation_lost", action="*/updateCenterOperationResults/read", times=1)
    machine = only(calls(patch_assessment, name=name, **AS_OF))
    assert machine["state"] == "succeeded"
    assert any("knows nothing more" in note for note in machine["notes"])
    azure_lab.mend_azure()
    azure_lab.break_azure("permission_missing", action="*/assessPatches/action")
    error = calls.failing(patch_assessment, name=name, **AS_OF)
    assert error.code == "azure_permission"
    assert "Microsoft.HybridCompute/machines/assessPatches/action" in error.message
    assert "Azure Connected Machine Resource Administrator" in str(error.hint)


def test_who_may_not_query_still_has_the_counts(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    azure_lab.break_azure("permission_missing", action="*ResourceGraph*")
    machine = only(calls(patch_assessment, name=next(fresh), maximum_age=5, **AS_OF))
    assert (machine["state"], machine["patches"]) == ("succeeded", None)
    assert any("cannot be read" in note for note in machine["notes"])


def test_without_contact_nothing_is_asked(azure_lab: RunningLab, calls: AzureCalls) -> None:
    for noun, options in ((patch_assessment, AS_OF), (patch_installation, INSTALL)):
        error = calls.failing(noun, name="silent", **options)
        assert (error.code, error.changed) == ("agent_disconnected", False)
    assert calls.failing(patch_assessment, name="nobody", **AS_OF).code == "azure_not_found"
    assert writes(azure_lab) == []


# Installations


def test_a_hotpatch_reaches_the_server(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    name = next(fresh)
    predicted = calls(patch_installation, name=name, check_mode=True, **INSTALL)
    assert (predicted["changed"], writes(azure_lab)) == (True, [])
    done = calls(patch_installation, name=name, **INSTALL)
    machine = only(done)
    assert (machine["state"], machine["reboot_status"], machine["changed"]) == ("succeeded", "not_needed", True)
    assert machine["words"].startswith("1 installed")
    assert [patch["state"] for patch in machine["patches"] if patch["kb"] == HOTPATCH] == ["installed"]
    state = azure_lab.state(name)
    assert (state["level"], state["boots"], state["on_track"]) == (HOTPATCH, 1, True)
    again = calls(patch_installation, name=name, **INSTALL)
    assert not again["changed"]
    assert writes(azure_lab) == ["POST installPatches"]


def test_the_train_guard(azure_lab: RunningLab, calls: AzureCalls, fresh_vm: Iterator[str]) -> None:
    name = next(fresh_vm)
    refused = calls.failing(patch_installation, kind="vm", name=name, **{**INSTALL, "kb_include": [LCU]})
    assert (refused.code, refused.changed) == ("leaves_track", False)
    refused = calls.failing(patch_installation, kind="vm", name=name, classifications=["security"], **AS_OF)
    assert refused.code == "classification_not_guarded"
    refused = calls.failing(patch_installation, name="ordinary", **INSTALL)
    assert "Not a hotpatch for this machine" in refused.message
    assert writes(azure_lab) == []


def test_what_restarts_restarts_by_the_setting(azure_lab: RunningLab, calls: AzureCalls) -> None:
    asked: dict[str, Any] = {"name": "ordinary", "mode": "any", "classifications": ["security"], **AS_OF}
    first = only(calls(patch_installation, **asked))
    assert (first["reboot_status"], first["changed"]) == ("required", True)
    assert any("restart is needed" in line for line in calls.warnings)
    assert azure_lab.state("ordinary")["boots"] == 1
    second = only(calls(patch_installation, **{**asked, "reboot_setting": "if_required"}))
    assert (second["reboot_status"], second["changed"]) == ("completed", True)
    assert azure_lab.state("ordinary")["level"] == LCU


def test_one_that_fails_is_named(calls: AzureCalls) -> None:
    error = calls.failing(patch_installation, name="failing", **INSTALL)
    assert error.code == "some_patches_failed"
    machine = only(error.details)
    assert machine["patch_counts"]["failed"] == 1
    assert f"failed: {HOTPATCH}" in error.message
    assert not error.changed


def test_one_that_never_ends(azure_lab: RunningLab, calls: AzureCalls) -> None:
    error = calls.failing(patch_installation, name="hanging", maximum_duration="10m", **INSTALL)
    assert error.code in ("maximum_duration_exceeded", "azure_operation_failed")
    assert only(error.details)["state"] == "failed"


def test_begun_followed_and_never_begun_twice(
    azure_lab: RunningLab, calls: AzureCalls, fresh_vm: Iterator[str]
) -> None:
    name = next(fresh_vm)
    asked: dict[str, Any] = {"kind": "vm", "name": name, **INSTALL}
    begun = calls(patch_installation, wait=False, **asked)
    assert (begun["changed"], only(begun)["state"], begun["counts"]["in_progress"]) == (True, "in_progress", 1)
    second = calls.failing(patch_installation, **asked)
    assert (second.code, second.changed) in (("installation_in_progress", False), ("azure_conflict", False))
    ended = calls(patch_installation, kind="vm", name=name, operation=only(begun)["operation"], **AS_OF)
    assert (only(ended)["state"], only(ended)["attached"], ended["request"]) == ("succeeded", True, None)
    assert [entry["kb"] for entry in azure_lab.state(name)["installs"]] == [HOTPATCH]


@pytest.mark.parametrize("kind", ["vm", "arc"])
@pytest.mark.parametrize(
    "fault",
    [{"kind": "answer_lost", "times": 1}, {"kind": "unavailable", "times": 1, "executed": True}],
    ids=lambda fault: fault["kind"],
)
def test_a_lost_answer_starts_no_second_run(
    azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str], fresh_vm: Iterator[str],
    kind: str, fault: dict[str, Any],
) -> None:  # fmt: skip
    name = next(fresh_vm if kind == "vm" else fresh)
    azure_lab.break_azure(action="*/installPatches/action", **fault)
    machine = only(calls(patch_installation, kind=kind, name=name, **INSTALL))
    assert (machine["state"], machine["changed"]) == ("succeeded", True)
    assert any("followed by the machine's own record" in note for note in machine["notes"])
    assert writes(azure_lab) == ["POST installPatches"]
    assert [entry["kb"] for entry in azure_lab.state(name)["installs"]] == [HOTPATCH]


def test_what_nobody_knows_is_said(azure_lab: RunningLab, calls: AzureCalls, fresh_vm: Iterator[str]) -> None:
    """503, and no run shows: perhaps it was not accepted, and it is not tried again."""
    azure_lab.break_azure("unavailable", action="*/installPatches/action")
    error = calls.failing(patch_installation, kind="vm", name=next(fresh_vm), **INSTALL)
    assert (error.code, error.changed) == ("outcome_unknown", True)
    assert error.details["counts"]["unknown"] == 1
    assert only(error.details)["state"] == "unknown"
    assert writes(azure_lab) == ["POST installPatches"]


def test_the_address_of_the_operation_is_lost(
    azure_lab: RunningLab, calls: AzureCalls, fresh_vm: Iterator[str]
) -> None:
    azure_lab.break_azure("operation_lost", action="*/locations/operations/read", times=1)
    machine = only(calls(patch_installation, kind="vm", name=next(fresh_vm), **INSTALL))
    assert (machine["state"], machine["changed"]) == ("succeeded", True)
    assert writes(azure_lab) == ["POST installPatches"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "permission_missing"}, "azure_permission"),
        ({"kind": "conflict"}, "azure_conflict"),
        ({"kind": "provider_not_registered"}, "azure_provider_not_registered"),
        ({"kind": "resource_gone"}, "azure_not_found"),
        ({"kind": "tokens_revoked"}, "azure_login"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_refusal_is_no_doubt(azure_lab: RunningLab, calls: AzureCalls, fault: dict[str, Any], code: str) -> None:
    action = "*" if fault["kind"] == "tokens_revoked" else "*/installPatches/action"
    azure_lab.break_azure(action=action, **fault)
    error = calls.failing(patch_installation, kind="vm", name=FRESH_VMS[-2], **INSTALL)
    assert (error.code, error.changed) == (code, False)
    assert error.details["counts"]["unknown"] == 0
    if code == "azure_permission":
        assert "Microsoft.Compute/virtualMachines/installPatches/action" in error.message
        assert "Virtual Machine Contributor" in str(error.hint)


def test_who_may_start_it_and_not_look_at_it(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    azure_lab.break_azure("permission_missing", action="*/updateCenterOperationResults/read")
    name = next(fresh)
    error = calls.failing(patch_installation, name=name, **INSTALL)
    assert "Microsoft.HybridCompute/locations/updateCenterOperationResults/read" in error.message
    machine = only(error.details)
    assert (machine["state"], machine["changed"], error.changed) == ("in_progress", True, True)
    azure_lab.mend_azure()
    followed = calls(patch_installation, name=name, operation=machine["operation"], **AS_OF)
    assert only(followed)["state"] == "succeeded"


def test_the_time_is_over(azure_lab: RunningLab, calls: AzureCalls, fresh_vm: Iterator[str]) -> None:
    azure_lab.break_azure("slow", action="*/locations/operations/read", seconds=1.5)
    name = next(fresh_vm)
    error = calls.failing(patch_installation, kind="vm", name=name, wait_timeout=1, **{**INSTALL, "arm_timeout": 1})
    machine = only(error.details)
    assert (error.retryable, error.changed, machine["state"]) == (True, True, "in_progress")
    azure_lab.mend_azure()
    assert only(calls(patch_installation, kind="vm", name=name, operation=machine["operation"], **AS_OF))["state"] == (
        "succeeded"
    )


class _TimeOut(Exception):
    """As Ansible ends a task that lasts too long."""


@pytest.mark.parametrize("noun", [patch_installation], ids=["installation"])
def test_the_whole_task_is_ended(
    azure_lab: RunningLab, calls: AzureCalls, fresh_vm: Iterator[str], noun: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    steps = many._Pool.step

    def step(pool: Any, longest: float) -> None:
        if azure_lab.exchanges(writes=True):
            raise _TimeOut
        steps(pool, min(longest, 0.05))

    monkeypatch.setattr(many._Pool, "step", step)
    name = next(fresh_vm)
    azure_lab.break_azure("slow", action="*/locations/operations/read", seconds=0.5)
    with pytest.raises((_TimeOut, HotpatchError)):
        calls(noun, kind="vm", name=name, **INSTALL)
    (warning,) = calls.warnings
    assert f"the installation on {name}" in warning

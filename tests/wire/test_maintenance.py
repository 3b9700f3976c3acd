# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules and their machines against the lab's Azure: the ordinary ways, lost answers, and what is refused before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import (
    maintenance_assignment,
    maintenance_configuration,
)
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import RunningLab, running_lab

SCHEDULE: dict[str, Any] = {
    "location": "westeurope",
    "start": "22:00",
    "time_zone": "Europe/Berlin",
    "patch_tuesday": 2,
}
PATH = "Microsoft.Maintenance/maintenanceConfigurations"
ASSIGNMENTS = "Microsoft.Maintenance/configurationAssignments"


@pytest.fixture(scope="module")
def azure_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    servers: list[dict[str, Any]] = [{"name": f"arc{number:02d}"} for number in range(1, 9)]
    servers += [
        {"name": "expired", "arc": "expired"},
        {"name": "vmhot", "platform": "azure", "arc": "none", "edition": "ServerTurbine"},
        {"name": "vmplain", "platform": "azure", "arc": "none", "enrolled": False},
    ]
    with running_lab({"as_of": "2025-12-20", "servers": servers}, tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def calls(azure_lab: RunningLab) -> AzureCalls:
    azure_lab.mend_azure()
    return AzureCalls(azure_lab)


def writes(lab: RunningLab) -> list[str]:
    """Method and last part of every write, in order."""
    return [
        f"{item['request']['method']} {item['request']['url'].partition('?')[0].rsplit('/', 1)[-1]}"
        for item in lab.exchanges(writes=True)
    ]


def test_a_schedule_is_made_kept_changed_and_deleted(azure_lab: RunningLab, calls: AzureCalls) -> None:
    predicted = calls(maintenance_configuration, name="monthly", check_mode=True, **SCHEDULE)
    assert writes(azure_lab) == []
    made = calls(maintenance_configuration, name="monthly", **SCHEDULE)
    assert predicted["changed"] and predicted["diff"] == made["diff"]
    shown = made["configuration"]
    assert (shown["time_zone"], shown["recur_every"]) == ("W. Europe Standard Time", "Month Second Tuesday Offset2")
    assert (shown["reboot_setting"], shown["classifications"]) == ("never", ["critical", "security"])
    assert shown["start"] == made["next_starts"][0]["local"]
    assert [item["days_after_patch_tuesday"] for item in made["next_starts"]] == [2] * 6
    again = calls(maintenance_configuration, name="monthly", **SCHEDULE)
    assert not again["changed"]
    assert writes(azure_lab) == ["PUT monthly"]

    options = {**SCHEDULE, "patch_tuesday": 3, "tags": {"ring": "1"}, "kb_exclude": ["5072014"]}
    changed = calls(maintenance_configuration, name="monthly", **options)
    assert changed["changed"] and changed["configuration"]["recur_every"] == "Month Second Tuesday Offset3"
    kept = calls(maintenance_configuration, name="monthly")
    assert not kept["changed"]
    assert kept["configuration"]["kb_exclude"] == ["KB5072014"]

    calls(maintenance_assignment, configuration="monthly", name="arc01")
    gone = calls(maintenance_configuration, name="monthly", state="absent")
    assert gone["changed"] and gone["configuration"] is None
    assert "1 machines or scopes" in gone["notes"][0]
    assert not calls(maintenance_configuration, name="monthly", state="absent")["changed"]


def test_only_the_baseline_months(calls: AzureCalls) -> None:
    options = {**SCHEDULE, "quarter_month": 1, "reboot_setting": "if_required"}
    made = calls(maintenance_configuration, name="baseline", **options)
    assert all(item["planned_baseline"] for item in made["next_starts"])
    assert {item["release"][5:] for item in made["next_starts"]} == {"01", "04", "07", "10"}
    assert not calls(maintenance_configuration, name="baseline", **options)["changed"]


def test_a_schedule_that_has_run_takes_another_time_of_day(calls: AzureCalls) -> None:
    options = {**SCHEDULE, "quarter_month": 3}
    made = calls(maintenance_configuration, name="later", **options)
    calls.now = datetime.now(UTC) + timedelta(days=250)
    assert not calls(maintenance_configuration, name="later", **options)["changed"]
    changed = calls(maintenance_configuration, name="later", **{**options, "start": "23:00"})
    shown = changed["configuration"]
    assert shown["start"] > f"{calls.now:%Y-%m-%d}" > made["configuration"]["start"]
    assert shown["start"].endswith("23:00") and shown["start"] == changed["next_starts"][0]["local"]
    assert {item["release"][5:] for item in changed["next_starts"]} == {"03", "06", "09", "12"}


def test_a_schedule_that_opens_no_more_is_told(calls: AzureCalls) -> None:
    options = {**SCHEDULE, "start": "2040-01-01 22:00", "expiration": "2040-01-03 00:00"}
    made = calls(maintenance_configuration, name="short", **options)
    assert made["next_starts"] == [] and "opens no more" in " ".join(made["notes"])


def test_what_others_set_stays(azure_lab: RunningLab, calls: AzureCalls) -> None:
    calls(maintenance_configuration, name="shared", **SCHEDULE, tags={"owner": "us"})
    put = azure_lab.exchanges(writes=True)[-1]["request"]
    body = put["body"]
    body["properties"]["installPatches"]["linuxParameters"] = {"packageNameMasksToInclude": ["kernel*"]}
    arm_put(calls, put["url"], body)
    changed = calls(maintenance_configuration, name="shared", reboot_setting="if_required")
    assert changed["changed"]
    sent = azure_lab.exchanges(writes=True)[-1]["request"]["body"]
    assert sent["properties"]["installPatches"]["linuxParameters"] == {"packageNameMasksToInclude": ["kernel*"]}
    assert sent["tags"] == {"owner": "us"}


def arm_put(calls: AzureCalls, url: str, body: dict[str, Any]) -> None:
    """Somebody else's client."""
    from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import arm_for
    from tests.wire.azure_calls import account

    arm = arm_for(account(calls.lab, arm_share=1.0, arm_timeout=20), environment={})
    arm.send("PUT", url.partition("?")[0], doing="test", api_version="2023-04-01", body=body)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"patch_tuesday": None}, "patch_tuesday, every or recur_every"),
        ({"start": None, "time_zone": None}, "start and time_zone"),
        ({"location": None}, "needs a region"),
        ({"time_zone": "Berlin"}, "neither an IANA"),
        ({"start": "2020-01-01 22:00"}, "in the past"),
        ({"start": "2030-02-01 22:00", "quarter_month": 1}, "month 1 of its quarter"),
        ({"patch_tuesday": None, "quarter_month": 1}, "quarter_month goes with"),
        ({"patch_tuesday": 7}, "-6 to 6"),
        ({"duration": "5:00"}, "1:30 to 3:55"),
        ({"expiration": "2020-01-01 00:00"}, "not after the start"),
        ({"kb_include": ["5072014"], "kb_exclude": ["KB5072014"]}, "both included and excluded"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(
    azure_lab: RunningLab, calls: AzureCalls, options: dict[str, Any], words: str
) -> None:
    error = calls.failing(maintenance_configuration, name="wrong", **{**SCHEDULE, **options})
    assert error.code == "invalid_input"
    assert words in error.message
    assert writes(azure_lab) == []


@pytest.mark.parametrize("kind", ["answer_lost", "unavailable"])
def test_a_lost_answer_is_read_and_not_repeated(azure_lab: RunningLab, calls: AzureCalls, kind: str) -> None:
    settings = {"executed": True} if kind == "unavailable" else {}
    azure_lab.break_azure(kind, action=f"{PATH}/write", times=1, **settings)
    assert calls(maintenance_configuration, name=f"lost-{kind}", **SCHEDULE)["changed"]
    azure_lab.break_azure(kind, action=f"{ASSIGNMENTS}/write", times=1, **settings)
    done = calls(maintenance_assignment, configuration=f"lost-{kind}", machines=["arc01", "arc02"])
    assert done["counts"] == {"machines": 2, "changed": 2, "failed": 0, "assigned": 2}
    assert writes(azure_lab).count(f"PUT lost-{kind}") == 3


def test_a_missing_permission_is_named(azure_lab: RunningLab, calls: AzureCalls) -> None:
    azure_lab.break_azure("permission_missing", action=f"{PATH}/write")
    error = calls.failing(maintenance_configuration, name="nobody-may", **SCHEDULE)
    assert error.code == "azure_permission"
    assert f"{PATH}/write" in error.message
    assert "Scheduled Patching Contributor" in str(error.hint)


def test_machines_are_assigned_and_taken_off(azure_lab: RunningLab, calls: AzureCalls) -> None:
    calls(maintenance_configuration, name="many", **SCHEDULE)
    machines = [f"arc{number:02d}" for number in range(3, 9)]
    before = len(writes(azure_lab))
    predicted = calls(maintenance_assignment, configuration="many", machines=machines, check_mode=True)
    assert len(writes(azure_lab)) == before
    done = calls(maintenance_assignment, configuration="many", machines=machines)
    assert predicted["diff"] == done["diff"]
    assert all(machine["assigned"] for machine in done["machines"])
    assert not calls(maintenance_assignment, configuration="many", machines=machines)["changed"]
    second = calls(maintenance_assignment, configuration="many", machines=machines, assignment_name="other")
    assert not second["changed"]  # assigned is assigned, whatever the name
    off = calls(maintenance_assignment, configuration="many", name="arc03", state="absent")
    assert off["changed"] and not off["machines"][0]["assigned"]
    assert not calls(maintenance_assignment, configuration="many", name="arc03", state="absent")["changed"]
    assert any(item["kind"] == "azure" for item in azure_lab.record("arc04", writes=True))


def test_two_schedules_of_a_machine_are_told(calls: AzureCalls) -> None:
    for name in ("first", "second"):
        calls(maintenance_configuration, name=name, **SCHEDULE)
        result = calls(maintenance_assignment, configuration=name, name="arc02")
    assert "further schedules" in " ".join(result["machines"][0]["notes"])
    error = calls.failing(maintenance_assignment, configuration="many", name="arc02", assignment_name="first")
    assert "Choose another name" in str(error.hint)


def vm(lab: RunningLab, name: str) -> str:
    azure = lab.azure
    return (
        f"/subscriptions/{azure['subscription_id']}/resourceGroups/{azure['resource_group']}"
        f"/providers/Microsoft.Compute/virtualMachines/{name}"
    )


def test_virtual_machines_are_looked_at_first(azure_lab: RunningLab, calls: AzureCalls) -> None:
    calls(maintenance_configuration, name="vms", **SCHEDULE)
    hot = calls.failing(maintenance_assignment, configuration="vms", name=vm(azure_lab, "vmhot"))
    assert hot.code == "schedule_excludes_hotpatching"
    plain = calls.failing(maintenance_assignment, configuration="vms", name="vmplain", kind="vm")
    assert plain.code == "patch_orchestration"
    some = calls.failing(maintenance_assignment, configuration="vms", machines=["arc01", "expired", "nobody"])
    assert [bool(row["error"]) for row in some.details["machines"]] == [False, True, True]
    assert some.changed
    assert writes(azure_lab) == ["PUT vms", "PUT vms"]


def test_a_schedule_that_is_not_there(azure_lab: RunningLab, calls: AzureCalls) -> None:
    error = calls.failing(maintenance_assignment, configuration="missing", name="arc01")
    assert error.code == "azure_not_found"
    assert "maintenance_configuration" in str(error.hint)
    predicted = calls(maintenance_assignment, configuration="missing", name="arc01", check_mode=True)
    assert predicted["changed"]
    assert not calls(maintenance_assignment, configuration="missing", name="arc01", state="absent")["changed"]
    assert writes(azure_lab) == []


@pytest.mark.parametrize("where", [{}, {"resource_group": "rg-arc-servers"}], ids=["subscription", "group"])
def test_a_dynamic_scope(azure_lab: RunningLab, calls: AzureCalls, where: dict[str, Any]) -> None:
    calls(maintenance_configuration, name="dynamic", **SCHEDULE)
    azure_lab.mend_azure()
    scope = {**where, "tags": {"ring": ["1", "2"]}, "locations": ["West Europe"]}
    given: dict[str, Any] = {"configuration": "dynamic", "dynamic_scope": scope}
    predicted = calls(maintenance_assignment, check_mode=True, **given)
    assert writes(azure_lab) == []
    azure_lab.break_azure("answer_lost", action=f"{ASSIGNMENTS}/write", times=1)
    done = calls(maintenance_assignment, **given)
    assert predicted["diff"] == done["diff"] and done["changed"]
    assert done["scope"]["filter"]["tags"] == {"ring": ["1", "2"]}
    assert not calls(maintenance_assignment, **given)["changed"]
    assert writes(azure_lab) == ["PUT dynamic"]
    changed = calls(maintenance_assignment, configuration="dynamic", dynamic_scope={**scope, "tags": {"ring": "3"}})
    assert changed["diff"]["before"]["tags"] == {"ring": ["1", "2"]}
    calls(maintenance_configuration, name="dynamic2", **SCHEDULE)
    taken = calls.failing(
        maintenance_assignment, configuration="dynamic2", dynamic_scope=scope, assignment_name="dynamic"
    )
    assert "Choose another name" in str(taken.hint)
    gone = calls(maintenance_assignment, state="absent", **given)
    assert gone["changed"] and not gone["scope"]["assigned"]
    assert not calls(maintenance_assignment, state="absent", **given)["changed"]


def test_the_machines_of_a_dynamic_scope_are_looked_at(azure_lab: RunningLab, calls: AzureCalls) -> None:
    scope: dict[str, Any] = {"resource_types": ["arc", "vm"]}
    given: dict[str, Any] = {"configuration": "nothing", "check_mode": True, "dynamic_scope": scope}
    found = calls(maintenance_assignment, **given)["scope"]
    states = {row["name"].lower(): (row["patched"], " ".join(row["notes"])) for row in found["machines"]}
    assert states["arc01"] == (True, "")
    for name, words in (
        ("expired", "identity has expired"),
        ("vmhot", "refuses that together with hotpatching"),
        ("vmplain", "customer managed schedules"),
    ):
        assert states[name][0] is False and words in states[name][1]
    assert found["counts"] == {"found": 11, "patched": 8, "not_patched": 3, "unknown": 0}
    (warning,) = [text for text in calls.warnings if text.startswith("Dynamic scope")]
    assert "3 of the 11 machines" in warning and "vmplain: " in warning.lower() and "ARC0" not in warning
    assert writes(azure_lab) == []

    only = calls(maintenance_assignment, **{**given, "dynamic_scope": {**scope, "resource_types": ["vm"]}})
    assert {row["name"].lower() for row in only["scope"]["machines"]} == {"vmhot", "vmplain"}
    calls.warnings.clear()
    nobody = calls(maintenance_assignment, **{**given, "dynamic_scope": {**scope, "locations": ["uksouth"]}})
    assert nobody["scope"]["counts"]["found"] == 0
    assert "Dynamic scope: It finds no machine now." in calls.warnings


def test_a_dynamic_scope_whose_machines_cannot_be_read_is_told(azure_lab: RunningLab, calls: AzureCalls) -> None:
    calls(maintenance_configuration, name="blind", **SCHEDULE)
    azure_lab.break_azure("permission_missing", action="Microsoft.ResourceGraph/resources/read")
    made = calls(maintenance_assignment, configuration="blind", dynamic_scope={"tags": {"blind": "yes"}})
    assert made["changed"] and made["scope"]["machines"] is None and made["scope"]["counts"] is None
    assert any("is not known" in text and "Microsoft.ResourceGraph" in text for text in calls.warnings)


def test_machines_leave_the_schedules_that_have_a_tag(azure_lab: RunningLab, calls: AzureCalls) -> None:
    for name, tags in (("old", {"Owner": "us"}), ("new", {"owner": "us"}), ("theirs", {"owner": "Us"}), ("bare", {})):
        calls(maintenance_configuration, name=name, tags=tags, **SCHEDULE)
        calls(maintenance_assignment, configuration=name, machines=["arc07", "arc08"], assignment_name=f"to-{name}")
    azure_lab.mend_azure()
    leave: dict[str, Any] = {"configuration_tags": {"owner": "us"}, "keep": ["new"], "state": "absent"}
    predicted = calls(maintenance_assignment, machines=["arc07", "arc08"], check_mode=True, **leave)
    assert writes(azure_lab) == []
    azure_lab.break_azure("answer_lost", action=f"{ASSIGNMENTS}/delete", times=1)
    done = calls(maintenance_assignment, machines=["arc07", "arc08"], **leave)
    assert predicted["diff"] == done["diff"]
    assert done["diff"]["before"] == {"arc07": ["to-old"], "arc08": ["to-old"]}
    assert sorted(writes(azure_lab)) == ["DELETE to-old"] * 2
    left = {item.rsplit("/", 1)[-1] for item in done["machines"][0]["other_configurations"]}
    assert {"new", "theirs", "bare"} <= left and "old" not in left
    assert not calls(maintenance_assignment, machines=["arc07", "arc08"], **leave)["changed"]
    nobodys = calls(maintenance_assignment, name="arc07", **{**leave, "configuration_tags": {"owner": "nobody"}})
    assert not nobodys["changed"] and nobodys["configuration_id"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "Name a configuration"),
        ({"configuration": "x", "keep": ["y"]}, "keep goes with"),
        ({"configuration_tags": {"a": "b"}}, "with state absent"),
        ({"configuration_tags": {"a": "b"}, "state": "absent", "dynamic_scope": {}}, "no dynamic_scope"),
        ({"configuration_tags": {}, "state": "absent"}, "at least one tag"),
        ({"configuration_tags": {"a": ["b"]}, "state": "absent"}, "at least one tag"),
        ({"configuration_tags": {"a": None}, "state": "absent"}, "at least one tag"),
    ],
)
def test_tags_that_do_not_go_together(
    azure_lab: RunningLab, calls: AzureCalls, options: dict[str, Any], words: str
) -> None:
    machine = {} if "dynamic_scope" in options else {"name": "arc01"}
    error = calls.failing(maintenance_assignment, **machine, **options)
    assert error.code == "invalid_input" and words in error.message
    assert azure_lab.exchanges() == []

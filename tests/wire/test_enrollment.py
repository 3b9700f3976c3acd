# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enrollment against the lab's Azure: the ordinary ways, and everything that can go wrong on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import license_profiles
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import arm_for
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import HybridCompute
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ARC_MACHINE, resource_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core import enrollment, enrollment_info
from tests.wire.azure_calls import AzureCalls, account
from tests.wire.running_lab import RunningLab, running_lab

QUICK: dict[str, Any] = {"poll_interval": 0.2, "arm_share": 100.0}
PROFILE = "*/licenseProfiles/write"
FRESH = [f"new{number:02d}" for number in range(1, 24)]


@pytest.fixture(scope="module")
def azure_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    servers: list[dict[str, Any]] = [{"name": name, "enrolled": False, "level": "KB5068966"} for name in FRESH]
    servers += [
        {"name": "old01"},
        {"name": "old02"},
        {"name": "novbs", "enrolled": False, "vbs": 1},
        {"name": "lonely", "enrolled": False, "arc": "disconnected"},
        {"name": "expired", "enrolled": False, "arc": "expired"},
        {"name": "deleted", "enrolled": False, "arc": "resource_deleted"},
        {"name": "year2022", "enrolled": False, "product": "windows-server-2022"},
        {"name": "stuck", "enrolled": False, "faults": [{"kind": "enrollment_stuck"}]},
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
    """Names of machines that nobody has touched."""
    return iter(FRESH)


def writes(lab: RunningLab) -> list[str]:
    """Method and kind of every write whose sender was known, in order."""
    return [
        f"{item['request']['method']} {'profile' if 'licenseProfiles' in item['request']['url'] else 'machine'}"
        for item in lab.exchanges(writes=True)
        if item["response"]["status"] != 401
    ]


def only(result: dict[str, Any]) -> dict[str, Any]:
    (machine,) = result["machines"]
    return dict(machine)


def test_enrolling_reaches_the_server(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    name = next(fresh)
    predicted = calls(enrollment, name=name, check_mode=True, **QUICK)
    assert writes(azure_lab) == []
    done = calls(enrollment, name=name, **QUICK)
    assert writes(azure_lab) == ["PUT profile", "PATCH machine"]
    assert predicted["changed"] and predicted["diff"] == done["diff"]
    machine = only(done)
    assert (machine["state"], machine["subscription_status"], machine["opted_out"]) == ("enrolled", "Enabled", False)
    assert machine["enrollment_date"]
    state = azure_lab.state(name)
    assert (state["enrolled"], state["opted_out"], state["capable"]) == (True, False, True)
    again = calls(enrollment, name=name, **QUICK)
    assert not again["changed"]
    assert len(writes(azure_lab)) == 2
    assert only(calls(enrollment_info, name=name))["state"] == "enrolled"


def test_leaving_and_coming_back(azure_lab: RunningLab, calls: AzureCalls) -> None:
    left = calls(enrollment, name="old01", state="absent", **QUICK)
    assert only(left)["state"] == "not_enrolled"
    assert only(left)["disenrollment_date"]
    assert "next baseline" in left["rule"]
    assert not azure_lab.state("old01")["enrolled"]
    assert not calls(enrollment, name="old01", state="absent", **QUICK)["changed"]
    assert only(calls(enrollment, name="old01", **QUICK))["state"] == "enrolled"
    assert writes(azure_lab) == ["PATCH profile", "PATCH profile"]


def test_a_pause_and_its_end(azure_lab: RunningLab, calls: AzureCalls) -> None:
    paused = calls(enrollment, name="old02", opted_out=True, **QUICK)
    assert only(paused)["state"] == "paused"
    assert paused["diff"]["after"]["old02"] == {"enrolled": True, "opted_out": True}
    left_alone = calls(enrollment, name="old02", **QUICK)
    assert not left_alone["changed"]
    assert "opted_out to false" in " ".join(calls.warnings)
    assert only(calls(enrollment, name="old02", opted_out=False, **QUICK))["state"] == "enrolled"
    assert writes(azure_lab) == ["PATCH machine", "PATCH machine"]


def test_what_others_set_stays(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    name = next(fresh)
    parameters = account(azure_lab, arm_share=1.0, arm_timeout=20)
    compute = HybridCompute(arm_for(parameters, environment={}))
    machine = resource_of(
        name, (ARC_MACHINE,), subscription=parameters["subscription_id"], group=parameters["resource_group"]
    )
    assurance = {"softwareAssurance": {"softwareAssuranceCustomer": True}}
    license_profiles.create(compute, machine, {"location": "westeurope", "properties": assurance}, doing="test")
    assert only(calls(enrollment, name=name, **QUICK))["state"] == "enrolled"
    calls(enrollment, name=name, state="absent", **QUICK)
    kept = license_profiles.get(compute, machine)
    assert kept is not None
    assert kept["properties"]["softwareAssurance"] == {"softwareAssuranceCustomer": True}


def test_without_vbs_the_licence_is_there_and_azure_says_what_is_missing(calls: AzureCalls) -> None:
    calls(enrollment, name="novbs", **QUICK)
    time.sleep(0.2)
    machine = only(calls(enrollment_info, name="novbs"))
    assert (machine["state"], machine["hotpatch_status"]) == ("enrolled", "ActionRequired")
    assert "Virtualization-based security" in machine["status_error"]


def test_broken_off_between_licence_and_switch(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    name = next(fresh)
    azure_lab.break_azure("permission_missing", action="Microsoft.HybridCompute/machines/write")
    error = calls.failing(enrollment, name=name, **QUICK)
    assert error.code == "azure_permission"
    assert "Microsoft.HybridCompute/machines/write" in error.message
    assert "Azure Connected Machine Resource Administrator" in str(error.hint)
    assert error.changed
    assert only(error.details)["sent"] == ["enrolling"]
    time.sleep(0.5)
    assert only(calls(enrollment_info, name=name))["state"] == "half_enrolled"
    azure_lab.mend_azure()
    assert only(calls(enrollment, name=name, **QUICK))["state"] == "enrolled"
    assert writes(azure_lab) == ["PATCH machine"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "answer_lost", "action": PROFILE, "times": 1},
        {"kind": "unavailable", "action": PROFILE, "times": 1, "executed": True},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_write_whose_answer_is_missing_is_not_repeated(
    azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str], fault: dict[str, Any]
) -> None:
    azure_lab.break_azure(**fault)
    machine = only(calls(enrollment, name=next(fresh), **QUICK))
    assert machine["state"] == "enrolled"
    assert writes(azure_lab) == ["PUT profile", "PATCH machine"]


def test_a_write_that_was_not_carried_out_is_sent_again(
    azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]
) -> None:
    azure_lab.break_azure("unavailable", action=PROFILE, times=1)
    assert only(calls(enrollment, name=next(fresh), **QUICK))["state"] == "enrolled"
    assert writes(azure_lab) == ["PUT profile", "PUT profile", "PATCH machine"]


def test_a_conflict_is_looked_at_again(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    azure_lab.break_azure("conflict", action=PROFILE, times=1)
    machine = only(calls(enrollment, name=next(fresh), **QUICK))
    assert machine["state"] == "enrolled"
    azure_lab.break_azure("conflict", action=PROFILE)
    error = calls.failing(enrollment, name=next(fresh), **QUICK)
    assert (error.code, error.retryable, error.changed) == ("azure_conflict", True, False)
    assert "Another operation runs" in error.message


def test_reads_outlive_bad_moments(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    azure_lab.break_azure("unavailable", action="*/read", times=1)
    azure_lab.break_azure("answer_lost", action="*/read", times=1, after=1)
    azure_lab.break_azure("throttled", action="*", times=3, seconds=0.1, after=2)
    result = calls(enrollment, name=next(fresh), **QUICK)
    assert only(result)["state"] == "enrolled"
    assert result["traffic"]["throttled"] == 3


def test_a_token_that_is_refused_is_renewed_once(
    azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]
) -> None:
    tokens = azure_lab.ask("/azure")["tokens"]
    azure_lab.break_azure("tokens_revoked", action="*", times=1, after=2)
    assert only(calls(enrollment, name=next(fresh), **QUICK))["state"] == "enrolled"
    assert azure_lab.ask("/azure")["tokens"] == tokens + 2
    assert writes(azure_lab) == ["PUT profile", "PATCH machine"]
    assert azure_lab.azure["secret"] not in json.dumps(azure_lab.exchanges())


def test_tokens_that_are_worth_nothing_end_it(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    azure_lab.break_azure("tokens_revoked", action="*")
    error = calls.failing(enrollment, name=next(fresh), **QUICK)
    assert error.code == "azure_login"
    assert azure_lab.azure["secret"] not in error.sentence()


def test_an_operation_that_azure_forgot(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    azure_lab.break_azure("operation_lost", action="*/operationStatus/read")
    machine = only(calls(enrollment, name=next(fresh), **QUICK))
    assert machine["state"] == "enrolled"
    assert any("knows nothing more of the operation" in note for note in machine["notes"])


def test_a_provider_is_not_registered_by_itself(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    azure_lab.break_azure("provider_not_registered")
    error = calls.failing(enrollment, name=next(fresh), **QUICK)
    assert error.code == "azure_provider_not_registered"
    assert "az provider register --namespace Microsoft.HybridCompute" in str(error.hint)
    assert all("register" not in item["request"]["url"] for item in azure_lab.exchanges())


def test_azure_says_failed(azure_lab: RunningLab, calls: AzureCalls) -> None:
    error = calls.failing(enrollment, name="year2022", **QUICK)
    assert "Hotpatch needs Windows Server 2025" in error.message
    assert only(error.details)["state"] == "failed"


def test_three_states_of_an_agent(azure_lab: RunningLab, calls: AzureCalls) -> None:
    refused = calls.failing(enrollment, name="expired", **QUICK)
    assert (refused.code, refused.changed) == ("agent_expired", False)
    assert writes(azure_lab) == []
    waiting = calls.failing(enrollment, name="lonely", **QUICK)
    assert (waiting.code, waiting.changed, waiting.retryable) == ("agent_disconnected", True, True)
    assert only(waiting.details)["state"] == "enrolling"
    assert calls(enrollment, name="lonely", wait=False, **QUICK)["changed"] is False
    gone = calls.failing(enrollment, name="deleted", **QUICK)
    assert gone.code == "azure_not_found"


def test_what_does_not_end_in_time_goes_on(azure_lab: RunningLab, calls: AzureCalls) -> None:
    error = calls.failing(enrollment, name="stuck", wait_timeout=1, **QUICK)
    assert (error.code, error.changed) == ("azure_operation_unfinished", True)
    sent = writes(azure_lab)
    assert calls.failing(enrollment, name="stuck", wait_timeout=1, **QUICK).changed is False
    assert writes(azure_lab) == sent
    assert calls.failing(enrollment, name="stuck", state="absent", wait=False, **QUICK).code == "busy"


def test_one_of_many_fails(azure_lab: RunningLab, calls: AzureCalls, fresh: Iterator[str]) -> None:
    names = [next(fresh) for _number in range(4)]
    azure_lab.break_azure("permission_missing", action=PROFILE, resource=f"*/{names[2]}/*")
    error = calls.failing(enrollment, machines=names, **QUICK)
    assert error.message.startswith("Enrollment failed for 1 of 4 machines")
    assert [machine["state"] == "enrolled" for machine in error.details["machines"]] == [True, True, False, True]
    assert error.details["counts"] == {"machines": 4, "changed": 3, "failed": 1, "final": 4}
    assert [line for line in calls.lines if "4 of 4 machines done, 1 failed" in line]
    azure_lab.mend_azure()
    calls(enrollment, machines=names, **QUICK)
    assert writes(azure_lab) == ["PUT profile", "PATCH machine"]


def test_machines_by_id_and_a_name_twice(azure_lab: RunningLab, calls: AzureCalls) -> None:
    identifier = only(calls(enrollment_info, name="old01"))["id"]
    assert only(calls(enrollment_info, name=identifier, resource_group=None, subscription_id=None))["name"] == "old01"
    assert calls.failing(enrollment_info, machines=["old01", identifier]).code == "invalid_input"
    assert calls.failing(enrollment_info, name="old01", resource_group=None).code == "invalid_input"
    everyone = calls(enrollment_info)
    assert len(everyone["machines"]) == len(FRESH) + 7

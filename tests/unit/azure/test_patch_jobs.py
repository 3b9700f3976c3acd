# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work on one machine, step by step against a list of answers: what cannot be had from a lab at will."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import patch_assessment, patch_installation
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    OperationFailed,
    OperationUnfinished,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_records import PatchRecords
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_runs import operations_given
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ARC_MACHINE, ResourceId
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Busy, HotpatchError, InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_request import request_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from tests.unit.azure.fake_arm import ADDRESS, FakeArm, FakeResponse, error

CATALOGUE = Catalogue.shipped(date(2025, 12, 20))
MACHINE = ResourceId("00000000-0000-0000-0000-000000000001", "g", ARC_MACHINE, "m")
START = datetime(2025, 12, 20, 12, 0, tzinfo=UTC)
WHERE = f"{ADDRESS}/subscriptions/s/providers/Microsoft.HybridCompute/locations/l/updateCenterOperationResults/1"
REQUEST = request_of(
    {
        "mode": "hotpatch_only", "classifications": [], "kb_include": ["KB5072014"], "kb_exclude": [],
        "exclude_kbs_requiring_reboot": False, "reboot_setting": "never", "maximum_duration": "2h",
        "max_patch_publish_date": None,
    }
)  # fmt: skip


def machine() -> FakeResponse:
    feature = {"name": "Hotpatch", "subscriptionStatus": "Enabled"}
    return FakeResponse(
        200,
        {
            "properties": {
                "status": "Connected",
                "osVersion": "10.0.26100.7092",
                "osSku": "Windows Server 2025 Standard",
                "licenseProfile": {"productProfile": {"productFeatures": [feature]}},
                "osProfile": {"windowsConfiguration": {"patchSettings": {"enableHotpatching": True}}},
            }
        },
    )


def rows(*properties: dict[str, Any], below: str = "patchinstallationresults") -> FakeResponse:
    """What Resource Graph answers; it writes ids in another case than they were asked for."""
    place = f"{MACHINE}/{below}".upper()
    return FakeResponse(200, {"data": [{"id": f"{place}/N", "name": "n", "properties": item} for item in properties]})


def run(activity: str, status: str = "Succeeded", minutes: float = 1.0, **more: Any) -> dict[str, Any]:
    started = START + timedelta(minutes=minutes)
    return {
        "status": status, "installationActivityId": activity, "assessmentActivityId": activity,
        "startDateTime": f"{started:%Y-%m-%dT%H:%M:%SZ}", "installedPatchCount": 1, "rebootStatus": "NotNeeded", **more,
    }  # fmt: skip


def accepted() -> FakeResponse:
    return FakeResponse(202, None, {"Location": WHERE, "Retry-After": "5"})


def drive(fake: FakeArm, job: Any) -> None:
    """Run a job to its end; its pauses pass on the fake's clock."""
    for pause in job:
        fake.now += pause


def installing(
    fake: FakeArm, *, wait: float | None = 600.0, row: patch_installation.Row | None = None
) -> patch_installation.Row:
    row = row or patch_installation.Row(MACHINE, CATALOGUE, "the installation", request=REQUEST)
    asked = patch_installation.Asked(wait, 5.0, lambda: START)
    try:
        drive(fake, patch_installation.working(fake.arm, PatchRecords(fake.arm, many=False), row, asked))
    except HotpatchError as problem:
        problem.details["row"] = row
        raise
    return row


def posts(fake: FakeArm, last: str) -> int:
    return sum(1 for request in fake.seen if request.method == "POST" and f"/{last}?" in request.url)


OURS = "patchinstallationresults/ours/softwarepatches"
LATEST = "patchassessmentresults/latest/softwarepatches"
LOST = [error(503, "ServerTimeout"), ConnectionResetError("gone"), error(500, "InternalServerError")]


@pytest.mark.parametrize("lost", LOST, ids=["503", "cut", "500"])
def test_a_lost_answer_is_looked_up_in_resource_graph(lost: Any) -> None:
    """It is behind: first it shows nothing new, then an older run, then ours."""
    older = run("older", minutes=-30)
    fake = FakeArm(
        machine(), rows(), lost, rows(), rows(older), rows(older, run("ours", "InProgress")), rows(run("ours")),
        rows(run("ours")), rows({"patchName": "p", "kbId": "5072014", "installationState": "Installed"}, below=OURS),
    )  # fmt: skip
    row = installing(fake)
    assert (row.state, row.changed, row.result.activity if row.result else "") == ("succeeded", True, "ours")
    assert posts(fake, "installPatches") == 1
    assert [patch["state"] for patch in row.as_dict()["patches"]] == ["installed"]


def test_an_older_run_that_shows_late_is_not_taken_for_ours() -> None:
    older = run("older", minutes=-30)
    fake = FakeArm(machine(), rows(), error(503, "ServerTimeout"), *(rows(older) for _look in range(8)))
    with pytest.raises(WriteOutcomeUnknown, match="not sent again") as caught:
        installing(fake)
    row = caught.value.details["row"]
    assert (row.state, row.changed, posts(fake, "installPatches")) == ("unknown", True, 1)


def test_who_may_not_query_gets_the_doubt_in_words() -> None:
    denied = [error(403, "AuthorizationFailed", "No.") for _look in range(8)]
    fake = FakeArm(machine(), error(403, "AuthorizationFailed", "No."), error(503, "ServerTimeout"), *denied)
    with pytest.raises(WriteOutcomeUnknown) as caught:
        installing(fake)
    row = caught.value.details["row"]
    assert any(note.startswith("Past runs cannot be read") for note in row.notes)
    assert posts(fake, "installPatches") == 1


def test_one_that_runs_already_is_left_alone() -> None:
    fake = FakeArm(machine(), rows(run("other", "InProgress", -20)))
    with pytest.raises(Busy) as caught:
        installing(fake)
    assert caught.value.code == "installation_in_progress"
    assert posts(fake, "installPatches") == 0


def test_one_whose_end_was_never_seen_is_no_reason_to_wait_for_ever() -> None:
    fake = FakeArm(machine(), rows(run("old", "InProgress", -24 * 60)), accepted())
    row = installing(fake, wait=None)
    assert (row.state, row.as_dict()["operation"]["address"]) == ("in_progress", WHERE)


def test_the_end_does_not_come_in_time() -> None:
    fake = FakeArm(
        machine(), rows(), accepted(), *(FakeResponse(202, None, {"Retry-After": "5"}) for _look in range(9))
    )
    with pytest.raises(OperationUnfinished) as caught:
        installing(fake, wait=30.0)
    row = caught.value.details["row"]
    assert (row.state, row.changed) == ("in_progress", True)
    assert row.as_dict()["operation"] == {"via": "location", "address": WHERE}


def test_a_lost_address_is_followed_by_the_record() -> None:
    fake = FakeArm(
        machine(), rows(), accepted(), error(404, "NotFound"), rows(), rows(run("ours", "InProgress")),
        rows(run("ours")), rows(run("ours")), rows(),
    )  # fmt: skip
    row = installing(fake)
    assert (row.state, posts(fake, "installPatches")) == ("succeeded", 1)
    assert row.as_dict()["patches"] == []


STATUS_AT = WHERE.replace("Location", "Status") + "&way=status"


def test_where_azure_names_both_ways_the_one_with_the_result_is_followed() -> None:
    both = FakeResponse(202, None, {"Location": WHERE, "Azure-AsyncOperation": STATUS_AT, "Retry-After": "5"})
    fake = FakeArm(machine(), rows(), both, FakeResponse(200, run("ours", patches=[])))
    row = installing(fake)
    assert (row.state, row.changed, fake.seen[-1].url) == ("succeeded", True, WHERE)


def test_the_end_of_an_operation_is_no_result() -> None:
    """Its document says that it ran: what came of it is in its output, or in the machine's own record."""
    only = FakeResponse(202, None, {"Azure-AsyncOperation": STATUS_AT, "Retry-After": "5"})
    over = {"status": "Succeeded", "name": "an-operation"}
    fake = FakeArm(
        machine(),
        rows(),
        only,
        FakeResponse(200, {**over, "properties": {"output": run("ours", "Failed", patches=[])}}),
    )
    with pytest.raises(OperationFailed) as failed:
        installing(fake)
    assert failed.value.details["row"].result.activity == "ours"

    fake = FakeArm(
        machine(), rows(), only, FakeResponse(200, over), rows(), *(rows(run("ours")) for _look in range(2)), rows()
    )
    row = installing(fake)
    assert (row.state, row.result.activity if row.result else "", row.changed) == ("succeeded", "ours", True)


@pytest.mark.parametrize("answer", [FakeResponse(200, None), FakeResponse(202, None), FakeResponse(200, {})])
def test_an_answer_that_says_nothing_is_no_success(answer: FakeResponse) -> None:
    fake = FakeArm(machine(), rows(), answer, rows(), *(rows(run("ours", patches=[])) for _look in range(2)), rows())
    row = installing(fake)
    assert (row.state, posts(fake, "installPatches")) == ("succeeded", 1)
    assert any("does not say what came of it" in note for note in row.notes)


@pytest.mark.parametrize("status", ["Unknown", "SomethingNew"])
def test_an_end_that_azure_does_not_know_is_no_success(status: str) -> None:
    fake = FakeArm(machine(), rows(), accepted(), FakeResponse(200, run("ours", status, patches=[])))
    with pytest.raises(OperationFailed) as caught:
        installing(fake)
    assert (caught.value.code, caught.value.details["row"].state) == ("run_unknown", "unknown")


def test_an_operation_that_failed_is_over_and_may_have_changed_the_machine() -> None:
    only = FakeResponse(202, None, {"Azure-AsyncOperation": STATUS_AT, "Retry-After": "5"})
    fake = FakeArm(
        machine(), rows(), only, FakeResponse(200, {"status": "Failed", "error": {"code": "X", "message": "No."}})
    )
    with pytest.raises(OperationFailed) as caught:
        installing(fake)
    row = caught.value.details["row"]
    assert (row.state, row.changed, row.operation) == ("failed", True, None)


def test_an_operation_of_an_earlier_task_is_followed() -> None:
    row = patch_installation.Row(MACHINE, CATALOGUE, "the installation")
    operations_given({"via": "location", "address": WHERE}, {"m": row})
    fake = FakeArm(machine(), FakeResponse(200, run("ours", failedPatchCount=0)), rows(run("ours")), rows())
    installing(fake, row=row)
    assert (row.state, row.attached, posts(fake, "installPatches")) == ("succeeded", True, 0)


@pytest.mark.parametrize(
    "given",
    [{"via": "location"}, {"via": "x", "address": WHERE}, {"m": "rubbish"}, {"nobody": {"via": "location"}}],
)
def test_what_is_no_operation(given: Any) -> None:
    with pytest.raises(InvalidInput):
        operations_given(given, {"m": patch_installation.Row(MACHINE, CATALOGUE, "it")})


def test_a_whole_that_failed_says_why() -> None:
    bad = run("ours", "Failed", installedPatchCount=0, errorDetails={"code": "WU", "message": "No source."})
    fake = FakeArm(machine(), rows(), accepted(), FakeResponse(200, bad), rows(bad), rows())
    with pytest.raises(HotpatchError, match="WU: No source") as caught:
        installing(fake)
    assert not caught.value.details["row"].changed


def assessed(*properties: dict[str, Any]) -> FakeResponse:
    return rows(*properties, below="patchassessmentresults")


def assessing(fake: FakeArm, *, fresh: float = 0.0) -> patch_assessment.Row:
    row = patch_assessment.Row(MACHINE, CATALOGUE, "the assessment")
    asked = patch_assessment.Asked(fresh, 600.0, 5.0, lambda: START)
    drive(fake, patch_assessment.working(fake.arm, PatchRecords(fake.arm, many=False), row, asked))
    return row


def test_an_assessment_is_asked_for_again_when_its_answer_is_lost() -> None:
    conflict = error(409, "Conflict", "Another assessment is in progress.")
    fake = FakeArm(
        machine(), error(503, "ServerTimeout"), conflict, accepted(), FakeResponse(200, run("a")), rows(),
        assessed(run("a")), rows(),
    )  # fmt: skip
    row = assessing(fake)
    assert (row.state, row.changed, posts(fake, "assessPatches")) == ("succeeded", False, 3)


@pytest.mark.parametrize(
    ("status", "minutes", "is_taken"),
    [("Succeeded", -10, True), ("Succeeded", -90, False), ("Failed", -10, False), ("InProgress", -1, False)],
)
def test_how_old_an_assessment_may_be(status: str, minutes: int, is_taken: bool) -> None:
    finished = f"{START + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"
    last = run("a", status, minutes, lastModifiedDateTime=finished)
    new = [] if is_taken else [accepted(), FakeResponse(200, run("b"))]
    fake = FakeArm(machine(), assessed(last), *new, assessed(run("a" if is_taken else "b")), rows())
    row = assessing(fake, fresh=3600.0)
    assert (row.reused, posts(fake, "assessPatches")) == (is_taken, 0 if is_taken else 1)


def test_resource_graph_is_waited_for_and_not_for_ever() -> None:
    fake = FakeArm(
        machine(), accepted(), FakeResponse(200, run("b")), *(assessed(run("a", minutes=-9)) for _look in range(6))
    )
    row = assessing(fake)
    assert row.as_dict()["patches"] is None
    assert any("does not have this run yet" in note for note in row.notes)
    assert row.as_dict()["state"] == "succeeded"


def test_rows_come_in_pages() -> None:
    other = {"id": f"{MACHINE}/patchassessmentresults/latest", "name": "latest", "properties": run("a", minutes=-9)}
    first = FakeResponse(200, {"data": [other], "$skipToken": "more"})
    fake = FakeArm(
        machine(),
        accepted(),
        FakeResponse(200, run("b")),
        first,
        assessed(run("b")),
        rows({"patchName": "p"}, below=LATEST),
    )
    row = assessing(fake)
    assert [patch["name"] for patch in row.as_dict()["patches"]] == ["p"]
    queries = [json.loads(request.content) for request in fake.seen if "ResourceGraph" in request.url]
    assert queries[1]["options"]["$skipToken"] == "more"
    assert queries[0]["subscriptions"] == [MACHINE.subscription]

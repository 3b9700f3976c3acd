# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about many machines that become few queries, and answers that find their way back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import run_all
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_records import (
    ASSESSMENTS,
    INSTALLATIONS,
    PatchRecords,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import (
    ARC_MACHINE,
    VIRTUAL_MACHINE,
    ResourceId,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer
from tests.unit.azure.fake_arm import FakeArm, FakeResponse, error

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


def machine(name: str, group: str = "g", kind: str = ARC_MACHINE) -> ResourceId:
    return ResourceId(SUBSCRIPTION, group, kind, name)


def row(of: ResourceId, below: str, **properties: Any) -> dict[str, Any]:
    return {"id": f"{of}/{below}", "name": below.rpartition("/")[2], "properties": properties}


def answer(*rows: dict[str, Any]) -> FakeResponse:
    return FakeResponse(200, {"data": list(rows)})


def asked(fake: FakeArm, jobs: dict[str, Any]) -> dict[str, Any]:
    ended = run_all(
        jobs,
        progress=lambda *_counts: None,
        broken_off=lambda _names: None,
        monotonic=lambda: fake.now,
        sleep=fake.sleep,
    )
    return {name: end.error or end.value for name, end in ended.items()}


def queries(fake: FakeArm) -> list[str]:
    return [json.loads(request.content)["query"] for request in fake.seen]


def test_three_hundred_machines_are_one_query_and_one_more_is_two() -> None:
    machines = [machine(f"m{number:03d}") for number in range(301)]
    found = [row(each, f"patchInstallationResults/{each.name}-run", startDateTime="2026-01-01") for each in machines]
    # The 301st may come first, so the second query's answer holds all: what nobody asked for is left alone.
    fake = FakeArm(answer(*found), answer(*found))
    records = PatchRecords(fake.arm, many=True)
    answers = asked(fake, {each.name: records.runs(each, INSTALLATIONS) for each in machines})
    assert len(fake.seen) == 2
    assert {name: [run["name"] for run in runs] for name, runs in answers.items()} == {
        each.name: [f"{each.name}-run"] for each in machines
    }
    first, second = (query.count("'m") for query in queries(fake))
    # Beside the machines, each query has its table's kind in quotes, which begins with an m as well.
    assert (first, second) == (301, 2)


def test_machines_of_one_name_are_told_apart() -> None:
    here, there = machine("m", "g1"), machine("M", "g2")
    fake = FakeArm(answer(row(here, "patchinstallationresults/a"), row(there, "patchinstallationresults/b")))
    records = PatchRecords(fake.arm, many=True)
    answers = asked(fake, {"here": records.runs(here, INSTALLATIONS), "there": records.runs(there, INSTALLATIONS)})
    assert [[run["name"] for run in answers[name]] for name in ("here", "there")] == [["a"], ["b"]]


def test_each_table_kind_and_depth_has_a_query_of_its_own() -> None:
    fake = FakeArm(*(answer() for _each in range(5)))
    records = PatchRecords(fake.arm, many=True)
    arc, vm = machine("m"), machine("m", kind=VIRTUAL_MACHINE)
    questions = {
        "1": records.runs(arc, INSTALLATIONS),
        "2": records.runs(vm, INSTALLATIONS),
        "3": records.runs(arc, ASSESSMENTS),
        "4": records.patches(arc, INSTALLATIONS, "RUN-1"),
        "5": records.patches(arc, ASSESSMENTS, "run-1"),
    }
    assert asked(fake, questions) == {key: [] for key in questions}
    kinds = sorted(query.split("'")[1] for query in queries(fake))
    assert kinds == [
        "microsoft.compute/virtualmachines/patchinstallationresults",
        "microsoft.hybridcompute/machines/patchassessmentresults",
        "microsoft.hybridcompute/machines/patchassessmentresults/softwarepatches",
        "microsoft.hybridcompute/machines/patchinstallationresults",
        "microsoft.hybridcompute/machines/patchinstallationresults/softwarepatches",
    ]
    assert sorted(line for query in queries(fake) for line in query.split("\n") if "parts[10]" in line) == [
        "| where tostring(parts[10]) in ('latest')",
        "| where tostring(parts[10]) in ('run-1')",
    ]


def test_the_patches_of_another_run_are_not_taken() -> None:
    one, other = machine("m1"), machine("m2")
    found = [
        row(each, f"patchinstallationresults/{run}/softwarepatches/{run}{each.name}", patch=f"{each.name} {run}")
        for each in (one, other)
        for run in ("r1", "r2")
    ]
    fake = FakeArm(answer(*found))
    records = PatchRecords(fake.arm, many=True)
    answers = asked(
        fake, {"1": records.patches(one, INSTALLATIONS, "R1"), "2": records.patches(other, INSTALLATIONS, "r2")}
    )
    assert answers == {"1": [{"patch": "m1 r1"}], "2": [{"patch": "m2 r2"}]}


def test_one_machine_is_asked_about_at_once() -> None:
    fake = FakeArm(answer())
    with pytest.raises(StopIteration) as stop:
        next(PatchRecords(fake.arm, many=False).runs(machine("m"), ASSESSMENTS))
    assert stop.value.value == []


def test_an_error_reaches_everybody_who_asked_and_the_next_look_asks_anew() -> None:
    fake = FakeArm(error(403, "AuthorizationFailed"), answer())
    records = PatchRecords(fake.arm, many=True)
    first = asked(fake, {name: records.runs(machine(name), ASSESSMENTS) for name in ("m1", "m2")})
    assert [each.code for each in first.values()] == ["azure_permission"] * 2
    assert first["m1"] is not first["m2"]
    assert asked(fake, {"m1": records.runs(machine("m1"), ASSESSMENTS)}) == {"m1": []}


@pytest.mark.parametrize("run", ["a' or 1 == 1", "", "a/b", "a\nb", "x" * 65])
def test_a_run_that_is_none_gets_into_no_query(run: str) -> None:
    fake = FakeArm()
    with pytest.raises(BadAnswer, match="no id of a run"):
        next(PatchRecords(fake.arm, many=False).patches(machine("m"), INSTALLATIONS, run))
    assert fake.seen == []

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each server needs this month, and what the policy lets happen."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.month import plan_month, plan_server
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.policy import Policy
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.waves import gate, waves
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from tests.unit.server_facts import healthy

SHIPPED = Catalogue.shipped()
STRICT = Policy()
EVERYTHING = Policy(frozenset({"baseline", "unplanned_baseline", "missed_baseline", "off_track", "lcu"}))
DECEMBER = "2025-12-20"


def step(
    facts: dict[str, Any] | None,
    day: str = DECEMBER,
    policy: Policy = STRICT,
    failure: dict[str, Any] | None = None,
    **declared: Any,
) -> dict[str, Any]:
    return plan_server("web01", facts, failure, declared, SHIPPED, policy, date.fromisoformat(day))


def without_hint(build: str, kbs: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    return healthy(build, kbs or [], hotpatch_hint={"arc_license": False, "enrollment_package": False}, **changes)


# facts, day, declared -> action, allowed by default, restart reason, outcome when left alone, expected KBs
MONTHS: list[tuple[dict[str, Any], str, dict[str, Any], str, bool, str | None, str, list[str]]] = [
    (healthy(), DECEMBER, {}, "hotpatch", True, None, "skipped", ["KB5072014"]),
    (healthy("26100.7392", ["KB5072014"]), DECEMBER, {}, "none", False, None, "current", []),
    (
        healthy("26100.6508", []), DECEMBER, {},
        "baseline", False, "missed_baseline", "skipped", ["KB5066835", "KB5072014"],
    ),
    (healthy("26100.7392", []), "2026-01-31", {}, "baseline", True, "baseline", "skipped", ["KB5073379"]),
    (
        healthy("26100.32772", []), "2026-06-20", {},
        "baseline", False, "unplanned_baseline", "skipped", ["KB5094125"],
    ),
    (healthy("26100.6905", ["KB5070881"]), DECEMBER, {}, "lcu", False, "off_track", "skipped", ["KB5072033"]),
    (healthy("26100.6905", ["KB5070881"]), "2025-10-31", {}, "none", False, None, "current", []),
    (without_hint("26100.7171"), DECEMBER, {}, "lcu", False, "lcu", "skipped", ["KB5072033"]),
    (without_hint("26100.7462"), DECEMBER, {}, "none", False, None, "current", []),
    (healthy("26100.7171", []), DECEMBER, {"opted_out": True}, "lcu", False, "lcu", "skipped", ["KB5072033"]),
    (without_hint("26100.7171", vbs={"status": 0}), DECEMBER, {}, "lcu", False, "lcu", "not_eligible", ["KB5072033"]),
    (healthy(vbs={"status": 1}), DECEMBER, {}, "none", False, None, "not_eligible", []),
    (healthy(vbs={"status": None}), DECEMBER, {}, "refuse", False, None, "refused", []),
    (healthy(arc={"status": "Expired"}), DECEMBER, {}, "none", False, None, "not_eligible", []),
    (healthy("26100.6905", []), DECEMBER, {}, "refuse", False, None, "refused", []),
    (healthy("26100.32995", []), "2026-08-20", {}, "refuse", False, None, "refused", []),
    (healthy("26100.32772", []), "2026-08-20", {}, "refuse", False, None, "refused", []),
    (
        healthy("26100.6899", [], hotpatch_hint={"arc_license": None}), DECEMBER, {},
        "refuse", False, None, "refused", [],
    ),
    (
        healthy("26100.6899", [], hotpatch_hint={"arc_license": None}), DECEMBER, {"enrolled": True},
        "hotpatch", True, None, "skipped", ["KB5072014"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "day", "declared", "action", "allowed", "restart", "outcome", "kbs"),
    MONTHS,
    ids=[f"{number}-{row[3]}-{row[6]}" for number, row in enumerate(MONTHS)],
)
def test_what_a_server_needs(
    facts: dict[str, Any],
    day: str,
    declared: dict[str, Any],
    action: str,
    allowed: bool,
    restart: str | None,
    outcome: str,
    kbs: list[str],
) -> None:
    found = step(facts, day, **declared)
    assert (found["action"], found["allowed"], found["restart_reason"]) == (action, allowed, restart)
    assert (found["outcome_if_nothing"], found["expected_kbs"]) == (outcome, kbs)
    assert found["reason"].endswith(".")
    if restart:
        assert step(facts, day, EVERYTHING, **declared)["allowed"] is True
        assert "restart" in found["reason"]


def test_a_missed_baseline_is_the_baseline_and_then_the_hotpatch() -> None:
    found = step(healthy("26100.6508", []), policy=EVERYTHING)
    assert found["stages"] == [
        {"mode": "baseline", "kb": "KB5066835", "expected_build": "26100.6899"},
        {"mode": "hotpatch_only", "kb": "KB5072014", "expected_build": "26100.7392"},
    ]
    assert found["expected_build"] == "26100.7392"


def test_a_client_is_left_alone() -> None:
    facts = healthy("26100.7392", [])
    facts["os"].update(product_type=1, edition_id="Enterprise", installation_type="Client")
    found = step(facts, policy=EVERYTHING)
    assert (found["action"], found["outcome_if_nothing"]) == ("none", "not_eligible")
    assert found["reason_code"] == "not_windows_server"


DOUBTS: list[tuple[dict[str, Any], str]] = [
    ({"restart_pending": {"pending": True, "sources": {"windows_update": True}}}, "restart_pending"),
    ({"restart_pending": {"pending": None}}, "restart_pending_unknown"),
    ({"restart_pending": None}, "restart_pending_unknown"),
    ({"boot": {"clock_skew_seconds": 601}}, "clock_skew"),
    ({"boot": {"clock_skew_seconds": -601.5}}, "clock_skew"),
    ({"boot": {"clock_skew_seconds": None}}, "clock_unknown"),
    ({"hardware": {"system_disk_free_bytes": 2 * 1024**3 - 1}}, "disk_full"),
    ({"hardware": {"system_disk_free_bytes": None}}, "disk_unknown"),
    ({"update_policy": {"always_auto_reboot": True}}, "restart_policy"),
    ({"update_policy": {"readable": False}}, "restart_policy_unknown"),
    ({"update_policy": {"values": {"AUOptions": 4}}}, "restart_policy"),
    ({"update_policy": {"values": {"AUOptions": 9}}}, "restart_policy_unknown"),
    ({"update_policy": {"mdm": {"ConfigureDeadlineForQualityUpdates": 3}}}, "restart_policy"),
]


@pytest.mark.parametrize(("changes", "code"), DOUBTS)
def test_a_doubt_refuses(changes: dict[str, Any], code: str) -> None:
    found = step(healthy(**changes))
    assert (found["action"], found["allowed"], found["reason_code"]) == ("refuse", False, code)
    assert found["outcome_if_nothing"] == "refused"
    assert found["stages"] == []
    # A server that needs nothing has nothing to refuse.
    assert step(healthy("26100.7392", ["KB5072014"], **changes))["outcome_if_nothing"] == "current"


def test_a_pending_restart_does_not_keep_a_server_from_the_restart_it_is_to_have() -> None:
    pending = {"pending": True, "sources": {"component_based_servicing": True}}
    found = step(healthy("26100.6508", ["KB5065474"], restart_pending=pending), policy=EVERYTHING)
    assert (found["action"], found["allowed"]) == ("baseline", True)
    unread = step(healthy("26100.6508", ["KB5065474"], restart_pending={"pending": None}), policy=EVERYTHING)
    assert (unread["action"], unread["reason_code"]) == ("refuse", "restart_pending_unknown")


def test_all_doubts_are_said_at_once() -> None:
    pending = {"pending": True, "sources": {"computer_rename": True, "pending_file_rename": True}}
    reason = step(healthy(restart_pending=pending, boot={"clock_skew_seconds": 7200}))["reason"]
    assert "computer_rename" in reason
    assert "pending_file_rename" not in reason
    assert "7200 s" in reason


def test_a_cumulative_update_needs_more_room_than_a_hotpatch() -> None:
    five = {"system_disk_free_bytes": 5 * 1024**3}
    assert step(healthy(hardware=five))["action"] == "hotpatch"
    found = step(healthy("26100.6508", [], hardware=five), policy=EVERYTHING)
    assert found["reason_code"] == "disk_full"
    assert "5.0 GB free and 10 GB are needed" in found["reason"]


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        ({"unreachable": True, "msg": "web01 does not answer."}, "unreachable"),
        ({"unreachable": False, "msg": "web01 sent garbage."}, "failed"),
        (None, "failed"),
    ],
)
def test_a_server_that_was_not_read(failure: dict[str, Any] | None, outcome: str) -> None:
    found = step(None, failure=failure)
    assert (found["action"], found["outcome_if_nothing"]) == ("none", outcome)
    assert set(found) == set(step(healthy()))
    if failure:
        assert found["reason"] == failure["msg"]


def test_the_plan_of_a_fleet() -> None:
    servers: list[dict[str, Any]] = [
        {"name": "a", "facts": healthy()},
        {"name": "b", "facts": healthy("26100.6508", []), "declarations": {}},
        {"name": "c", "facts": None, "failure": {"unreachable": True, "msg": "gone."}},
    ]
    plan = plan_month(servers, SHIPPED, Policy.read({"restart_reasons": ["missed_baseline"]}), date(2025, 12, 20))
    assert plan["month"] == "2025-12"
    assert [each["name"] for each in plan["steps"]] == ["a", "b", "c"]
    assert plan["totals"] == {
        "servers": 3,
        "actions": {"baseline": 1, "hotpatch": 1, "none": 1},
        "restarts": 1,
        "left_alone": {"unreachable": 1},
    }
    assert plan["catalogue"]["stale"] is False
    assert json.loads(json.dumps(plan)) == plan


@pytest.mark.parametrize(
    "values",
    [
        {"restart_reasons": ["always"]},
        {"restart_reasons": "baseline"},
        {"max_clock_skew": -1},
        {"max_clock_skew": True},
        {"min_free_bytes_lcu": "10 GB"},
        {"colour": "red"},
    ],
)
def test_a_wrong_policy_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Policy.read(values)


def test_a_policy_keeps_its_safe_defaults() -> None:
    assert Policy.read({"restart_reasons": None}) == Policy()
    assert Policy().as_dict()["restart_reasons"] == ["baseline"]
    assert Policy.read({"restart_reasons": []}).restart_reasons == frozenset()


UBRS = st.sampled_from([1742, 6508, 6584, 6899, 6905, 7019, 7092, 7171, 7392, 7462, 32230, 32313, 32995])


@settings(max_examples=150, deadline=None)
@given(
    ubr=UBRS,
    kbs=st.lists(st.sampled_from(["KB5070881", "KB5070893", "KB5072033"]), max_size=2),
    vbs=st.sampled_from([0, 1, 2, None]),
    enrolled=st.sampled_from([True, False, None]),
    pending=st.sampled_from([True, False, None]),
    day=st.dates(date(2025, 9, 1), date(2026, 12, 31)),
    reasons=st.sets(st.sampled_from(sorted(EVERYTHING.restart_reasons))),
)
def test_no_doubtful_server_is_ever_touched(
    ubr: int,
    kbs: list[str],
    vbs: int | None,
    enrolled: bool | None,
    pending: bool | None,
    day: date,
    reasons: set[str],
) -> None:
    facts = healthy(f"26100.{ubr}", kbs, vbs={"status": vbs}, restart_pending={"pending": pending})
    found = plan_server("x", facts, None, {"enrolled": enrolled}, SHIPPED, Policy(frozenset(reasons)), day)
    if found["action"] == "hotpatch":
        assert (vbs, pending, found["track"]) == (2, False, "hotpatch")
        assert found["restart_reason"] is None
    if found["allowed"]:
        assert pending is not None
        assert pending is False or found["restart_reason"] in reasons
        assert found["expected_kbs"]
        assert found["action"] == "hotpatch" or found["restart_reason"] in reasons
    else:
        assert found["outcome_if_nothing"] in ("current", "refused", "not_eligible", "skipped")
    assert json.loads(json.dumps(found)) == found


# -- waves


def test_waves_are_canaries_and_batches_in_order() -> None:
    names = [f"s{number}" for number in range(8)]
    assert waves(names, 1, 3) == [["s0"], ["s1", "s2", "s3"], ["s4", "s5", "s6"], ["s7"]]
    assert waves(names[:2], 0, 5) == [["s0", "s1"]]
    assert waves([], 1, 5) == []
    for canaries, size in ((-1, 5), (1, 0)):
        with pytest.raises(InvalidInput):
            waves(names, canaries, size)
    with pytest.raises(InvalidInput, match="twice"):
        waves(["a", "a"])


@given(st.lists(st.text(max_size=3), unique=True, max_size=30), st.integers(0, 4), st.integers(1, 7))
def test_every_server_is_in_one_wave(names: list[str], canaries: int, size: int) -> None:
    found = waves(names, canaries, size)
    assert [name for wave in found for name in wave] == names
    assert all(1 <= len(wave) <= max(canaries, size) for wave in found)


def test_failures_spend_the_budget_across_waves() -> None:
    done, failed = {"state": "done"}, {"state": "failed", "words": "0x800F0983"}
    assert gate({}, ["a"], 6)["go"] is True
    assert gate({}, ["a"], 6)["canary"] is True
    assert gate({}, ["a"], 1)["canary"] is False  # no wave follows
    assert gate({"a": done}, ["b"], 6)["canary"] is False
    assert gate({"a": failed}, ["b"], 6)["canary"] is False
    assert gate({"a": done}, ["b"], 6)["go"] is True
    stopped = gate({"a": done, "b": failed}, ["c"], 6)
    assert (stopped["go"], stopped["failed"]) == (False, ["b"])
    assert "0x800F0983" in stopped["words"]
    assert gate({"a": done, "b": failed}, ["c"], 6, 1)["go"] is True
    assert gate({"a": failed, "b": failed, "c": {"state": "halted"}}, ["d"], 6, 1)["go"] is False
    # A server that never said how it ended counts as lost.
    assert gate({"a": {}}, ["b"], 6)["go"] is False
    assert gate({"a": {"state": "halted"}}, ["b"], 6)["go"] is True
    with pytest.raises(InvalidInput):
        gate({}, ["a"], 1, -1)

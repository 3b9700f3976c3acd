# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers one enrollment task takes, what became of them, and an installation through Azure as one result."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.enrollment_scope import (
    Wish,
    conclude,
    machine_of,
    scope_of,
)

GROUP = "/subscriptions/0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33/resourceGroups/rg"


def arc_id(name: str) -> str:
    return f"{GROUP}/providers/Microsoft.HybridCompute/machines/{name}"


def record(name: str, *, machine: str | None = None, eligible: Any = True, **keys: Any) -> dict[str, Any]:
    blockers = [] if eligible else [{"words": "VBS is off."}]
    read = {
        "server": {"arc": {"resource_id": machine or arc_id(name)}},
        "eligibility": {"eligible": eligible, "blockers": blockers},
        "product": {"azure_edition": False},
    }
    return {"name": name, "read": read, **keys}


def test_all_are_one_task_and_those_declared_as_paused_another() -> None:
    scope = scope_of([record("a"), record("b", opted_out=True), record("c")], Wish())
    assert [(task["opted_out"], task["names"]) for task in scope["tasks"]] == [(None, ["a", "c"]), (True, ["b"])]
    assert scope["machines"] == [arc_id("a"), arc_id("b"), arc_id("c")]
    resumed = scope_of([record("a"), record("b", opted_out=True)], Wish(resume=True))
    assert [(task["opted_out"], task["names"]) for task in resumed["tasks"]] == [(False, ["a", "b"])]
    left = scope_of([record("a"), record("b", opted_out=True)], Wish("absent"))
    assert [(task["opted_out"], task["names"]) for task in left["tasks"]] == [(None, ["a", "b"])]


@pytest.mark.parametrize(
    ("given", "outcome", "words"),
    [
        (record("x", eligible=False), "not_eligible", "VBS is off."),
        (record("x", eligible=None), "refused", "VBS is off."),
        ({"name": "x", "read": {"unreachable": True, "msg": "refused"}}, "unreachable", "refused"),
        ({"name": "x", "read": {"failed": True, "msg": "denied"}}, "failed", "denied"),
        ({"name": "x"}, "failed", "not read"),
        (record("x", machine="/subscriptions/1/evil?x="), "not_eligible", "not known as an Arc machine"),
    ],
)
def test_who_is_left_alone(given: dict[str, Any], outcome: str, words: str) -> None:
    scope = scope_of([given], Wish())
    assert scope["tasks"] == []
    assert scope["left_alone"]["x"]["outcome"] == outcome
    assert words in scope["left_alone"]["x"]["reason"]


def test_a_machine_that_two_servers_claim_is_nobodys() -> None:
    scope = scope_of([record("a"), record("b", machine=arc_id("A")), record("c")], Wish())
    assert scope["names"] == ["c"]
    assert {name: each["outcome"] for name, each in scope["left_alone"].items()} == {"a": "refused", "b": "refused"}


def test_what_the_inventory_says_wins_and_what_the_agent_said_comes_next() -> None:
    fresh = {"agent": {"resource_id": arc_id("fresh")}}
    assert machine_of(record("a", arc=fresh)) == arc_id("fresh")
    parts = {"subscription_id": GROUP.split("/")[2], "resource_group": "rg", "resource_name": "p"}
    assert machine_of({"read": {"server": {"arc": parts}}}) == arc_id("p")
    given: dict[str, Any] = {**record("a", arc=fresh), "machine": "by-name"}
    assert machine_of(given) == "by-name"


def test_a_pause_enrolls_nobody_and_touches_nobody_unseen() -> None:
    seen: list[dict[str, Any]] = [
        {"state": "enrolled"},
        {"state": "not_enrolled"},
        {"state": "unread", "error": {"msg": "403"}},
    ]
    scope = scope_of([record("a"), record("b"), record("c")], Wish("paused"), seen)
    assert [(task["opted_out"], task["names"]) for task in scope["tasks"]] == [(True, ["a"])]
    assert {name: each["outcome"] for name, each in scope["left_alone"].items()} == {"b": "skipped", "c": "failed"}


@pytest.mark.parametrize(
    ("wanted", "state", "outcome"),
    [
        ("present", "enrolled", "enrolled"),
        ("present", "paused", "paused"),
        ("present", "enrolling", "ready"),
        ("present", "half_enrolled", "failed"),
        ("present", "unknown", "failed"),
        ("paused", "paused", "paused"),
        ("paused", "enrolled", "failed"),
        ("absent", "not_enrolled", "left"),
        ("absent", "disenrolling", "ready"),
        ("absent", "enrolled", "failed"),
    ],
)
def test_what_became_of_it(wanted: str, state: str, outcome: str) -> None:
    scope = scope_of([record("a")], Wish(wanted))
    concluded = conclude(scope, [{"machines": [{"id": arc_id("a"), "state": state, "changed": True}]}])
    assert concluded["a"]["outcome"] == outcome and concluded["a"]["changed"]


def test_a_task_that_failed_as_a_whole_fails_for_each_and_one_of_many_for_itself() -> None:
    scope = scope_of([record("a"), record("b")], Wish())
    assert {each["reason"] for each in conclude(scope, [{"msg": "no login"}]).values()} == {"no login"}
    assert {each["outcome"] for each in conclude(scope, []).values()} == {"failed"}
    rows = [{"state": "enrolled"}, {"state": "half_enrolled", "error": {"msg": "403", "hint": "Ask for the role."}}]
    concluded = conclude(scope, [{"machines": rows}])
    assert concluded["a"]["outcome"] == "enrolled"
    assert (concluded["b"]["outcome"], concluded["b"]["reason"]) == ("failed", "403 Ask for the role.")

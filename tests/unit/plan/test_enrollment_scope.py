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


@pytest.mark.parametrize(
    ("arc", "outcome", "words"),
    [
        ({"installed": False}, "skipped", "not connected to Azure Arc"),
        ({"installed": True, "status": "Disconnected"}, "skipped", "not connected to Azure Arc"),
        ({"installed": True, "status": "Connected", "resource_name": "X"}, "failed", "hotpatch_azure_machine"),
        ({"installed": True, "status": None}, "failed", "hotpatch_azure_machine"),
        ({"installed": None}, "failed", "hotpatch_azure_machine"),
    ],
)
@pytest.mark.parametrize("state", ["paused", "absent"])
def test_leaving_without_a_machine_is_done_only_where_there_is_certainly_none(
    state: str, arc: dict[str, Any], outcome: str, words: str
) -> None:
    given = record("x")
    given["read"]["server"]["arc"] = arc
    alone = scope_of([given], Wish(state))["left_alone"]["x"]
    assert (alone["outcome"], words in alone["reason"]) == (outcome, True), alone


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


VM_ID = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/"


def edition(name: str, *, place: str = "azure_vm", **keys: Any) -> dict[str, Any]:
    """A server with Azure Edition; which virtual machine it is, is not among what it tells."""
    read = {
        "server": {"arc": {}, "platform": {"kind": place}},
        "eligibility": {"eligible": True, "blockers": []},
        "product": {"azure_edition": True},
    }
    return {"name": name, "read": read, **keys}


@pytest.mark.parametrize(
    ("given", "vms", "arcs"),
    [
        (edition("v", machine=VM_ID + "v1"), [VM_ID + "v1"], []),
        (edition("v", machine="v1", kind="arc"), ["v1"], []),
        (record("v", kind="vm") | {"machine": "v1"}, ["v1"], []),
        ({"name": "v", "machine": VM_ID.lower() + "v1", "kind": "arc"}, [VM_ID.lower() + "v1"], []),
        ({"name": "v", "machine": arc_id("v"), "kind": "vm"}, [], [arc_id("v")]),
        (record("v", kind="vm"), [], [arc_id("v")]),
        ({"name": "v", "machine": "v1", "kind": "vm"}, ["v1"], []),
        ({"name": "v", "machine": "v1", "kind": "arc"}, [], ["v1"]),
    ],
    ids=[
        "by id", "edition by name", "declared", "unread by id", "an Arc id is an Arc machine", "no name is no VM",
        "unread by name", "unread Arc machine by name",
    ],
)  # fmt: skip
def test_which_switch_a_server_has(given: dict[str, Any], vms: list[str], arcs: list[str]) -> None:
    scope = scope_of([given], Wish(eligible_only="read" in given))
    assert [task["machines"] for task in scope["vms"]] == [[vm] for vm in vms]
    assert scope["machines"] == arcs


def test_the_switch_of_a_virtual_machine_is_off_for_whoever_is_paused_or_leaves() -> None:
    records = [edition("a", machine=VM_ID + "a"), edition("b", machine=VM_ID + "b", opted_out=True), record("c")]

    def switches(wish: Wish) -> list[tuple[bool, list[str]]]:
        return [(task["hotpatching"], task["names"]) for task in scope_of(records, wish)["vms"]]

    assert switches(Wish()) == [(True, ["a"]), (False, ["b"])]
    assert switches(Wish(resume=True)) == [(True, ["a", "b"])]
    assert switches(Wish("paused")) == switches(Wish("absent")) == [(False, ["a", "b"])]


@pytest.mark.parametrize(
    ("given", "state", "outcome", "words"),
    [
        (edition("v"), "present", "ready", "Set hotpatch_azure_machine"),
        (edition("v", place="azure_local_vm"), "present", "ready", "no switch"),
        (edition("v", place="azure_local_vm", machine="v1"), "absent", "skipped", "no switch"),
        (edition("v", place="other", platform="azure_local_vm"), "present", "ready", "no switch"),
        # Whoever wants hotpatches off must not take this for done.
        (edition("v"), "paused", "failed", "Set hotpatch_azure_machine"),
        (edition("v"), "absent", "failed", "Set hotpatch_azure_machine"),
    ],
)
def test_an_azure_edition_without_a_switch(given: dict[str, Any], state: str, outcome: str, words: str) -> None:
    scope = scope_of([given], Wish(state))
    assert (scope["vms"], scope["tasks"]) == ([], [])
    assert scope["left_alone"]["v"]["outcome"] == outcome and words in scope["left_alone"]["v"]["reason"]


def test_a_virtual_machine_that_two_servers_claim_is_nobodys() -> None:
    scope = scope_of([edition("a", machine=VM_ID + "x"), edition("b", machine=VM_ID + "X")], Wish())
    assert scope["vms"] == []
    assert {each["outcome"] for each in scope["left_alone"].values()} == {"refused"}


@pytest.mark.parametrize(
    ("wanted", "hotpatching", "outcome", "enrolled", "opted_out"),
    [
        ("present", True, "enrolled", True, False),
        ("present", False, "paused", True, True),
        ("paused", False, "paused", True, True),
        ("absent", False, "left", False, None),
        ("absent", True, "failed", True, False),
    ],
)
def test_what_became_of_a_virtual_machine(
    wanted: str, hotpatching: bool, outcome: str, enrolled: bool, opted_out: bool | None
) -> None:
    scope = scope_of([edition("a", machine=VM_ID + "a", opted_out=not hotpatching), record("c")], Wish(wanted))
    row = {"id": VM_ID + "a", "hotpatching": hotpatching, "changed": True, "error": None, "notes": ["A note."]}
    concluded = conclude(scope, [{"machines": [{"state": "enrolled"}]}], [{"machines": [row]}])
    found = concluded["a"]
    assert (found["outcome"], found["enrolled"], found["opted_out"]) == (outcome, enrolled, opted_out)
    assert found["changed"] and "A note." in found["reason"] and found["machine"] == VM_ID + "a"


def test_a_virtual_machine_that_azure_refuses_says_the_way() -> None:
    scope = scope_of([edition("a", machine=VM_ID + "a"), edition("b", machine=VM_ID + "b")], Wish())
    rows = [
        {"hotpatching": False, "error": {"code": "platform_mode_needed", "msg": "It has manual.", "hint": "x"}},
        {"hotpatching": None, "error": {"code": "image_not_supported", "msg": "Custom.", "hint": "Make it anew."}},
    ]
    concluded = conclude(scope, [], [{"failed": True, "machines": rows}])
    assert concluded["a"]["outcome"] == "skipped" and "hotpatch_platform_patching" in concluded["a"]["reason"]
    assert (concluded["b"]["outcome"], concluded["b"]["reason"]) == ("failed", "Custom. Make it anew.")
    assert {each["outcome"] for each in conclude(scope, [], []).values()} == {"failed"}
    assert {each["reason"] for each in conclude(scope, [], [{"msg": "no login"}]).values()} == {"no login"}

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers are one task for Azure, and how its one result becomes each server's own."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.azure_installation import (
    combined,
    let_through,
    of_server,
    scope_of,
)

GUARD: dict[str, Any] = {
    "changed": True,
    "offered": [
        {"kb": "KB5072014", "selected": True, "expected_build": "26100.7392"},
        {"kb": "KB5072033", "selected": False, "expected_build": "26100.7462"},
    ],
    "expected_build": "26100.7092",
    "kbs_installed": [],
}


def test_what_azure_installed_is_what_the_guard_let_through() -> None:
    assert let_through(GUARD) == ["KB5072014"]
    assert let_through({**GUARD, "failed": True}) == []
    patches = [{"kb": "KB5072014", "state": "installed"}, {"kb": "KB5072033", "state": "installed"}]
    done = combined(GUARD, {"machines": [{"state": "succeeded", "patches": patches}]})
    assert (done["kbs_installed"], done["changed"], done["expected_build"]) == (["KB5072014"], True, "26100.7392")
    assert combined(GUARD, {"machines": [{"state": "succeeded", "patches": None}]})["kbs_installed"] == ["KB5072014"]
    assert combined(GUARD, {"machines": [{"state": "failed", "patches": None}]})["kbs_installed"] == []


def test_nothing_asked_is_the_guards_word_and_a_failure_of_azure_fails() -> None:
    assert combined(GUARD, {"skipped": True})["kbs_installed"] == []
    assert combined(GUARD, None)["expected_build"] == "26100.7092"
    failed = combined(GUARD, {"failed": True, "machines": [{"state": "failed", "error": {"msg": "busy"}}]})
    assert (failed["failed"], failed["msg"]) == (True, "busy")
    assert combined(GUARD, {"failed": True, "msg": "no login", "error": {"code": "azure_login"}})["msg"] == "no login"


SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


def arc(name: str, *, group: str = "g", subscription: str = SUBSCRIPTION) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.HybridCompute/machines/{name}"


def record(name: str, kb: str = "KB5072014", *, guard: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    found = {"offered": [{"kb": kb, "selected": True}]} if guard is None else guard
    return {
        "name": name, "machine": f"m-{name}", "kind": "arc", "mode": "hotpatch_only", "guard": found,
        "resource_group": "g", **more,
    }  # fmt: skip


def test_servers_with_different_updates_are_one_task() -> None:
    scope = scope_of([record("a"), record("b", "KB5099999"), record("c")])
    kbs = {"m-a": ["KB5072014"], "m-b": ["KB5099999"], "m-c": ["KB5072014"]}
    task = {"mode": "hotpatch_only", "kind": "arc", "resource_group": "g", "servers": ["a", "b", "c"], "kbs": kbs}
    assert scope == {"tasks": [task], "left_alone": {}}


def test_modes_and_kinds_are_tasks_of_their_own() -> None:
    records = [record("a"), record("b", mode="baseline"), record("c", kind="vm"), record("d", mode="off_track")]
    assert [(task["mode"], task["kind"], list(task["kbs"])) for task in scope_of(records)["tasks"]] == [
        ("hotpatch_only", "arc", ["m-a"]),
        ("any", "arc", ["m-b", "m-d"]),
        ("hotpatch_only", "vm", ["m-c"]),
    ]


def test_who_gets_nothing_is_not_asked_for() -> None:
    nothing: list[dict[str, Any]] = [
        {"offered": []},
        {"offered": [{"kb": "KB5072014", "selected": False}]},
        {"failed": True, "offered": [{"kb": "KB5072014", "selected": True}]},
        {"unreachable": True},
        {},
    ]
    records = [record(f"s{number}", guard=guard) for number, guard in enumerate(nothing)]
    scope = scope_of([*records, record("x", machine="", guard={})])
    assert scope == {"tasks": [], "left_alone": {}}
    assert of_server("s0", scope, []) == {"skipped": True}


def test_a_server_without_a_machine_and_two_with_the_same_are_left_alone() -> None:
    """The id of a disk that was copied with its agent is nobody's: Azure would install on one of them."""
    twice = arc("M")
    records = [record("a", machine=" "), record("b", machine=twice), record("c", machine=twice.lower()), record("d")]
    scope = scope_of(records)
    assert [task["kbs"] for task in scope["tasks"]] == [{"m-d": ["KB5072014"]}]
    assert {name: each["code"] for name, each in scope["left_alone"].items()} == {
        "a": "azure_machine_unknown", "b": "azure_machine_shared", "c": "azure_machine_shared",
    }  # fmt: skip
    assert scope_of([record("a", resource_group="")])["left_alone"]["a"]["code"] == "azure_machine_unknown"
    assert "b and c are the same machine" in scope["left_alone"]["b"]["msg"]
    told = combined(record("b")["guard"], of_server("b", scope, [{"machines": [{"state": "succeeded"}]}]))
    assert (told["failed"], told["error"]["code"], told["kbs_installed"]) == (True, "azure_machine_shared", [])


def test_a_name_is_of_its_own_servers_group_and_subscription() -> None:
    """The task's settings are those of one server: a machine of the same name in its group would be the wrong one."""
    scope = scope_of([
        record("a", machine="m", subscription_id=SUBSCRIPTION, resource_group="g"),
        record("b", machine="m", subscription_id=SUBSCRIPTION, resource_group="other"),
        record("c", machine="m", subscription_id=OTHER, resource_group="g"),
        record("d", machine="v", kind="vm", subscription_id=OTHER, resource_group="g"),
    ])  # fmt: skip
    assert [list(task["kbs"]) for task in scope["tasks"]] == [[
        arc("m"), arc("m", group="other"), arc("m", subscription=OTHER),
        f"/subscriptions/{OTHER}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v",
    ]]  # fmt: skip
    # The subscription is only in the account: a name stays one, and groups are tasks of their own.
    scope = scope_of([record("a", resource_group="g"), record("b", resource_group="h"), record("c", machine=arc("x"))])
    assert [(task["resource_group"], list(task["kbs"])) for task in scope["tasks"]] == [
        ("g", ["m-a"]), ("h", ["m-b"]), ("", [arc("x")]),
    ]  # fmt: skip


def test_a_name_and_an_id_that_may_be_the_same_machine_are_left_alone() -> None:
    known: dict[str, Any] = {"subscription_id": SUBSCRIPTION, "resource_group": "G"}
    nothing: dict[str, Any] = {}
    for more in (known, nothing):
        scope = scope_of(
            [record("a", machine=arc("M")), record("b", machine="m", **more), record("c", machine=arc("n"))]
        )
        assert set(scope["left_alone"]) == {"a", "b"}
        assert [task["servers"] for task in scope["tasks"]] == [["c"]]


@pytest.mark.parametrize(
    "machine",
    [
        "/", "/subscriptions/x/resourceGroups/g/providers/Microsoft.HybridCompute/machines/m", "..", "a b", "m/n",
        arc("m") + "/licenseProfiles/default", arc(".."), arc("m", group="."), arc("m", group="g?x"), arc("m" * 65),
        arc("m").replace("HybridCompute/machines", "Compute/virtualMachineScaleSets"), "m\nn", "web01\u0660",
    ],
)  # fmt: skip
def test_a_servers_own_bad_word_is_its_own_failure(machine: str) -> None:
    """An id comes from the server: one that Azure's task would not take must not take the others with it."""
    known: dict[str, Any] = {"subscription_id": SUBSCRIPTION, "resource_group": "g"}
    for more in ({}, known):
        scope = scope_of([record("a"), record("bad", machine=machine, **more)])
        assert [task["servers"] for task in scope["tasks"]] == [["a"]]
        assert scope["left_alone"]["bad"]["code"] in ("azure_machine_invalid", "azure_machine_unknown")


def test_each_server_gets_its_own_row() -> None:
    scope = scope_of([record("a"), record("b", mode="baseline"), record("c"), record("d")])
    results: list[dict[str, Any]] = [
        {"failed": True, "machines": [{"id": "A"}, {"id": "C", "error": {"msg": "busy"}}, {"id": "D"}]},
        {"machines": [{"id": "B"}]},
    ]
    rows = {name: of_server(name, scope, results)["machines"] for name in "abcd"}
    assert {name: [row["id"] for row in found] for name, found in rows.items()} == {
        "a": ["A"], "b": ["B"], "c": ["C"], "d": ["D"],
    }  # fmt: skip
    guard = record("a")["guard"]
    assert "failed" not in combined(guard, of_server("a", scope, results))
    assert combined(guard, of_server("c", scope, results))["msg"] == "busy"


def test_a_task_that_failed_as_a_whole_fails_for_each_of_its_servers() -> None:
    scope = scope_of([record("a"), record("b"), record("c", mode="baseline")])
    results = [{"failed": True, "msg": "no login", "error": {"code": "azure_login", "msg": "no login"}}]
    for name in "ab":
        assert combined(record(name)["guard"], of_server(name, scope, results))["msg"] == "no login"
    # The second task never answered, which is no success.
    told = combined(record("c")["guard"], of_server("c", scope, results))
    assert told["failed"] and "Whether Azure was asked is not known" in told["msg"]

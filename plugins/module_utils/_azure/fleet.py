# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""A fleet as Resource Graph has it: one query for the machines, one for each further part that is asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import resource_graph
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.fleet_query import (
    ARC,
    VM,
    Narrowed,
    assessments_query,
    installations_query,
    machines_query,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.fleet_rows import (
    FleetRows,
    assessment_of,
    installation_of,
    patch_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue

KINDS = (ARC, VM)
PARTS = ("assessments", "assessed_updates", "installations", "installed_updates")
#: What narrows a fleet; both the module and the inventory plugin have these.
NARROWING_OPTIONS: dict[str, dict[str, Any]] = {
    "subscriptions": {"type": "list", "elements": "str"},
    "resource_groups": {"type": "list", "elements": "str"},
    "locations": {"type": "list", "elements": "str"},
    "tags": {"type": "dict"},
    "kinds": {"type": "list", "elements": "str", "choices": list(KINDS), "default": list(KINDS)},
}


def narrowed(params: Mapping[str, Any]) -> Narrowed:
    """What a person has asked for.

    :raises InvalidInput: no kind of machine is left, or a tag has no name or no plain value.
    """
    if not params["kinds"]:
        raise InvalidInput("kinds must name arc, vm, or both.")
    tags: dict[str, str] = {}
    for name, value in (params.get("tags") or {}).items():
        if not name or isinstance(value, dict | list):
            raise InvalidInput(f"tags: {name!r}: a tag has a name and one text; leave the text empty for any.")
        tags[str(name)] = "" if value is None else str(value)
    return Narrowed(
        kinds=tuple(kind for kind in KINDS if kind in params["kinds"]),
        resource_groups=tuple(str(item) for item in params.get("resource_groups") or ()),
        locations=tuple(str(item) for item in params.get("locations") or ()),
        tags=tags,
    )


def scope_of(params: Mapping[str, Any], arm: Arm) -> tuple[str, ...]:
    """The subscriptions to look into: those that are named, else the account's own, else all that it may read."""
    own = arm.account.subscription_id
    named = params.get("subscriptions") or ([own] if own else [])
    return tuple(dict.fromkeys(str(item) for item in named))


def machines(arm: Arm, wanted: Narrowed, scope: Sequence[str], catalogue: Catalogue) -> list[dict[str, Any]]:
    """One row for each machine, in the order of their ids."""
    rows = FleetRows(catalogue)
    query = machines_query(wanted)
    found = resource_graph.rows(arm, query, scope, doing="reading the machines from Resource Graph")
    return [rows.machine(raw) for raw in found]


def add_parts(
    arm: Arm, wanted: Narrowed, scope: Sequence[str], machines: Sequence[dict[str, Any]], parts: Collection[str]
) -> None:
    """Put assessments and installations to the machines that they are of."""
    by_id = {str(machine["id"]).lower(): machine for machine in machines}
    if {"assessments", "assessed_updates"} & set(parts):
        for machine in machines:
            machine["assessment"] = None
        _assessments(arm, wanted, scope, by_id, updates="assessed_updates" in parts)
    if {"installations", "installed_updates"} & set(parts):
        for machine in machines:
            machine["installations"] = []
        _installations(arm, wanted, scope, by_id, updates="installed_updates" in parts)


def _assessments(
    arm: Arm, wanted: Narrowed, scope: Sequence[str], by_id: Mapping[str, dict[str, Any]], *, updates: bool
) -> None:
    doing = "reading the assessments from Resource Graph"
    for raw in resource_graph.rows(arm, assessments_query(wanted, patches=False), scope, doing=doing):
        if (machine := by_id.get(str(raw.get("machine")))) is not None:
            machine["assessment"] = {**assessment_of(raw), **({"updates": []} if updates else {})}
    if not updates:
        return
    for raw in resource_graph.rows(arm, assessments_query(wanted, patches=True), scope, doing=doing):
        machine = by_id.get(str(raw.get("machine")))
        if machine is not None and machine["assessment"] is not None:
            machine["assessment"]["updates"].append(patch_of(raw))


def _installations(
    arm: Arm, wanted: Narrowed, scope: Sequence[str], by_id: Mapping[str, dict[str, Any]], *, updates: bool
) -> None:
    doing = "reading the installations from Resource Graph"
    runs: dict[tuple[str, str], dict[str, Any]] = {}
    for raw in resource_graph.rows(arm, installations_query(wanted, patches=False), scope, doing=doing):
        if (machine := by_id.get(str(raw.get("machine")))) is not None:
            run = {**installation_of(raw), **({"updates": []} if updates else {})}
            runs[str(raw.get("machine")), str(raw.get("run"))] = run
            machine["installations"].append(run)
    for machine in by_id.values():
        machine["installations"].sort(key=lambda run: str(run["started"]), reverse=True)
    if not updates:
        return
    for raw in resource_graph.rows(arm, installations_query(wanted, patches=True), scope, doing=doing):
        found = runs.get((str(raw.get("machine")), str(raw.get("run"))))
        if found is not None:
            found["updates"].append(patch_of(raw))

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Read how Arc machines stand with hotpatch enrollment; nothing is changed."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import enrollment as azure
from ansible_collections.winops.hotpatch.plugins.module_utils._azure import machines
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import HybridCompute
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import (
    ARC_MACHINE,
    ResourceId,
    resource_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_target import (
    AZURE_OPTIONS,
    EXCLUSIVE,
    arm_of,
    failure_of,
    targets_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.enrollment import work
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec

#: What only a change has to tell.
_OF_CHANGES = ("changed", "planned", "sent", "operation")

SPEC = Spec(AZURE_OPTIONS, mutually_exclusive=EXCLUSIVE)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: a machine cannot be read; ``details`` has the others.
    """
    arm = arm_of(call)
    compute = HybridCompute(arm)
    targets, known = _targets(call, compute)
    rows = {name: azure.Row(machine) for name, machine in targets.items()}
    jobs = {name: azure.reading(compute, row, known.get(row.machine.key)) for name, row in rows.items()}
    ended = work(call, arm, jobs, rows) if jobs else {}
    shown = []
    for name, row in rows.items():
        error = ended[name].error
        document = {key: value for key, value in row.as_dict().items() if key not in _OF_CHANGES}
        shown.append({**document, "error": error.as_result() | {"msg": error.message} if error else None})
    states = [str(row["state"]) for row in shown]
    result: dict[str, Any] = {
        "changed": False,
        "machines": shown,
        "counts": {state: states.count(state) for state in sorted(set(states))},
        "traffic": arm.traffic,
    }
    errors = {name: end.error for name, end in ended.items() if end.error is not None}
    if errors:
        failure = failure_of({name: {} for name in rows}, errors, "Reading")
        failure.details.update({key: value for key, value in result.items() if key != "changed"})
        raise failure
    return result


def _targets(call: Call, compute: HybridCompute) -> tuple[dict[str, ResourceId], dict[str, dict[str, Any]]]:
    """The machines that are named, or all of the resource group."""
    params, account = call.params, compute.arm.account
    if params.get("name") or params.get("machines") or not params.get("resource_group"):
        targets = targets_of(call, compute.arm, (ARC_MACHINE,))
        return targets, azure.listed(compute, targets.values())
    # Any name will do to have the group checked.
    probe = resource_of("all", (ARC_MACHINE,), subscription=account.subscription_id, group=params["resource_group"])
    found = {str(item.get("id")): item for item in machines.in_group(compute, probe.subscription, probe.group)}
    resources = {
        identifier: resource_of(identifier, (ARC_MACHINE,), subscription=None, group=None) for identifier in found
    }
    return resources, {identifier.lower(): item for identifier, item in found.items()}

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Enroll Arc machines for hotpatches, take them out, pause and resume; one machine or a thousand."""

from __future__ import annotations

from datetime import date
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import enrollment as azure
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import HybridCompute
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Ended, Job, run_all
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ARC_MACHINE
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.token_bucket import LIMITS
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_target import (
    AZURE_OPTIONS,
    EXCLUSIVE,
    arm_of,
    failure_of,
    targets_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.enrollment_change import reenrollment_rule
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import (
    is_planned_baseline_month,
    month_of,
    next_month,
    patch_tuesday_of,
)

SPEC = Spec(
    {
        **AZURE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "opted_out": {"type": "bool"},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 1800},
        "poll_interval": {"type": "float", "default": 30},
    },
    mutually_exclusive=EXCLUSIVE,
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: a machine does not stand as wanted; ``details`` has all that is known of every one.
    """
    params = call.params
    _check(params)
    arm = arm_of(call)
    targets = targets_of(call, arm, (ARC_MACHINE,))
    compute = HybridCompute(arm)
    rows = {name: azure.Row(machine) for name, machine in targets.items()}
    wanted = azure.Wanted(
        state=params["state"],
        opted_out=params["opted_out"],
        wait_seconds=float(params["wait_timeout"]) if params["wait"] else None,
        # Many that wait together look less often, so that half of what ARM allows for reads stays free.
        poll_seconds=max(float(params["poll_interval"]), len(rows) / (LIMITS["read"][1] * params["arm_share"] / 2)),
        check_mode=call.check_mode,
    )
    known = azure.listed(compute, targets.values())
    jobs = {name: azure.working(compute, row, wanted, known.get(row.machine.key)) for name, row in rows.items()}
    ended = work(call, arm, jobs, rows)
    return conclude(call, arm, rows, ended, wanted)


def _check(params: Any) -> None:
    if params["state"] == "absent" and params["opted_out"] is not None:
        raise InvalidInput(
            "opted_out pauses a machine that stays enrolled; with state absent it means nothing.",
            hint="Leave opted_out out, or set state to present.",
        )
    if params["wait_timeout"] <= 0 or params["poll_interval"] <= 0:
        raise InvalidInput("wait_timeout and poll_interval must be above 0.")


def work(call: Call, arm: Arm, jobs: dict[str, Job], rows: dict[str, azure.Row]) -> dict[str, Ended]:
    """Run the work on all machines, with a line of progress now and then."""

    def progress(done: int, failed: int, total: int) -> None:
        if total > 1:
            sent = sum(len(row.sent) for row in rows.values())
            bad = f", {failed} failed" if failed else ""
            throttled = f", throttled {arm.traffic['throttled']} times" if arm.traffic["throttled"] else ""
            call.progress(f"  [azure] {done} of {total} machines done{bad}, {sent} changes sent{throttled}")

    def broken_off(names: list[str]) -> None:
        sent = [name for name in names if rows[name].sent]
        if sent:
            call.warn(
                f"Broken off. Azure had accepted changes for {len(sent)} machines whose end was not seen: "
                f"{', '.join(sent[:50])}{' ...' if sent[50:] else ''}. Run it again: the state is read anew."
            )

    return run_all(jobs, progress=progress, broken_off=broken_off, monotonic=call.monotonic, sleep=call.sleep)


def conclude(
    call: Call, arm: Arm, rows: dict[str, azure.Row], ended: dict[str, Ended], wanted: azure.Wanted
) -> dict[str, Any]:
    """The result, or the error that carries it."""
    shown: list[dict[str, Any]] = []
    for name, row in rows.items():
        error = ended[name].error
        shown.append({**row.as_dict(), "error": error.as_result() | {"msg": error.message} if error else None})
    errors = {name: end.error for name, end in ended.items() if end.error is not None}
    changed = [name for name, row in rows.items() if row.changed]
    result: dict[str, Any] = {
        "changed": bool(changed),
        "machines": shown,
        "counts": {
            "machines": len(rows),
            "changed": len(changed),
            "failed": len(errors),
            "final": sum(1 for row in rows.values() if row.now is not None and row.now.is_final),
        },
        "diff": {
            "before": {rows[name].machine.name: _short(rows[name].before) for name in changed},
            "after": {rows[name].machine.name: _short(rows[name].now) for name in changed},
        },
        "traffic": arm.traffic,
        "correlation_id": arm.correlation_id,
    }
    if wanted.state == "absent" and changed:
        result["rule"] = reenrollment_rule(next_baseline(call.now().date()))
        call.progress(f"  [azure] {result['rule']}")
    for row in rows.values():
        for note in row.notes:
            if "paused" in note:
                call.warn(f"{row.machine.name}: {note}")
    if errors:
        failure = failure_of({name: {} for name in rows}, errors, "Enrollment")
        failure.changed = bool(changed)
        failure.details.update({key: value for key, value in result.items() if key != "changed"})
        raise failure
    return result


def next_baseline(today: date) -> date:
    """The next Patch Tuesday of a planned baseline month."""
    month = month_of(today)
    while not is_planned_baseline_month(month) or patch_tuesday_of(month) <= today:
        month = next_month(month)
    return patch_tuesday_of(month)


def _short(enrollment: Any) -> dict[str, Any] | None:
    return None if enrollment is None else enrollment.short()

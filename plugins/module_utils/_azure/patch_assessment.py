# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Assessments of Arc machines and VMs: take a recent one, or begin one, or go on with one, and read it to its end.

An assessment changes nothing on the machine, so one whose answer was lost may be asked for again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import patching
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    Conflict,
    OperationFailed,
    OperationUnfinished,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Job
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_records import ASSESSMENTS, PatchRecords
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_runs import (
    Row as RunRow,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_runs import (
    check_contact,
    check_end,
    graph_says,
    is_ours,
    last_run,
    read_machine,
    run_in,
    with_patches,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.polling import (
    PollAddressLost,
    follow,
    operation_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_results import RunResult, read_assessment

_TRIES = 3


@dataclass(frozen=True)
class Asked:
    """What the person wants.

    :ivar fresh_seconds: an assessment that is not older is taken as it is; 0 always assesses.
    """

    fresh_seconds: float
    wait_seconds: float | None
    poll_seconds: float
    now: Callable[[], datetime]
    check_mode: bool = False


class Row(RunRow):
    """One machine's assessment. Nothing of the machine changes by it."""

    @property
    def changed(self) -> bool:
        return False

    def as_dict(self) -> dict[str, Any]:
        """For a task's result."""
        return {
            **self.shown(),
            "reused": self.reused,
            "restart_pending": self.result.reboot_pending if self.result else None,
        }


def working(arm: Arm, records: PatchRecords, row: Row, asked: Asked) -> Job:
    """The work on one machine.

    :raises HotpatchError: there is no assessment to show.
    """
    read_machine(arm, row)
    if row.operation is None:
        before = None
        if asked.fresh_seconds or asked.check_mode:
            before = yield from graph_says(arm, records, row, ASSESSMENTS)
        if before is not None and (asked.check_mode or _is_fresh(before, asked)):
            row.result, row.reused = before, True
            yield from with_patches(records, row, ASSESSMENTS, 0.0)
        if row.reused or asked.check_mode:
            if not row.reused:
                row.note("Check mode: no assessment was asked for, and there is none to show.")
            return
        check_contact(row)
        yield from _begin(arm, row, asked)
    if asked.wait_seconds is None:
        return
    yield from _followed(arm, records, row, asked)
    if row.result is not None:
        check_end(row, row.result)
        yield from with_patches(records, row, ASSESSMENTS, asked.poll_seconds)


def _is_fresh(result: RunResult, asked: Asked) -> bool:
    if result.status not in ("succeeded", "completed_with_warnings") or result.finished is None:
        return False
    return (asked.now() - result.finished.astimezone(UTC)).total_seconds() <= asked.fresh_seconds


def _begin(arm: Arm, row: Row, asked: Asked) -> Job:
    for number in range(1, _TRIES + 1):
        try:
            row.sent_at = row.sent_at or asked.now()
            answer = patching.begin_assessment(arm, row.machine)
        except (WriteOutcomeUnknown, Conflict) as error:
            # Either another one runs, or this one does by now; both are told by the next try.
            if number == _TRIES:
                raise
            row.note(error.message)
            yield asked.poll_seconds
            continue
        row.sent = True
        row.operation = operation_of(answer, with_result=True)
        if row.operation is None and (found := run_in(None, answer.document)) is not None:
            row.result = read_assessment(found)
        return


def _followed(arm: Arm, records: PatchRecords, row: Row, asked: Asked) -> Job:
    if row.result is not None:
        return
    deadline = arm.monotonic() + float(asked.wait_seconds or 0)
    operation, found = row.operation, None
    if operation is not None:
        try:
            document = yield from follow(arm, operation, doing=f"assessment of {row.machine.name}", deadline=deadline)
            found = run_in(operation, document)
        except OperationFailed:
            row.operation, row.result = None, RunResult(status="failed")
            raise
        except PollAddressLost as error:
            row.note(error.message)
    if found is not None:
        row.result = read_assessment(found)
    else:
        row.note("Azure does not say what came of it: the machine's own record is read.")
        yield from _seen_elsewhere(arm, records, row, asked, deadline)
    row.operation = None


def _seen_elsewhere(arm: Arm, records: PatchRecords, row: Row, asked: Asked, deadline: float) -> Job:
    """The operation's address is gone: the machine's own record tells how it ended."""
    while True:
        found = yield from last_run(arm, records, row, ASSESSMENTS)
        if found is not None and found.is_over and is_ours(row, found, None):
            row.result = found
            return
        if arm.monotonic() + asked.poll_seconds > deadline:
            raise OperationUnfinished(
                f"{row.machine.name}: Azure lost track of the assessment, and no newer result shows yet.",
                code="azure_operation_lost",
                hint="Run it again; with maximum_age a result that has come meanwhile is taken.",
            )
        yield asked.poll_seconds

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Installations by Azure Update Manager on Arc machines and VMs. None is ever started twice.

The request is sent once. When its answer is lost, what Azure shows of the machine's installations is read: a run that
was not there before is the one that was asked for, and it is followed; when none shows, it is said that nobody knows,
and nothing is sent again. Where a run is under way already, nothing is sent either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import patching
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    OperationFailed,
    OperationUnfinished,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Job
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_records import INSTALLATIONS, PatchRecords
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_runs import (
    Row as RunRow,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_runs import (
    check_contact,
    check_end,
    graph_says,
    is_ours,
    is_running,
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
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Busy, HotpatchError, InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_request import (
    NEVER_IS_AZURES,
    Request,
    guard,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_results import (
    RunResult,
    installation_words,
    read_installation,
    remedies,
)

#: How often the machine's installations are looked at for one whose answer was lost.
_LOOKS = 8


@dataclass(frozen=True)
class Asked:
    """How the person wants it done; ``wait_seconds`` None does not wait."""

    wait_seconds: float | None
    poll_seconds: float
    now: Callable[[], datetime]
    check_mode: bool = False


@dataclass
class Row(RunRow):
    """One machine's installation.

    :ivar request: what is to be installed on it; None: only an operation that was begun earlier is followed.
    """

    request: Request | None = None
    before: RunResult | None = None
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    planned: bool = False
    by_record: bool = False

    @property
    def changed(self) -> bool:
        """Whether something was installed or restarted, or may be by now."""
        if self.result is None or not self.result.is_over or self.result.activity is None:
            return self.sent or self.attached or self.planned
        done = self.result
        return bool(done.counts.get("installed")) or done.reboot_status in ("started", "completed", "failed")

    def as_dict(self) -> dict[str, Any]:
        """For a task's result."""
        result = self.result or RunResult()
        over = self.result is not None and result.is_over
        return {
            **self.shown(),
            "changed": self.changed,
            "sent": self.sent,
            "kbs_asked": list(self.request.include) if self.request is not None else [],
            "words": installation_words(result) if over else None,
            "reboot_status": result.reboot_status,
            "maximum_duration_exceeded": result.exceeded,
            "verdicts": list(self.verdicts),
        }


def working(arm: Arm, records: PatchRecords, row: Row, asked: Asked) -> Job:
    """The work on one machine.

    :raises HotpatchError: it was refused, it failed, or it is not known what became of it; ``row`` has all there is.
    """
    read_machine(arm, row)
    if not row.attached:
        if row.request is None:
            raise InvalidInput(f"{row.machine.name}: there is neither an operation nor something to install.")
        if _nothing_to_do(row, row.request):
            return
        check_contact(row)
        row.before = yield from graph_says(arm, records, row, INSTALLATIONS)
        if is_running(row.before, asked.now()):
            raise Busy(
                f"{row.machine.name}: Azure shows an installation that is under way; nothing was sent.",
                code="installation_in_progress",
                hint="Wait for its end, or give its operation (operation of the task that began it) to follow it.",
            )
        if asked.check_mode:
            row.planned = True
            return
        yield from _begin(arm, records, row, asked, row.request)
    if asked.wait_seconds is None or asked.check_mode:
        return
    yield from _followed(arm, records, row, asked)
    if row.result is not None:
        yield from with_patches(records, row, INSTALLATIONS, asked.poll_seconds)
        _judge_end(row, row.result)


def _nothing_to_do(row: Row, request: Request) -> bool:
    """Ask the train guard, and see whether the machine has all that is asked for."""
    if row.where is None:
        return False
    try:
        verdicts = guard(request, row.where, row.catalogue)
    except Refused as error:
        raise Refused(f"{row.machine.name}: {error.message}", code=error.code, hint=error.hint) from None
    row.verdicts = [
        {"kb": verdict.kb, "kind": verdict.kind.value, "reason": verdict.reason, "words": verdict.words}
        for verdict in verdicts
    ]
    if request.reboot_setting == "never":
        row.note(NEVER_IS_AZURES)
    if request.classifications or not verdicts or not all(verdict.already_installed for verdict in verdicts):
        return False
    row.note("All that is asked for is installed by the machine's build; nothing was sent.")
    return True


def _begin(arm: Arm, records: PatchRecords, row: Row, asked: Asked, request: Request) -> Job:
    row.sent, row.sent_at = True, asked.now()
    try:
        answer = patching.begin_installation(arm, row.machine, request.body())
    except WriteOutcomeUnknown as error:
        row.note(error.message)
        yield from _look_for_it(arm, records, row, asked, error)
        return
    except HotpatchError:
        # Refused, so nothing was started. Whatever else ends the task leaves it as sent: then nobody knows.
        row.sent = False
        raise
    row.operation = operation_of(answer, with_result=True)
    if row.operation is None:
        _take(row, run_in(None, answer.document))


def _take(row: Row, found: Mapping[str, Any] | None) -> None:
    if found is not None:
        row.result = read_installation(found)
        return
    row.note("Azure does not say what came of it: the machine's own record is read.")
    row.by_record = True


def _look_for_it(arm: Arm, records: PatchRecords, row: Row, asked: Asked, error: WriteOutcomeUnknown) -> Job:
    """The answer was lost: is there a run that was not there before?"""
    for _look in range(_LOOKS):
        yield asked.poll_seconds
        found = yield from graph_says(arm, records, row, INSTALLATIONS)
        if found is not None and is_ours(row, found, row.before):
            row.note("Its answer was lost, and Azure shows the run: it is followed by the machine's own record.")
            row.by_record = True
            row.result = found
            return
    unknown = WriteOutcomeUnknown(
        f"{row.machine.name}: the answer to the request was lost, and no new installation shows after {_LOOKS} looks. "
        "It may have started all the same. It was not sent again.",
        hint="Look at the machine's update history in Azure Update Manager, or run winops.hotpatch.fleet_info after "
        "some minutes; run this again only when nothing was started.",
        status=error.status,
    )
    raise unknown from None


def _followed(arm: Arm, records: PatchRecords, row: Row, asked: Asked) -> Job:
    deadline = arm.monotonic() + float(asked.wait_seconds or 0)
    if row.operation is not None:
        try:
            document = yield from follow(
                arm, row.operation, doing=f"installation on {row.machine.name}", deadline=deadline
            )
            _take(row, run_in(row.operation, document))
            row.operation = None
        except OperationFailed:
            row.operation, row.result = None, RunResult(status="failed")
            raise
        except PollAddressLost as error:
            row.note(error.message)
            row.operation = None
            row.by_record = True
    if not row.by_record:
        return
    while True:
        found = yield from last_run(arm, records, row, INSTALLATIONS)
        if found is not None and is_ours(row, found, row.before):
            row.result = found
            if found.is_over:
                return
        if arm.monotonic() + asked.poll_seconds > deadline:
            raise OperationUnfinished(
                f"{row.machine.name}: the installation was accepted, and its end does not show yet.",
                hint="Azure goes on with it. Look again later with winops.hotpatch.fleet_info; a second request is "
                "refused while it runs.",
            )
        yield asked.poll_seconds


def _judge_end(row: Row, result: RunResult) -> None:
    words = installation_words(result)
    check_end(row, result)
    if result.counts.get("failed"):
        raise OperationFailed(
            f"{row.machine.name}: not all was installed: {words}",
            code="some_patches_failed",
            hint=remedies(result)
            or "patches names each that failed; winops.hotpatch.update_history_info has the server's own code for it.",
        )
    if result.exceeded or result.counts.get("pending"):
        raise OperationFailed(
            f"{row.machine.name}: not all was installed: {words}",
            code="maximum_duration_exceeded",
            hint="Run it again for the rest, with a longer maximum_duration.",
            retryable=True,
        )
    if result.reboot_status == "failed":
        raise OperationFailed(f"{row.machine.name}: {words}", code="restart_failed")
    if result.reboot_status == "required":
        row.note("A restart is needed and was not made: use winops.hotpatch.restart when it may be.")

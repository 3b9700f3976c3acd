# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Patch settings of Arc machines and VMs: read, check, change, wait. One machine's work is a ``Job`` of :mod:`many`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import patching
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    ArmError,
    Conflict,
    NotAllowed,
    NotFound,
    OperationUnfinished,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Job
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.polling import follow, operation_of
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ResourceId
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_settings_change import (
    ARC,
    STUCK,
    VM,
    PatchSettings,
    Wanted,
    after,
    body_of,
    check,
    is_settled,
    notes_of,
    read_settings,
)

_ROUNDS = 4


@dataclass(frozen=True)
class Asked:
    """What the person wants, and how long they wait for it; None does not wait."""

    settings: Wanted
    wait_seconds: float | None
    poll_seconds: float
    check_mode: bool = False


@dataclass
class Row:
    """What became of one machine; kept up to date while the work goes on."""

    machine: ResourceId
    before: PatchSettings | None = None
    now: PatchSettings | None = None
    sent: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        if self.before is None or self.now is None:
            return self.sent
        return self.before.short() != self.now.short()

    def as_dict(self) -> dict[str, Any]:
        """For a task's result."""
        kind = ARC if patching.is_arc(self.machine) else VM
        return {
            "name": self.machine.name,
            "id": str(self.machine),
            "changed": self.changed,
            "read": self.now is not None,
            **(self.now or PatchSettings(kind)).as_dict(),
            "sent": self.sent,
            "notes": list(self.notes),
        }

    def sides(self) -> tuple[Any, Any]:
        """For the diff."""
        return (self.before.short() if self.before else None, self.now.short() if self.now else None)


def read(arm: Arm, row: Row) -> PatchSettings:
    """Read one machine's settings."""
    return _take(row, patching.get(arm, row.machine))


def _take(row: Row, document: Mapping[str, Any]) -> PatchSettings:
    row.now = found = read_settings(document, ARC if patching.is_arc(row.machine) else VM)
    row.before = row.before or found
    return found


def working(arm: Arm, row: Row, asked: Asked) -> Job:
    """The work on one machine.

    :raises HotpatchError: it does not stand as wanted; ``row`` tells how it does stand.
    """
    wanted = asked.settings
    for number in range(1, _ROUNDS + 1):
        now = read(arm, row)
        try:
            check(now, wanted, _orchestration(arm, row, now))
        except (InvalidInput, Refused) as error:
            raise type(error)(f"{row.machine.name}: {error.message}", code=error.code, hint=error.hint) from None
        body = body_of(now, wanted)
        if asked.check_mode:
            row.now = after(now, wanted)
            row.notes += notes_of(row.now, wanted)
            return
        if body is not None:
            if now.agent == "Expired":
                raise Refused(
                    f"{row.machine.name}: its agent's identity has expired. Nothing was sent.",
                    code="agent_expired",
                    hint="Connect the agent anew (azcmagent disconnect, then connect), then run this again.",
                )
            try:
                yield from _send(arm, row, asked, body)
            except (WriteOutcomeUnknown, Conflict) as error:
                # Read what is true now; what is still missing is sent again: settings can be set twice.
                if number == _ROUNDS:
                    raise
                row.notes.append(error.message)
                yield asked.poll_seconds
                continue
        yield from _settled(arm, row, asked)
        row.notes += notes_of(row.now or now, wanted)
        return


def _send(arm: Arm, row: Row, asked: Asked, body: Mapping[str, Any]) -> Job:
    answer = patching.update(arm, row.machine, body)
    row.sent = True
    operation = operation_of(answer) if answer.status != 200 else None
    if operation is not None:
        deadline = arm.monotonic() + (asked.wait_seconds or 300.0)
        yield from follow(arm, operation, doing=f"changing the patch settings of {row.machine.name}", deadline=deadline)
    then = read(arm, row)
    if body_of(then, asked.settings) is not None:
        raise ArmError(
            f"{row.machine.name}: Azure took the settings, and the machine does not show them.", code="not_taken"
        )


def _orchestration(arm: Arm, row: Row, now: PatchSettings) -> str | None:
    if now.scale_set is None:
        return None
    try:
        return patching.orchestration(arm, now.scale_set)
    except (NotAllowed, NotFound):
        note = "Its scale set cannot be read, so whether it is Uniform is not known here."
        row.notes += [] if note in row.notes else [note]
        return None


def _settled(arm: Arm, row: Row, asked: Asked) -> Job:
    """Wait, if asked to, until Azure has judged the settings."""
    now = row.now
    if asked.wait_seconds is None or now is None:
        return
    deadline = arm.monotonic() + asked.wait_seconds
    while not is_settled(now):
        if now.agent in ("Disconnected", "Expired"):
            raise OperationUnfinished(
                f"{row.machine.name}: the settings are written, and its agent is {now.agent}: the status stays "
                f"{now.status} until the agent has contact again.",
                code="agent_disconnected",
                hint="Start the agent on the server (service himds) or mend its network; nothing need be sent again.",
            )
        if arm.monotonic() + asked.poll_seconds > deadline:
            raise OperationUnfinished(
                f"{row.machine.name}: the settings are written, and the status is still {now.status} after "
                f"{asked.wait_seconds:g} seconds.",
                code="status_pending",
                hint=STUCK if now.kind == ARC else "Check that the VM runs and its agent is ready; run this again.",
            )
        yield asked.poll_seconds
        now = read(arm, row)

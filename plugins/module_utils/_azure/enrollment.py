# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The enrollment of Arc machines: read, change, wait. One machine's work is a ``Job`` of :mod:`many`.

A write whose outcome is not known, or that met another change, is never repeated blindly: the machine is read and the
plan made anew, from what is true now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import license_profiles, machines
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_answer import Answer
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    ArmError,
    Conflict,
    NotAllowed,
    NotFound,
    OperationFailed,
    OperationUnfinished,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import HybridCompute
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Job
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.polling import (
    Operation,
    PollAddressLost,
    follow,
    operation_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ResourceId
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Busy, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.enrollment_change import (
    Change,
    Enrollment,
    after,
    plan_enrollment,
    read_enrollment,
)

#: How often one machine is read and planned anew because a write met something unforeseen.
_ROUNDS = 4
#: From so many machines of one resource group on, listing the group is cheaper than reading each.
_LIST_FROM = 5


@dataclass(frozen=True)
class Wanted:
    """What the person wants, and how long they wait for it.

    :ivar wait_seconds: for each machine, from the moment Azure has accepted its change; None does not wait.
    """

    state: str
    opted_out: bool | None
    wait_seconds: float | None
    poll_seconds: float
    check_mode: bool = False


@dataclass
class Row:
    """What became of one machine; kept up to date while the work goes on, so that an error does not lose it."""

    machine: ResourceId
    before: Enrollment | None = None
    now: Enrollment | None = None
    sent: list[str] = field(default_factory=list)
    planned: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    operation: Operation | None = None

    @property
    def changed(self) -> bool:
        """Whether it stands differently now. A write that was accepted counts even where nobody could read after it."""
        if self.before is None or self.now is None:
            return bool(self.sent)
        return self.before.short() != self.now.short()

    def as_dict(self) -> dict[str, Any]:
        """For a task's result."""
        return {
            "name": self.machine.name,
            "id": str(self.machine),
            "changed": self.changed,
            **(self.now or Enrollment()).as_dict(),
            **({} if self.now is not None else {"state": "unread"}),
            "planned": list(self.planned),
            "sent": list(self.sent),
            "notes": list(self.notes),
            "operation": self.operation.as_dict() if self.operation else None,
        }


def listed(compute: HybridCompute, wanted: Iterable[ResourceId]) -> dict[str, dict[str, Any]]:
    """Machines by the key of their id, from lists of the groups that many of them are in; others are left out."""
    groups: dict[tuple[str, str], int] = {}
    for machine in wanted:
        where = (machine.subscription.lower(), machine.group.lower())
        groups[where] = groups.get(where, 0) + 1
    found: dict[str, dict[str, Any]] = {}
    for (subscription, group), count in groups.items():
        if count < _LIST_FROM:
            continue
        try:
            for document in machines.in_group(compute, subscription, group):
                found[str(document.get("id", "")).lower()] = document
        except (NotAllowed, NotFound):
            continue  # whoever may not list may still read; a group that is not there shows with each machine
    return found


def read(compute: HybridCompute, row: Row, known: Mapping[str, Any] | None = None) -> Enrollment:
    """Read one machine: its licence profile and its switch."""
    machine = known or machines.get(compute, row.machine)
    found = read_enrollment(license_profiles.get(compute, row.machine), machine)
    if known is not None and found.switch is None and found.status in ("Enabled", "Enabling"):
        # A list may show less than the machine itself; whether a switch was never set decides what is sent.
        found = read_enrollment(license_profiles.get(compute, row.machine), machines.get(compute, row.machine))
    row.now = found
    if row.before is None:
        row.before = found
    return found


def reading(compute: HybridCompute, row: Row, known: Mapping[str, Any] | None) -> Job:
    """The work on one machine that is only read."""
    read(compute, row, known)
    yield from ()


def working(compute: HybridCompute, row: Row, wanted: Wanted, known: Mapping[str, Any] | None) -> Job:
    """The work on one machine.

    :raises HotpatchError: it does not stand as wanted; ``row`` tells how it does stand.
    """
    location = str((known or {}).get("location") or "")
    for number in range(1, _ROUNDS + 1):
        document = known or machines.get(compute, row.machine)
        location = str(document.get("location") or location)
        now = read(compute, row, document)
        plan = plan_enrollment(now, wanted.state, wanted.opted_out, location)
        row.notes = list(plan.notes)
        if number == 1:
            row.planned = [change.doing for change in plan.changes]
        _check_agent(row, now, plan.changes)
        if wanted.check_mode:
            row.now = after(now, plan.changes)
            return
        if plan.settle_first:
            yield from _settled(compute, row, wanted, plan.notes[0])
            known = None
            continue
        try:
            for change in plan.changes:
                _send(compute, row, change)
        except (WriteOutcomeUnknown, Conflict, NotFound) as error:
            # NotFound: the profile went away between reading and writing, or the machine did, which reading tells.
            if number == _ROUNDS:
                raise
            row.notes.append(error.message)
            yield wanted.poll_seconds
            known = None
            continue
        yield from _final(compute, row, wanted)
        _check_taken(row, wanted, location)
        return
    raise Conflict(f"{row.machine.name}: it was changed by somebody else again and again.")


def _check_agent(row: Row, now: Enrollment, changes: tuple[Change, ...]) -> None:
    if changes and now.agent == "Expired":
        raise Refused(
            f"{row.machine.name}: its agent has had no contact for so long that its identity has expired. "
            "Nothing was sent.",
            code="agent_expired",
            hint="Connect the agent anew (azcmagent disconnect, then connect), then run this again.",
        )


def _send(compute: HybridCompute, row: Row, change: Change) -> None:
    """Send one request and take over what its answer shows."""
    doing = f"{change.doing} {row.machine.name}"
    now = row.now or Enrollment()
    if change.kind == "update_machine":
        document = machines.update(compute, row.machine, change.body, doing=doing)
        row.sent.append(change.doing)
        shown = read_enrollment(None, document)
        row.now = _with(now, switch=shown.switch, switch_status=shown.switch_status)
        return
    make = license_profiles.create if change.kind == "create_profile" else license_profiles.update
    answer: Answer = make(compute, row.machine, change.body, doing=doing)
    row.sent.append(change.doing)
    row.operation = operation_of(answer)
    if isinstance(answer.document, Mapping):
        shown = read_enrollment(answer.document, {})
        if shown.status is None:
            raise ArmError(f"{doing}: Azure took it, and its answer does not hold the feature.", code="not_taken")
        row.now = _with(now, status=shown.status, dates=shown.dates, error=shown.error, has_profile=True)
    else:
        row.now = _with(now, status="Enabling" if change.doing == "enrolling" else "Disabling", has_profile=True)


def _with(enrollment: Enrollment, **changes: Any) -> Enrollment:
    known = {name: getattr(enrollment, name) for name in Enrollment.__dataclass_fields__}
    return Enrollment(**{**known, **changes})


def _settled(compute: HybridCompute, row: Row, wanted: Wanted, why: str) -> Job:
    """Wait for the end of another change."""
    if wanted.wait_seconds is None:
        raise Busy(f"{row.machine.name}: {why}", hint="Set wait to true, or run it again in some minutes.")
    yield from _until_final(compute, row, wanted)


def _final(compute: HybridCompute, row: Row, wanted: Wanted) -> Job:
    """Wait, if asked to, until Azure is done, and say when it came out wrong."""
    now = row.now or Enrollment()
    if wanted.wait_seconds is not None and not now.is_final:
        if now.agent in ("Disconnected", "Expired"):
            raise OperationUnfinished(
                f"{row.machine.name}: Azure has accepted it, and its agent is {now.agent}: it stays {now.status} until "
                "the agent has contact again.",
                code="agent_disconnected",
                hint="Start the agent on the server (service himds) or mend its network; nothing need be sent again.",
            )
        yield from _operation_over(compute, row, wanted)
        yield from _until_final(compute, row, wanted)
    now = row.now or Enrollment()
    if now.status == "Failed":
        raise OperationFailed(
            f"{row.machine.name}: Azure says that the enrollment failed{f': {now.error}' if now.error else ''}.",
            hint="Remove the cause, then run it again: the state is read anew.",
        )


def _check_taken(row: Row, wanted: Wanted, location: str) -> None:
    """Azure's word that it is done is no proof: the machine must stand as wanted."""
    now = row.now or Enrollment()
    left = plan_enrollment(now, wanted.state, wanted.opted_out, location).changes if row.sent and now.is_final else ()
    if left:
        raise OperationFailed(
            f"{row.machine.name}: Azure took the change ({', '.join(row.sent)}), and the machine does not show it "
            f"(it is {now.state}, hotpatch status {now.switch_status}).",
            code="not_taken",
            hint="Run it again in some minutes: the machine is read anew, and only what is missing is sent.",
        )


def _operation_over(compute: HybridCompute, row: Row, wanted: Wanted) -> Job:
    """Follow the operation. Where nothing more is known of it, the profile tells all the same."""
    if row.operation is None:
        return
    arm = compute.arm
    deadline = arm.monotonic() + float(wanted.wait_seconds or 0)
    try:
        yield from follow(arm, row.operation, doing=f"enrollment of {row.machine.name}", deadline=deadline)
    except PollAddressLost as error:
        row.notes.append(error.message)
    except OperationFailed:
        read(compute, row)
        if row.now is None or row.now.status != "Failed":
            raise
    row.operation = None


def _until_final(compute: HybridCompute, row: Row, wanted: Wanted) -> Job:
    """Read the profile until the feature's status is a final one."""
    arm = compute.arm
    deadline = arm.monotonic() + float(wanted.wait_seconds or 0)
    while True:
        now = row.now or Enrollment()
        found = read_enrollment(license_profiles.get(compute, row.machine), {})
        shown = {name: getattr(found, name) for name in ("status", "dates", "error", "has_profile")}
        row.now = now = _with(now, **shown)
        if now.is_final:
            return
        if arm.monotonic() + wanted.poll_seconds > deadline:
            raise OperationUnfinished(
                f"{row.machine.name}: still {now.status} after {wanted.wait_seconds:g} seconds; Azure goes on with it.",
                hint="It usually takes about ten minutes. Run this again: what is under way is not sent again.",
            )
        yield wanted.poll_seconds

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What assessing and installing have in common: one machine's row, its standing, its past runs, its contact."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import patching
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import ArmError, OperationFailed
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Job
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_records import ASSESSMENTS, PatchRecords
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.polling import STATUS, Operation
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ResourceId
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.azure_standing import standing_of
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_results import (
    RunResult,
    azure_says,
    iso,
    read_assessment,
    read_installation,
    read_patches,
    remedies,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import Verdict, judge

#: How often Resource Graph is asked for what it does not have yet.
GRAPH_LOOKS = 6
#: Of an operation that an earlier task began: it may be over by now.
_FIRST_LOOK_SECONDS = 0.5
#: By how much the clocks of Azure and of this machine may differ.
_SKEW_SECONDS = 120.0
#: An installation that Azure shows as running for longer than this has lost its end.
_STALE_SECONDS = 12 * 3600.0

#: A job's part that tells a run; it yields as a job does.
Seen = Generator[float, None, "RunResult | None"]


@dataclass
class Row:
    """What became of one machine; kept up to date while the work goes on.

    :ivar wanted: what is going on, for messages: ``the assessment``.
    :ivar operation: Azure's operation, while it was not followed to its end.
    """

    machine: ResourceId
    catalogue: Catalogue
    wanted: str
    where: Standing | None = None
    result: RunResult | None = None
    operation: Operation | None = None
    sent: bool = False
    sent_at: datetime | None = None
    attached: bool = False
    reused: bool = False
    document: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        """One word for playbooks."""
        if self.result is not None:
            return self.result.status
        if self.operation is not None:
            return "in_progress"
        return "unknown" if self.sent else "not_started"

    def note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)

    @property
    def judged(self) -> Callable[[str, str], Verdict] | None:
        """What the catalogue says of an update, by KB and title, for this machine; None without a standing."""
        where = self.where
        if where is None:
            return None
        return lambda kb, title: judge(kb or None, title, where, self.catalogue)

    def shown(self) -> dict[str, Any]:
        """What both nouns show of a run."""
        result = self.result or RunResult()
        patches = None if result.patches is None else [patch.as_dict(self.judged) for patch in result.patches]
        return {
            "name": self.machine.name,
            "id": str(self.machine),
            "state": self.state,
            "activity_id": result.activity,
            "started": iso(result.started),
            "finished": iso(result.finished),
            "patches": patches,
            "patch_counts": dict(result.counts),
            "errors": list(result.errors),
            "attached": self.attached,
            "track": self.where.track.value if self.where else None,
            "operation": self.operation.as_dict() if self.operation else None,
            "notes": list(self.notes),
        }


def read_machine(arm: Arm, row: Row) -> Mapping[str, Any]:
    """Read the machine and where it stands."""
    row.document = document = patching.get(arm, row.machine)
    row.where = standing_of(document, arc=patching.is_arc(row.machine), catalogue=row.catalogue)
    return document


def check_contact(row: Row) -> None:
    """Refuse what would only wait and fail.

    :raises Refused: the agent has no contact, or the VM does not run.
    """
    properties = row.document.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    name = row.machine.name
    if patching.is_arc(row.machine):
        agent = properties.get("status")
        if agent in ("Disconnected", "Expired", "Error"):
            raise Refused(
                f"{name}: its agent is {agent}, so that Azure would wait for it and then fail. Nothing was sent.",
                code="agent_disconnected",
                hint="Start the agent on the server (service himds) or mend its network; then run this again.",
            )
        return
    view = properties.get("instanceView")
    statuses = view.get("statuses") if isinstance(view, Mapping) else None
    power = [
        str(item.get("code", "")).split("/", 1)[1]
        for item in (statuses if isinstance(statuses, list) else [])
        if isinstance(item, Mapping) and str(item.get("code", "")).startswith("PowerState/")
    ]
    if power and power[0] != "running":
        raise Refused(f"{name}: the VM is {power[0]}. Nothing was sent.", code="vm_not_running", hint="Start it first.")


def last_run(arm: Arm, records: PatchRecords, row: Row, table: str) -> Seen:
    """The last run that Azure shows: a VM's from its instance view, an Arc machine's from Resource Graph.

    The value is None when there is none, or none is shown yet.
    """
    read = read_assessment if table == ASSESSMENTS else read_installation
    if not patching.is_arc(row.machine):
        document = patching.get(arm, row.machine)
        row.document = document
        name = "availablePatchSummary" if table == ASSESSMENTS else "lastPatchInstallationSummary"
        summary = _inner(document, "properties", "instanceView", "patchStatus").get(name)
        return read(summary) if isinstance(summary, Mapping) else None
    found = yield from records.runs(row.machine, table)
    return read(found[0]) if found else None


def graph_says(arm: Arm, records: PatchRecords, row: Row, table: str) -> Seen:
    """The same, where not knowing is no error: whoever may assess or install need not be allowed to query."""
    try:
        return (yield from last_run(arm, records, row, table))
    except (ArmError, BadAnswer) as error:
        row.note(f"Past runs cannot be read: {error.message}")
        return None


def is_ours(row: Row, found: RunResult, before: RunResult | None) -> bool:
    """Whether a run that Azure shows is the one that this row is about."""
    if row.result is not None and row.result.activity is not None:
        return found.activity == row.result.activity
    if row.sent_at is None:
        row.note("It is the machine's last one; that it belongs to the given operation is likely, not certain.")
        return True
    # Resource Graph may have learnt only now of one that ended before.
    if found.started is None or (before is not None and found.activity == before.activity):
        return False
    return (found.started.astimezone(UTC) - row.sent_at).total_seconds() >= -_SKEW_SECONDS


def is_running(result: RunResult | None, now: datetime) -> bool:
    """Whether a run goes on; one that has not ended for half a day has lost its end."""
    if result is None or result.is_over:
        return False
    return result.started is None or (now - result.started.astimezone(UTC)).total_seconds() < _STALE_SECONDS


def with_patches(records: PatchRecords, row: Row, table: str, poll_seconds: float) -> Job:
    """Complete a result that names no patches (an Arc machine's, or an instance view's) from Resource Graph."""
    result = row.result
    if result is None or result.patches is not None or not result.is_over or result.activity is None:
        return
    try:
        for look in range(GRAPH_LOOKS):
            known = yield from records.runs(row.machine, table)
            key = "assessmentActivityId" if table == ASSESSMENTS else "installationActivityId"
            mine = [item for item in known if result.activity in (item.get(key), item.get("name"))]
            if mine and str(mine[0].get("status")) not in ("InProgress", "NotStarted"):
                patches = yield from records.patches(row.machine, table, result.activity)
                row.result = replace(result, patches=read_patches(patches))
                return
            if look + 1 < GRAPH_LOOKS:
                yield poll_seconds
        row.note("Resource Graph does not have this run yet: the single patches are not known here, the counts are.")
    except (ArmError, BadAnswer) as error:
        row.note(f"The single patches cannot be read: {error.message}")


def operations_given(given: Any, rows: Mapping[str, Row]) -> None:
    """Give the operations of an earlier result back to their machines.

    :raises InvalidInput: it is none, or not clear of which machine.
    """
    if not given:
        return
    if "address" in given:
        if len(rows) != 1:
            raise InvalidInput(
                "operation is of one machine, and several are named.",
                hint="Give a dict with an operation for each, by the name that machines has.",
            )
        given = {next(iter(rows)): given}
    unknown = sorted(set(given) - set(rows))
    if unknown:
        raise InvalidInput(f"operation: {', '.join(map(str, unknown))} is none of the machines of this task.")
    for name, operation in given.items():
        if operation:
            found = Operation.of(operation if isinstance(operation, Mapping) else {})
            rows[name].operation = replace(found, first_look=_FIRST_LOOK_SECONDS)
            rows[name].attached = True


def run_in(operation: Operation | None, document: Any) -> Mapping[str, Any] | None:
    """The run in the last document of an operation; None where it only says that the operation is over, or nothing.

    :param operation: None for the answer to the request itself.
    """
    found = document if isinstance(document, Mapping) else {}
    if operation is not None and operation.via == STATUS:
        found = _inner(found, "properties", "output") or _inner(found, "properties")
    return found if isinstance(found.get("status"), str) else None


def check_end(row: Row, result: RunResult) -> None:
    """:raises OperationFailed: the run came out badly and names no patch that failed, or nobody knows how."""
    if result.status == "unknown":
        raise OperationFailed(
            f"{row.machine.name}: {row.wanted} is over, and Azure does not know how it came out. {azure_says(result)}",
            code="run_unknown",
            hint=remedies(result) or "Read the server itself, or the machine's update history in Azure Update Manager.",
        )
    if result.status == "failed" and not result.counts.get("failed"):
        words = f"{row.machine.name}: {row.wanted} failed. {azure_says(result)}"
        raise OperationFailed(words, hint=remedies(result))


def _inner(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}

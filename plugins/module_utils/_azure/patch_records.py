# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What Resource Graph keeps of past runs, asked for many machines in one query.

Tables ``patchassessmentresources`` (kept 7 days) and ``patchinstallationresources`` (kept 30 days). They are minutes
behind: they may confirm a run, never exclude one.

About 15 queries in 5 seconds are allowed to an account, so a thousand machines that are asked about one by one take
minutes for each look. Here whoever wants to know leaves its question and waits a moment; the first to come back asks
for all that wait.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_graph import rows
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ResourceId
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, HotpatchError

ASSESSMENTS, INSTALLATIONS = "patchassessmentresources", "patchinstallationresources"
_RESULTS = {ASSESSMENTS: "patchassessmentresults", INSTALLATIONS: "patchinstallationresults"}
_RUN = re.compile(r"[0-9A-Za-z-]{1,64}")
#: Machines in one query: some ten thousand characters of names.
_MOST = 300
#: How long a question waits for others, when there are others.
_GATHER_SECONDS = 1.0
#: How soon to look again while somebody else is asking.
_ASKED_SECONDS = 0.2

Found = Generator[float, None, list[dict[str, Any]]]


@dataclass
class _Question:
    """About one machine: its runs, or the patches of one run.

    :ivar below: the id under which the rows of the answer lie, in lower case, without a slash at its end.
    """

    machine: ResourceId
    table: str
    run: str | None
    below: str
    rows: list[dict[str, Any]] | None = None
    error: HotpatchError | None = None

    @property
    def kind(self) -> tuple[str, str, str, bool]:
        """What questions of one query have in common."""
        return self.machine.subscription.lower(), self.machine.kind.lower(), self.table, self.run is None


class PatchRecords:
    """The records of one task's machines.

    :param many: whether there are several machines, so that it is worth while to wait for the questions of others.
    """

    def __init__(self, arm: Arm, *, many: bool) -> None:
        self._arm = arm
        self._gather = _GATHER_SECONDS if many else 0.0
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._waiting: list[_Question] = []

    def runs(self, machine: ResourceId, table: str) -> Found:
        """The runs of a machine: the properties of each and its ``name``, the last one first.

        :raises HotpatchError: the query failed.
        """
        question = _Question(machine, table, None, f"{machine}/{_RESULTS[table]}".lower())
        found = yield from self._answered(question)
        named = [row["properties"] | {"name": row.get("name")} for row in found]
        return sorted(named, key=lambda item: str(item.get("startDateTime") or ""), reverse=True)

    def patches(self, machine: ResourceId, table: str, activity: str) -> Found:
        """The patches of one run: the properties of each. Of assessments only the last one's are kept.

        :raises HotpatchError: the query failed, or the run's id is none.
        """
        if not _RUN.fullmatch(activity):  # it is Azure's word, and goes into a query
            raise BadAnswer(f"{machine.name}: {activity[:100]!r} is no id of a run.")
        run = "latest" if table == ASSESSMENTS else activity.lower()
        question = _Question(machine, table, run, f"{machine}/{_RESULTS[table]}/{run}/softwarepatches".lower())
        found = yield from self._answered(question)
        return [row["properties"] for row in found]

    def _answered(self, question: _Question) -> Found:
        with self._lock:
            self._waiting.append(question)
        if self._gather:
            yield self._gather
        while question.rows is None:
            # A query may be held back by ARM's limits: nobody who waits for it holds a thread meanwhile.
            if self._asking.acquire(blocking=False):
                try:
                    if question.rows is None:
                        self._ask(self._batch_of(question))
                finally:
                    self._asking.release()
            else:
                yield _ASKED_SECONDS
        if question.error is not None:
            raise question.error
        return question.rows

    def _batch_of(self, question: _Question) -> list[_Question]:
        """The question, and what waits beside it that one query can answer."""
        with self._lock:
            others = [each for each in self._waiting if each.kind == question.kind and each is not question]
            batch = [question, *others[: _MOST - 1]]
            taken = {id(each) for each in batch}
            self._waiting = [each for each in self._waiting if id(each) not in taken]
        return batch

    def _ask(self, batch: list[_Question]) -> None:
        first = batch[0]
        who = first.machine.name if len(batch) == 1 else f"{len(batch)} machines"
        subscriptions = [first.machine.subscription]
        try:
            found = list(rows(self._arm, query_of(batch), subscriptions, doing=f"asking Resource Graph about {who}"))
        except HotpatchError as error:
            for each in batch:
                each.error, each.rows = copy.copy(error), []
            return
        by_place: dict[str, list[dict[str, Any]]] = {}
        for row in found:
            if isinstance(row.get("properties"), dict):
                by_place.setdefault(str(row.get("id", "")).lower().rpartition("/")[0], []).append(row)
        for each in batch:
            each.rows = by_place.get(each.below, [])


def query_of(batch: Iterable[_Question]) -> str:
    """One query for questions of one kind. Names and runs were checked: none of them can end the quotes.

    Machines of one name in two groups are told apart by the ids of the rows.
    """
    questions = list(batch)
    first = questions[0]
    # /subscriptions/S/resourceGroups/G/providers/P/machines/NAME/patch...results/RUN/softwarepatches/PATCH
    names = sorted({each.machine.name.lower() for each in questions})
    runs = sorted({each.run for each in questions if each.run is not None})
    kind = f"{first.machine.kind}/{_RESULTS[first.table]}{'/softwarepatches' if runs else ''}".lower()
    lines = [
        first.table,
        f"| where type =~ '{kind}'",
        "| extend parts = split(tolower(id), '/')",
        f"| where tostring(parts[8]) in ({_quoted(names)})",
        *([f"| where tostring(parts[10]) in ({_quoted(runs)})"] if runs else []),
        "| project id, name, properties",
        "| order by id asc",
    ]
    return "\n".join(lines)


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)

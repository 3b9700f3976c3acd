# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""One call's talk with Windows Update on a server: each operation to its end, within the time of the call.

A search that failed with a code of the class "retry" is tried again a few times, with growing pauses. Nothing else is:
an error that needs something fixed gives the same answer again, and an installation is never repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.update_words import (
    SUCCEEDED,
    failure,
    result_words,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    Busy,
    CertificateNotTrusted,
    HotpatchError,
    InvalidInput,
    Unreachable,
    UpdateFailed,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_run import NeverBegan, UpdateRunner
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_source import SELECTION, Source

#: Rows of the update history that are looked through for what is offered.
HISTORY_ROWS = 500
#: Looks at running work that fit into the first pause before another search.
_FIRST_PAUSE = 6


class Asking:
    """Asks Windows Update on one server.

    :param keep: called with the answer of each operation that ran to an end, for the receipt.
    :ivar attached: whether an answer came of work that this call did not start.
    :ivar begun: the operations that this call set to work on the server, or may have, whatever became of them.
    :ivar unanswered: those of them that gave no result; they may still be at work.
    """

    def __init__(
        self,
        call: Call,
        runner: UpdateRunner,
        source: Source,
        *,
        deadline: float,
        poll: float,
        keep: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._call = call
        self._runner = runner
        self._source = source
        self._deadline = deadline
        self._poll = poll
        self._keep = keep
        self.attached = False
        self.begun: set[str] = set()
        self.unanswered: set[str] = set()

    @property
    def left(self) -> float:
        """Seconds until the time of the call is over."""
        return self._deadline - self._call.monotonic()

    def ask(self, operation: str, updates: Sequence[Mapping[str, Any]] = (), **options: Any) -> dict[str, Any]:
        """One operation on the server, to its end.

        :raises UpdateFailed: it failed as a whole.
        :raises AnswerTimeout: the time of the call is over.
        """
        left = self.left
        if left <= 0:
            raise AnswerTimeout(
                f"{self._call.name}: the time for the updates was over before {operation}.",
                hint="Raise the timeout and run again; nothing is done twice.",
                server=self._call.name,
            )
        try:
            answer = self._runner.run(
                operation,
                updates,
                seconds=left,
                server_selection=SELECTION[self._source.asked],
                service_id=self._source.service_id,
                progress=self.show,
                **options,
            )
        except HotpatchError as error:
            if not _before_the_start(error):
                self.begun.add(operation)
                self.unanswered.add(operation)
            raise
        self.begun.add(operation)
        self.attached = self.attached or answer["attached"] != "no"
        self._keep(answer)
        if answer["state"] != "done":
            raise failure(self._call.name, operation, answer["error"], answer.get("agent"))
        return answer

    def search(self, retries: int) -> dict[str, Any]:
        """A whole search; its result also holds the history of what was found.

        :raises UpdateFailed: it failed, and trying again did not help or makes no sense.
        """
        pause = _FIRST_PAUSE * self._poll
        for left in range(retries, -1, -1):
            try:
                return self._search()
            except UpdateFailed as error:
                if not error.retryable or not left or self.left <= pause:
                    raise
                self._call.progress(f"the search failed ({error.code}); trying again in {pause:g} s")
                self._call.sleep(pause)
                pause *= 2
        raise AssertionError("the last search returns or raises")

    def _search(self) -> dict[str, Any]:
        answer = self.ask("search", again=True, history=(0, HISTORY_ROWS))
        code = (answer["search"] or {}).get("result_code")
        if code != SUCCEEDED:
            raise UpdateFailed(
                f"{self._call.name}: the search for updates ended as {result_words(code)}, so what is offered is not "
                "known. Nothing was installed.",
                code="search_incomplete",
                retryable=True,
                server=self._call.name,
            )
        return answer

    def follow_other_work(self) -> dict[str, Any] | None:
        """Follow work of an earlier call (whose controller may be gone) to its end; None when it is over already."""
        self._call.progress("other update work is under way; following it to its end")
        other = self._runner.attach(seconds=self.left, progress=self.show)
        if other is not None:
            self.attached = True
            self._keep(other)
        return other

    def show(self, progress: Mapping[str, Any]) -> None:
        """Show how far the work is."""
        total = progress.get("total")
        count = f" {progress.get('current')} of {total}" if total else ""
        self._call.progress(f"{progress.get('phase')}{count}")


def _before_the_start(error: HotpatchError) -> bool:
    """Whether an error says that nothing was set to work.

    Once work is under way the runner passes over a connection that is lost, so that one comes from before the start.
    """
    lost = isinstance(error, Unreachable) and not isinstance(error, AuthenticationFailed | CertificateNotTrusted)
    return lost or isinstance(error, Busy | InvalidInput | NeverBegan)

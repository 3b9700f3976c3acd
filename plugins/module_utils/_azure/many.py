# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Many machines at once: a few threads share all their work, and waiting for one holds up no other.

The work on one machine is a generator (``Job``): each step sends one or two requests, and what it yields is the seconds
until it wants to go on. A thousand machines that wait ten minutes for Azure are a heap of wake-up times, not a thousand
threads. Errors of one machine are its own; any other exception ends the whole.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError

Job = Generator[float, None, Any]
#: More requests at once only queue up in front of ARM's limits: at 10 writes a second and half a second for each, five
#: are on their way; the others read meanwhile.
WORKERS = 12
_PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class Ended:
    """How the work on one machine ended: with a value, or with an error."""

    value: Any = None
    error: HotpatchError | None = None


def run_all(
    jobs: Mapping[str, Job],
    *,
    progress: Callable[[int, int, int], None],
    broken_off: Callable[[list[str]], None],
    workers: int = WORKERS,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    progress_seconds: float = _PROGRESS_SECONDS,
) -> dict[str, Ended]:
    """Do all the work; the answer is in the order of the jobs.

    :param progress: told now and then how many have ended, how many of those badly, and how many there are.
    :param broken_off: told which have not ended when something from outside (Ctrl-C, the task's time-out) ends it all.
    """
    pool = _Pool(jobs, workers, monotonic, sleep)
    told = monotonic()
    whole = False
    try:
        while pool.goes_on():
            pool.step(progress_seconds)
            if monotonic() - told >= progress_seconds:
                told = monotonic()
                progress(*pool.counts())
        whole = True
    finally:
        pool.close(whole=whole)
        if not whole:
            broken_off([name for name in jobs if name not in pool.ended])
    progress(*pool.counts())
    return {name: pool.ended[name] for name in jobs}


class _Pool:
    """What waits, what runs, what has ended; only the thread that made it touches this."""

    def __init__(
        self,
        jobs: Mapping[str, Job],
        workers: int,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._jobs = jobs
        self._monotonic = monotonic
        self._sleep = sleep
        self._workers = workers
        now = monotonic()
        self._waiting = [(now, number, name) for number, name in enumerate(jobs)]
        self._order = len(jobs)
        self._running: dict[Future[float], str] = {}
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="azure")
        self.ended: dict[str, Ended] = {}

    def counts(self) -> tuple[int, int, int]:
        failed = sum(1 for end in self.ended.values() if end.error is not None)
        return len(self.ended), failed, len(self._jobs)

    def goes_on(self) -> bool:
        return len(self.ended) < len(self._jobs)

    def step(self, longest: float) -> None:
        """Start what is due, and wait until something has happened or for so long."""
        now = self._monotonic()
        while self._waiting and self._waiting[0][0] <= now and len(self._running) < self._workers:
            _when, _order, name = heapq.heappop(self._waiting)
            self._running[self._threads.submit(next, self._jobs[name])] = name
        pause = longest
        if self._waiting and len(self._running) < self._workers:
            pause = min(pause, max(0.0, self._waiting[0][0] - now))
        if not self._running:
            self._sleep(pause)
            return
        for done in wait_for(self._running, pause, FIRST_COMPLETED).done:
            self._take(done, self._running.pop(done))

    def _take(self, done: Future[float], name: str) -> None:
        error = done.exception()
        if error is None:
            self._order += 1
            heapq.heappush(self._waiting, (self._monotonic() + done.result(), self._order, name))
        elif isinstance(error, StopIteration):
            self.ended[name] = Ended(value=error.value)
        elif isinstance(error, HotpatchError):
            self.ended[name] = Ended(error=error)
        else:
            raise error

    def close(self, *, whole: bool) -> None:
        """Let the threads go; what is on its way to Azure when all is broken off is not waited for."""
        self._threads.shutdown(wait=whole, cancel_futures=True)

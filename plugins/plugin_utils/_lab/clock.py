# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's time: wall clock times, durations of Windows shortened by a scale, and what is due when.

Nothing sleeps and nothing runs by itself: whoever looks at the lab calls ``Timeline.advance`` first, and all that
fell due until now happens then, in order, each thing at its own moment.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class TimeSource(Protocol):
    """Anything that tells seconds since 1970 and never goes back."""

    def __call__(self) -> float:
        """The time now."""


class WallTime:
    """The controller's wall clock when the lab started, carried on by the monotonic clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return self._offset + time.monotonic()


class ManualTime:
    """A time that moves only when told to; for rehearsals and tests."""

    def __init__(self, start: datetime) -> None:
        self._now = start.timestamp()

    def __call__(self) -> float:
        return self._now

    def move(self, seconds: float) -> None:
        """Go forward."""
        if seconds < 0:
            raise ValueError("the lab's time does not run backwards")
        self._now += seconds


class Event:
    """Something that will happen; ``cancel`` takes it back."""

    __slots__ = ("action", "cancelled", "when")

    def __init__(self, when: float, action: Callable[[], None]) -> None:
        self.when = when
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        """Do not let it happen."""
        self.cancelled = True


class Timeline:
    """The queue of events of one world.

    :param scale: by how much durations are shortened: 300 lets the 15 minutes of an installation pass in 3 seconds.
    :param source: where the time comes from.
    """

    def __init__(self, scale: float = 1.0, source: TimeSource | None = None) -> None:
        if scale <= 0:
            raise ValueError("the scale must be above 0")
        self.scale = scale
        self._source: TimeSource = source or WallTime()
        self._queue: list[tuple[float, int, Event]] = []
        self._count = 0
        self._event_time: float | None = None

    def seconds(self) -> float:
        """Seconds since 1970; inside an event the moment at which that event was due."""
        return self._source() if self._event_time is None else self._event_time

    def now(self) -> datetime:
        """The same as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def after(self, windows_seconds: float, action: Callable[[], None]) -> Event:
        """Let something happen after a time that would be this long on a real server."""
        return self.at(self.seconds() + windows_seconds / self.scale, action)

    def at(self, when: float, action: Callable[[], None]) -> Event:
        """Let something happen at a moment (seconds since 1970)."""
        event = Event(when, action)
        self._count += 1
        heapq.heappush(self._queue, (when, self._count, event))
        return event

    def advance(self) -> None:
        """Let everything happen that is due; an event may add further ones that are due as well."""
        if self._event_time is not None:
            return
        until = self._source()
        try:
            while self._queue and self._queue[0][0] <= until:
                when, _order, event = heapq.heappop(self._queue)
                if not event.cancelled:
                    self._event_time = when
                    event.action()
        finally:
            self._event_time = None

    def next_event_in(self) -> float | None:
        """Wall seconds until the next event, at least 0.0; None when nothing is due."""
        while self._queue and self._queue[0][2].cancelled:
            heapq.heappop(self._queue)
        if not self._queue:
            return None
        return max(0.0, self._queue[0][0] - self._source())

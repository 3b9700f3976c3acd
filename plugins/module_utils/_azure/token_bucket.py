# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""A brake of our own under ARM's: its token buckets, kept on this side so that it hardly ever has to say 429.

ARM counts for each subscription, account and region: reads fill a bucket of 250 at 25 a second, writes one of 200 at
10 a second, deletes another of 200 at 10 a second (learn.microsoft.com, request-limits-and-throttling); Resource Graph
takes about 15 queries in 5 seconds. Others may use the same account at the same time, so that a share below 1 can be
set; and what ARM answers is always obeyed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

#: Kind of request to burst and requests a second.
LIMITS: Mapping[str, tuple[float, float]] = {
    "read": (250, 25),
    "write": (200, 10),
    "delete": (200, 10),
    "graph": (15, 3),
}
#: A little below ARM's own rate: its clock is not ours, and the network bunches what was sent evenly.
_CAUTION = 0.97


def kind_of(method: str) -> str:
    """Which bucket a request is taken from; a POST counts as a write."""
    return {"GET": "read", "HEAD": "read", "DELETE": "delete"}.get(method.upper(), "write")


class TokenBucket:
    """One bucket, shared by the threads of a task."""

    def __init__(
        self, burst: float, rate: float, monotonic: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._burst = burst
        self._rate = rate
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._tokens = burst
        self._at = monotonic()

    def take(self) -> float:
        """Wait for a token; returns the seconds waited. Tokens go out in the order they were asked for."""
        with self._lock:
            self._refill()
            self._tokens -= 1
            wait = max(0.0, -self._tokens / self._rate)
        if wait:
            self._sleep(wait)
        return wait

    def hold(self, seconds: float) -> None:
        """ARM has said to wait: give out nothing for so long."""
        with self._lock:
            self._refill()
            self._tokens = min(self._tokens, -seconds * self._rate)

    def no_more_than(self, left: float) -> None:
        """ARM has said how much is left for everybody together."""
        with self._lock:
            self._refill()
            self._tokens = min(self._tokens, left)

    def _refill(self) -> None:
        now = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


class Brake:
    """The buckets of one task: three for each subscription.

    :param share: which part of ARM's limits this task may use.
    """

    def __init__(
        self,
        share: float = 1.0,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._share = share
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    def bucket(self, subscription: str, kind: str) -> TokenBucket:
        """The bucket for requests of a kind to a subscription."""
        with self._lock:
            key = (subscription.lower(), kind)
            if key not in self._buckets:
                burst, rate = LIMITS[kind]
                # A share above 1 is for endpoints with other limits than Azure's; the burst stays the documented one.
                self._buckets[key] = TokenBucket(
                    max(1.0, burst * min(self._share, 1.0) * _CAUTION),
                    rate * self._share * _CAUTION,
                    self._monotonic,
                    self._sleep,
                )
            return self._buckets[key]

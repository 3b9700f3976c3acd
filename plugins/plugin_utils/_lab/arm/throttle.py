# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ARM's token buckets: 250 reads at 25 a second, 200 writes and 200 deletes at 10 a second.

For each subscription, principal and kind of request; one region stands for all. Source: learn.microsoft.com,
"Understand how Azure Resource Manager throttles requests". The buckets fill by the lab's clock: a lab at
``--scale 10`` allows ten times as many requests in a second of the wall clock, and Retry-After says wall clock seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import ArmRefusal
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Timeline

LIMITS = {"reads": (250, 25.0), "writes": (200, 10.0), "deletes": (200, 10.0)}


def kind_of(method: str) -> str:
    """Which bucket a request is taken from."""
    return {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}.get(method, "writes")


@dataclass
class _Bucket:
    tokens: float
    at: float


class Throttle:
    """All buckets of one ARM."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}
        self.allowed = 0
        self.refused = 0

    def take(self, subscription: str, principal: str, method: str) -> dict[str, str]:
        """Take a token; the headers that tell how many are left.

        :raises ArmRefusal: there is none.
        """
        kind = kind_of(method)
        burst, rate = LIMITS[kind]
        rate *= self._timeline.scale
        now = self._timeline.seconds()
        bucket = self._buckets.setdefault((subscription.lower(), principal, kind), _Bucket(burst, now))
        bucket.tokens = min(float(burst), bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1:
            self.refused += 1
            raise self.refusal(kind, subscription, (1 - bucket.tokens) / rate)
        bucket.tokens -= 1
        self.allowed += 1
        return {f"x-ms-ratelimit-remaining-subscription-{kind}": str(int(bucket.tokens))}

    def refusal(self, kind: str, subscription: str, seconds: float) -> ArmRefusal:
        """The 429 that asks to wait so many wall clock seconds."""
        wait = retry_headers(seconds, self._timeline)
        return ArmRefusal(
            429,
            "SubscriptionRequestsThrottled",
            f"Number of '{kind}' requests for subscription '{subscription}' exceeded the limit. Please try again after "
            f"'{wait['Retry-After']}' seconds after additional tokens are available. Refer to "
            "https://aka.ms/arm-throttling for additional information.",
            **wait,
        )


def retry_headers(seconds: float, timeline: Timeline) -> dict[str, str]:
    """How long to wait, in wall clock seconds: whole ones, and exactly beside them where the lab's clock runs fast."""
    exact = {} if timeline.scale == 1 else {"x-ms-retry-after-ms": str(max(1, math.ceil(seconds * 1000)))}
    return {"Retry-After": str(max(1, math.ceil(seconds))), **exact}

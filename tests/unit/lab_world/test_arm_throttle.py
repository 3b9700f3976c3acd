# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's token buckets are ARM's, on the lab's clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import ArmRefusal
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.throttle import Throttle
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import ManualTime, Timeline


def buckets(scale: float = 1.0) -> tuple[Throttle, ManualTime]:
    clock = ManualTime(datetime(2025, 12, 20, tzinfo=UTC))
    return Throttle(Timeline(scale, clock)), clock


def takes(throttle: Throttle, method: str, *, subscription: str = "s", principal: str = "p") -> int:
    """How many are allowed until one is refused."""
    for number in range(1000):
        try:
            throttle.take(subscription, principal, method)
        except ArmRefusal:
            return number
    raise AssertionError("never refused")


@pytest.mark.parametrize(
    ("method", "burst", "rate"), [("GET", 250, 25), ("PUT", 200, 10), ("POST", 200, 10), ("DELETE", 200, 10)]
)
def test_a_burst_and_what_comes_back_in_a_second(method: str, burst: int, rate: int) -> None:
    throttle, clock = buckets()
    assert takes(throttle, method) == burst
    clock.move(1)
    assert takes(throttle, method) == rate
    clock.move(3600)
    assert takes(throttle, method) == burst


def test_each_subscription_principal_and_kind_has_its_own() -> None:
    throttle, _clock = buckets()
    assert takes(throttle, "GET") == 250
    assert takes(throttle, "PUT") == 200
    assert takes(throttle, "GET", principal="q") == 250
    assert takes(throttle, "GET", subscription="t") == 250


def test_a_faster_clock_fills_faster_and_says_wall_clock_seconds() -> None:
    throttle, clock = buckets(scale=10)
    takes(throttle, "PUT")
    with pytest.raises(ArmRefusal) as caught:
        throttle.take("s", "p", "PUT")
    assert caught.value.answer.headers["Retry-After"] == "1"
    assert caught.value.answer.headers["x-ms-retry-after-ms"] == "10"
    clock.move(1)
    assert takes(throttle, "PUT") == 100

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own brake: the burst, the rate, what ARM says, and the share of others."""

from __future__ import annotations

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.token_bucket import Brake, TokenBucket, kind_of


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def bucket(burst: float, rate: float) -> tuple[TokenBucket, Clock]:
    clock = Clock()
    return TokenBucket(burst, rate, clock, clock.sleep), clock


def test_a_burst_and_then_the_rate() -> None:
    writes, clock = bucket(200, 10)
    for _number in range(200):
        assert writes.take() == 0
    began = clock.now
    for _number in range(100):
        writes.take()
    assert clock.now - began == pytest.approx(10)


def test_a_pause_fills_it_no_further_than_the_burst() -> None:
    writes, clock = bucket(5, 10)
    clock.now += 3600
    assert sum(writes.take() == 0 for _number in range(10)) == 5


def test_arm_says_to_wait() -> None:
    reads, clock = bucket(250, 25)
    reads.hold(17)
    began = clock.now
    reads.take()
    assert clock.now - began == pytest.approx(17.04)


def test_a_longer_wait_is_not_shortened_by_a_later_shorter_one() -> None:
    reads, clock = bucket(250, 25)
    reads.hold(17)
    reads.hold(2)
    began = clock.now
    reads.take()
    assert clock.now - began > 17


def test_others_have_used_it_up() -> None:
    reads, clock = bucket(250, 25)
    reads.no_more_than(3)
    began = clock.now
    for _number in range(4):
        reads.take()
    assert clock.now - began == pytest.approx(1 / 25)


def test_each_subscription_and_kind_has_its_own() -> None:
    clock = Clock()
    brake = Brake(0.5, monotonic=clock, sleep=clock.sleep)
    assert brake.bucket("A", "read") is brake.bucket("a", "read")
    assert brake.bucket("a", "write") is not brake.bucket("a", "read")
    assert brake.bucket("b", "read") is not brake.bucket("a", "read")
    free = sum(brake.bucket("a", "write").take() == 0 for _number in range(150))
    assert free == 97  # half of 200, and a little less


@pytest.mark.parametrize(
    ("method", "kind"), [("GET", "read"), ("put", "write"), ("PATCH", "write"), ("POST", "write"), ("DELETE", "delete")]
)
def test_which_bucket(method: str, kind: str) -> None:
    assert kind_of(method) == kind

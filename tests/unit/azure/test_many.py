# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many at once: waiting holds up nobody, one failure is one's own, breaking off is told."""

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Job, run_all
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Busy


def silent(*_given: object) -> None:
    """Nobody watches."""


def waiting(seconds: float, times: int = 1) -> Job:
    for _number in range(times):
        yield seconds
    return seconds


def failing() -> Job:
    yield 0.0
    raise Busy("somebody else is at it")


def test_a_thousand_that_wait_are_few_threads() -> None:
    began = time.monotonic()
    most = 0

    def step() -> Job:
        nonlocal most
        most = max(most, threading.active_count())
        yield 0.3
        return "done"

    ended = run_all({str(number): step() for number in range(1000)}, progress=silent, broken_off=silent)
    assert time.monotonic() - began < 5
    assert most < 30
    assert {end.value for end in ended.values()} == {"done"}
    assert list(ended) == [str(number) for number in range(1000)]


def test_one_failure_is_ones_own() -> None:
    told: list[tuple[int, int, int]] = []
    jobs = {"a": waiting(0.01), "b": failing(), "c": waiting(0.2, 3)}
    ended = run_all(
        jobs, progress=lambda *counts: told.append(counts), broken_off=silent, progress_seconds=0.1, workers=2
    )
    assert ended["a"].error is None
    assert isinstance(ended["b"].error, Busy)
    assert ended["c"].value == 0.2
    assert told[-1] == (3, 1, 3)
    assert (2, 1, 3) in told


def test_what_breaks_it_off_is_told_and_goes_on_up() -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    unfinished: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_all(
            {"a": waiting(0.0), "b": waiting(60.0)}, progress=silent, broken_off=unfinished.extend, sleep=interrupted
        )
    assert unfinished == ["b"]


def test_a_defect_is_no_failure_of_a_machine() -> None:
    def defect() -> Job:
        yield 0.0
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_all({"a": defect(), "b": waiting(60.0)}, progress=silent, broken_off=silent)

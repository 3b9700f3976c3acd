# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of a wave does to an outcome: what did not come through it, or was left drained, is no success."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plan.test_outcome import BASELINE_DONE, BASELINED, DONE, LATE, run

THROUGH = {"installs": [BASELINE_DONE, DONE], "restart": {"changed": True}}


def ended(state: str, words: str = "", *, drained: bool = False) -> dict[str, Any]:
    return {"state": state, "words": words, "drained": drained}


def test_a_server_that_is_through_is_as_it_was_read() -> None:
    assert run(LATE, BASELINED, ended=ended("done"), **THROUGH)["outcome"] == "baselined"
    assert run(LATE, BASELINED, ended={"state": "done"}, **THROUGH)["outcome"] == "baselined"
    assert run(LATE, BASELINED, **THROUGH)["outcome"] == "baselined"


def test_a_server_that_does_not_work_afterwards_failed_however_right_its_build_is() -> None:
    found = run(LATE, BASELINED, ended=ended("failed", "web01 is not proven to work: site: 500."), **THROUGH)
    assert (found["outcome"], found["reason"]) == ("failed", "web01 is not proven to work: site: 500.")
    assert (found["restarted"], found["build_after"]) == (True, "26100.7392")


def test_a_server_that_was_not_well_before_failed_although_nothing_was_done() -> None:
    found = run(LATE, LATE, ended=ended("failed", "web01 was not touched."))
    assert (found["outcome"], found["reason"]) == ("failed", "web01 was not touched.")


def test_an_update_that_failed_keeps_its_own_words() -> None:
    error = {"failed": True, "msg": "0x800F0983", "error": {"code": "0x800F0983"}}
    found = run(LATE, LATE, installs=[error], ended=ended("failed", "0x800F0983"))
    assert (found["outcome"], found["reason"]) == ("failed", "0x800F0983")


@pytest.mark.parametrize("state", ["done", "failed"])
def test_a_server_left_drained_is_never_a_success_and_it_is_said(state: str) -> None:
    left = ended(state, "web01 is left drained.", drained=True)
    found = run(LATE, BASELINED, ended=left, **THROUGH)
    assert found["outcome"] == "failed" and found["reason"].count("left drained") == 1
    gone = {"unreachable": True, "msg": "web01 does not answer."}
    lost = run(LATE, None, after_failure=gone, ended=left, installs=[BASELINE_DONE])
    assert lost["outcome"] == "unreachable"
    assert "does not answer" in lost["reason"] and lost["reason"].endswith("web01 is left drained.")


def test_a_wave_that_ended_without_words_is_no_success_either() -> None:
    found = run(LATE, BASELINED, ended={"state": "failed"}, **THROUGH)
    assert (found["outcome"], found["reason"]) == ("failed", "It did not come through its wave.")


def test_a_halted_wave_is_as_before() -> None:
    found = run(LATE, LATE, halted="Halted: sql01 failed.", ended=ended("halted", "Halted: sql01 failed."))
    assert (found["outcome"], found["reason"]) == ("skipped", "Halted: sql01 failed.")

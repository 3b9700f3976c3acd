# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server first, the others only after it was proven."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.one_first import one_first

WAITS = {"state": "waiting", "proven": False}
PROVEN = {"state": "done", "proven": True}
RAN = {"state": "done", "proven": False}
FAILED = {"state": "failed", "proven": False, "words": "it did not start"}
REFUSED = {"state": "refused", "proven": False}
HALTED = {"state": "halted", "proven": False}
ODD = {"state": "something else"}


@pytest.mark.parametrize(
    ("results", "batch", "budget", "now", "alone", "halted"),
    [
        ({}, "abc", 0, "a", "a", False),
        ({}, "abc", 1, "a", "ab", False),
        ({"a": WAITS, "b": WAITS}, "ab", 0, "a", "a", False),
        ({"a": PROVEN}, "abc", 0, "bc", "", False),
        ({"a": RAN}, "abc", 0, "b", "b", False),
        ({"a": REFUSED}, "abc", 0, "b", "b", False),
        ({"a": FAILED}, "abc", 0, "", "", True),
        ({"a": FAILED}, "abc", 1, "b", "b", False),
        ({"a": FAILED, "b": PROVEN}, "abc", 1, "c", "", False),
        ({"a": FAILED, "b": PROVEN}, "abc", 0, "", "", True),
        ({"a": ODD}, "ab", 0, "", "", True),
        ({"x": HALTED, "a": PROVEN}, "ab", 0, "b", "", False),
        ({"a": PROVEN, "b": RAN}, "ab", 0, "", "", False),
        ({"a": {"state": "failed", "proven": True}}, "ab", 1, "b", "b", False),
    ],
)
def test_who_may_go(results: dict[str, Any], batch: str, budget: int, now: str, alone: str, halted: bool) -> None:
    gate = one_first(results, list(batch), budget)
    assert (gate["now"], gate["alone"], gate["halted"]) == (list(now), list(alone), halted)
    assert gate["words"].endswith(".")


def test_never_two_before_one_is_proven_and_nobody_once_the_budget_is_overspent() -> None:
    kinds: tuple[dict[str, Any], ...] = (WAITS, PROVEN, RAN, FAILED, REFUSED, HALTED, ODD)
    for chosen in itertools.product(kinds, repeat=4):
        results: dict[str, dict[str, Any]] = dict(zip("abcd", chosen, strict=True))
        for budget in (0, 1, 2):
            gate = one_first(results, list("abcd"), budget)
            failed = sum(result in (FAILED, ODD) for result in chosen)
            if PROVEN not in chosen:
                assert len(gate["now"]) <= 1
                assert len(gate["alone"]) <= max(0, budget - failed + 1)
            if failed > budget:
                assert gate["now"] == gate["alone"] == []
            assert all(results[name] is WAITS for name in gate["now"])


def test_the_words_say_why() -> None:
    assert "it did not start" in one_first({"a": FAILED}, ["b"], 0)["words"]
    assert "proven on a" in one_first({"a": PROVEN}, ["b"], 0)["words"]
    with pytest.raises(InvalidInput):
        one_first({}, ["a"], -1)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a check has passed: tables, all short series, and the error rates that the documentation states."""

from __future__ import annotations

import itertools
import json
import random
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.health import (
    Look,
    Rule,
    Service,
    judge,
    make_record,
    missing,
    overall,
    read_record,
    timely,
    typical_seconds,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import Answer

MARKS = {"y": Answer.YES, "n": Answer.NO, "?": Answer.UNKNOWN}


def series(text: str) -> list[Look]:
    return [Look(MARKS[mark], f"look {number} said {mark}") for number, mark in enumerate(text, 1)]


@pytest.mark.parametrize(
    ("looks", "rule", "answer", "settled"),
    [
        ("", Rule(1), "unknown", False),
        ("y", Rule(1), "yes", True),
        ("n", Rule(1), "no", False),
        ("?", Rule(1), "unknown", False),
        ("yy", Rule(3), "unknown", False),
        ("yyy", Rule(3), "yes", True),
        ("nnnnyyy", Rule(3, 3), "yes", True),
        ("yyn", Rule(3), "no", False),
        ("yy?", Rule(3), "unknown", False),
        ("y?n", Rule(3), "no", False),
        ("yn?", Rule(3), "unknown", False),
        # Attempts count from the first good look: a server that is not ready yet does not spend them.
        ("nnnnnnnnnn", Rule(2, 3), "no", False),
        ("nnnnnyny", Rule(2, 3), "no", True),
        ("nnnnnyn", Rule(2, 3), "no", False),
        ("nnn", Rule(2, 3, from_start=True), "no", True),
        ("???", Rule(2, 3, from_start=True), "unknown", True),
        # A check that has passed is not asked again, so what follows does not matter; a lasting one must stay good.
        ("yyn", Rule(2), "yes", True),
        ("yyn", Rule(2, lasting=True), "no", False),
        ("yynyy", Rule(2, lasting=True), "yes", False),
        ("yy", Rule(2, lasting=True), "yes", False),
    ],
)
def test_a_series_of_looks(looks: str, rule: Rule, answer: str, settled: bool) -> None:
    found = judge(series(looks), rule)
    assert (found.answer.value, found.settled) == (answer, settled)
    assert found.words


def all_series(longest: int) -> Any:
    return ("".join(marks) for length in range(longest + 1) for marks in itertools.product("yn?", repeat=length))


@pytest.mark.parametrize("lasting", [False, True])
def test_unknown_is_never_a_pass_and_so_many_good_looks_in_a_row_always_are(lasting: bool) -> None:
    for text in all_series(7):
        for needed in (1, 2, 3):
            found = judge(series(text), Rule(needed, lasting=lasting))
            run = "y" * needed
            assert (found.answer is Answer.YES) == (text.endswith(run) if lasting else run in text), text


def test_a_settled_verdict_is_changed_by_no_further_look() -> None:
    rules = [Rule(2, 3), Rule(2, 3, from_start=True), Rule(3, 4), Rule(1)]
    for text in all_series(5):
        for rule in rules:
            found = judge(series(text), rule)
            if found.settled and found.answer is Answer.YES:
                for mark in "yn?":
                    assert judge(series(text + mark), rule).answer is Answer.YES


def test_words_name_the_latest_thing_that_was_wrong_and_how_unsteady_it_is() -> None:
    assert judge(series("ynn"), Rule(3)).words == (
        "look 3 said n (1 of 3 good looks in a row at most, in 3 looks)"
    )  # fmt: skip
    assert judge(series("nn"), Rule(3)).words == "look 2 said n"
    assert judge(series("yy"), Rule(3)).words == "only 2 of 3 looks in a row so far"
    assert judge(series(""), Rule(3)).words == "it was not looked at"
    assert judge(series("nyyy"), Rule(3)).words == "look 4 said y"


@pytest.mark.parametrize("rule", [(0, 0), (-1, 0), (3, 2), (3, -1)])
def test_rules_that_cannot_be_meant(rule: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput):
        Rule(*rule)


# ---- noise (a probe that fails now and then) against a server that is truly bad (and answers now and then by luck)


@cache
def passes(good: float, needed: int, left: int, run: int = 0) -> float:
    """The chance of so many good looks in a row within the looks that are left, by counting all ways."""
    if run == needed:
        return 1.0
    if left == 0:
        return 0.0
    return good * passes(good, needed, left - 1, run + 1) + (1 - good) * passes(good, needed, left - 1)


DOC = Path(__file__).resolve().parents[3] / "docs" / "health.md"
ROW = re.compile(r"^\| (\d+) \| (\d+) \| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) % \|$", re.MULTILINE)


def test_the_documented_error_rates_are_true() -> None:
    rows = ROW.findall(DOC.read_text(encoding="utf-8"))
    assert len(rows) >= 3
    for needed, attempts, *rates in rows:
        # The first of the attempts is a good look, hence the run of 1.
        computed = [1 - passes(good, int(needed), int(attempts) - 1, 1) for good in (0.8, 0.95)]
        computed += [passes(good, int(needed), int(attempts) - 1, 1) for good in (0.05, 0.2)]
        for stated, rate in zip(rates, computed, strict=True):
            assert float(stated) == pytest.approx(100 * rate, abs=0.051), (needed, attempts)


@pytest.mark.parametrize(("good", "passing"), [(0.8, True), (0.05, False)])
def test_noise_does_not_halt_and_a_bad_server_does_not_pass_at_the_default_rule(good: float, passing: bool) -> None:
    chance = random.Random(7)  # noqa: S311
    rule = Rule(3, 20)
    wrong = 0
    for _server in range(2000):
        looks: list[Look] = []
        while not (standing := judge(looks, rule)).settled and len(looks) < 200:
            looks.append(Look(Answer.YES if chance.random() < good else Answer.NO, "seen"))
        wrong += (standing.answer is Answer.YES) is not passing
    # The exact rates are 0.1 % and 0.4 %; ten such runs of 2000 stay below 1.5 % by far.
    assert wrong <= 30


# ---- time


@pytest.mark.parametrize(
    ("look", "limits", "answer"),
    [
        (Look(Answer.YES, "fine", 1.0), (None, None, None), "yes"),
        (Look(Answer.YES, "fine", 1.0), (1.0, None, None), "yes"),
        (Look(Answer.YES, "fine", 1.1), (1.0, None, None), "no"),
        (Look(Answer.YES, "fine", None), (1.0, None, None), "unknown"),
        (Look(Answer.YES, "fine", 1.9), (None, 2.0, 1.0), "yes"),
        (Look(Answer.YES, "fine", 2.1), (None, 2.0, 1.0), "no"),
        (Look(Answer.YES, "fine", 0.19), (None, 2.0, 0.0), "yes"),
        (Look(Answer.YES, "fine", 0.21), (None, 2.0, 0.0), "no"),
        (Look(Answer.YES, "fine", 0.1), (None, 2.0, None), "unknown"),
        (Look(Answer.YES, "fine", 0.1), (1.0, 2.0, 0.2), "yes"),
        (Look(Answer.NO, "bad", 9.0), (1.0, 2.0, 0.2), "no"),
        (Look(Answer.UNKNOWN, "unseen", None), (1.0, 2.0, None), "unknown"),
    ],
)
def test_a_good_answer_must_also_come_in_time(look: Look, limits: tuple[Any, Any, Any], answer: str) -> None:
    found = timely(look, *limits)
    assert found.answer.value == answer
    assert look.words in found.words


def test_the_typical_time_is_the_median_of_the_good_looks() -> None:
    good = [Look(Answer.YES, "", seconds) for seconds in (0.3, 9.0, 0.1)]
    assert typical_seconds([*good, Look(Answer.NO, "", 99.0)]) == 0.3
    assert typical_seconds([Look(Answer.NO, "", 5.0), Look(Answer.UNKNOWN, "")]) == 5.0
    assert typical_seconds([]) is None


def test_all_together() -> None:
    answers = (Answer.YES, Answer.NO, Answer.UNKNOWN)
    for many in itertools.product(answers, repeat=3):
        worst = Answer.NO if Answer.NO in many else Answer.UNKNOWN if Answer.UNKNOWN in many else Answer.YES
        assert overall(many) is worst
    assert overall([]) is Answer.YES


# ---- the record

CHECKS = [
    {"name": "web", "kind": "http", "passed": "yes", "seconds": 0.2, "words": "w", "attempts": 3},
    {"name": "disk", "kind": "command", "passed": "no", "seconds": 7.0, "words": "w", "attempts": 3},
]


def test_a_record_is_plain_json_and_can_be_read_again() -> None:
    record = make_record("web01", "2026-07-14T22:00:05Z", "2026-04-16T01:02:03Z", ["W3SVC", "dhcp"], ["Was"], CHECKS)
    assert json.loads(json.dumps(record)) == record
    assert record["version"] == 1
    assert record["services_not_running"] == ["Was"]
    found = read_record(json.loads(json.dumps(record)))
    assert found.services == ("dhcp", "W3SVC")
    assert found.seconds == {"web": 0.2}  # a check that did not pass is nothing to compare with
    assert found.boot_time == "2026-04-16T01:02:03Z"


@pytest.mark.parametrize(
    "broken",
    [
        {"version": 2},
        {"version": None},
        {"services": None},
        {"services": "W3SVC"},
        {"services": [1]},
        {"services": [""]},
        {"services": ["x"] * 2001},
        {"checks": None},
        {"checks": ["web"]},
    ],
)
def test_what_is_no_record_is_refused_in_words(broken: dict[str, Any]) -> None:
    record = make_record("web01", "now", None, ["W3SVC"], [], CHECKS)
    with pytest.raises(InvalidInput, match="no record of health_check"):
        read_record({**record, **broken})


def test_odd_times_in_a_record_are_left_out() -> None:
    values: list[Any] = [True, -1, "1", None, {}]
    odd = [{"name": str(n), "passed": "yes", "seconds": value} for n, value in enumerate(values)]
    assert read_record({"version": 1, "services": [], "checks": odd}).seconds == {}


def test_services_are_compared_without_case() -> None:
    services = {"w3svc": Service("W3SVC", True, "auto"), "was": Service("WAS", False, "manual")}
    assert missing(["w3Svc"], services) == []
    assert missing(["WAS", "gone", "W3SVC"], services) == ["WAS", "gone"]

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Does a server work: one verdict from a series of looks, and the record of what ran before.

A probe lies now and then, and a server that is broken may answer once by luck. So one look decides nothing: a check
passes after so many good looks in a row. The looks that may be spent on that are counted from the first good one, since
before it the server may just not be ready, and for that there is a time limit. What is unknown is never a pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import Answer

RECORD_VERSION = 1

#: Far more than any server has; a record comes from a variable or a file, so it is not trusted.
_MOST_NAMES = 2000

#: A shorter time than this is as much the network's as the server's, so no slowdown is told from less.
SHORTEST = 0.1


@dataclass(frozen=True)
class Look:
    """What one look at one thing showed.

    :param seconds: how long the answer took; None when there was none to measure.
    """

    answer: Answer
    words: str
    seconds: float | None = None


@dataclass(frozen=True)
class Rule:
    """How many looks decide.

    :param in_a_row: so many good looks without another between.
    :param attempts: how many looks may be spent on that, counted from the first good one; 0 for no limit.
    :param from_start: they are counted from the first look, for a server that is up anyway.
    :param lasting: the good looks must be the latest ones; else they may be followed by others.
    """

    in_a_row: int = 3
    attempts: int = 0
    from_start: bool = False
    lasting: bool = False

    def __post_init__(self) -> None:
        if self.in_a_row < 1:
            raise InvalidInput("successes_in_a_row must be at least 1.")
        if self.attempts < 0 or 0 < self.attempts < self.in_a_row:
            raise InvalidInput(
                f"attempts is {self.attempts}; it must be 0 for no limit, or at least successes_in_a_row "
                f"({self.in_a_row})."
            )


@dataclass(frozen=True)
class Standing:
    """What a series of looks comes to.

    :param settled: whether further looks could not change it.
    """

    answer: Answer
    settled: bool
    words: str


def judge(looks: Sequence[Look], rule: Rule) -> Standing:
    """The verdict of a series, oldest look first."""
    run = longest = 0
    first_good: int | None = 0 if rule.from_start else None
    for index, look in enumerate(looks):
        run = run + 1 if look.answer is Answer.YES else 0
        longest = max(longest, run)
        if run and first_good is None:
            first_good = index
    reached = run if rule.lasting else longest
    if reached >= rule.in_a_row:
        return Standing(Answer.YES, not rule.lasting, _good_words(looks))
    spent = 0 if first_good is None else len(looks) - first_good
    settled = bool(rule.attempts) and spent >= rule.attempts
    bad = next((look for look in reversed(looks) if look.answer is not Answer.YES), None)
    if bad is None:
        words = f"only {longest} of {rule.in_a_row} looks in a row so far" if looks else "it was not looked at"
        return Standing(Answer.UNKNOWN, settled, words)
    unsteady = f" ({longest} of {rule.in_a_row} good looks in a row at most, in {len(looks)} looks)" if longest else ""
    return Standing(bad.answer, settled, bad.words + unsteady)


def _good_words(looks: Sequence[Look]) -> str:
    return next(look.words for look in reversed(looks) if look.answer is Answer.YES)


def typical_seconds(looks: Sequence[Look]) -> float | None:
    """The median time of the good looks, else the time of the latest look that has one."""
    good = sorted(look.seconds for look in looks if look.answer is Answer.YES and look.seconds is not None)
    if good:
        return good[len(good) // 2]
    return next((look.seconds for look in reversed(looks) if look.seconds is not None), None)


def overall(answers: Iterable[Answer]) -> Answer:
    """No when one says no, else unknown when one is unknown, else yes."""
    seen = set(answers)
    return Answer.NO if Answer.NO in seen else Answer.UNKNOWN if Answer.UNKNOWN in seen else Answer.YES


def timely(look: Look, max_seconds: float | None, max_slowdown: float | None, seconds_before: float | None) -> Look:
    """A good look held to how long it may have taken.

    :param max_slowdown: how many times ``seconds_before`` it may have taken.
    :param seconds_before: what the record says that it took; None when nothing was measured.
    """
    if look.answer is not Answer.YES or (max_seconds is None and max_slowdown is None):
        return look
    if look.seconds is None:
        return replace(look, answer=Answer.UNKNOWN, words=f"{look.words}; how long it took is not known")
    if max_seconds is not None and look.seconds > max_seconds:
        words = f"{look.words}, but it took {look.seconds:.2f} s where {max_seconds:g} s are allowed"
        return replace(look, answer=Answer.NO, words=words)
    if max_slowdown is None:
        return look
    if seconds_before is None:
        words = f"{look.words}; the record holds no time to compare it with"
        return replace(look, answer=Answer.UNKNOWN, words=words)
    if look.seconds > max_slowdown * max(seconds_before, SHORTEST):
        words = (
            f"{look.words}, but it took {look.seconds:.2f} s, more than {max_slowdown:g} times as long as the "
            f"{seconds_before:.2f} s of the record"
        )
        return replace(look, answer=Answer.NO, words=words)
    return look


# ---- the record


@dataclass(frozen=True)
class Service:
    """One service as the server shows it; ``start_mode`` is ``auto``, ``manual``, ``disabled`` or another word."""

    name: str
    running: bool
    start_mode: str


@dataclass(frozen=True)
class Record:
    """What a server did before.

    :param services: the names of the services that ran and are to run again.
    :param seconds: how long each check that passed took, by the check's name.
    """

    services: tuple[str, ...]
    seconds: Mapping[str, float]
    boot_time: str | None


def make_record(
    server: str,
    taken: str,
    boot_time: str | None,
    services: Sequence[str],
    stopped: Sequence[str],
    checks: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The record as plain JSON values.

    :param services: those that run and are to run again.
    :param stopped: those that were named and do not run; nothing is asked of them later.
    :param checks: the details of each check that was measured.
    """
    return {
        "version": RECORD_VERSION,
        "server": server,
        "taken": taken,
        "boot_time": boot_time,
        "services": sorted(services, key=str.lower),
        "services_not_running": sorted(stopped, key=str.lower),
        "checks": [{key: check[key] for key in ("name", "kind", "passed", "seconds")} for check in checks],
    }


def read_record(document: Mapping[str, Any]) -> Record:
    """What a record says.

    :raises InvalidInput: it is not one, or of a version that is not known here.
    """
    if document.get("version") != RECORD_VERSION:
        raise _no_record(f"its version is {document.get('version')!r}, not {RECORD_VERSION}")
    services, checks = document.get("services"), document.get("checks")
    if not isinstance(services, list) or not all(isinstance(name, str) and name for name in services):
        raise _no_record("its services are not a list of names")
    if not isinstance(checks, list) or not all(isinstance(check, Mapping) for check in checks):
        raise _no_record("its checks are not a list")
    if len(services) > _MOST_NAMES or len(checks) > _MOST_NAMES:
        raise _no_record(f"it holds more than {_MOST_NAMES} names")
    seconds: dict[str, float] = {}
    for check in checks:
        took = check.get("seconds")
        number = isinstance(took, (int, float)) and not isinstance(took, bool)
        if check.get("passed") == Answer.YES.value and number and took >= 0:
            seconds[str(check.get("name"))] = float(took)
    boot_time = document.get("boot_time")
    return Record(tuple(services), seconds, boot_time if isinstance(boot_time, str) else None)


def missing(wanted: Iterable[str], services: Mapping[str, Service]) -> list[str]:
    """Which of the wanted services do not run.

    :param services: all services of the server, by name in lower case.
    """
    return [name for name in wanted if not ((found := services.get(name.lower())) and found.running)]


def _no_record(why: str) -> InvalidInput:
    return InvalidInput(
        f"What was given as before is no record of health_check: {why}.",
        hint="Give the record that mode record returned, unchanged.",
    )

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""A maintenance window of Azure Update Manager: its texts, its limits, and when it opens next.

Azure keeps wall time in a Windows time zone. What a clock change does to a start is worked out here by the rules of the
zone that is handed in: a start in the hour that is left out comes an hour later, one in the hour that comes twice at
its first time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_recurrence import WEEKDAYS, Recurrence
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import (
    day_in_words,
    is_planned_baseline_month,
    month_in_words,
    month_of,
    next_month,
    parse_month,
    patch_tuesday_of,
)

#: Azure Update Manager's own limits of a window, in minutes.
SHORTEST, LONGEST = 90, 235
#: Microsoft publishes at 10:00 in Redmond: 18:00 UTC in winter, an hour earlier in summer. The later one is safe.
_RELEASED = time(18, tzinfo=UTC)
#: Further after a Patch Tuesday than any offset: it is that of the month before.
_FURTHEST = 7
_FORM = "%Y-%m-%d %H:%M"

_TIME = re.compile(r"(?:(?P<date>\d{4}-\d\d-\d\d)[ T])?(?P<hour>[0-2]?\d):(?P<minute>[0-5]\d)(?::[0-5]\d(?:\.0+)?)?")
_DURATION = re.compile(r"(?P<hours>\d{1,2}):(?P<minutes>[0-5]\d)(?::00)?")


@dataclass(frozen=True)
class Window:
    """When servers may be patched.

    :ivar start: the first day it may open, and the time of day, in the zone's wall time.
    :ivar duration: minutes.
    :ivar zone: a Windows time zone.
    :ivar expiration: after that it opens no more.
    """

    start: datetime
    duration: int
    zone: str
    recurrence: Recurrence
    expiration: datetime | None = None


@dataclass(frozen=True)
class Opening:
    """One time the window opens.

    :ivar release: ``YYYY-MM`` of the newest Patch Tuesday whose updates are out by then.
    :ivar moved: whether a clock change moves it.
    """

    at: datetime
    ends: datetime
    release: str
    days_after: int
    moved: bool

    @property
    def words(self) -> str:
        """For a person."""
        kind = "baseline" if is_planned_baseline_month(self.release) else "hotpatch"
        days = "on Patch Tuesday" if self.days_after == 0 else f"{self.days_after} days after Patch Tuesday"
        if self.days_after == 1:
            days = "the day after Patch Tuesday"
        moved = ", moved by a clock change" if self.moved else ""
        return (
            f"{WEEKDAYS[self.at.weekday()]} {day_in_words(self.at.date())} {self.at:%H:%M} (UTC{_offset(self.at)}"
            f"{moved}): {days}, {kind} of {month_in_words(self.release)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For a task's result."""
        return {
            "local": f"{self.at:{_FORM}}",
            "ends": f"{self.ends:{_FORM}}",
            "utc": f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%MZ}",
            "release": self.release,
            "planned_baseline": is_planned_baseline_month(self.release),
            "days_after_patch_tuesday": self.days_after,
            "words": self.words,
        }


def _offset(at: datetime) -> str:
    text = f"{at:%z}"
    return f"{text[:3]}:{text[3:5]}"


def next_openings(window: Window, zone: tzinfo, after: datetime, count: int = 6) -> list[Opening]:
    """The next times the window opens, at most ``count``.

    :param after: an aware time; an opening at it counts.
    """
    found: list[Opening] = []
    if count <= 0:
        return found
    for local in window.recurrence.starts(window.start):
        if window.expiration is not None and local > window.expiration:
            break
        try:
            at, moved = in_zone(local, zone)
            if at < after:
                continue
            found.append(_opening(window, at, moved))
        except OverflowError:
            break
        if len(found) == count:
            break
    return found


def in_zone(local: datetime, zone: tzinfo) -> tuple[datetime, bool]:
    """A wall time as a moment, and whether the clock change has moved it."""
    at = local.replace(tzinfo=zone, fold=0).astimezone(UTC).astimezone(zone)
    return at, at.replace(tzinfo=None, fold=0) != local


def _opening(window: Window, at: datetime, moved: bool) -> Opening:
    release = release_at(at)
    ends = (at.astimezone(UTC) + timedelta(minutes=window.duration)).astimezone(at.tzinfo)
    return Opening(at, ends, release, (at.date() - patch_tuesday_of(release)).days, moved)


def release_at(at: datetime) -> str:
    """``YYYY-MM`` of the newest Patch Tuesday whose updates are out at a moment, with certainty."""
    month = month_of(at.astimezone(UTC).date())
    if datetime.combine(patch_tuesday_of(month), _RELEASED) <= at:
        return month
    return month_of(_first_day(month) - timedelta(days=1))


def _first_day(month: str) -> date:
    return date(*parse_month(month), 1)


def comes_too_early(window: Window, zone: tzinfo, after: datetime) -> bool:
    """Whether a window that is counted from Patch Tuesday, and not before it, may open before the updates are out."""
    if not window.recurrence.follows_patch_tuesday or window.recurrence.offset < 0:
        return False
    return any(opening.days_after > _FURTHEST for opening in next_openings(window, zone, after, 12))


def first_start(at: time, recurrence: Recurrence, zone: tzinfo, now: datetime, quarter_month: int | None) -> datetime:
    """The start for a new window of which only the time of day was said: its first opening from now on.

    :raises InvalidInput: it never opens.
    """
    today = now.astimezone(zone).date()
    month = month_of(today)
    for _attempt in range(4):
        if quarter_month is None or in_quarter_month(month, quarter_month):
            begin = datetime.combine(max(today, _first_day(month)), at)
            for local in recurrence.starts(begin):
                if quarter_month is not None and month_of(local.date()) != month:
                    break
                if in_zone(local, zone)[0] >= now:
                    return local
        month = next_month(month)
    raise InvalidInput("A schedule with these options never opens.")


def next_start(begin: datetime, recurrence: Recurrence, zone: tzinfo, now: datetime) -> datetime:
    """The first opening from now on of a rate that counts from ``begin``.

    :raises InvalidInput: it never opens.
    """
    for local in recurrence.starts(begin):
        if in_zone(local, zone)[0] >= now:
            return local
    raise InvalidInput("A schedule with these options never opens.")


def in_quarter_month(month: str, number: int) -> bool:
    """Whether a ``YYYY-MM`` is the first, second or third month of a quarter."""
    return (int(month[5:7]) - 1) % 3 + 1 == number


def parse_start(text: str, option: str = "start") -> tuple[date | None, time]:
    """``YYYY-MM-DD HH:MM``, or only ``HH:MM``.

    :raises InvalidInput: it is neither.
    """
    found = _TIME.fullmatch(text.strip())
    try:
        if found is not None:
            day = date.fromisoformat(found["date"]) if found["date"] else None
            return day, time(int(found["hour"]), int(found["minute"]))
    except ValueError:
        pass
    raise InvalidInput(
        f"{option}: {text!r} is no time such as '22:00' or '2027-01-14 22:00'.",
        hint="Write it in quotes: without them YAML makes a number of some times." if text.strip().isdigit() else None,
    )


def parse_moment(text: str, option: str) -> datetime:
    """``YYYY-MM-DD HH:MM``.

    :raises InvalidInput: it is none.
    """
    day, at = parse_start(text, option)
    if day is None:
        raise InvalidInput(f"{option}: {text!r} names no day.")
    return datetime.combine(day, at)


def parse_duration(text: str) -> int:
    """``H:MM`` in minutes.

    :raises InvalidInput: it is none, or none that Azure Update Manager takes.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(
            f"duration: {text!r} is no duration such as '3:55'.",
            hint="Write it in quotes: without them YAML makes a number of it." if text.strip().isdigit() else None,
        )
    minutes = int(found["hours"]) * 60 + int(found["minutes"])
    if not SHORTEST <= minutes <= LONGEST:
        raise InvalidInput(
            f"duration: {text} is out of bounds; a window of Azure Update Manager is 1:30 to 3:55 long.",
            hint="3:55 leaves the most time.",
        )
    return minutes


def duration_text(minutes: int) -> str:
    """``HH:MM``."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def moment_text(moment: datetime) -> str:
    """``YYYY-MM-DD HH:MM``."""
    return f"{moment:{_FORM}}"

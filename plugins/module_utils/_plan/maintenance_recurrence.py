# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""How often a maintenance window comes: Azure's text for it (``recurEvery``), a person's options, the days it means.

Azure takes any text at first, so it is checked here. The grammar is that of Microsoft's specification of
Microsoft.Maintenance, and hours, which Azure Update Manager offers as well; at least six of them.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, timedelta
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NTHS = ("First", "Second", "Third", "Fourth", "Last")
_UNITS = ("hour", "day", "week", "month")
#: Azure Update Manager's own limits.
FEWEST_HOURS = 6
OFFSET = 6
#: Not Azure's limit: beyond it, a number is a slip of the pen.
_MOST = 999
_TUESDAY = 1
_SECOND = 1

_TEXT = re.compile(r"(?P<every>\d+)?\s*(?P<unit>hour|day|week|month)s?(?:\s+(?P<rest>\S.*))?", re.IGNORECASE)
_DAYS = re.compile(r"day\d{1,2}(?:\s*,\s*day\d{1,2})*", re.IGNORECASE)
_NTH = re.compile(r"(?P<nth>[a-z]+)\s+(?P<weekday>[a-z]+)(?:\s+offset\s*(?P<offset>[+-]?\d+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Recurrence:
    """A rate.

    :ivar unit: hour, day, week or month; ``every`` so many of them.
    :ivar weekdays: of a week, Monday is 0; empty means the weekday of the start.
    :ivar days: of a month; empty, and no ``nth``, means the day of the start.
    :ivar nth: which ``weekday`` of a month, 0 is the first and 4 the last; ``offset`` days after it.
    """

    unit: str
    every: int = 1
    weekdays: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    nth: int | None = None
    weekday: int | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        """:raises InvalidInput: Azure Update Manager does not take it."""
        if not 1 <= self.every <= _MOST:
            raise InvalidInput(f"A schedule comes every 1 to {_MOST} {self.unit}s, not every {self.every}.")
        if self.unit == "hour" and self.every < FEWEST_HOURS:
            raise InvalidInput(f"A schedule may come every {FEWEST_HOURS} hours at most, not every {self.every}.")
        if any(not 1 <= day <= 31 for day in self.days):
            raise InvalidInput("A day of the month is 1 to 31.")
        if not -OFFSET <= self.offset <= OFFSET:
            raise InvalidInput(
                f"The offset is {-OFFSET} to {OFFSET} days, not {self.offset}.",
                hint="Take another weekday or another week of the month as the day to count from.",
            )

    @property
    def follows_patch_tuesday(self) -> bool:
        """Whether it is counted from the second Tuesday."""
        return (self.unit, self.nth, self.weekday) == ("month", _SECOND, _TUESDAY)

    def __str__(self) -> str:
        """Azure's own text, always the same for the same rate."""
        name = self.unit.capitalize()
        begin = name if self.every == 1 else f"{self.every}{name}s"
        if self.weekdays:
            return f"{begin} {','.join(WEEKDAYS[day] for day in self.weekdays)}"
        if self.days:
            return f"{begin} {','.join(f'day{day}' for day in self.days)}"
        if self.nth is not None and self.weekday is not None:
            offset = f" Offset{self.offset}" if self.offset else ""
            return f"{begin} {NTHS[self.nth]} {WEEKDAYS[self.weekday]}{offset}"
        return begin

    def starts(self, start: datetime) -> Iterator[datetime]:
        """Every start, in order, from the first one that is not before ``start``; all in the zone's own wall time."""
        try:
            for day in self._days_from(start):
                if day >= start:
                    yield day
        except (OverflowError, ValueError):
            return  # the end of the calendar

    def _days_from(self, start: datetime) -> Iterator[datetime]:
        if self.unit in ("hour", "day"):
            step = timedelta(hours=self.every) if self.unit == "hour" else timedelta(days=self.every)
            while True:
                yield start
                start += step
        if self.unit == "week":
            # A week of Windows begins on Sunday; it matters where every second week has several days.
            sunday = start - timedelta(days=(start.weekday() + 1) % 7)
            after_sunday = sorted((day + 1) % 7 for day in self.weekdays or (start.weekday(),))
            while True:
                yield from (sunday + timedelta(days=day) for day in after_sunday)
                sunday += timedelta(weeks=self.every)
        number = start.year * 12 + start.month - 1
        if self.every == 1 and self.offset > 0:
            number -= 1  # days after the last Saturday may be in the month that follows
        while number // 12 <= MAXYEAR:
            yield from (
                datetime.combine(day, start.time()) for day in self._of_month(number // 12, number % 12 + 1, start)
            )
            number += self.every

    def _of_month(self, year: int, month: int, start: datetime) -> Iterator[date]:
        if self.nth is not None and self.weekday is not None:
            yield nth_weekday(year, month, self.nth, self.weekday) + timedelta(days=self.offset)
            return
        last = calendar.monthrange(year, month)[1]
        yield from (date(year, month, day) for day in self.days or (start.day,) if day <= last)


def nth_weekday(year: int, month: int, nth: int, weekday: int) -> date:
    """The first (0) to the fourth (3) of a weekday in a month, or the last (4)."""
    if nth < len(NTHS) - 1:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * nth)
    last = date(year, month, calendar.monthrange(year, month)[1])
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def after_patch_tuesday(days: int, *, every_months: int = 1) -> Recurrence:
    """So many days after Patch Tuesday."""
    return Recurrence("month", every_months, nth=_SECOND, weekday=_TUESDAY, offset=days)


def parse_recurrence(text: str) -> Recurrence:
    """Azure's text.

    :raises InvalidInput: it is none.
    """
    found = _TEXT.fullmatch(text.strip())
    unit = found["unit"].lower() if found else ""
    rest = (found["rest"] or "").strip() if found else ""
    every = int(found["every"] or 1) if found and len(found["every"] or "") < 6 else 0
    if found and not rest:
        return Recurrence(unit, every)
    if unit == "week":
        return Recurrence(unit, every, weekdays=_weekdays(rest.split(","), text))
    if unit == "month" and _DAYS.fullmatch(rest):
        return Recurrence(unit, every, days=tuple(sorted({int(day) for day in re.findall(r"\d+", rest)})))
    if unit == "month" and (words := _NTH.fullmatch(rest)):
        nth = _index(NTHS, words["nth"])
        weekday = _index(WEEKDAYS, words["weekday"])
        offset = words["offset"] or "0"
        if nth is not None and weekday is not None and len(offset) < 6:
            return Recurrence(unit, every, nth=nth, weekday=weekday, offset=int(offset))
    raise InvalidInput(
        f"{text!r} is no rate that Azure knows.",
        hint="Examples: 6Hours, Day, 3Days, Week Saturday,Sunday, 2Weeks Monday, Month day23, Month Last Sunday, "
        "Month Second Tuesday Offset2.",
    )


def recurrence_of(every: Mapping[str, Any]) -> Recurrence:
    """What a person's option ``every`` means; its keys that are None were not given.

    :raises InvalidInput: the parts do not belong together.
    """
    given = {key: value for key, value in every.items() if value is not None}
    units = [unit for unit in _UNITS if f"{unit}s" in given]
    if len(units) != 1:
        raise InvalidInput("every: give exactly one of hours, days, weeks and months.")
    unit = units[0]
    count = int(given.pop(f"{unit}s"))
    allowed = {"week": {"weekdays"}, "month": {"day", "nth", "weekday", "offset_days"}}.get(unit, set())
    if wrong := sorted(set(given) - allowed):
        raise InvalidInput(f"every: {' and '.join(wrong)} cannot be used with {unit}s.")
    if unit == "month" and ("nth" in given) != ("weekday" in given):
        raise InvalidInput("every: nth and weekday go together, such as nth: second with weekday: tuesday.")
    if "day" in given and "nth" in given:
        raise InvalidInput("every: give either day, or nth with weekday.")
    if "offset_days" in given and "nth" not in given:
        raise InvalidInput("every: offset_days counts from the day that nth and weekday name.")
    if "nth" in given:
        nth, weekday = _index(NTHS, given["nth"]), _index(WEEKDAYS, given["weekday"])
        if nth is None or weekday is None:
            raise InvalidInput("every: nth is first to fourth or last, and weekday a day of the week.")
        return Recurrence(unit, count, nth=nth, weekday=weekday, offset=int(given.get("offset_days", 0)))
    return Recurrence(
        unit,
        count,
        weekdays=_weekdays(given.get("weekdays", ()), "every"),
        days=tuple(sorted({int(day) for day in given.get("day", ())})),
    )


def _weekdays(names: Any, whole: str) -> tuple[int, ...]:
    found = [(_index(WEEKDAYS, str(name).strip()), str(name).strip()) for name in names]
    wrong = [name for number, name in found if number is None]
    if wrong:
        raise InvalidInput(f"{whole!r}: {wrong[0]!r} is no day of the week.", hint=f"Take {', '.join(WEEKDAYS)}.")
    return tuple(sorted({number for number, _name in found if number is not None}))


def _index(words: tuple[str, ...], text: str) -> int | None:
    return next((number for number, word in enumerate(words) if word.lower() == text.strip().lower()), None)

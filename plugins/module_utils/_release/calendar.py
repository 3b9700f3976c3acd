# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Months and Patch Tuesdays.

Security updates come on the second Tuesday of a month; baselines are planned for January, April, July and October, the
months between them are hotpatch months (windows-server-release-info, state of 2026-05-13). Plans change: August 2024
and June 2026 became baselines unannounced, so this file answers only what is *expected*.
"""

from __future__ import annotations

import calendar as gregorian
import re
from datetime import date, timedelta

BASELINE_MONTHS = (1, 4, 7, 10)
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def parse_month(text: str) -> tuple[int, int]:
    """(year, month) of ``YYYY-MM``.

    :raises ValueError: the text has another form.
    """
    match = _MONTH.fullmatch(text)
    if match is None or int(match.group(1)) < 1:
        raise ValueError(f"'{text}' is not a month; a month looks like 2025-12")
    return int(match.group(1)), int(match.group(2))


def month_of(day: date) -> str:
    """``YYYY-MM`` of a day."""
    return f"{day.year:04d}-{day.month:02d}"


def last_day(month: str) -> date:
    """The last day of a month: the day a whole month is judged from."""
    year, number = parse_month(month)
    return date(year, number, gregorian.monthrange(year, number)[1])


def next_month(month: str) -> str:
    """The month after ``month``."""
    return month_of(last_day(month) + timedelta(days=1))


def months_between(after: str, until: str) -> list[str]:
    """Months later than ``after`` up to and including ``until``; empty when there are none."""
    found = []
    month = next_month(after)
    while month <= until:
        found.append(month)
        month = next_month(month)
    return found


def patch_tuesday(year: int, month: int) -> date:
    """The second Tuesday of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(1 - first.weekday()) % 7 + 7)


def patch_tuesday_of(month: str) -> date:
    """The second Tuesday of a ``YYYY-MM`` month."""
    return patch_tuesday(*parse_month(month))


def is_planned_baseline_month(month: str) -> bool:
    """Whether the ordinary rhythm makes this month a baseline month."""
    return parse_month(month)[1] in BASELINE_MONTHS


def day_in_words(day: date) -> str:
    """``13 January 2026``: the same on every controller, whatever its locale."""
    return f"{day.day} {_NAMES[day.month - 1]} {day.year}"


def month_in_words(month: str) -> str:
    """``January 2026`` for ``2026-01``."""
    year, number = parse_month(month)
    return f"{_NAMES[number - 1]} {year}"

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rates of maintenance windows both ways, time zones, and when a window opens."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_recurrence import (
    Recurrence,
    after_patch_tuesday,
    nth_weekday,
    parse_recurrence,
    recurrence_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_schedule import (
    Window,
    comes_too_early,
    duration_text,
    first_start,
    moment_text,
    next_openings,
    next_start,
    parse_duration,
    parse_moment,
    parse_start,
    release_at,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.windows_zones import (
    all_windows_zones,
    iana_zone,
    windows_zone,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import patch_tuesday

BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")

RATES = st.one_of(
    st.builds(Recurrence, st.just("hour"), st.integers(6, 999)),
    st.builds(Recurrence, st.sampled_from(["day", "week", "month"]), st.integers(1, 999)),
    st.builds(
        Recurrence,
        st.just("week"),
        st.integers(1, 999),
        weekdays=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    ),
    st.builds(
        Recurrence,
        st.just("month"),
        st.integers(1, 999),
        days=st.sets(st.integers(1, 31), min_size=1).map(lambda days: tuple(sorted(days))),
    ),
    st.builds(
        Recurrence,
        st.just("month"),
        st.integers(1, 999),
        nth=st.integers(0, 4),
        weekday=st.integers(0, 6),
        offset=st.integers(-6, 6),
    ),
)


@given(RATES)
def test_a_rate_comes_back_from_its_text(rate: Recurrence) -> None:
    assert parse_recurrence(str(rate)) == rate
    assert parse_recurrence(str(rate).upper()) == rate


@given(RATES, st.dates(date(2025, 1, 1), date(2030, 1, 1)), st.integers(0, 23))
def test_starts_are_in_order_and_none_is_before_the_first_day(rate: Recurrence, day: date, hour: int) -> None:
    start = datetime.combine(day, time(hour, 30))
    found = list(islice(rate.starts(start), 8))
    assert found == sorted(set(found))
    assert all(item >= start for item in found)
    if rate.unit != "hour":
        assert {item.time() for item in found} <= {start.time()}


@given(st.text(max_size=40))
def test_any_text_is_a_rate_or_is_refused_in_words(text: str) -> None:
    try:
        rate = parse_recurrence(text)
    except InvalidInput as error:
        assert error.message
    else:
        assert parse_recurrence(str(rate)) == rate


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Day", "Day"),
        ("1Day", "Day"),
        ("3Days", "3Days"),
        ("3 days", "3Days"),
        ("6Hours", "6Hours"),
        ("Week Saturday,Sunday", "Week Saturday,Sunday"),
        ("1Week sunday, saturday", "Week Saturday,Sunday"),
        ("2Weeks", "2Weeks"),
        ("Month day23,day24", "Month day23,day24"),
        ("1Month Second Tuesday Offset2", "Month Second Tuesday Offset2"),
        ("Month Last Sunday Offset-3", "Month Last Sunday Offset-3"),
        ("Month Third Sunday Offset+6", "Month Third Sunday Offset6"),
        ("Month Second Tuesday Offset0", "Month Second Tuesday"),
    ],
)
def test_texts_of_azure(text: str, same: str) -> None:
    assert str(parse_recurrence(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        *("", "banana", "Year", "0Days", "5Hours", "Day Monday", "Week Funday", "Week Monday,,Sunday", "Month 23"),
        *("Month day0", "Month day32", "Month Fifth Monday", "Month Second Tuesday Offset7", "Month Second Tuesday 2"),
        *("Month Second Tuesday Offset-7", "99999999999Days", "Month Second Tuesday Offset999999999"),
    ],
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_recurrence(text)


@pytest.mark.parametrize(
    ("every", "text"),
    [
        ({"days": 3}, "3Days"),
        ({"hours": 12}, "12Hours"),
        ({"weeks": 1, "weekdays": ["saturday"]}, "Week Saturday"),
        ({"weeks": 2, "weekdays": ["Sunday", "Monday"]}, "2Weeks Monday,Sunday"),
        ({"months": 1, "day": [23]}, "Month day23"),
        ({"months": 1, "nth": "second", "weekday": "tuesday", "offset_days": 2}, "Month Second Tuesday Offset2"),
        ({"months": 3, "nth": "last", "weekday": "friday"}, "3Months Last Friday"),
        ({"months": 1, "day": None, "nth": None}, "Month"),
    ],
)
def test_words_of_a_person(every: dict[str, Any], text: str) -> None:
    assert str(recurrence_of(every)) == text


@pytest.mark.parametrize(
    ("every", "words"),
    [
        ({}, "exactly one of"),
        ({"days": 1, "weeks": 1}, "exactly one of"),
        ({"days": 1, "weekdays": ["monday"]}, "weekdays cannot be used with days"),
        ({"weeks": 1, "nth": "first"}, "nth cannot be used with weeks"),
        ({"months": 1, "nth": "first"}, "go together"),
        ({"months": 1, "nth": "first", "weekday": "monday", "day": [1]}, "either day"),
        ({"months": 1, "day": [3], "offset_days": 1}, "offset_days counts"),
        ({"months": 1, "nth": "second", "weekday": "tuesday", "offset_days": 7}, "-6 to 6"),
        ({"weeks": 1, "weekdays": ["caturday"]}, "no day of the week"),
        ({"hours": 5}, "every 6 hours at most"),
        ({"days": 0}, "not every 0"),
    ],
)
def test_words_that_do_not_go_together(every: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        recurrence_of(every)


@given(st.integers(2020, 2060), st.integers(1, 12))
def test_the_second_tuesday_is_patch_tuesday(year: int, month: int) -> None:
    assert nth_weekday(year, month, 1, 1) == patch_tuesday(year, month)
    last = nth_weekday(year, month, 4, 6)
    assert last.weekday() == 6 and (last + timedelta(days=7)).month != month


def window(start: str, rate: Recurrence | str, *, expiration: str | None = None) -> Window:
    recurrence = parse_recurrence(rate) if isinstance(rate, str) else rate
    ends = parse_moment(expiration, "expiration") if expiration else None
    return Window(parse_moment(start, "start"), 235, "W. Europe Standard Time", recurrence, ends)


def openings(window: Window, after: str, count: int = 6, zone: Any = BERLIN) -> list[str]:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    return [f"{item.at:%Y-%m-%d %H:%M %z}" for item in next_openings(window, zone, moment, count)]


def test_two_days_after_patch_tuesday() -> None:
    found = openings(window("2026-01-01 22:00", after_patch_tuesday(2)), "2026-02-01", 4)
    assert found == [
        "2026-02-12 22:00 +0100",
        "2026-03-12 22:00 +0100",
        "2026-04-16 22:00 +0200",
        "2026-05-14 22:00 +0200",
    ]


def test_the_baseline_months_only() -> None:
    found = openings(window("2026-01-15 22:00", after_patch_tuesday(2, every_months=3)), "2026-01-15", 4)
    assert [item[:10] for item in found] == ["2026-01-15", "2026-04-16", "2026-07-16", "2026-10-15"]


@pytest.mark.parametrize(
    ("start", "rate", "after", "found"),
    [
        # 29 March 2026, 02:00 to 03:00 is left out: it comes an hour later, once, and not the next day.
        ("2026-03-28 02:30", "Day", "2026-03-28", ["03-28 02:30 +0100", "03-29 03:30 +0200", "03-30 02:30 +0200"]),
        # 25 October 2026, 02:00 to 03:00 comes twice: its first time.
        ("2026-10-24 02:30", "Day", "2026-10-24", ["10-24 02:30 +0200", "10-25 02:30 +0200", "10-26 02:30 +0100"]),
        ("2026-01-07 22:00", "2Weeks Monday,Sunday", "2026-01-01", ["01-18 22:00 +0100", "01-19 22:00 +0100"]),
        ("2026-01-07 22:00", "Week", "2026-01-08", ["01-14 22:00 +0100"]),
        ("2026-01-31 22:00", "Month", "2026-02-01", ["03-31 22:00 +0200", "05-31 22:00 +0200"]),
        ("2026-01-01 22:00", "Month day5,day20", "2026-01-06", ["01-20 22:00 +0100", "02-05 22:00 +0100"]),
        ("2026-03-01 22:00", "Month Last Saturday Offset3", "2026-03-01", ["03-03 22:00 +0100", "03-31 22:00 +0200"]),
        ("2026-02-24 22:00", "Month First Sunday Offset-3", "2026-02-01", ["02-26 22:00 +0100", "04-02 22:00 +0200"]),
        ("2026-01-01 00:00", "6Hours", "2026-01-01 12:00", ["01-01 18:00 +0100", "01-02 00:00 +0100"]),
    ],
)
def test_days_of_a_rate(start: str, rate: str, after: str, found: list[str]) -> None:
    assert [item[5:] for item in openings(window(start, rate), after, len(found))] == found


def test_it_ends_with_its_expiration_and_with_the_calendar() -> None:
    assert len(openings(window("2026-01-01 22:00", "Day", expiration="2026-01-03 22:00"), "2026-01-01")) == 3
    assert openings(window("9999-06-01 22:00", "9Months"), "9999-06-01", 6) == ["9999-06-01 22:00 +0200"]
    assert openings(window("2026-01-01 22:00", "Day"), "2026-01-01", 0) == []


def test_the_words_of_an_opening() -> None:
    (first,) = next_openings(
        window("2027-01-14 22:00", after_patch_tuesday(2)), BERLIN, datetime(2027, 1, 1, tzinfo=UTC), 1
    )
    assert first.words == (
        "Thursday 14 January 2027 22:00 (UTC+01:00): 2 days after Patch Tuesday, baseline of January 2027"
    )
    assert first.as_dict()["ends"] == "2027-01-15 01:55"
    assert first.as_dict()["utc"] == "2027-01-14T21:00Z"


def test_the_length_of_a_window_is_real_time_over_a_clock_change() -> None:
    (first,) = next_openings(window("2026-03-29 01:00", "Day"), BERLIN, datetime(2026, 3, 28, 12, tzinfo=UTC), 1)
    assert first.as_dict()["ends"] == "2026-03-29 05:55"


@pytest.mark.parametrize(
    ("moment", "release"),
    [
        ("2026-01-13T17:59", "2025-12"),  # Patch Tuesday itself, before 10:00 in Redmond
        ("2026-01-13T18:00", "2026-01"),
        ("2026-02-01T00:00", "2026-01"),
    ],
)
def test_the_newest_release_at_a_moment(moment: str, release: str) -> None:
    assert release_at(datetime.fromisoformat(moment).replace(tzinfo=UTC)) == release


@pytest.mark.parametrize(
    ("zone", "at", "days", "early"),
    [
        (BERLIN, "22:00", 0, False),
        (BERLIN, "18:00", 0, True),
        (TOKYO, "02:00", 1, True),
        (TOKYO, "04:00", 1, False),
        (TOKYO, "02:00", -1, False),  # before Patch Tuesday on purpose
        (BERLIN, "03:00", 1, False),
    ],
)
def test_a_window_that_opens_before_the_updates_are_out(zone: Any, at: str, days: int, early: bool) -> None:
    made = window(f"2026-01-01 {at}", after_patch_tuesday(days))
    assert comes_too_early(made, zone, datetime(2026, 1, 1, tzinfo=UTC)) is early


@pytest.mark.parametrize(
    ("now", "quarter_month", "found"),
    [
        ("2026-11-01T12:00", None, "2026-11-12 22:00"),
        ("2026-11-12T21:30", None, "2026-12-10 22:00"),  # 22:30 in Berlin: today's is over
        ("2026-11-01T12:00", 1, "2027-01-14 22:00"),
        ("2026-11-01T12:00", 2, "2026-11-12 22:00"),
        ("2026-11-13T12:00", 2, "2027-02-11 22:00"),
        ("2026-11-13T12:00", 3, "2026-12-10 22:00"),
    ],
)
def test_the_first_start_is_worked_out(now: str, quarter_month: int | None, found: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    rate = after_patch_tuesday(2, every_months=3 if quarter_month else 1)
    assert moment_text(first_start(time(22), rate, BERLIN, moment, quarter_month)) == found


@pytest.mark.parametrize(
    ("begin", "rate", "now", "found"),
    [
        ("2026-01-15 23:00", after_patch_tuesday(2, every_months=3), "2026-05-01T12:00", "2026-07-16 23:00"),
        ("2026-01-05 23:00", Recurrence("week", 2), "2026-01-13T12:00", "2026-01-19 23:00"),
        ("2026-01-05 23:00", Recurrence("day", 3), "2026-01-08T21:59", "2026-01-08 23:00"),
        ("2026-01-05 23:00", Recurrence("day", 3), "2026-01-08T22:01", "2026-01-11 23:00"),
    ],
)
def test_a_new_start_keeps_counting_from_the_old_one(begin: str, rate: Recurrence, now: str, found: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert moment_text(next_start(parse_moment(begin, "start"), rate, BERLIN, moment)) == found


@pytest.mark.parametrize("text", ["1320", "25:00", "22:60", "22", "2026-02-30 22:00", "tomorrow", "2026-01-01"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_start(text)


def test_times_and_durations() -> None:
    assert parse_start("7:05") == (None, time(7, 5))
    assert parse_start("2027-01-14T22:00:00") == (date(2027, 1, 14), time(22))
    assert duration_text(parse_duration("3:55")) == "03:55"
    assert duration_text(parse_duration("1:30")) == "01:30"
    for text in ("1:29", "3:56", "05:00", "235", "two hours", "1:75"):
        with pytest.raises(InvalidInput):
            parse_duration(text)
    with pytest.raises(InvalidInput) as caught:
        parse_duration("235")
    assert "quotes" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("given_name", "windows"),
    [
        ("Europe/Berlin", "W. Europe Standard Time"),
        ("europe/amsterdam", "W. Europe Standard Time"),
        ("W. Europe Standard Time", "W. Europe Standard Time"),
        ("pacific standard time", "Pacific Standard Time"),
        ("America/New_York", "Eastern Standard Time"),
        ("US/Eastern", "Eastern Standard Time"),
        ("Asia/Kolkata", "India Standard Time"),
        ("Asia/Calcutta", "India Standard Time"),
        ("UTC", "UTC"),
        ("Etc/UTC", "UTC"),
        ("Australia/Adelaide", "Cen. Australia Standard Time"),
        ("Asia/Seoul", "Korea Standard Time"),
    ],
)
def test_time_zones_by_both_names(given_name: str, windows: str) -> None:
    assert windows_zone(given_name) == windows


def test_an_unknown_time_zone_is_refused_with_what_is_near() -> None:
    with pytest.raises(InvalidInput) as caught:
        windows_zone("Germany/Berlin")
    assert "Europe/Berlin" in str(caught.value.hint)


def test_every_windows_zone_has_rules_on_this_host() -> None:
    zones = all_windows_zones()
    assert len(zones) > 130
    for name in zones:
        iana = iana_zone(name)
        assert iana is not None
        assert ZoneInfo(iana).key == iana
        assert windows_zone(iana) == name

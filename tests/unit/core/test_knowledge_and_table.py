# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The day of a call, its catalogue file, and tables."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_of, day_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.table import table_lines
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput


def call(**params: Any) -> Call:
    return Call(params=params, name="here", now=lambda: datetime(2026, 1, 15, 23, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("params", "day"),
    [
        ({}, date(2026, 1, 15)),
        ({"month": "2025-12"}, date(2025, 12, 31)),
        ({"month": "2026-01"}, date(2026, 1, 15)),
        ({"as_of": "2025-12-20"}, date(2025, 12, 20)),
        ({"as_of": "2025-12-20", "month": "2025-12"}, date(2025, 12, 20)),
    ],
)
def test_the_day_taken_as_today(params: dict[str, str], day: date) -> None:
    assert day_of(call(**params)) == day


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"month": "December"}, "'December' is not a month"),
        ({"month": "2025-13"}, "'2025-13' is not a month"),
        ({"as_of": "20.12.2025"}, "'20.12.2025' is not a date"),
        ({"as_of": "2025-02-30"}, "'2025-02-30' is not a date"),
        ({"as_of": "2025-11-20", "month": "2025-12"}, "does not lie in the month 2025-12"),
    ],
)
def test_a_day_that_cannot_be_meant_is_an_error(params: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        day_of(call(**params))


def test_a_file_of_releases_is_merged_over_the_shipped_ones(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text(
        "schema: 1\nreleases:\n- product: windows-server-2025\n  date: '2026-01-20'\n  month: 2026-01\n"
        "  type: out-of-band\n  hotpatch_kb: KB5999999\n  hotpatch_build: '26100.32240'\n"
        "  evidence: documented\n  source: release health page\n"
    )
    shipped = catalogue_of(call(as_of="2026-01-25"))
    mine = catalogue_of(call(as_of="2026-01-25", catalogue=str(file)))
    assert not shipped.by_kb("windows-server-2025", "KB5999999")
    assert mine.by_kb("windows-server-2025", "KB5999999")
    # A release of the 20th is not known on the 15th.
    assert not catalogue_of(call(as_of="2026-01-15", catalogue=str(file))).by_kb("windows-server-2025", "KB5999999")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"x" * (3 * 1024 * 1024), "larger than 2048 KiB"),
    ],
)
def test_a_file_that_cannot_be_one_is_an_error(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "mine.yml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInput, match=words) as caught:
        catalogue_of(call(catalogue=str(file)))
    assert "mine.yml" in caught.value.message


def test_a_table_lines_its_columns_up_and_wraps_the_last() -> None:
    lines = table_lines(["NAME", "WHY"], [["web01", "a b c " * 20], ["db", "x"]], width=60)
    assert lines[0] == "NAME   WHY"
    assert all(len(line) <= 60 for line in lines)
    assert all(line.startswith((" " * 7, "NAME   ", "web01  ", "db     ")) for line in lines)


def test_a_table_shows_no_control_characters() -> None:
    assert table_lines(["A"], [["\x1b[31mred\nnext"]])[1] == "?[31mred next"

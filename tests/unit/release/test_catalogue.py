# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: its rows, its holes, and how a person's rows lie over them."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue, Unknown
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import (
    Level,
    Release,
    ReleaseType,
    Rows,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.rows import COLLECTED, PLANNED, RELEASES

WS2025 = "windows-server-2025"
WS2022 = "windows-server-2022-datacenter-azure-edition"
CLIENT = "windows-11-enterprise"


def at(day: str) -> Catalogue:
    return Catalogue.shipped(date.fromisoformat(day))


def test_every_row_is_there() -> None:
    settled = [row for row in RELEASES if row.type is not ReleaseType.LCU_ONLY]
    assert (len(settled), len(RELEASES) - len(settled), len(PLANNED)) == (73, 29, 14)
    assert Counter(row.product for row in settled) == {WS2022: 33, WS2025: 26, CLIENT: 14}
    assert date(2026, 11, 22) == COLLECTED
    assert all(row.evidence in ("documented", "secondary") and row.source for row in RELEASES)


@pytest.mark.parametrize(
    ("product", "month", "kind", "hotpatch", "lcu"),
    [
        (WS2025, "2024-11", "hotpatch", ("KB5046696", "26100.2240"), ("KB5046617", "26100.2314")),
        (WS2025, "2025-10", "baseline", None, ("KB5066835", "26100.6899")),
        (WS2025, "2026-06", "unplanned-baseline", None, ("KB5094125", "26100.32995")),
        (WS2025, "2026-08", "hotpatch", ("KB5120228", None), ("KB5120233", "26100.33296")),
        (WS2022, "2024-08", "unplanned-baseline", None, ("KB5041160", "20348.2655")),
        (WS2022, "2025-06", "hotpatch", ("KB5060525", "20348.3745"), ("KB5060526", "20348.3807")),
        (WS2022, "2022-01", "lcu-only", None, ("KB5009555", "20348.469")),
    ],
)
def test_spot_values(
    product: str,
    month: str,
    kind: str,
    hotpatch: tuple[str, str | None] | None,
    lcu: tuple[str, str | None],
) -> None:
    row = at("2026-11-22").by_month(product, month)[0]
    assert row.type.value == kind
    shown = row.as_dict()
    assert (shown["lcu_kb"], shown["lcu_build"]) == lcu
    assert (shown["hotpatch_kb"], shown["hotpatch_build"]) == (hotpatch or (None, None))


def test_a_client_row_has_a_build_for_each_version() -> None:
    found = at("2026-02-28").by_build(CLIENT, Build.parse("26200.7392"))
    assert [level.kb for level in found] == ["KB5072014"]
    assert found == at("2026-02-28").by_build(CLIENT, Build.parse("26100.7392"))


def test_one_build_two_updates() -> None:
    found = at("2025-10-31").by_build(WS2025, Build.parse("26100.6905"))
    assert {level.kb for level in found} == {"KB5070881", "KB5070893"}


def test_nothing_is_known_before_it_came_out() -> None:
    assert at("2025-10-22").by_kb(WS2025, "KB5070881") == ()
    assert at("2025-10-23").by_kb(WS2025, "KB5070881") != ()
    # No source names the day of KB5091470, so it counts from the end of its month.
    assert at("2026-04-29").by_kb(WS2025, "KB5091470") == ()
    assert at("2026-04-30").by_kb(WS2025, "KB5091470") != ()


def baseline(catalogue: Catalogue, product: str = WS2025) -> str:
    found = catalogue.current_baseline(product)
    return found.reason if isinstance(found, Unknown) else str(found.lcu_kb)


def test_the_current_baseline() -> None:
    assert baseline(at("2025-12-20")) == "KB5066835"
    assert baseline(at("2026-01-12")) == "KB5066835"
    assert baseline(at("2026-01-13")) == "KB5073379"
    assert baseline(at("2026-06-09")) == "KB5094125"
    assert baseline(at("2024-08-13"), WS2022) == "KB5041160"


def test_a_hole_is_a_hole() -> None:
    assert baseline(at("2026-07-13")) == "KB5094125"
    assert "July 2026" in baseline(at("2026-07-14"))
    assert "still current is unknown" in baseline(at("2026-08-20"))
    november = baseline(at("2026-11-22"))
    assert "September 2026, October 2026 and November 2026" in november
    assert "June 2026" in baseline(at("2026-06-30"), WS2022)
    assert "knows no baseline" in baseline(at("2023-06-30"), WS2022)
    hotpatch = at("2026-08-20").by_kb(WS2025, "KB5120228")[0]
    assert isinstance(at("2026-08-20").base_of(hotpatch), Unknown)


def test_hotpatches_on_a_baseline_include_the_out_of_band_one_on_the_track() -> None:
    known = at("2025-12-31")
    october = known.latest_baseline(WS2025)
    assert october is not None
    kbs = [level.kb for level in known.hotpatches_on(WS2025, october)]
    assert kbs == ["KB5070893", "KB5068966", "KB5072014"]
    latest = known.latest_hotpatch(WS2025, "2025-10")
    assert latest is not None
    assert latest.kb == "KB5070893"
    assert known.latest_hotpatch(WS2025, "2025-09") is not None
    assert known.latest_hotpatch(WS2025, "2025-07") is None


def test_the_newest_cumulative_update() -> None:
    def newest(day: str) -> str:
        found = at(day).latest_lcu(WS2025)
        return found.kb if isinstance(found, Level) else found.reason

    assert newest("2025-10-22") == "KB5066835"
    assert newest("2025-10-31") == "KB5070881"
    assert newest("2025-12-20") == "KB5072033"
    assert newest("2026-07-20") == "KB5099536"
    assert "September 2026" in newest("2026-09-30")


def test_the_next_baseline_is_expected_on_a_patch_tuesday() -> None:
    assert at("2025-10-31").next_baseline(WS2025).words == "the 13 January 2026 baseline"
    assert at("2026-01-12").next_baseline(WS2025).day == date(2026, 1, 13)
    assert at("2026-01-13").next_baseline(WS2025).day == date(2026, 4, 14)
    assert at("2026-05-20").next_baseline(WS2025).month == "2026-07"
    assert "release-info" in at("2026-05-20").next_baseline(WS2025).source
    assert "rhythm" in at("2026-05-10").next_baseline(WS2025).source


def test_freshness() -> None:
    fresh = at("2025-12-20").freshness()
    assert fresh["stale"] is False
    assert fresh["collected"] == "2026-11-22"
    assert fresh["newest"][WS2025]["hotpatch_kb"] == "KB5072014"
    stale = at("2026-11-22").freshness()
    assert stale["stale"] is True
    assert "windows-server-2025" in stale["words"]


def test_a_persons_row_settles_a_month_and_fills_a_hole() -> None:
    july = Release(
        WS2025,
        "2026-07",
        ReleaseType.BASELINE,
        date(2026, 7, 14),
        lcu_kb="KB5099536",
        lcu_builds=(Build(26100, 33158),),
    )
    merged = at("2026-08-20").merge(Rows((july,), (), date(2026, 12, 1), "mine.yml"))
    assert baseline(merged) == "KB5099536"
    assert [row.type for row in merged.by_month(WS2025, "2026-07")] == [ReleaseType.BASELINE]
    assert merged.freshness()["names"][-1] == "mine.yml"
    assert merged.freshness()["collected"] == "2026-12-01"
    assert baseline(merged.as_of(date(2026, 7, 1))) == "KB5094125"


def test_a_persons_out_of_band_row_replaces_only_its_own() -> None:
    own = Release(
        WS2025,
        "2025-10",
        ReleaseType.OUT_OF_BAND,
        date(2025, 10, 24),
        hotpatch_kb="KB5070893",
        hotpatch_builds=(Build(26100, 6905),),
        source="own",
    )
    merged = at("2025-10-31").merge(Rows((own,), (), None, "mine.yml"))
    rows = merged.by_month(WS2025, "2025-10")
    assert len(rows) == 3
    assert [row.source for row in rows if row.hotpatch_kb == "KB5070893"] == ["own"]


@settings(max_examples=60)
@given(st.dates(date(2024, 1, 1), date(2027, 6, 1)), st.sampled_from([WS2025, WS2022, CLIENT]))
def test_nothing_from_the_future_is_ever_seen(day: date, product: str) -> None:
    known = Catalogue.shipped(day)
    assert all(row.effective <= day for row in known.releases(product))
    expected = known.next_baseline(product)
    assert expected.day > day
    assert expected.day - day < timedelta(days=130)
    current = known.current_baseline(product)
    if not isinstance(current, Unknown):
        assert current.is_baseline
        assert all(known.base_of(level) == current for level in known.hotpatches_on(product, current))

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a server stands, against a table written by hand from the release calendar."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product, identify_product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.rows import RELEASES
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing, Track, standing

STANDARD = identify_product(26100, 3, "ServerStandard", 7, "Server")
AZURE_2022 = identify_product(20348, 3, "ServerTurbine", 407, "Server")
PLAIN_2022 = identify_product(20348, 3, "ServerDatacenter", 8, "Server")
CLIENT = identify_product(26100, 1, "Enterprise", 4, "Client")
BOTH_OF_OCTOBER = ["KB5070881", "KB5070893"]

# day, UBR of 26100, installed KBs, enrolled, opted out -> track, state, needs, reason for a restart
ORACLE = [
    # On the track, December 2025.
    ("2025-12-20", 7392, [], True, None, "hotpatch", "current", [], None),
    ("2025-12-20", 7092, [], True, None, "hotpatch", "behind", ["KB5072014"], None),
    ("2025-12-20", 7092, None, True, None, "hotpatch", "behind", ["KB5072014"], None),
    ("2025-12-20", 6899, [], True, False, "hotpatch", "behind", ["KB5072014"], None),
    ("2025-12-08", 7092, [], True, None, "hotpatch", "current", [], None),
    # The build of October's incident, told apart by the KB alone.
    ("2025-12-20", 6905, ["KB5070893"], True, None, "hotpatch", "behind", ["KB5072014"], None),
    ("2025-12-20", 6905, ["KB5070881"], True, None, "off_track", "off_track_oob", ["KB5072033"], "off_track"),
    ("2025-12-20", 6905, BOTH_OF_OCTOBER, True, None, "off_track", "off_track_oob", ["KB5072033"], "off_track"),
    ("2025-12-20", 6905, [], True, None, "unknown", "unknown", [], None),
    ("2025-12-20", 6905, None, True, None, "unknown", "unknown", [], None),
    ("2025-10-31", 6905, ["KB5070881"], True, None, "off_track", "off_track_oob", [], None),
    ("2025-10-31", 6905, ["KB5070893"], True, None, "hotpatch", "current", [], None),
    ("2025-10-31", 6899, [], True, None, "hotpatch", "behind", ["KB5070893"], None),
    # Whatever 26100.6905 was, in February it lacks January's baseline.
    (
        "2026-02-20",
        6905,
        None,
        True,
        None,
        "off_track",
        "missed_baseline",
        ["KB5073379", "KB5075942"],
        "missed_baseline",
    ),
    # The ordinary update of a hotpatch month.
    ("2025-12-20", 7462, [], True, None, "off_track", "off_track_lcu", [], None),
    ("2025-12-20", 7171, [], True, None, "off_track", "off_track_lcu", ["KB5072033"], "off_track"),
    ("2026-01-20", 7462, [], True, None, "off_track", "off_track_lcu", ["KB5073379"], "baseline"),
    ("2025-12-20", 6584, [], True, None, "off_track", "off_track_lcu", ["KB5066835", "KB5072014"], "missed_baseline"),
    # Baselines: due in their own month, out-of-band hotpatch or not; missed once a hotpatch month has come.
    ("2025-10-20", 6508, [], True, None, "hotpatch", "baseline_due", ["KB5066835"], "baseline"),
    ("2025-10-31", 6508, [], True, None, "hotpatch", "baseline_due", ["KB5066835", "KB5070893"], "baseline"),
    ("2025-11-10", 6508, [], True, None, "hotpatch", "baseline_due", ["KB5066835", "KB5070893"], "baseline"),
    ("2025-11-11", 6508, [], True, None, "off_track", "missed_baseline", ["KB5066835", "KB5068966"], "missed_baseline"),
    ("2026-01-31", 7392, [], True, None, "hotpatch", "baseline_due", ["KB5073379"], "baseline"),
    ("2026-01-31", 6508, [], True, None, "off_track", "missed_baseline", ["KB5073379"], "baseline"),
    ("2026-06-20", 32772, [], True, None, "hotpatch", "baseline_due", ["KB5094125"], "unplanned_baseline"),
    ("2025-12-20", 1742, [], True, None, "off_track", "missed_baseline", ["KB5066835", "KB5072014"], "missed_baseline"),
    # April 2026.
    ("2026-04-30", 32704, [], True, None, "hotpatch", "current", [], None),
    ("2026-04-30", 32698, [], True, None, "off_track", "off_track_oob", [], None),
    ("2026-04-30", 32690, [], True, None, "hotpatch", "behind", ["KB5091470"], None),
    # Holes.
    ("2026-08-20", 32995, [], True, None, "unknown", "unknown", [], None),
    ("2026-08-20", 33158, [], True, None, "unknown", "unknown", [], None),
    ("2026-08-20", 32772, [], True, None, "off_track", "missed_baseline", [], None),
    ("2026-11-22", 33296, [], True, None, "off_track", "off_track_lcu", [], None),
    ("2026-11-22", 33333, ["KB5120228"], True, None, "unknown", "unknown", [], None),
    ("2025-12-20", 7019, [], True, None, "unknown", "unknown", [], None),
    # A newer LCU is installed and waits for its restart.
    ("2025-12-20", 7092, ["KB5072033"], True, None, "unknown", "unknown", [], None),
    # An LCU older than the baseline does not contradict it.
    ("2025-12-20", 7392, ["KB5065426"], True, None, "hotpatch", "current", [], None),
    # Enrollment.
    ("2025-12-20", 7392, [], False, None, "lcu", "not_enrolled", [], None),
    ("2025-12-20", 7171, [], False, None, "lcu", "not_enrolled", ["KB5072033"], "lcu"),
    ("2025-12-20", 7171, [], True, True, "lcu", "opted_out", ["KB5072033"], "lcu"),
    ("2025-12-20", 7392, [], None, None, "hotpatch", "current", [], None),
    ("2025-12-20", 6899, [], None, None, "unknown", "unknown", [], None),
    ("2025-12-20", 6905, ["KB5070881"], False, None, "lcu", "not_enrolled", ["KB5072033"], "lcu"),
    ("2025-12-20", 7019, [], False, None, "lcu", "not_enrolled", ["KB5072033"], "lcu"),
    ("2026-11-22", 33296, [], False, None, "lcu", "not_enrolled", [], None),
]


@pytest.mark.parametrize(
    ("day", "ubr", "kbs", "enrolled", "opted_out", "track", "state", "needs", "restart"),
    ORACLE,
    ids=[f"{row[0]}-{row[1]}-{row[6]}-{number}" for number, row in enumerate(ORACLE)],
)
def test_standing_of_windows_server_2025(
    day: str,
    ubr: int,
    kbs: list[str] | None,
    enrolled: bool | None,
    opted_out: bool | None,
    track: str,
    state: str,
    needs: list[str],
    restart: str | None,
) -> None:
    known = Catalogue.shipped(date.fromisoformat(day))
    found = standing(STANDARD, Build(26100, ubr), kbs, enrolled, opted_out, known)
    assert (found.track, found.state, list(found.needs), found.restart_reason) == (track, state, needs, restart)
    assert found.words.endswith(".")


def on(day: str, build: str, product: Product = AZURE_2022, enrolled: bool | None = True) -> Standing:
    return standing(product, Build.parse(build), [], enrolled, None, Catalogue.shipped(date.fromisoformat(day)))


def test_an_unplanned_baseline_is_a_reason_of_its_own() -> None:
    found = on("2024-08-20", "20348.2582")
    assert found.state == "baseline_due"
    assert (found.reason, found.restart_reason) == ("unplanned_baseline_due", "unplanned_baseline")
    assert "unplanned" in found.words


def test_when_hotpatches_come_back_is_said() -> None:
    known = Catalogue.shipped(date(2025, 12, 20))
    off = standing(STANDARD, Build(26100, 6905), ["KB5070881"], True, None, known)
    assert off.next_hotpatch_from == "the 13 January 2026 baseline"
    assert "13 January 2026" in off.words


def test_ordinary_editions_of_2022_follow_the_cumulative_updates() -> None:
    found = on("2025-12-20", "20348.4529", PLAIN_2022)
    assert (found.track, found.state, found.up_to_date) == ("lcu", "current", True)
    late = on("2025-12-20", "20348.4294", PLAIN_2022)
    assert (late.state, late.needs) == ("behind", ("KB5071547",))


def test_a_client_is_never_on_a_track() -> None:
    found = on("2025-12-20", "26100.7392", CLIENT)
    assert (found.track, found.reason) == ("unknown", "not_a_server")


def test_a_kb_without_a_build_is_believed_only_in_its_place() -> None:
    known = Catalogue.shipped(date(2025, 10, 31))
    inside = standing(AZURE_2022, Build(20348, 4300), ["KB5070892"], True, None, known)
    assert (inside.track, inside.state) == ("hotpatch", "current")
    below = standing(AZURE_2022, Build(20348, 4290), ["KB5070892"], True, None, known)
    assert below.track == "unknown"


BUILDS = sorted({build for row in RELEASES for build in (*row.hotpatch_builds, *row.lcu_builds)})
KBS = sorted({kb for row in RELEASES for kb in (row.hotpatch_kb, row.lcu_kb) if kb})


@settings(max_examples=150, deadline=None)
@given(
    product=st.sampled_from([STANDARD, AZURE_2022, PLAIN_2022, CLIENT]),
    build=st.one_of(st.none(), st.sampled_from(BUILDS), st.builds(Build, st.just(26100), st.integers(1, 40000))),
    kbs=st.one_of(st.none(), st.lists(st.sampled_from(KBS), max_size=4)),
    enrolled=st.sampled_from([True, False, None]),
    opted_out=st.sampled_from([True, False, None]),
    day=st.dates(date(2024, 1, 1), date(2027, 1, 31)),
)
def test_standing_never_promises_what_it_does_not_know(
    product: Product,
    build: Build | None,
    kbs: list[str] | None,
    enrolled: bool | None,
    opted_out: bool | None,
    day: date,
) -> None:
    known = Catalogue.shipped(day)
    found = standing(product, build, kbs, enrolled, opted_out, known)
    if enrolled is False or opted_out is True or build is None or not product.hotpatch_capable:
        assert found.track is not Track.HOTPATCH
    if found.track is Track.HOTPATCH:
        assert found.level is not None
        assert found.baseline is not None
        assert found.level.form.value in ("hotpatch", "baseline")
        assert found.level.release.breaks_hotpatch is not True
        assert enrolled is True or found.level.form.value == "hotpatch"
        if found.state.value in ("current", "behind"):
            assert found.baseline == known.current_baseline(product.catalogue_id or "")
    if found.restart_reason is None and found.needs:
        assert [level.form.value for level in found.needed] == ["hotpatch"]
    assert found == standing(product, build, list(reversed(kbs)) if kbs else kbs, enrolled, opted_out, known)
    assert found.as_dict()["needs"] == list(found.needs)

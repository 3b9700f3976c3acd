# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The train guard, with the incidents of October 2025 and April 2026 as they happened."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.choice import Choice, Mode, Selection, choose
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import identify_product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import normal_kb
from ansible_collections.winops.hotpatch.plugins.module_utils._release.rows import RELEASES
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing, standing
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import judge

STANDARD = identify_product(26100, 3, "ServerStandard", 7, "Server")


def server(day: str, ubr: int, *kbs: str, enrolled: bool | None = True) -> tuple[Standing, Catalogue]:
    known = Catalogue.shipped(date.fromisoformat(day))
    return standing(STANDARD, Build(26100, ubr), kbs, enrolled, None, known), known


def offer(*kbs: str) -> list[dict[str, Any]]:
    return [{"update_id": f"id-{kb}", "title": f"Security Update ({kb})", "kbs": [kb[2:]]} for kb in kbs]


def names(choice: Choice) -> list[str | None]:
    return [each.verdict.kb for each in choice.selected]


INCIDENTS = [
    # day, UBR, offered KB -> verdict, price, months without hotpatches
    (
        "2025-10-31",
        6899,
        "KB5070881",
        "off_track",
        "no hotpatch until the 13 January 2026 baseline",
        ("2025-11", "2025-12"),
    ),
    ("2025-10-31", 6899, "KB5070893", "oob_on_track", None, ()),
    (
        "2026-04-30",
        32690,
        "KB5091157",
        "off_track",
        "no hotpatch until the 14 July 2026 baseline",
        ("2026-05", "2026-06"),
    ),
    ("2026-04-30", 32690, "KB5091470", "oob_on_track", None, ()),
]


@pytest.mark.parametrize(("day", "ubr", "kb", "verdict", "price", "months"), INCIDENTS)
def test_the_incidents(day: str, ubr: int, kb: str, verdict: str, price: str | None, months: tuple[str, ...]) -> None:
    where, known = server(day, ubr)
    found = judge(kb, "", where, known)
    assert (found.kind, found.price, found.months_lost) == (verdict, price, months)
    assert found.needs_restart is (verdict == "off_track")


@pytest.mark.parametrize(
    ("day", "ubr", "on_track", "off_track"),
    [("2025-10-31", 6899, "KB5070893", "KB5070881"), ("2026-04-30", 32690, "KB5091470", "KB5091157")],
)
def test_an_incident_replayed_installs_the_one_and_refuses_the_other(
    day: str, ubr: int, on_track: str, off_track: str
) -> None:
    where, known = server(day, ubr)
    choice = choose(offer(off_track, on_track), "hotpatch_only", where, known)
    assert names(choice) == [on_track]
    (refused,) = choice.refused
    assert refused.verdict.kb == off_track
    assert "no hotpatch until" in (refused.refused or "")
    # Naming it does not help; only saying so explicitly does, and never where no restart was promised.
    for mode in Mode:
        assert names(choose(offer(off_track), mode, where, known, Selection.read(include=[off_track]))) == []
    allowed = choose(
        offer(off_track), Mode.BASELINE, where, known, Selection.read(include=[off_track], allow_off_track=True)
    )
    assert names(allowed) == [off_track]
    assert names(choose(offer(off_track), Mode.BASELINE, where, known, Selection.read(allow_off_track=True))) == []
    promised = choose(
        offer(off_track), Mode.HOTPATCH_ONLY, where, known, Selection.read(include=[off_track], allow_off_track=True)
    )
    assert names(promised) == []


VERDICTS = [
    # The hotpatch of the month, for a server on its baseline and on another one.
    ("2025-12-20", 7092, True, "KB5072014", "", "hotpatch", "on_track"),
    ("2025-12-20", 6508, True, "KB5072014", "", "unknown", "not_on_track"),
    ("2025-10-31", 6508, True, "KB5070893", "", "unknown", "other_baseline"),
    ("2025-12-20", 7392, True, "KB5068966", "", "hotpatch", "already_installed"),
    ("2025-12-20", 7462, True, "KB5072014", "", "unknown", "not_on_track"),
    ("2025-12-20", 7171, False, "KB5072014", "", "unknown", "not_on_track"),
    # Baselines.
    ("2025-10-20", 6508, True, "KB5066835", "", "baseline", "baseline"),
    ("2025-12-20", 6508, True, "KB5066835", "", "baseline", "baseline"),
    ("2025-12-20", 7092, True, "KB5066835", "", "baseline", "already_installed"),
    ("2026-06-20", 32772, True, "KB5094125", "", "unplanned_baseline", "baseline"),
    ("2026-01-20", 6508, True, "KB5066835", "", "off_track", "older_baseline"),
    ("2026-08-20", 32772, True, "KB5094125", "", "unknown", "catalogue_hole"),
    ("2025-12-20", 7171, True, "KB5066835", "", "unknown", "older_than_installed"),
    # The ordinary update: a loss for a server that could be on the track, ordinary for one that waits or is not meant.
    ("2025-12-20", 7092, True, "KB5072033", "", "off_track", "leaves_track"),
    ("2025-12-20", 6508, True, "KB5072033", "", "off_track", "leaves_track"),
    ("2025-12-20", 7171, True, "KB5072033", "", "lcu", "stays_off_track"),
    ("2025-12-20", 7171, False, "KB5072033", "", "lcu", "ordinary_update"),
    ("2025-10-20", 6508, False, "KB5066835", "", "lcu", "ordinary_update"),
    ("2025-12-20", 6899, None, "KB5072033", "", "unknown", "standing_unknown"),
    ("2026-07-20", 32995, True, "KB5099536", "", "unknown", "catalogue_hole"),
    # Titles are a second witness.
    ("2025-12-20", 7092, True, "5072014", "Sicherheitsupdate (KB5072014) (26100.7392)", "hotpatch", "on_track"),
    ("2025-12-20", 7092, True, "5072014", "Update (KB5072014) (26100.7462)", "unknown", "title_contradicts_catalogue"),
    ("2025-12-20", 7092, True, "5072014", "Update (KB5072033)", "unknown", "title_contradicts_kb"),
    ("2025-12-20", 7092, True, "", "2025-12 Update (KB5072014) (26100.7392)", "hotpatch", "on_track"),
    ("2025-12-20", 7092, True, "", "Hotpatch", "unknown", "no_kb"),
    # Not in the catalogue.
    ("2025-12-20", 7092, True, "KB5099999", "Hotpatch (KB5099999)", "unknown", "not_in_catalogue"),
    ("2025-12-20", 7092, True, "KB5099999", "Security Update (KB5099999) (26100.7462)", "unknown", "not_in_catalogue"),
    ("2025-10-31", 6899, True, "KB5072014", "", "unknown", "not_in_catalogue"),
    ("2025-12-20", 7092, True, "KB890830", "Windows Malicious Software Removal Tool", "other", "not_windows_itself"),
    ("2025-12-20", 7092, True, "KB2267602", "", "other", "not_windows_itself"),
    ("2025-12-20", 7092, True, "KB5007651", "", "other", "not_windows_itself"),
    ("2025-12-20", 7092, True, "KB5071726", "2025-12 .NET Framework Update (KB5071726)", "other", "not_windows_itself"),
    ("2025-12-20", 7092, True, "KB5071726", ".NET and more (KB5071726) (26100.7462)", "unknown", "not_in_catalogue"),
]


@pytest.mark.parametrize(("day", "ubr", "enrolled", "kb", "title", "kind", "reason"), VERDICTS)
def test_verdicts(day: str, ubr: int, enrolled: bool | None, kb: str, title: str, kind: str, reason: str) -> None:
    where, known = server(day, ubr, enrolled=enrolled)
    found = judge([kb] if kb else [], title, where, known)
    assert (found.kind, found.reason) == (kind, reason)
    assert found.words.endswith(".")
    assert found.as_dict()["verdict"] == kind


def test_two_kbs_in_one_update_are_not_guessed_at() -> None:
    where, known = server("2025-12-20", 7092)
    assert judge(["KB5072014", "KB5072033"], "", where, known).reason == "several_kbs"


def test_baseline_mode_takes_the_baseline_and_not_the_newer_update_beside_it() -> None:
    where, known = server("2025-10-31", 6508)
    choice = choose(offer("KB5070881", "KB5066835", "KB890830"), Mode.BASELINE, where, known)
    assert names(choice) == ["KB5066835"]
    assert len(choice.as_dict()["refused"]) == 2


def test_baseline_mode_takes_the_newest_update_of_an_ordinary_server() -> None:
    where, known = server("2025-10-31", 6584, enrolled=False)
    choice = choose(offer("KB5066835", "KB5070881"), Mode.BASELINE, where, known)
    assert names(choice) == ["KB5070881"]
    assert choice.refused[0].refused == "KB5070881 is newer and contains it"
    assert names(choose(offer("KB5070881"), Mode.HOTPATCH_ONLY, where, known)) == []


def test_an_update_offered_again_after_success_is_recognised() -> None:
    where, known = server("2025-11-20", 7092, "KB5068966")
    choice = choose(offer("KB5068966"), Mode.HOTPATCH_ONLY, where, known)
    assert names(choice) == []
    assert choice.refused[0].refused == "installed already"


def test_include_and_exclude() -> None:
    where, known = server("2025-12-20", 7092)
    assert names(choose(offer("KB5072014"), "hotpatch_only", where, known, Selection.read(exclude=["5072014"]))) == []
    assert names(choose(offer("KB5072014"), "hotpatch_only", where, known, Selection.read(include=["KB890830"]))) == []
    assert names(choose(offer("KB5072014"), "hotpatch_only", where, known, Selection.read(include=["kb5072014"]))) == [
        "KB5072014"
    ]
    assert names(choose(offer("KB890830"), "baseline", where, known, Selection.read(include=["KB890830"]))) == [
        "KB890830"
    ]
    assert names(choose(offer("KB890830"), "hotpatch_only", where, known, Selection.read(include=["KB890830"]))) == []
    with pytest.raises(InvalidInput, match="both lists"):
        choose([], "baseline", where, known, Selection.read(include=["KB5072014"], exclude=["5072014"]))
    with pytest.raises(InvalidInput, match="is not a KB"):
        choose([], "baseline", where, known, Selection.read(include=["*"]))


def test_kbs_of_any_writing() -> None:
    assert normal_kb("5072014") == normal_kb(" kb5072014 ") == "KB5072014"
    assert normal_kb("KB12") is normal_kb("KB5072014x") is None


KBS = sorted({kb for row in RELEASES for kb in (row.hotpatch_kb, row.lcu_kb) if kb})
BUILDS = sorted(
    {build for row in RELEASES for build in (*row.hotpatch_builds, *row.lcu_builds) if build.major == 26100}
)
TITLES = st.one_of(
    st.just(""),
    st.text(max_size=30),
    st.builds("Update ({}) ({})".format, st.sampled_from(KBS), st.sampled_from(BUILDS)),
)


@settings(max_examples=200, deadline=None)
@given(
    kb=st.one_of(st.sampled_from(KBS), st.integers(1000000, 9999999).map("KB{}".format)),
    title=TITLES,
    build=st.sampled_from(BUILDS),
    installed=st.lists(st.sampled_from(KBS), max_size=2),
    enrolled=st.sampled_from([True, False, None]),
    day=st.dates(date(2024, 10, 1), date(2027, 1, 31)),
)
def test_only_a_documented_hotpatch_of_the_servers_own_baseline_is_ever_installable(
    kb: str, title: str, build: Build, installed: list[str], enrolled: bool | None, day: date
) -> None:
    known = Catalogue.shipped(day)
    where = standing(STANDARD, build, installed, enrolled, None, known)
    found = judge(kb, title, where, known)
    if found.kind.value in ("hotpatch", "oob_on_track"):
        assert where.track.value == "hotpatch"
        assert [level.form.value for level in known.by_kb("windows-server-2025", kb)] == ["hotpatch"]
        assert found.level is not None
        assert known.base_of(found.level) == where.baseline
        assert enrolled is not False
    if not known.by_kb("windows-server-2025", kb):
        assert found.kind.value in ("unknown", "other")
    update = {"update_id": "x", "title": title, "kbs": [kb]}
    for each in choose([update], Mode.HOTPATCH_ONLY, where, known).selected:
        assert each.verdict.kind.value in ("hotpatch", "oob_on_track")
        assert not each.verdict.already_installed
    for each in choose([update], Mode.BASELINE, where, known).selected:
        assert each.verdict.kind.value in ("baseline", "unplanned_baseline", "lcu")

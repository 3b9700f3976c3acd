# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a rollback: by tables, and by what must hold for every server that can be thought of."""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.rollback import (
    MAX_ATTEMPTS,
    Plan,
    Record,
    Removable,
    Stage,
    Status,
    Wish,
    find_target,
    make_plan,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.server_state import state_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.packages import Package, PackageState
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import Form
from tests.unit.server_facts import healthy

CATALOGUE = Catalogue.shipped(date(2025, 12, 20))
KEY = "31bf3856ad364e35"
INSTALLED, SUPERSEDED = PackageState.INSTALLED, PackageState.SUPERSEDED


LATEST = Wish()


def rollup(build: str, state: PackageState = INSTALLED) -> Package:
    return Package(f"Package_for_RollupFix~{KEY}~amd64~~{build}.1.7", state, "Security Update")


def hotpatch(build: str, state: PackageState = INSTALLED, name: str = "Package_for_HotpatchRollup") -> Package:
    return Package(f"{name}~{KEY}~amd64~~{build}.1.2", state, "Security Update")


RTM = rollup("26100.1742", SUPERSEDED)
JULY, OCTOBER = rollup("26100.4652", SUPERSEDED), rollup("26100.6899")
STACK = Package(f"Package_for_ServicingStack_6891~{KEY}~amd64~~26100.6891.1.4", INSTALLED, "Update")
DECEMBER = hotpatch("26100.7392")
ON_TRACK = [RTM, JULY, OCTOBER, STACK, DECEMBER]


def plan(
    packages: list[Package],
    build: str = "26100.7392",
    kbs: list[str] | None = None,
    *,
    wish: Wish = LATEST,
    record: Record | None = None,
    permanent: bool = False,
    busy: str | None = None,
    cves: dict[str, list[str]] | None = None,
    min_free_bytes: int | None = None,
    **facts: Any,
) -> Plan:
    server = healthy(build, ["KB5072014", "KB5066835"] if kbs is None else kbs, **facts)
    state = state_of(server, {"enrolled": True}, CATALOGUE)
    found = find_target(server, state, packages, CATALOGUE, wish, record)
    if isinstance(found, Plan):
        return found
    return make_plan(
        found, server, state, CATALOGUE, record,
        permanent=permanent, busy=busy, min_free_bytes=min_free_bytes, cves=cves or {}, opted_out=None,
    )  # fmt: skip


def record(stage: Stage, **changes: Any) -> Record:
    values = {
        "kb": "KB5072014",
        "form": Form.HOTPATCH,
        "package": DECEMBER.identity,
        "build_before": "26100.7392",
        "build_after": "26100.6899",
        **changes,
    }
    return Record(stage=stage, **values)


# ---- what goes, and what comes back


@pytest.mark.parametrize(
    ("build", "kbs", "packages", "takes", "back", "build_after", "track", "state"),
    [
        # A hotpatch leaves its baseline, whatever hotpatch came before.
        ("26100.7392", ["KB5072014"], ON_TRACK, "KB5072014", "KB5066835", "26100.6899", "hotpatch", "behind"),
        (
            "26100.7392", ["KB5072014"], [*ON_TRACK, hotpatch("26100.7092", SUPERSEDED)],
            "KB5072014", "KB5066835", "26100.6899", "hotpatch", "behind",
        ),
        # The emergency update of October goes, and the server is on the track again.
        (
            "26100.6905", ["KB5070881"], [RTM, rollup("26100.6899", SUPERSEDED), rollup("26100.6905")],
            "KB5070881", "KB5066835", "26100.6899", "hotpatch", "behind",
        ),
        # A baseline goes, the baseline before it comes back.
        (
            "26100.6899", ["KB5066835"], [RTM, JULY, OCTOBER],
            "KB5066835", "KB5062553", "26100.4652", "off_track", "missed_baseline",
        ),
        # An ordinary update over another one: still off the track.
        (
            "26100.7462", ["KB5072033"], [RTM, rollup("26100.7171", SUPERSEDED), rollup("26100.7462")],
            "KB5072033", "KB5068861", "26100.7171", "off_track", "off_track_lcu",
        ),
        # What comes back need not be in the catalogue.
        ("26100.6899", ["KB5066835"], [RTM, OCTOBER], "KB5066835", None, "26100.1742", "off_track", "missed_baseline"),
    ],
)  # fmt: skip
def test_what_goes_and_what_comes_back(
    build: str,
    kbs: list[str],
    packages: list[Package],
    takes: str,
    back: str | None,
    build_after: str,
    track: str,
    state: str,
) -> None:
    found = plan(packages, build, kbs)
    assert (found.status, found.kb, found.returns_to) == (Status.POSSIBLE, takes, back)
    assert str(found.build_after) == build_after
    assert found.standing_after is not None
    assert (found.standing_after.track.value, found.standing_after.state.value) == (track, state)
    assert found.removable is Removable.UNKNOWN
    assert found.payload == "component_store"


def test_the_steps_say_everything_in_order() -> None:
    found = plan(ON_TRACK)
    text = "\n".join(found.steps)
    places = [text.index(words) for words in ("with DISM", "Drain", "Restart it", "Check", "Hide KB5072014")]
    assert places == sorted(places)
    assert DECEMBER.identity in text
    assert found.restarts == 1


@pytest.mark.parametrize(
    "package",
    [
        hotpatch("26100.7392", name="Package_for_HotpatchRollup"),
        hotpatch("26100.7392", name="Microsoft-Windows-Server-Hotpatch-Package"),
        Package(f"Package_for_KB5072014~{KEY}~amd64~~26100.1.1.0", INSTALLED),
        Package(f"KB5072014~{KEY}~amd64~~10.0.1.0", INSTALLED),
        rollup("26100.7392"),
    ],
    ids=lambda package: package.name,
)
def test_a_hotpatch_is_found_by_its_name_its_kb_or_its_build(package: Package) -> None:
    enrollment = hotpatch("26100.1129", name="Package_for_HotpatchEnrollment")
    found = plan([RTM, JULY, OCTOBER, STACK, enrollment, package])
    assert found.target is not None
    assert found.target.package == package
    assert (found.status, str(found.build_after)) == (Status.POSSIBLE, "26100.6899")


def test_a_name_of_ones_own_is_looked_for() -> None:
    package = hotpatch("26100.7392", name="Package_for_ColdFix")
    assert plan([OCTOBER, package]).doubts[0].code == "package_not_found"
    assert plan([OCTOBER, package], wish=Wish(hotpatch_package="*ColdFix")).status is Status.POSSIBLE


@pytest.mark.parametrize(
    ("packages", "code"),
    [
        ([OCTOBER, STACK], "package_not_found"),
        ([OCTOBER, hotpatch("26100.7392", SUPERSEDED)], "package_not_found"),
        ([OCTOBER, DECEMBER, hotpatch("26100.7392", name="Another-Hotpatch")], "package_ambiguous"),
        ([DECEMBER, STACK], "payload_missing"),
        ([], "package_not_found"),
    ],
)
def test_a_package_that_is_not_told_for_sure_is_not_touched(packages: list[Package], code: str) -> None:
    found = plan(packages)
    assert (found.status, found.doubts[0].code) == (Status.REFUSED, code)


# ---- what is wished


@pytest.mark.parametrize(
    ("wish", "build", "status", "code"),
    [
        (Wish(kb="KB5072014"), "26100.7392", Status.POSSIBLE, None),
        (Wish(what="hotpatch"), "26100.7392", Status.POSSIBLE, None),
        (Wish(what="hotpatch"), "26100.6899", Status.NOTHING, None),
        (Wish(what="baseline"), "26100.6899", Status.POSSIBLE, None),
        (Wish(what="baseline"), "26100.7392", Status.REFUSED, "not_the_latest"),
        (Wish(kb="KB5066835"), "26100.7392", Status.REFUSED, "not_the_latest"),
        (Wish(kb="KB5068966"), "26100.6899", Status.NOTHING, None),
        (Wish(), "26100.9999", Status.REFUSED, "level_unknown"),
    ],
)
def test_only_the_latest_update_goes(wish: Wish, build: str, status: Status, code: str | None) -> None:
    packages = ON_TRACK if build == "26100.7392" else [RTM, JULY, OCTOBER]
    found = plan(packages, build, ["KB5066835"] if build != "26100.7392" else None, wish=wish)
    assert found.status is status
    assert [doubt.code for doubt in found.doubts] == ([code] if code else [])


def test_a_client_is_no_server() -> None:
    found = plan(ON_TRACK, os={"product_type": 1, "edition_id": "Enterprise", "sku": 4, "installation_type": "Client"})
    assert found.doubts[0].code == "not_a_server"


# ---- what speaks against it


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"permanent": True}, "permanent"),
        ({"record": record(Stage.PERMANENT)}, "permanent"),
        ({"restart_pending": {"pending": True}}, "restart_pending"),
        ({"restart_pending": {"pending": None}}, "restart_pending"),
        ({"busy": "TiWorker.exe"}, "busy"),
        ({"hardware": {"system_disk_free_bytes": 1024**3}}, "disk_full"),
        ({"hardware": {"system_disk_free_bytes": None}}, "disk_unknown"),
        ({"record": record(Stage.REMOVED, attempts=MAX_ATTEMPTS)}, "does_not_take"),
    ],
)
def test_each_reason_alone_is_enough(changes: dict[str, Any], code: str) -> None:
    found = plan(ON_TRACK, **changes)
    assert (found.status, [doubt.code for doubt in found.doubts]) == (Status.REFUSED, [code])
    assert found.doubts[0].words in found.words


def test_all_reasons_are_named_at_once() -> None:
    found = plan(
        ON_TRACK,
        permanent=True,
        busy="Dism.exe",
        restart_pending={"pending": True},
        hardware={"system_disk_free_bytes": 0},
    )
    assert [doubt.code for doubt in found.doubts] == ["permanent", "restart_pending", "busy", "disk_full"]


def test_a_cumulative_update_wants_more_room_than_a_hotpatch() -> None:
    room: dict[str, Any] = {"hardware": {"system_disk_free_bytes": 5 * 1024**3}}
    assert plan(ON_TRACK, **room).status is Status.POSSIBLE
    assert plan([RTM, JULY, OCTOBER], "26100.6899", ["KB5066835"], **room).doubts[0].code == "disk_full"
    assert plan([RTM, JULY, OCTOBER], "26100.6899", ["KB5066835"], min_free_bytes=1, **room).status is Status.POSSIBLE


def test_ways_are_named_where_it_cannot_be_and_only_there() -> None:
    assert plan(ON_TRACK).ways == ()
    assert plan(ON_TRACK, busy="TiWorker.exe").ways == ()
    ways = {way.code: way.words for way in plan(ON_TRACK, permanent=True).ways}
    assert list(ways) == ["forward", "restore", "reimage", "opt_out"]
    assert "13 January 2026 baseline" in ways["forward"]
    behind = plan([RTM, rollup("26100.6905")], "26100.6905", ["KB5070881"], permanent=True)
    assert "KB5072033 is out" in behind.ways[0].words


def test_an_update_that_waits_for_its_own_restart_is_not_ours_to_finish() -> None:
    waiting = [
        RTM,
        rollup("26100.6899", PackageState.UNINSTALL_PENDING),
        rollup("26100.7462", PackageState.INSTALL_PENDING),
    ]
    found = plan(waiting, "26100.6899", ["KB5066835"])
    assert (found.status, found.doubts[0].code) == (Status.REFUSED, "restart_pending")


# ---- going on with what was begun


def test_a_removal_that_waits_is_gone_on_with_whatever_is_pending() -> None:
    pending = hotpatch("26100.7392", PackageState.UNINSTALL_PENDING)
    found = plan([RTM, JULY, OCTOBER, pending], restart_pending={"pending": True}, busy="TiWorker.exe")
    assert (found.status, found.removable, found.doubts) == (Status.RESTART_DUE, Removable.YES, ())
    assert not any("DISM" in step for step in found.steps)


@pytest.mark.parametrize("stage", [Stage.REMOVED, Stage.FINISHED])
@pytest.mark.parametrize("wish", [Wish(), Wish(kb="KB5072014"), Wish(what="hotpatch")])
def test_a_second_call_does_not_take_the_next_update_off(stage: Stage, wish: Wish) -> None:
    found = plan([RTM, JULY, OCTOBER], "26100.6899", ["KB5066835"], wish=wish, record=record(stage))
    assert found.status is Status.DONE


def test_going_further_back_has_to_be_said() -> None:
    kept = record(Stage.FINISHED)
    for wish in (Wish(kb="KB5066835"), Wish(what="baseline")):
        found = plan([RTM, JULY, OCTOBER], "26100.6899", ["KB5066835"], wish=wish, record=kept)
        assert (found.status, found.kb) == (Status.POSSIBLE, "KB5066835")


def test_what_was_installed_since_can_be_taken_off_again() -> None:
    assert plan(ON_TRACK, record=record(Stage.FINISHED)).status is Status.POSSIBLE
    assert plan(ON_TRACK, record=record(Stage.REMOVED, attempts=1)).status is Status.POSSIBLE


def test_another_package_may_be_tried_where_one_was_permanent() -> None:
    other = record(Stage.PERMANENT, kb="KB5068966", package=hotpatch("26100.7092").identity)
    assert plan(ON_TRACK, record=other).status is Status.POSSIBLE


# ---- the last good baseline, and the CVEs


def test_the_last_good_baseline_is_installed_where_what_comes_back_is_older() -> None:
    found = plan([RTM, rollup("26100.6584", SUPERSEDED), rollup("26100.7171")], "26100.7171", ["KB5068861"])
    assert (found.returns_to, found.last_good_baseline) == ("KB5065426", "KB5066835")
    assert (found.then_install, found.restarts) == (("KB5066835",), 2)
    assert any("KB5066835" in step and "Windows Update" in step for step in found.steps)
    kept = record(
        Stage.REMOVED, kb="KB5068861", form=Form.LCU, package=rollup("26100.7171").identity,
        build_before="26100.7171", build_after="26100.6584", then_install=("KB5066835",),
    )  # fmt: skip
    done = plan([RTM, rollup("26100.6584", SUPERSEDED), OCTOBER], "26100.6899", ["KB5066835"], record=kept)
    assert (done.status, done.then_install, done.restarts) == (Status.DONE, ("KB5066835",), 0)
    halfway = plan([RTM, rollup("26100.6584")], "26100.6584", ["KB5065426"], record=kept)
    assert (halfway.status, halfway.then_install, halfway.restarts) == (Status.DONE, ("KB5066835",), 1)


@pytest.mark.parametrize(
    ("cves", "known", "unknown"),
    [
        ({}, None, ("KB5070881", "KB5070893", "KB5068966", "KB5072014")),
        ({"KB5072014": ["CVE-2", "CVE-1"]}, ("CVE-1", "CVE-2"), ("KB5070881", "KB5070893", "KB5068966")),
        # The ordinary update of a month closes what its hotpatch closes.
        ({"KB5068861": ["CVE-3"], "KB5072014": []}, ("CVE-3",), ("KB5070881", "KB5070893")),
        ({"KB5070881": [], "KB5070893": [], "KB5068966": [], "KB5072014": []}, (), ()),
        ({"KB5062553": ["CVE-9"]}, None, ("KB5070881", "KB5070893", "KB5068966", "KB5072014")),
    ],
)
def test_every_update_between_what_goes_and_what_comes_back_counts(
    cves: dict[str, list[str]], known: tuple[str, ...] | None, unknown: tuple[str, ...]
) -> None:
    found = plan(ON_TRACK, cves=cves)
    assert (found.cves_open_again, found.cves_unknown_for) == (known, unknown)


# ---- what always holds


def test_a_removal_is_only_ever_planned_where_everything_is_known_and_good() -> None:
    for pending, free, busy, permanent, stage in product(
        (False, True, None), (40 * 1024**3, 0, None), (None, "Dism.exe"), (False, True), (None, *Stage)
    ):
        found = plan(
            ON_TRACK,
            restart_pending={"pending": pending},
            hardware={"system_disk_free_bytes": free},
            busy=busy,
            permanent=permanent,
            record=record(stage) if stage else None,
        )
        good = pending is False and free and not busy and not permanent and stage is not Stage.PERMANENT
        assert (found.status is Status.POSSIBLE) == bool(good)
        assert bool(found.doubts) == (found.status is Status.REFUSED)
        assert found.as_dict()["kb"] == "KB5072014"

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome of each server: a success is always read back."""

from __future__ import annotations

import itertools
import json
from datetime import date
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.month import plan_server
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.outcome import OUTCOMES, conclude, totals
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.policy import Policy
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from tests.unit.server_facts import healthy

DECEMBER = Catalogue.shipped(date(2025, 12, 20))
ALL = Policy(frozenset({"baseline", "missed_baseline", "off_track", "lcu"}))
REBOOTED = {"last_boot": "2025-12-20T10:30:00Z"}
LATE = healthy("26100.6508", ["KB5065474"])
DONE = {"changed": True, "kbs_installed": ["KB5072014"]}
BASELINE_DONE = {"changed": True, "kbs_installed": ["5066835"]}


def run(before: dict[str, Any] | None, after: dict[str, Any] | None, **what: Any) -> dict[str, Any]:
    failure = None if before else {"unreachable": True, "msg": "web01 does not answer."}
    policy = what.pop("policy", ALL)
    step = plan_server("web01", before, failure, {}, DECEMBER, policy, DECEMBER.on)
    return conclude(step, facts_before=before, facts_after=after, catalogue=DECEMBER, **what)


def outcome(*args: Any, **what: Any) -> str:
    return str(run(*args, **what)["outcome"])


HOTPATCHED = healthy("26100.7392", ["KB5068966", "KB5072014"])
BASELINED = healthy("26100.7392", ["KB5066835", "KB5072014"], boot=REBOOTED)


def test_a_hotpatch_that_held_its_promise() -> None:
    found = run(healthy(), HOTPATCHED, installs=[DONE])
    assert (found["outcome"], found["restarted"]) == ("hotpatched", False)
    assert (found["build_before"], found["build_after"]) == ("26100.7092", "26100.7392")
    assert (found["track_before"], found["track_after"]) == ("hotpatch", "hotpatch")
    assert found["kbs_installed"] == ["KB5072014"]
    assert json.loads(json.dumps(found)) == found


def test_a_server_that_somebody_else_patched_meanwhile_is_current() -> None:
    found = run(healthy(), HOTPATCHED)
    assert (found["outcome"], found["kbs_installed"]) == ("current", [])
    assert "somebody else" in found["reason"]
    assert outcome(healthy(), healthy()) == "skipped"
    assert outcome(healthy(), HOTPATCHED, halted="Halted.") == "skipped"


def test_a_hotpatch_whose_promise_broke() -> None:
    restarted = run(healthy(), healthy("26100.7392", boot=REBOOTED), installs=[DONE])
    assert (restarted["outcome"], restarted["restarted"]) == ("failed", True)
    assert "RESTARTED" in restarted["reason"]
    pending = healthy("26100.7392", restart_pending={"pending": True, "sources": {"windows_update": True}})
    assert "windows_update" in run(healthy(), pending, installs=[DONE])["reason"]
    assert outcome(healthy(), pending, installs=[DONE]) == "failed"
    unread = healthy("26100.7392", boot={"last_boot": None})
    assert outcome(healthy(), unread, installs=[DONE]) == "failed"


def test_a_hotpatch_that_did_not_take() -> None:
    assert outcome(healthy(), healthy(), installs=[DONE]) == "failed"
    assert outcome(healthy(), healthy("26100.7462"), installs=[DONE]) == "failed"
    nothing = run(healthy(), healthy(), installs=[{"changed": False}])
    assert nothing["outcome"] == "failed"
    assert "did not offer KB5072014" in nothing["reason"]


def test_a_refusal_on_the_server_is_refused_with_its_words() -> None:
    doubt = {"answer": "unknown", "words": "Whether it restarts the server is unknown."}
    receipt = {"may_install": "no", "witnesses_before": [{"answer": "yes", "words": "Fine."}, doubt]}
    found = run(healthy(), healthy(), installs=[{"changed": False, "receipt": receipt}])
    assert found["outcome"] == "refused"
    assert found["reason"] == "KB5072014 was not installed. Whether it restarts the server is unknown."
    listed = {"changed": False, "refused": [{"kb": "KB5072014", "refused": "excluded by its KB", "words": "x."}]}
    assert "excluded by its KB" in run(healthy(), healthy(), installs=[listed])["reason"]
    error = {"failed": True, "msg": "A restart is pending.", "error": {"code": "refused"}}
    assert outcome(healthy(), healthy(), installs=[error]) == "refused"


def test_a_failed_update() -> None:
    error = {"failed": True, "msg": "0x800F0983", "error": {"code": "0x800F0983"}}
    found = run(healthy(), healthy(), installs=[error])
    assert (found["outcome"], found["reason"]) == ("failed", "0x800F0983")
    lost = {"unreachable": True, "msg": "gone."}
    assert outcome(healthy(), healthy(), installs=[lost]) == "unreachable"


def test_a_missed_baseline_and_its_hotpatch() -> None:
    found = run(LATE, BASELINED, installs=[BASELINE_DONE, DONE], restart={"changed": True})
    assert (found["outcome"], found["restarted"]) == ("baselined", True)
    assert found["kbs_installed"] == ["KB5066835", "KB5072014"]
    assert (found["track_before"], found["track_after"]) == ("off_track", "hotpatch")
    first = healthy("26100.6899", ["KB5066835"], boot=REBOOTED)
    only = run(LATE, first, installs=[BASELINE_DONE], restart={})
    assert only["outcome"] == "baselined"
    assert "KB5072014 is still to be installed" in only["reason"]
    assert outcome(LATE, first, installs=[BASELINE_DONE, {"failed": True, "msg": "no."}], restart={}) == "failed"


def test_a_baseline_that_did_not_hold() -> None:
    no_restart = healthy("26100.7392", ["KB5066835"])
    assert outcome(LATE, no_restart, installs=[BASELINE_DONE], restart={}) == "failed"
    rolled_back = run(LATE, healthy("26100.6508", boot=REBOOTED), installs=[BASELINE_DONE], restart={})
    assert rolled_back["outcome"] == "failed"
    assert "rolled the update back" in rolled_back["reason"]
    pending = healthy("26100.7392", boot=REBOOTED, restart_pending={"pending": None})
    assert outcome(LATE, pending, installs=[BASELINE_DONE], restart={}) == "failed"
    unread = healthy("26100.7392", boot={"last_boot": None})
    assert outcome(LATE, unread, installs=[BASELINE_DONE], restart={}) == "failed"
    late = {"failed": True, "msg": "It did not come back in time."}
    assert outcome(LATE, BASELINED, installs=[BASELINE_DONE], restart=late) == "failed"


def test_a_server_that_is_not_read_afterwards_is_never_a_success() -> None:
    gone = {"unreachable": True, "msg": "web01 does not answer."}
    for before, installs in ((healthy(), [DONE]), (LATE, [BASELINE_DONE]), (HOTPATCHED, [])):
        assert outcome(before, None, installs=installs, after_failure=gone) == "unreachable"
        assert outcome(before, None, installs=installs) == "failed"
    assert outcome(None, None) == "unreachable"
    assert outcome(None, HOTPATCHED) == "unreachable"


def test_a_server_left_alone_keeps_its_planned_outcome() -> None:
    assert outcome(HOTPATCHED, HOTPATCHED) == "current"
    assert outcome(LATE, LATE, policy=Policy()) == "skipped"
    halted = run(LATE, LATE, halted="Halted: sql01 failed.")
    assert (halted["outcome"], halted["reason"]) == ("skipped", "Halted: sql01 failed.")
    assert outcome(healthy(), healthy()) == "skipped"
    refused = healthy(vbs={"status": None})
    assert outcome(refused, refused) == "refused"
    blocked = healthy(vbs={"status": 0})
    assert outcome(blocked, blocked) == "not_eligible"
    moved = run(LATE, healthy("26100.6584", []), policy=Policy())
    assert moved["outcome"] == "skipped"
    assert "not by this run" in moved["reason"]


def test_a_restart_nobody_meant_is_loud_whatever_was_planned() -> None:
    for before in (HOTPATCHED, LATE, healthy(vbs={"status": 0})):
        found = run(before, {**before, "boot": REBOOTED}, policy=Policy())
        assert found["outcome"] == "failed"
        assert "IT RESTARTED" in found["reason"]


def test_no_combination_of_damage_is_a_success() -> None:
    damages: list[dict[str, Any]] = [
        {"build": "26100.7092"},
        {"boot": REBOOTED},
        {"boot": {"last_boot": None}},
        {"restart_pending": {"pending": None}},
        {"restart_pending": {"pending": True, "sources": {"component_based_servicing": True}}},
    ]
    for many in range(1, 3):
        for chosen in itertools.combinations(damages, many):
            merged: dict[str, Any] = {"build": "26100.7392"}
            for damage in chosen:
                merged.update(damage)
            assert outcome(healthy(), healthy(**merged), installs=[DONE]) == "failed"


def test_totals_count_what_there_is() -> None:
    counted = totals([{"outcome": "current"}, {"outcome": "failed"}, {"outcome": "current"}])
    assert counted == {"current": 2, "failed": 1}
    assert list(totals([{"outcome": name} for name in reversed(OUTCOMES)])) == list(OUTCOMES)


def test_a_kb_without_a_known_build_must_be_listed_and_move_the_build() -> None:
    known = Catalogue.shipped(date(2025, 10, 31))
    hint, place = {"enrollment_package": True}, {"kind": "azure_vm"}
    before = healthy("20348.4294", ["KB5066782"], hotpatch_hint=hint, platform=place)
    before["os"].update(edition_id="ServerTurbine", sku=407)
    step = plan_server("az01", before, None, {}, known, ALL, known.on)
    assert (step["expected_kbs"], step["expected_build"]) == (["KB5070892"], None)

    def ending(build: str, kbs: list[str]) -> str:
        after = healthy(build, kbs, hotpatch_hint={"enrollment_package": True})
        after["os"].update(edition_id="ServerTurbine", sku=407)
        done = [{"kbs_installed": ["KB5070892"]}]
        found = conclude(step, facts_before=before, facts_after=after, catalogue=known, installs=done)
        return str(found["outcome"])

    assert ending("20348.4300", ["KB5070892"]) == "hotpatched"
    assert ending("20348.4294", ["KB5070892"]) == "failed"
    assert ending("20348.4300", []) == "failed"


@pytest.mark.parametrize("track", ["before", "after"])
def test_the_track_is_said_on_both_sides(track: str) -> None:
    assert run(healthy(), HOTPATCHED, installs=[DONE])[f"track_{track}"] == "hotpatch"

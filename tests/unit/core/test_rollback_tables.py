# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many servers' rollbacks as tables: every server has its row, and nothing that a server said breaks one."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.filter.rollback_outcomes import FilterModule as Outcomes
from ansible_collections.winops.hotpatch.plugins.filter.rollback_overview import FilterModule as Overview

overview = Overview().filters()["rollback_overview"]
outcomes = Outcomes().filters()["rollback_outcomes"]

WAY = {"code": "restore", "words": "Restore the server from a backup."}


def plan(status: str, *, finished: bool = False, **changes: Any) -> dict[str, Any]:
    values = {
        "status": status, "words": f"This is {status}.", "kb": "KB5072014", "package": "x", "returns_to": "KB5066835",
        "build_after": "26100.6899", "track_after": "hotpatch", "state_after": "behind", "words_after": "It is behind.",
        "restarts": 1, "removable": "unknown", "ways": [], "cves_open_again": None, "cves_unknown_for": [], **changes,
    }  # fmt: skip
    return {"plan": values, "finished": finished, "build": "26100.7392", "track": "hotpatch"}


HOSTS: dict[str, dict[str, Any]] = {
    "possible": {"roll_back_plan": plan("possible")},
    "due": {"roll_back_plan": plan("restart_due")},
    "unproven": {"roll_back_plan": plan("done")},
    "done": {"roll_back_plan": plan("done", finished=True)},
    "nothing": {"roll_back_plan": plan("nothing")},
    "refused": {"roll_back_plan": plan("refused", ways=[WAY])},
    "failed": {"roll_back_plan": {"failed": True, "msg": "DISM failed."}},
    "away": {"roll_back_plan": {"unreachable": True, "msg": "No answer."}},
    "never": {},
}


def test_those_that_can_go_on_are_cut_into_waves_in_their_order() -> None:
    found = overview(list(HOSTS), HOSTS, 1, 5)
    assert found["waves"] == [["possible"], ["due", "unproven"]]
    assert found["wave_sizes"] == [1, 2]
    assert found["refused"] == ["refused"]
    assert found["nothing"] == ["done", "nothing"]
    assert found["unread"] == ["failed", "away", "never"]
    assert len([line for line in found["lines"] if not line.startswith(" ")]) == len(HOSTS) + 1


def test_the_table_says_what_opens_again_and_which_ways_remain() -> None:
    hosts = {
        "a": {"roll_back_plan": plan("possible")},
        "b": {"roll_back_plan": plan("possible", cves_open_again=["CVE-1"], cves_unknown_for=["KB1"])},
        "c": {"roll_back_plan": plan("possible", cves_open_again=[], track_after="off_track", state_after="off_track")},
        "d": {"roll_back_plan": plan("refused", ways=[WAY])},
    }
    text = " ".join(" ".join(overview(list(hosts), hosts)["lines"]).split())
    for words in (
        "CVEs that open again: not known.",
        "CVEs that open again: CVE-1; not known for KB1.",
        "CVEs that open again: none. It is behind.",
        "Ways that remain: Restore the server from a backup.",
    ):
        assert words in text


def test_a_plan_under_another_name() -> None:
    found = overview(["a"], {"a": {"mine": plan("possible")}}, variable="mine")
    assert found["waves"] == [["a"]]


DONE = {
    "roll_back_plan": plan("possible"),
    "roll_back_removal": plan("restart_due"),
    "roll_back_restart": {"restarted": True},
    "roll_back_finish": {
        "plan": {"words": "KB5072014 is off."}, "build": "26100.6899", "held": True, "hold_words": "It is hidden.",
    },
    "roll_back_result": {"state": "done"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("kept", "outcome", "ends_as", "words"),
    [
        (DONE, "rolled_back", "rolled_back", "KB5072014 is off. It is hidden."),
        ({**DONE, "roll_back_result": {"state": "failed", "words": "Lost."}}, "failed", "failed", "Lost."),
        (
            {
                **DONE,
                "roll_back_removal": {"failed": True, "plan": {"status": "refused"}},
                "roll_back_result": {"state": "failed", "words": "Permanent."},
            },
            "refused", "failed", "Permanent.",
        ),
        (
            {**HOSTS["possible"], "roll_back_result": {"state": "halted", "words": "Halted."}},
            "skipped", "skipped", "Halted.",
        ),
        (HOSTS["possible"], "skipped", "skipped", "not gone on with"),
        (
            {**HOSTS["away"], "roll_back_result": {"state": "failed", "drained": True, "words": "Left drained."}},
            "unreachable", "unreachable", "Left drained.",
        ),
        (HOSTS["refused"], "refused", "failed", "This is refused. Ways that remain: Restore the server from a backup."),
        (HOSTS["nothing"], "current", "current", "This is nothing."),
        (HOSTS["done"], "current", "current", "This is done."),
        (HOSTS["failed"], "failed", "failed", "DISM failed."),
        (HOSTS["away"], "unreachable", "unreachable", "No answer."),
        ({}, "failed", "failed", "It was not read."),
    ],
)  # fmt: skip
def test_what_came_of_a_server(kept: dict[str, Any], outcome: str, ends_as: str, words: str) -> None:
    found = outcomes(["web01"], {"web01": kept})
    one = found["outcomes"]["web01"]
    assert (one["outcome"], one["ends_as"]) == (outcome, ends_as)
    assert words in one["reason"]
    assert found["lines"][1].startswith("web01")


def test_the_table_shows_what_was_done() -> None:
    line = outcomes(["web01"], {"web01": DONE})["lines"][1].split()
    assert line[:6] == ["web01", "rolled_back", "KB5072014", "26100.6899", "yes", "yes"]


def test_what_a_server_says_cannot_break_a_table() -> None:
    evil = {"roll_back_plan": {"failed": True, "msg": "a\nfake01  rolled_back\x1b[2J"}}
    for lines in (overview(["web01"], {"web01": evil})["lines"], outcomes(["web01"], {"web01": evil})["lines"]):
        assert len([line for line in lines if line.startswith("fake01")]) == 0
        assert all(line.isprintable() for line in lines)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first quarter of Windows Server 2025: hotpatches without a restart, then the baseline with one.

Builds and updates are those that Microsoft published. An observer of the first hotpatches (yamanxworld blog, December
2024) saw the same: 26100.2033 (KB5044284) is the baseline; in November 26100.2240 is right on the track, and 26100.2314
off it.
"""

from __future__ import annotations

from pathlib import Path

from tests.playbooks.conftest import StartLab, play

OCTOBER = {"level": "KB5044284"}  # 26100.2033, the first baseline
DECEMBER = {"level": "KB5048794"}  # its second hotpatch


def test_november_is_a_hotpatch_for_every_edition_that_may_have_it(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(
        [
            {"name": "std01", "edition": "ServerStandard", **OCTOBER},
            {"name": "eval01", "edition": "ServerDatacenterEval", **OCTOBER},
            {"name": "plain01", "enrolled": False, **OCTOBER},
            {"name": "off01", "level": "KB5046617"},  # enrolled, but the ordinary update of November came first
        ],
        as_of="2024-11-20",
    )
    survey = {"hotpatch_include": "", "hotpatch_exclude": "", "hotpatch_classifications": ""}  # fields left empty
    played = play(lab.inventory, tmp_path, hotpatch_month="2024-11", hotpatch_as_of="2024-11-20", **survey)
    assert played.code == 0, played.output
    assert played.outcomes == {"std01": "hotpatched", "eval01": "hotpatched", "plain01": "skipped", "off01": "current"}
    assert played.summary is not None
    tracks = {each["name"]: each["track_after"] for each in played.summary["servers"]}
    assert tracks == {"std01": "hotpatch", "eval01": "hotpatch", "plain01": "lcu", "off01": "off_track"}
    assert "14 January 2025" in played.reason("off01")
    assert "KB5046617" in played.reason("plain01")
    states = lab.states()
    assert {name: state["build"] for name, state in states.items()} == {
        "std01": "26100.2240",
        "eval01": "26100.2240",
        "plain01": "26100.2033",
        "off01": "26100.2314",
    }
    assert states["std01"]["installs"][0]["kb"] == "KB5046696"
    assert {name: len(state["restarts"]) for name, state in states.items()} == dict.fromkeys(states, 0)


def test_january_is_the_next_baseline_and_restarts(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab([{"name": "std01", "edition": "ServerStandard", **DECEMBER}], as_of="2025-01-20")
    played = play(lab.inventory, tmp_path, hotpatch_month="2025-01", hotpatch_as_of="2025-01-20")
    assert played.code == 0, played.output
    assert played.outcomes == {"std01": "baselined"}
    state = lab.states()["std01"]
    assert (state["build"], state["on_track"]) == ("26100.2894", True)
    assert [each["kb"] for each in state["installs"]] == ["KB5050009"]
    assert state["restarts"]

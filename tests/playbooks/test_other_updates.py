# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates that are not Windows' own, kept for the month in which a restart is needed anyway."""

from __future__ import annotations

from pathlib import Path

from tests.playbooks.conftest import StartLab, play


def test_dotnet_comes_with_the_baseline_and_one_restart_serves_both(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(
        [
            {"name": "sql01", "level": "KB5065474", "other_updates": ["dotnet"]},  # the October baseline is due
            {"name": "web01", "level": "KB5066835", "other_updates": ["dotnet"]},  # only the hotpatch is due
        ]
    )
    played = play(
        lab.inventory,
        tmp_path,
        hotpatch_month="2025-12",
        hotpatch_restart_reasons=["baseline", "missed_baseline"],
        hotpatch_other_updates="with_baseline",
    )
    assert played.outcomes == {"sql01": "baselined", "web01": "hotpatched"}, played.output
    states = lab.states()
    assert [each["kb"] for each in states["sql01"]["installs"]] == ["KB5066835", "KB5066131", "KB5072014"]
    assert [each["kb"] for each in states["web01"]["installs"]] == ["KB5072014"]
    # One that was asked for; Windows itself starts once more to finish a cumulative update.
    assert [each["by"] for each in states["sql01"]["restarts"]] == [r"SQL01\Administrator", "TrustedInstaller"]
    assert states["web01"]["restarts"] == []

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The month with Azure Update Manager installing: the same plan, guard, waves and report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.playbooks.conftest import StartLab, play

SERVERS: list[dict[str, Any]] = [
    {"name": "web01", "level": "KB5068966"},
    {"name": "web02", "level": "KB5068966"},
    {"name": "web03", "level": "KB5068966", "faults": [{"kind": "install_fails", "kb": "KB5072014"}]},
    # A disk that was copied: both say that they are the same machine in Azure.
    {"name": "twin01", "level": "KB5068966", "vars": {"hotpatch_azure_machine": "twin01"}},
    {"name": "twin02", "level": "KB5068966", "vars": {"hotpatch_azure_machine": "twin01"}},
    # What is no machine in Azure, and what is the name of one in another group that has none.
    {"name": "bad01", "level": "KB5068966", "vars": {"hotpatch_azure_machine": "/subscriptions/x"}},
    {"name": "away01", "level": "KB5068966",
     "vars": {"hotpatch_azure_machine": "web01", "hotpatch_azure_resource_group": "elsewhere"}},
    {"name": "file01", "level": "KB5065474"},  # missed the October baseline
    {"name": "policy01", "level": "KB5068966", "policy": {"AlwaysAutoRebootAtScheduledTime": 1}},
    {"name": "noarc01", "product": "windows-server-2022-datacenter-azure-edition", "edition": "ServerTurbine",
     "platform": "azure", "arc": "none", "level": "KB5068840"},
]  # fmt: skip


def test_the_same_month_through_azure(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(SERVERS, scale=1000)
    settings: dict[str, Any] = {
        "hotpatch_as_of": "2025-12-20",
        "hotpatch_month": "2025-12",
        "hotpatch_install_through": "azure",
        "hotpatch_restart_reasons": ["baseline", "missed_baseline"],
        "hotpatch_azure_poll_interval": 0.2,
        "hotpatch_arc_subscription_id": lab.azure["subscription_id"],
        "hotpatch_arc_resource_group": lab.azure["resource_group"],
    }
    before = lab.writes()
    checked = play(lab.inventory, tmp_path, "--check", **settings)
    assert checked.code == 0, checked.output
    assert lab.azure_writes() == [] and lab.writes() == before

    first = play(lab.inventory, tmp_path, **settings)
    assert first.outcomes == {
        "web01": "hotpatched", "web02": "hotpatched", "web03": "failed", "file01": "baselined", "policy01": "refused",
        "noarc01": "failed", "twin01": "failed", "twin02": "failed", "bad01": "failed", "away01": "failed",
    }, first.output  # fmt: skip
    assert first.code == 2
    assert "hotpatch_azure_machine" in first.reason("noarc01")
    assert "the same machine in Azure" in first.reason("twin02")
    assert "is no Arc machine" in first.reason("bad01")
    assert "404" in first.reason("away01")
    # Another server's failure is no matter of web01's, though one task asked for all.
    assert "0x800F0983 (PSFX_E_MATCHING_COMPONENT_DIRECTORY_MISSING)" in first.reason("web03")
    assert first.output.count("Install through Azure, without a restart") == 3
    states = lab.states()
    assert states["web01"]["restarts"] == []
    # One restart is ours, in the wave; servicing goes on with one of its own.
    assert ["shutdown" in each["how"] for each in states["file01"]["restarts"]] == [True, False]
    assert states["web01"]["build"] == states["file01"]["build"] == "26100.7392"
    bodies = [item["request"]["body"] for item in lab.azure_writes()]
    assert [body["windowsParameters"]["kbNumbersToInclude"] for body in bodies if body] == [
        *[["5072014"]] * 3, ["5066835"], ["5072014"],
    ]  # fmt: skip
    assert {body["rebootSetting"] for body in bodies if body} == {"Never"}

    again = play(lab.inventory, tmp_path, **settings, hotpatch_hosts="web01:web02:file01:policy01")
    assert again.code == 0, again.output
    assert again.outcomes == {"web01": "current", "web02": "current", "file01": "current", "policy01": "refused"}
    assert len(lab.azure_writes()) == len(bodies)
    assert {host: counts["changed"] for host, counts in again.recap.items()} == dict.fromkeys(again.recap, 0)

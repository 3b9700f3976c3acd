# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The month, played on small fleets: what happens, what must not, and what a person is told."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.agreement import disagreements
from demo.lab_process import LabProcess
from tests.playbooks.conftest import StartLab, command_for, play

MISSED = {"level": "KB5065474"}  # September 2025, on the July baseline
BEHIND = {"level": "KB5068966"}  # November 2025, on the October baseline
CURRENT = {"level": "KB5072014"}  # December 2025
ALLOW = ["baseline", "missed_baseline"]


def server(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, **keys}


def small_fleet() -> list[dict[str, Any]]:
    return [
        server("web01", **BEHIND),
        server("web02", **CURRENT),
        server("sql01", **MISSED),
        server("sql02", **MISSED, core=True),
        server("off01", level="KB5070881"),
        server("vbs01", **BEHIND, vbs=1),
    ]


EXPECTED = {
    "web01": "hotpatched",
    "web02": "current",
    "sql01": "baselined",
    "sql02": "baselined",
    "off01": "skipped",
    "vbs01": "not_eligible",
}


@pytest.mark.parametrize("transport", ["basic", "ntlm", "https"])
def test_a_month_ends_alike_over_every_transport_and_a_second_run_changes_nothing(
    start_lab: StartLab, tmp_path: Path, transport: str
) -> None:
    lab = start_lab(small_fleet(), transport=transport)
    first = play(lab.inventory, tmp_path, hotpatch_month="2025-12", hotpatch_restart_reasons=ALLOW)
    assert first.outcomes == EXPECTED, first.output
    assert first.code == 0
    assert first.summary is not None
    expectation = {name: {"outcome": outcome} for name, outcome in EXPECTED.items()}
    assert disagreements(first.summary, expectation, lab.states()) == []
    written = lab.writes()

    second = play(lab.inventory, tmp_path, hotpatch_month="2025-12", hotpatch_restart_reasons=ALLOW)
    assert second.code == 0, second.output
    assert {host: counts["changed"] for host, counts in second.recap.items()} == dict.fromkeys(EXPECTED, 0)
    assert second.outcomes == {
        name: "current" if outcome in ("hotpatched", "baselined") else outcome for name, outcome in EXPECTED.items()
    }
    assert lab.writes() == written


def test_a_host_set_up_for_psrp_is_served_as_well(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab([server("web01", **BEHIND), server("sql01", **MISSED)], transport="ntlm")
    inventory = yaml.safe_load(lab.inventory.read_text())
    settings = inventory["all"]["vars"]
    for name in [key for key in settings if key.startswith("ansible_winrm_")]:
        del settings[name]
    settings.update(ansible_connection="psrp", ansible_psrp_protocol="http", ansible_psrp_auth="ntlm")
    file = tmp_path / "psrp.yml"
    file.write_text(yaml.safe_dump(inventory))
    played = play(file, tmp_path, hotpatch_month="2025-12", hotpatch_restart_reasons=ALLOW)
    assert played.outcomes == {"web01": "hotpatched", "sql01": "baselined"}, played.output


def test_a_check_run_plans_and_writes_nothing_anywhere(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(small_fleet())
    played = play(
        lab.inventory, tmp_path / "report", "--check", hotpatch_month="2025-12", hotpatch_restart_reasons=ALLOW
    )
    assert played.code == 0, played.output
    assert all(counts["changed"] == 0 for counts in played.recap.values())
    assert {name: entries for name, entries in lab.writes().items() if entries} == {}
    assert not (tmp_path / "report").exists()
    for words in ("KB5072014, no restart", "KB5066835, KB5072014, wave 1", "13 January 2026"):
        # The table wraps its last column.
        assert words in " ".join(played.output.split())


def test_nothing_restarts_when_no_reason_is_allowed(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(small_fleet())
    played = play(lab.inventory, tmp_path, hotpatch_month="2025-12")
    assert played.outcomes["sql01"] == "skipped", played.output
    assert "this run does not allow restarts for missed_baseline" in played.reason("sql01")
    assert [name for name, state in lab.states().items() if state["restarts"]] == []


def test_a_failing_server_says_its_code_in_words_and_stops_no_other(start_lab: StartLab, tmp_path: Path) -> None:
    fault = {"kind": "install_fails", "kb": "any", "hresult": "0x800F0983"}
    lab = start_lab(
        [
            server("bad01", **BEHIND, faults=[fault]),
            server("web01", **BEHIND),
            server("gone01", network="closed", **BEHIND),
        ]
    )
    played = play(lab.inventory, tmp_path, hotpatch_month="2025-12")
    assert played.outcomes == {"bad01": "failed", "web01": "hotpatched", "gone01": "unreachable"}, played.output
    assert "0x800F0983" in played.reason("bad01")
    assert "gone01" in played.reason("gone01")
    assert played.code == 4


def test_only_failures_end_with_exit_code_2(start_lab: StartLab, tmp_path: Path) -> None:
    fault = {"kind": "install_fails", "kb": "any", "hresult": "0x800F0983"}
    lab = start_lab([server("bad01", **BEHIND, faults=[fault]), server("web01", **BEHIND)])
    assert play(lab.inventory, tmp_path, hotpatch_month="2025-12").code == 2


def test_a_failed_canary_halts_the_waves_that_follow(start_lab: StartLab, tmp_path: Path) -> None:
    fault = {"kind": "install_fails", "kb": "any", "hresult": "0x80070005"}
    lab = start_lab([server("sql01", **MISSED, faults=[fault]), server("sql02", **MISSED), server("sql03", **MISSED)])
    played = play(lab.inventory, tmp_path, hotpatch_month="2025-12", hotpatch_restart_reasons=ALLOW)
    assert played.outcomes == {"sql01": "failed", "sql02": "skipped", "sql03": "skipped"}, played.output
    assert "Halted" in played.reason("sql02")
    assert "sql01" in played.reason("sql02")
    assert [name for name, state in lab.states().items() if state["restarts"]] == []


def test_the_failure_budget_lets_the_waves_go_on(start_lab: StartLab, tmp_path: Path) -> None:
    fault = {"kind": "install_fails", "kb": "any", "hresult": "0x80070005"}
    lab = start_lab([server("sql01", **MISSED, faults=[fault]), server("sql02", **MISSED)])
    played = play(
        lab.inventory, tmp_path, hotpatch_month="2025-12", hotpatch_restart_reasons=ALLOW, hotpatch_failure_budget=1
    )
    assert played.outcomes == {"sql01": "failed", "sql02": "baselined"}, played.output


def test_a_killed_controller_is_followed_by_a_run_that_installs_nothing_twice(
    start_lab: StartLab, tmp_path: Path
) -> None:
    # Slow enough that the controller dies while Windows Update installs.
    lab = start_lab([server("web01", **BEHIND)], scale=20)
    command = command_for(lab.inventory, tmp_path, hotpatch_month="2025-12")
    first = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(lambda: installs(lab, "web01") != [])
        assert installs(lab, "web01")[0]["finished"] is None
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    again = play(lab.inventory, tmp_path, hotpatch_month="2025-12")
    assert again.outcomes == {"web01": "hotpatched"}, again.output
    assert len(installs(lab, "web01")) == 1
    assert lab.states()["web01"]["restarts"] == []


def test_a_baseline_cut_off_before_its_restart_is_brought_to_its_end(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab([server("sql01", **MISSED)], scale=100)
    command = command_for(
        lab.inventory, tmp_path, hotpatch_month="2025-12", hotpatch_restart_reasons=ALLOW, hotpatch_restart_delay=600
    )
    first = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(lambda: installs(lab, "sql01") != [] and installs(lab, "sql01")[0]["finished"] is not None)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    again = play(lab.inventory, tmp_path, hotpatch_month="2025-12", hotpatch_restart_reasons=ALLOW)
    assert again.outcomes == {"sql01": "baselined"}, again.output
    assert [install["kb"] for install in installs(lab, "sql01")] == ["KB5066835", "KB5072014"]


def test_another_pending_restart_comes_first_where_a_server_is_to_restart(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab([server("sql01", **MISSED, restart_pending=["component_based_servicing", "windows_update"])])
    played = play(lab.inventory, tmp_path, hotpatch_month="2025-12", hotpatch_restart_reasons=ALLOW)
    assert played.outcomes == {"sql01": "baselined"}, played.output
    assert [install["kb"] for install in installs(lab, "sql01")] == ["KB5066835", "KB5072014"]


def installs(lab: LabProcess, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.ask(f"/servers/{name}")["installs"]
    return found


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.1)

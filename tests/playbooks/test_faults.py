# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A month on servers that misbehave in many ways at once: each ends as it must, and none of them stops another.

Which fault is shown by which test, here and elsewhere, is in the README of this folder.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.lab_process import LabProcess
from tests.playbooks.conftest import Played, StartLab, command_for, play

MISSED = {"level": "KB5065474"}  # September 2025, on the July baseline
BEHIND = {"level": "KB5068966"}  # November 2025: the December hotpatch is due
DUE, BASELINE = "KB5072014", "KB5066835"
ALLOW = ["baseline", "missed_baseline"]


def server(name: str, level: dict[str, str], *faults: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, **level, "faults": list(faults), **more}


def failing(kind: str, hresult: str) -> dict[str, Any]:
    return {"kind": kind, "hresult": hresult}


#: The code a server's Windows Update fails with, and what its person is told to do about it.
CODES = {
    "net01": (failing("search_fails", "0x8024402C"), ["proxy"]),
    "time01": (failing("download_fails", "0x80072EE2"), ["time"]),
    "service01": (failing("search_fails", "0x80070422"), ["disabled"]),
    "denied01": (failing("install_fails", "0x80070005"), ["denied"]),
    "store01": (failing("install_fails", "0x800F0983"), ["component store"]),
}
SERVERS = [
    # Without a restart
    server("good01", BEHIND),
    *[server(name, BEHIND, fault) for name, (fault, _words) in CODES.items()],
    server("hangs01", BEHIND, {"kind": "install_hangs"}),
    server("small01", BEHIND, free_gb=1),
    server("policy01", BEHIND, {"kind": "always_auto_reboot"}),
    server("throws01", BEHIND, {"kind": "evaluation_throws"}),
    server("unknown01", BEHIND, {"kind": "evaluation_unknown"}),
    server("again01", BEHIND, {"kind": "update_reoffered"}),
    # In one wave
    server("lost01", MISSED, {"kind": "never_returns"}),
    server("rolled01", MISSED, {"kind": "wrong_build_after_restart"}),
    server("stuck01", MISSED, {"kind": "pending_returns"}),
    server("full01", MISSED, {**failing("install_fails", "0x80070070"), "kb": BASELINE}),
    server("through01", MISSED),
    # In the next
    server("later01", MISSED),
    server("later02", MISSED),
]
WAVE: dict[str, Any] = {
    "hotpatch_restart_reasons": ALLOW,
    "hotpatch_canaries": 0,
    "hotpatch_batch_size": 5,
    "hotpatch_failure_budget": 3,
    "hotpatch_update_timeout": 20,
    "hotpatch_restart_timeout": 20,
}


def note(word: str, file: Path) -> str:
    """A task file of a person, which writes a line with the host's name; its path."""
    task = {
        "name": f"Write {word}",
        "ansible.builtin.shell": f"echo {word} {{{{ inventory_hostname }}}} >> {file.with_name('hooks')}",
        "delegate_to": "localhost",
        "vars": {"ansible_connection": "local"},
    }
    file.write_text(yaml.safe_dump([task]), encoding="utf-8")
    return str(file)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    folder = tmp_path_factory.mktemp("faults")
    fleet = folder / "fleet.yml"
    fleet.write_text(yaml.safe_dump({"schema": 1, "as_of": "2025-12-20", "servers": SERVERS}), encoding="utf-8")
    with LabProcess(fleet, folder / "lab", scale=500) as running:
        yield running


@pytest.fixture(scope="module")
def played(lab: LabProcess, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The month, once, on all of them."""
    folder = tmp_path_factory.mktemp("month")
    hooks = {
        "hotpatch_drain_tasks": note("drain", folder / "drain.yml"),
        "hotpatch_undrain_tasks": note("undrain", folder / "undrain.yml"),
    }
    result = play(lab.inventory, folder, hotpatch_month="2025-12", **WAVE, **hooks)
    assert result.summary is not None, result.output
    result.summary["drained"] = (folder / "hooks").read_text(encoding="utf-8").split("\n")
    return result


def asked(lab: LabProcess, name: str) -> list[dict[str, Any]]:
    """The restarts that somebody asked for; Windows adds one by itself to finish a cumulative update."""
    return [each for each in lab.ask(f"/servers/{name}")["restarts"] if each["by"] != "TrustedInstaller"]


def installs(lab: LabProcess, name: str) -> list[str]:
    return [each["kb"] for each in lab.ask(f"/servers/{name}")["installs"]]


def test_each_server_ends_as_it_must_and_none_stops_another(lab: LabProcess, played: Played) -> None:
    assert played.outcomes == {
        "good01": "hotpatched",
        **dict.fromkeys(CODES, "failed"),
        "hangs01": "failed",
        "small01": "refused",
        "policy01": "refused",
        "throws01": "refused",
        "unknown01": "refused",
        "again01": "hotpatched",
        "lost01": "unreachable",
        "rolled01": "failed",
        "stuck01": "failed",
        "full01": "failed",
        "through01": "baselined",
        "later01": "skipped",
        "later02": "skipped",
    }, played.output
    assert played.code == 4
    assert "Traceback" not in played.output


def test_a_server_that_never_returns_is_lost_at_its_deadline_and_spends_the_budget(
    lab: LabProcess, played: Played
) -> None:
    assert lab.ask("/servers/lost01")["state"] == "lost"
    assert len(asked(lab, "lost01")) == 1
    reason = played.reason("lost01")
    assert "not proven, at the stage boot" in reason
    assert "BitLocker recovery key" in reason and "console" in reason
    for name in ("later01", "later02"):
        assert "Halted" in played.reason(name) and "4 of 7 failed and 3 may fail" in played.reason(name)
        assert "lost01" in played.reason(name)
        assert (asked(lab, name), installs(lab, name)) == ([], [])


def test_a_restart_counts_only_when_it_is_over(lab: LabProcess, played: Played) -> None:
    """The port answers while services stop, and again between the two restarts of a cumulative update."""
    (server,) = [each for each in played.summary["servers"] if each["name"] == "through01"]  # type: ignore[index]
    restart = server["receipt"]["restart"]
    assert [stage["name"] for stage in restart["stages"]][-3:] == ["boot", "settle", "services"]
    really = lab.ask("/servers/through01")
    boots = really["restarts"]
    assert [each["by"] != "TrustedInstaller" for each in boots] == [True, False]
    # The new boot time is that of the second start (the lab's own word for it: the difference between two moments says
    # nothing here, since it is off for less than the second that boot times have), and nothing was installed before it.
    assert restart["boot_time_after"] == f"{really['last_boot'][:19]}Z"
    second = really["installs"][1]
    assert second["kb"] == DUE and second["started"] > boots[1]["answering"]


def test_a_pending_restart_that_returns_is_restarted_once_and_needs_a_person(lab: LabProcess, played: Played) -> None:
    assert len(asked(lab, "stuck01")) == 1
    reason = played.reason("stuck01")
    assert "at the stage settle" in reason and "RestoreHealth" in reason


def test_an_installation_that_never_ends_is_left_at_its_deadline(lab: LabProcess, played: Played) -> None:
    assert installs(lab, "hangs01") == [DUE]
    assert "20 s" in played.reason("hangs01") or "still" in played.reason("hangs01"), played.reason("hangs01")


@pytest.mark.parametrize("name", CODES)
def test_a_failure_says_its_code_in_words_and_is_tried_once(lab: LabProcess, played: Played, name: str) -> None:
    fault, words = CODES[name]
    reason = played.reason(name)
    assert fault["hresult"] in reason
    for word in words:
        assert word in reason.lower(), reason
    assert len(installs(lab, name)) == (1 if fault["kind"] == "install_fails" else 0)


def test_a_full_disk_is_refused_before_and_leaves_nothing_drained_after(lab: LabProcess, played: Played) -> None:
    assert "1.0 GB free" in played.reason("small01")
    assert (installs(lab, "small01"), lab.ask("/servers/small01")["downloads"]) == ([], [])
    assert "0x80070070" in played.reason("full01")
    assert asked(lab, "full01") == []
    assert played.summary is not None
    lines = [line for line in played.summary["drained"] if line.endswith("full01")]
    assert lines == ["drain full01", "undrain full01"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("policy01", "AlwaysAutoRebootAtScheduledTime"), ("throws01", "0x80240FFF"), ("unknown01", "0x80240068")],
)
def test_in_doubt_about_a_restart_nothing_is_installed(lab: LabProcess, played: Played, name: str, words: str) -> None:
    assert words in played.reason(name)
    assert (installs(lab, name), asked(lab, name)) == ([], [])


def test_an_update_that_is_offered_again_is_not_installed_again(
    lab: LabProcess, played: Played, tmp_path: Path
) -> None:
    again = play(lab.inventory, tmp_path, "--limit", "again01", hotpatch_month="2025-12")
    assert again.outcomes == {"again01": "current"}, again.output
    assert again.recap["again01"]["changed"] == 0
    assert installs(lab, "again01") == [DUE]


def test_an_update_that_is_rolled_back_is_not_tried_for_ever(lab: LabProcess, played: Played, tmp_path: Path) -> None:
    assert len(asked(lab, "rolled01")) == 1
    second, third = (
        play(lab.inventory, tmp_path, "--limit", "rolled01", hotpatch_month="2025-12", **WAVE) for _run in range(2)
    )
    assert second.outcomes == {"rolled01": "failed"}, second.output
    assert third.outcomes == {"rolled01": "refused"}, third.output
    assert "2 times and taken back by Windows in each restart" in third.reason("rolled01")
    assert len(asked(lab, "rolled01")) == 2
    assert installs(lab, "rolled01") == [BASELINE, BASELINE]


def test_connections_that_drop_while_it_installs_lose_nothing(start_lab: StartLab, tmp_path: Path) -> None:
    # Slow enough that the connections drop while Windows Update works.
    lab = start_lab([server("flaps01", BEHIND)], scale=40)
    command = command_for(lab.inventory, tmp_path, hotpatch_month="2025-12")
    running = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not installs(lab, "flaps01"):
        assert time.monotonic() < deadline, "no installation was begun"
        time.sleep(0.05)
    lab.ask("/servers/flaps01/faults", {"kind": "winrm_flaps", "seconds": 80})
    output = running.communicate(timeout=110)[0]
    assert running.returncode == 0, output
    assert installs(lab, "flaps01") == [DUE]
    assert asked(lab, "flaps01") == []
    assert lab.ask("/servers/flaps01")["build"] == "26100.7392"

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waves with health checks and with a person's own drain tasks: who is touched, who is put back, who is told of.

The drain and undrain tasks write to a file, so that what they did and when is known from them alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from demo.lab_process import LabProcess
from tests.playbooks.conftest import Played, StartLab, play

MISSED = {"level": "KB5065474"}  # September 2025, on the July baseline
ALLOW = ["baseline", "missed_baseline"]
CHECKS = [{"name": "site", "kind": "http", "url": "{{ lab_web_url }}", "contains": "is up"}]


def web(name: str, *faults: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, **MISSED, "roles": ["web"], "web_site": True, "faults": list(faults), **more}


def note(log: Path, word: str) -> dict[str, Any]:
    """A task on the controller that writes a line with the host's name."""
    line = f"{word} {{{{ inventory_hostname }}}}"
    # A line of its own for each host at once: appending a few bytes is one write.
    return {
        "name": f"Write {word}",
        "ansible.builtin.shell": f"echo {line} >> {log}",
        "delegate_to": "localhost",
        "vars": {"ansible_connection": "local"},
        "changed_when": False,
    }


def hooks(folder: Path, drain: list[dict[str, Any]], undrain: list[dict[str, Any]]) -> dict[str, Any]:
    """The two task files, as variables of the play; they begin by writing to ``log``."""
    log = folder / "log"
    ended = note(log, "undrain-{{ restart_in_waves_ended.state }}")
    files = {"drain": [note(log, "drain"), *drain], "undrain": [ended, *undrain]}
    for name, tasks in files.items():
        (folder / f"{name}.yml").write_text(yaml.safe_dump(tasks, sort_keys=False))
    return {f"hotpatch_{name}_tasks": str(folder / f"{name}.yml") for name in files}


def lines(folder: Path) -> list[str]:
    log = folder / "log"
    return log.read_text().splitlines() if log.exists() else []


def run(lab: LabProcess, folder: Path, *extra: str, **variables: Any) -> Played:
    settings = {
        "hotpatch_month": "2025-12",
        "hotpatch_restart_reasons": ALLOW,
        "hotpatch_health_checks": CHECKS,
        # Long, so that a busy machine fails nobody; a test whose server stays broken waits all of it and gives its own.
        "hotpatch_health_timeout": 120,
    }
    return play(lab.inventory, folder, *extra, **{**settings, **variables})


def broken(lab: LabProcess, name: str, **fault: Any) -> dict[str, Any]:
    """A task that plants a fault in one server of the lab."""
    return {
        "name": "Break it",
        "ansible.builtin.uri": {
            "url": f"{lab.control}/servers/{name}/faults", "method": "POST", "body_format": "json", "body": fault,
        },
        "delegate_to": "localhost",
        "vars": {"ansible_connection": "local"},
        "when": f"inventory_hostname == '{name}'",
    }  # fmt: skip


def test_servers_are_drained_one_wave_after_another_and_put_back_and_noise_halts_nobody(
    start_lab: StartLab, tmp_path: Path
) -> None:
    lab = start_lab([web("web01"), web("web02", {"kind": "web_site_fails", "percent": 20})])
    played = run(lab, tmp_path, **hooks(tmp_path, [], []), hotpatch_soak_seconds=1)
    assert played.outcomes == {"web01": "baselined", "web02": "baselined"}, played.output
    assert played.code == 0
    assert lines(tmp_path) == ["drain web01", "undrain-done web01", "drain web02", "undrain-done web02"]
    assert played.output.count("looking in 1 s") == 1  # the first wave soaks, the second does not
    requests = lab.ask("/record?server=web01")["requests"]
    assert {entry["status"] for entry in requests if entry["method"] == "Web:GET"} == {200}


def test_a_bad_canary_is_put_back_and_no_other_server_is_touched(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab([web("web01"), web("web02"), web("web03")])
    fails = broken(lab, "web01", kind="web_site_fails", status=500)
    played = run(lab, tmp_path, **hooks(tmp_path, [fails], []), hotpatch_health_timeout=12)
    assert played.outcomes == {"web01": "failed", "web02": "skipped", "web03": "skipped"}, played.output
    assert "answers 500 where 200 is right" in played.reason("web01")
    assert "drained" not in played.reason("web01")
    assert "Halted" in played.reason("web02") and "web01" in played.reason("web02")
    assert lines(tmp_path) == ["drain web01", "undrain-failed web01"]
    states = lab.states()
    assert states["web01"]["build"] == "26100.7392"
    assert [states[name]["writes"] for name in ("web02", "web03")] == [0, 0]


def test_a_server_that_never_returns_is_lost_and_its_drain_is_ended_or_told(
    start_lab: StartLab, tmp_path: Path
) -> None:
    lab = start_lab([web("web01", {"kind": "never_returns"}), web("web02")])
    on_server = {"name": "Ask the server itself", "ansible.builtin.raw": "hostname"}
    played = run(lab, tmp_path, **hooks(tmp_path, [], [on_server]), hotpatch_restart_timeout=8)
    assert played.outcomes == {"web01": "unreachable", "web02": "skipped"}, played.output
    assert played.code == 4
    # Putting it back began, and could not end on a server that is gone.
    assert lines(tmp_path) == ["drain web01", "undrain-failed web01"]
    assert "left drained" in played.reason("web01")
    assert "left drained" in played.reason("web02")  # why it was halted
    assert lab.states()["web02"]["writes"] == 0


def test_whatever_goes_wrong_around_the_drain_is_told_of_the_server(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(
        [
            web("sick01", {"kind": "web_site_fails"}),
            web("drain01"),
            web("gone01"),
            web("undrain01"),
            web("full01", {"kind": "install_fails", "kb": "any", "hresult": "0x80070070"}),
        ]
    )
    missing = run(lab, tmp_path, hotpatch_drain_tasks=str(tmp_path / "nowhere.yml"), hotpatch_failure_budget=9)
    assert set(missing.outcomes.values()) == {"failed"}, missing.output
    assert "was not touched" in missing.reason("drain01") and "nowhere.yml" in missing.reason("drain01")
    assert {state["writes"] for state in lab.states().values()} == {0}

    unreachable = {"name": "Reach for it", "ansible.builtin.raw": "hostname", "vars": {"ansible_port": 1},
                   "when": "inventory_hostname == 'gone01'"}  # fmt: skip
    refused = [
        {"name": f"Refuse {host}", "ansible.builtin.fail": {"msg": f"The balancer says no to {host}."},
         "when": f"inventory_hostname == '{host}'"}
        for host in ("drain01", "undrain01")
    ]  # fmt: skip
    both = hooks(tmp_path, [refused[0], unreachable], [refused[1]])
    played = run(lab, tmp_path, **both, hotpatch_failure_budget=9, hotpatch_canaries=0)
    assert played.outcomes == {
        "sick01": "failed",
        "drain01": "failed",
        "gone01": "failed",  # Ansible asks a host that it found unreachable nothing more, so why is not known
        "undrain01": "failed",
        "full01": "failed",
    }, played.output
    assert "was not touched" in played.reason("sick01") and "503" in played.reason("sick01")
    assert "The balancer says no to drain01." in played.reason("drain01")
    assert "left drained" not in played.reason("drain01")  # it was put back
    assert "left drained" in played.reason("gone01")
    assert "left drained" in played.reason("undrain01")
    assert "The balancer says no to undrain01." in played.reason("undrain01")
    assert "0x80070070" in played.reason("full01") and "drained" not in played.reason("full01")
    told = lines(tmp_path)
    assert sorted(told) == sorted(
        [
            "drain drain01", "drain full01", "drain gone01", "drain undrain01",
            "undrain-done undrain01", "undrain-failed drain01", "undrain-failed full01",
        ]
    )  # fmt: skip
    states = lab.states()
    assert [states[name]["restarts"] for name in ("sick01", "drain01", "gone01", "full01")] == [[], [], [], []]
    assert states["undrain01"]["build"] == "26100.7392"
    # A later run has nothing to install there, and knows all the same that it is drained.
    kept = (tmp_path / "drained" / "undrain01").read_text(encoding="utf-8")
    assert "W3SVC" in kept, "what ran before it was drained"
    later = run(lab, tmp_path, "--limit", "undrain01", **hooks(tmp_path, [], []))
    assert later.outcomes == {"undrain01": "current"}, later.output
    assert lines(tmp_path)[-1] == "undrain-done undrain01"
    assert not (tmp_path / "drained" / "undrain01").exists()

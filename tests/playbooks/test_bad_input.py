# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and broken servers: a clear error in bounded time, and no harm to the others."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.lab_process import LabProcess
from tests.playbooks.conftest import StartLab, play

BEHIND = {"level": "KB5068966"}
SECRET = "planted-Pa55word-that-must-not-show"


def changed_inventory(lab: LabProcess, folder: Path, **hosts: dict[str, Any]) -> Path:
    """The lab's inventory with other variables for some hosts."""
    inventory = yaml.safe_load(lab.inventory.read_text())
    for name, variables in hosts.items():
        inventory["all"]["hosts"][name].update(variables)
    file = folder / "changed.yml"
    file.write_text(yaml.safe_dump(inventory))
    return file


def test_every_way_not_to_reach_a_server_is_told_apart_and_harms_no_other(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(
        [
            {"name": "good01", **BEHIND},
            {"name": "pass01", **BEHIND},
            {"name": "port01", **BEHIND},
            {"name": "cert01", **BEHIND},
            {"name": "noise01", "network": "garbage", **BEHIND},
            {"name": "half01", "network": "half_answer", **BEHIND},
            {"name": "mute01", "network": "silent", **BEHIND},
            {"name": "cut01", "network": "reset", **BEHIND},
            {"name": "shut01", "network": "closed", **BEHIND},
        ]
    )
    https = lab.servers_data["cert01"]["https_port"]
    inventory = changed_inventory(
        lab,
        tmp_path,
        pass01={"ansible_password": SECRET},
        port01={"ansible_port": 1},
        cert01={"ansible_port": https, "ansible_winrm_scheme": "https"},
        mute01={"ansible_winrm_connection_timeout": 4},
    )
    began = time.monotonic()
    played = play(inventory, tmp_path, "-vvvv", hotpatch_month="2025-12")
    assert time.monotonic() - began < 120
    outcomes = dict(played.outcomes)
    assert outcomes.pop("good01") == "hotpatched", played.output
    assert set(outcomes.values()) <= {"unreachable", "failed"}, outcomes
    for name in ("pass01", "port01", "cert01", "mute01", "cut01", "shut01"):
        assert outcomes[name] == "unreachable", (name, played.reason(name))
    for name, words in {
        "pass01": ["password"],
        "port01": ["refused"],
        "cert01": ["certificate"],
        "noise01": [],
        "half01": [],
        "mute01": [],
        "cut01": [],
        "shut01": ["refused"],
    }.items():
        reason = played.reason(name)
        assert name in reason, reason
        assert all(word in reason.lower() for word in words), reason
        assert "Traceback" not in reason
        assert "Error(" not in reason
    assert played.code == 4
    assert SECRET not in played.output
    assert "Traceback" not in played.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "schema: 1\nreleases:\n- product: windows-server-2019\n  date: '2025-12-09'\n  month: 2025-12\n"
            "  type: hotpatch\n  hotpatch_kb: KB5999999\n  evidence: documented\n  source: x\n",
            ["line 3", "windows-server-2019"],
        ),
        (
            "schema: 1\nreleases:\n- product: windows-server-2025\n  date: '2025-12-32'\n  month: 2025-12\n"
            "  type: hotpatch\n  hotpatch_kb: KB5999999\n  evidence: documented\n  source: x\n",
            ["line 4", "2025-12-32"],
        ),
        (
            "schema: 1\nreleases:\n- product: windows-server-2025\n  date: '2025-12-09'\n  month: 2025-12\n"
            "  type: hotpatch\n  hotpatch_kb: KB5999999\n  hotpatch_build: '26100.7392'\n  evidence: documented\n"
            "  source: x\n- product: windows-server-2025\n  date: '2025-12-10'\n  month: 2025-12\n"
            "  type: out-of-band\n  hotpatch_kb: KB5999999\n  hotpatch_build: '26100.7393'\n"
            "  evidence: documented\n  source: x\n",
            ["KB5999999", "line"],
        ),
        ("releases: [\n", ["line"]),
    ],
)
def test_a_wrong_catalogue_file_is_an_error_with_its_line_and_touches_no_server(
    start_lab: StartLab, tmp_path: Path, text: str, words: list[str]
) -> None:
    lab = start_lab([{"name": "web01", **BEHIND}])
    file = tmp_path / "mine.yml"
    file.write_text(text)
    played = play(lab.inventory, tmp_path, hotpatch_month="2025-12", hotpatch_catalogue=str(file))
    assert played.code != 0
    for word in ["mine.yml", *words]:
        assert word in played.output, played.output
    assert "Traceback" not in played.output
    assert lab.writes()["web01"] == []

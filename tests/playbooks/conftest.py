# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks run as a person runs them: ``ansible-playbook`` as a process, against a lab as a process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.lab_process import LabProcess
from tests.receipts import check_summary

PLAYBOOK = "winops.hotpatch.patch_month"
_RECAP = re.compile(r"^(\S+)\s+: (ok=.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Played:
    """How a play ended."""

    code: int
    output: str
    summary: dict[str, Any] | None

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """By host, the counts of the recap."""
        return {
            host: {key: int(value) for key, value in (pair.split("=") for pair in counts.split())}
            for host, counts in _RECAP.findall(self.output)
        }

    @property
    def outcomes(self) -> dict[str, str]:
        assert self.summary is not None, self.output
        return {server["name"]: server["outcome"] for server in self.summary["servers"]}

    def reason(self, name: str) -> str:
        assert self.summary is not None, self.output
        reasons: dict[str, str] = {server["name"]: server["reason"] for server in self.summary["servers"]}
        return reasons[name]


def command_for(inventory: Path, out: Path, *extra: str, playbook: str = PLAYBOOK, **variables: Any) -> list[str]:
    """The command line of a play with quick polling."""
    settings = {
        "hotpatch_poll_interval": 0.2,
        "hotpatch_restart_delay": 1,
        "hotpatch_report_dir": str(out),
        **variables,
    }
    program = Path(sys.executable).with_name("ansible-playbook")
    return [str(program), playbook, "-i", str(inventory), "-e", json.dumps(settings), "--forks", "10", *extra]


def play(inventory: Path, out: Path, *extra: str, playbook: str = PLAYBOOK, **variables: Any) -> Played:
    """Run a play to its end."""
    summary = out / "summary.json"
    summary.unlink(missing_ok=True)
    done = subprocess.run(
        command_for(inventory, out, *extra, playbook=playbook, **variables),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    report = json.loads(summary.read_text(encoding="utf-8")) if summary.is_file() else None
    if report is not None:
        check_summary(report)
    return Played(done.returncode, done.stdout, report)


StartLab = Callable[..., LabProcess]


@pytest.fixture
def start_lab(tmp_path: Path) -> Iterator[StartLab]:
    """Start labs for one test: ``start_lab(servers, as_of=..., transport=...)``."""
    with ExitStack() as stack:

        def start(
            servers: list[dict[str, Any]], as_of: str = "2025-12-20", transport: str = "basic", scale: float = 400
        ) -> LabProcess:
            folder = tmp_path / f"lab-{len(list(tmp_path.glob('lab-*')))}"
            folder.mkdir()
            fleet = folder / "fleet.yml"
            fleet.write_text(yaml.safe_dump({"schema": 1, "as_of": as_of, "servers": servers}))
            return stack.enter_context(LabProcess(fleet, folder, transport=transport, scale=scale))

        yield start

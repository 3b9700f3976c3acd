# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: what it writes, how it ends, and what it says to a person who made a mistake."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.lab_wire.messages import CONTENT_TYPE, IDENTIFY
from tests.wire.running_lab import LAB_MODULE, RunningLab, lab_command, lab_environment, running_lab


def test_what_a_lab_writes(lab: RunningLab) -> None:
    facts = json.loads((lab.folder / "lab.json").read_text(encoding="utf-8"))
    assert stat.S_IMODE((lab.folder / "lab.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(lab.inventory.stat().st_mode) == 0o600
    assert set(facts["servers"]["web01"]) == {"address", "http_port", "https_port", "user", "password"}
    assert facts["servers"]["web01"]["password"] == "Correct-Horse-1"
    ports = {row[key] for row in facts["servers"].values() for key in ("http_port", "https_port")}
    assert len(ports) == 2 * len(facts["servers"])
    inventory = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))
    common, web01 = inventory["all"]["vars"], inventory["all"]["hosts"]["web01"]
    assert common["ansible_connection"] == "winrm"
    assert common["ansible_winrm_transport"] == "basic"
    assert web01["ansible_port"] == facts["servers"]["web01"]["http_port"]
    assert (lab.folder / "lab.log").read_text(encoding="utf-8").startswith("lab ready: 4 servers")


def inventory_of(folder: Path, transport: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The common and the host's variables of a lab with one server."""
    server = {"name": "a", "groups": ["site_a"], "vars": {"hotpatch_enrolled": True}}
    with running_lab({"servers": [server]}, folder, "--transport", transport) as lab:
        written = yaml.safe_load(lab.inventory.read_text(encoding="utf-8"))["all"]
        assert written["children"] == {"site_a": {"hosts": {"a": None}}}
        port = written["hosts"]["a"]["ansible_port"]
        assert port == (lab.servers["a"].https_port if transport == "https" else lab.servers["a"].http_port)
        return written["vars"], written["hosts"]["a"]


def test_inventories_for_ntlm_and_https(tmp_path: Path) -> None:
    common, host = inventory_of(tmp_path, "ntlm")
    assert (common["ansible_winrm_transport"], common["ansible_winrm_scheme"]) == ("ntlm", "http")
    assert host["hotpatch_enrolled"] is True
    common, _host = inventory_of(tmp_path, "https")
    assert (common["ansible_winrm_transport"], common["ansible_winrm_scheme"]) == ("basic", "https")
    assert Path(common["ansible_winrm_ca_trust_path"]).read_text(encoding="ascii").startswith("-----BEGIN CERT")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, None])
def test_it_ends_promptly_with_status_0_and_leaves_its_files(tmp_path: Path, how: signal.Signals | None) -> None:
    fleet = tmp_path / "fleet.yml"
    fleet.write_text(yaml.safe_dump({"schema": 1, "servers": [{"name": "a"}]}), encoding="utf-8")
    process = subprocess.Popen(lab_command(fleet, tmp_path), stdout=subprocess.PIPE, text=True, env=lab_environment())
    assert process.stdout is not None
    assert process.stdout.readline().startswith("lab ready")
    facts = json.loads((tmp_path / "lab.json").read_text(encoding="utf-8"))
    assert facts["process_id"] == process.pid
    began = time.monotonic()
    if how is None:
        urllib.request.urlopen(f"{facts['control']}/shutdown", b"", timeout=5).close()
    else:
        process.send_signal(how)
    process.communicate(timeout=10)
    assert process.returncode == 0
    assert time.monotonic() - began < 3
    assert (tmp_path / "inventory.yml").is_file()


def test_it_ends_quietly_while_clients_wait(tmp_path: Path) -> None:
    with running_lab({"servers": [{"name": "a"}]}, tmp_path) as lab:
        server = lab.servers["a"]
        login = base64.b64encode(f"{server.user}:{server.password}".encode()).decode()
        idle = socket.create_connection((server.address, server.http_port), 5)
        talking = http.client.HTTPConnection(server.address, server.http_port, timeout=5)
        headers = {"Authorization": f"Basic {login}", "Content-Type": CONTENT_TYPE}
        talking.request("POST", "/wsman", IDENTIFY, headers)
        assert talking.getresponse().read()
    idle.close()
    talking.close()
    assert (tmp_path / "lab.log").read_text(encoding="utf-8").count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema: 1\nservers: [{name: a, colour: red}]\n", "server a: unknown key 'colour'"),
        ("schema: 2\n", "'schema' must be 1"),
        ("servers: [", "not YAML"),
        (None, "cannot be read"),
    ],
)
def test_a_fleet_file_that_cannot_be_used(tmp_path: Path, text: str | None, words: str) -> None:
    fleet = tmp_path / "fleet.yml"
    if text is not None:
        fleet.write_text(text, encoding="utf-8")
    done = subprocess.run(
        lab_command(fleet, tmp_path / "out"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=lab_environment(),
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_packages_are_named(tmp_path: Path) -> None:
    for module in ("h11", "spnego"):
        (tmp_path / f"{module}.py").write_text("raise ImportError\n", encoding="ascii")
    environment = lab_environment()
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    done = subprocess.run(
        [sys.executable, "-m", LAB_MODULE, "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment,
    )
    assert done.returncode == 2
    assert done.stderr == "The lab needs packages that are not installed: pip install h11 pyspnego\n"

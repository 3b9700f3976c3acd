# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a process of its own, as a person starts it, with what it wrote about itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LAB_MODULE = "ansible_collections.winops.hotpatch.plugins.plugin_utils._lab"
START_SECONDS = 60


@dataclass(frozen=True)
class LabServer:
    """One server of a running lab."""

    name: str
    address: str
    http_port: int
    https_port: int
    user: str
    password: str
    web_url: str | None = None

    @property
    def http_url(self) -> str:
        """WinRM over HTTP."""
        return f"http://{self.address}:{self.http_port}/wsman"

    @property
    def https_url(self) -> str:
        """WinRM over HTTPS."""
        return f"https://{self.address}:{self.https_port}/wsman"


@dataclass(frozen=True)
class RunningLab:
    """A lab that runs.

    :ivar folder: holds inventory.yml, lab.json and lab.log.
    """

    folder: Path
    process_id: int
    control: str
    ca_file: Path
    servers: dict[str, LabServer]
    azure: dict[str, Any]

    @property
    def inventory(self) -> Path:
        """The Ansible inventory that the lab wrote."""
        return self.folder / "inventory.yml"

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the control address; with a body it is a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def state(self, name: str) -> dict[str, Any]:
        """What is true of a server."""
        found: dict[str, Any] = self.ask(f"/servers/{name}")
        return found

    def record(self, name: str, *, writes: bool = False) -> list[dict[str, Any]]:
        """What a server was asked, or what changed it."""
        document = self.ask(f"/record?server={name}{'&writes=1' if writes else ''}")
        entries: list[dict[str, Any]] = document["writes" if writes else "requests"]
        return entries

    def break_server(self, name: str, **fault: Any) -> None:
        """Plant a fault."""
        self.ask(f"/servers/{name}/faults", fault)

    def break_azure(self, kind: str, **settings: Any) -> None:
        """Plant a fault on Azure's side."""
        self.ask("/azure/faults", {"kind": kind, **settings})

    def mend_azure(self) -> None:
        """Take all faults of Azure's side away, and the record of its exchanges."""
        for path in ("/azure/faults", "/azure/record"):
            request = urllib.request.Request(self.control + path, method="DELETE")
            urllib.request.urlopen(request, timeout=30).close()

    def exchanges(self, *, writes: bool = False) -> list[dict[str, Any]]:
        """What Azure was asked and answered, in order."""
        found: list[dict[str, Any]] = self.ask(f"/azure/record{'?writes=1' if writes else ''}")["exchanges"]
        return found


def lab_environment() -> dict[str, str]:
    """The environment in which Python finds the collection."""
    tree = os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)[0]
    return os.environ | {"PYTHONPATH": tree}


def lab_command(fleet: Path, folder: Path, *options: str) -> list[str]:
    """The command line of a lab."""
    return [sys.executable, "-m", LAB_MODULE, "--fleet", str(fleet), "--out", str(folder), *options]


@contextmanager
def running_lab(fleet: Mapping[str, Any] | Path, folder: Path, *options: str) -> Iterator[RunningLab]:
    """Start a lab on a fleet (the content of a fleet file, or a file) and end it by its process id."""
    if isinstance(fleet, Path):
        fleet_file = fleet
    else:
        fleet_file = folder / "fleet.yml"
        fleet_file.write_text(yaml.safe_dump({"schema": 1, **fleet}), encoding="utf-8")
    ready = folder / "lab.json"
    ready.unlink(missing_ok=True)
    with (folder / "lab.log").open("wb") as log:
        process = subprocess.Popen(
            lab_command(fleet_file, folder, *options),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=lab_environment(),
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready.is_file():
            assert process.poll() is None, (folder / "lab.log").read_text(errors="replace")
            assert time.monotonic() < deadline, "the lab did not become ready"
            time.sleep(0.05)
        facts = json.loads(ready.read_text(encoding="utf-8"))
        servers = {name: LabServer(name, **row) for name, row in facts["servers"].items()}
        yield RunningLab(folder, process.pid, facts["control"], Path(facts["ca_file"]), servers, facts["azure"])
        complaints = (folder / "lab.log").read_text(errors="replace")
        assert "Traceback" not in complaints, complaints
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

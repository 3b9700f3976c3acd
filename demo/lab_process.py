# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a process of its own, begun and ended by whoever holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

_START_SECONDS = 60
_LAB = "ansible_collections.winops.hotpatch.plugins.plugin_utils._lab"


class LabProcess:
    """``with LabProcess(fleet, folder) as lab:`` the lab runs, and is ended by its own process id.

    :param fleet: the fleet file.
    :param folder: where the lab writes its inventory and its addresses; also its log.
    """

    def __init__(self, fleet: Path, folder: Path, *, transport: str = "basic", scale: float = 300) -> None:
        self.fleet = fleet
        self.folder = folder
        self.transport = transport
        self.scale = scale
        self.inventory = folder / "inventory.yml"
        self._process: subprocess.Popen[bytes] | None = None
        self._facts: dict[str, Any] = {}

    def __enter__(self) -> LabProcess:
        self.folder.mkdir(parents=True, exist_ok=True)
        ready = self.folder / "lab.json"
        ready.unlink(missing_ok=True)
        tree = os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)[0]
        command = [
            sys.executable, "-m", _LAB, "--fleet", str(self.fleet), "--out", str(self.folder),
            "--transport", self.transport, "--scale", str(self.scale),
        ]  # fmt: skip
        log = (self.folder / "lab.log").open("wb")
        try:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": tree}
            )
        finally:
            log.close()
        deadline = time.monotonic() + _START_SECONDS
        while not ready.is_file():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                sys.exit(f"The lab did not start:\n{(self.folder / 'lab.log').read_text(errors='replace')}")
            time.sleep(0.05)
        self._facts = json.loads(ready.read_text(encoding="utf-8"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def servers(self) -> list[str]:
        return sorted(self._facts["servers"])

    @property
    def servers_data(self) -> dict[str, dict[str, Any]]:
        """Address, ports, user and password of each server."""
        data: dict[str, dict[str, Any]] = self._facts["servers"]
        return data

    @property
    def control(self) -> str:
        """The lab's control address."""
        return str(self._facts["control"]).rstrip("/")

    @property
    def azure_environment(self) -> dict[str, str]:
        """The environment variables that log in to the lab's Azure."""
        azure = self._facts["azure"]
        return {
            "AZURE_CLOUD_ENVIRONMENT": azure["arm"]["http"],
            "AZURE_CLIENT_ID": azure["client_id"],
            "AZURE_SECRET": azure["secret"],
            "AZURE_TENANT": azure["tenant"],
            "AZURE_CA_PATH": self._facts["ca_file"],
        }

    @property
    def azure(self) -> dict[str, Any]:
        """The lab's Azure: its addresses, account, subscription and resource group."""
        found: dict[str, Any] = self._facts["azure"]
        return found

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the lab's control address: its true state, its record, or a fault to plant."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data=data)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def states(self) -> dict[str, dict[str, Any]]:
        """What is true of each server, whatever anybody reports."""
        return {name: self.ask(f"/servers/{name}") for name in self.servers}

    def licences(self) -> dict[str, dict[str, Any]]:
        """How Azure has each server that is connected to it: id, status of the licence, and the switch."""
        found: dict[str, dict[str, Any]] = self.ask("/azure/licences")["servers"]
        return found

    def azure_writes(self) -> list[dict[str, Any]]:
        """Every exchange with Azure that was to change something, in order."""
        found: list[dict[str, Any]] = self.ask("/azure/record?writes=1")["exchanges"]
        return found

    def writes(self) -> dict[str, list[Any]]:
        """Everything that changed each server, in order."""
        return {name: self.ask(f"/record?server={name}&writes=1")["writes"] for name in self.servers}

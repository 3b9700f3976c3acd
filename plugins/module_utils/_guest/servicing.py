# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Is the server still busy with updates, and does it wait for a restart: read over CIM alone, so in a few requests.

The component store keeps its markers for minutes after the boot although the build number is new already (measured on a
26100-base system), and an update's restart may be two restarts. So calm means: no marker, and no TiWorker.exe.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_shell import pending_of
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.registry import MISSING, Absent, GuestRegistry
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import as_datetime, as_str

CIMV2 = "root/cimv2"

_CBS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing"
_AUTO_UPDATE = r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update"
_NAMES = r"SYSTEM\CurrentControlSet\Control\ComputerName"

_CBS_SOURCES = {
    "component_based_servicing": "RebootPending",
    "reboot_in_progress": "RebootInProgress",
    "packages_pending": "PackagesPending",
}


@dataclass(frozen=True)
class Boot:
    """When the server started and what its clock says, both aware."""

    time: datetime
    local: datetime

    @property
    def uptime(self) -> float:
        """Seconds since the start; a clock that is set moves both times and leaves this alone."""
        return (self.local - self.time).total_seconds()


@dataclass(frozen=True)
class Servicing:
    """Whether the component store is at work. A value that could not be read is None."""

    sources: dict[str, bool | None]
    worker: bool

    @property
    def calm(self) -> bool:
        """Nothing is pending and nothing runs, and all of that is known."""
        return not self.worker and all(value is False for value in self.sources.values())

    @property
    def words(self) -> str:
        """What keeps it from being calm."""
        seen = [f"{_CBS_SOURCES[name]} is set" for name, value in self.sources.items() if value]
        seen += [f"{_CBS_SOURCES[name]} could not be read" for name, value in self.sources.items() if value is None]
        seen += ["TiWorker.exe is running"] if self.worker else []
        return ", ".join(seen) or "nothing"


def read_boot(client: ClientPort, server: str) -> Boot:
    """The boot time and the server's clock, in one request.

    :raises BadAnswer: the server gave none.
    """
    for row in client.enumerate(CIMV2, "SELECT LastBootUpTime, LocalDateTime FROM Win32_OperatingSystem", limit=1):
        time, local = as_datetime(row, "LastBootUpTime"), as_datetime(row, "LocalDateTime")
        if time is not None and local is not None:
            return Boot(time, local)
    raise BadAnswer(f"{server}: Windows gave no boot time.", server=server)


def read_servicing(client: ClientPort) -> Servicing:
    """The component store's markers and whether its worker runs, in two requests."""
    return Servicing(_cbs(GuestRegistry(client, "The server")), _worker_runs(client))


def read_pending(client: ClientPort) -> dict[str, Any]:
    """``pending`` and ``sources`` of a restart that is pending, as in the facts, in four requests."""
    registry = GuestRegistry(client, "The server")
    sources = _cbs(registry)
    update = _present(registry.subkeys(_AUTO_UPDATE))
    sources["windows_update"] = None if update is None else "rebootrequired" in update
    active, wanted = (
        registry.text(rf"{_NAMES}\{part}", "ComputerName") for part in ("ActiveComputerName", "ComputerName")
    )
    known = isinstance(active, str) and isinstance(wanted, str) and active and wanted
    sources["computer_rename"] = str(active).lower() != str(wanted).lower() if known else None
    return {"pending": pending_of(sources), "sources": sources}


def running_automatic_services(client: ClientPort) -> list[str]:
    """The names of the services that start by themselves and run now."""
    query = "SELECT Name FROM Win32_Service WHERE StartMode='Auto' AND State='Running'"
    return sorted(name for row in client.enumerate(CIMV2, query) if (name := as_str(row, "Name")))


def _cbs(registry: GuestRegistry) -> dict[str, bool | None]:
    keys = _present(registry.subkeys(_CBS))
    return {source: None if keys is None else key.lower() in keys for source, key in _CBS_SOURCES.items()}


def _worker_runs(client: ClientPort) -> bool:
    query = "SELECT ProcessId FROM Win32_Process WHERE Name='TiWorker.exe'"
    return any(True for _row in client.enumerate(CIMV2, query, limit=1))


def _present(keys: frozenset[str] | Absent) -> frozenset[str] | None:
    """The keys that are there: none in a key that is absent, None when that could not be read."""
    if isinstance(keys, frozenset):
        return keys
    return frozenset() if keys is MISSING else None

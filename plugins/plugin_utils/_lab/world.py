# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet: all simulated servers on one timeline, and the answers of the control address.

The control address is for people and tests who want to see the true state and the record, or to break something. It
is no part of any server, and nothing of the collection uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import faults
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_only import azure_only
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import AzureSide
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Timeline
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import Disk
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fault_kinds import KINDS, FaultError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import Fleet
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.hardware import HardwareError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import Answer
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.journal import request_as_dict
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.licence import LicenceError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

FOLDER = r"C:\Program Files\winops.hotpatch"


class World:
    """All servers of a fleet.

    :param timeline: where the time comes from and by how much durations are shortened.
    :param seed: of everything that looks like chance; the same seed gives the same fleet.
    """

    def __init__(self, fleet: Fleet, timeline: Timeline, seed: int = 1) -> None:
        self.timeline = timeline
        self.as_of = fleet.as_of or timeline.now().date()
        self.azure = AzureSide(fleet.azure)
        for resource in azure_only(fleet.azure, self.as_of):
            self.azure.put(resource)
        self._machines: dict[str, Machine] = {}
        for number, spec in enumerate(fleet.servers, 1):
            self._machines[spec.name] = Machine(spec, number, timeline, seed, self.as_of, self.azure)
        self.arm = Azure(self.azure, self._machines, timeline, self.as_of)

    @property
    def machines(self) -> Mapping[str, Machine]:
        """Inventory name to machine, in the order of the fleet file."""
        return self._machines

    def advance(self) -> None:
        """Let everything happen that is due by now."""
        self.timeline.advance()

    def next_event_in(self) -> float | None:
        """Wall seconds until something happens by itself; None when nothing is due."""
        return self.timeline.next_event_in()

    def control(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        """Answer the control address."""
        self.advance()
        parts = [part for part in path.split("/") if part]
        if method == "GET" and parts == ["servers"]:
            return Answer(
                200, {"as_of": self.as_of.isoformat(), "servers": [summary(m) for m in self._machines.values()]}
            )
        if method == "GET" and parts == ["clock"]:
            return Answer(
                200,
                {
                    "now": self.timeline.now().isoformat(),
                    "scale": self.timeline.scale,
                    "as_of": self.as_of.isoformat(),
                    "next_event_in": self.next_event_in(),
                },
            )
        if method == "GET" and parts == ["record"]:
            return self._record(query)
        if method == "GET" and parts == ["faults"]:
            kinds = [
                {"kind": kind.name, "meaning": kind.meaning, "settings": dict(kind.settings)} for kind in KINDS.values()
            ]
            return Answer(200, {"faults": kinds})
        if parts[:1] == ["azure"]:
            return self.arm.control(method, parts[1:], query, body)
        if method == "POST" and parts == ["shutdown"]:
            return Answer(200, {"stopping": True}, stop=True)
        if parts[:1] == ["servers"] and len(parts) in (2, 3):
            machine = self._machines.get(parts[1])
            if machine is None:
                return Answer(404, {"error": f"There is no server {parts[1]!r}."})
            if method == "GET" and len(parts) == 2:
                return Answer(200, true_state(machine))
            if parts[2:] == ["faults"]:
                return _faults(machine, method, body)
            if parts[2:] == ["hardware"]:
                return _hardware(machine, method, body)
            if parts[2:] == ["power"]:
                return _power(machine, method)
            if parts[2:] == ["enrollment"]:
                return _enrollment(machine, method, body)
        return Answer(404, {"error": f"There is nothing at {method} {path}."})

    def _record(self, query: Mapping[str, str]) -> Answer:
        wanted = query.get("server")
        if wanted is not None and wanted not in self._machines:
            return Answer(404, {"error": f"There is no server {wanted!r}."})
        chosen = [machine for name, machine in self._machines.items() if wanted in (None, name)]
        only_writes = query.get("writes") in ("1", "true")
        writes = [{"server": machine.name, **item.as_dict()} for machine in chosen for item in machine.journal.writes]
        document: dict[str, Any] = {"writes": sorted(writes, key=lambda item: str(item["time"]))}
        if not only_writes:
            requests = [
                {"server": machine.name, **request_as_dict(item)}
                for machine in chosen
                for item in machine.journal.requests
            ]
            document["requests"] = sorted(requests, key=lambda item: str(item["time"]))
        return Answer(200, document)


def _faults(machine: Machine, method: str, body: Any) -> Answer:
    if method == "GET":
        return Answer(200, {"faults": machine.faults.active})
    if method == "DELETE":
        faults.clear(machine)
        return Answer(200, {"faults": []})
    wanted = body.get("faults", [body]) if isinstance(body, dict) else None
    if method != "POST" or not isinstance(wanted, list) or not all(isinstance(item, dict) for item in wanted):
        return Answer(400, {"error": 'Send one fault such as {"kind": "never_returns"}, or {"faults": [...]}.'})
    try:
        for item in wanted:
            faults.give(machine, item)
    except FaultError as error:
        return Answer(400, {"error": str(error)})
    return Answer(200, {"faults": machine.faults.active})


def _hardware(machine: Machine, method: str, body: Any) -> Answer:
    """Act as somebody with access to the hypervisor or the firmware: from outside of Windows, and so no write."""
    if method == "POST":
        if not isinstance(body, dict):
            return Answer(400, {"error": 'Send what to change, such as {"secure_boot": true}.'})
        try:
            machine.hardware.change(body)
        except HardwareError as error:
            return Answer(400, {"error": str(error)})
    elif method != "GET":
        return Answer(405, {"error": "Only GET and POST can be used here."})
    return Answer(200, machine.hardware.as_dict())


def _power(machine: Machine, method: str) -> Answer:
    """Shut the server down and start it, as somebody with access to the hypervisor does."""
    if method != "POST":
        return Answer(405, {"error": "Only POST can be used here."})
    if machine.power.state != "running":
        return Answer(409, {"error": f"The server is {machine.power.state}."})
    machine.power.restart_now("operator", "shut down and started from outside")
    return Answer(200, {"state": machine.power.state})


def _enrollment(machine: Machine, method: str, body: Any) -> Answer:
    """Act as Azure's portal."""
    if method == "POST":
        if not isinstance(body, dict):
            return Answer(400, {"error": 'Send what to change, such as {"enrolled": true}.'})
        try:
            machine.licence.change(body)
        except LicenceError as error:
            return Answer(409, {"error": str(error)})
    elif method != "GET":
        return Answer(405, {"error": "Only GET and POST can be used here."})
    return Answer(200, machine.licence.as_dict())


def summary(machine: Machine) -> dict[str, Any]:
    """One line of the list of servers."""
    updates = machine.updates
    return {
        "name": machine.name,
        "hostname": machine.hostname,
        "product": machine.spec.product,
        "edition": machine.spec.edition,
        "build": f"{machine.spec.product_data.build}.{updates.ubr}",
        "on_track": updates.on_track,
        "state": machine.power.state,
        "network": machine.network,
        "boots": machine.power.boots,
        "restarts": len(machine.journal.restarts),
        "installs": len(machine.journal.installations),
        "writes": machine.write_count,
        "requests": len(machine.journal.requests),
    }


def true_state(machine: Machine) -> dict[str, Any]:
    """Everything about one server, as it really is."""
    updates = machine.updates
    level = updates.hotpatch or updates.lcu
    return {
        **summary(machine),
        "level": None if level is None else level.kb,
        "baseline": None if updates.lcu is None else updates.lcu.kb,
        "capable": updates.capable,
        "enrolled": machine.licence.enrolled,
        "opted_out": machine.licence.opted_out,
        "arc": machine.arc.state,
        "arc_agent": {
            "version": machine.arc.version,
            "resource": None if machine.arc.identity is None else machine.arc.identity.as_dict(),
            "settings": machine.arc.settings,
        },
        "deleted_by_azure": machine.deleted_by_azure,
        "vbs": machine.vbs,
        "hardware": machine.hardware.now.as_dict(),
        "installed_kbs": updates.installed_kbs,
        "quick_fixes": [row.kb for row in updates.quick_fixes],
        "restart_pending": updates.restart_required,
        "busy": updates.is_busy,
        "last_boot": machine.boot_time.isoformat(),
        "restarts": [item.as_dict() for item in machine.journal.restarts],
        "installs": [item.as_dict() for item in machine.journal.installations],
        "downloads": machine.journal.downloads,
        "tasks": [
            {
                "path": task.path,
                "name": task.name,
                "state": task.state,
                "last_result": machine.tasks.last_result(task),
                "user": task.who.sid,
            }
            for task in machine.tasks.all()
        ],
        "services": {service.name: service.state for service in machine.services.all()},
        "files": files(machine.disk),
        "faults": machine.faults.active,
        "refused_scripts": machine.journal.refused_scripts,
    }


def files(disk: Disk) -> list[dict[str, Any]]:
    """What stands in the collection's own folder."""
    return [
        {"path": path, "bytes": None if node.content is None else len(node.content)} for path, node in disk.walk(FOLDER)
    ]

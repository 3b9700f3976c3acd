# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Everything a decision needs to know of one server, in at most 13 requests, as plain JSON types.

Seven classes are read over CIM, the rest (registry, Arc agent) by one command line in a cmd shell. What could not be
read is None, with a note in words. Nothing is guessed, nothing is written.

Sources: Microsoft Learn, Win32_DeviceGuard, Win32_QuickFixEngineering, hotpatch for Arc-enabled servers (2025-10-30).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.platform_kind import classify
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    BadAnswer,
    Fault,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_shell import (
    AGENT_STEP,
    STEPS,
    VERSION_KEY,
    ShellFacts,
    pending_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean, read_installed_on
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import StepAnswer, new_token, run_steps
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.quoting import wql_literal
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import (
    Instance,
    as_bool,
    as_datetime,
    as_int,
    as_str,
)

CIMV2 = "root/cimv2"
DEVICE_GUARD = "root/Microsoft/Windows/DeviceGuard"

_FREE_SPACE = "SELECT FreeSpace FROM Win32_LogicalDisk"

_SHELL_SECONDS = 60


def read_facts(
    client: ClientPort, now: Callable[[], datetime], *, token: Callable[[], str] = new_token
) -> dict[str, Any]:
    """The facts of one server; their shape is documented with the module host_info.

    :param now: the controller's time, aware.
    :param token: makes the mark that parts the answers in the shell.
    :raises Unreachable: the server cannot be talked to or refuses the account.
    :raises BadAnswer: already the first answer is not one. Every later failure concerns one part, which becomes None,
        with a note.
    """
    return _Reading(client, now, token).facts()


def iso(moment: datetime | None) -> str | None:
    """UTC with seconds, ``2025-12-18T03:00:11Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


class _Reading:
    """One reading of one server."""

    def __init__(self, client: ClientPort, now: Callable[[], datetime], token: Callable[[], str]) -> None:
        self.client = client
        self.now = now
        self.token = token
        self.notes: list[str] = []

    def facts(self) -> dict[str, Any]:
        before = (self.client.traffic.requests, self.client.traffic.bytes_sent, self.client.traffic.bytes_received)
        system, asked_at = self.operating_system()
        computer = self.computer()
        enclosure = self.row("The chassis", CIMV2, "SELECT SMBIOSAssetTag FROM Win32_SystemEnclosure")
        guard = self.device_guard()
        disk = self.free_space(_text(system, "SystemDrive"))
        cores = self.cores()
        kbs = self.kbs()
        shell = self.shell_facts()
        sources = shell.pending_sources()
        result: dict[str, Any] = {
            "name": clean(_text(computer, "Name") or _text(system, "CSName") or "") or None,
            "os": self.os_facts(system, shell),
            "boot": self.boot_facts(system, asked_at),
            "vbs": guard | shell.configured_vbs(),
            "firmware": shell.firmware(),
            "hardware": {
                "manufacturer": _text(computer, "Manufacturer"),
                "model": _text(computer, "Model"),
                "hypervisor_present": self.typed(as_bool, computer, "HypervisorPresent"),
                "hyper_v_role": shell.hyper_v(),
                "cores": cores,
                "logical_processors": self.typed(as_int, computer, "NumberOfLogicalProcessors"),
                "system_disk_free_bytes": disk,
            },
            "platform": classify(
                {
                    "asset_tag": _shown(enclosure, "SMBIOSAssetTag"),
                    "manufacturer": _shown(computer, "Manufacturer"),
                    "model": _shown(computer, "Model"),
                    **shell.platform(),
                }
            ).as_dict(),
            "arc": shell.arc(),
            "hotpatch_hint": shell.hint(),
            "kbs": kbs,
            "restart_pending": {"pending": pending_of(sources), "sources": sources},
            "update_policy": shell.update_policy(),
        }
        traffic = self.client.traffic
        result["traffic"] = {
            "requests": traffic.requests - before[0],
            "bytes_sent": traffic.bytes_sent - before[1],
            "bytes_received": traffic.bytes_received - before[2],
        }
        result["notes"] = self.notes
        return result

    # ---- over CIM

    @contextmanager
    def part(self, what: str, *, first: bool = False) -> Iterator[None]:
        """Turns the failure of one part into a note; an unreachable server stays an error.

        :param first: the first exchange with the server: when even that is garbage, there is nothing to read here.
        """
        try:
            yield
        except Unreachable:
            raise
        except (Fault, BadAnswer, AnswerTimeout, OutcomeUnknown) as error:
            if first and not isinstance(error, Fault):
                raise
            self.notes.append(f"{what} could not be read: {clean(error.message)}")

    def rows(
        self, what: str, namespace: str, wql: str, arrays: tuple[str, ...] = (), *, first: bool = False
    ) -> list[Instance] | None:
        """All rows of a query; None with a note when it failed."""
        with self.part(what, first=first):
            return list(self.client.enumerate(namespace, wql, arrays=arrays))
        return None

    def row(
        self, what: str, namespace: str, wql: str, arrays: tuple[str, ...] = (), *, first: bool = False
    ) -> Instance | None:
        """The only row of a query; None with a note when there is none."""
        found = self.rows(what, namespace, wql, arrays, first=first)
        if found:
            return found[0]
        if found is not None:
            self.notes.append(f"{what} could not be read: the server answered no row.")
        return None

    def typed(self, read: Callable[[Instance, str], Any], row: Instance | None, name: str) -> Any:
        """A property by its type; None with a note when it is not of that type."""
        if row is None:
            return None
        with self.part(name):
            return read(row, name)
        return None

    def operating_system(self) -> tuple[Instance | None, datetime]:
        """The row of Win32_OperatingSystem, and the controller's time in the middle of the exchange."""
        first = self.now()
        row = self.row(
            "The operating system",
            CIMV2,
            "SELECT Caption, BuildNumber, OperatingSystemSKU, ProductType, LastBootUpTime, LocalDateTime, CSName,"
            " SystemDrive FROM Win32_OperatingSystem",
            first=True,
        )
        last = self.now()
        return row, first + (last - first) / 2

    def computer(self) -> Instance | None:
        return self.row(
            "The computer system",
            CIMV2,
            "SELECT Name, Manufacturer, Model, HypervisorPresent, NumberOfLogicalProcessors FROM Win32_ComputerSystem",
        )

    def cores(self) -> int | None:
        rows = self.rows("The processors", CIMV2, "SELECT NumberOfCores FROM Win32_Processor")
        counts = [self.typed(as_int, row, "NumberOfCores") for row in rows or []]
        return sum(counts) if counts and None not in counts else None

    def free_space(self, drive: str | None) -> int | None:
        letter = drive or "C:"
        if not re.fullmatch("[A-Za-z]:", letter):
            self.notes.append("The free space could not be read: the system drive is not a drive letter.")
            return None
        where = f"WHERE DeviceID={wql_literal(letter)}"
        row = self.row("The free space", CIMV2, f"{_FREE_SPACE} {where}")
        return self.integer(row, "FreeSpace")

    def integer(self, row: Instance | None, name: str) -> int | None:
        value = self.typed(as_int, row, name)
        return value if isinstance(value, int) else None

    def device_guard(self) -> dict[str, Any]:
        """VBS. A missing class or namespace is unknown and never "off"; only status 2 is running."""
        lists = {
            "available": "AvailableSecurityProperties",
            "required": "RequiredSecurityProperties",
            "services_configured": "SecurityServicesConfigured",
            "services_running": "SecurityServicesRunning",
        }
        facts: dict[str, Any] = {"status": None, "why_unknown": None, **dict.fromkeys(lists)}
        noted = len(self.notes)
        row = self.row(
            "The state of virtualization-based security",
            DEVICE_GUARD,
            "SELECT VirtualizationBasedSecurityStatus, AvailableSecurityProperties, RequiredSecurityProperties,"
            " SecurityServicesConfigured, SecurityServicesRunning FROM Win32_DeviceGuard",
            tuple(lists.values()),
        )
        if row is not None:
            facts["status"] = self.integer(row, "VirtualizationBasedSecurityStatus")
            for key, name in lists.items():
                with self.part(name):
                    facts[key] = _integers(row, name)
        if facts["status"] not in (0, 1, 2):
            facts["why_unknown"] = (
                self.notes[noted] if len(self.notes) > noted else "The server gave no known status of it."
            )
            facts["status"] = None
        return facts

    def kbs(self) -> list[dict[str, str | None]] | None:
        rows = self.rows(
            "The installed updates", CIMV2, "SELECT HotFixID, InstalledOn, Description FROM Win32_QuickFixEngineering"
        )
        if rows is None:
            return None
        found = []
        for row in rows:
            kb = (_text(row, "HotFixID") or "").upper()
            if re.fullmatch(r"KB[0-9]{5,9}", kb):
                found.append(
                    {
                        "kb": kb,
                        "installed_on": read_installed_on(_text(row, "InstalledOn")),
                        "description": _text(row, "Description"),
                    }
                )
        return found

    # ---- in the cmd shell

    def shell_facts(self) -> ShellFacts:
        """Run the command line; when the agent hangs, once more without it."""
        steps: dict[str, StepAnswer] = {}
        with self.part("The registry and the Arc agent"):
            try:
                steps = self.ask({**STEPS, **AGENT_STEP})
            except AnswerTimeout as error:
                self.notes.append(f"The Arc agent's own answer could not be read: {clean(error.message)}")
                steps = self.ask(STEPS)
        return ShellFacts(steps, self.notes)

    def ask(self, steps: Mapping[str, str]) -> dict[str, StepAnswer]:
        with self.client.shell() as shell:
            return run_steps(shell, steps, server=_server_of(self.client), timeout=_SHELL_SECONDS, token=self.token)

    def os_facts(self, system: Instance | None, shell: ShellFacts) -> dict[str, Any]:
        build_text = _text(system, "BuildNumber") or shell.registry_text(VERSION_KEY, "CurrentBuildNumber") or ""
        build = int(build_text) if re.fullmatch("[0-9]{1,6}", build_text, re.ASCII) else None
        ubr = shell.registry.number(VERSION_KEY, "UBR")
        if ubr is None:
            self.notes.append(f"The revision of the build could not be read: no number UBR in {VERSION_KEY}.")
        return {
            "caption": _text(system, "Caption"),
            "build": build,
            "ubr": ubr,
            "build_ubr": f"{build}.{ubr}" if build is not None and ubr is not None else None,
            "sku": self.typed(as_int, system, "OperatingSystemSKU"),
            "product_type": self.typed(as_int, system, "ProductType"),
            "edition_id": shell.registry_text(VERSION_KEY, "EditionID"),
            "installation_type": shell.registry_text(VERSION_KEY, "InstallationType"),
            "display_version": shell.registry_text(VERSION_KEY, "DisplayVersion"),
        }

    def boot_facts(self, system: Instance | None, asked_at: datetime) -> dict[str, Any]:
        boot = self.typed(as_datetime, system, "LastBootUpTime")
        local = self.typed(as_datetime, system, "LocalDateTime")
        skew = round((local - asked_at).total_seconds(), 1) if local else None
        return {"last_boot": iso(boot), "local_time": local.isoformat() if local else None, "clock_skew_seconds": skew}


def _text(row: Instance | None, name: str) -> str | None:
    """A text property, cleaned; None when absent, empty or not text."""
    if row is None:
        return None
    try:
        return clean(as_str(row, name) or "") or None
    except BadAnswer:
        return None


def _shown(row: Instance | None, name: str) -> str | None:
    """A text property as it is shown; empty when the row has none, None when there is no row."""
    return None if row is None else _text(row, name) or ""


def _integers(row: Instance, name: str) -> list[int]:
    """The numbers of an array property."""
    values = row.get(name)
    found = []
    for value in values if isinstance(values, list) else [values]:
        if value is None:
            continue
        if not isinstance(value, str) or not re.fullmatch("[0-9]{1,10}", value, re.ASCII):
            raise BadAnswer(
                f"{row.about or 'The server'}: {name} holds something that is not a number.", server=row.server
            )
        found.append(int(value))
    return found


def _server_of(client: ClientPort) -> str:
    """What errors call the server."""
    settings = getattr(client, "settings", None)
    return str(getattr(settings, "name", "") or "The server")

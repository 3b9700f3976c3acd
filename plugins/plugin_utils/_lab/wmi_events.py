# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Win32_NTLogEvent: the System event log over CIM, as far as updates and starts of the server go.

Property names and types: microsoft/wmi (classes generated from a Server 2019). Events and their strings: the manifest
of Microsoft-Windows-WindowsUpdateClient (19 installed: title, id, revision, service; 20 failed: code first; 43 started)
and of EventLog (6005). The log holds the newest part of what happened: it is smaller than the update history.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_history import (
    FAILED,
    SUCCEEDED,
    Entry,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi import CimClass, Repository, Row
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi_computer import CIMV2, typed

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

UPDATE_CLIENT = "Microsoft-Windows-WindowsUpdateClient"

# Rows of the update history that the log still holds.
_KEPT = 24
_INSTALLED, _FAILED, _STARTED = 19, 20, 43
_INFORMATION, _ERROR = 3, 1


def add_classes(repository: Repository, machine: Machine) -> None:
    """Put the event log of one server into its repository."""
    properties = typed(
        uint16="Category EventCode",
        string="CategoryString ComputerName Logfile Message SourceName Type User",
        string_array="InsertionStrings",
        uint8_array="Data",
        uint32="EventIdentifier RecordNumber",
        uint8="EventType",
        datetime="TimeGenerated TimeWritten",
    )
    keys = ("Logfile", "RecordNumber")
    repository.add(CimClass(CIMV2, "Win32_NTLogEvent", properties, keys, (), lambda: _rows(machine)))


def _rows(machine: Machine) -> Sequence[Row]:
    """Newest first, as WMI gives them."""
    rows: list[Row] = []
    for entry in list(machine.updates.history.entries)[:_KEPT]:
        rows += _of_update(machine, entry)
    rows.append(_event(machine, "EventLog", 6005, _INFORMATION, machine.power.booted, []))
    rows.sort(key=lambda row: str(row["TimeGenerated"]))
    for number, row in enumerate(rows, 1000):
        row["RecordNumber"] = number
    return rows[::-1]


def _of_update(machine: Machine, entry: Entry) -> list[Row]:
    strings = [entry.title, f"{{{entry.update_id}}}", str(entry.revision), f"{{{entry.service_id}}}"]
    started = _event(machine, UPDATE_CLIENT, _STARTED, _INFORMATION, entry.moment, strings[:3])
    if entry.result_code == SUCCEEDED:
        return [started, _event(machine, UPDATE_CLIENT, _INSTALLED, _INFORMATION, entry.moment, strings)]
    if entry.result_code == FAILED:
        failed = [f"0x{entry.hresult:08x}", *strings]
        return [started, _event(machine, UPDATE_CLIENT, _FAILED, _ERROR, entry.moment, failed)]
    return [started]


def _event(
    machine: Machine, source: str, code: int, kind: int, moment: datetime, strings: Sequence[str]
) -> dict[str, object]:
    return {
        "Category": 1 if source == UPDATE_CLIENT else 0,
        "ComputerName": machine.hostname,
        "EventCode": code,
        "EventIdentifier": code,
        "EventType": kind,
        "InsertionStrings": list(strings),
        "Logfile": "System",
        "SourceName": source,
        "TimeGenerated": moment,
        "TimeWritten": moment,
        "Type": "Information" if kind == _INFORMATION else "Error",
    }

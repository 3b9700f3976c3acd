# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CIM classes about what is on the computer: installed updates, services, processes, files.

Property names and types: microsoft/wmi (classes generated from a Server 2019 and a Server 23H2); values of
Win32_QuickFixEngineering: recorded outputs of WS2025 and WS2022 machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimValue, number, returned
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import ProgramNotFound
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.services import RUNNING, STOPPED
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi import (
    Call,
    CimClass,
    Method,
    Repository,
    Row,
    fault,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi_computer import CIMV2, typed

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine


def add_classes(repository: Repository, machine: Machine) -> None:
    """Put the classes of one server into its repository."""
    software = _Software(machine)
    repository.add(software.quick_fixes())
    repository.add(software.services())
    repository.add(software.processes())
    repository.add(software.files())


class _Software:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def quick_fixes(self) -> CimClass:
        properties = typed(
            string="Caption CSName Description FixComments HotFixID InstalledBy InstalledOn Name ServicePackInEffect "
            "Status",
            datetime="InstallDate",
        )
        keys = ("CSName", "HotFixID", "ServicePackInEffect")
        parents = ("CIM_LogicalElement", "CIM_ManagedSystemElement")
        return CimClass(CIMV2, "Win32_QuickFixEngineering", properties, keys, parents, self._quick_fix_rows)

    def _quick_fix_rows(self) -> Sequence[Row]:
        return [
            {
                "Caption": row.caption,
                "CSName": self._machine.hostname,
                "Description": row.description,
                "FixComments": "",
                "HotFixID": row.kb,
                "InstalledBy": row.by,
                "InstalledOn": row.installed_on,
                "ServicePackInEffect": "",
            }
            for row in self._machine.updates.quick_fixes
        ]

    def services(self) -> CimClass:
        properties = typed(
            string="Caption CreationClassName Description DisplayName ErrorControl Name PathName ServiceType StartMode "
            "StartName State Status SystemCreationClassName SystemName",
            boolean="AcceptPause AcceptStop DelayedAutoStart DesktopInteract Started",
            uint32="CheckPoint ExitCode ProcessId ServiceSpecificExitCode TagId WaitHint",
            datetime="InstallDate",
        )
        methods = {
            "StartService": Method((), lambda call: self._change_service(call, start=True), static=False),
            "StopService": Method((), lambda call: self._change_service(call, start=False), static=False),
        }
        parents = ("Win32_BaseService", "CIM_Service", "CIM_LogicalElement", "CIM_ManagedSystemElement")
        return CimClass(CIMV2, "Win32_Service", properties, ("Name",), parents, self._service_rows, methods)

    def _service_rows(self) -> Sequence[Row]:
        machine = self._machine
        return [
            {
                "Name": service.name,
                "Caption": service.display_name,
                "DisplayName": service.display_name,
                "Description": service.description,
                "CreationClassName": "Win32_Service",
                "SystemCreationClassName": "Win32_ComputerSystem",
                "SystemName": machine.hostname,
                "PathName": service.path,
                "ServiceType": "Share Process" if "svchost" in service.path else "Own Process",
                "StartMode": service.start_mode,
                "DelayedAutoStart": service.start == "delayed",
                "StartName": service.account,
                "State": service.state,
                "Started": service.state == RUNNING,
                "Status": "OK",
                "ProcessId": machine.service_process(service),
                "AcceptPause": False,
                "AcceptStop": service.state == RUNNING,
                "DesktopInteract": False,
                "ErrorControl": "Normal",
                "ExitCode": 0 if service.state == RUNNING or service.starts_by_itself else 1077,
                "ServiceSpecificExitCode": 0,
                "CheckPoint": 0,
                "WaitHint": 0,
                "TagId": 0,
            }
            for service in machine.services.all()
        ]

    def _change_service(self, call: Call, *, start: bool) -> dict[str, CimValue]:
        """Return values: 0 done, 5 cannot accept control, 10 already running, 14 disabled (Win32_Service)."""
        service = self._machine.services.find(_first(call.selectors))
        if service is None:
            raise fault("not_found")
        if start and service.start == "disabled":
            return returned(14)
        if (service.state == RUNNING) is start:
            return returned(10 if start else 5)
        service.state = RUNNING if start else STOPPED
        self._machine.wrote("service", f"{'start' if start else 'stop'} {service.name}", call.user)
        self._machine.service_changed(service)
        return returned(0)

    def processes(self) -> CimClass:
        properties = typed(
            string="Caption CommandLine CreationClassName CSName Description ExecutablePath Handle Name OSName Status",
            datetime="CreationDate",
            uint32="HandleCount ParentProcessId Priority ProcessId SessionId ThreadCount",
            uint64="KernelModeTime UserModeTime VirtualSize WorkingSetSize",
        )
        methods = {
            "Create": Method(("CommandLine", "CurrentDirectory", "ProcessStartupInformation"), self._create_process),
        }
        parents = ("CIM_Process", "CIM_LogicalElement", "CIM_ManagedSystemElement")
        return CimClass(CIMV2, "Win32_Process", properties, ("Handle",), parents, self._machine.process_rows, methods)

    def _create_process(self, call: Call) -> dict[str, CimValue]:
        """Return values: 0 started, 9 path not found, 21 invalid parameter (Win32_Process.Create)."""
        line = call.parameters.text("CommandLine")
        who = self._machine.principal(call.user)
        if not line or who is None:
            return returned(21)
        try:
            process = self._machine.launch(line, who, directory=call.parameters.text("CurrentDirectory"))
        except ProgramNotFound:
            return returned(9)
        return returned(0, ProcessId=number("uint32", process.identifier))

    def files(self) -> CimClass:
        properties = typed(
            string="Caption CreationClassName CSCreationClassName CSName Description Drive EightDotThreeFileName "
            "Extension FileName FileType FSName Name Path Status",
            boolean="Archive Compressed Encrypted Hidden Readable System Writeable",
            datetime="CreationDate InstallDate LastAccessed LastModified",
            uint64="FileSize",
        )
        methods = {"Delete": Method((), self._delete_file, static=False)}
        parents = ("CIM_LogicalFile", "CIM_LogicalElement", "CIM_ManagedSystemElement")
        return CimClass(CIMV2, "CIM_DataFile", properties, ("Name",), parents, self._file_rows, methods)

    def _file_rows(self) -> Sequence[Row]:
        rows: list[Row] = []
        for path, node in self._machine.disk.walk("C:\\"):
            if node.content is None:
                continue
            lower = path.lower()
            folder, _mark, last = lower.rpartition("\\")
            name, _dot, extension = last.rpartition(".")
            rows.append(
                {
                    "Name": lower,
                    "Caption": lower,
                    "Description": lower,
                    "CreationClassName": "CIM_LogicalFile",
                    "CSCreationClassName": "Win32_ComputerSystem",
                    "CSName": self._machine.hostname,
                    "Drive": "c:",
                    "Path": f"{folder[2:]}\\",
                    "FileName": name or last,
                    "Extension": extension if name else "",
                    "FileSize": len(node.content),
                    "FileType": "File",
                    "FSName": "NTFS",
                    "Status": "OK",
                    "CreationDate": node.created,
                    "InstallDate": node.created,
                    "LastAccessed": node.modified,
                    "LastModified": node.modified,
                    "Archive": True,
                    "Compressed": False,
                    "Encrypted": False,
                    "Hidden": False,
                    "Readable": True,
                    "System": False,
                    "Writeable": True,
                }
            )
        return rows

    def _delete_file(self, call: Call) -> dict[str, CimValue]:
        """Return values: 0 done, 2 access denied, 9 not there, 15 in use (CIM_DataFile.Delete)."""
        path = _first(call.selectors)
        try:
            self._machine.disk.remove(path, self._machine.principal(call.user))
        except DiskError as error:
            return returned({5: 2, 32: 15}.get(error.code, 9))
        self._machine.wrote("file", f"delete {path}", call.user)
        return returned(0)


def _first(selectors: Mapping[str, str]) -> str:
    return next(iter(selectors.values()), "")

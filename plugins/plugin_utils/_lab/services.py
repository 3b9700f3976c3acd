# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a server: which there are, how they start, and what runs when.

Names and start types of the Windows services: defaults of Windows Server [general knowledge]; those of the Azure
Connected Machine agent: azure-management-docs, azure-arc/servers/agent-overview.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

RUNNING = "Running"
STOPPED = "Stopped"
START_PENDING = "Start Pending"
STOP_PENDING = "Stop Pending"

STATE_NUMBERS = {STOPPED: 1, START_PENDING: 2, STOP_PENDING: 3, RUNNING: 4}


@dataclass
class Service:
    """One service; ``start`` is "auto", "delayed", "demand" or "disabled"."""

    name: str
    display_name: str
    start: str
    path: str
    account: str = "LocalSystem"
    state: str = STOPPED
    description: str = ""

    @property
    def starts_by_itself(self) -> bool:
        """Whether it is started at boot."""
        return self.start in {"auto", "delayed"}

    @property
    def start_mode(self) -> str:
        """As Win32_Service shows it."""
        return {"auto": "Auto", "delayed": "Auto", "demand": "Manual", "disabled": "Disabled"}[self.start]


_SVCHOST = r"C:\Windows\system32\svchost.exe -k {0} -p"

_STANDARD = (
    ("EventLog", "Windows Event Log", "auto", "LocalServiceNetworkRestricted"),
    ("Dhcp", "DHCP Client", "auto", "LocalServiceNetworkRestricted"),
    ("Dnscache", "DNS Client", "auto", "NetworkService"),
    ("LanmanServer", "Server", "auto", "smbsvcs"),
    ("LanmanWorkstation", "Workstation", "auto", "NetworkService"),
    ("RpcSs", "Remote Procedure Call (RPC)", "auto", "rpcss"),
    ("Schedule", "Task Scheduler", "auto", "netsvcs"),
    ("Winmgmt", "Windows Management Instrumentation", "auto", "netsvcs"),
    ("WinRM", "Windows Remote Management (WS-Management)", "delayed", "NetworkService"),
    ("MpsSvc", "Windows Defender Firewall", "auto", "LocalServiceNoNetworkFirewall"),
    ("CryptSvc", "Cryptographic Services", "auto", "NetworkService"),
    ("BITS", "Background Intelligent Transfer Service", "demand", "netsvcs"),
    ("UsoSvc", "Update Orchestrator Service", "delayed", "netsvcs"),
    ("W32Time", "Windows Time", "auto", "LocalService"),
    ("wuauserv", "Windows Update", "demand", "netsvcs"),
    ("TrustedInstaller", "Windows Modules Installer", "demand", ""),
    ("RemoteRegistry", "Remote Registry", "demand", "localService"),
)

_BY_ROLE = {
    "web": (
        ("W3SVC", "World Wide Web Publishing Service", "auto"),
        ("WAS", "Windows Process Activation Service", "demand"),
    ),
    "sql": (("MSSQLSERVER", "SQL Server (MSSQLSERVER)", "auto"), ("SQLSERVERAGENT", "SQL Server Agent", "delayed")),
    "domain-controller": (
        ("NTDS", "Active Directory Domain Services", "auto"),
        ("DNS", "DNS Server", "auto"),
        ("Kdc", "Kerberos Key Distribution Center", "auto"),
        ("Netlogon", "Netlogon", "auto"),
    ),
    "hyper-v": (
        ("vmms", "Hyper-V Virtual Machine Management", "auto"),
        ("vmcompute", "Hyper-V Host Compute Service", "demand"),
    ),
    "file": (("SrmSvc", "File Server Resource Manager", "auto"),),
    "print": (("Spooler", "Print Spooler", "auto"),),
}

ARC_SERVICES = (
    ("himds", "Azure Hybrid Instance Metadata Service", "auto"),
    ("GCArcService", "Machine configuration Arc Service", "auto"),
    ("ExtensionService", "Machine configuration Extension Service", "auto"),
)

_RUNNING_ON_DEMAND = frozenset({"WAS", "vmcompute"})


class Services:
    """The services of one server, found without regard to case."""

    def __init__(self, roles: Iterable[str], *, arc: bool) -> None:
        self._all: dict[str, Service] = {}
        for name, display, start, group in _STANDARD:
            path = _SVCHOST.format(group) if group else r"C:\Windows\servicing\TrustedInstaller.exe"
            self.add(Service(name, display, start, path))
        for role in roles:
            for name, display, start in _BY_ROLE[role]:
                self.add(Service(name, display, start, rf"C:\Windows\System32\{name}.exe"))
        if arc:
            for name, display, start in ARC_SERVICES:
                folder = r"C:\Program Files\AzureConnectedMachineAgent"
                self.add(Service(name, display, start, rf'"{folder}\{name}.exe"', rf"NT SERVICE\{name}"))
        for service in self._all.values():
            if service.starts_by_itself or service.name in _RUNNING_ON_DEMAND:
                service.state = RUNNING

    def add(self, service: Service) -> None:
        """Add one."""
        self._all[service.name.lower()] = service

    def remove(self, name: str) -> None:
        """Take one away."""
        self._all.pop(name.lower(), None)

    def find(self, name: str) -> Service | None:
        """The service of that name."""
        return self._all.get(name.lower())

    def all(self) -> list[Service]:
        """All, by name."""
        return sorted(self._all.values(), key=lambda item: item.name.lower())

    def stop_all(self) -> None:
        """What a shutdown does."""
        for service in self._all.values():
            service.state = STOPPED

    def start(self, *, delayed: bool, except_for: Iterable[str] = ()) -> None:
        """Start those that start by themselves at boot, or (``delayed``) a while later."""
        left_out = {name.lower() for name in except_for}
        for key, service in self._all.items():
            wanted = service.start == ("delayed" if delayed else "auto") or (
                delayed and service.name in _RUNNING_ON_DEMAND
            )
            if wanted and key not in left_out:
                service.state = RUNNING

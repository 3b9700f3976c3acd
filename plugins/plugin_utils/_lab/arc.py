# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Azure Connected Machine agent of one server: whether it is installed, what it is connected to, its settings.

What it shows: public outputs of agents 1.58 (Linux) and 1.64 (Windows). No whole ``show -j`` document was found: the
keys that working code reads stand here with their known names, the others follow the labels in camel case. A machine
that is not connected shows Disconnected with every line of its identity empty (recorded); one that has lost contact
keeps them. How the agent words that its resource is gone was not found: HCRP404 and its sentence are assumptions.
Settings and their texts: two public outputs of ``azcmagent config list``.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import (
    GROUP,
    LOCATION,
    ArcMachine,
    AzureSide,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.msi import AGENT, Package
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.services import ARC_SERVICES, RUNNING, Service

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

AGENT_VERSION = "1.58.03228.2572"
FOLDER = r"C:\Program Files\AzureConnectedMachineAgent"
PATH = rf"{FOLDER}\azcmagent.exe"
DATA = r"C:\ProgramData\AzureConnectedMachineAgent"
KEY = r"HKLM\SOFTWARE\Microsoft\Azure Connected Machine Agent"
UNINSTALL = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
PRODUCT_CODE = "{8F1B2C4E-6C58-4E0B-9B69-1D50AC0B7A11}"

_IDS = uuid.UUID("8c1a2c52-0ab1-4b71-9f39-0c6b6ee0b3a7")

#: Name, as ``config list`` shows it, and what it is unless somebody sets it; a list is several values.
SETTINGS: dict[str, str | list[str]] = {
    "incomingconnections.enabled": "true",
    "incomingconnections.ports": [],
    "connection.type": "default",
    "proxy.url": "",
    "proxy.bypass": [],
    "extensions.allowlist": [],
    "extensions.blocklist": [],
    "guestconfiguration.enabled": "true",
    "extensions.enabled": "true",
    "config.mode": "full",
    "guestconfiguration.agent.cpulimit": "5",
    "extensions.agent.cpulimit": "5",
}
PREVIEW = ("incomingconnections.enabled", "incomingconnections.ports", "connection.type")

# A heartbeat goes out every five minutes; an identity expires after 45 days without one.
_AGES = {
    "Connected": timedelta(minutes=3),
    "Disconnected": timedelta(hours=6),
    "Expired": timedelta(days=52),
}
_ERRORS = {
    "expired": ("", "The machine's identity certificate has expired."),
    "resource_deleted": ("HCRP404", "The requested resource was not found: the machine was deleted in Azure."),
    "disconnected": ("", 'Post "https://gbl.his.arc.azure.com": dial tcp: i/o timeout'),
}
_SERVICES = (
    ("Agent Service (himds)", "himds"),
    ("Azure Arc Proxy (arcproxy)", "arcproxy"),
    ("Extension Service (extensionservice)", "ExtensionService"),
    ("GC Service (gcarcservice)", "GCArcService"),
)


class ArcAgent:
    """The agent of one server, installed or not."""

    def __init__(self, machine: Machine, azure: AzureSide) -> None:
        self._machine = machine
        self.azure = azure
        state = machine.spec.arc
        self.version: str | None = None if state == "none" else AGENT_VERSION
        self.product_code = PRODUCT_CODE
        self.settings = {name: list(value) if isinstance(value, list) else value for name, value in SETTINGS.items()}
        self.identity: ArcMachine | None = None
        self.status = "Disconnected"
        self.error = ("", "")
        if machine.spec.internet_proxy and state in {"connected", "disconnected", "expired"}:
            self.settings["proxy.url"] = machine.spec.internet_proxy
        if state in {"connected", "disconnected", "expired", "resource_deleted"}:
            self._start(state)

    def _start(self, state: str) -> None:
        machine = self._machine
        place = machine.spec.arc_resource
        self.identity = ArcMachine(
            name=place.get("name", machine.hostname),
            resource_group=place.get("resource_group", GROUP),
            subscription_id=place.get("subscription_id", self.azure.settings.subscription_id),
            tenant_id=place.get("tenant_id", self.azure.settings.tenant_id),
            location=place.get("location", LOCATION),
            vm_id=_identifier(machine, "vm"),
            correlation_id=_identifier(machine, "correlation"),
        )
        self.status = {"connected": "Connected", "expired": "Expired"}.get(state, "Disconnected")
        self.error = _ERRORS.get(state, ("", ""))
        if state != "resource_deleted":
            self.azure.put(replace(self.identity, status=self.status, created=machine.now()))

    # What it is

    @property
    def installed(self) -> bool:
        """Whether the package is on the server."""
        return self.version is not None

    @property
    def connected(self) -> bool:
        """Whether Azure hears from it."""
        return self.installed and self.status == "Connected"

    @property
    def state(self) -> str:
        """One word, those of the fleet file."""
        if not self.installed:
            return "none"
        if self.identity is None:
            return "installed"
        if self.error[0] == "HCRP404":
            return "resource_deleted"
        return self.status.lower()

    @property
    def proxy(self) -> str:
        """Where its requests go through; empty for none."""
        return str(self.settings["proxy.url"])

    @property
    def answers(self) -> bool:
        """Whether its service runs."""
        service = self._machine.services.find("himds")
        return service is not None and service.state == RUNNING

    # What becomes of it

    def install(self, package: Package) -> None:
        """The package puts it there, or a newer one in its place."""
        machine = self._machine
        if self.installed:
            machine.registry.remove(rf"{UNINSTALL}\{self.product_code}")
        self.version, self.product_code = package.version, package.code
        now = machine.now()
        for folder in (FOLDER, rf"{DATA}\Log", rf"{DATA}\Config"):
            machine.disk.make_folder(folder, now)
        machine.place_program("azcmagent", PATH)
        for name, display, start in ARC_SERVICES:
            if machine.services.find(name) is None:
                machine.services.add(Service(name, display, start, rf'"{FOLDER}\{name}.exe"', rf"NT SERVICE\{name}"))
            service = machine.services.find(name)
            if service is not None:
                service.state = RUNNING
        self.register()

    def register(self) -> None:
        """What its package writes into the registry."""
        registry = self._machine.registry
        registry.text(KEY, "InstallLocation", f"{FOLDER}\\")
        path = rf"{UNINSTALL}\{self.product_code}"
        registry.text(path, "DisplayName", AGENT)
        registry.text(path, "DisplayVersion", self.version or "")
        registry.text(path, "Publisher", "Microsoft Corporation")
        registry.text(path, "UninstallString", f"MsiExec.exe /X{self.product_code}")
        registry.number(path, "WindowsInstaller", 1)

    def uninstall(self) -> None:
        """The package takes it away; its data folders stay (release notes)."""
        machine = self._machine
        machine.registry.remove(rf"{UNINSTALL}\{self.product_code}")
        machine.registry.remove(KEY)
        for name, _display, _start in ARC_SERVICES:
            machine.services.remove(name)
        machine.drop_program("azcmagent")
        self.version = None
        self.status, self.error = "Disconnected", ("", "")

    def connect(self, machine: ArcMachine) -> None:
        """It has an identity in Azure now."""
        self.identity = machine
        self.status, self.error = "Connected", ("", "")

    def forget(self) -> None:
        """It has no identity any more."""
        self.identity = None
        self.status, self.error = "Disconnected", ("", "")

    def regain_contact(self) -> None:
        """Its service was started: a machine that had only lost contact has it again."""
        if self.installed and self.identity is not None and self.state == "disconnected":
            self.status, self.error = "Connected", ("", "")
            self.azure.put(replace(self.identity, status="Connected"))

    # What it shows

    def document(self) -> dict[str, Any]:
        """What ``show -j`` prints."""
        machine, own = self._machine, self.identity
        heartbeat = machine.now() - _AGES[self.status]
        provider = "AzSHCI" if machine.spec.platform.startswith("azure-local") else "N/A"
        portal = f"https://portal.azure.com/#@{own.tenant_id}/resource{own.id}/overview" if own else ""
        return {
            "resourceName": own.name if own else "",
            "resourceGroup": own.resource_group if own else "",
            "resourceNamespace": "Microsoft.HybridCompute" if own else "",
            "resourceId": own.id if own else "",
            "subscriptionId": own.subscription_id if own else "",
            "tenantId": own.tenant_id if own else "",
            "vmId": own.vm_id if own else "",
            "correlationId": own.correlation_id if own else "",
            "vmUuid": _identifier(machine, "uuid").upper() if own else "",
            "location": own.location if own else "",
            "cloud": own.cloud if own else "",
            "agentVersion": self.version or "",
            "agentLogfile": rf"{DATA}\Log\himds.log",
            "status": self.status,
            "lastHeartbeat": f"{heartbeat:%Y-%m-%dT%H:%M:%SZ}" if own else "",
            "agentErrorCode": self.error[0],
            "agentErrorDetails": self.error[1],
            "agentErrorTimestamp": f"{machine.now():%Y-%m-%dT%H:%M:%SZ}" if any(self.error) else "",
            "httpsProxy": self.proxy,
            "proxyBypass": self.settings["proxy.bypass"],
            "upstreamProxy": "",
            "gatewayUrl": f"https://{uuid.uuid5(_IDS, own.gateway_id)}.gw.arc.azure.com"
            if own and own.gateway_id
            else "",
            "privateLinkScope": own.private_link_scope if own else "",
            "cloudProvider": provider,
            "manufacturer": machine.manufacturer,
            "model": machine.model,
            "mssqlDiscovered": "true" if "sql" in machine.spec.roles else "false",
            "services": [
                {"displayName": label, "serviceName": service, "status": self._service_state(service)}
                for label, service in _SERVICES
            ],
            "portalPage": portal,
            "disabledFeatures": [],
        }

    def _service_state(self, name: str) -> str:
        service = self._machine.services.find(name)
        if service is None:
            return "unknown"
        return "running" if service.state == RUNNING else "stopped"


def _identifier(machine: Machine, what: str) -> str:
    return str(uuid.uuid5(_IDS, f"{machine.name}/{what}"))


def new_vm_id(machine: Machine, number: int) -> str:
    """The identity that a new connection gets."""
    return _identifier(machine, f"vm/{number}")

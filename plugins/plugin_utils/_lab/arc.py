# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Azure Connected Machine agent: azcmagent show, show -j and version.

Labels and their order: public outputs of agents 1.58 (Linux) and 1.64 (Windows). No whole ``show -j`` document was
found: the keys that working code reads stand here with their known names, the others follow the labels in camel case.
"""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.services import RUNNING
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Call

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

AGENT_VERSION = "1.58.03228.2572"
PATH = r"C:\Program Files\AzureConnectedMachineAgent\azcmagent.exe"

_IDS = uuid.UUID("8c1a2c52-0ab1-4b71-9f39-0c6b6ee0b3a7")
_TENANT = "6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10"
_SUBSCRIPTION = "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33"
GROUP = "rg-arc-servers"
LOCATION = "westeurope"

_STATUS = {"connected": "Connected", "disconnected": "Disconnected", "expired": "Expired"}
_SERVICES = (
    ("Agent Service (himds)", "himds"),
    ("Azure Arc Proxy (arcproxy)", "arcproxy"),
    ("Extension Service (extensionservice)", "ExtensionService"),
    ("GC Service (gcarcservice)", "GCArcService"),
)


def document(machine: Machine) -> dict[str, Any]:
    """What ``show -j`` prints."""
    state = machine.spec.arc
    known = state in {"connected", "expired"}
    name = machine.hostname
    resource = (
        f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.HybridCompute/machines/{name}"
    )
    # A heartbeat goes out every five minutes; an identity expires after 45 days without one.
    age = timedelta(minutes=3) if state == "connected" else timedelta(days=52)
    return {
        "resourceName": name if known else "",
        "resourceGroup": GROUP if known else "",
        "resourceNamespace": "Microsoft.HybridCompute" if known else "",
        "resourceId": resource if known else "",
        "subscriptionId": _SUBSCRIPTION if known else "",
        "tenantId": _TENANT if known else "",
        "vmId": _identifier(machine, "vm") if known else "",
        "correlationId": _identifier(machine, "correlation") if known else "",
        "vmUuid": _identifier(machine, "uuid").upper() if known else "",
        "location": LOCATION if known else "",
        "cloud": "AzureCloud" if known else "",
        "agentVersion": AGENT_VERSION,
        "agentLogfile": r"C:\ProgramData\AzureConnectedMachineAgent\Log\himds.log",
        "status": _STATUS.get(state, ""),
        "lastHeartbeat": f"{machine.now() - age:%Y-%m-%dT%H:%M:%SZ}" if known else "",
        "agentErrorCode": "",
        "agentErrorDetails": "The machine's identity certificate has expired." if state == "expired" else "",
        "agentErrorTimestamp": "",
        "httpsProxy": "",
        "proxyBypass": [],
        "upstreamProxy": "",
        "gatewayUrl": "",
        "privateLinkScope": "",
        "cloudProvider": "N/A",
        "manufacturer": machine.manufacturer,
        "model": machine.model,
        "mssqlDiscovered": "true" if "sql" in machine.spec.roles else "false",
        "services": [
            {"displayName": label, "serviceName": service, "status": _service_state(machine, service)}
            for label, service in _SERVICES
        ],
        "portalPage": f"https://portal.azure.com/#@{_TENANT}/resource{resource}/overview" if known else "",
        "disabledFeatures": [],
    }


def _identifier(machine: Machine, what: str) -> str:
    return str(uuid.uuid5(_IDS, f"{machine.name}/{what}"))


def _service_state(machine: Machine, name: str) -> str:
    service = machine.services.find(name)
    if service is None:
        return "unknown"
    return "running" if service.state == RUNNING else "stopped"


def azcmagent(call: Call) -> int:
    """The program."""
    words = call.words
    verb = next((word for word in words if not word.startswith("-")), "")
    if verb == "version":
        call.out(f"azcmagent version {AGENT_VERSION}\r\n")
        return 0
    if verb != "show":
        call.err("This lab only simulates azcmagent show and azcmagent version.\r\n")
        return 1
    found = document(call.machine)
    wanted = [word for word in words[1:] if not word.startswith("-")]
    if wanted:
        found = {key: value for key, value in found.items() if key.lower() in {word.lower() for word in wanted}}
    if {"-j", "--json"} & set(words):
        call.out(json.dumps(found, indent=2) + "\n")
        return 0
    _show_text(call, found)
    return 0


_LABELS = (
    ("Resource Name", "resourceName"),
    ("Resource Group Name", "resourceGroup"),
    ("Resource Namespace", "resourceNamespace"),
    ("Resource Id", "resourceId"),
    ("Subscription ID", "subscriptionId"),
    ("Tenant ID", "tenantId"),
    ("VM ID", "vmId"),
    ("Correlation ID", "correlationId"),
    ("VM UUID", "vmUuid"),
    ("Location", "location"),
    ("Cloud", "cloud"),
    ("Agent Version", "agentVersion"),
    ("Agent Logfile", "agentLogfile"),
    ("Agent Status", "status"),
    ("Agent Last Heartbeat", "lastHeartbeat"),
    ("Agent Error Code", "agentErrorCode"),
    ("Agent Error Details", "agentErrorDetails"),
    ("Agent Error Timestamp", "agentErrorTimestamp"),
    ("Using HTTPS Proxy", "httpsProxy"),
    ("Upstream Proxy", "upstreamProxy"),
    ("Cloud Provider", "cloudProvider"),
    ("Manufacturer", "manufacturer"),
    ("Model", "model"),
    ("MSSQL Server Detected", "mssqlDiscovered"),
)


def _show_text(call: Call, found: dict[str, Any]) -> None:
    for label, key in _LABELS:
        if key in found:
            call.out(f"{label:<40}: {found[key]}\r\n")
    if "services" in found:
        call.out(f"{'Dependent Service Status':<40}\r\n")
        for row in found["services"]:
            call.out(f"  {row['displayName']:<38}: {row['status']}\r\n")
    if "portalPage" in found:
        call.out(f"{'Portal Page':<40}: {found['portalPage']}\r\n{'Disabled Features':<40}: \r\n")

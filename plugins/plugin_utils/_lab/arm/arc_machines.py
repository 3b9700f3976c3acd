# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft.HybridCompute/machines: what Azure shows of the fleet's Arc machines, and the settings it takes.

The document: Microsoft's specification 2024-07-10 and its examples. ``enableHotpatching`` is the switch that pauses
hotpatching without leaving; its status is worked out from the licence, the switch, the agent and virtualization-based
security.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import content
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import ArmAnswer, ArmRequest
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.routes import GROUP, SUBSCRIPTION, Route
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import ArcMachine

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure

KIND = "Microsoft.HybridCompute/machines"
#: Those that know the licence profile; each has the same form of what is used here.
VERSIONS = (
    "2023-10-03-preview",
    "2024-03-31-preview",
    "2024-05-20-preview",
    "2024-07-10",
    "2024-07-31-preview",
    "2024-09-10-preview",
    "2024-11-10-preview",
    "2025-01-13",
    "2025-02-19-preview",
    "2025-06-01",
    "2026-07-15",
)
_PAGE = 100

_PATCH_SETTINGS = {
    "assessmentMode": ("ImageDefault", "AutomaticByPlatform"),
    "patchMode": ("ImageDefault", "AutomaticByPlatform", "AutomaticByOS", "Manual"),
    "enableHotpatching": bool,
}
_UPDATE = {
    "tags": content.TAGS,
    "identity": {"type": ("SystemAssigned",)},
    "kind": str,
    "properties": {
        "locationData": {"name!": str, "city": str, "district": str, "countryOrRegion": str},
        "osProfile": {
            "windowsConfiguration": {"patchSettings": _PATCH_SETTINGS},
            "linuxConfiguration": {"patchSettings": _PATCH_SETTINGS},
        },
        "cloudMetadata": {},
        "agentUpgrade": {"desiredVersion": str, "correlationId": str, "enableAutomaticUpgrade": bool},
        "parentClusterResourceId": str,
        "privateLinkScopeResourceId": str,
    },
}


def document(azure: Azure, resource: ArcMachine, *, instance_view: bool = False) -> dict[str, Any]:
    """The resource as ARM shows it."""
    machine = azure.machine_of(resource)
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "status": resource.status,
        "vmId": resource.vm_id,
        "displayName": resource.name,
        "osType": "windows",
        "osProfile": {
            "computerName": resource.name,
            "windowsConfiguration": {"patchSettings": azure.licences.patch_settings(resource)},
        },
        "mssqlDiscovered": "false",
    }
    if machine is not None:
        product = machine.spec.product_data
        properties |= {
            "agentVersion": machine.arc.version or "",
            "osName": "windows",
            "osVersion": f"10.0.{product.build}.{machine.updates.ubr}",
            "osSku": machine.spec.edition_data.name,
            "osEdition": machine.spec.edition_data.edition_id.removeprefix("Server").removesuffix("Eval"),
            "machineFqdn": f"{resource.name}.{machine.spec.domain}" if machine.spec.domain else resource.name,
            "dnsFqdn": f"{resource.name}.{machine.spec.domain}" if machine.spec.domain else resource.name,
            "domainName": machine.spec.domain or "WORKGROUP",
            "lastStatusChange": azure.machine_since(resource),
            "detectedProperties": {
                "cloudprovider": "N/A",
                "manufacturer": machine.manufacturer,
                "model": machine.model,
            },
        }
    elif (reported := resource.reported) is not None:
        properties |= {
            "agentVersion": "1.61.03319.2737",
            "osName": "windows",
            "osVersion": reported.os_version,
            "osSku": reported.os_sku,
            "osEdition": reported.os_edition,
            "machineFqdn": reported.fqdn,
            "dnsFqdn": reported.fqdn,
            "domainName": reported.fqdn.partition(".")[2],
        }
    if instance_view and (shown := azure.licences.instance_view(resource)):
        properties["licenseProfile"] = shown
    return {
        "id": resource.id,
        "name": resource.name,
        "type": KIND,
        "location": resource.location,
        "tags": dict(resource.tags),
        "identity": {
            "type": "SystemAssigned",
            "principalId": azure.identifier(resource.id, "principal"),
            "tenantId": resource.tenant_id,
        },
        "properties": properties,
    }


def _get(azure: Azure, request: ArmRequest) -> ArmAnswer:
    expand = request.query.get("$expand", "")
    resource = azure.arc_machine(request)
    return ArmAnswer(200, document(azure, resource, instance_view=expand.lower() == "instanceview"))


def _update(azure: Azure, request: ArmRequest) -> ArmAnswer:
    resource = azure.arc_machine(request)
    content.check(request.body, _UPDATE)
    if "tags" in request.body:
        resource.tags = dict(request.body["tags"] or {})
    properties = request.body.get("properties") or {}
    configuration = (properties.get("osProfile") or {}).get("windowsConfiguration") or {}
    if settings := configuration.get("patchSettings"):
        azure.licences.change_settings(resource, copy.deepcopy(settings))
    azure.wrote(request, resource.id)
    return ArmAnswer(200, document(azure, resource))


def _list(azure: Azure, request: ArmRequest) -> ArmAnswer:
    group = request.names.get("group")
    chosen = [item for item in azure.side.machines if group is None or item.resource_group.lower() == group.lower()]
    return page(request, chosen, lambda item: document(azure, item))


def page(request: ArmRequest, items: list[Any], shown: Any, size: int = _PAGE) -> ArmAnswer:
    """One page of a list, with the address of the next."""
    start = int(request.query.get("$skiptoken") or 0)
    value = [shown(item) for item in _slice(items, start, size)]
    answer: dict[str, Any] = {"value": value}
    if start + size < len(items):
        query = f"api-version={request.api_version}&%24skiptoken={start + size}"
        answer["nextLink"] = f"{request.origin}{request.path}?{query}"
    return ArmAnswer(200, answer)


def _slice(items: list[Any], start: int, size: int) -> Iterable[Any]:
    return items[start : start + size]


ROUTES = (
    Route("GET", f"{GROUP}/providers/{KIND}/{{machine}}", f"{KIND}/read", VERSIONS, _get),
    Route("PATCH", f"{GROUP}/providers/{KIND}/{{machine}}", f"{KIND}/write", VERSIONS, _update),
    Route("GET", f"{GROUP}/providers/{KIND}", f"{KIND}/read", VERSIONS, _list),
    Route("GET", f"{SUBSCRIPTION}/providers/{KIND}", f"{KIND}/read", VERSIONS, _list),
)

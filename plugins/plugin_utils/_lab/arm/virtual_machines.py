# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft.Compute/virtualMachines: the fleet's servers whose platform is ``azure``, as Azure shows them.

The document: Microsoft's specification 2024-07-01. The image is the one of the eight that hotpatching is offered for
which fits the server (learn.microsoft.com, "Hotpatch for Windows Server"), or an ordinary one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.arc_machines import page
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    ArmAnswer,
    ArmRequest,
    resource_not_found,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.routes import GROUP, SUBSCRIPTION, Route
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import LOCATION

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

KIND = "Microsoft.Compute/virtualMachines"
VERSIONS = ("2023-09-01", "2024-03-01", "2024-07-01", "2024-11-01", "2025-04-01", "2026-04-01")


def resource_id(azure: Azure, machine: Machine) -> str:
    """The id of a server's virtual machine."""
    settings = azure.side.settings
    return (
        f"/subscriptions/{settings.subscription_id}/resourceGroups/{settings.resource_groups[0]}"
        f"/providers/{KIND}/{machine.spec.name}"
    )


def image(machine: Machine) -> dict[str, str]:
    """The marketplace image it was made from."""
    spec = machine.spec
    year = "2025" if spec.product_data.build >= 26100 else "2022"
    if spec.edition_data.azure:
        sku = f"{year}-datacenter-azure-edition" + ("-core" if spec.core else "" if year == "2025" else "-hotpatch")
    else:
        sku = f"{year}-datacenter" + ("-core" if spec.core else "")
    return {"publisher": "MicrosoftWindowsServer", "offer": "WindowsServer", "sku": sku, "version": "latest"}


def document(azure: Azure, machine: Machine) -> dict[str, Any]:
    """The resource as ARM shows it."""
    hotpatch = machine.licence.enrolled and not machine.licence.opted_out and machine.spec.edition_data.azure
    return {
        "id": resource_id(azure, machine),
        "name": machine.spec.name,
        "type": KIND,
        "location": LOCATION,
        "properties": {
            "vmId": azure.identifier(machine.name, "virtual machine"),
            "provisioningState": "Succeeded",
            "storageProfile": {"imageReference": image(machine)},
            "osProfile": {
                "computerName": machine.hostname,
                "adminUsername": machine.spec.username,
                "windowsConfiguration": {
                    "provisionVMAgent": True,
                    "enableAutomaticUpdates": True,
                    "patchSettings": {
                        "patchMode": "AutomaticByPlatform" if hotpatch else "AutomaticByOS",
                        "assessmentMode": "ImageDefault",
                        "enableHotpatching": hotpatch,
                    },
                },
            },
        },
    }


def _find(azure: Azure, request: ArmRequest) -> Machine:
    azure.check_group(request)
    name = request.names["vm"]
    found = next((item for item in azure.virtual_machines if item.spec.name.lower() == name.lower()), None)
    if found is None:
        raise resource_not_found(KIND, name, request.names["group"])
    return found


def _get(azure: Azure, request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, document(azure, _find(azure, request)))


def _list(azure: Azure, request: ArmRequest) -> ArmAnswer:
    if "group" in request.names:
        azure.check_group(request)
    return page(request, azure.virtual_machines, lambda item: document(azure, item))


ROUTES = (
    Route("GET", f"{GROUP}/providers/{KIND}/{{vm}}", f"{KIND}/read", VERSIONS, _get),
    Route("GET", f"{GROUP}/providers/{KIND}", f"{KIND}/read", VERSIONS, _list),
    Route("GET", f"{SUBSCRIPTION}/providers/{KIND}", f"{KIND}/read", VERSIONS, _list),
)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines that are made through ARM: they exist in Azure only, no server of the lab answers behind them.

The body: Microsoft's specification 2024-07-01. That some regions do not have the 2025 images and answer 400:
Microsoft's page "Hotpatch for Windows Server"; which regions, the code and the words are assumptions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import content, virtual_machines
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    ArmAnswer,
    ArmRefusal,
    ArmRequest,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.routes import GROUP, SUBSCRIPTION, Route

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure

KIND = virtual_machines.KIND
REGIONS_WITHOUT_2025 = ("germanynorth", "norwaywest", "southafricawest")
_SECONDS = 90.0
_REFERENCE = {"id!": str}
_NEW = {
    "location!": str,
    "tags": content.TAGS,
    "zones": [str],
    "properties!": {
        "hardwareProfile!": {"vmSize!": str},
        "licenseType": str,
        "securityProfile": {
            "securityType": ("TrustedLaunch", "ConfidentialVM", "Standard"),
            "uefiSettings": {"secureBootEnabled": bool, "vTpmEnabled": bool},
        },
        "storageProfile!": {
            "imageReference!": {"publisher": str, "offer": str, "sku": str, "version": str, "id": str},
            "osDisk": {
                "createOption!": ("FromImage", "Attach", "Empty"),
                "diskSizeGB": int,
                "managedDisk": {"storageAccountType": str},
                "deleteOption": ("Delete", "Detach"),
            },
        },
        "osProfile!": {
            "computerName!": str,
            "adminUsername!": str,
            "adminPassword!": str,
            "windowsConfiguration": virtual_machines.WINDOWS,
        },
        "networkProfile!": {
            "networkInterfaces": [
                {**_REFERENCE, "properties": {"primary": bool, "deleteOption": ("Delete", "Detach")}}
            ],
            "networkApiVersion": str,
            "networkInterfaceConfigurations": [
                {
                    "name!": str,
                    "properties": {
                        "primary": bool,
                        "deleteOption": ("Delete", "Detach"),
                        "ipConfigurations!": [
                            {"name!": str, "properties": {"primary": bool, "subnet": _REFERENCE}},
                        ],
                    },
                }
            ],
        },
    },
}


@dataclass
class Made:
    """One that was made."""

    document: dict[str, Any]
    over: Callable[[], str | None]

    def shown(self) -> dict[str, Any]:
        """The resource as ARM shows it; the password never."""
        shown = copy.deepcopy(self.document)
        shown["properties"]["provisioningState"] = self.over() or "Creating"
        return shown

    def change(self, wanted: Mapping[str, Any]) -> None:
        """PATCH of the Windows configuration.

        :raises ArmRefusal: the settings do not go together.
        """
        properties = self.document["properties"]
        after = virtual_machines.settings_after(properties["osProfile"]["windowsConfiguration"], wanted)
        virtual_machines.check_settings(str(properties["storageProfile"]["imageReference"].get("sku", "")), after)
        properties["osProfile"]["windowsConfiguration"] = after


def _put(azure: Azure, request: ArmRequest) -> ArmAnswer:
    azure.check_group(request)
    if virtual_machines.made_key(request) in azure.made or any(
        item.spec.name.lower() == request.names["vm"].lower() for item in azure.virtual_machines
    ):
        raise ArmRefusal(409, "PropertyChangeNotAllowed", "Changing property 'imageReference' is not allowed.")
    content.check(request.body, _NEW)
    properties = request.body["properties"]
    sku = str(properties["storageProfile"]["imageReference"].get("sku", ""))
    location = request.body["location"].lower().replace(" ", "")
    if sku.lower().startswith("2025-") and location in REGIONS_WITHOUT_2025:
        raise ArmRefusal(
            400, "ImageNotAvailableInRegion", f"The image '{sku}' is not available in the location '{location}'."
        )
    if len(properties["osProfile"]["computerName"]) > 15:
        raise ArmRefusal(
            400, "InvalidParameter", "Windows computer name cannot be more than 15 characters long.",
        )  # fmt: skip
    windows = virtual_machines.settings_after(
        {
            "provisionVMAgent": True,
            "enableAutomaticUpdates": True,
            "patchSettings": {
                "patchMode": "AutomaticByOS",
                "assessmentMode": "ImageDefault",
                "enableHotpatching": False,
            },
        },
        properties["osProfile"].get("windowsConfiguration") or {},
    )
    virtual_machines.check_settings(sku, windows)
    document = copy.deepcopy({**request.body, "properties": {**properties, "osProfile": dict(properties["osProfile"])}})
    profile = document["properties"]["osProfile"]
    profile.pop("adminPassword")
    profile["windowsConfiguration"] = windows
    group = request.path.split("/providers/")[0]
    document |= {"id": f"{group}/providers/{KIND}/{request.names['vm']}", "name": request.names["vm"], "type": KIND}
    document["properties"]["vmId"] = azure.identifier(document["id"], "virtual machine")
    operation = azure.operations.begin(location, azure.operations.after(_SECONDS))
    new = azure.made[virtual_machines.made_key(request)] = Made(document, azure.operations.after(_SECONDS))
    headers = azure.operations.headers(operation, request, "Microsoft.Compute")
    # A new virtual machine tells by Azure-AsyncOperation alone.
    headers.pop("Location")
    return ArmAnswer(201, new.shown(), headers)


def _status(azure: Azure, request: ArmRequest) -> ArmAnswer:
    return azure.operations.answer_status(request)


ROUTES = (
    Route("PUT", f"{GROUP}/providers/{KIND}/{{vm}}", f"{KIND}/write", virtual_machines.VERSIONS, _put),
    Route(
        "GET",
        f"{SUBSCRIPTION}/providers/Microsoft.Compute/locations/{{location}}/operationStatus/{{operation}}",
        "Microsoft.Compute/locations/operations/read",
        virtual_machines.VERSIONS,
        _status,
    ),
)

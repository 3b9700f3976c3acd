# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""A new Azure VM with hotpatches on from its start: the body that makes it, and what cannot be changed later. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_settings_change import (
    HOTPATCH_SKUS,
    OFFER,
    PUBLISHER,
)

#: Regions that Microsoft's page names as having the 2025 images; there are more.
GOOD_REGIONS = ("uksouth", "eastasia", "westcentralus")
_COMPUTER = re.compile(r"(?!\d+$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,13}[A-Za-z0-9])?")
_ID = re.compile(r"/subscriptions/[^/\s?#]+/resourceGroups/[^/\s?#]+/providers/Microsoft\.Network/(.+)", re.IGNORECASE)


@dataclass(frozen=True)
class NewMachine:
    """What a person wants to have made; the password is in none of its words."""

    name: str
    location: str
    image: str
    size: str
    admin_username: str
    network_interface_id: str | None = None
    subnet_id: str | None = None
    computer_name: str | None = None
    disk_type: str = "Premium_LRS"
    disk_size: int | None = None
    zone: str | None = None
    tags: Mapping[str, str] | None = None


def check(wanted: NewMachine) -> None:
    """
    :raises InvalidInput: an option is malformed, or they contradict each other.
    """
    if wanted.image.lower() not in HOTPATCH_SKUS:
        raise InvalidInput(f"image: {wanted.image!r} is none that hotpatching is for: {', '.join(HOTPATCH_SKUS)}.")
    if (wanted.network_interface_id is None) == (wanted.subnet_id is None):
        raise InvalidInput("Give one of network_interface_id and subnet_id.")
    given = wanted.network_interface_id or wanted.subnet_id or ""
    found = _ID.fullmatch(given)
    kind = r"networkInterfaces/[\w.-]+" if wanted.network_interface_id else r"virtualNetworks/[\w.-]+/subnets/[\w.-]+"
    if found is None or not re.fullmatch(kind, found.group(1), re.IGNORECASE):
        raise InvalidInput(
            f"{given!r} is no resource id of a {'network interface' if wanted.network_interface_id else 'subnet'}."
        )
    if not _COMPUTER.fullmatch(wanted.computer_name or wanted.name):
        raise InvalidInput(
            f"{wanted.computer_name or wanted.name!r} is no computer name: 1 to 15 letters, digits and hyphens, not "
            "digits alone.",
            hint="Set computer_name when the name of the resource is longer.",
        )


def body_of(wanted: NewMachine, password: str) -> dict[str, Any]:
    """The body of the PUT, in ARM's wire form."""
    network: dict[str, Any]
    if wanted.network_interface_id is not None:
        network = {"networkInterfaces": [{"id": wanted.network_interface_id, "properties": {"primary": True}}]}
    else:
        address = {"name": "ipconfig1", "properties": {"primary": True, "subnet": {"id": wanted.subnet_id}}}
        interface = {"primary": True, "deleteOption": "Delete", "ipConfigurations": [address]}
        network = {
            "networkApiVersion": "2020-11-01",
            "networkInterfaceConfigurations": [{"name": f"{wanted.name}-nic", "properties": interface}],
        }
    disk: dict[str, Any] = {
        "createOption": "FromImage",
        "managedDisk": {"storageAccountType": wanted.disk_type},
        "deleteOption": "Delete",
    }
    if wanted.disk_size is not None:
        disk["diskSizeGB"] = wanted.disk_size
    return {
        "location": wanted.location,
        **({"tags": dict(wanted.tags)} if wanted.tags else {}),
        **({"zones": [wanted.zone]} if wanted.zone else {}),
        "properties": {
            "hardwareProfile": {"vmSize": wanted.size},
            # Hotpatches need Secure Boot and virtualization-based security.
            "securityProfile": {
                "securityType": "TrustedLaunch",
                "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
            },
            "storageProfile": {
                "imageReference": {
                    "publisher": PUBLISHER, "offer": OFFER, "sku": wanted.image.lower(), "version": "latest",
                },
                "osDisk": disk,
            },
            "osProfile": {
                "computerName": wanted.computer_name or wanted.name,
                "adminUsername": wanted.admin_username,
                "adminPassword": password,
                "windowsConfiguration": {
                    "provisionVMAgent": True,
                    "enableAutomaticUpdates": True,
                    "patchSettings": {
                        "patchMode": "AutomaticByPlatform",
                        "enableHotpatching": True,
                        "assessmentMode": "AutomaticByPlatform",
                    },
                },
            },
            "networkProfile": network,
        },
    }  # fmt: skip


def check_existing(document: Mapping[str, Any], wanted: NewMachine) -> None:
    """
    :raises Refused: a machine of this name is there, and it is another one than is wanted.
    """
    properties = document.get("properties") or {}
    image = (properties.get("storageProfile") or {}).get("imageReference") or {}
    size = (properties.get("hardwareProfile") or {}).get("vmSize")
    shown = {
        "image": (str(image.get("sku") or "custom").lower(), wanted.image.lower()),
        "location": (_region(document.get("location")), _region(wanted.location)),
        **({"size": (str(size).lower(), wanted.size.lower())} if size else {}),
    }
    other = [f"{name} is {now}, and {then} is wanted" for name, (now, then) in shown.items() if now != then]
    if other:
        raise Refused(
            f"{wanted.name} is there already: {'; '.join(other)}. Nothing was changed.",
            code="other_machine",
            hint="Take another name, or change what it is by means of your own.",
        )


def region_hint(wanted: NewMachine) -> str:
    """What to do when Azure refuses to make it."""
    return (
        f"Not every region has the 2025 Azure Edition images, and Azure answers HTTP 400 there. When that is the "
        f"cause, take another region than {wanted.location}, for example {', '.join(GOOD_REGIONS)}."
    )


def _region(text: Any) -> str:
    return str(text or "").lower().replace(" ", "")

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft.Compute/virtualMachines: the fleet's servers whose platform is ``azure``, as Azure shows and changes them.

The document: Microsoft's specification 2024-07-01. The image is the one of the eight that hotpatching is offered for
which fits the server (learn.microsoft.com, "Hotpatch for Windows Server"), or an ordinary one, or a custom one where
the fleet file says so. The two sentences that refuse hotpatching: Azure/azure-cli issue 21504 and
claranet/terraform-azurerm-windows-vm issue 4. That a custom image, or one not on the list, is refused in these words,
and what else of the Windows configuration cannot be changed, are this lab's assumptions.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import content
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.arc_machines import page
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    ArmAnswer,
    ArmRefusal,
    ArmRequest,
    resource_not_found,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.routes import GROUP, SUBSCRIPTION, Route
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import LOCATION

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.patch_runs import Run
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

KIND = "Microsoft.Compute/virtualMachines"
SCALE_SETS = "Microsoft.Compute/virtualMachineScaleSets"
VERSIONS = ("2023-09-01", "2024-03-01", "2024-07-01", "2024-11-01", "2025-04-01", "2026-04-01")
HOTPATCH_IMAGES = (
    *(f"2022-datacenter-azure-edition-{tail}" for tail in ("core", "core-smalldisk", "hotpatch", "hotpatch-smalldisk")),
    *(f"2025-datacenter-azure-edition{tail}" for tail in ("", "-smalldisk", "-core", "-core-smalldisk")),
)
_NEEDS_PLATFORM = (
    "EnableHotpatching cannot be set to true. For enableHotpatching, the 'provisionVMAgent' must be set to true and "
    "'patchMode' must be set to 'AutomaticByPlatform'."
)
_NEEDS_CHECKS = (
    "Hotpatch updates require platform safety checks. The 'BypassPlatformSafetyChecksOnUserSchedule' flag must be set "
    "to false"
)
_SETTINGS_SECONDS = 120.0

WINDOWS = {
    "provisionVMAgent": bool,
    "enableAutomaticUpdates": bool,
    "timeZone": str,
    "patchSettings": {
        "patchMode": ("Manual", "AutomaticByOS", "AutomaticByPlatform"),
        "enableHotpatching": bool,
        "assessmentMode": ("ImageDefault", "AutomaticByPlatform"),
        "automaticByPlatformSettings": {
            "rebootSetting": ("Unknown", "IfRequired", "Never", "Always"),
            "bypassPlatformSafetyChecksOnUserSchedule": bool,
        },
    },
}
_UPDATE = {
    "tags": content.TAGS,
    "properties": {"osProfile": {"windowsConfiguration": WINDOWS}},
}


def resource_id(azure: Azure, machine: Machine) -> str:
    """The id of a server's virtual machine."""
    return f"{_group_id(azure)}/providers/{KIND}/{machine.spec.name}"


def _group_id(azure: Azure) -> str:
    settings = azure.side.settings
    return f"/subscriptions/{settings.subscription_id}/resourceGroups/{settings.resource_groups[0]}"


def image(azure: Azure, machine: Machine) -> dict[str, str]:
    """The image it was made from."""
    spec = machine.spec
    sku = spec.azure_vm.get("image", "")
    if sku == "custom":
        gallery = f"{_group_id(azure)}/providers/Microsoft.Compute/galleries/own/images/windows"
        return {"id": gallery}
    if not sku:
        year = "2025" if spec.product_data.build >= 26100 else "2022"
        if spec.edition_data.azure:
            sku = f"{year}-datacenter-azure-edition" + ("-core" if spec.core else "" if year == "2025" else "-hotpatch")
        else:
            sku = f"{year}-datacenter" + ("-core" if spec.core else "")
    return {"publisher": "MicrosoftWindowsServer", "offer": "WindowsServer", "sku": sku, "version": "latest"}


def settings_after(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A Windows configuration with what is wanted; what is not named stays."""
    after = copy.deepcopy({**now, **{name: value for name, value in wanted.items() if name != "patchSettings"}})
    given = wanted.get("patchSettings") or {}
    settings = after["patchSettings"]
    settings.update({name: value for name, value in given.items() if name != "automaticByPlatformSettings"})
    if inner := given.get("automaticByPlatformSettings"):
        settings["automaticByPlatformSettings"] = {**settings.get("automaticByPlatformSettings", {}), **inner}
    return after


def check_settings(sku: str, after: Mapping[str, Any]) -> None:
    """
    :raises ArmRefusal: the settings do not go together, or not with the image.
    """
    settings = after["patchSettings"]
    platform = settings["patchMode"] == "AutomaticByPlatform"
    own = settings.get("automaticByPlatformSettings") or {}
    if settings["patchMode"] == "Manual" and after["enableAutomaticUpdates"]:
        raise ArmRefusal(
            400,
            "InvalidParameter",
            "The value 'Manual' of 'patchMode' needs 'enableAutomaticUpdates' to be set to false.",
        )
    if own and not platform:
        raise ArmRefusal(
            400, "InvalidParameter", "'automaticByPlatformSettings' needs 'patchMode' to be 'AutomaticByPlatform'."
        )
    if (platform or settings["assessmentMode"] == "AutomaticByPlatform") and not after["provisionVMAgent"]:
        raise ArmRefusal(400, "InvalidParameter", "'AutomaticByPlatform' needs 'provisionVMAgent' to be true.")
    if not settings["enableHotpatching"]:
        return
    if not (platform and after["provisionVMAgent"]):
        raise ArmRefusal(400, "InvalidParameter", _NEEDS_PLATFORM)
    if own.get("bypassPlatformSafetyChecksOnUserSchedule"):
        raise ArmRefusal(400, "InvalidParameter", _NEEDS_CHECKS)
    if sku.lower() not in HOTPATCH_IMAGES:
        raise ArmRefusal(
            400, "InvalidParameter", "The image of the virtual machine does not support 'enableHotpatching'."
        )


class VmSettings:
    """What Azure keeps of each virtual machine's Windows configuration, made when it is first looked at."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._known: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, float] = {}

    def of(self, machine: Machine) -> dict[str, Any]:
        """The Windows configuration."""
        if machine.name not in self._known:
            licence = machine.licence
            hotpatch = licence.enrolled and not licence.opted_out and machine.spec.edition_data.azure
            self._known[machine.name] = {
                "provisionVMAgent": machine.spec.azure_vm.get("provision_vm_agent", "true") == "true",
                "enableAutomaticUpdates": True,
                "patchSettings": {
                    "patchMode": "AutomaticByPlatform" if hotpatch else "AutomaticByOS",
                    "assessmentMode": "ImageDefault",
                    "enableHotpatching": hotpatch,
                },
            }
        return self._known[machine.name]

    def change(self, machine: Machine, wanted: Mapping[str, Any]) -> None:
        """PATCH: what is not named stays.

        :raises ArmRefusal: the settings do not go together.
        """
        now = self.of(machine)
        after = settings_after(now, wanted)
        settings = after["patchSettings"]
        for name in ("provisionVMAgent", "enableAutomaticUpdates"):
            if after[name] != now[name]:
                raise ArmRefusal(
                    409, "PropertyChangeNotAllowed", f"Changing property 'windowsConfiguration.{name}' is not allowed."
                )
        check_settings(image(self._azure, machine).get("sku", ""), after)
        self._known[machine.name] = after
        self._changed[machine.name] = self._azure.timeline.seconds()
        if settings["enableHotpatching"] != now["patchSettings"]["enableHotpatching"]:
            on = settings["enableHotpatching"] is True
            machine.licence.ask(enrolled=True if on else None, opted_out=not on)

    def configuration_state(self, machine: Machine) -> str:
        """Whether the agent has taken the last change over."""
        at = self._changed.get(machine.name)
        timeline = self._azure.timeline
        fresh = at is not None and timeline.seconds() < at + _SETTINGS_SECONDS / timeline.scale
        return "Pending" if fresh or machine.power.state != "running" else "Ready"


def document(azure: Azure, machine: Machine, *, instance_view: bool = False) -> dict[str, Any]:
    """The resource as ARM shows it."""
    properties: dict[str, Any] = {
        "vmId": azure.identifier(machine.name, "virtual machine"),
        "provisioningState": "Succeeded",
        "storageProfile": {
            "imageReference": image(azure, machine),
            "osDisk": {"osType": "Windows", "name": f"{machine.spec.name}_OsDisk_1", "createOption": "FromImage"},
        },
        "osProfile": {
            "computerName": machine.hostname,
            "adminUsername": machine.spec.username,
            "windowsConfiguration": azure.vm_settings.of(machine),
        },
    }
    if scale_set := machine.spec.azure_vm.get("scale_set"):
        properties["virtualMachineScaleSet"] = {"id": f"{_group_id(azure)}/providers/{SCALE_SETS}/{scale_set}"}
    if instance_view:
        properties["instanceView"] = _instance_view(azure, machine)
    return {
        "id": resource_id(azure, machine),
        "name": machine.spec.name,
        "type": KIND,
        "location": LOCATION,
        "properties": properties,
    }


def _instance_view(azure: Azure, machine: Machine) -> dict[str, Any]:
    running = machine.power.state not in ("off", "lost")
    server = azure.patching.virtual_machine(machine)
    statuses: dict[str, Any] = {}
    if server.assessment is not None:
        run = server.assessment
        statuses["availablePatchSummary"] = {
            **_summary(run, "assessmentActivityId"),
            "rebootPending": run.reboot_pending,
            **urgent_and_others(run),
        }
    if server.installation is not None:
        run = server.installation
        statuses["lastPatchInstallationSummary"] = {
            **_summary(run, "installationActivityId"),
            "maintenanceWindowExceeded": run.exceeded,
            **run.counts(),
        }
    state = azure.vm_settings.configuration_state(machine)
    statuses["configurationStatuses"] = [
        {"code": f"{name}ConfigurationState/{state}", "level": "Info", "displayStatus": f"Status_{name}_{state}"}
        for name in ("PatchMode", "AssessmentMode")
    ]
    return {
        "computerName": machine.hostname,
        "osName": machine.spec.edition_data.name,
        "osVersion": f"10.0.{machine.spec.product_data.build}.{machine.updates.ubr}",
        "hyperVGeneration": "V2",
        "patchStatus": statuses,
        "statuses": [
            {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"},
            {"code": f"PowerState/{'running' if running else 'stopped'}", "level": "Info"},
        ],
    }


def _summary(run: Run, activity: str) -> dict[str, Any]:
    return {
        "status": run.status,
        activity: run.activity,
        "startTime": stamp(run.started),
        "lastModifiedTime": stamp(run.changed_at),
        "error": run.error,
    }


def urgent_and_others(run: Run) -> dict[str, int]:
    """Two counts of an assessment."""
    urgent = sum(1 for patch in run.patches if set(patch.classifications) & {"Critical", "Security"})
    return {"criticalAndSecurityPatchCount": urgent, "otherPatchCount": len(run.patches) - urgent}


def stamp(moment: Any) -> str:
    """A time as Azure writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}0Z"


def find(azure: Azure, request: ArmRequest) -> Machine:
    """The virtual machine that a path names.

    :raises ArmRefusal: there is none.
    """
    azure.check_group(request)
    name = request.names["vm"]
    found = next((item for item in azure.virtual_machines if item.spec.name.lower() == name.lower()), None)
    if found is None:
        raise resource_not_found(KIND, name, request.names["group"])
    return found


def made_key(request: ArmRequest) -> str:
    """Under which a virtual machine that was made through ARM is kept."""
    return f"{request.names['group']}/{request.names['vm']}".lower()


def _get(azure: Azure, request: ArmRequest) -> ArmAnswer:
    if (made := azure.made.get(made_key(request))) is not None:
        return ArmAnswer(200, made.shown())
    view = request.query.get("$expand", "").lower() == "instanceview"
    return ArmAnswer(200, document(azure, find(azure, request), instance_view=view))


def _update(azure: Azure, request: ArmRequest) -> ArmAnswer:
    if (made := azure.made.get(made_key(request))) is not None:
        content.check(request.body, _UPDATE)
        wanted = ((request.body.get("properties") or {}).get("osProfile") or {}).get("windowsConfiguration") or {}
        made.change(wanted)
        return ArmAnswer(200, made.shown())
    machine = find(azure, request)
    content.check(request.body, _UPDATE)
    properties = request.body.get("properties") or {}
    wanted = (properties.get("osProfile") or {}).get("windowsConfiguration")
    if wanted:
        azure.vm_settings.change(machine, wanted)
        machine.wrote("azure", f"{request.method} {request.path}", request.principal)
    return ArmAnswer(200, document(azure, machine))


def _list(azure: Azure, request: ArmRequest) -> ArmAnswer:
    if "group" in request.names:
        azure.check_group(request)
    return page(request, azure.virtual_machines, lambda item: document(azure, item))


def _scale_set(azure: Azure, request: ArmRequest) -> ArmAnswer:
    azure.check_group(request)
    name = request.names["set"]
    member = next(
        (item for item in azure.virtual_machines if item.spec.azure_vm.get("scale_set", "").lower() == name.lower()),
        None,
    )
    if member is None:
        raise resource_not_found(SCALE_SETS, name, request.names["group"])
    return ArmAnswer(
        200,
        {
            "id": f"{_group_id(azure)}/providers/{SCALE_SETS}/{name}",
            "name": name,
            "type": SCALE_SETS,
            "location": LOCATION,
            "properties": {
                "orchestrationMode": member.spec.azure_vm.get("orchestration", "Flexible"),
                "provisioningState": "Succeeded",
            },
        },
    )


ROUTES = (
    Route("GET", f"{GROUP}/providers/{KIND}/{{vm}}", f"{KIND}/read", VERSIONS, _get),
    Route("PATCH", f"{GROUP}/providers/{KIND}/{{vm}}", f"{KIND}/write", VERSIONS, _update),
    Route("GET", f"{GROUP}/providers/{KIND}", f"{KIND}/read", VERSIONS, _list),
    Route("GET", f"{SUBSCRIPTION}/providers/{KIND}", f"{KIND}/read", VERSIONS, _list),
    Route("GET", f"{GROUP}/providers/{SCALE_SETS}/{{set}}", f"{SCALE_SETS}/read", VERSIONS, _scale_set),
)

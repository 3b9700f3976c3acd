# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Azure half of each Arc machine's hotpatch licence: the profile resource, the switch, and how both stand.

The server's half is ``licence.Licence``: it learns of a change by its agent, about ten minutes later, and only while
the agent has contact. Both are one state: what the portal does there shows here. How a feature moves (Enabling,
Enabled, Disabling, Disabled, Failed), and that 200 or 202 is not the end of it: the specification's words and examples.
That an unsuitable system ends as Failed is this lab's assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import ArcMachine

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

FEATURE = "Hotpatch"
# Billing of Arc hotpatching: it began on 16 July 2025 and was ended on 15 May 2026.
_BILLED_FROM, _BILLED_UNTIL = date(2025, 7, 16), date(2026, 5, 15)


@dataclass
class ArmLicence:
    """What Azure keeps of one machine."""

    exists: bool = False
    software_assurance: bool | None = None
    esu_licence: str | None = None
    product_type: str | None = None
    asked: bool = False
    failed: dict[str, str] | None = None
    enrolled_on: datetime | None = None
    left_on: datetime | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    evaluated_at: float = 0.0


class Licences:
    """All of them, made when they are first looked at."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._known: dict[str, ArmLicence] = {}

    def of(self, resource: ArcMachine) -> ArmLicence:
        """The state of a machine, brought up to what its server has learnt by now."""
        key = f"{resource.id.lower()}#{resource.vm_id}"
        machine = self._azure.machine_of(resource)
        state = self._known.get(key)
        if state is None:
            state = self._known[key] = ArmLicence()
            if machine is not None and machine.licence.enrolled and not machine.spec.edition_data.azure:
                state.exists, state.product_type, state.asked = True, "WindowsServer", True
                state.enrolled_on = machine.boot_time
                state.settings = {"enableHotpatching": not machine.licence.opted_out}
            elif resource.reported is not None and resource.reported.licence:
                state.exists, state.product_type, state.asked = True, "WindowsServer", True
                state.enrolled_on = datetime.combine(self._azure.as_of, time(), UTC)
                state.settings = {"enableHotpatching": resource.reported.licence == "enrolled"}
        if machine is not None:
            self._meet(state, machine)
        return state

    def _meet(self, state: ArmLicence, machine: Machine) -> None:
        """What happened at the server, or in the portal, since the last look."""
        licence = machine.licence
        wanted = licence.wanted
        if wanted is not None and wanted[0] and not state.asked and not machine.spec.edition_data.azure:
            state.exists, state.asked, state.product_type = True, True, state.product_type or "WindowsServer"
        enrolled, opted_out = wanted or (licence.enrolled, licence.opted_out)
        if enrolled and not opted_out:
            state.settings["enableHotpatching"] = True
        elif enrolled and state.settings.get("enableHotpatching") is True:
            state.settings["enableHotpatching"] = False
        if wanted is not None or state.failed is not None:
            return
        if licence.enrolled and state.enrolled_on is None:
            state.exists, state.asked, state.product_type = True, True, state.product_type or "WindowsServer"
            state.enrolled_on, state.left_on = machine.now(), None
        elif not licence.enrolled and state.enrolled_on is not None and state.left_on is None:
            state.left_on = machine.now()

    # What is done to it

    def create(self, resource: ArcMachine, properties: Mapping[str, Any]) -> None:
        """PUT: what is not named is gone."""
        state = self.of(resource)
        state.exists = True
        state.software_assurance = (properties.get("softwareAssurance") or {}).get("softwareAssuranceCustomer")
        state.esu_licence = (properties.get("esuProfile") or {}).get("assignedLicense")
        product = properties.get("productProfile") or {}
        state.product_type = product.get("productType")
        self._ask(resource, state, _wanted(product, "Enabled") or False)

    def update(self, resource: ArcMachine, properties: Mapping[str, Any]) -> None:
        """PATCH: what is not named stays."""
        state = self.of(resource)
        assurance = properties.get("softwareAssurance") or {}
        if "softwareAssuranceCustomer" in assurance:
            state.software_assurance = assurance["softwareAssuranceCustomer"]
        if "assignedLicense" in (properties.get("esuProfile") or {}):
            state.esu_licence = properties["esuProfile"]["assignedLicense"]
        product = properties.get("productProfile") or {}
        state.product_type = product.get("productType") or state.product_type
        if (wanted := _wanted(product, "Enable")) is not None:
            self._ask(resource, state, wanted)

    def delete(self, resource: ArcMachine) -> None:
        """DELETE takes everything."""
        state = self.of(resource)
        self._ask(resource, state, False)
        settings = state.settings
        self._known[f"{resource.id.lower()}#{resource.vm_id}"] = ArmLicence(settings=settings)

    def _ask(self, resource: ArcMachine, state: ArmLicence, wanted: bool) -> None:
        state.failed = None
        machine = self._azure.machine_of(resource)
        if machine is None:
            if resource.reported is not None and wanted != state.asked:
                state.enrolled_on = self._azure.timeline.now() if wanted else state.enrolled_on
                state.left_on = None if wanted else self._azure.timeline.now()
            state.asked = wanted
            return
        fault = self._azure.faults.striking(
            "Microsoft.HybridCompute/machines/licenseProfiles/write", resource.id, "enrollment_fails"
        )
        product = machine.spec.product_data
        if fault is not None:
            state.asked = wanted
            state.failed = {"code": fault.settings["code"], "message": fault.settings["message"]}
        elif wanted and (not product.server or product.build < 26100):
            state.asked = True
            state.failed = {
                "code": "OperatingSystemNotSupported",
                "message": "Hotpatch needs Windows Server 2025 Standard or Datacenter.",
            }
        else:
            if wanted and not state.asked:
                state.enrolled_on, state.left_on = None, None
            state.asked = wanted or state.asked
            # Until the switch is on, the licence alone brings no hotpatches.
            machine.licence.ask(
                enrolled=wanted,
                opted_out=state.settings.get("enableHotpatching") is not True if wanted else None,
            )

    def change_settings(self, resource: ArcMachine, settings: Mapping[str, Any]) -> None:
        """PATCH of the machine's patch settings."""
        state = self.of(resource)
        state.settings.update(settings)
        machine = self._azure.machine_of(resource)
        if "enableHotpatching" in settings and machine is not None:
            timeline = self._azure.timeline
            state.evaluated_at = timeline.seconds() + 120 / timeline.scale
            machine.licence.ask(opted_out=settings["enableHotpatching"] is not True)

    # How it stands

    def status(self, resource: ArcMachine) -> str | None:
        """The feature's word; None when there never was one."""
        state = self.of(resource)
        machine = self._azure.machine_of(resource)
        if state.failed is not None:
            return "Failed"
        if machine is None:
            if resource.reported is not None:
                return "Enabled" if state.asked else "Disabled" if state.left_on is not None else None
            return "Enabling" if state.asked else None
        licence = machine.licence
        if licence.wanted is not None and licence.wanted[0] != licence.enrolled:
            return "Enabling" if licence.wanted[0] else "Disabling"
        if licence.enrolled:
            return "Enabled"
        return "Disabled" if state.asked else None

    def profile(self, resource: ArcMachine) -> dict[str, Any]:
        """The profile's properties."""
        state = self.of(resource)
        shown: dict[str, Any] = {"provisioningState": "Succeeded"}
        if state.software_assurance is not None:
            shown["softwareAssurance"] = {"softwareAssuranceCustomer": state.software_assurance}
        if state.esu_licence is not None:
            shown["esuProfile"] = {
                "assignedLicense": state.esu_licence,
                "esuEligibility": "Ineligible",
                "serverType": "Standard",
                "esuKeyState": "Inactive",
            }
        if state.product_type is not None:
            shown["productProfile"] = self._product(resource, state)
        return shown

    def instance_view(self, resource: ArcMachine) -> dict[str, Any]:
        """What the machine itself shows of it when asked to."""
        state = self.of(resource)
        shown: dict[str, Any] = {"licenseStatus": "Licensed", "licenseChannel": "Retail"}
        if state.exists and state.product_type is not None:
            shown["productProfile"] = self._product(resource, state)
        return shown

    def _product(self, resource: ArcMachine, state: ArmLicence) -> dict[str, Any]:
        shown: dict[str, Any] = {"subscriptionStatus": "Unknown", "productType": state.product_type}
        if (status := self.status(resource)) is None:
            return shown
        feature: dict[str, Any] = {"name": FEATURE, "subscriptionStatus": status}
        if state.enrolled_on is not None:
            feature["enrollmentDate"] = _text(state.enrolled_on)
            if _BILLED_FROM <= self._azure.as_of < _BILLED_UNTIL:
                feature["billingStartDate"] = _text(state.enrolled_on)
        if state.left_on is not None:
            feature["disenrollmentDate"] = _text(state.left_on)
        if state.failed is not None:
            feature["error"] = state.failed
        return {**shown, "productFeatures": [feature]}

    def patch_settings(self, resource: ArcMachine) -> dict[str, Any]:
        """The machine's patch settings with their status."""
        state = self.of(resource)
        shown = {"assessmentMode": "ImageDefault", "patchMode": "ImageDefault", **state.settings}
        if "enableHotpatching" in state.settings:
            word, words = self._switch(resource, state)
            shown["status"] = {
                "hotpatchEnablementStatus": word,
                **({"error": {"code": word, "message": words}} if words else {}),
            }
        return shown

    def _switch(self, resource: ArcMachine, state: ArmLicence) -> tuple[str, str]:
        machine = self._azure.machine_of(resource)
        if machine is None and resource.reported is not None:
            if state.settings.get("enableHotpatching") is not True:
                return "Disabled", ""
            enrolled = self.status(resource) == "Enabled"
            return ("Enabled", "") if enrolled else ("ActionRequired", "The machine has no hotpatch licence.")
        if machine is None:
            return "Unknown", ""
        if self._azure.timeline.seconds() < state.evaluated_at or not machine.licence.connected:
            return "PendingEvaluation", ""
        if state.settings.get("enableHotpatching") is not True:
            return "Disabled", ""
        if self.status(resource) not in ("Enabled", "Enabling"):
            return "ActionRequired", "The machine has no hotpatch licence."
        if machine.vbs != 2:
            return "ActionRequired", "Virtualization-based security is not running."
        return "Enabled", ""


def _wanted(product: Mapping[str, Any], word: str) -> bool | None:
    """What a body asks for the feature; None when it does not name it."""
    for item in product.get("productFeatures") or ():
        if str(item.get("name", "")).lower() in ("hotpatch", "hotpatching"):
            return bool(item.get("subscriptionStatus") == word)
    return None


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"

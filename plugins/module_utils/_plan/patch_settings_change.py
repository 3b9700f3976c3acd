# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What must be written to give an Arc machine or an Azure VM other patch settings, and what cannot be. Pure.

Everything that Azure answers with 400 only after the call, or not at all, is said before it, in words:

- Hotpatching of a VM needs one of eight images of the marketplace; a custom image never has it.
- It needs the VM agent (``provisionVMAgent``) and ``patchMode`` AutomaticByPlatform, and forbids
  ``bypassPlatformSafetyChecksOnUserSchedule``, which is just what schedules of one's own (customer managed schedules)
  ask for on VMs: the two exclude each other.
- Members of a Uniform scale set take their settings from the set; ``patchMode`` is for single VMs and Flexible sets.
- On an Arc machine nothing of this holds: no image, no VM agent, and Azure orchestrates nothing there whatever
  ``patchMode`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused

ARC, VM = "arc", "vm"
PLATFORM = "AutomaticByPlatform"
PUBLISHER, OFFER = "MicrosoftWindowsServer", "WindowsServer"
#: The images that hotpatching of a VM is for; Azure does not tell case apart.
HOTPATCH_SKUS = (
    "2022-datacenter-azure-edition-core",
    "2022-datacenter-azure-edition-core-smalldisk",
    "2022-datacenter-azure-edition-hotpatch",
    "2022-datacenter-azure-edition-hotpatch-smalldisk",
    "2025-datacenter-azure-edition",
    "2025-datacenter-azure-edition-smalldisk",
    "2025-datacenter-azure-edition-core",
    "2025-datacenter-azure-edition-core-smalldisk",
)
#: Our words for Azure's.
PATCH_MODES = {
    "image_default": "ImageDefault",
    "automatic_by_platform": PLATFORM,
    "automatic_by_os": "AutomaticByOS",
    "manual": "Manual",
}
ASSESSMENT_MODES = {"image_default": "ImageDefault", "automatic_by_platform": PLATFORM}
REBOOT_SETTINGS = {"never": "Never", "if_required": "IfRequired", "always": "Always"}
#: The status that is not an end yet.
PENDING = "PendingEvaluation"
STUCK = (
    "Install the newest Connected Machine agent over the old one (the role onboard_arc does it), and check that the "
    "server reaches dls.microsoft.com, where its licence is confirmed; then run this again."
)


@dataclass(frozen=True)
class Wanted:
    """What is asked for, in our words; None leaves a setting as it is."""

    hotpatching: bool | None = None
    patch_mode: str | None = None
    assessment_mode: str | None = None
    reboot_setting: str | None = None
    bypass_safety_checks: bool | None = None
    provision_vm_agent: bool | None = None

    def names_vm_only(self) -> list[str]:
        """The options given that only a VM has."""
        given = {
            "reboot_setting": self.reboot_setting,
            "bypass_platform_safety_checks": self.bypass_safety_checks,
            "provision_vm_agent": self.provision_vm_agent,
        }
        return [name for name, value in given.items() if value is not None]


@dataclass(frozen=True)
class PatchSettings:
    """How a machine stands, as read; words are Azure's own.

    :ivar status: what the switch has come to (Arc), or the state of the configuration (VM).
    :ivar scale_set: the id of the scale set a VM belongs to.
    """

    kind: str
    hotpatching: bool | None = None
    patch_mode: str | None = None
    assessment_mode: str | None = None
    reboot_setting: str | None = None
    bypass_safety_checks: bool | None = None
    provision_vm_agent: bool | None = None
    automatic_updates: bool | None = None
    image: Mapping[str, Any] = field(default_factory=dict)
    scale_set: str | None = None
    agent: str | None = None
    status: str | None = None
    status_error: str | None = None

    def short(self) -> dict[str, Any]:
        """What decides whether something has changed, and the two sides of a diff."""
        shown: dict[str, Any] = {
            "hotpatching": self.hotpatching,
            "patch_mode": _ours(PATCH_MODES, self.patch_mode),
            "assessment_mode": _ours(ASSESSMENT_MODES, self.assessment_mode),
        }
        if self.kind == VM:
            shown |= {
                "reboot_setting": _ours(REBOOT_SETTINGS, self.reboot_setting),
                "bypass_platform_safety_checks": self.bypass_safety_checks,
                "provision_vm_agent": self.provision_vm_agent,
            }
        return shown

    def as_dict(self) -> dict[str, Any]:
        """For a task's result."""
        sku = self.image.get("sku")
        return {
            "kind": self.kind,
            **self.short(),
            "hotpatch_status": self.status if self.kind == ARC else None,
            "configuration_status": self.status if self.kind == VM else None,
            "status_error": self.status_error,
            "image": str(sku) if sku else "custom" if self.image else None,
            "agent_status": self.agent,
        }


def read_settings(document: Mapping[str, Any], kind: str) -> PatchSettings:
    """Make sense of a machine's document (a VM's with its instance view)."""
    properties = _inner(document, "properties")
    windows = _inner(properties, "osProfile", "windowsConfiguration")
    settings = _inner(windows, "patchSettings")
    platform = _inner(settings, "automaticByPlatformSettings")
    found = PatchSettings(
        kind=kind,
        hotpatching=_flag(settings.get("enableHotpatching")),
        patch_mode=_text(settings.get("patchMode")),
        assessment_mode=_text(settings.get("assessmentMode")),
    )
    if kind == ARC:
        status = _inner(settings, "status")
        return replace(
            found,
            agent=_text(properties.get("status")),
            status=_text(status.get("hotpatchEnablementStatus")),
            status_error=_error(status.get("error")),
        )
    # What was never set is on, by the specification.
    agent = _flag(windows.get("provisionVMAgent"))
    return replace(
        found,
        reboot_setting=_text(platform.get("rebootSetting")),
        bypass_safety_checks=_flag(platform.get("bypassPlatformSafetyChecksOnUserSchedule")),
        provision_vm_agent=True if agent is None else agent,
        automatic_updates=_flag(windows.get("enableAutomaticUpdates")) is not False,
        image=_inner(properties, "storageProfile", "imageReference"),
        scale_set=_text(_inner(properties, "virtualMachineScaleSet").get("id")),
        status=_configuration(_inner(properties, "instanceView", "patchStatus").get("configurationStatuses")),
    )


def after(now: PatchSettings, wanted: Wanted) -> PatchSettings:
    """How the machine would stand; for check mode, and for judging whether it may."""
    changes: dict[str, Any] = {
        "hotpatching": wanted.hotpatching,
        "patch_mode": PATCH_MODES.get(wanted.patch_mode or ""),
        "assessment_mode": ASSESSMENT_MODES.get(wanted.assessment_mode or ""),
        "reboot_setting": REBOOT_SETTINGS.get(wanted.reboot_setting or ""),
        "bypass_safety_checks": wanted.bypass_safety_checks,
        "provision_vm_agent": wanted.provision_vm_agent,
    }
    then = replace(now, **{name: value for name, value in changes.items() if value is not None})
    return then if then.hotpatching == now.hotpatching else replace(then, status=None, status_error=None)


def check(now: PatchSettings, wanted: Wanted, orchestration: str | None = None) -> None:
    """Whether the settings can be had on this machine.

    :param orchestration: of the scale set it belongs to; None when it belongs to none, or that cannot be read.
    :raises InvalidInput: options that do not exist for this kind of machine.
    :raises Refused: Azure would refuse, or take it and do something else.
    """
    then = after(now, wanted)
    if now.kind == ARC:
        if names := wanted.names_vm_only():
            raise InvalidInput(
                f"{' and '.join(names)}: only a VM of Azure has this; the machine is connected by Azure Arc.",
                hint="Leave it out for Arc machines.",
            )
        return
    if orchestration == "Uniform":
        raise Refused(
            "It belongs to a Uniform scale set, whose members take their patch settings from the set and cannot have "
            "hotpatches one by one.",
            code="uniform_scale_set",
            hint="Use a scale set with Flexible orchestration, or single VMs.",
        )
    if wanted.patch_mode == "image_default":
        raise InvalidInput("patch_mode image_default is for Arc machines; a VM has manual, automatic_by_os or "
                           "automatic_by_platform.")  # fmt: skip
    if then.short() == now.short():
        return
    _check_modes(then)
    if then.hotpatching:
        _check_hotpatching(then)


def _check_modes(then: PatchSettings) -> None:
    platform = then.patch_mode == PLATFORM
    if (platform or then.assessment_mode == PLATFORM) and not then.provision_vm_agent:
        raise Refused(
            "patch_mode and assessment_mode automatic_by_platform need the VM agent, and provisionVMAgent is false.",
            code="vm_agent_needed",
            hint="Azure takes this setting when a VM is made; a VM without it must be made anew.",
        )
    if (then.reboot_setting or then.bypass_safety_checks is not None) and not platform:
        raise Refused(
            "reboot_setting and bypass_platform_safety_checks belong to patch_mode automatic_by_platform, and this VM "
            f"has {_ours(PATCH_MODES, then.patch_mode)}.",
            code="platform_mode_needed",
            hint="Set patch_mode to automatic_by_platform as well.",
        )
    if then.patch_mode == "Manual" and then.automatic_updates:
        raise Refused(
            "patch_mode manual needs enableAutomaticUpdates to be false, and this VM was made with true.",
            code="automatic_updates_on",
            hint="Azure takes this setting when a VM is made. automatic_by_platform without a schedule installs "
            "nothing outside Azure's own safe deployment.",
        )


def _check_hotpatching(then: PatchSettings) -> None:
    sku = str(then.image.get("sku") or "")
    if then.image.get("id") or not sku:
        raise Refused(
            "Hotpatching is not for custom images: this VM was not made from an image of the marketplace.",
            code="image_not_supported",
            hint=f"Make it from {PUBLISHER}, {OFFER}, one of: {', '.join(HOTPATCH_SKUS)}.",
        )
    publisher, offer = str(then.image.get("publisher") or ""), str(then.image.get("offer") or "")
    marketplace = publisher.lower() == PUBLISHER.lower() and offer.lower() == OFFER.lower()
    if not marketplace or sku.lower() not in HOTPATCH_SKUS:
        raise Refused(
            f"Hotpatching is not offered for the image {publisher}/{offer}/{sku}.",
            code="image_not_supported",
            hint=f"It is for {PUBLISHER}, {OFFER}, one of: {', '.join(HOTPATCH_SKUS)}.",
        )
    if not then.provision_vm_agent:
        raise Refused(
            "Hotpatching needs the VM agent, and provisionVMAgent is false on this VM.",
            code="vm_agent_needed",
            hint="Azure takes this setting when a VM is made; a VM without it must be made anew.",
        )
    if then.patch_mode != PLATFORM:
        raise Refused(
            f"Hotpatching needs patch_mode automatic_by_platform, and this VM has "
            f"{_ours(PATCH_MODES, then.patch_mode)}.",
            code="platform_mode_needed",
            hint="Set patch_mode to automatic_by_platform in the same task, or hotpatching to false.",
        )
    if then.bypass_safety_checks:
        raise Refused(
            "Hotpatching needs Azure's platform safety checks, and bypassPlatformSafetyChecksOnUserSchedule is true. "
            "Schedules of one's own (customer managed schedules) want it true on VMs: a VM can have hotpatching or "
            "such a schedule, not both.",
            code="safety_checks_needed",
            hint="Set bypass_platform_safety_checks to false and take the VM off its schedule, or leave hotpatching "
            "off.",
        )


def body_of(now: PatchSettings, wanted: Wanted) -> dict[str, Any] | None:
    """The body of the PATCH: what is to be different, nothing else. None when nothing is."""
    then = after(now, wanted)
    settings: dict[str, Any] = {}
    for name, key in (
        ("hotpatching", "enableHotpatching"),
        ("patch_mode", "patchMode"),
        ("assessment_mode", "assessmentMode"),
    ):
        if getattr(then, name) != getattr(now, name):
            settings[key] = getattr(then, name)
    platform: dict[str, Any] = {}
    for name, key in (
        ("reboot_setting", "rebootSetting"),
        ("bypass_safety_checks", "bypassPlatformSafetyChecksOnUserSchedule"),
    ):
        if getattr(then, name) != getattr(now, name):
            platform[key] = getattr(then, name)
    if platform:
        settings["automaticByPlatformSettings"] = platform
    windows: dict[str, Any] = {}
    if then.provision_vm_agent != now.provision_vm_agent:
        windows["provisionVMAgent"] = then.provision_vm_agent
    if settings:
        windows["patchSettings"] = settings
    if not windows:
        return None
    if settings.get("enableHotpatching") and now.kind == VM:
        # The three belong together, and Azure's own examples send them together.
        windows["provisionVMAgent"] = True
        settings["patchMode"] = PLATFORM
    return {"properties": {"osProfile": {"windowsConfiguration": windows}}}


def notes_of(then: PatchSettings, wanted: Wanted) -> list[str]:
    """What a person should know beside the settings, one sentence each."""
    notes: list[str] = []
    if then.kind == ARC and wanted.patch_mode == "automatic_by_platform":
        notes.append(
            "On an Arc machine patch_mode starts nothing: Azure orchestrates no patches there. Installations need a "
            "schedule, a task of yours, or the server's own policy."
        )
    if then.kind == ARC and then.hotpatching and then.status == "ActionRequired":
        notes.append(
            f"Azure says ActionRequired{f' ({then.status_error})' if then.status_error else ''}: the switch is on, and "
            "something else is missing; winops.hotpatch.eligibility tells what."
        )
    return notes


def is_settled(now: PatchSettings) -> bool:
    """Whether Azure has come to an end with the last change."""
    return now.status not in (PENDING, "Pending")


def _configuration(statuses: Any) -> str | None:
    """The worst of the states that an instance view names, such as ``PatchModeConfigurationState/Pending``."""
    if not isinstance(statuses, list):
        return None
    codes = [str(item.get("code", "")).rsplit("/", 1)[-1] for item in statuses if isinstance(item, Mapping)]
    for word in ("Failed", "Pending"):
        if word in codes:
            return word
    return codes[0][:100] if codes else None


def _ours(words: Mapping[str, str], theirs: str | None) -> str | None:
    return next((ours for ours, word in words.items() if word == theirs), theirs)


def _inner(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value[:300] if isinstance(value, str) and value else None


def _error(value: Any) -> str | None:
    if not isinstance(value, Mapping) or not (value.get("code") or value.get("message")):
        return None
    return ": ".join(str(part)[:300] for part in (value.get("code"), value.get("message")) if part)

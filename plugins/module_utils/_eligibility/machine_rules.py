# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What the machine must bring: UEFI with Secure Boot, and virtualization-based security running on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.blockers import Action, Blocker, unread
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.vbs_readiness import (
    NO,
    NOT_RUNNING,
    REQUIRE,
    RUNNING,
    SWITCH,
    YES,
    demand_of,
    hardware_of,
    obstacles,
    risks,
    status_of,
)

BUILD_BELOW_FLOOR = "build_below_floor"

# Firmware switches, the VBS setting and a cumulative update all take effect at the same restart.
_ONE_RESTART = (
    BUILD_BELOW_FLOOR,
    "bios_firmware",
    "secure_boot_off",
    "virtualization_missing",
    "vbs_forbidden_by_policy",
    "vbs_not_enabled",
    "vbs_waits_for_restart",
    "vbs_not_running",
)
_ENABLE = Action("winops.hotpatch.vbs", {"state": "enabled"})
# Obstacles of VBS that are blockers of their own here.
_OWN_BLOCKER = ("uefi", "secure_boot", "virtualization")
# Numbers of Win32_DeviceGuard's lists.
_SECURE_BOOT, _DMA_PROTECTION = 2, 3


def shares_restart(code: str) -> tuple[str, ...]:
    """The blockers whose fix may use the same restart as this one's."""
    return tuple(other for other in _ONE_RESTART if other != code)


@dataclass(frozen=True)
class MachineView:
    """The facts as vbs_readiness.py judges them; the module vbs reads more than the facts hold."""

    firmware: Mapping[str, Any]
    reading: Mapping[str, Any]
    asked_by: tuple[str, ...]
    forbidden: bool

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> MachineView:
        """The view of one server."""
        reading = _reading(facts)
        vbs = facts.get("vbs") or {}
        return cls(
            reading["firmware"],
            reading,
            tuple(name for name in ("registry", "policy") if vbs.get(f"configured_by_{name}") is True),
            vbs.get("forbidden_by_policy") is True,
        )

    @cached_property
    def states(self) -> Mapping[str, str]:
        """Yes, no or unknown for each thing the hardware may have."""
        return {item.code: item.state for item in hardware_of(self.reading, demand_of(self.reading))}

    @property
    def virtual(self) -> bool:
        """Whether it is known to be a virtual machine."""
        return self.states["virtual_machine"] == YES

    def blockers(self) -> list[Blocker]:
        """Everything the machine lacks."""
        return [*_firmware(self), *_vbs(self)]

    def cautions(self) -> list[tuple[str, str]]:
        """The known traps of virtualization-based security that are certain here: code and words."""
        found = [(risk.code, risk.words) for risk in risks(self.reading) if risk.state == YES]
        if self.forbidden and status_of(self.reading) == RUNNING and not demand_of(self.reading).kept_on_by:
            words = "A policy turns virtualization-based security off: it runs until the next restart and no longer."
            found.append(("vbs_ends_with_restart", words))
        return found


def _reading(facts: Mapping[str, Any]) -> dict[str, Any]:
    vbs, hardware = facts.get("vbs") or {}, facts.get("hardware") or {}
    required = vbs.get("required") or []

    def asked(source: str) -> dict[str, int | None] | None:
        said = vbs.get(f"configured_by_{source}")
        if said is None:
            return None
        forbidden = source == "policy" and vbs.get("forbidden_by_policy") is True
        return {SWITCH: 1 if said else 0 if forbidden else None}

    registry = asked("registry")
    if registry is not None:
        registry[REQUIRE] = 3 if _DMA_PROTECTION in required else 1 if _SECURE_BOOT in required else None
    return {
        "build": (facts.get("os") or {}).get("build_ubr"),
        "guard": {
            "VirtualizationBasedSecurityStatus": vbs.get("status"),
            "AvailableSecurityProperties": vbs.get("available"),
            "RequiredSecurityProperties": vbs.get("required"),
            "SecurityServicesConfigured": vbs.get("services_configured"),
        },
        "why_unknown": vbs.get("why_unknown"),
        "registry": registry,
        "policy": asked("policy"),
        "firmware": facts.get("firmware") or {},
        "machine": {key: hardware.get(key) for key in ("manufacturer", "model", "hypervisor_present")},
        "hyper_v": hardware.get("hyper_v_role"),
    }


def _firmware(machine: MachineView) -> list[Blocker]:
    """UEFI, and Secure Boot on."""
    kind, secure = machine.firmware.get("type"), machine.firmware.get("secure_boot")
    found = []
    if kind == "bios":
        found.append(_bios(machine.virtual))
    elif kind != "uefi":
        found.append(unread("firmware_unknown", "Whether it starts from UEFI could not be read.", "firmware type"))
    # BIOS firmware has no Secure Boot, and what replaces it brings it.
    if secure is False and kind != "bios":
        where = "the settings of the virtual machine" if machine.virtual else "the firmware"
        found.append(
            Blocker(
                "secure_boot_off",
                "Secure Boot is off.",
                "Secure Boot state 0",
                f"Shut the server down, turn Secure Boot on in {where}, and start it.",
                restart=True,
                shares_restart_with=shares_restart("secure_boot_off"),
                actions=(Action(None, {"secure_boot": True}),),
            )
        )
    elif secure is not True and kind != "bios":
        found.append(unread("secure_boot_unknown", "Whether Secure Boot is on could not be read.", "Secure Boot"))
    return found


def _bios(virtual: bool) -> Blocker:
    if virtual:
        words = "It is a generation 1 virtual machine: BIOS firmware, where UEFI with Secure Boot is needed."
        fix = (
            "Convert the system disk to GPT (mbr2gpt, with a backup at hand), shut the server down, put its disk into "
            "a generation 2 virtual machine with Secure Boot on, and start that."
        )
    else:
        words = "It starts from BIOS firmware; UEFI with Secure Boot is needed."
        fix = (
            "Convert the system disk to GPT (mbr2gpt, with a backup at hand), shut the server down, switch its "
            "firmware to UEFI with Secure Boot on, and start it."
        )
    return Blocker(
        "bios_firmware",
        words,
        "firmware type bios",
        fix,
        restart=True,
        shares_restart_with=shares_restart("bios_firmware"),
        actions=(Action(None, {"firmware": "uefi", "secure_boot": True}),),
    )


def _vbs(machine: MachineView) -> list[Blocker]:
    """Virtualization-based security at status 2; whatever is not known never passes."""
    status = status_of(machine.reading)
    if status == RUNNING:
        return []
    if status is None:
        why = machine.reading["why_unknown"]
        words = "Whether virtualization-based security runs could not be read."
        return [unread("vbs_unknown", words, str(why) if why else "VirtualizationBasedSecurityStatus")]
    if machine.forbidden:
        # What the registry says counts once the policy is gone.
        own = [_forbidden(), *(() if machine.asked_by else (_not_enabled(),))]
    elif status == NOT_RUNNING:
        own = [_not_running(machine.reading)]
    else:
        own = [_waits(machine.asked_by) if machine.asked_by else _not_enabled()]
    return [*_virtualization(machine), *own]


def _virtualization(machine: MachineView) -> list[Blocker]:
    """What no setting inside Windows brings."""
    if machine.states["virtualization"] != NO:
        return []
    where = (
        "let its host offer virtualization (Set-VMSecurity -VirtualizationBasedSecurityOptOut $false)"
        if machine.virtual
        else "turn virtualization on in its firmware"
    )
    return [
        Blocker(
            "virtualization_missing",
            "The machine offers no virtualization, on which virtualization-based security runs.",
            f"AvailableSecurityProperties {machine.reading['guard']['AvailableSecurityProperties']}",
            f"Shut the server down, {where}, and start it.",
            restart=True,
            shares_restart_with=shares_restart("virtualization_missing"),
            actions=(Action(None, {"virtualization": True}),),
        )
    ]


def _forbidden() -> Blocker:
    return Blocker(
        "vbs_forbidden_by_policy",
        "A policy turns virtualization-based security off and wins over the registry.",
        "EnableVirtualizationBasedSecurity 0 in the policy",
        'Change the policy "Turn On Virtualization Based Security" (Computer Configuration, System, Device Guard), '
        "restart, and check for status 2.",
        restart=True,
        shares_restart_with=shares_restart("vbs_forbidden_by_policy"),
    )


def _not_enabled() -> Blocker:
    return Blocker(
        "vbs_not_enabled",
        "Virtualization-based security is not enabled.",
        "VirtualizationBasedSecurityStatus 0",
        r"Set EnableVirtualizationBasedSecurity to 1 below HKLM\SYSTEM\CurrentControlSet\Control\DeviceGuard, "
        "or use the Group Policy, restart, and check for status 2.",
        restart=True,
        shares_restart_with=shares_restart("vbs_not_enabled"),
        actions=(_ENABLE,),
    )


def _waits(asked: Sequence[str]) -> Blocker:
    return Blocker(
        "vbs_waits_for_restart",
        "Virtualization-based security is enabled for the next start and does not run yet.",
        f"VirtualizationBasedSecurityStatus 0, enabled by {' and '.join(asked)}",
        "Restart, and check for status 2.",
        restart=True,
        shares_restart_with=shares_restart("vbs_waits_for_restart"),
        actions=(_ENABLE,),
    )


def _not_running(reading: Mapping[str, Any]) -> Blocker:
    """Enabled, and Windows did not start it: each cause that can be seen is named."""
    missing = [
        obstacle for obstacle in obstacles(reading, demand_of(reading)) if obstacle.hardware and not obstacle.unknown
    ]
    codes = [obstacle.code for obstacle in missing]
    actions: tuple[Action, ...] = ()
    fix: str | None = "Bring what is missing, restart, and check for status 2."
    if "slat" in codes:
        fix = None
    elif "dma_protection" in codes:
        fix = "Require Secure Boot alone (RequirePlatformSecurityFeatures 1), or turn the IOMMU on, and restart."
        actions = (Action(_ENABLE.module, {**_ENABLE.options, "platform_security": "secure_boot"}),)
    elif not missing:
        fix = (
            "Restart if it was enabled since the last start; else let the hardware or the virtual machine offer "
            "virtualization and Secure Boot, and check for status 2."
        )
        if reading["hyper_v"]:
            fix += " The Hyper-V role is installed: on Windows Server 2025 the two have been seen not to work together."
    own = [obstacle.words for obstacle in missing if obstacle.code not in _OWN_BLOCKER]
    causes = f": {' '.join(own)}" if own else "."
    return Blocker(
        "vbs_not_running",
        f"Virtualization-based security is enabled but not running{causes}",
        f"VirtualizationBasedSecurityStatus 1{', lacking ' + ', '.join(codes) if codes else ''}",
        fix,
        restart=True,
        shares_restart_with=shares_restart("vbs_not_running"),
        actions=actions,
    )

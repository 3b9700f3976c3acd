# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What the machine must bring: UEFI with Secure Boot, and virtualization-based security running on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.blockers import Action, Blocker, unread

VBS_RUNNING = 2
BUILD_BELOW_FLOOR = "build_below_floor"

# Firmware switches, the VBS setting and a cumulative update all take effect at the same restart.
_ONE_RESTART = (
    BUILD_BELOW_FLOOR,
    "bios_firmware",
    "secure_boot_off",
    "vbs_not_enabled",
    "vbs_waits_for_restart",
    "vbs_not_running",
)
_ENABLE = Action("winops.hotpatch.vbs", {"state": "enabled"})


def shares_restart(code: str) -> tuple[str, ...]:
    """The blockers whose fix may use the same restart as this one's."""
    return tuple(other for other in _ONE_RESTART if other != code)


def is_virtual(facts: Mapping[str, Any]) -> bool:
    """Whether the server is a virtual machine, by its model."""
    hardware = facts.get("hardware") or {}
    return "virtual" in str(hardware.get("model") or "").casefold()


def firmware_blockers(facts: Mapping[str, Any]) -> list[Blocker]:
    """UEFI, and Secure Boot on."""
    firmware = facts.get("firmware") or {}
    kind, secure = firmware.get("type"), firmware.get("secure_boot")
    found = []
    if kind == "bios":
        found.append(_bios(is_virtual(facts)))
    elif kind != "uefi":
        found.append(unread("firmware_unknown", "Whether it starts from UEFI could not be read.", "firmware type"))
    if secure is False:
        where = "the settings of the virtual machine" if is_virtual(facts) else "the firmware"
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


def vbs_blockers(facts: Mapping[str, Any]) -> list[Blocker]:
    """Virtualization-based security at status 2; whatever is not known never passes."""
    vbs = facts.get("vbs") or {}
    status = None if isinstance(vbs.get("status"), bool) else vbs.get("status")
    if status == VBS_RUNNING:
        return []
    if status == 0:
        asked = [name for name in ("registry", "policy") if vbs.get(f"configured_by_{name}") is True]
        return [_waits(asked) if asked else _not_enabled()]
    if status == 1:
        return [
            Blocker(
                "vbs_not_running",
                "Virtualization-based security is enabled but not running.",
                "VirtualizationBasedSecurityStatus 1",
                "Restart if it was enabled since the last start; else let the hardware or the virtual machine offer "
                "virtualization and Secure Boot, and check for status 2.",
                restart=True,
                shares_restart_with=shares_restart("vbs_not_running"),
            )
        ]
    why = vbs.get("why_unknown")
    words = "Whether virtualization-based security runs could not be read."
    return [unread("vbs_unknown", words, str(why) if why else "VirtualizationBasedSecurityStatus")]


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


def _waits(asked: list[str]) -> Blocker:
    return Blocker(
        "vbs_waits_for_restart",
        "Virtualization-based security is enabled for the next start and does not run yet.",
        f"VirtualizationBasedSecurityStatus 0, enabled by {' and '.join(asked)}",
        "Restart, and check for status 2.",
        restart=True,
        shares_restart_with=shares_restart("vbs_waits_for_restart"),
        actions=(_ENABLE,),
    )

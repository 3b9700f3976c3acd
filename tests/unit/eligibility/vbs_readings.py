# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readings of servers that could have virtualization-based security, to be changed by each test."""

from __future__ import annotations

import copy
from typing import Any

_GUEST: dict[str, Any] = {
    "build": "26100.7092",
    "last_boot": "2025-10-16T01:12:09Z",
    "guard": {
        "VirtualizationBasedSecurityStatus": 0,
        "AvailableSecurityProperties": [1, 2, 3, 5, 7],
        "RequiredSecurityProperties": [0],
        "SecurityServicesConfigured": [0],
        "SecurityServicesRunning": [0],
    },
    "why_unknown": None,
    "machine": {"manufacturer": "Microsoft Corporation", "model": "Virtual Machine", "hypervisor_present": True},
    "firmware": {"type": "uefi", "secure_boot": True},
    "processor": {"firmware_enabled": False, "monitor_mode": False, "slat": False},
    "tpm": {"present": True, "version": "2.0", "enabled": True, "activated": True, "owned": True},
    "hyper_v": False,
    "registry": {"EnableVirtualizationBasedSecurity": None, "RequirePlatformSecurityFeatures": None, "Locked": None},
    "policy": {
        "EnableVirtualizationBasedSecurity": None,
        "RequirePlatformSecurityFeatures": None,
        "LsaCfgFlags": None,
        "HypervisorEnforcedCodeIntegrity": None,
        "ConfigureSystemGuardLaunch": None,
    },
    "services": {"credential_guard": None, "scenarios": {}},
    "notes": [],
}

_METAL: dict[str, dict[str, Any]] = {
    "machine": {"manufacturer": "Dell Inc.", "model": "PowerEdge R660", "hypervisor_present": False},
    "processor": {"firmware_enabled": True, "monitor_mode": True, "slat": True},
}


def guest(status: int | None = 0, **changes: Any) -> dict[str, Any]:
    """A generation 2 virtual machine; ``guest(registry={"Locked": 1})`` changes that value alone, None a whole part."""
    reading = copy.deepcopy(_GUEST)
    reading["guard"]["VirtualizationBasedSecurityStatus"] = status
    for part, values in changes.items():
        if isinstance(values, dict) and isinstance(reading[part], dict):
            reading[part].update(values)
        else:
            reading[part] = values
    return reading


def metal(status: int | None = 0, **changes: Any) -> dict[str, Any]:
    """Bare metal without a hypervisor."""
    parts = {name: {**values, **changes.pop(name, {})} for name, values in copy.deepcopy(_METAL).items()}
    return guest(status, **parts, **changes)

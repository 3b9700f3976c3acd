# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of servers, written by hand in the documented shape, for tests of the cores."""

from __future__ import annotations

import copy
from typing import Any

_HEALTHY: dict[str, Any] = {
    "name": "WEB01",
    "os": {
        "caption": "Microsoft Windows Server 2025 Standard",
        "build": 26100,
        "ubr": 7092,
        "build_ubr": "26100.7092",
        "sku": 7,
        "product_type": 3,
        "edition_id": "ServerStandard",
        "installation_type": "Server",
        "display_version": "24H2",
    },
    "boot": {
        "last_boot": "2025-10-16T01:12:09Z",
        "local_time": "2025-12-20T10:00:00Z",
        "clock_skew_seconds": 0.2,
    },
    "vbs": {"status": 2, "why_unknown": None, "configured_by_registry": True, "configured_by_policy": False},
    "firmware": {"type": "uefi", "secure_boot": True},
    "hardware": {
        "manufacturer": "Microsoft Corporation",
        "model": "Virtual Machine",
        "hypervisor_present": True,
        "cores": 8,
        "logical_processors": 16,
        "system_disk_free_bytes": 40 * 1024**3,
    },
    "arc": {"installed": True, "service": "running", "status": "Connected"},
    "hotpatch_hint": {"arc_license": True, "enrollment_package": False},
    "kbs": [{"kb": "KB5068966", "installed_on": "2025-11-12", "description": "Security Update"}],
    "restart_pending": {
        "pending": False,
        "sources": {
            "component_based_servicing": False,
            "reboot_in_progress": False,
            "packages_pending": False,
            "windows_update": False,
            "computer_rename": False,
            "pending_file_rename": True,
        },
    },
    "update_policy": {
        "readable": True,
        "always_auto_reboot": None,
        "au_options": None,
        "no_auto_update": None,
        "use_wsus": None,
        "wsus_server": None,
    },
    "traffic": {"requests": 12, "bytes_sent": 18000, "bytes_received": 24000},
    "notes": [],
}


def facts(
    build_ubr: str = "26100.7092", kbs: tuple[str, ...] = ("KB5068966",), **parts: dict[str, Any]
) -> dict[str, Any]:
    """Facts of a healthy, enrolled Windows Server 2025 with another build, other KBs, or parts changed."""
    made = copy.deepcopy(_HEALTHY)
    made["os"].update(build=int(build_ubr.split(".")[0]), ubr=int(build_ubr.split(".")[1]), build_ubr=build_ubr)
    made["kbs"] = [{"kb": kb, "installed_on": None, "description": None} for kb in kbs]
    for part, values in parts.items():
        made[part].update(values)
    return made


def read(
    build_ubr: str = "26100.7092", kbs: tuple[str, ...] = ("KB5068966",), **parts: dict[str, Any]
) -> dict[str, Any]:
    """The result of host_info for such a server, as far as the plan looks at it."""
    return {
        "changed": False,
        "server": facts(build_ubr, kbs, **parts),
        "declared": {"enrolled": None, "opted_out": None},
    }

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of a healthy, enrolled Windows Server 2025 on the track, to be changed by each test."""

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
        "local_time": "2025-12-20T10:00:02Z",
        "clock_skew_seconds": 0.4,
    },
    "vbs": {"status": 2, "why_unknown": None},
    "firmware": {"type": "uefi", "secure_boot": True},
    "hardware": {"model": "Virtual Machine", "system_disk_free_bytes": 40 * 1024**3},
    "platform": {"kind": "other", "evidence": ["manufacturer 'Dell Inc.'"]},
    "arc": {
        "installed": True,
        "service": "running",
        "status": "Connected",
        "resource_name": "WEB01",
        "subscription_id": "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33",
        "tenant_id": "6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10",
    },
    "hotpatch_hint": {"arc_license": True, "enrollment_package": False},
    "kbs": [{"kb": "KB5068966", "installed_on": "2025-11-12", "description": "Security Update"}],
    "restart_pending": {
        "pending": False,
        "sources": {"component_based_servicing": False, "windows_update": False, "pending_file_rename": True},
    },
    "update_policy": {"readable": True, "always_auto_reboot": None, "use_wsus": False, "wsus_server": None},
    "notes": [],
}


def healthy(
    build: str = "26100.7092", kbs: list[str] | None = None, **changes: dict[str, Any] | None
) -> dict[str, Any]:
    """Healthy facts with parts changed: ``healthy(vbs={"status": 1})`` changes that key alone."""
    facts = copy.deepcopy(_HEALTHY)
    facts["os"].update(build_ubr=build, build=int(build.split(".")[0]), ubr=int(build.split(".")[1]))
    if kbs is not None:
        facts["kbs"] = [{"kb": kb, "installed_on": None, "description": None} for kb in kbs]
    for part, values in changes.items():
        if values is None:
            facts[part] = None
        else:
            facts[part].update(values)
    return facts

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services that the Windows Update Agent of a server knows, and which one a search asks.

Ids and ServerSelection: Microsoft Learn, wuapi reference, "Opt-In to Microsoft Update" and "How Windows Update works".
A service that was never registered cannot be asked. What policies forbid is in ``policy_effects``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import policy_effects

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

WINDOWS_UPDATE = "9482f4b4-e343-43b6-b170-9a65bc822c77"
UPDATE_SERVER = "3da21691-e39d-4da6-8a4b-b43877bcb1b7"
MICROSOFT_UPDATE = "7971f918-a847-4430-9279-4a52d1efe18d"

OTHERS = 3


def services(machine: Machine) -> list[dict[str, Any]]:
    """IUpdateServiceManager2.Services: what is registered, and which one automatic updates asks."""
    known = [("Windows Update", WINDOWS_UPDATE)]
    if machine.spec.microsoft_update:
        known.append(("Microsoft Update", MICROSOFT_UPDATE))
    if policy_effects.uses_wsus(machine, 0):
        known.append(("Windows Server Update Service", UPDATE_SERVER))
    default = _default(machine)
    return [{"id": key, "name": name, "default": key == default} for name, key in known]


def service_for(machine: Machine, server_selection: int, service_id: str | None) -> str | None:
    """The service that a search asks; None when there is no such one."""
    if server_selection == OTHERS:
        asked = (service_id or "").lower()
        return asked if asked in {service["id"] for service in services(machine)} else None
    return {0: _default(machine), 1: UPDATE_SERVER, 2: WINDOWS_UPDATE}.get(server_selection)


def _default(machine: Machine) -> str:
    if policy_effects.uses_wsus(machine, 0):
        return UPDATE_SERVER
    return MICROSOFT_UPDATE if machine.spec.microsoft_update else WINDOWS_UPDATE

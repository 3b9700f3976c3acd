# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies of a server: where each value stands, and who gave it (this server, its domain, a device management).

Group Policy writes plain registry values. Which GPO gave a value is only told by RSoP. The registry extension applies
again when a GPO of the domain changed or when it is forced to (gpupdate /force), not at each refresh; until then a
value that somebody changed by hand stays changed.

Sources: WindowsUpdate.admx and DeviceGuard.admx (value names, keys); Microsoft Learn, RSOP_RegistryPolicySetting,
RSOP_GPO, gpupdate, "Manage device restarts after updates", Policy CSP Update.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.policy_values import place
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import REG_DWORD, REG_SZ
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry_content import AUTO_UPDATE

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

MDM_UPDATE = r"HKLM\SOFTWARE\Microsoft\PolicyManager\current\device\Update"
MDM_PROVIDER = "5B88AEF1-09E8-43BB-B144-7254ACBBDF3E"
GPO_ID = "{6D3A4F0C-52B1-4C8E-9D0B-0B7F5A1C2E44}"
GPO_NAME = "Servers - Windows Update"
HISTORY = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\History"
REGISTRY_EXTENSION = "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}"


def lay(machine: Machine) -> None:
    """Write what the fleet file gives a fresh server: its own policy, SConfig's setting, then the domain's policy."""
    spec = machine.spec
    for key, name, kind, data in _placed(spec.policy):
        machine.registry.write(key, name, kind, data)
    if spec.local_update_option is not None:
        machine.registry.number(AUTO_UPDATE, "AUOptions", spec.local_update_option)
    for name, value in spec.mdm_policy.items():
        machine.registry.write(MDM_UPDATE, name, REG_DWORD if isinstance(value, int) else REG_SZ, value)
        machine.registry.text(MDM_UPDATE, f"{name}_WinningProvider", MDM_PROVIDER)
    apply_domain_policy(machine)
    if spec.domain_policy:
        entry = rf"{HISTORY}\{REGISTRY_EXTENSION}\0"
        machine.registry.text(entry, "DisplayName", GPO_NAME)
        machine.registry.text(entry, "GPOName", GPO_ID)


def apply_domain_policy(machine: Machine) -> int:
    """What the registry extension does when it applies; returns how many values it wrote anew."""
    written = 0
    with machine.registry.as_windows():
        for key, name, kind, data in _placed(machine.spec.domain_policy):
            old = machine.registry.read(key, name)
            if old is None or (old.kind, old.data) != (kind, data):
                machine.registry.write(key, name, kind, data)
                written += 1
    return written


def domain_values(machine: Machine) -> Iterator[tuple[str, str, int, str | int]]:
    """Key, name, type and data of each value that the domain's policy gives."""
    yield from _placed(machine.spec.domain_policy)


def _placed(values: Mapping[str, str | int]) -> Iterator[tuple[str, str, int, str | int]]:
    for given, data in values.items():
        found = place(given)
        if found is not None:
            yield (*found, data)

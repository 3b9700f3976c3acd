# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resultant set of policy in root/rsop/computer: which GPO gave which registry value.

Classes and properties: Microsoft Learn, RSOP_RegistryPolicySetting and RSOP_GPO; keys are written without their root,
a value's data as bytes. The form of GPOID is that of gpresult's own data [general knowledge]. A server that never
processed a GPO has the classes without instances. Local policy is no GPO here: the lab writes it as plain values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import policies
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import REG_DWORD
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi import CimClass, Repository, Row
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi_computer import typed

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

NAMESPACE = "root/rsop/computer"


def add_classes(repository: Repository, machine: Machine) -> None:
    """Put the classes of one server into its repository."""
    results = _Results(machine)
    repository.add(results.registry_settings())
    repository.add(results.policy_objects())


class _Results:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def registry_settings(self) -> CimClass:
        properties = typed(
            string="command GPOID id name registryKey SOMID valueName",
            boolean="deleted",
            uint32="precedence valueType",
            uint8_array="value",
            datetime="creationTime",
        )
        keys = ("id", "precedence")
        return CimClass(
            NAMESPACE, "RSOP_RegistryPolicySetting", properties, keys, ("RSOP_PolicySetting",), self._setting_rows
        )

    def _setting_rows(self) -> Sequence[Row]:
        object_path = self._object_path()
        rows: list[Row] = []
        for number, (key, name, kind, data) in enumerate(policies.domain_values(self._machine)):
            raw = data.to_bytes(4, "little") if isinstance(data, int) else f"{data}\0".encode("utf-16-le")
            rows.append(
                {
                    "id": f"{{{number:08X}-0000-0000-0000-000000000000}}",
                    "precedence": 1,
                    "name": name,
                    "registryKey": key.split("\\", 1)[1].replace("SOFTWARE", "Software", 1),
                    "valueName": name,
                    "valueType": REG_DWORD if isinstance(data, int) else kind,
                    "value": list(raw),
                    "deleted": False,
                    "command": "",
                    "GPOID": object_path,
                    "SOMID": self._domain_path(),
                }
            )
        return rows

    def policy_objects(self) -> CimClass:
        properties = typed(
            string="extensionIds fileSystemPath filterId guidName id name",
            boolean="accessDenied enabled filterAllowed",
            uint32="version",
        )
        return CimClass(NAMESPACE, "RSOP_GPO", properties, ("id",), (), self._object_rows)

    def _object_rows(self) -> Sequence[Row]:
        spec = self._machine.spec
        if not spec.domain_policy:
            return ()
        return (
            {
                "id": self._object_path(),
                "name": policies.GPO_NAME,
                "guidName": policies.GPO_ID,
                "fileSystemPath": rf"\\{spec.domain}\SysVol\{spec.domain}\Policies\{policies.GPO_ID}\Machine",
                "enabled": True,
                "accessDenied": False,
                "filterAllowed": True,
                "version": 65537,
            },
        )

    def _domain_path(self) -> str:
        return ",".join(f"DC={part}" for part in (self._machine.spec.domain or "").split("."))

    def _object_path(self) -> str:
        return f"cn={policies.GPO_ID},cn=policies,cn=system,{self._domain_path()}"

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CIM classes about what protects the computer, and about its roles: device guard, TPM, features.

Win32_DeviceGuard: recorded outputs, where an empty list holds one 0 and 24H2-era builds have 13 properties; meanings:
Microsoft Learn, "Enable virtualization-based protection of code integrity". Win32_Tpm: Microsoft Learn, secprov; a
server without a TPM answers no row. Win32_OptionalFeature and Win32_ServerFeature: Microsoft Learn; install state 1 is
enabled, 2 disabled, and Win32_ServerFeature lists only what is installed (20 is the Hyper-V role).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimValue, returned
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi import (
    CimClass,
    Method,
    Repository,
    Row,
    fault,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi_computer import CIMV2, typed

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

DEVICE_GUARD = "root/Microsoft/Windows/DeviceGuard"
TPM = "root/cimv2/Security/MicrosoftTpm"

# Feature of DISM, number and name of the role or feature in Server Manager, role of the fleet file.
_FEATURES = (
    ("Microsoft-Hyper-V", 20, "Hyper-V", "hyper-v"),
    ("IIS-WebServerRole", 2, "Web Server (IIS)", "web"),
    ("DirectoryServices-DomainController", 10, "Active Directory Domain Services", "domain-controller"),
    ("Printing-Server-Role", 7, "Print and Document Services", "print"),
)


def add_classes(repository: Repository, machine: Machine) -> None:
    """Put the classes of one server into its repository."""
    security = _Security(machine)
    repository.add(security.device_guard())
    repository.add(security.tpm())
    repository.add(security.optional_features())
    if machine.spec.product_data.server:
        repository.add(security.server_features())


class _Security:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def device_guard(self) -> CimClass:
        properties = typed(
            string="InstanceIdentifier Version",
            uint32_array="AvailableSecurityProperties RequiredSecurityProperties SecurityFeaturesEnabled "
            "SecurityServicesConfigured SecurityServicesRunning VirtualMachineIsolationProperties",
            uint32="CodeIntegrityPolicyEnforcementStatus UsermodeCodeIntegrityPolicyEnforcementStatus "
            "VirtualizationBasedSecurityStatus",
            uint8="SmmIsolationLevel",
            boolean="VirtualMachineIsolation",
        )
        return CimClass(DEVICE_GUARD, "Win32_DeviceGuard", properties, ("InstanceIdentifier",), (), self._guard_rows)

    def _guard_rows(self) -> Sequence[Row]:
        machine = self._machine
        if machine.vbs is None:
            raise fault("provider_failure", 0x80041001)
        hardware = machine.hardware
        # A virtual machine that never asked for VBS does not show what its host would offer.
        hidden = machine.vbs == 0 and machine.spec.platform != "physical"
        configured = hardware.services_configured
        return (
            {
                "InstanceIdentifier": "4ff40742-2649-41b8-bdd1-e80fad1cce80",
                "Version": "1.0",
                "AvailableSecurityProperties": [0] if hidden else _numbers(hardware.available),
                "RequiredSecurityProperties": _numbers(hardware.required),
                "SecurityFeaturesEnabled": [0],
                "SecurityServicesConfigured": _numbers(configured),
                "SecurityServicesRunning": _numbers(configured if machine.vbs == 2 else ()),
                "VirtualMachineIsolationProperties": [0],
                "CodeIntegrityPolicyEnforcementStatus": 0,
                "UsermodeCodeIntegrityPolicyEnforcementStatus": 0,
                "VirtualizationBasedSecurityStatus": machine.vbs,
                "SmmIsolationLevel": 0,
                "VirtualMachineIsolation": False,
            },
        )

    def tpm(self) -> CimClass:
        properties = typed(
            boolean="IsActivated_InitialValue IsEnabled_InitialValue IsOwned_InitialValue",
            string="ManufacturerIdTxt ManufacturerVersion ManufacturerVersionFull20 ManufacturerVersionInfo "
            "PhysicalPresenceVersionInfo SpecVersion",
            uint32="ManufacturerId",
        )

        def says(name: str) -> Method:
            return Method((), lambda _call: returned(0, **{name: CimValue("boolean", True)}), static=False)

        methods = {name: says(name) for name in ("IsActivated", "IsEnabled", "IsOwned", "IsReady")}
        methods["IsReadyInformation"] = Method(
            (),
            lambda _call: returned(0, IsReady=CimValue("boolean", True), Information=CimValue("uint32", 0)),
            static=False,
        )
        return CimClass(TPM, "Win32_Tpm", properties, (), (), self._tpm_rows, methods)

    def _tpm_rows(self) -> Sequence[Row]:
        kind = self._machine.hardware.now.tpm
        if kind == "none":
            return ()
        virtual = self._machine.spec.platform != "physical"
        return (
            {
                "IsActivated_InitialValue": True,
                "IsEnabled_InitialValue": True,
                "IsOwned_InitialValue": True,
                "ManufacturerId": 0x4D534654 if virtual else 0x49465800,
                "ManufacturerIdTxt": "MSFT" if virtual else "IFX",
                "ManufacturerVersion": "8215.2081.5.4370" if virtual else "7.85.4555.0",
                "ManufacturerVersionFull20": "8215.2081.5.4370" if virtual else "7.85.4555.0",
                "ManufacturerVersionInfo": "xCG fTPM" if virtual else "SLB9670",
                "PhysicalPresenceVersionInfo": "1.3",
                "SpecVersion": "2.0, 0, 1.38" if kind == "2.0" else "1.2, 2, 3",
            },
        )

    def optional_features(self) -> CimClass:
        properties = typed(string="Caption Description Name Status", datetime="InstallDate", uint32="InstallState")
        parents = ("CIM_LogicalElement", "CIM_ManagedSystemElement")
        return CimClass(CIMV2, "Win32_OptionalFeature", properties, ("Name",), parents, self._optional_rows)

    def _optional_rows(self) -> Sequence[Row]:
        roles = self._machine.spec.roles
        return [
            {"Name": name, "Caption": caption, "InstallState": 1 if role in roles else 2}
            for name, _number, caption, role in _FEATURES
        ]

    def server_features(self) -> CimClass:
        properties = typed(string="Name", uint32="ID ParentID")
        return CimClass(CIMV2, "Win32_ServerFeature", properties, ("ID",), (), self._server_rows)

    def _server_rows(self) -> Sequence[Row]:
        roles = self._machine.spec.roles
        return [
            {"ID": number, "ParentID": 0, "Name": caption}
            for _name, number, caption, role in _FEATURES
            if role in roles
        ]


def _numbers(found: Iterable[int]) -> list[int]:
    """A list as the class shows it: nothing is one 0."""
    return sorted(found) or [0]

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import (
    REG_DWORD,
    REG_MULTI_SZ,
    Registry,
    RegistryAccessError,
    RegistryPathError,
)

from .rehearsal import Rehearsal

LOCAL_MACHINE = "2147483650"
CURRENT_VERSION = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"


def call(server: Rehearsal, method: str, namespace: str = "root/default", **given: str) -> dict[str, Any]:
    params: dict[str, list[Any]] = {"hDefKey": [LOCAL_MACHINE], **{name: [value] for name, value in given.items()}}
    found = server.machine.invoke(namespace, "StdRegProv", method, params, {}, "Administrator")
    return {name: item.value for name, item in found.items()}


def test_names_compare_without_case_and_keep_theirs() -> None:
    registry = Registry()
    registry.number(r"HKLM\Software\Vendor", "Level", 3)
    assert registry.read(r"HKEY_LOCAL_MACHINE\SOFTWARE\VENDOR", "LEVEL") is not None
    key = registry.find(r"hklm\software")
    assert key is not None
    assert [below.name for below in key.keys.values()] == ["Vendor"]


def test_volatile_keys_go_with_a_restart() -> None:
    registry = Registry()
    registry.create(r"HKLM\SOFTWARE\A\Gone", volatile=True)
    registry.create(r"HKLM\SOFTWARE\A\Stays")
    registry.forget_volatile()
    assert registry.find(r"HKLM\SOFTWARE\A\Gone") is None
    assert registry.find(r"HKLM\SOFTWARE\A\Stays") is not None


def test_a_denied_key_denies_what_is_below() -> None:
    registry = Registry()
    registry.create(r"HKLM\SOFTWARE\A\B")
    registry.deny(r"HKLM\SOFTWARE\A")
    with pytest.raises(RegistryAccessError):
        registry.find(r"HKLM\SOFTWARE\A\B")
    with pytest.raises(RegistryAccessError):
        registry.write(r"HKLM\SOFTWARE\A\B", "x", REG_DWORD, 1)
    with pytest.raises(RegistryPathError):
        registry.find(r"NOPE\A")


def test_a_fresh_server_has_what_real_ones_have() -> None:
    registry = Rehearsal().machine.registry
    version = r"HKLM\\".replace("\\\\", "\\") + CURRENT_VERSION
    values = {
        name: registry.read(version, name)
        for name in ("ProductName", "EditionID", "InstallationType", "DisplayVersion", "CurrentBuild", "UBR", "LCUVer")
    }
    shown = {name: value.data if value else None for name, value in values.items()}
    assert shown == {
        "ProductName": "Windows Server 2025 Standard",
        "EditionID": "ServerStandard",
        "InstallationType": "Server",
        "DisplayVersion": "24H2",
        "CurrentBuild": "26100",
        "UBR": 7092,
        "LCUVer": "10.0.26100.7092",
    }
    renames = registry.read(r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager", "PendingFileRenameOperations")
    assert renames is not None
    assert renames.kind == REG_MULTI_SZ
    assert isinstance(renames.data, list)
    assert "" in renames.data
    assert registry.find(r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate") is None
    assert registry.find(r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\Results") is None
    assert registry.find(r"HKLM\SYSTEM\ControlSet001\Control\SecureBoot\State") is not None


def test_a_bios_server_has_no_secure_boot_key() -> None:
    registry = Rehearsal(firmware="bios", secure_boot=False, vbs=0).machine.registry
    assert registry.find(r"HKLM\SYSTEM\CurrentControlSet\Control\SecureBoot\State") is None


def test_an_azure_edition_server_has_the_enrollment_package() -> None:
    path = rf"HKLM\{CURRENT_VERSION}\Update\TargetingInfo\DynamicInstalled\Hotpatch.amd64"
    azure = Rehearsal(edition="ServerTurbine", arc="none").machine.registry
    assert azure.find(path) is not None
    assert Rehearsal().machine.registry.find(path) is None


@pytest.mark.parametrize("namespace", ["root/cimv2", "root/default", "ROOT\\Default"])
def test_reading_values_by_type(namespace: str) -> None:
    server = Rehearsal()
    given = {"sSubKeyName": CURRENT_VERSION}
    assert call(server, "GetDWORDValue", namespace, sValueName="UBR", **given) == {"uValue": 7092, "ReturnValue": 0}
    assert call(server, "GetStringValue", sValueName="EditionID", **given)["sValue"] == "ServerStandard"
    assert call(server, "GetDWORDValue", sValueName="EditionID", **given)["ReturnValue"] == 0x80041005
    assert call(server, "GetDWORDValue", sValueName="Nope", **given) == {"uValue": None, "ReturnValue": 1}
    assert call(server, "GetDWORDValue", sSubKeyName="SOFTWARE\\Nope", sValueName="x")["ReturnValue"] == 2
    service = r"SYSTEM\CurrentControlSet\Services\TrustedInstaller"
    path = call(server, "GetExpandedStringValue", sSubKeyName=service, sValueName="ImagePath")
    assert path["sValue"] == r"C:\Windows\servicing\TrustedInstaller.exe"


def test_listing_and_writing() -> None:
    server = Rehearsal()
    path = r"SOFTWARE\Contoso\Deep"
    assert call(server, "SetStringValue", sSubKeyName=path, sValueName="a", sValue="b")["ReturnValue"] == 2
    assert call(server, "CreateKey", sSubKeyName=path)["ReturnValue"] == 0
    assert call(server, "SetStringValue", sSubKeyName=path, sValueName="a", sValue="b")["ReturnValue"] == 0
    assert call(server, "EnumValues", sSubKeyName=path) == {"sNames": ["a"], "Types": [1], "ReturnValue": 0}
    assert call(server, "EnumKey", sSubKeyName=r"SOFTWARE\Contoso")["sNames"] == ["Deep"]
    assert call(server, "EnumKey", sSubKeyName=path)["sNames"] is None
    assert call(server, "DeleteKey", sSubKeyName=r"SOFTWARE\Contoso")["ReturnValue"] == 5
    assert call(server, "DeleteValue", sSubKeyName=path, sValueName="a")["ReturnValue"] == 0
    assert call(server, "DeleteKey", sSubKeyName=path)["ReturnValue"] == 0
    assert [item.kind for item in server.machine.journal.writes] == ["registry"] * 4


def test_a_denied_key_answers_five() -> None:
    server = Rehearsal(faults=[{"kind": "registry_denied", "key": "HKLM\\SOFTWARE\\Microsoft"}])
    assert call(server, "EnumKey", sSubKeyName="SOFTWARE\\Microsoft")["ReturnValue"] == 5
    assert call(server, "GetDWORDValue", sSubKeyName=CURRENT_VERSION, sValueName="UBR")["ReturnValue"] == 5
    assert server.run(rf'reg query "HKLM\{CURRENT_VERSION}"').err == "ERROR: Access is denied.\r\n"

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and writing virtualization-based security, against answers written by hand from recorded Windows output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Fault, HotpatchError, Unreachable
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.vbs import SETTINGS, GuestVbs

from .fake_server import FakeServer

SWITCH = "EnableVirtualizationBasedSecurity"
CONTROL = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control"
POLICIES = r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows"
VERSION = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion"

ROWS: dict[str, Any] = {
    "Win32_OperatingSystem": [{"BuildNumber": "26100", "LastBootUpTime": "2025-10-16T01:12:09Z"}],
    "Win32_ComputerSystem": [
        {"Manufacturer": "Microsoft Corporation", "Model": "Virtual Machine", "HypervisorPresent": "true"}
    ],
    "Win32_DeviceGuard": [
        {
            "VirtualizationBasedSecurityStatus": "1",
            "CodeIntegrityPolicyEnforcementStatus": "0",
            "UsermodeCodeIntegrityPolicyEnforcementStatus": "0",
            "AvailableSecurityProperties": ["3"],
            "RequiredSecurityProperties": ["1", "2"],
            "SecurityServicesConfigured": ["1", "2"],
            "SecurityServicesRunning": ["0"],
            "SecurityFeaturesEnabled": ["0"],
            "VirtualMachineIsolationProperties": ["0"],
            "SmmIsolationLevel": "0",
            "VirtualMachineIsolation": "false",
            "InstanceIdentifier": "4ff40742-2649-41b8-bdd1-e80fad1cce80",
            "Version": "1.0",
        }
    ],
    "Win32_Processor": [
        {
            "VirtualizationFirmwareEnabled": "false",
            "VMMonitorModeExtensions": "false",
            "SecondLevelAddressTranslationExtensions": "false",
        }
    ],
    "Win32_Tpm": [
        {
            "SpecVersion": "2.0, 0, 1.38",
            "IsEnabled_InitialValue": "true",
            "IsActivated_InitialValue": "true",
            "IsOwned_InitialValue": "false",
        }
    ],
}


def key(path: str, **values: str) -> str:
    """What ``reg query`` prints for one key."""
    lines = "".join(f"    {name}    {data}\r\n" for name, data in values.items())
    return f"\r\n{path}\r\n{lines}"


def printed(**changes: str | None) -> dict[str, str | None]:
    """What each step prints; None: the step fails."""
    steps: dict[str, str | None] = {
        "version": key(VERSION, UBR="REG_DWORD    0x1bb4", CurrentBuildNumber="REG_SZ    26100"),
        "control": key(CONTROL, PEFirmwareType="REG_DWORD    0x2")
        + f"{CONTROL}\\DeviceGuard\r\n{CONTROL}\\Lsa\r\n{CONTROL}\\SecureBoot\r\n",
        "secure_boot": key(CONTROL + r"\SecureBoot\State", UEFISecureBootEnabled="REG_DWORD    0x1"),
        "policies": f"{POLICIES}\\IPSec\r\n{POLICIES}\\safer\r\n",
        "guard_policy": None,
        "device_guard": key(CONTROL + r"\DeviceGuard", **{SWITCH: "REG_DWORD    0x1", "Locked": "REG_DWORD    0x0"})
        + key(CONTROL + r"\DeviceGuard\Scenarios\HypervisorEnforcedCodeIntegrity", Enabled="REG_DWORD    0x1"),
        "lsa": key(CONTROL + r"\Lsa", LsaCfgFlags="REG_DWORD    0x2"),
        "vmms": None,
    }
    return {**steps, **changes}


ABSENT = "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\r\n\r\nThe specified service does not exist.\r\n"
RUNS = "SERVICE_NAME: vmms\r\n        TYPE               : 10  WIN32_OWN_PROCESS\r\n        STATE : 4  RUNNING"


def server_with(rows: Mapping[str, Any] | None = None, vmms: str = ABSENT, **changes: str | None) -> FakeServer:
    """A fake server that prints these; ``sc`` fails with a text on an absent service."""
    commands = {
        "version": f'reg query "{VERSION.replace("HKEY_LOCAL_MACHINE", "HKLM")}" 2>nul',
        "control": r'reg query "HKLM\SYSTEM\CurrentControlSet\Control" 2>nul',
        "secure_boot": r'reg query "HKLM\SYSTEM\CurrentControlSet\Control\SecureBoot" /s 2>nul',
        "policies": r'reg query "HKLM\SOFTWARE\Policies\Microsoft\Windows" 2>nul',
        "guard_policy": r'reg query "HKLM\SOFTWARE\Policies\Microsoft\Windows\DeviceGuard" 2>nul',
        "device_guard": r'reg query "HKLM\SYSTEM\CurrentControlSet\Control\DeviceGuard" /s 2>nul',
        "lsa": r'reg query "HKLM\SYSTEM\CurrentControlSet\Control\Lsa" 2>nul',
        "vmms": "sc query vmms",
    }
    steps = printed(vmms=vmms, **changes)
    return FakeServer(rows={**ROWS, **(rows or {})}, outputs={commands[name]: text for name, text in steps.items()})


def read(server: FakeServer) -> dict[str, Any]:
    return GuestVbs(server.connect, "web01").read()


def test_a_whole_reading() -> None:
    reading = read(server_with())
    assert reading["build"] == "26100.7092"
    assert reading["last_boot"] == "2025-10-16T01:12:09Z"
    assert reading["why_unknown"] is None
    assert reading["guard"] == {
        "VirtualizationBasedSecurityStatus": 1,
        "CodeIntegrityPolicyEnforcementStatus": 0,
        "UsermodeCodeIntegrityPolicyEnforcementStatus": 0,
        "SmmIsolationLevel": 0,
        "AvailableSecurityProperties": [3],
        "RequiredSecurityProperties": [1, 2],
        "SecurityServicesConfigured": [1, 2],
        "SecurityServicesRunning": [0],
        "SecurityFeaturesEnabled": [0],
        "VirtualMachineIsolationProperties": [0],
        "VirtualMachineIsolation": False,
        "InstanceIdentifier": "4ff40742-2649-41b8-bdd1-e80fad1cce80",
        "Version": "1.0",
    }
    assert reading["machine"] == {
        "manufacturer": "Microsoft Corporation", "model": "Virtual Machine", "hypervisor_present": True
    }  # fmt: skip
    assert reading["firmware"] == {"type": "uefi", "secure_boot": True}
    assert reading["processor"] == {"firmware_enabled": False, "monitor_mode": False, "slat": False}
    assert reading["tpm"] == {"present": True, "version": "2.0", "enabled": True, "activated": True, "owned": False}
    assert reading["hyper_v"] is False
    assert reading["registry"] == {SWITCH: 1, "RequirePlatformSecurityFeatures": None, "Locked": 0}
    # No such policy key is the normal case, and an answer.
    assert set(reading["policy"].values()) == {None}
    assert reading["services"] == {
        "credential_guard": 2,
        "scenarios": {"hypervisorenforcedcodeintegrity": {"Enabled": 1, "Locked": None}},
    }
    assert reading["notes"] == []


@pytest.mark.parametrize(
    ("part", "changes", "expected"),
    [
        ("hyper_v", {"vmms": RUNS}, True),
        ("hyper_v", {"vmms": RUNS.replace("4  RUNNING", "1  STOPPED")}, True),
        ("hyper_v", {"vmms": "[SC] OpenService FAILED 5:\r\n\r\nAccess is denied.\r\n"}, None),
        ("registry", {"device_guard": None}, None),
        (
            "registry",
            {"device_guard": key(CONTROL + r"\DeviceGuard", **{SWITCH: "REG_SZ    1"})},
            {SWITCH: None, "RequirePlatformSecurityFeatures": None, "Locked": None},
        ),
        ("policy", {"policies": None}, None),
        ("policy", {"policies": f"{POLICIES}\\DeviceGuard\r\n"}, None),
        (
            "policy",
            {
                "policies": f"{POLICIES}\\DeviceGuard\r\n",
                "guard_policy": key(POLICIES + r"\DeviceGuard", **{SWITCH: "REG_SZ    1"}),
            },
            None,
        ),
        ("build", {"version": None}, None),
        ("firmware", {"control": None, "secure_boot": None}, {"type": None, "secure_boot": None}),
    ],
)
def test_a_part_that_is_otherwise(part: str, changes: dict[str, Any], expected: Any) -> None:
    assert read(server_with(**changes))[part] == expected


def test_a_policy_that_decides() -> None:
    values = {SWITCH: "REG_DWORD    0x1", "RequirePlatformSecurityFeatures": "REG_DWORD    0x3"}
    policies, guard = f"{POLICIES}\\DeviceGuard\r\n", key(POLICIES + r"\DeviceGuard", **values)
    policy = read(server_with(policies=policies, guard_policy=guard))["policy"]
    assert (policy[SWITCH], policy["RequirePlatformSecurityFeatures"], policy["LsaCfgFlags"]) == (1, 3, None)


@pytest.mark.parametrize(
    ("rows", "part", "expected"),
    [
        ({"Win32_Tpm": []}, "tpm",
         {"present": False, "version": None, "enabled": None, "activated": None, "owned": None}),
        ({"Win32_Tpm": Fault("access denied")}, "tpm", None),
        ({"Win32_Tpm": [{"SpecVersion": "Not Supported"}]}, "tpm",
         {"present": True, "version": None, "enabled": None, "activated": None, "owned": None}),
        ({"Win32_Processor": []}, "processor", {"firmware_enabled": None, "monitor_mode": None, "slat": None}),
        ({"Win32_Processor": [{**ROWS["Win32_Processor"][0], "VMMonitorModeExtensions": "true"},
                              {**ROWS["Win32_Processor"][0], "VMMonitorModeExtensions": None}]},
         "processor", {"firmware_enabled": False, "monitor_mode": None, "slat": False}),
        ({"Win32_ComputerSystem": Fault("no")}, "machine",
         {"manufacturer": None, "model": None, "hypervisor_present": None}),
    ],
)  # fmt: skip
def test_a_class_that_is_otherwise(rows: dict[str, Any], part: str, expected: Any) -> None:
    assert read(server_with(rows))[part] == expected


def test_an_older_windows_is_asked_for_less() -> None:
    class Older(dict[str, Any]):
        asked = 0

        def get(self, name: str, default: Any = None) -> Any:
            if name == "Win32_DeviceGuard":
                self.asked += 1
                if self.asked == 1:
                    return Fault("Invalid query.", code="0x80041017")
            return super().get(name, default)

    server = server_with()
    server.rows = Older(server.rows)
    reading = read(server)
    assert reading["guard"]["VirtualizationBasedSecurityStatus"] == 1
    assert reading["guard"]["SmmIsolationLevel"] is None
    assert (reading["why_unknown"], reading["notes"]) == (None, [])


@pytest.mark.parametrize(
    "rows",
    [
        {"Win32_DeviceGuard": Fault("The WMI provider failed.", code="0x80041001")},
        {"Win32_DeviceGuard": []},
        {"Win32_DeviceGuard": [{"VirtualizationBasedSecurityStatus": "9"}]},
        {"Win32_DeviceGuard": [{"VirtualizationBasedSecurityStatus": "two"}]},
    ],
)
def test_a_status_that_is_none_says_why(rows: dict[str, Any]) -> None:
    reading = read(server_with(rows))
    assert reading["guard"]["VirtualizationBasedSecurityStatus"] not in (0, 1, 2)
    assert reading["why_unknown"]
    assert len(reading["notes"]) <= 1


def test_hostile_words_are_cleaned() -> None:
    rows = {"Win32_ComputerSystem": [{"Manufacturer": "Evil\x1b[31m\r\n" + "x" * 9000, "Model": "\x00"}]}
    machine = read(server_with(rows))["machine"]
    assert machine["manufacturer"].startswith("Evil [31m x")
    assert len(machine["manufacturer"]) <= 400
    assert machine["model"] is None


def test_an_unreachable_server_is_no_reading() -> None:
    with pytest.raises(Unreachable):
        read(server_with({"Win32_OperatingSystem": Unreachable("web01: nothing answers.")}))
    with pytest.raises(Unreachable):
        read(server_with({"Win32_Tpm": Unreachable("web01: nothing answers.")}))


# ---- writing


def writing(answers: Mapping[str, dict[str, Any]]) -> tuple[GuestVbs, list[tuple[str, Mapping[str, Any]]]]:
    calls: list[tuple[str, Mapping[str, Any]]] = []

    def invoke(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        calls.append((method, params))
        return answers.get(method, {"ReturnValue": "0"})

    return GuestVbs(FakeServer(invocations=invoke).connect, "web01"), calls


def test_writing_reads_back() -> None:
    vbs, calls = writing({"GetDWORDValue": {"ReturnValue": "0", "uValue": "1"}})
    vbs.write({SWITCH: 1})
    assert [method for method, _params in calls] == ["CreateKey", "SetDWORDValue", "GetDWORDValue"]
    assert calls[1][1] == {"hDefKey": 0x80000002, "sSubKeyName": SETTINGS, "sValueName": SWITCH, "uValue": 1}


def test_a_second_write_that_fails_says_that_the_first_was_done() -> None:
    answers = iter([{"ReturnValue": "0"}, {"ReturnValue": "0"}, {"ReturnValue": "5"}])
    vbs = GuestVbs(FakeServer(invocations=lambda _method, _params: next(answers)).connect, "web01")
    with pytest.raises(Fault) as caught:
        vbs.write({"RequirePlatformSecurityFeatures": 1, SWITCH: 1})
    assert caught.value.changed is True


@pytest.mark.parametrize(
    ("answers", "code", "changed"),
    [
        ({"SetDWORDValue": {"ReturnValue": "5"}}, "registry_denied", False),
        ({"CreateKey": {"ReturnValue": "5"}}, "registry_denied", False),
        ({"GetDWORDValue": {"ReturnValue": "0", "uValue": "0"}}, "not_kept", True),
        ({"GetDWORDValue": {"ReturnValue": "1"}}, "not_kept", True),
    ],
)
def test_a_write_that_does_not_hold_is_an_error(answers: dict[str, Any], code: str, changed: bool) -> None:
    vbs, _calls = writing(answers)
    with pytest.raises(HotpatchError) as caught:
        vbs.write({SWITCH: 1})
    assert (caught.value.code, caught.value.changed) == (code, changed)
    assert "web01" in caught.value.message

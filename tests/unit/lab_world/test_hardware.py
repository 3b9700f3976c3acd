# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine below Windows, and what virtualization-based security makes of it at each start."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import FleetError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry_content import CONTROL, DEVICE_GUARD
from tests.unit.lab_world.rehearsal import Rehearsal

GUARD = "root/Microsoft/Windows/DeviceGuard"
TPM = "root/cimv2/Security/MicrosoftTpm"


def on(**values: int) -> dict[str, dict[str, int]]:
    """Registry values of a fleet file that ask for VBS."""
    return {DEVICE_GUARD: {"EnableVirtualizationBasedSecurity": 1, **values}}


def row(server: Rehearsal, name: str, namespace: str = "root/cimv2") -> dict[str, Any]:
    (found,) = server.machine.query(namespace, f"SELECT * FROM {name}", None)
    return {key: value.value for key, value in found.properties.items()}


def operate(server: Rehearsal, body: Any, method: str = "POST") -> tuple[int, Any]:
    answer = server.world.control(method, "/servers/web01/hardware", {}, body)
    return answer.status, answer.document


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ({"registry": on()}, 2),
        ({"registry": on(RequirePlatformSecurityFeatures=1)}, 2),
        ({"registry": on(RequirePlatformSecurityFeatures=3)}, 2),
        # Without RequirePlatformSecurityFeatures nothing asks for Secure Boot.
        ({"registry": on(), "secure_boot": False}, 2),
        ({"registry": on(RequirePlatformSecurityFeatures=1), "secure_boot": False}, 1),
        ({"registry": on(RequirePlatformSecurityFeatures=3), "dma_protection": False}, 1),
        ({"registry": on(), "virtualization": False}, 1),
        ({"registry": on(), "firmware": "bios"}, 1),
        ({"policy": {"EnableVirtualizationBasedSecurity": 1}}, 2),
        ({"policy": {"EnableVirtualizationBasedSecurity": 0}, "registry": on()}, 0),
        ({"policy": {"LsaCfgFlags": 2}}, 2),
        ({"registry": {CONTROL + r"\Lsa": {"LsaCfgFlags": 2}}}, 2),
        ({"registry": {DEVICE_GUARD + r"\Scenarios\HypervisorEnforcedCodeIntegrity": {"Enabled": 1}}}, 2),
        ({"registry": {DEVICE_GUARD + r"\Scenarios\SystemGuard": {"Enabled": 1}}}, 2),
        ({}, 0),
    ],
)
def test_a_start_makes_true_what_is_asked_for(keys: dict[str, Any], status: int) -> None:
    server = Rehearsal(vbs=0, **keys)
    assert server.machine.vbs == 0
    server.restart(120)
    assert server.machine.vbs == status


def test_a_server_on_which_it_runs_by_default_can_be_told_not_to() -> None:
    server = Rehearsal(vbs=2)
    server.restart(120)
    assert server.machine.vbs == 2
    assert server.run(f"reg add {DEVICE_GUARD} /v EnableVirtualizationBasedSecurity /t REG_DWORD /d 0").code == 0
    assert server.machine.vbs == 2
    server.restart(120)
    assert server.machine.vbs == 0


def test_a_lock_outlives_the_registry() -> None:
    server = Rehearsal(vbs=2, registry=on(Locked=1))
    for name in ("EnableVirtualizationBasedSecurity", "Locked"):
        assert server.run(f"reg add {DEVICE_GUARD} /v {name} /t REG_DWORD /d 0 /f").code == 0
    server.restart(120)
    assert server.machine.vbs == 2


def test_status_1_comes_from_missing_virtualization_unless_the_firmware_explains_it() -> None:
    assert not Rehearsal(vbs=1).machine.hardware.now.virtualization
    assert Rehearsal(vbs=1, secure_boot=False).machine.hardware.now.virtualization
    waiting = Rehearsal(vbs=1, virtualization=True)
    waiting.restart(120)
    assert waiting.machine.vbs == 2


def test_the_operator_changes_the_hardware_and_the_next_start_shows_it() -> None:
    server = Rehearsal(vbs=0, firmware="bios", secure_boot=False, registry=on())
    status, document = operate(server, {"firmware": "uefi", "secure_boot": True})
    assert (status, document["now"]["firmware"], document["after_the_next_start"]["firmware"]) == (200, "bios", "uefi")
    state = CONTROL + r"\SecureBoot\State"
    assert server.machine.registry.find(state) is None
    assert server.machine.write_count == 0
    server.restart(120)
    assert server.machine.vbs == 2
    assert server.machine.registry.read(CONTROL, "PEFirmwareType").data == 2  # type: ignore[union-attr]
    assert server.machine.registry.read(state, "UEFISecureBootEnabled").data == 1  # type: ignore[union-attr]
    assert operate(server, None, "GET")[1]["now"]["secure_boot"] is True
    assert operate(server, {"firmware": "bios"})[0] == 200
    server.restart(120)
    assert (server.machine.vbs, server.machine.registry.find(state)) == (1, None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"secure_boot": 1}, "must be one of"),
        ({"secure_boot": "yes"}, "must be one of"),
        ({"firmware": "efi"}, "must be one of uefi, bios"),
        ({"colour": "red"}, "There is no 'colour'"),
        ({}, "Send what to change"),
        ("on", "Send what to change"),
        ({"secure_boot": True}, "Only UEFI"),
    ],
)
def test_the_operator_is_told_what_is_wrong(body: Any, words: str) -> None:
    status, document = operate(Rehearsal(vbs=0, firmware="bios"), body)
    assert status == 400
    assert words in document["error"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"tpm": "3.0"}, "'tpm' must be one of 2.0, 1.2, none"),
        ({"virtualization": "yes"}, "'virtualization' must be true or false"),
        ({"dma_protection": 1}, "'dma_protection' must be true or false"),
        ({"registry": {"HKCU\\Software": {"A": 1}}}, "must begin with HKLM"),
        ({"registry": {"HKLM\\SOFTWARE\\A": {"B": True}}}, "'B' must be a number or a text"),
        ({"registry": {"HKLM\\SOFTWARE\\A": 1}}, "keys and values are expected"),
    ],
)
def test_a_fleet_file_is_told_what_is_wrong(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(FleetError, match=words):
        Rehearsal(**keys)


def test_registry_values_of_a_fleet_file_stand_there() -> None:
    path = r"HKLM\SOFTWARE\Example"
    server = Rehearsal(registry={path: {"Number": 7, "Text": "seven"}})
    assert "0x7" in server.run(f"reg query {path} /v Number").out
    assert "REG_SZ    seven" in server.run(f"reg query {path} /v Text").out


@pytest.mark.parametrize(
    ("keys", "boots"),
    [
        ({"level": "KB5062553"}, False),
        ({"level": "KB5062553", "secure_boot": True}, True),
        ({"level": "KB5062553", "roles": ["hyper-v"]}, True),
        ({"level": "KB5062553", "platform": "physical"}, True),
        ({"level": "KB5063878"}, True),
    ],
)
def test_july_2025_does_not_start_with_vbs_and_without_trusted_launch(keys: dict[str, Any], boots: bool) -> None:
    server = Rehearsal(**{"vbs": 0, "secure_boot": False, "registry": on(), **keys})
    server.restart(600)
    assert server.machine.power.state == ("running" if boots else "lost")


def test_the_tpm() -> None:
    found = row(Rehearsal(), "Win32_Tpm", TPM)
    assert (found["SpecVersion"], found["IsEnabled_InitialValue"]) == ("2.0, 0, 1.38", True)
    assert row(Rehearsal(tpm="1.2", platform="physical"), "Win32_Tpm", TPM)["SpecVersion"].startswith("1.2")
    server = Rehearsal(tpm="none")
    assert server.machine.query(TPM, "SELECT * FROM Win32_Tpm", None) == []
    ready = Rehearsal().machine.invoke(TPM, "Win32_Tpm", "IsReady", {}, {}, "Administrator")
    assert (ready["IsReady"].value, ready["ReturnValue"].value) == (True, 0)


def test_the_processor_hides_its_virtualization_behind_a_hypervisor() -> None:
    names = ("VMMonitorModeExtensions", "SecondLevelAddressTranslationExtensions", "VirtualizationFirmwareEnabled")

    def seen(**keys: Any) -> list[bool]:
        return [row(Rehearsal(**keys), "Win32_Processor")[name] for name in names]

    assert seen(platform="physical", vbs=0) == [True, True, True]
    assert seen(platform="physical", vbs=0, virtualization=False) == [True, True, False]
    assert seen(platform="physical", vbs=2) == [False, False, False]
    assert seen(platform="hyper-v", vbs=0) == [False, False, False]


def test_the_hyper_v_role_shows_as_feature_and_service() -> None:
    server = Rehearsal(roles=["hyper-v"])
    feature = "SELECT InstallState FROM Win32_OptionalFeature WHERE Name='Microsoft-Hyper-V'"
    for machine, state in ((server.machine, 1), (Rehearsal().machine, 2)):
        (found,) = machine.query("root/cimv2", feature, None)
        assert found.properties["InstallState"].value == state
    (role,) = server.machine.query("root/cimv2", "SELECT ID, Name FROM Win32_ServerFeature", None)
    assert (role.properties["ID"].value, role.properties["Name"].value) == (20, "Hyper-V")
    assert server.run("sc query vmms").code == 0


def test_device_guard_shows_what_is_required_and_configured() -> None:
    server = Rehearsal(vbs=1)
    found = row(server, "Win32_DeviceGuard", GUARD)
    assert (found["AvailableSecurityProperties"], found["RequiredSecurityProperties"]) == ([2, 3, 5], [1, 2])
    guarded = Rehearsal(vbs=0, policy={"LsaCfgFlags": 1, "HypervisorEnforcedCodeIntegrity": 2})
    guarded.restart(120)
    found = row(guarded, "Win32_DeviceGuard", GUARD)
    assert (found["SecurityServicesConfigured"], found["SecurityServicesRunning"]) == ([1, 2], [1, 2])


def test_a_start_reads_what_the_account_may_not() -> None:
    server = Rehearsal(vbs=0, registry=on(), faults=[{"kind": "registry_denied", "key": DEVICE_GUARD}])
    operate(server, {"secure_boot": False})
    server.restart(120)
    assert server.machine.vbs == 2

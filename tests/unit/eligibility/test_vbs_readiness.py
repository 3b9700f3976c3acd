# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reading says about virtualization-based security: tables of rules, and that unknown never passes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.vbs_readiness import (
    demand_of,
    described,
    hardware_of,
    in_words,
    obstacles,
    restart_required,
    risks,
    status_of,
)
from tests.unit.eligibility.vbs_readings import guest, metal

SWITCH, REQUIRE = "EnableVirtualizationBasedSecurity", "RequirePlatformSecurityFeatures"


def states(reading: dict[str, Any]) -> dict[str, str]:
    return {item.code: item.state for item in hardware_of(reading, demand_of(reading))}


def codes(reading: dict[str, Any], changed: tuple[str, ...] = ()) -> list[str]:
    return [obstacle.code for obstacle in obstacles(reading, demand_of(reading), changed)]


def due(reading: dict[str, Any], *changed: str) -> bool | None:
    return restart_required(reading, demand_of(reading), changed)


# ---- status and properties


@pytest.mark.parametrize(("given", "status"), [(0, 0), (1, 1), (2, 2), (3, None), (None, None), (True, None)])
def test_only_known_numbers_are_a_status(given: Any, status: int | None) -> None:
    assert status_of(guest(given)) == status


def test_properties_come_with_their_words() -> None:
    guard = {
        "VirtualizationBasedSecurityStatus": 1,
        "AvailableSecurityProperties": [1, 8, 9],
        "SecurityServicesRunning": [],
        "SecurityServicesConfigured": [1, 2, 3, 4],
        "SmmIsolationLevel": None,
        "Version": "1.0",
        "VirtualMachineIsolation": False,
    }
    words = {name: entry["words"] for name, entry in described(guard).items()}
    assert words == {
        "VirtualizationBasedSecurityStatus": "enabled but not running",
        "AvailableSecurityProperties": "hypervisor support, APIC virtualization, unknown value 9",
        "SecurityServicesRunning": "none",
        "SecurityServicesConfigured": "Credential Guard, memory integrity, System Guard Secure Launch, "
        "SMM Firmware Measurement",
        "SmmIsolationLevel": "not read",
        "Version": "1.0",
        "VirtualMachineIsolation": "False",
    }
    assert described(guard)["AvailableSecurityProperties"]["value"] == [1, 8, 9]


# ---- who asks for it


@pytest.mark.parametrize(
    ("changes", "enabled", "by"),
    [
        ({}, None, "default"),
        ({"registry": {SWITCH: 1}}, True, "registry"),
        ({"registry": {SWITCH: 0}}, False, "registry"),
        ({"policy": {SWITCH: 1}, "registry": {SWITCH: 0}}, True, "policy"),
        ({"policy": {SWITCH: 0}, "registry": {SWITCH: 1}}, False, "policy"),
        ({"policy": None, "registry": {SWITCH: 1}}, None, "unknown"),
        ({"registry": None}, None, "unknown"),
        ({"registry": None, "policy": {SWITCH: 1}}, True, "policy"),
        ({"services": {"credential_guard": 2}, "registry": {SWITCH: 0}}, True, "service"),
    ],
)
def test_a_policy_wins_over_the_registry_and_a_service_over_both(
    changes: dict[str, Any], enabled: bool | None, by: str
) -> None:
    demand = demand_of(guest(**changes))
    assert (demand.enabled, demand.by) == (enabled, by)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"services": {"credential_guard": 1}}, ["Credential Guard (registry, with UEFI lock)"]),
        ({"services": {"credential_guard": 2}}, ["Credential Guard (registry)"]),
        ({"services": {"credential_guard": 0}}, []),
        ({"services": {"credential_guard": 2}, "policy": {"LsaCfgFlags": 0}}, []),
        ({"policy": {"LsaCfgFlags": 1}}, ["Credential Guard (policy, with UEFI lock)"]),
        ({"policy": {"HypervisorEnforcedCodeIntegrity": 2}}, ["memory integrity (policy)"]),
        ({"policy": {"HypervisorEnforcedCodeIntegrity": 3}}, []),
        (
            {
                "policy": {"HypervisorEnforcedCodeIntegrity": 3},
                "services": {"scenarios": {"hypervisorenforcedcodeintegrity": {"Enabled": 1}}},
            },
            ["memory integrity (registry)"],
        ),
        ({"policy": {"ConfigureSystemGuardLaunch": 1}}, ["System Guard Secure Launch (policy)"]),
        ({"policy": {"ConfigureSystemGuardLaunch": 2}, "services": {"scenarios": {"systemguard": {"Enabled": 1}}}}, []),
        ({"services": {"scenarios": {"systemguard": {"Enabled": 1}}}}, ["System Guard Secure Launch (registry)"]),
        ({"services": {"scenarios": {"keyguard": {"Enabled": 1}}}}, ["the scenario keyguard (registry)"]),
        ({"services": {"scenarios": {"keyguard": {"Enabled": 0}}}}, []),
        ({"guard": {"SecurityServicesConfigured": [4]}}, ["SMM Firmware Measurement (listed by Windows)"]),
        (
            {"guard": {"SecurityServicesConfigured": [1]}, "services": {"credential_guard": 2}},
            ["Credential Guard (registry)"],
        ),
        ({"guard": {"SecurityServicesConfigured": None}}, []),
    ],
)
def test_what_else_turns_it_on_is_named(changes: dict[str, Any], kept: list[str]) -> None:
    assert list(demand_of(guest(**changes)).kept_on_by) == kept


# ---- hardware


def test_all_items_of_a_virtual_machine_and_of_bare_metal() -> None:
    assert states(guest(2)) == {
        "uefi": "yes", "secure_boot": "yes", "tpm": "yes", "tpm_2": "yes", "tpm_ready": "yes", "dma_protection": "yes",
        "virtualization": "yes", "slat": "yes", "virtual_machine": "yes", "generation_2": "yes",
        "nested_virtualization": "unknown",
    }  # fmt: skip
    assert states(metal(0)) == {
        "uefi": "yes", "secure_boot": "yes", "tpm": "yes", "tpm_2": "yes", "tpm_ready": "yes", "dma_protection": "yes",
        "virtualization": "yes", "slat": "yes", "virtual_machine": "no", "generation_2": "no",
        "nested_virtualization": "no",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reading", "item", "state"),
    [
        (guest(firmware={"type": "bios", "secure_boot": False}), "uefi", "no"),
        (guest(firmware={"type": "bios", "secure_boot": False}), "generation_2", "no"),
        (guest(firmware={"type": None, "secure_boot": None}), "uefi", "unknown"),
        (guest(firmware={"type": None, "secure_boot": None}), "generation_2", "unknown"),
        (guest(firmware={"secure_boot": None}), "secure_boot", "unknown"),
        (guest(firmware={"secure_boot": False}), "secure_boot", "no"),
        (guest(tpm=None), "tpm", "unknown"),
        (guest(tpm=None), "tpm_ready", "unknown"),
        (guest(tpm={"present": False}), "tpm", "no"),
        (guest(tpm={"version": "1.2"}), "tpm_2", "no"),
        (guest(tpm={"version": None}), "tpm_2", "unknown"),
        (guest(tpm={"owned": False}), "tpm_ready", "no"),
        (guest(tpm={"activated": None}), "tpm_ready", "unknown"),
        # While it is off, a virtual machine may say that there is nothing; enabled, it means it.
        (guest(0, guard={"AvailableSecurityProperties": [0]}), "dma_protection", "unknown"),
        (guest(0, guard={"AvailableSecurityProperties": [0]}), "virtualization", "unknown"),
        (guest(1, guard={"AvailableSecurityProperties": [0]}), "virtualization", "no"),
        (guest(1, guard={"AvailableSecurityProperties": [2, 3]}), "virtualization", "no"),
        (guest(0, guard={"AvailableSecurityProperties": [1, 2]}), "dma_protection", "no"),
        (guest(0, guard={"AvailableSecurityProperties": None}), "virtualization", "unknown"),
        (guest(0, guard={"AvailableSecurityProperties": []}), "virtualization", "unknown"),
        (guest(2, guard={"AvailableSecurityProperties": None}), "virtualization", "yes"),
        (metal(processor={"firmware_enabled": False}), "virtualization", "yes"),  # what Windows lists decides
        (
            metal(processor={"firmware_enabled": False}, guard={"AvailableSecurityProperties": [2, 3]}),
            "virtualization",
            "no",
        ),
        (metal(guard={"AvailableSecurityProperties": None}), "virtualization", "yes"),
        (
            metal(
                hyper_v=True,
                machine={"hypervisor_present": True},
                processor={"firmware_enabled": False, "monitor_mode": False, "slat": False},
                guard={"AvailableSecurityProperties": None},
            ),
            "virtualization",
            "yes",
        ),
        (metal(processor={"slat": False}), "slat", "no"),
        (metal(processor={"slat": None}, guard={"AvailableSecurityProperties": None}), "slat", "yes"),
        (guest(guard={"AvailableSecurityProperties": [0]}), "slat", "unknown"),
        (guest(processor={"monitor_mode": True}), "nested_virtualization", "yes"),
        (guest(machine={"manufacturer": "VMware, Inc.", "model": "VMware20,1"}), "virtual_machine", "yes"),
        (guest(machine={"manufacturer": "QEMU", "model": "Standard PC (Q35 + ICH9)"}), "virtual_machine", "yes"),
        (guest(machine={"manufacturer": "Acme", "model": "X"}), "virtual_machine", "unknown"),
        (guest(2, machine={"manufacturer": "Acme", "model": "X"}), "virtual_machine", "no"),
        (guest(2, machine={"manufacturer": None, "model": None}), "virtual_machine", "unknown"),
        (guest(machine={"hypervisor_present": None, "model": None}), "virtual_machine", "unknown"),
    ],
)
def test_an_item(reading: dict[str, Any], item: str, state: str) -> None:
    assert states(reading)[item] == state


def test_each_item_shows_its_evidence() -> None:
    for reading in (guest(), metal(), guest(tpm=None, firmware={"type": None})):
        for item in hardware_of(reading, demand_of(reading)):
            assert item.evidence
            assert item.as_dict()["state"] in ("yes", "no", "unknown")


@pytest.mark.parametrize(
    ("required", "secure_boot", "dma"), [(None, False, False), (0, False, False), (1, True, False), (3, True, True)]
)
def test_what_is_needed_depends_on_what_is_required(required: int | None, secure_boot: bool, dma: bool) -> None:
    reading = guest(registry={SWITCH: 1, REQUIRE: required})
    needed = {item.code: item.needed for item in hardware_of(reading, demand_of(reading))}
    assert (needed["secure_boot"], needed["dma_protection"]) == (secure_boot, dma)
    assert needed["uefi"] and needed["virtualization"] and needed["slat"]
    assert not needed["tpm"] and not needed["nested_virtualization"]


def test_the_policy_decides_what_is_required() -> None:
    demand = demand_of(guest(registry={SWITCH: 1, REQUIRE: 0}, policy={REQUIRE: 3}))
    assert demand.required == 3
    assert demand.as_dict()["platform_security"] == "secure_boot_and_dma"


# ---- restart and obstacles


@pytest.mark.parametrize(
    ("reading", "changed", "expected"),
    [
        (guest(0), (), False),
        (guest(0, registry={SWITCH: 1}), (), True),
        (guest(0, registry={SWITCH: 1}), (SWITCH,), True),
        (guest(0, registry={SWITCH: 0}), (), False),
        (guest(0, registry={SWITCH: 0}), (SWITCH,), False),
        (guest(2), (), False),
        (guest(2, registry={SWITCH: 1}), (SWITCH,), False),
        (guest(2, registry={SWITCH: 1, REQUIRE: 1}), (SWITCH, REQUIRE), True),
        (guest(2, registry={SWITCH: 0}), (SWITCH,), True),
        (guest(2, registry={SWITCH: 0}), (), True),
        (guest(2, registry={SWITCH: 0, "Locked": 1}), (), False),
        (guest(2, registry={SWITCH: 0}, services={"credential_guard": 2}), (SWITCH,), False),
        (guest(1, registry={SWITCH: 1}), (), None),
        (guest(1, registry={SWITCH: 1}), (SWITCH,), True),
        (guest(1, registry={SWITCH: 1}, firmware={"type": "bios", "secure_boot": False}), (), False),
        (guest(1, registry={SWITCH: 1, REQUIRE: 1}, firmware={"secure_boot": False}), (), False),
        (guest(1, registry={SWITCH: 0}), (), True),
        (guest(1), (), None),
        (guest(None, registry={SWITCH: 1}), (), None),
        (guest(None, registry={SWITCH: 1}), (SWITCH,), True),
        (guest(0, policy=None), (), None),
        (guest(2, policy=None), (), False),
    ],
)
def test_whether_a_restart_is_due(reading: dict[str, Any], changed: tuple[str, ...], expected: bool | None) -> None:
    assert due(reading, *changed) is expected


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (guest(2), []),
        (guest(0), ["not_asked_for"]),
        (guest(0, registry={SWITCH: 1}), ["restart"]),
        (guest(0, policy={SWITCH: 0}), ["not_asked_for"]),
        (guest(0, policy=None), ["demand_unknown"]),
        (guest(1, registry={SWITCH: 1}), ["not_running"]),
        (guest(None, registry={SWITCH: 1}), ["status_unknown"]),
        (
            guest(0, registry={SWITCH: 1, REQUIRE: 3}, firmware={"type": "bios", "secure_boot": False},
                  guard={"AvailableSecurityProperties": [2]}),
            ["uefi", "secure_boot", "dma_protection", "virtualization", "restart"],
        ),
        (guest(0, registry={SWITCH: 1}, firmware={"type": None, "secure_boot": None}), ["uefi", "restart"]),
    ],
)  # fmt: skip
def test_everything_that_keeps_it_from_running_is_named_at_once(reading: dict[str, Any], expected: list[str]) -> None:
    assert codes(reading) == expected


def test_unknown_is_marked_and_never_a_pass() -> None:
    """Take away what was read, part by part: nothing that was yes may stay a silent yes."""
    parts: dict[str, Any] = {
        "firmware": {"type": None, "secure_boot": None},
        "guard": {"AvailableSecurityProperties": None},
        "policy": None,
        "registry": None,
    }
    for taken in itertools.chain.from_iterable(itertools.combinations(parts, count) for count in range(1, 5)):
        reading = guest(0, registry={SWITCH: 1, REQUIRE: 3})
        for part in taken:
            reading[part] = None if parts[part] is None else {**reading[part], **parts[part]}
        found = obstacles(reading, demand_of(reading))
        assert any(obstacle.unknown for obstacle in found), taken
    running = guest(2, firmware={"type": None, "secure_boot": None}, policy=None)
    assert obstacles(running, demand_of(running)) == ()


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (guest(2), "Virtualization-based security is running."),
        (guest(0), "is not enabled. Nobody asks for it"),
        (guest(1, registry={SWITCH: 1}), "enabled but not running."),
        (guest(2, registry={SWITCH: 0}), "It is turned off, which takes a restart."),
        (guest(2, registry={SWITCH: 0, "Locked": 1}), "locked in UEFI variables"),
        (guest(None) | {"why_unknown": "access denied"}, "could not be read: access denied"),
    ],
)
def test_one_sentence_on_where_it_stands(reading: dict[str, Any], words: str) -> None:
    demand = demand_of(reading)
    assert words in in_words(reading, demand, obstacles(reading, demand), due(reading))


# ---- the known traps


def trap(reading: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(risk.code, risk.state, risk.refuses) for risk in risks(reading)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"hyper_v": True}, [("hyper_v_role", "yes", False)]),
        ({"hyper_v": None}, [("hyper_v_role", "unknown", False)]),
        ({"hyper_v": True, "build": "20348.4529"}, []),
        ({"hyper_v": True, "build": None}, [("hyper_v_role", "yes", False)]),
        ({"registry": {"Locked": 1}}, [("uefi_lock", "yes", False)]),
        ({"registry": {"Locked": 0}}, []),
        # KB5062553 and its repair.
        ({"build": "26100.4652", "firmware": {"secure_boot": False}}, [("no_boot", "yes", True)]),
        ({"build": "26100.4652", "tpm": {"present": False}}, [("no_boot", "yes", True)]),
        ({"build": "26100.4652"}, []),
        ({"build": "26100.4656", "firmware": {"secure_boot": False}}, []),
        ({"build": "26100.4351", "firmware": {"secure_boot": False}}, [("no_boot_after_kb5062553", "yes", False)]),
        ({"build": "26100.4652", "firmware": {"type": "bios", "secure_boot": False}}, []),
        (
            {"build": "26100.4652", "firmware": {"secure_boot": False}, "hyper_v": True},
            [("hyper_v_role", "yes", False)],
        ),
        (
            {"build": "26100.4652", "firmware": {"secure_boot": False}, "hyper_v": None},
            [("hyper_v_role", "unknown", False), ("no_boot", "unknown", True)],
        ),
        ({"build": "26100.4652", "tpm": None}, [("no_boot", "unknown", True)]),
        ({"build": None, "firmware": {"secure_boot": False}}, [("no_boot", "unknown", True)]),
        ({"build": "20348.4652", "firmware": {"secure_boot": False}}, []),
    ],
)
def test_the_traps(changes: dict[str, Any], expected: list[tuple[str, str, bool]]) -> None:
    assert trap(guest(**changes)) == expected


def test_bare_metal_starts_after_july_2025() -> None:
    assert trap(metal(build="26100.4652", firmware={"secure_boot": False})) == []

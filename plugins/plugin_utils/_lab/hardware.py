# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine below Windows, and what virtualization-based security (VBS) makes of it at each start.

Firmware, Secure Boot, the TPM and whether the hardware (or the hypervisor) offers virtualization are settings outside
of Windows: somebody with access to the hypervisor or the firmware changes them, and the next start shows them.

What is needed to run VBS: Microsoft Learn, "Enable virtualization-based protection of code integrity" (requirements of
virtual machines; RequirePlatformSecurityFeatures 1 asks for Secure Boot, 3 for DMA protection as well, and without it
nothing is asked for) and "Virtualization-based Security: hardware requirements". A lock in UEFI variables outlives the
registry (the same page). KB5064489: after KB5062553 (26100.4652) virtual machines without Trusted Launch and without
the Hyper-V role, but with VBS on, might not start; the lab's do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import FIRMWARE, TPMS, ServerSpec
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.policy_values import DEVICE_GUARD as POLICY
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import Registry
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry_content import (
    CONTROL,
    DEVICE_GUARD,
    show_firmware,
)

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

SWITCH = "EnableVirtualizationBasedSecurity"
REQUIRED = "RequirePlatformSecurityFeatures"
HYPERVISOR, SECURE_BOOT, DMA_PROTECTION = 1, 2, 3
CREDENTIAL_GUARD, MEMORY_INTEGRITY, SECURE_LAUNCH = 1, 2, 3

_FIRST_BROKEN_UBR, _REPAIRED_UBR = 4652, 4656


class HardwareError(Exception):
    """The hardware cannot be changed like that; the text says why."""


@dataclass(frozen=True)
class Fittings:
    """What a machine is fitted with."""

    firmware: str
    secure_boot: bool
    virtualization: bool
    dma_protection: bool
    tpm: str

    def as_dict(self) -> dict[str, Any]:
        """For the control address."""
        return {
            "firmware": self.firmware,
            "secure_boot": self.secure_boot,
            "virtualization": self.virtualization,
            "dma_protection": self.dma_protection,
            "tpm": self.tpm,
        }


def fittings_of(spec: ServerSpec) -> Fittings:
    """The fittings that the fleet file gives a server.

    A server that begins with status 1 lacks virtualization, unless its firmware already explains the status or the file
    says otherwise (then it only was not restarted since).
    """
    secure_boot = spec.secure_boot and spec.firmware == "uefi"
    virtualization = spec.virtualization
    if virtualization is None:
        virtualization = spec.vbs != 1 or not secure_boot
    return Fittings(spec.firmware, secure_boot, virtualization, spec.dma_protection, spec.tpm)


class Hardware:
    """The hardware of one server, and the changes that wait for its next start."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.now = fittings_of(machine.spec)
        self._next = self.now
        # A lock is laid into UEFI variables while VBS runs, and stays there.
        self._locked = machine.vbs == 2 and _number(machine.registry, DEVICE_GUARD, "Locked") == 1

    def change(self, wanted: Mapping[str, Any]) -> None:
        """Change settings of the machine below Windows; they take effect at the next start.

        :raises HardwareError: a setting is not known or cannot be like that.
        """
        known = {
            "firmware": FIRMWARE,
            "secure_boot": (True, False),
            "virtualization": (True, False),
            "dma_protection": (True, False),
            "tpm": TPMS,
        }
        if not wanted:
            raise HardwareError(f"Send what to change: {', '.join(known)}.")
        for key, value in wanted.items():
            if key not in known:
                raise HardwareError(f"There is no {key!r}; known are {', '.join(known)}.")
            if not any(value is choice or (isinstance(value, str) and value == choice) for choice in known[key]):
                raise HardwareError(f"{key!r} must be one of {', '.join(map(str, known[key]))}, not {value!r}.")
        later = replace(self._next, **wanted)
        if later.secure_boot and later.firmware != "uefi":
            if wanted.get("secure_boot"):
                raise HardwareError("Only UEFI has Secure Boot; change the firmware to uefi as well.")
            later = replace(later, secure_boot=False)
        self._next = later

    def as_dict(self) -> dict[str, Any]:
        """For the control address."""
        return {"now": self.now.as_dict(), "after_the_next_start": self._next.as_dict()}

    # ---- starting

    def switch_on(self) -> bool:
        """What happens before Windows does; False when Windows will not start."""
        machine = self._machine
        if self._next != self.now:
            self.now = self._next
            with machine.registry.as_windows():
                show_firmware(machine.registry, uefi=self.now.firmware == "uefi", secure_boot=self.now.secure_boot)
        if machine.vbs is None:
            return True
        machine.vbs = self._status()
        if machine.vbs == 2 and _number(machine.registry, DEVICE_GUARD, "Locked") == 1:
            self._locked = True
        return not (machine.vbs == 2 and self._cannot_boot_with_it())

    def _status(self) -> int:
        machine = self._machine
        wanted = self.configured
        if wanted is None:
            # Nobody says anything: off, or on by the defaults of Windows, as the server was at first.
            wanted = machine.spec.vbs == 2
        if not wanted and not self._locked:
            return 0
        return 2 if self.can_run_vbs else 1

    def _cannot_boot_with_it(self) -> bool:
        machine = self._machine
        build = machine.spec.product_data.build
        broken = build == 26100 and _FIRST_BROKEN_UBR <= machine.updates.ubr < _REPAIRED_UBR
        virtual = machine.spec.platform != "physical"
        return broken and virtual and not self.now.secure_boot and "hyper-v" not in machine.spec.roles

    @property
    def can_run_vbs(self) -> bool:
        """Whether VBS, once it is asked for, runs on this hardware."""
        available = self.available
        return self.now.firmware == "uefi" and self.now.virtualization and self.required <= available

    @property
    def available(self) -> set[int]:
        """The security properties the hardware has, as Win32_DeviceGuard numbers them."""
        found = {5}
        if self.now.virtualization:
            found |= {HYPERVISOR}
        if self.now.secure_boot:
            found |= {SECURE_BOOT}
        if self.now.firmware == "uefi":
            found |= {7} if self.now.virtualization else set()
            found |= {DMA_PROTECTION} if self.now.dma_protection else set()
        return found

    @property
    def hypervisor_runs(self) -> bool:
        """Whether Windows runs on a hypervisor: that of its host, its own Hyper-V role, or the one that VBS starts."""
        machine = self._machine
        if machine.spec.platform != "physical" or machine.vbs == 2:
            return True
        return "hyper-v" in machine.spec.roles and self.now.virtualization

    # ---- what Windows is told to do

    @property
    def configured(self) -> bool | None:
        """Whether VBS is asked for: by policy, else by the registry, or by something that needs it; None: not said."""
        if self.services_configured:
            return True
        registry = self._machine.registry
        said = _number(registry, POLICY, SWITCH)
        if said is None:
            said = _number(registry, DEVICE_GUARD, SWITCH)
        return None if said is None else said == 1

    @property
    def required(self) -> set[int]:
        """The security properties that have to be there before VBS starts."""
        if not self.configured:
            return set()
        registry = self._machine.registry
        said = _number(registry, POLICY, REQUIRED)
        if said is None:
            said = _number(registry, DEVICE_GUARD, REQUIRED)
        return {1: {HYPERVISOR, SECURE_BOOT}, 3: {HYPERVISOR, SECURE_BOOT, DMA_PROTECTION}}.get(said or 0, set())

    @property
    def services_configured(self) -> list[int]:
        """The services that need VBS and are asked for, as Win32_DeviceGuard numbers them."""
        registry = self._machine.registry

        def said(policy: str, path: str, name: str) -> int:
            value = _number(registry, POLICY, policy)
            return (_number(registry, path, name) if value is None else value) or 0

        found = []
        if said("LsaCfgFlags", CONTROL + r"\Lsa", "LsaCfgFlags") in (1, 2):
            found.append(CREDENTIAL_GUARD)
        scenarios = DEVICE_GUARD + r"\Scenarios"
        if said("HypervisorEnforcedCodeIntegrity", scenarios + r"\HypervisorEnforcedCodeIntegrity", "Enabled") in (
            1,
            2,
        ):
            found.append(MEMORY_INTEGRITY)
        if said("ConfigureSystemGuardLaunch", scenarios + r"\SystemGuard", "Enabled") == 1:
            found.append(SECURE_LAUNCH)
        return found


def _number(registry: Registry, path: str, name: str) -> int | None:
    with registry.as_windows():
        value = registry.read(path, name)
    return value.data if value is not None and isinstance(value.data, int) else None

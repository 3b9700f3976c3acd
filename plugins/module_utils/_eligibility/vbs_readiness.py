# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What a reading of a server says about virtualization-based security (VBS): what is asked for, what the hardware
offers, what still keeps it from running, and which traps lie in turning it on.

The reading is what ``_guest/vbs.py`` gives. Each answer is yes, no or unknown; unknown is never taken for yes, and a
missing sign is taken for no only where Windows would show it.

Sources: Microsoft Learn, "Enable virtualization-based protection of code integrity" (numbers of Win32_DeviceGuard, the
registry values, generation 2 for virtual machines), Policy CSP DeviceGuard, Win32_Tpm, Win32_Processor; KB5064489.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build

YES, NO, UNKNOWN = "yes", "no", "unknown"

OFF, NOT_RUNNING, RUNNING = 0, 1, 2

_STATUS = {OFF: "not enabled", NOT_RUNNING: "enabled but not running", RUNNING: "running"}
_PROPERTIES = {
    0: "none",
    1: "hypervisor support",
    2: "Secure Boot",
    3: "DMA protection",
    4: "Secure Memory Overwrite",
    5: "NX protections",
    6: "SMM mitigations",
    7: "MBEC/GMET",
    8: "APIC virtualization",
}
_SERVICES = {
    0: "none",
    1: "Credential Guard",
    2: "memory integrity",
    3: "System Guard Secure Launch",
    4: "SMM Firmware Measurement",
}
_ENFORCEMENT = {0: "off", 1: "audit", 2: "enforced"}
_WORDS: Mapping[str, Mapping[int, str]] = {
    "VirtualizationBasedSecurityStatus": _STATUS,
    "AvailableSecurityProperties": _PROPERTIES,
    "RequiredSecurityProperties": _PROPERTIES,
    "SecurityServicesConfigured": _SERVICES,
    "SecurityServicesRunning": _SERVICES,
    "CodeIntegrityPolicyEnforcementStatus": _ENFORCEMENT,
    "UsermodeCodeIntegrityPolicyEnforcementStatus": _ENFORCEMENT,
    "SmmIsolationLevel": {0: "unsupported", 1: "full", 2: "partial", 3: "none"},
}

SWITCH = "EnableVirtualizationBasedSecurity"
REQUIRE = "RequirePlatformSecurityFeatures"

#: The values of REQUIRE, as an option says them.
PLATFORM_SECURITY = {"secure_boot": 1, "secure_boot_and_dma": 3}

_HYPERVISOR, _SECURE_BOOT, _DMA = 1, 2, 3

# A TPM's SpecVersion begins with its version, "2.0, 0, 1.38".
_TPM_2 = "2."

# Parts of the model (or the maker) that virtual machines give themselves.
_VIRTUAL = (
    "virtual machine",
    "vmware",
    "virtualbox",
    "kvm",
    "qemu",
    "hvm domu",
    "standard pc",
    "openstack",
    "google compute engine",
    "bhyve",
    "proxmox",
)

_SERVER_2025 = 26100
# KB5062553 (July 2025) and KB5064489, which repairs it.
_NO_BOOT = Build(_SERVER_2025, 4652)
_NO_BOOT_REPAIRED = Build(_SERVER_2025, 4656)


@dataclass(frozen=True)
class Item:
    """One thing the hardware has, has not, or does not show.

    :param needed: whether VBS, as it is asked for here, cannot run without it.
    """

    code: str
    words: str
    state: str
    evidence: str
    needed: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "words": self.words,
            "state": self.state,
            "evidence": self.evidence,
            "needed": self.needed,
        }


@dataclass(frozen=True)
class Obstacle:
    """One reason why VBS does not run; ``hardware``: nothing that is set inside Windows takes it away."""

    code: str
    words: str
    hardware: bool = False
    unknown: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {"code": self.code, "words": self.words, "hardware": self.hardware, "unknown": self.unknown}


@dataclass(frozen=True)
class Risk:
    """A known trap in turning VBS on here; ``refuses``: not to be walked into without an order."""

    code: str
    state: str
    words: str
    refuses: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {"code": self.code, "state": self.state, "words": self.words, "refuses": self.refuses}


@dataclass(frozen=True)
class Demand:
    """Whether VBS is asked for: True, False, or None when nobody says (``by`` default) or it could not be read."""

    enabled: bool | None
    by: str
    kept_on_by: tuple[str, ...] = ()
    required: int | None = None
    locked: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        names = {number: name for name, number in PLATFORM_SECURITY.items()}
        return {
            "enabled": self.enabled,
            "by": self.by,
            "kept_on_by": list(self.kept_on_by),
            "platform_security": names.get(self.required or 0),
            "locked": self.locked,
        }


def status_of(reading: Mapping[str, Any]) -> int | None:
    """0, 1 or 2; None when it could not be read or is something else."""
    status = (reading.get("guard") or {}).get("VirtualizationBasedSecurityStatus")
    return status if status in _STATUS and not isinstance(status, bool) else None


def described(guard: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """All properties of Win32_DeviceGuard, each with its value and what that means."""
    found = {}
    for name, value in guard.items():
        meanings = _WORDS.get(name)
        numbers = value if isinstance(value, list) else [value]
        if value is None:
            words = "not read"
        elif meanings is None:
            words = ", ".join(str(number) for number in numbers)
        else:
            words = ", ".join(meanings.get(number, f"unknown value {number}") for number in numbers) or "none"
        found[name] = {"value": value, "words": words}
    return found


def demand_of(reading: Mapping[str, Any]) -> Demand:
    """Who asks for VBS, who for what it needs, and what else keeps it on.

    A policy wins over the registry. A service that needs VBS turns it on, whatever the switch says.
    """
    registry, policy = reading.get("registry"), reading.get("policy")
    kept = _kept_on_by(reading)
    locked = None if registry is None else registry.get("Locked") == 1
    required = None
    if policy is not None and registry is not None:
        required = policy.get(REQUIRE)
        required = registry.get(REQUIRE) if required is None else required
    if kept:
        return Demand(True, "service", kept, required, locked)
    if policy is None:
        return Demand(None, UNKNOWN, kept, required, locked)
    if (said := policy.get(SWITCH)) is not None:
        return Demand(said == 1, "policy", kept, required, locked)
    if registry is None:
        return Demand(None, UNKNOWN, kept, required, locked)
    if (said := registry.get(SWITCH)) is not None:
        return Demand(said == 1, "registry", kept, required, locked)
    return Demand(None, "default", kept, required, locked)


def _kept_on_by(reading: Mapping[str, Any]) -> tuple[str, ...]:
    """The services that need VBS and are asked for: by policy, in the registry, or as Windows itself lists them."""
    policy, services = reading.get("policy") or {}, reading.get("services") or {}
    scenarios = services.get("scenarios") or {}
    found = []

    def decided(by_policy: Any, by_registry: Any, on: Sequence[int], locking: int | None, words: str) -> None:
        value, where = (by_registry, "registry") if by_policy is None else (by_policy, "policy")
        if value in on:
            lock = ", with UEFI lock" if value == locking else ""
            found.append(f"{words} ({where}{lock})")

    decided(policy.get("LsaCfgFlags"), services.get("credential_guard"), (1, 2), 1, _SERVICES[1])
    integrity = scenarios.get("hypervisorenforcedcodeintegrity") or {}
    # The policy writes 3 for "not configured".
    by_policy = policy.get("HypervisorEnforcedCodeIntegrity")
    decided(None if by_policy == 3 else by_policy, integrity.get("Enabled"), (1, 2), None, _SERVICES[2])
    launch = scenarios.get("systemguard") or {}
    # 0 leaves the choice to the server.
    decided(policy.get("ConfigureSystemGuardLaunch") or None, launch.get("Enabled"), (1,), None, _SERVICES[3])
    for name, values in sorted(scenarios.items()):
        if name not in ("hypervisorenforcedcodeintegrity", "systemguard") and values.get("Enabled") == 1:
            found.append(f"the scenario {name} (registry)")
    listed = (reading.get("guard") or {}).get("SecurityServicesConfigured")
    for number in listed if isinstance(listed, list) else ():
        words = _SERVICES.get(number, f"service {number}")
        if number != 0 and not any(line.startswith(words) for line in found):
            found.append(f"{words} (listed by Windows)")
    return tuple(found)


# ---- hardware


def hardware_of(reading: Mapping[str, Any], demand: Demand) -> tuple[Item, ...]:
    """Item by item what VBS needs or uses."""
    uefi, secure = _uefi(reading), _secure_boot(reading, demand)
    virtual = _virtual_machine(reading)
    virtualization = _virtualization(reading, virtual)
    return (
        uefi,
        secure,
        *_tpm(reading),
        _dma(reading, demand),
        virtualization,
        _slat(reading, virtualization),
        virtual,
        _generation_2(virtual, uefi),
        _nested(reading, virtual),
    )


def _uefi(reading: Mapping[str, Any]) -> Item:
    kind = (reading.get("firmware") or {}).get("type")
    state = {"uefi": YES, "bios": NO}.get(str(kind), UNKNOWN)
    return Item("uefi", "UEFI firmware", state, f"firmware type {kind or UNKNOWN}", True)


def _secure_boot(reading: Mapping[str, Any], demand: Demand) -> Item:
    secure = (reading.get("firmware") or {}).get("secure_boot")
    shown = "on" if secure is True else "off" if secure is False else UNKNOWN
    # Bit 0 asks for Secure Boot; what is neither 1 nor 3 asks for nothing that is known.
    needed = bool((demand.required or 0) & 1)
    return Item("secure_boot", "Secure Boot", _three(secure), f"Secure Boot {shown}", needed)


def _tpm(reading: Mapping[str, Any]) -> tuple[Item, Item, Item]:
    tpm = reading.get("tpm")
    names = ("a TPM", "TPM 2.0", "a TPM that is ready")
    codes = ("tpm", "tpm_2", "tpm_ready")
    if tpm is None:
        states, evidence = (UNKNOWN,) * 3, "Win32_Tpm could not be read"
    elif not tpm.get("present"):
        states, evidence = (NO,) * 3, "Win32_Tpm has no row"
    else:
        version = tpm.get("version")
        flags = [tpm.get(key) for key in ("enabled", "activated", "owned")]
        ready = NO if False in flags else UNKNOWN if None in flags else YES
        newest = UNKNOWN if not version else YES if str(version).startswith(_TPM_2) else NO
        states = (YES, newest, ready)
        shown = ", ".join(f"{key} {_three(tpm.get(key))}" for key in ("enabled", "activated", "owned"))
        evidence = f"version {version or UNKNOWN}, {shown}"
    first, second, third = (
        Item(code, words, state, evidence) for code, words, state in zip(codes, names, states, strict=True)
    )
    return first, second, third


def _offered(reading: Mapping[str, Any], number: int) -> str:
    """Whether Windows lists a security property as available.

    A lone 0 says that there is none. While VBS is off, virtual machines say that of what their host would offer, too.
    """
    listed = (reading.get("guard") or {}).get("AvailableSecurityProperties")
    if not isinstance(listed, list) or not listed:
        return UNKNOWN
    if number in listed:
        return YES
    return UNKNOWN if listed == [0] and status_of(reading) in (OFF, None) else NO


def _available(reading: Mapping[str, Any]) -> str:
    listed = (reading.get("guard") or {}).get("AvailableSecurityProperties")
    return f"AvailableSecurityProperties {listed if isinstance(listed, list) else UNKNOWN}"


def _dma(reading: Mapping[str, Any], demand: Demand) -> Item:
    state = _offered(reading, _DMA)
    return Item("dma_protection", "DMA protection (IOMMU)", state, _available(reading), demand.required == 3)


def _virtualization(reading: Mapping[str, Any], virtual: Item) -> Item:
    """Whether the processor, the firmware and a host above let a hypervisor run."""
    words = "virtualization that is switched on"
    processor = reading.get("processor") or {}
    enabled, monitor = processor.get("firmware_enabled"), processor.get("monitor_mode")
    present = (reading.get("machine") or {}).get("hypervisor_present")
    if status_of(reading) == RUNNING:
        return Item("virtualization", words, YES, "VBS runs", True)
    offered = _offered(reading, _HYPERVISOR)
    if offered == YES:
        return Item("virtualization", words, YES, _available(reading), True)
    flags = f"VirtualizationFirmwareEnabled {_three(enabled)}, VMMonitorModeExtensions {_three(monitor)}"
    if present is True and virtual.state == NO:
        return Item("virtualization", words, YES, "a hypervisor runs on this machine itself", True)
    if enabled is True and monitor is True:
        return Item("virtualization", words, YES, flags, True)
    # Behind a hypervisor, the processor says no to everything.
    if present is False and False in (enabled, monitor):
        return Item("virtualization", words, NO, flags, True)
    if offered == NO:
        return Item("virtualization", words, NO, _available(reading), True)
    return Item("virtualization", words, UNKNOWN, f"{_available(reading)}, {flags}", True)


def _slat(reading: Mapping[str, Any], virtualization: Item) -> Item:
    words = "second level address translation (SLAT)"
    slat = (reading.get("processor") or {}).get("slat")
    present = (reading.get("machine") or {}).get("hypervisor_present")
    evidence = f"SecondLevelAddressTranslationExtensions {_three(slat)}"
    if slat is True:
        return Item("slat", words, YES, evidence, True)
    if slat is False and present is False:
        return Item("slat", words, NO, evidence, True)
    if virtualization.state == YES:
        return Item("slat", words, YES, f"{virtualization.evidence}; the hypervisor of Windows needs it", True)
    return Item("slat", words, UNKNOWN, evidence, True)


def _virtual_machine(reading: Mapping[str, Any]) -> Item:
    machine = reading.get("machine") or {}
    present = machine.get("hypervisor_present")
    name = " ".join(str(machine.get(key) or "") for key in ("manufacturer", "model")).strip()
    evidence = f"{name or 'model unknown'}, HypervisorPresent {_three(present)}"
    if present is False:
        state = NO
    elif any(part in name.casefold() for part in _VIRTUAL):
        state = YES
    elif present is True and name and (reading.get("hyper_v") is True or status_of(reading) == RUNNING):
        # Its own hypervisor explains why there is one, and the model is none of a virtual machine.
        state = NO
    else:
        state = UNKNOWN
    return Item("virtual_machine", "a virtual machine", state, evidence)


def _generation_2(virtual: Item, uefi: Item) -> Item:
    words = "a generation 2 virtual machine"
    if virtual.state == NO:
        return Item("generation_2", words, NO, "bare metal has no generation")
    if virtual.state == UNKNOWN:
        return Item("generation_2", words, NO if uefi.state == NO else UNKNOWN, virtual.evidence)
    return Item("generation_2", words, uefi.state, uefi.evidence)


def _nested(reading: Mapping[str, Any], virtual: Item) -> Item:
    words = "nested virtualization"
    monitor = (reading.get("processor") or {}).get("monitor_mode")
    if virtual.state == NO:
        return Item("nested_virtualization", words, NO, "bare metal")
    evidence = f"VMMonitorModeExtensions {_three(monitor)}"
    # A guest without a hypervisor of its own sees what the host exposes; otherwise the flag says nothing.
    return Item("nested_virtualization", words, YES if monitor is True else UNKNOWN, evidence)


# ---- what follows


def restart_required(reading: Mapping[str, Any], demand: Demand, changed: Collection[str] = ()) -> bool | None:
    """Whether a restart is due before the settings are true; None when that cannot be told.

    :param changed: the names of the values that were written after the status had been read.
    """
    status = status_of(reading)
    if status is None or demand.by == UNKNOWN:
        return True if changed else False if status == RUNNING else None
    if demand.enabled is False:
        return status != OFF and demand.locked is not True
    if demand.enabled is None:
        return None if status == NOT_RUNNING else False
    if status == RUNNING:
        return REQUIRE in changed
    if status == OFF or changed:
        return True
    # Enabled but not running: since the last start, or because something is missing. Only the latter can be seen.
    return False if any(item.needed and item.state == NO for item in hardware_of(reading, demand)) else None


def obstacles(reading: Mapping[str, Any], demand: Demand, changed: Collection[str] = ()) -> tuple[Obstacle, ...]:
    """Everything that still keeps VBS from running; empty when it runs."""
    status = status_of(reading)
    if status == RUNNING:
        return ()
    found = []
    if demand.by == UNKNOWN:
        words = "Whether it is asked for could not be read, in the policy or in the registry."
        found.append(Obstacle("demand_unknown", words, unknown=True))
    elif not demand.enabled:
        words = {
            "policy": "A policy turns it off.",
            "registry": "It is turned off in the registry.",
        }.get(demand.by, "Nobody asks for it: neither a policy nor the registry, nor a service that needs it.")
        found.append(Obstacle("not_asked_for", words))
    found += [_missing(item) for item in _lacking(hardware_of(reading, demand))]
    due = restart_required(reading, demand, changed)
    if due and demand.enabled:
        found.append(Obstacle("restart", "The server has not been restarted since it was turned on."))
    if status is None:
        why = reading.get("why_unknown") or "Windows gave no known status"
        found.append(Obstacle("status_unknown", f"Whether it runs could not be read: {why}", unknown=True))
    elif status == NOT_RUNNING and due is None:
        words = (
            "Windows has it enabled but not running, and nothing that could be read explains it. Restart the server if "
            "it was enabled since the last start; on a virtual machine, ask whether the host offers virtualization and "
            "has not opted this machine out (Set-VMSecurity -VirtualizationBasedSecurityOptOut)."
        )
        found.append(Obstacle("not_running", words, unknown=True))
    return tuple(found)


def _lacking(items: Sequence[Item]) -> list[Item]:
    """What is needed and not there for sure; SLAT shows only where virtualization does."""
    lacking = [item for item in items if item.needed and item.state != YES]
    hidden = any(item.code == "virtualization" for item in lacking)
    return [item for item in lacking if not (hidden and item.code == "slat" and item.state == UNKNOWN)]


def _missing(item: Item) -> Obstacle:
    missing, fix = {
        "uefi": ("It starts from BIOS firmware", "convert it to UEFI, a virtual machine to generation 2"),
        "secure_boot": (
            "Secure Boot is required and off",
            "turn it on in the firmware or the virtual machine's settings",
        ),
        "dma_protection": (
            "DMA protection is required and not there",
            "turn the IOMMU on, or require Secure Boot alone",
        ),
        "virtualization": ("No virtualization is offered", "turn it on in the firmware, or let the host offer it"),
        "slat": ("The processor has no second level address translation", "another machine is needed"),
    }[item.code]
    if item.state == NO:
        return Obstacle(item.code, f"{missing} ({item.evidence}): {fix}.", hardware=True)
    unread = {
        # Asked of a virtual machine while it is off, Windows often answers with nothing.
        "virtualization": "Whether virtualization is offered does not show",
    }.get(item.code, f"Whether there is {item.words} could not be read")
    return Obstacle(item.code, f"{unread} ({item.evidence}).", hardware=True, unknown=True)


def risks(reading: Mapping[str, Any]) -> tuple[Risk, ...]:
    """The known traps that lie, or may lie, in turning VBS on here."""
    build = Build.read(reading.get("build"))
    found = [risk for risk in (_hyper_v(reading, build), _no_boot(reading, build)) if risk]
    registry = reading.get("registry")
    if registry is not None and registry.get("Locked") == 1:
        words = (
            "Locked is 1 in the registry: once VBS has run, it is locked in UEFI variables, and the registry cannot "
            "turn it off any more."
        )
        found.append(Risk("uefi_lock", YES, words))
    return tuple(found)


def _hyper_v(reading: Mapping[str, Any], build: Build | None) -> Risk | None:
    role = reading.get("hyper_v")
    if role is False or (build is not None and build.major != _SERVER_2025):
        return None
    if role is None:
        words = "Whether the Hyper-V role is installed could not be read."
    else:
        words = "The Hyper-V role is installed."
    return Risk(
        "hyper_v_role",
        _three(role),
        f"{words} On Windows Server 2025 an administrator saw Hyper-V and VBS not always work together, even where VBS "
        "was shown as running; try one host first and look at its virtual machines.",
    )


def _no_boot(reading: Mapping[str, Any], build: Build | None) -> Risk | None:
    """KB5062553: generation 2 virtual machines without Trusted Launch and without Hyper-V might not start with VBS."""
    if build is not None and (build.major != _SERVER_2025 or build >= _NO_BOOT_REPAIRED):
        return None
    firmware, tpm = reading.get("firmware") or {}, reading.get("tpm")
    secure, present = firmware.get("secure_boot"), None if tpm is None else bool(tpm.get("present"))
    untrusted = YES if False in (secure, present) else NO if secure is True and present is True else UNKNOWN
    virtual = _virtual_machine(reading)
    states = (
        virtual.state,
        _generation_2(virtual, _uefi(reading)).state,
        untrusted,
        _three(None if reading.get("hyper_v") is None else not reading["hyper_v"]),
    )
    if NO in states:
        return None
    state = UNKNOWN if UNKNOWN in states or build is None else YES
    kind = "is" if state == YES else "may be"
    machine = (
        f"This {kind} a generation 2 virtual machine without Trusted Launch (Secure Boot {_three(secure)}, TPM "
        f"{_three(present)}) and without the Hyper-V role"
    )
    if build is not None and build < _NO_BOOT:
        words = (
            f"{machine}: with VBS on, do not install KB5062553 ({_NO_BOOT}), after which such machines might not "
            f"start; take KB5064489 ({_NO_BOOT_REPAIRED}) or anything newer."
        )
        return Risk("no_boot_after_kb5062553", state, words)
    words = (
        f"{machine}, on build {build or UNKNOWN}: with KB5062553 ({_NO_BOOT}) such machines might not start once VBS "
        f"is on. Install KB5064489 ({_NO_BOOT_REPAIRED}) or anything newer first."
    )
    return Risk("no_boot", state, words, refuses=True)


def in_words(reading: Mapping[str, Any], demand: Demand, found: Sequence[Obstacle], due: bool | None) -> str:
    """One sentence or two on where the server stands."""
    status = status_of(reading)
    if status is None:
        return f"Whether virtualization-based security runs could not be read: {reading.get('why_unknown')}"
    sentence = f"Virtualization-based security is {_STATUS[status]}."
    if demand.enabled is False and due:
        return f"{sentence} It is turned off, which takes a restart."
    if demand.enabled is False and status == RUNNING:
        return f"{sentence} It is turned off, but locked in UEFI variables."
    known = [obstacle.words for obstacle in found if not obstacle.unknown]
    return " ".join([sentence, *known])


def _three(value: Any) -> str:
    return {True: YES, False: NO}.get(value, UNKNOWN) if isinstance(value, bool) else UNKNOWN

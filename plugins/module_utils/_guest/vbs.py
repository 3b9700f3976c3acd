# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Virtualization-based security (VBS) of one server: read everything that decides on it, and write its two values.

Five classes are read over CIM, the registry and one service by one command line in a cmd shell. What could not be read
is None, with a note in words; an absent value in a key that was read is None as well, inside a part that is not None.

Sources: Microsoft Learn, Win32_DeviceGuard ("Enable virtualization-based protection of code integrity"), Win32_Tpm,
Win32_Processor, Policy CSP DeviceGuard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    BadAnswer,
    Fault,
    HotpatchError,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts import CIMV2, DEVICE_GUARD, iso
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_shell import STEPS, VERSION_KEY, ShellFacts
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean, read_service
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort, Connect
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.registry import GuestRegistry
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import StepAnswer, new_token, run_steps
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import (
    Instance,
    as_bool,
    as_datetime,
    as_int,
    as_str,
)

TPM = "root/cimv2/Security/MicrosoftTpm"

#: Below HKEY_LOCAL_MACHINE, where the two values are written.
SETTINGS = r"SYSTEM\CurrentControlSet\Control\DeviceGuard"

_CONTROL = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control"
_GUARD = _CONTROL + r"\DeviceGuard"
_SCENARIOS = _GUARD + r"\Scenarios"
_POLICY = r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\DeviceGuard"

_SETTING_NAMES = ("EnableVirtualizationBasedSecurity", "RequirePlatformSecurityFeatures", "Locked")
_POLICY_NAMES = (
    "EnableVirtualizationBasedSecurity",
    "RequirePlatformSecurityFeatures",
    "LsaCfgFlags",
    "HypervisorEnforcedCodeIntegrity",
    "ConfigureSystemGuardLaunch",
)

#: The parts of the one command line. Constants: nothing from outside goes in.
_STEPS = {
    **{name: STEPS[name] for name in ("version", "control", "secure_boot", "policies", "guard_policy")},
    "device_guard": r'reg query "HKLM\SYSTEM\CurrentControlSet\Control\DeviceGuard" /s 2>nul',
    "lsa": r'reg query "HKLM\SYSTEM\CurrentControlSet\Control\Lsa" 2>nul',
    "vmms": "sc query vmms",
}
_SHELL_SECONDS = 60

_ALL = (
    "SELECT VirtualizationBasedSecurityStatus, CodeIntegrityPolicyEnforcementStatus,"
    " UsermodeCodeIntegrityPolicyEnforcementStatus, AvailableSecurityProperties, RequiredSecurityProperties,"
    " SecurityServicesConfigured, SecurityServicesRunning, SecurityFeaturesEnabled, VirtualMachineIsolationProperties,"
    " SmmIsolationLevel, VirtualMachineIsolation, InstanceIdentifier, Version FROM Win32_DeviceGuard"
)
# Windows Server 2019 has only these; 23H2 and later have all.
_OLDER = (
    "SELECT VirtualizationBasedSecurityStatus, CodeIntegrityPolicyEnforcementStatus,"
    " UsermodeCodeIntegrityPolicyEnforcementStatus, AvailableSecurityProperties, RequiredSecurityProperties,"
    " SecurityServicesConfigured, SecurityServicesRunning, InstanceIdentifier, Version FROM Win32_DeviceGuard"
)
_LISTS = (
    "AvailableSecurityProperties",
    "RequiredSecurityProperties",
    "SecurityServicesConfigured",
    "SecurityServicesRunning",
)
_NUMBERS = (
    "VirtualizationBasedSecurityStatus",
    "CodeIntegrityPolicyEnforcementStatus",
    "UsermodeCodeIntegrityPolicyEnforcementStatus",
)
_TEXTS = ("InstanceIdentifier", "Version")
_LATER_LISTS = ("SecurityFeaturesEnabled", "VirtualMachineIsolationProperties")
_LATER_NUMBERS = ("SmmIsolationLevel",)
_LATER_FLAGS = ("VirtualMachineIsolation",)


class GuestVbs:
    """VBS of one server, over one connection that the first call opens and ``close`` ends."""

    def __init__(self, connect: Connect, server: str, *, token: Callable[[], str] = new_token) -> None:
        self._client = connect()
        self._server = server
        self._token = token

    def read(self) -> dict[str, Any]:
        """Everything that the rules look at (see _eligibility/vbs_readiness.py).

        :raises Unreachable: the server cannot be talked to or refuses the account.
        :raises BadAnswer: already the first answer is not one.
        """
        return _Reading(self._client, self._server, self._token).reading()

    def write(self, values: Mapping[str, int]) -> None:
        """Write values of the server's own key, and read them back.

        :raises Fault: the server refuses, or does not keep what was written.
        """
        registry = GuestRegistry(self._client, self._server)
        registry.ensure_key(SETTINGS)
        written = 0
        try:
            for name, value in values.items():
                registry.write_number(SETTINGS, name, value)
                written += 1
            for name, value in values.items():
                kept = registry.number(SETTINGS, name)
                if kept != value:
                    raise Fault(
                        f"{self._server}: {name} was written as {value}, but it reads "
                        f"{kept if isinstance(kept, int) else kept.value}.",
                        code="not_kept",
                        hint="Something on the server sets it back, such as a policy or a security product.",
                        server=self._server,
                    )
        except HotpatchError as error:
            error.changed = written > 0 or isinstance(error, OutcomeUnknown)
            raise

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()


class _Reading:
    """One reading of one server."""

    def __init__(self, client: ClientPort, server: str, token: Callable[[], str]) -> None:
        self.client = client
        self.server = server
        self.token = token
        self.notes: list[str] = []

    def reading(self) -> dict[str, Any]:
        system = self.row(
            "The operating system", CIMV2, "SELECT BuildNumber, LastBootUpTime FROM Win32_OperatingSystem", first=True
        )
        computer = self.row(
            "The computer system", CIMV2, "SELECT Manufacturer, Model, HypervisorPresent FROM Win32_ComputerSystem"
        )
        guard, why_unknown = self.guard()
        processor = self.processor()
        tpm = self.tpm()
        shell, vmms = self.shell_facts()
        return {
            "build": self.build(system, shell),
            "last_boot": iso(self.typed(as_datetime, system, "LastBootUpTime")),
            "guard": guard,
            "why_unknown": why_unknown,
            "machine": {
                "manufacturer": self.text(computer, "Manufacturer"),
                "model": self.text(computer, "Model"),
                "hypervisor_present": self.typed(as_bool, computer, "HypervisorPresent"),
            },
            "firmware": shell.firmware(),
            "processor": processor,
            "tpm": tpm,
            "hyper_v": {"running": True, "stopped": True, "absent": False}.get(vmms or ""),
            "registry": self.settings(shell),
            "policy": self.policy(shell),
            "services": self.services(shell),
            "notes": self.notes,
        }

    # ---- over CIM

    def rows(
        self, what: str, namespace: str, wql: str, arrays: tuple[str, ...] = (), *, first: bool = False
    ) -> list[Instance] | None:
        """All rows of a query; None with a note when it failed."""
        try:
            return list(self.client.enumerate(namespace, wql, arrays=arrays))
        except Unreachable:
            raise
        except (Fault, BadAnswer, AnswerTimeout, OutcomeUnknown) as error:
            if first and not isinstance(error, Fault):
                raise
            self.notes.append(f"{what} could not be read: {clean(error.message)}")
            return None

    def row(
        self, what: str, namespace: str, wql: str, arrays: tuple[str, ...] = (), *, first: bool = False
    ) -> Instance | None:
        """The only row of a query; None with a note when there is none."""
        found = self.rows(what, namespace, wql, arrays, first=first)
        if found:
            return found[0]
        if found is not None:
            self.notes.append(f"{what} could not be read: the server answered no row.")
        return None

    def typed(self, read: Callable[[Instance, str], Any], row: Instance | None, name: str) -> Any:
        """A property by its type; None with a note when it is not of that type."""
        if row is None:
            return None
        try:
            return read(row, name)
        except BadAnswer as error:
            self.notes.append(f"{name} could not be read: {clean(error.message)}")
            return None

    def text(self, row: Instance | None, name: str) -> str | None:
        return clean(self.typed(as_str, row, name) or "") or None

    def guard(self) -> tuple[dict[str, Any], str | None]:
        """All properties of Win32_DeviceGuard, and why the status is not known when it is not."""
        what = "The state of virtualization-based security"
        lists, numbers, flags = (*_LISTS, *_LATER_LISTS), (*_NUMBERS, *_LATER_NUMBERS), _LATER_FLAGS
        noted = len(self.notes)
        row = self.row(what, DEVICE_GUARD, _ALL, lists)
        if row is None:
            # An older Windows does not know the later properties and refuses the question as a whole.
            older = self.row(what, DEVICE_GUARD, _OLDER, _LISTS)
            del self.notes[noted + 1 :]
            if older is not None:
                del self.notes[noted:]
                row = older
        found: dict[str, Any] = {name: self.typed(as_int, row, name) for name in numbers}
        found |= {name: self.typed(_integers, row, name) for name in lists}
        found |= {name: self.typed(as_bool, row, name) for name in flags}
        found |= {name: self.text(row, name) for name in _TEXTS}
        if found["VirtualizationBasedSecurityStatus"] in (0, 1, 2):
            return found, None
        return found, self.notes[noted] if len(self.notes) > noted else "The server gave no known status of it."

    def processor(self) -> dict[str, bool | None]:
        """What all processors have; one that has it not is a no for the machine."""
        names = {
            "firmware_enabled": "VirtualizationFirmwareEnabled",
            "monitor_mode": "VMMonitorModeExtensions",
            "slat": "SecondLevelAddressTranslationExtensions",
        }
        rows = self.rows(
            "The processors",
            CIMV2,
            "SELECT VirtualizationFirmwareEnabled, VMMonitorModeExtensions, SecondLevelAddressTranslationExtensions"
            " FROM Win32_Processor",
        )
        found: dict[str, bool | None] = {}
        for key, name in names.items():
            values = [self.typed(as_bool, row, name) for row in rows or []]
            found[key] = False if False in values else None if None in values or not values else True
        return found

    def tpm(self) -> dict[str, Any] | None:
        """The TPM; ``present`` False when there is none, None as a whole when that could not be read."""
        rows = self.rows(
            "The TPM",
            TPM,
            "SELECT SpecVersion, IsEnabled_InitialValue, IsActivated_InitialValue, IsOwned_InitialValue FROM Win32_Tpm",
        )
        if rows is None:
            return None
        row = rows[0] if rows else None
        version = re.match(r"\d{1,2}\.\d{1,2}", self.text(row, "SpecVersion") or "", re.ASCII)
        return {
            "present": row is not None,
            "version": version[0] if version else None,
            "enabled": self.typed(as_bool, row, "IsEnabled_InitialValue"),
            "activated": self.typed(as_bool, row, "IsActivated_InitialValue"),
            "owned": self.typed(as_bool, row, "IsOwned_InitialValue"),
        }

    # ---- in the cmd shell

    def shell_facts(self) -> tuple[ShellFacts, str | None]:
        """The registry, and the state of the service that comes with the Hyper-V role."""
        steps: dict[str, StepAnswer] = {}
        try:
            with self.client.shell() as shell:
                steps = run_steps(shell, _STEPS, server=self.server, timeout=_SHELL_SECONDS, token=self.token)
        except Unreachable:
            raise
        except (Fault, BadAnswer, AnswerTimeout, OutcomeUnknown) as error:
            self.notes.append(f"The registry could not be read: {clean(error.message)}")
        answer = steps.pop("vmms", None)
        vmms = None if answer is None else read_service(answer.text)
        if vmms is None:
            self.notes.append("Whether the Hyper-V role is installed could not be read: no state of the service vmms.")
        return ShellFacts(steps, self.notes), vmms

    def build(self, system: Instance | None, shell: ShellFacts) -> str | None:
        build = self.text(system, "BuildNumber") or shell.registry_text(VERSION_KEY, "CurrentBuildNumber") or ""
        ubr = shell.registry.number(VERSION_KEY, "UBR")
        if not re.fullmatch("[0-9]{1,6}", build, re.ASCII) or ubr is None:
            self.notes.append("The build and its revision could not be read.")
            return None
        return f"{build}.{ubr}"

    def settings(self, shell: ShellFacts) -> dict[str, int | None] | None:
        """The server's own settings; a value of a wrong type counts as absent, as Windows takes it."""
        there = shell.below("control", _GUARD, "device_guard")
        if there is None:
            return None
        return {name: shell.registry.number(_GUARD, name) for name in _SETTING_NAMES}

    def policy(self, shell: ShellFacts) -> dict[str, int | None] | None:
        """What policies say; None when that cannot be told, which a value of a wrong type is as well."""
        there = shell.below("policies", _POLICY, "guard_policy")
        if there is None:
            return None
        present = shell.registry.values.get(_POLICY.lower(), {})
        odd = [n for n in _POLICY_NAMES if n.lower() in present and shell.registry.number(_POLICY, n) is None]
        if odd:
            self.notes.append(f"The policy could not be read: {', '.join(odd)} is no number.")
            return None
        return {name: shell.registry.number(_POLICY, name) for name in _POLICY_NAMES}

    def services(self, shell: ShellFacts) -> dict[str, Any]:
        """What else asks for VBS: Credential Guard's flags, and each scenario with its values."""
        scenarios: dict[str, dict[str, int | None]] = {}
        for path in sorted(shell.registry.keys):
            if path.startswith(_SCENARIOS.lower() + "\\"):
                name = clean(path[len(_SCENARIOS) + 1 :], 60)
                scenarios[name] = {value: shell.registry.number(path, value) for value in ("Enabled", "Locked")}
        return {
            "credential_guard": shell.registry.number(_CONTROL + r"\Lsa", "LsaCfgFlags"),
            "scenarios": scenarios,
        }


def _integers(row: Instance, name: str) -> list[int] | None:
    """The numbers of an array property; None when the class has none of that name."""
    values = row.get(name)
    if values is None:
        return None
    texts = values if isinstance(values, list) else [values]
    if not all(isinstance(text, str) and re.fullmatch("[0-9]{1,10}", text, re.ASCII) for text in texts):
        raise BadAnswer(f"{row.about or 'The server'}: {name} holds something that is not a number.", server=row.server)
    return [int(str(text)) for text in texts]

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The Windows Update settings of one server: read from every place that has them, written into Group Policy's key.

Which GPO gave a value is told by RSoP (root/rsop/computer), which keeps keys without their root and data as bytes. The
value is written as such, as a person does with reg.exe; the file of the local Group Policy is left alone.

Sources: Microsoft Learn, RSOP_RegistryPolicySetting, RSOP_GPO and RSOP_PolicySetting (precedence 1 is what applies);
"sc stop", "sc start" and the system error codes 1056, 1058 and 1062.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    BadAnswer,
    Fault,
    HotpatchError,
    OutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_shell import STEPS, ShellFacts
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort, ShellPort
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.registry import GuestRegistry
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.servicing import read_servicing
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import new_token, run_steps
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.tasks import GuestTask
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.effective_policy import Owner, PolicyReading
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_settings import (
    PLACES,
    ROOT,
    Raw,
    Writes,
    is_text,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import (
    Instance,
    as_bool,
    as_bytes,
    as_int,
    as_str,
)

CIMV2 = "root/cimv2"
RSOP = "root/rsop/computer"

#: The parts of the facts' command line that concern Windows Update settings.
_STEPS = (
    "update",
    "auto_update",
    "policies",
    "update_policy",
    "microsoft",
    "policy_manager",
    "managed",
    "managed_device",
    "managed_update",
)
_SETTINGS = (
    "SELECT registryKey, valueName, valueType, value, deleted, GPOID FROM RSOP_RegistryPolicySetting "
    "WHERE precedence = 1 AND registryKey LIKE '%WindowsUpdate%'"
)
_OBJECTS = "SELECT id, name FROM RSOP_GPO"
_REG_SZ, _REG_DWORD = 1, 4

SERVICE = "wuauserv"
_STOPPED = re.compile(r":\s+1\s+STOPPED\b")
_RUNNING = re.compile(r":\s+4\s+RUNNING\b")
_ALREADY_RUNS, _DISABLED, _NOT_STARTED = 1056, 1058, 1062
_TASK_RUNS = 4
_STOP_SECONDS = 60.0
_PAUSE = 1.0


@dataclass(frozen=True)
class ServiceRestart:
    """Whether Windows Update reads its settings anew: done, or due and why."""

    restarted: bool
    due: bool
    words: str

    def as_dict(self) -> dict[str, Any]:
        return {"restarted": self.restarted, "due": self.due, "words": self.words}


class GuestUpdatePolicy:
    """The settings of one server.

    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        client: ClientPort,
        server: str,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        token: Callable[[], str] = new_token,
    ) -> None:
        self._client = client
        self._server = server
        self._clock = clock
        self._sleep = sleep
        self._token = token

    # ---- reading

    def read(self) -> PolicyReading:
        """What every place has.

        :raises Fault: the key of the policy could not be read.
        """
        facts = self._facts()
        if facts["readable"] is not True:
            raise Fault(
                f"{self._server}: the policy of Windows Update could not be read: HKLM\\{ROOT}.",
                code="registry",
                hint="The account must be an administrator of the server with a full token.",
                server=self._server,
            )
        return PolicyReading(
            values=_lower(facts["values"]),
            local=None if facts["local"] is None else _lower(facts["local"]),
            mdm=None if facts["mdm"] is None else _lower(facts["mdm"]),
            member=self._member(),
            owners=self._owners(),
        )

    def _facts(self) -> dict[str, Any]:
        with self._client.shell() as shell:
            steps = run_steps(
                shell, {name: STEPS[name] for name in _STEPS}, server=self._server, timeout=60, token=self._token
            )
        return ShellFacts(steps, []).update_policy()

    def _member(self) -> bool | None:
        try:
            for row in self._client.enumerate(CIMV2, "SELECT PartOfDomain FROM Win32_ComputerSystem", limit=1):
                return as_bool(row, "PartOfDomain")
        except (Fault, BadAnswer):
            pass
        return None

    def _owners(self) -> dict[str, Owner] | None:
        """The GPO of each value; None when the server's RSoP could not be read."""
        try:
            rows = list(self._client.enumerate(RSOP, _SETTINGS, arrays=("value",)))
            names = {
                (as_str(row, "id") or "").lower(): clean(as_str(row, "name") or "")
                for row in (self._client.enumerate(RSOP, _OBJECTS) if rows else ())
            }
            found: dict[str, Owner] = {}
            for row in rows:
                # A GPO that takes a value away has it with this mark, as its file does (MS-GPREG, registry.pol).
                name = (as_str(row, "valueName") or "").lower().removeprefix("**del.")
                key = (as_str(row, "registryKey") or "").lower()
                if name in PLACES and key == PLACES[name][0].lower():
                    found[name] = _owner(row, names)
            return found
        except (Fault, BadAnswer):
            return None

    # ---- writing

    def write(self, writes: Writes, wrote: Callable[[str], None]) -> None:
        """Set and remove policy values.

        :param wrote: told each value when it is done.
        :raises Fault: the server refuses.
        """
        registry = GuestRegistry(self._client, self._server)
        for key in sorted({PLACES[name][0] for name, data in writes.items() if data is not None}):
            registry.ensure_key(key)
        for lower, data in writes.items():
            key, name = PLACES[lower]
            if data is None:
                registry.delete_value(key, name)
            elif is_text(name):
                registry.write_text(key, name, str(data))
            else:
                registry.write_number(key, name, int(data))
            wrote(name)

    # ---- the service

    def restart_service(self) -> ServiceRestart:
        """Let Windows Update read its settings anew, unless updates are under way: then that is still due."""
        try:
            return self._restart_service()
        except (Fault, BadAnswer, AnswerTimeout, OutcomeUnknown) as error:
            return ServiceRestart(False, True, f"The service {SERVICE} could not be restarted: {clean(error.message)}")

    def _restart_service(self) -> ServiceRestart:
        if self._updates_under_way():
            return ServiceRestart(
                False, True, f"Updates are under way, so the service {SERVICE} was left alone; it is to be restarted."
            )
        with self._client.shell() as shell:
            if _RUNNING.search(self._state(shell)):
                code = shell.run(f"sc stop {SERVICE}").exit_code
                if code not in (0, _NOT_STARTED):
                    return ServiceRestart(False, True, f"The service {SERVICE} did not stop: sc ended with {code}.")
            if not self._stopped(shell):
                return ServiceRestart(
                    False, True, f"The service {SERVICE} did not stop within {_STOP_SECONDS:.0f} seconds."
                )
            code = shell.run(f"sc start {SERVICE}").exit_code
        if code in (0, _ALREADY_RUNS):
            return ServiceRestart(True, False, f"The service {SERVICE} was started and has read its settings.")
        why = "it is disabled" if code == _DISABLED else f"sc ended with {code}"
        return ServiceRestart(False, True, f"The service {SERVICE} did not start: {why}.")

    def _state(self, shell: ShellPort) -> str:
        return shell.run(f"sc query {SERVICE}").stdout.decode("utf-8", "replace")

    def _stopped(self, shell: ShellPort) -> bool:
        until = self._clock() + _STOP_SECONDS
        while not _STOPPED.search(self._state(shell)):
            if self._clock() >= until:
                return False
            self._sleep(_PAUSE)
        return True

    def _updates_under_way(self) -> bool:
        """Whether the collection's task or servicing is at work; what cannot be read counts as work."""
        try:
            if GuestTask(self._client, self._server, sleep=self._sleep).state() == _TASK_RUNS:
                return True
            return read_servicing(self._client).worker
        except HotpatchError:
            return True


def _lower(values: Mapping[str, Raw]) -> dict[str, Raw]:
    return {name.lower(): data for name, data in values.items()}


def _owner(row: Instance, names: Mapping[str, str]) -> Owner:
    """
    :raises BadAnswer: the data is not what the type says.
    """
    gpo = as_str(row, "GPOID") or ""
    domain = gpo.lower() != "localgpo"
    shown = names.get(gpo.lower()) or clean(gpo) or "without a name"
    return Owner(shown if domain else "Local Group Policy", domain, None if as_bool(row, "deleted") else _data(row))


def _data(row: Instance) -> Raw:
    raw, kind = as_bytes(row, "value"), as_int(row, "valueType")
    if kind == _REG_DWORD and len(raw) == 4:
        return int.from_bytes(raw, "little")
    if kind == _REG_SZ:
        return clean(raw.decode("utf-16-le", "replace").split("\0", 1)[0])
    return f"{len(raw)} bytes of type {kind}"

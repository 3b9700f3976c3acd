# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine's WinRM service: takes the bytes of a SOAP request, gives the bytes of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import LabMachine
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire import faults, names, settings, soap
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.enumeration import Enumerations
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.operations import CimOperations, Done, is_wmi
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.shell import Caller, Shells

ANONYMOUS_VERSION = "OS: 0.0.0 SP: 0.0 Stack: 3.0"
_NAMES_OF_ACTIONS = {
    names.ACTION_ENUMERATE: "Enumerate",
    names.ACTION_PULL: "Pull",
    names.ACTION_RELEASE: "Release",
    names.ACTION_GET: "Get",
    names.ACTION_PUT: "Put",
    names.ACTION_CREATE: "Create",
    names.ACTION_DELETE: "Delete",
}


@dataclass(frozen=True)
class Reply:
    """An answer before it is sealed: HTTP status, body, and what the record says of it."""

    status: int
    body: bytes
    method: str
    target: str
    write: bool = False


class Service:
    """WinRM of one machine: its shells, its enumerations, its answers.

    :param advance: lets the simulated world go on.
    :param monotonic: the clock of idle times and life times, in seconds.
    """

    def __init__(self, machine: LabMachine, advance: Callable[[], None], monotonic: Callable[[], float]) -> None:
        self.machine = machine
        self._boot_id = machine.boot_id
        self._enumerations = Enumerations(machine.limits.enumeration_timeout_ms / 1000, monotonic)
        self._cim = CimOperations(machine, self._enumerations)
        self._shells = Shells(machine, advance, monotonic)

    def forget_after_boot(self) -> bool:
        """Void what a restart voids; whether there was one since the last call."""
        if self._boot_id == self.machine.boot_id:
            return False
        self._boot_id = self.machine.boot_id
        self._enumerations.clear()
        self._shells.clear()
        return True

    async def answer(self, data: bytes, caller: Caller) -> Reply:
        """Answer one request; who is not logged in gets Identify and nothing else."""
        self.forget_after_boot()
        before = self.machine.write_count
        limit = self.machine.limits.max_envelope_size_kb * 1024
        if len(data) > limit:
            fault = faults.encoding_limit(
                f"The request is larger than this service allows: {limit} bytes. ", 0x80338035, "ServiceEnvelopeLimit"
            )
            return self._refuse(fault, None, "Oversized", "")
        try:
            root = soap.parse_xml(data)
        except soap.NotXml:
            return Reply(400, b"", "Malformed", "")
        request, wrong = soap.read_headers(root)
        if request.is_identify and not wrong:
            return self._identify(known=caller.user is not None)
        if caller.user is None:
            return Reply(401, b"", "Login", "")
        method, target = _describe(request)
        try:
            if wrong:
                raise wrong[0]
            soap.check_required_headers(request)
            done = await self._dispatch(request, caller, caller.user)
            body = soap.envelope(request.action + "Response", done.body, request, prefixes=done.prefixes).encode()
            if len(body) > (request.max_envelope_size or limit):
                raise faults.encoding_limit("The answer is larger than the maximum envelope size of the request. ")
        except faults.WireFault as fault:
            return self._refuse(fault, request, method, target, write=self.machine.write_count != before)
        return Reply(200, body, done.method, done.target, self.machine.write_count != before)

    def _refuse(
        self, fault: faults.WireFault, request: soap.Request | None, method: str, target: str, *, write: bool = False
    ) -> Reply:
        body = soap.fault_envelope(fault, request, self.machine.hostname).encode()
        return Reply(500, body, method, target, write)

    def _identify(self, *, known: bool) -> Reply:
        version = self.machine.os_version_text if known else ANONYMOUS_VERSION
        body = (
            f'<s:Envelope xml:lang="en-US" xmlns:s="{names.SOAP}"><s:Header/><s:Body>'
            f'<wsmid:IdentifyResponse xmlns:wsmid="{names.IDENTITY}">'
            f"<wsmid:ProtocolVersion>{names.WSMAN}</wsmid:ProtocolVersion>"
            "<wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>"
            f"<wsmid:ProductVersion>{soap.safe_text(version)}</wsmid:ProductVersion>"
            "</wsmid:IdentifyResponse></s:Body></s:Envelope>"
        )
        return Reply(200, body.encode(), "Identify", "")

    async def _dispatch(self, request: soap.Request, caller: Caller, user: str) -> Done:
        ceiling = self.machine.limits.max_timeout_ms / 1000
        timeout = min(request.operation_timeout or ceiling, ceiling)
        uri = request.resource_uri
        delay = self.machine.answer_delay
        if uri.lower() in (names.CMD_RESOURCE, names.SHELL_RESOURCE):
            done = await self._shells.handle(request, caller, timeout)
        elif uri.lower().startswith(names.POWERSHELL_PREFIX):
            raise _no_powershell(uri)
        elif uri.lower() == names.CONFIG or uri.lower().startswith(names.CONFIG + "/"):
            if request.action != names.ACTION_GET:
                raise faults.action_not_supported(request.action)
            done = Done(settings.config_xml(uri, self.machine.limits), "saxwp", "Get", uri)
        elif is_wmi(uri):
            done = self._cim.handle(request, user)
        else:
            raise faults.invalid_resource(uri)
        if delay > 0:
            await asyncio.sleep(min(delay, timeout))
            if delay >= timeout:  # the operation ran all the same: what the caller cannot know
                raise faults.timed_out()
        return done


def _describe(request: soap.Request) -> tuple[str, str]:
    """The record's words for a request that may end in a fault."""
    action = request.action
    if action.startswith(names.SHELL + "/") or request.resource_uri.startswith(names.SHELL):
        return f"Shell:{action.rpartition('/')[2]}", request.resource_uri
    if action in _NAMES_OF_ACTIONS:
        return _NAMES_OF_ACTIONS[action], request.resource_uri
    return f"Invoke:{action.rpartition('/')[2]}", request.resource_uri


def _no_powershell(uri: str) -> faults.WireFault:
    """The lab runs no PowerShell: answered like a session configuration that does not exist."""
    name = uri.rpartition("/")[2]
    text = f"Cannot find the session configuration {name}: the lab's servers have no PowerShell remoting. "
    return faults.WireFault("s:Sender", "a:DestinationUnreachable", 0x8033803B, text, detail_uri="InvalidResourceURI")

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cmd shell (WinRS): Create, Command, Send, Receive, Signal, Delete (MS-WSMV 3.1.4.5; recordings of 2016)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import (
    LabMachine,
    LabProcess,
    ProgramNotFound,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire import faults, names, soap
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.operations import Done

DEFAULT_IDLE_SECONDS = 7200.0
DEFAULT_CODEPAGE = 437
RECEIVE_POLL_SECONDS = 0.02
# Output of one Receive answer in bytes before base64; Windows cuts to what MaxEnvelopeSize holds.
OUTPUT_SHARE = 0.5

_STATE = names.SHELL + "/CommandState/"
_SIGNALS = {names.SHELL + "/signal/" + name for name in ("terminate", "ctrl_c", "ctrl_break")}
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_UNEXPECTED_INPUT = 2147942509  # the pipe has been ended: input for a command that is over
_PROGRAM_NOT_FOUND = 2147942402


@dataclass(frozen=True)
class Caller:
    """Who asks: the user (None: not logged in), the address, and whether the connection is lost meanwhile."""

    user: str | None
    client_ip: str
    is_gone: Callable[[], bool]


@dataclass
class _Command:
    process: LabProcess
    line: str
    pending: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass
class _Shell:
    shell_id: str
    owner: str
    client_ip: str
    created: float
    used: float
    idle_seconds: float
    codepage: int
    environment: dict[str, str]
    directory: str | None
    input_streams: str
    output_streams: str
    commands: dict[str, _Command] = field(default_factory=dict)


class Shells:
    """The shells of one machine.

    :param advance: lets the simulated world go on; called while a Receive waits.
    :param monotonic: the clock of idle times.
    """

    def __init__(self, machine: LabMachine, advance: Callable[[], None], monotonic: Callable[[], float]) -> None:
        self._machine = machine
        self._advance = advance
        self._monotonic = monotonic
        self._open: dict[str, _Shell] = {}

    async def handle(self, request: soap.Request, caller: Caller, timeout: float) -> Done:
        """Do what the request asks. Raises WireFault; a Receive without output ends in the timeout fault."""
        user = caller.user or ""
        self._drop_idle()
        match request.action:
            case names.ACTION_CREATE:
                return self._create(request, user, caller.client_ip)
            case names.ACTION_ENUMERATE if request.resource_uri == names.SHELL_RESOURCE:
                found = [shell for shell in self._open.values() if shell.owner == user]
                inside = "".join(self._shell_xml(shell) for shell in found)
                items = f"<w:Items>{inside}</w:Items><w:EndOfSequence/>"
                body = f"<n:EnumerateResponse><n:EnumerationContext/>{items}</n:EnumerateResponse>"
                return Done(body, "sanwp", "Shell:Enumerate", "")
        shell = self._shell(request, user)
        match request.action:
            case names.ACTION_GET:
                return Done(self._shell_xml(shell), "saxwp", "Shell:Get", shell.shell_id)
            case names.ACTION_DELETE:
                self._end_shell(shell)
                return Done("", "saxwp", "Shell:Delete", shell.shell_id)
            case names.ACTION_COMMAND:
                return self._start(request, shell, user)
            case names.ACTION_SEND:
                return self._send(request, shell)
            case names.ACTION_SIGNAL:
                return self._signal(request, shell)
            case names.ACTION_RECEIVE:
                return await self._receive(request, shell, timeout, caller)
        raise faults.action_not_supported(request.action)

    def clear(self) -> None:
        """Forget all without ending anything (the machine has restarted)."""
        self._open.clear()

    # -- shells ------------------------------------------------------------------------------------------------------

    def _create(self, request: soap.Request, user: str, client_ip: str) -> Done:
        body = _body(request, "Shell")
        if sum(shell.owner == user for shell in self._open.values()) >= self._machine.limits.max_shells_per_user:
            raise faults.too_many_shells(self._machine.limits.max_shells_per_user)
        idle = DEFAULT_IDLE_SECONDS
        if given := _text(body, "IdleTimeOut"):
            asked = soap.parse_duration(given)
            if asked is None:
                raise faults.bad_shell_parameter()
            idle = asked
        codepage = _option(request, "WINRS_CODEPAGE") or str(DEFAULT_CODEPAGE)
        if not codepage.isascii() or not codepage.isdigit():
            raise faults.bad_shell_parameter()
        proposed = body.get("ShellId") or ""
        if proposed and not _GUID.fullmatch(proposed):
            raise faults.bad_shell_parameter()
        environment = body.find(f"{{{names.SHELL}}}Environment")
        variables = {item.get("Name") or "": item.text or "" for item in environment} if environment is not None else {}
        now = self._monotonic()
        shell = _Shell(
            shell_id=proposed.upper() or soap.new_id(),
            owner=user,
            client_ip=client_ip,
            created=now,
            used=now,
            idle_seconds=idle,
            codepage=int(codepage[:6]),
            environment=variables,
            directory=_text(body, "WorkingDirectory") or None,
            input_streams=_text(body, "InputStreams") or "stdin",
            output_streams=_text(body, "OutputStreams") or "stdout stderr",
        )
        if shell.shell_id in self._open:
            text = "A shell with this ShellId exists already. "
            raise faults.WireFault("s:Sender", "w:AlreadyExists", 0x80338033, text)
        self._open[shell.shell_id] = shell
        created = (
            f"<x:ResourceCreated><a:Address>{soap.safe_text(request.to)}</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{names.CMD_RESOURCE}</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{shell.shell_id}</w:Selector>'
            "</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"
        )
        return Done(created + self._shell_xml(shell), "saxwp", "Shell:Create", shell.shell_id)

    def _shell_xml(self, shell: _Shell) -> str:
        def element(name: str, value: str) -> str:
            return f"<rsp:{name}>{soap.safe_text(value)}</rsp:{name}>"

        now = self._monotonic()
        variables = "".join(
            f'<rsp:Variable Name="{soap.safe_text(name)}">{soap.safe_text(value)}</rsp:Variable>'
            for name, value in shell.environment.items()
        )
        inside = (
            element("ShellId", shell.shell_id)
            + element("ResourceUri", names.CMD_RESOURCE)
            + element("Owner", shell.owner)
            + element("ClientIP", shell.client_ip)
            + (element("WorkingDirectory", shell.directory) if shell.directory else "")
            + (f"<rsp:Environment>{variables}</rsp:Environment>" if variables else "")
            + element("IdleTimeOut", f"PT{shell.idle_seconds:.3f}S")
            + element("InputStreams", shell.input_streams)
            + element("OutputStreams", shell.output_streams)
            + element("ShellRunTime", _elapsed(now - shell.created))
            + element("ShellInactivity", _elapsed(now - shell.used))
        )
        return f'<rsp:Shell xmlns:rsp="{names.SHELL}">{inside}</rsp:Shell>'

    def _shell(self, request: soap.Request, user: str) -> _Shell:
        wanted = next((value for name, value in request.selectors.items() if name.lower() == "shellid"), "")
        shell = self._open.get(wanted.upper())
        if shell is None or shell.owner != user:
            raise faults.unknown_shell(wanted)
        shell.used = self._monotonic()
        return shell

    def _drop_idle(self) -> None:
        now = self._monotonic()
        for shell in [shell for shell in self._open.values() if now - shell.used > shell.idle_seconds]:
            self._end_shell(shell)

    def _end_shell(self, shell: _Shell) -> None:
        self._open.pop(shell.shell_id, None)
        for command in shell.commands.values():
            command.process.terminate()
        shell.commands.clear()

    # -- commands ----------------------------------------------------------------------------------------------------

    def _start(self, request: soap.Request, shell: _Shell, user: str) -> Done:
        body = _body(request, "CommandLine")
        known = {"Command", "Arguments"}
        wrong = [soap.local_name(part) for part in body if soap.local_name(part) not in known]
        if wrong:  # recorded from 2008 R2: an element Argument in place of Arguments
            raise faults.schema_error(f"The SOAP packet contains an element {wrong[0]} that is invalid. ")
        line = " ".join(part.text for part in body if part.text)
        if not line.strip():
            raise faults.bad_shell_parameter()
        command_id = (body.get("CommandId") or "").upper() or soap.new_id()
        if not _GUID.fullmatch(command_id) or command_id in shell.commands:
            raise faults.bad_shell_parameter()
        through_cmd = not soap.is_true(_option(request, "WINRS_SKIP_CMD_SHELL"))
        console = soap.is_true(_option(request, "WINRS_CONSOLEMODE_STDIN"))  # wsman.h: the default is a pipe
        try:
            process = self._machine.start_process(
                line,
                through_cmd=through_cmd,
                stdin_console=console,
                codepage=shell.codepage,
                user=user,
                environment=shell.environment,
                directory=shell.directory,
            )
        except ProgramNotFound as error:
            text = "The system cannot find the file specified. "
            raise faults.shell_failure(_PROGRAM_NOT_FOUND, text) from error
        shell.commands[command_id] = _Command(process, line)
        answer = (
            f'<rsp:CommandResponse xmlns:rsp="{names.SHELL}">'
            f"<rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"
        )
        return Done(answer, "saxwp", "Shell:Command", line)

    def _command(self, shell: _Shell, command_id: str | None) -> _Command:
        command = shell.commands.get((command_id or "").upper())
        if command is None:
            raise faults.unknown_command(command_id or "")
        return command

    def _send(self, request: soap.Request, shell: _Shell) -> Done:
        body = _body(request, "Send")
        line = ""
        for stream in body.findall(f"{{{names.SHELL}}}Stream"):
            if stream.get("Name") != "stdin":
                raise faults.bad_shell_parameter()
            command = self._command(shell, stream.get("CommandId"))
            line = command.line
            try:
                data = base64.b64decode("".join((stream.text or "").split()), validate=True)
            except binascii.Error as error:
                raise faults.schema_error("The stream is not base64. ") from error
            command.process.poll()
            if command.process.exit_code is not None:
                raise faults.shell_failure(_UNEXPECTED_INPUT, "The pipe has been ended. ")
            command.process.write_stdin(data, soap.is_true(stream.get("End")))
        return Done(f'<rsp:SendResponse xmlns:rsp="{names.SHELL}"/>', "saxwp", "Shell:Send", line)

    def _signal(self, request: soap.Request, shell: _Shell) -> Done:
        body = _body(request, "Signal")
        code = _text(body, "Code").lower()  # pypsrp, recorded against Windows, writes Terminate
        if code not in _SIGNALS:
            raise faults.bad_shell_parameter()
        command_id = body.get("CommandId")
        command = self._command(shell, command_id)
        command.process.terminate()
        if code.endswith("terminate"):
            del shell.commands[(command_id or "").upper()]
        return Done(f'<rsp:SignalResponse xmlns:rsp="{names.SHELL}"/>', "saxwp", "Shell:Signal", command.line)

    async def _receive(self, request: soap.Request, shell: _Shell, timeout: float, caller: Caller) -> Done:
        body = _body(request, "Receive")
        desired = soap.child(body, names.SHELL, "DesiredStream")
        if desired is None:
            raise faults.schema_error("The Receive element names no stream. ")
        command_id = desired.get("CommandId")
        wanted = soap.text_of(desired).split() or ["stdout", "stderr"]
        if not set(wanted) <= set(shell.output_streams.split()):
            raise faults.bad_shell_parameter()
        command = self._command(shell, command_id)
        process = command.process
        deadline = self._monotonic() + timeout
        while True:
            self._advance()
            process.poll()
            command.pending += process.read()
            if command.pending or process.exit_code is not None:
                break
            if self._monotonic() >= deadline or caller.is_gone():  # what nobody hears must stay for the next to ask
                raise faults.timed_out()
            await asyncio.sleep(RECEIVE_POLL_SECONDS)
        shell.used = self._monotonic()
        given = self._take_output(command, request)
        return Done(
            _receive_xml((command_id or "").upper(), wanted, given, None if command.pending else process.exit_code),
            "saxwp",
            "Shell:Receive",
            command.line,
        )

    def _take_output(self, command: _Command, request: soap.Request) -> list[tuple[str, bytes]]:
        """As much pending output as one answer holds."""
        envelope = self._machine.limits.max_envelope_size_kb * 1024
        room = int(min(envelope, request.max_envelope_size or envelope) * OUTPUT_SHARE)
        given: list[tuple[str, bytes]] = []
        while command.pending and room > 0:
            name, data = command.pending[0]
            given.append((name, data[:room]))
            if len(data) > room:
                command.pending[0] = (name, data[room:])
            else:
                del command.pending[0]
            room -= len(data)
        return given


def _receive_xml(command_id: str, wanted: list[str], output: list[tuple[str, bytes]], exit_code: int | None) -> str:
    """One stream element for each write; when it is over the closed streams and the exit code (recordings of 2016)."""
    inside = "".join(
        f'<rsp:Stream Name="{name}" CommandId="{command_id}">{base64.b64encode(data).decode()}</rsp:Stream>'
        for name, data in output
        if name in wanted
    )
    if exit_code is None:
        state = f'<rsp:CommandState CommandId="{command_id}" State="{_STATE}Running"/>'
    else:
        inside += "".join(f'<rsp:Stream Name="{name}" CommandId="{command_id}" End="true"/>' for name in wanted)
        code = f"<rsp:ExitCode>{exit_code & 0xFFFFFFFF}</rsp:ExitCode>"
        state = f'<rsp:CommandState CommandId="{command_id}" State="{_STATE}Done">{code}</rsp:CommandState>'
    return f'<rsp:ReceiveResponse xmlns:rsp="{names.SHELL}">{inside}{state}</rsp:ReceiveResponse>'


def _body(request: soap.Request, name: str) -> Element:
    if request.body is None or request.body.tag != f"{{{names.SHELL}}}{name}":
        raise faults.schema_error(f"The body of the request is not a {name} element. ")
    return request.body


def _text(body: Element, name: str) -> str:
    return soap.text_of(soap.child(body, names.SHELL, name))


def _option(request: soap.Request, name: str) -> str:
    """An option of the request; names are compared without case."""
    return next((value for key, value in request.options.items() if key.upper() == name), "")


def _elapsed(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, whole = divmod(rest, 60)
    return f"P{days}DT{hours}H{minutes}M{whole}S"

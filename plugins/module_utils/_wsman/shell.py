# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Commands in the cmd shell of WinRM (MS-WSMV 3.1.4): their exit code and both streams, in bounded time and size."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.envelope import SHELL, Message, Writer
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.exchange import TIDY_SECONDS, Exchange
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.faults import (
    BUSY,
    OPERATION_QUOTA,
    TIMED_OUT,
    UNKNOWN_SHELL,
    WsmanFault,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.quoting import cmd_quote
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.xml_answer import Node

# cmd.exe takes 8191 characters; WinRM puts its own path and /C before them.
MAX_COMMAND_LINE = 8100
# Base64 makes 267 KB of it, well under the 500 KB an envelope may have.
STDIN_PIECE = 200_000
# WinRM does not give back what a finished command holds until its shell is deleted.
COMMANDS_IN_A_SHELL = 15


@dataclass(frozen=True)
class ShellResult:
    """What a command left: its exit code (unsigned 32 bits, as Windows counts) and its streams."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Shell:
    """A remote cmd shell. It is created by the first command and deleted at the end of the ``with`` block."""

    def __init__(self, exchange: Exchange, writer: Writer, *, codepage: int, sleep: Callable[[float], None]) -> None:
        self._exchange = exchange
        self._writer = writer
        self._codepage = codepage
        self._sleep = sleep
        self._shell_id: str | None = None
        self._commands = 0
        self._deadline = 0.0

    def __enter__(self) -> Shell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(
        self,
        command: str,
        args: Sequence[str] = (),
        *,
        stdin: bytes | None = None,
        timeout: float = 60,
        max_output: int = 4 * 1024 * 1024,
    ) -> ShellResult:
        """Run a command line through cmd.exe and wait for its end.

        :param command: cmd.exe syntax, passed on as it is; it may use ``&``, ``>`` and ``%VARIABLES%`` and must hold
            nothing that came from outside. It must not begin with a quote, since ``cmd /c`` then strips quotes.
        :param args: arguments, each made safe by `cmd_quote` and added behind.
        :param stdin: all of its standard input. None leaves the input open: a command that reads it would wait till
            its timeout.
        :param timeout: seconds for all of it.
        :param max_output: bytes of both streams together.
        :raises AnswerTimeout: it did not end in time; it was told to stop.
        :raises OutcomeUnknown: the answer to a message that starts or feeds it was lost.
        :raises BadAnswer: it wrote more than ``max_output`` (it was told to stop), or the answers make no sense.
        :raises InvalidInput: a command line too long, or an argument that cannot be quoted.
        """
        quoted = tuple(cmd_quote(argument) for argument in args)
        line = " ".join((command, *quoted))
        if command.lstrip()[:1] in ('"', ""):
            raise InvalidInput(
                "A command line must begin with a word: cmd /c strips quotes from one that begins with a quote."
            )
        if re.search(r"[\x00-\x08\x0a-\x1f]", command):
            raise InvalidInput("A command line must be one line, without control characters.")
        if len(line) > MAX_COMMAND_LINE:
            raise InvalidInput(
                f"The command line has {len(line)} characters; cmd.exe takes {MAX_COMMAND_LINE} at most."
            )
        self._deadline = self._exchange.monotonic() + timeout
        command_id = self._start(command, quoted, timeout)
        running = True
        try:
            if stdin is not None:
                self._feed(command_id, stdin, timeout)
            result = self._collect(command_id, timeout, max_output)
            running = False
            return result
        finally:
            if running:
                self._terminate(command_id)

    def close(self) -> None:
        """Delete the shell on the server. That it fails is of no consequence: an idle shell lapses."""
        shell_id, self._shell_id = self._shell_id, None
        if shell_id is None:
            return
        message = self._writer.delete_shell(shell_id, self._seconds)
        try:
            self._exchange.run(message, "Closing the command shell", repeatable=True, seconds=TIDY_SECONDS)
        except HotpatchError:
            return

    @property
    def _seconds(self) -> int:
        return self._exchange.settings.operation_timeout

    def _start(self, command: str, arguments: tuple[str, ...], timeout: float) -> str:
        """Start it; in a new shell where the server has lost or filled the old one, for then nothing has run."""
        if self._commands >= COMMANDS_IN_A_SHELL:
            self.close()
        what = "Starting a command"
        fresh = self._shell_id is None
        while True:
            if self._shell_id is None:
                self._shell_id = self._create()
                self._commands = 0
            message = self._writer.command(self._shell_id, command, arguments, self._seconds)
            try:
                body = self._exchange.run(message, what, repeatable=False, seconds=self._patience(timeout))
            except WsmanFault as fault:
                refusal: HotpatchError = self._exchange.fault_as_error(fault, what, repeatable=False)
                lost = fault.has(UNKNOWN_SHELL, OPERATION_QUOTA)
            else:
                self._commands += 1
                found = body.path("CommandResponse", "CommandId")
                if found is None or not found.text.strip():
                    raise OutcomeUnknown(
                        f"{what} on {self._exchange.settings.where} was sent, but the answer names no command. "
                        "It may have run.",
                        hint="Read the server's state before doing it again.",
                        server=self._exchange.settings.name,
                    )
                return found.text.strip()
            if not lost or fresh:
                raise refusal
            fresh = True
            self.close()

    def _create(self) -> str:
        what = "Opening a command shell"
        body = self._exchange.ask(self._writer.create_shell(self._codepage, self._seconds), what, repeatable=True)
        for node in body.walk():
            if node.name == "Selector" and node.attributes.get("Name", "").lower() == "shellid" and node.text.strip():
                return node.text.strip()
        for node in body.walk():
            if node.name == "ShellId" and node.namespace == SHELL and node.text.strip():
                return node.text.strip()
        raise self._exchange.bad_answer(what, "the answer names no shell")

    def _feed(self, command_id: str, data: bytes, timeout: float) -> None:
        what = "Sending input to a command"
        pieces = [data[start : start + STDIN_PIECE] for start in range(0, len(data), STDIN_PIECE)] or [b""]
        for number, piece in enumerate(pieces, start=1):
            pause = 0.1
            while True:
                self._check_time(timeout)
                message = self._writer.send(
                    self._shell_id or "", command_id, piece, number == len(pieces), self._seconds
                )
                if self._taken(message, what, timeout):
                    break
                # The command has not taken what it was given before; the server refused this piece.
                self._sleep(pause)
                pause = min(2.0, pause * 2)

    def _taken(self, message: Message, what: str, timeout: float) -> bool:
        """Send one piece of input; False when the server says that the command is still busy with the last one."""
        try:
            self._exchange.run(message, what, repeatable=False, seconds=self._patience(timeout))
        except WsmanFault as fault:
            if fault.has(BUSY):
                return False
            refusal = self._exchange.fault_as_error(fault, what, repeatable=False)
        else:
            return True
        raise refusal

    def _collect(self, command_id: str, timeout: float, max_output: int) -> ShellResult:
        what = "Reading a command's output"
        streams = {"stdout": bytearray(), "stderr": bytearray()}
        empty = 0
        while True:
            seconds = max(1, min(self._seconds, math.ceil(self._check_time(timeout))))
            message = self._writer.receive(self._shell_id or "", command_id, seconds)
            margin = self._exchange.settings.read_timeout - self._seconds
            try:
                body = self._exchange.run(message, what, repeatable=False, harmless=True, seconds=seconds + margin)
            except WsmanFault as fault:
                if not fault.has(TIMED_OUT):
                    raise
                continue  # nothing was written while the server waited: ask again
            answer = body.child("ReceiveResponse", SHELL)
            if answer is None:
                raise self._exchange.bad_answer(what, "no ReceiveResponse in the answer")
            arrived = 0
            for stream in answer.all("Stream", SHELL):
                data = self._decoded(stream, what)
                arrived += len(data)
                if stream.attributes.get("CommandId", command_id).lower() == command_id.lower():
                    streams.setdefault(stream.attributes.get("Name", ""), bytearray()).extend(data)
            if sum(len(stream) for stream in streams.values()) > max_output:
                raise self._exchange.bad_answer(what, f"the command wrote more than {max_output} bytes and was stopped")
            exit_code = self._exit_code(answer, what)
            if exit_code is not None:
                return ShellResult(exit_code, bytes(streams["stdout"]), bytes(streams["stderr"]))
            empty = 0 if arrived else empty + 1
            if empty > 3:
                # An answer without data should come only after the operation timeout; one that comes at once must not
                # spin.
                self._sleep(min(1.0, 0.05 * empty))

    def _exit_code(self, answer: Node, what: str) -> int | None:
        """The exit code once the command is done, None while it runs."""
        state = answer.child("CommandState", SHELL)
        if state is None or not state.attributes.get("State", "").endswith("/Done"):
            return None
        code = state.child("ExitCode", SHELL)
        text = code.text.strip() if code is not None else ""
        if not re.fullmatch(r"-?[0-9]{1,10}", text, re.ASCII):
            raise self._exchange.bad_answer(what, "the command ended without an exit code")
        return int(text) % 2**32

    def _decoded(self, stream: Node, what: str) -> bytes:
        try:
            return base64.b64decode("".join(stream.text.split()), validate=True)
        except (binascii.Error, ValueError):
            trouble = self._exchange.bad_answer(what, "a stream is not base64")
        raise trouble

    def _terminate(self, command_id: str) -> None:
        """Tell it to stop; a server that does not listen any more is not asked to delete the shell either."""
        if self._shell_id is None:
            return
        message = self._writer.terminate(self._shell_id, command_id, self._seconds)
        try:
            self._exchange.run(message, "Stopping a command", repeatable=True, seconds=TIDY_SECONDS)
        except WsmanFault:
            return
        except HotpatchError:
            self._shell_id = None

    def _check_time(self, timeout: float) -> float:
        """Seconds left."""
        left = self._deadline - self._exchange.monotonic()
        if left > 0:
            return left
        settings = self._exchange.settings
        raise AnswerTimeout(
            f"A command on {settings.where} did not end within {timeout:g} s and was stopped.",
            hint="Check what keeps the server busy; the next run starts it anew.",
            server=settings.name,
        )

    def _patience(self, timeout: float) -> float:
        return min(float(self._exchange.settings.read_timeout), self._check_time(timeout) + 1)

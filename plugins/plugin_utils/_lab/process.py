# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands: a program is a generator that says what it waits for, a process lets it run as time and input
allow.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DEVICES, DiskError, normal
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.principals import Principal

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Timeline
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

TERMINATED = 1223
MAX_OUTPUT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Pause:
    """Wait for so many seconds of a real server."""

    seconds: float


class MoreInput:
    """Wait until there is more input, or its end."""


Wait = Pause | MoreInput
Program = Generator[Wait, None, int]


class Sink(Protocol):
    """Where output goes."""

    def write(self, data: bytes) -> None:
        """Take one write of a program."""

    def close(self) -> None:
        """The end."""


class Nowhere:
    """NUL."""

    def write(self, data: bytes) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing to do."""


class Collected:
    """A pipe to the next command."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    def close(self) -> None:
        """Nothing to do."""


class FileSink:
    """A file that output is redirected into; it is made (or emptied) at once, as cmd does.

    :raises DiskError: it cannot be written.
    """

    def __init__(self, machine: Machine, path: str, who: Principal, *, append: bool) -> None:
        self._machine = machine
        self._path = path
        self._who = who
        self._data = b""
        node = machine.disk.find(path)
        machine.disk.write(path, b"", machine.now(), who, append=append and node is not None)
        machine.wrote("file", path, who.name)

    def write(self, data: bytes) -> None:
        """Keep it until the end."""
        self._data += data

    def close(self) -> None:
        """Write it.

        :raises DiskError: the disk is full.
        """
        data, self._data = self._data, b""
        if data:
            self._machine.disk.write(self._path, data, self._machine.now(), self._who, append=True)


def open_sink(machine: Machine, target: str, directory: str, who: Principal, *, append: bool) -> Sink:
    """What a redirection names: a file, or NUL.

    :raises DiskError: it cannot be written.
    """
    if target.strip('"').lower().rstrip(":") in DEVICES:
        return Nowhere()
    return FileSink(machine, normal(target, directory), who, append=append)


class Input:
    """A program's input: bytes that are there, and whether more may come."""

    def __init__(self, data: bytes = b"", *, ended: bool = True) -> None:
        self.data = data
        self.ended = ended

    def everything(self) -> Generator[Wait, None, bytes]:
        """All of it, waiting for its end."""
        while not self.ended:
            yield MoreInput()
        data, self.data = self.data, b""
        return data

    def line(self) -> Generator[Wait, None, bytes | None]:
        """The next line without its end; None when there is no more."""
        while b"\n" not in self.data and not self.ended:
            yield MoreInput()
        if not self.data:
            return None
        line, _mark, self.data = self.data.partition(b"\n")
        return line.rstrip(b"\r")


@dataclass
class Streams:
    """The three streams of a program."""

    stdin: Input
    stdout: Sink
    stderr: Sink


class Process:
    """One command of a shell, or of a task; output is kept until somebody reads it."""

    def __init__(
        self,
        timeline: Timeline,
        command_line: str,
        *,
        stdin_console: bool = False,
        on_exit: Callable[[int], None] | None = None,
    ) -> None:
        self.command_line = command_line
        self.exit_code: int | None = None
        self.identifier = 0
        self._timeline = timeline
        self._on_exit = on_exit
        self._stdin_console = stdin_console
        self._output: list[tuple[str, bytes]] = []
        self._size = 0
        self._program: Program | None = None
        self._waits_for_input = False
        self._running = False
        self.stdin = Input(ended=False)

    def streams(self) -> Streams:
        """What its program reads and writes."""
        return Streams(self.stdin, _Output(self, "stdout"), _Output(self, "stderr"))

    def begin(self, program: Program) -> None:
        """Let it run."""
        self._program = program
        self._go_on()

    def write_stdin(self, data: bytes, end: bool) -> None:
        """Hand over input. A console never ends: then ``end`` means nothing."""
        self.stdin.data += data
        if end and not self._stdin_console:
            self.stdin.ended = True
        if self._waits_for_input and self.exit_code is None:
            self._waits_for_input = False
            self._go_on()

    def poll(self) -> None:
        """Let everything happen that is due."""
        self._timeline.advance()

    def read(self) -> list[tuple[str, bytes]]:
        """Output since the last call."""
        taken, self._output = self._output, []
        return taken

    def terminate(self) -> None:
        """Kill it."""
        if self.exit_code is None:
            self._end(TERMINATED)

    def keep(self, stream: str, data: bytes) -> None:
        """Take one write of the program."""
        if data and self.exit_code is None and self._size < MAX_OUTPUT:
            self._size += len(data)
            self._output.append((stream, data))

    def _go_on(self) -> None:
        if self.exit_code is not None or self._program is None:
            return
        self._running = True
        try:
            wait = next(self._program)
        except StopIteration as stop:
            self._end(stop.value & 0xFFFFFFFF)
            return
        finally:
            self._running = False
        if isinstance(wait, Pause):
            self._timeline.after(wait.seconds, self._go_on)
        else:
            self._waits_for_input = True

    def _end(self, code: int) -> None:
        self.exit_code = code
        program, self._program = self._program, None
        if program is not None and code == TERMINATED and not self._running:
            program.close()
        if self._on_exit is not None:
            self._on_exit(code)


class _Output:
    def __init__(self, process: Process, stream: str) -> None:
        self._process = process
        self._stream = stream

    def write(self, data: bytes) -> None:
        self._process.keep(self._stream, data)

    def close(self) -> None:
        """Nothing to do: the process ends it."""


def disk_message(error: DiskError) -> str:
    """A file error as cmd prints it."""
    return f"{error.message}\r\n"

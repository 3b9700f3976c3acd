# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam of the lab: what the wire half (HTTP, logins, SOAP, shells) may ask of the world half (the simulated
servers).

Everything here is synchronous and single-threaded. The wire half calls ``world.advance()`` before each request and
from a timer, asks ``machine.network`` before it accepts or answers anything, and throws away every connection, login,
shell and enumeration of a machine when ``machine.boot_id`` has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimInstance, CimValue

# What a connection attempt meets: open = WinRM answers; closed = refused; silent = accepted, never answered; garbage
# = bytes that are not HTTP; half_answer = a good answer cut in the middle; reset = accepted, then reset.
NETWORK_STATES = ("open", "closed", "silent", "garbage", "half_answer", "reset")

# One method parameter as it came: a list with the text of each element of that name (None for xsi:nil, a dict for an
# embedded instance whose values have this same shape, with its class under "__class").
RawParameter = list[Any]
RawParameters = dict[str, RawParameter]


@dataclass
class Record:
    """One HTTP request that a machine answered (the wire half fills it in, ``machine.record`` keeps it).

    ``method`` is Identify, Enumerate, Pull, Release, Get, Delete, ``Invoke:RegisterByXml``, ``Shell:Create``,
    ``Shell:Command``, ... ``target`` names the class, the WQL text or the command line. ``write`` is whether this
    request itself changed the machine: compare ``machine.write_count`` before and after. Changes that a running
    command makes later are writes of their own.
    """

    time: datetime
    method: str
    target: str
    user: str | None
    status: int
    bytes_in: int = 0
    bytes_out: int = 0
    write: bool = False


@dataclass(frozen=True)
class Limits:
    """What this server's WinRM grants (defaults of Server 2016 and later: config Get in public recordings)."""

    max_envelope_size_kb: int = 500
    max_timeout_ms: int = 60000
    max_batch_items: int = 32000
    enumeration_timeout_ms: int = 240000
    max_shells_per_user: int = 2147483647
    one_row_first: bool = True  # an optimised Enumerate answers one row, the rest comes by Pull
    allow_unencrypted: bool = True
    transports: tuple[str, ...] = ("basic", "negotiate")


class ProgramNotFound(Exception):
    """A shell command that bypasses cmd.exe names no program (the shell plugin answers 2147942402)."""


class LabProcess(Protocol):
    """One running command of a shell."""

    exit_code: int | None  # None while it runs; afterwards 0..4294967295

    def write_stdin(self, data: bytes, end: bool) -> None:
        """Hand over input; ``end`` closes it."""

    def poll(self) -> None:
        """Let it run as far as the time and its input allow."""

    def read(self) -> list[tuple[str, bytes]]:
        """Output since the last call: ("stdout" or "stderr", bytes), one for each write of the program."""

    def terminate(self) -> None:
        """Kill it (terminate signal, shell deleted); the exit code becomes 1223 unless it had ended."""


@dataclass(frozen=True)
class WebAnswer:
    """What a server's web site answers."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


class LabWebSite(Protocol):
    """The web site of a server."""

    @property
    def open(self) -> bool:
        """Whether its port is open at this moment."""

    def answer(self, method: str, path: str, authorization: str | None) -> WebAnswer:
        """Answer one request; ``authorization`` is the header of that name."""


class LabMachine(Protocol):
    """One simulated server."""

    @property
    def name(self) -> str:
        """The inventory name."""

    @property
    def hostname(self) -> str:
        """The Windows name, in capitals."""

    @property
    def accounts(self) -> Mapping[str, str]:
        """User name to password; all are administrators."""

    @property
    def network(self) -> str:
        """What a connection meets at this moment: one of NETWORK_STATES."""

    @property
    def answer_delay(self) -> float:
        """Wall seconds to wait before each answer (0.0 unless a fault makes the server slow)."""

    @property
    def boot_id(self) -> int:
        """Counts the boots; a change voids all connections, logins, shells and enumerations."""

    @property
    def os_version_text(self) -> str:
        """For Identify, e.g. ``OS: 10.0.26100 SP: 0.0 Stack: 3.0``."""

    @property
    def limits(self) -> Limits:
        """WinRM's settings."""

    @property
    def write_count(self) -> int:
        """How many changes were made to this machine from outside."""

    @property
    def web_site(self) -> LabWebSite | None:
        """Its web site, if it has one."""

    def query(self, namespace: str, wql: str | None, class_name: str | None) -> list[CimInstance]:
        """Enumerate: all instances of a class, or what a WQL statement selects. Raises CimFault."""

    def get(self, namespace: str, class_name: str, selectors: Mapping[str, str]) -> CimInstance:
        """One instance by its keys (none for a singleton). Raises CimFault."""

    def invoke(
        self,
        namespace: str,
        class_name: str,
        method: str,
        params: RawParameters,
        selectors: Mapping[str, str],
        user: str,
    ) -> dict[str, CimValue]:
        """Call a method; the out parameters hold ReturnValue. Raises CimFault."""

    def delete(self, namespace: str, class_name: str, selectors: Mapping[str, str], user: str) -> None:
        """Delete one instance. Raises CimFault."""

    def start_process(
        self,
        command_line: str,
        *,
        through_cmd: bool,
        stdin_console: bool,
        codepage: int,
        user: str,
        environment: Mapping[str, str],
        directory: str | None,
    ) -> LabProcess:
        """Start a command of a shell; ``command_line`` is the command and its arguments as the shell plugin joins
        them.
        """

    def record(self, entry: Record) -> None:
        """Keep one answered request."""


@dataclass
class Answer:
    """What the control address answers: an HTTP status and a JSON document; ``stop`` asks the lab to end afterwards."""

    status: int
    document: Any
    stop: bool = False
    headers: dict[str, str] = field(default_factory=dict)


class LabWorld(Protocol):
    """The fleet."""

    @property
    def machines(self) -> Mapping[str, LabMachine]:
        """Inventory name to machine, in the order of the fleet file."""

    def advance(self) -> None:
        """Let everything happen that is due by now."""

    def next_event_in(self) -> float | None:
        """Wall seconds until something happens by itself, None when nothing is due: when to call advance() again."""

    def control(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        """Answer the control address; ``body`` is the parsed JSON of a POST, else None."""

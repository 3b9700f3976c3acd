# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world of one machine that can be set in every way the wire must show, and a thread that puts it on the network."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import (
    CimFault,
    CimInstance,
    CimValue,
    number,
    returned,
    text,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import (
    Answer,
    LabProcess,
    LabWebSite,
    Limits,
    ProgramNotFound,
    RawParameters,
    Record,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.server import WireServer
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.tls import make_tls

NAMESPACE = "root/cimv2"
USER, PASSWORD = "Administrator", "Pässw0rd: 1"


def service_rows(count: int) -> list[CimInstance]:
    """Instances with a value of every kind the wire must write."""
    zone = timezone(timedelta(hours=8))
    owner = CimInstance("Fake_Owner", NAMESPACE, {"Name": text("<&>")})
    return [
        CimInstance(
            "Fake_Service",
            NAMESPACE,
            {
                "Name": text(f"svc{index}"),
                "Empty": text(""),
                "Nothing": text(None),
                "Big": number("uint32", 4294967295),
                "Started": CimValue("boolean", index % 2 == 0),
                "Since": CimValue("datetime", datetime(2014, 4, 3, 14, 45, 50, 468750, zone)),
                "Boot": CimValue("datetime", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
                "Every": CimValue("interval", timedelta(seconds=100)),
                "Ids": CimValue("uint32[]", [1, 2]),
                "Names": CimValue("string[]", []),
                "NoNames": CimValue("string[]", None),
                "Owner": CimValue("instance", owner),
                "Line": text("a\r\nb\x01"),
            },
            keys=("Name",),
        )
        for index in range(count)
    ]


class FakeProcess:
    """``echo x``, ``exit n``, ``cat`` (input to output), ``sleep`` (until ended), ``split`` (two writes), ``flood``."""

    def __init__(self, line: str) -> None:
        self.exit_code: int | None = None
        self._output: list[tuple[str, bytes]] = []
        self._line = line
        word, _separator, rest = line.partition(" ")
        if word == "echo":
            self._output.append(("stdout", rest.encode() + b"\r\n"))
            self.exit_code = 0
        elif word == "exit":
            self._output.append(("stderr", b"ending\r\n"))
            self.exit_code = int(rest) & 0xFFFFFFFF
        elif word == "split":
            self._output += [("stdout", b"hi"), ("stdout", b"\n")]
            self.exit_code = 0
        elif word == "flood":
            self._output.append(("stdout", b"x" * int(rest)))
            self.exit_code = 0

    def write_stdin(self, data: bytes, end: bool) -> None:
        """Echo the input back."""
        self._output.append(("stdout", data))
        if end:
            self.exit_code = 0

    def poll(self) -> None:
        """Time changes nothing here."""

    def read(self) -> list[tuple[str, bytes]]:
        """Drain the output."""
        given, self._output = self._output, []
        return given

    def terminate(self) -> None:
        """End with what Windows says of a killed command."""
        if self.exit_code is None:
            self.exit_code = 1223


@dataclass
class FakeMachine:
    """One server whose every setting a test may change while it runs."""

    name: str = "web01"
    hostname: str = "WEB01"
    accounts: Mapping[str, str] = field(default_factory=lambda: {USER: PASSWORD})
    network: str = "open"
    answer_delay: float = 0.0
    boot_id: int = 1
    os_version_text: str = "OS: 10.0.26100 SP: 0.0 Stack: 3.0"
    limits: Limits = field(default_factory=Limits)
    write_count: int = 0
    web_site: LabWebSite | None = None
    rows: list[CimInstance] = field(default_factory=lambda: service_rows(3))
    records: list[Record] = field(default_factory=list)
    invoked: list[tuple[str, RawParameters]] = field(default_factory=list)
    deleted: list[dict[str, str]] = field(default_factory=list)
    fault: CimFault | None = None

    def query(self, namespace: str, wql: str | None, class_name: str | None) -> list[CimInstance]:
        """All rows; a query that names a property gives that one alone."""
        self._check(namespace)
        if wql is not None and wql.upper().startswith("SELECT NAME"):
            return [row.keep(["Name"]) for row in self.rows]
        return self.rows

    def get(self, namespace: str, class_name: str, selectors: Mapping[str, str]) -> CimInstance:
        """The row of that name."""
        self._check(namespace)
        for row in self.rows:
            if row.value("Name") == selectors.get("Name"):
                return row
        raise CimFault("not_found", "Not found")

    def invoke(
        self,
        namespace: str,
        class_name: str,
        method: str,
        params: RawParameters,
        selectors: Mapping[str, str],
        user: str,
    ) -> dict[str, CimValue]:
        """Note the call; answer with a list and an embedded instance."""
        self._check(namespace)
        self.invoked.append((method, params))
        self.write_count += 1
        made = CimInstance("Fake_Task", NAMESPACE, {"State": number("uint8", 3)})
        return returned(0, sNames=CimValue("string[]", ["a", "b"]), cmdletOutput=CimValue("instance", made))

    def delete(self, namespace: str, class_name: str, selectors: Mapping[str, str], user: str) -> None:
        """Note the deletion."""
        self._check(namespace)
        self.write_count += 1
        self.deleted.append(dict(selectors))

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
        """Start one of the fake programs; ``show`` prints how it was started."""
        if command_line == "show":
            shown = f"{through_cmd} {stdin_console} {codepage} {user} {dict(environment)} {directory}"
            return FakeProcess(f"echo {shown}")
        if not through_cmd:
            raise ProgramNotFound(command_line)
        return FakeProcess(command_line)

    def record(self, entry: Record) -> None:
        """Keep it."""
        self.records.append(entry)

    def _check(self, namespace: str) -> None:
        if self.fault is not None:
            raise self.fault
        if namespace.lower() != NAMESPACE:
            raise CimFault("invalid_namespace", "Invalid namespace")


@dataclass
class FakeWorld:
    """A fleet of one."""

    machine: FakeMachine = field(default_factory=FakeMachine)

    @property
    def machines(self) -> Mapping[str, FakeMachine]:
        """The one machine."""
        return {self.machine.name: self.machine}

    def advance(self) -> None:
        """Nothing happens by itself."""

    def next_event_in(self) -> float | None:
        """Nothing is due."""
        return None

    def control(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        """Say what was asked."""
        document = {"method": method, "path": path, "query": dict(query), "body": body}
        return Answer(200 if path != "/nowhere" else 404, document, stop=path == "/shutdown")


@dataclass(frozen=True)
class Running:
    """A world on the network."""

    machine: FakeMachine
    server: WireServer
    http_port: int
    https_port: int
    control_port: int
    ca_file: Path

    @property
    def url(self) -> str:
        """The WinRM address over HTTP."""
        return f"http://127.0.0.1:{self.http_port}/wsman"

    @property
    def secure_url(self) -> str:
        """The WinRM address over HTTPS."""
        return f"https://127.0.0.1:{self.https_port}/wsman"


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Serve a FakeWorld from a thread of its own until the block ends."""
    world = FakeWorld()
    ca_file = folder / "ca.pem"
    started = threading.Event()
    shared: dict[str, Any] = {}

    async def serve() -> None:
        server = WireServer(world, make_tls(ca_file))
        ready, stop = asyncio.Event(), asyncio.Event()
        shared.update(server=server, loop=asyncio.get_running_loop(), stop=stop)
        task = asyncio.create_task(server.run(ready, stop))
        await ready.wait()
        started.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    server: WireServer = shared["server"]
    doors = server.doors["web01"]
    try:
        yield Running(world.machine, server, doors.http.port, doors.https.port, server.control.port, ca_file)
    finally:
        if thread.is_alive():
            shared["loop"].call_soon_threadsafe(shared["stop"].set)
        thread.join(10)
        assert not thread.is_alive()

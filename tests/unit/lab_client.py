# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client whose server is one of the lab, in the same process and on a clock that only moves when somebody waits.

Between the client's methods and the simulated server there is no wire, so a whole run takes milliseconds. What the
wire adds is tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import AnswerTimeout, Fault, Unreachable
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.quoting import cmd_quote
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.traffic import Traffic
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import CimInput, Instance
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import azure_settings
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimFault
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import ManualTime, Timeline
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import Fleet, server_from
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.world import World

START = datetime(2025, 12, 20, 12, 0, tzinfo=UTC)
_TICK = 0.5


@dataclass
class Answer:
    exit_code: int
    stdout: bytes
    stderr: bytes


@dataclass
class LabServer:
    """One server of a lab of its own.

    :ivar commands: every command line, as a recording of requests would show it.
    :ivar on_command: called before a command runs; it may raise what a lost connection raises.
    :ivar after_command: called after it ran, before its answer is given.
    """

    machine: Machine
    world: World
    time: ManualTime
    commands: list[str] = field(default_factory=list)
    inputs: list[bytes] = field(default_factory=list)
    shells: int = 0
    on_command: Callable[[str], None] | None = None
    after_command: Callable[[str], None] | None = None
    progress: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, azure: Mapping[str, Any] | None = None, **keys: Any) -> LabServer:
        time = ManualTime(START)
        spec = server_from({"name": "web01", "level": "KB5068966", **keys}, "test: web01")
        fleet = Fleet((spec,), date(2025, 12, 20), azure=azure_settings(azure or {}, "test: azure"))
        world = World(fleet, Timeline(1.0, time), seed=1)
        return cls(world.machines["web01"], world, time)

    def wait(self, seconds: float) -> None:
        self.time.move(seconds)
        self.world.advance()

    def call(self, spec: Spec, *, check: bool = False, **params: Any) -> Call:
        """A call of a core with the defaults of its options."""
        values = {name: option.get("default") for name, option in spec.argument_spec.items()}
        return Call(
            params={**values, **params},
            name="web01",
            settings=_SETTINGS,
            check_mode=check,
            progress=self.progress.append,
            warn=self.warnings.append,
            now=self.world.timeline.now,
            sleep=self.wait,
            monotonic=self.world.timeline.seconds,
            client_class=lambda *_given, **_more: LabClient(self),  # type: ignore[arg-type]
        )

    def files(self) -> list[str]:
        """Everything in the collection's folder."""
        folder = r"C:\Program Files\winops.hotpatch"
        return [path.removeprefix(folder) for path, _node in self.machine.disk.walk(folder)][1:]


_SETTINGS = Settings(
    name="web01", address="127.0.0.1", port=5985, scheme="http", path="wsman", username="Administrator", password="",
    transports=("basic",), server_cert_validation="validate", ca_trust_path=None, cert_pem=None, cert_key_pem=None,
    message_encryption="auto", operation_timeout=30, read_timeout=40, proxy=None, options={},
)  # fmt: skip


class LabClient:
    def __init__(self, server: LabServer) -> None:
        self.server = server
        self._traffic = Traffic()

    @property
    def traffic(self) -> Traffic:
        return self._traffic

    def enumerate(
        self,
        namespace: str,
        wql: str,
        *,
        arrays: Collection[str] = (),
        max_elements: int = 1000,
        limit: int | None = None,
    ) -> Iterator[Instance]:
        self.traffic.requests += 1
        self.server.world.advance()
        if self.server.machine.network != "open":
            raise Unreachable("web01: no answer", server="web01")
        try:
            rows = self.server.machine.query(namespace, wql, None)
        except CimFault as fault:
            raise Fault(str(fault), code="0x80041010", server="web01") from None
        for row in rows:
            yield Instance(
                {name: None if value.value is None else str(value.value) for name, value in row.properties.items()}
            )

    def get(self, *_given: Any, **_more: Any) -> Instance:
        raise AssertionError("nothing of the Arc agent is asked for in this way")

    def invoke(self, *_given: Any, **_more: Any) -> Instance:
        raise AssertionError("nothing of the Arc agent is asked for in this way")

    def delete(self, namespace: str, class_name: str, selectors: Mapping[str, CimInput]) -> None:
        raise AssertionError("nothing of the Arc agent is asked for in this way")

    def shell(self) -> LabShell:
        return LabShell(self.server)

    def close(self) -> None:
        """Nothing is held."""


class LabShell:
    def __init__(self, server: LabServer) -> None:
        self.server = server

    def __enter__(self) -> LabShell:
        self.server.shells += 1
        return self

    def __exit__(self, *_exception: object) -> None:
        """Nothing is held."""

    def run(
        self,
        command: str,
        args: Sequence[str] = (),
        *,
        stdin: bytes | None = None,
        timeout: float = 60,
        max_output: int = 4194304,
    ) -> Answer:
        server = self.server
        line = " ".join((command, *(cmd_quote(argument) for argument in args)))
        assert command.lstrip()[:1] not in ('"', ""), "cmd strips quotes from a line that begins with one"
        assert len(line) <= 8100
        server.commands.append(line)
        if stdin is not None:
            server.inputs.append(stdin)
        if server.on_command:
            server.on_command(line)
        if server.machine.network != "open":
            raise Unreachable("web01: no answer", server="web01")
        process = server.machine.start_process(
            line,
            through_cmd=True,
            stdin_console=False,
            codepage=65001,
            user="Administrator",
            environment={},
            directory=None,
        )
        if stdin is not None:
            process.write_stdin(stdin, True)
        passed = 0.0
        while process.exit_code is None:
            if passed >= timeout:
                process.terminate()
                raise AnswerTimeout(f"web01: a command did not end within {timeout:.0f} s.", server="web01")
            server.wait(_TICK)
            passed += _TICK
        if server.after_command:
            server.after_command(line)
        output = process.read()
        streams = [b"".join(data for name, data in output if name == stream) for stream in ("stdout", "stderr")]
        return Answer(process.exit_code, *streams)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for one Windows server below the client: rows, registry methods, a shell with files, one task.

What it answers is written by hand from recorded Windows output; nothing here uses the collection's own writers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Fault, HotpatchError
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.traffic import Traffic
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import CimInput, Instance

FOLDER = r"C:\Program Files\winops.hotpatch"
STEP = re.compile(r"echo @([0-9a-f]+) (\w+)& (.*?) && echo @\1 ok\|\| echo @\1 failed(?:& |$)")


@dataclass
class Answer:
    exit_code: int
    stdout: bytes
    stderr: bytes = b""


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@dataclass
class FakeServer:
    """State that outlives clients."""

    rows: dict[str, list[dict[str, Any]] | HotpatchError] = field(default_factory=dict)
    outputs: dict[str, str | None] = field(default_factory=dict)  # command of a step -> its output; None: it fails
    files: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)  # below runs, newest first
    task_xml: str | None = None
    task_state: int = 3
    last_result: int = 0x41303
    calls: list[str] = field(default_factory=list)
    command_lines: list[str] = field(default_factory=list)
    clients: int = 0
    on_start: Callable[[FakeServer], None] | None = None
    on_look: Callable[[FakeServer], None] | None = None
    on_command: Callable[[FakeServer, str], Answer | None] | None = None
    invocations: Callable[[str, Mapping[str, CimInput]], dict[str, Any] | None] | None = None

    def connect(self) -> FakeClient:
        self.clients += 1
        return FakeClient(self)

    def document(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files[f"{FOLDER}\\runs\\{name}"])
        return found

    def put(self, name: str, document: object) -> None:
        self.files[f"{FOLDER}\\runs\\{name}"] = json.dumps(document)


class FakeClient:
    def __init__(self, server: FakeServer) -> None:
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
        name = wql.split(" FROM ")[1].split()[0]
        self.server.calls.append(f"enumerate {name}")
        found = self.server.rows.get(name, Fault("invalid class", code="0x80041010"))
        if isinstance(found, HotpatchError):
            raise found
        # Real servers answer one row first and the others by Pull.
        self.traffic.requests += 1 if len(found) > 1 else 0
        wanted = [part.strip() for part in wql.split("SELECT ")[1].split(" FROM ")[0].split(",")]
        for row in found:
            empty: dict[str, Any] = {key: [] for key in arrays}
            yield Instance({key: row.get(key, empty.get(key)) for key in wanted if key in row or key in empty})

    def get(
        self,
        namespace: str,
        class_name: str,
        selectors: Mapping[str, CimInput] | None = None,
        *,
        arrays: Collection[str] = (),
    ) -> Instance:
        assert (namespace, class_name) == ("root/Microsoft/Windows/TaskScheduler", "MSFT_ScheduledTask")
        assert selectors == {"TaskName": "hotpatch-update", "TaskPath": "\\winops\\"}
        self.server.calls.append("state")
        if self.server.on_look:
            self.server.on_look(self.server)
        if self.server.task_xml is None:
            raise Fault("Element not found.", code="0x80070490")
        return Instance({"State": str(self.server.task_state), "TaskName": "hotpatch-update"})

    def invoke(
        self,
        namespace: str,
        class_name: str,
        method: str,
        params: Mapping[str, CimInput] | None = None,
        *,
        selectors: Mapping[str, CimInput] | None = None,
        arrays: Collection[str] = (),
        repeatable: bool = False,
    ) -> Instance:
        params = params or {}
        self.server.calls.append(method)
        if self.server.invocations and (answer := self.server.invocations(method, params)) is not None:
            return Instance(answer)
        if method == "RegisterByXml":
            assert params["Force"] is True and params["TaskPath"] == "\\winops\\"
            self.server.task_xml = str(params["Xml"])
        elif method == "StartByPath":
            self.server.task_state = 4
            if self.server.on_start:
                self.server.on_start(self.server)
        elif method == "GetInfoByName":
            inner = Instance({"LastTaskResult": str(self.server.last_result), "LastRunTime": "2026-05-12T10:00:00Z"})
            return Instance({"ReturnValue": "0", "cmdletOutput": inner})
        return Instance({"ReturnValue": "0"})

    def delete(self, namespace: str, class_name: str, selectors: Mapping[str, CimInput]) -> None:
        self.server.calls.append("delete")
        if self.server.task_xml is None:
            raise Fault("Element not found.", code="0x80070490")
        self.server.task_xml = None

    def shell(self) -> FakeShell:
        return FakeShell(self)

    def close(self) -> None:
        self.server.calls.append("close")


class FakeShell:
    def __init__(self, client: FakeClient) -> None:
        self.client = client
        self.created = False
        self.made: list[str] = []

    def __enter__(self) -> FakeShell:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.created:
            self.client.traffic.requests += 1

    def run(
        self,
        command: str,
        args: Sequence[str] = (),
        *,
        stdin: bytes | None = None,
        timeout: float = 60,
        max_output: int = 4194304,
    ) -> Answer:
        self.client.traffic.requests += (2 if self.created else 3) + (stdin is not None)
        self.created = True
        server = self.client.server
        line = " ".join((command, *args))
        server.command_lines.append(line)
        if server.on_command and (answer := server.on_command(server, line)):
            return answer
        assert not STEP.sub("", line), f"not understood: {line}"
        output = ""
        for token, name, step in STEP.findall(line):
            text = self.step(step, stdin)
            ending = "" if not text or text.endswith("\r\n") else "\r\n" if not text.endswith("}") else ""
            output += f"@{token} {name}\r\n{text or ''}{ending}@{token} {'failed' if text is None else 'ok'}\r\n"
        return Answer(0, output.encode())

    def step(self, step: str, stdin: bytes | None) -> str | None:
        """What one step prints; None when it fails."""
        server = self.client.server
        if step in server.outputs:
            return server.outputs[step]
        quoted = re.findall(r'"([^"]*)"', step)
        if step.startswith("echo %"):
            return {"echo %ProgramFiles%": r"C:\Program Files", "echo %SystemRoot%": r"C:\WINDOWS"}[step] + "\r\n"
        if step.startswith("type "):
            return server.files.get(quoted[0])
        if step.startswith('findstr "^" > '):
            assert stdin is not None and stdin.endswith(b"\r\n")
            assert quoted[1] == quoted[2] == quoted[3] + ".tmp"
            server.files[quoted[3]] = stdin.decode("ascii")
            return ""
        if step.startswith("certutil -hashfile "):
            text = server.files.get(quoted[0])
            if text is None:
                return None
            digest = hashlib.sha256(text.encode()).hexdigest()
            ending = "CertUtil: -hashfile-Befehl wurde erfolgreich ausgeführt."
            return f"SHA256-Hash von {quoted[0]}:\r\n{digest}\r\n{ending}\r\n"
        if step.startswith("dir /b /ad /o-d "):
            return "\r\n".join(server.folders) + "\r\n" if server.folders else None
        if step.startswith("rmdir /s /q "):
            server.folders.remove(quoted[0].rpartition("\\")[2])
            return ""
        if step.startswith("mkdir "):
            made = quoted[0].rpartition("\\")[2]
            self.made.append(made)
            return None if made in server.folders else ""  # mkdir fails on a folder that is there
        if step.startswith("dir /b /ad "):
            return "\r\n".join([*server.folders, *self.made]) + "\r\n"
        if step.startswith("icacls "):
            return ""
        raise AssertionError(f"not understood: {step}")

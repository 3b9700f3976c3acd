# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulated server on a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._guest import update_script
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimValue
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import ManualTime, Timeline
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import Fleet, server_from
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.world import World

FOLDER = r"C:\Program Files\winops.hotpatch"
TASKS = "root/Microsoft/Windows/TaskScheduler"
START = datetime(2025, 12, 20, 12, 0, tzinfo=UTC)

_XML = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Principals><Principal id="A"><UserId>{user}</UserId></Principal></Principals>
  <Settings><MultipleInstancesPolicy>{policy}</MultipleInstancesPolicy><ExecutionTimeLimit>{limit}</ExecutionTimeLimit></Settings>
  <Actions Context="A"><Exec><Command>{command}</Command><Arguments>{arguments}</Arguments></Exec></Actions>
</Task>"""


def task_xml(
    command: str, arguments: str = "", *, user: str = "S-1-5-18", policy: str = "IgnoreNew", limit: str = "PT4H"
) -> str:
    return _XML.format(command=command, arguments=arguments, user=user, policy=policy, limit=limit)


@dataclass
class Ran:
    """What a command left."""

    code: int | None
    out: str
    err: str


class Rehearsal:
    """A world with one server called web01."""

    def __init__(self, *, as_of: date = date(2025, 12, 20), **keys: Any) -> None:
        self.time = ManualTime(START)
        spec = server_from({"name": "web01", "level": "KB5068966", **keys}, "test: web01")
        self.world = World(Fleet((spec,), as_of), Timeline(1.0, self.time), seed=1)
        self.machine: Machine = self.world.machines["web01"]
        self._operations = 0

    def wait(self, seconds: float, step: float = 1.0) -> Iterator[float]:
        """Second by second."""
        passed = 0.0
        while passed < seconds:
            self.time.move(step)
            self.world.advance()
            passed += step
            yield passed

    def let_pass(self, seconds: float) -> None:
        self.time.move(seconds)
        self.world.advance()

    def run(self, line: str, stdin: bytes = b"", *, seconds: int = 0, user: str = "Administrator") -> Ran:
        """Run a command line as a shell of WinRM does."""
        process = self.machine.start_process(
            line,
            through_cmd=True,
            stdin_console=False,
            codepage=65001,
            user=user,
            environment={},
            directory=None,
        )
        process.write_stdin(stdin, True)
        for _passed in self.wait(seconds):
            if process.exit_code is not None:
                break
        output = process.read()
        texts = [b"".join(data for name, data in output if name == stream).decode() for stream in ("stdout", "stderr")]
        return Ran(process.exit_code, texts[0], texts[1])

    def invoke(self, method: str, **given: str) -> dict[str, CimValue]:
        """A method of PS_ScheduledTask."""
        params: dict[str, list[Any]] = {name: [value] for name, value in given.items()}
        return self.machine.invoke(TASKS, "PS_ScheduledTask", method, params, {}, "Administrator")

    def place_script(self, content: bytes | None = None) -> None:
        self.machine.disk.make_folder(rf"{FOLDER}\runs\r1", self.machine.now())
        self.machine.disk.write(
            rf"{FOLDER}\{update_script.FILE_NAME}", content or update_script.as_bytes(), self.machine.now()
        )

    def start_operation(
        self, operation: str, updates: list[dict[str, Any]] | None = None, *, user: str = "S-1-5-18", **changes: Any
    ) -> None:
        """Register and start the task for one operation, as the collection does."""
        self._operations += 1
        self.place_script()
        request = {
            "contract": 1,
            "run_id": "r1",
            "nonce": f"nonce-{self._operations}",
            "operation": operation,
            "criteria": "IsInstalled=0 and IsHidden=0",
            "server_selection": 0,
            "service_id": None,
            "accept_eula": True,
            "history": None,
            "client_application_id": "winops.hotpatch",
            "updates": updates or [],
            **changes,
        }
        path = rf"{FOLDER}\runs\r1\{operation}.request.json"
        self.machine.disk.write(path, json.dumps(request).encode(), self.machine.now())
        arguments = (
            f'-NoProfile -NonInteractive -ExecutionPolicy Bypass -File "{FOLDER}\\{update_script.FILE_NAME}" '
            f'-RunFolder "{FOLDER}\\runs\\r1" -Operation {operation}'
        )
        xml = task_xml(r"%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe", arguments, user=user)
        self.invoke("RegisterByXml", Xml=xml, TaskName="hotpatch-update", TaskPath="\\winops\\", Force="true")
        self.invoke("StartByPath", TaskName="hotpatch-update", TaskPath="\\winops\\")

    def task_state(self) -> int:
        return self.machine.tasks.find("\\winops\\", "hotpatch-update").state

    def last_result(self) -> int:
        return self.machine.tasks.last_result(self.machine.tasks.find("\\winops\\", "hotpatch-update"))

    def operate(
        self, operation: str, updates: list[dict[str, Any]] | None = None, **changes: Any
    ) -> dict[str, Any] | None:
        """One operation to its end; its result file, None when there is none."""
        self.start_operation(operation, updates, **changes)
        for _passed in self.wait(6 * 3600, 5):
            if self.task_state() == 3:
                break
        return self.read_json(f"{operation}.result.json")

    def read_json(self, name: str) -> dict[str, Any] | None:
        node = self.machine.disk.find(rf"{FOLDER}\runs\r1\{name}")
        if node is None or node.content is None:
            return None
        document: dict[str, Any] = json.loads(node.content)
        return document

    def offered(self, kb: str) -> list[dict[str, Any]]:
        """The reference to one update, found by a search."""
        result = self.operate("search")
        assert result is not None
        return [
            {"update_id": update["update_id"], "revision": update["revision"]}
            for update in result["updates"]
            if update["kbs"] == [kb.removeprefix("KB")]
        ]

    def install(self, kb: str) -> dict[str, Any]:
        """Download and install one update."""
        chosen = self.offered(kb)
        self.operate("download", chosen)
        result = self.operate("install", chosen)
        assert result is not None
        return result

    def restart(self, seconds: float = 600) -> None:
        """A whole restart, with all that follows it."""
        assert self.run("shutdown /r /t 0").code == 0
        for _passed in self.wait(seconds):
            pass

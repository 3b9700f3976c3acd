# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task Scheduler: registered tasks, their runs over time, and what they leave as last result.

States and result codes: Microsoft Learn, Task Scheduler "Error and Success Constants". A run that is stopped, or
whose server goes down, leaves no result of its own: 0x41306, or the code of the run before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import task_xml
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arguments import split_arguments
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimFault
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Event
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError, normal
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import ProgramNotFound
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.known_scripts import KNOWN_SCRIPTS
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.principals import Principal
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Process
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_run import UpdateRun

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

DISABLED, QUEUED, READY, RUNNING = 1, 2, 3, 4

ELEMENT_NOT_FOUND = 0x80070490
ALREADY_EXISTS = 0x800700B7
NO_SUCH_ACCOUNT = 0x80070534
TASK_DISABLED = 0x80041326
HAS_NOT_RUN = 0x41303
IS_RUNNING = 0x41301
WAS_TERMINATED = 0x41306
IS_QUEUED = 0x41325
FILE_NOT_FOUND = 0x80070002

NEVER_RUN = datetime(1999, 11, 30, tzinfo=UTC)
START_SECONDS = 1.0


@dataclass
class Task:
    """One registered task."""

    path: str
    name: str
    definition: task_xml.TaskDefinition
    who: Principal
    registered: datetime
    enabled: bool = True
    last_run: datetime = NEVER_RUN
    last_result: int = HAS_NOT_RUN
    runs: list[TaskRun] = field(default_factory=list)
    queued: bool = False

    @property
    def state(self) -> int:
        """1 disabled, 2 queued, 3 ready, 4 running."""
        if self.runs:
            return RUNNING
        if self.queued:
            return QUEUED
        return READY if self.enabled else DISABLED

    @property
    def uri(self) -> str:
        """Path and name."""
        return f"{self.path}{self.name}"


@dataclass
class TaskRun:
    """One run of a task that has not ended."""

    started: datetime
    limit: Event | None = None
    process: Process | None = None
    script: UpdateRun | None = None


def failed(hresult: int, message: str) -> CimFault:
    """Task Scheduler's refusal."""
    kind = "element_not_found" if hresult == ELEMENT_NOT_FOUND else "provider_failure"
    return CimFault(kind, message, hresult)


def normal_path(path: str) -> str:
    """A folder of tasks: one backslash at each end; doubled ones (WMI's own form) count as one."""
    inner = re.sub(r"\\+", r"\\", path).strip("\\")
    return f"\\{inner}\\" if inner else "\\"


class TaskScheduler:
    """The tasks of one server."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._tasks: dict[tuple[str, str], Task] = {}

    def all(self) -> list[Task]:
        """All tasks, by path and name."""
        return [task for _key, task in sorted(self._tasks.items())]

    def find(self, path: str, name: str) -> Task:
        """A task.

        :raises CimFault: it does not exist.
        """
        task = self._tasks.get((normal_path(path).lower(), name.lower()))
        if task is None:
            raise failed(ELEMENT_NOT_FOUND, "Element not found. ")
        return task

    def register(self, xml: str, path: str, name: str, user: str | None, *, force: bool, by: str) -> Task:
        """Register a task from its XML.

        :raises CimFault: the XML, the account or the name is refused.
        """
        if not name or re.search(r'[\\/:*?"<>|]', name):
            raise failed(0x8007007B, "The filename, directory name, or volume label syntax is incorrect. ")
        try:
            definition = task_xml.parse(xml)
        except task_xml.TaskXmlError as error:
            raise failed(error.hresult, error.message) from error
        principal = definition.principal
        if user is not None:
            principal.user = user
        account = principal.user or principal.group
        who = self._machine.principal(account) if account else self._machine.principal(by)
        if who is None:
            raise failed(NO_SUCH_ACCOUNT, "No mapping between account names and security IDs was done. ")
        key = (normal_path(path).lower(), name.lower())
        old = self._tasks.get(key)
        if old is not None and not force:
            raise failed(ALREADY_EXISTS, "Cannot create a file when that file already exists. ")
        task = Task(normal_path(path), name, definition, who, self._machine.now())
        task.enabled = definition.flags.get("Enabled", True)
        if old is not None:
            task.runs = old.runs
        self._tasks[key] = task
        self._machine.wrote("task", f"register {task.uri}", by)
        return task

    def unregister(self, path: str, name: str, by: str) -> None:
        """Delete a task; a run of it goes on."""
        task = self.find(path, name)
        del self._tasks[task.path.lower(), task.name.lower()]
        self._machine.wrote("task", f"delete {task.uri}", by)

    def enable(self, path: str, name: str, *, enabled: bool, by: str) -> Task:
        """Enable or disable a task."""
        task = self.find(path, name)
        task.enabled = enabled
        self._machine.wrote("task", f"{'enable' if enabled else 'disable'} {task.uri}", by)
        return task

    def start(self, path: str, name: str, by: str) -> None:
        """Start a task; with IgnoreNew a second start does nothing while it runs."""
        task = self.find(path, name)
        if not task.enabled:
            raise failed(TASK_DISABLED, "The task is disabled. ")
        if not task.definition.flags.get("AllowStartOnDemand", True):
            raise failed(0x80041328, "The task does not allow to be started on demand. ")
        self._machine.wrote("task", f"start {task.uri}", by)
        if task.runs or task.queued:
            if task.definition.policy in {"IgnoreNew", "Queue"}:
                return
            if task.definition.policy == "StopExisting":
                self._end_runs(task, WAS_TERMINATED)
        task.queued = True
        boot = self._machine.power.boots
        self._machine.timeline.after(START_SECONDS, lambda: self._begin(task, boot))

    def stop(self, path: str, name: str, by: str) -> None:
        """Stop the runs of a task."""
        task = self.find(path, name)
        self._machine.wrote("task", f"stop {task.uri}", by)
        task.queued = False
        self._end_runs(task, WAS_TERMINATED)

    def end_all(self) -> None:
        """The server goes down: nothing runs any more."""
        for task in self._tasks.values():
            task.queued = False
            self._end_runs(task, WAS_TERMINATED)

    def last_result(self, task: Task) -> int:
        """LastTaskResult as it shows now."""
        if task.queued:
            return IS_QUEUED
        return IS_RUNNING if task.runs else task.last_result

    def _begin(self, task: Task, boot: int) -> None:
        if not task.queued or self._machine.power.boots != boot:
            return
        task.queued = False
        task.last_run = self._machine.now()
        run = TaskRun(self._machine.now())
        task.runs.append(run)
        if task.definition.time_limit > 0:
            run.limit = self._machine.timeline.after(
                task.definition.time_limit, lambda: self._end_runs(task, WAS_TERMINATED, only=run)
            )
        self._next_action(task, run, 0)

    def _next_action(self, task: Task, run: TaskRun, number: int) -> None:
        action = task.definition.actions[number]

        def ended(code: int) -> None:
            if run not in task.runs:
                return
            task.last_result = code
            if number + 1 < len(task.definition.actions):
                self._next_action(task, run, number + 1)
            else:
                self._finished(task, run)

        command = self._machine.expand(action.command)
        program = command.strip('"').rsplit("\\", 1)[-1].lower().removesuffix(".exe")
        arguments = self._machine.expand(action.arguments)
        words = split_arguments(arguments)
        if program == "powershell" and "-file" in [word.lower() for word in words]:
            self._start_script(task, run, words, ended)
            return
        quoted = command if command.startswith('"') or " " not in command else f'"{command}"'
        try:
            process = self._machine.launch(
                f"{quoted} {arguments}".strip(), task.who, directory=action.directory, on_exit=ended
            )
        except ProgramNotFound:
            ended(FILE_NOT_FOUND)
            return
        run.process = process

    def _start_script(self, task: Task, run: TaskRun, words: list[str], done: Callable[[int], None]) -> None:
        machine = self._machine
        lower = [word.lower() for word in words]
        path = _after(words, lower, "-file")
        folder = _after(words, lower, "-runfolder")
        operation = _after(words, lower, "-operation")
        try:
            full = normal(path or "")
            content = machine.disk.read(full, task.who)
            run_folder = normal(folder) if folder else ""
        except DiskError:
            # powershell.exe -File with a file that is not there ends with -196608.
            machine.timeline.after(START_SECONDS, lambda: done(0xFFFD0000))
            return
        digest = hashlib.sha256(content).hexdigest()
        if digest not in KNOWN_SCRIPTS:
            machine.journal.refused_scripts.append(
                {"time": machine.now().isoformat(), "path": full, "sha256": digest, "task": task.uri}
            )
            machine.timeline.after(START_SECONDS, lambda: done(2))
            return
        if not run_folder or not operation:
            machine.timeline.after(START_SECONDS, lambda: done(1))  # a mandatory parameter is missing
            return
        script = UpdateRun(machine, full.rsplit("\\", 1)[0], run_folder, operation, task.who, done)
        run.script = script
        script.start()

    def _finished(self, task: Task, run: TaskRun) -> None:
        if run.limit is not None:
            run.limit.cancel()
        if run in task.runs:
            task.runs.remove(run)

    def _end_runs(self, task: Task, result: int, only: TaskRun | None = None) -> None:
        for run in [item for item in task.runs if only is None or item is only]:
            task.runs.remove(run)
            if run.limit is not None:
                run.limit.cancel()
            if run.script is not None:
                run.script.stop()
            if run.process is not None:
                run.process.terminate()
            task.last_result = result


def _after(words: list[str], lower: list[str], option: str) -> str | None:
    if option not in lower:
        return None
    place = lower.index(option) + 1
    return words[place] if place < len(words) else None

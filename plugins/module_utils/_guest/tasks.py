# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The scheduled task on a server, by CIM: register, start, look, delete.

Classes and methods as the ScheduledTasks cmdlets use them (root/Microsoft/Windows/TaskScheduler: PS_ScheduledTask,
MSFT_ScheduledTask; schema read from Server 2019). Settings: Microsoft Learn, Task Scheduler schema. The task is named
after the product and runs a plain script from a protected folder, so that a security team finds what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, Fault, HotpatchError
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import Instance, as_int, as_str, find

NAMESPACE = "root/Microsoft/Windows/TaskScheduler"
TASK_PATH = "\\winops\\"
TASK_NAME = "hotpatch-update"

#: MSFT_ScheduledTask.State.
DISABLED, QUEUED, READY, RUNNING = 1, 2, 3, 4
UNDER_WAY = (QUEUED, RUNNING)

#: LastTaskResult before the first run, while running, after a stop or at the time limit, while queued.
NEVER_RUN, STILL_RUNNING, TERMINATED, STILL_QUEUED = 0x41303, 0x41301, 0x41306, 0x41325

#: The service may not find a task that it has just registered; the same call a moment later works (seen on a server).
_MOMENT = 1.0

#: Element not found, WMI instance not found, resource not found.
_ABSENT = ("0x80070490", "0x80041002", "0x80338000")

_XML = """<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Author>winops.hotpatch</Author>
    <Description>{description}</Description>
  </RegistrationInfo>
  <Principals>
    <Principal id="System">
      <UserId>S-1-5-18</UserId>
      <RunLevel>HighestAvailable</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>false</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>false</WakeToRun>
    <ExecutionTimeLimit>{limit}</ExecutionTimeLimit>
    <Priority>4</Priority>
  </Settings>
  <Actions Context="System">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>"""


@dataclass(frozen=True)
class TaskInfo:
    """What the service remembers of the last run; ``last_result`` is an exit code or one of its own 0x413.. codes."""

    last_result: int | None
    last_run: str | None


def task_xml(command: str, arguments: str, *, limit: str = "PT4H") -> str:
    """The definition of a task that runs one program as SYSTEM when it is started, and never by itself."""
    return _XML.format(
        description="Windows Update work of the Ansible collection winops.hotpatch. Only the controller starts it.",
        limit=escape(limit),
        command=escape(command),
        arguments=escape(arguments),
    )


class GuestTask:
    """The one task of this collection on one server."""

    def __init__(
        self,
        client: ClientPort,
        server: str,
        *,
        sleep: Callable[[float], None],
        path: str = TASK_PATH,
        name: str = TASK_NAME,
    ) -> None:
        self._client = client
        self._server = server
        self._sleep = sleep
        self._path = path
        self._name = name

    def register(self, xml: str) -> None:
        """Create or replace the task.

        :raises OutcomeUnknown: it may have been registered; registering again does no harm.
        """
        self._call(
            "RegisterByXml", {"Xml": xml, "TaskName": self._name, "TaskPath": self._path, "Force": True}, "registered"
        )

    def start(self) -> None:
        """Start it. While an instance runs, the service ignores this (IgnoreNew).

        :raises OutcomeUnknown: it may have been started.
        """
        try:
            self._start()
        except Fault as fault:
            if not is_absent(fault):
                raise
            self._sleep(_MOMENT)
            self._start()

    def _start(self) -> None:
        self._call("StartByPath", {"TaskPath": self._path, "TaskName": self._name}, "started")

    def state(self, *, after_change: bool = False) -> int | None:
        """0 unknown, 1 disabled, 2 queued, 3 ready, 4 running; None when there is no such task.

        :param after_change: the task must be there, so its absence is looked at twice.
        """
        state = self._state()
        if state is None and after_change:
            self._sleep(_MOMENT)
            state = self._state()
        return state

    def _state(self) -> int | None:
        try:
            row = self._client.get(NAMESPACE, "MSFT_ScheduledTask", {"TaskName": self._name, "TaskPath": self._path})
        except Fault as fault:
            if not is_absent(fault):
                raise
            return None
        state = as_int(row, "State")
        if state is None:
            raise BadAnswer(
                f"{self._server}: the scheduled task {self._path}{self._name} has no state.", server=self._server
            )
        return state

    def info(self) -> TaskInfo | None:
        """The last run; None when there is no such task."""
        try:
            answer = self._client.invoke(
                NAMESPACE,
                "PS_ScheduledTask",
                "GetInfoByName",
                {"TaskName": self._name, "TaskPath": self._path},
                repeatable=True,
            )
        except Fault as fault:
            if not is_absent(fault):
                raise
            return None
        inner = find(answer, "cmdletOutput")
        row = inner if isinstance(inner, Instance) else answer
        return TaskInfo(as_int(row, "LastTaskResult"), as_str(row, "LastRunTime"))

    def delete(self) -> None:
        """Remove the task; a running instance goes on. That it is not there is fine."""
        try:
            self._client.delete(NAMESPACE, "MSFT_ScheduledTask", {"TaskName": self._name, "TaskPath": self._path})
        except Fault as fault:
            if not is_absent(fault):
                raise

    def _call(self, method: str, params: dict[str, str | int | bool], what: str) -> None:
        answer = self._client.invoke(NAMESPACE, "PS_ScheduledTask", method, params)
        code = as_int(answer, "ReturnValue")
        if code not in (0, None):
            text = f"0x{(code or 0) % 2**32:08X}"
            raise HotpatchError(
                f"{self._server}: the task {self._path}{self._name} could not be {what}: Windows answered {text}.",
                code=text,
                hint="The account must be an administrator of the server, and the Task Scheduler service must run.",
                server=self._server,
            )


def is_absent(fault: Fault) -> bool:
    """Whether a fault says that the thing asked for does not exist."""
    codes = getattr(fault, "codes", ())
    return fault.code in _ABSENT or any(f"0x{code:08X}".lower() in _ABSENT for code in codes)

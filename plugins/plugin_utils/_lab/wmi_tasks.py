# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheduled tasks as CIM classes: MSFT_ScheduledTask and the methods of PS_ScheduledTask.

Methods, parameters and properties: microsoft/wmi (schema of a Server 2019). All methods answer ReturnValue 0 and one
out parameter ``cmdletOutput``; there is no method to unregister, the instance is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import (
    CimFault,
    CimInstance,
    CimValue,
    returned,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.task_xml import ExecAction
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.tasks import Task
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi import (
    Call,
    CimClass,
    Method,
    Repository,
    Row,
    make_instance,
)

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

NAMESPACE = "root/Microsoft/Windows/TaskScheduler"

_TASK = {
    "Actions": "instance[]",
    "Author": "string",
    "Date": "string",
    "Description": "string",
    "Documentation": "string",
    "Principal": "instance",
    "SecurityDescriptor": "string",
    "Settings": "instance",
    "Source": "string",
    "State": "uint8",
    "TaskName": "string",
    "TaskPath": "string",
    "Triggers": "instance[]",
    "URI": "string",
    "Version": "string",
}
_ACTION = {"Id": "string", "Arguments": "string", "Execute": "string", "WorkingDirectory": "string"}
_PRINCIPAL = {
    "DisplayName": "string",
    "GroupId": "string",
    "Id": "string",
    "LogonType": "uint8",
    "ProcessTokenSidType": "uint8",
    "RequiredPrivilege": "string[]",
    "RunLevel": "uint8",
    "UserId": "string",
}
_SETTINGS = {
    "AllowDemandStart": "boolean",
    "AllowHardTerminate": "boolean",
    "Compatibility": "uint8",
    "DeleteExpiredTaskAfter": "string",
    "DisallowStartIfOnBatteries": "boolean",
    "Enabled": "boolean",
    "ExecutionTimeLimit": "string",
    "Hidden": "boolean",
    "MultipleInstances": "uint8",
    "Priority": "uint8",
    "RestartCount": "uint8",
    "RestartInterval": "string",
    "RunOnlyIfIdle": "boolean",
    "RunOnlyIfNetworkAvailable": "boolean",
    "StartWhenAvailable": "boolean",
    "StopIfGoingOnBatteries": "boolean",
    "WakeToRun": "boolean",
}
_INFORMATION = {
    "LastRunTime": "datetime",
    "LastTaskResult": "uint32",
    "NextRunTime": "datetime",
    "NumberOfMissedRuns": "uint32",
    "TaskName": "string",
    "TaskPath": "string",
}
_INSTANCES = {"Parallel": 0, "Queue": 1, "IgnoreNew": 2, "StopExisting": 3}

_BY_NAME = ("TaskName", "TaskPath")


def add_classes(repository: Repository, machine: Machine) -> None:
    """Put both classes into the repository."""
    tasks = _Tasks(machine)
    repository.add(
        CimClass(NAMESPACE, "MSFT_ScheduledTask", _TASK, ("TaskName", "TaskPath"), (), tasks.rows, delete=tasks.delete)
    )
    methods = {
        "RegisterByXml": Method(("Xml", "TaskName", "TaskPath", "User", "Password", "Force"), tasks.register),
        "StartByPath": Method(_BY_NAME, tasks.start),
        "StopByPath": Method(_BY_NAME, tasks.stop),
        "GetInfoByName": Method(_BY_NAME, tasks.information),
        "ExportByName": Method(_BY_NAME, tasks.export),
        "EnableByName": Method(_BY_NAME, lambda call: tasks.enable(call, enabled=True)),
        "DisableByName": Method(_BY_NAME, lambda call: tasks.enable(call, enabled=False)),
    }
    for name in ("RegisterByObject", "RegisterByUser", "RegisterByPrincipal"):
        methods[name] = Method(_LEFT_OUT, not_played(name))
    repository.add(CimClass(NAMESPACE, "PS_ScheduledTask", {}, methods=methods))


_LEFT_OUT = (
    "InputObject",
    "Action",
    "Trigger",
    "Settings",
    "Principal",
    "User",
    "Password",
    "RunLevel",
    "Description",
    "TaskName",
    "TaskPath",
    "Force",
)


def not_played(name: str) -> Callable[[Call], dict[str, CimValue]]:
    """A method that the lab has by name only."""

    def refuse(_call: Call) -> dict[str, CimValue]:
        raise CimFault("provider_failure", f"This lab does not simulate {name}; it registers tasks by RegisterByXml.")

    return refuse


class _Tasks:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def rows(self) -> Sequence[Row]:
        return [task_row(task) for task in self._machine.tasks.all()]

    def delete(self, instance: CimInstance, user: str) -> None:
        self._machine.tasks.unregister(str(instance.value("TaskPath")), str(instance.value("TaskName")), user)

    def register(self, call: Call) -> dict[str, CimValue]:
        given = call.parameters
        task = self._machine.tasks.register(
            given.needed("Xml"),
            given.text("TaskPath") or "\\",
            given.needed("TaskName"),
            given.text("User"),
            force=given.flag("Force") or False,
            by=call.user,
        )
        return returned(0, cmdletOutput=CimValue("instance", task_instance(task)))

    def start(self, call: Call) -> dict[str, CimValue]:
        self._machine.tasks.start(*_named(call), call.user)
        return returned(0)

    def stop(self, call: Call) -> dict[str, CimValue]:
        self._machine.tasks.stop(*_named(call), call.user)
        return returned(0)

    def information(self, call: Call) -> dict[str, CimValue]:
        task = self._machine.tasks.find(*_named(call))
        row: Row = {
            "LastRunTime": task.last_run,
            "LastTaskResult": self._machine.tasks.last_result(task),
            "NumberOfMissedRuns": 0,
            "TaskName": task.name,
            "TaskPath": task.path,
        }
        keys = ("TaskName", "TaskPath")
        instance = make_instance(NAMESPACE, "MSFT_TaskDynamicInfo", _INFORMATION, row, keys)
        return returned(0, cmdletOutput=CimValue("instance", instance))

    def export(self, call: Call) -> dict[str, CimValue]:
        task = self._machine.tasks.find(*_named(call))
        return returned(0, cmdletOutput=CimValue("string", task.definition.xml))

    def enable(self, call: Call, *, enabled: bool) -> dict[str, CimValue]:
        task = self._machine.tasks.enable(*_named(call), enabled=enabled, by=call.user)
        return returned(0, cmdletOutput=CimValue("instance", task_instance(task)))


def _named(call: Call) -> tuple[str, str]:
    return call.parameters.text("TaskPath") or "\\", call.parameters.needed("TaskName")


def task_instance(task: Task) -> CimInstance:
    """A task as an instance of its own, inside an answer."""
    return make_instance(NAMESPACE, "MSFT_ScheduledTask", _TASK, task_row(task), ("TaskName", "TaskPath"))


def task_row(task: Task) -> Row:
    """The properties of a task."""
    definition = task.definition
    principal = definition.principal
    flags = definition.flags
    settings: Row = {
        "AllowDemandStart": flags.get("AllowStartOnDemand"),
        "AllowHardTerminate": flags.get("AllowHardTerminate"),
        "Compatibility": 2,
        "DisallowStartIfOnBatteries": flags.get("DisallowStartIfOnBatteries"),
        "Enabled": task.enabled,
        "ExecutionTimeLimit": definition.time_limit_text,
        "Hidden": flags.get("Hidden"),
        "MultipleInstances": _INSTANCES[definition.policy],
        "Priority": definition.priority,
        "RestartCount": 0,
        "RunOnlyIfIdle": flags.get("RunOnlyIfIdle"),
        "RunOnlyIfNetworkAvailable": flags.get("RunOnlyIfNetworkAvailable"),
        "StartWhenAvailable": flags.get("StartWhenAvailable"),
        "StopIfGoingOnBatteries": flags.get("StopIfGoingOnBatteries"),
        "WakeToRun": flags.get("WakeToRun"),
    }
    who: Row = {
        "GroupId": principal.group,
        "Id": principal.identifier,
        "LogonType": 5 if task.who.sid == "S-1-5-18" else principal.logon_type,
        "ProcessTokenSidType": 2,
        "RunLevel": 1 if principal.highest else 0,
        "UserId": "SYSTEM" if task.who.sid == "S-1-5-18" else principal.user,
    }
    return {
        "Actions": [_action(item) for item in definition.actions],
        "Author": definition.author,
        "Date": definition.date,
        "Description": definition.description,
        "Principal": make_instance(NAMESPACE, "MSFT_TaskPrincipal2", _PRINCIPAL, who),
        "Settings": make_instance(NAMESPACE, "MSFT_TaskSettings3", _SETTINGS, settings),
        "State": task.state,
        "TaskName": task.name,
        "TaskPath": task.path,
        "Triggers": [],
        "URI": task.uri,
    }


def _action(action: ExecAction) -> CimInstance:
    row: Row = {"Arguments": action.arguments, "Execute": action.command, "WorkingDirectory": action.directory}
    return make_instance(NAMESPACE, "MSFT_TaskExecAction", _ACTION, row)

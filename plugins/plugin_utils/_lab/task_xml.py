# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task definitions: the XML of Task Scheduler, read with care and kept.

Element names and defaults: Microsoft Learn, Task Scheduler schema. The XML comes from anybody who may register a
task, so document types and entities are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.parsers import expat

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
MAX_LENGTH = 200_000

MALFORMED = 0x8004131A
MISSING_NODE = 0x80041319
INVALID_VALUE = 0x80041318
UNEXPECTED_NODE = 0x80041316
WRONG_NAMESPACE = 0x80041317

_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?", re.ASCII
)

_SETTINGS = {
    "AllowStartOnDemand",
    "RestartOnFailure",
    "MultipleInstancesPolicy",
    "DisallowStartIfOnBatteries",
    "StopIfGoingOnBatteries",
    "AllowHardTerminate",
    "StartWhenAvailable",
    "NetworkProfileName",
    "RunOnlyIfNetworkAvailable",
    "WakeToRun",
    "Enabled",
    "Hidden",
    "DeleteExpiredTaskAfter",
    "IdleSettings",
    "NetworkSettings",
    "ExecutionTimeLimit",
    "Priority",
    "RunOnlyIfIdle",
    "UseUnifiedSchedulingEngine",
    "DisallowStartOnRemoteAppSession",
    "MaintenanceSettings",
    "Volatile",
}

_BOOLEANS = {
    "AllowStartOnDemand": True,
    "DisallowStartIfOnBatteries": True,
    "StopIfGoingOnBatteries": True,
    "AllowHardTerminate": True,
    "StartWhenAvailable": False,
    "RunOnlyIfNetworkAvailable": False,
    "WakeToRun": False,
    "Enabled": True,
    "Hidden": False,
    "RunOnlyIfIdle": False,
}

POLICIES = ("Parallel", "Queue", "IgnoreNew", "StopExisting")
LOGON_TYPES = {"Password": 1, "S4U": 2, "InteractiveToken": 3, "InteractiveTokenOrPassword": 6}


class TaskXmlError(Exception):
    """The definition is refused; ``hresult`` is Task Scheduler's."""

    def __init__(self, hresult: int, message: str) -> None:
        super().__init__(message)
        self.hresult = hresult
        self.message = message


@dataclass
class TaskPrincipal:
    """Who a task runs as."""

    identifier: str = "Author"
    user: str | None = None
    group: str | None = None
    logon_type: int = 0
    highest: bool = False


@dataclass
class ExecAction:
    """A program that a task starts."""

    command: str
    arguments: str = ""
    directory: str | None = None


@dataclass
class TaskDefinition:
    """A task as registered; times in seconds, 0 for "no limit"."""

    xml: str
    principal: TaskPrincipal
    actions: list[ExecAction]
    author: str | None = None
    description: str | None = None
    date: str | None = None
    triggers: int = 0
    flags: dict[str, bool] = field(default_factory=dict)
    policy: str = "IgnoreNew"
    time_limit: float = 72 * 3600.0
    time_limit_text: str = "PT72H"
    priority: int = 7


def parse(text: str) -> TaskDefinition:
    """Read a definition.

    :raises TaskXmlError: it is no XML, holds a document type, or breaks the schema.
    """
    root = _parse_xml(text)
    if root.tag != f"{{{NAMESPACE}}}Task":
        raise TaskXmlError(
            WRONG_NAMESPACE, "The task XML contains an element or attribute from an unexpected namespace."
        )
    parts: dict[str, ElementTree.Element] = {}
    for child in root:
        name = _local(child)
        if name not in {"RegistrationInfo", "Triggers", "Principals", "Settings", "Actions", "Data"}:
            raise TaskXmlError(UNEXPECTED_NODE, f"The task XML contains an unexpected node: {name}.")
        parts[name] = child
    if "Actions" not in parts:
        raise TaskXmlError(MISSING_NODE, "The task XML is missing a required element or attribute: Actions.")
    principal = _principal(parts.get("Principals"))
    actions = _actions(parts["Actions"], principal)
    definition = TaskDefinition(text, principal, actions)
    information = parts.get("RegistrationInfo")
    if information is not None:
        definition.author = _text(information, "Author")
        definition.description = _text(information, "Description")
        definition.date = _text(information, "Date")
    definition.triggers = len(parts["Triggers"]) if "Triggers" in parts else 0
    definition.flags = dict(_BOOLEANS)
    if "Settings" in parts:
        _settings(parts["Settings"], definition)
    return definition


def _parse_xml(text: str) -> ElementTree.Element:
    plain = text.lstrip("\ufeff").strip()
    if len(plain) > MAX_LENGTH:
        raise TaskXmlError(MALFORMED, "The task XML is too long.")
    plain = re.sub(r"^<\?xml[^>]*\?>", "", plain)  # it came as text: the encoding it declares no longer holds
    if "<!DOCTYPE" in plain.upper() or "<!ENTITY" in plain.upper():
        raise TaskXmlError(MALFORMED, "The task XML is malformed.")
    parser = expat.ParserCreate()
    try:
        parser.Parse(plain, True)
        return ElementTree.fromstring(plain)  # noqa: S314  document types and entities are refused above
    except (expat.ExpatError, ElementTree.ParseError, ValueError) as error:
        raise TaskXmlError(MALFORMED, "The task XML is malformed.") from error


def _principal(node: ElementTree.Element | None) -> TaskPrincipal:
    found = TaskPrincipal()
    if node is None:
        return found
    principals = [child for child in node if _local(child) == "Principal"]
    if len(principals) != 1 or len(principals) != len(node):
        raise TaskXmlError(UNEXPECTED_NODE, "The task XML must hold one principal.")
    chosen = principals[0]
    found.identifier = chosen.get("id", "Author")
    for child in chosen:
        name, value = _local(child), (child.text or "").strip()
        if name == "UserId":
            found.user = value
        elif name == "GroupId":
            found.group = value
        elif name == "LogonType":
            if value not in LOGON_TYPES:
                raise TaskXmlError(INVALID_VALUE, f"LogonType cannot be {value!r}.")
            found.logon_type = LOGON_TYPES[value]
        elif name == "RunLevel":
            if value not in {"LeastPrivilege", "HighestAvailable"}:
                raise TaskXmlError(INVALID_VALUE, f"RunLevel cannot be {value!r}.")
            found.highest = value == "HighestAvailable"
        elif name not in {"DisplayName", "ProcessTokenSidType", "RequiredPrivileges"}:
            raise TaskXmlError(UNEXPECTED_NODE, f"The task XML contains an unexpected node: {name}.")
    if found.user is not None and found.group is not None:
        raise TaskXmlError(INVALID_VALUE, "A principal has a user or a group, not both.")
    return found


def _actions(node: ElementTree.Element, principal: TaskPrincipal) -> list[ExecAction]:
    context = node.get("Context")
    if context is not None and context != principal.identifier:
        raise TaskXmlError(INVALID_VALUE, f"The actions name the principal {context!r}, which does not exist.")
    found: list[ExecAction] = []
    for child in node:
        if _local(child) != "Exec":
            raise TaskXmlError(UNEXPECTED_NODE, f"The lab only plays Exec actions, not {_local(child)}.")
        command = _text(child, "Command")
        if not command:
            raise TaskXmlError(MISSING_NODE, "The task XML is missing a required element or attribute: Command.")
        found.append(ExecAction(command, _text(child, "Arguments") or "", _text(child, "WorkingDirectory")))
    if not found:
        raise TaskXmlError(MISSING_NODE, "The task XML is missing a required element or attribute: Exec.")
    return found


def _settings(node: ElementTree.Element, definition: TaskDefinition) -> None:
    for child in node:
        name, value = _local(child), (child.text or "").strip()
        if name not in _SETTINGS:
            raise TaskXmlError(UNEXPECTED_NODE, f"The task XML contains an unexpected node: {name}.")
        if name in _BOOLEANS:
            if value not in {"true", "false", "1", "0"}:
                raise TaskXmlError(INVALID_VALUE, f"{name} cannot be {value!r}.")
            definition.flags[name] = value in {"true", "1"}
        elif name == "MultipleInstancesPolicy":
            if value not in POLICIES:
                raise TaskXmlError(INVALID_VALUE, f"{name} cannot be {value!r}.")
            definition.policy = value
        elif name == "ExecutionTimeLimit":
            definition.time_limit, definition.time_limit_text = duration(value), value
        elif name == "Priority":
            if not re.fullmatch(r"\d|10", value):
                raise TaskXmlError(INVALID_VALUE, f"{name} cannot be {value!r}.")
            definition.priority = int(value)


def duration(text: str) -> float:
    """Seconds of an XML duration such as PT4H.

    :raises TaskXmlError: it is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None or text in {"P", "PT"} or text.endswith("T"):
        raise TaskXmlError(INVALID_VALUE, f"{text!r} is no duration.")
    days, hours, minutes, seconds = (int(match.group(name) or 0) for name in ("days", "hours", "minutes", "seconds"))
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _local(node: ElementTree.Element) -> str:
    if not node.tag.startswith(f"{{{NAMESPACE}}}"):
        raise TaskXmlError(
            WRONG_NAMESPACE, "The task XML contains an element or attribute from an unexpected namespace."
        )
    return node.tag.rsplit("}", 1)[-1]


def _text(node: ElementTree.Element, name: str) -> str | None:
    child = node.find(f"{{{NAMESPACE}}}{name}")
    return None if child is None else (child.text or "").strip()

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is a list of answers, written by hand after recordings of Windows; nothing of ours makes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.client import WsmanClient
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.problems import ExchangeError
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.traffic import Traffic
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.wire import Reply, Wire

NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "id": "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "cim": "http://schemas.dmtf.org/wbem/wscim/1/common",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}


@dataclass
class Answer:
    """One planned answer: the inside of the Body, or a whole text with ``raw``, or a problem instead."""

    body: str = ""
    status: int = 200
    relates: str | None = "same"
    raw: str | None = None
    problem: ExchangeError | None = None

    def reply(self, request: str) -> Reply:
        if self.problem is not None:
            raise self.problem
        if self.raw is not None:
            return Reply(self.status, self.raw.encode())
        found = re.search(r"MessageID>([^<]*)<", request)
        asked = found[1] if found else None
        relates = asked if self.relates == "same" else self.relates
        header = "<p:ActivityId s:mustUnderstand='false'>1FE2C4B2-0001-0000-0000-000000000000</p:ActivityId>"
        if relates is not None:
            header += f"<a:RelatesTo>{relates}</a:RelatesTo>"
        spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
        inside = f"<s:Header>{header}</s:Header><s:Body>{self.body}</s:Body>"
        text = f'<s:Envelope xml:lang="en-US" {spaces}>{inside}</s:Envelope>'
        return Reply(self.status, text.encode())


@dataclass
class ScriptedServer:
    """Answers in order, over however many logins; keeps what it was asked."""

    answers: Sequence[Answer]
    sealed: bool = False
    requests: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    now: float = 1000.0
    each_takes: float = 0.0
    slept: list[float] = field(default_factory=list)
    given_seconds: list[float] = field(default_factory=list)
    refuse: dict[str, ExchangeError] = field(default_factory=dict)

    def client(self, **settings: object) -> WsmanClient:
        return WsmanClient(make_settings(**settings), sleep=self.sleep, monotonic=self.clock, make_wire=self.make_wire)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def make_wire(self, settings: Settings, transport: str, traffic: Traffic, monotonic: Callable[[], float]) -> Wire:
        self.logins.append(transport)
        return ScriptedWire(self, self.refuse.get(transport))

    def next(self, text: str) -> Reply:
        parsed(text)  # whatever we send must be XML to others too
        position = len(self.requests)
        self.requests.append(text)
        self.now += self.each_takes
        assert position < len(self.answers), f"an unexpected request: {text}"
        return self.answers[position].reply(text)

    def root(self, position: int) -> ElementTree.Element:
        return parsed(self.requests[position])

    def find(self, position: int, path: str) -> ElementTree.Element:
        found = self.root(position).find(path, NAMESPACES)
        assert found is not None, f"no {path} in {self.requests[position]}"
        return found

    def text(self, position: int, path: str) -> str | None:
        return self.find(position, path).text

    def actions(self) -> list[str]:
        """The last word of each request's Action, in order."""
        return [(self.text(number, ".//a:Action") or "").rpartition("/")[2] for number in range(len(self.requests))]


class ScriptedWire(Wire):
    """In the place of a login over HTTP."""

    def __init__(self, server: ScriptedServer, refusal: ExchangeError | None) -> None:
        self.answered = False
        self.last_used = server.now
        self._server = server
        self._refusal = refusal

    @property
    def sealed(self) -> bool:
        return self._server.sealed

    def send(self, text: str, seconds: float) -> Reply:
        if self._refusal is not None:
            raise self._refusal
        self._server.given_seconds.append(seconds)
        reply = self._server.next(text)
        self.answered = True
        self.last_used = self._server.now
        return reply

    def close(self) -> None:
        return None


def parsed(text: str) -> ElementTree.Element:
    """What we wrote, read by the standard library."""
    return ElementTree.fromstring(text)


def make_settings(**changed: object) -> Settings:
    known: dict[str, object] = {
        "name": "web01",
        "address": "192.0.2.7",
        "username": "admin",
        "password": "correct horse",
        "transports": ("ntlm",),
    }
    return Settings(**{**known, **changed})  # type: ignore[arg-type]


def fault(
    inside: str, *, subcode: str = "w:InternalError", code: str = "s:Receiver", reason: str = "It failed. "
) -> str:
    """A SOAP fault as Windows lays it out, around the given Detail."""
    return (
        f"<s:Fault><s:Code><s:Value>{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{reason}</s:Text></s:Reason><s:Detail>{inside}</s:Detail></s:Fault>'
    )


def wsman_fault(number: int, message: str = "It failed.", **more: str) -> str:
    """Family one."""
    return fault(
        f'<f:WSManFault Code="{number}" Machine="192.0.2.7"><f:Message>{message}</f:Message></f:WSManFault>', **more
    )


def timed_out() -> Answer:
    """What an operation past its OperationTimeout gets; the text ends in two blanks, as recorded."""
    return Answer(
        wsman_fault(
            2150858793,
            "The WS-Management service cannot complete the operation within the time specified.  ",
            subcode="w:TimedOut",
        ),
        status=500,
    )

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SOAP requests as text, sent by the standard library alone: a client that shares nothing with the lab."""

from __future__ import annotations

import base64
import http.client
import uuid
from dataclasses import dataclass
from xml.etree import ElementTree

from tests.unit.lab_wire.fake_world import PASSWORD, USER

S = "{http://www.w3.org/2003/05/soap-envelope}"
A = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
N = "{http://schemas.xmlsoap.org/ws/2004/09/enumeration}"
W = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
P = "{http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd}"
F = "{http://schemas.microsoft.com/wbem/wsman/1/wsmanfault}"
RSP = "{http://schemas.microsoft.com/wbem/wsman/1/windows/shell}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

FAKE_SERVICE = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Fake_Service"
ANY_CLASS = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*"
CMD = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
CONTENT_TYPE = "application/soap+xml;charset=UTF-8"
IDENTIFY = (
    f'<s:Envelope xmlns:s="{S[1:-1]}" xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd">'
    "<s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"
)


def basic(user: str = USER, password: str = PASSWORD) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass
class SoapAnswer:
    """A parsed answer."""

    status: int
    text: str
    root: ElementTree.Element
    message_id: str

    def header(self, name: str) -> str | None:
        """The text of a header."""
        return self.root.findtext(f"{S}Header/{name}")

    @property
    def body(self) -> ElementTree.Element:
        """The first child of the body."""
        body = self.root.find(f"{S}Body")
        assert body is not None
        return body[0]

    @property
    def subcode(self) -> str | None:
        """The subcode of a fault."""
        return self.root.findtext(f".//{S}Subcode/{S}Value")

    @property
    def code(self) -> int | None:
        """The code of a WSManFault."""
        found = self.root.find(f".//{F}WSManFault")
        return None if found is None else int(found.get("Code", "0"))


def envelope(
    action: str,
    uri: str,
    body: str = "",
    *,
    selectors: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    timeout: str = "PT20S",
    size: int = 153600,
    extra: str = "",
    message_id: str = "",
) -> str:
    """A request as a WinRM client writes it."""
    chosen = "".join(f'<w:Selector Name="{key}">{value}</w:Selector>' for key, value in (selectors or {}).items())
    wanted = "".join(f'<w:Option Name="{key}">{value}</w:Option>' for key, value in (options or {}).items())
    return (
        f'<s:Envelope xmlns:s="{S[1:-1]}" xmlns:a="{A[1:-1]}" xmlns:n="{N[1:-1]}" xmlns:w="{W[1:-1]}"'
        f' xmlns:p="{P[1:-1]}" xmlns:rsp="{RSP[1:-1]}"><s:Header>'
        f'<a:To>http://web01:5985/wsman</a:To><w:ResourceURI s:mustUnderstand="true">{uri}</w:ResourceURI>'
        f'<a:Action s:mustUnderstand="true">{action}</a:Action>'
        f"<a:MessageID>{message_id or 'uuid:' + str(uuid.uuid4())}</a:MessageID>"
        f'<w:MaxEnvelopeSize s:mustUnderstand="true">{size}</w:MaxEnvelopeSize>'
        f"<w:OperationTimeout>{timeout}</w:OperationTimeout>"
        f"{f'<w:SelectorSet>{chosen}</w:SelectorSet>' if chosen else ''}"
        f"{f'<w:OptionSet>{wanted}</w:OptionSet>' if wanted else ''}{extra}"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )


class Wire:
    """A connection that is kept, with Basic."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def post(
        self,
        data: str | bytes,
        *,
        path: str = "/wsman",
        method: str = "POST",
        headers: dict[str, str | None] | None = None,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send anything; headers given as None are left out."""
        sent: dict[str, str | None] = {"Content-Type": CONTENT_TYPE, "Authorization": basic(), **(headers or {})}
        body = data.encode() if isinstance(data, str) else data
        self.connection.request(method, path, body, {key: value for key, value in sent.items() if value is not None})
        response = self.connection.getresponse()
        return response, response.read()

    def send(self, message: str) -> SoapAnswer:
        """Send SOAP, read SOAP."""
        response, data = self.post(message)
        root = ElementTree.fromstring(message)
        sent_id = root.findtext(f"{S}Header/{A}MessageID") or ""
        answer = SoapAnswer(response.status, data.decode(), ElementTree.fromstring(data), sent_id)
        assert answer.header(f"{A}RelatesTo") in (sent_id, None)
        return answer

    def call(self, action: str, uri: str, body: str = "", **others: object) -> SoapAnswer:
        """Build and send."""
        return self.send(envelope(action, uri, body, **others))  # type: ignore[arg-type]

    def enumerate(self, inside: str, uri: str = FAKE_SERVICE, **others: object) -> SoapAnswer:
        """Enumerate with these elements inside."""
        return self.call(ENUMERATION + "Enumerate", uri, f"<n:Enumerate>{inside}</n:Enumerate>", **others)

    def pull(
        self, context: str | None, count: int | None = None, uri: str = FAKE_SERVICE, **others: object
    ) -> SoapAnswer:
        """Pull from a context."""
        limit = "" if count is None else f"<n:MaxElements>{count}</n:MaxElements>"
        body = f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext>{limit}</n:Pull>"
        return self.call(ENUMERATION + "Pull", uri, body, **others)

    def open_shell(self, inside: str = "", **others: object) -> str:
        """Create a shell, give its id."""
        body = (
            f"<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams>"
            f"<rsp:OutputStreams>stdout stderr</rsp:OutputStreams>{inside}</rsp:Shell>"
        )
        answer = self.call(TRANSFER + "Create", CMD, body, **others)
        assert answer.status == 200, answer.text
        return answer.root.findtext(f".//{RSP}ShellId") or ""

    def start(self, shell: str, line: str, **others: object) -> SoapAnswer:
        """Start a command."""
        body = f"<rsp:CommandLine><rsp:Command>{line}</rsp:Command></rsp:CommandLine>"
        return self.call(f"{SHELL}/Command", CMD, body, selectors={"ShellId": shell}, **others)

    def receive(self, shell: str, command: str, **others: object) -> SoapAnswer:
        """Receive both streams."""
        body = f'<rsp:Receive><rsp:DesiredStream CommandId="{command}">stdout stderr</rsp:DesiredStream></rsp:Receive>'
        return self.call(f"{SHELL}/Receive", CMD, body, selectors={"ShellId": shell}, **others)

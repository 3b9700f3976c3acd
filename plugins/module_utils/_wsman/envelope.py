# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The SOAP messages this client sends (DSP0226, MS-WSMV 3.1.4), each as text with its own MessageID."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import (
    CIM_COMMON,
    CimInput,
    cim_name,
    class_uri,
    selector_text,
    write_properties,
    xml_text,
)

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
MICROSOFT = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
CMD = f"{SHELL}/cmd"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
SIGNAL_TERMINATE = f"{SHELL}/signal/terminate"

# What Server 2012 and later accept by default (MaxEnvelopeSizekb 500); an older server cuts it to its own limit.
MAX_ENVELOPE_SIZE = 512_000

# In every message, and only where a message has something of them: the bytes of a reading count.
_ALWAYS = {"s": SOAP, "a": ADDRESSING, "w": WSMAN, "p": MICROSOFT}
_WHERE_USED = {
    "n": ENUMERATION,
    "rsp": SHELL,
    "cim": CIM_COMMON,
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}


@dataclass(frozen=True)
class Message:
    """One request: the id its answer must relate to (None for Identify, which has no headers) and its text."""

    message_id: str | None
    text: str


@dataclass(frozen=True)
class Writer:
    """Writes the messages for one server.

    :param to: the service's URL.
    """

    to: str

    def identify(self) -> Message:
        """Who are you (DSP0226 11); it needs no header."""
        return Message(
            None,
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:id="{IDENTITY}">'
            "<s:Header/><s:Body><id:Identify/></s:Body></s:Envelope>",
        )

    def enumerate(self, namespace: str, wql: str, max_elements: int, seconds: int) -> Message:
        """The first message of a WQL query; optimised, so that its answer already holds rows."""
        body = (
            f"<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>{max_elements}</w:MaxElements>"
            f'<w:Filter Dialect="{WQL}">{xml_text(wql)}</w:Filter></n:Enumerate>'
        )
        return self._message(f"{ENUMERATION}/Enumerate", class_uri(namespace, "*"), body, seconds)

    def pull(self, namespace: str, context: str, max_elements: int, seconds: int) -> Message:
        """The next page. Without MaxElements Windows would give one row."""
        body = (
            f"<n:Pull><n:EnumerationContext>{xml_text(context)}</n:EnumerationContext>"
            f"<n:MaxElements>{max_elements}</n:MaxElements></n:Pull>"
        )
        return self._message(f"{ENUMERATION}/Pull", class_uri(namespace, "*"), body, seconds)

    def release(self, namespace: str, context: str, seconds: int) -> Message:
        """No more pages are wanted."""
        body = f"<n:Release><n:EnumerationContext>{xml_text(context)}</n:EnumerationContext></n:Release>"
        return self._message(f"{ENUMERATION}/Release", class_uri(namespace, "*"), body, seconds)

    def get(self, namespace: str, class_name: str, selectors: Mapping[str, CimInput], seconds: int) -> Message:
        """One instance by its keys; a singleton has none."""
        return self._message(f"{TRANSFER}/Get", class_uri(namespace, class_name), "", seconds, selectors=selectors)

    def delete(self, namespace: str, class_name: str, selectors: Mapping[str, CimInput], seconds: int) -> Message:
        """Delete one instance by its keys."""
        return self._message(f"{TRANSFER}/Delete", class_uri(namespace, class_name), "", seconds, selectors=selectors)

    def invoke(
        self,
        namespace: str,
        class_name: str,
        method: str,
        params: Mapping[str, CimInput],
        selectors: Mapping[str, CimInput],
        seconds: int,
    ) -> Message:
        """Call a method of a class, or of an instance named by its keys (MS-WSMV 4.1.4)."""
        uri = class_uri(namespace, class_name)
        name = cim_name(method)
        body = f'<q:{name}_INPUT xmlns:q="{uri}">{write_properties(params, "q")}</q:{name}_INPUT>'
        return self._message(f"{uri}/{name}", uri, body, seconds, selectors=selectors)

    # ---- the command shell (MS-WSMV 3.1.4.5.2 to 3.1.4.14) ----

    def create_shell(self, codepage: int, seconds: int) -> Message:
        """A cmd shell with its user's profile."""
        body = (
            "<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams>"
            "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
        )
        options = {"WINRS_NOPROFILE": "FALSE", "WINRS_CODEPAGE": str(codepage)}
        return self._message(f"{TRANSFER}/Create", CMD, body, seconds, options=options)

    def command(self, shell_id: str, command: str, arguments: tuple[str, ...], seconds: int) -> Message:
        """Start a command line through cmd.exe; its standard input is a pipe that can be ended."""
        parts = "".join(f"<rsp:Arguments>{xml_text(argument)}</rsp:Arguments>" for argument in arguments)
        body = f"<rsp:CommandLine><rsp:Command>{xml_text(command)}</rsp:Command>{parts}</rsp:CommandLine>"
        options = {"WINRS_CONSOLEMODE_STDIN": "FALSE", "WINRS_SKIP_CMD_SHELL": "FALSE"}
        return self._shell_message("Command", shell_id, body, seconds, options)

    def send(self, shell_id: str, command_id: str, data: bytes, end: bool, seconds: int) -> Message:
        """A piece of standard input."""
        last = ' End="true"' if end else ""
        body = (
            f'<rsp:Send><rsp:Stream Name="stdin" CommandId="{xml_text(command_id)}"{last}>'
            f"{base64.b64encode(data).decode('ascii')}</rsp:Stream></rsp:Send>"
        )
        return self._shell_message("Send", shell_id, body, seconds)

    def receive(self, shell_id: str, command_id: str, seconds: int) -> Message:
        """What has it written, and is it done."""
        body = (
            f'<rsp:Receive><rsp:DesiredStream CommandId="{xml_text(command_id)}">'
            "stdout stderr</rsp:DesiredStream></rsp:Receive>"
        )
        return self._shell_message("Receive", shell_id, body, seconds)

    def terminate(self, shell_id: str, command_id: str, seconds: int) -> Message:
        """Stop the command."""
        body = f'<rsp:Signal CommandId="{xml_text(command_id)}"><rsp:Code>{SIGNAL_TERMINATE}</rsp:Code></rsp:Signal>'
        return self._shell_message("Signal", shell_id, body, seconds)

    def delete_shell(self, shell_id: str, seconds: int) -> Message:
        """Close the shell; that ends its commands and frees what they hold."""
        return self._message(f"{TRANSFER}/Delete", CMD, "", seconds, selectors={"ShellId": shell_id})

    def _shell_message(
        self, verb: str, shell_id: str, body: str, seconds: int, options: Mapping[str, str] | None = None
    ) -> Message:
        return self._message(f"{SHELL}/{verb}", CMD, body, seconds, selectors={"ShellId": shell_id}, options=options)

    def _message(
        self,
        action: str,
        resource_uri: str,
        body: str,
        seconds: int,
        *,
        selectors: Mapping[str, CimInput] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Message:
        message_id = f"uuid:{str(uuid.uuid4()).upper()}"
        chosen = "".join(
            f'<w:Selector Name="{xml_text(name)}">{selector_text(value)}</w:Selector>'
            for name, value in (selectors or {}).items()
        )
        wanted = "".join(
            f'<w:Option Name="{xml_text(name)}">{xml_text(value)}</w:Option>' for name, value in (options or {}).items()
        )
        used = {prefix: uri for prefix, uri in _WHERE_USED.items() if f"<{prefix}:" in body or f" {prefix}:" in body}
        declared = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in (_ALWAYS | used).items())
        text = (
            f"<s:Envelope{declared}><s:Header>"
            f"<a:To>{xml_text(self.to)}</a:To>"
            f'<w:ResourceURI s:mustUnderstand="true">{xml_text(resource_uri)}</w:ResourceURI>'
            f'<a:ReplyTo><a:Address s:mustUnderstand="true">{ADDRESSING}/role/anonymous</a:Address></a:ReplyTo>'
            f'<a:Action s:mustUnderstand="true">{xml_text(action)}</a:Action>'
            f"<a:MessageID>{message_id}</a:MessageID>"
            f'<w:MaxEnvelopeSize s:mustUnderstand="true">{MAX_ENVELOPE_SIZE}</w:MaxEnvelopeSize>'
            f"<w:OperationTimeout>PT{max(1, seconds)}S</w:OperationTimeout>"
            '<w:Locale xml:lang="en-US" s:mustUnderstand="false"/>'
            '<p:DataLocale xml:lang="en-US" s:mustUnderstand="false"/>'
            f"{f'<w:SelectorSet>{chosen}</w:SelectorSet>' if chosen else ''}"
            f"{f'<w:OptionSet>{wanted}</w:OptionSet>' if wanted else ''}"
            f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
        return Message(message_id, text)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""SOAP faults of both families that Windows answers with, as one exception with code, meaning and remedy.

Family one is ``f:WSManFault``, possibly with a provider's own WSManFault and an ``__ExtendedStatus`` inside; family
two is ``MSFT_WmiError`` (WinRM 3 and later). The same failure can come as either.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Fault
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.xml_answer import Node

TIMED_OUT = 0x80338029
UNKNOWN_SHELL = 0x8033805B
SHELL_QUOTA = 0x803381A5
OPERATION_QUOTA = 0x803381A6
NOT_FOUND_ELEMENT = 0x80070490
BUSY = 170

_ADMIN = (
    "Use an account of the server's Administrators group; a local one other than the built-in Administrator needs "
    "LocalAccountTokenFilterPolicy=1."
)
_LATER = "Try again in a moment."
_REPOSITORY = "Check the server's WMI with `winmgmt /verifyrepository` and its Application event log."


@dataclass(frozen=True)
class Meaning:
    """What a code says: words that complete a sentence, whether trying again can help, and what to do."""

    words: str
    retryable: bool = False
    hint: str | None = None


# Codes of WS-Management (winrm's wsmerror.h), of WMI (wbemcli.h) and of Windows (winerror.h).
MEANINGS: dict[int, Meaning] = {
    5: Meaning("access was denied", hint=_ADMIN),
    87: Meaning("a parameter was wrong"),
    BUSY: Meaning("the resource is in use", retryable=True, hint=_LATER),
    995: Meaning("the operation was aborted", retryable=True, hint=_LATER),
    0x80070002: Meaning("the program or file was not found"),
    0x80070005: Meaning("access was denied", hint=_ADMIN),
    0x8007045B: Meaning("the server is shutting down", retryable=True, hint="Wait until it has restarted."),
    NOT_FOUND_ELEMENT: Meaning("the element (such as a scheduled task) was not found"),
    0x800703E3: Meaning("the operation was aborted", retryable=True, hint=_LATER),
    0x800706BA: Meaning(
        "the RPC server was not available", retryable=True, hint="The server may still be starting. " + _LATER
    ),
    0x80041001: Meaning("WMI failed without a reason", hint=_REPOSITORY),
    0x80041002: Meaning("the instance was not found"),
    0x80041003: Meaning("WMI denied access", hint=_ADMIN),
    0x80041004: Meaning("the WMI provider failed", hint=_REPOSITORY),
    0x80041008: Meaning("WMI called a parameter invalid"),
    0x8004100C: Meaning("the server does not support this operation"),
    0x8004100E: Meaning(
        "the WMI namespace does not exist", hint="This edition or version of Windows may not have the feature."
    ),
    0x80041010: Meaning(
        "the WMI class does not exist", hint="This edition or version of Windows may not have the feature."
    ),
    0x80041013: Meaning("the WMI provider could not be loaded", retryable=True, hint=_REPOSITORY),
    0x80041014: Meaning("the WMI provider could not be initialised", retryable=True, hint=_REPOSITORY),
    0x80041017: Meaning("the query is not valid for this class"),
    0x8004102E: Meaning("the WMI method does not exist"),
    0x8004102F: Meaning("the parameters do not fit the method"),
    0x80041032: Meaning("the call was cancelled", retryable=True, hint=_LATER),
    0x80041033: Meaning("WMI is shutting down", retryable=True, hint="Wait until the server has restarted."),
    0x80041045: Meaning("the server is starting or stopping", retryable=True, hint=_LATER),
    0x8004106C: Meaning("a quota of WMI was exceeded", retryable=True, hint=_LATER),
    0x80338000: Meaning("the resource or instance was not found"),
    0x8033800F: Meaning("a header of the message was not accepted"),
    0x8033801A: Meaning(
        "the query cannot be processed, most often since its class is not in this namespace",
        hint="This edition or version of Windows may not have the feature.",
    ),
    TIMED_OUT: Meaning("the server gave up after its operation timeout", retryable=True, hint=_LATER),
    0x80338041: Meaning("the message or the instance does not fit its schema, often for a date that is not valid"),
    UNKNOWN_SHELL: Meaning("the shell or command does not exist any more"),
    0x80338102: Meaning("the WMI provider reported a failure", hint=_REPOSITORY),
    SHELL_QUOTA: Meaning(
        "the user has too many shells open",
        retryable=True,
        hint="Wait until other sessions end, or raise MaxShellsPerUser on the server.",
    ),
    OPERATION_QUOTA: Meaning("too many operations at once", retryable=True, hint=_LATER),
}

_BY_SUBCODE = {"TimedOut": TIMED_OUT, "AccessDenied": 5, "DestinationUnreachable": 0x80338000}

_MAX_TEXT = 400


class WsmanFault(Fault):
    """A fault, read.

    :ivar code: the most telling code, as ``0x80041010``; the subcode where the server gave no code.
    :ivar codes: every code in the fault, outermost first.
    :ivar subcode: SOAP's subcode as sent, such as ``w:TimedOut``.
    :ivar text: the server's own words, cleaned and cut.
    :ivar extended: Operation, ParameterInfo, ProviderName and Description of ``__ExtendedStatus`` where present.
    """

    def __init__(self, facts: FaultFacts, *, what: str, where: str, server: str) -> None:
        known = MEANINGS.get(facts.code) if facts.code is not None else None
        label = f"0x{facts.code:08X}" if facts.code is not None else facts.subcode or "fault"
        words = known.words if known else "the server refused it"
        details = "".join(f" {name}: {value}." for name, value in facts.extended.items())
        says = f' The server says: "{facts.text}"' if facts.text else ""
        super().__init__(
            f"{what} on {where} failed: {words} ({label}).{says}{details}",
            code=label,
            hint=known.hint if known else None,
            retryable=known.retryable if known else False,
            server=server,
        )
        self.codes = facts.codes
        self.subcode = facts.subcode
        self.text = facts.text
        self.extended = facts.extended

    def has(self, *codes: int) -> bool:
        """Whether one of these codes stands anywhere in the fault."""
        return any(code in self.codes for code in codes)


@dataclass(frozen=True)
class FaultFacts:
    """What a fault's XML says, before it is put into words."""

    code: int | None
    codes: tuple[int, ...]
    subcode: str | None
    text: str
    extended: dict[str, str]


def read_fault(fault: Node) -> FaultFacts:
    """Both families, whatever is there; never fails, for a fault that cannot be read fully is still a fault."""
    subcode_node = fault.path("Code", "Subcode", "Value")
    subcode = clean(subcode_node.text, 80) if subcode_node else None
    detail = fault.child("Detail")
    below = list(detail.walk()) if detail else []
    inner = [
        code
        for node in below
        if node.name == "WSManFault" and (code := _code(node.attributes.get("Code", ""))) is not None
    ]
    extended: dict[str, str] = {}
    status: list[int] = []
    for node in below:
        if node.name == "__ExtendedStatus":
            found = {child.name: clean(child.text, 160) for child in node.children if not child.is_nil}
            extended = {
                name: found[name]
                for name in ("Operation", "ParameterInfo", "ProviderName", "Description")
                if found.get(name)
            }
            status = [code for code in [_code(found.get("StatusCode", ""))] if code is not None]
    wmi: list[int] = []
    for node in below:
        if node.name == "MSFT_WmiError":
            for name in ("MessageID", "error_Code"):
                child = node.child(name)
                code = _code(child.text) if child else None
                if code is not None:
                    wmi.append(code)
    codes = tuple(dict.fromkeys(code for code in [*inner, *status, *wmi] if code != 0))
    telling = next((code for code in [*wmi, *reversed(inner), *status] if code != 0), None)
    if telling is None and subcode:
        telling = _BY_SUBCODE.get(subcode.rpartition(":")[2])
        codes = (telling,) if telling is not None else ()
    return FaultFacts(code=telling, codes=codes, subcode=subcode, text=_server_text(fault, below), extended=extended)


def clean(text: str, limit: int = _MAX_TEXT) -> str:
    """A server's text fit to be shown: no control or direction characters, single blanks, cut at ``limit``."""
    shown = "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in text[: limit * 8])
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 3].rstrip() + "..."


def _server_text(fault: Node, below: list[Node]) -> str:
    """The innermost message: a provider's own words say more than "the WMI provider failed"."""
    candidates = [node for node in below if node.name in ("Message", "ProviderFault")]
    for node in reversed(candidates):
        if node.text.strip():
            return clean(node.text)
    for node in reversed(candidates):
        if text := clean(node.all_text()):
            return text
    reason = fault.path("Reason", "Text")
    return clean(reason.text) if reason else ""


def _code(text: str) -> int | None:
    """A code written in decimal (signed or not), as ``0x...`` or as ``HRESULT 0x...``."""
    text = text.strip()
    hexadecimal = re.search(r"0x([0-9a-fA-F]{1,8})$", text)
    if hexadecimal:
        return int(hexadecimal[1], 16)
    if re.fullmatch(r"-?[0-9]{1,10}", text, re.ASCII):
        number = int(text)
        if -(2**31) <= number < 2**32:
            return number % 2**32
    return None

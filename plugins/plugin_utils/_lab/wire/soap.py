# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a SOAP request and writing a SOAP answer.

Requests come from anybody who can reach the port, so the parser takes no document type, no entity, and stops at a depth
and a number of elements no WS-Management message has.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element
from xml.parsers import expat
from xml.sax.saxutils import escape

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire import faults, names

MAX_DEPTH = 64
MAX_ELEMENTS = 20000
# What Windows allows at least for an answer (DSP0226 8.4); a request for less is refused.
MIN_ENVELOPE = 8192
MIN_TIMEOUT_SECONDS = 0.5  # measured by winrm-java on 2008 R2: anything below is raised to this

_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d*)?|\.\d+)S)?)?"
)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_KNOWN_HEADERS = {
    names.ADDRESSING: {"To", "ReplyTo", "FaultTo", "From", "Action", "MessageID", "RelatesTo"},
    names.WSMAN: {
        "ResourceURI",
        "SelectorSet",
        "OptionSet",
        "MaxEnvelopeSize",
        "OperationTimeout",
        "Locale",
        "RequestTotalItemsCountEstimate",
        "RequestEPR",
    },
    names.MICROSOFT: {
        "DataLocale",
        "OperationID",
        "SequenceId",
        "SessionId",
        "ActivityId",
        "CompressionType",
        "FreePacket",
    },
}


class NotXml(Exception):
    """The body is not well-formed XML, or has what no SOAP message may have."""


@dataclass
class Request:
    """A parsed request; strings are stripped of the white space around them."""

    action: str = ""
    message_id: str = ""
    to: str = ""
    resource_uri: str = ""
    selectors: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    operation_timeout: float | None = None
    max_envelope_size: int | None = None
    operation_id: str = ""
    sequence_id: str = ""
    body: Element | None = None

    @property
    def is_identify(self) -> bool:
        """Identify is told by its body alone; it needs no header (DSP0226 11)."""
        return self.body is not None and self.body.tag == f"{{{names.IDENTITY}}}Identify"


def parse_xml(data: bytes) -> Element:
    """The root element. Raises NotXml."""
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    stack: list[Element] = []
    roots: list[Element] = []
    count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS or len(stack) >= MAX_DEPTH:
            raise NotXml("too many or too deeply nested elements")
        element = Element(_clark(tag), {_clark(name): value for name, value in attributes.items()})
        (stack[-1] if stack else roots).append(element)
        stack.append(element)

    def end(_tag: str) -> None:
        stack.pop()

    def text(content: str) -> None:
        element = stack[-1]
        if len(element):
            element[-1].tail = (element[-1].tail or "") + content
        else:
            element.text = (element.text or "") + content

    def doctype(*_parts: object) -> None:
        raise NotXml("a document type is not allowed")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise NotXml(str(error)) from error
    return roots[0]


def _clark(name: str) -> str:
    return "{" + name if "}" in name else name


def local_name(element: Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]


def text_of(element: Element | None) -> str:
    """The text of an element without the white space around it."""
    return (element.text or "").strip() if element is not None else ""


def child(element: Element, namespace: str, name: str) -> Element | None:
    """The first child of that name."""
    return element.find(f"{{{namespace}}}{name}")


def is_true(value: str | None) -> bool:
    """An xs:boolean, in any case (Windows' own clients send TRUE)."""
    return (value or "").strip().lower() in ("true", "1")


def parse_duration(value: str) -> float | None:
    """Seconds of an xs:duration without years and months, None when it is none or negative."""
    match = _DURATION.fullmatch(value)
    if match is None or value in ("P", "") or value.endswith("T"):
        return None
    days, hours, minutes, seconds = (float(match.group(name) or 0) for name in ("days", "hours", "minutes", "seconds"))
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


def read_headers(root: Element) -> tuple[Request, list[faults.WireFault]]:
    """The request as far as it can be read, and what is wrong with it.

    The faults come as a list so that an answer can still relate to the request's MessageID.
    """
    request = Request()
    wrong: list[faults.WireFault] = []
    if root.tag != f"{{{names.SOAP}}}Envelope":
        if local_name(root) == "Envelope":
            text = "The service does not support the SOAP version of the request. "
            return request, [faults.WireFault("s:VersionMismatch", "", 0x8033800D, text)]
        return request, [faults.schema_error("The message is not a SOAP envelope. ")]
    body = child(root, names.SOAP, "Body")
    if body is None:
        wrong.append(faults.WireFault("s:Sender", "w:InvalidBody", 0x80338027, "The request has no SOAP body. "))
    elif len(body):
        request.body = body[0]
    header = child(root, names.SOAP, "Header")
    for element in header if header is not None else ():
        try:
            _read_header(request, element)
        except faults.WireFault as fault:
            wrong.append(fault)
    return request, wrong


def _read_header(request: Request, element: Element) -> None:
    namespace, _separator, name = element.tag.removeprefix("{").rpartition("}")
    required = is_true(element.get(f"{{{names.SOAP}}}mustUnderstand"))
    if name not in _KNOWN_HEADERS.get(namespace, ()):
        if required:
            raise faults.not_understood("h", namespace, name)
        return
    value = text_of(element)
    match name:
        case "Action":
            request.action = value
        case "MessageID":
            request.message_id = value
        case "To":
            request.to = value
        case "ResourceURI":
            request.resource_uri = value
        case "OperationID":
            request.operation_id = value
        case "SequenceId":
            request.sequence_id = value
        case "SelectorSet":
            for item in element:
                key = item.get("Name") or ""
                if key in request.selectors:
                    raise faults.duplicate_selector(key)
                request.selectors[key] = text_of(item)
        case "OptionSet":
            request.options.update({item.get("Name") or "": text_of(item) for item in element})
        case "OperationTimeout":
            seconds = parse_duration(value)
            if seconds is None:
                raise faults.invalid_header("The OperationTimeout of the request is not valid. ")
            request.operation_timeout = max(seconds, MIN_TIMEOUT_SECONDS)
        case "MaxEnvelopeSize":
            if not value.isascii() or not value.isdigit():
                raise faults.invalid_header("The MaxEnvelopeSize of the request is not a number. ")
            request.max_envelope_size = int(value[:12])
            if request.max_envelope_size < MIN_ENVELOPE:
                text = f"The envelope size asked for is too small: at least {MIN_ENVELOPE}. "
                raise faults.encoding_limit(text, 0x8033807E, "MinimumEnvelopeLimit")
        case "Locale" if required:
            text = "The service cannot promise the locale asked for; ask with mustUnderstand false. "
            raise faults.unsupported_feature("Locale", text, 0x80338087)


def check_required_headers(request: Request) -> None:
    """Raise the fault for a header that must be there (DSP0226 5.1)."""
    for name, value in (("Action", request.action), ("MessageID", request.message_id), ("To", request.to)):
        if not value:
            raise faults.header_required(name)


def new_id() -> str:
    """An identifier as Windows writes them: capitals."""
    return str(uuid.uuid4()).upper()


def safe_text(value: str) -> str:
    """Text for an element: escaped, without characters that XML 1.0 forbids, carriage returns kept."""
    return escape(_UNPRINTABLE.sub("\ufffd", value), {"\r": "&#13;"})


def envelope(action: str, body: str, request: Request | None, *, prefixes: str, header: str = "") -> str:
    """A whole answer. The order of the headers is that of Server 2016 and later recordings.

    :param prefixes: letters of names.ENVELOPE_PREFIXES to declare, in their order.
    :param header: further header elements.
    """
    declared = "".join(f' xmlns:{prefix}="{names.ENVELOPE_PREFIXES[prefix]}"' for prefix in prefixes)
    if request is not None and request.operation_id:
        echoed = f'<p:OperationID s:mustUnderstand="false">{escape(request.operation_id)}</p:OperationID>'
        echoed += f"<p:SequenceId>{escape(request.sequence_id or '1')}</p:SequenceId>"
    else:
        echoed = f"<p:ActivityId>{new_id()}</p:ActivityId>"
    relates = ""
    if request is not None and request.message_id:
        relates = f"<a:RelatesTo>{escape(request.message_id)}</a:RelatesTo>"
    return (
        f'<s:Envelope xml:lang="en-US"{declared}><s:Header><a:Action>{escape(action)}</a:Action>'
        f"<a:MessageID>uuid:{new_id()}</a:MessageID>{echoed}<a:To>{names.ANONYMOUS}</a:To>{relates}{header}</s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


def fault_envelope(fault: faults.WireFault, request: Request | None, machine_name: str) -> str:
    """A whole fault answer."""
    return envelope(fault.action, fault.body(machine_name), request, prefixes="saxenwp", header=fault.header)

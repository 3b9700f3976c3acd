# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""CIM values, from the wire and onto it (DSP0230; shapes as recorded from Windows).

From the wire a property is text, None (``xsi:nil``), an embedded `Instance`, or a list of these. The wire does not
say of which type a value is nor that an array of one element is an array, so the caller says both: arrays when
asking, types by ``as_int`` and its like when reading.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeAlias, Union

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.xml_answer import XSI, Node

CIM_COMMON = "http://schemas.dmtf.org/wbem/wscim/1/common"
WMI_URI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"

Value: TypeAlias = Union[str, "list[Value]", "Instance", None]
CimInput: TypeAlias = Union[str, int, bool, bytes, datetime, timedelta, "Embedded", "Sequence[CimInput]", None]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_NAMESPACE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*(/[A-Za-z_][A-Za-z0-9_.-]*)*")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_DATETIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(Z|[+-]\d\d:\d\d)?", re.ASCII | re.IGNORECASE
)
_INTERVAL = re.compile(
    r"P(?:(\d{1,8})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,8})M)?(?:(\d{1,8})(?:\.(\d{1,12}))?S)?)?", re.ASCII
)


class Instance(dict[str, "Value"]):
    """The properties of one CIM instance, and whose they are.

    :ivar class_name: the class the server named, which may be a subclass of the one asked for; "" for a projection or
        the out-parameters of a method.
    :ivar about: what errors call it, with the server.
    :ivar server: the server's name.
    """

    def __init__(
        self,
        properties: Mapping[str, Value] | None = None,
        *,
        class_name: str = "",
        about: str = "",
        server: str | None = None,
    ) -> None:
        super().__init__(properties or {})
        self.class_name = class_name
        self.about = about
        self.server = server


@dataclass(frozen=True)
class Embedded:
    """An embedded instance as an input: its class, that class's namespace (``root/...``) and its properties."""

    class_name: str
    namespace: str
    properties: Mapping[str, CimInput] = field(default_factory=dict)


# ---- from the wire
# -------------------------------------------------------------------------------------------------------------


def read_instance(element: Node, arrays: Collection[str], *, about: str, server: str | None) -> Instance:
    """The instance (or ``w:XmlFragment``, or ``Method_OUTPUT``) that ``element`` holds.

    :param arrays: names of array properties, which come back as lists however many values there are; a property of an
        embedded instance is named with its path, ``Settings.Names``.
    """
    own = {name for name in arrays if "." not in name}
    properties: dict[str, Value] = {name: [] for name in own}
    seen: dict[str, list[Value]] = {}
    for child in element.children:
        below = [name.split(".", 1)[1] for name in arrays if name.startswith(f"{child.name}.")]
        seen.setdefault(child.name, []).append(_read_value(child, below, about=about, server=server))
    for name, values in seen.items():
        if name in own:
            properties[name] = [] if values == [None] else values
        else:
            properties[name] = values[0] if len(values) == 1 else values
    declared = element.attributes.get(f"{XSI} type", "")
    class_name = declared.rpartition(":")[2].removesuffix("_Type")
    return Instance(properties, class_name=class_name, about=about, server=server)


def _read_value(element: Node, arrays: Collection[str], *, about: str, server: str | None) -> Value:
    if element.is_nil:
        return None
    if not element.children:
        return element.text
    if all(child.namespace == CIM_COMMON for child in element.children):
        return element.children[0].text.strip()
    return read_instance(element, arrays, about=f"{about}, {element.name}", server=server)


def find(row: Mapping[str, Value], name: str) -> Value:
    """The property of this name, compared without case as CIM names are; None when the server left it out."""
    if name in row:
        return row[name]
    folded = name.lower()
    return next((value for key, value in row.items() if key.lower() == folded), None)


def as_str(row: Mapping[str, Value], name: str) -> str | None:
    """Text as it came; None for null."""
    value = find(row, name)
    if value is None or isinstance(value, str):
        return value
    raise _unexpected(row, name, value, "text")


def as_int(row: Mapping[str, Value], name: str) -> int | None:
    """An integer of any CIM width, unsigned ones included; None for null."""
    text = as_str(row, name)
    return None if text is None else _int(row, name, text)


def as_bool(row: Mapping[str, Value], name: str) -> bool | None:
    """A boolean in any case (OMI writes capitals); None for null."""
    text = as_str(row, name)
    if text is None:
        return None
    known = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
    if known is None:
        raise _unexpected(row, name, text, "a boolean")
    return known


def as_datetime(row: Mapping[str, Value], name: str) -> datetime | None:
    """A moment, always with its offset; one without an offset is taken as UTC (DSP0230 7.5); None for null."""
    text = as_str(row, name)
    if text is None:
        return None
    found = _DATETIME.fullmatch(text.strip())
    if not found:
        raise _unexpected(row, name, text, "a date and time")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, second, _micro(found[7]), tzinfo=_zone(found[8]))
    except ValueError:
        pass
    raise _unexpected(row, name, text, "a date and time")


def as_interval(row: Mapping[str, Value], name: str) -> timedelta | None:
    """A length of time written ``P0DT0H1M40S``; None for null."""
    text = as_str(row, name)
    if text is None:
        return None
    found = _INTERVAL.fullmatch(text.strip())
    if not found or not any(found.groups()[:4]):
        raise _unexpected(row, name, text, "an interval")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:4])
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=_micro(found[5]))


def as_instance(row: Mapping[str, Value], name: str) -> Instance | None:
    """An embedded instance; None for null. An empty one looks like empty text."""
    value = find(row, name)
    if value is None or isinstance(value, Instance):
        return value
    if isinstance(value, str) and not value.strip():
        return Instance(about=getattr(row, "about", ""), server=getattr(row, "server", None))
    raise _unexpected(row, name, value, "an embedded instance")


def as_str_list(row: Mapping[str, Value], name: str) -> list[str]:
    """The texts of an array property; a null array, an empty one and one that was left out are all []."""
    value = find(row, name)
    many = value if isinstance(value, list) else [] if value is None else [value]
    texts = [one for one in many if isinstance(one, str)]
    if len(texts) != len(many):
        raise _unexpected(row, name, value, "a list of texts")
    return texts


def as_int_list(row: Mapping[str, Value], name: str) -> list[int]:
    """The integers of an array property."""
    return [_int(row, name, text) for text in as_str_list(row, name)]


def as_bytes(row: Mapping[str, Value], name: str) -> bytes:
    """A uint8 array (REG_BINARY): one decimal element for each byte."""
    numbers = as_int_list(row, name)
    if any(not 0 <= number <= 255 for number in numbers):
        raise _unexpected(row, name, find(row, name), "a list of bytes")
    return bytes(numbers)


def _int(row: Mapping[str, Value], name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text.strip()):
        raise _unexpected(row, name, text, "an integer")
    return int(text)


def _micro(fraction: str | None) -> int:
    """Microseconds of a fraction of any length; what is finer is cut off."""
    return int(((fraction or "") + "000000")[:6])


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    size = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-size if text[0] == "-" else size)


def _unexpected(row: Mapping[str, Value], name: str, value: Value, wanted: str) -> BadAnswer:
    shown = repr(value)
    about = getattr(row, "about", "") or "an instance"
    return BadAnswer(
        f"The property {name} of {about} should be {wanted}, but it is "
        f"{shown if len(shown) <= 80 else shown[:77] + '...'}.",
        hint="The server's CIM provider answers in a way its class does not declare; check the class on the server "
        "with Get-CimInstance.",
        server=getattr(row, "server", None),
    )


# ---- onto the wire
# -------------------------------------------------------------------------------------------------------------


def xml_text(text: str) -> str:
    """``text`` as XML character data or an attribute's value in double quotes.

    :raises InvalidInput: on characters XML 1.0 cannot hold, not even escaped.
    """
    bad = _NOT_XML.search(text)
    if bad:
        raise InvalidInput(
            f"A text to be sent holds the character U+{ord(bad[0]):04X} at position {bad.start() + 1}, which XML "
            "cannot carry.",
            hint="Remove the control character from the value.",
        )
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    # A parser folds a bare CR into LF, and blanks out line ends in attributes; references keep them.
    return escaped.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;")


def class_uri(namespace: str, class_name: str) -> str:
    """The WMI resource URI of a class, or of ``*`` for a query (MS-WSMV 3.1.4.1.1)."""
    if not _NAMESPACE.fullmatch(namespace):
        raise InvalidInput(f"{namespace!r} is not a CIM namespace such as root/cimv2.")
    return f"{WMI_URI}{namespace}/{class_name if class_name == '*' else cim_name(class_name)}"


def cim_name(name: str) -> str:
    """``name`` itself when it can be a CIM class, property or method."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is not the name of a CIM class, property or method.")
    return name


def selector_text(value: CimInput) -> str:
    """A key's value as a selector holds it.

    :raises InvalidInput: when it is not a single text, number or boolean.
    """
    if isinstance(value, (str, int)):
        return xml_text(_scalar_text(value))
    raise InvalidInput(f"A selector cannot hold a {type(value).__name__}.")


def write_properties(properties: Mapping[str, CimInput], prefix: str = "p") -> str:
    """The elements of the properties or parameters, in order; an empty list leaves nothing, as on the wire."""
    return "".join(_write_property(prefix, cim_name(name), value) for name, value in properties.items())


def _write_property(prefix: str, name: str, value: CimInput) -> str:
    if isinstance(value, bytes):
        return "".join(f"<{prefix}:{name}>{byte}</{prefix}:{name}>" for byte in value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(one, (bytes, list, tuple)) for one in value):
            raise InvalidInput(f"The parameter {name} is a list of lists, which CIM does not have.")
        return "".join(_write_property(prefix, name, one) for one in value)
    if value is None:
        return f'<{prefix}:{name} xsi:nil="true"/>'
    if isinstance(value, Embedded):
        uri = class_uri(value.namespace, value.class_name)
        # One more letter for each level keeps an inner class's prefix from hiding an outer one.
        inner = f"{prefix}e"
        body = write_properties(value.properties, inner)
        opening = f'<{prefix}:{name} xmlns:{inner}="{uri}" xsi:type="{inner}:{value.class_name}_Type">'
        return f"{opening}{body}</{prefix}:{name}>"
    if isinstance(value, datetime):
        return f"<{prefix}:{name}><cim:Datetime>{_datetime_text(name, value)}</cim:Datetime></{prefix}:{name}>"
    if isinstance(value, timedelta):
        return f"<{prefix}:{name}><cim:Interval>{_interval_text(name, value)}</cim:Interval></{prefix}:{name}>"
    if isinstance(value, (str, int)):
        return f"<{prefix}:{name}>{xml_text(_scalar_text(value))}</{prefix}:{name}>"
    raise InvalidInput(f"The parameter {name} cannot be a {type(value).__name__}.")


def _scalar_text(value: str | int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _datetime_text(name: str, value: datetime) -> str:
    if value.utcoffset() is None:
        raise InvalidInput(f"The moment given for {name} has no time zone.")
    text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
    offset = value.utcoffset() or timedelta(0)
    minutes = round(offset.total_seconds() / 60)
    if minutes == 0:
        return f"{text}Z"
    return f"{text}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _interval_text(name: str, value: timedelta) -> str:
    if value < timedelta(0):
        raise InvalidInput(f"The interval given for {name} is negative.")
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{value.microseconds:06d}" if value.microseconds else ""
    return f"P{value.days}DT{hours}H{minutes}M{seconds}{fraction}S"

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two halves of the lab say to each other about CIM: typed values, instances and faults.

The world half builds these, the wire half puts them into XML. Types are carried with every value because the wire
form depends on them: a null or empty array is left out, a null scalar is ``xsi:nil`` (MS-WSMV; wire captures of 2008
R2 and 2012).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

SCALAR_TYPES = frozenset(
    {
        "string",
        "boolean",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "sint8",
        "sint16",
        "sint32",
        "sint64",
        "datetime",
        "interval",
        "instance",
    }
)

FAULT_KINDS = frozenset(
    {
        "invalid_class",
        "invalid_namespace",
        "not_found",
        "access_denied",
        "invalid_query",
        "invalid_method",
        "invalid_parameters",
        "provider_failure",
        "element_not_found",
        "quota",
    }
)


@dataclass(frozen=True)
class CimValue:
    """One property or parameter.

    ``type`` is a member of SCALAR_TYPES, or one with ``[]`` behind it. ``value`` is None for null; str, bool, int; an
    aware datetime for "datetime"; a timedelta for "interval"; a CimInstance for "instance"; a list of those for an
    array.
    """

    type: str
    value: Any

    @property
    def is_array(self) -> bool:
        """Whether the declared type is an array type."""
        return self.type.endswith("[]")

    @property
    def scalar_type(self) -> str:
        """The type of one element."""
        return self.type.removesuffix("[]")


@dataclass
class CimInstance:
    """One object of a class; ``projected`` tells that a WQL statement named its properties (wire form: XmlFragment).

    ``class_name`` is the object's own class, which may be below the one asked for (CIM_DataFile asked, CIM_DataFile
    given; CIM_Service asked, Win32_Service given). ``namespace`` is written with slashes, in Windows' own case.
    """

    class_name: str
    namespace: str
    properties: dict[str, CimValue]
    keys: tuple[str, ...] = ()
    projected: bool = False

    def value(self, name: str) -> Any:
        """The bare value of a property, found without regard to case; None when there is no such property."""
        wanted = name.lower()
        for own, item in self.properties.items():
            if own.lower() == wanted:
                return item.value
        return None

    def keep(self, names: Iterable[str]) -> CimInstance:
        """A copy that holds only the named properties, in this object's own order and spelling."""
        wanted = {name.lower() for name in names}
        kept = {own: item for own, item in self.properties.items() if own.lower() in wanted}
        return CimInstance(self.class_name, self.namespace, kept, self.keys, projected=True)


@dataclass
class CimFault(Exception):
    """A WMI failure that the wire half turns into a SOAP fault.

    :param kind: a member of FAULT_KINDS.
    :param message: Windows' text for it.
    :param hresult: set when it is more exact than what the kind stands for (0x80070490 for an absent task).
    """

    kind: str
    message: str = ""
    hresult: int | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(f"{self.kind}: {self.message}")


def text(value: str | None) -> CimValue:
    """A string value."""
    return CimValue("string", value)


def number(cim_type: str, value: int | None) -> CimValue:
    """An integer of the given CIM type."""
    return CimValue(cim_type, value)


def flag(value: bool | None) -> CimValue:
    """A boolean value."""
    return CimValue("boolean", value)


def returned(code: int = 0, **others: CimValue) -> dict[str, CimValue]:
    """The out parameters of a method: ``ReturnValue`` (uint32) and what stands beside it."""
    return {**others, "ReturnValue": CimValue("uint32", code)}

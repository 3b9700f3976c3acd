# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""StdRegProv: the registry as WMI methods, in root/cimv2 and root/default.

Methods and parameters: microsoft/wmi (schema of a Server 2019). Failures are return values, never faults: 2 key not
there, 1 value not there, 5 denied, 2147749893 (WBEM_E_TYPE_MISMATCH) another type than asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimValue, returned
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import (
    REG_BINARY,
    REG_DWORD,
    REG_EXPAND_SZ,
    REG_MULTI_SZ,
    REG_QWORD,
    REG_SZ,
    ROOT_NUMBERS,
    RegistryAccessError,
    RegistryPathError,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi import (
    Call,
    CimClass,
    Method,
    Repository,
    fault,
)

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

OK, VALUE_MISSING, KEY_MISSING, DENIED = 0, 1, 2, 5
TYPE_MISMATCH = 0x80041005

# Method suffix -> (registry type, name of the parameter, its CIM type).
_KINDS = {
    "StringValue": (REG_SZ, "sValue", "string"),
    "ExpandedStringValue": (REG_EXPAND_SZ, "sValue", "string"),
    "MultiStringValue": (REG_MULTI_SZ, "sValue", "string[]"),
    "DWORDValue": (REG_DWORD, "uValue", "uint32"),
    "QWORDValue": (REG_QWORD, "uValue", "uint64"),
    "BinaryValue": (REG_BINARY, "uValue", "uint8[]"),
}


def add_classes(repository: Repository, machine: Machine) -> None:
    """Put StdRegProv into both of its namespaces."""
    provider = _Provider(machine)
    methods: dict[str, Method] = {
        "CreateKey": Method(("hDefKey", "sSubKeyName"), provider.create_key),
        "DeleteKey": Method(("hDefKey", "sSubKeyName"), provider.delete_key),
        "EnumKey": Method(("hDefKey", "sSubKeyName"), provider.enum_key),
        "EnumValues": Method(("hDefKey", "sSubKeyName"), provider.enum_values),
        "DeleteValue": Method(("hDefKey", "sSubKeyName", "sValueName"), provider.delete_value),
        "CheckAccess": Method(("hDefKey", "sSubKeyName", "uRequired"), provider.check_access),
    }
    for suffix, (kind, name, cim_type) in _KINDS.items():
        key = ("hDefKey", "sSubKeyName", "sValueName")
        methods[f"Get{suffix}"] = Method(key, provider.getter(kind, name, cim_type))
        methods[f"Set{suffix}"] = Method((*key, name), provider.setter(kind, name))
    for namespace in ("root/cimv2", "root/default"):
        repository.add(CimClass(namespace, "StdRegProv", {}, methods=methods))


class _Provider:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._registry = machine.registry

    def create_key(self, call: Call) -> dict[str, CimValue]:
        path = _path(call)
        return self._guarded(lambda: self._create(path, call))

    def _create(self, path: str, call: Call) -> dict[str, CimValue]:
        self._registry.create(path)
        self._machine.wrote("registry", path, call.user)
        return returned(OK)

    def delete_key(self, call: Call) -> dict[str, CimValue]:
        path = _path(call)
        return self._guarded(lambda: self._delete_key(path, call))

    def _delete_key(self, path: str, call: Call) -> dict[str, CimValue]:
        key = self._registry.find(path)
        if key is None:
            return returned(KEY_MISSING)
        if key.keys:
            return returned(DENIED)
        self._registry.remove(path)
        self._machine.wrote("registry", f"delete {path}", call.user)
        return returned(OK)

    def enum_key(self, call: Call) -> dict[str, CimValue]:
        def names() -> dict[str, CimValue]:
            key = self._registry.find(_path(call))
            if key is None:
                return returned(KEY_MISSING, sNames=CimValue("string[]", None))
            return returned(OK, sNames=CimValue("string[]", [item.name for item in key.keys.values()] or None))

        return self._guarded(names)

    def enum_values(self, call: Call) -> dict[str, CimValue]:
        def values() -> dict[str, CimValue]:
            key = self._registry.find(_path(call))
            found = list(key.values.values()) if key is not None else []
            return returned(
                KEY_MISSING if key is None else OK,
                sNames=CimValue("string[]", [item.name for item in found] or None),
                Types=CimValue("sint32[]", [item.kind for item in found] or None),
            )

        return self._guarded(values)

    def delete_value(self, call: Call) -> dict[str, CimValue]:
        path, name = _path(call), call.parameters.text("sValueName") or ""

        def delete() -> dict[str, CimValue]:
            if not self._registry.remove_value(path, name):
                return returned(KEY_MISSING)
            self._machine.wrote("registry", f"delete {path}\\{name}", call.user)
            return returned(OK)

        return self._guarded(delete)

    def check_access(self, call: Call) -> dict[str, CimValue]:
        def check() -> dict[str, CimValue]:
            found = self._registry.find(_path(call)) is not None
            return returned(OK if found else KEY_MISSING, bGranted=CimValue("boolean", found))

        return self._guarded(check)

    def getter(self, kind: int, name: str, cim_type: str) -> Callable[[Call], dict[str, CimValue]]:
        """The method that reads one type of value."""

        def read(call: Call) -> dict[str, CimValue]:
            nothing = CimValue(cim_type, None)
            path = _path(call)
            try:
                key = self._registry.find(path)
            except RegistryAccessError:
                return returned(DENIED, **{name: nothing})
            if key is None:
                return returned(KEY_MISSING, **{name: nothing})
            value = key.values.get((call.parameters.text("sValueName") or "").lower())
            if value is None:
                return returned(VALUE_MISSING, **{name: nothing})
            strings = {REG_SZ, REG_EXPAND_SZ}
            if value.kind != kind and not (value.kind in strings and kind in strings):
                return returned(TYPE_MISMATCH, **{name: nothing})
            data: Any = value.data
            if kind == REG_EXPAND_SZ and isinstance(data, str):
                data = self._machine.expand(data)
            if isinstance(data, bytes):
                data = list(data)
            return returned(OK, **{name: CimValue(cim_type, data)})

        return read

    def setter(self, kind: int, name: str) -> Callable[[Call], dict[str, CimValue]]:
        """The method that writes one type of value."""

        def write(call: Call) -> dict[str, CimValue]:
            path, value_name = _path(call), call.parameters.text("sValueName") or ""
            data = _given(call, kind, name)

            def store() -> dict[str, CimValue]:
                if self._registry.find(path) is None:
                    return returned(KEY_MISSING)
                self._registry.write(path, value_name, kind, data)
                self._machine.wrote("registry", f"{path}\\{value_name}", call.user)
                return returned(OK)

            return self._guarded(store)

        return write

    def _guarded(self, action: Callable[[], dict[str, CimValue]]) -> dict[str, CimValue]:
        try:
            return action()
        except RegistryAccessError:
            return returned(DENIED)
        except RegistryPathError:
            return returned(KEY_MISSING)


def _path(call: Call) -> str:
    number = call.parameters.number("hDefKey")
    root = ROOT_NUMBERS.get(0x80000002 if number is None else number)
    if root is None:
        raise fault("invalid_parameters")
    below = re.sub(r"\\+", r"\\", call.parameters.text("sSubKeyName") or "").strip("\\")
    return f"{root}\\{below}" if below else root


def _given(call: Call, kind: int, name: str) -> Any:
    if kind in (REG_SZ, REG_EXPAND_SZ):
        return call.parameters.text(name) or ""
    if kind == REG_MULTI_SZ:
        return call.parameters.texts(name)
    if kind == REG_BINARY:
        return bytes(call.parameters.numbers(name, 255))
    highest = 0xFFFFFFFF if kind == REG_DWORD else 0xFFFFFFFFFFFFFFFF
    return call.parameters.number(name, highest) or 0

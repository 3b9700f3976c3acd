# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The WMI repository of a server: namespaces, classes with typed properties, and what can be asked of them.

A class is described once (name, keys, property types) and gives its instances on each question, so that an answer
always shows the server as it is at that moment. A query for a class also finds the instances of the classes below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import wql
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimFault, CimInstance, CimValue
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import RawParameters

Row = dict[str, Any]

# WMI's own texts for its errors (winerror names of wbemcli.h; the words are the system messages).
TEXTS = {
    "invalid_namespace": "The WMI service reported an invalid namespace. ",
    "invalid_class": "The WMI service reported that the class does not exist. ",
    "not_found": "The WS-Management service cannot find the requested resource. ",
    "access_denied": "Access is denied. ",
    "invalid_method": "The WMI service does not know this method. ",
    "invalid_parameters": "The parameter is incorrect. ",
    "provider_failure": "The WMI provider failed. ",
    "element_not_found": "Element not found. ",
}


def fault(kind: str, hresult: int | None = None) -> CimFault:
    """A fault with Windows' own text."""
    return CimFault(kind, TEXTS[kind], hresult)


class Parameters:
    """The in parameters of a method, found without regard to case and read by type."""

    def __init__(self, raw: RawParameters) -> None:
        self._raw = {name.lower(): values for name, values in raw.items()}

    def names(self) -> set[str]:
        """The names that were given, in lower case."""
        return set(self._raw)

    def text(self, name: str) -> str | None:
        """A string; None when it was left out or is null."""
        value = self._single(name)
        if isinstance(value, Mapping):
            raise fault("invalid_parameters")
        return None if value is None else str(value)

    def needed(self, name: str) -> str:
        """A string that has to be there."""
        value = self.text(name)
        if value is None:
            raise fault("invalid_parameters")
        return value

    def texts(self, name: str) -> list[str]:
        """An array of strings."""
        values = self._raw.get(name.lower(), [])
        if any(isinstance(value, Mapping) for value in values):
            raise fault("invalid_parameters")
        return [value or "" for value in values]

    def number(self, name: str, highest: int = 0xFFFFFFFF, lowest: int = 0) -> int | None:
        """An integer in its range; None when it was left out or is null."""
        value = self.text(name)
        if value is None:
            return None
        try:
            parsed = int(value.strip(), 10)
        except ValueError as error:
            raise fault("invalid_parameters") from error
        if not lowest <= parsed <= highest:
            raise fault("invalid_parameters")
        return parsed

    def numbers(self, name: str, highest: int) -> list[int]:
        """An array of integers."""
        found: list[int] = []
        for value in self.texts(name):
            number = Parameters({"one": [value]}).number("one", highest)
            found.append(0 if number is None else number)
        return found

    def flag(self, name: str) -> bool | None:
        """A boolean; None when it was left out or is null."""
        value = self.text(name)
        if value is None:
            return None
        truth = {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
        if truth is None:
            raise fault("invalid_parameters")
        return truth

    def _single(self, name: str) -> Any:
        values = self._raw.get(name.lower(), [])
        if len(values) > 1:
            raise fault("invalid_parameters")
        return values[0] if values else None


@dataclass(frozen=True)
class Call:
    """One method call: its parameters, the selectors that name the object, and who calls."""

    parameters: Parameters
    selectors: Mapping[str, str]
    user: str


@dataclass(frozen=True)
class Method:
    """A method: the names of its in parameters, and what it does."""

    parameters: tuple[str, ...]
    run: Callable[[Call], dict[str, CimValue]]
    static: bool = True


def _no_rows() -> Sequence[Row]:
    return ()


@dataclass(frozen=True)
class CimClass:
    """One class: where it is, its keys, its properties with their types, and how its instances are found."""

    namespace: str
    name: str
    properties: Mapping[str, str]
    keys: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    rows: Callable[[], Sequence[Row]] = _no_rows
    methods: Mapping[str, Method] = field(default_factory=dict)
    delete: Callable[[CimInstance, str], None] | None = None

    def instances(self) -> list[CimInstance]:
        """All instances, as they are now."""
        return [self.instance(row) for row in self.rows()]

    def instance(self, row: Row) -> CimInstance:
        """One instance; a property the row does not give is null."""
        return make_instance(self.namespace, self.name, self.properties, row, self.keys)

    def has(self, name: str) -> bool:
        """Whether it has this property."""
        return name.lower() in {own.lower() for own in self.properties}


def make_instance(
    namespace: str, name: str, properties: Mapping[str, str], row: Row, keys: tuple[str, ...] = ()
) -> CimInstance:
    """An instance with all properties of its class."""
    values = {own: CimValue(kind, row.get(own)) for own, kind in properties.items()}
    return CimInstance(name, namespace, values, keys)


class Repository:
    """The namespaces and classes of one server."""

    def __init__(self, namespaces: Sequence[str]) -> None:
        self._namespaces = {name.lower(): name for name in namespaces}
        self._classes: dict[tuple[str, str], CimClass] = {}
        self.missing_classes: set[str] = set()
        self.denied_namespaces: set[str] = set()

    def add(self, item: CimClass) -> None:
        """Add a class."""
        self._classes[item.namespace.lower(), item.name.lower()] = item

    def query(self, namespace: str, statement: str | None, class_name: str | None) -> list[CimInstance]:
        """Enumerate a class, or answer a WQL statement."""
        space = self._space(namespace)
        if statement is None:
            return self._all(space, class_name or "")
        parsed = wql.parse(statement)
        known = self._family(space, parsed.class_name)
        named = [*(parsed.properties or ()), *parsed.asked]
        for name in named:
            if not any(item.has(name) for item in known):
                raise wql.bad_query(f"{parsed.class_name} has no property {name}.")
        return parsed.apply([found for item in known for found in item.instances()])

    def get(self, namespace: str, class_name: str, selectors: Mapping[str, str]) -> CimInstance:
        """One instance by its keys; a singleton needs none."""
        return self._find(namespace, class_name, selectors)[1]

    def invoke(
        self, namespace: str, class_name: str, method: str, raw: RawParameters, selectors: Mapping[str, str], user: str
    ) -> dict[str, CimValue]:
        """Call a method."""
        item = self._class(self._space(namespace), class_name)
        found = next((own for name, own in item.methods.items() if name.lower() == method.lower()), None)
        if found is None:
            raise fault("invalid_method")
        parameters = Parameters(raw)
        known = {name.lower() for name in found.parameters}
        if not parameters.names() <= known:
            raise fault("invalid_parameters")
        plain = {key: value for key, value in selectors.items() if key.lower() != "__cimnamespace"}
        if not found.static:
            self._find(namespace, class_name, plain)
        return found.run(Call(parameters, plain, user))

    def delete(self, namespace: str, class_name: str, selectors: Mapping[str, str], user: str) -> None:
        """Delete one instance, where the class can."""
        item, instance = self._find(namespace, class_name, selectors)
        if item.delete is None:
            raise fault("access_denied")
        item.delete(instance, user)

    def _space(self, namespace: str) -> str:
        plain = namespace.replace("\\", "/").strip("/").lower()
        if plain not in self._namespaces:
            raise fault("invalid_namespace")
        if plain in self.denied_namespaces:
            raise fault("access_denied")
        return plain

    def _class(self, space: str, name: str) -> CimClass:
        item = self._classes.get((space, name.lower()))
        if item is None or name.lower() in self.missing_classes:
            raise fault("invalid_class")
        return item

    def _family(self, space: str, name: str) -> list[CimClass]:
        below = [
            item
            for (own_space, own_name), item in self._classes.items()
            if own_space == space
            and own_name not in self.missing_classes
            and (own_name == name.lower() or name.lower() in {parent.lower() for parent in item.parents})
        ]
        if not below:
            raise fault("invalid_class")
        return below

    def _all(self, space: str, name: str) -> list[CimInstance]:
        return [found for item in self._family(space, name) for found in item.instances()]

    def _find(self, namespace: str, class_name: str, selectors: Mapping[str, str]) -> tuple[CimClass, CimInstance]:
        space = self._space(namespace)
        wanted = {key.lower(): value for key, value in selectors.items() if key.lower() != "__cimnamespace"}
        family = self._family(space, class_name)
        for item in family:
            keys = {key.lower() for key in item.keys}
            if wanted and not set(wanted) <= keys:
                raise fault("invalid_parameters" if len(family) == 1 else "not_found")
            if keys - set(wanted) and not (not wanted and len(item.rows()) == 1 and not item.delete):
                continue
            for instance in item.instances():
                if all(_same(instance.value(key), value) for key, value in wanted.items()):
                    return item, instance
        if not wanted and any(item.keys for item in family):
            raise fault("invalid_parameters")
        raise fault("not_found")


def _same(own: Any, wanted: str) -> bool:
    return str(own).lower() == wanted.lower()

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry: keys, typed values, volatile keys that a restart removes, and keys that may not be read or written.

Names compare without case and keep the case they were created with. Paths start with a root (``HKLM`` or its long
form). Type numbers as StdRegProv reports them: 1 REG_SZ, 2 REG_EXPAND_SZ, 3 REG_BINARY, 4 REG_DWORD, 7 REG_MULTI_SZ,
11 REG_QWORD (microsoft/wmi: schema of a Server 2019).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

REG_SZ = 1
REG_EXPAND_SZ = 2
REG_BINARY = 3
REG_DWORD = 4
REG_MULTI_SZ = 7
REG_QWORD = 11

TYPE_NAMES = {
    REG_SZ: "REG_SZ",
    REG_EXPAND_SZ: "REG_EXPAND_SZ",
    REG_BINARY: "REG_BINARY",
    REG_DWORD: "REG_DWORD",
    REG_MULTI_SZ: "REG_MULTI_SZ",
    REG_QWORD: "REG_QWORD",
}

ROOTS = {
    "HKCR": "HKEY_CLASSES_ROOT",
    "HKCU": "HKEY_CURRENT_USER",
    "HKLM": "HKEY_LOCAL_MACHINE",
    "HKU": "HKEY_USERS",
    "HKCC": "HKEY_CURRENT_CONFIG",
}

ROOT_NUMBERS = {
    0x80000000: "HKEY_CLASSES_ROOT",
    0x80000001: "HKEY_CURRENT_USER",
    0x80000002: "HKEY_LOCAL_MACHINE",
    0x80000003: "HKEY_USERS",
    0x80000005: "HKEY_CURRENT_CONFIG",
}

RegistryData = str | int | bytes | list[str]


@dataclass
class RegistryValue:
    """One value: str for SZ and EXPAND_SZ, int for DWORD and QWORD, bytes for BINARY, list of str for MULTI_SZ."""

    name: str
    kind: int
    data: RegistryData


@dataclass
class RegistryKey:
    """One key; the value with the empty name is the default value."""

    name: str
    volatile: bool = False
    keys: dict[str, RegistryKey] = field(default_factory=dict)
    values: dict[str, RegistryValue] = field(default_factory=dict)


class RegistryAccessError(Exception):
    """The key may not be opened for this."""


class RegistryPathError(Exception):
    """The path does not begin with a root."""


class Registry:
    """The hive of one server."""

    def __init__(self) -> None:
        self._roots = {name: RegistryKey(name) for name in ROOTS.values()}
        self._denied_read: set[str] = set()
        self._denied_write: set[str] = set()

    def deny(self, path: str, *, reading: bool = True, writing: bool = True) -> None:
        """Refuse a key and what is below it."""
        plain = _joined(split(path))
        if reading:
            self._denied_read.add(plain)
        if writing:
            self._denied_write.add(plain)

    def allow_all(self) -> None:
        """Forget all refusals."""
        self._denied_read.clear()
        self._denied_write.clear()

    @contextmanager
    def as_windows(self) -> Iterator[None]:
        """Read and write as Windows itself does, which no access rule keeps out."""
        kept = self._denied_read, self._denied_write
        self._denied_read, self._denied_write = set(), set()
        try:
            yield
        finally:
            self._denied_read, self._denied_write = kept

    def find(self, path: str) -> RegistryKey | None:
        """The key, or None when it is not there.

        :raises RegistryAccessError: it, or a key above it, may not be read.
        :raises RegistryPathError: the path has no root.
        """
        parts = split(path)
        self._check(parts, self._denied_read)
        key: RegistryKey | None = self._roots[parts[0]]
        for part in parts[1:]:
            key = key.keys.get(part.lower()) if key is not None else None
        return key

    def create(self, path: str, *, volatile: bool = False) -> RegistryKey:
        """The key, made with all keys above it when it is not there."""
        parts = split(path)
        self._check(parts, self._denied_write)
        key = self._roots[parts[0]]
        for depth, part in enumerate(parts[1:], 2):
            below = key.keys.get(part.lower())
            if below is None:
                below = RegistryKey(part, volatile=volatile and depth == len(parts))
                key.keys[part.lower()] = below
            key = below
        return key

    def remove(self, path: str) -> bool:
        """Take a key away with everything below it; False when it was not there."""
        parts = split(path)
        self._check(parts, self._denied_write)
        if len(parts) == 1:
            raise RegistryAccessError(path)
        parent = self.find("\\".join(parts[:-1]))
        return parent is not None and parent.keys.pop(parts[-1].lower(), None) is not None

    def read(self, path: str, name: str) -> RegistryValue | None:
        """One value, or None when it or its key is not there."""
        key = self.find(path)
        return None if key is None else key.values.get(name.lower())

    def write(self, path: str, name: str, kind: int, data: RegistryData) -> None:
        """Set one value; keys that are missing are made."""
        self._check(split(path), self._denied_write)
        self.create(path).values[name.lower()] = RegistryValue(name, kind, data)

    def remove_value(self, path: str, name: str) -> bool:
        """Take one value away; False when it was not there."""
        self._check(split(path), self._denied_write)
        key = self.find(path)
        return key is not None and key.values.pop(name.lower(), None) is not None

    def text(self, path: str, name: str, value: str) -> None:
        """Set a REG_SZ."""
        self.write(path, name, REG_SZ, value)

    def number(self, path: str, name: str, value: int) -> None:
        """Set a REG_DWORD."""
        self.write(path, name, REG_DWORD, value)

    def forget_volatile(self) -> None:
        """What a restart does: volatile keys are gone."""
        for root in self._roots.values():
            _drop_volatile(root)

    def walk(self, path: str) -> Iterator[tuple[str, RegistryKey]]:
        """A key and all below it with their full paths, parents first."""
        key = self.find(path)
        if key is not None:
            yield from _walk(long_path(path), key)

    def _check(self, parts: list[str], denied: set[str]) -> None:
        for count in range(len(parts), 0, -1):
            if _joined(parts[:count]) in denied:
                raise RegistryAccessError("\\".join(parts))


def split(path: str) -> list[str]:
    """The parts of a path, the root in its long form first.

    :raises RegistryPathError: the first part is no root.
    """
    parts = [part for part in path.split("\\") if part] if path else []
    if not parts:
        raise RegistryPathError(path)
    root = ROOTS.get(parts[0].upper(), parts[0].upper())
    if root not in ROOTS.values():
        raise RegistryPathError(path)
    return [root, *parts[1:]]


def long_path(path: str) -> str:
    """The path with its root written out and its parts as given."""
    return "\\".join(split(path))


def _joined(parts: list[str]) -> str:
    return "\\".join(parts).lower()


def _drop_volatile(key: RegistryKey) -> None:
    for name in [name for name, below in key.keys.items() if below.volatile]:
        del key.keys[name]
    for below in key.keys.values():
        _drop_volatile(below)


def _walk(path: str, key: RegistryKey) -> Iterator[tuple[str, RegistryKey]]:
    yield path, key
    for below in list(key.keys.values()):
        yield from _walk(f"{path}\\{below.name}", below)

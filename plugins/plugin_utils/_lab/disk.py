# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a server: files and folders on drive C:, with access control lists and a limit to what fits.

Names compare without case. Paths are full Windows paths; ``normal`` makes one from what a person may type.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.principals import (
    ADMINISTRATORS,
    SYSTEM,
    TRUSTED_INSTALLER,
    USERS,
    AccessList,
    Entry,
    Principal,
    allows,
)

_INVALID = frozenset('<>"|?*')
DEVICES = frozenset({"nul", "con", "prn", "aux"})


class DiskError(Exception):
    """A file operation that Windows refuses; ``code`` is the Win32 error, the text is Windows' own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def not_found() -> DiskError:
    """Error 2."""
    return DiskError(2, "The system cannot find the file specified.")


def path_not_found() -> DiskError:
    """Error 3."""
    return DiskError(3, "The system cannot find the path specified.")


def denied() -> DiskError:
    """Error 5."""
    return DiskError(5, "Access is denied.")


def in_use() -> DiskError:
    """Error 32."""
    return DiskError(32, "The process cannot access the file because it is being used by another process.")


def disk_full() -> DiskError:
    """Error 112."""
    return DiskError(112, "There is not enough space on the disk.")


def bad_name() -> DiskError:
    """Error 123."""
    return DiskError(123, "The filename, directory name, or volume label syntax is incorrect.")


@dataclass
class Node:
    """A file (``content`` is bytes) or a folder (``content`` is None)."""

    name: str
    created: datetime
    modified: datetime
    content: bytes | None = None
    access: AccessList = field(default_factory=AccessList)
    below: dict[str, Node] = field(default_factory=dict)
    held_by: str | None = None  # who has it open so that nobody else may write or delete it

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.content is None


def normal(path: str, directory: str = "C:\\") -> str:
    """A full path without ``.``, ``..``, quotes or doubled backslashes.

    :raises DiskError: the name holds characters that Windows refuses, or names another drive.
    """
    plain = path.strip().strip('"').replace("/", "\\")
    if plain.startswith("\\\\?\\"):
        plain = plain[4:]
    if plain.startswith("\\\\"):
        raise DiskError(53, "The network path was not found.")
    if plain[1:2] == ":":
        drive, rest = plain[:2].upper(), plain[2:]
        if not rest.startswith("\\") and drive == directory[:2].upper():
            rest = f"{directory[2:]}\\{rest}"
    else:
        drive = directory[:2].upper()
        rest = plain if plain.startswith("\\") else f"{directory[2:]}\\{plain}"
    parts: list[str] = []
    for part in rest.split("\\"):
        cleaned = part.rstrip(" .") if part not in {".", ".."} else part
        if part == "..":
            parts = parts[:-1]
        elif cleaned and part != ".":
            if _INVALID & set(cleaned) or ":" in cleaned:
                raise bad_name()
            parts.append(cleaned)
    return f"{drive}\\" + "\\".join(parts)


class Disk:
    """Drive C: of one server."""

    def __init__(self, now: datetime, windows_directory: str) -> None:
        self._root = Node("C:", now, now)
        self._root.access = AccessList(list(_ROOT_ENTRIES), inherits=False)
        self.full = False
        for path in (
            windows_directory,
            f"{windows_directory}\\System32",
            f"{windows_directory}\\Temp",
            "C:\\ProgramData",
            "C:\\Users",
            "C:\\Users\\Public",
        ):
            self.make_folder(path, now)
        for path in ("C:\\Program Files", "C:\\Program Files (x86)", windows_directory):
            self.make_folder(path, now).access = AccessList(list(_PROGRAM_FILES_ENTRIES), inherits=False)

    def find(self, path: str) -> Node | None:
        """The file or folder at a full path, or None."""
        trail = self._trail(path)
        return trail[-1] if trail else None

    def make_folder(self, path: str, now: datetime, who: Principal | None = None) -> Node:
        """Make a folder and all above it; one that is there stays as it is.

        :raises DiskError: a file is in the way, or ``who`` may not write there.
        """
        node = self._start(path)
        here = "C:\\"
        for part in _parts(path):
            below = node.below.get(part.lower())
            if below is None:
                if who is not None and not allows(self.entries(here), who, writing=True):
                    raise denied()
                below = Node(part, now, now)
                node.below[part.lower()] = below
            elif not below.is_folder:
                raise DiskError(183, "Cannot create a file when that file already exists.")
            node = below
            here = f"{here}{part}\\"
        return node

    def read(self, path: str, who: Principal | None = None) -> bytes:
        """The content of a file."""
        node = self._file(path)
        if who is not None and not allows(self.entries(path), who, writing=False):
            raise denied()
        return node.content or b""

    def write(
        self, path: str, data: bytes, now: datetime, who: Principal | None = None, *, append: bool = False
    ) -> None:
        """Write a file, or add to it."""
        parent_path, name = path.rsplit("\\", 1)
        if name.lower() in DEVICES:
            return
        parent = self.find(parent_path + "\\" if parent_path.endswith(":") else parent_path)
        if parent is None or not parent.is_folder:
            raise path_not_found()
        node = parent.below.get(name.lower())
        if node is not None and node.is_folder:
            raise denied()
        if node is not None and node.held_by is not None:
            raise in_use()
        if who is not None:
            target = path if node is not None else parent_path
            if not allows(self.entries(target), who, writing=True):
                raise denied()
        if self.full and data:
            if node is None:
                parent.below[name.lower()] = Node(name, now, now, b"")
            raise disk_full()
        if node is None:
            node = Node(name, now, now, b"")
            parent.below[name.lower()] = node
        node.content = (node.content or b"") + data if append else data
        node.modified = now

    def remove(self, path: str, who: Principal | None = None, *, tree: bool = False) -> None:
        """Delete a file, an empty folder, or (``tree``) a folder with what it holds."""
        trail = self._trail(path)
        if not trail or len(trail) < 2:
            raise not_found()
        node, parent = trail[-1], trail[-2]
        if any(item.held_by is not None for item in _all_below(node)):
            raise in_use()
        if who is not None and not allows(self.entries(path), who, writing=True):
            raise denied()
        if node.is_folder and node.below and not tree:
            raise DiskError(145, "The directory is not empty.")
        del parent.below[node.name.lower()]

    def move(self, source: str, target: str, now: datetime, who: Principal | None = None) -> None:
        """Rename; a file at the target is replaced."""
        node = self.find(source)
        if node is None:
            raise not_found()
        if node.held_by is not None:
            raise in_use()
        parent_path, name = target.rsplit("\\", 1)
        parent = self.find(parent_path + "\\" if parent_path.endswith(":") else parent_path)
        if parent is None or not parent.is_folder:
            raise path_not_found()
        for checked in (source, parent_path):
            if who is not None and not allows(self.entries(checked), who, writing=True):
                raise denied()
        there = parent.below.get(name.lower())
        if there is not None and (there.is_folder or there.held_by is not None):
            raise denied() if there.is_folder else in_use()
        trail = self._trail(source)
        del trail[-2].below[node.name.lower()]
        node.name = name
        node.modified = now
        parent.below[name.lower()] = node

    def entries(self, path: str) -> list[Entry]:
        """The access entries that count on an object, its own first."""
        return [entry for entry, _inherited in self.entries_shown(path)]

    def entries_shown(self, path: str) -> list[tuple[Entry, bool]]:
        """The same with whether each one is inherited."""
        trail = self._trail(path)
        if not trail:
            raise not_found()
        effective: list[tuple[Entry, bool]] = []
        for node in trail:
            handed_down: list[tuple[Entry, bool]] = []
            if node.access.inherits:
                for entry, _inherited in effective:
                    child = entry.for_child(container=node.is_folder)
                    if child is not None:
                        handed_down.append((child, True))
            effective = [(entry, False) for entry in node.access.entries] + handed_down
        return effective

    def walk(self, path: str) -> Iterator[tuple[str, Node]]:
        """An object and all below it with their full paths."""
        node = self.find(path)
        if node is not None:
            yield from _walk(path.rstrip("\\"), node)

    def release_all(self) -> None:
        """No file is held open any more (a restart)."""
        for item in _all_below(self._root):
            item.held_by = None

    def _file(self, path: str) -> Node:
        node = self.find(path)
        if node is None:
            trail = self._trail(path.rsplit("\\", 1)[0] + "\\")
            raise not_found() if trail else path_not_found()
        if node.is_folder:
            raise denied()
        return node

    def _start(self, path: str) -> Node:
        if path[:2].upper() != "C:":
            raise DiskError(15, "The system cannot find the drive specified.")
        return self._root

    def _trail(self, path: str) -> list[Node]:
        if path[:2].upper() != "C:":
            return []
        trail = [self._root]
        for part in _parts(path):
            below = trail[-1].below.get(part.lower())
            if below is None:
                return []
            trail.append(below)
        return trail


def _parts(path: str) -> list[str]:
    return [part for part in path[2:].split("\\") if part]


def _walk(path: str, node: Node) -> Iterator[tuple[str, Node]]:
    yield path, node
    for below in sorted(node.below.values(), key=lambda item: item.name.lower()):
        yield from _walk(f"{path}\\{below.name}", below)


def _all_below(node: Node) -> Iterator[Node]:
    yield node
    for below in node.below.values():
        yield from _all_below(below)


_ROOT_ENTRIES = (
    Entry(SYSTEM, "F", ("OI", "CI")),
    Entry(ADMINISTRATORS, "F", ("OI", "CI")),
    Entry(USERS, "RX", ("OI", "CI")),
    Entry(USERS, "AD", ("CI",)),
    Entry(USERS, "WD", ("CI", "IO")),
    Entry("S-1-3-0", "F", ("OI", "CI", "IO")),
)

_PROGRAM_FILES_ENTRIES = (
    Entry(TRUSTED_INSTALLER, "F"),
    Entry(TRUSTED_INSTALLER, "F", ("CI", "IO")),
    Entry(SYSTEM, "M"),
    Entry(SYSTEM, "F", ("OI", "CI", "IO")),
    Entry(ADMINISTRATORS, "M"),
    Entry(ADMINISTRATORS, "F", ("OI", "CI", "IO")),
    Entry(USERS, "RX"),
    Entry(USERS, "GR,GE", ("OI", "CI", "IO")),
    Entry("S-1-3-0", "F", ("OI", "CI", "IO")),
    Entry("S-1-15-2-1", "RX"),
    Entry("S-1-15-2-1", "GR,GE", ("OI", "CI", "IO")),
)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""reg.exe: query, add and delete, with the text that the real one prints (Microsoft Learn, "reg query"; general
knowledge).
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import (
    REG_BINARY,
    REG_DWORD,
    REG_EXPAND_SZ,
    REG_MULTI_SZ,
    REG_QWORD,
    REG_SZ,
    ROOTS,
    TYPE_NAMES,
    Registry,
    RegistryAccessError,
    RegistryData,
    RegistryKey,
    RegistryPathError,
    RegistryValue,
    split,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Call, switches

NOT_FOUND = "ERROR: The system was unable to find the specified registry key or value.\r\n"
DENIED = "ERROR: Access is denied.\r\n"
SUCCESS = "The operation completed successfully.\r\n"

_VIEWS = {"reg:32": False, "reg:64": False}
#: Switches of query, and whether a value follows; /f searches, in data (/d), in names of keys (/k) and of values.
_QUERY = {
    **dict.fromkeys(("v", "t", "se", "f"), True),
    **dict.fromkeys(("ve", "s", "z", "d", "k", "e", "c"), False),
    **_VIEWS,
}
_KINDS = {name: kind for kind, name in TYPE_NAMES.items()}


def reg(call: Call) -> int:
    """The program."""
    words = call.words
    if not words:
        return _syntax(call, "")
    command, rest = words[0].lower(), words[1:]
    verb = {"query": _query, "add": _add, "delete": _delete}.get(command)
    if verb is None:
        call.err('ERROR: Invalid syntax.\r\nType "REG /?" for usage.\r\n')
        return 1
    try:
        return verb(call, rest)
    except RegistryAccessError:
        call.err(DENIED)
        return 1
    except RegistryPathError:
        call.err('ERROR: Invalid key name.\r\nType "REG ' + command.upper() + ' /?" for usage.\r\n')
        return 1


def _syntax(call: Call, command: str) -> int:
    call.err(f'ERROR: Invalid syntax.\r\nType "REG {command} /?" for usage.\r\n'.replace("REG  /?", "REG /?"))
    return 1


def _shown_path(path: str) -> str:
    root, mark, rest = path.strip("\\").partition("\\")
    return f"{ROOTS.get(root.upper(), root.upper())}{mark}{rest}"


def _query(call: Call, words: list[str]) -> int:
    parsed = switches(words, _QUERY)
    if parsed is None or len(parsed[1]) != 1:
        return _syntax(call, "QUERY")
    options, (path,) = parsed
    registry = call.machine.registry
    key = registry.find(path)
    if key is None:
        call.err(NOT_FOUND)
        return 1
    wanted = "" if "ve" in options else options.get("v")
    shown = _shown_path(path)
    if "f" in options:
        return _search(call, shown, key, options)
    if wanted is not None:
        return _query_value(call, shown, key, wanted, options)
    call.out("\r\n")
    lines = [_value_line(value, options) for value in key.values.values()]
    if lines:
        call.out(f"{shown}\r\n{''.join(lines)}\r\n")
    for below, item in _readable(registry, shown, key, deep="s" in options):
        call.out(f"{below}\r\n")
        if "s" in options:
            call.out("".join(_value_line(value, options) for value in item.values.values()) + "\r\n")
    return 0


def _search(call: Call, shown: str, key: RegistryKey, options: dict[str, str]) -> int:
    wanted = options["f"] if "c" in options else options["f"].lower()
    in_all = not {"d", "k"} & set(options)

    def fits(text: str) -> bool:
        plain = text if "c" in options else text.lower()
        return plain == wanted if "e" in options else wanted in plain

    count = 0
    places = [(shown, key)]
    places += _readable(call.machine.registry, shown, key, deep=True) if "s" in options else []
    for path, item in places:
        named = ("k" in options or in_all) and fits(item.name)
        lines = [
            _value_line(value, options)
            for value in item.values.values()
            if (("d" in options or in_all) and fits(str(value.data))) or (in_all and fits(value.name))
        ]
        count += len(lines) + named
        if lines or named:
            call.out(f"\r\n{path}\r\n{''.join(lines)}")
    call.out(f"\r\nEnd of search: {count} match(es) found.\r\n")
    return 0 if count else 1


def _query_value(call: Call, shown: str, key: RegistryKey, wanted: str, options: dict[str, str]) -> int:
    found: list[tuple[str, RegistryValue]] = []
    value = key.values.get(wanted.lower())
    if value is not None:
        found.append((shown, value))
    if "s" in options:
        for below, item in _readable(call.machine.registry, shown, key, deep=True):
            other = item.values.get(wanted.lower())
            if other is not None:
                found.append((below, other))
        for path, item_value in found:
            call.out(f"\r\n{path}\r\n{_value_line(item_value, options)}")
        call.out(f"\r\nEnd of search: {len(found)} match(es) found.\r\n")
        return 0 if found else 1
    if value is None and wanted == "":
        call.out(f"\r\n{shown}\r\n    (Default)    REG_SZ    (value not set)\r\n\r\n")
        return 0
    if value is None:
        call.err(NOT_FOUND)
        return 1
    call.out(f"\r\n{shown}\r\n{_value_line(value, options)}\r\n")
    return 0


def _readable(registry: Registry, path: str, key: RegistryKey, *, deep: bool) -> Iterator[tuple[str, RegistryKey]]:
    """The keys below one, those left out that may not be read."""
    for item in list(key.keys.values()):
        below = f"{path}\\{item.name}"
        yield below, item
        if not deep:
            continue
        try:
            registry.find(below)
        except RegistryAccessError:
            continue
        yield from _readable(registry, below, item, deep=True)


def _value_line(value: RegistryValue, options: dict[str, str]) -> str:
    separator = options.get("se") or "\\0"
    kind = TYPE_NAMES[value.kind] + (f" ({value.kind})" if "z" in options else "")
    return f"    {value.name or '(Default)'}    {kind}    {data_text(value, separator)}\r\n"


def data_text(value: RegistryValue, separator: str = "\\0") -> str:
    """A value as reg.exe prints it: numbers in hexadecimal, strings of a list joined by a written-out zero."""
    data = value.data
    if isinstance(data, bytes):
        return data.hex().upper()
    if isinstance(data, list):
        return separator.join(data)
    return f"0x{data:x}" if isinstance(data, int) else data


def _add(call: Call, words: list[str]) -> int:
    known = {"v": True, "ve": False, "t": True, "d": True, "f": False, "s": True, **_VIEWS}
    parsed = switches(words, known)
    if parsed is None or len(parsed[1]) != 1:
        return _syntax(call, "ADD")
    options, (path,) = parsed
    split(path)
    registry = call.machine.registry
    name = options.get("v", "")
    kind = _KINDS.get(options.get("t", "REG_SZ").upper())
    data = None if kind is None else _data(kind, options.get("d", ""), options.get("s", "\\0"))
    if kind is None or data is None:
        return _syntax(call, "ADD")
    if "v" in options or "ve" in options or "d" in options:
        if registry.read(path, name) is not None and "f" not in options:
            call.out(f"Value {name} exists, overwrite(Yes/No)? The operation was cancelled by the user.\r\n")
            return 1
        registry.write(path, name, kind, data)
    else:
        registry.create(path)
    call.wrote("registry", f"{_shown_path(path)}\\{name}")
    call.out(SUCCESS)
    return 0


def _data(kind: int, text: str, separator: str) -> RegistryData | None:
    if kind in (REG_SZ, REG_EXPAND_SZ):
        return text
    if kind == REG_MULTI_SZ:
        return text.split(separator) if text else []
    try:
        if kind == REG_BINARY:
            return bytes.fromhex(text)
        number = int(text or "0", 0)
    except ValueError:
        return None
    limit = 0xFFFFFFFF if kind == REG_DWORD else 0xFFFFFFFFFFFFFFFF
    return number if kind in (REG_DWORD, REG_QWORD) and 0 <= number <= limit else None


def _delete(call: Call, words: list[str]) -> int:
    parsed = switches(words, {"v": True, "ve": False, "va": False, "f": False, **_VIEWS})
    if parsed is None or len(parsed[1]) != 1:
        return _syntax(call, "DELETE")
    options, (path,) = parsed
    registry = call.machine.registry
    key = registry.find(path)
    name = "" if "ve" in options else options.get("v")
    if key is None or (name is not None and name.lower() not in key.values):
        call.err(NOT_FOUND)
        return 1
    if "f" not in options:
        call.out(f"Permanently delete the registry key {_shown_path(path)} (Yes/No)? ")
        call.out("The operation was cancelled by the user.\r\n")
        return 1
    if name is not None:
        registry.remove_value(path, name)
    elif "va" in options:
        for own in list(key.values):
            registry.remove_value(path, own)
    else:
        registry.remove(path)
    call.wrote("registry", f"delete {_shown_path(path)}{'' if name is None else chr(92) + name}")
    call.out(SUCCESS)
    return 0

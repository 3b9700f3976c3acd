# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Readers of what Windows' own programs print: ``reg query``, ``sc query``, ``azcmagent show -j``.

Nothing here trusts the text: what cannot be read is None. Words that Windows translates are never looked at, with the
exception of service states, which it does not translate.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any

_VALUE = re.compile(r"^ {4}(.+?) {4}(REG_[A-Z_]+)(?: {4}(.*))?$")
_STATE = re.compile(r":\s+[1-7]\s+(STOPPED|START_PENDING|STOP_PENDING|RUNNING|CONTINUE_PENDING|PAUSE_PENDING|PAUSED)\b")
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: .*)?", re.ASCII)

#: The longest text taken from the agent; a real document has two or three thousand characters.
_MAX_AGENT_TEXT = 256 * 1024


@dataclass
class RegistryText:
    """What ``reg query`` printed: the values of each key, and which keys were named; compared without case."""

    values: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def has_key(self, path: str) -> bool:
        """Whether the key was named."""
        return path.lower() in self.keys

    def text(self, path: str, name: str) -> str | None:
        """A text value; None when absent or of another type."""
        kind, data = self.values.get(path.lower(), {}).get(name.lower(), ("", ""))
        return data if kind in ("REG_SZ", "REG_EXPAND_SZ") else None

    def number(self, path: str, name: str) -> int | None:
        """A REG_DWORD or REG_QWORD, printed in hexadecimal; None when absent or anything else."""
        kind, data = self.values.get(path.lower(), {}).get(name.lower(), ("", ""))
        if kind not in ("REG_DWORD", "REG_QWORD") or not re.fullmatch(r"0x[0-9a-fA-F]{1,16}", data.strip()):
            return None
        return int(data, 16)

    def texts(self, path: str, name: str) -> list[str] | None:
        """A REG_MULTI_SZ, printed with ``\\0`` between its items; empty items are kept. None when absent."""
        kind, data = self.values.get(path.lower(), {}).get(name.lower(), ("", ""))
        if kind != "REG_MULTI_SZ":
            return None
        return data.split("\\0") if data else []


def read_registry(text: str) -> RegistryText:
    """The output of ``reg query``: keys in the first column, values indented, fields parted by four blanks.

    A value whose data has several lines keeps the first; its other lines are passed over.
    """
    found = RegistryText()
    key = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.upper().startswith("HKEY_"):
            key = line.strip().lower()
            found.keys.add(key)
        elif value := _VALUE.match(line):
            found.values.setdefault(key, {})[value[1].strip().lower()] = (value[2], value[3] or "")
    return found


def read_service(text: str) -> str | None:
    """``running``, ``stopped`` or ``absent`` from ``sc query`` (error 1060: no such service), else None."""
    if state := _STATE.search(text):
        return "running" if state[1] == "RUNNING" else "stopped"
    return "absent" if re.search(r"\b1060\b", text) else None


def read_agent(text: str) -> dict[str, str | None] | None:
    """The top-level texts of ``azcmagent show -j``, by lower-case key; None when the text holds no JSON object.

    Log lines around the document are allowed. Empty texts become None; lists and objects are left out.
    """
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start or end - start > _MAX_AGENT_TEXT:
        return None
    try:
        document: Any = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    return {
        str(key).lower(): (clean(str(value)) or None) if value is not None else None
        for key, value in document.items()
        if value is None or isinstance(value, (str, int, float))
    }


def clean(text: str, limit: int = 400) -> str:
    """Text from the server fit to be shown and kept: no control characters, single blanks, cut."""
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text[: limit * 4]).split())[:limit]


def read_installed_on(text: str | None) -> str | None:
    """The ISO date of Win32_QuickFixEngineering.InstalledOn, which is M/d/yyyy in every locale (raw WMI value)."""
    found = _US_DATE.fullmatch((text or "").strip())
    if not found:
        return None
    try:
        return date(int(found[3]), int(found[1]), int(found[2])).isoformat()
    except ValueError:
        return None

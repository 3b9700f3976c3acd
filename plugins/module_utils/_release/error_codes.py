# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What a code of Windows Update, servicing or Windows means, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes_agent import ROWS as AGENT
from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes_services import ROWS as SERVICES
from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes_system import ROWS as SYSTEM
from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_sources import FIX, RETRY, STOP, Row

_ROWS: dict[int, Row] = {row[0]: row for row in (*AGENT, *SERVICES, *SYSTEM)}
_HEX = re.compile(r"0x([0-9a-f]{1,8})", re.IGNORECASE | re.ASCII)
_IN_WORDS = re.compile(r"\b0x[89a-f][0-9a-f]{7}\b", re.IGNORECASE)
_DECIMAL = re.compile(r"-?\d{1,10}", re.ASCII)
# HRESULT facilities (winerror.h) that tell at least where an unlisted code comes from.
_FACILITIES = {
    0x8007: "a Windows system error",
    0x8024: "an error of the Windows Update agent",
    0x800F: "an error of Windows servicing or setup",
    0x8020: "an error of the background transfer service (BITS)",
    0x8019: "an HTTP error of the background transfer service (BITS)",
    0x80D0: "an error of Delivery Optimization",
    0x8004: "an error of a Windows component",
}


@dataclass(frozen=True)
class ErrorText:
    """A code in words.

    :param code: ``0x80240016``.
    :param error_class: ``retry``, ``fix`` or ``stop``; an unlisted failure is ``stop``, because nobody knows better.
    :param known: whether the code is in the tables.
    """

    code: str
    name: str
    meaning: str
    error_class: str
    remedy: str | None
    source: str
    known: bool

    @property
    def retryable(self) -> bool:
        return self.error_class == RETRY

    @property
    def sentence(self) -> str:
        """``0x80240016 (WU_E_INSTALL_NOT_ALLOWED): ...``"""
        label = f"{self.code} ({self.name})" if self.name else self.code
        return f"{label}: {self.meaning}."

    def as_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "name": self.name,
            "meaning": self.meaning,
            "class": self.error_class,
            "remedy": self.remedy,
            "source": self.source,
            "known": self.known,
        }


def describe(hresult: int | str) -> ErrorText:
    """The text of a code given signed, unsigned, as decimal text or as hex text (``0x80240016``).

    A code that is in no table still gets an honest text; so does something that is no code.
    """
    number = _number(hresult)
    if number is None:
        return ErrorText(str(hresult)[:40], "", "This is not a Windows error code", STOP, None, "", False)
    code = f"0x{number:08X}"
    row = _ROWS.get(number)
    if row is not None:
        _code, name, meaning, error_class, remedy, source = row
        return ErrorText(code, name, meaning, error_class, remedy, source, True)
    if not number & 0x80000000:
        return ErrorText(code, "", "A success code that this collection does not know", STOP, None, "", False)
    family = _FACILITIES.get(number >> 16, "an error")
    meaning = f"{family[0].upper()}{family[1:]} that this collection does not know"
    remedy = f"Search Microsoft's documentation for {code}, and look into the server's Windows Update and CBS logs."
    return ErrorText(code, "", meaning, STOP, remedy, "", False)


def codes_in(text: str) -> tuple[ErrorText, ...]:
    """The failures that somebody else's words name (``0x80240016``), each once, in their order."""
    return tuple(describe(code) for code in dict.fromkeys(each.upper() for each in _IN_WORDS.findall(text)))


def known_codes() -> frozenset[int]:
    """Every listed code, unsigned."""
    return frozenset(_ROWS)


def _number(hresult: int | str) -> int | None:
    if isinstance(hresult, int):
        value = hresult
    else:
        text = hresult.strip()
        in_hex = _HEX.fullmatch(text)
        if in_hex:
            value = int(in_hex.group(1), 16)
        elif _DECIMAL.fullmatch(text):
            value = int(text)
        else:
            return None
    if not -0x80000000 <= value <= 0xFFFFFFFF:
        return None
    return value & 0xFFFFFFFF


__all__ = ["FIX", "RETRY", "STOP", "ErrorText", "codes_in", "describe", "known_codes"]

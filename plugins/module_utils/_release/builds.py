# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Windows build numbers: a major build (26100) and a revision (UBR, 7092)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"(?:\d{1,2}\.\d{1,2}\.)?(\d{4,6})\.(\d{1,7})", re.ASCII)


@dataclass(frozen=True, order=True)
class Build:
    """One build of Windows. The order is only meaningful inside one product and never proves a track by itself."""

    major: int
    ubr: int

    def __str__(self) -> str:
        return f"{self.major}.{self.ubr}"

    @classmethod
    def parse(cls, text: str) -> Build:
        """Read ``26100.7092`` or ``10.0.26100.7092``.

        :raises ValueError: the text has another form.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"'{text}' is not a Windows build; a build looks like 26100.7092")
        return cls(int(match.group(1)), int(match.group(2)))

    @classmethod
    def read(cls, text: str | None) -> Build | None:
        """Like :meth:`parse`, but None for a missing text or one of another form."""
        if text is None or _FORM.fullmatch(text.strip()) is None:
            return None
        return cls.parse(text)

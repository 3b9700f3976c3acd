# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

#: The last column is wrapped so that a line keeps to this many characters.
WIDTH = 150
_MIN_LAST = 40


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]], width: int = WIDTH) -> list[str]:
    """The lines of a table with left-aligned columns; the last column is wrapped, the others never.

    Control characters, which a hostile server could send, are shown as a question mark.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(head), *cells]) for column in range(len(head))]
    left = sum(widths[:-1]) + 2 * (len(head) - 1)
    room = max(_MIN_LAST, width - left)
    lines = [_line(head, widths)]
    for row in cells:
        pieces = _wrapped(row[-1], room)
        lines.append(_line([*row[:-1], pieces[0]], widths))
        lines += [" " * left + piece for piece in pieces[1:]]
    return lines


def printable(text: str) -> str:
    """The text on one line, without control characters."""
    return "".join(char if char.isprintable() else "?" for char in text.replace("\n", " "))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    fixed = [cell.ljust(width) for cell, width in zip(cells[:-1], widths[:-1], strict=True)]
    return "  ".join([*fixed, cells[-1]]).rstrip()


def _wrapped(text: str, room: int) -> list[str]:
    lines: list[str] = []
    current = ""
    for word in text.split():
        if current and len(current) + 1 + len(word) > room:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}" if current else word
    return [*lines, current] if current or not lines else lines

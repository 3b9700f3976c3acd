# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines cut into arguments, by the rule of the Microsoft C runtime (Microsoft Learn, "Parsing C command-line
arguments").
"""

from __future__ import annotations


def split_arguments(text: str) -> list[str]:
    """The arguments of a program."""
    found: list[str] = []
    current: list[str] = []
    started = False
    quoted = False
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\":
            count = 0
            while position < len(text) and text[position] == "\\":
                count += 1
                position += 1
            started = True
            if position < len(text) and text[position] == '"':
                current.append("\\" * (count // 2))
                if count % 2:
                    current.append('"')
                    position += 1
            else:
                current.append("\\" * count)
            continue
        if char == '"':
            if quoted and text[position + 1 : position + 2] == '"':
                current.append('"')
                position += 1
            else:
                quoted = not quoted
            started = True
        elif char in " \t" and not quoted:
            if started:
                found.append("".join(current))
                current, started = [], False
        else:
            current.append(char)
            started = True
        position += 1
    if started:
        found.append("".join(current))
    return found


def first_word(text: str) -> tuple[str, str]:
    """The program that a command line names, without quotes, and the rest as it stands."""
    plain = text.lstrip(" \t,;=")
    if plain.startswith('"'):
        end = plain.find('"', 1)
        if end < 0:
            return plain[1:], ""
        return plain[1:end], plain[end + 1 :]
    for position, char in enumerate(plain):
        if char in " \t,;=":
            return plain[:position], plain[position:]
    return plain, ""

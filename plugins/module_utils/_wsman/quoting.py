# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The only places where text is put into WQL or into a Windows command line."""

from __future__ import annotations

import re

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Words cmd.exe and every C runtime take as they are: no blank, no quote, none of cmd's own marks and separators.
_PLAIN = re.compile(r"[A-Za-z0-9_.:\\/+@#~{}\[\]$*?-]+")
_CMD_MARKS = re.compile(r'[()^"<>&|]')


def wql_literal(text: str) -> str:
    """``text`` as a WQL string literal, its quotes included.

    WQL escapes with a backslash, so a backslash is doubled (WMI SDK, "WQL-supported ... / LIKE operator" pages).

    :raises InvalidInput: on control characters, which no key of a WMI instance holds.
    """
    _refuse_control(text, "a WQL query")
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def quote_argument(argument: str, *, always: bool = False) -> str:
    """One argument so that a program's argv holds exactly it (rules of CommandLineToArgvW and the C runtime).

    Backslashes are literal unless a quote follows them: there, and before the closing quote, they are doubled.

    :param always: put it in quotes even when it needs none.
    :raises InvalidInput: on NUL, which ends a command line.
    """
    if "\x00" in argument:
        raise InvalidInput("An argument of a command holds a NUL character, which Windows cannot pass.")
    if not always and argument and not re.search(r'[ \t\n\v"]', argument):
        return argument
    doubled = re.sub(r'(\\*)"', r"\1\1\\" + '"', argument)
    tail = len(doubled) - len(doubled.rstrip("\\"))
    return f'"{doubled}{doubled[len(doubled) - tail :]}"'


def cmd_quote(argument: str) -> str:
    """One argument safe from cmd.exe as well as from the program's own parsing.

    In quotes cmd.exe takes ``& | < > ( ) ^`` literally. An argument that itself holds a quote would end them, so
    there every mark, the quotes included, gets a caret instead and cmd.exe never enters a quoted part.

    :raises InvalidInput: on what cannot be made safe on a ``cmd /c`` line: control characters, ``%`` (expanded even
        in quotes) and ``!`` (expanded where delayed expansion is switched on by policy).
    """
    _refuse_control(argument, "a command line")
    for mark in "%!":
        if mark in argument:
            raise InvalidInput(
                f"The argument {argument!r} of a command holds {mark!r}, which cmd.exe may expand and which cannot be "
                "made safe.",
                hint=f"Use a name or a path without {mark}.",
            )
    if _PLAIN.fullmatch(argument):
        return argument
    quoted = quote_argument(argument, always=True)
    if '"' not in argument:
        return quoted
    return _CMD_MARKS.sub(lambda found: "^" + found[0], quoted)


def _refuse_control(text: str, where: str) -> None:
    if _CONTROL.search(text):
        raise InvalidInput(f"The text {text!r} holds control characters and cannot be put into {where}.")

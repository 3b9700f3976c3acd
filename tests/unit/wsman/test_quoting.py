# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WQL literals and Windows command lines, against parsers written here from Microsoft's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.quoting import (
    cmd_quote,
    quote_argument,
    wql_literal,
)


def argv(line: str) -> list[str]:
    """CommandLineToArgvW for what follows the program: backslashes count only before a quote; "" inside quotes is a
    quote.
    """
    arguments: list[str] = []
    current: list[str] | None = None
    quoted = False
    position = 0
    while position < len(line):
        mark = line[position]
        if mark in " \t" and not quoted:
            if current is not None:
                arguments.append("".join(current))
                current = None
            position += 1
            continue
        current = [] if current is None else current
        if mark == "\\":
            end = position
            while end < len(line) and line[end] == "\\":
                end += 1
            count = end - position
            if end < len(line) and line[end] == '"':
                current.append("\\" * (count // 2))
                if count % 2:
                    current.append('"')
                    end += 1
            else:
                current.append("\\" * count)
            position = end
        elif mark == '"':
            if quoted and line[position + 1 : position + 2] == '"':
                current.append('"')
                position += 2
            else:
                quoted = not quoted
                position += 1
        else:
            current.append(mark)
            position += 1
    if current is not None:
        arguments.append("".join(current))
    return arguments


def through_cmd(line: str) -> str:
    """The line a program gets from cmd.exe: quotes suspend its marks, carets outside them take away one mark's meaning.

    Fails on a mark that would act: a second command, a pipe, a redirection, a group.
    """
    out: list[str] = []
    quoted = False
    position = 0
    while position < len(line):
        mark = line[position]
        assert mark not in "%!\r\n\x00", f"{mark!r} would be expanded or end the line in {line!r}"
        if mark == '"':
            quoted = not quoted
            out.append(mark)
        elif mark == "^" and not quoted:
            position += 1
            assert position < len(line), "a caret at the end asks for another line"
            out.append(line[position])
        else:
            assert quoted or mark not in "&|<>()", f"{mark!r} acts in {line!r}"
            out.append(mark)
        position += 1
    assert not quoted, "an open quote"
    return "".join(out)


@pytest.mark.parametrize(
    ("argument", "written"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("C:\\Program Files\\", '"C:\\Program Files\\\\"'),
        ("C:\\temp\\", "C:\\temp\\"),
        ('a\\"b', '"a\\\\\\"b"'),
        ("tab\there", '"tab\there"'),
    ],
)
def test_one_argument_is_written_as_the_c_runtime_reads_it(argument: str, written: str) -> None:
    assert quote_argument(argument) == written
    assert argv(written) == [argument]


@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20), max_size=5
    )
)
def test_any_arguments_come_back_from_the_line(arguments: list[str]) -> None:
    assert argv(" ".join(quote_argument(argument) for argument in arguments)) == arguments


@given(st.lists(st.text(alphabet="ab \\\"&|<>()^'=,;$*~", max_size=14), max_size=4))
def test_nothing_in_an_argument_acts_in_cmd(arguments: list[str]) -> None:
    line = "program.exe " + " ".join(cmd_quote(argument) for argument in arguments)
    assert argv(through_cmd(line)) == ["program.exe", *arguments]


@pytest.mark.parametrize(
    ("argument", "written"),
    [
        ("-hashfile", "-hashfile"),
        ("C:\\Windows\\x.ps1", "C:\\Windows\\x.ps1"),
        ("C:\\Program Files\\x", '"C:\\Program Files\\x"'),
        ("a&calc", '"a&calc"'),
        ('a" & calc', '^"a\\^" ^& calc^"'),
        ("name=value", '"name=value"'),
        ("", '""'),
    ],
)
def test_cmd_arguments_as_written(argument: str, written: str) -> None:
    assert cmd_quote(argument) == written


@pytest.mark.parametrize(
    "argument", ["%PATH%", "100%", "wow!", "two\nlines", "cr\rhere", "nul\x00", "bell\x07", "tab\t"]
)
def test_what_cannot_be_made_safe_is_refused(argument: str) -> None:
    with pytest.raises(InvalidInput):
        cmd_quote(argument)


def test_nul_is_refused_in_a_plain_argument() -> None:
    with pytest.raises(InvalidInput):
        quote_argument("a\x00b")


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("himds", "'himds'"),
        ("O'Brien", "'O\\'Brien'"),
        ("\\winops\\", "'\\\\winops\\\\'"),
        ("C:\\x\\y", "'C:\\\\x\\\\y'"),
        ("' OR 1=1 --", "'\\' OR 1=1 --'"),
        ('say "hi"', "'say \"hi\"'"),
    ],
)
def test_wql_literals(text: str, literal: str) -> None:
    assert wql_literal(text) == literal


@given(st.text(alphabet="ab'\\\" %_", max_size=30))
def test_a_wql_literal_ends_only_at_its_own_end(text: str) -> None:
    literal = wql_literal(text)
    assert literal[0] == "'"
    read: list[str] = []
    position = 1
    while literal[position] != "'":
        if literal[position] == "\\":
            position += 1
        read.append(literal[position])
        position += 1
    assert position == len(literal) - 1
    assert "".join(read) == text


@pytest.mark.parametrize("text", ["a\nb", "a\x00b", "\x1b["])
def test_control_characters_do_not_enter_wql(text: str) -> None:
    with pytest.raises(InvalidInput):
        wql_literal(text)

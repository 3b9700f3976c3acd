# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines of cmd.exe: variables, quotes, carets, operators, redirections and IF, read into a tree.

Rules: Microsoft Learn, "cmd" and "if", and the known phases of cmd's parser: variables of the whole line are replaced
before anything is read, so ``%ERRORLEVEL%`` shows the value from before the line; on a command line an unknown
variable stays as written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MAX_COMMAND_LINE = 8191

_VARIABLE = re.compile(r"%([^%=:]+)(?::(~-?\d+(?:,-?\d+)?|[^%=]+=[^%]*))?%")
_DELAYED = re.compile(r"!([^!=:]+)!")
_SEPARATORS = " \t,;="
_COMPARISONS = {"equ", "neq", "lss", "leq", "gtr", "geq"}


class CommandSyntaxError(Exception):
    """cmd cannot read the line; the text is what it prints."""


@dataclass
class Redirect:
    """One redirection: which handle (0, 1, 2), ``<``, ``>``, ``>>`` or ``&``, and the file or the other handle."""

    handle: int
    mode: str
    target: str


@dataclass
class Simple:
    """One command with its text as it stands behind the escapes."""

    text: str
    redirects: list[Redirect] = field(default_factory=list)


@dataclass
class Group:
    """Commands in parentheses."""

    body: Node | None
    redirects: list[Redirect] = field(default_factory=list)


@dataclass
class Chain:
    """Two commands with ``&``, ``&&`` or ``||`` between them."""

    mark: str
    left: Node
    right: Node | None


@dataclass
class Pipeline:
    """Commands with ``|`` between them."""

    parts: list[Node]


@dataclass
class Condition:
    """IF: ``kind`` is exist, errorlevel, defined, or a comparison (``==``, ``equ``, ...)."""

    kind: str
    left: str
    right: str
    negated: bool
    ignore_case: bool
    then: Node | None
    otherwise: Node | None


Node = Simple | Group | Chain | Pipeline | Condition


def expand(line: str, lookup: Callable[[str], str | None]) -> str:
    """Replace ``%NAME%``, ``%NAME:a=b%`` and ``%NAME:~start,length%``."""

    def replaced(match: re.Match[str]) -> str:
        value = lookup(match.group(1))
        if value is None:
            return match.group(0)
        change = match.group(2)
        if change is None:
            return value
        return _part(value, change[1:]) if change.startswith("~") else _substituted(value, change)

    return _VARIABLE.sub(replaced, line)


def expand_delayed(line: str, lookup: Callable[[str], str | None]) -> str:
    """Replace ``!NAME!`` (cmd /v:on)."""
    return _DELAYED.sub(lambda match: lookup(match.group(1)) or "", line)


def _part(value: str, numbers: str) -> str:
    start_text, _comma, length_text = numbers.partition(",")
    start = int(start_text)
    start = max(0, len(value) + start) if start < 0 else start
    if not length_text:
        return value[start:]
    length = int(length_text)
    return value[start : len(value) + length] if length < 0 else value[start : start + length]


def _substituted(value: str, change: str) -> str:
    old, _mark, new = change.partition("=")
    if old.startswith("*"):
        place = value.lower().find(old[1:].lower())
        return value if place < 0 else new + value[place + len(old) - 1 :]
    return re.sub(re.escape(old), lambda _match: new, value, flags=re.IGNORECASE)


def parse(line: str) -> Node | None:
    """Read an expanded line; None for an empty one.

    :raises CommandSyntaxError: cmd would not take it.
    """
    reader = _Reader(line)
    node = reader.chain()
    if reader.rest():
        raise unexpected(reader.rest()[0])
    return node


def unexpected(text: str) -> CommandSyntaxError:
    """cmd's message for a token in the wrong place."""
    return CommandSyntaxError(f"{text} was unexpected at this time.")


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n").rstrip("\n")
        self._at = 0
        self._depth = 0

    def rest(self) -> str:
        return self._text[self._at :].strip()

    def chain(self) -> Node | None:
        left = self._alternatives()
        while self._peek() in {"&", "\n"} and self._text[self._at : self._at + 2] != "&&":
            mark = self._text[self._at]
            self._at += 1
            right = self._alternatives()
            if left is None:
                if mark == "\n":
                    left = right
                    continue
                raise unexpected("&")
            if right is None:
                return left
            left = Chain("&", left, right)
        return left

    def _alternatives(self) -> Node | None:
        left = self._both()
        while self._text[self._at : self._at + 2] == "||":
            self._at += 2
            right = self._both()
            if left is None or right is None:
                raise unexpected("||")
            left = Chain("||", left, right)
        return left

    def _both(self) -> Node | None:
        left = self._pipeline()
        while self._text[self._at : self._at + 2] == "&&":
            self._at += 2
            right = self._pipeline()
            if left is None or right is None:
                raise unexpected("&&")
            left = Chain("&&", left, right)
        return left

    def _pipeline(self) -> Node | None:
        first = self._command()
        parts: list[Node] = []
        while self._peek() == "|" and self._text[self._at : self._at + 2] != "||":
            self._at += 1
            following = self._command()
            if first is None or following is None:
                raise unexpected("|")
            parts.append(following)
        return Pipeline([first, *parts]) if first is not None and parts else first

    def _command(self) -> Node | None:
        while self._peek() and self._peek() in _SEPARATORS + "@":
            self._at += 1
        if not self._peek() or (self._peek() == ")" and self._depth):
            return None
        if self._peek() == "(":
            return self._group()
        if re.match(r"if[\s/]", self._text[self._at :], re.IGNORECASE):
            return self._condition()
        if re.match(r"rem(\s|$)", self._text[self._at :], re.IGNORECASE):
            end = self._text.find("\n", self._at)
            self._at = len(self._text) if end < 0 else end
            return Simple("rem")
        return self._simple()

    def _group(self) -> Group:
        self._at += 1
        self._depth += 1
        if self._depth > 50:
            raise unexpected("(")
        body = self.chain()
        if self._peek() != ")":
            raise CommandSyntaxError("")
        self._at += 1
        self._depth -= 1
        group = Group(body)
        while True:
            self._blanks()
            match = re.match(r"(\d?)([<>])", self._text[self._at :])
            if match is None:
                return group
            self._at += len(match.group(1))
            handle = int(match.group(1)) if match.group(1) else None
            group.redirects.append(self._redirect(handle))

    def _simple(self) -> Simple | None:
        found = Simple("")
        text: list[str] = []
        quoted = False
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "\n":
                break
            if char == '"':
                quoted = not quoted
            elif not quoted:
                if char == "^":
                    self._at += 1
                    if self._at < len(self._text):
                        text.append(self._text[self._at])
                    self._at += 1
                    continue
                if char in "&|" or (char == ")" and self._depth):
                    break
                if char in "<>":
                    found.redirects.append(self._redirect(_own_handle(text)))
                    continue
            text.append(char)
            self._at += 1
        found.text = "".join(text)
        if not found.text.strip() and not found.redirects:
            return None
        return found

    def _redirect(self, handle: int | None) -> Redirect:
        mark = self._text[self._at]
        self._at += 1
        if mark == ">" and self._peek() == ">":
            mark = ">>"
            self._at += 1
        own = handle if handle is not None else (0 if mark == "<" else 1)
        if self._peek() == "&":
            self._at += 1
            digit = self._peek()
            if not digit or not digit.isdigit():
                raise unexpected("&")
            self._at += 1
            return Redirect(own, "&", digit)
        self._blanks()
        target = self._word("<>&|()")
        if not target:
            raise CommandSyntaxError("The syntax of the command is incorrect.")
        return Redirect(own, mark, target)

    def _condition(self) -> Condition:
        self._at += 2
        ignore_case = negated = False
        self._blanks()
        if self._text[self._at : self._at + 2].lower() == "/i":
            ignore_case = True
            self._at += 2
            self._blanks()
        if re.match(r"not\s", self._text[self._at :], re.IGNORECASE):
            negated = True
            self._at += 3
            self._blanks()
        first = self._word("<>&|()")
        kind, left, right = first.lower(), "", ""
        if kind in {"exist", "errorlevel", "defined"}:
            self._blanks()
            left = self._word("<>&|()")
        else:
            kind, left, right = self._comparison(first)
        if not left and kind in {"exist", "errorlevel", "defined"}:
            raise CommandSyntaxError("The syntax of the command is incorrect.")
        self._blanks()
        if self._peek() == "(":
            group = self._group()
            self._blanks()
            if re.match(r"else[\s(]", self._text[self._at :], re.IGNORECASE):
                self._at += 4
                return Condition(kind, left, right, negated, ignore_case, group, self.chain())
            return Condition(kind, left, right, negated, ignore_case, self._more(group), None)
        then = self.chain()
        if then is None:
            raise CommandSyntaxError("The syntax of the command is incorrect.")
        return Condition(kind, left, right, negated, ignore_case, then, None)

    def _more(self, group: Node) -> Node:
        """What follows a group on the same line belongs to the IF as well."""
        marker = self._text[self._at : self._at + 2]
        if self._peek() == "&" and marker != "&&":
            self._at += 1
            following = self.chain()
            return group if following is None else Chain("&", group, following)
        if marker in {"&&", "||"}:
            self._at += 2
            following = self.chain()
            if following is None:
                raise unexpected(marker)
            return Chain(marker, group, following)
        return group

    def _comparison(self, first: str) -> tuple[str, str, str]:
        if "==" in first:
            left, _mark, right = first.partition("==")
            if not right:
                self._blanks()
                right = self._word("<>&|()")
            return "==", left, right
        self._blanks()
        if self._text[self._at : self._at + 2] == "==":
            self._at += 2
            self._blanks()
            return "==", first, self._word("<>&|()")
        operator = self._word("<>&|()").lower()
        if operator not in _COMPARISONS:
            raise unexpected(operator or "=")
        self._blanks()
        return operator, first, self._word("<>&|()")

    def _word(self, stops: str) -> str:
        start: list[str] = []
        quoted = False
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "\n" or (not quoted and (char in " \t,;" or char in stops)):
                break
            # a lone = separates words; == belongs to the comparison
            lone = char == "=" and self._text[self._at : self._at + 2] != "==" and start[-1:] != ["="]
            if lone and not quoted:
                break
            if char == '"':
                quoted = not quoted
            elif char == "^" and not quoted:
                self._at += 1
                char = self._peek()
            start.append(char)
            self._at += 1
        return "".join(start)

    def _blanks(self) -> None:
        while self._peek() and self._peek() in " \t":
            self._at += 1

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""


def _own_handle(text: list[str]) -> int | None:
    """A digit directly before ``>`` names the handle when something separates it from the word before."""
    if text and text[-1] in "0123456789" and (len(text) == 1 or text[-2] in _SEPARATORS + '")'):
        return int(text.pop())
    return None


def strip_outer_quotes(text: str, known: Callable[[str], bool]) -> str:
    """What ``cmd /c`` does with a line that begins with a quote (text of ``cmd /?``).

    The quotes stay when there are exactly two, nothing special and a blank between them, and they name a program;
    otherwise the first and the last quote go.
    """
    plain = text.strip()
    if not plain.startswith('"'):
        return plain
    inside = plain[1:].partition('"')[0]
    if plain.count('"') == 2 and " " in inside and not set(inside) & set("&<>()@^|") and known(inside):
        return plain
    last = plain.rfind('"')
    return plain[1:last] + plain[last + 1 :] if last > 0 else plain[1:]


def environment_lookup(
    environment: Mapping[str, str], special: Mapping[str, Callable[[], str]]
) -> Callable[[str], str | None]:
    """How variables are found: the environment without regard to case, then those that cmd makes up."""

    def lookup(name: str) -> str | None:
        value = environment.get(name.upper())
        if value is not None:
            return value
        made_up = special.get(name.upper())
        return None if made_up is None else made_up()

    return lookup

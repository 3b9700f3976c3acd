# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WQL: the SELECT statements of WMI, parsed and evaluated on instances.

The subset is what data queries may use: ``SELECT * | a, b FROM class [WHERE condition]`` with AND, OR, NOT,
parentheses, the comparison operators, LIKE, IS [NOT] NULL, ISA left out (Microsoft Learn, WMI "WQL (SQL for WMI)" and
"LIKE operator"). Anything else is a bad query, as WMI answers with 0x80041017.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimFault, CimInstance, CimValue

MAX_QUERY_LENGTH = 16384
MAX_DEPTH = 100

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<number>[+-]?(?:0[xX][0-9A-Fa-f]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![A-Za-z_]))
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<mark><>|!=|<=|>=|=|<|>|\(|\)|,|\*|\.)
    )""",
    re.VERBOSE | re.DOTALL,
)

_KEYWORDS = {"select", "from", "where", "and", "or", "not", "like", "is", "null", "true", "false"}

Condition = Callable[[Mapping[str, CimValue]], bool]


@dataclass(frozen=True)
class Query:
    """A parsed statement; ``properties`` is None for ``*``, ``asked`` are the names that WHERE uses."""

    class_name: str
    properties: tuple[str, ...] | None
    condition: Condition
    asked: tuple[str, ...] = ()

    def apply(self, instances: list[CimInstance]) -> list[CimInstance]:
        """The instances that meet the condition, cut down to the selected properties.

        Whether the class has the properties that the statement names is the repository's to check.
        """
        kept = [item for item in instances if self.condition(_by_lower_name(item))]
        if self.properties is None:
            return kept
        return [item.keep(self.properties) for item in kept]


def _by_lower_name(instance: CimInstance) -> dict[str, CimValue]:
    return {name.lower(): value for name, value in instance.properties.items()}


def bad_query(why: str) -> CimFault:
    """WMI's answer to a statement it cannot read; ``why`` is for the lab's user."""
    return CimFault(
        "invalid_query", f"The WS-Management service cannot process the request. The WQL query is invalid. {why}"
    )


def parse(statement: str) -> Query:
    """Read one statement.

    :raises CimFault: ``invalid_query`` when it is not one the grammar above knows.
    """
    if len(statement) > MAX_QUERY_LENGTH:
        raise bad_query("It is longer than WMI takes.")
    return _Parser(_tokens(statement)).query()


def _tokens(statement: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    end = len(statement.rstrip())
    while position < end:
        match = _TOKEN.match(statement, position)
        if match is None or match.end() == position:
            raise bad_query(f"Unexpected text at character {position + 1}.")
        kind = match.lastgroup or ""
        text = match.group(kind)
        if kind == "name" and text.lower() in _KEYWORDS:
            found.append(("keyword", text.lower()))
        else:
            found.append((kind, text))
        position = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0
        self._asked: list[str] = []

    def query(self) -> Query:
        self._expect("keyword", "select")
        properties = self._properties()
        self._expect("keyword", "from")
        class_name = self._name()
        condition: Condition = _always
        if self._take("keyword", "where"):
            condition = self._either()
        if self._position != len(self._tokens):
            raise bad_query(f"Unexpected {self._tokens[self._position][1]!r}.")
        return Query(class_name, properties, condition, tuple(self._asked))

    def _properties(self) -> tuple[str, ...] | None:
        if self._take("mark", "*"):
            return None
        names = [self._name()]
        while self._take("mark", ","):
            names.append(self._name())
        return tuple(names)

    def _either(self) -> Condition:
        parts = [self._all()]
        while self._take("keyword", "or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else (lambda row: any(part(row) for part in parts))

    def _all(self) -> Condition:
        parts = [self._not()]
        while self._take("keyword", "and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else (lambda row: all(part(row) for part in parts))

    def _not(self) -> Condition:
        if self._take("keyword", "not"):
            self._deeper()
            inner = self._not()
            self._depth -= 1
            return lambda row: not inner(row)
        if self._take("mark", "("):
            self._deeper()
            inner = self._either()
            self._depth -= 1
            self._expect("mark", ")")
            return inner
        return self._comparison()

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise bad_query("It is nested too deeply.")

    def _comparison(self) -> Condition:
        if self._peek()[0] in {"string", "number"} or self._peek() in {("keyword", "true"), ("keyword", "false")}:
            constant = self._constant()
            operator = self._operator()
            return _compare(self._asked_name(), _MIRRORED[operator], constant)
        name = self._asked_name()
        if self._take("keyword", "is"):
            negated = self._take("keyword", "not")
            self._expect("keyword", "null")
            return _is_null(name, negated=negated)
        if self._take("keyword", "like"):
            kind, text = self._next()
            if kind != "string":
                raise bad_query("LIKE needs a string.")
            return _like(name, _unquote(text))
        if self._take("keyword", "not"):
            self._expect("keyword", "like")
            kind, text = self._next()
            if kind != "string":
                raise bad_query("LIKE needs a string.")
            like = _like(name, _unquote(text))
            return lambda row: not like(row)
        operator = self._operator()
        if self._take("keyword", "null"):
            if operator not in {"=", "<>"}:
                raise bad_query("NULL can only be compared by = and <>.")
            return _is_null(name, negated=operator == "<>")
        return _compare(name, operator, self._constant())

    def _operator(self) -> str:
        kind, text = self._next()
        if kind != "mark" or text not in _MIRRORED:
            raise bad_query(f"{text!r} is not a comparison.")
        return "<>" if text == "!=" else text

    def _constant(self) -> Any:
        kind, text = self._next()
        if kind == "string":
            return _unquote(text)
        if kind == "number":
            if "x" in text.lower():
                return int(text, 16)
            return float(text) if re.search(r"[.eE]", text) else int(text)
        if kind == "keyword" and text in {"true", "false"}:
            return text == "true"
        raise bad_query(f"{text!r} is not a value.")

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "name":
            raise bad_query(f"{text!r} stands where a name belongs.")
        return text

    def _asked_name(self) -> str:
        name = self._name()
        self._asked.append(name)
        return name

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._position] if self._position < len(self._tokens) else ("end", "end of the statement")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._position += 1
        return token

    def _take(self, kind: str, text: str) -> bool:
        if self._peek() == (kind, text):
            self._position += 1
            return True
        return False

    def _expect(self, kind: str, text: str) -> None:
        if not self._take(kind, text):
            raise bad_query(f"{text.upper()} is missing before {self._peek()[1]!r}.")


_MIRRORED = {"=": "=", "<>": "<>", "!=": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


def _always(_row: Mapping[str, CimValue]) -> bool:
    return True


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _is_null(name: str, *, negated: bool) -> Condition:
    def check(row: Mapping[str, CimValue]) -> bool:
        item = row.get(name.lower())
        return (item is None or item.value is None) is not negated

    return check


def _like(name: str, pattern: str) -> Condition:
    expression = re.compile(_like_expression(pattern), re.IGNORECASE | re.DOTALL)

    def check(row: Mapping[str, CimValue]) -> bool:
        item = row.get(name.lower())
        return item is not None and isinstance(item.value, str) and expression.fullmatch(item.value) is not None

    return check


def _like_expression(pattern: str) -> str:
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "%":
            parts.append(".*")
        elif char == "_":
            parts.append(".")
        elif char == "[" and "]" in pattern[position + 1 :]:
            end = pattern.index("]", position + 1)
            inside = pattern[position + 1 : end]
            negated = inside.startswith("^")
            inside = inside[1:] if negated else inside
            members = re.sub(r"([\\\]\[^])", r"\\\1", inside)
            if not members:
                raise bad_query("LIKE holds an empty set.")
            parts.append(f"[{'^' if negated else ''}{members}]")
            position = end
        else:
            parts.append(re.escape(char))
        position += 1
    expression = "".join(parts)
    try:
        re.compile(expression)
    except re.error as error:
        raise bad_query("LIKE holds a set that cannot be read.") from error
    return expression


def _compare(name: str, operator: str, constant: Any) -> Condition:
    def check(row: Mapping[str, CimValue]) -> bool:
        item = row.get(name.lower())
        if item is None or item.value is None or item.is_array:
            return False
        left, right = _comparable(item.value, constant)
        if left is None or right is None:
            return operator == "<>"
        if operator == "=":
            return bool(left == right)
        if operator == "<>":
            return bool(left != right)
        if operator == "<":
            return bool(left < right)
        if operator == ">":
            return bool(left > right)
        if operator == "<=":
            return bool(left <= right)
        return bool(left >= right)

    return check


def _comparable(value: Any, constant: Any) -> tuple[Any, Any]:
    """Both sides as one type, or (None, None) when WMI could not compare them."""
    if isinstance(value, bool):
        truth = _as_truth(constant)
        return (None, None) if truth is None else (value, truth)
    if isinstance(value, int | float):
        wanted = _as_number(constant)
        return (None, None) if wanted is None else (value, wanted)
    if isinstance(value, datetime):
        moment = _as_moment(constant)
        return (None, None) if moment is None else (value, moment)
    if isinstance(value, str):
        return value.lower(), str(constant).lower()
    return None, None


def _as_truth(constant: Any) -> bool | None:
    if isinstance(constant, bool):
        return constant
    if isinstance(constant, int | float):
        return constant != 0
    return {"true": True, "false": False}.get(str(constant).lower())


def _as_number(constant: Any) -> int | float | None:
    if isinstance(constant, bool):
        return int(constant)
    if isinstance(constant, int | float):
        return constant
    try:
        return int(str(constant), 0)
    except ValueError:
        return None


def _as_moment(constant: Any) -> datetime | None:
    match = re.fullmatch(r"(\d{14})\.(\d{6})([+-])(\d{3})", str(constant))
    if match is None:
        return None
    minutes = int(match.group(4)) * (1 if match.group(3) == "+" else -1)
    try:
        local = datetime.strptime(match.group(1) + match.group(2) + "+0000", "%Y%m%d%H%M%S%f%z")
    except ValueError:
        return None
    return local - timedelta(minutes=minutes)

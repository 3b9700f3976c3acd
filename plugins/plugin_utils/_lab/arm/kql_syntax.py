# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a query of Resource Graph, taken apart: the part of the Kusto query language that its tools use.

Which operators Resource Graph takes: learn.microsoft.com, "Understanding the Azure Resource Graph query language".
Expressions become tuples: ("text", "a"), ("name", "id"), ("path", inner, key), ("call", "tolower", [..]),
("is", "=~", left, right), ("and", ..), ("or", ..), ("sum", "+", left, right), ("in", "in~", left, [..]).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Expression = tuple[Any, ...]

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<verbatim>@'(?:[^']|'')*'|@"(?:[^"]|"")*")
  | (?P<text>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
  | (?P<span>\d+(?:\.\d+)?(?:d|h|m|s|ms)\b)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<word>!?(?:in~|has_any|has_all)|![A-Za-z_]+|[A-Za-z_$][\w$]*(?:-(?:away|expand|rename|keep|reorder))?)
  | (?P<sign>=~|!~|==|!=|<=|>=|\.\.|[=<>|()\[\],.;+*/%-])
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_SPANS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_COMPARE = frozenset(
    "== != =~ !~ < > <= >= has !has contains !contains startswith !startswith endswith !endswith hasprefix hassuffix "
    "contains_cs !contains_cs startswith_cs endswith_cs has_cs".split()
)
_LISTS = frozenset("in in~ !in !in~ has_any has_all".split())
_KINDS = ("leftouter", "inner", "innerunique", "rightouter", "fullouter")


class QueryError(Exception):
    """The query is not one that Resource Graph takes, or not one that this lab knows."""

    def __init__(self, words: str, at: int | None = None) -> None:
        super().__init__(words)
        self.at = at


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Step:
    """One operator: its name, and what it was given."""

    name: str
    given: tuple[Any, ...]


@dataclass(frozen=True)
class Query:
    table: str
    steps: tuple[Step, ...]

    @property
    def may_page(self) -> bool:
        """A query that limits itself is not cut into pages."""
        return not any(step.name in ("limit", "top", "sample") for step in self.steps)


def tokens_of(text: str) -> list[Token]:
    """:raises QueryError: a character has no meaning."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise QueryError(f"unexpected {text[at]!r}", at)
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(Token(kind, match[0], at))
        at = match.end()
    return found


def parse(text: str) -> Query:
    """:raises QueryError: it cannot be understood."""
    reader = _Reader(tokens_of(text))
    query = reader.query()
    reader.skip(";")
    if reader.token is not None:
        raise QueryError(f"unexpected {reader.token.text!r}", reader.token.at)
    return query


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    # Tokens

    @property
    def token(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def peek(self, text: str) -> bool:
        token = self.token
        return token is not None and token.kind in ("word", "sign") and token.text.lower() == text

    def skip(self, text: str) -> bool:
        if self.peek(text):
            self._at += 1
            return True
        return False

    def need(self, text: str) -> None:
        if not self.skip(text):
            raise self._unexpected(f"'{text}'")

    def _unexpected(self, wanted: str) -> QueryError:
        token = self.token
        if token is None:
            return QueryError(f"{wanted} is expected at the end")
        return QueryError(f"{wanted} is expected, not {token.text!r}", token.at)

    def word(self) -> str:
        token = self.token
        if token is None or token.kind != "word":
            raise self._unexpected("a name")
        self._at += 1
        return token.text

    def number(self) -> int:
        token = self.token
        if token is None or token.kind != "number" or "." in token.text:
            raise self._unexpected("a number")
        self._at += 1
        return int(token.text)

    # Operators

    def query(self) -> Query:
        table = self.word().lower()
        steps = []
        while self.skip("|"):
            steps.append(self._step())
        return Query(table, tuple(steps))

    def _step(self) -> Step:
        at = self.token.at if self.token else None
        name = self.word().lower()
        if name == "where":
            return Step("where", (self.expression(),))
        if name in ("extend", "project"):
            return Step(name, tuple(self._named_list()))
        if name == "project-away":
            return Step(name, tuple(self._names()))
        if name in ("order", "sort"):
            self.need("by")
            return Step("order", tuple(self._orders()))
        if name in ("limit", "take"):
            return Step("limit", (self.number(),))
        if name == "top":
            count = self.number()
            self.need("by")
            return Step("top", (count, *self._orders()))
        if name == "count":
            return Step("count", ())
        if name == "distinct":
            return Step("distinct", tuple(self._named_list()))
        if name == "summarize":
            return self._summarize()
        if name == "join":
            return self._join()
        if name == "union":
            return Step("union", (self._inner_query(),))
        if name == "mv-expand":
            return Step(name, tuple(self._named_list()))
        raise QueryError(f"the operator {name!r} is not known", at)

    def _named_list(self) -> list[tuple[str, Expression]]:
        found = [self._named()]
        while self.skip(","):
            found.append(self._named())
        return found

    def _named(self) -> tuple[str, Expression]:
        """``name = expression``, or an expression that lends its own name."""
        following = self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else None
        token = self.token
        if token is not None and token.kind == "word" and following is not None and following.text == "=":
            self._at += 2
            return token.text, self.expression()
        expression = self.expression()
        return _own_name(expression), expression

    def _names(self) -> list[str]:
        found = [self.word()]
        while self.skip(","):
            found.append(self.word())
        return found

    def _orders(self) -> list[tuple[Expression, bool]]:
        """Expression and whether it rises; Kusto's default is falling."""
        found = []
        while True:
            expression = self.expression()
            rises = self.skip("asc")
            if not rises:
                self.skip("desc")
            if self.skip("nulls") and not (self.skip("first") or self.skip("last")):
                raise self._unexpected("'first' or 'last'")
            found.append((expression, rises))
            if not self.skip(","):
                return found

    def _summarize(self) -> Step:
        sums = [] if self.peek("by") else self._named_list()
        keys = self._named_list() if self.skip("by") else []
        return Step("summarize", (tuple(sums), tuple(keys)))

    def _join(self) -> Step:
        kind = "innerunique"
        if self.skip("kind"):
            self.need("=")
            at = self.token.at if self.token else None
            kind = self.word().lower()
            if kind not in _KINDS:
                raise QueryError(f"the join kind {kind!r} is not known", at)
        inner = self._inner_query()
        self.need("on")
        keys: list[tuple[str, str]] = []
        while True:
            name = self.word()
            if name.lower() == "$left":
                self.need(".")
                left = self.word()
                self.need("==")
                self.need("$right")
                self.need(".")
                keys.append((left, self.word()))
            else:
                keys.append((name, name))
            if not self.skip(","):
                return Step("join", (kind, inner, tuple(keys)))

    def _inner_query(self) -> Query:
        if not self.skip("("):
            return Query(self.word().lower(), ())
        inner = self.query()
        self.need(")")
        return inner

    # Expressions, from the loosest binding to the tightest

    def expression(self) -> Expression:
        left = self._and()
        while self.skip("or"):
            left = ("or", left, self._and())
        return left

    def _and(self) -> Expression:
        left = self._comparison()
        while self.skip("and"):
            left = ("and", left, self._comparison())
        return left

    def _comparison(self) -> Expression:
        left = self._sum()
        token = self.token
        if token is None or token.kind not in ("word", "sign"):
            return left
        sign = token.text.lower()
        if sign in _COMPARE:
            self._at += 1
            return ("is", sign, left, self._sum())
        if sign in _LISTS:
            self._at += 1
            self.need("(")
            return ("in", sign, left, self._list(")"))
        if sign in ("between", "!between"):
            self._at += 1
            self.need("(")
            low = self._sum()
            self.need("..")
            high = self._sum()
            self.need(")")
            both = ("and", ("is", ">=", left, low), ("is", "<=", left, high))
            return both if sign == "between" else ("call", "not", [both])
        if sign == "matches":
            self._at += 1
            self.need("regex")
            return ("is", "matches regex", left, self._sum())
        return left

    def _list(self, end: str) -> list[Expression]:
        found: list[Expression] = []
        while not self.skip(end):
            if found:
                self.need(",")
            found.append(self.expression())
        return found

    def _sum(self) -> Expression:
        left = self._product()
        while (token := self.token) is not None and token.kind == "sign" and token.text in "+-":
            self._at += 1
            left = ("sum", token.text, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._path()
        while (token := self.token) is not None and token.kind == "sign" and token.text in "*/%":
            self._at += 1
            left = ("sum", token.text, left, self._path())
        return left

    def _path(self) -> Expression:
        left = self._atom()
        while True:
            if self.skip("."):
                left = ("path", left, ("text", self.word()))
            elif self.skip("["):
                left = ("path", left, self.expression())
                self.need("]")
            else:
                return left

    def _atom(self) -> Expression:
        token = self.token
        if token is None:
            raise self._unexpected("an expression")
        if self.skip("("):
            inner = self.expression()
            self.need(")")
            return inner
        if self.skip("-"):
            return ("sum", "-", ("number", 0), self._path())
        self._at += 1
        if token.kind in ("text", "verbatim"):
            return ("text", _text(token))
        if token.kind == "number":
            return ("number", float(token.text) if "." in token.text else int(token.text))
        if token.kind == "span":
            digits = re.match(r"[\d.]+", token.text)
            amount = digits[0] if digits else "0"
            return ("span", float(amount) * _SPANS[token.text[len(amount) :]])
        if token.kind == "word" and not token.text.startswith("!"):
            return self._word(token)
        self._at -= 1
        raise self._unexpected("an expression")

    def _word(self, token: Token) -> Expression:
        lower = token.text.lower()
        if lower in ("true", "false"):
            return ("truth", lower == "true")
        if not self.skip("("):
            return ("name", token.text)
        if lower in ("dynamic", "bool", "int", "long") and self.skip("null"):
            self.need(")")
            return ("truth", None)
        if lower == "datetime" and self.token is not None and self.token.kind != "text":
            return ("call", "todatetime", [("text", self._until_bracket())])
        return ("call", lower, self._list(")"))

    def _until_bracket(self) -> str:
        """The bare words of ``datetime(2026-01-13 10:00)``."""
        words: list[str] = []
        while not self.skip(")"):
            if self.token is None:
                raise self._unexpected("')'")
            words.append(self.token.text)
            self._at += 1
        return "".join(words)


def _own_name(expression: Expression) -> str:
    """The name of a column that got none: that of what it was made from."""
    if expression[0] == "name":
        return str(expression[1])
    if expression[0] == "path" and expression[2][0] == "text":
        return f"{_own_name(expression[1])}_{expression[2][1]}"
    if expression[0] == "call":
        if not expression[2]:
            return f"{expression[1]}_"
        inner = _own_name(expression[2][0])
        is_sum = expression[1] in ("count", "countif", "dcount", "min", "max", "sum", "avg", "make_set", "make_list")
        return f"{expression[1]}_{inner}" if is_sum else inner
    return "Column1"


def _text(token: Token) -> str:
    if token.kind == "verbatim":
        quote = token.text[1]
        return token.text[2:-1].replace(quote * 2, quote)
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token.text[1:-1])

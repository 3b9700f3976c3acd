# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries of Resource Graph carried out over rows: what ``kql_syntax`` took apart is done here.

Meaning of operators and functions: learn.microsoft.com, "Kusto Query Language". As there: ``==`` and ``in`` tell case
apart, ``=~``, ``in~``, ``has`` and ``contains`` do not; names of columns tell case apart; what is not there is null,
and null compares with nothing; grouping, joining and sorting by a dynamic value needs a cast.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.kql_syntax import Expression, Query, QueryError

Row = dict[str, Any]
#: Of a table that is empty.
COLUMNS = ("id", "name", "type", "tenantId", "location", "resourceGroup", "subscriptionId", "properties", "tags")
Tables = Callable[[str], Iterable[Row]]


def run(query: Query, tables: Tables, now: datetime) -> list[Row]:
    """The rows that a query answers with.

    :raises QueryError: a table, a function or a column is not known.
    """
    return _Runner(tables, now).rows(query)


class _Runner:
    def __init__(self, tables: Tables, now: datetime) -> None:
        self._tables = tables
        self._now = now

    def rows(self, query: Query) -> list[Row]:
        rows = list(self._tables(query.table))
        for step in query.steps:
            rows = getattr(self, "_do_" + step.name.replace("-", "_"))(rows, *step.given)
        return rows

    # Operators

    def _do_where(self, rows: list[Row], condition: Expression) -> list[Row]:
        return [row for row in rows if self._value(condition, row) is True]

    def _do_extend(self, rows: list[Row], *columns: tuple[str, Expression]) -> list[Row]:
        found = []
        for row in rows:
            row = dict(row)
            for name, expression in columns:
                row[name] = self._value(expression, row)
            found.append(row)
        return found

    def _do_project(self, rows: list[Row], *columns: tuple[str, Expression]) -> list[Row]:
        return [{name: self._value(expression, row) for name, expression in columns} for row in rows]

    def _do_project_away(self, rows: list[Row], *names: str) -> list[Row]:
        return [{name: value for name, value in row.items() if name not in names} for row in rows]

    def _do_order(self, rows: list[Row], *orders: tuple[Expression, bool]) -> list[Row]:
        for expression, rises in reversed(orders):
            _no_dynamic(expression, "sort")
            keyed: list[tuple[Any, Row]] = [(self._value(expression, row), row) for row in rows]
            by_value = cmp_to_key(_compare_any)
            keyed.sort(key=lambda pair: by_value(pair[0]), reverse=not rises)
            rows = [row for _key, row in keyed]
        return rows

    def _do_limit(self, rows: list[Row], count: int) -> list[Row]:
        return rows[:count]

    def _do_top(self, rows: list[Row], count: int, *orders: tuple[Expression, bool]) -> list[Row]:
        return self._do_order(rows, *orders)[:count]

    def _do_count(self, rows: list[Row]) -> list[Row]:
        return [{"Count": len(rows)}]

    def _do_distinct(self, rows: list[Row], *columns: tuple[str, Expression]) -> list[Row]:
        projected = self._do_project(rows, *columns)
        return list({_key(row.values()): row for row in projected}.values())

    def _do_union(self, rows: list[Row], inner: Query) -> list[Row]:
        return [*rows, *self.rows(inner)]

    def _do_mv_expand(self, rows: list[Row], *columns: tuple[str, Expression]) -> list[Row]:
        for name, expression in columns:
            found = []
            for row in rows:
                value = self._value(expression, row)
                inside = value if isinstance(value, list) else [value]
                found += [{**row, name: item} for item in inside or [None]]
            rows = found
        return rows

    def _do_summarize(
        self, rows: list[Row], sums: tuple[tuple[str, Expression], ...], keys: tuple[tuple[str, Expression], ...]
    ) -> list[Row]:
        for _name, expression in keys:
            _no_dynamic(expression, "summarize")
        groups: dict[str, tuple[Row, list[Row]]] = {}
        for row in rows:
            head = {name: self._value(expression, row) for name, expression in keys}
            groups.setdefault(_key(head.values()), (head, []))[1].append(row)
        if not keys and not groups:
            groups[""] = ({}, [])
        return [
            {**head, **{name: self._sum(expression, members) for name, expression in sums}}
            for head, members in groups.values()
        ]

    def _sum(self, expression: Expression, rows: list[Row]) -> Any:
        if expression[0] != "call":
            raise QueryError("summarize takes aggregation functions")
        name, given = expression[1], expression[2]
        if name == "count":
            return len(rows)
        if name == "countif":
            return sum(1 for row in rows if self._value(given[0], row) is True)
        if not given:
            raise QueryError(f"{name}() needs an argument")
        values = [value for row in rows if (value := self._value(given[0], row)) is not None]
        if name == "dcount":
            return len({_key([value]) for value in values})
        if name in ("any", "take_any"):
            return values[0] if values else None
        if name == "make_list":
            return values
        if name == "make_set":
            return list({_key([value]): value for value in values}.values())
        if name in ("max", "min"):
            ordered = sorted(values, key=cmp_to_key(_compare_any))
            return (ordered[-1] if name == "max" else ordered[0]) if ordered else None
        if name in ("sum", "avg"):
            total = sum(value for value in values if isinstance(value, int | float))
            return total if name == "sum" else (total / len(values) if values else None)
        raise QueryError(f"the aggregation function {name!r} is not known")

    def _do_join(self, rows: list[Row], kind: str, inner: Query, keys: tuple[tuple[str, str], ...]) -> list[Row]:
        others = self.rows(inner)
        by_key: dict[str, list[Row]] = {}
        for row in others:
            by_key.setdefault(_join_key(row, [right for _left, right in keys]), []).append(row)
        columns = dict.fromkeys(self._columns(inner))
        own = dict.fromkeys(name for row in rows for name in row)
        if kind == "innerunique":
            rows = list({_join_key(row, [left for left, _right in keys]): row for row in reversed(rows)}.values())[::-1]
        found: list[Row] = []
        met: set[str] = set()
        for row in rows:
            key = _join_key(row, [left for left, _right in keys])
            met.add(key)
            matches = by_key.get(key, [])
            if not matches and kind in ("leftouter", "fullouter"):
                matches = [dict.fromkeys(columns)]
            found += [{**row, **_renamed(match, own)} for match in matches]
        if kind in ("rightouter", "fullouter"):
            left_out = [row for key, group in by_key.items() if key not in met for row in group]
            found += [{**dict.fromkeys(own), **_renamed(row, own)} for row in left_out]
        return found

    def _columns(self, query: Query) -> list[str]:
        """The columns of a query's answer, also where it has no rows."""
        first = next(iter(self._tables(query.table)), None)
        names = list(first if first is not None else COLUMNS)
        for step in query.steps:
            if step.name in ("project", "distinct"):
                names = [name for name, _expression in step.given]
            elif step.name == "summarize":
                names = [name for part in reversed(step.given) for name, _expression in part]
            elif step.name == "count":
                names = ["Count"]
            elif step.name == "project-away":
                names = [name for name in names if name not in step.given]
            elif step.name in ("extend", "mv-expand"):
                names += [name for name, _expression in step.given if name not in names]
            elif step.name == "join":
                right = _renamed(dict.fromkeys(self._columns(step.given[1])), names)
                names += list(right)
        return names

    # Expressions

    def _value(self, expression: Expression, row: Mapping[str, Any]) -> Any:
        kind = expression[0]
        if kind in ("text", "number", "truth"):
            return expression[1]
        if kind == "span":
            return timedelta(seconds=expression[1])
        if kind == "name":
            if expression[1] not in row:
                raise QueryError(f"'{expression[1]}' does not refer to any known column")
            return row[expression[1]]
        if kind == "path":
            return _inside(self._value(expression[1], row), self._value(expression[2], row))
        if kind == "and":
            return self._value(expression[1], row) is True and self._value(expression[2], row) is True
        if kind == "or":
            return self._value(expression[1], row) is True or self._value(expression[2], row) is True
        if kind == "is":
            return _compare(expression[1], self._value(expression[2], row), self._value(expression[3], row))
        if kind == "in":
            return self._in(expression[1], self._value(expression[2], row), expression[3], row)
        if kind == "sum":
            return _arithmetic(expression[1], self._value(expression[2], row), self._value(expression[3], row))
        return self._call(expression[1], expression[2], row)

    def _in(self, sign: str, left: Any, listed: list[Expression], row: Mapping[str, Any]) -> bool:
        options: list[Any] = []
        for item in listed:
            value = self._value(item, row)
            options += value if isinstance(value, list) else [value]
        if sign in ("has_any", "has_all"):
            found = [_compare("has", left, option) for option in options]
            return all(found) if sign == "has_all" else any(found)
        equal = "=~" if sign.endswith("~") else "=="
        return any(_compare(equal, left, option) for option in options) is not sign.startswith("!")

    def _call(self, name: str, given: list[Expression], row: Mapping[str, Any]) -> Any:
        if name in ("iff", "iif"):
            _count(name, given, 3)
            return self._value(given[1 if self._value(given[0], row) is True else 2], row)
        if name == "case":
            for number in range(0, len(given) - 1, 2):
                if self._value(given[number], row) is True:
                    return self._value(given[number + 1], row)
            return self._value(given[-1], row)
        if name == "now":
            return self._now
        if name == "dynamic":
            _count(name, given, 1)
            return self._dynamic(given[0], row)
        values = [self._value(item, row) for item in given]
        if name == "ago":
            _count(name, given, 1)
            return self._now - values[0] if isinstance(values[0], timedelta) else None
        if name not in _FUNCTIONS:
            raise QueryError(f"the function {name!r} is not known")
        least, most, function = _FUNCTIONS[name]
        if not least <= len(values) <= most:
            raise QueryError(f"{name}() does not take {len(values)} arguments")
        return function(*values)

    def _dynamic(self, expression: Expression, row: Mapping[str, Any]) -> Any:
        value = self._value(expression, row)
        return _json(value) if isinstance(value, str) else value


def _count(name: str, given: list[Expression], wanted: int) -> None:
    if len(given) != wanted:
        raise QueryError(f"{name}() takes {wanted} arguments")


def _no_dynamic(expression: Expression, operator: str) -> None:
    if expression[0] == "path" or expression in (("name", "properties"), ("name", "tags")):
        raise QueryError(f"{operator}: the key is of a 'dynamic' type; use an explicit cast such as tostring()")


def _join_key(row: Row, names: list[str]) -> str:
    for name in names:
        if name not in row:
            raise QueryError(f"join: '{name}' does not refer to any known column")
        if isinstance(row[name], dict | list):
            raise QueryError(f"join: the key '{name}' is of a 'dynamic' type; use an explicit cast")
    return _key(row[name] for name in names)


def _renamed(row: Row, taken: Iterable[str]) -> Row:
    """Columns of the right side whose names are taken get a number, as Kusto does it."""
    names = set(taken)
    return {f"{name}1" if name in names else name: value for name, value in row.items()}


def _key(values: Iterable[Any]) -> str:
    return json.dumps(list(values), sort_keys=True, default=str)


def _inside(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return None


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}0Z"
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict | list) else str(value)


def _compare(sign: str, left: Any, right: Any) -> bool:
    if sign.startswith("!"):
        positive = {"!=": "==", "!~": "=~"}.get(sign, sign[1:])
        return not _compare(positive, left, right)
    if left is None or right is None:
        return False
    if sign in ("==", "<", ">", "<=", ">="):
        order = _order(left, right)
        if order is None:
            return False
        return {"==": order == 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}[sign]
    one, other = _as_text(left), _as_text(right)
    if sign == "matches regex":
        return re.search(other, one) is not None
    if not sign.endswith("_cs"):
        one, other = one.lower(), other.lower()
    return {
        "=~": lambda: one == other,
        "contains": lambda: other in one,
        "startswith": lambda: one.startswith(other),
        "endswith": lambda: one.endswith(other),
        "has": lambda: re.search(rf"(?<![^\W_]){re.escape(other)}(?![^\W_])", one) is not None,
        "hasprefix": lambda: re.search(rf"(?<![^\W_]){re.escape(other)}", one) is not None,
        "hassuffix": lambda: re.search(rf"{re.escape(other)}(?![^\W_])", one) is not None,
    }[sign.removesuffix("_cs")]()


def _order(left: Any, right: Any) -> int | None:
    """Below, equal or above; None where two things cannot be compared."""
    if isinstance(left, datetime) or isinstance(right, datetime):
        one, other = _moment(left), _moment(right)
        return None if one is None or other is None else (one > other) - (one < other)
    if isinstance(left, bool) or isinstance(right, bool):
        if isinstance(left, bool) and isinstance(right, bool):
            return (left > right) - (left < right)
        return 0 if _as_text(left) == _as_text(right) else None
    kinds: tuple[tuple[type, ...], ...] = ((int, float), (str,), (timedelta,))
    if any(isinstance(left, kind) and isinstance(right, kind) for kind in kinds):
        return int(left > right) - int(left < right)
    return None


def _compare_any(left: Any, right: Any) -> int:
    """For sorting: null comes first when rising."""
    if left is None or right is None:
        return (left is not None) - (right is not None)
    order = _order(left, right)
    if order is not None:
        return order
    one, other = _as_text(left), _as_text(right)
    return (one > other) - (one < other)


def _arithmetic(sign: str, left: Any, right: Any) -> Any:
    if isinstance(left, datetime | timedelta) or isinstance(right, timedelta):
        try:
            return left + right if sign == "+" else left - right
        except TypeError:
            return None
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (left, right))
    if not numbers or (sign in "/%" and right == 0):
        return None
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    if sign == "%":
        return left % right
    return left // right if isinstance(left, int) and isinstance(right, int) else left / right


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        return None
    text = re.sub(r"(\.\d{6})\d+", r"\1", value.strip()).replace("Z", "+00:00")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(kind: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        try:
            return None if value is None else kind(value)
        except (TypeError, ValueError):
            return None

    return convert


def _truth(value: Any) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(_as_text(value).lower())


def _json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _substring(text: Any, start: Any, length: Any = None) -> str:
    begin = max(0, int(start))
    return _as_text(text)[begin : None if length is None else begin + int(length)]


def _split(text: Any, by: Any, index: Any = None) -> list[str]:
    parts = _as_text(text).split(_as_text(by))
    return parts if index is None else parts[int(index) : int(index) + 1]


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if value not in (None, "")), values[-1])


def _extract(pattern: Any, group: Any, text: Any) -> str:
    found = re.search(_as_text(pattern), _as_text(text))
    return (found[int(group)] or "") if found else ""


def _packed(*pairs: Any) -> Any:
    return dict(zip((_as_text(key) for key in pairs[::2]), pairs[1::2], strict=False))


#: Name to the least and most arguments, and what it does.
_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "tolower": (1, 1, lambda value: _as_text(value).lower()),
    "toupper": (1, 1, lambda value: _as_text(value).upper()),
    "tostring": (1, 1, _as_text),
    "toint": (1, 1, _number(int)),
    "tolong": (1, 1, _number(int)),
    "todouble": (1, 1, _number(float)),
    "toreal": (1, 1, _number(float)),
    "tobool": (1, 1, _truth),
    "todatetime": (1, 1, _moment),
    "todynamic": (1, 1, _json),
    "parse_json": (1, 1, _json),
    "isnull": (1, 1, lambda value: value is None),
    "isnotnull": (1, 1, lambda value: value is not None),
    "isempty": (1, 1, lambda value: value in (None, "")),
    "isnotempty": (1, 1, lambda value: value not in (None, "")),
    "not": (1, 1, lambda value: value is not True),
    "strlen": (1, 1, lambda value: len(_as_text(value))),
    "strcat": (1, 64, lambda *values: "".join(_as_text(value) for value in values)),
    "coalesce": (1, 64, _coalesce),
    "split": (2, 3, _split),
    "substring": (2, 3, _substring),
    "extract": (3, 3, _extract),
    "array_length": (1, 1, lambda value: len(value) if isinstance(value, list) else None),
    "bag_keys": (1, 1, lambda value: list(value) if isinstance(value, Mapping) else None),
    "pack": (2, 64, _packed),
    "bag_pack": (2, 64, _packed),
    "indexof": (2, 2, lambda text, part: _as_text(text).find(_as_text(part))),
    "trim": (2, 2, lambda pattern, text: re.sub(f"^(?:{pattern})|(?:{pattern})$", "", _as_text(text))),
    "replace": (3, 3, lambda pattern, by, text: re.sub(_as_text(pattern), _as_text(by), _as_text(text))),
    "replace_string": (3, 3, lambda text, what, by: _as_text(text).replace(_as_text(what), _as_text(by))),
}

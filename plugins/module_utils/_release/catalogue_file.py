# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""A person's own catalogue file: YAML text in, rows out, every mistake named with its line.

The schema is that of the shipped data: ``schema: 1`` and the lists ``releases``, ``lcu_only`` and ``planned``. Scalars
are taken as they are written, so an unquoted build 26100.2240 does not lose its last digit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, NotSupported
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import month_of, parse_month
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import (
    BASELINE_TYPES,
    CATALOGUE_PRODUCTS,
    PlannedRelease,
    Release,
    ReleaseType,
    Rows,
    normal_kb,
)

try:
    import yaml
except ImportError:
    HAS_YAML = False
else:
    HAS_YAML = True

MAX_BYTES = 2 * 1024 * 1024
MAX_ROWS = 20_000
_MAX_DEPTH = 12
_SCHEMA = "1"
_TOP_KEYS = ("schema", "collected", "releases", "lcu_only", "planned")
_ROW_KEYS = {
    "releases": (
        "product", "date", "month", "type", "hotpatch_kb", "hotpatch_build", "lcu_kb", "lcu_build", "breaks_hotpatch",
        "evidence", "source", "note",
    ),
    "lcu_only": ("product", "date", "month", "lcu_kb", "lcu_build", "evidence", "source", "note"),
    "planned": ("product", "month", "type", "source", "announced"),
}  # fmt: skip
_TYPES = tuple(kind.value for kind in ReleaseType if kind is not ReleaseType.LCU_ONLY)


@dataclass(frozen=True)
class _Field:
    text: str
    line: int


class _Row:
    """One row of a list: its scalar fields by name, and complaints that name the file and the line."""

    def __init__(self, name: str, line: int, fields: dict[str, _Field]) -> None:
        self._name = name
        self.line = line
        self._fields = fields

    def wrong(self, key: str, message: str, hint: str | None = None) -> InvalidInput:
        field = self._fields.get(key)
        return _wrong(self._name, field.line if field else self.line, message, hint)

    def optional(self, key: str) -> str | None:
        field = self._fields.get(key)
        return field.text if field and field.text not in ("", "null", "~") else None

    def required(self, key: str) -> str:
        value = self.optional(key)
        if value is None:
            raise self.wrong(key, f"this row has no {key}")
        return value

    def one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.required(key)
        if value not in allowed:
            raise self.wrong(key, f"'{value}' is an unknown {key}", f"Known: {', '.join(allowed)}.")
        return value

    def day(self, key: str) -> date | None:
        value = self.optional(key)
        if value is None:
            return None
        try:
            if len(value) != 10:
                raise ValueError(value)
            return date.fromisoformat(value)
        except ValueError:
            raise self.wrong(key, f"'{value}' is not a date", "A date looks like '2025-12-09'.") from None

    def month(self, day: date | None) -> str:
        value = self.optional("month")
        if value is None and day is not None:
            return month_of(day)
        try:
            parse_month(value or "")
        except ValueError:
            raise self.wrong("month", f"'{value or ''}' is not a month", "A month looks like 2025-12.") from None
        month = value or ""
        if day is not None and month_of(day) != month:
            raise self.wrong("month", f"the month {month} and the date {day.isoformat()} do not agree")
        return month

    def kb(self, key: str) -> str | None:
        value = self.optional(key)
        if value is None:
            return None
        normal = normal_kb(value)
        if normal is None:
            raise self.wrong(key, f"'{value}' is not a KB", "A KB looks like KB5072014.")
        return normal

    def builds(self, key: str) -> tuple[Build, ...]:
        value = self.optional(key)
        if value is None:
            return ()
        try:
            return tuple(Build.parse(part) for part in value.split(" / "))
        except ValueError:
            raise self.wrong(key, f"'{value}' is not a build", "A build looks like '26100.7392'.") from None

    def truth(self, key: str) -> bool | None:
        value = self.optional(key)
        if value is None:
            return None
        if value.lower() not in ("true", "false"):
            raise self.wrong(key, f"'{value}' is neither true nor false")
        return value.lower() == "true"


def parse(text: str, name: str) -> Rows:
    """Read the text of a catalogue file.

    :param name: what to call the file in an error.
    :raises InvalidInput: anything wrong with it; the message names the file and the line.
    :raises NotSupported: PyYAML is not installed.
    """
    if not HAS_YAML:
        raise NotSupported(
            f"The catalogue file {name} cannot be read: the Python package PyYAML is missing.",
            code="missing_library",
            hint="Install PyYAML where this task runs; ansible-core needs it as well.",
        )
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _wrong(name, 1, f"the file is larger than {MAX_BYTES // (1024 * 1024)} MB")
    lists, collected = _sections(_compose(text, name), name)
    seen: dict[tuple[str, str], int] = {}
    releases = [_release(row, None, name, seen) for row in lists["releases"]]
    releases += [_release(row, ReleaseType.LCU_ONLY, name, seen) for row in lists["lcu_only"]]
    _check_months(releases, lists, name)
    planned = tuple(_planned(row) for row in lists["planned"])
    return Rows(tuple(releases), planned, collected, name)


def _compose(text: str, name: str) -> Any:
    try:
        depth = 0
        # Events come one by one, so nesting and aliases are refused before any tree is built.
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise _wrong(name, line, "anchors and aliases are not allowed in a catalogue file")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _MAX_DEPTH:
                    raise _wrong(name, line, "it is nested too deeply for a catalogue file")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or "it cannot be read"
        raise _wrong(name, mark.line + 1 if mark else 1, f"it is not YAML: {problem}") from None
    except yaml.YAMLError:
        raise _wrong(name, 1, "it is not YAML: it holds characters that YAML does not allow") from None


def _sections(root: Any, name: str) -> tuple[dict[str, list[_Row]], date | None]:
    if not isinstance(root, yaml.MappingNode):
        line = root.start_mark.line + 1 if root is not None else 1
        raise _wrong(name, line, "a catalogue file is a mapping with schema, releases, lcu_only and planned")
    lists: dict[str, list[_Row]] = {key: [] for key in _ROW_KEYS}
    head = _Row(name, 1, {})
    scalars: dict[str, _Field] = {}
    total = 0
    for key, node in _pairs(root, name, _TOP_KEYS):
        if key not in _ROW_KEYS:
            scalars[key] = _scalar(node, name, key)
            continue
        if isinstance(node, yaml.ScalarNode) and node.value in ("", "null", "~"):
            continue
        if not isinstance(node, yaml.SequenceNode):
            raise _wrong(name, node.start_mark.line + 1, f"{key} is not a list")
        total += len(node.value)
        if total > MAX_ROWS:
            raise _wrong(name, node.start_mark.line + 1, f"it has more than {MAX_ROWS} rows")
        lists[key] = [_row(item, name, key) for item in node.value]
    head = _Row(name, 1, scalars)
    schema = head.optional("schema")
    if schema != _SCHEMA:
        raise head.wrong("schema", f"the schema is {schema or 'missing'}, and this collection reads schema 1")
    return lists, head.day("collected")


def _row(node: Any, name: str, section: str) -> _Row:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise _wrong(name, line, f"an entry of {section} is not a mapping")
    fields = {key: _scalar(value, name, key) for key, value in _pairs(node, name, _ROW_KEYS[section])}
    return _Row(name, line, fields)


def _pairs(node: Any, name: str, allowed: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key_node, value in node.value:
        line = key_node.start_mark.line + 1
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key not in allowed:
            shown = f"'{key}'" if key is not None else "this key"
            raise _wrong(name, line, f"{shown} is an unknown key", f"Known: {', '.join(allowed)}.")
        if key in seen:
            raise _wrong(name, line, f"the key {key} is given twice")
        seen.add(key)
        yield key, value


def _scalar(node: Any, name: str, key: str) -> _Field:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode):
        raise _wrong(name, line, f"{key} is not a single value")
    return _Field(node.value.strip(), line)


def _release(row: _Row, kind: ReleaseType | None, name: str, seen: dict[tuple[str, str], int]) -> Release:
    product = row.one_of("product", CATALOGUE_PRODUCTS)
    day = row.day("date")
    month = row.month(day)
    kind = kind or ReleaseType(row.one_of("type", _TYPES))
    hotpatch_kb, lcu_kb = row.kb("hotpatch_kb"), row.kb("lcu_kb")
    if kind in BASELINE_TYPES and hotpatch_kb:
        raise row.wrong("hotpatch_kb", "a baseline has no hotpatch", "Give its KB as lcu_kb.")
    if kind is ReleaseType.HOTPATCH and not hotpatch_kb:
        raise row.wrong("type", "a hotpatch row has no hotpatch_kb")
    if kind is not ReleaseType.HOTPATCH and not (hotpatch_kb or lcu_kb):
        raise row.wrong("type", "this row names no KB")
    if kind in BASELINE_TYPES and not lcu_kb:
        raise row.wrong("type", "a baseline row has no lcu_kb")
    for key, kb in (("hotpatch_kb", hotpatch_kb), ("lcu_kb", lcu_kb)):
        if kb is None:
            continue
        first = seen.get((product, kb))
        if first is not None:
            raise row.wrong(key, f"{kb} is given twice for {product}, first in line {first}")
        seen[product, kb] = row.line
    if hotpatch_kb is None and row.optional("hotpatch_build"):
        raise row.wrong("hotpatch_build", "there is a hotpatch_build without a hotpatch_kb")
    if lcu_kb is None and row.optional("lcu_build"):
        raise row.wrong("lcu_build", "there is an lcu_build without an lcu_kb")
    evidence = row.one_of("evidence", ("documented", "secondary")) if row.optional("evidence") else "secondary"
    return Release(
        product=product,
        month=month,
        type=kind,
        day=day,
        hotpatch_kb=hotpatch_kb,
        hotpatch_builds=row.builds("hotpatch_build"),
        lcu_kb=lcu_kb,
        lcu_builds=row.builds("lcu_build"),
        breaks_hotpatch=row.truth("breaks_hotpatch"),
        evidence=evidence,
        source=row.optional("source") or name,
        note=row.optional("note"),
    )


def _check_months(releases: list[Release], lists: dict[str, list[_Row]], name: str) -> None:
    """One month of a product is one thing: a baseline, a hotpatch month, or unsettled."""
    rows = [*lists["releases"], *lists["lcu_only"]]
    first: dict[tuple[str, str], int] = {}
    for release, row in zip(releases, rows, strict=True):
        if release.type is ReleaseType.OUT_OF_BAND:
            continue
        key = (release.product, release.month)
        if key in first:
            message = f"{release.product} has two regular rows for {release.month}, first in line {first[key]}"
            raise _wrong(name, row.line, message)
        first[key] = row.line


def _planned(row: _Row) -> PlannedRelease:
    product = row.one_of("product", CATALOGUE_PRODUCTS)
    kind = ReleaseType(row.one_of("type", _TYPES))
    return PlannedRelease(product, row.month(None), kind, row.optional("source") or "", row.day("announced"))


def _wrong(name: str, line: int, message: str, hint: str | None = None) -> InvalidInput:
    return InvalidInput(
        f"The catalogue file {name}, line {line}: {message}.",
        code="bad_catalogue",
        hint=hint or "The documentation of the catalogue file lists its keys; nothing was done.",
    )

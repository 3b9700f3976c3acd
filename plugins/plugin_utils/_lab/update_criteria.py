# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The criteria of a Windows Update search: groups joined by OR, criteria inside a group joined by AND.

Grammar and names: MS-UAMG and Microsoft Learn, IUpdateSearcher.Search. A group that does not name a DeploymentAction
means installations. What cannot be read ends the search with WU_E_INVALID_CRITERIA, 0x80240032.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

INVALID_CRITERIA = 0x80240032

_TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-z]+)|(?P<text>'[^']*')|(?P<number>\d+)|(?P<mark>!=|=|\(|\)))")

_FLAGS = {
    "isassigned",
    "browseonly",
    "autoselectonwebsites",
    "isinstalled",
    "ishidden",
    "ispresent",
    "rebootrequired",
}
_TEXTS = {"type": ("=", "!="), "deploymentaction": ("=",), "updateid": ("=", "!=")}

Criterion = tuple[str, str, Any]


class CriteriaError(Exception):
    """The criteria cannot be read."""


def parse(criteria: str) -> list[list[Criterion]]:
    """The groups of a criteria string.

    :raises CriteriaError: it is not one that the agent would take.
    """
    tokens = _tokens(criteria)
    groups: list[list[Criterion]] = []
    position = 0
    while True:
        group, position = _group(tokens, position)
        groups.append(group)
        if position == len(tokens):
            return groups
        if tokens[position] != ("word", "or"):
            raise CriteriaError(criteria)
        position += 1


def matches(groups: list[list[Criterion]], update: Mapping[str, Any]) -> bool:
    """Whether an update is found; ``update`` holds the names of the criteria in lower case."""
    return any(all(_holds(one, update) for one in _with_default(group)) for group in groups)


def _with_default(group: list[Criterion]) -> list[Criterion]:
    if any(name == "deploymentaction" for name, _mark, _value in group):
        return group
    return [*group, ("deploymentaction", "=", "installation")]


def _holds(criterion: Criterion, update: Mapping[str, Any]) -> bool:
    name, mark, value = criterion
    if mark == "contains":
        return value in update["categoryids"]
    if name == "deploymentaction" and value == "*":
        return True
    return (update[name] == value) is (mark == "=")


def _tokens(criteria: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    end = len(criteria.rstrip())
    while position < end:
        match = _TOKEN.match(criteria, position)
        if match is None:
            raise CriteriaError(criteria)
        kind = match.lastgroup or ""
        text = match.group(kind)
        found.append((kind, text.strip("'").lower() if kind in {"word", "text"} else text))
        position = match.end()
    if not found:
        raise CriteriaError(criteria)
    return found


def _group(tokens: list[tuple[str, str]], position: int) -> tuple[list[Criterion], int]:
    found: list[Criterion] = []
    wrapped = _is(tokens, position, "mark", "(")
    position += wrapped
    while True:
        inner = _is(tokens, position, "mark", "(")
        criterion, position = _criterion(tokens, position + inner)
        found.append(criterion)
        if inner:
            if not _is(tokens, position, "mark", ")"):
                raise CriteriaError("a parenthesis is not closed")
            position += 1
        if not _is(tokens, position, "word", "and"):
            break
        position += 1
    if wrapped:
        if not _is(tokens, position, "mark", ")"):
            raise CriteriaError("a parenthesis is not closed")
        position += 1
    return found, position


def _is(tokens: list[tuple[str, str]], position: int, kind: str, text: str) -> bool:
    return position < len(tokens) and tokens[position] == (kind, text)


def _criterion(tokens: list[tuple[str, str]], position: int) -> tuple[Criterion, int]:
    if position + 3 > len(tokens):
        raise CriteriaError("it ends in the middle")
    (name_kind, name), (mark_kind, mark), (value_kind, value) = tokens[position : position + 3]
    if name_kind != "word":
        raise CriteriaError(name)
    if name == "categoryids" and (mark_kind, mark) == ("word", "contains") and value_kind == "text":
        return (name, "contains", value), position + 3
    if name in _FLAGS and mark == "=" and value_kind == "number" and value in {"0", "1"}:
        return (name, "=", value == "1"), position + 3
    if name in _TEXTS and mark in _TEXTS[name] and value_kind == "text":
        return (name, mark, value), position + 3
    if name == "revisionnumber" and mark == "=" and value_kind == "number":
        return (name, "=", int(value)), position + 3
    raise CriteriaError(name)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies are checked to the last member."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.content import ANY, TAGS, check
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import ArmRefusal

FORM = {
    "location!": str,
    "tags": TAGS,
    "any": ANY,
    "properties": {"on": bool, "word": ("a", "b"), "rows": [{"n": int}]},
}


@pytest.mark.parametrize(
    "body",
    [
        {"location": "x"},
        {"location": "x", "tags": {"anything": "goes"}, "any": [1, {"x": 2}]},
        {"location": "x", "properties": {"on": True, "word": "a", "rows": [{"n": 1}, {}]}},
        {"location": "x", "properties": None},
    ],
)
def test_what_is_taken(body: Any) -> None:
    check(body, FORM)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "could not be deserialized"),
        ({}, "'location' is missing"),
        ({"location": 1}, "must be text"),
        ({"location": "x", "colour": 1}, "Could not find member 'colour'"),
        ({"location": "x", "tags": {"a": 1}}, "tags.a"),
        ({"location": "x", "properties": []}, "must be an object"),
        ({"location": "x", "properties": {"on": 1}}, "true or false"),
        ({"location": "x", "properties": {"rows": {}}}, "must be an array"),
        ({"location": "x", "properties": {"rows": [{"n": True}]}}, "a whole number"),
        ({"location": "x", "properties": {"rows": [{"m": 1}]}}, r"properties\.rows\[0\]"),
        ({"location": "x", "properties": {"word": "A"}}, "Allowed values are a, b"),
    ],
)
def test_what_is_refused(body: Any, words: str) -> None:
    with pytest.raises(ArmRefusal, match=words):
        check(body, FORM)

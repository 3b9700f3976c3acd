# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry values over StdRegProv: what is there, what is not, and what could not be read are three answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Fault, OutcomeUnknown
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.registry import (
    MISSING,
    UNREADABLE,
    GuestRegistry,
)

from .fake_server import FakeServer

PATH = r"SOFTWARE\Policies\Example"


def registry_that(answer: dict[str, Any]) -> tuple[GuestRegistry, list[tuple[str, Mapping[str, Any]]]]:
    """A registry whose every call gives one answer, and the calls that were made."""
    calls: list[tuple[str, Mapping[str, Any]]] = []

    def invoke(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        calls.append((method, params))
        return answer

    return GuestRegistry(FakeServer(invocations=invoke).connect(), "web01"), calls


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ReturnValue": "0", "uValue": "4294967295"}, 4294967295),
        ({"ReturnValue": "1", "uValue": None}, MISSING),
        ({"ReturnValue": "2", "uValue": None}, MISSING),
        ({"ReturnValue": "5", "uValue": None}, UNREADABLE),
        ({"ReturnValue": "2147749893", "uValue": None}, UNREADABLE),
        ({"ReturnValue": "0", "uValue": None}, UNREADABLE),
    ],
)
def test_a_number(answer: dict[str, Any], expected: object) -> None:
    registry, calls = registry_that(answer)
    assert registry.number(PATH, "Value") == expected
    assert calls == [("GetDWORDValue", {"hDefKey": 0x80000002, "sSubKeyName": PATH, "sValueName": "Value"})]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ReturnValue": "0", "sValue": ""}, ""),
        ({"ReturnValue": "0", "sValue": "http://wsus:8530"}, "http://wsus:8530"),
        ({"ReturnValue": "2"}, MISSING),
        ({"ReturnValue": "5"}, UNREADABLE),
    ],
)
def test_a_text(answer: dict[str, Any], expected: object) -> None:
    assert registry_that(answer)[0].text(PATH, "Value") == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ReturnValue": "0", "sNames": ["AU", "Orchestrator"]}, frozenset({"au", "orchestrator"})),
        ({"ReturnValue": "0", "sNames": []}, frozenset()),
        ({"ReturnValue": "2", "sNames": []}, MISSING),
        ({"ReturnValue": "5", "sNames": []}, UNREADABLE),
    ],
)
def test_the_keys_in_a_key(answer: dict[str, Any], expected: object) -> None:
    assert registry_that(answer)[0].subkeys(PATH) == expected


def test_a_write_says_what_it_writes_and_a_refusal_says_who_refused_what() -> None:
    registry, calls = registry_that({"ReturnValue": "0"})
    registry.ensure_key(PATH)
    registry.write_number(PATH, "Value", 1)
    registry.write_text(PATH, "Name", "x")
    registry.delete_value(PATH, "Value")
    assert [method for method, _params in calls] == ["CreateKey", "SetDWORDValue", "SetStringValue", "DeleteValue"]
    assert (calls[1][1]["uValue"], calls[2][1]["sValue"]) == (1, "x")
    denied, _calls = registry_that({"ReturnValue": "5"})
    with pytest.raises(Fault, match=r"web01: the registry refused to write .*Value: access denied") as caught:
        denied.write_number(PATH, "Value", 1)
    assert caught.value.code == "registry_denied"
    other, _calls = registry_that({"ReturnValue": "87"})
    with pytest.raises(Fault, match="code 87"):
        other.write_text(PATH, "Name", "x")


@pytest.mark.parametrize("code", ["1", "2"])
def test_a_value_that_is_not_there_is_deleted_already(code: str) -> None:
    registry_that({"ReturnValue": code})[0].delete_value(PATH, "Value")


def test_a_write_whose_answer_is_lost_is_asked_for_once_more() -> None:
    lost = [OutcomeUnknown("gone"), None]

    def invoke(_method: str, _params: Mapping[str, Any]) -> dict[str, Any]:
        error = lost.pop(0)
        if error is not None:
            raise error
        return {"ReturnValue": "0"}

    GuestRegistry(FakeServer(invocations=invoke).connect(), "web01").write_number(PATH, "Value", 1)
    assert lost == []

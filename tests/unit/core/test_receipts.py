# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schema of the receipts: true receipts pass, and a receipt that lost or bent a key does not."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import ValidationError

from ansible_collections.winops.hotpatch.plugins.module_utils._core.install_receipt import SCHEMA
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_script import OPERATIONS
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import AFTER, BEFORE
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_source import SELECTION
from ansible_collections.winops.hotpatch.plugins.module_utils._release.choice import Why
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import Kind
from tests.receipts import check_receipt, validator
from tests.unit.core.test_updates import BEHIND, LCU, PATCHED, Script, offer, run

SCHEMA_FILE = "receipt-1.json"


def whole_receipt() -> dict[str, Any]:
    """A receipt in which every list has something."""
    again = offer("KB5068966", "2025-11 Security Hotpatch Update (KB5068966) (26100.7092)")
    server = Script(BEHIND, PATCHED)
    server.answers["search"] = {
        "updates": [*server.answers["search"]["updates"], again],
        "agent": {"services": [{"id": "9482f4b4-e343-43b6-b170-9a65bc822c77", "name": "W", "default": True}]},
    }
    server.answers["download"] = {
        "updates": [{**each, "download": {"result_code": 2, "hresult": "0x00000000"}}
                    for each in server.answers["search"]["updates"] if each["kbs"] == ["5072014"]]
    }  # fmt: skip
    receipt: dict[str, Any] = run(server)["receipt"]
    return receipt


WHOLE = whole_receipt()


def test_a_whole_receipt_passes_and_has_everything_in_it() -> None:
    check_receipt(WHOLE)
    for name in ("witnesses_before", "witnesses_after", "operations", "offered", "offered_again", "results"):
        assert WHOLE[name], name
    assert LCU["update_id"] in [each["update_id"] for each in WHOLE["offered"]]
    assert (WHOLE["schema"], WHOLE["version"]) == (SCHEMA, 1)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key of the receipt, those within lists by their first entry."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*path, key)
            yield from places(value, (*path, key))
    elif isinstance(node, list) and node:
        yield from places(node[0], (*path, 0))


def changed(path: tuple[Any, ...], value: Any = None, *, drop: bool = False) -> dict[str, Any]:
    receipt = copy.deepcopy(WHOLE)
    holder: Any = receipt
    for step in path[:-1]:
        holder = holder[step]
    if drop:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return receipt


@pytest.mark.parametrize("path", list(places(WHOLE)), ids=lambda path: ".".join(map(str, path)))
def test_a_key_that_is_gone_or_is_something_else_fails(path: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError):
        check_receipt(changed(path, drop=True))
    for wrong in ({"not": "this"}, 3.5):
        with pytest.raises(ValidationError):
            check_receipt(changed(path, wrong))


@pytest.mark.parametrize("path", [(), ("source",), ("offered", 0), ("results", 0), ("witnesses_before", 0)])
def test_a_key_that_nobody_knows_fails(path: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError):
        check_receipt(changed((*path, "surprise"), 1))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("may_install",), "unknown"),  # a hotpatch was installed
        (("witnesses_before", 1, "answer"), "unknown"),
        (("witnesses_before",), []),
        (("mode",), "search"),
        (("version",), 2),
        (("schema",), "winops.hotpatch/receipt-2"),
        (("started",), "yesterday"),
        (("script_sha256",), "00"),
        (("kbs_installed",), ["KB5072014", "KB5072014"]),
        (("offered", 0, "why"), "disk_space"),  # it was selected
        (("results", 0, "hresult"), "-2145124330"),
    ],
)
def test_a_receipt_that_contradicts_itself_fails(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(ValidationError):
        check_receipt(changed(path, value))


def test_the_words_of_the_schema_are_those_of_the_code() -> None:
    schema = validator(SCHEMA_FILE).schema
    assert isinstance(schema, dict)
    defs: dict[str, Any] = schema["$defs"]
    offered = defs["offered"]["properties"]
    assert set(offered["why"]["enum"]) - {None} == {each.value for each in Why}
    assert set(offered["verdict"]["enum"]) == {each.value for each in Kind}
    assert set(defs["operation"]["properties"]["operation"]["enum"]) == set(OPERATIONS)
    assert set(defs["source"]["properties"]["server_selection"]["enum"]) == set(SELECTION)
    assert set(defs["witness_before"]["properties"]["name"]["enum"]) == set(BEFORE)
    assert set(defs["witness_after"]["properties"]["name"]["enum"]) == set(AFTER)


def test_the_documentation_names_the_schema_that_is_there() -> None:
    checkout = Path(__file__).resolve().parents[3]
    text = (checkout / "plugins" / "modules" / "updates.py").read_text(encoding="utf-8")
    (named,) = set(re.findall(r"docs/schemas/[\w-]+\.json", text))
    assert (checkout / named).is_file()

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every combination of what can be read of a server, against tables written from the documents (oracle.yml).

One test for each edition walks all combinations: the blockers must be exactly those of the tables, all of them at once,
and what is not known never passes.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.place_rules import Expected
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.rules import evaluate
from tests.unit.server_facts import healthy

ORACLE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("oracle.yml").read_text("utf-8"))
DIMENSIONS: dict[str, dict[str, Any]] = ORACLE["dimensions"]
EXPECTED = Expected(tenant_id="tenant-a", subscription_id="sub-a")
ENROLLMENTS = list(itertools.product(ORACLE["enrolled"], ORACLE["opted_out"]))

Row = dict[str, Any]


def rows_for(edition: str) -> list[Row]:
    """The rows of the oracle that can concern an edition, group names resolved."""

    def names(listed: list[str]) -> set[str]:
        return {name for entry in listed for name in ORACLE["groups"].get(entry, [entry])}

    rows = [row | {"when": {key: names(values) for key, values in row["when"].items()}} for row in ORACLE["blockers"]]
    return [row for row in rows if edition in row["when"].pop("edition")]


def answer_of(rows: list[Row], condition: dict[str, str]) -> tuple[list[Row], bool | None]:
    """The rows that apply to one condition, and whether such a server is eligible."""
    found = [row for row in rows if all(condition[name] in values for name, values in row["when"].items())]
    alone = [row for row in found if row.get("only")]
    found = alone or found
    if any(not row.get("doubt") for row in found):
        return found, False
    return found, None if found else True


def facts_of(edition: str, condition: dict[str, str]) -> dict[str, Any]:
    kind = ORACLE["editions"][edition]
    build = DIMENSIONS["build"][condition["build"]][kind["ws"]]
    number = {"ws2025": 26100, "ws2022": 20348}[kind["ws"]]
    read = DIMENSIONS["firmware"][condition["firmware"]]
    facts = healthy(vbs=DIMENSIONS["vbs"][condition["vbs"]], **read)
    facts["arc"] = DIMENSIONS["arc"][condition["arc"]]
    facts["os"].update(kind["os"] | {"build": number, "build_ubr": build})
    facts["platform"] = {"kind": DIMENSIONS["platform"][condition["platform"]]}
    return facts


@pytest.mark.parametrize("edition", ORACLE["editions"])
def test_every_combination_has_the_blockers_of_the_tables(edition: str) -> None:
    rows = rows_for(edition)
    seen: set[str] = set()
    count = 0
    for values in itertools.product(*DIMENSIONS.values()):
        condition = dict(zip(DIMENSIONS, values, strict=True))
        expected, eligible = answer_of(rows, condition)
        codes = {row["code"] for row in expected}
        doubts = {row["code"] for row in expected if row.get("doubt")}
        facts = facts_of(edition, condition)
        for enrolled, opted_out in ENROLLMENTS:
            found = evaluate(facts, enrolled=enrolled, opted_out=opted_out, expected=EXPECTED)
            assert {blocker.code for blocker in found.blockers} == codes, condition
            assert {blocker.code for blocker in found.blockers if blocker.unknown} == doubts, condition
            assert found.eligible is eligible, condition
            assert (found.enrolled, found.opted_out) == (enrolled, opted_out)
            count += 1
        seen |= codes
    assert count == 3 * 7 * 6 * 11 * 5 * 6
    assert seen == {row["code"] for row in rows if not any(other.get("only") for other in rows) or row.get("only")}

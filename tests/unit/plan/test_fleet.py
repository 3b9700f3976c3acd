# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries that no text of a person can break out of, and rows that claim no more than Azure said."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.fleet_query import (
    Narrowed,
    literal,
    machines_query,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.fleet_rows import FleetRows, patch_of, text_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.kql_syntax import parse, tokens_of

ROWS = FleetRows(Catalogue.shipped(date(2025, 12, 20)))
ARC: dict[str, Any] = {
    "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.HybridCompute/machines/WEB01",
    "name": "WEB01",
    "type": "microsoft.hybridcompute/machines",
    "osVersion": "10.0.26100.7462",
    "osName": "Windows Server 2025 Datacenter",
    "osEdition": "Datacenter",
    "agentStatus": "Connected",
}
FEATURE = {"productFeatures": [{"name": "Hotpatch", "subscriptionStatus": "Enabled"}]}


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs"])))
def test_a_text_is_one_literal(text: str) -> None:
    (token,) = tokens_of(literal(text))
    assert token.kind == "text"
    query = parse(machines_query(Narrowed(tags={text: text}, resource_groups=(text,), locations=(text,))))
    plain = parse(machines_query(Narrowed(tags={"a": "b"}, resource_groups=("c",), locations=("d",))))
    assert query.table == "resources"
    if text:
        assert [step.name for step in query.steps] == [step.name for step in plain.steps]


def test_control_characters_are_refused() -> None:
    with pytest.raises(InvalidInput):
        literal("a\nb")


@pytest.mark.parametrize(
    ("changes", "enrolled", "opted_out", "enrollment"),
    [
        ({}, False, None, "not_enrolled"),
        ({"product": FEATURE, "patchSettings": {"enableHotpatching": True}}, True, False, "enrolled"),
        ({"product": FEATURE, "patchSettings": {"enableHotpatching": False}}, True, True, "paused"),
        ({"product": FEATURE}, True, None, "half_enrolled"),
        ({"machineProduct": FEATURE}, True, None, "half_enrolled"),
        # The switch says it gets hotpatches, and no licence is to be seen: nothing is claimed.
        ({"patchSettings": {"enableHotpatching": True, "status": {"hotpatchEnablementStatus": "Enabled"}}},
         None, False, "unknown"),
        ({"product": {"productFeatures": [{"name": "Hotpatch", "subscriptionStatus": "Enabling"}]}},
         None, None, "enrolling"),
        ({"product": "nonsense", "patchSettings": ["nonsense"]}, False, None, "not_enrolled"),
    ],
)  # fmt: skip
def test_enrollment(changes: dict[str, Any], enrolled: bool | None, opted_out: bool | None, enrollment: str) -> None:
    row = ROWS.machine({**ARC, **changes})
    assert (row["enrolled"], row["opted_out"], row["enrollment"]) == (enrolled, opted_out, enrollment)


@pytest.mark.parametrize(
    ("changes", "product", "edition"),
    [
        ({}, "windows-server-2025", "Datacenter"),
        ({"osEdition": "Something"}, "windows-server-2025", None),
        ({"osName": "Windows 11 Enterprise"}, "windows-client", "ServerDatacenter"),
        ({"osName": "whatever"}, "unknown", None),
        ({"osVersion": "no version"}, "unknown", None),
        ({"type": "microsoft.compute/virtualmachines", "image": {"sku": "2022-datacenter-azure-edition-core"},
          "osVersion": None}, "windows-server-2022-datacenter-azure-edition", "Datacenter: Azure Edition"),
    ],
)  # fmt: skip
def test_product(changes: dict[str, Any], product: str, edition: str | None) -> None:
    row = ROWS.machine({**ARC, **changes})
    assert (row["product"], row["edition"]) == (product, edition)


def test_an_unknown_build_or_enrollment_has_no_track() -> None:
    enrolled = {"product": FEATURE, "patchSettings": {"enableHotpatching": True}}
    assert ROWS.machine({**ARC, **enrolled, "osVersion": "10.0.26100.99999"})["track"] == "unknown"
    assert ROWS.machine({**ARC, **enrolled, "osVersion": None})["track"] == "unknown"


def test_texts_are_cut_and_cleaned() -> None:
    assert text_of("a\x1b[31m\nb") == "a [31m b"
    assert len(text_of("x" * 5000) or "") == 300
    assert patch_of({"kb": "5072014", "classifications": "no list"}) == {
        "title": None, "kb": "KB5072014", "classifications": [], "severity": None, "restart_behavior": None,
        "published": None, "state": None,
    }  # fmt: skip

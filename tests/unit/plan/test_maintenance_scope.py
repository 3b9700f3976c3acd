# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines a dynamic scope finds, and what is said of each."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_assignment import Filter, filter_of
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_scope import (
    MOST_FOUND,
    counts_of,
    fitting,
    scope_query,
    warnings_of_scope,
)

ARC: dict[str, Any] = {
    "id": "/s/arc",
    "name": "arc",
    "type": "microsoft.hybridcompute/machines",
    "location": "westeurope",
    "tags": {"Ring": "1"},
    "osType": "windows",
    "agentStatus": "Connected",
}
SETTINGS: dict[str, Any] = {
    "patchMode": "AutomaticByPlatform",
    "enableHotpatching": False,
    "automaticByPlatformSettings": {"bypassPlatformSafetyChecksOnUserSchedule": True},
}
VM: dict[str, Any] = {
    "id": "/s/vm",
    "name": "vm",
    "type": "microsoft.compute/virtualmachines",
    "location": "westeurope",
    "osType": "Windows",
    "windows": SETTINGS,
    "power": "PowerState/running",
}


@pytest.mark.parametrize(
    ("row", "patched", "words"),
    [
        (ARC, True, ""),
        ({**ARC, "agentStatus": "Expired"}, False, "expired"),
        ({**ARC, "agentStatus": "Disconnected"}, None, "Disconnected"),
        ({**ARC, "agentStatus": None}, None, "cannot be told"),
        ({**ARC, "osType": ""}, None, "operating system is not known"),
        ({**ARC, "location": "uksouth"}, None, "It is in uksouth"),
        (VM, True, ""),
        ({**VM, "windows": None, "linux": SETTINGS, "osType": "Linux"}, True, ""),
        ({**VM, "windows": None}, False, "customer managed schedules"),
        ({**VM, "windows": "?"}, False, "customer managed schedules"),
        ({**VM, "windows": {**SETTINGS, "patchMode": "AutomaticByOS"}}, False, "customer managed schedules"),
        ({**VM, "windows": {**SETTINGS, "automaticByPlatformSettings": {}}}, False, "customer managed schedules"),
        ({**VM, "windows": {**SETTINGS, "enableHotpatching": True}}, False, "together with hotpatching"),
        ({**VM, "power": "PowerState/deallocated"}, None, "power state is deallocated"),
        ({**VM, "power": None}, None, "power state is unknown"),
    ],
)
def test_what_a_schedule_does_on_a_machine(row: dict[str, Any], patched: bool | None, words: str) -> None:
    (found,) = fitting([row], Filter(), "westeurope")
    assert found["patched"] is patched
    assert words in " ".join(found["notes"]) and bool(found["notes"]) is bool(words)


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ({}, True),
        ({"locations": ["West Europe"]}, True),
        ({"locations": ["uksouth"]}, False),
        ({"os_types": ["linux"]}, False),
        ({"tags": {"ring": "1"}}, True),
        ({"tags": {"RING": ["2", "1"]}}, True),
        ({"tags": {"ring": "2"}}, False),
        ({"tags": {"ring": "1", "env": "prod"}, "tag_operator": "any"}, True),
        ({"tags": {"ring": "1", "env": "prod"}, "tag_operator": "all"}, False),
    ],
)
def test_what_a_filter_finds(given: dict[str, Any], fits: bool) -> None:
    assert bool(fitting([ARC], filter_of(given), "westeurope")) is fits


def test_a_value_of_a_tag_has_its_capitals_and_no_tags_are_none() -> None:
    wanted = filter_of({"tags": {"ring": "a"}})
    assert fitting([{**ARC, "tags": {"ring": "A"}}, {**ARC, "tags": None}], wanted, "") == []


def test_texts_of_a_person_are_no_part_of_the_query() -> None:
    query = scope_query(filter_of({"resource_groups": ["a') | take 1 //"], "resource_types": ["vm"]}), None)
    assert "'a\\') | take 1 //'" in query
    assert "'microsoft.compute/virtualmachines'" in query and "hybridcompute" not in query
    assert "in~ ('mine')" in scope_query(Filter(), "mine")
    with pytest.raises(InvalidInput):
        scope_query(Filter(), "a\nb")


def test_warnings_name_the_machines_and_do_not_run_on() -> None:
    assert warnings_of_scope([]) == ["It finds no machine now."]
    fine = fitting([ARC, VM], Filter(), "westeurope")
    assert warnings_of_scope(fine) == []
    stopped = [{**VM, "name": f"vm{number}", "power": None} for number in range(12)]
    found = [*fine, *fitting(stopped, Filter(), "westeurope")]
    (warning,) = warnings_of_scope(found)
    assert warning.startswith("12 of the 14 machines that it finds now may not be patched. vm0: ")
    assert "vm9: " in warning and "vm10: " not in warning and "and 2 more" in warning
    assert counts_of(found) == {"found": 14, "patched": 2, "not_patched": 0, "unknown": 12}
    assert f"Azure takes {MOST_FOUND}" in warnings_of_scope(fine * MOST_FOUND)[0]

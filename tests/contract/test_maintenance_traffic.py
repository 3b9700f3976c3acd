# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request that the maintenance modules can send, in every state, and every answer of the lab to it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import (
    maintenance_assignment,
    maintenance_configuration,
)
from tests.contract.azure_recording import compare_or_store, judged, normalized, stored
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import running_lab

NAME = "maintenance"
#: A day that is always ahead, so that the recording stays as it is.
NEW: dict[str, Any] = {"location": "westeurope", "start": "2040-01-12 22:00", "time_zone": "Europe/Berlin"}
VM = "/providers/Microsoft.Compute/virtualMachines/vm01"


def play(calls: AzureCalls) -> None:
    """All states of a schedule and its machines, one after the other."""
    make = maintenance_configuration
    calls(make, name="monthly", patch_tuesday=2, check_mode=True, **NEW)
    calls(make, name="monthly", patch_tuesday=2, **NEW)
    calls(make, name="monthly", patch_tuesday=2, **NEW)  # nothing to do
    calls(make, name="monthly", reboot_setting="if_required", kb_exclude=["5072014"], tags={"ring": "1"})
    calls(make, name="baseline", patch_tuesday=-3, quarter_month=1, reboot_setting="always", **NEW)
    weekly = {"weeks": 1, "weekdays": ["saturday", "sunday"]}
    ends: dict[str, Any] = {"expiration": "2041-01-01 00:00", "duration": "1:30"}
    calls(make, name="weekly", every=weekly, classifications=["definition", "updates"], **ends, **NEW)
    calls(make, name="daily", every={"days": 3}, kb_include=["5072014"], exclude_kbs_requiring_reboot=True, **NEW)
    calls(make, name="nobody", state="absent")

    assign = maintenance_assignment
    calls(assign, configuration="monthly", machines=["arc01", "arc02"], check_mode=True)
    calls(assign, configuration="monthly", machines=["arc01", "arc02"])
    calls(assign, configuration="monthly", machines=["arc01", "arc02"])  # nothing to do
    calls(assign, configuration="weekly", name="arc01", assignment_name="own-name")
    calls.failing(assign, configuration="monthly", name="vm01", kind="vm")
    calls(assign, configuration="monthly", name="arc02", state="absent")
    calls.failing(assign, configuration="nothing", name="arc01")
    whole = {
        "resource_types": ["arc", "vm"],
        "resource_groups": ["rg-arc-servers"],
        "locations": ["West Europe"],
        "tags": {"ring": ["1", "2"], "env": "prod"},
        "tag_operator": "all",
    }
    group = {"resource_group": "rg-arc-servers", "tags": {"ring": "1"}}
    for scope in (whole, group):
        calls(assign, configuration="monthly", dynamic_scope=scope)
        calls(assign, configuration="monthly", dynamic_scope=scope)  # nothing to do
        calls(assign, configuration="monthly", dynamic_scope={**scope, "locations": ["uksouth"]})
    calls(assign, configuration="monthly", dynamic_scope=group, state="absent")
    calls(make, name="tagged", patch_tuesday=2, tags={"owner": "us"}, **NEW)
    calls(assign, configuration="tagged", machines=["arc01", "arc02"])
    leave: dict[str, Any] = {"configuration_tags": {"owner": "us"}, "machines": ["arc01", "arc02"], "state": "absent"}
    calls(assign, keep=["tagged"], **leave)
    calls(assign, check_mode=True, **leave)
    calls(assign, **leave)
    calls(assign, **leave)  # nothing to do
    calls(make, name="monthly", state="absent")


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    servers = [{"name": "arc01"}, {"name": "arc02"}, {"name": "vm01", "platform": "azure", "enrolled": False}]
    with running_lab({"servers": servers}, tmp_path_factory.mktemp("lab"), "--scale", "2000") as lab:
        play(AzureCalls(lab))
        return normalized(lab.exchanges())


def test_the_traffic_is_that_of_the_recording(traffic: list[dict[str, Any]]) -> None:
    compare_or_store(NAME, traffic)


def test_microsofts_validator_takes_the_traffic(traffic: list[dict[str, Any]], contract: Path, tmp_path: Path) -> None:
    """And it does look: a broken copy of one request, put behind the rest, is all that it refuses."""
    put = next(item for item in traffic if item["request"]["method"] == "PUT")
    broken = copy.deepcopy(put)
    broken["request"]["body"]["properties"]["installPatches"]["rebootSetting"] = "Perhaps"
    refused = judged(contract, [*traffic, broken], tmp_path)
    assert [words for words in refused if "Perhaps" not in words and "ENUM" not in words] == []
    assert len(refused) == 1


# The specification calls dates, zone and rate free text: these hold what it cannot, and need no validator.


def bodies(part: str) -> list[dict[str, Any]]:
    return [
        item["request"]["body"]
        for item in stored(NAME)
        if item["request"]["method"] == "PUT" and part in item["request"]["url"]
    ]


def test_a_configuration_is_for_updates_inside_of_servers_and_whole() -> None:
    found = bodies("/maintenanceConfigurations/")
    assert found
    for body in found:
        properties = body["properties"]
        assert properties["maintenanceScope"] == "InGuestPatch"
        assert properties["extensionProperties"] == {"InGuestPatchMode": "User"}
        window = properties["maintenanceWindow"]
        assert {"startDateTime", "duration", "timeZone", "recurEvery"} <= set(window)
        assert window["startDateTime"] == "2040-01-12 22:00"
        assert window["timeZone"] == "W. Europe Standard Time"
        assert set(properties["installPatches"]["windowsParameters"]) == {
            *("classificationsToInclude", "kbNumbersToInclude", "kbNumbersToExclude", "excludeKbsRequiringReboot")
        }


def test_rates_restarts_and_lists_are_azures_words() -> None:
    found = {
        item["maintenanceWindow"]["recurEvery"]: item
        for item in (body["properties"] for body in bodies("/maintenanceConfigurations/"))
    }
    assert set(found) == {
        *("Month Second Tuesday Offset2", "3Months Second Tuesday Offset-3", "Week Saturday,Sunday", "3Days")
    }
    patches = {rate: item["installPatches"] for rate, item in found.items()}
    assert patches["3Months Second Tuesday Offset-3"]["rebootSetting"] == "Always"
    assert patches["Week Saturday,Sunday"]["windowsParameters"]["classificationsToInclude"] == ["Definition", "Updates"]
    assert patches["3Days"]["windowsParameters"]["kbNumbersToInclude"] == ["KB5072014"]
    assert patches["3Days"]["windowsParameters"]["excludeKbsRequiringReboot"] is True
    assert found["Week Saturday,Sunday"]["maintenanceWindow"]["expirationDateTime"] == "2041-01-01 00:00"
    assert found["Week Saturday,Sunday"]["maintenanceWindow"]["duration"] == "01:30"


def test_an_assignment_names_its_configuration_and_its_machine() -> None:
    machines = [body for body in bodies("/configurationAssignments/") if "resourceId" in body["properties"]]
    assert machines
    for body in machines:
        assert body["location"] == "westeurope"
        assert "/maintenanceConfigurations/" in body["properties"]["maintenanceConfigurationId"]
        assert "/Microsoft.HybridCompute/machines/" in body["properties"]["resourceId"]
        assert "filter" not in body["properties"]


def test_a_dynamic_scope_is_a_filter() -> None:
    filters = [
        body["properties"]["filter"] for body in bodies("/configurationAssignments/") if "filter" in body["properties"]
    ]
    assert filters[0] == {
        "resourceTypes": ["Microsoft.HybridCompute/machines", "Microsoft.Compute/virtualMachines"],
        "resourceGroups": ["rg-arc-servers"],
        "osTypes": ["Windows"],
        "locations": ["westeurope"],
        "tagSettings": {"tags": {"env": ["prod"], "ring": ["1", "2"]}, "filterOperator": "All"},
    }
    assert all("resourceGroups" not in item for item in filters[2:])


def test_nothing_else_is_written() -> None:
    writes = [
        item["request"]
        for item in stored(NAME)
        if item["request"]["method"] != "GET" and "/Microsoft.ResourceGraph/" not in item["request"]["url"]
    ]
    assert {item["method"] for item in writes} == {"PUT", "DELETE"}
    assert all("/Microsoft.Maintenance/" in item["url"] for item in writes)
    assert not any(VM in item["url"] for item in writes)

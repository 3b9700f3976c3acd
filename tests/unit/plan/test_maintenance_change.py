# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance configurations as Azure has them and as they are sent; filters; what is refused and warned of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_assignment import (
    check_count,
    check_machine,
    check_scopes,
    filter_of,
    notes_of,
    read_filter,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_change import (
    Configuration,
    body_of,
    check_lists,
    kbs_of,
    read_configuration,
    warnings_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_settings_change import PatchSettings

#: Microsoft's own example of the specification, shortened.
EXAMPLE: dict[str, Any] = {
    "id": "/subscriptions/s/resourcegroups/examplerg/providers/Microsoft.Maintenance/maintenanceConfigurations/c1",
    "name": "c1",
    "location": "westus2",
    "properties": {
        "namespace": "Microsoft.Maintenance",
        "maintenanceScope": "InGuestPatch",
        "visibility": "Custom",
        "maintenanceWindow": {
            "startDateTime": "2020-04-30 08:00",
            "expirationDateTime": "9999-12-31 00:00",
            "duration": "03:00",
            "timeZone": "Pacific Standard Time",
            "recurEvery": "5Days",
        },
        "installPatches": {
            "windowsParameters": {
                "classificationsToInclude": ["Security"],
                "kbNumbersToInclude": ["KB123456"],
                "kbNumbersToExclude": ["234567"],
                "excludeKbsRequiringReboot": False,
            },
            "linuxParameters": {"packageNameMasksToInclude": ["kernel*"]},
            "rebootSetting": "Always",
        },
    },
}


def test_microsofts_example_is_understood_and_comes_back() -> None:
    found = read_configuration(EXAMPLE)
    assert found.as_dict() == {
        "location": "westus2",
        "start": "2020-04-30 08:00",
        "duration": "03:00",
        "time_zone": "Pacific Standard Time",
        "recur_every": "5Days",
        "expiration": None,
        "reboot_setting": "always",
        "classifications": ["security"],
        "kb_include": ["KB123456"],
        "kb_exclude": ["KB234567"],
        "exclude_kbs_requiring_reboot": False,
        "tags": {},
    }
    assert found.window is not None
    body = body_of(found, found.window, EXAMPLE)
    assert read_configuration(body) == found
    assert body["properties"]["installPatches"]["linuxParameters"] == {"packageNameMasksToInclude": ["kernel*"]}
    assert body["properties"]["extensionProperties"] == {"InGuestPatchMode": "User"}
    assert "id" not in body and "tags" not in body


def test_another_scope_is_not_touched() -> None:
    host = {**EXAMPLE, "properties": {**EXAMPLE["properties"], "maintenanceScope": "Host"}}
    with pytest.raises(Refused, match="is for Host"):
        read_configuration(host)


@pytest.mark.parametrize(
    ("name", "text"), [("recurEvery", "whenever"), ("timeZone", "Mars"), ("startDateTime", ""), ("duration", "9:00")]
)
def test_texts_that_make_no_sense_are_shown_as_they_are(name: str, text: str) -> None:
    window = {**EXAMPLE["properties"]["maintenanceWindow"], name: text}
    found = read_configuration({**EXAMPLE, "properties": {**EXAMPLE["properties"], "maintenanceWindow": window}})
    assert found.window is None
    assert (text or None) in found.as_dict().values()


BARE: dict[str, Any] = {"maintenanceScope": "InGuestPatch"}


@pytest.mark.parametrize(
    "properties",
    [
        BARE,
        {**BARE, "maintenanceWindow": [], "installPatches": {"windowsParameters": {"classificationsToInclude": "x"}}},
    ],
)
def test_what_azure_leaves_out_breaks_nothing(properties: dict[str, Any]) -> None:
    assert read_configuration({"properties": properties}).window is None


def test_kb_numbers() -> None:
    assert kbs_of(["kb5072014", "5068966", "KB5072014"], "kb_include") == ("KB5068966", "KB5072014")
    with pytest.raises(InvalidInput, match="kb_include: 'KB12'"):
        kbs_of(["KB12"], "kb_include")


def wanted(**changes: Any) -> Configuration:
    return replace(read_configuration(EXAMPLE), reboot_setting="never", kb_include=(), kb_exclude=(), **changes)


def test_a_good_schedule_is_not_warned_of() -> None:
    assert warnings_of(wanted(classifications=("critical", "security", "definition")), too_early=False) == []


@pytest.mark.parametrize(
    ("changes", "too_early", "words"),
    [
        ({"classifications": ("definition",)}, False, "installs none of either"),
        ({"classifications": ("security", "updates")}, False, "off the hotpatch track"),
        ({"classifications": ("security", "feature_pack", "service_pack")}, False, "feature_pack and service_pack"),
        ({"exclude_kbs_requiring_reboot": True}, False, "hotpatches end with the next baseline"),
        ({}, True, "add a day"),
    ],
)
def test_what_endangers_the_track_is_said(changes: dict[str, Any], too_early: bool, words: str) -> None:
    (warning,) = warnings_of(wanted(**changes), too_early=too_early)
    assert words in warning


def test_a_restart_after_every_window_is_said() -> None:
    (warning,) = warnings_of(replace(wanted(), reboot_setting="always"), too_early=False)
    assert "no restart" in warning


def test_lists_that_contradict_each_other() -> None:
    with pytest.raises(InvalidInput, match="both included and excluded"):
        check_lists(replace(wanted(), kb_include=("KB5072014",), kb_exclude=("KB5072014",)))
    with pytest.raises(InvalidInput, match="installs nothing"):
        check_lists(replace(wanted(), classifications=()))


# Assignments


def test_a_filter_comes_back_whatever_the_spelling() -> None:
    given = {
        "resource_types": ["vm", "arc"],
        "resource_groups": ["RG1", "rg2"],
        "os_types": ["windows"],
        "locations": ["Japan East", "uksouth"],
        "tags": {"ring": ["2", "1"], "env": "prod"},
        "tag_operator": "all",
    }
    found = filter_of(given)
    assert read_filter({"filter": found.body()}) == found
    shown = {
        "filter": {
            "resourceTypes": ["Microsoft.Compute/virtualMachines", "microsoft.hybridcompute/machines"],
            "resourceGroups": ["RG2", "rg1"],
            "osTypes": ["Windows"],
            "locations": ["UK South", "japaneast"],
            "tagSettings": {"tags": {"env": ["prod"], "ring": ["1", "2"]}, "filterOperator": "All"},
        }
    }
    assert read_filter(shown).as_dict() == found.as_dict()


def test_an_empty_filter_and_a_foreign_one() -> None:
    assert filter_of({}).body() == {}
    assert read_filter({}).as_dict() == filter_of({}).as_dict()
    odd = {"filter": {"resourceTypes": ["Other/type"], "tagSettings": {"filterOperator": "Some"}}}
    assert read_filter(odd).resource_types == ("Other/type",)


@pytest.mark.parametrize("tags", [{"ring": []}, {"ring": None}, {"ring": [{"a": 1}]}])
def test_a_tag_needs_values(tags: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="the tag 'ring'"):
        filter_of({"tags": tags})
    with pytest.raises(InvalidInput, match="leave it out"):
        filter_of({"resource_group": "a", "resource_groups": ["b"]})


READY = PatchSettings("vm", hotpatching=False, patch_mode="AutomaticByPlatform", bypass_safety_checks=True)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (replace(READY, hotpatching=True, bypass_safety_checks=False), "schedule_excludes_hotpatching"),
        (replace(READY, patch_mode="AutomaticByOS"), "patch_orchestration"),
        (replace(READY, bypass_safety_checks=None), "patch_orchestration"),
        (PatchSettings("arc", agent="Expired"), "agent_expired"),
    ],
)
def test_machines_on_which_a_schedule_would_do_nothing(settings: PatchSettings, code: str) -> None:
    with pytest.raises(Refused) as caught:
        check_machine("vm1", settings)
    assert caught.value.code == code
    assert "vm1" in caught.value.message and "Nothing was sent." in caught.value.message


@pytest.mark.parametrize(
    "settings", [READY, PatchSettings("arc", hotpatching=True, agent="Connected"), PatchSettings("arc", agent=None)]
)
def test_machines_that_take_a_schedule(settings: PatchSettings) -> None:
    check_machine("m1", settings)
    assert notes_of(settings, "West Europe", "westeurope", 0) == []


def test_notes_of_a_machine() -> None:
    notes = notes_of(PatchSettings("arc", agent="Disconnected"), "uksouth", "westeurope", 2)
    assert ["15 minutes" in notes[0], "in westeurope" in notes[1], "2 further" in notes[2]] == [True] * 3


def test_the_limits_in_words() -> None:
    there = {f"/machines/{number}" for number in range(2999)}
    check_count(there, {"/machines/1", "/machines/new"}, "monthly")
    with pytest.raises(Refused, match="takes 3000"):
        check_count(there, {"/machines/a", "/machines/b"}, "monthly")
    check_scopes(199, "monthly")
    with pytest.raises(Refused, match="takes 200"):
        check_scopes(200, "monthly")

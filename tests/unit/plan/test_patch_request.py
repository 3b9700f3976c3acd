# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation is asked for, the train guard, and where a machine stands by what Azure shows of it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.azure_standing import standing_of
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_request import (
    LONGEST,
    SHORTEST,
    duration_of,
    guard,
    iso_duration,
    request_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Track

CATALOGUE = Catalogue.shipped(date(2025, 12, 20))
DEFAULTS: dict[str, Any] = {
    "mode": "hotpatch_only",
    "classifications": [],
    "kb_include": ["5072014"],
    "kb_exclude": [],
    "exclude_kbs_requiring_reboot": False,
    "reboot_setting": "never",
    "maximum_duration": "2h",
    "max_patch_publish_date": None,
}


def arc(build: str = "10.0.26100.7092", status: str = "Enabled", switch: bool | None = True, **more: Any) -> Any:
    feature = {"name": "Hotpatch", "subscriptionStatus": status}
    settings = {} if switch is None else {"enableHotpatching": switch}
    return {
        "properties": {
            "osVersion": build,
            "osSku": "Windows Server 2025 Standard",
            "licenseProfile": {"productProfile": {"productType": "WindowsServer", "productFeatures": [feature]}},
            "osProfile": {"windowsConfiguration": {"patchSettings": settings}},
            **more,
        }
    }


def vm(sku: str = "2025-Datacenter-Azure-Edition", switch: bool = True, build: str | None = "10.0.26100.7092") -> Any:
    return {
        "properties": {
            "storageProfile": {"imageReference": {"sku": sku}},
            "osProfile": {"windowsConfiguration": {"patchSettings": {"enableHotpatching": switch}}},
            "instanceView": {"osVersion": build} if build else {},
        }
    }


@pytest.mark.parametrize(
    ("text", "minutes", "iso"),
    [
        ("2h", 120, "PT2H"),
        ("90m", 90, "PT1H30M"),
        ("2h30m", 150, "PT2H30M"),
        (" 1 h 5 min ", 65, "PT1H5M"),
        ("PT4H", 240, "PT4H"),
        ("pt90m", 90, "PT1H30M"),
        ("PT300S", 5, "PT5M"),
        ("4H", 240, "PT4H"),
    ],
)
def test_durations(text: str, minutes: int, iso: str) -> None:
    found = duration_of(text)
    assert (found, iso_duration(found)) == (timedelta(minutes=minutes), iso)


@pytest.mark.parametrize("text", ["", "banana", "2", "PT", "P", "h", "2h30", "-1h", "PT1.5H", "5h", "P1D", "4m", "0h"])
def test_no_durations(text: str) -> None:
    with pytest.raises(InvalidInput, match="maximum_duration"):
        duration_of(text)


@given(st.integers(int(SHORTEST.total_seconds()), int(LONGEST.total_seconds())))
def test_what_azure_is_told_reads_back(seconds: int) -> None:
    longest = timedelta(seconds=seconds)
    assert duration_of(iso_duration(longest)) == longest


def test_the_body() -> None:
    request = request_of(
        {
            **DEFAULTS,
            "mode": "any",
            "classifications": ["security", "update_rollup"],
            "kb_exclude": ["kb5072033"],
            "exclude_kbs_requiring_reboot": True,
            "reboot_setting": "if_required",
            "max_patch_publish_date": "2025-12-09",
        }
    )
    assert request.body() == {
        "maximumDuration": "PT2H",
        "rebootSetting": "IfRequired",
        "windowsParameters": {
            "classificationsToInclude": ["Security", "UpdateRollUp"],
            "kbNumbersToInclude": ["5072014"],
            "kbNumbersToExclude": ["5072033"],
            "excludeKbsRequiringReboot": True,
            "maxPatchPublishDate": "2025-12-09T23:59:59Z",
        },
    }
    assert request_of(DEFAULTS).body()["windowsParameters"] == {"kbNumbersToInclude": ["5072014"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"kb_include": []},
        {"kb_include": ["banana"]},
        {"kb_exclude": ["KB5072014"]},
        {"max_patch_publish_date": "soon"},
        {"max_patch_publish_date": "2025-12-09T10:00:00"},
        {"maximum_duration": "a day"},
    ],
)
def test_wrong_options(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        request_of({**DEFAULTS, **changes})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"classifications": ["security"]}, "classification_not_guarded"),
        ({"classifications": ["definition"], "kb_include": []}, "classification_not_guarded"),
        ({"reboot_setting": "always"}, "reboot_always"),
    ],
)
def test_hotpatch_only_refuses(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as caught:
        request_of({**DEFAULTS, **changes})
    assert caught.value.code == code
    request_of({**DEFAULTS, **changes, "mode": "any"})


@pytest.mark.parametrize(
    ("kb", "document", "is_arc", "kind"),
    [
        ("KB5072014", arc(), True, "hotpatch"),
        ("KB5072014", vm(), False, "hotpatch"),
        ("KB5072014", vm("2025-datacenter-azure-edition-core-smalldisk"), False, "hotpatch"),
    ],
)
def test_a_hotpatch_for_this_machine(kb: str, document: Any, is_arc: bool, kind: str) -> None:
    where = standing_of(document, arc=is_arc, catalogue=CATALOGUE)
    request = request_of({**DEFAULTS, "kb_include": [kb]})
    (verdict,) = guard(request, where, CATALOGUE)
    assert (verdict.kind.value, where.track) == (kind, Track.HOTPATCH)


@pytest.mark.parametrize(
    ("kb", "document", "is_arc"),
    [
        ("KB5072033", arc(), True),  # the cumulative update of the same month
        ("KB5072014", arc(status="Disabled", build="10.0.26100.7171"), True),
        ("KB5072014", arc(switch=False, build="10.0.26100.7171"), True),
        ("KB5072014", arc(build="10.0.26100.7171"), True),  # off the track
        ("KB5072014", arc(build="rubbish"), True),
        ("KB5072014", vm("2022-datacenter", build="10.0.20348.4346"), False),
        ("KB5072014", vm(switch=False, build="10.0.26100.7171"), False),
        ("KB5072014", vm(build=None), False),  # does not run, so shows no build
        ("KB890830", arc(), True),
        ("KB9999999", arc(), True),
        ("KB5072014", {}, True),
        ("KB5072014", {"properties": {"osProfile": 7, "licenseProfile": []}}, True),
    ],
)
def test_no_hotpatch_for_this_machine(kb: str, document: Any, is_arc: bool) -> None:
    where = standing_of(document, arc=is_arc, catalogue=CATALOGUE)
    options = {**DEFAULTS, "kb_include": ["KB5072014", kb] if kb != "KB5072014" else [kb]}
    with pytest.raises(Refused, match="Not a hotpatch for this machine") as caught:
        guard(request_of(options), where, CATALOGUE)
    assert kb in caught.value.message
    assert guard(request_of({**options, "mode": "any"}), where, CATALOGUE)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request that the patch modules can send, in every state, and every answer of the lab to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import (
    patch_assessment,
    patch_installation,
    patch_settings,
)
from tests.contract.azure_recording import compare_or_store, judged, normalized, stored
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import running_lab

NAME = "patching"
QUICK: dict[str, Any] = {"poll_interval": 0.2, "arm_share": 100.0}
AS_OF: dict[str, Any] = {**QUICK, "as_of": "2025-12-20"}
EDITION = {"platform": "azure", "edition": "ServerTurbine", "arc": "none", "level": "KB5068966"}


def play(calls: AzureCalls) -> None:
    """All that is asked of an Arc machine and of a virtual machine, one after the other."""
    vm: dict[str, Any] = {"kind": "vm", "name": "vm01"}
    platform = "automatic_by_platform"
    calls(patch_settings, name="arc01", hotpatching=False, check_mode=True, **QUICK)
    calls(patch_settings, name="arc01", hotpatching=False, assessment_mode=platform, **QUICK)
    calls(patch_settings, name="arc01", hotpatching=True, patch_mode="manual", **QUICK)
    calls(patch_settings, **vm, hotpatching=True, patch_mode=platform, **QUICK)
    safe: dict[str, Any] = {"reboot_setting": "if_required", "bypass_platform_safety_checks": False}
    calls(patch_settings, **vm, **safe, **QUICK)
    calls(patch_settings, **vm, hotpatching=False, assessment_mode=platform, **QUICK)
    calls(patch_settings, kind="vm", name="member", hotpatching=True, patch_mode=platform, **QUICK)
    calls(patch_assessment, name="arc01", **AS_OF)
    calls(patch_assessment, name="arc01", maximum_age=600, **AS_OF)
    calls(patch_assessment, **vm, **AS_OF)
    calls(patch_installation, name="arc01", kb_include=["KB5072014"], **AS_OF)
    classes = [
        "critical",
        "security",
        "update_rollup",
        "feature_pack",
        "service_pack",
        "definition",
        "tools",
        "updates",
    ]
    everything: dict[str, Any] = {
        "mode": "any", "classifications": classes, "kb_include": ["KB890830"], "kb_exclude": ["KB2267602"],
        "exclude_kbs_requiring_reboot": True, "max_patch_publish_date": "2025-12-31", "reboot_setting": "always",
        "maximum_duration": "2h30m",
    }  # fmt: skip
    calls(patch_installation, **vm, **everything, **AS_OF)
    calls(
        patch_installation,
        name="arc02",
        mode="any",
        classifications=["security"],
        reboot_setting="if_required",
        **AS_OF,
    )
    calls.failing(patch_assessment, kind="vm", name="nobody", **AS_OF)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    servers: list[dict[str, Any]] = [
        {"name": "arc01", "level": "KB5068966", "other_updates": ["defender", "malware-tool"]},
        {"name": "arc02", "level": "KB5068861", "enrolled": False},
        {"name": "vm01", **EDITION, "enrolled": False, "other_updates": ["defender", "malware-tool"]},
        {"name": "member", **EDITION, "enrolled": False, "azure_vm": {"scale_set": "set1"}},
    ]
    fleet = {"as_of": "2025-12-20", "servers": servers}
    with running_lab(fleet, tmp_path_factory.mktemp("lab"), "--scale", "2000") as lab:
        play(AzureCalls(lab))
        return normalized(lab.exchanges())


def test_the_traffic_is_that_of_the_recording(traffic: list[dict[str, Any]]) -> None:
    compare_or_store(NAME, traffic)


def test_microsofts_validator_takes_the_traffic(traffic: list[dict[str, Any]], contract: Path, tmp_path: Path) -> None:
    """And it does look: a broken copy of one request, put behind the rest, is all that it refuses."""
    post = next(item for item in traffic if item["request"]["url"].split("?")[0].endswith("/installPatches"))
    without = {key: value for key, value in post["request"]["body"].items() if key != "rebootSetting"}
    broken = {**post, "request": {**post["request"], "body": without}}
    refused = judged(contract, [*traffic, broken], tmp_path)
    assert [words for words in refused if "rebootSetting" not in words] == []
    assert len(refused) == 1


# In contract is not the same as right. These need no validator, and hold for what the repository keeps.


def bodies(method: str, part: str) -> list[dict[str, Any]]:
    return [
        item["request"]["body"]
        for item in stored(NAME)
        if item["request"]["method"] == method and part in item["request"]["url"]
    ]


def settings(part: str) -> list[dict[str, Any]]:
    return [body["properties"]["osProfile"]["windowsConfiguration"] for body in bodies("PATCH", part)]


def test_hotpatching_of_a_virtual_machine_goes_with_what_it_needs() -> None:
    on = [windows for windows in settings("/virtualMachines/") if windows["patchSettings"].get("enableHotpatching")]
    assert on
    for windows in on:
        assert windows["provisionVMAgent"] is True
        assert windows["patchSettings"]["patchMode"] == "AutomaticByPlatform"


def test_an_arc_machine_is_told_what_differs_and_nothing_else() -> None:
    assert settings("/machines/") == [
        {"patchSettings": {"enableHotpatching": False, "assessmentMode": "AutomaticByPlatform"}},
        {"patchSettings": {"enableHotpatching": True, "patchMode": "Manual"}},
    ]


def test_an_installation_names_what_was_asked_and_nothing_else() -> None:
    found = bodies("POST", "installPatches")
    assert found[0] == {
        "maximumDuration": "PT2H",
        "rebootSetting": "Never",
        "windowsParameters": {"kbNumbersToInclude": ["5072014"]},
    }
    assert set(found[1]["windowsParameters"]) == {
        "classificationsToInclude", "kbNumbersToInclude", "kbNumbersToExclude", "excludeKbsRequiringReboot",
        "maxPatchPublishDate",
    }  # fmt: skip
    assert found[1]["maximumDuration"] == "PT2H30M"
    assert [body["rebootSetting"] for body in found] == ["Never", "Always", "IfRequired"]


def test_a_query_names_its_machines_and_one_subscription() -> None:
    queries = bodies("POST", "ResourceGraph")
    assert queries
    for body in queries:
        assert len(body["subscriptions"]) == 1
        assert re.search(r"^\| where tostring\(parts\[8\]\) in \('[a-z0-9]+'\)$", body["query"], re.MULTILINE)


def test_nothing_else_is_ever_sent() -> None:
    sent = {
        (item["request"]["method"], item["request"]["url"].split("?")[0].rsplit("/", 1)[-1]) for item in stored(NAME)
    }
    posts = {last for method, last in sent if method == "POST"}
    assert posts == {"assessPatches", "installPatches", "resources"}
    assert {method for method, _last in sent} == {"GET", "PATCH", "POST"}

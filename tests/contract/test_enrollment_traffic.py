# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request that the enrollment modules can send, in every state, and every answer of the lab to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import enrollment, enrollment_info
from tests.contract.azure_recording import compare_or_store, judged, normalized, stored
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import running_lab

NAME = "enrollment"
QUICK: dict[str, Any] = {"poll_interval": 0.2}


def play(calls: AzureCalls) -> None:
    """All states of a machine's enrollment, one after the other."""
    calls(enrollment_info)
    calls(enrollment, name="new01", check_mode=True, **QUICK)
    calls(enrollment, name="new01", **QUICK)  # no profile yet: PUT
    calls(enrollment, name="new01", **QUICK)  # nothing to do
    calls(enrollment, name="new01", opted_out=True, **QUICK)
    calls(enrollment, name="new01", **QUICK)  # paused by somebody: left alone
    calls(enrollment, name="new01", opted_out=False, **QUICK)
    calls(enrollment, name="old01", state="absent", check_mode=True, **QUICK)
    calls(enrollment, name="old01", state="absent", **QUICK)
    calls(enrollment, name="old01", state="absent", **QUICK)
    calls(enrollment, name="old01", **QUICK)  # the profile is there: PATCH
    calls(enrollment, name="new02", wait=False)
    calls.failing(enrollment, name="client01", **QUICK)  # Azure says Failed
    calls.failing(enrollment, name="nobody")


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    servers = [
        *({"name": name, "enrolled": False} for name in ("new01", "new02")),
        {"name": "old01"},
        {"name": "client01", "product": "windows-server-2022", "enrolled": False},
    ]
    with running_lab({"servers": servers}, tmp_path_factory.mktemp("lab"), "--scale", "2000") as lab:
        play(AzureCalls(lab))
        return normalized(lab.exchanges())


def test_the_traffic_is_that_of_the_recording(traffic: list[dict[str, Any]]) -> None:
    compare_or_store(NAME, traffic)


def test_microsofts_validator_takes_the_traffic(traffic: list[dict[str, Any]], contract: Path, tmp_path: Path) -> None:
    """And it does look: a broken copy of one request, put behind the rest, is all that it refuses."""
    put = next(item for item in traffic if item["request"]["method"] == "PUT")
    broken = {**put, "request": {**put["request"], "body": {"properties": put["request"]["body"]["properties"]}}}
    refused = judged(contract, [*traffic, broken], tmp_path)
    assert [words for words in refused if "location" not in words] == []
    assert len(refused) == 1


# In contract is not the same as right: a body without the feature is in contract and enrolls nothing. These need no
# validator, and hold for what the repository keeps.


def bodies(method: str, part: str) -> list[dict[str, Any]]:
    return [
        item["request"]["body"]
        for item in stored(NAME)
        if item["request"]["method"] == method and part in item["request"]["url"]
    ]


def test_a_new_profile_really_holds_the_feature() -> None:
    feature = {"name": "Hotpatch", "subscriptionStatus": "Enabled"}
    product = {"productType": "WindowsServer", "productFeatures": [feature]}
    wanted = {"location": "westeurope", "properties": {"productProfile": product}}
    assert bodies("PUT", "licenseProfiles")
    assert all(body == wanted for body in bodies("PUT", "licenseProfiles"))


def test_a_change_says_enable_or_disable_and_nothing_else() -> None:
    found = [body["properties"]["productProfile"] for body in bodies("PATCH", "licenseProfiles")]
    words = [product["productFeatures"][0].pop("subscriptionStatus") for product in found]
    assert set(words) == {"Enable", "Disable"}
    product = {"productType": "WindowsServer", "productFeatures": [{"name": "Hotpatch"}]}
    assert all(item == product for item in found)
    assert all(set(body) == {"properties"} for body in bodies("PATCH", "licenseProfiles"))


def test_the_switch_is_the_machines_own() -> None:
    machine_only = [body for body in bodies("PATCH", "/machines/") if "osProfile" in body["properties"]]
    settings = [body["properties"]["osProfile"]["windowsConfiguration"]["patchSettings"] for body in machine_only]
    assert {item["enableHotpatching"] for item in settings} == {True, False}
    assert all(set(item) == {"enableHotpatching"} for item in settings)


def test_nothing_is_ever_deleted_registered_or_paid_for() -> None:
    recorded = stored(NAME)
    assert {item["request"]["method"] for item in recorded} == {"GET", "PUT", "PATCH"}
    assert not any("register" in item["request"]["url"].lower() for item in recorded)
    for body in (*bodies("PUT", ""), *bodies("PATCH", "licenseProfiles")):
        assert "subscriptionStatus" not in body["properties"]["productProfile"]

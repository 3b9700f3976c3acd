# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fleet_info, preview_feature and resource_provider against the lab's Azure; and plain queries of others."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import (
    enrollment,
    fleet_info,
    patch_assessment,
    patch_installation,
    preview_feature,
    resource_provider,
)
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import RunningLab, running_lab

SERVERS = [
    {"name": "web01", "level": "KB5068966"},
    {"name": "web02", "enrolled": False},
    {"name": "vm01", "product": "windows-server-2022", "edition": "ServerTurbine", "platform": "azure", "arc": "none"},
]
FLEET = {
    "as_of": "2025-12-20",
    "azure": {"unregistered_providers": ["Microsoft.AzureArcData", "Microsoft.Maintenance"]},
    "servers": SERVERS,
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with running_lab(FLEET, tmp_path_factory.mktemp("lab"), "--scale", "2000") as running:
        yield running


@pytest.fixture
def calls(lab: RunningLab) -> Iterator[AzureCalls]:
    lab.mend_azure()
    yield AzureCalls(lab)
    lab.mend_azure()


def ask(lab: RunningLab, query: str, **body: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    """As somebody with curl."""
    request = urllib.request.Request(
        f"{lab.azure['arm']['http']}/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01",
        json.dumps({"query": query, **body}).encode(),
        {"Authorization": f"Bearer {lab.azure['access_token']}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), dict(error.headers)


def test_machines_with_what_azure_did_on_them(calls: AzureCalls) -> None:
    """One world: an assessment and an installation through Azure show, a little later."""
    calls(patch_assessment, name="web01", poll_interval=0.1, as_of="2025-12-20")
    calls(
        patch_installation,
        name="web01",
        poll_interval=0.1,
        reboot_setting="never",
        kb_include=["KB5072014"],
        as_of="2025-12-20",
    )
    time.sleep(0.3)
    found = calls(fleet_info, include=["assessed_updates", "installed_updates"], as_of="2025-12-20")
    rows = {row["name"]: row for row in found["machines"]}
    assert found["changed"] is False
    assert found["counts"]["kind"] == {"arc": 2, "vm": 1}
    assert (rows["WEB01"]["enrollment"], rows["WEB02"]["enrollment"]) == ("enrolled", "not_enrolled")
    assert rows["vm01"]["edition"] == "Datacenter: Azure Edition"
    assert "KB5072014" in {update["kb"] for update in rows["WEB01"]["assessment"]["updates"]}
    (run,) = rows["WEB01"]["installations"]
    assert run["status"] == "Succeeded"
    assert run["counts"]["installed"] == sum(1 for update in run["updates"] if update["state"] == "Installed") > 0
    assert rows["WEB02"]["assessment"] is None
    assert found["source"] | {"read_at": ""} == {
        "name": "Azure Resource Graph", "read_at": "", "lags": True, "assessment_days": 7, "installation_days": 30,
    }  # fmt: skip


def test_it_shows_an_enrollment_and_never_decides_one(calls: AzureCalls, lab: RunningLab) -> None:
    calls(enrollment, name="web02", poll_interval=0.1)
    time.sleep(0.3)
    rows = {row["name"]: row for row in calls(fleet_info, include=[])["machines"]}
    assert rows["WEB02"]["enrolled"] is True
    assert "assessment" not in rows["WEB02"]
    urls = [item["request"]["url"] for item in lab.exchanges() if "ResourceGraph" in item["request"]["url"]]
    assert len(urls) == 1  # the enrollment asked the machine itself


def test_narrowing(calls: AzureCalls) -> None:
    assert [row["name"] for row in calls(fleet_info, kinds=["vm"], include=[])["machines"]] == ["vm01"]
    assert calls(fleet_info, locations=["East US"])["machines"] == []
    assert calls(fleet_info, tags={"it's \\ | take 1": "x' or 1 == 1"})["machines"] == []
    assert calls(fleet_info, resource_groups=["nowhere"])["counts"]["machines"] == 0
    assert calls.failing(fleet_info, kinds=[]).code == "invalid_input"
    assert "NoValid" not in calls.failing(fleet_info, subscriptions=["x"]).message  # words for people
    assert calls.failing(fleet_info, tags={"a": ["b"]}).code == "invalid_input"


def test_the_quota_is_kept_to(calls: AzureCalls, lab: RunningLab) -> None:
    """Twenty queries at once: what Azure says is left is heeded, and hardly ever is it refused."""
    for _number in range(20):
        calls(fleet_info, include=[])
    refused = [item for item in lab.exchanges() if item["response"]["status"] == 429]
    assert len(refused) <= 1


def test_others_ask_as_well(lab: RunningLab) -> None:
    query = "Resources | where type =~ 'microsoft.hybridcompute/machines' | project id, name"
    status, answer, headers = ask(lab, query, options={"$top": 1})
    assert (status, answer["count"], answer["totalRecords"], answer["resultTruncated"]) == (200, 1, 2, "false")
    assert int(headers["x-ms-user-quota-remaining"]) < 15
    _status, second, _headers = ask(lab, query, options={"$top": 1, "$skipToken": answer["$skipToken"]})
    assert second["data"][0]["name"] != answer["data"][0]["name"]
    assert "$skipToken" not in second
    _status, table, _headers = ask(lab, "resourcecontainers | project name, type", options={"resultFormat": "table"})
    assert [column["name"] for column in table["data"]["columns"]] == ["name", "type"]
    status, refused, _headers = ask(lab, "Resources | frobnicate")
    assert (status, refused["error"]["details"][0]["code"]) == (400, "InvalidQuery")
    status, refused, _headers = ask(lab, "Resources", subscriptions=["00000000-0000-0000-0000-000000000001"])
    assert (status, refused["error"]["details"][0]["code"]) == (400, "NoValidSubscriptionsInQueryRequest")
    codes = [ask(lab, "resources | count")[0] for _number in range(60)]
    assert 200 in codes and set(codes) <= {200, 429}


def test_preview_features_and_the_provider(calls: AzureCalls, lab: RunningLab) -> None:
    """The whole way of 2021: three features, wait, the provider again."""
    gathered = calls(preview_feature, state="gathered")
    assert {row["state"] for row in gathered["features"]} == {"NotRegistered"}
    assert not calls.warnings
    foreseen = calls(preview_feature, check_mode=True)
    assert foreseen["changed"] and not lab.exchanges(writes=True)
    done = calls(preview_feature, poll_interval=0.1)
    assert done["changed"] and {row["state"] for row in done["features"]} == {"Registered"}
    assert "none of this is needed today" in calls.warnings[0]
    assert not calls(preview_feature, poll_interval=0.1)["changed"]
    again = calls(resource_provider, namespaces=["Microsoft.Compute"], again=True, poll_interval=0.1)
    assert again["changed"]
    sent = [item["request"]["url"].split("?")[0] for item in lab.exchanges(writes=True)]
    assert [url.rsplit("/providers/", 1)[-1] for url in sorted(sent)] == [
        "Microsoft.Compute/register",
        *(f"Microsoft.Compute/features/{name}/register" for name in sorted(preview_feature.HISTORIC)),
    ]


def test_a_provider_is_registered_by_its_own_task_only(calls: AzureCalls, lab: RunningLab) -> None:
    wanted = ["Microsoft.AzureArcData", "Microsoft.HybridCompute"]
    done = calls(resource_provider, namespaces=wanted, poll_interval=0.1)
    assert {row["name"]: row["changed"] for row in done["providers"]} == {wanted[0]: True, wanted[1]: False}
    assert {row["state"] for row in done["providers"]} == {"Registered"}
    assert not calls(resource_provider, namespaces=wanted)["changed"]
    gathered = calls(resource_provider, namespaces=["Microsoft.Maintenance"], state="gathered")
    assert gathered["providers"][0]["state"] == "NotRegistered"


def test_bad_moments_of_a_registration(calls: AzureCalls, lab: RunningLab) -> None:
    name = ["Microsoft.Maintenance"]
    lab.break_azure("permission_missing", action="*/register/action", times=1)
    error = calls.failing(resource_provider, namespaces=name)
    assert (error.code, error.changed) == ("azure_permission", False)
    assert "Microsoft.Maintenance/register/action" in error.message
    lab.break_azure("answer_lost", action="*/register/action", times=1)
    done = calls(resource_provider, namespaces=name, poll_interval=0.1)  # its answer was lost, and it was done
    assert done["changed"] and done["providers"][0]["state"] == "Registered"
    assert calls.failing(resource_provider, namespaces=["Microsoft.Nowhere"]).code == "azure_not_found"
    assert calls.failing(resource_provider, namespaces=["../x"]).code == "invalid_input"
    assert calls.failing(preview_feature, features=["a/b"]).code == "invalid_input"
    nowhere = calls.failing(resource_provider, namespaces=["Microsoft.Nowhere", "Microsoft.Neither"])
    assert "2 of 2 providers" in nowhere.message

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request that fleet_info, preview_feature and resource_provider send, and every answer of the lab to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import (
    fleet_info,
    preview_feature,
    resource_provider,
)
from tests.contract.azure_recording import compare_or_store, judged, normalized, stored
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import running_lab

NAME = "fleet"
ALL = ["assessments", "assessed_updates", "installations", "installed_updates"]


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    fleet = {
        "as_of": "2025-12-20",
        "azure": {"extra_machines": 1001, "unregistered_providers": ["Microsoft.Maintenance"]},
        "servers": [{"name": "web01"}],
    }
    with running_lab(fleet, tmp_path_factory.mktemp("lab"), "--scale", "2000") as lab:
        calls = AzureCalls(lab)
        calls(fleet_info, include=ALL, resource_groups=["rg-arc-servers"], tags={"site": "site1"})
        calls(fleet_info, include=[], kinds=["arc"])  # two pages
        calls(fleet_info, include=[], kinds=["vm"], locations=["West Europe"], tags={"a'b": ""})
        for state in ("gathered", "registered"):
            calls(preview_feature, state=state, poll_interval=0.1)
            calls(
                resource_provider, state=state, namespaces=["Microsoft.Maintenance"], poll_interval=0.1,
            )  # fmt: skip
        return normalized(lab.exchanges())


def test_the_traffic_is_that_of_the_recording(traffic: list[dict[str, Any]]) -> None:
    # Of the first page of a thousand machines one is enough for the repository.
    compare_or_store(NAME, [shortened(item) for item in traffic])


def shortened(exchange: dict[str, Any]) -> dict[str, Any]:
    body = exchange["response"]["body"]
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return exchange
    kept = body["data"][:1]
    return {**exchange, "response": {**exchange["response"], "body": {**body, "data": kept, "count": len(kept)}}}


def test_microsofts_validator_takes_the_traffic(traffic: list[dict[str, Any]], contract: Path, tmp_path: Path) -> None:
    """What it judges of this: Resource Graph. A broken copy of one query is all that it refuses."""
    queries = [shortened(item) for item in traffic if "ResourceGraph" in item["request"]["url"]]
    broken = {**queries[0], "request": {**queries[0]["request"], "body": {"options": {"$top": 5000}}}}
    refused = judged(contract, [*queries, broken], tmp_path)
    assert len(refused) == 1, refused
    assert "query" in refused[0]


def test_queries_are_narrowed_by_literals_and_paged() -> None:
    bodies = [item["request"]["body"] for item in stored(NAME) if "ResourceGraph" in item["request"]["url"]]
    assert all(body["subscriptions"] and body["options"]["$top"] == 1000 for body in bodies)
    assert any("$skipToken" in body["options"] for body in bodies)
    texts = [body["query"] for body in bodies]
    assert all("project id," in text and text.endswith("order by id asc") for text in texts)
    assert any("tostring(tags['a\\'b'])" in text for text in texts)
    assert {text.split("\n", 1)[0] for text in texts} == {
        "resources", "patchassessmentresources", "patchinstallationresources",
    }  # fmt: skip


def test_only_what_is_named_is_registered() -> None:
    posts = {
        item["request"]["url"].split("/providers/", 1)[-1]
        for item in stored(NAME)
        if item["request"]["method"] == "POST" and "ResourceGraph" not in item["request"]["url"]
    }
    features = "Microsoft.Features/providers/Microsoft.Compute/features"
    assert posts == {
        "Microsoft.Maintenance/register?api-version=2019-12-01",
        *(f"{features}/{name}/register?api-version=2015-12-01" for name in preview_feature.HISTORIC),
    }

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clouds, endpoints of one's own, and names of resources."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.clouds import cloud_of
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ARC_MACHINE, resource_of
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, InvalidInput

SUBSCRIPTION = "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33"


def nobody_asks(url: str) -> Any:
    raise AssertionError(url)


@pytest.mark.parametrize(
    ("name", "scope", "authority"),
    [
        ("AzureCloud", "https://management.azure.com/.default", "https://login.microsoftonline.com"),
        ("azurechinacloud", "https://management.chinacloudapi.cn/.default", "https://login.chinacloudapi.cn"),
        (
            "AzureUSGovernment",
            "https://management.core.usgovcloudapi.net/.default",
            "https://login.microsoftonline.us",
        ),
    ],
)
def test_known_clouds_are_not_asked(name: str, scope: str, authority: str) -> None:
    cloud = cloud_of(name, nobody_asks)
    assert (cloud.scope, cloud.authority, cloud.is_own) == (scope, authority, False)
    assert cloud_of(name, nobody_asks, "https://login.example.com").authority == "https://login.example.com"


STACK = {
    "galleryEndpoint": "https://gallery.example.com/",
    "authentication": {"loginEndpoint": "https://login.example.com/adfs/", "audiences": ["https://arm.example.com/1"]},
}


@pytest.mark.parametrize("document", [STACK, [STACK]], ids=["one", "list"])
def test_an_endpoint_of_ones_own_describes_itself(document: Any) -> None:
    asked: list[str] = []

    def ask(url: str) -> Any:
        asked.append(url)
        return document

    cloud = cloud_of("https://arm.example.com/", ask)
    assert asked == ["https://arm.example.com/metadata/endpoints?api-version=2015-01-01"]
    assert cloud.resource_manager == "https://arm.example.com"
    assert cloud.scope == "https://arm.example.com/1/.default"
    assert cloud.authority == "https://login.example.com/adfs"
    assert cloud.is_own


@pytest.mark.parametrize(
    "document",
    [None, "x", [], {}, {"authentication": {"audiences": []}}, {"authentication": {"audiences": ["x"]}}],
)
def test_an_endpoint_that_is_none(document: Any) -> None:
    with pytest.raises(BadAnswer):
        cloud_of("https://arm.example.com", lambda _url: document)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AzureMoon", "there is no cloud"),
        ("http://arm.example.com", "unencrypted"),
        ("ftp://arm.example.com", "no address"),
        ("https://user:pw@arm.example.com", "no address"),
        ("https://arm.example.com?x=1", "no address"),
        ("https://arm.example.com:99999", "no address"),
        ("https://arm.example.com:x", "no address"),
        ("https://[::1", "no address"),
        ("https://other.example\\@arm.example.com", "no address"),
    ],
)
def test_what_is_no_cloud(name: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        cloud_of(name, nobody_asks)
    assert "pw" not in caught.value.sentence()


@pytest.mark.parametrize("address", ["http://127.0.0.1:8089", "http://[::1]:8089", "http://localhost"])
def test_loopback_may_be_plain(address: str) -> None:
    assert cloud_of(address, lambda _url: STACK).resource_manager == address


def test_an_id_and_a_name_mean_the_same() -> None:
    text = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-a/providers/microsoft.hybridcompute/machines/web01"
    by_id = resource_of(text, (ARC_MACHINE,), subscription=None, group=None)
    by_name = resource_of("WEB01", (ARC_MACHINE,), subscription=SUBSCRIPTION, group="RG-A")
    assert by_id.key == by_name.key
    assert by_id.kind == ARC_MACHINE


@pytest.mark.parametrize(
    "text",
    [
        "web01/../web02",
        "..",
        "web 01",
        "a?b",
        "/subscriptions/x",
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/a/providers/Microsoft.Compute/disks/d",
        "/subscriptions/notaguid/resourceGroups/a/providers/Microsoft.HybridCompute/machines/m",
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/a/providers/Microsoft.HybridCompute/machines/m/licenseProfiles/x",
    ],
)
def test_what_could_name_something_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        resource_of(text, (ARC_MACHINE,), subscription=SUBSCRIPTION, group="rg")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InvalidInput, match="subscription_id and resource_group"):
        resource_of("web01", (ARC_MACHINE,), subscription=None, group=None)

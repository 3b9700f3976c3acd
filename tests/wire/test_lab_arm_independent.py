# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Azure and clients that are not ours: Microsoft's SDK with its own policies, and plain HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from tests.wire.running_lab import RunningLab, running_lab

VERSION = "2024-07-10"


@pytest.fixture(scope="module")
def azure_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    servers = [
        *({"name": f"web{number:03d}", "enrolled": False} for number in range(120)),
        {"name": "vm01", "platform": "azure", "arc": "none", "edition": "ServerTurbineCor", "core": True},
    ]
    with running_lab({"servers": servers}, tmp_path_factory.mktemp("lab"), "--scale", "2000") as running:
        yield running


@pytest.fixture(scope="module")
def sdk(azure_lab: RunningLab) -> Any:
    """Microsoft's client as its own documentation makes it, over TLS."""
    identity = import_module("azure.identity")
    hybridcompute = import_module("azure.mgmt.hybridcompute")
    azure, ca_file = azure_lab.azure, str(azure_lab.ca_file)
    credential = identity.ClientSecretCredential(
        azure["tenant"], azure["client_id"], azure["secret"], authority=azure["login"],
        disable_instance_discovery=True, connection_verify=ca_file,
    )  # fmt: skip
    return hybridcompute.HybridComputeManagementClient(
        credential, azure["subscription_id"], base_url=azure["arm"]["https"], api_version=VERSION,
        credential_scopes=["https://management.azure.com/.default"], connection_verify=ca_file, polling_interval=1,
    )  # fmt: skip


def body(word: str) -> dict[str, Any]:
    feature = {"name": "Hotpatch", "subscriptionStatus": word}
    return {"properties": {"productProfile": {"productType": "WindowsServer", "productFeatures": [feature]}}}


def test_microsofts_client_follows_its_operations(azure_lab: RunningLab, sdk: Any) -> None:
    group = azure_lab.azure["resource_group"]
    made = sdk.license_profiles.begin_create_or_update(group, "web000", {"location": "westeurope", **body("Enabled")})
    assert made.result().name == "default"
    assert sdk.license_profiles.begin_update(group, "web000", body("Disable")).result().name == "default"
    assert sdk.machines.get(group, "web000", expand="instanceView").location == "westeurope"
    sdk.license_profiles.begin_delete(group, "web000").result()
    assert list(sdk.license_profiles.list(group, "web000")) == []


def test_microsofts_client_reads_all_pages(azure_lab: RunningLab, sdk: Any) -> None:
    assert len(list(sdk.machines.list_by_resource_group(azure_lab.azure["resource_group"]))) == 120
    assert len(list(sdk.machines.list_by_subscription())) == 120


def ask(lab: RunningLab, path: str, method: str = "GET", document: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """Plain HTTP with the fleet file's access token: status, document, headers."""
    azure = lab.azure
    place = f"/subscriptions/{azure['subscription_id']}/resourceGroups/{azure['resource_group']}/providers"
    data = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(azure["arm"]["http"] + path.replace("{in}", place), data, method=method)
    for name, text in {"Authorization": f"Bearer {azure['access_token']}", **headers}.items():
        request.add_header(name, text)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"null"), answer.headers
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read() or b"null"), refused.headers


PROFILE = "{in}/Microsoft.HybridCompute/machines/web001/licenseProfiles/default"
ONE = "{in}/Microsoft.HybridCompute/machines/web001"


@pytest.mark.parametrize(
    ("path", "method", "document", "status", "code"),
    [
        (ONE, "GET", None, 400, "MissingApiVersionParameter"),
        (f"{ONE}?api-version=2020-01-01", "GET", None, 400, "InvalidResourceType"),
        (f"{{in}}/Microsoft.HybridCompute/machines/no?api-version={VERSION}", "GET", None, 404, "ResourceNotFound"),
        (f"{PROFILE}?api-version={VERSION}", "GET", None, 404, "ResourceNotFound"),
        (f"{PROFILE}?api-version={VERSION}", "PATCH", body("Enable"), 404, "ResourceNotFound"),
        (f"{PROFILE}?api-version={VERSION}", "PUT", body("Enabled"), 400, "InvalidParameter"),
        (f"{PROFILE}?api-version={VERSION}", "PUT", {"location": "mars", **body("Enabled")}, 400, "LocationMismatch"),
        (f"{PROFILE}?api-version={VERSION}", "PUT", {"location": "westeurope", **body("On")}, 400, "InvalidParameter"),
        (f"{PROFILE}?api-version={VERSION}", "PUT", {"location": "x", "colour": 1}, 400, "InvalidRequestContent"),
        (f"{ONE}?api-version={VERSION}", "PATCH", {"properties": {"x": 1}}, 400, "InvalidRequestContent"),
        (f"{ONE}?api-version={VERSION}", "PATCH", [], 400, "InvalidRequestContent"),
        ("/subscriptions/x/providers/Microsoft.Unknown/things?api-version=1", "GET", None, 404, "NotFound"),
        (
            f"/subscriptions/x/providers/Microsoft.HybridCompute/machines?api-version={VERSION}",
            "GET", None, 404, "SubscriptionNotFound",
        ),
    ],
)  # fmt: skip
def test_what_azure_refuses(
    azure_lab: RunningLab, path: str, method: str, document: Any, status: int, code: str
) -> None:
    found, answer, headers = ask(azure_lab, path, method, document)
    assert (found, answer["error"]["code"]) == (status, code)
    assert headers["x-ms-request-id"]


def test_who_may_not_ask(azure_lab: RunningLab) -> None:
    for header in ("", "Bearer nonsense", "Basic x"):
        status, answer, headers = ask(azure_lab, f"{ONE}?api-version={VERSION}", Authorization=header)
        assert status == 401
        assert "authorization_uri" in headers["WWW-Authenticate"]
        assert answer["error"]["code"] in ("AuthenticationFailed", "InvalidAuthenticationToken")
    assert ask(azure_lab, f"{ONE}?api-version={VERSION}", Origin="http://evil.example.com")[0] == 403


def test_a_put_without_the_feature_is_in_contract_and_enrolls_nothing(azure_lab: RunningLab) -> None:
    empty = {"location": "westeurope", "properties": {"softwareAssurance": {}}}
    path = PROFILE.replace("web001", "web002")
    status, answer, headers = ask(azure_lab, f"{path}?api-version={VERSION}", "PUT", empty)
    assert status == 201
    assert headers["Azure-AsyncOperation"] and headers["Location"] and headers["Retry-After"] == "1"
    assert "productProfile" not in answer["properties"]
    assert azure_lab.state("web002")["enrolled"] is False


def test_how_much_is_left_is_told(azure_lab: RunningLab) -> None:
    _status, _answer, headers = ask(azure_lab, f"{ONE}?api-version={VERSION}")
    assert int(headers["x-ms-ratelimit-remaining-subscription-reads"]) <= 249


def test_virtual_machines_are_azures_too(azure_lab: RunningLab) -> None:
    status, answer, _headers = ask(azure_lab, "{in}/Microsoft.Compute/virtualMachines/vm01?api-version=2024-07-01")
    assert status == 200
    assert answer["properties"]["storageProfile"]["imageReference"]["sku"] == "2025-datacenter-azure-edition-core"
    assert ask(azure_lab, "{in}/Microsoft.Compute/virtualMachines/vm02?api-version=2024-07-01")[0] == 404
    assert len(ask(azure_lab, "{in}/Microsoft.Compute/virtualMachines?api-version=2024-07-01")[1]["value"]) == 1


def test_faults_are_checked(azure_lab: RunningLab) -> None:
    for wrong in ({"kind": "boredom"}, {"kind": "throttled", "colour": "red"}, {"kind": "throttled", "times": "many"}):
        with pytest.raises(urllib.error.HTTPError) as caught:
            azure_lab.ask("/azure/faults", wrong)
        assert caught.value.code == 400
        caught.value.close()
    assert "kinds" in azure_lab.ask("/azure/faults")

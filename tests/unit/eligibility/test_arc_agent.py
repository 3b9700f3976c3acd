# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server stands with Azure Arc, and where it runs: tables and properties."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.agent_exit_codes import (
    AGENT_CODES,
    DOWNLOAD_CODES,
    INSTALLER_CODES,
    describe_agent,
    describe_download,
    describe_installer,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.arc_agent import (
    CONDITIONS,
    condition_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.platform_kind import AZURE_TAG, classify

PLACE = {
    "tenant_id": "T",
    "cloud": "AzureCloud",
    "subscription_id": "S",
    "resource_group": "rg-arc",
    "resource_name": "WEB01",
    "location": "westeurope",
}
NOWHERE: dict[str, str | None] = dict.fromkeys(PLACE)


def agent(**changes: Any) -> dict[str, Any]:
    """The facts of an agent that is connected as wanted."""
    return {
        "installed": True,
        "service": "running",
        "status": "Connected",
        "resource_id": "/subscriptions/S/resourceGroups/rg-arc/providers/Microsoft.HybridCompute/machines/WEB01",
        **PLACE,
        "last_heartbeat": "2025-12-20T11:57:00Z",
        "error_code": None,
        "error_details": None,
        "error_timestamp": None,
        **changes,
    }


def bare(**changes: Any) -> dict[str, Any]:
    """An agent without an identity."""
    return agent(**dict.fromkeys([*PLACE, "resource_id", "last_heartbeat"]), **{"status": "Disconnected", **changes})


GONE = {"error_code": "HCRP404", "error_details": "The requested resource was not found."}


@pytest.mark.parametrize(
    ("arc", "code"),
    [
        ({"installed": False}, "absent"),
        ({"installed": None}, "unknown"),
        (agent(status=None), "unknown"),
        (agent(status=""), "unknown"),
        (bare(), "not_connected"),
        (bare(status="Connected"), "unknown"),
        (agent(), "connected"),
        (agent(status="CONNECTED"), "connected"),
        (agent(service="stopped"), "connected"),
        (agent(status="Disconnected"), "disconnected"),
        (agent(status="Error"), "disconnected"),
        (
            agent(status="Disconnected", error_details='Post "https://gbl.his.arc.azure.com": i/o timeout'),
            "disconnected",
        ),
        (agent(status="Disconnected", error_details="proxy answered 404"), "disconnected"),
        (agent(status="Expired"), "expired"),
        (agent(status="Expired", **GONE), "expired"),
        (agent(status="Disconnected", **GONE), "resource_deleted"),
        (agent(status="Connected", **GONE), "resource_deleted"),
        (agent(status="Disconnected", error_details="the machine was deleted in Azure"), "resource_deleted"),
        (agent(status="Disconnected", error_code="ResourceNotFound"), "resource_deleted"),
        (agent(**GONE, error_timestamp="2025-12-01T00:00:00Z"), "connected"),
        (agent(**GONE, error_timestamp="2025-12-20T12:00:00Z"), "resource_deleted"),
        (agent(tenant_id="T2"), "other_tenant"),
        (agent(cloud="AzureChinaCloud"), "other_cloud"),
        (agent(subscription_id="S2"), "other_subscription"),
        (agent(resource_group="rg-other"), "other_resource_group"),
        (agent(resource_name="WEB02"), "other_resource_name"),
        (agent(location="northeurope"), "other_location"),
        (agent(tenant_id="T2", location="northeurope"), "other_tenant"),
        (agent(status="Expired", subscription_id="S2"), "other_subscription"),
        (agent(resource_group=None), "unknown"),
    ],
)
def test_condition(arc: dict[str, Any], code: str) -> None:
    found = condition_of(arc, PLACE)
    assert found.code == code
    assert found.words.endswith(".")
    assert (found.remedy is None) == (code == "connected")


def test_names_compare_as_azure_compares_them() -> None:
    wanted = {**PLACE, "resource_group": "RG-ARC", "location": "West Europe", "subscription_id": "s"}
    assert condition_of(agent(), wanted).code == "connected"


def test_what_nobody_asks_for_is_not_compared() -> None:
    assert condition_of(agent(tenant_id="T2", location="northeurope"), NOWHERE).code == "connected"
    assert condition_of(agent(resource_group=None), NOWHERE).code == "connected"


def test_connected_is_said_only_of_a_connected_server_in_its_place() -> None:
    """Over all combinations: never "connected" unless the agent says so, and of the place that is wanted."""
    statuses = ("Connected", "Disconnected", "Expired", "", None, "Fröhlich")
    for status, tenant, group, installed, error in product(
        statuses, ("T", "T2", None), ("rg-arc", "rg-other"), (True, False, None), (None, "HCRP404")
    ):
        arc = agent(status=status, tenant_id=tenant, resource_group=group, installed=installed, error_code=error)
        found = condition_of(arc, PLACE)
        assert found.code in CONDITIONS
        good = (status, tenant, group, installed, error) == ("Connected", "T", "rg-arc", True, None)
        assert (found.code == "connected") == good


def test_the_three_outcomes_have_three_remedies() -> None:
    found = [
        condition_of(agent(status="Disconnected"), PLACE),
        condition_of(agent(status="Expired"), PLACE),
        condition_of(agent(status="Disconnected", **GONE), PLACE),
    ]
    assert len({condition.remedy for condition in found}) == 3


# ---- where it runs


def shown(**changes: str | None) -> dict[str, str | None]:
    """An ordinary guest of Hyper-V."""
    return {
        "asset_tag": "4712-0001-9036-2247-5518-7790-12",
        "manufacturer": "Microsoft Corporation",
        "model": "Virtual Machine",
        "edition_id": "ServerStandard",
        "product_name": "Windows Server 2025 Standard",
        "host_sku": "8",
        "cloud_provider": "N/A",
        **changes,
    }


BARE_METAL = {"asset_tag": "", "manufacturer": "Dell Inc.", "model": "PowerEdge R660", "host_sku": None}


@pytest.mark.parametrize(
    ("what", "kind", "answers"),
    [
        (shown(), "other", (False, False, False)),
        (shown(**BARE_METAL), "other", (False, False, False)),
        (shown(**BARE_METAL, cloud_provider=None), "other", (False, False, False)),
        (shown(asset_tag=AZURE_TAG, host_sku="199"), "azure_vm", (True, False, False)),
        (shown(asset_tag=AZURE_TAG), "azure_vm", (True, False, False)),
        (shown(asset_tag=None, host_sku="168"), "azure_vm", (True, False, False)),
        (shown(asset_tag=None), "unknown", (None, False, False)),
        (shown(**BARE_METAL, edition_id="ServerAzureStackHCICor"), "azure_local_host", (False, True, False)),
        (shown(**BARE_METAL, product_name="Azure Stack HCI"), "azure_local_host", (False, True, False)),
        (shown(**BARE_METAL, edition_id="ServerAzureStackHCICor", cloud_provider="AzSHCI"), "azure_local_host",
         (False, True, False)),
        (shown(**BARE_METAL, edition_id=None), "unknown", (False, None, None)),
        (shown(host_sku="406"), "azure_local_vm", (False, False, True)),
        (shown(cloud_provider="AzSHCI"), "azure_local_vm", (False, False, True)),
        (shown(host_sku=None), "unknown", (False, False, None)),
        (shown(host_sku=""), "unknown", (False, False, None)),
        (shown(manufacturer=None), "unknown", (False, False, None)),
        (shown(asset_tag=AZURE_TAG, host_sku="406"), "unknown", (True, False, True)),
        (dict.fromkeys(shown()), "unknown", (None, None, None)),
        ({}, "unknown", (None, None, None)),
    ],
)  # fmt: skip
def test_platform(what: dict[str, str | None], kind: str, answers: tuple[bool | None, ...]) -> None:
    found = classify(what)
    assert (found.azure_vm, found.azure_local_host, found.azure_local_vm) == answers
    assert found.kind == kind


def test_what_could_not_be_read_never_makes_a_platform_safer() -> None:
    """Taking any one answer away may make a sure "no" unknown, but never a "yes" or an unknown into a "no"."""
    cases = [
        shown(),
        shown(**BARE_METAL),
        shown(host_sku="406"),
        shown(asset_tag=AZURE_TAG),
        shown(cloud_provider="AzSHCI"),
    ]
    for case in cases:
        whole = classify(case)
        for name in case:
            part = classify({**case, name: None})
            for before, after in (
                (whole.azure_vm, part.azure_vm),
                (whole.azure_local_host, part.azure_local_host),
            ):
                assert not (before is not False and after is False and name in ("asset_tag", "edition_id")), (
                    case,
                    name,
                )


# ---- exit codes


def test_every_documented_code_of_the_agent_is_listed() -> None:
    documented = {*range(7), 11, 12, 16, 18, 19, 20, 23, 26, 27, 28, *range(41, 46), *range(61, 71), *range(72, 77)}
    documented |= {81, 82, 83, *range(101, 109)}
    assert set(AGENT_CODES) == documented


@pytest.mark.parametrize("table", [AGENT_CODES, INSTALLER_CODES, DOWNLOAD_CODES])
def test_every_failure_says_what_to_do(table: dict[int, tuple[str, str, str]]) -> None:
    for code, (meaning, error_class, remedy) in table.items():
        assert meaning and not meaning.endswith(".")
        assert error_class in ("retry", "fix", "stop")
        assert bool(remedy) == (code != 0)


def test_codes_in_words() -> None:
    assert describe_agent(41).sentence == "AZCM0041: no access token was given: the login was refused."
    assert describe_agent(41).retryable is False
    assert describe_installer(1618).retryable is True
    assert describe_installer(0).retryable is False
    assert describe_download(60).label == "curl 60"
    odd = describe_agent(0xC0000005)
    assert (odd.label, odd.known, odd.error_class) == ("0xC0000005", False, "stop")
    assert describe_agent(99).as_dict()["known"] is False

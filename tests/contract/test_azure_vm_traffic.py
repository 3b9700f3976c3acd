# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request that azure_vm can send, and every answer of the lab to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import azure_vm
from tests.contract.azure_recording import compare_or_store, judged, normalized, stored
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import running_lab

NAME = "azure_vm"
NETWORK = "/subscriptions/0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33/resourceGroups/net/providers/Microsoft.Network"
NEW: dict[str, Any] = {
    "location": "uksouth",
    # The specification's list of sizes is open and ends with the third version; our checker takes it for closed.
    "size": "Standard_D2s_v3",
    "admin_username": "winadmin",
    "admin_password": "Quite-another-Passw0rd",
    "poll_interval": 0.2,
}


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    servers = [{"name": "web01"}]
    with running_lab({"servers": servers}, tmp_path_factory.mktemp("lab"), "--scale", "2000") as lab:
        calls = AzureCalls(lab)
        subnet = {**NEW, "subnet_id": f"{NETWORK}/virtualNetworks/v1/subnets/servers", "tags": {"site": "north"}}
        calls(azure_vm, name="vm01", check_mode=True, **subnet)
        calls(azure_vm, name="vm01", **subnet)
        assert not calls(azure_vm, name="vm01", **subnet)["changed"]
        interface = {**NEW, "network_interface_id": f"{NETWORK}/networkInterfaces/nic2", "zone": "1", "disk_size": 128}
        calls(azure_vm, name="vm02", image="2022-datacenter-azure-edition-core", **interface)
        error = calls.failing(azure_vm, name="vm03", **{**subnet, "location": "germanynorth"})
        assert "uksouth" in str(error.hint)
        return normalized(lab.exchanges())


def test_the_traffic_is_that_of_the_recording(traffic: list[dict[str, Any]]) -> None:
    compare_or_store(NAME, traffic)


def test_microsofts_validator_takes_the_traffic(traffic: list[dict[str, Any]], contract: Path, tmp_path: Path) -> None:
    assert judged(contract, traffic, tmp_path) == []


def test_hotpatching_is_on_in_every_machine_that_is_asked_for() -> None:
    puts = [item["request"]["body"] for item in stored(NAME) if item["request"]["method"] == "PUT"]
    assert puts
    for body in puts:
        windows = body["properties"]["osProfile"]["windowsConfiguration"]
        assert windows["provisionVMAgent"] is True
        assert windows["patchSettings"]["patchMode"] == "AutomaticByPlatform"
        assert windows["patchSettings"]["enableHotpatching"] is True
        assert body["properties"]["securityProfile"]["uefiSettings"] == {"secureBootEnabled": True, "vTpmEnabled": True}

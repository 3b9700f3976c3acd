# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new Azure VM with hotpatches from its start: made once, refused where it cannot be, its password shown nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo.lab_process import LabProcess
from tests.playbooks.conftest import Played, StartLab, play

PASSWORD = "Quite-another-Passw0rd"
SUBNET = "/subscriptions/s/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/servers"


def create(lab: LabProcess, out: Path, *extra: str, **variables: Any) -> Played:
    azure = lab.azure
    account = {name: azure[name] for name in ("tenant", "client_id", "secret", "subscription_id", "resource_group")}
    settings = {
        "hotpatch_vm_name": "webvm01",
        "hotpatch_vm_location": "uksouth",
        "hotpatch_vm_admin_username": "winadmin",
        "hotpatch_vm_admin_password": PASSWORD,
        "hotpatch_vm_subnet_id": SUBNET,
        "hotpatch_azure_poll_interval": 0.2,
        "hotpatch_azure_cloud": azure["arm"]["http"],
        **{f"hotpatch_azure_{name}": value for name, value in account.items()},
        **variables,
    }
    played = play(lab.inventory, out, "-vvv", *extra, playbook="winops.hotpatch.create_azure_vm", **settings)
    assert PASSWORD not in played.output
    return played


def test_made_once_and_refused_where_it_cannot_be(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab([{"name": "web01"}], scale=1000)
    checked = create(lab, tmp_path, "--check")
    assert checked.code == 0 and "would be made" in checked.output, checked.output
    assert lab.azure_writes() == []

    nowhere = create(lab, tmp_path, hotpatch_vm_location="germanynorth")
    assert nowhere.code == 2
    assert "uksouth, eastasia, westcentralus" in " ".join(nowhere.output.split())

    lab.ask("/azure/faults", {"kind": "answer_lost", "action": "Microsoft.Compute/virtualMachines/write", "times": 1})
    made = create(lab, tmp_path)
    assert made.code == 0 and "was made; hotpatching is on" in " ".join(made.output.split()), made.output
    (put,) = [item for item in lab.azure_writes() if "webvm01" in item["request"]["url"]
              and item["response"]["status"] != 400]  # fmt: skip
    windows = put["request"]["body"]["properties"]["osProfile"]["windowsConfiguration"]
    assert windows["patchSettings"]["enableHotpatching"] is True
    assert put["request"]["body"]["properties"]["securityProfile"]["securityType"] == "TrustedLaunch"

    before = len(lab.azure_writes())
    again = create(lab, tmp_path)
    assert again.code == 0 and again.recap["localhost"]["changed"] == 0, again.output
    other = create(lab, tmp_path, hotpatch_vm_size="Standard_D4s_v5")
    assert other.code == 2 and "is there already" in other.output
    assert len(lab.azure_writes()) == before

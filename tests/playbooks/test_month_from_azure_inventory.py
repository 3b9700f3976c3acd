# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe of docs/inventory.md, played: servers from Azure's inventory, reached over WinRM by composed variables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.lab_process import LabProcess
from tests.playbooks.conftest import StartLab, play

SERVERS: list[dict[str, Any]] = [
    {"name": "web01", "level": "KB5068966"},  # November 2025: the December hotpatch is due
    # Enrolled by the hint on the server; Azure has its switch off.
    {"name": "pause01", "level": "KB5068966", "opted_out": True},
    {
        "name": "vm01",
        "level": "KB5068966",
        "platform": "azure",
        "edition": "ServerTurbine",
        "arc": "none",
    },
    {"name": "off01", "level": "KB5068966", "network": "closed"},
]


def write_inventory(lab: LabProcess, folder: Path) -> Path:
    """A folder as a person has it: what Azure knows, and beside it what only they know."""
    folder.mkdir()
    file = folder / "lab.fleet.yml"
    options: dict[str, Any] = {
        "plugin": "winops.hotpatch.fleet",
        "subscription_id": lab.azure["subscription_id"],
        "strict": True,
        "compose": {
            # All servers of the lab have one address, and ports of their own.
            "ansible_host": f"'{next(iter(lab.servers_data.values()))['address']}'",
            "ansible_port": "winrm_ports[hotpatch_azure.name | lower]",
            "ansible_connection": "'winrm'",
            "ansible_winrm_transport": "'basic'",
            "ansible_winrm_scheme": "'http'",
        },
        "use_extra_vars": True,
        "as_of": "2025-12-20",
    }
    file.write_text(yaml.safe_dump(options), encoding="utf-8")
    (folder / "group_vars").mkdir()
    passwords = {name: data["password"] for name, data in lab.servers_data.items()}
    known = {
        "ansible_user": next(iter(lab.servers_data.values()))["user"],
        "vault_passwords": passwords,
        "ansible_password": "{{ vault_passwords[inventory_hostname | lower] }}",
    }
    (folder / "group_vars" / "all.yml").write_text(yaml.safe_dump(known), encoding="utf-8")
    return file


def test_a_month_with_servers_from_azure(start_lab: StartLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = start_lab(SERVERS)
    for name, value in lab.azure_environment.items():
        monkeypatch.setenv(name, value)
    inventory = write_inventory(lab, tmp_path / "inventory")
    settings: dict[str, Any] = {
        "hotpatch_as_of": "2025-12-20",
        "winrm_ports": {name: data["http_port"] for name, data in lab.servers_data.items()},
    }
    checked = play(inventory, tmp_path / "checked", "--check", **settings)
    assert checked.code == 0, checked.output
    assert "2 to get the hotpatch without a restart, 0 to restart" in " ".join(checked.output.split())
    assert not any(lab.writes().values())

    played = play(inventory, tmp_path / "out", **settings)
    assert played.code == 4, played.output
    assert played.outcomes == {
        "WEB01": "hotpatched", "PAUSE01": "skipped", "vm01": "hotpatched", "OFF01": "unreachable",
    }, played.output  # fmt: skip
    states = lab.states()
    assert {name for name, state in states.items() if state["restarts"]} == set()
    assert lab.azure["secret"] not in played.output
    written = lab.writes()

    # As the recipe limits it, and nothing twice.
    again = play(inventory, tmp_path / "again", "--limit", "track_hotpatch:enrollment_enrolled:!OFF01", **settings)
    assert again.code == 0, again.output
    assert set(again.outcomes) == {"WEB01", "vm01"} and not any(counts["changed"] for counts in again.recap.values()), (
        again.output
    )
    assert lab.writes() == written

    # Which virtual machine of Azure a server is, only the inventory knows.
    enrolled = play(inventory, tmp_path / "out", "--limit", "azure_vm", playbook="winops.hotpatch.enroll", **settings)
    assert enrolled.code == 0, enrolled.output
    (told,) = json.loads((tmp_path / "out" / "enrollment.json").read_text(encoding="utf-8"))["servers"]
    assert (told["name"], told["outcome"]) == ("vm01", "enrolled")
    assert told["machine"].endswith("/providers/Microsoft.Compute/virtualMachines/vm01")
    assert lab.azure_writes() == []

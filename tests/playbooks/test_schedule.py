# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook schedule against the lab's Azure: check mode, twice, another ring, what a window does, deleted again."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from demo.lab_process import LabProcess
from tests.playbooks.conftest import StartLab, play

PLAYBOOK = "winops.hotpatch.schedule"


def variables(lab: LabProcess, **more: Any) -> dict[str, Any]:
    azure = lab.azure
    return {
        "hotpatch_azure_cloud": azure["arm"]["http"],
        "hotpatch_azure_ca_path": lab.azure_environment["AZURE_CA_PATH"],
        "hotpatch_azure_client_id": azure["client_id"],
        "hotpatch_azure_secret": azure["secret"],
        "hotpatch_azure_tenant": azure["tenant"],
        "hotpatch_azure_subscription_id": azure["subscription_id"],
        "hotpatch_azure_resource_group": azure["resource_group"],
        "hotpatch_azure_poll_interval": 0.2,
        "hotpatch_schedule_location": "westeurope",
        "hotpatch_schedule_time_zone": "Europe/Berlin",
        "hotpatch_rings": [
            {"name": "pilot", "hotpatch_days": 1, "baseline_days": 2},
            {"name": "production", "hotpatch_days": 3, "baseline_days": 5, "start": "23:00"},
        ],
        **more,
    }


def writes(lab: LabProcess) -> list[str]:
    with urllib.request.urlopen(f"{lab.control}/azure/record?writes=1", timeout=30) as answer:
        found = json.load(answer)["exchanges"]
    return [f"{item['request']['method']} {item['request']['url'].partition('?')[0]}" for item in found]


def test_the_schedules_of_two_rings(start_lab: StartLab, tmp_path: Path) -> None:
    servers: list[dict[str, Any]] = [
        {"name": "pilot01", "vars": {"hotpatch_ring": "pilot"}},
        {"name": "prod01", "vars": {"hotpatch_ring": "production"}},
        {"name": "prod02", "vars": {"hotpatch_ring": "production"}},
    ]
    lab = start_lab(servers, scale=2000)
    settings = variables(lab)

    predicted = play(lab.inventory, tmp_path, "--check", playbook=PLAYBOOK, **settings)
    assert predicted.code == 0, predicted.output
    assert writes(lab) == []
    assert "baseline of January" in predicted.output

    first = play(lab.inventory, tmp_path, playbook=PLAYBOOK, **settings)
    assert first.code == 0, first.output
    assert sum(row["changed"] for row in first.recap.values()) == 3  # schedules, assessment, assignments
    sent = writes(lab)
    made = [line.rsplit("/", 1)[-1] for line in sent if "maintenanceConfigurations" in line]
    assert made == [
        *("updates-pilot-baseline", "updates-pilot-hotpatch-2", "updates-pilot-hotpatch-3"),
        *("updates-production-baseline", "updates-production-hotpatch-2", "updates-production-hotpatch-3"),
    ]
    assert sum("configurationAssignments" in line for line in sent) == 9
    assert sum(line.startswith("PATCH") for line in sent) == 3
    assert "restart if required  updates-production-baseline, 2 servers" in first.output
    assert "no restart           updates-pilot-hotpatch-" in first.output
    assert lab.azure["secret"] not in first.output

    second = play(lab.inventory, tmp_path, playbook=PLAYBOOK, **settings)
    assert second.code == 0, second.output
    assert all(row["changed"] == 0 for row in second.recap.values()), second.output
    assert writes(lab) == sent

    assert "winops-hotpatch-schedules" in str(bodies(lab, "updates-pilot-baseline")[-1]["tags"])
    others_own_schedule(lab, "prod01")
    moved = {**settings, "hotpatch_ring": "pilot", "hotpatch_hosts": "prod01"}
    shown = play(lab.inventory, tmp_path, "--check", playbook=PLAYBOOK, **moved)
    assert shown.code == 0, shown.output
    before = writes(lab)
    play(lab.inventory, tmp_path, playbook=PLAYBOOK, **moved)
    sent = writes(lab)[len(before) :]
    kinds = ("baseline", "hotpatch-2", "hotpatch-3")
    at = "configurationAssignments/updates"
    assert [line.partition("/providers/Microsoft.Maintenance/")[2] for line in sent] == [
        *(f"{at}-pilot-{kind}" for kind in kinds),
        *(f"{at}-production-{kind}" for kind in kinds),
    ]
    assert [line.partition(" ")[0] for line in sent] == ["PUT"] * 3 + ["DELETE"] * 3
    assert all("/machines/prod01/" in line for line in sent)
    assert shown.recap == {"prod01": {**shown.recap["prod01"], "changed": 2}}

    gone = play(lab.inventory, tmp_path, playbook=PLAYBOOK, hotpatch_schedule_state="absent", **settings)
    assert gone.code == 0, gone.output
    assert "There are no schedules any more." in gone.output
    assert sum(line.startswith("DELETE") for line in writes(lab)) == 9


def bodies(lab: LabProcess, name: str) -> list[dict[str, Any]]:
    """What was written to one schedule."""
    with urllib.request.urlopen(f"{lab.control}/azure/record?writes=1", timeout=30) as answer:
        found = json.load(answer)["exchanges"]
    return [
        item["request"]["body"] for item in found if f"/maintenanceConfigurations/{name}?" in item["request"]["url"]
    ]


def azure_put(lab: LabProcess, path: str, body: dict[str, Any]) -> None:
    """Somebody else's client."""
    azure = lab.azure
    group = f"/subscriptions/{azure['subscription_id']}/resourceGroups/{azure['resource_group']}/providers"
    address = f"{azure['arm']['http']}{group}/{path}?api-version=2023-04-01"
    headers = {"Authorization": f"Bearer {azure['access_token']}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="PUT")
    urllib.request.urlopen(request, timeout=30).close()


def others_own_schedule(lab: LabProcess, machine: str) -> None:
    """A schedule that the role has not made, though its name looks like it, and an assignment to it."""
    azure = lab.azure
    name = "updates-production-own"
    body = {**bodies(lab, "updates-production-baseline")[0], "tags": {"team": "others"}}
    azure_put(lab, f"Microsoft.Maintenance/maintenanceConfigurations/{name}", body)
    configuration = (
        f"/subscriptions/{azure['subscription_id']}/resourceGroups/{azure['resource_group']}"
        f"/providers/Microsoft.Maintenance/maintenanceConfigurations/{name}"
    )
    azure_put(
        lab,
        f"Microsoft.HybridCompute/machines/{machine}/providers/Microsoft.Maintenance/configurationAssignments/{name}",
        {"location": "westeurope", "properties": {"maintenanceConfigurationId": configuration}},
    )


def control(lab: LabProcess, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the lab's control address answers."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(lab.control + path, data), timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def open_window(lab: LabProcess, name: str) -> dict[str, Any]:
    """Open the next window of a schedule now; how it ended."""
    control(lab, "/azure/windows", {"configuration": name})
    deadline = time.monotonic() + 60
    while True:
        opened: dict[str, Any] = control(lab, "/azure/windows")["opened"][-1]
        if all(machine["status"] != "InProgress" for machine in opened["machines"]):
            return opened
        assert time.monotonic() < deadline, opened
        time.sleep(0.1)


def graph(lab: LabProcess, query: str) -> list[dict[str, Any]]:
    """Rows of Resource Graph, by somebody else's client."""
    address = f"{lab.azure['arm']['http']}/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"
    headers = {"Authorization": f"Bearer {lab.azure['access_token']}", "Content-Type": "application/json"}
    body = {"query": query, "options": {"resultFormat": "objectArray"}}
    with urllib.request.urlopen(urllib.request.Request(address, json.dumps(body).encode(), headers)) as answer:
        rows: list[dict[str, Any]] = json.load(answer)["data"]
    return rows


@pytest.mark.parametrize(
    ("as_of", "level", "schedule", "installed", "restarts"),
    [
        ("2025-12-20", "KB5068966", "updates-all-hotpatch-3", "KB5072014", []),
        # A cumulative update restarts a second time by itself.
        (
            *("2026-01-20", "KB5072014", "updates-all-baseline", "KB5073379"),
            ["Azure Update Manager", "TrustedInstaller"],
        ),
    ],
    ids=["hotpatch", "baseline"],
)
def test_the_window_does_what_the_schedule_says(
    start_lab: StartLab, tmp_path: Path, as_of: str, level: str, schedule: str, installed: str, restarts: list[str]
) -> None:
    """The server stands where it should, not only the schedule; it restarts only where that is due."""
    lab = start_lab([{"name": "web01", "level": level}], scale=2000, as_of=as_of)
    settings = {**variables(lab), "hotpatch_rings": [{"name": "all"}], "hotpatch_schedule_assess": False}
    done = play(lab.inventory, tmp_path, playbook=PLAYBOOK, **settings)
    assert done.code == 0, done.output
    before = control(lab, "/servers/web01")
    assert (before["level"], before["installs"]) == (level, [])

    opened = open_window(lab, schedule)
    assert [machine["status"] for machine in opened["machines"]] == ["Succeeded"]
    after = control(lab, "/servers/web01")
    assert after["level"] == installed and after["on_track"] and not after["restart_pending"]
    assert [item["kb"] for item in after["installs"]] == [installed]
    assert [item["by"] for item in after["restarts"]] == restarts
    assert (after["last_boot"] != before["last_boot"]) is bool(restarts)
    for restart in after["restarts"]:
        assert opened["began"] < restart["asked"] < restart["answering"] < opened["ends"]

    time.sleep(0.2)  # so far is Resource Graph behind
    (run,) = graph(
        lab,
        "maintenanceresources | where type =~ 'microsoft.maintenance/applyupdates'"
        " | project status = properties.status, run = properties.correlationId,"
        " machine = properties.resourceId, configuration = properties.maintenanceConfigurationId",
    )
    assert run["status"] == "Succeeded" and run["configuration"].endswith(schedule)
    assert run["machine"].endswith("/machines/web01")
    (result,) = graph(
        lab,
        "patchinstallationresources | where type =~ 'microsoft.hybridcompute/machines/patchinstallationresults'"
        " | project status = properties.status, run = properties.maintenanceRunId, by = properties.startedBy,"
        " count = properties.installedPatchCount, restart = properties.rebootStatus",
    )
    word = "Completed" if restarts else "NotNeeded"
    assert result == {"status": "Succeeded", "run": run["run"], "by": "Platform", "count": 1, "restart": word}


def test_what_is_wrong_is_said_and_nothing_is_sent(start_lab: StartLab, tmp_path: Path) -> None:
    servers: list[dict[str, Any]] = [
        {"name": "vmhot", "platform": "azure", "edition": "ServerTurbine"},
        {"name": "web01", "vars": {"hotpatch_ring": "nowhere"}},
    ]
    lab = start_lab(servers, scale=2000)
    lost = play(lab.inventory, tmp_path, playbook=PLAYBOOK, **variables(lab))
    assert lost.code == 2
    assert "web01 is in the ring 'nowhere'" in lost.output
    assert writes(lab) == []
    hot = variables(lab, hotpatch_azure_kind="vm", hotpatch_hosts="vmhot", hotpatch_schedule_assess=False)
    refused = play(lab.inventory, tmp_path, playbook=PLAYBOOK, **hot)
    assert refused.code == 2
    assert "This virtual machine has hotpatching on" in refused.output
    assert not any("configurationAssignments" in line for line in writes(lab))

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enrolling, pausing and leaving, played against the lab's Azure: what is sent, what is told, and nothing twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from demo.lab_process import LabProcess
from tests.playbooks.conftest import Played, StartLab, play

LEVEL = "KB5068966"
FRESH = {"enrolled": False, "level": LEVEL}
SERVERS: list[dict[str, Any]] = [
    {"name": "new01", **FRESH},
    {"name": "half01", **FRESH},
    {"name": "old01", "level": LEVEL},
    {"name": "pause01", "level": LEVEL, "opted_out": True},
    {"name": "wish01", **FRESH, "vars": {"hotpatch_opted_out": True}},
    {"name": "novbs01", **FRESH, "vbs": 0},
    {"name": "noarc01", **FRESH, "arc": "none"},
    {"name": "off01", **FRESH, "network": "closed"},
    # Not to be reached over WinRM, and known to Azure all the same.
    {"name": "far01", "level": LEVEL, "network": "closed", "groups": ["far"]},
]


def run(lab: LabProcess, out: Path, name: str, *extra: str, **variables: Any) -> tuple[Played, dict[str, Any]]:
    """A playbook, and by server what its report says."""
    file = out / "enrollment.json"
    file.unlink(missing_ok=True)
    settings = {"hotpatch_as_of": "2025-12-20", "hotpatch_azure_poll_interval": 0.2, **variables}
    played = play(lab.inventory, out, *extra, playbook=f"winops.hotpatch.{name}", **settings)
    if not file.is_file():
        return played, {}
    servers = json.loads(file.read_text(encoding="utf-8"))["servers"]
    return played, {each["name"]: each for each in servers}


def sent(lab: LabProcess) -> list[str]:
    """Method, machine and kind of every change that Azure was asked for and did not refuse."""
    found = []
    for item in lab.azure_writes():
        if item["response"]["status"] < 400:
            path = item["request"]["url"].split("?")[0].split("/machines/")[1]
            kind = "profile" if "licenseProfiles" in path else "machine"
            found.append(f"{item['request']['method']} {kind} {path.split('/')[0].lower()}")
    return found


def changed(played: Played) -> set[str]:
    return {name for name, counts in played.recap.items() if counts["changed"]}


def test_enrolling_in_one_task_and_what_was_cut_off_is_brought_to_its_end(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(SERVERS, scale=1000)
    guests = lab.writes()
    everybody = "all:!far"
    checked, told = run(lab, tmp_path, "enroll", "--check", hotpatch_hosts=everybody)
    assert checked.code == 4, checked.output
    assert told == {} and lab.azure_writes() == [] and lab.writes() == guests
    shown = " ".join(checked.output.split())
    assert "So it would be; nothing was sent." in shown and "enrolled" in shown

    # F11: the licence is there, and for the switch the permission is missing.
    lab.ask(
        "/azure/faults",
        {"kind": "permission_missing", "action": "Microsoft.HybridCompute/machines/write", "resource": "*half01*",
         "times": 1},
    )  # fmt: skip
    first, told = run(lab, tmp_path, "enroll", "-vvv", hotpatch_hosts=everybody)
    assert first.code == 4, first.output
    assert {name: each["outcome"] for name, each in told.items()} == {
        "new01": "enrolled", "half01": "failed", "old01": "enrolled", "pause01": "paused", "wish01": "paused",
        "novbs01": "not_eligible", "noarc01": "not_eligible", "off01": "unreachable",
    }, first.output  # fmt: skip
    assert "Microsoft.HybridCompute/machines/write" in told["half01"]["reason"]
    assert "Azure Connected Machine Resource Administrator" in told["half01"]["reason"]
    assert sorted(sent(lab)) == [
        "PATCH machine new01", "PATCH machine wish01", "PUT profile half01", "PUT profile new01", "PUT profile wish01",
    ]  # fmt: skip
    states = lab.states()
    assert states["new01"]["capable"] and states["new01"]["enrolled"] and not states["new01"]["opted_out"]
    assert states["wish01"]["enrolled"] and states["wish01"]["opted_out"] and states["pause01"]["opted_out"]
    assert lab.azure["secret"] not in first.output

    # What is missing is sent, and nothing else; then nothing at all.
    before = len(sent(lab))
    second, told = run(lab, tmp_path, "enroll", hotpatch_hosts=f"{everybody}:!off01")
    assert second.code == 0, second.output
    assert told["half01"]["outcome"] == "enrolled"
    assert sent(lab)[before:] == ["PATCH machine half01"]
    third, told = run(lab, tmp_path, "enroll", hotpatch_hosts=f"{everybody}:!off01")
    assert third.code == 0 and changed(third) == set(), third.output
    assert len(sent(lab)) == before + 1
    assert lab.writes() == guests | {
        name: [*entries, *lab.writes()[name][len(entries) :]] for name, entries in guests.items()
    }


def test_pausing_leaving_and_the_agent_last(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(SERVERS, scale=1000)
    far = f"{lab.licences()['far01']['id']}"
    arc = {"hotpatch_arc_service_principal_id": "3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21",
           "hotpatch_arc_service_principal_secret": "Lab-onboarding-secret-1",
           "hotpatch_arc_tenant_id": lab.azure["tenant"]}  # fmt: skip
    wrong, _told = run(lab, tmp_path, "offboard", hotpatch_hosts="old01", hotpatch_disconnect=True)
    assert wrong.code == 2 and "Nothing was done" in wrong.output

    checked, _told = run(lab, tmp_path, "offboard", "--check", hotpatch_hosts="old01,new01")
    assert checked.code == 0, checked.output
    assert "takes them off the hotpatch track" in " ".join(checked.output.split())
    assert lab.azure_writes() == []

    # Nobody is enrolled by a pause; the server's inventory names its machine, so it is not even read.
    paused, told = run(
        lab, tmp_path, "offboard", hotpatch_hosts="old01,new01,far01",
        hotpatch_azure_machine="{{ {'far01': '" + far + "'}[inventory_hostname] | default('') }}",
    )  # fmt: skip
    assert paused.code == 0, paused.output
    assert {name: each["outcome"] for name, each in told.items()} == {
        "old01": "paused", "new01": "skipped", "far01": "paused",
    }  # fmt: skip
    assert sorted(sent(lab)) == ["PATCH machine far01", "PATCH machine old01"]
    stays, told = run(lab, tmp_path, "enroll", hotpatch_hosts="old01")
    assert told["old01"]["outcome"] == "paused" and changed(stays) == set()
    resumed, told = run(lab, tmp_path, "enroll", hotpatch_hosts="old01", hotpatch_resume=True)
    assert told["old01"]["outcome"] == "enrolled", resumed.output

    leaving = {"hotpatch_hosts": "old01", "hotpatch_leave": "enrollment", "hotpatch_disconnect": True, **arc}
    foreseen, _told = run(lab, tmp_path, "offboard", "--check", **leaving)
    assert foreseen.code == 0, foreseen.output
    assert "next baseline" in foreseen.output
    assert lab.licences()["old01"]["status"] == "Enabled"
    before = len(sent(lab))
    left, told = run(lab, tmp_path, "offboard", **leaving)
    assert left.code == 0, left.output
    assert told["old01"]["outcome"] == "left"
    assert sent(lab)[before:] == ["PATCH profile old01"]
    assert "old01" not in lab.licences(), "the agent was disconnected after that"
    assert not lab.states()["old01"]["enrolled"]
    assert arc["hotpatch_arc_service_principal_secret"] not in left.output

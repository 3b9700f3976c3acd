# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Onboarding, played on small fleets: what happens, what must not, and what a person is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from demo.lab_process import LabProcess
from tests.playbooks.conftest import Played, StartLab, play

ENROLL = Path(__file__).resolve().parent / "tasks" / "enroll_at_the_portal.yml"
BASELINE = {"level": "KB5066835"}
#: Where servers are to be connected, and who may do it (see the lab's defaults).
ARC = {
    "hotpatch_arc_subscription_id": "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33",
    "hotpatch_arc_tenant_id": "6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10",
    "hotpatch_arc_resource_group": "rg-arc-servers",
    "hotpatch_arc_location": "westeurope",
    "hotpatch_arc_service_principal_id": "3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21",
    "hotpatch_arc_service_principal_secret": "Lab-onboarding-secret-1",
}
ELSEWHERE = "11111111-2222-4333-8444-555555555555"


def server(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "enrolled": False, **BASELINE, **keys}


FLEET = [
    server("vbs01", vbs=0),
    server("vbs02", vbs=0),
    server("arc01", arc="none"),
    server("both01", vbs=0, arc="none"),
    server("ok01", enrolled=True),
    server("secure01", vbs=0, secure_boot=False),
    server("host01", vbs=1),
    server("hidden01", vbs="unreadable"),
    server("expired01", arc="expired"),
    server("apart01", arc="disconnected"),
    server("other01", arc_resource={"subscription_id": ELSEWHERE}),
    server("off01", network="closed"),
]
LEFT_ALONE = {
    "ok01": ("enrolled", "already"),
    "secure01": ("not_eligible", "Secure Boot is off"),
    "host01": ("not_eligible", "not running"),
    "hidden01": ("refused", "could not be read"),
    "expired01": ("skipped", "hotpatch_arc_allow_identity_reset"),
    "apart01": ("not_eligible", "no contact with Azure"),
    "other01": ("not_eligible", ELSEWHERE),
    "off01": ("unreachable", "refused"),
}


def onboard(lab: LabProcess, out: Path, *extra: str, **variables: Any) -> tuple[Played, dict[str, tuple[str, str]]]:
    """The playbook, and by server its outcome and the reason, from the report's file."""
    file = out / "onboarding.json"
    file.unlink(missing_ok=True)
    settings = {"hotpatch_as_of": "2025-12-20", "hotpatch_restart_timeout": 60, **ARC, **variables}
    played = play(lab.inventory, out, *extra, playbook="winops.hotpatch.onboard", **settings)
    if not file.is_file():
        return played, {}
    servers = json.loads(file.read_text(encoding="utf-8"))["servers"]
    return played, {each["name"]: (each["outcome"], each["reason"]) for each in servers}


def restarts(lab: LabProcess) -> dict[str, int]:
    return {name: len(state["restarts"]) for name, state in lab.states().items() if state["restarts"]}


def test_from_a_check_run_to_enrolled_servers_and_nothing_twice(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(FLEET, scale=1000)
    checked, told = onboard(lab, tmp_path / "checked", "--check", hotpatch_restart_reasons=["vbs"])
    assert checked.code == 0, checked.output
    assert told == {}
    assert {name: entries for name, entries in lab.writes().items() if entries} == {}
    shown = " ".join(checked.output.split())
    for words in (
        "12 are in scope 11 were read 11 have a product",
        "VBS and a restart, enrollment (wave 1)",
        "VBS and a restart, Azure Arc, enrollment (wave 2)",
        "Of 12 servers, 3 to restart for virtualization-based security (waves: 2), 2 to connect",
    ):
        assert words in shown, checked.output

    # Without leave nothing restarts; without tasks for it, the servers that are ready wait to be enrolled.
    first, told = onboard(lab, tmp_path)
    assert first.code == 4, first.output
    assert restarts(lab) == {}
    for name in ("vbs01", "vbs02", "both01"):
        assert told[name][0] == "skipped" and "does not allow restarts for vbs" in told[name][1], told[name]
    assert told["arc01"][0] == "ready", told["arc01"]
    assert "now wait for enrollment in Azure: arc01." in " ".join(first.output.split())

    portal = {"hotpatch_enroll_tasks": str(ENROLL), "demo_portal": lab.control}
    second, told = onboard(lab, tmp_path, hotpatch_restart_reasons=["vbs"], **portal)
    assert second.code == 4, second.output
    assert {name: told[name][0] for name in ("vbs01", "vbs02", "both01", "arc01")} == dict.fromkeys(
        ("vbs01", "vbs02", "both01", "arc01"), "enrolled"
    ), second.output
    for name, (outcome, words) in LEFT_ALONE.items():
        assert told[name][0] == outcome and words in told[name][1], (name, told[name])
    # Every server that has not arrived is told its next step, on the screen as well.
    report = json.loads((tmp_path / "onboarding.json").read_text(encoding="utf-8"))
    assert {each["name"] for each in report["servers"]} == {each["name"] for each in FLEET}
    assert {each["name"]: bool(each["next"]) for each in report["servers"]} == {
        each["name"]: each["outcome"] != "enrolled" for each in report["servers"]
    }
    assert restarts(lab) == {"vbs01": 1, "vbs02": 1, "both01": 1}
    states = lab.states()
    assert all(states[name]["on_track"] for name in ("vbs01", "vbs02", "both01", "arc01", "ok01"))
    # One server first, and the others only when it was through.
    began = {name: states[name]["restarts"][0]["asked"] for name in ("vbs01", "vbs02", "both01")}
    assert states["vbs01"]["restarts"][0]["answering"] < min(began["vbs02"], began["both01"])
    written = lab.writes()
    assert ARC["hotpatch_arc_service_principal_secret"] not in second.output

    third, told = onboard(lab, tmp_path, hotpatch_restart_reasons=["vbs"], **portal)
    assert {host: counts["changed"] for host, counts in third.recap.items()} == dict.fromkeys(third.recap, 0)
    assert told["vbs01"][0] == "enrolled"
    assert lab.writes() == written

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arc machines and virtual machines of Azure onboarded and enrolled by one play, each by its own switch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from demo.lab_process import LabProcess
from tests.playbooks.conftest import Played, StartLab, play

#: The October baseline: no hotpatch that would show that the server is enrolled.
LEVEL = "KB5066835"
EDITION = {"platform": "azure", "edition": "ServerTurbine", "arc": "none", "enrolled": False, "level": LEVEL}


def vm(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **EDITION, "vars": {"hotpatch_azure_machine": name, "hotpatch_azure_kind": "vm"}, **more}


SERVERS: list[dict[str, Any]] = [
    {"name": "arc01", "enrolled": False, "level": LEVEL},
    vm("vm01"),
    vm("vm02"),
    vm("custom01", azure_vm={"image": "custom"}),
    {"name": "nameless01", **EDITION},
    {"name": "local01", **EDITION, "platform": "azure-local"},
]


def run(lab: LabProcess, out: Path, name: str, *extra: str, **more: Any) -> tuple[Played, dict[str, Any]]:
    """A playbook, and by server what its report says."""
    file = out / ("onboarding.json" if name == "onboard" else "enrollment.json")
    file.unlink(missing_ok=True)
    settings: dict[str, Any] = {
        "hotpatch_as_of": "2025-12-20",
        "hotpatch_azure_poll_interval": 0.2,
        "hotpatch_azure_subscription_id": lab.azure["subscription_id"],
        "hotpatch_azure_resource_group": lab.azure["resource_group"],
        "hotpatch_enroll": True,
        **more,
    }
    played = play(lab.inventory, out, *extra, playbook=f"winops.hotpatch.{name}", **settings)
    servers = json.loads(file.read_text(encoding="utf-8"))["servers"] if file.is_file() else []
    return played, {each["name"]: each for each in servers}


def sent(lab: LabProcess) -> list[str]:
    """Method and machine of every change that Azure was asked for and did not refuse."""
    paths = [
        (item["request"]["method"], item["request"]["url"].split("?")[0].split("/providers/")[1].split("/"))
        for item in lab.azure_writes()
        if item["response"]["status"] < 400
    ]
    return sorted(f"{method} {path[1]} {path[2].lower()}" for method, path in paths)


def test_both_kinds_by_one_play(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(SERVERS, scale=1000)
    checked, _told = run(lab, tmp_path, "onboard", "--check")
    assert checked.code == 0 and sent(lab) == [], checked.output

    # The patch mode is another, and nobody gave leave to set it.
    first, told = run(lab, tmp_path, "onboard")
    assert {name: each["outcome"] for name, each in told.items()} == {
        "arc01": "enrolled", "vm01": "skipped", "vm02": "skipped", "custom01": "failed", "nameless01": "ready",
        "local01": "ready",
    }, first.output  # fmt: skip
    assert "hotpatch_platform_patching" in told["vm01"]["reason"]
    assert "custom images" in told["custom01"]["reason"]
    assert "hotpatch_azure_machine" in told["nameless01"]["reason"]
    assert "no switch" in told["local01"]["reason"]
    assert first.code == 2
    assert sent(lab) == ["PATCH machines arc01", "PUT machines arc01"]

    second, told = run(lab, tmp_path, "onboard", hotpatch_platform_patching=True, hotpatch_hosts="all:!custom01")
    assert second.code == 0, second.output
    assert [told[name]["outcome"] for name in ("arc01", "vm01", "vm02")] == ["enrolled"] * 3
    assert sent(lab) == [
        "PATCH machines arc01", "PATCH virtualMachines vm01", "PATCH virtualMachines vm02", "PUT machines arc01",
    ]  # fmt: skip
    states = lab.states()
    assert states["vm01"]["enrolled"] and states["vm01"]["capable"] and states["arc01"]["enrolled"]
    assert {name: states[name]["restarts"] for name in told} == {name: [] for name in told}

    again, told = run(lab, tmp_path, "enroll", hotpatch_hosts="arc01,vm01,vm02")
    assert [told[name]["outcome"] for name in ("arc01", "vm01", "vm02")] == ["enrolled"] * 3, again.output
    assert len(sent(lab)) == 4
    assert {host for host, counts in again.recap.items() if counts["changed"]} == set()

    paused, told = run(lab, tmp_path, "offboard", hotpatch_hosts="arc01,vm01,vm02", hotpatch_leave="pause")
    assert {each["outcome"] for each in told.values()} == {"paused"}, paused.output
    left, told = run(
        lab, tmp_path, "offboard", hotpatch_hosts="vm01", hotpatch_leave="enrollment", hotpatch_disconnect=True
    )
    assert told["vm01"]["outcome"] == "left" and left.code == 0, left.output
    # Nobody knows which machine that is, so its hotpatches are not off: no success.
    unknown, told = run(lab, tmp_path, "offboard", hotpatch_hosts="nameless01", hotpatch_leave="pause")
    assert told["nameless01"]["outcome"] == "failed" and unknown.code == 2, unknown.output
    states = lab.states()
    assert states["vm01"]["opted_out"] and states["vm01"]["restarts"] == []

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Onboarding servers that misbehave: each stage fails for one of them, and for the others all goes on.

Which fault is shown by which test, here and elsewhere, is in the README of this folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from demo.lab_process import LabProcess
from tests.playbooks.conftest import Played, play
from tests.playbooks.test_onboard import ARC, ENROLL

PRINCIPAL = {key: value for key, value in ARC.items() if "service_principal" in key}
PLACE = {key: value for key, value in ARC.items() if key not in PRINCIPAL}
TOKEN = "planted.expired.access-token"
BASELINE = {"level": "KB5066835", "enrolled": False}
SERVERS: list[dict[str, Any]] = [
    {"name": "lost01", **BASELINE, "vbs": 0, "faults": [{"kind": "never_returns"}]},
    {"name": "next01", **BASELINE, "vbs": 0},
    {"name": "token01", **BASELINE, "arc": "none", "vars": {"hotpatch_arc_access_token": TOKEN}},
    {"name": "agent01", **BASELINE, "arc": "none", "vars": PRINCIPAL},
    {"name": "pending01", **BASELINE, "faults": [{"kind": "enrollment_stuck"}]},
    {"name": "ready01", **BASELINE},
    {"name": "silent01", **BASELINE, "arc": "disconnected"},
    {"name": "expired01", **BASELINE, "arc": "expired"},
    {"name": "deleted01", **BASELINE, "arc": "resource_deleted"},
]
OUTCOMES = {
    "lost01": "unreachable",
    "next01": "enrolled",
    "token01": "failed",
    "agent01": "enrolled",
    "pending01": "failed",
    "ready01": "enrolled",
    "silent01": "not_eligible",
    "expired01": "skipped",
    "deleted01": "skipped",
}


@dataclass(frozen=True)
class Story:
    """The play, its report, and what is true afterwards."""

    played: Played
    servers: dict[str, dict[str, Any]]
    states: dict[str, dict[str, Any]]
    record: str

    def reason(self, name: str) -> str:
        return str(self.servers[name]["reason"])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("faults-onboarding")
    fleet = folder / "fleet.yml"
    fleet.write_text(yaml.safe_dump({"schema": 1, "as_of": "2025-12-20", "servers": SERVERS}), encoding="utf-8")
    with LabProcess(fleet, folder / "lab", scale=1000) as lab:
        played = play(
            lab.inventory,
            folder,
            "-vvvv",
            playbook="winops.hotpatch.onboard",
            hotpatch_as_of="2025-12-20",
            hotpatch_restart_reasons=["vbs"],
            hotpatch_restart_timeout=15,
            hotpatch_failure_budget=1,
            hotpatch_enroll_tasks=str(ENROLL),
            demo_portal_looks=16,
            demo_portal=lab.control,
            **PLACE,
        )
        report = folder / "onboarding.json"
        assert report.is_file(), played.output[-5000:]
        servers = {each["name"]: each for each in json.loads(report.read_text(encoding="utf-8"))["servers"]}
        return Story(played, servers, lab.states(), json.dumps(lab.ask("/record")))


def test_each_server_ends_as_it_must_and_none_stops_another(story: Story) -> None:
    assert {name: each["outcome"] for name, each in story.servers.items()} == OUTCOMES
    assert story.played.code == 4
    assert {name for name, state in story.states.items() if state["capable"]} == {"next01", "agent01", "ready01"}


def test_a_server_that_is_lost_in_the_restart_for_vbs_spends_the_budget(story: Story) -> None:
    assert story.states["lost01"]["state"] == "lost"
    assert "BitLocker recovery key" in story.reason("lost01")
    began = story.states["next01"]["restarts"][0]["asked"]
    assert story.states["lost01"]["restarts"][0]["down"] < began, "the second was begun before the first was given up"


def test_disconnected_expired_and_deleted_are_three_things(story: Story) -> None:
    assert "no contact with Azure; its identity is still good" in story.reason("silent01")
    assert "identity has expired" in story.reason("expired01")
    assert "resource was deleted in Azure" in story.reason("deleted01")
    for name in ("expired01", "deleted01"):
        assert "hotpatch_arc_allow_identity_reset" in story.reason(name)
    steps = {name: story.servers[name] for name in ("silent01", "expired01", "deleted01")}
    assert {name: each["before"]["blockers"] for name, each in steps.items()} == {
        "silent01": ["arc_disconnected"],
        "expired01": ["arc_expired"],
        "deleted01": ["arc_resource_deleted"],
    }
    assert all(story.states[name]["writes"] == 0 for name in steps)


def test_a_token_that_is_over_is_one_clear_error_and_is_seen_nowhere(story: Story) -> None:
    reason = story.reason("token01")
    assert "AZCM0012" in reason and "token" in reason.lower(), reason
    assert TOKEN not in story.played.output
    assert TOKEN not in json.dumps(story.servers)
    assert TOKEN not in story.record


def test_an_enrollment_that_stays_pending_ends_at_its_deadline(story: Story) -> None:
    assert story.servers["pending01"]["after"]["eligible"] is True
    assert story.servers["pending01"]["after"]["enrolled"] is False
    assert story.servers["pending01"]["stages"] == []
    assert "the portal still shows Pending" in story.reason("pending01")

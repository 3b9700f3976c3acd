# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role onboard_arc as a person runs it, on servers that stand differently with Azure Arc."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.lab_process import LabProcess

SECRET = "Planted-Onboarding-Secret-7"
PRINCIPAL = "7a6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21"
PROXY = "http://proxy.example.com:8080"
OTHER_TENANT = "99999999-2f0b-4f0e-9a51-6a4d6f8f2b10"
FLEET = {
    "schema": 1,
    "as_of": "2025-12-20",
    "azure": {"service_principals": [{"id": PRINCIPAL, "secret": SECRET}]},
    "defaults": {"level": "KB5068966", "enrolled": False},
    "servers": [
        {"name": "bare01", "arc": "none"},
        {"name": "ready01", "arc": "installed", "internet_proxy": PROXY, "vars": {"hotpatch_arc_proxy": PROXY}},
        {"name": "there01"},
        {"name": "theirs01", "arc_resource": {"tenant_id": OTHER_TENANT}},
        {"name": "expired01", "arc": "expired"},
        {"name": "deleted01", "arc": "resource_deleted"},
        {"name": "silent01", "arc": "disconnected"},
        {"name": "azure01", "arc": "none", "platform": "azure"},
        {
            "name": "closed01",
            "arc": "installed",
            "faults": [{"kind": "endpoint_unreachable", "host": "dls.microsoft.com"}],
        },
    ],
}
VARIABLES = {
    "hotpatch_arc_subscription_id": "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33",
    "hotpatch_arc_resource_group": "rg-arc-servers",
    "hotpatch_arc_tenant_id": "6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10",
    "hotpatch_arc_location": "westeurope",
    "hotpatch_arc_service_principal_id": PRINCIPAL,
    "hotpatch_arc_tags": {"owner": "Windows team"},
}
GOOD = ("bare01", "ready01", "there01")


@dataclass(frozen=True)
class Run:
    """What a play left."""

    code: int
    output: str
    recap: dict[str, dict[str, int]]
    writes: dict[str, int]

    def message(self, name: str) -> str:
        found = re.search(rf"^fatal: \[{name}\]: FAILED! => (\{{.*)$", self.output, re.MULTILINE)
        assert found, self.output
        return str(json.loads(found[1])["error"]["code"])


@dataclass(frozen=True)
class Story:
    """Three plays on one lab, and what is true at the end."""

    check: Run
    first: Run
    second: Run
    reset: Run
    states: dict[str, dict[str, Any]]
    azure: list[dict[str, Any]]
    requests: dict[str, int]
    record: str
    log: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("onboard")
    fleet = folder / "fleet.yml"
    fleet.write_text(yaml.safe_dump(FLEET), encoding="utf-8")
    tasks = [{"name": "Onboard", "ansible.builtin.import_role": {"name": "winops.hotpatch.onboard_arc"}}]
    playbook = folder / "onboard.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    secret = folder / "secret.yml"
    secret.write_text(yaml.safe_dump({"hotpatch_arc_service_principal_secret": SECRET}), encoding="utf-8")
    with LabProcess(fleet, folder, scale=1000) as lab:

        def run(*extra: str, **more: Any) -> Run:
            done = subprocess.run(
                [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-i", str(lab.inventory),
                 "-e", json.dumps({**VARIABLES, **more}), "-e", f"@{secret}", "--forks", "10", *extra],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=110,
                check=False, env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
            )  # fmt: skip
            recap = re.findall(r"^(\S+)\s+: (ok=.*)$", done.stdout, re.MULTILINE)
            counts = {name: {key: int(n) for key, n in re.findall(r"(\w+)=(\d+)", text)} for name, text in recap}
            writes = {row["name"]: row["writes"] for row in lab.ask("/servers")["servers"]}
            return Run(done.returncode, done.stdout, counts, writes)

        yield Story(
            check=run("--check"),
            first=run("-vvvv"),
            second=run("--diff"),
            reset=run("--limit", "expired01:deleted01", hotpatch_arc_allow_identity_reset=True),
            states={name: lab.ask(f"/servers/{name}") for name in lab.servers},
            azure=lab.ask("/azure")["machines"],
            requests={row["name"]: row["requests"] for row in lab.ask("/servers")["servers"]},
            record=json.dumps(lab.ask("/record")),
            log=(folder / "lab.log").read_text(errors="replace"),
        )


def test_check_mode_says_it_and_writes_nothing(story: Story) -> None:
    assert set(story.check.writes.values()) == {0}
    changed = {name: counts["changed"] for name, counts in story.check.recap.items()}
    assert (changed["bare01"], changed["ready01"], changed["there01"]) == (1, 1, 0)


def test_good_servers_are_connected_once(story: Story) -> None:
    for name in GOOD:
        assert story.first.recap[name]["failed"] == 0, story.first.output
        assert story.states[name]["arc"] == "connected"
        assert story.second.recap[name]["changed"] == 0
        assert story.first.writes[name] == story.second.writes[name]
    assert story.first.recap["bare01"]["changed"] == 1
    tags = {machine["name"]: machine["tags"] for machine in story.azure}
    assert tags["BARE01"] == {"owner": "Windows team"}
    assert story.states["ready01"]["arc_agent"]["settings"]["proxy.url"] == PROXY


def test_looking_at_a_server_that_is_there_costs_few_requests(story: Story) -> None:
    runs = 3
    assert story.requests["there01"] <= runs * 10


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("theirs01", "other_tenant"),
        ("expired01", "arc_expired"),
        ("deleted01", "arc_resource_deleted"),
        ("silent01", "arc_disconnected"),
        ("azure01", "azure_vm"),
        ("closed01", "endpoints_unreachable"),
    ],
)
def test_every_other_server_fails_with_a_code_of_its_own(story: Story, name: str, code: str) -> None:
    assert story.second.message(name) == code
    assert story.second.recap[name]["failed"] == 1
    assert story.second.writes[name] == 0
    assert (story.first.code, story.second.code) == (2, 2)


def test_a_lost_identity_comes_back_with_permission(story: Story) -> None:
    assert story.reset.code == 0, story.reset.output
    assert {story.states[name]["arc"] for name in ("expired01", "deleted01")} == {"connected"}
    assert "inherits no role assignment" in re.sub(r"\s+", " ", story.reset.output)


def test_the_secret_shows_nowhere(story: Story) -> None:
    everywhere = [story.first.output, story.second.output, story.reset.output, story.record, story.log]
    everywhere.append(json.dumps(story.states))
    assert [SECRET in text for text in everywhere] == [False] * len(everywhere)
    for state in story.states.values():
        assert not [row["path"] for row in state["files"] if "secret" in row["path"]]

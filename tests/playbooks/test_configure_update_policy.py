# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role configure_update_policy, as a person runs it: check mode, then twice, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.hotpatch.plugins.module_utils._core import updates
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import settings_from_options
from demo.lab_process import LabProcess

#: Half a day away, so that no server of the lab installs by itself while the tests run.
HOUR = (datetime.now(UTC).hour + 12) % 24
RISKY = {"AUOptions": 4, "NoAutoUpdate": 0, "ScheduledInstallTime": HOUR}
FORCED = {"AlwaysAutoRebootAtScheduledTime": 1, "SetComplianceDeadline": 1, "ConfigureDeadlineForQualityUpdates": 2}
SERVERS = [
    {"name": "bare01"},
    {"name": "risky01", "policy": RISKY | FORCED},
    {"name": "sconfig01", "local_update_option": 4, "policy": {"ScheduledInstallTime": HOUR}},
    {"name": "member01", "domain": "corp.example", "domain_policy": RISKY},
    {"name": "right01", "domain": "corp.example", "domain_policy": {"AUOptions": 3, "NoAutoUpdate": 0}},
    {"name": "due01", "level": "KB5068966", "policy": RISKY},  # the December hotpatch is due
]
FIRST = ("bare01", "risky01", "sconfig01", "member01", "right01")


@dataclass(frozen=True)
class Played:
    code: int
    output: str
    results: dict[str, dict[str, Any]]


def play(lab: LabProcess, folder: Path, *extra: str, hosts: str = "all", **variables: Any) -> Played:
    """The role on some servers; its result by server."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "results.json"
    keep = "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars) | "
    keep += "map(attribute='configure_update_policy_result', default={}))) | to_json }}"
    body = {
        "hosts": hosts,
        "gather_facts": False,
        "tasks": [
            {
                "block": [{"ansible.builtin.import_role": {"name": "winops.hotpatch.configure_update_policy"}}],
                "rescue": [{"name": "Go on", "ansible.builtin.debug": {"msg": "failed"}}],
                "vars": variables,
            },
            {
                "name": "Keep",
                "ansible.builtin.copy": {"content": keep, "dest": str(file), "mode": "0600"},
                "delegate_to": "localhost",
                "run_once": True,
                "check_mode": False,
                "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
            },
        ],
    }
    playbook = folder / "play.yml"
    playbook.write_text(yaml.safe_dump([body]), encoding="utf-8")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-i", str(lab.inventory), *extra],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=110, check=False,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    assert file.is_file(), done.stdout
    return Played(done.returncode, done.stdout, json.loads(file.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    folder = tmp_path_factory.mktemp("policy")
    fleet = folder / "fleet.yml"
    fleet.write_text(yaml.safe_dump({"schema": 1, "as_of": "2025-12-20", "servers": SERVERS}), encoding="utf-8")
    with LabProcess(fleet, folder / "lab", scale=100) as running:
        yield running


def writes(lab: LabProcess, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.ask(f"/record?server={name}&writes=1")["writes"]
    return found


def test_check_mode_then_twice_and_what_the_domain_has(lab: LabProcess, tmp_path: Path) -> None:
    settings = {"configure_update_policy_settings": {"defer_quality_updates_days": 3}}
    hosts = ":".join(FIRST)
    checked = play(lab, tmp_path / "check", "--check", "--diff", hosts=hosts, **settings)
    assert {name: writes(lab, name) for name in FIRST} == {name: [] for name in FIRST}
    first = play(lab, tmp_path / "first", "--diff", hosts=hosts, **settings)
    second = play(lab, tmp_path / "second", hosts=hosts, **settings)

    for played in (checked, first, second):
        refused = played.results["member01"]
        assert refused["failed"] is True and refused["error"]["code"] == "domain_policy"
        assert "Servers - Windows Update" in refused["msg"]
        assert refused["effective"]["automatic_updates"]["source"] == "domain_policy"
        for name in ("bare01", "risky01", "sconfig01", "right01"):
            result = played.results[name]
            assert "failed" not in result or result["failed"] is False, result
            assert result["restarts_by_itself"] == [] and result["may_restart"] == []
            assert result["effective"]["automatic_updates"]["value"] == "download"
            assert result["changed"] is (played is not second)
    assert "SetComplianceDeadline" in first.output and "WARNING" not in first.output
    assert writes(lab, "member01") == []
    assert first.results["right01"]["effective"]["automatic_updates"]["source"] == "domain_policy"
    assert first.results["sconfig01"]["effective"]["automatic_updates"]["loses"][0]["source"] == "server_setting"
    assert first.results["risky01"]["service"]["restarted"] is True
    left = {each["what"] for each in writes(lab, "risky01")}
    assert any("wuauserv" in what for what in left)
    assert all(state["restarts"] == [] for state in lab.states().values())


def test_what_would_restart_the_server_is_refused_before_anything_is_written(lab: LabProcess, tmp_path: Path) -> None:
    before = writes(lab, "bare01")
    risky = {"automatic_updates": "schedule", "install_time": 3, "quality_deadline_days": 2}
    played = play(
        lab, tmp_path / "refused", hosts="bare01",
        configure_update_policy_preset="none", configure_update_policy_settings=risky,
    )  # fmt: skip
    refused = played.results["bare01"]
    assert refused["error"]["code"] == "restart_policy"
    assert {risk["setting"] for risk in refused["restarts_by_itself"]} == {"automatic_updates", "quality_deadline_days"}
    wrong = play(lab, tmp_path / "wrong", hosts="bare01", configure_update_policy_settings={"auoptions": 3})
    assert "there are automatic_updates" in wrong.output
    assert writes(lab, "bare01") == before


def install(lab: LabProcess, name: str) -> dict[str, Any]:
    """What the module updates does in its never-restart mode."""
    at = lab.servers_data[name]
    params = {key: option.get("default") for key, option in updates.SPEC.argument_spec.items()}
    params.update(address=at["address"], port=at["http_port"], scheme="http", transport=["basic"])
    params.update(username=at["user"], password=at["password"], poll_interval=0.2, as_of="2025-12-20")
    result: dict[str, Any] = updates.run(Call(params=params, name=name, settings=settings_from_options(params)))
    return result


def test_a_server_that_installs_by_itself_gets_its_hotpatch_only_after_the_role(
    lab: LabProcess, tmp_path: Path
) -> None:
    refused = install(lab, "due01")
    assert refused["receipt"]["may_install"] == "no" and refused["kbs_installed"] == []
    (why,) = [each["refused"] for each in refused["refused"] if each["kb"] == "KB5072014"]
    assert "AUOptions 4" in why
    assert lab.ask("/servers/due01")["installs"] == []
    play(lab, tmp_path / "role", hosts="due01")
    done = install(lab, "due01")
    assert done["kbs_installed"] == ["KB5072014"] and done["receipt"]["may_install"] == "yes"
    assert lab.ask("/servers/due01")["restarts"] == []

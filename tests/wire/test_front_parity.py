# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both fronts are one product: the same tasks inside Ansible's worker and as modules of their own Python, same results.

Two labs are started from one fleet and one seed, so their servers are equal. One is worked on by the action front
(connection winrm), the other by the module front (``address`` on localhost, connection local, so AnsiballZ and a Python
process of its own). Names, addresses, moments, run ids and traffic are left out of the comparison, and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.receipts import check_receipt
from tests.wire.running_lab import RunningLab, running_lab

# Both fronts do all tasks in the first test's set-up: half a minute on a quiet machine, minutes on a busy one.
pytestmark = pytest.mark.timeout(300)

PASSWORDS = {
    name: f"Planted-{name}-Pa55word" for name in ("web01", "web02", "now01", "off01", "back01", "pol01", "vbs01")
}
WRONG_PASSWORD = "Planted-wrong-Pa55word"

FLEET = {
    "as_of": "2025-12-20",
    "servers": [
        {"name": "web01", "level": "KB5068966", "password": PASSWORDS["web01"]},
        {"name": "web02", "level": "KB5068966", "password": PASSWORDS["web02"]},
        {"name": "now01", "level": "KB5072014", "password": PASSWORDS["now01"]},
        {"name": "off01", "network": "closed", "password": PASSWORDS["off01"]},
        {"name": "back01", "level": "KB5072014", "password": PASSWORDS["back01"]},
        {"name": "pol01", "level": "KB5072014", "password": PASSWORDS["pol01"]},
        {"name": "vbs01", "vbs": 0, "level": "KB5062553", "secure_boot": False, "password": PASSWORDS["vbs01"]},
    ],
}
DAY = {"as_of": "2025-12-20"}
CHECKS = [{"kind": "command", "program": "hostname"}, {"kind": "service", "service": "W32Time", "start_mode": "auto"}]
BEFORE = {"version": 1, "services": ["W32Time", "Dhcp"], "checks": [], "boot_time": None}


@dataclass(frozen=True)
class Task:
    """One task that both fronts do, on one server."""

    name: str
    module: str
    server: str
    options: dict[str, Any]
    check: bool = False
    wrong_password: bool = False


TASKS = [
    Task("read", "host_info", "web01", DAY),
    Task("read what is known from Azure", "host_info", "web01", {**DAY, "enrolled": True, "opted_out": True}),
    Task("search", "updates", "web01", {**DAY, "mode": "search"}),
    Task("install in check mode", "updates", "web01", DAY, check=True),
    Task("install", "updates", "web01", DAY),
    Task("install again", "updates", "web01", DAY),
    Task("read the history", "update_history_info", "web01", {**DAY, "since": "2025-11-01"}),
    Task("read the history in check mode", "update_history_info", "web01", {**DAY, "limit": 5}, check=True),
    Task("install one that is not due", "updates", "web02", {**DAY, "include": ["KB5072033"]}),
    Task("install under a name", "updates", "web02", {**DAY, "run_id": "by-name"}),
    Task("install again under that name", "updates", "web02", {**DAY, "run_id": "by-name"}),
    Task("restart when none is pending", "restart", "now01", {}),
    Task("restart in check mode", "restart", "now01", {"only_if_pending": False}, check=True),
    Task("configure the Arc agent", "arc_agent", "web02", {"state": "installed", "incoming_connections": False}),
    Task("disconnect in check mode", "arc_agent", "now01", {"state": "absent", "force_local_only": True}, check=True),
    Task("want it in another resource group", "arc_agent", "now01", {"resource_group": "rg-elsewhere"}),
    Task("read with a wrong password", "host_info", "now01", DAY, wrong_password=True),
    Task("install with a wrong password", "updates", "now01", DAY, wrong_password=True),
    Task("restart with a wrong password", "restart", "now01", {}, wrong_password=True),
    Task("read a server that is off", "host_info", "off01", DAY),
    Task("read with a wrong date", "host_info", "now01", {"as_of": "2025-12-32"}),
    Task("allow what goes with another mode", "updates", "now01", {**DAY, "allow_off_track": True}),
    Task("restart without any time", "restart", "now01", {"timeout": 0}),
    Task("record what runs", "health_check", "now01", {"mode": "record", "services": ["Spooler"], "checks": CHECKS}),
    Task("prove it", "health_check", "now01", {"checks": CHECKS, "before": BEFORE}),
    Task("prove what is not so", "health_check", "now01", {"checks": [{"kind": "tcp", "port": 1}], "timeout": 1}),
    Task("record with a wrong password", "health_check", "now01", {"mode": "record"}, wrong_password=True),
    Task("plan a rollback", "rollback", "back01", {**DAY, "plan_only": True, "cves": {"KB5072014": ["CVE-2025-1"]}}),
    Task("roll back in check mode", "rollback", "back01", DAY, check=True),
    Task("roll back what is not there", "rollback", "back01", {**DAY, "kb": "KB5068840"}),
    Task("roll back what lies below", "rollback", "back01", {**DAY, "what": "baseline"}),
    Task("roll back", "rollback", "back01", DAY),
    Task("roll back again", "rollback", "back01", DAY),
    Task("finish before the restart", "rollback", "back01", {**DAY, "phase": "finish"}),
    Task("roll back with a wrong password", "rollback", "back01", DAY, wrong_password=True),
    Task("set the policy", "update_policy", "pol01", {"automatic_updates": "download", "exclude_drivers": True}),
    Task("set the policy again", "update_policy", "pol01", {"automatic_updates": "download"}),
    Task(
        "let it restart by itself", "update_policy", "pol01", {"automatic_updates": "schedule", "never_restart": True}
    ),
    Task("look at VBS", "vbs", "vbs01", {}),
    Task("turn VBS on into a trap", "vbs", "vbs01", {"state": "enabled"}),
    Task("turn VBS on all the same", "vbs", "vbs01", {"state": "enabled", "accept_risks": True}),
    Task("turn VBS on with a wrong password", "vbs", "vbs01", {"state": "enabled"}, wrong_password=True),
    Task("set the policy wrongly", "update_policy", "pol01", {"install_time": 24}),
    Task("set the policy with a wrong password", "update_policy", "pol01", {}, wrong_password=True),
]
#: Modules that wait for nothing.
UNPACED = ("host_info", "update_policy", "vbs")
REFUSED_LOGIN = [task.name for task in TASKS if task.wrong_password]


def action_task(lab: RunningLab, task: Task) -> dict[str, Any]:
    """On the server itself, through its winrm connection (see the inventory of the lab)."""
    server = lab.servers[task.server]
    return {
        f"winops.hotpatch.{task.module}": paced(task),
        "vars": {
            "ansible_connection": "winrm",
            "ansible_host": server.address,
            "ansible_port": server.http_port,
            "ansible_winrm_scheme": "http",
            "ansible_winrm_transport": "ntlm",
            "ansible_user": server.user,
            "ansible_password": WRONG_PASSWORD if task.wrong_password else server.password,
        },
    }


def module_task(lab: RunningLab, task: Task) -> dict[str, Any]:
    """On localhost, with the server's address as an option."""
    server = lab.servers[task.server]
    options = {
        "address": server.address,
        "port": server.http_port,
        "scheme": "http",
        "transport": ["ntlm"],
        "username": server.user,
        "password": WRONG_PASSWORD if task.wrong_password else server.password,
    }
    return {
        f"winops.hotpatch.{task.module}": paced(task) | options,
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
    }


def paced(task: Task) -> dict[str, Any]:
    return task.options if task.module in UNPACED else {"poll_interval": 0.2, **task.options}


@dataclass(frozen=True)
class Front:
    """What one front did to its lab."""

    output: str
    results: dict[str, dict[str, Any]]
    lab: RunningLab


def run_front(lab: RunningLab, folder: Path, front: str) -> Front:
    """All tasks, one after another, with the most talkative output there is; then the results, in a file."""
    make = action_task if front == "action" else module_task
    hosts = [task.server if front == "action" else "localhost" for task in TASKS]
    plays: list[dict[str, Any]] = [
        {
            "name": task.name,
            "hosts": host,
            "gather_facts": False,
            "tasks": [
                {
                    "name": task.name,
                    **make(lab, task),
                    "check_mode": task.check,
                    "register": f"result_{number}",
                    "ignore_errors": True,
                    "ignore_unreachable": True,
                }
            ],
        }
        for number, (host, task) in enumerate(zip(hosts, TASKS, strict=True))
    ]
    file = folder / f"{front}.json"
    gathered = ", ".join(f"hostvars['{host}'].result_{number}" for number, host in enumerate(hosts))
    keep = {"content": "{{ [" + gathered + "] | to_json }}", "dest": str(file), "mode": "0600"}
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    plays.append(
        {
            "name": "Keep the results",
            "hosts": "localhost",
            "gather_facts": False,
            "vars": local,
            "tasks": [{"name": "Keep the results", "ansible.builtin.copy": keep}],
        }
    )
    playbook, inventory = folder / f"{front}.yml", folder / f"{front}-inventory.yml"
    playbook.write_text(yaml.safe_dump(plays), encoding="utf-8")
    inventory.write_text(yaml.safe_dump({"all": {"hosts": dict.fromkeys(lab.servers)}}), encoding="utf-8")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-i", str(inventory), "-vvvv"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280, check=False,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    assert file.is_file(), f"the {front} front left no results:\n{done.stdout[-4000:]}"
    results = json.loads(file.read_text(encoding="utf-8"))
    return Front(done.stdout, {task.name: result for task, result in zip(TASKS, results, strict=True)}, lab)


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Front]]:
    """Both fronts, at the same time, each on its own lab."""
    folder = tmp_path_factory.mktemp("parity")
    folders = {front: tmp_path_factory.mktemp(front) for front in ("action", "module")}
    with (
        running_lab(FLEET, folders["action"], "--scale", "1000", "--seed", "7") as first,
        running_lab(FLEET, folders["module"], "--scale", "1000", "--seed", "7") as second,
        ThreadPoolExecutor(2) as pool,
    ):
        labs = {"action": first, "module": second}
        running = {front: pool.submit(run_front, lab, folder, front) for front, lab in labs.items()}
        yield {front: future.result() for front, future in running.items()}


#: Keys that hold a moment, a duration, an id or a count that no two runs share.
_MOMENTS = {
    "last_boot", "local_time", "clock_skew_seconds", "boot_time_before", "boot_time_after", "run_id", "stages",
    "traffic", "started", "finished", "seconds", "seconds_before", "attempts", "last_heartbeat",
}  # fmt: skip
#: What Ansible adds: the options as given (they differ, the module's say the address) and what it says of itself.
_ANSIBLE = {"invocation", "warnings", "deprecations", "ansible_facts", "exception", "unreachable", "failed"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)|\d{8}T\d{6}-[0-9a-f]{4}")


def comparable(value: Any, server: str) -> Any:
    """A result without what differs between two equal servers under two names."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in _ANSIBLE}
        return {
            key: ("(differs)" if key in _MOMENTS and item is not None else comparable(item, server))
            for key, item in kept.items()
        }
    if isinstance(value, list):
        return [comparable(item, server) for item in value]
    if isinstance(value, str):
        # The module knows the server by its address only.
        words = _TIME.sub("(time)", value)
        return re.sub(r"127\.0\.0\.1:\d+", "(address)", words).replace("127.0.0.1", server)
    return value


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name.replace(" ", "_"))
def test_both_fronts_give_one_result(fronts: dict[str, Front], task: Task) -> None:
    action, module = (fronts[front].results[task.name] for front in ("action", "module"))
    assert comparable(action, task.server) == comparable(module, task.server)
    assert set(action) - _ANSIBLE == set(module) - _ANSIBLE
    bad_action, bad_module = (bool(result.get("failed") or result.get("unreachable")) for result in (action, module))
    assert bad_action == bad_module


def test_every_receipt_is_as_its_schema_says(fronts: dict[str, Front]) -> None:
    receipts = [
        result["receipt"]
        for front in fronts.values()
        for task, result in zip(TASKS, front.results.values(), strict=True)
        if task.module == "updates" and "receipt" in result
    ]
    assert len(receipts) > 8
    for receipt in receipts:
        check_receipt(receipt)


def test_the_tasks_did_what_their_names_say(fronts: dict[str, Front]) -> None:
    """Equal results could be equally empty; so what they must say is said here once."""
    for front in fronts.values():
        results = front.results
        assert results["read"]["standing"]["track"] == "hotpatch"
        declared = results["read what is known from Azure"]["declared"]
        assert (declared["enrolled"], declared["opted_out"]) == (True, True)
        offered = {update["kb"]: update["verdict"] for update in results["search"]["offered"] if update["kb"]}
        assert offered["KB5072014"] == "hotpatch"
        assert results["search"]["changed"] is False
        assert results["install in check mode"]["changed"] is True
        assert results["install"]["changed"] is True
        assert results["install"]["kbs_installed"] == ["KB5072014"]
        assert results["install again"]["changed"] is False
        assert results["read the history"]["history"][0]["kb"] == "KB5072014"
        assert results["read the history"]["source"] == "windows_update"
        assert results["read the history in check mode"]["source"] == "event_log"
        assert len(results["read the history in check mode"]["history"]) == 5
        assert results["install one that is not due"]["changed"] is False
        assert results["install one that is not due"]["kbs_installed"] == []
        assert results["install under a name"]["kbs_installed"] == ["KB5072014"]
        assert results["configure the Arc agent"]["settings"]["incomingconnections.enabled"] == "false"
        steps = results["disconnect in check mode"]["steps"]
        assert [step["kind"] for step in steps] == ["disconnect_local", "uninstall"]
        assert results["want it in another resource group"]["error"]["code"] == "other_resource_group"
        assert results["install again under that name"]["changed"] is False
        assert results["plan a rollback"]["plan"]["cves_open_again"] == ["CVE-2025-1"]
        assert results["roll back in check mode"]["changed"] is True
        assert results["roll back what is not there"]["plan"]["status"] == "nothing"
        assert results["roll back what lies below"]["error"]["code"] == "not_the_latest"
        assert results["roll back"]["changed"] is True
        assert results["roll back again"]["changed"] is False
        assert results["finish before the restart"]["error"]["code"] == "restart_pending"
        assert front.lab.state("back01")["restarts"] == []
        assert results["restart when none is pending"]["changed"] is False
        assert results["record what runs"]["record"]["services_not_running"] == ["Spooler"]
        assert results["record what runs"]["passed"] == results["prove it"]["passed"] == "yes"
        assert results["prove what is not so"]["error"]["code"] == "unhealthy"
        assert results["restart in check mode"]["changed"] is True
        assert [each["kb"] for each in front.lab.state("web01")["installs"]] == ["KB5072014"]
        assert [each["kb"] for each in front.lab.state("web02")["installs"]] == ["KB5072014"]
        assert (results["look at VBS"]["status"], results["look at VBS"]["changed"]) == (0, False)
        assert results["turn VBS on into a trap"]["error"]["code"] == "no_boot"
        assert len(results["turn VBS on into a trap"]["hardware"]) == 11
        assert results["turn VBS on all the same"]["changed"] is True
        assert results["set the policy"]["changed"] is True
        assert results["set the policy again"]["changed"] is False
        assert results["let it restart by itself"]["error"]["code"] == "restart_policy"
        assert "install_time" in results["set the policy wrongly"]["msg"]
        assert front.lab.state("now01")["writes"] == 0
        assert front.lab.state("now01")["restarts"] == []


@pytest.mark.parametrize("name", [*REFUSED_LOGIN, "read a server that is off"])
def test_a_server_not_reached_is_unreachable_to_the_action_and_a_failure_to_the_module(
    fronts: dict[str, Front], name: str
) -> None:
    action, module = fronts["action"].results[name], fronts["module"].results[name]
    assert (action.get("unreachable"), action.get("failed", False)) == (True, False)
    assert (module.get("unreachable", False), module.get("failed")) == (False, True)
    server = next(task.server for task in TASKS if task.name == name)
    assert server in action["msg"]
    assert comparable(action["msg"], server) == comparable(module["msg"], server)
    assert action["error"] == module["error"]
    assert action["error"]["code"] == ("authentication" if name in REFUSED_LOGIN else "unreachable")
    assert action["changed"] is module["changed"] is False


@pytest.mark.parametrize("front", ["action", "module"])
def test_no_password_shows_anywhere(fronts: dict[str, Front], front: str) -> None:
    shown = fronts[front]
    everywhere = {
        "the output": shown.output,
        "the results": json.dumps(shown.results),
        "the record": json.dumps(shown.lab.ask("/record")),
        "the states": json.dumps([shown.lab.state(name) for name in shown.lab.servers]),
        "the lab's log": (shown.lab.folder / "lab.log").read_text(errors="replace"),
    }
    for place, text in everywhere.items():
        for password in [*PASSWORDS.values(), WRONG_PASSWORD]:
            assert password not in text, place
    assert "Traceback" not in shown.output


def test_the_module_front_ran_as_a_module_and_the_action_front_did_not(fronts: dict[str, Front]) -> None:
    """AnsiballZ puts its file into the remote temporary folder; the action front never makes one."""
    pattern = re.compile(r"AnsiballZ_(\w+)\.py")
    assert {"host_info", "updates", "restart"} <= set(pattern.findall(fronts["module"].output))
    assert set(pattern.findall(fronts["action"].output)) <= {"copy", "stat"}

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the documentation, run as they are printed, twice, and the documentation as ansible-doc shows it.

Each example stands in a play as a reader would put it there. Where one uses a name that a role of the collection sets
(``assess_plan`` and what the filters gather), that role runs before it.
"""

from __future__ import annotations

import ast
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

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.msi import make_package
from demo.lab_process import LabProcess

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py") if path.stem != "__init__")
FILTERS = sorted(path.stem for path in (PLUGINS / "filter").glob("*.py") if path.stem != "__init__")

SERVERS: list[dict[str, Any]] = [
    {"name": "web01", "level": "KB5068966"},  # November 2025: the December hotpatch is due
    {"name": "web02", "level": "KB5068966"},
    {"name": "app01", "level": "KB5072014", "restart_pending": ["component_based_servicing"]},
    {"name": "off01", "network": "closed"},
    # Servers of plugins that are no part of the month's story.
    {"name": "back01", "level": "KB5072014", "groups": ["apart"]},
    {"name": "vbs01", "level": "KB5072014", "groups": ["apart"], "vbs": 0},
    {"name": "arc01", "groups": ["apart"], "arc": "none", "vars": {"vault_arc_secret": "Lab-onboarding-secret-1"}},
    {"name": "web11", "groups": ["apart"], "enrolled": False},
    {"name": "web12", "groups": ["apart"]},
    {"name": "web13", "groups": ["apart"]},
    {"name": "web14", "groups": ["apart"], "enrolled": False},
    {"name": "web15", "groups": ["apart"], "level": "KB5068966"},
    {"name": "web16", "groups": ["apart"], "level": "KB5068966"},
    {
        "name": "vm01",
        "groups": ["apart"],
        "platform": "azure",
        "edition": "ServerTurbine",
        "arc": "none",
        "enrolled": False,
    },
    {
        "name": "vm02",
        "groups": ["apart"],
        "platform": "azure",
        "edition": "ServerTurbine",
        "arc": "none",
        "level": "KB5068966",
    },
    {"name": "pol01", "level": "KB5072014", "groups": ["apart"], "policy": {"AlwaysAutoRebootAtScheduledTime": 1}},
]
AZURE = {"unregistered_providers": ["Microsoft.AzureArcData"]}
APART = {str(server["name"]) for server in SERVERS if "apart" in server.get("groups", ())}
MONTH = "all:!apart"


def examples_of(kind: str, name: str) -> list[dict[str, Any]]:
    """The tasks of the EXAMPLES of one plugin, as they are printed."""
    tree = ast.parse((PLUGINS / kind / f"{name}.py").read_text(encoding="utf-8"))
    (text,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["EXAMPLES"]
    )
    tasks: list[dict[str, Any]] = yaml.safe_load(text)
    return tasks


EXAMPLES = {name: examples_of("modules", name) for name in MODULES} | {
    name: examples_of("filter", name) for name in FILTERS
}


def role(name: str, **more: Any) -> dict[str, Any]:
    return {"name": f"Run the role {name}", "ansible.builtin.import_role": {"name": f"winops.hotpatch.{name}", **more}}


def story(lab: LabProcess) -> list[dict[str, Any]]:
    """One play for each plugin, in the order in which a month uses them."""

    # The role registers under this name what the example registers under its own.
    kept = {"name": "Keep the result", "ansible.builtin.set_fact": {"install_updates_result": "{{ hotpatch }}"}}

    # What a person who uses Azure has in the inventory; the account is in the environment.
    azure = {
        "connection": "local",
        "vars": {
            "azure_group": lab.azure["resource_group"],
            "azure_subnet_id": f"/subscriptions/{lab.azure['subscription_id']}/resourceGroups/net"
            "/providers/Microsoft.Network/virtualNetworks/v1/subnets/servers",
            "vault_admin_password": "An-administrators-Passw0rd",
            "azure_subscription": lab.azure["subscription_id"],
            "arc_machine_ids": [
                f"/subscriptions/{lab.azure['subscription_id']}/resourceGroups/{lab.azure['resource_group']}"
                "/providers/Microsoft.HybridCompute/machines/web14"
            ],
        },
        "module_defaults": {
            "winops.hotpatch.enrollment": {"poll_interval": 0.2},
            "winops.hotpatch.patch_settings": {"poll_interval": 0.2},
            "winops.hotpatch.azure_vm": {"poll_interval": 0.2},
            "winops.hotpatch.preview_feature": {"poll_interval": 0.2},
            "winops.hotpatch.resource_provider": {"poll_interval": 0.2},
            "winops.hotpatch.patch_assessment": {"poll_interval": 0.2, "as_of": "2025-12-20"},
            "winops.hotpatch.patch_installation": {"poll_interval": 0.2, "as_of": "2025-12-20"},
        },
    }

    def play_of(plugin: str, hosts: str, *before: dict[str, Any], **more: Any) -> dict[str, Any]:
        tasks = [*before, *EXAMPLES[plugin]]
        return {"name": f"Examples of {plugin}", "hosts": hosts, "gather_facts": False, "tasks": tasks, **more}

    return [
        play_of("restart", "app01"),
        play_of("health_check", "app01"),
        play_of("host_info", "web01:app01"),
        play_of("month_plan", MONTH, role("assess")),
        play_of("server_records", MONTH),
        play_of("updates", "web01", post_tasks=[kept]),
        play_of("update_history_info", "web01"),
        {"name": "The hotpatch by its role", "hosts": "web02:app01", "gather_facts": False,
         "tasks": [role("install_updates")]},
        play_of("wave_gate", MONTH, serial=[1, 3]),
        play_of("month_report", MONTH, role("assess", tasks_from="read_again.yml")),
        play_of("outcome", MONTH),
        play_of("update_policy", "pol01"),
        play_of("arc_agent", "arc01"),
        play_of("rollback", "back01", post_tasks=[
            {"name": "Keep the plan", "ansible.builtin.set_fact": {"roll_back_plan": "{{ plan }}"}}]),
        play_of("rollback_overview", "back01"),
        play_of("rollback_outcomes", "back01"),
        play_of("onboarding_plan", "vbs01", role("assess", tasks_from="read.yml")),
        play_of("onboarding_records", "vbs01"),
        play_of("enrollment_info", "localhost", **azure),
        play_of("enrollment", "localhost", **azure),
        play_of("patch_settings", "localhost", **azure),
        play_of("azure_vm", "localhost", **azure),
        play_of("patch_assessment", "localhost", **azure),
        play_of("patch_installation", "localhost", **azure),
        play_of("maintenance_configuration", "localhost", **azure),
        play_of("maintenance_assignment", "localhost", **azure),
        play_of("schedule_table", "localhost", **azure),
        play_of("update_schedules", MONTH),
        play_of("fleet_info", "localhost", **azure),
        play_of("preview_feature", "localhost", **azure),
        play_of("resource_provider", "localhost", **azure),
        play_of("vbs", "vbs01"),
        play_of("onboarding_report", "vbs01", role("assess", tasks_from="read_again.yml")),
        play_of("one_first", "vbs01"),
        play_of("azure_installation", "web02"),
        play_of("installation_scope", "web02"),
        play_of("enrollment_scope", "web02", role("enroll")),
        play_of("enrollment_report", "web02"),
    ]  # fmt: skip


@dataclass(frozen=True)
class Told:
    """How a run of the story ended: what it said of each task, by the task's name."""

    code: int
    output: str
    folder: Path

    def words(self, name: str) -> dict[str, str]:
        """By host, ``ok`` or ``changed`` or another word of Ansible, for one task."""
        found: dict[str, str] = {}
        for body in self._tasks(name):
            found |= {host: word for word, host in re.findall(r"^(\w+): \[([\w-]+)\]", body, re.M)}
        return found

    def text(self, name: str) -> str:
        """All that was shown for one task."""
        return "\n".join(self._tasks(name))

    def _tasks(self, name: str) -> list[str]:
        shown = re.findall(r"^TASK \[(.*?)\] \**\n(.*?)(?=\n(?:TASK|PLAY)\b|\Z)", self.output, re.M | re.S)
        return [body for title, body in shown if title == name]

    @property
    def outcomes(self) -> dict[str, str]:
        """What the report's file says of each server."""
        summary = json.loads((self.folder / "hotpatch-report" / "summary.json").read_text(encoding="utf-8"))
        return {server["name"]: server["outcome"] for server in summary["servers"]}


def tell(lab: LabProcess, folder: Path) -> Told:
    """Run the story from a folder of its own, as somebody who tries the examples would."""
    folder.mkdir()
    (folder / "files").mkdir()
    (folder / "files" / "AzureConnectedMachineAgent.msi").write_bytes(make_package("1.61.03319.2737"))
    playbook = folder / "examples.yml"
    playbook.write_text(yaml.safe_dump(story(lab), sort_keys=False), encoding="utf-8")
    # Only the roles take these; an example is run with the values that are printed in it.
    settings = {"hotpatch_month": "2025-12", "hotpatch_poll_interval": 0.2}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-i", str(lab.inventory),
         "-e", json.dumps(settings)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=110, check=False,
        cwd=folder, env=os.environ | {"ANSIBLE_NOCOLOR": "1"} | lab.azure_environment,
    )  # fmt: skip
    return Told(done.returncode, done.stdout, folder)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    folder = tmp_path_factory.mktemp("examples")
    fleet = folder / "fleet.yml"
    fleet.write_text(
        yaml.safe_dump({"schema": 1, "as_of": "2025-12-20", "azure": AZURE, "servers": SERVERS}), encoding="utf-8"
    )
    with LabProcess(fleet, folder / "lab", scale=1000) as running:
        yield running


@pytest.fixture(scope="module")
def twice(lab: LabProcess, tmp_path_factory: pytest.TempPathFactory) -> tuple[Told, Told]:
    """The story, and the story again; nothing else happens to the servers between."""
    folder = tmp_path_factory.mktemp("told")
    return tell(lab, folder / "first"), tell(lab, folder / "second")


#: Says by a warning that it is history.
HISTORY = "Register the preview features that the first hotpatching needed"
#: The tasks of the examples that change a server, with the server of the story that needs it.
CHANGING = {
    "Install this month's hotpatch, if no restart follows": "web01",
    "Restart if an update waits for it, and prove it": "app01",
    "Download updates, install none, and never restart by itself": "pol01",
    "Take updates from an update server": "pol01",
    "Install the agent that was tested, uploaded from the controller": "arc01",
    "Connect the server with a service principal": "arc01",
    "Let only the monitoring agent be installed as an extension": "arc01",
    "Take it off; nothing restarts yet": "back01",
    "Restart the server without it": "back01",
    "Prove that it is off, and hold it back": "back01",
    HISTORY: "localhost",
    "Let the provider take newly registered features over": "localhost",
    "Register what Azure Arc, hotpatching and schedules need": "localhost",
    "Enroll a server": "localhost",
    "Enroll many servers, and go on while Azure works on it": "localhost",
    "Pause hotpatches of a server that stays enrolled": "localhost",
    "Take a server out": "localhost",
    "Make a server that has hotpatches from its start": "localhost",
    "Patch two days after Patch Tuesday, and never restart": "localhost",
    "Take servers over the baseline four times a year": "localhost",
    "Install what the antivirus needs on Saturdays and Sundays, too": "localhost",
    "Assign servers to the schedule of the month": "localhost",
    "Assign whatever Arc servers are in a region": "localhost",
    "Make two schedules": "localhost",
    "Let Azure assess an Arc machine every day": "localhost",
    "Hotpatching of a virtual machine, with all it needs": "localhost",
    "Install the month's hotpatch through Azure": "localhost",
    "Begin it without waiting, on a virtual machine": "localhost",
    "Install what suits each, in one task": "localhost",
    "Follow it to its end, if there was anything to install": "localhost",
    "Turn virtualization-based security on, with the next restart": "vbs01",
}
END = "End this server's play as its outcome says"


@pytest.mark.parametrize("plugin", EXAMPLES)
def test_every_example_runs_as_printed(twice: tuple[Told, Told], plugin: str) -> None:
    for told in twice:
        for task in EXAMPLES[plugin]:
            words = told.words(task["name"])
            reached = {host: word for host, word in words.items() if host != "off01"}
            assert reached, f"{task['name']} was not run:\n{told.output}"
            assert set(reached.values()) <= {"ok", "changed"}, told.text(task["name"])
        assert "undefined" not in told.output
        assert "Traceback" not in told.output
        assert "none of this is needed today" in " ".join(told.text(HISTORY).split())
        assert "WARNING" not in told.output.replace(told.text(HISTORY), "")
        assert "DEPRECAT" not in told.output


def test_the_first_run_changes_what_it_says_and_the_second_nothing(twice: tuple[Told, Told], lab: LabProcess) -> None:
    first, second = twice
    for plugin, tasks in EXAMPLES.items():
        for task in tasks:
            name = task["name"]
            changed = {host for host, word in first.words(name).items() if word == "changed"}
            assert changed == ({CHANGING[name]} if name in CHANGING else set()), (plugin, first.text(name))
            assert "changed" not in second.words(name).values(), (plugin, second.text(name))
    states = {name: state for name, state in lab.states().items() if name not in APART}
    assert {name: [each["kb"] for each in state["installs"]] for name, state in states.items()} == {
        "web01": ["KB5072014"],
        "web02": ["KB5072014"],
        "app01": [],
        "off01": [],
    }
    assert {name for name, state in states.items() if state["restarts"]} == {"app01"}
    assert len(states["app01"]["restarts"]) == 1


def test_the_examples_tell_a_true_story(twice: tuple[Told, Told]) -> None:
    first, second = twice
    shown = "Show where it stands, and everything that blocks hotpatching"
    assert "KB5072014 is the newest hotpatch" in first.text(shown)
    assert "the newest on the hotpatch track" in second.text(shown)
    assert "KB5072014, no restart" in first.text("Plan the month for every server of the play")
    assert "3 of 4" in first.text("Count the servers that were read")
    assert "KB2267602" in first.text("Show what was refused, and why")
    for kb in ("KB5068966", "KB5072014"):
        assert kb in first.text("Show the hotpatches and baselines among it")
    stages = first.text("Show how long each stage took")
    for stage in ("record", "ask", "boot", "settle", "services"):
        assert stage in stages
    came_to = first.text("Show what each check came to")
    assert "run again" in came_to and "cmd.exe ended with 0" in came_to and "W32Time runs" in came_to
    assert "This wave: web01." in first.text("Ask whether this wave may start")
    assert "back to KB5066835" in first.text("Show the rollback plans of all servers of the play")
    assert "was taken off before" in second.text("Show what came of the rollback")
    assert first.outcomes == {"web01": "hotpatched", "web02": "hotpatched", "app01": "current", "off01": "unreachable"}
    assert second.outcomes == {"web01": "current", "web02": "current", "app01": "current", "off01": "unreachable"}


def test_the_outcome_ends_only_the_server_that_was_not_reached(twice: tuple[Told, Told]) -> None:
    for told in twice:
        assert told.words(END) == {"web01": "ok", "web02": "ok", "app01": "ok", "off01": "fatal"}, told.output
        assert "UNREACHABLE" in told.text(END)
        assert told.code == 4
        assert (told.folder / "hotpatch-report" / "report.html").is_file()


@pytest.mark.parametrize(("kind", "names"), [("module", MODULES), ("filter", FILTERS)])
def test_ansible_doc_shows_every_plugin_without_a_complaint(kind: str, names: list[str]) -> None:
    """As a person reads it; what is written there must be whole, and nothing may be said on the side."""
    program = str(Path(sys.executable).with_name("ansible-doc"))
    full = [f"winops.hotpatch.{name}" for name in names]
    done = subprocess.run(
        [program, "-t", kind, *full],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for name in names:
        assert f"winops.hotpatch.{name}" in done.stdout
        for task in EXAMPLES[name]:
            assert task["name"] in done.stdout
    listed = subprocess.run(
        [program, "-t", kind, "-l", "winops.hotpatch"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert {line.split()[0] for line in listed.stdout.splitlines() if line} == set(full)
    assert "UNDOCUMENTED" not in listed.stdout

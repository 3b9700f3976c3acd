# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fronts of the Azure nouns: in Ansible's worker and as a module, the same results; and no secret anywhere.

The worker does it on localhost and for Windows hosts; on a host with another connection, and with ``async``, it is a
module of a Python of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.wire.azure_calls import ELSEWHERE, account
from tests.wire.running_lab import RunningLab, running_lab

SECRET = "Planted-azure-Secret-77"
PRINCIPAL = {"id": "3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21", "secret": SECRET}
SCHEDULE: dict[str, Any] = {
    "name": "sched-{m}", "location": "westeurope", "start": "2040-01-12 22:00", "time_zone": "Europe/Berlin",
    "every": {"months": 1, "nth": "second", "weekday": "tuesday", "offset_days": 2},
}  # fmt: skip
TASKS: list[tuple[str, str, dict[str, Any], bool]] = [
    ("read", "enrollment_info", {"name": "{m}"}, False),
    ("enroll in check mode", "enrollment", {"name": "{m}"}, True),
    ("enroll", "enrollment", {"name": "{m}"}, False),
    ("enroll again", "enrollment", {"machines": ["{m}"]}, False),
    ("pause", "enrollment", {"name": "{m}", "opted_out": True}, False),
    ("enroll what is not there", "enrollment", {"machines": ["{m}", "nobody"]}, False),
    ("make a schedule", "maintenance_configuration", SCHEDULE, False),
    ("make it again", "maintenance_configuration", SCHEDULE, False),
    ("assign", "maintenance_assignment", {"configuration": "sched-{m}", "machines": ["{m}", "nobody"]}, False),
    ("set how it is patched", "patch_settings", {"name": "{m}", "assessment_mode": "automatic_by_platform"}, False),
    ("set it again", "patch_settings", {"machines": ["{m}"], "assessment_mode": "automatic_by_platform"}, False),
    ("assess in check mode", "patch_assessment", {"name": "{m}"}, True),
    ("install what is no hotpatch", "patch_installation", {"name": "{m}", "kb_include": ["KB5072033"]}, False),
    ("leave and pause", "enrollment", {"name": "{m}", "state": "absent", "opted_out": True}, False),
    ("leave", "enrollment", {"name": "{m}", "state": "absent"}, False),
    ("see the features", "preview_feature", {"state": "gathered"}, False),
    ("register what there is not", "resource_provider", {"namespaces": ["Microsoft.Nowhere"]}, False),
    ("read the fleet", "fleet_info", {"kinds": ["vm"]}, False),
]
#: What no two runs share, and what async adds.
_DIFFERS = {
    *(
        "traffic",
        "correlation_id",
        "source",
        "enrollment_date",
        "disenrollment_date",
        "invocation",
        "warnings",
        "exception",
    ),
    *("ansible_job_id", "results_file", "started", "finished", "stdout", "stderr", "stdout_lines", "stderr_lines"),
    *("ansible_facts", "deprecations", "hotpatch_status"),
}


@dataclass(frozen=True)
class Played:
    output: str
    results: dict[str, dict[str, dict[str, Any]]]
    lab: RunningLab


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("fronts")
    servers = [{"name": name, "enrolled": False} for name in ("mach1", "mach2", "mach3")]
    stuck = {"name": "stuck1", "enrolled": False, "faults": [{"kind": "enrollment_stuck"}]}
    fleet = {"azure": {"service_principals": [PRINCIPAL]}, "servers": [*servers, stuck]}
    with running_lab(fleet, folder, "--scale", "2000", "--seed", "3") as lab:
        yield play(lab, folder)


def account_for(noun: str, options: dict[str, Any]) -> dict[str, Any]:
    """Some are of a whole subscription."""
    whole = noun in ("preview_feature", "resource_provider", "fleet_info")
    return {name: value for name, value in options.items() if not (whole and name == "resource_group")}


def play(lab: RunningLab, folder: Path) -> Played:
    options = account(lab, secret=None)
    del options["secret"]
    tasks: list[dict[str, Any]] = []
    for front, machine in (("action", "mach1"), ("module", "mach2")):
        for number, (name, noun, given, check) in enumerate(TASKS):
            own = json.loads(json.dumps(given).replace("{m}", machine))
            paced = {"poll_interval": 0.2} if noun in ("enrollment", "patch_settings") else {}
            # A person names the secret as an option, or leaves it to the environment of the task.
            secret = {} if front == "action" and number % 2 else {"secret": SECRET}
            tasks.append(
                {
                    "name": f"{front}: {name}",
                    f"winops.hotpatch.{noun}": {**account_for(noun, options), **own, **paced, **secret},
                    "environment": {} if secret else {"AZURE_SECRET": SECRET},
                    "check_mode": check,
                    "register": f"{front}_{number}",
                    "ignore_errors": True,
                    **({"connection": "elsewhere"} if front == "module" else {}),
                    **({"async": 60, "poll": 1} if (front, name) == ("module", "enroll again") else {}),
                }
            )
    keep = {
        front: "[" + ", ".join(f"{front}_{number}" for number in range(len(TASKS))) + "]"
        for front in ("action", "module")
    }
    content = "{{ {" + ", ".join(f"'{front}': {names}" for front, names in keep.items()) + "} | to_json }}"
    file = folder / "results.json"
    tasks.append({"name": "Keep", "ansible.builtin.copy": {"content": content, "dest": str(file), "mode": "0600"}})
    window = {
        "name": "As a Windows host's own task",
        "winops.hotpatch.enrollment": {
            **options,
            "secret": SECRET,
            "name": "{{ inventory_hostname }}",
            "poll_interval": 0.2,
        },
    }
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    overdue = {
        "name": "Out of time",
        "winops.hotpatch.enrollment": {**options, "secret": SECRET, "name": "stuck1", "poll_interval": 0.2},
        "timeout": 4,
        "ignore_errors": True,
    }
    plays = [
        {"name": "Both", "hosts": "localhost", "gather_facts": False, "vars": here, "tasks": tasks},
        {"name": "Windows", "hosts": "mach3", "gather_facts": False, "tasks": [window]},
        {"name": "Overdue", "hosts": "localhost", "gather_facts": False, "vars": here, "tasks": [overdue]},
    ]
    (folder / "connection_plugins").mkdir()
    (folder / "connection_plugins" / "elsewhere.py").write_text(ELSEWHERE)
    playbook = folder / "fronts.yml"
    playbook.write_text(yaml.safe_dump(plays), encoding="utf-8")
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("ansible-playbook")), str(playbook)),
            *("-i", str(lab.inventory), "-vvvv", "--diff"),
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=110, check=False,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    assert file.is_file(), done.stdout[-4000:]
    results = json.loads(file.read_text(encoding="utf-8"))
    named = {front: {task[0]: result for task, result in zip(TASKS, results[front], strict=True)} for front in results}
    return Played(done.stdout, named, lab)


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items() if key not in _DIFFERS}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value.replace("mach2", "mach1") if isinstance(value, str) else value


@pytest.mark.parametrize("task", [task[0] for task in TASKS], ids=lambda name: name.replace(" ", "_"))
def test_both_fronts_give_one_result(played: Played, task: str) -> None:
    action, module = (comparable(played.results[front][task]) for front in ("action", "module"))
    for result in (action, module):
        result.pop("failed", None)
        result["diff"] = json.loads(json.dumps(result.get("diff")).replace("mach2", "mach1"))
    assert action == module


def test_the_tasks_did_what_their_names_say(played: Played) -> None:
    for results in played.results.values():
        assert results["read"]["machines"][0]["state"] == "not_enrolled"
        assert results["enroll in check mode"]["changed"] is True
        assert results["enroll"]["machines"][0]["state"] == "enrolled"
        assert results["enroll again"]["changed"] is False
        assert results["pause"]["machines"][0]["state"] == "paused"
        assert results["enroll what is not there"]["failed"] is True
        assert [bool(row["error"]) for row in results["enroll what is not there"]["machines"]] == [False, True]
        assert results["make a schedule"]["changed"] is True
        assert results["make it again"]["changed"] is False
        assert [bool(row["error"]) for row in results["assign"]["machines"]] == [False, True]
        assert results["leave and pause"]["error"]["code"] == "invalid_input"
        assert results["leave"]["machines"][0]["state"] == "not_enrolled"
        assert "next baseline" in results["leave"]["rule"]


def test_a_windows_host_is_enrolled_from_the_controller(played: Played) -> None:
    assert played.lab.state("mach3")["enrolled"] is True
    assert played.lab.record("mach3") == []  # nothing was asked of the server itself


def test_the_secret_is_nowhere(played: Played) -> None:
    assert SECRET not in played.output
    assert SECRET not in json.dumps(played.results)


def test_a_task_out_of_time_says_what_azure_goes_on_with(played: Played) -> None:
    words = " ".join(played.output.split())
    assert "Azure had accepted changes for 1 machines whose end was not seen: stuck1" in words


def test_progress_is_shown(played: Played) -> None:
    assert "[azure] 2 of 2 machines done, 1 failed" in played.output

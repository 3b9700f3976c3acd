# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not happen, on servers that misbehave: no install in doubt, no wait without end, nothing done twice.

What was done is never taken from a result alone: each server of the lab tells what really happened to it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.hotpatch.plugins.module_utils._core import restart, updates
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import settings_from_options
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError, RestartFailed, UpdateFailed
from demo.lab_process import LabProcess
from tests.playbooks.conftest import StartLab, command_for, play

MISSED = {"level": "KB5065474"}  # September 2025, on the July baseline
BEHIND = {"level": "KB5068966"}  # November 2025: the December hotpatch is due
CURRENT = {"level": "KB5072014"}  # December 2025
DUE = "KB5072014"
ENVIRONMENT = os.environ | {"ANSIBLE_NOCOLOR": "1"}


def server(name: str, level: dict[str, str], *faults: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, **level, "faults": list(faults), **more}


SERVERS = [
    server("policy01", BEHIND, {"kind": "always_auto_reboot"}),
    server("throws01", BEHIND, {"kind": "evaluation_throws"}),
    server("unknown01", BEHIND, {"kind": "evaluation_unknown"}),
    server("empty01", BEHIND, {"kind": "evaluation_null"}),
    server("pending01", BEHIND, restart_pending=["component_based_servicing"]),
    server("denied01", BEHIND, {"kind": "registry_denied", "key": r"HKLM\SOFTWARE\Policies\Microsoft\Windows"}),
    server("wants01", BEHIND, {"kind": "hotpatch_wants_restart"}),
    server("wants02", BEHIND, {"kind": "hotpatch_wants_restart"}),
    server("retry01", BEHIND, {"kind": "search_fails", "hresult": "0x8024401C", "times": 1}),
    server("again01", BEHIND, {"kind": "update_reoffered"}),
    server("named01", BEHIND, {"kind": "update_reoffered"}),
    server("lost01", CURRENT, {"kind": "never_returns"}),
    server("idle01", CURRENT),
    server("waits01", CURRENT, restart_pending=["windows_update"]),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    folder = tmp_path_factory.mktemp("guards")
    fleet = folder / "fleet.yml"
    fleet.write_text(yaml.safe_dump({"schema": 1, "as_of": "2025-12-20", "servers": SERVERS}), encoding="utf-8")
    with LabProcess(fleet, folder / "lab", scale=500) as running:
        yield running


def call(core: Any, lab: LabProcess, name: str, **options: Any) -> dict[str, Any]:
    """What a front does: the core with checked options, on one server of the lab."""
    at = lab.servers_data[name]
    params = {key: option.get("default") for key, option in core.SPEC.argument_spec.items()}
    params.update(address=at["address"], port=at["http_port"], scheme="http", transport=["basic"])
    params.update(username=at["user"], password=at["password"], poll_interval=0.2, **options)
    if "as_of" in params:
        params["as_of"] = "2025-12-20"
    result: dict[str, Any] = core.run(Call(params=params, name=name, settings=settings_from_options(params)))
    return result


def installed(lab: LabProcess, name: str) -> list[str]:
    """The KBs whose installation was begun on a server, as the server knows it."""
    return [each["kb"] for each in lab.ask(f"/servers/{name}")["installs"]]


# ---- in doubt, nothing is installed


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("policy01", "no", "AlwaysAutoRebootAtScheduledTime"),
        ("throws01", "unknown", "0x80240FFF"),
        ("unknown01", "unknown", "0x80240068"),
        ("empty01", "unknown", "unknown"),
        ("pending01", "no", "component_based_servicing"),
        ("denied01", "unknown", "policy could not be read"),
    ],
)
def test_a_witness_that_does_not_say_yes_stops_the_install(lab: LabProcess, name: str, answer: str, words: str) -> None:
    result = call(updates, lab, name)
    assert result["changed"] is False
    assert result["kbs_installed"] == []
    assert result["receipt"]["may_install"] == answer
    (refused,) = [each for each in result["refused"] if each["kb"] == DUE]
    assert words in refused["refused"]
    assert installed(lab, name) == []
    state = lab.ask(f"/servers/{name}")
    assert state["downloads"] == []
    assert state["restarts"] == []
    assert state["build"] == "26100.7092"


def test_a_hotpatch_that_wants_a_restart_all_the_same_is_a_broken_promise_and_does_not_restart(
    lab: LabProcess,
) -> None:
    with pytest.raises(HotpatchError, match="promise of no restart does not hold") as caught:
        call(updates, lab, "wants01")
    assert caught.value.code == "promise_broken"
    assert caught.value.changed is True
    assert caught.value.details["kbs_installed"] == [DUE]
    assert lab.ask("/servers/wants01")["restarts"] == []


# ---- once, and counted once


def test_a_search_that_fails_once_says_so_and_the_next_call_does_the_work(lab: LabProcess) -> None:
    with pytest.raises(UpdateFailed, match="0x8024401C") as caught:
        call(updates, lab, "retry01", retries=0)
    assert caught.value.retryable is True
    assert caught.value.changed is False
    assert caught.value.hint
    assert installed(lab, "retry01") == []
    assert call(updates, lab, "retry01")["kbs_installed"] == [DUE]
    assert installed(lab, "retry01") == [DUE]


@pytest.mark.parametrize(("name", "options"), [("again01", {}), ("named01", {"run_id": "december"})])
def test_an_update_offered_again_is_no_change(lab: LabProcess, name: str, options: dict[str, Any]) -> None:
    """Windows Update sometimes offers what is installed; by its own name or under a new one, the run must not count."""
    assert call(updates, lab, name, **options)["kbs_installed"] == [DUE]
    for _run in range(2):
        again = call(updates, lab, name, **options)
        assert DUE in [each["kb"] for each in again["offered"]]
        assert again["changed"] is False, again["results"]
        assert again["kbs_installed"] == []
        assert again["build_after"] == "26100.7392"
    assert installed(lab, name) == [DUE]


def test_the_role_blames_no_hotpatch_for_a_restart_that_waited_before(lab: LabProcess, tmp_path: Path) -> None:
    book = tmp_path / "hotpatch.yml"
    role = {"name": "Only the hotpatch", "ansible.builtin.import_role": {"name": "winops.hotpatch.install_updates"}}
    book.write_text(yaml.safe_dump([{"hosts": "waits01:wants02", "gather_facts": False, "tasks": [role]}]))
    played = play(lab.inventory, tmp_path, playbook=str(book), hotpatch_as_of="2025-12-20")
    assert played.recap["waits01"]["failed"] == 0 and "waits01: Nothing was installed." in played.output, played.output
    # The module itself tells of a promise that did not hold; the role adds nothing to it.
    assert played.recap["wants02"]["failed"] == 1 and "promise of no restart does not hold" in played.output


# ---- a server that does not come back


def test_a_server_that_never_returns_is_a_failure_in_bounded_time(lab: LabProcess) -> None:
    began = time.monotonic()
    with pytest.raises(RestartFailed, match="not proven, at the stage boot") as caught:
        call(restart, lab, "lost01", only_if_pending=False, timeout=4)
    assert time.monotonic() - began < 60  # one probe may outlast the time by its own limit of 15 s
    error = caught.value
    assert "refused" in error.message
    assert error.code == "restart_failed"
    assert error.changed is True
    assert error.hint and "console" in error.hint
    assert (error.details["restarted"], error.details["stage"]) == (False, "boot")
    assert lab.ask("/servers/lost01")["state"] == "lost"


def test_a_build_that_is_rolled_back_fails_and_halts_the_waves(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab([server("sql01", MISSED, {"kind": "wrong_build_after_restart"}), server("sql02", MISSED)])
    played = play(
        lab.inventory, tmp_path, hotpatch_month="2025-12", hotpatch_restart_reasons=["baseline", "missed_baseline"]
    )
    assert played.outcomes == {"sql01": "failed", "sql02": "skipped"}, played.output
    assert played.code == 2
    assert "26100.6905" in played.reason("sql01") or "rolled" in played.reason("sql01")
    assert "Halted" in played.reason("sql02") and "sql01" in played.reason("sql02")
    states = lab.states()
    assert states["sql01"]["restarts"] != []
    assert (states["sql02"]["restarts"], states["sql02"]["installs"]) == ([], [])


# ---- two at once


def begin(work: Callable[[], dict[str, Any]], gate: threading.Barrier) -> Future[dict[str, Any]]:
    """Do it in a thread of its own, when all who meet at the gate are there."""
    end: Future[dict[str, Any]] = Future()

    def do() -> None:
        gate.wait()
        try:
            end.set_result(work())
        except HotpatchError as error:
            end.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    return end


def test_plays_and_calls_that_begin_at_one_moment_install_once(start_lab: StartLab, tmp_path: Path) -> None:
    # Slow enough that they meet while Windows Update works.
    lab = start_lab([server("web01", BEHIND), server("pair01", BEHIND), server("three01", BEHIND)], scale=60)
    folders = [tmp_path / "one", tmp_path / "two"]
    plays = [
        subprocess.Popen(
            command_for(lab.inventory, folder, "--limit", "web01", hotpatch_month="2025-12"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT,
        )
        for folder in folders
    ]  # fmt: skip
    calls: dict[str, list[Future[dict[str, Any]]]] = {}
    for name, count in (("pair01", 2), ("three01", 3)):
        gate = threading.Barrier(count)
        calls[name] = [begin(partial(call, updates, lab, name, timeout=90), gate) for _each in range(count)]
    outputs = [each.communicate(timeout=110)[0] for each in plays]

    for name, ends in calls.items():
        errors = [error for error in (end.exception(timeout=100) for end in ends) if error is not None]
        results = [end.result() for end in ends if end.exception() is None]
        assert installed(lab, name) == [DUE]
        assert DUE in [kb for result in results for kb in result["kbs_installed"]], errors
        assert {result["build_after"] for result in results} == {"26100.7392"}
        for error in errors:
            assert isinstance(error, HotpatchError)
            assert error.code == "busy", error.sentence()
            assert error.retryable is True, error.sentence()
            assert re.search(r"\brun \d{8}T", error.message), error.message
        assert call(updates, lab, name)["changed"] is False
        assert installed(lab, name) == [DUE]

    assert installed(lab, "web01") == [DUE]
    rows = [json.loads((folder / "summary.json").read_text())["servers"][0] for folder in folders]
    assert "hotpatched" in [row["outcome"] for row in rows], outputs
    for row, output in zip(rows, outputs, strict=True):
        if row["outcome"] == "failed":
            assert re.search(r"\brun \d{8}T\S+", row["reason"]), row["reason"]
        else:
            assert row["outcome"] in ("hotpatched", "current"), output
        assert "Traceback" not in output
    assert [name for name, state in lab.states().items() if state["restarts"]] == []


# ---- what a task can ask for and not have


def test_async_become_and_foreign_connections_are_refused_in_words_and_touch_nothing(
    lab: LabProcess, tmp_path: Path
) -> None:
    wrong: dict[str, tuple[dict[str, Any], list[str]]] = {
        "async": ({"async": 60, "poll": 5}, ["async"]),
        "become": ({"become": True}, ["become", "account of the connection"]),
        "ssh": ({"vars": {"ansible_connection": "ssh"}}, ["the connection plugin is ssh", "winrm or psrp", "address"]),
        "local": ({"vars": {"ansible_connection": "local"}}, ["the connection plugin is local", "winrm or psrp"]),
    }
    tasks: list[dict[str, Any]] = []
    for module, options in (("host_info", {}), ("updates", {}), ("restart", {"only_if_pending": False})):
        tasks.extend(
            {"name": f"{module} {way}", f"winops.hotpatch.{module}": options, "ignore_errors": True, **keys}
            for way, (keys, _words) in wrong.items()
        )
    playbook = tmp_path / "wrong.yml"
    playbook.write_text(
        yaml.safe_dump([{"name": "Wrong tasks", "hosts": "idle01", "gather_facts": False, "tasks": tasks}])
    )
    asked = len(lab.ask("/record?server=idle01")["requests"])
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-i", str(lab.inventory)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=110, check=False,
        env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    shown = {part.split("]", 1)[0]: part for part in done.stdout.split("TASK [")[1:]}
    for name, text in shown.items():
        assert "fatal: [idle01]: FAILED!" in text, text
        assert "Traceback" not in text
        for word in wrong[name.split()[1]][1]:
            assert word in text, text
    assert len(shown) == len(tasks)
    assert len(lab.ask("/record?server=idle01")["requests"]) == asked

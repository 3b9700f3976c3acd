# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook roll_back on small fleets: what is taken off, what is never touched, and what a person is told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.winops.hotpatch.plugins.module_utils._core import rollback, updates
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import settings_from_options
from demo.lab_process import LabProcess
from tests.playbooks.conftest import Played, StartLab, command_for, play

PLAYBOOK = "winops.hotpatch.roll_back"
DECEMBER = {"level": "KB5072014"}
OFF_TRACK = {"level": "KB5070881"}
PERMANENT = {"kind": "package_permanent"}

SERVERS: list[dict[str, Any]] = [
    {"name": "web01", **DECEMBER},
    {"name": "perm01", **DECEMBER, "faults": [PERMANENT]},
    {"name": "off01", **OFF_TRACK},
    {"name": "base01", "level": "KB5066835"},
    {"name": "gone01", **OFF_TRACK, "faults": [{"kind": "payload_missing"}]},
    {"name": "new01", "level": "rtm"},
    {"name": "away01", **DECEMBER, "network": "closed"},
]
#: Taken back by the run, with the build before and after.
BACK = {
    "web01": ("26100.7392", "26100.6899"),
    "off01": ("26100.6905", "26100.6899"),
    "base01": ("26100.6899", "26100.4652"),
}


def roll_back(lab: LabProcess, out: Path, *extra: str, **variables: Any) -> Played:
    return play(lab.inventory, out, *extra, playbook=PLAYBOOK, hotpatch_as_of="2025-12-20", **variables)


def call(core: Any, lab: LabProcess, name: str, **options: Any) -> dict[str, Any]:
    """What a front does: the core with checked options, on one server of the lab."""
    at = lab.servers_data[name]
    params = {key: option.get("default") for key, option in core.SPEC.argument_spec.items()}
    params.update(address=at["address"], port=at["http_port"], scheme="http", transport=["basic"])
    params.update(username=at["user"], password=at["password"], poll_interval=0.2, as_of="2025-12-20", **options)
    result: dict[str, Any] = core.run(Call(params=params, name=name, settings=settings_from_options(params)))
    return result


def offered(lab: LabProcess, name: str) -> list[str]:
    """What the next search of a month offers this server."""
    return [each["kb"] for each in call(updates, lab, name, mode="search")["offered"]]


class Story:
    """One lab: the check, the run, what was true after each, and the run again."""

    def __init__(self, lab: LabProcess, folder: Path) -> None:
        for what in ("drain", "undrain"):
            task = [{"name": what, "ansible.builtin.debug": {"msg": f"{what} of {{{{ inventory_hostname }}}}"}}]
            (folder / f"{what}.yml").write_text(yaml.safe_dump(task), encoding="utf-8")
        variables = {
            "hotpatch_failure_budget": 5,
            "hotpatch_drain_tasks": str(folder / "drain.yml"),
            "hotpatch_undrain_tasks": str(folder / "undrain.yml"),
            "hotpatch_rollback_cves": {"KB5070881": ["CVE-2025-59287"]},
        }
        self.lab = lab
        self.before = lab.states()
        self.check = roll_back(lab, folder / "out", "--check", **variables)
        self.writes_of_check = lab.writes()
        self.run = roll_back(lab, folder / "out", **variables)
        self.after = lab.states()
        self.again = roll_back(lab, folder / "out", **variables)
        self.at_last = lab.states()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("rollback")
    fleet = folder / "fleet.yml"
    fleet.write_text(yaml.safe_dump({"schema": 1, "as_of": "2025-12-20", "servers": SERVERS}), encoding="utf-8")
    with LabProcess(fleet, folder / "lab", scale=1000) as running:
        yield Story(running, folder)


def row(played: Played, name: str) -> str:
    """A server's row in the last table that was shown, its wrapped lines put together."""
    tables = re.findall(r'"msg": \[\n(.*?)\n    \]', played.output, re.S)
    lines = [line.strip().removesuffix(",").strip('"') for line in tables[-1].split("\n")]
    start = next(index for index, line in enumerate(lines) if line.startswith(name))
    rest = takewhile(lambda line: line.startswith(" "), lines[start + 1 :])
    return " ".join([lines[start], *(line.strip() for line in rest)])


def test_the_check_shows_the_whole_plan_and_writes_nothing(story: Story) -> None:
    assert story.check.code == 0, story.check.output
    assert {name: writes for name, writes in story.writes_of_check.items() if writes} == {}
    web, off, gone = (row(story.check, name) for name in ("web01", "off01", "gone01"))
    for words in ("KB5072014", "KB5066835", "hotpatch (behind)", "unknown", "Take the hotpatch KB5072014"):
        assert words in web
    # December's hotpatch holds what October's emergency update brought; the others were not said.
    assert "CVEs that open again: CVE-2025-59287; not known for KB5070893, KB5068966, KB5072014." in web
    assert "CVEs that open again: CVE-2025-59287." in off
    assert "nothing to go back to" in gone
    assert "Restore the server from a backup" in gone
    assert "so which update is the latest cannot be told" in row(story.check, "new01")
    assert "Reading Win32_OperatingSystem on away01" in row(story.check, "away01")


def test_updates_are_taken_off_with_one_restart_each(story: Story) -> None:
    for name, (before, after) in BACK.items():
        assert (story.before[name]["build"], story.after[name]["build"]) == (before, after), story.run.output
        assert len(story.after[name]["restarts"]) == 1
        assert story.after[name]["restart_pending"] is False
        assert "rolled_back" in row(story.run, name)
    assert story.after["web01"]["on_track"] is True
    assert story.after["off01"]["on_track"] is True, "taking the emergency update off brings the server back"
    assert "KB5070881" not in story.after["off01"]["quick_fixes"]


def test_what_was_taken_off_is_not_offered_by_the_next_search(story: Story) -> None:
    assert "KB5072014" not in offered(story.lab, "web01")
    assert "KB5066835" not in offered(story.lab, "base01")
    assert "KB5072014 is hidden." in row(story.run, "web01")


def test_a_permanent_package_leaves_the_server_as_it_was(story: Story) -> None:
    state = story.after["perm01"]
    assert (state["build"], state["restarts"], state["restart_pending"]) == ("26100.7392", [], False)
    assert "drain of perm01" not in story.run.output
    told = row(story.run, "perm01")
    for words in ("refused", "0x800F0825", "13 January 2026 baseline", "checkpoint", "Opt the server out"):
        assert words in told
    requests = story.lab.ask("/record?server=perm01")["requests"]
    commands = [str(each["target"]) for each in requests if each["method"] == "Shell:Command"]
    assert len([line for line in commands if "Remove-Package" in line]) == 1, "a permanent package is never tried again"


def test_where_nothing_is_left_to_go_back_to_nothing_is_tried(story: Story) -> None:
    for name in ("gone01", "new01"):
        assert story.after[name]["restarts"] == []
        assert story.after[name]["writes"] == 0
        assert f"drain of {name}" not in story.run.output


def test_drain_and_undrain_stand_around_each_restart(story: Story) -> None:
    for name in BACK:
        assert story.run.output.index(f'"drain of {name}"') < story.run.output.index(f'"undrain of {name}"')
    assert story.again.output.count("drain of ") == 0


def test_the_exit_code_tells_of_the_server_that_was_not_reached_and_the_table_of_all(story: Story) -> None:
    assert story.run.code == 4
    assert story.run.recap["away01"]["unreachable"] == 1
    assert {name for name, counts in story.run.recap.items() if counts["failed"]} == {"perm01", "gone01", "new01"}


def test_the_second_run_changes_nothing(story: Story) -> None:
    assert story.again.code == 4
    assert [host for host, counts in story.again.recap.items() if counts["changed"]] == []
    for name in story.after:
        assert story.at_last[name]["build"] == story.after[name]["build"]
        assert story.at_last[name]["restarts"] == story.after[name]["restarts"]
    assert "was taken off before" in row(story.again, "web01")
    assert "An earlier attempt showed" in row(story.again, "perm01")


def test_what_is_released_is_offered_again(story: Story) -> None:
    assert call(rollback, story.lab, "web01", phase="release")["changed"] is True
    assert "KB5072014" in offered(story.lab, "web01")
    assert call(rollback, story.lab, "web01", phase="release")["changed"] is False


def test_a_failure_halts_the_waves_that_have_not_begun(start_lab: StartLab, tmp_path: Path) -> None:
    lab = start_lab(
        [
            {"name": "a01", **DECEMBER, "faults": [{"kind": "removal_fails", "hresult": "0x800F0831"}]},
            {"name": "b01", **DECEMBER},
            {"name": "c01", "level": "KB5066835"},
        ],
        scale=1000,
    )
    played = roll_back(lab, tmp_path / "out", hotpatch_rollback_kb="KB5072014")
    assert played.code == 2, played.output
    assert "Component store is damaged" in row(played, "a01")
    assert "skipped" in row(played, "b01") and "Halted" in row(played, "b01")
    assert "KB5072014 is not on the server" in row(played, "c01")
    states = lab.states()
    assert {name: (state["build"], state["restarts"]) for name, state in states.items()} == {
        "a01": ("26100.7392", []),
        "b01": ("26100.7392", []),
        "c01": ("26100.6899", []),
    }
    assert states["b01"]["writes"] == 0


def test_the_last_good_baseline_is_installed_where_what_comes_back_is_older(
    start_lab: StartLab, tmp_path: Path
) -> None:
    # An ordinary update of November over one of September: October's baseline was never there.
    lab = start_lab(
        [{"name": "web01", "level": "KB5068861", "previous_level": "KB5065426"}], as_of="2025-11-20", scale=1000
    )
    played = play(lab.inventory, tmp_path / "out", playbook=PLAYBOOK, hotpatch_as_of="2025-11-20")
    assert played.code == 0, played.output
    state = lab.states()["web01"]
    assert (state["build"], state["on_track"]) == ("26100.6899", True)
    assert [install["kb"] for install in state["installs"]] == ["KB5066835"]
    again = play(lab.inventory, tmp_path / "out", playbook=PLAYBOOK, hotpatch_as_of="2025-11-20")
    assert again.code == 0, again.output
    assert again.recap["web01"]["changed"] == 0
    assert lab.states()["web01"]["build"] == "26100.6899"


def test_a_run_that_was_cut_off_after_the_removal_is_gone_on_with(start_lab: StartLab, tmp_path: Path) -> None:
    """The drain fails the first time; the server is undrained, and the next run restarts and proves."""
    lab = start_lab([{"name": "web01", **DECEMBER, "roles": ["web"]}], scale=1000)
    drain = tmp_path / "drain.yml"
    drain.write_text(yaml.safe_dump([{"name": "Fail", "ansible.builtin.fail": {"msg": "no peer takes the load"}}]))
    undrain = tmp_path / "undrain.yml"
    undrain.write_text(yaml.safe_dump([{"name": "Undrain", "ansible.builtin.debug": {"msg": "undrain it"}}]))
    checks = [{"name": "site", "kind": "service", "service": "W3SVC"}]
    variables = {"hotpatch_undrain_tasks": str(undrain), "hotpatch_health_checks": checks}
    first = roll_back(lab, tmp_path / "out", hotpatch_drain_tasks=str(drain), **variables)
    assert first.code == 2
    assert "no peer takes the load" in row(first, "web01")
    assert "undrain it" in first.output
    state = lab.states()["web01"]
    assert (state["build"], state["restarts"], state["restart_pending"]) == ("26100.7392", [], True)
    second = roll_back(lab, tmp_path / "out", **variables)
    assert second.code == 0, second.output
    state = lab.states()["web01"]
    assert (state["build"], len(state["restarts"]), state["restart_pending"]) == ("26100.6899", 1, False)


def wait_until(lab: LabProcess, name: str, true: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until something is true of a server of the lab."""
    deadline = time.monotonic() + 120
    while not true(lab.ask(f"/servers/{name}")):
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def wait_for_the_workers(command: list[str]) -> None:
    """They are sessions of their own, so that nobody kills them; they end because nobody hears them any longer."""
    deadline = time.monotonic() + 60
    while left := processes_of(command):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def processes_of(command: list[str]) -> list[str]:
    """The processes that run this command, or were forked from it."""
    ours = "\0".join(command[1:]).encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if ours in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


def killed_when(lab: LabProcess, name: str, true: Callable[[dict[str, Any]], bool], command: list[str]) -> None:
    """Start a play, and kill it once something is true of a server."""
    running = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_until(lab, name, true)
        assert running.poll() is None, "the play was over before"
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def test_a_run_that_is_killed_leaves_nothing_drained_that_the_next_does_not_put_back(
    start_lab: StartLab, tmp_path: Path
) -> None:
    """Killed in the restart, after which a service stays away, and again while the server is put back."""
    sick = {"roles": ["web"], "faults": [{"kind": "service_not_started", "name": "W3SVC"}]}
    lab = start_lab([{"name": "web01", **DECEMBER, **sick}, {"name": "web02", **DECEMBER}], scale=100)
    log, out, slow = tmp_path / "log", tmp_path / "out", tmp_path / "slow"
    for word in ("drain", "undrain"):
        task = {
            "name": word,
            "ansible.builtin.shell": f"echo {word} {{{{ inventory_hostname }}}} >> {log}; "
            f"[ {word} = drain ] || while [ -e {slow} ]; do sleep 0.2; done",
            "delegate_to": "localhost",
            "vars": {"ansible_connection": "local"},
        }
        (tmp_path / f"{word}.yml").write_text(yaml.safe_dump([task]), encoding="utf-8")
    variables: dict[str, Any] = {
        "hotpatch_as_of": "2025-12-20",
        "hotpatch_drain_tasks": str(tmp_path / "drain.yml"),
        "hotpatch_undrain_tasks": str(tmp_path / "undrain.yml"),
    }
    short = {**variables, "hotpatch_health_timeout": 3}
    command = command_for(lab.inventory, out, playbook=PLAYBOOK, **short)

    def lines() -> list[str]:
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    killed_when(lab, "web01", lambda state: bool(state["restarts"]), command)
    wait_for_the_workers(command)
    assert lines() == ["drain web01"]
    # The next run begins when the server is up again, whichever of the two was faster.
    wait_until(lab, "web01", lambda state: state["state"] == "running" and state["build"] == "26100.6899")
    slow.touch()
    killed_when(lab, "web02", lambda _state: lines()[-1] == "undrain web01", command)
    slow.unlink()
    wait_for_the_workers(command)
    # Now web01 has nothing to take off any more: only the note tells that it is drained.
    without = roll_back(lab, out, "--limit", "web01")
    assert without.code == 2, without.output
    assert (
        "left drained by an earlier run" in row(without, "web01")
        and "no undrain tasks" in row(without, "web01").lower()
    )
    # What ran before the drain stands in the note, so a service that stayed away since is missed.
    missed = play(lab.inventory, out, "--limit", "web01", playbook=PLAYBOOK, **short)
    assert missed.code == 2
    assert "still is" in row(missed, "web01") and "W3SVC" in row(missed, "web01")
    variables["hotpatch_ignore_services"] = ["W3SVC"]
    last = play(lab.inventory, out, playbook=PLAYBOOK, **variables)
    assert last.code == 0, last.output
    assert "is put back into service" in row(last, "web01")
    assert [line for line in lines() if "web01" in line][-1] == "undrain web01"
    assert [line for line in lines() if "web02" in line] == ["drain web02", "undrain web02"]
    states = lab.states()
    assert [(state["build"], len(state["restarts"])) for state in states.values()] == [("26100.6899", 1)] * 2
    calm = play(lab.inventory, out, playbook=PLAYBOOK, **variables)
    assert "drained" not in row(calm, "web01")
    assert list((out / "drained").iterdir()) == []

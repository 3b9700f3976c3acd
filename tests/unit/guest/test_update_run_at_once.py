# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two calls that start at the same moment on one server: the task takes one start, and the other call must know."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Busy, HotpatchError
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_run import UpdateRunner

from .fake_server import Clock, FakeServer

UPDATES = [{"update_id": "bd3d1fd2-6a1e-4a4a-9a3f-3d1f0e6b7c11", "revision": 200}]
GRACE = 30.0
OTHER = {"run_id": "run-2", "operation": "search", "nonce": "0123456789abcdef"}


def runner(server: FakeServer, clock: Clock) -> UpdateRunner:
    return UpdateRunner(server.connect, "web01", "run-1", clock=clock, sleep=clock.sleep)


def works_for_another(
    looks: int, last_result: int, also: Callable[[FakeServer], None] = lambda _server: None
) -> Callable[[FakeServer], None]:
    """For ``on_start``: the task runs, for another call's start, until it was looked at so often."""

    def start(server: FakeServer) -> None:
        left = looks
        server.last_result = last_result
        also(server)

        def look(machine: FakeServer) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                machine.on_look, machine.task_state = None, 3

        server.on_look = look

    return start


def claims(server: FakeServer) -> None:
    server.put("current.json", OTHER)


def makes_its_folder(server: FakeServer) -> None:
    server.folders.insert(0, "run-2")


def takes_the_same_run_id(server: FakeServer) -> None:
    request = server.document("run-1\\install.request.json")
    server.put("run-1\\install.request.json", request | {"nonce": "0123456789abcdef"})


@pytest.mark.parametrize(
    ("also", "other"), [(claims, "run-2"), (makes_its_folder, "run-2"), (takes_the_same_run_id, "run-1")]
)
@pytest.mark.parametrize("looks", [0, 2])
def test_the_call_that_was_not_taken_names_the_other_at_once(
    also: Callable[[FakeServer], None], other: str, looks: int
) -> None:
    clock = Clock()
    server = FakeServer(on_start=works_for_another(looks, 0, also))
    with pytest.raises(Busy, match=f"run {other} began on the server at the same moment, so install") as caught:
        runner(server, clock).run("install", UPDATES, seconds=600)
    assert caught.value.retryable is True
    assert clock.now - 1000 < GRACE
    assert server.calls.count("StartByPath") == 1


@pytest.mark.parametrize("last_result", [0, 3, 0x41303])
def test_a_task_that_worked_without_fault_and_not_for_us_worked_for_another(last_result: int) -> None:
    clock = Clock()
    server = FakeServer(folders=["run-2"], on_start=works_for_another(2, last_result))
    with pytest.raises(Busy, match="run run-2"):
        runner(server, clock).run("install", UPDATES, seconds=600)
    assert clock.now - 1000 < GRACE


@pytest.mark.parametrize(
    ("looks", "last_result"),
    [
        (2, 1),  # PowerShell ran and refused the script
        (2, 0xC0000022),
        (0, 0),  # it may not have begun yet: the result can be an earlier one
    ],
)
def test_a_script_that_was_kept_from_running_is_not_taken_for_another_call(looks: int, last_result: int) -> None:
    clock = Clock()
    server = FakeServer(folders=["run-2"], on_start=works_for_another(looks, last_result))
    with pytest.raises(HotpatchError, match="its script never began") as caught:
        runner(server, clock).run("install", UPDATES, seconds=600)
    assert (caught.value.code, caught.value.retryable) == ("script_did_not_run", True)
    assert clock.now - 1000 >= GRACE


@pytest.mark.parametrize("last_result", [0, 3])
def test_attaching_to_a_call_that_was_not_taken_ends_with_the_work(last_result: int) -> None:
    """The files name the last one that claimed the task; what ran was another's and cannot be told."""
    clock = Clock()
    server = FakeServer(task_xml="<Task/>", task_state=4)
    claims(server)
    works_for_another(3, last_result)(server)
    assert runner(server, clock).attach(seconds=600) is None
    assert server.task_state == 3


def test_of_three_the_last_result_names_who_ran() -> None:
    """A script that runs writes who it is, and again when it ends: a later claim of a call that got nothing is gone."""

    def ran_for_another(server: FakeServer) -> None:
        server.put("current.json", OTHER)
        server.folders[:] = ["run-1", "run-3", "run-2"]
        server.task_state = 3

    clock = Clock()
    server = FakeServer(folders=["run-1", "run-3", "run-2"], on_start=ran_for_another)
    with pytest.raises(Busy, match="run run-2 began"):
        runner(server, clock).run("install", UPDATES, seconds=600)
    assert clock.now - 1000 < GRACE

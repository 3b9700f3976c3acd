# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry_content import SERVICING

from .rehearsal import Rehearsal


def stages(server: Rehearsal, seconds: float) -> list[tuple[str, str, int]]:
    """Each change of power state, port and boot counter."""
    found: list[tuple[str, str, int]] = []
    machine = server.machine
    for _passed in server.wait(seconds, 0.5):
        now = (machine.power.state, machine.network, machine.boot_id)
        if not found or found[-1] != now:
            found.append(now)
    return found


def test_an_ordinary_restart() -> None:
    server = Rehearsal()
    before = server.machine.boot_time
    server.run("shutdown /r /t 5")
    assert stages(server, 200) == [
        ("running", "open", 1),
        ("stopping", "open", 1),
        ("off", "closed", 1),
        ("booting", "closed", 2),
        ("running", "open", 2),
    ]
    assert server.machine.boot_time > before
    assert server.machine.boot_time.microsecond == 500000


def test_a_cumulative_update_answers_between_two_boots() -> None:
    server = Rehearsal(level="KB5065474")
    server.install("KB5066835")
    server.run("shutdown /r /t 0")
    seen = stages(server, 400)
    assert ("running", "open", 2) in seen
    assert seen[-1] == ("running", "open", 3)


def test_the_build_and_the_marker_come_late() -> None:
    server = Rehearsal(level="KB5065474")
    server.install("KB5066835")
    server.run("shutdown /r /t 0")
    registry = server.machine.registry
    answered_old = marker_after_build = False
    for _passed in server.wait(400):
        if server.machine.boot_id < 3 or server.machine.network != "open":
            continue
        marker = registry.find(SERVICING + r"\PackagesPending") is not None
        answered_old |= server.machine.updates.ubr == 6508
        marker_after_build |= server.machine.updates.ubr == 6899 and marker
    assert answered_old
    assert marker_after_build
    assert registry.find(SERVICING + r"\PackagesPending") is None


def test_one_restart_is_enough_when_the_fleet_says_so() -> None:
    server = Rehearsal(level="KB5065474", second_restart=False)
    server.install("KB5066835")
    server.restart()
    assert (server.machine.boot_id, server.machine.updates.ubr) == (2, 6899)


def test_services_stop_and_come_back_the_delayed_ones_later() -> None:
    server = Rehearsal(roles=["sql"])
    services = server.machine.services
    server.run("shutdown /r /t 0")
    states: set[tuple[str, str]] = set()
    for _passed in server.wait(300):
        main, agent = services.find("MSSQLSERVER"), services.find("SQLSERVERAGENT")
        assert main is not None
        assert agent is not None
        states.add((main.state, agent.state))
    assert states == {("Running", "Running"), ("Stopped", "Stopped"), ("Running", "Stopped")}


def test_running_commands_and_tasks_end_with_the_server() -> None:
    server = Rehearsal()
    server.start_operation("search")
    process = server.machine.start_process(
        "ping -n 1000 127.0.0.1",
        through_cmd=True,
        stdin_console=False,
        codepage=437,
        user="Administrator",
        environment={},
        directory=None,
    )
    server.let_pass(10)
    server.restart(100)
    assert process.exit_code == 1223
    assert (server.task_state(), server.last_result()) == (3, 0x41306)


def test_a_pending_restart_is_gone_afterwards() -> None:
    server = Rehearsal(restart_pending=["component_based_servicing", "windows_update", "packages_pending"])
    assert server.machine.updates.restart_required
    server.restart(300)
    assert not server.machine.updates.restart_required
    assert server.machine.registry.find(SERVICING + r"\PackagesPending") is None


def test_vbs_that_was_asked_for_runs_after_a_restart() -> None:
    key = r"HKLM\SYSTEM\CurrentControlSet\Control\DeviceGuard"
    line = f"reg add {key} /v EnableVirtualizationBasedSecurity /t REG_DWORD /d 1"
    able = Rehearsal(vbs=0)
    # Secure Boot alone is no obstacle unless it is required; virtualization always is.
    unable = Rehearsal(vbs=0, virtualization=False)
    for server in (able, unable):
        assert server.run(line).code == 0
        assert server.machine.vbs == 0
        server.restart(300)
    assert (able.machine.vbs, unable.machine.vbs) == (2, 1)


def test_never_returns() -> None:
    server = Rehearsal(faults=[{"kind": "never_returns"}])
    server.restart(7200)
    assert (server.machine.power.state, server.machine.network) == ("lost", "closed")


def test_servicing_rolls_back() -> None:
    server = Rehearsal(level="KB5065474", faults=[{"kind": "wrong_build_after_restart"}])
    server.install("KB5066835")
    server.restart()
    assert (server.machine.updates.ubr, server.machine.updates.restart_required) == (6508, False)


def test_a_service_stays_down() -> None:
    server = Rehearsal(roles=["web"], faults=[{"kind": "service_not_started", "name": "W3SVC"}])
    server.restart(400)
    service = server.machine.services.find("w3svc")
    assert service is not None
    assert service.state == "Stopped"


def test_a_policy_restarts_by_itself() -> None:
    server = Rehearsal(level="KB5065474", faults=[{"kind": "always_auto_reboot"}])
    server.install("KB5066835")
    server.let_pass(2000)
    assert server.machine.journal.restarts[0].by == "policy"


@pytest.mark.parametrize(("fault", "state"), [("winrm_flaps", "reset"), ("network", "garbage")])
def test_the_network_is_wrong_for_a_while(fault: str, state: str) -> None:
    keys: dict[str, Any] = {"kind": fault, "after": 10, "seconds": 20}
    if fault == "network":
        keys["state"] = state
    server = Rehearsal(faults=[keys])
    assert server.machine.network == "open"
    server.let_pass(15)
    assert server.machine.network == state
    server.let_pass(20)
    assert server.machine.network == "open"


def test_two_fast_boots_never_share_a_time() -> None:
    server = Rehearsal()
    server.machine.timeline.scale = 1000.0
    server.restart(2)
    first = server.machine.boot_time
    server.restart(2)
    assert server.machine.boot_time > first

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restart is done when it is proven."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AuthenticationFailed,
    Fault,
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.restart import (
    RestartNotProven,
    RestartOptions,
    restart,
)

from .fake_server import Answer, Clock, FakeClient, FakeServer

EPOCH = datetime(2026, 5, 12, 10, 0, 0, tzinfo=UTC)


class Machine:
    """A server that goes down and comes up on the test's clock.

    :param plan: (seconds after the request, event): ``down``, ``up``, ``quiet`` (servicing over), ``services``.
    """

    def __init__(self, clock: Clock, plan: list[tuple[float, str]], exit_code: int = 0) -> None:
        self.clock = clock
        self.plan = plan
        self.exit_code = exit_code
        self.asked_at: float | None = None
        self.asked = 0
        self.lose_answer = False
        self.carry_out = True
        self.booted = EPOCH - timedelta(days=20)
        self.clock_step = timedelta(0)
        self.up = True
        self.markers = {"Packages"}
        self.worker = False
        self.services = ["W32Time", "WinRM", "himds", "sppsvc"]
        self.names = ("WEB01", "WEB01")
        self.update_pending = False
        self.server = FakeServer(on_command=self.command, invocations=self.invoke)

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.clock() - 1000.0) + self.clock_step

    def advance(self) -> None:
        while self.asked_at is not None and self.plan and self.clock() >= self.asked_at + self.plan[0][0]:
            when, event = self.plan.pop(0)
            if event == "down":
                self.up = False
            elif event == "up":
                self.up = True
                self.booted = EPOCH + timedelta(seconds=self.asked_at + when - 1000.0) + self.clock_step
                self.markers, self.worker, self.services = {"Packages", "PackagesPending"}, True, ["WinRM"]
                self.update_pending = False
            elif event == "quiet":
                self.markers, self.worker = {"Packages"}, False
            elif event == "services":
                self.services = ["W32Time", "WinRM", "himds"]
            elif event == "step clock":
                self.clock_step += timedelta(minutes=7)
                self.booted += timedelta(minutes=7)

    def connect(self) -> FakeClient:
        self.advance()
        self.server.rows = {
            "Win32_OperatingSystem": [
                {"LastBootUpTime": self.booted.isoformat(), "LocalDateTime": self.now().isoformat()}
            ],
            "Win32_Service": [{"Name": name} for name in self.services],
            "Win32_Process": [{"ProcessId": "4711"}] if self.worker else [],
        }
        if not self.up:
            down = Unreachable("web01: connection refused.")
            self.server.rows = dict.fromkeys(self.server.rows, down)
        return self.server.connect()

    def invoke(self, method: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        if not self.up:
            raise Unreachable("web01: connection refused.")
        assert params["hDefKey"] == 2147483650
        key = str(params["sSubKeyName"])
        if method == "EnumKey" and key.endswith("Component Based Servicing"):
            return {"ReturnValue": "0", "sNames": sorted(self.markers)}
        if method == "EnumKey":
            return {"ReturnValue": "0", "sNames": ["RebootRequired"] if self.update_pending else []}
        return {"ReturnValue": "0", "sValue": self.names[0 if key.endswith("ActiveComputerName") else 1]}

    def command(self, _server: FakeServer, line: str) -> Answer | None:
        assert line.startswith("shutdown.exe /r /t 5 /d p:2:17 /c ")
        if not self.up:
            raise Unreachable("web01: connection refused.")
        self.asked += 1
        if self.carry_out and self.exit_code in (0, 1190) and self.asked_at is None:
            self.asked_at = self.clock()
        if self.lose_answer:
            self.lose_answer = False
            self.carry_out = True
            raise OutcomeUnknown("web01: the answer was lost.")
        return Answer(self.exit_code, b"")

    def restart(self, **options: Any) -> dict[str, Any]:
        self.said: list[str] = []
        return restart(
            self.connect,
            "web01",
            RestartOptions(**options),
            clock=self.clock,
            sleep=self.clock.sleep,
            progress=self.said.append,
        )


USUAL = [(8.0, "down"), (60.0, "up"), (160.0, "quiet"), (200.0, "services")]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_restart(clock: Clock) -> None:
    machine = Machine(clock, list(USUAL))
    result = machine.restart()
    assert result["restarted"] is True and result["boots"] == 1
    assert result["boot_time_before"] == "2026-04-22T10:00:00Z"
    assert result["boot_time_after"] == "2026-05-12T10:01:00Z"
    assert [stage["name"] for stage in result["stages"]] == ["record", "ask", "shutdown", "boot", "settle", "services"]
    assert all(stage["seconds"] >= 0 for stage in result["stages"])
    assert result["services_missing"] == []
    assert result["pending_before"]["pending"] is False and result["pending_after"]["pending"] is False
    assert machine.asked == 1
    assert "servicing is not over: PackagesPending is set, TiWorker.exe is running" in machine.said
    assert len(machine.said) == len(dict.fromkeys(machine.said))


def test_each_probe_has_a_client_of_its_own_and_closes_it(clock: Clock) -> None:
    machine = Machine(clock, list(USUAL))
    machine.restart()
    assert machine.server.clients == machine.server.calls.count("close") > 20


def test_an_answer_with_the_old_boot_time_is_no_restart(clock: Clock) -> None:
    machine = Machine(clock, [])
    with pytest.raises(RestartNotProven, match=r"stage boot.*still answers with the boot time 2026-04-22") as caught:
        machine.restart(boot_seconds=300)
    assert caught.value.details["stage"] == "boot" and caught.value.details["restarted"] is False
    assert caught.value.changed is True
    assert machine.asked == 1


def test_a_clock_that_is_set_is_no_restart(clock: Clock) -> None:
    machine = Machine(clock, [(10.0, "step clock")])
    with pytest.raises(RestartNotProven, match="stage boot"):
        machine.restart(boot_seconds=300)


def test_a_server_that_stays_down(clock: Clock) -> None:
    machine = Machine(clock, [(8.0, "down")])
    began = clock()
    with pytest.raises(RestartNotProven, match="connection refused"):
        machine.restart(boot_seconds=300)
    assert 300 <= clock() - began <= 310


def test_the_second_restart_of_an_update_is_seen(clock: Clock) -> None:
    plan = [(8.0, "down"), (60.0, "up"), (82.0, "down"), (95.0, "up"), (200.0, "quiet"), (230.0, "services")]
    result = Machine(clock, plan).restart()
    assert result["boots"] == 2 and result["boot_time_after"] == "2026-05-12T10:01:35Z"


def test_a_second_restart_between_two_looks_is_seen(clock: Clock) -> None:
    plan = [
        (8.0, "down"),
        (60.0, "up"),
        (61.0, "quiet"),
        (71.0, "down"),
        (72.0, "up"),
        (90.0, "quiet"),
        (95.0, "services"),
    ]
    result = Machine(clock, plan).restart(settle_interval=30)
    assert result["boots"] == 2


def test_servicing_that_does_not_end(clock: Clock) -> None:
    machine = Machine(clock, [(8.0, "down"), (60.0, "up"), (70.0, "services")])
    with pytest.raises(
        RestartNotProven, match=r"stage settle.*PackagesPending is set, TiWorker.exe is running"
    ) as caught:
        machine.restart(settle_seconds=120)
    assert caught.value.details["restarted"] is True
    assert caught.value.details["boot_time_after"] == "2026-05-12T10:01:00Z"


def test_servicing_that_cannot_be_read_is_not_over(clock: Clock) -> None:
    machine = Machine(clock, list(USUAL))
    usual = machine.server.invocations
    assert usual is not None

    def denied(method: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        return {"ReturnValue": "5"} if "Component" in str(params["sSubKeyName"]) else usual(method, params)

    machine.server.invocations = denied
    with pytest.raises(RestartNotProven, match="RebootPending could not be read"):
        machine.restart(settle_seconds=120)


def test_a_service_that_stays_away(clock: Clock) -> None:
    plan = [(8.0, "down"), (60.0, "up"), (70.0, "quiet")]
    with pytest.raises(RestartNotProven, match=r"stage services.*W32Time, himds") as caught:
        Machine(Clock(), list(plan)).restart(services_seconds=60)
    assert caught.value.details["services_missing"] == ["W32Time", "himds"]
    result = Machine(clock, list(plan)).restart(services_seconds=60, require_services=False)
    assert result["restarted"] is True and result["services_missing"] == ["W32Time", "himds"]
    assert result["pending_after"]["pending"] is False
    result = Machine(Clock(), list(plan)).restart(services_seconds=60, ignore_services=("w32*", "HIMDS"))
    assert result["services_missing"] == []


@pytest.mark.parametrize("exit_code", [1190])
def test_a_restart_that_was_scheduled_before_is_taken_as_under_way(clock: Clock, exit_code: int) -> None:
    machine = Machine(clock, list(USUAL), exit_code)
    assert machine.restart()["restarted"] is True and machine.asked == 1


def test_a_refused_request(clock: Clock) -> None:
    with pytest.raises(RestartNotProven, match=r"stage ask: shutdown.exe ended with 5") as caught:
        Machine(clock, [], 5).restart()
    assert caught.value.changed is False and "right to shut" in (caught.value.hint or "")


def test_a_lost_answer_is_resolved_by_the_boot_time(clock: Clock) -> None:
    machine = Machine(clock, list(USUAL))
    machine.lose_answer = True
    assert machine.restart()["restarted"] is True
    assert machine.asked == 1


def test_a_lost_request_is_repeated_only_after_the_grace(clock: Clock) -> None:
    machine = Machine(clock, list(USUAL))
    machine.lose_answer, machine.carry_out = True, False
    began = clock()
    assert machine.restart()["restarted"] is True
    assert machine.asked == 2
    assert machine.asked_at is not None and machine.asked_at - began >= 125


def test_a_server_that_is_going_down_already(clock: Clock) -> None:
    machine = Machine(clock, list(USUAL))
    usual = machine.server.on_command
    assert usual is not None

    def going(server: FakeServer, line: str) -> Answer | None:
        usual(server, line)
        raise Fault("The server is shutting down.", code="0x8007045B")

    machine.server.on_command = going
    assert machine.restart()["restarted"] is True


@pytest.mark.parametrize("error", [AuthenticationFailed("no"), Fault("denied", code="5"), Unreachable("gone")])
def test_trouble_before_the_request_goes_up_and_nothing_is_asked(clock: Clock, error: HotpatchError) -> None:
    machine = Machine(clock, [])

    def trouble(_method: str, _params: object) -> dict[str, Any] | None:
        raise error

    machine.server.invocations = trouble
    with pytest.raises(type(error)):
        machine.restart()
    assert machine.asked == 0


def test_only_if_pending(clock: Clock) -> None:
    machine = Machine(clock, list(USUAL))
    result = machine.restart(only_if_pending=True)
    assert result["restarted"] is False and result["would_restart"] is False
    assert result["why"] == "No restart is pending." and machine.asked == 0
    machine.names = ("", "")
    result = machine.restart(only_if_pending=True)
    assert result["restarted"] is False and "could not be read" in result["why"]
    machine.update_pending = True
    result = machine.restart(only_if_pending=True)
    assert result["restarted"] is True and result["pending_before"]["sources"]["windows_update"] is True


def test_skip_if_booted_since(clock: Clock) -> None:
    machine = Machine(clock, list(USUAL))
    result = machine.restart(skip_if_booted_since="2026-04-22T08:00:00+02:00")
    assert result["restarted"] is False and "booted at 2026-04-22T10:00:00Z" in result["why"]
    assert machine.asked == 0
    assert machine.restart(skip_if_booted_since="2026-04-22T10:00:01Z")["restarted"] is True


def test_check_mode_asks_nothing(clock: Clock) -> None:
    machine = Machine(clock, [])
    result = restart(machine.connect, "web01", RestartOptions(), clock=clock, sleep=clock.sleep, check_mode=True)
    assert result["would_restart"] is True and result["restarted"] is False
    assert machine.asked == 0 and machine.server.command_lines == []


def test_the_time_for_all_of_it_bounds_each_stage(clock: Clock) -> None:
    machine = Machine(clock, [(8.0, "down"), (60.0, "up")])
    began = clock()
    with pytest.raises(RestartNotProven):
        machine.restart(seconds=100)
    assert clock() - began <= 101


@pytest.mark.parametrize(
    "options",
    [
        {"delay": 0},
        {"delay": 4000},
        {"message": ""},
        {"message": "x" * 501},
        {"message": "b\u00f6se"},
        {"settle_probes": 0},
        {"probe_interval": 0},
        {"skip_if_booted_since": "yesterday"},
        {"skip_if_booted_since": "2026-04-22T10:00:01"},
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        RestartOptions(**options)

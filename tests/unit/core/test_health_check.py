# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""health_check against a server that is a script on the test's clock: what passes, what never does, what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.winops.hotpatch.plugins.module_utils._core import health_check
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadAnswer,
    CertificateNotTrusted,
    HotpatchError,
    InvalidInput,
    Unhealthy,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest import health
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.health import Look
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import Answer as Verdict
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings
from tests.unit.guest.fake_server import Answer, Clock, FakeClient, FakeServer

EPOCH = datetime(2026, 7, 14, 22, 0, tzinfo=UTC)
BOOTED = EPOCH - timedelta(days=20)

#: name: (state, start mode)
SERVICES = {
    "W3SVC": ("Running", "Auto"),
    "WAS": ("Running", "Manual"),
    "W32Time": ("Running", "Auto"),
    "wuauserv": ("Running", "Auto"),
    "edgeupdate": ("Running", "Auto"),
    "Spooler": ("Stopped", "Auto"),
    "Fax": ("Stopped", "Disabled"),
}


class Machine:
    """A server whose services and mood a test changes at moments of its clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.services = dict(SERVICES)
        self.booted = BOOTED
        self.trouble: HotpatchError | None = None
        self.plan: list[tuple[float, Callable[[], None]]] = []
        self.commands: list[str] = []
        self.answer: Callable[[], Answer] = lambda: Answer(0, b"fine\r\n")
        self.server = FakeServer(on_command=self.command)

    def connect(self, _settings: Settings, **_more: Any) -> FakeClient:
        self.clock.now += 0.1  # what one look costs
        while self.plan and self.clock() - 1000.0 >= self.plan[0][0]:
            self.plan.pop(0)[1]()
        now = EPOCH + timedelta(seconds=self.clock() - 1000.0)
        rows: dict[str, Any] = {
            "Win32_OperatingSystem": [{"LastBootUpTime": self.booted.isoformat(), "LocalDateTime": now.isoformat()}],
            "Win32_Service": [
                {"Name": name, "State": state, "StartMode": mode} for name, (state, mode) in self.services.items()
            ],
        }
        self.server.rows = rows if self.trouble is None else dict.fromkeys(rows, self.trouble)
        return self.server.connect()

    def command(self, _server: FakeServer, line: str) -> Answer:
        self.commands.append(line)
        self.clock.now += 0.5
        return self.answer()

    def run(self, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        checked = ArgumentSpecValidator(health_check.SPEC.argument_spec).validate(options)
        assert not checked.error_messages, checked.error_messages
        self.said: list[str] = []
        return health_check.run(
            Call(
                params=checked.validated_parameters,
                name="web01",
                settings=Settings(name="web01", address="192.0.2.7", username="admin", password="x"),
                check_mode=check_mode,
                progress=self.said.append,
                now=lambda: EPOCH,
                sleep=self.clock.sleep,
                monotonic=self.clock,
                client_class=self.connect,  # type: ignore[arg-type]
            )
        )

    def fails(self, kind: type[HotpatchError], **options: Any) -> HotpatchError:
        with pytest.raises(kind) as caught:
            self.run(**options)
        assert caught.type is kind
        assert caught.value.changed is False
        return caught.value

    def record(self, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.run(mode="record", **options)["record"]
        self.clock.now, self.clock.sleeps = 1000.0, []
        return found

    def state(self, name: str, state: str) -> None:
        self.services[name] = (state, self.services[name][1])


@pytest.fixture
def machine() -> Machine:
    return Machine()


COMMAND = {"kind": "command", "name": "app", "program": "check.exe"}


# ---- recording


def test_a_record_holds_what_is_to_run_again(machine: Machine) -> None:
    result = machine.run(mode="record")
    assert result["changed"] is False and result["passed"] == "yes"
    assert result["record"] == {
        "version": 1,
        "server": "web01",
        "taken": "2026-07-14T22:00:00Z",
        "boot_time": "2026-06-24T22:00:00Z",
        "services": ["W32Time", "W3SVC"],
        "services_not_running": [],
        "checks": [],
    }
    assert json.loads(json.dumps(result)) == result
    assert machine.server.clients == 1 and machine.clock.sleeps == []


@pytest.mark.parametrize(
    ("options", "running", "stopped"),
    [
        ({"services": ["was", "Spooler", "gone"]}, ["W32Time", "W3SVC", "WAS"], ["gone", "Spooler"]),
        ({"services": ["wuauserv"]}, ["W32Time", "W3SVC", "wuauserv"], []),  # named, although it stops by itself
        ({"automatic_services": False, "services": ["WAS"]}, ["WAS"], []),
        ({"automatic_services": False}, [], []),
        ({"ignore_services": ["w3s*"]}, ["W32Time"], []),
        ({"ignore_services": ["w3s*"], "services": ["W3SVC"]}, ["W32Time", "W3SVC"], []),
    ],
)
def test_which_services_are_recorded(
    machine: Machine, options: dict[str, Any], running: list[str], stopped: list[str]
) -> None:
    record = machine.record(**options)
    assert (record["services"], record["services_not_running"]) == (running, stopped)


def test_checks_are_measured_for_the_record_and_their_failure_is_only_told(machine: Machine) -> None:
    machine.answer = lambda: Answer(3, b"", b"no disk\r\n")
    result = machine.run(mode="record", checks=[COMMAND], attempts=4)
    assert result["passed"] == "no"
    (check,) = result["checks"]
    assert (check["attempts"], check["seconds"]) == (4, 0.5)  # a server that is up is not waited for
    assert check["words"] == "check.exe ended with 3: no disk"
    assert result["record"]["checks"] == [{"name": "app", "kind": "command", "passed": "no", "seconds": 0.5}]


def test_a_server_that_cannot_be_read_is_not_recorded(machine: Machine) -> None:
    machine.trouble = Unreachable("web01: connection refused.")
    machine.fails(Unreachable, mode="record")
    assert machine.server.clients == 1


# ---- proving


def test_it_waits_until_everything_that_ran_runs_again(machine: Machine) -> None:
    before = machine.record()
    machine.booted = EPOCH
    machine.state("W3SVC", "Stopped")
    machine.state("W32Time", "Start Pending")
    machine.plan = [
        (20.0, lambda: machine.state("W32Time", "Running")),
        (60.0, lambda: machine.state("W3SVC", "Running")),
    ]
    result = machine.run(before=before)
    assert (result["passed"], result["restarted"], result["services_missing"]) == ("yes", True, [])
    (services,) = result["checks"]
    assert (services["kind"], services["words"]) == ("services", "all 2 run again")
    assert 70 <= machine.clock() - 1000.0 <= 75  # and three good looks
    assert machine.said == ["waiting for services"]


def test_a_service_that_stays_away_is_named_at_the_deadline(machine: Machine) -> None:
    before = machine.record()
    machine.state("W3SVC", "Stopped")
    error = machine.fails(Unhealthy, before=before, timeout=120)
    assert "these services do not run: W3SVC" in error.message
    assert error.code == "unhealthy" and error.hint
    assert error.details["services_missing"] == ["W3SVC"] and error.details["passed"] == "no"
    assert "changed" not in error.details
    assert 120 <= machine.clock() - 1000.0 <= 126
    assert machine.run(before=before, ignore_services=["W3SVC"])["passed"] == "yes"


def test_winrm_that_answers_before_it_goes_down_again_proves_nothing(machine: Machine) -> None:
    """The second restart of an update: the looks before it are void."""
    before = machine.record()

    def boot() -> None:
        machine.booted = EPOCH + timedelta(seconds=8)
        machine.state("W3SVC", "Stopped")

    machine.plan = [(8.0, boot), (30.0, lambda: machine.state("W3SVC", "Running"))]
    result = machine.run(before=before, checks=[COMMAND])
    assert any("booted again" in line for line in machine.said)
    assert {check["name"]: check["attempts"] for check in result["checks"]}["app"] == 3  # asked anew after the boot
    assert len(machine.commands) > 3
    assert machine.clock() - 1000.0 > 40


def test_a_clock_that_is_set_is_no_boot(machine: Machine) -> None:
    before = machine.record()
    machine.plan = [(5.0, lambda: setattr(machine, "booted", BOOTED - timedelta(minutes=7)))]
    assert machine.run(before=before)["passed"] == "yes"
    assert not any("booted" in line for line in machine.said)


def test_a_server_that_never_answers_is_unreachable_at_the_deadline_and_not_before(machine: Machine) -> None:
    before = machine.record()
    machine.trouble = Unreachable("web01: connection refused.")
    error = machine.fails(Unreachable, before=before, timeout=300)
    assert "connection refused" in error.message
    assert error.details["passed"] == "unknown"
    assert 300 <= machine.clock() - 1000.0 <= 306
    assert error.details["checks"][0]["passed"] == "unknown"


def test_a_server_that_answers_nonsense_is_not_proven_either(machine: Machine) -> None:
    before = machine.record()
    machine.trouble = BadAnswer("web01: the answer cannot be read.")
    assert "cannot be read" in machine.fails(Unhealthy, before=before, timeout=30).message


def test_a_short_silence_is_outlasted(machine: Machine) -> None:
    before = machine.record()
    machine.trouble = Unreachable("web01: connection refused.")
    machine.plan = [(40.0, lambda: setattr(machine, "trouble", None))]
    assert machine.run(before=before)["passed"] == "yes"


def test_a_refused_account_is_tried_three_times_and_no_more(machine: Machine) -> None:
    """A domain controller may refuse while it starts; many wrong logins may lock an account."""
    before = machine.record()
    machine.server.clients = 0
    machine.trouble = AuthenticationFailed("web01: the server refused the account.")
    machine.fails(AuthenticationFailed, before=before)
    assert machine.server.clients == 3
    machine.clock.now = 1000.0
    machine.plan = [(7.0, lambda: setattr(machine, "trouble", None))]
    assert machine.run(before=before)["passed"] == "yes"


def test_what_no_waiting_can_change_is_said_at_once(machine: Machine) -> None:
    before = machine.record()
    machine.trouble = CertificateNotTrusted("web01: the certificate is not trusted.")
    machine.server.clients = 0
    machine.fails(CertificateNotTrusted, before=before)
    assert machine.server.clients == 1


def test_every_client_is_closed(machine: Machine) -> None:
    before = machine.record()
    machine.run(before=before, checks=[COMMAND])
    machine.trouble = Unreachable("gone.")
    machine.fails(Unreachable, before=before, timeout=20)
    assert machine.server.calls.count("close") == machine.server.clients


# ---- checks


def test_a_command_finds_no_input_and_its_code_and_text_count(machine: Machine) -> None:
    check = {
        "kind": "command",
        "program": r"C:\Program Files\App\check.exe",
        "arguments": ["--all", "a b & c"],
        "exit_codes": [0, -1],
        "contains": "fine",
    }
    assert machine.run(checks=[check])["passed"] == "yes"
    # The fake shell is given the arguments bare; the real one quotes each (see test_quoting).
    assert machine.commands[0] == r"cd .& <nul C:\Program Files\App\check.exe --all a b & c"
    machine.answer = lambda: Answer(4294967295, b"fine")
    assert machine.run(checks=[check])["passed"] == "yes"
    machine.answer = lambda: Answer(0, b"something else")
    assert "without the text" in machine.fails(Unhealthy, checks=[check], timeout=5).message


def test_a_slow_command_is_no_and_one_that_does_not_end_is_unknown(machine: Machine) -> None:
    error = machine.fails(Unhealthy, checks=[{**COMMAND, "max_seconds": 0.4}], timeout=5)
    assert "0.50 s where 0.4 s are allowed" in error.message and error.details["passed"] == "no"

    def late() -> Answer:
        raise AnswerTimeout("A command on web01 did not end within 10 s and was stopped.")

    machine.answer = late
    error = machine.fails(Unhealthy, checks=[COMMAND], timeout=5)
    assert error.details["passed"] == "unknown" and "did not end" in error.message


def test_a_command_is_compared_with_its_time_in_the_record(machine: Machine) -> None:
    before = machine.record(checks=[COMMAND])
    assert machine.run(before=before, checks=[{**COMMAND, "max_slowdown": 1.5}])["passed"] == "yes"

    def slowly() -> Answer:
        machine.clock.now += 1.0
        return Answer(0, b"")

    machine.answer = slowly
    error = machine.fails(Unhealthy, before=before, checks=[{**COMMAND, "max_slowdown": 1.5}], timeout=9)
    assert "more than 1.5 times" in error.message
    detail = error.details["checks"][1]
    assert (detail["seconds_before"], detail["seconds"]) == (0.5, 1.5)
    renamed = {**COMMAND, "name": "other", "max_slowdown": 1.5}
    assert machine.fails(Unhealthy, before=before, checks=[renamed], timeout=9).details["passed"] == "unknown"


def test_a_command_is_not_run_in_check_mode_and_not_counted(machine: Machine) -> None:
    before = machine.record()
    result = machine.run(check_mode=True, before=before, checks=[COMMAND], delay=60)
    assert (result["passed"], machine.commands) == ("yes", [])
    assert result["checks"][-1]["words"] == "A command is not run in check mode."
    assert result["checks"][-1]["passed"] == "unknown"
    assert 60 not in machine.clock.sleeps


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        ({"service": "w3svc"}, "yes"),
        ({"service": "Spooler"}, "no"),
        ({"service": "Spooler", "state": "stopped"}, "yes"),
        ({"service": "W3SVC", "state": "stopped"}, "no"),
        ({"service": "Fax", "state": "any", "start_mode": "disabled"}, "yes"),
        ({"service": "W3SVC", "start_mode": "manual"}, "no"),
        ({"service": "gone", "state": "stopped"}, "no"),
    ],
)
def test_a_service_check(machine: Machine, check: dict[str, Any], passed: str) -> None:
    checks = [{"kind": "service", **check}]
    if passed == "yes":
        assert machine.run(checks=checks)["passed"] == "yes"
    else:
        assert machine.fails(Unhealthy, checks=checks, timeout=9).details["passed"] == passed


# ---- the network's side, replaced


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Every look at a port or page, whose answer is yes unless a test says otherwise."""
    seen: list[tuple[Any, ...]] = []

    def look(*args: Any) -> Look:
        seen.append(args)
        return Look(Verdict.YES, "fine", 0.01)

    monkeypatch.setattr(health, "look_at_port", look)
    monkeypatch.setattr(health, "look_at_page", look)
    return seen


def test_ports_and_pages_need_no_word_with_the_server(machine: Machine, looks: list[tuple[Any, ...]]) -> None:
    checks = [{"kind": "tcp", "port": 443}, {"kind": "http", "url": "https://web01.example.com/health?key=1"}]
    result = machine.run(checks=checks)
    assert machine.server.clients == 0
    assert (result["boot_time"], result["restarted"]) == (None, None)
    assert [check["name"] for check in result["checks"]] == [
        "tcp 192.0.2.7:443",
        "http https://web01.example.com/health",
    ]
    assert len(looks) == 6
    assert looks[0][:2] == ("192.0.2.7", 443)
    assert looks[0][2] == 10


def test_noise_does_not_halt_and_a_lucky_answer_does_not_pass(machine: Machine, monkeypatch: Any) -> None:
    answers: list[str] = []

    def look(*_args: Any) -> Look:
        mark = answers.pop(0) if answers else "n"
        return Look(Verdict.YES if mark == "y" else Verdict.NO, f"said {mark}", 0.01)

    monkeypatch.setattr(health, "look_at_port", look)
    checks = [{"kind": "tcp", "port": 443}]
    answers[:] = "nnyynyyy"
    assert machine.run(checks=checks)["passed"] == "yes"
    answers[:] = "nnyn"
    began = machine.clock()
    error = machine.fails(Unhealthy, checks=checks, attempts=5, timeout=3600)
    assert error.details["checks"][0]["attempts"] == 7  # five from the first good one, and then no further look
    assert machine.clock() - began < 60


def test_all_looks_together_obey_one_deadline(machine: Machine, monkeypatch: Any) -> None:
    given: list[float] = []

    def slow(_host: str, _port: int, seconds: float, _clock: Any) -> Look:
        given.append(seconds)
        machine.clock.now += seconds
        return Look(Verdict.NO, "silent")

    monkeypatch.setattr(health, "look_at_port", slow)
    checks = [{"kind": "tcp", "port": port, "timeout": 20} for port in (1, 2, 3, 4)]
    machine.fails(Unhealthy, checks=checks, timeout=30)
    assert machine.clock() - 1000.0 <= 32
    assert given == [20, 10, 0.5, 0.5]  # each has its one look, however late


def test_a_delay_comes_before_the_first_look(machine: Machine, looks: list[tuple[Any, ...]]) -> None:
    machine.run(checks=[{"kind": "tcp", "port": 443}], delay=300)
    assert machine.clock.sleeps[0] == 300


# ---- what cannot be meant


def tcp(**more: Any) -> Mapping[str, Any]:
    return {"kind": "tcp", "port": 443, **more}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nothing to prove"),
        ({"mode": "record", "before": {}}, "goes with mode prove"),
        ({"before": {"version": 9}}, "no record"),
        ({"services": ["x"], "checks": [tcp()]}, "goes with mode record"),
        ({"checks": [tcp()], "timeout": 0}, "above zero"),
        ({"checks": [tcp()], "poll_interval": 0}, "above zero"),
        ({"checks": [tcp()], "delay": -1}, "not below"),
        ({"checks": [tcp()], "successes_in_a_row": 0}, "at least 1"),
        ({"checks": [tcp()], "attempts": 2}, "attempts is 2"),
        ({"checks": [tcp(), tcp()]}, "Two checks are called"),
        ({"checks": [tcp(name="services")]}, "cannot be called"),
        ({"checks": [tcp(timeout=0)]}, "timeout"),
        ({"checks": [tcp(max_seconds=float("nan"))]}, "max_seconds"),
        ({"checks": [{"kind": "tcp", "port": 70000}]}, "between 1 and 65535"),
        ({"checks": [tcp(url="http://x/")]}, "has no url"),
        ({"checks": [tcp(program="x")]}, "has no program"),
        ({"checks": [{"kind": "service", "service": "x", "contains": "y"}]}, "has no contains"),
        ({"checks": [{"kind": "service", "service": "x", "max_seconds": 1}]}, "takes no time"),
        ({"checks": [{"kind": "http", "url": "ftp://x/"}]}, "not an address"),
        ({"checks": [{"kind": "http", "url": "http://x:99999/"}]}, "not an address"),
        ({"checks": [{"kind": "http", "url": "web01"}]}, "not an address"),
        ({"checks": [{"kind": "http", "url": "http://x/", "redirects": -1}]}, "redirects"),
        ({"checks": [{"kind": "http", "url": "http://x/", "status": []}]}, "status"),
        ({"checks": [{"kind": "command", "program": " "}]}, "needs a program"),
        ({"checks": [{"kind": "command", "program": "x", "exit_codes": []}]}, "exit code"),
        ({"checks": [{"kind": "command", "program": "x", "arguments": ["%PATH%"]}]}, "cmd.exe may expand"),
        ({"checks": [{"kind": "command", "program": "x", "arguments": ["a\nb"]}]}, "control characters"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
    machine: Machine, options: dict[str, Any], words: str
) -> None:
    assert words in machine.fails(InvalidInput, **options).message
    assert machine.server.clients == 0


def test_a_login_in_an_address_is_refused_and_not_repeated(machine: Machine) -> None:
    error = machine.fails(InvalidInput, checks=[{"kind": "http", "url": "https://joe:hunter2@web01/"}])
    assert "hunter2" not in error.sentence() and "joe" not in error.sentence()

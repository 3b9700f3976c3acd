# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages listed and taken off by DISM: what is read from its output, and what is never done twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadAnswer,
    Fault,
    HotpatchError,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.packages import (
    GuestPackages,
    read_table,
    removal_error,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.packages import PackageState, state_of

from .fake_server import Answer, Clock, FakeServer

KEY = "31bf3856ad364e35"
ROLLUP = f"Package_for_RollupFix~{KEY}~amd64~~26100.33296.1.21"
HOTPATCH = f"Package_for_HotpatchRollup~{KEY}~amd64~~26100.7392.1.10"

HEAD = """
Deployment Image Servicing and Management tool
Version: 10.0.26100.1150

Image Version: 10.0.26100.33296

Packages listing:


--------------- | ----- | ------------ | ------------
Package Identity | State | Release Type | Install Time
--------------- | ----- | ------------ | ------------
"""
END = "\nThe operation completed successfully.\n"


def table(*rows: tuple[str, str, str, str], head: str = HEAD, end: str = END) -> bytes:
    lines = "".join(f"{' | '.join(cell.ljust(20) for cell in row)}\n" for row in rows)
    return (head + lines + end).replace("\n", "\r\n").encode()


RTM = (f"Package_for_RollupFix~{KEY}~amd64~~26100.1742.1.10", "Superseded", "Update", "")
LATEST = (ROLLUP, "Installed", "Security Update", "8/12/2026 3:02 AM")
FOD = (f"Microsoft-Windows-Notepad-FoD-Package~{KEY}~amd64~en-US~10.0.26100.1", "Staged", "OnDemand Pack", "")


# ---- reading the table


def test_the_table_is_read() -> None:
    first, second, third = read_table(table(FOD, LATEST, RTM), "web01")
    assert (second.identity, second.state, second.install_time) == (ROLLUP, PackageState.INSTALLED, "8/12/2026 3:02 AM")
    assert (second.name, str(second.build)) == ("Package_for_RollupFix", "26100.33296")
    assert (first.state, first.install_time, first.build) == (PackageState.STAGED, None, None)
    assert third.state is PackageState.SUPERSEDED


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Install Pending", PackageState.INSTALL_PENDING),
        ("InstallPending", PackageState.INSTALL_PENDING),
        ("Uninstall Pending", PackageState.UNINSTALL_PENDING),
        ("Partially Installed", PackageState.PARTIALLY_INSTALLED),
        ("Permanent", PackageState.PERMANENT),
        ("Installiert", PackageState.OTHER),
        ("", PackageState.OTHER),
    ],
)
def test_states_by_dism_s_words(word: str, state: PackageState) -> None:
    assert state_of(word) is state


@pytest.mark.parametrize(
    "output",
    [
        b"",
        table(LATEST, end=""),
        table(LATEST)[:-60],
        table(),
        table((ROLLUP, "Installed", "Security Update", ""), end="\nDer Vorgang wurde erfolgreich beendet.\n"),
        b"\xff\xfe\x00" * 100,
        END.encode(),
    ],
    ids=["nothing", "no end", "cut", "no packages", "not English", "bytes", "the end alone"],
)
def test_a_table_that_is_not_whole_is_no_table(output: bytes) -> None:
    with pytest.raises(BadAnswer, match="web01"):
        read_table(output, "web01")


def test_hostile_rows_do_not_come_through() -> None:
    bad = [
        ("Package_for_RollupFix & shutdown /r~31bf3856ad364e35~amd64~~1.1.1", "Installed", "Update", ""),
        ("..\\..\\evil~31bf3856ad364e35~amd64~~1.1.1", "Installed", "Update", ""),
        (f"Package_for_RollupFix~{KEY}~amd64~~26100.1.1\x07", "Installed", "Update", ""),
        (f"{'A' * 5000}~{KEY}~amd64~~1.1.1", "Installed", "Update", ""),
        ("plain words", "Installed", "Update", ""),
    ]
    (only,) = read_table(table(*bad, (ROLLUP, "Installed", "Up\x1b[31mdate" * 50, "9\x00" * 500)), "web01")
    assert only.identity == ROLLUP
    assert only.release_type.isprintable() and len(only.release_type) <= 40
    assert only.install_time is not None and only.install_time.isprintable() and len(only.install_time) <= 40


def test_more_packages_than_a_server_can_have_are_refused() -> None:
    rows = [
        (f"Package_{number}_for_X~{KEY}~amd64~~10.0.1.{number}", "Installed", "Update", "") for number in range(5001)
    ]
    with pytest.raises(BadAnswer):
        read_table(table(*rows), "web01")


# ---- a server


class Dism:
    """What DISM does on a fake server: a state for the package, and an answer for its removal."""

    def __init__(self, answer: int | HotpatchError = 3010, *, state_after: str = "Uninstall Pending") -> None:
        self.answer = answer
        self.state_after = state_after
        self.state = "Installed"
        self.lines: list[str] = []
        self.working = 0
        self.server = FakeServer(on_command=self.command)
        self.server.rows["Win32_Process"] = []
        self.clock = Clock()
        self.packages = GuestPackages(self.server.connect, "web01", clock=self.clock, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.working -= 1
        self.server.rows["Win32_Process"] = [{"Name": "TiWorker.exe"}] if self.working > 0 else []

    def command(self, _server: FakeServer, line: str) -> Answer:
        self.lines.append(line)
        if "/Get-Packages" in line:
            return Answer(0, table(LATEST, (HOTPATCH, self.state, "Security Update", "")))
        if line.startswith("reg query"):
            return Answer(0, b"\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\r\n    CurrentState    REG_DWORD    0x80\r\n\r\n")
        self.state = self.state_after
        if isinstance(self.answer, HotpatchError):
            raise self.answer
        return Answer(self.answer, b"")

    @property
    def removals(self) -> list[str]:
        return [line for line in self.lines if "/Remove-Package" in line]


def test_a_removal_never_restarts_and_names_the_package_whole() -> None:
    dism = Dism()
    done = dism.packages.remove(HOTPATCH, seconds=900)
    assert (done.exit_code, done.taken, done.permanent) == (3010, True, False)
    assert dism.removals == [f"dism.exe /English /Online /Remove-Package /Quiet /NoRestart /PackageName:{HOTPATCH}"]


@pytest.mark.parametrize(
    ("answer", "state", "taken", "permanent"),
    [
        (0, "Installed", False, False),
        (3010, "Installed", False, False),
        (0, "Uninstall Pending", True, False),
        (0x800F0825, "Installed", False, True),
        (0x800F0831, "Installed", False, False),
        # The servicing process died and had done its work: the listing tells.
        (1726, "Uninstall Pending", True, False),
        (1726, "Installed", False, False),
    ],
)
def test_the_listing_decides_and_not_the_exit_code(answer: int, state: str, taken: bool, permanent: bool) -> None:
    done = Dism(answer, state_after=state).packages.remove(HOTPATCH, seconds=900)
    assert (done.taken, done.permanent) == (taken, permanent)


@pytest.mark.parametrize(
    "lost",
    [
        OutcomeUnknown("the answer was lost"),
        AnswerTimeout("no end in time"),
        Unreachable("the connection was reset"),
        BadAnswer("half an answer"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("state", ["Uninstall Pending", "Installed"])
def test_a_removal_whose_answer_is_lost_is_looked_for_and_never_sent_again(lost: HotpatchError, state: str) -> None:
    dism = Dism(lost, state_after=state)
    dism.working = 4
    done = dism.packages.remove(HOTPATCH, seconds=900)
    assert (done.exit_code, done.taken) == (None, state == "Uninstall Pending")
    assert len(dism.removals) == 1
    assert dism.clock.now - 1000 >= 20 or done.taken


def test_a_server_that_works_on_for_ever_is_a_timeout_and_not_a_guess() -> None:
    dism = Dism(OutcomeUnknown("lost"), state_after="Installed")
    dism.working = 10_000
    dism.server.rows["Win32_Process"] = [{"Name": "Dism.exe"}]
    with pytest.raises(AnswerTimeout, match="is not known"):
        dism.packages.remove(HOTPATCH, seconds=120)
    assert len(dism.removals) == 1
    assert dism.clock.now - 1000 < 200


def test_a_refused_account_is_said_at_once() -> None:
    dism = Dism(AuthenticationFailed("the account was refused"))
    with pytest.raises(AuthenticationFailed):
        dism.packages.remove(HOTPATCH, seconds=900)
    assert dism.clock.sleeps == []


@pytest.mark.parametrize("identity", ["", "a b", f"x~{KEY}~amd64~~1.1&calc", "../x", f"{HOTPATCH}\n", "x" * 300])
def test_what_is_no_identity_never_reaches_a_command_line(identity: str) -> None:
    dism = Dism()
    for call in (lambda: dism.packages.remove(identity, seconds=9), lambda: dism.packages.cbs_state(identity)):
        run: Callable[[], Any] = call
        with pytest.raises(BadAnswer):
            run()
    assert dism.removals == []


def test_permanence_is_what_the_listing_or_the_registry_says() -> None:
    dism = Dism()
    assert dism.packages.cbs_state(HOTPATCH) == 128
    (_rollup, hotpatch) = dism.packages.read()
    assert dism.packages.says_permanent(hotpatch) is True
    dism.server.on_command = lambda _server, _line: Answer(1, b"ERROR: The system was unable to find the key.")
    assert dism.packages.says_permanent(hotpatch) is False


def test_who_is_at_work_is_named() -> None:
    dism = Dism()
    assert dism.packages.busy() is None
    dism.server.rows["Win32_Process"] = [{"Name": "TiWorker.exe"}]
    assert dism.packages.busy() == "TiWorker.exe"
    dism.server.rows["Win32_Process"] = Fault("invalid class", code="0x80041010")
    with pytest.raises(Fault):
        dism.packages.busy()


# ---- exit codes in words


@pytest.mark.parametrize(
    ("code", "words", "shown"),
    [
        (87, "parameters", "87"),
        (740, "full token", "740"),
        (1726, "servicing process died", "1726"),
        (42, "ended with 42", "42"),
        (0x800F0825, "permanent", "0x800F0825"),
        (0x800F0805, "Package is invalid", "0x800F0805"),
        (0x800F080C, "unknown", "0x800F080C"),
        (0x800F081E, "does not apply", "0x800F081E"),
        (0x800F081F, "missing", "0x800F081F"),
        (0x80073712, "", "0x80073712"),
        (0x800F0831, "damaged", "0x800F0831"),
        (0x800F0823, "newer servicing stack", "0x800F0823"),
        (0x800F0902, "busy", "0x800F0902"),
        (0x800F0806, "pending", "0x800F0806"),
        (0x800F0FFF, "does not know", "0x800F0FFF"),
    ],
)
def test_exit_codes_in_words(code: int, words: str, shown: str) -> None:
    error = removal_error("web01", "taking KB5072014 off", code)
    assert words in error.message and "web01" in error.message
    assert error.code == shown
    assert error.hint
    assert error.retryable == (code == 0x800F0902)


def test_a_listing_that_fails_is_an_error_in_words() -> None:
    server = FakeServer(on_command=lambda _server, _line: Answer(740, b"Error: 740"))
    clock = Clock()
    with pytest.raises(HotpatchError, match="listing the packages failed") as caught:
        GuestPackages(server.connect, "web01", clock=clock, sleep=clock.sleep).read()
    assert caught.value.code == "740"

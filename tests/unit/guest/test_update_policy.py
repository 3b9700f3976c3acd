# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows Update settings of one server: where they stand, whose they are, and the service that reads them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Fault
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_policy import GuestUpdatePolicy
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.effective_policy import Owner

from .fake_server import Clock
from .policy_server import AU, DENIED, GPO, LOCAL, MDM, POLICIES, UPDATE, PolicyServer


def policy_of(server: PolicyServer, clock: Clock | None = None) -> GuestUpdatePolicy:
    clock = clock or Clock()
    return GuestUpdatePolicy(server.connect(), "web01", clock=clock, sleep=clock.sleep, token=lambda: "ab12cd34")


def test_every_place_is_read() -> None:
    server = PolicyServer(
        {
            AU: {"AUOptions": 3, "UseWUServer": 1},
            UPDATE: {"WUServer": "http://wsus.example:8530", "Unheard": 1},
            LOCAL: {"AUOptions": 4},
            MDM: {"AllowAutoUpdate": 2},
        }
    )
    reading = policy_of(server).read()
    assert reading.values == {"auoptions": 3, "usewuserver": 1, "wuserver": "http://wsus.example:8530"}
    assert (reading.local, reading.mdm) == ({"auoptions": 4}, {"allowautoupdate": 2})
    assert (reading.member, reading.owners) == (False, {})
    assert server.written == []


def test_a_server_without_any_policy() -> None:
    reading = policy_of(PolicyServer()).read()
    assert (reading.values, reading.local, reading.mdm) == ({}, {}, {})


def test_a_policy_that_cannot_be_read_is_an_error() -> None:
    server = PolicyServer({AU: {"AUOptions": 3}})
    server.denied = {POLICIES, UPDATE}
    with pytest.raises(Fault, match="could not be read"):
        policy_of(server).read()


def test_the_gpo_of_a_value() -> None:
    server = PolicyServer()
    server.domain(AUOptions=4, WUServer="http://wsus")
    server.rsop("NoAutoUpdate", 0, gpo="LocalGPO")
    server.rsop("**del.UseWUServer", None)
    server.rsop("AUOptions", 2, key=r"SOFTWARE\Policies\Other\WindowsUpdate\AU")
    server.rsop("Unheard", 1)
    owners = policy_of(server).read().owners
    assert owners == {
        "auoptions": Owner("Servers - Windows Update", True, 4),
        "wuserver": Owner("Servers - Windows Update", True, "http://wsus"),
        "noautoupdate": Owner("Local Group Policy", False, 0),
        "usewuserver": Owner("Servers - Windows Update", True, None),
    }


def test_a_gpo_without_a_name_is_shown_by_its_path() -> None:
    server = PolicyServer(rows={"RSOP_GPO": []})
    server.domain(AUOptions=4)
    owners = policy_of(server).read().owners
    assert owners is not None and owners["auoptions"].gpo == GPO


@pytest.mark.parametrize(
    "rows",
    [
        DENIED,
        [{"registryKey": AU, "valueName": "AUOptions", "valueType": "x", "value": ["4", "0", "0", "0"], "GPOID": GPO}],
        [{"registryKey": AU, "valueName": "AUOptions", "valueType": "4", "value": ["999"], "GPOID": GPO}],
    ],
)
def test_rsop_that_cannot_be_read_is_unknown_and_not_empty(rows: Any) -> None:
    assert policy_of(PolicyServer(rows={"RSOP_RegistryPolicySetting": rows})).read().owners is None


def test_data_of_another_type_is_another_value() -> None:
    rows = [{"registryKey": AU, "valueName": "AUOptions", "valueType": "3", "value": ["4"], "GPOID": GPO}]
    owners = policy_of(PolicyServer(rows={"RSOP_RegistryPolicySetting": rows})).read().owners
    assert owners is not None and owners["auoptions"].data == "1 bytes of type 3"


@pytest.mark.parametrize("rows", [DENIED, [], [{"PartOfDomain": "perhaps"}]])
def test_membership_that_cannot_be_read_is_unknown(rows: Any) -> None:
    assert policy_of(PolicyServer(rows={"Win32_ComputerSystem": rows})).read().member is None


def test_values_are_written_where_they_belong() -> None:
    server = PolicyServer({AU: {"UseWUServer": 1}})
    done: list[str] = []
    policy_of(server).write({"auoptions": 3, "wuserver": "http://wsus", "usewuserver": None}, done.append)
    assert server.values(AU) == {"AUOptions": 3}
    assert server.values(UPDATE) == {"WUServer": "http://wsus"}
    assert done == ["AUOptions", "WUServer", "UseWUServer"]


def test_a_refusal_says_what_was_not_written() -> None:
    server = PolicyServer()
    server.denied = {AU}
    with pytest.raises(Fault, match="access denied"):
        policy_of(server).write({"auoptions": 3}, lambda _name: None)


# ---- the service


def lines(server: PolicyServer) -> list[str]:
    return [line for line in server.command_lines if line.startswith("sc ")]


def test_the_service_is_stopped_and_started() -> None:
    server, clock = PolicyServer(), Clock()
    server.slow_stop = 3
    done = policy_of(server, clock).restart_service()
    assert (done.restarted, done.due, server.service) == (True, False, "running")
    assert lines(server)[1] == "sc stop wuauserv" and lines(server)[-1] == "sc start wuauserv"
    assert clock.now - 1000 < 10


def test_a_service_that_does_not_run_is_only_started() -> None:
    server = PolicyServer()
    server.service = "stopped"
    assert policy_of(server).restart_service().restarted
    assert "sc stop wuauserv" not in lines(server)


def test_a_service_that_does_not_stop_is_waited_for_a_while() -> None:
    server, clock = PolicyServer(), Clock()
    server.slow_stop = 10_000
    done = policy_of(server, clock).restart_service()
    assert done.due and "did not stop within 60 seconds" in done.words
    assert clock.now - 1000 <= 61


@pytest.mark.parametrize(
    ("codes", "words"),
    [({"stop": 5}, "did not stop: sc ended with 5"), ({"start": 1058}, "disabled"), ({"start": 2}, "ended with 2")],
)
def test_codes_of_sc_in_words(codes: dict[str, int], words: str) -> None:
    server = PolicyServer()
    server.sc_codes = codes
    done = policy_of(server).restart_service()
    assert (done.restarted, done.due) == (False, True) and words in done.words


def test_it_may_run_already() -> None:
    server = PolicyServer()
    server.sc_codes = {"start": 1056}
    assert policy_of(server).restart_service().restarted


@pytest.mark.parametrize(
    "changes",
    [
        {"task_xml": "<Task/>", "task_state": 4},
        {"rows": {"Win32_Process": [{"ProcessId": "3996"}]}},
        {"rows": {"Win32_Process": DENIED}},
    ],
)
def test_while_updates_are_under_way_or_nobody_knows_the_service_is_left_alone(changes: dict[str, Any]) -> None:
    server = PolicyServer(**changes)
    done = policy_of(server).restart_service()
    assert (done.restarted, done.due) == (False, True) and "is to be restarted" in done.words
    assert lines(server) == []


def test_a_server_that_refuses_the_shell_leaves_it_due() -> None:
    server = PolicyServer()

    def refuse(_server: object, _line: str) -> None:
        raise DENIED

    server.on_command = refuse
    done = policy_of(server).restart_service()
    assert done.due and "could not be restarted" in done.words

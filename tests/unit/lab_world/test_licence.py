# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enrollment as Azure's portal does it, and the operator who shuts a server down and starts it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.faults import give
from tests.unit.lab_world.rehearsal import Rehearsal

HINT = r"HKLM\SOFTWARE\Microsoft\Azure Connected Machine Agent\Windows\Licenses\Features\Hotpatch"
BASELINE: dict[str, Any] = {"level": "KB5066835"}


def portal(server: Rehearsal, body: Any = None, method: str = "POST") -> tuple[int, Any]:
    answer = server.world.control(method, "/servers/web01/enrollment", {}, body)
    return answer.status, answer.document


def hint(server: Rehearsal) -> Any:
    value = server.machine.registry.read(HINT, "Subscription")
    return None if value is None else value.data


def test_an_enrollment_is_pending_for_some_minutes_and_then_brings_hotpatches() -> None:
    server = Rehearsal(enrolled=False, **BASELINE)
    assert (server.machine.updates.capable, hint(server)) == (False, None)
    status, shown = portal(server, {"enrolled": True})
    assert (status, shown) == (200, {"shown": "Pending", "enrolled": False, "opted_out": False})
    server.let_pass(300)
    assert portal(server, method="GET")[1]["shown"] == "Pending"
    server.let_pass(600)
    assert portal(server, method="GET")[1] == {"shown": "Enabled", "enrolled": True, "opted_out": False}
    assert (server.machine.updates.capable, server.machine.updates.on_track, hint(server)) == (True, True, 1)


def test_opting_out_and_leaving_take_the_hotpatches_away() -> None:
    server = Rehearsal(**BASELINE)
    portal(server, {"opted_out": True})
    server.let_pass(900)
    assert portal(server, method="GET")[1]["shown"] == "Disabled"
    assert (server.machine.updates.capable, hint(server)) == (False, 1)
    portal(server, {"enrolled": False, "opted_out": False})
    server.let_pass(900)
    assert portal(server, method="GET")[1]["shown"] == "Not enrolled"
    assert hint(server) == 0


def test_the_same_again_is_no_change() -> None:
    server = Rehearsal(**BASELINE)
    assert portal(server, {"enrolled": True})[1]["shown"] == "Enabled"


@pytest.mark.parametrize(
    ("keys", "body", "status", "words"),
    [
        ({"arc": "none", "enrolled": False}, {"enrolled": True}, 409, "no connected machine"),
        ({"arc": "disconnected"}, {"enrolled": False}, 409, "no connected machine"),
        ({"edition": "ServerTurbine", "platform": "azure", "arc": "none"}, {"enrolled": True}, 409, "Azure Edition"),
        ({}, {"licence": True}, 409, "no setting 'licence'"),
        ({}, {"enrolled": "yes"}, 409, "true or false"),
        ({}, [], 400, "Send what to change"),
    ],
)
def test_what_azure_does_not_take(keys: dict[str, Any], body: Any, status: int, words: str) -> None:
    found, document = portal(Rehearsal(**keys), body)
    assert (found, words in document["error"]) == (status, True)


def test_an_enrollment_can_be_stuck() -> None:
    server = Rehearsal(enrolled=False, **BASELINE)
    give(server.machine, {"kind": "enrollment_stuck"})
    portal(server, {"enrolled": True})
    server.let_pass(7200)
    assert portal(server, method="GET")[1] == {"shown": "Pending", "enrolled": False, "opted_out": False}


def test_the_operator_shuts_a_server_down_and_starts_it() -> None:
    server = Rehearsal()
    assert server.world.control("POST", "/servers/web01/power", {}, {}).document == {"state": "stopping"}
    assert server.world.control("POST", "/servers/web01/power", {}, {}).status == 409
    server.let_pass(300)
    assert [each.by for each in server.machine.journal.restarts] == ["operator"]
    assert (server.machine.power.state, server.machine.write_count) == ("running", 0)

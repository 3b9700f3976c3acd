# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of the script beside searching and installing: hiding, the history, other services, licence terms."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import faults
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_sources import (
    MICROSOFT_UPDATE,
    UPDATE_SERVER,
    WINDOWS_UPDATE,
)

from .rehearsal import Rehearsal

HIDDEN = "IsInstalled=0 and IsHidden=1"
POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate"


def operate(server: Rehearsal, operation: str, updates: Any = None, **changes: Any) -> dict[str, Any]:
    result = server.operate(operation, updates, **changes)
    assert result is not None
    return result


def kbs(result: dict[str, Any]) -> list[str]:
    return [f"KB{number}" for update in result["updates"] for number in update["kbs"]]


def test_a_hidden_update_is_not_offered_until_it_is_shown_again() -> None:
    server = Rehearsal(other_updates=[])
    chosen = server.offered("KB5072014")
    hidden = operate(server, "hide", chosen)
    assert hidden["state"] == "done" and hidden["updates"][0]["hidden"] is True
    assert kbs(operate(server, "search")) == []
    assert kbs(operate(server, "search", criteria=HIDDEN)) == ["KB5072014"]
    # Both kinds, when the criteria do not say.
    assert kbs(operate(server, "search", criteria="IsInstalled=0")) == ["KB5072014"]
    shown = operate(server, "unhide", chosen, criteria=HIDDEN)
    assert shown["updates"][0]["hidden"] is False
    assert kbs(operate(server, "search")) == ["KB5072014"]
    writes = [write.what for write in server.machine.journal.writes if write.kind == "update"]
    assert writes == ["hide KB5072014", "unhide KB5072014"]


def test_hiding_what_the_criteria_do_not_find_hides_nothing() -> None:
    server = Rehearsal(other_updates=[])
    chosen = server.offered("KB5072014")
    operate(server, "hide", chosen)
    again = operate(server, "hide", chosen)
    assert (again["state"], again["error"]["stage"], again["error"]["hresult"]) == ("failed", "match", "0x80240024")
    assert operate(server, "hide", chosen, criteria="IsInstalled=0")["state"] == "done"
    assert len([write for write in server.machine.journal.writes if write.kind == "update"]) == 1


def test_the_history_has_what_real_ones_have() -> None:
    server = Rehearsal()
    history = operate(server, "history", history={"skip": 0, "limit": 1000})["history"]
    rows = history["entries"]
    assert history["total"] == len(rows) > 30
    assert [row["date"] for row in rows] == sorted((row["date"] for row in rows), reverse=True)
    assert {row["client_application_id"] for row in rows} == {
        "MoUpdateOrchestrator",
        "Windows Defender",
        "Acquisition;setup-StartProductInstallWithOptionsAsync",
    }
    assert any("KB" not in row["title"] for row in rows)
    assert [row["hresult"] for row in rows if row["result_code"] == 4] == ["0x80070643"]
    assert rows[0]["hresult_signed"] == 0 and rows[-1]["date"] < "2025-01"


@pytest.mark.parametrize(("skip", "limit", "number"), [(0, 5, 5), (3, 5, 5), (10_000, 5, 0), (0, 0, 0)])
def test_pages_of_the_history(skip: int, limit: int, number: int) -> None:
    server = Rehearsal()
    whole = operate(server, "history", history={"skip": 0, "limit": 1000})["history"]
    page = operate(server, "history", history={"skip": skip, "limit": limit})["history"]
    assert page == {"total": whole["total"], "entries": whole["entries"][skip : skip + limit]}
    assert len(page["entries"]) == number


def test_a_row_stays_in_progress_until_its_restart() -> None:
    server = Rehearsal(level="KB5065474", as_of=date(2025, 10, 20), other_updates=[])
    server.install("KB5066835")

    def newest() -> dict[str, Any]:
        row: dict[str, Any] = operate(server, "history", history={"skip": 0, "limit": 1})["history"]["entries"][0]
        return row

    assert (newest()["result_code"], newest()["client_application_id"]) == (1, "winops.hotpatch")
    server.restart()
    assert newest()["result_code"] == 2 and "KB5066835" in newest()["title"]


def test_services_and_the_one_that_is_asked() -> None:
    plain = operate(Rehearsal(), "search")["agent"]
    assert plain["services"] == [{"id": WINDOWS_UPDATE, "name": "Windows Update", "default": True}]
    microsoft = Rehearsal(microsoft_update=True)
    asked = operate(microsoft, "search", server_selection=3, service_id=MICROSOFT_UPDATE)
    assert asked["state"] == "done" and asked["agent"]["service_id"] == MICROSOFT_UPDATE
    unknown = operate(Rehearsal(), "search", server_selection=3, service_id=MICROSOFT_UPDATE)
    assert unknown["error"]["hresult"] == "0x80248014"
    server = Rehearsal(wsus=["all"])
    server.machine.registry.text(POLICY, "WUServer", "http://wsus:8530")
    server.machine.registry.number(POLICY + r"\AU", "UseWUServer", 1)
    assert [each["default"] for each in operate(server, "search")["agent"]["services"]] == [False, True]
    assert operate(server, "search")["agent"]["services"][1]["id"] == UPDATE_SERVER


@pytest.mark.parametrize("accept", [True, False])
def test_licence_terms_that_nobody_accepted(accept: bool) -> None:
    server = Rehearsal(other_updates=[])
    faults.give(server.machine, {"kind": "eula_not_accepted"})
    chosen = server.offered("KB5072014")
    assert operate(server, "search")["updates"][0]["eula_accepted"] is False
    fetched = operate(server, "download", chosen, accept_eula=accept)["updates"][0]
    assert fetched["eula_accepted"] is accept
    assert fetched["download"]["hresult"] == ("0x00000000" if accept else "0x80240023")
    installed = operate(server, "install", chosen, accept_eula=accept)["updates"][0]["install"]
    assert installed["hresult"] == ("0x00000000" if accept else "0x80240023")


def test_the_script_that_runs_names_itself_whatever_stood_there() -> None:
    server = Rehearsal()
    server.place_script()
    server.start_operation("search")
    folder = r"C:\Program Files\winops.hotpatch\runs"
    server.machine.disk.write(rf"{folder}\current.json", b'{"run_id": "other"}', server.machine.now())
    list(server.wait(10))
    node = server.machine.disk.find(rf"{folder}\current.json")
    assert node is not None and node.content is not None
    current = json.loads(node.content)
    assert (current["run_id"], current["operation"]) == ("r1", "search")

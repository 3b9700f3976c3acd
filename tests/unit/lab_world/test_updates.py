# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._guest import update_script
from ansible_collections.winops.hotpatch.plugins.module_utils._release.rows import RELEASES
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import update_criteria
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.known_scripts import KNOWN_SCRIPTS
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_service import servicing_stack_kb

from .rehearsal import FOLDER, Rehearsal

DECEMBER = date(2025, 12, 20)
OCTOBER = date(2025, 10, 28)
APRIL = date(2026, 4, 30)
AZURE_2022 = "windows-server-2022-datacenter-azure-edition"


def offered(server: Rehearsal) -> list[str]:
    found = server.machine.updates.search("IsInstalled=0 and IsHidden=0", 0)
    return [offer.kb for offer in found if offer.os_update is not None]


@pytest.mark.parametrize(
    ("as_of", "keys", "kbs"),
    [
        # On the track: the newest hotpatch, whichever one of this quarter the server has.
        (DECEMBER, {"level": "KB5068966"}, ["KB5072014"]),
        (DECEMBER, {"level": "KB5066835"}, ["KB5072014"]),
        (DECEMBER, {"level": "KB5070893"}, ["KB5072014"]),
        (DECEMBER, {"level": "KB5072014"}, []),
        (DECEMBER, {"level": "KB5068966", "edition": "ServerTurbine", "arc": "none"}, ["KB5072014"]),
        (
            DECEMBER,
            {"level": "KB5068840", "product": AZURE_2022, "edition": "ServerTurbine", "arc": "none"},
            ["KB5071413"],
        ),
        # A missed baseline: that baseline and the month's cumulative update, or the latter alone.
        (DECEMBER, {"level": "KB5065474"}, ["KB5066835", "KB5072033"]),
        (DECEMBER, {"level": "KB5065474", "offers_old_baseline": False}, ["KB5072033"]),
        # Off the track, by the emergency update or by an ordinary one.
        (DECEMBER, {"level": "KB5070881"}, ["KB5072033"]),
        (DECEMBER, {"level": "KB5068861"}, ["KB5072033"]),
        # Not entitled, each for its own reason.
        (DECEMBER, {"enrolled": False}, ["KB5072033"]),
        (DECEMBER, {"opted_out": True}, ["KB5072033"]),
        (DECEMBER, {"vbs": 0}, ["KB5072033"]),
        (DECEMBER, {"vbs": 1}, ["KB5072033"]),
        (DECEMBER, {"vbs": "unreadable"}, ["KB5072033"]),
        (DECEMBER, {"arc": "none"}, ["KB5072033"]),
        (DECEMBER, {"arc": "disconnected"}, ["KB5072033"]),
        (DECEMBER, {"arc": "expired"}, ["KB5072033"]),
        (DECEMBER, {"product": "windows-11-enterprise", "edition": "Enterprise", "level": "KB5068861"}, []),
        # The month before a baseline, its month, and the incidents next to the right update.
        (date(2025, 10, 15), {"level": "KB5065474"}, ["KB5066835"]),
        (date(2025, 10, 13), {"level": "KB5065474"}, []),
        (OCTOBER, {"level": "KB5065474"}, ["KB5066835", "KB5070881"]),
        (OCTOBER, {"level": "KB5066835"}, ["KB5070893", "KB5070881"]),
        (OCTOBER, {"level": "KB5070893"}, []),
        (OCTOBER, {"level": "KB5070881"}, []),
        (APRIL, {"level": "KB5078736"}, ["KB5082063", "KB5091157"]),
        (APRIL, {"level": "KB5082063"}, ["KB5091470", "KB5091157"]),
        (APRIL, {"level": "KB5091157"}, []),
        (date(2026, 5, 20), {"level": "KB5091157"}, ["KB5087539"]),
        # Back on the track with the next baseline.
        (date(2026, 1, 20), {"level": "KB5070881"}, ["KB5073379"]),
    ],
)
def test_what_is_offered(as_of: date, keys: dict[str, Any], kbs: list[str]) -> None:
    assert offered(Rehearsal(as_of=as_of, **keys)) == kbs


def test_ordinary_updates_come_as_well() -> None:
    server = Rehearsal(other_updates=["defender", "malware-tool", "dotnet"])
    found = server.machine.updates.search("IsInstalled=0", 0)
    assert [offer.kb for offer in found] == ["KB5072014", "KB5066131", "KB890830", "KB2267602"]
    assert [offer.restart_behavior for offer in found] == [2, 2, 2, 0]


def test_titles() -> None:
    def title(as_of: date, kb: str, **keys: Any) -> str:
        found = Rehearsal(as_of=as_of, **keys).machine.updates.search("IsInstalled=0", 0)
        return next(offer.title for offer in found if offer.kb == kb)

    assert title(DECEMBER, "KB5072033", enrolled=False) == "2025-12 Security Update (KB5072033) (26100.7462)"
    assert title(DECEMBER, "KB5072014") == "2025-12 Security Hotpatch Update (KB5072014) (26100.7392)"
    assert title(OCTOBER, "KB5066835", level="KB5065474") == (
        "2025-10 Cumulative Update for Microsoft server operating system version 24H2 for x64-based Systems "
        "(KB5066835) (26100.6899)"
    )


def test_a_hotpatch_from_search_to_build() -> None:
    server = Rehearsal()
    chosen = server.offered("KB5072014")
    evaluated = server.operate("evaluate", chosen)
    assert evaluated is not None
    assert evaluated["updates"][0]["bootstrapper"] is True
    assert evaluated["updates"][0]["evaluation"] == {"requires_restart": False, "error": None}
    downloaded = server.operate("download", chosen)
    assert downloaded is not None
    assert downloaded["updates"][0]["downloaded"] is True
    installed = server.operate("install", chosen)
    assert installed is not None
    assert (installed["state"], server.last_result()) == ("done", 0)
    assert installed["updates"][0]["install"]["restart_required"] is False
    assert installed["agent"]["restart_required"] is False
    updates = server.machine.updates
    assert (updates.ubr, updates.restart_required, updates.on_track) == (7392, False, True)
    assert "KB5072014" in [row.kb for row in updates.quick_fixes]
    assert server.machine.power.boots == 1
    assert offered(server) == []
    assert [item.run_id for item in server.machine.journal.installations] == ["r1"]


def test_quick_fixes_can_leave_the_hotpatch_out() -> None:
    server = Rehearsal(hotpatch_in_quick_fixes=False)
    server.install("KB5072014")
    assert "KB5072014" not in [row.kb for row in server.machine.updates.quick_fixes]
    assert "KB5072014" in server.machine.updates.installed_kbs


def test_a_cumulative_update_waits_for_two_boots() -> None:
    server = Rehearsal(level="KB5065474")
    result = server.install("KB5066835")
    updates = server.machine.updates
    assert result["updates"][0]["install"]["restart_required"] is True
    assert result["agent"]["restart_required"] is True
    assert (updates.ubr, updates.restart_required) == (6508, True)
    assert servicing_stack_kb("KB5066835") in [row.kb for row in updates.quick_fixes]
    assert "KB5066835" not in [row.kb for row in updates.quick_fixes]
    server.restart()
    assert server.machine.power.boots == 3
    assert [item.by for item in server.machine.journal.restarts] == ["WEB01\\Administrator", "TrustedInstaller"]
    assert (updates.ubr, updates.restart_required, updates.on_track) == (6899, False, True)
    assert sorted(row.kb for row in updates.quick_fixes) == [servicing_stack_kb("KB5066835"), "KB5066835"]
    assert offered(server) == ["KB5072014"]


def test_an_ordinary_update_takes_an_enrolled_server_off_the_track() -> None:
    server = Rehearsal(as_of=OCTOBER, level="KB5066835")
    assert server.machine.updates.on_track
    server.install("KB5070881")
    server.restart()
    assert (server.machine.updates.ubr, server.machine.updates.on_track) == (6905, False)


def test_a_pending_restart_stops_an_installation() -> None:
    server = Rehearsal(restart_pending=["component_based_servicing"])
    chosen = server.offered("KB5072014")
    server.operate("download", chosen)
    result = server.operate("install", chosen)
    assert result is not None
    assert (result["state"], server.last_result()) == ("failed", 1)
    assert result["error"]["stage"] == "install"
    assert result["error"]["hresult"] == "0x80240016"
    assert result["error"]["hresult_signed"] == -2145124330
    assert server.machine.journal.installations == []


@pytest.mark.parametrize(
    ("kb", "keys", "bootstrapper", "answer", "hresult"),
    [
        ("KB5072014", {}, True, False, None),
        ("KB5066835", {"level": "KB5065474"}, True, True, None),
        ("KB5072033", {"enrolled": False}, False, None, "0x80240037"),
        ("KB5072014", {"faults": [{"kind": "evaluation_unknown"}]}, True, None, "0x80240068"),
        ("KB5072014", {"faults": [{"kind": "evaluation_null"}]}, True, None, "0x80240068"),
        ("KB5072014", {"faults": [{"kind": "evaluation_throws"}]}, True, None, "0x80240FFF"),
        (
            "KB5071413",
            {"level": "KB5068840", "product": AZURE_2022, "edition": "ServerTurbine", "arc": "none"},
            None,
            None,
            "0x80131501",
        ),
    ],
)
def test_the_restart_question(
    kb: str, keys: dict[str, Any], bootstrapper: bool | None, answer: bool | None, hresult: str | None
) -> None:
    server = Rehearsal(**keys)
    result = server.operate("evaluate", server.offered(kb))
    assert result is not None
    update = result["updates"][0]
    assert update["bootstrapper"] is bootstrapper
    assert update["evaluation"]["requires_restart"] is answer
    error = update["evaluation"]["error"]
    assert (error and error["hresult"]) == hresult


def test_another_account_than_system_is_denied() -> None:
    server = Rehearsal()
    server.start_operation("search", user="Administrator")
    server.let_pass(120)
    result = server.read_json("search.result.json")
    assert result is not None
    assert result["error"] == {
        "stage": "session",
        "hresult": "0x80070005",
        "hresult_signed": -2147024891,
        "message": "Access is denied. (Exception from HRESULT: 0x80070005 (E_ACCESSDENIED))",
    }


def test_an_unknown_script_is_refused_and_recorded() -> None:
    server = Rehearsal()
    server.start_operation("search")
    server.machine.disk.write(rf"{FOLDER}\{update_script.FILE_NAME}", b"exit 0\r\n", server.machine.now())
    server.let_pass(120)
    assert server.last_result() == 2
    assert server.read_json("search.result.json") is None
    assert [item["path"] for item in server.machine.journal.refused_scripts] == [rf"{FOLDER}\{update_script.FILE_NAME}"]


def test_the_shipped_script_is_known() -> None:
    assert KNOWN_SCRIPTS.get(update_script.SHA256) == update_script.CONTRACT


@pytest.mark.parametrize(
    "changes",
    [{"contract": 2}, {"updates": [{"update_id": "none", "revision": 1}]}],
)
def test_a_wrong_request_ends_with_a_failed_result(changes: dict[str, Any]) -> None:
    server = Rehearsal()
    result = server.operate("evaluate", **changes)
    assert result is not None
    assert (result["state"], server.last_result()) == ("failed", 1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"contract": 1}', b"[" * 100000, b"\xff\xfe"])
def test_a_request_that_cannot_be_read_leaves_no_result(content: bytes) -> None:
    server = Rehearsal()
    server.start_operation("search")
    server.machine.disk.write(rf"{FOLDER}\runs\r1\search.request.json", content, server.machine.now())
    server.let_pass(120)
    assert server.last_result() == 2
    assert server.read_json("search.result.json") is None


def test_one_run_at_a_time_and_each_request_once() -> None:
    server = Rehearsal()
    server.start_operation("search")
    server.let_pass(20)
    assert server.task_state() == 4
    progress = server.read_json("search.progress.json")
    assert progress is not None
    assert progress["phase"] == "searching"
    server.invoke("StartByPath", TaskName="hotpatch-update", TaskPath="\\winops\\")
    server.let_pass(600)
    assert (server.task_state(), server.last_result()) == (3, 0)
    server.invoke("StartByPath", TaskName="hotpatch-update", TaskPath="\\winops\\")
    server.let_pass(600)
    assert server.last_result() == 3


def test_an_installation_goes_on_without_its_script() -> None:
    server = Rehearsal()
    chosen = server.offered("KB5072014")
    server.operate("download", chosen)
    server.start_operation("install", chosen)
    server.let_pass(100)
    server.invoke("StopByPath", TaskName="hotpatch-update", TaskPath="\\winops\\")
    assert server.last_result() == 0x41306
    server.let_pass(600)
    assert server.machine.updates.ubr == 7392
    assert server.read_json("install.result.json") is None


def test_failures_are_reported_and_change_nothing() -> None:
    server = Rehearsal(faults=[{"kind": "install_fails", "kb": "KB5072014", "hresult": "0x800F0983"}])
    result = server.install("KB5072014")
    assert result["updates"][0]["install"] == {
        "result_code": 4,
        "hresult": "0x800F0983",
        "hresult_signed": -2146498173,
        "restart_required": False,
    }
    assert server.machine.updates.ubr == 7092
    assert server.machine.journal.installations[0].hresult == 0x800F0983


def test_search_failures_end_after_so_many_times() -> None:
    server = Rehearsal(faults=[{"kind": "search_fails", "hresult": "0x80072EE2", "times": 1}])
    first = server.operate("search")
    second = server.operate("search")
    assert first is not None
    assert second is not None
    assert first["error"]["hresult"] == "0x80072EE2"
    assert second["state"] == "done"


def test_an_update_can_be_offered_again() -> None:
    server = Rehearsal(faults=[{"kind": "update_reoffered", "kb": "KB5072014"}])
    server.install("KB5072014")
    assert offered(server) == ["KB5072014"]


def test_a_hotpatch_that_breaks_its_promise() -> None:
    server = Rehearsal(faults=[{"kind": "hotpatch_wants_restart"}])
    result = server.install("KB5072014")
    assert result["updates"][0]["install"]["restart_required"] is True
    assert result["agent"]["restart_required"] is True


@pytest.mark.parametrize(
    ("criteria", "good"),
    [
        ("IsInstalled=0 and IsHidden=0", True),
        ("( IsInstalled = 0 and IsHidden = 0 )", True),
        ("(IsInstalled=0 and Type='Software') or (IsHidden=1)", True),
        ("UpdateID='x' and RevisionNumber=1", True),
        ("CategoryIDs contains '0fa1201d-4330-4fa8-8ae9-b877473b6441'", True),
        ("IsInstalled=0 and (IsHidden=0 or IsHidden=1)", False),
        ("IsInstalled=2", False),
        ("Nope=1", False),
        ("", False),
        ("IsInstalled=", False),
    ],
)
def test_criteria(criteria: str, good: bool) -> None:
    try:
        update_criteria.parse(criteria)
    except update_criteria.CriteriaError:
        assert not good
    else:
        assert good


def test_invalid_criteria_fail_the_search() -> None:
    result = Rehearsal().operate("search", criteria="Nope=1")
    assert result is not None
    assert result["error"]["hresult"] == "0x80240032"


def test_no_servicing_stack_carries_the_kb_of_a_release() -> None:
    known = {kb for row in RELEASES for kb in (row.hotpatch_kb, row.lcu_kb) if kb}
    assert not known & {servicing_stack_kb(row.lcu_kb) for row in RELEASES if row.lcu_kb}
    assert servicing_stack_kb("KB5082063") == "KB5082062"

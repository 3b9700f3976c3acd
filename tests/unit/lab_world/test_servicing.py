# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The component store of a lab server, and dism and wusa on it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from .rehearsal import Rehearsal

DECEMBER = date(2025, 12, 20)
LIST = "dism /English /Online /Get-Packages /Format:Table"


def listing(server: Rehearsal, line: str = LIST) -> dict[str, str]:
    """Identity to state, from the table."""
    ran = server.run(line, seconds=30)
    assert ran.code == 0, ran.out
    rows = [[cell.strip() for cell in row.split("|")] for row in ran.out.splitlines() if "~" in row]
    return {row[0]: row[1] for row in rows}


def states(server: Rehearsal, *names: str) -> dict[str, str]:
    """Build of each rollup (or of what is named) to its state."""
    wanted = names or ("Package_for_RollupFix",)
    return {
        ".".join(identity.rsplit("~", 1)[1].split(".")[:2]): state
        for identity, state in listing(server).items()
        if identity.split("~")[0] in wanted
    }


def identity_of(server: Rehearsal, part: str) -> str:
    return next(identity for identity in listing(server) if part in identity)


def remove(server: Rehearsal, part: str, *, options: str = "/Quiet /NoRestart", seconds: int = 1200) -> int | None:
    return server.run(
        f"dism /Online /Remove-Package /PackageName:{identity_of(server, part)} {options}", seconds=seconds
    ).code


def offered(server: Rehearsal) -> list[str]:
    found = server.machine.updates.search("IsInstalled=0 and IsHidden=0", 0)
    return [offer.kb for offer in found if offer.os_update is not None]


def test_the_table_has_the_head_of_every_run_and_one_row_for_each_package() -> None:
    ran = Rehearsal(level="KB5072014").run(LIST, seconds=30)
    lines = ran.out.splitlines()
    assert lines[1:6] == [
        "Deployment Image Servicing and Management tool",
        "Version: 10.0.26100.1150",
        "",
        "Image Version: 10.0.26100.7392",
        "",
    ]
    assert "Package Identity" in ran.out and "| Release Type" in ran.out
    assert lines[-1] == "The operation completed successfully."
    rows = [line for line in lines if "Package_for_RollupFix~31bf3856ad364e35~amd64~~26100.6899." in line]
    assert len(rows) == 1
    assert [cell.strip() for cell in rows[0].split("|")][1:] == ["Installed", "Security Update", "10/14/2025 12:00 PM"]


def test_the_list_says_the_same_line_by_line() -> None:
    ran = Rehearsal(level="KB5068861").run("dism /online /get-packages", seconds=30)
    assert "Package Identity : Package_for_RollupFix~31bf3856ad364e35~amd64~~26100.7171." in ran.out
    assert "State : Superseded\r\nRelease Type : Security Update\r\n" in ran.out


@pytest.mark.parametrize(
    ("keys", "rollups"),
    [
        ({"level": "rtm"}, {"26100.1742": "Installed"}),
        ({"level": "KB5066835"}, {"26100.1742": "Superseded", "26100.4652": "Superseded", "26100.6899": "Installed"}),
        ({"level": "KB5072014"}, {"26100.1742": "Superseded", "26100.4652": "Superseded", "26100.6899": "Installed"}),
        # Off the track by the emergency update; on the track before.
        ({"level": "KB5070881"}, {"26100.1742": "Superseded", "26100.6899": "Superseded", "26100.6905": "Installed"}),
        (
            {"level": "KB5072033", "enrolled": False},
            {"26100.1742": "Superseded", "26100.7171": "Superseded", "26100.7462": "Installed"},
        ),
        (
            {"level": "KB5072033", "previous_level": "KB5065426"},
            {"26100.1742": "Superseded", "26100.6584": "Superseded", "26100.7462": "Installed"},
        ),
        ({"level": "KB5072033", "previous_level": "rtm"}, {"26100.1742": "Superseded", "26100.7462": "Installed"}),
    ],
)
def test_the_packages_a_server_begins_with(keys: dict[str, Any], rollups: dict[str, str]) -> None:
    assert states(Rehearsal(**keys)) == rollups


def test_a_hotpatch_that_is_taken_off_leaves_the_baseline_after_the_restart_and_is_offered_again() -> None:
    server = Rehearsal()  # November's hotpatch
    server.install("KB5072014")
    assert states(server, "Package_for_HotpatchRollup") == {"26100.7092": "Superseded", "26100.7392": "Installed"}
    assert remove(server, "26100.7392.") == 3010
    updates = server.machine.updates
    assert states(server, "Package_for_HotpatchRollup")["26100.7392"] == "Uninstall Pending"
    assert (updates.ubr, updates.restart_required) == (7392, True)
    assert "dism" not in [item.how for item in server.machine.journal.restarts]
    assert [item.what for item in server.machine.journal.writes if item.kind == "package"] == [
        f"remove {identity_of(server, '26100.7392.')}"
    ]
    server.restart()
    assert (updates.ubr, updates.restart_required, updates.on_track) == (6899, False, True)
    assert states(server, "Package_for_HotpatchRollup") == {}
    kbs = [row.kb for row in updates.quick_fixes]
    assert "KB5066835" in kbs and not {"KB5072014", "KB5068966"} & set(kbs)
    assert offered(server) == ["KB5072014"]
    assert server.machine.power.boots == 2
    server.install("KB5072014")
    assert updates.ubr == 7392


def test_a_cumulative_update_that_is_taken_off_brings_the_one_before_back() -> None:
    server = Rehearsal(level="KB5070881")
    assert server.machine.updates.on_track is False
    assert remove(server, "26100.6905.") == 3010
    assert states(server) == {
        "26100.1742": "Superseded",
        "26100.6899": "Install Pending",
        "26100.6905": "Uninstall Pending",
    }
    server.restart()
    updates = server.machine.updates
    assert (updates.ubr, updates.on_track) == (6899, True)
    assert states(server)["26100.6899"] == "Installed"
    kbs = [row.kb for row in updates.quick_fixes]
    assert "KB5066835" in kbs and "KB5070881" not in kbs
    assert "KB5070880" in kbs, "the servicing stack stays"


def test_a_removal_that_servicing_rolls_back_leaves_everything() -> None:
    server = Rehearsal(level="KB5072014", faults=[{"kind": "wrong_build_after_restart", "times": 1}])
    assert remove(server, "26100.7392.") == 3010
    server.restart()
    assert server.machine.updates.ubr == 7392
    assert states(server, "Package_for_HotpatchRollup") == {"26100.7392": "Installed"}
    assert remove(server, "26100.7392.") == 3010
    server.restart()
    assert server.machine.updates.ubr == 6899


def test_a_pending_update_is_taken_off_before_its_restart() -> None:
    server = Rehearsal(level="KB5065474")
    server.install("KB5066835")
    assert states(server)["26100.6899"] == "Install Pending"
    assert states(server)["26100.4652"] == "Uninstall Pending"
    assert remove(server, "26100.6899.") == 3010
    assert {build for build, state in states(server).items() if state == "Installed"} == {"26100.4652"}
    assert "26100.6899" not in states(server)
    server.restart()
    assert server.machine.updates.ubr == 6508


def test_an_update_that_is_finished_supersedes_the_one_before_and_its_hotpatches() -> None:
    server = Rehearsal(level="KB5065474")
    server.install("KB5066835")
    server.restart()
    assert states(server)["26100.6899"] == "Installed"
    assert states(server)["26100.4652"] == "Superseded"
    assert states(server, "Package_for_HotpatchRollup") == {"26100.6508": "Superseded"}


@pytest.mark.parametrize(
    ("faults", "part", "code"),
    [
        ([{"kind": "package_permanent", "kb": "KB5072014"}], "26100.7392.", 0x800F0825),
        ([{"kind": "package_permanent", "kb": "KB5066835"}], "26100.6899.", 0x800F0825),
        ([{"kind": "payload_missing"}], "26100.6899.", 0x800F0825),
        ([{"kind": "removal_fails", "hresult": "0x800F0831"}], "26100.7392.", 0x800F0831),
        ([{"kind": "removal_ignored"}], "26100.7392.", 0),
        ([{"kind": "installer_busy"}], "26100.7392.", 0x800F0902),
        ([], "ServicingStack_6891", 0x800F0825),
        ([], "Foundation", 0x800F0825),
    ],
)
def test_what_cannot_be_taken_off_changes_nothing(faults: list[dict[str, Any]], part: str, code: int) -> None:
    server = Rehearsal(level="KB5072014", faults=faults)
    before = listing(server)
    assert remove(server, part, seconds=100) == code
    assert listing(server) == before
    assert server.machine.updates.restart_required is False
    assert [item for item in server.machine.journal.writes if item.kind == "package"] == []


def test_a_permanent_package_is_refused_at_once_and_in_words() -> None:
    server = Rehearsal(level="KB5072014", faults=[{"kind": "package_permanent"}])
    ran = server.run(
        f"dism /Online /Remove-Package /PackageName:{identity_of(server, '.7392.')} /NoRestart", seconds=10
    )
    assert ran.code == 0x800F0825
    assert "Error: 0x800f0825\r\n\r\nPermanent package cannot be uninstalled" in ran.out
    assert "Permanent" not in listing(server).values()


def test_permanence_can_be_shown() -> None:
    server = Rehearsal(level="KB5072014", faults=[{"kind": "package_permanent", "kb": "KB5072014", "shown": True}])
    identity = identity_of(server, ".7392.")
    assert listing(server)[identity] == "Permanent"
    key = rf"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages\{identity}"
    assert "CurrentState    REG_DWORD    0x80" in server.run(f'reg query "{key}" /v CurrentState').out


def test_quiet_without_norestart_restarts_the_server_by_itself() -> None:
    server = Rehearsal(level="KB5072014")
    remove(server, "26100.7392.", options="/quiet", seconds=200)
    server.let_pass(400)
    assert [item.how for item in server.machine.journal.restarts] == ["dism /quiet without /norestart"]
    assert server.machine.updates.ubr == 6899


def test_without_quiet_it_asks_and_the_bar_is_shown() -> None:
    server = Rehearsal(level="KB5072014")
    identity = identity_of(server, ".7392.")
    ran = server.run(f"dism /Online /Remove-Package /PackageName:{identity}", stdin=b"n\r\n", seconds=200)
    assert ran.code == 3010
    assert f"Processing 1 of 1 - Removing package {identity}" in ran.out
    assert "100.0%" in ran.out and "Do you want to restart the computer now? (Y/N)" in ran.out
    assert server.machine.journal.restarts == []


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("dism /Online /Remove-Package /PackageName:Package_for_None~1~amd64~~1.1.1.1", 0x800F0805, "0x800f0805"),
        ("dism /Online /Remove-Package", 87, "requires a valid package name"),
        ("dism /Get-Packages", 87, "missing"),
        ("dism /Online /Get-Package", 87, "get-package option is unknown"),
        ("dism /Online /Get-Packages /Format:XML", 87, "format"),
        ("dism /Online /Get-Features", 1, "does not simulate"),
        ("dism /Online /Add-Package /PackagePath:C:\\none.cab", 3, "0x80070003"),
        ("dism /Image:C:\\mount /Get-Packages", 87, "no images"),
        ("dism", 0, "dism_options"),
        ("wusa /uninstall /kb:5066835 /quiet /norestart", 87, ""),
        ("wusa /uninstall /kb:5000001", 2359303, ""),
        ("wusa C:\\none.msu /quiet", 2, ""),
        ("wusa", 87, ""),
    ],
)
def test_other_uses(line: str, code: int, words: str) -> None:
    ran = Rehearsal().run(line, seconds=20)
    assert ran.code == code
    assert words in ran.out + ran.err


def test_wusa_with_a_dialogue_waits_for_somebody() -> None:
    assert Rehearsal().run("wusa /uninstall /kb:5066835", seconds=600).code is None


def test_a_package_in_detail() -> None:
    server = Rehearsal(level="KB5072014")
    ran = server.run(f"dism /Online /Get-PackageInfo /PackageName:{identity_of(server, '.6899.')}", seconds=20)
    assert "Support Information : https://support.microsoft.com/help/5066835" in ran.out
    assert "State : Installed" in ran.out


def test_a_cleanup_takes_what_is_superseded_and_a_reset_base_makes_the_rest_permanent() -> None:
    server = Rehearsal(level="KB5070881")
    assert server.run("dism /Online /Cleanup-Image /StartComponentCleanup /ResetBase", seconds=200).code == 0
    assert states(server) == {"26100.6905": "Installed"}
    assert remove(server, "26100.6905.") == 0x800F0825


def test_while_a_removal_runs_another_is_refused_and_a_cut_off_one_has_done_nothing() -> None:
    server = Rehearsal(level="KB5072014")
    line = f"dism /Online /Remove-Package /PackageName:{identity_of(server, '.7392.')} /Quiet /NoRestart"
    first = server.machine.start_process(
        line,
        through_cmd=True,
        stdin_console=False,
        codepage=65001,
        user="Administrator",
        environment={},
        directory=None,
    )
    server.let_pass(5)
    names = [row["Name"] for row in server.machine.process_rows()]
    assert "Dism.exe" in names and "TiWorker.exe" in names
    assert server.run(line, seconds=20).code == 0x800F0902
    first.terminate()
    server.let_pass(300)
    assert states(server, "Package_for_HotpatchRollup") == {"26100.7392": "Installed"}
    assert "Dism.exe" not in [row["Name"] for row in server.machine.process_rows()]
    assert remove(server, "26100.7392.") == 3010

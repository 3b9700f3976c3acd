# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What policies do to a server of the lab, and who gave them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import FleetError, server_from
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.policy_effects import AutomaticUpdates
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.policy_values import PLACES, place
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_service import AgentError
from ansible_collections.winops.hotpatch.tests.unit.lab_world.rehearsal import Rehearsal

BEHIND = "KB5065474"
ALL = "IsInstalled=0"
AU = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU"


def found(server: Rehearsal, selection: int = 0) -> set[str]:
    return {offer.kb for offer in server.machine.updates.search(ALL, selection)}


def stands(server: Rehearsal, name: str, key: str = AU) -> tuple[str, Any]:
    value = server.machine.registry.read(key, name)
    assert value is not None
    return value.name, value.data


def os_updates(server: Rehearsal) -> set[str]:
    return {offer.kb for offer in server.machine.updates.search(ALL, 0) if offer.os_update is not None}


# ---- the fleet file


def test_values_stand_where_windows_keeps_them() -> None:
    server = Rehearsal(policy={"auoptions": 3, "WUServer": "http://wsus:8530", "EnableVirtualizationBasedSecurity": 1})
    assert stands(server, "AUOptions") == ("AUOptions", 3)
    assert stands(server, "WUServer", AU.removesuffix(r"\AU")) == ("WUServer", "http://wsus:8530")
    name = "EnableVirtualizationBasedSecurity"
    assert stands(server, name, r"HKLM\SOFTWARE\Policies\Microsoft\Windows\DeviceGuard") == (name, 1)
    assert all(place(name.upper()) == found for name, found in PLACES.items())


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"policy": {"AuOption": 3}}, "no policy value 'AuOption'"),
        ({"policy": {"AUOptions": "3"}}, "must be a number"),
        ({"policy": {"AUOptions": True}}, "must be a number"),
        ({"policy": {"WUServer": 3}}, "must be a text"),
        ({"policy": 3}, "keys and values"),
        ({"domain_policy": {"AUOptions": 3}}, "needs 'domain'"),
        ({"local_update_option": 7}, "from 1 to 5"),
        ({"wsus": "all"}, "list of texts"),
        ({"mdm_policy": {"AllowAutoUpdate": 1.5}}, "a number or a text"),
    ],
)
def test_a_wrong_policy_is_refused_in_words(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(FleetError, match=words):
        server_from({"name": "web01", **keys}, "fleet.yml: web01")


# ---- searches


@pytest.mark.parametrize(
    ("policy", "wsus", "selection", "hresult"),
    [
        ({"DisableWindowsUpdateAccess": 1}, None, 0, 0x8024002E),
        ({"UseWUServer": 1}, None, 0, 0x80244011),
        ({}, None, 1, 0x80244011),
        ({"UseWUServer": 1, "WUServer": "http://wsus"}, None, 0, 0x80072EE2),
        (
            {"UseWUServer": 1, "WUServer": "http://wsus", "DoNotConnectToWindowsUpdateInternetLocations": 1},
            ["all"],
            2,
            0x8024002E,
        ),
        ({"DoNotConnectToWindowsUpdateInternetLocations": 1}, None, 2, None),
        ({"UseWUServer": 1, "WUServer": "http://wsus"}, ["all"], 0, None),
        ({"WUServer": "http://wsus"}, None, 0, None),
    ],
)
def test_searches_that_a_policy_forbids(
    policy: dict[str, Any], wsus: list[str] | None, selection: int, hresult: int | None
) -> None:
    server = Rehearsal(level=BEHIND, policy=policy, wsus=wsus)
    if hresult is None:
        assert found(server, selection)
        return
    with pytest.raises(AgentError) as caught:
        found(server, selection)
    assert caught.value.hresult == hresult


def test_an_update_server_offers_what_was_approved() -> None:
    policy = {"UseWUServer": 1, "WUServer": "http://wsus"}
    everything = found(Rehearsal(level=BEHIND))
    assert found(Rehearsal(level=BEHIND, policy=policy, wsus=["all"])) == everything
    one = sorted(everything)[0]
    assert found(Rehearsal(level=BEHIND, policy=policy, wsus=[one, "KB1000000"])) == {one}
    assert found(Rehearsal(level=BEHIND, policy=policy, wsus=[one]), 2) == everything


def test_a_deferral_holds_releases_back_and_a_pause_holds_all() -> None:
    now = os_updates(Rehearsal(as_of=date(2025, 12, 20)))
    released = date(2025, 12, 9)
    waits = (date(2025, 12, 20) - released).days
    at_once = Rehearsal(policy={"DeferQualityUpdates": 1, "DeferQualityUpdatesPeriodInDays": waits})
    assert os_updates(at_once) == now
    later = Rehearsal(policy={"DeferQualityUpdates": 1, "DeferQualityUpdatesPeriodInDays": waits + 1})
    assert os_updates(later) != now
    off = Rehearsal(policy={"DeferQualityUpdates": 0, "DeferQualityUpdatesPeriodInDays": 30})
    assert os_updates(off) == now
    paused = Rehearsal(policy={"PauseQualityUpdatesStartTime": "2025-12-01"})
    assert os_updates(paused) == set() and found(paused)
    assert os_updates(Rehearsal(policy={"PauseQualityUpdatesStartTime": "2025-11-01"})) == now


def test_windows_reads_what_the_account_may_not() -> None:
    key = r"HKLM\SOFTWARE\Policies\Microsoft\Windows"
    server = Rehearsal(level=BEHIND, policy={"AUOptions": 4}, faults=[{"kind": "registry_denied", "key": key}])
    assert found(server) and server.machine.automatic_updates.scheduled
    update = next(offer for offer in server.machine.updates.search(ALL, 0) if offer.needs_restart)
    server.machine.updates.begin_install(update, "r1", lambda _done: None)
    server.let_pass(3600)
    assert server.machine.updates.restart_pending


# ---- restarts


def test_a_server_with_option_4_installs_and_restarts_by_itself() -> None:
    server = Rehearsal(level=BEHIND, policy={"AUOptions": 4, "ScheduledInstallTime": 13}, second_restart=False)
    machine = server.machine
    server.let_pass(3590)
    assert not machine.journal.installations
    for _passed in server.wait(4 * 3600, 30):
        if machine.power.boots > 1:
            break
    assert machine.journal.installations and all(entry.run_id is None for entry in machine.journal.installations)
    assert [(item.by, item.how) for item in machine.journal.restarts] == [("Windows Update", "scheduled installation")]


@pytest.mark.parametrize(
    "keys",
    [
        {"policy": {"AUOptions": 4, "ScheduledInstallTime": 13, "NoAutoUpdate": 1}},
        {"policy": {"AUOptions": 3, "ScheduledInstallTime": 13}},
        {"policy": {"AUOptions": 7, "ScheduledInstallTime": 13}},
        {"policy": {"AUOptions": 2}, "local_update_option": 4},
        {},
    ],
)
def test_other_options_install_nothing(keys: dict[str, Any]) -> None:
    server = Rehearsal(level=BEHIND, **keys)
    for _passed in server.wait(30 * 3600, 600):
        pass
    assert not server.machine.journal.installations and server.machine.power.boots == 1


@pytest.mark.parametrize("keys", [{"local_update_option": 4}, {"policy": {"AUOptions": 5}, "local_update_option": 4}])
def test_the_servers_own_setting_counts_where_policy_leaves_it(keys: dict[str, Any]) -> None:
    server = Rehearsal(level=BEHIND, **keys)
    assert server.machine.automatic_updates.scheduled


def test_the_schedule_knows_days_and_weeks() -> None:
    policy = {
        "AUOptions": 4,
        "ScheduledInstallDay": 3,
        "ScheduledInstallTime": 22,
        "ScheduledInstallThirdWeek": 1,
    }
    machine = Rehearsal(policy=policy).machine
    moment = AutomaticUpdates(machine)._next()
    assert (moment.isoweekday(), moment.hour, moment.day) == (2, 22, 20)  # Tuesday 20 January 2026
    assert moment - machine.now() < timedelta(days=62)


def test_windows_update_reads_its_policy_when_it_starts() -> None:
    server = Rehearsal(level=BEHIND)
    server.run(rf'reg add "{AU}" /v AUOptions /t REG_DWORD /d 4 /f')
    server.run("sc start wuauserv")
    for _passed in server.wait(16 * 3600, 300):
        pass
    assert server.machine.journal.installations


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        ({"SetComplianceDeadline": 1, "ConfigureDeadlineForQualityUpdates": 2, "ConfigureDeadlineGracePeriod": 1}, 3),
        ({"SetComplianceDeadlineForQU": 1, "ConfigureDeadlineForQualityUpdates": 1}, 1),
        ({"ConfigureDeadlineForQualityUpdates": 1}, None),
    ],
)
def test_a_deadline_restarts_a_server_that_waits(policy: dict[str, Any], days: int | None) -> None:
    server = Rehearsal(level=BEHIND, policy=policy)
    update = next(offer for offer in server.machine.updates.search(ALL, 0) if offer.needs_restart)
    server.machine.updates.download(update, "r1")
    server.machine.updates.begin_install(update, "r1", lambda _done: None)
    server.let_pass(3600)
    assert server.machine.updates.restart_pending
    server.let_pass(2 * 3600)
    assert not server.machine.journal.restarts
    server.let_pass(4 * 86400)
    assert bool(server.machine.journal.restarts) is (days is not None)


# ---- who gave it


def test_rsop_names_the_gpo_of_each_value() -> None:
    server = Rehearsal(
        domain="corp.example", policy={"AUOptions": 3}, domain_policy={"AUOptions": 4, "WUServer": "http://wsus"}
    )
    machine = server.machine
    rows = machine.query("root/rsop/computer", "SELECT * FROM RSOP_RegistryPolicySetting", None)
    by_name = {row.value("valueName"): row for row in rows}
    assert set(by_name) == {"AUOptions", "WUServer"}
    assert by_name["AUOptions"].value("registryKey") == r"Software\Policies\Microsoft\Windows\WindowsUpdate\AU"
    (policy,) = machine.query("root/rsop/computer", "SELECT id, name FROM RSOP_GPO", None)
    assert by_name["AUOptions"].value("GPOID") == policy.value("id")
    assert stands(server, "AUOptions") == ("AUOptions", 4)


def test_group_policy_writes_a_changed_value_back_only_when_forced() -> None:
    server = Rehearsal(domain="corp.example", domain_policy={"AUOptions": 4})
    server.run(rf'reg add "{AU}" /v AUOptions /t REG_DWORD /d 3 /f')
    assert server.run("gpupdate /target:computer").code == 0
    assert stands(server, "AUOptions") == ("AUOptions", 3)
    server.run("gpupdate /force")
    assert stands(server, "AUOptions") == ("AUOptions", 4)
    assert server.run("gpupdate /sync").code == 1


def test_a_server_without_a_domain_has_no_results_of_policy() -> None:
    machine = Rehearsal().machine
    assert machine.query("root/rsop/computer", "SELECT * FROM RSOP_RegistryPolicySetting", None) == []
    assert machine.query("root/rsop/computer", "SELECT * FROM RSOP_GPO", None) == []

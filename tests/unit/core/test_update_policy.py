# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The update_policy core: what it writes, what it refuses before it writes, and what it says of the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import update_policy
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import settings_from_options
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Fault, InvalidInput, Refused
from tests.unit.guest.fake_server import Clock
from tests.unit.guest.policy_server import AU, LOCAL, MDM, UPDATE, PolicyServer


class Run:
    """One call of the core on a server, and what it warned of."""

    def __init__(self, server: PolicyServer, *, check: bool = False, **options: Any) -> None:
        self.warnings: list[str] = []
        clock = Clock()
        params = {name: option.get("default") for name, option in update_policy.SPEC.argument_spec.items()}
        params |= {"address": "web01", "username": "Administrator", "password": "x", **options}
        self.call = Call(
            params=params,
            name="web01",
            settings=settings_from_options(params),
            check_mode=check,
            warn=self.warnings.append,
            sleep=clock.sleep,
            monotonic=clock,
            client_class=cast(Any, lambda *_args, **_more: server.connect()),
        )

    def __call__(self) -> dict[str, Any]:
        return update_policy.run(self.call)


def run(server: PolicyServer, **options: Any) -> dict[str, Any]:
    return Run(server, **options)()


def scheduled(**more: int | str) -> PolicyServer:
    return PolicyServer({AU: {"AUOptions": 4, "NoAutoUpdate": 0, **more}})


def test_a_change_is_written_read_back_and_taken_up() -> None:
    server = scheduled(ScheduledInstallDay=1)
    result = run(server, automatic_updates="download", defer_quality_updates_days=3, not_configured=["install_day"])
    assert result["changed"] is True
    assert server.values(AU) == {"AUOptions": 3, "NoAutoUpdate": 0}
    assert server.values(UPDATE) == {"DeferQualityUpdates": 1, "DeferQualityUpdatesPeriodInDays": 3}
    assert result["diff"] == {
        "before": {
            "AUOptions": 4,
            "DeferQualityUpdates": "not configured",
            "DeferQualityUpdatesPeriodInDays": "not configured",
            "ScheduledInstallDay": 1,
        },
        "after": {
            "AUOptions": 3,
            "DeferQualityUpdates": 1,
            "DeferQualityUpdatesPeriodInDays": 3,
            "ScheduledInstallDay": "not configured",
        },
    }
    assert result["service"]["restarted"] is True and "sc start wuauserv" in server.command_lines
    assert result["effective"]["automatic_updates"]["value"] == "download"
    assert result["restarts_by_itself"] == [] and result["may_restart"] == []


def test_a_second_time_changes_nothing() -> None:
    server = scheduled()
    options = {
        "automatic_updates": "notify_restart",
        "wsus_server": "http://wsus",
        "wsus_status_server": "http://wsus",
        "use_wsus": True,
    }
    assert run(server, **options)["changed"] is True
    server.written.clear()
    server.command_lines.clear()
    again = run(server, **options)
    assert again["changed"] is False and "diff" not in again
    assert server.written == [] and not [line for line in server.command_lines if line.startswith("sc ")]


def test_check_mode_says_the_same_and_writes_nothing() -> None:
    server = scheduled()
    options: dict[str, Any] = {"automatic_updates": "disabled", "never_restart": True}
    predicted = run(server, check=True, **options)
    assert server.written == [] and not [line for line in server.command_lines if line.startswith("sc ")]
    done = run(server, **options)
    same = ("changed", "diff", "effective", "restarts_by_itself", "may_restart", "cautions", "conflicts")
    assert {key: predicted[key] for key in same} == {key: done[key] for key in same}


def test_without_options_it_only_reads() -> None:
    server = PolicyServer({AU: {"AUOptions": 3}, LOCAL: {"AUOptions": 4}, MDM: {"AllowAutoUpdate": 2}})
    result = run(server)
    assert result["changed"] is False and server.written == []
    found = result["effective"]["automatic_updates"]
    assert found["value"] == "download" and len(found["loses"]) == 2
    assert result["service"] == {"restarted": False, "due": False, "words": "Nothing changed."}


def test_the_service_can_be_left_alone_and_is_then_due() -> None:
    server = scheduled()
    told = Run(server, automatic_updates="download", restart_service=False)
    result = told()
    assert result["service"]["due"] is True and result["service"]["words"] in told.warnings
    assert not [line for line in server.command_lines if line.startswith("sc ")]


# ---- the never-restart mode

RISKY: list[tuple[Mapping[str, int | str], dict[str, Any], set[str]]] = [
    ({"AUOptions": 4}, {}, {"automatic_updates"}),
    (
        {"AUOptions": 4, "AlwaysAutoRebootAtScheduledTime": 1},
        {},
        {"automatic_updates", "always_restart_at_scheduled_time"},
    ),
    ({"AUOptions": 9}, {}, {"automatic_updates"}),
    ({"AUOptions": 3}, {"automatic_updates": "schedule"}, {"automatic_updates"}),
    ({"AUOptions": 3}, {"quality_deadline_days": 2}, {"quality_deadline_days"}),
    ({"AUOptions": 3}, {"restart_deadline_days": 7}, {"restart_deadline_days"}),
    ({"AUOptions": 4}, {"defer_quality_updates_days": 5}, {"automatic_updates"}),
]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("values", "options", "named"), RISKY)
def test_a_setting_that_restarts_the_server_is_refused_before_anything_is_written(
    values: Mapping[str, int | str], options: dict[str, Any], named: set[str], check: bool
) -> None:
    server = PolicyServer({AU: values})
    with pytest.raises(Refused) as caught:
        run(server, check=check, never_restart=True, **options)
    assert caught.value.code == "restart_policy" and caught.value.changed is False
    risks = [*caught.value.details["restarts_by_itself"], *caught.value.details["may_restart"]]
    assert {risk["setting"] for risk in risks} == named
    assert all(risk["words"] in caught.value.message and risk["remedy"] in caught.value.message for risk in risks)
    assert server.written == [] and server.values(AU) == values


def test_what_takes_the_risk_away_is_not_refused() -> None:
    server = scheduled(AlwaysAutoRebootAtScheduledTime=1)
    result = run(server, automatic_updates="download", always_restart_at_scheduled_time=False, never_restart=True)
    assert result["changed"] is True and result["restarts_by_itself"] == []


def test_the_same_settings_are_named_where_nothing_is_refused() -> None:
    result = run(scheduled(AlwaysAutoRebootAtScheduledTime=1))
    assert [risk["value_name"] for risk in result["restarts_by_itself"]] == [
        "AlwaysAutoRebootAtScheduledTime",
        "AUOptions",
    ]


# ---- the domain


def test_what_the_domain_has_otherwise_is_refused() -> None:
    server = PolicyServer()
    server.domain(AUOptions=4)
    with pytest.raises(Refused) as caught:
        run(server, automatic_updates="download")
    assert caught.value.code == "domain_policy" and "Servers - Windows Update" in caught.value.message
    assert caught.value.details["effective"]["automatic_updates"]["source"] == "domain_policy"
    assert server.written == []


def test_what_the_domain_does_not_have_is_written() -> None:
    server = PolicyServer()
    server.domain(AUOptions=3, NoAutoUpdate=0)
    told = Run(server, automatic_updates="download", exclude_drivers=True)
    assert told()["changed"] is True and told.warnings == []
    assert server.values(UPDATE) == {"ExcludeWUDriversInQualityUpdate": 1}


def test_a_conflict_can_be_a_warning() -> None:
    server = PolicyServer()
    server.domain(AUOptions=4, NoAutoUpdate=0)
    told = Run(server, automatic_updates="download", domain_conflict="warn")
    result = told()
    assert result["changed"] is True and server.values(AU)["AUOptions"] == 3
    assert result["conflicts"] == told.warnings and "gpupdate /force" in told.warnings[0]
    # Again: nothing to write, and still said.
    again = Run(server, automatic_updates="download", domain_conflict="warn")
    assert again()["changed"] is False and again.warnings == told.warnings


def test_what_group_policy_writes_back_is_no_safe_state() -> None:
    server = PolicyServer()
    server.domain(AUOptions=4, NoAutoUpdate=0)
    options: dict[str, Any] = {"automatic_updates": "download", "domain_conflict": "warn"}
    with pytest.raises(Refused, match="Group Policy writes it back") as caught:
        run(server, never_restart=True, **options)
    assert caught.value.code == "restart_policy" and server.written == []
    result = run(server, **options)
    assert result["restarts_by_itself"] == []
    (risk,) = result["may_restart"]
    assert (risk["setting"], risk["value"]) == ("automatic_updates", 4) and "Group Policy object" in risk["remedy"]
    # A policy that takes the harmless value away leaves what the server itself has.
    away = PolicyServer({AU: {"AUOptions": 3}, LOCAL: {"AUOptions": 4}})
    away.domain()
    away.rsop("AUOptions", None)
    assert [risk["source"] for risk in run(away)["may_restart"]] == ["server_setting"]


def test_where_rsop_cannot_be_read_that_is_said() -> None:
    server = PolicyServer()
    server.domain()
    server.rows["RSOP_RegistryPolicySetting"] = Fault("invalid namespace", code="0x8004100E")
    told = Run(server, automatic_updates="download")
    told()
    assert any("could not be read" in words for words in told.warnings)


# ---- what is wrong


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"install_time": 24}, "install_time must be from 0 to 23"),
        ({"install_time": 24, "wsus_server": "wsus"}, "wsus_server must be an address"),
        ({"install_time": 3, "not_configured": ["install_time"]}, "at once"),
        ({"use_wsus": True}, "use_wsus without wsus_server"),
        ({"use_wsus": True, "wsus_server": "http://wsus"}, "only together with wsus_status_server"),
        ({"active_hours_start": 8}, "belong together"),
        ({"active_hours_start": 8, "active_hours_end": 8}, "from 1 to 18 hours"),
        ({"active_hours_start": 8, "active_hours_end": 3}, "from 1 to 18 hours"),
    ],
)
def test_wrong_options_are_said_and_nothing_is_written(options: dict[str, Any], words: str) -> None:
    server = PolicyServer()
    with pytest.raises(InvalidInput, match=words):
        run(server, **options)
    assert server.written == []


def test_old_mistakes_that_are_not_touched_do_not_stop_a_change() -> None:
    server = PolicyServer({AU: {"UseWUServer": 1}})
    assert run(server, exclude_drivers=True)["changed"] is True


def test_all_stands_for_what_is_not_set() -> None:
    server = PolicyServer(
        {AU: {"AUOptions": 4, "AlwaysAutoRebootAtScheduledTime": 1, "UseWUServer": 1}, UPDATE: {"WUServer": "http://w"}}
    )
    run(server, automatic_updates="download", not_configured=["all"], never_restart=True)
    assert server.values(AU) == {"AUOptions": 3, "NoAutoUpdate": 0} and server.values(UPDATE) == {}


def test_a_refused_write_says_what_was_written_before() -> None:
    server = PolicyServer()
    invoke = server._invoke

    def refuse(method: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        return {"ReturnValue": "5"} if params.get("sValueName", "").startswith("Exclude") else invoke(method, params)

    server.invocations = refuse
    with pytest.raises(Fault, match="access denied") as caught:
        run(server, automatic_updates="download", exclude_drivers=True)
    assert caught.value.changed is True and caught.value.details == {"written": ["AUOptions"]}


def test_a_value_that_is_written_over_at_once_is_an_error() -> None:
    server = PolicyServer()
    invoke = server._invoke

    def stubborn(method: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        answer = invoke(method, params)
        if method == "SetDWORDValue" and params["sValueName"] == "AUOptions":
            server.registry[AU]["AUOptions"] = 4
        return answer

    server.invocations = stubborn
    with pytest.raises(Fault, match="AUOptions") as caught:
        run(server, automatic_updates="download")
    assert caught.value.code == "not_kept" and caught.value.changed is True

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of Windows Update settings: each option to its values and back, and what a change leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._core import update_policy
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.effective_policy import (
    Owner,
    PolicyReading,
    doubts,
    effective,
    refused_by_domain,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.restart_policy import restarts_by_itself
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_settings import (
    BY_OPTION,
    PLACES,
    SETTINGS,
    Setting,
    changes,
    is_text,
    problem,
    read_settings,
    say,
    target,
    writes_for,
)

WEEKS = ["first", "second", "third", "fourth"]


def given_for(setting: Setting) -> st.SearchStrategy[Any]:
    """Everything a person may give an option."""
    if setting.kind == "choice":
        return st.sampled_from(list(setting.choices))
    if setting.kind == "weeks":
        return st.one_of(st.just(["every"]), st.lists(st.sampled_from(WEEKS), min_size=1, max_size=3, unique=True))
    if setting.kind == "bool":
        return st.booleans()
    if setting.kind == "int":
        return st.integers(setting.low, setting.high)
    if setting.kind == "date":
        return st.dates().map(lambda day: day.isoformat())
    return st.just("http://wsus.example:8530")


WANTED = st.fixed_dictionaries({}, optional={item.option: given_for(item) for item in SETTINGS})


def test_the_documented_names_of_windows() -> None:
    """By hand from WindowsUpdate.admx and Microsoft Learn, so that a slip in the table shows."""
    written = {
        "schedule": writes_for("automatic_updates", "schedule"),
        "off": writes_for("automatic_updates", "disabled"),
        "saturday": writes_for("install_day", "saturday"),
        "defer": writes_for("defer_quality_updates_days", 7),
        "hours": writes_for("active_hours_start", 8),
        "deadline": writes_for("quality_deadline_days", 2),
        "before": writes_for("no_restart_before_deadline", True),
        "source": writes_for("quality_updates_source", "windows_update"),
        "group": writes_for("target_group", "Servers"),
        "weeks": writes_for("install_weeks", ["second", "fourth"]),
    }
    assert written == {
        "schedule": {"noautoupdate": 0, "auoptions": 4},
        "off": {"noautoupdate": 1, "auoptions": None},
        "saturday": {"scheduledinstallday": 7},
        "defer": {"deferqualityupdatesperiodindays": 7, "deferqualityupdates": 1},
        "hours": {"activehoursstart": 8, "setactivehours": 1},
        "deadline": {
            "configuredeadlineforqualityupdates": 2,
            "setcompliancedeadlineforqu": 1,
            "setcompliancedeadline": 1,
        },
        "before": {"configuredeadlinenoautorebootforqualityupdates": 1, "configuredeadlinenoautoreboot": 1},
        "source": {"setpolicydrivenupdatesourceforqualityupdates": 0, "useupdateclasspolicysource": 1},
        "group": {"targetgroup": "Servers", "targetgroupenabled": 1},
        "weeks": {
            "scheduledinstalleveryweek": None,
            "scheduledinstallfirstweek": None,
            "scheduledinstallsecondweek": 1,
            "scheduledinstallthirdweek": None,
            "scheduledinstallfourthweek": 1,
        },
    }
    below = {PLACES[name][1] for name in PLACES if PLACES[name][0].endswith(r"\AU")}
    assert {
        "AUOptions",
        "UseWUServer",
        "NoAutoUpdate",
        "UseUpdateClassPolicySource",
        "DetectionFrequencyEnabled",
    } <= below
    assert not {"WUServer", "SetActiveHours", "DeferQualityUpdates", "SetComplianceDeadline"} & below
    assert {PLACES[name][1] for name in PLACES if is_text(name)} == {
        "WUServer",
        "WUStatusServer",
        "TargetGroup",
        "PauseQualityUpdatesStartTime",
    }


@settings(deadline=None)
@given(WANTED)
def test_what_is_set_is_read_back_and_setting_it_again_changes_nothing(wanted: dict[str, Any]) -> None:
    after = target(wanted, [], {})
    said = read_settings(after)
    weeks = {key: sorted(value) for key, value in said.items() if isinstance(value, list)}
    expected = {key: sorted(value) if isinstance(value, list) else value for key, value in wanted.items()}
    assert said | weeks == expected
    assert changes(after, target(wanted, [], after)) == {}
    assert all(name in PLACES for name in after)
    assert all(isinstance(data, str) == is_text(name) for name, data in after.items())


@settings(deadline=None)
@given(WANTED, WANTED)
def test_not_configured_takes_all_of_a_setting_and_nothing_of_another(a: dict[str, Any], b: dict[str, Any]) -> None:
    others = {key: value for key, value in b.items() if key not in a}
    without = target(others, [], {})
    both = target(a, [], without)
    left = target({}, list(a), both)
    assert read_settings(left) == read_settings(without)
    assert target({}, list(BY_OPTION), both) == {}


def test_a_flag_stays_while_somebody_else_uses_it() -> None:
    values = target({"quality_deadline_days": 3}, [], {}) | {"configuredeadlineforfeatureupdates": 7}
    left = target({}, ["quality_deadline_days"], values)
    assert left == {"configuredeadlineforfeatureupdates": 7, "setcompliancedeadline": 1}
    hours = target({"active_hours_start": 8, "active_hours_end": 18}, [], {})
    assert target({}, ["active_hours_end"], hours) == {"activehoursstart": 8, "setactivehours": 1}


def test_a_value_whose_flag_is_off_says_nothing() -> None:
    assert read_settings({"deferqualityupdatesperiodindays": 7, "deferqualityupdates": 0}) == {}
    assert read_settings({"deferqualityupdatesperiodindays": 7}) == {}


def test_a_value_that_is_not_understood_is_shown_as_it_is() -> None:
    said = read_settings({"auoptions": 9, "usewuserver": 2, "scheduledinstallday": "monday", "exclude": 1})
    assert said == {"automatic_updates": 9, "use_wsus": 2, "install_day": "monday"}


@pytest.mark.parametrize(
    ("option", "given", "words"),
    [
        ("install_time", 24, "from 0 to 23"),
        ("install_time", -1, "from 0 to 23"),
        ("detection_frequency_hours", 0, "from 1 to 22"),
        ("always_restart_minutes", 14, "from 15 to 180"),
        ("defer_quality_updates_days", 31, "from 0 to 30"),
        ("pause_quality_updates_from", "20.12.2025", "a day such as"),
        ("install_weeks", [], "every, or one"),
        ("install_weeks", ["every", "first"], "every, or one"),
        ("wsus_server", "wsus:8530", "begins with http"),
        ("wsus_server", "", "not empty"),
        ("target_group", "a\nb", "one line"),
    ],
)
def test_wrong_values_are_said(option: str, given: Any, words: str) -> None:
    assert words in (problem(option, given) or "")


def test_the_module_has_exactly_the_options_of_the_table() -> None:
    spec = update_policy.SPEC.argument_spec
    assert set(BY_OPTION) <= set(spec)
    assert spec["not_configured"]["choices"] == ["all", *BY_OPTION]
    for setting in SETTINGS:
        assert "default" not in spec[setting.option], "left out means left alone"
        assert say(setting, True).endswith(".")


def test_the_role_knows_every_option() -> None:
    role = Path(__file__).resolve().parents[3] / "roles" / "configure_update_policy"
    known = yaml.safe_load((role / "vars" / "main.yml").read_text(encoding="utf-8"))
    assert known["configure_update_policy_options"] == list(BY_OPTION)
    tasks = yaml.safe_load((role / "tasks" / "main.yml").read_text(encoding="utf-8"))
    options = next(task["winops.hotpatch.update_policy"] for task in tasks if "winops.hotpatch.update_policy" in task)
    assert set(BY_OPTION) <= set(options)
    for preset in known["configure_update_policy_presets"].values():
        assert set(preset["settings"]) | set(preset["not_configured"]) <= set(BY_OPTION)
        assert not set(preset["settings"]) & set(preset["not_configured"])


# ---- which place decides


def reading(**more: Any) -> PolicyReading:
    return PolicyReading(**{"values": {}, "local": {}, "mdm": {}, "member": False, "owners": {}, **more})


def test_policy_wins_over_management_and_the_servers_own_setting() -> None:
    everywhere = reading(values={"auoptions": 3}, mdm={"allowautoupdate": 2}, local={"auoptions": 4})
    found = effective(everywhere)["automatic_updates"]
    assert (found["value"], found["source"]) == ("download", "policy")
    assert [(each["value"], each["source"]) for each in found["loses"]] == [
        ("install_and_restart", "device_management"),
        ("schedule", "server_setting"),
    ]
    managed = effective(reading(mdm={"allowautoupdate": 2}, local={"auoptions": 3}))["automatic_updates"]
    assert (managed["value"], managed["source"]) == ("install_and_restart", "device_management")
    own = effective(reading(local={"auoptions": 4}))["automatic_updates"]
    assert (own["value"], own["source"]) == ("schedule", "server_setting")
    assert effective(reading()) == {}


def test_a_policy_that_leaves_it_to_the_server_lets_the_server_win() -> None:
    found = effective(reading(values={"auoptions": 5}, mdm={"allowautoupdate": 2}, local={"auoptions": 4}))
    assert found["automatic_updates"]["source"] == "server_setting"
    assert {each["source"] for each in found["automatic_updates"]["loses"]} == {"policy", "device_management"}


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["auoptions", "noautoupdate"]), st.integers(0, 8)),
    st.dictionaries(st.just("auoptions"), st.integers(0, 5)),
    st.dictionaries(st.just("allowautoupdate"), st.integers(0, 6)),
)
def test_what_decides_and_what_restarts_agree(values: Any, local: Any, mdm: Any) -> None:
    """Two ways to one answer: the setting that wins installs by itself exactly when the rule says so."""
    place = reading(values=values, local=local, mdm=mdm)
    winner = effective(place).get("automatic_updates", {}).get("value")
    installs = {"schedule", "install_and_notify_restart", "install_and_restart", "install_and_restart_without_control"}
    assert (restarts_by_itself(place.as_facts()) is True) is (winner in installs)


def test_the_gpo_of_a_value_is_named_and_a_change_against_it_refused() -> None:
    owner = Owner("Servers - Windows Update", True, 4)
    place = reading(values={"auoptions": 4, "noautoupdate": 0}, member=True, owners={"auoptions": owner})
    found = effective(place)["automatic_updates"]
    assert (found["source"], found["value"]) == ("domain_policy", "schedule")
    assert "Servers - Windows Update" in found["source_words"]
    assert refused_by_domain(place, {"auoptions": 3}) == [
        "AUOptions is 4 by the Group Policy object Servers - Windows Update."
    ]
    assert refused_by_domain(place, {"auoptions": None}) and not refused_by_domain(place, {"auoptions": 4})
    assert not refused_by_domain(place, {"usewuserver": 1})
    (words,) = doubts(place, {"auoptions": 3}, {})
    assert "gpupdate /force" in words and "4" in words and "3" in words
    assert doubts(place, place.values, {}) == []


def test_local_group_policy_does_not_refuse_but_is_said() -> None:
    place = reading(values={"auoptions": 3}, owners={"auoptions": Owner("Local Group Policy", False, 3)})
    assert effective(place)["automatic_updates"]["source"] == "local_group_policy"
    assert refused_by_domain(place, {"auoptions": 4}) == []
    assert "local Group Policy" in doubts(place, {"auoptions": 4}, {"auoptions": 4})[0]


@pytest.mark.parametrize(("member", "said"), [(True, True), (None, True), (False, False)])
def test_where_nobody_can_tell_whose_a_value_is_that_is_said(member: bool | None, said: bool) -> None:
    place = reading(values={"auoptions": 3}, member=member, owners=None)
    assert bool(doubts(place, {"auoptions": 4}, {"auoptions": 4})) is said
    assert doubts(place, place.values, {}) == []
    assert ("could not be read" in effective(place)["automatic_updates"]["source_words"]) is said

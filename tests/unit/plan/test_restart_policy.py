# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings restart a server by themselves: a table of what is known, and what holds for everything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.restart_policy import (
    Likelihood,
    of_likelihood,
    restart_risks,
    restarts_by_itself,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_settings import BY_OPTION, PLACES, SETTINGS

ALWAYS = "AlwaysAutoRebootAtScheduledTime"
AUTO = "automatic_updates"
Found = list[tuple[str, str, str]]

#: policy values, the server's own, device management -> (likelihood, option, source) of each risk.
TABLE: list[tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None, Found]] = [
    # Configure Automatic Updates: 4 alone installs and restarts by itself.
    ({"AUOptions": 4}, {}, {}, [("yes", AUTO, "policy")]),
    ({"AUOptions": 4, "NoAutoRebootWithLoggedOnUsers": 1}, {}, {}, [("yes", AUTO, "policy")]),
    ({"AUOptions": 4, "SetActiveHours": 1, "ActiveHoursStart": 6}, {}, {}, [("yes", AUTO, "policy")]),
    ({"AUOptions": 4, "NoAutoUpdate": 1}, {}, {}, []),
    ({"AUOptions": 4, "NoAutoUpdate": 0}, {}, {}, [("yes", AUTO, "policy")]),
    ({"NoAutoUpdate": 1}, {"AUOptions": 4}, {"AllowAutoUpdate": 2}, []),
    ({"AUOptions": 2}, {"AUOptions": 4}, {}, [("caution", AUTO, "policy")]),
    ({"AUOptions": 3}, {"AUOptions": 4}, {"AllowAutoUpdate": 2}, []),
    ({"AUOptions": 7}, {"AUOptions": 4}, {}, []),
    ({"AUOptions": 1}, {}, {}, []),
    ({"AUOptions": 6}, {}, {}, [("unknown", AUTO, "policy")]),
    ({"AUOptions": "4"}, {}, {}, [("unknown", AUTO, "policy")]),
    ({"NoAutoUpdate": 2}, {"AUOptions": 3}, {}, [("unknown", AUTO, "policy")]),
    # Where policy leaves it to the server, its own setting counts.
    ({"AUOptions": 5}, {"AUOptions": 4}, {"AllowAutoUpdate": 5}, [("yes", AUTO, "server_setting")]),
    ({"AUOptions": 5}, {"AUOptions": 3}, {}, []),
    ({"AUOptions": 5}, {}, {}, [("caution", AUTO, "server_setting")]),
    ({"AUOptions": 5}, None, {}, [("unknown", AUTO, "server_setting")]),
    ({}, {"AUOptions": 4}, {}, [("yes", AUTO, "server_setting")]),
    ({}, {"AUOptions": 2}, {}, [("caution", AUTO, "server_setting")]),
    ({}, {"AUOptions": 1}, {}, []),
    ({}, {"AUOptions": 9}, {}, [("unknown", AUTO, "server_setting")]),
    ({}, {}, {}, [("caution", AUTO, "server_setting")]),
    # A device management stands between them.
    *[({}, {"AUOptions": 3}, {"AllowAutoUpdate": n}, [("yes", AUTO, "device_management")]) for n in (1, 2, 3, 4)],
    *[({}, {"AUOptions": 4}, {"AllowAutoUpdate": n}, []) for n in (0, 5)],
    ({}, {"AUOptions": 3}, {"AllowAutoUpdate": 6}, [("unknown", AUTO, "device_management")]),
    ({}, {"AUOptions": 3}, None, [("unknown", AUTO, "device_management")]),
    ({"AUOptions": 3}, None, None, []),
    # Always restart.
    ({"AUOptions": 3, ALWAYS: 1}, {}, {}, [("yes", "always_restart_at_scheduled_time", "policy")]),
    ({"NoAutoUpdate": 1, ALWAYS: 1}, {}, {}, [("yes", "always_restart_at_scheduled_time", "policy")]),
    ({"AUOptions": 3, ALWAYS: 0}, {}, {}, []),
    ({"AUOptions": 3, ALWAYS: "1"}, {}, {}, [("unknown", "always_restart_at_scheduled_time", "policy")]),
    # Deadlines, under both names of the switch; "no restart before the deadline" only moves it.
    *[
        (
            {"AUOptions": 3, flag: 1, "ConfigureDeadlineForQualityUpdates": 2, **more},
            {},
            {},
            [("yes", "quality_deadline_days", "policy")],
        )
        for flag in ("SetComplianceDeadline", "SetComplianceDeadlineForQU")
        for more in ({}, {"ConfigureDeadlineNoAutoReboot": 1, "ConfigureDeadlineNoAutoRebootForQualityUpdates": 1})
    ],
    (
        {"AUOptions": 3, "ConfigureDeadlineForQualityUpdates": 2},
        {},
        {},
        [("unknown", "quality_deadline_days", "policy")],
    ),
    ({"AUOptions": 3, "SetComplianceDeadline": 0, "ConfigureDeadlineForQualityUpdates": 2}, {}, {}, []),
    ({"AUOptions": 3, "SetComplianceDeadline": 1}, {}, {}, [("unknown", "quality_deadline_days", "policy")]),
    ({"AUOptions": 3, "SetComplianceDeadline": "x"}, {}, {}, [("unknown", "quality_deadline_days", "policy")]),
    (
        {"AUOptions": 3, "SetComplianceDeadline": 1, "ConfigureDeadlineForFeatureUpdates": 7},
        {},
        {},
        [("caution", "quality_deadline_days", "policy")],
    ),
    (
        {"AUOptions": 3},
        {},
        {"ConfigureDeadlineForQualityUpdates": 7},
        [("yes", "quality_deadline_days", "device_management")],
    ),
    # The older deadlines.
    (
        {"AUOptions": 3, "SetAutoRestartDeadline": 1, "AutoRestartDeadlinePeriodInDays": 7},
        {},
        {},
        [("yes", "restart_deadline_days", "policy")],
    ),
    ({"AUOptions": 3, "SetAutoRestartDeadline": 1}, {}, {}, [("unknown", "restart_deadline_days", "policy")]),
    ({"AUOptions": 3, "SetAutoRestartDeadline": 0, "AutoRestartDeadlinePeriodInDays": 7}, {}, {}, []),
    (
        {"AUOptions": 3, "SetEngagedRestartTransitionSchedule": 1, "EngagedRestartDeadline": 14},
        {},
        {},
        [("yes", "engaged_restart_deadline_days", "policy")],
    ),
    ({"AUOptions": 3, "SetEngagedRestartTransitionSchedule": 1, "EngagedRestartDeadline": 0}, {}, {}, []),
    ({"AUOptions": 3}, {}, {"EngagedRestartDeadline": 0}, []),
    (
        {"AUOptions": 3},
        {},
        {"EngagedRestartDeadline": 5},
        [("yes", "engaged_restart_deadline_days", "device_management")],
    ),
    # All at once.
    (
        {"AUOptions": 4, ALWAYS: 1, "SetComplianceDeadline": 1, "ConfigureDeadlineForQualityUpdates": 0},
        {},
        {},
        [
            ("yes", "always_restart_at_scheduled_time", "policy"),
            ("yes", AUTO, "policy"),
            ("yes", "quality_deadline_days", "policy"),
        ],
    ),
]


def facts(values: Any, local: Any, mdm: Any) -> dict[str, Any]:
    return {"readable": True, "values": values, "local": local, "mdm": mdm}


@pytest.mark.parametrize(("values", "local", "mdm", "expected"), TABLE)
def test_the_table(values: Any, local: Any, mdm: Any, expected: Found) -> None:
    risks = restart_risks(facts(values, local, mdm))
    assert risks is not None
    assert [(risk.likelihood.value, risk.setting, risk.source) for risk in risks] == expected
    levels = {level for level, _setting, _source in expected}
    assert restarts_by_itself(facts(values, local, mdm)) is (
        True if "yes" in levels else None if "unknown" in levels else False
    )
    for risk in risks:
        assert risk.setting in BY_OPTION and risk.words.endswith(".") and risk.remedy.endswith(".")
        assert json.loads(json.dumps(risk.as_dict())) == risk.as_dict()


@pytest.mark.parametrize("policy", [None, {}, {"readable": None}, {"readable": False, "values": {}}, {"values": {}}])
def test_what_was_not_read_has_no_answer(policy: Any) -> None:
    assert restart_risks(policy) is None and restarts_by_itself(policy) is None


@pytest.mark.parametrize(
    ("older", "answer"),
    [
        ({"always_auto_reboot": None}, False),
        ({"always_auto_reboot": True}, True),
        ({"always_auto_reboot": "1"}, None),
        ({"always_auto_reboot": False, "au_options": 4, "no_auto_update": False}, True),
        ({"always_auto_reboot": False, "au_options": 4, "no_auto_update": True}, False),
        ({"au_options": 3}, False),
    ],
)
def test_facts_of_an_older_form(older: dict[str, Any], answer: bool | None) -> None:
    assert restarts_by_itself({"readable": True, **older}) is answer


def test_names_count_without_case() -> None:
    assert restarts_by_itself(facts({"auoptions": 4}, {}, {})) is True


DATA = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 200), st.text(max_size=3), st.lists(st.integers(), max_size=1)
)
VALUES = st.dictionaries(st.sampled_from([name for _key, name in PLACES.values()]), DATA, max_size=6)
MDM = st.dictionaries(st.sampled_from([item.mdm for item in SETTINGS if item.mdm]), DATA, max_size=3)


@settings(deadline=None)
@given(VALUES, st.one_of(st.none(), st.dictionaries(st.just("AUOptions"), DATA)), st.one_of(st.none(), MDM))
def test_an_answer_is_given_to_anything(values: Any, local: Any, mdm: Any) -> None:
    risks = restart_risks(facts(values, local, mdm))
    assert risks is not None
    answer = restarts_by_itself(facts(values, local, mdm))
    assert (answer is False) is (
        not of_likelihood(risks, Likelihood.YES) and not of_likelihood(risks, Likelihood.UNKNOWN)
    )
    # Nothing that a person set can be taken for harmless because something else was set as well.
    if values.get(ALWAYS) == 1 and values.get(ALWAYS) is not True:
        assert answer is True


@settings(deadline=None)
@given(VALUES)
def test_a_harmless_answer_never_hides_option_4(values: Any) -> None:
    values = {**values, "AUOptions": 4}
    if restarts_by_itself(facts(values, {}, {})) is False:
        assert values.get("NoAutoUpdate") == 1

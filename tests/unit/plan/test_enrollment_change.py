# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent for each way a machine can stand, and that a second run sends nothing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.enrollment_change import (
    Enrollment,
    after,
    plan_enrollment,
    read_enrollment,
    reenrollment_rule,
)

CREATE, LICENCE, SWITCH = "create_profile", "update_profile", "update_machine"
STATUSES = (None, "Unknown", "Enabling", "Enabled", "Disabling", "Disabled", "Failed")


def profile(status: str | None, *, name: str = "Hotpatch", **feature: Any) -> dict[str, Any]:
    features = [] if status is None else [{"name": name, "subscriptionStatus": status, **feature}]
    product = {"productType": "WindowsServer", "subscriptionStatus": "Enabled", "productFeatures": features}
    return {"properties": {"softwareAssurance": {"softwareAssuranceCustomer": True}, "productProfile": product}}


def machine(switch: bool | None = None, *, agent: str = "Connected") -> dict[str, Any]:
    settings = {} if switch is None else {"enableHotpatching": switch}
    configuration = {"patchSettings": settings}
    return {"properties": {"status": agent, "osProfile": {"windowsConfiguration": configuration}}}


def standing(status: str | None, switch: bool | None, *, has_profile: bool = True) -> Enrollment:
    return read_enrollment(profile(status) if has_profile else None, machine(switch))


@pytest.mark.parametrize(
    ("status", "switch", "has_profile", "state"),
    [
        (None, None, False, "not_enrolled"),
        (None, True, True, "not_enrolled"),
        ("Disabled", True, True, "not_enrolled"),
        ("Enabling", True, True, "enrolling"),
        ("Enabled", True, True, "enrolled"),
        ("Enabled", False, True, "paused"),
        ("Enabled", None, True, "half_enrolled"),
        ("Disabling", True, True, "disenrolling"),
        ("Failed", True, True, "failed"),
        ("Unknown", True, True, "unknown"),
        ("SomethingNew", True, True, "unknown"),
    ],
)
def test_how_a_machine_stands(status: str | None, switch: bool | None, has_profile: bool, state: str) -> None:
    assert standing(status, switch, has_profile=has_profile).state == state


@pytest.mark.parametrize(
    ("status", "switch", "opted_out", "sent"),
    [
        # Newly enrolled: the licence first, then the switch, whatever it was before.
        (None, None, None, [LICENCE, SWITCH]),
        (None, False, None, [LICENCE, SWITCH]),
        (None, True, None, [LICENCE]),
        ("Disabled", True, None, [LICENCE]),
        ("Failed", True, None, [LICENCE]),
        ("Unknown", True, None, [LICENCE]),
        # Under way, or done: nothing is sent again.
        ("Enabling", True, None, []),
        ("Enabled", True, None, []),
        # Broken off between the two (F11): the switch is still missing.
        ("Enabled", None, None, [SWITCH]),
        ("Enabling", None, None, [SWITCH]),
        # Somebody's pause stays, unless it is said.
        ("Enabled", False, None, []),
        ("Enabled", False, False, [SWITCH]),
        ("Enabled", False, True, []),
        ("Enabled", True, True, [SWITCH]),
        (None, True, True, [LICENCE, SWITCH]),
    ],
)
def test_what_enrolling_sends(status: str | None, switch: bool | None, opted_out: bool | None, sent: list[str]) -> None:
    plan = plan_enrollment(standing(status, switch), "present", opted_out, "westeurope")
    assert [change.kind for change in plan.changes] == sent
    assert not plan.settle_first


@pytest.mark.parametrize(
    ("status", "sent", "settle"),
    [
        (None, [], False),
        ("Disabled", [], False),
        ("Disabling", [], False),
        ("Enabling", [], True),
        ("Enabled", [LICENCE], False),
        ("Failed", [LICENCE], False),
        ("Unknown", [LICENCE], False),
    ],
)
def test_what_disenrolling_sends(status: str | None, sent: list[str], settle: bool) -> None:
    plan = plan_enrollment(standing(status, True), "absent", None, "westeurope")
    assert ([change.kind for change in plan.changes], plan.settle_first) == (sent, settle)


def test_a_machine_without_a_profile_gets_one_with_the_feature_in_it() -> None:
    plan = plan_enrollment(standing(None, None, has_profile=False), "present", None, "westeurope")
    assert plan.changes[0].kind == CREATE
    feature = {"name": "Hotpatch", "subscriptionStatus": "Enabled"}
    product = {"productType": "WindowsServer", "productFeatures": [feature]}
    assert plan.changes[0].body == {"location": "westeurope", "properties": {"productProfile": product}}


def test_a_change_names_only_the_feature_as_the_profile_spells_it() -> None:
    now = read_enrollment(profile("Disabled", name="HotPatching"), machine(True))
    feature = {"name": "HotPatching", "subscriptionStatus": "Enable"}
    product = {"productType": "WindowsServer", "productFeatures": [feature]}
    assert plan_enrollment(now, "present", None, "x").changes[0].body == {"properties": {"productProfile": product}}


def test_it_waits_while_the_machine_is_being_taken_out() -> None:
    plan = plan_enrollment(standing("Disabling", True), "present", None, "x")
    assert plan.settle_first
    assert plan.changes == ()


def test_another_product_is_left_alone() -> None:
    document = {"properties": {"productProfile": {"productType": "WindowsIoTEnterprise"}}}
    with pytest.raises(Refused, match="WindowsIoTEnterprise"):
        plan_enrollment(read_enrollment(document, machine()), "present", None, "x")


def test_a_pause_that_stays_is_said() -> None:
    (note,) = plan_enrollment(standing("Enabled", False), "present", None, "x").notes
    assert "paused" in note


def test_dates_and_errors_are_told_and_decide_nothing() -> None:
    dates = {
        "enrollmentDate": "2025-07-20T08:00:00Z",
        "billingStartDate": "2025-07-20T08:00:00Z",
        "disenrollmentDate": "2025-08-20T08:00:00Z",
        "billingEndDate": "2025-08-20T08:00:00Z",
    }
    error = {"code": "OperatingSystemNotSupported", "message": "Not this one."}
    now = read_enrollment(profile("Enabled", error=error, **dates), machine(True))
    shown = now.as_dict()
    assert now.state == "enrolled"
    assert shown["disenrollment_date"] == "2025-08-20T08:00:00Z"
    assert shown["status_error"] == "OperatingSystemNotSupported: Not this one."


WANTED = st.tuples(st.sampled_from(["present", "absent"]), st.sampled_from([None, True, False]))


@given(st.sampled_from(STATUSES), st.sampled_from([None, True, False]), st.booleans(), WANTED)
def test_a_second_run_sends_nothing(
    status: str | None, switch: bool | None, has_profile: bool, wanted: tuple[str, bool | None]
) -> None:
    state, opted_out = wanted
    now = standing(status if has_profile else None, switch, has_profile=has_profile)
    then = after(now, plan_enrollment(now, state, opted_out, "x").changes)
    assert plan_enrollment(then, state, opted_out, "x").changes == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "Enabled"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["properties", "productProfile", "productFeatures", "name", "status", "osProfile", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["properties", "location"]), JSON), st.dictionaries(st.just("properties"), JSON))
def test_whatever_comes_is_read_without_a_crash(found: dict[str, Any], document: dict[str, Any]) -> None:
    assert read_enrollment(found, document).as_dict()["state"]


def test_leaving_is_explained() -> None:
    words = reenrollment_rule(date(2026, 1, 13))
    assert "13 January 2026" in words
    assert "opted_out" in words

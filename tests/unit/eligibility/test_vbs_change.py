# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written to turn virtualization-based security on or off, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.vbs_change import change_for
from tests.unit.eligibility.vbs_readings import guest

SWITCH, REQUIRE = "EnableVirtualizationBasedSecurity", "RequirePlatformSecurityFeatures"
JULY = {"build": "26100.4652", "firmware": {"secure_boot": False}}


@pytest.mark.parametrize(
    ("reading", "platform", "writes"),
    [
        (guest(0), None, {SWITCH: 1}),
        (guest(0, registry={SWITCH: 0}), None, {SWITCH: 1}),
        (guest(0, registry={SWITCH: 1}), None, {}),
        (guest(1), None, {SWITCH: 1}),
        (guest(None), None, {SWITCH: 1}),
        # It runs: by default, or although it was turned off since the last start.
        (guest(2), None, {}),
        (guest(2, registry={SWITCH: 0}), None, {SWITCH: 1}),
        (guest(2), "secure_boot", {SWITCH: 1, REQUIRE: 1}),
        (guest(0), "secure_boot_and_dma", {SWITCH: 1, REQUIRE: 3}),
        (guest(0, registry={SWITCH: 1, REQUIRE: 3}), "secure_boot", {REQUIRE: 1}),
        (guest(0, registry={SWITCH: 1, REQUIRE: 3}), "secure_boot_and_dma", {}),
        (guest(0, registry={SWITCH: 1, REQUIRE: 3}), None, {}),
        # What a policy says already needs no value.
        (guest(0, policy={SWITCH: 1}), None, {}),
        (guest(0, policy={SWITCH: 1, REQUIRE: 1}), "secure_boot", {}),
        (guest(0, policy={SWITCH: 1}), "secure_boot", {REQUIRE: 1}),
        (guest(0, policy={SWITCH: 1}, registry={SWITCH: 0}), None, {}),
        (guest(0, registry={"Locked": 1}), None, {SWITCH: 1}),
    ],
)
def test_turning_it_on(reading: dict[str, Any], platform: str | None, writes: dict[str, int]) -> None:
    change = change_for(reading, "enabled", platform_security=platform)
    assert (change.refusal, dict(change.writes)) == (None, writes)


@pytest.mark.parametrize(
    ("reading", "writes"),
    [
        (guest(0), {}),
        (guest(2), {SWITCH: 0}),
        (guest(1), {SWITCH: 0}),
        (guest(None), {SWITCH: 0}),
        (guest(0, registry={SWITCH: 1}), {SWITCH: 0}),
        (guest(2, registry={SWITCH: 0}), {}),
        (guest(2, policy={SWITCH: 0}), {SWITCH: 0}),
        # Not locked yet: the lock is laid by the start that has not been.
        (guest(0, registry={SWITCH: 1, "Locked": 1}), {SWITCH: 0}),
    ],
)
def test_turning_it_off(reading: dict[str, Any], writes: dict[str, int]) -> None:
    change = change_for(reading, "disabled")
    assert (change.refusal, dict(change.writes)) == (None, writes)


@pytest.mark.parametrize(
    ("reading", "state", "platform", "code"),
    [
        (guest(0, policy={SWITCH: 0}), "enabled", None, "policy_forbids"),
        (guest(2, policy={SWITCH: 0}), "enabled", None, "policy_forbids"),
        (guest(0, policy={REQUIRE: 1}), "enabled", "secure_boot_and_dma", "policy_forbids"),
        (guest(0, policy={REQUIRE: 3}), "enabled", "secure_boot", "policy_forbids"),
        (guest(2, policy={SWITCH: 1}), "disabled", None, "policy_forbids"),
        (guest(0, policy=None), "enabled", None, "policy_unknown"),
        (guest(2, policy=None), "disabled", None, "policy_unknown"),
        (guest(0, policy={SWITCH: 7}), "enabled", None, "policy_unknown"),
        (guest(0, registry=None), "enabled", None, "registry_unknown"),
        (guest(2, registry=None), "disabled", None, "registry_unknown"),
        (guest(2, registry={"Locked": 1}), "disabled", None, "uefi_locked"),
        (guest(1, registry={"Locked": 1}), "disabled", None, "uefi_locked"),
        (guest(None, registry={"Locked": 1}), "disabled", None, "uefi_locked"),
        (guest(0, **JULY), "enabled", None, "no_boot"),
        (guest(1, **JULY), "enabled", None, "no_boot"),
        (guest(None, **JULY), "enabled", None, "no_boot"),
        # Already asked for, and the next start is the one that may fail.
        (guest(0, registry={SWITCH: 1}, **JULY), "enabled", None, "no_boot"),
    ],
)
def test_what_is_refused(reading: dict[str, Any], state: str, platform: str | None, code: str) -> None:
    change = change_for(reading, state, platform_security=platform)
    assert change.refusal is not None
    assert (change.refusal.code, dict(change.writes)) == (code, {})
    assert change.refusal.words.endswith(".")
    assert change.refusal.hint


def test_the_trap_can_be_accepted_and_is_none_where_it_runs_or_is_turned_off() -> None:
    assert change_for(guest(0, **JULY), "enabled", accept_risks=True).writes == {SWITCH: 1}
    assert change_for(guest(2, **JULY), "enabled").refusal is None
    assert change_for(guest(2, **JULY), "disabled").writes == {SWITCH: 0}


def test_over_all_combinations_nothing_is_written_against_a_policy_or_beside_what_was_not_read() -> None:
    values = (None, 0, 1)
    for status, said, own, locked, state, platform in itertools.product(
        (0, 1, 2, None),
        (*values, "unread"),
        (*values, "unread"),
        values,
        ("enabled", "disabled"),
        (None, "secure_boot"),
    ):
        if state == "disabled" and platform is not None:
            continue
        reading = guest(
            status,
            policy=None if said == "unread" else {SWITCH: said},
            registry=None if own == "unread" else {SWITCH: own, "Locked": locked},
        )
        change = change_for(reading, state, platform_security=platform)
        assert set(change.writes) <= {SWITCH, REQUIRE}
        if "unread" in (said, own) or said == (0 if state == "enabled" else 1):
            assert change.refusal is not None and not change.writes
        if change.refusal is None:
            again = {**reading, "registry": {**reading["registry"], **change.writes}}
            assert not change_for(again, state, platform_security=platform).writes

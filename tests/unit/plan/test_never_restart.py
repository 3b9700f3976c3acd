# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The never-restart contract over every combination of what its witnesses can say."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import (
    AFTER,
    BEFORE,
    Answer,
    Witness,
    all_yes,
    may_install,
    restarted,
    witnesses_after,
    witnesses_before,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product, identify_product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import standing
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import Verdict, judge
from tests.unit.server_facts import healthy

WS2025 = identify_product(26100, 3, "ServerStandard", 7, "Server")
WS2022 = identify_product(20348, 3, "ServerTurbine", 407, "Server")


def verdict(product: Product, build: str, kb: str, day: str = "2025-12-20") -> Verdict:
    known = Catalogue.shipped(date.fromisoformat(day))
    return judge(kb, "", standing(product, Build.parse(build), [], True, None, known), known)


HOTPATCH_2025 = verdict(WS2025, "26100.7092", "KB5072014")
HOTPATCH_2022 = verdict(WS2022, "20348.4346", "KB5071413")
LCU_2022 = verdict(WS2022, "20348.4346", "KB5071547")


def says(answer: Any, error: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"bootstrapper": True, "evaluation": {"requires_restart": answer, "error": error}, **more}


NOT_SUPPORTED = {"stage": "evaluate", "hresult": "0x80240037", "hresult_signed": -2145124297, "message": ""}
NO_METHOD = {"stage": "bootstrapper", "hresult": "0x80131501", "message": "... MethodNotFound"}
COULD_NOT = {"stage": "evaluate", "hresult": "0x80240068", "message": "could not evaluate"}
NOT_THERE = {"stage": "evaluate", "hresult": "0x80246007", "message": "not downloaded"}

FORECASTS = [
    (says(False), WS2025, HOTPATCH_2025, "yes", "Windows Update"),
    (says(True), WS2025, HOTPATCH_2025, "no", "Windows Update"),
    (says(True, NOT_SUPPORTED), WS2022, HOTPATCH_2022, "no", "Windows Update"),
    (says(False, COULD_NOT), WS2025, HOTPATCH_2025, "unknown", "Windows Update"),
    (says(None), WS2025, HOTPATCH_2025, "unknown", "Windows Update"),
    (says(0), WS2025, HOTPATCH_2025, "unknown", "Windows Update"),
    (says("False"), WS2025, HOTPATCH_2025, "unknown", "Windows Update"),
    (says(None, COULD_NOT), WS2025, HOTPATCH_2025, "unknown", "Windows Update"),
    (says(None, NOT_THERE), WS2025, HOTPATCH_2025, "unknown", "Windows Update"),
    (says(None, NOT_SUPPORTED), WS2025, HOTPATCH_2025, "unknown", "Windows Update"),
    ({"evaluation": None}, WS2025, HOTPATCH_2025, "unknown", "Windows Update"),
    ({"evaluation": None}, WS2022, HOTPATCH_2022, "unknown", "Windows Update"),
    (None, WS2022, HOTPATCH_2022, "unknown", "Windows Update"),
    # Windows Server 2022 has no such interface: the documented hotpatch answers, and nothing else does.
    (says(None, NOT_SUPPORTED), WS2022, HOTPATCH_2022, "yes", "catalogue"),
    ({"evaluation": None, "bootstrapper_error": NO_METHOD}, WS2022, HOTPATCH_2022, "yes", "catalogue"),
    (says(None, COULD_NOT), WS2022, HOTPATCH_2022, "unknown", "Windows Update"),
    (says(None, NOT_SUPPORTED), WS2022, LCU_2022, "unknown", "catalogue"),
    (says(False), WS2022, HOTPATCH_2022, "yes", "Windows Update"),
]


@pytest.mark.parametrize(("update", "product", "kind", "answer", "source"), FORECASTS)
def test_the_forecast(update: Any, product: Product, kind: Verdict, answer: str, source: str) -> None:
    forecast = witnesses_before(update, product, kind, None, None)[0]
    assert (forecast.answer, forecast.source) == (answer, source)


FORECAST = {"yes": says(False), "no": says(True), "unknown": says(None)}
POLICY: dict[str, dict[str, Any]] = {
    "yes": {"readable": True, "always_auto_reboot": None},
    "no": {"readable": True, "always_auto_reboot": True},
    "unknown": {"readable": False, "always_auto_reboot": None},
}
PENDING: dict[str, dict[str, Any]] = {
    "yes": {"pending": False},
    "no": {"pending": True, "sources": {"windows_update": True}},
    "unknown": {"pending": None},
}


def test_only_three_times_yes_installs() -> None:
    installs = []
    for answers in itertools.product(("yes", "no", "unknown"), repeat=3):
        forecast, policy, pending = answers
        heard = witnesses_before(FORECAST[forecast], WS2025, HOTPATCH_2025, POLICY[policy], PENDING[pending])
        assert tuple(witness.answer for witness in heard) == answers
        if may_install(heard):
            installs.append(answers)
    assert installs == [("yes", "yes", "yes")]


def test_a_missing_or_doubled_witness_is_no_yes() -> None:
    heard = witnesses_before(FORECAST["yes"], WS2025, HOTPATCH_2025, POLICY["yes"], PENDING["yes"])
    assert may_install(heard)
    assert not may_install(heard[:2])
    assert not may_install([])
    assert not may_install([*heard, heard[0]])
    assert not all_yes(heard, AFTER)
    assert not may_install([Witness(name, Answer.YES, "") for name in AFTER])
    assert may_install([Witness(name, Answer.YES, "") for name in BEFORE])


@pytest.mark.parametrize("policy", [None, {}, {"readable": None}, {"readable": True, "always_auto_reboot": "1"}])
def test_an_unread_policy_is_unknown(policy: Any) -> None:
    assert witnesses_before(None, WS2025, HOTPATCH_2025, policy, None)[1].answer is Answer.UNKNOWN


WIDER: list[tuple[dict[str, Any], str, str]] = [
    ({"AUOptions": 4}, "no", "AUOptions 4"),
    ({"AUOptions": 4, "AlwaysAutoRebootAtScheduledTime": 1}, "no", "AlwaysAutoRebootAtScheduledTime"),
    ({"SetComplianceDeadline": 1, "ConfigureDeadlineForQualityUpdates": 2}, "no", "2 days"),
    ({"AUOptions": 9}, "unknown", "not understood"),
    ({"AUOptions": 2}, "yes", "lets it download"),
    ({"AUOptions": 3}, "yes", "No policy restarts"),
]


@pytest.mark.parametrize(("values", "answer", "words"), WIDER)
def test_every_setting_that_restarts_a_server_is_heard(values: dict[str, Any], answer: str, words: str) -> None:
    policy = {"readable": True, "values": values, "local": {}, "mdm": {}}
    heard = witnesses_before(None, WS2025, HOTPATCH_2025, policy, None)[1]
    assert heard.answer == answer and words in heard.words


def test_all_settings_that_restart_a_server_are_named_at_once() -> None:
    values = {"AUOptions": 4, "AlwaysAutoRebootAtScheduledTime": 1}
    policy = {"readable": True, "values": values, "local": {}, "mdm": {}}
    words = witnesses_before(None, WS2025, HOTPATCH_2025, policy, None)[1].words
    assert "AUOptions 4" in words and "AlwaysAutoRebootAtScheduledTime" in words


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=4)),
        lambda inner: st.dictionaries(
            st.sampled_from(["requires_restart", "error", "hresult", "x"]), inner, max_size=3
        ),
        max_leaves=6,
    )
)
def test_only_a_real_false_is_a_forecast(evaluation: Any) -> None:
    heard = witnesses_before({"evaluation": evaluation}, WS2025, HOTPATCH_2025, POLICY["yes"], PENDING["yes"])
    if may_install(heard):
        assert evaluation["requires_restart"] is False
        assert not evaluation.get("error")


def test_afterwards() -> None:
    before = healthy()
    assert all_yes(witnesses_after(before, healthy()), AFTER)
    later = healthy(boot={"last_boot": "2025-12-20T10:05:00Z"})
    assert [witness.answer for witness in witnesses_after(before, later)] == ["no", "yes"]
    pending = {"pending": True, "sources": {"component_based_servicing": True, "pending_file_rename": True}}
    new = witnesses_after(before, healthy(restart_pending=pending))[1]
    assert new.answer is Answer.NO
    assert "component_based_servicing" in new.words
    assert "pending_file_rename" not in new.words
    assert witnesses_after(healthy(restart_pending=pending), healthy(restart_pending=pending))[1].answer is Answer.YES
    unread = healthy(boot={"last_boot": None}, restart_pending={"pending": None})
    assert [witness.answer for witness in witnesses_after(before, unread)] == ["unknown", "unknown"]
    assert [witness.answer for witness in witnesses_after(before, None)] == ["unknown", "unknown"]


@pytest.mark.parametrize(
    ("after", "moved"),
    [
        ("2025-10-16T01:12:09Z", False),
        ("2025-10-16T01:12:10.500000Z", False),
        ("2025-10-16T03:12:09+02:00", False),
        ("2025-10-16T01:12:30Z", True),
        ("2025-12-20T10:00:00Z", True),
        ("2025-10-16T01:12:09", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_restart_is_a_changed_boot_time(after: str | None, moved: bool | None) -> None:
    assert restarted(healthy(), healthy(boot={"last_boot": after})) is moved

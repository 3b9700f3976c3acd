# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which stages bring a server onto the track, what may be done of it, and what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.onboarding import (
    Leave,
    conclude_onboarding,
    plan_onboarding,
    totals,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from tests.unit.server_facts import healthy

BASELINE = ("26100.6899", ["KB5066835"])
NOT_ENROLLED = {"arc_license": False, "enrollment_package": False}
NO_AGENT = {"installed": False, "service": "absent", "status": None}
CATALOGUE = Catalogue.shipped()


def facts(**parts: Any) -> dict[str, Any]:
    """A server on the baseline that is not enrolled."""
    parts.setdefault("hotpatch_hint", NOT_ENROLLED)
    return healthy(*BASELINE, **parts)


def step_of(
    found: dict[str, Any] | None, reasons: tuple[str, ...] = ("vbs",), reset: bool = False, **more: Any
) -> dict[str, Any]:
    plan = plan_onboarding([{"name": "web01", "facts": found, **more}], CATALOGUE, Leave(reasons, reset))
    step: dict[str, Any] = plan["steps"]["web01"]
    return step


@pytest.mark.parametrize(
    ("parts", "stages", "restarts"),
    [
        ({}, ["enroll"], 0),
        ({"vbs": {"status": 0}}, ["vbs", "enroll"], 1),
        ({"vbs": {"status": 0, "configured_by_policy": True}}, ["vbs", "enroll"], 1),
        ({"arc": NO_AGENT}, ["arc", "enroll"], 0),
        ({"vbs": {"status": 0}, "arc": NO_AGENT}, ["vbs", "arc", "enroll"], 1),
    ],
)
def test_the_stages_a_server_needs(parts: dict[str, Any], stages: list[str], restarts: int) -> None:
    step = step_of(facts(**parts))
    assert (step["stages"], step["restarts"], step["allowed"]) == (stages, restarts, True)


@pytest.mark.parametrize(
    ("parts", "outcome", "words"),
    [
        ({"hotpatch_hint": {"arc_license": True}}, "enrolled", "already"),
        ({"vbs": {"status": 1}}, "not_eligible", "not running"),
        # What the stages cannot remove comes first: nothing is done halfway.
        ({"vbs": {"status": 0}, "firmware": {"secure_boot": False}}, "not_eligible", "Secure Boot is off"),
        ({"vbs": {"status": None}, "arc": NO_AGENT}, "refused", "could not be read"),
        ({"os": {"edition_id": "ServerAzureStackHCICor"}}, "not_eligible", "no hotpatches"),
        # The network is a person's.
        ({"arc": {"status": "Disconnected"}}, "not_eligible", "no contact"),
    ],
)
def test_a_server_that_is_left_alone(parts: dict[str, Any], outcome: str, words: str) -> None:
    step = step_of(facts(**parts))
    assert (step["stages"], step["allowed"], step["outcome_if_nothing"]) == ([], False, outcome)
    assert words in step["reason"]


def test_nothing_restarts_without_leave() -> None:
    step = step_of(facts(vbs={"status": 0}, arc=NO_AGENT), reasons=("baseline",))
    assert (step["allowed"], step["outcome_if_nothing"]) == (False, "skipped")
    assert "does not allow restarts for vbs" in step["reason"]
    assert step["restarts"] == 1
    assert step_of(facts(arc=NO_AGENT), reasons=())["allowed"] is True


def test_an_identity_is_not_given_up_without_leave() -> None:
    expired = facts(arc={"status": "Expired"})
    step = step_of(expired)
    assert (step["stages"], step["allowed"], step["outcome_if_nothing"]) == (["arc", "enroll"], False, "skipped")
    assert "hotpatch_arc_allow_identity_reset" in step["reason"]
    assert step_of(expired, reset=True)["allowed"] is True


def test_a_server_that_was_not_read() -> None:
    step = step_of(None, failure={"unreachable": True, "msg": "web01: nothing answers."})
    assert (step["outcome_if_nothing"], step["stages"]) == ("unreachable", [])
    assert step["reason"] == "web01: nothing answers."


def test_the_funnel_counts_each_server_as_far_as_it_comes() -> None:
    servers = {
        "lost": None,
        "client": facts(os={"product_type": 1, "edition_id": "Enterprise"}),
        "weak": facts(vbs={"status": 0}),
        "apart": facts(arc=NO_AGENT),
        "ready": facts(),
        "done": facts(hotpatch_hint={"arc_license": True}),
    }
    plan = plan_onboarding(
        [{"name": name, "facts": found} for name, found in servers.items()], CATALOGUE, Leave(["vbs"])
    )
    assert [step["servers"] for step in plan["funnel"]] == [6, 5, 4, 3, 2, 1]
    assert (plan["vbs"], plan["arc"], plan["enroll"]) == (["weak"], ["apart"], ["weak", "apart", "ready"])


def concluded(before: dict[str, Any] | None, after: dict[str, Any] | None, *stages: Any, **more: Any) -> dict[str, Any]:
    failure = more.pop("failure", None)
    step = step_of(before, failure=failure, **more)
    return conclude_onboarding(
        step,
        facts_before=before,
        facts_after=after,
        catalogue=CATALOGUE,
        stages=stages,
        after_failure=None if after else {"unreachable": True, "msg": "nothing answers."},
    )


BOOTED = {"last_boot": "2025-12-20T09:00:00Z"}
DONE = {"state": "done"}
FAILED = ("arc", {"state": "failed", "words": "no login"})
HALTED = ("arc", {"state": "halted", "words": "Halted."})


@pytest.mark.parametrize(
    ("before", "after", "stages", "outcome", "words"),
    [
        (facts(vbs={"status": 0}), facts(boot=BOOTED), [("vbs", DONE)], "ready", "waits for its enrollment"),
        (facts(), facts(hotpatch_hint={"arc_license": True}), [("enroll", DONE)], "enrolled", "hint"),
        (facts(), facts(), [], "ready", "waits"),
        (facts(vbs={"status": 0}), facts(vbs={"status": 1}, boot=BOOTED), [("vbs", DONE)], "failed", "not running"),
        (facts(arc=NO_AGENT), facts(arc=NO_AGENT), [FAILED], "failed", "no login"),
        (facts(arc=NO_AGENT), facts(arc=NO_AGENT), [HALTED], "skipped", "Halted."),
        (facts(vbs={"status": 0}), facts(vbs={"status": 0}), [("vbs", {"state": "refused", "words": "No."})],
         "not_eligible", "No."),
        (facts(arc=NO_AGENT), facts(arc=NO_AGENT), [("arc", {})], "failed", "without a reason"),
        (facts(arc=NO_AGENT), facts(arc=NO_AGENT), [], "skipped", "before its turn"),
        (facts(arc=NO_AGENT), facts(boot=BOOTED), [("arc", DONE)], "failed", "IT RESTARTED"),
        (facts(), None, [], "unreachable", "nothing is proven"),
        (facts(vbs={"status": 1}), facts(vbs={"status": 1}), [], "not_eligible", "not running"),
    ],
)  # fmt: skip
def test_what_became_of_a_server(
    before: dict[str, Any], after: dict[str, Any] | None, stages: list[Any], outcome: str, words: str
) -> None:
    found = concluded(before, after, *stages)
    assert found["outcome"] == outcome, found["reason"]
    assert words in found["reason"]
    assert totals([found]) == {outcome: 1}


def test_a_server_that_was_never_read_keeps_its_reason() -> None:
    found = concluded(None, facts(), failure={"unreachable": False, "msg": "web01: refused."})
    assert (found["outcome"], found["reason"]) == ("failed", "web01: refused.")


@pytest.mark.parametrize(
    ("before", "after", "stages", "first", "last"),
    [
        (facts(), facts(hotpatch_hint={"arc_license": True}), [("enroll", DONE)], None, None),
        (facts(), facts(), [], "hotpatch_enroll", "playbook enroll"),
        # Azure goes on with it, or there is nothing to be done there.
        (facts(), facts(), [("enroll", {"state": "done", "words": "Azure works on it."})], None, None),
        (facts(firmware={"secure_boot": False}, vbs={"status": 0}), "same", [], "EnableVirtualization", "again"),
        (facts(os={"product_type": 1, "edition_id": "Enterprise"}), "same", [], "ordinary updates", "ordinary updates"),
        (facts(vbs={"status": None}), "same", [], "read the server again", "again"),
        (facts(arc=NO_AGENT), "same", [FAILED], "Mend that", "run this again"),
        (facts(arc=NO_AGENT), "same", [HALTED], "stopped for", "run this again"),
        (facts(), None, [], "Mend that", "run this again"),
    ],
)  # fmt: skip
def test_what_a_person_does_next(
    before: dict[str, Any], after: Any, stages: list[Any], first: str | None, last: str | None
) -> None:
    found = concluded(before, before if after == "same" else after, *stages)
    if first is None or last is None:
        assert found["next"] == []
    else:
        assert first in found["next"][0] and last in found["next"][-1], found
        assert len(set(found["next"])) == len(found["next"])


def test_a_server_that_waits_for_leave_is_told_to_get_it() -> None:
    weak = facts(vbs={"status": 0})
    found = concluded(weak, weak, reasons=())
    assert found["outcome"] == "skipped" and "with that allowed" in found["next"][0]

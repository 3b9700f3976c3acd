# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""How each server gets onto the hotpatch track, what a run may do of it, and what became of it.

Three stages, in this order: virtualization-based security, which needs a restart; the Arc agent; the enrollment, which
is done in Azure. A server is only touched when the run's stages remove all that stands against it: what is left, such
as Secure Boot, is for a person to do first. Anything doubtful is refused, with the doubt in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.blockers import Blocker
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import restarted
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.server_state import ServerState, state_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue

VBS, ARC, ENROLL = "vbs", "arc", "enroll"
#: The reason for a restart that a run must have leave for.
VBS_RESTART = "vbs"

DONE, HALTED, REFUSED = "done", "halted", "refused"
OUTCOMES = ("enrolled", "ready", "refused", "not_eligible", "failed", "unreachable", "skipped")

#: What a run needs leave for, beside restarts: a new identity, which loses the role assignments of the old one.
IDENTITY_RESET = "allow_identity_reset"
_AGAIN = "Then run this again: what is done stays done."
_ALLOW = "Run this again with that allowed, or take it out of the run."
_MACHINE = (
    "build_unknown", "build_below_floor", "firmware_unknown", "bios_firmware", "secure_boot_unknown", "secure_boot_off",
    "virtualization_missing", "vbs_unknown", "vbs_forbidden_by_policy", "vbs_not_enabled", "vbs_waits_for_restart",
    "vbs_not_running",
)  # fmt: skip
_CONNECTION = (
    "arc_unknown", "arc_missing", "arc_disconnected", "arc_resource_deleted", "arc_expired", "arc_not_connected",
    "arc_elsewhere",
)  # fmt: skip

#: The funnel: a server counts at a step when it counted at the one before it and passes this one, too.
_FUNNEL: tuple[tuple[str, str, Callable[[Mapping[str, Any]], bool]], ...] = (
    ("read", "were read", lambda step: bool(step["read"])),
    (
        "product",
        "have a product, an edition and a place that can have hotpatches",
        lambda step: not set(step["blockers"]) - {*_MACHINE, *_CONNECTION},
    ),
    (
        "machine",
        "have the build, the firmware and the virtualization-based security for it",
        lambda step: not set(step["blockers"]) - set(_CONNECTION),
    ),
    ("connected", "are connected to Azure Arc, or need not be: these are eligible", lambda step: not step["blockers"]),
    ("enrolled", "are enrolled", lambda step: step["enrolled"] is True),
)


@dataclass(frozen=True)
class _Decision:
    stages: tuple[str, ...]
    reason: str
    otherwise: str
    restarts: int = 0
    allowed: bool = False


@dataclass(frozen=True)
class Leave:
    """What a run may do that not everybody wants done."""

    restart_reasons: Collection[str] = ()
    identity_reset: bool = False


def plan_onboarding(servers: Iterable[Mapping[str, Any]], catalogue: Catalogue, leave: Leave) -> dict[str, Any]:
    """The plan of a fleet, in the order given.

    :param servers: dicts with ``name``, ``facts`` (or None), ``failure`` and ``declarations``.
    :param leave: a server may restart for virtualization-based security when ``vbs`` is among its reasons.
    :returns: ``steps`` by name (``stages``, ``allowed``, ``reason``, ``blockers``, ``fix_plan``,
        ``outcome_if_nothing``), ``funnel`` (name, words and count of each step), and the names for each stage.
    """
    steps = {}
    for server in servers:
        facts = server.get("facts")
        if facts is None:
            steps[str(server["name"])] = _not_read(server.get("failure") or {})
        else:
            state = state_of(facts, server.get("declarations"), catalogue)
            steps[str(server["name"])] = _step(state, _decide(state, leave))
    return {
        "steps": steps,
        "funnel": funnel(steps.values()),
        "restart_reasons": sorted(leave.restart_reasons),
        **{stage: _with_stage(steps, stage) for stage in (VBS, ARC, ENROLL)},
    }


def funnel(steps: Collection[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many servers come how far."""
    found = [{"step": "scope", "words": "are in scope", "servers": len(steps)}]
    left = list(steps)
    for name, words, passes in _FUNNEL:
        left = [step for step in left if passes(step)]
        found.append({"step": name, "words": words, "servers": len(left)})
    return found


def conclude_onboarding(
    step: Mapping[str, Any],
    *,
    facts_before: Mapping[str, Any] | None,
    facts_after: Mapping[str, Any] | None,
    catalogue: Catalogue,
    declarations: Mapping[str, Any] | None = None,
    after_failure: Mapping[str, Any] | None = None,
    stages: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> dict[str, Any]:
    """What became of one server.

    :param step: its step of the plan.
    :param after_failure: when it could not be read again: ``unreachable`` (bool) and ``msg``.
    :param stages: name and result of the stages that were reached, in order: ``state`` is ``done``, ``failed``,
        ``refused`` (nothing was tried) or ``halted``, ``words`` say why. A state that is none of them counts as failed.
    :returns: ``outcome``, ``reason``, ``before`` and ``after`` (each with ``eligible``, ``enrolled`` and the codes of
        the blockers; ``after`` is None when it could not be read), ``missing`` (words), ``next`` (what a person does
        now, a sentence each, in order), ``restarted``, and for the funnel ``stands``, how it was last seen.
    """
    again = None if facts_after is None else _found(state_of(facts_after, declarations, catalogue))
    moved = restarted(facts_before, facts_after)
    outcome, reason = _Case(step, facts_before, again, moved, stages).conclude(after_failure or {})
    return {
        "outcome": outcome,
        "reason": reason,
        "product_name": step["product_name"],
        "stages": [name for name, result in stages if result.get("state") == DONE],
        "before": _shown(step),
        "after": _shown(again) if again else None,
        "missing": (again or step)["missing"],
        "next": _next_steps(outcome, step, again or step, stages),
        "restarted": moved,
        "stands": again or step,
    }


def _next_steps(
    outcome: str,
    step: Mapping[str, Any],
    stands: Mapping[str, Any],
    stages: Sequence[tuple[str, Mapping[str, Any]]],
) -> list[str]:
    """What brings a server on from where it stands; nothing where it has arrived, or Azure goes on with it."""
    if outcome == "ready" and not any(result.get("words") for name, result in stages if name == ENROLL):
        return ["Enroll it: run this again with hotpatch_enroll, or run the playbook enroll."]
    if outcome in ("enrolled", "ready"):
        return []
    if outcome == "skipped":
        held = not step["allowed"]
        return [_ALLOW if held else "Mend what the run stopped for. " + _AGAIN]
    if outcome in ("failed", "unreachable"):
        return ["Mend that. " + _AGAIN]
    plan = stands["fix_plan"] or {}
    if plan.get("possible") is False:
        return ["It stays on ordinary updates: nothing on this installation changes that."]
    # A fix of two actions is one step for a person; the restart between fixes is part of them.
    fixes = dict.fromkeys(str(each["fix"]) for each in plan.get("steps") or () if each["blocker"])
    return [*fixes, _AGAIN]


def totals(concluded: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many servers had each outcome; outcomes that nobody had are left out."""
    counted = Counter(str(each["outcome"]) for each in concluded)
    return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}


def _decide(state: ServerState, leave: Leave) -> _Decision:
    blockers = state.eligibility.blockers
    own = [blocker for blocker in blockers if _stage_of(blocker)]
    others = [blocker for blocker in blockers if not _stage_of(blocker)]
    if any(not blocker.unknown for blocker in others):
        return _Decision((), _words(blockers), "not_eligible")
    if others:
        return _Decision((), _words(blockers), "refused")
    stages = tuple(stage for stage in (VBS, ARC) if any(_stage_of(blocker) == stage for blocker in own))
    enrolled = state.enrollment.enrolled is True
    if not enrolled:
        stages = (*stages, ENROLL)
    if stages:
        return _with_leave(stages, own, leave)
    return _Decision((), "It is eligible and enrolled already.", "enrolled")


def _stage_of(blocker: Blocker) -> str | None:
    """The stage that removes a blocker; None when that is for a person, or for another playbook."""
    if len(blocker.actions) != 1:
        return None
    (action,) = blocker.actions
    if action.module == "winops.hotpatch.arc_agent":
        return ARC
    # More than turning it on is a choice of its own.
    return VBS if action.module == "winops.hotpatch.vbs" and action.options == {"state": "enabled"} else None


def _with_leave(stages: tuple[str, ...], own: list[Blocker], leave: Leave) -> _Decision:
    words = _words(own)
    resets = any(action.options.get(IDENTITY_RESET) for blocker in own for action in blocker.actions)
    restarts = 1 if VBS in stages else 0
    lacking = []
    if restarts and VBS_RESTART not in leave.restart_reasons:
        lacking.append(f"It needs a restart; this run does not allow restarts for {VBS_RESTART}.")
    if resets and not leave.identity_reset:
        lacking.append("It needs a new identity; this run does not allow that (hotpatch_arc_allow_identity_reset).")
    if lacking:
        return _Decision(stages, " ".join([words, *lacking]), "skipped", restarts)
    if restarts:
        does = "It restarts once, in its wave."
    else:
        does = "This run connects it to Azure Arc." if ARC in stages else "It is eligible and waits for its enrollment."
    otherwise = "ready" if stages == (ENROLL,) else "skipped"
    return _Decision(stages, f"{words} {does}".strip(), otherwise, restarts, allowed=True)


def _step(state: ServerState, decision: _Decision) -> dict[str, Any]:
    return {
        **_found(state),
        "stages": list(decision.stages),
        "restarts": decision.restarts,
        "allowed": decision.allowed,
        "reason": decision.reason,
        "outcome_if_nothing": decision.otherwise,
    }


def _found(state: ServerState) -> dict[str, Any]:
    """How a server stands."""
    eligibility = state.eligibility
    return {
        "read": True,
        "product_name": state.product.name,
        "build": str(state.standing.build) if state.standing.build else None,
        "eligible": eligibility.eligible,
        "enrolled": state.enrollment.enrolled,
        "enrolled_source": state.enrollment.source,
        "blockers": [blocker.code for blocker in eligibility.blockers],
        "missing": [blocker.words for blocker in eligibility.blockers],
        "fix_plan": eligibility.fixes.as_dict(),
        "warnings": [warning.words for warning in eligibility.warnings],
    }


def _not_read(failure: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "read": False,
        "product_name": None,
        "build": None,
        "eligible": None,
        "enrolled": None,
        "enrolled_source": "unknown",
        "blockers": [],
        "missing": [],
        "fix_plan": None,
        "warnings": [],
        "stages": [],
        "restarts": 0,
        "allowed": False,
        "reason": str(failure.get("msg") or "The server was not read, and nothing says why."),
        "outcome_if_nothing": "unreachable" if failure.get("unreachable") else "failed",
    }


def _words(blockers: Iterable[Blocker]) -> str:
    return " ".join(blocker.words for blocker in blockers)


def _with_stage(steps: Mapping[str, Mapping[str, Any]], stage: str) -> list[str]:
    return [name for name, step in steps.items() if step["allowed"] and stage in step["stages"]]


def _shown(step: Mapping[str, Any]) -> dict[str, Any]:
    return {key: step[key] for key in ("eligible", "enrolled", "enrolled_source", "blockers", "build")}


class _Case:
    """One server's evidence, looked at in the order of what weighs most."""

    def __init__(
        self,
        step: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        again: Mapping[str, Any] | None,
        moved: bool | None,
        stages: Sequence[tuple[str, Mapping[str, Any]]],
    ) -> None:
        self.step = step
        self.before = before
        self.again = again
        self.moved = moved
        self.stages = stages

    def conclude(self, after_failure: Mapping[str, Any]) -> tuple[str, str]:
        if self.before is None:
            return self.step["outcome_if_nothing"], self.step["reason"]
        if self.moved and not (VBS in self.step["stages"] and self.step["allowed"]):
            return "failed", "IT RESTARTED although this run was not to restart it. Find out what restarted it."
        failed = [(name, result) for name, result in self.stages if result.get("state") not in (DONE, HALTED, REFUSED)]
        if self.again is None:
            why = str(after_failure.get("msg") or "nothing says why.")
            earlier = f" Before that: {_why(failed[0][1])}" if failed else ""
            outcome = "unreachable" if after_failure.get("unreachable") else "failed"
            return outcome, f"It could not be read afterwards, so nothing is proven: {why}{earlier}"
        if failed:
            return ("unreachable" if failed[0][1].get("unreachable") else "failed"), _why(failed[0][1])
        for state, outcome in ((REFUSED, "not_eligible"), (HALTED, "skipped")):
            held = [result for _name, result in self.stages if result.get("state") == state]
            if held:
                return outcome, _why(held[0])
        if not self.step["allowed"]:
            return str(self.step["outcome_if_nothing"]), str(self.step["reason"])
        return self._as_it_is_now(self.again)

    def _as_it_is_now(self, again: Mapping[str, Any]) -> tuple[str, str]:
        said = [str(result["words"]) for name, result in self.stages if name == ENROLL and result.get("words")]
        if again["eligible"] is True and again["enrolled"] is True:
            return "enrolled", f"It is eligible and enrolled ({again['enrolled_source']})." if not said else (
                f"It is eligible. {said[-1]}"
            )
        if again["eligible"] is True:
            return "ready", f"It is eligible. {said[-1]}" if said else (
                "It is eligible and waits for its enrollment in Azure."
            )
        reached = [name for name, result in self.stages if result.get("state") == DONE]
        if not reached:
            return "skipped", f"{self.step['reason']} The run ended before its turn."
        return "failed", f"After {' and '.join(reached)} it is still not eligible: {' '.join(again['missing'])}"


def _why(result: Mapping[str, Any]) -> str:
    return str(result.get("words") or "A stage ended without a reason.")

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What each server needs this month, and whether the run may do it.

A hotpatch needs no permission: nothing restarts. Whatever needs a restart is listed with what it needs and is only
``allowed`` when the policy names its reason. Whatever is doubtful is refused, with the doubt in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import pending_sources
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.policy import GIGABYTE, Policy
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.restart_policy import (
    Likelihood,
    of_likelihood,
    restart_risks,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.server_state import ServerState, state_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import month_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import Form, Level
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Track

HOTPATCH, BASELINE, LCU, NONE, REFUSE = "hotpatch", "baseline", "lcu", "none", "refuse"
RESTARTING = (BASELINE, LCU)
_BECAUSE = {
    "baseline": "for the baseline",
    "unplanned_baseline": "for the unplanned baseline",
    "missed_baseline": "for a baseline it missed",
    "off_track": "for an ordinary update while it is off the hotpatch track",
    "lcu": "for an ordinary cumulative update",
}


@dataclass(frozen=True)
class _Decision:
    action: str
    code: str
    reason: str
    otherwise: str
    needed: tuple[Level, ...] = ()
    restart_reason: str | None = None
    allowed: bool = False


def plan_server(
    name: str,
    facts: Mapping[str, Any] | None,
    failure: Mapping[str, Any] | None,
    declarations: Mapping[str, Any] | None,
    catalogue: Catalogue,
    policy: Policy,
    as_of: date,
) -> dict[str, Any]:
    """The step of one server.

    :param failure: when the facts could not be read: ``unreachable`` (bool), ``msg`` and ``code``.
    :param declarations: ``enrolled``, ``opted_out``, ``platform`` as the inventory knows them.
    :returns: ``action`` (hotpatch, baseline, lcu, none, refuse), ``reason_code`` and ``reason``, ``needs`` and
        ``expected_kbs`` (KBs in order), ``expected_build`` (None when the catalogue names none), ``stages`` (the modes
        to run, in order), ``restart_reason``, ``allowed``, and ``outcome_if_nothing``: the outcome of a server that
        this run leaves alone.
    """
    if facts is None:
        return _not_read(name, failure or {})
    state = state_of(facts, declarations, catalogue.as_of(as_of))
    decision = _decide(state, policy)
    if decision.action in (HOTPATCH, *RESTARTING) and decision.allowed:
        doubts = _doubts(facts, decision, policy)
        if doubts:
            words = " ".join(text for _code, text in doubts)
            decision = _Decision(REFUSE, doubts[0][0], words, "refused", decision.needed, decision.restart_reason)
    return _step(name, state, decision)


def plan_month(
    servers: Iterable[Mapping[str, Any]], catalogue: Catalogue, policy: Policy, as_of: date, month: str | None = None
) -> dict[str, Any]:
    """The plan of a fleet, in the order given.

    :param servers: dicts with ``name``, ``facts`` (or None), ``failure`` and ``declarations``.
    """
    known = catalogue.as_of(as_of)
    steps = [
        plan_server(
            str(server["name"]),
            server.get("facts"),
            server.get("failure"),
            server.get("declarations"),
            known,
            policy,
            as_of,
        )
        for server in servers
    ]
    return {
        "month": month or month_of(as_of),
        "as_of": as_of.isoformat(),
        "catalogue": known.freshness(),
        "policy": policy.as_dict(),
        "steps": steps,
        "totals": {
            "servers": len(steps),
            "actions": dict(sorted(Counter(step["action"] for step in steps).items())),
            "restarts": sum(1 for step in steps if step["allowed"] and step["action"] in RESTARTING),
            "left_alone": dict(
                sorted(Counter(step["outcome_if_nothing"] for step in steps if not step["allowed"]).items())
            ),
        },
    }


def _decide(state: ServerState, policy: Policy) -> _Decision:
    where, eligible = state.standing, state.eligibility.eligible
    if state.product.is_server is False or (eligible is False and where.track is Track.UNKNOWN):
        return _Decision(NONE, _first_blocker(state), _blocked(state), "not_eligible")
    if where.track is Track.LCU:
        return _on_ordinary_updates(state, policy)
    if eligible is False:
        return _Decision(NONE, _first_blocker(state), f"{where.words} {_blocked(state)}", "not_eligible")
    if where.track is Track.UNKNOWN:
        return _Decision(REFUSE, where.reason, where.words, "refused")
    if eligible is None:
        return _Decision(REFUSE, "eligibility_unknown", f"{where.words} {_blocked(state)}", "refused")
    if not where.needed:
        if where.up_to_date is True:
            return _Decision(NONE, where.reason, where.words, "current")
        return _Decision(REFUSE, "catalogue_hole", where.words, "refused")
    if where.restart_reason is None:
        words = f"{where.words} It gets it now, without a restart."
        return _Decision(HOTPATCH, where.reason, words, "skipped", where.needed, allowed=True)
    action = BASELINE if where.needed[0].form is Form.BASELINE and not where.waits else LCU
    return _with_restart(action, where.reason, where.words, "skipped", state, policy)


def _on_ordinary_updates(state: ServerState, policy: Policy) -> _Decision:
    where, eligible = state.standing, state.eligibility.eligible
    blocked = f" {_blocked(state)}" if state.eligibility.blockers else ""
    words = f"{where.words}{blocked}"
    if where.up_to_date is True:
        return _Decision(NONE, where.reason, words, "current")
    otherwise = "not_eligible" if eligible is False else "skipped"
    code = _first_blocker(state) if eligible is False else where.reason
    if not where.needed:
        if eligible is False:
            return _Decision(NONE, code, words, otherwise)
        return _Decision(REFUSE, "standing_unknown", words, "refused")
    return _with_restart(LCU, code, words, otherwise, state, policy)


def _with_restart(action: str, code: str, words: str, otherwise: str, state: ServerState, policy: Policy) -> _Decision:
    reason = state.standing.restart_reason
    value = reason.value if reason else LCU
    allowed = value in policy.restart_reasons
    kbs = " and then ".join(state.standing.needs)
    why = _BECAUSE[value]
    if allowed:
        sentence = f"{words} It gets {kbs} and restarts in its wave, {why}."
    else:
        sentence = f"{words} It needs {kbs} and a restart {why}; this run does not allow restarts for {value}."
    return _Decision(action, code, sentence, otherwise, state.standing.needed, value, allowed)


def _doubts(facts: Mapping[str, Any], decision: _Decision, policy: Policy) -> list[tuple[str, str]]:
    """Everything that speaks against touching the server now, unknown facts included."""
    return [
        doubt
        for doubt in (
            _pending_doubt(facts.get("restart_pending"), decision),
            _clock_doubt(facts.get("boot") or {}, policy),
            _disk_doubt(facts.get("hardware") or {}, decision, policy),
            _policy_doubt(facts.get("update_policy")) if decision.action == HOTPATCH else None,
        )
        if doubt is not None
    ]


def _pending_doubt(pending: Mapping[str, Any] | None, decision: _Decision) -> tuple[str, str] | None:
    state = (pending or {}).get("pending")
    # A server that is to restart anyway restarts first: it may be this very update, whose run was cut off.
    if state is False or (state is True and decision.action in RESTARTING):
        return None
    if state is True:
        sources = ", ".join(pending_sources(pending))
        return (
            "restart_pending",
            f"A restart is pending already ({sources}); restart it in a window of its own and run again.",
        )
    return "restart_pending_unknown", "Whether a restart is pending could not be read, so nothing is installed."


def _clock_doubt(boot: Mapping[str, Any], policy: Policy) -> tuple[str, str] | None:
    skew = boot.get("clock_skew_seconds")
    if not isinstance(skew, (int, float)) or isinstance(skew, bool):
        return "clock_unknown", "Its clock could not be compared with the controller's, so nothing is installed."
    if abs(skew) <= policy.max_clock_skew:
        return None
    return (
        "clock_skew",
        f"Its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the controller's, more than the "
        f"{policy.max_clock_skew:.0f} s allowed; correct its time source and run again.",
    )


def _disk_doubt(hardware: Mapping[str, Any], decision: _Decision, policy: Policy) -> tuple[str, str] | None:
    need = policy.min_free_bytes_hotpatch if decision.action == HOTPATCH else policy.min_free_bytes_lcu
    free = hardware.get("system_disk_free_bytes")
    if not isinstance(free, int) or isinstance(free, bool):
        return "disk_unknown", "The free room on its system disk could not be read, so nothing is installed."
    if free >= need:
        return None
    return (
        "disk_full",
        f"Its system disk has {free / GIGABYTE:.1f} GB free and {need / GIGABYTE:.0f} GB are needed; make room and run "
        "again.",
    )


def _policy_doubt(policy: Mapping[str, Any] | None) -> tuple[str, str] | None:
    risks = restart_risks(policy)
    if risks is None:
        return "restart_policy_unknown", "Its restart policy could not be read, so a hotpatch cannot be promised."
    for likelihood, code in ((Likelihood.YES, "restart_policy"), (Likelihood.UNKNOWN, "restart_policy_unknown")):
        if found := of_likelihood(risks, likelihood):
            words = " ".join(f"{risk.words} {risk.remedy}" for risk in found)
            return code, f"{words} Then run again (module update_policy)."
    return None


def _blocked(state: ServerState) -> str:
    blockers = state.eligibility.blockers
    return " ".join(blocker.words for blocker in blockers) if blockers else ""


def _first_blocker(state: ServerState) -> str:
    definite = [blocker.code for blocker in state.eligibility.blockers if not blocker.unknown]
    return definite[0] if definite else "not_eligible"


def _not_read(name: str, failure: Mapping[str, Any]) -> dict[str, Any]:
    outcome = "unreachable" if failure.get("unreachable") else "failed"
    reason = str(failure.get("msg") or "The server was not read, and nothing says why.")
    return {
        "name": name,
        "product": None,
        "product_name": None,
        "edition": None,
        "build": None,
        "track": Track.UNKNOWN.value,
        "state": None,
        "action": NONE,
        "reason_code": str(failure.get("code") or outcome),
        "reason": reason,
        "needs": [],
        "stages": [],
        "restart_reason": None,
        "allowed": False,
        "expected_kbs": [],
        "expected_build": None,
        "eligible": None,
        "blockers": [],
        "warnings": [],
        "enrolled": None,
        "enrolled_source": "unknown",
        "next_hotpatch_from": None,
        "outcome_if_nothing": outcome,
    }


def _step(name: str, state: ServerState, decision: _Decision) -> dict[str, Any]:
    where = state.standing
    acts = decision.action in (HOTPATCH, *RESTARTING)
    stages = [
        {
            "mode": "hotpatch_only" if level.form is Form.HOTPATCH else "baseline",
            "kb": level.kb,
            "expected_build": str(level.builds[0]) if level.builds else None,
        }
        for level in decision.needed
        if acts
    ]
    return {
        "name": name,
        "product": state.product.id,
        "product_name": state.product.name,
        "edition": state.product.edition,
        "build": str(where.build) if where.build else None,
        "track": where.track.value,
        "state": where.state.value,
        "action": decision.action,
        "reason_code": decision.code,
        "reason": decision.reason.strip(),
        "needs": [level.kb for level in decision.needed],
        "stages": stages,
        "restart_reason": decision.restart_reason,
        "allowed": decision.allowed,
        "expected_kbs": [stage["kb"] for stage in stages],
        "expected_build": stages[-1]["expected_build"] if stages else None,
        "eligible": state.eligibility.eligible,
        "blockers": [blocker.as_dict() for blocker in state.eligibility.blockers],
        "warnings": [warning.as_dict() for warning in state.eligibility.warnings],
        "enrolled": where.enrolled if where.enrolled is not None else state.enrollment.enrolled,
        "enrolled_source": state.enrollment.source,
        "next_hotpatch_from": where.next_hotpatch_from,
        "outcome_if_nothing": decision.otherwise,
    }

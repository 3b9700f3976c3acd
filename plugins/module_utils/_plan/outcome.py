# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What happened to each server: planned, done and read afterwards, put together.

A success is always read back: the build of the track, the boot time and what waits for a restart. A server that could
not be read afterwards is never a success, and one that restarted without being meant to is always a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.enrollment import installed_kbs
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.month import HOTPATCH, RESTARTING
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import (
    Answer,
    pending_sources,
    restarted,
    witnesses_after,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.server_state import state_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import normal_kb

_GOOD = ("hotpatched", "baselined", "current", "skipped")

OUTCOMES = ("hotpatched", "baselined", "current", "refused", "not_eligible", "failed", "unreachable", "skipped")


def conclude(
    step: Mapping[str, Any],
    *,
    facts_before: Mapping[str, Any] | None,
    facts_after: Mapping[str, Any] | None,
    catalogue: Catalogue,
    declarations: Mapping[str, Any] | None = None,
    after_failure: Mapping[str, Any] | None = None,
    installs: Sequence[Mapping[str, Any]] = (),
    restart: Mapping[str, Any] | None = None,
    halted: str | None = None,
    ended: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The outcome of one server.

    :param step: its step of the plan.
    :param after_failure: when the facts could not be read again: ``unreachable`` (bool) and ``msg``.
    :param installs: results of the update stages that were started, in order: ``failed``, ``unreachable``, ``msg``,
        ``error``, ``kbs_installed``, ``refused``, ``receipt``.
    :param restart: the result of the restart, when one was started.
    :param halted: why its wave was not started, in words.
    :param ended: how its wave ended for it: ``state``, ``words``, and ``drained`` when it was left out of service.
    :returns: ``outcome``, ``reason``, ``track_before``, ``track_after``, ``build_before``, ``build_after``,
        ``kbs_installed``, ``restarted`` (None when it could not be proven either way), with what the plan says.
    """
    again = None if facts_after is None else state_of(facts_after, declarations, catalogue)
    build_after = str(again.standing.build) if again and again.standing.build else None
    moved = restarted(facts_before, facts_after)
    outcome, reason = _Case(step, facts_before, facts_after, build_after, moved, installs, restart).conclude(
        after_failure, halted
    )
    outcome, reason = _held_to_wave(outcome, reason, ended or {})
    return {
        "name": step["name"],
        "product": step["product"],
        "product_name": step["product_name"],
        "edition": step["edition"],
        "eligible": step["eligible"],
        "blockers": step["blockers"],
        "enrolled": step["enrolled"],
        "enrolled_source": step["enrolled_source"],
        "track_before": step["track"],
        "track_after": again.standing.track.value if again else None,
        "build_before": step["build"],
        "build_after": build_after,
        "kbs_installed": _kbs_installed(facts_before, facts_after, installs),
        "restarted": moved,
        "outcome": outcome,
        "reason": reason,
    }


def _held_to_wave(outcome: str, reason: str, ended: Mapping[str, Any]) -> tuple[str, str]:
    """A server that did not come through its wave, or was left drained, is no success whatever was read later."""
    words = str(ended.get("words") or "It did not come through its wave.").strip()
    if ended.get("state") == "failed" and outcome in _GOOD:
        outcome, reason = "failed", words
    if ended.get("drained") is True:
        outcome = "unreachable" if outcome == "unreachable" else "failed"
        reason = reason if words in reason else f"{reason} {words}"
    return outcome, reason


def totals(concluded: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many servers had each outcome; outcomes that nobody had are left out."""
    counted = Counter(str(each["outcome"]) for each in concluded)
    return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}


class _Case:
    """One server's evidence, looked at in the order of what weighs most."""

    def __init__(
        self,
        step: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
        build_after: str | None,
        moved: bool | None,
        installs: Sequence[Mapping[str, Any]],
        restart: Mapping[str, Any] | None,
    ) -> None:
        self.step = step
        self.before = before
        self.after = after
        self.build_before = step["build"]
        self.build_after = build_after
        self.moved = moved
        self.installs = installs
        self.restart = restart
        self.meant_to_restart = bool(step["allowed"]) and step["action"] in RESTARTING

    def conclude(self, after_failure: Mapping[str, Any] | None, halted: str | None) -> tuple[str, str]:
        if self.before is None:
            return self.step["outcome_if_nothing"], self.step["reason"]
        if self.moved and not (self.meant_to_restart and (self.installs or self.restart)):
            return (
                "failed",
                "IT RESTARTED although this run was not to restart it: "
                f"up since {_boot(self.after)}, before since {_boot(self.before)}. Find out what restarted it.",
            )
        if self.after is None:
            return self._lost(after_failure or {})
        if not self.installs and self.restart is None:
            return self._nothing_done(halted)
        failed = self._failed_stage()
        if failed is not None:
            return failed
        if not self.step["allowed"] and not any(result.get("kbs_installed") for result in self.installs):
            # A role was run on a server that the plan leaves alone, and it found nothing to do either.
            return self._nothing_done(halted)
        return self._hotpatched() if self.step["action"] == HOTPATCH else self._baselined()

    def _lost(self, failure: Mapping[str, Any]) -> tuple[str, str]:
        outcome = "unreachable" if failure.get("unreachable") else "failed"
        why = str(failure.get("msg") or "nothing says why.")
        stage = self._failed_stage()
        earlier = f" Before that: {stage[1]}" if stage else ""
        return outcome, f"It could not be read afterwards, so nothing is proven: {why}{earlier}"

    def _nothing_done(self, halted: str | None) -> tuple[str, str]:
        reason = str(self.step["reason"])
        if self.step["allowed"]:
            if halted is None and self._reached(self.step["expected_build"]):
                return (
                    "current",
                    f"It has {self.step['expected_kbs'][-1]} by now, installed by somebody else than this run.",
                )
            return "skipped", halted or f"{reason} The run ended before its turn."
        if self.build_after != self.build_before:
            reason += f" Its build changed from {self.build_before} to {self.build_after} meanwhile, not by this run."
        return str(self.step["outcome_if_nothing"]), reason

    def _failed_stage(self) -> tuple[str, str] | None:
        started = [*self.installs, *([self.restart] if self.restart is not None else [])]
        for result in started:
            message = str(result.get("msg") or "A stage failed without a message.")
            if result.get("unreachable"):
                return "unreachable", message
            if result.get("failed"):
                refused = (result.get("error") or {}).get("code") == "refused"
                return ("refused" if refused and not self.moved else "failed"), message
        return None

    def _hotpatched(self) -> tuple[str, str]:
        expected = self.step["expected_build"]
        kbs = ", ".join(self.step["expected_kbs"])
        if not self._reached(expected):
            return self._not_reached(expected)
        for witness in witnesses_after(self.before or {}, self.after):
            if witness.answer is not Answer.YES:
                return "failed", f"{kbs} is installed, but the promise of no restart does not hold: {witness.words}"
        return "hotpatched", f"{kbs} is installed, the build is {self.build_after}, and it did not restart."

    def _baselined(self) -> tuple[str, str]:
        stages = self.step["stages"]
        first = stages[0]["expected_build"] if stages else self.step["expected_build"]
        pending = (self.after or {}).get("restart_pending") or {}
        if self.moved is None:
            return "failed", "Whether it restarted cannot be proven: a boot time could not be read."
        if not self.moved:
            return self._not_reached(self.step["expected_build"])
        if pending.get("pending") is not False:
            sources = ", ".join(pending_sources(pending)) or "it could not be read"
            return "failed", f"It restarted, but a restart is still pending ({sources})."
        if self._reached(self.step["expected_build"]):
            kbs = " and ".join(self.step["expected_kbs"])
            verb = "are" if len(self.step["expected_kbs"]) > 1 else "is"
            return "baselined", f"{kbs} {verb} installed, it restarted, and the build is {self.build_after}."
        if len(stages) > 1 and first is not None and self.build_after == first:
            rest = [stage["kb"] for stage in stages[1:]]
            later = f"{', '.join(rest)} is still to be installed, without a restart."
            if len(self.installs) > 1:
                later = f"Windows Update did not offer {', '.join(rest)} after that; the next run looks again."
            why = self._refusal_of(rest) or later
            return "baselined", f"{stages[0]['kb']} is installed and it restarted. {why}"
        return (
            "failed",
            f"It restarted, and the build is {self.build_after} where {self.step['expected_build'] or 'a new one'} was "
            "expected. Windows may have rolled the update back; look at the Setup event log.",
        )

    def _reached(self, expected: str | None) -> bool:
        if expected is not None:
            return self.build_after == expected
        # The catalogue names no build for this KB: it must be listed, and the build must have moved up.
        before, after = Build.read(self.build_before), Build.read(self.build_after)
        listed = {normal_kb(kb) for kb in (installed_kbs(self.after or {}) or [])}
        return before is not None and after is not None and after > before and self.step["expected_kbs"][-1] in listed

    def _refusal_of(self, kbs: Sequence[str]) -> str | None:
        """Why one of these KBs was offered and not installed, in words; the last stage that refused one tells."""
        for result in reversed(self.installs):
            for refused in result.get("refused") or ():
                if refused.get("kb") in kbs:
                    return f"{refused['kb']} was not installed: {refused.get('refused') or refused.get('words')}"
        return None

    def _not_reached(self, expected: str | None) -> tuple[str, str]:
        wanted = self.step["expected_kbs"]
        if any(result.get("kbs_installed") for result in self.installs):
            return (
                "failed",
                f"{', '.join(wanted)} was installed, but the build is {self.build_after} where "
                f"{expected or 'a new one'} was expected.",
            )
        refusal = self._refusal_of(wanted)
        if refusal is not None:
            return "refused", refusal
        for result in self.installs:
            doubts = [
                str(witness.get("words"))
                for witness in (result.get("receipt") or {}).get("witnesses_before") or ()
                if witness.get("answer") != "yes"
            ]
            if doubts:
                return "refused", f"{', '.join(wanted)} was not installed. {' '.join(doubts)}"
        return (
            "failed",
            f"Windows Update did not offer {' and '.join(wanted)}. Check where the server gets updates from (WSUS "
            "approvals, deferrals), whether it was taken back and is hidden, and that its licence is still valid.",
        )


def _kbs_installed(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, installs: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What the stages report as installed; when they report nothing, what is newly listed (and only when acted)."""
    reported = [normal_kb(str(kb)) or str(kb) for result in installs for kb in result.get("kbs_installed") or ()]
    if reported or not installs or before is None or after is None:
        return list(dict.fromkeys(reported))
    old, new = installed_kbs(before), installed_kbs(after)
    if old is None or new is None:
        return []
    return sorted(set(new) - set(old))


def _boot(facts: Mapping[str, Any] | None) -> str:
    return str(((facts or {}).get("boot") or {}).get("last_boot") or "an unknown time")

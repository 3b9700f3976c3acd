# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Search and install updates: read, ask Windows Update, judge, hear the witnesses, install, read back.

Between two operations on the server every decision is taken here. An update is installed only when the train guard
allows it and, in hotpatch_only mode, when all three witnesses say that no restart follows.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.install_receipt import Receipt
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import (
    CATALOGUE_OPTIONS,
    CONNECTION_OPTIONS,
    ENROLLMENT_OPTIONS,
    Spec,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.update_asking import Asking
from ansible_collections.winops.hotpatch.plugins.module_utils._core.update_words import SUCCEEDED, failure, result_of
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.enrollment import installed_kbs
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    Busy,
    HotpatchError,
    InvalidInput,
    Refused,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_run import Pace
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.disk_room import no_room
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import (
    FORECAST,
    Answer,
    may_install,
    witnesses_after,
    witnesses_before,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.server_state import ServerState, state_of
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_source import SELECTION, source_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.choice import (
    Choice,
    Offered,
    OtherUpdates,
    Selection,
    Why,
    choose,
    judged,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.classifications import CLASSIFICATIONS
from ansible_collections.winops.hotpatch.plugins.module_utils._release.offered_again import (
    OfferedAgain,
    offered_again,
)

SPEC = Spec(
    {
        **CONNECTION_OPTIONS,
        **CATALOGUE_OPTIONS,
        **ENROLLMENT_OPTIONS,
        "mode": {"type": "str", "choices": ["search", "hotpatch_only", "baseline"], "default": "hotpatch_only"},
        "state": {"type": "str", "choices": ["downloaded", "installed"], "default": "installed"},
        "include": {"type": "list", "elements": "str", "default": []},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "classifications": {
            "type": "list",
            "elements": "str",
            "choices": sorted(CLASSIFICATIONS),
            "default": [],
        },
        "other_updates": {
            "type": "str",
            "choices": [each.value for each in OtherUpdates],
            "default": OtherUpdates.NAMED.value,
        },
        "allow_off_track": {"type": "bool", "default": False},
        "accept_eula": {"type": "bool", "default": True},
        "min_free_bytes": {"type": "int"},
        "server_selection": {"type": "str", "choices": list(SELECTION), "default": "default"},
        "retries": {"type": "int", "default": 2},
        "run_id": {"type": "str"},
        "timeout": {"type": "int", "default": 7200},
        "poll_interval": {"type": "float", "default": 5},
    }
)


def run(call: Call) -> dict[str, Any]:
    """Do what the options ask; the keys are those of the module's documentation.

    :raises Refused: the host is no server.
    :raises UpdateFailed: Windows Update failed; ``details`` say how far it came.
    :raises HotpatchError: the server cannot be read, or the promise of no restart did not hold.
    """
    if call.params["timeout"] <= 0 or call.params["poll_interval"] <= 0:
        raise InvalidInput("timeout and poll_interval must be above zero.")
    if call.params["retries"] < 0 or (call.params["min_free_bytes"] or 0) < 0:
        raise InvalidInput("retries and min_free_bytes must not be below zero.")
    if call.params["allow_off_track"] and call.params["mode"] != "baseline":
        raise InvalidInput("allow_off_track goes with mode baseline only.")
    return _Run(call, catalogue_of(call)).result()


class _Run:
    """One call."""

    def __init__(self, call: Call, catalogue: Catalogue) -> None:
        self.call = call
        self.catalogue = catalogue
        self.mode: str = call.params["mode"]
        self.deadline = call.monotonic() + call.params["timeout"]
        self.poll = poll = float(call.params["poll_interval"])
        self.pause = min(1.0, poll)
        self.selection = Selection.read(
            **{
                name: call.params[name]
                for name in (
                    "include", "exclude", "classifications", "other_updates", "allow_off_track", "accept_eula",
                )
            }
        )  # fmt: skip
        self.server = call.server()
        self.runner = self.server.updates(
            call.params["run_id"] or f"{call.now():%Y%m%dT%H%M%S}-{secrets.token_hex(2)}",
            Pace(first=self.pause, last=poll, progress=3 * poll),
        )
        self.before: dict[str, Any] = {}
        self.offered: list[Offered] = []
        self.offered_again: list[OfferedAgain] = []
        self.results: list[dict[str, Any]] = []
        self.kbs_installed: list[str] = []
        self.expected_build: str | None = None
        self.agent: dict[str, Any] | None = None
        self.searched = False
        self.restart_first = False
        self.receipt = Receipt(call, self.mode, catalogue)

    def result(self) -> dict[str, Any]:
        self.before = facts = self._read()
        self.receipt.read_before(facts)
        state = self._state(facts)
        if state.product.is_server is False:
            raise Refused(
                f"{self.call.name} runs {state.product.name}, which is not a server. Nothing was done.",
                server=self.call.name,
            )
        self.source = source_of(self.call.params["server_selection"], facts.get("update_policy"))
        if self.source.conflict is not None:
            self._refuse_source(*self.source.conflict)
        self.asking = Asking(
            self.call,
            self.runner,
            self.source,
            deadline=self.deadline,
            poll=self.poll,
            keep=self.receipt.operation,
        )
        if self.call.check_mode:
            return self._forecast(state)
        try:
            facts = self._search(facts)
            state = self._state(facts)
            if self.mode != "search":
                self._install(facts, state)
            after = self._read() if self._may_have_changed else facts
        except HotpatchError as error:
            after_failure = self._read_if_possible()
            if self.mode == "hotpatch_only" and self._installed_something:
                self.receipt.after(witnesses_after(self.before, after_failure))
            error.details = {**self._keys(after_failure), **error.details}
            error.changed = error.details["changed"]
            raise
        self._hold_to_promise(after)
        return self._keys(after)

    @property
    def installs(self) -> list[dict[str, Any]]:
        """The results of installations, of ours or of an earlier call's."""
        return [result for result in self.results if result["operation"] == "install"]

    @property
    def _installed_something(self) -> bool:
        """Whether an installation was begun, by this call or by one that it followed; its result may be missing."""
        return bool(self.installs) or "install" in self.asking.begun

    @property
    def _may_have_changed(self) -> bool:
        return self._installed_something or self.asking.attached

    def _refuse_source(self, code: str, words: str) -> None:
        """
        :raises Refused: always.
        """
        error = Refused(
            f"{self.call.name}: the search cannot be made: {words}. Nothing was started.",
            code=code,
            hint="Choose another server_selection, or change the policy.",
            server=self.call.name,
        )
        error.details = {"source": self.source.as_dict()}
        raise error

    # ---- reading

    def _read(self) -> dict[str, Any]:
        return self.server.facts()

    def _read_if_possible(self) -> dict[str, Any] | None:
        """The facts after a failure; None when they cannot be had, since the first failure is what matters."""
        try:
            return self._read() if self._may_have_changed else self.before
        except HotpatchError:
            return None

    def _state(self, facts: Mapping[str, Any]) -> ServerState:
        declared = {"enrolled": self.call.params["enrolled"], "opted_out": self.call.params["opted_out"]}
        return state_of(facts, declared, self.catalogue)

    # ---- asking Windows Update

    def _search(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Fill ``offered``; the facts, read again when somebody else's work had to be waited for."""
        while True:
            try:
                answer = self.asking.search(self.call.params["retries"])
                break
            except Busy:
                self._wait_for_other_work()
                facts = self._read()
        self.searched = True
        self.agent = answer.get("agent")
        state = self._state(facts)
        history = answer.get("history")
        rows = history["entries"] if history is not None else None
        if self.mode == "search":
            self._only_judge(answer["updates"], state, rows)
            return facts
        choice = self._choose(answer["updates"], state, rows)
        self.offered = [*choice.selected, *choice.refused]
        self.offered_again = list(choice.offered_again)
        return facts

    def _only_judge(self, updates: list[dict[str, Any]], state: ServerState, rows: list[dict[str, Any]] | None) -> None:
        for update in updates:
            each = Offered(update, judged(update, state.standing, self.catalogue))
            self.offered.append(each.refuse(Why.ONLY_SEARCHED, "only searched"))
            again = offered_again(update, each.verdict, rows)
            if again is not None:
                self.offered_again.append(again)

    def _choose(self, offered: list[dict[str, Any]], state: ServerState, rows: list[dict[str, Any]] | None) -> Choice:
        return choose(offered, self.mode, state.standing, self.catalogue, self.selection, rows)

    def _wait_for_other_work(self) -> None:
        """Follow work of an earlier call to its end, and count what it installed."""
        other = self.asking.follow_other_work()
        if other is None:
            # It ended meanwhile, or gave way to another call: look again, but not without a pause.
            self.call.sleep(self.pause)
        elif other["operation"] == "install":
            self._take_results("install", other, {})

    # ---- installing

    def _install(self, facts: Mapping[str, Any], state: ServerState) -> None:
        chosen = [each for each in self.offered if each.refused is None]
        if not chosen:
            return
        if self._lacks_room(chosen, facts):
            return
        if self.mode == "hotpatch_only" and not self._heard(chosen, facts, state):
            return
        if self._restart_comes_first(chosen, facts):
            return
        kbs = {each.update["update_id"]: each.verdict.kb for each in chosen}
        accept = self.call.params["accept_eula"]
        missing = [each.update for each in chosen if each.update["downloaded"] is not True]
        if missing:
            answer = self.asking.ask("download", missing, accept_eula=accept)
            self._take_results("download", answer, kbs)
            self._each_succeeded("download", answer, kbs)
        if self.call.params["state"] == "downloaded":
            return
        self.expected_build = next(
            (str(each.verdict.expected_build) for each in chosen if each.verdict.expected_build), None
        )
        answer = self.asking.ask("install", [each.update for each in chosen], accept_eula=accept)
        self._take_results("install", answer, kbs)
        self._each_succeeded("install", answer, kbs)

    def _refuse(self, chosen: list[Offered], why: Why, words: str) -> None:
        self.offered = [each.refuse(why, words) if each in chosen else each for each in self.offered]

    def _lacks_room(self, chosen: list[Offered], facts: Mapping[str, Any]) -> bool:
        """Whether the system drive is, or may be, too full for what was chosen."""
        words = no_room(chosen, facts.get("hardware"), self.call.params["min_free_bytes"])
        if words is None:
            return False
        self._refuse(chosen, Why.DISK_SPACE, words)
        return True

    def _restart_comes_first(self, chosen: list[Offered], facts: Mapping[str, Any]) -> bool:
        """Whether a restart is, or may be, pending: Windows Update then installs nothing (0x80240016)."""
        if facts["restart_pending"]["pending"] is False:
            return False
        self.restart_first = True
        self._refuse(
            chosen, Why.RESTART_FIRST, "a restart is pending, or may be; restart the server first and run again"
        )
        return True

    def _heard(self, chosen: list[Offered], facts: Mapping[str, Any], state: ServerState) -> bool:
        """Hear the three witnesses for each update; one that lacks a yes is refused; nothing is installed then."""
        evaluated = {each.update["update_id"]: each.update for each in chosen}
        # An evaluation downloads the bootstrapper: not before the two cheap witnesses have said yes.
        cheap = [
            witness
            for witness in self._witnesses(chosen[0], evaluated, facts, state)
            if witness.name != FORECAST and witness.answer is not Answer.YES
        ]
        able = [each for each in chosen if each.update["bootstrapper"] is True]
        if able and not cheap:
            answer = self.asking.ask("evaluate", [each.update for each in able], again=True)
            evaluated.update({update["update_id"]: update for update in answer["updates"]})
        every = True
        for index, each in enumerate(self.offered):
            if each.refused is not None:
                continue
            witnesses = self._witnesses(each, evaluated, facts, state)
            self.receipt.before(each, witnesses)
            if not may_install(witnesses):
                every = False
                doubts = [witness for witness in witnesses if witness.answer is not Answer.YES]
                words = " ".join(witness.words for witness in doubts)
                failed = any(witness.name == FORECAST for witness in doubts)
                code = _code_of(evaluated[each.update["update_id"]]) if failed else None
                self.offered[index] = each.refuse(Why.NOT_PROVEN, words, code)
        return every

    def _witnesses(
        self, each: Offered, evaluated: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any], state: ServerState
    ) -> Any:
        return witnesses_before(
            evaluated[each.update["update_id"]],
            state.product,
            each.verdict,
            facts.get("update_policy"),
            facts.get("restart_pending"),
        )

    def _take_results(self, operation: str, answer: Mapping[str, Any], kbs: Mapping[str, str | None]) -> None:
        """Keep what a download or an install did, of ours or of an earlier call's."""
        for update in answer["updates"]:
            outcome = update[operation]
            if outcome is None:
                continue
            kb = kbs.get(update["update_id"]) or next((f"KB{number}" for number in update["kbs"]), update["title"])
            self.results.append(result_of(operation, kb, update, outcome, answer.get("agent")))
            if operation == "install" and outcome["result_code"] == SUCCEEDED and kb not in self.kbs_installed:
                self.kbs_installed.append(kb)

    def _each_succeeded(self, what: str, answer: Mapping[str, Any], kbs: Mapping[str, str | None]) -> None:
        """
        :raises UpdateFailed: an update did not succeed.
        """
        for update in answer["updates"]:
            outcome = update[what]
            if outcome is not None and outcome["result_code"] == SUCCEEDED:
                continue
            name = kbs.get(update["update_id"]) or update["title"]
            raise failure(self.call.name, f"the {what} of {name}", outcome, answer.get("agent"))

    # ---- the end

    def _hold_to_promise(self, after: Mapping[str, Any]) -> None:
        """
        :raises HotpatchError: a hotpatch was installed and the server restarted or now waits for a restart.
        """
        if self.mode != "hotpatch_only" or not self.installs:
            return
        witnesses = witnesses_after(self.before, after)
        self.receipt.after(witnesses)
        broken = [witness.words for witness in witnesses if witness.answer is not Answer.YES]
        if broken:
            error = HotpatchError(
                f"{self.call.name}: a hotpatch was installed and the promise of no restart does not hold. "
                f"{' '.join(broken)}",
                code="promise_broken",
                hint="Look at the receipt and at what else changed the server.",
                server=self.call.name,
            )
            error.details = self._keys(after)
            error.changed = True
            raise error

    def _forecast(self, state: ServerState) -> dict[str, Any]:
        """What a real run would do, from the catalogue alone: a search registers a task, which is a write."""
        form = {"hotpatch_only": "hotpatch", "baseline": "baseline"}.get(self.mode)
        needed = state.standing.needed[:1]
        restarts = state.standing.restart_reason is not None
        fits = bool(needed) and form is not None and (form == "baseline") == restarts
        keys = self._keys(self.before)
        keys["changed"] = fits
        keys["msg"] = (
            f"{self.call.name}: {needed[0].kb if needed else 'nothing'} is due ({state.standing.words}) Windows Update "
            "was not asked, since a search registers a task."
        )
        return keys

    def _keys(self, after: Mapping[str, Any] | None) -> dict[str, Any]:
        """The result's keys; ``after`` is None when the server could not be read again."""
        before, now = _installed(self.before), _installed(after)
        pending = None if after is None else after["restart_pending"]["pending"]
        downloaded_only = self.call.params["state"] == "downloaded" and any(
            entry["operation"] == "download" for entry in self.receipt.operations
        )
        keys: dict[str, Any] = {
            "changed": bool(self.kbs_installed)
            or downloaded_only
            # An installation whose result is missing may still be at work.
            or "install" in self.asking.unanswered
            or (self._installed_something and now not in (None, before)),
            "mode": self.mode,
            "run_id": self.runner.run_id if self.searched or self.asking.attached else None,
            "attached": self.asking.attached,
            "source": self.source.as_dict(self.agent),
            "kbs_installed": list(self.kbs_installed),
            "results": list(self.results),
            "build_before": self.before["os"]["build_ubr"],
            "build_after": after["os"]["build_ubr"] if after else None,
            "boot_time_before": self.before["boot"]["last_boot"],
            "boot_time_after": after["boot"]["last_boot"] if after else None,
            # With a restart pending, nobody knows the build after it.
            "expected_build": self.expected_build
            or (after["os"]["build_ubr"] if after and not self.installs and pending is False else None),
            "restart_required": pending,
            "restart_first": self.restart_first,
        }
        offered = [each.as_dict() for each in self.offered]
        told = {
            "offered": offered,
            "refused": [] if self.mode == "search" else [each for each in offered if each["refused"] is not None],
            "offered_again": [each.as_dict() for each in self.offered_again],
        }
        if self.searched:
            keys |= told
        keys["receipt"] = self.receipt.as_dict(after, {**keys, **told}, may=self._may())
        if keys["changed"] and now is not None:
            keys["diff"] = {"before": before, "after": now}
        return keys

    def _may(self) -> str:
        """What the witnesses came to: yes, no or unknown; ``not_asked`` where there was nothing to ask about."""
        answers = {witness["answer"] for witness in self.receipt.witnesses_before}
        if not answers:
            return "not_asked"
        return "no" if "no" in answers else "unknown" if "unknown" in answers else "yes"


def _code_of(evaluated: Mapping[str, Any]) -> str | None:
    """The code with which Windows Update's own forecast failed; None when it gave one."""
    evaluation = evaluated.get("evaluation") or {}
    error = evaluation.get("error") or evaluated.get("bootstrapper_error") or {}
    return error.get("hresult") or None


def _installed(facts: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What an install changes on a server, for the comparison before and after."""
    if facts is None:
        return None
    sources = facts["restart_pending"]["sources"]
    return {
        "build": facts["os"]["build_ubr"],
        "kbs": sorted(installed_kbs(facts) or []),
        "restart_pending": sorted(name for name, state in sources.items() if state and name != "pending_file_rename"),
    }

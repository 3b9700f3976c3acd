# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Take the latest update off a server: plan, try without a restart, and after the restart prove it and hold it back.

The attempt itself is the only thing that tells whether a package can go, and it restarts nothing. So it is made before
anything is drained: a refusal leaves the server exactly as it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import (
    CATALOGUE_OPTIONS,
    CONNECTION_OPTIONS,
    ENROLLMENT_OPTIONS,
    Spec,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.enrollment import installed_kbs
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
    Refused,
    UpdateFailed,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.packages import (
    RESTART_NEEDED,
    Removal,
    removal_error,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_run import Pace
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.rollback import (
    Doubt,
    Plan,
    Record,
    Removable,
    Stage,
    Status,
    Target,
    Wish,
    attempts_before,
    baseline_to_come,
    find_target,
    make_plan,
    ways_that_remain,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.server_state import ServerState, state_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes import describe
from ansible_collections.winops.hotpatch.plugins.module_utils._release.packages import HOTPATCH_PATTERN, Package
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import Form, normal_kb

SPEC = Spec(
    {
        **CONNECTION_OPTIONS,
        **CATALOGUE_OPTIONS,
        **ENROLLMENT_OPTIONS,
        "what": {"type": "str", "choices": ["latest", "hotpatch", "baseline"], "default": "latest"},
        "kb": {"type": "str"},
        "phase": {"type": "str", "choices": ["remove", "finish", "release"], "default": "remove"},
        "plan_only": {"type": "bool", "default": False},
        "hold": {"type": "bool", "default": True},
        "cves": {"type": "dict", "default": {}},
        "hotpatch_package": {"type": "str", "default": HOTPATCH_PATTERN},
        "min_free_bytes": {"type": "int"},
        "timeout": {"type": "int", "default": 3600},
        "poll_interval": {"type": "float", "default": 5},
    }
)

#: Hidden or not: the answer tells which.
_NOT_INSTALLED = "IsInstalled=0"
_HIDDEN = "IsInstalled=0 and IsHidden=1"
_SUCCEEDED = 2


def run(call: Call) -> dict[str, Any]:
    """Do what the options ask; the keys are those of the module's documentation.

    :raises Refused: the update cannot, or must not, be taken off; ``details`` hold the plan with the ways that remain.
    :raises UpdateFailed: DISM failed, or the restart did not take the update off.
    :raises HotpatchError: the server cannot be read.
    """
    params = call.params
    if params["timeout"] <= 0 or params["poll_interval"] <= 0:
        raise InvalidInput("timeout and poll_interval must be above zero.")
    if (params["min_free_bytes"] or 0) < 0:
        raise InvalidInput("min_free_bytes must not be below zero.")
    kb = None
    if params["kb"]:
        kb = normal_kb(params["kb"])
        if kb is None:
            raise InvalidInput(f"kb: {params['kb']!r} is not a KB; a KB looks like KB5072014.")
    wish = Wish(params["what"], kb, params["hotpatch_package"])
    rollback = _Rollback(call, wish, _cves_of(params["cves"]))
    phases = {"remove": rollback.remove, "finish": rollback.finish, "release": rollback.release}
    return phases[params["phase"]]()


def _cves_of(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The CVEs by KB as they were given: a list, or one text."""
    cves = {}
    for name, value in given.items():
        kb = normal_kb(str(name))
        listed = [value] if isinstance(value, str) else value
        if kb is None or not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise InvalidInput(
                f"cves: {name!r} does not name the CVEs of a KB.",
                hint="Give a KB and a list, such as {KB5072014: [CVE-2025-62221]}.",
            )
        cves[kb] = tuple(listed)
    return cves


class _Rollback:
    """One call."""

    def __init__(self, call: Call, wish: Wish, cves: Mapping[str, tuple[str, ...]]) -> None:
        self.call = call
        self.wish = wish
        self.cves = cves
        self.catalogue = catalogue_of(call)
        self.server = call.server()
        self.packages = self.server.packages()
        self.note = self.server.rollback_record()
        self.deadline = call.monotonic() + call.params["timeout"]
        self.facts: dict[str, Any] = {}
        self.record: Record | None = None

    # ---- reading

    def _read(self) -> tuple[Package, ...]:
        self.facts = self.server.facts()
        self.record = self.note.read()
        return self.packages.read()

    def _state(self) -> ServerState:
        declared = {"enrolled": self.call.params["enrolled"], "opted_out": self.call.params["opted_out"]}
        return state_of(self.facts, declared, self.catalogue)

    def _busy(self) -> str | None:
        program = self.packages.busy()
        if program is not None:
            return program
        start = self._runner().under_way()
        return f"{start.operation} of run {start.run_id}" if start else None

    def _runner(self) -> Any:
        poll = float(self.call.params["poll_interval"])
        run_id = f"rollback-{self.call.now():%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
        return self.server.updates(run_id, Pace(first=min(1.0, poll), last=poll, progress=3 * poll))

    def _plan(self, packages: Sequence[Package]) -> tuple[Plan, Target | None]:
        state = self._state()
        found = find_target(self.facts, state, packages, self.catalogue, self.wish, self.record)
        if isinstance(found, Plan):
            return found, None
        plan = make_plan(
            found,
            self.facts,
            state,
            self.catalogue,
            self.record,
            permanent=self.packages.says_permanent(found.package),
            busy=self._busy(),
            min_free_bytes=self.call.params["min_free_bytes"],
            cves=self.cves,
            opted_out=self.call.params["opted_out"],
        )
        return plan, found

    # ---- the phases

    def remove(self) -> dict[str, Any]:
        """Plan, and take the package off without a restart."""
        plan, target = self._plan(self._read())
        only_look = self.call.params["plan_only"] or self.call.check_mode
        if plan.status is Status.RESTART_DUE and target is not None and not only_look:
            self._adopt(target, plan)
        if only_look or plan.status in (Status.NOTHING, Status.DONE, Status.RESTART_DUE):
            would = plan.status is Status.POSSIBLE and not self.call.params["plan_only"]
            return self._keys(plan, changed=would)
        if plan.status is Status.REFUSED or target is None:
            raise self._refusal(plan)
        before = {"package": target.package.identity, "state": target.package.state.value}
        self._write(self._record_for(target, plan, Stage.REMOVING))
        self.call.progress(f"taking {target.package.identity} off, without a restart")
        left = self.deadline - self.call.monotonic()
        removal = self.packages.remove(
            target.package.identity, seconds=max(1.0, left), pause=float(self.call.params["poll_interval"])
        )
        if not removal.taken:
            raise self._not_taken(plan, target, removal)
        self._write(self._record_for(target, plan, Stage.REMOVED))
        self.facts = self.server.facts()
        words = f"{target.level.kb} is taken off; the restart that finishes it is to come."
        plan = replace(
            plan, status=Status.RESTART_DUE, words=words, removable=Removable.YES, removable_words="It is taken off."
        )
        now = next((item for item in removal.after if item.identity == target.package.identity), None)
        return self._keys(plan, changed=True) | {
            "diff": {
                "before": before,
                "after": {"package": target.package.identity, "state": now.state.value if now else "absent"},
            }
        }

    def finish(self) -> dict[str, Any]:
        """Prove after the restart that the update is off, and hold it back."""
        packages = self._read()
        record = self.record
        if record is None or record.stage in (Stage.REMOVING, Stage.PERMANENT):
            words = "No rollback waits to be finished on this server."
            return self._keys(Plan(Status.NOTHING, words), changed=False)
        plan = Plan(Status.DONE, "", kb=record.kb, returns_to=None, then_install=record.then_install)
        self._prove(plan, record, packages)
        hold = self.call.params["hold"]
        words = f"{record.kb} is off, the build is {self._build}."
        to_come = baseline_to_come(record, self._state().standing.level)
        if to_come:
            words += f" {' and '.join(to_come)}, the last good baseline, is not installed yet."
        if self.call.check_mode:
            would = hold and record.stage is not Stage.FINISHED
            return self._keys(replace(plan, words=words), changed=would)
        held: bool | None = None
        hidden_now, why = False, None
        if hold:
            held, hidden_now, why = self._hold(plan, record)
        if record.stage is not Stage.FINISHED:
            self._write(replace(record, stage=Stage.FINISHED))
        keys = self._keys(replace(plan, words=words), changed=hidden_now)
        keys.update({"finished": True, "held": held, "hold_words": why})
        if hidden_now:
            keys["diff"] = {"before": {"hidden": []}, "after": {"hidden": [record.kb]}}
        return keys

    def release(self) -> dict[str, Any]:
        """Show the update again, so that Windows Update offers it as before."""
        self._read()
        kb = self.wish.kb or (self.record.kb if self.record else None)
        if kb is None:
            raise InvalidInput(f"{self.call.name}: nothing was taken off here. Name the update with kb.")
        plan = Plan(Status.NOTHING, f"{kb} is not hidden.", kb=kb)
        if self.call.check_mode:
            words = f"Windows Update was not asked whether {kb} is hidden, since a search registers a task."
            return self._keys(replace(plan, words=words), changed=self.record is not None and self.record.kb == kb)
        runner = self._runner()
        found = self._ask(plan, runner, "search", [], criteria=_HIDDEN)
        ours = _of_kb(found["updates"], kb)
        if ours:
            answer = self._ask(plan, runner, "unhide", ours)
            self._each_is(plan, answer, hidden=False)
            plan = replace(plan, words=f"{kb} is shown again; Windows Update offers it as before.")
        keys = self._keys(plan, changed=bool(ours)) | {"held": False}
        if ours:
            keys["diff"] = {"before": {"hidden": [kb]}, "after": {"hidden": []}}
        return keys

    # ---- parts of removing

    def _adopt(self, target: Target, plan: Plan) -> None:
        """Note a removal whose note is missing: the call that made it was cut off, or a person made it."""
        noted = self.record is not None and self.record.package.lower() == target.package.identity.lower()
        if not noted or (self.record is not None and self.record.stage is not Stage.REMOVED):
            self._write(self._record_for(target, plan, Stage.REMOVED))

    def _record_for(self, target: Target, plan: Plan, stage: Stage) -> Record:
        attempts = attempts_before(target, self.record)
        return Record(
            kb=target.level.kb,
            form=target.level.form,
            package=target.package.identity,
            build_before=str(self._build),
            build_after=str(plan.build_after),
            # An attempt counts once DISM has taken the package; until then the earlier ones are kept as they were.
            stage=Stage.REMOVED if stage is Stage.REMOVING and attempts else stage,
            attempts=attempts + 1 if stage is Stage.REMOVED else attempts,
            then_install=plan.then_install,
        )

    def _write(self, record: Record) -> None:
        self.note.write(record)

    @property
    def _build(self) -> str | None:
        build: str | None = self.facts["os"]["build_ubr"]
        return build

    def _refusal(self, plan: Plan) -> Refused:
        ways = " ".join(way.words for way in plan.ways)
        first = plan.doubts[0].code if plan.doubts else "refused"
        error = Refused(
            f"{self.call.name}: nothing was taken off. {plan.words}",
            code=first,
            hint=f"Ways that remain: {ways}" if ways else None,
            retryable=all(doubt.code == "busy" for doubt in plan.doubts),
            server=self.call.name,
        )
        error.details = self._details(plan)
        return error

    def _not_taken(self, plan: Plan, target: Target, removal: Removal) -> HotpatchError:
        """The error for an attempt after which the package stands as before."""
        kb = target.level.kb
        if removal.permanent:
            self._write(self._record_for(target, plan, Stage.PERMANENT))
            words = f"{kb} is permanent: Windows refuses to take it off (0x800F0825). It is not tried again."
            doubt = Doubt("permanent", words)
            return self._refusal(
                replace(
                    plan,
                    status=Status.REFUSED,
                    words=words,
                    doubts=(doubt,),
                    removable=Removable.NO,
                    removable_words=words,
                    ways=ways_that_remain(self._state(), self.catalogue),
                )
            )
        error: HotpatchError
        if removal.exit_code is None:
            error = OutcomeUnknown(
                f"{self.call.name}: DISM's answer was lost, and {kb} is installed as before. {removal.lost}",
                hint="Nothing was sent twice. Run again.",
                server=self.call.name,
            )
            error.retryable = True
        elif removal.exit_code in (0, RESTART_NEEDED):
            error = UpdateFailed(
                f"{self.call.name}: DISM ended with {removal.exit_code}, and {kb} is installed as before.",
                code="nothing_removed",
                hint="Look at DISM's log on the server, %windir%\\Logs\\DISM\\dism.log.",
                server=self.call.name,
            )
        else:
            error = removal_error(self.call.name, f"taking {kb} off", removal.exit_code)
        error.details = self._details(plan)
        return error

    # ---- parts of finishing

    def _prove(self, plan: Plan, record: Record, packages: Sequence[Package]) -> None:
        """
        :raises Refused: the restart is still to come.
        :raises UpdateFailed: the restart did not take the update off.
        """
        there = [item for item in packages if item.identity.lower() == record.package.lower() and item.there]
        pending = self.facts["restart_pending"]["pending"]
        trouble: HotpatchError | None = None
        if any(item.state.value == "uninstall_pending" for item in there) or pending is not False:
            seen = "a restart is pending" if pending is not None else "whether a restart is pending is not known"
            trouble = Refused(
                f"{self.call.name}: {record.kb} is not off yet: {seen}.",
                code="restart_pending",
                hint="Restart the server with winops.hotpatch.restart, then finish.",
                server=self.call.name,
            )
        elif there or self._build == record.build_before:
            trouble = UpdateFailed(
                f"{self.call.name}: {record.kb} is there again after the restart, the build is {self._build} where "
                f"{record.build_after} was expected.",
                code="did_not_take",
                hint="Windows may have rolled the removal back while it started; look at the Setup event log.",
                server=self.call.name,
            )
        elif self._build != record.build_after and not self._other_end(record):
            trouble = UpdateFailed(
                f"{self.call.name}: {record.kb} is off, and the build is {self._build} where {record.build_after} was "
                "expected.",
                code="unexpected_build",
                hint="Look at what else was installed or taken off meanwhile.",
                server=self.call.name,
            )
        elif record.kb in (installed_kbs(self.facts) or []):
            trouble = UpdateFailed(
                f"{self.call.name}: the build is {self._build}, and Windows still lists {record.kb}.",
                code="kb_still_listed",
                hint="Look at the packages and at the Setup event log.",
                server=self.call.name,
            )
        if trouble is not None:
            trouble.details = self._details(replace(plan, words=trouble.message))
            raise trouble

    def _other_end(self, record: Record) -> bool:
        """Whether the server came back with an earlier hotpatch of the same baseline, or was brought further since."""
        level = self._state().standing.level
        if record.form is Form.HOTPATCH and level is not None and level.form is Form.HOTPATCH:
            self.call.warn(
                f"{self.call.name}: without {record.kb} it has {level.kb}, another hotpatch, and not the bare baseline."
            )
            return True
        # The last good baseline was to be installed where what came back is older.
        return level is not None and level.kb in record.then_install

    def _hold(self, plan: Plan, record: Record) -> tuple[bool, bool, str]:
        """Hide the update: whether it is hidden, whether this call did it, and what else keeps it away, in words.

        :raises UpdateFailed: the search or the hiding failed.
        """
        runner = self._runner()
        found = self._ask(plan, runner, "search", [], criteria=_NOT_INSTALLED)
        shown = _of_kb([update for update in found["updates"] if update["hidden"] is not True], record.kb)
        more = self._what_else(record)
        if not _of_kb(found["updates"], record.kb):
            return False, False, f"{record.kb} is not offered now, so there is nothing to hide. {more}"
        if not shown:
            return True, False, f"{record.kb} is hidden. {more}"
        self._each_is(plan, self._ask(plan, runner, "hide", shown), hidden=True)
        return True, True, f"{record.kb} is hidden. {more}"

    def _each_is(self, plan: Plan, answer: Mapping[str, Any], *, hidden: bool) -> None:
        """
        :raises UpdateFailed: Windows Update did not do to an update what it was asked to.
        """
        if all(update["hidden"] is hidden for update in answer["updates"]):
            return
        error = UpdateFailed(
            f"{self.call.name}: Windows Update did not {'hide' if hidden else 'show'} {plan.kb}.",
            code="not_hidden" if hidden else "not_shown",
            hint="Look at the update in Windows Update on the server, or decline it on the update server.",
            server=self.call.name,
        )
        error.details = self._details(plan)
        raise error

    def _what_else(self, record: Record) -> str:
        policy = self.facts.get("update_policy") or {}
        if policy.get("use_wsus"):
            return f"Decline {record.kb} on the update server as well: what is hidden is hidden on this server alone."
        if record.form is Form.HOTPATCH:
            return "Opt the server out of hotpatches in Azure, if none at all is to come for a while."
        return "Hiding keeps this update away and not the next one, which holds the same changes."

    def _ask(
        self, plan: Plan, runner: Any, operation: str, updates: Sequence[Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        left = max(1.0, self.deadline - self.call.monotonic())
        try:
            answer: dict[str, Any] = runner.run(operation, updates, seconds=left, again=True, **options)
        except HotpatchError as error:
            error.details = {**self._details(plan), **error.details}
            raise
        failed = answer["state"] != "done" or (answer["search"] or {}).get("result_code", _SUCCEEDED) != _SUCCEEDED
        if failed:
            hresult = (answer["error"] or {}).get("hresult")
            text = describe(hresult) if hresult else None
            cause = f"{text.meaning} ({text.code})" if text else "Windows Update did not answer in full"
            trouble = UpdateFailed(
                f"{self.call.name}: the {operation} that {plan.kb} needs failed: {cause}. Nothing was hidden or shown.",
                code=text.code if text else "search_incomplete",
                hint=text.remedy if text else None,
                retryable=text.retryable if text else True,
                server=self.call.name,
            )
            trouble.details = self._details(plan)
            raise trouble
        return answer

    # ---- the end

    def _details(self, plan: Plan) -> dict[str, Any]:
        """What an error carries: the keys of a result, without its message."""
        return {key: value for key, value in self._keys(plan, changed=False).items() if key != "msg"}

    def _keys(self, plan: Plan, *, changed: bool) -> dict[str, Any]:
        state = self._state()
        off = plan.status in (Status.RESTART_DUE, Status.DONE)
        return {
            "changed": changed,
            "msg": f"{self.call.name}: {plan.words}",
            "phase": self.call.params["phase"],
            "plan": plan.as_dict(),
            "kb": plan.kb,
            "removed": off,
            "finished": self.record is not None and self.record.stage is Stage.FINISHED and plan.status is Status.DONE,
            "restart_required": self.facts["restart_pending"]["pending"],
            "held": None,
            "hold_words": None,
            "build": self._build,
            "track": state.standing.track.value,
            "state": state.standing.state.value,
        }


def _of_kb(updates: Sequence[Mapping[str, Any]], kb: str) -> list[dict[str, Any]]:
    """The references to the updates of one KB."""
    number = kb.removeprefix("KB")
    return [
        {"update_id": update["update_id"], "revision": update["revision"]}
        for update in updates
        if number in update["kbs"]
    ]

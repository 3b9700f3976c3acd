# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollback core against a server that is a script: what it does, and above all what it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import rollback
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
    Refused,
    UpdateFailed,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.packages import Removal
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_run import Start
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.rollback import Record, Stage
from ansible_collections.winops.hotpatch.plugins.module_utils._release.packages import Package, PackageState
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import Form
from tests.unit.server_facts import healthy as facts

KEY = "31bf3856ad364e35"
BASELINE = Package(f"Package_for_RollupFix~{KEY}~amd64~~26100.6899.1.23", PackageState.INSTALLED)
JULY = Package(f"Package_for_RollupFix~{KEY}~amd64~~26100.4652.1.7", PackageState.SUPERSEDED)
HOTPATCH = Package(f"Package_for_HotpatchRollup~{KEY}~amd64~~26100.7392.1.10", PackageState.INSTALLED)
TAKEN = replace(HOTPATCH, state=PackageState.UNINSTALL_PENDING)
WITH = facts("26100.7392", ["KB5066835", "KB5072014"])
WAITS = facts(
    "26100.7392", ["KB5066835", "KB5072014"],
    restart_pending={"pending": True, "sources": {"component_based_servicing": True, "windows_update": False}},
)  # fmt: skip
WITHOUT = facts("26100.6899", ["KB5066835"])


def note(stage: Stage, **changes: Any) -> Record:
    record = Record("KB5072014", Form.HOTPATCH, HOTPATCH.identity, "26100.7392", "26100.6899", stage, 1)
    return replace(record, **changes)


def update(hidden: bool | None = False, kb: str = "5072014") -> dict[str, Any]:
    return {"update_id": f"id-{kb}", "revision": 200, "kbs": [kb], "hidden": hidden}


@dataclass
class Script:
    """A server whose facts, packages and answers are given; ``did`` keeps what was asked of it, in order."""

    read: dict[str, Any]
    listing: list[Package]
    removal: Removal | HotpatchError = field(default_factory=lambda: Removal(3010, True, (BASELINE, TAKEN)))
    after: dict[str, Any] | None = None
    record: Record | None = None
    permanent: bool = False
    working: str | None = None
    running: Start | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)
    notes: list[Record] = field(default_factory=list)

    # as a Server

    def facts(self) -> dict[str, Any]:
        return self.after if self.after is not None and "remove" in self.did else self.read

    def packages(self) -> Packages:
        return Packages(self)

    def rollback_record(self) -> Note:
        return Note(self)

    def updates(self, _run_id: str, _pace: Any) -> Runner:
        return Runner(self)


@dataclass
class Packages:
    server: Script

    def read(self) -> tuple[Package, ...]:
        return tuple(self.server.listing)

    def says_permanent(self, _package: Package) -> bool:
        return self.server.permanent

    def busy(self) -> str | None:
        return self.server.working

    def remove(self, identity: str, *, seconds: float, pause: float) -> Removal:
        assert identity == HOTPATCH.identity and seconds > 0 and pause > 0
        self.server.did.append("remove")
        if isinstance(self.server.removal, HotpatchError):
            raise self.server.removal
        return self.server.removal


@dataclass
class Note:
    server: Script

    def read(self) -> Record | None:
        return self.server.record

    def write(self, record: Record) -> None:
        self.server.did.append(f"note {record.stage.value}")
        self.server.notes.append(record)


@dataclass
class Runner:
    server: Script

    def under_way(self) -> Start | None:
        return self.server.running

    def run(self, operation: str, updates: Sequence[Mapping[str, Any]] = (), **options: Any) -> dict[str, Any]:
        self.server.did.append(operation)
        if operation == "search":
            assert options["criteria"] in ("IsInstalled=0", "IsInstalled=0 and IsHidden=1")
        answer = self.server.answers[operation]
        if isinstance(answer, HotpatchError):
            raise answer
        whole = {"state": "done", "error": None, "search": {"result_code": 2}, "updates": list(updates)}
        return {**whole, **answer}


def run(server: Script, check_mode: bool = False, **params: Any) -> dict[str, Any]:
    options = {name: option.get("default") for name, option in rollback.SPEC.argument_spec.items()}
    options.update({"as_of": "2025-12-20", **params})
    warned: list[str] = []

    class ScriptedCall(Call):
        def server(self) -> Any:
            return server

    call = ScriptedCall(params=options, name="web01", check_mode=check_mode, warn=warned.append)
    result = rollback.run(call)
    result["warned"] = warned
    return result


def ready(**changes: Any) -> Script:
    return Script(WITH, [JULY, BASELINE, HOTPATCH], after=WAITS, **changes)


# ---- removing


@pytest.mark.parametrize(
    ("check", "plan_only", "changed"), [(True, False, True), (False, True, False), (True, True, False)]
)
def test_a_plan_only_looks(check: bool, plan_only: bool, changed: bool) -> None:
    server = ready()
    result = run(server, check, plan_only=plan_only)
    assert server.did == []
    assert result["changed"] is changed
    assert (result["plan"]["status"], result["plan"]["build_after"]) == ("possible", "26100.6899")
    assert (result["removed"], result["restart_required"], result["track"]) == (False, False, "hotpatch")


def test_a_refused_plan_is_shown_and_no_failure_when_only_planned() -> None:
    result = run(ready(permanent=True), plan_only=True)
    assert result["plan"]["status"] == "refused"
    assert [way["code"] for way in result["plan"]["ways"]] == ["forward", "restore", "reimage", "opt_out"]


def test_the_update_is_taken_off_and_waits_for_the_restart() -> None:
    server = ready()
    result = run(server)
    assert server.did == ["note removing", "remove", "note removed"]
    assert (result["changed"], result["removed"], result["restart_required"]) == (True, True, True)
    assert result["plan"]["status"] == "restart_due"
    assert result["diff"]["before"] == {"package": HOTPATCH.identity, "state": "installed"}
    assert result["diff"]["after"] == {"package": HOTPATCH.identity, "state": "uninstall_pending"}
    assert server.notes[-1] == note(Stage.REMOVED)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"permanent": True}, "permanent"),
        ({"record": note(Stage.PERMANENT)}, "permanent"),
        ({"working": "TiWorker.exe"}, "busy"),
        ({"running": Start("may", "install", "n")}, "busy"),
        ({"read": WAITS}, "restart_pending"),
        ({"listing": [BASELINE]}, "package_not_found"),
        ({"listing": [HOTPATCH]}, "payload_missing"),
        ({"record": note(Stage.REMOVED, attempts=2)}, "does_not_take"),
    ],
)
def test_what_is_refused_is_refused_before_anything(changes: dict[str, Any], code: str) -> None:
    server = replace(ready(), **changes)
    with pytest.raises(Refused) as caught:
        run(server)
    assert server.did == []
    assert caught.value.code == code
    assert caught.value.retryable is (code == "busy")
    assert caught.value.changed is False
    assert caught.value.details["plan"]["status"] == "refused"
    for_good = code in ("permanent", "payload_missing", "does_not_take")
    assert ("Ways that remain" in (caught.value.hint or "")) is for_good


def test_a_permanent_package_is_tried_once_and_remembered() -> None:
    server = ready(removal=Removal(0x800F0825, False, (BASELINE, HOTPATCH)))
    with pytest.raises(Refused, match="0x800F0825") as caught:
        run(server)
    assert (caught.value.code, caught.value.changed, caught.value.retryable) == ("permanent", False, False)
    assert "checkpoint" in (caught.value.hint or "")
    assert caught.value.details["plan"]["removable"] == "no"
    assert server.did == ["note removing", "remove", "note permanent"]
    again = replace(ready(), record=server.notes[-1])
    with pytest.raises(Refused, match="earlier attempt"):
        run(again)
    assert again.did == []


@pytest.mark.parametrize(
    ("removal", "code", "kind", "retryable"),
    [
        (Removal(0, False, ()), "nothing_removed", UpdateFailed, False),
        (Removal(3010, False, ()), "nothing_removed", UpdateFailed, False),
        (Removal(0x800F0831, False, ()), "0x800F0831", HotpatchError, False),
        (Removal(0x800F0902, False, ()), "0x800F0902", HotpatchError, True),
        (Removal(740, False, ()), "740", HotpatchError, False),
        (Removal(None, False, (), "reset by peer"), "outcome_unknown", OutcomeUnknown, True),
    ],
)
def test_a_package_that_stands_as_before_was_not_taken_off(
    removal: Removal, code: str, kind: type[HotpatchError], retryable: bool
) -> None:
    server = ready(removal=removal)
    with pytest.raises(kind) as caught:
        run(server)
    assert (caught.value.code, caught.value.retryable, caught.value.changed) == (code, retryable, False)
    assert server.notes[-1].stage is Stage.REMOVING, "it may be tried again"
    assert caught.value.details["plan"]["kb"] == "KB5072014"


@pytest.mark.parametrize("record", [None, note(Stage.REMOVING, attempts=0), note(Stage.PERMANENT)])
def test_a_removal_nobody_noted_is_gone_on_with(record: Record | None) -> None:
    server = Script(WAITS, [JULY, BASELINE, TAKEN], record=record)
    result = run(server)
    assert (result["changed"], result["removed"], result["restart_required"]) == (False, True, True)
    assert server.did == ["note removed"]
    noted = Script(WAITS, [JULY, BASELINE, TAKEN], record=server.notes[-1])
    assert run(noted)["plan"]["status"] == "restart_due"
    assert noted.did == []
    assert run(Script(WAITS, [JULY, BASELINE, TAKEN]), True)["changed"] is False


def test_a_second_call_leaves_the_baseline_alone() -> None:
    server = Script(WITHOUT, [JULY, BASELINE], record=note(Stage.FINISHED))
    result = run(server)
    assert (result["changed"], result["plan"]["status"], result["finished"]) == (False, "done", True)
    assert server.did == []
    unfinished = run(Script(WITHOUT, [JULY, BASELINE], record=note(Stage.REMOVED)))
    assert (unfinished["removed"], unfinished["finished"]) == (True, False)


def test_a_removal_that_the_restart_rolled_back_is_counted() -> None:
    server = ready(record=note(Stage.REMOVED))
    run(server)
    assert [record.stage for record in server.notes] == [Stage.REMOVED, Stage.REMOVED], "the count is never lost"
    assert server.notes[-1].attempts == 2


def test_the_cves_of_the_updates_are_named() -> None:
    result = run(ready(), plan_only=True, cves={"5072014": ["CVE-2025-62221"], "KB5068966": "CVE-2025-1"})
    assert result["plan"]["cves_open_again"] == ["CVE-2025-1", "CVE-2025-62221"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"kb": "December"}, "not a KB"),
        ({"timeout": 0}, "above zero"),
        ({"poll_interval": 0}, "above zero"),
        ({"min_free_bytes": -1}, "below zero"),
        ({"cves": {"December": []}}, "does not name the CVEs"),
        ({"cves": {"KB5072014": {"a": 1}}}, "does not name the CVEs"),
        ({"cves": {"KB5072014": [1]}}, "does not name the CVEs"),
        ({"as_of": "soon"}, "not a date"),
    ],
)
def test_wrong_options_are_said_before_the_server_is_asked(params: dict[str, Any], words: str) -> None:
    server = ready()
    with pytest.raises(InvalidInput, match=words):
        run(server, **params)
    assert server.did == []


# ---- finishing


def back(**changes: Any) -> Script:
    script = Script(WITHOUT, [JULY, BASELINE], record=note(Stage.REMOVED))
    script.answers = {"search": {"updates": [update()]}, "hide": {"updates": [update(True)]}}
    return replace(script, **changes)


def test_after_the_restart_it_is_proven_and_hidden() -> None:
    server = back()
    result = run(server, phase="finish")
    assert server.did == ["search", "hide", "note finished"]
    assert (result["changed"], result["held"], result["finished"], result["removed"]) == (True, True, True, True)
    assert (result["build"], result["track"], result["state"]) == ("26100.6899", "hotpatch", "behind")
    assert result["diff"]["after"] == {"hidden": ["KB5072014"]}
    assert "Opt the server out" in result["hold_words"]


def test_a_second_finish_changes_nothing() -> None:
    server = back(record=note(Stage.FINISHED))
    server.answers["search"] = {"updates": [update(True)]}
    result = run(server, phase="finish")
    assert (result["changed"], result["held"], result["finished"]) == (False, True, True)
    assert server.did == ["search"]


def test_what_is_not_offered_needs_no_hiding() -> None:
    server = back()
    server.answers["search"] = {"updates": [update(kb="5072033")]}
    result = run(server, phase="finish")
    assert (result["changed"], result["held"]) == (False, False)
    assert "not offered now" in result["hold_words"]


def test_an_update_server_has_to_decline_it_as_well() -> None:
    server = back(read=facts("26100.6899", ["KB5066835"], update_policy={"use_wsus": True}))
    assert "Decline KB5072014 on the update server" in run(server, phase="finish")["hold_words"]


def test_holding_back_can_be_left_out() -> None:
    server = back()
    result = run(server, phase="finish", hold=False)
    assert (result["changed"], result["held"], result["hold_words"]) == (False, None, None)
    assert server.did == ["note finished"]


def test_check_mode_of_finishing_looks_only() -> None:
    server = back()
    result = run(server, True, phase="finish")
    assert result["changed"] is True
    assert server.did == []


@pytest.mark.parametrize("record", [None, note(Stage.REMOVING), note(Stage.PERMANENT)])
def test_where_nothing_was_begun_there_is_nothing_to_finish(record: Record | None) -> None:
    server = back(record=record)
    result = run(server, phase="finish")
    assert (result["changed"], result["plan"]["status"], result["removed"]) == (False, "nothing", False)
    assert server.did == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"read": WAITS, "listing": [BASELINE, TAKEN]}, "restart_pending"),
        ({"read": facts("26100.6899", ["KB5066835"], restart_pending={"pending": True})}, "restart_pending"),
        ({"read": facts("26100.6899", ["KB5066835"], restart_pending={"pending": None})}, "restart_pending"),
        ({"read": WITH, "listing": [BASELINE, HOTPATCH]}, "did_not_take"),
        ({"read": WITH}, "did_not_take"),
        ({"listing": [BASELINE, HOTPATCH]}, "did_not_take"),
        ({"read": facts("26100.4652", ["KB5062553"])}, "unexpected_build"),
        ({"read": facts("26100.6899", ["KB5066835", "KB5072014"])}, "kb_still_listed"),
    ],
)
def test_what_is_not_proven_is_no_success(changes: dict[str, Any], code: str) -> None:
    server = back(**changes)
    with pytest.raises(HotpatchError) as caught:
        run(server, phase="finish")
    assert caught.value.code == code
    assert caught.value.details["kb"] == "KB5072014"
    assert server.did == []


def test_another_hotpatch_that_came_back_is_told_and_is_no_failure() -> None:
    server = back(read=facts("26100.7092", ["KB5068966"]))
    result = run(server, phase="finish")
    assert result["finished"] is True
    assert "KB5068966" in result["warned"][0]


def test_the_baseline_that_belongs_to_it_may_stand_there_already() -> None:
    record = note(Stage.REMOVED, build_after="26100.6584", then_install=("KB5066835",))
    result = run(back(record=record), phase="finish")
    assert result["finished"] is True
    assert "not installed yet" not in result["msg"]


def test_a_last_good_baseline_that_did_not_come_is_told() -> None:
    record = note(Stage.REMOVED, then_install=("KB5074109",))
    result = run(back(record=record), phase="finish")
    assert result["finished"] is True
    assert "KB5074109, the last good baseline, is not installed yet." in result["msg"]


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"search": {"state": "failed", "error": {"hresult": "0x8024402C"}, "updates": []}}, "0x8024402C"),
        ({"search": {"search": {"result_code": 3}, "updates": []}}, "search_incomplete"),
        ({"hide": {"state": "failed", "error": {"hresult": "0x80070005"}, "updates": []}}, "0x80070005"),
        ({"hide": {"updates": [update(False)]}}, "not_hidden"),
        ({"hide": {"updates": [update(None)]}}, "not_hidden"),
        ({"search": OutcomeUnknown("lost")}, "outcome_unknown"),
    ],
)
def test_an_update_that_could_not_be_held_back_is_said_and_stays_unfinished(answers: dict[str, Any], code: str) -> None:
    server = back()
    server.answers.update(answers)
    with pytest.raises(HotpatchError) as caught:
        run(server, phase="finish")
    assert caught.value.code == code
    assert caught.value.details["removed"] is True
    assert "note finished" not in server.did


# ---- releasing


@pytest.mark.parametrize(("kb", "record"), [(None, note(Stage.FINISHED)), ("5072014", None)])
def test_what_was_held_back_is_shown_again(kb: str | None, record: Record | None) -> None:
    server = back(record=record)
    server.answers = {"search": {"updates": [update(True)]}, "unhide": {"updates": [update(False)]}}
    result = run(server, phase="release", kb=kb)
    assert server.did == ["search", "unhide"]
    assert (result["changed"], result["held"]) == (True, False)
    assert result["diff"] == {"before": {"hidden": ["KB5072014"]}, "after": {"hidden": []}}


def test_what_is_not_hidden_is_left_alone() -> None:
    server = back()
    server.answers = {"search": {"updates": []}}
    assert run(server, phase="release")["changed"] is False
    assert server.did == ["search"]
    looked = back()
    assert run(looked, True, phase="release")["changed"] is True
    assert looked.did == []


def test_nothing_is_released_that_nobody_names() -> None:
    with pytest.raises(InvalidInput, match="Name the update"):
        run(back(record=None), phase="release")


def test_an_update_that_stays_hidden_is_said() -> None:
    server = back()
    server.answers = {"search": {"updates": [update(True)]}, "unhide": {"updates": [update(True)]}}
    with pytest.raises(UpdateFailed) as caught:
        run(server, phase="release")
    assert caught.value.code == "not_shown"

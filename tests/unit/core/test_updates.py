# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The updates core against a server that is a script: what it asks for, and above all what it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import updates
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    Busy,
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
    Refused,
    Unreachable,
    UpdateFailed,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_run import NeverBegan
from tests.receipts import check_receipt
from tests.unit.server_facts import healthy as facts

BEHIND = facts("26100.7092", ["KB5068966"])
PATCHED = facts("26100.7392", ["KB5072014"])
ERROR_UNKNOWN = {"stage": "evaluating", "hresult": "0x80240068", "hresult_signed": -2145124248, "message": "no answer"}


def offer(kb: str, title: str, **more: Any) -> dict[str, Any]:
    """One offered update as the result of a search has it."""
    number = kb.removeprefix("KB")
    return {
        "update_id": f"00000000-0000-0000-0000-{number:0>12}",
        "revision": 200,
        "title": title,
        "kbs": [number],
        "downloaded": False,
        "bootstrapper": True,
        "bootstrapper_error": None,
        "evaluation": None,
        "download": None,
        "install": None,
        **more,
    }


HOTPATCH = offer("KB5072014", "2025-12 Security Hotpatch Update (KB5072014) (26100.7392)")
LCU = offer("KB5072033", "2025-12 Security Update (KB5072033) (26100.7462)", bootstrapper=False)


@dataclass
class Runner:
    """Answers operations; ``asked`` keeps them in order."""

    server: Script
    run_id: str = "run-1"
    asked: list[str] = field(default_factory=list)

    def run(self, operation: str, updates: Sequence[Mapping[str, Any]] = (), **_options: Any) -> dict[str, Any]:
        self.asked.append(operation)
        answer = self.server.answers[operation]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, Exception):
            if operation == "install":
                self.server.now = self.server.after
            raise answer
        if operation == "install":
            self.server.now = self.server.after
        return {
            "run_id": self.run_id,
            "operation": operation,
            "state": "done",
            "error": None,
            "attached": "no",
            "search": {"result_code": 2, "warnings": []},
            "updates": [dict(update) for update in updates],
            **answer,
        }

    def attach(self, **_options: Any) -> dict[str, Any] | None:
        self.asked.append("attach")
        self.server.now = self.server.after
        attached: dict[str, Any] | None = self.server.answers["attach"]
        return attached


class Script:
    """A server whose facts and answers are given."""

    def __init__(self, before: dict[str, Any], after: dict[str, Any] | Exception, **answers: Any) -> None:
        self.now: dict[str, Any] | Exception = before
        self.after = after
        self.sleeps: list[float] = []
        self.answers: dict[str, Any] = {
            "search": {"updates": [HOTPATCH, LCU]},
            "evaluate": evaluated(False),
            "download": {"updates": [{**HOTPATCH, "download": {"result_code": 2, "hresult": "0x00000000"}}]},
            "install": installed(2),
            **answers,
        }
        self.runner = Runner(self)

    def facts(self) -> dict[str, Any]:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def updates(self, run_id: str, pace: Any) -> Runner:
        del run_id, pace
        return self.runner


def evaluated(value: bool | None, error: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"updates": [{**HOTPATCH, "evaluation": {"requires_restart": value, "error": error}}]}


def installed(code: int, hresult: str = "0x00000000", restart: bool | None = False) -> dict[str, Any]:
    outcome = {"result_code": code, "hresult": hresult, "hresult_signed": 0, "restart_required": restart}
    return {"updates": [{**HOTPATCH, "install": outcome}]}


def run(server: Script, check_mode: bool = False, **params: Any) -> dict[str, Any]:
    options = {name: option.get("default") for name, option in updates.SPEC.argument_spec.items()}
    options.update({"as_of": "2025-12-20", **params})

    class ScriptedCall(Call):
        def server(self) -> Any:
            return server

    try:
        result = updates.run(
            ScriptedCall(
                params=options,
                name="web01",
                check_mode=check_mode,
                now=lambda: datetime(2025, 12, 20, 10, tzinfo=UTC),
                sleep=server.sleeps.append,
            )
        )
    except HotpatchError as error:
        if "receipt" in error.details:
            check_receipt(error.details["receipt"])
        raise
    check_receipt(result["receipt"])
    return result


def test_the_hotpatch_is_installed_and_the_cumulative_update_refused() -> None:
    server = Script(BEHIND, PATCHED)
    result = run(server)
    assert server.runner.asked == ["search", "evaluate", "download", "install"]
    assert result["changed"] is True
    assert result["kbs_installed"] == ["KB5072014"]
    assert (result["build_before"], result["build_after"], result["expected_build"]) == (
        "26100.7092",
        "26100.7392",
        "26100.7392",
    )
    assert result["restart_required"] is False
    (refused,) = result["refused"]
    assert refused["kb"] == "KB5072033"
    assert "13 January 2026" in refused["refused"]
    assert {witness["answer"] for witness in result["receipt"]["witnesses_before"]} == {"yes"}
    assert {witness["answer"] for witness in result["receipt"]["witnesses_after"]} == {"yes"}
    assert result["receipt"]["may_install"] == "yes"
    assert result["diff"]["before"]["build"] == "26100.7092"


def policy(value: bool | None) -> dict[str, Any]:
    """A restart policy that says yes (None: nothing forces a restart), no (True) or cannot be read (False)."""
    return {"readable": value is not False, "always_auto_reboot": True if value else None}


def pending(value: bool | None) -> dict[str, Any]:
    return {"pending": value, "sources": {"component_based_servicing": value}}


class Unreadable(dict[str, Any]):
    """A part of the facts whose reading ends in an exception."""

    def get(self, key: str, default: Any = None) -> Any:
        raise RuntimeError(f"{key} cannot be read")


YES, NO, UNKNOWN, EXCEPTION = "yes", "no", "unknown", "exception"
FORECASTS: dict[str, Any] = {
    YES: evaluated(False),
    NO: evaluated(True),
    UNKNOWN: evaluated(None, ERROR_UNKNOWN),
    EXCEPTION: HotpatchError("the evaluation was lost"),
}
POLICIES: dict[str, dict[str, Any]] = {
    YES: policy(None),
    NO: policy(True),
    UNKNOWN: policy(False),
    EXCEPTION: Unreadable(policy(None)),
}
PENDING: dict[str, dict[str, Any]] = {
    YES: pending(False),
    NO: pending(True),
    UNKNOWN: pending(None),
    EXCEPTION: Unreadable(pending(False)),
}


def of_witnesses(forecast: Any, policy_of: dict[str, Any], pending_of: dict[str, Any]) -> Script:
    before = facts("26100.7092", ["KB5068966"])
    before["update_policy"], before["restart_pending"] = policy_of, pending_of
    # Only the three witnesses are asked here; where updates come from is another question.
    return Script(before, PATCHED, evaluate=forecast)


def all_operations(server: Script) -> dict[str, Any] | None:
    """Run, whatever happens; the result, or what an error knows of it."""
    try:
        return run(server)
    except HotpatchError as error:
        return error.details
    except RuntimeError:
        return None


@pytest.mark.parametrize(("forecast", "policy_of", "pending_of"), list(product(FORECASTS, POLICIES, PENDING)))
def test_an_install_happens_only_when_all_three_witnesses_say_yes(
    forecast: str, policy_of: str, pending_of: str
) -> None:
    """All 64 combinations of yes, no, unknown and an exception, through the whole core."""
    server = of_witnesses(FORECASTS[forecast], POLICIES[policy_of], PENDING[pending_of])
    result = all_operations(server)
    every = forecast == policy_of == pending_of == YES
    assert server.runner.asked.count("install") == server.runner.asked.count("download") == (1 if every else 0)
    if result is not None and "kbs_installed" in result:
        assert (result["kbs_installed"] == ["KB5072014"]) is every
        assert result["changed"] is every
    if every:
        assert result is not None and result["receipt"]["may_install"] == "yes"


@pytest.mark.parametrize("forecast", [evaluated(False, ERROR_UNKNOWN), {"updates": []}, AnswerTimeout("too late")])
def test_a_contradiction_a_silence_and_a_timeout_are_no_yes(forecast: Any) -> None:
    server = of_witnesses(forecast, policy(None), pending(False))
    all_operations(server)
    assert "install" not in server.runner.asked and "download" not in server.runner.asked


def test_check_mode_asks_the_server_for_nothing_and_forecasts_from_the_catalogue() -> None:
    server = Script(BEHIND, PATCHED)
    result = run(server, check_mode=True)
    assert server.runner.asked == []
    assert result["changed"] is True
    assert "KB5072014" in result["msg"]
    assert "offered" not in result


def test_a_server_that_has_everything_is_not_changed() -> None:
    server = Script(PATCHED, PATCHED)
    result = run(server)
    assert server.runner.asked == ["search"]
    assert (result["changed"], result["kbs_installed"]) == (False, [])
    assert {each["refused"] for each in result["refused"]} >= {"installed already"}


def test_a_client_is_refused_before_anything_is_asked() -> None:
    client = facts(
        "26100.7092", [], os={"product_type": 1, "edition_id": "Professional", "installation_type": "Client"}
    )
    server = Script(client, client)
    with pytest.raises(Refused, match="web01 runs Windows 11, which is not a server"):
        run(server)
    assert server.runner.asked == []


def test_a_failed_install_says_the_code_in_words_and_what_to_do() -> None:
    server = Script(BEHIND, BEHIND, install=installed(4, "0x800F0983"))
    with pytest.raises(UpdateFailed, match=r"web01: the install of KB5072014 failed: .*0x800F0983") as caught:
        run(server)
    assert caught.value.code == "0x800F0983"
    assert caught.value.hint
    assert caught.value.changed is False
    (result,) = [each for each in caught.value.details["results"] if each["operation"] == "install"]
    assert (result["result"], result["class"], result["hresult"]) == ("failed", "fix", "0x800F0983")
    assert "RestoreHealth" in result["remedy"]
    assert caught.value.details["kbs_installed"] == []


def test_a_search_that_is_not_whole_installs_nothing() -> None:
    server = Script(BEHIND, BEHIND, search={"updates": [HOTPATCH], "search": {"result_code": 3, "warnings": []}})
    with pytest.raises(UpdateFailed, match="succeeded with errors"):
        run(server)
    assert set(server.runner.asked) == {"search"}


def test_an_operation_that_failed_as_a_whole_is_told_with_its_code() -> None:
    error = {"stage": "search", "hresult": "0x8024402C", "hresult_signed": -2145107924, "message": "x"}
    server = Script(BEHIND, BEHIND, search={"state": "failed", "error": error, "updates": []})
    with pytest.raises(UpdateFailed, match=r"web01: search failed: .*0x8024402C"):
        run(server)


def test_work_of_a_lost_controller_is_followed_and_counted_and_not_repeated() -> None:
    other = {
        "run_id": "earlier",
        "operation": "install",
        "state": "done",
        "attached": "running",
        "updates": installed(2)["updates"],
    }
    server = Script(BEHIND, PATCHED, attach=other, search=[Busy("busy"), {"updates": [HOTPATCH, LCU]}])
    result = run(server)
    assert server.runner.asked == ["search", "attach", "search"]
    assert result["attached"] is True
    assert result["changed"] is True
    assert result["kbs_installed"] == ["KB5072014"]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (facts("26100.7392", ["KB5072014"], boot={"last_boot": "2025-12-20T10:05:00Z"}), "restarted"),
        (facts("26100.7392", ["KB5072014"], restart_pending=pending(True)), "newly pending"),
        (facts("26100.7392", ["KB5072014"], restart_pending=pending(None)), "could not be read"),
    ],
)
def test_a_broken_promise_is_a_failure_that_says_so(after: dict[str, Any], words: str) -> None:
    with pytest.raises(HotpatchError, match=words) as caught:
        run(Script(BEHIND, after))
    assert caught.value.code == "promise_broken"
    assert caught.value.changed is True
    assert caught.value.details["kbs_installed"] == ["KB5072014"]


@pytest.mark.parametrize("lost", [AnswerTimeout("web01: gone"), Unreachable("web01: gone")])
def test_a_server_lost_after_the_install_is_no_success_and_what_was_done_is_told(lost: HotpatchError) -> None:
    with pytest.raises(type(lost)) as caught:
        run(Script(BEHIND, lost))
    assert caught.value.changed is True
    details = caught.value.details
    assert (details["kbs_installed"], details["build_after"]) == (["KB5072014"], None)
    assert [witness["answer"] for witness in details["receipt"]["witnesses_after"]] == ["unknown", "unknown"]


FAILED_AS_A_WHOLE = {
    "state": "failed",
    "error": {"stage": "install", "hresult": "0x8024001E", "message": "x"},
    "updates": [],
}


@pytest.mark.parametrize(
    "answer",
    [FAILED_AS_A_WHOLE, AnswerTimeout("it still runs"), OutcomeUnknown("it left no result")],
)
def test_an_install_without_a_result_is_read_back(answer: Any) -> None:
    """Windows Update may have installed it all the same, and may have made a restart due."""
    after = facts("26100.7392", ["KB5072014"], restart_pending=pending(True))
    with pytest.raises(HotpatchError) as caught:
        run(Script(BEHIND, after, install=answer))
    details = caught.value.details
    assert caught.value.changed is True and details["changed"] is True
    assert (details["build_before"], details["build_after"]) == ("26100.7092", "26100.7392")
    assert details["restart_required"] is True and details["receipt"]["restart_pending_after"] is True
    said = {witness["name"]: witness["answer"] for witness in details["receipt"]["witnesses_after"]}
    assert said == {"same_boot": "yes", "nothing_newly_pending": "no"}


@pytest.mark.parametrize(
    ("answer", "changed"),
    [
        (FAILED_AS_A_WHOLE, False),
        (AnswerTimeout("it still runs"), True),
        (OutcomeUnknown("it left no result"), True),
        (Busy("somebody else"), False),
        (NeverBegan("no script"), False),
        (Unreachable("gone before the start"), False),
    ],
)
def test_an_install_that_shows_nothing_is_a_change_only_when_it_may_still_be_at_work(
    answer: Any, changed: bool
) -> None:
    with pytest.raises(HotpatchError) as caught:
        run(Script(BEHIND, BEHIND, install=answer))
    assert caught.value.changed is changed and caught.value.details["kbs_installed"] == []


def test_baseline_mode_takes_the_missed_baseline_and_leaves_the_other_update() -> None:
    baseline = offer("KB5066835", "2025-10 Security Update (KB5066835) (26100.6899)", bootstrapper=False)
    missed = facts("26100.6508", ["KB5065474"])
    pending_after = facts("26100.6508", ["KB5065474"], restart_pending=pending(True))
    outcome = {"result_code": 2, "hresult": "0x00000000", "hresult_signed": 0, "restart_required": True}
    server = Script(
        missed,
        pending_after,
        search={"updates": [baseline, LCU]},
        download={"updates": [{**baseline, "download": {"result_code": 2, "hresult": "0x00000000"}}]},
        install={"updates": [{**baseline, "install": outcome}]},
    )
    result = run(server, mode="baseline")
    assert server.runner.asked == ["search", "download", "install"]
    assert result["kbs_installed"] == ["KB5066835"]
    assert result["expected_build"] == "26100.6899"
    assert result["restart_required"] is True
    assert [each["kb"] for each in result["refused"]] == ["KB5072033"]


@pytest.mark.parametrize("waits", [True, None])
def test_a_pending_restart_comes_before_a_baseline(waits: bool | None) -> None:
    baseline = offer("KB5066835", "2025-10 Security Update (KB5066835) (26100.6899)", bootstrapper=False)
    missed = facts("26100.6508", ["KB5065474"], restart_pending=pending(waits))
    server = Script(missed, missed, search={"updates": [baseline]})
    result = run(server, mode="baseline")
    assert server.runner.asked == ["search"]
    assert (result["restart_first"], result["changed"], result["expected_build"]) == (True, False, None)
    assert "restart" in result["refused"][0]["refused"]


def test_search_mode_installs_nothing_and_judges_everything() -> None:
    server = Script(BEHIND, BEHIND)
    result = run(server, mode="search")
    assert server.runner.asked == ["search"]
    assert {each["kb"]: each["verdict"] for each in result["offered"]} == {
        "KB5072014": "hotpatch",
        "KB5072033": "off_track",
    }
    assert result["changed"] is False


def test_downloading_alone_stops_before_the_install() -> None:
    server = Script(BEHIND, BEHIND)
    result = run(server, state="downloaded")
    assert server.runner.asked == ["search", "evaluate", "download"]
    assert (result["changed"], result["kbs_installed"]) == (True, [])


def test_the_time_is_over_before_the_install() -> None:
    moments = iter([0.0, 1.0, 2.0, 99999.0, 99999.0, 99999.0])
    server = Script(BEHIND, BEHIND)
    options = {name: option.get("default") for name, option in updates.SPEC.argument_spec.items()}
    options.update(as_of="2025-12-20")

    class ScriptedCall(Call):
        def server(self) -> Any:
            return server

    clock: Callable[[], float] = lambda: next(moments)  # noqa: E731
    with pytest.raises(AnswerTimeout, match="the time for the updates was over before download"):
        updates.run(
            ScriptedCall(
                params=options, name="web01", monotonic=clock, now=lambda: datetime(2025, 12, 20, 10, tzinfo=UTC)
            )
        )
    assert "install" not in server.runner.asked


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"timeout": 0}, "above zero"),
        ({"poll_interval": 0.0}, "above zero"),
        ({"allow_off_track": True}, "mode baseline only"),
        ({"include": ["KB1"]}, "KB"),
        ({"include": ["KB5072014"], "exclude": ["5072014"]}, "both lists"),
        ({"as_of": "tomorrow"}, "not a date"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(params: dict[str, Any], words: str) -> None:
    server = Script(BEHIND, BEHIND)
    with pytest.raises(InvalidInput, match=words):
        run(server, **params)
    assert "install" not in server.runner.asked


# ---- what is asked for besides


def failed_search(code: str) -> dict[str, Any]:
    return {"state": "failed", "updates": [], "error": {"stage": "search", "hresult": code, "message": "x"}}


def test_a_search_is_tried_again_with_growing_pauses_when_that_may_help() -> None:
    server = Script(BEHIND, PATCHED, search=[failed_search("0x80072EE2")] * 2 + [{"updates": [HOTPATCH]}])
    assert run(server)["kbs_installed"] == ["KB5072014"]
    assert server.runner.asked.count("search") == 3
    assert server.sleeps == [30.0, 60.0]


@pytest.mark.parametrize(
    ("code", "retries", "searches"),
    [("0x80072EE2", 2, 3), ("0x80072EE2", 0, 1), ("0x80070005", 5, 1), ("0x8024002E", 5, 1), ("0x80249999", 5, 1)],
)
def test_no_search_is_repeated_for_ever_or_for_nothing(code: str, retries: int, searches: int) -> None:
    server = Script(BEHIND, BEHIND, search=failed_search(code))
    with pytest.raises(UpdateFailed, match=code):
        run(server, retries=retries)
    assert server.runner.asked == ["search"] * searches


def test_no_search_is_begun_again_when_the_time_would_be_over() -> None:
    server = Script(BEHIND, BEHIND, search=failed_search("0x80072EE2"))
    with pytest.raises(UpdateFailed):
        run(server, timeout=25)
    assert (server.runner.asked, server.sleeps) == (["search"], [])


def test_an_install_that_is_refused_is_never_repeated_and_a_due_restart_is_told_apart() -> None:
    error = {"stage": "install", "hresult": "0x80240016", "message": "x"}
    for agent, retryable in (({"restart_required": True}, False), ({"restart_required": False}, True), ({}, True)):
        server = Script(BEHIND, BEHIND, install={"state": "failed", "error": error, "agent": agent, "updates": []})
        with pytest.raises(UpdateFailed) as caught:
            run(server)
        assert caught.value.retryable is retryable
        assert caught.value.details["error_class"] == ("retry" if retryable else "fix")
        assert ("restart the server" in str(caught.value.hint)) is (not retryable)
        assert server.runner.asked.count("install") == 1


def test_no_room_means_that_nothing_is_downloaded_or_evaluated() -> None:
    for free in (1_000_000_000, None):
        full = facts("26100.7092", ["KB5068966"], hardware={"system_disk_free_bytes": free})
        server = Script(full, full)
        result = run(server)
        assert server.runner.asked == ["search"]
        assert [each["why"] for each in result["refused"]] == ["disk_space", "off_track"]
        assert result["changed"] is False


def test_a_policy_against_the_source_starts_nothing() -> None:
    inside = facts(
        "26100.7092",
        ["KB5068966"],
        update_policy={
            "use_wsus": True,
            "wsus_server": "http://wsus:8530",
            "values": {"DoNotConnectToWindowsUpdateInternetLocations": 1},
        },
    )
    server = Script(inside, inside)
    with pytest.raises(Refused, match="DoNotConnectToWindowsUpdateInternetLocations") as caught:
        run(server, server_selection="windows_update")
    assert (caught.value.code, server.runner.asked) == ("0x8024002E", [])
    assert run(Script(inside, inside), mode="search")["source"]["update_server"] == "http://wsus:8530"


def test_an_update_that_does_not_stick_is_installed_twice_and_no_third_time() -> None:
    row = {"update_id": HOTPATCH["update_id"], "revision": 200, "operation": 1, "result_code": 2, "date": "2025-12-19"}
    for times, installs in ((0, 1), (1, 1), (2, 0), (3, 0)):
        found = {"updates": [HOTPATCH], "history": {"total": 9, "entries": [row] * times}}
        server = Script(BEHIND, PATCHED, search=found)
        result = run(server)
        assert server.runner.asked.count("install") == installs
        assert len(result["offered_again"]) == (0 if installs else 1)
    named = Script(BEHIND, PATCHED, search={"updates": [HOTPATCH], "history": {"total": 9, "entries": [row] * 2}})
    assert run(named, include=["KB5072014"])["kbs_installed"] == ["KB5072014"]


def test_a_forecast_that_failed_has_its_code_in_words() -> None:
    (refused,) = [each for each in run(Script(BEHIND, BEHIND, evaluate=evaluated(None, ERROR_UNKNOWN)))["refused"]
                  if each["kb"] == "KB5072014"]  # fmt: skip
    assert (refused["why"], refused["hresult"]) == ("not_proven", "0x80240068")
    assert refused["meaning"] and refused["class"] and refused["remedy"]
    lost = {**ERROR_UNKNOWN, "hresult": "0x80072EE2"}
    (refused,) = [each for each in run(Script(BEHIND, BEHIND, evaluate=evaluated(None, lost)))["refused"]
                  if each["kb"] == "KB5072014"]  # fmt: skip
    assert refused["class"] == "retry"


def test_search_mode_flags_what_is_offered_again() -> None:
    result = run(Script(PATCHED, PATCHED), mode="search")
    assert [each["kb"] for each in result["offered_again"]] == ["KB5072014"]
    assert {each["why"] for each in result["offered"]} == {"only_searched"}
    assert result["refused"] == []

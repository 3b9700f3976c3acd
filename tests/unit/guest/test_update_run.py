# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows Update work: started once, followed, attached to; what the server writes is not trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadAnswer,
    Busy,
    Fault,
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest import update_script
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.tasks import GuestTask, task_xml
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_result import read_result
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_run import Pace, UpdateRunner

from .fake_server import FOLDER, Clock, FakeServer

UPDATE_ID = "bd3d1fd2-6a1e-4a4a-9a3f-3d1f0e6b7c11"
UPDATES = [{"update_id": UPDATE_ID, "revision": 200}]
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def update(**changes: Any) -> dict[str, Any]:
    """One update as the script describes it."""
    return {
        "update_id": UPDATE_ID,
        "revision": 200,
        "title": "2026-04 Security Update (KB5082063) (26100.32690)",
        "kbs": ["5082063"],
        "categories": [{"id": "0fa1201d-4330-4fa8-8ae9-b877473b6441", "name": "Security Updates"}],
        "type": 1,
        "deployment_action": 1,
        "max_download_bytes": 516079285,
        "downloaded": False,
        "installed": False,
        "hidden": False,
        "eula_accepted": True,
        "uninstallable": False,
        "msrc_severity": "",
        "restart_behavior": 2,
        "impact": 0,
        "can_request_user_input": False,
        "bootstrapper": True,
        "bootstrapper_error": None,
        "evaluation": None,
        "download": None,
        "install": None,
    } | changes


def document(request: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A whole result for a request."""
    return {
        "contract": 1,
        "run_id": request["run_id"],
        "nonce": request["nonce"],
        "operation": request["operation"],
        "state": "done",
        "started": "2026-05-12T10:00:00Z",
        "finished": "2026-05-12T10:01:00Z",
        "error": None,
        "agent": {
            "language_mode": "FullLanguage",
            "ps_version": "5.1.26100.32684",
            "user_sid": "S-1-5-18",
            "busy": False,
            "restart_required": False,
            "restart_required_before_installation": False,
            "server_selection": 0,
            "wua_version": "1404.2503.17012.0",
        },
        "search": {"result_code": 2, "warnings": []},
        "updates": [update()],
    } | changes


def take(server: FakeServer) -> dict[str, Any]:
    """What the script does first: read its request, mark it as taken."""
    run = server.document("current.json")
    name = f"{run['run_id']}\\{run['operation']}"
    request = server.document(f"{name}.request.json")
    server.put(
        f"{name}.progress.json",
        {key: request[key] for key in ("contract", "run_id", "nonce", "operation")}
        | {"phase": "starting", "current": 0, "total": 0, "update_id": None, "heartbeat": "2026-05-12T10:00:00Z"},
    )
    return request


def finish(server: FakeServer, **changes: Any) -> None:
    """What the script does in the end."""
    request = take(server)
    server.put(f"{request['run_id']}\\{request['operation']}.result.json", document(request, **changes))
    server.task_state, server.last_result = 3, 0


def ends_after(looks: int, end: Callable[[FakeServer], None] = finish) -> Callable[[FakeServer], None]:
    """For ``on_start``: the script takes its request at once and ends when its task was looked at so often."""

    def start(server: FakeServer) -> None:
        left = looks
        take(server)

        def look(machine: FakeServer) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                machine.on_look = None
                end(machine)

        server.on_look = look

    return start


def runner(server: FakeServer, clock: Clock, run_id: str = "run-1", pace: Pace | None = None) -> UpdateRunner:
    return UpdateRunner(server.connect, "web01", run_id, clock=clock, sleep=clock.sleep, pace=pace)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_search_from_nothing(clock: Clock) -> None:
    server = FakeServer(on_start=finish)
    result = runner(server, clock).run("search", seconds=600)
    assert result["state"] == "done" and result["attached"] == "no"
    assert result["updates"][0]["kbs"] == ["5082063"] and result["updates"][0]["msrc_severity"] is None
    script = server.files[rf"{FOLDER}\{update_script.FILE_NAME}"]
    assert script.encode() == update_script.as_bytes()
    request = server.document("run-1\\search.request.json")
    assert request["criteria"] == "IsInstalled=0 and IsHidden=0" and request["updates"] == []
    assert request["contract"] == 1 and request["client_application_id"] == "winops.hotpatch"
    assert server.document("current.json") == {"run_id": "run-1", "operation": "search", "nonce": request["nonce"]}
    assert server.calls.count("StartByPath") == server.calls.count("RegisterByXml") == 1


def test_the_task_runs_the_script_as_system_and_never_by_itself(clock: Clock) -> None:
    server = FakeServer(on_start=finish)
    runner(server, clock).run("search", seconds=600)
    task = ElementTree.fromstring(server.task_xml or "")
    text = {element.tag.removeprefix(TASK): element.text for element in task.iter()}
    assert text["UserId"] == "S-1-5-18" and text["Priority"] == "4" and text["ExecutionTimeLimit"] == "PT4H"
    assert text["MultipleInstancesPolicy"] == "IgnoreNew" and text["DisallowStartIfOnBatteries"] == "false"
    assert "Triggers" not in text
    assert text["Command"] == r"C:\WINDOWS\System32\WindowsPowerShell\v1.0\powershell.exe"
    assert text["Arguments"] == (
        "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File"
        rf' "{FOLDER}\{update_script.FILE_NAME}" -RunFolder "{FOLDER}\runs\run-1" -Operation search'
    )


def test_task_xml_is_escaped() -> None:
    task = ElementTree.fromstring(task_xml("a&b.exe", '<"x">&', limit="PT1H"))
    text = {element.tag.removeprefix(TASK): element.text for element in task.iter()}
    assert (text["Command"], text["Arguments"], text["ExecutionTimeLimit"]) == ("a&b.exe", '<"x">&', "PT1H")


def test_a_script_in_place_is_not_written_again(clock: Clock) -> None:
    server = FakeServer(
        on_start=finish, files={rf"{FOLDER}\{update_script.FILE_NAME}": update_script.as_bytes().decode()}
    )
    runner(server, clock).run("search", seconds=600)
    assert not [line for line in server.command_lines if "findstr" in line and ".ps1.tmp" in line]


def test_a_changed_script_is_replaced_and_one_that_does_not_stay_is_not_started(clock: Clock) -> None:
    path = rf"{FOLDER}\{update_script.FILE_NAME}"
    server = FakeServer(on_start=finish, files={path: "evil\r\n"})
    runner(server, clock).run("search", seconds=600)
    assert server.files[path].encode() == update_script.as_bytes()

    class Guarded(dict[str, str]):
        def __setitem__(self, key: str, value: str) -> None:
            super().__setitem__(key, "evil\r\n" if key == path else value)

    server = FakeServer(on_start=finish, files=Guarded())
    with pytest.raises(HotpatchError, match="not the one this collection wrote") as caught:
        runner(server, clock).run("search", seconds=600)
    assert caught.value.code == "script_changed"
    assert "StartByPath" not in server.calls


def test_following_waits_longer_and_longer(clock: Clock) -> None:
    server = FakeServer(on_start=ends_after(12))
    runner(server, clock).run("install", UPDATES, seconds=600)
    assert clock.sleeps[:4] == [1.0, 1.5, 2.25, 3.375]
    assert max(clock.sleeps) == 10.0
    assert server.calls.count("state") == 14, "one look before, one for each wait"


def test_progress_is_shown_when_it_changes(clock: Clock) -> None:
    server = FakeServer(on_start=ends_after(12))
    seen: list[dict[str, Any]] = []
    runner(server, clock).run("install", UPDATES, seconds=600, progress=seen.append)
    assert [item["phase"] for item in seen] == ["starting"]


def test_the_same_run_id_takes_the_stored_result_and_starts_nothing(clock: Clock) -> None:
    server = FakeServer(on_start=finish)
    first = runner(server, clock).run("install", UPDATES, seconds=600)
    second = runner(server, clock).run("install", UPDATES, seconds=600, again=True)
    assert second == first | {"attached": "finished"}
    assert server.calls.count("StartByPath") == 1


def test_a_stored_search_is_done_anew_when_asked(clock: Clock) -> None:
    server = FakeServer(on_start=finish)
    runner(server, clock).run("search", seconds=600)
    assert runner(server, clock).run("search", seconds=600)["attached"] == "finished"
    assert runner(server, clock).run("search", seconds=600, again=True)["attached"] == "no"
    assert server.calls.count("StartByPath") == 2


def test_a_run_id_is_for_one_set_of_updates(clock: Clock) -> None:
    server = FakeServer(on_start=finish)
    runner(server, clock).run("install", UPDATES, seconds=600)
    with pytest.raises(InvalidInput, match="another install"):
        runner(server, clock).run("install", [{"update_id": UPDATE_ID, "revision": 201}], seconds=600)
    assert server.calls.count("StartByPath") == 1


def test_attaches_to_its_own_running_work(clock: Clock) -> None:
    server = FakeServer(on_start=ends_after(3))
    with pytest.raises(AnswerTimeout, match="still running") as caught:
        runner(server, clock).run("install", UPDATES, seconds=1)
    assert caught.value.retryable and "same run id" in (caught.value.hint or "")
    assert runner(server, clock).run("install", UPDATES, seconds=600)["attached"] == "running"
    assert server.calls.count("StartByPath") == 1


def test_other_work_makes_it_busy(clock: Clock) -> None:
    server = FakeServer(on_start=ends_after(1000))
    with pytest.raises(AnswerTimeout):
        runner(server, clock).run("install", UPDATES, seconds=1)
    for operation in ("search", "install"):
        with pytest.raises(Busy, match="install of run run-1"):
            runner(server, clock, "run-2").run(operation, UPDATES if operation == "install" else (), seconds=600)
    assert server.calls.count("StartByPath") == 1
    found = runner(server, clock, "run-2").under_way()
    assert found is not None and (found.run_id, found.operation) == ("run-1", "install")


def test_attach_follows_whatever_runs(clock: Clock) -> None:
    server = FakeServer(on_start=ends_after(5))
    with pytest.raises(AnswerTimeout):
        runner(server, clock).run("install", UPDATES, seconds=1)
    result = runner(server, clock, "run-2").attach(seconds=600)
    assert result is not None and (result["run_id"], result["operation"]) == ("run-1", "install")
    assert runner(server, clock, "run-2").attach(seconds=600) is None


def test_a_running_task_without_a_word_is_busy(clock: Clock) -> None:
    server = FakeServer(task_xml="<Task/>", task_state=4)
    with pytest.raises(Busy, match="left no word"):
        runner(server, clock).run("search", seconds=9)
    with pytest.raises(Busy, match="left no word"):
        runner(server, clock).attach(seconds=9)


def died(server: FakeServer) -> None:
    """The script was killed: no result, and the task is ready again."""
    server.task_state, server.last_result = 3, 0x41306


def test_an_installation_that_left_no_result_is_unknown_and_is_not_started_again(clock: Clock) -> None:
    server = FakeServer(on_start=ends_after(2, died))
    for _attempt in range(2):
        with pytest.raises(OutcomeUnknown, match="left no result") as caught:
            runner(server, clock).run("install", UPDATES, seconds=600)
        assert "0x41306" in caught.value.message
    assert server.calls.count("StartByPath") == 1


def test_a_search_that_left_no_result_is_unknown_and_may_be_done_again(clock: Clock) -> None:
    server = FakeServer(on_start=ends_after(2, died))
    with pytest.raises(OutcomeUnknown):
        runner(server, clock).run("search", seconds=600)
    server.on_start = finish
    assert runner(server, clock).run("search", seconds=600)["state"] == "done"


def test_a_script_that_never_began_did_nothing(clock: Clock) -> None:
    server = FakeServer(on_start=died)
    server.last_result = 1
    with pytest.raises(HotpatchError, match="never began; nothing was done") as caught:
        runner(server, clock).run("install", UPDATES, seconds=600)
    assert caught.value.code == "script_did_not_run" and caught.value.retryable
    server.on_start = finish
    assert runner(server, clock).run("install", UPDATES, seconds=600)["state"] == "done"


def test_a_script_that_found_the_lock_is_busy(clock: Clock) -> None:
    def locked(server: FakeServer) -> None:
        server.task_state, server.last_result = 3, update_script.EXIT_NOT_STARTED

    with pytest.raises(Busy):
        runner(FakeServer(on_start=locked), clock).run("install", UPDATES, seconds=600)


def test_a_lost_answer_to_the_start_does_not_start_twice(clock: Clock) -> None:
    server = FakeServer()

    def lose(method: str, _params: object) -> dict[str, Any] | None:
        if method == "StartByPath":
            server.task_state = 4
            ends_after(2)(server)
            raise OutcomeUnknown("web01: the answer was lost.")
        return None

    server.invocations = lose
    assert runner(server, clock).run("install", UPDATES, seconds=600)["state"] == "done"
    assert server.calls.count("StartByPath") == 1


def test_a_dropped_connection_is_followed_over_new_ones(clock: Clock) -> None:
    server = FakeServer(on_start=ends_after(1))
    drops = 4

    def drop(machine: FakeServer) -> None:
        nonlocal drops
        if "StartByPath" in machine.calls and drops:
            drops -= 1
            raise Unreachable("web01: connection reset.")

    def start(machine: FakeServer) -> None:
        ends_after(1)(machine)
        inner = machine.on_look

        def look(again: FakeServer) -> None:
            drop(again)
            if inner:
                inner(again)

        machine.on_look = look

    server.on_start = start
    assert runner(server, clock).run("install", UPDATES, seconds=600)["state"] == "done"
    assert server.clients == 5 and server.calls.count("close") == 5


def test_a_server_that_stays_away_ends_at_the_deadline_with_the_reason(clock: Clock) -> None:
    server = FakeServer()

    def start(machine: FakeServer) -> None:
        def gone(_machine: FakeServer) -> None:
            raise Unreachable("web01: connection refused.")

        machine.on_look = gone

    server.on_start = start
    began = clock()
    with pytest.raises(AnswerTimeout, match="connection refused"):
        runner(server, clock).run("install", UPDATES, seconds=120)
    assert clock() - began == pytest.approx(120)


@pytest.mark.parametrize("error", [AuthenticationFailed("wrong password"), Fault("denied", code="5")])
def test_an_account_that_is_refused_is_not_tried_for_ever(clock: Clock, error: HotpatchError) -> None:
    server = FakeServer()

    def start(machine: FakeServer) -> None:
        def refuse(_machine: FakeServer) -> None:
            raise error

        machine.on_look = refuse

    server.on_start = start
    with pytest.raises(type(error)):
        runner(server, clock).run("install", UPDATES, seconds=600)
    assert server.calls.count("state") == 2


def test_old_runs_are_deleted(clock: Clock) -> None:
    server = FakeServer(on_start=finish, folders=[f"old-{number}" for number in range(25)])
    runner(server, clock).run("search", seconds=600)
    assert server.folders == [f"old-{number}" for number in range(20)]


@pytest.mark.parametrize(
    ("operation", "updates"), [("remove", []), ("search", UPDATES), ("install", []), ("evaluate", [])]
)
def test_what_cannot_be_asked(clock: Clock, operation: str, updates: list[dict[str, Any]]) -> None:
    server = FakeServer()
    with pytest.raises(InvalidInput):
        runner(server, clock).run(operation, updates, seconds=600)
    assert server.clients == 0


def test_a_failed_operation_is_a_result(clock: Clock) -> None:
    failure = {"stage": "search", "hresult": "0x8024402C", "hresult_signed": -2145107924, "message": "no name"}
    server = FakeServer(
        on_start=lambda machine: finish(machine, state="failed", error=failure, search=None, updates=[])
    )
    result = runner(server, clock).run("search", seconds=600)
    assert result["state"] == "failed" and result["error"] == failure


# ---- results


REQUEST = {"run_id": "run-1", "nonce": "n1", "operation": "search"}


def parsed(text: str) -> dict[str, Any]:
    return read_result(text, server="web01", run_id="run-1", nonce="n1", operation="search")


def test_texts_are_cleaned() -> None:
    result = parsed(
        json.dumps(document(REQUEST, updates=[update(title="a\x1b[31m\u202eb\r\n c", kbs=["KB5082063", "x", "1"])]))
    )
    assert result["updates"][0]["title"] == "a [31m b c"
    assert result["updates"][0]["kbs"] == ["5082063"]


def test_evaluation_keeps_its_three_values() -> None:
    failure = {"stage": "evaluating", "hresult": "0x80240068", "hresult_signed": -2145124248, "message": "m"}
    for requires, error in ((True, None), (False, None), (None, failure)):
        evaluation = {"requires_restart": requires, "error": error}
        result = parsed(json.dumps(document(REQUEST, updates=[update(evaluation=evaluation)])))
        assert result["updates"][0]["evaluation"] == evaluation


def test_unknown_keys_do_not_come_through() -> None:
    result = parsed(json.dumps(document(REQUEST, surprise="x", updates=[update(ansible_facts={"a": 1})])))
    assert "surprise" not in result and "ansible_facts" not in result["updates"][0]


FAILURE = {"stage": "s", "hresult": "0x80240016", "hresult_signed": -2145124330, "message": "m"}


@pytest.mark.parametrize(
    "changes",
    [
        {"contract": 2},
        {"contract": True},
        {"run_id": "run-2"},
        {"nonce": "n2"},
        {"operation": "install"},
        {"state": "running"},
        {"state": "done", "error": FAILURE},
        {"state": "failed"},
        {"error": "x"},
        {"agent": None},
        {"agent": {"busy": "no"}},
        {"search": []},
        {"search": {"warnings": []}},
        {"search": {"result_code": 2, "warnings": {}}},
        {"started": 5},
        {"updates": {}},
        {"updates": [1]},
        {"updates": [update()] * 1001},
        {"updates": [update(update_id="x")]},
        {"updates": [update(update_id=None)]},
        {"updates": [update(title="")]},
        {"updates": [update(revision="200")]},
        {"updates": [update(kbs="5082063")]},
        {"updates": [update(categories={})]},
        {"updates": [update(downloaded="false")]},
        {"updates": [update(bootstrapper=0)]},
        {"updates": [update(max_download_bytes=True)]},
        {"updates": [update(evaluation={"requires_restart": False, "error": FAILURE})]},
        {"updates": [update(evaluation={"requires_restart": None, "error": None})]},
        {"updates": [update(evaluation=False)]},
        {"updates": [update(install={"hresult": "0x0"})]},
        {"updates": [update(install={"result_code": 2, "restart_required": "no"})]},
    ],
)
def test_what_is_not_by_the_contract(changes: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer, match="web01"):
        parsed(json.dumps(document(REQUEST, **changes)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"a": NaN}',
        "[" * 200000,
        '{"contract": 1e999}',
        '{"a": ' + "9" * 5000 + "}",
        " " * 2200000 + "{}",
    ],
    ids=["empty", "null", "list", "cut", "nan", "deep", "infinite", "long number", "too large"],
)
def test_what_is_not_a_document(text: str) -> None:
    with pytest.raises(BadAnswer):
        parsed(text)


def test_a_spoiled_result_on_the_server_is_said_so(clock: Clock) -> None:
    def spoil(server: FakeServer) -> None:
        take(server)
        server.files[rf"{FOLDER}\runs\run-1\install.result.json"] = "{half"
        server.task_state = 3

    with pytest.raises(BadAnswer, match="not a JSON object"):
        runner(FakeServer(on_start=spoil), clock).run("install", UPDATES, seconds=600)


# ---- the task


def test_absence_is_looked_at_twice_after_a_change(clock: Clock) -> None:
    server = FakeServer()
    task = GuestTask(server.connect(), "web01", sleep=clock.sleep)
    assert task.state() is None and server.calls.count("state") == 1
    assert task.state(after_change=True) is None and server.calls.count("state") == 3
    task.delete()
    server.task_xml = "<Task/>"
    assert task.state() == 3
    info = task.info()
    assert info is not None and info.last_result == 0x41303


def test_a_start_just_after_registering_is_tried_once_more(clock: Clock) -> None:
    server = FakeServer()
    failures = 1

    def absent(method: str, _params: object) -> dict[str, Any] | None:
        nonlocal failures
        if method == "StartByPath" and failures:
            failures -= 1
            raise Fault("Element not found.", code="0x80070490")
        return None

    server.invocations = absent
    GuestTask(server.connect(), "web01", sleep=clock.sleep).start()
    assert clock.sleeps == [1.0] and server.calls.count("StartByPath") == 2


def test_a_refusal_is_said_with_its_code(clock: Clock) -> None:
    server = FakeServer(invocations=lambda _method, _params: {"ReturnValue": "2147942405"})
    with pytest.raises(HotpatchError, match="0x80070005") as caught:
        GuestTask(server.connect(), "web01", sleep=clock.sleep).register("<Task/>")
    assert caught.value.code == "0x80070005"


# ---- the history, hiding, other services


def test_a_search_says_where_and_asks_for_the_history_of_what_it_finds(clock: Clock) -> None:
    server = FakeServer(on_start=finish)
    runner(server, clock).run("search", seconds=600, server_selection=3, service_id="7971f918", history=(0, 500))
    request = server.document("run-1\\search.request.json")
    assert (request["server_selection"], request["service_id"]) == (3, "7971f918")
    assert (request["history"], request["accept_eula"]) == ({"skip": 0, "limit": 500}, False)


@pytest.mark.parametrize(
    ("operation", "criteria"), [("hide", "IsInstalled=0 and IsHidden=0"), ("unhide", "IsInstalled=0 and IsHidden=1")]
)
def test_hiding_looks_where_the_update_is(clock: Clock, operation: str, criteria: str) -> None:
    server = FakeServer(on_start=finish)
    result = runner(server, clock).run(operation, UPDATES, seconds=600)
    assert result["operation"] == operation
    request = server.document(f"run-1\\{operation}.request.json")
    assert request["criteria"] == criteria
    assert request["updates"] == UPDATES
    server.on_start = None
    assert runner(server, clock).run(operation, UPDATES, seconds=600)["attached"] == "finished"
    with pytest.raises(InvalidInput, match="at least one update"):
        runner(server, clock).run(operation, seconds=600)


ENTRY: dict[str, Any] = {
    "date": "2025-11-12T03:07:31Z",
    "operation": 1,
    "result_code": 2,
    "hresult": "0x00000000",
    "hresult_signed": 0,
    "title": "2025-11 Security Hotpatch Update (KB5068966) (26100.7092)",
    "update_id": UPDATE_ID.upper(),
    "revision": 200,
    "client_application_id": "MoUpdateOrchestrator",
    "server_selection": 2,
    "service_id": "00000000-0000-0000-0000-000000000000",
}


def test_the_history_is_read_page_by_page(clock: Clock) -> None:
    server = FakeServer(on_start=lambda server: finish(server, updates=[], search=None, history=HISTORY))
    for skip in (0, 500):
        result = runner(server, clock).run("history", seconds=600, history=(skip, 500), again=True)
        request = server.document("run-1\\history.request.json")
        assert request["history"] == {"skip": skip, "limit": 500}
        (entry,) = result["history"]["entries"]
        # A nil GUID says nothing.
        assert (entry["update_id"], entry["service_id"]) == (UPDATE_ID, None)
        assert result["history"]["total"] == 501
    with pytest.raises(InvalidInput, match="how many rows"):
        runner(server, clock).run("history", seconds=600)
    with pytest.raises(InvalidInput, match="no updates"):
        runner(server, clock).run("history", UPDATES, seconds=600, history=(0, 1))


HISTORY: dict[str, Any] = {"total": 501, "entries": [ENTRY]}


def test_a_row_that_windows_left_incomplete_is_kept_as_far_as_it_goes() -> None:
    row = {"title": "", "date": None, "hresult": "", "operation": None, "update_id": "none"}
    text = json.dumps(document(REQUEST, history={"total": 1, "entries": [row]}))
    found = parsed(text)
    (entry,) = found["history"]["entries"]
    assert {entry[key] for key in ("title", "date", "operation", "update_id", "revision", "service_id")} == {None}


@pytest.mark.parametrize(
    "changes",
    [
        {"history": []},
        {"history": {"total": None, "entries": []}},
        {"history": {"total": -1, "entries": []}},
        {"history": {"total": 1, "entries": [1]}},
        {"history": {"total": 1, "entries": [{**ENTRY, "revision": "200"}]}},
        {"history": {"total": 1, "entries": [{**ENTRY, "title": 5}]}},
        {"agent": {"services": {"id": 1}}},
        {"agent": {"services": [{"id": 1}]}},
        {"agent": {"services": [{"default": "yes"}]}},
    ],
)
def test_a_history_or_a_list_of_services_that_is_none_is_no_result(changes: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        parsed(json.dumps(document(REQUEST, **changes)))


def test_a_result_of_an_older_script_still_reads() -> None:
    found = parsed(json.dumps(document(REQUEST)))
    assert found["history"] is None
    assert (found["agent"]["services"], found["agent"]["service_id"]) == (None, None)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the update history: pages, where it ends, and that check mode starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import update_history_info
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    BadAnswer,
    Busy,
    InvalidInput,
    UpdateFailed,
)


def entry(number: int) -> dict[str, Any]:
    """The rows of one server count down from the newest: number 0 is the oldest."""
    return {
        "date": f"2025-{1 + number // 200:02}-{1 + number // 10 % 20:02}T0{number % 10}:00:00Z",
        "operation": 1,
        "result_code": 2,
        "hresult": "0x00000000",
        "title": f"Update (KB{5000000 + number})",
        "update_id": None,
        "revision": 1,
        "client_application_id": None,
        "service_id": None,
    }


class Server:
    """Has so many rows; ``grows`` adds one at the top before each further page."""

    def __init__(self, rows: int, *, grows: bool = False, answer: Any = None) -> None:
        self.rows = rows
        self.grows = grows
        self.answer = answer
        self.asked: list[tuple[int, int]] = []
        self.events: list[dict[str, Any]] = []

    def updates(self, run_id: str, _pace: Any) -> Server:
        assert run_id.endswith("-history")
        return self

    def run(self, operation: str, *, history: tuple[int, int], again: bool, seconds: float) -> dict[str, Any]:
        assert operation == "history" and again and seconds > 0
        if self.asked and self.grows:
            self.rows += 1
        self.asked.append(history)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            answer: dict[str, Any] = self.answer
            return answer
        skip, limit = history
        newest_first = [entry(number) for number in range(self.rows - 1, -1, -1)]
        page = {"total": self.rows, "entries": newest_first[skip : skip + limit]}
        return {"state": "done", "error": None, "agent": {}, "history": page}

    def connect(self) -> Server:
        return self

    def enumerate(self, _namespace: str, _wql: str, **_options: Any) -> list[dict[str, Any]]:
        return self.events

    def close(self) -> None:
        pass


def run(server: Server, *, check_mode: bool = False, clock: Any = lambda: 0.0, **params: Any) -> dict[str, Any]:
    options: Mapping[str, Any] = {
        name: option.get("default") for name, option in update_history_info.SPEC.argument_spec.items()
    }

    class ScriptedCall(Call):
        def server(self) -> Any:
            return server

    return update_history_info.run(
        ScriptedCall(
            params={**options, "as_of": "2025-12-20", **params},
            name="web01",
            check_mode=check_mode,
            now=lambda: datetime(2025, 12, 20, 10, tzinfo=UTC),
            monotonic=clock,
        )
    )


def numbers(result: dict[str, Any]) -> list[int]:
    return [int(row["kb"][2:]) - 5000000 for row in result["history"]]


@pytest.mark.parametrize("rows", [0, 1, 499, 500, 501, 1234])
def test_all_pages(rows: int) -> None:
    server = Server(rows)
    result = run(server)
    assert numbers(result) == list(range(rows - 1, -1, -1))
    assert (result["total"], result["complete"], result["source"]) == (rows, True, "windows_update")
    assert len(server.asked) == max(1, -(-rows // 500))


def test_rows_that_come_in_at_the_top_meanwhile_are_not_counted_twice() -> None:
    server = Server(1200, grows=True)
    result = run(server)
    found = numbers(result)
    assert len(found) == len(set(found))
    assert set(range(1200)) <= set(found)


def test_limit_and_since_read_no_more_than_needed() -> None:
    server = Server(1234)
    result = run(server, limit=3)
    assert (numbers(result), server.asked) == ([1233, 1232, 1231], [(0, 3)])
    assert (result["total"], result["complete"]) == (1234, False)
    server = Server(1234)
    newest = entry(1233)["date"]
    assert numbers(run(server, since=newest))[0] == 1233
    assert server.asked == [(0, 500)]
    assert run(Server(1234), since="2026-01-01")["history"] == []


def test_a_row_without_a_date_does_not_end_the_reading() -> None:
    blank = {**entry(0), "date": None, "title": "", "result_code": None, "hresult": None, "operation": None}

    class Blank(Server):
        def run(self, operation: str, *, history: tuple[int, int], **options: Any) -> dict[str, Any]:
            answer = super().run(operation, history=history, **options)
            if history[0] == 0:
                answer["history"]["entries"][-1] = blank
            return answer

    server = Blank(1000)
    oldest = entry(0)["date"]
    found = run(server, since=oldest)["history"]
    assert (len(server.asked), len(found)) == (2, 999)
    shown = [row for row in run(Blank(1000))["history"] if row["date"] is None]
    assert [(row["kb"], row["result"], row["operation"], row["meaning"]) for row in shown] == [
        (None, "unknown", "unknown", None)
    ]


def test_check_mode_starts_nothing() -> None:
    server = Server(5, answer=AssertionError("a task was started"))
    server.events = [
        {"EventCode": "19", "InsertionStrings": [f"Update (KB{5000000 + number})"],
         "TimeGenerated": f"2025-12-0{number}T00:00:00Z"}
        for number in range(1, 4)
    ]  # fmt: skip
    result = run(server, check_mode=True)
    assert numbers(result) == [3, 2, 1]
    assert (result["source"], result["total"], result["complete"]) == ("event_log", None, True)
    short = run(server, source="event_log", limit=2, since="2025-12-02")
    assert (numbers(short), short["complete"]) == ([3, 2], True)


def test_failures_are_told() -> None:
    error = {"stage": "history", "hresult": "0x8024402C", "hresult_signed": -2145107924, "message": "x"}
    failed = {"state": "failed", "error": error, "agent": {}, "history": None}
    with pytest.raises(UpdateFailed, match="reading the update history failed"):
        run(Server(5, answer=failed))
    with pytest.raises(Busy):
        run(Server(5, answer=Busy("work is under way")))
    with pytest.raises(BadAnswer, match="another history"):
        run(Server(5, answer={"state": "done", "error": None, "agent": {}, "history": None}))
    many = {"total": 9, "entries": [entry(number) for number in range(9)]}
    with pytest.raises(BadAnswer, match="another history"):
        run(Server(5, answer={"state": "done", "error": None, "agent": {}, "history": many}), limit=3)
    endless = {"total": 10**9, "entries": [entry(1)] * 500}
    with pytest.raises(BadAnswer, match="which no server has"):
        run(Server(5, answer={"state": "done", "error": None, "agent": {}, "history": endless}))
    times = iter([0.0, 1.0, 9999.0, 9999.0])
    with pytest.raises(AnswerTimeout, match="the time for reading"):
        run(Server(1000), clock=lambda: next(times))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"since": "last week"}, "no day and no moment"),
        ({"since": "2025-12-01T08:00:00"}, "with its offset"),
        ({"since": "2025-13-01"}, "no day"),
        ({"limit": -1}, "zero"),
        ({"timeout": 0}, "above zero"),
        ({"poll_interval": 0.0}, "above zero"),
    ],
)
def test_options_that_cannot_be_meant(params: dict[str, Any], words: str) -> None:
    server = Server(1)
    with pytest.raises(InvalidInput, match=words):
        run(server, **params)
    assert server.asked == []


def test_a_moment_in_another_zone() -> None:
    server = Server(300)
    at = run(server, since="2025-02-01T05:00:00+02:00")["history"]
    assert at and all(row["date"] >= "2025-02-01T03:00:00Z" for row in at)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of Windows Update in the System log: what is asked for, and rows that are not as they should be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, Fault
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_events import read_update_events

from .fake_server import FakeServer

TITLE = "2025-11 Security Hotpatch Update (KB5068966) (26100.7092)"
UPDATE = "{bd3d1fd2-6a1e-4a4a-9a3f-3d1f0e6b7c11}"
SERVICE = "{9482f4b4-e343-43b6-b170-9a65bc822c77}"


def event(code: Any, *strings: str, at: str = "2025-11-12T03:07:31.123456Z") -> dict[str, Any]:
    return {"EventCode": str(code), "InsertionStrings": list(strings), "RecordNumber": "7", "TimeGenerated": at}


def read(*rows: dict[str, Any], since: datetime | None = None) -> list[dict[str, Any]]:
    server = FakeServer(rows={"Win32_NTLogEvent": list(rows)})
    return read_update_events(server.connect(), since)


def test_an_installed_update() -> None:
    (entry,) = read(event(19, TITLE, UPDATE, "200", SERVICE))
    assert entry == {
        "date": "2025-11-12T03:07:31Z",
        "operation": 1,
        "result_code": 2,
        "hresult": "0x00000000",
        "title": TITLE,
        "update_id": "bd3d1fd2-6a1e-4a4a-9a3f-3d1f0e6b7c11",
        "revision": 200,
        "service_id": "9482f4b4-e343-43b6-b170-9a65bc822c77",
        "client_application_id": None,
    }


@pytest.mark.parametrize("code", ["0x80240016", "0X80240016", "-2145124330", "2149842966"])
def test_a_failed_update_in_any_writing_of_its_code(code: str) -> None:
    (entry,) = read(event(20, code, TITLE, UPDATE, "200"))
    assert (entry["result_code"], entry["hresult"], entry["title"]) == (4, "0x80240016", TITLE)
    assert (entry["revision"], entry["service_id"]) == (200, None)


def test_removals() -> None:
    removed, failed = read(event(23, TITLE), event(24, "0x800f0825", TITLE))
    assert (removed["operation"], removed["result_code"], removed["update_id"]) == (2, 2, None)
    assert (failed["operation"], failed["result_code"], failed["hresult"]) == (2, 4, "0x800F0825")


@pytest.mark.parametrize(
    "row",
    [
        event(43, TITLE, UPDATE, "200"),
        event(19),
        event(20, "no code", TITLE),
        event(20, "0x80240016"),
        event("nineteen", TITLE),
        {"EventCode": "19", "InsertionStrings": None, "TimeGenerated": "2025-11-12T03:07:31Z"},
        {"EventCode": "19", "InsertionStrings": [None], "TimeGenerated": "2025-11-12T03:07:31Z"},
    ],
)
def test_rows_that_say_nothing_are_passed_over(row: dict[str, Any]) -> None:
    assert [entry["title"] for entry in read(row, event(19, TITLE))] == [TITLE]


def test_newest_first_and_clean() -> None:
    old = event(19, "old \x1b[31m (KB1234567)\n", at="2025-10-14T01:00:00+02:00")
    rows = read(old, event(19, "new"))
    assert [row["title"] for row in rows] == ["new", "old [31m (KB1234567)"]
    assert rows[1]["date"] == "2025-10-13T23:00:00Z"


def test_a_time_that_is_none_is_no_time() -> None:
    with pytest.raises(BadAnswer):
        read(event(19, TITLE, at="yesterday"))


def test_only_what_is_needed_is_asked_for() -> None:
    asked: list[str] = []

    class Asked(FakeServer):
        def connect(self) -> Any:
            client = super().connect()
            answer = client.enumerate

            def enumerate_(namespace: str, wql: str, **options: Any) -> Any:
                asked.append(wql)
                return answer(namespace, wql, **options)

            client.enumerate = enumerate_  # type: ignore[method-assign]
            return client

    server = Asked(rows={"Win32_NTLogEvent": []})
    read_update_events(server.connect(), datetime(2025, 12, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    read_update_events(server.connect(), None)
    assert "AND TimeGenerated>='20251201000000.000000+000'" in asked[0]
    assert "TimeGenerated>=" not in asked[1]
    assert "SourceName='Microsoft-Windows-WindowsUpdateClient'" in asked[1] and "Logfile='System'" in asked[1]
    assert read(since=datetime(2025, 1, 1, tzinfo=UTC)) == []


def test_a_log_that_cannot_be_read_is_an_error() -> None:
    server = FakeServer(rows={"Win32_NTLogEvent": Fault("access denied", code="0x80041003")})
    with pytest.raises(Fault):
        read_update_events(server.connect(), None)

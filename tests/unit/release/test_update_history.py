# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The update history in words: KB, track, operation, result."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.update_history import (
    history_row,
    newest_first,
    since_moment,
    track_of,
)

KNOWN = Catalogue.shipped(date(2025, 12, 20))
DOTNET = "2026-04 .NET Framework Security Update (KB5082417)"
TRACKS = [
    ("KB5072014", "", "hotpatch"),
    ("KB5066835", "", "baseline"),
    ("KB5072033", "", "lcu"),
    ("KB5070881", "", "lcu"),
    ("KB5071413", "", "hotpatch"),  # another product's
    ("KB2267602", "", "other"),
    ("KB890830", "", "other"),
    ("KB5082417", DOTNET, "other"),
    ("KB5099999", "2026-09 Security Update (KB5099999) (26100.40000)", "unknown"),
    (None, "9NKRJ3SJ9SDG-Microsoft.WindowsAppRuntime.1.8", "other"),
]


@pytest.mark.parametrize(("kb", "title", "track"), TRACKS)
def test_tracks(kb: str | None, title: str, track: str) -> None:
    assert track_of(kb, title, KNOWN) == track


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "date": "2025-12-10T03:07:31Z",
        "operation": 1,
        "result_code": 2,
        "hresult": "0x00000000",
        "title": "2025-12 Security Hotpatch Update (KB5072014) (26100.7392)",
        "update_id": "bd3d1fd2-6a1e-4a4a-9a3f-3d1f0e6b7c11",
        "revision": 200,
        "client_application_id": "MoUpdateOrchestrator",
        "service_id": None,
        **changes,
    }


ROWS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"kb": "KB5072014", "operation": "install", "result": "succeeded", "meaning": None, "class": None}),
    ({"result_code": 1}, {"result": "in progress", "meaning": None}),
    ({"result_code": 4, "hresult": "0x80240016"}, {"result": "failed", "class": "retry"}),
    ({"result_code": 4, "hresult": "0x800F0983"}, {"class": "fix"}),
    ({"result_code": 4, "hresult": "0x00000000"}, {"result": "failed", "meaning": None, "class": None}),
    ({"result_code": 4, "hresult": None}, {"result": "failed", "hresult": None, "class": None}),
    ({"result_code": 3, "hresult": "0x80070643"}, {"result": "succeeded with errors"}),
    ({"operation": 2}, {"operation": "uninstall"}),
    ({"operation": 9, "result_code": 77}, {"operation": "unknown", "result": "77"}),
    ({"operation": None, "result_code": None}, {"operation": "unknown", "result": "unknown"}),
    ({"title": None}, {"title": "", "kb": None, "track": "other"}),
]


@pytest.mark.parametrize(("changes", "expected"), ROWS)
def test_rows(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    found = history_row(entry(**changes), KNOWN)
    assert {key: found[key] for key in expected} == expected


def test_order_and_since() -> None:
    rows = [entry(date=day) for day in ("2025-10-14T01:00:00Z", None, "2025-12-10T01:00:00Z", "2025-11-12T01:00:00Z")]
    ordered = newest_first(rows)
    assert [row["date"] for row in ordered] == [
        "2025-12-10T01:00:00Z",
        "2025-11-12T01:00:00Z",
        "2025-10-14T01:00:00Z",
        None,
    ]
    assert len(list(since_moment(ordered, "2025-11-12T01:00:00Z"))) == 2
    assert len(list(since_moment(ordered, None))) == 4

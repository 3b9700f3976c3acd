# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan and the report of a month, from what was read and done to what a person sees."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import month_plan, month_report
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError, InvalidInput
from tests.receipts import validator
from tests.unit.server_facts import healthy


def read(build: str = "26100.7092", kbs: list[str] | None = None, **parts: dict[str, Any] | None) -> dict[str, Any]:
    """The result of host_info for such a server, as far as the plan looks at it."""
    declared = {"enrolled": None, "opted_out": None}
    return {"changed": False, "server": healthy(build, kbs, **parts), "declared": declared}


GONE = {"unreachable": True, "msg": "lost01: nothing answers.", "error": {"code": "unreachable"}}


def call(params: dict[str, Any], shown: list[str] | None = None, check_mode: bool = False) -> Call:
    return Call(
        params=params,
        name="localhost",
        check_mode=check_mode,
        progress=(shown if shown is not None else []).append,
        now=lambda: datetime(2026, 3, 1, tzinfo=UTC),
    )


def plan_of(servers: dict[str, dict[str, Any]], shown: list[str] | None = None, **options: Any) -> dict[str, Any]:
    params = {
        "servers": [{"name": name, "read": result} for name, result in servers.items()],
        "month": "2025-12",
        "as_of": None,
        "catalogue": None,
        "restart_reasons": ["baseline", "missed_baseline"],
        "canaries": 1,
        "batch_size": 2,
        "max_clock_skew": 600,
        **options,
    }
    plan: dict[str, Any] = month_plan.run(call(params, shown))["plan"]
    return plan


def fleet() -> dict[str, dict[str, Any]]:
    missed = ("26100.6508", ["KB5065474"])
    return {
        "web01": read(),
        "old01": read(*missed),
        "old02": read(*missed),
        "old03": read(*missed),
        "old04": read(*missed),
        "off01": read("26100.6905", ["KB5070881"]),
        "new01": read("26100.7392", ["KB5072014"]),
        "lost01": GONE,
    }


def test_the_plan_sorts_servers_into_what_they_need() -> None:
    plan = plan_of(fleet())
    assert plan["as_of"] == "2025-12-31"
    assert plan["hotpatch"] == ["web01"]
    assert plan["waves"] == [["old01"], ["old02", "old03"], ["old04"]]
    assert plan["wave_sizes"] == [1, 2, 1]
    assert plan["steps"]["old01"]["expected_kbs"] == ["KB5066835", "KB5072014"]
    assert not plan["steps"]["off01"]["allowed"]
    assert "13 January 2026" in plan["steps"]["off01"]["reason"]
    assert plan["steps"]["new01"]["outcome_if_nothing"] == "current"
    assert plan["steps"]["lost01"]["outcome_if_nothing"] == "unreachable"


def test_no_server_restarts_for_a_reason_that_was_not_named() -> None:
    plan = plan_of(fleet(), restart_reasons=["baseline"])
    assert plan["waves"] == []
    assert "does not allow restarts for missed_baseline" in plan["steps"]["old01"]["reason"]


def test_the_table_names_every_server_and_what_happens_to_it() -> None:
    shown: list[str] = []
    plan_of(fleet(), shown)
    text = "\n".join(shown)
    for name in fleet():
        assert name in text
    assert "KB5072014, no restart" in text
    assert "yes (hint)" in text
    assert "KB5066835, KB5072014, wave 1" in text
    assert "Of 8 servers, 1 to get the hotpatch without a restart, 4 to restart (waves: 3), 3 to be left alone." in text


def test_a_server_that_stands_there_twice_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="web01"):
        month_plan.run(
            call(
                {
                    "servers": [{"name": "web01", "read": read()}] * 2, "month": "2025-12", "as_of": None,
                    "catalogue": None, "restart_reasons": [], "canaries": 1, "batch_size": 2, "max_clock_skew": 600,
                }
            )
        )  # fmt: skip


def report_of(records: list[dict[str, Any]], directory: Path | None = None, check_mode: bool = False) -> dict[str, Any]:
    plan = plan_of({record["name"]: record["read"] for record in records})
    params = {"plan": plan, "servers": records, "directory": str(directory) if directory else None}
    return month_report.run(call(params, check_mode=check_mode))


HOTPATCHED = read("26100.7392", ["KB5072014"])


def test_the_report_says_what_was_read_and_not_what_was_hoped(tmp_path: Path) -> None:
    installed = {
        "changed": True,
        "kbs_installed": ["KB5072014"],
        "receipt": {"witnesses_before": [], "witnesses_after": []},
    }
    result = report_of(
        [
            {"name": "web01", "read": read(), "read_after": HOTPATCHED, "install": installed},
            {"name": "web02", "read": read(), "read_after": read(), "install": installed},
            {"name": "web03", "read": read(), "read_after": GONE, "install": installed},
            {"name": "web04", "read": read(), "install": installed},
            {"name": "lost01", "read": GONE, "read_after": GONE},
        ],
        tmp_path,
    )
    outcomes = {name: entry["outcome"] for name, entry in result["outcomes"].items()}
    assert outcomes == {
        "web01": "hotpatched",
        "web02": "failed",
        "web03": "unreachable",
        "web04": "failed",
        "lost01": "unreachable",
    }
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    # The receipts of this test are none.
    rows = [{**row, "receipt": None} for row in summary["servers"]]
    validator("summary-1.json").validate({**summary, "servers": rows})
    assert set(summary) == {"month", "as_of", "catalogue", "written", "totals", "servers"}
    assert set(summary["servers"][0]) >= {
        "name", "product", "edition", "eligible", "blockers", "track_before", "track_after", "build_before",
        "build_after", "kbs_installed", "restarted", "outcome", "reason", "receipt",
    }  # fmt: skip
    assert summary["totals"] == {"hotpatched": 1, "failed": 2, "unreachable": 2}
    assert result["changed"] is False


def test_check_mode_writes_no_report(tmp_path: Path) -> None:
    result = report_of([{"name": "web01", "read": read()}], tmp_path / "report", check_mode=True)
    assert result["files"] == []
    assert not (tmp_path / "report").exists()


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HotpatchError, match="cannot be written") as caught:
        report_of([{"name": "web01", "read": read()}], tmp_path / "file" / "report")
    assert "hotpatch_report_dir" in (caught.value.hint or "")


def test_what_a_hostile_server_sends_is_only_text_on_the_page(tmp_path: Path) -> None:
    evil = read(os={"edition_id": "<script>alert(1)</script>"})
    report_of(
        [
            {
                "name": "<img src=x onerror=alert(1)>",
                "read": evil,
                "read_after": {"failed": True, "msg": "<b>\x1b[31m</b>"},
            }
        ],
        tmp_path,
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "<script>alert" not in page
    assert "&lt;img src=x" in page


def test_a_plan_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="month_plan"):
        month_report.run(call({"plan": {"oops": 1}, "servers": [], "directory": None}))


def test_a_server_that_was_not_planned_is_refused() -> None:
    with pytest.raises(InvalidInput, match="web09 is not in the plan"):
        month_report.run(
            call(
                {"plan": plan_of({"web01": read()}), "servers": [{"name": "web09", "read": read()}], "directory": None}
            )
        )

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rings as schedules, and the table of what happens when."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_rings import schedules_of, table_of

RINGS: list[dict[str, Any]] = [{"name": "pilot", "hotpatch_days": 1}, {"name": "rest", "start": "23:00"}]


def test_three_schedules_for_each_ring() -> None:
    servers = {"a": {}, "b": {"ring": "rest", "machine": "B-arc"}}
    found = schedules_of(servers, RINGS, "updates")
    assert [item["name"] for item in found] == [
        *("updates-pilot-baseline", "updates-pilot-hotpatch-2", "updates-pilot-hotpatch-3"),
        *("updates-rest-baseline", "updates-rest-hotpatch-2", "updates-rest-hotpatch-3"),
    ]
    assert [item["quarter_month"] for item in found] == [1, 2, 3] * 2
    assert [item["patch_tuesday"] for item in found] == [4, 1, 1, 4, 2, 2]
    assert [item["reboot_setting"] for item in found] == ["if_required", "never", "never"] * 2
    assert [item["machines"] for item in found] == [["a"]] * 3 + [["B-arc"]] * 3
    assert found[3]["servers"] == ["b"] and found[3]["start"] == "23:00"


def test_a_hotpatch_month_never_restarts_whatever_a_ring_says() -> None:
    found = schedules_of({}, [{"name": "x", "reboot_setting": "always"}], "u")
    assert [item["reboot_setting"] for item in found] == ["always", "never", "never"]


@pytest.mark.parametrize(
    ("rings", "words"),
    [
        ([], "at least one ring"),
        ([{}], "needs a name"),
        ([{"name": "a b"}], "needs a name"),
        ([{"name": "a"}, {"name": "a"}], "described twice"),
        ([{"name": "a"}, {"name": "A"}], "described twice"),
        ([{"name": "a", "days": 2}], "has days"),
        ([{"name": "a", "hotpatch_days": "soon"}], "a number of days"),
        ([{"name": "a", "baseline_days": 7}], "-6 to 6"),
        ([{"name": "a", "reboot_setting": "maybe"}], "reboot_setting of the ring"),
    ],
)
def test_rings_that_are_described_wrongly(rings: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        schedules_of({}, rings, "u")


@pytest.mark.parametrize("prefix", ["", "a b", "a/b", "-a", "a" * 42])
def test_a_prefix_that_begins_no_name(prefix: str) -> None:
    with pytest.raises(InvalidInput, match="no beginning of a name"):
        schedules_of({}, RINGS, prefix)


def test_a_server_of_an_unknown_ring() -> None:
    with pytest.raises(InvalidInput, match="web1 is in the ring 'x'"):
        schedules_of({"web1": {"ring": "x"}}, RINGS, "u")


def test_the_table_is_in_order_of_time() -> None:
    def result(name: str, setting: str, *starts: str, **more: Any) -> dict[str, Any]:
        rows = [{"utc": start, "words": f"at {start}"} for start in starts]
        return {"id": f"/x/{name}", "configuration": {"reboot_setting": setting}, "next_starts": rows, **more}

    table = table_of(
        [
            result("base", "if_required", "2027-01", "2027-04", item={"servers": ["a", "b"]}),
            result("hot", "never", "2027-02", item=2),
            {"skipped": True},
            {"configuration": None},
        ],
        2,
    )
    assert table == ["at 2027-01  restart if required  base, 2 servers", "at 2027-02  no restart           hot"]
    assert table_of([], 5) == []

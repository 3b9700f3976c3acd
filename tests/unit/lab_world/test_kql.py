# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries as people and tools send them to Resource Graph; ours is only one of many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import kql
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.kql_syntax import QueryError, parse

NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {
        "id": f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.HybridCompute/machines/{name}",
        "name": name,
        "type": "microsoft.hybridcompute/machines",
        "location": location,
        "tags": tags,
        "properties": {
            "status": status,
            "osSku": "Windows Server 2025 Standard",
            "cores": cores,
            "changed": changed,
            "disks": [{"size": 10}, {"size": 20}],
        },
    }
    for name, location, tags, status, cores, changed in (
        ("web01", "westeurope", {"stage": "prod"}, "Connected", 4, "2026-01-20T11:00:00.1234567Z"),
        ("web02", "westeurope", {"stage": "Prod"}, "Disconnected", 8, "2026-01-10T11:00:00Z"),
        ("sql01", "eastus", None, "Connected", None, None),
    )
]
PROFILES = [
    {"id": f"{ROWS[0]['id']}/licenseProfiles/default", "name": "default", "properties": {"product": "WindowsServer"}}
]


def tables(name: str) -> list[dict[str, Any]]:
    known = {"resources": ROWS, "profiles": PROFILES}
    if name not in known:
        raise QueryError(f"the table {name!r} is not known")
    return known[name]


def asked(text: str) -> list[dict[str, Any]]:
    return kql.run(parse(text), tables, NOW)


def names(condition: str) -> list[str]:
    return [row["name"] for row in asked(f"Resources | where {condition} | order by name asc")]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("name == 'web01'", ["web01"]),
        ("name == 'WEB01'", []),
        ("name =~ 'WEB01'", ["web01"]),
        ("name != 'web01'", ["sql01", "web02"]),
        ("name !~ 'WEB01'", ["sql01", "web02"]),
        ("name in ('web01', 'sql01')", ["sql01", "web01"]),
        ("name in~ ('WEB01')", ["web01"]),
        ("name !in ('web01')", ["sql01", "web02"]),
        ("name !in~ ('WEB01')", ["sql01", "web02"]),
        ("name startswith 'WEB'", ["web01", "web02"]),
        ("name endswith '01' and not(name contains 'sql')", ["web01"]),
        ("properties.osSku has 'windows'", ["sql01", "web01", "web02"]),
        ("properties.osSku has 'window'", []),
        ("properties.osSku contains 'window'", ["sql01", "web01", "web02"]),
        ("properties.status == 'Connected' or location == 'nowhere'", ["sql01", "web01"]),
        ("tags.stage =~ 'prod'", ["web01", "web02"]),
        ('tags["stage"] == "prod"', ["web01"]),
        ("isempty(tags.stage)", ["sql01"]),
        ("isnotnull(properties.cores) and properties.cores > 4", ["web02"]),
        ("properties.cores between (1 .. 5)", ["web01"]),
        ("toint(properties.cores) * 2 >= 16", ["web02"]),
        ("todatetime(properties.changed) > ago(7d)", ["web01"]),
        ("todatetime(properties.changed) < datetime(2026-01-15)", ["web02"]),
        ("name matches regex '^web[0-9]+$'", ["web01", "web02"]),
        ("location has_any ('westeurope', 'uksouth')", ["web01", "web02"]),
        ("array_length(properties.disks) == 2", ["sql01", "web01", "web02"]),
        ("properties.disks[1].size == 20", ["sql01", "web01", "web02"]),
        ("tostring(properties.nothing) == ''", ["sql01", "web01", "web02"]),
        ("name == 'it\\'s'", []),
        ("name == @'web01'", ["web01"]),
    ],
)
def test_conditions(condition: str, found: list[str]) -> None:
    assert names(condition) == found


def test_columns_are_made_renamed_and_dropped() -> None:
    (row,) = asked(
        "resources | where name == 'web01' | extend state = tostring(properties.status), up = iff(name =~ 'WEB', 1, 0)"
        " | project name, state, up, properties.osSku, place = toupper(location) | project-away up // a remark"
    )
    assert row == {
        "name": "web01",
        "state": "Connected",
        "properties_osSku": "Windows Server 2025 Standard",
        "place": "WESTEUROPE",
    }


def test_rows_are_counted_and_grouped() -> None:
    assert asked("resources | count") == [{"Count": 3}]
    found = asked(
        "resources | summarize machines = count(), names = make_set(name) by location | order by location asc"
    )
    assert found == [
        {"location": "eastus", "machines": 1, "names": ["sql01"]},
        {"location": "westeurope", "machines": 2, "names": ["web01", "web02"]},
    ]
    assert asked("resources | summarize count() by state = tostring(properties.status) | top 1 by count_ desc") == [
        {"state": "Connected", "count_": 2}
    ]
    assert len(asked("resources | distinct location")) == 2
    assert asked("resources | summarize max(toint(properties.cores))") == [{"max_properties_cores": 8}]


def test_order_falls_unless_it_is_said_to_rise() -> None:
    assert [row["name"] for row in asked("resources | sort by name | take 2")] == ["web02", "web01"]
    assert [row["name"] for row in asked("resources | order by location asc, name desc")] == ["sql01", "web02", "web01"]


def test_tables_are_joined() -> None:
    right = "(profiles | project key = tostring(split(tolower(id), '/licenseprofiles/')[0]), what = properties.product)"
    left = "resources | extend key = tolower(id) | join kind={} {} on key | project name, what | order by name asc"
    assert asked(left.format("leftouter", right)) == [
        {"name": "sql01", "what": None},
        {"name": "web01", "what": "WindowsServer"},
        {"name": "web02", "what": None},
    ]
    assert asked(left.format("inner", right)) == [{"name": "web01", "what": "WindowsServer"}]
    by_name = "resources | extend a = tolower(id) | join kind=inner {} on $left.a == $right.key | project name, id"
    assert [row["name"] for row in asked(by_name.format(right))] == ["web01"]


def test_a_right_side_without_rows_has_its_columns_all_the_same() -> None:
    right = "(profiles | where name == 'x' | project key = id, what = properties.product | extend more = 1)"
    query = f"resources | extend key = id | join kind=leftouter {right} on key | project what, more, key1 | limit 1"
    assert asked(query) == [{"what": None, "more": None, "key1": None}]
    assert asked("resources | extend nothing = dynamic(null) | where isnull(nothing) | count") == [{"Count": 3}]


def test_a_list_becomes_rows() -> None:
    found = asked("resources | where name == 'web01' | mv-expand disk = properties.disks | project size = disk.size")
    assert found == [{"size": 10}, {"size": 20}]
    assert len(asked("resources | union (resources | where name == 'web01')")) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "resources | frobnicate",
        "resources | where",
        "resources | where nam == 'x'",
        "resources | where frob(name) == 'x'",
        "resources | where name == 'x",
        "resources | where (name == 'x'",
        "nowhere | count",
        "resources | project name extra",
        "resources | where tolower() == 'x'",
        "resources | order by properties.status",
        "resources | summarize count() by properties.status",
        "resources | extend key = properties | join kind=inner (profiles | extend key = 1) on key",
        "resources | join kind=sideways (profiles) on id",
        "resources; resources",
        "resources | where name == 'x' \x01",
        "drop table resources",
    ],
)
def test_what_is_no_query_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        asked(text)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimFault, CimInstance, CimValue
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wql import parse


def row(**values: CimValue) -> CimInstance:
    return CimInstance("X", "root/cimv2", dict(values), ("Name",))


ROWS = [
    row(
        Name=CimValue("string", "himds"),
        Count=CimValue("uint32", 4294967295),
        Running=CimValue("boolean", True),
        Path=CimValue("string", r"C:\Program Files\x.exe"),
        Since=CimValue("datetime", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ),
    row(
        Name=CimValue("string", "WinRM"),
        Count=CimValue("uint32", 0),
        Running=CimValue("boolean", False),
        Path=CimValue("string", None),
        Since=CimValue("datetime", None),
    ),
]


def names(statement: str) -> list[str]:
    return [str(item.value("Name")) for item in parse(statement).apply(ROWS)]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Name = 'HIMDS'", ["himds"]),
        ('Name = "himds"', ["himds"]),
        ("'himds' = Name", ["himds"]),
        ("Count > 1", ["himds"]),
        ("0 >= Count", ["WinRM"]),
        ("Count = '0'", ["WinRM"]),
        ("Count <> 0", ["himds"]),
        ("Count != 0", ["himds"]),
        ("Count >= 0x0", ["himds", "WinRM"]),
        ("Running = TRUE", ["himds"]),
        ("Running = 'false'", ["WinRM"]),
        ("Running = 0", ["WinRM"]),
        ("NOT Running = true", ["WinRM"]),
        ("Path IS NULL", ["WinRM"]),
        ("Path IS NOT NULL", ["himds"]),
        ("Path = NULL", ["WinRM"]),
        ("Path <> NULL", ["himds"]),
        (r"Path = 'C:\\Program Files\\x.exe'", ["himds"]),
        (r"Path LIKE '%\\x.exe'", ["himds"]),
        ("Name LIKE 'Win_'", []),
        ("Name LIKE 'Win_M'", ["WinRM"]),
        ("Name LIKE '[g-i]%'", ["himds"]),
        ("Name LIKE '[^g-i]%'", ["WinRM"]),
        ("NOT (Name = 'himds' OR Name = 'nobody')", ["WinRM"]),
        ("Name = 'himds' OR Name = 'winrm' AND Count = 5", ["himds"]),
        ("(Name = 'himds' OR Name = 'winrm') AND Count = 0", ["WinRM"]),
        ("Since > '20250101000000.000000+000'", ["himds"]),
        ("Since = '20250102040405.000000+060'", ["himds"]),
    ],
)
def test_condition(where: str, found: list[str]) -> None:
    assert names(f"SELECT * FROM X WHERE {where}") == found


def test_projection_keeps_order_and_marks_the_rows() -> None:
    found = parse("select running, NAME from X where Count=0").apply(ROWS)
    assert list(found[0].properties) == ["Name", "Running"]
    assert found[0].projected
    assert not parse("SELECT * FROM X").apply(ROWS)[0].projected


def test_names_that_where_uses_are_told() -> None:
    assert parse("SELECT Name FROM X WHERE Count=1 AND NOT Path IS NULL").asked == ("Count", "Path")


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "SELECT",
        "SELECT * FROM",
        "DELETE FROM X",
        "SELECT * FROM X WHERE",
        "SELECT * FROM X WHERE Name",
        "SELECT * FROM X WHERE Name =",
        "SELECT * FROM X WHERE Name = 'open",
        "SELECT * FROM X WHERE Name LIKE 5",
        "SELECT * FROM X WHERE (Name = 'a'",
        "SELECT * FROM X WHERE Name = 'a' OR",
        "SELECT Name, FROM X",
        "SELECT * FROM X; DROP",
        "SELECT * FROM X WHERE Name < NULL",
        "SELECT * FROM X WHERE " + "(" * 200 + "Name = 'a'" + ")" * 200,
        "SELECT * FROM X WHERE Name = '" + "a" * 20000 + "'",
    ],
)
def test_bad_statement_is_an_invalid_query(statement: str) -> None:
    with pytest.raises(CimFault) as caught:
        parse(statement)
    assert caught.value.kind == "invalid_query"

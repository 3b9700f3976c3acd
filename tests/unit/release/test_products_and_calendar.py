# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds, months and products: the small facts that everything else rests on."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._release import calendar
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import identify_product


def test_a_build_is_read_in_both_forms_and_ordered_by_number() -> None:
    assert Build.parse("26100.7092") == Build.parse("10.0.26100.7092") == Build(26100, 7092)
    assert str(Build.parse("10.0.20348.469")) == "20348.469"
    assert Build.parse("26100.9999") < Build.parse("26100.32230")


@pytest.mark.parametrize(
    "text", ["", "26100", "26100.", "26100.a", "10.26100.1", "26100.1.2.3.4", "-26100.1", "2610\u0660.1"]
)
def test_anything_else_is_no_build(text: str) -> None:
    assert Build.read(text) is None
    with pytest.raises(ValueError, match="not a Windows build"):
        Build.parse(text)


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [(2025, 10, 14), (2025, 12, 9), (2026, 1, 13), (2026, 4, 14), (2026, 9, 8), (2024, 10, 8), (2027, 6, 8)],
)
def test_patch_tuesday(year: int, month: int, day: int) -> None:
    assert calendar.patch_tuesday(year, month) == date(year, month, day)


@given(st.dates(date(2000, 1, 1), date(2100, 12, 31)))
def test_patch_tuesday_is_a_tuesday_between_the_8th_and_the_14th(day: date) -> None:
    found = calendar.patch_tuesday(day.year, day.month)
    assert found.weekday() == 1
    assert 8 <= found.day <= 14


def test_months() -> None:
    assert calendar.months_between("2025-11", "2026-02") == ["2025-12", "2026-01", "2026-02"]
    assert calendar.months_between("2026-02", "2026-02") == []
    assert calendar.last_day("2024-02") == date(2024, 2, 29)
    assert calendar.day_in_words(date(2026, 1, 13)) == "13 January 2026"
    for text in ("2025-13", "2025-1", "25-01", "2025/01", "0000-01"):
        with pytest.raises(ValueError, match="not a month"):
            calendar.parse_month(text)


@pytest.mark.parametrize(
    ("build", "product_type", "edition", "sku", "identifier", "capable", "azure", "evaluation"),
    [
        (26100, 3, "ServerStandard", 7, "windows-server-2025", True, False, False),
        (26100, 2, "ServerDatacenter", 8, "windows-server-2025", True, False, False),
        (26100, 3, "ServerStandardEval", 79, "windows-server-2025", True, False, True),
        (26100, 3, "ServerTurbine", 407, "windows-server-2025", True, True, False),
        (26100, 3, None, 408, "windows-server-2025", True, True, False),
        (26100, 3, "serverturbinecor", None, "windows-server-2025", True, True, False),
        (26100, 3, "ServerAzureStackHCICor", 406, "windows-server-2025", False, False, False),
        (26100, 3, None, None, "windows-server-2025", None, False, False),
        # The client of the same base build must not be taken for a server.
        (26100, 1, "Enterprise", 4, "windows-11-enterprise", False, False, False),
        (26100, 1, "Professional", 48, "windows-client", False, False, False),
        (26100, None, "ServerStandard", 7, "unknown", None, False, False),
        (None, 3, "ServerStandard", 7, "unknown", None, False, False),
        (20348, 3, "ServerTurbine", 407, "windows-server-2022-datacenter-azure-edition", True, True, False),
        (20348, 3, "ServerStandard", 7, "windows-server-2022", False, False, False),
        (20348, 3, None, None, "windows-server-2022", None, False, False),
        (17763, 3, "ServerDatacenterEval", 80, "windows-server-2019", False, False, True),
        (29000, 3, "ServerDatacenter", 8, "unknown", None, False, False),
    ],
)
def test_products(
    build: int | None,
    product_type: int | None,
    edition: str | None,
    sku: int | None,
    identifier: str,
    capable: bool | None,
    azure: bool,
    evaluation: bool,
) -> None:
    product = identify_product(build, product_type, edition, sku, "Server Core")
    assert (product.id, product.hotpatch_capable, product.azure_edition) == (identifier, capable, azure)
    assert product.evaluation is evaluation
    if product.is_server and product.known:
        assert product.core is True
    assert product.as_dict()["id"] == identifier

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Error codes in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes import (
    codes_in,
    describe,
    known_codes,
)

# Written down here from the error's own documentation, not read from the tables.
EXPECTED = [
    (0x80240016, "WU_E_INSTALL_NOT_ALLOWED"),
    (0x80240037, "WU_E_NOT_SUPPORTED"),
    (0x8024402C, "WU_E_PT_WINHTTP_NAME_NOT_RESOLVED"),
    (0x8024001E, "WU_E_SERVICE_STOP"),
    (0x8024002E, "WU_E_WU_DISABLED"),
    (0x800F0983, "PSFX_E_MATCHING_COMPONENT_DIRECTORY_MISSING"),
    (0x80070005, "E_ACCESSDENIED"),
]


def test_every_code_is_there() -> None:
    # 427 of the reference table, and 0x800F0983.
    assert len(known_codes()) == 428
    for code in known_codes():
        text = describe(code)
        assert text.known
        assert text.error_class in ("retry", "fix", "stop")
        assert text.name
        assert text.source
        assert not text.meaning.endswith(".")


@pytest.mark.parametrize(("code", "name"), EXPECTED)
def test_spot_codes(code: int, name: str) -> None:
    assert describe(code).name == name


def test_all_writings_of_a_code_are_the_same() -> None:
    expected = describe(0x80240016)
    for writing in (-2145124330, "0x80240016", "0X80240016", " 0x80240016 ", "-2145124330", "2149842966"):
        assert describe(writing) == expected
    assert "0x80240016 (WU_E_INSTALL_NOT_ALLOWED)" in expected.sentence


def test_the_differential_update_without_its_component() -> None:
    text = describe("0x800f0983")
    assert text.error_class == "fix"
    assert not text.retryable
    assert "RestoreHealth" in (text.remedy or "")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0x80249999, "Windows Update agent"),
        (0x80071234, "Windows system error"),
        (0xDEADBEEF, "An error"),
        (0x00099999, "success code"),
        ("nonsense", "not a Windows error code"),
        ("", "not a Windows error code"),
        (2**40, "not a Windows error code"),
    ],
)
def test_an_unknown_code_gets_an_honest_text(code: int | str, words: str) -> None:
    text = describe(code)
    assert not text.known
    assert words in text.meaning
    assert text.as_dict()["class"] == "stop"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("The installation failed with 0x800f0983.", ["0x800F0983"]),
        ("0x80240016, then (0X80070002), then 0x80240016 again", ["0x80240016", "0x80070002"]),
        ("0x00000000, 0x8024, 0x802400161 and x80240016 are none", []),
        ("", []),
    ],
)
def test_the_failures_in_the_words_of_somebody_else(text: str, codes: list[str]) -> None:
    assert [each.code for each in codes_in(text)] == codes


@given(st.one_of(st.integers(), st.text(max_size=20)))
def test_nothing_makes_it_fail(code: int | str) -> None:
    assert describe(code).sentence

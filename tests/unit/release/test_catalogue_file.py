# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's catalogue file: what is read, and how each mistake is named with its line."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, NotSupported
from ansible_collections.winops.hotpatch.plugins.module_utils._release import catalogue_file
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue_file import MAX_BYTES, parse
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import ReleaseType

GOOD = """\
schema: 1
collected: 2026-12-01
releases:
- product: windows-server-2025
  date: 2026-07-14
  month: 2026-07
  type: baseline
  lcu_kb: 5099536
  lcu_build: 26100.33160
  source: release page
- product: windows-server-2025
  month: 2026-09
  type: out-of-band
  hotpatch_kb: KB5200001
  breaks_hotpatch: false
lcu_only:
- {product: windows-server-2025, date: '2026-10-13', lcu_kb: KB5200002, lcu_build: '26100.33400', note: unsure}
planned:
- {product: windows-server-2025, month: 2027-01, type: baseline, announced: 2026-12-01}
"""


def test_a_good_file() -> None:
    rows = parse(GOOD, "mine.yml")
    july, september, october = rows.releases
    assert (july.type, july.lcu_kb, july.day) == (ReleaseType.BASELINE, "KB5099536", date(2026, 7, 14))
    # Unquoted, so YAML itself would make a number of it and lose the last digit.
    assert july.lcu_builds == (Build(26100, 33160),)
    assert (september.day, september.breaks_hotpatch, september.source) == (None, False, "mine.yml")
    assert (october.type, october.month) == (ReleaseType.LCU_ONLY, "2026-10")
    assert rows.planned[0].announced == date(2026, 12, 1)
    assert (rows.collected, rows.name) == (date(2026, 12, 1), "mine.yml")


HEAD = "schema: 1\nreleases:\n- product: windows-server-2025\n  month: 2026-09\n"
MISTAKES = [
    ("schema: 2\n", 1, "schema is 2"),
    ("releases: []\n", 1, "schema is missing"),
    ("- 1\n", 1, "is a mapping"),
    ("", 1, "is a mapping"),
    ("schema: 1\nreleases: {}\n", 2, "not a list"),
    ("schema: 1\nmore: []\n", 2, "'more' is an unknown key"),
    ("schema: 1\nschema: 1\n", 2, "given twice"),
    ("schema: 1\nreleases:\n- x\n", 3, "not a mapping"),
    ("schema: 1\nreleases:\n- {product: windows-server-2019}\n", 3, "unknown product"),
    (HEAD + "  type: hotfix\n", 5, "unknown type"),
    (HEAD + "  type: hotpatch\n", 5, "no hotpatch_kb"),
    (HEAD + "  type: baseline\n  hotpatch_kb: KB5200001\n", 6, "has no hotpatch"),
    (HEAD + "  type: out-of-band\n", 5, "names no KB"),
    (HEAD + "  type: hotpatch\n  hotpatch_kb: 52x\n", 6, "is not a KB"),
    (HEAD + "  type: hotpatch\n  hotpatch_kb: KB5200001\n  hotpatch_build: 26100\n", 7, "is not a build"),
    (HEAD + "  type: hotpatch\n  hotpatch_kb: KB5200001\n  lcu_build: 26100.1\n", 7, "without an lcu_kb"),
    (HEAD + "  type: hotpatch\n  hotpatch_kb: KB5200001\n  date: 2026-09-31\n", 7, "is not a date"),
    (HEAD + "  type: hotpatch\n  hotpatch_kb: KB5200001\n  date: 2026-10-13\n", 4, "do not agree"),
    (HEAD + "  type: hotpatch\n  hotpatch_kb: KB5200001\n  breaks_hotpatch: perhaps\n", 7, "neither true nor false"),
    (HEAD + "  type: hotpatch\n  hotpatch_kb: KB5200001\n  evidence: rumour\n", 7, "unknown evidence"),
    (HEAD + "  type: hotpatch\n  hotpatch_kb: KB5200001\n  colour: red\n", 7, "'colour' is an unknown key"),
    (HEAD + "  type: hotpatch\n  hotpatch_kb: [KB5200001]\n", 6, "single value"),
    (HEAD + "  type: hotpatch\n  hotpatch_kb: KB5200001\n  lcu_kb: KB5200001\n", 7, "given twice"),
    (
        HEAD + "  type: hotpatch\n  hotpatch_kb: KB5200001\n- product: windows-server-2025\n  month: 2026-11\n"
        "  type: hotpatch\n  hotpatch_kb: KB5200001\n",
        10,
        "first in line 3",
    ),
    (
        HEAD + "  type: hotpatch\n  hotpatch_kb: KB5200001\n- product: windows-server-2025\n  month: 2026-09\n"
        "  type: baseline\n  lcu_kb: KB5200002\n",
        7,
        "two regular rows",
    ),
    ("schema: 1\nreleases: [\n", 3, "not YAML"),
    ("schema: 1\nreleases:\n\t- x\n", 3, "not YAML"),
    ("schema: 1\nnote: \x00\n", 1, "not YAML"),
    ("schema: 1\nreleases: &a [*a]\n", 2, "anchors"),
    ("schema: 1\nreleases: " + "[" * 4000 + "]" * 4000, 2, "nested too deeply"),
    ("schema: 1\n" + "#" * MAX_BYTES, 1, "larger than 2 MB"),
    ("schema: 1\n---\nschema: 1\n", 2, "not YAML"),
]


@pytest.mark.parametrize(("text", "line", "words"), MISTAKES, ids=[row[2] for row in MISTAKES])
def test_each_mistake_names_the_file_and_the_line(text: str, line: int, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text, "our/releases.yml")
    assert f"our/releases.yml, line {line}:" in caught.value.message
    assert words in caught.value.message
    assert caught.value.hint


def test_without_pyyaml_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_file, "HAS_YAML", False)
    with pytest.raises(NotSupported, match="PyYAML"):
        parse(GOOD, "mine.yml")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(GOOD)), st.text(max_size=6), st.integers(0, 6))
def test_a_damaged_file_is_read_or_refused_and_never_worse(where: int, inserted: str, dropped: int) -> None:
    text = GOOD[:where] + inserted + GOOD[where + dropped :]
    try:
        parse(text, "mine.yml")
    except InvalidInput as error:
        assert "mine.yml, line" in error.message

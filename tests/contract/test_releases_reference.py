# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped rows and error codes against the reference files they came from.

The reference does not belong to the product. Where it does not lie beside the checkout these tests do not exist.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue_file import parse
from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes import describe, known_codes
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import Release
from ansible_collections.winops.hotpatch.plugins.module_utils._release.rows import COLLECTED, PLANNED, RELEASES

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
RELEASE_FILE = REFERENCE / "hotpatch-releases.yml"
ERROR_FILE = REFERENCE / "update-errors.yml"


def facts(row: Release) -> tuple[Any, ...]:
    return (
        row.product,
        row.month,
        row.type,
        row.day,
        row.hotpatch_kb,
        row.hotpatch_builds,
        row.lcu_kb,
        row.lcu_builds,
        row.breaks_hotpatch,
        row.evidence,
    )


if RELEASE_FILE.is_file():

    def test_every_row_is_the_references() -> None:
        reference = parse(RELEASE_FILE.read_text(encoding="utf-8"), RELEASE_FILE.name)
        assert sorted(map(repr, map(facts, RELEASES))) == sorted(map(repr, map(facts, reference.releases)))
        planned = {(plan.product, plan.month, plan.type) for plan in reference.planned}
        assert {(plan.product, plan.month, plan.type) for plan in PLANNED} == planned
        assert reference.collected == COLLECTED


if ERROR_FILE.is_file():

    def test_every_error_code_is_the_references_and_there_is_one_more() -> None:
        errors = yaml.safe_load(ERROR_FILE.read_text(encoding="utf-8"))["errors"]
        for error in errors:
            text = describe(error["code"])
            expected = (error["name"], error["meaning"], error["class"], error.get("remedy"))
            assert (text.name, text.meaning, text.error_class, text.remedy) == expected
        assert known_codes() - {int(error["code"], 16) for error in errors} == {0x800F0983}

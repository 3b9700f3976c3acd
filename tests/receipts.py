# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receipts and reports against the schemas that are published for them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

SCHEMAS = Path(__file__).resolve().parents[1] / "docs" / "schemas"


@cache
def validator(name: str) -> Draft202012Validator:
    """The validator of one published schema."""
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def check_summary(summary: Any) -> None:
    """A report, with the receipts in it."""
    validator("summary-1.json").validate(summary)
    for row in summary["servers"]:
        for receipt in (row["receipt"] or {}).get("installs", []):
            check_receipt(receipt)


def check_receipt(receipt: Any) -> None:
    """As a reader would get it: written to JSON and read again."""
    validator("receipt-1.json").validate(json.loads(json.dumps(receipt)))

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/portal.md sends a reader of Microsoft's pages to what is there, with options that it takes."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"module": "plugins/modules/{}.py", "role": "roles/{}/README.md", "playbook": "playbooks/{}.yml"}
_NAMED = re.compile(r"\b(module|role|playbook)s? ((?:`\w+`(?:, | and )?)+)")
_SETTING = re.compile(r"`(\w+): ([^`]+)`")
ROWS = [
    cells[1]
    for line in (ROOT / "docs" / "portal.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and "---" not in line
    for cells in [[cell.strip() for cell in line.strip("|").split(" | ")]]
    if cells[1] != "here"
]


def named_in(cell: str) -> list[tuple[str, str]]:
    """Kind and name of all that a cell sends to."""
    return [(kind, name) for kind, names in _NAMED.findall(cell) for name in re.findall(r"`(\w+)`", names)]


def options_of(module: str) -> dict[str, Any]:
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text("utf-8"))
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "DOCUMENTATION":
            options: dict[str, Any] = yaml.safe_load(ast.literal_eval(statement.value)).get("options", {})
            return options
    raise AssertionError(f"{module} has no documentation.")


def test_there_are_rows() -> None:
    assert len(ROWS) > 20


@pytest.mark.parametrize("cell", ROWS)
def test_a_row_names_what_is_there_with_options_that_it_takes(cell: str) -> None:
    named = named_in(cell)
    assert named or "catalogue.md" in cell, cell
    missing = [(kind, name) for kind, name in named if not (ROOT / KINDS[kind].format(name)).is_file()]
    assert missing == []
    known = [options_of(name) for kind, name in named if kind == "module"]
    for option, text in _SETTING.findall(cell):
        takers = [options[option] for options in known if option in options]
        assert takers, f"{option}: no module of the row has it"
        for value in yaml.safe_load(f"[{text}]" if not text.startswith("[") else text):
            assert any("choices" not in taker or value in taker["choices"] for taker in takers), f"{option}: {value}"

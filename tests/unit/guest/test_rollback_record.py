# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note of a rollback on the server: written, read back, and not believed when it is odd."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._guest.rollback_record import (
    FILE_NAME,
    RollbackRecord,
    document_of,
    record_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.rollback import Record, Stage
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import Form

from .fake_server import FOLDER, FakeServer

RECORD = Record(
    "KB5072014",
    Form.HOTPATCH,
    "Package_for_HotpatchRollup~31bf3856ad364e35~amd64~~26100.7392.1.10",
    "26100.7392",
    "26100.6899",
    Stage.REMOVED,
    1,
    ("KB5066835",),
)


def test_what_is_written_is_read_back() -> None:
    server = FakeServer()
    note = RollbackRecord(server.connect, "web01")
    assert note.read() is None
    note.write(RECORD)
    assert note.read() == RECORD
    assert list(server.files) == [rf"{FOLDER}\{FILE_NAME}"]
    assert any("icacls" in line for line in server.command_lines), "the folder is guarded first"


@pytest.mark.parametrize("stage", list(Stage))
def test_every_stage_comes_back(stage: Stage) -> None:
    document = document_of(Record("KB5072014", Form.LCU, RECORD.package, "26100.7392", "26100.6899", stage))
    found = record_of(json.loads(json.dumps(document)))
    assert found is not None
    assert (found.stage, found.form) == (stage, Form.LCU)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"kb": "KB1"},
        {"kb": ["KB5072014"]},
        {"form": "other"},
        {"package": "x & shutdown"},
        {"package": None},
        {"build_before": "today"},
        {"build_after": 26100},
        {"stage": "gone"},
        {"attempts": -1},
        {"attempts": True},
        {"attempts": "1"},
        {"attempts": 10**9},
        {"then_install": "KB5066835"},
        {"then_install": ["evil"]},
        {"then_install": None},
    ],
    ids=str,
)
def test_an_odd_note_is_no_note(changes: dict[str, Any]) -> None:
    assert record_of({**document_of(RECORD), **changes}) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}"])
def test_what_is_no_note_at_all(text: str) -> None:
    server = FakeServer(files={rf"{FOLDER}\{FILE_NAME}": text})
    assert RollbackRecord(server.connect, "web01").read() is None

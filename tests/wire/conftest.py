# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that talk to the lab over its real protocols."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.running_lab import RunningLab, running_lab

FLEET = {
    "as_of": "2025-12-20",
    "defaults": {"product": "windows-server-2025", "level": "KB5068966"},
    "servers": [
        {"name": "web01", "password": "Correct-Horse-1"},
        {"name": "web02", "password": "Correct-Horse-2"},
        {"name": "sealed01", "winrm": {"encryption_required": True}},
        {"name": "off01", "network": "closed"},
    ],
}


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A small lab for the whole session: two ordinary servers, one that wants encryption, one switched off."""
    with running_lab(FLEET, tmp_path_factory.mktemp("lab"), "--scale", "1000") as running:
        yield running

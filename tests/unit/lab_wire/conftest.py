# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: one machine on the network, and a client made of plain sockets and text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.lab_wire.fake_world import Running, running
from tests.unit.lab_wire.messages import Wire


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Running]:
    """A FakeMachine on the network."""
    with running(tmp_path) as server:
        yield server


@pytest.fixture
def wire(lab: Running) -> Wire:
    """Sends SOAP messages over Basic and reads the answers."""
    return Wire(lab.http_port)

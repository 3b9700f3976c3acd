# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hundreds of Arc machines assessed, then installed on, by one task each: Resource Graph is asked about many at once.

Its own limit is 15 queries in 5 seconds. Asked machine by machine, three hundred would wait for it for minutes.
"""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import patch_assessment, patch_installation
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import RunningLab, running_lab

MACHINES = 300
HOTPATCH = "KB5072014"
FAST: dict[str, Any] = {"as_of": "2025-12-20", "arm_share": 100.0, "poll_interval": 1}


def graph_queries(lab: RunningLab) -> int:
    urls = [item["request"]["url"] for item in lab.exchanges()]
    return sum(1 for url in urls if "Microsoft.ResourceGraph" in url)


def test_resource_graph_is_asked_about_many_machines_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    names = [f"m{number:03d}" for number in range(MACHINES)]
    fleet = {"as_of": "2025-12-20", "defaults": {"level": "KB5068966"}, "servers": [{"name": name} for name in names]}
    with running_lab(fleet, tmp_path_factory.mktemp("lab"), "--scale", "600") as lab:
        calls = AzureCalls(lab)
        assessed = calls(patch_assessment, machines=names, **FAST)
        asked = graph_queries(lab)
        assert {row["state"] for row in assessed["machines"]} == {"succeeded"}
        # Each has the single updates of its own assessment, the hotpatch among them.
        assert all(HOTPATCH in [patch["kb"] for patch in row["patches"]] for row in assessed["machines"])
        assert asked <= 20

        installed = calls(patch_installation, machines=names, kb_include=[HOTPATCH], **FAST)
        assert {row["state"] for row in installed["machines"]} == {"succeeded"}
        done = [
            [patch["kb"] for patch in row["patches"] if patch["state"] == "installed"] for row in installed["machines"]
        ]
        assert done == [[HOTPATCH]] * MACHINES
        assert graph_queries(lab) - asked <= 20
        posts = [item["request"]["url"] for item in lab.exchanges(writes=True)]
        assert sum(1 for url in posts if "/installPatches" in url) == MACHINES

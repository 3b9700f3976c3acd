# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand machines enrolled by one task, against ARM's real limits on a clock that runs four times as fast.

The task has a process of its own, so that the memory it needs is told apart from what the tests before it needed.
"""

from __future__ import annotations

import multiprocessing
import re
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import enrollment
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import RunningLab, running_lab

MACHINES = 1000
SCALE = 4.0
#: Two writes for each machine, the licence and the switch: the bucket's own minimum for them.
MINIMUM_SECONDS = (2 * MACHINES - 200) / 10


@dataclass(frozen=True)
class Done:
    """What one task did, and what it took: seconds of this clock, MB at the most, threads at its end."""

    result: dict[str, Any]
    lines: list[str]
    seconds: float
    megabytes: float
    threads: int


def most_megabytes() -> float:
    """The most memory this program has held. Not getrusage's: a process keeps there what it was before its exec, which
    is a copy of the one that started it, here pytest with all its tests.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0]) / 1024


def enroll(lab: RunningLab, names: list[str]) -> Done:
    """The task."""
    calls = AzureCalls(lab)
    began = time.monotonic()
    result = calls(enrollment, machines=names, wait=False, arm_share=SCALE, arm_timeout=60)
    seconds = time.monotonic() - began
    return Done(result, calls.lines, seconds, most_megabytes(), threading.active_count())


def test_a_thousand_machines(tmp_path_factory: pytest.TempPathFactory) -> None:
    names = [f"m{number:04d}" for number in range(MACHINES)]
    fleet = {"defaults": {"enrolled": False}, "servers": [{"name": name} for name in names]}
    with (
        running_lab(fleet, tmp_path_factory.mktemp("lab"), "--scale", str(SCALE)) as lab,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone,
    ):
        done = alone.submit(enroll, lab, names).result()
        azure = lab.ask("/azure")
        sent = lab.exchanges(writes=True)

        assert done.result["counts"] == {"machines": MACHINES, "changed": MACHINES, "failed": 0, "final": 0}
        assert {machine["state"] for machine in done.result["machines"]} == {"enrolling"}
        profiles = [item["request"]["body"] for item in sent if item["request"]["method"] == "PUT"]
        assert len(profiles) == MACHINES
        features = [body["properties"]["productProfile"]["productFeatures"] for body in profiles]
        assert all(found == [{"name": "Hotpatch", "subscriptionStatus": "Enabled"}] for found in features)
        assert len(sent) == 2 * MACHINES

        assert azure["throttled"] <= azure["requests"] / 100
        assert done.seconds * SCALE < 1.15 * MINIMUM_SECONDS
        assert azure["tokens"] == 1
        assert done.megabytes < 300
        assert done.threads < 30
        assert len(done.lines) >= 3
        assert done.lines[-1].startswith(f"  [azure] {MACHINES} of {MACHINES} machines done")

        # Again, while Azure still works on it: nothing is sent a second time.
        again = alone.submit(enroll, lab, names).result()
        assert again.result["counts"]["changed"] == 0
        assert len(lab.exchanges(writes=True)) == len(sent)

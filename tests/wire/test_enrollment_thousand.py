# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand machines enrolled by one task, against ARM's real limits on a clock that runs ten times as fast."""

from __future__ import annotations

import resource
import threading
import time
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import enrollment
from tests.wire.azure_calls import AzureCalls
from tests.wire.running_lab import running_lab

MACHINES = 1000
SCALE = 10.0
#: Two writes for each machine, the licence and the switch: the bucket's own minimum for them.
MINIMUM_SECONDS = (2 * MACHINES - 200) / 10


def test_a_thousand_machines(tmp_path_factory: pytest.TempPathFactory) -> None:
    names = [f"m{number:04d}" for number in range(MACHINES)]
    fleet = {"defaults": {"enrolled": False}, "servers": [{"name": name} for name in names]}
    with running_lab(fleet, tmp_path_factory.mktemp("lab"), "--scale", str(SCALE)) as lab:
        calls = AzureCalls(lab)
        options: dict[str, Any] = {"machines": names, "wait": False, "arm_share": SCALE, "arm_timeout": 60}
        began = time.monotonic()
        done = calls(enrollment, **options)
        passed = (time.monotonic() - began) * SCALE
        azure = lab.ask("/azure")
        sent = lab.exchanges(writes=True)

        assert done["counts"] == {"machines": MACHINES, "changed": MACHINES, "failed": 0, "final": 0}
        assert {machine["state"] for machine in done["machines"]} == {"enrolling"}
        profiles = [item["request"]["body"] for item in sent if item["request"]["method"] == "PUT"]
        assert len(profiles) == MACHINES
        features = [body["properties"]["productProfile"]["productFeatures"] for body in profiles]
        assert all(found == [{"name": "Hotpatch", "subscriptionStatus": "Enabled"}] for found in features)
        assert len(sent) == 2 * MACHINES

        assert azure["throttled"] <= azure["requests"] / 100
        assert passed < 1.15 * MINIMUM_SECONDS
        assert azure["tokens"] == 1
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 < 300
        assert threading.active_count() < 30
        assert len(calls.lines) >= 3
        assert calls.lines[-1].startswith(f"  [azure] {MACHINES} of {MACHINES} machines done")

        # Again, while Azure still works on it: nothing is sent a second time.
        again = calls(enrollment, **options)
        assert again["counts"]["changed"] == 0
        assert len(lab.exchanges(writes=True)) == len(sent)

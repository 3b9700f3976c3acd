# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Have Azure assess which updates Arc machines and Azure VMs lack, and judge each by the catalogue."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import patch_assessment as azure
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_records import PatchRecords
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patch_runs import operations_given
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_rows import (
    KIND_OPTIONS,
    conclude,
    machines_of,
    poll_seconds,
    run_rows,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_target import (
    AZURE_OPTIONS,
    EXCLUSIVE,
    arm_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

SPEC = Spec(
    {
        **AZURE_OPTIONS,
        **KIND_OPTIONS,
        "maximum_age": {"type": "int", "default": 0},
        "operation": {"type": "dict"},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 1800},
        "poll_interval": {"type": "float", "default": 15},
        "as_of": {"type": "str"},
        "catalogue": {"type": "path"},
    },
    mutually_exclusive=EXCLUSIVE,
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: a machine has no assessment to show; ``details`` has all that is known of every one.
    """
    params = call.params
    if params["wait_timeout"] <= 0 or params["poll_interval"] <= 0 or params["maximum_age"] < 0:
        raise InvalidInput("wait_timeout and poll_interval must be above 0, maximum_age not below.")
    catalogue = catalogue_of(call)
    arm = arm_of(call)
    targets = machines_of(call, arm)
    rows = {name: azure.Row(machine, catalogue, "the assessment") for name, machine in targets.items()}
    records = PatchRecords(arm, many=len(rows) > 1)
    operations_given(params["operation"], rows)
    asked = azure.Asked(
        fresh_seconds=params["maximum_age"] * 60.0,
        wait_seconds=float(params["wait_timeout"]) if params["wait"] else None,
        poll_seconds=poll_seconds(call, len(rows)),
        now=call.now,
        check_mode=call.check_mode,
    )

    def under_way(name: str) -> str | None:
        row = rows[name]
        return f"the assessment of {row.machine.name}" if row.operation is not None else None

    ended = run_rows(
        call,
        {name: azure.working(arm, records, row, asked) for name, row in rows.items()},
        so_far=lambda: f"{sum(1 for row in rows.values() if row.result is not None)} with a result",
        under_way=under_way,
    )
    counts = {"reused": sum(1 for row in rows.values() if row.reused)}
    return conclude(arm, rows, ended, "Assessment", {}, counts)

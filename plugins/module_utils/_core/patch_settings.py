# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Give Arc machines and Azure VMs their patch settings: hotpatching, patch mode, assessment mode."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import patch_settings as azure
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
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_settings_change import (
    ASSESSMENT_MODES,
    PATCH_MODES,
    REBOOT_SETTINGS,
    Wanted,
)

_SETTINGS = ("hotpatching", "patch_mode", "assessment_mode", "reboot_setting", "provision_vm_agent")
SPEC = Spec(
    {
        **AZURE_OPTIONS,
        **KIND_OPTIONS,
        "hotpatching": {"type": "bool"},
        "patch_mode": {"type": "str", "choices": list(PATCH_MODES)},
        "assessment_mode": {"type": "str", "choices": list(ASSESSMENT_MODES)},
        "reboot_setting": {"type": "str", "choices": list(REBOOT_SETTINGS)},
        "bypass_platform_safety_checks": {"type": "bool"},
        "provision_vm_agent": {"type": "bool"},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 600},
        "poll_interval": {"type": "float", "default": 15},
    },
    mutually_exclusive=EXCLUSIVE,
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: a machine does not stand as wanted; ``details`` has all that is known of every one.
    """
    params = call.params
    if params["wait_timeout"] <= 0 or params["poll_interval"] <= 0:
        raise InvalidInput("wait_timeout and poll_interval must be above 0.")
    wanted = Wanted(
        **{name: params[name] for name in _SETTINGS}, bypass_safety_checks=params["bypass_platform_safety_checks"]
    )
    arm = arm_of(call)
    rows = {name: azure.Row(machine) for name, machine in machines_of(call, arm).items()}
    asked = azure.Asked(
        wanted,
        wait_seconds=float(params["wait_timeout"]) if params["wait"] else None,
        poll_seconds=poll_seconds(call, len(rows)),
        check_mode=call.check_mode,
    )
    ended = run_rows(
        call,
        {name: azure.working(arm, row, asked) for name, row in rows.items()},
        so_far=lambda: f"{sum(1 for row in rows.values() if row.sent)} changed",
        under_way=lambda name: f"the settings of {rows[name].machine.name}" if rows[name].sent else None,
    )
    sides = {row.machine.name: row.sides() for row in rows.values() if row.changed}
    diff = {
        side: {name: both[number] for name, both in sides.items()} for number, side in ((0, "before"), (1, "after"))
    }
    return conclude(arm, rows, ended, "Changing the patch settings", {"diff": diff}, {})

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Make an Azure VM that has hotpatches from its start."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import azure_vm as azure
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import CREDENTIAL_OPTIONS
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import VIRTUAL_MACHINE, resource_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_rows import conclude, run_rows
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_target import arm_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.azure_vm import NewMachine, check
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_settings_change import HOTPATCH_SKUS

SPEC = Spec(
    {
        **CREDENTIAL_OPTIONS,
        "name": {"type": "str", "required": True},
        "resource_group": {"type": "str"},
        "location": {"type": "str", "required": True},
        "image": {"type": "str", "choices": list(HOTPATCH_SKUS), "default": "2025-datacenter-azure-edition-core"},
        "size": {"type": "str", "default": "Standard_D2s_v5"},
        "admin_username": {"type": "str", "required": True},
        "admin_password": {"type": "str", "no_log": True, "required": True},
        "network_interface_id": {"type": "str"},
        "subnet_id": {"type": "str"},
        "computer_name": {"type": "str"},
        "disk_type": {"type": "str", "default": "Premium_LRS"},
        "disk_size": {"type": "int"},
        "zone": {"type": "str"},
        "tags": {"type": "dict"},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 1800},
        "poll_interval": {"type": "float", "default": 15},
    },
    mutually_exclusive=(("network_interface_id", "subnet_id"),),
)
_PLAIN = (
    "location", "image", "size", "admin_username", "network_interface_id", "subnet_id", "computer_name", "disk_type",
    "disk_size", "zone", "tags",
)  # fmt: skip


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: it does not stand as wanted; ``details`` has all that is known of it.
    """
    params = call.params
    if params["wait_timeout"] <= 0 or params["poll_interval"] <= 0:
        raise InvalidInput("wait_timeout and poll_interval must be above 0.")
    arm = arm_of(call)
    machine = resource_of(
        params["name"], (VIRTUAL_MACHINE,), subscription=arm.account.subscription_id, group=params["resource_group"]
    )
    wanted = NewMachine(machine.name, **{name: params[name] for name in _PLAIN})
    check(wanted)
    row = azure.Row(machine)
    asked = azure.asked_for(
        float(params["wait_timeout"]) if params["wait"] else None, float(params["poll_interval"]), call.check_mode
    )
    ended = run_rows(
        call,
        {machine.name: azure.working(arm, row, wanted, params["admin_password"], asked)},
        so_far=lambda: "",
        under_way=lambda name: f"making {name}" if row.made else None,
    )
    before, after = row.sides()
    diff = {
        "before": {machine.name: None if row.made else before},
        "after": {machine.name: after or {"hotpatching": True}},
    }
    result: dict[str, Any] = {"made": row.made}
    if row.changed:
        result["diff"] = diff
    return conclude(arm, {machine.name: row}, ended, "Making the virtual machine", result, {})

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Have Azure install updates on Arc machines and Azure VMs now; follow an installation that an earlier task began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import patch_installation as azure
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
    arm_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_request import (
    CLASSIFICATIONS,
    MODES,
    REBOOT_SETTINGS,
    duration_of,
    request_of,
)

#: Beyond the maximum duration: until the request is on the machine, and until its result is in Azure.
_AROUND_SECONDS = 1800
SPEC = Spec(
    {
        **AZURE_OPTIONS,
        **KIND_OPTIONS,
        "mode": {"type": "str", "choices": list(MODES), "default": "hotpatch_only"},
        "kb_include": {"type": "list", "elements": "str", "default": []},
        "kb_exclude": {"type": "list", "elements": "str", "default": []},
        "kbs_by_machine": {"type": "dict"},
        "classifications": {"type": "list", "elements": "str", "choices": list(CLASSIFICATIONS), "default": []},
        "exclude_kbs_requiring_reboot": {"type": "bool", "default": False},
        "reboot_setting": {"type": "str", "choices": list(REBOOT_SETTINGS), "default": "never"},
        "maximum_duration": {"type": "str", "default": "2h"},
        "max_patch_publish_date": {"type": "str"},
        "operation": {"type": "dict"},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int"},
        "poll_interval": {"type": "float", "default": 30},
        "as_of": {"type": "str"},
        "catalogue": {"type": "path"},
    },
    mutually_exclusive=(("name", "machines", "kbs_by_machine"),),
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: it did not go well on a machine; ``details`` has all that is known of every one.
    """
    call, kbs = _by_machine(call)
    params = call.params
    if params["poll_interval"] <= 0 or (params["wait_timeout"] is not None and params["wait_timeout"] <= 0):
        raise InvalidInput("wait_timeout and poll_interval must be above 0.")
    catalogue = catalogue_of(call)
    longest = duration_of(str(params["maximum_duration"])).total_seconds()
    arm = arm_of(call)
    targets = machines_of(call, arm)
    rows = {name: azure.Row(machine, catalogue, "the installation") for name, machine in targets.items()}
    records = PatchRecords(arm, many=len(rows) > 1)
    operations_given(params["operation"], rows)
    for name, row in rows.items():
        if not row.attached:
            row.request = request_of({**params, "kb_include": kbs[name]} if kbs else params)
    asked = azure.Asked(
        wait_seconds=float(params["wait_timeout"] or longest + _AROUND_SECONDS) if params["wait"] else None,
        poll_seconds=poll_seconds(call, len(rows)),
        now=call.now,
        check_mode=call.check_mode,
    )

    def under_way(name: str) -> str | None:
        row = rows[name]
        if not row.sent and not row.attached:
            return None
        at = f" ({row.operation.address})" if row.operation is not None else ", whose address was not seen"
        return f"the installation on {row.machine.name}{at}"

    ended = run_rows(
        call,
        {name: azure.working(arm, records, row, asked) for name, row in rows.items()},
        so_far=lambda: f"{sum(1 for row in rows.values() if row.sent)} sent",
        under_way=under_way,
    )
    for row in rows.values():
        for note in row.notes:
            if note.startswith("A restart is needed"):
                call.warn(f"{row.machine.name}: {note}")
    counts = {
        "in_progress": sum(1 for row in rows.values() if row.state == "in_progress"),
        "unknown": sum(1 for row in rows.values() if row.state == "unknown" and row.sent),
    }
    bodies = [row.request.body() for row in rows.values() if row.request is not None]
    return conclude(arm, rows, ended, "Installation", {"request": bodies[0] if bodies and not kbs else None}, counts)


def _by_machine(call: Call) -> tuple[Call, Mapping[str, list[str]]]:
    """The call with the machines that ``kbs_by_machine`` names, and the KBs of each.

    :raises InvalidInput: it is not what it should be.
    """
    given = call.params["kbs_by_machine"]
    if given is None:
        return call, {}
    if call.params["kb_include"]:
        raise InvalidInput("kb_include and kbs_by_machine exclude each other.")
    for name, kbs in given.items():
        if not isinstance(kbs, list) or not kbs:
            raise InvalidInput(f"kbs_by_machine: {name} has no list of KBs.", hint="Leave a machine out for none.")
    return replace(call, params={**call.params, "machines": [str(name) for name in given]}), given

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What preview_feature and resource_provider have in common: several registrations of one subscription."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import registrations as azure
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import CREDENTIAL_OPTIONS
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import run_all
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_target import failure_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

#: What both nouns take.
REGISTRATION_OPTIONS: dict[str, dict[str, Any]] = {
    **CREDENTIAL_OPTIONS,
    "state": {"type": "str", "choices": ["registered", "gathered"], "default": "registered"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 900},
    "poll_interval": {"type": "float", "default": 15},
}


def register(
    call: Call, arm: Arm, wanted: Sequence[azure.Registration], what: str, *, again: bool = False
) -> dict[str, Any]:
    """Register what is not registered yet, and wait for it.

    :param what: the result's key for the list.
    :raises HotpatchError: one is not registered in the end; ``details`` has them all.
    """
    params = call.params
    if params["wait_timeout"] <= 0 or params["poll_interval"] <= 0:
        raise InvalidInput("wait_timeout and poll_interval must be above 0.")
    rows = {item.name: azure.Row(item) for item in wanted}
    how = azure.Wanted(
        register=params["state"] == "registered",
        again=again,
        wait_seconds=float(params["wait_timeout"]) if params["wait"] else None,
        poll_seconds=float(params["poll_interval"]),
        check_mode=call.check_mode,
    )

    def progress(done: int, failed: int, total: int) -> None:
        bad = f", {failed} failed" if failed else ""
        call.progress(f"  [azure] {done} of {total} registrations done{bad}")

    def broken_off(names: list[str]) -> None:
        sent = [name for name in names if rows[name].sent]
        if sent:
            call.warn(f"Broken off while Azure registers {', '.join(sent)}. It goes on; run this again to see the end.")

    jobs = {name: azure.working(arm, row, how) for name, row in rows.items()}
    ended = run_all(jobs, progress=progress, broken_off=broken_off, monotonic=call.monotonic, sleep=call.sleep)
    shown = []
    for name, row in rows.items():
        error = ended[name].error
        shown.append(
            {
                "name": name,
                "state": row.now,
                "changed": row.changed,
                "error": error.as_result() | {"msg": error.message} if error else None,
            }
        )
    changed = [name for name, row in rows.items() if row.changed]
    result: dict[str, Any] = {
        "changed": bool(changed),
        what: shown,
        "diff": {
            "before": {name: rows[name].before for name in changed},
            "after": {name: rows[name].now for name in changed},
        },
        "traffic": arm.traffic,
        "correlation_id": arm.correlation_id,
    }
    errors = {name: end.error for name, end in ended.items() if end.error is not None}
    if errors:
        failure = failure_of({name: {} for name in rows}, errors, "Registering", each=what)
        failure.changed = bool(changed)
        failure.details.update({key: value for key, value in result.items() if key != "changed"})
        raise failure
    return result


def distinct(names: Sequence[str], option: str) -> list[str]:
    """:raises InvalidInput: there is none, or one twice."""
    if not names:
        raise InvalidInput(f"{option} must name at least one.")
    if len({name.lower() for name in names}) < len(names):
        raise InvalidInput(f"{option} names one twice.")
    return list(names)

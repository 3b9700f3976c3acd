# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Make an Azure VM, or see to the hotpatch switch of one that is there. A ``Job`` of :mod:`many`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import patch_settings, patching
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    ArmError,
    NotFound,
    OperationFailed,
    OperationUnfinished,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Job
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.polling import (
    PollAddressLost,
    follow,
    operation_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.azure_vm import (
    NewMachine,
    body_of,
    check_existing,
    region_hint,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_settings_change import Wanted

_GROUP_MISSING = re.compile(r"resource group '[^']*' could not be found", re.IGNORECASE)
_HOTPATCHING = Wanted(hotpatching=True, patch_mode="automatic_by_platform")


class Row(patch_settings.Row):
    """What became of the machine."""

    made: bool = False
    document: Mapping[str, Any] | None = None

    @property
    def changed(self) -> bool:
        return self.made or super().changed


def working(arm: Arm, row: Row, wanted: NewMachine, password: str, asked: patch_settings.Asked) -> Job:
    """
    :raises HotpatchError: it does not stand as wanted.
    """
    row.document = _read(arm, row)
    if row.document is None:
        if asked.check_mode:
            row.made = True
            return
        yield from _make(arm, row, wanted, password, asked)
    else:
        check_existing(row.document, wanted)
        if not asked.check_mode:
            yield from _finished(arm, row, asked)
    yield from patch_settings.working(arm, row, asked)


def _read(arm: Arm, row: Row) -> dict[str, Any] | None:
    try:
        return patching.get(arm, row.machine)
    except NotFound as error:
        if _GROUP_MISSING.search(error.message):
            raise
        return None


def _make(arm: Arm, row: Row, wanted: NewMachine, password: str, asked: patch_settings.Asked) -> Job:
    doing = f"making the virtual machine {row.machine.name}"
    operation = None
    try:
        answer = arm.send(
            "PUT", str(row.machine), doing=doing, api_version=patching.COMPUTE_VERSION, body=body_of(wanted, password)
        )
        operation = operation_of(answer)
    except WriteOutcomeUnknown as error:
        row.notes.append(error.message)
        yield asked.poll_seconds
        if _read(arm, row) is None:
            raise
    except ArmError as error:
        if error.status == 400 or "image" in error.message.lower():
            error.hint = f"{error.hint} {region_hint(wanted)}" if error.hint else region_hint(wanted)
        raise
    row.made = row.sent = True
    if operation is not None and asked.wait_seconds is not None:
        try:
            yield from follow(arm, operation, doing=doing, deadline=arm.monotonic() + asked.wait_seconds)
        except PollAddressLost as error:
            row.notes.append(error.message)
    yield from _finished(arm, row, asked)


def _finished(arm: Arm, row: Row, asked: patch_settings.Asked) -> Job:
    """Wait, if asked to, until it is there."""
    deadline = arm.monotonic() + float(asked.wait_seconds or 0)
    while True:
        row.document = _read(arm, row) or {}
        state = str((row.document.get("properties") or {}).get("provisioningState") or "")
        if state == "Failed":
            raise OperationFailed(f"{row.machine.name}: Azure could not make it.", hint="Its activity log says why.")
        if state in ("Succeeded", "Updating") or asked.wait_seconds is None:
            return
        if arm.monotonic() + asked.poll_seconds > deadline:
            raise OperationUnfinished(
                f"{row.machine.name}: it is still {state or 'unknown'} after {asked.wait_seconds:g} s; Azure goes on.",
                hint="Run this again: nothing is made twice.",
            )
        yield asked.poll_seconds


def asked_for(wait_seconds: float | None, poll_seconds: float, check_mode: bool) -> patch_settings.Asked:
    """What is asked of the switch of a machine that is there."""
    return patch_settings.Asked(_HOTPATCHING, wait_seconds, poll_seconds, check_mode)

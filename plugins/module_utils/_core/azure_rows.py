# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Work on many Azure machines for a core: run it with progress, and put the rows into one result or one error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Ended, Job, run_all
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import (
    ARC_MACHINE,
    VIRTUAL_MACHINE,
    ResourceId,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.token_bucket import LIMITS
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_target import failure_of, targets_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Refused

#: What a machine given by its bare name is.
KIND_OPTIONS: dict[str, dict[str, Any]] = {
    "kind": {"type": "str", "choices": ["arc", "vm"], "default": "arc"},
}


class Row(Protocol):
    """What is kept of one machine."""

    machine: ResourceId

    @property
    def changed(self) -> bool:
        """Whether something is different now."""

    def as_dict(self) -> dict[str, Any]:
        """For the result."""


def machines_of(call: Call, arm: Arm) -> dict[str, ResourceId]:
    """The machines of a call: Arc machines and VMs; O(kind) says what a bare name is.

    :raises Refused: one is a member of a Uniform scale set, which has no patches of its own.
    """
    given = [call.params["name"]] if call.params.get("name") else call.params.get("machines") or []
    for text in given:
        if "/virtualmachinescalesets/" in str(text).lower():
            raise Refused(
                f"{text}: this is a member of a Uniform scale set, or a set itself; Azure installs no hotpatches there "
                "and takes patch settings for the whole set only.",
                code="uniform_scale_set",
                hint="Name members of a Flexible scale set by their ids as virtual machines.",
            )
    kinds = (ARC_MACHINE, VIRTUAL_MACHINE)
    return targets_of(call, arm, kinds if call.params["kind"] == "arc" else kinds[::-1])


def poll_seconds(call: Call, count: int) -> float:
    """Many that wait together look less often, so that half of what ARM allows for reads stays free."""
    share = float(call.params["arm_share"])
    return max(float(call.params["poll_interval"]), count / (LIMITS["read"][1] * share / 2))


def run_rows(
    call: Call, jobs: Mapping[str, Job], *, so_far: Callable[[], str], under_way: Callable[[str], str | None]
) -> dict[str, Ended]:
    """Run the work, with a line of progress now and then.

    :param so_far: what has been done over all, for that line.
    :param under_way: what Azure goes on with for a machine when all is broken off; None: nothing.
    """

    def progress(done: int, failed: int, total: int) -> None:
        if total > 1:
            bad = f", {failed} failed" if failed else ""
            call.progress(f"  [azure] {done} of {total} machines done{bad}, {so_far()}")

    def broken_off(names: list[str]) -> None:
        left = [words for name in names if (words := under_way(name))]
        if left:
            more = f" ... and {len(left) - 30} more" if len(left) > 30 else ""
            call.warn(f"Broken off, and Azure goes on with {'; '.join(left[:30])}{more}.")

    return run_all(jobs, progress=progress, broken_off=broken_off, monotonic=call.monotonic, sleep=call.sleep)


def conclude(
    arm: Arm,
    rows: Mapping[str, Row],
    ended: Mapping[str, Ended],
    what: str,
    more: Mapping[str, Any],
    counts: Mapping[str, int],
) -> dict[str, Any]:
    """The result, or the error that carries it.

    :raises HotpatchError: a machine does not stand as wanted.
    """
    errors = {name: end.error for name, end in ended.items() if end.error is not None}
    shown = []
    for name, row in rows.items():
        error = errors.get(name)
        shown.append({**row.as_dict(), "error": error.as_result() | {"msg": error.message} if error else None})
    changed = sum(1 for row in rows.values() if row.changed)
    result: dict[str, Any] = {
        "changed": bool(changed),
        "machines": shown,
        "counts": {"machines": len(rows), "changed": changed, "failed": len(errors), **counts},
        **more,
        "traffic": arm.traffic,
        "correlation_id": arm.correlation_id,
    }
    if errors:
        failure = failure_of({name: {} for name in rows}, errors, what)
        failure.changed = bool(changed)
        failure.details.update({key: value for key, value in result.items() if key != "changed"})
        raise failure
    return result

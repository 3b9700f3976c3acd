# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Arc machines: read one or a whole resource group, change settings. Documents are in ARM's wire form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import (
    API_VERSION,
    HybridCompute,
    asked,
    shown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ARC_MACHINE, ResourceId


def get(
    compute: HybridCompute, machine: ResourceId, *, deadline: float | None = None, instance_view: bool = False
) -> dict[str, Any]:
    """One machine."""
    doing = f"reading the Arc machine {machine.name}"
    answer = asked(
        compute.client(machine.subscription).machines.get,
        machine.group,
        machine.name,
        **({"expand": "instanceView"} if instance_view else {}),
        doing=doing,
        deadline=deadline,
    )
    return shown(answer, doing, "machine")


def in_group(
    compute: HybridCompute, subscription: str, group: str, *, deadline: float | None = None
) -> Iterator[dict[str, Any]]:
    """All machines of a resource group: a few pages instead of a request for each."""
    yield from compute.arm.pages(
        f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{ARC_MACHINE}",
        doing=f"listing the Arc machines of {group}",
        api_version=API_VERSION,
        deadline=deadline,
    )


def update(
    compute: HybridCompute, machine: ResourceId, body: dict[str, Any], *, doing: str, deadline: float | None = None
) -> dict[str, Any]:
    """Change settings of a machine; not a long-running operation. The SDK knows this in 10.0.0 only, not in 9.0.0."""
    document: dict[str, Any] = compute.arm.send(
        "PATCH", str(machine), doing=doing, api_version=API_VERSION, body=body, deadline=deadline
    ).document
    return document

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Requests about the patches of Arc machines and Azure VMs, in ARM's wire form.

Both kinds have the same operations under other addresses. A run is read back from the VM's instance view; for an Arc
machine, and for the patches of either, from Resource Graph (:mod:`patch_records`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_answer import Answer
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import API_VERSION
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ARC_MACHINE, ResourceId
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer

COMPUTE_VERSION = "2024-07-01"
_SCALE_SET = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute/virtualMachineScaleSets/[\w.-]+",
    re.IGNORECASE,
)


def is_arc(machine: ResourceId) -> bool:
    """Whether it is an Arc machine; else it is a VM."""
    return machine.kind == ARC_MACHINE


def api_version(machine: ResourceId) -> str:
    """Which version of the specification is spoken."""
    return API_VERSION if is_arc(machine) else COMPUTE_VERSION


def get(arm: Arm, machine: ResourceId, *, deadline: float | None = None) -> dict[str, Any]:
    """The machine with its instance view."""
    words = "the Arc machine" if is_arc(machine) else "the virtual machine"
    document = arm.send(
        "GET", str(machine), doing=f"reading {words} {machine.name}", api_version=api_version(machine),
        query={"$expand": "instanceView"}, deadline=deadline,
    ).document  # fmt: skip
    if not isinstance(document, dict):
        raise BadAnswer(f"reading {words} {machine.name}: the answer of Azure is no machine.")
    return document


def update(arm: Arm, machine: ResourceId, body: Mapping[str, Any]) -> Answer:
    """Change settings."""
    return arm.send(
        "PATCH", str(machine), doing=f"changing the patch settings of {machine.name}",
        api_version=api_version(machine), body=body,
    )  # fmt: skip


def begin_assessment(arm: Arm, machine: ResourceId) -> Answer:
    """Ask for an assessment."""
    return arm.send(
        "POST", f"{machine}/assessPatches", doing=f"assessing {machine.name}", api_version=api_version(machine)
    )


def begin_installation(arm: Arm, machine: ResourceId, body: Mapping[str, Any]) -> Answer:
    """Ask for an installation. Never sent twice by anything below: a lost answer is :class:`WriteOutcomeUnknown`."""
    return arm.send(
        "POST", f"{machine}/installPatches", doing=f"installing on {machine.name}",
        api_version=api_version(machine), body=body,
    )  # fmt: skip


def orchestration(arm: Arm, scale_set: str) -> str | None:
    """``Uniform`` or ``Flexible``."""
    if not _SCALE_SET.fullmatch(scale_set):
        return None
    document = arm.send(
        "GET", scale_set, doing=f"reading the scale set {scale_set.rsplit('/', 1)[-1]}", api_version=COMPUTE_VERSION
    ).document
    properties = document.get("properties") if isinstance(document, Mapping) else None
    mode = properties.get("orchestrationMode") if isinstance(properties, Mapping) else None
    return mode if isinstance(mode, str) else None

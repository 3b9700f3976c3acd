# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The licence profile of an Arc machine, which holds the enrollment. Documents are in ARM's wire form.

It is created by PUT and changed by PATCH. It is never deleted: that would take the extended security updates away as
well. The product's own ``subscriptionStatus`` is never sent: it is Windows Server pay-as-you-go, and costs.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_answer import Answer
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import NotFound
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import (
    HybridCompute,
    asked,
    begun,
    shown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ResourceId


def get(compute: HybridCompute, machine: ResourceId, *, deadline: float | None = None) -> dict[str, Any] | None:
    """The licence profile; None when there is none (or no such machine, which only the machine tells)."""
    doing = f"reading the licence profile of {machine.name}"
    profiles = compute.client(machine.subscription).license_profiles
    try:
        answer = asked(profiles.get, machine.group, machine.name, doing=doing, deadline=deadline)
    except NotFound:
        return None
    return shown(answer, doing, "licence profile")


def create(
    compute: HybridCompute, machine: ResourceId, body: dict[str, Any], *, doing: str, deadline: float | None = None
) -> Answer:
    """Make the profile. Only where there is none: PUT replaces all of it."""
    profiles = compute.client(machine.subscription).license_profiles
    return begun(profiles.begin_create_or_update, machine.group, machine.name, body, doing=doing, deadline=deadline)


def update(
    compute: HybridCompute, machine: ResourceId, body: dict[str, Any], *, doing: str, deadline: float | None = None
) -> Answer:
    """Change the profile; what the body does not name stays."""
    profiles = compute.client(machine.subscription).license_profiles
    return begun(profiles.begin_update, machine.group, machine.name, body, doing=doing, deadline=deadline)

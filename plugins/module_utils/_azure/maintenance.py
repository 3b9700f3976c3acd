# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Microsoft.Maintenance: configurations, and their assignments to machines, subscriptions and resource groups.

Documents are in ARM's wire form. A PUT is the whole of a resource, so repeating one does no harm; still, after an
answer that was lost the callers read first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import NotFound
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ResourceId

#: The newest that is not a preview and whose specification is judged against.
API_VERSION = "2023-04-01"
CONFIGURATION = "Microsoft.Maintenance/maintenanceConfigurations"
ASSIGNMENT = "Microsoft.Maintenance/configurationAssignments"


def read(arm: Arm, path: str, *, doing: str) -> dict[str, Any] | None:
    """A configuration or an assignment; None when there is none."""
    try:
        return _document(arm.send("GET", path, doing=doing, api_version=API_VERSION).document)
    except NotFound:
        return None  # a group that is not there shows when something is written


def write(arm: Arm, path: str, body: dict[str, Any], *, doing: str) -> dict[str, Any]:
    """Create or replace one; the answer shows it."""
    return _document(arm.send("PUT", path, doing=doing, api_version=API_VERSION, body=body).document)


def delete(arm: Arm, path: str, *, doing: str) -> None:
    """Delete one; that it is not there is as good."""
    arm.send("DELETE", path, doing=doing, api_version=API_VERSION)


def configurations(arm: Arm, subscription: str) -> Iterator[dict[str, Any]]:
    """All configurations of a subscription."""
    yield from arm.pages(
        f"/subscriptions/{subscription}/providers/{CONFIGURATION}",
        doing="listing the maintenance configurations of the subscription",
        api_version=API_VERSION,
    )


def assignments(arm: Arm, subscription: str) -> Iterator[dict[str, Any]]:
    """All assignments of a subscription, of machines and of scopes."""
    yield from arm.pages(
        f"/subscriptions/{subscription}/providers/{ASSIGNMENT}",
        doing="listing the assignments of the subscription",
        api_version=API_VERSION,
    )


def assignments_of(arm: Arm, machine: ResourceId) -> list[dict[str, Any]]:
    """The assignments of one machine."""
    return list(
        arm.pages(
            f"{machine}/providers/{ASSIGNMENT}",
            doing=f"reading the schedules of {machine.name}",
            api_version=API_VERSION,
        )
    )


def assignment_path(scope: str, name: str) -> str:
    """The id of an assignment below a machine, a subscription or a resource group."""
    return f"{scope}/providers/{ASSIGNMENT}/{name}"


def configuration_of(assignment: dict[str, Any]) -> str:
    """Which configuration an assignment is to, for comparing."""
    properties = assignment.get("properties")
    found = properties.get("maintenanceConfigurationId") if isinstance(properties, dict) else None
    return str(found or "").rstrip("/").lower()


def _document(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}

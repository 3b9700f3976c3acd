# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Requests about the patches of Arc machines and Azure VMs, in ARM's wire form, and what Azure keeps of past runs.

Both kinds have the same operations under other addresses. A run is read back from the VM's instance view; for an Arc
machine, and for the patches of either, from Resource Graph (tables ``patchassessmentresources``, kept 7 days, and
``patchinstallationresources``, kept 30 days), which is minutes behind: it may confirm a run, never exclude one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Answer, Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import API_VERSION
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ARC_MACHINE, ResourceId
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer

COMPUTE_VERSION = "2024-07-01"
GRAPH_VERSION = "2022-10-01"
ASSESSMENTS, INSTALLATIONS = "patchassessmentresources", "patchinstallationresources"
_RESULTS = {ASSESSMENTS: "patchassessmentresults", INSTALLATIONS: "patchinstallationresults"}
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


def summaries(arm: Arm, machine: ResourceId, table: str) -> list[dict[str, Any]]:
    """What Resource Graph keeps of the runs of a machine: the properties of each, the last one first."""
    rows = _graph(arm, machine, table, f"{machine.kind}/{_RESULTS[table]}", f"{machine}/{_RESULTS[table]}/")
    found = [row["properties"] | {"name": row.get("name")} for row in rows if isinstance(row.get("properties"), dict)]
    return sorted(found, key=lambda item: str(item.get("startDateTime") or ""), reverse=True)


def patches(arm: Arm, machine: ResourceId, table: str, activity: str) -> list[dict[str, Any]]:
    """The patches of one run, as Resource Graph keeps them."""
    kind = f"{machine.kind}/{_RESULTS[table]}/softwarepatches"
    run = "latest" if table == ASSESSMENTS else activity
    rows = _graph(arm, machine, table, kind, f"{machine}/{_RESULTS[table]}/{run}/softwarepatches/")
    return [row["properties"] for row in rows if isinstance(row.get("properties"), dict)]


def _graph(arm: Arm, machine: ResourceId, table: str, kind: str, below: str) -> list[dict[str, Any]]:
    # The names were checked (resource_ids.checked): none of them can end the quotes.
    query = f"{table} | where type =~ '{kind}' | where id startswith '{below}' | project id, name, properties"
    doing = f"asking Resource Graph about {machine.name}"
    rows: list[dict[str, Any]] = []
    token: str | None = None
    for _page in range(100):
        options = {"resultFormat": "objectArray", **({"$skipToken": token} if token else {})}
        document = arm.send(
            "POST", "/providers/Microsoft.ResourceGraph/resources", doing=doing, api_version=GRAPH_VERSION,
            body={"subscriptions": [machine.subscription], "query": query, "options": options},
            reads_only=True, bucket="graph",
        ).document  # fmt: skip
        data = document.get("data") if isinstance(document, Mapping) else None
        if not isinstance(data, list):
            raise BadAnswer(f"{doing}: the answer holds no rows.")
        rows += [row for row in data if isinstance(row, dict)]
        token = document.get("$skipToken")
        if not isinstance(token, str) or not token:
            return rows
    raise BadAnswer(f"{doing}: the list does not end.")

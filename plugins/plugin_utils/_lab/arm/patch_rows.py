# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of Resource Graph about patches: tables patchassessmentresources and patchinstallationresources.

Columns, types and properties: azure-docs, "Overview of query logs in Azure Update Manager" (7 and 30 days are kept).
Resource Graph is behind what happened: a run shows here some time after it changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.patch_operations import counts_by_classification
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.patch_runs import Patch, Run
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.virtual_machines import stamp

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure

#: How far behind it is.
LAG_SECONDS = 120.0
_KEPT_ASSESSMENTS, _KEPT_INSTALLATIONS = timedelta(days=7), timedelta(days=30)


def assessments(azure: Azure) -> Iterator[dict[str, Any]]:
    """Table patchassessmentresources: the last assessment of each machine, and each patch that it found."""
    for name, location, server in azure.patching.known():
        run = server.assessment
        if run is None or not run.is_over or not _shows(azure, run, _KEPT_ASSESSMENTS):
            continue
        properties = {
            **_of_run(run),
            "assessmentActivityId": run.activity,
            "rebootPending": run.reboot_pending,
            "availablePatchCountByClassification": counts_by_classification(run),
        }
        yield _row(azure, f"{name}/patchAssessmentResults/latest", run.activity, location, properties)
        for patch in run.patches:
            below = f"{name}/patchAssessmentResults/latest/softwarePatches/{patch.offer.update_id}"
            yield _row(azure, below, patch.offer.title, location, _of_patch(run, patch))


def installations(azure: Azure) -> Iterator[dict[str, Any]]:
    """Table patchinstallationresources: every installation, and each patch of it."""
    for name, location, server in azure.patching.known():
        for run in server.installations:
            if not _shows(azure, run, _KEPT_INSTALLATIONS):
                continue
            properties = {
                **_of_run(run),
                "installationActivityId": run.activity,
                "rebootStatus": run.reboot_status,
                "maintenanceWindowExceeded": run.exceeded,
                "maintenanceRunId": run.maintenance_run,
                **run.counts(),
            }
            at = f"{name}/patchInstallationResults/{run.activity}"
            yield _row(azure, at, run.activity, location, properties)
            for patch in run.patches if run.is_over else ():
                inner = {**_of_patch(run, patch), "installationState": patch.state}
                yield _row(azure, f"{at}/softwarePatches/{patch.offer.update_id}", patch.offer.title, location, inner)


def _shows(azure: Azure, run: Run, kept: timedelta) -> bool:
    """Whether the graph has the run by now, and still."""
    age = (azure.timeline.now() - (run.changed_at if run.is_over else run.started)).total_seconds()
    return LAG_SECONDS / azure.timeline.scale <= age <= kept.total_seconds()


def _of_run(run: Run) -> dict[str, Any]:
    return {
        "status": run.status,
        "startDateTime": stamp(run.started),
        "lastModifiedDateTime": stamp(run.changed_at),
        "startedBy": run.started_by,
        "patchServiceUsed": "WU",
        "osType": "Windows",
        "errorDetails": run.error,
    }


def _of_patch(run: Run, patch: Patch) -> dict[str, Any]:
    return {
        "patchName": patch.offer.title,
        "kbId": patch.kb_id,
        "classifications": patch.classifications,
        "msrcSeverity": patch.offer.severity,
        "rebootBehavior": patch.behaviour,
        "rebootRequired": patch.offer.needs_restart and patch.state == "Installed",
        "publishedDateTime": stamp(patch.published),
        "lastModifiedDateTime": stamp(run.changed_at),
        "version": "",
    }


def _row(azure: Azure, identifier: str, name: str, location: str, properties: dict[str, Any]) -> dict[str, Any]:
    parts = identifier.split("/")
    # provider and kind, then every second part: the names between are those of resources
    kind = "/".join((parts[6], *(part for number, part in enumerate(parts[7:]) if number % 2 == 0)))
    return {
        "id": identifier.lower(),
        "name": name,
        "type": kind.lower(),
        "tenantId": azure.side.settings.tenant_id,
        "location": location,
        "resourceGroup": parts[4].lower(),
        "subscriptionId": parts[2],
        "properties": properties,
    }

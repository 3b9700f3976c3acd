# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table maintenanceresources of Resource Graph: assignments, and what each window did on each machine.

Types and properties: azure-docs, update-manager (query logs, sample queries, pre and post events). That a machine which
was passed over has a row as well, with the status Failed, is this lab's assumption.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.patch_rows import LAG_SECONDS
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.virtual_machines import stamp

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure

_KIND = "microsoft.maintenance"


def maintenance_resources(azure: Azure) -> Iterator[dict[str, Any]]:
    """All rows."""
    for item in azure.maintenance.assignments.values():
        yield _row(azure, str(item["id"]), "configurationassignments", item.get("location", ""), item["properties"])
    lag = LAG_SECONDS / azure.timeline.scale
    for opened in azure.windows.opened:
        if (azure.timeline.now() - opened.began).total_seconds() < lag:
            continue
        for member in opened.members:
            run = member.run
            over = run is None or run.is_over
            properties = {
                "maintenanceScope": "InGuestPatch",
                "maintenanceConfigurationId": opened.configuration,
                "correlationId": opened.correlation,
                "resourceId": member.resource.lower(),
                "status": "Failed" if run is None else run.status,
                "startDateTime": stamp(opened.began),
                "endDateTime": stamp(run.changed_at if run else opened.began) if over else None,
            }
            name = f"{opened.due:%Y%m%d%H%M%S}"
            identifier = f"{member.resource}/providers/{_KIND}/applyupdates/{name}"
            yield _row(azure, identifier, "applyupdates", member.location, properties)


def _row(azure: Azure, identifier: str, kind: str, location: str, properties: dict[str, Any]) -> dict[str, Any]:
    parts = identifier.split("/")
    return {
        "id": identifier.lower(),
        "name": parts[-1],
        "type": f"{_KIND}/{kind}",
        "tenantId": azure.side.settings.tenant_id,
        "location": location,
        "resourceGroup": parts[4].lower() if parts[3].lower() == "resourcegroups" else "",
        "subscriptionId": parts[2],
        "properties": properties,
    }

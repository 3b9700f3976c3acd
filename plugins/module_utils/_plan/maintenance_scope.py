# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Which machines a dynamic scope finds now, and which of them a schedule will not patch.

Azure looks for the machines each time a window opens; what it would find now is worked out from Resource Graph, which
is some minutes behind. Names of tags are compared without regard to capitals, their values with it, as Azure does
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.fleet_query import literal
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_assignment import (
    RESOURCE_TYPES,
    Filter,
    notes_of,
    obstacle_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_change import location_key
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_settings_change import (
    ARC,
    VM,
    read_settings,
)

#: What a dynamic scope takes at most: learn.microsoft.com, azure/update-manager/dynamic-scope-overview.
MOST_FOUND = 1000
_NAMED = 10


def scope_query(wanted: Filter, group: str | None) -> str:
    """The query for all machines that may fit; what it leaves open :func:`fitting` decides.

    :param group: the resource group that the scope is of; None for a subscription.
    :raises InvalidInput: a text holds control characters.
    """
    types = [RESOURCE_TYPES.get(name, name).lower() for name in wanted.resource_types or RESOURCE_TYPES]
    groups = [group] if group else list(wanted.resource_groups)
    lines = ["resources", f"| where type in~ ({', '.join(literal(text) for text in types)})"]
    if groups:
        lines.append(f"| where resourceGroup in~ ({', '.join(literal(text) for text in groups)})")
    lines += [
        "| project id, name, type, location, tags,"
        " osType = coalesce(tostring(properties.osType), tostring(properties.storageProfile.osDisk.osType)),"
        " windows = properties.osProfile.windowsConfiguration.patchSettings,"
        " linux = properties.osProfile.linuxConfiguration.patchSettings,"
        " agentStatus = properties.status,"
        " power = properties.extended.instanceView.powerState.code",
        "| order by id asc",
    ]
    return "\n".join(lines)


def fitting(rows: Iterable[Mapping[str, Any]], wanted: Filter, configured: str) -> list[dict[str, Any]]:
    """The machines that the filter finds, in the order of the rows.

    :param configured: the region of the configuration; empty when it is not known yet.
    :return: each with ``id``, ``name``, ``location``, ``patched`` (None when it cannot be told) and ``notes``.
    """
    return [_judged(row, configured) for row in rows if _fits(row, wanted)]


def _fits(row: Mapping[str, Any], wanted: Filter) -> bool:
    system = str(row.get("osType") or "").lower()
    if wanted.os_types and system and system not in wanted.os_types:
        return False
    if wanted.locations and location_key(str(row.get("location") or "")) not in wanted.locations:
        return False
    tags = row.get("tags")
    own = {str(name).lower(): str(text) for name, text in tags.items()} if isinstance(tags, Mapping) else {}
    found = [own.get(name.lower()) in values for name, values in wanted.tags.items()]
    return not found or (all(found) if wanted.operator == "all" else any(found))


def _judged(row: Mapping[str, Any], configured: str) -> dict[str, Any]:
    kind = ARC if str(row.get("type")).lower() == RESOURCE_TYPES["arc"].lower() else VM
    patches = row.get("windows") or row.get("linux")
    configuration = {"patchSettings": patches} if isinstance(patches, Mapping) else {}
    properties = {"osProfile": {"windowsConfiguration": configuration}, "status": row.get("agentStatus")}
    settings = read_settings({"properties": properties}, kind)
    location = str(row.get("location") or "")
    obstacle = obstacle_of(settings)
    notes = [obstacle.words] if obstacle else notes_of(settings, location, configured, 0)
    power = str(row.get("power") or "")
    if kind == VM and not obstacle and power.rpartition("/")[2].lower() != "running":
        shown = power.rpartition("/")[2] or "unknown"
        notes.append(f"Its power state is {shown}; a machine must be on 15 minutes before the window.")
    if kind == ARC and not settings.agent:
        notes.append("Whether its agent has contact cannot be told.")
    if not row.get("osType"):
        notes.append("Its operating system is not known.")
    return {
        "id": str(row.get("id")),
        "name": str(row.get("name")),
        "location": location,
        "patched": False if obstacle else None if notes else True,
        "notes": notes,
    }


def counts_of(found: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many there are of each."""
    states = [row["patched"] for row in found]
    return {
        "found": len(states),
        "patched": states.count(True),
        "not_patched": states.count(False),
        "unknown": states.count(None),
    }


def warnings_of_scope(found: list[dict[str, Any]]) -> list[str]:
    """What a person should know before the first window; one text each."""
    if not found:
        return ["It finds no machine now."]
    warnings = []
    if len(found) > MOST_FOUND:
        warnings.append(f"It finds {len(found)} machines now, and Azure takes {MOST_FOUND} of a dynamic scope.")
    for state, words in ((False, "will not be patched"), (None, "may not be patched")):
        rows = [row for row in found if row["patched"] is state]
        if rows:
            named = "; ".join(f"{row['name']}: {' '.join(row['notes'])}" for row in rows[:_NAMED])
            more = f"; and {len(rows) - _NAMED} more, in the result" if len(rows) > _NAMED else ""
            warnings.append(f"{len(rows)} of the {len(found)} machines that it finds now {words}. {named}{more}")
    return warnings

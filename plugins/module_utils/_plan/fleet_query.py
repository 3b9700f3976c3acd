# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The queries of Resource Graph that a fleet is read by, and what a person may narrow them to.

Every text of a person goes into a query as a literal made by :func:`literal`, so that none can become part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

ARC, VM = "arc", "vm"
_TYPES = {ARC: "microsoft.hybridcompute/machines", VM: "microsoft.compute/virtualmachines"}
#: What Resource Graph keeps: learn.microsoft.com, azure/update-manager/query-logs.
ASSESSMENT_DAYS, INSTALLATION_DAYS = 7, 30


@dataclass(frozen=True)
class Narrowed:
    """Which machines are meant.

    :ivar tags: name to value; an empty value means any.
    """

    kinds: tuple[str, ...] = (ARC, VM)
    resource_groups: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def literal(text: str) -> str:
    """A text of the Kusto query language.

    :raises InvalidInput: it holds control characters, which no name in Azure does.
    """
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        raise InvalidInput(f"{text!r} holds control characters.")
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _any_of(column: str, values: Iterable[str]) -> str:
    return f"{column} in~ ({', '.join(literal(value) for value in values)})"


def _types(kinds: Sequence[str], tail: str = "") -> str:
    return _any_of("type", (_TYPES[kind] + tail for kind in kinds))


def machines_query(wanted: Narrowed) -> str:
    """Machines with their settings and, for Arc machines, the product of their licence profile."""
    lines = ["resources", f"| where {_types(wanted.kinds)}"]
    lines.append(
        "| where coalesce(tostring(properties.osType), tostring(properties.storageProfile.osDisk.osType)) =~ 'windows'"
    )
    lines += _narrow(wanted)
    for name, value in wanted.tags.items():
        tag = f"tostring(tags[{literal(name)}])"
        lines.append(f"| where {tag} =~ {literal(value)}" if value else f"| where isnotempty({tag})")
    if ARC in wanted.kinds:
        lines += [
            "| extend machine = tolower(id)",
            "| join kind=leftouter (resources",
            "    | where type =~ 'microsoft.hybridcompute/machines/licenseprofiles'",
            "    | project machine = tostring(split(tolower(id), '/licenseprofiles/')[0]),"
            " product = properties.productProfile, profile = name) on machine",
        ]
    else:
        lines.append("| extend product = dynamic(null), profile = ''")
    lines += [
        "| project id, name, type, location, resourceGroup, subscriptionId, tags, profile, product,"
        " machineProduct = properties.licenseProfile.productProfile,"
        " patchSettings = properties.osProfile.windowsConfiguration.patchSettings,"
        " computer = properties.osProfile.computerName,"
        " fqdn = coalesce(tostring(properties.dnsFqdn), tostring(properties.machineFqdn)),"
        " osVersion = coalesce(tostring(properties.osVersion),"
        " tostring(properties.extended.instanceView.osVersion)),"
        " osName = coalesce(tostring(properties.osSku), tostring(properties.extended.instanceView.osName)),"
        " osEdition = properties.osEdition,"
        " agentStatus = properties.status, agentVersion = properties.agentVersion,"
        " lastStatusChange = properties.lastStatusChange,"
        " image = properties.storageProfile.imageReference,"
        " power = properties.extended.instanceView.powerState.code",
        "| order by id asc",
    ]
    return "\n".join(lines)


def assessments_query(wanted: Narrowed, *, patches: bool) -> str:
    """The last assessment of each machine, or the updates that it found."""
    columns = (
        "status = properties.status, started = properties.startDateTime, at = properties.lastModifiedDateTime,"
        " restartPending = properties.rebootPending, counts = properties.availablePatchCountByClassification,"
        " error = properties.errorDetails"
    )
    return _results("assessment", wanted, patches, columns)


def installations_query(wanted: Narrowed, *, patches: bool) -> str:
    """The installations of each machine, or the updates of each."""
    columns = (
        "status = properties.status, started = properties.startDateTime, at = properties.lastModifiedDateTime,"
        " startedBy = properties.startedBy, restart = properties.rebootStatus,"
        " exceeded = properties.maintenanceWindowExceeded, installed = properties.installedPatchCount,"
        " failed = properties.failedPatchCount, pending = properties.pendingPatchCount,"
        " excluded = properties.excludedPatchCount, notSelected = properties.notSelectedPatchCount,"
        " error = properties.errorDetails"
    )
    return _results("installation", wanted, patches, columns)


_PATCH = (
    "title = properties.patchName, kb = properties.kbId, classifications = properties.classifications,"
    " severity = properties.msrcSeverity, restarts = properties.rebootBehavior,"
    " published = properties.publishedDateTime, state = properties.installationState"
)


def _results(word: str, wanted: Narrowed, patches: bool, columns: str) -> str:
    below = f"/patch{word}results"
    tail = f"{below}/softwarepatches" if patches else below
    lines = [f"patch{word}resources", f"| where {_types(wanted.kinds, tail)}", *_narrow(wanted)]
    lines += [
        f"| extend parts = split(tolower(id), '{below}/')",
        "| project id, machine = tostring(parts[0]), run = tostring(split(parts[1], '/')[0]),"
        f" {_PATCH if patches else columns}",
        "| order by id asc",
    ]
    return "\n".join(lines)


def _narrow(wanted: Narrowed) -> list[str]:
    lines = []
    if wanted.resource_groups:
        lines.append(f"| where {_any_of('resourceGroup', wanted.resource_groups)}")
    if wanted.locations:
        # Azure writes a place as westeurope; people also write West Europe.
        places = (place.replace(" ", "") for place in wanted.locations)
        lines.append(f"| where {_any_of('location', places)}")
    return lines

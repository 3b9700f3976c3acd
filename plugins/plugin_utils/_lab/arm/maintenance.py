# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft.Maintenance: configurations, and assignments to machines, subscriptions and resource groups.

Members, types and words are those of Microsoft's specification 2023-04-01. What it calls free text is taken as it
comes (time zone, classifications, KB numbers), except where it or the documentation of Azure Update Manager names a
form: dates, the duration with its bounds, the rate with its offset and six hours. That a configuration for updates
inside of servers needs InGuestPatchMode: Azure/bicep#8959. That deleting a configuration takes its assignments along,
and that an assignment to one that is not there is refused, are this lab's assumptions. What happens when a
window opens is in ``maintenance_windows``.
"""

from __future__ import annotations

import copy
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import content, virtual_machines
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.arc_machines import KIND as ARC
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.arc_machines import page
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    ArmAnswer,
    ArmRefusal,
    ArmRequest,
    resource_not_found,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.routes import GROUP, SUBSCRIPTION, Route
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import REGIONS

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure

PROVIDER = "Microsoft.Maintenance"
CONFIGURATION = f"{PROVIDER}/maintenanceConfigurations"
ASSIGNMENT = f"{PROVIDER}/configurationAssignments"
VM = virtual_machines.KIND
VERSIONS = ("2023-04-01", "2023-09-01-preview", "2023-10-01-preview")
#: Azure Update Manager's own limits.
MOST_IN_REGION = 250
MOST_MACHINES = 3000
MOST_SCOPES = 200
_SHORTEST, _LONGEST = 90, 235
_FOREVER = "9999-12-31 23:59:59"

_WINDOW = {"startDateTime": str, "expirationDateTime": str, "duration": str, "timeZone": str, "recurEvery": str}
_PATCHES = {
    "rebootSetting": ("IfRequired", "Never", "Always"),
    "windowsParameters": {
        "kbNumbersToExclude": [str],
        "kbNumbersToInclude": [str],
        "classificationsToInclude": [str],
        "excludeKbsRequiringReboot": bool,
    },
    "linuxParameters": {
        "packageNameMasksToExclude": [str],
        "packageNameMasksToInclude": [str],
        "classificationsToInclude": [str],
    },
}
_CONFIGURATION = {
    "location": str,
    "tags": content.TAGS,
    "properties": {
        "namespace": str,
        "extensionProperties": {"*": str},
        "maintenanceScope": (
            "Host", "Resource", "OSImage", "Extension", "InGuestPatch", "SQLDB", "SQLManagedInstance",
        ),
        "maintenanceWindow": _WINDOW,
        "visibility": ("Custom", "Public"),
        "installPatches": _PATCHES,
    },
}  # fmt: skip
_ASSIGNMENT = {
    "location": str,
    "properties": {
        "maintenanceConfigurationId": str,
        "resourceId": str,
        "filter": {
            "resourceTypes": [str],
            "resourceGroups": [str],
            "osTypes": [str],
            "locations": [str],
            "tagSettings": {"tags": {"*": [str]}, "filterOperator": ("All", "Any")},
        },
    },
}
_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?")
_DURATION = re.compile(r"(\d\d):([0-5]\d)")
_WEEKDAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_RATE = re.compile(
    rf"(?P<every>\d*)(?P<unit>Hour|Day|Week|Month)s?"
    rf"(?: (?P<week>{_WEEKDAY}(?:,{_WEEKDAY})*)| (?P<days>day\d+(?:,day\d+)*)"
    rf"| (?P<nth>(?:First|Second|Third|Fourth|Last) {_WEEKDAY})(?: Offset(?P<offset>-?\d+))?)?",
    re.IGNORECASE,
)


class Maintenance:
    """What Azure keeps of it, by resource id in lower case."""

    def __init__(self) -> None:
        self.configurations: dict[str, dict[str, Any]] = {}
        self.assignments: dict[str, dict[str, Any]] = {}

    def assigned(self, configuration: str) -> list[dict[str, Any]]:
        """The assignments to a configuration."""
        return [
            item
            for item in self.assignments.values()
            if item["properties"]["maintenanceConfigurationId"].lower() == configuration.lower()
        ]


# Configurations


def _configuration_id(request: ArmRequest) -> str:
    names = request.names
    return (
        f"/subscriptions/{names['subscription']}/resourcegroups/{names['group']}"
        f"/providers/{CONFIGURATION}/{names['configuration']}"
    )


def _key(resource: str) -> str:
    return resource.rstrip("/").lower()


def _get(azure: Azure, request: ArmRequest) -> ArmAnswer:
    azure.check_group(request)
    found = azure.maintenance.configurations.get(_key(_configuration_id(request)))
    if found is None:
        raise resource_not_found(CONFIGURATION, request.names["configuration"], request.names["group"])
    return ArmAnswer(200, found)


def _put(azure: Azure, request: ArmRequest) -> ArmAnswer:
    azure.check_group(request)
    content.check(request.body, _CONFIGURATION)
    resource = _configuration_id(request)
    before = azure.maintenance.configurations.get(_key(resource))
    location = str(request.body.get("location") or "").replace(" ", "").lower()
    if location not in REGIONS:
        raise ArmRefusal(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type '{CONFIGURATION}'.",
        )
    if before is not None and before["location"] != location:
        raise ArmRefusal(
            409,
            "InvalidResourceLocation",
            f"The resource '{before['name']}' already exists in location '{before['location']}'. A resource with the "
            f"same name cannot be created in location '{location}'.",
        )
    if before is None:
        there = [item for item in azure.maintenance.configurations.values() if item["location"] == location]
        if len(there) >= MOST_IN_REGION:
            raise ArmRefusal(
                400, "QuotaExceeded", f"No more than {MOST_IN_REGION} configurations are allowed in {location}."
            )
    found = _made(request, resource, location, request.body.get("properties") or {}, request.body.get("tags"))
    _check(found["properties"], before, azure.timeline.now())
    azure.maintenance.configurations[_key(resource)] = found
    azure.windows.arm(found)
    return ArmAnswer(200 if before is not None else 201, found)


def _patch(azure: Azure, request: ArmRequest) -> ArmAnswer:
    azure.check_group(request)
    content.check(request.body, _CONFIGURATION)
    resource = _configuration_id(request)
    before = azure.maintenance.configurations.get(_key(resource))
    if before is None:
        raise resource_not_found(CONFIGURATION, request.names["configuration"], request.names["group"])
    properties = {**before["properties"], **(request.body.get("properties") or {})}
    found = _made(request, resource, before["location"], properties, request.body.get("tags") or before.get("tags"))
    _check(found["properties"], before, azure.timeline.now())
    azure.maintenance.configurations[_key(resource)] = found
    azure.windows.arm(found)
    return ArmAnswer(200, found)


def _made(request: ArmRequest, resource: str, location: str, properties: Any, tags: Any) -> dict[str, Any]:
    """The resource as it is kept and shown."""
    own = {key: value for key, value in copy.deepcopy(properties).items() if value is not None}
    own.setdefault("namespace", PROVIDER)
    own.setdefault("visibility", "Custom")
    if window := own.get("maintenanceWindow"):
        window.setdefault("expirationDateTime", _FOREVER)
    return {
        "id": resource,
        "name": request.names["configuration"],
        "type": CONFIGURATION,
        "location": location,
        "tags": dict(tags or {}),
        "properties": own,
    }


def _delete(azure: Azure, request: ArmRequest) -> ArmAnswer:
    azure.check_group(request)
    resource = _configuration_id(request)
    found = azure.maintenance.configurations.pop(_key(resource), None)
    if found is None:
        return ArmAnswer(204)
    azure.windows.forget(_key(resource))
    for item in azure.maintenance.assigned(resource):
        del azure.maintenance.assignments[_key(item["id"])]
    return ArmAnswer(200, found)


def _list(azure: Azure, request: ArmRequest) -> ArmAnswer:
    chosen = list(azure.maintenance.configurations.values())
    if "group" in request.names:
        azure.check_group(request)
        group = f"/resourcegroups/{request.names['group']}/".lower()
        chosen = [item for item in chosen if group in item["id"].lower()]
    return page(request, chosen, lambda item: item)


def _invalid(words: str) -> ArmRefusal:
    return ArmRefusal(400, "BadRequest", words)


def _check(properties: dict[str, Any], before: dict[str, Any] | None, now: datetime) -> None:
    """What the service checks beyond the types."""
    scope = properties.get("maintenanceScope")
    if scope is None:
        raise _invalid("MaintenanceScope is required.")
    if before is not None and before["properties"].get("maintenanceScope") != scope:
        raise _invalid("MaintenanceScope cannot be changed.")
    if scope != "InGuestPatch":
        return
    if (properties.get("extensionProperties") or {}).get("InGuestPatchMode") not in ("User", "Platform"):
        raise _invalid("Extension properties must contain InGuestPatchMode, User or Platform.")
    window = properties.get("maintenanceWindow")
    if not window:
        raise _invalid("MaintenanceWindow is required for the scope InGuestPatch.")
    for name in ("startDateTime", "duration", "timeZone", "recurEvery"):
        if not window.get(name):
            raise _invalid(f"MaintenanceWindow.{name} is required.")
    old = ((before or {}).get("properties", {}).get("maintenanceWindow") or {}) if before else {}
    start = _date(window, "startDateTime")
    # A day of leeway: the zone is not worked out here.
    if window["startDateTime"] != old.get("startDateTime") and (now.replace(tzinfo=None) - start).days > 1:
        raise _invalid("StartDateTime must be the current date or a future date.")
    if _date(window, "expirationDateTime") <= start:
        raise _invalid("ExpirationDateTime must be after StartDateTime.")
    duration = _DURATION.fullmatch(window["duration"])
    if duration is None:
        raise _invalid("Duration must have the format HH:mm.")
    if not _SHORTEST <= int(duration[1]) * 60 + int(duration[2]) <= _LONGEST:
        raise _invalid("Duration must be between 01:30 and 03:55 for the scope InGuestPatch.")
    _check_rate(window["recurEvery"])


def _date(window: dict[str, Any], name: str) -> datetime:
    text = window[name]
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise _invalid(f"{name} must have the format YYYY-MM-DD hh:mm.")


def _check_rate(text: str) -> None:
    found = _RATE.fullmatch(text.strip())
    unit = found["unit"].lower() if found else ""
    fits = found is not None and (
        (found["week"] is None or unit == "week")
        and (found["days"] is None or unit == "month")
        and (found["nth"] is None or unit == "month")
    )
    if found is None or not fits:
        raise _invalid(f"RecurEvery '{text}' has no known format.")
    every = int(found["every"] or 1)
    if every < 1 or (unit == "hour" and every < 6):
        raise _invalid("RecurEvery must be at least 6 hours.")
    if found["offset"] and not -6 <= int(found["offset"]) <= 6:
        raise _invalid("The offset of RecurEvery must be between -6 and 6.")
    if any(not 1 <= int(day) <= 31 for day in re.findall(r"\d+", found["days"] or "")):
        raise _invalid("A day of RecurEvery must be between 1 and 31.")


# Assignments


def _owner(azure: Azure, request: ArmRequest) -> str:
    """What an assignment is below: a machine, a subscription or a resource group.

    :raises ArmRefusal: it is not there.
    """
    names = request.names
    subscription = f"/subscriptions/{names['subscription']}"
    if "machine" in names:
        return azure.arc_machine(request).id
    if "vm" in names:
        return virtual_machines.resource_id(azure, virtual_machines.find(azure, request))
    if "group" in names:
        azure.check_group(request)
        return f"{subscription}/resourceGroups/{names['group']}"
    return subscription


def _assignment_id(azure: Azure, request: ArmRequest) -> str:
    return f"{_owner(azure, request)}/providers/{ASSIGNMENT}/{request.names['assignment']}"


def _get_assignment(azure: Azure, request: ArmRequest) -> ArmAnswer:
    found = azure.maintenance.assignments.get(_key(_assignment_id(azure, request)))
    if found is None:
        raise _no_assignment(request)
    return ArmAnswer(200, found)


def _no_assignment(request: ArmRequest) -> ArmRefusal:
    return ArmRefusal(
        404, "ResourceNotFound", f"The Resource '{ASSIGNMENT}/{request.names['assignment']}' was not found."
    )


def _put_assignment(azure: Azure, request: ArmRequest) -> ArmAnswer:
    owner = _owner(azure, request)
    resource = f"{owner}/providers/{ASSIGNMENT}/{request.names['assignment']}"
    content.check(request.body, _ASSIGNMENT)
    before = azure.maintenance.assignments.get(_key(resource))
    return ArmAnswer(200 if before else 201, _take(azure, request, owner, resource, request.body))


def _patch_assignment(azure: Azure, request: ArmRequest) -> ArmAnswer:
    owner = _owner(azure, request)
    resource = f"{owner}/providers/{ASSIGNMENT}/{request.names['assignment']}"
    content.check(request.body, _ASSIGNMENT)
    before = azure.maintenance.assignments.get(_key(resource))
    if before is None:
        raise _no_assignment(request)
    properties = {**before["properties"], **(request.body.get("properties") or {})}
    return ArmAnswer(200, _take(azure, request, owner, resource, {"properties": properties}))


def _take(azure: Azure, request: ArmRequest, owner: str, resource: str, body: dict[str, Any]) -> dict[str, Any]:
    properties = copy.deepcopy(body.get("properties") or {})
    wanted = str(properties.get("maintenanceConfigurationId") or "")
    configuration = azure.maintenance.configurations.get(_key(wanted))
    if configuration is None:
        raise ArmRefusal(404, "ResourceNotFound", f"The maintenance configuration '{wanted}' was not found.")
    if configuration["properties"]["maintenanceScope"] != "InGuestPatch":
        raise _invalid("Only configurations of the scope InGuestPatch can be assigned to machines here.")
    is_machine = "machine" in request.names or "vm" in request.names
    if is_machine and properties.get("filter"):
        raise _invalid("A filter is for assignments of subscriptions and resource groups.")
    if not is_machine and "filter" not in properties:
        raise _invalid("An assignment of a subscription or a resource group needs a filter.")
    if _key(str(properties.get("resourceId") or owner)) != _key(owner):
        raise _invalid("ResourceId is not the resource of the address.")
    others = [item for item in azure.maintenance.assigned(wanted) if _key(item["id"]) != _key(resource)]
    alike = [item for item in others if ("filter" in item["properties"]) != is_machine]
    if len(alike) >= (MOST_MACHINES if is_machine else MOST_SCOPES):
        raise ArmRefusal(400, "QuotaExceeded", f"The maintenance configuration '{wanted}' has too many assignments.")
    found = {
        "id": resource,
        "name": request.names["assignment"],
        "type": ASSIGNMENT,
        **({"location": body["location"]} if body.get("location") else {}),
        "properties": {**properties, "resourceId": owner},
    }
    azure.maintenance.assignments[_key(resource)] = found
    azure.wrote(request, owner)
    return found


def _delete_assignment(azure: Azure, request: ArmRequest) -> ArmAnswer:
    owner = _owner(azure, request)
    found = azure.maintenance.assignments.pop(
        _key(f"{owner}/providers/{ASSIGNMENT}/{request.names['assignment']}"), None
    )
    if found is None:
        return ArmAnswer(204)
    azure.wrote(request, owner)
    return ArmAnswer(200, found)


def _list_assignments(azure: Azure, request: ArmRequest) -> ArmAnswer:
    everything = list(azure.maintenance.assignments.values())
    if "machine" in request.names or "vm" in request.names:
        below = _key(_owner(azure, request)) + "/providers/"
        everything = [item for item in everything if _key(item["id"]).startswith(below)]
    return page(request, everything, lambda item: item)


_OWNERS = (f"{GROUP}/providers/{ARC}/{{machine}}", f"{GROUP}/providers/{VM}/{{vm}}", SUBSCRIPTION, GROUP)
_LISTS = (*_OWNERS[:2], SUBSCRIPTION)

ROUTES = (
    Route("GET", f"{GROUP}/providers/{CONFIGURATION}/{{configuration}}", f"{CONFIGURATION}/read", VERSIONS, _get),
    Route("PUT", f"{GROUP}/providers/{CONFIGURATION}/{{configuration}}", f"{CONFIGURATION}/write", VERSIONS, _put),
    Route("PATCH", f"{GROUP}/providers/{CONFIGURATION}/{{configuration}}", f"{CONFIGURATION}/write", VERSIONS, _patch),
    Route(
        "DELETE", f"{GROUP}/providers/{CONFIGURATION}/{{configuration}}", f"{CONFIGURATION}/delete", VERSIONS, _delete
    ),
    Route("GET", f"{SUBSCRIPTION}/providers/{CONFIGURATION}", f"{CONFIGURATION}/read", VERSIONS, _list),
    Route("GET", f"{GROUP}/providers/{CONFIGURATION}", f"{CONFIGURATION}/read", VERSIONS, _list),
    *(
        Route(method, f"{owner}/providers/{ASSIGNMENT}/{{assignment}}", f"{ASSIGNMENT}/{action}", VERSIONS, handler)
        for owner in _OWNERS
        for method, action, handler in (
            ("GET", "read", _get_assignment),
            ("PUT", "write", _put_assignment),
            ("DELETE", "delete", _delete_assignment),
        )
    ),
    *(
        Route(
            "PATCH",
            f"{owner}/providers/{ASSIGNMENT}/{{assignment}}",
            f"{ASSIGNMENT}/write",
            VERSIONS,
            _patch_assignment,
        )
        for owner in _OWNERS[2:]
    ),
    *(
        Route("GET", f"{owner}/providers/{ASSIGNMENT}", f"{ASSIGNMENT}/read", VERSIONS, _list_assignments)
        for owner in _LISTS
    ),
)

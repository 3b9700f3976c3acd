# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Which machines a maintenance configuration is for: those named, and those that a filter finds when the window opens.

On a virtual machine of Azure a schedule of one's own needs two settings, one of which hotpatching excludes (the two
sentences of Azure are in :mod:`patch_settings_change`); on an Arc machine it needs none. Numbers are the documented
limits of Azure Update Manager.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_change import SCOPE, location_key
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_settings_change import (
    PLATFORM,
    VM,
    PatchSettings,
)

MOST_MACHINES = 3000
MOST_SCOPES = 200
RESOURCE_TYPES = {"arc": "Microsoft.HybridCompute/machines", "vm": "Microsoft.Compute/virtualMachines"}
OS_TYPES = {"windows": "Windows", "linux": "Linux"}
OPERATORS = {"all": "All", "any": "Any"}


@dataclass(frozen=True)
class Filter:
    """Which machines of a subscription or resource group; what is empty does not filter."""

    resource_types: tuple[str, ...] = ()
    resource_groups: tuple[str, ...] = ()
    os_types: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    operator: str = "any"

    def as_dict(self) -> dict[str, Any]:
        """For a task's result, and what decides whether something has changed."""
        return {
            "resource_types": list(self.resource_types),
            "resource_groups": list(self.resource_groups),
            "os_types": list(self.os_types),
            "locations": list(self.locations),
            "tags": {name: list(values) for name, values in self.tags.items()},
            # With one tag or none, it is all the same.
            "tag_operator": self.operator if len(self.tags) > 1 else None,
        }

    def body(self) -> dict[str, Any]:
        """As ARM takes it."""
        found: dict[str, Any] = {
            "resourceTypes": [RESOURCE_TYPES.get(name, name) for name in self.resource_types],
            "resourceGroups": list(self.resource_groups),
            "osTypes": [OS_TYPES.get(name, name) for name in self.os_types],
            "locations": list(self.locations),
        }
        filled = {key: values for key, values in found.items() if values}
        if self.tags:
            tags = {name: list(values) for name, values in self.tags.items()}
            filled["tagSettings"] = {"tags": tags, "filterOperator": OPERATORS[self.operator]}
        return filled


def filter_of(given: Mapping[str, Any]) -> Filter:
    """The filter of a person's option ``dynamic_scope``.

    :raises InvalidInput: it contradicts itself.
    """
    groups = given.get("resource_groups") or ()
    if given.get("resource_group") and groups:
        raise InvalidInput("dynamic_scope: resource_groups filters a subscription; with resource_group leave it out.")
    tags: dict[str, tuple[str, ...]] = {}
    for name, values in sorted((given.get("tags") or {}).items()):
        listed = values if isinstance(values, list | tuple) else [values]
        if not listed or any(isinstance(value, dict | list) or value is None for value in listed):
            raise InvalidInput(f"dynamic_scope: the tag {name!r} needs a value, or a list of values.")
        tags[str(name)] = _sorted(listed)
    return Filter(
        resource_types=_sorted(given.get("resource_types") or ()),
        resource_groups=_sorted(str(group).lower() for group in groups),
        os_types=_sorted(given.get("os_types") or ()),
        locations=_sorted(location_key(str(place)) for place in given.get("locations") or ()),
        tags=tags,
        operator=str(given.get("tag_operator") or "any"),
    )


def read_filter(properties: Mapping[str, Any]) -> Filter:
    """The filter of an assignment."""
    found = _mapping(properties.get("filter"))
    settings = _mapping(found.get("tagSettings"))
    types = {word.lower(): name for name, word in RESOURCE_TYPES.items()}
    systems = {word.lower(): name for name, word in OS_TYPES.items()}
    operator = str(settings.get("filterOperator") or "Any").lower()
    return Filter(
        resource_types=_sorted(types.get(text.lower(), text) for text in _texts(found.get("resourceTypes"))),
        resource_groups=_sorted(text.lower() for text in _texts(found.get("resourceGroups"))),
        os_types=_sorted(systems.get(text.lower(), text) for text in _texts(found.get("osTypes"))),
        locations=_sorted(location_key(text) for text in _texts(found.get("locations"))),
        tags={str(name): _sorted(_texts(values)) for name, values in sorted(_mapping(settings.get("tags")).items())},
        operator=operator if operator in OPERATORS else "any",
    )


def configurations_tagged(documents: Iterable[Mapping[str, Any]], tags: Mapping[str, str]) -> dict[str, str]:
    """The configurations for updates inside of servers that have all these tags: id in lower case to name.

    Azure's tag names are the same in capitals and small letters, their values are not.
    """
    wanted = {name.lower(): value for name, value in tags.items()}
    found = {}
    for document in documents:
        own = {str(name).lower(): str(value) for name, value in _mapping(document.get("tags")).items()}
        scope = _mapping(document.get("properties")).get("maintenanceScope")
        if wanted and scope == SCOPE and all(own.get(name) == value for name, value in wanted.items()):
            found[str(document.get("id")).rstrip("/").lower()] = str(document.get("name"))
    return found


@dataclass(frozen=True)
class Obstacle:
    """Why a schedule would do nothing on a machine, or Azure refuses it.

    :ivar words: a sentence, without the machine's name.
    """

    code: str
    words: str
    hint: str


def obstacle_of(settings: PatchSettings) -> Obstacle | None:
    """What keeps a schedule from patching a machine; None when its settings do not."""
    if settings.agent == "Expired":
        return Obstacle(
            "agent_expired",
            "Its agent has had no contact for so long that its identity has expired.",
            "Connect the agent anew (azcmagent disconnect, then connect), then run this again.",
        )
    if settings.kind != VM:
        return None
    if settings.hotpatching:
        return Obstacle(
            "schedule_excludes_hotpatching",
            "This virtual machine has hotpatching on. A schedule needs bypassPlatformSafetyChecksOnUserSchedule, and "
            "Azure refuses that together with hotpatching.",
            "Azure installs its hotpatches by itself, or install them with patch_installation or the playbook "
            "patch_month. For a schedule, turn hotpatching off with patch_settings.",
        )
    if settings.patch_mode != PLATFORM or not settings.bypass_safety_checks:
        return Obstacle(
            "patch_orchestration",
            "Azure runs a schedule on a virtual machine only with patchMode AutomaticByPlatform and "
            "bypassPlatformSafetyChecksOnUserSchedule (customer managed schedules).",
            "First run winops.hotpatch.patch_settings with patch_mode automatic_by_platform and "
            "bypass_platform_safety_checks true.",
        )
    return None


def check_machine(name: str, settings: PatchSettings) -> None:
    """:raises Refused: a schedule on this machine would do nothing, or Azure refuses it."""
    if (found := obstacle_of(settings)) is not None:
        raise Refused(f"{name}: {found.words} Nothing was sent.", code=found.code, hint=found.hint)


def notes_of(settings: PatchSettings, location: str, configured: str, others: int) -> list[str]:
    """What a person should know about one machine; one sentence each."""
    notes: list[str] = []
    if settings.agent not in (None, "Connected"):
        notes.append(f"Its agent is {settings.agent}; a machine must be on and connected 15 minutes before the window.")
    if configured and location_key(location) != configured:
        notes.append(f"It is in {location_key(location)}, and the configuration is in {configured}.")
    if others:
        notes.append(f"It has {others} further schedules; where windows overlap, only one of them may install.")
    return notes


def check_count(there: set[str], more: set[str], name: str) -> None:
    """:raises Refused: that would be more machines than a configuration may have."""
    total = len(there | more)
    if total > MOST_MACHINES:
        raise Refused(
            f"{name} would have {total} machines; a maintenance configuration takes {MOST_MACHINES}. Nothing was sent.",
            hint="Split the machines over several configurations.",
        )


def check_scopes(scopes: int, name: str) -> None:
    """:raises Refused: the configuration has as many scopes as it may have."""
    if scopes >= MOST_SCOPES:
        raise Refused(
            f"{name} has {scopes} dynamic scopes, and a maintenance configuration takes {MOST_SCOPES}.",
            hint="Put several into one, with a tag that they share.",
        )


def _sorted(texts: Any) -> tuple[str, ...]:
    return tuple(sorted({str(text) for text in texts}))


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _texts(found: Any) -> list[str]:
    return [str(text) for text in found] if isinstance(found, list) else []

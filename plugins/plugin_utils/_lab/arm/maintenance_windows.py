# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of maintenance configurations: when they open, and what Azure Update Manager does then.

A window opens by the wall time of its zone. Whatever machines are assigned at that moment, or are found by a dynamic
scope, install by the configuration as they do on demand, for as long as the window is. learn.microsoft.com, scheduled
patching: a virtual machine needs AutomaticByPlatform with its safety checks bypassed, an Arc machine needs nothing, and
of windows that overlap only one installs. What becomes of a machine that is passed over, and how a clock change moves a
start, are this lab's assumptions. The names of zones are those of the Unicode CLDR; a zone that is not listed here is
taken, but its windows never open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import arc_machines, virtual_machines
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import LOCATION
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import Answer

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.patch_runs import PatchedServer, Run
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Event

_ZONES = {
    "UTC": "UTC",
    "GMT Standard Time": "Europe/London",
    "W. Europe Standard Time": "Europe/Berlin",
    "Central Europe Standard Time": "Europe/Budapest",
    "Central European Standard Time": "Europe/Warsaw",
    "Romance Standard Time": "Europe/Paris",
    "FLE Standard Time": "Europe/Kiev",
    "GTB Standard Time": "Europe/Bucharest",
    "Turkey Standard Time": "Europe/Istanbul",
    "Eastern Standard Time": "America/New_York",
    "Central Standard Time": "America/Chicago",
    "Mountain Standard Time": "America/Denver",
    "Pacific Standard Time": "America/Los_Angeles",
    "E. South America Standard Time": "America/Sao_Paulo",
    "India Standard Time": "Asia/Calcutta",
    "Singapore Standard Time": "Asia/Singapore",
    "China Standard Time": "Asia/Shanghai",
    "Tokyo Standard Time": "Asia/Tokyo",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "New Zealand Standard Time": "Pacific/Auckland",
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NTHS = ("first", "second", "third", "fourth")
_YEARS = 20
_RATE = re.compile(
    r"(?P<every>\d*)(?P<unit>hour|day|week|month)s?(?: (?P<rest>.+?))?(?: offset(?P<offset>-?\d+))?", re.IGNORECASE
)


class WindowError(Exception):
    """The window cannot be opened."""


@dataclass
class Member:
    """One machine in a window; without ``run`` it was passed over, and ``why`` says why."""

    resource: str
    location: str
    run: Run | None = None
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.resource,
            "status": self.run.status if self.run else "PassedOver",
            "restart": self.run.reboot_status if self.run else None,
            "why": self.why or None,
        }


@dataclass
class Opened:
    """A window that has opened.

    :ivar due: when the schedule has it; before that it was opened by hand.
    """

    configuration: str
    correlation: str
    due: datetime
    began: datetime
    ends: datetime
    members: list[Member] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "configuration": self.configuration,
            "correlation_id": self.correlation,
            "due": self.due.isoformat(),
            "began": self.began.isoformat(),
            "ends": self.ends.isoformat(),
            "machines": [member.as_dict() for member in self.members],
        }


class Windows:
    """The windows of one Azure: those to come, on the lab's clock, and those that were."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._armed: dict[str, tuple[Event, datetime]] = {}
        self._used: dict[str, datetime] = {}
        self.opened: list[Opened] = []

    def arm(self, configuration: Mapping[str, Any]) -> None:
        """A configuration is new, or has changed: wait for its next window."""
        key = str(configuration["id"]).lower()
        self._disarm(key)
        due = self._next(configuration)
        if due is not None:
            event = self._azure.timeline.at(due.timestamp(), lambda: self._reached(key, due))
            self._armed[key] = (event, due)

    def forget(self, configuration: str) -> None:
        """A configuration is there no more."""
        self._disarm(configuration.lower())
        self._used.pop(configuration.lower(), None)

    def _disarm(self, key: str) -> None:
        found = self._armed.pop(key, None)
        if found is not None:
            found[0].cancel()

    def _next(self, configuration: Mapping[str, Any]) -> datetime | None:
        properties = configuration["properties"]
        if properties.get("maintenanceScope") != "InGuestPatch":
            return None
        now = self._azure.timeline.now()
        used = self._used.get(str(configuration["id"]).lower())
        return next(
            (
                due
                for due in openings(properties["maintenanceWindow"])
                if due >= now and (used is None or due > used)
            ),
            None,
        )  # fmt: skip

    def _reached(self, key: str, due: datetime) -> None:
        configuration = self._azure.maintenance.configurations.get(key)
        if configuration is not None:
            self._open(configuration, due)

    def open_next(self, name: str) -> Opened:
        """Open the next window of a configuration (name or id) now; it does not open again when its time comes.

        :raises WindowError: there is no such configuration, or it opens no more.
        """
        found = [
            item
            for key, item in self._azure.maintenance.configurations.items()
            if name.lower() in (key, str(item["name"]).lower())
        ]
        if len(found) != 1:
            raise WindowError(f"There are {len(found)} maintenance configurations {name!r}.")
        due = self._next(found[0])
        if due is None:
            raise WindowError(f"{name!r} opens no more, or is in a time zone that this lab does not know.")
        return self._open(found[0], due)

    def _open(self, configuration: Mapping[str, Any], due: datetime) -> Opened:
        timeline = self._azure.timeline
        key = str(configuration["id"]).lower()
        self._used[key] = due
        hours, minutes = str(configuration["properties"]["maintenanceWindow"]["duration"]).split(":")
        longest = timedelta(hours=int(hours), minutes=int(minutes))
        began = timeline.now()
        run = Opened(
            str(configuration["id"]),
            self._azure.identifier(key, due.isoformat(), "window"),
            due,
            began,
            began + longest / timeline.scale,
        )
        self.opened.append(run)
        patches = configuration["properties"].get("installPatches") or {}
        wanted = {
            "rebootSetting": patches.get("rebootSetting") or "IfRequired",
            "windowsParameters": patches.get("windowsParameters") or {},
        }
        for member, server in self._members(key):
            if server is not None and not member.why:
                member.run = server.install(wanted, longest)
                member.run.started_by, member.run.maintenance_run = "Platform", run.correlation
                server.machine.wrote("azure", f"window of {configuration['name']}", "Azure Update Manager")
            run.members.append(member)
        self.arm(configuration)
        return run

    def _members(self, configuration: str) -> Iterator[tuple[Member, PatchedServer | None]]:
        """Each machine once: those assigned by name, and those that a filter finds now."""
        named: set[str] = set()
        filters: list[tuple[str, Mapping[str, Any]]] = []
        for item in self._azure.maintenance.assigned(configuration):
            above = str(item["properties"]["resourceId"]).lower()
            if (wanted := item["properties"].get("filter")) is None:
                named.add(above)
            else:
                filters.append((above, wanted))
        azure = self._azure
        for resource in azure.side.machines:
            shown = arc_machines.document(azure, resource)
            if resource.id.lower() in named or any(_fits(shown, "windows", *item) for item in filters):
                if azure.machine_of(resource) is None:
                    yield Member(resource.id, resource.location, why="no agent has its identity any more"), None
                else:
                    yield _free(Member(resource.id, resource.location), azure.patching.arc_machine(resource))
        for machine in azure.virtual_machines:
            identifier = virtual_machines.resource_id(azure, machine)
            shown = virtual_machines.document(azure, machine)
            if identifier.lower() in named or any(_fits(shown, "windows", *item) for item in filters):
                member = Member(identifier, LOCATION)
                settings = azure.vm_settings.of(machine)["patchSettings"]
                own = settings.get("automaticByPlatformSettings") or {}
                bypassed = own.get("bypassPlatformSafetyChecksOnUserSchedule") is True
                if settings["patchMode"] != "AutomaticByPlatform" or not bypassed:
                    member.why = "its patch orchestration is not that of customer managed schedules"
                elif machine.power.state != "running":
                    member.why = "it is not running"
                yield _free(member, azure.patching.virtual_machine(machine))

    # The control address

    def control(self, method: str, body: Any) -> Answer:
        """``GET``: windows to come and those that were. ``POST`` with a configuration: open its next window now."""
        if method == "POST":
            name = body.get("configuration") if isinstance(body, dict) else None
            if not isinstance(name, str):
                return Answer(400, {"error": 'Send which, such as {"configuration": "updates-pilot-baseline"}.'})
            try:
                return Answer(200, self.open_next(name).as_dict())
            except WindowError as error:
                return Answer(409, {"error": str(error)})
        if method != "GET":
            return Answer(405, {"error": "Only GET and POST can be used here."})
        coming = [{"configuration": key, "due": due.isoformat()} for key, (_event, due) in self._armed.items()]
        return Answer(
            200,
            {
                "coming": sorted(coming, key=lambda item: item["due"]),
                "opened": [item.as_dict() for item in self.opened],
            },
        )


def _free(member: Member, server: PatchedServer) -> tuple[Member, PatchedServer]:
    if not member.why and server.is_busy:
        member.why = "another assessment or installation is in progress"
    return member, server


def _fits(shown: Mapping[str, Any], system: str, above: str, wanted: Mapping[str, Any]) -> bool:
    """Whether a dynamic scope finds a machine; what the filter leaves empty does not count."""
    identifier = str(shown["id"]).lower()
    if not identifier.startswith(f"{above}/"):
        return False

    def among(name: str, value: str) -> bool:
        chosen = [str(item).replace(" ", "").lower() for item in wanted.get(name) or ()]
        return not chosen or value.lower() in chosen

    settings = wanted.get("tagSettings") or {}
    own = {str(name).lower(): str(value) for name, value in (shown.get("tags") or {}).items()}
    tags = [own.get(str(name).lower()) in values for name, values in (settings.get("tags") or {}).items()]
    return (
        among("resourceTypes", str(shown["type"]))
        and among("resourceGroups", identifier.split("/")[4])
        and among("osTypes", system)
        and among("locations", str(shown["location"]))
        and (not tags or (all(tags) if settings.get("filterOperator") == "All" else any(tags)))
    )


def openings(window: Mapping[str, Any]) -> Iterator[datetime]:
    """Every start of a window, in order; none in a zone that is not known here.

    Day by day it is asked whether the rate falls on it.
    """
    zone_name = _ZONES.get(str(window["timeZone"]))
    rate = _RATE.fullmatch(str(window["recurEvery"]).strip())
    if zone_name is None or rate is None:
        return
    zone = ZoneInfo(zone_name)
    start = datetime.fromisoformat(str(window["startDateTime"]))
    ends = datetime.fromisoformat(str(window["expirationDateTime"]))
    every, unit = int(rate["every"] or 1), rate["unit"].lower()
    step = timedelta(hours=every) if unit == "hour" else timedelta(days=1)
    at, last = start, min(ends, start + timedelta(days=366 * _YEARS))
    while at <= last:
        if unit == "hour" or _falls_on(at.date(), start.date(), every, unit, rate):
            yield at.replace(tzinfo=zone)
        at += step


def _falls_on(day: date, first: date, every: int, unit: str, rate: re.Match[str]) -> bool:
    rest = (rate["rest"] or "").lower()
    if unit == "day":
        return (day - first).days % every == 0
    if unit == "week":
        weeks = (_sunday(day) - _sunday(first)).days // 7
        return weeks % every == 0 and _DAYS[day.weekday()] in (rest.split(",") if rest else [_DAYS[first.weekday()]])
    counted = day - timedelta(days=int(rate["offset"] or 0))
    if ((counted.year - first.year) * 12 + counted.month - first.month) % every:
        return False
    if not rest:
        return counted.day == first.day
    if rest.startswith("day"):
        return f"day{counted.day}" in rest.split(",")
    nth, weekday = rest.split(" ")
    if _DAYS[counted.weekday()] != weekday:
        return False
    if nth == "last":
        return (counted + timedelta(days=7)).month != counted.month
    return (counted.day - 1) // 7 == _NTHS.index(nth)


def _sunday(day: date) -> date:
    return day - timedelta(days=(day.weekday() + 1) % 7)

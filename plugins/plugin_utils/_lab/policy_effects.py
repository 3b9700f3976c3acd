# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What policies do to Windows Update on a server: which searches fail, what is held back, and what restarts it.

Nobody is ever signed in on a lab server, as on most real ones, so "no restart while somebody is signed in" never helps.

Sources: the help texts of WindowsUpdate.admx; Microsoft Learn, "Manage device restarts after updates", "Enforcing
compliance deadlines for updates", "Windows Update common errors"; configured deadlines count from the moment an update
is pending here, not from its discovery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Event
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.policy_values import AUTOMATIC, WINDOWS_UPDATE
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry_content import AUTO_UPDATE
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_offers import Offer, Standing

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

ACCESS_DISABLED = 0x8024002E
NO_UPDATE_SERVER = 0x80244011
NO_ANSWER = 0x80072EE2

RESTART_MINUTES = 15
PAUSED_DAYS = 35
DAY = 86400.0
SCHEDULED_HOUR = 3
_WEEKS = ("First", "Second", "Third", "Fourth")


def number(machine: Machine, key: str, name: str) -> int | None:
    """A policy's number, as Windows reads it; None when it is not there or something else."""
    with machine.registry.as_windows():
        value = machine.registry.read(key, name)
    return value.data if value is not None and isinstance(value.data, int) else None


def text(machine: Machine, key: str, name: str) -> str | None:
    """A policy's text, as Windows reads it; None when it is not there, empty or something else."""
    with machine.registry.as_windows():
        value = machine.registry.read(key, name)
    return value.data or None if value is not None and isinstance(value.data, str) else None


# Searches


def uses_wsus(machine: Machine, server_selection: int) -> bool:
    """Whether a search goes to the server of the policy: 1 always, 0 (default) where the policy says so."""
    return server_selection == 1 or (server_selection == 0 and number(machine, AUTOMATIC, "UseWUServer") == 1)


def search_error(machine: Machine, server_selection: int) -> tuple[int, str] | None:
    """Why a search cannot be made: HRESULT and words."""
    if number(machine, WINDOWS_UPDATE, "DisableWindowsUpdateAccess") == 1:
        return ACCESS_DISABLED, "Access to Windows Update is turned off by policy."
    if uses_wsus(machine, server_selection):
        if text(machine, WINDOWS_UPDATE, "WUServer") is None:
            return NO_UPDATE_SERVER, "There is no update server in the policy."
        if machine.spec.wsus is None:
            return NO_ANSWER, "The update server of the policy does not answer."
        return None
    only_inside = number(machine, WINDOWS_UPDATE, "DoNotConnectToWindowsUpdateInternetLocations") == 1
    if only_inside and number(machine, AUTOMATIC, "UseWUServer") == 1:
        return ACCESS_DISABLED, "The policy allows no update server but its own."
    return None


def deferred(machine: Machine, standing: Standing, server_selection: int) -> Standing:
    """The releases that a deferral or a pause lets through; neither concerns an update server of the policy's own."""
    if uses_wsus(machine, server_selection):
        return standing
    if _paused(machine, standing.as_of):
        return replace(standing, updates=())
    if number(machine, WINDOWS_UPDATE, "DeferQualityUpdates") != 1:
        return standing
    days = timedelta(days=number(machine, WINDOWS_UPDATE, "DeferQualityUpdatesPeriodInDays") or 0)
    return replace(standing, updates=tuple(item for item in standing.updates if item.date + days <= standing.as_of))


def approved(machine: Machine, found: Sequence[Offer], server_selection: int) -> list[Offer]:
    """What the policy's own update server offers of it: what was approved there."""
    kbs = machine.spec.wsus
    if kbs is None or "all" in kbs or not uses_wsus(machine, server_selection):
        return list(found)
    return [offer for offer in found if offer.kb in kbs]


def _paused(machine: Machine, as_of: date) -> bool:
    since = text(machine, WINDOWS_UPDATE, "PauseQualityUpdatesStartTime")
    try:
        first = date.fromisoformat((since or "")[:10])
    except ValueError:
        return False
    return first <= as_of < first + timedelta(days=PAUSED_DAYS)


# Restarts


def plan_restart(machine: Machine) -> None:
    """An installation waits for a restart: let the policies that restart the server do so in their time."""
    if number(machine, AUTOMATIC, "AlwaysAutoRebootAtScheduledTime") == 1:
        minutes = number(machine, AUTOMATIC, "AlwaysAutoRebootAtScheduledTimeMinutes") or RESTART_MINUTES
        _restart_after(machine, minutes * 60.0, "policy", "AlwaysAutoRebootAtScheduledTime")
    days = deadline_days(machine)
    if days is not None:
        _restart_after(machine, days * DAY, "policy", "ConfigureDeadlineForQualityUpdates")


def deadline_days(machine: Machine) -> int | None:
    """Days until a deadline restarts the server, the grace period included; None: there is no deadline."""
    asked = [number(machine, WINDOWS_UPDATE, name) for name in ("SetComplianceDeadline", "SetComplianceDeadlineForQU")]
    days = number(machine, WINDOWS_UPDATE, "ConfigureDeadlineForQualityUpdates")
    if 1 not in asked or days is None:
        return None
    return days + (number(machine, WINDOWS_UPDATE, "ConfigureDeadlineGracePeriod") or 0)


def _restart_after(machine: Machine, seconds: float, by: str, how: str) -> None:
    def restart() -> None:
        if machine.updates.restart_pending:
            machine.power.restart_now(by, how)

    machine.timeline.after(seconds, restart)


# Automatic updates


class AutomaticUpdates:
    """The installations that a server makes by itself at the hour of its policy (option 4)."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._due: Event | None = None

    @property
    def scheduled(self) -> bool:
        """Whether the server installs by itself: by policy, or by its own setting where the policy leaves it to it."""
        machine = self._machine
        if number(machine, AUTOMATIC, "NoAutoUpdate") == 1:
            return False
        option = number(machine, AUTOMATIC, "AUOptions")
        if option in (None, 5):
            option = number(machine, AUTO_UPDATE, "AUOptions")
        return option == 4

    def arm(self) -> None:
        """Read the settings, as the service does when it starts, and wait for the next hour they name."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self.scheduled:
            seconds = (self._next() - self._machine.now()).total_seconds()
            self._due = self._machine.timeline.after(seconds, self._begin)

    def _next(self) -> datetime:
        machine = self._machine
        now = machine.now()
        hour = number(machine, AUTOMATIC, "ScheduledInstallTime")
        moment = now.replace(
            hour=hour if hour is not None and 0 <= hour <= 23 else SCHEDULED_HOUR, minute=0, second=0, microsecond=0
        )
        for _day in range(62):
            if moment > now and self._fits(moment):
                return moment
            moment += timedelta(days=1)
        return moment

    def _fits(self, moment: datetime) -> bool:
        """Whether the policy installs on this day: 0 every day, 1 Sunday to 7 Saturday, in the weeks it names."""
        machine = self._machine
        day = number(machine, AUTOMATIC, "ScheduledInstallDay") or 0
        if day not in (0, moment.isoweekday() % 7 + 1):
            return False
        weeks = [number(machine, AUTOMATIC, f"ScheduledInstall{week}Week") == 1 for week in _WEEKS]
        if number(machine, AUTOMATIC, "ScheduledInstallEveryWeek") == 1 or not any(weeks):
            return True
        week = (moment.day - 1) // 7
        return week < len(weeks) and weeks[week]

    def _begin(self) -> None:
        self._due = None
        machine = self._machine
        if self.scheduled and machine.power.state == "running" and not machine.updates.is_busy:
            self._install(machine.updates.wanted_by_itself())
        self.arm()

    def _install(self, left: list[Offer]) -> None:
        machine = self._machine
        while left:
            offer = left.pop(0)
            if machine.updates.download(offer, None)[0] == 2:
                machine.updates.begin_install(offer, None, lambda _done: self._install(left))
                return
        if machine.updates.restart_pending:
            _restart_after(machine, RESTART_MINUTES * 60.0, "Windows Update", "scheduled installation")

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows Update Agent of one server: what it finds, fetches and installs, and what that does to the server.

A hotpatch changes the build at once and needs no restart. A cumulative update waits for one: markers are set, the
servicing stack update in it applies at once, and the build changes some time after the (second) boot, in which also
the rows of the update it replaces vanish. An ordinary cumulative update on an enrolled server takes it off the track
until the next baseline (windowsserverdocs, hotpatch for Arc, 2025-10-30; recorded restarts and update lists of WS2025
machines).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import (
    policy_effects,
    update_criteria,
    update_sources,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.faults import concerns
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import PREVIEW
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.journal import Installation
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry_content import (
    AUTO_UPDATE,
    SERVICING,
    mark_pending,
    set_ubr,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_history import UpdateHistory
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_offers import (
    Offer,
    Standing,
    installed_name,
    offers,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_rows import (
    OsUpdate,
    all_kbs,
    baseline_before,
    find_update,
    updates_for,
)

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

NOT_SUPPORTED = 0x80240037
NOT_DOWNLOADED = 0x80246007
COULD_NOT_EVALUATE = 0x80240068
INSTALL_NOT_ALLOWED = 0x80240016
METHOD_NOT_FOUND = 0x80131501
EULAS_DECLINED = 0x80240023

PREVIEW_UBR = 1

SEARCH_SECONDS = 60.0
BOOTSTRAPPER_SECONDS = 5.0

_DOWNLOAD_SECONDS = {"hotpatch": 60.0, "baseline": 300.0, "lcu": 300.0, "dotnet": 60.0}
_INSTALL_SECONDS = {"hotpatch": 120.0, "baseline": 900.0, "lcu": 900.0, "dotnet": 300.0}
_OTHER_SECONDS = 30.0


class AgentError(Exception):
    """The agent refuses or fails; ``hresult`` is unsigned."""

    def __init__(self, hresult: int, message: str) -> None:
        super().__init__(message)
        self.hresult = hresult
        self.message = message


@dataclass
class QuickFix:
    """One row of Win32_QuickFixEngineering."""

    kb: str
    description: str
    installed: date
    by: str
    caption: str

    @property
    def installed_on(self) -> str:
        """Month, day and year without leading zeros, in US order whatever the locale (raw WMI value)."""
        return f"{self.installed.month}/{self.installed.day}/{self.installed.year}"


class UpdateService:
    """Windows Update on one server."""

    def __init__(self, machine: Machine, as_of: date) -> None:
        self._machine = machine
        self.as_of = as_of
        spec = machine.spec
        product = spec.product_data
        self._product = product
        self.lcu: OsUpdate | None = None
        self.hotpatch: OsUpdate | None = None
        self._waiting: list[Offer] = []
        self._installed: set[str] = set()
        self._offers: dict[str, Offer] = {}
        self._downloaded: set[str] = set()
        self._bootstrapped: set[str] = set()
        self._accepted: set[str] = set()
        self.hidden: set[str] = set()
        self.history = UpdateHistory()
        self._source: tuple[int, str] = (0, update_sources.WINDOWS_UPDATE)
        self._busy_until = 0.0
        self._current: Installation | None = None
        self.quick_fixes: list[QuickFix] = []
        self.ubr = product.rtm_ubr
        self._start_level(spec.level)
        self.history.begin(self._past(), as_of)
        for kb in spec.extra_kbs:
            self._installed.add(kb)
            self._add_fix(kb, "Update", self._level_date(), "", f"http://support.microsoft.com/?kbid={kb[2:]}")

    # What the server is

    @property
    def capable(self) -> bool:
        """Whether hotpatches may come: enrolled, not paused, licensed, VBS running, on a product that has them."""
        machine = self._machine
        if not self._product.server or not machine.licence.active or machine.vbs != 2:
            return False
        return machine.spec.edition_data.azure or self._product.build >= 26100

    @property
    def on_track(self) -> bool:
        """Whether it sits on the current baseline or a hotpatch built on it."""
        baselines = [item for item in self._known() if item.kind == "baseline" and item.date <= self.as_of]
        return self.capable and self.lcu is not None and bool(baselines) and self.lcu.kb == baselines[-1].kb

    @property
    def installed_kbs(self) -> list[str]:
        """The KBs that are installed, the ones that wait for a restart left out."""
        return sorted({name.split("/", 1)[0] for name in self._installed})

    @property
    def restart_pending(self) -> bool:
        """Whether an installation, or a removal, waits for a restart."""
        return bool(self._waiting) or self._machine.packages.removal_pending

    @property
    def needs_second_restart(self) -> bool:
        """Whether what waits restarts the server twice."""
        return any(offer.os_update is not None for offer in self._waiting)

    @property
    def restart_required(self) -> bool:
        """ISystemInformation.RebootRequired: the agent's own marker, or servicing's."""
        registry = self._machine.registry
        markers = (AUTO_UPDATE + r"\RebootRequired", SERVICING + r"\RebootPending")
        return self.restart_pending or any(registry.find(path) is not None for path in markers)

    @property
    def is_busy(self) -> bool:
        """IUpdateInstaller.IsBusy: an installation runs on this computer."""
        return self._current is not None or self._machine.timeline.seconds() < self._busy_until

    # What the agent is asked

    def search(self, criteria: str, server_selection: int, service_id: str | None = None) -> list[Offer]:
        """What a search finds now.

        :raises AgentError: the criteria cannot be read, or a fault strikes.
        """
        machine = self._machine
        failure = machine.faults.strikes(machine.faults.search, "any")
        if failure is not None:
            raise AgentError(failure, "The search failed.")
        try:
            groups = update_criteria.parse(criteria)
        except update_criteria.CriteriaError as error:
            raise AgentError(update_criteria.INVALID_CRITERIA, "The search criteria are not valid.") from error
        asked = update_sources.service_for(machine, server_selection, service_id)
        if asked is None:
            raise AgentError(0x80248014, "The service is not registered.")
        self._source = (server_selection, asked)
        refused = policy_effects.search_error(machine, server_selection)
        if refused is not None:
            raise AgentError(*refused)
        standing = policy_effects.deferred(machine, self._standing(), server_selection)
        found = policy_effects.approved(machine, offers(standing), server_selection)
        self._offers.update({offer.update_id: offer for offer in found})
        known = {**{offer.update_id: offer for offer in self._waiting}, **{offer.update_id: offer for offer in found}}
        installed = [offer for key, offer in self._offers.items() if key not in known and self.has(offer)]
        return [offer for offer in [*known.values(), *installed] if update_criteria.matches(groups, self._facts(offer))]

    def wanted_by_itself(self) -> list[Offer]:
        """What automatic updates install: all that is offered and was not installed yet."""
        try:
            return [offer for offer in self.search("IsInstalled=0 and IsHidden=0", 0) if not self.waits(offer)]
        except AgentError:
            return []

    def has(self, offer: Offer) -> bool:
        """Whether an update is installed (IsInstalled)."""
        return installed_name(offer, self.as_of) in self._installed and not self._offered_again(offer)

    def waits(self, offer: Offer) -> bool:
        """Whether an update is installed and waits for a restart (the update's own RebootRequired)."""
        return any(item.update_id == offer.update_id for item in self._waiting)

    def hide(self, offer: Offer, hidden: bool, run_id: str | None) -> None:
        """IUpdate.IsHidden is set: a hidden update is not offered until it is shown again."""
        if hidden is (offer.update_id in self.hidden):
            return
        (self.hidden.add if hidden else self.hidden.discard)(offer.update_id)
        self._machine.wrote("update", f"{'hide' if hidden else 'unhide'} {offer.kb}", run_id or "Windows Update")

    def eula_accepted(self, offer: Offer) -> bool:
        """EulaAccepted: most updates have no licence terms of their own."""
        return offer.update_id in self._accepted or not concerns(self._machine.faults.eulas, offer.kb)

    def accept_eula(self, offer: Offer, run_id: str | None) -> None:
        """AcceptEula()."""
        if not self.eula_accepted(offer):
            self._accepted.add(offer.update_id)
            self._machine.wrote("update", f"accept the licence of {offer.kb}", run_id or "Windows Update")

    def downloaded(self, offer: Offer) -> bool:
        """IsDownloaded."""
        return offer.update_id in self._downloaded

    def bootstrapper(self, offer: Offer) -> bool:
        """ExtendedStaticProperty('ContainsUpdateBootstrapper').

        :raises AgentError: the interface is missing (WS2022).
        """
        if self._product.build < 26100:
            raise AgentError(
                METHOD_NOT_FOUND,
                "Method invocation failed because [System.__ComObject] does not contain a method named "
                "'ExtendedStaticProperty'.",
            )
        return offer.bootstrapper

    def fetch_bootstrapper(self, offer: Offer) -> None:
        """Download2(1) for a collection with this one update.

        :raises AgentError: the update has no bootstrapper, or the interface is missing.
        """
        if not self.bootstrapper(offer):
            raise AgentError(NOT_SUPPORTED, "The update has no bootstrapper.")
        self._bootstrapped.add(offer.update_id)

    def evaluate(self, offer: Offer) -> bool | None:
        """EvaluateExtendedDynamicProperty('DoesUpdateRequireReboot'); None stands for an empty answer.

        :raises AgentError: nobody can tell.
        """
        faults = self._machine.faults
        if not self.bootstrapper(offer):
            raise AgentError(NOT_SUPPORTED, "The update has no bootstrapper.")
        if offer.update_id not in self._bootstrapped | self._downloaded:
            raise AgentError(NOT_DOWNLOADED, "The update has not been downloaded.")
        failure = faults.strikes(faults.evaluation_errors, offer.kb)
        if failure is not None:
            raise AgentError(failure, "The property could not be evaluated.")
        return None if concerns(faults.evaluation_null, offer.kb) else offer.needs_restart

    def download_seconds(self, offer: Offer) -> float:
        """How long a download takes."""
        return _DOWNLOAD_SECONDS.get(offer.kind, _OTHER_SECONDS) * self._machine.jitter()

    def download(self, offer: Offer, run_id: str | None) -> tuple[int, int]:
        """Download one update: result code and HRESULT."""
        machine = self._machine
        failure = machine.faults.strikes(machine.faults.download, offer.kb)
        if failure is None and not self.eula_accepted(offer):
            failure = EULAS_DECLINED
        if failure is None and machine.disk.full:
            failure = 0x80070070
        if failure is None:
            self._downloaded.add(offer.update_id)
        machine.journal.downloads.append(
            {
                "kb": offer.kb,
                "update_id": offer.update_id,
                "run_id": run_id,
                "time": machine.now().isoformat(),
                "hresult": f"0x{failure or 0:08X}",
            }
        )
        return (2, 0) if failure is None else (4, failure)

    def occupy(self, seconds: float) -> None:
        """Let another installation run for so long."""
        timeline = self._machine.timeline
        self._busy_until = max(self._busy_until, timeline.seconds() + seconds / timeline.scale)

    def begin_install(self, offer: Offer, run_id: str | None, done: Callable[[Installation], None]) -> Installation:
        """Start to install one update; ``done`` is called at its end, unless it hangs or the server goes down."""
        machine = self._machine
        entry = Installation(offer.kb, offer.update_id, offer.title, machine.now(), run_id)
        machine.journal.installations.append(entry)
        machine.wrote("update", f"install {offer.kb}", run_id or "Windows Update")
        self._current = entry
        if concerns(machine.faults.hangs, offer.kb):
            return entry
        boot = machine.power.boots
        seconds = _INSTALL_SECONDS.get(offer.kind, _OTHER_SECONDS) * machine.jitter()

        def finish() -> None:
            if machine.power.boots == boot and self._current is entry:
                self._current = None
                self._finish(offer, entry)
                done(entry)

        machine.timeline.after(seconds, finish)
        return entry

    def interrupted(self) -> None:
        """The server goes down: what was being installed is not."""
        if self._current is not None:
            self._current.finished = self._machine.now()
            self._current.result_code = 5
            self._current.hresult = 0x8024001E
            self._current = None

    # What a restart does

    def mark_in_progress(self) -> None:
        """Servicing goes on between the two boots."""
        mark_pending(self._machine.registry, "reboot_in_progress", self._machine.hostname)

    def finish_restart(self) -> None:
        """The work of the restart is done: the build is new, or the old one when servicing rolled back."""
        if self._machine.packages.removal_pending:
            self._go_back()
        waiting, self._waiting = self._waiting, []
        faults = self._machine.faults
        for offer in sorted(waiting, key=lambda item: item.os_update.ubr if item.os_update else 0):
            self.history.restarted(offer.update_id, rolled_back=faults.rollbacks > 0)
            if faults.rollbacks > 0:
                self._downloaded.discard(offer.update_id)
                continue
            self._installed.add(installed_name(offer, self.as_of))
            today = self._machine.now().date()
            if offer.os_update is None:
                caption = f"http://support.microsoft.com/?kbid={offer.kb[2:]}"
                self._add_fix(offer.kb, "Update", today, r"NT AUTHORITY\SYSTEM", caption)
            else:
                self._take_lcu(offer.os_update, today)
        if waiting and faults.rollbacks > 0:
            faults.rollbacks -= 1
            self._machine.packages.update_rolled_back()

    def forget_markers(self) -> None:
        """The last marker goes, some time after the build is new."""
        if not self.restart_pending:
            self._machine.registry.remove(SERVICING + r"\PackagesPending")
            self._machine.registry.remove(SERVICING + r"\RebootInProgress")

    def _finish(self, offer: Offer, entry: Installation) -> None:
        self._install(offer, entry)
        self.history.installed(
            offer,
            self._machine.now(),
            entry.result_code or 4,
            entry.hresult,
            waits=offer.needs_restart,
            source=self._source,
        )

    def _install(self, offer: Offer, entry: Installation) -> None:
        machine = self._machine
        faults = machine.faults
        entry.finished = machine.now()
        failure = faults.strikes(faults.install, offer.kb)
        if failure is None and machine.disk.full:
            failure = 0x80070070
        if failure is not None:
            entry.result_code, entry.hresult, entry.restart_required = 4, failure, False
            return
        entry.result_code, entry.restart_required = 2, offer.needs_restart
        if offer.needs_restart:
            self._waiting.append(offer)
            self._mark(("component_based_servicing", "packages_pending", "windows_update"))
            if offer.os_update is not None:
                kb = servicing_stack_kb(offer.kb)
                self._add_fix(kb, "Update", machine.now().date(), r"NT AUTHORITY\SYSTEM", "")
                machine.packages.update_waits(offer.os_update)
            policy_effects.plan_restart(machine)
            return
        self._installed.add(installed_name(offer, self.as_of))
        if offer.os_update is not None:
            self._take_hotpatch(offer.os_update, machine.now().date())
            if concerns(faults.wants_restart, offer.kb):
                entry.restart_required = True
                self._mark(("component_based_servicing", "windows_update"))

    def _mark(self, sources: tuple[str, ...]) -> None:
        for source in sources:
            mark_pending(self._machine.registry, source, self._machine.hostname)

    def withdraw(self, update: OsUpdate) -> None:
        """An update that waits for its restart is taken off before it."""
        self._waiting = [offer for offer in self._waiting if offer.os_update != update]

    def _go_back(self) -> None:
        """A removal is finished by its restart: the build and the list of KBs are the earlier ones."""
        machine = self._machine
        removed = machine.packages.finish_removal(rolled_back=machine.faults.rollbacks > 0)
        if removed is None:
            machine.faults.rollbacks -= 1
            return
        self._installed -= removed.kbs
        # The servicing stack stays; so does its row.
        self.quick_fixes = [row for row in self.quick_fixes if row.kb not in removed.kbs]
        by_lcu = removed.package.kind == "rollup"
        if by_lcu:
            self.lcu = removed.back
        self.hotpatch = None
        self.ubr = self.lcu.ubr if self.lcu is not None else self._product.rtm_ubr
        set_ubr(machine.registry, machine.spec, self.ubr, by_lcu=by_lcu)
        if by_lcu and self.lcu is not None:
            link = f"https://support.microsoft.com/help/{self.lcu.kb[2:]}"
            self._installed.add(self.lcu.kb)
            self._add_fix(self.lcu.kb, "Security Update", machine.now().date(), r"NT AUTHORITY\SYSTEM", link)

    def _take_hotpatch(self, update: OsUpdate, day: date) -> None:
        self.hotpatch = update
        self.ubr = update.ubr
        self._machine.packages.hotpatch_taken(update)
        set_ubr(self._machine.registry, self._machine.spec, update.ubr, by_lcu=False)
        self._add_hotpatch_fix(update, day, r"NT AUTHORITY\SYSTEM")

    def _take_lcu(self, update: OsUpdate, day: date) -> None:
        # The superseded cumulative update, its servicing stack and the hotpatches on it leave the list.
        gone = {item.kb for item in (self.lcu, self.hotpatch) if item is not None}
        gone |= {servicing_stack_kb(kb) for kb in gone}
        self.quick_fixes = [row for row in self.quick_fixes if row.kb not in gone]
        self._installed -= gone
        self.lcu, self.hotpatch, self.ubr = update, None, update.ubr
        self._machine.packages.update_taken(update)
        self._installed.add(update.kb)
        set_ubr(self._machine.registry, self._machine.spec, update.ubr, by_lcu=True)
        self._add_lcu_fixes(update, day, r"NT AUTHORITY\SYSTEM")

    def _add_lcu_fixes(self, update: OsUpdate, day: date, by: str) -> None:
        self._add_fix(update.kb, "Security Update", day, by, f"https://support.microsoft.com/help/{update.kb[2:]}")
        self._add_fix(servicing_stack_kb(update.kb), "Update", day, by, "")

    def _add_hotpatch_fix(self, update: OsUpdate, day: date, by: str) -> None:
        # No public output shows whether a hotpatch is listed here, so a fleet can have it both ways.
        if self._machine.spec.hotpatch_in_quick_fixes:
            self._add_fix(update.kb, "Security Update", day, by, f"https://support.microsoft.com/help/{update.kb[2:]}")

    def _add_fix(self, kb: str, description: str, day: date, by: str, caption: str) -> None:
        self.quick_fixes = [row for row in self.quick_fixes if row.kb != kb]
        self.quick_fixes.append(QuickFix(kb, description, day, by, caption))

    # The level a server starts at

    def _known(self) -> tuple[OsUpdate, ...]:
        return updates_for(self._product.rows, self._product.build)

    def _start_level(self, level: str) -> None:
        if level == PREVIEW:
            self.ubr = PREVIEW_UBR
        if level in ("rtm", PREVIEW):
            return
        update = find_update(self._product.rows, self._product.build, level)
        if update is None:
            return
        by = r"NT AUTHORITY\SYSTEM"
        if update.is_hotpatch:
            self.lcu = baseline_before(update.product, update.build, update)
            self.hotpatch = update
        else:
            self.lcu = update
        if self.lcu is not None:
            self._installed.add(self.lcu.kb)
            self._add_lcu_fixes(self.lcu, self.lcu.date, by)
        self._installed.add(update.kb)
        self.ubr = update.ubr
        if update.is_hotpatch:
            self._add_hotpatch_fix(update, update.date, by)

    def _past(self) -> list[OsUpdate]:
        """The updates that brought the server to its level, oldest first."""
        older = [
            item for item in self._known() if not item.is_hotpatch and not item.out_of_band and item.ubr < self.ubr
        ]
        mine = [item for item in (self.lcu, self.hotpatch) if item is not None]
        before = [item for item in older if self.lcu is not None and item.date < self.lcu.date]
        return [*before, *mine]

    def _level_date(self) -> date:
        return self.lcu.date if self.lcu is not None else date(2024, 11, 1)

    def _standing(self) -> Standing:
        return Standing(
            updates=self._known(),
            as_of=self.as_of,
            ubr=max([self.ubr, *(offer.os_update.ubr for offer in self._waiting if offer.os_update is not None)]),
            lcu=self.lcu,
            capable=self.capable,
            installed=frozenset(self._installed | {installed_name(offer, self.as_of) for offer in self._waiting}),
            others=self._machine.spec.other_updates,
            offers_old_baseline=self._machine.spec.offers_old_baseline,
            build=self._product.build,
            reoffered=frozenset(self._machine.faults.reoffered),
        )

    def _offered_again(self, offer: Offer) -> bool:
        return concerns(self._machine.faults.reoffered, offer.kb)

    def _facts(self, offer: Offer) -> dict[str, Any]:
        return {
            "isinstalled": self.has(offer),
            "ishidden": offer.update_id in self.hidden,
            "isassigned": True,
            "ispresent": self.has(offer),
            "browseonly": False,
            "autoselectonwebsites": True,
            "rebootrequired": self.waits(offer),
            "type": "software",
            "deploymentaction": "installation",
            "updateid": offer.update_id,
            "revisionnumber": offer.revision,
            "categoryids": {key for key, _name in offer.categories},
        }


def servicing_stack_kb(kb: str) -> str:
    """The KB of the servicing stack update inside a cumulative update.

    KB5082063 carries KB5082062 on real WS2025 machines; for the others the nearest lower number that is no release of
    the catalogue is this lab's assumption.
    """
    number = int(kb[2:]) - 1
    while f"KB{number}" in all_kbs():
        number -= 1
    return f"KB{number}"


def utc_text(moment: datetime) -> str:
    """As the script writes a time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure Update Manager does on a server when it is asked to: assess, install, restart.

An assessment is a search of the server's own Windows Update; an installation takes what that search offers and the
request selects, and restarts by the request's setting: so policies, the licence, the update server and every fault of
the guest count here as they count at the server. A server that Azure has no contact with makes an operation wait, and
at last fail. Words and counts of results: Microsoft's specifications (HybridCompute 2024-07-10, Compute 2024-07-01).
How long it takes, and that a run without contact ends as Failed after a while, are this lab's assumptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.journal import Installation
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_offers import Offer
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_service import SEARCH_SECONDS, AgentError

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Timeline
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

#: Until the extension on the server has the request.
START_SECONDS = 45.0
RETRY_SECONDS = 60.0
#: Without contact: so long an assessment waits, and so long a result that cannot be told.
NO_CONTACT_SECONDS = 1800.0
#: Category of Windows Update to the word that requests use.
CLASSIFICATIONS = {
    "Critical Updates": "Critical",
    "Security Updates": "Security",
    "Update Rollups": "UpdateRollUp",
    "Feature Packs": "FeaturePack",
    "Service Packs": "ServicePack",
    "Definition Updates": "Definition",
    "Tools": "Tools",
    "Updates": "Updates",
}
_BEHAVIOURS = ("NeverReboots", "AlwaysRequiresReboot", "CanRequestReboot")
_NO_CONTACT = {
    "code": "MachineNotReachable",
    "message": "The machine did not answer: it is not running, or its agent has no contact.",
}


@dataclass
class Patch:
    """One update in a result; ``state`` is empty in an assessment."""

    offer: Offer
    published: datetime
    state: str = ""

    @property
    def kb_id(self) -> str:
        return self.offer.kb.removeprefix("KB")

    @property
    def categories(self) -> list[str]:
        """As Windows Update names them."""
        return [name for _key, name in self.offer.categories]

    @property
    def classifications(self) -> list[str]:
        """As requests name them."""
        return [CLASSIFICATIONS.get(name, "Updates") for name in self.categories]

    @property
    def behaviour(self) -> str:
        return _BEHAVIOURS[self.offer.restart_behavior]


@dataclass
class Run:
    """One assessment or installation, from its request to its result.

    :ivar started_by: User, or Platform in a window of a maintenance configuration, which is then ``maintenance_run``.
    """

    activity: str
    started: datetime
    changed_at: datetime
    status: str = "InProgress"
    patches: list[Patch] = field(default_factory=list)
    error: dict[str, str] | None = None
    reboot_pending: bool = False
    reboot_status: str = "NotNeeded"
    exceeded: bool = False
    started_by: str = "User"
    maintenance_run: str | None = None

    @property
    def is_over(self) -> bool:
        return self.status != "InProgress"

    def count(self, *states: str) -> int:
        return sum(1 for patch in self.patches if patch.state in states)

    def counts(self) -> dict[str, int]:
        """By state, under the names of the specification."""
        return {
            "excludedPatchCount": self.count("Excluded"),
            "notSelectedPatchCount": self.count("NotSelected"),
            "pendingPatchCount": self.count("Pending"),
            "installedPatchCount": self.count("Installed"),
            "failedPatchCount": self.count("Failed"),
        }


class PatchedServer:
    """One server as Azure Update Manager has it: its last assessment, its installations.

    :param in_contact: whether Azure can have something done on it now.
    """

    def __init__(self, machine: Machine, in_contact: Callable[[], bool], name_of: Callable[[str], str]) -> None:
        self.machine = machine
        self.in_contact = in_contact
        self._name_of = name_of
        self.assessment: Run | None = None
        self.installations: list[Run] = []
        self._count = 0

    @property
    def installation(self) -> Run | None:
        """The last one."""
        return self.installations[-1] if self.installations else None

    @property
    def is_busy(self) -> bool:
        return any(run is not None and not run.is_over for run in (self.assessment, self.installation))

    def _begin(self) -> Run:
        self._count += 1
        now = self.machine.timeline.now()
        return Run(self._name_of(f"{self.machine.name}/{self._count}"), now, now)

    @property
    def _timeline(self) -> Timeline:
        return self.machine.timeline

    def end(self, run: Run, status: str) -> None:
        """A run is over."""
        run.status, run.changed_at = status, self._timeline.now()

    # Assessing

    def assess(self) -> Run:
        """Ask for an assessment."""
        run = self.assessment = self._begin()
        until = self._timeline.seconds() + NO_CONTACT_SECONDS / self._timeline.scale
        self._timeline.after(START_SECONDS, lambda: self._assess_now(run, until))
        return run

    def _assess_now(self, run: Run, until: float) -> None:
        if not self.in_contact():
            if self._timeline.seconds() >= until:
                run.error = dict(_NO_CONTACT)
                self.end(run, "Failed")
            else:
                self._timeline.after(RETRY_SECONDS, lambda: self._assess_now(run, until))
            return
        self._timeline.after(SEARCH_SECONDS * self.machine.jitter(), lambda: self._assessed(run))

    def _assessed(self, run: Run) -> None:
        found = self.search(run)
        run.reboot_pending = self.machine.updates.restart_required
        if found is None:
            self.end(run, "Failed")
            return
        run.patches = [Patch(offer, self.published(offer)) for offer in found]
        self.end(run, "Succeeded")

    def search(self, run: Run) -> list[Offer] | None:
        """What Windows Update offers; None when it cannot tell, which the run then says."""
        try:
            found = self.machine.updates.search("IsInstalled=0 and IsHidden=0", 0)
        except AgentError as error:
            run.error = {
                "code": f"0x{error.hresult:08X}",
                "message": f"The search of Windows Update failed: {error.message}",
            }
            return None
        return [offer for offer in found if not self.machine.updates.waits(offer)]

    def published(self, offer: Offer) -> datetime:
        """When it came out."""
        day = offer.os_update.date if offer.os_update is not None else self.machine.updates.as_of
        return datetime(day.year, day.month, day.day, tzinfo=UTC)

    # Installing

    def install(self, wanted: Mapping[str, Any], longest: timedelta) -> Run:
        """Ask for an installation; ``wanted`` is the request's body."""
        run = self._begin()
        self.installations.append(run)
        until = self._timeline.seconds() + longest.total_seconds() / self._timeline.scale
        work = _Installing(self, run, wanted, until)
        self._timeline.after(START_SECONDS, work.begin)
        self._timeline.at(until, work.time_is_up)
        return run


class _Installing:
    """One installation on its way."""

    def __init__(self, server: PatchedServer, run: Run, wanted: Mapping[str, Any], until: float) -> None:
        self._server = server
        self._run = run
        self._wanted = wanted
        self._until = until
        self._left: list[Patch] = []
        self._current: Patch | None = None
        self._restarting = False

    @property
    def _machine(self) -> Machine:
        return self._server.machine

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._machine.timeline.after(seconds, action)

    @property
    def _late(self) -> bool:
        return self._machine.timeline.seconds() >= self._until

    def begin(self) -> None:
        """The extension starts, as soon as there is contact."""
        if self._run.is_over:
            return
        if not self._server.in_contact() or self._machine.updates.is_busy:
            self._later(RETRY_SECONDS, self.begin)
            return
        self._later(SEARCH_SECONDS * self._machine.jitter(), self._select)

    def _select(self) -> None:
        if self._run.is_over:
            return
        found = self._server.search(self._run)
        if found is None:
            self._server.end(self._run, "Failed")
            return
        windows = self._wanted.get("windowsParameters") or {}
        self._run.patches = [Patch(offer, self._server.published(offer)) for offer in found]
        for patch in self._run.patches:
            patch.state = _state_for(patch, windows)
        self._left = [patch for patch in self._run.patches if patch.state == "Pending"]
        self._next()

    def _next(self) -> None:
        if self._run.is_over:
            return
        if not self._left or self._late:
            self._installed_all()
            return
        patch = self._current = self._left.pop(0)
        updates = self._machine.updates
        updates.accept_eula(patch.offer, self._run.activity)
        self._later(updates.download_seconds(patch.offer), lambda: self._downloaded(patch))

    def _downloaded(self, patch: Patch) -> None:
        if self._run.is_over:
            return
        updates = self._machine.updates
        code, hresult = updates.download(patch.offer, self._run.activity)
        if code != 2:
            self._failed(patch, hresult)
            self._next()
            return
        updates.begin_install(patch.offer, self._run.activity, lambda entry: self._installed(patch, entry))

    def _installed(self, patch: Patch, entry: Installation) -> None:
        self._current = None
        if entry.result_code == 2:
            patch.state = "Installed"
        else:
            self._failed(patch, entry.hresult)
        self._next()

    def _failed(self, patch: Patch, hresult: int) -> None:
        self._current = None
        patch.state = "Failed"
        self._run.error = {
            "code": f"0x{hresult:08X}",
            "message": f"The installation of {patch.offer.kb} failed with 0x{hresult:08X}.",
        }

    def time_is_up(self) -> None:
        """The maximum duration is over: what was begun ends by itself, nothing more is begun."""
        if self._run.is_over or self._restarting:
            return
        if self._current is None or _never_ends(self._machine):
            self._run.exceeded = bool(self._left) or self._current is not None
            if not self._run.patches and not self._server.in_contact():
                self._run.error = dict(_NO_CONTACT)
            self._server.end(self._run, "Failed")

    def _installed_all(self) -> None:
        run, machine = self._run, self._machine
        run.exceeded = bool(self._left)
        setting = self._wanted["rebootSetting"]
        needed = machine.updates.restart_required
        if setting == "Always" or (setting == "IfRequired" and needed):
            run.reboot_status = "Started"
            self._restarting = True
            boots = machine.power.boots
            machine.power.restart_now("Azure Update Manager", f"rebootSetting {setting}")
            self._later(RETRY_SECONDS, lambda: self._restarted(boots, NO_CONTACT_SECONDS))
            return
        run.reboot_status = "Required" if needed else "NotNeeded"
        self._report(NO_CONTACT_SECONDS)

    def _restarted(self, boots: int, left: float) -> None:
        machine = self._machine
        back = machine.power.boots > boots and machine.power.state == "running" and not machine.updates.restart_pending
        if back or left <= 0:
            self._run.reboot_status = "Completed" if back else "Failed"
            self._report(NO_CONTACT_SECONDS)
            return
        self._later(RETRY_SECONDS, lambda: self._restarted(boots, left - RETRY_SECONDS))

    def _report(self, left: float) -> None:
        """Azure learns the result only while there is contact."""
        run = self._run
        if not self._server.in_contact() and left > 0:
            self._later(RETRY_SECONDS, lambda: self._report(left - RETRY_SECONDS))
            return
        failed = run.count("Failed") or run.reboot_status == "Failed" or not self._server.in_contact()
        self._server.end(run, "Failed" if failed else "CompletedWithWarnings" if run.exceeded else "Succeeded")


def _never_ends(machine: Machine) -> bool:
    """Whether what is being installed will never end: the server went down, or the installation hangs."""
    return not machine.updates.is_busy or bool(machine.faults.hangs)


def _state_for(patch: Patch, windows: Mapping[str, Any]) -> str:
    """What the request says of an update: a list of KBs and a list of classifications add up."""
    kbs = {str(kb).upper().removeprefix("KB") for kb in windows.get("kbNumbersToInclude") or ()}
    without = {str(kb).upper().removeprefix("KB") for kb in windows.get("kbNumbersToExclude") or ()}
    classes = set(windows.get("classificationsToInclude") or ())
    if patch.kb_id in without:
        return "Excluded"
    if windows.get("excludeKbsRequiringReboot") and patch.behaviour != "NeverReboots":
        return "Excluded"
    latest = windows.get("maxPatchPublishDate")
    if latest and patch.published > datetime.fromisoformat(str(latest).replace("Z", "+00:00")):
        return "NotSelected"
    if not kbs and not classes:
        return "Pending"
    return "Pending" if patch.kb_id in kbs or classes & set(patch.classifications) else "NotSelected"

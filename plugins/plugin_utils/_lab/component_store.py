# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The component store of one server: the packages that DISM lists, and what taking one off does.

A cumulative update is ``Package_for_RollupFix`` with the build in its version; the one before it stays as superseded
and comes back when the newer one is taken off, unless a cleanup has removed it. A servicing stack applies at once and
never goes. Names, states and CBS numbers: public DISM outputs of WS2022 and WS2025 machines. The name of a hotpatch's
package is this lab's invention: no public output shows one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.faults import concerns
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import REG_DWORD, RegistryKey, RegistryValue
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry_content import SERVICING, mark_pending
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_rows import (
    OsUpdate,
    baseline_before,
    find_update,
    updates_for,
)

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

INSTALLED = "Installed"
SUPERSEDED = "Superseded"
STAGED = "Staged"
INSTALL_PENDING = "Install Pending"
UNINSTALL_PENDING = "Uninstall Pending"
PERMANENT = "Permanent"

#: CurrentState of a package in the registry (a script that reads a WS2025 store, August 2026).
CBS_STATES = {STAGED: 64, SUPERSEDED: 80, INSTALL_PENDING: 96, INSTALLED: 112, PERMANENT: 128, UNINSTALL_PENDING: 112}

NOT_REMOVABLE = 0x800F0825
UNKNOWN_PACKAGE = 0x800F0805
BUSY = 0x800F0902
RESTART_NEEDED = 3010

_PUBLISHER = "31bf3856ad364e35"
_SECURITY = "Security Update"
_REMOVAL_SECONDS = {"hotpatch": 60.0, "rollup": 420.0}
_REFUSED_SECONDS = 3.0
_OTHER_REMOVAL_SECONDS = 30.0


@dataclass
class Package:
    """One row of the store. ``kind`` is "rollup", "hotpatch", "stack", "dotnet" or "system"."""

    identity: str
    kind: str
    state: str
    release_type: str
    installed: datetime | None
    kb: str = ""
    update: OsUpdate | None = None


@dataclass(frozen=True)
class Removed:
    """What a removal came to: the package, the KBs that went with it, and the cumulative update that is back."""

    package: Package
    kbs: frozenset[str]
    back: OsUpdate | None


class ComponentStore:
    """The packages of one server, in the order DISM lists them: by name. ``working`` while DISM takes one off."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._build = machine.spec.product_data.build
        self._packages: dict[str, Package] = {}
        self._removing: Package | None = None
        self.working = False
        self._key = machine.registry.create(SERVICING + r"\Packages")

    # What is there

    def all(self) -> list[Package]:
        """Every package, as a listing shows them."""
        return [self._packages[key] for key in sorted(self._packages)]

    def find(self, identity: str) -> Package | None:
        """The package of that identity, without regard to case."""
        return self._packages.get(identity.lower())

    def shown_state(self, package: Package) -> str:
        """The state that a listing shows. Real listings do not show permanence; the fault can have it shown."""
        permanent = self._machine.faults.permanent
        shown = any(shown and kb in ("any", package.kb) for kb, shown in permanent.items())
        return PERMANENT if shown and package.kb and package.state == INSTALLED else package.state

    @property
    def removal_pending(self) -> bool:
        """Whether a removal waits for a restart."""
        return self._removing is not None

    # What Windows Update does to it

    def begin(self, lcu: OsUpdate | None, hotpatch: OsUpdate | None) -> None:
        """The packages of a server that starts its life in the lab with this level."""
        product = self._machine.spec.product_data
        image = datetime(2024, 11, 1, 8, 0, tzinfo=UTC)
        language = "Microsoft-Windows-Server-LanguagePack-Package" if product.server else "Microsoft-Windows-Client"
        language = f"{language}~{_PUBLISHER}~amd64~en-US~10.0.{self._build}.1"
        self._put(language, "system", INSTALLED, "Language Pack", image)
        foundation = f"Microsoft-Windows-Foundation-Package~{_PUBLISHER}~amd64~~10.0.{self._build}.1"
        self._put(foundation, "system", INSTALLED, "Foundation", image)
        rtm = f"Package_for_RollupFix~{_PUBLISHER}~amd64~~{self._build}.{product.rtm_ubr}.1.10"
        self._put(rtm, "rollup", INSTALLED if lcu is None else SUPERSEDED, "Update", image)
        if lcu is not None:
            earlier = self._before(lcu)
            if earlier is not None:
                self._add(earlier, SUPERSEDED, _noon(earlier.date))
            self._add(lcu, INSTALLED, _noon(lcu.date))
            self._stack(lcu, _noon(lcu.date))
        if hotpatch is not None:
            self._add(hotpatch, INSTALLED, _noon(hotpatch.date))
        self.show()

    def update_waits(self, update: OsUpdate) -> None:
        """A cumulative update is installed and waits for its restart; its servicing stack applies at once."""
        for package in self._of("rollup", INSTALLED):
            package.state = UNINSTALL_PENDING
        self._add(update, INSTALL_PENDING, None)
        self._stack(update, self._machine.now())
        self.show()

    def update_taken(self, update: OsUpdate) -> None:
        """The restart finished a cumulative update; what it replaces is superseded, with the hotpatches on it."""
        for package in self._packages.values():
            if package.kind in ("rollup", "hotpatch") and package.state in (INSTALLED, UNINSTALL_PENDING):
                package.state = SUPERSEDED
        self._add(update, INSTALLED, self._machine.now())
        self.show()

    def update_rolled_back(self) -> None:
        """Servicing gave up in the restart: what waited is gone, what was to go stays."""
        for package in self._of("rollup", INSTALL_PENDING):
            del self._packages[package.identity.lower()]
        for package in self._of("rollup", UNINSTALL_PENDING):
            package.state = INSTALLED
        self.show()

    def hotpatch_taken(self, update: OsUpdate) -> None:
        """A hotpatch is in effect; an earlier one is superseded."""
        for package in self._of("hotpatch", INSTALLED):
            package.state = SUPERSEDED
        self._add(update, INSTALLED, self._machine.now())
        self.show()

    # What a removal does

    def removal_seconds(self, package: Package) -> float:
        """How long DISM works on it; a refusal comes at once."""
        if self._refusal(package) is not None:
            return _REFUSED_SECONDS
        return _REMOVAL_SECONDS.get(package.kind, _OTHER_REMOVAL_SECONDS) * self._machine.jitter()

    def remove(self, package: Package) -> int:
        """Take a package off; the exit code of DISM: 0, 3010 or an HRESULT."""
        refusal = self._refusal(package)
        if refusal is not None:
            return refusal
        faults = self._machine.faults
        failure = faults.strikes(faults.removal, package.kb)
        if failure is not None:
            return failure
        if package.state in (SUPERSEDED, STAGED):
            del self._packages[package.identity.lower()]
            self.show()
            return 0
        if package.state == INSTALL_PENDING and package.update is not None:
            self._machine.updates.withdraw(package.update)
            self.update_rolled_back()
            return RESTART_NEEDED
        if package.state == INSTALLED:
            if concerns(faults.removal_ignored, package.kb):
                return 0
            package.state = UNINSTALL_PENDING
            earlier = self._earlier(package)
            if earlier is not None:
                earlier.state = INSTALL_PENDING
            self._removing = package
            for source in ("component_based_servicing", "packages_pending"):
                mark_pending(self._machine.registry, source, self._machine.hostname)
            self.show()
        return RESTART_NEEDED

    def finish_removal(self, *, rolled_back: bool) -> Removed | None:
        """The restart ended a removal; None when servicing rolled it back."""
        package, self._removing = self._removing, None
        earlier = next(iter(self._of("rollup", INSTALL_PENDING)), None)
        if package is None or rolled_back:
            if package is not None:
                package.state = INSTALLED
            if earlier is not None:
                earlier.state = SUPERSEDED
            self.show()
            return None
        gone = [package]
        if package.kind in ("hotpatch", "rollup"):
            # What goes back to a cumulative update loses every hotpatch on the one that went.
            gone += [item for item in self._packages.values() if item.kind == "hotpatch" and item is not package]
        for item in gone:
            del self._packages[item.identity.lower()]
        if earlier is not None:
            earlier.state = INSTALLED
        self.show()
        return Removed(package, frozenset(item.kb for item in gone if item.kb), earlier.update if earlier else None)

    def clean_up(self, *, reset_base: bool) -> None:
        """Cleanup of the store: superseded packages go; with a reset base nothing that is installed can go any more."""
        for package in [item for item in self._packages.values() if item.state == SUPERSEDED]:
            del self._packages[package.identity.lower()]
        if reset_base:
            self._machine.faults.permanent.setdefault("any", False)
        self.show()

    def show(self) -> None:
        """The registry's copy of the states."""
        self._key.keys.clear()
        for package in self._packages.values():
            state = RegistryValue("CurrentState", REG_DWORD, CBS_STATES[self.shown_state(package)])
            row = RegistryKey(package.identity, values={"currentstate": state})
            self._key.keys[package.identity.lower()] = row

    # Parts

    def _refusal(self, package: Package) -> int | None:
        machine = self._machine
        if machine.updates.is_busy:
            return BUSY
        if package.kind in ("stack", "system"):
            return NOT_REMOVABLE
        if package.state == INSTALLED and concerns(set(machine.faults.permanent), package.kb):
            return NOT_REMOVABLE
        if package.kind == "rollup" and package.state == INSTALLED and self._earlier(package) is None:
            return NOT_REMOVABLE
        return None

    def _earlier(self, package: Package) -> Package | None:
        """The cumulative update that comes back when this one goes; a hotpatch leaves its baseline as it is."""
        if package.kind != "rollup":
            return None
        older = [
            item for item in self._of("rollup", SUPERSEDED) if _version(item.identity) < _version(package.identity)
        ]
        return max(older, key=lambda item: _version(item.identity), default=None)

    def _before(self, lcu: OsUpdate) -> OsUpdate | None:
        """What a server of this level had before: the earlier baseline on the track, else the month's update before."""
        spec = self._machine.spec
        if spec.previous_level == "rtm":
            return None
        if spec.previous_level:
            return find_update(spec.product_data.rows, self._build, spec.previous_level)
        if lcu.kind != "baseline" and spec.enrolled:
            return baseline_before(lcu.product, lcu.build, lcu)
        older = [
            item
            for item in updates_for(lcu.product, lcu.build)
            if item.ubr < lcu.ubr and not item.is_hotpatch and (item.kind == "baseline" or not spec.enrolled)
        ]
        return older[-1] if older else None

    def _of(self, kind: str, state: str) -> list[Package]:
        return [item for item in self._packages.values() if item.kind == kind and item.state == state]

    def _add(self, update: OsUpdate, state: str, moment: datetime | None) -> None:
        name = "Package_for_HotpatchRollup" if update.is_hotpatch else "Package_for_RollupFix"
        identity = f"{name}~{_PUBLISHER}~amd64~~{update.build}.{update.ubr}.1.{update.ubr % 23 + 1}"
        kind = "hotpatch" if update.is_hotpatch else "rollup"
        self._packages[identity.lower()] = Package(identity, kind, state, _SECURITY, moment, update.kb, update)

    def _stack(self, update: OsUpdate, moment: datetime) -> None:
        # Its number is a little lower than the update's revision on recorded machines (33288 beside 33296).
        number = update.ubr - 8
        identity = f"Package_for_ServicingStack_{number}~{_PUBLISHER}~amd64~~{update.build}.{number}.1.4"
        for package in self._of("stack", INSTALLED):
            package.state = SUPERSEDED
        self._put(identity, "stack", INSTALLED, "Update", moment)

    def _put(self, identity: str, kind: str, state: str, release_type: str, moment: datetime | None) -> None:
        self._packages[identity.lower()] = Package(identity, kind, state, release_type, moment)


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, 0, tzinfo=UTC)


def _version(identity: str) -> tuple[int, ...]:
    return tuple(int(part) for part in identity.rsplit("~", 1)[-1].split("."))

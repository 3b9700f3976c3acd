# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What taking the latest update off one server would come to: said before anything is done.

There is no automatic rollback. A hotpatch that is taken off leaves the baseline below it; a cumulative update that is
taken off brings back the one before it, if its files are still in the component store. Either takes a restart. One
update is taken off at a time: whether a package can go is known for sure only by trying, and that must be known before
a server is drained (windowsserverdocs, hotpatch; a public lab log of refused removals on a 26100-base system).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.enrollment import installed_kbs
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.rules import build_of
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.policy import GIGABYTE, Policy
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.server_state import ServerState
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import month_in_words
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.packages import (
    HOTPATCH_PATTERN,
    Package,
    PackageState,
    hotpatch_of,
    rollup_of,
    rollups,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import Form, Level, Release, levels_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing, find_level, standing

#: After so many removals that a restart did not carry out, none is tried again.
MAX_ATTEMPTS = 2

_FORM_WORDS = {Form.HOTPATCH: "the hotpatch", Form.BASELINE: "the baseline", Form.LCU: "the cumulative update"}


class Status(StrEnum):
    """``POSSIBLE``: nothing speaks against trying. ``RESTART_DUE``: taken off already, the restart is to come."""

    POSSIBLE = "possible"
    RESTART_DUE = "restart_due"
    DONE = "done"
    NOTHING = "nothing"
    REFUSED = "refused"


class Removable(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Stage(StrEnum):
    """How far an earlier call came, as it wrote down on the server."""

    REMOVING = "removing"
    REMOVED = "removed"
    FINISHED = "finished"
    PERMANENT = "permanent"


@dataclass(frozen=True)
class Record:
    """What the last rollback left on the server about itself."""

    kb: str
    form: Form
    package: str
    build_before: str
    build_after: str
    stage: Stage
    attempts: int = 0
    then_install: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wish:
    """What a person wants off: ``what`` is latest, hotpatch or baseline; a KB says it exactly."""

    what: str = "latest"
    kb: str | None = None
    hotpatch_package: str = HOTPATCH_PATTERN


@dataclass(frozen=True)
class Target:
    """The one update that would go, its package, and the package that is in effect afterwards."""

    level: Level
    package: Package
    back: Package | None


@dataclass(frozen=True)
class Doubt:
    """One reason not to try; ``code`` is stable."""

    code: str
    words: str

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "words": self.words}


@dataclass(frozen=True)
class Plan:
    """The whole plan for one server.

    :param doubts: every reason against it at once; empty unless the status is ``refused``.
    :param then_install: KBs to install afterwards to stand on the last good baseline; mostly none.
    :param restarts: how many restarts are asked for, those of ``then_install`` included.
    :param cves_open_again: None when nothing was said about any of the updates concerned.
    :param cves_unknown_for: updates concerned whose CVEs were not given.
    """

    status: Status
    words: str
    target: Target | None = None
    doubts: tuple[Doubt, ...] = ()
    removable: Removable = Removable.UNKNOWN
    removable_words: str = ""
    build_after: Build | None = None
    returns_to: str | None = None
    standing_after: Standing | None = None
    last_good_baseline: str | None = None
    then_install: tuple[str, ...] = ()
    payload: str | None = None
    restarts: int = 0
    cves_open_again: tuple[str, ...] | None = None
    cves_unknown_for: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    ways: tuple[Doubt, ...] = ()
    kb: str | None = field(default=None)

    def as_dict(self) -> dict[str, Any]:
        after = self.standing_after
        package = self.target.package if self.target else None
        return {
            "status": self.status.value,
            "words": self.words,
            "kb": self.kb,
            "form": self.target.level.form.value if self.target else None,
            "package": package.identity if package else None,
            "package_state": package.state.value if package else None,
            "refused": [doubt.as_dict() for doubt in self.doubts],
            "removable": self.removable.value,
            "removable_words": self.removable_words,
            "returns_to": self.returns_to,
            "build_after": str(self.build_after) if self.build_after else None,
            "track_after": after.track.value if after else None,
            "state_after": after.state.value if after else None,
            "words_after": after.words if after else None,
            "last_good_baseline": self.last_good_baseline,
            "then_install": list(self.then_install),
            "payload": self.payload,
            "restarts": self.restarts,
            "cves_open_again": None if self.cves_open_again is None else list(self.cves_open_again),
            "cves_unknown_for": list(self.cves_unknown_for),
            "steps": list(self.steps),
            "ways": [way.as_dict() for way in self.ways],
        }


def find_target(
    facts: Mapping[str, Any],
    state: ServerState,
    packages: Sequence[Package],
    catalogue: Catalogue,
    wish: Wish,
    record: Record | None,
) -> Target | Plan:
    """The update that would go, or a plan that ends here: nothing to take off, done before, or not to be told."""
    name = f"It runs {state.product.name}"
    if state.product.is_server is False:
        return _refused(Doubt("not_a_server", f"{name}, which is not a server."))
    found = find_level(state.product, build_of(facts), installed_kbs(facts), catalogue)
    if record is not None and _done_before(wish, record, build_of(facts), found.level, packages):
        words = f"{record.kb} was taken off before, and nothing was installed since. Name a KB to go further back."
        to_come = baseline_to_come(record, found.level)
        return Plan(Status.DONE, words, kb=record.kb, then_install=record.then_install, restarts=len(to_come))
    if found.level is None:
        words = f"It {found.words}, so which update is the latest cannot be told."
        return _refused(Doubt("level_unknown", words))
    level = found.level
    off = _not_this(level, wish, facts, catalogue)
    if off is not None:
        return off
    builds = tuple(build for build in (*level.builds, build_of(facts)) if build is not None)
    if level.form is Form.HOTPATCH:
        candidates = hotpatch_of(packages, level.kb, builds, wish.hotpatch_package)
    else:
        candidates = [item for build in dict.fromkeys(builds) for item in rollup_of(packages, build)]
    there = [item for item in candidates if item.there]
    if len(there) != 1:
        return _refused(_no_package(level, there, wish), kb=level.kb)
    package = there[0]
    newer = [item for item in rollups(packages) if item.state is PackageState.INSTALL_PENDING]
    if any(item.version > package.version or level.form is Form.HOTPATCH for item in newer):
        words = f"Another update waits for a restart ({newer[-1].identity}). Restart the server first."
        return _refused(Doubt("restart_pending", words), kb=level.kb)
    return Target(level, package, _comes_back(level, package, packages))


def make_plan(
    target: Target,
    facts: Mapping[str, Any],
    state: ServerState,
    catalogue: Catalogue,
    record: Record | None,
    *,
    permanent: bool,
    busy: str | None,
    min_free_bytes: int | None,
    cves: Mapping[str, Collection[str]],
    opted_out: bool | None,
) -> Plan:
    """The plan for a target.

    :param permanent: whether the listing or the registry calls its package permanent.
    :param busy: what services the server now, if anything does.
    :param min_free_bytes: the least the system drive must have free; None for the plan's own numbers.
    :param cves: what a person knows of the CVEs that updates close, by KB.
    """
    level = target.level
    due = target.package.state is PackageState.UNINSTALL_PENDING
    baseline = _last_good(level, catalogue)
    back = target.back
    back_level = _level_of(back, level, catalogue)
    then = _then_install(level, back, baseline)
    removable, removable_words = _removable(target, record, permanent)
    doubts = () if due else _doubts(target, facts, record, removable, removable_words, busy, min_free_bytes)
    known, unknown = _cves(level, back, catalogue, cves)
    after = None
    if back is not None and back.build is not None:
        kbs = _kbs_after(level, back_level, facts, catalogue)
        after = standing(state.product, back.build, kbs, state.enrollment.enrolled, opted_out, catalogue)
    status = Status.RESTART_DUE if due else Status.REFUSED if doubts else Status.POSSIBLE
    returns_to = back_level.kb if back_level else None
    named = f"{_FORM_WORDS[level.form]} {level.kb} ({month_in_words(level.release.month)})"
    to = _back_words(back, returns_to)
    if status is Status.RESTART_DUE:
        words = f"{named[0].upper()}{named[1:]} is taken off; the restart that finishes it is to come."
    elif status is Status.REFUSED:
        words = " ".join(doubt.words for doubt in doubts)
    else:
        words = f"Take {named} off; back to {to}, which is in the component store."
    return Plan(
        status,
        words,
        target,
        doubts,
        removable,
        removable_words,
        back.build if back else None,
        returns_to,
        after,
        baseline.lcu_kb if baseline else None,
        then,
        "component_store" if back else None,
        1 + len(then),
        known,
        unknown,
        _steps(target, to, then, due=due),
        ways_that_remain(state, catalogue) if doubts and _for_good(doubts) else (),
        level.kb,
    )


def ways_that_remain(state: ServerState, catalogue: Catalogue) -> tuple[Doubt, ...]:
    """What can still be done with a server whose update cannot be taken off."""
    product = state.product.catalogue_id
    ways = []
    needed = state.standing.needed
    if needed:
        kbs = " and ".join(level.kb for level in needed)
        ways.append(Doubt("forward", f"Go forward: {kbs} is out and replaces what is installed."))
    elif product is not None:
        expected = catalogue.next_baseline(product).words
        ways.append(Doubt("forward", f"Go forward: wait for the next hotpatch, or for {expected}, which replaces it."))
    ways += [
        Doubt("restore", "Restore the server from a backup or a checkpoint that was made before the update."),
        Doubt("reimage", "Build the server anew from an image of the last good baseline."),
    ]
    if state.enrollment.enrolled and state.standing.state.value != "opted_out":
        ways.append(
            Doubt(
                "opt_out", "Opt the server out of hotpatches in Azure, so that no further one is installed meanwhile."
            )
        )
    return tuple(ways)


def attempts_before(target: Target, record: Record | None) -> int:
    """How often the target was taken off before and was there again after the restart."""
    if record is None or record.stage is not Stage.REMOVED:
        return 0
    return record.attempts if record.package.lower() == target.package.identity.lower() else 0


def baseline_to_come(record: Record, level: Level | None) -> tuple[str, ...]:
    """The KBs of the last good baseline that the record wants and the server's level does not have yet."""
    return () if level is not None and level.kb in record.then_install else record.then_install


# ---- parts


def _refused(doubt: Doubt, kb: str | None = None) -> Plan:
    return Plan(Status.REFUSED, doubt.words, doubts=(doubt,), kb=kb)


def _done_before(
    wish: Wish, record: Record, build: Build | None, level: Level | None, packages: Sequence[Package]
) -> bool:
    """Whether the last rollback did what is wished, and nothing came since: its build is still there, or the baseline
    that belongs to it."""
    ours = str(build) == record.build_after or (level is not None and level.kb in record.then_install)
    if record.stage not in (Stage.REMOVED, Stage.FINISHED) or not ours:
        return False
    if any(item.identity.lower() == record.package.lower() and item.there for item in packages):
        return False
    if wish.kb is not None:
        return wish.kb == record.kb
    return wish.what == "latest" or (wish.what == "hotpatch") == (record.form is Form.HOTPATCH)


def _not_this(level: Level, wish: Wish, facts: Mapping[str, Any], catalogue: Catalogue) -> Plan | None:
    """A plan that ends because the wish is not the update that is in effect."""
    kbs = installed_kbs(facts) or []
    if wish.kb is not None and wish.kb != level.kb:
        if wish.kb not in kbs and not _below(level, wish.kb, catalogue):
            return Plan(Status.NOTHING, f"{wish.kb} is not on the server; {level.kb} is its latest update.", kb=wish.kb)
        words = f"{wish.kb} is not the latest update: {level.kb} is, and has to go first."
        return _refused(Doubt("not_the_latest", words), kb=wish.kb)
    if wish.what == "hotpatch" and level.form is not Form.HOTPATCH:
        return Plan(Status.NOTHING, f"It has no hotpatch; {level.kb} is its latest update.")
    if wish.what == "baseline" and level.form is Form.HOTPATCH:
        words = f"The hotpatch {level.kb} lies on the baseline and has to go first; then run again."
        return _refused(Doubt("not_the_latest", words), kb=level.kb)
    return None


def _below(level: Level, kb: str, catalogue: Catalogue) -> bool:
    """Whether a KB is the baseline that the level builds on."""
    base = catalogue.base_of(level)
    return isinstance(base, Release) and base.lcu_kb == kb


def _no_package(level: Level, there: Sequence[Package], wish: Wish) -> Doubt:
    if there:
        names = ", ".join(item.identity for item in there)
        return Doubt("package_ambiguous", f"Several packages can be {level.kb}: {names}.")
    words = f"No installed package is known to be {level.kb}"
    if level.form is Form.HOTPATCH:
        words += f" (looked for {wish.hotpatch_package!r} with its build, its KB, and Package_for_RollupFix)"
    return Doubt("package_not_found", f"{words}.")


def _comes_back(level: Level, package: Package, packages: Sequence[Package]) -> Package | None:
    """The cumulative update in effect after the restart; None when its files are not there any more."""
    if level.form is Form.HOTPATCH and package.name != "Package_for_RollupFix":
        installed = [item for item in rollups(packages) if item.there]
        return installed[-1] if installed else None
    usable = (PackageState.SUPERSEDED, PackageState.STAGED, PackageState.INSTALL_PENDING, PackageState.INSTALLED)
    older = [item for item in rollups(packages) if item.version < package.version and item.state in usable]
    return older[-1] if older else None


def _level_of(back: Package | None, level: Level, catalogue: Catalogue) -> Level | None:
    """What the catalogue calls the package that comes back."""
    if back is None or back.build is None:
        return None
    candidates = catalogue.by_build(level.release.product, back.build)
    found = [item for item in candidates if item.form is not Form.HOTPATCH]
    return found[0] if len(found) == 1 else None


def _last_good(level: Level, catalogue: Catalogue) -> Release | None:
    """The baseline a server should stand on once the update is off."""
    earlier = [row for row in catalogue.baselines(level.release.product) if row.order < level.release.order]
    return earlier[-1] if earlier else None


def _then_install(level: Level, back: Package | None, baseline: Release | None) -> tuple[str, ...]:
    """The last good baseline, where what comes back is older than it."""
    if level.form is Form.HOTPATCH or back is None or back.build is None or baseline is None:
        return ()
    below = baseline.lcu_build is not None and back.build < baseline.lcu_build
    return (str(baseline.lcu_kb),) if below else ()


def _removable(target: Target, record: Record | None, permanent: bool) -> tuple[Removable, str]:
    package = target.package
    if package.state is PackageState.UNINSTALL_PENDING:
        return Removable.YES, "It is taken off already."
    if permanent:
        return Removable.NO, f"Windows marks the package of {target.level.kb} as permanent."
    tried = record is not None and record.stage is Stage.PERMANENT
    if tried and record is not None and record.package.lower() == package.identity.lower():
        return Removable.NO, f"An earlier attempt showed that {target.level.kb} is permanent (0x800F0825)."
    words = "Windows does not tell beforehand; the attempt, before anything is drained, will (0x800F0825 if it cannot)."
    return Removable.UNKNOWN, words


def _doubts(
    target: Target,
    facts: Mapping[str, Any],
    record: Record | None,
    removable: Removable,
    removable_words: str,
    busy: str | None,
    min_free_bytes: int | None,
) -> tuple[Doubt, ...]:
    doubts = []
    if removable is Removable.NO:
        doubts.append(Doubt("permanent", removable_words))
    if target.back is None:
        words = "What was installed before is not in the component store any more, so there is nothing to go back to."
        doubts.append(Doubt("payload_missing", words))
    attempts = attempts_before(target, record)
    if attempts >= MAX_ATTEMPTS:
        words = f"{target.level.kb} was taken off {attempts} times and was there again after the restart."
        doubts.append(Doubt("does_not_take", words))
    pending = facts["restart_pending"]["pending"]
    if pending is not False:
        words = (
            "Whether a restart is pending could not be read." if pending is None else "A restart is pending already."
        )
        doubts.append(Doubt("restart_pending", f"{words} Restart the server first."))
    if busy:
        doubts.append(Doubt("busy", f"The server is at work on updates now ({busy}). Wait for it."))
    free = (facts.get("hardware") or {}).get("system_disk_free_bytes")
    policy = Policy()
    hotpatch = target.level.form is Form.HOTPATCH
    least = policy.min_free_bytes_hotpatch if hotpatch else policy.min_free_bytes_lcu
    least = least if min_free_bytes is None else min_free_bytes
    if free is None:
        doubts.append(Doubt("disk_unknown", "The free space of the system drive could not be read."))
    elif free < least:
        words = f"The system drive has {free / GIGABYTE:.1f} GB free, and {least / GIGABYTE:.1f} GB are needed."
        doubts.append(Doubt("disk_full", words))
    return tuple(doubts)


def _for_good(doubts: Sequence[Doubt]) -> bool:
    """Whether the server cannot go back at all, however long one waits."""
    return any(doubt.code in ("permanent", "payload_missing", "does_not_take") for doubt in doubts)


def _kbs_after(level: Level, back: Level | None, facts: Mapping[str, Any], catalogue: Catalogue) -> list[str] | None:
    kbs = installed_kbs(facts)
    if kbs is None:
        return None
    product = level.release.product
    hotpatches = {row.hotpatch_kb for row in catalogue.releases(product) if row.hotpatch_kb}
    kept = {kb for kb in kbs if kb != level.kb and kb not in hotpatches}
    return sorted(kept | ({back.kb} if back else set()))


def _cves(
    level: Level, back: Package | None, catalogue: Catalogue, cves: Mapping[str, Collection[str]]
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The CVEs that open again, of every release between what comes back and what goes: updates are cumulative."""
    since = None
    if back is not None and back.build is not None:
        earlier = [item.release.order for item in catalogue.by_build(level.release.product, back.build)]
        since = max((order for order in earlier if order < level.release.order), default=None)
    opened: set[str] = set()
    unknown = []
    for row in catalogue.releases(level.release.product):
        if row.order > level.release.order or (since is not None and row.order <= since):
            continue
        kbs = [item.kb for item in levels_of(row)]
        said = [kb for kb in kbs if kb in cves]
        opened.update(cve for kb in said for cve in cves[kb])
        if not said:
            unknown.append(level.kb if row is level.release else kbs[0])
    known = opened or not unknown
    return (tuple(sorted(opened)) if known else None), tuple(unknown)


def _back_words(back: Package | None, kb: str | None) -> str:
    if back is None:
        return "nothing that is still there"
    return f"{kb} (build {back.build})" if kb else f"build {back.build}"


def _steps(target: Target, to: str, then: Sequence[str], *, due: bool) -> tuple[str, ...]:
    steps = [] if due else [f"Take the package {target.package.identity} off with DISM, without a restart."]
    steps += [
        "Drain the server, where drain tasks are given.",
        f"Restart it and prove the restart; it is back at {to}.",
    ]
    for kb in then:
        steps.append(
            f"Install {kb}, the last good baseline, if Windows Update offers it (the Update Catalog has it as well),"
            " and restart once more."
        )
    steps += [
        "Check the build, the KBs and the packages.",
        f"Hide {target.level.kb}, so that the next scan does not bring it back.",
    ]
    return tuple(steps)

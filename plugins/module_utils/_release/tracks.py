# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Where a server stands: its track, its state on it, and what it needs next.

A build never decides alone where two updates give it: 26100.6905 is KB5070881, which takes a server off the hotpatch
track, or KB5070893, which keeps it there (windowsserverdocs, hotpatch for Arc, 2025-10-30). The order of builds never
tells the track either: out-of-band hotpatches can lie above the LCU of the same day. The one thing read from the order
is that a server below a baseline's build does not have that baseline.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import month_in_words
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue, Unknown
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import (
    Form,
    Level,
    Release,
    ReleaseType,
    levels_of,
    normal_kb,
)


class Track(StrEnum):
    """``OFF_TRACK``: enrolled, but an LCU or a missed baseline took the server off; it comes back at a baseline."""

    HOTPATCH = "hotpatch"
    LCU = "lcu"
    OFF_TRACK = "off_track"
    UNKNOWN = "unknown"


class State(StrEnum):
    CURRENT = "current"
    BEHIND = "behind"
    BASELINE_DUE = "baseline_due"
    MISSED_BASELINE = "missed_baseline"
    OFF_TRACK_OOB = "off_track_oob"
    OFF_TRACK_LCU = "off_track_lcu"
    NOT_ENROLLED = "not_enrolled"
    OPTED_OUT = "opted_out"
    UNKNOWN = "unknown"


class RestartReason(StrEnum):
    """Why a server cannot go on without a restart."""

    BASELINE = "baseline"
    UNPLANNED_BASELINE = "unplanned_baseline"
    MISSED_BASELINE = "missed_baseline"
    OFF_TRACK = "off_track"
    LCU = "lcu"


@dataclass(frozen=True)
class Found:
    """The level found for a server, or the reason there is none. ``words`` completes "the server ..."."""

    level: Level | None
    reason: str
    words: str


@dataclass(frozen=True)
class Standing:
    """Where one server stands.

    :param reason: a stable word for conditions; ``words`` says it in a sentence.
    :param level: what is installed; None when the catalogue cannot tell.
    :param baseline: the baseline that ``level`` is or builds on; None when unknown or meaningless (an LCU).
    :param enrolled: as used for the judgement: an installed hotpatch proves it.
    :param up_to_date: whether the newest security update of its track is there; None when unknown.
    :param needed: what to install next, in order; empty when nothing is needed or when it cannot be told.
    :param restart_reason: why what is needed restarts the server; None when it does not.
    :param next_hotpatch_from: from when hotpatches reach the server again, in words; None when they do now.
    """

    product: Product
    track: Track
    state: State
    reason: str
    words: str
    build: Build | None = None
    level: Level | None = None
    baseline: Release | None = None
    enrolled: bool | None = None
    up_to_date: bool | None = None
    needed: tuple[Level, ...] = ()
    restart_reason: RestartReason | None = None
    next_hotpatch_from: str | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The KBs to install next, in order."""
        return tuple(level.kb for level in self.needed)

    @property
    def waits(self) -> bool:
        """Off the track with nothing to install that would bring it back before the next baseline."""
        waiting = self.next_hotpatch_from is not None and self.restart_reason in (None, RestartReason.OFF_TRACK)
        return self.track is Track.OFF_TRACK and waiting

    def as_dict(self) -> dict[str, Any]:
        return {
            "product": self.product.id,
            "track": self.track.value,
            "state": self.state.value,
            "reason": self.reason,
            "words": self.words,
            "build": str(self.build) if self.build else None,
            "level": self.level.as_dict() if self.level else None,
            "baseline": self.baseline.lcu_kb if self.baseline else None,
            "enrolled": self.enrolled,
            "up_to_date": self.up_to_date,
            "needs": list(self.needs),
            "restart_reason": self.restart_reason.value if self.restart_reason else None,
            "next_hotpatch_from": self.next_hotpatch_from,
        }


def find_level(product: Product, build: Build | None, kbs: Collection[str] | None, catalogue: Catalogue) -> Found:
    """What a server has installed, from its build and, where that proves nothing, from its list of KBs.

    :param kbs: the installed KBs; None when the list could not be read. A list need not show the hotpatch: a build that
        only one update gives is enough.
    """
    rows_of = product.catalogue_id
    if rows_of is None:
        return Found(None, "product_without_rows", f"runs {product.name}, which the catalogue has no rows for")
    if build is None:
        return Found(None, "build_unknown", "has a build that could not be read")
    have = None if kbs is None else {normal_kb(kb) or kb for kb in kbs}
    candidates = catalogue.by_build(rows_of, build)
    if len(candidates) == 1:
        return _unless_contradicted(rows_of, candidates[0], have or set(), catalogue)
    if candidates:
        return _told_by_kb(build, candidates, have)
    silent = _level_without_build(rows_of, build, have or set(), catalogue)
    if silent is not None:
        return Found(silent, "kb", f"has {silent.kb}, for which the catalogue names no build")
    return Found(None, "build_not_in_catalogue", f"has build {build}, which the catalogue does not know")


def standing(
    product: Product,
    build: Build | None,
    kbs: Collection[str] | None,
    enrolled: bool | None,
    opted_out: bool | None,
    catalogue: Catalogue,
) -> Standing:
    """Judge where a server stands on the day of the catalogue.

    An unknown enrollment leaves the track unknown unless an installed hotpatch proves it. An unknown opt-out counts as
    no opt-out: the guest cannot see it, and Windows Update itself then offers no hotpatch.
    """
    if product.is_server is False:
        return Standing(
            product, Track.UNKNOWN, State.UNKNOWN, "not_a_server", f"It runs {product.name}, not a server.", build
        )
    if not product.known:
        words = f"It runs {product.name}, whose updates this collection does not know."
        return Standing(product, Track.UNKNOWN, State.UNKNOWN, "product_unknown", words, build)
    found = find_level(product, build, kbs, catalogue)
    proven = found.level is not None and found.level.form is Form.HOTPATCH and product.hotpatch_capable is True
    if product.hotpatch_capable is False:
        return _ordinary(product, build, found, None, None, catalogue)
    if enrolled is False:
        return _ordinary(product, build, found, False, State.NOT_ENROLLED, catalogue)
    if opted_out is True:
        return _ordinary(product, build, found, enrolled, State.OPTED_OUT, catalogue)
    if product.hotpatch_capable is None:
        words = "Its edition could not be read, so whether it can have hotpatches is unknown."
        return Standing(product, Track.UNKNOWN, State.UNKNOWN, "edition_unknown", words, build, found.level)
    if enrolled is None and not proven:
        words = "Whether it is enrolled for hotpatches is unknown, and no installed hotpatch proves it."
        return Standing(product, Track.UNKNOWN, State.UNKNOWN, "enrollment_unknown", words, build, found.level)
    return _Enrolled(product, build, found, catalogue).judge()


class _Enrolled:
    """The judgement of a server that is enrolled and not opted out."""

    def __init__(self, product: Product, build: Build | None, found: Found, catalogue: Catalogue) -> None:
        self.product = product
        self.rows_of = product.catalogue_id or ""
        self.build = build
        self.found = found
        self.catalogue = catalogue
        self.latest = catalogue.latest_baseline(self.rows_of)
        self.hole = catalogue.hole_after(self.rows_of, self.latest.month) if self.latest else None

    def judge(self) -> Standing:
        if self.latest is None:
            return self._unknown("catalogue_hole", "The catalogue knows no baseline of this product on that day.")
        level = self.found.level
        if level is None:
            return self._without_level(self.latest)
        if level.form is Form.LCU and level.settled:
            return self._off_track(level, self.latest)
        return self._on_a_baseline(level, self.latest)

    def _without_level(self, latest: Release) -> Standing:
        sentence = f"It {self.found.words}."
        if self.found.reason == "contradiction" or self.build is None or latest.lcu_build is None:
            return self._unknown(self.found.reason, sentence)
        previous = self.catalogue.previous_baseline(self.rows_of, latest)
        below_latest = self.build < latest.lcu_build
        below_previous = (
            isinstance(previous, Release) and previous.lcu_build is not None and self.build < previous.lcu_build
        )
        if below_previous or (below_latest and self._hotpatch_month_since(latest)):
            first = self.catalogue.baselines(self.rows_of)[0]
            never = first.lcu_build is not None and self.build < first.lcu_build
            reason = "before_first_baseline" if never else "missed_baseline"
            if never:
                sentence = f"Its build {self.build} is older than the first baseline known, {first.lcu_kb}."
            return self._missed(None, None, latest, reason, sentence)
        return self._unknown(self.found.reason, sentence)

    def _on_a_baseline(self, level: Level, latest: Release) -> Standing:
        base = Unknown("") if not level.settled else self.catalogue.base_of(level)
        since = base.order if isinstance(base, Release) else level.release.order
        passed = [row for row in self.catalogue.baselines(self.rows_of) if row.order > since]
        known_base = base if isinstance(base, Release) else None
        if len(passed) > 1 or (passed and self._hotpatch_month_since(passed[0])):
            sentence = f"It has {_named(level)}, below the {_baseline_words(latest)}."
            return self._missed(level, known_base, latest, "missed_baseline", sentence)
        if isinstance(base, Unknown):
            why = base.reason or f"no source settles what {level.kb} is for the hotpatch track"
            return self._unknown("catalogue_hole", f"It has {_named(level)}, but {why}.")
        if self.hole is not None:
            known = self.catalogue.current_baseline(self.rows_of)
            why = known.reason if isinstance(known, Unknown) else self.hole
            return self._unknown("catalogue_hole", f"It has {_named(level)}, but {why}.", base)
        if not passed:
            return self._current_or_behind(level, base)
        previous = self.catalogue.previous_baseline(self.rows_of, latest)
        if isinstance(previous, Unknown):
            return self._unknown("catalogue_hole", f"It has {_named(level)}, but {previous.reason}.", base)
        planned = latest.type is ReleaseType.BASELINE
        return Standing(
            self.product,
            Track.HOTPATCH,
            State.BASELINE_DUE,
            "baseline_due" if planned else "unplanned_baseline_due",
            f"It has {_named(level)} and is due for the {_baseline_words(latest)}.",
            self.build,
            level,
            base,
            enrolled=True,
            up_to_date=False,
            needed=self._back_on(latest),
            restart_reason=RestartReason.BASELINE if planned else RestartReason.UNPLANNED_BASELINE,
            next_hotpatch_from=f"after {latest.lcu_kb} is installed",
        )

    def _current_or_behind(self, level: Level, base: Release) -> Standing:
        newest = self.catalogue.hotpatches_on(self.rows_of, base)[-1:]
        behind = bool(newest) and newest[0].release.order > level.release.order
        if behind:
            words = f"It has {_named(level)} on the hotpatch track; {newest[0].kb} is the newest hotpatch."
        else:
            words = f"It has {_named(level)}, the newest on the hotpatch track."
        return Standing(
            self.product,
            Track.HOTPATCH,
            State.BEHIND if behind else State.CURRENT,
            "behind" if behind else "current",
            words,
            self.build,
            level,
            base,
            enrolled=True,
            up_to_date=not behind,
            needed=newest if behind else (),
        )

    def _off_track(self, level: Level, latest: Release) -> Standing:
        out_of_band = level.release.type is ReleaseType.OUT_OF_BAND
        state = State.OFF_TRACK_OOB if out_of_band else State.OFF_TRACK_LCU
        kind = "an out-of-band update off the hotpatch track" if out_of_band else "an ordinary cumulative update"
        sentence = f"It has {_named(level)}, {kind}"
        if latest.order > level.release.order:
            missed = self._missed(level, None, latest, state.value, f"{sentence}.")
            return Standing(**{**_fields(missed), "state": state})
        if self.hole is not None:
            words = f"{sentence}; when it can come back is unknown: {self.hole}."
            return Standing(self.product, Track.OFF_TRACK, state, state.value, words, self.build, level, enrolled=True)
        expected = self.catalogue.next_baseline(self.rows_of).words
        newest = self.catalogue.latest_lcu(self.rows_of)
        behind = isinstance(newest, Level) and newest.release.order > level.release.order
        needed = (newest,) if isinstance(newest, Level) and behind else ()
        more = f"; {needed[0].kb} is newer" if needed else ""
        return Standing(
            self.product,
            Track.OFF_TRACK,
            state,
            state.value,
            f"{sentence}: no hotpatch until {expected}{more}.",
            self.build,
            level,
            enrolled=True,
            up_to_date=not behind if isinstance(newest, Level) else None,
            needed=needed,
            restart_reason=RestartReason.OFF_TRACK if needed else None,
            next_hotpatch_from=expected,
        )

    def _missed(
        self, level: Level | None, base: Release | None, latest: Release, reason: str, sentence: str
    ) -> Standing:
        if self.hole is not None:
            words = f"{sentence} Which baseline brings it back is unknown: {self.hole}."
            back: tuple[Level, ...] = ()
            restart = None
            again = None
        else:
            words = f"{sentence} It needs the {_baseline_words(latest)} to have hotpatches again."
            back = self._back_on(latest)
            restart = RestartReason.MISSED_BASELINE
            if not self._hotpatch_month_since(latest):
                planned = latest.type is ReleaseType.BASELINE
                restart = RestartReason.BASELINE if planned else RestartReason.UNPLANNED_BASELINE
            again = f"after {latest.lcu_kb} is installed"
        return Standing(
            self.product,
            Track.OFF_TRACK,
            State.MISSED_BASELINE,
            reason,
            words,
            self.build,
            level,
            base,
            enrolled=True,
            up_to_date=False,
            needed=back,
            restart_reason=restart,
            next_hotpatch_from=again,
        )

    def _back_on(self, latest: Release) -> tuple[Level, ...]:
        return (Level(latest, Form.BASELINE), *self.catalogue.hotpatches_on(self.rows_of, latest)[-1:])

    def _hotpatch_month_since(self, baseline: Release) -> bool:
        """Whether a regular hotpatch came after a baseline: an out-of-band one in the baseline's own month does not
        yet make a server late that still waits for its window."""
        rows = self.catalogue.releases(self.rows_of)
        return any(row.type is ReleaseType.HOTPATCH and row.order > baseline.order for row in rows)

    def _unknown(self, reason: str, words: str, base: Release | None = None) -> Standing:
        return Standing(
            self.product, Track.UNKNOWN, State.UNKNOWN, reason, words, self.build, self.found.level, base, enrolled=True
        )


def _ordinary(
    product: Product,
    build: Build | None,
    found: Found,
    enrolled: bool | None,
    state: State | None,
    catalogue: Catalogue,
) -> Standing:
    """A server on ordinary cumulative updates: not enrolled, opted out, or a product without hotpatches."""
    newest = catalogue.latest_lcu(product.catalogue_id) if product.catalogue_id else Unknown(found.words)
    level = found.level
    up_to_date: bool | None = None
    if isinstance(newest, Level):
        if level is not None:
            up_to_date = level.release.order >= newest.release.order
        elif build is not None and newest.builds and found.reason == "build_not_in_catalogue":
            up_to_date = False if build < newest.builds[0] else None
    why = {
        State.NOT_ENROLLED: "It is not enrolled for hotpatches and takes ordinary cumulative updates",
        State.OPTED_OUT: "It is opted out of hotpatches and takes ordinary cumulative updates",
    }.get(state or State.UNKNOWN, f"It runs {product.name}, which has no hotpatches")
    if up_to_date:
        words = f"{why}; it has the newest one."
    elif up_to_date is False and isinstance(newest, Level):
        words = f"{why}; {newest.kb} is the newest one."
    elif isinstance(newest, Unknown):
        words = f"{why}; {newest.reason}."
    else:
        words = f"{why}; it {found.words}."
    if state is None:
        state = {True: State.CURRENT, False: State.BEHIND, None: State.UNKNOWN}[up_to_date]
    reason = state.value if state in (State.NOT_ENROLLED, State.OPTED_OUT) else "product_without_hotpatch"
    needed = (newest,) if up_to_date is False and isinstance(newest, Level) else ()
    return Standing(
        product,
        Track.LCU,
        state,
        reason,
        words,
        build,
        level,
        enrolled=enrolled,
        up_to_date=up_to_date,
        needed=needed,
        restart_reason=RestartReason.LCU if needed else None,
    )


def _unless_contradicted(rows_of: str, level: Level, have: set[str], catalogue: Catalogue) -> Found:
    """A build that one update alone gives, unless the KB list shows a newer LCU that would take the server off."""
    if level.form is not Form.LCU:
        base = catalogue.base_of(level)
        since = base.order if isinstance(base, Release) else level.release.order
        for kb in sorted(have):
            for other in catalogue.by_kb(rows_of, kb):
                if other.form is Form.LCU and other.release.order > since:
                    words = (
                        f"has the build of {level.kb}, but {kb}, which is not on the hotpatch track, is installed as "
                        "well (a restart may still have to finish it)"
                    )
                    return Found(None, "contradiction", words)
    return Found(level, "build", f"has {level.kb}")


def _told_by_kb(build: Build, candidates: tuple[Level, ...], have: set[str] | None) -> Found:
    names = " and ".join(sorted(level.kb for level in candidates))
    if have is None:
        words = f"has build {build}, which {names} give alike, and its list of KBs could not be read"
        return Found(None, "kb_list_unreadable", words)
    named = [level for level in candidates if level.kb in have]
    # Installing the LCU takes a server off even when the other update is there as well.
    off = [level for level in named if level.form is Form.LCU]
    chosen = off or named
    if len(chosen) == 1:
        return Found(chosen[0], "kb", f"has {chosen[0].kb}")
    words = f"has build {build}, which {names} give alike, and its list of KBs does not tell which it has"
    return Found(None, "kb_list_silent", words)


def _level_without_build(rows_of: str, build: Build, have: set[str], catalogue: Catalogue) -> Level | None:
    """The newest installed KB that the catalogue names no build for, when the server's build lies in its place."""
    rows = catalogue.releases(rows_of)
    silent = [level for row in rows for level in levels_of(row) if not level.builds and level.kb in have]
    if not silent:
        return None
    level = silent[-1]
    before = [b for row in rows if row.is_baseline and row.order < level.release.order for b in row.lcu_builds]
    after = [b for row in rows if row.month > level.release.month for b in (*row.hotpatch_builds, *row.lcu_builds)]
    if (before and build <= max(before)) or (after and build >= min(after)):
        return None
    return level


def _named(level: Level) -> str:
    return f"{level.kb} ({month_in_words(level.release.month)})"


def _baseline_words(row: Release) -> str:
    unplanned = "unplanned " if row.type is ReleaseType.UNPLANNED_BASELINE else ""
    return f"{unplanned}{month_in_words(row.month)} baseline ({row.lcu_kb})"


def _fields(standing_: Standing) -> dict[str, Any]:
    return {name: getattr(standing_, name) for name in Standing.__dataclass_fields__}

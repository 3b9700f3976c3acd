# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The catalogue: what came out for which product, as it was known on one day.

A catalogue always stands at a day (``on``). It sees only rows released on or before it, and it says ``unknown`` with a
reason wherever a month it would have to know has no row, or has one whose kind no source settles: a hole is a hole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import (
    day_in_words,
    is_planned_baseline_month,
    month_in_words,
    month_of,
    months_between,
    next_month,
    patch_tuesday_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import (
    CATALOGUE_PRODUCTS,
    CLIENT_11,
    Form,
    Level,
    PlannedRelease,
    Release,
    ReleaseType,
    Rows,
    levels_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.rows import SHIPPED


@dataclass(frozen=True)
class Unknown:
    """An answer the catalogue cannot give, and why."""

    reason: str


@dataclass(frozen=True)
class ExpectedBaseline:
    """When the next baseline is expected: a plan, not a promise."""

    month: str
    day: date
    source: str

    @property
    def words(self) -> str:
        return f"the {day_in_words(self.day)} baseline"


class Catalogue:
    """Releases and plans as of one day. Instances do not change; every method answers for ``on``."""

    def __init__(
        self,
        releases: Iterable[Release],
        planned: Iterable[PlannedRelease] = (),
        *,
        on: date,
        collected: date | None = None,
        names: tuple[str, ...] = (),
    ) -> None:
        self._all_releases = tuple(releases)
        self._all_planned = tuple(planned)
        self.on = on
        self.collected = collected
        self.names = names

    @classmethod
    def shipped(cls, on: date | None = None) -> Catalogue:
        """The catalogue that comes with the collection, on a day (the day it was collected when none is given)."""
        collected = SHIPPED.collected
        day = on or collected
        if day is None:
            raise ValueError("a catalogue needs a day to stand at")
        return cls(SHIPPED.releases, SHIPPED.planned, on=day, collected=collected, names=(SHIPPED.name,))

    def as_of(self, day: date) -> Catalogue:
        """The same rows as they were known on another day."""
        if day == self.on:
            return self
        return Catalogue(self._all_releases, self._all_planned, on=day, collected=self.collected, names=self.names)

    def merge(self, rows: Rows) -> Catalogue:
        """This catalogue with a person's rows over it.

        A row replaces what is here for the same product and month: a regular row (of whatever kind) the regular rows,
        an out-of-band row those out-of-band rows that share a KB with it.
        """
        kept = [row for row in self._all_releases if not any(_replaces(theirs, row) for theirs in rows.releases)]
        plans = {(plan.product, plan.month) for plan in rows.planned}
        planned = [plan for plan in self._all_planned if (plan.product, plan.month) not in plans]
        collected = max((day for day in (self.collected, rows.collected) if day), default=None)
        return Catalogue(
            (*kept, *rows.releases),
            (*planned, *rows.planned),
            on=self.on,
            collected=collected,
            names=(*self.names, rows.name) if rows.name else self.names,
        )

    @cached_property
    def _by_product(self) -> dict[str, tuple[Release, ...]]:
        found: dict[str, list[Release]] = {}
        for row in self._all_releases:
            if row.effective <= self.on:
                found.setdefault(row.product, []).append(row)
        return {product: tuple(sorted(rows, key=lambda row: row.order)) for product, rows in found.items()}

    @cached_property
    def _levels_by_kb(self) -> dict[tuple[str, str], tuple[Level, ...]]:
        found: dict[tuple[str, str], list[Level]] = {}
        for product, rows in self._by_product.items():
            for row in rows:
                for level in levels_of(row):
                    found.setdefault((product, level.kb), []).append(level)
        return {key: tuple(levels) for key, levels in found.items()}

    @cached_property
    def _levels_by_build(self) -> dict[tuple[str, Build], tuple[Level, ...]]:
        found: dict[tuple[str, Build], list[Level]] = {}
        for product, rows in self._by_product.items():
            for row in rows:
                for level in levels_of(row):
                    for build in level.builds:
                        found.setdefault((product, build), []).append(level)
        return {key: tuple(levels) for key, levels in found.items()}

    # -- plain look-ups

    def releases(self, product: str) -> tuple[Release, ...]:
        """Every known release of a product, oldest first."""
        return self._by_product.get(product, ())

    def by_kb(self, product: str, kb: str) -> tuple[Level, ...]:
        """What a KB is for a product; empty when the catalogue does not know it."""
        return self._levels_by_kb.get((product, kb), ())

    def by_build(self, product: str, build: Build) -> tuple[Level, ...]:
        """Every update that gives this build; two of them where the build alone proves nothing (26100.6905)."""
        return self._levels_by_build.get((product, build), ())

    def by_month(self, product: str, month: str) -> tuple[Release, ...]:
        """The releases of one month, oldest first."""
        return tuple(row for row in self.releases(product) if row.month == month)

    # -- the track

    def baselines(self, product: str) -> tuple[Release, ...]:
        """Settled baselines, planned or not, oldest first."""
        return tuple(row for row in self.releases(product) if row.is_baseline)

    def latest_baseline(self, product: str) -> Release | None:
        """The newest baseline that is known to be one. Whether it is still current: :meth:`current_baseline`."""
        known = self.baselines(product)
        return known[-1] if known else None

    def current_baseline(self, product: str) -> Release | Unknown:
        """The baseline that hotpatches build on now, or why that cannot be told."""
        latest = self.latest_baseline(product)
        if latest is None:
            return Unknown(f"the catalogue knows no baseline of {product} on {day_in_words(self.on)}")
        hole = self.hole_after(product, latest.month)
        if hole is not None:
            baseline = f"the {month_in_words(latest.month)} baseline ({latest.lcu_kb})"
            return Unknown(f"{hole}, so whether {baseline} is still current is unknown")
        return latest

    def previous_baseline(self, product: str, baseline: Release) -> Release | Unknown | None:
        """The baseline before another one; None when that is the first known."""
        earlier = [row for row in self.baselines(product) if row.order < baseline.order]
        if not earlier:
            return None
        hole = self._hole_between(product, earlier[-1].month, baseline.month)
        return Unknown(hole) if hole else earlier[-1]

    def base_of(self, level: Level) -> Release | Unknown:
        """The baseline that an update is, or builds on."""
        release = level.release
        if release.is_baseline:
            return release
        earlier = [row for row in self.baselines(release.product) if row.order < release.order]
        if not earlier:
            return Unknown(f"the catalogue knows no baseline before {level.kb}")
        hole = self._hole_between(release.product, earlier[-1].month, release.month)
        return Unknown(f"{hole}, so the baseline below {level.kb} is unknown") if hole else earlier[-1]

    def hotpatches_on(self, product: str, baseline: Release) -> tuple[Level, ...]:
        """Hotpatches known to build on a baseline, out-of-band ones on the track included, oldest first."""
        found = []
        for row in self.releases(product):
            if row.hotpatch_kb and row.breaks_hotpatch is not True and row.order > baseline.order:
                level = Level(row, Form.HOTPATCH)
                if self.base_of(level) == baseline:
                    found.append(level)
        return tuple(found)

    def latest_hotpatch(self, product: str, month: str) -> Level | None:
        """The last hotpatch of a month: an out-of-band one on the track replaces the regular one."""
        found = [
            Level(row, Form.HOTPATCH)
            for row in self.by_month(product, month)
            if row.hotpatch_kb and row.breaks_hotpatch is not True
        ]
        return found[-1] if found else None

    def latest_lcu(self, product: str) -> Level | Unknown:
        """The newest ordinary cumulative update (in a baseline month that is the baseline)."""
        found = [level for row in self.releases(product) for level in levels_of(row) if level.form is not Form.HOTPATCH]
        if not found:
            return Unknown(f"the catalogue knows no update of {product} on {day_in_words(self.on)}")
        missing = self._months_without(product, found[-1].release.month, self._due_month, settled=False)
        if missing:
            return Unknown(
                f"the catalogue has no {product} row for {_month_list(missing)}, so the newest cumulative update "
                "is unknown"
            )
        return found[-1]

    # -- holes

    @property
    def _due_month(self) -> str:
        """The last month whose Patch Tuesday is over, so that a row for it must exist."""
        month = month_of(self.on)
        if self.on >= patch_tuesday_of(month):
            return month
        year, number = int(month[:4]), int(month[5:])
        return f"{year - (number == 1):04d}-{(number - 2) % 12 + 1:02d}"

    def hole_after(self, product: str, month: str) -> str | None:
        """Why nothing can be said about what came after a month; None when every due month since is settled."""
        return self._hole_between(product, month, self._due_month)

    def _hole_between(self, product: str, after: str, until: str) -> str | None:
        # A baseline's own month is settled by the baseline itself, hence "after" is not looked at.
        missing = self._months_without(product, after, until, settled=True)
        if not missing:
            return None
        seen = {row.month for row in self.releases(product)}
        unsettled = [month for month in missing if month in seen]
        absent = [month for month in missing if month not in seen]
        parts = []
        if unsettled:
            parts.append(f"no source settles whether {_month_list(unsettled)} was a baseline or a hotpatch month")
        if absent:
            parts.append(f"the catalogue has no {product} row for {_month_list(absent)}")
        return " and ".join(parts)

    def _months_without(self, product: str, after: str, until: str, *, settled: bool) -> list[str]:
        rows = self.releases(product)
        if settled:
            present = {row.month for row in rows if row.settles_month}
        else:
            present = {row.month for row in rows if row.lcu_kb}
        return [month for month in months_between(after, until) if month not in present]

    # -- what is to come, and how fresh this is

    def next_baseline(self, product: str) -> ExpectedBaseline:
        """The next baseline after ``on``, from announced plans and else from the ordinary rhythm."""
        plans = {
            plan.month: plan
            for plan in self._all_planned
            if plan.product == product and (plan.announced is None or plan.announced <= self.on)
        }
        done = {row.month for row in self.releases(product) if row.settles_month}
        month = month_of(self.on)
        while True:
            plan = plans.get(month)
            if plan is not None:
                due = plan.type in (ReleaseType.BASELINE, ReleaseType.UNPLANNED_BASELINE)
            else:
                due = is_planned_baseline_month(month)
            if due and month not in done and patch_tuesday_of(month) > self.on:
                source = plan.source if plan else "the ordinary rhythm of January, April, July and October"
                return ExpectedBaseline(month, patch_tuesday_of(month), source)
            month = next_month(month)

    def hotpatch_months_before(self, month: str, baseline: ExpectedBaseline) -> list[str]:
        """The hotpatch months from ``month`` on (itself too, unless it is a baseline month) to a coming baseline."""
        months = [month, *months_between(month, baseline.month)]
        return [each for each in months if each < baseline.month and not is_planned_baseline_month(each)]

    def freshness(self) -> dict[str, Any]:
        """How old the knowledge is: ``collected``, the newest row of each product, ``stale`` and why in words."""
        newest: dict[str, Any] = {}
        reasons = []
        for product in CATALOGUE_PRODUCTS:
            rows = self.releases(product)
            newest[product] = rows[-1].as_dict() if rows else None
            if product == CLIENT_11:
                continue
            latest = self.latest_baseline(product)
            hole = self.hole_after(product, latest.month) if latest else f"no baseline of {product} is known"
            if hole:
                reasons.append(hole if product in hole else f"{product}: {hole}")
        words = "; ".join(reasons)
        return {
            "as_of": self.on.isoformat(),
            "collected": self.collected.isoformat() if self.collected else None,
            "names": list(self.names),
            "newest": newest,
            "stale": bool(reasons),
            "words": f"{words[0].upper()}{words[1:]}." if words else "Every month due is known.",
        }


def _replaces(theirs: Release, ours: Release) -> bool:
    if (theirs.product, theirs.month) != (ours.product, ours.month):
        return False
    theirs_oob = theirs.type is ReleaseType.OUT_OF_BAND
    if theirs_oob != (ours.type is ReleaseType.OUT_OF_BAND):
        return False
    if not theirs_oob:
        return True
    theirs_kbs = {kb for kb in (theirs.hotpatch_kb, theirs.lcu_kb) if kb}
    return bool(theirs_kbs & {kb for kb in (ours.hotpatch_kb, ours.lcu_kb) if kb})


def _month_list(months: list[str]) -> str:
    words = [month_in_words(month) for month in months]
    if len(words) > 4:
        return f"{words[0]} to {words[-1]}"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

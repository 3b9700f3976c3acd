# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What the catalogue is made of: releases, their two forms, and plans that Microsoft announced."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import last_day, month_of

SERVER_2025 = "windows-server-2025"
SERVER_2022_AZURE = "windows-server-2022-datacenter-azure-edition"
CLIENT_11 = "windows-11-enterprise"
CATALOGUE_PRODUCTS = (SERVER_2025, SERVER_2022_AZURE, CLIENT_11)

_KB = re.compile(r"(?:KB)?(\d{6,8})", re.ASCII | re.IGNORECASE)


class ReleaseType(StrEnum):
    """How a release stands in the calendar. ``LCU_ONLY``: an ordinary update, its meaning for hotpatching unknown."""

    BASELINE = "baseline"
    HOTPATCH = "hotpatch"
    UNPLANNED_BASELINE = "unplanned-baseline"
    OUT_OF_BAND = "out-of-band"
    LCU_ONLY = "lcu-only"


BASELINE_TYPES = (ReleaseType.BASELINE, ReleaseType.UNPLANNED_BASELINE)


class Form(StrEnum):
    """Which of a release's updates is meant."""

    BASELINE = "baseline"
    HOTPATCH = "hotpatch"
    LCU = "lcu"


@dataclass(frozen=True)
class Release:
    """One row of the catalogue: what came out for one product on one day.

    ``day`` is None when no source names the day; the row then counts from the last day of its month. Builds are tuples
    because client rows name one build for each Windows version that shares the update.
    """

    product: str
    month: str
    type: ReleaseType
    day: date | None = None
    hotpatch_kb: str | None = None
    hotpatch_builds: tuple[Build, ...] = ()
    lcu_kb: str | None = None
    lcu_builds: tuple[Build, ...] = ()
    breaks_hotpatch: bool | None = None
    evidence: str = "documented"
    source: str = ""
    note: str | None = None

    @property
    def effective(self) -> date:
        """The day from which this row counts."""
        return self.day or last_day(self.month)

    @property
    def is_baseline(self) -> bool:
        return self.type in BASELINE_TYPES

    @property
    def settles_month(self) -> bool:
        """Whether this row says what kind of month it was."""
        return self.is_baseline or self.type is ReleaseType.HOTPATCH

    @property
    def hotpatch_build(self) -> Build | None:
        return self.hotpatch_builds[0] if self.hotpatch_builds else None

    @property
    def lcu_build(self) -> Build | None:
        return self.lcu_builds[0] if self.lcu_builds else None

    @property
    def order(self) -> tuple[date, bool, int]:
        """Sort key inside one product: by day; an out-of-band release of the same day comes after the regular one."""
        builds = self.hotpatch_builds + self.lcu_builds
        return self.effective, self.type is ReleaseType.OUT_OF_BAND, max((build.ubr for build in builds), default=0)

    def as_dict(self) -> dict[str, Any]:
        return {
            "product": self.product,
            "month": self.month,
            "date": self.day.isoformat() if self.day else None,
            "type": self.type.value,
            "hotpatch_kb": self.hotpatch_kb,
            "hotpatch_build": " / ".join(map(str, self.hotpatch_builds)) or None,
            "lcu_kb": self.lcu_kb,
            "lcu_build": " / ".join(map(str, self.lcu_builds)) or None,
            "evidence": self.evidence,
            "source": self.source,
            "note": self.note,
        }


@dataclass(frozen=True)
class Level:
    """One form of one release: the thing a server can have installed."""

    release: Release
    form: Form

    @property
    def kb(self) -> str:
        kb = self.release.hotpatch_kb if self.form is Form.HOTPATCH else self.release.lcu_kb
        return kb or ""

    @property
    def builds(self) -> tuple[Build, ...]:
        return self.release.hotpatch_builds if self.form is Form.HOTPATCH else self.release.lcu_builds

    @property
    def settled(self) -> bool:
        """False for an update whose meaning for the hotpatch track no source settles."""
        return self.release.type is not ReleaseType.LCU_ONLY

    def as_dict(self) -> dict[str, Any]:
        return {
            "kb": self.kb,
            "form": self.form.value,
            "month": self.release.month,
            "type": self.release.type.value,
            "date": self.release.day.isoformat() if self.release.day else None,
            "build": str(self.builds[0]) if self.builds else None,
        }


@dataclass(frozen=True)
class PlannedRelease:
    """What Microsoft announced for a month, before it happened. ``announced`` None: known since ever."""

    product: str
    month: str
    type: ReleaseType
    source: str = ""
    announced: date | None = None


@dataclass(frozen=True)
class Rows:
    """A set of rows: the shipped ones or those of one file."""

    releases: tuple[Release, ...] = ()
    planned: tuple[PlannedRelease, ...] = ()
    collected: date | None = None
    name: str = ""


def normal_kb(text: str) -> str | None:
    """``KB5066835`` for ``5066835``, ``kb5066835`` or ``KB5066835``; None for anything else."""
    match = _KB.fullmatch(text.strip())
    return f"KB{match.group(1)}" if match else None


def kbs_in(text: str) -> tuple[str, ...]:
    """Every KB number that a title names, in its order, each once."""
    return tuple(dict.fromkeys(f"KB{digits}" for digits in re.findall(r"\bKB(\d{6,8})\b", text, re.IGNORECASE)))


def levels_of(release: Release) -> tuple[Level, ...]:
    """The updates that one release consists of."""
    found = []
    if release.hotpatch_kb:
        found.append(Level(release, Form.HOTPATCH))
    if release.lcu_kb:
        found.append(Level(release, Form.BASELINE if release.is_baseline else Form.LCU))
    return tuple(found)


def month_from(when: str) -> str:
    """The month of ``YYYY-MM-DD`` or ``YYYY-MM``."""
    return month_of(date.fromisoformat(when)) if len(when) == 10 else when

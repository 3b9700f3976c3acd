# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The train guard: what one offered update would do to one server. Which updates are installed is in choice.py.

The KB decides, never the words of a title: titles on the machine are translated and, since late 2025, as short as
``2026-04 Security Update (KB5082063) (26100.32690)``. The build in the last brackets is a second witness: when it
contradicts the catalogue the answer is ``unknown``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import day_in_words, month_in_words
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue, Unknown
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import (
    Form,
    Level,
    ReleaseType,
    kbs_in,
    normal_kb,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing, Track

_TITLE_BUILD = re.compile(r"\((\d{5}\.\d{1,7})\)\s*$", re.ASCII)
# Recurring updates that are never the operating system's cumulative update: the Malicious Software Removal Tool,
# Defender's definitions and platform, and the Windows Security platform.
_OTHER_KBS = {
    "KB890830": "the Malicious Software Removal Tool",
    "KB2267602": "Microsoft Defender's definitions",
    "KB4052623": "Microsoft Defender's platform",
    "KB5007651": "the Windows Security platform",
}
_DOTNET = re.compile(r"\.NET\b", re.IGNORECASE)
_WINDOWS_ITSELF = re.compile(r"\(\d{5}\.\d{1,7}\)\s*$|\bhotpatch\b", re.IGNORECASE)


class Kind(StrEnum):
    """``LCU``: an ordinary cumulative update for a server that is not on the hotpatch track anyway."""

    HOTPATCH = "hotpatch"
    BASELINE = "baseline"
    UNPLANNED_BASELINE = "unplanned_baseline"
    OOB_ON_TRACK = "oob_on_track"
    OFF_TRACK = "off_track"
    LCU = "lcu"
    OTHER = "other"
    UNKNOWN = "unknown"


HOTPATCH_KINDS = (Kind.HOTPATCH, Kind.OOB_ON_TRACK)
BASELINE_KINDS = (Kind.BASELINE, Kind.UNPLANNED_BASELINE, Kind.LCU)


@dataclass(frozen=True)
class Verdict:
    """What one update would do to one server.

    :param reason: a stable word for conditions.
    :param words: a sentence.
    :param price: what installing it costs, in words; None when it costs nothing beyond a restart.
    :param months_lost: the months whose hotpatches the server would not get.
    :param level: the row of the catalogue it was recognised as.
    """

    kind: Kind
    reason: str
    words: str
    kb: str | None = None
    level: Level | None = None
    price: str | None = None
    months_lost: tuple[str, ...] = ()
    already_installed: bool = False

    @property
    def expected_build(self) -> Build | None:
        """The build after installing it; None when the catalogue names none."""
        return self.level.builds[0] if self.level and self.level.builds else None

    @property
    def needs_restart(self) -> bool | None:
        """What the kind implies; None where it implies nothing."""
        if self.kind in HOTPATCH_KINDS:
            return False
        return None if self.kind in (Kind.OTHER, Kind.UNKNOWN) else True

    def as_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.kind.value,
            "reason": self.reason,
            "words": self.words,
            "kb": self.kb,
            "price": self.price,
            "months_lost": list(self.months_lost),
            "already_installed": self.already_installed,
            "expected_build": str(self.expected_build) if self.expected_build else None,
            "needs_restart": self.needs_restart,
        }


def judge(
    kbs: str | Sequence[str] | None, title: str, standing: Standing, catalogue: Catalogue, *, driver: bool = False
) -> Verdict:
    """The verdict of one offered update for the server with this standing.

    :param kbs: the KB numbers the update names, with or without ``KB``; the title's when there are none.
    :param driver: whether Windows Update says that it is a driver.
    """
    given = [kbs] if isinstance(kbs, str) else list(kbs or ())
    named = tuple(dict.fromkeys(normal_kb(kb) or kb for kb in given))
    in_title = kbs_in(title)
    if named and in_title and not set(named) & set(in_title):
        words = f"Its title names {in_title[0]}, but the update says it is {', '.join(named)}."
        return Verdict(Kind.UNKNOWN, "title_contradicts_kb", words, named[0])
    named = named or in_title
    if driver:
        kb = named[0] if named else None
        return Verdict(Kind.OTHER, "driver", f"{kb or 'It'} is a driver; it may ask for a restart.", kb)
    if not named:
        return Verdict(Kind.UNKNOWN, "no_kb", "It names no KB, so what it is cannot be told.")
    rows_of = standing.product.catalogue_id
    found = [level for kb in named for level in (catalogue.by_kb(rows_of, kb) if rows_of else ())]
    if not found:
        return _not_in_catalogue(named[0], title, standing, catalogue)
    if len(named) > 1 or len(found) > 1:
        words = f"It names more than one KB ({', '.join(named)}), so what it is cannot be told."
        return Verdict(Kind.UNKNOWN, "several_kbs", words, named[0])
    level = found[0]
    hint = _TITLE_BUILD.search(title)
    build = Build.parse(hint.group(1)) if hint else None
    if build is not None and level.builds and build not in level.builds:
        words = f"Its title gives build {build}, but the catalogue knows {level.kb} as {level.builds[0]}."
        return Verdict(Kind.UNKNOWN, "title_contradicts_catalogue", words, level.kb, level)
    if build is not None and not level.builds:
        others = [other for other in catalogue.by_build(level.release.product, build) if other.kb != level.kb]
        if others:
            words = f"Its title gives build {build}, which the catalogue knows as {others[0].kb}."
            return Verdict(Kind.UNKNOWN, "title_contradicts_catalogue", words, level.kb, level)
    if level.form is Form.HOTPATCH:
        return _hotpatch(level, standing, catalogue)
    if standing.track is Track.LCU:
        words = f"{level.kb} is the {_kind_of_lcu(level)} of {month_in_words(level.release.month)}; it needs a restart."
        return Verdict(Kind.LCU, "ordinary_update", words, level.kb, level, already_installed=_has(standing, level))
    if standing.enrolled is not True:
        words = f"{level.kb} is a cumulative update; what it would cost is unknown: {standing.words}"
        return Verdict(Kind.UNKNOWN, "standing_unknown", words, level.kb, level)
    if level.form is Form.BASELINE:
        return _baseline(level, standing, catalogue)
    return _lcu_of_enrolled(level, standing, catalogue)


def _hotpatch(level: Level, standing: Standing, catalogue: Catalogue) -> Verdict:
    out_of_band = level.release.type is ReleaseType.OUT_OF_BAND
    if standing.track is not Track.HOTPATCH or standing.baseline is None:
        words = f"{level.kb} is a hotpatch, and this server is not known to be on the hotpatch track. {standing.words}"
        return Verdict(Kind.UNKNOWN, "not_on_track", words, level.kb, level)
    base = catalogue.base_of(level)
    if isinstance(base, Unknown):
        return Verdict(Kind.UNKNOWN, "catalogue_hole", f"{level.kb} is a hotpatch, but {base.reason}.", level.kb, level)
    if base != standing.baseline:
        words = (
            f"{level.kb} is a hotpatch built on the baseline {base.lcu_kb}; this server sits on "
            f"{standing.baseline.lcu_kb}, so it does not apply."
        )
        return Verdict(Kind.UNKNOWN, "other_baseline", words, level.kb, level)
    if level.release.breaks_hotpatch is True:
        return _price_of(level, catalogue, f"{level.kb} takes the server off the hotpatch track.")
    kind = Kind.OOB_ON_TRACK if out_of_band else Kind.HOTPATCH
    what = "out-of-band hotpatch" if out_of_band else "hotpatch"
    month = month_in_words(level.release.month)
    if _has(standing, level):
        words = f"{level.kb}, the {what} of {month}, or a newer one is installed already."
        return Verdict(kind, "already_installed", words, level.kb, level, already_installed=True)
    words = f"{level.kb} is the {what} of {month}, built on {base.lcu_kb}, which this server has; no restart."
    return Verdict(kind, "on_track", words, level.kb, level)


def _baseline(level: Level, standing: Standing, catalogue: Catalogue) -> Verdict:
    release = level.release
    current = catalogue.current_baseline(release.product)
    if isinstance(current, Unknown):
        words = f"{level.kb} is a baseline, but {current.reason}."
        return Verdict(Kind.UNKNOWN, "catalogue_hole", words, level.kb, level)
    if release != current:
        words = (
            f"{level.kb} is the baseline of {month_in_words(release.month)}; hotpatches build on "
            f"{current.lcu_kb} now, so it would not bring this server to the hotpatch track."
        )
        price = f"no hotpatch until {current.lcu_kb} is installed"
        return Verdict(Kind.OFF_TRACK, "older_baseline", words, level.kb, level, price)
    if standing.level is not None and standing.level.form is Form.LCU and standing.waits:
        words = f"{level.kb} is older than {standing.level.kb}, which this server has; it does not apply."
        return Verdict(Kind.UNKNOWN, "older_than_installed", words, level.kb, level)
    planned = release.type is ReleaseType.BASELINE
    kind = Kind.BASELINE if planned else Kind.UNPLANNED_BASELINE
    words = (
        f"{level.kb} is the {'' if planned else 'unplanned '}baseline of {month_in_words(release.month)}; it needs a "
        "restart, and hotpatches build on it."
    )
    done = standing.baseline == release
    return Verdict(kind, "already_installed" if done else "baseline", words, level.kb, level, already_installed=done)


def _lcu_of_enrolled(level: Level, standing: Standing, catalogue: Catalogue) -> Verdict:
    month = month_in_words(level.release.month)
    if not level.settled:
        words = f"No source settles whether {level.kb} of {month} is a baseline or takes a server off the track."
        return Verdict(Kind.UNKNOWN, "catalogue_hole", words, level.kb, level)
    if standing.waits:
        words = (
            f"{level.kb} is the {_kind_of_lcu(level)} of {month}; the server is off the hotpatch track and stays off "
            f"until {standing.next_hotpatch_from}."
        )
        return Verdict(Kind.LCU, "stays_off_track", words, level.kb, level, already_installed=_has(standing, level))
    return _price_of(level, catalogue, f"{level.kb} is the {_kind_of_lcu(level)} of {month}, off the hotpatch track.")


def _price_of(level: Level, catalogue: Catalogue, sentence: str) -> Verdict:
    expected = catalogue.next_baseline(level.release.product)
    months = tuple(catalogue.hotpatch_months_before(level.release.month, expected))
    price = f"no hotpatch until {expected.words}"
    return Verdict(Kind.OFF_TRACK, "leaves_track", f"{sentence} Price: {price}.", level.kb, level, price, months)


def _not_in_catalogue(kb: str, title: str, standing: Standing, catalogue: Catalogue) -> Verdict:
    other = not_windows_itself(kb, title)
    if other is not None:
        return Verdict(Kind.OTHER, "not_windows_itself", f"{kb} {other}.", kb)
    hint = _TITLE_BUILD.search(title)
    rows_of = standing.product.catalogue_id
    same = catalogue.by_build(rows_of, Build.parse(hint.group(1))) if hint and rows_of else ()
    more = f"; its title gives the build of {same[0].kb}" if same else ""
    words = f"The catalogue does not know {kb} as of {day_in_words(catalogue.on)}{more}."
    return Verdict(Kind.UNKNOWN, "not_in_catalogue", words, kb)


def not_windows_itself(kb: str, title: str) -> str | None:
    """What an update is that is known to be none of Windows itself, as the end of a sentence; None for any other."""
    if kb in _OTHER_KBS:
        return f"is {_OTHER_KBS[kb]}"
    if _DOTNET.search(title) and not _WINDOWS_ITSELF.search(title):
        return "updates .NET; it may ask for a restart"
    return None


def _kind_of_lcu(level: Level) -> str:
    out_of_band = level.release.type is ReleaseType.OUT_OF_BAND
    return "out-of-band cumulative update" if out_of_band else "ordinary cumulative update"


def _has(standing: Standing, level: Level) -> bool:
    have = standing.level
    if have is None:
        return False
    if have == level:
        return True
    if level.form is Form.HOTPATCH:
        return have.form is Form.HOTPATCH and have.release.order >= level.release.order
    return have.form is not Form.HOTPATCH and have.release.order >= level.release.order

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Which of the offered updates are installed, and why not the others.

The train guard's verdict comes first. What a person asked for (KBs, classifications, other updates) only narrows it;
naming a KB opens exactly what the documentation says it opens. Updates that are not Windows' own are never installed in
hotpatch_only mode: Windows Update has a restart forecast for none of them, and the restart behaviour in their metadata
is no promise for one server.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.classifications import (
    CLASSIFICATIONS,
    classifications_of,
    is_driver,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes import FIX, STOP, describe
from ansible_collections.winops.hotpatch.plugins.module_utils._release.offered_again import (
    OfferedAgain,
    offered_again,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import Release, normal_kb
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import (
    BASELINE_KINDS,
    HOTPATCH_KINDS,
    Kind,
    Verdict,
    judge,
)

_UPDATE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Mode(StrEnum):
    HOTPATCH_ONLY = "hotpatch_only"
    BASELINE = "baseline"


class OtherUpdates(StrEnum):
    """What becomes of updates that are not Windows' own, in baseline mode."""

    NAMED = "named"
    WITH_BASELINE = "with_baseline"


class Why(StrEnum):
    """Why an update is not installed: a stable word for conditions."""

    ONLY_SEARCHED = "only_searched"
    EXCLUDED = "excluded"
    NOT_INCLUDED = "not_included"
    OTHER_CLASSIFICATION = "other_classification"
    INSTALLED = "installed"
    OFFERED_AGAIN = "offered_again"
    UNKNOWN = "unknown"
    OFF_TRACK = "off_track"
    NOT_A_HOTPATCH = "not_a_hotpatch"
    IS_A_HOTPATCH = "is_a_hotpatch"
    NOT_NAMED = "not_named"
    NO_BASELINE_BESIDE = "no_baseline_beside"
    CONTAINED = "contained"
    LICENCE = "licence"
    RESTART_FIRST = "restart_first"
    DISK_SPACE = "disk_space"
    NOT_PROVEN = "not_proven"


# The class of each, as error codes have one, and what a person can do about it.
_REMEDIES: Mapping[Why, tuple[str, str | None]] = {
    Why.ONLY_SEARCHED: (STOP, None),
    Why.EXCLUDED: (STOP, None),
    Why.NOT_INCLUDED: (STOP, None),
    Why.OTHER_CLASSIFICATION: (STOP, None),
    Why.INSTALLED: (STOP, None),
    Why.OFFERED_AGAIN: (FIX, "Find out on the server why; to install it once more, name its KB in include."),
    Why.UNKNOWN: (FIX, "Add the release to a catalogue file of your own when Microsoft has published it."),
    Why.OFF_TRACK: (STOP, None),
    Why.NOT_A_HOTPATCH: (STOP, "Install it in mode baseline, in a window for a restart."),
    Why.IS_A_HOTPATCH: (STOP, "Install it in mode hotpatch_only."),
    Why.NOT_NAMED: (STOP, "Name its KB in include, or set other_updates to with_baseline."),
    Why.NO_BASELINE_BESIDE: (STOP, "It is installed together with the next update of Windows that needs a restart."),
    Why.CONTAINED: (STOP, None),
    Why.LICENCE: (FIX, "Read its licence terms, then set accept_eula to true."),
    Why.RESTART_FIRST: (FIX, "Restart the server, then run again."),
    Why.DISK_SPACE: (FIX, "Make room on the system drive, then run again."),
    Why.NOT_PROVEN: (FIX, "Look at the witnesses in the receipt."),
}


@dataclass(frozen=True)
class Offered:
    """One update as Windows Update offered it, with its verdict and, when it is refused, why.

    :param hresult: the code behind the refusal, where Windows gave one.
    """

    update: Mapping[str, Any]
    verdict: Verdict
    refused: str | None = None
    why: Why | None = None
    hresult: str | None = None

    def refuse(self, why: Why, words: str, hresult: str | None = None) -> Offered:
        """The same update, refused."""
        return replace(self, refused=words, why=why, hresult=hresult)

    def as_dict(self) -> dict[str, Any]:
        error_class, remedy = _REMEDIES[self.why] if self.why is not None else (None, None)
        text = describe(self.hresult) if self.hresult is not None else None
        if text is not None and text.retryable:
            error_class, remedy = text.error_class, text.remedy or remedy
        return {
            "update_id": self.update.get("update_id"),
            "revision": self.update.get("revision"),
            "title": self.update.get("title"),
            "classifications": list(classifications_of(self.update)),
            **self.verdict.as_dict(),
            "selected": self.refused is None,
            "refused": self.refused,
            "why": self.why.value if self.why is not None else None,
            "hresult": text.code if text else None,
            "meaning": text.meaning if text else None,
            "class": error_class,
            "remedy": remedy,
        }


@dataclass(frozen=True)
class Choice:
    """What to install of what was offered, and why not the rest."""

    selected: tuple[Offered, ...]
    refused: tuple[Offered, ...]
    offered_again: tuple[OfferedAgain, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "selected": [each.as_dict() for each in self.selected],
            "refused": [each.as_dict() for each in self.refused],
            "offered_again": [each.as_dict() for each in self.offered_again],
        }


@dataclass(frozen=True)
class Selection:
    """What a person asked for, checked.

    :param include: when not empty, only these KBs and update ids may be chosen; also the only way to an update that
        leaves the track or was offered again. It never overrides the guard by itself.
    """

    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()
    classifications: frozenset[str] = frozenset()
    other_updates: OtherUpdates = OtherUpdates.NAMED
    allow_off_track: bool = False
    accept_eula: bool = True

    @classmethod
    def read(
        cls,
        *,
        include: Collection[str] = (),
        exclude: Collection[str] = (),
        classifications: Collection[str] = (),
        other_updates: str = OtherUpdates.NAMED,
        allow_off_track: bool = False,
        accept_eula: bool = True,
    ) -> Selection:
        """
        :raises InvalidInput: an entry of a list is not what it must be, or one is in both lists.
        """
        only, never = _names(include, "include"), _names(exclude, "exclude")
        if only & never:
            name = min(only & never)
            raise InvalidInput(f"{name} is in both lists, include and exclude.", hint="Keep it in one of them.")
        unknown = sorted(set(classifications) - set(CLASSIFICATIONS))
        if unknown:
            raise InvalidInput(
                f"'{unknown[0]}' is no classification.", hint=f"Known are {', '.join(sorted(CLASSIFICATIONS))}."
            )
        return cls(only, never, frozenset(classifications), OtherUpdates(other_updates), allow_off_track, accept_eula)

    def names(self, update: Mapping[str, Any], verdict: Verdict) -> bool:
        """Whether the update is named in include."""
        return _is_in(self.include, update, verdict)


def choose(
    offered: Iterable[Mapping[str, Any]],
    mode: Mode | str,
    standing: Standing,
    catalogue: Catalogue,
    selection: Selection | None = None,
    history: Iterable[Mapping[str, Any]] | None = None,
) -> Choice:
    """Choose among offered updates (as the result of a search has them).

    :param mode: ``hotpatch_only`` takes hotpatches alone; ``baseline`` takes the update that needs a restart: the
        current baseline, or for a server off the hotpatch track the newest cumulative update, and what comes with it.
    :param history: rows of the server's update history about what is offered, newest first; None when unknown.
    """
    wanted = Mode(mode)
    asked = selection or Selection()
    rows = None if history is None else list(history)
    allowed: list[Offered] = []
    refused: list[Offered] = []
    again: list[OfferedAgain] = []
    for update in offered:
        each = Offered(update, judged(update, standing, catalogue))
        repeated = offered_again(update, each.verdict, rows)
        if repeated is not None:
            again.append(repeated)
        found = _refusal(each, wanted, asked, repeated)
        if found is None:
            allowed.append(each)
        else:
            refused.append(each.refuse(*found))
    selected, left = _together(allowed, asked)
    return Choice(tuple(selected), (*refused, *left), tuple(again))


def judged(update: Mapping[str, Any], standing: Standing, catalogue: Catalogue) -> Verdict:
    """The verdict of an update as the result of a search has it."""
    title = str(update.get("title") or "")
    return judge(update.get("kbs") or (), title, standing, catalogue, driver=is_driver(update))


def _together(allowed: list[Offered], asked: Selection) -> tuple[list[Offered], list[Offered]]:
    """Of what may be installed, what is installed in one go: one update of Windows, and the others beside it."""
    # Cumulative: the newest replaces the others, and asking for both would make Windows Update install twice.
    newest = _newest(each.verdict for each in allowed if each.verdict.kind is not Kind.OTHER)
    selected: list[Offered] = []
    left: list[Offered] = []
    for each in allowed:
        if each.verdict.kind is Kind.OTHER:
            if newest is not None or asked.names(each.update, each.verdict):
                selected.append(each)
            else:
                words = "it is kept for the next baseline, so that one restart serves both"
                left.append(each.refuse(Why.NO_BASELINE_BESIDE, words))
        elif each.verdict == newest:
            selected.append(each)
        else:
            better = newest.kb if newest else "another update"
            left.append(each.refuse(Why.CONTAINED, f"{better} is newer and contains it"))
    return selected, left


def _refusal(each: Offered, mode: Mode, asked: Selection, repeated: OfferedAgain | None) -> tuple[Why, str] | None:
    verdict, update = each.verdict, each.update
    named = asked.names(update, verdict)
    if _is_in(asked.exclude, update, verdict):
        return Why.EXCLUDED, "excluded by its KB or update id"
    if asked.include and not named:
        return Why.NOT_INCLUDED, "not in the list of included KBs"
    if asked.classifications and not asked.classifications.intersection(classifications_of(update)):
        return Why.OTHER_CLASSIFICATION, "of none of the classifications asked for"
    if verdict.already_installed:
        return Why.INSTALLED, "installed already"
    if verdict.kind is Kind.UNKNOWN:
        return Why.UNKNOWN, f"what it would do is unknown: {verdict.words}"
    found = _of_mode(verdict, mode, named, asked)
    if found is not None:
        return found
    if repeated is not None and not named:
        return Why.OFFERED_AGAIN, repeated.words
    if not asked.accept_eula and update.get("eula_accepted") is not True:
        return Why.LICENCE, "it has licence terms that are not accepted, and accept_eula is false"
    return None


def _of_mode(verdict: Verdict, mode: Mode, named: bool, asked: Selection) -> tuple[Why, str] | None:
    off_track = Why.OFF_TRACK, verdict.price or verdict.words
    if mode is Mode.HOTPATCH_ONLY:
        if verdict.kind in HOTPATCH_KINDS:
            return None
        if verdict.kind is Kind.OFF_TRACK:
            return off_track
        return Why.NOT_A_HOTPATCH, "it is no hotpatch, and only hotpatches are installed in this mode"
    if verdict.kind in BASELINE_KINDS:
        return None
    if verdict.kind is Kind.OFF_TRACK:
        return None if asked.allow_off_track and named else off_track
    if verdict.kind is Kind.OTHER:
        if named or asked.other_updates is OtherUpdates.WITH_BASELINE:
            return None
        return Why.NOT_NAMED, "it is not Windows' cumulative update and was not asked for by its KB"
    return Why.IS_A_HOTPATCH, "hotpatches are installed by the mode hotpatch_only, which can promise no restart"


def _newest(verdicts: Iterable[Verdict]) -> Verdict | None:
    best: Verdict | None = None
    best_release: Release | None = None
    for verdict in verdicts:
        release = verdict.level.release if verdict.level else None
        if release is not None and (best_release is None or release.order > best_release.order):
            best, best_release = verdict, release
    return best


def _is_in(names: frozenset[str], update: Mapping[str, Any], verdict: Verdict) -> bool:
    return bool(names.intersection((verdict.kb, str(update.get("update_id") or "").lower())))


def _names(entries: Collection[str], option: str) -> frozenset[str]:
    """KBs in their normal form, and update ids in lower case. A title is translated, so it cannot be named.

    An empty field of a survey arrives as a list of one empty text, and names nothing.
    """
    found = set()
    for entry in () if [str(each).strip() for each in entries] == [""] else entries:
        text = str(entry).strip().lower()
        name = text if _UPDATE_ID.fullmatch(text) else normal_kb(text)
        if name is None:
            raise InvalidInput(
                f"'{entry}' in {option} is not a KB or an update id.",
                hint="A KB looks like KB5066835 or 5066835; titles are translated and cannot be used.",
            )
        found.add(name)
    return frozenset(found)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What stands between a server and hotpatches: blockers, and the order in which to remove them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

# The order in which fixes are sensible: first what the rest depends on.
_ORDER = (
    "product_unknown",
    "not_windows_server",
    "product_without_hotpatch",
    "edition_unknown",
    "edition_without_hotpatch",
    "build_unknown",
    "build_below_floor",
    "firmware_unknown",
    "bios_firmware",
    "secure_boot_unknown",
    "secure_boot_off",
    "vbs_unknown",
    "vbs_not_enabled",
    "vbs_not_running",
    "azure_vm_needs_azure_edition",
    "arc_unknown",
    "arc_missing",
    "arc_disconnected",
    "arc_expired",
    "arc_not_connected",
)


@dataclass(frozen=True)
class Blocker:
    """One reason why a server may not have hotpatches.

    :param evidence: what was read, for the record.
    :param fix: what to do; None when nothing can be done on this installation.
    :param restart: whether the fix needs a restart.
    :param unknown: True when the reason is only that something could not be read.
    :param shares_restart_with: other blockers whose fix may use the same restart.
    """

    code: str
    words: str
    evidence: str
    fix: str | None
    restart: bool = False
    unknown: bool = False
    shares_restart_with: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "words": self.words,
            "evidence": self.evidence,
            "fix": self.fix,
            "restart": self.restart,
            "unknown": self.unknown,
            "shares_restart_with": list(self.shares_restart_with),
        }


@dataclass(frozen=True)
class FixStep:
    """One fix; ``restart_number`` tells which restart finishes it (None: none)."""

    blocker: str
    fix: str
    restart_number: int | None

    def as_dict(self) -> dict[str, Any]:
        return {"blocker": self.blocker, "fix": self.fix, "restart_number": self.restart_number}


@dataclass(frozen=True)
class FixPlan:
    """How a server becomes eligible. ``possible`` is False when a blocker has no fix on this installation."""

    steps: tuple[FixStep, ...] = field(default_factory=tuple)
    restarts: int = 0
    possible: bool = True

    def as_dict(self) -> dict[str, Any]:
        return {
            "steps": [step.as_dict() for step in self.steps],
            "restarts": self.restarts,
            "possible": self.possible,
        }


def in_order(blockers: Iterable[Blocker]) -> tuple[Blocker, ...]:
    """Blockers in the order in which their fixes are sensible."""
    return tuple(sorted(blockers, key=lambda blocker: _ORDER.index(blocker.code)))


def fix_plan(blockers: Iterable[Blocker]) -> FixPlan:
    """The fixes in order, with as few restarts as sharing allows.

    Two fixes use one restart only when each of them names the other.
    """
    ordered = in_order(blockers)
    if any(blocker.fix is None for blocker in ordered):
        return FixPlan(possible=False)
    restarts: list[list[Blocker]] = []
    steps = []
    for blocker in ordered:
        number = None
        if blocker.restart:
            number = _shared_restart(blocker, restarts)
            if number is None:
                restarts.append([])
                number = len(restarts)
            restarts[number - 1].append(blocker)
        steps.append(FixStep(blocker.code, blocker.fix or "", number))
    return FixPlan(tuple(steps), len(restarts))


def _shared_restart(blocker: Blocker, restarts: list[list[Blocker]]) -> int | None:
    for number, group in enumerate(restarts, start=1):
        if all(
            other.code in blocker.shares_restart_with and blocker.code in other.shares_restart_with for other in group
        ):
            return number
    return None

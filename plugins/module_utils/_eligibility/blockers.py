# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What stands between a server and hotpatches: blockers, and the order in which to remove them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# The order in which blockers are told: first what the rest depends on.
_ORDER = (
    "product_unknown",
    "not_windows_server",
    "product_without_hotpatch",
    "edition_unknown",
    "edition_without_hotpatch",
    "azure_local_host",
    "azure_vm_needs_azure_edition",
    "azure_edition_elsewhere",
    "platform_unknown",
    "build_unknown",
    "build_below_floor",
    "firmware_unknown",
    "bios_firmware",
    "secure_boot_unknown",
    "secure_boot_off",
    "virtualization_missing",
    "vbs_unknown",
    "vbs_forbidden_by_policy",
    "vbs_not_enabled",
    "vbs_waits_for_restart",
    "vbs_not_running",
    "arc_unknown",
    "arc_missing",
    "arc_disconnected",
    "arc_resource_deleted",
    "arc_expired",
    "arc_not_connected",
    "arc_elsewhere",
)
_RESTART = "winops.hotpatch.restart"


@dataclass(frozen=True)
class Action:
    """What removes a blocker, in a form that a playbook can use.

    :param module: the module that does it; None when it is done outside of the server, at its firmware or hypervisor.
    :param options: of the module, or (outside) what is to be brought about: ``secure_boot: true``.
    :param needs: options of the module that only a person can give, such as a subscription.
    """

    module: str | None
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def outside(self) -> bool:
        return self.module is None

    def as_dict(self) -> dict[str, Any]:
        return {
            "module": self.module,
            "options": dict(self.options),
            "needs": list(self.needs),
            "outside": self.outside,
        }


@dataclass(frozen=True)
class Blocker:
    """One reason why a server may not have hotpatches.

    :param evidence: what was read, for the record.
    :param fix: what to do; None when nothing can be done on this installation.
    :param restart: whether the fix needs a restart.
    :param unknown: True when the reason is only that something could not be read.
    :param shares_restart_with: other blockers whose fix may use the same restart.
    :param actions: the fix as steps for a playbook, in order; empty when only a person can do it.
    """

    code: str
    words: str
    evidence: str
    fix: str | None
    restart: bool = False
    unknown: bool = False
    shares_restart_with: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()

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
    """One fix, or the restart that finishes the fixes before it (then ``blocker`` is None).

    :param restart_number: which restart finishes it; None: none is needed.
    :param action: how a playbook does it; None when only a person can.
    """

    blocker: str | None
    fix: str
    restart_number: int | None
    action: Action | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "blocker": self.blocker,
            "fix": self.fix,
            "restart_number": self.restart_number,
            "action": self.action.as_dict() if self.action else None,
        }


@dataclass(frozen=True)
class FixPlan:
    """How a server becomes eligible.

    :param restarts: how often it is restarted, by a step of its own or by what is done outside while it is off. A
        cumulative update may let Windows restart once more by itself.
    :param possible: False when a blocker has no fix on this installation.
    :param complete: False while something could not be read: more may be needed then.
    """

    steps: tuple[FixStep, ...] = field(default_factory=tuple)
    restarts: int = 0
    possible: bool = True
    complete: bool = True

    def as_dict(self) -> dict[str, Any]:
        return {
            "steps": [step.as_dict() for step in self.steps],
            "restarts": self.restarts,
            "possible": self.possible,
            "complete": self.complete,
        }


def in_order(blockers: Iterable[Blocker]) -> tuple[Blocker, ...]:
    """Blockers in the order in which they are best told."""
    return tuple(sorted(blockers, key=lambda blocker: _ORDER.index(blocker.code)))


def fix_plan(blockers: Iterable[Blocker]) -> FixPlan:
    """The fixes in the order in which to do them, with as few restarts as sharing allows.

    Two fixes use one restart only when each of them names the other. Within one restart, what is done on the server
    comes first and what is done outside comes last: for that the server is shut down and started, which is the
    restart. Fixes that need no restart come after all that do: a server is connected when it is otherwise ready.
    """
    ordered = in_order(blockers)
    if any(blocker.fix is None for blocker in ordered):
        return FixPlan(possible=False, complete=not any(blocker.unknown for blocker in ordered))
    groups: list[list[Blocker]] = []
    for blocker in ordered:
        if blocker.restart:
            group = _shared_restart(blocker, groups)
            if group is None:
                groups.append([blocker])
            else:
                group.append(blocker)
    steps: list[FixStep] = []
    for number, group in enumerate(groups, start=1):
        inside = [blocker for blocker in group if not _is_outside(blocker)]
        outside = [blocker for blocker in group if _is_outside(blocker)]
        steps += [step for blocker in (*inside, *outside) for step in _steps_of(blocker, number)]
        if not outside:
            action = Action(_RESTART, {"only_if_pending": False})
            steps.append(FixStep(None, "Restart the server, and prove it.", number, action))
    steps += [step for blocker in ordered if not blocker.restart for step in _steps_of(blocker, None)]
    return FixPlan(tuple(steps), len(groups), complete=not any(blocker.unknown for blocker in ordered))


def _is_outside(blocker: Blocker) -> bool:
    return any(action.outside for action in blocker.actions)


def _steps_of(blocker: Blocker, number: int | None) -> list[FixStep]:
    actions: tuple[Action | None, ...] = blocker.actions or (None,)
    return [FixStep(blocker.code, blocker.fix or "", number, action) for action in actions]


def _shared_restart(blocker: Blocker, groups: list[list[Blocker]]) -> list[Blocker] | None:
    for group in groups:
        if all(
            other.code in blocker.shares_restart_with and blocker.code in other.shares_restart_with for other in group
        ):
            return group
    return None


def unread(code: str, words: str, evidence: str, fix: str | None = None) -> Blocker:
    """The blocker of something that could not be read: a doubt, never a pass."""
    return Blocker(
        code, words, evidence, fix or "Find out why it could not be read, and read the server again.", unknown=True
    )

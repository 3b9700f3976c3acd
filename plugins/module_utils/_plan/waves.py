# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Servers into waves, and whether the next wave may start.

Servers of one wave may restart at the same time. A failed or lost server keeps spending the failure budget across waves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput


@dataclass(frozen=True)
class Gate:
    """Whether the next wave may start, and why."""

    go: bool
    failures: tuple[str, ...]
    words: str

    def as_dict(self) -> dict[str, Any]:
        return {"go": self.go, "failures": list(self.failures), "words": self.words}


def waves(names: Sequence[str], canaries: int = 1, batch_size: int = 5) -> list[list[str]]:
    """Names in their order: first the canaries as one wave, then batches.

    :raises InvalidInput: a size out of range, or a name that comes twice.
    """
    if canaries < 0:
        raise InvalidInput("The number of canaries is negative.", hint="Use 0 for none, or 1.")
    if batch_size < 1:
        raise InvalidInput("The batch size is below 1.", hint="Use 1 to restart servers one after another.")
    if len(set(names)) != len(names):
        raise InvalidInput("A server stands in the waves twice.", hint="Give every server one name.")
    first, rest = list(names[:canaries]), list(names[canaries:])
    found = [first] if first else []
    return found + [rest[start : start + batch_size] for start in range(0, len(rest), batch_size)]


def gate(failed: Iterable[str], failure_budget: int = 0) -> Gate:
    """Whether another wave may start after these servers failed or were lost in the waves before.

    :param failure_budget: how many may fail before nothing more is started.
    """
    failures = tuple(dict.fromkeys(failed))
    if failure_budget < 0:
        raise InvalidInput("The failure budget is negative.", hint="Use 0 to stop at the first failure.")
    if len(failures) > failure_budget:
        named = ", ".join(failures[:5]) + (" and more" if len(failures) > 5 else "")
        words = f"Halted: {len(failures)} failed ({named}), and the budget allows {failure_budget}."
        return Gate(False, failures, words)
    if failures:
        return Gate(True, failures, f"Going on: {len(failures)} failed, and the budget allows {failure_budget}.")
    return Gate(True, failures, "Going on: no server failed.")

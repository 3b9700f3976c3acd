# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""One server first: nothing is done to several servers at once before it was proven on one.

The servers of a batch ask which of them may go now. As long as nothing is proven, that is a single one; when it fails,
the next one only if the failure budget still allows it. What did not report success is never taken for one, so hosts
that do not wait for each other (strategy free) are held back and not let through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

_WAITING, _DONE = "waiting", "done"
#: States that say nothing against the others: the server was not touched, for reasons of its own or of the budget.
_UNTOUCHED = ("refused", "halted")


def one_first(
    results: Mapping[str, Mapping[str, Any]], batch: Sequence[str], failure_budget: int = 0
) -> dict[str, Any]:
    """Who may go now: ``{"now": [names], "alone": [names], "halted": bool, "words": str}``.

    :param results: of all servers by name: ``state`` is ``waiting``, ``done``, ``failed``, ``refused`` or ``halted``;
        ``proven`` is true where it was really done and checked in this run. Any other state counts as failed.
    :param batch: the servers that ask, in order; those of them without a result, or with ``waiting``, want to go.
    :returns: ``now`` may go at once; ``alone`` are those that may be tried one after another, as far as the failure
        budget reaches, before that.
    :raises InvalidInput: the budget is negative.
    """
    if failure_budget < 0:
        raise InvalidInput("The failure budget is negative.", hint="Use 0 to stop at the first failure.")
    states = {name: result.get("state") for name, result in results.items()}
    failed = [name for name, state in states.items() if state not in (_WAITING, _DONE, *_UNTOUCHED)]
    wanting = [name for name in batch if states.get(name, _WAITING) == _WAITING]
    proven = [name for name, result in results.items() if result.get("proven") is True and states[name] == _DONE]
    left = failure_budget - len(failed)
    if not wanting:
        return _gate("Nothing is left to do in this batch.")
    if left < 0:
        why = "; ".join(f"{name}: {results[name].get('words') or 'no reason recorded'}" for name in failed[:3])
        allowed = f"{len(failed)} failed and {failure_budget} may fail"
        return _gate(f"Halted before {_names(wanting)}: {allowed} ({why}).", halted=True)
    if proven:
        return _gate(f"Now: {_names(wanting)}. It was proven on {_names(proven)}.", now=wanting)
    alone = wanting[: left + 1]
    return _gate(f"{wanting[0]} goes alone first: nothing is proven yet.", now=wanting[:1], alone=alone)


def _gate(words: str, *, now: Sequence[str] = (), alone: Sequence[str] = (), halted: bool = False) -> dict[str, Any]:
    return {"now": list(now), "alone": list(alone), "halted": halted, "words": words}


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")

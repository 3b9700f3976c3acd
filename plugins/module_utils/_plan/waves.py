# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Servers into waves, and whether the next wave may start.

Servers of one wave may restart at the same time. A server that failed or was lost keeps spending the failure budget
across waves, so an unlucky first wave leaves less room for the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

_DONE = "done"
_HALTED = "halted"


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


def gate(
    results: Mapping[str, Mapping[str, Any]], wave: Sequence[str], total: int, failure_budget: int = 0
) -> dict[str, Any]:
    """Whether a wave may start: ``{"go": bool, "canary": bool, "failed": [names], "words": str}``.

    ``canary`` is true for the first of several waves, the one to look at for a while before others follow.

    :param results: of the servers of earlier waves by name: ``state`` is ``done``, ``failed`` or ``halted``, ``words``
        say why. A state that is none of them counts as failed: an unknown end is no success.
    :param wave: the servers that want to start; their own results, if any, do not count.
    :param total: how many servers all waves hold.
    :param failure_budget: how many may fail before nothing more is started.
    :raises InvalidInput: the budget is negative.
    """
    if failure_budget < 0:
        raise InvalidInput("The failure budget is negative.", hint="Use 0 to stop at the first failure.")
    before = {name: result for name, result in results.items() if name not in set(wave)}
    failed = [name for name, result in before.items() if result.get("state") not in (_DONE, _HALTED)]
    allowed = f"{failure_budget} may fail"
    if len(failed) > failure_budget:
        why = "; ".join(f"{name}: {before[name].get('words') or 'no reason recorded'}" for name in failed[:3])
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        words = f"Halted before {_names(wave)}: {len(failed)} of {total} failed and {allowed} ({why}{more})."
        return {"go": False, "canary": False, "failed": failed, "words": words}
    done = sum(1 for result in before.values() if result.get("state") == _DONE)
    spent = f"{len(failed)} failed and {allowed}" if failed else "none failed"
    words = f"This wave: {_names(wave)}. Of {total} servers {done} are through, {spent}."
    return {"go": True, "canary": not before and len(wave) < total, "failed": failed, "words": words}


def _names(wave: Sequence[str]) -> str:
    return ", ".join(wave[:8]) + (f" and {len(wave) - 8} more" if len(wave) > 8 else "")

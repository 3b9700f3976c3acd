# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Room on the system drive before anything is downloaded; unknown counts as too little."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.policy import GIGABYTE, Policy
from ansible_collections.winops.hotpatch.plugins.module_utils._release.choice import Offered

#: An update lies on the disk as downloaded, is unpacked, and is copied into the component store.
FACTOR = 3
#: No monthly update of a server is larger. Windows Update shows tens of gigabytes as the "maximum" of updates that come
#: in parts, of which it fetches a few; such a number says nothing.
CREDIBLE_BYTES = 5 * GIGABYTE


def bytes_needed(chosen: Iterable[Offered], floor: int | None = None) -> int:
    """What installing these needs: their sizes times the factor, and never less than the floor.

    :param floor: the least that must be free; None for the plan's own numbers, which are smaller for hotpatches.
    """
    updates = list(chosen)
    policy = Policy()
    if floor is None:
        restarts = any(each.verdict.needs_restart is not False for each in updates)
        floor = policy.min_free_bytes_lcu if restarts else policy.min_free_bytes_hotpatch
    sizes = [each.update.get("max_download_bytes") for each in updates]
    return max(floor, FACTOR * sum(size for size in sizes if isinstance(size, int) and 0 < size <= CREDIBLE_BYTES))


def no_room(chosen: Iterable[Offered], hardware: Mapping[str, Any] | None, floor: int | None = None) -> str | None:
    """Why these updates find no room, in words; None when they do."""
    free = (hardware or {}).get("system_disk_free_bytes")
    if not isinstance(free, int) or isinstance(free, bool) or free < 0:
        return "the free room on the system drive could not be read"
    need = bytes_needed(chosen, floor)
    if free >= need:
        return None
    return f"the system drive has {free / GIGABYTE:.1f} GB free, and {need / GIGABYTE:.1f} GB are needed"

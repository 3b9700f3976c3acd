# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Windows Update has for a product: the real releases of the catalogue, one entry for each installable update.

Only the data of the catalogue is read here. What a server is offered and what an installation does is decided in
``update_offers`` and ``update_service``, from what is documented about Windows, so that the collection's own
judgement and the lab's behaviour stay independent. A release without a sourced build is never offered: the lab would
have to invent a build.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

from ansible_collections.winops.hotpatch.plugins.module_utils._release.rows import RELEASES


@dataclass(frozen=True)
class OsUpdate:
    """One update of the operating system.

    ``kind`` is "baseline", "lcu" or "hotpatch"; ``ubr`` the revision a server has afterwards; ``out_of_band`` that it
    came between two regular releases; ``twin`` the other form that the same release has ("" when it has none).
    """

    product: str
    kb: str
    kind: str
    date: date
    month: str
    build: int
    ubr: int
    out_of_band: bool
    twin: str

    @property
    def is_hotpatch(self) -> bool:
        """Whether it patches code in memory, without a restart."""
        return self.kind == "hotpatch"


@cache
def updates_for(product: str, build: int) -> tuple[OsUpdate, ...]:
    """All updates of a product for one base build, oldest first."""
    found: list[OsUpdate] = []
    for row in RELEASES:
        if row.product != product:
            continue
        out_of_band = row.type.value == "out-of-band"
        lcu_kind = "baseline" if row.type.value in {"baseline", "unplanned-baseline"} else "lcu"
        forms = (
            (row.hotpatch_kb, row.hotpatch_builds, "hotpatch", row.lcu_kb),
            (row.lcu_kb, row.lcu_builds, lcu_kind, row.hotpatch_kb),
        )
        for kb, builds, kind, twin in forms:
            own = next((item for item in builds if item.major == build), None)
            if kb is not None and own is not None:
                found.append(
                    OsUpdate(product, kb, kind, row.effective, row.month, build, own.ubr, out_of_band, twin or "")
                )
    return tuple(sorted(found, key=lambda item: (item.date, item.out_of_band, item.ubr)))


@cache
def all_kbs() -> frozenset[str]:
    """Every KB of the catalogue, whatever its product."""
    return frozenset(kb for row in RELEASES for kb in (row.hotpatch_kb, row.lcu_kb) if kb is not None)


def find_update(product: str, build: int, kb: str) -> OsUpdate | None:
    """The update with this KB: the product's own, else another product's of the same base build (a client's LCU)."""
    products = [product, *sorted({row.product for row in RELEASES} - {product})]
    for candidate in products:
        for item in updates_for(candidate, build):
            if item.kb == kb:
                return item
    return None


def baseline_before(product: str, build: int, update: OsUpdate) -> OsUpdate | None:
    """The baseline that a hotpatch was built on: the last one released before it."""
    earlier = [item for item in updates_for(product, build) if item.kind == "baseline" and item.date <= update.date]
    return earlier[-1] if earlier else None

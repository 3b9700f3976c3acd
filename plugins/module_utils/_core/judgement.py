# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""From what was read of a server to what that means: product, enrollment, eligibility, standing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.enrollment import (
    Enrollment,
    known_enrollment,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.rules import Eligibility, evaluate
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product, identify_product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing, standing


@dataclass(frozen=True)
class Judgement:
    """What the facts of one server mean on the day of the catalogue."""

    product: Product
    enrollment: Enrollment
    eligibility: Eligibility
    standing: Standing

    def as_dict(self) -> dict[str, Any]:
        """Keys of a task result."""
        return {
            "product": self.product.as_dict(),
            "enrollment": self.enrollment.as_dict(),
            "eligibility": self.eligibility.as_dict(),
            "standing": self.standing.as_dict(),
        }


def judge_server(
    facts: Mapping[str, Any], declared_enrolled: bool | None, declared_opted_out: bool | None, catalogue: Catalogue
) -> Judgement:
    """Judge a server's facts.

    :param facts: as ``_guest.facts.read_facts`` returns them.
    :param declared_enrolled: what the inventory says of the enrollment; None when it says nothing.
    """
    system = facts["os"]
    product = identify_product(
        system["build"], system["product_type"], system["edition_id"], system["sku"], system["installation_type"]
    )
    enrollment = known_enrollment(facts, declared_enrolled, product)
    build = Build.parse(system["build_ubr"]) if system["build_ubr"] else None
    kbs = None if facts["kbs"] is None else [entry["kb"] for entry in facts["kbs"]]
    return Judgement(
        product=product,
        enrollment=enrollment,
        eligibility=evaluate(facts, enrolled=enrollment.enrolled, opted_out=declared_opted_out),
        standing=standing(product, build, kbs, enrollment.enrolled, declared_opted_out, catalogue),
    )

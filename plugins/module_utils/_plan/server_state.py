# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What the facts of one server mean on one day: product, enrollment, eligibility and standing together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.enrollment import (
    Enrollment,
    installed_kbs,
    known_enrollment,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.place_rules import Expected
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.rules import (
    Eligibility,
    build_of,
    evaluate,
    product_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing, standing


@dataclass(frozen=True)
class ServerState:
    product: Product
    enrollment: Enrollment
    eligibility: Eligibility
    standing: Standing


def state_of(facts: Mapping[str, Any], declarations: Mapping[str, Any] | None, catalogue: Catalogue) -> ServerState:
    """Judge a server's facts.

    :param declarations: what the inventory knows: ``enrolled``, ``opted_out`` (true, false or None), ``platform``,
        ``expected_tenant_id`` and ``expected_subscription_id``.
    """
    declared = declarations or {}
    product = product_of(facts)
    enrollment = known_enrollment(facts, declared.get("enrolled"), product, catalogue)
    opted_out = declared.get("opted_out")
    eligibility = evaluate(
        facts,
        enrolled=enrollment.enrolled,
        opted_out=opted_out,
        platform=declared.get("platform"),
        expected=Expected.of(declared),
    )
    where = standing(product, build_of(facts), installed_kbs(facts), enrollment.enrolled, opted_out, catalogue)
    return ServerState(product, enrollment, eligibility, where)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Whether a server may be enrolled for hotpatches, with every blocker named at once.

Rules of windowsserverdocs, hotpatch for Arc, 2025-10-30: Windows Server 2025 Standard or Datacenter, build 26100.1742
or later, virtualization-based security running, UEFI with Secure Boot, connected to Azure Arc. Azure Edition needs no
Arc and exists only in Azure and on Azure Local. Being eligible, being enrolled and being on the track are three
different questions. What could not be read never passes: it makes the answer unknown.

What the machine must bring is in machine_rules.py, where it must stand and be connected in place_rules.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.blockers import (
    Action,
    Blocker,
    FixPlan,
    fix_plan,
    in_order,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.machine_rules import (
    BUILD_BELOW_FLOOR,
    MachineView,
    shares_restart,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.place_rules import Expected, place_blockers
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product, identify_product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import SERVER_2025

FLOOR = Build(26100, 1742)

# A client, an old server or an unknown system needs none of the rest explained.
_NOTHING_MORE = ("not_windows_server", "product_without_hotpatch", "product_unknown")


@dataclass(frozen=True)
class Caution:
    """Something that does not block but will be noticed."""

    code: str
    words: str

    def as_dict(self) -> dict[str, Any]:
        return {"code": self.code, "words": self.words}


@dataclass(frozen=True)
class Eligibility:
    """``eligible`` is None when nothing is known to be wrong but something could not be read."""

    eligible: bool | None
    blockers: tuple[Blocker, ...] = ()
    warnings: tuple[Caution, ...] = ()
    enrolled: bool | None = None
    opted_out: bool | None = None

    @property
    def fixes(self) -> FixPlan:
        return fix_plan(self.blockers)

    def as_dict(self) -> dict[str, Any]:
        return {
            "eligible": self.eligible,
            "blockers": [blocker.as_dict() for blocker in self.blockers],
            "warnings": [warning.as_dict() for warning in self.warnings],
            "fix_plan": self.fixes.as_dict(),
            "enrolled": self.enrolled,
            "opted_out": self.opted_out,
        }


def product_of(facts: Mapping[str, Any]) -> Product:
    """The product that a server's facts describe."""
    system = facts.get("os") or {}
    return identify_product(
        system.get("build"),
        system.get("product_type"),
        system.get("edition_id"),
        system.get("sku"),
        system.get("installation_type"),
    )


def build_of(facts: Mapping[str, Any]) -> Build | None:
    """Build and revision of a server's facts; None when either is unknown."""
    return Build.read((facts.get("os") or {}).get("build_ubr"))


def evaluate(
    facts: Mapping[str, Any],
    *,
    enrolled: bool | None = None,
    opted_out: bool | None = None,
    platform: str | None = None,
    expected: Expected | None = None,
) -> Eligibility:
    """Judge a server's facts.

    :param enrolled: passed through; enrollment never makes a server eligible.
    :param platform: where it stands, as declared (see place_rules.PLATFORMS); wins over what the facts say.
    :param expected: the tenant and the subscription in which it must be; None when any will do.
    """
    product, machine = product_of(facts), MachineView.of(facts)
    found = _product_blockers(product)
    if not any(blocker.code in _NOTHING_MORE for blocker in found):
        found += _build_blockers(facts, product)
        found += machine.blockers()
        found += place_blockers(facts, product, platform, expected or Expected())
    blockers = in_order(found)
    if any(not blocker.unknown for blocker in blockers):
        eligible: bool | None = False
    else:
        eligible = None if blockers else True
    return Eligibility(eligible, blockers, _warnings(facts, product, machine), enrolled, opted_out)


def _product_blockers(product: Product) -> list[Blocker]:
    if product.is_server is False:
        return [
            Blocker(
                "not_windows_server",
                f"This is {product.name}, a client; it shares builds with Windows Server but is none.",
                "product type 1 (workstation)",
                None,
            )
        ]
    if not product.known:
        return [
            Blocker(
                "product_unknown",
                f"This is {product.name}; Insider builds and unknown products have no hotpatches.",
                product.name,
                "Read the server again, or install a released Windows Server.",
                unknown=True,
            )
        ]
    if product.edition is None:
        return [
            Blocker(
                "edition_unknown",
                "The edition could not be read.",
                "EditionID and SKU are unknown",
                "Read the server again with an account that may read its registry.",
                unknown=True,
            )
        ]
    if product.hotpatch_capable is False:
        if product.id == SERVER_2025:
            return [
                Blocker(
                    "edition_without_hotpatch",
                    f"The edition {product.edition} has no hotpatches; Standard, Datacenter and Azure Edition have.",
                    f"edition {product.edition}",
                    None,
                )
            ]
        return [
            Blocker(
                "product_without_hotpatch",
                f"{product.name} has no hotpatches.",
                f"product {product.id}",
                None,
            )
        ]
    return []


def _build_blockers(facts: Mapping[str, Any], product: Product) -> list[Blocker]:
    if product.id != SERVER_2025:
        return []
    build = build_of(facts)
    if build is None:
        return [
            Blocker(
                "build_unknown",
                "The build and its revision could not be read.",
                "UBR is unknown",
                "Read the server again with an account that may read its registry.",
                unknown=True,
            )
        ]
    if build < FLOOR:
        return [
            Blocker(
                BUILD_BELOW_FLOOR,
                f"Build {build} is older than {FLOOR}, the first that may have hotpatches.",
                f"build {build}",
                "Install the current cumulative update and restart.",
                restart=True,
                shares_restart_with=shares_restart(BUILD_BELOW_FLOOR),
                actions=(Action("winops.hotpatch.updates", {"mode": "baseline"}),),
            )
        ]
    return []


def _warnings(facts: Mapping[str, Any], product: Product, machine: MachineView) -> tuple[Caution, ...]:
    found = []
    if product.evaluation:
        words = "Evaluation editions are not on Microsoft's list; hotpatching worked there for some."
        found.append(Caution("evaluation_edition", words))
    policy = facts.get("update_policy") or {}
    if policy.get("use_wsus") is True:
        server = policy.get("wsus_server")
        where = f"WSUS ({server})" if server else "WSUS"
        words = f"Updates come from {where}: a hotpatch arrives only when it is approved there."
        found.append(Caution("wsus", words))
    found += [Caution(code, words) for code, words in machine.cautions()]
    return tuple(found)

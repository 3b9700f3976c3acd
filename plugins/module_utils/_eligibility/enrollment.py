# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Whether a server is enrolled for hotpatches, and where that is known from.

Enrollment lives in Azure (the machine's licence profile). The guest shows only hints: a licence value that the Arc
agent is said to keep, and the enrollment package of Azure Edition (Mondoo's os provider; windowsserverdocs, hotpatch
for Azure Edition from ISO). A hint that could be read and is absent counts as "not enrolled", which at worst leaves a
server on ordinary updates; a hint that could not be read leaves the answer unknown. An installed hotpatch is stronger
than a missing hint: only enrolled servers are offered one. The hints are never written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import Form
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import find_level

DECLARED = "inventory variable"
INSTALLED = "an installed hotpatch"
HINT = "hint in the server's registry"
NO_HINT = "no licence hint in the registry"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Enrollment:
    enrolled: bool | None
    source: str

    def as_dict(self) -> dict[str, Any]:
        return {"enrolled": self.enrolled, "source": self.source}


def known_enrollment(
    facts: Mapping[str, Any], declared: bool | None, product: Product, catalogue: Catalogue | None = None
) -> Enrollment:
    """What is known of a server's enrollment; a declaration of the inventory wins over everything else.

    :param catalogue: where an installed hotpatch is looked up; the shipped one when none is given.
    """
    if declared is not None:
        return Enrollment(declared, DECLARED)
    hints = facts.get("hotpatch_hint") or {}
    licence, package = hints.get("arc_license"), hints.get("enrollment_package")
    deciding = (licence, package) if product.azure_edition else (licence,)
    if any(hint is True for hint in deciding):
        return Enrollment(True, HINT)
    if product.hotpatch_capable and _has_hotpatch(facts, product, catalogue or Catalogue.shipped()):
        return Enrollment(True, INSTALLED)
    # Azure Edition needs no Arc licence, so only its package can be missed.
    decisive = package if product.azure_edition else licence
    return Enrollment(False, NO_HINT) if decisive is False else Enrollment(None, UNKNOWN)


def installed_kbs(facts: Mapping[str, Any]) -> list[str] | None:
    """The KBs a server lists; None when the list could not be read."""
    listed = facts.get("kbs")
    if listed is None:
        return None
    return [str(entry["kb"]) for entry in listed if entry.get("kb")]


def _has_hotpatch(facts: Mapping[str, Any], product: Product, catalogue: Catalogue) -> bool:
    build = Build.read((facts.get("os") or {}).get("build_ubr"))
    found = find_level(product, build, installed_kbs(facts), catalogue)
    return found.level is not None and found.level.form is Form.HOTPATCH

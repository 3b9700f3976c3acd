# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Where a machine stands on the hotpatch track, told from what Azure shows of it, without a look at the server. Pure.

An Arc machine tells build, edition and licence; a VM tells its image, its switch and, while its agent runs, its build.
What is not shown stays unknown, and so does then the verdict on an update.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.enrollment_change import read_enrollment
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product, identify_product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing, standing

_BUILD = re.compile(r"10\.0\.(\d{5}\.\d{1,6})")
_SERVER, _CLIENT = 3, 1


def standing_of(document: Mapping[str, Any], *, arc: bool, catalogue: Catalogue) -> Standing:
    """Judge a machine by its document (with its instance view)."""
    properties = _inner(document, "properties")
    if arc:
        view = _inner(properties, "licenseProfile")
        found = read_enrollment({"properties": view} if view else None, document)
        enrolled: bool | None = None
        if view or found.switch is not None:
            enrolled = found.status == "Enabled"
        opted_out = None if found.switch is None else not found.switch
        build = _build(properties.get("osVersion"))
        names = f"{properties.get('osSku') or ''} {properties.get('osEdition') or ''}"
        return standing(_product(names, build), build, None, enrolled, opted_out, catalogue)
    settings = _inner(properties, "osProfile", "windowsConfiguration", "patchSettings")
    switch = settings.get("enableHotpatching")
    build = _build(_inner(properties, "instanceView").get("osVersion"))
    names = str(_inner(properties, "storageProfile", "imageReference").get("sku") or "")
    return standing(_product(names, build), build, None, switch is True, None, catalogue)


def _product(names: str, build: Build | None) -> Product:
    """The product by Azure's words for it (``Windows Server 2025 Datacenter``, ``2025-datacenter-azure-edition``)."""
    words = re.sub(r"[^a-z0-9]+", " ", names.lower())
    tail = "eval" if "eval" in words else ""
    edition = next(
        (
            name
            for word, name in (
                ("azure edition", "ServerTurbine"),
                ("datacenter", f"ServerDatacenter{tail}"),
                ("standard", f"ServerStandard{tail}"),
            )
            if word in words
        ),
        None,
    )
    client = re.search(r"\bwindows 1[01]\b|\bwin1[01]\b", words)
    return identify_product(build.major if build else None, _CLIENT if client else _SERVER, edition, None, None)


def _build(text: Any) -> Build | None:
    found = _BUILD.search(text) if isinstance(text, str) else None
    return Build.parse(found[1]) if found else None


def _inner(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}

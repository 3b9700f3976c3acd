# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Which product a server runs, told from numbers and identifiers and never from its translated caption.

Windows Server 2025 and Windows 11 24H2 share build 26100: the product type decides (1 workstation, 2 domain
controller, 3 server). Azure Edition is EditionID ServerTurbine / ServerTurbineCor or SKU 407 / 408 (WinNT headers;
Mondoo's os provider). Only Windows Server 2025 Standard and Datacenter (through Azure Arc) and Datacenter: Azure
Edition of 2022 and 2025 can have hotpatches (windowsserverdocs, hotpatch for Arc, 2025-10-30).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import (
    CLIENT_11,
    SERVER_2022_AZURE,
    SERVER_2025,
)

UNKNOWN = "unknown"
SERVER_2022 = "windows-server-2022"
OTHER_CLIENT = "windows-client"

# Server builds that have no hotpatching at all, named so that people read their own words.
_PLAIN_SERVERS = {
    14393: ("windows-server-2016", "Windows Server 2016"),
    17763: ("windows-server-2019", "Windows Server 2019"),
    25398: ("windows-server-23h2", "Windows Server, version 23H2"),
}
_AZURE_EDITIONS = ("serverturbine", "serverturbinecor", "serverturbinecore")
_AZURE_SKUS = (407, 408)
_PLAIN_EDITIONS = {
    "serverstandard": "Standard",
    "serverstandardcor": "Standard",
    "serverdatacenter": "Datacenter",
    "serverdatacentercor": "Datacenter",
    "serverstandardeval": "Standard Evaluation",
    "serverstandardevalcor": "Standard Evaluation",
    "serverdatacentereval": "Datacenter Evaluation",
    "serverdatacenterevalcor": "Datacenter Evaluation",
}
_PLAIN_SKUS = {
    7: "Standard",
    13: "Standard",
    8: "Datacenter",
    12: "Datacenter",
    79: "Standard Evaluation",
    160: "Standard Evaluation",
    80: "Datacenter Evaluation",
    159: "Datacenter Evaluation",
}
_CLIENT_TYPE = 1
_SERVER_TYPES = (2, 3)


@dataclass(frozen=True)
class Product:
    """What a machine runs.

    :param id: stable identifier, ``unknown`` when it could not be told.
    :param edition: Standard, Datacenter, Datacenter: Azure Edition, ...; None when unknown.
    :param is_server: None when the product type could not be read.
    :param hotpatch_capable: whether this product and edition can have hotpatches at all; None when unknown.
    :param catalogue_id: whose rows of the catalogue apply to it; None when the catalogue has none.
    """

    id: str
    name: str
    edition: str | None = None
    is_server: bool | None = None
    azure_edition: bool = False
    evaluation: bool = False
    core: bool | None = None
    hotpatch_capable: bool | None = None
    catalogue_id: str | None = None

    @property
    def known(self) -> bool:
        return self.id != UNKNOWN

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "edition": self.edition,
            "is_server": self.is_server,
            "azure_edition": self.azure_edition,
            "evaluation": self.evaluation,
            "core": self.core,
            "hotpatch_capable": self.hotpatch_capable,
        }


def identify_product(
    build: int | None,
    product_type: int | None,
    edition_id: str | None,
    sku: int | None,
    installation_type: str | None,
) -> Product:
    """The product of a machine. What cannot be told stays unknown; nothing is derived from a caption.

    :param build: the major build, 26100.
    :param product_type: Win32_OperatingSystem.ProductType.
    :param edition_id: EditionID of the registry; wins over the SKU, which older Core installations number differently.
    :param installation_type: ``Server``, ``Server Core`` or ``Client``.
    """
    if product_type == _CLIENT_TYPE:
        return _client(build, edition_id)
    if product_type not in _SERVER_TYPES or build is None:
        return Product(UNKNOWN, "an unknown Windows")
    core = None if installation_type is None else installation_type.casefold() == "server core"
    edition, azure, listed = _edition(edition_id, sku)
    evaluation = edition is not None and edition.endswith("Evaluation")
    if build == 26100:
        return _server(SERVER_2025, "Windows Server 2025", edition, azure, evaluation, core, listed, SERVER_2025)
    if build == 20348:
        capable = azure if edition is not None else None
        identifier = SERVER_2022_AZURE if azure else SERVER_2022
        # Ordinary editions of 2022 take the same cumulative updates as Azure Edition, so its rows answer for them.
        return _server(identifier, "Windows Server 2022", edition, azure, evaluation, core, capable, SERVER_2022_AZURE)
    if build in _PLAIN_SERVERS:
        identifier, name = _PLAIN_SERVERS[build]
        return _server(identifier, name, edition, azure, evaluation, core, False, None)
    return Product(UNKNOWN, f"an unknown Windows Server (build {build})", edition, True, azure, evaluation, core)


def _edition(edition_id: str | None, sku: int | None) -> tuple[str | None, bool, bool | None]:
    """(name, whether it is Azure Edition, whether hotpatching lists the edition); unknown is None."""
    if edition_id:
        key = edition_id.casefold()
        if key in _AZURE_EDITIONS:
            return "Datacenter: Azure Edition", True, True
        if key in _PLAIN_EDITIONS:
            return _PLAIN_EDITIONS[key], False, True
        return edition_id, False, False
    if sku in _AZURE_SKUS:
        return "Datacenter: Azure Edition", True, True
    if sku in _PLAIN_SKUS:
        return _PLAIN_SKUS[sku], False, True
    if sku is not None and sku != 0:
        return f"SKU {sku}", False, False
    return None, False, None


def _server(
    identifier: str,
    name: str,
    edition: str | None,
    azure: bool,
    evaluation: bool,
    core: bool | None,
    capable: bool | None,
    catalogue_id: str | None,
) -> Product:
    full = f"{name} {edition}" if edition else name
    return Product(identifier, full, edition, True, azure, evaluation, core, capable, catalogue_id)


def _client(build: int | None, edition_id: str | None) -> Product:
    if build in (26100, 26200) and edition_id and edition_id.casefold().startswith("enterprise"):
        identifier, name = CLIENT_11, "Windows 11 Enterprise"
    elif build is not None and build >= 22000:
        identifier, name = OTHER_CLIENT, "Windows 11"
    else:
        identifier, name = OTHER_CLIENT, "a Windows client"
    # A tenant's licence decides about hotpatches on clients, which a server's rules cannot see: never capable here.
    return Product(identifier, name, edition_id, False, hotpatch_capable=False)

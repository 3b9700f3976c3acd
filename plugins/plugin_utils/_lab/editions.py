# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The editions of Windows the lab can play, as they name themselves.

Captions, edition ids and SKU numbers: public outputs of real machines where there are any (WS2025 Standard and
Datacenter, the WS2025 Standard Evaluation name, WS2022 Datacenter, Windows 11), else Microsoft's headers (407 and
408, 79 and 80) or analogy.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """What all editions of one product share; ``rows`` names the releases Windows Update has for it."""

    key: str
    build: int
    display_version: str
    branch: str
    build_lab: str
    rtm_ubr: int
    rows: str
    windows_directory: str
    server: bool


@dataclass(frozen=True)
class Edition:
    """One edition: EditionID, OperatingSystemSKU, and the product's name without "Microsoft "."""

    edition_id: str
    sku: int
    name: str
    azure: bool = False
    evaluation: bool = False


_GE = "26100.1.amd64fre.ge_release.240331-1435"
_FE = "20348.1.amd64fre.fe_release.210507-1500"
AZURE_EDITION_2022 = "windows-server-2022-datacenter-azure-edition"

PRODUCTS = {
    product.key: product
    for product in (
        Product(
            "windows-server-2025", 26100, "24H2", "ge_release", _GE, 1742, "windows-server-2025", "C:\\WINDOWS", True
        ),
        Product("windows-server-2022", 20348, "21H2", "fe_release", _FE, 169, AZURE_EDITION_2022, "C:\\Windows", True),
        Product(AZURE_EDITION_2022, 20348, "21H2", "fe_release", _FE, 169, AZURE_EDITION_2022, "C:\\Windows", True),
        Product(
            "windows-11-enterprise",
            26100,
            "24H2",
            "ge_release",
            _GE,
            1742,
            "windows-11-enterprise",
            "C:\\WINDOWS",
            False,
        ),
    )
}

_SERVER_EDITIONS = (
    ("ServerStandard", 7, "Standard", False, False),
    ("ServerDatacenter", 8, "Datacenter", False, False),
    ("ServerStandardEval", 79, "Standard Evaluation", False, True),
    ("ServerDatacenterEval", 80, "Datacenter Evaluation", False, True),
    ("ServerTurbine", 407, "Datacenter Azure Edition", True, False),
    ("ServerTurbineCor", 408, "Datacenter Azure Edition", True, False),
)

#: The system of an Azure Local host, whatever the product line.
LOCAL_HOST = Edition("ServerAzureStackHCICor", 406, "Azure Stack HCI")

_CLIENT_EDITIONS = (
    Edition("Enterprise", 4, "Windows 11 Enterprise"),
    Edition("Professional", 48, "Windows 11 Pro"),
)


def edition_of(product: Product, edition_id: str) -> Edition | None:
    """The edition of a product; None when the product has no such one."""
    if not product.server:
        return next((edition for edition in _CLIENT_EDITIONS if edition.edition_id == edition_id), None)
    year = "2025" if product.build == 26100 else "2022"
    for own_id, sku, words, azure, evaluation in _SERVER_EDITIONS:
        if own_id == edition_id:
            return Edition(own_id, sku, f"Windows Server {year} {words}", azure, evaluation)
    return None


def edition_ids(product: Product) -> tuple[str, ...]:
    """The edition ids a product has."""
    if not product.server:
        return tuple(edition.edition_id for edition in _CLIENT_EDITIONS)
    return tuple(row[0] for row in _SERVER_EDITIONS)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What kind of place a server runs in, by what it shows of itself: three questions, each with yes, no or unknown.

An Azure VM has a chassis asset tag that spells MSFT AZURE VM (cloud-init and others know Azure by it). An Azure Local
host has an edition and a product name of its own (the agent's own installer asks for the name). A guest of an Azure
Local host is told its host's edition number by Hyper-V's integration services (406, ServerAzureStackHCICor), and its
Arc agent names the provider AzSHCI. A Hyper-V guest that is told nothing of its host is unknown, not "no".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"
HOST_EDITION = "ServerAzureStackHCICor"
HOST_PRODUCT = "Azure Stack HCI"
HOST_SKU = "406"
#: Editions of Azure's own hosts (ServerAzureCor, ServerAzureCloudHost), as their guests are told.
AZURE_HOST_SKUS = ("168", "199")
LOCAL_PROVIDER = "azshci"

AZURE_VM, LOCAL_HOST, LOCAL_VM, OTHER, UNKNOWN = "azure_vm", "azure_local_host", "azure_local_vm", "other", "unknown"


@dataclass(frozen=True)
class Platform:
    """The three answers (None: not known), each with what it was told by."""

    azure_vm: bool | None
    azure_local_host: bool | None
    azure_local_vm: bool | None
    evidence: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """One word; ``other`` only when all three are a sure no."""
        answers = (self.azure_vm, self.azure_local_host, self.azure_local_vm)
        if answers.count(True) > 1:
            return UNKNOWN
        for word, answer in zip((AZURE_VM, LOCAL_HOST, LOCAL_VM), answers, strict=True):
            if answer is True:
                return word
        return OTHER if answers == (False, False, False) else UNKNOWN

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "azure_vm": self.azure_vm,
            "azure_local_host": self.azure_local_host,
            "azure_local_vm": self.azure_local_vm,
            "evidence": list(self.evidence),
        }


def classify(shown: Mapping[str, str | None]) -> Platform:
    """Judge what a server shows.

    :param shown: ``asset_tag``, ``manufacturer``, ``model``, ``edition_id``, ``product_name``, ``host_sku`` (what
        Hyper-V says of the host), ``cloud_provider`` (what the Arc agent says). None is "could not be read", an empty
        text is "is not there".
    """
    evidence = tuple(f"{name} {text!r}" for name, text in shown.items() if text)
    host = _host(shown)
    local_vm = _local_vm(shown, host)
    return Platform(_azure_vm(shown), host, local_vm, evidence)


def _azure_vm(shown: Mapping[str, str | None]) -> bool | None:
    tag = shown.get("asset_tag")
    if tag is not None and re.sub(r"\s", "", tag) == AZURE_TAG:
        return True
    if shown.get("host_sku") in AZURE_HOST_SKUS:
        return True
    return None if tag is None else False


def _host(shown: Mapping[str, str | None]) -> bool | None:
    edition, product = shown.get("edition_id"), shown.get("product_name")
    if (edition or "").lower() == HOST_EDITION.lower() or (product or "").lower() == HOST_PRODUCT.lower():
        return True
    return None if not edition else False


def _local_vm(shown: Mapping[str, str | None], host: bool | None) -> bool | None:
    if host is True:
        return False
    if shown.get("host_sku") == HOST_SKU or (shown.get("cloud_provider") or "").lower() == LOCAL_PROVIDER:
        return None if host is None else True
    maker, model = shown.get("manufacturer"), shown.get("model")
    if maker is None or model is None:
        return None
    guest_of_hyper_v = maker.lower().startswith("microsoft") and "virtual" in model.lower()
    if guest_of_hyper_v and not shown.get("host_sku"):
        return None
    return False if host is False else None

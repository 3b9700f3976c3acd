# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Where the server must stand and be connected: the platform by edition, and Azure Arc.

Standard and Datacenter get hotpatches through Azure Arc, which an Azure VM cannot be connected to. Azure Edition needs
no Arc and exists as an Azure VM or an Azure Local VM alone. The hosts of Azure Local have no hotpatches; their agent
belongs to the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.blockers import Action, Blocker, unread
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import SERVER_2025

AZURE_VM, AZURE_LOCAL_VM, AZURE_LOCAL_HOST, OTHER = "azure_vm", "azure_local_vm", "azure_local_host", "other"
PLATFORMS = (AZURE_VM, AZURE_LOCAL_VM, AZURE_LOCAL_HOST, OTHER)


@dataclass(frozen=True)
class Expected:
    """Where in Azure a server is meant to be; None: anywhere."""

    tenant_id: str | None = None
    subscription_id: str | None = None

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> Expected:
        """What the inventory declares."""
        return cls(declared.get("expected_tenant_id") or None, declared.get("expected_subscription_id") or None)


def place_blockers(
    facts: Mapping[str, Any], product: Product, platform: str | None, expected: Expected
) -> list[Blocker]:
    """What stands against the server's place and connection.

    :param platform: one of PLATFORMS, None when it is not known.
    """
    if platform == AZURE_LOCAL_HOST:
        return [
            Blocker(
                "azure_local_host",
                "This is a host of Azure Local: it is updated with its cluster and has no hotpatches.",
                "platform azure_local_host",
                None,
            )
        ]
    if product.azure_edition:
        return _azure_edition(platform)
    if product.id != SERVER_2025:
        return []
    if platform == AZURE_VM:
        return [_azure_vm()] if product.edition else []
    return _arc_blockers(facts.get("arc") or {}, expected)


def _azure_vm() -> Blocker:
    return Blocker(
        "azure_vm_needs_azure_edition",
        "An Azure VM cannot be connected to Arc; only Datacenter: Azure Edition has hotpatches there.",
        "platform azure_vm",
        None,
    )


def _azure_edition(platform: str | None) -> list[Blocker]:
    if platform in (AZURE_VM, AZURE_LOCAL_VM):
        return []
    if platform == OTHER:
        return [
            Blocker(
                "azure_edition_elsewhere",
                "Azure Edition has hotpatches as an Azure VM or an Azure Local VM, and this server is neither.",
                "platform other",
                None,
            )
        ]
    return []


def _arc_blockers(arc: Mapping[str, Any], expected: Expected) -> list[Blocker]:
    installed, service, status = arc.get("installed"), arc.get("service"), arc.get("status")
    if installed is False or service == "absent":
        return [
            Blocker(
                "arc_missing",
                "The Azure Connected Machine agent is not installed.",
                "service himds absent",
                "Install the agent and connect the server (azcmagent connect).",
                actions=(_connect(expected),),
            )
        ]
    shown = str(status or "").casefold()
    detail = ", ".join(str(part) for part in (arc.get("error_code"), arc.get("error_details")) if part)
    evidence = f"service {service or 'unknown'}, status {status or 'unknown'}{', ' + detail if detail else ''}"
    if shown == "expired":
        return [
            Blocker(
                "arc_expired",
                "The Arc connection has expired: the machine's identity is no longer valid.",
                evidence,
                "Disconnect with --force-local-only, delete the resource if it is left, and connect again; note the "
                "role assignments of the old identity first.",
                actions=(_connect(expected),),
            )
        ]
    if shown == "disconnected" or (installed is True and service == "stopped"):
        return [
            Blocker(
                "arc_disconnected",
                "The Arc agent has no contact with Azure.",
                evidence,
                "Start the service himds and check the network (azcmagent check), dls.microsoft.com included.",
                actions=(_connect(expected),),
            )
        ]
    if shown == "connected" and installed is True and service == "running":
        return _elsewhere(arc, expected)
    if shown and shown != "connected":
        return [
            Blocker(
                "arc_not_connected",
                f"The Arc agent is not connected; it says {status}.",
                evidence,
                "Look at azcmagent show and its log, and connect the server.",
                actions=(_connect(expected),),
            )
        ]
    return [unread("arc_unknown", "Whether the server is connected to Azure Arc could not be read.", evidence)]


def _elsewhere(arc: Mapping[str, Any], expected: Expected) -> list[Blocker]:
    """Whether a connected server is where it is meant to be."""
    wrong, unknown = [], []
    for what, wanted, found in (
        ("tenant", expected.tenant_id, arc.get("tenant_id")),
        ("subscription", expected.subscription_id, arc.get("subscription_id")),
    ):
        if wanted is None:
            continue
        if not found:
            unknown.append(what)
        elif str(found).casefold() != wanted.casefold():
            wrong.append(f"{what} {found} where {wanted} was expected")
    if wrong:
        return [
            Blocker(
                "arc_elsewhere",
                f"The server is connected to Azure Arc elsewhere: {' and '.join(wrong)}.",
                f"azcmagent show: {', '.join(wrong)}",
                "Find out whose it is; if it is to move, disconnect it there with an account of that place and connect "
                "it here. Else correct what is expected.",
            )
        ]
    if unknown:
        words = f"To which {' and '.join(unknown)} the server is connected could not be read."
        return [unread("arc_place_unknown", words, f"azcmagent show: no {' and no '.join(unknown)}")]
    return []


def _connect(expected: Expected) -> Action:
    """Install, connect or connect again, as the agent's condition needs."""
    given = {
        key: value
        for key, value in (("tenant_id", expected.tenant_id), ("subscription_id", expected.subscription_id))
        if value is not None
    }
    asked = [name for name in ("tenant_id", "subscription_id", "resource_group", "location") if name not in given]
    return Action("winops.hotpatch.arc_agent", {"state": "connected", **given}, tuple(asked))

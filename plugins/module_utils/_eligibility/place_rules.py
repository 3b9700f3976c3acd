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

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility import arc_agent, platform_kind
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.blockers import Action, Blocker, unread
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import SERVER_2025

#: What an inventory can declare.
PLATFORMS = (
    platform_kind.AZURE_VM,
    platform_kind.LOCAL_VM,
    platform_kind.LOCAL_HOST,
    platform_kind.OTHER,
)
_HOMES_OF_AZURE_EDITION = (platform_kind.AZURE_VM, platform_kind.LOCAL_VM)


@dataclass(frozen=True)
class Expected:
    """Where in Azure a server is meant to be; None: anywhere."""

    tenant_id: str | None = None
    subscription_id: str | None = None

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> Expected:
        """What the inventory declares."""
        return cls(declared.get("expected_tenant_id") or None, declared.get("expected_subscription_id") or None)

    def as_place(self) -> dict[str, str | None]:
        """In the words of the agent's rules."""
        return {"tenant_id": self.tenant_id, "subscription_id": self.subscription_id}


def place_blockers(
    facts: Mapping[str, Any], product: Product, platform: str | None, expected: Expected
) -> list[Blocker]:
    """What stands against the server's place and connection.

    :param platform: what the inventory declares, one of PLATFORMS; None: what the server shows.
    """
    place, source = _place(facts, platform)
    if place == platform_kind.LOCAL_HOST:
        return [
            Blocker(
                "azure_local_host",
                "This is a host of Azure Local: it is updated with its cluster and has no hotpatches.",
                source,
                None,
            )
        ]
    if product.azure_edition:
        return _azure_edition(place, source)
    if product.id != SERVER_2025:
        return []
    if place == platform_kind.AZURE_VM:
        return [_azure_vm(source)] if product.edition else []
    return _arc_blockers(facts.get("arc") or {}, expected)


def _place(facts: Mapping[str, Any], declared: str | None) -> tuple[str, str]:
    """One word for where the server stands, and where that is known from."""
    if declared is not None:
        return declared, f"declared platform {declared}"
    shown = facts.get("platform") or {}
    kind = str(shown.get("kind") or platform_kind.UNKNOWN)
    return kind, f"platform {kind} by {', '.join(shown.get('evidence') or ()) or 'nothing that could be read'}"


def _azure_vm(evidence: str) -> Blocker:
    return Blocker(
        "azure_vm_needs_azure_edition",
        "An Azure VM cannot be connected to Arc; only Datacenter: Azure Edition has hotpatches there.",
        evidence,
        None,
    )


def _azure_edition(place: str, evidence: str) -> list[Blocker]:
    if place in _HOMES_OF_AZURE_EDITION:
        return []
    if place == platform_kind.OTHER:
        return [
            Blocker(
                "azure_edition_elsewhere",
                "Azure Edition has hotpatches as an Azure VM or an Azure Local VM, and this server is neither.",
                evidence,
                None,
            )
        ]
    words = "Whether it is an Azure VM or an Azure Local VM, as Azure Edition must be, could not be told."
    return [unread("platform_unknown", words, evidence, "Say what it is with the option platform.")]


def _arc_blockers(arc: Mapping[str, Any], expected: Expected) -> list[Blocker]:
    """The agent's condition by the rules of the module arc_agent; a connected agent must also be at work."""
    if arc.get("service") == "absent":
        arc = {**arc, "installed": False}
    found = arc_agent.condition_of(arc, expected.as_place())
    code, service = found.code, arc.get("service")
    if service == "stopped" and code in (arc_agent.CONNECTED, arc_agent.UNKNOWN):
        words = "The service of the Arc agent (himds) does not run, so it has no contact with Azure."
        fix = "Start the service himds and check the network (azcmagent check), dls.microsoft.com included."
        return [Blocker("arc_disconnected", words, found.evidence, fix, actions=(_connect(expected),))]
    if code == arc_agent.CONNECTED and service == "running":
        return []
    if code in (arc_agent.CONNECTED, arc_agent.UNKNOWN):
        words = f"Whether the server is connected to Azure Arc could not be read: {found.words}"
        return [unread("arc_unknown", words, found.evidence, found.remedy)]
    blocker, options = ("arc_elsewhere", None) if found.elsewhere else _ARC[code]
    actions = () if options is None else (_connect(expected, options),)
    return [Blocker(blocker, found.words, found.evidence, found.remedy, actions=actions)]


#: Blocker of each condition, and what arc_agent needs beside the place; None: only a person can.
_ARC: Mapping[str, tuple[str, Mapping[str, bool] | None]] = {
    arc_agent.ABSENT: ("arc_missing", {}),
    arc_agent.NOT_CONNECTED: ("arc_not_connected", {}),
    # The network is a person's.
    arc_agent.DISCONNECTED: ("arc_disconnected", None),
    # A new identity loses the role assignments of the old one, so the option is the person's leave for it.
    arc_agent.EXPIRED: ("arc_expired", {"allow_identity_reset": True}),
    arc_agent.RESOURCE_DELETED: ("arc_resource_deleted", {"allow_identity_reset": True}),
}


def _connect(expected: Expected, options: Mapping[str, bool] | None = None) -> Action:
    """Install, connect or connect again, as the agent's condition needs."""
    given = {
        key: value
        for key, value in (("tenant_id", expected.tenant_id), ("subscription_id", expected.subscription_id))
        if value is not None
    }
    needs = [name for name in ("subscription_id", "resource_group", "location", "tenant_id") if name not in given]
    return Action("winops.hotpatch.arc_agent", {"state": "connected", **given, **(options or {})}, tuple(needs))

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""How a server stands with Azure Arc: what its agent shows, against the place where it is wanted.

Disconnected, expired and "its resource was deleted" look alike in a list and need three different remedies; connected
to another place is none of them, and never "ok". A status Disconnected without any identity is an agent that was never
connected (azure-management-docs, azcmagent show; recorded outputs).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ABSENT, NOT_CONNECTED, CONNECTED = "absent", "not_connected", "connected"
DISCONNECTED, EXPIRED, RESOURCE_DELETED, UNKNOWN = "disconnected", "expired", "resource_deleted", "unknown"

#: What can differ, most telling first: the wish's key, the agent's key, the condition, the words.
_PLACE = (
    ("tenant_id", "tenant_id", "other_tenant", "tenant"),
    ("cloud", "cloud", "other_cloud", "cloud"),
    ("subscription_id", "subscription_id", "other_subscription", "subscription"),
    ("resource_group", "resource_group", "other_resource_group", "resource group"),
    ("resource_name", "resource_name", "other_resource_name", "resource name"),
    ("location", "location", "other_location", "location"),
)
ELSEWHERE = tuple(row[2] for row in _PLACE)
CONDITIONS = (
    ABSENT, NOT_CONNECTED, CONNECTED, DISCONNECTED, EXPIRED, RESOURCE_DELETED, *ELSEWHERE, UNKNOWN,
)  # fmt: skip

# How the agent words it was not found in public; these are the forms Azure itself uses for a resource that is gone.
_GONE = re.compile(
    r"\bHCRP404\b|ResourceNotFound|\b(?:resource|machine)\b[^.]{0,80}\b(?:not found|deleted|does not exist)\b",
    re.IGNORECASE,
)

_RECORD_ROLES = (
    "A reset gives the server a new identity, which inherits no role assignment of the old one: record the assignments "
    "first and grant them again afterwards."
)


@dataclass(frozen=True)
class Condition:
    """One of CONDITIONS in words, with what it was told by and what to do about it."""

    code: str
    words: str
    remedy: str | None = None
    evidence: str = ""
    differences: tuple[str, ...] = ()

    @property
    def elsewhere(self) -> bool:
        """Whether the server is connected, or was, to another place than the one that is wanted."""
        return self.code in ELSEWHERE

    def as_dict(self) -> dict[str, Any]:
        return {
            "condition": self.code,
            "words": self.words,
            "remedy": self.remedy,
            "evidence": self.evidence,
            "differences": list(self.differences),
        }


def has_identity(arc: Mapping[str, Any]) -> bool:
    """Whether the agent holds an identity of a resource in Azure."""
    return any(arc.get(key) for key in ("resource_id", "resource_name", "subscription_id"))


def condition_of(arc: Mapping[str, Any], place: Mapping[str, str | None]) -> Condition:
    """Judge what the agent shows.

    :param arc: the facts of the agent, as host_info has them.
    :param place: ``tenant_id``, ``cloud``, ``subscription_id``, ``resource_group``, ``resource_name``, ``location``;
        None for what nobody cares about.
    """
    status = str(arc.get("status") or "")
    shown = status.casefold()
    evidence = _evidence(arc, status)
    if arc.get("installed") is False:
        return Condition(ABSENT, "The Azure Connected Machine agent is not installed.", "Install it.", evidence)
    if arc.get("installed") is None or not shown:
        return Condition(
            UNKNOWN,
            "The agent's own description could not be read.",
            "Start the service himds, and look at what azcmagent show says on the server.",
            evidence,
        )
    if not has_identity(arc):
        if shown == "connected":
            return Condition(UNKNOWN, "The agent says Connected but not to what.", "Update the agent.", evidence)
        return Condition(
            NOT_CONNECTED, "The agent is installed and not connected to Azure.", "Connect it.", evidence
        )  # fmt: skip
    if found := _elsewhere(arc, place, evidence):
        return found
    return _standing(arc, shown, evidence)


def _elsewhere(arc: Mapping[str, Any], place: Mapping[str, str | None], evidence: str) -> Condition | None:
    differences: list[str] = []
    codes: list[str] = []
    for wanted_key, shown_key, code, words in _PLACE:
        wanted, there = place.get(wanted_key), arc.get(shown_key)
        if not wanted or _same(wanted, there):
            continue
        if not there:
            return Condition(
                UNKNOWN,
                f"The agent does not tell its {words}, so whether it is {wanted} cannot be told.",
                "Look at azcmagent show on the server, or leave that option out.",
                evidence,
            )
        codes.append(code)
        differences.append(f"{words} {there} and not {wanted}")
    if not codes:
        return None
    return Condition(
        codes[0],
        f"The server belongs to another place in Azure: {'; '.join(differences)}.",
        "Correct the options; or, to move the server, set reconnect to true. " + _RECORD_ROLES,
        evidence,
        tuple(differences),
    )


def _same(wanted: str, there: Any) -> bool:
    """Azure compares names without case; a region is written with and without blanks."""
    return re.sub(r"\s", "", wanted).casefold() == re.sub(r"\s", "", str(there or "")).casefold()


def _standing(arc: Mapping[str, Any], shown: str, evidence: str) -> Condition:
    if shown == "expired":
        return Condition(
            EXPIRED,
            "The server's identity has expired: it was without contact for too long and cannot come back by itself.",
            "Set allow_identity_reset to true to forget the identity and connect anew. " + _RECORD_ROLES,
            evidence,
        )
    error = " ".join(str(arc.get(key) or "") for key in ("error_code", "error_details"))
    if _GONE.search(error) and not (shown == "connected" and _heard_since(arc)):
        return Condition(
            RESOURCE_DELETED,
            "The server's resource was deleted in Azure; the agent still holds its identity.",
            "If that was meant, set state to disconnected. If not, set allow_identity_reset to true to create the "
            "resource anew. Its role assignments, extensions and hotpatch enrollment are gone with it.",
            evidence,
        )
    if shown == "connected":
        return Condition(CONNECTED, "The server is connected to Azure Arc.", None, evidence)
    return Condition(
        DISCONNECTED,
        "The agent has no contact with Azure; its identity is still good.",
        "Bring the contact back: start the service himds and open the network (see endpoints). It needs no new "
        "connection; the identity expires 45 to 90 days after the last contact.",
        evidence,
    )


def _heard_since(arc: Mapping[str, Any]) -> bool:
    """Whether a heartbeat came after the error that the agent still shows; ISO times of one form compare as text."""
    beat, error = arc.get("last_heartbeat"), arc.get("error_timestamp")
    return bool(beat and error and str(beat) > str(error))


def _evidence(arc: Mapping[str, Any], status: str) -> str:
    parts = [f"service {arc.get('service') or 'unknown'}", f"status {status or 'unknown'}"]
    if arc.get("last_heartbeat"):
        parts.append(f"last heartbeat {arc['last_heartbeat']}")
    parts += [str(arc[key]) for key in ("error_code", "error_details") if arc.get(key)]
    return ", ".join(parts)

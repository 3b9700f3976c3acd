# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Where a server's updates come from: what was asked for, what policy says, and whether the two can hold together.

ServerSelection and service ids: Microsoft Learn, wuapi reference, "Opt-In to Microsoft Update", "How Windows Update
works". A search that a policy forbids ends with 0x8024002E; that can be said before anything is started on the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT = "default"
MANAGED_SERVER = "managed_server"
WINDOWS_UPDATE = "windows_update"
MICROSOFT_UPDATE = "microsoft_update"

#: IUpdateSearcher.ServerSelection of each choice; 3 (others) goes with a service id.
SELECTION: Mapping[str, int] = {DEFAULT: 0, MANAGED_SERVER: 1, WINDOWS_UPDATE: 2, MICROSOFT_UPDATE: 3}
MICROSOFT_UPDATE_ID = "7971f918-a847-4430-9279-4a52d1efe18d"
_SERVICE_IDS = {
    MANAGED_SERVER: "3da21691-e39d-4da6-8a4b-b43877bcb1b7",
    WINDOWS_UPDATE: "9482f4b4-e343-43b6-b170-9a65bc822c77",
    MICROSOFT_UPDATE: MICROSOFT_UPDATE_ID,
}
_NAMES = {
    _SERVICE_IDS[MANAGED_SERVER]: "its own update server",
    _SERVICE_IDS[WINDOWS_UPDATE]: "Windows Update",
    MICROSOFT_UPDATE_ID: "Microsoft Update",
}

_DISABLED = "0x8024002E"
_NO_SERVER = "0x80244011"
_LOGIN = re.compile(r"(?<=//)[^/@]*@")


@dataclass(frozen=True)
class Source:
    """Where a search goes.

    :param conflict: why it cannot be made, as code and words; None when nothing known forbids it.
    :param managed: whether policy sends the server to an update server of its own; None when that is unknown.
    :param server: that server's address, without a login.
    """

    asked: str
    managed: bool | None
    server: str | None
    words: str
    conflict: tuple[str, str] | None = None

    @property
    def service_id(self) -> str | None:
        """The service that a search must name; None where the server selection says enough."""
        return MICROSOFT_UPDATE_ID if self.asked == MICROSOFT_UPDATE else None

    def as_dict(self, agent: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """For the result and the receipt.

        :param agent: what the agent said of itself in a search; None when none was made.
        """
        used = _used(self.asked, agent) if agent is not None else None
        return {
            "server_selection": self.asked,
            "managed_by_policy": self.managed,
            "update_server": self.server,
            "words": self.words,
            "service_id": used,
            "service": _NAMES.get(used, "another service") if used else None,
        }


def source_of(asked: str, policy: Mapping[str, Any] | None) -> Source:
    """What a search with this server selection asks, by the server's own policy.

    :param policy: the facts of its update policy; what could not be read is left to Windows Update to say.
    """
    facts = policy or {}
    if facts.get("readable") is not True:
        return Source(asked, None, None, f"Asked was {_asked(asked)}; the server's policy could not be read.")
    server = facts.get("wsus_server") if isinstance(facts.get("wsus_server"), str) else None
    managed = bool(server) and facts.get("use_wsus") is True
    shown = _LOGIN.sub("", server) if server else None
    words = _words(asked, managed, shown, facts)
    return Source(asked, managed, shown, words, _conflict(asked, managed, server, facts))


def _words(asked: str, managed: bool, server: str | None, facts: Mapping[str, Any]) -> str:
    if asked == MANAGED_SERVER:
        return f"Asked was its own update server{f', {server}' if server else ''}."
    if asked != DEFAULT:
        beside = f", although policy names {server}" if managed else ""
        return f"Asked was {_asked(asked)}{beside}."
    if not managed:
        return "No policy names an update server, so the server asks its default service on the internet."
    if _set_to(facts, "UseUpdateClassPolicySource", 1) and _set_to(
        facts, "SetPolicyDrivenUpdateSourceForQualityUpdates", 0
    ):
        return f"Policy names the update server {server}, and sends quality updates to Windows Update all the same."
    return f"Policy names the update server {server}."


def _conflict(asked: str, managed: bool, server: str | None, facts: Mapping[str, Any]) -> tuple[str, str] | None:
    if asked == MANAGED_SERVER:
        if server:
            return None
        return _NO_SERVER, "no policy names an update server (WUServer), and managed_server was asked for"
    if _set_to(facts, "DisableWindowsUpdateAccess", 1):
        return _DISABLED, "a policy turns off access to Windows Update (DisableWindowsUpdateAccess)"
    if asked != DEFAULT and managed and _set_to(facts, "DoNotConnectToWindowsUpdateInternetLocations", 1):
        return _DISABLED, (
            "a policy forbids the services on the internet (DoNotConnectToWindowsUpdateInternetLocations), and "
            f"{asked} was asked for"
        )
    return None


def _set_to(facts: Mapping[str, Any], name: str, number: int) -> bool:
    """Whether a value of the policy is there and has this number."""
    values = facts.get("values")
    if not isinstance(values, Mapping):
        return False
    return any(key.lower() == name.lower() and value == number for key, value in values.items())


def _asked(asked: str) -> str:
    return {WINDOWS_UPDATE: "Windows Update", MICROSOFT_UPDATE: "Microsoft Update"}.get(asked, "its default service")


def _used(asked: str, agent: Mapping[str, Any]) -> str | None:
    """The id of the service that was asked; for the default one what the agent names as such."""
    if asked in _SERVICE_IDS:
        return _SERVICE_IDS[asked]
    services = agent.get("services") or ()
    return next((service.get("id") for service in services if service.get("default") is True), None)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The Azure clouds: where ARM is, what a token must be for, and where a login goes.

A name (``AzureCloud``, ``AzureChinaCloud``, ``AzureUSGovernment``) or the ARM endpoint of another cloud, such as Azure
Stack Hub's. Such an endpoint describes itself under ``/metadata/endpoints``; both shapes in use are read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.address import place_of
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, InvalidInput

#: What an endpoint of one's own is asked; Azure Stack Hub and Azure itself know this version.
METADATA_PATH = "/metadata/endpoints?api-version=2015-01-01"
_LOOPBACK = ("127.0.0.1", "[::1]", "localhost")


@dataclass(frozen=True)
class Cloud:
    """One cloud.

    :ivar resource_manager: the address of ARM, without a slash at its end.
    :ivar scope: what a token for ARM is asked for; not derived from the address (Azure US Government differs).
    :ivar authority: where logins go.
    :ivar is_own: an endpoint of the person's own, which the public instance discovery does not know.
    """

    name: str
    resource_manager: str
    scope: str
    authority: str
    is_own: bool = False


CLOUDS: Mapping[str, Cloud] = {
    cloud.name: cloud
    for cloud in (
        Cloud(
            "AzureCloud",
            "https://management.azure.com",
            "https://management.azure.com/.default",
            "https://login.microsoftonline.com",
        ),
        Cloud(
            "AzureChinaCloud",
            "https://management.chinacloudapi.cn",
            "https://management.chinacloudapi.cn/.default",
            "https://login.chinacloudapi.cn",
        ),
        Cloud(
            "AzureUSGovernment",
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net/.default",
            "https://login.microsoftonline.us",
        ),
    )
}


def cloud_of(name_or_endpoint: str, ask: Callable[[str], Any], authority: str | None = None) -> Cloud:
    """The cloud of a name, or of an ARM endpoint's own description.

    :param ask: fetches a JSON document; called only for an endpoint.
    :param authority: where logins go, when the person says so.
    :raises InvalidInput: no such cloud, or an endpoint that would carry tokens in the clear.
    """
    known = {name.lower(): cloud for name, cloud in CLOUDS.items()}.get(name_or_endpoint.lower())
    if known is not None:
        return known if authority is None else Cloud(known.name, known.resource_manager, known.scope, authority)
    if "://" not in name_or_endpoint:
        raise InvalidInput(
            f"cloud_environment: there is no cloud {name_or_endpoint!r}.",
            hint=f"Name one of {', '.join(CLOUDS)}, or give the address of an ARM endpoint.",
        )
    endpoint = checked_endpoint(name_or_endpoint)
    return _described(endpoint, ask(endpoint + METADATA_PATH), authority)


def checked_endpoint(text: str) -> str:
    """The address of an ARM endpoint. A token goes over TLS only, except to this very machine."""
    place = place_of(text)
    if place is None or "?" in text or "#" in text:
        # Without a name and a password that somebody may have put before the host.
        raise InvalidInput(f"cloud_environment: {text.rpartition('@')[2]!r} is no address of an ARM endpoint.")
    if place.scheme == "http" and place.host not in _LOOPBACK:
        raise InvalidInput(
            f"cloud_environment: {text} would carry the access token unencrypted.",
            hint="Use its https address; http is taken for an address of this machine only.",
        )
    return text.rstrip("/")


def _described(endpoint: str, document: Any, authority: str | None) -> Cloud:
    # Azure's newer versions answer a list of clouds; an endpoint of one's own lists itself alone or first.
    found = document[0] if isinstance(document, list) and document else document
    login = found.get("authentication") if isinstance(found, Mapping) else None
    audiences = login.get("audiences") if isinstance(login, Mapping) else None
    if not isinstance(login, Mapping) or not isinstance(audiences, list) or not audiences:
        raise BadAnswer(
            f"{endpoint} does not describe itself as an ARM endpoint does (authentication.audiences is missing).",
            hint="Check the address in cloud_environment.",
        )
    where = authority or str(login.get("loginEndpoint") or "")
    if not where.startswith("https://"):
        raise BadAnswer(f"{endpoint} names no login address that begins with https:// ({where[:100]!r}).")
    return Cloud(endpoint, endpoint, f"{str(audiences[0]).rstrip('/')}/.default", where.rstrip("/"), is_own=True)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few hosts of the internet that an Arc agent needs, and whether a server reaches them.

Hosts: azure-management-docs, network-requirements. The agent's package stands behind two redirects, as aka.ms and the
download centre have it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.msi import make_package

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

#: The version that Microsoft's download addresses hand out in this lab.
LATEST_AGENT = "1.61.03319.2737"

#: By cloud: what ``azcmagent check`` asks for, without the names of the region.
CLOUD_HOSTS = {
    "AzureCloud": (
        "login.microsoftonline.com",
        "login.windows.net",
        "management.azure.com",
        "pas.windows.net",
        "gbl.his.arc.azure.com",
        "guestnotificationservice.azure.com",
    ),
    "AzureUSGovernment": (
        "login.microsoftonline.us",
        "management.usgovcloudapi.net",
        "pasff.usgovcloudapi.net",
        "gbl.his.arc.azure.us",
    ),
    "AzureChinaCloud": (
        "login.chinacloudapi.cn",
        "management.chinacloudapi.cn",
        "pas.chinacloudapi.cn",
        "gbl.his.arc.azure.cn",
    ),
}
_SUFFIXES = {"AzureCloud": "azure.com", "AzureUSGovernment": "azure.us", "AzureChinaCloud": "azure.cn"}
_OTHERS = ("aka.ms", "dls.microsoft.com", "download.microsoft.com", "packages.microsoft.com", "www.microsoft.com")
_REGIONAL = re.compile(r"[a-z0-9]+\.his\.arc\.azure\.(com|us|cn)|[a-z0-9-]+\.guestconfiguration\.azure\.(com|us|cn)")


def check_hosts(cloud: str, location: str) -> list[str]:
    """The hosts that a server in a region of a cloud needs for its agent."""
    suffix = _SUFFIXES[cloud]
    region = location.lower().replace(" ", "")
    return [
        *CLOUD_HOSTS[cloud],
        f"{region}.his.arc.{suffix}",
        f"agentserviceapi.guestconfiguration.{suffix}",
        f"{region}-gas.guestconfiguration.{suffix}",
    ]


class Reach(Enum):
    """How an attempt to reach a host over TLS ends."""

    OPEN = "open"
    UNKNOWN_HOST = "unknown_host"
    REFUSED = "refused"
    SILENT = "silent"
    BAD_CERTIFICATE = "bad_certificate"
    UNKNOWN_PROXY = "unknown_proxy"
    PROXY_DENIES = "proxy_denies"


def reach(machine: Machine, host: str, proxy: str = "") -> Reach:
    """What a server meets when it asks for a host on port 443, directly or through a proxy."""
    name = host.lower()
    faults = machine.faults
    own_proxy = machine.spec.internet_proxy
    if proxy:
        if not own_proxy or _address(proxy) != _address(own_proxy):
            return Reach.UNKNOWN_PROXY
        if name in faults.unreachable_hosts:
            return Reach.PROXY_DENIES
    elif own_proxy or not machine.spec.internet or name in faults.unreachable_hosts:
        return Reach.SILENT
    if not is_known(name):
        return Reach.UNKNOWN_HOST
    return Reach.BAD_CERTIFICATE if name in faults.bad_certificates else Reach.OPEN


def is_known(host: str) -> bool:
    """Whether there is such a host."""
    known = {name for names in CLOUD_HOSTS.values() for name in names}
    return host in known or host in _OTHERS or _REGIONAL.fullmatch(host) is not None


def _address(proxy: str) -> str:
    plain = re.sub(r"^[a-z]+://", "", proxy.strip().lower()).rstrip("/")
    return plain if ":" in plain else f"{plain}:80"


@dataclass(frozen=True)
class Page:
    """What stands at an address: a redirect, or content with a status."""

    status: int
    content: bytes = b""
    location: str = ""


_PACKAGES = "https://download.microsoft.com/download/lab/AzureConnectedMachineAgent.msi"
_REDIRECTS = {
    "https://aka.ms/azureconnectedmachineagent": _PACKAGES,
    "https://gbl.his.arc.azure.com/azcmagent/latest/azureconnectedmachineagent.msi": _PACKAGES,
}
_VERSIONED = re.compile(r"https://download\.microsoft\.com/download/lab/(\d+\.\d+)/azureconnectedmachineagent\.msi")


def page(address: str) -> Page:
    """What a host of this internet answers to GET."""
    plain = address.lower()
    if plain in _REDIRECTS:
        return Page(302, location=_REDIRECTS[plain])
    if plain == _PACKAGES.lower():
        return Page(200, make_package(LATEST_AGENT))
    if versioned := _VERSIONED.fullmatch(plain):
        return Page(200, make_package(f"{versioned[1]}.03000.1000"))
    root = re.fullmatch(r"https://[^/]+/?", plain)
    return Page(200, b"<html></html>\n") if root and "www." in plain else Page(404, b"Not Found\n")

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The options of arc_agent, and what they mean: settings, the package's source, hosts, a version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import CONNECTION_OPTIONS, Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.arc_plan import Setting, version_of
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.arc_package import Source

#: Microsoft's address of the newest package (azure-management-docs, manage-agent).
PACKAGE_ADDRESS = "https://aka.ms/AzureConnectedMachineAgent"

SPEC = Spec(
    {
        **CONNECTION_OPTIONS,
        "state": {
            "type": "str",
            "choices": ["connected", "installed", "disconnected", "absent"],
            "default": "connected",
        },
        "version": {"type": "str"},
        "installer_url": {"type": "str"},
        "installer_path": {"type": "path"},
        "installer_share": {"type": "str"},
        "installer_remote_path": {"type": "str"},
        "sha256": {"type": "str"},
        "verify_signature": {"type": "bool", "default": True},
        "subscription_id": {"type": "str"},
        "resource_group": {"type": "str"},
        "tenant_id": {"type": "str"},
        "location": {"type": "str"},
        "resource_name": {"type": "str"},
        "cloud": {"type": "str", "choices": ["AzureCloud", "AzureUSGovernment", "AzureChinaCloud"]},
        "tags": {"type": "dict", "default": {}},
        "correlation_id": {"type": "str"},
        "private_link_scope": {"type": "str"},
        "gateway_id": {"type": "str"},
        "service_principal_id": {"type": "str"},
        "service_principal_secret": {"type": "str", "no_log": True},
        "service_principal_certificate": {"type": "path"},
        "service_principal_certificate_thumbprint": {"type": "str"},
        "access_token": {"type": "str", "no_log": True},
        "connect_config": {"type": "path"},
        "proxy_url": {"type": "str"},
        "proxy_bypass": {"type": "list", "elements": "str", "choices": ["AAD", "ARM", "AMA", "Arc", "ArcData"]},
        "extensions_allowlist": {"type": "list", "elements": "str"},
        "extensions_blocklist": {"type": "list", "elements": "str"},
        "incoming_connections": {"type": "bool"},
        "guest_configuration": {"type": "bool"},
        "mode": {"type": "str", "choices": ["full", "monitor"]},
        "check_endpoints": {"type": "str", "choices": ["enforce", "report", "skip"], "default": "enforce"},
        "endpoints": {"type": "list", "elements": "str", "default": ["dls.microsoft.com"]},
        "allow_identity_reset": {"type": "bool", "default": False},
        "reconnect": {"type": "bool", "default": False},
        "force_local_only": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 900},
        "wait_timeout": {"type": "int", "default": 60},
        "poll_interval": {"type": "float", "default": 5},
    },
    mutually_exclusive=(
        ("installer_url", "installer_path", "installer_share", "installer_remote_path"),
        (
            "service_principal_secret",
            "service_principal_certificate",
            "service_principal_certificate_thumbprint",
            "access_token",
            "connect_config",
        ),
        ("service_principal_id", "access_token", "connect_config"),
    ),
)

#: The module's option and the agent's setting; lists and switches beside texts.
_SETTINGS = {
    "mode": "config.mode",
    "proxy_url": "proxy.url",
    "proxy_bypass": "proxy.bypass",
    "extensions_allowlist": "extensions.allowlist",
    "extensions_blocklist": "extensions.blocklist",
    "incoming_connections": "incomingconnections.enabled",
    "guest_configuration": "guestconfiguration.enabled",
}
PROXY = re.compile(r"http://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?/?", re.ASCII)
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.ASCII | re.IGNORECASE)
_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?(?:/[A-Za-z0-9._~/+-]*)?", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9._/*-]{1,200}", re.ASCII)


def wanted_settings(params: Mapping[str, Any]) -> dict[str, Setting]:
    """The agent's settings that the options ask for; an option left out is left alone, an empty one clears.

    :raises InvalidInput: a value that the agent does not take.
    """
    found: dict[str, Setting] = {}
    for option, name in _SETTINGS.items():
        value = params[option]
        if value is None:
            continue
        if isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, list):
            if bad := [item for item in value if not _VALUE.fullmatch(str(item))]:
                raise InvalidInput(f"{option} holds {bad[0]!r}, which the agent does not take.")
            found[name] = tuple(str(item) for item in value)
        else:
            found[name] = str(value)
    proxy = found.get("proxy.url")
    if proxy and not PROXY.fullmatch(str(proxy)):
        raise InvalidInput(
            "proxy_url must look like http://proxy.example.com:8080; the agent knows no login to a proxy and no https "
            "proxy."
        )
    lists = {"extensions.allowlist", "extensions.blocklist"} & set(found)
    if found.get("config.mode") == "monitor" and lists:
        raise InvalidInput("With mode monitor the agent fixes the extension lists itself; leave them out.")
    return found


def source_of(params: Mapping[str, Any]) -> Source:
    """Where the package comes from.

    :raises InvalidInput: the address or path cannot be used, or the local file cannot be read.
    """
    if params["installer_path"]:
        return _local(str(params["installer_path"]))
    if share := params["installer_share"]:
        if not str(share).startswith("\\\\"):
            raise InvalidInput(
                f"installer_share must be a UNC path such as \\\\server\\share\\agent.msi, not {share!r}."
            )
        return Source("share", str(share))
    if path := params["installer_remote_path"]:
        if not re.match(r"[A-Za-z]:\\", str(path)):
            raise InvalidInput(f"installer_remote_path must be a full path on the server, not {path!r}.")
        return Source("remote_path", str(path))
    address = str(params["installer_url"] or PACKAGE_ADDRESS)
    if not _ADDRESS.fullmatch(address):
        raise InvalidInput(
            "installer_url must be a plain https address: no login and no query, since it stands on a command line."
        )
    return Source("url", address)


def _local(path: str) -> Source:
    file = Path(path)

    def read(start: int, count: int) -> bytes:
        with file.open("rb") as opened:
            opened.seek(start)
            return opened.read(count)

    try:
        size = file.stat().st_size
    except OSError as error:
        raise InvalidInput(f"installer_path {path} cannot be read: {error.strerror}.") from None
    if not size:
        raise InvalidInput(f"installer_path {path} is empty.")
    return Source("local", path, read, size)


def hashed(source: Source) -> Source:
    """A local source with its SHA-256; any other as it is.

    :raises InvalidInput: the file cannot be read.
    """
    if source.kind != "local":
        return source
    digest = hashlib.sha256()
    try:
        with Path(source.name).open("rb") as opened:
            while piece := opened.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise InvalidInput(f"installer_path {source.name} cannot be read: {error.strerror}.") from None
    return replace(source, sha256=digest.hexdigest())


def version_option(text: str | None) -> str | None:
    """:raises InvalidInput: no version."""
    if text and version_of(text) is None:
        raise InvalidInput(f"version must look like 1.58 or 1.58.03228.2572, not {text!r}.")
    return text or None


def sha256_option(text: str | None) -> str | None:
    """:raises InvalidInput: no hash."""
    if not text:
        return None
    plain = text.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise InvalidInput("sha256 must be 64 hexadecimal digits.")
    return plain


def host_option(name: str) -> str:
    """:raises InvalidInput: no host name."""
    if not _HOST.fullmatch(name):
        raise InvalidInput(f"endpoints holds {name!r}, which is no host name.")
    return name

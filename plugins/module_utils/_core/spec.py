# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The argument specifications' shape, and the options that say how to reach a server from the module front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.place_rules import PLATFORMS
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings


@dataclass(frozen=True)
class Spec:
    """What a noun accepts. One object feeds AnsibleModule, the action front and the test against the documentation."""

    argument_spec: dict[str, dict[str, Any]]
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    required_together: tuple[tuple[str, ...], ...] = ()
    required_if: tuple[tuple[Any, ...], ...] = ()


#: Only for the module front: a host with Python (a jump host, localhost) reaches the server by these.
CONNECTION_OPTIONS: dict[str, dict[str, Any]] = {
    "address": {"type": "str"},
    "port": {"type": "int"},
    "scheme": {"type": "str", "choices": ["http", "https"], "default": "https"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "transport": {
        "type": "list",
        "elements": "str",
        "choices": ["basic", "ntlm", "kerberos", "credssp", "certificate"],
        "default": ["ntlm"],
    },
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "certificate": {"type": "path"},
    "certificate_key": {"type": "path"},
    "connection_timeout": {"type": "int", "default": 30},
}

#: Which releases are known, and what day it is taken to be.
CATALOGUE_OPTIONS: dict[str, dict[str, Any]] = {
    "month": {"type": "str"},
    "as_of": {"type": "str"},
    "catalogue": {"type": "path"},
}

#: What the inventory knows of a server and the server itself may not.
ENROLLMENT_OPTIONS: dict[str, dict[str, Any]] = {
    "enrolled": {"type": "bool"},
    "opted_out": {"type": "bool"},
}

#: Why a run may restart servers: the reasons of the month (see tracks.RestartReason), and that of onboarding. One list,
#: so that one variable serves every playbook.
RESTART_REASONS: dict[str, Any] = {
    "type": "list",
    "elements": "str",
    "choices": ["baseline", "unplanned_baseline", "missed_baseline", "off_track", "lcu", "vbs"],
}

#: Where the server stands and in which part of Azure it is meant to be, as the inventory knows it.
PLACE_OPTIONS: dict[str, dict[str, Any]] = {
    "platform": {"type": "str", "choices": list(PLATFORMS)},
    "expected_tenant_id": {"type": "str"},
    "expected_subscription_id": {"type": "str"},
}


def settings_from_options(params: Mapping[str, Any]) -> Settings:
    """Settings for the server named by the module's own connection options.

    :raises InvalidInput: no address, or no way to log in.
    """
    if not params.get("address"):
        raise InvalidInput(
            "Run as a module, this needs the server's address; with connection winrm or psrp it does not.",
            hint="Set ansible_connection to winrm or psrp for the host, or set address, username and password.",
        )
    if not params.get("username") and not params.get("certificate"):
        raise InvalidInput(f"{params['address']}: neither a username nor a client certificate was given.")
    scheme = str(params["scheme"])
    timeout = int(params["connection_timeout"])
    return Settings(
        name=str(params["address"]),
        address=str(params["address"]),
        port=int(params["port"] or (5986 if scheme == "https" else 5985)),
        scheme=scheme,
        path="wsman",
        username=str(params.get("username") or ""),
        password=str(params.get("password") or ""),
        transports=tuple(params["transport"]),
        server_cert_validation="validate" if params["validate_certs"] else "ignore",
        ca_trust_path=params.get("ca_path"),
        cert_pem=params.get("certificate"),
        cert_key_pem=params.get("certificate_key"),
        message_encryption="auto",
        operation_timeout=timeout,
        read_timeout=timeout + 10,
        proxy=None,
        options={},
    )

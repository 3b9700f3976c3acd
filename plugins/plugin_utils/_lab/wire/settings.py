# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WinRM's own settings, the resource ``winrm/config`` (recordings of Server 2016: values of a default service)."""

from __future__ import annotations

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import Limits
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire import faults, names

_UNLIMITED = 2147483647
_ROOT_SDDL = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)"


def config_xml(uri: str, limits: Limits) -> str:
    """The body of a Get on the configuration or one of its parts. Raises the fault for a part that is not there."""
    part = uri[len(names.CONFIG) :].strip("/").lower()
    service = _service(limits)
    winrs = _winrs(limits)
    parts = {"service": ("Service", service), "winrs": ("Winrs", winrs), "service/auth": ("Auth", _auth(limits))}
    if part in parts:
        name, inside = parts[part]
    elif not part:
        name = "Config"
        inside = (
            _element("MaxEnvelopeSizekb", limits.max_envelope_size_kb)
            + _element("MaxTimeoutms", limits.max_timeout_ms)
            + _element("MaxBatchItems", limits.max_batch_items)
            + _element("MaxProviderRequests", 4294967295)
            + f"<cfg:Service>{service}</cfg:Service><cfg:Winrs>{winrs}</cfg:Winrs>"
        )
    else:
        raise faults.invalid_resource(uri)
    return f'<cfg:{name} xmlns:cfg="{names.CONFIG}" xml:lang="en-US">{inside}</cfg:{name}>'


def _element(name: str, value: str | int | bool) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<cfg:{name}>{text}</cfg:{name}>"


def _auth(limits: Limits) -> str:
    return (
        _element("Basic", "basic" in limits.transports)
        + _element("Kerberos", False)
        + _element("Negotiate", "negotiate" in limits.transports)
        + _element("Certificate", False)
        + _element("CredSSP", False)
        + _element("CbtHardeningLevel", "Relaxed")
    )


def _service(limits: Limits) -> str:
    return (
        _element("RootSDDL", _ROOT_SDDL)
        + _element("MaxConcurrentOperations", 4294967295)
        + _element("MaxConcurrentOperationsPerUser", 1500)
        + _element("EnumerationTimeoutms", limits.enumeration_timeout_ms)
        + _element("MaxConnections", 300)
        + _element("MaxPacketRetrievalTimeSeconds", 120)
        + _element("AllowUnencrypted", limits.allow_unencrypted)
        + f"<cfg:Auth>{_auth(limits)}</cfg:Auth>"
        + _element("IPv4Filter", "*")
        + _element("IPv6Filter", "*")
    )


def _winrs(limits: Limits) -> str:
    return (
        _element("AllowRemoteShellAccess", True)
        + _element("IdleTimeout", 7200000)
        + _element("MaxConcurrentUsers", _UNLIMITED)
        + _element("MaxShellRunTime", _UNLIMITED)
        + _element("MaxProcessesPerShell", _UNLIMITED)
        + _element("MaxMemoryPerShellMB", _UNLIMITED)
        + _element("MaxShellsPerUser", limits.max_shells_per_user)
    )

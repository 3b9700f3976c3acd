# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What the exit codes of azcmagent, msiexec and curl mean: try again, put something right, or stop.

An exit code of azcmagent from 0 to 108 is the number of its AZCM error (azure-management-docs,
troubleshoot-agent-onboard, 2025-05 and later). msiexec: Microsoft Learn, "MsiExec.exe and InstMsi.exe error messages".
curl: its manual page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_sources import FIX, RETRY, STOP

Row = tuple[str, str, str]

_RESTART_SERVICE = "Start or restart the service himds, look at its log, and run again."
_LOOK_AT_TPM = "Check that the TPM is enabled and that Windows can use it, or connect without it."
_NETWORK = "Check names, firewall and proxy for the endpoints of Azure Arc, and run again."

#: Code: meaning, class, remedy.
AGENT_CODES: Mapping[int, Row] = {
    0: ("it worked", STOP, ""),
    1: ("an error that the agent does not name", FIX, "Look at the agent's log; check the agent's prerequisites."),
    2: ("an internal error of the agent", RETRY, _RESTART_SERVICE),
    3: ("this agent or system does not support the operation", STOP, "Install a newer agent."),
    4: ("the Azure Arc proxy service does not run", FIX, _RESTART_SERVICE),
    5: ("the agent cannot write its log", FIX, "Check the free space and the access rights of its log folder."),
    6: ("the agent could not be initialised", FIX, "Check network and permissions, and run again."),
    11: ("somebody interrupted it", RETRY, "Run again."),
    12: (
        "the access token is not valid",
        FIX,
        "Get a new access token for Azure Resource Manager; it lives for about an hour.",
    ),
    16: (
        "a parameter is missing",
        FIX,
        "Give subscription_id, resource_group, location and, with a service principal, tenant_id.",
    ),
    18: (
        "it did not run as an administrator",
        FIX,
        "The account must be an administrator of the server with a full token.",
    ),
    19: (
        "the configuration file was not found or cannot be read",
        RETRY,
        "Run again; look for a security product that guards the folder.",
    ),
    20: ("the region is not known", FIX, "Give location as Azure spells it, such as westeurope."),
    23: ("a value is not valid", FIX, "Compare the options with the agent's documentation."),
    26: ("the network check failed, or a service of Azure does not answer", FIX, _NETWORK),
    27: (
        "two settings of the agent exclude each other",
        FIX,
        "Look at azcmagent config list; monitor mode fixes the extension lists.",
    ),
    28: ("the TPM could not be opened", FIX, _LOOK_AT_TPM),
    41: (
        "no access token was given: the login was refused",
        FIX,
        "Check id, secret or certificate, their expiry, and that the principal is of this tenant.",
    ),
    42: (
        "the resource could not be created in Azure",
        FIX,
        "Check the names, the role Azure Connected Machine Onboarding and the resource providers.",
    ),
    43: (
        "the resource could not be deleted in Azure",
        FIX,
        "Use a principal that may delete machines; if the resource is gone, set force_local_only.",
    ),
    44: ("a resource with the same name exists", FIX, "Delete that resource in Azure, or give another resource_name."),
    45: ("the new public key did not reach the service", RETRY, _NETWORK),
    61: ("the agent's service does not answer", FIX, _RESTART_SERVICE),
    62: (
        "connecting failed",
        FIX,
        "Look at the agent's log; if the resource was created, delete it before you run again.",
    ),
    63: (
        "disconnecting failed",
        FIX,
        "Look at the agent's log; delete the resource in Azure and set force_local_only.",
    ),
    64: ("the agent's service does not answer", FIX, _RESTART_SERVICE),
    65: ("the agent's service does not tell its data", FIX, _RESTART_SERVICE),
    66: ("the agent's service does not tell its status", FIX, _RESTART_SERVICE),
    67: ("the server is connected already", STOP, "Read its state; disconnect it first if it belongs elsewhere."),
    68: ("the subscription was not found by its name", FIX, "Give the subscription's id."),
    69: (
        "the local configuration could not be written",
        FIX,
        "Check the access rights of the agent's folder below ProgramData.",
    ),
    70: ("the local configuration could not be read", FIX, _RESTART_SERVICE),
    72: ("a tool of an extension failed", FIX, "Look at the extension's log."),
    73: ("the partner configuration could not be read", FIX, "Look at the agent's log."),
    74: ("an extension could not be added", FIX, "Look at the extension's log."),
    75: ("the configuration of the cloud could not be read", FIX, _NETWORK),
    76: ("connecting with the TPM failed", FIX, _LOOK_AT_TPM),
    81: ("the identity's certificate could not be fetched", FIX, "Delete the resource in Azure, then connect again."),
    82: ("the identity's certificate could not be fetched with the TPM", FIX, _LOOK_AT_TPM),
    83: ("the machine's credential could not be registered", RETRY, _NETWORK),
    101: ("the command failed or was not understood", FIX, "Look at the agent's log; a newer agent may be needed."),
    102: ("no resource name could be made of the host name", FIX, "Give resource_name: letters, digits, - and _."),
    103: ("RSA keys could not be made", STOP, "Ask Microsoft's support."),
    104: ("the private key could not be read", FIX, "Look at the agent's log."),
    105: ("a signed message could not be fetched", RETRY, _NETWORK),
    106: ("a parameter file could not be written", FIX, "Check free space and access rights."),
    107: ("a certificate could not be read", FIX, "Check the certificate store and the certificate that was given."),
    108: ("the keys of the TPM could not be used", FIX, _LOOK_AT_TPM),
}

INSTALLER_CODES: Mapping[int, Row] = {
    0: ("it worked", STOP, ""),
    3010: ("it worked; the package asks for a restart", STOP, "Restart the server when it suits."),
    1641: ("it worked, and the package began a restart", STOP, "Wait until the server is back."),
    112: ("the disk is full", FIX, "Free space on the system drive."),
    1223: ("it was ended from outside", RETRY, "Run again."),
    1601: ("the Windows Installer service does not answer", FIX, "Check the service msiserver."),
    1602: ("somebody cancelled it", RETRY, "Run again."),
    1603: (
        "a fatal error during the installation",
        FIX,
        "Read the installer's log; the agent refuses Azure VMs and Azure Local hosts.",
    ),
    1605: ("the product is not installed", STOP, "Read the server again."),
    1612: ("the package's source is not there", FIX, "Install the same version again, then remove it."),
    1618: ("another installation is under way", RETRY, "Wait for its end and run again."),
    1619: ("the package could not be opened", RETRY, "Run again; look for a security product that guards the folder."),
    1620: ("the file is no valid package", FIX, "Check where it comes from."),
    1622: ("the log could not be opened", FIX, "Check free space and access rights of the collection's folder."),
    1625: (
        "a policy forbids the installation",
        FIX,
        "Allow the package in the software restriction or AppLocker policy.",
    ),
    1633: ("the package is not for this processor", STOP, "The agent needs a 64-bit system."),
    1638: ("another version is installed", STOP, "Installing an older version over a newer one is not done."),
    1639: ("the command line is not valid", STOP, "Report this with the version of Windows."),
}

DOWNLOAD_CODES: Mapping[int, Row] = {
    0: ("it worked", STOP, ""),
    1: ("the address is not https, or leads away from it", FIX, "Give an https address."),
    2: ("this curl does not know an option", FIX, "Windows Server 2019 or newer brings a curl that does."),
    3: ("the address is not valid", FIX, "Check the address."),
    5: ("the proxy's name could not be resolved", FIX, "Check proxy_url."),
    6: ("the host's name could not be resolved", FIX, "Check the name and the server's DNS."),
    7: ("the connection was refused", FIX, "Check firewall and proxy."),
    22: ("the web server answered with an error", FIX, "Check the address."),
    23: ("the file could not be written", FIX, "Check the free space of the system drive."),
    28: ("no answer in time", FIX, "Check firewall and proxy."),
    35: ("the TLS handshake failed", FIX, "Check TLS 1.2 on the server and whether a proxy inspects TLS."),
    47: ("too many redirects", FIX, "Check the address."),
    56: (
        "the connection or the proxy's tunnel broke",
        RETRY,
        "Check that the proxy lets the host through, and run again.",
    ),
    60: (
        "the certificate is not trusted",
        FIX,
        "Check whether a proxy inspects TLS; certificates are always verified.",
    ),
}


@dataclass(frozen=True)
class ExitText:
    """An exit code in words; ``error_class`` is retry, fix or stop, and stop for a code that is not listed."""

    code: int
    label: str
    meaning: str
    error_class: str
    remedy: str | None
    known: bool

    @property
    def retryable(self) -> bool:
        return self.error_class == RETRY and self.code != 0

    @property
    def sentence(self) -> str:
        """``AZCM0041: no access token was given: the login was refused.``"""
        return f"{self.label}: {self.meaning}."

    def as_dict(self) -> dict[str, Any]:
        return {
            "code": self.label,
            "meaning": self.meaning,
            "class": self.error_class,
            "remedy": self.remedy,
            "known": self.known,
        }


def describe_agent(code: int) -> ExitText:
    """An exit code of azcmagent."""
    return _described(AGENT_CODES, code, f"AZCM{code:04d}" if code < 10000 else f"0x{code:08X}")


def describe_installer(code: int) -> ExitText:
    """An exit code of msiexec."""
    return _described(INSTALLER_CODES, code, str(code))


def describe_download(code: int) -> ExitText:
    """An exit code of curl."""
    return _described(DOWNLOAD_CODES, code, f"curl {code}")


def _described(table: Mapping[int, Row], code: int, label: str) -> ExitText:
    row = table.get(code)
    if row is None:
        return ExitText(code, label, "a code that this collection does not know", STOP, None, False)
    meaning, error_class, remedy = row
    return ExitText(code, label, meaning, error_class, remedy or None, True)

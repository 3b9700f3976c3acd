# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Where a server is and how to log in to it: everything the client must be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

TRANSPORTS = ("basic", "plaintext", "ssl", "ntlm", "kerberos", "credssp", "certificate")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one server; secrets never show in ``repr``.

    :param name: what errors call the server: its inventory name.
    :param transports: pywinrm's names, tried in this order until one logs in.
    :param ca_trust_path: a CA bundle; None leaves it to ``REQUESTS_CA_BUNDLE`` and the bundle of requests, as
        Ansible's winrm plugin does.
    :param operation_timeout: seconds the server may take for one operation.
    :param read_timeout: seconds one HTTP exchange may take, connecting and reading included; more than
        ``operation_timeout``.
    :param proxy: a proxy's URL, ``legacy_requests`` to take it from the environment, None for none.
    :param options: further arguments of ``winrm.protocol.Protocol`` (``send_cbt``, ``kerberos_delegation``, ...).
    :raises InvalidInput: when a value cannot be meant.
    """

    name: str
    address: str
    port: int = 5986
    scheme: str = "https"
    path: str = "wsman"
    username: str = ""
    password: str = field(default="", repr=False)
    transports: tuple[str, ...] = ("ntlm",)
    server_cert_validation: str = "validate"
    ca_trust_path: str | None = None
    cert_pem: str | None = field(default=None, repr=False)
    cert_key_pem: str | None = field(default=None, repr=False)
    message_encryption: str = "auto"
    operation_timeout: int = 20
    read_timeout: int = 30
    proxy: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.address or any(mark in self.address for mark in " \t\r\n/@?#\\"):
            raise self._wrong(f"the address {self.address!r} is not a host name or an IP address")
        if not 1 <= self.port <= 65535:
            raise self._wrong(f"the port {self.port} is not between 1 and 65535")
        if self.scheme not in ("http", "https"):
            raise self._wrong(f"the scheme {self.scheme!r} is neither http nor https")
        if not self.transports:
            raise self._wrong("no transport is named")
        for transport in self.transports:
            if transport not in TRANSPORTS:
                raise self._wrong(f"the transport {transport!r} is not one of {', '.join(TRANSPORTS)}")
        if self.server_cert_validation not in ("validate", "ignore"):
            raise self._wrong(f"server_cert_validation is {self.server_cert_validation!r}, not validate or ignore")
        if self.message_encryption not in ("auto", "always", "never"):
            raise self._wrong(f"message_encryption is {self.message_encryption!r}, not auto, always or never")
        if not 1 <= self.operation_timeout < self.read_timeout:
            raise self._wrong(
                f"the read timeout ({self.read_timeout} s) must exceed the operation timeout ({self.operation_timeout} "
                "s), which must be at least 1 s"
            )

    @property
    def endpoint(self) -> str:
        """The URL of the WS-Management service; an IPv6 address in brackets."""
        return f"{self.scheme}://{self._host}:{self.port}/{self.path.strip('/')}"

    @property
    def where(self) -> str:
        """The server as errors name it: ``web01 (192.0.2.7:5986)``."""
        return f"{self.name} ({self._host}:{self.port})"

    @property
    def _host(self) -> str:
        bare = self.address.strip("[]")
        return f"[{bare}]" if ":" in bare else bare

    def _wrong(self, what: str) -> InvalidInput:
        return InvalidInput(
            f"The connection settings of {self.name} cannot be used: {what}.",
            hint="Correct the host's winrm connection variables in the inventory.",
            server=self.name,
        )

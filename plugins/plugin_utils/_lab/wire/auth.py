# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of one TCP connection: Basic, and Negotiate with NTLM, with and without sealed messages.

As http.sys and WinRM do it: Negotiate authenticates the connection and not the request, a sealed message belongs to the
login of its own connection, Basic on plain HTTP is offered only where unencrypted traffic is allowed (MS-WSMV 2.2.9.1).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import Limits
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.md4 import nt_hash

try:
    import spnego
    import spnego.exceptions
except ImportError:  # the lab's __main__ says what to install
    spnego = None

SEALED_PROTOCOL = "application/HTTP-SPNEGO-session-encrypted"
SEALED_TYPE = f'multipart/encrypted;protocol="{SEALED_PROTOCOL}";boundary="Encrypted Boundary"'
_AUTHENTICATE = b"NTLMSSP\0\x03\0\0\0"
_MAX_TOKEN = 65536


class NotSealed(Exception):
    """A sealed message that cannot be opened with this connection's login."""


@dataclass(frozen=True)
class Verdict:
    """What a login attempt led to: the user, or a 401 with these WWW-Authenticate values.

    ``keep`` tells whether the connection stays open after the 401: it must when the handshake goes on.
    """

    user: str | None
    challenges: tuple[str, ...] = ()
    keep: bool = False


class AccountFile:
    """Hands one account at a time to pyspnego's acceptor, which knows accounts only from the file in NTLM_USER_FILE.

    The lab is one thread and a login step never waits, so one file serves all; it is emptied after each step.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="winops-lab-")
        self._path = Path(self._folder.name) / "account"
        self._path.touch(mode=0o600)
        os.environ["NTLM_USER_FILE"] = str(self._path)

    def step(self, context: Any, token: bytes, account: tuple[str, str, bytes] | None) -> bytes | None:
        """One step of a handshake with this (domain, user, NT hash) to compare with."""
        if account is not None:
            domain, user, digest = account
            name = f"{domain}\\{user}" if domain else user
            line = f"{name}:1000:{'0' * 32}:{digest.hex().upper()}:[U]:LCT-00000000"
            self._path.write_text(line, encoding="utf-8")
        try:
            answer: bytes | None = context.step(token)
            return answer
        finally:
            self._path.write_text("", encoding="utf-8")

    def remove(self) -> None:
        """Delete the file."""
        self._folder.cleanup()


class Login:
    """The state of one connection.

    :param accounts: user name to password, the names compared without case.
    :param secure: whether the connection is TLS.
    """

    def __init__(self, accounts: Mapping[str, str], limits: Limits, file: AccountFile, *, secure: bool) -> None:
        self._accounts = {name.lower(): (name, password) for name, password in accounts.items()}
        self._limits = limits
        self._file = file
        self._secure = secure
        self._context: Any = None
        self._user: str | None = None  # of a finished Negotiate login

    @property
    def offered(self) -> tuple[str, ...]:
        """The WWW-Authenticate values of a first 401, each on a line of its own."""
        found = []
        if "negotiate" in self._limits.transports:
            found.append("Negotiate")
        if "basic" in self._limits.transports and (self._secure or self._limits.allow_unencrypted):
            found.append('Basic realm="WSMAN"')
        return tuple(found)

    @property
    def is_negotiated(self) -> bool:
        """Whether this connection is logged in by Negotiate."""
        return self._user is not None

    def check(self, header: str | None) -> Verdict:
        """Judge a request's Authorization header (None: there was none)."""
        if header is None:
            return Verdict(self._user) if self._user is not None else self._refused()
        scheme, _separator, value = header.strip().partition(" ")
        if scheme.lower() == "basic" and any(item.startswith("Basic") for item in self.offered):
            user = self._basic(value.strip())
            return Verdict(user) if user is not None else self._refused()
        if scheme.lower() == "negotiate" and "Negotiate" in self.offered:
            return self._negotiate(value.strip())
        return self._refused()

    def _refused(self) -> Verdict:
        self._context = None
        self._user = None
        return Verdict(None, self.offered)

    def _basic(self, value: str) -> str | None:
        try:
            name, separator, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        account = self._account(name)
        if not separator or account is None:
            return None
        return account[0] if hmac.compare_digest(account[1].encode(), password.encode()) else None

    def _account(self, name: str) -> tuple[str, str] | None:
        """The account; in a workgroup a server takes whatever stands before the backslash for itself."""
        return self._accounts.get(name.rpartition("\\")[2].lower())

    def _negotiate(self, value: str) -> Verdict:
        try:
            token = base64.b64decode(value, validate=True)
        except binascii.Error:
            return self._refused()
        if not token or len(token) > _MAX_TOKEN:
            return self._refused()
        if self._context is None or self._user is not None:
            self._user = None
            self._context = spnego.server(protocol="negotiate", options=spnego.NegotiateOptions.use_negotiate)
        try:
            answer = self._file.step(self._context, token, self._claimed(token))
        except (spnego.exceptions.SpnegoError, ValueError, struct.error, IndexError, KeyError):
            return self._refused()
        if not self._context.complete:
            if answer is None:
                return self._refused()
            return Verdict(None, (f"Negotiate {base64.b64encode(answer).decode()}",), keep=True)
        account = self._account(str(self._context.client_principal or ""))
        if account is None:
            return self._refused()
        self._user = account[0]
        closing = (f"Negotiate {base64.b64encode(answer).decode()}",) if answer else ()
        return Verdict(self._user, closing)

    def _claimed(self, token: bytes) -> tuple[str, str, bytes] | None:
        """Who an NTLM AUTHENTICATE message says it is, with the NT hash to prove it against (MS-NLMP 2.2.1.3)."""
        start = token.find(_AUTHENTICATE)
        if start < 0:
            return None
        message = token[start:]

        def text(field: int) -> str:
            length, _size, offset = struct.unpack_from("<HHI", message, field)
            return message[offset : offset + length].decode("utf-16-le", "replace")

        domain, user = text(28), text(36)
        if any(character in domain + user for character in ":\r\n"):
            return None
        account = self._account(user)
        return (domain, user, nt_hash(account[1])) if account is not None else None

    # -- sealed messages ---------------------------------------------------------------------------------------------

    def unseal(self, body: bytes) -> bytes:
        """Open a multipart/encrypted body (MS-WSMV 2.2.9.1.1.2). Raises NotSealed."""
        if self._user is None:
            raise NotSealed("the connection has no login")
        head, marker, rest = body.partition(b"\tContent-Type: application/octet-stream\r\n")
        data, closing, _after = rest.rpartition(b"--Encrypted Boundary--")
        if not marker or not closing or b"Length=" not in head:
            raise NotSealed("not the form of a sealed message")
        length_text = head.rpartition(b"Length=")[2].split(b"\r\n", 1)[0].strip()
        if len(data) < 4 or not length_text.isdigit():
            raise NotSealed("not the form of a sealed message")
        signature_length = struct.unpack_from("<I", data)[0]
        if not 0 < signature_length <= 256:
            raise NotSealed("no signature")
        signature, sealed = data[4 : 4 + signature_length], data[4 + signature_length :]
        try:
            message: bytes = self._context.unwrap_winrm(signature, sealed)
        except (spnego.exceptions.SpnegoError, ValueError) as error:
            raise NotSealed("the signature does not fit") from error
        if len(message) != int(length_text):
            raise NotSealed("the length does not fit")
        return message

    def seal(self, body: bytes) -> bytes:
        """Put an answer into the sealed form; its Content-Type is SEALED_TYPE."""
        wrapped = self._context.wrap_winrm(body)
        boundary = b"--Encrypted Boundary"
        length = len(body) + wrapped.padding_length
        original = f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}"
        parts: bytes = (
            boundary
            + f"\r\n\tContent-Type: {SEALED_PROTOCOL}\r\n{original}\r\n".encode()
            + boundary
            + b"\r\n\tContent-Type: application/octet-stream\r\n"
            + struct.pack("<I", len(wrapped.header))
            + wrapped.header
            + wrapped.data
            + boundary
            + b"--\r\n"
        )
        return parts

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Why an exchange failed, from the exception that pywinrm, requests, urllib3 or a login library left."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import struct
import sys
from collections.abc import Iterator
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.bounds import (
    CompressedError,
    DeadlineError,
    Meter,
    OversizeError,
    SealLostError,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.faults import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.xml_answer import MAX_BYTES

try:
    import requests
    import urllib3
    import urllib3.util.ssl_match_hostname
    from winrm.exceptions import WinRMError
except ImportError:
    # Without them there is no exchange that could fail; the wire says what is missing.
    WinRMError = RuntimeError

# Errors a login library leaves to its caller when the other side sends nonsense in a handshake or a sealed message.
_LIBRARY_ERRORS = (LookupError, ValueError, AttributeError, TypeError, ArithmeticError, struct.error, RuntimeError)
# Packages whose own exception classes may come out of a login; looked up by name, since none of them is always
# installed.
_LIBRARY_EXCEPTIONS = (
    ("spnego.exceptions", "SpnegoError"),
    ("kerberos", "KrbError"),
    ("winkerberos", "KrbError"),
    ("requests_credssp.exceptions", "AuthenticationException"),
    ("winrm.vendor.requests_kerberos.exceptions", "KerberosExchangeError"),
    ("winrm.vendor.requests_kerberos.exceptions", "MutualAuthenticationError"),
    ("OpenSSL.SSL", "Error"),
    ("cryptography.exceptions", "InvalidSignature"),
)


def login_errors() -> tuple[type[Exception], ...]:
    """All that pywinrm and what it logs in with may raise, beside OSError."""
    return (WinRMError, urllib3.exceptions.HTTPError, *_LIBRARY_ERRORS, *_library_exceptions())


def _library_exceptions() -> Iterator[type[Exception]]:
    """Exception classes of the login libraries that are loaded."""
    for module, name in _LIBRARY_EXCEPTIONS:
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type) and issubclass(found, Exception):
            yield found


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """The exception and all it wraps: requests and urllib3 do that as cause, context, reason or argument."""
    waiting = [failure]
    seen: set[int] = set()
    while waiting and len(seen) < 50:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        linked = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting.extend(link for link in linked if isinstance(link, BaseException))


def classify(failure: Exception, meter: Meter) -> tuple[str, str]:
    """Kind and detail of a failed exchange. The details are ours or the operating system's, never a request's."""
    if isinstance(failure, DeadlineError):
        return "timeout", ""
    if isinstance(failure, OversizeError):
        return "too_big", f"over {MAX_BYTES // (1024 * 1024)} MiB"
    if isinstance(failure, SealLostError):
        return "seal_lost", ""
    if isinstance(failure, CompressedError):
        return "encoded", ""
    if isinstance(failure, requests.exceptions.TooManyRedirects):
        return "redirect", ""
    if meter.status == 401:
        return "login", _offers(meter.offers)
    if isinstance(failure, tuple(_library_exceptions())) and not meter.sealed:
        return (
            "login",
            "the login could not be carried out; for Kerberos, check the ticket (klist) and the server's name",
        )
    if isinstance(failure, UnicodeDecodeError):
        return _refusal(meter)
    causes = list(_causes(failure))

    def first(*kinds: Any) -> Any:
        return next((one for one in causes if isinstance(one, kinds)), None)

    if untrusted := first(ssl.SSLCertVerificationError):
        return "certificate", clean(untrusted.verify_message, 160)
    if first(urllib3.util.ssl_match_hostname.CertificateError):
        return "certificate", "it was made for another name"
    if first(requests.exceptions.ProxyError):
        return "proxy", ""
    if first(socket.gaierror):
        return "resolve", ""
    if first(ConnectionRefusedError):
        return "refused", ""
    if first(
        http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ConnectionAbortedError, ssl.SSLEOFError
    ):
        if meter.connected or not meter.secure:
            return "dropped", ""
        return "tls", "the connection was closed during the TLS handshake"
    if first(TimeoutError, urllib3.exceptions.TimeoutError, requests.exceptions.Timeout):
        return ("timeout", "") if meter.connected else ("connect_timeout", "")
    if secure := first(ssl.SSLError):
        return ("dropped" if meter.connected else "tls"), clean(getattr(secure, "reason", None) or "", 80)
    if first(http.client.IncompleteRead, urllib3.exceptions.IncompleteRead):
        return "half", ""
    if first(http.client.HTTPException, urllib3.exceptions.ProtocolError, urllib3.exceptions.DecodeError):
        return "not_http", ""
    if first(
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidProxyURL,
        urllib3.exceptions.LocationParseError,
        UnicodeEncodeError,
    ):
        return "setup", "the address, the path or the proxy is not valid"
    if system := first(OSError):
        return _system_error(system, meter)
    if meter.status is not None and meter.status >= 400:
        return _refusal(meter)
    if isinstance(failure, WinRMError) and not meter.connected:
        return "setup", clean(str(failure), 200)
    return "unsealed", _status(meter)


def _system_error(error: Any, meter: Meter) -> tuple[str, str]:
    if isinstance(error, PermissionError) and meter.connected:
        return "login", "the server did not go on with the login"
    if error.errno is None and "TLS CA certificate bundle" in str(error):
        return "setup", "the file in ca_trust_path does not exist"
    if error.errno is None and "TLS" in str(error):
        return "setup", "a file of the client certificate does not exist"
    if meter.connected:
        return "dropped", clean(error.strerror or "", 80)
    return "no_route", clean(error.strerror or "", 80)


def _refusal(meter: Meter) -> tuple[str, str]:
    """A refusal whose body cannot be read: after a server error nobody knows how far the server came."""
    return ("http" if (meter.status or 500) < 500 else "xml"), _status(meter)


def _offers(header: str) -> str:
    """Which ways to log in the server named, from its own header: names only."""
    names = dict.fromkeys(re.findall(r"(?:^|,)\s*([A-Za-z]{3,20})(?=\s|,|$)", header[:2000]))
    return f"it offers {', '.join(list(names)[:6])}" if names else ""


def _status(meter: Meter) -> str:
    if meter.status is None:
        return ""
    kind = meter.content_type.partition(";")[0]
    return f"HTTP {meter.status}" + (f", {clean(kind, 60)}" if kind else "")

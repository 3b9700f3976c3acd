# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""One login to one server: pywinrm's Protocol on an HTTP adapter that bounds size and time and counts what passes.

pywinrm reads whole bodies with a timeout for each read only, follows redirects and unpacks compression; requests
opens a second socket when the first one died, although a sealed session belongs to the first. All of that is stopped
here, below pywinrm.
"""

from __future__ import annotations

import http.client
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.bounds import (
    CompressedError,
    DeadlineError,
    Meter,
    OversizeError,
    SealLostError,
    bounded_pools,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.diagnosis import classify, login_errors
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.faults import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.problems import ExchangeError
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.traffic import Traffic

try:
    import requests
    from requests.adapters import HTTPAdapter
    from winrm import transport as winrm_transport
    from winrm.exceptions import WinRMError, WinRMTransportError
    from winrm.protocol import Protocol
    from winrm.transport import Transport
except ImportError as error:
    MISSING_PACKAGE: str | None = error.name or "winrm"
    HTTPAdapter = Transport = object  # type: ignore[assignment,misc]
else:
    MISSING_PACKAGE = None

# What makes a login possible, beside pywinrm itself: its flag for "could be imported", and the package to install.
_LOGIN_PACKAGES = {
    "kerberos": ("HAVE_KERBEROS", "pykerberos"),
    "credssp": ("HAVE_CREDSSP", "requests-credssp"),
    "ntlm": ("HAVE_NTLM", "requests_ntlm"),
}


class HttpStatusError(Exception):
    """An answer with another status than success, and its body; pywinrm is kept from parsing it."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


@dataclass
class Reply:
    """An HTTP answer: its status and its body, decrypted where it was sealed."""

    status: int
    body: bytes


class BoundedAdapter(HTTPAdapter):
    """The adapter of requests, under a meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = bounded_pools(self.poolmanager.pool_classes_by_scheme, self._meter)

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **more)
        if not known:
            manager.pool_classes_by_scheme = bounded_pools(manager.pool_classes_by_scheme, self._meter)
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        self._meter.begin_request(timeout, with_message=bool(request.body))
        seconds = self._meter.remaining()
        response = super().send(
            request, stream=stream, timeout=(seconds, seconds), verify=verify, cert=cert, proxies=proxies
        )
        self._meter.end_request(response.status_code, response.headers)
        if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
            response.close()
            raise CompressedError
        return response


class BoundedTransport(Transport):  # type: ignore[misc]
    """pywinrm's transport on a `BoundedAdapter`, handing on refusals unread."""

    def __init__(self, meter: Meter, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._meter = meter

    def build_session(self) -> requests.Session:
        session: requests.Session = super().build_session()
        self._bound(session)
        return session

    def setup_encryption(self, session: requests.Session) -> None:
        self._bound(session)
        super().setup_encryption(session)
        self._meter.sealed = True

    def send_message(self, message: str | bytes) -> bytes:
        try:
            answer: bytes = super().send_message(message)
        except WinRMTransportError as refused:
            status, body = refused.code, refused.response_text
        else:
            return answer
        raise HttpStatusError(status, body.encode("utf-8") if isinstance(body, str) else body)

    def _bound(self, session: requests.Session) -> None:
        if isinstance(session.adapters.get("https://"), BoundedAdapter):
            return
        adapter = BoundedAdapter(self._meter)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        session.max_redirects = 0
        # Proxies and CA bundle were taken from the environment by now, if the settings say so; .netrc must never add
        # a login.
        session.trust_env = False
        session.headers["Accept-Encoding"] = "identity"


class Wire:
    """One login by one transport. Not for two threads at once; after any `ExchangeError` it is spent.

    :ivar answered: whether the server has answered a message on it.
    :ivar last_used: when that was.
    """

    def __init__(self, settings: Settings, transport: str, traffic: Traffic, monotonic: Callable[[], float]) -> None:
        self.answered = False
        self.last_used = monotonic()
        self._monotonic = monotonic
        self._meter = Meter(traffic, monotonic, secure=settings.scheme == "https")
        self._protocol = _protocol(settings, transport, self._meter)

    @property
    def sealed(self) -> bool:
        """Whether messages are encrypted for this very connection."""
        return self._meter.sealed

    def send(self, text: str, seconds: float) -> Reply:
        """Send a message and give the answer, whatever its status, within ``seconds`` (and as much again for a login).

        :raises ExchangeError: when there is no whole answer, or the login is refused (HTTP 401).
        """
        self._meter.begin(seconds if self.answered else 2 * seconds)
        problem: ExchangeError | None = None
        reply = Reply(0, b"")
        try:
            reply = Reply(200, self._protocol.send_message(text))
        except HttpStatusError as other:
            reply = Reply(other.status, other.body)
        except (DeadlineError, OversizeError, SealLostError, CompressedError) as failure:
            problem = self._read(failure)
        except (OSError, http.client.HTTPException) as failure:  # all of requests' exceptions are OSErrors
            problem = self._read(failure)
        except login_errors() as failure:
            problem = self._read(failure)
        if problem is not None:
            # Raised out here so that it does not hold the original, whose request holds the login.
            raise problem
        self.answered = True
        self.last_used = self._monotonic()
        return reply

    def close(self) -> None:
        """Close the connection."""
        self._protocol.transport.close_session()

    def _read(self, failure: Exception) -> ExchangeError:
        kind, detail = classify(failure, self._meter)
        return ExchangeError(kind, detail, sent=self._meter.message_sent)


def _login(settings: Settings, transport: str) -> dict[str, str | bytes | None]:
    """User name and password as pywinrm hands them on.

    requests writes a Basic login in Latin-1, as Ansible's own winrm plugin therefore does, and fails on other
    characters; those go in UTF-8 (RFC 7617).
    """
    login = {"username": settings.username or None, "password": settings.password}
    if transport not in ("basic", "plaintext", "ssl"):
        return {**login}
    try:
        f"{settings.username}{settings.password}".encode("latin-1")
    except UnicodeEncodeError:
        return {key: value.encode("utf-8") if value is not None else None for key, value in login.items()}
    return {**login}


def _protocol(settings: Settings, transport: str, meter: Meter) -> Any:
    """A pywinrm Protocol whose transport is bounded.

    :raises ExchangeError: ``missing`` or ``setup``.
    """
    if MISSING_PACKAGE:
        raise ExchangeError("missing", f"pywinrm, for want of {MISSING_PACKAGE}")
    flag, package = _LOGIN_PACKAGES.get(transport, ("", ""))
    if flag and not getattr(winrm_transport, flag):
        raise ExchangeError("missing", f"{package}, which the transport {transport} needs")
    given: dict[str, Any] = {
        **_login(settings, transport),
        "ca_trust_path": settings.ca_trust_path or "legacy_requests",
        "cert_pem": settings.cert_pem,
        "cert_key_pem": settings.cert_key_pem,
        "server_cert_validation": settings.server_cert_validation,
        "message_encryption": settings.message_encryption,
        "proxy": settings.proxy,
        **settings.options,
    }
    allowed = set(inspect.signature(Protocol.__init__).parameters) - {
        "self",
        "endpoint",
        "transport",
        "read_timeout_sec",
        "operation_timeout_sec",
    }
    unknown = sorted(set(given) - allowed)
    if unknown:
        raise ExchangeError("setup", f"pywinrm does not know the option {', '.join(unknown)}")
    trouble: str | None = None
    try:
        protocol = Protocol(
            settings.endpoint,
            transport=transport,
            read_timeout_sec=settings.read_timeout,
            operation_timeout_sec=settings.operation_timeout,
            **given,
        )
        protocol.transport = BoundedTransport(
            meter, endpoint=settings.endpoint, auth_method=transport, read_timeout_sec=settings.read_timeout, **given
        )
    except (WinRMError, ValueError, TypeError) as wrong:
        trouble = clean(str(wrong), 200)
    if trouble is not None:
        raise ExchangeError("setup", trouble)
    return protocol

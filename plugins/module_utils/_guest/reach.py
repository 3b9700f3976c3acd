# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Does a server's workload answer, seen from here: a TCP port by a socket, a page by requests, under deadlines.

Only what the server itself does is a no (it refuses, is silent, answers something else). What goes wrong on this side
(a name that does not resolve, no route, a missing file of authorities) tells nothing about the server: unknown.
"""

from __future__ import annotations

import http.client
import os
import socket
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import NotSupported
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.health import Look
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import Answer
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.bounds import (
    CompressedError,
    DeadlineError,
    Meter,
    OversizeError,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.diagnosis import classify
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.traffic import Traffic
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.wire import MISSING_PACKAGE, BoundedAdapter

try:
    import requests
    import urllib3
except ImportError:
    # They come with pywinrm; look_at_page says so.
    requests = urllib3 = None  # type: ignore[assignment]

#: No more of a page is read; a text that is looked for must stand before this.
MAX_PAGE = 1024 * 1024

# What classify() calls a failure: the words for a person. All of these are the server's doing.
_BAD = {
    "refused": "the connection was refused",
    "connect_timeout": "the connection timed out",
    "timeout": "no complete answer came in time",
    "dropped": "the connection was closed before an answer came",
    "tls": "TLS could not be set up",
    "certificate": "its TLS certificate is not trusted",
    "not_http": "what answered does not speak HTTP",
    "half": "the answer broke off before its end",
    "too_big": "the answer is larger than it may be",
    "redirect": "it redirects more often than is allowed",
}
# And these are not.
_UNCLEAR = {
    "resolve": "its name cannot be resolved",
    "no_route": "there is no route to it",
    "setup": "the address or the file of authorities cannot be used",
    "encoded": "the answer is compressed although that was not asked for, so it was not read",
}


@dataclass(frozen=True)
class Page:
    """A page and what it must be.

    :param statuses: the HTTP statuses that are right.
    :param contains: text that must stand in it.
    :param redirects: how many redirects are followed.
    :param ca_path: a file of authorities; None for ``REQUESTS_CA_BUNDLE``, else the bundle of requests.
    """

    url: str
    statuses: Collection[int] = (200,)
    contains: str | None = None
    validate_certs: bool = True
    ca_path: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    redirects: int = 3

    @property
    def shown(self) -> str:
        """The address without its query, which may hold a key."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}"


def look_at_port(host: str, port: int, seconds: float, clock: Callable[[], float]) -> Look:
    """Whether a TCP connection can be made within so many seconds."""
    began = clock()
    try:
        with socket.create_connection((host, port), timeout=seconds):
            took = clock() - began
    except ConnectionRefusedError:
        return Look(Answer.NO, f"{host}:{port} refused the connection")
    except TimeoutError:
        return Look(Answer.NO, f"{host}:{port} did not answer within {seconds:.1f} s")
    except ConnectionError:
        return Look(Answer.NO, f"{host}:{port} closed the connection at once")
    except socket.gaierror:
        return Look(Answer.UNKNOWN, f"the name {host} cannot be resolved from here")
    except (OSError, UnicodeError) as error:
        why = clean(getattr(error, "strerror", None) or "the address cannot be used", 80)
        return Look(Answer.UNKNOWN, f"{host}:{port} cannot be reached from here: {why}")
    return Look(Answer.YES, f"{host}:{port} accepts connections", took)


def look_at_page(page: Page, seconds: float, clock: Callable[[], float]) -> Look:
    """Whether a page is what it must be, with all redirects and its body within so many seconds.

    :raises NotSupported: requests is not installed here.
    """
    if MISSING_PACKAGE or requests is None:
        raise NotSupported(
            "An http check needs the Python package requests, which comes with pywinrm.",
            hint='Install it where this runs: pip install "pywinrm>=0.5,<0.6".',
        )
    meter = Meter(Traffic(), clock, secure=page.url.lower().startswith("https:"))
    meter.begin(seconds)
    began = clock()
    try:
        with _session(page, meter) as session, _get(session, page, seconds) as answer:
            status = answer.status_code
            body = _body(answer) if page.contains is not None else b""
    except requests.exceptions.InvalidSchema:
        return Look(Answer.NO, f"{page.shown} leads to an address that is no page's")
    except (DeadlineError, OversizeError, CompressedError, OSError, http.client.HTTPException) as failure:
        return _failure(page, failure, meter)
    except (urllib3.exceptions.HTTPError, ValueError) as failure:
        return _failure(page, failure, meter)
    took = clock() - began
    if status not in page.statuses:
        wanted = " or ".join(str(each) for each in sorted(page.statuses))
        return Look(Answer.NO, f"{page.shown} answers {status} where {wanted} is right", took)
    if page.contains is not None and page.contains.encode() not in body:
        return Look(Answer.NO, f"{page.shown} answers {status}, but without the text that is looked for", took)
    return Look(Answer.YES, f"{page.shown} answers {status}", took)


class _OnceAdapter(BoundedAdapter):
    """A connection for each request. A server may end one with its answer without saying so, which a redirect that went
    over the same connection would take for the page's failure.
    """

    def send(self, *arguments: Any, **more: Any) -> requests.Response:
        self.poolmanager.clear()
        return super().send(*arguments, **more)


def _session(page: Page, meter: Meter) -> requests.Session:
    session = requests.Session()
    # Neither a proxy nor a login of the environment: what is looked at is the server.
    session.trust_env = False
    # With no redirect allowed none is followed, yet requests counts the one that it is shown.
    session.max_redirects = max(1, page.redirects)
    session.headers.update({"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "winops.hotpatch"})
    adapter = _OnceAdapter(meter)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _get(session: requests.Session, page: Page, seconds: float) -> requests.Response:
    verify: Any = (page.ca_path or os.environ.get("REQUESTS_CA_BUNDLE") or True) if page.validate_certs else False
    # In UTF-8 (RFC 7617), since requests writes text in Latin-1 and fails on the rest. It takes the login off when a
    # redirect leads to another host.
    login: Any = None
    if page.username is not None:
        login = (page.username.encode(), (page.password or "").encode())
    with warnings.catch_warnings():
        # The person asked for no verification; a warning for each look would say it again.
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        return session.get(
            page.url, auth=login, timeout=seconds, stream=True, allow_redirects=page.redirects > 0, verify=verify
        )


def _body(answer: requests.Response) -> bytes:
    """The beginning of the body. The meter under it holds the time."""
    parts: list[bytes] = []
    size = 0
    for part in answer.iter_content(65536):
        parts.append(part)
        size += len(part)
        if size >= MAX_PAGE:
            break
    return b"".join(parts)[:MAX_PAGE]


def _failure(page: Page, failure: Exception, meter: Meter) -> Look:
    kind, detail = classify(failure, meter)
    if kind in _BAD:
        more = f" ({detail})" if detail and kind == "certificate" else ""
        return Look(Answer.NO, f"{page.shown}: {_BAD[kind]}{more}")
    return Look(Answer.UNKNOWN, f"{page.shown}: {_UNCLEAR.get(kind, 'the answer cannot be read')}")

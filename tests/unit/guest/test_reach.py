# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at ports and pages over real sockets on loopback: every way to answer, not to answer, and to be too late."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._guest.reach import (
    MAX_PAGE,
    Page,
    look_at_page,
    look_at_port,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.health import Look
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.tls import make_tls

Serve = Callable[[socket.socket], None]


@contextmanager
def serving(answer: Serve, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that does this to each connection; the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                connection, _address = listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(5)
            try:
                with connection if tls is None else tls.wrap_socket(connection, server_side=True) as talk:
                    answer(talk)
            except OSError:
                continue

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        thread.join(10)
        listener.close()


def says(*parts: bytes, pause: float = 0.0) -> Serve:
    """Read a request, then send these parts."""

    def answer(talk: socket.socket) -> None:
        # All of it: what is left unread when the connection closes would reset it before the answer is read.
        asked = b""
        while not asked.endswith(b"\r\n\r\n") and (more := talk.recv(65536)):
            asked += more
        for part in parts:
            talk.sendall(part)
            time.sleep(pause)

    return answer


def http(status: str, body: bytes = b"", *headers: bytes) -> bytes:
    head = b"".join(header + b"\r\n" for header in (*headers, b"Content-Length: %d" % len(body)))
    return b"HTTP/1.1 " + status.encode() + b"\r\n" + head + b"\r\n" + body


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    with ExitStack() as stack:

        def start(answer: Serve, tls: ssl.SSLContext | None = None) -> str:
            return f"http{'s' if tls else ''}://127.0.0.1:{stack.enter_context(serving(answer, tls))}"

        yield start


def look(url: str, seconds: float = 10.0, **page: Any) -> Look:
    return look_at_page(Page(url, **page), seconds, time.monotonic)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port: int = holder.getsockname()[1]
        return port


# ---- ports


def test_a_port(serve: Callable[..., str]) -> None:
    port = int(serve(lambda talk: None).rpartition(":")[2])
    found = look_at_port("127.0.0.1", port, 2, time.monotonic)
    assert found.answer == "yes" and found.seconds is not None and found.seconds < 2
    assert look_at_port("127.0.0.1", free_port(), 2, time.monotonic).answer == "no"
    assert look_at_port("no.such.name.invalid", 80, 2, time.monotonic).answer == "unknown"
    assert look_at_port("a" * 70 + ".example", 80, 2, time.monotonic).answer == "unknown"


def test_a_port_that_takes_no_connection_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        address = full.getsockname()
        for _each in range(3):  # its queue is full after these
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        began = time.monotonic()
        found = look_at_port("127.0.0.1", address[1], 0.4, time.monotonic)
        assert found.answer == "no" and "did not answer" in found.words
        assert time.monotonic() - began < 5


# ---- pages


@pytest.mark.parametrize(
    ("answer", "page", "expected", "words"),
    [
        (http("200 OK", b"all is up"), {}, "yes", "answers 200"),
        (http("200 OK", b"all is up"), {"contains": "is up"}, "yes", "answers 200"),
        (http("200 OK", b"all is down"), {"contains": "is up"}, "no", "without the text"),
        (http("503 Service Unavailable", b"is up"), {"contains": "is up"}, "no", "503 where 200 is right"),
        (http("204 No Content"), {"statuses": (200, 204)}, "yes", "answers 204"),
        (http("404 Not Found"), {"statuses": (204, 200)}, "no", "404 where 200 or 204 is right"),
        (http("401 Unauthorized", b"", b"WWW-Authenticate: Basic"), {}, "no", "answers 401"),
        (http("302 Found", b"", b"Location: /x"), {"redirects": 0, "statuses": (302,)}, "yes", "answers 302"),
        (http("302 Found", b"", b"Location: /"), {"redirects": 2}, "no", "redirects more often"),
        (http("302 Found", b"", b"Location: ftp://elsewhere/"), {}, "no", "leads to"),
        (b"220 mail.example.com ESMTP\r\n", {}, "no", ""),
        (b"\x00\xff\x00", {}, "no", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", {"contains": "x"}, "no", "broke off"),
        (http("200 OK", b"\x1f\x8b", b"Content-Encoding: gzip"), {}, "unknown", "compressed"),
    ],
)
def test_what_a_page_answers(
    serve: Callable[..., str], answer: bytes, page: dict[str, Any], expected: str, words: str
) -> None:
    found = look(serve(says(answer)) + "/health?key=hidden", **page)
    assert (found.answer.value, words in found.words) == (expected, True), found
    assert "hidden" not in found.words


def test_a_connection_that_ends_with_its_answer_is_not_used_again(serve: Callable[..., str]) -> None:
    """A server need not say that it closes, and may do it a moment later than the next request is on its way."""
    url = serve(says(http("302 Found", b"", b"Location: /"), pause=0.1))
    assert "redirects more often" in look(url, redirects=2).words


def test_nobody_there(serve: Callable[..., str]) -> None:
    assert look(f"http://127.0.0.1:{free_port()}/").words.endswith("the connection was refused")
    assert look("http://no.such.name.invalid/").answer == "unknown"
    assert look(serve(lambda talk: None) + "/").answer == "no"


@pytest.mark.parametrize(
    "answer",
    [
        says(b"", pause=1),  # silent
        says(*[b"H"] * 200, pause=0.05),  # a byte now and then, for ever
        says(b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n"] * 100, pause=0.05),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", *[b"x"] * 200, pause=0.05),
    ],
)
def test_slowness_of_every_kind_ends_at_the_deadline(serve: Callable[..., str], answer: Serve) -> None:
    url = serve(answer)
    began = time.monotonic()
    found = look(url, 0.5, contains="never")
    assert time.monotonic() - began < 5
    assert found.answer == "no" and "in time" in found.words, found


def test_redirects_share_one_deadline(serve: Callable[..., str]) -> None:
    url = serve(says(b"", http("302 Found", b"", b"Location: /"), pause=0.15))
    began = time.monotonic()
    assert look(url, 0.5, redirects=50).answer == "no"
    assert time.monotonic() - began < 5


def test_no_more_than_the_beginning_of_a_page_is_read(serve: Callable[..., str]) -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n"
    url = serve(says(endless, *[b"x" * 65536] * (2 * MAX_PAGE // 65536), b"the end"))
    assert "without the text" in look(url, contains="the end").words


def test_a_login_goes_to_the_server_and_not_along_a_redirect(serve: Callable[..., str]) -> None:
    heard: list[bytes] = []

    def other(talk: socket.socket) -> None:
        heard.append(talk.recv(65536))
        talk.sendall(http("200 OK"))

    elsewhere = serve(other).replace("127.0.0.1", "localhost")

    def first(talk: socket.socket) -> None:
        heard.append(talk.recv(65536))
        talk.sendall(http("302 Found", b"", b"Location: " + elsewhere.encode()))

    assert look(serve(first), username="jo\u00e9", password="p\u20ac").answer == "yes"
    assert b"Authorization: Basic" in heard[0] and b"Authorization" not in heard[1]


def test_certificates_are_verified_unless_that_is_switched_off(serve: Callable[..., str], tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    url = serve(says(http("200 OK")), make_tls(authority))
    refused = look(url)
    assert refused.answer == "no" and "certificate is not trusted" in refused.words
    assert look(url, ca_path=str(authority)).answer == "yes"
    assert look(url, validate_certs=False).answer == "yes"
    assert look(url, ca_path=str(tmp_path / "gone.pem")).answer == "unknown"
    assert look(url.replace("https", "http")).answer == "no"


def test_the_environment_names_the_authorities_but_no_proxy(
    serve: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = tmp_path / "ca.pem"
    url = serve(says(http("200 OK")), make_tls(authority))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    assert look(url).answer == "yes"

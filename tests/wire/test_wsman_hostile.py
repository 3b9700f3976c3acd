# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against peers that are broken or mean harm: every call ends in bounded time, with an error that names
the server.

The peers are bare sockets on the loopback address, so that they can send what no HTTP library would.
"""

from __future__ import annotations

import base64
import datetime
import gzip
import ipaddress
import socket
import ssl
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadAnswer,
    CertificateNotTrusted,
    HotpatchError,
    InvalidInput,
    NotSupported,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.client import WsmanClient
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings

PASSWORD = "Very-Secret-7"
# Connecting, a login and the exchange itself: what one call may take with the timeouts below, with room for a busy
# machine.
BOUND = 10.0
SOAP_OK = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">'
    "<s:Header>{relates}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
)
IDENTITY = (
    '<id:IdentifyResponse xmlns:id="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd">'
    "<id:ProductVendor>Microsoft Corporation</id:ProductVendor></id:IdentifyResponse>"
)

Behaviour = Callable[[socket.socket], None]


class Peer:
    """Listens on the loopback address and gives each connection to ``behaviour`` in a thread of its own."""

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self._behaviour = behaviour
        self._tls = tls
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection:
            if self._tls is None:
                self._behaviour(connection)
                return
            with self._tls.wrap_socket(connection, server_side=True) as secured:
                self._open.append(secured)
                self._behaviour(secured)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(10)
        for thread in self._threads:
            thread.join(10)


@contextmanager
def peer(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    server = Peer(behaviour, tls)
    try:
        yield server
    finally:
        server.close()


def read_request(connection: socket.socket) -> bytes:
    """One HTTP request: head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise OSError("the client left")
        data += more
    head, _blank, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            raise OSError("the client left")
        body += more
    return head + b"\r\n\r\n" + body


def answer(
    body: bytes, status: str = "200 OK", headers: str = "Content-Type: application/soap+xml;charset=UTF-8\r\n"
) -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def says(data: bytes, *, then_close: bool = False) -> Behaviour:
    """Answers every request with these bytes."""

    def behaviour(connection: socket.socket) -> None:
        while True:
            read_request(connection)
            connection.sendall(data)
            if then_close:
                return

    return behaviour


def drips(prefix: bytes, piece: bytes) -> Behaviour:
    """A little at a time, for ever: no single read ever waits long."""

    def behaviour(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(prefix)
        while True:
            connection.sendall(piece)
            time.sleep(0.1)

    return behaviour


def floods(prefix: bytes, piece: bytes) -> Behaviour:
    def behaviour(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(prefix)
        while True:
            connection.sendall(piece)

    return behaviour


def resets(connection: socket.socket) -> None:
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        continue


def leaves(connection: socket.socket) -> None:
    read_request(connection)


def settings(port: int, **changed: object) -> Settings:
    known: dict[str, object] = {
        "name": "web01",
        "address": "127.0.0.1",
        "port": port,
        "scheme": "http",
        "username": "admin",
        "password": PASSWORD,
        "transports": ("basic",),
        "operation_timeout": 1,
        "read_timeout": 2,
    }
    return Settings(**{**known, **changed})  # type: ignore[arg-type]


def failure(
    port: int, call: Callable[[WsmanClient], object] = WsmanClient.identify, **changed: object
) -> HotpatchError:
    """The error the call ends with; fails when it takes too long, names no server, or shows the secret."""
    started = time.monotonic()
    with WsmanClient(settings(port, **changed)) as client, pytest.raises(HotpatchError) as caught:
        call(client)
    assert time.monotonic() - started < BOUND
    error = caught.value
    assert error.server == "web01"
    assert f"web01 (127.0.0.1:{port})" in error.message
    assert error.hint
    assert len(error.sentence()) < 900
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__dict__)
    for secret in (PASSWORD, base64.b64encode(f"admin:{PASSWORD}".encode()).decode()):
        assert secret not in shown
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(f'<!ENTITY {new} "{f"&{old};" * 10}">'.encode() for old, new in zip("abcdefgh", "bcdefghi", strict=True))
    + b"]><lolz>&i;</lolz>"
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n"


@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [
        pytest.param(
            says(b"SSH-2.0-OpenSSH_9.2\r\n", then_close=True), BadAnswer, "does not speak HTTP", id="another protocol"
        ),
        pytest.param(says(b"\x00\xff" * 5000, then_close=True), BadAnswer, "does not speak HTTP", id="noise"),
        pytest.param(
            says(b"HTTP/1.1 banana\r\n\r\n", then_close=True), BadAnswer, "does not speak HTTP", id="status line"
        ),
        pytest.param(leaves, Unreachable, "closed before an answer", id="closed"),
        pytest.param(resets, Unreachable, "closed before an answer", id="reset"),
        pytest.param(silent, Unreachable, "no complete answer came in time", id="silent"),
        pytest.param(drips(b"", b"H"), Unreachable, "in time", id="status line a byte at a time"),
        pytest.param(drips(HEAD, b"X: y\r\n"), Unreachable, "in time", id="headers one at a time"),
        pytest.param(
            drips(HEAD + b"Content-Length: 1000\r\n\r\n", b"<"), Unreachable, "in time", id="body a byte at a time"
        ),
        pytest.param(
            drips(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n<\r\n"), Unreachable, "in time", id="chunks"
        ),
        pytest.param(drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), Unreachable, "in time", id="endless 100"),
        pytest.param(
            says(HEAD + b"Content-Length: 1000\r\n\r\n<s:Env", then_close=True), BadAnswer, "broke off", id="half"
        ),
        pytest.param(
            says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n10\r\n<s:Env", then_close=True),
            BadAnswer,
            "broke off",
            id="half chunk",
        ),
        pytest.param(says(HEAD + b"Content-Le", then_close=True), BadAnswer, "", id="half a head"),
        pytest.param(
            floods(HEAD + b"Content-Length: 9999999999\r\n\r\n", b"x" * 65536), BadAnswer, "larger", id="huge body"
        ),
        pytest.param(floods(HEAD + b"\r\n", b"x" * 65536), BadAnswer, "larger", id="endless body"),
        pytest.param(
            floods(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"f" * 65536), BadAnswer, "", id="endless chunk size"
        ),
        pytest.param(floods(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 65536), BadAnswer, "", id="endless header"),
        pytest.param(floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), BadAnswer, "", id="flood of 100"),
        pytest.param(
            says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", then_close=True), BadAnswer, "", id="chunk size"
        ),
        pytest.param(says(answer(b"")), BadAnswer, "the answer is empty", id="empty"),
        pytest.param(says(answer(LAUGHS)), BadAnswer, "document type", id="billion laughs"),
        pytest.param(
            says(answer(LAUGHS, "500 Internal Server Error")), BadAnswer, "HTTP 500", id="billion laughs as a fault"
        ),
        pytest.param(says(answer(b"<a>" * 100_000)), BadAnswer, "deep", id="deep"),
        pytest.param(
            says(answer(b"<html>Welcome</html>", headers="Content-Type: text/html\r\n")),
            BadAnswer,
            "no SOAP",
            id="page",
        ),
        pytest.param(
            says(answer(b"<html>", "404 Not Found", "Content-Type: text/html\r\n")), BadAnswer, "HTTP 404", id="404"
        ),
        pytest.param(says(answer(b"<html>", "503 Service Unavailable", "")), Unreachable, "HTTP 503", id="503"),
        pytest.param(says(answer("Fehler: ä".encode("latin-1"), "500 Oops")), BadAnswer, "HTTP 500", id="not UTF-8"),
        pytest.param(says(answer(b"\xff\xfe\xfd")), BadAnswer, "cannot be read", id="bytes"),
        pytest.param(
            says(answer(b"no", "401 Unauthorized", "")), AuthenticationFailed, "refused the account admin", id="401"
        ),
        pytest.param(
            says(answer(b"", "401 Unauthorized", "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: Kerberos\r\n")),
            AuthenticationFailed,
            "it offers Negotiate, Kerberos",
            id="401 with offers",
        ),
        pytest.param(says(answer(b"", "403 Forbidden", "")), AuthenticationFailed, "HTTP 403", id="403"),
        pytest.param(says(answer(b"", "407 Proxy", "")), Unreachable, "proxy", id="407"),
        pytest.param(
            says(answer(gzip.compress(b" " * 50_000_000), headers="Content-Encoding: gzip\r\n")),
            BadAnswer,
            "compressed",
            id="gzip bomb",
        ),
    ],
)
def test_what_a_peer_may_do(behaviour: Behaviour, error: type[HotpatchError], words: str) -> None:
    with peer(behaviour) as server:
        found = failure(server.port)
    assert found.__class__ is error
    assert words in found.message


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(port)
    assert error.__class__ is Unreachable
    assert "refused" in error.message
    assert error.retryable


def test_a_name_that_does_not_resolve() -> None:
    with (
        WsmanClient(settings(5985, address="no-such-server.invalid")) as client,
        pytest.raises(Unreachable, match="resolved"),
    ):
        client.identify()


def test_a_redirect_is_not_followed() -> None:
    with peer(says(answer(b""))) as elsewhere:
        location = f"Location: http://127.0.0.1:{elsewhere.port}/wsman\r\n"
        for status in ("301 Moved", "302 Found", "307 Temporary Redirect"):
            with peer(says(answer(b"", status, location))) as server:
                error = failure(server.port)
            assert error.__class__ is BadAnswer
            assert "redirects" in error.message
        assert elsewhere.connections == 0


def test_a_peer_that_stops_reading() -> None:
    def deaf(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.recv(1)
        time.sleep(4)

    big = {"Data": "x" * 20_000_000}
    with peer(deaf) as server:
        error = failure(server.port, lambda client: client.invoke("root/cimv2", "X", "Do", big))
    assert error.__class__ is OutcomeUnknown


def answers_then(behaviour: Behaviour) -> Behaviour:
    """A proper answer to the first request of a connection, then something else."""

    def both(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer(SOAP_OK.format(relates="", body=IDENTITY).encode()))
        behaviour(connection)

    return both


def test_a_change_whose_connection_dies_is_not_sent_again() -> None:
    def call(client: WsmanClient) -> None:
        client.identify()
        client.invoke("root/cimv2", "Win32_Process", "Create", {"CommandLine": "x"})

    for behaviour in (leaves, resets, silent, says(HEAD + b"Content-Length: 99\r\n\r\n<", then_close=True)):
        with peer(answers_then(behaviour)) as server:
            error = failure(server.port, call)
        assert error.__class__ is OutcomeUnknown
        assert server.connections == 1


def test_a_read_whose_connection_dies_is_repeated_on_another() -> None:
    with peer(answers_then(resets)) as server, WsmanClient(settings(server.port)) as client:
        for _number in range(3):
            assert client.identify()["product_vendor"] == "Microsoft Corporation"
        assert server.connections == 3
        assert client.traffic.connections == 3


def test_a_server_that_turns_silent_is_slow_not_unreachable() -> None:
    with peer(answers_then(silent)) as server:
        error = failure(server.port, lambda client: (client.identify(), client.identify()))
    assert error.__class__ is AnswerTimeout
    assert error.retryable


def test_traffic_is_counted_as_it_is_on_the_wire() -> None:
    seen: list[bytes] = []

    def counted(connection: socket.socket) -> None:
        while True:
            seen.append(read_request(connection))
            connection.sendall(reply)

    reply = answer(SOAP_OK.format(relates="", body=IDENTITY).encode())
    with peer(counted) as server, WsmanClient(settings(server.port)) as client:
        client.identify()
        client.identify()
        assert client.traffic.as_facts() == {
            "requests": 2,
            "handshakes": 0,
            "connections": 1,
            "bytes_sent": sum(len(request) for request in seen),
            "bytes_received": 2 * len(reply),
        }


def test_the_environment_s_proxy_is_used_only_when_the_settings_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = says(answer(SOAP_OK.format(relates="", body=IDENTITY).encode()))
    with peer(reply) as server, peer(reply) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with WsmanClient(settings(server.port)) as client:
            client.identify()
        assert (server.connections, proxy.connections) == (1, 0)
        with WsmanClient(settings(server.port, proxy="legacy_requests")) as client:
            client.identify()
        assert (server.connections, proxy.connections) == (1, 1)
        with WsmanClient(settings(server.port, proxy=f"http://127.0.0.1:{proxy.port}")) as client:
            client.identify()
            assert client.traffic.bytes_received > 0
        assert (server.connections, proxy.connections) == (1, 2)


# ---- logins ----


@pytest.mark.parametrize(
    "token",
    [
        "",
        " !!!",
        " " + base64.b64encode(b"NTLMSSP\x00").decode(),
        " " + base64.b64encode(b"NTLMSSP\x00\x02\x00\x00\x00" + b"\xff" * 200).decode(),
        " " + base64.b64encode(b"NTLMSSP\x00\x02\x00\x00\x00" + b"\x00" * 40).decode(),
        " " + base64.b64encode(b"\x60\x82\xff\xff" + b"\x00" * 60).decode(),
        " " + base64.b64encode(b"A" * 60_000).decode(),
    ],
)
def test_nonsense_in_a_login(token: str) -> None:
    with peer(says(answer(b"", "401 Unauthorized", f"WWW-Authenticate: Negotiate{token}\r\n"))) as server:
        error = failure(server.port, transports=("ntlm",))
    assert isinstance(error, (AuthenticationFailed, BadAnswer))


@pytest.mark.parametrize(
    "data",
    [
        answer(b""),
        answer(b"x", headers=""),
        answer(b"", headers=""),
        answer(SOAP_OK.format(relates="", body=IDENTITY).encode()),
        answer(
            b"--Encrypted Boundary\r\nnonsense",
            headers='Content-Type: multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";'
            'boundary="Encrypted Boundary"\r\n',
        ),
    ],
)
def test_a_peer_that_asks_for_no_login_gets_no_unsealed_message(data: bytes) -> None:
    seen: list[bytes] = []

    def behaviour(connection: socket.socket) -> None:
        while True:
            seen.append(read_request(connection))
            connection.sendall(data)

    with peer(behaviour) as server:
        error = failure(
            server.port,
            lambda client: client.invoke("root/cimv2", "X", "Do", {"a": "in the clear"}),
            transports=("ntlm",),
        )
    assert isinstance(error, HotpatchError)
    assert not any(b"in the clear" in request for request in seen)


@pytest.mark.parametrize(
    ("password", "encoding"), [("plain", "ascii"), ("Pässwörd", "latin-1"), ("пароль", "utf-8"), ("a:b€", "utf-8")]
)
def test_a_basic_login_in_any_script(password: str, encoding: str) -> None:
    seen: list[bytes] = []

    def behaviour(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(answer(SOAP_OK.format(relates="", body=IDENTITY).encode()))

    with peer(behaviour) as server, WsmanClient(settings(server.port, password=password)) as client:
        client.identify()
    login = base64.b64encode(f"admin:{password}".encode(encoding))
    assert b"Authorization: Basic " + login in seen[0]


def test_a_login_that_never_ends() -> None:
    challenge = base64.b64encode(b"NTLMSSP\x00\x02\x00\x00\x00" + b"\x00" * 40).decode()
    with peer(
        drips(
            f"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM {challenge}\r\nContent-Length: 999\r\n\r\n".encode(),
            b"x",
        )
    ) as server:
        error = failure(server.port, transports=("ntlm",))
    assert isinstance(error, Unreachable)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"options": {"no_such_option": 1}}, InvalidInput),
        (
            {"transports": ("certificate",), "cert_pem": "/nonexistent.pem", "cert_key_pem": "/nonexistent.key"},
            InvalidInput,
        ),
        ({"transports": ("certificate",)}, InvalidInput),
        ({"username": ""}, InvalidInput),
        ({"message_encryption": "always"}, InvalidInput),
        ({"scheme": "https", "ca_trust_path": "/nonexistent.pem"}, InvalidInput),
    ],
)
def test_settings_a_login_cannot_use(changed: dict[str, Any], error: type[HotpatchError]) -> None:
    with peer(silent) as server:
        assert failure(server.port, **changed).__class__ is error


def test_a_login_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("winrm.transport.HAVE_CREDSSP", False)
    error = failure(5985, transports=("credssp",))
    assert error.__class__ is NotSupported
    assert "requests-credssp" in error.message


# ---- TLS ----


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls"), ipaddress.ip_address("127.0.0.1"))


def make_certificate(folder: Path, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


IDENTIFIES = says(answer(SOAP_OK.format(relates="", body=IDENTITY).encode()))


def test_a_certificate_nobody_vouches_for(certificate: tuple[Path, Path]) -> None:
    with peer(IDENTIFIES, tls(certificate)) as server:
        error = failure(server.port, scheme="https")
    assert error.__class__ is CertificateNotTrusted
    assert not error.retryable


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    other = make_certificate(tmp_path, ipaddress.ip_address("192.0.2.1"))
    with peer(IDENTIFIES, tls(other)) as server:
        error = failure(server.port, scheme="https", ca_trust_path=str(other[0]))
    assert error.__class__ is CertificateNotTrusted


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_certificate_vouched_for_or_not_asked_for(certificate: tuple[Path, Path]) -> None:
    with peer(IDENTIFIES, tls(certificate)) as server:
        for changed in ({"ca_trust_path": str(certificate[0])}, {"server_cert_validation": "ignore"}):
            with WsmanClient(settings(server.port, scheme="https", **changed)) as client:
                assert client.identify()["product_vendor"] == "Microsoft Corporation"
                assert client.traffic.bytes_sent > 100


@pytest.mark.parametrize(
    "behaviour",
    [
        says(b"HTTP/1.1 400 Bad Request\r\n\r\n", then_close=True),
        lambda connection: connection.close(),
        silent,
        lambda connection: connection.sendall(b"\x16\x03\x03\xff\xff" + b"\x00" * 100),
    ],
)
def test_what_answers_on_the_https_port_is_no_tls(behaviour: Behaviour) -> None:
    with peer(behaviour) as server:
        error = failure(server.port, scheme="https")
    assert error.__class__ is Unreachable


def test_bounds_hold_inside_tls(certificate: tuple[Path, Path]) -> None:
    trusted: dict[str, Any] = {"scheme": "https", "ca_trust_path": str(certificate[0])}
    for behaviour, error in (
        (drips(HEAD + b"Content-Length: 1000\r\n\r\n", b"<"), Unreachable),
        (floods(HEAD + b"\r\n", b"x" * 65536), BadAnswer),
        (says(HEAD + b"Content-Length: 1000\r\n\r\n<", then_close=True), BadAnswer),
    ):
        with peer(behaviour, tls(certificate)) as server:
            assert failure(server.port, **trusted).__class__ is error

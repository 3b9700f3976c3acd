# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP, logins, sealing and the network states: what a client meets before and around SOAP."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import struct
import time
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
import spnego

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire import soap
from tests.unit.lab_wire.fake_world import PASSWORD, USER, Running
from tests.unit.lab_wire.messages import (
    CONTENT_TYPE,
    ENUMERATION,
    FAKE_SERVICE,
    IDENTIFY,
    TRANSFER,
    Wire,
    basic,
    envelope,
)


class Negotiated:
    """A connection with a Negotiate login and sealed messages, on pyspnego's client."""

    def __init__(self, port: int, *, protocol: str = "ntlm", user: str = USER, password: str = PASSWORD) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        options = spnego.NegotiateOptions.use_ntlm if protocol == "ntlm" else spnego.NegotiateOptions.use_negotiate
        self.context = spnego.client(user, password, hostname="x", service="http", protocol=protocol, options=options)
        self.status, self.challenge = self._token(self.context.step())
        if self.status == 401 and self.challenge:
            self.status, closing = self._token(self.context.step(self.challenge))
            if closing and not self.context.complete:
                self.context.step(closing)

    def _token(self, token: bytes | None) -> tuple[int, bytes]:
        value = base64.b64encode(token or b"").decode()
        self.connection.request("POST", "/wsman", b"", {"Authorization": f"Negotiate {value}"})
        response = self.connection.getresponse()
        response.read()
        tokens = [
            value.partition(" ")[2] for value in response.headers.get_all("WWW-Authenticate") or () if " " in value
        ]
        return response.status, base64.b64decode(tokens[0]) if tokens and "realm" not in tokens[0] else b""

    def sealed(self, message: str) -> bytes:
        """A message in the sealed form."""
        data = message.encode()
        wrapped = self.context.wrap_winrm(data)
        head = (
            "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(data)}\r\n"
            "--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
        )
        sealed: bytes = head.encode() + struct.pack("<I", len(wrapped.header)) + wrapped.header + wrapped.data
        return sealed + b"--Encrypted Boundary--\r\n"

    def post(self, body: bytes, content_type: str) -> tuple[http.client.HTTPResponse, bytes]:
        """Send on the same connection without an Authorization header."""
        self.connection.request("POST", "/wsman", body, {"Content-Type": content_type})
        response = self.connection.getresponse()
        return response, response.read()

    def send(self, message: str) -> tuple[int, str]:
        """Send sealed, read sealed."""
        response, data = self.post(self.sealed(message), SEALED)
        if not data:
            return response.status, ""
        assert response.getheader("Content-Type") == SEALED
        opening, marker, rest = data.partition(b"\tContent-Type: application/octet-stream\r\n")
        assert opening.startswith(
            b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\tOriginalContent: "
        )
        assert marker
        length = struct.unpack_from("<I", rest)[0]
        body = rest.removesuffix(b"--Encrypted Boundary--\r\n")
        plain: bytes = self.context.unwrap_winrm(body[4 : 4 + length], body[4 + length :])
        return response.status, plain.decode()


SEALED = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
ENUMERATE = envelope(ENUMERATION + "Enumerate", FAKE_SERVICE, "<n:Enumerate/>")


def raw(port: int, data: bytes) -> bytes:
    """Send bytes, read until the other side closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(3)
        connection.sendall(data)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except TimeoutError:
            pass
        return received


# -- HTTP ------------------------------------------------------------------------------------------------------------


def test_a_stranger_is_told_how_to_log_in(lab: Running) -> None:
    answer = raw(lab.http_port, b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").decode()
    lines = answer.split("\r\n")
    assert lines[0] == "HTTP/1.1 401 Unauthorized"
    assert "Server: Microsoft-HTTPAPI/2.0" in lines
    assert "WWW-Authenticate: Negotiate" in lines
    assert 'WWW-Authenticate: Basic realm="WSMAN"' in lines
    assert "Connection: close" in lines
    assert "Content-Length: 0" in lines
    assert not any(line.startswith("Content-Type") for line in lines)


def test_headers_of_a_success(wire: Wire) -> None:
    response, _body = wire.post(ENUMERATE)
    assert response.status == 200
    assert response.getheader("Content-Type") == CONTENT_TYPE
    assert response.getheader("Server") == "Microsoft-HTTPAPI/2.0"
    assert response.getheader("Date")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_post_is_allowed(wire: Wire, method: str) -> None:
    response, _body = wire.post(b"", method=method)
    assert (response.status, response.getheader("Allow")) == (405, "POST")


def test_other_paths_are_not_found(wire: Wire) -> None:
    assert wire.post(IDENTIFY, path="/")[0].status == 404
    assert wire.post(b"", path="/", method="HEAD")[0].status == 404
    assert wire.post(IDENTIFY, path="/WSMan")[0].status == 200


@pytest.mark.parametrize("content_type", ["text/xml", "application/x-www-form-urlencoded", None])
def test_other_content_types_are_refused(wire: Wire, content_type: str | None) -> None:
    assert wire.post(IDENTIFY, headers={"Content-Type": content_type})[0].status == 415


def test_expect_continue_and_chunks(lab: Running) -> None:
    head = (
        f"POST /wsman HTTP/1.1\r\nHost: x\r\nAuthorization: {basic()}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", lab.http_port), 5) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1024).startswith(b"HTTP/1.1 100")
        body = IDENTIFY.encode()
        connection.sendall(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        received = b""
        while part := connection.recv(65536):
            received += part
    assert received.startswith(b"HTTP/1.1 200")


def test_what_is_no_http_gets_a_400(lab: Running) -> None:
    assert raw(lab.http_port, b"\x16\x03\x01\x02\x00\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert raw(lab.http_port, b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n").startswith(
        b"HTTP/1.1 400"
    )


def test_many_requests_on_one_connection(lab: Running, wire: Wire) -> None:
    for _round in range(5):
        assert wire.post(IDENTIFY)[0].status == 200
    assert len(lab.machine.records) == 5
    entry = lab.machine.records[0]
    assert (entry.method, entry.user, entry.status, entry.write) == ("Identify", USER, 200, False)
    assert entry.bytes_in == len(IDENTIFY)
    assert entry.bytes_out > 100


# -- SOAP that is none -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "not xml",
        "<a><b></a>",
        '<!DOCTYPE x [<!ENTITY e "boom">]><x>&e;</x>',
        "<a>" * 100 + "</a>" * 100,
        "<a>" + "<b/>" * 30000 + "</a>",
    ],
)
def test_broken_and_hostile_xml_is_a_bad_request(wire: Wire, body: str) -> None:
    response, data = wire.post(body)
    assert (response.status, data) == (400, b"")


def test_the_parser_keeps_text_and_tails() -> None:
    root = soap.parse_xml(b"<a>1<b>2</b>3</a>")
    assert (root.text, root[0].text, root[0].tail) == ("1", "2", "3")


SOAP = envelope(TRANSFER + "Get", FAKE_SERVICE)


@pytest.mark.parametrize(
    ("message", "subcode", "code"),
    [
        (SOAP.replace("2003/05/soap-envelope", "2001/12/soap-envelope"), "", 0x8033800D),
        ("<x/>", "w:SchemaValidationError", 0x80338041),
        (SOAP.replace(f"{TRANSFER}Get<", "<"), "a:MessageInformationHeaderRequired", 0x80338011),
        (SOAP.replace("a:MessageID", "a:From"), "a:MessageInformationHeaderRequired", 0x80338011),
        (SOAP.replace("a:To", "a:From"), "a:MessageInformationHeaderRequired", 0x80338011),
        (SOAP.replace("PT20S", "PT-1S"), "a:InvalidMessageInformationHeader", 0x8033800F),
        (SOAP.replace(">153600<", ">much<"), "a:InvalidMessageInformationHeader", 0x8033800F),
        (SOAP.replace(">153600<", ">100<"), "w:EncodingLimit", 0x8033807E),
        (SOAP.replace("<s:Body></s:Body>", ""), "w:InvalidBody", 0x80338027),
        (SOAP.replace("<s:Header>", '<s:Header><y xmlns="urn:y" s:mustUnderstand="1"/>'), "", 0x80338010),
        (SOAP.replace("<a:To>", '<w:Locale s:mustUnderstand="true"/><a:To>'), "w:UnsupportedFeature", 0x80338087),
    ],
)  # fmt: skip
def test_soap_that_cannot_be_processed(wire: Wire, message: str, subcode: str, code: int) -> None:
    response, data = wire.post(message)
    assert response.status == 500
    text = data.decode()
    assert f'Code="{code}"' in text
    assert f"<s:Value>{subcode}</s:Value>" in text or not subcode


def test_a_header_that_need_not_be_understood_is_ignored(wire: Wire) -> None:
    extra = '<y xmlns="urn:y"/><a:FaultTo><a:Address>x</a:Address></a:FaultTo>'
    assert wire.enumerate("", extra=extra).status == 200


def test_a_request_above_the_envelope_limit(lab: Running, wire: Wire) -> None:
    lab.machine.limits = replace(lab.machine.limits, max_envelope_size_kb=16)
    response, data = wire.post(ENUMERATE + " " * 20000)
    assert response.status == 500
    assert b"w:EncodingLimit" in data


def test_an_unbounded_body_is_not_read(lab: Running) -> None:
    head = f"POST /wsman HTTP/1.1\r\nHost: x\r\nAuthorization: {basic()}\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", lab.http_port), 5) as connection:
        connection.sendall(head.encode())
        received = b""
        try:
            for _round in range(12):
                connection.sendall(chunk)
            received = connection.recv(65536)
        except ConnectionError:
            return
    assert received.startswith(b"HTTP/1.1 413")


# -- logins ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", [USER, USER.lower(), rf".\{USER}", rf"WEB01\{USER}"])
def test_basic_takes_the_local_account_in_all_its_spellings(wire: Wire, user: str) -> None:
    assert wire.post(IDENTIFY, headers={"Authorization": basic(user)})[0].status == 200


@pytest.mark.parametrize(
    "header", [basic(password="wrong"), basic("nobody"), "Basic !!", "Basic", "Bearer x", "Negotiate", "Negotiate AAAA"]
)
def test_wrong_logins_are_refused_with_the_ways_to_log_in(wire: Wire, header: str) -> None:
    response, data = wire.post(IDENTIFY, headers={"Authorization": header})
    assert (response.status, data) == (401, b"")
    assert response.headers.get_all("WWW-Authenticate") == ["Negotiate", 'Basic realm="WSMAN"']


def test_unauthenticated_identify_opens_nothing_else(wire: Wire) -> None:
    headers: dict[str, str | None] = {"Authorization": None, "WSMANIDENTIFY": "unauthenticated"}
    assert wire.post(ENUMERATE, headers=headers)[0].status == 401


@pytest.mark.parametrize("protocol", ["ntlm", "negotiate"])
@pytest.mark.parametrize("user", [USER, rf"WEB01\{USER}", USER.upper()])
def test_ntlm_seals_messages_both_ways(lab: Running, protocol: str, user: str) -> None:
    client = Negotiated(lab.http_port, protocol=protocol, user=user)
    assert client.status == 200
    for _round in range(3):
        status, text = client.send(ENUMERATE)
        assert status == 200
        assert "EnumerateResponse" in text
    status, text = client.send(envelope(TRANSFER + "Put", FAKE_SERVICE))
    assert status == 500
    assert "ActionNotSupported" in text
    assert {entry.user for entry in lab.machine.records if entry.method == "Enumerate"} == {USER}


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("nobody", PASSWORD)])
def test_ntlm_with_a_wrong_login(lab: Running, user: str, password: str) -> None:
    assert Negotiated(lab.http_port, user=user, password=password).status == 401


def test_a_message_sealed_for_another_connection_is_refused(lab: Running) -> None:
    first, second = Negotiated(lab.http_port), Negotiated(lab.http_port)
    response, data = second.post(first.sealed(ENUMERATE), SEALED)
    assert (response.status, data) == (400, b"")
    bare = http.client.HTTPConnection("127.0.0.1", lab.http_port, timeout=5)
    bare.request("POST", "/wsman", first.sealed(ENUMERATE), {"Content-Type": SEALED})
    assert bare.getresponse().status == 401


@pytest.mark.parametrize("body", [b"", b"--Encrypted Boundary--", b"\tContent-Type: application/octet-stream\r\n"])
def test_a_sealed_form_that_is_none(lab: Running, body: bytes) -> None:
    client = Negotiated(lab.http_port)
    response, _body = client.post(body or b"x", SEALED)
    assert response.status == 400


def test_where_encryption_is_required(lab: Running, wire: Wire) -> None:
    lab.machine.limits = replace(lab.machine.limits, allow_unencrypted=False)
    response, _body = wire.post(IDENTIFY)
    assert response.status == 401
    assert response.headers.get_all("WWW-Authenticate") == ["Negotiate"]
    client = Negotiated(lab.http_port)
    response, data = client.post(ENUMERATE.encode(), CONTENT_TYPE)
    assert (response.status, data) == (500, b"")
    assert Negotiated(lab.http_port).send(ENUMERATE)[0] == 200
    tls = ssl.create_default_context(cafile=str(lab.ca_file))
    request = urllib.request.Request(
        lab.secure_url, IDENTIFY.encode(), {"Content-Type": CONTENT_TYPE, "Authorization": basic()}
    )
    with urllib.request.urlopen(request, timeout=5, context=tls) as answer:
        assert answer.status == 200


def test_https_with_a_certificate_that_verifies_only_against_the_labs_authority(lab: Running) -> None:
    request = urllib.request.Request(
        lab.secure_url, IDENTIFY.encode(), {"Content-Type": CONTENT_TYPE, "Authorization": basic()}
    )
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(request, timeout=5)


# -- network states --------------------------------------------------------------------------------------------------


def until_refused(port: int) -> None:
    """Wait until nothing listens any more."""
    deadline = time.monotonic() + 5
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_closed_port_refuses_drops_connections_and_opens_again_on_the_same_number(lab: Running, wire: Wire) -> None:
    assert wire.post(IDENTIFY)[0].status == 200
    lab.machine.network = "closed"
    until_refused(lab.http_port)
    until_refused(lab.https_port)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        wire.post(IDENTIFY)
    lab.machine.network = "open"
    deadline = time.monotonic() + 5
    while True:
        try:
            assert Wire(lab.http_port).post(IDENTIFY)[0].status == 200
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_silent_server_accepts_and_says_nothing(lab: Running) -> None:
    lab.machine.network = "silent"
    assert raw(lab.http_port, b"POST /wsman HTTP/1.1\r\nHost: x\r\n\r\n") == b""


def test_garbage_is_not_http(lab: Running) -> None:
    lab.machine.network = "garbage"
    received = raw(lab.http_port, b"POST /wsman HTTP/1.1\r\nHost: x\r\n\r\n")
    assert received
    assert not received.startswith(b"HTTP")


def test_half_an_answer(lab: Running, wire: Wire) -> None:
    lab.machine.network = "half_answer"
    with pytest.raises(http.client.IncompleteRead):
        wire.post(IDENTIFY)


def test_reset(lab: Running, wire: Wire) -> None:
    lab.machine.network = "reset"
    with pytest.raises(ConnectionResetError):
        wire.post(IDENTIFY)


def test_a_restart_ends_open_connections(lab: Running, wire: Wire) -> None:
    wire.post(IDENTIFY)
    lab.machine.boot_id = 2
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        wire.post(IDENTIFY)


# -- control address -------------------------------------------------------------------------------------------------


def test_the_control_address_hands_over_to_the_world(lab: Running) -> None:
    base = f"http://127.0.0.1:{lab.control_port}"
    with urllib.request.urlopen(f"{base}/record?server=web01&writes=1", timeout=5) as answer:
        assert json.load(answer)["query"] == {"server": "web01", "writes": "1"}
    request = urllib.request.Request(f"{base}/servers/web01/faults", b'{"kind": "x"}')
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.load(answer) == {
            "method": "POST",
            "path": "/servers/web01/faults",
            "query": {},
            "body": {"kind": "x"},
        }


@pytest.mark.parametrize(
    ("path", "data", "headers", "status"),
    [("/nowhere", None, {}, 404), ("/x", b"{", {}, 400), ("/servers", None, {"Origin": "http://evil.example"}, 403)],
)
def test_the_control_address_says_what_is_wrong(
    lab: Running, path: str, data: bytes | None, headers: dict[str, str], status: int
) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{lab.control_port}{path}", data, headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    assert caught.value.code == status
    caught.value.close()


def test_shutdown_ends_the_lab(lab: Running) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{lab.control_port}/shutdown", b"")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200
    until_refused(lab.http_port)

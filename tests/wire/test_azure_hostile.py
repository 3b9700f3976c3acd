# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ARM's client and the SDK of Arc against answers that are broken or mean harm, over real sockets.

Nothing is sent twice that may have been carried out, no token goes to another's address, and every end is an error in
words or an answer.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import (
    arm_answer,
    license_profiles,
    machines,
    patching,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    ArmUnavailable,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.clouds import Cloud
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import Account
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credentials import TokenSource
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import HybridCompute
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ARC_MACHINE, ResourceId
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer
from tests.wire.test_wsman_hostile import make_certificate, peer, read_request, tls

MACHINE = ResourceId("11111111-2222-3333-4444-555555555555", "g", ARC_MACHINE, "m1")
PROFILE = {"location": "uksouth", "properties": {}}
SHOWN = b'{"location": "uksouth", "properties": {}}'
JSON = "Content-Type: application/json; charset=utf-8\r\n"


def arm_at(address: str, ca_path: str | None = None, **more: Any) -> Arm:
    account = Account("options", "access_token", access_token="a-token", ca_path=ca_path)
    cloud = Cloud(address, address, "https://unused.invalid/.default", "https://unused.invalid", is_own=True)
    return Arm(TokenSource(account, cloud), cloud, timeout=1, **more)


def http(status: int, body: bytes, headers: str = JSON, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status} Words\r\n{headers}Content-Length: {size}\r\n\r\n".encode("latin-1") + body


class Answering:
    """Answers every request with the same bytes; ``then`` is what is done after them.

    :ivar seen: the methods that came.
    """

    def __init__(self, data: bytes, then: Callable[[socket.socket], None] | None = None) -> None:
        self.data = data
        self.then = then
        self.seen: list[str] = []

    def __call__(self, connection: socket.socket) -> None:
        while True:
            self.seen.append(read_request(connection).split(b" ", 1)[0].decode())
            connection.sendall(self.data)
            if self.then is not None:
                self.then(connection)
                return


def closes(_connection: socket.socket) -> None:
    """Leaves in the middle of its answer."""


def stalls(_connection: socket.socket) -> None:
    """Says nothing more for longer than the client waits."""
    time.sleep(1.5)


def breaks_tls(connection: socket.socket) -> None:
    """Goes on in the clear where TLS is spoken."""
    socket.socket.sendall(connection, b"\x17\x03\x03\x00\x20" + b"n" * 32)
    time.sleep(0.2)


def install(arm: Arm) -> Any:
    return patching.begin_installation(arm, MACHINE, {"maximumDuration": "PT2H", "rebootSetting": "Never"})


def create(arm: Arm) -> Any:
    return license_profiles.create(HybridCompute(arm), MACHINE, PROFILE, doing="enrolling m1")


def update(arm: Arm) -> Any:
    return license_profiles.update(HybridCompute(arm), MACHINE, {"properties": {}}, doing="enrolling m1")


BROKEN: dict[str, tuple[bytes, Callable[[socket.socket], None] | None]] = {
    "stalls in its body": (http(202, b"{", length=9), stalls),
    "breaks off in its body": (http(202, b"{", length=9), closes),
    "breaks off before its head": (b"", closes),
    "is compressed by name only": (http(202, b"plain", f"{JSON}Content-Encoding: gzip\r\n"), None),
    "is a page": (http(200, b"<html>Sign in</html>", "Content-Type: text/html\r\n"), None),
    "is not UTF-8": (http(200, b'{"id": "\xff"}'), None),
    "is nested without end": (http(200, b"[" * 200_000), None),
}


@pytest.mark.parametrize("write", [install, create, update], ids=["POST", "PUT by the SDK", "PATCH by the SDK"])
@pytest.mark.parametrize("how", BROKEN)
def test_a_write_is_sent_once_whatever_its_answer(how: str, write: Callable[[Arm], Any]) -> None:
    answering = Answering(*BROKEN[how])
    with peer(answering) as azure, pytest.raises(WriteOutcomeUnknown, match="not known whether"):
        write(arm_at(f"http://127.0.0.1:{azure.port}"))
    assert len(answering.seen) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"), ipaddress.ip_address("127.0.0.1"))


def test_a_write_is_sent_once_when_tls_breaks_after_it(certificate: tuple[Path, Path]) -> None:
    answering = Answering(b"", breaks_tls)
    with peer(answering, tls(certificate)) as azure, pytest.raises(WriteOutcomeUnknown):
        install(arm_at(f"https://127.0.0.1:{azure.port}", str(certificate[0])))
    assert answering.seen == ["POST"]


def test_a_certificate_that_is_not_trusted_has_carried_nothing(certificate: tuple[Path, Path]) -> None:
    answering = Answering(http(200, b"{}"))
    with peer(answering, tls(certificate)) as azure:
        arm = arm_at(f"https://127.0.0.1:{azure.port}", sleep=lambda _seconds: None)
        with pytest.raises(ArmUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            install(arm)
    assert answering.seen == []


READS: dict[str, bytes] = {
    "a page": http(200, b"<html>"),
    "not UTF-8": http(200, b'{"id": "\xff"}'),
    "nested without end": http(200, b"[" * 200_000),
    "a list": http(200, b"[1]"),
    "a number": http(200, b"1"),
    "empty": http(200, b""),
    "no content": http(204, b""),
    "a redirect": http(302, b"", "Location: http://127.0.0.1:9/\r\n"),
}


@pytest.mark.parametrize("read", [machines.get, license_profiles.get], ids=["machine", "profile"])
@pytest.mark.parametrize("what", READS)
def test_what_is_no_resource_is_a_bad_answer(what: str, read: Callable[..., Any]) -> None:
    with peer(Answering(READS[what])) as azure, pytest.raises(BadAnswer, match="reading the"):
        read(HybridCompute(arm_at(f"http://127.0.0.1:{azure.port}")), MACHINE)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (202, "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n"),
        (202, "Retry-After: 1.5\r\n"),
        (204, ""),
        (202, "x-ms-ratelimit-remaining-subscription-writes: \xb2\r\n"),
    ],
    ids=["a date to wait for", "a fraction to wait for", "no content", "a count that is none"],
)
@pytest.mark.parametrize("write", [create, update])
def test_an_acceptance_that_the_sdk_stumbles_over_is_one(
    status: int, headers: str, write: Callable[[Arm], Any]
) -> None:
    answering = Answering(http(status, b"", headers))
    with peer(answering) as azure:
        assert write(arm_at(f"http://127.0.0.1:{azure.port}")).status == status
    assert len(answering.seen) == 1


def test_a_profile_with_values_of_other_types_is_read_as_it_is() -> None:
    body = b'{"location": 5, "properties": {"productProfile": {"productFeatures": [{"enrollmentDate": "soon"}]}}}'
    with peer(Answering(http(200, body))) as azure:
        found = license_profiles.get(HybridCompute(arm_at(f"http://127.0.0.1:{azure.port}")), MACHINE)
    assert found is not None
    assert found["location"] == 5


def test_an_answer_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm_answer, "MOST_BYTES", 1024 * 1024)

    def floods(connection: socket.socket) -> None:
        while True:
            connection.sendall(b" " * 65536)

    head = f"HTTP/1.1 200 OK\r\n{JSON}\r\n".encode()
    with peer(Answering(head, floods)) as azure, pytest.raises(BadAnswer, match="more than 1 MiB"):
        machines.get(HybridCompute(arm_at(f"http://127.0.0.1:{azure.port}")), MACHINE)
    answering = Answering(head, floods)
    with peer(answering) as azure, pytest.raises(WriteOutcomeUnknown, match="more than 1 MiB"):
        install(arm_at(f"http://127.0.0.1:{azure.port}"))
    assert answering.seen == ["POST"]


@pytest.mark.parametrize(
    "address",
    [
        "http://{other}\\@{own}/poll",
        "http://{own}@{other}/poll",
        "http://{other}/poll",
        "http://{other}#@{own}/poll",
        "http://{own}\\.{other}/poll",
        "http:\\\\{other}/poll",
    ],
)
def test_no_spelling_of_an_address_carries_the_token_away(address: str) -> None:
    """Two libraries read an address here, and must not be brought to read two hosts."""
    own, other = Answering(http(200, b"{}")), Answering(http(200, b"{}"))
    with peer(own) as azure, peer(other) as thief:
        places = {"own": f"127.0.0.1:{azure.port}", "other": f"127.0.0.1:{thief.port}"}
        with pytest.raises(BadAnswer, match="not its own"):
            arm_at(f"http://{places['own']}").send("GET", address.format(**places), doing="following it")
    assert other.seen == []

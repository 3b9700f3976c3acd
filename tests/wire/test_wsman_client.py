# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against the lab's wire: every login, every operation, and connections cut at every point.

The lab's wire is proven by clients of other people's making (test_lab_independent_clients); here it proves ours. A
relay between the two cuts connections, which the lab itself does not do at a chosen moment.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadAnswer,
    CertificateNotTrusted,
    HotpatchError,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman import values
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.client import WsmanClient
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.faults import WsmanFault
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.shell import ShellResult
from tests.unit.lab_wire.fake_world import USER, Running, running, service_rows
from tests.wire.running_lab import RunningLab

CIMV2 = "root/cimv2"
EVERYTHING = "SELECT * FROM Fake_Service"
ARRAYS = ("Ids", "Names", "NoNames")
WAYS = ("basic", "ntlm", "https basic", "https ntlm", "https ntlm sealed")
SECRET = "Pass w0rd: 1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """One machine on the network, whose every setting a test may change."""
    with running(tmp_path) as found:
        found.machine.accounts = {USER: SECRET}
        yield found


def client(server: Running, way: str = "basic", **changed: Any) -> WsmanClient:
    secure = way.startswith("https")
    known: dict[str, Any] = {
        "name": "web01",
        "address": "127.0.0.1",
        "port": server.https_port if secure else server.http_port,
        "scheme": "https" if secure else "http",
        "username": USER,
        "password": SECRET,
        "transports": ("ntlm" if "ntlm" in way else "basic",),
        "message_encryption": "always" if "sealed" in way else "auto",
        "ca_trust_path": str(server.ca_file),
        "operation_timeout": 3,
        "read_timeout": 5,
    }
    return WsmanClient(Settings(**{**known, **changed}))


@pytest.mark.parametrize("way", WAYS)
def test_every_operation_over_every_login(server: Running, way: str) -> None:
    with client(server, way) as wsman:
        assert wsman.identify()["product_version"] == "OS: 10.0.26100 SP: 0.0 Stack: 3.0"
        rows = list(wsman.enumerate(CIMV2, EVERYTHING, arrays=ARRAYS))
        assert [row["Name"] for row in rows] == ["svc0", "svc1", "svc2"]
        assert {row.class_name for row in rows} == {"Fake_Service"}
        assert [row["Name"] for row in wsman.enumerate(CIMV2, "SELECT Name FROM Fake_Service")] == [
            "svc0",
            "svc1",
            "svc2",
        ]
        assert wsman.get(CIMV2, "Fake_Service", {"Name": "svc1"})["Started"] == "false"
        answer = wsman.invoke(
            CIMV2, "Fake_Service", "Do", {"Text": '<&>"\r\n', "Many": ["a", "b"], "Null": None}, arrays=("sNames",)
        )
        assert (answer["sNames"], answer["ReturnValue"]) == (["a", "b"], "0")
        made = values.as_instance(answer, "CmdletOutput")
        assert made is not None
        assert values.as_int(made, "State") == 3
        wsman.delete(CIMV2, "Fake_Service", {"Name": "a\\b"})
        with wsman.shell() as shell:
            assert shell.run("cat", stdin=b"line\r\n" * 50_000).stdout == b"line\r\n" * 50_000
            assert shell.run("exit 2147942402") == ShellResult(2147942402, b"", b"ending\r\n")
    assert server.machine.invoked == [("Do", {"Text": ['<&>"\r\n'], "Many": ["a", "b"], "Null": [None]})]
    assert server.machine.deleted == [{"Name": "a\\b"}]


def test_values_of_every_kind(server: Running) -> None:
    with client(server) as wsman:
        row = next(iter(wsman.enumerate(CIMV2, EVERYTHING, arrays=ARRAYS, limit=1)))
    assert (row["Empty"], row["Nothing"]) == ("", None)
    assert values.as_int(row, "Big") == 4294967295
    assert values.as_bool(row, "Started") is True
    assert values.as_datetime(row, "Since") == datetime(2014, 4, 3, 14, 45, 50, 468750, timezone(timedelta(hours=8)))
    assert values.as_datetime(row, "Boot") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert values.as_interval(row, "Every") == timedelta(seconds=100)
    assert values.as_int_list(row, "Ids") == [1, 2]
    assert (row["Names"], row["NoNames"]) == ([], [])
    owner = values.as_instance(row, "Owner")
    assert owner is not None
    assert (owner.class_name, owner["Name"]) == ("Fake_Owner", "<&>")


@pytest.mark.parametrize("rows", [0, 1, 2, 1000, 2500])
def test_enumerations_of_any_length(server: Running, rows: int) -> None:
    server.machine.rows = service_rows(rows)
    with client(server) as wsman:
        found = [row["Name"] for row in wsman.enumerate(CIMV2, EVERYTHING, arrays=ARRAYS)]
        asked = wsman.traffic.requests
    assert found == [f"svc{number}" for number in range(rows)]
    assert asked == (1 if rows < 2 else asked)


def test_an_early_stop_releases_what_the_server_holds(server: Running) -> None:
    server.machine.rows = service_rows(50)
    with client(server) as wsman:
        rows = wsman.enumerate(CIMV2, EVERYTHING)
        next(rows)
        rows.close()  # type: ignore[attr-defined]
        assert len(list(wsman.enumerate(CIMV2, EVERYTHING, limit=7))) == 7
    assert [entry.method for entry in server.machine.records] == [
        "Enumerate",
        "Release",
        "Enumerate",
        "Pull",
        "Release",
    ]


def test_what_a_session_costs(server: Running) -> None:
    """Basic adds nothing; a sealed NTLM login is three requests, apart from the messages."""
    for way, handshakes in (("basic", 0), ("ntlm", 3)):
        with client(server, way) as wsman:
            for name in ("svc0", "svc1", "svc2"):
                wsman.get(CIMV2, "Fake_Service", {"Name": name})
            with wsman.shell() as shell:
                shell.run("echo x")
            traffic = wsman.traffic
        assert (traffic.requests, traffic.handshakes) == (7, handshakes)
        assert traffic.bytes_sent < 20_000


def test_faults_of_both_families(server: Running) -> None:
    with client(server, "ntlm") as wsman:
        with pytest.raises(WsmanFault) as missing:
            wsman.get(CIMV2, "Fake_Service", {"Name": "nope"})
        assert (missing.value.code, missing.value.extended["ProviderName"]) == ("0x80338000", "CIMWin32")
        with pytest.raises(WsmanFault) as elsewhere:
            list(wsman.enumerate("root/nowhere", EVERYTHING))
        assert elsewhere.value.code == "0x8004100E"
        assert wsman.identify()


@pytest.mark.parametrize("way", ["basic", "ntlm", "https ntlm"])
def test_a_wrong_password(server: Running, way: str) -> None:
    with (
        client(server, way, password="wrong") as wsman,
        pytest.raises(AuthenticationFailed, match="the account Administrator"),
    ):
        wsman.identify()


def test_transports_in_order(server: Running) -> None:
    server.machine.limits = replace(server.machine.limits, allow_unencrypted=False)
    with client(server, transports=("basic",)) as wsman, pytest.raises(AuthenticationFailed):
        wsman.identify()
    with client(server, transports=("basic", "ntlm")) as wsman:
        assert wsman.identify()


def test_certificates(server: Running) -> None:
    with client(server, "https basic", ca_trust_path=None) as wsman, pytest.raises(CertificateNotTrusted):
        wsman.identify()


@pytest.mark.parametrize("way", ["basic", "ntlm", "https basic"])
@pytest.mark.parametrize(
    ("network", "error"),
    [
        ("closed", Unreachable),
        ("silent", Unreachable),
        ("garbage", (BadAnswer, Unreachable)),
        ("half_answer", BadAnswer),
        ("reset", Unreachable),
    ],
)
def test_a_network_that_fails_at_once(server: Running, way: str, network: str, error: Any) -> None:
    server.machine.network = network
    with client(server, way, operation_timeout=1, read_timeout=2) as wsman, pytest.raises(error, match="web01"):
        wait_until(lambda: fails(wsman))
        wsman.identify()


def fails(wsman: WsmanClient) -> bool:
    """The lab's doors follow a changed setting with a moment's delay."""
    try:
        wsman.identify()
    except HotpatchError:
        return True
    return False


def wait_until(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _attempt in range(100):
        if holds():
            return
        waiting.wait(0.05)
    raise AssertionError("it did not come to be")


def test_a_call_whose_answer_breaks_off_ran_once_and_is_not_sent_again(server: Running) -> None:
    with client(server, "ntlm") as wsman:
        wsman.identify()
        server.machine.network = "half_answer"
        with pytest.raises(OutcomeUnknown, match="may have run"):
            wsman.invoke(CIMV2, "Fake_Service", "Do")
    assert len(server.machine.invoked) == 1


def test_a_command_that_never_ends_is_stopped(server: Running) -> None:
    with client(server, "ntlm") as wsman, wsman.shell() as shell:
        with pytest.raises(AnswerTimeout, match="within 2 s"):
            shell.run("sleep", timeout=2)
        assert shell.run("echo still here").stdout == b"still here\r\n"
        with pytest.raises(BadAnswer, match="more than 1000 bytes"):
            shell.run("flood 5000", max_output=1000)
        assert len(shell.run("flood 3000000").stdout) == 3_000_000


# ---- the lab as a person starts it ----


def lab_client(lab: RunningLab, name: str, way: str) -> WsmanClient:
    found = lab.servers[name]
    secure = way.startswith("https")
    return WsmanClient(
        Settings(
            name=name,
            address=found.address,
            port=found.https_port if secure else found.http_port,
            scheme="https" if secure else "http",
            username=found.user,
            password=found.password,
            transports=(way.rpartition(" ")[2],),
            ca_trust_path=str(lab.ca_file),
        )
    )


@pytest.mark.parametrize("way", ["basic", "ntlm", "https basic", "https ntlm"])
def test_a_whole_windows_server(lab: RunningLab, way: str) -> None:
    with lab_client(lab, "web01", way) as wsman:
        system = wsman.get(CIMV2, "Win32_OperatingSystem")
        assert (values.as_int(system, "BuildNumber"), values.as_str(system, "CSName")) == (26100, "WEB01")
        assert values.as_datetime(system, "LastBootUpTime")
        guard = "root/Microsoft/Windows/DeviceGuard"
        asked = "SELECT VirtualizationBasedSecurityStatus, AvailableSecurityProperties FROM Win32_DeviceGuard"
        rows = list(wsman.enumerate(guard, asked, arrays=("AvailableSecurityProperties",)))
        assert [values.as_int(row, "VirtualizationBasedSecurityStatus") for row in rows] == [2]
        assert values.as_int_list(rows[0], "AvailableSecurityProperties")
        assert len(list(wsman.enumerate(CIMV2, "SELECT Name FROM Win32_Service"))) > 5
        key: dict[str, values.CimInput] = {
            "hDefKey": 2147483650,
            "sSubKeyName": "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion",
        }
        edition = wsman.invoke(
            CIMV2, "StdRegProv", "GetStringValue", {**key, "sValueName": "EditionID"}, repeatable=True
        )
        assert (edition["ReturnValue"], edition["sValue"]) == ("0", "ServerStandard")
        absent = wsman.invoke(CIMV2, "StdRegProv", "GetStringValue", {**key, "sValueName": "Nothing"}, repeatable=True)
        assert values.as_int(absent, "ReturnValue") != 0
        with pytest.raises(WsmanFault) as missing:
            wsman.get("root/Microsoft/Windows/TaskScheduler", "MSFT_ScheduledTask", {"TaskName": "x", "TaskPath": "\\"})
        assert "was not found" in missing.value.message
        with wsman.shell() as shell:
            for text in ("two words", "a & b | c > d < e ^ f (g)", "C:\\Program Files\\", 'say "hi" & exit 3', ""):
                shown = shell.run("echo", [text])
                assert shown.exit_code == 0
                assert text.replace('"', '\\"').removesuffix("\\") in shown.stdout.decode()
            assert shell.run('findstr "^"', stdin=b"one\r\ntwo\r\n").stdout == b"one\r\ntwo\r\n"
            assert shell.run("exit 3010").exit_code == 3010
            assert shell.run("no-such-program").exit_code != 0


def test_a_server_that_wants_encryption_and_one_that_is_off(lab: RunningLab) -> None:
    with lab_client(lab, "sealed01", "ntlm") as wsman:
        assert wsman.identify()
    with (
        lab_client(lab, "sealed01", "basic") as wsman,
        pytest.raises(AuthenticationFailed, match="it offers Negotiate"),
    ):
        wsman.identify()
    with lab_client(lab, "off01", "ntlm") as wsman, pytest.raises(Unreachable, match=r"off01 \(.*refused"):
        wsman.identify()


# ---- connections that are cut ----


class Relay:
    """Passes bytes between the client and the server, and cuts all connections when told, or before a chosen answer."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.swallow_answers = False
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        # Only those of now: the client may be back with another one before the last is shut down.
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.create_connection(("127.0.0.1", self._target))
            self.pairs.append((near, far))
            for source, sink, is_answer in ((near, far, False), (far, near, True)):
                thread = threading.Thread(target=self._copy, args=(source, sink, is_answer))
                self._threads.append(thread)
                thread.start()

    def _copy(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if is_answer and self.swallow_answers:
                    self.cut()
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()


@pytest.fixture
def relay(server: Running) -> Iterator[Relay]:
    between = Relay(server.http_port)
    yield between
    between.close()


@pytest.mark.parametrize("way", ["basic", "ntlm"])
def test_a_session_outlives_its_connection(server: Running, relay: Relay, way: str) -> None:
    """A connection found dead before anything was sent costs a new login and no more, for changes as for reads."""
    with client(server, way, port=relay.port) as wsman:
        wsman.identify()
        opened = relay.connections
        relay.cut()
        wait_until(lambda: not relay.pairs)
        assert wsman.get(CIMV2, "Fake_Service", {"Name": "svc0"})["Name"] == "svc0"
        assert relay.connections > opened
        relay.cut()
        assert wsman.identify()
        with wsman.shell() as shell:
            shell.run("echo x")
            relay.cut()
            assert wsman.identify()
            assert shell.run("echo y").stdout == b"y\r\n"


@pytest.mark.parametrize("way", ["basic", "ntlm"])
def test_a_change_whose_answer_is_swallowed_is_not_sent_again(server: Running, relay: Relay, way: str) -> None:
    with client(server, way, port=relay.port) as wsman:
        wsman.identify()
        relay.swallow_answers = True
        with pytest.raises(OutcomeUnknown):
            wsman.invoke(CIMV2, "Fake_Service", "Do")
        assert len(server.machine.invoked) == 1
        relay.swallow_answers = False
        assert wsman.identify()


@pytest.mark.parametrize("way", ["basic", "ntlm"])
def test_a_read_whose_answer_is_swallowed_is_repeated_once(server: Running, relay: Relay, way: str) -> None:
    with client(server, way, port=relay.port) as wsman:
        wsman.identify()
        relay.swallow_answers = True
        with pytest.raises(Unreachable):
            wsman.get(CIMV2, "Fake_Service", {"Name": "svc0"})
        relay.swallow_answers = False
        assert wsman.get(CIMV2, "Fake_Service", {"Name": "svc0"})


def test_a_sealed_session_the_server_forgot_is_renewed(server: Running) -> None:
    """After a restart the server knows nothing of the old login; a read goes through, a change is not sent blindly."""
    with client(server, "ntlm") as wsman:
        wsman.identify()
        server.machine.boot_id += 1
        assert wsman.identify()
    assert server.machine.invoked == []

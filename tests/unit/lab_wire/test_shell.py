# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cmd shell on the wire, as recordings of Server 2016 show Create, Command, Send, Receive, Signal and Delete."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

import pytest

from tests.unit.lab_wire.fake_world import USER, Running
from tests.unit.lab_wire.messages import (
    CMD,
    CONTENT_TYPE,
    ENUMERATION,
    RSP,
    SHELL,
    TRANSFER,
    F,
    S,
    SoapAnswer,
    W,
    Wire,
    basic,
    envelope,
)


def command_id(answer: SoapAnswer) -> str:
    """The id of a started command."""
    assert answer.status == 200, answer.text
    return answer.body.findtext(f"{RSP}CommandId") or ""


def streams(answer: SoapAnswer) -> list[tuple[str | None, bytes, bool]]:
    """Name, data and end mark of each stream element."""
    return [
        (item.get("Name"), base64.b64decode(item.text or ""), item.get("End") == "true")
        for item in answer.body.findall(f"{RSP}Stream")
    ]


def state(answer: SoapAnswer) -> str:
    """Running or Done."""
    found = answer.body.find(f"{RSP}CommandState")
    assert found is not None
    return (found.get("State") or "").rpartition("/")[2]


def output(wire: Wire, shell: str, line: str, **others: object) -> tuple[bytes, bytes, str | None]:
    """Run to the end: both streams and the exit code."""
    command = command_id(wire.start(shell, line, **others))
    collected = {"stdout": b"", "stderr": b""}
    while True:
        answer = wire.receive(shell, command)
        for name, data, _end in streams(answer):
            collected[name or ""] += data
        if state(answer) == "Done":
            return collected["stdout"], collected["stderr"], answer.root.findtext(f".//{RSP}ExitCode")


def signal(wire: Wire, shell: str, command: str, name: str = "terminate") -> SoapAnswer:
    """Send a signal."""
    body = f'<rsp:Signal CommandId="{command}"><rsp:Code>{SHELL}/signal/{name}</rsp:Code></rsp:Signal>'
    return wire.call(f"{SHELL}/Signal", CMD, body, selectors={"ShellId": shell})


def send(wire: Wire, shell: str, command: str, data: bytes, *, end: bool, stream: str = "stdin") -> SoapAnswer:
    """Send input."""
    text = base64.b64encode(data).decode()
    mark = ' End="TRUE"' if end else ""
    body = f'<rsp:Send><rsp:Stream Name="{stream}" CommandId="{command}"{mark}>{text}</rsp:Stream></rsp:Send>'
    return wire.call(f"{SHELL}/Send", CMD, body, selectors={"ShellId": shell})


def test_create_describes_the_shell(wire: Wire) -> None:
    body = (
        "<rsp:Shell><rsp:IdleTimeOut>PT60S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams>"
        "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
    )
    answer = wire.call(TRANSFER + "Create", CMD, body)
    body_element = answer.root.find(f"{S}Body")
    assert body_element is not None
    created, shell = body_element
    assert created.findtext(f".//{W}ResourceURI") == CMD
    identifier = created.findtext(f".//{W}Selector") or ""
    assert identifier == identifier.upper()
    assert [(item.tag.removeprefix(RSP), item.text) for item in shell] == [
        ("ShellId", identifier),
        ("ResourceUri", CMD),
        ("Owner", USER),
        ("ClientIP", "127.0.0.1"),
        ("IdleTimeOut", "PT60.000S"),
        ("InputStreams", "stdin"),
        ("OutputStreams", "stdout stderr"),
        ("ShellRunTime", "P0DT0H0M0S"),
        ("ShellInactivity", "P0DT0H0M0S"),
    ]


def test_settings_of_the_shell_reach_the_command(wire: Wire) -> None:
    inside = (
        '<rsp:Environment><rsp:Variable Name="A">1</rsp:Variable></rsp:Environment>'
        r"<rsp:WorkingDirectory>C:\Temp</rsp:WorkingDirectory>"
    )
    shell = wire.open_shell(inside, options={"WINRS_CODEPAGE": "65001"})
    shown = output(wire, shell, "show")[0].decode()
    assert shown.strip() == rf"True False 65001 {USER} {{'A': '1'}} C:\Temp"
    options = {"WINRS_CONSOLEMODE_STDIN": "TRUE", "WINRS_SKIP_CMD_SHELL": "TRUE"}
    assert output(wire, shell, "show", options=options)[0].startswith(b"False True 65001")


def test_a_finished_command_closes_both_streams_and_gives_its_exit_code(wire: Wire) -> None:
    shell = wire.open_shell()
    answer = wire.receive(shell, command_id(wire.start(shell, "split")))
    assert streams(answer) == [
        ("stdout", b"hi", False),
        ("stdout", b"\n", False),
        ("stdout", b"", True),
        ("stderr", b"", True),
    ]
    assert state(answer) == "Done"
    assert output(wire, shell, "exit -1") == (b"", b"ending\r\n", "4294967295")


def test_arguments_follow_the_command(wire: Wire) -> None:
    shell = wire.open_shell()
    body = (
        "<rsp:CommandLine><rsp:Command>echo</rsp:Command>"
        "<rsp:Arguments>a</rsp:Arguments><rsp:Arguments>b  c</rsp:Arguments></rsp:CommandLine>"
    )
    command = command_id(wire.call(f"{SHELL}/Command", CMD, body, selectors={"ShellId": shell}))
    assert streams(wire.receive(shell, command))[0][1] == b"a b  c\r\n"
    wrong = body.replace("Arguments>", "Argument>")
    answer = wire.call(f"{SHELL}/Command", CMD, wrong, selectors={"ShellId": shell})
    assert (answer.subcode, answer.code) == ("w:SchemaValidationError", 2150858817)


def test_input_and_its_end(wire: Wire) -> None:
    shell = wire.open_shell()
    command = command_id(wire.start(shell, "cat"))
    assert send(wire, shell, command, b"one", end=False).status == 200
    running = wire.receive(shell, command)
    assert (streams(running), state(running)) == ([("stdout", b"one", False)], "Running")
    assert running.root.find(f".//{RSP}ExitCode") is None
    assert send(wire, shell, command, b"two", end=True).status == 200
    done = wire.receive(shell, command)
    assert (streams(done)[0][1], state(done)) == (b"two", "Done")
    late = send(wire, shell, command, b"late", end=False)
    assert (late.status, late.subcode) == (500, "w:InternalError")


def test_receive_waits_and_then_says_ask_again(wire: Wire) -> None:
    shell = wire.open_shell()
    command = command_id(wire.start(shell, "sleep"))
    answer = wire.receive(shell, command, timeout="PT0.1S")
    assert (answer.status, answer.subcode, answer.code) == (500, "w:TimedOut", 2150858793)
    assert answer.root.findtext(f".//{F}Message", "").endswith("OperationTimeout.  ")


def test_output_that_nobody_heard_is_kept(lab: Running, wire: Wire) -> None:
    shell = wire.open_shell()
    command = command_id(wire.start(shell, "cat"))
    desired = f'<rsp:DesiredStream CommandId="{command}">stdout stderr</rsp:DesiredStream>'
    message = envelope(f"{SHELL}/Receive", CMD, f"<rsp:Receive>{desired}</rsp:Receive>", selectors={"ShellId": shell})
    lost = Wire(lab.http_port)
    headers = {"Content-Type": CONTENT_TYPE, "Authorization": basic()}
    lost.connection.request("POST", "/wsman", message, headers)
    time.sleep(0.1)
    lost.connection.close()
    time.sleep(0.1)
    send(wire, shell, command, b"still here", end=True)
    assert streams(wire.receive(shell, command))[0] == ("stdout", b"still here", False)


def test_signals(wire: Wire) -> None:
    shell = wire.open_shell()
    command = command_id(wire.start(shell, "sleep"))
    assert signal(wire, shell, command, "ctrl_c").status == 200
    assert wire.receive(shell, command).root.findtext(f".//{RSP}ExitCode") == "1223"
    assert signal(wire, shell, command).status == 200
    gone = wire.receive(shell, command)
    assert (gone.subcode, gone.code) == ("w:InvalidSelectors", 2150858843)
    other = command_id(wire.start(shell, "sleep"))
    assert signal(wire, shell, other, "wave").code == 87


def test_large_output_comes_in_parts(wire: Wire) -> None:
    shell = wire.open_shell()
    command = command_id(wire.start(shell, "flood 300000"))
    first = wire.receive(shell, command)
    assert len(first.text) <= 153600
    assert state(first) == "Running"
    assert output(wire, shell, "flood 300000")[0] == b"x" * 300000


def test_a_deleted_an_unknown_and_a_foreign_shell_are_not_found(lab: Running, wire: Wire) -> None:
    shell = wire.open_shell()
    deleted = wire.call(TRANSFER + "Delete", CMD, selectors={"ShellId": shell})
    assert deleted.status == 200
    body = deleted.root.find(f"{S}Body")
    assert body is not None
    assert len(body) == 0
    answer = wire.start(shell, "echo x")
    assert (answer.status, answer.subcode, answer.code) == (500, "w:InvalidSelectors", 2150858843)
    provider = answer.root.find(f".//{F}ProviderFault")
    assert provider is not None
    assert provider.get("provider") == "Shell provider"
    lost = wire.open_shell()
    lab.machine.boot_id = 2
    assert Wire(lab.http_port).start(lost, "echo x").code == 2150858843


def test_an_idle_shell_goes_away(wire: Wire) -> None:
    shell = wire.open_shell("<rsp:IdleTimeOut>PT0S</rsp:IdleTimeOut>")
    assert wire.start(shell, "echo x").code == 2150858843


def test_too_many_shells(lab: Running, wire: Wire) -> None:
    lab.machine.limits = replace(lab.machine.limits, max_shells_per_user=1)
    wire.open_shell()
    answer = wire.call(TRANSFER + "Create", CMD, "<rsp:Shell/>")
    assert (answer.status, answer.subcode) == (500, "w:QuotaLimit")
    assert '<p:error_Code xsi:type="cim:cimUnsignedInt">2150859173</p:error_Code>' in answer.text
    assert "HRESULT 0x803381a5" in answer.text


def test_a_program_that_is_not_there(wire: Wire) -> None:
    shell = wire.open_shell()
    answer = wire.start(shell, "nothing", options={"WINRS_SKIP_CMD_SHELL": "TRUE"})
    assert (answer.status, answer.subcode, answer.code) == (500, "w:InternalError", 2147942402)


@pytest.mark.parametrize(
    ("inside", "options"),
    [("<rsp:IdleTimeOut>soon</rsp:IdleTimeOut>", {}), ("", {"WINRS_CODEPAGE": "utf-8"})],
)
def test_wrong_settings_of_a_shell(wire: Wire, inside: str, options: dict[str, str]) -> None:
    answer = wire.call(TRANSFER + "Create", CMD, f"<rsp:Shell>{inside}</rsp:Shell>", options=options)
    assert (answer.subcode, answer.code) == ("w:InvalidParameter", 87)


def test_get_and_enumerate_of_shells(wire: Wire) -> None:
    shell = wire.open_shell()
    assert wire.call(TRANSFER + "Get", SHELL, selectors={"ShellId": shell}).body.findtext(f"{RSP}ShellId") == shell
    listed = wire.call(ENUMERATION + "Enumerate", SHELL, "<n:Enumerate/>")
    assert [item.text for item in listed.root.iter(f"{RSP}ShellId")] == [shell]


def test_powershell_remoting_is_refused_in_words(wire: Wire) -> None:
    uri = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
    answer = wire.call(TRANSFER + "Create", uri, "<rsp:Shell><creationXml>AAAA</creationXml></rsp:Shell>")
    assert (answer.status, answer.subcode) == (500, "a:DestinationUnreachable")
    assert "no PowerShell remoting" in answer.text

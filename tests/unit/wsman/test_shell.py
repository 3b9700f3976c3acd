# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cmd shell, against answers laid out as recorded from Server 2016."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    BadAnswer,
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.faults import WsmanFault
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.problems import ExchangeError
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.shell import COMMANDS_IN_A_SHELL, ShellResult
from tests.unit.wsman.scripted import Answer, ScriptedServer, timed_out, wsman_fault

SHELL_ID = "A9E1E6A4-6B31-4D7A-9D3A-0C1E5B0F7D11"
COMMAND_ID = "0B7C5A11-44A1-4E9C-8F6B-5B0B9E2C9F01"
STATES = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/"

CREATED = Answer(
    "<x:ResourceCreated><a:Address>https://192.0.2.7:5986/wsman</a:Address><a:ReferenceParameters>"
    "<w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</w:ResourceURI>"
    f'<w:SelectorSet><w:Selector Name="ShellId">{SHELL_ID}</w:Selector></w:SelectorSet></a:ReferenceParameters>'
    "</x:ResourceCreated>"
    f"<rsp:Shell><rsp:ShellId>{SHELL_ID}</rsp:ShellId><rsp:ResourceUri>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
    "</rsp:ResourceUri><rsp:Owner>SERVER2016\\admin</rsp:Owner><rsp:ClientIP>192.0.2.1</rsp:ClientIP>"
    "<rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams>"
    "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
)
STARTED = Answer(f"<rsp:CommandResponse><rsp:CommandId>{COMMAND_ID}</rsp:CommandId></rsp:CommandResponse>")
SENT = Answer("<rsp:SendResponse/>")
STOPPED = Answer("<rsp:SignalResponse/>")
DELETED = Answer("")
LOST_SHELL = Answer(wsman_fault(2150858843, subcode="w:InvalidSelectors", code="s:Sender"), status=500)
TOO_MANY = Answer(wsman_fault(2150859174, subcode="w:QuotaLimit"), status=500)


def stream(name: str, data: bytes) -> str:
    return f'<rsp:Stream Name="{name}" CommandId="{COMMAND_ID}">{base64.b64encode(data).decode()}</rsp:Stream>'


def running(*streams: str) -> Answer:
    return Answer(
        f"<rsp:ReceiveResponse>{''.join(streams)}"
        f'<rsp:CommandState CommandId="{COMMAND_ID}" State="{STATES}Running"/></rsp:ReceiveResponse>'
    )


def done(*streams: str, code: str = "0") -> Answer:
    """The end: an empty piece of each stream marked End, then the state with the exit code."""
    ends = "".join(
        f'<rsp:Stream Name="{name}" CommandId="{COMMAND_ID}" End="true"></rsp:Stream>' for name in ("stdout", "stderr")
    )
    return Answer(
        f'<rsp:ReceiveResponse>{"".join(streams)}{ends}<rsp:CommandState CommandId="{COMMAND_ID}" State="{STATES}Done">'
        f"<rsp:ExitCode>{code}</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>"
    )


def run(answers: Sequence[Answer], command: str = "hostname", **more: object) -> tuple[ShellResult, ScriptedServer]:
    server = ScriptedServer(answers)
    with server.client().shell() as shell:
        result = shell.run(command, **more)  # type: ignore[arg-type]
    assert len(server.requests) == len(answers)
    return result, server


def test_a_command_is_four_requests() -> None:
    result, server = run(
        [CREATED, STARTED, done(stream("stdout", b"WEB01"), stream("stdout", b"\r\n"), stream("stderr", b"!")), DELETED]
    )
    assert result == ShellResult(0, b"WEB01\r\n", b"!")
    assert server.actions() == ["Create", "Command", "Receive", "Delete"]
    for number in (1, 2, 3):
        selector = server.find(number, "s:Header/w:SelectorSet/w:Selector")
        assert (selector.get("Name"), selector.text) == ("ShellId", SHELL_ID)
    options = {one.get("Name"): one.text for one in server.find(0, "s:Header/w:OptionSet")}
    assert options == {"WINRS_NOPROFILE": "FALSE", "WINRS_CODEPAGE": "65001"}
    options = {one.get("Name"): one.text for one in server.find(1, "s:Header/w:OptionSet")}
    assert options == {"WINRS_CONSOLEMODE_STDIN": "FALSE", "WINRS_SKIP_CMD_SHELL": "FALSE"}
    assert server.text(0, "s:Body/rsp:Shell/rsp:OutputStreams") == "stdout stderr"
    wanted = server.find(2, "s:Body/rsp:Receive/rsp:DesiredStream")
    assert (wanted.get("CommandId"), wanted.text) == (COMMAND_ID, "stdout stderr")


def test_output_comes_in_any_number_of_pieces_and_bytes_may_be_cut_anywhere() -> None:
    text = "Schönes Ergebnis\r\n".encode()
    pieces = [running(stream("stdout", text[at : at + 1])) for at in range(len(text))]
    result, _server = run([CREATED, STARTED, *pieces, done(), DELETED])
    assert result.stdout == text


def test_the_server_s_timeout_means_ask_again() -> None:
    result, server = run(
        [
            CREATED,
            STARTED,
            timed_out(),
            running(stream("stdout", b"a")),
            timed_out(),
            done(stream("stdout", b"b")),
            DELETED,
        ]
    )
    assert result.stdout == b"ab"
    assert server.actions() == ["Create", "Command", *["Receive"] * 4, "Delete"]


@pytest.mark.parametrize(
    ("text", "code"), [("0", 0), ("1", 1), ("2147942402", 2147942402), ("4294967295", 4294967295), ("-1", 4294967295)]
)
def test_exit_codes_are_unsigned(text: str, code: int) -> None:
    result, _server = run([CREATED, STARTED, done(code=text), DELETED])
    assert result.exit_code == code


def test_arguments_are_quoted_for_cmd_and_the_program() -> None:
    args = ["-hashfile", "C:\\Program Files\\x & y.ps1", 'say "hi"']
    _result, server = run([CREATED, STARTED, done(), DELETED], "certutil", args=args)
    line = server.find(1, "s:Body/rsp:CommandLine")
    assert [one.text for one in line] == [
        "certutil",
        "-hashfile",
        '"C:\\Program Files\\x & y.ps1"',
        '^"say \\^"hi\\^"^"',
    ]


@given(st.binary(max_size=2000))
def test_input_is_sent_whole_and_ended(data: bytes) -> None:
    _result, server = run([CREATED, STARTED, SENT, done(), DELETED], 'findstr "^" > x', stdin=data)
    sent = server.find(2, "s:Body/rsp:Send/rsp:Stream")
    assert (sent.get("Name"), sent.get("CommandId"), sent.get("End")) == ("stdin", COMMAND_ID, "true")
    assert base64.b64decode(sent.text or "") == data


def test_long_input_goes_in_pieces_that_fit_an_envelope() -> None:
    data = bytes(range(256)) * 2000
    _result, server = run([CREATED, STARTED, SENT, SENT, SENT, done(), DELETED], 'findstr "^" > x', stdin=data)
    sent = [server.find(number, "s:Body/rsp:Send/rsp:Stream") for number in (2, 3, 4)]
    assert b"".join(base64.b64decode(one.text or "") for one in sent) == data
    assert [one.get("End") for one in sent] == [None, None, "true"]
    assert max(len(request) for request in server.requests) < 512_000


def test_input_the_command_has_no_room_for_yet_is_offered_again() -> None:
    busy = Answer(wsman_fault(170), status=500)
    _result, server = run([CREATED, STARTED, busy, busy, SENT, done(), DELETED], 'findstr "^" > x', stdin=b"x")
    assert server.slept == [0.1, 0.2]


def test_a_command_past_its_time_is_stopped() -> None:
    server = ScriptedServer([CREATED, STARTED, *[timed_out()] * 2, STOPPED, DELETED], each_takes=20.0)
    with (
        pytest.raises(AnswerTimeout, match=r"web01 \(192.0.2.7:5986\) did not end within 70 s"),
        server.client().shell() as shell,
    ):
        shell.run("hostname", timeout=70)
    assert server.actions()[-2:] == ["Signal", "Delete"]
    assert (server.text(4, "s:Body/rsp:Signal/rsp:Code") or "").endswith("/signal/terminate")
    assert server.text(3, "s:Header/w:OperationTimeout") == "PT10S"


def test_too_much_output_stops_the_command() -> None:
    server = ScriptedServer(
        [CREATED, STARTED, running(stream("stdout", b"x" * 60)), running(stream("stderr", b"x" * 60)), STOPPED, DELETED]
    )
    with pytest.raises(BadAnswer, match="more than 100 bytes"), server.client().shell() as shell:
        shell.run("type big", max_output=100)
    assert server.actions()[-2:] == ["Signal", "Delete"]


def test_empty_answers_that_come_at_once_are_slowed_down() -> None:
    server = ScriptedServer([CREATED, STARTED, *[running()] * 400, STOPPED, DELETED])
    with pytest.raises(AnswerTimeout), server.client().shell() as shell:
        shell.run("hostname", timeout=30)
    assert len(server.requests) < 60


@pytest.mark.parametrize("refusal", [LOST_SHELL, TOO_MANY])
def test_a_shell_the_server_lost_or_filled_is_made_anew_once(refusal: Answer) -> None:
    server = ScriptedServer([CREATED, STARTED, done(), refusal, DELETED, CREATED, STARTED, done(code="7"), DELETED])
    with server.client().shell() as shell:
        shell.run("hostname")
        assert shell.run("hostname").exit_code == 7
    assert server.actions()[3:] == ["Command", "Delete", "Create", "Command", "Receive", "Delete"]
    server = ScriptedServer([CREATED, refusal, DELETED])
    with pytest.raises(WsmanFault), server.client().shell() as shell:
        shell.run("hostname")


def test_a_shell_is_replaced_before_it_is_full() -> None:
    one = [STARTED, done()]
    server = ScriptedServer([CREATED, *one * COMMANDS_IN_A_SHELL, DELETED, CREATED, *one, DELETED])
    with server.client().shell() as shell:
        for _number in range(COMMANDS_IN_A_SHELL + 1):
            shell.run("hostname")
    assert server.actions().count("Create") == 2


def test_an_unused_shell_costs_nothing() -> None:
    server = ScriptedServer([])
    with server.client().shell():
        pass
    assert server.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(problem=ExchangeError("dropped", sent=True)),
        Answer(problem=ExchangeError("timeout", sent=True)),
        timed_out(),
        Answer("<rsp:CommandResponse/>"),
        Answer("garbage", relates="uuid:other"),
    ],
)
def test_a_command_whose_start_is_not_known_is_not_started_again(answer: Answer) -> None:
    server = ScriptedServer([CREATED, answer, DELETED])
    with pytest.raises(OutcomeUnknown, match="may have run"), server.client().shell() as shell:
        shell.run("hostname")
    assert server.actions().count("Command") == 1


def test_output_that_was_lost_is_not_passed_over() -> None:
    server = ScriptedServer([CREATED, STARTED, Answer(problem=ExchangeError("dropped", sent=True)), STOPPED, DELETED])
    with pytest.raises(HotpatchError, match="Reading a command's output"), server.client().shell() as shell:
        shell.run("hostname")


def test_a_server_that_is_gone_is_not_waited_for_while_tidying_up() -> None:
    gone = [Answer(problem=ExchangeError(kind, sent=True)) for kind in ("timeout", "timeout")]
    server = ScriptedServer([CREATED, STARTED, *gone])
    with pytest.raises(AnswerTimeout, match="Reading a command's output"), server.client().shell() as shell:
        shell.run("hostname")
    assert server.actions() == ["Create", "Command", "Receive", "Signal"]
    assert server.given_seconds[-1] == 5.0


def test_output_asked_for_on_a_refused_login_is_asked_for_again() -> None:
    refused = Answer(problem=ExchangeError("login", sent=True))
    result, _server = run([CREATED, STARTED, refused, done(stream("stdout", b"x")), DELETED])
    assert result.stdout == b"x"


@pytest.mark.parametrize(
    "answer",
    [
        Answer("<rsp:ReceiveResponse><rsp:Stream Name='stdout'>not base64!</rsp:Stream></rsp:ReceiveResponse>"),
        Answer(f"<rsp:ReceiveResponse><rsp:CommandState State='{STATES}Done'/></rsp:ReceiveResponse>"),
        Answer(
            f"<rsp:ReceiveResponse><rsp:CommandState State='{STATES}Done'><rsp:ExitCode>many</rsp:ExitCode>"
            "</rsp:CommandState></rsp:ReceiveResponse>"
        ),
        Answer("<rsp:SendResponse/>"),
        Answer(""),
    ],
)
def test_answers_that_make_no_sense(answer: Answer) -> None:
    server = ScriptedServer([CREATED, STARTED, answer, STOPPED, DELETED])
    with pytest.raises(BadAnswer, match="Reading a command's output on web01"), server.client().shell() as shell:
        shell.run("hostname")


def test_another_command_s_output_is_not_ours() -> None:
    foreign = '<rsp:Stream Name="stdout" CommandId="FFFFFFFF-0000-0000-0000-000000000000">eA==</rsp:Stream>'
    result, _server = run([CREATED, STARTED, done(foreign, stream("stdout", b"mine")), DELETED])
    assert result.stdout == b"mine"


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ('"C:\\Program Files\\x.exe"', []),
        ("", []),
        ("a\nb", []),
        ("x" * 8200, []),
        ("x", ["y" * 8200]),
        ("x", ["%PATH%"]),
        ("x\x01", []),
    ],
)
def test_lines_that_cannot_be_run(command: str, args: list[str]) -> None:
    server = ScriptedServer([CREATED, DELETED])
    with pytest.raises(InvalidInput), server.client().shell() as shell:
        shell.run(command, args)
    assert "Command" not in server.actions()


def test_a_shell_without_an_id_is_refused() -> None:
    with (
        pytest.raises(BadAnswer, match="names no shell"),
        ScriptedServer([Answer("<rsp:Shell/>")]).client().shell() as shell,
    ):
        shell.run("hostname")


def test_the_shell_s_own_element_names_it_too() -> None:
    created = Answer(f"<rsp:Shell><rsp:ShellId>{SHELL_ID}</rsp:ShellId></rsp:Shell>")
    result, _server = run([created, STARTED, done(), DELETED])
    assert result.exit_code == 0

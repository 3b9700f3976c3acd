# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins, lost connections, and what is never sent twice."""

from __future__ import annotations

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadAnswer,
    HotpatchError,
    NotSupported,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.problems import ExchangeError
from tests.unit.wsman.scripted import Answer, ScriptedServer

INSTANCE = Answer("<X><A>1</A></X>")
OUTPUT = Answer("<Do_OUTPUT><ReturnValue>0</ReturnValue></Do_OUTPUT>")


def lost(kind: str, *, sent: bool = True) -> Answer:
    return Answer(problem=ExchangeError(kind, sent=sent))


def read_twice(server: ScriptedServer) -> None:
    client = server.client()
    client.get("root/cimv2", "X")
    client.get("root/cimv2", "X")


def read_then_call(server: ScriptedServer) -> None:
    client = server.client()
    client.get("root/cimv2", "X")
    client.invoke("root/cimv2", "X", "Do")


@pytest.mark.parametrize("kind", ["dropped", "half", "unsealed", "login", "seal_lost"])
def test_a_read_survives_the_loss_of_a_connection_that_has_worked(kind: str) -> None:
    server = ScriptedServer([INSTANCE, lost(kind), INSTANCE])
    read_twice(server)
    assert len(server.requests) == 3
    assert len(server.logins) == 2


@pytest.mark.parametrize("kind", ["dropped", "half", "unsealed", "login"])
def test_it_is_repeated_only_once(kind: str) -> None:
    server = ScriptedServer([INSTANCE, lost(kind), lost(kind)])
    with pytest.raises(HotpatchError):
        read_twice(server)


@pytest.mark.parametrize("kind", ["dropped", "half", "timeout", "refused", "not_http", "xml"])
def test_a_first_message_is_not_repeated(kind: str) -> None:
    server = ScriptedServer([lost(kind)])
    with pytest.raises((Unreachable, BadAnswer)):
        server.client().get("root/cimv2", "X")


@pytest.mark.parametrize(
    "kind", ["dropped", "half", "timeout", "unsealed", "not_http", "too_big", "xml", "unrelated", "encoded"]
)
def test_a_change_whose_answer_is_lost_is_never_sent_again(kind: str) -> None:
    server = ScriptedServer([INSTANCE, lost(kind)])
    with pytest.raises(OutcomeUnknown, match=r"web01 \(192.0.2.7:5986\).*may have run"):
        read_then_call(server)
    assert len(server.requests) == 2


@pytest.mark.parametrize(("kind", "sent"), [("login", True), ("seal_lost", False), ("dropped", False)])
def test_a_change_the_server_has_not_taken_is_sent_on_a_new_login(kind: str, sent: bool) -> None:
    server = ScriptedServer([INSTANCE, lost(kind, sent=sent), OUTPUT])
    read_then_call(server)
    assert len(server.logins) == 2


@pytest.mark.parametrize("kind", ["refused", "resolve", "connect_timeout", "tls"])
def test_a_change_that_never_left_is_an_ordinary_failure(kind: str) -> None:
    server = ScriptedServer([INSTANCE, lost(kind, sent=False)])
    with pytest.raises(Unreachable):
        read_then_call(server)


def test_a_silent_server_is_unreachable_at_first_and_slow_later() -> None:
    with pytest.raises(Unreachable):
        ScriptedServer([lost("timeout")]).client().get("root/cimv2", "X")
    with pytest.raises(AnswerTimeout):
        read_twice(ScriptedServer([INSTANCE, lost("timeout")]))


def test_transports_are_tried_in_order_and_the_one_that_works_is_kept() -> None:
    server = ScriptedServer(
        [INSTANCE, lost("dropped"), INSTANCE],
        refuse={"kerberos": ExchangeError("missing", "pykerberos"), "ntlm": ExchangeError("login")},
    )
    client = server.client(transports=("kerberos", "ntlm", "basic"))
    client.get("root/cimv2", "X")
    client.get("root/cimv2", "X")
    assert server.logins == ["kerberos", "ntlm", "basic", "basic"]


def test_a_server_that_cannot_be_reached_is_tried_once_however_many_transports_there_are() -> None:
    server = ScriptedServer([lost("refused", sent=False)])
    with pytest.raises(Unreachable):
        server.client(transports=("ntlm", "basic")).get("root/cimv2", "X")
    assert server.logins == ["ntlm"]


def test_a_refused_account_is_said_even_when_another_transport_lacks_its_package() -> None:
    server = ScriptedServer(
        [],
        refuse={
            "ntlm": ExchangeError("login", "it offers Kerberos"),
            "kerberos": ExchangeError("missing", "pykerberos"),
        },
    )
    with pytest.raises(
        AuthenticationFailed, match=r"the account admin with ntlm, kerberos \(it offers Kerberos\)"
    ) as caught:
        server.client(transports=("ntlm", "kerberos")).get("root/cimv2", "X")
    assert not caught.value.retryable
    with pytest.raises(NotSupported, match="pykerberos"):
        server.client(transports=("kerberos",)).get("root/cimv2", "X")


def test_no_error_carries_the_password() -> None:
    for kind in ("login", "dropped", "setup", "missing", "certificate", "timeout", "http", "proxy"):
        with pytest.raises(HotpatchError) as caught:
            ScriptedServer([lost(kind)]).client().get("root/cimv2", "X")
        shown = repr(caught.value) + str(caught.value) + str(caught.value.hint) + repr(caught.value.__dict__)
        assert "correct horse" not in shown
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def test_a_sealed_session_that_was_idle_is_renewed_before_it_can_fail() -> None:
    server = ScriptedServer([INSTANCE, OUTPUT, OUTPUT], sealed=True)
    client = server.client()
    client.get("root/cimv2", "X")
    server.now += 100
    client.invoke("root/cimv2", "X", "Do")
    assert len(server.logins) == 1
    server.now += 130
    client.invoke("root/cimv2", "X", "Do")
    assert len(server.logins) == 2


def test_http_400_without_a_body_means_the_seal_is_lost() -> None:
    empty = Answer(raw="", status=400)
    server = ScriptedServer([INSTANCE, empty, INSTANCE], sealed=True)
    read_twice(server)
    server = ScriptedServer([INSTANCE, empty], sealed=True)
    with pytest.raises(OutcomeUnknown):
        read_then_call(server)
    server = ScriptedServer([INSTANCE, empty])
    with pytest.raises(BadAnswer, match="HTTP 400"):
        read_twice(server)


PAGE = "<html><head><title>Not here</title></head><body>no</body></html>"


@pytest.mark.parametrize(
    ("status", "raw", "error"),
    [
        (200, "", BadAnswer),
        (200, PAGE, BadAnswer),
        (200, "<a/>", BadAnswer),
        (200, "<!DOCTYPE html><html/>", BadAnswer),
        (200, '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"/>', BadAnswer),
        (200, '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>', BadAnswer),
        (403, PAGE, AuthenticationFailed),
        (404, PAGE, BadAnswer),
        (404, "", BadAnswer),
        (407, PAGE, Unreachable),
        (500, PAGE, BadAnswer),
        (503, PAGE, Unreachable),
        (503, "", Unreachable),
    ],
)
def test_answers_that_are_no_soap(status: int, raw: str, error: type[HotpatchError]) -> None:
    with pytest.raises(error, match=r"^Reading X on web01 \(192.0.2.7:5986\) failed: .*\.$") as caught:
        ScriptedServer([Answer(raw=raw, status=status)]).client().get("root/cimv2", "X")
    assert caught.value.__class__ is error
    assert caught.value.hint
    if status != 200:
        assert str(status) in caught.value.message or status == 407


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(raw=PAGE, status=404), BadAnswer),
        (Answer(raw="", status=503), Unreachable),
        (Answer(raw="", status=500), OutcomeUnknown),
        (Answer(raw="", status=200), OutcomeUnknown),
        (Answer("<Do_OUTPUT/>", relates="uuid:another"), OutcomeUnknown),
        (Answer("<Do_OUTPUT/>", relates=None), OutcomeUnknown),
    ],
)
def test_whether_a_change_may_have_run(answer: Answer, error: type[HotpatchError]) -> None:
    server = ScriptedServer([answer])
    with pytest.raises(error):
        server.client().invoke("root/cimv2", "X", "Do")


def test_an_answer_to_another_request_is_refused() -> None:
    with pytest.raises(BadAnswer, match="belongs to another request"):
        ScriptedServer([Answer("<X/>", relates="uuid:11111111-2222-3333-4444-555555555555")]).client().get(
            "root/cimv2", "X"
        )


def test_the_relation_is_compared_without_case() -> None:
    server = ScriptedServer([INSTANCE])
    found: list[str] = []
    original = server.next

    def lower(text: str) -> object:
        found.append(text)
        reply = original(text)
        return type(reply)(reply.status, reply.body.replace(b"<a:RelatesTo>uuid:", b"<a:RelatesTo>UUID:"))

    server.next = lower  # type: ignore[assignment,method-assign]
    assert server.client().get("root/cimv2", "X")["A"] == "1"

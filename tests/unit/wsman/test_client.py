# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's operations against answers written by hand."""

from __future__ import annotations

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    BadAnswer,
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman import query as query_module
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.faults import WsmanFault
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.problems import ExchangeError
from tests.unit.wsman.scripted import Answer, ScriptedServer, wsman_fault

QUERY = "SELECT Name FROM Win32_Service WHERE State='Running'"
SERVICE = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service"


def fragment(name: str) -> str:
    return f"<w:XmlFragment><Name>{name}</Name></w:XmlFragment>"


def whole(name: str) -> str:
    inside = f"<p:Name>{name}</p:Name>"
    return f'<p:Win32_Service xmlns:p="{SERVICE}" xsi:type="p:Win32_Service_Type">{inside}</p:Win32_Service>'


def first(*rows: str, context: str = "", end: bool = False) -> Answer:
    """An EnumerateResponse: rows and end in w:, the context empty once all is said."""
    items = f"<w:Items>{''.join(rows)}</w:Items>" if rows else "<w:Items/>"
    last = "<w:EndOfSequence/>" if end else ""
    holder = f"<n:EnumerationContext>{context}</n:EnumerationContext>" if context else "<n:EnumerationContext/>"
    return Answer(f"<n:EnumerateResponse>{holder}{items}{last}</n:EnumerateResponse>")


def later(*rows: str, context: str = "", end: bool = False) -> Answer:
    """A PullResponse: everything in n:."""
    holder = f"<n:EnumerationContext>{context}</n:EnumerationContext>" if context else ""
    last = "<n:EndOfSequence/>" if end else ""
    return Answer(f"<n:PullResponse>{holder}<n:Items>{''.join(rows)}</n:Items>{last}</n:PullResponse>")


def names(server: ScriptedServer, limit: int | None = None) -> list[object]:
    return [row["Name"] for row in server.client().enumerate("root/cimv2", QUERY, limit=limit)]


def test_identify() -> None:
    server = ScriptedServer(
        [
            Answer(
                "<id:IdentifyResponse><id:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</id:ProtocolVersion>"
                "<id:ProductVendor>Microsoft Corporation</id:ProductVendor>"
                "<id:ProductVersion>OS: 10.0.26100 SP: 0.0 Stack: 3.0</id:ProductVersion></id:IdentifyResponse>",
                relates=None,
            )
        ]
    )
    assert server.client().identify() == {
        "protocol_version": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
        "product_vendor": "Microsoft Corporation",
        "product_version": "OS: 10.0.26100 SP: 0.0 Stack: 3.0",
    }
    assert server.find(0, "s:Body/id:Identify") is not None


def test_a_one_row_query_is_one_round_trip() -> None:
    server = ScriptedServer([first(fragment("himds"), end=True)])
    assert names(server) == ["himds"]


def test_one_row_first_and_the_rest_by_pull_with_the_newest_context() -> None:
    server = ScriptedServer(
        [
            first(fragment("a"), context="uuid:C1"),
            later(fragment("b"), fragment("c"), context="uuid:C2"),
            later(fragment("d"), context="uuid:C3"),
            later(fragment("e"), end=True),
        ]
    )
    assert names(server) == ["a", "b", "c", "d", "e"]
    assert server.actions() == ["Enumerate", "Pull", "Pull", "Pull"]
    assert [server.text(number, ".//n:EnumerationContext") for number in (1, 2, 3)] == ["uuid:C1", "uuid:C2", "uuid:C3"]
    assert server.text(1, "s:Body/n:Pull/n:MaxElements") == "1000"


def test_the_enumerate_message() -> None:
    server = ScriptedServer([first(end=True)])
    assert names(server) == []
    assert server.text(0, "s:Header/w:ResourceURI") == "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*"
    assert server.find(0, "s:Body/n:Enumerate/w:OptimizeEnumeration") is not None
    assert server.text(0, "s:Body/n:Enumerate/w:MaxElements") == "1000"
    wql = server.find(0, "s:Body/n:Enumerate/w:Filter")
    assert (wql.text, wql.get("Dialect")) == (QUERY, "http://schemas.microsoft.com/wbem/wsman/1/WQL")


@pytest.mark.parametrize(
    "answers",
    [
        # all rows in the first answer, as Server 2003 R2 and OMI do; the context may still be named beside the end
        [first(fragment("a"), fragment("b"), end=True)],
        [first(fragment("a"), fragment("b"), context="uuid:C", end=True)],
        # an empty context alone is an end
        [first(fragment("a"), fragment("b"))],
        # a server that does not optimise
        [
            Answer("<n:EnumerateResponse><n:EnumerationContext>c</n:EnumerationContext></n:EnumerateResponse>"),
            later(fragment("a"), fragment("b"), end=True),
        ],
        # the other namespace each time
        [
            Answer(
                f"<n:EnumerateResponse><n:Items>{fragment('a')}{fragment('b')}</n:Items><n:EndOfSequence/></n:EnumerateResponse>"
            )
        ],
        # class elements
        [
            first(whole("a"), context="c"),
            Answer(f"<n:PullResponse><w:Items>{whole('b')}</w:Items><w:EndOfSequence/></n:PullResponse>"),
        ],
    ],
)
def test_the_forms_an_answer_may_take(answers: list[Answer]) -> None:
    assert names(ScriptedServer(answers)) == ["a", "b"]


def test_a_property_called_like_the_protocol_is_a_property() -> None:
    row = "<w:XmlFragment><EndOfSequence>no</EndOfSequence><Items>many</Items></w:XmlFragment>"
    server = ScriptedServer([first(row, context="c"), later(row, end=True)])
    rows = list(server.client().enumerate("root/cimv2", "SELECT * FROM X"))
    assert [dict(one) for one in rows] == [{"EndOfSequence": "no", "Items": "many"}] * 2


def test_stopping_early_releases_the_newest_context() -> None:
    server = ScriptedServer(
        [first(fragment("a"), context="C1"), later(fragment("b"), fragment("c"), context="C2"), Answer("")]
    )
    rows = server.client().enumerate("root/cimv2", QUERY)
    assert [next(rows)["Name"], next(rows)["Name"]] == ["a", "b"]
    rows.close()  # type: ignore[attr-defined]
    assert server.actions() == ["Enumerate", "Pull", "Release"]
    assert server.text(2, "s:Body/n:Release/n:EnumerationContext") == "C2"


def test_a_limit_asks_for_no_more_and_releases() -> None:
    server = ScriptedServer([first(fragment("a"), context="C1"), later(fragment("b"), context="C2"), Answer("")])
    assert names(server, limit=2) == ["a", "b"]
    assert server.text(0, ".//w:MaxElements") == "2"
    assert server.actions() == ["Enumerate", "Pull", "Release"]


def test_a_limit_met_by_the_last_page_needs_no_release() -> None:
    server = ScriptedServer([first(fragment("a"), end=True)])
    assert names(server, limit=1) == ["a"]


def test_a_release_that_fails_is_of_no_consequence() -> None:
    server = ScriptedServer([first(fragment("a"), fragment("b"), context="C1"), Answer(wsman_fault(5), status=500)])
    assert names(server, limit=1) == ["a"]


def test_an_error_in_the_consumer_releases_too() -> None:
    server = ScriptedServer([first(fragment("a"), context="C1"), Answer("")])
    with pytest.raises(KeyError):
        for row in server.client().enumerate("root/cimv2", QUERY):
            row["Missing"]
    assert server.actions() == ["Enumerate", "Release"]


def test_a_pull_lost_before_any_row_begins_anew_and_after_rows_does_not() -> None:
    lost = Answer(problem=ExchangeError("dropped", sent=True))
    server = ScriptedServer([first(context="C1"), lost, first(fragment("a"), end=True)])
    assert names(server) == ["a"]
    assert server.actions() == ["Enumerate", "Pull", "Enumerate"]
    server = ScriptedServer([first(fragment("a"), context="C1"), lost])
    rows = server.client().enumerate("root/cimv2", QUERY)
    assert next(rows)["Name"] == "a"
    with pytest.raises(Unreachable):
        next(rows)
    assert server.actions() == ["Enumerate", "Pull"]
    server = ScriptedServer([first(context="C1"), lost, first(context="C2"), lost])
    with pytest.raises(Unreachable):
        names(server)


def test_a_fault_at_pull_ends_the_query() -> None:
    server = ScriptedServer([first(fragment("a"), context="C1"), Answer(wsman_fault(2150858817), status=500)])
    with pytest.raises(WsmanFault, match="0x80338041"):
        names(server)
    assert server.actions() == ["Enumerate", "Pull"]


def test_a_query_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = [first(context="C")] + [later(context="C")] * 50 + [Answer("")]
    server = ScriptedServer(empty)
    with pytest.raises(BadAnswer, match="without a row"):
        names(server)
    assert len(server.requests) < 30
    monkeypatch.setattr(query_module, "MAX_ROWS", 10)
    server = ScriptedServer([first(context="C")] + [later(fragment("x"), context="C")] * 50)
    with pytest.raises(BadAnswer, match="over 10 rows"):
        names(server)
    server = ScriptedServer([first(context="C")] + [later(fragment("x"), context="C")] * 50, each_takes=100.0)
    with pytest.raises(AnswerTimeout, match="Win32_Service on web01"):
        names(server)


def test_get_by_keys_and_of_a_singleton() -> None:
    server = ScriptedServer([Answer(whole("himds")), Answer(whole("other"))])
    client = server.client()
    row = client.get("root/cimv2", "Win32_Service", {"Name": "hi&mds", "Started": True})
    assert (row["Name"], row.class_name) == ("himds", "Win32_Service")
    selectors = server.root(0).findall(".//{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}Selector")
    assert [(one.get("Name"), one.text) for one in selectors] == [("Name", "hi&mds"), ("Started", "true")]
    assert server.text(0, "s:Header/w:ResourceURI") == SERVICE
    client.get("root/cimv2", "Win32_Service")
    assert "SelectorSet" not in server.requests[1]


@pytest.mark.parametrize("body", ["", whole("a") + whole("b")])
def test_get_wants_exactly_one_instance(body: str) -> None:
    with pytest.raises(BadAnswer, match="instead of one"):
        ScriptedServer([Answer(body)]).client().get("root/cimv2", "Win32_Service")


def test_invoke() -> None:
    uri = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/StdRegProv"
    server = ScriptedServer(
        [
            Answer(
                f'<p:EnumKey_OUTPUT xmlns:p="{uri}" xsi:type="p:EnumKey_OUTPUT"><p:sNames>CurrentVersion</p:sNames>'
                "<p:ReturnValue>0</p:ReturnValue></p:EnumKey_OUTPUT>"
            )
        ]
    )
    answer = server.client().invoke(
        "root/cimv2",
        "StdRegProv",
        "EnumKey",
        {"hDefKey": 2147483650, "sSubKeyName": "SOFTWARE"},
        arrays=("sNames",),
        repeatable=True,
    )
    assert dict(answer) == {"sNames": ["CurrentVersion"], "ReturnValue": "0"}
    assert server.text(0, "s:Header/a:Action") == f"{uri}/EnumKey"
    call = server.find(0, f"s:Body/{{{uri}}}EnumKey_INPUT")
    assert [(child.tag, child.text) for child in call] == [
        (f"{{{uri}}}hDefKey", "2147483650"),
        (f"{{{uri}}}sSubKeyName", "SOFTWARE"),
    ]


def test_an_answer_to_another_method_is_none() -> None:
    with pytest.raises(BadAnswer, match="Create_OUTPUT"):
        ScriptedServer([Answer("<Other_OUTPUT/>")]).client().invoke("root/cimv2", "Win32_Process", "Create", {})


def test_delete() -> None:
    server = ScriptedServer([Answer("")])
    server.client().delete(
        "root/cimv2", "MSFT_ScheduledTask", {"TaskName": "hotpatch-update", "TaskPath": "\\winops\\"}
    )
    assert server.actions() == ["Delete"]
    with pytest.raises(OutcomeUnknown):
        ScriptedServer([Answer(problem=ExchangeError("dropped", sent=True))]).client().delete("root/cimv2", "X", {})


def test_nothing_is_sent_when_the_input_cannot_be() -> None:
    server = ScriptedServer([])
    client = server.client()
    for call in (
        lambda: client.invoke("root/cimv2", "X", "Do", {"a": "\x00"}),
        lambda: client.get("root\\cimv2", "X"),
        lambda: list(client.enumerate("root/cimv2", "SELECT \x01")),
        lambda: client.invoke("root/cimv2", "X", "Do It"),
    ):
        with pytest.raises(InvalidInput):
            call()
    assert server.requests == []


def test_headers_of_every_message() -> None:
    server = ScriptedServer([Answer(whole("a"))])
    server.client(address="fe80::1", operation_timeout=7).get("root/cimv2", "Win32_Service")
    header = server.find(0, "s:Header")
    assert server.text(0, "s:Header/a:To") == "https://[fe80::1]:5986/wsman"
    assert server.text(0, "s:Header/w:OperationTimeout") == "PT7S"
    assert server.text(0, "s:Header/w:MaxEnvelopeSize") == "512000"
    assert (
        server.text(0, "s:Header/a:ReplyTo/a:Address")
        == "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
    )
    must = "{http://www.w3.org/2003/05/soap-envelope}mustUnderstand"
    said = {child.tag.split("}")[1]: child.get(must) for child in header}
    assert {name for name, value in said.items() if value == "true"} == {"ResourceURI", "Action", "MaxEnvelopeSize"}
    assert {name for name, value in said.items() if value == "false"} == {"Locale", "DataLocale"}


def test_errors_name_server_operation_and_remedy() -> None:
    server = ScriptedServer([Answer(problem=ExchangeError("refused"))])
    with pytest.raises(HotpatchError) as caught:
        names(server)
    assert caught.value.message == "Reading Win32_Service on web01 (192.0.2.7:5986) failed: the connection was refused."
    assert caught.value.hint is not None
    assert "firewall" in caught.value.hint
    assert caught.value.__context__ is None

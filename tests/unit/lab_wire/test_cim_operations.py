# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire forms of Identify, Enumerate, Pull, Get, Invoke and Delete, each against what captures of Windows show."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimFault
from tests.unit.lab_wire.fake_world import Running, service_rows
from tests.unit.lab_wire.messages import (
    ANY_CLASS,
    ENUMERATION,
    FAKE_SERVICE,
    IDENTIFY,
    TRANSFER,
    WQL,
    XSI,
    A,
    F,
    N,
    P,
    S,
    SoapAnswer,
    W,
    Wire,
)

OPTIMISED = "<w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>"
CQL = "http://schemas.dmtf.org/wbem/cql/1/dsp0202.pdf"
CLASS = "{" + FAKE_SERVICE + "}"
WMI_ERROR = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError}"


def items(answer: SoapAnswer, prefix: str) -> list[ElementTree.Element]:
    """The items of an answer, which must be in the given namespace."""
    found = answer.body.find(f"{prefix}Items")
    assert found is not None, answer.text
    return list(found)


def context(answer: SoapAnswer) -> str | None:
    """The context of an answer; the element must be there."""
    found = answer.body.find(f"{N}EnumerationContext")
    assert found is not None, answer.text
    return found.text


def test_identify_names_the_system_to_a_known_user_and_not_to_a_stranger(wire: Wire) -> None:
    _response, known = wire.post(IDENTIFY)
    assert b"OS: 10.0.26100 SP: 0.0 Stack: 3.0" in known
    headers: dict[str, str | None] = {"Authorization": None, "WSMANIDENTIFY": "unauthenticated"}
    for path in ("/wsman", "/wsman-anon/identify"):
        response, stranger = wire.post(IDENTIFY, headers=headers, path=path)
        assert response.status == 200
        assert b"OS: 0.0.0 SP: 0.0 Stack: 3.0" in stranger


def test_optimised_enumerate_gives_one_row_and_pull_the_rest(wire: Wire) -> None:
    first = wire.enumerate(OPTIMISED)
    assert first.status == 200
    assert first.header(f"{A}Action") == ENUMERATION + "EnumerateResponse"
    assert len(items(first, W)) == 1
    assert first.body.find(f"{W}EndOfSequence") is None
    rest = wire.pull(context(first), 100)
    assert [row.findtext(CLASS + "Name") for row in items(rest, N)] == ["svc1", "svc2"]
    assert rest.body.find(f"{N}EndOfSequence") is not None
    assert context(rest) is None
    assert context(first) is not None


def test_a_single_row_ends_at_once(lab: Running, wire: Wire) -> None:
    lab.machine.rows = service_rows(1)
    answer = wire.enumerate(OPTIMISED)
    assert len(items(answer, W)) == 1
    assert answer.body.find(f"{W}EndOfSequence") is not None
    assert context(answer) is None


def test_no_rows_end_at_once(lab: Running, wire: Wire) -> None:
    lab.machine.rows = []
    answer = wire.enumerate(OPTIMISED)
    assert items(answer, W) == []
    assert answer.body.find(f"{W}EndOfSequence") is not None


def test_older_windows_gives_many_rows_at_once(lab: Running, wire: Wire) -> None:
    lab.machine.limits = replace(lab.machine.limits, one_row_first=False)
    assert len(items(wire.enumerate("<w:OptimizeEnumeration/><w:MaxElements>2</w:MaxElements>"), W)) == 2
    assert len(items(wire.enumerate("<w:OptimizeEnumeration/>"), W)) == 1


def test_plain_enumerate_gives_a_context_and_pull_one_row_each_time_with_a_new_context(wire: Wire) -> None:
    answer = wire.enumerate("")
    assert answer.body.find(f"{W}Items") is None
    seen = []
    contexts = set()
    follow = context(answer)
    while follow:
        contexts.add(follow)
        page = wire.pull(follow)
        assert len(items(page, N)) == 1
        seen.append(items(page, N)[0].findtext(CLASS + "Name"))
        follow = context(page)
    assert seen == ["svc0", "svc1", "svc2"]
    assert len(contexts) == 3


def test_pages_end_near_half_of_the_envelope_size(lab: Running, wire: Wire) -> None:
    lab.machine.rows = service_rows(300)
    page = wire.pull(context(wire.enumerate("", size=60000)), 1000, size=60000)
    assert 20000 < len(page.text) < 34000
    assert context(page) is not None


def test_an_item_larger_than_the_envelope_is_a_fault(lab: Running, wire: Wire) -> None:
    lab.machine.rows[0].properties["Name"] = replace(lab.machine.rows[0].properties["Name"], value="x" * 20000)
    answer = wire.enumerate(OPTIMISED, size=10000)
    assert (answer.status, answer.subcode, answer.code) == (500, "w:EncodingLimit", 0x80338048)


def test_a_used_or_released_context_is_invalid(wire: Wire) -> None:
    first = context(wire.enumerate(""))
    second = context(wire.pull(first))
    again = wire.pull(first)
    assert (again.status, again.subcode, again.code) == (500, "n:InvalidEnumerationContext", 0x8033801B)
    assert again.header(f"{A}Action") == ENUMERATION + "fault"
    released = wire.call(
        ENUMERATION + "Release",
        FAKE_SERVICE,
        f"<n:Release><n:EnumerationContext>{second}</n:EnumerationContext></n:Release>",
    )
    assert released.status == 200
    assert wire.pull(second).subcode == "n:InvalidEnumerationContext"


def test_contexts_do_not_survive_a_restart(lab: Running, wire: Wire) -> None:
    follow = context(wire.enumerate(""))
    lab.machine.boot_id = 2
    fresh = Wire(lab.http_port)
    assert fresh.pull(follow).subcode == "n:InvalidEnumerationContext"


def test_every_kind_of_value(wire: Wire) -> None:
    row = items(wire.enumerate(OPTIMISED), W)[0]
    assert row.tag == CLASS + "Fake_Service"
    assert row.get(f"{XSI}type") == "p:Fake_Service_Type"
    assert row.find(CLASS + "Empty") is not None
    assert row.findtext(CLASS + "Empty") == ""
    nothing = row.find(CLASS + "Nothing")
    assert nothing is not None
    assert nothing.get(f"{XSI}nil") == "true"
    assert row.findtext(CLASS + "Big") == "4294967295"
    assert row.findtext(CLASS + "Started") == "true"
    common = "{http://schemas.dmtf.org/wbem/wscim/1/common}"
    assert row.findtext(f"{CLASS}Since/{common}Datetime") == "2014-04-03T14:45:50.46875+08:00"
    assert row.findtext(f"{CLASS}Boot/{common}Datetime") == "2026-01-02T03:04:05Z"
    assert row.findtext(f"{CLASS}Every/{common}Interval") == "P0DT0H1M40S"
    assert [item.text for item in row.findall(CLASS + "Ids")] == ["1", "2"]
    assert row.find(CLASS + "Names") is None
    assert row.find(CLASS + "NoNames") is None
    owner = row.find(CLASS + "Owner")
    assert owner is not None
    assert owner.get(f"{XSI}type") == "q:Fake_Owner_Type"
    assert owner[0].tag == "{http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Fake_Owner}Name"
    assert owner[0].text == "<&>"
    assert row.findtext(CLASS + "Line") == "a\r\nb\ufffd"


def test_a_projection_comes_as_fragments_without_a_namespace(wire: Wire) -> None:
    query = f'<w:Filter Dialect="{WQL}">SELECT Name FROM Fake_Service</w:Filter>'
    row = items(wire.enumerate(OPTIMISED + query, uri=ANY_CLASS), W)[0]
    assert row.tag == f"{W}XmlFragment"
    assert [(item.tag, item.text) for item in row] == [("Name", "svc0")]


def test_references_and_objects_with_references(wire: Wire) -> None:
    mode = "<w:EnumerationMode>EnumerateEPR</w:EnumerationMode>"
    reference = items(wire.enumerate(OPTIMISED + mode), W)[0]
    assert reference.tag == f"{A}EndpointReference"
    assert reference.findtext(f".//{W}ResourceURI") == FAKE_SERVICE
    selectors = {item.get("Name"): item.text for item in reference.iter(f"{W}Selector")}
    assert selectors == {"__cimnamespace": "root/cimv2", "Name": "svc0"}
    both = items(wire.enumerate(OPTIMISED + mode.replace("EPR", "ObjectAndEPR")), W)[0]
    assert [part.tag for part in both] == [CLASS + "Fake_Service", f"{A}EndpointReference"]
    wrong = wire.enumerate(mode.replace("EPR", "Nothing"))
    assert (wrong.subcode, wrong.code) == ("w:UnsupportedFeature", 0x80338086)


@pytest.mark.parametrize(
    ("inside", "uri", "subcode", "code"),
    [
        (f'<w:Filter Dialect="{CQL}">x</w:Filter>', FAKE_SERVICE, "n:FilterDialectRequestedUnavailable", 0x80338019),
        ("<w:Filter>x</w:Filter>", FAKE_SERVICE, "n:FilterDialectRequestedUnavailable", 0x80338019),
        (f'<w:Filter Dialect="{WQL}"></w:Filter>', ANY_CLASS, "n:CannotProcessFilter", 0x8033801A),
        ("", ANY_CLASS, "n:CannotProcessFilter", 0x8033804F),
        (OPTIMISED.replace("32000", "none"), FAKE_SERVICE, "w:SchemaValidationError", 0x80338041),
        ("", "http://schemas.example.org/nothing", "a:DestinationUnreachable", 0x8033803B),
        ("", "http://schemas.microsoft.com/wbem/wsman/1/wmi/Nothing", "a:DestinationUnreachable", 0x8033803B),
    ],
)  # fmt: skip
def test_enumerate_faults(wire: Wire, inside: str, uri: str, subcode: str, code: int) -> None:
    answer = wire.enumerate(inside, uri=uri)
    assert (answer.status, answer.subcode, answer.code) == (500, subcode, code)


def test_get_by_selector_with_and_without_the_namespace_beside_it(wire: Wire) -> None:
    for selectors in ({"Name": "svc1"}, {"Name": "svc1", "__cimnamespace": "root/cimv2"}):
        answer = wire.call(TRANSFER + "Get", FAKE_SERVICE, selectors=selectors)
        assert answer.body.findtext(CLASS + "Name") == "svc1"
    dmtf = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/Fake_Service"
    answer = wire.call(TRANSFER + "Get", dmtf, selectors={"Name": "svc1", "__cimnamespace": "root\\cimv2"})
    assert answer.status == 200
    defaulted = wire.call(TRANSFER + "Get", dmtf, selectors={"Name": "svc1"})
    assert defaulted.root.findtext(f".//{WMI_ERROR}MessageID") == "HRESULT 0x8004100e"


def test_a_missing_instance_is_a_nested_wsman_fault(wire: Wire) -> None:
    answer = wire.call(TRANSFER + "Get", FAKE_SERVICE, selectors={"Name": "none"})
    assert (answer.status, answer.subcode, answer.code) == (500, "a:DestinationUnreachable", 0x80338000)
    assert answer.header(f"{A}Action") == "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault"
    faults = list(answer.root.iter(f"{F}WSManFault"))
    assert [fault.get("Machine") for fault in faults] == ["WEB01", "WEB01"]
    provider = answer.root.find(f".//{F}ProviderFault")
    assert provider is not None
    assert provider.get("provider") == "WMI Provider"
    assert 'Fake_Service.Name="none"' in answer.text.replace("&quot;", '"')


@pytest.mark.parametrize(
    ("kind", "hresult", "subcode"),
    [
        ("access_denied", 0x80041003, "w:AccessDenied"),
        ("invalid_method", 0x8004102E, "w:InternalError"),
        ("invalid_parameters", 0x8004102F, "w:InternalError"),
        ("provider_failure", 0x80041004, "w:InternalError"),
        ("element_not_found", 0x80070490, "w:InternalError"),
        ("quota", 0x8004106C, "w:InternalError"),
    ],
)
def test_method_faults_are_of_the_wmi_family(lab: Running, wire: Wire, kind: str, hresult: int, subcode: str) -> None:
    lab.machine.fault = CimFault(kind)
    answer = wire.call(FAKE_SERVICE + "/Start", FAKE_SERVICE)
    assert (answer.status, answer.subcode, answer.code) == (500, subcode, None)
    assert answer.root.findtext(f".//{WMI_ERROR}error_Code") == str(hresult)
    assert answer.root.findtext(f".//{WMI_ERROR}MessageID") == f"HRESULT 0x{hresult:08x}"


def test_a_bad_query_is_a_filter_fault(lab: Running, wire: Wire) -> None:
    lab.machine.fault = CimFault("invalid_query")
    answer = wire.enumerate(f'<w:Filter Dialect="{WQL}">SELEKT</w:Filter>', uri=ANY_CLASS)
    assert (answer.subcode, answer.code) == ("n:CannotProcessFilter", 0x8033801A)


def test_invoke_reads_and_writes_every_kind_of_parameter(lab: Running, wire: Wire) -> None:
    task = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Fake_Action"
    body = (
        f'<q:Register_INPUT xmlns:q="{FAKE_SERVICE}" xmlns:xsi="{XSI[1:-1]}"'
        ' xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common">'
        "<q:Name> two words </q:Name><q:List>1</q:List><q:List>2</q:List>"
        '<q:None xsi:nil="true"/><q:Void/><q:At><cim:Datetime>2026-01-02T03:04:05Z</cim:Datetime></q:At>'
        f'<q:Action xmlns:t="{task}" xsi:type="t:Fake_Action_Type"><t:Execute>cmd</t:Execute></q:Action>'
        f'<q:Other xmlns:t="{task}"><t:Execute>x</t:Execute></q:Other>'
        "</q:Register_INPUT>"
    )
    answer = wire.call(FAKE_SERVICE + "/Register", FAKE_SERVICE, body)
    assert answer.status == 200, answer.text
    assert answer.header(f"{A}Action") == FAKE_SERVICE + "/RegisterResponse"
    assert answer.body.tag == CLASS + "Register_OUTPUT"
    assert [item.text for item in answer.body.findall(CLASS + "sNames")] == ["a", "b"]
    assert answer.body.findtext(CLASS + "ReturnValue") == "0"
    assert answer.body[-1].tag == CLASS + "ReturnValue"
    output = answer.body.find(CLASS + "cmdletOutput")
    assert output is not None
    assert output.get(f"{XSI}type") == "q:Fake_Task_Type"
    assert lab.machine.invoked == [
        (
            "Register",
            {
                "Name": [" two words "],
                "List": ["1", "2"],
                "None": [None],
                "Void": [""],
                "At": ["2026-01-02T03:04:05Z"],
                "Action": [{"Execute": ["cmd"], "__class": "Fake_Action"}],
                "Other": [{"Execute": ["x"], "__class": "Fake_Action"}],
            },
        )
    ]
    assert [(entry.method, entry.write) for entry in lab.machine.records] == [("Invoke:Register", True)]


def test_delete(lab: Running, wire: Wire) -> None:
    assert wire.call(TRANSFER + "Delete", FAKE_SERVICE, selectors={"Name": "svc1"}).status == 200
    assert lab.machine.deleted == [{"Name": "svc1"}]


@pytest.mark.parametrize("action", [TRANSFER + "Put", TRANSFER + "Create", "http://example.org/Nothing"])
def test_what_wmi_cannot_do(wire: Wire, action: str) -> None:
    answer = wire.call(action, FAKE_SERVICE, "<x/>")
    assert (answer.status, answer.subcode, answer.code) == (500, "a:ActionNotSupported", 0x80338013)


def test_configuration(wire: Wire) -> None:
    uri = "http://schemas.microsoft.com/wbem/wsman/1/config"
    cfg = "{" + uri + "}"
    answer = wire.call(TRANSFER + "Get", uri)
    assert answer.body.findtext(f"{cfg}MaxEnvelopeSizekb") == "500"
    assert answer.body.findtext(f"{cfg}Winrs/{cfg}MaxShellsPerUser") == "2147483647"
    assert wire.call(TRANSFER + "Get", uri + "/service").body.tag == cfg + "Service"
    assert wire.call(TRANSFER + "Get", uri + "/none").subcode == "a:DestinationUnreachable"
    assert wire.call(TRANSFER + "Put", uri, "<x/>").subcode == "a:ActionNotSupported"


def test_headers_of_an_answer_stand_as_windows_has_them(wire: Wire) -> None:
    answer = wire.enumerate("")
    header = answer.root.find(f"{S}Header")
    assert header is not None
    assert [item.tag for item in header] == [
        f"{A}Action", f"{A}MessageID", f"{P}ActivityId", f"{A}To", f"{A}RelatesTo"
    ]  # fmt: skip
    extra = '<p:OperationID s:mustUnderstand="false">uuid:7</p:OperationID><p:SequenceId>4</p:SequenceId>'
    answer = wire.enumerate("", extra=extra)
    header = answer.root.find(f"{S}Header")
    assert header is not None
    assert [(item.tag, item.text) for item in header][2:4] == [(f"{P}OperationID", "uuid:7"), (f"{P}SequenceId", "4")]


def test_a_slow_server_runs_into_the_operation_timeout_after_the_work_is_done(lab: Running, wire: Wire) -> None:
    lab.machine.answer_delay = 5
    answer = wire.call(FAKE_SERVICE + "/Start", FAKE_SERVICE, timeout="PT0.1S")
    assert (answer.status, answer.subcode, answer.code) == (500, "w:TimedOut", 2150858793)
    assert answer.root.findtext(f".//{S}Text", "").endswith("OperationTimeout.  ")
    assert len(lab.machine.invoked) == 1

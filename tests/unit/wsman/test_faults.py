# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of both families, in the shapes recorded from Windows Server 2008 R2 to 2019."""

from __future__ import annotations

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    Fault,
    HotpatchError,
    OutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.faults import WsmanFault, clean
from tests.unit.wsman.scripted import Answer, ScriptedServer, fault, timed_out, wsman_fault

WMI_ERROR = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"

NESTED = fault(
    '<f:WSManFault Code="2150859010" Machine="192.0.2.7"><f:Message>'
    '<f:ProviderFault provider="WMI Provider" path="%systemroot%\\system32\\WsmWmiPl.dll">'
    '<f:WSManFault Code="2147749890" Machine="192.0.2.7"><f:Message>The WS-Management service cannot process the '
    "request. The WMI service returned a 'not found' error. </f:Message></f:WSManFault>"
    '<f:ExtendedError><p:__ExtendedStatus xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/__ExtendedStatus">'
    '<p:Description xsi:nil="true"/><p:Operation>GetObject</p:Operation><p:ParameterInfo>Win32_Service.Name="nope"'
    '</p:ParameterInfo><p:ProviderName>CIMWin32</p:ProviderName><p:StatusCode xsi:nil="true"/></p:__ExtendedStatus>'
    "</f:ExtendedError></f:ProviderFault></f:Message></f:WSManFault>"
)


def wmi_error(message_id: str, number: int, message: str, status: int = 5) -> str:
    """Family two."""
    return fault(
        f'<p:MSFT_WmiError xmlns:p="{WMI_ERROR}" b:IsCIM_Error="true" xmlns:b="http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd">'
        f"<p:CIMStatusCode>{status}</p:CIMStatusCode><p:Message>{message}</p:Message><p:MessageID>{message_id}</p:MessageID>"
        f"<p:error_Category>1</p:error_Category><p:error_Code>{number}</p:error_Code>"
        '<p:error_Type>HRESULT</p:error_Type><p:error_WindowsErrorMessage xsi:nil="true"/></p:MSFT_WmiError>'
    )


def caught(body: str, status: int = 500) -> WsmanFault:
    with pytest.raises(WsmanFault) as refused:
        ScriptedServer([Answer(body, status=status)]).client().get("root/cimv2", "Win32_Service", {"Name": "x"})
    return refused.value


@pytest.mark.parametrize(
    ("body", "code", "words", "retryable"),
    [
        (wsman_fault(2150858752, subcode="a:DestinationUnreachable"), "0x80338000", "instance was not found", False),
        (wsman_fault(2150858778), "0x8033801A", "class is not in this namespace", False),
        (wsman_fault(2150859010), "0x80338102", "WMI provider reported a failure", False),
        (wsman_fault(2150858817), "0x80338041", "does not fit its schema", False),
        (wsman_fault(5, subcode="w:AccessDenied", code="s:Sender"), "0x00000005", "access was denied", False),
        (wsman_fault(2150859174, subcode="w:QuotaLimit"), "0x803381A6", "too many operations", True),
        (wsman_fault(2150858843, subcode="w:InvalidSelectors"), "0x8033805B", "does not exist any more", False),
        (wsman_fault(170), "0x000000AA", "in use", True),
        (wmi_error("HRESULT 0x80041010", 2147749904, "Invalid class "), "0x80041010", "class does not exist", False),
        (
            wmi_error("HRESULT 0x8004100e", 2147749902, "Invalid namespace"),
            "0x8004100E",
            "namespace does not exist",
            False,
        ),
        (wmi_error("HRESULT 0x80041017", 2147749911, "Invalid query"), "0x80041017", "query is not valid", False),
        (wmi_error("HRESULT 0x80041003", 2147749891, "Access denied"), "0x80041003", "denied access", False),
        (wmi_error("HRESULT 0x80070490", 2147943568, "Element not found. "), "0x80070490", "was not found", False),
        (wmi_error("HRESULT 0x803381a5", 2150859173, "too many shells", 27), "0x803381A5", "too many shells", True),
        (wmi_error("", 2147749935, "bad parameters"), "0x8004102F", "do not fit", False),
        (fault("", subcode="w:AccessDenied", reason="no"), "0x00000005", "access was denied", False),
    ],
)
def test_codes_and_meanings(body: str, code: str, words: str, retryable: bool) -> None:
    refused = caught(body)
    assert isinstance(refused, Fault)
    assert refused.code == code
    assert words in refused.message
    assert refused.retryable is retryable
    assert "web01 (192.0.2.7:5986)" in refused.message
    assert refused.server == "web01"


def test_a_provider_s_own_fault_tells_more_than_the_outer_one() -> None:
    refused = caught(NESTED)
    assert refused.code == "0x80041002"
    assert refused.codes == (0x80338102, 0x80041002)
    assert refused.extended == {
        "Operation": "GetObject",
        "ParameterInfo": 'Win32_Service.Name="nope"',
        "ProviderName": "CIMWin32",
    }
    assert "not found" in refused.text
    assert "CIMWin32" in refused.message


def test_a_plugin_s_plain_text_is_kept() -> None:
    body = fault(
        '<f:WSManFault Code="2147942402" Machine="192.0.2.7"><f:Message>'
        '<f:ProviderFault provider="Shell cmd plugin" path="%systemroot%\\system32\\winrscmd.dll">'
        "The system cannot find the file specified. </f:ProviderFault></f:Message></f:WSManFault>"
    )
    refused = caught(body)
    assert refused.code == "0x80070002"
    assert refused.text == "The system cannot find the file specified."


def test_an_unknown_code_keeps_the_server_s_words_without_its_tricks() -> None:
    refused = caught(wsman_fault(2150999999, "Odd\x85 \u202etrick\u2028 " + "long " * 5000))
    assert refused.code == "0x8035A7BF"
    assert refused.text.startswith("Odd trick long")
    assert refused.text.endswith("...")
    assert len(refused.text) <= 400
    assert refused.subcode == "w:InternalError"
    assert not refused.retryable


@pytest.mark.parametrize(
    "body",
    [
        "<s:Fault/>",
        "<s:Fault><s:Detail/></s:Fault>",
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code></s:Fault>",
        fault('<f:WSManFault Code="many"/>', subcode="", reason=""),
        fault(f'<f:WSManFault Code="{"9" * 4000}"/>', subcode="", reason=""),
        fault('<f:WSManFault Code="0"/>', subcode="", reason=""),
    ],
)
def test_a_fault_that_says_nothing_is_a_fault(body: str) -> None:
    refused = caught(body)
    assert refused.code == "fault"
    assert refused.codes == ()


def test_a_fault_may_come_with_any_status_and_without_relates_to() -> None:
    server = ScriptedServer([Answer(wsman_fault(5), status=400, relates=None)])
    with pytest.raises(WsmanFault):
        list(server.client().enumerate("root/cimv2", "SELECT Name FROM Win32_Service"))


def test_the_server_s_timeout_is_no_refusal() -> None:
    def run(repeatable: bool) -> HotpatchError:
        client = ScriptedServer([timed_out()]).client()
        with pytest.raises(HotpatchError) as caught:
            client.invoke("root/cimv2", "Win32_Process", "Create", repeatable=repeatable)
        return caught.value

    assert isinstance(run(True), AnswerTimeout)
    unknown = run(False)
    assert isinstance(unknown, OutcomeUnknown)
    assert "may have run" in unknown.message


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x00b\tc\r\n d", "a b c d"), ("\x1b[31mred", "[31mred"), ("", ""), ("x" * 500, "x" * 397 + "...")],
)
def test_cleaning(text: str, shown: str) -> None:
    assert clean(text) == shown

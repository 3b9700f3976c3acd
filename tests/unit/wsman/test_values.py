# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CIM values both ways, after recordings of Windows; what we write is read back with the standard library."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman import values
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import Embedded, Instance, write_properties
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.xml_answer import parse
from tests.unit.wsman.scripted import parsed

OS = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_OperatingSystem"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
CIM = "{http://schemas.dmtf.org/wbem/wscim/1/common}"
DECLARED = (
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common" '
    f'xmlns:p="{OS}" xmlns:q="{OS}"'
)


def read(properties: str, arrays: tuple[str, ...] = ()) -> Instance:
    element = parse(
        f'<p:Win32_OperatingSystem {DECLARED} xsi:type="p:Win32_OperatingSystem_Type">'
        f"{properties}</p:Win32_OperatingSystem>".encode()
    )
    return values.read_instance(element, arrays, about="Win32_OperatingSystem on web01", server="web01")


def test_a_class_element_and_a_projection_give_the_same_properties() -> None:
    row = read("<p:Caption>Windows</p:Caption><p:Build>26100</p:Build>")
    fragment = parse(
        b'<w:XmlFragment xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><Caption>Windows</Caption><Build>26100</Build></w:XmlFragment>'
    )
    projected = values.read_instance(fragment, (), about="x", server="web01")
    assert dict(row) == dict(projected) == {"Caption": "Windows", "Build": "26100"}
    assert row.class_name == "Win32_OperatingSystem"
    assert projected.class_name == ""


def test_null_and_empty_text_differ() -> None:
    row = read('<p:CSDVersion xsi:nil="true"/><p:Description></p:Description><p:Blank> </p:Blank>')
    assert dict(row) == {"CSDVersion": None, "Description": "", "Blank": " "}


def test_an_array_is_a_list_however_many_values_it_has() -> None:
    assert read("<p:L>en-US</p:L>", ("L",))["L"] == ["en-US"]
    assert read("<p:L>en-US</p:L><p:L>de-DE</p:L>", ("L",))["L"] == ["en-US", "de-DE"]
    assert read("", ("L",))["L"] == []
    assert read('<p:L xsi:nil="true"/>', ("L",))["L"] == []
    assert read("<p:L></p:L>", ("L",))["L"] == [""]


def test_a_repeated_property_nobody_declared_is_seen_as_a_list_and_not_read_as_one_value() -> None:
    row = read("<p:IP>192.0.2.1</p:IP><p:IP>192.0.2.2</p:IP>")
    assert row["IP"] == ["192.0.2.1", "192.0.2.2"]
    with pytest.raises(BadAnswer, match="IP of Win32_OperatingSystem on web01"):
        values.as_str(row, "IP")


def test_embedded_instances_with_their_own_class_and_arrays() -> None:
    task = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/Microsoft/Windows/TaskScheduler"
    row = read(
        f'<p:cmdletOutput xmlns:t="{task}/MSFT_ScheduledTask" xsi:type="t:MSFT_ScheduledTask_Type">'
        "<t:TaskName>hotpatch-update</t:TaskName>"
        f'<t:Actions xmlns:e="{task}/MSFT_TaskExecAction" xsi:type="e:MSFT_TaskExecAction_Type">'
        '<e:Execute>cmd.exe</e:Execute><e:Id xsi:nil="true"/></t:Actions>'
        "</p:cmdletOutput>",
        ("cmdletOutput.Actions", "cmdletOutput.Triggers"),
    )
    output = values.as_instance(row, "CmdletOutput")
    assert output is not None
    assert output.class_name == "MSFT_ScheduledTask"
    assert output["TaskName"] == "hotpatch-update"
    actions = output["Actions"]
    assert isinstance(actions, list)
    assert isinstance(actions[0], Instance)
    assert actions[0].class_name == "MSFT_TaskExecAction"
    assert dict(actions[0]) == {"Execute": "cmd.exe", "Id": None}
    assert output["Triggers"] == []


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2013-04-15T16:28:43.488171Z", datetime(2013, 4, 15, 16, 28, 43, 488171, UTC)),
        ("2013-04-15T16:28:43Z", datetime(2013, 4, 15, 16, 28, 43, 0, UTC)),
        ("2014-04-03T14:45:50.46875+08:00", datetime(2014, 4, 3, 14, 45, 50, 468750, timezone(timedelta(hours=8)))),
        (
            "2025-12-18T03:00:11.5-05:30",
            datetime(2025, 12, 18, 3, 0, 11, 500000, timezone(-timedelta(hours=5, minutes=30))),
        ),
        ("2025-12-18T03:00:11", datetime(2025, 12, 18, 3, 0, 11, 0, UTC)),
        ("2025-12-18T03:00:11.123456789Z", datetime(2025, 12, 18, 3, 0, 11, 123456, UTC)),
        (" 2025-12-18T03:00:11z ", datetime(2025, 12, 18, 3, 0, 11, 0, UTC)),
        ("0001-01-01T00:00:00+14:00", datetime(1, 1, 1, 0, 0, 0, 0, timezone(timedelta(hours=14)))),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    found = values.as_datetime(read(f"<p:At><cim:Datetime>{text}</cim:Datetime></p:At>"), "At")
    assert found is not None
    assert found.replace(tzinfo=None) == moment.replace(tzinfo=None)
    assert found.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20131231",
        "2013-02-30T00:00:00Z",
        "2013-12-31T24:61:00Z",
        "2013-12-31T10:00:00+99:99",
        "********",
        "٢٠١٣-12-31T10:00:00Z",
    ],
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(BadAnswer, match="At of Win32_OperatingSystem on web01"):
        values.as_datetime(read(f"<p:At><cim:Datetime>{text}</cim:Datetime></p:At>"), "At")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("P0DT0H1M40S", timedelta(seconds=100)),
        ("P2DT3H4M5.25S", timedelta(days=2, hours=3, minutes=4, seconds=5, milliseconds=250)),
        ("PT72H", timedelta(hours=72)),
        ("P1D", timedelta(days=1)),
    ],
)
def test_intervals(text: str, length: timedelta) -> None:
    assert values.as_interval(read(f"<p:For><cim:Interval>{text}</cim:Interval></p:For>"), "For") == length


@pytest.mark.parametrize("text", ["P", "PT", "1H", "P1Y", "PT-1S", "P999999999999D"])
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(BadAnswer):
        values.as_interval(read(f"<p:For><cim:Interval>{text}</cim:Interval></p:For>"), "For")


@pytest.mark.parametrize(
    ("as_type", "text", "value"),
    [
        (values.as_bool, "true", True),
        (values.as_bool, "FALSE", False),
        (values.as_bool, "True", True),
        (values.as_bool, "0", False),
        (values.as_int, "4294967295", 4294967295),
        (values.as_int, "2147483650", 2147483650),
        (values.as_int, "18446744073709551615", 18446744073709551615),
        (values.as_int, "-1", -1),
        (values.as_int, " 7 ", 7),
        (values.as_str, " kept ", " kept "),
    ],
)
def test_scalars(as_type: Callable[[Instance, str], object], text: str, value: object) -> None:
    assert as_type(read(f"<p:X>{text}</p:X>"), "X") == value
    assert as_type(read(f"<p:X>{text}</p:X>"), "x") == value
    assert as_type(read('<p:X xsi:nil="true"/>'), "X") is None
    assert as_type(read(""), "X") is None


@pytest.mark.parametrize(
    ("as_type", "text"),
    [
        (values.as_bool, "yes"),
        (values.as_bool, ""),
        (values.as_int, "0x10"),
        (values.as_int, ""),
        (values.as_int, "1.5"),
        (values.as_int, "9" * 5000),
        (values.as_int, "١٢"),
    ],
)
def test_scalars_of_another_type(as_type: Callable[[Instance, str], object], text: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        as_type(read(f"<p:X>{text}</p:X>"), "X")
    assert caught.value.server == "web01"
    assert len(caught.value.message) < 300


def test_binary_and_lists() -> None:
    assert values.as_bytes(read("<p:B>0</p:B><p:B>255</p:B><p:B>16</p:B>", ("B",)), "B") == b"\x00\xff\x10"
    assert values.as_bytes(read("<p:B>7</p:B>"), "B") == b"\x07"
    assert values.as_bytes(read("", ("B",)), "B") == b""
    assert values.as_int_list(read("<p:L>1</p:L><p:L>2</p:L>", ("L",)), "L") == [1, 2]
    assert values.as_str_list(read('<p:L xsi:nil="true"/>'), "L") == []
    for wrong in ("<p:B>256</p:B>", "<p:B>-1</p:B>", '<p:B>1</p:B><p:B xsi:nil="true"/>'):
        with pytest.raises(BadAnswer):
            values.as_bytes(read(wrong, ("B",)), "B")


# ---- onto the wire ----


def written(properties: dict[str, Any]) -> list[ElementTree.Element]:
    return list(parsed(f"<q:M_INPUT {DECLARED}>{write_properties(properties, 'q')}</q:M_INPUT>"))


def test_inputs_of_every_kind() -> None:
    elements = written(
        {
            "Text": 'a < b & "c"',
            "Flag": True,
            "Off": False,
            "Big": 4294967295,
            "Nothing": None,
            "Many": ["x", "y"],
            "None": [],
            "Bytes": b"\x00\xff",
            "At": datetime(2025, 12, 18, 3, 0, 11, 5, timezone(timedelta(hours=-5, minutes=-30))),
            "For": timedelta(days=1, hours=2, minutes=3, seconds=4),
        }
    )
    assert {element.tag.split("}")[0].lstrip("{") for element in elements} == {OS}
    names = [element.tag.split("}")[1] for element in elements]
    assert names == ["Text", "Flag", "Off", "Big", "Nothing", "Many", "Many", "Bytes", "Bytes", "At", "For"]
    texts = {name: element.text for name, element in zip(names[:5], elements[:5], strict=True)}
    assert texts == {"Text": 'a < b & "c"', "Flag": "true", "Off": "false", "Big": "4294967295", "Nothing": None}
    assert elements[4].get(f"{XSI}nil") == "true"
    assert [element.text for element in elements[5:9]] == ["x", "y", "0", "255"]
    assert (elements[9][0].tag, elements[9][0].text) == (f"{CIM}Datetime", "2025-12-18T03:00:11.000005-05:30")
    assert (elements[10][0].tag, elements[10][0].text) == (f"{CIM}Interval", "P1DT2H3M4S")


def test_embedded_inputs_bear_their_class() -> None:
    inner = Embedded("MSFT_TaskTrigger", "root/Microsoft/Windows/TaskScheduler", {"Enabled": True})
    outer = Embedded(
        "MSFT_ScheduledTask", "root/Microsoft/Windows/TaskScheduler", {"TaskName": "t", "Triggers": [inner, inner]}
    )
    element = written({"InputObject": outer})[0]
    task = "{http://schemas.microsoft.com/wbem/wsman/1/wmi/root/Microsoft/Windows/TaskScheduler/"
    assert (element.get(f"{XSI}type") or "").endswith(":MSFT_ScheduledTask_Type")
    assert [child.tag for child in element] == [
        f"{task}MSFT_ScheduledTask}}TaskName",
        *[f"{task}MSFT_ScheduledTask}}Triggers"] * 2,
    ]
    assert element[1][0].tag == f"{task}MSFT_TaskTrigger}}Enabled"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_text_arrives_as_it_was_or_is_refused(text: str) -> None:
    try:
        elements = written({"X": text})
    except InvalidInput:
        assert any(ord(mark) < 32 and mark not in "\t\n\r" for mark in text) or any(
            mark in "\ufffe\uffff" for mark in text
        )
        return
    assert (elements[0].text or "") == text


@given(st.datetimes(timezones=st.timezones()) | st.datetimes(timezones=st.just(UTC)))
def test_moments_there_and_back(moment: datetime) -> None:
    offset = moment.utcoffset()
    if offset is None or offset % timedelta(minutes=1):
        return  # offsets with seconds ended before Windows began
    text = written({"X": moment})[0][0].text or ""
    for found in (values.as_datetime(Instance({"X": text}), "X"), datetime.fromisoformat(text)):
        assert found is not None
        assert found.replace(tzinfo=None) == moment.replace(tzinfo=None)
        assert found.utcoffset() == offset


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=40000)))
def test_intervals_there_and_back(length: timedelta) -> None:
    assert values.as_interval(Instance({"X": written({"X": length})[0][0].text}), "X") == length


@given(st.integers(min_value=-(2**63), max_value=2**64 - 1))
def test_integers_there_and_back(number: int) -> None:
    assert values.as_int(Instance({"X": written({"X": number})[0].text}), "X") == number


@pytest.mark.parametrize(
    "value",
    [
        "\x00",
        "\x0b",
        "\x1b[0m",
        "\ud800",
        "\ufffe",
        1.5,
        {"a": "b"},
        [["x"]],
        [b"x"],
        datetime(2025, 1, 1),  # noqa: DTZ001 - that is what is wrong with it
        timedelta(seconds=-1),
        object(),
    ],
)
def test_inputs_that_cannot_be_sent(value: object) -> None:
    with pytest.raises(InvalidInput):
        write_properties({"X": value})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "1a", "a>", "ä"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidInput):
        write_properties({name: "x"})
    with pytest.raises(InvalidInput):
        values.class_uri("root/cimv2", name)


@pytest.mark.parametrize("namespace", ["", "/root", "root\\cimv2", "root//x", "root/cimv2?x", "root/cimv2/"])
def test_namespaces_that_are_none(namespace: str) -> None:
    with pytest.raises(InvalidInput):
        values.class_uri(namespace, "Win32_Service")


def test_class_uris() -> None:
    assert (
        values.class_uri("root/cimv2", "Win32_Service")
        == "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service"
    )
    assert values.class_uri("root/cimv2", "*").endswith("/root/cimv2/*")


def test_selectors() -> None:
    assert values.selector_text("\\winops\\") == "\\winops\\"
    assert values.selector_text(True) == "true"
    assert values.selector_text("a<b") == "a&lt;b"
    for wrong in (None, ["x"], b"x"):
        with pytest.raises(InvalidInput):
            values.selector_text(wrong)

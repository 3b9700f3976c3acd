# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML from a hostile or broken server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._wsman import xml_answer
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.xml_answer import UnreadableError, parse

LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">'
    b'<!ENTITY lol2 "&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;">]><lolz>&lol2;</lolz>'
)


def test_names_texts_and_attributes() -> None:
    root = parse(b'<a:r xmlns:a="urn:a" x="1" a:y="2"> t<a:c>in</a:c>u<c>out</c></a:r>')
    assert (root.namespace, root.name, root.text) == ("urn:a", "r", " tu")
    assert root.attributes == {"x": "1", "urn:a y": "2"}
    assert [child.text for child in root.all("c")] == ["in", "out"]
    assert [child.text for child in root.all("c", "")] == ["out"]
    assert root.child("c", "urn:other") is None
    assert root.path("c", "d") is None


@pytest.mark.parametrize(
    "data",
    [
        LAUGHS,
        b'<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>',
        b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>',
        b'<!DOCTYPE r PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://www.w3.org/x.dtd"><r/>',
        b"<!DOCTYPE html><html><body>404</body></html>",
    ],
)
def test_document_types_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableError, match="document type"):
        parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   \r\n",
        b"garbage",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a>&unknown;</a>",
        b"<a>&#0;</a>",
        b"<a>\xff\xfe</a>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b'<?xml version="1.0" encoding="base64"?><a/>',
        b"<p:a/>",
        b"\x00" * 100,
        b'<a x="1" x="2"/>',
    ],
)
def test_what_is_not_well_formed(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        parse(data)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_answer, "MAX_BYTES", 1000)
    monkeypatch.setattr(xml_answer, "MAX_TEXT", 100)
    monkeypatch.setattr(xml_answer, "MAX_ELEMENTS", 80)
    parse(b"<a>" + b"x" * 100 + b"</a>")
    for data, words in [
        (b"<a>" + b" " * 1000 + b"</a>", "larger"),
        (b"<a>" + b"x" * 101 + b"</a>", "text"),
        (b"<a>" + b"<b/>" * 80 + b"</a>", "elements"),
        (b"<a>" * 65 + b"</a>" * 65, "deep"),
    ]:
        with pytest.raises(UnreadableError, match=words):
            parse(data)


def test_utf16_with_its_mark_is_read() -> None:
    assert parse('<?xml version="1.0" encoding="utf-16"?><a>ä</a>'.encode("utf-16")).text == "ä"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except UnreadableError as refused:
        assert len(str(refused)) < 200


def test_nil() -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    assert parse(f'<a {xsi} xsi:nil="true"/>'.encode()).is_nil
    assert parse(f'<a {xsi} xsi:nil="1"/>'.encode()).is_nil
    assert not parse(f'<a {xsi} xsi:nil="false"/>'.encode()).is_nil
    assert not parse(b'<a nil="true"/>').is_nil

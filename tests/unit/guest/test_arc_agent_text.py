# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What azcmagent, curl, reg and PowerShell print, recorded or documented, and what hostile text becomes."""

from __future__ import annotations

import json

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._guest.arc_agent_text import (
    agent_message,
    read_check,
    read_curl,
    read_object,
    read_product_code,
    read_settings,
    read_signature,
    without,
)

#: As two public pages show it (agents 1.4x and 1.5x).
CONFIG = """Local Configuration Settings\r
  incomingconnections.enabled (preview)                 : true\r
  incomingconnections.ports (preview)                   : []\r
  connection.type (preview)                             : default\r
  proxy.url                                             : http://169.254.0.11:3128\r
  proxy.bypass                                          : []\r
  extensions.allowlist                                  : []\r
  extensions.blocklist                                  : []\r
  guestconfiguration.enabled                            : true\r
  extensions.enabled                                    : true\r
  config.mode                                           : full\r
  guestconfiguration.agent.cpulimit                     : 5\r
"""


def test_settings() -> None:
    found = read_settings(CONFIG)
    assert found is not None
    assert found["proxy.url"] == "http://169.254.0.11:3128"
    assert found["extensions.allowlist"] == ()
    assert found["incomingconnections.enabled"] == "true"
    assert len(found) == 11


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("[A/a, B/b]", ("A/a", "B/b")),
        ("[A/a B/b]", ("A/a", "B/b")),
        ('["A/a","B/b"]', ("A/a", "B/b")),
        ("", ""),
        ("x\x1b[31m", "x [31m"),
    ],
)
def test_settings_in_the_forms_they_may_have(value: str, read: object) -> None:
    found = read_settings(f"  extensions.allowlist   : {value}\n")
    assert found == {"extensions.allowlist": read}


@pytest.mark.parametrize("text", ["", "level=fatal", "{}", ":::::\n" * 1000])
def test_no_settings(text: str) -> None:
    assert read_settings(text) is None


def test_check() -> None:
    rows = {
        "https://gbl.his.arc.azure.com": {"reachable": True, "private": False, "tls": "TLS 1.3", "required": True},
        "https://management.azure.com": {"reachable": "false", "required": "true"},
        "https://dc.services.visualstudio.com": {"Reachable": False, "Required": False},
        "https://odd.example.com": {"reachable": "perhaps"},
        "services": ["no endpoint"],
    }
    found = read_check("INFO checking\n" + json.dumps(rows) + "\ndone")
    assert found is not None
    assert [(row.reachable, row.required) for row in found] == [
        (True, True),
        (False, True),
        (False, False),
        (None, True),
    ]
    assert found[1].as_dict()["reachable"] == "no"
    assert read_check("{}") is None and read_check("no JSON") is None and read_check("[" * 100000) is None


def test_curl_names_its_code_in_every_language() -> None:
    assert read_curl("curl: (60) schannel: SEC_E_UNTRUSTED_ROOT (0x80090325) - Die Zertifikatkette ...") == 60
    assert read_curl("'curl.exe' is not recognized") is None


def test_the_product_code_is_the_keys_name() -> None:
    key = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
    code = "{8f1b2c4e-6c58-4e0b-9b69-1d50ac0b7a11}"
    text = (
        f"\r\n{key}\\{code}\r\n    DisplayName    REG_SZ    Azure Connected Machine Agent\r\n\r\nEnde der Suche: 1\r\n"
    )
    assert read_product_code(text) == code.upper()
    assert read_product_code(f"{key}\\AzureAgent\r\n") is None
    assert read_product_code(f"{key}\\{code} /qn & del x\r\n") is None


MICROSOFT = "CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, C=US"


@pytest.mark.parametrize(
    ("document", "valid", "trusted"),
    [
        ({"Status": 0, "Subject": MICROSOFT}, True, True),
        ({"Status": "Valid", "Subject": MICROSOFT}, True, True),
        ({"Status": 2, "Subject": None}, False, False),
        ({"Status": 3, "Subject": MICROSOFT}, False, True),
        ({"Status": "valid", "Subject": MICROSOFT}, False, True),
        ({"Status": 0, "Subject": "CN=Contoso, O=Contoso"}, True, False),
        ({"Status": 0, "Subject": "CN=Microsoft Corporation, O=Contoso"}, True, False),
        ({"Status": 0, "Subject": 'CN="Microsoft Corporation, O=Microsoft Corporation"'}, True, False),
        (
            {"Status": 0, "Subject": 'OU="x, CN=Microsoft Corporation, O=Microsoft Corporation", CN=Contoso'},
            True,
            False,
        ),
        ({"Status": 0, "Subject": f"{MICROSOFT}, O=Contoso"}, True, False),
        ({"Status": 0, "Subject": "CN=Microsoft Corporation Ltd, O=Microsoft Corporation"}, True, False),
        ({"Status": 0, "Subject": 5}, True, False),
        ({"Status": 0}, True, False),
    ],
)
def test_signature(document: dict[str, object], *, valid: bool, trusted: bool) -> None:
    found = read_signature(json.dumps(document))
    assert found is not None
    assert (found.valid, found.by_microsoft) == (valid, trusted)


@pytest.mark.parametrize(
    "text", ["", "Valid", "0", '{"Status": true}', '{"Status": null}', '{"Subject": "x"}', '["Status"]']
)
def test_what_is_no_answer_is_no_signature(text: str) -> None:
    assert read_signature(text) is None


def test_an_object_that_is_too_large_is_none() -> None:
    assert read_object('{"a": "' + "x" * 300000 + '"}') is None


def test_the_agents_own_words_without_a_secret() -> None:
    output = "INFO    Connecting\r\n  20% [==>   ]\r\n"
    output += 'level=fatal msg="AZCM0041: secret S3cret-value is wrong"\r\nINFO bye\r\n'
    assert agent_message(output, ["S3cret-value"]) == 'level=fatal msg="AZCM0041: secret ******** is wrong"'
    assert agent_message("", ()) == ""
    assert agent_message("\x1b[31mred", ()) == "[31mred"


def test_a_secret_at_the_edge_of_the_cut_is_not_shown_in_part() -> None:
    secret = "Planted-" + "x" * 40
    assert "Planted" not in agent_message("level=fatal " + "a" * 270 + secret, [secret])
    assert without("ab Planted-1 Planted-12", ["Planted-1", "Planted-12"]) == "ab ******** ********"

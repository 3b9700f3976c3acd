# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: what is accepted, how the server is named, and that secrets do not show."""

from __future__ import annotations

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from tests.unit.wsman.scripted import make_settings


@pytest.mark.parametrize(
    ("changed", "endpoint", "where"),
    [
        ({}, "https://192.0.2.7:5986/wsman", "web01 (192.0.2.7:5986)"),
        ({"address": "fe80::1"}, "https://[fe80::1]:5986/wsman", "web01 ([fe80::1]:5986)"),
        ({"address": "[fe80::1]"}, "https://[fe80::1]:5986/wsman", "web01 ([fe80::1]:5986)"),
        ({"scheme": "http", "port": 5985, "path": "/other/"}, "http://192.0.2.7:5985/other", "web01 (192.0.2.7:5985)"),
    ],
)
def test_addresses(changed: dict[str, object], endpoint: str, where: str) -> None:
    settings = make_settings(**changed)
    assert (settings.endpoint, settings.where) == (endpoint, where)


@pytest.mark.parametrize(
    "changed",
    [
        {"address": ""},
        {"address": "host/path"},
        {"address": "user@host"},
        {"port": 0},
        {"port": 70000},
        {"scheme": "ftp"},
        {"transports": ()},
        {"transports": ("ntlm", "telnet")},
        {"server_cert_validation": "maybe"},
        {"message_encryption": "sometimes"},
        {"operation_timeout": 30, "read_timeout": 30},
        {"operation_timeout": 0},
    ],
)
def test_settings_that_cannot_be_meant(changed: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="web01") as caught:
        make_settings(**changed)
    assert caught.value.server == "web01"


def test_secrets_do_not_show() -> None:
    settings = make_settings(
        proxy="http://me:pa55@proxy:3128", options={"keytab": "k3y"}, cert_key_pem="/secret/key.pem"
    )
    shown = repr(settings)
    for secret in ("correct horse", "pa55", "k3y", "/secret"):
        assert secret not in shown

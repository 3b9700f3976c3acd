# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a host, from real connection plugins of the installed ansible-core."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, NotSupported
from ansible_collections.winops.hotpatch.plugins.plugin_utils._connection import settings_of


def connection(plugin: str, **variables: Any) -> Any:
    """A connection plugin as the task executor leaves it: options set from variables, not connected."""
    made = connection_loader.get(plugin, PlayContext(), "/dev/null")
    options: dict[str, Any] = {"inventory_hostname": "web01", "ansible_host": "192.0.2.7", **variables}
    options["_extras"] = {key: value for key, value in variables.items() if key.startswith("ansible_winrm_")}
    made.set_options(var_options=options)
    return made


def test_winrm_defaults_are_those_of_ansible_core() -> None:
    settings = settings_of(connection("winrm", ansible_user="admin", ansible_password="s3cret"), "web01")
    assert (settings.address, settings.port, settings.scheme, settings.path) == ("192.0.2.7", 5986, "https", "wsman")
    assert (settings.username, settings.password, settings.transports) == ("admin", "s3cret", ("ssl",))
    assert settings.server_cert_validation == "validate"
    assert settings.name == "web01"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ansible_port": 5985}, {"scheme": "http", "transports": ("plaintext",)}),
        ({"ansible_port": 5985, "ansible_winrm_scheme": "https"}, {"scheme": "https", "transports": ("ssl",)}),
        ({"ansible_winrm_transport": "ntlm"}, {"transports": ("ntlm",)}),
        (
            {"ansible_winrm_transport": ["kerberos", "ntlm"], "ansible_password": None},
            {"transports": ("kerberos", "ntlm")},
        ),
        ({"ansible_winrm_server_cert_validation": "ignore"}, {"server_cert_validation": "ignore"}),
        ({"ansible_winrm_ca_trust_path": "/etc/ca.pem"}, {"ca_trust_path": "/etc/ca.pem"}),
        ({"ansible_winrm_ca_trust_path": "legacy_requests"}, {"ca_trust_path": None}),
        ({"ansible_winrm_message_encryption": "always"}, {"message_encryption": "always"}),
        ({"ansible_winrm_connection_timeout": 50}, {"operation_timeout": 50, "read_timeout": 60}),
        (
            {"ansible_winrm_operation_timeout_sec": 40, "ansible_winrm_read_timeout_sec": 70},
            {"operation_timeout": 40, "read_timeout": 70},
        ),
        ({"ansible_winrm_path": "/custom"}, {"path": "custom"}),
        ({"ansible_winrm_proxy": "http://proxy:3128"}, {"proxy": "http://proxy:3128"}),
        ({}, {"proxy": "legacy_requests"}),
        ({"ansible_winrm_send_cbt": False}, {"options": {"send_cbt": False}}),
        (
            {
                "ansible_winrm_cert_pem": "/c.pem",
                "ansible_winrm_cert_key_pem": "/k.pem",
                "ansible_winrm_transport": "certificate",
            },
            {"cert_pem": "/c.pem", "cert_key_pem": "/k.pem", "transports": ("certificate",)},
        ),
    ],
)  # fmt: skip
def test_winrm_options_are_honoured(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    settings = settings_of(connection("winrm", ansible_user="admin", **{"ansible_password": "x", **variables}), "web01")
    assert {key: getattr(settings, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"port": 5986, "scheme": "https", "transports": ("ntlm",), "proxy": "legacy_requests"}),
        ({"ansible_port": 5985}, {"port": 5985, "scheme": "http"}),
        ({"ansible_psrp_protocol": "http"}, {"port": 5985, "scheme": "http"}),
        ({"ansible_psrp_auth": "basic"}, {"transports": ("basic",)}),
        ({"ansible_psrp_auth": "credssp"}, {"transports": ("credssp",)}),
        ({"ansible_user": "patch@EXAMPLE.COM"}, {"transports": ("kerberos", "ntlm")}),
        ({"ansible_psrp_cert_validation": "ignore"}, {"server_cert_validation": "ignore"}),
        ({"ansible_psrp_ca_cert": "/etc/ca.pem"}, {"ca_trust_path": "/etc/ca.pem"}),
        ({"ansible_psrp_proxy": "http://proxy:3128"}, {"proxy": "http://proxy:3128"}),
        ({"ansible_psrp_proxy": "http://proxy:3128", "ansible_psrp_ignore_proxy": True}, {"proxy": None}),
        ({"ansible_psrp_read_timeout": 5, "ansible_psrp_operation_timeout": 20}, {"read_timeout": 30}),
        ({"ansible_psrp_message_encryption": "always"}, {"message_encryption": "always"}),
        ({"ansible_psrp_negotiate_delegate": True}, {"options": {"send_cbt": True, "kerberos_delegation": True}}),
    ],
)
def test_psrp_options_are_translated(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    settings = settings_of(
        connection("psrp", **{"ansible_user": "admin", "ansible_password": "x", **variables}), "web01"
    )
    assert {key: getattr(settings, key) for key in expected} == expected


def test_other_connection_plugins_are_refused_by_name() -> None:
    with pytest.raises(NotSupported, match=r"web01: the connection plugin is ssh.*winrm or psrp") as caught:
        settings_of(connection("ssh"), "web01")
    assert caught.value.hint is not None and "ansible_connection" in caught.value.hint


def test_a_port_that_is_no_number_is_an_error_and_not_a_trace() -> None:
    class Broken:
        ansible_name = "ansible.builtin.winrm"

        def get_option(self, name: str) -> Any:
            return {"port": "five", "remote_addr": "h", "remote_user": "u"}.get(name)

    with pytest.raises(InvalidInput, match="web01: the connection's port is 'five'"):
        settings_of(Broken(), "web01")


def test_kerberos_with_a_password_asks_ansible_core_for_the_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    made = connection(
        "winrm", ansible_user="patch@EXAMPLE.COM", ansible_password="s3cret", ansible_winrm_kinit_cmd="/opt/kinit"
    )
    asked: list[tuple[str, str, str]] = []
    monkeypatch.setattr(made, "_kerb_auth", lambda who, word: asked.append((who, word, made._kinit_cmd)))
    assert settings_of(made, "web01").transports == ("kerberos",)
    assert asked == [("patch@EXAMPLE.COM", "s3cret", "/opt/kinit")]


def test_kerberos_by_hand_asks_for_no_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    made = connection(
        "winrm", ansible_user="patch@EXAMPLE.COM", ansible_password="x", ansible_winrm_kinit_mode="manual"
    )
    monkeypatch.setattr(made, "_kerb_auth", lambda who, word: pytest.fail("a ticket was asked for"))
    assert settings_of(made, "web01").transports == ("kerberos",)

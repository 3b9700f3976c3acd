# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The WS-Management settings of a host, read from its own ``winrm`` or ``psrp`` connection options.

The options are read with ``get_option`` (public, and it resolves vaulted and templated values); the connection itself
is never opened, because opening it starts a shell on the server. What each option means to pywinrm follows
ansible-core's own ``winrm`` plugin, so a host that works with ``ansible.windows`` works here unchanged. A host set up
for ``psrp`` is served by the same client: its options are translated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, NotSupported
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings

#: What a psrp ``auth`` value is called by pywinrm. ``negotiate`` is decided by the form of the user name, see below.
_PSRP_AUTH = {
    "basic": ("basic",),
    "certificate": ("certificate",),
    "credssp": ("credssp",),
    "kerberos": ("kerberos",),
    "ntlm": ("ntlm",),
}

#: Arguments of pywinrm's Protocol that are set from named options and so are not passed on from ``ansible_winrm_*``.
_NAMED = {
    "endpoint", "transport", "username", "password", "scheme", "path", "server_cert_validation", "ca_trust_path",
    "cert_pem", "cert_key_pem", "message_encryption", "operation_timeout_sec", "read_timeout_sec", "proxy",
}  # fmt: skip


def settings_of(connection: Any, name: str) -> Settings:
    """Settings for the server behind an Ansible connection plugin.

    :param connection: the task's connection object, not necessarily connected.
    :param name: the inventory name, used in every message.
    :raises NotSupported: the connection plugin is neither winrm nor psrp.
    :raises InvalidInput: an option has a value that cannot be used.
    """
    plugin = str(getattr(connection, "ansible_name", "") or getattr(connection, "transport", "")).rpartition(".")[2]
    if plugin == "winrm":
        return _from_winrm(connection, name)
    if plugin == "psrp":
        return _from_psrp(connection, name)
    raise NotSupported(
        f"{name}: the connection plugin is {plugin or 'unknown'}; a Windows server is reached through winrm or psrp.",
        hint="Set ansible_connection to winrm or psrp for this host, or give the module its own address option.",
        server=name,
    )


def _from_winrm(connection: Any, name: str) -> Settings:
    option = connection.get_option
    port = _number(option("port"), "port", name)
    scheme = _text(option("scheme")) or ("http" if port == 5985 else "https")
    user = _text(option("remote_user"))
    password = _text(option("remote_password"))
    transports = tuple(str(item) for item in (option("transport") or ()) if item)
    if not transports:
        # The same default as ansible-core: a user principal name can only be a domain account.
        transports = ("kerberos",) if "@" in user else (("ssl",) if scheme == "https" else ("plaintext",))
    extras = {str(key).removeprefix("ansible_winrm_"): value for key, value in (option("_extras") or {}).items()}
    if "kerberos" in transports and password and option("kerberos_mode") != "manual":
        _obtain_ticket(connection, user, password, name)
    timeout = option("connection_timeout")
    operation = _number(timeout if timeout is not None else extras.get("operation_timeout_sec", 20), "timeout", name)
    read = operation + 10 if timeout is not None else _number(extras.get("read_timeout_sec", 30), "timeout", name)
    return Settings(
        name=name,
        address=str(option("remote_addr")),
        port=port,
        scheme=scheme,
        path=_text(option("path")).strip("/") or "wsman",
        username=user,
        password=password,
        transports=transports,
        server_cert_validation=_validation(extras.get("server_cert_validation"), name),
        ca_trust_path=_trust_path(extras.get("ca_trust_path")),
        cert_pem=_text(extras.get("cert_pem")) or None,
        cert_key_pem=_text(extras.get("cert_key_pem")) or None,
        message_encryption=_text(extras.get("message_encryption")) or "auto",
        operation_timeout=operation,
        read_timeout=read,
        # Unset, pywinrm looks at the environment, and so does ansible-core's plugin.
        proxy=_text(extras.get("proxy", "legacy_requests")) or None,
        options={key: value for key, value in extras.items() if key not in _NAMED},
    )


def _from_psrp(connection: Any, name: str) -> Settings:
    option = connection.get_option
    port, scheme = option("port"), _text(option("protocol"))
    if not scheme:
        scheme = "http" if port is not None and _number(port, "port", name) == 5985 else "https"
    if port is None:
        port = 5986 if scheme == "https" else 5985
    user = _text(option("remote_user"))
    auth = _text(option("auth")) or "negotiate"
    transports = _PSRP_AUTH.get(auth) or (("kerberos", "ntlm") if "@" in user else ("ntlm",))
    # Unset, pypsrp looks at the environment (by requests), which pywinrm calls legacy_requests.
    proxy = None if option("ignore_proxy") else _text(option("proxy")) or "legacy_requests"
    operation = _number(option("operation_timeout"), "operation_timeout", name)
    options: dict[str, Any] = {"send_cbt": bool(option("negotiate_send_cbt"))}
    if option("negotiate_delegate"):
        options["kerberos_delegation"] = True
    if option("negotiate_hostname_override"):
        options["kerberos_hostname_override"] = _text(option("negotiate_hostname_override"))
    if option("credssp_disable_tlsv1_2"):
        options["credssp_disable_tlsv1_2"] = True
    return Settings(
        name=name,
        address=str(option("remote_addr")),
        port=_number(port, "port", name),
        scheme=scheme,
        path=_text(option("path")).strip("/") or "wsman",
        username=user,
        password=_text(option("remote_password")),
        transports=transports,
        server_cert_validation=_validation(option("cert_validation"), name),
        ca_trust_path=_text(option("ca_cert")) or None,
        cert_pem=_text(option("certificate_pem")) or None,
        cert_key_pem=_text(option("certificate_key_pem")) or None,
        message_encryption=_text(option("message_encryption")) or "auto",
        operation_timeout=operation,
        # pywinrm wants the read to outlast the operation.
        read_timeout=max(_number(option("read_timeout"), "read_timeout", name), operation + 10),
        proxy=proxy,
        options=options,
    )


def _obtain_ticket(connection: Any, principal: str, password: str, name: str) -> None:
    """Let ansible-core's own plugin run kinit, so that kerberos_command, kinit_args and the rest keep their meaning."""
    kinit: Callable[[str, str], None] | None = getattr(connection, "_kerb_auth", None)
    if kinit is None:
        raise NotSupported(
            f"{name}: this ansible-core's winrm plugin offers no way to obtain a Kerberos ticket.",
            hint="Run kinit yourself and set ansible_winrm_kerberos_mode to manual.",
            server=name,
        )
    # The plugin fills this attribute while it connects, which is just what is not wanted here.
    connection._kinit_cmd = connection.get_option("kerberos_command")
    kinit(principal, password)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _number(value: object, what: str, name: str) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise InvalidInput(
            f"{name}: the connection's {what} is {str(value)!r}, which is not a whole number.", server=name
        ) from None


def _validation(value: object, name: str) -> str:
    text = _text(value) or "validate"
    if text not in ("validate", "ignore"):
        raise InvalidInput(
            f"{name}: certificate validation is set to {text!r}; it can be validate or ignore.", server=name
        )
    return text


def _trust_path(value: object) -> str | None:
    """pywinrm's own word for "the system's authorities" is legacy_requests; here that is simply None."""
    text = _text(value)
    return None if text in ("", "legacy_requests") else text

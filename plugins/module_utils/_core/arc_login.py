# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What the Arc agent is given to connect and to disconnect, from options or from a configuration file of the person.

The names of the agent's own options: azure-management-docs, azcmagent connect. No message here holds a value that may
be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.arc_agent import LoginFile

_Broken = tuple[type[Exception], ...]
try:
    import yaml
except ImportError:  # a configuration file is read as JSON then
    yaml = None  # type: ignore[assignment]
    _BROKEN: _Broken = (ValueError,)
else:
    _BROKEN = (ValueError, yaml.YAMLError)

_SECRET_OPTIONS = ("service-principal-secret", "access-token")
_LOGIN_OPTIONS = (
    "access-token",
    "service-principal-id",
    "service-principal-secret",
    "service-principal-cert",
    "service-principal-cert-thumbprint",
)
#: What decides where the machine stands: the module's option and the agent's.
PLACE = {
    "tenant_id": "tenant-id",
    "subscription_id": "subscription-id",
    "resource_group": "resource-group",
    "resource_name": "resource-name",
    "location": "location",
    "cloud": "cloud",
}
_FURTHER = {
    "correlation_id": "correlation-id",
    "private_link_scope": "private-link-scope",
    "gateway_id": "gateway-id",
    "service_principal_id": "service-principal-id",
    "service_principal_secret": "service-principal-secret",
    "service_principal_certificate_thumbprint": "service-principal-cert-thumbprint",
    "access_token": "access-token",
}
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MAX_CERTIFICATE = 256 * 1024
_MAX_CONFIG = 64 * 1024


@dataclass(frozen=True)
class Login:
    """How to log in, and where the machine is wanted."""

    options: Mapping[str, str]
    certificate: bytes | None
    certificate_ending: str

    @property
    def given(self) -> bool:
        """Whether there is anything to log in with."""
        return self.certificate is not None or any(
            name in self.options for name in _LOGIN_OPTIONS if name != "service-principal-id"
        )

    @property
    def place(self) -> dict[str, str | None]:
        """Where the machine is wanted, by the module's names."""
        return {name: self.options.get(key) for name, key in PLACE.items()}

    @property
    def private_link_scope(self) -> str | None:
        """The private link scope through which it is to be connected."""
        return self.options.get("private-link-scope") or None

    def for_connect(self) -> LoginFile:
        return self._file(dict(self.options))

    def for_disconnect(self) -> LoginFile:
        """The agent knows where it is; it only wants to know who asks."""
        wanted = (*_LOGIN_OPTIONS, "tenant-id")
        options = {name: value for name, value in self.options.items() if name in wanted}
        if "service-principal-id" not in options:
            options.pop("tenant-id", None)
        return self._file(options)

    def _file(self, options: dict[str, str]) -> LoginFile:
        hidden = tuple(self.options[name] for name in _SECRET_OPTIONS if name in self.options)
        return LoginFile(options, hidden, self.certificate, self.certificate_ending)


def read_login(params: Mapping[str, Any]) -> Login:
    """The login that the options describe.

    :raises InvalidInput: a file cannot be read, or options do not fit together.
    """
    options: dict[str, str] = {}
    if params["connect_config"]:
        options = _configuration(str(params["connect_config"]))
    for name, key in {**PLACE, **_FURTHER}.items():
        if params[name]:
            options[key] = str(params[name])
    if params["tags"]:
        options["tags"] = tags_text(params["tags"])
    certificate, ending = None, "pem"
    if path := params["service_principal_certificate"] or options.pop("service-principal-cert", None):
        certificate, ending = _certificate(str(path))
    login = Login(options, certificate, ending)
    _check(login)
    return login


def _check(login: Login) -> None:
    options = login.options
    for key in ("subscription-id", "tenant-id", "service-principal-id"):
        if key in options and not _GUID.fullmatch(options[key]):
            raise InvalidInput(f"{key.replace('-', '_')} must be an id such as 01234567-89ab-cdef-0123-456789abcdef.")
    proofs = [key for key in options if key in _LOGIN_OPTIONS and key != "service-principal-id"]
    proofs += ["service-principal-cert"] if login.certificate is not None else []
    if len(proofs) > 1:
        raise InvalidInput(f"Give one way to log in, not several: {', '.join(sorted(proofs))}.")
    by_principal = bool(proofs) and proofs[0] != "access-token"
    if by_principal and "service-principal-id" not in options:
        raise InvalidInput("A secret or certificate of a service principal needs service_principal_id beside it.")
    if by_principal and "tenant-id" not in options:
        raise InvalidInput("A service principal needs tenant_id beside it.")
    if "service-principal-id" in options and not by_principal:
        raise InvalidInput(
            "service_principal_id needs service_principal_secret, service_principal_certificate or "
            "service_principal_certificate_thumbprint beside it."
        )


def tags_text(tags: Mapping[str, Any]) -> str:
    """``A=1,'B C'='2, 3'``, as azcmagent takes tags.

    :raises InvalidInput: a name is empty, or a text cannot be put into that form.
    """
    parts = []
    for name, value in tags.items():
        texts = [str(name), "" if value is None else str(value)]
        if not texts[0].strip() or any(re.search(r"['\x00-\x1f=]", texts[0]) or "'" in text for text in texts):
            raise InvalidInput(f"The tag {texts[0]!r} cannot be given to the agent: no quotes, no = in its name.")
        parts.append("=".join(f"'{text}'" if re.search(r"[\s,=]", text) else text for text in texts))
    return ",".join(parts)


def _configuration(path: str) -> dict[str, str]:
    text = _bytes(path, _MAX_CONFIG, "connect_config").decode("utf-8-sig", "replace")
    try:
        document = _parsed(text)
    except _BROKEN:
        raise InvalidInput(f"The file {path} of connect_config is neither JSON nor YAML.") from None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise InvalidInput(f"The file {path} of connect_config does not hold names and values.")
    found: dict[str, str] = {}
    for key, value in document.items():
        if isinstance(value, bool):
            if value:
                found[key] = "true"
        elif isinstance(value, str | int | float):
            found[key] = str(value)
        elif value is not None:
            raise InvalidInput(f"The file {path} of connect_config: {key} is neither text nor number.")
    return found


def _parsed(text: str) -> Any:
    if yaml is None:
        return json.loads(text)
    return yaml.safe_load(text)


def _certificate(path: str) -> tuple[bytes, str]:
    ending = Path(path).suffix.lower().lstrip(".")
    if ending not in ("pem", "pfx", "crt", "p12"):
        raise InvalidInput(f"The certificate {path} must be a .pem or .pfx file with its private key.")
    return _bytes(path, _MAX_CERTIFICATE, "service_principal_certificate"), ending


def _bytes(path: str, limit: int, option: str) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(f"The file {path} of {option} cannot be read: {error.strerror}.") from None
    if not data or len(data) > limit:
        raise InvalidInput(f"The file {path} of {option} is empty or larger than {limit} bytes.")
    return data

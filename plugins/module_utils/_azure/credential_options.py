# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""How a person says which Azure account to use: options, environment variables, a file.

The names are those that users of azure.azcollection know. Two families of environment variables are in use, that
collection's (AZURE_SECRET, AZURE_TENANT) and the SDK's (AZURE_CLIENT_SECRET, AZURE_TENANT_ID); both are read, and two
that contradict each other are an error rather than a guess. A secret stays in an :class:`Account` and is never printed.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

SOURCES = ("auto", "env", "credential_file", "cli", "msi", "workload_identity", "access_token")

CREDENTIAL_OPTIONS: dict[str, dict[str, Any]] = {
    "auth_source": {"type": "str", "choices": list(SOURCES)},
    "profile": {"type": "str"},
    "subscription_id": {"type": "str"},
    "client_id": {"type": "str"},
    "secret": {"type": "str", "no_log": True},
    "tenant": {"type": "str"},
    "x509_certificate_path": {"type": "path"},
    "thumbprint": {"type": "str"},
    "access_token": {"type": "str", "no_log": True},
    "cloud_environment": {"type": "str"},
    "adfs_authority_url": {"type": "str"},
    "disable_instance_discovery": {"type": "bool"},
    "ca_path": {"type": "path"},
    "arm_share": {"type": "float", "default": 1.0},
    "arm_timeout": {"type": "int", "default": 60},
}

#: Option to the environment variables that may hold it.
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "auth_source": ("ANSIBLE_AZURE_AUTH_SOURCE",),
    "profile": ("AZURE_PROFILE",),
    "subscription_id": ("AZURE_SUBSCRIPTION_ID",),
    "client_id": ("AZURE_CLIENT_ID",),
    "secret": ("AZURE_SECRET", "AZURE_CLIENT_SECRET"),
    "tenant": ("AZURE_TENANT", "AZURE_TENANT_ID"),
    "x509_certificate_path": ("AZURE_X509_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PATH"),
    "thumbprint": ("AZURE_THUMBPRINT",),
    "access_token": ("AZURE_ACCESS_TOKEN",),
    "cloud_environment": ("AZURE_CLOUD_ENVIRONMENT",),
    "adfs_authority_url": ("AZURE_ADFS_AUTHORITY_URL", "AZURE_AUTHORITY_HOST"),
    "disable_instance_discovery": ("AZURE_DISABLE_INSTANCE_DISCOVERY",),
    "ca_path": ("AZURE_CA_PATH",),
}
#: What a service principal is made of.
_PRINCIPAL = ("client_id", "secret", "tenant", "x509_certificate_path", "thumbprint")
#: What a service principal proves itself with.
_PROOF = ("secret", "x509_certificate_path", "thumbprint")
#: True wherever the account comes from: they say which cloud and which subscription, not who.
_AROUND = ("subscription_id", "cloud_environment", "adfs_authority_url", "disable_instance_discovery", "ca_path")
#: The file's own names for options that it calls otherwise.
_FILE_NAMES = {"secret": ("client_secret",), "tenant": ("tenant_id",)}
_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105  the name of a variable
CREDENTIAL_FILE = "~/.azure/credentials"


@dataclass(frozen=True)
class Account:
    """Who logs in to which cloud, and how.

    :ivar source: where it was found: ``options``, ``environment``, ``credential_file``, ``cli``, ...
    :ivar kind: ``secret``, ``certificate``, ``msi``, ``workload_identity``, ``cli`` or ``access_token``.
    """

    source: str
    kind: str
    subscription_id: str | None = None
    client_id: str | None = None
    secret: str | None = field(default=None, repr=False)
    tenant: str | None = None
    x509_certificate_path: str | None = None
    thumbprint: str | None = None
    access_token: str | None = field(default=None, repr=False)
    token_file: str | None = None
    cloud_environment: str = "AzureCloud"
    authority: str | None = None
    disable_instance_discovery: bool = False
    ca_path: str | None = None

    @property
    def words(self) -> str:
        """For messages: who, without a secret."""
        who = {
            "secret": f"service principal {self.client_id}",
            "certificate": f"service principal {self.client_id} (certificate)",
            "msi": f"managed identity {self.client_id or '(system-assigned)'}",
            "workload_identity": f"workload identity {self.client_id}",
            "cli": "the account of the Azure CLI",
            "access_token": "the given access token",
        }[self.kind]
        return f"{who}, from {self.source}"


def account_of(params: Mapping[str, Any], environment: Mapping[str, str]) -> Account:
    """The account that options, environment or file name.

    ``auto`` looks in this order: options, environment (a workload identity's too), file, Azure CLI.

    :raises InvalidInput: what was given is incomplete or contradicts itself.
    """
    from_environment = _from_environment(environment)
    source = params.get("auth_source") or from_environment.get("auth_source") or "auto"
    if source not in SOURCES:
        raise InvalidInput(f"auth_source: there is no source {source!r}; there are {', '.join(SOURCES)}.")
    options = {name: value for name, value in params.items() if name in VARIABLES and value not in (None, "")}
    profile = str(options.get("profile") or from_environment.get("profile") or "default")
    around = {name: options.get(name, from_environment.get(name)) for name in _AROUND}
    if source == "access_token":
        token = options.get("access_token") or from_environment.get("access_token")
        if not token:
            raise InvalidInput("auth_source is access_token, and there is neither access_token nor AZURE_ACCESS_TOKEN.")
        return _account(
            "options" if "access_token" in options else "environment", "access_token", around, {"access_token": token}
        )
    if source == "msi":
        identity = options.get("client_id") or from_environment.get("client_id")
        return _account("options", "msi", around, {"client_id": identity})
    if source == "cli":
        return _account("Azure CLI", "cli", around, {"tenant": options.get("tenant")})
    if source == "workload_identity":
        return _workload_identity(options, from_environment, environment, around)
    if source == "credential_file":
        return _from_file(profile, environment, around)
    if source == "env":
        return _principal("environment", from_environment, around)
    return _automatic(options, from_environment, environment, around, profile)


def _automatic(
    options: Mapping[str, Any],
    from_environment: Mapping[str, str],
    environment: Mapping[str, str],
    around: Mapping[str, Any],
    profile: str,
) -> Account:
    if options.get("access_token"):
        return _account("options", "access_token", around, {"access_token": options["access_token"]})
    if any(options.get(name) for name in _PRINCIPAL):
        # An inventory often holds the ids and leaves only the secret to the environment; a secret or a certificate that
        # it does hold is the one that is meant.
        proof = {name: value for name, value in from_environment.items() if name in _PROOF}
        others = {name: value for name, value in from_environment.items() if name not in _PROOF}
        held = options.get("secret") or options.get("x509_certificate_path")
        return _principal("options", {**others, **({} if held else proof), **options}, around)
    if options.get("profile"):
        return _from_file(profile, environment, around)
    if from_environment.get("secret") or from_environment.get("x509_certificate_path"):
        return _principal("environment", from_environment, around)
    if environment.get(_TOKEN_FILE):
        return _workload_identity(options, from_environment, environment, around)
    if from_environment.get("access_token"):
        return _account("environment", "access_token", around, {"access_token": from_environment["access_token"]})
    if from_environment.get("profile") or _has_section(profile, environment):
        return _from_file(profile, environment, around)
    return _account("Azure CLI", "cli", around, {})


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for option, names in VARIABLES.items():
        values = {name: environment[name] for name in names if environment.get(name)}
        if len(set(values.values())) > 1:
            raise InvalidInput(f"The environment variables {' and '.join(values)} differ; unset one of them.")
        if values:
            found[option] = next(iter(values.values()))
    return found


def _account(source: str, kind: str, around: Mapping[str, Any], given: Mapping[str, Any]) -> Account:
    discovery = around.get("disable_instance_discovery")
    ca_path = around.get("ca_path")
    return Account(
        source=source,
        kind=kind,
        subscription_id=around.get("subscription_id"),
        cloud_environment=around.get("cloud_environment") or "AzureCloud",
        authority=around.get("adfs_authority_url"),
        disable_instance_discovery=discovery is True or str(discovery).lower() in ("1", "true", "yes"),
        ca_path=os.path.expanduser(ca_path) if ca_path else None,
        **given,
    )


def _principal(source: str, values: Mapping[str, Any], around: Mapping[str, Any]) -> Account:
    if not any(values.get(name) for name in _PRINCIPAL):
        raise InvalidInput(
            f"There is no Azure account in the {source}.",
            hint="Set client_id, tenant and secret (AZURE_CLIENT_ID, AZURE_TENANT, AZURE_SECRET), or auth_source.",
        )
    missing = [name for name in ("client_id", "tenant") if not values.get(name)]
    if not values.get("secret") and not values.get("x509_certificate_path"):
        missing.append("secret or x509_certificate_path")
    if missing:
        raise InvalidInput(
            f"The service principal in the {source} is incomplete: {', '.join(missing)} missing.",
            hint="A service principal has client_id, tenant, and either secret or x509_certificate_path.",
        )
    given = {name: values.get(name) for name in ("client_id", "tenant")}
    if values.get("secret"):
        return _account(source, "secret", around, {**given, "secret": values["secret"]})
    path = os.path.expanduser(str(values["x509_certificate_path"]))
    return _account(
        source,
        "certificate",
        around,
        {**given, "x509_certificate_path": path, "thumbprint": values.get("thumbprint")},
    )


def _workload_identity(
    options: Mapping[str, Any],
    from_environment: Mapping[str, str],
    environment: Mapping[str, str],
    around: Mapping[str, Any],
) -> Account:
    values = {name: options.get(name) or from_environment.get(name) for name in ("client_id", "tenant")}
    token_file = environment.get(_TOKEN_FILE)
    missing = [name for name, value in values.items() if not value] + ([] if token_file else [_TOKEN_FILE])
    if missing:
        raise InvalidInput(
            f"The workload identity is incomplete: {', '.join(missing)} missing.",
            hint="On Kubernetes the webhook sets them; elsewhere set AZURE_FEDERATED_TOKEN_FILE, client_id and tenant.",
        )
    return _account("environment", "workload_identity", around, {**values, "token_file": token_file})


def _file(environment: Mapping[str, str]) -> tuple[str, configparser.ConfigParser]:
    """The credential file, empty when there is none."""
    home = environment.get("HOME")
    path = CREDENTIAL_FILE.replace("~", home) if home else os.path.expanduser(CREDENTIAL_FILE)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # The parser quotes the line it does not understand, which may be a secret.
        raise InvalidInput(f"The credential file {path} cannot be read: {type(error).__name__}.") from None
    return path, parser


def _has_section(profile: str, environment: Mapping[str, str]) -> bool:
    return _file(environment)[1].has_section(profile)


def _from_file(profile: str, environment: Mapping[str, str], around: Mapping[str, Any]) -> Account:
    path, parser = _file(environment)
    if not parser.has_section(profile):
        raise InvalidInput(
            f"The credential file {path} has no section [{profile}].",
            hint="Name another profile, or another auth_source.",
        )
    section = parser[profile]
    values = {
        name: next((section[key] for key in (name, *_FILE_NAMES.get(name, ())) if section.get(key)), None)
        for name in VARIABLES
    }
    there = {name: around.get(name) or values.get(name) for name in _AROUND}
    return _principal(f"credential file {path}, profile {profile}", values, there)

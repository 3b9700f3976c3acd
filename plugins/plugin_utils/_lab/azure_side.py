# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure knows, as far as an agent on a server meets it: who may log in, and the Arc machines by resource id.

Error codes are those of the agent's own table (azure-management-docs, troubleshoot-agent-onboard); the sentences are
those of the public outputs quoted there, shortened. That a resource of a machine without contact may be taken over by
a machine of the same name, while that of a live one may not (AZCM0044), is this lab's assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TENANT = "6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10"
SUBSCRIPTION = "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33"
GROUP = "rg-arc-servers"
LOCATION = "westeurope"

CLOUDS = ("AzureCloud", "AzureUSGovernment", "AzureChinaCloud")
#: What a subscription can be registered for here.
PROVIDERS = (
    "Microsoft.Compute",
    "Microsoft.HybridCompute",
    "Microsoft.GuestConfiguration",
    "Microsoft.HybridConnectivity",
    "Microsoft.AzureArcData",
    "Microsoft.Maintenance",
    "Microsoft.Insights",
    "Microsoft.AzureStackHCI",
)
#: More would make the lab's start slow.
MOST_EXTRA_MACHINES = 20_000
REGIONS = frozenset(
    "australiaeast australiasoutheast brazilsouth canadacentral canadaeast centralindia centralus eastasia eastus "
    "eastus2 francecentral germanywestcentral italynorth japaneast japanwest koreacentral northcentralus northeurope "
    "norwayeast southafricanorth southcentralus southeastasia spaincentral swedencentral switzerlandnorth uaenorth "
    "uksouth ukwest westcentralus westeurope westus westus2 westus3 usgovvirginia usgovarizona chinaeast2 "
    "chinanorth3".split()
)


class AzureSettingsError(Exception):
    """The fleet file's ``azure`` cannot be used."""


class AzureRefusal(Exception):
    """Azure says no; ``code`` is the agent's AZCM number for it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class ServicePrincipal:
    """An application that may log in: with a secret, with a certificate (known by its file's text), or both."""

    id: str
    secret: str | None = None
    certificate: str | None = None
    thumbprint: str | None = None
    tenant_id: str = TENANT
    may_delete: bool = True


#: Who may log in unless the fleet file says otherwise; docs/lab.md names it.
_ONBOARDING = ServicePrincipal("3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21", "Lab-onboarding-secret-1")


@dataclass(frozen=True)
class AzureSettings:
    """The fleet file's ``azure``; the field names are its keys."""

    tenant_id: str = TENANT
    subscription_id: str = SUBSCRIPTION
    resource_groups: tuple[str, ...] = (GROUP,)
    service_principals: tuple[ServicePrincipal, ...] = (_ONBOARDING,)
    access_tokens: tuple[str, ...] = ("lab.access.token",)
    token_seconds: float = 3600.0
    extra_machines: int = 0
    unregistered_providers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reported:
    """What the agent of a machine told that no server of this lab is behind.

    :ivar licence: ``enrolled``, ``paused`` or empty.
    """

    os_version: str
    os_sku: str
    os_edition: str
    fqdn: str
    licence: str = ""


@dataclass
class ArcMachine:
    """One resource of type Microsoft.HybridCompute/machines."""

    name: str
    resource_group: str
    subscription_id: str
    tenant_id: str
    location: str
    vm_id: str
    cloud: str = "AzureCloud"
    tags: dict[str, str] = field(default_factory=dict)
    correlation_id: str = ""
    private_link_scope: str = ""
    gateway_id: str = ""
    status: str = "Connected"
    created: datetime | None = None
    reported: Reported | None = None

    @property
    def id(self) -> str:
        """The resource id, as ARM writes it."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.HybridCompute/machines/{self.name}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For the control address."""
        return {
            "id": self.id,
            "name": self.name,
            "resource_group": self.resource_group,
            "subscription_id": self.subscription_id,
            "tenant_id": self.tenant_id,
            "location": self.location,
            "vm_id": self.vm_id,
            "cloud": self.cloud,
            "tags": self.tags,
            "correlation_id": self.correlation_id,
            "private_link_scope": self.private_link_scope,
            "gateway_id": self.gateway_id,
            "status": self.status,
        }


@dataclass(frozen=True)
class Login:
    """Somebody who has logged in."""

    tenant_id: str | None
    may_delete: bool


class AzureSide:
    """The state that all servers of a lab share."""

    def __init__(self, settings: AzureSettings | None = None) -> None:
        self.settings = settings or AzureSettings()
        self._machines: dict[str, ArcMachine] = {}

    @property
    def machines(self) -> list[ArcMachine]:
        """All, by id."""
        return [self._machines[key] for key in sorted(self._machines)]

    def find(self, resource_id: str) -> ArcMachine | None:
        """The machine of that id, without regard to case."""
        return self._machines.get(resource_id.lower())

    def login_with_token(self, token: str) -> Login:
        """:raises AzureRefusal: the token is not one of Azure's."""
        if token not in self.settings.access_tokens:
            raise AzureRefusal(12, "Invalid access token provided")
        return Login(None, True)

    def login_with_secret(self, principal: str, secret: str, tenant: str) -> Login:
        """:raises AzureRefusal: unknown, of another tenant, or the secret is wrong."""
        found = self._principal(principal, tenant)
        if found.secret is None or found.secret != secret:
            raise AzureRefusal(41, "Failed to acquire authorization token from SPN: Invalid client secret is provided")
        return Login(found.tenant_id, found.may_delete)

    def login_with_certificate(self, principal: str, tenant: str, *, text: str = "", thumbprint: str = "") -> Login:
        """:raises AzureRefusal: unknown, of another tenant, or not its certificate."""
        found = self._principal(principal, tenant)
        by_file = found.certificate is not None and text.strip() == found.certificate.strip()
        by_thumbprint = found.thumbprint is not None and thumbprint.lower() == found.thumbprint.lower()
        if not (by_file or by_thumbprint):
            raise AzureRefusal(41, "Failed to acquire authorization token from SPN: the certificate is not registered")
        return Login(found.tenant_id, found.may_delete)

    def _principal(self, principal: str, tenant: str) -> ServicePrincipal:
        for known in self.settings.service_principals:
            if known.id.lower() == principal.lower() and known.tenant_id.lower() == tenant.lower():
                return known
        raise AzureRefusal(
            41,
            f"Failed to acquire authorization token from SPN: Application with identifier '{principal}' wasn't found "
            f"in the directory '{tenant}'",
        )

    def create(self, machine: ArcMachine) -> None:
        """Make the resource of a machine.

        :raises AzureRefusal: no such subscription or group, or a live machine of that name is there.
        """
        settings = self.settings
        if machine.subscription_id.lower() != settings.subscription_id.lower():
            raise AzureRefusal(
                42, f"Failed to Create Resource: The subscription '{machine.subscription_id}' could not be found."
            )
        groups = {name.lower() for name in settings.resource_groups}
        if machine.resource_group.lower() not in groups:
            raise AzureRefusal(
                42, f"Failed to Create Resource: Resource group '{machine.resource_group}' could not be found."
            )
        there = self.find(machine.id)
        if there is not None and there.status == "Connected" and there.vm_id != machine.vm_id:
            raise AzureRefusal(44, "A resource with the same name already exists")
        self.put(machine)

    def put(self, machine: ArcMachine) -> None:
        """Place a resource as it is, in place of what was there."""
        self._machines[machine.id.lower()] = machine

    def delete(self, resource_id: str, login: Login) -> bool:
        """Delete a resource; False when it was not there.

        :raises AzureRefusal: this account may not.
        """
        if resource_id.lower() not in self._machines:
            return False
        if not login.may_delete:
            raise AzureRefusal(
                43, "Failed to Delete Resource: the client does not have authorization to perform action "
                "'Microsoft.HybridCompute/machines/delete'"
            )  # fmt: skip
        del self._machines[resource_id.lower()]
        return True

    def remove(self, resource_id: str) -> None:
        """Somebody deletes it in the portal."""
        self._machines.pop(resource_id.lower(), None)


def azure_settings(raw: Mapping[str, Any], where: str) -> AzureSettings:
    """Read the fleet file's ``azure``.

    :raises AzureSettingsError: an unknown key or a wrong value.
    """
    known = {
        *("tenant_id", "subscription_id", "resource_groups", "service_principals", "access_tokens", "token_seconds"),
        *("extra_machines", "unregistered_providers"),
    }
    _only(raw, known, where)
    values: dict[str, Any] = {}
    for key in ("tenant_id", "subscription_id"):
        if key in raw:
            values[key] = _text(raw[key], f"{where}: {key}")
    for key in ("resource_groups", "access_tokens", "unregistered_providers"):
        if key in raw:
            values[key] = tuple(_text(item, f"{where}: {key}") for item in _list(raw[key], f"{where}: {key}"))
    if "service_principals" in raw:
        rows = _list(raw["service_principals"], f"{where}: service_principals")
        values["service_principals"] = tuple(_principal(row, where, values.get("tenant_id", TENANT)) for row in rows)
    seconds = raw.get("token_seconds", 3600.0)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds <= 0:
        raise AzureSettingsError(f"{where}: token_seconds must be a number above 0, not {seconds!r}.")
    for name in values.get("unregistered_providers", ()):
        if name not in PROVIDERS:
            raise AzureSettingsError(
                f"{where}: unregistered_providers: unknown {name!r}; known are {', '.join(PROVIDERS)}."
            )
    extra = raw.get("extra_machines", 0)
    if not isinstance(extra, int) or isinstance(extra, bool) or not 0 <= extra <= MOST_EXTRA_MACHINES:
        raise AzureSettingsError(f"{where}: extra_machines must be a number from 0 to {MOST_EXTRA_MACHINES}.")
    return AzureSettings(**values, token_seconds=float(seconds), extra_machines=extra)


def _principal(row: Any, where: str, tenant: str) -> ServicePrincipal:
    place = f"{where}: service_principals"
    if not isinstance(row, Mapping):
        raise AzureSettingsError(f"{place}: keys and values are expected here.")
    _only(row, {"id", "secret", "certificate", "thumbprint", "tenant_id", "may_delete"}, place)
    texts = {key: _text(row[key], f"{place}: {key}") for key in row if key != "may_delete"}
    if "id" not in texts:
        raise AzureSettingsError(f"{place}: 'id' is missing.")
    may_delete = row.get("may_delete", True)
    if not isinstance(may_delete, bool):
        raise AzureSettingsError(f"{place}: 'may_delete' must be true or false.")
    return ServicePrincipal(**{"tenant_id": tenant, **texts}, may_delete=may_delete)


def _only(row: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in row:
        if key not in known:
            raise AzureSettingsError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}.")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise AzureSettingsError(f"{where} must be text, not {value!r}.")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise AzureSettingsError(f"{where} must be a list.")
    return list(value)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Entra as far as a service principal meets it: the token endpoint, tokens that end, a managed identity.

Requests and answers: learn.microsoft.com, "OAuth 2.0 client credentials flow" and "How to use managed identities for
App Service" (the REST form). Who may log in is in the fleet file (``azure_side``). A client assertion is taken when it
is the lab's federated token, or a JWT whose signature fits the certificate that the lab made for its principal.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import ArmAnswer, ArmRefusal
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import AzureRefusal, AzureSide

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FEDERATED_TOKEN = "lab-federated-token"  # noqa: S105  what a pod's token file would hold
IDENTITY_HEADER = "lab-identity-header"
_MANAGED_IDENTITY = "b5d6f0c4-64f2-4f0c-9d7e-1f8a1c2d3e4f"


@dataclass(frozen=True)
class _Token:
    principal: str
    ends: float


class Logins:
    """The tokens that were given out.

    :param seconds: the time now; tokens live by the wall clock, because the client judges their end by its own.
    """

    def __init__(self, azure: AzureSide, seconds: Callable[[], float], token_seconds: float) -> None:
        self._azure = azure
        self._seconds = seconds
        self._lifetime = token_seconds
        self._tokens: dict[str, _Token] = {}
        self.client_certificate: Any = None
        self.given = 0

    def issue(self, principal: str) -> tuple[str, float]:
        """A new token and when it ends."""
        token = f"lab.{secrets.token_hex(24)}"
        ends = self._seconds() + self._lifetime
        self._tokens[token] = _Token(principal, ends)
        self.given += 1
        return token, ends

    def revoke_all(self) -> None:
        """Somebody revokes what was given out."""
        self._tokens.clear()

    def principal_of(self, headers: Mapping[str, str], login: str) -> str:
        """Who asks.

        :raises ArmRefusal: 401, with ARM's reason.
        """
        tenant = self._azure.settings.tenant_id
        scheme, _space, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized(
                "AuthenticationFailed", "The 'Authorization' header is missing or invalid.", login, tenant
            )
        if token in self._azure.settings.access_tokens:
            return "access token of the fleet file"
        known = self._tokens.get(token)
        if known is None:
            raise _unauthorized("InvalidAuthenticationToken", "The access token is invalid.", login, tenant)
        if known.ends <= self._seconds():
            raise _unauthorized(
                "ExpiredAuthenticationToken",
                "The access token expiry UTC time is earlier than current UTC time.",
                login,
                tenant,
            )
        return known.principal

    # What Entra answers

    def token(self, tenant: str, form: Mapping[str, str]) -> ArmAnswer:
        """The token endpoint, for the client credentials flow."""
        if form.get("grant_type") != "client_credentials":
            return _oauth_error("unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
        if not form.get("scope", "").endswith("/.default"):
            return _oauth_error("invalid_scope", "AADSTS1002012: The provided value for scope is not valid.")
        client = form.get("client_id", "")
        try:
            if form.get("client_assertion_type") == ASSERTION:
                self._check_assertion(client, tenant, form.get("client_assertion", ""))
            else:
                self._azure.login_with_secret(client, form.get("client_secret", ""), tenant)
        except AzureRefusal as error:
            code = "AADSTS7000215" if "secret" in error.message else "AADSTS700016"
            return _oauth_error("invalid_client", f"{code}: {error.message}", 401)
        token, _ends = self.issue(client)
        whole = int(self._lifetime)
        return ArmAnswer(200, {
            "token_type": "Bearer", "expires_in": whole, "ext_expires_in": whole, "access_token": token
        })  # fmt: skip

    def managed_identity(self, headers: Mapping[str, str], query: Mapping[str, str]) -> ArmAnswer:
        """What App Service and Azure Functions give to what runs on them."""
        if headers.get("x-identity-header") != IDENTITY_HEADER or "resource" not in query:
            return ArmAnswer(400, {"statusCode": 400, "message": "The identity header or the resource is missing."})
        principal = query.get("client_id", _MANAGED_IDENTITY)
        token, ends = self.issue(principal)
        return ArmAnswer(200, {
            "access_token": token, "expires_on": str(int(ends)), "resource": query["resource"], "token_type": "Bearer",
            "client_id": principal,
        })  # fmt: skip

    def _check_assertion(self, client: str, tenant: str, assertion: str) -> None:
        known = {item.id.lower() for item in self._azure.settings.service_principals}
        if client.lower() not in known or tenant.lower() != self._azure.settings.tenant_id.lower():
            raise AzureRefusal(41, f"Application with identifier '{client}' was not found in the directory '{tenant}'")
        if assertion == FEDERATED_TOKEN:
            return
        if self.client_certificate is None or not self.client_certificate.has_signed(assertion):
            raise AzureRefusal(41, "Invalid client secret: the assertion is not signed with a registered certificate")
        claims = _claims(assertion)
        if claims.get("iss") != client or claims.get("sub") != client or claims.get("exp", 0) < self._seconds():
            raise AzureRefusal(41, "Invalid client secret: the assertion's claims are wrong or it has expired")


def openid_configuration(origin: str, tenant: str) -> dict[str, Any]:
    """What MSAL reads first."""
    return {
        "token_endpoint": f"{origin}/{tenant}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "issuer": f"{origin}/{tenant}/v2.0",
        "authorization_endpoint": f"{origin}/{tenant}/oauth2/v2.0/authorize",
        "jwks_uri": f"{origin}/{tenant}/discovery/v2.0/keys",
        "tenant_region_scope": None,
    }


def endpoint_metadata(origin: str, login: str, tenant: str) -> dict[str, Any]:
    """How an ARM endpoint describes itself; the form of 2015-01-01, which Azure Stack Hub answers as well."""
    return {
        "galleryEndpoint": f"{origin}/",
        "graphEndpoint": f"{login}/",
        "portalEndpoint": f"{origin}/",
        "authentication": {
            "loginEndpoint": f"{login}/",
            "audiences": [f"https://management.azure.com/{tenant}"],
        },
    }


def _claims(assertion: str) -> dict[str, Any]:
    try:
        part = assertion.split(".")[1]
        claims = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, NotBase64):
        return {}
    return claims if isinstance(claims, dict) else {}


def _unauthorized(code: str, words: str, login: str, tenant: str) -> ArmRefusal:
    return ArmRefusal(
        401,
        code,
        words,
        WWW_Authenticate=f'Bearer authorization_uri="{login}/{tenant}", error="invalid_token", '
        f'error_description="{words}"',
    )


def _oauth_error(code: str, words: str, status: int = 400) -> ArmAnswer:
    return ArmAnswer(status, {
        "error": code, "error_description": words, "error_codes": [], "timestamp": "", "trace_id": "",
        "correlation_id": "",
    })  # fmt: skip

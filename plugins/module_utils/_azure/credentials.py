# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Tokens for ARM, from azure-identity: for one account, shared by all threads, renewed before they end.

azure-identity is imported only when a token is really fetched, and only when the account is not a token itself: it
costs 0.20 s of CPU (half of that is MSAL and cryptography), a Python start 0.01 s and the SDK of Arc 0.14 s (measured
with Python 3.11). Its own cache answers the same token again until shortly before its end, so that after a 401 a new
credential object is made: that is the only way to a new token.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import LoginFailed
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.clouds import Cloud
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import Account
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.packages import azure
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

#: A token that ends sooner than this is not begun with.
_SPARE_SECONDS = 120.0
_CERTIFICATE_END = "-----END CERTIFICATE-----"


class TokenSource:
    """The current token of an account for one cloud.

    :param make: makes an azure-identity credential; None when the account is a token itself.
    :ivar fetched: how many tokens were fetched.
    """

    def __init__(
        self,
        account: Account,
        cloud: Cloud,
        *,
        make: Callable[[Account, Cloud], Any] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._account = account
        self._cloud = cloud
        self._make = make or credential
        self._now = now
        self._lock = threading.Lock()
        self._credential: Any = None
        self._token: str | None = None
        self._renew_at = 0.0
        self.fetched = 0

    @property
    def account(self) -> Account:
        """Whose tokens these are."""
        return self._account

    def token(self) -> str:
        """A token that is good for a while.

        :raises LoginFailed: there is none to be had.
        """
        if self._account.kind == "access_token":
            return str(self._account.access_token)
        with self._lock:
            if self._token is None or self._now() >= self._renew_at:
                self._fetch()
            return str(self._token)

    def renewed(self, refused: str, claims: str | None = None) -> str | None:
        """Another token than the one that ARM refused; None when there can be no other.

        Of many threads whose token is refused at once, the first fetches and the others get what it got.
        """
        if self._account.kind == "access_token":
            return None
        with self._lock:
            if self._token == refused:
                self._credential = None
                self._fetch(claims)
            return None if self._token == refused else self._token

    def _fetch(self, claims: str | None = None) -> None:
        exceptions = azure("azure.core.exceptions")
        try:
            if self._credential is None:
                self._credential = self._make(self._account, self._cloud)
            found = self._credential.get_token(self._cloud.scope, **({"claims": claims} if claims else {}))
        except (exceptions.AzureError, ValueError, OSError) as error:
            raise self._failure(error) from None
        self._token = found.token
        # Lives shorter than the spare time are used to their half, lest every call fetch one.
        left = found.expires_on - self._now()
        self._renew_at = self._now() + max(left - _SPARE_SECONDS, left / 2)
        self.fetched += 1

    def _failure(self, error: Exception) -> LoginFailed:
        said = str(getattr(error, "message", None) or error)
        words = said.partition("Trace ID")[0].partition("\n")[0].strip()
        if self._account.secret:
            words = words.replace(self._account.secret, "***")
        return LoginFailed(
            f"Azure login as {self._account.words} failed: {words[:500]}",
            hint=f"Check the account at {self._cloud.authority}, the tenant and the cloud ({self._cloud.name}).",
        )


def credential(account: Account, cloud: Cloud) -> Any:
    """The azure-identity credential of an account; only the class that is needed is asked for."""
    identity = azure("azure.identity")
    # An endpoint of one's own is unknown to the public instance discovery, which would be asked first.
    own = {
        "authority": cloud.authority,
        "disable_instance_discovery": account.disable_instance_discovery or cloud.is_own,
        **({"connection_verify": account.ca_path} if account.ca_path else {}),
    }
    if account.kind == "secret":
        return identity.ClientSecretCredential(account.tenant, account.client_id, account.secret, **own)
    if account.kind == "certificate":
        data = certificate_of(str(account.x509_certificate_path), account.thumbprint)
        return identity.CertificateCredential(account.tenant, account.client_id, certificate_data=data, **own)
    if account.kind == "workload_identity":
        return identity.WorkloadIdentityCredential(
            tenant_id=account.tenant, client_id=account.client_id, token_file_path=account.token_file, **own
        )
    if account.kind == "msi":
        return identity.ManagedIdentityCredential(**({"client_id": account.client_id} if account.client_id else {}))
    return identity.AzureCliCredential(**({"tenant_id": account.tenant} if account.tenant else {}))


def certificate_of(path: str, thumbprint: str | None) -> bytes:
    """The PEM file of a service principal: its certificate and its private key.

    :raises InvalidInput: it cannot be read, or holds another certificate than the thumbprint says.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(1024 * 1024)
    except OSError as error:
        raise InvalidInput(f"x509_certificate_path: {path} cannot be read: {error.strerror}.") from None
    text = data.decode("ascii", "replace")
    begin, end = text.find("-----BEGIN CERTIFICATE-----"), text.find(_CERTIFICATE_END)
    if begin < 0 or end < begin or "PRIVATE KEY-----" not in text:
        raise InvalidInput(f"x509_certificate_path: {path} must hold a certificate and its private key in PEM form.")
    if thumbprint:
        encoded = ssl.PEM_cert_to_DER_cert(text[begin : end + len(_CERTIFICATE_END)])
        found = hashlib.sha1(encoded, usedforsecurity=False).hexdigest()  # what a thumbprint is
        if found.lower() != thumbprint.replace(":", "").replace(" ", "").lower():
            raise InvalidInput(f"thumbprint: the certificate in {path} has the thumbprint {found.upper()}.")
    return data

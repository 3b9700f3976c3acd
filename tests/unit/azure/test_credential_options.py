# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which account is meant, from options, both families of environment variables, and the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import account_of
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

OURS = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT": "t", "AZURE_SECRET": "s3cret", "AZURE_SUBSCRIPTION_ID": "sub"}
SDKS = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_SECRET": "s3cret", "AZURE_SUBSCRIPTION_ID": "sub"}
OPTIONS = {"client_id": "c", "tenant": "t", "secret": "s3cret"}
WORKLOAD = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_FEDERATED_TOKEN_FILE": "/var/token"}


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".azure").mkdir()
    (tmp_path / ".azure" / "credentials").write_text(
        "[default]\nsubscription_id=fsub\nclient_id=fc\nsecret=f%s\ntenant=ft\n"
        "[other]\nclient_id=oc\nclient_secret=os\ntenant_id=ot\ncloud_environment=AzureUSGovernment\n"
        "[half]\nclient_id=hc\n"
    )
    return {"HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("params", "environment", "kind", "source"),
    [
        (OPTIONS, {}, "secret", "options"),
        ({}, OURS, "secret", "environment"),
        ({}, SDKS, "secret", "environment"),
        ({}, {**OURS, **SDKS}, "secret", "environment"),
        ({"client_id": "c", "tenant": "t"}, {"AZURE_SECRET": "s3cret"}, "secret", "options"),
        ({"x509_certificate_path": "/c.pem", "client_id": "c", "tenant": "t"}, {}, "certificate", "options"),
        ({"access_token": "hush"}, OURS, "access_token", "options"),
        ({"auth_source": "access_token"}, {"AZURE_ACCESS_TOKEN": "hush"}, "access_token", "environment"),
        ({}, {"AZURE_ACCESS_TOKEN": "hush"}, "access_token", "environment"),
        ({"auth_source": "env"}, OURS, "secret", "environment"),
        ({"auth_source": "msi"}, {}, "msi", "options"),
        ({"auth_source": "cli"}, OURS, "cli", "Azure CLI"),
        ({}, {"ANSIBLE_AZURE_AUTH_SOURCE": "msi", **OURS}, "msi", "options"),
        ({}, WORKLOAD, "workload_identity", "environment"),
        ({"auth_source": "workload_identity"}, WORKLOAD, "workload_identity", "environment"),
        ({}, {}, "cli", "Azure CLI"),
    ],
)
def test_where_an_account_comes_from(
    params: dict[str, Any], environment: dict[str, str], kind: str, source: str, tmp_path: Path
) -> None:
    account = account_of(params, {"HOME": str(tmp_path), **environment})
    assert (account.kind, account.source) == (kind, source)
    assert "s3cret" not in repr(account) + account.words
    assert "hush" not in repr(account)


CERTIFICATE = {"x509_certificate_path": "/c.pem", "client_id": "c", "tenant": "t"}


def test_what_the_options_hold_is_not_mixed_with_the_environment(home: dict[str, str]) -> None:
    theirs = {"AZURE_SECRET": "s3cret", "AZURE_X509_CERTIFICATE_PATH": "/e.pem", "AZURE_THUMBPRINT": "AB"}
    by_options = account_of(CERTIFICATE, home | theirs)
    assert (by_options.kind, by_options.x509_certificate_path, by_options.thumbprint) == ("certificate", "/c.pem", None)
    assert account_of(OPTIONS, home | theirs).kind == "secret"
    # A thumbprint proves nothing: the certificate may stand in the environment.
    pinned = {"client_id": "c", "tenant": "t", "thumbprint": "CD"}
    found = account_of(pinned, home | {"AZURE_X509_CERTIFICATE_PATH": "/e.pem"})
    assert (found.x509_certificate_path, found.thumbprint) == ("/e.pem", "CD")


def test_the_environment_names_the_identity_and_the_profile(home: dict[str, str]) -> None:
    assert account_of({"auth_source": "msi"}, home | {"AZURE_CLIENT_ID": "identity"}).client_id == "identity"
    assert account_of({"auth_source": "msi", "client_id": "own"}, home | {"AZURE_CLIENT_ID": "i"}).client_id == "own"
    assert account_of({}, home | {"AZURE_PROFILE": "other"}).client_id == "oc"
    with pytest.raises(InvalidInput, match=r"no section \[nobody\]"):
        account_of({}, home | {"AZURE_PROFILE": "nobody"})


def test_the_file_and_its_profiles(home: dict[str, str]) -> None:
    default = account_of({}, home)
    assert (default.client_id, default.secret, default.subscription_id) == ("fc", "f%s", "fsub")
    other = account_of({"profile": "other"}, home)
    assert (other.secret, other.tenant, other.cloud_environment) == ("os", "ot", "AzureUSGovernment")
    assert account_of({"auth_source": "credential_file"}, home | {"AZURE_PROFILE": "other"}).client_id == "oc"
    with pytest.raises(InvalidInput, match="tenant, secret or x509_certificate_path missing"):
        account_of({"profile": "half"}, home)
    with pytest.raises(InvalidInput, match=r"no section \[nobody\]"):
        account_of({"profile": "nobody"}, home)


def test_options_win_over_the_environment_around_the_account() -> None:
    account = account_of(
        {**OPTIONS, "subscription_id": "mine", "ca_path": "/ca.pem"},
        {"AZURE_SUBSCRIPTION_ID": "theirs", "AZURE_CLOUD_ENVIRONMENT": "AzureChinaCloud"},
    )
    assert (account.subscription_id, account.cloud_environment) == ("mine", "AzureChinaCloud")
    assert account.ca_path == "/ca.pem"


@pytest.mark.parametrize(
    ("params", "environment", "words"),
    [
        ({"client_id": "c", "secret": "s"}, {}, "tenant missing"),
        ({"auth_source": "env"}, {}, "no Azure account in the environment"),
        ({"auth_source": "access_token"}, {}, "neither access_token nor AZURE_ACCESS_TOKEN"),
        ({"auth_source": "workload_identity"}, {}, "AZURE_FEDERATED_TOKEN_FILE"),
        ({"auth_source": "guess"}, {}, "no source 'guess'"),
        ({}, {**OURS, "AZURE_CLIENT_SECRET": "another"}, "AZURE_SECRET and AZURE_CLIENT_SECRET differ"),
    ],
)
def test_what_cannot_be_meant(params: dict[str, Any], environment: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        account_of(params, environment)
    assert "s3cret" not in caught.value.sentence()


def test_a_broken_file_does_not_show_its_lines(home: dict[str, str]) -> None:
    path = Path(home["HOME"]) / ".azure" / "credentials"
    path.write_text("secret = hunter2\n")
    with pytest.raises(InvalidInput, match="cannot be read") as caught:
        account_of({}, home)
    assert "hunter2" not in caught.value.sentence()

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to log in, with azure-identity itself, against the lab's token endpoint; and what it costs to start."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import machines
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import arm_for
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import ArmUnavailable, LoginFailed
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import HybridCompute
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ARC_MACHINE, resource_of
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from tests.wire.azure_calls import account
from tests.wire.running_lab import RunningLab, lab_environment, running_lab

BUDGET_SECONDS = 1.2


@pytest.fixture(scope="module")
def azure_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    fleet = {"azure": {"token_seconds": 900}, "servers": [{"name": "web01"}]}
    with running_lab(fleet, tmp_path_factory.mktemp("lab"), "--scale", "2000") as running:
        yield running


def reads(lab: RunningLab, environment: dict[str, str] | None = None, **options: Any) -> str:
    """Log in, read a machine, and tell as whom."""
    given = {"arm_share": 1.0, "arm_timeout": 20, **account(lab, **options)}
    arm = arm_for(given, environment=environment or {})
    azure = lab.azure
    web01 = resource_of("web01", (ARC_MACHINE,), subscription=azure["subscription_id"], group=azure["resource_group"])
    assert machines.get(HybridCompute(arm), web01)["name"] == "WEB01"
    return str(lab.exchanges()[-1]["principal"])


def test_a_secret(azure_lab: RunningLab) -> None:
    assert reads(azure_lab) == azure_lab.azure["client_id"]


def test_arm_over_tls_with_an_authority_of_ones_own(azure_lab: RunningLab) -> None:
    assert reads(azure_lab, cloud_environment=azure_lab.azure["arm"]["https"]) == azure_lab.azure["client_id"]
    with pytest.raises(ArmUnavailable, match="certificate"):
        reads(azure_lab, cloud_environment=azure_lab.azure["arm"]["https"], ca_path=None)


def test_a_certificate(azure_lab: RunningLab, tmp_path: Path) -> None:
    made = azure_lab.ask("/azure/certificate")
    path = tmp_path / "principal.pem"
    path.write_text(made["pem"])
    options: dict[str, Any] = {"secret": None, "x509_certificate_path": str(path)}
    assert reads(azure_lab, thumbprint=made["thumbprint"].lower(), **options) == azure_lab.azure["client_id"]
    with pytest.raises(InvalidInput, match=made["thumbprint"]):
        reads(azure_lab, thumbprint="00" * 20, **options)
    path.write_text("no certificate")
    with pytest.raises(InvalidInput, match="PEM form"):
        reads(azure_lab, **options)


def test_a_workload_identity(azure_lab: RunningLab, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(azure_lab.azure["federated_token"])
    environment = {"AZURE_FEDERATED_TOKEN_FILE": str(path)}
    assert reads(azure_lab, environment, secret=None, auth_source="workload_identity")


def test_a_managed_identity(azure_lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{azure_lab.azure['arm']['http']}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", azure_lab.azure["identity_header"])
    assert reads(azure_lab, auth_source="msi", client_id=None, secret=None)


def test_the_azure_cli(azure_lab: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "az"
    token = azure_lab.azure["access_token"]
    program.write_text(
        '#!/bin/sh\necho \'{"accessToken": "' + token + '", "expiresOn": "2099-01-01 00:00:00.000000", '
        '"expires_on": 4070908800, "tokenType": "Bearer"}\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert "access token" in reads(azure_lab, auth_source="cli", client_id=None, secret=None, tenant=None)


def test_a_given_token_that_cannot_be_renewed(azure_lab: RunningLab) -> None:
    only: dict[str, Any] = {"client_id": None, "secret": None, "tenant": None}
    assert "access token" in reads(azure_lab, access_token=azure_lab.azure["access_token"], **only)
    with pytest.raises(LoginFailed, match="the given access token") as caught:
        reads(azure_lab, access_token="stale-token", **only)
    assert "stale-token" not in caught.value.sentence()


def test_a_wrong_secret_is_not_shown(azure_lab: RunningLab, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LoginFailed, match="AADSTS7000215") as caught:
        reads(azure_lab, secret="wr0ng-secret")
    assert "wr0ng-secret" not in caught.value.sentence()
    assert capfd.readouterr().err == ""


def test_a_login_that_cannot_be_reached(azure_lab: RunningLab) -> None:
    with pytest.raises(LoginFailed, match="service principal"):
        reads(azure_lab, adfs_authority_url="https://127.0.0.1:9")


PROGRAM = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.winops.hotpatch.plugins.modules import enrollment
with patch_module_args(json.loads(sys.argv[1])):
    enrollment.main()
"""


def run_module(options: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """The module in a Python of its own, from its start to its end."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(options)]
    return subprocess.run(command, env=lab_environment(), capture_output=True, text=True, check=False)


def test_nothing_is_said_beside_the_result(azure_lab: RunningLab) -> None:
    done = run_module({**account(azure_lab, secret="wr0ng-secret"), "name": "web01"})
    assert done.stderr == ""
    assert json.loads(done.stdout)["error"]["code"] == "azure_login"
    assert "wr0ng-secret" not in done.stdout


def test_what_starting_costs(azure_lab: RunningLab) -> None:
    """A module that has nothing to change, login and all."""
    options = {**account(azure_lab), "name": "web01"}
    costs = []
    for _number in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run_module(options)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert json.loads(done.stdout)["changed"] is False, done.stdout + done.stderr
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(costs) < BUDGET_SECONDS, costs

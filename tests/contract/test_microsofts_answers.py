# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Azure modules against an ARM that is not ours.

azure-contract's stand-in refuses what is out of contract, and answers the rest with Microsoft's own examples. It keeps
no state: what was asked for is never what it says next, and many answers are about other machines. So this shows what
our lab cannot: that answers nobody here wrote end in a result or in a clear error, in bounded time, with nothing sent
twice and nothing claimed that Azure did not show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import clouds
from ansible_collections.winops.hotpatch.plugins.module_utils._core import (
    azure_vm,
    enrollment,
    enrollment_info,
    fleet_info,
    maintenance_assignment,
    maintenance_configuration,
    patch_assessment,
    patch_installation,
    patch_settings,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError
from tests.contract.mock_arm import SUBSCRIPTION, MockArm, running_mock_arm

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg1"
QUICK: dict[str, Any] = {"wait_timeout": 30, "poll_interval": 0.2}
ARC: dict[str, Any] = {"name": "m1"}
VM: dict[str, Any] = {"name": "v1", "kind": "vm"}
SCHEDULE: dict[str, Any] = {"location": "westeurope", "start": "2040-01-12 22:00", "time_zone": "Europe/Berlin"}
NEW_VM: dict[str, Any] = {
    "name": "v1",
    "location": "uksouth",
    "admin_username": "winadmin",
    "admin_password": "a-Password-for-0-one",
    "subnet_id": f"{GROUP}/providers/Microsoft.Network/virtualNetworks/n/subnets/s",
}
OTHER_SCOPE = "is for OSImage, not for updates inside of servers"


@dataclass(frozen=True)
class Case:
    """One call.

    :ivar sends: the writes and the operations on machines that it must send, in this order; reads are free.
    :ivar shows: what the first machine's row must hold.
    :ivar fails: words that its error must hold; None: it must not fail.
    """

    noun: ModuleType
    options: dict[str, Any]
    sends: list[str] = field(default_factory=list)
    shows: dict[str, Any] = field(default_factory=dict)
    fails: str | None = None

    @property
    def name(self) -> str:
        words = [f"{key}={text}" for key, text in self.options.items() if isinstance(text, str | bool)]
        return f"{self.noun.__name__.rpartition('.')[2]} {' '.join(words[:4])}"


CASES = [
    # The example's machine is enrolled, and once was not: both dates show.
    Case(enrollment_info, ARC, shows={"state": "enrolled", "hotpatch_status": "Enabled"}),
    Case(enrollment, ARC, shows={"state": "enrolled", "changed": False, "sent": []}),
    Case(
        enrollment,
        {**ARC, "state": "absent", "wait_timeout": 10, "poll_interval": 0.2},
        ["LicenseProfiles_Update"],
        fails="the machine does not show it (it is enrolled, hotpatch status Enabled)",
    ),
    Case(
        enrollment,
        {**ARC, "opted_out": True, "poll_interval": 0.2},
        ["Machines_Update"],
        fails="(it is enrolled, hotpatch status PendingEvaluation)",
    ),
    Case(fleet_info, {}, shows={"track": "unknown", "enrollment": "unknown"}),
    Case(
        patch_settings, {**ARC, "patch_mode": "automatic_by_platform"}, ["Machines_Update"], fails="does not show them"
    ),
    Case(
        patch_settings,
        {**VM, "patch_mode": "automatic_by_platform"},
        ["VirtualMachines_Update"],
        fails="does not show them",
    ),
    Case(patch_assessment, {**ARC, **QUICK}, ["Machines_AssessPatches"], shows={"state": "succeeded"}),
    Case(patch_assessment, {**VM, **QUICK}, ["VirtualMachines_AssessPatches"], shows={"state": "succeeded"}),
    Case(
        patch_installation,
        {**ARC, **QUICK, "kb_include": ["5072014"], "mode": "any"},
        ["Machines_InstallPatches"],
        fails="3 installed, 2 pending; the machine was restarted",
    ),
    Case(
        patch_installation,
        {**VM, **QUICK, "kb_include": ["5072014"], "mode": "any"},
        ["VirtualMachines_InstallPatches"],
        fails="3 installed, 2 pending; the machine was restarted",
    ),
    Case(maintenance_configuration, {"name": "c1", **SCHEDULE, "patch_tuesday": 2}, fails=OTHER_SCOPE),
    Case(maintenance_configuration, {"name": "c1", "state": "absent"}, fails=OTHER_SCOPE),
    Case(maintenance_assignment, {"configuration": "c1", **ARC}, fails=OTHER_SCOPE),
    Case(maintenance_assignment, {"configuration": "c1", **ARC, "state": "absent"}, shows={"assigned": False}),
    Case(azure_vm, NEW_VM, fails="is there already: image is 2016-datacenter"),
]


@pytest.fixture(scope="module")
def arm(contract: Path) -> Iterator[MockArm]:
    with running_mock_arm(contract) as running:
        yield running


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_microsofts_own_answers(case: Case, arm: MockArm, monkeypatch: pytest.MonkeyPatch) -> None:
    # The stand-in does not describe itself as an endpoint of one's own does: here it is where the public cloud is.
    monkeypatch.setattr(clouds, "CLOUDS", {"AzureCloud": arm.cloud})
    before = len(arm.verdicts())
    result: dict[str, Any] = {}
    words = None
    try:
        result = arm.call(case.noun, **case.options)
    except HotpatchError as error:
        words = error.sentence()
    seen = arm.verdicts()[before:]
    assert seen and [each for each in seen if not each["requestOk"]] == []
    assert [each["operation"] for each in seen if each["method"] != "GET" and each["operation"] != "Resources"] == (
        case.sends
    ), words
    assert (words is None) == (case.fails is None), words
    assert (case.fails or "") in (words or "")
    row = result["machines"][0] if case.shows else {}
    assert {key: row[key] for key in case.shows} == case.shows


def test_the_judge_refuses_what_is_out_of_contract(arm: MockArm) -> None:
    """So that the cases above say something."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    url = f"{arm.address}{GROUP}/providers/Microsoft.HybridCompute/machines/m1/licenseProfiles/default"
    body = b'{"properties": {"productProfile": {"productType": "WindowsServer"}}}'
    headers = {"Authorization": "Bearer a-token", "Content-Type": "application/json"}
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(f"{url}?api-version=2024-07-10", body, headers, method="PUT"), timeout=30)
    assert caught.value.code == 400 and b"ContractViolation" in caught.value.read()

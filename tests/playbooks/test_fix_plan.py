# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fix plan of host_info, carried out as printed: then the server is eligible, after as many restarts as predicted.

What a plan's step names is done by that module. What is to be done outside is done by the lab's operator, who shuts the
server down and starts it. The restarts are counted by the server's own record; those that Windows adds by itself to
finish a cumulative update are its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from typing import Any

import pytest
import yaml

from ansible_collections.winops.hotpatch.plugins.module_utils._core import arc_options
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import settings_from_options
from demo.lab_process import LabProcess

CORE = "ansible_collections.winops.hotpatch.plugins.module_utils._core"
GUARD = r"HKLM\SYSTEM\CurrentControlSet\Control\DeviceGuard"
BASELINE = {"level": "KB5066835"}
#: What a plan says only you can give.
PLACE = {
    "subscription_id": "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33",
    "tenant_id": "6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10",
    "resource_group": "rg-arc-servers",
    "location": "westeurope",
}
LOGIN = {
    "service_principal_id": "3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21",
    "service_principal_secret": "Lab-onboarding-secret-1",
}


def registry(**values: int) -> dict[str, dict[str, int]]:
    return {GUARD: values}


#: name: keys of the fleet file, the blockers, the restarts.
SERVERS: dict[str, tuple[dict[str, Any], list[str], int]] = {
    "vbs0": ({"vbs": 0}, ["vbs_not_enabled"], 1),
    "set0": (
        {"vbs": 0, "registry": registry(EnableVirtualizationBasedSecurity=1)},
        ["vbs_waits_for_restart"],
        1,
    ),
    "secure0": ({"vbs": 0, "secure_boot": False}, ["secure_boot_off", "vbs_not_enabled"], 1),
    "secure2": ({"secure_boot": False}, ["secure_boot_off"], 1),
    "bios0": (
        {"vbs": 0, "firmware": "bios", "level": "preview"},
        ["build_below_floor", "bios_firmware", "vbs_not_enabled"],
        1,
    ),
    "old2": ({"level": "preview"}, ["build_below_floor"], 1),
    "host1": ({"vbs": 1, "virtualization": False}, ["virtualization_missing", "vbs_not_running"], 1),
    "dma1": (
        {
            "vbs": 1,
            "dma_protection": False,
            "virtualization": True,
            "registry": registry(EnableVirtualizationBasedSecurity=1, RequirePlatformSecurityFeatures=3),
        },
        ["vbs_not_running"],
        1,
    ),
    "bare": ({"arc": "none"}, ["arc_missing"], 0),
    "expired": ({"arc": "expired"}, ["arc_expired"], 0),
    "deleted": ({"arc": "resource_deleted"}, ["arc_resource_deleted"], 0),
    "all": (
        {"vbs": 0, "secure_boot": False, "level": "preview", "arc": "none"},
        ["build_below_floor", "secure_boot_off", "vbs_not_enabled", "arc_missing"],
        1,
    ),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    folder = tmp_path_factory.mktemp("fix-plan")
    rows = [{"name": name, "enrolled": False, **BASELINE, **keys} for name, (keys, _codes, _count) in SERVERS.items()]
    fleet = folder / "fleet.yml"
    fleet.write_text(yaml.safe_dump({"schema": 1, "as_of": "2025-12-20", "servers": rows}), encoding="utf-8")
    with LabProcess(fleet, folder / "lab", scale=1000) as running:
        yield running


def call(noun: str, lab: LabProcess, name: str, **options: Any) -> dict[str, Any]:
    """What a front does: the core with checked options, on one server of the lab."""
    core = import_module(f"{CORE}.{noun}")
    spec = (arc_options if noun == "arc_agent" else core).SPEC
    at = lab.servers_data[name]
    params = {key: option.get("default") for key, option in spec.argument_spec.items()}
    params.update(address=at["address"], port=at["http_port"], scheme="http", transport=["basic"])
    params.update(username=at["user"], password=at["password"], **options)
    for key, value in (("as_of", "2025-12-20"), ("poll_interval", 0.2)):
        if key in params:
            params[key] = value
    result: dict[str, Any] = core.run(Call(params=params, name=name, settings=settings_from_options(params)))
    return result


def eligibility(lab: LabProcess, name: str) -> dict[str, Any]:
    expected = {f"expected_{key}": PLACE[key] for key in ("tenant_id", "subscription_id")}
    found: dict[str, Any] = call("host_info", lab, name, **expected)["eligibility"]
    return found


def carry_out(lab: LabProcess, name: str, plan: dict[str, Any]) -> None:
    """Do every step; a restart that is made outside follows the last step of its number."""
    for number, group in groupby(plan["steps"], key=lambda step: step["restart_number"]):
        outside = False
        for step in group:
            action = step["action"]
            if action is None:
                continue
            if action["outside"]:
                lab.ask(f"/servers/{name}/hardware", action["options"])
                outside = True
            else:
                given = {key: PLACE[key] for key in action["needs"]}
                login = LOGIN if action["module"].endswith("arc_agent") else {}
                call(
                    action["module"].removeprefix("winops.hotpatch."), lab, name, **action["options"], **given, **login
                )
        if outside:
            assert number is not None
            boots = lab.ask(f"/servers/{name}")["boots"]
            lab.ask(f"/servers/{name}/power", {})
            wait_for_start(lab, name, boots)


def wait_for_start(lab: LabProcess, name: str, boots: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        state = lab.ask(f"/servers/{name}")
        if state["boots"] > boots and state["state"] == "running" and not state["restart_pending"]:
            return
        assert time.monotonic() < deadline, state
        time.sleep(0.2)


@pytest.mark.parametrize("name", SERVERS)
def test_the_printed_plan_makes_the_server_eligible_with_the_predicted_restarts(lab: LabProcess, name: str) -> None:
    _keys, codes, restarts = SERVERS[name]
    before = eligibility(lab, name)
    assert before["eligible"] is False
    assert [blocker["code"] for blocker in before["blockers"]] == codes
    plan = before["fix_plan"]
    assert (plan["possible"], plan["complete"], plan["restarts"]) == (True, True, restarts)
    carry_out(lab, name, plan)
    after = eligibility(lab, name)
    assert (after["eligible"], after["blockers"]) == (True, [])
    done = [restart for restart in lab.ask(f"/servers/{name}")["restarts"] if restart["by"] != "TrustedInstaller"]
    assert len(done) == restarts, done

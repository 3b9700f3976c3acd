# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtualization-based security over the wire: what is read, what is written, and what a restart makes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import host_info, restart, vbs
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec, settings_from_options
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Refused
from tests.wire.running_lab import RunningLab, running_lab

GUARD = r"HKLM\SYSTEM\CurrentControlSet\Control\DeviceGuard"
SWITCH = "EnableVirtualizationBasedSecurity"

SERVERS: list[dict[str, Any]] = [
    {"name": "off01", "vbs": 0},
    {"name": "runs01", "vbs": 2},
    {"name": "on01", "vbs": 2, "registry": {GUARD: {SWITCH: 1}}},
    {"name": "metal01", "vbs": 0, "platform": "physical", "tpm": "1.2", "virtualization": False},
    {"name": "bios01", "vbs": 0, "firmware": "bios", "secure_boot": False, "tpm": "none"},
    {"name": "stuck01", "vbs": 1},
    {"name": "still01", "vbs": 1},
    {"name": "hidden01", "vbs": "unreadable"},
    {"name": "forbid01", "vbs": 0, "policy": {SWITCH: 0}},
    {"name": "wanted01", "vbs": 0, "policy": {SWITCH: 1, "RequirePlatformSecurityFeatures": 1}},
    {"name": "locked01", "vbs": 2, "registry": {GUARD: {SWITCH: 1, "Locked": 1}}},
    {"name": "guard01", "vbs": 2, "registry": {GUARD + r"\Scenarios\CredentialGuard": {"Enabled": 1}}},
    {"name": "hv01", "vbs": 0, "roles": ["hyper-v"], "platform": "physical"},
    {"name": "july01", "vbs": 0, "level": "KB5062553", "secure_boot": False, "tpm": "none"},
    {"name": "deny01", "vbs": 0, "faults": [{"kind": "registry_denied", "key": GUARD}]},
    {"name": "shut01", "vbs": 0, "faults": [{"kind": "registry_denied", "key": r"HKLM\SOFTWARE\Policies"}]},
    {"name": "old01", "vbs": 0, "product": "windows-server-2022", "level": "rtm", "edition": "ServerDatacenter"},
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    fleet = {"as_of": "2025-12-20", "defaults": {"level": "KB5068966"}, "servers": SERVERS}
    with running_lab(fleet, tmp_path_factory.mktemp("vbs"), "--scale", "1000") as running:
        yield running


def run(lab: RunningLab, name: str, *, module: Any = vbs, check: bool = False, **options: Any) -> dict[str, Any]:
    """One call of a core; the warnings it gave are in the result as ``shown``."""
    server = lab.servers[name]
    spec: Spec = module.SPEC
    params: dict[str, Any] = {key: option.get("default") for key, option in spec.argument_spec.items()}
    params.update(
        address=server.address, port=server.http_port, scheme="http", transport=["basic"], username=server.user,
        password=server.password, **options,
    )  # fmt: skip
    shown: list[str] = []
    settings = settings_from_options(params)
    result: dict[str, Any] = module.run(
        Call(params=params, name=name, settings=settings, check_mode=check, warn=shown.append)
    )
    return {**result, "shown": shown}


def restarted(lab: RunningLab, name: str) -> None:
    """Restart a server and prove it, with its settling cut short by the lab's quick clock."""
    run(lab, name, module=restart, only_if_pending=False, delay=1, poll_interval=0.1, settle_probes=1, timeout=60)


def items(result: dict[str, Any]) -> dict[str, str]:
    return {item["code"]: item["state"] for item in result["hardware"]}


def codes(result: dict[str, Any]) -> list[str]:
    return [obstacle["code"] for obstacle in result["blockers_to_running"]]


def writes(lab: RunningLab, name: str) -> list[str]:
    """The values that were written, without their key; making the key that is there changes nothing."""
    kinds = [(entry["kind"], entry["what"]) for entry in lab.record(name, writes=True)]
    return [what.rpartition("\\")[2] for kind, what in kinds if kind == "registry" and not what.endswith("DeviceGuard")]


def test_from_off_to_running(lab: RunningLab) -> None:
    planned = run(lab, "off01", state="enabled", check=True)
    assert (planned["changed"], planned["restart_required"], writes(lab, "off01")) == (True, True, [])
    done = run(lab, "off01", state="enabled")
    assert {key: done[key] for key in done if key != "shown"} == {
        key: planned[key] for key in planned if key != "shown"
    }
    assert done["diff"] == {
        "before": {SWITCH: None, "RequirePlatformSecurityFeatures": None},
        "after": {SWITCH: 1, "RequirePlatformSecurityFeatures": None},
    }
    assert (done["status"], codes(done)) == (0, ["virtualization", "restart"])
    assert done["demand"]["by"] == "registry"
    again = run(lab, "off01", state="enabled")
    assert (again["changed"], again["restart_required"]) == (False, True)
    assert "diff" not in again
    restarted(lab, "off01")
    runs = run(lab, "off01", state="enabled")
    assert (runs["changed"], runs["status"], runs["restart_required"], codes(runs)) == (False, 2, False, [])
    assert set(items(runs).values()) - {"unknown"} == {"yes"}
    assert writes(lab, "off01") == [SWITCH]


def test_from_running_to_off(lab: RunningLab) -> None:
    off = run(lab, "on01", state="disabled")
    assert (off["changed"], off["status"], off["restart_required"], off["shown"]) == (True, 2, True, [])
    assert off["diff"]["before"][SWITCH] == 1
    assert off["diff"]["after"][SWITCH] == 0
    assert off["words"].endswith("It is turned off, which takes a restart.")
    restarted(lab, "on01")
    rests = run(lab, "on01", state="disabled")
    assert (rests["changed"], rests["status"], rests["restart_required"]) == (False, 0, False)
    assert codes(rests) == ["not_asked_for", "virtualization"]
    assert writes(lab, "on01") == [SWITCH]


def test_where_it_runs_nothing_is_written(lab: RunningLab) -> None:
    result = run(lab, "runs01", state="enabled")
    assert (result["changed"], result["status"], result["demand"]["by"]) == (False, 2, "default")
    assert result["properties"]["VirtualizationBasedSecurityStatus"] == {"value": 2, "words": "running"}
    assert result["properties"]["AvailableSecurityProperties"]["words"].startswith("hypervisor support, Secure Boot")
    assert len(result["properties"]) == 13
    assert lab.state("runs01")["writes"] == 0


def test_bare_metal_whose_virtualization_is_off(lab: RunningLab) -> None:
    result = run(lab, "metal01", state="enabled", check=True)
    assert items(result) == {
        "uefi": "yes", "secure_boot": "yes", "tpm": "yes", "tpm_2": "no", "tpm_ready": "yes", "dma_protection": "yes",
        "virtualization": "no", "slat": "yes", "virtual_machine": "no", "generation_2": "no",
        "nested_virtualization": "no",
    }  # fmt: skip
    assert [o["code"] for o in result["blockers_to_running"] if o["hardware"]] == ["virtualization"]
    assert "turn it on in the firmware" in result["words"]


def test_a_generation_1_virtual_machine(lab: RunningLab) -> None:
    result = run(lab, "bios01")
    found = items(result)
    assert [found[code] for code in ("uefi", "generation_2", "tpm", "tpm_2")] == ["no"] * 4
    assert codes(result)[:2] == ["not_asked_for", "uefi"]
    assert (result["changed"], lab.state("bios01")["writes"]) == (False, 0)


def test_enabled_but_not_running_says_what_is_missing_and_that_a_restart_will_not_help(lab: RunningLab) -> None:
    result = run(lab, "stuck01", state="enabled")
    assert (result["changed"], result["status"], result["restart_required"]) == (False, 1, False)
    assert codes(result) == ["virtualization"]
    assert items(result)["virtualization"] == "no"
    lab.ask("/servers/stuck01/hardware", {"virtualization": True})
    restarted(lab, "stuck01")
    assert run(lab, "stuck01")["status"] == 2


def test_what_cannot_be_read_is_unknown(lab: RunningLab) -> None:
    result = run(lab, "hidden01")
    assert (result["status"], result["restart_required"]) == (None, None)
    assert "status_unknown" in codes(result)
    assert result["words"].startswith("Whether virtualization-based security runs could not be read")
    assert len(result["notes"]) == 1


@pytest.mark.parametrize(
    ("name", "options", "code", "words"),
    [
        ("forbid01", {"state": "enabled"}, "policy_forbids", "a policy turns virtualization-based security off"),
        ("wanted01", {"state": "disabled"}, "policy_forbids", "a policy turns virtualization-based security on"),
        (
            "wanted01",
            {"state": "enabled", "platform_security": "secure_boot_and_dma"},
            "policy_forbids",
            "RequirePlatformSecurityFeatures to 1, not to 3",
        ),
        ("locked01", {"state": "disabled"}, "uefi_locked", "SecConfig.efi"),
        ("july01", {"state": "enabled"}, "no_boot", "KB5064489"),
        ("deny01", {"state": "enabled"}, "registry_unknown", "could not be read"),
        ("shut01", {"state": "enabled"}, "policy_unknown", "could not be read"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_what_is_refused_writes_nothing_and_reports(
    lab: RunningLab, name: str, options: dict[str, Any], code: str, words: str, check: bool
) -> None:
    with pytest.raises(Refused) as caught:
        run(lab, name, check=check, **options)
    error = caught.value
    assert (error.code, error.changed) == (code, False)
    assert words in error.sentence()
    assert error.sentence().startswith(f"{name}: ")
    assert len(error.details["hardware"]) == 11
    assert lab.state(name)["writes"] == 0


def test_a_policy_that_says_the_same_needs_no_value(lab: RunningLab) -> None:
    result = run(lab, "wanted01", state="enabled", platform_security="secure_boot")
    assert (result["changed"], result["demand"]["by"], result["restart_required"]) == (False, "policy", True)
    assert lab.state("wanted01")["writes"] == 0


def test_turning_off_says_what_keeps_it_on(lab: RunningLab) -> None:
    result = run(lab, "guard01", state="disabled", check=True)
    assert result["demand"]["kept_on_by"] == ["the scenario credentialguard (registry)"]
    assert "stays on" in result["shown"][0]


def test_the_traps_are_told_before_anything_is_done(lab: RunningLab) -> None:
    hyper_v = run(lab, "hv01", state="enabled", check=True)
    assert [(risk["code"], risk["state"], risk["refuses"]) for risk in hyper_v["risks"]] == [
        ("hyper_v_role", "yes", False)
    ]
    assert "The Hyper-V role is installed." in hyper_v["shown"][0]
    assert run(lab, "hv01")["shown"] == []
    accepted = run(lab, "july01", state="enabled", accept_risks=True, check=True)
    assert [(risk["code"], risk["refuses"]) for risk in accepted["risks"]] == [("no_boot", True)]
    assert accepted["changed"] is True
    assert len(accepted["shown"]) == 1


def test_an_older_windows_has_fewer_properties_and_no_hyper_v_warning(lab: RunningLab) -> None:
    result = run(lab, "old01")
    assert (result["status"], result["risks"]) == (0, [])


@pytest.mark.parametrize(
    ("name", "eligible", "blocker"),
    [
        ("metal01", False, "vbs_not_enabled"),
        ("still01", False, "vbs_not_running"),
        ("hidden01", None, "vbs_unknown"),
        ("hv01", False, "vbs_not_enabled"),
        ("forbid01", False, "vbs_forbidden_by_policy"),
    ],
)
def test_none_of_them_is_eligible_before_it_runs(
    lab: RunningLab, name: str, eligible: bool | None, blocker: str
) -> None:
    judged = run(lab, name, module=host_info, as_of="2025-12-20")["eligibility"]
    assert judged["eligible"] is eligible
    assert blocker in [found["code"] for found in judged["blockers"]]


def test_reading_costs_few_requests_and_leaves_nothing(lab: RunningLab) -> None:
    seen = len(lab.record("runs01"))
    started = time.monotonic()
    run(lab, "runs01")
    assert time.monotonic() - started < 5
    record = lab.record("runs01")[seen:]
    assert len(record) <= 12
    assert [entry for entry in record if entry["write"]] == []

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single rules of eligibility, and the plan of fixes; every combination is in test_truth_table.py."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.blockers import fix_plan
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.enrollment import known_enrollment
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.place_rules import Expected
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.rules import evaluate, product_of
from tests.unit.server_facts import healthy


def codes(facts: dict[str, Any], **hints: Any) -> list[str]:
    return [blocker.code for blocker in evaluate(facts, **hints).blockers]


# Each dimension: what is read, the blocker it means, and whether that blocker is only a doubt.
Reading = tuple[dict[str, Any], str | None, bool]
BUILDS: list[Reading] = [
    ({"build_ubr": "26100.7092"}, None, False),
    ({"build_ubr": "26100.1742"}, None, False),
    ({"build_ubr": "26100.1741"}, "build_below_floor", False),
    ({"build_ubr": None}, "build_unknown", True),
]
VBS: list[Reading] = [
    ({"status": 2}, None, False),
    ({"status": 0}, "vbs_not_enabled", False),
    ({"status": 1}, "vbs_not_running", False),
    ({"status": None}, "vbs_unknown", True),
]
FIRMWARE: list[Reading] = [
    ({"type": "uefi", "secure_boot": True}, None, False),
    ({"type": "uefi", "secure_boot": False}, "secure_boot_off", False),
    ({"type": "uefi", "secure_boot": None}, "secure_boot_unknown", True),
    ({"type": "bios", "secure_boot": None}, "bios_firmware", False),
]
ARC: list[Reading] = [
    ({}, None, False),
    ({"status": "Disconnected"}, "arc_disconnected", False),
    ({"service": "stopped", "status": None}, "arc_disconnected", False),
    ({"status": "Expired"}, "arc_expired", False),
    ({"status": "Disconnected", "resource_name": None, "subscription_id": None}, "arc_not_connected", False),
    ({"installed": False, "service": "absent", "status": None}, "arc_missing", False),
    ({"installed": None, "service": None, "status": None}, "arc_unknown", True),
    ({"service": None, "status": "Connected"}, "arc_unknown", True),
]


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ({"product_type": 1, "edition_id": "Enterprise"}, "not_windows_server"),
        ({"build": 17763, "build_ubr": "17763.1"}, "product_without_hotpatch"),
        ({"build": 20348, "build_ubr": "20348.4529"}, "product_without_hotpatch"),
        ({"build": 29000, "build_ubr": "29000.1"}, "product_unknown"),
        ({"product_type": None}, "product_unknown"),
    ],
)
def test_other_systems_are_told_once_and_nothing_more(system: dict[str, Any], expected: str) -> None:
    facts = healthy(vbs={"status": 0}, arc={"installed": False})
    facts["os"].update(system)
    assert codes(facts) == [expected]
    assert evaluate(facts).eligible is (None if expected == "product_unknown" else False)


def test_azure_edition_of_2022_needs_the_hardware_but_no_arc() -> None:
    facts = healthy("20348.4467", arc={"installed": False})
    facts["os"].update(edition_id="ServerTurbine", sku=407)
    assert evaluate(facts, platform="azure_local_vm").eligible is True
    facts["vbs"]["status"] = 1
    assert codes(facts, platform="azure_vm") == ["vbs_not_running"]


def test_an_azure_vm_cannot_use_arc() -> None:
    assert codes(healthy(), platform="azure_vm") == ["azure_vm_needs_azure_edition"]


def test_a_status_that_is_no_number_never_passes() -> None:
    for status in (True, "2", 3, -1):
        assert codes(healthy(vbs={"status": status})) == ["vbs_unknown"]


def test_evaluation_editions_and_wsus_only_warn() -> None:
    facts = healthy(update_policy={"use_wsus": True, "wsus_server": "http://wsus.example"})
    facts["os"]["edition_id"] = "ServerStandardEval"
    found = evaluate(facts)
    assert found.eligible is True
    assert [warning.code for warning in found.warnings] == ["evaluation_edition", "wsus"]
    assert "wsus.example" in found.warnings[1].words


def test_every_blocker_has_words_evidence_and_a_place_in_the_result() -> None:
    shown = evaluate(healthy("26100.1000", vbs={"status": 0}, firmware={"secure_boot": False}), enrolled=True).as_dict()
    assert shown["eligible"] is False
    assert shown["enrolled"] is True
    for blocker in shown["blockers"]:
        assert blocker["words"].endswith(".")
        assert blocker["evidence"]
        assert blocker["fix"].endswith(".")


def test_fixes_share_one_restart() -> None:
    facts = healthy(
        "26100.1000", vbs={"status": 0}, firmware={"secure_boot": False}, arc={"installed": False, "service": "absent"}
    )
    plan = evaluate(facts).fixes
    order = [(step.blocker, step.restart_number) for step in plan.steps]
    # What is done outside comes last: the server is shut down and started for it, and that is the restart.
    assert order == [("build_below_floor", 1), ("vbs_not_enabled", 1), ("secure_boot_off", 1), ("arc_missing", None)]
    assert (plan.restarts, plan.possible, plan.complete) == (1, True, True)


def test_what_cannot_be_fixed_has_no_plan() -> None:
    facts = healthy(vbs={"status": 0})
    facts["os"].update(edition_id="ServerAzureStackHCICor")
    assert evaluate(facts).fixes.possible is False
    assert evaluate(healthy()).fixes.steps == ()


def test_applying_the_plan_makes_the_server_eligible() -> None:
    cures: dict[str, Any] = {
        "build_below_floor": {"os": {"build_ubr": "26100.7092"}},
        "secure_boot_off": {"firmware": {"secure_boot": True}},
        "bios_firmware": {"firmware": {"type": "uefi", "secure_boot": True}},
        "vbs_not_enabled": {"vbs": {"status": 2}},
        "vbs_not_running": {"vbs": {"status": 2}},
        "arc_missing": {"arc": {"installed": True, "service": "running", "status": "Connected"}},
        "arc_disconnected": {"arc": {"service": "running", "status": "Connected"}},
        "arc_expired": {"arc": {"status": "Connected"}},
        "arc_not_connected": {"arc": {"status": "Connected", "resource_name": "WEB01"}},
    }
    for build, vbs, firmware, arc in itertools.product(BUILDS, VBS, FIRMWARE, ARC):
        facts = healthy(vbs=vbs[0], firmware=firmware[0], arc=arc[0])
        facts["os"].update(build[0])
        found = evaluate(facts)
        if any(blocker.unknown for blocker in found.blockers):
            continue
        plan = fix_plan(found.blockers)
        needing = [step for step in plan.steps if step.restart_number]
        assert plan.restarts == (1 if needing else 0)
        for step in plan.steps:
            for part, values in cures[step.blocker].items() if step.blocker else ():
                facts[part].update(values)
        assert evaluate(facts).eligible is True


@pytest.mark.parametrize(
    ("declared", "licence", "package", "azure", "build", "enrolled", "source"),
    [
        (True, False, False, False, "26100.6899", True, "inventory variable"),
        (False, True, True, True, "26100.7092", False, "inventory variable"),
        (None, True, None, False, "26100.6899", True, "hint in the server's registry"),
        (None, False, None, False, "26100.6899", False, "no licence hint in the registry"),
        (None, None, True, False, "26100.6899", None, "unknown"),
        (None, False, True, True, "26100.6899", True, "hint in the server's registry"),
        (None, None, False, True, "26100.6899", False, "no licence hint in the registry"),
        (None, False, None, True, "26100.6899", None, "unknown"),
        # The hint is undocumented; a hotpatch that is there proves more than a hint that is not.
        (None, False, False, False, "26100.7092", True, "an installed hotpatch"),
        (None, None, None, False, "26100.7092", True, "an installed hotpatch"),
        (None, False, False, False, "26100.7171", False, "no licence hint in the registry"),
    ],
)
def test_enrollment_and_where_it_is_known_from(
    declared: bool | None,
    licence: bool | None,
    package: bool | None,
    azure: bool,
    build: str,
    enrolled: bool | None,
    source: str,
) -> None:
    facts = healthy(build, [], hotpatch_hint={"arc_license": licence, "enrollment_package": package})
    if azure:
        facts["os"].update(edition_id="ServerTurbine")
    found = known_enrollment(facts, declared, product_of(facts))
    assert (found.enrolled, found.source) == (enrolled, source)


@pytest.mark.parametrize(
    ("shown", "declared", "expected"),
    [
        ("azure_vm", None, "azure_vm_needs_azure_edition"),
        ("azure_vm", "other", None),
        ("unknown", None, None),
        ("unknown", "azure_local_host", "azure_local_host"),
        ("azure_local_vm", None, None),
    ],
)
def test_what_the_inventory_declares_wins_over_what_the_server_shows(
    shown: str, declared: str | None, expected: str | None
) -> None:
    assert codes(healthy(platform={"kind": shown}), platform=declared) == ([expected] if expected else [])


def vbs(**more: Any) -> dict[str, Any]:
    return {"configured_by_registry": True, "configured_by_policy": False, "required": [0], **more}


@pytest.mark.parametrize(
    ("facts", "expected", "words"),
    [
        # Enabled since the last start, or not explained by anything that was read.
        ({"vbs": vbs(status=1, available=[1, 2, 3])}, ["vbs_not_running"], "enabled but not running."),
        ({"vbs": vbs(status=1, available=[2])}, ["virtualization_missing", "vbs_not_running"], "no virtualization"),
        ({"vbs": vbs(status=1, available=[1, 2], required=[3])}, ["vbs_not_running"], "DMA protection is required"),
        ({"vbs": vbs(status=0, configured_by_registry=False, available=[2, 3])},
         ["virtualization_missing", "vbs_not_enabled"], "offers no virtualization"),
    ],
)  # fmt: skip
def test_why_virtualization_based_security_does_not_run(facts: dict[str, Any], expected: list[str], words: str) -> None:
    found = evaluate(healthy(**facts))
    assert found.eligible is False
    assert [blocker.code for blocker in found.blockers] == expected
    assert words in " ".join(blocker.words for blocker in found.blockers)


def test_a_policy_that_turns_it_off_comes_first_and_no_playbook_can_mend_it() -> None:
    off = vbs(status=0, configured_by_registry=False, forbidden_by_policy=True)
    found = evaluate(healthy(vbs=off))
    assert [blocker.code for blocker in found.blockers] == ["vbs_forbidden_by_policy", "vbs_not_enabled"]
    steps = [(step["blocker"], step["action"] and step["action"]["module"]) for step in found.fixes.as_dict()["steps"]]
    assert steps == [
        ("vbs_forbidden_by_policy", None),
        ("vbs_not_enabled", "winops.hotpatch.vbs"),
        (None, "winops.hotpatch.restart"),
    ]
    assert found.fixes.restarts == 1
    # It runs still: a restart, such as the next baseline's, ends that.
    runs = evaluate(healthy(vbs=vbs(status=2, forbidden_by_policy=True)))
    assert (runs.eligible, [warning.code for warning in runs.warnings]) == (True, ["vbs_ends_with_restart"])
    kept = vbs(status=2, forbidden_by_policy=True, services_configured=[2])
    assert evaluate(healthy(vbs=kept)).warnings == ()


def test_hyper_v_beside_vbs_is_a_caution_and_a_cause_to_look_at() -> None:
    found = evaluate(healthy(hardware={"hyper_v_role": True}))
    assert found.eligible is True
    assert [warning.code for warning in found.warnings] == ["hyper_v_role"]
    stuck = evaluate(healthy(hardware={"hyper_v_role": True}, vbs=vbs(status=1, available=[1, 2, 3])))
    assert "Hyper-V role is installed" in str(stuck.blockers[-1].fix)


def actions(facts: dict[str, Any], **hints: Any) -> list[tuple[str | None, dict[str, Any]]]:
    steps = evaluate(facts, **hints).fixes.as_dict()["steps"]
    return [(step["action"]["module"], step["action"]["options"]) for step in steps]


def test_a_fix_plan_names_modules_and_what_is_done_outside() -> None:
    vbs_on = ("winops.hotpatch.vbs", {"state": "enabled"})
    restart = ("winops.hotpatch.restart", {"only_if_pending": False})
    assert actions(healthy(vbs={"status": 0})) == [vbs_on, restart]
    # The server is shut down for what is done outside, so no restart of its own follows.
    assert actions(healthy(vbs={"status": 0}, firmware={"secure_boot": False})) == [
        vbs_on,
        (None, {"secure_boot": True}),
    ]
    here = {"state": "connected", "tenant_id": "t", "subscription_id": "s"}
    expected = Expected("t", "s")
    assert actions(healthy(arc={"installed": False}), expected=expected) == [("winops.hotpatch.arc_agent", here)]
    expired = healthy(arc={"status": "Expired", "tenant_id": "t", "subscription_id": "s"})
    assert actions(expired, expected=expected) == [
        ("winops.hotpatch.arc_agent", {**here, "allow_identity_reset": True})
    ]
    (step,) = evaluate(expired, expected=expected).fixes.steps
    assert step.action and step.action.needs == ("resource_group", "location")


def test_a_server_that_is_connected_elsewhere_is_a_persons_matter() -> None:
    found = evaluate(healthy(), expected=Expected(subscription_id="another"))
    (blocker,) = found.blockers
    assert (blocker.code, blocker.unknown) == ("arc_elsewhere", False)
    assert "subscription 0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33 and not another" in blocker.words
    assert [step.action for step in found.fixes.steps] == [None]


def test_a_plan_with_a_doubt_is_not_complete() -> None:
    plan = evaluate(healthy(vbs={"status": None})).fixes
    assert (plan.possible, plan.complete, plan.restarts) == (True, False, 0)

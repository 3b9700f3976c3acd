# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch settings: what is read, what is refused before the call, what is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError, InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_settings_change import (
    HOTPATCH_SKUS,
    PatchSettings,
    Wanted,
    after,
    body_of,
    check,
    is_settled,
    notes_of,
    read_settings,
)


def image(sku: str) -> dict[str, str]:
    return {"publisher": "MicrosoftWindowsServer", "offer": "WindowsServer", "sku": sku}


VM = PatchSettings(
    "vm", hotpatching=False, patch_mode="AutomaticByOS", assessment_mode="ImageDefault", provision_vm_agent=True,
    automatic_updates=True, image=image("2025-datacenter-azure-edition"),
)  # fmt: skip
ARC = PatchSettings("arc", patch_mode="ImageDefault", assessment_mode="ImageDefault", agent="Connected")
ON = Wanted(hotpatching=True, patch_mode="automatic_by_platform")


def test_a_virtual_machine_is_read() -> None:
    document = {
        "properties": {
            "storageProfile": {"imageReference": image("x")},
            "virtualMachineScaleSet": {"id": "/s"},
            "osProfile": {
                "windowsConfiguration": {
                    "enableAutomaticUpdates": False,
                    "patchSettings": {
                        "enableHotpatching": True,
                        "patchMode": "AutomaticByPlatform",
                        "automaticByPlatformSettings": {"rebootSetting": "Never"},
                    },
                }
            },
            "instanceView": {
                "patchStatus": {
                    "configurationStatuses": [
                        {"code": "PatchModeConfigurationState/Ready"},
                        {"code": "AssessmentModeConfigurationState/Pending"},
                    ]
                }
            },
        }
    }
    found = read_settings(document, "vm")
    assert (found.hotpatching, found.reboot_setting, found.provision_vm_agent) == (True, "Never", True)
    assert (found.automatic_updates, found.scale_set, found.status) == (False, "/s", "Pending")
    assert not is_settled(found)
    assert found.as_dict()["reboot_setting"] == "never"


def test_an_arc_machine_is_read() -> None:
    settings = {
        "enableHotpatching": True,
        "status": {"hotpatchEnablementStatus": "ActionRequired", "error": {"code": "NoVbs", "message": "It is off."}},
    }
    windows = {"properties": {"osProfile": {"windowsConfiguration": {"patchSettings": settings}}}}
    found = read_settings(windows, "arc")
    assert (found.status, found.status_error) == ("ActionRequired", "NoVbs: It is off.")
    assert "VM" not in found.short()
    assert any("ActionRequired (NoVbs: It is off.)" in note for note in notes_of(found, Wanted()))


@pytest.mark.parametrize("document", [{}, {"properties": None}, {"properties": {"osProfile": []}}])
@pytest.mark.parametrize("kind", ["arc", "vm"])
def test_anything_can_come_back(document: dict[str, Any], kind: str) -> None:
    found = read_settings(document, kind)
    assert found.hotpatching is None
    assert isinstance(found.as_dict(), dict)


@pytest.mark.parametrize("sku", HOTPATCH_SKUS)
@pytest.mark.parametrize("shape", [str, str.upper, str.title])
def test_the_eight_images_in_any_case(sku: str, shape: Any) -> None:
    own = image(shape(sku)) | {"publisher": "microsoftwindowsserver", "offer": "WINDOWSSERVER"}
    check(replace(VM, image=own), ON)


@pytest.mark.parametrize(
    ("now", "wanted", "code", "words"),
    [
        (replace(VM, image=image("2022-datacenter-azure-edition")), ON, "image_not_supported", "2022-datacenter-azure"),
        (replace(VM, image=image("2025-datacenter")), ON, "image_not_supported", "2025-datacenter"),
        (
            replace(VM, image={**image("2025-datacenter-azure-edition"), "publisher": "someone"}),
            ON,
            "image_not_supported",
            "someone",
        ),
        (replace(VM, image={"id": "/galleries/own"}), ON, "image_not_supported", "custom images"),
        (replace(VM, image={}), ON, "image_not_supported", "custom images"),
        (replace(VM, provision_vm_agent=False), ON, "vm_agent_needed", "VM agent"),
        (VM, Wanted(hotpatching=True), "platform_mode_needed", "automatic_by_os"),
        (
            after(VM, ON),
            Wanted(patch_mode="automatic_by_os"),
            "platform_mode_needed",
            "needs patch_mode automatic_by_platform",
        ),
        (VM, replace(ON, bypass_safety_checks=True), "safety_checks_needed", "customer managed schedules"),
        (
            replace(VM, patch_mode="AutomaticByPlatform", bypass_safety_checks=True),
            Wanted(hotpatching=True),
            "safety_checks_needed",
            "not both",
        ),
        (VM, Wanted(reboot_setting="never"), "platform_mode_needed", "reboot_setting"),
        (VM, Wanted(patch_mode="manual"), "automatic_updates_on", "enableAutomaticUpdates"),
        (replace(VM, provision_vm_agent=False), Wanted(assessment_mode="automatic_by_platform"), "vm_agent_needed", ""),
        (VM, Wanted(patch_mode="image_default"), "invalid_input", "Arc machines"),
        (ARC, Wanted(reboot_setting="never", provision_vm_agent=True), "invalid_input", "reboot_setting and provision"),
    ],
)
def test_refused_before_the_call(now: PatchSettings, wanted: Wanted, code: str, words: str) -> None:
    with pytest.raises((Refused, InvalidInput)) as caught:
        check(now, wanted)
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.hint or code == "invalid_input"


def test_scale_sets() -> None:
    with pytest.raises(Refused, match="Uniform") as caught:
        check(VM, Wanted(), "Uniform")
    assert caught.value.code == "uniform_scale_set"
    check(VM, ON, "Flexible")
    check(VM, ON, None)


def test_what_is_wrong_already_and_stays_is_left_alone() -> None:
    odd = replace(VM, hotpatching=True, image={"id": "/x"})
    check(odd, Wanted(hotpatching=True))
    assert body_of(odd, Wanted(hotpatching=True)) is None
    check(odd, Wanted(hotpatching=False))


def test_only_what_differs_is_sent() -> None:
    assert body_of(ARC, Wanted(hotpatching=True)) == {
        "properties": {"osProfile": {"windowsConfiguration": {"patchSettings": {"enableHotpatching": True}}}}
    }
    windows = body_of(VM, ON)["properties"]["osProfile"]["windowsConfiguration"]  # type: ignore[index]
    assert windows == {
        "provisionVMAgent": True,
        "patchSettings": {"enableHotpatching": True, "patchMode": "AutomaticByPlatform"},
    }
    on = after(VM, ON)
    windows = body_of(on, Wanted(reboot_setting="if_required"))["properties"]["osProfile"]["windowsConfiguration"]  # type: ignore[index]
    assert windows == {"patchSettings": {"automaticByPlatformSettings": {"rebootSetting": "IfRequired"}}}


@pytest.mark.parametrize("now", [VM, ARC, after(VM, ON)])
@pytest.mark.parametrize(
    "wanted",
    [ON, Wanted(), Wanted(hotpatching=False), Wanted(assessment_mode="automatic_by_platform"),
     Wanted(patch_mode="automatic_by_platform", reboot_setting="never")],
)  # fmt: skip
def test_what_was_changed_needs_no_change_any_more(now: PatchSettings, wanted: Wanted) -> None:
    try:
        check(now, wanted)
    except HotpatchError:
        return
    assert body_of(after(now, wanted), wanted) is None
    assert (body_of(now, wanted) is None) == (now.short() == after(now, wanted).short())


def test_patch_mode_starts_nothing_on_an_arc_machine() -> None:
    assert "starts nothing" in notes_of(ARC, Wanted(patch_mode="automatic_by_platform"))[0]
    assert notes_of(VM, Wanted(patch_mode="automatic_by_platform")) == []

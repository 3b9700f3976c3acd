# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure says that a change is done, and shows the machine as it was: that is no success."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import OperationFailed
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.enrollment import Row, Wanted, working
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.hybridcompute import HybridCompute
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ARC_MACHINE, resource_of
from tests.unit.azure.fake_arm import FakeArm, FakeResponse

MACHINE = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/g/providers/Microsoft.HybridCompute/machines/m1"
)


def machine(hotpatching: bool) -> FakeResponse:
    settings = {"patchSettings": {"enableHotpatching": hotpatching}}
    profile = {"osProfile": {"windowsConfiguration": settings}, "status": "Connected"}
    return FakeResponse(200, {"id": MACHINE, "location": "uksouth", "properties": profile})


def licence(status: str) -> FakeResponse:
    features = [{"name": "Hotpatch", "subscriptionStatus": status}]
    return FakeResponse(200, {"properties": {"productProfile": {"productFeatures": features}}})


@pytest.mark.parametrize(
    ("wanted", "answers", "sent"),
    [
        (Wanted("absent", None, 60, 1), [licence("Enabled")], "disenrolling"),
        (Wanted("absent", None, None, 1), [licence("Enabled")], "disenrolling"),
        (Wanted("present", True, 60, 1), [machine(True)], "pausing hotpatches"),
    ],
    ids=["disenrolled", "disenrolled, without a wait", "paused"],
)
def test_what_azure_does_not_show_is_not_done(wanted: Wanted, answers: list[Any], sent: str) -> None:
    fake = FakeArm(machine(True), licence("Enabled"), *answers)
    row = Row(resource_of(MACHINE, [ARC_MACHINE], subscription=None, group=None))
    with pytest.raises(OperationFailed, match=f"took the change .{sent}.*does not show it .it is enrolled") as caught:
        for _seconds in working(HybridCompute(fake.arm), row, wanted, None):
            pass
    assert caught.value.code == "not_taken"
    assert (row.sent, row.changed) == ([sent], False)
    assert fake.answers == []

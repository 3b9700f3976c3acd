# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of Azure Update Manager, in all of the forms that Azure has for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_results import (
    installation_words,
    moment,
    read_assessment,
    read_installation,
    read_patches,
)

# The forms are those of Microsoft's specifications; the values are ours.
VM_PATCH = {
    "patchId": "a",
    "name": "2025-12 Security Hotpatch Update (KB5072014) (26100.7392)",
    "version": "",
    "kbId": "5072014",
    "classifications": ["Security Updates"],
    "rebootBehavior": "CanRequestReboot",
    "publishedDate": "2025-12-09T00:00:00Z",
    "assessmentState": "Available",
}
GRAPH_PATCH = {
    "patchName": "2025-12 Security Hotpatch Update (KB5072014) (26100.7392)",
    "kbId": "5072014",
    "classifications": ["Security"],
    "msrcSeverity": "Critical",
    "rebootBehavior": "NeverReboots",
    "publishedDateTime": "2025-12-09T00:00:00.0000000Z",
    "installationState": "Failed",
}
INSTALLATION = {
    "status": "Failed",
    "installationActivityId": "42",
    "rebootStatus": "Required",
    "maintenanceWindowExceeded": True,
    "excludedPatchCount": 0,
    "notSelectedPatchCount": 2,
    "pendingPatchCount": 1,
    "installedPatchCount": 3,
    "failedPatchCount": 1,
    "startDateTime": "2025-12-20T12:00:00.1234567Z",
    "lastModifiedDateTime": "2025-12-20T13:00:00Z",
    "errorDetails": {
        "code": "Partial",
        "message": "1 of 4 failed.",
        "details": [{"code": "0x80070002", "message": "No."}],
    },
}


def test_both_forms_of_a_patch() -> None:
    (own,) = read_patches([VM_PATCH])
    assert (own.kb, own.classifications, own.state, own.restart) == (
        "KB5072014",
        ("security",),
        "available",
        "can_request",
    )
    assert own.published == "2025-12-09T00:00:00Z"
    (graph,) = read_patches([GRAPH_PATCH])
    assert (graph.kb, graph.classifications, graph.state, graph.restart) == (
        "KB5072014",
        ("security",),
        "failed",
        "never",
    )
    assert graph.severity == "Critical"
    weighty = read_patches([{"name": "b", "classifications": ["Definition Updates"]}, VM_PATCH, 7])
    assert [patch.name for patch in weighty] == [VM_PATCH["name"], "b"]


def test_an_assessment_in_each_form() -> None:
    arc = read_assessment(
        {
            "status": "Succeeded",
            "assessmentActivityId": "1",
            "availablePatchCountByClassification": {"security": 2, "updateRollup": 1},
            "rebootPending": True,
        }
    )
    assert (arc.activity, arc.counts["security"], arc.counts["update_rollup"], arc.patches) == ("1", 2, 1, None)
    assert arc.reboot_pending is True
    own = read_assessment({"status": "Succeeded", "criticalAndSecurityPatchCount": 1, "availablePatches": [VM_PATCH]})
    assert (own.counts["critical_and_security"], len(own.patches or ())) == (1, 1)
    view = read_assessment({"status": "InProgress", "startTime": "2025-12-20T12:00:00Z", "lastModifiedTime": "x"})
    assert (view.is_over, view.started, view.finished) == (False, datetime(2025, 12, 20, 12, tzinfo=UTC), None)
    graph = read_assessment({"name": "7", "status": "CompletedWithWarnings"})
    assert (graph.activity, graph.status) == ("7", "completed_with_warnings")


def test_an_installation_in_words() -> None:
    result = read_installation({**INSTALLATION, "patches": [{**VM_PATCH, "installationState": "Failed"}]})
    assert installation_words(result) == (
        "3 installed, 1 failed, 1 pending, 2 not selected; failed: KB5072014; the maximum duration was over before all "
        "was done; a restart is needed and was not made. Azure says: Partial: 1 of 4 failed. 0x80070002: No. "
        "0x80070002 (ERROR_FILE_NOT_FOUND): A file was not found."
    )
    assert result.finished == datetime(2025, 12, 20, 13, tzinfo=UTC)
    nothing = read_installation({"status": "Succeeded", "rebootStatus": "NotNeeded"})
    assert installation_words(nothing) == "nothing to install; no restart needed."


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2021-08-22T02:15:20.9340000Z", datetime(2021, 8, 22, 2, 15, 20, 934000, UTC)),
        ("2021-08-22T02:15:20.9+00:00", datetime(2021, 8, 22, 2, 15, 20, 900000, UTC)),
        ("2021-08-22T02:15:20", datetime(2021, 8, 22, 2, 15, 20, 0, UTC)),
        ("yesterday", None),
        (None, None),
        ("." * 60, None),
    ],
)
def test_times(text: Any, wanted: datetime | None) -> None:
    assert moment(text) == wanted


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*INSTALLATION, *VM_PATCH, "error"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*INSTALLATION, "availablePatches", "patches", "error", "startTime"]), _ANY))
def test_whatever_comes_is_taken(document: dict[str, Any]) -> None:
    for result in (read_assessment(document), read_installation(document)):
        assert isinstance(installation_words(result), str)
        assert all(isinstance(patch.as_dict(None)["name"], str) for patch in result.patches or ())

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a search goes by option and policy, and room on the system drive."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.disk_room import bytes_needed, no_room
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.policy import GIGABYTE
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_source import (
    MICROSOFT_UPDATE_ID,
    SELECTION,
    source_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.choice import Offered
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import Kind, Verdict

WSUS = "http://wsus.example.com:8530"
MANAGED = {"readable": True, "use_wsus": True, "wsus_server": WSUS}
INSIDE = {**MANAGED, "values": {"DoNotConnectToWindowsUpdateInternetLocations": 1}}
NOTHING: dict[str, Any] = {"readable": True, "use_wsus": False, "wsus_server": None, "values": {}}
OFF = {**NOTHING, "values": {"disablewindowsupdateaccess": 1}}

CONFLICTS = [
    # asked, policy -> the code of what stands against it
    ("default", NOTHING, None),
    ("default", MANAGED, None),
    ("default", INSIDE, None),
    ("default", OFF, "0x8024002E"),
    ("default", None, None),
    ("default", {"readable": False}, None),
    ("managed_server", MANAGED, None),
    ("managed_server", {**MANAGED, "use_wsus": False}, None),
    ("managed_server", NOTHING, "0x80244011"),
    ("managed_server", {"readable": False}, None),
    ("windows_update", NOTHING, None),
    ("windows_update", MANAGED, None),
    ("windows_update", INSIDE, "0x8024002E"),
    ("windows_update", {**INSIDE, "use_wsus": False}, None),  # without an update server the policy does nothing
    ("windows_update", {**INSIDE, "values": {"DoNotConnectToWindowsUpdateInternetLocations": 0}}, None),
    ("windows_update", OFF, "0x8024002E"),
    ("microsoft_update", INSIDE, "0x8024002E"),
    ("microsoft_update", NOTHING, None),
]


@pytest.mark.parametrize(("asked", "policy", "code"), CONFLICTS)
def test_what_policy_forbids_is_known_before(asked: str, policy: dict[str, Any] | None, code: str | None) -> None:
    source = source_of(asked, policy)
    assert (source.conflict[0] if source.conflict else None) == code
    assert source.words.endswith(".")
    if policy is None or policy.get("readable") is not True:
        assert source.managed is None


def test_words_about_the_source() -> None:
    assert source_of("default", MANAGED).words == f"Policy names the update server {WSUS}."
    both = {"UseUpdateClassPolicySource": 1, "SetPolicyDrivenUpdateSourceForQualityUpdates": 0}
    assert "sends quality updates to Windows Update" in source_of("default", {**MANAGED, "values": both}).words
    assert "although policy names" in source_of("windows_update", MANAGED).words
    login = source_of("default", {**MANAGED, "wsus_server": "https://me:secret@wsus.example.com/x"})
    assert login.server == "https://wsus.example.com/x" and "secret" not in repr(login.as_dict())


def test_which_service_was_used() -> None:
    agent = {"services": [{"id": "a", "name": "A", "default": False}, {"id": "b", "name": "B", "default": True}]}
    assert source_of("default", MANAGED).as_dict(agent)["service_id"] == "b"
    assert source_of("default", MANAGED).as_dict({"services": None})["service_id"] is None
    assert source_of("default", MANAGED).as_dict()["service"] is None
    used = source_of("microsoft_update", NOTHING)
    assert (used.service_id, used.as_dict(agent)["service"]) == (MICROSOFT_UPDATE_ID, "Microsoft Update")
    assert SELECTION["microsoft_update"] == 3 and source_of("windows_update", NOTHING).service_id is None


def offered(kind: Kind, size: object) -> Offered:
    return Offered({"max_download_bytes": size}, Verdict(kind, "x", "x."))


ROOM = [
    # free, what is chosen -> whether it finds room
    (3 * GIGABYTE, [offered(Kind.HOTPATCH, 150_000_000)], True),
    (GIGABYTE, [offered(Kind.HOTPATCH, 150_000_000)], False),
    (3 * GIGABYTE, [offered(Kind.BASELINE, 1_200_000_000)], False),
    (11 * GIGABYTE, [offered(Kind.BASELINE, 1_200_000_000)], True),
    (11 * GIGABYTE, [offered(Kind.BASELINE, 4 * GIGABYTE)], False),
    (11 * GIGABYTE, [offered(Kind.BASELINE, 90 * GIGABYTE)], True),  # a "maximum" that says nothing
    (11 * GIGABYTE, [offered(Kind.BASELINE, None), offered(Kind.OTHER, -1)], True),
    (11 * GIGABYTE, [offered(Kind.BASELINE, 2 * GIGABYTE), offered(Kind.OTHER, 2 * GIGABYTE)], False),
    (3 * GIGABYTE, [offered(Kind.OTHER, 1)], False),  # whether it restarts is unknown
    (None, [offered(Kind.HOTPATCH, 1)], False),
    (True, [offered(Kind.HOTPATCH, 1)], False),
    ("40", [offered(Kind.HOTPATCH, 1)], False),
    (-1, [offered(Kind.HOTPATCH, 1)], False),
]


@pytest.mark.parametrize(("free", "chosen", "fits"), ROOM)
def test_room(free: object, chosen: list[Offered], fits: bool) -> None:
    words = no_room(chosen, {"system_disk_free_bytes": free})
    assert (words is None) is fits
    if not isinstance(free, int) or isinstance(free, bool) or free < 0:
        assert words == "the free room on the system drive could not be read"


def test_a_floor_of_ones_own() -> None:
    small = [offered(Kind.HOTPATCH, 100)]
    assert bytes_needed(small, 5) == 300
    assert bytes_needed(small, 5000) == 5000
    assert no_room(small, None, 0) is not None

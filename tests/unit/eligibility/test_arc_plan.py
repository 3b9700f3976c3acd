# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to an agent: every condition with every wish, and what must never happen."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.arc_plan import (
    ArcPlan,
    Setting,
    Wish,
    is_older,
    pending_settings,
    plan,
    version_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.platform_kind import Platform
from tests.unit.eligibility.test_arc_agent import GONE, PLACE, agent, bare

SAFE = Platform(False, False, False)
LOCAL_VM = Platform(False, False, True)
DOUBTFUL = Platform(False, False, None)
FRESH: dict[str, Setting] = {"proxy.url": "", "extensions.allowlist": (), "config.mode": "full"}

STATES: dict[str, dict[str, Any]] = {
    "absent": {**bare(), "installed": False, "service": "absent", "status": None, "agent_version": None},
    "not_connected": bare(agent_version="1.58.1.1"),
    "connected": agent(agent_version="1.58.1.1"),
    "disconnected": agent(agent_version="1.58.1.1", status="Disconnected"),
    "expired": agent(agent_version="1.58.1.1", status="Expired"),
    "resource_deleted": agent(agent_version="1.58.1.1", status="Disconnected", **GONE),
    "other_tenant": agent(agent_version="1.58.1.1", tenant_id="T2"),
    "other_location": agent(agent_version="1.58.1.1", location="northeurope"),
    "unknown": agent(agent_version=None, status=None),
}


def planned(there: str, platform: Platform = SAFE, /, **wish: Any) -> ArcPlan:
    given = {"state": "connected", "place": PLACE, "login": True, **wish}
    arc = STATES[there]
    return plan(arc, FRESH if arc["installed"] else None, platform, Wish(**given))


def said(found: ArcPlan) -> list[str] | str:
    """The steps, or the code of the refusal."""
    return found.refusal.code if found.refusal else [step.kind for step in found.steps]


@pytest.mark.parametrize(
    ("state", "wish", "expected"),
    [
        ("absent", {}, ["install", "connect"]),
        ("absent", {"state": "installed"}, ["install"]),
        ("absent", {"state": "disconnected"}, []),
        ("absent", {"state": "absent"}, []),
        ("absent", {"login": False}, "login_missing"),
        ("absent", {"place": {}}, "place_missing"),
        (
            "absent",
            {"settings": {"proxy.url": "http://p:1", "extensions.allowlist": ()}},
            ["install", "configure", "connect"],
        ),
        ("not_connected", {}, ["connect"]),
        ("not_connected", {"version": "1.60"}, ["upgrade", "connect"]),
        ("not_connected", {"state": "disconnected", "login": False}, []),
        ("not_connected", {"state": "absent", "login": False}, ["uninstall"]),
        ("connected", {}, []),
        ("connected", {"login": False}, []),
        ("connected", {"version": "1.58"}, []),
        ("connected", {"version": "1.59"}, ["upgrade"]),
        ("connected", {"state": "disconnected"}, ["disconnect"]),
        ("connected", {"state": "disconnected", "login": False}, "login_missing"),
        ("connected", {"state": "disconnected", "login": False, "force_local_only": True}, ["disconnect_local"]),
        ("connected", {"state": "disconnected", "force_local_only": True}, ["disconnect_local"]),
        ("connected", {"state": "absent"}, ["disconnect", "uninstall"]),
        ("disconnected", {}, ["wait_contact"]),
        ("disconnected", {"allow_identity_reset": True, "reconnect": True}, ["wait_contact"]),
        ("disconnected", {"state": "absent"}, ["disconnect", "uninstall"]),
        ("expired", {}, "arc_expired"),
        ("expired", {"allow_identity_reset": True}, ["disconnect_local", "connect"]),
        ("expired", {"allow_identity_reset": True, "login": False}, "login_missing"),
        ("expired", {"state": "installed"}, []),
        ("resource_deleted", {}, "arc_resource_deleted"),
        ("resource_deleted", {"reconnect": True}, "arc_resource_deleted"),
        ("resource_deleted", {"allow_identity_reset": True}, ["disconnect_local", "connect"]),
        ("resource_deleted", {"state": "disconnected", "login": False}, ["disconnect_local"]),
        ("resource_deleted", {"state": "absent", "login": False}, ["disconnect_local", "uninstall"]),
        ("other_tenant", {}, "other_tenant"),
        ("other_tenant", {"allow_identity_reset": True}, "other_tenant"),
        ("other_tenant", {"reconnect": True}, ["disconnect_local", "connect"]),
        ("other_location", {"reconnect": True}, ["disconnect", "connect"]),
        ("other_location", {"state": "installed"}, []),
        ("unknown", {}, "arc_unknown"),
        ("unknown", {"state": "absent"}, "arc_unknown"),
    ],
)
def test_steps(state: str, wish: dict[str, Any], expected: list[str] | str) -> None:
    assert said(planned(state, **wish)) == expected


@pytest.mark.parametrize(
    ("platform", "code"),
    [
        (Platform(True, False, False), "azure_vm"),
        (Platform(False, True, False), "azure_local_host"),
        (Platform(None, False, False), "platform_unknown"),
        (Platform(False, None, None), "platform_unknown"),
    ],
)
def test_nothing_is_put_where_it_must_not_be(platform: Platform, code: str) -> None:
    for state, wish in product(STATES, ("connected", "installed")):
        assert said(planned(state, platform, state=wish, allow_identity_reset=True, reconnect=True)) == code


def test_the_plain_disconnect_is_only_for_platforms_that_are_known_to_be_safe() -> None:
    """It deletes the resource in Azure, and on Azure Local that may be the machine: over all wishes, never there."""
    flags = (True, False)
    for state, platform, wanted, reset, move, local, login in product(
        STATES,
        (SAFE, LOCAL_VM, DOUBTFUL),
        ("connected", "installed", "disconnected", "absent"),
        flags,
        flags,
        flags,
        flags,
    ):
        found = planned(
            state,
            platform,
            state=wanted,
            allow_identity_reset=reset,
            reconnect=move,
            force_local_only=local,
            login=login,
        )
        steps = [step.kind for step in found.steps]
        if "disconnect" in steps:
            assert platform is SAFE and login and not local
        if {"disconnect", "disconnect_local"} & set(steps) and wanted == "connected":
            assert reset or move, "an identity was given up without a permission"
        if "connect" in steps:
            assert login and wanted == "connected"
        if (
            "disconnect_local" in steps
            and platform is not SAFE
            and state != "resource_deleted"
            and wanted != "connected"
        ):
            assert any("Azure Local" in text for text in found.warnings)
        assert not (found.refusal and found.steps)


def test_a_machine_of_azure_local_is_not_reset_from_inside() -> None:
    assert said(planned("expired", LOCAL_VM, allow_identity_reset=True)) == "azure_local_vm"
    assert said(planned("other_tenant", LOCAL_VM, reconnect=True)) == "azure_local_vm"
    found = planned("not_connected", LOCAL_VM)
    assert said(found) == ["connect"] and any("guest management" in text for text in found.warnings)


def test_the_service_is_started_before_anything_is_believed() -> None:
    arc = {**STATES["unknown"], "service": "stopped"}
    for login in (True, False):
        found = plan(arc, None, SAFE, Wish("connected", PLACE, login=login))
        assert said(found) == ["start_service"], "what comes then is planned when it talks"


def test_a_warning_tells_what_is_lost() -> None:
    found = planned("expired", allow_identity_reset=True)
    assert any("record the assignments first" in text for text in found.warnings)


@pytest.mark.parametrize(
    ("have", "want", "older"),
    [
        ("1.58.03228.2572", "1.58", False),
        ("1.58.03228.2572", "1.59", True),
        ("1.58.03228.2572", "1.58.03229", True),
        ("1.9.1.1", "1.58", True),
        ("2.0", "1.58", False),
        ("1.58", "1.58.1", True),
        (None, "1.58", False),
        ("new", "1.58", False),
        ("1.58", None, False),
    ],
)
def test_versions_compare_as_numbers_and_only_as_far_as_asked(
    have: str | None, want: str | None, *, older: bool
) -> None:
    assert is_older(have, want) is older


@pytest.mark.parametrize("text", ["", "1.", "1.2.3.4.5", "1.2a", "٣.1", "1" * 20])
def test_what_is_no_version(text: str) -> None:
    assert version_of(text) is None


def test_settings_that_differ_only_in_form_are_the_same() -> None:
    there: dict[str, Setting] = {
        "proxy.url": "http://p:8080/",
        "extensions.allowlist": ("B/b", "A/a"),
        "config.mode": "full",
    }
    wanted: dict[str, Setting] = {
        "proxy.url": "http://P:8080",
        "extensions.allowlist": ("A/A", "B/B"),
        "config.mode": "full",
    }
    assert pending_settings(there, wanted) == {}
    assert pending_settings({"extensions.allowlist": ""}, {"extensions.allowlist": ()}) == {}
    assert pending_settings({}, {"config.mode": "monitor"}) == {"config.mode": "monitor"}
    assert pending_settings(None, {"proxy.url": "", "config.mode": "full"}) == {"proxy.url": "", "config.mode": "full"}
    assert pending_settings(None, {"proxy.url": ""}, defaults=True) == {}

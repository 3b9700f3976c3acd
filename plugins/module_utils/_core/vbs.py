# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Turn virtualization-based security on or off, or only report it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import CONNECTION_OPTIONS, Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.vbs_change import (
    Change,
    change_for,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.vbs_readiness import (
    PLATFORM_SECURITY,
    REQUIRE,
    RUNNING,
    SWITCH,
    demand_of,
    described,
    hardware_of,
    in_words,
    obstacles,
    restart_required,
    risks,
    status_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused

SPEC = Spec(
    {
        **CONNECTION_OPTIONS,
        "state": {"type": "str", "choices": ["enabled", "disabled"]},
        "platform_security": {"type": "str", "choices": list(PLATFORM_SECURITY)},
        "accept_risks": {"type": "bool", "default": False},
    }
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises Refused: a policy, a lock or a known trap stands against it, or what decides could not be read.
    :raises Fault: the server refused to write.
    """
    state, platform_security = call.params["state"], call.params["platform_security"]
    if platform_security is not None and state != "enabled":
        raise InvalidInput("platform_security goes with state: enabled only.")
    vbs = call.server().vbs()
    try:
        reading = vbs.read()
        change = _planned(call, reading)
        _warn(call, reading, change)
        if change.writes and not call.check_mode:
            vbs.write(change.writes)
    finally:
        vbs.close()
    after = _with(reading, change.writes)
    report = _report(after, change.writes)
    if change.writes:
        report["diff"] = {"before": _settings(reading), "after": _settings(after)}
    return {"changed": bool(change.writes), **report}


def _planned(call: Call, reading: Mapping[str, Any]) -> Change:
    """What has to be written.

    :raises Refused: nothing may be; the report stands beside the error.
    """
    params = call.params
    if params["state"] is None:
        return Change()
    change = change_for(
        reading,
        params["state"],
        platform_security=params["platform_security"],
        accept_risks=params["accept_risks"],
    )
    if change.refusal is None:
        return change
    refusal = change.refusal
    error = Refused(f"{call.name}: {refusal.words}", code=refusal.code, hint=refusal.hint, server=call.name)
    error.details = _report(reading, ())
    raise error


def _warn(call: Call, reading: Mapping[str, Any], change: Change) -> None:
    """Say what a person should know before it is done."""
    demand = demand_of(reading)
    if call.params["state"] == "enabled" and status_of(reading) != RUNNING:
        for risk in risks(reading):
            call.warn(risk.words)
    elif call.params["state"] == "disabled" and demand.kept_on_by:
        kept = ", ".join(demand.kept_on_by)
        call.warn(f"Virtualization-based security stays on, because something else needs it: {kept}.")


def _with(reading: Mapping[str, Any], writes: Mapping[str, int]) -> dict[str, Any]:
    """The reading as it is once the values are written."""
    return {**reading, "registry": {**reading["registry"], **writes}} if writes else dict(reading)


def _settings(reading: Mapping[str, Any]) -> dict[str, int | None]:
    return {name: reading["registry"].get(name) for name in (SWITCH, REQUIRE)}


def _report(reading: Mapping[str, Any], changed: Collection[str]) -> dict[str, Any]:
    demand = demand_of(reading)
    due = restart_required(reading, demand, changed)
    found = obstacles(reading, demand, changed)
    return {
        "status": status_of(reading),
        "why_unknown": reading["why_unknown"],
        "words": in_words(reading, demand, found, due),
        "properties": described(reading["guard"]),
        "settings": {"registry": reading["registry"], "policy": reading["policy"]},
        "demand": demand.as_dict(),
        "hardware": [item.as_dict() for item in hardware_of(reading, demand)],
        "blockers_to_running": [obstacle.as_dict() for obstacle in found],
        "restart_required": due,
        "risks": [risk.as_dict() for risk in risks(reading)],
        "build": reading["build"],
        "last_boot": reading["last_boot"],
        "notes": list(reading["notes"]),
    }

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Decide how each server gets onto the hotpatch track, and show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.record import (
    ONBOARDING_RECORDS_OPTION,
    Reading,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import CATALOGUE_OPTIONS, RESTART_REASONS, Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._core.table import table_lines
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.onboarding import (
    ARC,
    ENROLL,
    VBS,
    VBS_RESTART,
    Leave,
    plan_onboarding,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.waves import waves

SPEC = Spec(
    {
        **CATALOGUE_OPTIONS,
        "servers": ONBOARDING_RECORDS_OPTION,
        "restart_reasons": {**RESTART_REASONS, "default": []},
        "allow_identity_reset": {"type": "bool", "default": False},
        "canaries": {"type": "int", "default": 1},
        "batch_size": {"type": "int", "default": 5},
    }
)

_STAGES = {VBS: "VBS and a restart", ARC: "Azure Arc", ENROLL: "enrollment"}


def run(call: Call) -> dict[str, Any]:
    """The plan, shown as a table.

    :raises InvalidInput: the catalogue or the size of a wave is wrong, or a server stands there twice.
    """
    params = call.params
    catalogue = catalogue_of(call)
    names = Counter(record["name"] for record in params["servers"])
    if twice := [name for name, count in names.items() if count > 1]:
        raise InvalidInput(f"{', '.join(twice)} stands in the list of servers more than once.")
    readings = [(record["name"], Reading.of(record["read"])) for record in params["servers"]]
    plan = plan_onboarding(
        [
            {"name": name, "facts": read.facts, "failure": read.failure, "declarations": read.declared}
            for name, read in readings
        ],
        catalogue,
        Leave(params["restart_reasons"], params["allow_identity_reset"]),
    )
    for stage in (VBS, ARC, ENROLL):
        plan[f"{stage}_waves"] = waves(plan[stage], params["canaries"], params["batch_size"])
        plan[f"{stage}_wave_sizes"] = [len(wave) for wave in plan[f"{stage}_waves"]]
    plan.update(as_of=catalogue.on.isoformat(), catalogue_file=params.get("catalogue"))
    lines = _lines(plan)
    for line in lines:
        call.progress(line)
    return {"changed": False, "plan": plan, "table": lines}


def _lines(plan: Mapping[str, Any]) -> list[str]:
    number = {name: index for index, wave in enumerate(plan["vbs_waves"], 1) for name in wave}
    rows = [
        [
            name,
            (step["product_name"] or "-").removeprefix("Windows "),
            step["build"] or "-",
            {True: "yes", False: "no", None: "?"}[step["eligible"]],
            _does(step, number.get(name)),
            step["reason"],
        ]
        for name, step in plan["steps"].items()
    ]
    head = ["SERVER", "PRODUCT", "BUILD", "ELIGIBLE", "THIS RUN", "WHY"]
    return ["", *funnel_lines(plan["funnel"]), "", *table_lines(head, rows), "", _sum(plan), ""]


def funnel_lines(funnel: list[dict[str, Any]]) -> list[str]:
    """The funnel, a line for each step."""
    width = len(str(funnel[0]["servers"]))
    return [f"  {step['servers']:>{width}} {step['words']}" for step in funnel]


def _does(step: Mapping[str, Any], wave: int | None) -> str:
    if not step["allowed"]:
        return "refused" if step["outcome_if_nothing"] == "refused" else "nothing"
    words = ", ".join(_STAGES[stage] for stage in step["stages"])
    return f"{words} (wave {wave})" if wave else words


def _sum(plan: Mapping[str, Any]) -> str:
    acted = {name for stage in (VBS, ARC, ENROLL) for name in plan[stage]}
    waiting = [
        name
        for name, step in plan["steps"].items()
        if VBS in step["stages"] and VBS_RESTART not in plan["restart_reasons"]
    ]
    alone = len(plan["steps"]) - len(acted)
    leave = f" {len(waiting)} of these wait for leave to restart ({VBS_RESTART})." if waiting else ""
    return (
        f"Of {len(plan['steps'])} servers, {len(plan[VBS])} to restart for virtualization-based security (waves: "
        f"{len(plan['vbs_waves'])}), {len(plan[ARC])} to connect to Azure Arc, {len(plan[ENROLL])} to enroll, "
        f"{alone} to be left alone.{leave}"
    )

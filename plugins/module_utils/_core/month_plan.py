# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Decide what each server needs this month, and show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.record import RECORDS_OPTION, Reading
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import CATALOGUE_OPTIONS, RESTART_REASONS, Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._core.table import table_lines
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.enrollment import DECLARED, INSTALLED
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.month import HOTPATCH, RESTARTING, plan_month
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.onboarding import VBS_RESTART
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.policy import Policy
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.waves import waves

SPEC = Spec(
    {
        **CATALOGUE_OPTIONS,
        "servers": RECORDS_OPTION,
        "restart_reasons": {**RESTART_REASONS, "default": ["baseline"]},
        "canaries": {"type": "int", "default": 1},
        "batch_size": {"type": "int", "default": 5},
        "max_clock_skew": {"type": "int", "default": 600},
    }
)


def run(call: Call) -> dict[str, Any]:
    """The plan, shown as a table.

    :raises InvalidInput: the catalogue, the policy or the size of a wave is wrong, or a server stands there twice.
    """
    params = call.params
    catalogue = catalogue_of(call)
    reasons = [reason for reason in params["restart_reasons"] if reason != VBS_RESTART]
    policy = Policy.read({"restart_reasons": reasons, "max_clock_skew": params["max_clock_skew"]})
    names = Counter(record["name"] for record in params["servers"])
    if twice := [name for name, count in names.items() if count > 1]:
        raise InvalidInput(f"{', '.join(twice)} stands in the list of servers more than once.")
    readings = [(record["name"], Reading.of(record["read"])) for record in params["servers"]]
    plan = plan_month(
        [
            {"name": name, "facts": read.facts, "failure": read.failure, "declarations": read.declared}
            for name, read in readings
        ],
        catalogue,
        policy,
        catalogue.on,
        params.get("month"),
    )
    steps = {step["name"]: step for step in plan["steps"]}
    restarting = [step["name"] for step in plan["steps"] if step["allowed"] and step["action"] in RESTARTING]
    cut = waves(restarting, params["canaries"], params["batch_size"])
    plan.update(
        steps=steps,
        hotpatch=[step["name"] for step in steps.values() if step["allowed"] and step["action"] == HOTPATCH],
        waves=cut,
        wave_sizes=[len(wave) for wave in cut],
        catalogue_file=params.get("catalogue"),
    )
    lines = _lines(plan)
    for line in lines:
        call.progress(line)
    return {"changed": False, "plan": plan, "table": lines}


def _lines(plan: Mapping[str, Any]) -> list[str]:
    number = {name: index for index, wave in enumerate(plan["waves"], 1) for name in wave}
    rows = [
        [
            step["name"],
            (step["product_name"] or "-").removeprefix("Windows "),
            step["build"] or "-",
            step["track"],
            _enrolled(step),
            _needs(step, number.get(step["name"])),
            step["reason"],
        ]
        for step in plan["steps"].values()
    ]
    head = ["SERVER", "PRODUCT", "BUILD", "TRACK", "ENROLLED", "THIS RUN", "WHY"]
    return [
        "",
        f"Plan for {plan['month']}, as of {plan['as_of']}. {plan['catalogue']['words']}",
        "",
        *table_lines(head, rows),
        "",
        _sum(plan),
        "",
    ]


def _enrolled(step: Mapping[str, Any]) -> str:
    """Whether it is enrolled; a question mark where only a hint on the server says so, not the inventory or Azure."""
    if step["enrolled"] is None:
        return "?"
    certain = step["enrolled_source"] in (DECLARED, INSTALLED)
    return f"{'yes' if step['enrolled'] else 'no'}{'' if certain else ' (hint)'}"


def _needs(step: Mapping[str, Any], wave: int | None) -> str:
    if not step["allowed"]:
        return "refused" if step["action"] == "refuse" else "nothing"
    kbs = ", ".join(step["expected_kbs"])
    return f"{kbs}, wave {wave}" if wave else f"{kbs}, no restart"


def _sum(plan: Mapping[str, Any]) -> str:
    restarting: Sequence[Any] = [name for wave in plan["waves"] for name in wave]
    alone = len(plan["steps"]) - len(plan["hotpatch"]) - len(restarting)
    return (
        f"Of {len(plan['steps'])} servers, {len(plan['hotpatch'])} to get the hotpatch without a restart, "
        f"{len(restarting)} to restart (waves: {len(plan['waves'])}), {alone} to be left alone."
    )

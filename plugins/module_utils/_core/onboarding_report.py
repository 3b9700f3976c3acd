# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Say how far each server came on its way onto the hotpatch track, on the screen and in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_at
from ansible_collections.winops.hotpatch.plugins.module_utils._core.onboarding_plan import funnel_lines
from ansible_collections.winops.hotpatch.plugins.module_utils._core.record import (
    ONBOARDING_RECORDS_OPTION,
    Reading,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.report_file import write_file
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._core.table import table_lines
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.onboarding import (
    ARC,
    ENROLL,
    VBS,
    conclude_onboarding,
    funnel,
    totals,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue

SPEC = Spec(
    {
        "plan": {"type": "dict", "required": True},
        "servers": ONBOARDING_RECORDS_OPTION,
        "directory": {"type": "path"},
    }
)


def run(call: Call) -> dict[str, Any]:
    """The summary; written when a directory is given and this is no check run.

    :raises InvalidInput: a server is not in the plan, or the plan is not one.
    :raises HotpatchError: the directory cannot be written to.
    """
    plan = call.params["plan"]
    try:
        steps, day = plan["steps"], date.fromisoformat(plan["as_of"])
        catalogue = catalogue_at(day, plan.get("catalogue_file"))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"What was given as the plan is not the result of onboarding_plan: {error}.") from None
    servers = [_server(record, steps, catalogue) for record in call.params["servers"]]
    summary = {
        "as_of": plan["as_of"],
        "written": call.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "totals": totals(servers),
        "funnel_before": plan["funnel"],
        "funnel_after": funnel([each.pop("stands") for each in servers]),
        "waiting": [each["name"] for each in servers if each["outcome"] == "ready"],
        "servers": servers,
    }
    for line in _lines(summary):
        call.progress(line)
    directory = call.params["directory"]
    files = []
    if directory and not call.check_mode:
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        files = [write_file(os.path.expanduser(directory), "onboarding.json", text)]
        call.progress(f"Written: {', '.join(files)}")
    return {
        # Reports are about servers, and none was changed by writing them.
        "changed": False,
        "summary": summary,
        "outcomes": {each["name"]: {"outcome": each["outcome"], "reason": each["reason"]} for each in servers},
        "files": files,
    }


def _server(record: Mapping[str, Any], steps: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    name = record["name"]
    if name not in steps:
        raise InvalidInput(f"{name} is not in the plan.", hint="Give the plan that was made for these servers.")
    before, after = Reading.of(record["read"]), Reading.of(record.get("read_after"))
    return {
        "name": name,
        **conclude_onboarding(
            steps[name],
            facts_before=before.facts,
            facts_after=after.facts,
            catalogue=catalogue,
            declarations=after.declared or before.declared,
            after_failure=after.failure,
            stages=[(stage, record[stage]) for stage in (VBS, ARC, ENROLL) if record.get(stage)],
        ),
    }


def _lines(summary: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            each["name"],
            each["outcome"],
            f"{_stand(each['before'])} > {_stand(each['after'])}",
            {True: "yes", False: "no", None: "?"}[each["restarted"]],
            " ".join([each["reason"], *(["Next:"] if each["next"] else []), *each["next"]]),
        ]
        for each in summary["servers"]
    ]
    head = ["SERVER", "OUTCOME", "BEFORE > AFTER", "RESTARTED", "REASON, AND WHAT IS TO BE DONE NEXT"]
    waiting = summary["waiting"]
    tail = [f"These servers now wait for enrollment in Azure: {', '.join(waiting)}.", ""] if waiting else []
    return ["", *table_lines(head, rows), "", *funnel_lines(summary["funnel_after"]), "", *tail]


def _stand(stand: Mapping[str, Any] | None) -> str:
    if stand is None:
        return "?"
    if stand["eligible"] is True:
        return {True: "enrolled", False: "eligible", None: "eligible"}[stand["enrolled"]]
    return "unknown" if stand["eligible"] is None else "blocked"

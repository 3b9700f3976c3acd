# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Say what happened to each server, on the screen and in two files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_at
from ansible_collections.winops.hotpatch.plugins.module_utils._core.record import RECORDS_OPTION, Reading, done
from ansible_collections.winops.hotpatch.plugins.module_utils._core.report_file import write_file
from ansible_collections.winops.hotpatch.plugins.module_utils._core.report_page import lead_sentence, page
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._core.table import table_lines
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.outcome import conclude, totals
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue

SPEC = Spec(
    {
        "plan": {"type": "dict", "required": True},
        "servers": RECORDS_OPTION,
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
        raise InvalidInput(f"What was given as the plan is not the result of month_plan: {error}.") from None
    servers = [_server(record, steps, catalogue) for record in call.params["servers"]]
    summary = {
        "month": plan["month"],
        "as_of": plan["as_of"],
        "catalogue": plan["catalogue"],
        "written": call.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "totals": totals(servers),
        "servers": servers,
    }
    for line in _lines(summary):
        call.progress(line)
    directory = call.params["directory"]
    files = []
    if directory and not call.check_mode:
        folder = os.path.expanduser(directory)
        files = [
            write_file(folder, "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n"),
            write_file(folder, "report.html", page(summary)),
        ]
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
    wave = record.get("wave") or {}
    installs = [
        result
        for result in (done(record.get("install")), done(wave.get("update")), done(wave.get("hotpatch")))
        if result is not None
    ]
    restart = done(wave.get("restart"))
    ended = wave.get("result") or {}
    concluded = conclude(
        steps[name],
        facts_before=before.facts,
        facts_after=after.facts,
        catalogue=catalogue,
        declarations=before.declared,
        after_failure=after.failure,
        installs=installs,
        restart=restart,
        halted=ended.get("words") if ended.get("state") == "halted" else None,
        ended=ended,
    )
    concluded["receipt"] = _receipt(installs, restart)
    return concluded


def _receipt(installs: list[Mapping[str, Any]], restart: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The evidence of everything that was started on the server; None when nothing was."""
    if not installs and restart is None:
        return None
    kept = ("restarted", "boot_time_before", "boot_time_after", "stages", "pending_before", "pending_after", "why")
    return {
        "version": 1,
        "installs": [result["receipt"] for result in installs if result.get("receipt")],
        "restart": None if restart is None else {key: restart[key] for key in kept if key in restart},
    }


def _lines(summary: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            each["name"],
            each["outcome"],
            f"{each['track_before']} > {each['track_after'] or '?'}",
            ", ".join(each["kbs_installed"]) or "-",
            {True: "yes", False: "no", None: "?"}[each["restarted"]],
            each["reason"],
        ]
        for each in summary["servers"]
    ]
    head = ["SERVER", "OUTCOME", "TRACK", "INSTALLED", "RESTARTED", "REASON"]
    return ["", *table_lines(head, rows), "", lead_sentence(summary), ""]

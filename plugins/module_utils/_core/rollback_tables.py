# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The rollback of many servers: the plan before, what happened after, each as a table and as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.table import table_lines
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.waves import waves

_PLAN_HEAD = ("SERVER", "TAKES OFF", "BACK TO", "RESTARTS", "CAN GO", "TRACK AFTER", "PLAN")
_END_HEAD = ("SERVER", "OUTCOME", "TOOK OFF", "BUILD", "RESTARTED", "HELD BACK", "REASON")

#: What a server goes through the waves for: to be taken off, to be restarted, or to be proven.
_GOES_ON = ("possible", "restart_due")
_TO_FINISH = "done"


def overview(
    names: Sequence[str], results: Mapping[str, Mapping[str, Any] | None], canaries: int = 1, batch_size: int = 5
) -> dict[str, Any]:
    """Every server's plan.

    :param results: by name, what ``rollback`` with ``plan_only`` returned; a failure where it could not be read.
    :return: ``lines`` (the table), ``waves`` (names in waves), ``wave_sizes``, and the names that are ``refused``, have
        ``nothing`` to take off, or are ``unread``.
    """
    rows: list[tuple[str, ...]] = []
    sorted_out: dict[str, list[str]] = {"possible": [], "refused": [], "nothing": [], "unread": []}
    for name in names:
        result = results.get(name) or {}
        plan = result.get("plan")
        if not isinstance(plan, Mapping):
            sorted_out["unread"].append(name)
            rows.append((name, "-", "-", "-", "-", "-", str(result.get("msg") or "It was not read.")))
            continue
        status = plan["status"]
        goes_on = status in _GOES_ON or (status == _TO_FINISH and not result.get("finished"))
        kind = "possible" if goes_on else "refused" if status == "refused" else "nothing"
        sorted_out[kind].append(name)
        rows.append(_plan_row(name, plan, kind))
    planned = waves(sorted_out.pop("possible"), canaries, batch_size)
    return {
        "lines": table_lines(_PLAN_HEAD, rows),
        "waves": planned,
        "wave_sizes": [len(wave) for wave in planned],
        **sorted_out,
    }


def _plan_row(name: str, plan: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    goes = kind == "possible"
    words = [str(plan["words"])]
    if goes and plan.get("package"):
        words.append(_cve_words(plan))
    if goes and plan["track_after"] not in (None, "hotpatch"):
        words.append(str(plan["words_after"]))
    words += _ways(plan)
    track = plan["track_after"] or "-"
    after = f"{track} ({plan['state_after']})" if plan["state_after"] not in (None, track) else track
    return (
        name,
        str(plan["kb"] or "-") if kind != "nothing" else "-",
        str(plan["returns_to"] or plan["build_after"] or "-"),
        str(plan["restarts"]) if goes else "0",
        "no" if kind == "refused" else str(plan["removable"]) if goes else "-",
        after,
        " ".join(words),
    )


def _ways(plan: Mapping[str, Any]) -> list[str]:
    ways = [str(way["words"]) for way in plan["ways"]]
    return ["Ways that remain:", *ways] if ways else []


def _cve_words(plan: Mapping[str, Any]) -> str:
    known, unknown = plan["cves_open_again"], plan["cves_unknown_for"]
    if known is None:
        return "CVEs that open again: not known."
    listed = ", ".join(known) or "none"
    more = f"; not known for {', '.join(unknown)}" if unknown else ""
    return f"CVEs that open again: {listed}{more}."


def outcomes(names: Sequence[str], variables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What came of every server.

    :param variables: by name, ``plan``, ``removal``, ``restart``, ``finish`` and ``result`` as far as they are there.
    :return: ``lines`` (the table) and ``outcomes``: by name ``outcome``, ``ends_as`` (for the module ``outcome``),
        ``reason``, and what was done.
    """
    found = {name: _outcome(variables.get(name) or {}) for name in names}
    rows = [
        (
            name,
            each["outcome"],
            each["kb"] or "-",
            each["build"] or "-",
            "yes" if each["restarted"] else "no",
            {True: "yes", False: "no"}.get(each["held"], "-"),
            each["reason"],
        )
        for name, each in found.items()
    ]
    return {"lines": table_lines(_END_HEAD, rows), "outcomes": found}


def _outcome(kept: Mapping[str, Any]) -> dict[str, Any]:
    parts = {key: kept.get(key) or {} for key in ("plan", "removal", "restart", "finish", "result")}
    first, end = parts["plan"], parts["finish"]
    plan = first.get("plan") or {}
    latest = next((part for part in (end, parts["removal"], first) if part.get("build")), {})
    state = parts["result"].get("state")
    outcome, ends_as, reason = _ending(first, plan, parts, end)
    if state == "done" and end.get("hold_words"):
        reason = f"{reason} {end['hold_words']}"
    return {
        "outcome": outcome,
        "ends_as": ends_as,
        "reason": reason,
        "kb": plan.get("kb") if outcome not in ("current",) else None,
        "build": latest.get("build"),
        "track": latest.get("track"),
        "restarted": bool(parts["restart"].get("restarted")),
        "held": end.get("held"),
    }


def _ending(
    first: Mapping[str, Any], plan: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]], end: Mapping[str, Any]
) -> tuple[str, str, str]:
    """Outcome, what it ends as, and the reason. What was asked for and could not be done ends as a failure."""
    result, removal = parts["result"], parts["removal"]
    state = result.get("state")
    if state == "done":
        return "rolled_back", "rolled_back", _said(end)
    if state == "halted":
        return "skipped", "skipped", str(result.get("words"))
    if state is not None:
        words = str(result.get("words") or "It failed.")
        if first.get("unreachable"):  # an earlier run left it drained, and it cannot be put back now
            return "unreachable", "unreachable", words
        refused = removal.get("failed") and (removal.get("plan") or {}).get("status") == "refused"
        return "refused" if refused and not result.get("drained") else "failed", "failed", words
    if first.get("unreachable"):
        return "unreachable", "unreachable", str(first.get("msg") or "It could not be reached.")
    status = plan.get("status")
    if status == "refused":
        return "refused", "failed", " ".join([str(plan["words"]), *_ways(plan)])
    if status in ("nothing", "done"):
        return "current", "current", str(plan["words"])
    if status is None:
        return "failed", "failed", str(first.get("msg") or "It was not read.")
    return "skipped", "skipped", "It was planned and not gone on with."


def _said(result: Mapping[str, Any]) -> str:
    return str((result.get("plan") or {}).get("words") or result.get("msg") or "It is off.")

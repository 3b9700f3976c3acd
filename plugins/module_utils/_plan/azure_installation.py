# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Updates that the guard let through on the servers and that Azure Update Manager then installs: what the task for all
of them is given, and one result for each. Pure.

The guard hears its witnesses on each server and installs nothing; Azure is asked for exactly the KBs that it let
through there. What is reported as installed is what Azure says; that it took effect is read from the server, as ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import normal_kb

#: What Azure calls a patch that is in, whether or not it still waits for a restart.
_IN = ("installed",)


def let_through(guard: Mapping[str, Any]) -> list[str]:
    """The KBs that Azure may be asked for."""
    if guard.get("failed") or guard.get("unreachable"):
        return []
    chosen = [normal_kb(str(each.get("kb") or "")) for each in guard.get("offered") or () if each.get("selected")]
    return list(dict.fromkeys(kb for kb in chosen if kb is not None))


def scope_of(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What is asked of Azure for the servers of a play, in one task; in several where modes or kinds differ.

    :param records: of each server ``name``, ``guard`` (the result of ``updates``), ``machine`` (name or resource id,
        may be empty), ``kind`` (of a bare name) and ``mode`` (of ``updates``).
    :returns: ``tasks``, each with ``mode`` and ``kind`` of ``patch_installation`` and ``kbs`` (by machine), and
        ``left_alone``, by server what stands against asking, as an error's ``code`` and ``msg``.
    """
    left_alone: dict[str, dict[str, str]] = {}
    wanted: dict[str, tuple[str, tuple[str, str], list[str]]] = {}
    for record in records:
        name, machine = str(record["name"]), str(record.get("machine") or "").strip()
        kbs = let_through(record.get("guard") or {})
        if not kbs:
            continue
        if not machine:
            left_alone[name] = {
                "code": "azure_machine_unknown",
                "msg": f"{name} is not known as an Arc machine, so Azure cannot be asked to install on it. Set "
                "hotpatch_azure_machine to the resource id of its Arc machine or virtual machine.",
            }
            continue
        # In the other modes a baseline is named, whose restart is made and proven by whoever wants it.
        mode = "hotpatch_only" if record.get("mode") == "hotpatch_only" else "any"
        wanted[name] = machine, (mode, str(record.get("kind") or "arc")), kbs
    counted = Counter(machine.lower() for machine, _how, _kbs in wanted.values())
    tasks: dict[tuple[str, str], dict[str, list[str]]] = {}
    for name, (machine, how, kbs) in wanted.items():
        if counted[machine.lower()] == 1:
            tasks.setdefault(how, {})[machine] = kbs
            continue
        others = sorted(each for each in wanted if each != name and wanted[each][0].lower() == machine.lower())
        left_alone[name] = {
            "code": "azure_machine_shared",
            "msg": f"{name} and {', '.join(others)} are the same machine in Azure ({machine}), so nothing was asked "
            "for. Mend hotpatch_azure_machine, or connect a server anew whose disk was copied with its agent.",
        }
    return {
        "tasks": [{"mode": mode, "kind": kind, "kbs": kbs} for (mode, kind), kbs in tasks.items()],
        "left_alone": left_alone,
    }


def of_server(
    name: str, machine: str, scope: Mapping[str, Any], results: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The part of the tasks' results that is one server's, as ``patch_installation`` answers for one machine.

    :param results: of each task of the scope, in its order; one that failed has its rows all the same, or only ``msg``.
    """
    alone = scope["left_alone"].get(name)
    if alone is not None:
        return {"failed": True, "msg": alone["msg"], "error": alone}
    unasked: Mapping[str, Any] = {
        "failed": True,
        "msg": f"{name}: Azure was not asked to install, and nothing says why.",
    }
    answers = [*results, *(unasked for _task in scope["tasks"])]
    for task, result in zip(scope["tasks"], answers, strict=False):
        machines = list(task["kbs"])
        if machine.strip() in machines:
            number, rows = machines.index(machine.strip()), result.get("machines") or []
            return {**result, "machines": rows[number : number + 1]}
    return {"skipped": True}


def combined(guard: Mapping[str, Any], azure: Mapping[str, Any] | None) -> dict[str, Any]:
    """One result with the keys of ``updates``.

    :param azure: the result of ``patch_installation`` for this one machine; None or skipped when it was not run.
    """
    result = {key: value for key, value in guard.items() if key not in ("changed", "diff", "invocation")}
    result["changed"] = False
    if azure is None or azure.get("skipped"):
        return result
    row: Mapping[str, Any] = next(iter(azure.get("machines") or ()), {})
    asked = let_through(guard)
    result["kbs_installed"] = _installed(row, asked)
    result["changed"] = bool(result["kbs_installed"])
    # The guard read the build before the installation; what must show after it, the verdict of what was chosen tells.
    result["expected_build"] = next(
        (
            str(each["expected_build"])
            for each in guard.get("offered") or ()
            if each.get("selected") and each.get("expected_build")
        ),
        None,
    )
    result["azure"] = {key: row.get(key) for key in ("id", "state", "words", "activity_id", "operation")}
    error = row.get("error") or (azure.get("error") if azure.get("failed") or not row else None)
    if error or (not row and azure.get("msg")):
        result["failed"] = True
        result["msg"] = str((error or {}).get("msg") or azure.get("msg") or "Azure gave no reason.")
        result["error"] = error
    return result


def _installed(row: Mapping[str, Any], asked: list[str]) -> list[str]:
    if row.get("patches") is None:
        # The single updates of an Arc machine show some minutes later; the run as a whole is known at once.
        return asked if row.get("state") == "succeeded" else []
    found: list[str] = []
    for patch in row["patches"]:
        kb = normal_kb(str(patch.get("kb") or ""))
        if kb in asked and str(patch.get("state") or "").lower() in _IN and kb not in found:
            found.append(str(kb))
    return found

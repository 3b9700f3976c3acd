# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Updates that the guard let through on the servers and that Azure Update Manager then installs: what the task for all
of them is given, and one result for each. Pure.

The guard hears its witnesses on each server and installs nothing; Azure is asked for exactly the KBs that it let
through there. What is reported as installed is what Azure says; that it took effect is read from the server, as ever.

The task takes all that it is given, or fails as a whole. So whatever is wrong with one server's machine is found here,
and that server is left out: an id may be the server's own word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import normal_kb

#: What Azure calls a patch that is in, whether or not it still waits for a restart.
_IN = ("installed",)
_KINDS = {"arc": "Microsoft.HybridCompute/machines", "vm": "Microsoft.Compute/virtualMachines"}
#: What patch_installation takes for a machine's name, and for its id.
_NAME = r"(?!\.+/?$)[A-Za-z0-9_.-]{1,64}"
_BARE = re.compile(_NAME)
_ID = re.compile(
    r"/subscriptions/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourceGroups/[\w().-]{0,89}[\w()-]/providers/"
    rf"(?:{'|'.join(re.escape(kind) for kind in _KINDS.values())})/{_NAME}",
    re.IGNORECASE,
)


def let_through(guard: Mapping[str, Any]) -> list[str]:
    """The KBs that Azure may be asked for."""
    if guard.get("failed") or guard.get("unreachable"):
        return []
    chosen = [normal_kb(str(each.get("kb") or "")) for each in guard.get("offered") or () if each.get("selected")]
    return list(dict.fromkeys(kb for kb in chosen if kb is not None))


def scope_of(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What is asked of Azure for the servers of a play: one task, and further ones where modes differ, or where names
    cannot be made whole ids because their subscription is the account's.

    :param records: of each server ``name``, ``guard`` (the result of ``updates``), ``machine`` (name or resource id,
        may be empty), ``kind``, ``subscription_id`` and ``resource_group`` (of a bare name; they may be empty) and
        ``mode`` (of ``updates``).
    :returns: ``tasks``, each with ``mode``, ``kind`` and ``resource_group`` (of its bare names, else empty) of
        ``patch_installation``, and in the same order ``servers`` (names) and ``kbs`` (by machine); and ``left_alone``,
        by server what stands against asking, as an error's ``code`` and ``msg``.
    """
    left_alone: dict[str, dict[str, str]] = {}
    wanted: dict[str, tuple[str, tuple[str, str, str], list[str]]] = {}
    for record in records:
        name, given = str(record["name"]), str(record.get("machine") or "").strip()
        kbs = let_through(record.get("guard") or {})
        if not kbs:
            continue
        kind, group = str(record.get("kind") or "arc"), str(record.get("resource_group") or "").strip()
        machine = _whole(given, kind, str(record.get("subscription_id") or "").strip(), group)
        if against := _against(name, machine, group):
            left_alone[name] = against
            continue
        # In the other modes a baseline is named, whose restart is made and proven by whoever wants it.
        mode = "hotpatch_only" if record.get("mode") == "hotpatch_only" else "any"
        how = (mode, "arc", "") if machine.startswith("/") else (mode, kind, group)
        wanted[name] = machine, how, kbs
    machines = {name: machine for name, (machine, _how, _kbs) in wanted.items()}
    tasks: dict[tuple[str, str, str], dict[str, tuple[str, list[str]]]] = {}
    claims = _claims(machines)
    for name, (machine, how, kbs) in wanted.items():
        others = [each for each in claims[_last(machine)] if each != name and _may_be_one(machine, machines[each])]
        if not others:
            tasks.setdefault(how, {})[name] = machine, kbs
            continue
        left_alone[name] = {
            "code": "azure_machine_shared",
            "msg": f"{name} and {', '.join(others)} are the same machine in Azure ({machine}), or cannot be told "
            "apart, so nothing was asked for. Mend hotpatch_azure_machine (a whole resource id is clear), or connect a "
            "server anew whose disk was copied with its agent.",
        }
    shown = [
        {"mode": mode, "kind": kind, "resource_group": group, "servers": list(found), "kbs": dict(found.values())}
        for (mode, kind, group), found in tasks.items()
    ]
    return {"tasks": shown, "left_alone": left_alone}


def _whole(machine: str, kind: str, subscription: str, group: str) -> str:
    """The resource id where it can be made: the task's own settings are those of one server, not of each."""
    if not machine or machine.startswith("/") or not subscription or not group:
        return machine.rstrip("/")
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{_KINDS.get(kind, kind)}/{machine}"


def _last(machine: str) -> str:
    return machine.lower().rpartition("/")[2]


def _claims(machines: Mapping[str, str]) -> dict[str, list[str]]:
    """The servers by the last part of their machines' ids."""
    found: dict[str, list[str]] = {}
    for name, machine in sorted(machines.items()):
        found.setdefault(_last(machine), []).append(name)
    return found


def _may_be_one(one: str, other: str) -> bool:
    """Of two machines with the same last part: a bare name may be either."""
    return one.lower() == other.lower() or not (one.startswith("/") and other.startswith("/"))


def _against(name: str, machine: str, group: str) -> dict[str, str] | None:
    if not machine:
        return {
            "code": "azure_machine_unknown",
            "msg": f"{name} is not known as an Arc machine, so Azure cannot be asked to install on it. Set "
            "hotpatch_azure_machine to the resource id of its Arc machine or virtual machine.",
        }
    if not (_ID if machine.startswith("/") else _BARE).fullmatch(machine):
        return {
            "code": "azure_machine_invalid",
            "msg": f"{name}: {machine[:200]!r} is no Arc machine and no virtual machine, so Azure was not asked. Set "
            "hotpatch_azure_machine to its resource id.",
        }
    if not machine.startswith("/") and not group:
        return {
            "code": "azure_machine_unknown",
            "msg": f"{name}: {machine} is the name of a machine, and its resource group is not given, so Azure was not "
            "asked. Set hotpatch_azure_resource_group, or hotpatch_azure_machine to the resource id.",
        }
    return None


def of_server(name: str, scope: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The part of the tasks' results that is one server's, as ``patch_installation`` answers for one machine.

    :param results: of each task of the scope, in its order; one that failed has its rows all the same, or only ``msg``.
    """
    alone = scope["left_alone"].get(name)
    if alone is not None:
        return {"failed": True, "msg": alone["msg"], "error": alone}
    unanswered: Mapping[str, Any] = {
        "failed": True,
        "msg": f"{name}: the task that asks Azure to install ended without an answer. Whether Azure was asked is not "
        "known: look at the machine's update history in Azure Update Manager.",
    }
    answers = [*results, *(unanswered for _task in scope["tasks"])]
    for task, result in zip(scope["tasks"], answers, strict=False):
        if name in task["servers"]:
            number, rows = task["servers"].index(name), result.get("machines") or []
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

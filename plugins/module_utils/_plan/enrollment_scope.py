# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Which servers of a play are enrolled, paused or taken out in Azure by one task, and what became of each. Pure.

A server is known to Azure by the resource id of its Arc machine: what the inventory says wins, then what the agent said
when it was connected, then what the server was read to say. What a server says of itself is checked: an id that two
servers claim (a disk that was cloned with its agent) is nobody's.

A virtual machine of Azure has no Arc machine and no licence: it is enrolled when its own switch is on, so that it is a
task of its own. Which virtual machine it is, only the inventory knows. Azure Edition on Azure Local has no such switch.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.platform_kind import LOCAL_VM

PRESENT, PAUSED, ABSENT = "present", "paused", "absent"
STATES = (PRESENT, PAUSED, ABSENT)
OUTCOMES = ("enrolled", "paused", "left", "ready", "not_eligible", "refused", "failed", "unreachable", "skipped")

_ARC_ID = re.compile(
    r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]{1,90}/providers/Microsoft\.HybridCompute/machines/[\w.-]{1,64}",
    re.IGNORECASE,
)
_VM_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute/virtualMachines/[^/]+", re.I
)
#: States in which a machine has, or is getting, the licence feature.
_IN = ("enrolled", "paused", "half_enrolled", "enrolling")
_NO_MACHINE = (
    "It is not known as an Arc machine. Connect it to Azure Arc first (role onboard_arc), or name its machine with "
    "hotpatch_azure_machine."
)
_NO_VM = (
    "It is an Azure Edition: hotpatches are switched on at its virtual machine in Azure, and which one it is, is not "
    "known here. Set hotpatch_azure_machine to the virtual machine's resource id (the inventory plugin fleet has it)."
)
_NOT_CONNECTED = (
    "It is not connected to Azure Arc, so there is nothing to pause or to leave. If a machine of its is left in Azure, "
    "name that with hotpatch_azure_machine."
)
#: What patch_settings says of a virtual machine whose patch mode would have to change. That is left to the person.
_LEAVE_LACKS = "platform_mode_needed"
_LOCAL_VM = "It is an Azure Edition on Azure Local: Azure has no switch for it, and nothing is to be enrolled."


@dataclass(frozen=True)
class Wish:
    """What a run is to do.

    :ivar eligible_only: leave servers alone that may not have hotpatches, or of which that is not known.
    :ivar resume: end pauses.
    """

    state: str = PRESENT
    eligible_only: bool = True
    resume: bool = False


def scope_of(
    records: Iterable[Mapping[str, Any]], wish: Wish, seen: Sequence[Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """What the one task is given.

    :param records: by server: ``name``, and where there is one, ``machine`` (name or id, from the inventory), ``kind``
        (``vm``: a bare name is one of a virtual machine), ``platform`` (declared), ``opted_out`` (declared), ``read``
        (a result of host_info) and ``arc`` (a result of arc_agent).
    :param seen: how the machines stand, in the order of ``machines``, when that was asked first.
    :returns: ``machines`` and ``names`` in the same order, ``tasks`` (each with ``state``, ``opted_out``, ``machines``
        and ``names``; one unless some servers are declared as paused), ``vms`` (each with ``hotpatching``, ``machines``
        and ``names``), ``left_alone`` by name with outcome and reason.
    """
    left_alone: dict[str, dict[str, str]] = {}
    machines: dict[str, str] = {}
    virtual: set[str] = set()
    paused: set[str] = set()
    for record in records:
        name = str(record["name"])
        against = _against(record, wish)
        is_vm = _is_vm(record)
        machine = _given(record) if is_vm else machine_of(record)
        if against is None and machine is None:
            against = _unread(record) or _unknown_machine(record, wish, is_vm)
        if against is not None:
            left_alone[name] = {"outcome": against[0], "reason": against[1]}
            continue
        machines[name] = str(machine)
        if is_vm:
            virtual.add(name)
        if record.get("opted_out") is True:
            paused.add(name)
    counted = Counter(machine.lower() for machine in machines.values())
    for name in [name for name, machine in machines.items() if counted[machine.lower()] > 1]:
        others = [other for other in machines if other != name and machines[other].lower() == machines[name].lower()]
        left_alone[name] = {
            "outcome": "refused",
            "reason": f"Another server claims the same machine in Azure ({', '.join(others) or 'named above'}): a disk "
            "was copied with its agent. Connect one of them anew.",
        }
    machines = {name: machine for name, machine in machines.items() if counted[machine.lower()] == 1}
    vms = {name: machine for name, machine in machines.items() if name in virtual}
    machines = {name: machine for name, machine in machines.items() if name not in virtual}
    if seen is not None:
        for name, row in zip(list(machines), seen, strict=True):
            error = row.get("error")
            if error:
                # Whoever cannot be seen is not touched: pausing would enroll one that is not.
                left_alone[name] = {"outcome": "failed", "reason": str(error.get("msg"))}
            elif row.get("state") not in _IN:
                left_alone[name] = {"outcome": "skipped", "reason": "It is not enrolled, so there is nothing to pause."}
            else:
                continue
            del machines[name]
    return {
        "machines": list(machines.values()),
        "names": list(machines),
        "tasks": _tasks(machines, paused, wish),
        "vms": _vm_tasks(vms, paused, wish),
        "left_alone": left_alone,
    }


def machine_of(record: Mapping[str, Any]) -> str | None:
    """The Arc machine of a server: a name or id that a person gave, or an id that was read; None when none is known."""
    if given := _given(record):
        return given
    connected = (record.get("arc") or {}).get("agent") or {}
    read = ((record.get("read") or {}).get("server") or {}).get("arc") or {}
    for arc in (connected, read):
        text = str(arc.get("resource_id") or "")
        if not text and all(arc.get(key) for key in ("subscription_id", "resource_group", "resource_name")):
            text = (
                f"/subscriptions/{arc['subscription_id']}/resourceGroups/{arc['resource_group']}"
                f"/providers/Microsoft.HybridCompute/machines/{arc['resource_name']}"
            )
        if _ARC_ID.fullmatch(text):
            return text
    return None


def conclude(
    scope: Mapping[str, Any],
    results: Iterable[Mapping[str, Any]],
    switched: Iterable[Mapping[str, Any]] = (),
    *,
    check_mode: bool = False,
) -> dict[str, dict[str, Any]]:
    """What became of each server.

    :param results: of ``enrollment`` for each of ``tasks``, in their order; one that failed has its machines all the
        same, or only ``msg``.
    :param switched: of ``patch_settings`` for each of ``vms``, likewise.
    :returns: by name ``outcome``, ``reason``, ``machine``, ``changed``, ``azure_state``, and ``enrolled`` and
        ``opted_out`` as Azure now has them (None: not certain).
    """
    concluded: dict[str, dict[str, Any]] = {
        name: _row(alone["outcome"], alone["reason"]) for name, alone in scope["left_alone"].items()
    }
    done = zip(scope["tasks"], results, strict=False)
    for task, result in (*done, *zip(scope["vms"], switched, strict=False)):
        rows = result.get("machines") or []
        for number, name in enumerate(task["names"]):
            if number < len(rows):
                row = rows[number] if "hotpatching" not in task else _as_enrollment(rows[number], str(task["state"]))
                concluded[name] = _ended(row, str(task["state"]), check_mode)
            else:
                why = str(result.get("msg") or "Azure was not asked, and nothing says why.")
                concluded[name] = _row("failed", why, task["machines"][number])
    for task in (*scope["tasks"], *scope["vms"]):
        for number, name in enumerate(task["names"]):
            concluded.setdefault(name, _row("failed", "Azure was not asked.", task["machines"][number]))
    return concluded


def totals(concluded: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many servers had each outcome; outcomes that nobody had are left out."""
    counted = Counter(str(each["outcome"]) for each in concluded.values())
    return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}


def _unknown_machine(record: Mapping[str, Any], wish: Wish, is_vm: bool) -> tuple[str, str]:
    """Outcome and reason of a server that was read and whose machine in Azure is not known."""
    if wish.state == PRESENT:
        return ("ready", _NO_VM) if is_vm else ("not_eligible", _NO_MACHINE)
    # It may have hotpatches all the same: who wants them off must not take this for done.
    if is_vm:
        return "failed", _NO_VM
    return ("skipped", _NOT_CONNECTED) if _not_connected(record) else ("failed", _NO_MACHINE)


def _not_connected(record: Mapping[str, Any]) -> bool:
    """Whether it is certain that the server has no identity in Azure Arc."""
    arc = ((record.get("read") or {}).get("server") or {}).get("arc") or {}
    if arc.get("installed") is False:
        return True
    # An agent that answers and names no machine has none; one that does not answer may.
    return bool(arc.get("status")) and not arc.get("resource_id") and not arc.get("resource_name")


def _against(record: Mapping[str, Any], wish: Wish) -> tuple[str, str] | None:
    """What stands against touching a server's enrollment: outcome and reason."""
    product = (record.get("read") or {}).get("product") or {}
    if product.get("azure_edition") is True and _place(record) == LOCAL_VM:
        return ("ready" if wish.state == PRESENT else "skipped"), _LOCAL_VM
    if not wish.eligible_only or wish.state != PRESENT:
        return None
    unread = _unread(record)
    if unread is not None:
        return unread
    read = record.get("read") or {}
    eligibility = read.get("eligibility") or {}
    words = " ".join(str(blocker.get("words")) for blocker in eligibility.get("blockers") or ())
    if eligibility.get("eligible") is False:
        return "not_eligible", words
    if eligibility.get("eligible") is not True:
        return "refused", words or "Whether it may have hotpatches is not known."
    return None


def _given(record: Mapping[str, Any]) -> str | None:
    return str(record.get("machine") or "").strip() or None


def _place(record: Mapping[str, Any]) -> Any:
    server = (record.get("read") or {}).get("server") or {}
    return record.get("platform") or (server.get("platform") or {}).get("kind")


def _is_vm(record: Mapping[str, Any]) -> bool:
    """Whether its switch is that of a virtual machine of Azure. A resource id says so itself; a name, as declared."""
    given = _given(record) or ""
    if given.startswith("/"):
        return _VM_ID.fullmatch(given) is not None
    product = (record.get("read") or {}).get("product") or {}
    return (bool(given) and record.get("kind") == "vm") or product.get("azure_edition") is True


def _unread(record: Mapping[str, Any]) -> tuple[str, str] | None:
    read = record.get("read") or {}
    if read.get("server"):
        return None
    outcome = "unreachable" if read.get("unreachable") else "failed"
    return outcome, str(read.get("msg") or "The server was not read, and nothing says why.")


def _tasks(machines: Mapping[str, str], paused: set[str], wish: Wish) -> list[dict[str, Any]]:
    groups: dict[bool | None, list[str]] = {}
    for name in machines:
        opted_out: bool | None = None
        if wish.state == PAUSED:
            opted_out = True
        elif wish.state == PRESENT:
            opted_out = False if wish.resume else True if name in paused else None
        groups.setdefault(opted_out, []).append(name)
    return [
        {
            "state": wish.state,
            "opted_out": opted_out,
            "machines": [machines[name] for name in names],
            "names": names,
        }
        for opted_out, names in groups.items()
    ]


def _vm_tasks(vms: Mapping[str, str], paused: set[str], wish: Wish) -> list[dict[str, Any]]:
    """A virtual machine has one switch: it is off for whoever is paused, and for whoever leaves."""
    groups: dict[bool, list[str]] = {}
    for name in vms:
        groups.setdefault(wish.state == PRESENT and (wish.resume or name not in paused), []).append(name)
    return [
        {"state": wish.state, "hotpatching": on, "machines": [vms[name] for name in names], "names": names}
        for on, names in groups.items()
    ]


def _as_enrollment(row: Mapping[str, Any], wanted: str) -> dict[str, Any]:
    """A row of ``patch_settings`` in the words of ``enrollment``."""
    on, error = row.get("hotpatching"), row.get("error")
    state = "enrolled" if on is True else "not_enrolled" if wanted == ABSENT else "paused"
    if error and error.get("code") == _LEAVE_LACKS:
        hint = (
            "This run has no leave to set it: with hotpatch_platform_patching it does, and Azure then installs updates "
            "there by itself."
        )
        error = {**error, "hint": hint}
    return {**row, "state": state, "error": error}


def _row(outcome: str, reason: str, machine: str | None = None, row: Mapping[str, Any] | None = None) -> dict[str, Any]:
    row = row or {}
    state = row.get("state")
    return {
        "outcome": outcome,
        "reason": reason,
        "machine": row.get("id") or machine,
        "changed": bool(row.get("changed")),
        "azure_state": state,
        "enrolled": {"enrolled": True, "paused": True, "not_enrolled": False}.get(str(state)),
        "opted_out": {"enrolled": False, "paused": True}.get(str(state)),
    }


def _ended(row: Mapping[str, Any], wanted: str, check_mode: bool) -> dict[str, Any]:
    state, error = str(row.get("state")), row.get("error")
    if error:
        hint = f" {error['hint']}" if error.get("hint") else ""
        outcome = "skipped" if error.get("code") == _LEAVE_LACKS else "failed"
        return _row(outcome, f"{error.get('msg')}{hint}", row=row)
    notes = " ".join(str(note) for note in row.get("notes") or ())
    outcome, words = _judged(state, wanted)
    if check_mode and row.get("changed"):
        words = f"{words} So it would be; nothing was sent."
    return _row(outcome, f"{words} {notes}".strip(), row=row)


def _judged(state: str, wanted: str) -> tuple[str, str]:
    if wanted == ABSENT:
        if state == "not_enrolled":
            return "left", "It is not enrolled: it gets the ordinary updates."
        if state == "disenrolling":
            return "ready", "Azure has accepted that it leaves, and works on it."
        return "failed", f"It was to leave, and Azure shows it as {state}."
    if state == "paused":
        return "paused", "It is enrolled and its hotpatches are paused: it gets the ordinary updates."
    if state == "enrolling":
        return "ready", "Azure has accepted the enrollment, and works on it."
    if state == "enrolled" and wanted == PRESENT:
        return "enrolled", "It is enrolled, and its hotpatches are on."
    return "failed", f"Azure shows it as {state}."

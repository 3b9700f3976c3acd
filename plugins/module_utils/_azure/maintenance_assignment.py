# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Assign machines to a maintenance configuration, and take them off it, or off several. One machine's work is a ``Job``
of :mod:`many`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import maintenance, patching
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import Conflict, WriteOutcomeUnknown
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Job
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ResourceId
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_assignment import (
    check_machine,
    notes_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_settings_change import (
    ARC,
    VM,
    read_settings,
)

_ROUNDS = 4
_PAUSE = 2.0


@dataclass(frozen=True)
class Wanted:
    """What is wanted of every machine.

    :ivar keys: of the configurations that are meant; to assign a machine, of ``configuration`` alone.
    :ivar location: the configuration's; empty when it is not there yet (check mode).
    :ivar name: of a new assignment.
    """

    state: str
    keys: frozenset[str]
    configuration: ResourceId | None = None
    location: str = ""
    name: str = ""
    check_mode: bool = False


@dataclass
class Row:
    """What became of one machine; kept up to date while the work goes on.

    :ivar before: the names of its assignments to what is meant; None while it has not been read.
    """

    machine: ResourceId
    before: tuple[str, ...] | None = None
    now: tuple[str, ...] | None = None
    others: tuple[str, ...] = ()
    sent: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether it is assigned now and was not, or the other way round."""
        if self.before is None or self.now is None:
            return self.sent > 0
        return bool(self.before) != bool(self.now)

    def as_dict(self) -> dict[str, Any]:
        """For a task's result."""
        return {
            "name": self.machine.name,
            "id": str(self.machine),
            "changed": self.changed,
            "assigned": None if self.now is None else bool(self.now),
            "assignments": list(self.now or ()),
            "other_configurations": list(self.others),
            "notes": list(self.notes),
        }


def working(arm: Arm, row: Row, wanted: Wanted) -> Job:
    """The work on one machine.

    :raises HotpatchError: it does not stand as wanted; ``row`` tells how it does stand.
    """
    for number in range(1, _ROUNDS + 1):
        found = _read(arm, row, wanted)
        try:
            if wanted.configuration is None or wanted.state == "absent":
                _take_off(arm, row, wanted)
            else:
                _assign(arm, row, wanted, wanted.configuration, found)
            return
        except (WriteOutcomeUnknown, Conflict) as error:
            if number == _ROUNDS:
                raise
            row.notes.append(error.message)
            yield _PAUSE


def _read(arm: Arm, row: Row, wanted: Wanted) -> list[dict[str, Any]]:
    found = maintenance.assignments_of(arm, row.machine)
    row.now = tuple(str(item.get("name")) for item in found if maintenance.configuration_of(item) in wanted.keys)
    row.others = tuple(
        sorted(
            str(properties.get("maintenanceConfigurationId"))
            for item in found
            if isinstance(properties := item.get("properties"), Mapping)
            and maintenance.configuration_of(item) not in wanted.keys
        )
    )
    if row.before is None:
        row.before = row.now
    return found


def _take_off(arm: Arm, row: Row, wanted: Wanted) -> None:
    """Whatever name the assignment has."""
    for name in row.now or ():
        if not wanted.check_mode:
            path = maintenance.assignment_path(str(row.machine), name)
            maintenance.delete(arm, path, doing=f"taking {row.machine.name} off its schedule ({name})")
            row.sent += 1
        row.now = tuple(other for other in row.now or () if other != name)


def _assign(arm: Arm, row: Row, wanted: Wanted, configuration: ResourceId, found: list[dict[str, Any]]) -> None:
    if row.now:
        return
    machine = patching.get(arm, row.machine)
    settings = read_settings(machine, ARC if patching.is_arc(row.machine) else VM)
    check_machine(row.machine.name, settings)
    location = str(machine.get("location") or "")
    for note in notes_of(settings, location, wanted.location, len(row.others)):
        if note not in row.notes:
            row.notes.append(note)
    if any(str(item.get("name")).lower() == wanted.name.lower() for item in found):
        raise Refused(
            f"{row.machine.name}: it has an assignment named {wanted.name} already, to another configuration.",
            hint="Choose another name with assignment_name.",
        )
    if not wanted.check_mode:
        body = {
            "location": location,
            "properties": {
                "maintenanceConfigurationId": str(configuration),
                "resourceId": str(row.machine),
            },
        }
        path = maintenance.assignment_path(str(row.machine), wanted.name)
        maintenance.write(arm, path, body, doing=f"assigning {row.machine.name} to {configuration.name}")
        row.sent += 1
    row.now = (wanted.name,)

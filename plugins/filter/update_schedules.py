# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the schedules of rings of servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_rings import schedules_of

DOCUMENTATION = r"""
name: update_schedules
short_description: Make the schedules of Azure Update Manager for rings of servers
version_added: 0.2.0
description:
  - Each ring has three schedules, one for each month of a quarter. Those of the hotpatch months never restart, the one
    of the baseline month restarts if required.
author: The winops.hotpatch contributors (@winops)
positional: hostvars, rings, prefix
options:
  _input:
    description: Names of the servers.
    type: list
    elements: str
    required: true
  hostvars:
    description:
      - The variables of all hosts; C(schedule_updates_wanted) of each may have C(machine), its name or id in Azure, and
        C(ring). Without it, the machine has the server's name and is in the first ring.
    type: dict
    required: true
  rings:
    description:
      - The rings, each with C(name), C(hotpatch_days) and C(baseline_days) after Patch Tuesday (2 and 4 when left out),
        and, to differ from the others, C(start), C(time_zone), C(duration) and C(reboot_setting).
    type: list
    elements: dict
    required: true
  prefix:
    description: How the names of the schedules begin.
    type: str
    default: updates
"""

EXAMPLES = r"""
- name: Show which schedules a ring has
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | winops.hotpatch.update_schedules(hostvars, [{'name': 'pilot'}]) }}"
"""

RETURN = r"""
_value:
  description:
    - The schedules, each with C(name), C(ring), C(kind) (V(hotpatch) or V(baseline)), C(months), C(servers),
      C(machines) and the options of M(winops.hotpatch.maintenance_configuration).
  type: list
  elements: dict
"""


def update_schedules(
    names: Iterable[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    rings: Iterable[Mapping[str, Any]],
    prefix: str = "updates",
) -> list[dict[str, Any]]:
    servers = {str(name): hostvars[name].get("schedule_updates_wanted") or {} for name in names}
    try:
        return schedules_of(servers, rings, prefix)
    except HotpatchError as error:
        raise AnsibleFilterError(error.sentence()) from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"update_schedules": update_schedules}

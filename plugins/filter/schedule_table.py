# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show what schedules do when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_rings import table_of

DOCUMENTATION = r"""
name: schedule_table
short_description: Show what schedules of Azure Update Manager do when
version_added: 0.2.0
description: Puts the next starts of several schedules in order of time, one line each.
author: The winops.hotpatch contributors (@winops)
positional: count
options:
  _input:
    description: Results of M(winops.hotpatch.maintenance_configuration), such as the C(results) of a loop.
    type: list
    elements: dict
    required: true
  count:
    description: How many lines at most.
    type: int
    default: 12
"""

EXAMPLES = r"""
- name: Make two schedules
  winops.hotpatch.maintenance_configuration:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: "pilot-month-{{ item }}"
    location: westeurope
    start: "23:00"
    time_zone: Europe/Berlin
    patch_tuesday: 1
    quarter_month: "{{ item }}"
  loop: [2, 3]
  register: pilots

- name: Show what happens when
  ansible.builtin.debug:
    msg: "{{ pilots.results | winops.hotpatch.schedule_table(4) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""


def schedule_table(results: Iterable[Mapping[str, Any]], count: int = 12) -> list[str]:
    return table_of(results, count)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"schedule_table": schedule_table}

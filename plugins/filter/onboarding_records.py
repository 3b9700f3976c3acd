# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what the stages of onboarding registered for each server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

DOCUMENTATION = r"""
name: onboarding_records
short_description: Gather what the stages of onboarding registered for each server
version_added: 0.2.0
description:
  - Makes the O(winops.hotpatch.onboarding_plan#module:servers) of M(winops.hotpatch.onboarding_plan) and
    M(winops.hotpatch.onboarding_report) from the variables that the roles and the playbook set.
author: The winops.hotpatch contributors (@winops)
positional: hostvars
options:
  _input:
    description: Names of the servers.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Count the servers that may be onboarded
  ansible.builtin.debug:
    msg: "{{ records | selectattr('read.server', 'defined') | list | length }} of {{ records | length }}"
  vars:
    records: "{{ ansible_play_hosts_all | winops.hotpatch.onboarding_records(hostvars) }}"
"""

RETURN = r"""
_value:
  description: One entry for each server, with its name and what was registered for it.
  type: list
  elements: dict
"""

#: What each key of a record is called as a variable.
_VARIABLES = {
    "read": "assess_read",
    "read_after": "assess_read_after",
    "vbs": "enable_vbs_result",
    "arc": "onboarding_arc",
    "enroll": "onboarding_enroll",
}


def onboarding_records(names: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One record for each name; a key is there only when its variable is."""
    records = []
    for name in names:
        variables = hostvars[name]
        record: dict[str, Any] = {"name": name}
        record.update({key: variables[variable] for key, variable in _VARIABLES.items() if variable in variables})
        record.setdefault("read", {"failed": True, "msg": f"{name} was not read."})
        records.append(record)
    return records


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"onboarding_records": onboarding_records}

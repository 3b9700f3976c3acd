# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the servers of a play together for one enrollment task in Azure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.enrollment_scope import Wish, scope_of

DOCUMENTATION = r"""
name: enrollment_scope
short_description: Put the servers of a play together for one enrollment task in Azure
version_added: 0.2.0
description:
  - Finds the Arc machine of each server, by C(machine) of the variable C(enroll_wanted), else by what
    C(onboard_arc_result) or C(enroll_read) say, and leaves alone those that have none or may not have hotpatches.
  - Virtual machines of Azure are told by their resource ids, by C(kind) of C(enroll_wanted), or by their edition.
  - Servers that are declared as paused (C(opted_out) of C(enroll_wanted)) are a task of their own.
author: The winops.hotpatch contributors (@winops)
positional: hostvars, state, eligible_only, resume, seen
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
  state:
    description: What is wanted, V(present), V(paused) or V(absent).
    type: str
    default: present
  eligible_only:
    description: Leave servers alone that may not have hotpatches, or of which that is not known.
    type: bool
    default: true
  resume:
    description: End pauses.
    type: bool
    default: false
  seen:
    description: How the machines stand, in the order of C(machines), from M(winops.hotpatch.enrollment_info).
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: Show which Arc machines the servers are
  ansible.builtin.debug:
    msg: "{{ (ansible_play_hosts_all | winops.hotpatch.enrollment_scope(hostvars)).machines }}"
"""

RETURN = r"""
_value:
  description:
    - C(machines) and C(names) of the Arc machines, in the same order; C(tasks), each with C(state), C(opted_out),
      C(machines) and C(names).
    - C(vms), the tasks for virtual machines of Azure, each with C(state), C(hotpatching), C(machines) and C(names).
    - C(left_alone), by name, with C(outcome) and C(reason).
  type: dict
"""


def enrollment_scope(
    names: Iterable[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    state: str = "present",
    eligible_only: bool = True,
    resume: bool = False,
    seen: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The servers that one task takes, and those that it does not."""
    records = []
    for name in names:
        variables = hostvars[name]
        wanted = variables.get("enroll_wanted") or {}
        records.append(
            {
                "name": name,
                "machine": wanted.get("machine"),
                "kind": wanted.get("kind"),
                "platform": wanted.get("platform"),
                "opted_out": wanted.get("opted_out"),
                "read": variables.get("enroll_read"),
                "arc": variables.get("onboard_arc_result"),
            }
        )
    return scope_of(records, Wish(state, bool(eligible_only), bool(resume)), seen)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"enrollment_scope": enrollment_scope}

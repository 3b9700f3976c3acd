# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what came of the rollback of each server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.rollback_tables import outcomes

DOCUMENTATION = r"""
name: rollback_outcomes
short_description: Say what came of the rollback of each server
version_added: 0.2.0
description:
  - Makes a table, and an outcome for each server, from the variables that the role C(winops.hotpatch.roll_back) sets.
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
- name: Show what came of the rollback
  ansible.builtin.debug:
    msg: "{{ (ansible_play_hosts_all | winops.hotpatch.rollback_outcomes(hostvars)).lines }}"
"""

RETURN = r"""
_value:
  description:
    - C(lines), the table, and C(outcomes), by server. An outcome holds C(outcome), C(ends_as) (for
      M(winops.hotpatch.outcome)), C(reason), C(kb), C(build), C(track), C(restarted) and C(held).
  type: dict
"""

#: What each part is called as a variable.
_VARIABLES = {
    "plan": "roll_back_plan",
    "removal": "roll_back_removal",
    "restart": "roll_back_restart",
    "finish": "roll_back_finish",
    "result": "roll_back_result",
}


def rollback_outcomes(names: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The outcome of each server by the variables that it keeps."""
    kept = {
        name: {key: hostvars[name][variable] for key, variable in _VARIABLES.items() if variable in hostvars[name]}
        for name in names
    }
    return outcomes(list(names), kept)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"rollback_outcomes": rollback_outcomes}

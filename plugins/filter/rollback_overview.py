# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the rollback plans of all servers together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.rollback_tables import overview

DOCUMENTATION = r"""
name: rollback_overview
short_description: Put the rollback plans of all servers together
version_added: 0.2.0
description:
  - Makes a table of the plans that M(winops.hotpatch.rollback) made for the servers, and cuts those that can go on into
    waves.
author: The winops.hotpatch contributors (@winops)
positional: hostvars, canaries, batch_size, variable
options:
  _input:
    description: Names of the servers, in the order of the waves.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  canaries:
    description: How many servers go alone in the first wave.
    type: int
    default: 1
  batch_size:
    description: How many servers may restart at the same time after that.
    type: int
    default: 5
  variable:
    description: The name under which each server's plan was registered.
    type: str
    default: roll_back_plan
"""

EXAMPLES = r"""
- name: Show the rollback plans of all servers of the play
  ansible.builtin.debug:
    msg: "{{ (ansible_play_hosts_all | winops.hotpatch.rollback_overview(hostvars)).lines }}"
"""

RETURN = r"""
_value:
  description:
    - C(lines), the table; C(waves) and C(wave_sizes) of the servers that can go on; and the names of those that are
      C(refused), have C(nothing) to take off, or are C(unread).
  type: dict
"""


def rollback_overview(
    names: Sequence[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    canaries: int = 1,
    batch_size: int = 5,
    variable: str = "roll_back_plan",
) -> dict[str, Any]:
    """The plans of the servers by the variable that each one keeps."""
    results = {name: hostvars[name][variable] for name in names if variable in hostvars[name]}
    return overview(list(names), results, canaries, batch_size)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"rollback_overview": rollback_overview}

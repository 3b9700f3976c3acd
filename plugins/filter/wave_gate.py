# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether the next wave may start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.waves import gate

DOCUMENTATION = r"""
name: wave_gate
short_description: Decide whether the next wave may start
version_added: 0.1.0
description:
  - Servers that failed or were lost in the waves so far keep spending the failure budget. When it is overspent, no
    further wave starts.
author: The winops.hotpatch contributors (@winops)
positional: hostvars, wave, failure_budget, result_variable
options:
  _input:
    description: Names of all servers of the waves, in order.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  wave:
    description: Names of the servers of the wave that asks.
    type: list
    elements: str
    required: true
  failure_budget:
    description: How many servers may fail before no further wave starts.
    type: int
    required: true
  result_variable:
    description:
      - Name of the variable in which each server keeps how its wave ended, a dictionary with C(state) (V(done),
        V(failed) or V(halted)) and C(words).
    type: str
    default: restart_in_waves_result
    version_added: 0.2.0
"""

EXAMPLES = r"""
- name: Ask whether this wave may start
  ansible.builtin.debug:
    msg: "{{ (ansible_play_hosts_all | winops.hotpatch.wave_gate(hostvars, ansible_play_batch, 0)).words }}"
"""

RETURN = r"""
_value:
  description:
    - C(go), a boolean, and C(words), the reason.
    - C(canary) is true for the first of several waves.
  type: dict
"""


def wave_gate(
    names: Sequence[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    wave: Sequence[str],
    failure_budget: int,
    result_variable: str = "restart_in_waves_result",
) -> dict[str, Any]:
    """Whether the wave may start, by what the waves before it recorded."""
    results = {name: hostvars[name][result_variable] for name in names if result_variable in hostvars[name]}
    return gate(results, list(wave), len(names), failure_budget)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"wave_gate": wave_gate}

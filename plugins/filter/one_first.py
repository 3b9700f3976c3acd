# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which servers of a batch may go now, one alone before the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan import one_first as rule

DOCUMENTATION = r"""
name: one_first
short_description: Decide which servers of a batch may go now, one alone before the others
version_added: 0.2.0
description:
  - As long as nothing is proven on any server of the play, a single server of the batch may go. After the first success
    all of the batch may. Servers that failed keep spending the failure budget; when it is overspent, none may go.
  - Reads the variable O(result) of each server, a dictionary with C(state) (V(waiting), V(done), V(failed), V(refused)
    or V(halted)), C(proven) and C(words).
author: The winops.hotpatch contributors (@winops)
positional: hostvars, batch, failure_budget, result
options:
  _input:
    description: Names of all servers of the play.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  batch:
    description: Names of the servers that ask, in order.
    type: list
    elements: str
    required: true
  failure_budget:
    description: How many servers may fail before none may go any more.
    type: int
    required: true
  result:
    description: The name of the variable that holds the result of a server.
    type: str
    default: enable_vbs_result
"""

EXAMPLES = r"""
- name: Ask who may go now
  ansible.builtin.debug:
    msg: "{{ (ansible_play_hosts_all | winops.hotpatch.one_first(hostvars, ansible_play_batch, 0)).words }}"
"""

RETURN = r"""
_value:
  description:
    - C(now), the servers that may go at once; C(alone), those that may be tried one after another before that;
      C(halted), whether none may go because the budget is overspent; C(words), the reason.
  type: dict
"""


def one_first(
    names: Sequence[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    batch: Sequence[str],
    failure_budget: int,
    result: str = "enable_vbs_result",
) -> dict[str, Any]:
    """Who may go now, by what the servers recorded so far."""
    results = {name: hostvars[name][result] for name in names if result in hostvars[name]}
    return rule.one_first(results, list(batch), failure_budget)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"one_first": one_first}

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the guard's judgement on the server and Azure's installation together, as one result of an installation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.azure_installation import combined, of_server

DOCUMENTATION = r"""
name: azure_installation
short_description: Put the guard's judgement and Azure's installation together
version_added: 0.2.0
description:
  - Makes one result, with the keys of M(winops.hotpatch.updates), of what the guard said of the offered updates on a
    server (M(winops.hotpatch.updates) with O(winops.hotpatch.updates#module:state=downloaded)) and of what Azure Update
    Manager then installed there (M(winops.hotpatch.patch_installation), one task for many servers).
author: The winops.hotpatch contributors (@winops)
positional: name, scope, results
options:
  _input:
    description: The result of M(winops.hotpatch.updates), failed and unreachable ones included.
    type: dict
    required: true
  name:
    description: The server's name in the inventory.
    type: str
    required: true
  scope:
    description: What P(winops.hotpatch.installation_scope#filter) made of all servers.
    type: dict
    required: true
  results:
    description:
      - The results of M(winops.hotpatch.patch_installation) for the tasks of O(scope), in their order; empty when none
        was run.
    type: list
    elements: dict
    default: []
seealso:
  - plugin: winops.hotpatch.installation_scope
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what the guard let through, which Azure has not installed yet
  ansible.builtin.debug:
    msg: "{{ (install_updates_result | winops.hotpatch.azure_installation('web01', nothing)).kbs_installed }}"
  vars:
    nothing: {tasks: [], left_alone: {}}
"""

RETURN = r"""
_value:
  description:
    - The guard's result with what Azure installed in C(kbs_installed); C(failed), C(unreachable), C(msg) and C(error)
      tell what went wrong on either side.
  type: dict
"""


def azure_installation(
    guard: Mapping[str, Any],
    name: str,
    scope: Mapping[str, Any],
    results: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """One result of both."""
    return combined(guard, of_server(str(name), scope, results))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"azure_installation": azure_installation}

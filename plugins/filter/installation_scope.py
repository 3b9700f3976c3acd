# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the servers of a play together whose updates Azure is to install, for one task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.azure_installation import scope_of

DOCUMENTATION = r"""
name: installation_scope
short_description: Put the servers together whose updates Azure installs in one task
version_added: 0.2.0
description:
  - Gathers what the role P(winops.hotpatch.install_updates#role) has kept of each server in C(install_updates_wanted),
    its machine in Azure, and in C(install_updates_guard), which KBs the train guard let through on it, for one call of
    M(winops.hotpatch.patch_installation).
author: The winops.hotpatch contributors (@winops)
positional: hostvars, current
options:
  _input:
    description: Names of hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  current:
    description:
      - Only hosts whose C(install_updates_wanted.round) it is are taken, so that what a host wanted earlier in a play
        is not asked for again.
    type: str
    required: true
seealso:
  - module: winops.hotpatch.patch_installation
  - plugin: winops.hotpatch.azure_installation
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what Azure would be asked for
  ansible.builtin.debug:
    msg: "{{ ansible_play_batch | winops.hotpatch.installation_scope(hostvars, 'the first') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - C(tasks), each with O(winops.hotpatch.patch_installation#module:mode),
      O(winops.hotpatch.patch_installation#module:kind), O(winops.hotpatch.patch_installation#module:resource_group) and
      C(kbs), which is O(winops.hotpatch.patch_installation#module:kbs_by_machine), and in the same order C(servers).
      There is one, unless modes differ, or machines are given by names of different kinds or groups without their
      subscription.
    - C(left_alone), by name the C(code) and C(msg) of what stands against asking Azure.
  type: dict
  sample:
    tasks:
      - mode: hotpatch_only
        kind: arc
        resource_group: rg-arc-servers
        servers: [web01]
        kbs: {web01: [KB5072014]}
    left_alone: {}
"""


def installation_scope(names: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], current: str) -> dict[str, Any]:
    """The servers that one task takes, and those that it does not."""
    records = []
    for name in names:
        variables = hostvars[name]
        wanted = variables.get("install_updates_wanted") or {}
        if wanted.get("round") == current:
            records.append({**wanted, "name": name, "guard": variables.get("install_updates_guard")})
    return scope_of(records)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"installation_scope": installation_scope}

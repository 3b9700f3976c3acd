#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: month_plan
short_description: Decide what each server needs this month, and show it as a table
version_added: 0.1.0
description:
  - Takes what M(winops.hotpatch.host_info) read from each server and decides, from the catalogue and a policy, which
    servers get the month's hotpatch without a restart, which go through the waves, and which are left alone and why.
  - Contacts no server and changes nothing.
author: The winops.hotpatch contributors (@winops)
options:
  servers:
    description: One entry for each server.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What people call the server.
        type: str
        required: true
      read:
        description: The result of M(winops.hotpatch.host_info), failed and unreachable ones included.
        type: dict
        required: true
      read_after:
        description: Not used here. The same records go to M(winops.hotpatch.month_report).
        type: dict
      install:
        description: Not used here. The same records go to M(winops.hotpatch.month_report).
        type: dict
      wave:
        description: Not used here. The same records go to M(winops.hotpatch.month_report).
        type: dict
  month:
    description: The month that is patched, C(YYYY-MM). Defaults to the month of O(as_of).
    type: str
  as_of:
    description:
      - The day that is taken as today, C(YYYY-MM-DD). Defaults to today in UTC, or the last day of O(month) when that
        month is past.
    type: str
  catalogue:
    description: A catalogue file of your own, merged over the one of the collection.
    type: path
  restart_reasons:
    description:
      - Reasons for which a server may be restarted. A server that needs a restart for another reason is listed with
        what it needs and left alone.
      - V(baseline) is the planned baseline of an enrolled server, V(unplanned_baseline) one that Microsoft added,
        V(missed_baseline) an enrolled server that is behind its quarter's baseline, V(off_track) an enrolled server
        that an ordinary update took off the track, V(lcu) a server that takes ordinary cumulative updates.
      - V(vbs) belongs to M(winops.hotpatch.onboarding_plan) and changes nothing here, so that one list serves both.
    type: list
    elements: str
    choices: [baseline, unplanned_baseline, missed_baseline, off_track, lcu, vbs]
    default: [baseline]
  canaries:
    description: How many servers go through the first wave alone.
    type: int
    default: 1
  batch_size:
    description: How many servers may restart at the same time after that.
    type: int
    default: 5
  max_clock_skew:
    description: Seconds a server's clock may differ from the controller's.
    type: int
    default: 600
attributes:
  check_mode:
    description: Can run in C(check_mode); it never changes anything.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Plan the month for every server of the play
  winops.hotpatch.month_plan:
    month: '2025-12'
    restart_reasons: [baseline, missed_baseline]
    servers: "{{ ansible_play_hosts_all | winops.hotpatch.server_records(hostvars) }}"
  run_once: true
  register: assess_plan
"""

RETURN = r"""
plan:
  description: The plan.
  returned: success
  type: dict
  contains:
    month:
      description: The month that is patched.
      type: str
      returned: always
      sample: 2025-12
    as_of:
      description: The day that was taken as today.
      type: str
      returned: always
      sample: '2025-12-31'
    catalogue:
      description: How fresh the catalogue is.
      type: dict
      returned: always
      sample: {collected: '2026-11-22', stale: false}
    steps:
      description: By server name, what it needs, why, and what is expected afterwards.
      type: dict
      returned: always
      sample: {web01: {action: hotpatch, reason: On the hotpatch track., expected_kbs: [KB5072014]}}
    hotpatch:
      description: Names of the servers that get the hotpatch.
      type: list
      elements: str
      returned: always
      sample: [web01]
    waves:
      description: Names of the servers that restart, wave by wave.
      type: list
      elements: list
      returned: always
      sample: [[sql01], [sql02, app01]]
table:
  description: The plan as the lines of a table.
  returned: success
  type: list
  elements: str
  sample: [SERVER  TRACK  NEEDS]
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import month_plan
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(month_plan.SPEC), month_plan.run, server=False)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: month_report
short_description: Say what happened to each server this month
version_added: 0.1.0
description:
  - Compares what was planned, what was done and what was read afterwards, gives each server one outcome with a reason,
    prints them as a table, and writes C(summary.json) and C(report.html).
  - A server whose state after the run was not read is never reported as a success.
author: The winops.hotpatch contributors (@winops)
options:
  plan:
    description: The plan, from M(winops.hotpatch.month_plan).
    type: dict
    required: true
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
        description: The result of M(winops.hotpatch.host_info) before the run.
        type: dict
        required: true
      read_after:
        description: The result of M(winops.hotpatch.host_info) after the run.
        type: dict
      install:
        description: The result of M(winops.hotpatch.updates) in the hotpatch play.
        type: dict
      wave:
        description: What happened in the waves, with the results of the update, the restart and the hotpatch after it.
        type: dict
  directory:
    description:
      - Folder on the controller for C(summary.json) and C(report.html); it is made when it is missing.
      - When left out, or in check mode, nothing is written.
    type: path
attributes:
  check_mode:
    description: Can run in C(check_mode); nothing is written then.
    support: full
  diff_mode:
    description: The files are reports, not a state to compare.
    support: none
"""

EXAMPLES = r"""
- name: Write the report of the month
  winops.hotpatch.month_report:
    plan: "{{ assess_plan.plan }}"
    servers: "{{ ansible_play_hosts_all | winops.hotpatch.server_records(hostvars) }}"
    directory: ./hotpatch-report
  run_once: true
  register: month
"""

RETURN = r"""
summary:
  description: What C(summary.json) holds.
  returned: success
  type: dict
  contains:
    month:
      description: The month that was patched.
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
    totals:
      description: How many servers had each outcome.
      type: dict
      returned: always
      sample: {hotpatched: 9, baselined: 4, unreachable: 1}
    servers:
      description: One entry for each server.
      type: list
      elements: dict
      returned: always
      sample: [{name: web01, outcome: hotpatched, reason: KB5072014 is installed and the server did not restart.}]
outcomes:
  description: By server name, its outcome and the reason.
  returned: success
  type: dict
  sample: {web01: {outcome: hotpatched, reason: KB5072014 is installed and the server did not restart.}}
files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
  sample: [./hotpatch-report/summary.json, ./hotpatch-report/report.html]
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import month_report
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(month_report.SPEC), month_report.run, server=False)


if __name__ == "__main__":
    main()

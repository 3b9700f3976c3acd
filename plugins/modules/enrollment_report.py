#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: enrollment_report
short_description: Say what an enrollment task in Azure came to for each server
version_added: 0.2.0
description:
  - Gives each server one outcome with a reason, prints them as a table, and writes C(enrollment.json).
  - V(enrolled), V(paused) and V(left) are how it stands now. V(ready) means that somebody else goes on with it, Azure
    for instance. V(not_eligible), V(refused) and V(skipped) were left alone. The rest are failures.
author: The winops.hotpatch contributors (@winops)
options:
  scope:
    description: What was to be done, from P(winops.hotpatch.enrollment_scope#filter).
    type: dict
    required: true
  done:
    description: The results of M(winops.hotpatch.enrollment), one for each of the scope's tasks; failed ones, too.
    type: list
    elements: dict
    required: true
  switched:
    description:
      - The results of M(winops.hotpatch.patch_settings), one for each of the scope's C(vms); failed ones, too.
    type: list
    elements: dict
    default: []
  directory:
    description:
      - Folder on the controller for C(enrollment.json); it is made when it is missing.
      - When left out, or in check mode, nothing is written.
    type: path
attributes:
  check_mode:
    description: Can run in C(check_mode); nothing is written then.
    support: full
  diff_mode:
    description: The file is a report, not a state to compare.
    support: none
"""

EXAMPLES = r"""
- name: Say what became of each server
  winops.hotpatch.enrollment_report:
    scope: "{{ enroll_scope }}"
    done: "{{ enroll_done.results }}"
    switched: "{{ enroll_switched.results }}"
    directory: ./hotpatch-report
  run_once: true
"""

RETURN = r"""
summary:
  description: What C(enrollment.json) holds.
  returned: success
  type: dict
  contains:
    written:
      description: When it was written.
      type: str
      sample: '2025-12-20T10:04:11Z'
    totals:
      description: How many servers had each outcome.
      type: dict
      sample: {enrolled: 12, not_eligible: 1}
    servers:
      description: The entries of RV(outcomes), with the name of each server.
      type: list
      elements: dict
outcomes:
  description: By server, its outcome, reason, Arc machine, whether it changed, and how Azure now has it.
  returned: success
  type: dict
  sample:
    web11:
      outcome: enrolled
      reason: It is enrolled, and its hotpatches are on.
      machine: /subscriptions/.../machines/web11
      changed: true
      azure_state: enrolled
      enrolled: true
      opted_out: false
files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import enrollment_report
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(enrollment_report.SPEC), enrollment_report.run, server=False)


if __name__ == "__main__":
    main()

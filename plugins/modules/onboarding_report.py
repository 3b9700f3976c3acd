#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: onboarding_report
short_description: Say how far each server came on its way onto the hotpatch track
version_added: 0.2.0
description:
  - Compares what was planned, what was done and what was read afterwards, gives each server one outcome with a reason
    and what is still missing, prints them as a table, and writes C(onboarding.json).
  - V(enrolled) is eligible and enrolled, V(ready) is eligible and waits for its enrollment in Azure.
  - A server whose state after the run was not read is never reported as a success.
author: The winops.hotpatch contributors (@winops)
options:
  plan:
    description: The plan, from M(winops.hotpatch.onboarding_plan).
    type: dict
    required: true
  servers:
    description: One entry for each server, from P(winops.hotpatch.onboarding_records#filter).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What people call the server.
        type: str
        required: true
      read:
        description: The result of M(winops.hotpatch.host_info) before the run, failed and unreachable ones included.
        type: dict
        required: true
      read_after:
        description: The result of M(winops.hotpatch.host_info) after the run.
        type: dict
      vbs:
        description: What the stage recorded, with C(state) V(done), V(failed) or V(halted), and C(words).
        type: dict
      arc:
        description: What the stage recorded, with C(state) V(done), V(failed) or V(halted), and C(words).
        type: dict
      enroll:
        description: What the stage recorded, with C(state) V(done), V(failed) or V(halted), and C(words).
        type: dict
  directory:
    description:
      - Folder on the controller for C(onboarding.json); it is made when it is missing.
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
- name: Write how far each server came
  winops.hotpatch.onboarding_report:
    plan: "{{ onboarding.plan }}"
    servers: "{{ ansible_play_hosts_all | winops.hotpatch.onboarding_records(hostvars) }}"
    directory: ./hotpatch-report
  run_once: true
  register: onboarded
"""

RETURN = r"""
summary:
  description: What C(onboarding.json) holds.
  returned: success
  type: dict
  contains:
    as_of:
      description: The day that was taken as today.
      type: str
      returned: always
      sample: '2025-12-20'
    totals:
      description: How many servers had each outcome.
      type: dict
      returned: always
      sample: {enrolled: 9, ready: 2, not_eligible: 4}
    funnel_before:
      description: How many servers came how far before the run. C(funnel_after) is made alike.
      type: list
      elements: dict
      returned: always
      sample: [{step: scope, words: are in scope, servers: 15}]
    waiting:
      description: Names of the servers that are eligible and wait for their enrollment in Azure.
      type: list
      elements: str
      returned: always
      sample: [web01]
    servers:
      description:
        - One entry for each server. C(missing) is what is in its way, C(next) what a person does now, in order.
      type: list
      elements: dict
      returned: always
      sample:
        - name: sql02
          outcome: not_eligible
          stages: []
          missing: [Secure Boot is off.]
          next: [Turn Secure Boot on in the firmware., 'Then run this again: what is done stays done.']
          restarted: false
outcomes:
  description: By server name, its outcome and the reason.
  returned: success
  type: dict
  sample: {web01: {outcome: ready, reason: It is eligible and waits for its enrollment in Azure.}}
files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
  sample: [./hotpatch-report/onboarding.json]
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import onboarding_report
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(onboarding_report.SPEC), onboarding_report.run, server=False)


if __name__ == "__main__":
    main()

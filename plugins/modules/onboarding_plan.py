#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: onboarding_plan
short_description: Decide how each server gets onto the hotpatch track, and show it
version_added: 0.2.0
description:
  - Takes what M(winops.hotpatch.host_info) read from each server and decides which stages bring it onto the hotpatch
    track. V(vbs) turns virtualization-based security on and needs a restart, V(arc) connects the server to Azure Arc,
    V(enroll) is the enrollment, which is done in Azure.
  - A server is only given stages when they remove everything that stands against it. Where something else is in the
    way, such as Secure Boot, that is for a person to do first, and the server is left alone and shown with all of it.
  - Contacts no server and changes nothing.
author: The winops.hotpatch contributors (@winops)
options:
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
        description: Not used here. The same records go to M(winops.hotpatch.onboarding_report).
        type: dict
      vbs:
        description: Not used here. The same records go to M(winops.hotpatch.onboarding_report).
        type: dict
      arc:
        description: Not used here. The same records go to M(winops.hotpatch.onboarding_report).
        type: dict
      enroll:
        description: Not used here. The same records go to M(winops.hotpatch.onboarding_report).
        type: dict
  month:
    description: The month that is taken as this one, C(YYYY-MM). Defaults to the month of O(as_of).
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
      - Reasons for which a server may be restarted. Only V(vbs) matters here; without it no server restarts, and those
        that would have to are listed with what they need and left alone.
      - The others belong to M(winops.hotpatch.month_plan), so that one list serves both.
    type: list
    elements: str
    choices: [baseline, unplanned_baseline, missed_baseline, off_track, lcu, vbs]
    default: []
  allow_identity_reset:
    description:
      - Whether a server whose identity in Azure expired, or whose resource was deleted, may be connected with a new
        one. The role assignments of the old identity are lost; record them first. See
        O(winops.hotpatch.arc_agent#module:allow_identity_reset).
    type: bool
    default: false
  canaries:
    description: How many servers go through each stage alone, before the others.
    type: int
    default: 1
  batch_size:
    description: How many servers may go through a stage at the same time after that.
    type: int
    default: 5
attributes:
  check_mode:
    description: Can run in C(check_mode); it never changes anything.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Plan how the servers of the play get onto the hotpatch track
  winops.hotpatch.onboarding_plan:
    as_of: '2025-12-20'
    restart_reasons: [vbs]
    servers: "{{ ansible_play_hosts_all | winops.hotpatch.onboarding_records(hostvars) }}"
  run_once: true
  register: onboarding
"""

RETURN = r"""
plan:
  description: The plan.
  returned: success
  type: dict
  contains:
    steps:
      description:
        - By server name, its C(stages) in order, whether they are C(allowed), the C(reason), everything that stands
          against it (C(blockers), C(missing)) and the C(fix_plan) of M(winops.hotpatch.host_info).
      type: dict
      returned: always
      sample: {web01: {stages: [vbs, enroll], allowed: true, blockers: [vbs_not_enabled], restarts: 1}}
    funnel:
      description: How many servers come how far.
      type: list
      elements: dict
      returned: always
      sample: [{step: scope, words: are in scope, servers: 24}, {step: read, words: were read, servers: 23}]
    vbs:
      description: Names of the servers whose virtualization-based security is turned on.
      type: list
      elements: str
      returned: always
      sample: [web01]
    arc:
      description: Names of the servers that are connected to Azure Arc.
      type: list
      elements: str
      returned: always
      sample: [app01]
    enroll:
      description: Names of the servers that are to be enrolled when the other stages are through.
      type: list
      elements: str
      returned: always
      sample: [web01, app01]
    vbs_waves:
      description: Names of the servers that restart, wave by wave. C(arc_waves) and C(enroll_waves) are made alike.
      type: list
      elements: list
      returned: always
      sample: [[web01]]
    vbs_wave_sizes:
      description: The sizes of these waves, for C(serial). C(arc_wave_sizes) and C(enroll_wave_sizes) are made alike.
      type: list
      elements: int
      returned: always
      sample: [1]
table:
  description: The plan as lines of text.
  returned: success
  type: list
  elements: str
  sample: [SERVER  ELIGIBLE  THIS RUN]
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import onboarding_plan
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(onboarding_plan.SPEC), onboarding_plan.run, server=False)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_assessment
short_description: Have Azure assess which updates Arc machines and Azure VMs lack
version_added: 0.2.0
description:
  - Asks Azure Update Manager to assess each machine, waits for the result, and judges each update that it finds by the
    catalogue of this collection, so that a hotpatch is told from what restarts the machine or takes it off the track.
  - An assessment is something Azure does; nothing on the machine is different after it. So the task is never changed.
  - With O(maximum_age) a recent assessment is taken as it is, and nothing is sent.
  - In check mode nothing is sent; the last assessment that Azure keeps is shown.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.azure
  - winops.hotpatch.azure.account
  - winops.hotpatch.azure.machines
options:
  kind:
    description: What a machine is that is given by its bare name. A resource id says so itself.
    type: str
    choices: [arc, vm]
    default: arc
  maximum_age:
    description:
      - Minutes. An assessment that Azure finished no longer ago is taken as it is. V(0) always assesses.
      - For Arc machines this is read from Resource Graph, which is some minutes behind.
    type: int
    default: 0
  operation:
    description:
      - An operation that an earlier task returned (RV(machines[].operation)). It is followed, and nothing is begun.
      - For several machines, a dict with an operation for each, by the names in O(machines).
    type: dict
  wait:
    description: Wait for the result. When not, RV(machines[].operation) is what a later task can go on with.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait for each machine.
    type: int
    default: 1800
  poll_interval:
    description:
      - Seconds between two looks where Azure does not say how long to wait. Many machines are looked at less often.
    type: float
    default: 15
  as_of:
    description:
      - The day that is taken as today, C(YYYY-MM-DD). Releases after it are not known. Defaults to today in UTC.
    type: str
  catalogue:
    description:
      - A catalogue file of your own, in the form of C(docs/catalogue.md). Its rows are merged over those of the
        collection.
    type: path
attributes:
  diff_mode:
    description: Nothing changes.
    support: none
seealso:
  - module: winops.hotpatch.patch_installation
  - module: winops.hotpatch.updates
"""

EXAMPLES = r"""
- name: Assess an Arc machine, unless it was assessed in the last hour
  winops.hotpatch.patch_assessment:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: web14
    maximum_age: 60
  register: assessed

- name: Show what each update is for this machine
  ansible.builtin.debug:
    msg: "{{ assessed.machines[0].patches | default([], true) | map(attribute='verdict.words') | list }}"
"""

RETURN = r"""
machines:
  description: One entry for each machine, in the order of the task; also when some failed.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the machine.
      type: str
      returned: always
      sample: WEB01
    id:
      description: Its resource id.
      type: str
      returned: always
    state:
      description:
        - V(succeeded), V(completed_with_warnings), V(failed), V(in_progress), V(unknown), or V(not_started).
      type: str
      returned: always
      sample: succeeded
    activity_id:
      description: Azure's id of the assessment.
      type: str
      returned: always
    started:
      description: When it began.
      type: str
      returned: always
      sample: "2025-12-20T12:00:05Z"
    finished:
      description: When it ended; null where Azure does not tell.
      type: str
      returned: always
      sample: "2025-12-20T12:01:50Z"
    reused:
      description: Whether an earlier assessment is shown.
      type: bool
      returned: always
    restart_pending:
      description: Whether the machine waits for a restart.
      type: bool
      returned: always
    patches:
      description:
        - The single updates; null when they are not known. A VM names them in its result. Those of an Arc machine are
          in Resource Graph, some minutes later; RV(machines[].notes) says so when they are not there yet.
      type: list
      elements: dict
      returned: always
      contains:
        name:
          description: Its title.
          type: str
          returned: always
          sample: 2025-12 Security Hotpatch Update (KB5072014) (26100.7392)
        kb:
          description: Its KB.
          type: str
          returned: always
          sample: KB5072014
        classifications:
          description: Its classes.
          type: list
          elements: str
          returned: always
          sample: [security]
        severity:
          description: Severity by Microsoft, where Azure tells it.
          type: str
          returned: always
          sample: Critical
        state:
          description: V(available).
          type: str
          returned: always
          sample: available
        restart:
          description:
            - What the update itself says of restarts, V(never), V(always), V(can_request) or V(unknown). The verdict
              knows better whether it is a hotpatch.
          type: str
          returned: always
          sample: can_request
        version:
          description: Its version, for Linux.
          type: str
          returned: always
        published:
          description: When it came out.
          type: str
          returned: always
          sample: "2025-12-09T00:00:00Z"
        update_id:
          description: Its id in Windows Update, where Azure tells it.
          type: str
          returned: always
        verdict:
          description:
            - What the catalogue says of it for this very machine, with C(kind), C(reason) and C(words), as
              M(winops.hotpatch.updates) has it.
          type: dict
          returned: always
    patch_counts:
      description: How many updates, by class.
      type: dict
      returned: always
      sample: {security: 1, definition: 1}
    errors:
      description: What Azure says against it.
      type: list
      elements: str
      returned: always
    attached:
      description: Whether the operation of an earlier task was followed.
      type: bool
      returned: always
    track:
      description: The track the machine is on, as far as Azure shows its build and enrollment.
      type: str
      returned: always
      sample: hotpatch
    operation:
      description: Azure's operation, when it was not followed to its end; give it to O(operation) of a later task.
      type: dict
      returned: always
    notes:
      description: What else you should know.
      type: list
      elements: str
      returned: always
    error:
      description: Why it failed; null when it did not.
      type: dict
      returned: always
counts:
  description: How many machines there are, failed, and have an earlier assessment.
  returned: always
  type: dict
  sample: {machines: 40, changed: 0, failed: 0, reused: 38}
traffic:
  description: How many requests were sent to Azure, throttled by it, and repeated.
  returned: always
  type: dict
  sample: {requests: 9, throttled: 0, repeated: 0}
correlation_id:
  description: Under which Azure's activity log keeps what this task did.
  returned: always
  type: str
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import patch_assessment
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(patch_assessment.SPEC), patch_assessment.run, server=False)


if __name__ == "__main__":
    main()

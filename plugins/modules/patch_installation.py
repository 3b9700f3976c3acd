#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_installation
short_description: Have Azure install updates on Arc machines and Azure VMs now
version_added: 0.2.0
description:
  - Asks Azure Update Manager to install updates on each machine, and waits for the result.
  - As O(mode) is V(hotpatch_only) unless you say otherwise, only single KBs are asked for that the catalogue knows as
    hotpatches of this very machine.
  - No installation is ever started twice. The request is sent once. When its answer is lost, Azure's record of the
    machine is read. A run that is new there is followed; when none shows, the task fails and says that nobody knows.
    While a run is under way, nothing is sent.
  - A run goes on in Azure whatever becomes of the task. RV(machines[].operation) is what a later task follows it with.
  - In check mode nothing is sent.
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
  mode:
    description:
      - V(hotpatch_only) takes only KBs in O(kb_include) that are hotpatches for this machine, and refuses
        O(classifications), because a classification takes the cumulative update as well when that is offered.
      - V(any) takes what you name. It may restart the machine or take it off the hotpatch track.
    type: str
    choices: [any, hotpatch_only]
    default: hotpatch_only
  kb_include:
    description: KBs to install.
    type: list
    elements: str
    default: []
  kb_exclude:
    description: KBs not to install.
    type: list
    elements: str
    default: []
  kbs_by_machine:
    description:
      - Machines that are to get different KBs, in one task and with one login. By machine, as in O(machines), the list
        of its KBs. Instead of O(name), O(machines) and O(kb_include).
    type: dict
  classifications:
    description: Classes to install. They add to O(kb_include).
    type: list
    elements: str
    choices: [critical, security, update_rollup, feature_pack, service_pack, definition, tools, updates]
    default: []
  exclude_kbs_requiring_reboot:
    description:
      - Whether only updates are installed that say of themselves that they never restart. A hotpatch may not say so,
        and is then left out.
    type: bool
    default: false
  reboot_setting:
    description:
      - Whether Azure restarts the machine. With V(never) a policy of the server that restarts it after updates does so
        all the same; M(winops.hotpatch.update_policy) shows those.
    type: str
    choices: [never, if_required, always]
    default: never
  maximum_duration:
    description:
      - How long the run may last, as V(2h), V(90m), V(2h30m), or as Azure writes it, V(PT2H30M). From 5 minutes to 4
        hours. Nothing is begun after it; what was begun is finished.
    type: str
    default: 2h
  max_patch_publish_date:
    description:
      - Only updates that came out on or before it, as a date (V(2025-12-09), its end in UTC) or a moment with its zone.
    type: str
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
    description: Seconds to wait for each machine. Defaults to O(maximum_duration) and half an hour.
    type: int
  poll_interval:
    description:
      - Seconds between two looks where Azure does not say how long to wait. Many machines are looked at less often.
    type: float
    default: 30
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
    description: What will be installed is known to Windows Update alone; the result names it.
    support: none
seealso:
  - module: winops.hotpatch.patch_assessment
  - module: winops.hotpatch.updates
  - module: winops.hotpatch.restart
"""

EXAMPLES = r"""
- name: Install the month's hotpatch through Azure
  winops.hotpatch.patch_installation:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: web15
    kb_include: [KB5072014]
    maximum_duration: 1h

- name: Begin it without waiting, on a virtual machine
  winops.hotpatch.patch_installation:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    kind: vm
    name: vm02
    kb_include: [KB5072014]
    wait: false
  register: begun

- name: Install what suits each, in one task
  winops.hotpatch.patch_installation:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    kbs_by_machine:
      web15: [KB5072014]
      web16: [KB5072014]

- name: Follow it to its end, if there was anything to install
  winops.hotpatch.patch_installation:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    kind: vm
    name: vm02
    kb_include: [KB5072014]
    operation: "{{ begun.machines[0].operation }}"
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
    changed:
      description: Whether something was installed or the machine restarted, or may be by now.
      type: bool
      returned: always
    state:
      description:
        - V(succeeded), V(completed_with_warnings), V(failed), V(in_progress) while Azure goes on, V(unknown) when the
          answer was lost and no run shows, or V(not_started).
      type: str
      returned: always
      sample: succeeded
    words:
      description: The result in a sentence.
      type: str
      returned: always
      sample: 1 installed, 1 not selected; no restart needed.
    activity_id:
      description: Azure's id of the run.
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
      sample: "2025-12-20T12:09:40Z"
    sent:
      description: Whether the request was sent by this task.
      type: bool
      returned: always
    reboot_status:
      description:
        - V(not_needed), V(required), V(started), V(completed), V(failed) or V(unknown).
      type: str
      returned: always
      sample: not_needed
    maximum_duration_exceeded:
      description: Whether the time was over before all was done.
      type: bool
      returned: always
    kbs_asked:
      description: The KBs that were asked for on this machine; empty when only an earlier operation is followed.
      type: list
      elements: str
      returned: always
      sample: [KB5072014]
    verdicts:
      description: What the catalogue says of each KB in RV(machines[].kbs_asked) for this machine.
      type: list
      elements: dict
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
          description: V(installed), V(failed), V(pending), V(excluded), V(not_selected) or V(unknown).
          type: str
          returned: always
          sample: installed
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
      description: How many updates, by what became of them.
      type: dict
      returned: always
      sample: {installed: 1, failed: 0, pending: 0, excluded: 0, not_selected: 1}
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
request:
  description:
    - The body that was sent, or would be; null when only earlier operations are followed. With O(kbs_by_machine) null
      as well, see RV(machines[].kbs_asked).
  returned: always
  type: dict
  sample: {maximumDuration: PT1H, rebootSetting: Never, windowsParameters: {kbNumbersToInclude: ["5072014"]}}
counts:
  description: How many machines there are, changed, failed, still being installed on, and of unknown outcome.
  returned: always
  type: dict
  sample: {machines: 40, changed: 38, failed: 0, in_progress: 0, unknown: 0}
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

from ansible_collections.winops.hotpatch.plugins.module_utils._core import patch_installation
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(patch_installation.SPEC), patch_installation.run, server=False)


if __name__ == "__main__":
    main()

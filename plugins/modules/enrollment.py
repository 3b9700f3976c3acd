#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: enrollment
short_description: Enroll Azure Arc machines for hotpatches, or take them out
version_added: 0.2.0
description:
  - Makes sure that the licence profile of each Arc machine has the Hotpatch feature, and that the machine's own switch
    is on. Both are needed; one without the other is shown as a state of its own.
  - Waits until Azure is done, about ten minutes, because an accepted change is not yet an enrollment.
  - What others have set stays, such as software assurance and extended security updates.
  - A change that is under way is not sent again. Where an answer was lost, the state is read before anything is
    repeated.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.azure
  - winops.hotpatch.azure.account
  - winops.hotpatch.azure.machines
options:
  state:
    description:
      - V(present) enrolls. V(absent) takes the machine out; it then gets the ordinary updates, and the rule for coming
        back is returned in RV(rule).
    type: str
    choices: [present, absent]
    default: present
  opted_out:
    description:
      - Whether hotpatches are paused, while the machine stays enrolled.
      - When left out, a machine that this task enrolls gets hotpatches, and a pause that somebody has set stays.
    type: bool
  wait:
    description: Wait until Azure is done with each machine.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait for each machine, from the moment Azure has accepted its change.
    type: int
    default: 1800
  poll_interval:
    description:
      - Seconds between two looks at a machine. Many machines are looked at less often, so that half of what Azure
        allows stays free.
    type: float
    default: 30
attributes:
  diff_mode:
    description: Returns enrollment and pause of each changed machine, before and after.
    support: full
seealso:
  - module: winops.hotpatch.enrollment_info
  - module: winops.hotpatch.host_info
"""

EXAMPLES = r"""
- name: Enroll a server
  winops.hotpatch.enrollment:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: web11

- name: Enroll many servers, and go on while Azure works on it
  winops.hotpatch.enrollment:
    machines: "{{ arc_machine_ids }}"
    wait: false

- name: Pause hotpatches of a server that stays enrolled
  winops.hotpatch.enrollment:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: web12
    opted_out: true

- name: Take a server out
  winops.hotpatch.enrollment:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: web13
    state: absent
  register: left

- name: Show what leaving means
  ansible.builtin.debug:
    msg: "{{ left.rule | default('It was out before.') }}"
"""

RETURN = r"""
machines:
  description: One entry for each machine, in the order of the task; also when some failed.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the Arc machine.
      type: str
      returned: always
      sample: WEB01
    id:
      description: Its resource id.
      type: str
      returned: always
    changed:
      description: Whether it stands differently now.
      type: bool
      returned: always
    state:
      description:
        - V(enrolled), V(not_enrolled), V(enrolling) and V(disenrolling) while Azure works on it, V(paused) when it is
          opted out, V(half_enrolled) when it has the licence and its switch was never set, V(failed), V(unknown), or
          V(unread).
      type: str
      returned: always
      sample: enrolled
    subscription_status:
      description: Azure's own word for the licence feature.
      type: str
      returned: always
      sample: Enabled
    opted_out:
      description: Whether hotpatches are paused; null when the switch was never set.
      type: bool
      returned: always
    hotpatch_status:
      description: Azure's own word for what the switch has come to.
      type: str
      returned: always
      sample: Enabled
    agent_status:
      description: Azure's word for the machine's agent.
      type: str
      returned: always
      sample: Connected
    enrollment_date:
      description: When it was enrolled. No date tells how it stands now; RV(machines[].subscription_status) does.
      type: str
      returned: always
    billing_start_date:
      description: Since when it was billed, if ever. Arc hotpatching costs nothing since 15 May 2026.
      type: str
      returned: always
    disenrollment_date:
      description: When it was taken out, if ever.
      type: str
      returned: always
    billing_end_date:
      description: Until when it was billed, if ever.
      type: str
      returned: always
    status_error:
      description: What Azure says against it.
      type: str
      returned: always
    planned:
      description: The changes that were needed when it was first read; in check mode nothing else happens.
      type: list
      elements: str
      returned: always
      sample: [enrolling, resuming hotpatches]
    sent:
      description: The changes that Azure has accepted.
      type: list
      elements: str
      returned: always
      sample: [enrolling, resuming hotpatches]
    notes:
      description: What else you should know.
      type: list
      elements: str
      returned: always
    operation:
      description: Azure's operation, when it was not followed to its end.
      type: dict
      returned: always
    error:
      description: Why it failed; null when it did not.
      type: dict
      returned: always
counts:
  description: How many machines there are, changed, failed, and are in a final state.
  returned: always
  type: dict
  sample: {machines: 40, changed: 12, failed: 0, final: 40}
rule:
  description: What leaving means, and when hotpatches can flow again.
  returned: when a machine was taken out
  type: str
traffic:
  description: How many requests were sent to Azure, throttled by it, and repeated.
  returned: always
  type: dict
  sample: {requests: 96, throttled: 0, repeated: 0}
correlation_id:
  description: Under which Azure's activity log keeps what this task did.
  returned: always
  type: str
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import enrollment
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(enrollment.SPEC), enrollment.run, server=False)


if __name__ == "__main__":
    main()

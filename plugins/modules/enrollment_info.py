#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: enrollment_info
short_description: Read how Azure Arc machines stand with hotpatch enrollment
version_added: 0.2.0
description:
  - Reads the licence profile and the switch of each machine, and says how it stands. Nothing is changed.
  - With O(resource_group) and neither O(name) nor O(machines) it reads all Arc machines of the group.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.azure
  - winops.hotpatch.azure.account
  - winops.hotpatch.azure.machines
seealso:
  - module: winops.hotpatch.enrollment
"""

EXAMPLES = r"""
- name: See how the servers of a resource group stand
  winops.hotpatch.enrollment_info:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
  register: enrollment

- name: Show those that get no hotpatches
  ansible.builtin.debug:
    msg: "{{ enrollment.machines | rejectattr('state', '==', 'enrolled') | map(attribute='name') | join(', ') }}"
"""

RETURN = r"""
machines:
  description: One entry for each machine.
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
    agent_status:
      description: Azure's word for the machine's agent.
      type: str
      returned: always
    enrollment_date:
      description: When it was enrolled.
      type: str
      returned: always
    billing_start_date:
      description: Since when it was billed, if ever.
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
    notes:
      description: What else you should know.
      type: list
      elements: str
      returned: always
    error:
      description: Why it could not be read; null when it could.
      type: dict
      returned: always
counts:
  description: How many machines are in which state.
  returned: always
  type: dict
  sample: {enrolled: 38, paused: 2}
traffic:
  description: How many requests were sent to Azure, throttled by it, and repeated.
  returned: always
  type: dict
  sample: {requests: 41, throttled: 0, repeated: 0}
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import enrollment_info
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(enrollment_info.SPEC), enrollment_info.run, server=False)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_info
short_description: Read all Windows machines of Azure, their hotpatching and their updates, from Resource Graph
version_added: 0.2.0
description:
  - Reads the Windows machines of Azure Arc and the Windows virtual machines of Azure in a few queries of Azure Resource
    Graph, thousands as quickly as ten, with enrollment, patch settings and what Azure Update Manager found and did.
  - Resource Graph lags behind what happens, by seconds to minutes. So it is for looking; nothing of this collection
    decides by it whether something is to be changed. M(winops.hotpatch.enrollment_info) reads a machine itself.
  - Resource Graph keeps an assessment for 7 days and an installation for 30 days. None of them here does not mean that
    there was none.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.azure
  - winops.hotpatch.azure.account
options:
  subscriptions:
    description:
      - Ids of the subscriptions to look into. The default is O(subscription_id), and where there is none, everything
        that the account may read.
    type: list
    elements: str
  resource_groups:
    description: Only machines of these resource groups.
    type: list
    elements: str
  locations:
    description: Only machines of these regions, such as V(westeurope) or V(West Europe).
    type: list
    elements: str
  tags:
    description:
      - Only machines that have all of these tags. Case does not matter in values, but does in names. An empty value
        means any.
    type: dict
  kinds:
    description: V(arc) for Arc machines, V(vm) for virtual machines of Azure.
    type: list
    elements: str
    choices: [arc, vm]
    default: [arc, vm]
  include:
    description:
      - What else to read. V(assessments) is the last assessment of each machine with its counts, V(assessed_updates)
        each update of it. V(installations) is every installation, V(installed_updates) each update of it.
      - Each is a query of its own; the updates of thousands of machines are many rows.
    type: list
    elements: str
    choices: [assessments, assessed_updates, installations, installed_updates]
    default: [assessments, installations]
  month:
    description: Look as of this month, V(YYYY-MM), when judging tracks. Defaults to this month.
    type: str
  as_of:
    description: Look as of this day, V(YYYY-MM-DD). Later releases are unknown then. Defaults to today.
    type: str
  catalogue:
    description: A catalogue file of your own, merged over the one that comes with the collection.
    type: path
seealso:
  - module: winops.hotpatch.enrollment_info
  - plugin: winops.hotpatch.fleet
    plugin_type: inventory
notes:
  - Reader on the subscription or the resource group is enough.
"""

EXAMPLES = r"""
- name: Read all machines of a subscription
  winops.hotpatch.fleet_info:
    subscription_id: "{{ azure_subscription }}"
  register: fleet

- name: Show how many stand where
  ansible.builtin.debug:
    msg: "{{ fleet.counts }}"

- name: Show who is enrolled and gets no hotpatches
  ansible.builtin.debug:
    msg: >-
      {{ fleet.machines | selectattr('enrolled', 'true') | rejectattr('hotpatch_status', 'eq', 'Enabled')
         | map(attribute='name') | join(', ') }}

- name: Read the production machines of one region, with every update they wait for
  winops.hotpatch.fleet_info:
    subscription_id: "{{ azure_subscription }}"
    locations: [westeurope]
    tags: {stage: prod}
    include: [assessments, assessed_updates]
"""

RETURN = r"""
machines:
  description: One entry for each machine, in the order of their ids.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the machine in Azure.
      type: str
      returned: always
      sample: WEB01
    id:
      description: Its resource id.
      type: str
      returned: always
    kind:
      description: V(arc) or V(vm).
      type: str
      returned: always
    subscription_id:
      description: Its subscription.
      type: str
      returned: always
    resource_group:
      description: Its resource group, in small letters.
      type: str
      returned: always
    location:
      description: Its region.
      type: str
      returned: always
    tags:
      description: Its tags.
      type: dict
      returned: always
    computer_name:
      description: Name of the computer.
      type: str
      returned: always
    fqdn:
      description: Its full name, as the agent tells it; null for virtual machines.
      type: str
      returned: always
    os_name:
      description: Name of the operating system, as Azure has it.
      type: str
      returned: always
    os_version:
      description: Its version, as the agent told it last.
      type: str
      returned: always
      sample: 10.0.26100.7171
    product:
      description: What it runs, in the words of the catalogue; V(unknown) when it cannot be told.
      type: str
      returned: always
      sample: windows-server-2025
    edition:
      description: Its edition; null when it cannot be told.
      type: str
      returned: always
    image_sku:
      description: The image that a virtual machine was made from.
      type: str
      returned: always
    track:
      description:
        - V(hotpatch), V(lcu), V(off_track) or V(unknown), judged by product, build and enrollment as far as Azure shows
          them. M(winops.hotpatch.host_info) judges by the server itself.
      type: str
      returned: always
    track_reason:
      description: Why, as a word for conditions.
      type: str
      returned: always
    kb:
      description: The update that its build stands for; null when the build does not tell.
      type: str
      returned: always
    enrollment:
      description:
        - The words of M(winops.hotpatch.enrollment_info); V(unknown) when licence and switch do not fit together. A
          virtual machine has one switch and is V(enrolled) or V(not_enrolled).
      type: str
      returned: always
      sample: enrolled
    enrolled:
      description: Whether it is enrolled; null when that is not known.
      type: bool
      returned: always
    opted_out:
      description: Whether its hotpatches are paused; null when that is not known.
      type: bool
      returned: always
    subscription_status:
      description: Azure's word for the licence feature.
      type: str
      returned: always
    hotpatch_status:
      description: Azure's word for what the switch has come to.
      type: str
      returned: always
    hotpatching:
      description: The switch itself, C(enableHotpatching).
      type: bool
      returned: always
    patch_mode:
      description: Who installs updates.
      type: str
      returned: always
    assessment_mode:
      description: Whether Azure looks for updates by itself.
      type: str
      returned: always
    status_error:
      description: What Azure says against it.
      type: str
      returned: always
    agent_status:
      description: Azure's word for the agent of an Arc machine.
      type: str
      returned: always
      sample: Connected
    agent_version:
      description: The agent's version.
      type: str
      returned: always
    last_status_change:
      description: Since when it has that status.
      type: str
      returned: always
    power_state:
      description: Whether a virtual machine runs.
      type: str
      returned: always
    assessment:
      description: Its last assessment of the last 7 days, null when there is none.
      type: dict
      returned: when asked for
      contains:
        status:
          description: Azure's word for how it ended.
          type: str
          returned: always
        started:
          description: When it began.
          type: str
          returned: always
        ended:
          description: When it last changed.
          type: str
          returned: always
        restart_pending:
          description: Whether the server waited for a restart.
          type: bool
          returned: always
        counts:
          description: How many updates it found, by classification.
          type: dict
          returned: always
        error_text:
          description: What went wrong.
          type: str
          returned: always
        updates:
          description: Each update it found, with title, kb, classifications, severity, restart_behavior and published.
          type: list
          elements: dict
          returned: when asked for
    installations:
      description: Installations of the last 30 days, the newest first.
      type: list
      elements: dict
      returned: when asked for
      contains:
        id:
          description: Azure's id of the run.
          type: str
          returned: always
        status:
          description: Azure's word for how it ended.
          type: str
          returned: always
        started:
          description: When it began.
          type: str
          returned: always
        ended:
          description: When it last changed.
          type: str
          returned: always
        started_by:
          description: Who began it.
          type: str
          returned: always
        restart:
          description: Azure's word for whether a restart was needed and done.
          type: str
          returned: always
        window_exceeded:
          description: Whether the time given was too short.
          type: bool
          returned: always
        counts:
          description: How many updates were installed, failed, pending, excluded and not selected.
          type: dict
          returned: always
        error_text:
          description: What went wrong.
          type: str
          returned: always
        updates:
          description: Each update of it, as of an assessment, with state.
          type: list
          elements: dict
          returned: when asked for
counts:
  description: How many machines there are, and by kind, product, track, enrollment and agent status.
  returned: always
  type: dict
  sample: {machines: 40, kind: {arc: 38, vm: 2}, enrollment: {enrolled: 37, paused: 3}}
source:
  description: Where this comes from, when it was read, that it lags, and for how many days results are kept.
  returned: always
  type: dict
  sample: {name: Azure Resource Graph, read_at: '2026-01-20T12:00:00Z', lags: true}
traffic:
  description: How many requests were sent to Azure, throttled by it, and repeated.
  returned: always
  type: dict
  sample: {requests: 3, throttled: 0, repeated: 0}
correlation_id:
  description: Under which Azure can find the requests of this task.
  returned: always
  type: str
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import fleet_info
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(fleet_info.SPEC), fleet_info.run, server=False)


if __name__ == "__main__":
    main()

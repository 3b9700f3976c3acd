#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_assignment
short_description: Assign servers to a schedule of Azure Update Manager, or take them off
version_added: 0.2.0
description:
  - Assigns Arc machines and virtual machines to a maintenance configuration, one or many in one task; or a dynamic
    scope, a filter by which Azure looks for the machines each time the window opens.
  - A machine that is assigned already is left as it is, whatever name its assignment has. Other schedules of a machine
    are never touched.
  - Before a virtual machine of Azure is assigned, its patch orchestration is looked at. A schedule needs customer
    managed schedules there, and Azure refuses those together with hotpatching; such a machine is refused in words,
    and nothing is sent for it. Arc machines need no such setting, and hotpatching and schedules go together.
  - For a dynamic scope, Resource Graph is asked which machines it finds now. Those that will not be patched, or of
    which that cannot be told, are warned of with the reason; the scope is made all the same.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.azure
  - winops.hotpatch.azure.account
  - winops.hotpatch.azure.machines
options:
  kind:
    description: What a machine given by its bare name is, an Arc machine or a virtual machine of Azure.
    type: str
    choices: [arc, vm]
    default: arc
  configuration:
    description: The maintenance configuration, by name or by its whole resource id. Or give O(configuration_tags).
    type: str
  configuration_resource_group:
    description: Its resource group, when it is given by name and is not in O(resource_group).
    type: str
  state:
    description: V(absent) takes the machines off, or deletes the dynamic scope.
    type: str
    choices: [present, absent]
    default: present
  configuration_tags:
    description:
      - With O(state=absent), instead of O(configuration), every maintenance configuration of the subscription that has
        all these tags, each with this value.
      - Takes machines off schedules that they have outgrown, such as those of another ring. Configurations without the
        tags are never touched.
    type: dict
  keep:
    description: With O(configuration_tags), the configurations that machines stay on; by name or by whole resource id.
    type: list
    elements: str
  assignment_name:
    description: Name of a new assignment, and of the dynamic scope. The name of the configuration when left out.
    type: str
  dynamic_scope:
    description:
      - Whatever machines a filter finds, instead of O(name) and O(machines). What is left out does not filter.
      - At most 1000 machines each; Azure takes no more. How many there are now is told, not how many there will be.
    type: dict
    suboptions:
      subscription_id:
        description: Where to look; O(subscription_id) when left out.
        type: str
      resource_group:
        description: Look in this resource group only.
        type: str
      resource_types:
        description: Which kinds of machines.
        type: list
        elements: str
        choices: [arc, vm]
        default: [arc]
      resource_groups:
        description: Only machines of these resource groups of the subscription.
        type: list
        elements: str
      os_types:
        description: Which operating systems.
        type: list
        elements: str
        choices: [windows, linux]
        default: [windows]
      locations:
        description: Only machines in these regions.
        type: list
        elements: str
      tags:
        description: Only machines with these tags, each a value or a list of values that are as good.
        type: dict
      tag_operator:
        description: Whether V(all) of several tags must fit, or V(any) one.
        type: str
        choices: [all, any]
        default: any
attributes:
  diff_mode:
    description: Returns the assignments of each changed machine, or the filter, before and after.
    support: full
notes:
  - A maintenance configuration takes 3000 machines and 200 dynamic scopes. Beyond that nothing is sent.
  - A machine that is moved to another resource group or subscription loses its schedule without a word from Azure.
seealso:
  - module: winops.hotpatch.maintenance_configuration
  - module: winops.hotpatch.patch_settings
"""

EXAMPLES = r"""
- name: Assign servers to the schedule of the month
  winops.hotpatch.maintenance_assignment:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    configuration: hotpatch-every-month
    machines: [web13, web14]

- name: Assign whatever Arc servers are in a region
  winops.hotpatch.maintenance_assignment:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    configuration: baseline-ring-1
    dynamic_scope:
      locations: [westeurope]

- name: Take a server off a schedule
  winops.hotpatch.maintenance_assignment:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    configuration: definitions
    name: web12
    state: absent

- name: Take servers off the schedules of other rings
  winops.hotpatch.maintenance_assignment:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    configuration_tags:
      team: web
    keep: [web-ring-2]
    machines: [web13, web14]
    state: absent
"""

RETURN = r"""
machines:
  description: One entry for each machine, in the order of the task; also when some failed. Empty for a dynamic scope.
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
      description: Whether it stands differently now.
      type: bool
      returned: always
    assigned:
      description: Whether it is assigned to what is meant; null when that could not be read.
      type: bool
      returned: always
      sample: true
    assignments:
      description: The names of its assignments to what is meant.
      type: list
      elements: str
      returned: always
      sample: [hotpatch-every-month]
    other_configurations:
      description: Ids of further configurations it is assigned to.
      type: list
      elements: str
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
  description: How many machines there are, changed, failed, and are assigned now.
  returned: when machines were given
  type: dict
  sample: {machines: 40, changed: 12, failed: 0, assigned: 40}
scope:
  description:
    - The dynamic scope with its C(id), whether it is C(assigned), its C(filter), and the C(machines) that it finds now,
      each with C(id), C(name), C(location), C(patched) (whether a schedule will patch it; null when that is not known)
      and C(notes), and their C(counts). C(machines) is null when Resource Graph could not be asked, and with
      O(state=absent).
    - Null when machines were given.
  returned: always
  type: dict
configuration_id:
  description: Resource id of the maintenance configuration; null with O(configuration_tags).
  returned: always
  type: str
traffic:
  description: How many requests were sent to Azure, throttled by it, and repeated.
  returned: always
  type: dict
  sample: {requests: 122, throttled: 0, repeated: 0}
correlation_id:
  description: Under which Azure's activity log keeps what this task did.
  returned: always
  type: str
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import maintenance_assignment
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(maintenance_assignment.SPEC), maintenance_assignment.run, server=False)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resource_provider
short_description: Register an Azure subscription for resource providers
version_added: 0.2.0
description:
  - Registers a subscription for resource providers such as C(Microsoft.HybridCompute), and waits for Azure.
  - Registering concerns the whole subscription and everybody who uses it. So it is a task of its own, and no other part
    of the collection does it by itself; where a subscription is not registered, the others fail with the code
    V(azure_provider_not_registered).
  - Azure Arc needs C(Microsoft.HybridCompute), C(Microsoft.GuestConfiguration) and C(Microsoft.HybridConnectivity), and
    C(Microsoft.AzureArcData) where SQL Server is connected as well; schedules need C(Microsoft.Maintenance), virtual
    machines C(Microsoft.Compute).
  - A registration is never taken back.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.azure
  - winops.hotpatch.azure.account
options:
  namespaces:
    description: The resource providers.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(registered) registers what is not registered yet. What is being registered already is not sent again.
      - V(gathered) only reads how the providers stand.
    type: str
    choices: [registered, gathered]
    default: registered
  again:
    description:
      - Register although it is registered, so that the provider takes newly registered preview features over.
        Such a task is always changed.
    type: bool
    default: false
  wait:
    description: Wait until Azure has registered them.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait for each provider. Azure goes on when the time is over.
    type: int
    default: 900
  poll_interval:
    description: Seconds between two looks.
    type: float
    default: 15
seealso:
  - module: winops.hotpatch.preview_feature
"""

EXAMPLES = r"""
- name: Register what Azure Arc, hotpatching and schedules need
  winops.hotpatch.resource_provider:
    subscription_id: "{{ azure_subscription }}"
    namespaces:
      - Microsoft.HybridCompute
      - Microsoft.GuestConfiguration
      - Microsoft.HybridConnectivity
      - Microsoft.AzureArcData
      - Microsoft.Maintenance

- name: See how the providers stand
  winops.hotpatch.resource_provider:
    subscription_id: "{{ azure_subscription }}"
    namespaces: [Microsoft.HybridCompute, Microsoft.Maintenance]
    state: gathered
  register: providers

- name: Stop where one is missing
  ansible.builtin.assert:
    that: providers.providers | rejectattr('state', '==', 'Registered') | length == 0
    quiet: true
"""

RETURN = r"""
providers:
  description: One entry for each provider.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The namespace.
      type: str
      returned: always
      sample: Microsoft.HybridCompute
    state:
      description: Azure's word for how it stands, such as C(NotRegistered), C(Registering) and C(Registered).
      type: str
      returned: always
      sample: Registered
    changed:
      description: Whether its registration was sent.
      type: bool
      returned: always
    error:
      description: Why it is not registered; null when all is well.
      type: dict
      returned: always
traffic:
  description: How many requests were sent to Azure, throttled by it, and repeated.
  returned: always
  type: dict
  sample: {requests: 6, throttled: 0, repeated: 0}
correlation_id:
  description: Under which Azure's activity log keeps what this task did.
  returned: always
  type: str
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import resource_provider
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(resource_provider.SPEC), resource_provider.run, server=False)


if __name__ == "__main__":
    main()

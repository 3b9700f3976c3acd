#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preview_feature
short_description: Register preview features of an Azure subscription, as hotpatching once needed it
version_added: 0.2.0
description:
  - Registers preview features of a resource provider for a subscription, and waits for Azure.
  - It is here for history. While hotpatching of Azure virtual machines was a preview, in 2021, three features of
    C(Microsoft.Compute) had to be registered, and then the provider itself again
    (M(winops.hotpatch.resource_provider)). Hotpatching has left the preview. None of this is needed today, which the
    module says as a warning; it does no harm.
  - A registration is never taken back.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.azure
  - winops.hotpatch.azure.account
options:
  namespace:
    description: The resource provider that the features are of.
    type: str
    default: Microsoft.Compute
  features:
    description: Names of the features. The default is what the hotpatch preview needed.
    type: list
    elements: str
    default: [InGuestHotPatchVMPreview, InGuestAutoPatchVMPreview, InGuestPatchVMPreview]
  state:
    description:
      - V(registered) registers what is not registered yet. What is being registered already is not sent again.
      - V(gathered) only reads how the features stand.
    type: str
    choices: [registered, gathered]
    default: registered
  wait:
    description: Wait until Azure has registered them.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait for each feature. Azure takes up to 15 minutes; it goes on when the time is over.
    type: int
    default: 900
  poll_interval:
    description: Seconds between two looks.
    type: float
    default: 15
seealso:
  - module: winops.hotpatch.resource_provider
"""

EXAMPLES = r"""
- name: Register the preview features that the first hotpatching needed
  winops.hotpatch.preview_feature:
    subscription_id: "{{ azure_subscription }}"
    features:
      - InGuestHotPatchVMPreview
      - InGuestAutoPatchVMPreview
      - InGuestPatchVMPreview
    wait_timeout: 900
  register: preview

- name: Let the provider take newly registered features over
  winops.hotpatch.resource_provider:
    subscription_id: "{{ azure_subscription }}"
    namespaces: [Microsoft.Compute]
    again: "{{ preview is changed }}"

- name: See how the features stand
  winops.hotpatch.preview_feature:
    subscription_id: "{{ azure_subscription }}"
    state: gathered
  register: preview

- name: Show it
  ansible.builtin.debug:
    msg: "{{ preview.features | items2dict(key_name='name', value_name='state') }}"
"""

RETURN = r"""
features:
  description: One entry for each feature.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Provider and feature.
      type: str
      returned: always
      sample: Microsoft.Compute/InGuestHotPatchVMPreview
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
historic:
  description: Whether features of the old hotpatch preview are among them.
  returned: success
  type: bool
  sample: true
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

from ansible_collections.winops.hotpatch.plugins.module_utils._core import preview_feature
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(preview_feature.SPEC), preview_feature.run, server=False)


if __name__ == "__main__":
    main()

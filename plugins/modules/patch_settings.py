#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_settings
short_description: Hotpatching, patch mode and assessment mode of Arc machines and Azure VMs
version_added: 0.2.0
description:
  - Gives each machine the settings that are named, and leaves the others.
  - What Azure refuses only after the call, or takes without an effect, is checked before it and said in words. That is
    the eight images that hotpatching of a VM is for, the VM agent, the patch mode, the platform safety checks, and
    scale sets.
  - On an Arc machine this is one of two switches; the other is the enrollment (M(winops.hotpatch.enrollment)), and
    O(hotpatching=false) is the same as pausing it there. O(patch_mode) starts nothing on an Arc machine, because Azure
    orchestrates no patches there.
  - On a VM, hotpatching and a schedule of your own exclude each other. Such a schedule wants
    O(bypass_platform_safety_checks=true), which hotpatching forbids.
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
  hotpatching:
    description:
      - Whether the machine gets hotpatches (C(enableHotpatching)).
      - On a VM it needs one of the eight images of Windows Server Azure Edition that are offered for it, the VM agent,
        O(patch_mode=automatic_by_platform), and no bypass of the platform safety checks.
    type: bool
  patch_mode:
    description:
      - Who installs updates. V(image_default) is for Arc machines only.
      - V(manual) needs automatic updates to have been off when the VM was made.
    type: str
    choices: [image_default, automatic_by_platform, automatic_by_os, manual]
  assessment_mode:
    description: With V(automatic_by_platform) Azure assesses the machine once a day.
    type: str
    choices: [image_default, automatic_by_platform]
  reboot_setting:
    description:
      - For VMs. Whether Azure's own installations (O(patch_mode=automatic_by_platform)) may restart the VM.
      - A policy of the server that restarts it does so all the same.
    type: str
    choices: [never, if_required, always]
  bypass_platform_safety_checks:
    description:
      - For VMs. Whether Azure leaves the VM to your own schedule (C(bypassPlatformSafetyChecksOnUserSchedule)).
      - Excludes O(hotpatching=true).
    type: bool
  provision_vm_agent:
    description:
      - For VMs. Whether the VM agent is there. Azure takes it when a VM is made, and refuses to change it later; the
        task then fails with Azure's own words.
    type: bool
  wait:
    description: Wait until Azure has judged the settings, which takes minutes.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait for each machine. A status that stays pending fails the task, with the remedy.
    type: int
    default: 600
  poll_interval:
    description:
      - Seconds between two looks at a machine. Many machines are looked at less often, so that half of what Azure
        allows stays free.
    type: float
    default: 15
attributes:
  diff_mode:
    description: Returns the settings of each changed machine, before and after.
    support: full
seealso:
  - module: winops.hotpatch.enrollment
  - module: winops.hotpatch.patch_assessment
"""

EXAMPLES = r"""
- name: Let Azure assess an Arc machine every day
  winops.hotpatch.patch_settings:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: web14
    assessment_mode: automatic_by_platform

- name: Hotpatching of a virtual machine, with all it needs
  winops.hotpatch.patch_settings:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    kind: vm
    name: vm01
    hotpatching: true
    patch_mode: automatic_by_platform
    reboot_setting: if_required
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
      description: Whether its settings are different now.
      type: bool
      returned: always
    read:
      description: Whether it could be read; when not, the settings are null.
      type: bool
      returned: always
    kind:
      description: V(arc) or V(vm).
      type: str
      returned: always
      sample: vm
    hotpatching:
      description: Whether hotpatching is on; null when it was never set.
      type: bool
      returned: always
    patch_mode:
      description: One of the choices of O(patch_mode), or Azure's own word for another.
      type: str
      returned: always
      sample: automatic_by_platform
    assessment_mode:
      description: One of the choices of O(assessment_mode).
      type: str
      returned: always
      sample: image_default
    reboot_setting:
      description: One of the choices of O(reboot_setting).
      type: str
      returned: for a VM
      sample: if_required
    bypass_platform_safety_checks:
      description: Whether Azure leaves the VM to a schedule of yours.
      type: bool
      returned: for a VM
    provision_vm_agent:
      description: Whether the VM agent is there.
      type: bool
      returned: for a VM
    hotpatch_status:
      description:
        - Of an Arc machine, Azure's own word for what hotpatching has come to, C(Enabled), C(Disabled),
          C(ActionRequired), C(PendingEvaluation) or C(Unknown).
      type: str
      returned: always
      sample: Enabled
    configuration_status:
      description: Of a VM, whether it has taken the settings over, such as C(Ready), C(Pending) or C(Failed).
      type: str
      returned: always
    status_error:
      description: What Azure says against it.
      type: str
      returned: always
    image:
      description: Of a VM, the SKU of its image, or V(custom).
      type: str
      returned: always
      sample: 2025-datacenter-azure-edition
    agent_status:
      description: Of an Arc machine, Azure's word for its agent.
      type: str
      returned: always
      sample: Connected
    sent:
      description: Whether Azure has accepted a change.
      type: bool
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
  description: How many machines there are, changed, and failed.
  returned: always
  type: dict
  sample: {machines: 40, changed: 12, failed: 0}
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

from ansible_collections.winops.hotpatch.plugins.module_utils._core import patch_settings
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(patch_settings.SPEC), patch_settings.run, server=False)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: azure_vm
short_description: Make an Azure VM that has hotpatches from its start
version_added: 0.2.0
description:
  - Makes a virtual machine from one of the images that hotpatching is for, with Trusted Launch, the agent, and
    hotpatching on, by one request to Azure Resource Manager.
  - Where a machine of that name is there already, only its hotpatch switch is seen to; one of another image, size or
    region is refused. Its password is never compared or changed.
  - This is no general module for virtual machines. For all else, take azure.azcollection, and
    M(winops.hotpatch.patch_settings) for the switch.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.azure
  - winops.hotpatch.azure.account
options:
  name:
    description: Its name in O(resource_group), or its whole resource id.
    type: str
    required: true
  resource_group:
    description: The resource group of the machine; it must be there.
    type: str
  location:
    description: The Azure region. Not every region has the images of 2025.
    type: str
    required: true
  image:
    description: Which of the images of MicrosoftWindowsServer, WindowsServer it is made from, in the newest version.
    type: str
    choices:
      - 2022-datacenter-azure-edition-core
      - 2022-datacenter-azure-edition-core-smalldisk
      - 2022-datacenter-azure-edition-hotpatch
      - 2022-datacenter-azure-edition-hotpatch-smalldisk
      - 2025-datacenter-azure-edition
      - 2025-datacenter-azure-edition-smalldisk
      - 2025-datacenter-azure-edition-core
      - 2025-datacenter-azure-edition-core-smalldisk
    default: 2025-datacenter-azure-edition-core
  size:
    description: The size of the machine, one of the second generation.
    type: str
    default: Standard_D2s_v5
  admin_username:
    description: The administrator's name.
    type: str
    required: true
  admin_password:
    description: The administrator's password. Keep it in a vault.
    type: str
    required: true
  network_interface_id:
    description: Resource id of a network interface that is there. Mutually exclusive with O(subnet_id).
    type: str
  subnet_id:
    description: Resource id of a subnet; Azure makes a network interface in it together with the machine.
    type: str
  computer_name:
    description: The name in Windows, at most 15 characters. Defaults to the machine's own name.
    type: str
  disk_type:
    description: The kind of the system disk.
    type: str
    default: Premium_LRS
  disk_size:
    description: The size of the system disk in GB, when it is not to be the image's own.
    type: int
  zone:
    description: The availability zone.
    type: str
  tags:
    description: Tags that the machine gets when it is made.
    type: dict
  wait:
    description: Wait until the machine is there and its settings are taken over.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait.
    type: int
    default: 1800
  poll_interval:
    description: Seconds between two looks.
    type: float
    default: 15
attributes:
  diff_mode:
    description: Returns the patch settings before and after.
    support: full
seealso:
  - module: winops.hotpatch.patch_settings
"""

EXAMPLES = r"""
- name: Make a server that has hotpatches from its start
  winops.hotpatch.azure_vm:
    subscription_id: "{{ azure_subscription }}"
    resource_group: "{{ azure_group }}"
    name: webvm01
    location: uksouth
    admin_username: winadmin
    admin_password: "{{ vault_admin_password }}"
    subnet_id: "{{ azure_subnet_id }}"
"""

RETURN = r"""
made:
  description: Whether it was made by this task.
  returned: always
  type: bool
machines:
  description: One entry, the machine with its patch settings as M(winops.hotpatch.patch_settings) returns them.
  returned: always
  type: list
  elements: dict
counts:
  description: How many machines there are, changed and failed.
  returned: always
  type: dict
traffic:
  description: How many requests were sent to Azure, throttled by it, and repeated.
  returned: always
  type: dict
correlation_id:
  description: Under which Azure's activity log keeps what this task did.
  returned: always
  type: str
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import azure_vm
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(azure_vm.SPEC), azure_vm.run, server=False)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vbs
short_description: Turn virtualization-based security on or off, and say what keeps it from running
version_added: 0.2.0
description:
  - Hotpatches need virtualization-based security (VBS) to be running on the server. This module turns it on or off in
    the registry and always reports the whole state, what the hardware offers item by item, everything that still keeps
    it from running, and whether a restart is due.
  - It never restarts a server. A change takes effect at the next restart; see M(winops.hotpatch.restart) and the role
    P(winops.hotpatch.enable_vbs#role).
  - Group Policy wins over the registry. When a policy says the contrary, nothing is written and the module fails; when
    a policy already says the same, nothing needs to be written.
  - Only C(EnableVirtualizationBasedSecurity) and, when asked, C(RequirePlatformSecurityFeatures) are written, below
    C(HKLM\SYSTEM\CurrentControlSet\Control\DeviceGuard). C(Locked), which ties VBS to UEFI variables, is never set.
  - What could not be read is unknown. Unknown never passes, and a server whose policy cannot be read is not written to.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.connection
options:
  state:
    description:
      - V(enabled) asks for VBS. On a server where it runs already without being asked for, nothing is written.
      - V(disabled) turns the switch off. Credential Guard, memory integrity, System Guard and other services turn VBS
        on by themselves, whatever the switch says; they are named in RV(demand.kept_on_by) with a warning, and left
        alone. A server where VBS is locked in UEFI variables is refused.
      - Leave it out to report only; nothing is written then.
    type: str
    choices: [enabled, disabled]
  platform_security:
    description:
      - What the hardware must have before VBS starts, with O(state=enabled). V(secure_boot_and_dma) needs an IOMMU.
      - Left out, the setting stays as it is. Where nothing is set, VBS starts without Secure Boot, too; hotpatching
        needs Secure Boot all the same.
    type: str
    choices: [secure_boot, secure_boot_and_dma]
  accept_risks:
    description:
      - Turn VBS on although the server might not start again. On build 26100.4652 (KB5062553, July 2025), generation 2
        virtual machines without Trusted Launch and without the Hyper-V role might not start with VBS on; KB5064489 and
        everything newer repairs it. Without this option such a server is refused, also when it only may be one.
      - Other risks are warnings.
    type: bool
    default: false
attributes:
  diff_mode:
    description: Returns the two registry values before and after.
    support: full
seealso:
  - module: winops.hotpatch.restart
  - module: winops.hotpatch.host_info
  - name: Enable virtualization-based protection of code integrity
    description: The registry values, and what the numbers of Win32_DeviceGuard mean.
    link: https://learn.microsoft.com/windows/security/hardware-security/enable-virtualization-based-protection-of-code-integrity
"""

EXAMPLES = r"""
- name: Look at virtualization-based security without changing it
  winops.hotpatch.vbs:
  register: vbs

- name: Show what keeps it from running
  ansible.builtin.debug:
    msg: "{{ vbs.blockers_to_running | map(attribute='words') | list }}"

- name: Turn virtualization-based security on, with the next restart
  winops.hotpatch.vbs:
    state: enabled
    platform_security: secure_boot
  register: vbs_enabled

- name: Show whether a restart is due
  ansible.builtin.debug:
    msg: "{{ 'A restart is due.' if vbs_enabled.restart_required else vbs_enabled.words }}"
"""

RETURN = r"""
status:
  description: 0 not enabled, 1 enabled but not running, 2 running; V(null) when that could not be read.
  returned: success, and when the module refuses
  type: int
  sample: 0
why_unknown:
  description: Why RV(status) is V(null).
  returned: success, and when the module refuses
  type: str
  sample: null
words:
  description: Where the server stands, in one sentence or some.
  returned: success, and when the module refuses
  type: str
  sample: Virtualization-based security is not enabled. The server has not been restarted since it was turned on.
properties:
  description: All properties of Win32_DeviceGuard, as numbers and in words.
  returned: success, and when the module refuses
  type: dict
  sample:
    VirtualizationBasedSecurityStatus: {value: 0, words: not enabled}
    AvailableSecurityProperties: {value: [1, 2, 3, 5, 7], words: 'hypervisor support, Secure Boot, DMA protection,
      NX protections, MBEC/GMET'}
    SecurityServicesRunning: {value: [0], words: none}
settings:
  description:
    - What stands in the registry and in the policy, by the names of the values; V(null) in place of a value is an
      absent one, in place of all values it means that they could not be read.
  returned: success, and when the module refuses
  type: dict
  sample:
    registry: {EnableVirtualizationBasedSecurity: 1, RequirePlatformSecurityFeatures: 1, Locked: null}
    policy: {EnableVirtualizationBasedSecurity: null, RequirePlatformSecurityFeatures: null, LsaCfgFlags: null,
             HypervisorEnforcedCodeIntegrity: null, ConfigureSystemGuardLaunch: null}
demand:
  description:
    - Whether VBS is asked for, and by what. C(by) is V(policy), V(registry), V(service) (something that needs VBS),
      V(default) (nobody says) or V(unknown).
  returned: success, and when the module refuses
  type: dict
  contains:
    enabled:
      description: Whether it is asked for; V(null) when nobody says or it could not be read.
      type: bool
    by:
      description: Who decides.
      type: str
    kept_on_by:
      description: What turns VBS on by itself.
      type: list
      elements: str
    platform_security:
      description: What the hardware must have, as O(platform_security) says it.
      type: str
    locked:
      description: Whether the registry asks for a lock in UEFI variables.
      type: bool
  sample: {enabled: true, by: registry, kept_on_by: [], platform_security: secure_boot, locked: false}
hardware:
  description:
    - Item by item what VBS needs or uses, with C(state) V(yes), V(no) or V(unknown). C(needed) says whether VBS cannot
      run without it, as it is asked for on this server.
    - The codes are C(uefi), C(secure_boot), C(tpm), C(tpm_2), C(tpm_ready), C(dma_protection), C(virtualization),
      C(slat), C(virtual_machine), C(generation_2) and C(nested_virtualization).
  returned: success, and when the module refuses
  type: list
  elements: dict
  sample:
    - {code: uefi, words: UEFI firmware, state: 'yes', evidence: firmware type uefi, needed: true}
    - {code: tpm_2, words: TPM 2.0, state: 'yes', evidence: 'version 2.0, enabled yes, activated yes, owned yes',
       needed: false}
blockers_to_running:
  description:
    - Everything that still keeps VBS from running; empty when it runs. C(hardware) marks what nothing inside Windows
      takes away, C(unknown) what may be a blocker because it could not be read.
  returned: success, and when the module refuses
  type: list
  elements: dict
  sample:
    - {code: restart, words: The server has not been restarted since it was turned on., hardware: false, unknown: false}
restart_required:
  description:
    - Whether a restart is due for the settings to take effect. V(null) when that cannot be told, as on a server that is
      enabled but not running and shows no reason.
  returned: success, and when the module refuses
  type: bool
  sample: true
risks:
  description:
    - The known traps in turning VBS on here, those that only may apply included (C(state) V(unknown)). C(refuses) marks
      those that need O(accept_risks).
    - The codes are C(hyper_v_role), C(no_boot), C(no_boot_after_kb5062553) and C(uefi_lock).
  returned: success, and when the module refuses
  type: list
  elements: dict
  sample: []
build:
  description: Build and revision.
  returned: success, and when the module refuses
  type: str
  sample: '26100.7092'
last_boot:
  description: When the server started.
  returned: success, and when the module refuses
  type: str
  sample: '2025-10-16T01:12:09Z'
notes:
  description: What could not be read, and why.
  returned: success, and when the module refuses
  type: list
  elements: str
  sample: []
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import vbs
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(vbs.SPEC), vbs.run)


if __name__ == "__main__":
    main()

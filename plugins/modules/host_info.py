#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Read a Windows server and judge its hotpatch eligibility and track
version_added: 0.1.0
description:
  - Reads everything the hotpatch decision needs over WinRM in at most 16 requests, without starting PowerShell and
    without changing anything on the server.
  - Names every reason why the server is not eligible at once, each with its evidence and its fix.
  - Says which track the server is on. A build alone does not tell, since one build can be right and wrong
    (26100.6905 is KB5070893 or KB5070881), so the installed KBs are read as well.
  - What could not be read is V(null) and named in C(notes) of RV(server). It never counts as passed.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.connection
  - winops.hotpatch.release
options:
  platform:
    description:
      - Where the server stands, when you know it better than the server tells.
      - Standard and Datacenter get hotpatches through Azure Arc, to which an V(azure_vm) cannot be connected. Azure
        Edition gets them as V(azure_vm) or V(azure_local_vm) only. An V(azure_local_host) gets none.
    type: str
    choices: [azure_vm, azure_local_vm, azure_local_host, other]
    version_added: 0.2.0
  expected_tenant_id:
    description:
      - The Microsoft Entra tenant in which the server is meant to be connected to Arc. A server that is connected in
        another one is not eligible. When left out, any tenant will do.
    type: str
    version_added: 0.2.0
  expected_subscription_id:
    description:
      - The subscription in which the server is meant to be connected to Arc, as O(expected_tenant_id).
    type: str
    version_added: 0.2.0
attributes:
  diff_mode:
    description: Nothing is changed, so there is nothing to compare.
    support: none
seealso:
  - module: winops.hotpatch.updates
"""

EXAMPLES = r"""
- name: Read a server and judge it
  winops.hotpatch.host_info:
    as_of: '2025-12-20'
  register: this_server

- name: Show where it stands, and everything that blocks hotpatching
  ansible.builtin.debug:
    msg:
      - "{{ this_server.standing.words }}"
      - "{{ this_server.eligibility.blockers | map(attribute='words') | list }}"

- name: Read a server whose enrollment you know from Azure
  winops.hotpatch.host_info:
    as_of: '2025-12-20'
    enrolled: true
    opted_out: false
"""

RETURN = r"""
server:
  description:
    - What was read. Parts that could not be read are V(null).
    - C(restart_pending.sources) names each source. C(pending_file_rename) stays set on healthy servers and does not
      count for C(restart_pending.pending).
  returned: success
  type: dict
  sample:
    name: WEB01
    os: {caption: Microsoft Windows Server 2025 Standard, build: 26100, ubr: 7092, build_ubr: '26100.7092', sku: 7,
         product_type: 3, edition_id: ServerStandard, installation_type: Server, display_version: 24H2}
    boot: {last_boot: '2025-10-16T01:12:09Z', local_time: '2025-12-20T10:00:02Z', clock_skew_seconds: 0.4}
    vbs: {status: 2, why_unknown: null}
    firmware: {type: uefi, secure_boot: true}
    platform: {kind: other, azure_vm: false, azure_local_host: false, azure_local_vm: false}
    arc: {installed: true, service: running, status: Connected}
    kbs: [{kb: KB5068966, installed_on: '2025-11-12', description: Security Update}]
    restart_pending: {pending: false}
    notes: []
product:
  description: Which product this is, as the catalogue knows it.
  returned: success
  type: dict
  sample: {id: windows-server-2025, name: Windows Server 2025, azure_edition: false, hotpatch_capable: true}
declared:
  description: What the options said of the enrollment and the place, kept for M(winops.hotpatch.month_plan).
  returned: success
  type: dict
  sample: {enrolled: null, opted_out: null, platform: null, expected_tenant_id: null, expected_subscription_id: null}
enrollment:
  description: Whether the server is enrolled for hotpatch, and where that is known from.
  returned: success
  type: dict
  sample: {enrolled: true, source: hint in the server's registry}
eligibility:
  description:
    - Whether the server may be enrolled; V(null) when only unknown facts stand against it. C(blockers) names everything
      that does, at once.
    - C(fix_plan) is the way there, in the order in which to do it. Each of its C(steps) has C(fix), for a person, and
      C(action), for a playbook, with C(module) and its C(options), and in C(needs) the options that only you can give.
      Where C(action.outside) is V(true), it is done at the firmware or the hypervisor while the server is off, and
      C(options) say what is to be brought about. A step whose C(action) is V(null) needs a person. Steps with the same
      C(restart_number) are finished by one restart, which is a step of its own unless something is done outside.
    - C(fix_plan.restarts) is how often the server is restarted on the way; a cumulative update may let Windows restart
      once more by itself. C(fix_plan.possible) is V(false) when a blocker has no fix on this installation, and
      C(fix_plan.complete) is V(false) while something could not be read.
  returned: success
  type: dict
  sample:
    eligible: false
    blockers: [{code: vbs_not_enabled, words: Virtualization-based security is not enabled.}]
    fix_plan:
      steps:
        - {blocker: vbs_not_enabled, restart_number: 1,
           action: {module: winops.hotpatch.vbs, options: {state: enabled}, needs: [], outside: false}}
        - {blocker: null, fix: 'Restart the server, and prove it.', restart_number: 1,
           action: {module: winops.hotpatch.restart, options: {only_if_pending: false}, needs: [], outside: false}}
      restarts: 1
      possible: true
      complete: true
standing:
  description: The track the server is on and what follows from it.
  returned: success
  type: dict
  sample: {track: hotpatch, state: behind, words: On the hotpatch track, one month behind.}
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import host_info
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(host_info.SPEC), host_info.run)


if __name__ == "__main__":
    main()

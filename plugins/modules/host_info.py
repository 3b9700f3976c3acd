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
  description: What the options said of the enrollment, kept for M(winops.hotpatch.month_plan).
  returned: success
  type: dict
  sample: {enrolled: null, opted_out: null}
enrollment:
  description: Whether the server is enrolled for hotpatch, and where that is known from.
  returned: success
  type: dict
  sample: {enrolled: true, source: hint in the server's registry}
eligibility:
  description: Whether the server may be enrolled; V(null) when only unknown facts stand against it.
  returned: success
  type: dict
  sample:
    eligible: false
    blockers: [{code: vbs_not_running, words: Virtualization-based security is configured but not running.}]
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

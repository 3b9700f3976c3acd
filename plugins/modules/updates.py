#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: updates
short_description: Search and install Windows updates without losing the hotpatch track
version_added: 0.1.0
description:
  - Searches, downloads and installs updates through Windows Update on the server, as SYSTEM in a scheduled task,
    because the Windows Update Agent refuses network logons.
  - Every offered update gets a verdict from the catalogue. Updates that would take the server off the hotpatch track
    are refused, with the price named.
  - With O(mode=hotpatch_only) an update is installed only when three witnesses say that no restart follows. These are
    Windows Update's own forecast (the catalogue where Windows has none), the restart policy, and that no restart is
    pending. No answer, an exception or a timeout counts against the install.
  - Never restarts the server. See M(winops.hotpatch.restart).
  - The work goes on when the connection or the controller is lost. The next call attaches to it and never installs
    twice.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.connection
  - winops.hotpatch.release
options:
  mode:
    description:
      - With V(search) nothing is installed; the offered updates are returned with their verdicts.
      - With V(hotpatch_only) only hotpatches that build on the server's baseline are installed, out-of-band ones
        included, and only when no restart follows.
      - With V(baseline) the cumulative update is installed that is right for the server. This is the current baseline
        for a server that belongs on the hotpatch track, and the newest cumulative update for any other. A restart is
        needed afterwards.
    type: str
    choices: [search, hotpatch_only, baseline]
    default: hotpatch_only
  state:
    description: Whether the chosen updates are only downloaded, or installed.
    type: str
    choices: [downloaded, installed]
    default: installed
  include:
    description: Only these KBs are considered, when the list is not empty. The train guard still decides.
    type: list
    elements: str
    default: []
  exclude:
    description: KBs that are left out.
    type: list
    elements: str
    default: []
  allow_off_track:
    description:
      - Allow an update that takes the server off the hotpatch track when it is named in O(include). Only with
        O(mode=baseline).
    type: bool
    default: false
  server_selection:
    description: Where Windows Update searches. V(default) follows the server's policy.
    type: str
    choices: [default, managed_server, windows_update]
    default: default
  run_id:
    description:
      - Name of this run on the server. Calling again with the same name attaches to what the run is at. Once it is
        over, a call searches anew, and what is installed is not installed or counted again.
      - When left out, a name is made; work of an earlier call that is still under way is attached to all the same.
    type: str
  timeout:
    description:
      - Seconds for the search, the evaluation, the download and the install together.
      - When they are over the work on the server goes on; the error says how to attach to it.
    type: int
    default: 7200
  poll_interval:
    description: Seconds between two looks at the work, at the longest.
    type: float
    default: 5
attributes:
  diff_mode:
    description: Returns the build, the KBs and the pending restart before and after.
    support: full
seealso:
  - module: winops.hotpatch.host_info
  - module: winops.hotpatch.restart
"""

EXAMPLES = r"""
- name: See what is offered and what each update would do to this server
  winops.hotpatch.updates:
    mode: search
    as_of: '2025-12-20'
  register: offer

- name: Install this month's hotpatch, if no restart follows
  winops.hotpatch.updates:
    mode: hotpatch_only
    as_of: '2025-12-20'
  register: hotpatch

- name: Show what was refused, and why
  ansible.builtin.debug:
    msg: "{{ hotpatch.refused | map(attribute='words') | list }}"
"""

RETURN = r"""
offered:
  description: Updates the server is offered, each with its verdict.
  returned: when a search was made
  type: list
  elements: dict
  sample:
    - {kb: KB5072014, title: 2025-12 Security Hotpatch Update (KB5072014), verdict: hotpatch, selected: true}
refused:
  description: Updates that were not installed although they were offered, each with the reason in words.
  returned: when a search was made
  type: list
  elements: dict
  sample:
    - {kb: KB5072033, verdict: off_track, refused: no hotpatch until the 13 January 2026 baseline}
kbs_installed:
  description: KBs this call installed, or saw being installed by a run it attached to.
  returned: success
  type: list
  elements: str
  sample: [KB5072014]
results:
  description: Windows Update's result for each update that was installed or downloaded.
  returned: when something was installed or downloaded
  type: list
  elements: dict
  sample: [{kb: KB5072014, result: succeeded, hresult: '0x00000000', restart_required: false}]
build_before:
  description: Build and revision before.
  returned: success
  type: str
  sample: '26100.7092'
build_after:
  description: Build and revision after. A cumulative update shows its build only after the restart.
  returned: success
  type: str
  sample: '26100.7392'
expected_build:
  description: The build the server must show when the installed update has taken effect; V(null) when not known.
  returned: success
  type: str
  sample: '26100.7392'
boot_time_before:
  description: When the server had started, before.
  returned: success
  type: str
  sample: '2025-10-16T01:12:09Z'
boot_time_after:
  description: When the server had started, afterwards.
  returned: success
  type: str
  sample: '2025-10-16T01:12:09Z'
restart_required:
  description: Whether the server now waits for a restart.
  returned: success
  type: bool
  sample: false
restart_first:
  description: Whether something was to be installed and was not, because a restart is pending that has to come first.
  returned: success
  type: bool
  sample: false
run_id:
  description: Name of the run on the server; V(null) when nothing ran there.
  returned: success
  type: str
  sample: 20251220T100002-5f2c
attached:
  description: Whether work that was already under way, or already over, was attached to.
  returned: success
  type: bool
  sample: false
receipt:
  description: The evidence, with what each witness said before and after.
  returned: success
  type: dict
  sample: {version: 1, server: web01, may_install: 'yes', witnesses_before: [], witnesses_after: []}
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import updates
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(updates.SPEC), updates.run)


if __name__ == "__main__":
    main()

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
  - Before anything is downloaded the free room on the system drive is compared with what the updates need. Room that
    cannot be read counts as none.
  - An update that Windows Update offers although it was installed is recognised by the build, the KBs and the update
    history, is not installed again, and is reported in RV(offered_again).
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
    description:
      - Only these KBs or update ids are considered, when the list is not empty. The train guard still decides.
      - Titles cannot be named, since they are translated.
      - An empty text, as an empty field of a survey gives it, is an empty list; so for O(exclude).
      - Naming an update that is in RV(offered_again) because it was installed before and does not show allows to
        install it once more.
    type: list
    elements: str
    default: []
  exclude:
    description: KBs or update ids that are left out.
    type: list
    elements: str
    default: []
  classifications:
    description:
      - Only updates of these classifications are considered, when the list is not empty. They are recognised by their
        ids, not by their translated names.
      - A cumulative update of Windows and a hotpatch are V(security_updates). Out-of-band ones may be V(updates).
    type: list
    elements: str
    choices:
      - critical_updates
      - definition_updates
      - drivers
      - feature_packs
      - security_updates
      - service_packs
      - tools
      - update_rollups
      - updates
      - upgrades
    default: []
    version_added: 0.2.0
  other_updates:
    description:
      - What becomes of updates that are not Windows' own (.NET, drivers, the Malicious Software Removal Tool, Microsoft
        Defender), which have the verdict V(other).
      - With V(named) only those are installed that O(include) names, with O(mode=baseline).
      - With V(with_baseline) they are installed together with the cumulative update, with O(mode=baseline), so that one
        restart serves all. Where no cumulative update is installed they wait for the next one.
      - With O(mode=hotpatch_only) they are never installed. Windows Update has no restart forecast for them, so that no
        witness can say that no restart follows.
    type: str
    choices: [named, with_baseline]
    default: named
    version_added: 0.2.0
  allow_off_track:
    description:
      - Allow an update that takes the server off the hotpatch track when it is named in O(include). Only with
        O(mode=baseline).
    type: bool
    default: false
  server_selection:
    description:
      - Where the server searches. V(default) follows its policy, V(managed_server) is its own update server (WSUS).
      - V(microsoft_update) must be registered on the server once. This module does not register it, since that changes
        what the server's automatic updates do.
      - What policy forbids is refused before anything is started on the server. RV(source) says what was used.
    type: str
    choices: [default, managed_server, windows_update, microsoft_update]
    default: default
  accept_eula:
    description:
      - Accept the licence terms of updates that have their own. When V(false), an update whose terms nobody has
        accepted is refused.
    type: bool
    default: true
    version_added: 0.2.0
  min_free_bytes:
    description:
      - Free bytes the system drive must have before anything is downloaded. Three times the size of the updates is
        needed in any case.
      - By default 10 GiB for a cumulative update and 2 GiB for a hotpatch, as in M(winops.hotpatch.month_plan).
    type: int
    version_added: 0.2.0
  retries:
    description:
      - How often a search is tried again that failed with an error of the class C(retry), such as a timeout. The pauses
        grow from six times O(poll_interval), and end with O(timeout).
      - Nothing else is tried again. An error that needs something fixed gives the same answer, and an installation is
        never repeated.
    type: int
    default: 2
    version_added: 0.2.0
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

- name: Install the baseline, with .NET and drivers beside it, but no preview and no definitions
  winops.hotpatch.updates:
    mode: baseline
    other_updates: with_baseline
    classifications: [security_updates, updates, drivers]
    as_of: '2025-12-20'

- name: Show what was refused, and why
  ansible.builtin.debug:
    msg: "{{ hotpatch.refused | map(attribute='words') | list }}"
"""

RETURN = r"""
offered:
  description:
    - Updates the server is offered, each with its verdict and its classifications.
    - For one that is not installed, C(refused) says why in words, C(why) in a stable word, C(class) whether to retry
      (C(retry)), to fix something (C(fix)) or to leave it (C(stop)), and C(remedy) what to do. Where Windows gave a
      code for it, that is C(hresult), and C(meaning) says it in words.
  returned: when a search was made
  type: list
  elements: dict
  sample:
    - kb: KB5072014
      title: 2025-12 Security Hotpatch Update (KB5072014)
      verdict: hotpatch
      classifications: [security_updates]
      selected: true
refused:
  description: Those of the offered updates that were not installed.
  returned: when a search was made
  type: list
  elements: dict
  sample:
    - kb: KB5072033
      verdict: off_track
      refused: no hotpatch until the 13 January 2026 baseline
      why: off_track
      class: stop
      remedy:
offered_again:
  description: Updates that are offered although they were installed, each once, with how often and when last.
  returned: when a search was made
  type: list
  elements: dict
  sample:
    - kb: KB5068966
      times_installed: 1
      last_installed: '2025-11-12T03:07:31Z'
      words: KB5068966 is installed (last on 2025-11-12), and Windows Update offers it again.
source:
  description: Where the server was asked to search, what its policy says, and which service was used.
  returned: success
  type: dict
  sample:
    server_selection: default
    managed_by_policy: true
    update_server: https://wsus.example.com:8531
    words: Policy names the update server https://wsus.example.com:8531.
    service: its own update server
    service_id: 3da21691-e39d-4da6-8a4b-b43877bcb1b7
kbs_installed:
  description: KBs this call installed, or saw being installed by a run it attached to.
  returned: success
  type: list
  elements: str
  sample: [KB5072014]
results:
  description:
    - Windows Update's result for each update that was downloaded or installed; C(operation) says which.
    - For one that failed, C(meaning) has the code in words, C(class) is C(retry), C(fix) or C(stop), and C(remedy) says
      what to do.
  returned: when something was installed or downloaded
  type: list
  elements: dict
  sample:
    - kb: KB5072014
      operation: install
      result: succeeded
      hresult: '0x00000000'
      meaning:
      class:
      remedy:
      restart_required: false
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
  description:
    - The evidence, with what each witness said before and after.
    - Its form is the JSON schema docs/schemas/receipt-1.json of the collection.
  returned: success
  type: dict
  sample:
    schema: winops.hotpatch/receipt-1
    version: 1
    server: web01
    may_install: 'yes'
    witnesses_before: []
    witnesses_after: []
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import updates
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(updates.SPEC), updates.run)


if __name__ == "__main__":
    main()

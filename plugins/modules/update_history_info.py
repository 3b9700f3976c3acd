#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: update_history_info
short_description: Read what was installed on a Windows server, with its hotpatch track and its result in words
version_added: 0.2.0
description:
  - Lists what Windows Update installed and removed, newest first, as far back as the server remembers. Each row has its
    KB, whether that is a hotpatch, a baseline or an ordinary cumulative update, its result, and for a failure the code
    in words.
  - Windows Update's own history may be read by a script on the server only. So O(source=windows_update) writes a
    request and a result into the collection's own folder there and runs a scheduled task, as
    M(winops.hotpatch.updates) does. Nothing of Windows is changed, and C(changed) is always false.
  - O(source=event_log) reads the System event log over WinRM and leaves nothing on the server. Check mode always does
    so. The log goes back as far as its size allows, and knows no row that is still in progress.
  - An update that was removed by other means than Windows Update (M(winops.hotpatch.rollback) uses DISM) has no row.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.connection
options:
  month:
    description:
      - Another way to say O(as_of), C(YYYY-MM), as in the other modules of the group.
    type: str
  as_of:
    description:
      - The day that is taken as today, C(YYYY-MM-DD). Releases after it are not known, so that their KBs have no track.
      - Defaults to today in UTC, or to the last day of O(month) when that month is past.
    type: str
  catalogue:
    description:
      - A catalogue file of your own, in the form of C(docs/catalogue.md). Its rows are merged over those of the
        collection.
    type: path
  since:
    description:
      - Only rows of this day (in UTC) or moment, or later. When left out, all.
    type: str
  limit:
    description: How many of the newest rows are returned. Zero returns all.
    type: int
    default: 0
  source:
    description: Where the history is read.
    type: str
    choices: [windows_update, event_log]
    default: windows_update
  timeout:
    description: Seconds until reading Windows Update's history must be over.
    type: int
    default: 600
  poll_interval:
    description: Seconds between two looks at the task, at the longest.
    type: float
    default: 2
attributes:
  diff_mode:
    description: Nothing of Windows is changed, so there is nothing to compare.
    support: none
seealso:
  - module: winops.hotpatch.updates
  - module: winops.hotpatch.host_info
"""

EXAMPLES = r"""
- name: Read everything that was installed since the autumn
  winops.hotpatch.update_history_info:
    since: '2025-09-01'
    as_of: '2025-12-20'
  register: past

- name: Show the hotpatches and baselines among it
  ansible.builtin.debug:
    msg: "{{ past.history | selectattr('track', 'in', ['hotpatch', 'baseline']) | map(attribute='kb') | list }}"

- name: Read the newest twenty rows from the event log, leaving nothing on the server
  winops.hotpatch.update_history_info:
    source: event_log
    limit: 20
    as_of: '2025-12-20'
"""

RETURN = r"""
history:
  description:
    - The rows, newest first. Dates are in UTC. A row may stand there again and again, as Windows keeps it.
    - C(track) is V(hotpatch), V(baseline), V(lcu), V(other) (none of Windows itself) or V(unknown) (a KB the catalogue
      does not know). A row of the Store has no KB.
    - A row that is V(in progress) waits for a restart, or is being installed.
    - For a failure C(meaning) is the code in words, C(class) is V(retry), V(fix) or V(stop), and C(remedy) says what to
      do. C(client) is who asked for it, C(MoUpdateOrchestrator) being Windows Update itself.
  returned: success
  type: list
  elements: dict
  sample:
    - date: '2025-11-12T03:07:31Z'
      kb: KB5068966
      title: 2025-11 Security Hotpatch Update (KB5068966) (26100.7092)
      track: hotpatch
      operation: install
      result: succeeded
      hresult: '0x00000000'
      meaning:
      class:
      remedy:
      client: MoUpdateOrchestrator
source:
  description: Where the rows were read, which is V(event_log) in check mode.
  returned: success
  type: str
  sample: windows_update
total:
  description: How many rows the server has; V(null) when the event log was read, which does not tell.
  returned: success
  type: int
  sample: 214
complete:
  description: Whether all rows of the source are returned.
  returned: success
  type: bool
  sample: false
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import update_history_info
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(update_history_info.SPEC), update_history_info.run)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restart
short_description: Restart a Windows server and prove that it is back
version_added: 0.1.0
description:
  - Restarts the server and is done only when its boot time has changed and stays the same, servicing is over, and the
    automatic services that ran before run again. A cumulative update may restart a server twice.
  - Reports how long each stage took.
  - Every look at the server has its own time limit, so that no call hangs.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.connection
options:
  only_if_pending:
    description:
      - Restart only if a restart is pending. This makes the module safe to run again.
      - When the server does not tell whether a restart is pending, nothing is done and the module fails.
    type: bool
    default: true
  skip_if_booted_since:
    description: Do not restart a server that has started after this time (ISO 8601 with zone).
    type: str
  delay:
    description: Seconds Windows waits after the order; people logged on see O(comment).
    type: int
    default: 5
  comment:
    description: What people logged on see, and what the System event log keeps.
    type: str
    default: Restart by winops.hotpatch to complete updates
  timeout:
    description: Seconds until the restart must be proven.
    type: int
    default: 3600
  settle_probes:
    description: How many looks in a row must show the same boot time and no servicing.
    type: int
    default: 3
  poll_interval:
    description: Seconds between two looks, at the longest.
    type: float
    default: 5
  ignore_services:
    description: Automatic services that need not run again, such as those that stop by themselves.
    type: list
    elements: str
    default: []
attributes:
  diff_mode:
    description: Returns the boot time before and after.
    support: full
seealso:
  - module: winops.hotpatch.updates
"""

EXAMPLES = r"""
- name: Restart if an update waits for it, and prove it
  winops.hotpatch.restart:
    timeout: 1800
  register: restart

- name: Show how long each stage took
  ansible.builtin.debug:
    msg: "{{ restart.stages }}"
"""

RETURN = r"""
restarted:
  description: Whether this call restarted the server.
  returned: success
  type: bool
  sample: true
boot_time_before:
  description: When the server had started, before.
  returned: success
  type: str
  sample: '2025-07-10T01:02:03Z'
boot_time_after:
  description: When the server had started, afterwards.
  returned: success
  type: str
  sample: '2025-12-20T23:04:11Z'
boots:
  description: How often the server was seen to start. A cumulative update may restart it twice.
  returned: success
  type: int
  sample: 2
stages:
  description: The stages and how many seconds each took.
  returned: success
  type: list
  elements: dict
  sample: [{name: shutdown, seconds: 9.1}, {name: boot, seconds: 71.0}, {name: settle, seconds: 112.4}]
pending_before:
  description: Names of the sources that asked for a restart before.
  returned: success
  type: list
  elements: str
  sample: [component_based_servicing, windows_update]
pending_after:
  description: Names of the sources that still ask for a restart.
  returned: success
  type: list
  elements: str
  sample: []
why:
  description: Why the server was restarted, or why not.
  returned: success
  type: str
  sample: A restart is pending.
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import restart
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(restart.SPEC), restart.run)


if __name__ == "__main__":
    main()

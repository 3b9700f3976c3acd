#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: outcome
short_description: End the play for a server as its outcome says
version_added: 0.1.0
description:
  - Fails for a server whose outcome is V(failed) and makes it unreachable for V(unreachable), so that the exit code of
    C(ansible-playbook) and the status of a job tell those apart from a clean run. Any other outcome passes.
author: The winops.hotpatch contributors (@winops)
options:
  outcome:
    description:
      - The server's outcome, from M(winops.hotpatch.month_report), M(winops.hotpatch.onboarding_report),
        M(winops.hotpatch.enrollment_report) or P(winops.hotpatch.rollback_outcomes#filter).
    type: str
    required: true
    choices:
      - hotpatched
      - baselined
      - current
      - enrolled
      - paused
      - left
      - ready
      - rolled_back
      - refused
      - not_eligible
      - failed
      - unreachable
      - skipped
  reason:
    description: The reason, which becomes the message.
    type: str
    required: true
attributes:
  check_mode:
    description: Can run in C(check_mode); it never changes anything.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: End this server's play as its outcome says
  winops.hotpatch.outcome:
    outcome: "{{ month.outcomes[inventory_hostname].outcome }}"
    reason: "{{ month.outcomes[inventory_hostname].reason }}"
"""

RETURN = r"""
outcome:
  description: The outcome that was given.
  returned: always
  type: str
  sample: hotpatched
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import outcome
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(outcome.SPEC), outcome.run, server=False)


if __name__ == "__main__":
    main()

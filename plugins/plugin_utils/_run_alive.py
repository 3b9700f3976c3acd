# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Whether the run that a task belongs to is still there.

Ansible's workers are sessions of their own: when ``ansible-playbook`` is killed, a worker that waits for a server goes
on waiting, up to its deadline, beside whatever run comes next. Nobody hears its result. So every pause looks whether
the process that made the worker is still its parent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError


def sleep_while_it_runs(
    parent_of: Callable[[], int] = os.getppid, sleep: Callable[[float], None] = time.sleep
) -> Callable[[float], None]:
    """A ``sleep`` for the work of one task, which ends that work with an error once the run is gone.

    The function raises HotpatchError (``run_ended``); what is under way on a server goes on there.
    """
    parent = parent_of()

    def pause(seconds: float) -> None:
        # First the pause: work that meets the error and goes on all the same must not do so without one.
        sleep(seconds)
        if parent_of() != parent:
            raise HotpatchError(
                "The run that this task belongs to has ended, so that nothing is waited for any longer.",
                code="run_ended",
                hint="What is under way on the server goes on. Run it again: it is followed, not started again.",
            )

    return pause

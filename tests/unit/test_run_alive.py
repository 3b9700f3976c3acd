# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task whose run was killed waits for nothing any longer."""

from __future__ import annotations

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._run_alive import sleep_while_it_runs


def test_a_pause_ends_the_work_once_the_run_is_gone() -> None:
    parents = [42, 42, 42, 1, 1]
    slept: list[float] = []
    pause = sleep_while_it_runs(lambda: parents.pop(0), slept.append)
    pause(5)
    pause(6)
    for seconds in (7, 8):
        with pytest.raises(HotpatchError, match="has ended") as caught:
            pause(seconds)
        assert caught.value.code == "run_ended"
    # It slept before it told: whoever goes on in spite of it does not spin.
    assert slept == [5, 6, 7, 8]

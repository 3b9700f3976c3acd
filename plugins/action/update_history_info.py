# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action front of M(winops.hotpatch.update_history_info)."""

from __future__ import annotations

from ansible_collections.winops.hotpatch.plugins.module_utils._core import update_history_info
from ansible_collections.winops.hotpatch.plugins.plugin_utils._action_front import ServerAction


class ActionModule(ServerAction):
    SPEC = update_history_info.SPEC
    core = staticmethod(update_history_info.run)

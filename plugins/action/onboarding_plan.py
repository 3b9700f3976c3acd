# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action front of M(winops.hotpatch.onboarding_plan)."""

from __future__ import annotations

from ansible_collections.winops.hotpatch.plugins.module_utils._core import onboarding_plan
from ansible_collections.winops.hotpatch.plugins.plugin_utils._action_front import ControllerAction


class ActionModule(ControllerAction):
    SPEC = onboarding_plan.SPEC
    core = staticmethod(onboarding_plan.run)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action front of M(winops.hotpatch.enrollment_report)."""

from __future__ import annotations

from ansible_collections.winops.hotpatch.plugins.module_utils._core import enrollment_report
from ansible_collections.winops.hotpatch.plugins.plugin_utils._action_front import ControllerAction


class ActionModule(ControllerAction):
    SPEC = enrollment_report.SPEC
    core = staticmethod(enrollment_report.run)

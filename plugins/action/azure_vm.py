# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action front of M(winops.hotpatch.azure_vm)."""

from __future__ import annotations

from ansible_collections.winops.hotpatch.plugins.module_utils._core import azure_vm
from ansible_collections.winops.hotpatch.plugins.plugin_utils._azure_front import AzureAction


class ActionModule(AzureAction):
    SPEC = azure_vm.SPEC
    core = staticmethod(azure_vm.run)

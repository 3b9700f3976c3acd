# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Register a subscription for resource providers. Nothing else of this collection does it, whatever Azure answers."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import registrations as azure
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_target import arm_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.registration import (
    REGISTRATION_OPTIONS,
    distinct,
    register,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec

SPEC = Spec(
    {
        **REGISTRATION_OPTIONS,
        "namespaces": {"type": "list", "elements": "str", "required": True},
        "again": {"type": "bool", "default": False},
    }
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: a provider is not registered in the end.
    """
    params = call.params
    arm = arm_of(call)
    names = distinct(params["namespaces"], "namespaces")
    wanted = [azure.provider(arm.account.subscription_id, name) for name in names]
    return register(call, arm, wanted, "providers", again=params["again"])

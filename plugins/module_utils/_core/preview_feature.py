# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Register preview features of a subscription, as the first hotpatching of 2021 needed it."""

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

#: The gates of the preview of 2021, all of Microsoft.Compute.
HISTORIC = ("InGuestHotPatchVMPreview", "InGuestAutoPatchVMPreview", "InGuestPatchVMPreview")
HISTORY = (
    "These features were the gate of hotpatching while it was a preview. It has left it: none of this is needed today, "
    "and it does no harm."
)

SPEC = Spec(
    {
        **REGISTRATION_OPTIONS,
        "namespace": {"type": "str", "default": "Microsoft.Compute"},
        "features": {"type": "list", "elements": "str", "default": list(HISTORIC)},
    }
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: a feature is not registered in the end.
    """
    params = call.params
    arm = arm_of(call)
    names = distinct(params["features"], "features")
    wanted = [azure.feature(arm.account.subscription_id, params["namespace"], name) for name in names]
    historic = {name.lower() for name in HISTORIC}
    is_history = params["namespace"].lower() == "microsoft.compute" and any(name.lower() in historic for name in names)
    if is_history and params["state"] == "registered":
        call.warn(HISTORY)
    return register(call, arm, wanted, "features") | {"historic": is_history}

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""End a server's play as its outcome says."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError, Unreachable

SPEC = Spec(
    {
        "outcome": {
            "type": "str",
            "required": True,
            "choices": [
                "hotpatched", "baselined", "current", "enrolled", "paused", "left", "ready", "rolled_back",
                "refused", "not_eligible", "failed", "unreachable", "skipped",
            ],
        },
        "reason": {"type": "str", "required": True},
    }
)  # fmt: skip


def run(call: Call) -> dict[str, Any]:
    """Raise for the outcomes that must show in the exit code.

    :raises HotpatchError: the outcome is failed.
    :raises Unreachable: the outcome is unreachable.
    """
    outcome, reason = call.params["outcome"], call.params["reason"]
    if outcome == "failed":
        raise HotpatchError(reason, code="failed", server=call.name)
    if outcome == "unreachable":
        raise Unreachable(reason, server=call.name)
    return {"changed": False, "outcome": outcome, "msg": reason}

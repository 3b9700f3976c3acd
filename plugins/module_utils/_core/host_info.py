# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Read a server and judge it; nothing is changed."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import (
    CATALOGUE_OPTIONS,
    CONNECTION_OPTIONS,
    ENROLLMENT_OPTIONS,
    PLACE_OPTIONS,
    Spec,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.server_state import state_of

SPEC = Spec({**CONNECTION_OPTIONS, **CATALOGUE_OPTIONS, **ENROLLMENT_OPTIONS, **PLACE_OPTIONS})


def run(call: Call) -> dict[str, Any]:
    """The facts of the server and what they mean.

    :raises HotpatchError: an option is wrong, or the server cannot be read at all.
    """
    catalogue = catalogue_of(call)
    facts = call.server().facts()
    declared = {name: call.params[name] for name in (*ENROLLMENT_OPTIONS, *PLACE_OPTIONS)}
    state = state_of(facts, declared, catalogue)
    return {
        "changed": False,
        "server": facts,
        "declared": declared,
        "product": state.product.as_dict(),
        "enrollment": state.enrollment.as_dict(),
        "eligibility": state.eligibility.as_dict(),
        "standing": state.standing.as_dict(),
    }

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Read a whole fleet from Azure Resource Graph; nothing is changed, and nothing else decides by it."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import fleet
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import CREDENTIAL_OPTIONS
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_target import arm_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import CATALOGUE_OPTIONS, Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.fleet_query import (
    ASSESSMENT_DAYS,
    INSTALLATION_DAYS,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.fleet_rows import counts_of

SPEC = Spec(
    {
        **CREDENTIAL_OPTIONS,
        **fleet.NARROWING_OPTIONS,
        **CATALOGUE_OPTIONS,
        "include": {
            "type": "list",
            "elements": "str",
            "choices": list(fleet.PARTS),
            "default": ["assessments", "installations"],
        },
    }
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: Resource Graph cannot be asked.
    """
    wanted = fleet.narrowed(call.params)
    catalogue = catalogue_of(call)
    arm = arm_of(call)
    scope = fleet.scope_of(call.params, arm)
    machines = fleet.machines(arm, wanted, scope, catalogue)
    call.progress(f"  [azure] {len(machines)} machines in Resource Graph")
    include = call.params["include"]
    if machines:
        fleet.add_parts(arm, wanted, scope, machines, include)
    return {
        "changed": False,
        "machines": machines,
        "counts": {
            "machines": len(machines),
            **{key: counts_of(machines, key) for key in ("kind", "product", "track", "enrollment", "agent_status")},
        },
        "source": {
            "name": "Azure Resource Graph",
            "read_at": f"{call.now():%Y-%m-%dT%H:%M:%SZ}",
            "lags": True,
            "assessment_days": ASSESSMENT_DAYS,
            "installation_days": INSTALLATION_DAYS,
        },
        "traffic": arm.traffic,
        "correlation_id": arm.correlation_id,
    }

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Restart a server and prove it."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import CONNECTION_OPTIONS, Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.restart import RestartOptions
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import pending_sources

SPEC = Spec(
    {
        **CONNECTION_OPTIONS,
        "only_if_pending": {"type": "bool", "default": True},
        "skip_if_booted_since": {"type": "str"},
        "delay": {"type": "int", "default": 5},
        "comment": {"type": "str", "default": "Restart by winops.hotpatch to complete updates"},
        "timeout": {"type": "int", "default": 3600},
        "settle_probes": {"type": "int", "default": 3},
        "poll_interval": {"type": "float", "default": 5},
        "ignore_services": {"type": "list", "elements": "str", "default": []},
    }
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises Refused: whether a restart is pending could not be read, and only then was one wanted.
    :raises RestartFailed: the restart was not proven in its time.
    """
    params = call.params
    if params["timeout"] <= 0:
        raise InvalidInput("timeout must be above zero.")
    options = RestartOptions(
        delay=params["delay"],
        message=params["comment"],
        only_if_pending=params["only_if_pending"],
        skip_if_booted_since=params["skip_if_booted_since"],
        boot_seconds=params["timeout"],
        settle_seconds=params["timeout"],
        services_seconds=params["timeout"],
        seconds=params["timeout"],
        probe_interval=params["poll_interval"],
        settle_interval=params["poll_interval"],
        settle_probes=params["settle_probes"],
        ignore_services=params["ignore_services"],
    )
    done = call.server().restart(options, progress=call.progress, check_mode=call.check_mode)
    if not done["would_restart"] and params["only_if_pending"] and done["pending_before"]["pending"] is None:
        raise Refused(
            f"{call.name}: {done['why']}",
            hint="Find out why the registry cannot be read, or set only_if_pending to false.",
            server=call.name,
        )
    result = {
        "changed": done["would_restart"] if call.check_mode else done["restarted"],
        "restarted": done["restarted"],
        "boot_time_before": done["boot_time_before"],
        "boot_time_after": done["boot_time_after"],
        "boots": done["boots"],
        "stages": done["stages"],
        "pending_before": pending_sources(done["pending_before"]),
        "pending_after": pending_sources(done["pending_after"]),
        "why": done["why"],
    }
    if done["restarted"]:
        result["diff"] = {
            "before": {"boot_time": done["boot_time_before"]},
            "after": {"boot_time": done["boot_time_after"]},
        }
    return result

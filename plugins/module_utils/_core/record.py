# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What earlier tasks registered for a server, made sense of: facts, or the failure to get them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A list of records, one for each server: month_plan looks at ``read`` alone, month_report at all of it.
RECORDS_OPTION: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "options": {
        "name": {"type": "str", "required": True},
        "read": {"type": "dict", "required": True},
        "read_after": {"type": "dict"},
        "install": {"type": "dict"},
        "wave": {"type": "dict"},
    },
}

#: The same for bringing servers onto the track: what each stage recorded.
ONBOARDING_RECORDS_OPTION: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "options": {
        "name": {"type": "str", "required": True},
        "read": {"type": "dict", "required": True},
        "read_after": {"type": "dict"},
        "vbs": {"type": "dict"},
        "arc": {"type": "dict"},
        "enroll": {"type": "dict"},
    },
}


@dataclass(frozen=True)
class Reading:
    """A result of ``host_info``: the facts, or why there are none."""

    facts: Mapping[str, Any] | None
    declared: Mapping[str, Any]
    failure: Mapping[str, Any] | None

    @classmethod
    def of(cls, result: Mapping[str, Any] | None) -> Reading:
        """The reading behind a registered result; a missing, failed or skipped one has no facts."""
        result = result or {}
        facts = result.get("server")
        if isinstance(facts, Mapping) and not result.get("failed") and not result.get("unreachable"):
            return cls(facts, result.get("declared") or {}, None)
        error = result.get("error")
        return cls(
            None,
            result.get("declared") or {},
            {
                "unreachable": bool(result.get("unreachable")),
                "msg": str(result.get("msg") or "It was not read."),
                "code": str(error.get("code")) if isinstance(error, Mapping) else None,
            },
        )


def done(result: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A registered result, or None when its task did not run."""
    return None if not result or result.get("skipped") else result

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What a run allows and demands: safe defaults, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import RestartReason

GIGABYTE = 1024**3
_REASONS = tuple(reason.value for reason in RestartReason)


@dataclass(frozen=True)
class Policy:
    """The policy of one run.

    :param restart_reasons: for which reasons a server may go through the waves.
    :param max_clock_skew: seconds a server's clock may differ from the controller's.
    :param min_free_bytes_lcu: room that a cumulative update must find on the system disk; hotpatches need less.
    """

    restart_reasons: frozenset[str] = frozenset({RestartReason.BASELINE.value})
    max_clock_skew: float = 600.0
    min_free_bytes_lcu: int = 10 * GIGABYTE
    min_free_bytes_hotpatch: int = 2 * GIGABYTE

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Policy:
        """A policy from the variables a person gave; what is missing or None keeps its default.

        :raises InvalidInput: an unknown key, an unknown reason, or a number that is none or negative.
        """
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        if unknown:
            raise InvalidInput(
                f"The policy has no setting {unknown[0]}.", hint=f"Known: {', '.join(cls.__dataclass_fields__)}."
            )
        given = {name: value for name, value in values.items() if value is not None}
        if "restart_reasons" in given:
            given["restart_reasons"] = _reasons(given["restart_reasons"])
        for name in ("max_clock_skew", "min_free_bytes_lcu", "min_free_bytes_hotpatch"):
            value = given.get(name, 0)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise InvalidInput(f"{name} is not a number of zero or more.")
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        return {
            "restart_reasons": sorted(self.restart_reasons),
            "max_clock_skew": self.max_clock_skew,
            "min_free_bytes_lcu": self.min_free_bytes_lcu,
            "min_free_bytes_hotpatch": self.min_free_bytes_hotpatch,
        }


def _reasons(value: Any) -> frozenset[str]:
    if isinstance(value, str) or not isinstance(value, (list, tuple, set, frozenset)):
        raise InvalidInput("restart_reasons is not a list.", hint=f"Known reasons: {', '.join(_REASONS)}.")
    found = set()
    for reason in value:
        if reason not in _REASONS:
            raise InvalidInput(f"'{reason}' is no reason for a restart.", hint=f"Known reasons: {', '.join(_REASONS)}.")
        found.add(RestartReason(reason).value)
    return frozenset(found)

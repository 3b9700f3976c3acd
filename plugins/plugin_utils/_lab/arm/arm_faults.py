# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong on Azure's side, planted by the control address (``POST /azure/faults``).

Every fault takes ``action`` (a pattern of the action's name, such as ``*/licenseProfiles/write``), ``resource`` (a
pattern of the path), ``after`` (so many requests pass first) and ``times`` (how often it strikes; absent: until it is
cleared).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fault_kinds import FaultError

_EVERYWHERE: Mapping[str, Any] = {"action": "*", "resource": "*", "after": 0, "times": None}

#: Kind to its meaning and its own settings.
ARM_FAULTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "tokens_revoked": ("all tokens given out so far are worth nothing from now on", {}),
    "permission_missing": ("403: the account lacks the permission", {}),
    "resource_gone": ("404: the resource is not there", {}),
    "conflict": ("409: something else is being done to it", {"code": "Conflict", "message": "Another operation runs."}),
    "provider_not_registered": ("409: the subscription is not registered for the provider", {}),
    "throttled": ("429, whatever the buckets hold", {"seconds": 1.0}),
    "unavailable": ("503; with executed, what was asked is carried out all the same", {"executed": False}),
    "answer_lost": ("what was asked is carried out and the connection is cut", {"executed": True}),
    "operation_lost": ("the addresses of operations under way are not known any more", {}),
    "refused": ("an error of your own", {"status": 400, "code": "BadRequest", "message": "It was refused."}),
    "enrollment_fails": ("a change of the enrollment ends as Failed", {"code": "Failed", "message": "It failed."}),
    "slow": ("answers are held back by so many wall clock seconds", {"seconds": 2.0}),
}


@dataclass
class ArmFault:
    """One planted fault."""

    kind: str
    settings: dict[str, Any]
    seen: int = 0
    struck: int = 0

    def strikes(self, action: str, path: str) -> bool:
        """Whether it strikes a request now; counted."""
        if not fnmatchcase(action.lower(), self.settings["action"].lower()):
            return False
        if not fnmatchcase(path.lower(), self.settings["resource"].lower()):
            return False
        self.seen += 1
        times = self.settings["times"]
        if self.seen <= self.settings["after"] or (times is not None and self.struck >= times):
            return False
        self.struck += 1
        return True

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, **self.settings, "struck": self.struck}


@dataclass
class ArmFaults:
    """What is wrong with Azure now."""

    active: list[ArmFault] = field(default_factory=list)

    def give(self, raw: Mapping[str, Any]) -> ArmFault:
        """Plant one.

        :raises FaultError: there is no such fault or setting.
        """
        kind = str(raw.get("kind"))
        if kind not in ARM_FAULTS:
            raise FaultError(f"there is no fault {kind!r} of Azure; known are {', '.join(sorted(ARM_FAULTS))}.")
        settings = {**_EVERYWHERE, **ARM_FAULTS[kind][1]}
        for name, value in raw.items():
            if name == "kind":
                continue
            if name not in settings:
                raise FaultError(f"fault {kind} has no setting {name!r}.")
            default = settings[name]
            wanted: tuple[type, ...] = (int, float) if isinstance(default, float) else (type(default),)
            if name in ("times", "after"):
                wanted = (int,)
            if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
                raise FaultError(f"fault {kind}: {name!r} cannot be {value!r}.")
            settings[name] = value
        fault = ArmFault(kind, settings)
        self.active.append(fault)
        return fault

    def striking(self, action: str, path: str, *kinds: str) -> ArmFault | None:
        """The first fault of these kinds that strikes a request."""
        return next((item for item in self.active if item.kind in kinds and item.strikes(action, path)), None)

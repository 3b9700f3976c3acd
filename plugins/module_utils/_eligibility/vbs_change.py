# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What has to be written to turn virtualization-based security (VBS) on or off, or why that is refused.

Only two values are ever written: EnableVirtualizationBasedSecurity and RequirePlatformSecurityFeatures. ``Locked`` is
read and never set. A policy wins over the registry (Policy CSP DeviceGuard), so nothing is written against one; what a
policy already says needs no value. A value that could not be read is no permission to write beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.vbs_readiness import (
    OFF,
    PLATFORM_SECURITY,
    REQUIRE,
    RUNNING,
    SWITCH,
    risks,
    status_of,
)

_POLICY = 'the policy "Turn On Virtualization Based Security" (Computer Configuration, System, Device Guard)'
_UNLOCK = (
    "What remains is to take the lock away at the console: remove the settings and the policies, start SecConfig.efi "
    "once with the load options DISABLE-LSA-ISO,DISABLE-VBS (bcdedit), and confirm it there by hand; turning Secure "
    "Boot off in the firmware lifts it, too."
)


@dataclass(frozen=True)
class Refusal:
    """Why nothing is written: a code, a sentence without the server's name, and what to do."""

    code: str
    words: str
    hint: str


@dataclass(frozen=True)
class Change:
    """The values to write by name; a refusal instead, when there is one."""

    writes: Mapping[str, int] = field(default_factory=dict)
    refusal: Refusal | None = None


def change_for(
    reading: Mapping[str, Any], state: str, *, platform_security: str | None = None, accept_risks: bool = False
) -> Change:
    """What reaching a state takes.

    :param state: ``enabled`` or ``disabled``.
    :param platform_security: what the hardware must have before VBS starts; None leaves that as it is.
    :param accept_risks: whether a trap that would be refused is walked into.
    """
    unread = _unread(reading)
    if unread is not None:
        return Change(refusal=unread)
    if state == "disabled":
        return _disable(reading)
    return _enable(reading, platform_security, accept_risks=accept_risks)


def _unread(reading: Mapping[str, Any]) -> Refusal | None:
    hint = (
        "Use an account that is an administrator of the server with a full token, and see notes for what was refused."
    )
    if reading.get("policy") is None:
        words = "whether a policy decides on virtualization-based security could not be read, so nothing was written."
        return Refusal("policy_unknown", words, hint)
    if reading.get("registry") is None:
        words = "the settings of virtualization-based security could not be read, so nothing was written."
        return Refusal("registry_unknown", words, hint)
    said = reading["policy"].get(SWITCH)
    if said not in (None, 0, 1):
        words = f"a policy sets {SWITCH} to {said}, which means nothing known, so nothing was written."
        return Refusal("policy_unknown", words, f"Look at {_POLICY}.")
    return None


def _enable(reading: Mapping[str, Any], platform_security: str | None, *, accept_risks: bool) -> Change:
    policy, registry = reading["policy"], reading["registry"]
    status = status_of(reading)
    wanted = None if platform_security is None else PLATFORM_SECURITY[platform_security]
    if policy.get(SWITCH) == 0:
        words = "a policy turns virtualization-based security off and wins over the registry, so nothing was written."
        return Change(refusal=Refusal("policy_forbids", words, f"Change {_POLICY}."))
    required = policy.get(REQUIRE)
    if wanted is not None and required not in (None, wanted):
        words = (
            f"a policy sets {REQUIRE} to {required}, not to {wanted}, and wins over the registry; nothing was written."
        )
        return Change(refusal=Refusal("policy_forbids", words, f"Change {_POLICY}, or leave platform_security out."))
    trap = next((risk for risk in risks(reading) if risk.refuses), None)
    if trap is not None and status != RUNNING and not accept_risks:
        hint = "Update the server first, or set accept_risks to true, with a backup and a way to the console at hand."
        return Change(refusal=Refusal(trap.code, f"the server might not start again. {trap.words}", hint))
    writes = {}
    if wanted is not None and required is None and registry.get(REQUIRE) != wanted:
        writes[REQUIRE] = wanted
    # Where it runs by the defaults of Windows or for a service, the switch is not needed.
    by_itself = registry.get(SWITCH) is None and status == RUNNING and wanted is None
    if policy.get(SWITCH) is None and registry.get(SWITCH) != 1 and not by_itself:
        writes[SWITCH] = 1
    return Change(writes)


def _disable(reading: Mapping[str, Any]) -> Change:
    policy, registry = reading["policy"], reading["registry"]
    status = status_of(reading)
    if policy.get(SWITCH) == 1:
        words = "a policy turns virtualization-based security on and wins over the registry, so nothing was written."
        return Change(refusal=Refusal("policy_forbids", words, f"Change {_POLICY}."))
    if registry.get("Locked") == 1 and status != OFF:
        words = (
            "virtualization-based security is locked in UEFI variables (Locked is 1); no registry value turns it off."
        )
        return Change(refusal=Refusal("uefi_locked", words, _UNLOCK))
    off = registry.get(SWITCH) == 0 or (registry.get(SWITCH) is None and status == OFF)
    return Change({} if off else {SWITCH: 0})

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What must be written to enroll an Arc machine for hotpatches, to take it out, to pause or to resume it. Pure.

There are two switches in Azure: the licence profile's feature (enrollment), and the machine's ``enableHotpatching``,
which pauses hotpatches without leaving. A machine gets hotpatches when both are on. What is read and what is written
is in ARM's wire form. Rules:

- ``Enabling`` satisfies ``present``: nothing is sent again. It is not the end; only Enabled, Disabled and Failed are.
- PUT says ``Enabled`` and is for a machine without a profile only, because it replaces all of it. PATCH says ``Enable``
  or ``Disable`` and leaves what it does not name: software assurance, extended security updates, other features.
- The product's own ``subscriptionStatus`` (Windows Server pay-as-you-go, which costs) is never sent.
- A dates' presence tells nothing: Azure's own examples carry all four at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import day_in_words

FEATURE = "Hotpatch"
#: Microsoft's scripts say Hotpatch, the examples of its specification HotPatching.
_NAMES = ("hotpatch", "hotpatching")
PRODUCT = "WindowsServer"

FINAL = ("Enabled", "Disabled", "Failed")
_MOVING = ("Enabling", "Disabling")
_DATES = {
    "enrollment_date": "enrollmentDate",
    "billing_start_date": "billingStartDate",
    "disenrollment_date": "disenrollmentDate",
    "billing_end_date": "billingEndDate",
}


@dataclass(frozen=True)
class Enrollment:
    """How a machine stands, as read.

    :ivar status: Azure's word for the feature; None when the profile does not have it.
    :ivar feature: how the profile spells the feature's name.
    :ivar has_profile: whether there is a licence profile at all.
    :ivar switch: ``enableHotpatching``; None when it was never set.
    :ivar switch_status: Azure's word for what the switch has come to.
    """

    status: str | None = None
    feature: str = FEATURE
    has_profile: bool = False
    product_type: str | None = None
    switch: bool | None = None
    switch_status: str | None = None
    agent: str | None = None
    dates: Mapping[str, str | None] = field(default_factory=dict)
    error: str | None = None

    @property
    def state(self) -> str:
        """One word for people and playbooks."""
        if self.status in (None, "Disabled"):
            return "not_enrolled"
        if self.status != "Enabled":
            words = {"Enabling": "enrolling", "Disabling": "disenrolling", "Failed": "failed"}
            return words.get(str(self.status), "unknown")
        if self.switch is None:
            return "half_enrolled"
        return "enrolled" if self.switch else "paused"

    @property
    def is_final(self) -> bool:
        """Whether Azure is done with the last change of the enrollment."""
        return self.status not in _MOVING

    def as_dict(self) -> dict[str, Any]:
        """For a task's result."""
        return {
            "state": self.state,
            "subscription_status": self.status,
            "opted_out": None if self.switch is None else not self.switch,
            "hotpatch_status": self.switch_status,
            "agent_status": self.agent,
            **{name: self.dates.get(name) for name in _DATES},
            "status_error": self.error,
        }

    def short(self) -> dict[str, Any]:
        """What decides whether something has changed, and the two sides of a diff."""
        return {
            "enrolled": self.status in ("Enabled", "Enabling"),
            "opted_out": None if self.switch is None else not self.switch,
        }


@dataclass(frozen=True)
class Change:
    """One request.

    :ivar kind: ``create_profile``, ``update_profile`` or ``update_machine``.
    :ivar doing: for messages, without the machine's name.
    """

    kind: str
    body: dict[str, Any]
    doing: str


@dataclass(frozen=True)
class Plan:
    """What to send, in this order.

    :ivar settle_first: another change is under way that must come to its end before.
    :ivar notes: what a person should know, one sentence each.
    """

    changes: tuple[Change, ...] = ()
    settle_first: bool = False
    notes: tuple[str, ...] = ()


def read_enrollment(profile: Mapping[str, Any] | None, machine: Mapping[str, Any]) -> Enrollment:
    """Make sense of a licence profile (None: there is none) and its machine."""
    product = _inner(profile or {}, "properties", "productProfile")
    features = product.get("productFeatures")
    feature = next(
        (
            item
            for item in (features if isinstance(features, list) else ())
            if isinstance(item, Mapping) and str(item.get("name", "")).lower() in _NAMES
        ),
        None,
    )
    settings = _inner(machine, "properties", "osProfile", "windowsConfiguration", "patchSettings")
    status = _inner(settings, "status")
    switch = settings.get("enableHotpatching")
    found: Mapping[str, Any] = feature or {}
    return Enrollment(
        status=_text(found.get("subscriptionStatus")) or ("Unknown" if feature is not None else None),
        feature=_text(found.get("name")) or FEATURE,
        has_profile=profile is not None,
        product_type=_text(product.get("productType")),
        switch=switch if isinstance(switch, bool) else None,
        switch_status=_text(status.get("hotpatchEnablementStatus")),
        agent=_text(_inner(machine, "properties").get("status")),
        dates={name: _text(found.get(key)) for name, key in _DATES.items()},
        error=_error(found.get("error")) or _error(status.get("error")),
    )


def plan_enrollment(now: Enrollment, wanted: str, opted_out: bool | None, location: str) -> Plan:
    """What must be sent so that the machine is ``present`` or ``absent``, and paused or not.

    :param opted_out: None leaves a pause that somebody has set; whoever is newly enrolled gets hotpatches.
    :param location: the machine's own; a new profile must name it.
    :raises Refused: the profile is for another product.
    """
    if wanted == "absent":
        return _leave(now)
    if now.product_type not in (None, PRODUCT):
        raise Refused(
            f"The licence profile is for {now.product_type}, and hotpatch enrollment is for {PRODUCT}.",
            hint="This machine is licensed in another way; leave it as it is.",
        )
    if now.status == "Disabling":
        return Plan(settle_first=True, notes=("It is being disenrolled; enrolling must wait for the end of that.",))
    changes: list[Change] = []
    notes: list[str] = []
    is_new = now.status not in ("Enabled", "Enabling")
    if is_new:
        changes.append(_enable(now, location))
    if opted_out is not None:
        if now.switch is not (not opted_out):
            changes.append(switch_change(not opted_out))
    elif now.switch is None or (is_new and not now.switch):
        # Newly enrolled, or an enrollment that was broken off between the two.
        changes.append(switch_change(True))
    elif not now.switch:
        notes.append("Its hotpatches are paused; set opted_out to false to resume them.")
    return Plan(tuple(changes), notes=tuple(notes))


def _enable(now: Enrollment, location: str) -> Change:
    if not now.has_profile:
        body = {"location": location, "properties": {"productProfile": _product(FEATURE, "Enabled")}}
        return Change("create_profile", body, "enrolling")
    body = {"properties": {"productProfile": _product(now.feature, "Enable")}}
    return Change("update_profile", body, "enrolling")


def _leave(now: Enrollment) -> Plan:
    if now.status in (None, "Disabled", "Disabling"):
        return Plan()
    if now.status == "Enabling":
        return Plan(settle_first=True, notes=("It is being enrolled; disenrolling must wait for the end of that.",))
    body = {"properties": {"productProfile": _product(now.feature, "Disable")}}
    return Plan((Change("update_profile", body, "disenrolling"),))


def switch_change(on: bool) -> Change:
    """The machine's own switch."""
    settings = {"enableHotpatching": on}
    body = {"properties": {"osProfile": {"windowsConfiguration": {"patchSettings": settings}}}}
    return Change("update_machine", body, "resuming hotpatches" if on else "pausing hotpatches")


def after(now: Enrollment, changes: tuple[Change, ...]) -> Enrollment:
    """How the machine would stand with these requests carried out; for check mode."""
    status, switch = now.status, now.switch
    for change in changes:
        if change.kind == "update_machine":
            switch = bool(
                _inner(change.body, "properties", "osProfile", "windowsConfiguration", "patchSettings")[
                    "enableHotpatching"
                ]
            )
        else:
            status = "Enabling" if change.doing == "enrolling" else "Disabling"
    return Enrollment(
        status=status, feature=now.feature, has_profile=True, product_type=now.product_type, switch=switch,
        switch_status=now.switch_status, agent=now.agent, dates=now.dates, error=now.error,
    )  # fmt: skip


def reenrollment_rule(next_baseline: date | None) -> str:
    """What leaving means, said when somebody leaves."""
    when = f", expected on {day_in_words(next_baseline)}" if next_baseline is not None else ""
    return (
        "Without enrollment the server gets the ordinary updates, which take it off the hotpatch track. Enrolling "
        f"again is accepted at any time; hotpatches then flow from the next baseline on{when}. To pause them for a "
        "while, use opted_out instead."
    )


def _product(feature: str, word: str) -> dict[str, Any]:
    return {"productType": PRODUCT, "productFeatures": [{"name": feature, "subscriptionStatus": word}]}


def _inner(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) and value else None


def _error(value: Any) -> str | None:
    if not isinstance(value, Mapping) or not (value.get("code") or value.get("message")):
        return None
    return ": ".join(str(part)[:300] for part in (value.get("code"), value.get("message")) if part)

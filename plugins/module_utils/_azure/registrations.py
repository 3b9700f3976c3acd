# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What a subscription is registered for: resource providers, and preview features of them.

Nothing here is called by any other noun: whoever meets a subscription that is not registered says so and stops. The
versions are those that Microsoft's instructions for the hotpatch preview of 2021 name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    OperationFailed,
    OperationUnfinished,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.many import Job
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import checked_subscription
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, InvalidInput

FEATURE_VERSION, PROVIDER_VERSION = "2015-12-01", "2019-12-01"
REGISTERED, REGISTERING = "Registered", "Registering"
#: From these nothing moves by itself: somebody must approve it, or take it up again.
_STUCK = {"Pending": "Microsoft must approve it", "Unregistering": "it is being taken back"}
_NAMESPACE = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)+")
_FEATURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Registration:
    """One thing that a subscription can be registered for.

    :ivar path: its address; ``/register`` below it registers.
    :ivar name: for people.
    """

    path: str
    name: str
    version: str
    kind: str

    def state_in(self, document: Any) -> str:
        """Azure's word for how it stands.

        :raises BadAnswer: the answer does not say it.
        """
        found: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
        if self.kind == "preview feature":
            inner = found.get("properties")
            found = inner if isinstance(inner, Mapping) else {}
        state = found.get("state" if self.kind == "preview feature" else "registrationState")
        if not isinstance(state, str) or not state:
            raise BadAnswer(f"{self.name}: Azure's answer does not say how the {self.kind} stands.")
        # Microsoft's examples write registered as well as Registered.
        return state[0].upper() + state[1:60]


def feature(subscription: str | None, namespace: str, name: str) -> Registration:
    """:raises InvalidInput: a name is none."""
    base = _base(subscription, namespace)
    if not _FEATURE.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name of a preview feature.")
    path = f"{base}/Microsoft.Features/providers/{namespace}/features/{name}"
    return Registration(path, f"{namespace}/{name}", FEATURE_VERSION, "preview feature")


def provider(subscription: str | None, namespace: str) -> Registration:
    """:raises InvalidInput: a name is none."""
    return Registration(
        f"{_base(subscription, namespace)}/{namespace}", namespace, PROVIDER_VERSION, "resource provider"
    )


def _base(subscription: str | None, namespace: str) -> str:
    if not subscription:
        raise InvalidInput("subscription_id must be given: a registration is one of a subscription.")
    if not _NAMESPACE.fullmatch(namespace):
        raise InvalidInput(f"{namespace!r} is no namespace of a resource provider, such as Microsoft.Compute.")
    return f"/subscriptions/{checked_subscription(subscription)}/providers"


@dataclass
class Row:
    """What became of one registration."""

    registration: Registration
    before: str | None = None
    now: str | None = None
    sent: bool = False

    @property
    def changed(self) -> bool:
        return self.sent or (self.before != self.now and _on(self.before) != _on(self.now))


def _on(state: str | None) -> bool:
    return state in (REGISTERED, REGISTERING)


@dataclass(frozen=True)
class Wanted:
    """``register`` false only reads; ``again`` registers although it is registered."""

    register: bool
    again: bool
    wait_seconds: float | None
    poll_seconds: float
    check_mode: bool


def working(arm: Arm, row: Row, wanted: Wanted) -> Job:
    """Read, register where needed, wait.

    :raises HotpatchError: it is not registered in the end; ``row`` says how it stands.
    """
    row.before = row.now = _read(arm, row.registration)
    if not wanted.register or (row.now == REGISTERED and not wanted.again):
        return
    if row.now in _STUCK:
        raise _stuck(row)
    if row.now != REGISTERING:
        if wanted.check_mode:
            row.sent = True
            row.now = REGISTERED if row.now == REGISTERED else REGISTERING
            return
        try:
            doing = f"registering the {row.registration.kind} {row.registration.name}"
            answer = arm.send(
                "POST", f"{row.registration.path}/register", doing=doing, api_version=row.registration.version
            )
            row.sent = True
            row.now = row.registration.state_in(answer.document)
        except WriteOutcomeUnknown:
            # Registering twice does no harm, but whether it was done is read, not guessed.
            row.now = _read(arm, row.registration)
            if not _on(row.now):
                raise
            row.sent = True
    if wanted.check_mode or wanted.wait_seconds is None:
        return
    yield from _registered(arm, row, wanted)


def _registered(arm: Arm, row: Row, wanted: Wanted) -> Job:
    deadline = arm.monotonic() + float(wanted.wait_seconds or 0)
    while row.now != REGISTERED:
        if row.now != REGISTERING:
            raise _stuck(row)
        if arm.monotonic() + wanted.poll_seconds > deadline:
            raise OperationUnfinished(
                f"{row.registration.name}: still {row.now} after {wanted.wait_seconds:g} seconds; Azure goes on.",
                hint="Run this again later: what is under way is not sent again.",
            )
        yield wanted.poll_seconds
        row.now = _read(arm, row.registration)


def _stuck(row: Row) -> OperationFailed:
    why = _STUCK.get(str(row.now), "Azure does not go on with it")
    return OperationFailed(
        f"{row.registration.name}: the {row.registration.kind} is {row.now}: {why}.",
        hint="See it in the portal under the subscription; then run this again.",
    )


def _read(arm: Arm, registration: Registration) -> str:
    doing = f"reading the {registration.kind} {registration.name}"
    answer = arm.send("GET", registration.path, doing=doing, api_version=registration.version)
    return registration.state_in(answer.document)

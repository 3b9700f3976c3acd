# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Names of resources: an ARM resource id taken apart, and put together from what a person gave."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput

ARC_MACHINE = "Microsoft.HybridCompute/machines"
VIRTUAL_MACHINE = "Microsoft.Compute/virtualMachines"

_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/(?P<kind>[^/]+/[^/]+)/(?P<name>[^/]+)/?",
    re.IGNORECASE,
)
_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# ARM's own rules for the characters; what they leave out could change the meaning of an address.
_GROUP = re.compile(r"[\w().-]{1,90}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True)
class ResourceId:
    """A resource in a resource group."""

    subscription: str
    group: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers/{self.kind}/{self.name}"

    @property
    def key(self) -> str:
        """For comparing: ARM does not tell case apart."""
        return str(self).lower()


def resource_of(text: str, kinds: Iterable[str], *, subscription: str | None, group: str | None) -> ResourceId:
    """The resource that a person means by an id, or by a name in a resource group.

    :param kinds: which kinds are taken; a bare name is of the first.
    :raises InvalidInput: it cannot be told which resource is meant.
    """
    allowed = tuple(kinds)
    if text.startswith("/"):
        found = _ID.fullmatch(text)
        kind = next((kind for kind in allowed if found and kind.lower() == found["kind"].lower()), None)
        if found is None or kind is None:
            raise InvalidInput(f"{text!r} is no resource id of {' or '.join(allowed)}.")
        return checked(ResourceId(found["subscription"], found["group"], kind, found["name"]))
    missing = [name for name, value in (("subscription_id", subscription), ("resource_group", group)) if not value]
    if missing:
        raise InvalidInput(
            f"{text!r} is a name: {' and '.join(missing)} must be given as well.",
            hint="Give them, or the whole resource id, which begins with /subscriptions/.",
        )
    return checked(ResourceId(str(subscription), str(group), allowed[0], text))


def checked(resource: ResourceId) -> ResourceId:
    """The resource, if its parts are what ARM takes.

    :raises InvalidInput: one of them is not; such a text in an address could name something else.
    """
    checked_subscription(resource.subscription)
    if not _GROUP.fullmatch(resource.group) or resource.group.endswith("."):
        raise InvalidInput(f"resource_group: {resource.group!r} is no name of a resource group.")
    if not _NAME.fullmatch(resource.name) or set(resource.name) == {"."}:
        raise InvalidInput(f"{resource.name!r} is no name of a machine.")
    return resource


def checked_subscription(text: str) -> str:
    """The id of a subscription.

    :raises InvalidInput: it is none.
    """
    if not _SUBSCRIPTION.fullmatch(text):
        raise InvalidInput(f"subscription_id: {text!r} is no subscription id (a GUID).")
    return text

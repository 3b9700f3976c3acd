# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which request is which operation: method and path, the action it needs, the API versions it is known in.

A further operation is a row of a ``ROUTES`` of its own file, and that file's name here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    ArmAnswer,
    ArmRefusal,
    ArmRequest,
)

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure

SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = SUBSCRIPTION + "/resourceGroups/{group}"

Handler = Callable[["Azure", ArmRequest], ArmAnswer]


@dataclass(frozen=True)
class Route:
    """One operation.

    :ivar template: the path; ``{name}`` is a part that varies.
    :ivar action: the permission it needs, as role definitions name it.
    :ivar versions: the API versions that know it.
    :ivar changes: whether it is a write for the record (a POST may read only).
    :ivar own_quota: it counts its requests itself, beside ARM's buckets.
    """

    method: str
    template: str
    action: str
    versions: Sequence[str]
    handler: Handler = field(compare=False)
    changes: bool | None = None
    own_quota: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        names = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        return re.compile(names + "/?", re.IGNORECASE)

    @property
    def is_write(self) -> bool:
        return self.method not in ("GET", "HEAD") if self.changes is None else self.changes

    @property
    def resource_type(self) -> str:
        """For the sentence about an unknown version."""
        return self.action.rsplit("/", 1)[0]


class RouteTable:
    """All operations."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = [(route, route.pattern) for route in routes]

    def operation(self, request: ArmRequest) -> Route | None:
        """The operation of a method and a path, in whatever API version."""
        return next(
            (
                route
                for route, pattern in self._routes
                if route.method == request.method and pattern.fullmatch(request.path)
            ),
            None,
        )

    def find(self, request: ArmRequest) -> tuple[Route, dict[str, str]]:
        """The operation a request asks for, and what varies in its path.

        :raises ArmRefusal: there is none, or not in this API version.
        """
        allowed: list[tuple[Route, Any]] = []
        for route, pattern in self._routes:
            found = pattern.fullmatch(request.path)
            if found is not None:
                allowed.append((route, found))
        if not allowed:
            raise ArmRefusal(404, "NotFound", f"The lab's Azure has nothing at '{request.path}'.")
        if not request.api_version:
            raise ArmRefusal(
                400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required."
            )
        for route, found in allowed:
            if route.method == request.method:
                if request.api_version.lower() not in route.versions:
                    raise ArmRefusal(
                        400,
                        "InvalidResourceType",
                        f"The resource type '{route.resource_type}' could not be found for api version "
                        f"'{request.api_version}'. The supported api-versions are '{','.join(route.versions)}'.",
                    )
                return route, found.groupdict()
        raise ArmRefusal(405, "MethodNotAllowed", f"'{request.method}' is not supported at '{request.path}'.")

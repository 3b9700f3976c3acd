# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to ARM and its answer, and ARM's way to say no.

The shape of errors: Microsoft's common types, ErrorResponse; codes and sentences: learn.microsoft.com, "Resolve common
errors", and public traces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

CONTENT_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True)
class ArmRequest:
    """A request as it arrived. ``origin`` is the address it was sent to, for the addresses that answers name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    origin: str
    #: What the route's template found in the path.
    names: Mapping[str, str] = field(default_factory=dict)
    #: Who asks, once that is known.
    principal: str = ""

    @property
    def api_version(self) -> str:
        return self.query.get("api-version", "")


@dataclass(frozen=True)
class ArmAnswer:
    """An answer. ``lost`` cuts the connection instead of sending it; ``delay`` holds it back (wall clock seconds)."""

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False
    delay: float = 0.0

    def also(self, **headers: str) -> ArmAnswer:
        """With further headers; an underscore stands for a hyphen."""
        return replace(self, headers={**self.headers, **{key.replace("_", "-"): text for key, text in headers.items()}})


class ArmRefusal(Exception):
    """ARM, or the provider behind it, refuses: becomes the answer."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.answer = ArmAnswer(status, {"error": {"code": code, "message": message}}).also(**headers)


def resource_not_found(kind: str, name: str, group: str) -> ArmRefusal:
    return ArmRefusal(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long-running operations: accepted now, over later, and told in both of ARM's ways.

``Azure-AsyncOperation`` names a status document, ``Location`` answers 202 until it answers with the result. Source:
learn.microsoft.com, "Track asynchronous Azure operations"; the headers of each operation are the specification's.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    ArmAnswer,
    ArmRefusal,
    ArmRequest,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.throttle import retry_headers
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Timeline

#: Microsoft's own examples of the licence profile ask to wait so long.
RETRY_SECONDS = 200.0


@dataclass
class Operation:
    """One operation: ``outcome`` tells how it stands (None while it runs, else Succeeded, Failed or Canceled).

    :ivar result: what ``Location`` answers at the end.
    :ivar error: what a failed one says.
    """

    identifier: str
    location: str
    started: datetime
    outcome: Callable[[], str | None]
    result: Callable[[], Any]
    error: Callable[[], dict[str, str]]
    retry_seconds: float


class Operations:
    """All that were accepted."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._known: dict[str, Operation] = {}

    def begin(
        self,
        location: str,
        outcome: Callable[[], str | None],
        result: Callable[[], Any] = lambda: None,
        error: Callable[[], dict[str, str]] = lambda: {"code": "OperationFailed", "message": "It failed."},
        retry_seconds: float = RETRY_SECONDS,
    ) -> Operation:
        """Accept an operation."""
        operation = Operation(str(uuid.uuid4()), location, self._timeline.now(), outcome, result, error, retry_seconds)
        self._known[operation.identifier] = operation
        return operation

    def after(self, seconds: float) -> Callable[[], str | None]:
        """The outcome of an operation that succeeds after a time that would be this long in Azure."""
        over = self._timeline.seconds() + seconds / self._timeline.scale
        return lambda: "Succeeded" if self._timeline.seconds() >= over else None

    def headers(
        self, operation: Operation, request: ArmRequest, provider: str, *, status: bool = True
    ) -> dict[str, str]:
        """What the accepting answer names: with ``status`` both ways, else only ``Location``."""
        subscription = request.names.get("subscription", "")
        at = f"{request.origin}/subscriptions/{subscription}/providers/{provider}/locations/{operation.location}"
        query = f"?api-version={request.api_version}"
        return {
            "Location": f"{at}/operationResults/{operation.identifier}{query}",
            **self._retry(operation),
            **({"Azure-AsyncOperation": f"{at}/operationStatus/{operation.identifier}{query}"} if status else {}),
        }

    def forget_all(self) -> None:
        """Azure loses track of what it has accepted."""
        self._known.clear()

    def answer_status(self, request: ArmRequest) -> ArmAnswer:
        """Azure-AsyncOperation."""
        operation = self._find(request)
        outcome = operation.outcome()
        document: dict[str, Any] = {
            "id": request.path,
            "name": operation.identifier,
            "status": outcome or "InProgress",
            "startTime": operation.started.isoformat(),
        }
        if outcome in ("Failed", "Canceled"):
            document["error"] = operation.error()
        if outcome is None:
            return ArmAnswer(200, document, self._retry(operation))
        return ArmAnswer(200, document)

    def answer_result(self, request: ArmRequest) -> ArmAnswer:
        """Location."""
        operation = self._find(request)
        outcome = operation.outcome()
        if outcome is None:
            headers = {"Location": f"{request.origin}{request.path}?api-version={request.api_version}"}
            return ArmAnswer(202, None, {**headers, **self._retry(operation)})
        if outcome == "Succeeded":
            return ArmAnswer(200, operation.result())
        error = operation.error()
        raise ArmRefusal(400, error["code"], error["message"])

    def _retry(self, operation: Operation) -> dict[str, str]:
        return retry_headers(operation.retry_seconds / self._timeline.scale, self._timeline)

    def _find(self, request: ArmRequest) -> Operation:
        found = self._known.get(request.names["operation"])
        if found is None:
            raise ArmRefusal(404, "NotFound", f"The operation '{request.names['operation']}' was not found.")
        return found

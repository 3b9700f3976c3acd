# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Long-running operations: both ways of ARM to tell how one stands, followed to the end, from any later call too.

``Azure-AsyncOperation`` names an address whose document has a ``status``; ``Location`` names one that answers 202 until
it answers with the result. An operation goes on in Azure whoever looks: where it is followed no longer, its address is
kept, and :func:`follow` takes it up again.

A wait is a generator: it yields the seconds until the next look, and whoever runs it sleeps or does other work.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_answer import Answer
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    NotFound,
    OperationFailed,
    OperationUnfinished,
    arm_code_and_words,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patience import retry_after
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, InvalidInput

STATUS = "azure-asyncoperation"
LOCATION = "location"
_DEFAULT_SECONDS = 15.0
#: An answer that says "at once" (Retry-After: 0) is not taken for leave to ask without a pause.
_SHORTEST_SECONDS = 1.0
_LONGEST_SECONDS = 300.0
_GOOD = ("succeeded",)
_BAD = ("failed", "canceled", "cancelled")

Waiting = Generator[float, None, Any]


@dataclass(frozen=True)
class Operation:
    """An operation that Azure has accepted: the way it tells, and where.

    :ivar first_look: seconds that Azure asks to wait before the first look.
    """

    via: str
    address: str
    first_look: float | None = None

    def as_dict(self) -> dict[str, str]:
        """For a task's result; :meth:`of` takes it again."""
        return {"via": self.via, "address": self.address}

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Operation:
        """The operation that an earlier task's result holds.

        :raises InvalidInput: it is none.
        """
        via, address = given.get("via"), given.get("address")
        if via not in (STATUS, LOCATION) or not isinstance(address, str) or "://" not in address:
            raise InvalidInput(f"An operation has via ({STATUS} or {LOCATION}) and address, as a result shows them.")
        return cls(str(via), address)


class PollAddressLost(NotFound):
    """Azure knows the operation no longer; the resource itself tells what became of it."""

    default_code = "azure_operation_lost"


def operation_of(answer: Answer, *, with_result: bool = False) -> Operation | None:
    """The operation behind an answer; None when the answer is the end already.

    :param with_result: whether the end carries a result, as a POST's does: where Azure names both ways, ``Location`` is
        the one that answers with it.
    """
    if answer.status not in (200, 201, 202):
        return None
    first = retry_after(answer.headers)
    status = answer.headers.get("Azure-AsyncOperation")
    location = answer.headers.get("Location") if answer.status in (201, 202) else None
    if status and not (location and with_result):
        return Operation(STATUS, status, first)
    if location:
        return Operation(LOCATION, location, first)
    return None


def follow(
    arm: Arm, operation: Operation, *, doing: str, deadline: float | None = None, interval: float | None = None
) -> Waiting:
    """Follow an operation; the value of the generator is the last document.

    :param interval: seconds between two looks; None lets Azure say.
    :raises OperationFailed: it ended badly.
    :raises OperationUnfinished: it did not end before the deadline; ``details`` has the operation.
    :raises PollAddressLost: nothing more is known of it.
    """
    wait = operation.first_look
    while True:
        pause = interval if interval is not None else _pause(wait)
        if deadline is not None and arm.monotonic() + pause > deadline:
            error = OperationUnfinished(
                f"{doing}: accepted, and not at its end in the time given; Azure goes on with it.",
                hint="Run it again later, or raise the timeout: what is under way is followed, not started again.",
            )
            error.details["operation"] = operation.as_dict()
            raise error
        yield pause
        try:
            answer = arm.send("GET", operation.address, doing=doing, deadline=deadline)
        except NotFound as error:
            raise PollAddressLost(
                f"{doing}: Azure accepted it, and knows nothing more of the operation.",
                hint="The resource is read to see what became of it.",
                status=error.status,
            ) from None
        if _is_over(operation, answer, doing):
            return answer.document
        wait = retry_after(answer.headers)
        if operation.via == LOCATION:  # such an answer may name the address of the next look
            operation = replace(operation, address=answer.headers.get("Location") or operation.address)


def _pause(asked: float | None) -> float:
    return _DEFAULT_SECONDS if asked is None else min(max(asked, _SHORTEST_SECONDS), _LONGEST_SECONDS)


def _is_over(operation: Operation, answer: Answer, doing: str) -> bool:
    if operation.via == LOCATION:
        return answer.status != 202
    status = answer.document.get("status") if isinstance(answer.document, Mapping) else None
    if not isinstance(status, str):
        raise BadAnswer(f"{doing}: the operation's answer has no status.")
    if status.lower() in _BAD:
        code, words = arm_code_and_words(answer.document)
        raise OperationFailed(
            f"{doing}: the operation ended as {status}{f' ({code})' if code else ''}.{f' {words}' if words else ''}",
            code=code or None,
        )
    return status.lower() in _GOOD

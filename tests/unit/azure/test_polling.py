# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both of ARM's ways to tell how an operation stands."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_answer import Answer
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    OperationFailed,
    OperationUnfinished,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.polling import (
    LOCATION,
    STATUS,
    Operation,
    PollAddressLost,
    follow,
    operation_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, InvalidInput
from tests.unit.azure.fake_arm import ADDRESS, FakeArm, FakeResponse, error

WHERE = f"{ADDRESS}/operations/1"
BOTH = {"Azure-AsyncOperation": WHERE, "Location": f"{ADDRESS}/results/1", "Retry-After": "200"}


def followed(fake: FakeArm, operation: Operation, **options: Any) -> tuple[Any, list[float]]:
    waits = []
    waiting = follow(fake.arm, operation, doing="enrolling", **options)
    try:
        while True:
            waits.append(next(waiting))
            fake.now += waits[-1]
    except StopIteration as stop:
        return stop.value, waits


def test_which_way_an_answer_names() -> None:
    assert operation_of(Answer(201, {}, BOTH)) == Operation(STATUS, WHERE, 200.0)
    assert operation_of(Answer(202, None, {"Location": WHERE})) == Operation(LOCATION, WHERE, None)
    assert operation_of(Answer(200, {}, {"Location": WHERE})) is None
    assert operation_of(Answer(200, {}, {})) is None


def test_a_status_document_until_its_end() -> None:
    fake = FakeArm(
        FakeResponse(200, {"status": "InProgress"}, {"Retry-After": "30"}),
        FakeResponse(200, {"status": "Updating"}),
        FakeResponse(200, {"status": "Succeeded", "properties": {"x": 1}}),
    )
    document, waits = followed(fake, Operation(STATUS, WHERE, 200.0))
    assert document["properties"] == {"x": 1}
    assert waits == [200.0, 30.0, 15.0]


def test_a_location_until_it_answers_something_else_than_202() -> None:
    fake = FakeArm(FakeResponse(202, None, {"Retry-After": "10"}), FakeResponse(200, {"rebootPending": False}))
    assert followed(fake, Operation(LOCATION, WHERE)) == ({"rebootPending": False}, [15.0, 10.0])


def test_a_location_that_moves() -> None:
    moved = f"{ADDRESS}/results/2"
    fake = FakeArm(FakeResponse(202, None, {"Location": moved}), FakeResponse(202, None), FakeResponse(200, {}))
    followed(fake, Operation(LOCATION, WHERE))
    assert [request.url for request in fake.seen] == [WHERE, moved, moved]


def test_at_once_is_no_leave_to_ask_without_a_pause() -> None:
    fake = FakeArm(FakeResponse(202, None, {"Retry-After": "0"}), FakeResponse(200, {}))
    assert followed(fake, Operation(LOCATION, WHERE, 0.0))[1] == [1.0, 1.0]


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
def test_an_operation_that_ends_badly(status: str) -> None:
    document = {"status": status, "error": {"code": "OperatingSystemNotSupported", "message": "Not this one."}}
    with pytest.raises(OperationFailed, match="Not this one") as caught:
        followed(FakeArm(FakeResponse(200, document)), Operation(STATUS, WHERE))
    assert caught.value.code == "OperatingSystemNotSupported"


def test_the_deadline_leaves_the_address() -> None:
    fake = FakeArm(FakeResponse(200, {"status": "InProgress"}))
    with pytest.raises(OperationUnfinished) as caught:
        followed(fake, Operation(STATUS, WHERE), deadline=fake.now + 20)
    assert Operation.of(caught.value.details["operation"]) == Operation(STATUS, WHERE)
    assert caught.value.retryable


def test_an_address_that_is_lost() -> None:
    with pytest.raises(PollAddressLost):
        followed(FakeArm(error(404, "NotFound")), Operation(STATUS, WHERE))


def test_an_answer_without_a_status() -> None:
    with pytest.raises(BadAnswer):
        followed(FakeArm(FakeResponse(200, {})), Operation(STATUS, WHERE))


@pytest.mark.parametrize("given", [{}, {"via": "magic", "address": WHERE}, {"via": STATUS, "address": "x"}])
def test_what_is_no_operation(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Operation.of(given)

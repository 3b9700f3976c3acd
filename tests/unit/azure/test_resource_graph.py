# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of Resource Graph, and its quota as its headers tell it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import resource_graph
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer
from tests.unit.azure.fake_arm import FakeArm, FakeResponse


def page(*names: str, token: str | None = None, **more: Any) -> dict[str, Any]:
    following = {"$skipToken": token} if token else {}
    return {"data": [{"name": name} for name in names], "resultTruncated": "false", **following, **more}


def asked(fake: FakeArm) -> list[str]:
    return [row["name"] for row in resource_graph.rows(fake.arm, "resources", ["s"], doing="reading")]


def test_all_pages_are_read() -> None:
    fake = FakeArm(FakeResponse(200, page("a", token="t1")), FakeResponse(200, page("b")))
    assert asked(fake) == ["a", "b"]


@pytest.mark.parametrize(
    "answers",
    [
        [{"data": {"columns": [], "rows": []}}],
        [{}],
        [{"data": ["text"]}],
        [page("a", resultTruncated="true")],
        [page("a", token="t"), page("b", token="t")],
        [page(token="t")],
    ],
)
def test_an_answer_that_is_none_is_an_error_and_no_short_list(answers: list[dict[str, Any]]) -> None:
    with pytest.raises(BadAnswer):
        asked(FakeArm(*(FakeResponse(200, answer) for answer in answers)))


def test_a_used_up_quota_is_waited_for_before_the_next_page() -> None:
    left = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:05"}
    fake = FakeArm(FakeResponse(200, page("a", token="t"), left), FakeResponse(200, page("b")))
    assert asked(fake) == ["a", "b"]
    assert 5 <= sum(fake.slept) < 6


def test_a_refusal_without_retry_after_waits_for_the_quota() -> None:
    told = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:03"}
    fake = FakeArm(FakeResponse(429, {"error": {"code": "RateLimiting"}}, told), FakeResponse(200, page("a")))
    assert asked(fake) == ["a"]
    assert 3 <= sum(fake.slept) < 4

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is repeated and what never is, how long is waited, and whom the token is shown to."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    ArmError,
    ArmUnavailable,
    Conflict,
    LoginFailed,
    NotAllowed,
    NotFound,
    ProviderNotRegistered,
    Throttled,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer
from tests.unit.azure.fake_arm import ADDRESS, FakeArm, FakeResponse, error

OK = FakeResponse(200, {"name": "m"})
WRITES = ("PUT", "PATCH", "POST", "DELETE")


@pytest.mark.parametrize("method", ["GET", *WRITES])
def test_429_is_repeated_after_the_time_that_is_named(method: str) -> None:
    fake = FakeArm(error(429, "SubscriptionRequestsThrottled", Retry_After="17"), OK)
    assert fake.send(method).document == {"name": "m"}
    assert sum(fake.slept) == pytest.approx(17, abs=0.2)
    assert fake.arm.traffic == {"requests": 2, "throttled": 1, "repeated": 1}


def test_429_with_a_date_with_milliseconds_and_with_nothing() -> None:
    fake = FakeArm(
        error(429, "x", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        error(429, "x", Retry_After="99", x_ms_retry_after_ms="250"),
        error(429, "x"),
        OK,
    )
    fake.send()
    assert sum(fake.slept) == pytest.approx(0.25 + 4, abs=0.3)


def test_429_beyond_the_deadline_is_said() -> None:
    fake = FakeArm(error(429, "x", Retry_After="600"))
    with pytest.raises(Throttled) as caught:
        fake.send(deadline=fake.now + 60)
    assert caught.value.retryable
    assert fake.slept == []


@pytest.mark.parametrize("answer", [error(503, "ServerTimeout"), ServiceResponseError("cut")], ids=["503", "lost"])
def test_a_read_is_repeated(answer: Any) -> None:
    fake = FakeArm(answer, answer, OK)
    assert fake.send().status == 200
    assert len(fake.seen) == 3


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize(
    "answer",
    [error(503, "ServerTimeout"), error(500, "InternalServerError"), ServiceResponseError("cut")],
    ids=["503", "500", "lost"],
)
def test_a_write_that_may_have_been_carried_out_is_not(method: str, answer: Any) -> None:
    fake = FakeArm(answer)
    with pytest.raises(WriteOutcomeUnknown, match="not known whether it was carried out"):
        fake.send(method, body={})
    assert len(fake.seen) == 1


def test_a_post_that_only_reads_is_repeated() -> None:
    fake = FakeArm(error(503, "ServerTimeout"), OK)
    assert fake.send("POST", reads_only=True, bucket="graph", body={}).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_a_connection_that_was_never_made_is_tried_again(method: str) -> None:
    fake = FakeArm(ServiceRequestError("refused"), OK)
    assert fake.send(method).status == 200


def test_it_gives_up_in_the_end() -> None:
    fake = FakeArm(*[ServiceRequestError("refused")] * 9)
    with pytest.raises(ArmUnavailable, match=r"management\.azure\.com cannot be reached"):
        fake.send()
    assert len(fake.seen) == 5


def test_a_refused_token_is_renewed_once() -> None:
    fake = FakeArm(error(401, "ExpiredAuthenticationToken"), OK)
    assert fake.send("PUT").status == 200
    assert fake.authorizations == ["Bearer token-1", "Bearer token-2"]
    fake = FakeArm(error(401, "InvalidAuthenticationToken"), error(401, "InvalidAuthenticationToken"))
    with pytest.raises(LoginFailed, match="service principal app"):
        fake.send()
    assert len(fake.seen) == 2


def test_claims_that_azure_asks_for_are_handed_on() -> None:
    claims = b64encode(b'{"access_token":{}}').decode()
    fake = FakeArm(error(401, "x", WWW_Authenticate=f'Bearer error="insufficient_claims", claims="{claims}"'), OK)
    fake.send()
    assert fake.tokens._credential.claims == ['{"access_token":{}}']


def test_a_token_is_used_until_shortly_before_its_end() -> None:
    fake = FakeArm(OK, OK, OK, lifetime=600)
    fake.send()
    fake.now += 300
    fake.send()
    fake.tokens._credential = None
    fake.now += 200
    fake.send()
    assert fake.authorizations == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (error(404, "ResourceNotFound"), NotFound, "it does not exist"),
        (error(409, "Conflict", "Another operation runs."), Conflict, "Another operation runs"),
        (error(409, "ScopeLocked"), Conflict, "ScopeLocked"),
        (error(400, "InvalidParameter", "Bad word."), ArmError, "Bad word"),
        (FakeResponse(400, b"<html>"), ArmError, "HTTP 400"),
        (FakeResponse(301), BadAnswer, "HTTP 301"),
    ],
)
def test_errors_in_words(answer: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        FakeArm(answer).send()


def test_a_missing_permission_is_named_with_a_role_that_has_it() -> None:
    message = (
        "The client 'x' with object id 'y' does not have authorization to perform action "
        "'Microsoft.HybridCompute/machines/licenseProfiles/write' over scope '/subscriptions/s/resourceGroups/g' or "
        "the scope is invalid."
    )
    with pytest.raises(NotAllowed, match="licenseProfiles/write") as caught:
        FakeArm(error(403, "AuthorizationFailed", message)).send("PUT")
    assert "Azure Connected Machine Resource Administrator" in str(caught.value.hint)
    assert "on /subscriptions/s/resourceGroups/g" in str(caught.value.hint)


def test_a_provider_that_is_not_registered_stays_so() -> None:
    message = "The subscription is not registered to use namespace 'Microsoft.HybridCompute'."
    fake = FakeArm(error(409, "MissingSubscriptionRegistration", message))
    with pytest.raises(ProviderNotRegistered) as caught:
        fake.send()
    assert "az provider register --namespace Microsoft.HybridCompute" in str(caught.value.hint)
    assert len(fake.seen) == 1


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example.com/x",
        "http://management.azure.com/x",
        "https://management.azure.com:444/x",
        "https://xmanagement.azure.com/",
        "https://management.azure.com.evil.example/",
        "https://evil.example.com\\@management.azure.com/x",
        "https://evil.example.com@management.azure.com/x",
        "https://management.azure.com:443x/",
        "https://management.azure.com:99999/",
        "https://[::1/x",
    ],
)
def test_the_token_goes_to_arm_and_nowhere_else(address: str) -> None:
    fake = FakeArm(OK)
    with pytest.raises(BadAnswer, match="not its own"):
        fake.arm.send("GET", address, doing="looking")
    assert fake.seen == []


@pytest.mark.parametrize(
    "address",
    [
        "https://westeurope.management.azure.com/x",
        "https://management.azure.com:443/x?api-version=1&t=a b",
        "HTTPS://Management.Azure.COM/x",
    ],
)
def test_all_spellings_of_arms_own_addresses_are_taken(address: str) -> None:
    assert FakeArm(OK).arm.send("GET", address, doing="looking").status == 200


def test_pages_are_followed_and_must_be_lists() -> None:
    first = FakeResponse(200, {"value": [{"n": 1}], "nextLink": f"{ADDRESS}/next?page=2"})
    fake = FakeArm(first, FakeResponse(200, {"value": [{"n": 2}]}))
    assert [item["n"] for item in fake.arm.pages("/x", doing="listing", api_version="1")] == [1, 2]
    assert [request.url for request in fake.seen] == [f"{ADDRESS}/x?api-version=1", f"{ADDRESS}/next?page=2"]
    with pytest.raises(BadAnswer, match="no list"):
        list(FakeArm(FakeResponse(200, {})).arm.pages("/x", doing="listing", api_version="1"))


def test_every_request_can_be_found_in_the_activity_log() -> None:
    fake = FakeArm(OK, OK)
    fake.send()
    fake.send()
    ids = [request.headers["x-ms-correlation-request-id"] for request in fake.seen]
    assert ids == [fake.arm.correlation_id] * 2
    assert len({request.headers["x-ms-client-request-id"] for request in fake.seen}) == 2


def test_what_others_have_used_is_heeded() -> None:
    fake = FakeArm(FakeResponse(200, {}, {"x-ms-ratelimit-remaining-subscription-reads": "0"}), OK)
    fake.send()
    fake.send()
    assert fake.slept == [pytest.approx(1 / (25 * 0.97), abs=0.01)]

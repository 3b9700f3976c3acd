# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The one policy of our ARM pipeline: it signs, brakes, repeats what may be repeated, and says errors in words.

The SDK's own policies are not used, because they repeat a POST after 503 (a second installation could start), register
resource providers by themselves, and know no rate. Here:

- 429: nothing was done, so any request is repeated after the time ARM names.
- 500, 502, 503, 504, and answers that were lost: a read is repeated. A write may have been carried out: it ends in
  :class:`WriteOutcomeUnknown`, and whoever wrote reads before writing again. An answer that breaks off on its way is
  lost as well, though azure-core takes it for a connection that was never made.
- A connection that was never made: anything is repeated, a few times.
- An answer that is no JSON: to a write it says nothing, so its outcome is unknown; a read ends with it.
- 401: one new token, one repetition.

Every repetition takes a token of the bucket like any other request.
"""

from __future__ import annotations

import random
import re
import threading
import time
import uuid
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ssl import SSLCertVerificationError
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.address import place_of
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_answer import Answer, TooLarge, document_of
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    ArmUnavailable,
    Throttled,
    WriteOutcomeUnknown,
    arm_code_and_words,
    error_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credentials import TokenSource
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.packages import azure
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.token_bucket import Brake, kind_of
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, HotpatchError

_TRIES = 5
#: Without a deadline of the caller's, a request that is throttled again and again ends after so many seconds.
_LONGEST_THROTTLING = 900.0
_UNAVAILABLE = (408, 500, 502, 503, 504)
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE)
_CLAIMS = re.compile(r'claims="([^"]+)"')
_REMAINING = "x-ms-ratelimit-remaining-subscription-"
_HEADERS = {"read": "reads", "write": "writes", "delete": "deletes"}
#: Resource Graph counts for each account, in windows of some seconds, and tells what is left of one and when it ends.
_GRAPH_LEFT, _GRAPH_ENDS = "x-ms-user-quota-remaining", "x-ms-user-quota-resets-after"
_CLOCK = re.compile(r"(\d{1,3}):(\d\d):(\d\d)(\.\d{1,9})?")
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass
class Traffic:
    """What was sent, counted over all threads of a task."""

    requests: int = 0
    throttled: int = 0
    repeated: int = 0

    def as_dict(self) -> dict[str, int]:
        return {"requests": self.requests, "throttled": self.throttled, "repeated": self.repeated}


@dataclass
class _Asked:
    """One request of a caller, over all its repetitions."""

    doing: str
    deadline: float
    method: str
    kind: str
    may_repeat: bool
    url: str
    subscription: str
    tries: int = 0
    renewed: bool = False


class Patience:
    """See the head of the file. It takes from the request's options what is its own, and leaves the rest to azure-core.

    - ``doing``: what is being done, the beginning of every sentence about it.
    - ``deadline``: by the monotonic clock; nothing is waited for beyond it.
    - ``reads_only``: a POST that changes nothing, such as a query.
    - ``bucket``: another bucket than the method's.
    - ``kept``: a list that takes the :class:`Answer`.
    """

    next: Any = None

    def __init__(
        self,
        tokens: TokenSource,
        brake: Brake,
        endpoint: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tokens = tokens
        self._brake = brake
        self._endpoint = endpoint
        self._home = place_of(endpoint)
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self.traffic = Traffic()
        #: One for the whole task: Azure's activity log can be searched for it.
        self.correlation_id = str(uuid.uuid4())

    def send(self, request: Any) -> Any:
        """Send until there is an answer to give, or an error to raise."""
        options = request.context.options
        http = request.http_request
        method = http.method.upper()
        kind = options.pop("bucket", None) or kind_of(method)
        found = _SUBSCRIPTION.search(http.url)
        kept: list[Answer] = options.pop("kept", [])
        asked = _Asked(
            doing=options.pop("doing", "asking Azure"),
            deadline=options.pop("deadline", None) or self._monotonic() + _LONGEST_THROTTLING,
            method=method,
            kind=kind,
            may_repeat=bool(options.pop("reads_only", False)) or method in ("GET", "HEAD"),
            url=http.url,
            subscription=found[1] if found else "",
        )
        self.check_address(asked.url, asked.doing)
        while True:
            answer = self._once(request, asked, kept)
            if answer is not None:
                return answer

    def _once(self, request: Any, asked: _Asked, kept: list[Answer]) -> Any:
        """One attempt; None when there is to be another."""
        exceptions = azure("azure.core.exceptions")
        headers = request.http_request.headers
        token = self._tokens.token()
        headers["Authorization"] = f"Bearer {token}"
        headers["x-ms-client-request-id"] = str(uuid.uuid4())
        headers["x-ms-correlation-request-id"] = self.correlation_id
        bucket = self._brake.bucket(asked.subscription, asked.kind)
        bucket.take()
        with self._lock:
            self.traffic.requests += 1
        try:
            response = self.next.send(request)
            response.http_response.read()
        except exceptions.ServiceRequestError as error:
            if not _never_sent(error):
                return self._lost(asked, f"the answer was lost ({_first_line(error)})")
            return self._again(asked, self._not_reached(asked, error), None)
        except TooLarge as error:
            return self._no_answer(asked, str(error))
        except (exceptions.AzureError, OSError) as error:
            return self._lost(asked, f"the answer was lost ({_first_line(error)})")
        status = int(response.http_response.status_code)
        answered = response.http_response.headers
        try:
            document = document_of(response.http_response)
        except ValueError:
            if status < 300:
                return self._no_answer(asked, "the answer of Azure is not JSON", status)
            document = None
        if status < 300:
            self._heed(asked, answered)
            kept.append(Answer(status, document, answered))
            return response
        if status < 400:
            raise BadAnswer(f"{asked.doing}: Azure answered HTTP {status}, which ARM never does.")
        if status == 401 and not asked.renewed:
            asked.renewed = True
            if self._tokens.renewed(token, _claims(answered)) is not None:
                return self._repeat()
        wait = _seconds(answered, time.time)
        if status == 429:
            with self._lock:
                self.traffic.throttled += 1
            wait = wait if wait is not None else min(2.0**asked.tries, 60.0)
            asked.tries += 1
            if self._monotonic() + wait > asked.deadline:
                raise self._said(asked, status, document, Throttled)
            bucket.hold(wait)
            return self._repeat()
        if status in _UNAVAILABLE:
            if not asked.may_repeat:
                code, words = arm_code_and_words(document)
                shown = f"HTTP {status}{f' {code}' if code else ''}{f': {words}' if words else ''}"
                return self._lost(asked, f"Azure answered {shown}", status)
            return self._again(asked, self._said(asked, status, document), wait)
        raise self._said(asked, status, document)

    def _repeat(self) -> None:
        with self._lock:
            self.traffic.repeated += 1

    def _again(self, asked: _Asked, error: HotpatchError, wait: float | None) -> None:
        """Pause before another attempt, or give the error when there were enough."""
        asked.tries += 1
        pause = wait if wait is not None else min(2.0 ** (asked.tries - 1), 30.0) * random.uniform(0.5, 1.0)  # noqa: S311
        if asked.tries >= _TRIES or self._monotonic() + pause > asked.deadline:
            raise error
        self._sleep(pause)
        self._repeat()

    def _lost(self, asked: _Asked, why: str, status: int = 0) -> None:
        if asked.may_repeat:
            return self._again(asked, ArmUnavailable(f"{asked.doing}: {why}.", status=status), None)
        raise WriteOutcomeUnknown(
            f"{asked.doing}: {why}, so that it is not known whether it was carried out.",
            hint="Read the state before it is tried again.",
            status=status,
        )

    def _no_answer(self, asked: _Asked, why: str, status: int = 0) -> None:
        """What came is no answer, and asking again would bring the same."""
        if asked.may_repeat:
            raise BadAnswer(f"{asked.doing}: {why}.")
        self._lost(asked, why, status)

    def _not_reached(self, asked: _Asked, error: Exception) -> ArmUnavailable:
        return ArmUnavailable(
            f"{asked.doing}: {self._endpoint} cannot be reached ({_first_line(error)}).",
            hint="Check the network, the proxy (HTTPS_PROXY), the cloud, and ca_path where TLS is inspected.",
        )

    def _said(
        self, asked: _Asked, status: int, document: Any, expected: type[HotpatchError] | None = None
    ) -> HotpatchError:
        error = error_of(status, document, asked.doing, self._tokens.account.words)
        if expected is not None and not isinstance(error, expected):
            return expected(error.message, hint=error.hint)
        return error

    def _heed(self, asked: _Asked, headers: Mapping[str, str]) -> None:
        """ARM tells how much is left: others may be using the same account."""
        if asked.kind == "graph":
            queries = headers.get(_GRAPH_LEFT, "")
            bucket = self._brake.bucket(asked.subscription, asked.kind)
            if _NUMBER.fullmatch(queries):
                bucket.no_more_than(float(queries))
                if int(queries) == 0 and (wait := _clock(headers.get(_GRAPH_ENDS))) is not None:
                    bucket.hold(wait)
            return
        left = headers.get(_REMAINING + _HEADERS.get(asked.kind, "")) if asked.kind in _HEADERS else None
        if left is not None and _NUMBER.fullmatch(left):
            self._brake.bucket(asked.subscription, asked.kind).no_more_than(float(left))

    def check_address(self, address: str, doing: str) -> None:
        """The token goes to ARM and nowhere else, whatever address an answer has named.

        :raises BadAnswer: it is another's, or cannot be read without a doubt.
        """
        place = place_of(address)
        if self._home is None or place is None or not self._home.holds(place):
            shown = address.partition("?")[0][:100]
            raise BadAnswer(f"{doing}: Azure names an address that is not its own ({shown!r}).")


def _never_sent(error: Any) -> bool:
    """Whether a request surely did not leave: azure-core has one class for that and for answers that broke off."""
    cause = getattr(error, "inner_exception", None)
    if cause is None:
        return True
    requests, urllib3 = azure("requests.exceptions"), azure("urllib3.exceptions")
    never = (urllib3.NewConnectionError, urllib3.ConnectTimeoutError)
    if isinstance(cause, (*never, requests.ConnectTimeout, requests.ProxyError)):
        return True
    reason = getattr(cause.args[0] if cause.args else None, "reason", None)
    certificate = reason.args and isinstance(reason.args[0], SSLCertVerificationError) if reason else False
    return isinstance(reason, never) or bool(certificate)


def _seconds(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    """What an answer asks to wait: milliseconds where it says them, else Retry-After, in seconds or as a date."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if _NUMBER.fullmatch(milliseconds := headers.get(name, "")):
            return float(milliseconds) / 1000
    text = headers.get("Retry-After")
    if not text:
        return _clock(headers.get(_GRAPH_ENDS))
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (TypeError, ValueError, OverflowError):
        return None


def _clock(text: str | None) -> float | None:
    """Seconds in a time such as 00:00:05."""
    found = _CLOCK.fullmatch(text or "")
    if found is None:
        return None
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) + float(found[4] or 0)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that an answer asks to wait before the next look."""
    return _seconds(headers, time.time)


def _claims(headers: Mapping[str, str]) -> str | None:
    """What a token must say that ARM takes (continuous access evaluation)."""
    found = _CLAIMS.search(headers.get("WWW-Authenticate") or "")
    if found is None:
        return None
    try:
        return b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode("utf-8")
    except (NotBase64, UnicodeDecodeError):
        return None


def _first_line(error: Exception) -> str:
    """What a library says about a connection: its cause, where it wraps one, without its object addresses."""
    text = str(error).split("\n", 1)[0]
    text = text.rpartition("(Caused by ")[2] if "(Caused by " in text else text
    return re.sub(r"<[^>]*>: ?", "", text)[:300] or type(error).__name__

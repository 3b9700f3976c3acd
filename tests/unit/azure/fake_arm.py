# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ARM without a network: our pipeline over a transport that answers from a list, with a clock that stands still."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.clouds import CLOUDS
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import Account
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credentials import TokenSource

ADDRESS = "https://management.azure.com"
PATH = "/subscriptions/s/resourceGroups/g/providers/Microsoft.HybridCompute/machines/m"


class FakeResponse:
    """As much of a response of azure-core as our code and the SDK touch."""

    def __init__(self, status: int, document: Any = None, headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        is_plain = isinstance(document, bytes)
        self.content: bytes = document if is_plain else b"" if document is None else json.dumps(document).encode()
        self.headers = headers or {}

    def read(self) -> bytes:
        return self.content

    def iter_bytes(self) -> Iterator[bytes]:
        return iter((self.content,))

    def json(self) -> Any:
        return json.loads(self.read())

    def text(self) -> str:
        return self.content.decode()


class FakeToken:
    def __init__(self, token: str, expires_on: float) -> None:
        self.token = token
        self.expires_on = expires_on


class FakeCredential:
    """A new token for each object, the same for all calls of one: as azure-identity's cache has it."""

    made = 0

    def __init__(self, lifetime: float = 3600) -> None:
        type(self).made += 1
        self.name = f"token-{type(self).made}"
        self.lifetime = lifetime
        self.claims: list[str] = []

    def get_token(self, _scope: str, claims: str = "") -> FakeToken:
        self.claims.append(claims)
        return FakeToken(self.name, 1000 + self.lifetime)


class FakeArm:
    """``arm`` sends to ``answers`` (responses or exceptions, in order); ``seen`` keeps what it sent."""

    def __init__(self, *answers: Any, lifetime: float = 3600) -> None:
        self.answers = list(answers)
        self.seen: list[Any] = []
        self.now = 1000.0
        self.slept: list[float] = []
        account = Account("options", "secret", client_id="app", secret="s3cret", tenant="t")
        FakeCredential.made = 0
        self.tokens = TokenSource(
            account, CLOUDS["AzureCloud"], make=lambda _a, _c: FakeCredential(lifetime), now=lambda: self.now
        )
        self.arm = Arm(
            self.tokens,
            CLOUDS["AzureCloud"],
            monotonic=lambda: self.now,
            sleep=self.sleep,
            transport=lambda *_given: _Transport(self),
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds

    def send(self, method: str = "GET", path: str = PATH, **options: Any) -> Any:
        return self.arm.send(method, path, doing="doing it", api_version="2024-07-10", **options)

    @property
    def authorizations(self) -> list[str]:
        return [request.headers["Authorization"] for request in self.seen]


class _Transport:
    def __init__(self, fake: FakeArm) -> None:
        self.fake = fake

    def send(self, request: Any, **_options: Any) -> Any:
        self.fake.seen.append(_Copy(request))
        answer = self.fake.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> _Transport:
        return self

    def __exit__(self, *_given: Any) -> None:
        """Nothing to close."""


class _Copy:
    def __init__(self, request: Any) -> None:
        self.method = request.method
        self.url = request.url
        self.headers = dict(request.headers)
        self.content = request.content


def error(status: int, code: str, message: str = "Because.", **headers: str) -> FakeResponse:
    """An error as ARM writes it."""
    named = {key.replace("_", "-"): text for key, text in headers.items()}
    return FakeResponse(status, {"error": {"code": code, "message": message}}, named)

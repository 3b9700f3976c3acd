# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The SDK of Arc (azure-mgmt-hybridcompute 9 and 10): its clients, and its answers as ARM sent them.

The two majors have different models of the same wire form: 10.0.0 silently drops an enrollment that is given in the
flattened words of 9.0.0. So bodies go in as plain dicts in wire form, which both pass on, and answers are read from the
response. The API version is set, so that both say the same; it is the newest for which the whole specification is at
hand, and the parts used here are equal up to 2026-07-15.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_answer import Answer
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.packages import azure
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, HotpatchError, NotSupported

API_VERSION = "2024-07-10"


class HybridCompute:
    """The SDK's clients of one ARM, one for each subscription."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def client(self, subscription: str) -> Any:
        """The SDK's client."""
        with self._lock:
            if subscription not in self._clients:
                sdk = azure("azure.mgmt.hybridcompute")
                self._clients[subscription] = sdk.HybridComputeManagementClient(
                    _NoCredential(), subscription, api_version=API_VERSION, **self.arm.sdk_settings
                )
            return self._clients[subscription]


def asked(method: Callable[..., Any], *arguments: Any, **options: Any) -> Answer:
    """What ARM answered to a method of the SDK, whatever the SDK made of it.

    Its models stumble over what is no error to us: a date in Retry-After, a status of success that the specification
    does not name. That must not hide that a write was accepted.
    """
    kept: list[Answer] = []
    try:
        method(*arguments, kept=kept, **options)
    except HotpatchError:
        raise
    except (azure("azure.core.exceptions").AzureError, AttributeError, KeyError, TypeError, ValueError):
        if not kept:
            raise
    return kept[-1]


def begun(begin: Callable[..., Any], *arguments: Any, **options: Any) -> Answer:
    """The first answer of a ``begin_`` method; :mod:`polling` follows it."""
    return asked(begin, *arguments, polling=FirstAnswer(), **options)


def shown(answer: Answer, doing: str, what: str) -> dict[str, Any]:
    """The resource in an answer.

    :raises BadAnswer: it holds none.
    """
    if not isinstance(answer.document, dict):
        raise BadAnswer(f"{doing}: the answer of Azure is no {what}.")
    return answer.document


class FirstAnswer:
    """A polling method that does not poll, in the form the SDK asks of one (``azure.core.polling.PollingMethod``)."""

    response: Any = None

    def initialize(self, _client: Any, initial_response: Any, _deserialization_callback: Any) -> None:
        self.response = initial_response

    def run(self) -> None:
        """Nothing to run."""

    def status(self) -> str:
        return "Accepted"

    def finished(self) -> bool:
        return True

    def resource(self) -> Any:
        return self.response


class _NoCredential:
    """The SDK wants one to make policies that are not used: our own policy signs."""

    def get_token(self, *_scopes: str, **_options: Any) -> Any:
        raise NotSupported("The SDK of Azure Arc asked for a token of its own, which the client's policy gives alone.")

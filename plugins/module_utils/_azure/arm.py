# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The client of Azure Resource Manager: one pipeline of azure-core, used directly and lent to the SDK.

Measured on Python 3.11, CPU seconds of a process: a bare Python 0.01, azure-mgmt-core 0.11, azure-mgmt-hybridcompute
0.14 (10.0.0), azure-identity 0.20, the last two together 0.25; azure-mgmt-compute about 1.5. So the SDK is used where
an Arc machine and its licence profile are read and where the profile is changed: for 0.04 s it knows the addresses and
the long-running operations. Changing a machine (which 9.0.0 does not know), lists, compute, maintenance and Resource
Graph go through :meth:`Arm.send` and :meth:`Arm.pages`. A module that finds nothing to change costs 0.6 s in all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_answer import (
    Answer,
    TooLarge,
    document_of,
    transport_for,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import ArmUnavailable
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.clouds import Cloud, cloud_of
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import Account, account_of
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credentials import TokenSource
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.packages import azure
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.patience import Patience
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.token_bucket import Brake
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, InvalidInput

USER_AGENT = "ansible-collection-winops.hotpatch"
_MOST_PAGES = 10_000


class Arm:
    """ARM of one cloud, as one account.

    :param share: which part of ARM's limits may be used.
    :param timeout: seconds that one answer may take.
    """

    def __init__(
        self,
        tokens: TokenSource,
        cloud: Cloud,
        *,
        share: float = 1.0,
        timeout: int = 60,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        transport: Callable[[Account, int], Any] = transport_for,
    ) -> None:
        self.cloud = cloud
        self.account = tokens.account
        self.tokens = tokens
        self.monotonic = monotonic
        self._patience = Patience(
            tokens, Brake(share, monotonic=monotonic, sleep=sleep), cloud.resource_manager,
            monotonic=monotonic, sleep=sleep,
        )  # fmt: skip
        carrier = transport(tokens.account, timeout)
        core = azure("azure.core.pipeline.policies")
        policies = [core.UserAgentPolicy(base_user_agent=USER_AGENT), self._patience]
        #: What an SDK client is given: it then sends as we do.
        self.sdk_settings: Mapping[str, Any] = {
            "base_url": cloud.resource_manager,
            "credential_scopes": [cloud.scope],
            "policies": policies,
            "transport": carrier,
        }
        self._client = azure("azure.core").PipelineClient(cloud.resource_manager, policies=policies, transport=carrier)
        self._rest = azure("azure.core.rest")

    @property
    def traffic(self) -> dict[str, int]:
        """What was sent so far."""
        return self._patience.traffic.as_dict()

    @property
    def correlation_id(self) -> str:
        """Under which Azure's activity log keeps what this task did."""
        return self._patience.correlation_id

    def send(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        api_version: str | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        deadline: float | None = None,
        reads_only: bool = False,
        bucket: str | None = None,
    ) -> Answer:
        """Send one request.

        :param path: below the endpoint, or a whole address that ARM has named.
        :raises HotpatchError: ARM refused, did not answer, or the outcome of a write is not known.
        """
        parameters = {**({"api-version": api_version} if api_version else {}), **(query or {})}
        if "://" in path:
            self._patience.check_address(path, doing)
        url = path if "://" in path else self.cloud.resource_manager + quote(path, safe="/()._-~:@!$&'*+,;=%")
        request = self._rest.HttpRequest(
            method, url, params=parameters or None, headers={"Accept": "application/json"}, json=body
        )  # json=None sends no body
        kept: list[Answer] = []
        self._client.send_request(
            request, doing=doing, deadline=deadline, reads_only=reads_only, bucket=bucket, kept=kept
        )
        return kept[-1]

    def pages(
        self, path: str, *, doing: str, api_version: str, query: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Iterator[dict[str, Any]]:  # fmt: skip
        """The items of a list, over all its pages."""
        answer = self.send("GET", path, doing=doing, api_version=api_version, query=query, deadline=deadline)
        for _page in range(_MOST_PAGES):
            document = answer.document if isinstance(answer.document, Mapping) else {}
            found = document.get("value")
            if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
                raise BadAnswer(f"{doing}: the answer of Azure is no list.")
            yield from found
            following = document.get("nextLink")
            if not following:
                return
            answer = self.send("GET", str(following), doing=doing, deadline=deadline)
        raise BadAnswer(f"{doing}: the list does not end.")


def arm_for(
    params: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Arm:
    """The client for a module's own options. Nothing is sent, except to ask an endpoint of one's own what it is.

    :raises HotpatchError: the options are wrong, or the endpoint does not answer.
    """
    if not params["arm_share"] > 0:
        raise InvalidInput("arm_share must be above 0; 1 is all of what ARM allows an account, 0.5 half of it.")
    if params["arm_timeout"] <= 0:
        raise InvalidInput("arm_timeout must be above 0.")
    account = account_of(params, environment)
    timeout = int(params["arm_timeout"])
    cloud = cloud_of(account.cloud_environment, lambda url: _fetch(url, account, timeout), account.authority)
    tokens = TokenSource(account, cloud)
    return Arm(tokens, cloud, share=float(params["arm_share"]), timeout=timeout, monotonic=monotonic, sleep=sleep)


def _fetch(url: str, account: Account, timeout: int) -> Any:
    """A document that needs no login."""
    exceptions = azure("azure.core.exceptions")
    client = azure("azure.core").PipelineClient(url, policies=[], transport=transport_for(account, timeout))
    try:
        response = client.send_request(azure("azure.core.rest").HttpRequest("GET", url))
        if response.status_code != 200:
            raise ArmUnavailable(f"{url} answered HTTP {response.status_code}.", status=response.status_code)
        return document_of(response)
    except ValueError:
        raise BadAnswer(f"{url}: the answer is not JSON.") from None
    except (exceptions.AzureError, TooLarge) as error:
        raise ArmUnavailable(
            f"{url} cannot be read: {str(error)[:300]}", hint="Check cloud_environment, the network and ca_path."
        ) from None

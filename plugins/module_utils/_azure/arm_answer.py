# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What ARM answers, and how it is fetched: read whole, up to a size, and taken for JSON or for nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import Account
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.packages import azure

#: More than this many requests at once only queue up in front of ARM's limits.
CONNECTIONS = 16
#: ARM's lists and Resource Graph's pages have some megabytes at the most.
MOST_BYTES = 64 * 1024 * 1024
_PIECE = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """An answer of ARM that is no error."""

    status: int
    document: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class TooLarge(OSError):
    """An answer has no end."""


def document_of(response: Any) -> Any:
    """The JSON document in a response of azure-core; None when it is empty.

    :raises ValueError: it is none. How it says that it is encoded is not asked: JSON is UTF-8.
    """
    content = response.content
    try:
        return json.loads(content) if content.strip() else None
    except RecursionError:
        raise ValueError("nested too deep") from None


def transport_for(account: Account, timeout: int) -> Any:
    """azure-core's transport on requests, with as many connections as there are requests at once.

    :param timeout: seconds that an answer may keep silent.
    """
    requests = azure("requests")

    class Bounded(requests.adapters.HTTPAdapter):  # type: ignore[misc, name-defined]
        """Reads an answer at once, and no more of it than can be one."""

        def send(self, request: Any, **options: Any) -> Any:
            response = super().send(request, **options)
            data = bytearray()
            for piece in response.iter_content(_PIECE):
                data += piece
                if len(data) > MOST_BYTES:
                    response.close()
                    raise TooLarge(f"an answer of more than {MOST_BYTES // 1024 // 1024} MiB")
            response._content = bytes(data)
            return response

    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, Bounded(pool_maxsize=CONNECTIONS, max_retries=0))
    return azure("azure.core.pipeline.transport").RequestsTransport(
        session=session,
        session_owner=False,
        connection_timeout=min(timeout, 30),
        read_timeout=timeout,
        connection_verify=account.ca_path or True,
    )

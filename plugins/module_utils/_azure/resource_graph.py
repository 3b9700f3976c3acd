# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Azure Resource Graph: what thousands of machines are like, in a few queries.

It lags behind Azure Resource Manager by seconds to minutes: good for looking, never for deciding whether something is
to be changed. Pages of 1000 (the most it gives), followed by its token, which needs a column ``id`` and an order by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer

API_VERSION = "2022-10-01"
PAGE = 1000
_MOST_PAGES = 1000


def rows(arm: Arm, query: str, subscriptions: Sequence[str], *, doing: str) -> Iterator[dict[str, Any]]:
    """The rows of a query, over all its pages.

    :param subscriptions: none means all that the account may read.
    :raises HotpatchError: the query failed, or its answer is none.
    """
    token = ""
    for _page in range(_MOST_PAGES):
        options: dict[str, Any] = {"resultFormat": "objectArray", "$top": PAGE}
        if token:
            options["$skipToken"] = token
        scope = {"subscriptions": list(subscriptions)} if subscriptions else {}
        answer = arm.send(
            "POST",
            "/providers/Microsoft.ResourceGraph/resources",
            doing=doing,
            api_version=API_VERSION,
            body={"query": query, **scope, "options": options},
            reads_only=True,
            bucket="graph",
        )
        document = answer.document if isinstance(answer.document, Mapping) else {}
        data = document.get("data")
        if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
            raise BadAnswer(f"{doing}: the answer of Resource Graph is no list of rows.")
        yield from data
        following = document.get("$skipToken")
        if not following:
            if str(document.get("resultTruncated")).lower() == "true":
                raise BadAnswer(f"{doing}: Resource Graph has cut its answer off, and names no further page.")
            return
        if not data or following == token:
            raise BadAnswer(f"{doing}: the pages of Resource Graph do not end.")
        token = str(following)
    raise BadAnswer(f"{doing}: the pages of Resource Graph do not end.")

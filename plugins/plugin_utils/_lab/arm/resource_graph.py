# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft.ResourceGraph/resources: queries over what Azure has, a little behind it, in pages, with a quota.

Request and answer: Microsoft's specification 2022-10-01 and its examples. Pages, and when there is no token for the
next one: learn.microsoft.com, "Paging results". Quota (15 queries in 5 seconds for each account) and its two headers:
"Guidance for throttled requests". Columns and tables: "Understanding the Azure Resource Graph query language". How far
it is behind, and the exact words of its refusals, are this lab's assumptions.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import (
    arc_machines,
    content,
    kql,
    licence_profiles,
    maintenance_rows,
    patch_rows,
    virtual_machines,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    ArmAnswer,
    ArmRefusal,
    ArmRequest,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.kql_syntax import QueryError, parse
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.routes import Route
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.throttle import retry_headers

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure

VERSIONS = ("2019-04-01", "2021-03-01", "2022-10-01", "2024-04-01")
QUERIES, WINDOW_SECONDS = 15, 5.0
_MOST = 1000
#: So many answers are kept for their further pages.
_KEPT = 20
_BODY = {
    "query!": str,
    "subscriptions": [str],
    "managementGroups": [str],
    "options": {
        "$top": int,
        "$skip": int,
        "$skipToken": str,
        "resultFormat": ("table", "objectArray"),
        "allowPartialScopes": bool,
        "authorizationScopeFilter": (
            "AtScopeAndBelow",
            "AtScopeAndAbove",
            "AtScopeExact",
            "AtScopeAboveAndBelow",
        ),
    },
}
_DYNAMIC = (dict, list, type(None))


@dataclass
class _Window:
    """One account's quota: it begins anew when its time is over."""

    until: float = 0.0
    used: int = 0


@dataclass
class Graph:
    """Resource Graph of one Azure.

    :ivar answered: the whole result of the last queries, for the pages that follow.
    """

    azure: Azure
    windows: dict[str, _Window] = field(default_factory=dict)
    answered: dict[str, tuple[str, list[dict[str, Any]]]] = field(default_factory=dict)
    refused: int = 0
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _taken_at: float = -math.inf
    _count: int = 0

    def take(self, principal: str) -> dict[str, str]:
        """Take one query of the quota; the headers that tell what is left.

        :raises ArmRefusal: there is nothing left.
        """
        timeline = self.azure.timeline
        now = timeline.seconds()
        window = self.windows.setdefault(principal, _Window())
        if now >= window.until:
            window.until, window.used = now + WINDOW_SECONDS / timeline.scale, 0
        after = _clock(window.until - now)
        if window.used >= QUERIES:
            self.refused += 1
            wait = retry_headers(window.until - now, timeline)
            told = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": after, **wait}
            raise _refusal(
                429,
                "RateLimiting",
                "RateLimiting",
                "Client application has been throttled and should not attempt to repeat the request until an amount "
                "of time has elapsed. Please see https://aka.ms/resourcegraph-throttling for help.",
                told,
            )
        window.used += 1
        return {"x-ms-user-quota-remaining": str(QUERIES - window.used), "x-ms-user-quota-resets-after": after}

    def table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table.

        :raises QueryError: there is no such table.
        """
        if name == "resources":
            return self._resources()
        if name == "resourcecontainers":
            return list(_containers(self.azure))
        if name == "patchassessmentresources":
            return list(patch_rows.assessments(self.azure))
        if name == "patchinstallationresources":
            return list(patch_rows.installations(self.azure))
        if name == "maintenanceresources":
            return list(maintenance_rows.maintenance_resources(self.azure))
        raise QueryError(f"the table {name!r} is not known")

    def _resources(self) -> list[dict[str, Any]]:
        """What Azure had when it was last looked at."""
        now = self.azure.timeline.seconds()
        if now - self._taken_at >= patch_rows.LAG_SECONDS / self.azure.timeline.scale:
            self._rows = json.loads(json.dumps(list(_resources(self.azure))))
            self._taken_at = now
        return self._rows

    def kept(self, identifier: str) -> tuple[str, list[dict[str, Any]]] | None:
        return self.answered.get(identifier)

    def keep(self, query: str, rows: list[dict[str, Any]]) -> str:
        """Keep a result for its further pages; its name."""
        self._count += 1
        identifier = str(self._count)
        self.answered[identifier] = (query, rows)
        while len(self.answered) > _KEPT:
            del self.answered[next(iter(self.answered))]
        return identifier


def _resources(azure: Azure) -> Iterator[dict[str, Any]]:
    for resource in azure.side.machines:
        yield _row(azure, arc_machines.document(azure, resource))
        if azure.licences.of(resource).exists:
            yield _row(azure, licence_profiles.document(azure, resource))
    for machine in azure.virtual_machines:
        document = virtual_machines.document(azure, machine, instance_view=True)
        view = document["properties"].pop("instanceView")
        state: dict[str, Any] = next((item for item in view["statuses"] if item["code"].startswith("PowerState/")), {})
        document["properties"]["extended"] = {
            "instanceView": {
                **{key: view[key] for key in ("computerName", "osName", "osVersion", "hyperVGeneration")},
                "powerState": state,
            }
        }
        yield _row(azure, document)


def _row(azure: Azure, document: dict[str, Any]) -> dict[str, Any]:
    """A resource as the table has it: all columns, the kind in small letters."""
    parts = str(document["id"]).split("/")
    return {
        "id": document["id"],
        "name": document["name"],
        "type": str(document["type"]).lower(),
        "tenantId": azure.side.settings.tenant_id,
        "kind": document.get("kind", ""),
        "location": document.get("location", ""),
        "resourceGroup": parts[4].lower(),
        "subscriptionId": parts[2],
        "managedBy": "",
        "sku": None,
        "plan": None,
        "properties": document["properties"],
        "tags": document.get("tags"),
        "identity": document.get("identity"),
        "zones": None,
        "extendedLocation": None,
    }


def _containers(azure: Azure) -> Iterator[dict[str, Any]]:
    settings = azure.side.settings
    at = f"/subscriptions/{settings.subscription_id}"
    shared: dict[str, Any] = {
        "tenantId": settings.tenant_id,
        "subscriptionId": settings.subscription_id,
        "properties": {},
        "tags": None,
    }
    kind = "microsoft.resources/subscriptions"
    yield {"id": at, "name": "Lab", "type": kind, "location": "", "resourceGroup": "", **shared}
    for group in settings.resource_groups:
        yield {
            "id": f"{at}/resourceGroups/{group}",
            "name": group,
            "type": f"{kind}/resourcegroups",
            "location": "westeurope",
            "resourceGroup": group.lower(),
            **shared,
        }


def _query(azure: Azure, request: ArmRequest) -> ArmAnswer:
    told = azure.graph.take(request.principal)
    try:
        answer = _answered(azure, request)
    except ArmRefusal as refusal:
        answer = refusal.answer
    return replace(answer, headers={**answer.headers, **told})


def _answered(azure: Azure, request: ArmRequest) -> ArmAnswer:
    if isinstance(request.body, dict) and request.body.get("facets"):
        raise _refusal(400, "BadRequest", "NotSupported", "Facets are not part of this lab.", {})
    content.check(request.body, _BODY)
    body = request.body
    _check_scope(azure, body)
    options = body.get("options") or {}
    top = options.get("$top", _MOST)
    if not 1 <= top <= _MOST or options.get("$skip", 0) < 0:
        raise _refusal(400, "BadRequest", "InvalidOptions", f"$top must be from 1 to {_MOST}.", {})
    try:
        query = parse(body["query"])
        identifier, skip, rows = _rows(azure, body["query"], options)
        if rows is None:
            found = kql.run(query, azure.graph.table, azure.timeline.now())
            rows = [{name: _plain(value) for name, value in row.items()} for row in found]
    except QueryError as error:
        raise _invalid(error) from None
    shown = rows[skip : skip + top]
    more = skip + len(shown) < len(rows)
    document: dict[str, Any] = {
        "totalRecords": len(rows),
        "count": len(shown),
        "data": _table(shown) if options.get("resultFormat") == "table" else shown,
        "facets": [],
        "resultTruncated": "false",
    }
    if more:
        columns = [value for row in shown for value in row.values()]
        if not query.may_page or all(isinstance(value, _DYNAMIC) for value in columns):
            document["resultTruncated"] = "true"
        else:
            identifier = identifier or azure.graph.keep(body["query"], rows)
            token = json.dumps({"result": identifier, "skip": skip + len(shown)})
            document["$skipToken"] = base64.b64encode(token.encode()).decode()
    return ArmAnswer(200, document)


def _rows(azure: Azure, query: str, options: dict[str, Any]) -> tuple[str, int, list[dict[str, Any]] | None]:
    """Which result goes on, where; no rows when the query is to be carried out."""
    skip = options.get("$skip", 0)
    token = options.get("$skipToken")
    if not token:
        return "", skip, None
    try:
        inner = json.loads(base64.b64decode(token, validate=True))
        identifier, skip = str(inner["result"]), int(inner["skip"])
    except (ValueError, KeyError, TypeError):
        raise _refusal(400, "BadRequest", "InvalidSkipToken", "The skip token is not valid.", {}) from None
    kept = azure.graph.kept(identifier)
    if kept is None or kept[0] != query:
        return "", skip, None
    return identifier, skip, kept[1]


def _check_scope(azure: Azure, body: dict[str, Any]) -> None:
    known = azure.side.settings.subscription_id.lower()
    named = body.get("subscriptions")
    if named and known not in {str(item).lower() for item in named}:
        raise _refusal(
            400,
            "BadRequest",
            "NoValidSubscriptionsInQueryRequest",
            "There must be at least one subscription that is eligible to contain resources. Given: "
            f"'{','.join(str(item) for item in named)}'.",
            {},
        )


def _table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {
        "columns": [{"name": name, "type": _kind(rows, name)} for name in names],
        "rows": [[row.get(name) for name in names] for row in rows],
    }


def _kind(rows: list[dict[str, Any]], name: str) -> str:
    value = next((row[name] for row in rows if row.get(name) is not None), None)
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "string" if isinstance(value, str) else "object"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return virtual_machines.stamp(value)
    return str(value) if isinstance(value, timedelta) else value


def _clock(seconds: float) -> str:
    """hh:mm:ss, rounded up."""
    whole = max(0, math.ceil(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _invalid(error: QueryError) -> ArmRefusal:
    at = f" At character {error.at}." if error.at is not None else ""
    return _refusal(
        400,
        "BadRequest",
        "InvalidQuery",
        "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error "
        f"before retrying. {error}.{at}",
        {},
    )


def _refusal(status: int, code: str, inner: str, words: str, headers: dict[str, str]) -> ArmRefusal:
    """Resource Graph keeps the reason in the details."""
    refusal = ArmRefusal(status, code, "Please provide below info when asking for support.")
    error = {**refusal.answer.document["error"], "details": [{"code": inner, "message": words}]}
    refusal.answer = replace(refusal.answer, document={"error": error}, headers=headers)
    return refusal


ROUTES = (
    Route(
        "POST",
        "/providers/Microsoft.ResourceGraph/resources",
        "Microsoft.ResourceGraph/resources/read",
        VERSIONS,
        _query,
        changes=False,
        own_quota=True,
    ),
)

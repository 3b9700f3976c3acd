# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft.HybridCompute/machines/licenseProfiles: GET, PUT, PATCH and DELETE of the one called default.

PUT says ``Enabled`` and PATCH ``Enable`` or ``Disable``; PUT of a new profile answers 201, PATCH 202, both with an
operation to follow; dates and errors are read-only. Source: Microsoft's specification 2024-07-10 and its examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import arc_machines, content
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    ArmAnswer,
    ArmRefusal,
    ArmRequest,
    resource_not_found,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.routes import GROUP, SUBSCRIPTION, Route
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import ArcMachine

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure

KIND = f"{arc_machines.KIND}/licenseProfiles"
PROVIDER = "Microsoft.HybridCompute"
OPERATION_SECONDS = 180.0

_STATES = ("Unknown", "Enabling", "Enabled", "Disabled", "Disabling", "Failed")
_PRODUCTS = ("WindowsServer", "WindowsIoTEnterprise")
_ASSURANCE = {"softwareAssuranceCustomer": bool}
_ESU = {"assignedLicense": str}


def _product(words: tuple[str, ...]) -> dict[str, Any]:
    return {
        "subscriptionStatus": words,
        "productType": _PRODUCTS,
        "productFeatures": [{"name": str, "subscriptionStatus": words}],
    }


_CREATE = {
    "location!": str,
    "tags": content.TAGS,
    "properties": {"softwareAssurance": _ASSURANCE, "esuProfile": _ESU, "productProfile": _product(_STATES)},
}
_UPDATE = {
    "tags": content.TAGS,
    "properties": {
        "softwareAssurance": _ASSURANCE,
        "esuProfile": _ESU,
        "productProfile": _product(("Enable", "Disable")),
    },
}


def document(azure: Azure, resource: ArcMachine) -> dict[str, Any]:
    """The resource as ARM shows it."""
    return {
        "id": f"{resource.id}/licenseProfiles/default",
        "name": "default",
        "type": KIND,
        "location": resource.location,
        "properties": azure.licences.profile(resource),
    }


def _existing(azure: Azure, request: ArmRequest) -> ArcMachine:
    resource = azure.arc_machine(request)
    if request.names["profile"].lower() != "default" or not azure.licences.of(resource).exists:
        raise resource_not_found(KIND, f"{resource.name}/{request.names['profile']}", resource.resource_group)
    return resource


def _get(azure: Azure, request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, document(azure, _existing(azure, request)))


def _list(azure: Azure, request: ArmRequest) -> ArmAnswer:
    resource = azure.arc_machine(request)
    there = azure.licences.of(resource).exists
    return ArmAnswer(200, {"value": [document(azure, resource)] if there else []})


def _put(azure: Azure, request: ArmRequest) -> ArmAnswer:
    resource = azure.arc_machine(request)
    if request.names["profile"].lower() != "default":
        raise ArmRefusal(400, "InvalidResourceName", "The name of a license profile is 'default'.")
    content.check(request.body, _CREATE)
    if str(request.body["location"]).replace(" ", "").lower() != resource.location.lower():
        raise ArmRefusal(
            400,
            "LocationMismatch",
            f"The location '{request.body['location']}' is not the machine's, '{resource.location}'.",
        )
    is_new = not azure.licences.of(resource).exists
    azure.licences.create(resource, request.body.get("properties") or {})
    azure.wrote(request, resource.id)
    if not is_new:
        return ArmAnswer(200, document(azure, resource))
    return ArmAnswer(201, document(azure, resource), _operation(azure, request, resource))


def _patch(azure: Azure, request: ArmRequest) -> ArmAnswer:
    resource = _existing(azure, request)
    content.check(request.body, _UPDATE)
    azure.licences.update(resource, request.body.get("properties") or {})
    azure.wrote(request, resource.id)
    return ArmAnswer(202, None, _operation(azure, request, resource))


def _delete(azure: Azure, request: ArmRequest) -> ArmAnswer:
    resource = azure.arc_machine(request)
    if not azure.licences.of(resource).exists:
        return ArmAnswer(204)
    azure.licences.delete(resource)
    azure.wrote(request, resource.id)
    return ArmAnswer(202, None, _operation(azure, request, resource))


def _operation(azure: Azure, request: ArmRequest, resource: ArcMachine) -> dict[str, str]:
    over = azure.operations.after(OPERATION_SECONDS)

    def outcome() -> str | None:
        failed = azure.licences.of(resource).failed
        return None if over() is None else "Failed" if failed else "Succeeded"

    def error() -> dict[str, str]:
        return azure.licences.of(resource).failed or {"code": "OperationFailed", "message": "It failed."}

    operation = azure.operations.begin(resource.location, outcome, lambda: document(azure, resource), error)
    return azure.operations.headers(operation, request, PROVIDER)


def _status(azure: Azure, request: ArmRequest) -> ArmAnswer:
    return azure.operations.answer_status(request)


def _result(azure: Azure, request: ArmRequest) -> ArmAnswer:
    return azure.operations.answer_result(request)


_ONE = f"{GROUP}/providers/{arc_machines.KIND}/{{machine}}/licenseProfiles/{{profile}}"
_LOCATION = f"{SUBSCRIPTION}/providers/{PROVIDER}/locations/{{location}}"
_VERSIONS = arc_machines.VERSIONS
ROUTES = (
    Route("GET", _ONE, f"{KIND}/read", _VERSIONS, _get),
    Route("PUT", _ONE, f"{KIND}/write", _VERSIONS, _put),
    Route("PATCH", _ONE, f"{KIND}/write", _VERSIONS, _patch),
    Route("DELETE", _ONE, f"{KIND}/delete", _VERSIONS, _delete),
    Route("GET", _ONE.rsplit("/", 1)[0], f"{KIND}/read", _VERSIONS, _list),
    Route(
        "GET",
        f"{_LOCATION}/operationStatus/{{operation}}",
        f"{PROVIDER}/locations/operationStatus/read",
        _VERSIONS,
        _status,
    ),
    Route(
        "GET",
        f"{_LOCATION}/operationResults/{{operation}}",
        f"{PROVIDER}/locations/operationResults/read",
        _VERSIONS,
        _result,
    ),
)

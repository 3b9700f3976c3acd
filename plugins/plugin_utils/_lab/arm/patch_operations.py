# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""assessPatches and installPatches of Arc machines and virtual machines, and the addresses of what they began.

Forms, versions and results: Microsoft's specifications (HybridCompute 2024-07-10, Compute 2024-07-01). An Arc machine's
result has counts, a virtual machine's has each patch; the patches of both are in Resource Graph, whose rows are in
``patch_rows``. That a second request meets 409 while one runs is this lab's assumption.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import arc_machines, content, virtual_machines
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    ArmAnswer,
    ArmRefusal,
    ArmRequest,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.patch_runs import Patch, PatchedServer, Run
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.routes import GROUP, SUBSCRIPTION, Route
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.throttle import retry_headers
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.virtual_machines import stamp, urgent_and_others
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import LOCATION, ArcMachine

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

_LOOK_SECONDS = 30.0
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")
_LONGEST = timedelta(hours=4)
_CLASSES = ("Critical", "Security", "UpdateRollUp", "FeaturePack", "ServicePack", "Definition", "Tools", "Updates")
_INSTALL = {
    "maximumDuration!": str,
    "rebootSetting!": ("IfRequired", "Never", "Always"),
    "windowsParameters": {
        "classificationsToInclude": [_CLASSES],
        "kbNumbersToInclude": [str],
        "kbNumbersToExclude": [str],
        "excludeKbsRequiringReboot": bool,
        "maxPatchPublishDate": str,
    },
    "linuxParameters": {
        "classificationsToInclude": [("Critical", "Security", "Other")],
        "packageNameMasksToInclude": [str],
        "packageNameMasksToExclude": [str],
    },
}


class Patching:
    """All servers as Azure Update Manager has them."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._known: dict[str, PatchedServer] = {}

    def arc_machine(self, resource: ArcMachine) -> PatchedServer:
        """An Arc machine.

        :raises ArmRefusal: no server is behind the resource.
        """
        machine = self._azure.machine_of(resource)
        if machine is None:
            raise ArmRefusal(409, "MachineNotConnected", f"The machine '{resource.name}' has no agent any more.")
        return self._server(
            f"{resource.id.lower()}#{resource.vm_id}",
            machine,
            lambda: machine.licence.connected and machine.power.state == "running",
        )

    def virtual_machine(self, machine: Machine) -> PatchedServer:
        """A virtual machine of Azure."""
        key = virtual_machines.resource_id(self._azure, machine).lower()
        return self._server(key, machine, lambda: machine.power.state == "running")

    def known(self) -> list[tuple[str, str, PatchedServer]]:
        """Resource id, location and server of each that something was done to."""
        azure = self._azure
        arc = [(item.id, item.location, f"{item.id.lower()}#{item.vm_id}") for item in azure.side.machines]
        own = [(virtual_machines.resource_id(azure, item), LOCATION) for item in azure.virtual_machines]
        keys = [*arc, *((name, location, name.lower()) for name, location in own)]
        return [(name, location, self._known[key]) for name, location, key in keys if key in self._known]

    def _server(self, key: str, machine: Machine, in_contact: Callable[[], bool]) -> PatchedServer:
        if key not in self._known:
            self._known[key] = PatchedServer(machine, in_contact, lambda name: self._azure.identifier(key, name))
        return self._known[key]


def _arc(azure: Azure, request: ArmRequest) -> tuple[PatchedServer, str, str]:
    resource = azure.arc_machine(request)
    return azure.patching.arc_machine(resource), resource.location, "updateCenterOperationResults"


def _vm(azure: Azure, request: ArmRequest) -> tuple[PatchedServer, str, str]:
    machine = virtual_machines.find(azure, request)
    if machine.power.state in ("off", "lost"):
        raise ArmRefusal(409, "OperationNotAllowed", f"The VM '{machine.spec.name}' is not running.")
    return azure.patching.virtual_machine(machine), LOCATION, "operations"


def _assess(azure: Azure, request: ArmRequest) -> ArmAnswer:
    found, location, address = _target(azure, request)
    _check_free(found)
    run = found.assess()
    shown = _vm_assessment if address == "operations" else _arc_assessment
    return _accepted(azure, request, location, address, run, shown)


def _install(azure: Azure, request: ArmRequest) -> ArmAnswer:
    found, location, address = _target(azure, request)
    content.check(request.body, _INSTALL)
    longest = _duration(request.body["maximumDuration"])
    _check_date((request.body.get("windowsParameters") or {}).get("maxPatchPublishDate"))
    _check_free(found)
    run = found.install(request.body, longest)
    found.machine.wrote("azure", f"{request.method} {request.path}", request.principal)
    shown = _vm_installation if address == "operations" else _arc_installation
    return _accepted(azure, request, location, address, run, shown)


def _target(azure: Azure, request: ArmRequest) -> tuple[PatchedServer, str, str]:
    return (_arc if "machine" in request.names else _vm)(azure, request)


def _check_free(server: PatchedServer) -> None:
    if server.is_busy:
        raise ArmRefusal(
            409, "Conflict", "Another assessment or installation of patches is in progress on this machine."
        )


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ArmRefusal(400, "InvalidParameter", f"The value '{text}' of 'maximumDuration' is not a duration.")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    longest = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not timedelta() < longest <= _LONGEST:
        raise ArmRefusal(400, "InvalidParameter", f"The value '{text}' of 'maximumDuration' is out of range.")
    return longest


def _check_date(text: Any) -> None:
    try:
        if text is not None:
            moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
            if moment.tzinfo is None:
                raise ValueError
    except ValueError:
        raise ArmRefusal(
            400, "InvalidParameter", f"The value '{text}' of 'maxPatchPublishDate' is no date and time."
        ) from None


def _accepted(
    azure: Azure, request: ArmRequest, location: str, address: str, run: Run, shown: Callable[[Run], dict[str, Any]]
) -> ArmAnswer:
    operation = azure.operations.begin(
        location, lambda: "Succeeded" if run.is_over else None, lambda: shown(run), retry_seconds=_LOOK_SECONDS
    )
    provider = "Microsoft.Compute" if address == "operations" else "Microsoft.HybridCompute"
    path = (
        f"/subscriptions/{request.names['subscription']}/providers/{provider}/locations/{location}"
        f"/{address}/{operation.identifier}"
    )
    monitor = "monitor=true&" if address == "operations" else ""
    where = f"{request.origin}{path}?{monitor}api-version={request.api_version}"
    wait = retry_headers(_LOOK_SECONDS / azure.timeline.scale, azure.timeline)
    return ArmAnswer(202, None, {"Location": where, **wait})


def _result(azure: Azure, request: ArmRequest) -> ArmAnswer:
    answer = azure.operations.answer_result(request)
    if answer.status == 202 and "monitor" in request.query:
        where = f"{request.origin}{request.path}?monitor=true&api-version={request.api_version}"
        return ArmAnswer(202, None, {**answer.headers, "Location": where})
    return answer


# What an operation ends with


def _of_both(run: Run, activity: str) -> dict[str, Any]:
    return {"status": run.status, activity: run.activity, "startDateTime": stamp(run.started)}


def _of_arc(run: Run) -> dict[str, Any]:
    return {
        "lastModifiedDateTime": stamp(run.changed_at),
        "startedBy": "User",
        "patchServiceUsed": "WU",
        "osType": "Windows",
        "errorDetails": run.error,
    }


def _arc_assessment(run: Run) -> dict[str, Any]:
    return {
        **_of_both(run, "assessmentActivityId"),
        "rebootPending": run.reboot_pending,
        "availablePatchCountByClassification": counts_by_classification(run),
        **_of_arc(run),
    }


def _vm_assessment(run: Run) -> dict[str, Any]:
    patches = [
        {
            **_of_patch(patch),
            "rebootBehavior": patch.behaviour,
            "activityId": run.activity,
            "publishedDate": stamp(patch.published),
            "lastModifiedDateTime": stamp(run.changed_at),
            "assessmentState": "Available",
        }
        for patch in run.patches
    ]
    return {
        **_of_both(run, "assessmentActivityId"),
        "rebootPending": run.reboot_pending,
        **urgent_and_others(run),
        "availablePatches": patches,
        "error": run.error,
    }


def _arc_installation(run: Run) -> dict[str, Any]:
    return {**_of_installation(run), **_of_arc(run)}


def _vm_installation(run: Run) -> dict[str, Any]:
    patches = [{**_of_patch(patch), "installationState": patch.state} for patch in run.patches]
    return {**_of_installation(run), "patches": patches, "error": run.error}


def _of_installation(run: Run) -> dict[str, Any]:
    return {
        **_of_both(run, "installationActivityId"),
        "rebootStatus": run.reboot_status,
        "maintenanceWindowExceeded": run.exceeded,
        **run.counts(),
    }


def _of_patch(patch: Patch) -> dict[str, Any]:
    return {
        "patchId": patch.offer.update_id,
        "name": patch.offer.title,
        "version": "",
        "kbId": patch.kb_id,
        "classifications": patch.categories,
    }


def counts_by_classification(run: Run) -> Mapping[str, int]:
    """Of an Arc machine's assessment."""
    words = {**{word: word[0].lower() + word[1:] for word in _CLASSES}, "UpdateRollUp": "updateRollup"}
    counts = dict.fromkeys(words.values(), 0)
    for patch in run.patches:
        for word in patch.classifications:
            counts[words[word]] += 1
    return {**counts, "other": 0}


_ARC = f"{GROUP}/providers/{arc_machines.KIND}/{{machine}}"
_VM = f"{GROUP}/providers/{virtual_machines.KIND}/{{vm}}"
_AT = f"{SUBSCRIPTION}/providers/{{provider}}/locations/{{location}}"
_ARC_RESULT = f"{_AT.replace('{provider}', 'Microsoft.HybridCompute')}/updateCenterOperationResults/{{operation}}"
_VM_RESULT = f"{_AT.replace('{provider}', 'Microsoft.Compute')}/operations/{{operation}}"
_OF_ARC, _OF_VM = arc_machines.VERSIONS, virtual_machines.VERSIONS
ROUTES = (
    Route("POST", f"{_ARC}/assessPatches", f"{arc_machines.KIND}/assessPatches/action", _OF_ARC, _assess),
    Route("POST", f"{_VM}/assessPatches", f"{virtual_machines.KIND}/assessPatches/action", _OF_VM, _assess),
    Route("POST", f"{_ARC}/installPatches", f"{arc_machines.KIND}/installPatches/action", _OF_ARC, _install),
    Route("POST", f"{_VM}/installPatches", f"{virtual_machines.KIND}/installPatches/action", _OF_VM, _install),
    Route(
        "GET",
        _ARC_RESULT,
        "Microsoft.HybridCompute/locations/updateCenterOperationResults/read",
        _OF_ARC,
        _result,
    ),
    Route("GET", _VM_RESULT, "Microsoft.Compute/locations/operations/read", _OF_VM, _result),
)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure itself: who asks, what is asked for, what goes wrong, what is kept of it. The wire is ``arm_server``'s.

It shares the fleet's one world: the Arc machines are those that agents have connected (``azure_side``), an enrollment
reaches the server's licence (``licence``), and what the server is offered follows from there.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm import (
    arc_machines,
    licence_profiles,
    made_machines,
    maintenance,
    maintenance_windows,
    patch_operations,
    registrations,
    resource_graph,
    virtual_machines,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.arm_faults import ARM_FAULTS, ArmFault, ArmFaults
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.client_certificate import ClientCertificate
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    CONTENT_TYPE,
    ArmAnswer,
    ArmRefusal,
    ArmRequest,
    resource_not_found,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.licence_state import Licences
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.logins import (
    FEDERATED_TOKEN,
    IDENTITY_HEADER,
    Logins,
    endpoint_metadata,
    openid_configuration,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.operations import Operations
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.routes import Route, RouteTable
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.throttle import Throttle, kind_of
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import ArcMachine, AzureSide
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Timeline
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fault_kinds import FaultError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import Answer

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

#: Every file of operations; a further one is named here.
TABLE = RouteTable(
    (
        *arc_machines.ROUTES,
        *licence_profiles.ROUTES,
        *virtual_machines.ROUTES,
        *made_machines.ROUTES,
        *patch_operations.ROUTES,
        *maintenance.ROUTES,
        *registrations.ROUTES,
        *resource_graph.ROUTES,
    )
)

_IDS = uuid.UUID("5d0c5b7e-1d65-4b8c-8d53-0f3c1a4e7b19")


class Azure:
    """Azure of one fleet.

    :ivar side: the Arc machines and who may log in, as the agents meet it.
    :ivar record: every exchange, in order, in the form that azure-contract checks.
    """

    def __init__(self, side: AzureSide, machines: Mapping[str, Machine], timeline: Timeline, as_of: date) -> None:
        self.side = side
        self.timeline = timeline
        self.as_of = as_of
        self._machines = machines
        self._by_resource: dict[str, Machine] = {}
        self._login = ""
        self.logins = Logins(side, timeline.seconds, side.settings.token_seconds)
        self.throttle = Throttle(timeline)
        self.operations = Operations(timeline)
        self.licences = Licences(self)
        self.vm_settings = virtual_machines.VmSettings(self)
        self.made: dict[str, made_machines.Made] = {}
        self.patching = patch_operations.Patching(self)
        self.maintenance = maintenance.Maintenance()
        self.windows = maintenance_windows.Windows(self)
        self.registrations = registrations.Registrations(self)
        self.graph = resource_graph.Graph(self)
        self.faults = ArmFaults()
        self.record: list[dict[str, Any]] = []

    # What the files of operations use

    @property
    def virtual_machines(self) -> list[Machine]:
        """The servers that are virtual machines of Azure."""
        return [machine for machine in self._machines.values() if machine.spec.platform == "azure"]

    def machine_of(self, resource: ArcMachine) -> Machine | None:
        """The server behind an Arc resource; None when no agent has its identity any more."""
        if resource.reported is not None:
            return None
        found = self._by_resource.get(resource.vm_id)
        if found is None or found.arc.identity is None or found.arc.identity.vm_id != resource.vm_id:
            self._by_resource = {
                machine.arc.identity.vm_id: machine
                for machine in self._machines.values()
                if machine.arc.identity is not None
            }
            found = self._by_resource.get(resource.vm_id)
        return found

    def machine_since(self, resource: ArcMachine) -> str:
        """When its agent's status last changed, as far as the lab knows."""
        machine = self.machine_of(resource)
        when = resource.created or (machine.now() if machine else self.timeline.now())
        return f"{when:%Y-%m-%dT%H:%M:%SZ}"

    def arc_machine(self, request: ArmRequest) -> ArcMachine:
        """The Arc machine that a path names.

        :raises ArmRefusal: no such group or machine.
        """
        self.check_group(request)
        names = request.names
        found = self.side.find(
            f"/subscriptions/{names['subscription']}/resourceGroups/{names['group']}"
            f"/providers/{arc_machines.KIND}/{names['machine']}"
        )
        if found is None:
            raise resource_not_found(arc_machines.KIND, names["machine"], names["group"])
        return found

    def check_group(self, request: ArmRequest) -> None:
        """:raises ArmRefusal: there is no such resource group."""
        group = request.names["group"]
        if group.lower() not in {name.lower() for name in self.side.settings.resource_groups}:
            raise ArmRefusal(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")

    def identifier(self, *parts: str) -> str:
        """A GUID that the same parts give again."""
        return str(uuid.uuid5(_IDS, "/".join(parts)))

    def wrote(self, request: ArmRequest, resource: str) -> None:
        """Journal a change at the server it concerns."""
        found = self.side.find(resource)
        machine = self.machine_of(found) if found is not None else None
        if machine is not None:
            machine.wrote("azure", f"{request.method} {request.path}", request.principal)

    # Requests

    def answer(self, request: ArmRequest) -> ArmAnswer:
        """Answer one request, and keep both."""
        if (without_login := self._without_login(request)) is not None:
            return without_login
        try:
            answer, request = self._answer(request)
        except ArmRefusal as refusal:
            answer = refusal.answer
        answer = answer.also(
            **{
                "x-ms-request-id": str(uuid.uuid4()),
                "x-ms-correlation-request-id": request.headers.get("x-ms-correlation-request-id") or str(uuid.uuid4()),
            }
        )
        self._keep(request, answer)
        return answer

    def _without_login(self, request: ArmRequest) -> ArmAnswer | None:
        """Logins and the endpoint's own description."""
        parts = [part for part in request.path.split("/") if part]
        tenant = self.side.settings.tenant_id
        if parts == ["metadata", "endpoints"]:
            return ArmAnswer(200, endpoint_metadata(request.origin, self._login, tenant))
        if parts == ["msi", "token"]:
            return self.logins.managed_identity(request.headers, request.query)
        if len(parts) == 4 and parts[1:] == ["v2.0", ".well-known", "openid-configuration"]:
            return ArmAnswer(200, openid_configuration(request.origin, parts[0]))
        if len(parts) == 4 and parts[1:] == ["oauth2", "v2.0", "token"] and request.method == "POST":
            return self.logins.token(parts[0], request.body if isinstance(request.body, dict) else {})
        return None

    def _answer(self, request: ArmRequest) -> tuple[ArmAnswer, ArmRequest]:
        if self.faults.striking("*", request.path, "tokens_revoked") is not None:
            self.logins.revoke_all()
        principal = self.logins.principal_of(request.headers, self._login)
        route, names = TABLE.find(request)
        request = replace(request, names=names, principal=principal)
        subscription = names.get("subscription", "")
        if subscription and subscription.lower() != self.side.settings.subscription_id.lower():
            raise ArmRefusal(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")
        left = {} if route.own_quota else self.throttle.take(subscription, principal, request.method)
        fault = self.faults.striking(
            route.action,
            request.path,
            *(kind for kind in ARM_FAULTS if kind not in ("tokens_revoked", "enrollment_fails")),
        )
        if fault is not None:
            self._refuse(fault, route, request, subscription)
        try:
            self.registrations.check(route.action.split("/", 1)[0])
            answer = route.handler(self, request)
        except ArmRefusal as refusal:
            answer = refusal.answer
        if fault is not None:
            answer = _spoilt(fault, answer)
        return replace(answer, headers={**answer.headers, **left}), request

    def _refuse(self, fault: ArmFault, route: Route, request: ArmRequest, subscription: str) -> None:
        """Faults that keep the request from being carried out."""
        settings = fault.settings
        if fault.kind == "permission_missing":
            scope = request.path.split("/licenseProfiles", 1)[0]
            action = route.action.replace("{namespace}", request.names.get("namespace", ""))
            raise ArmRefusal(
                403,
                "AuthorizationFailed",
                f"The client '{request.principal}' with object id '{self.identifier(request.principal)}' does not have "
                f"authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If "
                "access was recently granted, please refresh your credentials.",
            )
        if fault.kind == "resource_gone":
            raise ArmRefusal(404, "ResourceNotFound", f"The Resource '{request.path}' was not found.")
        if fault.kind == "conflict":
            raise ArmRefusal(409, settings["code"], settings["message"])
        if fault.kind == "provider_not_registered":
            namespace = route.action.split("/", 1)[0]
            raise ArmRefusal(
                409,
                "MissingSubscriptionRegistration",
                f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found "
                "for how to register subscriptions.",
            )
        if fault.kind == "throttled":
            self.throttle.refused += 1
            raise self.throttle.refusal(kind_of(request.method), subscription, settings["seconds"])
        if fault.kind == "refused":
            raise ArmRefusal(settings["status"], settings["code"], settings["message"])
        if fault.kind == "unavailable" and not settings["executed"]:
            raise _unavailable()
        if fault.kind == "operation_lost":
            self.operations.forget_all()

    def _keep(self, request: ArmRequest, answer: ArmAnswer) -> None:
        """A write is what was sent as one, whatever became of it."""
        route = TABLE.operation(request)
        query = "&".join(f"{key}={value}" for key, value in request.query.items())
        headers = {key: value for key, value in request.headers.items() if key != "authorization"}
        kept = {**answer.headers, **({} if answer.document is None else {"Content-Type": CONTENT_TYPE})}
        self.record.append(
            {
                "time": self.timeline.now().isoformat(),
                "action": route.action if route else "",
                "principal": request.principal,
                "write": route.is_write if route else request.method not in ("GET", "HEAD"),
                "lost": answer.lost,
                "request": {
                    "method": request.method,
                    "url": f"{request.path}?{query}" if query else request.path,
                    "headers": headers,
                    "body": _without_passwords(request.body),
                },
                "response": {"status": answer.status, "headers": kept, "body": answer.document},
            }
        )

    # The control address

    def listens_at(self, login: str) -> None:
        """Where logins go, once the ports are known."""
        self._login = login

    def account(self) -> dict[str, Any]:
        """What lab.json tells of how to log in."""
        settings = self.side.settings
        principal = next((item for item in settings.service_principals if item.secret), None)
        return {
            "login": self._login,
            "tenant": settings.tenant_id,
            "subscription_id": settings.subscription_id,
            "resource_group": settings.resource_groups[0],
            "client_id": principal.id if principal else None,
            "secret": principal.secret if principal else None,
            "access_token": settings.access_tokens[0] if settings.access_tokens else None,
            "federated_token": FEDERATED_TOKEN,
            "identity_header": IDENTITY_HEADER,
        }

    def control(self, method: str, parts: list[str], query: Mapping[str, str], body: Any) -> Answer:
        """Answer what stands below ``/azure`` at the control address."""
        if method == "GET" and parts == []:
            machines = [machine.as_dict() for machine in self.side.machines]
            return Answer(
                200,
                {
                    "machines": machines,
                    "requests": len(self.record),
                    "allowed": self.throttle.allowed,
                    "throttled": self.throttle.refused,
                    "tokens": self.logins.given,
                },
            )
        if method == "GET" and parts == ["record"]:
            only_writes = query.get("writes") in ("1", "true")
            return Answer(200, {"exchanges": [item for item in self.record if item["write"] or not only_writes]})
        if method == "GET" and parts == ["licences"]:
            return Answer(200, {"servers": self._licences()})
        if method == "DELETE" and parts == ["record"]:
            self.record.clear()
            return Answer(200, {"exchanges": []})
        if method == "GET" and parts == ["certificate"]:
            self.logins.client_certificate = self.logins.client_certificate or ClientCertificate()
            certificate = self.logins.client_certificate
            return Answer(200, {"pem": certificate.pem, "thumbprint": certificate.thumbprint})
        if parts == ["windows"]:
            return self.windows.control(method, body)
        if parts == ["faults"]:
            return self._faults(method, body)
        return Answer(404, {"error": f"There is nothing at {method} /azure/{'/'.join(parts)}."})

    def _licences(self) -> dict[str, Any]:
        """How Azure has each Arc machine, by the name of its server."""
        found = {}
        for resource in self.side.machines:
            machine = self.machine_of(resource)
            if machine is not None:
                settings = self.licences.patch_settings(resource)
                found[machine.name] = {
                    "id": resource.id,
                    "status": self.licences.status(resource),
                    "hotpatching": settings.get("enableHotpatching"),
                }
        return found

    def _faults(self, method: str, body: Any) -> Answer:
        if method == "DELETE":
            self.faults.active.clear()
        elif method == "POST":
            if not isinstance(body, dict):
                return Answer(400, {"error": 'Send a fault such as {"kind": "throttled", "times": 3}.'})
            try:
                self.faults.give(body)
            except FaultError as error:
                return Answer(400, {"error": str(error)})
        return Answer(
            200,
            {
                "faults": [fault.as_dict() for fault in self.faults.active],
                "kinds": {kind: {"meaning": meaning, **dict(own)} for kind, (meaning, own) in ARM_FAULTS.items()},
            },
        )


def _without_passwords(body: Any) -> Any:
    """A body as a record may keep it: Azure shows no password of a machine to anybody again."""
    if isinstance(body, Mapping):
        return {
            key: "(not kept)" if key.lower().endswith("password") else _without_passwords(item)
            for key, item in body.items()
        }
    return [_without_passwords(item) for item in body] if isinstance(body, list) else body


def _unavailable() -> ArmRefusal:
    return ArmRefusal(503, "ServerTimeout", "The request timed out. Diagnostic information: the lab's fault.")


def _spoilt(fault: ArmFault, answer: ArmAnswer) -> ArmAnswer:
    """Faults that strike what was carried out already."""
    if fault.kind == "unavailable":
        return _unavailable().answer
    if fault.kind == "answer_lost":
        return replace(answer, lost=True)
    if fault.kind == "slow":
        return replace(answer, delay=fault.settings["seconds"])
    return answer

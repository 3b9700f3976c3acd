# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Assign machines, or whatever a filter finds, to a maintenance configuration of Azure Update Manager."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import maintenance, resource_graph
from ansible_collections.winops.hotpatch.plugins.module_utils._azure import maintenance_assignment as azure
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    Conflict,
    NotAllowed,
    NotFound,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import (
    ResourceId,
    checked,
    resource_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_rows import (
    KIND_OPTIONS,
    conclude,
    machines_of,
    run_rows,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_target import (
    AZURE_OPTIONS,
    arm_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError, InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_assignment import (
    OPERATORS,
    OS_TYPES,
    RESOURCE_TYPES,
    Filter,
    check_count,
    check_scopes,
    configurations_tagged,
    filter_of,
    read_filter,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_change import read_configuration
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_scope import (
    counts_of,
    fitting,
    scope_query,
    warnings_of_scope,
)

SPEC = Spec(
    {
        **AZURE_OPTIONS,
        **KIND_OPTIONS,
        "configuration": {"type": "str"},
        "configuration_resource_group": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "assignment_name": {"type": "str"},
        "configuration_tags": {"type": "dict"},
        "keep": {"type": "list", "elements": "str"},
        "dynamic_scope": {
            "type": "dict",
            "options": {
                "subscription_id": {"type": "str"},
                "resource_group": {"type": "str"},
                "resource_types": {
                    "type": "list",
                    "elements": "str",
                    "choices": list(RESOURCE_TYPES),
                    "default": ["arc"],
                },
                "resource_groups": {"type": "list", "elements": "str"},
                "os_types": {"type": "list", "elements": "str", "choices": list(OS_TYPES), "default": ["windows"]},
                "locations": {"type": "list", "elements": "str"},
                "tags": {"type": "dict"},
                "tag_operator": {"type": "str", "choices": list(OPERATORS), "default": "any"},
            },
        },
    },
    mutually_exclusive=(("name", "machines", "dynamic_scope"), ("configuration", "configuration_tags")),
)

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_ROUNDS = 4


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: a machine or the scope does not stand as wanted.
    """
    params = call.params
    scope = params["dynamic_scope"]
    wanted_filter = filter_of(scope) if scope is not None else None
    tags = _tags(params)
    arm = arm_of(call)
    if tags:
        return _leave(call, arm, tags)
    configuration = _configuration(call, arm, str(params["configuration"]))
    name = str(params["assignment_name"] or configuration.name)
    if not _NAME.fullmatch(name) or set(name) == {"."}:
        raise InvalidInput(f"assignment_name: {name!r} is no name of an assignment.")
    if wanted_filter is not None:
        return _scope(call, arm, configuration, name, wanted_filter)
    rows = {key: azure.Row(machine) for key, machine in machines_of(call, arm).items()}
    wanted = azure.Wanted(
        params["state"],
        frozenset({configuration.key}),
        configuration,
        _location(call, arm, configuration),
        name,
        check_mode=call.check_mode,
    )
    if params["state"] == "present":
        there = _machines_there(arm, configuration)
        check_count(there, {row.machine.key for row in rows.values()}, configuration.name)
    return _work(call, arm, rows, wanted, str(configuration))


def _tags(params: Mapping[str, Any]) -> dict[str, str]:
    """The tags of the configurations that machines are taken off; empty when one configuration is named.

    :raises InvalidInput: the options do not go together.
    """
    given = params["configuration_tags"]
    if given is None:
        if not params["configuration"]:
            raise InvalidInput("Name a configuration, or configuration_tags.")
        if params["keep"] is not None:
            raise InvalidInput("keep goes with configuration_tags.")
        return {}
    if params["state"] != "absent" or params["dynamic_scope"] is not None:
        raise InvalidInput(
            "configuration_tags takes machines off: it goes with state absent, and with no dynamic_scope."
        )
    if not given or any(isinstance(value, dict | list) or value is None for value in given.values()):
        raise InvalidInput("configuration_tags: name at least one tag, each with one value.")
    return {str(name): str(value) for name, value in given.items()}


def _configuration(call: Call, arm: Arm, text: str) -> ResourceId:
    return resource_of(
        text,
        (maintenance.CONFIGURATION,),
        subscription=arm.account.subscription_id,
        group=call.params["configuration_resource_group"] or call.params["resource_group"],
    )


def _leave(call: Call, arm: Arm, tags: Mapping[str, str]) -> dict[str, Any]:
    """Take machines off every configuration with these tags, but for those that are kept."""
    rows = {key: azure.Row(machine) for key, machine in machines_of(call, arm).items()}
    keep = {_configuration(call, arm, text).key for text in call.params["keep"] or ()}
    subscription = arm.account.subscription_id
    if not subscription:
        raise InvalidInput("configuration_tags: subscription_id must be given as well.")
    meant = configurations_tagged(maintenance.configurations(arm, subscription), tags)
    wanted = azure.Wanted("absent", frozenset(set(meant) - keep), check_mode=call.check_mode)
    if not wanted.keys:
        for row in rows.values():
            row.before = row.now = ()
        return conclude(arm, rows, {}, "Taking off", _more(rows, None), {"assigned": 0})
    return _work(call, arm, rows, wanted, None)


def _work(
    call: Call, arm: Arm, rows: Mapping[str, azure.Row], wanted: azure.Wanted, configuration: str | None
) -> dict[str, Any]:
    ended = run_rows(
        call,
        {key: azure.working(arm, row, wanted) for key, row in rows.items()},
        so_far=lambda: f"{sum(row.sent for row in rows.values())} changes sent",
        under_way=lambda _name: None,
    )
    counts = {"assigned": sum(1 for row in rows.values() if row.now)}
    what = "Assigning" if wanted.state == "present" else "Taking off"
    return conclude(arm, rows, ended, what, _more(rows, configuration), counts)


def _more(rows: Mapping[str, azure.Row], configuration: str | None) -> dict[str, Any]:
    changed = [row for row in rows.values() if row.changed]
    diff = {
        "before": {row.machine.name: list(row.before or ()) for row in changed},
        "after": {row.machine.name: list(row.now or ()) for row in changed},
    }
    return {"configuration_id": configuration, "scope": None, "diff": diff}


def _location(call: Call, arm: Arm, configuration: ResourceId) -> str:
    """The region of the configuration.

    :raises NotFound: there is none; in check mode it may be that a task before this one would have made it.
    """
    if call.params["state"] == "absent":
        return ""
    words = f"reading the maintenance configuration {configuration.name}"
    document = maintenance.read(arm, str(configuration), doing=words)
    if document is not None:
        return read_configuration(document).location
    if not call.check_mode:
        raise NotFound(
            f"There is no maintenance configuration {configuration.name} in {configuration.group}.",
            hint="Make it first with winops.hotpatch.maintenance_configuration.",
        )
    call.warn(f"There is no maintenance configuration {configuration.name} yet; what would be assigned is shown.")
    return ""


def _machines_there(arm: Arm, configuration: ResourceId) -> set[str]:
    """Which machines it has already; empty where the account may not list them."""
    try:
        return {
            str(item.get("id", "")).lower().partition("/providers/microsoft.maintenance/")[0]
            for item in maintenance.assignments(arm, configuration.subscription)
            if maintenance.configuration_of(item) == configuration.key and not _is_scope(item)
        }
    except NotAllowed:
        return set()


def _is_scope(assignment: dict[str, Any]) -> bool:
    """Whether it is an assignment of a subscription or a resource group."""
    above = str(assignment.get("id", "")).lower().partition("/providers/microsoft.maintenance/")[0]
    return "/providers/" not in above


def _scope(call: Call, arm: Arm, configuration: ResourceId, name: str, wanted: Filter) -> dict[str, Any]:
    """The assignment of a subscription or a resource group."""
    given = call.params["dynamic_scope"]
    subscription = given["subscription_id"] or arm.account.subscription_id or configuration.subscription
    group = given["resource_group"]
    checked(ResourceId(str(subscription), str(group or configuration.group), configuration.kind, configuration.name))
    scope = f"/subscriptions/{subscription}" + (f"/resourceGroups/{group}" if group else "")
    path = maintenance.assignment_path(scope, name)
    location = _location(call, arm, configuration)
    found = _found(call, arm, str(subscription), group, wanted, location)
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    for number in range(_ROUNDS):
        document = maintenance.read(arm, path, doing=f"reading the dynamic scope {name}")
        now = _shown(document, configuration) if document is not None else None
        if number == 0:
            before = now
        try:
            after = _send_scope(call, arm, configuration, path, document, now, wanted)
            break
        except (WriteOutcomeUnknown, Conflict):
            # What is there now is read before anything is sent again.
            if number == _ROUNDS - 1:
                raise
            call.sleep(float(number))
    return {
        "changed": before != after,
        "machines": [],
        "configuration_id": str(configuration),
        "scope": {
            "id": path,
            "assigned": after is not None,
            "filter": after,
            "machines": found,
            "counts": None if found is None else counts_of(found),
        },
        "diff": {"before": before or {}, "after": after or {}},
        "traffic": arm.traffic,
        "correlation_id": arm.correlation_id,
    }


def _found(
    call: Call, arm: Arm, subscription: str, group: str | None, wanted: Filter, location: str
) -> list[dict[str, Any]] | None:
    """The machines that the scope finds now, with a warning of those that will not be patched; None: not known."""
    if call.params["state"] == "absent":
        return None
    try:
        rows = resource_graph.rows(
            arm, scope_query(wanted, group), [subscription], doing="looking for the machines of the dynamic scope"
        )
        found = fitting(rows, wanted, location)
    except HotpatchError as error:
        call.warn(
            f"Which machines the dynamic scope finds, and whether they will be patched, is not known. {error.message}"
        )
        return None
    for text in warnings_of_scope(found):
        call.warn(f"Dynamic scope: {text}")
    return found


def _shown(document: dict[str, Any], configuration: ResourceId) -> dict[str, Any] | None:
    """The filter, when the assignment is to this configuration."""
    if maintenance.configuration_of(document) != configuration.key:
        return None
    return read_filter(document["properties"]).as_dict()


def _send_scope(
    call: Call,
    arm: Arm,
    configuration: ResourceId,
    path: str,
    document: dict[str, Any] | None,
    now: dict[str, Any] | None,
    wanted: Filter,
) -> dict[str, Any] | None:
    words = path.rsplit("/", 1)[-1]
    if call.params["state"] == "absent":
        if now is not None and not call.check_mode:
            maintenance.delete(arm, path, doing=f"deleting the dynamic scope {words}")
        return None
    if now == wanted.as_dict():
        return now
    if document is not None and now is None:
        raise Refused(
            f"There is a dynamic scope {words} already, for another configuration.",
            hint="Choose another name with assignment_name.",
        )
    if document is None:
        _check_scopes(arm, configuration)
    if not call.check_mode:
        body = {"properties": {"maintenanceConfigurationId": str(configuration), "filter": wanted.body()}}
        answer = maintenance.write(arm, path, body, doing=f"writing the dynamic scope {words}")
        return _shown(answer, configuration)
    return wanted.as_dict()


def _check_scopes(arm: Arm, configuration: ResourceId) -> None:
    try:
        scopes = sum(
            1
            for item in maintenance.assignments(arm, configuration.subscription)
            if maintenance.configuration_of(item) == configuration.key and _is_scope(item)
        )
    except NotAllowed:
        return
    check_scopes(scopes, configuration.name)

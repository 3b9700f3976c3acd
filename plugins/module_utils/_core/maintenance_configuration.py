# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Make, change and delete a maintenance configuration of Azure Update Manager: when servers are patched, with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import maintenance
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm_errors import (
    Conflict,
    NotAllowed,
    WriteOutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import CREDENTIAL_OPTIONS
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ResourceId, resource_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.azure_target import arm_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._core.time_zones import rules_of
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_change import (
    Configuration,
    body_of,
    check_expiration,
    check_lists,
    in_order,
    kbs_of,
    location_key,
    read_configuration,
    warnings_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_recurrence import (
    Recurrence,
    after_patch_tuesday,
    parse_recurrence,
    recurrence_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_schedule import (
    Opening,
    Window,
    comes_too_early,
    first_start,
    in_quarter_month,
    moment_text,
    next_openings,
    next_start,
    parse_duration,
    parse_moment,
    parse_start,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_request import (
    CLASSIFICATIONS,
    REBOOT_SETTINGS,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.windows_zones import windows_zone
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import month_of

_EVERY: dict[str, dict[str, Any]] = {
    **{f"{unit}s": {"type": "int"} for unit in ("hour", "day", "week", "month")},
    "weekdays": {"type": "list", "elements": "str"},
    "day": {"type": "list", "elements": "int"},
    "nth": {"type": "str", "choices": ["first", "second", "third", "fourth", "last"]},
    "weekday": {"type": "str"},
    "offset_days": {"type": "int"},
}

SPEC = Spec(
    {
        **CREDENTIAL_OPTIONS,
        "name": {"type": "str", "required": True},
        "resource_group": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "location": {"type": "str"},
        "start": {"type": "str"},
        "time_zone": {"type": "str"},
        "duration": {"type": "str"},
        "patch_tuesday": {"type": "int"},
        "quarter_month": {"type": "int", "choices": [1, 2, 3]},
        "every": {"type": "dict", "options": _EVERY},
        "recur_every": {"type": "str"},
        "expiration": {"type": "str"},
        "reboot_setting": {"type": "str", "choices": list(REBOOT_SETTINGS)},
        "classifications": {"type": "list", "elements": "str", "choices": list(CLASSIFICATIONS)},
        "kb_include": {"type": "list", "elements": "str"},
        "kb_exclude": {"type": "list", "elements": "str"},
        "exclude_kbs_requiring_reboot": {"type": "bool"},
        "tags": {"type": "dict"},
    },
    mutually_exclusive=(("patch_tuesday", "every", "recur_every"),),
)

#: How many configurations a subscription may have in a region.
MOST = 250
_ROUNDS = 4
_SHOWN = 6


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises HotpatchError: it does not stand as wanted.
    """
    params = call.params
    asked = _asked(params)
    arm = arm_of(call)
    target = resource_of(
        str(params["name"]),
        (maintenance.CONFIGURATION,),
        subscription=arm.account.subscription_id,
        group=params["resource_group"],
    )
    before: dict[str, Any] | None = None
    notes: list[str] = []
    for number in range(_ROUNDS):
        document = maintenance.read(arm, str(target), doing=f"reading the maintenance configuration {target.name}")
        shown = read_configuration(document) if document is not None else None
        if number == 0:
            before = shown.as_dict() if shown else None
        try:
            if params["state"] == "absent":
                after = None
                notes += _remove(call, arm, target, shown)
            else:
                after = _set(call, arm, target, asked, document, shown)
            break
        except (WriteOutcomeUnknown, Conflict):
            # What is there now is read before anything is sent again.
            if number == _ROUNDS - 1:
                raise
            call.sleep(float(number))
    return _result(call, arm, target, before, after, notes)


def _asked(params: Mapping[str, Any]) -> dict[str, Any]:
    """What the options mean, checked before anything is asked of Azure; only what was given."""
    given: dict[str, Any] = {}
    if params["time_zone"] is not None:
        given["zone"] = windows_zone(params["time_zone"])
    if params["start"] is not None:
        given["day"], given["time"] = parse_start(params["start"])
    if params["duration"] is not None:
        given["duration"] = parse_duration(params["duration"])
    if params["expiration"] is not None:
        ends = params["expiration"].strip().lower() != "never"
        given["expiration"] = parse_moment(params["expiration"], "expiration") if ends else None
    if params["quarter_month"] is not None and params["patch_tuesday"] is None:
        raise InvalidInput("quarter_month goes with patch_tuesday.")
    if (recurrence := _recurrence(params)) is not None:
        given["recurrence"] = recurrence
    for name in ("kb_include", "kb_exclude"):
        if params[name] is not None:
            given[name] = kbs_of(params[name], name)
    if params["classifications"] is not None:
        given["classifications"] = in_order(params["classifications"])
    return given


def _recurrence(params: Mapping[str, Any]) -> Recurrence | None:
    if params["patch_tuesday"] is not None:
        return after_patch_tuesday(params["patch_tuesday"], every_months=3 if params["quarter_month"] else 1)
    if params["every"] is not None:
        return recurrence_of(params["every"])
    return parse_recurrence(params["recur_every"]) if params["recur_every"] is not None else None


def _remove(call: Call, arm: Arm, target: ResourceId, shown: Configuration | None) -> list[str]:
    """Delete it; what a person should know about that."""
    if shown is None:
        return []
    try:
        assigned = sum(
            1
            for item in maintenance.assignments(arm, target.subscription)
            if maintenance.configuration_of(item) == target.key
        )
    except NotAllowed:
        assigned = 0
    if not call.check_mode:
        maintenance.delete(arm, str(target), doing=f"deleting the maintenance configuration {target.name}")
    return [f"{assigned} machines or scopes were assigned to it; it patches them no more."] if assigned else []


def _set(
    call: Call,
    arm: Arm,
    target: ResourceId,
    asked: Mapping[str, Any],
    document: Mapping[str, Any] | None,
    now: Configuration | None,
) -> Configuration:
    window = _window(call, asked, now)
    wanted = _wanted(call, asked, now, window)
    if now is not None and now.as_dict() == wanted.as_dict():
        return wanted
    if now is None:
        _check_limit(arm, target, wanted.location)
    if call.check_mode:
        return wanted
    verb = "creating" if now is None else "changing"
    answer = maintenance.write(
        arm, str(target), body_of(wanted, window, document), doing=f"{verb} the maintenance configuration {target.name}"
    )
    return read_configuration(answer)


def _wanted(call: Call, asked: Mapping[str, Any], now: Configuration | None, window: Window) -> Configuration:
    params = call.params
    base = now or Configuration(
        location="", window=None, reboot_setting="never", classifications=("critical", "security")
    )
    location = location_key(params["location"] or base.location)
    if not location:
        raise InvalidInput("location: a new maintenance configuration needs a region, such as westeurope.")
    if now is not None and location != now.location:
        raise Refused(
            f"{params['name']} is in {now.location}; the region of a maintenance configuration cannot be changed.",
            hint="Leave location out, or make one of another name there.",
        )
    wanted = replace(
        base,
        location=location,
        window=window,
        reboot_setting=params["reboot_setting"] or base.reboot_setting or "never",
        classifications=asked.get("classifications", base.classifications),
        kb_include=asked.get("kb_include", base.kb_include),
        kb_exclude=asked.get("kb_exclude", base.kb_exclude),
        exclude_kbs_requiring_reboot=base.exclude_kbs_requiring_reboot
        if params["exclude_kbs_requiring_reboot"] is None
        else params["exclude_kbs_requiring_reboot"],
        tags=base.tags if params["tags"] is None else {str(key): str(text) for key, text in params["tags"].items()},
    )
    check_lists(wanted)
    return wanted


def _window(call: Call, asked: Mapping[str, Any], now: Configuration | None) -> Window:
    known = now.window if now is not None else None
    if known is None:
        missing = [
            words
            for key, words in (
                ("time", "start"), ("zone", "time_zone"), ("recurrence", "patch_tuesday, every or recur_every"),
            )
            if key not in asked
        ]  # fmt: skip
        if missing:
            raise InvalidInput(f"A new schedule needs {' and '.join(missing)}.")
    zone = asked.get("zone") or (known.zone if known else "")
    recurrence: Recurrence = known.recurrence if known and "recurrence" not in asked else asked["recurrence"]
    rules = rules_of(zone)
    moment = call.now().astimezone(UTC)
    today = moment.astimezone(rules).replace(tzinfo=None)
    quarter = call.params["quarter_month"]
    window = Window(
        start=_start(asked, known, moment, quarter, zone, recurrence),
        duration=asked.get("duration") or (known.duration if known else parse_duration("3:55")),
        zone=zone,
        recurrence=recurrence,
        expiration=asked.get("expiration", known.expiration if known else None),
    )
    if window.start.date() < today.date() and (known is None or window.start != known.start):
        following = next_openings(replace(window, expiration=None), rules, moment, 1)
        raise InvalidInput(
            f"start: {moment_text(window.start)} is in the past, which Azure does not take.",
            hint=f"Say {following[0].as_dict()['local']}, or only the time of day." if following else None,
        )
    if quarter and not in_quarter_month(month_of(window.start.date()), quarter):
        raise InvalidInput(
            f"start: {moment_text(window.start)} is not in month {quarter} of its quarter.",
            hint="Say only the time of day, and the day is worked out.",
        )
    if known is None or window.expiration != known.expiration:
        check_expiration(window, today)
    return window


def _start(
    asked: Mapping[str, Any],
    known: Window | None,
    moment: datetime,
    quarter: int | None,
    zone: str,
    recurrence: Recurrence,
) -> datetime:
    """The day stays as it is, where only a time of day is said and nothing else asks for another."""
    if asked.get("day") is not None:
        return datetime.combine(asked["day"], asked["time"])
    if known is not None:
        at = asked.get("time", known.start.time())
        fits = quarter is None or in_quarter_month(month_of(known.start.date()), quarter)
        if recurrence == known.recurrence and fits:
            same = datetime.combine(known.start.date(), at)
            today = moment.astimezone(rules_of(zone)).date()
            if same == known.start or same.date() >= today:
                return same
            # Azure takes no new start in the past. The rate goes on counting from where it began.
            return next_start(same, recurrence, rules_of(zone), moment)
    else:
        at = asked["time"]
    return first_start(at, recurrence, rules_of(zone), moment, quarter)


def _check_limit(arm: Arm, target: ResourceId, location: str) -> None:
    try:
        there = [
            item
            for item in maintenance.configurations(arm, target.subscription)
            if location_key(str(item.get("location") or "")) == location
        ]
    except NotAllowed:
        return  # who may write one group need not see the others
    if len(there) >= MOST:
        raise Refused(
            f"There are {len(there)} maintenance configurations in {location} already, and Azure takes {MOST} in a "
            "subscription's region.",
            hint="Delete what nobody needs, or use one configuration for several rings.",
        )


def _result(
    call: Call,
    arm: Arm,
    target: ResourceId,
    before: dict[str, Any] | None,
    after: Configuration | None,
    notes: list[str],
) -> dict[str, Any]:
    shown = after.as_dict() if after else None
    openings: list[Opening] = []
    if after is not None and after.window is not None:
        rules, now = rules_of(after.window.zone), call.now().astimezone(UTC)
        openings = next_openings(after.window, rules, now, _SHOWN)
        if not openings:
            notes = [*notes, "It opens no more: its expiration comes before its next start."]
        notes = [*notes, *warnings_of(after, too_early=comes_too_early(after.window, rules, now))]
        for opening in openings[:3]:
            call.progress(f"  [azure] {target.name}: {opening.words}")
    for text in notes:
        call.warn(f"{target.name}: {text}")
    return {
        "changed": before != shown,
        "id": str(target),
        "configuration": shown,
        "next_starts": [opening.as_dict() for opening in openings],
        "notes": notes,
        "diff": {"before": before or {}, "after": shown or {}},
        "traffic": arm.traffic,
        "correlation_id": arm.correlation_id,
    }

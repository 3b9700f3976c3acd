# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Read and set the Windows Update settings of a server, and say which of them restart it by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import CONNECTION_OPTIONS, Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Fault, HotpatchError, InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_policy import (
    GuestUpdatePolicy,
    ServiceRestart,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.effective_policy import (
    PolicyReading,
    doubts,
    effective,
    refused_by_domain,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.restart_policy import (
    Likelihood,
    Risk,
    of_likelihood,
    restart_risks,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_settings import (
    BY_OPTION,
    PLACES,
    SETTINGS,
    Raw,
    Setting,
    Writes,
    changes,
    problem,
    target,
)

#: Longest range of active hours (Microsoft Learn, Policy CSP Update, ActiveHoursMaxRange).
MAX_ACTIVE_HOURS = 18


def _option(setting: Setting) -> dict[str, Any]:
    if setting.kind == "choice":
        return {"type": "str", "choices": list(setting.choices)}
    if setting.kind == "weeks":
        return {"type": "list", "elements": "str", "choices": ["every", "first", "second", "third", "fourth"]}
    return {"type": "str" if setting.kind == "date" else setting.kind}


SPEC = Spec(
    {
        **CONNECTION_OPTIONS,
        **{setting.option: _option(setting) for setting in SETTINGS},
        "not_configured": {
            "type": "list",
            "elements": "str",
            "choices": ["all", *BY_OPTION],
            "default": [],
        },
        "never_restart": {"type": "bool", "default": False},
        "domain_conflict": {"type": "str", "choices": ["fail", "warn"], "default": "fail"},
        "restart_service": {"type": "bool", "default": True},
    }
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises InvalidInput: an option, or what the options would make together, is wrong; nothing was written.
    :raises Refused: a Group Policy object of the domain has a setting otherwise, or the settings would restart the
        server by themselves and must not; nothing was written.
    :raises Fault: the server refuses to be read or written.
    """
    wanted, not_configured = _asked(call.params)
    server = call.server()
    client = server.connect()
    try:
        policy = GuestUpdatePolicy(client, call.name, clock=server.monotonic, sleep=server.sleep)
        before = policy.read()
        after = target(wanted, not_configured, before.values)
        writes = changes(before.values, after)
        _check_together(call.name, after, {*wanted, *not_configured})
        _check_domain(call, before, writes)
        _check_restarts(call, before.with_values(after))
        if call.check_mode or not writes:
            return _result(call, before, before.with_values(after), writes, None)
        return _apply(call, policy, before, writes)
    finally:
        client.close()


def _asked(params: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What is wanted by option, and what is to be not configured.

    :raises InvalidInput: an option is wrong.
    """
    wanted = {option: params[option] for option in BY_OPTION if params.get(option) is not None}
    removed = list(params["not_configured"])
    if "all" in removed:
        removed = [option for option in BY_OPTION if option not in wanted]
    wrong = [words for option, given in wanted.items() if (words := problem(option, given))]
    wrong += [f"{option} is wanted and not_configured at once" for option in removed if option in wanted]
    if wrong:
        raise InvalidInput(f"{'; '.join(wrong)}.")
    return wanted, removed


def _check_together(name: str, after: Mapping[str, Raw], asked: set[str]) -> None:
    """
    :raises InvalidInput: the settings would be wrong together, and this call touches them.
    """
    wrong = []
    if asked & {"use_wsus", "wsus_server", "wsus_status_server"} and after.get("usewuserver") == 1:
        if not after.get("wuserver"):
            wrong.append("use_wsus without wsus_server makes every search for updates fail")
        elif not after.get("wustatusserver"):
            # "This policy is paired with WUStatusServer" (Microsoft Learn, Configure Automatic Updates without AD).
            wrong.append("wsus_server counts only together with wsus_status_server, which is mostly the same address")
    if asked & {"active_hours_start", "active_hours_end"}:
        start, end = after.get("activehoursstart"), after.get("activehoursend")
        if (start is None) != (end is None):
            wrong.append("active_hours_start and active_hours_end belong together")
        elif isinstance(start, int) and isinstance(end, int) and not 1 <= (end - start) % 24 <= MAX_ACTIVE_HOURS:
            wrong.append(f"active hours last from 1 to {MAX_ACTIVE_HOURS} hours")
    if wrong:
        raise InvalidInput(f"{name}: {'; '.join(wrong)}.", server=name)


def _check_domain(call: Call, before: PolicyReading, writes: Writes) -> None:
    """
    :raises Refused: a Group Policy object of the domain has a value otherwise, and that is to fail.
    """
    conflicts = refused_by_domain(before, writes)
    if not conflicts or call.params["domain_conflict"] == "warn":
        return
    error = Refused(
        f"{call.name}: the domain has settings otherwise, so nothing was written. {' '.join(conflicts)}",
        code="domain_policy",
        hint="Change the Group Policy object, take the server out of its scope, or set domain_conflict to warn.",
        server=call.name,
    )
    error.details = {"conflicts": conflicts, "effective": effective(before), **_risks(before)}
    raise error


def _check_restarts(call: Call, after: PolicyReading) -> None:
    """
    :raises Refused: with the settings as they will be the server restarts by itself, or may, and must not.
    """
    risks = _risks(after)
    found = [*risks["restarts_by_itself"], *risks["may_restart"]]
    if not call.params["never_restart"] or not found:
        return
    words = " ".join(f"{risk['words']} {risk['remedy']}" for risk in found)
    error = Refused(
        f"{call.name}: with these settings the server restarts by itself, or may, so nothing was written. {words}",
        code="restart_policy",
        hint="Set these options in the same task, or leave never_restart out.",
        server=call.name,
    )
    error.details = {"effective": effective(after), **risks}
    raise error


def _apply(call: Call, policy: GuestUpdatePolicy, before: PolicyReading, writes: Writes) -> dict[str, Any]:
    """Write, read back, and let Windows Update read its settings anew.

    :raises Fault: the server refuses, or a value is not as it was written.
    """
    written: list[str] = []
    try:
        policy.write(writes, written.append)
        after = policy.read()
    except HotpatchError as error:
        error.changed = bool(written)
        error.details = {"written": written}
        raise
    lost = [PLACES[name][1] for name, data in writes.items() if after.values.get(name) != data]
    if lost:
        fault = Fault(
            f"{call.name}: these values are not as they were written a moment ago: {', '.join(lost)}.",
            code="not_kept",
            hint="Something else writes them: look for a Group Policy, a management agent or a scheduled script.",
            server=call.name,
        )
        fault.changed = before.values != after.values
        fault.details = {"written": written}
        raise fault
    service = policy.restart_service() if call.params["restart_service"] else None
    return _result(call, before, after, writes, service)


def _result(
    call: Call, before: PolicyReading, after: PolicyReading, writes: Writes, service: ServiceRestart | None
) -> dict[str, Any]:
    conflicts = doubts(after, after.values, writes)
    for words in conflicts:
        call.warn(words)
    changed = dict(before.values) != dict(after.values)
    if service is None and changed:
        words = "The service wuauserv has not been restarted; it reads its settings when it starts."
        service = ServiceRestart(False, True, words)
    if service is not None and service.due and not call.check_mode:
        call.warn(service.words)
    result: dict[str, Any] = {
        "changed": changed,
        "effective": effective(after),
        **_risks(after),
        "domain_member": after.member,
        "conflicts": conflicts,
        "service": service.as_dict() if service else {"restarted": False, "due": False, "words": "Nothing changed."},
    }
    if changed:
        touched = sorted({*before.values, *after.values})
        different = [name for name in touched if before.values.get(name) != after.values.get(name)]
        result["diff"] = {
            "before": {PLACES[name][1]: before.values.get(name, "not configured") for name in different},
            "after": {PLACES[name][1]: after.values.get(name, "not configured") for name in different},
        }
    return result


def _written_back(reading: PolicyReading) -> list[Risk]:
    """What restarts the server by itself once Group Policy has written its values back, and does not yet."""
    now = {
        risk.setting for risk in restart_risks(reading.as_facts()) or () if risk.likelihood is not Likelihood.CAUTION
    }
    then = restart_risks(reading.written_back().as_facts()) or ()
    return [
        replace(
            risk,
            likelihood=Likelihood.UNKNOWN,
            words=f"{risk.words} It does not stand on the server now, and Group Policy writes it back.",
            remedy="Change the Group Policy object that gives it.",
        )
        for risk in then
        if risk.likelihood is not Likelihood.CAUTION and risk.setting not in now
    ]


def _risks(reading: PolicyReading) -> dict[str, list[dict[str, Any]]]:
    risks = [*(restart_risks(reading.as_facts()) or ()), *_written_back(reading)]
    return {
        key: [risk.as_dict() for risk in of_likelihood(risks, likelihood)]
        for key, likelihood in (
            ("restarts_by_itself", Likelihood.YES),
            ("may_restart", Likelihood.UNKNOWN),
            ("cautions", Likelihood.CAUTION),
        )
    }

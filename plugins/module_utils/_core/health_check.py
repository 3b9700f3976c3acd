# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Record what a server does, and prove later that it does it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import CONNECTION_OPTIONS, Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    HotpatchError,
    InvalidInput,
    Unhealthy,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.health import (
    SERVICES,
    Check,
    CommandCheck,
    PageCheck,
    PortCheck,
    Seen,
    ServiceCheck,
    Watch,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.reach import Page
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.restart import SELF_STOPPING, is_named
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.health import (
    Rule,
    Service,
    make_record,
    read_record,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import Answer, restarted
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.quoting import cmd_quote

CHECK_OPTIONS: dict[str, Any] = {
    "kind": {"type": "str", "choices": ["service", "tcp", "http", "command"], "required": True},
    "name": {"type": "str"},
    "timeout": {"type": "float", "default": 10},
    "max_seconds": {"type": "float"},
    "max_slowdown": {"type": "float"},
    "service": {"type": "str"},
    "state": {"type": "str", "choices": ["running", "stopped", "any"], "default": "running"},
    "start_mode": {"type": "str", "choices": ["auto", "manual", "disabled"]},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "url": {"type": "str"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "contains": {"type": "str"},
    "redirects": {"type": "int", "default": 3},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "program": {"type": "str"},
    "arguments": {"type": "list", "elements": "str", "default": []},
    "exit_codes": {"type": "list", "elements": "int", "default": [0]},
}

SPEC = Spec(
    {
        **CONNECTION_OPTIONS,
        "mode": {"type": "str", "choices": ["record", "prove"], "default": "prove"},
        "before": {"type": "dict"},
        "automatic_services": {"type": "bool", "default": True},
        "services": {"type": "list", "elements": "str", "default": []},
        "ignore_services": {"type": "list", "elements": "str", "default": []},
        "checks": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": CHECK_OPTIONS,
            "required_if": [
                ("kind", "service", ["service"]),
                ("kind", "tcp", ["port"]),
                ("kind", "http", ["url"]),
                ("kind", "command", ["program"]),
            ],
            "required_together": [("username", "password")],
        },
        "delay": {"type": "float", "default": 0},
        "timeout": {"type": "int", "default": 600},
        "poll_interval": {"type": "float", "default": 5},
        "successes_in_a_row": {"type": "int", "default": 3},
        "attempts": {"type": "int", "default": 20},
    }
)

# Options without a default that belong to one kind, or to two; elsewhere they would be passed over in silence.
_BELONGS = {
    "service": ("service",),
    "start_mode": ("service",),
    "host": ("tcp",),
    "port": ("tcp",),
    "url": ("http",),
    "ca_path": ("http",),
    "username": ("http",),
    "contains": ("http", "command"),
    "program": ("command",),
}
_NOT_IN_CHECK_MODE = "A command is not run in check mode."


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises Unhealthy: something is not as it was, or a check does not pass.
    :raises Unreachable: the server could not be read at the end.
    :raises InvalidInput: an option cannot be meant, or there is nothing to prove.
    """
    params = call.params
    if params["timeout"] <= 0 or params["poll_interval"] <= 0 or params["delay"] < 0:
        raise InvalidInput("timeout and poll_interval must be above zero, and delay not below it.")
    checks = _checks(params["checks"], call)
    left_out = [check for check in checks if call.check_mode and isinstance(check, CommandCheck)]
    checks = [check for check in checks if check not in left_out]
    recording = params["mode"] == "record"
    rule = Rule(params["successes_in_a_row"], params["attempts"], from_start=recording)
    result = _record(call, checks, rule) if recording else _prove(call, checks, rule)
    result["checks"] += [
        {"name": check.name, "kind": check.kind, "passed": Answer.UNKNOWN.value, "words": _NOT_IN_CHECK_MODE,
         "seconds": None, "attempts": 0}
        for check in left_out
    ]  # fmt: skip
    return result


def _record(call: Call, checks: Sequence[Check], rule: Rule) -> dict[str, Any]:
    params = call.params
    if params["before"] is not None:
        raise InvalidInput("before goes with mode prove; mode record makes such a record.")
    seen = _watch(call, checks, rule)
    running, stopped = _chosen(params, seen.services or {})
    record = make_record(
        call.name, call.now().strftime("%Y-%m-%dT%H:%M:%SZ"), seen.boot_time, running, stopped, seen.details
    )
    passed = sum(1 for check in seen.details if check["passed"] == Answer.YES)
    measured = f"; {passed} of {len(seen.details)} checks pass" if seen.details else ""
    return {
        "changed": False,
        "passed": seen.passed.value,
        "record": record,
        "checks": seen.details,
        "services_missing": [],
        "boot_time": seen.boot_time,
        "restarted": None,
        "msg": f"{call.name}: {len(running)} running services are recorded{measured}.",
    }


def _chosen(params: Mapping[str, Any], services: Mapping[str, Service]) -> tuple[list[str], list[str]]:
    """The services that run and must run again, and those that were named and do not run."""
    named = {name.lower(): name for name in params["services"]}
    ignored = (*SELF_STOPPING, *params["ignore_services"])

    def is_meant(key: str, service: Service) -> bool:
        automatic = params["automatic_services"] and service.start_mode == "auto"
        return key in named or (automatic and not is_named(key, ignored))

    running = [service.name for key, service in services.items() if service.running and is_meant(key, service)]
    stopped = [name for key, name in named.items() if not (key in services and services[key].running)]
    return running, stopped


def _prove(call: Call, checks: Sequence[Check], rule: Rule) -> dict[str, Any]:
    params = call.params
    if params["before"] is None and not params["checks"]:
        raise InvalidInput(
            "There is nothing to prove.", hint="Give the record of mode record as before, or checks, or both."
        )
    if params["services"]:
        raise InvalidInput("services goes with mode record; a service to prove is a check of kind service.")
    before = None if params["before"] is None else read_record(params["before"])
    wanted = None
    if before is not None:
        # Those that stop by themselves are not in the record, unless they were named.
        wanted = [name for name in before.services if not is_named(name, params["ignore_services"])]
    seen = _watch(call, checks, rule, wanted=wanted, seconds_before=before.seconds if before else None)
    for detail in seen.details:
        detail["seconds_before"] = before.seconds.get(detail["name"]) if before else None
    result: dict[str, Any] = {
        "changed": False,
        "passed": seen.passed.value,
        "checks": seen.details,
        "services_missing": seen.services_missing,
        "boot_time": seen.boot_time,
        "restarted": _moved(before.boot_time, seen.boot_time) if before else None,
    }
    if seen.passed is not Answer.YES:
        error: HotpatchError = _unhealthy(call, seen)
        if isinstance(seen.trouble, Unreachable):
            error = _unread(call, seen.trouble)
        error.details = {key: value for key, value in result.items() if key != "changed"}
        raise error
    parts = [f"all {len(wanted)} services that ran before run"] if wanted is not None else []
    parts += [f"{len(checks)} of {len(checks)} checks pass"] if checks else []
    result["msg"] = f"{call.name}: {' and '.join(parts) or 'nothing was looked at'}."
    return result


def _moved(before: str | None, after: str | None) -> bool | None:
    return restarted({"boot": {"last_boot": before}}, {"boot": {"last_boot": after}})


def _watch(call: Call, checks: Sequence[Check], rule: Rule, *, wanted: Any = None, seconds_before: Any = None) -> Seen:
    server = call.server()
    recording = call.params["mode"] == "record"
    watch = Watch(
        server.connect_probe,
        call.name,
        checks,
        rule,
        clock=call.monotonic,
        sleep=call.sleep,
        interval=call.params["poll_interval"],
        wanted=wanted,
        seconds_before=seconds_before,
        ask_server=recording or wanted is not None,
        patient=not recording,
        progress=call.progress,
    )
    delay = call.params["delay"]
    if delay and not call.check_mode:
        call.progress(f"looking in {delay:g} s")
        call.sleep(delay)
    return watch.run(call.params["timeout"])


def _unread(call: Call, trouble: Unreachable) -> HotpatchError:
    """The server could not be reached at the end, however well its ports may look from here."""
    return Unreachable(
        f"{call.name}: whether it works could not be seen: {trouble.message}",
        code=trouble.code,
        hint="Look at the server's console or its hypervisor; run again when it answers.",
        server=call.name,
    )


def _unhealthy(call: Call, seen: Seen) -> HotpatchError:
    bad = [detail for detail in seen.details if detail["passed"] != Answer.YES]
    shown = "; ".join(f"{detail['name']}: {detail['words']}" for detail in bad[:5])
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    return Unhealthy(
        f"{call.name} is not proven to work: {shown}{more}.",
        hint="Look at these on the server. What is unknown counts as not passed.",
        server=call.name,
    )


# ---- checks


def _checks(given: Sequence[Mapping[str, Any]], call: Call) -> list[Check]:
    """
    :raises InvalidInput: a check cannot be meant, or two have one name.
    """
    checks = [_check(options, call) for options in given]
    names = [check.name for check in checks]
    for name in names:
        if name == SERVICES:
            raise InvalidInput(f"A check cannot be called {name!r}; the services of the record are.")
        if names.count(name) > 1:
            raise InvalidInput(f"Two checks are called {name!r}.", hint="Give each check a name of its own.")
    return checks


def _check(options: Mapping[str, Any], call: Call) -> Check:
    kind = options["kind"]
    name = options["name"] or _name(options, call)
    for option, kinds in _BELONGS.items():
        if options[option] is not None and kind not in kinds:
            raise InvalidInput(f"The check {name!r} is of kind {kind}, which has no {option}.")
    for option in ("timeout", "max_seconds", "max_slowdown"):
        if options[option] is not None and not options[option] > 0:
            raise InvalidInput(f"The check {name!r} has the {option} {options[option]}; it must be above zero.")
    common: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "timeout": options["timeout"],
        "max_seconds": options["max_seconds"],
        "max_slowdown": options["max_slowdown"],
    }
    if kind == "service":
        running = {"running": True, "stopped": False, "any": None}[options["state"]]
        if options["max_seconds"] is not None or options["max_slowdown"] is not None:
            raise InvalidInput(f"The check {name!r} is of kind service, which takes no time.")
        return ServiceCheck(service=options["service"], running=running, start_mode=options["start_mode"], **common)
    if kind == "tcp":
        if not 1 <= options["port"] <= 65535:
            raise InvalidInput(f"The check {name!r} has the port {options['port']}; it must be between 1 and 65535.")
        return PortCheck(host=_host(options, call), port=options["port"], **common)
    if kind == "http":
        return PageCheck(page=_page(options, name), **common)
    for argument in (options["program"], *options["arguments"]):
        cmd_quote(argument)
    codes = frozenset(code % 2**32 for code in options["exit_codes"])
    if not options["program"].strip() or not codes:
        raise InvalidInput(f"The check {name!r} needs a program and at least one exit code that is right.")
    return CommandCheck(
        program=options["program"],
        arguments=tuple(options["arguments"]),
        exit_codes=codes,
        contains=options["contains"],
        **common,
    )


def _host(options: Mapping[str, Any], call: Call) -> str:
    """The host of a tcp check: the one given, else the server itself."""
    return str(options["host"] or (call.settings.address if call.settings else ""))


def _name(options: Mapping[str, Any], call: Call) -> str:
    kind = options["kind"]
    if kind == "tcp":
        return f"tcp {_host(options, call)}:{options['port']}"
    if kind == "http":
        return f"http {_parts(options['url'])[0]}"
    return f"{kind} {options['service' if kind == 'service' else 'program']}"


def _page(options: Mapping[str, Any], name: str) -> Page:
    _parts(options["url"])
    if not options["status"] or options["redirects"] < 0:
        raise InvalidInput(f"The check {name!r} needs at least one status that is right, and redirects not below 0.")
    return Page(
        url=options["url"],
        statuses=tuple(options["status"]),
        contains=options["contains"],
        validate_certs=options["validate_certs"],
        ca_path=options["ca_path"],
        username=options["username"],
        password=options["password"],
        redirects=options["redirects"],
    )


def _parts(url: str) -> tuple[str, str]:
    """How an address is shown, and its host.

    :raises InvalidInput: it is no address of a page, or holds a login.
    """
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise InvalidInput("The url of an http check is not an address such as https://web01.example.com/health.")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput(
            f"The url for {parts.hostname} holds a login, which would show in results.",
            hint="Give username and password as options of the check.",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}", parts.hostname

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Bring a server's Arc agent to where it is wanted: read, plan, do one step, read again, until nothing is planned.

Planning anew after each step is what makes a lost answer harmless: what was done shows, and is not done twice. A step
that is planned again after it was done had no effect, which is an error and no loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.arc_login import Login, read_login
from ansible_collections.winops.hotpatch.plugins.module_utils._core.arc_options import (
    PROXY,
    hashed,
    host_option,
    sha256_option,
    source_of,
    version_option,
    wanted_settings,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.arc_agent import condition_of
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.arc_plan import (
    CONFIGURE,
    CONNECT,
    DISCONNECT,
    FORGET,
    INSTALL,
    START,
    UNINSTALL,
    UPGRADE,
    WAIT,
    ArcPlan,
    Setting,
    Step,
    Wish,
    pending_settings,
    plan,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AgentFailed,
    HotpatchError,
    InvalidInput,
    Refused,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.arc_agent import ArcReading, GuestArcAgent
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.arc_agent_text import Endpoint
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.arc_package import GuestArcPackage
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.open_shell import OpenShell

_CHANGING = (INSTALL, UPGRADE, START, CONFIGURE, CONNECT, DISCONNECT, FORGET, UNINSTALL)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises InvalidInput: options do not fit together, or a file cannot be read.
    :raises Refused: it must not be done here, or needs a permission that was not given.
    :raises AgentFailed: the agent or its package says no.
    """
    return _Work(call).run()


class _Work:
    """One call on one server."""

    def __init__(self, call: Call) -> None:
        self.call = call
        params = call.params
        if params["timeout"] <= 0:
            raise InvalidInput("timeout must be above zero.")
        self.seconds = float(params["timeout"])
        self.login: Login = read_login(params)
        self.wish = Wish(
            state=params["state"],
            place=self.login.place,
            version=version_option(params["version"]),
            settings=wanted_settings(params),
            login=self.login.given,
            private_link_scope=self.login.private_link_scope,
            allow_identity_reset=params["allow_identity_reset"],
            reconnect=params["reconnect"],
            force_local_only=params["force_local_only"],
        )
        self.sha256 = sha256_option(params["sha256"])
        if not params["verify_signature"] and self.sha256 is None:
            raise InvalidInput(
                "verify_signature may be false only with sha256: a package that nothing vouches for is not run."
            )
        self.hosts = [host_option(name) for name in params["endpoints"]]
        self.source = source_of(params)
        self.endpoints: list[Endpoint] = []
        self.package: dict[str, Any] | None = None
        self.done: list[Step] = []
        self.warned: set[str] = set()

    def run(self) -> dict[str, Any]:
        server = self.call.server()
        opened = OpenShell(server.connect, server.name, sleep=server.sleep, clock=server.monotonic)
        with opened:
            pause = float(self.call.params["poll_interval"])
            self.agent = GuestArcAgent(
                opened, self.call.progress, poll_interval=pause, wait_seconds=float(self.call.params["wait_timeout"])
            )
            self.packages = GuestArcPackage(opened, self.call.progress, poll_interval=pause)
            before = self.agent.read()
            planned = self._plan(before)
            if self.call.check_mode:
                return self._foretold(before, planned)
            cleaned = self._clean(before)
            try:
                after = self._work(before, planned)
            except HotpatchError as error:
                error.changed = error.changed or cleaned or any(step.kind in _CHANGING for step in self.done)
                error.details = {**self._details(), **error.details}
                raise
            return self._result(before, after, cleaned=cleaned)

    # ---- planning

    def _plan(self, reading: ArcReading) -> ArcPlan:
        planned = plan(reading.arc, reading.settings, reading.platform, self.wish)
        if planned.refusal:
            refused = Refused(
                f"{self.call.name}: {planned.refusal.words}",
                code=planned.refusal.code,
                hint=planned.refusal.hint,
                server=self.call.name,
            )
            refused.details = {
                **planned.condition.as_dict(),
                "agent": reading.arc,
                "platform": reading.platform.as_dict(),
                "notes": reading.notes,
            }
            raise refused
        for text in planned.warnings:
            if text and text not in self.warned:
                self.warned.add(text)
                self.call.warn(text)
        return planned

    def _foretold(self, before: ArcReading, planned: ArcPlan) -> dict[str, Any]:
        """What would be done. The network is looked at, since that changes nothing."""
        kinds = [step.kind for step in planned.steps]
        if kinds == [WAIT]:
            raise self._no_contact(before)
        if kinds == [CONNECT]:
            # With a step before it, such as a proxy to be set, today's network tells nothing.
            self._check_endpoints(before)
        self.done = list(planned.steps)
        shown = view(before, self.wish)
        result = self._shape(before, planned.steps, changed=any(kind in _CHANGING for kind in kinds))
        result["diff"] = {"before": shown, "after": {**shown, **foreseen(planned, self.wish)}}
        return result

    # ---- doing

    def _clean(self, reading: ArcReading) -> bool:
        """Delete the logins that an earlier run, ended from outside, left behind."""
        if not reading.left_over:
            return False
        if not self.agent.delete_left_over(reading.left_over):
            raise HotpatchError(
                f"{self.call.name}: a login that an earlier run left behind could not be deleted.",
                code="secret_not_deleted",
                hint="Delete the folders secret-* in %ProgramFiles%\\winops.hotpatch by hand.",
                server=self.call.name,
            )
        self.call.warn("A login that an earlier run had left behind was deleted.")
        return True

    def _work(self, reading: ArcReading, planned: ArcPlan) -> ArcReading:
        while planned.steps:
            step = planned.steps[0]
            if _once(step.kind) in {_once(old.kind) for old in self.done}:
                raise AgentFailed(
                    f"{self.call.name}: {step.kind} was done and had no effect: {step.why}",
                    code="no_effect",
                    hint="Look at the agent's log on the server, and at what the package's version is.",
                    server=self.call.name,
                )
            self.call.progress(f"{step.kind}: {step.why}")
            # It counts as done from here on, because it may have had its effect when it fails.
            self.done.append(step)
            self._do(step, reading)
            reading = self.agent.read()
            planned = self._plan(reading)
        return reading

    def _do(self, step: Step, reading: ArcReading) -> None:
        steps: Mapping[str, Callable[[ArcReading], object]] = {
            INSTALL: self._install,
            UPGRADE: self._install,
            START: lambda _reading: self.agent.start_service(),
            CONFIGURE: self._configure,
            CONNECT: self._connect,
            DISCONNECT: lambda _reading: self.agent.disconnect(self.login.for_disconnect()),
            FORGET: lambda _reading: self.agent.disconnect(None),
            UNINSTALL: self._uninstall,
            WAIT: self._wait,
        }
        steps[step.kind](reading)

    def _proxy(self, reading: ArcReading) -> str | None:
        wanted = self.wish.settings.get("proxy.url")
        if wanted is not None:
            return str(wanted) or None
        there = (reading.settings or {}).get("proxy.url") or reading.arc["proxy"]
        return str(there) if there and PROXY.fullmatch(str(there)) else None

    def _install(self, reading: ArcReading) -> None:
        source = hashed(self.source)
        if source.sha256 and self.sha256 not in (None, source.sha256):
            raise Refused(
                f"{self.call.name}: the SHA-256 of {source.name} is {source.sha256} and not {self.sha256}.",
                code="hash",
                hint="Find out why it differs before it is run anywhere.",
                server=self.call.name,
            )
        path = self.packages.fetch(source, self._proxy(reading), self.seconds)
        try:
            checked = self.packages.check(path, self.sha256, signature=self.call.params["verify_signature"])
            text = self.packages.install(checked, lambda: self.agent.show()["agent_version"], self.seconds)
        finally:
            self.packages.drop(path)
        self.package = {
            "source": self.source.name,
            "sha256": checked.sha256,
            "signer": checked.signer,
            "exit_code": text.code,
            "meaning": text.meaning,
        }

    def _uninstall(self, reading: ArcReading) -> None:
        if reading.product_code is None:
            raise AgentFailed(
                f"{self.call.name}: the agent is installed, but its product code is not in the registry.",
                code="product_code",
                hint="Look below the registry key Uninstall, and repair the package.",
                server=self.call.name,
            )
        self.packages.uninstall(reading.product_code, lambda: self.agent.show()["agent_version"], self.seconds)

    def _configure(self, reading: ArcReading) -> None:
        pending = pending_settings(reading.settings, self.wish.settings)
        # Monitor mode fixes the lists, so the mode goes first when it becomes full, and last when it becomes monitor.
        last = [name for name in pending if name == "config.mode" and pending[name] == "monitor"]
        self.agent.change_settings({name: pending[name] for name in [*(n for n in pending if n not in last), *last]})

    def _connect(self, reading: ArcReading) -> None:
        self._check_endpoints(reading)
        self.agent.connect(self.login.for_connect(), self.seconds)

    def _check_endpoints(self, reading: ArcReading) -> None:
        mode = self.call.params["check_endpoints"]
        if mode == "skip":
            return
        self.call.progress("checking the endpoints that the agent and hotpatch need")
        place = self.wish.place
        private = self.login.private_link_scope is not None
        self.endpoints = self.agent.check(place.get("location"), place.get("cloud"), private=private)
        if self.hosts:
            self.endpoints += self.agent.reach(self.hosts, self._proxy(reading), required=True)
        closed = [row for row in self.endpoints if row.reachable is False and row.required]
        unknown = [row.name for row in self.endpoints if row.reachable is None]
        if unknown:
            self.call.warn(f"Whether these are reached could not be told: {', '.join(unknown)}.")
        if closed and mode == "enforce":
            refused = Refused(
                f"{self.call.name}: these endpoints cannot be reached: {', '.join(row.name for row in closed)}.",
                code="endpoints_unreachable",
                hint="Open them in firewall and proxy, set proxy_url, or set check_endpoints to report.",
                server=self.call.name,
            )
            refused.details = self._details()
            raise refused

    def _wait(self, reading: ArcReading) -> None:
        # Only what was done a moment ago needs time to show.
        fresh = any(step.kind in _CHANGING for step in self.done)
        if fresh and condition_of(self.agent.wait_for_contact(), {}).code != "disconnected":
            return
        raise self._no_contact(reading)

    def _no_contact(self, reading: ArcReading) -> AgentFailed:
        condition = condition_of(reading.arc, self.wish.place)
        if self.call.params["check_endpoints"] != "skip":
            self.endpoints = self.agent.check(None, None, private=bool(reading.arc["private_link_scope"]))
            if self.hosts:
                self.endpoints += self.agent.reach(self.hosts, self._proxy(reading), required=True)
        closed = [row.name for row in self.endpoints if row.reachable is False]
        words = f" It cannot reach {', '.join(closed)}." if closed else ""
        failed = AgentFailed(
            f"{self.call.name}: {condition.words}{words}",
            code="arc_disconnected",
            hint=condition.remedy,
            retryable=True,
            server=self.call.name,
        )
        failed.details = {**condition.as_dict(), "agent": reading.arc, **self._details()}
        return failed

    # ---- telling

    def _details(self) -> dict[str, Any]:
        return {
            "steps": [{"kind": step.kind, "why": step.why} for step in self.done],
            "endpoints": [row.as_dict() for row in self.endpoints],
            "package": self.package,
        }

    def _result(self, before: ArcReading, after: ArcReading, *, cleaned: bool) -> dict[str, Any]:
        first, last = view(before, self.wish), view(after, self.wish)
        result = self._shape(after, tuple(self.done), changed=first != last or cleaned)
        result["diff"] = {"before": first, "after": last}
        return result

    def _shape(self, reading: ArcReading, steps: tuple[Step, ...], *, changed: bool) -> dict[str, Any]:
        place = self.wish.place if self.wish.state == "connected" else {}
        return {
            "changed": changed,
            **condition_of(reading.arc, place).as_dict(),
            "agent": reading.arc,
            "settings": _plain(reading.settings),
            "platform": reading.platform.as_dict(),
            **self._details(),
            "steps": [{"kind": step.kind, "why": step.why} for step in steps],
            "notes": reading.notes,
        }


def view(reading: ArcReading, wish: Wish) -> dict[str, Any]:
    """What of a server counts as its state; the clock's part is left out."""
    arc = reading.arc
    place = wish.place if wish.state == "connected" else {}
    kept = (
        "installed", "service", "agent_version", "resource_id", "tenant_id", "subscription_id", "resource_group",
        "resource_name", "location", "cloud",
    )  # fmt: skip
    return {
        "condition": condition_of(arc, place).code,
        **{name: arc[name] for name in kept},
        "settings": _plain(reading.settings),
    }


def foreseen(planned: ArcPlan, wish: Wish) -> dict[str, Any]:
    """What of the view the steps will change."""
    kinds = {step.kind for step in planned.steps}
    found: dict[str, Any] = {}
    if kinds & {INSTALL, UPGRADE}:
        found |= {"installed": True, "service": "running", "agent_version": wish.version or "(that of the package)"}
    if kinds & {DISCONNECT, FORGET}:
        found |= {"condition": "not_connected", "resource_id": None}
    if CONNECT in kinds:
        found |= {"condition": "connected", **{name: value for name, value in wish.place.items() if value}}
    if START in kinds:
        found |= {"service": "running"}
    if CONFIGURE in kinds:
        found |= {"settings": _plain(dict(wish.settings))}
    if UNINSTALL in kinds:
        found |= {"condition": "absent", "installed": False, "service": "absent", "agent_version": None}
    return found


def _plain(settings: Mapping[str, Setting] | None) -> dict[str, Any] | None:
    """Settings as JSON; a name and password that somebody has put into an address are not shown."""
    if settings is None:
        return None
    return {
        name: list(value) if isinstance(value, tuple) else re.sub(r"//[^/@]*@", "//(hidden)@", value)
        for name, value in settings.items()
    }


def _once(kind: str) -> str:
    return INSTALL if kind == UPGRADE else kind

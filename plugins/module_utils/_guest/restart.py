# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Restart a server and prove it: the boot time changed, servicing is over, the services that ran before run again.

The answer to a restart proves nothing, and neither does a server that answers: it may not have gone down yet, and an
update may restart it a second time after Windows was up already. Each probe has a client of its own and short timeouts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadAnswer,
    CertificateNotTrusted,
    Fault,
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
    RestartFailed,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts import iso
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort, Connect
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.servicing import (
    Boot,
    read_boot,
    read_pending,
    read_servicing,
    running_automatic_services,
)

#: Services that start with Windows and end by themselves when idle (trigger-started ones and updaters).
#: Compared without case; a trailing star matches the rest.
SELF_STOPPING = (
    "sppsvc",
    "TrustedInstaller",
    "BITS",
    "wuauserv",
    "UsoSvc",
    "MapsBroker",
    "RemoteRegistry",
    "gupdate*",
    "edgeupdate*",
    "GoogleUpdater*",
    "clr_optimization*",
    "WbioSrvc",
    "CDPSvc",
    "tiledatamodelsvc",
)

#: shutdown.exe: a restart was scheduled before (1190), or is under way (1115).
_ALREADY = (1190, 1115)

#: The server answers nothing else any more while it goes down.
_SHUTTING_DOWN = "0x8007045B"

#: How long after a lost answer the restart may still show, beside the delay that was asked for.
_LOST_GRACE = 120.0

#: Two readings of one boot time may differ by the rounding of the clock.
_SAME_BOOT = 2.0

#: What to look at, by the stage that did not end.
_HINT = "Look at the server's console or its hypervisor; run again when it answers."
_HINTS = {
    "boot": (
        "Look at the server's console or its hypervisor: it may wait for the BitLocker recovery key or at a repair "
        "menu, still be working on updates, or be switched off. Run again when it answers."
    ),
    "settle": (
        "Look at the Setup event log and the servicing log (CBS.log). Restart it once by hand; if a restart is pending "
        "again after that, repair the component store (DISM /Online /Cleanup-Image /RestoreHealth)."
    ),
}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class RestartOptions:
    """How to restart.

    :param delay: seconds between the request and the restart; at least 1, so that the answer can come back.
    :param message: what signed-in people are shown.
    :param only_if_pending: do nothing unless a restart is known to be pending.
    :param skip_if_booted_since: ISO time with offset; a server that booted after it is left alone.
    :param boot_seconds: until the new boot time.
    :param settle_seconds: from there until servicing is over and the boot time stable.
    :param services_seconds: from there until the services run.
    :param seconds: for all of it.
    :param probe_interval: between looks for the new boot time.
    :param settle_interval: between looks at servicing.
    :param settle_probes: how many looks without a break must find it calm.
    :param ignore_services: services, beside SELF_STOPPING, that need not run again.
    :param require_services: whether services that stay away make the restart a failure.
    """

    delay: int = 5
    message: str = "Restart to finish updates (winops.hotpatch)"
    only_if_pending: bool = False
    skip_if_booted_since: str | None = None
    boot_seconds: float = 1800
    settle_seconds: float = 1800
    services_seconds: float = 600
    seconds: float = 3600
    probe_interval: float = 5
    settle_interval: float = 10
    settle_probes: int = 3
    ignore_services: Collection[str] = ()
    require_services: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.delay <= 3600:
            raise InvalidInput(f"The restart's delay is {self.delay} s; it must be between 1 and 3600 s.")
        if not self.message or len(self.message) > 500 or not self.message.isascii():
            raise InvalidInput("The restart's message must be 1 to 500 ASCII characters.")
        if self.settle_probes < 1 or self.probe_interval <= 0 or self.settle_interval <= 0:
            raise InvalidInput("The restart's probes and intervals must be positive.")
        self.since()

    def since(self) -> datetime | None:
        """``skip_if_booted_since`` as a moment.

        :raises InvalidInput: it is not one, or has no offset.
        """
        if self.skip_if_booted_since is None:
            return None
        try:
            moment = datetime.fromisoformat(self.skip_if_booted_since)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise InvalidInput(
                f"The time {self.skip_if_booted_since!r} is not an ISO time with its offset.",
                hint="Write it like 2025-12-18T03:00:11Z.",
            )
        return moment.astimezone(UTC)


class RestartNotProven(RestartFailed):
    """A stage did not end in its time.

    :ivar details: what was seen up to then, as the result would have it, with the ``stage`` that failed.
    :ivar changed: whether a restart was asked for.
    """

    def __init__(self, message: str, *, hint: str, server: str, details: dict[str, Any], changed: bool) -> None:
        super().__init__(message, hint=hint, server=server)
        self.details = details
        self.changed = changed


def restart(
    connect: Connect,
    server: str,
    options: RestartOptions,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    progress: Progress = lambda _line: None,
    check_mode: bool = False,
) -> dict[str, Any]:
    """Restart a server, unless the options say that none is needed, and prove it.

    The result: ``restarted``, ``would_restart``, ``boot_time_before``, ``boot_time_after``, ``boots`` (how many were
    seen), ``stages`` (``name`` and ``seconds`` of each), ``services_missing``, ``pending_before``, ``pending_after``
    and ``why``.

    :param connect: makes a client with short timeouts; called for each probe.
    :param clock: monotonic seconds.
    :raises RestartNotProven: a stage did not end in its time; it names the stage and what was seen.
    :raises HotpatchError: before anything was asked for, so nothing was done.
    """
    return _Restart(connect, server, options, clock, sleep, progress).run(check_mode)


def is_named(name: str, patterns: Collection[str]) -> bool:
    """Whether a service is meant by one of the names; compared without case, and ``abc*`` means all that begin so."""
    folded = name.lower()
    for pattern in patterns:
        exact = pattern.lower()
        if folded == exact or (exact.endswith("*") and folded.startswith(exact[:-1])):
            return True
    return False


class _Restart:
    """One restart of one server."""

    def __init__(
        self,
        connect: Connect,
        server: str,
        options: RestartOptions,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        progress: Progress,
    ) -> None:
        self.connect = connect
        self.server = server
        self.options = options
        self.clock = clock
        self.sleep = sleep
        self.progress = progress
        self.began = clock()
        self.deadline = self.began + options.seconds
        self.stage_began = self.began
        self.stages: list[dict[str, Any]] = []
        self.asked = False
        self.lost_until: float | None = None
        self.said = ""
        self.trouble = "it was not looked at yet"
        self.result: dict[str, Any] = {
            "restarted": False,
            "would_restart": False,
            "boot_time_before": None,
            "boot_time_after": None,
            "boots": 0,
            "stages": self.stages,
            "services_missing": [],
            "pending_before": None,
            "pending_after": None,
            "why": None,
        }

    def run(self, check_mode: bool) -> dict[str, Any]:
        with_client = self.connect()
        try:
            recorded_at = self.clock()
            before = read_boot(with_client, self.server)
            services = running_automatic_services(with_client)
            pending = read_pending(with_client)
        finally:
            with_client.close()
        self.result["boot_time_before"] = self.result["boot_time_after"] = iso(before.time)
        self.result["pending_before"] = self.result["pending_after"] = pending
        needed, self.result["why"] = self.decide(before, pending["pending"])
        self.end_stage("record")
        self.result["would_restart"] = needed
        if not needed or check_mode:
            return self.result
        self.ask()
        boot = self.wait_for_boot(before, recorded_at)
        self.result["restarted"] = True
        boot = self.settle(boot)
        self.result["boot_time_after"] = iso(boot.time)
        self.wait_for_services(services)
        return self.result

    def decide(self, boot: Boot, pending: bool | None) -> tuple[bool, str]:
        """Whether to restart, and why. What is not known is no reason to."""
        since = self.options.since()
        if since is not None and boot.time > since:
            return False, f"The server booted at {iso(boot.time)}, after {iso(since)}."
        if not self.options.only_if_pending:
            return True, "A restart was asked for."
        if pending is None:
            return False, "Whether a restart is pending could not be read, so nothing was done."
        return pending, "A restart is pending." if pending else "No restart is pending."

    # ---- stages

    def ask(self) -> None:
        """Have Windows restart itself; with a delay shutdown.exe also closes programs that would keep it."""
        self.say("asking for the restart")
        client = self.connect()
        command = f"shutdown.exe /r /t {self.options.delay} /d p:2:17 /c"
        try:
            with client.shell() as shell:
                answer = shell.run(command, [self.options.message], timeout=60)
            exit_code: int | None = answer.exit_code
        except (AuthenticationFailed, CertificateNotTrusted):
            raise
        except Fault as fault:
            if fault.code != _SHUTTING_DOWN:
                raise
            exit_code = 0
        except (OutcomeUnknown, AnswerTimeout, Unreachable, BadAnswer) as error:
            # It may have been done. Only the boot time can tell.
            self.trouble = f"the answer to the request was lost: {error.message}"
            exit_code = None
        finally:
            client.close()
        if exit_code not in (None, 0, *_ALREADY):
            raise self.failure(
                "ask",
                f"shutdown.exe ended with {exit_code}",
                hint="The account needs the right to shut the system down." if exit_code == 5 else None,
            )
        self.asked = True
        self.lost_until = None if exit_code is not None else self.clock() + self.options.delay + _LOST_GRACE
        self.end_stage("ask")

    def wait_for_boot(self, before: Boot, recorded_at: float) -> Boot:
        """Wait until the server says that it booted again."""
        until = min(self.deadline, self.clock() + self.options.boot_seconds)
        down = False
        while True:
            boot = self.probe()
            if boot is None and not down:
                down = True
                self.say("the server is down")
                self.end_stage("shutdown")
            if boot is not None:
                if self.is_new(before, boot, self.clock() - recorded_at):
                    self.result["boots"] = 1
                    self.result["boot_time_after"] = iso(boot.time)
                    self.say(f"the server booted at {iso(boot.time)}")
                    self.end_stage("boot")
                    return boot
                self.trouble = f"it still answers with the boot time {iso(boot.time)}"
                if self.lost_until is not None and self.clock() >= self.lost_until:
                    # The lost request was not carried out: ask once more, and this time know.
                    self.ask()
            self.pause("boot", self.options.probe_interval, until)

    def settle(self, boot: Boot) -> Boot:
        """Wait until the boot time stays and servicing is over, for some looks without a break."""
        until = min(self.deadline, self.clock() + self.options.settle_seconds)
        calm = 0
        seen_at = self.clock()
        while True:
            client = self.connect()
            try:
                now, servicing = read_boot(client, self.server), read_servicing(client)
            except HotpatchError as error:
                calm, self.trouble = 0, f"it did not answer: {error.message}"
            else:
                if self.is_new(boot, now, self.clock() - seen_at):
                    self.result["boots"] += 1
                    self.result["boot_time_after"] = iso(now.time)
                    self.say(f"the server booted again at {iso(now.time)}")
                    calm = 0
                    self.trouble = f"it booted again at {iso(now.time)}"
                elif servicing.calm:
                    calm += 1
                else:
                    calm, self.trouble = 0, f"servicing is not over: {servicing.words}"
                    self.say(f"servicing is not over: {servicing.words}")
                boot, seen_at = now, self.clock()
            finally:
                client.close()
            if calm >= self.options.settle_probes:
                self.end_stage("settle")
                return boot
            self.pause("settle", self.options.settle_interval, until)

    def wait_for_services(self, before: Collection[str]) -> None:
        """Wait until the automatic services that ran before run again; delayed ones start minutes after the boot."""
        until = min(self.deadline, self.clock() + self.options.services_seconds)
        ignored = (*SELF_STOPPING, *self.options.ignore_services)
        wanted = [name for name in before if not is_named(name, ignored)]
        while True:
            client = self.connect()
            try:
                running = set(running_automatic_services(client))
                missing = [name for name in wanted if name not in running]
                self.result["services_missing"] = missing
                self.trouble = f"these services do not run: {', '.join(missing)}"
                if not missing:
                    self.result["pending_after"] = read_pending(client)
                    self.end_stage("services")
                    return
            except HotpatchError as error:
                self.trouble = f"it did not answer: {error.message}"
            finally:
                client.close()
            if self.result["services_missing"] and not self.options.require_services and self.clock() >= until:
                self.result["pending_after"] = self.pending_now()
                self.end_stage("services")
                return
            self.pause("services", self.options.settle_interval, until)

    # ---- parts of stages

    def say(self, line: str) -> None:
        """Tell the person, each thing once in a row."""
        if line != self.said:
            self.said = line
            self.progress(line)

    def probe(self) -> Boot | None:
        """The boot time, by a client of its own; None when the server does not answer."""
        client: ClientPort = self.connect()
        try:
            return read_boot(client, self.server)
        except HotpatchError as error:
            self.trouble = f"it did not answer: {error.message}"
            return None
        finally:
            client.close()

    def pending_now(self) -> dict[str, Any] | None:
        client = self.connect()
        try:
            return read_pending(client)
        except HotpatchError:
            return None
        finally:
            client.close()

    def is_new(self, before: Boot, now: Boot, elapsed: float) -> bool:
        """Whether the server booted between two readings.

        A clock that was set moves the boot time as well, without a boot; then the uptime went on as before. So both
        must tell: another boot time, and less uptime than there would be without a boot.
        """
        if abs((now.time - before.time).total_seconds()) <= _SAME_BOOT:
            return False
        uninterrupted = before.uptime + elapsed
        return now.uptime < uninterrupted - min(10.0, max(before.uptime, 0.0) / 2)

    def pause(self, stage: str, seconds: float, until: float) -> None:
        left = until - self.clock()
        if left <= 0:
            raise self.failure(stage, f"the time is over, and {self.trouble}")
        self.sleep(min(seconds, left))

    def end_stage(self, name: str) -> None:
        now = self.clock()
        self.stages.append({"name": name, "seconds": round(now - self.stage_began, 1)})
        self.stage_began = now

    def failure(self, stage: str, seen: str, *, hint: str | None = None) -> RestartNotProven:
        self.end_stage(stage)
        return RestartNotProven(
            f"{self.server}: the restart is not proven, at the stage {stage}: {seen}.",
            hint=hint or _HINTS.get(stage, _HINT),
            server=self.server,
            details={**self.result, "stage": stage},
            changed=self.asked,
        )

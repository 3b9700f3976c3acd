# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Watch a server until it does again what it did before: its services, and checks of its workload.

A server may answer WinRM long before its services run, and it may go down a second time. So everything is looked at
again and again: each probe with a time limit of its own and, where it goes through WinRM, a client of its own, all of
it under one deadline. A boot seen between two looks makes all looks before it void.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AuthenticationFailed,
    BadAnswer,
    CertificateNotTrusted,
    HotpatchError,
    InvalidInput,
    NotSupported,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts import iso
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort, Connect
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.reach import Page, look_at_page, look_at_port
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.servicing import CIMV2, Boot, read_boot
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.health import (
    Look,
    Rule,
    Service,
    Standing,
    judge,
    missing,
    overall,
    timely,
    typical_seconds,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import SAME_BOOT_SECONDS, Answer

#: The name and the kind that the services of the record have among the checks.
SERVICES = "services"

# A server may refuse a good account while it starts (a domain controller does). More refusals than this in a row might
# lock the account.
_REFUSALS = 3

_MAX_OUTPUT = 1024 * 1024

# A word before the program, because cmd /c strips quotes from a line that begins with one; it does nothing else. The
# program finds its input at its end, so that none waits for somebody to type.
_BEFORE_PROGRAM = "cd .& <nul"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing to look at.

    :param timeout: seconds for one look.
    :param max_seconds: how long a good answer may take.
    :param max_slowdown: how many times as long as in the record.
    """

    name: str
    kind: str
    timeout: float = 10.0
    max_seconds: float | None = None
    max_slowdown: float | None = None


@dataclass(frozen=True, kw_only=True)
class ServiceCheck(Check):
    """A service that runs or does not (None: either), and how it starts (None: anyhow)."""

    service: str
    running: bool | None = True
    start_mode: str | None = None

    def look(self, services: Mapping[str, Service]) -> Look:
        found = services.get(self.service.lower())
        if found is None:
            return Look(Answer.NO, f"there is no service {self.service}")
        state = "runs" if found.running else "does not run"
        words = f"{found.name} {state} and starts as {found.start_mode}"
        right = self.running in (None, found.running) and self.start_mode in (None, found.start_mode)
        return Look(Answer.YES if right else Answer.NO, words)


@dataclass(frozen=True, kw_only=True)
class PortCheck(Check):
    """A TCP port, seen from here."""

    host: str
    port: int

    def look(self, seconds: float, clock: Callable[[], float]) -> Look:
        return look_at_port(self.host, self.port, seconds, clock)


@dataclass(frozen=True, kw_only=True)
class PageCheck(Check):
    """A page, seen from here."""

    page: Page

    def look(self, seconds: float, clock: Callable[[], float]) -> Look:
        return look_at_page(self.page, seconds, clock)


@dataclass(frozen=True, kw_only=True)
class CommandCheck(Check):
    """A program run on the server, in the cmd shell; its arguments are quoted for it."""

    program: str
    arguments: tuple[str, ...] = ()
    exit_codes: frozenset[int] = frozenset({0})
    contains: str | None = None

    def look(self, client: ClientPort, seconds: float, clock: Callable[[], float]) -> Look:
        """
        :raises HotpatchError: it could not be run, or its end is not known.
        """
        with client.shell() as shell:
            began = clock()
            answer = shell.run(
                _BEFORE_PROGRAM, [self.program, *self.arguments], timeout=seconds, max_output=_MAX_OUTPUT
            )
            took = clock() - began
        code = answer.exit_code
        if code not in self.exit_codes:
            said = clean((answer.stderr or answer.stdout).decode("utf-8", "replace"), 160)
            return Look(Answer.NO, f"{self.program} ended with {code}" + (f": {said}" if said else ""), took)
        if self.contains is not None and self.contains.encode() not in answer.stdout:
            return Look(Answer.NO, f"{self.program} ended with {code}, but without the text that is looked for", took)
        return Look(Answer.YES, f"{self.program} ended with {code}", took)


def read_services(client: ClientPort, server: str) -> dict[str, Service]:
    """All services of the server, by name in lower case.

    :raises BadAnswer: the server names none.
    """
    found: dict[str, Service] = {}
    for row in client.enumerate(CIMV2, "SELECT Name, State, StartMode FROM Win32_Service"):
        name, state, mode = (clean(str(row.get(key) or ""), 256) for key in ("Name", "State", "StartMode"))
        if name:
            found[name.lower()] = Service(name, state == "Running", mode.lower())
    if not found:
        raise BadAnswer(f"{server}: Windows names no services.", server=server)
    return found


@dataclass
class Seen:
    """What a watch came to.

    :ivar details: of each check: ``name``, ``kind``, ``passed``, ``words``, ``seconds``, ``attempts``.
    :ivar services: all services at the latest look; None when they were never read, or not asked for.
    :ivar trouble: why the server could not be read at the latest look.
    """

    passed: Answer = Answer.UNKNOWN
    details: list[dict[str, Any]] = field(default_factory=list)
    services: dict[str, Service] | None = None
    services_missing: list[str] = field(default_factory=list)
    boot_time: str | None = None
    trouble: HotpatchError | None = None


class Watch:
    """Looks at one server until everything is good, or cannot become so.

    :param connect: makes a client with short timeouts; called for each look.
    :param wanted: services that are to run; None when services are only read.
    :param seconds_before: what the record says that each check took.
    :param ask_server: whether the server is asked although no check needs it.
    :param patient: whether a server that cannot be read is waited for.
    """

    def __init__(
        self,
        connect: Connect,
        server: str,
        checks: Sequence[Check],
        rule: Rule,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        interval: float,
        wanted: Sequence[str] | None = None,
        seconds_before: Mapping[str, float] | None = None,
        ask_server: bool = True,
        patient: bool = True,
        progress: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._connect = connect
        self._server = server
        self._checks = checks
        self._wanted = wanted
        self._before = seconds_before or {}
        self._clock = clock
        self._sleep = sleep
        self._interval = interval
        self._patient = patient
        self._progress = progress
        self._asks = ask_server or any(isinstance(check, (ServiceCheck, CommandCheck)) for check in checks)
        self._rules = {
            check.name: Rule(rule.in_a_row, lasting=True) if isinstance(check, ServiceCheck) else rule
            for check in checks
        }
        if wanted is not None:
            self._rules[SERVICES] = Rule(rule.in_a_row, lasting=True)
        self._looks: dict[str, list[Look]] = {name: [] for name in self._rules}
        self._boot: Boot | None = None
        self._refusals = 0
        self._said = ""
        self.seen = Seen()

    def run(self, seconds: float) -> Seen:
        """Look until all is good, until one thing is settled as not good, or for so many seconds.

        :raises AuthenticationFailed: the server refused the account several times in a row.
        :raises HotpatchError: the settings, the certificate or this installation allow no look at all; or the server
            could not be read, and is not waited for.
        """
        until = self._clock() + seconds
        while True:
            self._look(until)
            standings = self._standings()
            waited_for = [name for name, standing in standings.items() if standing.answer is not Answer.YES]
            hopeless = [name for name in waited_for if standings[name].settled]
            left = until - self._clock()
            # Without a check there is one thing to do: read the server once.
            read = not self._asks or self.seen.trouble is None
            if (not waited_for and read) or hopeless or left <= 0:
                return self._end(standings)
            self._say(waited_for)
            self._sleep(min(self._interval, left))

    def _look(self, until: float) -> None:
        """One look at everything that is not settled; a probe gets no more than what is left of the time."""
        if self._asks:
            self._look_at_server(until)
        for check in self._checks:
            if isinstance(check, (PortCheck, PageCheck)) and (seconds := self._due(check, until)):
                self._keep(check, check.look(seconds, self._clock))

    def _due(self, check: Check, until: float) -> float:
        """The seconds for a look at a check; 0 when it is settled or the time is over."""
        left = until - self._clock()
        if left <= 0 and self._looks[check.name]:
            return 0.0
        settled = judge(self._looks[check.name], self._rules[check.name]).settled
        return 0.0 if settled else max(0.5, round(min(check.timeout, left), 1))

    def _look_at_server(self, until: float) -> None:
        client = self._connect()
        try:
            self._read(client)
            for check in self._checks:
                if isinstance(check, CommandCheck) and (seconds := self._due(check, until)):
                    self._run(client, check, seconds)
            self._refusals = 0
            self.seen.trouble = None
        except AuthenticationFailed as error:
            self._refusals += 1
            if self._refusals >= _REFUSALS or not self._patient:
                raise
            self._nothing_seen(error)
        except (CertificateNotTrusted, NotSupported, InvalidInput):
            raise
        except HotpatchError as error:
            if not self._patient:
                raise
            self._nothing_seen(error)
        finally:
            client.close()

    def _read(self, client: ClientPort) -> None:
        boot = read_boot(client, self._server)
        if self._boot is not None and _booted_between(self._boot, boot):
            self._progress(f"the server booted again at {iso(boot.time)}")
            for looks in self._looks.values():
                looks.clear()
        self._boot = boot
        self.seen.boot_time = iso(boot.time)
        services = self.seen.services = read_services(client, self._server)
        if self._wanted is not None:
            self.seen.services_missing = away = missing(self._wanted, services)
            words = f"these services do not run: {', '.join(away)}" if away else f"all {len(self._wanted)} run again"
            self._looks[SERVICES].append(Look(Answer.NO if away else Answer.YES, words))
        for check in self._checks:
            if isinstance(check, ServiceCheck):
                self._keep(check, check.look(services))

    def _run(self, client: ClientPort, check: CommandCheck, seconds: float) -> None:
        """
        :raises HotpatchError: the server cannot be talked to at all.
        """
        try:
            self._keep(check, check.look(client, seconds, self._clock))
        except (AuthenticationFailed, CertificateNotTrusted, NotSupported, InvalidInput):
            raise
        except HotpatchError as error:
            # The command may have failed to end in its time while the server is well.
            self._keep(check, Look(Answer.UNKNOWN, error.message.rstrip(".")))

    def _nothing_seen(self, error: HotpatchError) -> None:
        """What needed the server is unknown now."""
        self.seen.trouble = error
        unknown = Look(Answer.UNKNOWN, f"the server could not be read: {error.message.rstrip('.')}")
        for name, looks in self._looks.items():
            check = next((each for each in self._checks if each.name == name), None)
            settled = judge(looks, self._rules[name]).settled
            if not settled and not isinstance(check, (PortCheck, PageCheck)):
                looks.append(unknown)

    def _keep(self, check: Check, look: Look) -> None:
        before = self._before.get(check.name)
        self._looks[check.name].append(timely(look, check.max_seconds, check.max_slowdown, before))

    def _standings(self) -> dict[str, Standing]:
        return {name: judge(looks, self._rules[name]) for name, looks in self._looks.items()}

    def _say(self, waited_for: Sequence[str]) -> None:
        """Tell the person what is waited for, each thing once in a row."""
        line = f"waiting for {', '.join(waited_for)}" if waited_for else "waiting for the server"
        if line != self._said:
            self._said = line
            self._progress(line)

    def _end(self, standings: Mapping[str, Standing]) -> Seen:
        kinds = {check.name: check.kind for check in self._checks} | {SERVICES: SERVICES}
        order = [SERVICES] if self._wanted is not None else []
        for name in [*order, *(check.name for check in self._checks)]:
            took = typical_seconds(self._looks[name])
            self.seen.details.append(
                {
                    "name": name,
                    "kind": kinds[name],
                    "passed": standings[name].answer.value,
                    "words": standings[name].words,
                    "seconds": None if took is None else round(took, 3),
                    "attempts": len(self._looks[name]),
                }
            )
        self.seen.passed = overall(standing.answer for standing in standings.values())
        return self.seen


def _booted_between(before: Boot, now: Boot) -> bool:
    """Whether the server booted between two readings. A clock that is set moves the boot time, but not the uptime."""
    return abs((now.time - before.time).total_seconds()) > SAME_BOOT_SECONDS and now.uptime < before.uptime

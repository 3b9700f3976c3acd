# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarts: their stages, what the port does meanwhile, and the second restart after a cumulative update.

Stages and their lengths, in seconds of a real server, from one recorded restart of a WS2025-era machine: two minutes
of shutting down with servicing work to do, seconds without; the first boot; TrustedInstaller restarts again 22 s
after the event log started; the new build shows about 40 s after the last boot and the pending marker stays 100 s
more (a public lab log). While services are still stopping the port is open, so an answer after the request proves
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Event
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.journal import Restart
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import REG_SZ
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry_content import (
    COMPUTER_NAME,
    SERVICING,
    mark_pending,
)

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

ALREADY_SCHEDULED = 1190
SHUTDOWN_IN_PROGRESS = 1115
NONE_IN_PROGRESS = 1116

STOPPING = 15.0
STOPPING_WITH_UPDATES = 120.0
OFF = 10.0
HARDWARE_TEST = 240.0
EVENT_LOG = 8.0
PORT_OPENS = 12.0
SERVICES_START = 10.0
DELAYED_SERVICES_START = 120.0
SECOND_RESTART = EVENT_LOG + 22.0
SECOND_STOP = 6.0
NEW_BUILD = 40.0
MARKERS_GO = NEW_BUILD + 100.0


class Power:
    """Whether one server runs, and its way through a restart.

    ``state`` is "running", "stopping" (the port is still open), "off", "booting" (the port is not open yet) or
    "lost".
    """

    def __init__(self, machine: Machine, booted: datetime) -> None:
        self._machine = machine
        self.state = "running"
        self.boots = 1
        self.booted = booted
        self._planned: Event | None = None
        self._planned_restart = True
        self._current: Restart | None = None
        self._asked_by = ("", "")

    @property
    def reachable(self) -> bool:
        """Whether the port is open."""
        return self.state in {"running", "stopping"}

    def schedule(self, seconds: float, by: str, how: str, *, restart: bool = True) -> int:
        """Ask for a restart (or the end) after a delay; returns a Win32 error, 0 when it was accepted."""
        if self.state != "running":
            return SHUTDOWN_IN_PROGRESS
        if self._planned is not None:
            return ALREADY_SCHEDULED
        self._machine.wrote("restart", how, by)
        self._planned_restart = restart
        self._asked_by = (by, how)
        if seconds <= 0:
            self._begin()
        else:
            self._planned = self._machine.timeline.after(seconds, self._begin)
        return 0

    def abort(self, by: str) -> int:
        """Take a delayed restart back; returns a Win32 error."""
        if self._planned is None:
            return NONE_IN_PROGRESS
        self._planned.cancel()
        self._planned = None
        self._machine.wrote("restart", "abort", by)
        return 0

    def restart_now(self, by: str, how: str) -> None:
        """A restart that Windows itself or a fault starts; nothing happens when one is under way."""
        if self.state == "running":
            self._asked_by = (by, how)
            self._planned_restart = True
            self._begin()

    def _begin(self) -> None:
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None
        machine = self._machine
        by, how = self._asked_by
        self._current = Restart(machine.now(), by, how)
        machine.journal.restarts.append(self._current)
        self.state = "stopping"
        long = machine.updates.restart_pending
        seconds = (STOPPING_WITH_UPDATES if long else STOPPING) * machine.jitter()
        machine.timeline.after(seconds, lambda: self._go_down(second=False))

    def _go_down(self, *, second: bool) -> None:
        machine = self._machine
        self.state = "off"
        machine.services.stop_all()
        machine.end_everything()
        if self._current is not None:
            self._current.down = machine.now()
        if not self._planned_restart or (machine.faults.never_returns and not second):
            self.state = "lost"
            return
        seconds = OFF * machine.jitter() + machine.faults.extra_boot_seconds
        if machine.spec.platform == "physical":
            seconds += HARDWARE_TEST
        machine.timeline.after(seconds, lambda: self._boot(second=second))

    def _boot(self, *, second: bool) -> None:
        machine = self._machine
        self.state = "booting"
        self.boots += 1
        self.booted = self._new_boot_time()
        if self._current is not None:
            self._current.booted = machine.now()
        machine.registry.forget_volatile()
        if not machine.hardware.switch_on():
            self.state = "lost"
            return
        with machine.registry.as_windows():
            self._apply_settings()
            if machine.faults.pending_returns:
                mark_pending(machine.registry, "component_based_servicing", machine.hostname)
        again = machine.updates.needs_second_restart and machine.spec.second_restart and not second
        boot = self.boots
        if machine.updates.needs_second_restart and not second:
            machine.updates.mark_in_progress()
        machine.timeline.after(SERVICES_START, lambda: self._start_services(boot, delayed=False))
        machine.timeline.after(PORT_OPENS, lambda: self._open_port(boot))
        machine.timeline.after(DELAYED_SERVICES_START, lambda: self._start_services(boot, delayed=True))
        if again:
            machine.timeline.after(SECOND_RESTART, lambda: self._second_restart(boot))
        else:
            machine.timeline.after(NEW_BUILD, lambda: self._if_same(boot, machine.updates.finish_restart))
            machine.timeline.after(MARKERS_GO, lambda: self._if_same(boot, machine.updates.forget_markers))

    def _second_restart(self, boot: int) -> None:
        if self.boots != boot or self.state not in {"running", "booting"}:
            return
        machine = self._machine
        how = rf"{machine.windows_directory}\servicing\TrustedInstaller.exe"
        self._current = Restart(machine.now(), "TrustedInstaller", how)
        machine.journal.restarts.append(self._current)
        self.state = "stopping"
        self._planned_restart = True
        machine.timeline.after(SECOND_STOP, lambda: self._go_down(second=True))

    def _open_port(self, boot: int) -> None:
        if self.boots == boot and self.state == "booting":
            self.state = "running"
            if self._current is not None:
                self._current.answering = self._machine.now()

    def _start_services(self, boot: int, *, delayed: bool) -> None:
        if self.boots == boot and self.state in {"running", "booting"}:
            self._machine.services.start(delayed=delayed, except_for=self._machine.faults.stopped_services)

    def _if_same(self, boot: int, action: Callable[[], None]) -> None:
        if self.boots == boot:
            action()

    def _new_boot_time(self) -> datetime:
        """LastBootUpTime ends in .500000 on real hosts, and two boots never share one."""
        moment = self._machine.now().replace(microsecond=0) - timedelta(seconds=0.5)
        earliest: datetime = self.booted + timedelta(seconds=1)
        return max(moment, earliest)

    def _apply_settings(self) -> None:
        """What only a restart makes true, such as a new computer name."""
        registry = self._machine.registry
        name = registry.read(COMPUTER_NAME + r"\ComputerName", "ComputerName")
        if name is not None and isinstance(name.data, str):
            registry.write(COMPUTER_NAME + r"\ActiveComputerName", "ComputerName", REG_SZ, name.data)
        if not self._machine.updates.restart_pending:
            registry.remove(SERVICING + r"\PackagesPending")

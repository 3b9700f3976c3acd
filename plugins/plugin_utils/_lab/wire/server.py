# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All listeners of a lab in one asyncio loop, kept in step with the simulated world by a single timer."""

from __future__ import annotations

import asyncio
import resource
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ssl import SSLContext

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.arm_server import ArmServer
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import LabWorld
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.auth import AccountFile
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.control import ControlServer
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.listener import Listener
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.service import Service
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.web import WebListener

# A round over all machines costs time: with many of them the rounds come less often. Between the rounds a machine
# that was just spoken to is looked after at once.
_SHORTEST_PAUSE, _SHORTEST_PER_MACHINE = 0.02, 0.00004
_LONGEST_PAUSE, _LONGEST_PER_MACHINE = 0.25, 0.0004
_SPARE_FILES = 512


class TooManyServers(Exception):
    """The operating system does not allow as many open sockets as the fleet needs."""


@dataclass(frozen=True)
class Doors:
    """The two listeners of one machine, and that of its web site."""

    service: Service
    http: Listener
    https: Listener
    web: WebListener | None = None


class WireServer:
    """Puts a world on the network.

    :param tls: for the HTTPS listeners.
    :param arm: Azure's endpoint, when the lab has one.
    """

    def __init__(self, world: LabWorld, tls: SSLContext, arm: ArmServer | None = None) -> None:
        self._world = world
        self._accounts = AccountFile()
        self._moved = asyncio.Event()
        self._touched: set[str] = set()
        self._replan = False
        self.doors: dict[str, Doors] = {}
        _allow_files(2 * len(world.machines) + _SPARE_FILES)
        for name, machine in world.machines.items():
            service = Service(machine, world.advance, time.monotonic)
            touched = partial(self._touch, name)
            http, https = (
                Listener(service, self._accounts, world.advance, touched, context) for context in (None, tls)
            )
            site = machine.web_site
            web = None if site is None else WebListener(machine, site, world.advance)
            self.doors[name] = Doors(service, http, https, web)
        self.control = ControlServer(world)
        self.control.moved = self._moved
        self.arm = arm
        if arm is not None:
            arm.moved = self._something_is_due_earlier

    async def run(self, ready: asyncio.Event, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set or the control address asks for it; set ``ready`` once all ports answer."""
        await self.control.start()
        if self.arm is not None:
            await self.arm.start()
        for doors in self.doors.values():
            await self._follow(doors)
        ready.set()
        ends = [asyncio.create_task(event.wait()) for event in (stop, self.control.stopped)]
        clock = asyncio.create_task(self._keep_step())
        try:
            done, _running = await asyncio.wait([*ends, clock], return_when=asyncio.FIRST_COMPLETED)
            if clock in done:
                clock.result()
        finally:
            for task in (*ends, clock):
                task.cancel()
            self.stop()

    def stop(self) -> None:
        """Close everything."""
        self.control.stop()
        if self.arm is not None:
            self.arm.stop()
        for doors in self.doors.values():
            doors.http.stop()
            doors.https.stop()
            if doors.web is not None:
                doors.web.stop()
        self._accounts.remove()

    def _something_is_due_earlier(self) -> None:
        """Azure answered: no port moves by that, but what it began may be due before anything else."""
        self._replan = True
        self._moved.set()

    def _touch(self, name: str) -> None:
        self._touched.add(name)
        self._moved.set()

    async def _keep_step(self) -> None:
        """Advance the world when something is due, and open and close ports after it."""
        shortest = max(_SHORTEST_PAUSE, len(self.doors) * _SHORTEST_PER_MACHINE)
        longest = max(_LONGEST_PAUSE, len(self.doors) * _LONGEST_PER_MACHINE)
        last_round = time.monotonic()
        while True:
            due = self._world.next_event_in()
            until_round = last_round + longest - time.monotonic()
            if due is not None:
                until_round = min(until_round, max(due, last_round + shortest - time.monotonic()))
            if until_round > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(until_round):
                        await self._moved.wait()
                self._moved.clear()
                touched, self._touched = self._touched, set()
                for name in touched:
                    await self._follow(self.doors[name])
                if touched or self._replan:
                    self._replan = False
                    continue
            self._world.advance()
            for doors in self.doors.values():
                await self._follow(doors)
            last_round = time.monotonic()

    async def _follow(self, doors: Doors) -> None:
        restarted = doors.service.forget_after_boot()
        await doors.http.follow(restarted=restarted)
        await doors.https.follow(restarted=restarted)
        if doors.web is not None:
            await doors.web.follow()


def _allow_files(needed: int) -> None:
    """Raise the soft limit of open files as far as the hard one lets us. Raises TooManyServers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, 2 * needed) if soft != resource.RLIM_INFINITY else soft
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft not in (wanted, resource.RLIM_INFINITY):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted != resource.RLIM_INFINITY and wanted < needed:
        raise TooManyServers(
            f"the fleet needs about {needed} open files, this system allows {wanted}; raise it with ulimit -n {needed}"
        )

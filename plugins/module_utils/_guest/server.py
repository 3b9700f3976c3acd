# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""One Windows server: how to reach it, and what can be asked of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts import read_facts
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.packages import GuestPackages
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.restart import RestartOptions, restart
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.rollback_record import RollbackRecord
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_run import Pace, UpdateRunner
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.vbs import GuestVbs
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.client import WsmanClient
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings

#: A probe of a server that may be down waits no longer than this for one answer.
PROBE_SECONDS = 10


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Server:
    """A server and the ways to reach out that a test replaces.

    :param client_class: makes a client from settings; ``WsmanClient`` but for tests.
    """

    settings: Settings
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    client_class: Callable[..., WsmanClient] = WsmanClient

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.settings.name

    def connect(self) -> ClientPort:
        """A client; nothing is sent before its first call."""
        return self.client_class(self.settings, sleep=self.sleep, monotonic=self.monotonic)

    def connect_probe(self) -> ClientPort:
        """A client with short timeouts, for a server that may be down."""
        operation = min(self.settings.operation_timeout, PROBE_SECONDS)
        settings = replace(self.settings, operation_timeout=operation, read_timeout=operation + 5)
        return self.client_class(settings, sleep=self.sleep, monotonic=self.monotonic)

    def facts(self) -> dict[str, Any]:
        """What a decision needs to know of it (see facts.py)."""
        client = self.connect()
        try:
            return read_facts(client, self.now)
        finally:
            client.close()

    def vbs(self) -> GuestVbs:
        """Its virtualization-based security, over one connection (see vbs.py)."""
        return GuestVbs(self.connect, self.name)

    def packages(self) -> GuestPackages:
        """Its component store (see packages.py)."""
        return GuestPackages(self.connect, self.name, clock=self.monotonic, sleep=self.sleep)

    def rollback_record(self) -> RollbackRecord:
        """The note that a rollback leaves on it (see rollback_record.py)."""
        return RollbackRecord(self.connect, self.name)

    def updates(self, run_id: str, pace: Pace | None = None) -> UpdateRunner:
        """Windows Update work under a run id (see update_run.py)."""
        return UpdateRunner(self.connect, self.name, run_id, clock=self.monotonic, sleep=self.sleep, pace=pace)

    def restart(
        self,
        options: RestartOptions,
        *,
        progress: Callable[[str], None] = lambda _line: None,
        check_mode: bool = False,
    ) -> dict[str, Any]:
        """Restart it and prove it (see restart.py)."""
        return restart(
            self.connect_probe,
            self.name,
            options,
            clock=self.monotonic,
            sleep=self.sleep,
            progress=progress,
            check_mode=check_mode,
        )

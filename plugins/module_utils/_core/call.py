# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What a front hands to a core: the options, the mode, and the ways to reach out.

A core is a function ``run(call) -> dict`` in a file named after its noun. It is called by the module front (a process
of its own) and by the action front (inside Ansible's worker) and must not know which. Everything that touches the
world beside the server comes in here, so that a core can be run in a test with a clock that stands still.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.server import Server
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.client import WsmanClient
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _silent(text: str) -> None:
    """Drop a progress line: the default of a call nobody watches."""
    del text


@dataclass(frozen=True)
class Call:
    """One call of a core.

    :param params: the validated options, plain Python values.
    :param name: what messages call the server (or the controller's step, when no server is touched).
    :param settings: how to reach the server; None for cores that touch none.
    :param progress: shows a line to the person while the work goes on.
    :param warn: shows a warning.
    :param environment: the environment variables of the task, which may say how to log in to Azure.
    """

    params: Mapping[str, Any]
    name: str
    settings: Settings | None = None
    check_mode: bool = False
    progress: Callable[[str], None] = _silent
    warn: Callable[[str], None] = _silent
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    client_class: Callable[..., WsmanClient] = field(default=WsmanClient)

    def server(self) -> Server:
        """The server to work on. Nothing is sent before something is asked of it."""
        if self.settings is None:
            raise InvalidInput(f"{self.name}: no server to talk to was given.")
        return Server(
            self.settings,
            now=self.now,
            sleep=self.sleep,
            monotonic=self.monotonic,
            client_class=self.client_class,
        )

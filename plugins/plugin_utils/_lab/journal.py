# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened on a server: requests it answered, changes made to it, installations, restarts.

A *write* is a change that somebody caused from outside: a file, a registry value, a task, a service, a restart. What
Windows does by itself afterwards (services starting, a build changing) is no write. Starting a command is none
either: the command decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import Record


@dataclass(frozen=True)
class Write:
    """One change: when, what kind (``file``, ``registry``, ``task``, ``restart``, ``service``, ``update``, ...), to
    what, by whom.
    """

    time: datetime
    kind: str
    what: str
    by: str

    def as_dict(self) -> dict[str, Any]:
        """For the control address."""
        return {"time": self.time.isoformat(), "kind": self.kind, "what": self.what, "by": self.by}


@dataclass
class Installation:
    """One update installed, or tried: the run that asked for it, and the result once there is one."""

    kb: str
    update_id: str
    title: str
    started: datetime
    run_id: str | None
    finished: datetime | None = None
    result_code: int | None = None
    hresult: int = 0
    restart_required: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the control address."""
        return {
            "kb": self.kb,
            "update_id": self.update_id,
            "title": self.title,
            "run_id": self.run_id,
            "started": self.started.isoformat(),
            "finished": None if self.finished is None else self.finished.isoformat(),
            "result_code": self.result_code,
            "hresult": f"0x{self.hresult & 0xFFFFFFFF:08X}",
            "restart_required": self.restart_required,
        }


@dataclass
class Restart:
    """One restart: who asked (``user``, ``TrustedInstaller``, ``policy``, ``fault``), with which command, and its
    stages.
    """

    asked: datetime
    by: str
    how: str
    down: datetime | None = None
    booted: datetime | None = None
    answering: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the control address."""

        def shown(moment: datetime | None) -> str | None:
            return None if moment is None else moment.isoformat()

        return {
            "asked": shown(self.asked),
            "by": self.by,
            "how": self.how,
            "down": shown(self.down),
            "booted": shown(self.booted),
            "answering": shown(self.answering),
        }


@dataclass
class Journal:
    """Everything that is kept about one server."""

    requests: list[Record] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    installations: list[Installation] = field(default_factory=list)
    downloads: list[dict[str, Any]] = field(default_factory=list)
    restarts: list[Restart] = field(default_factory=list)
    refused_scripts: list[dict[str, Any]] = field(default_factory=list)


def request_as_dict(entry: Record) -> dict[str, Any]:
    """One request for the control address."""
    return {
        "time": entry.time.isoformat(),
        "method": entry.method,
        "target": entry.target,
        "user": entry.user,
        "status": entry.status,
        "bytes_in": entry.bytes_in,
        "bytes_out": entry.bytes_out,
        "write": entry.write,
    }

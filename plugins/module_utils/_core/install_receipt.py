# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The receipt: the evidence of what was done to one server, and why it could be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_script import SHA256
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import Witness
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import Offered

VERSION = 1


class Receipt:
    """Collects the evidence while the work goes on."""

    def __init__(self, call: Call, mode: str, catalogue: Catalogue) -> None:
        self._call = call
        self._mode = mode
        self._catalogue = catalogue
        self._started = _stamp(call)
        self._before: Mapping[str, Any] = {}
        self.operations: list[dict[str, Any]] = []
        self.witnesses_before: list[dict[str, Any]] = []
        self.witnesses_after: list[dict[str, Any]] = []

    def read_before(self, facts: Mapping[str, Any]) -> None:
        """Keep what was true before."""
        self._before = facts

    def operation(self, answer: Mapping[str, Any]) -> None:
        """Keep that an operation ran on the server, and how it ended."""
        kept = ("run_id", "operation", "state", "started", "finished", "attached")
        self.operations.append({key: answer.get(key) for key in kept})

    def before(self, offered: Offered, witnesses: Iterable[Witness]) -> None:
        """Keep what the witnesses said about one update."""
        self.witnesses_before += [{"kb": offered.verdict.kb, **witness.as_dict()} for witness in witnesses]

    def after(self, witnesses: Iterable[Witness]) -> None:
        """Keep what the witnesses said afterwards."""
        self.witnesses_after = [witness.as_dict() for witness in witnesses]

    def as_dict(self, after: Mapping[str, Any] | None, kbs_installed: list[str], *, may: str) -> dict[str, Any]:
        """The receipt; ``may`` is what the witnesses came to."""
        return {
            "version": VERSION,
            "server": self._call.name,
            "mode": self._mode,
            "as_of": self._catalogue.on.isoformat(),
            "started": self._started,
            "finished": _stamp(self._call),
            "may_install": may,
            "witnesses_before": list(self.witnesses_before),
            "witnesses_after": list(self.witnesses_after),
            "operations": list(self.operations),
            "kbs_installed": list(kbs_installed),
            "build_before": self._before["os"]["build_ubr"],
            "build_after": after["os"]["build_ubr"] if after else None,
            "boot_time_before": self._before["boot"]["last_boot"],
            "boot_time_after": after["boot"]["last_boot"] if after else None,
            "restart_pending_before": self._before["restart_pending"]["pending"],
            "restart_pending_after": after["restart_pending"]["pending"] if after else None,
            "script_sha256": SHA256,
        }


def _stamp(call: Call) -> str:
    return call.now().strftime("%Y-%m-%dT%H:%M:%SZ")

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The receipt: the evidence of what was done to one server, and why it could be.

Its form is published as a JSON schema, docs/schemas/receipt-1.json. A key is never taken away or given another meaning
within one version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_script import SHA256
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.never_restart import Witness
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.choice import Offered

VERSION = 1
SCHEMA = f"winops.hotpatch/receipt-{VERSION}"

# What the receipt takes over from the result of the call.
_FROM_RESULT = (
    "run_id",
    "attached",
    "source",
    "offered",
    "offered_again",
    "results",
    "kbs_installed",
    "expected_build",
    "build_before",
    "build_after",
    "boot_time_before",
    "boot_time_after",
    "restart_first",
    "changed",
)


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
        error = answer.get("error") or {}
        self.operations.append({key: answer.get(key) for key in kept} | {"hresult": error.get("hresult")})

    def before(self, offered: Offered, witnesses: Iterable[Witness]) -> None:
        """Keep what the witnesses said about one update."""
        self.witnesses_before += [{"kb": offered.verdict.kb, **witness.as_dict()} for witness in witnesses]

    def after(self, witnesses: Iterable[Witness]) -> None:
        """Keep what the witnesses said afterwards."""
        self.witnesses_after = [witness.as_dict() for witness in witnesses]

    def as_dict(self, after: Mapping[str, Any] | None, result: Mapping[str, Any], *, may: str) -> dict[str, Any]:
        """The receipt.

        :param result: the keys of the call's result.
        :param may: what the witnesses came to.
        """
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "server": self._call.name,
            "mode": self._mode,
            "as_of": self._catalogue.on.isoformat(),
            "catalogue": {
                "collected": self._catalogue.collected.isoformat() if self._catalogue.collected else None,
                "files": list(self._catalogue.names),
            },
            "started": self._started,
            "finished": _stamp(self._call),
            "may_install": may,
            "witnesses_before": list(self.witnesses_before),
            "witnesses_after": list(self.witnesses_after),
            "operations": list(self.operations),
            "restart_pending_before": self._before["restart_pending"]["pending"],
            "restart_pending_after": after["restart_pending"]["pending"] if after else None,
            "script_sha256": SHA256,
            **{name: result[name] for name in _FROM_RESULT},
        }


def _stamp(call: Call) -> str:
    return call.now().strftime("%Y-%m-%dT%H:%M:%SZ")

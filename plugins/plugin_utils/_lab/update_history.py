# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The update history of a server as IUpdateSearcher.QueryHistory gives it: newest first, dates in UTC.

Copied from outputs of WS2025 machines: who installed (``MoUpdateOrchestrator`` is Windows Update itself), rows of the
Store that name no KB, the same Defender title again and again, and a row that stays "in progress" while its restart is
pending. A count below one, a start below zero and a start behind the last row are errors (Microsoft Learn,
IUpdateSearcher.QueryHistory; MS-UAMG 3.38.4.10).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_offers import (
    Offer,
    defender_title,
    os_title,
    update_id,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_rows import OsUpdate

WINDOWS_UPDATE = "9482f4b4-e343-43b6-b170-9a65bc822c77"
ORCHESTRATOR = "MoUpdateOrchestrator"
DEFENDER = "Windows Defender"
STORE = "Acquisition;setup-StartProductInstallWithOptionsAsync"

INSTALL = 1
IN_PROGRESS, SUCCEEDED, FAILED = 1, 2, 4
# CBS_E_INSTALLERS_FAILED, what is seen after servicing has rolled back in a restart.
ROLLED_BACK = 0x800F0922

_MONTHS_KEPT = 14
_DEFENDER_DAYS = 12


@dataclass
class Entry:
    """One row."""

    moment: datetime
    operation: int
    title: str
    update_id: str
    revision: int
    client: str
    server_selection: int
    service_id: str
    result_code: int = SUCCEEDED
    hresult: int = 0


class UpdateHistory:
    """What was installed on one server, and when; the lab's day is where the older rows end."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._waiting: dict[str, Entry] = {}

    @property
    def entries(self) -> Sequence[Entry]:
        """All rows, newest first."""
        return self._entries[::-1]

    def begin(self, past: Sequence[OsUpdate], as_of: date) -> None:
        """The rows of a server that was looked after by Windows Update itself.

        :param past: the updates of the operating system that it took, oldest first.
        """
        rows: list[Entry] = []
        for item in past[-_MONTHS_KEPT:]:
            rows.append(_windows(item.date, 3, os_title(item), update_id(item.kb, item.build), 200, ORCHESTRATOR))
            tool = "Windows Malicious Software Removal Tool x64 - v5.139 (KB890830)"
            rows.append(_windows(item.date, 2, tool, update_id(f"KB890830/{item.month}", 0), 200, ORCHESTRATOR))
        for days in range(_DEFENDER_DAYS, 0, -1):
            day = as_of - timedelta(days=days)
            row = _windows(day, 5, defender_title(), update_id(f"KB2267602/{day}", 0), 200, DEFENDER)
            if days == _DEFENDER_DAYS // 2:
                row.result_code, row.hresult = FAILED, 0x80070643
            rows.append(row)
        store = _windows(as_of - timedelta(days=9), 6, "9NKRJ3SJ9SDG-Microsoft.WindowsAppRuntime.1.8", "", 1, STORE)
        store.server_selection, store.service_id = 3, "855e8a7c-ecb4-4ca3-b045-1dfa50104289"
        store.update_id = update_id("9NKRJ3SJ9SDG", 0)
        rows.append(store)
        self._entries = sorted(rows, key=lambda row: row.moment)

    def installed(
        self, offer: Offer, moment: datetime, result_code: int, hresult: int, *, waits: bool, source: tuple[int, str]
    ) -> None:
        """An installation of ours ended; while it waits for a restart its row says "in progress"."""
        code = IN_PROGRESS if waits and result_code == SUCCEEDED else result_code
        entry = Entry(
            moment,
            INSTALL,
            offer.title,
            offer.update_id,
            offer.revision,
            "winops.hotpatch",
            source[0],
            source[1],
            code,
            hresult,
        )
        self._entries.append(entry)
        if code == IN_PROGRESS:
            self._waiting[offer.update_id] = entry

    def restarted(self, identifier: str, *, rolled_back: bool) -> None:
        """The restart that an update waited for is over."""
        entry = self._waiting.pop(identifier, None)
        if entry is not None:
            entry.result_code = FAILED if rolled_back else SUCCEEDED
            entry.hresult = ROLLED_BACK if rolled_back else 0

    def query(self, start: int, count: int) -> Sequence[Entry] | None:
        """QueryHistory; None for WU_E_INVALIDINDEX."""
        if not 0 <= start < len(self._entries) or count <= 0:
            return None
        return self.entries[start : start + count]


def _windows(day: date, hour: int, title: str, identifier: str, revision: int, client: str) -> Entry:
    moment = datetime.combine(day, time(hour, 7, 31), UTC)
    return Entry(moment, INSTALL, title, identifier, revision, client, 2, WINDOWS_UPDATE)

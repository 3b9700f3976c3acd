# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Read what was installed on a server and removed from it, further back than its event log or its list of KBs.

Windows Update's own history is the authority, and only a script on the server may ask for it: that needs a scheduled
task and files in the collection's folder, although nothing of Windows changes. So check mode, and whoever asks for it,
gets the System event log instead, which is read over CIM and leaves nothing behind.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import catalogue_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import (
    CATALOGUE_OPTIONS,
    CONNECTION_OPTIONS,
    Spec,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._core.update_words import failure
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import AnswerTimeout, BadAnswer, InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_events import read_update_events
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_run import Pace
from ansible_collections.winops.hotpatch.plugins.module_utils._release.update_history import (
    history_row,
    newest_first,
    since_moment,
)

WINDOWS_UPDATE = "windows_update"
EVENT_LOG = "event_log"

#: Rows that one run of the script reads: some 250 KB.
PAGE = 500
#: More rows than any server has; a history that never ends is not one.
MAX_ROWS = 50_000

SPEC = Spec(
    {
        **CONNECTION_OPTIONS,
        **CATALOGUE_OPTIONS,
        "since": {"type": "str"},
        "limit": {"type": "int", "default": 0},
        "source": {"type": "str", "choices": [WINDOWS_UPDATE, EVENT_LOG], "default": WINDOWS_UPDATE},
        "timeout": {"type": "int", "default": 600},
        "poll_interval": {"type": "float", "default": 2},
    }
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises UpdateFailed: Windows Update could not read its history.
    :raises HotpatchError: the server cannot be read, or other update work is under way there.
    """
    params = call.params
    if params["timeout"] <= 0 or params["poll_interval"] <= 0:
        raise InvalidInput("timeout and poll_interval must be above zero.")
    if params["limit"] < 0:
        raise InvalidInput("limit must be zero, which is all, or more.")
    since = _moment(params["since"])
    catalogue = catalogue_of(call)
    source = EVENT_LOG if call.check_mode else params["source"]
    text = since.strftime("%Y-%m-%dT%H:%M:%SZ") if since is not None else None
    if source == EVENT_LOG:
        client = call.server().connect()
        try:
            entries: list[dict[str, Any]] = read_update_events(client, since)
        finally:
            client.close()
        total = None
    else:
        entries, total = _Pages(call).read(text, params["limit"])
    found = list(since_moment(newest_first(entries), text))
    kept = found[: params["limit"]] if params["limit"] else found
    return {
        "changed": False,
        "history": [history_row(entry, catalogue) for entry in kept],
        "source": source,
        "total": total,
        "complete": len(kept) == len(found) if source == EVENT_LOG else len(kept) == total,
    }


class _Pages:
    """The history, page by page, until it is long or old enough."""

    def __init__(self, call: Call) -> None:
        self._call = call
        poll = float(call.params["poll_interval"])
        self._deadline = call.monotonic() + call.params["timeout"]
        self._runner = call.server().updates(
            f"{call.now():%Y%m%dT%H%M%S}-{secrets.token_hex(2)}-history", Pace(first=min(1.0, poll), last=poll)
        )

    def read(self, since: str | None, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Rows, newest first, and how many the server has."""
        rows: list[dict[str, Any]] = []
        total = 0
        skip = 0
        while True:
            page = self._page(skip, min(PAGE, limit - len(rows)) if limit else PAGE)
            # What was added at the top meanwhile moved everything down.
            moved = max(0, page["total"] - total) if total else 0
            total = page["total"]
            entries = page["entries"]
            rows += entries[moved:]
            skip += len(entries)
            if not entries or skip >= total or (limit and len(rows) >= limit) or _older(entries[-1], since):
                return rows, total
            if skip >= MAX_ROWS:
                raise BadAnswer(
                    f"{self._call.name}: the update history has more than {MAX_ROWS} rows, which no server has.",
                    server=self._call.name,
                )

    def _page(self, skip: int, count: int) -> dict[str, Any]:
        left = self._deadline - self._call.monotonic()
        if left <= 0:
            raise AnswerTimeout(
                f"{self._call.name}: the time for reading the update history was over.",
                hint="Raise the timeout, or read fewer rows with since or limit.",
                server=self._call.name,
            )
        answer = self._runner.run("history", history=(skip, count), again=True, seconds=left)
        if answer["state"] != "done":
            raise failure(self._call.name, "reading the update history", answer["error"], answer["agent"])
        page = answer["history"]
        if page is None or len(page["entries"]) > count:
            raise BadAnswer(f"{self._call.name}: the script read another history than asked.", server=self._call.name)
        history: dict[str, Any] = page
        return history


def _older(entry: Mapping[str, Any], since: str | None) -> bool:
    # A row without a date tells nothing of those behind it.
    return since is not None and bool(entry["date"]) and str(entry["date"]) < since


def _moment(text: str | None) -> datetime | None:
    """A day (its first moment in UTC) or a moment with its offset.

    :raises InvalidInput: it is neither.
    """
    if not text:
        return None
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(
            f"since is {text!r}, which is no day and no moment with its offset.",
            hint="Write 2025-12-01 or 2025-12-01T08:00:00+01:00.",
        )
    return moment.astimezone(UTC)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What the System event log says of updates, over CIM: read only, with no task and no file on the server.

Windows Update leaves an event for each update it installed (19), failed to install (20), removed (23) or failed to
remove (24), with the title, the update's id and its revision. The log holds what its size allows; the update history
(update_run.py, operation history) goes further back. Provider and events: the manifest of
Microsoft-Windows-WindowsUpdateClient.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import Instance, as_datetime

CIMV2 = "root/cimv2"
_INSTALLED, _INSTALL_FAILED, _REMOVED, _REMOVE_FAILED = 19, 20, 23, 24
#: Event -> UpdateOperation and OperationResultCode, as rows of the update history have them.
_MEANS = {_INSTALLED: (1, 2), _INSTALL_FAILED: (1, 4), _REMOVED: (2, 2), _REMOVE_FAILED: (2, 4)}
_FAILURES = (_INSTALL_FAILED, _REMOVE_FAILED)

_QUERY = (
    "SELECT EventCode, InsertionStrings, RecordNumber, TimeGenerated FROM Win32_NTLogEvent WHERE Logfile='System' AND"
    " SourceName='Microsoft-Windows-WindowsUpdateClient' AND (EventCode=19 OR EventCode=20 OR EventCode=23 OR"
    " EventCode=24)"
)
_GUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.IGNORECASE)
_CODE = re.compile(r"0x[0-9a-f]{1,8}|-?\d{1,10}", re.IGNORECASE | re.ASCII)


def read_update_events(client: ClientPort, since: datetime | None) -> list[dict[str, Any]]:
    """Rows as those of the update history, in the log's order, newest first.

    :raises HotpatchError: the log cannot be read.
    """
    after = f" AND TimeGenerated>='{since.astimezone(UTC):%Y%m%d%H%M%S}.000000+000'" if since is not None else ""
    found = list(_entries(client, _QUERY + after))
    return sorted(found, key=lambda entry: str(entry["date"] or ""), reverse=True)


def _entries(client: ClientPort, query: str) -> Iterator[dict[str, Any]]:
    for row in client.enumerate(CIMV2, query, arrays=("InsertionStrings",)):
        entry = _entry(row)
        if entry is not None:
            yield entry


def _entry(row: Instance) -> dict[str, Any] | None:
    """A row; None for an event that has not the strings it must have."""
    code = row.get("EventCode")
    event = int(code) if isinstance(code, str | int) and str(code).isdecimal() else 0
    if event not in _MEANS:
        return None
    strings = row.get("InsertionStrings")
    texts = [clean(text, 1000) for text in strings if isinstance(text, str)] if isinstance(strings, list) else []
    hresult = "0x00000000"
    if event in _FAILURES:
        if not texts or not _CODE.fullmatch(texts[0].strip()):
            return None
        hresult = _hex(texts.pop(0).strip())
    if not texts:
        return None
    ids = [found[1].lower() for text in texts[1:] if (found := _GUID.fullmatch(text.strip()))]
    numbers = [int(text) for text in texts[1:] if text.isascii() and text.isdecimal() and len(text) < 10]
    operation, result = _MEANS[event]
    moment = as_datetime(row, "TimeGenerated")
    return {
        "date": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment is not None else None,
        "operation": operation,
        "result_code": result,
        "hresult": hresult,
        "title": texts[0],
        "update_id": ids[0] if ids else None,
        "revision": numbers[0] if numbers else None,
        "service_id": ids[1] if len(ids) > 1 else None,
        "client_application_id": None,
    }


def _hex(text: str) -> str:
    number = int(text, 16) if text.lower().startswith("0x") else int(text)
    return f"0x{number & 0xFFFFFFFF:08X}"

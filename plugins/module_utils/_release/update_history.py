# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The update history of a server in the words of hotpatching: which KB, which track, what became of it.

A row names no KB but in its title, and rows of the Store name none. Which track a KB belongs to is what the catalogue
says of it; no product is asked for, since a KB stands for one product's update only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes import describe
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import (
    CLIENT_11,
    SERVER_2022_AZURE,
    SERVER_2025,
    Form,
    kbs_in,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import not_windows_itself

_PRODUCTS = (SERVER_2025, SERVER_2022_AZURE, CLIENT_11)
_TRACKS = {Form.HOTPATCH: "hotpatch", Form.BASELINE: "baseline", Form.LCU: "lcu"}

# UpdateOperation and OperationResultCode (Microsoft Learn, wuapi).
_OPERATIONS = {1: "install", 2: "uninstall"}
_RESULTS = {
    0: "not started",
    1: "in progress",
    2: "succeeded",
    3: "succeeded with errors",
    4: "failed",
    5: "aborted",
}
_SUCCEEDED = 2


def track_of(kb: str | None, title: str, catalogue: Catalogue) -> str:
    """``hotpatch``, ``baseline``, ``lcu``, ``other`` (none of Windows itself) or ``unknown``."""
    if kb is None:
        # A cumulative update of Windows has its KB in every form of its title.
        return "other"
    forms = {level.form for product in _PRODUCTS for level in catalogue.by_kb(product, kb)}
    if len(forms) == 1:
        return _TRACKS[forms.pop()]
    return "other" if not forms and not_windows_itself(kb, title) is not None else "unknown"


def history_row(entry: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """One row in words."""
    title = str(entry.get("title") or "")
    kb = next(iter(kbs_in(title)), None)
    code = entry.get("result_code")
    hresult = entry.get("hresult") or None
    text = describe(hresult) if hresult is not None and code != _SUCCEEDED and not _is_zero(hresult) else None
    return {
        "date": entry.get("date"),
        "kb": kb,
        "title": title,
        "track": track_of(kb, title, catalogue),
        "operation": _OPERATIONS.get(entry.get("operation") or 0, "unknown"),
        "result": _RESULTS.get(code, str(code)) if isinstance(code, int) else "unknown",
        "hresult": hresult,
        "meaning": text.meaning if text else None,
        "class": text.error_class if text else None,
        "remedy": text.remedy if text else None,
        "client": entry.get("client_application_id"),
        "service_id": entry.get("service_id"),
        "update_id": entry.get("update_id"),
        "revision": entry.get("revision"),
    }


def newest_first(entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """In the order of their dates; rows of one moment stay as they came, and rows without a date come last."""
    return sorted(entries, key=lambda entry: str(entry.get("date") or ""), reverse=True)


def since_moment(entries: Iterable[Mapping[str, Any]], since: str | None) -> Iterator[Mapping[str, Any]]:
    """Rows of this moment (as text, in UTC) or later."""
    return (entry for entry in entries if since is None or str(entry.get("date") or "") >= since)


def _is_zero(hresult: str) -> bool:
    return not hresult.lower().removeprefix("0x").strip("0")

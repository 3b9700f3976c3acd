# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What Windows Update says of one operation or one update, in words: result, code, class and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import UpdateFailed
from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes import FIX, STOP, describe

#: OperationResultCode (Microsoft Learn, wuapi): only this one is a success; 3 means with errors.
SUCCEEDED = 2
_RESULT_WORDS = {
    0: "not started",
    1: "in progress",
    2: "succeeded",
    3: "succeeded with errors",
    4: "failed",
    5: "aborted",
}

# WU_E_INSTALL_NOT_ALLOWED has two meanings, and only what the agent says beside it tells which.
_NOT_ALLOWED = "0x80240016"
_RESTART_FIRST = "A restart is due; restart the server, then run again."
# Remedies that make sense only here.
_HINTS = {"0x80070070": "Make room on the system drive, then run again; what was downloaded is not downloaded twice."}


def result_words(code: int | None) -> str:
    """A result code in words."""
    return _RESULT_WORDS.get(code or 0, str(code))


def code_in_words(hresult: str | None, agent: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """``meaning``, ``class`` and ``remedy`` of a failure's code.

    :param agent: what the agent said of itself at that moment.
    """
    if not hresult or _is_zero(hresult):
        return {"meaning": "Windows Update gave no code", "class": STOP, "remedy": None}
    text = describe(hresult)
    if text.code == _NOT_ALLOWED and _wants_restart(agent):
        return {"meaning": text.meaning, "class": FIX, "remedy": _RESTART_FIRST}
    return {"meaning": text.meaning, "class": text.error_class, "remedy": _HINTS.get(text.code, text.remedy)}


def result_of(
    operation: str, kb: str, update: Mapping[str, Any], outcome: Mapping[str, Any], agent: Mapping[str, Any] | None
) -> dict[str, Any]:
    """One update's result of a download or an install."""
    code = outcome["result_code"]
    words = {"meaning": None, "class": None, "remedy": None}
    if code != SUCCEEDED:
        words = code_in_words(outcome["hresult"], agent)
    return {
        "kb": kb,
        "update_id": update["update_id"],
        "operation": operation,
        "result": result_words(code),
        "hresult": outcome["hresult"],
        **words,
        "restart_required": outcome.get("restart_required"),
    }


def failure(
    server: str, what: str, cause: Mapping[str, Any] | None, agent: Mapping[str, Any] | None = None
) -> UpdateFailed:
    """An error with the code in words.

    :param cause: holds ``hresult`` and perhaps ``message``.
    """
    hresult = (cause or {}).get("hresult")
    if not hresult or _is_zero(hresult):
        said = (cause or {}).get("message") or "Windows Update gave no code"
        return UpdateFailed(f"{server}: {what} failed: {said}", server=server)
    text = describe(hresult)
    words = code_in_words(hresult, agent)
    name = f"{text.code} {text.name}" if text.name else text.code
    error = UpdateFailed(
        f"{server}: {what} failed: {text.meaning} ({name}).",
        code=text.code,
        hint=words["remedy"],
        retryable=words["class"] == "retry",
        server=server,
    )
    error.details = {"error_class": words["class"]}
    return error


def _is_zero(hresult: str) -> bool:
    return not hresult.lower().removeprefix("0x").strip("0")


def _wants_restart(agent: Mapping[str, Any] | None) -> bool:
    facts = agent or {}
    return facts.get("restart_required") is True or facts.get("restart_required_before_installation") is True

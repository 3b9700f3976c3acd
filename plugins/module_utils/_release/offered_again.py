# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Updates that Windows Update offers again after they were installed.

Windows Update may offer what a server has (KB5068966, November 2025), and one Defender update was recorded that came
back after each of its installations. Installing such an update once more changes nothing, and a run that goes on until
nothing is offered never ends.

What the server shows outweighs the history: an update that DISM took off leaves no row there. So an update of
Windows that the build says is missing may be installed once more, and no third time. The same holds for one that
servicing takes back while the server starts: two restarts for nothing are enough. Naming its KB tries it once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import Kind, Verdict

# UpdateOperation and OperationResultCode (Microsoft Learn, wuapi).
_INSTALLED, _REMOVED = 1, 2
_SUCCEEDED = 2
# How the history shows an installation that was undone in the restart: CBS_E_INSTALLERS_FAILED, and
# WU_E_UH_POSTREBOOTUNEXPECTEDSTATE (Microsoft Learn). Other failures are no reason: what they need may be fixed by now.
_ROLLED_BACK = (0x800F0922, 0x80242016)
# Installed this often without showing, an update of Windows does not stick.
_ENOUGH = 2


@dataclass(frozen=True)
class OfferedAgain:
    """One update that is offered although it was installed.

    :param times: successful installations the history knows of since it was last removed.
    :param last: the newest of them, as text.
    """

    kb: str | None
    update_id: str
    title: str
    times: int
    last: str | None
    words: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "kb": self.kb,
            "update_id": self.update_id,
            "title": self.title,
            "times_installed": self.times,
            "last_installed": self.last,
            "words": self.words,
        }


def offered_again(
    update: Mapping[str, Any], verdict: Verdict, history: Iterable[Mapping[str, Any]] | None
) -> OfferedAgain | None:
    """Whether an offered update was installed before and must not be installed again by itself.

    :param history: rows of the server's update history, newest first; None when it could not be read, which leaves the
        build and the list of KBs (the verdict).
    """
    rows = list(history or ())
    times, last = _installations(update, rows)
    undone = _rolled_back(update, rows)
    name = verdict.kb or str(update.get("title") or update.get("update_id"))
    when = f" (last on {last[:10]})" if last else ""
    if verdict.already_installed:
        words = f"{name} is installed{when}, and Windows Update offers it again."
    elif verdict.kind is Kind.OTHER and times:
        words = f"{name} was installed{when}, and Windows Update offers it again."
    elif verdict.kind is not Kind.OTHER and times >= _ENOUGH:
        words = f"{name} was installed {times} times{when}, the server does not show it, and it is offered again."
    elif undone >= _ENOUGH:
        words = (
            f"{name} was installed {undone} times and taken back by Windows in each restart. Look at the Setup event "
            "log and repair the component store before it is tried again."
        )
    else:
        return None
    return OfferedAgain(
        verdict.kb, str(update.get("update_id")), str(update.get("title") or ""), times, last or None, words
    )


def _rolled_back(update: Mapping[str, Any], history: Iterable[Mapping[str, Any]]) -> int:
    """How often this revision was taken back in a restart since it was last installed or removed."""
    times = 0
    for row in history:
        if row.get("update_id") != update.get("update_id") or row.get("revision") != update.get("revision"):
            continue
        if row.get("result_code") == _SUCCEEDED:
            break
        if row.get("operation") == _INSTALLED and _code_of(row) in _ROLLED_BACK:
            times += 1
    return times


def _code_of(row: Mapping[str, Any]) -> int | None:
    try:
        return int(str(row.get("hresult")), 16)
    except ValueError:
        return None


def _installations(update: Mapping[str, Any], history: Iterable[Mapping[str, Any]]) -> tuple[int, str]:
    """How often this revision was installed since it was last removed, and when last."""
    times, last = 0, ""
    for row in history:
        if row.get("update_id") != update.get("update_id") or row.get("result_code") != _SUCCEEDED:
            continue
        if row.get("operation") == _REMOVED:
            break
        if row.get("operation") == _INSTALLED and row.get("revision") == update.get("revision"):
            times += 1
            last = last or str(row.get("date") or "")
    return times, last

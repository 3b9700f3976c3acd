# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""An update that the guard let through on the server and that Azure Update Manager then installed: one result. Pure.

The guard hears its witnesses on the server and installs nothing; Azure is asked for exactly the KBs that it let
through. What is reported as installed is what Azure says; that it took effect is read from the server, as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import normal_kb

#: What Azure calls a patch that is in, whether or not it still waits for a restart.
_IN = ("installed",)


def let_through(guard: Mapping[str, Any]) -> list[str]:
    """The KBs that Azure may be asked for."""
    if guard.get("failed") or guard.get("unreachable"):
        return []
    chosen = [normal_kb(str(each.get("kb") or "")) for each in guard.get("offered") or () if each.get("selected")]
    return list(dict.fromkeys(kb for kb in chosen if kb is not None))


def combined(guard: Mapping[str, Any], azure: Mapping[str, Any] | None) -> dict[str, Any]:
    """One result with the keys of ``updates``.

    :param azure: the result of ``patch_installation`` for this one machine; None or skipped when it was not run.
    """
    result = {key: value for key, value in guard.items() if key not in ("changed", "diff", "invocation")}
    result["changed"] = False
    if azure is None or azure.get("skipped"):
        return result
    row: Mapping[str, Any] = next(iter(azure.get("machines") or ()), {})
    asked = let_through(guard)
    result["kbs_installed"] = _installed(row, asked)
    result["changed"] = bool(result["kbs_installed"])
    # The guard read the build before the installation; what must show after it, the verdict of what was chosen tells.
    result["expected_build"] = next(
        (
            str(each["expected_build"])
            for each in guard.get("offered") or ()
            if each.get("selected") and each.get("expected_build")
        ),
        None,
    )
    result["azure"] = {key: row.get(key) for key in ("id", "state", "words", "activity_id", "operation")}
    error = row.get("error") or (azure.get("error") if azure.get("failed") or not row else None)
    if error or (not row and azure.get("msg")):
        result["failed"] = True
        result["msg"] = str((error or {}).get("msg") or azure.get("msg") or "Azure gave no reason.")
        result["error"] = error
    return result


def _installed(row: Mapping[str, Any], asked: list[str]) -> list[str]:
    if row.get("patches") is None:
        # The single updates of an Arc machine show some minutes later; the run as a whole is known at once.
        return asked if row.get("state") == "succeeded" else []
    found: list[str] = []
    for patch in row["patches"]:
        kb = normal_kb(str(patch.get("kb") or ""))
        if kb in asked and str(patch.get("state") or "").lower() in _IN and kb not in found:
            found.append(str(kb))
    return found

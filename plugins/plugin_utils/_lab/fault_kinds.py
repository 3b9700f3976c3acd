# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults a server of the lab can be given, and which settings each one takes.

What a fault does is in ``faults``; this table only says what may be asked for, so that a fleet file can be checked
before there is a machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_HRESULT = re.compile(r"0x[0-9A-Fa-f]{8}")


class FaultError(Exception):
    """The fault asked for does not exist or has a wrong setting."""


@dataclass(frozen=True)
class FaultKind:
    """One fault: what it means, its settings by type, and their defaults (a setting without one must be given)."""

    name: str
    meaning: str
    settings: Mapping[str, str]
    defaults: Mapping[str, Any]


def _kind(name: str, meaning: str, settings: Mapping[str, str] | None = None, **defaults: Any) -> FaultKind:
    return FaultKind(name, meaning, settings or {}, defaults)


KINDS: Mapping[str, FaultKind] = {
    kind.name: kind
    for kind in (
        _kind(
            "install_fails",
            "installing an update fails with an error; after that many times it works",
            {"kb": "kb", "hresult": "hresult", "times": "count"},
            kb="any",
            hresult="0x800F0983",
            times=None,
        ),
        _kind(
            "download_fails",
            "downloading an update fails with an error",
            {"kb": "kb", "hresult": "hresult", "times": "count"},
            kb="any",
            hresult="0x80072EE2",
            times=None,
        ),
        _kind(
            "search_fails",
            "the search of Windows Update ends with an error",
            {"hresult": "hresult", "times": "count"},
            hresult="0x8024402C",
            times=None,
        ),
        _kind("evaluation_unknown", "Windows cannot tell whether an update needs a restart", {"kb": "kb"}, kb="any"),
        _kind(
            "evaluation_throws",
            "asking whether an update needs a restart ends with an error",
            {"kb": "kb", "hresult": "hresult"},
            kb="any",
            hresult="0x80240FFF",
        ),
        _kind("evaluation_null", "the answer to the restart question is empty", {"kb": "kb"}, kb="any"),
        _kind("install_hangs", "an installation never ends", {"kb": "kb"}, kb="any"),
        _kind("installer_busy", "another installation runs for so long", {"seconds": "seconds"}, seconds=600.0),
        _kind("hotpatch_wants_restart", "after a hotpatch a restart is pending all the same", {"kb": "kb"}, kb="any"),
        _kind("update_reoffered", "an installed update is offered again", {"kb": "kb"}, kb="any"),
        _kind(
            "package_permanent",
            "an update's package cannot be taken off; whether the listing and the registry show it",
            {"kb": "kb", "shown": "flag"},
            kb="any",
            shown=False,
        ),
        _kind("payload_missing", "a cleanup has taken the updates before the installed ones from the component store"),
        _kind(
            "removal_fails",
            "taking an update's package off ends with an error",
            {"kb": "kb", "hresult": "hresult", "times": "count"},
            kb="any",
            hresult="0x800F0831",
            times=None,
        ),
        _kind("removal_ignored", "DISM ends with 0 and has taken nothing off", {"kb": "kb"}, kb="any"),
        _kind("eula_not_accepted", "an update has licence terms that nobody has accepted", {"kb": "kb"}, kb="any"),
        _kind("enrollment_stuck", "a change of the enrollment in Azure stays pending and never reaches the server"),
        _kind("pending_returns", "after every restart one is pending again"),
        _kind("never_returns", "the server does not come back from its next restart"),
        _kind(
            "wrong_build_after_restart",
            "servicing rolls the update back in the restart",
            {"times": "count"},
            times=None,
        ),
        _kind("slow_restart", "restarts take longer by so many seconds", {"seconds": "seconds"}, seconds=1800.0),
        _kind("restart_by_itself", "the server restarts without being asked", {"after": "seconds"}, after=0.0),
        _kind("always_auto_reboot", "a policy restarts the server when an installation needs it"),
        _kind("service_not_started", "a service does not start after the next restarts", {"name": "text"}),
        _kind(
            "web_site_fails",
            "the web site answers so many of a hundred requests with an error",
            {"status": "status", "percent": "percent"},
            status=503,
            percent=100,
        ),
        _kind(
            "network",
            "WinRM answers differently, for so long or until cleared",
            {"state": "network", "seconds": "seconds?", "after": "seconds"},
            seconds=None,
            after=0.0,
        ),
        _kind(
            "winrm_flaps",
            "WinRM drops all connections for so long",
            {"seconds": "seconds", "after": "seconds"},
            seconds=30.0,
            after=0.0,
        ),
        _kind("slow", "each answer is held back by so many wall clock seconds", {"seconds": "seconds"}, seconds=2.0),
        _kind("disk_full", "nothing more can be written to the disk"),
        _kind("agent_hangs", "a command of azcmagent never ends", {"verb": "text"}, verb="connect"),
        _kind(
            "agent_fails",
            "a command of azcmagent ends with an AZCM code, before or (done) after its work",
            {"verb": "text", "code": "count", "times": "count", "done": "flag"},
            verb="connect",
            code=62,
            times=None,
            done=False,
        ),
        _kind(
            "endpoint_unreachable",
            "a host of the internet cannot be reached",
            {"host": "text"},
            host="dls.microsoft.com",
        ),
        _kind(
            "certificate_untrusted",
            "a host of the internet shows a certificate of somebody else",
            {"host": "text"},
            host="aka.ms",
        ),
        _kind("msi_fails", "msiexec ends with a code", {"code": "count", "times": "count"}, code=1603, times=None),
        _kind("msi_busy", "another package is being installed for so long", {"seconds": "seconds"}, seconds=120.0),
        _kind("class_missing", "a CIM class does not exist", {"name": "text"}),
        _kind("access_denied", "a CIM namespace refuses the account", {"namespace": "text"}),
        _kind("registry_denied", "a registry key refuses the account", {"key": "text"}),
    )
}


def check_fault(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A fault with all its settings.

    :raises FaultError: its kind or one of its settings is not known, or has a wrong value.
    """
    name = raw.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FaultError(f"there is no fault {name!r}; known are {', '.join(sorted(KINDS))}.")
    checked: dict[str, Any] = {"kind": kind.name}
    for key in raw:
        if key != "kind" and key not in kind.settings:
            raise FaultError(f"fault {kind.name} has no setting {key!r}.")
    for key, form in kind.settings.items():
        if key not in raw and key not in kind.defaults:
            raise FaultError(f"fault {kind.name} needs {key!r}.")
        checked[key] = _setting(kind.name, key, form, raw.get(key, kind.defaults.get(key)))
    return checked


def _setting(kind: str, key: str, form: str, value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    good = {
        "kb": isinstance(value, str) and (value == "any" or re.fullmatch(r"KB\d{6,8}", value) is not None),
        "hresult": isinstance(value, str) and _HRESULT.fullmatch(value) is not None,
        "count": value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0),
        "flag": isinstance(value, bool),
        "seconds": number and value >= 0,
        "seconds?": value is None or (number and value >= 0),
        "status": isinstance(value, int) and number and 400 <= value <= 599,
        "percent": number and 0 <= value <= 100,
        "text": isinstance(value, str) and value != "",
        "network": value in ("closed", "silent", "garbage", "half_answer", "reset", "open"),
    }[form]
    if not good:
        raise FaultError(f"fault {kind}: {key!r} cannot be {value!r}.")
    if form == "hresult":
        return int(value, 16)
    return float(value) if form.startswith("seconds") and value is not None else value

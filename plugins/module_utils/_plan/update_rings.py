# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Rings of servers as schedules of Azure Update Manager, and the table of what happens when.

A schedule cannot leave out the baseline months, but it can come every three months: so a ring has three, one for each
month of a quarter. Those of the two hotpatch months never restart; the one of the baseline month restarts if required.
A baseline that Microsoft publishes unplanned, in a hotpatch month, is installed there and waits for a restart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_recurrence import after_patch_tuesday
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_request import REBOOT_SETTINGS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}")
_KEYS = {"name", "hotpatch_days", "baseline_days", "start", "time_zone", "duration", "reboot_setting"}
_MONTHS = {
    1: ("baseline", "January, April, July, October"),
    2: ("hotpatch-2", "February, May, August, November"),
    3: ("hotpatch-3", "March, June, September, December"),
}


def schedules_of(
    servers: Mapping[str, Mapping[str, Any]], rings: Iterable[Mapping[str, Any]], prefix: str
) -> list[dict[str, Any]]:
    """The schedules of all rings, in their order; a ring without servers has them as well.

    :param servers: by name, ``machine`` (an id or a name in Azure) and ``ring`` (the first one when empty).
    :raises InvalidInput: the prefix or a ring is described wrongly, or a server is in one that is not there.
    """
    known = [_ring(ring) for ring in rings]
    if not known:
        raise InvalidInput("Describe at least one ring.")
    names = [str(ring["name"]) for ring in known]
    if not _NAME.fullmatch(prefix):
        raise InvalidInput(
            f"The prefix {prefix!r} is no beginning of a name of letters, digits, hyphens, dots and underscores."
        )
    # Azure takes capitals and small letters for the same.
    alike = [name.lower() for name in names]
    if twice := sorted({name for name in names if alike.count(name.lower()) > 1}):
        raise InvalidInput(f"The ring {twice[0]!r} is described twice.")
    members: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for server, facts in servers.items():
        own = str(facts.get("ring") or names[0])
        if own not in members:
            raise InvalidInput(f"{server} is in the ring {own!r}, and there are only {', '.join(names)}.")
        members[own].append((server, str(facts.get("machine") or server)))
    found = []
    for ring in known:
        for month, (kind, months) in _MONTHS.items():
            is_baseline = month == 1
            found.append(
                {
                    "name": f"{prefix}-{ring['name']}-{kind}",
                    "ring": ring["name"],
                    "kind": "baseline" if is_baseline else "hotpatch",
                    "months": months,
                    "quarter_month": month,
                    "patch_tuesday": int(ring["baseline_days" if is_baseline else "hotpatch_days"]),
                    "reboot_setting": ring.get("reboot_setting", "if_required") if is_baseline else "never",
                    "start": ring.get("start"),
                    "time_zone": ring.get("time_zone"),
                    "duration": ring.get("duration"),
                    "servers": [server for server, _machine in members[str(ring["name"])]],
                    "machines": [machine for _server, machine in members[str(ring["name"])]],
                }
            )
    return found


def _ring(ring: Any) -> dict[str, Any]:
    if not isinstance(ring, Mapping) or not _NAME.fullmatch(str(ring.get("name", ""))):
        raise InvalidInput("A ring needs a name of letters, digits, hyphens, dots and underscores.")
    made = {"hotpatch_days": 2, "baseline_days": 4, **{key: value for key, value in ring.items() if value is not None}}
    if wrong := sorted(set(map(str, made)) - _KEYS):
        raise InvalidInput(f"The ring {made['name']!r} has {', '.join(wrong)}; it may have {', '.join(sorted(_KEYS))}.")
    for key in ("hotpatch_days", "baseline_days"):
        try:
            after_patch_tuesday(int(made[key]))
        except (TypeError, ValueError):
            raise InvalidInput(f"{key} of the ring {made['name']!r} is a number of days.") from None
    if str(made.get("reboot_setting", "never")) not in REBOOT_SETTINGS:
        raise InvalidInput(f"reboot_setting of the ring {made['name']!r} is {', '.join(REBOOT_SETTINGS)}.")
    return made


def table_of(results: Iterable[Mapping[str, Any]], count: int) -> list[str]:
    """What happens when, in order of time, one line each.

    :param results: of maintenance_configuration; with ``item``, a schedule of :func:`schedules_of`, where it is known.
    """
    rows: list[tuple[str, tuple[str, str, str]]] = []
    for result in results:
        schedule = result.get("item") if isinstance(result.get("item"), Mapping) else {}
        configuration = result.get("configuration")
        if not isinstance(configuration, Mapping):
            continue
        name = str(result.get("id", "")).rsplit("/", 1)[-1]
        servers = f", {len(schedule['servers'])} servers" if schedule else ""
        reboot = {"never": "no restart", "if_required": "restart if required", "always": "restart"}
        rows += [
            (
                str(start.get("utc")),
                (
                    str(start.get("words")),
                    reboot.get(str(configuration.get("reboot_setting")), "?"),
                    f"{name}{servers}",
                ),
            )
            for start in result.get("next_starts") or ()
        ]
    shown = [cells for _utc, cells in sorted(rows, key=lambda row: row[0])[:count]]
    widths = [max((len(cells[number]) for cells in shown), default=0) for number in (0, 1)]
    return [f"{when:{widths[0]}}  {restart:{widths[1]}}  {name}" for when, restart, name in shown]

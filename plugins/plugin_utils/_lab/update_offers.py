# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which updates Windows Update offers a server, and what it says about each of them.

The rules are the documented ones: a server gets hotpatches while it is enrolled, not opted out, virtualization-based
security runs, its licence is confirmed, and it sits on the current baseline or a hotpatch built on it; every other
server gets the month's cumulative update (windowsserverdocs, hotpatch for Arc, 2025-10-30; azure-docs,
manage-hot-patching-arc-machines). In October 2025 and April 2026 an emergency update that breaks the track was
offered to enrolled servers as well.

Titles, categories and flags: recorded results on Server 2019 and a WS2025 Standard machine. No recorded hotpatch was
found: its title and flags are this lab's assumption.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_rows import OsUpdate

SECURITY = ("0fa1201d-4330-4fa8-8ae9-b877473b6441", "Security Updates")
UPDATES = ("cd5ffd1e-e932-4e3a-bf74-18bf0b1bbd83", "Updates")
ROLLUPS = ("28bc880e-0592-4cbf-8f95-c79b17911d5f", "Update Rollups")
DEFINITIONS = ("e0789628-ce08-4437-be74-2495b842f43b", "Definition Updates")

_IDS = uuid.UUID("5d1b4a0e-6f0c-4d5c-9f5e-0d9f4f4f3a11")

# The .NET rollups of WS2025 that are seen in public outputs, with the day they came out.
_DOTNET = (
    (
        date(2025, 10, 14),
        "KB5066131",
        "2025-10 Cumulative Update for .NET Framework 3.5 and 4.8.1 for Microsoft server operating system "
        "version 24H2 for x64 (KB5066131)",
    ),
    (date(2026, 4, 14), "KB5082417", "2026-04 .NET Framework Security Update (KB5082417)"),
)


@dataclass(frozen=True)
class Offer:
    """One update as the Windows Update Agent shows it; sizes in bytes.

    ``bootstrapper`` is what ExtendedStaticProperty('ContainsUpdateBootstrapper') says; ``needs_restart`` what an
    installation will really need; ``handler_answers`` whether the restart question has an answer for this update.
    """

    update_id: str
    revision: int
    kb: str
    title: str
    kind: str
    categories: tuple[tuple[str, str], ...]
    size: int
    restart_behavior: int
    impact: int
    needs_restart: bool
    bootstrapper: bool
    severity: str | None
    os_update: OsUpdate | None = None


@dataclass(frozen=True)
class Standing:
    """What Windows Update knows of a server when it decides.

    ``updates`` are all releases of its product; ``lcu`` the cumulative update it sits on (None: as released);
    ``capable`` that it is enrolled, not opted out, licensed, and VBS runs; ``installed`` the KBs it has.
    """

    updates: Sequence[OsUpdate]
    as_of: date
    ubr: int
    lcu: OsUpdate | None
    capable: bool
    installed: frozenset[str]
    others: tuple[str, ...]
    offers_old_baseline: bool
    build: int
    reoffered: frozenset[str] = frozenset()


def offers(standing: Standing) -> list[Offer]:
    """Everything that a search finds, the operating system's updates first."""
    found = [_os_offer(item) for item in _os_updates(standing)]
    found += _others(standing)
    again = [item for item in standing.updates if item.kb in standing.installed and _wanted_again(standing, item.kb)]
    offered = {item.kb for item in found}
    found += [_os_offer(item) for item in again[-1:] if item.kb not in offered]
    return found


def _wanted_again(standing: Standing, kb: str) -> bool:
    return bool(standing.reoffered & {"any", kb})


def _os_updates(standing: Standing) -> list[OsUpdate]:
    out = [item for item in standing.updates if item.date <= standing.as_of]
    newer = [item for item in out if item.ubr > standing.ubr and item.kb not in standing.installed]
    cumulative = [item for item in newer if not item.is_hotpatch]
    newest = max(cumulative, key=lambda item: item.ubr, default=None)
    if not standing.capable:
        return [] if newest is None else [newest]
    baselines = [item for item in out if item.kind == "baseline"]
    current = baselines[-1] if baselines else None
    if current is None:
        return [] if newest is None else [newest]
    emergency = [
        item for item in cumulative if item.out_of_band and not item.twin and item.month == _month(standing.as_of)
    ]
    if standing.lcu is not None and standing.lcu.kb == current.kb:
        hotpatches = [item for item in newer if item.is_hotpatch and item.date >= current.date]
        return hotpatches[-1:] + emergency
    if standing.ubr > current.ubr:
        # Off the track by an ordinary update of this quarter: ordinary updates until the next baseline.
        return [] if newest is None else [newest]
    if current.month == _month(standing.as_of):
        return [current, *emergency]
    old = [current] if standing.offers_old_baseline else []
    return old + ([newest] if newest is not None and newest.kb != current.kb else [])


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


def update_id(kb: str, build: int) -> str:
    """The same for an update wherever it is offered."""
    return str(uuid.uuid5(_IDS, f"{kb}/{build}"))


def _os_offer(item: OsUpdate) -> Offer:
    hotpatch = item.is_hotpatch
    # Both answers that a cumulative update can give to the restart question are played: a baseline has a bootstrapper
    # and says yes, another one has none.
    return Offer(
        update_id=update_id(item.kb, item.build),
        revision=200,
        kb=item.kb,
        title=os_title(item),
        kind=item.kind,
        categories=(SECURITY,),
        size=150_000_000 if hotpatch else 1_200_000_000,
        restart_behavior=2,
        impact=0,
        needs_restart=not hotpatch,
        bootstrapper=item.build >= 26100 and item.kind in {"hotpatch", "baseline"},
        severity="Critical",
        os_update=item,
    )


def os_title(item: OsUpdate) -> str:
    """The title: short on 26100 since November 2025, long before and on 20348."""
    tail = f"({item.kb}) ({item.build}.{item.ubr})"
    if item.is_hotpatch:
        return f"{item.month} Security Hotpatch Update {tail}"
    if item.build >= 26100 and item.month >= "2025-11":
        return f"{item.month} Security Update {tail}"
    version = "24H2" if item.build >= 26100 else "21H2"
    return (
        f"{item.month} Cumulative Update for Microsoft server operating system version {version} "
        f"for x64-based Systems ({item.kb})" + (f" ({item.build}.{item.ubr})" if item.build >= 26100 else "")
    )


def _others(standing: Standing) -> list[Offer]:
    found: list[Offer] = []
    if "dotnet" in standing.others and standing.build >= 26100:
        rollups = [row for row in _DOTNET if row[0] <= standing.as_of]
        if rollups and _wants(standing, rollups[-1][1], rollups[-1][1]):
            _day, kb, title = rollups[-1]
            found.append(_plain(kb, kb, title, "dotnet", (UPDATES,), 79_578_181, needs_restart=True, revision=202))
    tool = _versioned("KB890830", standing)
    if "malware-tool" in standing.others and _wants(standing, "KB890830", tool):
        title = "Windows Malicious Software Removal Tool x64 - v5.140 (KB890830)"
        found.append(_plain("KB890830", tool, title, "malware-tool", (ROLLUPS,), 35_047_896, needs_restart=False))
    definitions = _versioned("KB2267602", standing)
    if "defender" in standing.others and _wants(standing, "KB2267602", definitions):
        found.append(
            _plain(
                "KB2267602",
                definitions,
                defender_title(),
                "defender",
                (DEFINITIONS,),
                1_315_272,
                needs_restart=False,
                minor=True,
            )
        )
    return found


def _wants(standing: Standing, kb: str, name: str) -> bool:
    return name not in standing.installed or _wanted_again(standing, kb)


def defender_title() -> str:
    """Its KB never changes; the version in the title does on real servers."""
    return (
        "Security Intelligence Update for Microsoft Defender Antivirus - KB2267602 "
        "(Version 1.449.272.0) - Current Channel (Broad)"
    )


def _versioned(kb: str, standing: Standing) -> str:
    """An update whose KB never changes counts as installed for one day (definitions) or one month (the tool)."""
    day = standing.as_of.isoformat() if kb == "KB2267602" else _month(standing.as_of)
    return f"{kb}/{day}"


def installed_name(offer: Offer, as_of: date) -> str:
    """Under which name an installed update is remembered."""
    if offer.kind == "defender":
        return f"{offer.kb}/{as_of.isoformat()}"
    return f"{offer.kb}/{_month(as_of)}" if offer.kind == "malware-tool" else offer.kb


def _plain(
    kb: str,
    name: str,
    title: str,
    kind: str,
    categories: tuple[tuple[str, str], ...],
    size: int,
    *,
    needs_restart: bool,
    revision: int = 200,
    minor: bool = False,
) -> Offer:
    return Offer(
        update_id=update_id(name, 0),
        revision=revision,
        kb=kb,
        title=title,
        kind=kind,
        categories=categories,
        size=size,
        restart_behavior=0 if minor else 2,
        impact=1 if minor else 0,
        needs_restart=needs_restart,
        bootstrapper=False,
        severity=None,
    )

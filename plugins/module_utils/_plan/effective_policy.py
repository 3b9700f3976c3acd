# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Which of several places decides a Windows Update setting, what loses against it, and whose value a change would meet.

Group Policy's key comes first, a device management second, the server's own setting (SConfig) last. Who wrote into
Group Policy's key does not show in it: RSoP says which GPO gave a value; what no GPO gave is the server's own policy. A
GPO does not keep a value: the registry extension writes it again when a GPO of the server changes or when forced
(gpupdate /force), so a value that was changed by hand stays until then (Microsoft Learn, "Registry policy processing").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_settings import (
    AUTOMATIC_UPDATES,
    PLACES,
    SETTINGS,
    Raw,
    Setting,
    Writes,
    in_words,
    mdm_words,
    read_settings,
    say,
)

#: Sources of a setting.
DOMAIN, LOCAL_GPO, POLICY, MANAGEMENT, SERVER = (
    "domain_policy",
    "local_group_policy",
    "policy",
    "device_management",
    "server_setting",
)
_WORDS = {
    POLICY: "the server's own policy values",
    MANAGEMENT: "a device management (MDM)",
    SERVER: "the server's own setting, as SConfig writes it",
}
_LOCAL_NAMES = {AUTOMATIC_UPDATES: "auoptions", "include_recommended_updates": "includerecommendedupdates"}


@dataclass(frozen=True)
class Owner:
    """The GPO that gives a value.

    :ivar gpo: its name as people know it.
    :ivar domain: whether it is one of the domain; else it is the server's local Group Policy.
    :ivar data: what it gives; None: it takes the value away.
    """

    gpo: str
    domain: bool
    data: Raw | None


@dataclass(frozen=True)
class PolicyReading:
    """What stands in the places, by Windows' names in lower case.

    :ivar local: None when it could not be read; ``mdm`` likewise.
    :ivar member: whether the server is a member of a domain; None when that could not be read.
    :ivar owners: the GPO of each value that one gives; None when RSoP could not be read.
    """

    values: Mapping[str, Raw]
    local: Mapping[str, Raw] | None
    mdm: Mapping[str, Raw] | None
    member: bool | None = None
    owners: Mapping[str, Owner] | None = None

    def with_values(self, values: Mapping[str, Raw]) -> PolicyReading:
        """The same with other policy values."""
        return PolicyReading(values, self.local, self.mdm, self.member, self.owners)

    def written_back(self) -> PolicyReading:
        """The same after Group Policy has applied again: every value that a GPO gives is the GPO's."""
        values = dict(self.values)
        for name, owner in (self.owners or {}).items():
            if owner.data is None:
                values.pop(name, None)
            elif name in PLACES:
                values[name] = owner.data
        return self.with_values(values)

    def as_facts(self) -> dict[str, Any]:
        """As restart_policy.py takes it."""
        return {"readable": True, "values": self.values, "local": self.local, "mdm": self.mdm}


def effective(reading: PolicyReading) -> dict[str, dict[str, Any]]:
    """By option, for each setting that any place has: what counts, where it comes from, and what loses."""
    said = read_settings(reading.values)
    found: dict[str, dict[str, Any]] = {}
    for setting in SETTINGS:
        candidates = list(_candidates(setting, said, reading))
        if not candidates:
            continue
        winner = candidates[0]
        losers = candidates[1:]
        if setting.option == AUTOMATIC_UPDATES and winner["value"] == "local_choice" and losers:
            # The policy hands the choice to the server; a device management has no say in it.
            winner = next((each for each in losers if each["source"] == SERVER), winner)
            losers = [each for each in candidates if each is not winner]
        found[setting.option] = {**winner, "words": say(setting, winner["value"]), "loses": losers}
    return found


def _candidates(setting: Setting, said: Mapping[str, Any], reading: PolicyReading) -> Iterator[dict[str, Any]]:
    if setting.option in said:
        owner = _owner(setting, reading)
        source = POLICY if owner is None else DOMAIN if owner.domain else LOCAL_GPO
        yield {"value": said[setting.option], "source": source, "source_words": _source_words(owner, reading)}
    managed = (reading.mdm or {}).get((setting.mdm or "").lower())
    if managed is not None:
        yield {"value": mdm_words(setting, managed), "source": MANAGEMENT, "source_words": _WORDS[MANAGEMENT]}
    own = (reading.local or {}).get(_LOCAL_NAMES.get(setting.option, ""))
    if own is not None:
        yield {"value": in_words(setting, own), "source": SERVER, "source_words": _WORDS[SERVER]}


def _owner(setting: Setting, reading: PolicyReading) -> Owner | None:
    owners = reading.owners or {}
    return next((owners[name.lower()] for name in setting.main if name.lower() in owners), None)


def _source_words(owner: Owner | None, reading: PolicyReading) -> str:
    if owner is not None:
        return f"the Group Policy object {owner.gpo}" if owner.domain else "the server's local Group Policy"
    if reading.owners is None and reading.member is not False:
        return "policy values; whether a Group Policy object gave them could not be read"
    return _WORDS[POLICY]


def refused_by_domain(reading: PolicyReading, writes: Writes) -> list[str]:
    """In words, each value of a change that a GPO of the domain has otherwise."""
    found = []
    for name, data in writes.items():
        owner = (reading.owners or {}).get(name)
        if owner is not None and owner.domain and owner.data != data:
            found.append(f"{_name(name)} is {_shown(owner.data)} by the Group Policy object {owner.gpo}.")
    return found


def doubts(reading: PolicyReading, after: Mapping[str, Raw], writes: Writes) -> list[str]:
    """In words, what may undo the values as they will be: Group Policy that has them otherwise, or might."""
    found = []
    for name, owner in sorted((reading.owners or {}).items()):
        if name in PLACES and owner.data != after.get(name):
            whose = f"The Group Policy object {owner.gpo}" if owner.domain else "The server's local Group Policy"
            found.append(
                f"{whose} has {_name(name)} as {_shown(owner.data)}, and here it is {_shown(after.get(name))}; it is "
                "written back when that policy changes or is forced (gpupdate /force)."
            )
    if writes and reading.owners is None and reading.member is not False:
        found.append(
            "Whether a Group Policy object of the domain has these settings could not be read; if one has, it writes "
            "its own values back when it changes or is forced."
        )
    return found


def _name(name: str) -> str:
    return PLACES[name][1] if name in PLACES else name


def _shown(data: Raw | None) -> str:
    return "not configured" if data is None else repr(data) if isinstance(data, str) else str(data)

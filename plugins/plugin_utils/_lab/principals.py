# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: well-known accounts with their SIDs, and access control lists as icacls shows and sets them.

Names and SIDs: Microsoft Learn, "Well-known SIDs". Rights are kept in icacls' own letters (Microsoft Learn,
"icacls").
"""

from __future__ import annotations

from dataclasses import dataclass, field

SYSTEM = "S-1-5-18"
ADMINISTRATORS = "S-1-5-32-544"
USERS = "S-1-5-32-545"
TRUSTED_INSTALLER = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

WELL_KNOWN = {
    SYSTEM: r"NT AUTHORITY\SYSTEM",
    "S-1-5-19": r"NT AUTHORITY\LOCAL SERVICE",
    "S-1-5-20": r"NT AUTHORITY\NETWORK SERVICE",
    "S-1-1-0": "Everyone",
    "S-1-3-0": "CREATOR OWNER",
    "S-1-5-11": r"NT AUTHORITY\Authenticated Users",
    "S-1-5-2": r"NT AUTHORITY\NETWORK",
    "S-1-5-4": r"NT AUTHORITY\INTERACTIVE",
    ADMINISTRATORS: r"BUILTIN\Administrators",
    USERS: r"BUILTIN\Users",
    "S-1-5-32-546": r"BUILTIN\Guests",
    "S-1-5-32-555": r"BUILTIN\Remote Desktop Users",
    "S-1-5-32-580": r"BUILTIN\Remote Management Users",
    TRUSTED_INSTALLER: r"NT SERVICE\TrustedInstaller",
    "S-1-15-2-1": r"APPLICATION PACKAGE AUTHORITY\ALL APPLICATION PACKAGES",
}

# The order in which icacls shows inheritance letters.
_FLAGS = ("OI", "CI", "IO", "NP")

_WRITING = frozenset({"F", "M", "W", "WD", "AD", "GA", "GW"})
_READING = frozenset({"F", "M", "RX", "R", "RD", "GA", "GR"})


@dataclass(frozen=True)
class Principal:
    """An account a command or a task runs as; ``groups`` are the SIDs its token holds besides its own."""

    name: str
    sid: str
    groups: frozenset[str]

    @property
    def is_administrator(self) -> bool:
        """Whether its token holds the Administrators group (SYSTEM does)."""
        return ADMINISTRATORS in self.groups

    def holds(self, sid: str) -> bool:
        """Whether the token matches an entry for this SID."""
        return sid == self.sid or sid in self.groups


LOCAL_SYSTEM = Principal(r"NT AUTHORITY\SYSTEM", SYSTEM, frozenset({ADMINISTRATORS, "S-1-1-0", "S-1-5-11"}))


def administrator(name: str, sid: str) -> Principal:
    """An account of the Administrators group that logged in over the network."""
    return Principal(name, sid, frozenset({ADMINISTRATORS, USERS, "S-1-1-0", "S-1-5-11", "S-1-5-2"}))


def ordinary(name: str, sid: str) -> Principal:
    """An account without administrative rights."""
    return Principal(name, sid, frozenset({USERS, "S-1-1-0", "S-1-5-11"}))


def sid_of(name: str, local: dict[str, str]) -> str | None:
    """The SID for a name as icacls and task XML take it: a SID, ``*SID``, or a name with or without its authority.

    ``local`` maps the machine's own account names (lower case, without the machine's name) to SIDs.
    """
    plain = name.removeprefix("*")
    if plain.upper().startswith("S-1-"):
        return plain.upper()
    short = plain.rsplit("\\", 1)[-1].lower()
    if plain.lower() in {"localsystem", "system"}:
        return SYSTEM
    for sid, known in WELL_KNOWN.items():
        if plain.lower() == known.lower() or ("\\" not in plain and short == known.rsplit("\\", 1)[-1].lower()):
            return sid
    return local.get(short)


@dataclass(frozen=True)
class Entry:
    """One line of an access control list: who, inheritance letters, right letters (``F``, ``M``, ``RX``, ``W,RD``)."""

    sid: str
    rights: str
    flags: tuple[str, ...] = ()
    denied: bool = False

    def for_child(self, *, container: bool) -> Entry | None:
        """What a new file or folder inherits from this entry of its parent; None when nothing."""
        wanted = "CI" if container else "OI"
        if container and "OI" in self.flags and "CI" not in self.flags and "NP" not in self.flags:
            return Entry(self.sid, self.rights, ("OI", "IO"), self.denied)
        if wanted not in self.flags:
            return None
        if not container or "NP" in self.flags:
            return Entry(self.sid, self.rights, (), self.denied)
        return Entry(self.sid, self.rights, tuple(flag for flag in self.flags if flag != "IO"), self.denied)

    def applies_here(self) -> bool:
        """False for an entry that is only passed on."""
        return "IO" not in self.flags

    def shown(self, *, inherited: bool, names: dict[str, str]) -> str:
        """As icacls prints it."""
        who = WELL_KNOWN.get(self.sid) or names.get(self.sid) or self.sid
        letters = "(I)" if inherited else ""
        letters += "".join(f"({flag})" for flag in _FLAGS if flag in self.flags)
        return f"{who}:{letters}{'(DENY)' if self.denied else ''}({self.rights})"


@dataclass
class AccessList:
    """The entries set on one file or folder itself; ``inherits`` tells whether its parent's are added."""

    entries: list[Entry] = field(default_factory=list)
    inherits: bool = True

    def grant(self, entry: Entry, *, replace: bool) -> None:
        """Add an entry; ``replace`` takes away what the same account was granted before."""
        if replace:
            self.entries = [own for own in self.entries if own.sid != entry.sid or own.denied]
        if entry not in self.entries:
            self.entries.append(entry)

    def remove(self, sid: str) -> bool:
        """Take away all entries of an account; whether there were any."""
        before = len(self.entries)
        self.entries = [own for own in self.entries if own.sid != sid]
        return len(self.entries) != before


def allows(entries: list[Entry], who: Principal, *, writing: bool) -> bool:
    """Whether the entries that count on an object let somebody write (or read) it."""
    wanted = _WRITING if writing else _READING
    here = [entry for entry in entries if entry.applies_here() and who.holds(entry.sid)]
    if any(entry.denied and wanted & set(entry.rights.split(",")) for entry in here):
        return False
    return any(not entry.denied and wanted & set(entry.rights.split(",")) for entry in here)

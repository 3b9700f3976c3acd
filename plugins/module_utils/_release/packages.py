# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Packages of the component store: which one belongs to an update.

A cumulative update is ``Package_for_RollupFix`` and carries no KB; its version begins with the build it gives
(``~~26100.33296.1.21``, public DISM outputs of WS2022 and WS2025). No public output shows what a hotpatch's package is
called, so its name is a pattern that a person can set, and the build in the version decides as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build

#: Name, public key token, architecture, language (may be empty), version.
IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}~[0-9a-f]{16}~[A-Za-z0-9]{2,10}~[A-Za-z-]{0,20}~[0-9.]{3,40}")

ROLLUP = "Package_for_RollupFix"
HOTPATCH_PATTERN = "*Hotpatch*"

#: CurrentState of a package in the registry that says "permanent" (CBS).
CBS_PERMANENT = 128


class PackageState(StrEnum):
    """As DISM names them (DismPackageFeatureState), and ``permanent``, which CBS has."""

    INSTALLED = "installed"
    SUPERSEDED = "superseded"
    STAGED = "staged"
    INSTALL_PENDING = "install_pending"
    UNINSTALL_PENDING = "uninstall_pending"
    PARTIALLY_INSTALLED = "partially_installed"
    PERMANENT = "permanent"
    OTHER = "other"


@dataclass(frozen=True)
class Package:
    """One row of the listing."""

    identity: str
    state: PackageState
    release_type: str = ""
    install_time: str | None = None

    @property
    def name(self) -> str:
        return self.identity.split("~", 1)[0]

    @property
    def version(self) -> tuple[int, ...]:
        """The version's numbers, for comparing packages of one name."""
        return tuple(int(part) for part in self.identity.rsplit("~", 1)[-1].split(".") if part)

    @property
    def build(self) -> Build | None:
        """The build that the version begins with; None for versions that begin with 10.0 (features, .NET)."""
        version = self.version
        return Build(version[0], version[1]) if len(version) >= 2 and version[0] >= 10000 else None

    @property
    def there(self) -> bool:
        """Whether it is in effect, or goes only with the next restart."""
        return self.state in (PackageState.INSTALLED, PackageState.PERMANENT, PackageState.UNINSTALL_PENDING)

    def as_dict(self) -> dict[str, str | None]:
        return {
            "package": self.identity,
            "state": self.state.value,
            "release_type": self.release_type or None,
            "install_time": self.install_time,
        }


def state_of(word: str) -> PackageState:
    """The state for DISM's English word, with or without a blank in it."""
    folded = re.sub(r"[^a-z]", "", word.lower())
    for state in PackageState:
        if state.value.replace("_", "") == folded:
            return state
    return PackageState.OTHER


def rollups(packages: Iterable[Package]) -> list[Package]:
    """The cumulative updates, oldest build first."""
    return sorted((item for item in packages if item.name == ROLLUP and item.build), key=lambda item: item.version)


def rollup_of(packages: Iterable[Package], build: Build) -> list[Package]:
    """The cumulative update that gives a build: one package, none, or several when the store is odd."""
    return [item for item in rollups(packages) if item.build == build]


def hotpatch_of(packages: Sequence[Package], kb: str, builds: Sequence[Build], pattern: str) -> list[Package]:
    """The packages that can be one hotpatch, by the surest sign there is.

    First a name that fits the pattern with the build in the version, then a name that holds the KB, then a
    ``Package_for_RollupFix`` with the hotpatch's own build.
    """
    shape = re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.IGNORECASE)
    named = [item for item in packages if shape.fullmatch(item.name) and item.build in builds]
    if named:
        return named
    whole = re.compile(rf"(?:Package_for_)?{re.escape(kb)}", re.IGNORECASE)
    return [item for item in packages if whole.fullmatch(item.name)] or [
        item for item in rollups(packages) if item.build in builds
    ]

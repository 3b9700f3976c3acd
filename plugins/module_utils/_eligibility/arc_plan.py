# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What has to be done to a server's Arc agent so that it is as somebody wants it, or why nothing is done.

Only the dangerous direction needs a permission: a new identity, a move, a plain disconnect on a platform that is not
known to be safe. On Azure Local the plain form can delete the virtual machine itself (azure-management-docs, azcmagent
disconnect), so there, and where nobody can tell, the local form is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.arc_agent import (
    ABSENT,
    CONNECTED,
    DISCONNECTED,
    EXPIRED,
    NOT_CONNECTED,
    RESOURCE_DELETED,
    UNKNOWN,
    Condition,
    condition_of,
    has_identity,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.platform_kind import Platform

INSTALL, UPGRADE, START, CONFIGURE = "install", "upgrade", "start_service", "configure"
CONNECT, DISCONNECT, FORGET, UNINSTALL, WAIT = "connect", "disconnect", "disconnect_local", "uninstall", "wait_contact"

#: Settings that hold several values; an empty one is cleared.
LISTS = ("proxy.bypass", "extensions.allowlist", "extensions.blocklist", "incomingconnections.ports")

Setting = Union[str, tuple[str, ...]]  # noqa: UP007 - pylint takes "|" for an operation here


@dataclass(frozen=True)
class Wish:
    """What somebody wants of a server's agent.

    :param version: the lowest version that will do.
    :param settings: the agent's settings by their own names; empty means "as it comes".
    :param login: whether credentials were given.
    :param private_link_scope: the scope's resource id; a server that is connected without it is told of, not moved.
    """

    state: str
    place: Mapping[str, str | None] = field(default_factory=dict)
    version: str | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    login: bool = False
    private_link_scope: str | None = None
    allow_identity_reset: bool = False
    reconnect: bool = False
    force_local_only: bool = False


@dataclass(frozen=True)
class Step:
    """One thing to do, and why."""

    kind: str
    why: str


@dataclass(frozen=True)
class Refusal:
    """Why nothing is done; ``code`` is stable."""

    code: str
    words: str
    hint: str | None


@dataclass(frozen=True)
class ArcPlan:
    """The steps in order; with a refusal there are none."""

    condition: Condition
    steps: tuple[Step, ...] = ()
    refusal: Refusal | None = None
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "steps": [{"kind": step.kind, "why": step.why} for step in self.steps],
            "warnings": list(self.warnings),
        }


def plan(
    arc: Mapping[str, Any], settings: Mapping[str, Setting] | None, platform: Platform, wish: Wish
) -> ArcPlan:  # fmt: skip
    """What has to be done.

    :param arc: the facts of the agent.
    :param settings: the agent's settings; None when they could not be read, or there is no agent.
    """
    condition = condition_of(arc, wish.place if wish.state == "connected" else {})
    return _Planning(arc, settings, platform, wish, condition).plan()


def version_of(text: str | None) -> tuple[int, ...] | None:
    """``1.58.03228.2572`` as numbers; None for anything else."""
    if not text or not re.fullmatch(r"\d{1,9}(\.\d{1,9}){0,3}", text.strip(), re.ASCII):
        return None
    return tuple(int(part) for part in text.strip().split("."))


def is_older(version: str | None, wanted: str | None) -> bool:
    """Whether a version is surely below the one that is wanted; only as many parts as were asked for count."""
    have, want = version_of(version), version_of(wanted)
    return have is not None and want is not None and have[: len(want)] < want


def pending_settings(
    settings: Mapping[str, Setting] | None, wanted: Mapping[str, Setting], *, defaults: bool = False
) -> dict[str, Setting]:
    """The settings that are not yet as wanted.

    :param defaults: there is no agent yet, and a fresh one has none of these set.
    """
    if settings is None:
        return {name: value for name, value in wanted.items() if value or not defaults}
    return {name: value for name, value in wanted.items() if not _equal(settings.get(name), value)}


def _equal(there: Setting | None, wanted: Setting) -> bool:
    if isinstance(wanted, tuple):
        have = there if isinstance(there, tuple) else (there,) if there else ()
        return {item.casefold() for item in have} == {item.casefold() for item in wanted}
    plain = "" if there is None else ",".join(there) if isinstance(there, tuple) else there
    return plain.rstrip("/").casefold() == wanted.rstrip("/").casefold()


@dataclass
class _Planning:
    arc: Mapping[str, Any]
    settings: Mapping[str, Setting] | None
    platform: Platform
    wish: Wish
    condition: Condition
    steps: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def plan(self) -> ArcPlan:
        state = self.wish.state
        refusal = {
            "installed": self._installed,
            "connected": self._connected,
            "disconnected": self._disconnected,
            "absent": self._absent,
        }[state]()
        steps = () if refusal else tuple(self.steps)
        return ArcPlan(self.condition, steps, refusal, tuple(self.warnings))

    def add(self, kind: str, why: str) -> None:
        self.steps.append(Step(kind, why))

    # ---- towards there

    def _installed(self) -> Refusal | None:
        return self._platform() or self._package() or self._configured()

    def _connected(self) -> Refusal | None:
        if refusal := self._platform() or self._package() or self._service() or self._configured():
            return refusal
        code = self.condition.code
        # What the agent says after a step that makes it talk is planned for anew.
        if code == CONNECTED:
            self._private_link()
            return None
        if code == UNKNOWN and self._makes_it_talk():
            return None
        if code in (ABSENT, NOT_CONNECTED):
            return self._connect(self.condition.words)
        if code == DISCONNECTED:
            self.add(WAIT, self.condition.words)
            return None
        if code in (EXPIRED, RESOURCE_DELETED):
            return self._reset()
        if self.condition.elsewhere:
            return self._move()
        return Refusal("arc_unknown", self.condition.words, self.condition.remedy)

    def _private_link(self) -> None:
        """Say that a connected server does not show the private link scope that was asked for."""
        wanted, there = self.wish.private_link_scope, str(self.arc.get("private_link_scope") or "")
        if wanted and wanted.rstrip("/").casefold() != there.rstrip("/").casefold():
            through = f"through the private link scope {there}" if there else "without a private link scope"
            self.warnings.append(
                f"The server is connected {through} and not through {wanted}. The scope is given only when a server is "
                "connected: add the machine to it in Azure, or disconnect the server and connect it again."
            )

    def _makes_it_talk(self) -> bool:
        """Whether a step that is planned already starts the agent's service."""
        return any(step.kind in (START, INSTALL, UPGRADE) for step in self.steps)

    def _platform(self) -> Refusal | None:
        platform = self.platform
        if platform.azure_vm is True:
            return Refusal(
                "azure_vm",
                "This is an Azure VM, and Azure manages it already; the agent is not for it.",
                "Leave it out of the play. Datacenter: Azure Edition has hotpatches there without Arc.",
            )
        if platform.azure_local_host is True:
            return Refusal(
                "azure_local_host",
                "This is an Azure Local host, which is connected by its own registration.",
                "Register the Azure Local system; leave its hosts out of the play.",
            )
        if platform.azure_vm is None or platform.azure_local_host is None:
            return Refusal(
                "platform_unknown",
                "Whether this is an Azure VM or an Azure Local host could not be read, and the agent must not be "
                "installed on either.",
                "Read the server with an account that may read Win32_SystemEnclosure and its registry.",
            )
        return None

    def _package(self) -> Refusal | None:
        installed, version = self.arc.get("installed"), self.arc.get("agent_version")
        if installed is None:
            return Refusal("arc_unknown", "Whether the agent is installed could not be read.", "Read the server again.")
        if installed is False:
            self.add(INSTALL, "The agent is not installed.")
        elif is_older(version, self.wish.version):
            self.add(UPGRADE, f"Version {version} is older than {self.wish.version}.")
        elif self.wish.version and version_of(version) is None:
            self.warnings.append("The agent does not tell its version, so it was not compared.")
        return None

    def _service(self) -> Refusal | None:
        if self.arc.get("installed") and self.arc.get("service") == "stopped":
            self.add(START, "The service himds does not run.")
        return None

    def _configured(self) -> Refusal | None:
        fresh = self.arc.get("installed") is False
        if pending := pending_settings(self.settings, self.wish.settings, defaults=fresh):
            self.add(CONFIGURE, f"Not yet as wanted: {', '.join(sorted(pending))}.")
        return None

    def _connect(self, why: str) -> Refusal | None:
        wish = self.wish
        missing = [name for name in ("subscription_id", "resource_group", "location") if not wish.place.get(name)]
        if missing:
            return Refusal("place_missing", f"To connect, {', '.join(missing)} must be given.", None)
        if not wish.login:
            return Refusal(
                "login_missing",
                "To connect, a service principal, an access token or a configuration file must be given.",
                None,
            )
        if self.platform.azure_local_vm is not False:
            self.warnings.append(
                "This server is, or may be, a virtual machine of Azure Local, which has an agent of its own making: "
                "guest management. Connecting it here makes a second resource of it."
            )
        self.add(CONNECT, why)
        return None

    def _reset(self) -> Refusal | None:
        condition = self.condition
        if not self.wish.allow_identity_reset:
            return Refusal(f"arc_{condition.code}", condition.words, condition.remedy)
        if self.platform.azure_local_vm is True:
            return Refusal(
                "azure_local_vm",
                f"{condition.words} It is a virtual machine of Azure Local, whose agent is managed there.",
                "Reset its guest management from Azure Local.",
            )
        self.add(FORGET, condition.words)
        self.warnings.append(condition.remedy or "")
        return self._connect("The old identity is given up.")

    def _move(self) -> Refusal | None:
        condition = self.condition
        if not self.wish.reconnect:
            return Refusal(condition.code, condition.words, condition.remedy)
        if self.platform.azure_local_vm is True:
            return Refusal("azure_local_vm", "A virtual machine of Azure Local is not moved from inside.", None)
        same_tenant = condition.code not in ("other_tenant", "other_cloud")
        self._leave(login=self.wish.login and same_tenant)
        return self._connect("The server is moved.")

    # ---- away from there

    def _disconnected(self) -> Refusal | None:
        if self.arc.get("installed") is False:
            return None
        if self.condition.code == UNKNOWN:
            return Refusal("arc_unknown", self.condition.words, self.condition.remedy)
        if has_identity(self.arc):
            if self.condition.code != RESOURCE_DELETED and self._is_safe() and not self.wish.login:
                return Refusal(
                    "login_missing",
                    "To delete the resource in Azure, a service principal or an access token must be given.",
                    "Give one, or set force_local_only to true to leave the resource where it is.",
                )
            self._leave(login=self.wish.login)
        return None

    def _absent(self) -> Refusal | None:
        if self.arc.get("installed") is None:
            return Refusal("arc_unknown", "Whether the agent is installed could not be read.", "Read the server again.")
        if self.arc.get("installed") is False:
            return None
        if refusal := self._disconnected():
            return refusal
        self.add(UNINSTALL, "The agent is installed.")
        return None

    def _is_safe(self) -> bool:
        """Whether the plain form may be used: it deletes the resource in Azure, which may be the machine itself."""
        return self.platform.azure_local_vm is False and not self.wish.force_local_only

    def _leave(self, *, login: bool) -> None:
        identity = self.arc.get("resource_id") or self.arc.get("resource_name")
        if self.condition.code == RESOURCE_DELETED:
            self.add(FORGET, "Its resource is gone already.")
        elif self._is_safe() and login:
            self.add(DISCONNECT, f"It is connected as {identity}.")
        else:
            self.add(FORGET, f"It is connected as {identity}.")
            if self.platform.azure_local_vm is not False:
                self.warnings.append(
                    "This server is, or may be, a virtual machine of Azure Local, where the plain disconnect can "
                    "delete the machine: only the agent forgets, and the resource stays."
                )
            else:
                self.warnings.append(f"The resource {identity} stays in Azure; delete it there.")

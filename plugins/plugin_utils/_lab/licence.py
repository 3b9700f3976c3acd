# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a server is enrolled for hotpatch: what Azure's portal shows, and when the server comes to know of a change.

The portal's words, and that a change takes about ten minutes: azure-docs, manage-hot-patching-arc-machines. The values
in the server's registry: one third-party script, undocumented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Event
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry_content import hide_licence, show_licence

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

CHANGE_SECONDS = 600.0
#: How often a change that could not reach the server is tried again.
RETRY_SECONDS = 60.0


class LicenceError(Exception):
    """Azure does not take the change; the text says why."""


class Licence:
    """The hotpatch licence of one server.

    ``enrolled`` and ``opted_out`` are what the server acts on.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.enrolled = machine.spec.enrolled
        self.opted_out = machine.spec.opted_out
        self._wanted: tuple[bool, bool] | None = None
        self._event: Event | None = None

    @property
    def active(self) -> bool:
        """Whether the server may have hotpatches as far as its licence goes."""
        return self.enrolled and not self.opted_out and (self._machine.spec.edition_data.azure or self.connected)

    @property
    def connected(self) -> bool:
        """Whether Azure has contact with the server's agent."""
        return self._machine.arc.connected

    @property
    def wanted(self) -> tuple[bool, bool] | None:
        """What Azure has been asked for and the server does not know yet: enrolled, opted out."""
        return self._wanted

    @property
    def shown(self) -> str:
        """The portal's word."""
        if self._wanted is not None:
            return "Pending"
        if not self.enrolled:
            return "Not enrolled"
        return "Disabled" if self.opted_out else "Enabled"

    def as_dict(self) -> dict[str, Any]:
        """For the control address."""
        return {"shown": self.shown, "enrolled": self.enrolled, "opted_out": self.opted_out}

    def change(self, body: Mapping[str, Any]) -> None:
        """Do what somebody does in the portal: ``enrolled`` and ``opted_out``, true or false.

        :raises LicenceError: an unknown setting, or this server is not enrolled through Azure Arc.
        """
        for key, value in body.items():
            if key not in ("enrolled", "opted_out"):
                raise LicenceError(f"There is no setting {key!r}; there are enrolled and opted_out.")
            if not isinstance(value, bool):
                raise LicenceError(f"{key} must be true or false, not {value!r}.")
        if self._machine.spec.edition_data.azure:
            raise LicenceError("Azure Edition is not enrolled through Azure Arc.")
        if not self.connected:
            raise LicenceError("Azure has no connected machine of this server.")
        self.ask(enrolled=body.get("enrolled"), opted_out=body.get("opted_out"))

    def ask(self, *, enrolled: bool | None = None, opted_out: bool | None = None) -> None:
        """Azure takes a change; None leaves a setting. The server learns of it when its agent has contact."""
        before = self._wanted or (self.enrolled, self.opted_out)
        wanted = (before[0] if enrolled is None else enrolled, before[1] if opted_out is None else opted_out)
        if wanted == before:
            return
        self._wanted = wanted
        self._try_after(CHANGE_SECONDS * self._machine.jitter())

    def _try_after(self, seconds: float) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = self._machine.timeline.after(seconds, self._arrive)

    def _arrive(self) -> None:
        """The agent fetches the licence, which it can only while it has contact."""
        if self._wanted is None:
            return
        # A virtual machine of Azure learns of it by Azure's own agent, not by Arc's.
        own = self._machine.spec.edition_data.azure
        if self._machine.faults.enrollment_stuck or not (self.connected or own):
            self._try_after(RETRY_SECONDS)
            return
        self.enrolled, self.opted_out = self._wanted
        self._wanted = None
        if own:
            return
        with self._machine.registry.as_windows():
            (show_licence if self.enrolled else hide_licence)(self._machine.registry)

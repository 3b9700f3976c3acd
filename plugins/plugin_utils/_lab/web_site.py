# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web site of a server: what a workload shows to its clients while its service runs.

The port belongs to http.sys and is open while the site runs; the site runs while W3SVC does (Microsoft Learn, "IIS
architectures"). A page that wants Basic authentication takes the server's own accounts.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import WebAnswer
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.services import RUNNING

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

SERVICE = "W3SVC"


class WebSite:
    """``/`` is a page, ``/private`` wants a login, ``/moved`` leads to ``/``; there is nothing else."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @property
    def open(self) -> bool:
        """Whether the port is open."""
        service = self._machine.services.find(SERVICE)
        return self._machine.network != "closed" and service is not None and service.state == RUNNING

    def answer(self, method: str, path: str, authorization: str | None) -> WebAnswer:
        """One request."""
        failure = self._machine.faults.web_failure
        if failure is not None and self._machine.random.random() * 100 < failure.percent:
            return WebAnswer(failure.status, f"Service failure {failure.status}\n")
        if method not in {"GET", "HEAD"}:
            return WebAnswer(405, "", (("Allow", "GET, HEAD"),))
        if path == "/moved":
            return WebAnswer(301, "", (("Location", "/"),))
        if path == "/private" and not self._knows(authorization):
            return WebAnswer(401, "", (("WWW-Authenticate", f'Basic realm="{self._machine.hostname}"'),))
        if path in {"/", "/private"}:
            return WebAnswer(200, f"<html><body>{self._machine.hostname} is up.</body></html>\n")
        return WebAnswer(404, "")

    def _knows(self, authorization: str | None) -> bool:
        scheme, _blank, code = (authorization or "").partition(" ")
        try:
            user, _colon, password = base64.b64decode(code, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and self._machine.accounts.get(user) == password

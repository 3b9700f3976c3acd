# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""arc_agent against a server of the lab: what it does, what it refuses, and what becomes of secrets."""

from __future__ import annotations

from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core import arc_agent, arc_options
from tests.unit.lab_client import LabServer

SECRET = "Planted-Arc-Secret-1"
AZURE = {"service_principals": [{"id": "3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21", "secret": SECRET}]}
PLACE = {
    "subscription_id": "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33",
    "resource_group": "rg-arc-servers",
    "tenant_id": "6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10",
    "location": "westeurope",
}
LOGIN = {"service_principal_id": "3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21", "service_principal_secret": SECRET}


def run(server: LabServer, *, check: bool = False, **params: Any) -> dict[str, Any]:
    return arc_agent.run(server.call(arc_options.SPEC, check=check, **params))


def kinds(result: dict[str, Any]) -> list[str]:
    return [step["kind"] for step in result["steps"]]


def test_a_bare_server_is_installed_and_connected_and_stays() -> None:
    server = LabServer.make(AZURE, arc="none", enrolled=False)
    done = run(server, **PLACE, **LOGIN)
    assert done["changed"] and done["condition"] == "connected"
    assert kinds(done) == ["install", "connect"]
    print(len(server.commands), server.shells, server.files(), server.warnings, done)
    again = run(server, **PLACE, **LOGIN)
    assert (again["changed"], kinds(again)) == (False, [])

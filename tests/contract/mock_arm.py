# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start azure-contract's stand-in for ARM, and run the cores of Azure nouns against it."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.clouds import Cloud
from tests.wire.azure_calls import run_core

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"


@dataclass
class MockArm:
    """A stand-in that runs.

    :ivar address: where it listens, on loopback.
    :ivar warnings: what the calls warned of.
    """

    address: str
    warnings: list[str] = field(default_factory=list)

    @property
    def cloud(self) -> Cloud:
        """It does not describe itself as an own endpoint does, so a test puts it where the public cloud is."""
        return Cloud("AzureCloud", self.address, "unused", "https://unused.invalid")

    def verdicts(self) -> list[dict[str, Any]]:
        """What the validator said of each request, in the order in which they came."""
        with urllib.request.urlopen(f"{self.address}/__contract__", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def call(self, noun: ModuleType, **options: Any) -> dict[str, Any]:
        """Run a noun's core.

        :raises HotpatchError: it failed.
        """
        account = {"access_token": "a-token", "subscription_id": SUBSCRIPTION, "resource_group": "rg1"}
        given = {**{key: text for key, text in account.items() if key in noun.SPEC.argument_spec}, **options}
        return run_core(noun, given, warn=self.warnings.append)


@contextmanager
def running_mock_arm(contract: Path) -> Iterator[MockArm]:
    """Run it from an installed copy of azure-contract."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", "mock_arm.js", "--port", str(port)]
    with subprocess.Popen(command, cwd=contract, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("mock ARM"), "azure-contract's stand-in did not start"
            yield MockArm(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(20)

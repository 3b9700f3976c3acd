# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the core of an Azure noun against a running lab, as its fronts do, with the lab's own account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError
from tests.wire.running_lab import RunningLab

#: Another host, as far as a connection's name tells: this very machine under the name of a plugin of its own.
ELSEWHERE = """
from ansible.plugins.connection.local import DOCUMENTATION as _WORDS
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = _WORDS.replace("name: local", "name: elsewhere")


class Connection(Local):
    transport = "elsewhere"
"""


def account(lab: RunningLab, **changes: Any) -> dict[str, Any]:
    """The options that log in to the lab's Azure."""
    azure = lab.azure
    return {
        "cloud_environment": azure["arm"]["http"],
        "client_id": azure["client_id"],
        "secret": azure["secret"],
        "tenant": azure["tenant"],
        "subscription_id": azure["subscription_id"],
        "resource_group": azure["resource_group"],
        "ca_path": str(lab.ca_file),
        **changes,
    }


def run_core(noun: ModuleType, given: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Check options as Ansible does, and run a noun's core with them.

    :param more: for the call, such as ``check_mode``.
    :raises HotpatchError: it failed.
    """
    checked = ArgumentSpecValidator(noun.SPEC.argument_spec, mutually_exclusive=noun.SPEC.mutually_exclusive).validate(
        given
    )
    assert not checked.error_messages, checked.error_messages
    call = Call(params=checked.validated_parameters, name="localhost", environment={}, **more)
    result: dict[str, Any] = noun.run(call)
    return result


@dataclass
class AzureCalls:
    """Calls of cores.

    :ivar lines: what was shown as progress.
    :ivar warnings: what was warned of.
    :ivar now: what the controller takes for the time, where it is not the time.
    """

    lab: RunningLab
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    now: datetime | None = None

    def __call__(self, noun: ModuleType, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Run a noun's core.

        :raises HotpatchError: it failed.
        """
        given = account(self.lab, **options)
        if "resource_group" not in noun.SPEC.argument_spec:  # what is of a whole subscription
            given.pop("resource_group", None)
        return run_core(
            noun,
            given,
            check_mode=check_mode,
            progress=self.lines.append,
            warn=self.warnings.append,
            now=lambda: self.now or datetime.now(UTC),
        )

    def failing(self, noun: ModuleType, **options: Any) -> HotpatchError:
        """Run a noun's core that must fail; its error."""
        try:
            result = self(noun, **options)
        except HotpatchError as error:
            return error
        raise AssertionError(result)

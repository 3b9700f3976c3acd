# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The action front of the Azure nouns: runs a core inside Ansible's worker on the controller, and shows its progress.

A module cannot print while it works, and enrolling a thousand machines takes minutes; besides, a Windows host cannot
run an ordinary module at all. So where the task's host is the controller or a Windows server, the work is done here. On
any other host, and with ``become`` or ``async``, it is an ordinary module of that host.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.plugin_utils._action_front import ControllerAction, plain

_HERE = ("local", "winrm", "psrp")
#: What the task's environment may hold that nothing of ours may show.
_SECRET = ("AZURE_SECRET", "AZURE_CLIENT_SECRET", "AZURE_ACCESS_TOKEN")


class AzureAction(ControllerAction):
    """An action that talks to Azure."""

    _supports_async = True

    def _answer(self, params: dict[str, Any], task_vars: dict[str, Any], secrets: set[str]) -> dict[str, Any]:
        transport = str(self._connection.transport).rsplit(".", 1)[-1]
        elsewhere = transport not in _HERE or self._task.async_val or (self._task.become and transport == "local")
        if elsewhere:
            answer: dict[str, Any] = self._execute_module(
                module_name=self._task.action,
                module_args=plain(self._task.args),
                task_vars=task_vars,
                wrap_async=self._task.async_val,
            )
            return answer
        environment = self._own_environment()
        secrets.update(environment[name] for name in _SECRET if environment.get(name))
        return super()._answer(params, task_vars, secrets)

    def _call(self, params: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Call:
        """With the environment that the task sets, where many keep their Azure account."""
        return replace(super()._call(params, task_vars), environment={**os.environ, **self._own_environment()})

    def _own_environment(self) -> dict[str, str]:
        given = self._task.environment or []
        own: dict[str, str] = {}
        for part in given if isinstance(given, list) else [given]:
            templated = self._templar.template(part)
            if isinstance(templated, Mapping):
                own.update({str(key): str(value) for key, value in plain(templated).items()})
        return own

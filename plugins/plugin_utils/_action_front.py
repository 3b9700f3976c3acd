# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The action front: runs a core inside Ansible's worker process, without starting another Python.

Contract with a core: it gets a :class:`Call`, returns a dict of plain JSON values, raises ``HotpatchError``. This file
turns that into a task result: ``failed`` or ``unreachable``, ``msg`` as a sentence, ``error`` as keys. Whatever a
``no_log`` option or the connection's password holds is removed from the result, from the messages too.

The host's own connection plugin is used for its options only. A task that names ``address`` is run as a module on the
task's host instead (a jump host with Python, or localhost).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    HotpatchError,
    InvalidInput,
    NotSupported,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._connection import settings_of
from ansible_collections.winops.hotpatch.plugins.plugin_utils._run_alive import sleep_while_it_runs


class ControllerAction(ActionBase):  # type: ignore[misc]
    """An action that touches no server: it decides, prints or writes on the controller."""

    SPEC: ClassVar[Spec]

    @staticmethod
    def core(call: Call) -> dict[str, Any]:
        """The core of the noun; each action names its own."""
        raise InvalidInput(f"{call.name}: this action has no core.")

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        secrets: set[str] = set()
        task_vars = task_vars or {}
        try:
            params = self._checked_options(secrets)
            answer = self._answer(params, task_vars, secrets)
        except Unreachable as error:
            answer = {"unreachable": True, "changed": error.changed, **_error_keys(error)}
        except HotpatchError as error:
            answer = {"failed": True, "changed": error.changed, **_error_keys(error)}
        if self._display.verbosity >= 3:
            answer.setdefault("invocation", {"module_args": plain(self._task.args)})
        result.update(answer)
        scrubbed: dict[str, Any] = remove_values(result, secrets)
        return scrubbed

    def _answer(self, params: dict[str, Any], task_vars: dict[str, Any], secrets: set[str]) -> dict[str, Any]:
        return type(self).core(self._call(params, task_vars))

    def _checked_options(self, secrets: set[str]) -> dict[str, Any]:
        """The task's options, validated and plain; ``secrets`` is filled with what no_log options hold."""
        validator = ArgumentSpecValidator(
            self.SPEC.argument_spec,
            mutually_exclusive=self.SPEC.mutually_exclusive,
            required_together=self.SPEC.required_together,
            required_if=self.SPEC.required_if,
        )
        checked = validator.validate(plain(self._task.args))
        secrets.update(str(value) for value in checked._no_log_values if value)
        wrong = [error.msg.rstrip(".") for error in checked.errors if not isinstance(error, UnsupportedError)]
        if unknown := sorted(str(name) for name in checked.unsupported_parameters):
            known = ", ".join(sorted(self.SPEC.argument_spec))
            wrong.append(f"there is no option {', '.join(unknown)} (there are {known})")
        if wrong:
            raise InvalidInput(f"{self._task.action}: {'; '.join(wrong)}.")
        options: dict[str, Any] = plain(checked.validated_parameters)
        return options

    def _call(self, params: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Call:
        return Call(
            params=params,
            name=str(task_vars.get("inventory_hostname", "localhost")),
            check_mode=bool(self._task.check_mode),
            progress=Display().display,
            warn=Display().warning,
            sleep=sleep_while_it_runs(),
        )


class ServerAction(ControllerAction):
    """An action that works on the task's host, a Windows server."""

    def _answer(self, params: dict[str, Any], task_vars: dict[str, Any], secrets: set[str]) -> dict[str, Any]:
        if self._task.become:
            raise NotSupported(
                f"{self._task.action}: become is set, and this module always works as the account of the connection.",
                hint="Set become: false for the task; the account must be an administrator of the server.",
            )
        if params.get("address"):
            answer: dict[str, Any] = self._execute_module(
                module_name=self._task.action, module_args=plain(self._task.args), task_vars=task_vars
            )
            return answer
        # With delegate_to the connection is the delegate's, so is the name people should read.
        name = str(self._task.delegate_to or task_vars.get("inventory_hostname", ""))
        try:
            settings = settings_of(self._connection, name)
        except AnsibleError as error:
            raise Unreachable(f"{name}: the connection's options cannot be used: {error.message}") from None
        if settings.password:
            secrets.add(settings.password)
        call = self._call(params, task_vars)
        return type(self).core(
            replace(
                call,
                name=name,
                settings=settings,
                progress=lambda text: call.progress(f"  [{name}] {text}"),
                warn=lambda text: call.warn(f"{name}: {text}"),
            )
        )


def _error_keys(error: HotpatchError) -> dict[str, Any]:
    return {**error.details, "msg": error.sentence(), "error": error.as_result()}


def plain(value: Any) -> Any:
    """The value without Ansible's tags: lists, dicts, text, numbers, booleans and None only.

    Tagged values look like the plain ones but break a YAML dump, an exact type test and a pickle (ansible-core 2.19).
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str(value)

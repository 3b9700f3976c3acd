# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action front: options in, results and errors out, secrets nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError, Unreachable, UpdateFailed
from ansible_collections.winops.hotpatch.plugins.plugin_utils._action_front import ServerAction, plain
from tests.unit.fronts.test_connection import connection

SPEC = Spec(
    {
        "address": {"type": "str"},
        "count": {"type": "int", "default": 3},
        "kind": {"type": "str", "choices": ["a", "b"], "default": "a"},
        "token": {"type": "str", "no_log": True},
        "nested": {"type": "dict"},
    }
)
PASSWORD = "connection-secret-1"
TOKEN = "option-secret-2"


def run(core: Any, args: dict[str, Any], plugin: str = "winrm", verbosity: int = 0, **task: Any) -> dict[str, Any]:
    """Run an action with this core, as the task executor does."""

    class ActionModule(ServerAction):
        SPEC = SPEC_OF_TEST

    ActionModule.core = staticmethod(core)  # type: ignore[method-assign]
    loaded = Task.load({"name": "t", "action": {"module": "winops.hotpatch.updates", **args}, **task})
    action = ActionModule(
        loaded,
        connection(plugin, ansible_user="admin", ansible_password=PASSWORD, ansible_winrm_transport="basic")
        if plugin == "winrm"
        else connection(plugin),
        None,
        DataLoader(),
        Templar(loader=DataLoader()),
        None,
    )
    action._display.verbosity, before = verbosity, action._display.verbosity
    try:
        result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "web01"})
    finally:
        action._display.verbosity = before
    return result


SPEC_OF_TEST = SPEC


def raising(error: Exception) -> Any:
    def core(call: Call) -> dict[str, Any]:
        del call
        raise error

    return core


def test_a_core_gets_validated_options_and_the_hosts_own_settings() -> None:
    seen: list[Call] = []

    def core(call: Call) -> dict[str, Any]:
        seen.append(call)
        return {"changed": True, "word": "done"}

    result = run(core, {"count": "7"}, check_mode=True)
    (call,) = seen
    assert result["changed"] is True
    assert result["word"] == "done"
    assert call.params == {"count": 7, "kind": "a", "address": None, "token": None, "nested": None}
    assert call.check_mode is True
    assert call.name == "web01"
    assert call.settings is not None
    assert (call.settings.username, call.settings.transports) == ("admin", ("basic",))


def test_an_error_becomes_words_and_keys() -> None:
    error = UpdateFailed("web01: it failed.", code="0x80240016", hint="Wait.", retryable=True)
    error.details = {"kbs_installed": ["KB5072014"]}
    error.changed = True
    result = run(raising(error), {})
    assert result["failed"] is True
    assert result["changed"] is True
    assert result["msg"] == "web01: it failed. Wait."
    assert result["error"] == {"code": "0x80240016", "hint": "Wait.", "retryable": True}
    assert result["kbs_installed"] == ["KB5072014"]
    assert "unreachable" not in result


def test_what_cannot_be_reached_is_unreachable_and_not_failed() -> None:
    result = run(raising(Unreachable("web01: nothing answers.")), {})
    assert result["unreachable"] is True
    assert "failed" not in result


def test_secrets_are_in_no_result_whatever_a_core_says() -> None:
    def core(call: Call) -> dict[str, Any]:
        return {"changed": False, "a": f"x{PASSWORD}y", "b": [{"c": call.params["token"]}]}

    for result in (
        run(core, {"token": TOKEN}, verbosity=4),
        run(raising(HotpatchError(f"web01 said {PASSWORD} and {TOKEN}")), {"token": TOKEN}, verbosity=4),
    ):
        assert PASSWORD not in str(result)
        assert TOKEN not in str(result)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"count": "many"}, "count"),
        ({"kind": "c"}, "one of: a, b"),
        ({"cuont": 1}, "no option cuont (there are address, count, kind, nested, token)"),
    ],
)
def test_a_wrong_option_is_told_by_its_name(args: dict[str, Any], words: str) -> None:
    result = run(raising(AssertionError("the core was called")), args)
    assert result["failed"] is True
    assert words in result["msg"]
    assert result["msg"].startswith("winops.hotpatch.updates: ")
    assert result["error"]["code"] == "invalid_input"


def test_become_is_refused_and_not_ignored() -> None:
    result = run(raising(AssertionError("the core was called")), {}, become=True)
    assert result["failed"] is True
    assert "become" in result["msg"]


def test_another_connection_plugin_is_named_with_the_two_that_work() -> None:
    result = run(raising(AssertionError("the core was called")), {}, plugin="ssh")
    assert result["failed"] is True
    assert "winrm or psrp" in result["msg"]


def test_tags_do_not_reach_a_core() -> None:
    seen: list[Any] = []

    def core(call: Call) -> dict[str, Any]:
        seen.append(call.params["nested"])
        return {"changed": False}

    from ansible.parsing.yaml.loader import AnsibleLoader

    tagged = AnsibleLoader("nested: {a: text, b: [1, 2.5, true, null], c: 2025-12-20}").get_single_data()
    run(core, tagged)
    (nested,) = seen
    assert nested == {"a": "text", "b": [1, 2.5, True, None], "c": "2025-12-20"}
    assert [value.__class__ for value in (nested["a"], nested["c"], nested["b"][0])] == [str, str, int]


def test_plain_leaves_plain_values_alone() -> None:
    value = {"a": [1, "x", None, True, 2.5, {"b": []}]}
    assert plain(value) == value

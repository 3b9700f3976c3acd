# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vbs core against a server that is a script: what it writes, warns of and refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import vbs
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Fault, InvalidInput, Refused, Unreachable
from tests.unit.eligibility.vbs_readings import guest

SWITCH, REQUIRE = "EnableVirtualizationBasedSecurity", "RequirePlatformSecurityFeatures"


@dataclass
class Script:
    """A server that reads as given; it is its own connection."""

    reading: dict[str, Any] | Exception
    refuses: Exception | None = None
    written: list[dict[str, int]] = field(default_factory=list)
    closed: int = 0
    warnings: list[str] = field(default_factory=list)

    def vbs(self) -> Script:
        return self

    def read(self) -> dict[str, Any]:
        if isinstance(self.reading, Exception):
            raise self.reading
        return self.reading

    def write(self, values: Mapping[str, int]) -> None:
        if self.refuses:
            raise self.refuses
        self.written.append(dict(values))

    def close(self) -> None:
        self.closed += 1


def run(server: Script, *, check: bool = False, **params: Any) -> dict[str, Any]:
    options = {name: option.get("default") for name, option in vbs.SPEC.argument_spec.items()} | params

    class ScriptedCall(Call):
        def server(self) -> Any:
            return server

    try:
        return vbs.run(ScriptedCall(params=options, name="web01", check_mode=check, warn=server.warnings.append))
    finally:
        assert server.closed == (0 if "platform_security" in params and params.get("state") != "enabled" else 1)


@pytest.mark.parametrize("check", [True, False])
def test_check_mode_says_the_same_and_writes_nothing(check: bool) -> None:
    server = Script(guest(0))
    result = run(server, check=check, state="enabled", platform_security="secure_boot")
    assert result["changed"] is True
    assert server.written == ([] if check else [{REQUIRE: 1, SWITCH: 1}])
    assert result["diff"] == {"before": {SWITCH: None, REQUIRE: None}, "after": {SWITCH: 1, REQUIRE: 1}}
    assert result["settings"]["registry"][SWITCH] == 1
    assert result["demand"] == {
        "enabled": True, "by": "registry", "kept_on_by": [], "platform_security": "secure_boot", "locked": False
    }  # fmt: skip
    assert (result["status"], result["restart_required"]) == (0, True)


def test_without_a_state_it_only_reports() -> None:
    server = Script(guest(0, hyper_v=True))
    result = run(server)
    assert (result["changed"], server.written, server.warnings) == (False, [], [])
    assert [risk["code"] for risk in result["risks"]] == ["hyper_v_role"]
    assert "diff" not in result


def test_a_report_needs_nothing_that_could_be_read() -> None:
    nothing = guest(None, policy=None, registry=None, tpm=None, hyper_v=None, build=None) | {"why_unknown": "denied"}
    result = run(Script(nothing))
    assert (result["status"], result["restart_required"], result["demand"]["by"]) == (None, None, "unknown")
    assert {risk["state"] for risk in result["risks"]} == {"unknown"}


@pytest.mark.parametrize(
    ("reading", "state", "warned"),
    [
        (guest(0, hyper_v=True), "enabled", ["Hyper-V role is installed"]),
        (guest(0, hyper_v=None), "enabled", ["could not be read"]),
        (guest(0, registry={"Locked": 1}), "enabled", ["Locked is 1"]),
        (guest(2, hyper_v=True), "enabled", []),
        (guest(0, hyper_v=True), "disabled", []),
        (guest(2, services={"credential_guard": 2}), "disabled", ["stays on, because something else needs it"]),
    ],
)
def test_what_a_person_should_know_is_warned_of(reading: dict[str, Any], state: str, warned: list[str]) -> None:
    server = Script(reading)
    run(server, state=state)
    assert len(server.warnings) == len(warned)
    for text, words in zip(server.warnings, warned, strict=True):
        assert words in text


def test_a_refusal_carries_the_report() -> None:
    server = Script(guest(0, policy={SWITCH: 0}))
    with pytest.raises(Refused) as caught:
        run(server, state="enabled")
    assert (caught.value.code, caught.value.server, caught.value.changed) == ("policy_forbids", "web01", False)
    assert caught.value.message.startswith("web01: a policy turns")
    assert caught.value.details["demand"]["by"] == "policy"
    assert (server.written, server.warnings) == ([], [])


def test_errors_pass_and_the_connection_is_closed() -> None:
    for server in (Script(Unreachable("web01: gone")), Script(guest(0), refuses=Fault("web01: no"))):
        with pytest.raises((Unreachable, Fault)):
            run(server, state="enabled")


@pytest.mark.parametrize("state", [None, "disabled"])
def test_platform_security_goes_with_enabled_only(state: str | None) -> None:
    server = Script(guest(0))
    with pytest.raises(InvalidInput):
        run(server, state=state, platform_security="secure_boot")

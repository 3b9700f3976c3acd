# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""arc_agent against a server of the lab: what it does, what it refuses, and what becomes of secrets."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import arc_agent, arc_options
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AgentFailed,
    Busy,
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
    Refused,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest import files_upload
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import faults
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.internet import LATEST_AGENT
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.msi import make_package
from tests.unit.lab_client import LabServer

SECRET = "Planted-Arc-Secret-1"
TOKEN = "planted." + "t0ken" * 400
CERTIFICATE = "-----BEGIN PRIVATE KEY-----\nPlanted\n-----END PRIVATE KEY-----\n"
PRINCIPAL = "3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21"
BY_CERTIFICATE = "4a1b7c20-1111-4f5e-8f0a-2f6d1c9b7e21"
ONLY_CONNECTS = "5b2c8d30-2222-4f5e-8f0a-2f6d1c9b7e21"
AZURE: dict[str, Any] = {
    "service_principals": [
        {"id": PRINCIPAL, "secret": SECRET},
        {"id": BY_CERTIFICATE, "certificate": CERTIFICATE, "thumbprint": "AB" * 20},
        {"id": ONLY_CONNECTS, "secret": SECRET, "may_delete": False},
    ],
    "access_tokens": [TOKEN],
}
PLACE: dict[str, Any] = {
    "subscription_id": "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33",
    "resource_group": "rg-arc-servers",
    "tenant_id": "6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10",
    "location": "westeurope",
}
LOGIN: dict[str, Any] = {"service_principal_id": PRINCIPAL, "service_principal_secret": SECRET}
WISH: dict[str, Any] = {**PLACE, **LOGIN}
OTHER_TENANT = "99999999-2f0b-4f0e-9a51-6a4d6f8f2b10"


def server_with(**keys: Any) -> LabServer:
    return LabServer.make(AZURE, **keys)


def run(server: LabServer, *, check: bool = False, **params: Any) -> dict[str, Any]:
    return arc_agent.run(server.call(arc_options.SPEC, check=check, **params))


def kinds(result: dict[str, Any]) -> list[str]:
    return [step["kind"] for step in result["steps"]]


def everything_shown(server: LabServer, result: object) -> str:
    """All that a person, a recording or another user of the server could come to see."""
    files = [node.content or b"" for _path, node in server.machine.disk.walk("C:\\") if not node.is_folder]
    return "\n".join(
        [
            json.dumps(result, default=str), *server.commands, *server.progress, *server.warnings,
            *(write.what for write in server.machine.journal.writes), *(data.decode("latin-1") for data in files),
        ]
    )  # fmt: skip


def no_login_is_left(server: LabServer) -> bool:
    return not [name for name in server.files() if "secret" in name or name.endswith((".json", ".b64", ".tmp"))]


# ---- the way there


def test_a_bare_server_is_installed_and_connected_and_stays() -> None:
    server = server_with(arc="none", enrolled=False)
    done = run(server, **WISH, tags={"environment": "production", "owner": "Windows team, Oslo"})
    assert (done["changed"], done["condition"], kinds(done)) == (True, "connected", ["install", "connect"])
    assert done["package"]["source"] == "https://aka.ms/AzureConnectedMachineAgent"
    assert done["diff"]["before"]["condition"] == "absent" and done["diff"]["after"]["condition"] == "connected"
    (resource,) = server.world.azure.machines
    assert resource.tags == {"environment": "production", "owner": "Windows team, Oslo"}
    assert server.files() == ["\\arc", "\\arc\\agent-install.log"]
    before = (server.machine.write_count, len(server.commands))
    again = run(server, **WISH)
    assert (again["changed"], kinds(again), again["endpoints"]) == (False, [], [])
    assert again["diff"]["before"] == again["diff"]["after"]
    assert server.machine.write_count == before[0]
    assert len(server.commands) - before[1] == 2, "the folders, and everything else in one command line"


def test_all_of_it_takes_few_commands_in_one_shell() -> None:
    server = server_with(arc="none", enrolled=False)
    run(server, **WISH)
    assert server.shells == 1
    assert len(server.commands) <= 20


def test_after_connecting_the_server_may_have_hotpatches() -> None:
    server = server_with(arc="installed")
    assert not server.machine.updates.capable
    run(server, **WISH)
    assert server.machine.updates.capable


def test_check_mode_writes_nothing_and_says_what_would_be_done() -> None:
    for state, steps in (("none", ["install", "connect"]), ("installed", ["connect"]), ("connected", [])):
        server = server_with(arc=state, enrolled=False)
        told = run(server, check=True, **WISH, incoming_connections=False)
        assert kinds(told) == [*(["install"] if state == "none" else []), "configure", *steps[-1:]]
        assert told["changed"] is True
        assert told["diff"]["after"]["settings"]["incomingconnections.enabled"] == "false"
        assert server.machine.write_count == 0
    told = run(server_with(arc="connected"), check=True, **WISH)
    assert (told["changed"], kinds(told)) == (False, [])


@pytest.mark.parametrize(
    "login",
    [
        {"access_token": TOKEN},
        {"service_principal_id": BY_CERTIFICATE, "service_principal_certificate_thumbprint": "ab" * 20},
        LOGIN,
    ],
    ids=["token", "thumbprint", "secret"],
)
def test_every_way_to_log_in(login: dict[str, Any]) -> None:
    server = server_with(arc="installed")
    done = run(server, **PLACE, **login)
    assert done["condition"] == "connected"
    assert no_login_is_left(server)
    for secret in (SECRET, TOKEN):
        assert secret not in everything_shown(server, done)


def test_a_certificate_goes_beside_the_login_and_is_deleted_with_it(tmp_path: Path) -> None:
    file = tmp_path / "arc.pem"
    file.write_text(CERTIFICATE)
    server = server_with(arc="installed")
    done = run(
        server, **PLACE, service_principal_id=BY_CERTIFICATE, service_principal_certificate=str(file)
    )  # fmt: skip
    assert done["condition"] == "connected"
    assert no_login_is_left(server)
    assert "Planted" not in everything_shown(server, done)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_configuration_file_that_was_issued(tmp_path: Path, form: str) -> None:
    options = {
        "subscription-id": PLACE["subscription_id"],
        "resource-group": PLACE["resource_group"],
        "tenant-id": PLACE["tenant_id"],
        "location": "West Europe",
        "service-principal-id": PRINCIPAL,
        "service-principal-secret": SECRET,
    }
    file = tmp_path / "connect.conf"
    lines = [f'{name}: "{value}"' for name, value in options.items()]
    file.write_text(json.dumps(options) if form == "json" else "\n".join(lines))
    server = server_with(arc="installed")
    done = run(server, connect_config=str(file), resource_name="web-server-01")
    assert done["agent"]["resource_name"] == "web-server-01"
    assert SECRET not in everything_shown(server, done)
    assert run(server, connect_config=str(file), resource_name="web-server-01")["changed"] is False
    with pytest.raises(Refused, match="resource group rg-arc-servers and not elsewhere") as caught:
        run(server, connect_config=str(file), resource_group="elsewhere")
    assert caught.value.code == "other_resource_group"


def test_the_login_stands_only_where_administrators_may_look() -> None:
    server = server_with(arc="installed")
    seen: list[str] = []

    def look(line: str) -> None:
        if "azcmagent.exe" in line and " connect " in line:
            folder = next(name for name in server.files() if name.startswith("\\secret-"))
            path = rf"C:\Program Files\winops.hotpatch{folder}"
            seen.extend(entry.sid for entry in server.machine.disk.entries(path))
            seen.append(server.machine.disk.read(rf"{path}\connect.json").decode())

    server.on_command = look
    run(server, **WISH)
    assert set(seen[:-1]) == {"S-1-5-18", "S-1-5-32-544"}
    assert json.loads(seen[-1])["service-principal-secret"] == SECRET


# ---- the package


def test_the_package_from_the_controller_is_uploaded_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = make_package("1.60.03000.1000")
    file = tmp_path / "agent.msi"
    file.write_bytes(content)
    monkeypatch.setattr(files_upload, "PART_BYTES", 70_000)
    server = server_with(arc="none")
    pin = hashlib.sha256(content).hexdigest()
    done = run(server, state="installed", installer_path=str(file), sha256=pin.upper())
    assert done["agent"]["agent_version"] == "1.60.03000.1000"
    assert done["package"]["sha256"] == pin
    assert "uploaded 0.1 MB of 0.3 MB" in server.progress
    assert server.files() == ["\\arc", "\\arc\\agent-install.log"]
    assert run(server, state="installed", installer_path=str(file))["changed"] is False


def test_an_upload_that_was_cut_off_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "agent.msi"
    file.write_bytes(make_package("1.60.03000.1000"))
    monkeypatch.setattr(files_upload, "PART_BYTES", 50_000)
    server = server_with(arc="none")

    def cut(line: str) -> None:
        if "part-00003" in line:
            raise Unreachable("web01: the connection was cut", server="web01")

    server.on_command = cut
    with pytest.raises(Unreachable):
        run(server, state="installed", installer_path=str(file))
    server.on_command = None
    server.inputs.clear()
    done = run(server, state="installed", installer_path=str(file))
    assert done["condition"] == "not_connected"
    assert len(server.inputs) == 4, "parts 3 to 6 of 0 to 6"


@pytest.mark.parametrize(
    ("content", "params", "code"),
    [
        (make_package("1.60.03000.1000", signer=None), {}, "signature"),
        (make_package("1.60.03000.1000", signer="CN=Contoso, O=Contoso, C=US"), {}, "signature"),
        (
            make_package("1.60.03000.1000", signer='CN="Microsoft Corporation, O=Microsoft Corporation"'),
            {},
            "signature",
        ),
        (make_package("1.60.03000.1000", signer="CN=Microsoft Corporation, O=Contoso"), {}, "signature"),
        (make_package("1.60.03000.1000", trusted=False), {}, "signature"),
        (make_package("1.60.03000.1000")[:-900] + b"x" * 900, {}, "signature"),
        (b"MZ no package at all", {}, "signature"),
        (make_package("1.60.03000.1000"), {"sha256": "0" * 64}, "hash"),
        (make_package("1.60.03000.1000"), {"sha256": "0" * 64, "verify_signature": False}, "hash"),
    ],
)
def test_a_package_that_nothing_vouches_for_is_never_run(
    tmp_path: Path, content: bytes, params: dict[str, Any], code: str
) -> None:
    file = tmp_path / "agent.msi"
    file.write_bytes(content)
    server = server_with(arc="none")
    with pytest.raises(Refused) as caught:
        run(server, state="installed", installer_path=str(file), **params)
    assert caught.value.code == code
    assert not any("msiexec" in line for line in server.commands)
    assert server.machine.arc.installed is False


def test_a_signature_that_cannot_be_read_is_no_signature(tmp_path: Path) -> None:
    content = make_package("1.60.03000.1000")
    server = server_with(arc="none")
    pin = hashlib.sha256(content).hexdigest()
    file = tmp_path / "agent.msi"
    file.write_bytes(content)
    server.machine._programs.pop("powershell")
    for pinned in (None, pin):
        with pytest.raises(Refused) as caught:
            run(server, state="installed", installer_path=str(file), sha256=pinned)
        assert caught.value.code == "signature_unreadable"
    done = run(server, state="installed", installer_path=str(file), sha256=pin, verify_signature=False)
    assert done["package"]["signer"] is None and done["agent"]["installed"] is True


def test_without_a_pin_the_signature_must_be_verified() -> None:
    with pytest.raises(InvalidInput, match="only with sha256"):
        run(server_with(), verify_signature=False)


def test_what_is_checked_is_what_is_run(tmp_path: Path) -> None:
    server = server_with(arc="none")
    now = server.machine.now()
    server.machine.disk.make_folder(r"C:\Temp", now)
    server.machine.disk.write(r"C:\Temp\agent.msi", make_package("1.59.03000.1000"), now)
    done = run(server, state="installed", installer_remote_path=r"C:\Temp\agent.msi")
    assert done["agent"]["agent_version"] == "1.59.03000.1000"
    assert not any("msiexec" in line and "Temp" in line for line in server.commands)


def test_a_share_and_the_second_hop() -> None:
    server = server_with(arc="none")
    with pytest.raises(HotpatchError, match="Access is denied") as caught:
        run(server, state="installed", installer_share=r"\\files\agents\AzureConnectedMachineAgent.msi")
    assert caught.value.code == "share"
    assert "no credentials to pass on" in str(caught.value.hint) and "installer_path" in str(caught.value.hint)
    done = run(server, state="installed", installer_share=r"\\files\public\AzureConnectedMachineAgent.msi")
    assert done["agent"]["agent_version"] == LATEST_AGENT


@pytest.mark.parametrize(
    ("fault", "address", "words"),
    [
        ({"kind": "certificate_untrusted", "host": "aka.ms"}, None, "certificate is not trusted"),
        ({"kind": "endpoint_unreachable", "host": "download.microsoft.com"}, None, "no answer in time"),
        (None, "https://no.such.host.example/agent.msi", "could not be resolved"),
        (None, "https://download.microsoft.com/nothing.msi", "answered with an error"),
    ],
)
def test_a_download_that_fails_says_why(fault: dict[str, Any] | None, address: str | None, words: str) -> None:
    server = server_with(arc="none")
    if fault:
        faults.give(server.machine, fault)
    with pytest.raises(AgentFailed, match=words) as caught:
        run(server, state="installed", installer_url=address)
    assert caught.value.code == "download"
    assert [name for name in server.files() if name.endswith(".msi")] == []


def test_the_proxy_serves_the_download_the_check_and_the_agent() -> None:
    server = server_with(arc="none", internet_proxy="http://proxy.example.com:8080")
    with pytest.raises(AgentFailed, match="no answer in time"):
        run(server, **WISH)
    done = run(server, **WISH, proxy_url="http://proxy.example.com:8080", proxy_bypass=["Arc"])
    assert kinds(done) == ["install", "configure", "connect"]
    assert done["settings"]["proxy.url"] == "http://proxy.example.com:8080"
    assert done["settings"]["proxy.bypass"] == ["Arc"]
    assert run(server, **WISH, proxy_url="http://proxy.example.com:8080/")["changed"] is False


def test_an_older_agent_is_upgraded_and_a_newer_one_left_alone() -> None:
    server = server_with(arc="connected")
    assert run(server, **WISH, version="1.58")["changed"] is False
    done = run(server, **WISH, version="1.60")
    assert (kinds(done), done["agent"]["agent_version"]) == (["upgrade"], LATEST_AGENT)
    assert done["condition"] == "connected"
    assert run(server, **WISH, version="1.60")["changed"] is False
    old: dict[str, Any] = {
        "installer_url": "https://download.microsoft.com/download/lab/1.50/AzureConnectedMachineAgent.msi"
    }
    assert run(server, **WISH, version="1.55", **old)["changed"] is False


def test_a_package_that_is_too_old_is_an_error_and_no_loop() -> None:
    server = server_with(arc="none")
    old: dict[str, Any] = {
        "installer_url": "https://download.microsoft.com/download/lab/1.50/AzureConnectedMachineAgent.msi"
    }
    with pytest.raises(AgentFailed, match="had no effect") as caught:
        run(server, state="installed", version="1.60", **old)
    assert (caught.value.code, caught.value.changed) == ("no_effect", True)


def test_a_busy_installer_is_waited_for() -> None:
    server = server_with(arc="none")
    faults.give(server.machine, {"kind": "msi_busy", "seconds": 100})
    assert run(server, state="installed")["changed"] is True
    server = server_with(arc="none")
    faults.give(server.machine, {"kind": "msi_busy", "seconds": 5000})
    with pytest.raises(Busy) as caught:
        run(server, state="installed", timeout=120)
    assert caught.value.code == "msi_1618"


@pytest.mark.parametrize(
    ("code", "words"), [(1603, "fatal error"), (1622, "log could not be opened"), (112, "disk is full")]
)
def test_the_installers_codes_come_in_words(code: int, words: str) -> None:
    server = server_with(arc="none")
    faults.give(server.machine, {"kind": "msi_fails", "code": code})
    with pytest.raises(AgentFailed, match=words) as caught:
        run(server, state="installed")
    assert caught.value.code == f"msi_{code}"
    assert "agent-install.log" in caught.value.message


def test_a_lost_answer_of_the_installer_is_read_back_and_not_repeated() -> None:
    server = server_with(arc="none")

    def lose(line: str) -> None:
        if "msiexec" in line:
            raise OutcomeUnknown("web01: the answer was lost", server="web01")

    server.after_command = lose
    assert run(server, state="installed")["condition"] == "not_connected"
    assert sum("msiexec" in line for line in server.commands) == 1


# ---- where it stands


@pytest.mark.parametrize(
    ("there", "code"),
    [
        ({"tenant_id": OTHER_TENANT}, "other_tenant"),
        ({"subscription_id": OTHER_TENANT}, "other_subscription"),
        ({"resource_group": "rg-other"}, "other_resource_group"),
        ({"location": "northeurope"}, "other_location"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_connected_elsewhere_is_an_error_and_changes_nothing(there: dict[str, str], code: str, *, check: bool) -> None:
    server = server_with(arc="connected", arc_resource=there)
    with pytest.raises(Refused) as caught:
        run(server, check=check, **WISH)
    assert caught.value.code == code
    assert caught.value.details["condition"] == code
    assert server.machine.write_count == 0


def test_a_move_is_made_only_when_asked_for() -> None:
    server = server_with(arc="connected", arc_resource={"location": "northeurope"})
    done = run(server, **WISH, reconnect=True)
    assert kinds(done) == ["disconnect", "connect"]
    assert [machine.location for machine in server.world.azure.machines] == ["westeurope"]


def test_a_move_between_tenants_leaves_the_old_resource_and_says_so() -> None:
    server = server_with(arc="connected", arc_resource={"tenant_id": OTHER_TENANT, "resource_group": "rg-theirs"})
    done = run(server, **WISH, reconnect=True)
    assert kinds(done) == ["disconnect_local", "connect"]
    assert len(server.world.azure.machines) == 2
    assert any("stays in Azure" in text for text in server.warnings)


def test_expired_deleted_and_disconnected_are_three_outcomes() -> None:
    outcomes = {}
    for state in ("expired", "resource_deleted", "disconnected"):
        server = server_with(arc=state)
        with pytest.raises(HotpatchError) as caught:
            run(server, **WISH)
        outcomes[state] = (type(caught.value), caught.value.code, caught.value.hint)
        assert caught.value.changed is False
        assert server.machine.write_count == 0
    assert [outcome[1] for outcome in outcomes.values()] == ["arc_expired", "arc_resource_deleted", "arc_disconnected"]
    assert len({outcome[2] for outcome in outcomes.values()}) == 3
    assert "record the assignments" in str(outcomes["expired"][2])
    assert "needs no new connection" in str(outcomes["disconnected"][2])


@pytest.mark.parametrize("state", ["expired", "resource_deleted"])
def test_a_lost_identity_is_given_up_only_with_permission(state: str) -> None:
    server = server_with(arc=state)
    told = run(server, check=True, **WISH, allow_identity_reset=True)
    assert kinds(told) == ["disconnect_local", "connect"]
    assert server.machine.write_count == 0
    done = run(server, **WISH, allow_identity_reset=True)
    assert (kinds(done), done["condition"]) == (["disconnect_local", "connect"], "connected")
    assert any("ssignments" in text for text in server.warnings)
    assert run(server, **WISH, allow_identity_reset=True)["changed"] is False


def test_a_server_that_only_lost_contact_comes_back_when_its_service_runs() -> None:
    server = server_with(arc="disconnected")
    server.machine.services.find("himds").state = "Stopped"  # type: ignore[union-attr]
    done = run(server, **WISH)
    assert (kinds(done), done["condition"]) == (["start_service"], "connected")


def test_a_server_without_contact_is_told_what_it_cannot_reach() -> None:
    server = server_with(arc="disconnected")
    faults.give(server.machine, {"kind": "endpoint_unreachable", "host": "gbl.his.arc.azure.com"})
    with pytest.raises(AgentFailed, match=r"cannot reach https://gbl\.his\.arc\.azure\.com") as caught:
        run(server, **WISH)
    assert caught.value.details["condition"] == "disconnected"


# ---- endpoints


def test_the_licence_endpoint_counts_as_the_others_do() -> None:
    server = server_with(arc="installed")
    faults.give(server.machine, {"kind": "endpoint_unreachable", "host": "dls.microsoft.com"})
    with pytest.raises(Refused, match=r"dls\.microsoft\.com") as caught:
        run(server, **WISH)
    assert caught.value.code == "endpoints_unreachable"
    row = next(row for row in caught.value.details["endpoints"] if "dls" in row["endpoint"])
    assert (row["reachable"], "no answer in time" in row["detail"]) == ("no", True)
    assert server.machine.arc.identity is None
    done = run(server, **WISH, check_endpoints="report")
    assert done["condition"] == "connected"


SCOPE = (
    f"/subscriptions/{PLACE['subscription_id']}/resourceGroups/rg/providers/Microsoft.HybridCompute/privateLinkScopes/p"
)


@pytest.mark.parametrize("by_file", [False, True])
def test_the_check_knows_of_the_private_link_wherever_that_is_said(tmp_path: Path, *, by_file: bool) -> None:
    server = server_with(arc="installed")
    params: dict[str, Any] = {**WISH, "private_link_scope": SCOPE}
    if by_file:
        issued = {
            **{name.replace("_", "-"): value for name, value in PLACE.items()},
            "service-principal-id": PRINCIPAL, "service-principal-secret": SECRET, "private-link-scope": SCOPE,
        }  # fmt: skip
        file = tmp_path / "issued.json"
        file.write_text(json.dumps(issued), encoding="utf-8")
        params = {"connect_config": str(file)}
    assert run(server, **params)["condition"] == "connected"
    (checked,) = [line for line in server.commands if " check -j" in line]
    assert "--enable-pls-check" in checked
    (resource,) = server.world.azure.machines
    assert resource.private_link_scope == SCOPE
    # Again: it is as it was asked for, and nothing is said.
    assert run(server, **params)["changed"] is False and server.warnings == []


def test_connected_without_the_private_link_is_said() -> None:
    server = server_with(arc="connected")
    done = run(server, **WISH, private_link_scope=SCOPE)
    assert (done["changed"], done["condition"]) == (False, "connected")
    (warning,) = server.warnings
    assert "without a private link scope" in warning and SCOPE in warning


def test_a_check_that_hangs_is_unknown_and_no_reason_to_refuse() -> None:
    server = server_with(arc="installed")
    faults.give(server.machine, {"kind": "agent_hangs", "verb": "check"})
    done = run(server, **WISH)
    assert done["endpoints"][0]["reachable"] == "unknown"
    assert any("could not be told" in text for text in server.warnings)


def test_nothing_is_asked_for_when_nobody_wants_it() -> None:
    done = run(server_with(arc="installed"), **WISH, check_endpoints="skip")
    assert done["endpoints"] == []


# ---- when it goes wrong


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({"service_principal_secret": "Planted-wrong-secret"}, "AZCM0041", "login was refused"),
        ({"service_principal_secret": None, "service_principal_id": None, "access_token": "planted.old.token"},
         "AZCM0012", "access token is not valid"),
        ({"resource_group": "rg-nowhere"}, "AZCM0042", "could not be created"),
        ({"location": "atlantis"}, "AZCM0020", "region is not known"),
        ({"resource_name": "bad name!"}, "AZCM0102", "no resource name"),
    ],
)  # fmt: skip
def test_the_agents_codes_come_in_words_without_secrets(params: dict[str, Any], code: str, words: str) -> None:
    server = server_with(arc="installed")
    with pytest.raises(AgentFailed, match=words) as caught:
        run(server, **{**WISH, "check_endpoints": "skip", **params})
    assert caught.value.code == code
    assert caught.value.hint
    assert no_login_is_left(server)
    shown = everything_shown(server, [caught.value.message, caught.value.details])
    assert not any(secret in shown for secret in (SECRET, "Planted-wrong-secret", "planted.old.token"))


def test_a_lost_answer_of_connect_is_read_back_and_not_repeated() -> None:
    server = server_with(arc="installed")

    def lose(line: str) -> None:
        if " connect --config" in line:
            server.machine.faults.network = "reset"
            server.world.timeline.after(40, lambda: setattr(server.machine.faults, "network", None))
            raise Unreachable("web01: the connection was cut", server="web01")

    server.after_command = lose
    done = run(server, **WISH)
    assert done["condition"] == "connected"
    assert sum(" connect --config" in line for line in server.commands) == 1
    assert no_login_is_left(server)


def test_a_login_is_deleted_when_the_agent_hangs() -> None:
    server = server_with(arc="installed")
    faults.give(server.machine, {"kind": "agent_hangs", "verb": "connect"})
    with pytest.raises(OutcomeUnknown) as caught:
        run(server, **WISH, timeout=60)
    assert "azcmagent connect" in caught.value.message
    assert no_login_is_left(server)


def test_a_login_that_may_still_be_there_is_an_error_and_the_next_run_deletes_it() -> None:
    server = server_with(arc="installed")

    def die(line: str) -> None:
        if " connect --config" in line:
            server.machine.faults.network = "closed"

    server.after_command = die
    with pytest.raises(HotpatchError) as caught:
        run(server, **WISH)
    assert caught.value.code == "secret_not_deleted"
    assert not no_login_is_left(server)
    server.machine.faults.network, server.after_command = None, None
    done = run(server, **WISH)
    assert (done["changed"], done["condition"]) == (True, "connected")
    assert no_login_is_left(server)
    assert any("left behind" in text for text in server.warnings)


def test_a_connect_that_fails_after_its_work_is_seen() -> None:
    """It ends with 62 although the resource stands: reading shows the truth, and the error is not hidden."""
    server = server_with(arc="installed")
    faults.give(server.machine, {"kind": "agent_fails", "verb": "connect", "code": 62, "done": True})
    with pytest.raises(AgentFailed) as caught:
        run(server, **WISH)
    assert (caught.value.code, caught.value.changed) == ("AZCM0062", True)


@pytest.mark.parametrize("verb", ["show", "config"])
def test_an_agent_that_hangs_does_not_hang_the_play(verb: str) -> None:
    server = server_with(arc="connected")
    faults.give(server.machine, {"kind": "agent_hangs", "verb": verb})
    with pytest.raises(Refused) as caught:
        run(server, **WISH)
    assert caught.value.code == "arc_unknown"
    assert any("could not be read" in note for note in caught.value.details["notes"])


# ---- settings


def test_settings_are_changed_once_and_cleared() -> None:
    server = server_with(arc="connected")
    lists: dict[str, Any] = {
        "extensions_allowlist": ["Microsoft.Azure.Monitor/AzureMonitorWindowsAgent", "Microsoft.Compute/CustomScript"],
        "extensions_blocklist": ["Contoso/Bad"],
        "incoming_connections": False,
        "guest_configuration": False,
    }
    done = run(server, state="installed", **lists)
    assert (kinds(done), done["changed"]) == (["configure"], True)
    assert done["diff"]["before"]["settings"]["extensions.blocklist"] == []
    assert done["diff"]["after"]["settings"]["extensions.blocklist"] == ["Contoso/Bad"]
    assert run(server, state="installed", **lists)["changed"] is False
    turned = {**lists, "extensions_allowlist": list(reversed(lists["extensions_allowlist"]))}
    assert run(server, state="installed", **turned)["changed"] is False
    cleared = run(server, state="installed", extensions_allowlist=[], extensions_blocklist=[])
    assert cleared["settings"]["extensions.allowlist"] == []
    assert run(server, state="installed", mode="monitor")["settings"]["config.mode"] == "monitor"
    back = run(server, state="installed", mode="full", extensions_blocklist=["Contoso/Bad"])
    assert back["settings"]["extensions.blocklist"] == ["Contoso/Bad"]
    assert server.machine.arc.identity is not None


def test_a_setting_that_the_agent_refuses_is_named() -> None:
    server = server_with(arc="connected")
    faults.give(server.machine, {"kind": "agent_fails", "verb": "config", "code": 69})
    # The list can still be read from the registry of facts; the change is what fails.
    server.machine.faults.agent[0].verb = "nothing"
    server.on_command = lambda line: (
        setattr(server.machine.faults.agent[0], "verb", "config") if " set " in line else None
    )
    with pytest.raises(AgentFailed, match=r"setting config\.mode could not be changed") as caught:
        run(server, state="installed", mode="monitor")
    assert caught.value.code == "AZCM0069"


# ---- the way back


def test_disconnect_deletes_the_resource_and_again_does_nothing() -> None:
    server = server_with(arc="connected")
    done = run(server, state="disconnected", **LOGIN, tenant_id=PLACE["tenant_id"])
    assert (kinds(done), done["condition"]) == (["disconnect"], "not_connected")
    assert server.world.azure.machines == []
    assert run(server, state="disconnected", **LOGIN, tenant_id=PLACE["tenant_id"])["changed"] is False
    assert run(server_with(arc="none"), state="disconnected")["changed"] is False


def test_disconnect_without_a_login_asks_for_one_or_for_the_local_form() -> None:
    server = server_with(arc="connected")
    with pytest.raises(Refused) as caught:
        run(server, state="disconnected")
    assert caught.value.code == "login_missing"
    done = run(server, state="disconnected", force_local_only=True)
    assert kinds(done) == ["disconnect_local"]
    assert len(server.world.azure.machines) == 1


def test_a_principal_that_may_not_delete_gets_words() -> None:
    server = server_with(arc="connected")
    login: dict[str, Any] = {"service_principal_id": ONLY_CONNECTS, "service_principal_secret": SECRET}
    with pytest.raises(AgentFailed, match="could not be deleted") as caught:
        run(server, state="disconnected", **login, tenant_id=PLACE["tenant_id"])
    assert caught.value.code == "AZCM0043"
    assert no_login_is_left(server)


@pytest.mark.parametrize("hide", [False, True])
def test_on_azure_local_and_where_nobody_can_tell_only_the_agent_forgets(*, hide: bool) -> None:
    server = server_with(arc="connected", platform="hyper-v" if hide else "azure-local")
    if hide:
        server.machine.registry.remove(r"HKLM\SOFTWARE\Microsoft\Virtual Machine")
    done = run(server, state="disconnected", **LOGIN, tenant_id=PLACE["tenant_id"])
    assert done["platform"]["kind"] == ("unknown" if hide else "azure_local_vm")
    assert kinds(done) == ["disconnect_local"]
    assert server.machine.deleted_by_azure is False
    assert len(server.world.azure.machines) == 1
    assert any("Azure Local" in text for text in server.warnings)


def test_absent_disconnects_first_and_then_removes_the_package() -> None:
    server = server_with(arc="connected")
    told = run(server, check=True, state="absent", **LOGIN, tenant_id=PLACE["tenant_id"])
    assert kinds(told) == ["disconnect", "uninstall"]
    done = run(server, state="absent", **LOGIN, tenant_id=PLACE["tenant_id"])
    assert (kinds(done), done["condition"]) == (["disconnect", "uninstall"], "absent")
    assert any("msiexec.exe /x {8F1B2C4E-6C58-4E0B-9B69-1D50AC0B7A11}" in line for line in server.commands)
    assert server.world.azure.machines == []
    assert server.machine.disk.find(r"C:\Program Files\AzureConnectedMachineAgent") is not None, "its folder stays"
    assert run(server, state="absent")["changed"] is False
    assert run(server, **WISH)["condition"] == "connected"


def test_a_connected_server_whose_service_stopped_needs_no_login() -> None:
    server = server_with(arc="connected")
    server.machine.services.find("himds").state = "Stopped"  # type: ignore[union-attr]
    told = run(server, check=True, **PLACE)
    assert (kinds(told), told["changed"]) == (["start_service"], True)
    done = run(server, **PLACE)
    assert (kinds(done), done["condition"]) == (["start_service"], "connected")


def test_the_agent_of_a_deleted_resource_is_removed_without_a_login() -> None:
    done = run(server_with(arc="resource_deleted"), state="absent")
    assert kinds(done) == ["disconnect_local", "uninstall"]


# ---- where it must not be done


@pytest.mark.parametrize(("platform", "code"), [("azure", "azure_vm"), ("azure-local-host", "azure_local_host")])
@pytest.mark.parametrize("state", ["connected", "installed"])
def test_azure_vms_and_azure_local_hosts_are_refused(platform: str, code: str, state: str) -> None:
    server = server_with(arc="none", platform=platform)
    with pytest.raises(Refused) as caught:
        run(server, **WISH, state=state)
    assert caught.value.code == code
    assert caught.value.details["platform"]["kind"] == code
    assert server.machine.write_count == 0


def test_a_platform_that_cannot_be_read_is_not_taken_for_a_good_one() -> None:
    server = server_with(arc="none")
    faults.give(server.machine, {"kind": "class_missing", "name": "Win32_SystemEnclosure"})
    with pytest.raises(Refused) as caught:
        run(server, **WISH)
    assert caught.value.code == "platform_unknown"


@pytest.mark.parametrize("platform", ["physical", "vmware", "hyper-v"])
def test_ordinary_servers_are_known_as_such(platform: str) -> None:
    assert run(server_with(arc="connected", platform=platform), **WISH)["platform"]["kind"] == "other"


# ---- options


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"subscription_id": "Production"}, "must be an id"),
        ({"tenant_id": None}, "needs tenant_id"),
        ({"service_principal_id": None}, "needs service_principal_id"),
        ({"service_principal_secret": None}, "needs service_principal_secret"),
        ({"proxy_url": "http://user:Planted-pw@proxy:8080"}, "no login to a proxy"),
        ({"installer_url": "http://plain.example.com/a.msi"}, "plain https address"),
        ({"installer_url": "https://x.example.com/a.msi?sig=Planted"}, "plain https address"),
        ({"installer_share": "C:\\x.msi"}, "UNC path"),
        ({"installer_remote_path": "x.msi"}, "full path"),
        ({"installer_path": "/nonexistent/agent.msi"}, "cannot be read"),
        ({"connect_config": "/nonexistent/agent.conf"}, "cannot be read"),
        ({"sha256": "abc"}, "64 hexadecimal"),
        ({"version": "new"}, "must look like"),
        ({"endpoints": ["https://dls.microsoft.com/x&y"]}, "no host name"),
        ({"tags": {"a'b": "c"}}, "tag"),
        ({"extensions_allowlist": ["a b & c"]}, "does not take"),
        ({"mode": "monitor", "extensions_allowlist": ["A/B"]}, "fixes the extension lists"),
        ({"timeout": 0}, "above zero"),
    ],
)
def test_wrong_options_are_said_before_anything_is_sent(params: dict[str, Any], words: str) -> None:
    server = server_with()
    with pytest.raises(InvalidInput, match=words) as caught:
        run(server, **{**WISH, **params})
    assert server.commands == []
    assert "Planted" not in caught.value.message

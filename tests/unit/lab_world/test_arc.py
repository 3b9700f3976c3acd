# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Arc agent of the lab, its package and the programs around it, as anybody may use them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import (
    ArcMachine,
    AzureSettingsError,
    AzureSide,
    azure_settings,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.faults import give
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.internet import LATEST_AGENT
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.msi import make_package, read_package

from .rehearsal import Ran, Rehearsal

AGENT = r'"C:\Program Files\AzureConnectedMachineAgent\azcmagent.exe"'
PLACE = (
    "--subscription-id 0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33 --resource-group rg-arc-servers --location westeurope "
    "--tenant-id 6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10"
)
LOGIN = "--service-principal-id 3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21 --service-principal-secret Lab-onboarding-secret-1"
LONG = 1200


def agent(server: Rehearsal, words: str, **more: Any) -> Ran:
    return server.run(f"echo @& {AGENT} {words}", seconds=LONG, **more)


def shown(server: Rehearsal) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(agent(server, "show -j").out[2:])
    return document


def test_connect_show_and_disconnect() -> None:
    server = Rehearsal(arc="installed")
    assert (shown(server)["status"], shown(server)["resourceId"]) == ("Disconnected", "")
    ran = agent(server, f"connect {PLACE} {LOGIN} --tags \"A=1,'B C'='2, 3'\" -n front-01")
    assert ran.code == 0 and "Connected machine to Azure" in ran.out
    (resource,) = server.world.azure.machines
    assert (resource.name, resource.tags) == ("front-01", {"A": "1", "B C": "2, 3"})
    assert shown(server)["status"] == "Connected" and shown(server)["resourceName"] == "front-01"
    assert agent(server, f"connect {PLACE} {LOGIN}").code == 67
    text = agent(server, 'show "Agent Status" resourceName').out
    assert "Agent Status                            : Connected" in text
    assert agent(server, f"disconnect {LOGIN}").code == 0
    assert server.world.azure.machines == [] and shown(server)["resourceName"] == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (f"connect {PLACE} {LOGIN.replace('secret-1', 'secret-2')}", 41),
        (f"connect {PLACE} --access-token nonsense", 12),
        (f"connect {PLACE.split(' --tenant', maxsplit=1)[0]} {LOGIN}", 16),
        (f"connect {PLACE.replace('westeurope', 'atlantis')} {LOGIN}", 20),
        (f"connect {PLACE.replace('rg-arc-servers', 'rg-none')} {LOGIN}", 42),
        (f"connect {PLACE} {LOGIN} --cloud AzureMoon", 23),
        (f"connect {PLACE} {LOGIN} -n -bad-", 102),
        (f"connect {PLACE} {LOGIN} --no-such-flag", 23),
        (f"connect {LOGIN} --location westeurope", 16),
        (f"connect {PLACE}", 41),
        ("connect --config C:\\nope.json", 19),
        ("disconnect", 63),
        ("reconnect", 101),
        ("config set proxy.url ftp://x", 23),
        ("config set nothing 1", 23),
        ("check", 16),
        ("check -l atlantis", 20),
        ("help", 0),
        ("connect --help", 0),
        ("", 0),
    ],
)
def test_exit_codes(words: str, code: int) -> None:
    server = Rehearsal(arc="installed")
    ran = agent(server, words)
    assert ran.code == code, ran.out
    assert server.world.azure.machines == []
    if code:
        assert f"AZCM{code:04d}" in ran.out


def test_a_configuration_file_of_either_kind_and_the_line_wins() -> None:
    for text in ('{"location": "eastus", "verbose": true, ', "location: eastus\n"):
        server = Rehearsal(arc="installed")
        options = dict(zip(PLACE.split()[0::2], PLACE.split()[1::2], strict=True))
        options |= dict(zip(LOGIN.split()[0::2], LOGIN.split()[1::2], strict=True))
        rest = {name.lstrip("-"): value for name, value in options.items() if name != "--location"}
        text += json.dumps(rest)[1:] if text.startswith("{") else "\n".join(f"{k}: {v}" for k, v in rest.items())
        server.machine.disk.write("C:\\c.conf", text.encode(), server.machine.now())
        assert agent(server, "connect --config C:\\c.conf -l westeurope").code == 0
        assert server.world.azure.machines[0].location == "westeurope"


def test_only_an_administrator_may_change_it() -> None:
    server = Rehearsal(arc="installed")
    assert agent(server, f"connect {PLACE} {LOGIN}", user="LOCAL SERVICE").code == 18
    assert agent(server, "show", user="LOCAL SERVICE").code == 0


def test_check_names_what_is_closed() -> None:
    server = Rehearsal(arc="connected")
    give(server.machine, {"kind": "endpoint_unreachable", "host": "login.microsoftonline.com"})
    rows = json.loads(agent(server, "check -j").out[2:])
    assert rows["https://login.microsoftonline.com"]["reachable"] is False
    assert rows["https://westeurope.his.arc.azure.com"]["reachable"] is True
    assert agent(Rehearsal(arc="installed", internet=False), f"connect {PLACE} {LOGIN}").code == 26


def test_settings() -> None:
    server = Rehearsal(arc="connected")
    assert agent(server, "config set extensions.allowlist A/a,B/b").code == 0
    assert agent(server, "config set extensions.allowlist C/c --add").code == 0
    assert agent(server, "config set extensions.allowlist A/a --remove").code == 0
    assert agent(server, "config get extensions.allowlist").out == "@\r\n[B/b, C/c]\r\n"
    assert "incomingconnections.enabled (preview)" in agent(server, "config list").out
    assert agent(server, "config set config.mode monitor").code == 0
    assert agent(server, "config clear extensions.allowlist").code == 27
    assert agent(server, "config clear config.mode").code == 0


def test_the_agent_says_nothing_while_its_service_is_stopped() -> None:
    server = Rehearsal(arc="disconnected")
    server.run("sc stop himds")
    assert agent(server, "show").code == 61
    server.run("sc start himds")
    assert shown(server)["status"] == "Connected"


def test_a_plain_disconnect_on_azure_local_deletes_the_machine() -> None:
    server = Rehearsal(arc="connected", platform="azure-local")
    assert agent(server, f"disconnect {LOGIN}").code == 0
    assert server.machine.deleted_by_azure is True
    server = Rehearsal(arc="connected", platform="azure-local")
    assert agent(server, "disconnect -f").code == 0
    assert server.machine.deleted_by_azure is False


def test_a_deleted_resource_is_no_obstacle() -> None:
    ran = agent(Rehearsal(arc="resource_deleted"), f"disconnect {LOGIN}")
    assert ran.code == 0 and "already deleted" in ran.out


def test_azure_takes_over_a_dead_machine_and_no_live_one() -> None:
    azure = AzureSide()
    settings = azure.settings

    def machine(vm: str, status: str) -> ArcMachine:
        return ArcMachine(
            "web01", "rg-arc-servers", settings.subscription_id, settings.tenant_id, "westeurope", vm, status=status
        )

    azure.put(machine("old", "Expired"))
    azure.create(machine("new", "Connected"))
    with pytest.raises(Exception, match="same name"):
        azure.create(machine("third", "Connected"))


# ---- package, curl, PowerShell


def fetch(server: Rehearsal, more: str = "", address: str = "https://aka.ms/AzureConnectedMachineAgent") -> Ran:
    return server.run(f'curl.exe -f -sS -L {more} -o C:\\a.msi "{address}"', seconds=LONG)


def test_download_install_upgrade_and_remove() -> None:
    server = Rehearsal(arc="none")
    assert fetch(server).code == 0
    assert server.run("sc query himds").code == 1060
    assert server.run('start "" /wait msiexec /i C:\\a.msi /qn /norestart /l*v C:\\log.txt', seconds=LONG).code == 0
    assert agent(server, "version").out == f"@\r\nazcmagent version {LATEST_AGENT}\r\n"
    assert server.machine.disk.find("C:\\log.txt") is not None
    key = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
    found = server.run(f'reg query {key} /s /f "Azure Connected Machine Agent" /d /e')
    assert found.code == 0 and "1 match(es)" in found.out
    code = server.machine.arc.product_code
    server.machine.disk.write("C:\\old.msi", make_package("1.50.1.1"), server.machine.now())
    assert server.run("msiexec /i C:\\old.msi /qn", seconds=LONG).code == 1638
    assert server.run(f"msiexec /x {code} /qn", seconds=LONG).code == 0
    assert server.run(f"msiexec /x {code} /qn", seconds=LONG).code == 1605
    assert "not recognized" in agent(server, "version").err


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("msiexec /i C:\\nope.msi /qn", 1619),
        ("msiexec /i C:\\Windows\\System32\\hostname.exe /qn", 1620),
        ("msiexec /i C:\\a.msi /l*v C:\\no\\such\\log.txt", 1622),
        ("msiexec /nonsense", 1639),
        ("msiexec", 1639),
    ],
)
def test_the_installers_refusals(line: str, code: int) -> None:
    server = Rehearsal(arc="none")
    fetch(server)
    assert server.run(line, seconds=LONG).code == code


def test_the_installer_is_busy_or_the_disk_full() -> None:
    server = Rehearsal(arc="none", free_gb=0.1)
    fetch(server)
    assert server.run("msiexec /i C:\\a.msi /qn", seconds=LONG).code == 112
    give(server.machine, {"kind": "msi_busy", "seconds": 60})
    assert server.run("msiexec /i C:\\a.msi /qn", seconds=LONG).code == 1618


@pytest.mark.parametrize(
    ("more", "address", "code"),
    [
        ("", "https://no.such.example/", 6),
        ("", "http://aka.ms/x", 7),
        ('--proto "=https"', "http://aka.ms/x", 1),
        ("", "https://aka.ms/nothing", 22),
        ("-x http://proxy:1", "https://aka.ms/AzureConnectedMachineAgent", 5),
        ("--insecure", "https://aka.ms/AzureConnectedMachineAgent", 2),
    ],
)
def test_curls_codes(more: str, address: str, code: int) -> None:
    ran = fetch(Rehearsal(), more, address)
    assert ran.code == code
    assert f"curl: ({code})" in ran.err


def test_curl_meets_walls_and_proxies() -> None:
    walled = Rehearsal(internet_proxy="http://proxy.example.com:8080")
    assert fetch(walled, "--connect-timeout 5").code == 28
    assert fetch(walled, "-x proxy.example.com:8080").code == 0
    give(walled.machine, {"kind": "endpoint_unreachable", "host": "aka.ms"})
    assert fetch(walled, "-x http://proxy.example.com:8080").code == 56
    watched = Rehearsal()
    give(watched.machine, {"kind": "certificate_untrusted", "host": "download.microsoft.com"})
    assert fetch(watched).code == 60


@pytest.mark.parametrize(
    ("content", "status", "word"),
    [
        (make_package("1.1.1.1"), 0, "Valid"),
        (make_package("1.1.1.1", signer=None), 2, "NotSigned"),
        (make_package("1.1.1.1").replace(b"1.1.1.1", b"1.1.1.2"), 3, "HashMismatch"),
        (make_package("1.1.1.1", trusted=False), 4, "NotTrusted"),
        (b"text", 1, "UnknownError"),
    ],
)
def test_the_signature_cmdlet(content: bytes, status: int, word: str) -> None:
    server = Rehearsal()
    server.machine.disk.write("C:\\x.msi", content, server.machine.now())
    line = "powershell -NoProfile -Command \"Get-AuthenticodeSignature -LiteralPath 'C:\\x.msi' | Select-Object Status,"
    line += "@{Name='Subject';Expression={$_.SignerCertificate.Subject}} | ConvertTo-Json -Compress\""
    document = json.loads(server.run(line, seconds=10).out)
    assert document["Status"] == status
    plain = server.run('powershell -Command "(Get-AuthenticodeSignature C:\\x.msi).Status"', seconds=10)
    assert plain.out.strip() == word
    assert word in server.run("powershell -Command Get-AuthenticodeSignature C:\\x.msi", seconds=10).out


def test_a_missing_file_has_no_signature() -> None:
    assert Rehearsal().run("powershell -Command Get-AuthenticodeSignature C:\\nope", seconds=10).code == 1


def test_base64_there_and_back() -> None:
    server = Rehearsal()
    data = make_package("1.1.1.1", size=2000)
    server.machine.disk.write("C:\\x.bin", data, server.machine.now())
    assert server.run("certutil -encode C:\\x.bin C:\\x.b64").code == 0
    assert server.run("certutil -decode C:\\x.b64 C:\\y.bin").code == 0
    assert server.machine.disk.read("C:\\y.bin") == data
    assert server.run("certutil -decode C:\\x.b64 C:\\y.bin").code == 0x80070050
    assert server.run("certutil -f -decode C:\\x.bin C:\\y.bin").code == 0x8007000D
    assert server.run("copy /b C:\\x.bin+C:\\y.bin C:\\z.bin").code == 0
    assert server.machine.disk.read("C:\\z.bin") == data * 2
    assert server.run("copy /b C:\\?.bin C:\\all.bin").code == 0
    assert len(server.machine.disk.read("C:\\all.bin")) == 4 * len(data)


def test_a_package_that_was_cut_is_none() -> None:
    assert read_package(make_package("1.1.1.1")[:5000]) is None
    assert read_package(b"") is None


@pytest.mark.parametrize(
    "raw",
    [
        {"tenant": "x"},
        {"tenant_id": 5},
        {"resource_groups": "rg"},
        {"service_principals": [{"secret": "x"}]},
        {"service_principals": [{"id": "x", "may_delete": "no"}]},
        {"service_principals": ["x"]},
    ],
)
def test_a_wrong_azure_is_said(raw: dict[str, Any]) -> None:
    with pytest.raises(AzureSettingsError, match="azure"):
        azure_settings(raw, "fleet.yml: azure")


def test_shares_need_a_login_that_a_network_logon_has_not() -> None:
    server = Rehearsal()
    assert "Access is denied" in server.run(r"copy \\files\agents\AzureConnectedMachineAgent.msi C:\x.msi").err
    assert server.run(r"copy \\files\public\AzureConnectedMachineAgent.msi C:\x.msi").code == 0
    assert "network path" in server.run(r"copy \\nobody\x\y C:\x.msi").err

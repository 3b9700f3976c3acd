# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a server from rows and command output as real machines gave them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    Fault,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts import read_facts
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_shell import AGENT_STEP, STEPS, pending_of
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import (
    read_agent,
    read_installed_on,
    read_registry,
    read_service,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import command_line

from .fake_server import Answer, FakeServer

HKLM = "HKEY_LOCAL_MACHINE"
CV = rf"{HKLM}\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
CBS = rf"{HKLM}\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing"
WU = rf"{HKLM}\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate"
CONTROL = rf"{HKLM}\SYSTEM\CurrentControlSet\Control"
MANAGER = rf"{HKLM}\SOFTWARE\Microsoft\PolicyManager"
POLICIES = rf"{HKLM}\SOFTWARE\Policies\Microsoft\Windows"
AGENT = rf"{HKLM}\SOFTWARE\Microsoft\Azure Connected Machine Agent"


def key(path: str, *values: str, children: tuple[str, ...] = ()) -> str:
    """As reg.exe prints a key: an empty line, the key, its values, an empty line, its keys."""
    lines = ["", path, *(f"    {value}" for value in values), "", *(rf"{path}\{child}" for child in children)]
    return "\r\n".join(lines) + "\r\n"


def healthy_outputs() -> dict[str, str | None]:
    """A Server 2025 Standard on the track, Arc-connected, nothing pending, no update policy."""
    texts: dict[str, str | None] = {
        "version": key(
            CV,
            "SystemRoot    REG_SZ    C:\\WINDOWS",
            "CurrentBuild    REG_SZ    26100",
            "CurrentBuildNumber    REG_SZ    26100",
            "UBR    REG_DWORD    0x1cb4",
            "EditionID    REG_SZ    ServerStandard",
            "InstallationType    REG_SZ    Server",
            "DisplayVersion    REG_SZ    24H2",
            "DigitalProductId    REG_BINARY    A400000003",
            "Registered Owner    REG_SZ    ",
            "Path Name    REG_SZ    C:\\a    b",
            children=("Accessibility", "Update", "Winlogon"),
        ),
        "targeting": key(
            CV + r"\Update\TargetingInfo\DynamicInstalled\Hotpatch.amd64", "Version    REG_SZ    10.0.26100.1742"
        ),
        "servicing": key(
            CBS, "LastScavengeFlags    REG_DWORD    0x0", children=("Packages", "SessionsPending", "UpdateDetect")
        ),
        "update": key(WU, children=("Auto Update", "Orchestrator", "Reporting")),
        "auto_update": key(WU + r"\Auto Update", "AcceleratedInstallRequired    REG_DWORD    0x0", children=("Power",)),
        "names": key(CONTROL + r"\ComputerName\ActiveComputerName", "ComputerName    REG_SZ    WEB01")
        + key(
            CONTROL + r"\ComputerName\ComputerName", "(Default)    REG_SZ    mnmsrvc", "ComputerName    REG_SZ    WEB01"
        ),
        "session": key(
            CONTROL + r"\Session Manager",
            r"PendingFileRenameOperations    REG_MULTI_SZ    \??\C:\Windows\Temp\DEL1983.tmp\0\0\??\C:\a\0\??\C:\b",
            children=("Memory Management",),
        ),
        "control": key(
            CONTROL, "PEFirmwareType    REG_DWORD    0x2", children=("ComputerName", "DeviceGuard", "SecureBoot")
        ),
        "device_guard": key(CONTROL + r"\DeviceGuard", "EnableVirtualizationBasedSecurity    REG_DWORD    0x1"),
        "secure_boot": key(CONTROL + r"\SecureBoot\State", "UEFISecureBootEnabled    REG_DWORD    0x1"),
        "policies": key(POLICIES, children=("CurrentVersion", "safer")),
        "update_policy": None,
        "policy_manager": key(MANAGER, children=("current", "default", "providers")),
        "managed": key(MANAGER + r"\current", children=("device",)),
        "managed_device": key(MANAGER + r"\current\device", children=("Authentication", "Experience")),
        "managed_update": None,
        "guard_policy": None,
        "microsoft": key(
            rf"{HKLM}\SOFTWARE\Microsoft", children=("Azure Connected Machine Agent", "PolicyManager", "Windows")
        ),
        "arc": key(AGENT + r"\Windows\Licenses\Features\Hotpatch", "Subscription    REG_DWORD    0x1"),
        "himds": "\r\nSERVICE_NAME: himds \r\n        TYPE               : 10  WIN32_OWN_PROCESS  \r\n"
        "        STATUS             : 4  RUNNING \r\n                                (STOPPABLE, NOT_PAUSABLE)\r\n",
        "vmms": "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\r\n\r\n",
        "guest": key(
            rf"{HKLM}\SOFTWARE\Microsoft\Virtual Machine\Guest\Parameters", "HostingSystemEditionId    REG_SZ    8"
        ),
        "programs": "AzureConnectedMachineAgent\r\nCommon Files\r\nWindows Defender\r\n",
        "agent": 'time="2026-05-12" level=info msg="x"\r\n{\r\n  "resourceName": "WEB01",\r\n'
        '  "resourceGroup": "rg-web",\r\n'
        '  "subscriptionId": "11111111-2222-3333-4444-555555555555",\r\n  "tenantId": "t",\r\n'
        '  "location": "westeurope",\r\n  "agentVersion": "1.64.03414.2961",\r\n  "status": "Connected",\r\n'
        '  "lastHeartbeat": "2026-05-12T09:58:15Z",\r\n'
        '  "agentErrorCode": "",\r\n  "services": [{"serviceName": "himds", "status": "running"}]\r\n}',
    }
    return {command: texts[name] for name, command in {**STEPS, **AGENT_STEP}.items()}


def server(**changes: str | None) -> FakeServer:
    """That server, with other output for some steps."""
    outputs = healthy_outputs()
    commands = {**STEPS, **AGENT_STEP}
    outputs |= {commands[name]: text for name, text in changes.items()}
    rows: dict[str, Any] = {
        "Win32_OperatingSystem": [
            {
                "Caption": "Microsoft Windows Server 2025 Standard",
                "BuildNumber": "26100",
                "OperatingSystemSKU": "7",
                "ProductType": "3",
                "LastBootUpTime": "2026-04-15T03:00:11.5Z",
                "LocalDateTime": "2026-05-12T12:00:07.250000+02:00",
                "CSName": "WEB01",
                "SystemDrive": "C:",
            }
        ],
        "Win32_ComputerSystem": [
            {
                "Name": "WEB01",
                "Manufacturer": "Microsoft Corporation",
                "Model": "Virtual Machine",
                "HypervisorPresent": "TRUE",
                "NumberOfLogicalProcessors": "8",
            }
        ],
        "Win32_SystemEnclosure": [{"SMBIOSAssetTag": "4712-0001-9036-2247-5518-7790-12"}],
        "Win32_DeviceGuard": [
            {
                "VirtualizationBasedSecurityStatus": "2",
                "AvailableSecurityProperties": ["1", "2", "3", "5", "7"],
                "RequiredSecurityProperties": ["0"],
                "SecurityServicesConfigured": ["0"],
            }
        ],
        "Win32_LogicalDisk": [{"FreeSpace": "42949672960"}],
        "Win32_Processor": [{"NumberOfCores": "4"}, {"NumberOfCores": "4"}],
        "Win32_QuickFixEngineering": [
            {"HotFixID": "KB5082417", "InstalledOn": "4/16/2026", "Description": "Update"},
            {"HotFixID": "KB5082063", "InstalledOn": "4/16/2026", "Description": "Security Update"},
            {"HotFixID": "KB5082062", "InstalledOn": "", "Description": "Security Update"},
            {"HotFixID": "File 1", "InstalledOn": "", "Description": ""},
        ],
    }
    return FakeServer(rows=rows, outputs=outputs)


def now() -> datetime:
    return datetime(2026, 5, 12, 10, 0, 5, tzinfo=UTC)


def read(machine: FakeServer) -> dict[str, Any]:
    return read_facts(machine.connect(), now, token=lambda: "ab12cd34")


def test_a_healthy_server() -> None:
    facts = read(server())
    assert facts["notes"] == []
    assert facts["name"] == "WEB01"
    assert facts["os"] == {
        "caption": "Microsoft Windows Server 2025 Standard",
        "build": 26100,
        "ubr": 7348,
        "build_ubr": "26100.7348",
        "sku": 7,
        "product_type": 3,
        "edition_id": "ServerStandard",
        "installation_type": "Server",
        "display_version": "24H2",
    }
    assert facts["boot"] == {
        "last_boot": "2026-04-15T03:00:11Z",
        "local_time": "2026-05-12T12:00:07.250000+02:00",
        "clock_skew_seconds": 2.2,
    }
    assert facts["vbs"] == {
        "status": 2,
        "why_unknown": None,
        "available": [1, 2, 3, 5, 7],
        "required": [0],
        "services_configured": [0],
        "services_running": [],
        "configured_by_registry": True,
        "configured_by_policy": False,
        "forbidden_by_policy": False,
    }
    assert facts["firmware"] == {"type": "uefi", "secure_boot": True}
    assert facts["hardware"]["cores"] == 8 and facts["hardware"]["system_disk_free_bytes"] == 42949672960
    assert facts["platform"]["kind"] == "other"
    assert facts["arc"]["installed"] is True and facts["arc"]["service"] == "running"
    assert facts["arc"]["status"] == "Connected" and facts["arc"]["resource_group"] == "rg-web"
    assert facts["arc"]["error_code"] is None
    assert facts["hotpatch_hint"] == {"arc_license": True, "enrollment_package": True}
    assert facts["kbs"] == [
        {"kb": "KB5082417", "installed_on": "2026-04-16", "description": "Update"},
        {"kb": "KB5082063", "installed_on": "2026-04-16", "description": "Security Update"},
        {"kb": "KB5082062", "installed_on": None, "description": "Security Update"},
    ]
    assert facts["restart_pending"]["pending"] is False
    assert facts["restart_pending"]["sources"]["pending_file_rename"] is True
    assert facts["update_policy"] == {
        "readable": True,
        "always_auto_reboot": False,
        "au_options": None,
        "no_auto_update": False,
        "use_wsus": False,
        "wsus_server": None,
        "values": {},
        "local": {},
        "mdm": {},
    }


def test_the_budget() -> None:
    machine = server()
    facts = read(machine)
    assert facts["traffic"]["requests"] <= 13
    assert len(machine.command_lines) == 1
    assert len(machine.command_lines[0]) == len(command_line({**STEPS, **AGENT_STEP}, "ab12cd34")) < 4000


def test_nothing_is_written_and_nothing_from_outside_goes_in() -> None:
    for step in {**STEPS, **AGENT_STEP}.values():
        assert step.startswith(("reg query ", "sc query ", "dir /b ", '"%ProgramFiles%'))
        assert step.replace("2>nul", "").count(">") == 0


@pytest.mark.parametrize("source", ["RebootPending", "RebootInProgress", "PackagesPending"])
def test_component_store_markers(source: str) -> None:
    names = {
        "RebootPending": "component_based_servicing",
        "RebootInProgress": "reboot_in_progress",
        "PackagesPending": "packages_pending",
    }
    facts = read(server(servicing=key(CBS, children=("Packages", source))))
    assert facts["restart_pending"]["pending"] is True
    assert facts["restart_pending"]["sources"][names[source]] is True


def test_windows_update_wants_a_restart() -> None:
    facts = read(server(auto_update=key(WU + r"\Auto Update", children=("RebootRequired",))))
    assert facts["restart_pending"]["sources"]["windows_update"] is True


def test_a_key_that_cannot_be_read_is_unknown_and_not_absent() -> None:
    facts = read(server(servicing=None))
    sources = facts["restart_pending"]["sources"]
    assert facts["restart_pending"]["pending"] is None
    assert sources["component_based_servicing"] is None and sources["windows_update"] is False
    facts = read(server(servicing=None, auto_update=key(WU + r"\Auto Update", children=("RebootRequired",))))
    assert facts["restart_pending"]["pending"] is True, "one yes is a yes"


def test_a_child_that_its_parent_does_not_list_is_absent() -> None:
    facts = read(server(auto_update=None, update=key(WU, children=("Reporting",))))
    assert facts["restart_pending"]["sources"]["windows_update"] is False
    facts = read(server(auto_update=None))
    assert facts["restart_pending"]["sources"]["windows_update"] is None
    assert any("Auto Update" in note for note in facts["notes"])


def test_rename_is_pending() -> None:
    names = key(CONTROL + r"\ComputerName\ActiveComputerName", "ComputerName    REG_SZ    WEB01") + key(
        CONTROL + r"\ComputerName\ComputerName", "ComputerName    REG_SZ    WEB99"
    )
    assert read(server(names=names))["restart_pending"]["sources"]["computer_rename"] is True
    assert read(server(names=""))["restart_pending"]["sources"]["computer_rename"] is None


def test_update_policy_of_a_managed_server() -> None:
    managed = key(POLICIES + r"\WindowsUpdate", "WUServer    REG_SZ    http://wsus.example:8530") + key(
        POLICIES + r"\WindowsUpdate\AU",
        "UseWUServer    REG_DWORD    0x1",
        "AUOptions    REG_DWORD    0x4",
        "AlwaysAutoRebootAtScheduledTime    REG_DWORD    0x1",
    )
    facts = read(server(policies=key(POLICIES, children=("WindowsUpdate",)), update_policy=managed))["update_policy"]
    assert facts["use_wsus"] is True and facts["wsus_server"] == "http://wsus.example:8530"
    assert facts["always_auto_reboot"] is True and facts["au_options"] == 4
    unreadable = read(server(policies=key(POLICIES, children=("WindowsUpdate",)), update_policy=None))
    assert unreadable["update_policy"]["readable"] is False
    assert unreadable["update_policy"]["always_auto_reboot"] is None
    assert unreadable["update_policy"]["values"] is None


def test_update_settings_by_windows_names() -> None:
    policy = (
        key(
            POLICIES + r"\WindowsUpdate",
            "activehoursstart    REG_DWORD    0x8",
            "AUOptions    REG_DWORD    0x4",
            "Unheard    REG_DWORD    0x1",
        )
        + key(POLICIES + r"\WindowsUpdate\AU", "AUOptions    REG_SZ    three", "NoAutoUpdate    REG_DWORD    0x0")
    )  # fmt: skip
    facts = read(
        server(
            policies=key(POLICIES, children=("WindowsUpdate",)),
            update_policy=policy,
            auto_update=key(WU + r"\Auto Update", "AUOptions    REG_DWORD    0x3", "X    REG_DWORD    0x1"),
            managed_device=key(MANAGER + r"\current\device", children=("Update",)),
            managed_update=key(
                MANAGER + r"\current\device\Update",
                "AllowAutoUpdate    REG_DWORD    0x2",
                "AllowAutoUpdate_WinningProvider    REG_SZ    5B88AEF1",
            ),
        )
    )["update_policy"]
    # AUOptions of the wrong key counts for nothing, and a number that is a text is not taken for one.
    assert facts["values"] == {"ActiveHoursStart": 8, "AUOptions": "three", "NoAutoUpdate": 0}
    assert facts["local"] == {"AUOptions": 3}
    assert facts["mdm"] == {"AllowAutoUpdate": 2}


@pytest.mark.parametrize(
    ("changes", "mdm"),
    [
        ({"policy_manager": None, "microsoft": key(rf"{HKLM}\SOFTWARE\Microsoft", children=("Windows",))}, {}),
        ({"managed": None, "policy_manager": key(MANAGER, children=("default",))}, {}),
        ({"managed_device": None, "managed": key(MANAGER + r"\current", children=("user",))}, {}),
        ({"managed_device": key(MANAGER + r"\current\device", children=("Update",))}, None),
        ({"managed_device": None}, None),
        (dict.fromkeys(("microsoft", "policy_manager", "managed", "managed_device")), None),
    ],
)
def test_a_server_without_device_management(changes: dict[str, Any], mdm: dict[str, int] | None) -> None:
    assert read(server(**changes))["update_policy"]["mdm"] == mdm


def test_bios_has_no_secure_boot_and_uefi_without_a_value_is_unknown() -> None:
    bios = key(CONTROL, "PEFirmwareType    REG_DWORD    0x1", children=("DeviceGuard",))
    assert read(server(control=bios, secure_boot=None))["firmware"] == {"type": "bios", "secure_boot": False}
    uefi = key(CONTROL, "PEFirmwareType    REG_DWORD    0x2", children=("DeviceGuard",))
    assert read(server(control=uefi, secure_boot=None))["firmware"] == {"type": "uefi", "secure_boot": None}
    assert read(server(control=None))["firmware"] == {"type": "uefi", "secure_boot": True}


def test_vbs_class_or_namespace_missing_is_unknown() -> None:
    machine = server()
    machine.rows["Win32_DeviceGuard"] = Fault("The WMI namespace does not exist (0x8004100E).", code="0x8004100E")
    facts = read(machine)
    assert facts["vbs"]["status"] is None
    assert "0x8004100E" in facts["vbs"]["why_unknown"]
    assert facts["vbs"]["configured_by_registry"] is True


@pytest.mark.parametrize("status", [None, "3", "running"])
def test_a_strange_vbs_status_is_unknown(status: str | None) -> None:
    machine = server()
    assert isinstance(machine.rows["Win32_DeviceGuard"], list)
    machine.rows["Win32_DeviceGuard"][0]["VirtualizationBasedSecurityStatus"] = status
    facts = read(machine)
    assert facts["vbs"]["status"] is None and facts["vbs"]["why_unknown"]


def test_kbs_that_cannot_be_read_are_not_an_empty_list() -> None:
    machine = server()
    machine.rows["Win32_QuickFixEngineering"] = Fault("Access was denied.", code="0x80041003")
    facts = read(machine)
    assert facts["kbs"] is None and any("installed updates" in note for note in facts["notes"])


def test_arc_agent_absent() -> None:
    absent = "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\r\n\r\nDer Dienst ist nicht installiert.\r\n"
    outputs = server(
        himds=absent, programs="Common Files\r\n", agent=None, microsoft=key(rf"{HKLM}\SOFTWARE\Microsoft"), arc=None
    )
    facts = read(outputs)
    assert facts["arc"]["installed"] is False and facts["arc"]["service"] == "absent"
    assert facts["hotpatch_hint"]["arc_license"] is False
    assert facts["notes"] == []
    assert read(server(programs=None, agent=None))["arc"]["installed"] is None


def test_arc_agent_disconnected_and_garbage() -> None:
    shown = '{"status": "Disconnected", "resourceName": "", "RESOURCEGROUP": null}'
    arc = read(server(agent=shown))["arc"]
    assert arc["status"] == "Disconnected" and arc["resource_name"] is None and arc["installed"] is True
    facts = read(server(agent="panic: {not json}"))
    assert facts["arc"]["status"] is None and any("azcmagent" in note for note in facts["notes"])


def test_an_agent_that_hangs_costs_only_itself() -> None:
    machine = server()

    def hang(_server: FakeServer, line: str) -> Answer | None:
        if "azcmagent" in line:
            raise AnswerTimeout("WEB01: a command did not end within 60 s.")
        return None

    machine.on_command = hang
    facts = read(machine)
    assert facts["os"]["ubr"] == 7348
    assert facts["arc"]["status"] is None and facts["arc"]["service"] == "running"
    assert any("Arc agent" in note for note in facts["notes"])


def test_no_shell_leaves_the_rest() -> None:
    machine = server()

    def refuse(_server: FakeServer, _line: str) -> Answer | None:
        raise Fault("Too many shells.", code="0x803381A5")

    machine.on_command = refuse
    facts = read(machine)
    assert facts["os"]["build"] == 26100 and facts["os"]["ubr"] is None
    assert facts["restart_pending"]["pending"] is None
    assert facts["update_policy"]["readable"] is False
    assert facts["firmware"] == {"type": None, "secure_boot": None}
    assert facts["hotpatch_hint"] == {"arc_license": None, "enrollment_package": None}
    assert facts["arc"]["installed"] is None


@pytest.mark.parametrize("error", [Unreachable("no route"), AuthenticationFailed("wrong password")])
def test_an_unreachable_server_is_an_error(error: Unreachable) -> None:
    machine = server()
    machine.rows["Win32_OperatingSystem"] = error
    with pytest.raises(Unreachable):
        read(machine)


def test_a_drive_that_is_no_drive_never_reaches_a_query() -> None:
    machine = server()
    assert isinstance(machine.rows["Win32_OperatingSystem"], list)
    machine.rows["Win32_OperatingSystem"][0]["SystemDrive"] = "C:' OR '1'='1"
    facts = read(machine)
    assert facts["hardware"]["system_disk_free_bytes"] is None
    assert "enumerate Win32_LogicalDisk" not in machine.calls


def test_skew_is_taken_from_the_middle_of_the_exchange() -> None:
    times = iter([now(), now() + timedelta(seconds=4)])
    facts = read_facts(server().connect(), lambda: next(times, now()))
    assert facts["boot"]["clock_skew_seconds"] == 0.2


def test_pending_of() -> None:
    quiet = dict.fromkeys(
        ("component_based_servicing", "reboot_in_progress", "packages_pending", "windows_update", "computer_rename"),
        False,
    )
    assert pending_of(quiet) is False
    assert pending_of(quiet | {"pending_file_rename": True}) is False
    assert pending_of(quiet | {"computer_rename": None}) is None
    assert pending_of(quiet | {"computer_rename": None, "windows_update": True}) is True
    assert pending_of({}) is None


def test_registry_values() -> None:
    found = read_registry(
        key(
            CV,
            "(Default)    REG_SZ    (value not set)",
            "Name with blanks    REG_SZ    some text",
            "Empty    REG_SZ    ",
            "Bare    REG_SZ",
            "Big    REG_QWORD    0xffffffffff",
            "Wrong    REG_DWORD    zz",
            r"Many    REG_MULTI_SZ    one\0\0three",
            "None    REG_MULTI_SZ    ",
        )
    )
    assert found.text(CV.upper(), "NAME WITH BLANKS") == "some text"
    assert found.text(CV, "Empty") == found.text(CV, "Bare") == ""
    assert found.number(CV, "Big") == 0xFFFFFFFFFF
    assert found.number(CV, "Wrong") is None and found.number(CV, "Empty") is None
    assert found.texts(CV, "Many") == ["one", "", "three"] and found.texts(CV, "None") == []
    assert found.text(CV, "absent") is None and found.texts(CV, "Empty") is None


def test_service_states() -> None:
    assert read_service("  STATE : 1  STOPPED \r\n") == "stopped"
    assert read_service("  ZUSTAND : 2  START_PENDING \r\n") == "stopped"
    assert read_service("FAILED 1060:") == "absent"
    assert read_service("FAILED 5:") is None and read_service("") is None


@pytest.mark.parametrize("text", ["", "{", "}{", "[1]", '{"a": ', "{" * 100000 + "}", '{"a":"' + "x" * 300000 + '"}'])
def test_agent_text_that_is_no_document(text: str) -> None:
    assert read_agent(text) is None


def test_dates_are_us_order() -> None:
    assert read_installed_on("10/2/2026") == "2026-10-02"
    assert read_installed_on("4/16/2026 12:00:00 AM") == "2026-04-16"
    for wrong in (None, "", "16/4/2026", "2026-04-16", "01cbf2f1c1f9a29b", "13/13/2026"):
        assert read_installed_on(wrong) is None

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimFault, CimInstance

from .rehearsal import FOLDER, TASKS, Rehearsal, task_xml


def select(server: Rehearsal, statement: str, namespace: str = "root/cimv2") -> list[dict[str, Any]]:
    found = server.machine.query(namespace, statement, None)
    return [{name: item.value for name, item in row.properties.items()} for row in found]


def fault(action: Any) -> CimFault:
    with pytest.raises(CimFault) as caught:
        action()
    return caught.value


@pytest.mark.parametrize(
    ("keys", "caption", "sku", "kind"),
    [
        ({}, "Microsoft Windows Server 2025 Standard", 7, 3),
        ({"edition": "ServerDatacenter"}, "Microsoft Windows Server 2025 Datacenter", 8, 3),
        ({"edition": "ServerStandardEval"}, "Microsoft Windows Server 2025 Standard Evaluation", 79, 3),
        ({"edition": "ServerTurbine"}, "Microsoft Windows Server 2025 Datacenter Azure Edition", 407, 3),
        ({"roles": ["domain-controller"]}, "Microsoft Windows Server 2025 Standard", 7, 2),
        (
            {"product": "windows-11-enterprise", "edition": "Enterprise", "level": "KB5068861"},
            "Microsoft Windows 11 Enterprise",
            4,
            1,
        ),
    ],
)
def test_operating_system(keys: dict[str, Any], caption: str, sku: int, kind: int) -> None:
    server = Rehearsal(**keys)
    rows = select(server, "SELECT Caption, OperatingSystemSKU, ProductType, BuildNumber FROM Win32_OperatingSystem")
    assert rows == [{"BuildNumber": "26100", "Caption": caption, "OperatingSystemSKU": sku, "ProductType": kind}]


def test_a_singleton_needs_no_key_and_skew_shows() -> None:
    server = Rehearsal(clock_skew_seconds=-600)
    row = server.machine.get("root/cimv2", "Win32_OperatingSystem", {})
    difference = row.value("LocalDateTime") - server.machine.timeline.now()
    assert difference.total_seconds() == -600


def test_quick_fixes() -> None:
    rows = select(
        Rehearsal(extra_kbs=["KB5066131"]), "SELECT HotFixID, InstalledOn, Description FROM Win32_QuickFixEngineering"
    )
    assert [row["HotFixID"] for row in rows] == ["KB5066835", "KB5066834", "KB5068966", "KB5066131"]
    assert rows[0]["InstalledOn"] == "10/14/2025"


@pytest.mark.parametrize(("vbs", "status"), [(0, 0), (1, 1), (2, 2)])
def test_device_guard(vbs: int, status: int) -> None:
    rows = select(Rehearsal(vbs=vbs), "SELECT * FROM Win32_DeviceGuard", "root/Microsoft/Windows/DeviceGuard")
    assert len(rows[0]) == 13
    assert rows[0]["VirtualizationBasedSecurityStatus"] == status
    assert rows[0]["SecurityServicesRunning"] == [0]


def test_failures_by_kind() -> None:
    server = Rehearsal(
        vbs="unreadable",
        faults=[
            {"kind": "class_missing", "name": "Win32_Processor"},
            {"kind": "access_denied", "namespace": "root\\Microsoft\\Windows\\TaskScheduler"},
        ],
    )
    machine = server.machine
    guard = "root/Microsoft/Windows/DeviceGuard"
    assert fault(lambda: machine.query(guard, "SELECT * FROM Win32_DeviceGuard", None)).kind == "provider_failure"
    assert fault(lambda: machine.query("root/cimv2", None, "Win32_Processor")).kind == "invalid_class"
    assert fault(lambda: machine.query("root/cimv2", None, "Win32_Nope")).kind == "invalid_class"
    assert fault(lambda: machine.query("root/nope", None, "Win32_Service")).kind == "invalid_namespace"
    assert fault(lambda: machine.query(TASKS, None, "MSFT_ScheduledTask")).kind == "access_denied"
    assert fault(lambda: machine.query("root/cimv2", "SELECT Nope FROM Win32_Service", None)).kind == "invalid_query"
    assert (
        fault(lambda: machine.query("root/cimv2", "SELECT * FROM Win32_Service WHERE Nope=1", None)).kind
        == "invalid_query"
    )
    assert fault(lambda: machine.get("root/cimv2", "Win32_Service", {"Name": "nope"})).kind == "not_found"
    assert fault(lambda: machine.get("root/cimv2", "Win32_Service", {})).kind == "invalid_parameters"
    assert fault(lambda: machine.invoke("root/cimv2", "StdRegProv", "Nope", {}, {}, "x")).kind == "invalid_method"
    assert (
        fault(lambda: machine.invoke("root/cimv2", "StdRegProv", "EnumKey", {"x": ["1"]}, {}, "x")).kind
        == "invalid_parameters"
    )


def test_a_class_below_answers_for_the_one_above() -> None:
    rows = Rehearsal().machine.query("root/cimv2", "SELECT * FROM CIM_Service WHERE Name='himds'", None)
    assert [(row.class_name, row.value("State")) for row in rows] == [("Win32_Service", "Running")]


def test_services_can_be_stopped_and_started() -> None:
    server = Rehearsal()

    def change(method: str) -> Any:
        found = server.machine.invoke("root/cimv2", "Win32_Service", method, {}, {"Name": "himds"}, "Administrator")
        return found["ReturnValue"].value

    assert [change("StopService"), change("StopService"), change("StartService"), change("StartService")] == [
        0,
        5,
        0,
        10,
    ]


def test_files_by_name_and_their_deletion() -> None:
    server = Rehearsal()
    server.run(f'mkdir "{FOLDER}" & echo x> "{FOLDER}\\a.txt"')
    path = f"{FOLDER}\\a.txt"
    wanted = path.replace("\\", "\\\\")
    rows = select(server, f"SELECT Name, FileSize FROM CIM_DataFile WHERE Name='{wanted}'")
    assert rows == [{"FileSize": 3, "Name": path.lower()}]
    found = server.machine.invoke("root/cimv2", "CIM_DataFile", "Delete", {}, {"Name": path}, "Administrator")
    assert found["ReturnValue"].value == 0
    assert server.machine.disk.find(path) is None


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("Reboot", {}, 0),
        ("Win32Shutdown", {"Flags": ["6"]}, 0),
        ("Win32ShutdownTracker", {"Timeout": ["0"], "Comment": ["x"], "ReasonCode": ["0"], "Flags": ["2"]}, 0),
    ],
)
def test_restart_by_method(method: str, params: dict[str, list[Any]], code: int) -> None:
    server = Rehearsal()
    machine = server.machine
    found = machine.invoke("root/cimv2", "Win32_OperatingSystem", method, params, {}, "Administrator")
    assert found["ReturnValue"].value == code
    again = machine.invoke("root/cimv2", "Win32_OperatingSystem", "Reboot", {}, {}, "Administrator")
    assert again["ReturnValue"].value == 1115
    server.let_pass(200)
    assert machine.boot_id == 2


def test_a_task_of_cmd() -> None:
    server = Rehearsal()
    xml = task_xml("cmd.exe", "/c whoami &gt; C:\\who.txt &amp; exit 7")
    answer = server.invoke("RegisterByXml", Xml=xml, TaskName="t", TaskPath="\\x", Force="true")
    instance = answer["cmdletOutput"].value
    assert isinstance(instance, CimInstance)
    assert (instance.value("TaskPath"), instance.value("State")) == ("\\x\\", 3)
    information = server.invoke("GetInfoByName", TaskName="t", TaskPath="\\x\\")["cmdletOutput"].value
    assert (information.value("LastTaskResult"), information.value("LastRunTime").year) == (0x41303, 1999)
    server.invoke("StartByPath", TaskName="T", TaskPath="\\\\x\\\\")
    information = server.invoke("GetInfoByName", TaskName="t", TaskPath="\\x\\")["cmdletOutput"].value
    assert information.value("LastTaskResult") == 0x41325
    server.let_pass(5)
    information = server.invoke("GetInfoByName", TaskName="t", TaskPath="\\x\\")["cmdletOutput"].value
    assert information.value("LastTaskResult") == 7
    assert server.machine.disk.read("C:\\who.txt") == b"nt authority\\system\r\n"
    got = server.machine.get(TASKS, "MSFT_ScheduledTask", {"TaskName": "t", "TaskPath": "\\x\\"})
    assert got.value("Principal").value("UserId") == "SYSTEM"
    server.machine.delete(TASKS, "MSFT_ScheduledTask", {"TaskName": "t", "TaskPath": "\\x\\"}, "Administrator")
    gone = fault(lambda: server.invoke("GetInfoByName", TaskName="t", TaskPath="\\x\\"))
    assert (gone.kind, gone.hresult) == ("element_not_found", 0x80070490)


@pytest.mark.parametrize(
    ("xml", "hresult"),
    [
        ("no xml", 0x8004131A),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><Task/>", 0x8004131A),
        ("<Task/>", 0x80041317),
        (task_xml("cmd.exe", policy="Whatever"), 0x80041318),
        (task_xml("cmd.exe", limit="soon"), 0x80041318),
        (task_xml("cmd.exe", user="nobody"), 0x80070534),
        (task_xml(""), 0x80041319),
    ],
)
def test_bad_task_definitions(xml: str, hresult: int) -> None:
    server = Rehearsal()
    refused = fault(lambda: server.invoke("RegisterByXml", Xml=xml, TaskName="t", TaskPath="\\"))
    assert refused.hresult == hresult
    assert server.machine.write_count == 0


def test_a_task_is_only_replaced_by_force_and_ended_by_its_limit() -> None:
    server = Rehearsal()
    xml = task_xml("ping.exe", "-n 1000 127.0.0.1", limit="PT1M")
    server.invoke("RegisterByXml", Xml=xml, TaskName="t", TaskPath="\\")
    again = fault(lambda: server.invoke("RegisterByXml", Xml=xml, TaskName="t", TaskPath="\\"))
    assert again.hresult == 0x800700B7
    server.invoke("StartByPath", TaskName="t", TaskPath="\\")
    server.let_pass(30)
    task = server.machine.tasks.find("\\", "t")
    assert task.state == 4
    server.let_pass(60)
    assert (task.state, task.last_result) == (3, 0x41306)
    server.invoke("DisableByName", TaskName="t", TaskPath="\\")
    assert fault(lambda: server.invoke("StartByPath", TaskName="t", TaskPath="\\")).hresult == 0x80041326


def test_methods_that_are_not_played_say_so() -> None:
    server = Rehearsal()
    refused = fault(lambda: server.invoke("RegisterByObject", TaskName="t", TaskPath="\\"))
    assert "does not simulate" in refused.message

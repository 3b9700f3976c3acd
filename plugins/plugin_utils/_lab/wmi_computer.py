# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CIM classes about the computer: operating system and hardware.

Property names and types: microsoft/wmi (classes generated from a Server 2019 and a Server 23H2); the full operating
system row: a recorded WS2022 Datacenter host. While a hypervisor runs, Windows cannot see the processor's own
virtualization and says False to it (Microsoft Learn, Win32_Processor; systeminfo's "a hypervisor has been detected").
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimValue, returned
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi import (
    Call,
    CimClass,
    Method,
    Repository,
    Row,
)

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

CIMV2 = "root/cimv2"
WINDOWS_UPDATE = "root/Microsoft/Windows/WindowsUpdate"

_INSTALLED = datetime(2024, 10, 30, 6, 47, 19, tzinfo=UTC)


def typed(**groups: str) -> dict[str, str]:
    """Property name -> type, from ``type="Name Name"``; ``_array`` at the end of a type stands for ``[]``."""
    return {name: kind.replace("_array", "[]") for kind, names in groups.items() for name in names.split()}


def add_classes(repository: Repository, machine: Machine) -> None:
    """Put the classes of one server into its repository."""
    computer = _Computer(machine)
    repository.add(computer.operating_system())
    repository.add(computer.computer_system())
    repository.add(computer.processor())
    repository.add(computer.logical_disk())
    repository.add(computer.bios())
    repository.add(computer.enclosure())
    if machine.spec.product_data.build < 26100:
        # Seen on Server 2019; whether WS2025 has it is not known, so there it is not.
        repository.add(computer.update_settings())


class _Computer:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    # Operating system

    def operating_system(self) -> CimClass:
        properties = typed(
            string="BootDevice BuildNumber BuildType Caption CodeSet CountryCode CreationClassName CSCreationClassName "
            "CSDVersion CSName Description Locale Manufacturer Name Organization OSArchitecture OtherTypeDescription "
            "PlusProductID PlusVersionNumber RegisteredUser SerialNumber Status SystemDevice SystemDirectory "
            "SystemDrive Version WindowsDirectory",
            string_array="MUILanguages",
            datetime="InstallDate LastBootUpTime LocalDateTime",
            sint16="CurrentTimeZone",
            boolean="DataExecutionPrevention_32BitApplications DataExecutionPrevention_Available "
            "DataExecutionPrevention_Drivers Debug Distributed PAEEnabled PortableOperatingSystem Primary",
            uint8="DataExecutionPrevention_SupportPolicy ForegroundApplicationBoost",
            uint16="OSType ServicePackMajorVersion ServicePackMinorVersion",
            uint32="EncryptionLevel LargeSystemCache MaxNumberOfProcesses NumberOfLicensedUsers NumberOfProcesses "
            "NumberOfUsers OperatingSystemSKU OSLanguage OSProductSuite ProductType SuiteMask",
            uint64="FreePhysicalMemory FreeSpaceInPagingFiles FreeVirtualMemory MaxProcessMemorySize "
            "SizeStoredInPagingFiles TotalSwapSpaceSize TotalVirtualMemorySize TotalVisibleMemorySize",
        )
        methods = {
            "Reboot": Method((), lambda call: self._shutdown(call, 2), static=False),
            "Shutdown": Method((), lambda call: self._shutdown(call, 1), static=False),
            "Win32Shutdown": Method(
                ("Flags", "Reserved"),
                lambda call: self._shutdown(call, call.parameters.number("Flags") or 0),
                static=False,
            ),
            "Win32ShutdownTracker": Method(
                ("Timeout", "Comment", "ReasonCode", "Flags"), self._shutdown_tracker, static=False
            ),
        }
        return CimClass(
            CIMV2,
            "Win32_OperatingSystem",
            properties,
            ("Name",),
            ("CIM_OperatingSystem", "CIM_LogicalElement", "CIM_ManagedSystemElement"),
            self._operating_system_rows,
            methods,
        )

    def _operating_system_rows(self) -> Sequence[Row]:
        machine = self._machine
        spec = machine.spec
        product = spec.product_data
        caption = f"Microsoft {spec.edition_data.name}"
        folder = machine.windows_directory
        memory = 16 * 1024 * 1024
        partition = 3 if machine.hardware.now.firmware == "uefi" else 1
        return (
            {
                "Caption": caption,
                "Version": f"10.0.{product.build}",
                "BuildNumber": str(product.build),
                "BuildType": "Multiprocessor Free",
                "OperatingSystemSKU": spec.edition_data.sku,
                "ProductType": machine.product_type,
                "OSArchitecture": "64-bit",
                "OSLanguage": 1033,
                "OSProductSuite": 400 if product.server else 256,
                "SuiteMask": 400 if product.server else 272,
                "OSType": 18,
                "CodeSet": "1252",
                "CountryCode": "1",
                "Locale": "0409",
                "MUILanguages": ["en-US"],
                "Manufacturer": "Microsoft Corporation",
                "Name": rf"{caption}|{folder}|\Device\Harddisk0\Partition{partition}",
                "CSName": machine.hostname,
                "CreationClassName": "Win32_OperatingSystem",
                "CSCreationClassName": "Win32_ComputerSystem",
                "RegisteredUser": "Windows User",
                "Organization": "",
                "SerialNumber": "00491-50000-00001-AA486",
                "Status": "OK",
                "SystemDevice": r"\Device\HarddiskVolume3",
                "BootDevice": r"\Device\HarddiskVolume1",
                "SystemDirectory": rf"{folder}\system32",
                "SystemDrive": "C:",
                "WindowsDirectory": folder,
                "InstallDate": _INSTALLED,
                "LastBootUpTime": machine.boot_time,
                "LocalDateTime": machine.now(),
                "CurrentTimeZone": 0,
                "DataExecutionPrevention_32BitApplications": True,
                "DataExecutionPrevention_Available": True,
                "DataExecutionPrevention_Drivers": True,
                "DataExecutionPrevention_SupportPolicy": 3 if product.server else 2,
                "Debug": False,
                "Distributed": False,
                "PortableOperatingSystem": False,
                "Primary": True,
                "EncryptionLevel": 256,
                "ForegroundApplicationBoost": 2,
                "ServicePackMajorVersion": 0,
                "ServicePackMinorVersion": 0,
                "MaxNumberOfProcesses": 4294967295,
                "MaxProcessMemorySize": 137438953344,
                "NumberOfLicensedUsers": 0,
                "NumberOfUsers": 2,
                "NumberOfProcesses": len(machine.process_rows()),
                "TotalVisibleMemorySize": memory,
                "FreePhysicalMemory": memory * 2 // 3,
                "TotalVirtualMemorySize": memory + 2097152,
                "FreeVirtualMemory": memory,
                "SizeStoredInPagingFiles": 2097152,
                "FreeSpaceInPagingFiles": 2000000,
            },
        )

    def _shutdown(self, call: Call, flags: int) -> dict[str, CimValue]:
        """Flags: 0 log off, 1 shut down, 2 restart, 8 power off; 4 added forces (Microsoft Learn, Win32Shutdown)."""
        if not flags & 11:
            return returned(0)
        return self._power(call, 0.0, f"Win32_OperatingSystem flags {flags}", restart=bool(flags & 2))

    def _shutdown_tracker(self, call: Call) -> dict[str, CimValue]:
        flags = call.parameters.number("Flags") or 0
        seconds = float(call.parameters.number("Timeout") or 0)
        how = f"Win32_OperatingSystem.Win32ShutdownTracker flags {flags}"
        return self._power(call, seconds, how, restart=bool(flags & 2))

    def _power(self, call: Call, seconds: float, how: str, *, restart: bool) -> dict[str, CimValue]:
        return returned(self._machine.power.schedule(seconds, call.user, how, restart=restart))

    # Hardware

    def computer_system(self) -> CimClass:
        properties = typed(
            string="Name Caption CreationClassName DNSHostName Domain Manufacturer Model PrimaryOwnerName Status "
            "SystemType UserName Workgroup SystemFamily SystemSKUNumber",
            string_array="Roles",
            boolean="AutomaticManagedPagefile BootROMSupported DaylightInEffect HypervisorPresent PartOfDomain",
            sint16="CurrentTimeZone",
            uint16="DomainRole ThermalState WakeUpType PCSystemType",
            uint32="NumberOfLogicalProcessors NumberOfProcessors",
            uint64="TotalPhysicalMemory",
        )
        return CimClass(
            CIMV2,
            "Win32_ComputerSystem",
            properties,
            ("Name",),
            ("CIM_UnitaryComputerSystem", "CIM_ComputerSystem", "CIM_System"),
            self._computer_system_rows,
        )

    def _computer_system_rows(self) -> Sequence[Row]:
        machine = self._machine
        spec = machine.spec
        controller = "domain-controller" in spec.roles
        role = 5 if controller else 3 if spec.domain else 2
        if not spec.product_data.server:
            role = 1 if spec.domain else 0
        return (
            {
                "Name": machine.hostname,
                "Caption": machine.hostname,
                "CreationClassName": "Win32_ComputerSystem",
                "DNSHostName": machine.hostname,
                "Domain": spec.domain or "WORKGROUP",
                "Workgroup": None if spec.domain else "WORKGROUP",
                "PartOfDomain": spec.domain is not None,
                "DomainRole": role,
                "Manufacturer": machine.manufacturer,
                "Model": machine.model,
                "HypervisorPresent": machine.hardware.hypervisor_runs,
                "NumberOfProcessors": 1,
                "NumberOfLogicalProcessors": spec.cores * 2,
                "TotalPhysicalMemory": 17179869184,
                "Roles": ["LM_Workstation", "LM_Server", "NT", "Server_NT"],
                "SystemType": "x64-based PC",
                "Status": "OK",
                "AutomaticManagedPagefile": True,
                "BootROMSupported": True,
                "CurrentTimeZone": 0,
                "PCSystemType": 4 if spec.product_data.server else 1,
                "PrimaryOwnerName": "Windows User",
                "ThermalState": 3,
                "WakeUpType": 6,
            },
        )

    def processor(self) -> CimClass:
        properties = typed(
            string="Caption CreationClassName DeviceID Manufacturer Name ProcessorId SocketDesignation Status "
            "SystemName",
            boolean="SecondLevelAddressTranslationExtensions VirtualizationFirmwareEnabled VMMonitorModeExtensions",
            uint16="AddressWidth Architecture DataWidth Family LoadPercentage",
            uint32="CurrentClockSpeed L2CacheSize L3CacheSize MaxClockSpeed NumberOfCores NumberOfEnabledCore "
            "NumberOfLogicalProcessors ThreadCount",
        )
        parents = ("CIM_Processor", "CIM_LogicalDevice")
        return CimClass(CIMV2, "Win32_Processor", properties, ("DeviceID",), parents, self._processor_rows)

    def _processor_rows(self) -> Sequence[Row]:
        cores = self._machine.spec.cores
        hardware = self._machine.hardware
        seen = not hardware.hypervisor_runs
        return (
            {
                "DeviceID": "CPU0",
                "Caption": "Intel64 Family 6 Model 106 Stepping 6",
                "CreationClassName": "Win32_Processor",
                "Name": "Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz",
                "Manufacturer": "GenuineIntel",
                "NumberOfCores": cores,
                "NumberOfEnabledCore": cores,
                "NumberOfLogicalProcessors": cores * 2,
                "ThreadCount": cores * 2,
                "AddressWidth": 64,
                "DataWidth": 64,
                "Architecture": 9,
                "Family": 179,
                "LoadPercentage": 3,
                "CurrentClockSpeed": 2794,
                "MaxClockSpeed": 2794,
                "SocketDesignation": "None",
                "Status": "OK",
                "SystemName": self._machine.hostname,
                "ProcessorId": "0F8BFBFF000606A6",
                "SecondLevelAddressTranslationExtensions": seen,
                "VirtualizationFirmwareEnabled": seen and hardware.now.virtualization,
                "VMMonitorModeExtensions": seen,
            },
        )

    def logical_disk(self) -> CimClass:
        properties = typed(
            string="Caption CreationClassName Description DeviceID FileSystem Name ProviderName SystemName VolumeName "
            "VolumeSerialNumber",
            boolean="Compressed SupportsDiskQuotas SupportsFileBasedCompression VolumeDirty",
            uint32="DriveType MaximumComponentLength MediaType",
            uint64="FreeSpace Size",
        )
        parents = ("CIM_LogicalDisk", "CIM_StorageExtent", "CIM_LogicalDevice")
        return CimClass(CIMV2, "Win32_LogicalDisk", properties, ("DeviceID",), parents, self._disk_rows)

    def _disk_rows(self) -> Sequence[Row]:
        machine = self._machine
        disk = {
            "DeviceID": "C:",
            "Name": "C:",
            "Caption": "C:",
            "CreationClassName": "Win32_LogicalDisk",
            "Description": "Local Fixed Disk",
            "DriveType": 3,
            "MediaType": 12,
            "FileSystem": "NTFS",
            "FreeSpace": machine.free_bytes,
            "Size": 136365211648,
            "MaximumComponentLength": 255,
            "SystemName": machine.hostname,
            "VolumeName": "",
            "VolumeSerialNumber": "5E0C93F2",
            "Compressed": False,
            "SupportsDiskQuotas": False,
            "SupportsFileBasedCompression": True,
        }
        optical = {
            "DeviceID": "D:",
            "Name": "D:",
            "Caption": "D:",
            "CreationClassName": "Win32_LogicalDisk",
            "Description": "CD-ROM Disc",
            "DriveType": 5,
            "MediaType": 11,
            "SystemName": machine.hostname,
        }
        return (disk, optical)

    def bios(self) -> CimClass:
        properties = typed(
            string="Caption Description Manufacturer Name SerialNumber SMBIOSBIOSVersion SoftwareElementID Status "
            "TargetOperatingSystem Version",
            string_array="BIOSVersion",
            uint16_array="BiosCharacteristics",
            uint16="SMBIOSMajorVersion SMBIOSMinorVersion SoftwareElementState",
            boolean="PrimaryBIOS SMBIOSPresent",
            datetime="ReleaseDate",
        )
        keys = ("Name", "SoftwareElementID", "SoftwareElementState", "TargetOperatingSystem", "Version")
        return CimClass(CIMV2, "Win32_BIOS", properties, keys, ("CIM_BIOSElement",), self._bios_rows)

    def _bios_rows(self) -> Sequence[Row]:
        version = "Hyper-V UEFI Release v4.1" if self._machine.hardware.now.firmware == "uefi" else "090008"
        return (
            {
                "Name": version,
                "Caption": version,
                "Description": version,
                "SoftwareElementID": version,
                "SoftwareElementState": 3,
                "TargetOperatingSystem": "0",
                "Version": "VRTUAL - 1",
                "Manufacturer": self._machine.manufacturer,
                "SerialNumber": f"0000-{self._machine.number:04d}-2025",
                "SMBIOSBIOSVersion": version,
                "SMBIOSMajorVersion": 3,
                "SMBIOSMinorVersion": 1,
                "SMBIOSPresent": True,
                "PrimaryBIOS": True,
                "Status": "OK",
                "BIOSVersion": ["VRTUAL - 1", version],
                "BiosCharacteristics": [],
                "ReleaseDate": datetime(2024, 5, 13, tzinfo=UTC),
            },
        )

    # Windows Update

    def enclosure(self) -> CimClass:
        properties = typed(
            string="Caption CreationClassName Description Manufacturer Model Name PartNumber SerialNumber SKU "
            "SMBIOSAssetTag Status Tag Version",
            uint16_array="ChassisTypes",
            boolean="LockPresent",
        )
        return CimClass(CIMV2, "Win32_SystemEnclosure", properties, ("Tag",), ("CIM_Chassis",), self._enclosure_rows)

    def _enclosure_rows(self) -> Sequence[Row]:
        machine = self._machine
        # A Hyper-V guest has a number of that form by chance; Azure's own spells MSFT AZURE VM in ASCII codes.
        tag = {
            "azure": "7783-7084-3265-9085-8269-3286-77",
            "physical": "",
            "azure-local-host": "",
            "vmware": "No Asset Tag",
        }.get(machine.spec.platform, f"4712-{machine.number:04d}-9036-2247-5518-7790-12")
        return (
            {
                "Caption": "System Enclosure",
                "ChassisTypes": [3],
                "CreationClassName": "Win32_SystemEnclosure",
                "Description": "System Enclosure",
                "LockPresent": False,
                "Manufacturer": machine.manufacturer,
                "Name": "System Enclosure",
                "SerialNumber": f"0000-{machine.number:04d}-2025",
                "SMBIOSAssetTag": tag,
                "Tag": "System Enclosure 0",
                "Version": "Hyper-V UEFI Release v4.1" if machine.spec.platform != "physical" else "",
            },
        )

    def update_settings(self) -> CimClass:
        methods = {
            "IsPendingReboot": Method(
                (), lambda _call: returned(0, PendingReboot=CimValue("boolean", self._machine.updates.restart_required))
            ),
        }
        return CimClass(WINDOWS_UPDATE, "MSFT_WUSettings", {}, methods=methods)

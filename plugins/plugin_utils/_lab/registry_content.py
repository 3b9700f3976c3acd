# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the registry of a server before anybody touches it.

Values of CurrentVersion, Lsa, WindowsUpdate and PendingFileRenameOperations: public outputs of a WS2025 Standard
machine and of WS2022 hosts; the hotpatch licence values: one third-party script, undocumented;
TargetingInfo\\DynamicInstalled: windowsserverdocs, enable-hotpatch-azure-edition (2023). A missing policy key is the
normal case.
"""

from __future__ import annotations

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import ServerSpec
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import (
    REG_DWORD,
    REG_EXPAND_SZ,
    REG_MULTI_SZ,
    REG_SZ,
    Registry,
    RegistryKey,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.services import Services

CURRENT_VERSION = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
SERVICING = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing"
WINDOWS_UPDATE = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate"
AUTO_UPDATE = WINDOWS_UPDATE + r"\Auto Update"
UPDATE_POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate"
CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control"
SESSION_MANAGER = CONTROL + r"\Session Manager"
DEVICE_GUARD = CONTROL + r"\DeviceGuard"
COMPUTER_NAME = CONTROL + r"\ComputerName"
ARC_AGENT = r"HKLM\SOFTWARE\Microsoft\Azure Connected Machine Agent"
HOTPATCH = r"HKLM\SOFTWARE\Microsoft\Windows\Hotpatch"
ENROLLMENT = CURRENT_VERSION + r"\Update\TargetingInfo\DynamicInstalled\Hotpatch.amd64"

_START = {"auto": 2, "delayed": 2, "demand": 3, "disabled": 4}

# Found on healthy, finished servers too; the empty second string of a pair means "delete".
_FILE_RENAMES = [
    r"\??\C:\Windows\System32\DriverStore\Temp\DEL1983.tmp",
    "",
    r"\??\C:\Windows\System32\spool\drivers\x64\3\New\tsprint.dll",
    r"\??\C:\Windows\System32\spool\drivers\x64\3\tsprint.dll",
]


def fill(registry: Registry, spec: ServerSpec, services: Services, hostname: str, ubr: int) -> None:
    """Write everything a fresh server of this kind has."""
    _current_version(registry, spec)
    set_ubr(registry, spec, ubr, by_lcu=True)
    _windows_update(registry)
    _control(registry, spec, hostname)
    _guest(registry, spec, hostname)
    _hotpatch(registry, spec)
    for path, values in spec.registry.items():
        registry.create(path)
        for name, data in values.items():
            registry.write(path, name, REG_DWORD if isinstance(data, int) else REG_SZ, data)
    for service in services.all():
        path = rf"HKLM\SYSTEM\CurrentControlSet\Services\{service.name}"
        registry.text(path, "DisplayName", service.display_name)
        registry.write(path, "ImagePath", REG_EXPAND_SZ, service.path)
        registry.number(path, "Start", _START[service.start])
        registry.number(path, "Type", 32)
        registry.text(path, "ObjectName", service.account)
        if service.start == "delayed":
            registry.number(path, "DelayedAutostart", 1)
    system = registry.create(r"HKLM\SYSTEM")
    current = registry.create(r"HKLM\SYSTEM\CurrentControlSet")
    # CurrentControlSet is a link to the numbered set.
    system.keys["controlset001"] = RegistryKey("ControlSet001", keys=current.keys, values=current.values)


def set_ubr(registry: Registry, spec: ServerSpec, ubr: int, *, by_lcu: bool) -> None:
    """Show a new revision; LCUVer moves with an LCU only (its behaviour for hotpatches is not known)."""
    registry.number(CURRENT_VERSION, "UBR", ubr)
    if by_lcu:
        registry.text(CURRENT_VERSION, "LCUVer", f"10.0.{spec.product_data.build}.{ubr}")


def mark_pending(registry: Registry, source: str, hostname: str) -> None:
    """Set one of the markers that say a restart is pending."""
    if source == "component_based_servicing":
        registry.create(SERVICING + r"\RebootPending", volatile=True)
    elif source == "reboot_in_progress":
        registry.create(SERVICING + r"\RebootInProgress", volatile=True)
    elif source == "packages_pending":
        registry.create(SERVICING + r"\PackagesPending")
    elif source == "windows_update":
        registry.create(AUTO_UPDATE + r"\RebootRequired", volatile=True)
    elif source == "computer_rename":
        registry.text(COMPUTER_NAME + r"\ComputerName", "ComputerName", f"{hostname[:13]}-N")
    else:
        registry.write(SESSION_MANAGER, "PendingFileRenameOperations", REG_MULTI_SZ, list(_FILE_RENAMES))


def _current_version(registry: Registry, spec: ServerSpec) -> None:
    product = spec.product_data
    name = spec.edition_data.name if product.server else spec.edition_data.name.replace("Windows 11", "Windows 10")
    kind = "Client" if not product.server else "Server Core" if spec.core else "Server"
    for value, text in (
        ("ProductName", name),
        ("EditionID", spec.edition_data.edition_id),
        ("InstallationType", kind),
        ("DisplayVersion", product.display_version),
        ("ReleaseId", "2009"),
        ("CurrentVersion", "6.3"),
        ("CurrentBuild", str(product.build)),
        ("CurrentBuildNumber", str(product.build)),
        ("CurrentType", "Multiprocessor Free"),
        ("BuildBranch", product.branch),
        ("BuildLab", f"{product.build}.{product.branch}.{product.build_lab.rsplit('.', 1)[-1]}"),
        ("BuildLabEx", product.build_lab),
        ("SystemRoot", product.windows_directory),
        ("RegisteredOwner", "Windows User"),
        ("RegisteredOrganization", ""),
        ("ProductId", "00491-50000-00001-AA486"),
    ):
        registry.text(CURRENT_VERSION, value, text)
    registry.number(CURRENT_VERSION, "CurrentMajorVersionNumber", 10)
    registry.number(CURRENT_VERSION, "CurrentMinorVersionNumber", 0)
    registry.number(CURRENT_VERSION, "InstallDate", 1730270839)
    server = "Server.OS.amd64" if product.server else "Client.OS.rs2.amd64"
    registry.text(CURRENT_VERSION + rf"\Update\TargetingInfo\Installed\{server}", "Name", server.removesuffix(".amd64"))


def _windows_update(registry: Registry) -> None:
    registry.create(SERVICING)
    registry.create(SERVICING + r"\Packages")
    for below in (
        "Auto Update",
        "ClientCache",
        "DeploymentCallbackInfo",
        "Orchestrator",
        "Reporting",
        "Services",
        "SLS",
        "StickyUpdates",
        "WinREUninstallList",
    ):
        registry.create(rf"{WINDOWS_UPDATE}\{below}")
    for below in ("CurrentVersion", "IPSec", "safer", "WcmSvc"):
        registry.create(rf"HKLM\SOFTWARE\Policies\Microsoft\Windows\{below}")
    # Some areas of the Policy CSP have defaults on every server; Update has none without a device management.
    for below in ("Authentication", "Experience", "Security", "System"):
        registry.create(rf"HKLM\SOFTWARE\Microsoft\PolicyManager\current\device\{below}")
    system = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System"
    registry.number(system, "EnableLUA", 1)
    registry.number(system, "LocalAccountTokenFilterPolicy", 1)


def show_firmware(registry: Registry, *, uefi: bool, secure_boot: bool) -> None:
    """Show how the server starts; only UEFI has a state of Secure Boot."""
    registry.number(CONTROL, "PEFirmwareType", 2 if uefi else 1)
    if uefi:
        registry.number(CONTROL + r"\SecureBoot\State", "UEFISecureBootEnabled", int(secure_boot))
    else:
        registry.remove(CONTROL + r"\SecureBoot")


def _control(registry: Registry, spec: ServerSpec, hostname: str) -> None:
    show_firmware(registry, uefi=spec.firmware == "uefi", secure_boot=spec.secure_boot)
    registry.text(CONTROL, "SystemBootDevice", r"multi(0)disk(0)rdisk(0)partition(4)")
    registry.write(SESSION_MANAGER, "PendingFileRenameOperations", REG_MULTI_SZ, list(_FILE_RENAMES))
    registry.number(SESSION_MANAGER, "ProtectionMode", 1)
    registry.number(SESSION_MANAGER + r"\Memory Management", "ClearPageFileAtShutdown", 0)
    registry.create(DEVICE_GUARD)
    if spec.vbs == 1:
        registry.number(DEVICE_GUARD, "EnableVirtualizationBasedSecurity", 1)
        registry.number(DEVICE_GUARD, "RequirePlatformSecurityFeatures", 1)
    registry.text(COMPUTER_NAME + r"\ComputerName", "ComputerName", hostname)
    registry.text(COMPUTER_NAME + r"\ActiveComputerName", "ComputerName", hostname)
    tcpip = r"HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"
    registry.text(tcpip, "Hostname", hostname.lower())
    registry.text(tcpip, "NV Hostname", hostname.lower())
    registry.text(tcpip, "Domain", spec.domain or "")
    lsa = CONTROL + r"\Lsa"
    registry.number(lsa, "ProductType", spec.edition_data.sku)
    registry.number(lsa, "SecureBoot", 1)
    registry.number(lsa, "LsaCfgFlagsDefault", 2)
    registry.number(lsa, "RunAsPPL", 0)
    registry.number(lsa, "IsPplAutoEnabled", 36)
    registry.text(CONTROL + r"\TimeZoneInformation", "TimeZoneKeyName", "UTC")
    registry.number(CONTROL + r"\TimeZoneInformation", "ActiveTimeBias", 0)
    kind = "WinNT" if not spec.product_data.server else "ServerNT"
    registry.text(
        CONTROL + r"\ProductOptions", "ProductType", "LanmanNT" if "domain-controller" in spec.roles else kind
    )


#: What a host tells its guests of its own edition: a Hyper-V host on Datacenter, Azure's own host, an Azure Local host.
_HOST_EDITIONS = {"hyper-v": "8", "azure": "199", "azure-local": "406"}


def _guest(registry: Registry, spec: ServerSpec, hostname: str) -> None:
    """What the integration services of a Hyper-V host write into a guest."""
    host = _HOST_EDITIONS.get(spec.platform)
    if host is None:
        return
    path = r"HKLM\SOFTWARE\Microsoft\Virtual Machine\Guest\Parameters"
    for name, text in (
        ("HostName", "HOST01"),
        ("PhysicalHostName", "HOST01"),
        ("VirtualMachineName", hostname.lower()),
        ("HostingSystemEditionId", host),
        ("HostingSystemOsMajor", "10"),
        ("HostingSystemOsMinor", "0"),
    ):
        registry.text(path, name, text)


def _hotpatch(registry: Registry, spec: ServerSpec) -> None:
    if not spec.enrolled:
        return
    if spec.edition_data.azure:
        registry.text(ENROLLMENT, "Name", "Hotpatch Enrollment Package")
        registry.text(ENROLLMENT, "Version", f"10.0.{spec.product_data.build}.1129")
    elif spec.arc != "none":
        show_licence(registry)


def show_licence(registry: Registry) -> None:
    """What the agent leaves in the registry of an enrolled server."""
    registry.number(ARC_AGENT + r"\Windows\Licenses\Features\Hotpatch", "Subscription", 1)
    registry.number(HOTPATCH + r"\Environment", "AllowRebootlessUpdates", 1)


def hide_licence(registry: Registry) -> None:
    """The licence is gone."""
    registry.number(ARC_AGENT + r"\Windows\Licenses\Features\Hotpatch", "Subscription", 0)
    registry.number(HOTPATCH + r"\Environment", "AllowRebootlessUpdates", 0)

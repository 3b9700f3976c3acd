# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What the registry and the Arc agent of a server say, read by one command line in a cmd shell.

A key that may be absent is asked for through its parent, which lists it or does not: so "not there" is an answer, and
"could not be read" stays None with a note.

Sources: registry of recorded Server 2022 and 2025 machines; Microsoft Learn, azcmagent show; hotpatch for Azure Edition
from ISO (the enrollment package's key).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import (
    clean,
    read_agent,
    read_registry,
    read_service,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import StepAnswer
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.update_settings import PLACES, SETTINGS

_SOFTWARE = r"HKEY_LOCAL_MACHINE\SOFTWARE"
_CONTROL = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control"
VERSION_KEY = _SOFTWARE + r"\Microsoft\Windows NT\CurrentVersion"
_CBS = _SOFTWARE + r"\Microsoft\Windows\CurrentVersion\Component Based Servicing"
_WU = _SOFTWARE + r"\Microsoft\Windows\CurrentVersion\WindowsUpdate"
_POLICIES = _SOFTWARE + r"\Policies\Microsoft\Windows"
_POLICY_MANAGER = _SOFTWARE + r"\Microsoft\PolicyManager"
_GUEST = _SOFTWARE + r"\Microsoft\Virtual Machine\Guest\Parameters"
_AGENT = _SOFTWARE + r"\Microsoft\Azure Connected Machine Agent"


def _reg(path: str, below: bool = False) -> str:
    short = path.replace("HKEY_LOCAL_MACHINE", "HKLM")
    return f'reg query "{short}"{" /s" if below else ""} 2>nul'


#: The parts of the one command line, in order. Constants: nothing from outside goes in.
STEPS: dict[str, str] = {
    "version": _reg(VERSION_KEY),
    "targeting": _reg(VERSION_KEY + r"\Update", below=True),
    "servicing": _reg(_CBS),
    "update": _reg(_WU),
    "auto_update": _reg(_WU + r"\Auto Update"),
    "names": _reg(_CONTROL + r"\ComputerName", below=True),
    "session": _reg(_CONTROL + r"\Session Manager"),
    "control": _reg(_CONTROL),
    "device_guard": _reg(_CONTROL + r"\DeviceGuard"),
    "secure_boot": _reg(_CONTROL + r"\SecureBoot", below=True),
    "policies": _reg(_POLICIES),
    "update_policy": _reg(_POLICIES + r"\WindowsUpdate", below=True),
    "policy_manager": _reg(_POLICY_MANAGER),
    "managed": _reg(_POLICY_MANAGER + r"\current"),
    "managed_device": _reg(_POLICY_MANAGER + r"\current\device"),
    "managed_update": _reg(_POLICY_MANAGER + r"\current\device\Update"),
    "guard_policy": _reg(_POLICIES + r"\DeviceGuard"),
    "microsoft": _reg(_SOFTWARE + r"\Microsoft"),
    "arc": _reg(_AGENT, below=True),
    "himds": "sc query himds",
    "vmms": "sc query vmms",
    "guest": _reg(_GUEST),
    "programs": 'dir /b /ad "%ProgramFiles%" 2>nul',
}

#: Asked last, because the agent may hang; left out when it did.
AGENT_STEP = {"agent": r'"%ProgramFiles%\AzureConnectedMachineAgent\azcmagent.exe" show -j 2>nul'}

#: Restart-pending sources that count; a pending file rename stays on healthy servers for ever and is only reported.
COUNTED_SOURCES = (
    "component_based_servicing",
    "reboot_in_progress",
    "packages_pending",
    "windows_update",
    "computer_rename",
)


def pending_of(sources: Mapping[str, bool | None]) -> bool | None:
    """Whether a restart is pending: one yes is a yes, a source that could not be read makes a no impossible."""
    counted = [sources.get(name) for name in COUNTED_SOURCES]
    if any(counted):
        return True
    return None if None in counted else False


class ShellFacts:
    """The facts in the answers of STEPS and AGENT_STEP.

    :param steps: the answers; empty when the command line could not be run at all.
    :param notes: gets a sentence for each part that could not be read.
    """

    def __init__(self, steps: Mapping[str, StepAnswer], notes: list[str]) -> None:
        self.steps = steps
        self.notes = notes
        text = "\n".join(
            answer.text
            for name, answer in steps.items()
            if answer.ok and name not in ("himds", "vmms", "programs", "agent")
        )
        self.registry = read_registry(text)

    def read(self, step: str) -> bool:
        """Whether a step worked."""
        return step in self.steps and self.steps[step].ok

    def key_exists(self, parent_step: str, path: str) -> bool | None:
        """Whether a key is there, by its parent's listing; None when the parent could not be read."""
        return self.registry.has_key(path) if self.read(parent_step) else None

    def below(self, parent_step: str, path: str, step: str) -> bool | None:
        """True: the key was read. False: it does not exist. None, with a note: it could not be read."""
        if self.read(step):
            return True
        if self.key_exists(parent_step, path) is False:
            return False
        if self.steps:
            self.notes.append(f"The registry key {path} could not be read.")
        return None

    def registry_text(self, path: str, name: str) -> str | None:
        return clean(self.registry.text(path, name) or "") or None

    def firmware(self) -> dict[str, Any]:
        """UEFI or BIOS by PEFirmwareType (1 BIOS, 2 UEFI), else by Secure Boot's state, which only UEFI has."""
        kind = {1: "bios", 2: "uefi"}.get(self.registry.number(_CONTROL, "PEFirmwareType") or 0)
        state = self.registry.number(_CONTROL + r"\SecureBoot\State", "UEFISecureBootEnabled")
        secure = self.below("control", _CONTROL + r"\SecureBoot", "secure_boot")
        if kind is None and state is not None:
            kind = "uefi"
        if state is not None:
            return {"type": kind, "secure_boot": state == 1}
        # BIOS machines have no Secure Boot at all; a UEFI machine without the value is unknown.
        return {"type": kind, "secure_boot": False if kind == "bios" and secure is not None else None}

    def pending_sources(self) -> dict[str, bool | None]:
        """Each source of a pending restart; the CBS and Windows Update ones are keys that exist or not."""
        update = self.below("update", _WU + r"\Auto Update", "auto_update")
        names = [
            self.registry.text(_CONTROL + rf"\ComputerName\{part}", "ComputerName")
            for part in ("ActiveComputerName", "ComputerName")
        ]
        return {
            "component_based_servicing": self.key_exists("servicing", _CBS + r"\RebootPending"),
            "reboot_in_progress": self.key_exists("servicing", _CBS + r"\RebootInProgress"),
            "packages_pending": self.key_exists("servicing", _CBS + r"\PackagesPending"),
            "windows_update": self.registry.has_key(_WU + r"\Auto Update\RebootRequired") if update else update,
            "computer_rename": names[0].lower() != names[1].lower() if names[0] and names[1] else None,
            "pending_file_rename": bool(
                self.registry.texts(_CONTROL + r"\Session Manager", "PendingFileRenameOperations")
            )
            if self.read("session")
            else None,
        }

    def configured_vbs(self) -> dict[str, bool | None]:
        """EnableVirtualizationBasedSecurity, in the machine's own key and in policy; absent is "not configured".

        A policy of 0 is more than that: it turns VBS off, whatever the machine's own key says.
        """
        places = {
            "configured_by_registry": ("control", _CONTROL + r"\DeviceGuard", "device_guard"),
            "configured_by_policy": ("policies", _POLICIES + r"\DeviceGuard", "guard_policy"),
        }
        facts: dict[str, bool | None] = {}
        for name, (parent, path, step) in places.items():
            there = self.below(parent, path, step)
            value = self.registry.number(path, "EnableVirtualizationBasedSecurity")
            facts[name] = (value == 1) if there else there
            if name == "configured_by_policy":
                facts["forbidden_by_policy"] = (value == 0) if there else there
        return facts

    def update_policy(self) -> dict[str, Any]:
        """What decides about Windows Update: policy, the server's own setting, and a device management.

        An unmanaged server has no policy key, which is a readable "nothing set". ``values``, ``local`` and ``mdm`` hold
        what is set, by Windows' names: a number as such, everything else as text.
        """
        root = _POLICIES + r"\WindowsUpdate"
        there = self.below("policies", root, "update_policy")
        if there is None:
            return {"readable": False} | dict.fromkeys(
                (
                    "always_auto_reboot",
                    "au_options",
                    "no_auto_update",
                    "use_wsus",
                    "wsus_server",
                    "values",
                    "local",
                    "mdm",
                )
            )
        au = root + r"\AU"
        return {
            "readable": True,
            "always_auto_reboot": self.registry.number(au, "AlwaysAutoRebootAtScheduledTime") == 1,
            "au_options": self.registry.number(au, "AUOptions"),
            "no_auto_update": self.registry.number(au, "NoAutoUpdate") == 1,
            "use_wsus": self.registry.number(au, "UseWUServer") == 1,
            "wsus_server": self.registry_text(root, "WUServer"),
            "values": self.values((f"HKEY_LOCAL_MACHINE\\{key}", name) for key, name in PLACES.values()),
            "local": self.local_update_settings(),
            "mdm": self.managed_update_settings(),
        }

    def values(self, places: Iterable[tuple[str, str]]) -> dict[str, int | str]:
        """The values that are there, by name; one that is neither number nor text is given as it is printed."""
        found: dict[str, int | str] = {}
        for path, name in places:
            raw = self.registry.values.get(path.lower(), {}).get(name.lower())
            if raw is not None:
                number = self.registry.number(path, name)
                found[name] = clean(raw[1]) if number is None else number
        return found

    def local_update_settings(self) -> dict[str, int | str] | None:
        """What SConfig or scregedit set on the server itself; None when it could not be read."""
        path = _WU + r"\Auto Update"
        there = self.below("update", path, "auto_update")
        names = ("AUOptions", "IncludeRecommendedUpdates")
        return None if there is None else self.values((path, name) for name in names)

    def managed_update_settings(self) -> dict[str, int | str] | None:
        """What a device management (MDM) set of the area Update; most servers have no such key, nor some above it."""
        above = "microsoft"
        path = _POLICY_MANAGER
        for step, below in (("policy_manager", ""), ("managed", "current"), ("managed_device", "device")):
            path = rf"{path}\{below}" if below else path
            if not self.read(step) and self.key_exists(above, path) is False:
                return {}
            above = step
        path += r"\Update"
        there = self.below(above, path, "managed_update")
        names = (setting.mdm for setting in SETTINGS if setting.mdm)
        return None if there is None else self.values((path, name) for name in names)

    def hint(self) -> dict[str, bool | None]:
        """What the registry hints of a hotpatch licence. Undocumented values: read as hints, never written."""
        agent = self.below("microsoft", _AGENT, "arc")
        licence = self.registry.number(_AGENT + r"\Windows\Licenses\Features\Hotpatch", "Subscription") == 1
        targeting = self.below("version", VERSION_KEY + r"\Update", "targeting")
        package = self.registry.has_key(VERSION_KEY + r"\Update\TargetingInfo\DynamicInstalled\Hotpatch.amd64")
        return {"arc_license": licence if agent else agent, "enrollment_package": package if targeting else targeting}

    def hyper_v(self) -> bool | None:
        """Whether the Hyper-V role is installed, by its management service."""
        service = read_service(self.steps["vmms"].text) if "vmms" in self.steps else None
        return {"running": True, "stopped": True, "absent": False}.get(service or "")

    def platform(self) -> dict[str, str | None]:
        """What the registry and the agent show of the place; None could not be read, an empty text is not there."""
        version = self.read("version")
        agent = read_agent(self.steps["agent"].text) if "agent" in self.steps else None
        return {
            "edition_id": (self.registry_text(VERSION_KEY, "EditionID") or "") if version else None,
            "product_name": (self.registry_text(VERSION_KEY, "ProductName") or "") if version else None,
            "host_sku": (self.registry_text(_GUEST, "HostingSystemEditionId") or "") if self.read("guest") else None,
            "cloud_provider": (agent or {}).get("cloudprovider"),
        }

    def arc(self) -> dict[str, Any]:
        """The Connected Machine agent, by its own words; its services run while it is disconnected, too."""
        installed: bool | None = None
        if self.read("programs"):
            folders = {line.strip().lower() for line in self.steps["programs"].text.split("\n")}
            installed = "azureconnectedmachineagent" in folders
        document = read_agent(self.steps["agent"].text) if "agent" in self.steps else None
        if installed and document is None:
            self.notes.append(
                "The Arc agent is installed, but its own description (azcmagent show -j) could not be read."
            )
        if document is not None:
            installed = True
        texts = document or {}
        return {
            "installed": installed,
            "service": read_service(self.steps["himds"].text) if "himds" in self.steps else None,
            "status": texts.get("status"),
            "resource_name": texts.get("resourcename"),
            "resource_group": texts.get("resourcegroup") or texts.get("resourcegroupname"),
            "subscription_id": texts.get("subscriptionid"),
            "tenant_id": texts.get("tenantid"),
            "resource_id": texts.get("resourceid") or texts.get("id"),
            "location": texts.get("location"),
            "cloud": texts.get("cloud"),
            "private_link_scope": texts.get("privatelinkscope"),
            "gateway_url": texts.get("gatewayurl"),
            "proxy": texts.get("httpsproxy"),
            "cloud_provider": texts.get("cloudprovider"),
            "agent_version": texts.get("agentversion"),
            "last_heartbeat": texts.get("lastheartbeat"),
            "error_code": texts.get("agenterrorcode"),
            "error_details": texts.get("agenterrordetails"),
            "error_timestamp": texts.get("agenterrortimestamp"),
        }

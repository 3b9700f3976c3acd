# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a server with Windows Update policies: its registry, its RSoP, and its update service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Fault
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_shell import STEPS

from .fake_server import Answer, FakeServer

HKLM = "HKEY_LOCAL_MACHINE"
POLICIES = r"SOFTWARE\Policies\Microsoft\Windows"
UPDATE = POLICIES + r"\WindowsUpdate"
AU = UPDATE + r"\AU"
LOCAL = r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update"
MDM = r"SOFTWARE\Microsoft\PolicyManager\current\device\Update"
GPO = "cn={6D3A4F0C-52B1-4C8E-9D0B-0B7F5A1C2E44},cn=policies,cn=system,DC=corp,DC=example"

_STATES = {"running": "4  RUNNING", "stopping": "3  STOP_PENDING", "stopped": "1  STOPPED"}
_ALWAYS_THERE = (
    r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate",
    LOCAL,
    POLICIES + r"\safer",
    r"SOFTWARE\Microsoft\PolicyManager\current\device\System",
)


class PolicyServer(FakeServer):
    """``registry`` holds values by key; reg.exe prints what is there, StdRegProv changes it."""

    def __init__(self, registry: Mapping[str, Mapping[str, int | str]] | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.registry: dict[str, dict[str, int | str]] = {key: {} for key in _ALWAYS_THERE}
        self.registry |= {key: dict(values) for key, values in (registry or {}).items()}
        self.denied: set[str] = set()
        self.written: list[tuple[str, str, str]] = []
        self.service = "running"
        self.slow_stop = 1
        self.sc_codes: dict[str, int] = {}
        self.rows = {
            "Win32_ComputerSystem": [{"PartOfDomain": "FALSE"}],
            "RSOP_RegistryPolicySetting": [],
            "RSOP_GPO": [{"id": GPO, "name": "Servers - Windows Update"}],
            "Win32_Process": [],
            **self.rows,
        }
        self.invocations = self._invoke
        self.on_command = self._command

    def domain(self, **values: int | str) -> None:
        """Make it a member, with values that a GPO gives and that stand in the registry too."""
        self.rows["Win32_ComputerSystem"] = [{"PartOfDomain": "TRUE"}]
        for name, data in values.items():
            key = AU if name in ("AUOptions", "NoAutoUpdate", "UseWUServer") else UPDATE
            self.registry.setdefault(key, {})[name] = data
            self.rsop(name, data, key=key)

    def rsop(self, name: str, data: int | str | None, *, key: str = AU, gpo: str = GPO) -> None:
        raw = (
            b""
            if data is None
            else data.to_bytes(4, "little")
            if isinstance(data, int)
            else f"{data}\0".encode("utf-16-le")
        )
        rows = self.rows["RSOP_RegistryPolicySetting"]
        assert isinstance(rows, list)
        rows.append(
            {
                "registryKey": key.replace("SOFTWARE", "Software"),
                "valueName": name,
                "valueType": "4" if isinstance(data, int) else "1",
                "value": [str(byte) for byte in raw],
                "deleted": "TRUE" if data is None else "FALSE",
                "GPOID": gpo,
            }
        )

    def values(self, key: str) -> dict[str, int | str]:
        return self.registry.get(key, {})

    # ---- what it answers

    def _command(self, _server: FakeServer, line: str) -> Answer | None:
        if line.startswith("sc "):
            return self._sc(line.split()[1])
        self.outputs = {command: self._query(command) for command in STEPS.values() if command.startswith("reg query")}
        return None

    def _sc(self, verb: str) -> Answer:
        if verb == "query" and self.service == "stopping":
            self.slow_stop -= 1
            self.service = "stopped" if self.slow_stop <= 0 else "stopping"
        elif verb == "stop" and not self.sc_codes.get(verb):
            self.service = "stopping"
        elif verb == "start" and not self.sc_codes.get(verb):
            self.service = "running"
        text = f"SERVICE_NAME: wuauserv \r\n        STATE              : {_STATES[self.service]} \r\n"
        return Answer(self.sc_codes.get(verb, 0), text.encode())

    def _query(self, command: str) -> str | None:
        path = command.split('"')[1].removeprefix("HKLM\\")
        keys = {"\\".join(key.split("\\")[:depth]) for key in self.registry for depth in range(1, key.count("\\") + 2)}
        if path not in keys or path in self.denied:
            return None
        if " /s " in command:
            return "".join(self._print(key) for key in sorted(keys) if key == path or key.startswith(path + "\\"))
        children = sorted(key for key in keys if key.rpartition("\\")[0] == path)
        return self._print(path) + "".join(rf"{HKLM}\{child}" + "\r\n" for child in children)

    def _print(self, key: str) -> str:
        lines = [rf"{HKLM}\{key}"]
        for name, data in self.registry.get(key, {}).items():
            shown = f"REG_DWORD    0x{data:x}" if isinstance(data, int) else f"REG_SZ    {data}"
            lines.append(f"    {name}    {shown}")
        return "\r\n" + "\r\n".join(lines) + "\r\n\r\n"

    def _invoke(self, method: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        key = str(params.get("sSubKeyName"))
        if method == "EnumKey":
            return {"ReturnValue": "0", "sNames": ["Packages"]}
        if method not in ("CreateKey", "SetDWORDValue", "SetStringValue", "DeleteValue"):
            return None
        if key in self.denied:
            return {"ReturnValue": "5"}
        self.written.append((method, key, str(params.get("sValueName", ""))))
        values = self.registry.setdefault(key, {})
        if method == "DeleteValue":
            values.pop(str(params["sValueName"]), None)
        elif method == "SetDWORDValue":
            values[str(params["sValueName"])] = int(params["uValue"])
        elif method == "SetStringValue":
            values[str(params["sValueName"])] = str(params["sValue"])
        return {"ReturnValue": "0"}


DENIED = Fault("Access is denied.", code="0x80070005")

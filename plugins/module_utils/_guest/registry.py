# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The registry of one server over CIM (StdRegProv): single values and keys below HKEY_LOCAL_MACHINE, one request each.

Many values at once are read cheaper by ``reg query`` in the cmd shell (see facts_shell.py). A failure of StdRegProv is
a return value and no fault: 2 there is no such key or value, 1 there is no such value, 5 denied; everything else is
kept as a code (schema of a Server 2019, microsoft/wmi; Microsoft Learn, StdRegProv).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import Fault, OutcomeUnknown
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import CimInput, Instance, as_int, as_str

CIMV2 = "root/cimv2"

#: HKEY_LOCAL_MACHINE, as StdRegProv wants it.
_LOCAL_MACHINE = 0x80000002

_DONE, _NO_VALUE, _NOT_THERE, _DENIED = 0, 1, 2, 5


class Absent(Enum):
    """Why there is no value: it does not exist, which is an answer, or it could not be read, which is none."""

    MISSING = "missing"
    UNREADABLE = "unreadable"


MISSING: Final = Absent.MISSING
UNREADABLE: Final = Absent.UNREADABLE


class GuestRegistry:
    """Keys and values below HKEY_LOCAL_MACHINE; paths are written without that root.

    :param server: what errors call the server.
    """

    def __init__(self, client: ClientPort, server: str) -> None:
        self._client = client
        self._server = server

    # ---- reading

    def number(self, path: str, name: str) -> int | Absent:
        """A REG_DWORD."""
        answer = self._call("GetDWORDValue", path, {"sValueName": name}, reads=True)
        code = as_int(answer, "ReturnValue")
        value = as_int(answer, "uValue") if code == _DONE else None
        return _absence(code) if value is None else value

    def text(self, path: str, name: str) -> str | Absent:
        """A REG_SZ."""
        answer = self._call("GetStringValue", path, {"sValueName": name}, reads=True)
        code = as_int(answer, "ReturnValue")
        value = as_str(answer, "sValue") if code == _DONE else None
        return _absence(code) if value is None else value

    def subkeys(self, path: str) -> frozenset[str] | Absent:
        """The names of the keys in a key, in lower case; ``MISSING`` when the key itself is not there."""
        answer = self._call("EnumKey", path, {}, reads=True, arrays=("sNames",))
        code = as_int(answer, "ReturnValue")
        if code != _DONE:
            return _absence(code)
        names = answer.get("sNames")
        if not isinstance(names, list):
            return UNREADABLE
        return frozenset(name.lower() for name in names if isinstance(name, str))

    # ---- writing; each of these may be asked for twice and leaves the same

    def ensure_key(self, path: str) -> None:
        """Make a key, and those above it, unless it is there.

        :raises Fault: the server refuses.
        """
        self._change("CreateKey", path, {}, f"make the key {path}")

    def write_number(self, path: str, name: str, value: int) -> None:
        """Set a REG_DWORD in a key that is there.

        :raises Fault: the server refuses.
        """
        self._change("SetDWORDValue", path, {"sValueName": name, "uValue": value}, f"write {path}\\{name}")

    def write_text(self, path: str, name: str, value: str) -> None:
        """Set a REG_SZ in a key that is there.

        :raises Fault: the server refuses.
        """
        self._change("SetStringValue", path, {"sValueName": name, "sValue": value}, f"write {path}\\{name}")

    def delete_value(self, path: str, name: str) -> None:
        """Delete a value; one that is not there is deleted already.

        :raises Fault: the server refuses.
        """
        self._change("DeleteValue", path, {"sValueName": name}, f"delete {path}\\{name}", also=(_NO_VALUE, _NOT_THERE))

    # ---- how

    def _change(
        self, method: str, path: str, params: dict[str, CimInput], what: str, also: tuple[int, ...] = ()
    ) -> None:
        try:
            answer = self._call(method, path, params, reads=False)
        except OutcomeUnknown:
            # It leaves the same when done twice, so a lost answer is asked for once more.
            answer = self._call(method, path, params, reads=False)
        code = as_int(answer, "ReturnValue")
        if code == _DONE or code in also:
            return
        denied = code == _DENIED
        raise Fault(
            f"{self._server}: the registry refused to {what}: {'access denied' if denied else f'code {code}'}.",
            code="registry_denied" if denied else "registry",
            hint="The account must be an administrator of the server with a full token." if denied else None,
            server=self._server,
        )

    def _call(
        self, method: str, path: str, params: dict[str, CimInput], *, reads: bool, arrays: tuple[str, ...] = ()
    ) -> Instance:
        return self._client.invoke(
            CIMV2,
            "StdRegProv",
            method,
            {"hDefKey": _LOCAL_MACHINE, "sSubKeyName": path, **params},
            arrays=arrays,
            repeatable=reads,
        )


def _absence(code: int | None) -> Absent:
    return MISSING if code in (_NO_VALUE, _NOT_THERE) else UNREADABLE

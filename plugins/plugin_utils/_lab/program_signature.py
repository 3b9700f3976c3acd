# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one cmdlet that this lab knows: Get-AuthenticodeSignature, alone or piped into the usual ones.

Its object and the numbers of its Status: Microsoft Learn, Get-AuthenticodeSignature and SignatureStatus. Windows
PowerShell 5.1 writes an enumeration as its number into JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.msi import read_package
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Pause, Program
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Call

_STATUS = {"Valid": 0, "UnknownError": 1, "NotSigned": 2, "HashMismatch": 3, "NotTrusted": 4}
_QUOTED = r"(?:'(?P<single>(?:[^']|'')*)'|\"(?P<double>[^\"$`]*)\"|(?P<bare>[^\s'\"|;)]+))"
_CMDLET = re.compile(
    rf"\(?\s*Get-AuthenticodeSignature\s+(?:-(?:LiteralPath|FilePath)\s+)?{_QUOTED}\s*(?P<close>\))?"
    r"(?P<member>(?:\.\w+)*)(?P<pipes>(?:\s*\|.*)?)",
    re.IGNORECASE | re.DOTALL,
)
_CALCULATED = re.compile(
    r"@\{\s*(?:n|name|l|label)\s*=\s*'?\"?(\w+)\"?'?\s*;\s*(?:e|expression)\s*=\s*\{\s*(\[int\]|\[string\])?\s*"
    r"\$_((?:\.\w+)+)\s*\}\s*\}",
    re.IGNORECASE,
)


def is_signature_line(line: str) -> bool:
    """Whether a command of PowerShell is about this cmdlet and nothing else."""
    return _CMDLET.fullmatch(line.strip()) is not None


def signature(call: Call, line: str) -> Program:
    """Run the line; PowerShell needs its second to start."""
    yield Pause(1.5)
    match = _CMDLET.fullmatch(line.strip())
    if match is None:
        return 1
    path = (match["single"] or "").replace("''", "'") or match["double"] or match["bare"] or ""
    found = _object(call, path)
    if found is None:
        call.err(f"Get-AuthenticodeSignature : File {path} was not found.\r\n")
        return 1
    value: Any = found
    for name in match["member"].split(".")[1:]:
        value = _member(value, name)
    for pipe in [part.strip() for part in match["pipes"].split("|")[1:]]:
        if re.match(r"Select(?:-Object)?\s", pipe, re.IGNORECASE):
            value = _selected(value, re.sub(r"^\S+\s+(?:-Property\s+)?", "", pipe))
        elif re.match(r"ConvertTo-Json", pipe, re.IGNORECASE):
            value = json.dumps(value, separators=(",", ":") if "-compress" in pipe.lower() else None)
        elif not re.fullmatch(r"(?:Format-List|fl|Out-String)(?:\s+\*)?", pipe, re.IGNORECASE):
            call.err(f"This lab does not simulate {pipe}.\r\n")
            return 1
    if isinstance(value, dict):
        names = {number: name for name, number in _STATUS.items()}
        lines = [f"{key:<22}: {names[item] if key == 'Status' else item}" for key, item in value.items()]
        call.out("\r\n" + "\r\n".join(lines) + "\r\n\r\n")
    elif value is not None:
        call.out(f"{value}\r\n")
    return 0


def _object(call: Call, path: str) -> dict[str, Any] | None:
    try:
        content = call.machine.disk.read(call.session.path(path), call.session.who)
    except DiskError:
        return None
    package = read_package(content)
    if package is None:
        return {"SignerCertificate": None, "Status": _STATUS["UnknownError"], "StatusMessage": "", "Path": path}
    subject = {"Subject": package.signer, "Thumbprint": "0" * 40} if package.signer else None
    return {
        "SignerCertificate": subject,
        "Status": _STATUS[package.signature],
        "StatusMessage": f"{package.signature}.",
        "Path": path,
    }


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return None
    found = next((item for key, item in value.items() if key.lower() == name.lower()), None)
    if name.lower() == "status":
        return next(word for word, number in _STATUS.items() if number == found)
    return found


def _selected(value: Any, names: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind, members in _CALCULATED.findall(names):
        item = value
        for member in members.split(".")[1:]:
            number = item.get("Status") if isinstance(item, dict) and member.lower() == "status" else None
            item = number if number is not None and kind.lower() == "[int]" else _member(item, member)
        found[name] = item
    for name in _CALCULATED.sub("", names).split(","):
        plain = name.strip()
        if plain and isinstance(value, dict):
            key = next((key for key in value if key.lower() == plain.lower()), plain)
            found[key] = value.get(key)
    return found

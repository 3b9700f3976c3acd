# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs a server has, where they are, and the shells among them: cmd.exe and powershell.exe.

There is no PowerShell in the lab. Ansible's ``raw`` wraps a plain command line into ``-EncodedCommand``, so such a
line is taken out and run by cmd; anything that needs PowerShell is refused in words.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import (
    arc,
    program_files,
    program_reg,
    program_servicing,
    program_system,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cmd import CommandShell
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cmd_builtins import BUILTINS
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cmd_parser import strip_outer_quotes
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Program
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.program_azcmagent import azcmagent
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.program_curl import curl
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.program_msiexec import msiexec
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.program_signature import is_signature_line, signature
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Body, Call

NO_POWERSHELL = "This lab has no PowerShell: it only runs plain command lines, such as hostname or reg query.\r\n"

# A line that means the same to PowerShell and to cmd: one program with plain arguments.
_PLAIN_LINE = re.compile(r"[A-Za-z0-9_.:\\~-]+(?:[ \t]+[A-Za-z0-9_.:\\/=,+*?\"' -]+)?", re.ASCII)
_CMDLET = re.compile(r"[A-Za-z]+-[A-Za-z]+", re.ASCII)


def cmd(call: Call) -> Program:
    """A nested cmd.exe: /c, /k, /s, /d, /q, /v:on; without /c it reads commands from its input."""
    tail = call.tail.lstrip()
    session = call.session.copy()
    while True:
        match = re.match(r"/([a-z])(:\w+)?\s*", tail, re.IGNORECASE)
        if match is None:
            break
        letter = match.group(1).lower()
        tail = tail[match.end() :]
        if letter == "v":
            session.delayed = (match.group(2) or ":on").lower() == ":on"
        if letter in "ck":
            shell = CommandShell(session, BUILTINS)
            line = strip_outer_quotes(tail, lambda name: call.machine.find_program(name, session) is not None)
            return (yield from shell.run_line(line, call.streams))
    return (yield from _interactive(call, CommandShell(session, BUILTINS)))


def _interactive(call: Call, shell: CommandShell) -> Program:
    product = call.machine.spec.product_data
    call.out(f"Microsoft Windows [Version 10.0.{product.build}.{call.machine.updates.ubr}]\r\n")
    call.out("(c) Microsoft Corporation. All rights reserved.\r\n")
    code = 0
    while True:
        call.out(f"\r\n{shell.session.directory}>")
        line = yield from call.streams.stdin.line()
        if line is None:
            return code
        text = call.session.decode(line)
        call.out(f"{text}\r\n")
        code = yield from shell.run_line(text, call.streams)
        if text.strip().lower().split(" ")[0] == "exit":
            return code


def powershell(call: Call) -> Program:
    """powershell.exe, as far as a plain command line goes."""
    words = call.words
    lower = [word.lower() for word in words]
    line: str | None = None
    for option in ("-encodedcommand", "-enc", "-e", "-ec"):
        if option in lower and lower.index(option) + 1 < len(words):
            line = _decoded(words[lower.index(option) + 1])
            break
    if line is None and "-command" in lower and words[-1] != "-":
        line = " ".join(words[lower.index("-command") + 1 :])
    if line is not None and is_signature_line(line):
        return (yield from signature(call, line))
    if line is None or not _is_plain(line):
        call.err(NO_POWERSHELL)
        return 1
    shell = CommandShell(call.session.copy(), BUILTINS)
    code = yield from shell.run_line(line.strip(), call.streams)
    # PowerShell ends with 1, whatever code the last program had.
    return 0 if code == 0 else 1


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("utf-16-le")
    except (binascii.Error, ValueError):
        return None


def _is_plain(line: str) -> bool:
    text = line.strip()
    return _PLAIN_LINE.fullmatch(text) is not None and _CMDLET.fullmatch(text.split()[0]) is None


def _not_played(call: Call) -> int:
    call.err(f"This lab does not simulate {call.name}.\r\n")
    return 1


_SYSTEM32: Mapping[str, Body] = {
    "certutil": program_files.certutil,
    "cmd": cmd,
    "dism": program_servicing.dism,
    "curl": curl,
    "find": program_files.find,
    "findstr": program_files.findstr,
    "gpupdate": program_system.gpupdate,
    "hostname": program_system.hostname,
    "icacls": program_files.icacls,
    "more": program_files.more,
    "msiexec": msiexec,
    "ping": program_system.ping,
    "reg": program_reg.reg,
    "sc": program_system.service_control,
    "shutdown": program_system.shutdown,
    "systeminfo": program_system.systeminfo,
    "tasklist": program_system.tasklist,
    "timeout": program_system.timeout,
    "where": program_files.where,
    "whoami": program_system.whoami,
    "wusa": program_servicing.wusa,
}

_NOT_PLAYED = (
    "bcdedit",
    "ipconfig",
    "net",
    "netsh",
    "nltest",
    "schtasks",
    "wevtutil",
)


def programs(windows_directory: str, *, arc_agent: bool) -> dict[str, tuple[str, Body]]:
    """Every program of a server: name without .exe -> full path and what it does."""
    system = f"{windows_directory}\\System32"
    found: dict[str, tuple[str, Body]] = {name: (f"{system}\\{name}.exe", body) for name, body in _SYSTEM32.items()}
    found.update({name: (f"{system}\\{name}.exe", _not_played) for name in _NOT_PLAYED})
    found["more"] = (f"{system}\\more.com", program_files.more)
    found["powershell"] = (f"{system}\\WindowsPowerShell\\v1.0\\powershell.exe", powershell)
    if arc_agent:
        found["azcmagent"] = (arc.PATH, azcmagent)
    return found

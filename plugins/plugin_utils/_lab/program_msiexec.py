# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""msiexec.exe: installs and removes the Arc agent's package.

Options and exit codes: Microsoft Learn, "msiexec" and "MsiExec.exe and InstMsi.exe error messages". It refuses an Azure
VM (azure-management-docs); other packages are opened and refused, because the lab installs only the agent.
"""

from __future__ import annotations

import re

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.msi import AGENT, Package, read_package
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Pause, Program
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Call

DONE, DISK_FULL, FATAL, UNKNOWN_PRODUCT, BUSY = 0, 112, 1603, 1605, 1618
NO_PACKAGE, BAD_PACKAGE, NO_LOG, ANOTHER_VERSION, BAD_LINE = 1619, 1620, 1622, 1638, 1639

_PROPERTY = re.compile(r"[A-Z][A-Z0-9_.]*=.*", re.DOTALL)
_PACKAGE_BYTES = 220_000_000


def msiexec(call: Call) -> Program:
    """The program."""
    wish = _arguments(call.words)
    if wish is None:
        return BAD_LINE
    verb, target, log = wish
    machine = call.machine
    if log is not None and not _log(call, log, f"=== Verbose logging started === {verb} {target}\r\n"):
        return NO_LOG
    yield Pause(2 * machine.jitter())
    code = machine.faults.next_msi_failure()
    if code is None and machine.timeline.seconds() < machine.faults.msi_busy_until:
        code = BUSY
    if code is None and not call.session.who.is_administrator:
        code = FATAL
    if code is None:
        work = _install(call, target) if verb == "i" else _remove(call, target)
        code = yield from work
    if log is not None:
        _log(call, log, f"MainEngineThread is returning {code}\r\n", append=True)
    return code


def _arguments(words: list[str]) -> tuple[str, str, str | None] | None:
    """What to do, with what, and the log; None for a line that msiexec does not take."""
    verb, target, log = "", "", None
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        lower = word.lower().replace("-", "/", 1)
        if lower in {"/i", "/package", "/x", "/uninstall"} and position < len(words) and not verb:
            verb, target = lower[1], words[position]
            verb = {"p": "i", "u": "x"}.get(verb, verb)
            position += 1
        elif re.fullmatch(r"/l[iwearucmopvx+!*]*", lower) and position < len(words):
            log = words[position]
            position += 1
        elif lower in {"/qn", "/q", "/quiet", "/qb", "/passive", "/norestart"} or _PROPERTY.fullmatch(word):
            continue
        else:
            return None
    if not verb:
        return None
    return verb, target, log


def _log(call: Call, name: str, text: str, *, append: bool = False) -> bool:
    machine = call.machine
    try:
        path = call.session.path(name)
        machine.disk.write(path, text.encode("utf-16"), machine.now(), call.session.who, append=append)
    except DiskError:
        return False
    return True


def _install(call: Call, target: str) -> Program:
    machine = call.machine
    try:
        content = machine.disk.read(call.session.path(target), call.session.who)
    except DiskError:
        return NO_PACKAGE
    package = read_package(content)
    if package is None:
        return BAD_PACKAGE
    if package.product != AGENT or machine.spec.platform in {"azure", "azure-local-host"}:
        return FATAL
    if machine.free_bytes < _PACKAGE_BYTES:
        return DISK_FULL
    agent = machine.arc
    if agent.installed and _numbers(agent.version or "") > _numbers(package.version):
        return ANOTHER_VERSION
    yield Pause(40 * machine.jitter())
    if agent.version != package.version:
        agent.install(package)
        call.wrote("package", f"{package.product} {package.version}")
    return DONE


def _remove(call: Call, target: str) -> Program:
    machine = call.machine
    agent = machine.arc
    code = target.upper()
    if not code.startswith("{"):
        package = _package(call, target)
        code = package.code if package else ""
    if not agent.installed or code != agent.product_code.upper():
        return UNKNOWN_PRODUCT
    yield Pause(20 * machine.jitter())
    agent.uninstall()
    call.wrote("package", f"{AGENT} removed")
    return DONE


def _package(call: Call, target: str) -> Package | None:
    try:
        return read_package(call.machine.disk.read(call.session.path(target), call.session.who))
    except DiskError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())

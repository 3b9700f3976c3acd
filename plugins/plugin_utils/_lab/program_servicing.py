# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dism.exe for packages of the running system, and wusa.exe.

Texts: public DISM outputs of WS2025 and Windows 10 machines; options: Microsoft Learn, "DISM operating system package
(.cab or .msu) servicing command-line options" and "Windows Update Standalone Installer"; the end of quiet removal by
wusa (87, nothing changed): a public lab log of a 26100-base system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.component_store import (
    BUSY,
    NOT_REMOVABLE,
    RESTART_NEEDED,
    UNKNOWN_PACKAGE,
    Package,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Nowhere, Pause, Program, Streams
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Call

NOT_ELEVATED = 740
BAD_PARAMETER = 87
NOT_FOUND = 2
PATH_NOT_FOUND = 3
NOT_INSTALLED = 2359303

LISTING_SECONDS = 4.0
# DISM says in its own version which tool it is; the image's version is the build.
_TOOL = {26100: "10.0.26100.1150", 20348: "10.0.20348.681"}
_BAR = 26
# A dialogue that nobody sees is not answered; a shell ends what it started.
_FOR_EVER = 30 * 24 * 3600.0

_TEXTS = {
    NOT_ELEVATED: "Elevated permissions are required to run DISM. \r\n"
    "Use an elevated command prompt to complete these tasks.",
    UNKNOWN_PACKAGE: "The specified package is not valid Windows package.",
    NOT_REMOVABLE: "Permanent package cannot be uninstalled",
    BUSY: "Servicing is busy with another operation.",
}

# What the lab plays, what belongs to each, and which other switches DISM has everywhere.
_COMMANDS: Mapping[str, frozenset[str]] = {
    "get-packages": frozenset({"format"}),
    "get-packageinfo": frozenset({"packagename", "packagepath"}),
    "remove-package": frozenset({"packagename", "packagepath"}),
    "add-package": frozenset({"packagepath", "ignorecheck", "preventpending"}),
    "cleanup-image": frozenset({"checkhealth", "scanhealth", "restorehealth", "startcomponentcleanup", "resetbase"}),
}
_EVERYWHERE = frozenset(
    {"online", "english", "quiet", "norestart", "logpath", "loglevel", "scratchdir", "sysdrivedir", "windir", "format"}
)
# Further commands of the real program, which the lab knows by name only.
_OTHER_COMMANDS = frozenset(
    "add-capability add-driver disable-feature enable-feature export-driver get-capabilities get-currentedition "
    "get-drivers get-featureinfo get-features get-intl get-targeteditions set-edition set-productkey".split()
)


def dism(call: Call) -> Program:
    """/Online with /Get-Packages, /Get-PackageInfo, /Remove-Package, /Add-Package and /Cleanup-Image."""
    options, stray = _options(call.words)
    if not options or "?" in options or "help" in options:
        _header(call)
        call.out("DISM.exe [dism_options] {WIM_command} [<WIM_arguments>]\r\n")
        call.out("DISM.exe {/Image:<path_to_offline_image> | /Online} [dism_options] {servicing_command}\r\n")
        return 0
    if "quiet" in options:
        # Errors are shown all the same.
        call = replace(call, streams=Streams(call.streams.stdin, Nowhere(), call.streams.stdout))
    _header(call)
    if not call.session.who.is_administrator:
        return _error(call, NOT_ELEVATED)
    command = next((name for name in options if name in _COMMANDS or name in _OTHER_COMMANDS), None)
    known = _EVERYWHERE | {command} | _COMMANDS.get(command or "", frozenset())
    unknown = stray or next((name for name in options if name not in known), None)
    if "image" in options:
        call.err("This lab has no images beside the running system.\r\n")
        return BAD_PARAMETER
    if unknown is not None and command not in _OTHER_COMMANDS:
        return _error(call, BAD_PARAMETER, f"The {unknown} option is unknown.")
    if command is None or "online" not in options:
        return _error(call, BAD_PARAMETER, "An option that belongs to this command is missing.")
    if command in _OTHER_COMMANDS:
        call.err(f"This lab does not simulate DISM /{command}.\r\n")
        return 1
    _image_version(call)
    return (yield from _PLAYED[command](call, options))


def _get_packages(call: Call, options: Mapping[str, str]) -> Program:
    form = options.get("format", "list").lower() or "list"
    if form not in ("table", "list"):
        return _error(call, BAD_PARAMETER, "The format option is not valid.")
    yield Pause(LISTING_SECONDS * call.machine.jitter())
    rows = [_row(call, package) for package in call.machine.packages.all()]
    call.out("Packages listing:\r\n\r\n")
    if form == "list":
        heads = ("Package Identity", "State", "Release Type", "Install Time")
        for row in rows:
            call.out("".join(f"{head} : {cell}\r\n" for head, cell in zip(heads, row, strict=True)) + "\r\n")
    else:
        _table(call, rows)
    _completed(call)
    return 0


def _table(call: Call, rows: Sequence[Sequence[str]]) -> None:
    heads = ("Package Identity", "State", "Release Type", "Install Time")
    widths = [max(len(head), *(len(row[column]) for row in rows)) for column, head in enumerate(heads)]
    rule = " | ".join("-" * width for width in widths)
    call.out(f"\r\n{rule}\r\n")
    for row in (heads, None, *rows):
        line = rule if row is None else " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        call.out(f"{line}\r\n")
    call.out("\r\n")


def _row(call: Call, package: Package) -> tuple[str, str, str, str]:
    state = call.machine.packages.shown_state(package)
    return package.identity, state, package.release_type, _moment(package.installed)


def _get_package_info(call: Call, options: Mapping[str, str]) -> Program:
    package = call.machine.packages.find(options.get("packagename", ""))
    if not options.get("packagename"):
        return _error(call, BAD_PARAMETER, "The get-packageinfo command requires a package.")
    yield Pause(LISTING_SECONDS * call.machine.jitter())
    if package is None:
        return _error(call, UNKNOWN_PACKAGE)
    support = f"https://support.microsoft.com/help/{package.kb[2:]}" if package.kb else ""
    rows = (
        ("Package Identity", package.identity),
        ("Applicable", "Yes"),
        ("Copyright", "Microsoft Corporation"),
        ("Company", "Microsoft Corporation"),
        ("Creation Time", ""),
        ("Description", f"Fix for {package.kb}" if package.kb else ""),
        ("Install Client", "WindowsUpdateAgent" if package.kb else "DISM Package Manager Provider"),
        ("Install Time", _moment(package.installed)),
        ("Product Name", "Package_for_RollupFix" if package.kind == "rollup" else ""),
        ("Release Type", package.release_type),
        ("Restart Required", "Possible"),
        ("Support Information", support),
        ("State", call.machine.packages.shown_state(package)),
        ("Completely offline capable", "Undetermined"),
    )
    call.out("Package information:\r\n\r\n" + "".join(f"{head} : {cell}\r\n" for head, cell in rows) + "\r\n")
    _completed(call)
    return 0


def _remove_package(call: Call, options: Mapping[str, str]) -> Program:
    wanted = options.get("packagename", "")
    if not wanted:
        text = "The remove-package command requires a valid package name or path."
        return _error(call, BAD_PARAMETER, text)
    store = call.machine.packages
    package = store.find(wanted)
    if package is None:
        return _error(call, UNKNOWN_PACKAGE)
    if store.working:
        return _error(call, BUSY)
    call.out(f"Processing 1 of 1 - Removing package {package.identity}\r\n")
    seconds = store.removal_seconds(package)
    store.working = True
    try:
        for part in range(1, 5):
            yield Pause(seconds / 4)
            _bar(call, 25 * part)
    finally:
        store.working = False
    before = package.state
    code = store.remove(package)
    if code not in (0, RESTART_NEEDED):
        return _error(call, code)
    if before != package.state or store.find(package.identity) is None:
        call.wrote("package", f"remove {package.identity}")
    _completed(call)
    if code == RESTART_NEEDED and "norestart" not in options:
        if "quiet" in options:
            call.machine.power.schedule(0, call.session.who.name, "dism /quiet without /norestart")
            return code
        call.out("Restart Windows to complete this operation.\r\nDo you want to restart the computer now? (Y/N) ")
        line = yield from call.streams.stdin.line()
        if line is not None and call.session.decode(line).strip().lower().startswith("y"):
            call.machine.power.schedule(0, call.session.who.name, "dism")
    return code


def _add_package(call: Call, options: Mapping[str, str]) -> Program:
    path = options.get("packagepath", "")
    yield Pause(1.0)
    if not path:
        return _error(call, BAD_PARAMETER, "The add-package command requires a package path.")
    if not _is_there(call, path):
        return _error(call, PATH_NOT_FOUND, f"An error occurred trying to open - {path} Error: 0x80070003")
    call.err("This lab installs updates by Windows Update only, not from files.\r\n")
    return 1


def _cleanup_image(call: Call, options: Mapping[str, str]) -> Program:
    if "startcomponentcleanup" in options:
        yield Pause(120.0 * call.machine.jitter())
        if call.machine.updates.restart_pending:
            # CBS_E_PENDING: what waits for a restart comes first.
            return _error(call, 0x800F0806, "The operation could not be completed due to pending operations.")
        call.machine.packages.clean_up(reset_base="resetbase" in options)
        call.wrote("package", "cleanup" + (" with reset base" if "resetbase" in options else ""))
        _bar(call, 100)
    elif set(options) & {"checkhealth", "scanhealth", "restorehealth"}:
        yield Pause(2.0 if "checkhealth" in options else 120.0)
        call.out("No component store corruption detected.\r\n")
    else:
        return _error(call, BAD_PARAMETER, "The cleanup-image command requires an option.")
    _completed(call)
    return 0


_PLAYED = {
    "get-packages": _get_packages,
    "get-packageinfo": _get_package_info,
    "remove-package": _remove_package,
    "add-package": _add_package,
    "cleanup-image": _cleanup_image,
}


def wusa(call: Call) -> Program:
    """/uninstall /kb:N, quiet or not, and files."""
    options, stray = _options(call.words)
    if "?" in options or "help" in options:
        return 0
    if "uninstall" in options:
        number = options.get("kb", "").upper().removeprefix("KB")
        if "quiet" in options or not number.isdigit():
            # Removal without questions was taken out of wusa years ago.
            return BAD_PARAMETER
        if f"KB{number}" not in call.machine.updates.installed_kbs:
            return NOT_INSTALLED
        yield Pause(_FOR_EVER)
        return 1
    if stray is None:
        return BAD_PARAMETER
    if not _is_there(call, stray):
        return NOT_FOUND
    call.err("This lab installs updates by Windows Update only, not from files.\r\n")
    return 1


def _options(words: Sequence[str]) -> tuple[dict[str, str], str | None]:
    """The switches by lower-case name with their values, and the first word that is none."""
    found: dict[str, str] = {}
    stray: str | None = None
    for word in words:
        if word.startswith(("/", "-")):
            name, _mark, value = word[1:].partition(":")
            found[name.lower()] = value.strip('"')
        elif stray is None:
            stray = word
    return found, stray


def _is_there(call: Call, path: str) -> bool:
    try:
        return call.machine.disk.find(call.session.path(path)) is not None
    except DiskError:
        return False


def _header(call: Call) -> None:
    build = call.machine.spec.product_data.build
    call.out("\r\nDeployment Image Servicing and Management tool\r\n")
    call.out(f"Version: {_TOOL.get(build, f'10.0.{build}.1')}\r\n\r\n")


def _image_version(call: Call) -> None:
    machine = call.machine
    call.out(f"Image Version: 10.0.{machine.spec.product_data.build}.{machine.updates.ubr}\r\n\r\n")


def _bar(call: Call, percent: int) -> None:
    filled = "=" * round(_BAR * 2 * percent / 100)
    shown = f"{percent:.1f}%"
    left, right = filled[:_BAR].ljust(_BAR), filled[_BAR:].ljust(_BAR)
    call.out(f"\r[{left}{shown}{right}] " + ("\r\n" if percent == 100 else ""))


def _completed(call: Call) -> None:
    call.out("The operation completed successfully.\r\n")


def _error(call: Call, code: int, text: str | None = None) -> int:
    shown = f"0x{code:08x}" if code > 0xFFFF else str(code)
    words = text or _TEXTS.get(code, "DISM failed. No operation was performed.")
    say = call.err if isinstance(call.streams.stdout, Nowhere) else call.out
    say(f"\r\nError: {shown}\r\n\r\n{words}\r\n\r\n")
    say(f"The DISM log file can be found at {call.machine.windows_directory}\\Logs\\DISM\\dism.log\r\n")
    return code


def _moment(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return f"{moment.month}/{moment.day}/{moment.year} {moment.hour % 12 or 12}:{moment:%M %p}"

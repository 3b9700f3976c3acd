# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that cmd.exe has inside: echo, set, cd, type, dir, mkdir, rmdir, del, copy, move, ren, exit, ver, call
and a few more.

Texts and exit codes: general knowledge of cmd.exe on Windows Server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arguments import split_arguments
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cmd import (
    CommandShell,
    ShellExit,
    like_file,
    matching,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError, not_found, path_not_found
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import ProgramNotFound
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Program, disk_message
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Body, Call
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.shares import is_share, read_share

SYNTAX = "The syntax of the command is incorrect.\r\n"


def _fail(call: Call, text: str, code: int = 1) -> int:
    call.err(text)
    call.session.errorlevel = code
    return code


def _done(call: Call) -> int:
    call.session.errorlevel = 0
    return 0


def _echo(call: Call) -> int:
    text = call.tail[1:]
    if not call.tail.strip() and not call.tail.startswith((".", ":", "(", "/", "[", "+", "]")):
        call.out("ECHO is on.\r\n")
    elif call.tail[:1] in {" ", "\t"} and text.strip().lower() in {"on", "off"}:
        return 0
    else:
        call.out(f"{text}\r\n")
    return 0


def _set(call: Call) -> int | Program:
    text = call.tail.lstrip(" ")
    if text.lower().startswith("/p"):
        return _prompt(call, text[2:].lstrip(" "))
    if text.lower().startswith("/a"):
        return _fail(call, "This lab does not simulate SET /A.\r\n")
    if text.startswith('"'):
        text = text[1 : text.rfind('"')] if text.count('"') > 1 else text[1:]
    environment = call.session.environment
    if "=" in text[1:]:
        name, _mark, value = text.partition("=")
        if value:
            environment[name.upper()] = value
        else:
            environment.pop(name.upper(), None)
        return 0
    wanted = text.strip().upper()
    shown = {name: value for name, value in sorted(environment.items()) if name.startswith(wanted)}
    if wanted and not shown:
        return _fail(call, f"Environment variable {text.strip()} not defined\r\n")
    for name, value in shown.items():
        call.out(f"{name}={value}\r\n")
    return 0


def _prompt(call: Call, text: str) -> Program:
    name, _mark, question = text.strip('"').partition("=")
    call.out(question)
    line = yield from call.streams.stdin.line()
    if not line:
        call.session.errorlevel = 1
        return 1
    call.session.environment[name.upper()] = call.session.decode(line)
    return 0


def _cd(call: Call) -> int:
    words = split_arguments(call.tail)
    words = [word for word in words if word.lower() != "/d"]
    if not words:
        call.out(f"{call.session.directory}\r\n")
        return _done(call)
    try:
        path = call.session.path(" ".join(words))
    except DiskError as error:
        return _fail(call, disk_message(error))
    node = call.machine.disk.find(path)
    if node is None:
        return _fail(call, disk_message(path_not_found()))
    if not node.is_folder:
        return _fail(call, "The directory name is invalid.\r\n")
    call.session.directory = path
    return _done(call)


def _type(call: Call) -> int:
    names = split_arguments(call.tail)
    if not names:
        return _fail(call, SYNTAX)
    code = 0
    for name in names:
        try:
            found = [path for path, _name in matching(call.session, name)] if "*" in name else [call.session.path(name)]
            if not found:
                raise not_found()
            for path in found:
                call.streams.stdout.write(call.machine.disk.read(path, call.session.who))
        except DiskError as error:
            code = _fail(call, disk_message(error))
    return code or _done(call)


def _dir(call: Call) -> int:
    words = split_arguments(call.tail)
    options = {word.lower() for word in words if word.startswith("/")}
    names = [word for word in words if not word.startswith("/")] or ["."]
    bare = "/b" in options
    deep = "/s" in options
    code = 0
    for name in names:
        code = max(code, _dir_one(call, name, bare=bare, deep=deep, folders=_folder_filter(options)))
    return code or _done(call)


def _folder_filter(options: set[str]) -> bool | None:
    for option in options:
        if option.startswith("/a"):
            letters = option[2:].lstrip(":")
            if "-d" in letters:
                return False
            if "d" in letters:
                return True
    return None


def _dir_one(call: Call, name: str, *, bare: bool, deep: bool, folders: bool | None) -> int:
    disk = call.machine.disk
    try:
        node = disk.find(call.session.path(name)) if "*" not in name and "?" not in name else None
        pattern = "*"
        where = call.session.path(name) if node is not None and node.is_folder else ""
        if not where:
            folder, _mark, pattern = name.replace("/", "\\").rpartition("\\")
            where = call.session.path(folder + "\\" if folder.endswith(":") or not folder else folder)
            if not folder:
                where = call.session.directory
    except DiskError as error:
        return _fail(call, disk_message(error))
    found = [
        (path, item)
        for path, item in disk.walk(where)
        if path.rstrip("\\").lower() != where.rstrip("\\").lower()
        and (deep or path.count("\\") == where.rstrip("\\").count("\\") + 1)
        and like_file(item.name, pattern)
        and (folders is None or item.is_folder is folders)
    ]
    if not bare:
        call.out(" Volume in drive C has no label.\r\n Volume Serial Number is 5E0C-93F2\r\n\r\n")
        call.out(f" Directory of {where}\r\n\r\n")
    if not found:
        # Bare or not, an empty answer is "File Not Found", also for an empty folder asked for by name with /b.
        return _fail(call, "File Not Found\r\n")
    for path, item in found:
        if bare:
            call.out(f"{path if deep else item.name}\r\n")
        else:
            size = "<DIR>         " if item.content is None else f"{len(item.content):>14,}"
            call.out(f"{item.modified:%m/%d/%Y  %I:%M %p}    {size} {item.name}\r\n")
    if not bare:
        files = [item for _path, item in found if item.content is not None]
        total = sum(len(item.content or b"") for item in files)
        free = call.machine.free_bytes
        call.out(f"{len(files):>16} File(s) {total:>14,} bytes\r\n")
        call.out(f"{len(found) - len(files):>16} Dir(s)  {free:>14,} bytes free\r\n")
    return 0


def _mkdir(call: Call) -> int:
    names = split_arguments(call.tail)
    if not names:
        return _fail(call, SYNTAX)
    code = 0
    for name in names:
        try:
            path = call.session.path(name)
            if call.machine.disk.find(path) is not None:
                code = _fail(call, f"A subdirectory or file {name} already exists.\r\n")
                continue
            call.machine.disk.make_folder(path, call.machine.now(), call.session.who)
            call.wrote("file", f"{path}\\")
        except DiskError as error:
            code = _fail(call, disk_message(error))
    return code or _done(call)


def _rmdir(call: Call) -> int:
    words = split_arguments(call.tail)
    options = {word.lower() for word in words if word.startswith("/")}
    names = [word for word in words if not word.startswith("/")]
    if not names:
        return _fail(call, SYNTAX)
    code = 0
    for name in names:
        try:
            path = call.session.path(name)
            node = call.machine.disk.find(path)
            if node is not None and not node.is_folder:
                code = _fail(call, "The directory name is invalid.\r\n")
                continue
            call.machine.disk.remove(path, call.session.who, tree="/s" in options)
            call.wrote("file", f"remove {path}\\")
        except DiskError as error:
            code = _fail(call, disk_message(error))
    return code or _done(call)


def _del(call: Call) -> int:
    names = [word for word in split_arguments(call.tail) if not word.startswith("/")]
    if not names:
        return _fail(call, SYNTAX)
    for name in names:
        try:
            path = call.session.path(name) if "*" not in name and "?" not in name else ""
            node = call.machine.disk.find(path) if path else None
            targets = [path] if node is not None and not node.is_folder else []
            if not path or (node is not None and node.is_folder):
                pattern = name if not path else f"{name}\\*"
                targets = [found for found, _name in matching(call.session, pattern)]
            if not targets:
                call.err(f"Could Not Find {path or name}\r\n")
            for target in targets:
                item = call.machine.disk.find(target)
                if item is not None and not item.is_folder:
                    call.machine.disk.remove(target, call.session.who)
                    call.wrote("file", f"delete {target}")
        except DiskError as error:
            call.err(f"{name}\r\n{disk_message(error)}")
    return _done(call)


def _copy(call: Call) -> int:
    names = [word for word in split_arguments(call.tail) if not word.startswith("/")]
    if len(names) not in (1, 2):
        return _fail(call, SYNTAX)
    count = 0
    try:
        sources = _sources(call, names[0])
        data = b"".join(
            read_share(source) if is_share(source) else call.machine.disk.read(source, call.session.who)
            for source in sources
        )
        target = _target(call, sources[0], names[1] if len(names) == 2 else ".")
        call.machine.disk.write(target, data, call.machine.now(), call.session.who)
        count = 1
    except DiskError as error:
        call.out("        0 file(s) copied.\r\n")
        return _fail(call, disk_message(error))
    call.wrote("file", target)
    call.out(f"        {count} file(s) copied.\r\n")
    return _done(call)


def _sources(call: Call, text: str) -> list[str]:
    """What is copied: one file, several joined by ``+``, or those that fit a pattern, by name."""
    found: list[str] = []
    for name in text.split("+"):
        if is_share(name):
            found.append(name)
        elif "*" in name or "?" in name:
            found += [path for path, _name in matching(call.session, name)]
        else:
            found.append(call.session.path(name))
    if not found:
        raise not_found()
    return found


def _move(call: Call) -> int:
    words = split_arguments(call.tail)
    names = [word for word in words if not word.startswith("/")]
    if len(names) != 2:
        return _fail(call, SYNTAX)
    disk = call.machine.disk
    try:
        source = call.session.path(names[0])
        node = disk.find(source)
        if node is None:
            raise not_found()
        folder = node.is_folder
        target = _target(call, source, names[1])
        if disk.find(target) is not None and "/y" not in {word.lower() for word in words}:
            call.out(f"Overwrite {target}? (Yes/No/All): ")
            return _fail(call, "")
        disk.move(source, target, call.machine.now(), call.session.who)
    except DiskError as error:
        return _fail(call, disk_message(error))
    call.wrote("file", f"move {source} to {target}")
    call.out(f"        1 {'dir' if folder else 'file'}(s) moved.\r\n")
    return _done(call)


def _rename(call: Call) -> int:
    names = split_arguments(call.tail)
    if len(names) != 2 or "\\" in names[1]:
        return _fail(call, SYNTAX)
    try:
        source = call.session.path(names[0])
        target = f"{source.rpartition(chr(92))[0]}\\{names[1]}"
        if call.machine.disk.find(target) is not None:
            return _fail(call, "A duplicate file name exists, or the file\r\ncannot be found.\r\n")
        call.machine.disk.move(source, target, call.machine.now(), call.session.who)
    except DiskError as error:
        return _fail(call, disk_message(error))
    call.wrote("file", f"move {source} to {target}")
    return _done(call)


def _target(call: Call, source: str, name: str) -> str:
    target = call.session.path(name)
    node = call.machine.disk.find(target)
    return (
        f"{target.rstrip(chr(92))}\\{source.rpartition(chr(92))[2]}" if node is not None and node.is_folder else target
    )


def _exit(call: Call) -> int:
    words = [word for word in split_arguments(call.tail) if word.lower() != "/b"]
    code = call.session.errorlevel
    if words and words[0].removeprefix("-").isdigit():
        code = int(words[0]) & 0xFFFFFFFF
    raise ShellExit(code)


def _ver(call: Call) -> int:
    build = call.machine.spec.product_data.build
    call.out(f"\r\nMicrosoft Windows [Version 10.0.{build}.{call.machine.updates.ubr}]\r\n")
    return _done(call)


def _nothing(call: Call) -> int:
    return 0


def _call(call: Call) -> Program:
    shell = CommandShell(call.session, BUILTINS)
    return (yield from shell.run_line(call.tail.strip(), call.streams))


def _start(call: Call) -> int | Program:
    match = re.match(
        r'\s*(?:"[^"]*"\s*)?((?:/(?:wait|w|b|min|max|normal|low|high)\b\s*)*)(.*)', call.tail, re.IGNORECASE | re.DOTALL
    )
    switches = match[1].lower().split() if match else []
    line = match[2].strip() if match else ""
    if not line:
        return _fail(call, "This lab does not open console windows.\r\n")
    if {"/wait", "/w"} & set(switches):
        return _waited(call, line)
    try:
        call.machine.launch(line, call.session.who, directory=call.session.directory)
    except ProgramNotFound as error:
        return _fail(call, f"The system cannot find the file {error}.\r\n", 9059)
    return _done(call)


def _waited(call: Call, line: str) -> Program:
    code = yield from CommandShell(call.session, BUILTINS).run_line(line, call.streams)
    call.session.errorlevel = code
    return code


def _for(call: Call) -> int:
    return _fail(call, "This lab does not simulate FOR.\r\n")


def _date(call: Call) -> int:
    call.out(f"{call.machine.now():%a %m/%d/%Y}\r\n")
    return 0


def _time(call: Call) -> int:
    call.out(f"{call.machine.now():%I:%M %p}\r\n")
    return 0


BUILTINS: Mapping[str, Body] = {
    "echo": _echo,
    "set": _set,
    "cd": _cd,
    "chdir": _cd,
    "type": _type,
    "dir": _dir,
    "md": _mkdir,
    "mkdir": _mkdir,
    "rd": _rmdir,
    "rmdir": _rmdir,
    "del": _del,
    "erase": _del,
    "copy": _copy,
    "move": _move,
    "ren": _rename,
    "rename": _rename,
    "exit": _exit,
    "ver": _ver,
    "rem": _nothing,
    "title": _nothing,
    "cls": _nothing,
    "setlocal": _nothing,
    "endlocal": _nothing,
    "call": _call,
    "start": _start,
    "for": _for,
    "date": _date,
    "time": _time,
}

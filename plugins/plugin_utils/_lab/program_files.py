# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that look at and keep files: findstr, find, more, certutil, icacls, where.

Texts: Microsoft Learn, "findstr", "find", "icacls", "certutil", "where"; certutil's exit codes come unsigned over
WinRM (measured by a public Java client on Server 2022: 2147942402).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Generator

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arguments import split_arguments
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cmd import matching
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.principals import AccessList, Entry, sid_of
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Program, Wait
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Call

MAX_FINDSTR_LINE = 8191
_HASHES = ("MD2", "MD4", "MD5", "SHA1", "SHA256", "SHA384", "SHA512")

Sources = Generator[Wait, None, "list[tuple[str, bytes]] | None"]


def findstr(call: Call) -> Program:
    """Lines that match; ``findstr "^"`` copies its input."""
    options: set[str] = set()
    literals: list[str] = []
    names: list[str] = []
    patterns: list[str] | None = None
    for word in call.words:
        if word.startswith(("/", "-")) and len(word) > 1 and not (word.startswith("-") and patterns is not None):
            letter = word[1:2].lower()
            if letter == "c" and word[2:3] == ":":
                literals.append(word[3:])
                patterns = patterns or []
            elif letter in "bdefgilmnoprsvx" and ":" not in word:
                options.update(word[1:].lower())
            else:
                call.err(f"FINDSTR: /{word[1:]} ignored\r\n")
        elif patterns is None:
            patterns = word.split(" ")
        else:
            names.append(word)
    if patterns is None:
        call.err("FINDSTR: Bad command line\r\n")
        return 2
    test = _findstr_test(patterns, literals, options)
    sources = yield from _sources(call, names, "FINDSTR: Cannot open {0}\r\n")
    if sources is None:
        return 1
    hits = 0
    for name, data in sources:
        hits += _findstr_one(call, data, test, options, f"{name}:" if len(sources) > 1 else "", name)
    return 0 if hits else 1


def _findstr_one(
    call: Call, data: bytes, test: Callable[[str], bool], options: set[str], prefix: str, name: str
) -> int:
    hits = 0
    for number, raw in enumerate(_lines(data), 1):
        if len(raw) > MAX_FINDSTR_LINE:
            call.err(f"FINDSTR: Line {number} is too long.\r\n")
            continue
        if test(call.session.decode(raw.rstrip(b"\r\n"))) is ("v" in options):
            continue
        hits += 1
        if "m" in options:
            call.out(f"{name}\r\n")
            return 1
        number_text = f"{number}:" if "n" in options else ""
        call.streams.stdout.write(call.session.encode(prefix + number_text) + raw)
    return hits


def _lines(data: bytes) -> list[bytes]:
    found = data.split(b"\n")
    lines = [line + b"\n" for line in found[:-1]]
    return [*lines, found[-1] + b"\r\n"] if found[-1] else lines


def _findstr_test(patterns: list[str], literals: list[str], options: set[str]) -> Callable[[str], bool]:
    flags = re.IGNORECASE if "i" in options else 0
    as_text = "l" in options
    expressions: list[str] = []
    for text in [*patterns, *literals]:
        plain = as_text or (text in literals and "r" not in options)
        expression = re.escape(text) if plain else _findstr_expression(text)
        if "b" in options or "x" in options:
            expression = f"^(?:{expression})"
        if "e" in options or "x" in options:
            expression = f"(?:{expression})$"
        expressions.append(expression)
    compiled = [re.compile(expression, flags) for expression in expressions]
    return lambda line: any(one.search(line) is not None for one in compiled)


def _findstr_expression(text: str) -> str:
    """findstr knows ``. * ^ $ [class] \\x \\< \\>`` and nothing else."""
    parts: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\" and position + 1 < len(text):
            position += 1
            parts.append(r"\b" if text[position] in "<>" else re.escape(text[position]))
        elif char == "[" and "]" in text[position + 2 :]:
            end = text.index("]", position + 2)
            parts.append("[" + text[position + 1 : end].replace("\\", "\\\\") + "]")
            position = end
        elif char == "*" and parts:
            parts.append("*")
        elif char in ".$" or (char == "^" and not parts):
            parts.append(char)
        else:
            parts.append(re.escape(char))
        position += 1
    return "".join(parts)


def find(call: Call) -> Program:
    """Lines that hold a text; /v /c /n /i."""
    match = re.match(r'\s*((?:/[a-z]+\s*)*)"((?:[^"]|"")*)"(.*)', call.tail, re.IGNORECASE | re.DOTALL)
    if match is None:
        call.err("FIND: Parameter format not correct\r\n")
        return 2
    words = split_arguments(match.group(3))
    switch_words = re.findall(r"/([a-z]+)", match.group(1).lower()) + [
        w[1:].lower() for w in words if w.startswith("/")
    ]
    names = [word for word in words if not word.startswith("/")]
    text = match.group(2).replace('""', '"')
    wanted = text.lower() if "i" in switch_words else text
    sources = yield from _sources(call, names, "File not found - {0}\r\n")
    if sources is None:
        return 1
    hits = 0
    for name, data in sources:
        lines = [call.session.decode(line.rstrip(b"\r\n")) for line in _lines(data)]
        found = [
            (number, line)
            for number, line in enumerate(lines, 1)
            if (
                (wanted != "" and wanted in (line.lower() if "i" in switch_words else line))
                is not ("v" in switch_words)
            )
        ]
        hits += len(found)
        header = f"\r\n---------- {name.upper()}" if name else ""
        if "c" in switch_words:
            call.out(f"{header}: {len(found)}\r\n" if name else f"{len(found)}\r\n")
            continue
        if name:
            call.out(f"{header}\r\n")
        for number, line in found:
            call.out(f"[{number}]{line}\r\n" if "n" in switch_words else f"{line}\r\n")
    return 0 if hits else 1


def more(call: Call) -> Program:
    """Its input or files, without stopping (there is no screen)."""
    names = [word for word in call.words if not word.startswith(("/", "+"))]
    sources = yield from _sources(call, names, "Cannot access file {0}\r\n")
    if sources is None:
        return 1
    for _name, data in sources:
        call.streams.stdout.write(data)
    return 0


def _sources(call: Call, names: list[str], missing: str) -> Sources:
    """The files that were named, or standard input under the name ""; None after a message."""
    if not names:
        data = yield from call.streams.stdin.everything()
        return [("", data)]
    found: list[tuple[str, bytes]] = []
    for name in names:
        try:
            paths = [path for path, _last in matching(call.session, name)] if "*" in name else [call.session.path(name)]
            found += [(name, call.machine.disk.read(path, call.session.who)) for path in paths]
        except DiskError:
            call.err(missing.format(name))
            return None
    return found


def certutil(call: Call) -> int:
    """``-hashfile``, ``-encode`` and ``-decode``; nothing else of certutil is played."""
    words = call.words
    force = [word for word in words if word.lower() in {"-f", "/f"}]
    words = [word for word in words if word not in force]
    verb = words[0].lstrip("-/").lower() if words else ""
    if verb in {"encode", "decode"} and len(words) == 3:
        return _certutil_code(call, verb, words[1], words[2], force=bool(force))
    if verb != "hashfile" or len(words) not in (2, 3):
        call.out("CertUtil: This lab only simulates -hashfile, -encode and -decode.\r\n")
        return 0x80070057
    algorithm = (words[2] if len(words) == 3 else "SHA1").upper()
    if algorithm not in _HASHES or algorithm in {"MD2", "MD4"}:
        call.out("CertUtil: -hashfile command FAILED: 0xd00000bb (-805306181)\r\n")
        return 0xD00000BB
    try:
        data = call.machine.disk.read(call.session.path(words[1]), call.session.who)
    except DiskError as error:
        name = {2: "ERROR_FILE_NOT_FOUND", 3: "ERROR_PATH_NOT_FOUND", 5: "ERROR_ACCESS_DENIED"}.get(error.code, "ERROR")
        code = 0x80070000 | error.code
        call.out(f"CertUtil: -hashfile command FAILED: 0x{code:x} (WIN32: {error.code} {name})\r\n")
        call.out(f"CertUtil: {error.message}\r\n")
        return code
    if not data:
        call.out("CertUtil: -hashfile command FAILED: 0x800703ee (WIN32: 1006 ERROR_FILE_INVALID)\r\n")
        call.out("CertUtil: The volume for a file has been externally altered so that the opened file is no ")
        call.out("longer valid.\r\n")
        return 0x800703EE
    digest = hashlib.new(algorithm.lower(), data, usedforsecurity=False).hexdigest()
    call.out(f"{algorithm} hash of {words[1]}:\r\n{digest}\r\n")
    call.out("CertUtil: -hashfile command completed successfully.\r\n")
    return 0


def _certutil_code(call: Call, verb: str, source: str, target: str, *, force: bool) -> int:
    disk = call.machine.disk
    code, name, message = 0, "", ""
    try:
        data = disk.read(call.session.path(source), call.session.who)
        path = call.session.path(target)
        if disk.find(path) is not None and not force:
            code, name, message = 0x80070050, "ERROR_FILE_EXISTS", "The file exists."
        elif verb == "encode":
            text = base64.encodebytes(data).decode("ascii").replace("\n", "\r\n")
            coded = f"-----BEGIN CERTIFICATE-----\r\n{text}-----END CERTIFICATE-----\r\n".encode("ascii")
            disk.write(path, coded, call.machine.now(), call.session.who)
        else:
            lines = [line for line in data.split(b"\n") if not line.startswith(b"-----")]
            plain = base64.b64decode(b"".join(line.strip() for line in lines), validate=True)
            if not plain:
                code, name, message = 0x8007000D, "ERROR_INVALID_DATA", "The data is invalid."
            else:
                disk.write(path, plain, call.machine.now(), call.session.who)
    except DiskError as error:
        code, name, message = 0x80070000 | error.code, "ERROR", error.message
    except ValueError:
        code, name, message = 0x8007000D, "ERROR_INVALID_DATA", "The data is invalid."
    if code:
        call.out(f"{verb.capitalize()}ToFile returned {message} 0x{code:x} (WIN32: {code & 0xFFFF} {name})\r\n")
        call.out(f"CertUtil: -{verb} command FAILED: 0x{code:x} (WIN32: {code & 0xFFFF} {name})\r\n")
        call.out(f"CertUtil: {message}\r\n")
        return code
    call.wrote("file", path)
    call.out(f"CertUtil: -{verb} command completed successfully.\r\n")
    return 0


def icacls(call: Call) -> int:
    """Shows access lists, and sets them: /grant[:r] /deny /remove[:g|:d] /inheritance:e|d|r /reset /t /c /q /l."""
    words = call.words
    if not words:
        return _icacls_parameter(call, "")
    name, changes, quiet, tree = words[0], [], False, False
    position = 1
    while position < len(words):
        word = words[position].lower()
        position += 1
        if word in {"/t", "/c", "/q", "/l"}:
            quiet |= word == "/q"
            tree |= word == "/t"
        elif word in {"/reset", "/inheritance:e", "/inheritance:d", "/inheritance:r"}:
            changes.append((word, ""))
        elif word in {"/grant", "/grant:r", "/deny", "/remove", "/remove:g", "/remove:d", "/setowner"}:
            taken = 0
            while position < len(words) and not words[position].startswith("/"):
                changes.append((word, words[position]))
                position += 1
                taken += 1
            if not taken:
                return _icacls_parameter(call, word)
        else:
            return _icacls_parameter(call, words[position - 1])
    return _icacls(call, name, changes, quiet=quiet, tree=tree)


def _icacls_parameter(call: Call, word: str) -> int:
    call.err(f'Invalid parameter "{word}"\r\n')
    return 87


def _icacls(call: Call, name: str, changes: list[tuple[str, str]], *, quiet: bool, tree: bool) -> int:
    disk = call.machine.disk
    try:
        path = call.session.path(name)
        if disk.find(path) is None:
            raise DiskError(2, "The system cannot find the file specified.")
        targets = [found for found, _node in disk.walk(path)] if tree else [path]
        for target in targets:
            code = _apply(call, target, changes)
            if code:
                return code
    except DiskError as error:
        call.err(f"{name}: {error.message}\r\n")
        call.out("Successfully processed 0 files; Failed processing 1 files\r\n")
        return error.code
    for target in targets:
        if not changes:
            _show(call, name if target == path else target, target)
        elif not quiet:
            call.out(f"processed file: {name if target == path else target}\r\n")
    if changes:
        call.wrote("file", f"access list of {path}")
    if not quiet or not changes:
        call.out(f"Successfully processed {len(targets)} files; Failed processing 0 files\r\n")
    return 0


def _show(call: Call, shown: str, path: str) -> None:
    names = call.machine.account_names
    for number, (entry, inherited) in enumerate(call.machine.disk.entries_shown(path)):
        margin = shown if number == 0 else " " * len(shown)
        call.out(f"{margin} {entry.shown(inherited=inherited, names=names)}\r\n")
    call.out("\r\n")


def _apply(call: Call, path: str, changes: list[tuple[str, str]]) -> int:
    node = call.machine.disk.find(path)
    if node is None or not changes:
        return 0
    if not call.session.who.is_administrator:
        raise DiskError(5, "Access is denied.")
    for word, value in changes:
        if word == "/reset":
            node.access = AccessList()
        elif word == "/inheritance:e":
            node.access.inherits = True
        elif word.startswith("/inheritance"):
            if word.endswith(":d") and node.access.inherits:
                node.access.entries += [entry for entry, own in call.machine.disk.entries_shown(path) if own]
            node.access.inherits = False
        elif word == "/setowner":
            continue
        else:
            code = _change_entry(call, node.access, word, value)
            if code:
                return code
    return 0


def _change_entry(call: Call, access: AccessList, word: str, value: str) -> int:
    who, _mark, rights = value.partition(":")
    sid = sid_of(who, call.machine.account_sids)
    if sid is None:
        call.err(f"{who}: No mapping between account names and security IDs was done.\r\n")
        call.out("Successfully processed 0 files; Failed processing 1 files\r\n")
        return 1332
    if word.startswith("/remove"):
        access.remove(sid)
        return 0
    flags = tuple(re.findall(r"\((OI|CI|IO|NP)\)", rights.upper()))
    letters = re.sub(r"\((?:OI|CI|IO|NP|I)\)", "", rights.upper()).strip("()")
    if not re.fullmatch(r"[A-Z]{1,3}(,[A-Z]{1,3})*", letters):
        return _icacls_parameter(call, value)
    access.grant(Entry(sid, letters, flags, denied=word == "/deny"), replace=word == "/grant:r")
    return 0


def where(call: Call) -> int:
    """Where a program is."""
    code = 1
    for name in call.words:
        path = call.machine.program_path(name)
        if path is None:
            call.err("INFO: Could not find files for the given pattern(s).\r\n")
        else:
            call.out(f"{path}\r\n")
            code = 0
    return code

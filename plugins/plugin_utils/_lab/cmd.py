# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cmd.exe: runs the tree that ``cmd_parser`` reads."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import cmd_parser
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arguments import first_word
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cmd_parser import (
    Chain,
    Condition,
    Group,
    Node,
    Pipeline,
    Redirect,
    Simple,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import (
    Collected,
    Input,
    Program,
    Sink,
    Streams,
    Wait,
    disk_message,
    open_sink,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Body, Call, Session

# Commands of cmd.exe whose name may be followed directly by something that is no blank: echo. cd\ dir/b
_GLUED = (
    "echo",
    "cd",
    "chdir",
    "md",
    "mkdir",
    "rd",
    "rmdir",
    "dir",
    "type",
    "del",
    "erase",
    "exit",
    "set",
    "copy",
    "move",
    "ver",
)
NOT_RECOGNIZED = "'{0}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"


class ShellExit(Exception):
    """EXIT: the shell ends with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class CommandShell:
    """One cmd.exe.

    :param builtins: its own commands by name.
    """

    def __init__(self, session: Session, builtins: Mapping[str, Body]) -> None:
        self.session = session
        self._builtins = builtins

    def run_line(self, line: str, streams: Streams) -> Program:
        """Run one line; the generator's value is the exit code."""
        session = self.session
        if len(line) > cmd_parser.MAX_COMMAND_LINE:
            streams.stderr.write(session.encode("The command line is too long.\r\n"))
            return 1
        try:
            node = cmd_parser.parse(cmd_parser.expand(line, self.lookup))
        except cmd_parser.CommandSyntaxError as error:
            streams.stderr.write(session.encode(f"{error}\r\n" if str(error) else ""))
            return 255 if not str(error) else 1
        if node is None:
            return session.errorlevel
        try:
            code = yield from self._run(node, streams)
        except ShellExit as ended:
            return ended.code
        return code

    def lookup(self, name: str) -> str | None:
        """The value of a variable."""
        session = self.session
        now = session.machine.now()
        special = {
            "CD": lambda: session.directory,
            "ERRORLEVEL": lambda: str(_signed(session.errorlevel)),
            "DATE": lambda: f"{now:%a %m/%d/%Y}",
            "TIME": lambda: f"{now.hour:2d}:{now:%M:%S}.{now.microsecond // 10000:02d}",
            "RANDOM": lambda: str(session.machine.random.randrange(32768)),
            "CMDEXTVERSION": lambda: "2",
        }
        return cmd_parser.environment_lookup(session.environment, special)(name)

    def _run(self, node: Node, streams: Streams) -> Program:
        if isinstance(node, Simple):
            return (yield from self._simple(node, streams))
        if isinstance(node, Group):
            return (yield from self._redirected(node.redirects, streams, node))
        if isinstance(node, Chain):
            return (yield from self._chain(node, streams))
        if isinstance(node, Pipeline):
            return (yield from self._pipeline(node, streams))
        branch = node.then if self._holds(node) else node.otherwise
        return 0 if branch is None else (yield from self._run(branch, streams))

    def _chain(self, node: Chain, streams: Streams) -> Program:
        code = yield from self._run(node.left, streams)
        if node.right is None or (node.mark == "&&" and code != 0) or (node.mark == "||" and code == 0):
            return code
        return (yield from self._run(node.right, streams))

    def _pipeline(self, node: Pipeline, streams: Streams) -> Program:
        """One after the other, each in a shell of its own, as cmd starts one for each side."""
        source = streams.stdin
        code = 0
        for number, part in enumerate(node.parts):
            last = number == len(node.parts) - 1
            collected = Collected()
            own = Streams(source, streams.stdout if last else collected, streams.stderr)
            shell = CommandShell(self.session.copy(), self._builtins)
            try:
                code = yield from shell._run(part, own)
            except ShellExit as ended:
                code = ended.code
            source = Input(collected.data)
        self.session.errorlevel = code
        return code

    def _redirected(self, redirects: list[Redirect], streams: Streams, node: Group | Simple) -> Program:
        session = self.session
        opened: list[Sink] = []
        sinks: dict[int, Sink] = {1: streams.stdout, 2: streams.stderr}
        source = streams.stdin
        try:
            for item in redirects:
                if item.mode == "&":
                    sinks[item.handle] = sinks.get(int(item.target), streams.stdout)
                elif item.mode == "<":
                    source = self._input(item.target)
                else:
                    sink = open_sink(
                        session.machine, item.target, session.directory, session.who, append=item.mode == ">>"
                    )
                    opened.append(sink)
                    sinks[item.handle] = sink
        except DiskError as error:
            streams.stderr.write(session.encode(disk_message(error)))
            session.errorlevel = 1
            return 1
        inner = Streams(source, sinks[1], sinks[2])
        if isinstance(node, Simple):
            code = yield from self._command(node.text, inner)
        else:
            code = 0 if node.body is None else (yield from self._run(node.body, inner))
        return self._closed(opened, streams, code)

    def _closed(self, opened: list[Sink], streams: Streams, code: int) -> int:
        for sink in opened:
            try:
                sink.close()
            except DiskError as error:
                streams.stderr.write(self.session.encode(disk_message(error)))
                self.session.errorlevel = code = 1
        return code

    def _input(self, target: str) -> Input:
        if target.strip('"').lower() == "nul":
            return Input()
        return Input(self.session.machine.disk.read(self.session.path(target), self.session.who))

    def _simple(self, node: Simple, streams: Streams) -> Program:
        return (yield from self._redirected(node.redirects, streams, node))

    def _command(self, text: str, streams: Streams) -> Program:
        session = self.session
        if session.delayed:
            text = cmd_parser.expand_delayed(text, self.lookup)
        plain = text.lstrip(" \t,;=")
        if not plain.strip():
            return 0
        name, tail = self._split(plain)
        builtin = self._builtins.get(name.lower())
        if builtin is not None:
            return (yield from finished(builtin(Call(session, name, tail, streams))))
        body = session.machine.find_program(name, session)
        if body is None:
            streams.stderr.write(session.encode(NOT_RECOGNIZED.format(name)))
            session.errorlevel = 9009
            return 1
        code = yield from finished(body(Call(session, name, tail, streams)))
        session.errorlevel = code
        return code

    def _split(self, plain: str) -> tuple[str, str]:
        lower = plain.lower()
        for name in _GLUED:
            follow = lower[len(name) : len(name) + 1]
            if lower.startswith(name) and follow and follow in '.:\\/([+]"':
                return name, plain[len(name) :]
        return first_word(plain)

    def _holds(self, node: Condition) -> bool:
        return self._plain_condition(node) is not node.negated

    def _plain_condition(self, node: Condition) -> bool:
        if node.kind == "exist":
            return self._exists(node.left)
        if node.kind == "errorlevel":
            return _signed(self.session.errorlevel) >= int(node.left) if _is_number(node.left) else False
        if node.kind == "defined":
            return self.lookup(node.left) is not None
        left, right = node.left, node.right
        if self.session.delayed:
            left = cmd_parser.expand_delayed(left, self.lookup)
            right = cmd_parser.expand_delayed(right, self.lookup)
        return _compared(node.kind, left, right, ignore_case=node.ignore_case)

    def _exists(self, text: str) -> bool:
        disk = self.session.machine.disk
        try:
            if "*" in text or "?" in text:
                return bool(matching(self.session, text))
            found = disk.find(self.session.path(text))
        except DiskError:
            return False
        return found is not None and (found.is_folder or not text.strip('"').endswith("\\"))


def finished(result: int | Program) -> Generator[Wait, None, int]:
    """The exit code of a program that ended at once or has to be waited for."""
    return result if isinstance(result, int) else (yield from result)


def matching(session: Session, pattern: str) -> list[tuple[str, str]]:
    """Full path and name of what a pattern such as ``C:\\logs\\*.json`` names; raises DiskError for a bad path."""
    plain = pattern.strip('"').replace("/", "\\")
    folder, _mark, last = plain.rpartition("\\")
    where = session.path(folder + "\\" if folder.endswith(":") else folder or ".")
    node = session.machine.disk.find(where)
    if node is None or not node.is_folder:
        return []
    names = sorted((item.name for item in node.below.values()), key=str.lower)
    return [(f"{where.rstrip(chr(92))}\\{name}", name) for name in names if like_file(name, last)]


def like_file(name: str, pattern: str) -> bool:
    """Whether a file name fits a pattern with ``*`` and ``?``."""
    parts = ["." if char == "?" else ".*" if char == "*" else re.escape(char) for char in pattern]
    expression = "".join(parts)
    if expression == r".*\..*":
        expression = ".*"
    return re.fullmatch(expression, name, re.IGNORECASE) is not None


def _compared(kind: str, left: str, right: str, *, ignore_case: bool) -> bool:
    if kind == "==":
        return left.lower() == right.lower() if ignore_case else left == right
    if _is_number(left) and _is_number(right):
        difference = int(left, 0) - int(right, 0)
    else:
        one, two = (left.lower(), right.lower()) if ignore_case else (left, right)
        difference = (one > two) - (one < two)
    return {
        "equ": difference == 0,
        "neq": difference != 0,
        "lss": difference < 0,
        "leq": difference <= 0,
        "gtr": difference > 0,
        "geq": difference >= 0,
    }[kind]


def _is_number(text: str) -> bool:
    plain = text.removeprefix("-")
    return plain.isascii() and plain.isdigit()


def _signed(code: int) -> int:
    return code - 0x1_0000_0000 if code >= 0x8000_0000 else code

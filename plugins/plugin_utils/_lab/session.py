# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command sees of its surroundings, and how the text of a program becomes bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arguments import split_arguments
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import normal
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.principals import Principal
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Program, Streams

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

# The code pages a shell may ask for; anything else is played as the OEM page.
_ENCODINGS = {65001: "utf-8", 1252: "cp1252", 850: "cp850", 437: "cp437", 1200: "utf-16-le"}


@dataclass
class Session:
    """The state that cmd.exe keeps between commands; ``environment`` has its names in capitals."""

    machine: Machine
    who: Principal
    environment: dict[str, str]
    directory: str
    codepage: int = 437
    errorlevel: int = 0
    delayed: bool = False

    def copy(self) -> Session:
        """What a command in a pipe or a nested cmd.exe starts with."""
        return Session(
            self.machine,
            self.who,
            dict(self.environment),
            self.directory,
            self.codepage,
            self.errorlevel,
            self.delayed,
        )

    def path(self, text: str) -> str:
        """A full path; raises DiskError."""
        return normal(text, self.directory)

    def encode(self, text: str) -> bytes:
        """Text in the code page of the session; what it cannot show becomes a question mark."""
        return text.encode(_ENCODINGS.get(self.codepage, "cp437"), errors="replace")

    def decode(self, data: bytes) -> str:
        """The other way round."""
        return data.decode(_ENCODINGS.get(self.codepage, "cp437"), errors="replace")


@dataclass
class Call:
    """One start of a program: its session, the text behind its name, and its streams."""

    session: Session
    name: str
    tail: str
    streams: Streams

    @property
    def machine(self) -> Machine:
        """The server."""
        return self.session.machine

    @property
    def words(self) -> list[str]:
        """The arguments."""
        return split_arguments(self.tail)

    def out(self, text: str) -> None:
        """Write to standard output."""
        self.streams.stdout.write(self.session.encode(text))

    def err(self, text: str) -> None:
        """Write to standard error."""
        self.streams.stderr.write(self.session.encode(text))

    def wrote(self, kind: str, what: str) -> None:
        """Note a change that this program made."""
        self.machine.wrote(kind, what, self.session.who.name)


# A program either ends at once with its exit code, or is a generator that waits.
Body = Callable[[Call], Union[int, Program]]  # noqa: UP007 - pylint takes "|" for an operation here


def switches(words: list[str], known: Mapping[str, bool]) -> tuple[dict[str, str], list[str]] | None:
    """The options of a Windows program by name (``/t 5`` and ``/t:5``), and the other words; None for an unknown one.

    ``known`` tells for each option, in lower case and without its slash, whether a value follows.
    """
    found: dict[str, str] = {}
    others: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith(("/", "-")) or len(word) < 2:
            others.append(word)
            continue
        name, _mark, value = word[1:].partition(":")
        if name.lower() not in known:
            return None
        if known[name.lower()] and not value:
            if position >= len(words):
                return None
            value = words[position]
            position += 1
        found[name.lower()] = value
    return found, others

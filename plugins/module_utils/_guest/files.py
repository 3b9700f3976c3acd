# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The collection's folder on a server and the files in it, through the cmd shell: no PowerShell, no share.

``%ProgramFiles%\\winops.hotpatch`` because ordinary users cannot create anything beside it; its access list lets in
SYSTEM and Administrators alone, by their SIDs since their names are translated. Only ASCII text is written: under code
page 65001 non-ASCII input is broken by Windows (measured on Server 2008 R2 and 2022).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, HotpatchError, InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ShellPort
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import StepAnswer, new_token, run_steps
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.quoting import cmd_quote

#: Its name below %ProgramFiles%.
FOLDER_NAME = "winops.hotpatch"

#: Where a lab or a very unusual server may keep its programs; nothing else is taken from a server as a path.
_ROOT = re.compile(r"[A-Za-z]:\\[A-Za-z0-9 ._()-]{1,100}")

_RUN_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,64}")
_HASH = re.compile(r"(?im)^[ \t]*((?:[0-9a-f]{2} ?){32})[ \t]*$")

#: Nothing inherited, full control for SYSTEM and Administrators, passed on to what is inside.
_ACCESS = "/inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F /q"

#: Lines longer than this are cut by findstr (8191) or by old cmd shells.
_MAX_LINE = 1000


def checked_run_id(run_id: str) -> str:
    """The run id, when it can be the name of a folder.

    :raises InvalidInput: empty, too long, ending in a dot, or with other characters than letters, digits, ``.``, ``_``
        and ``-``.
    """
    if not _RUN_ID.fullmatch(run_id) or run_id.endswith("."):
        raise InvalidInput(
            f"The run id {run_id!r} cannot be used.",
            hint="Use 1 to 64 of the characters A-Z a-z 0-9 . _ - and no dot at the end.",
        )
    return run_id


class GuestFiles:
    """Files below the collection's folder, in one open shell.

    :param server: what errors call the server.
    :param roots: the folders of programs and of Windows, when an earlier shell has found them out.
    """

    def __init__(
        self,
        shell: ShellPort,
        server: str,
        *,
        roots: tuple[str, str] | None = None,
        token: Callable[[], str] = new_token,
    ) -> None:
        self._shell = shell
        self._server = server
        self._token = token
        self._roots = roots

    @property
    def server(self) -> str:
        """What errors call the server."""
        return self._server

    @property
    def roots(self) -> tuple[str, str]:
        """%ProgramFiles% and %SystemRoot% as this server has them; asked once.

        :raises BadAnswer: the server names no usable folder.
        """
        if self._roots is None:
            answers = self.ask({"programs": "echo %ProgramFiles%", "windows": "echo %SystemRoot%"})
            programs, windows = answers["programs"].text.strip(), answers["windows"].text.strip()
            for root in (programs, windows):
                if not _ROOT.fullmatch(root):
                    raise BadAnswer(
                        f"{self._server}: %ProgramFiles% or %SystemRoot% is not a plain folder: {root[:80]!r}.",
                        hint="Check the environment of the account on this server.",
                        server=self._server,
                    )
            self._roots = (programs, windows)
        return self._roots

    @property
    def windows(self) -> str:
        """The folder of Windows."""
        return self.roots[1]

    @property
    def folder(self) -> str:
        """The collection's folder."""
        return rf"{self.roots[0]}\{FOLDER_NAME}"

    def path(self, *names: str) -> str:
        """A path below the folder."""
        return "\\".join((self.folder, *names))

    def ask(
        self, steps: Mapping[str, str], *, stdin: bytes | None = None, timeout: float = 60
    ) -> dict[str, StepAnswer]:
        """Run steps in the shell (see steps.py); their paths must have come through ``cmd_quote``."""
        return run_steps(self._shell, steps, server=self._server, stdin=stdin, timeout=timeout, token=self._token)

    def ensure_folder(self, name: str, *, below: str | None = "runs") -> str:
        """Make a folder, let only SYSTEM and Administrators in, and return its path.

        :param below: the folder that holds it: that of the runs, or None for the collection's folder itself.
        :raises HotpatchError: it cannot be made or protected.
        """
        parent = self.folder if below is None else self.path(below)
        path = f"{parent}\\{name}"
        answers = self.ask(
            {
                "made": f"mkdir {cmd_quote(path)} 2>nul",
                "guard": f"icacls {cmd_quote(self.folder)} {_ACCESS}",
                "there": f"dir /b /ad {cmd_quote(parent)} 2>nul",
            }
        )
        # mkdir fails on a folder that is there already, and dir on an empty one: its parent must list it.
        there = name.lower() in {line.strip().lower() for line in answers["there"].text.split("\n")}
        for good, what in ((answers["guard"].ok, "protected"), (there, "made")):
            if not good:
                raise HotpatchError(
                    f"{self._server}: the folder {path} could not be {what}.",
                    code="folder",
                    hint="The account must be an administrator of the server with a full token.",
                    server=self._server,
                )
        return path

    def write_text(self, path: str, text: str, *, also: Mapping[str, str] | None = None) -> dict[str, StepAnswer]:
        """Write an ASCII file, whole or not at all: under another name first, then moved into place.

        :param also: further steps for the same command line, run after the file stands.
        :return: the answers of those steps.
        :raises HotpatchError: it was not written.
        """
        if not text.isascii() or any(len(line) > _MAX_LINE for line in text.splitlines()):
            raise InvalidInput(
                f"{self._server}: the text for {path} is not ASCII or has a line over {_MAX_LINE} characters."
            )
        data = "\r\n".join([*text.splitlines(), ""]).encode("ascii")
        temporary = cmd_quote(f"{path}.tmp")
        write = f'findstr "^" > {temporary} && move /y {temporary} {cmd_quote(path)} >nul'
        answers = self.ask({"write": write, **(also or {})}, stdin=data)
        if not answers["write"].ok:
            raise HotpatchError(
                f"{self._server}: the file {path} could not be written.",
                code="file",
                hint="Check the free space of the system drive, and whether a security product guards the folder.",
                server=self._server,
            )
        return answers

    def read_text(self, path: str) -> str | None:
        """The text of a file; None when it cannot be read or is not there."""
        return self.read_texts({"file": path})["file"]

    def read_texts(self, paths: Mapping[str, str], *, also: Mapping[str, str] | None = None) -> dict[str, str | None]:
        """The texts of files by step name and the output of further steps, in one command; None what failed."""
        steps = {name: f"type {cmd_quote(path)} 2>nul" for name, path in paths.items()}
        answers = self.ask({**steps, **(also or {})})
        return {name: answer.text if answer.ok else None for name, answer in answers.items()}

    @staticmethod
    def hash_step(path: str) -> str:
        """The step that prints a file's SHA-256; read its text with :func:`read_hash`."""
        return f"certutil -hashfile {cmd_quote(path)} SHA256 2>nul"

    @staticmethod
    def list_step(path: str) -> str:
        """The step that prints the folders in a folder, newest first."""
        return f"dir /b /ad /o-d {cmd_quote(path)} 2>nul"

    def delete_runs(self, listing: str, keep: int, spare: Collection[str]) -> list[str]:
        """Delete the folders of old runs.

        :param listing: what :meth:`list_step` printed, newest first. Names that cannot be run ids are not ours.
        :param keep: how many of the newest stay.
        :param spare: run ids that stay whatever their age.
        :return: the run ids whose deletion was asked for; that it fails is of no consequence.
        """
        ours = [
            name for line in listing.split("\n") if _RUN_ID.fullmatch(name := line.strip()) and not name.endswith(".")
        ]
        # A long backlog goes in several runs: a command line has its limit.
        old = [name for name in ours[keep:] if name not in spare][:20]
        if old:
            self.ask(
                {
                    f"old{number}": f"rmdir /s /q {cmd_quote(self.path('runs', name))} 2>nul"
                    for number, name in enumerate(old)
                }
            )
        return old


def read_hash(text: str | None) -> str | None:
    """The SHA-256 that ``certutil -hashfile`` printed: the line of 64 hexadecimal digits, in pairs on older versions.

    Its other lines are translated and are not looked at.
    """
    found = _HASH.search(text or "")
    return found[1].replace(" ", "").lower() if found else None

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Several small commands in one command line of the cmd shell, and their answers told apart again.

One command costs three or more HTTP requests, so what belongs together is asked together. Each step's output stands
between markers that carry a random token, which nothing that was on the server before can imitate. Only plain commands
are allowed as steps (no ``if``, no blocks): whether a step worked is told by ``&&`` and ``||``, never by its words,
which Windows translates.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ShellPort

#: cmd.exe takes at most 8191 characters (Microsoft KB 830473); some are kept for how the service calls it.
MAX_COMMAND = 8000


@dataclass(frozen=True)
class StepAnswer:
    """What one step wrote on its standard output, and whether it ended with exit code 0."""

    ok: bool
    text: str


def new_token() -> str:
    """Eight random hexadecimal digits."""
    return secrets.token_hex(4)


def command_line(steps: Mapping[str, str], token: str) -> str:
    """The one command line that runs all steps in order, each whatever the others did.

    It begins with ``echo``: cmd.exe strips quotes from a command line that begins with one.
    """
    line = "& ".join(
        f"echo @{token} {name}& {command} && echo @{token} ok|| echo @{token} failed" for name, command in steps.items()
    )
    if len(line) > MAX_COMMAND:
        raise ValueError(f"the command line of {', '.join(steps)} has {len(line)} characters")
    return line


def read_answers(names: Sequence[str], token: str, output: bytes, server: str) -> dict[str, StepAnswer]:
    """The answer of each step.

    :raises BadAnswer: when a marker is missing or out of order, which means that the output is not whole.
    """
    text = output.decode("utf-8", "replace").replace("\r\n", "\n")
    parts = re.split(f"@{re.escape(token)} ([a-z0-9_]+)[ \t]*\n", text if text.endswith("\n") else text + "\n")
    answers: dict[str, StepAnswer] = {}
    words = parts[1::2]
    expected = [item for name in names for item in (name, None)]
    if len(words) != len(expected) or any(want not in (None, word) for want, word in zip(expected, words, strict=True)):
        raise BadAnswer(
            f"{server}: the output of a command is not whole: {len(words)} of {len(expected)} markers arrived.",
            server=server,
        )
    for index, name in enumerate(names):
        outcome = words[index * 2 + 1]
        if outcome not in ("ok", "failed"):
            raise BadAnswer(f"{server}: the output of a command is out of order at {name}.", server=server)
        answers[name] = StepAnswer(outcome == "ok", parts[index * 4 + 2].strip("\n"))
    return answers


def run_steps(
    shell: ShellPort,
    steps: Mapping[str, str],
    *,
    server: str,
    stdin: bytes | None = None,
    timeout: float = 60,
    token: Callable[[], str] = new_token,
) -> dict[str, StepAnswer]:
    """Run the steps in an open shell and return the answer of each.

    :param stdin: input; only the first step that reads gets it.
    :raises BadAnswer: the output cannot be told apart.
    """
    mark = token()
    answer = shell.run(command_line(steps, mark), stdin=stdin, timeout=timeout)
    return read_answers(list(steps), mark, answer.stdout, server)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What this layer needs of a client, so that its parts can be tried without a network.

``_wsman.client.WsmanClient`` fits these shapes; a type checker holds it to them where a server object is made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.traffic import Traffic
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import CimInput, Instance


class ShellAnswer(Protocol):
    """How a command ended."""

    @property
    def exit_code(self) -> int:
        """The exit code, 32 bit unsigned."""

    @property
    def stdout(self) -> bytes:
        """Standard output, whole."""

    @property
    def stderr(self) -> bytes:
        """Standard error, whole."""


class ShellPort(Protocol):
    """An open cmd shell."""

    def run(
        self,
        command: str,
        args: Sequence[str] = (),
        *,
        stdin: bytes | None = None,
        timeout: float = 60,
        max_output: int = 4194304,
    ) -> ShellAnswer:
        """Run one command line through cmd.exe and wait for its end."""


class ClientPort(Protocol):
    """A connection to one server."""

    @property
    def traffic(self) -> Traffic:
        """Running totals of what was sent and received."""

    def enumerate(
        self,
        namespace: str,
        wql: str,
        *,
        arrays: Collection[str] = (),
        max_elements: int = 1000,
        limit: int | None = None,
    ) -> Iterator[Instance]:
        """The rows of a WQL query."""

    def get(
        self,
        namespace: str,
        class_name: str,
        selectors: Mapping[str, CimInput] | None = None,
        *,
        arrays: Collection[str] = (),
    ) -> Instance:
        """One instance by its keys."""

    def invoke(
        self,
        namespace: str,
        class_name: str,
        method: str,
        params: Mapping[str, CimInput] | None = None,
        *,
        selectors: Mapping[str, CimInput] | None = None,
        arrays: Collection[str] = (),
        repeatable: bool = False,
    ) -> Instance:
        """Call a method; the answer holds ReturnValue and the out parameters."""

    def delete(self, namespace: str, class_name: str, selectors: Mapping[str, CimInput]) -> None:
        """Delete one instance."""

    def shell(self) -> AbstractContextManager[ShellPort]:
        """A cmd shell, deleted on exit."""

    def close(self) -> None:
        """Drop the connection."""


Connect = Callable[[], ClientPort]

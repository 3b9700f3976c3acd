# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""One connection and one cmd shell that several steps of one task share, made anew after the connection was lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from ansible_collections.winops.hotpatch.plugins.module_utils._guest.files import GuestFiles
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort, Connect, ShellPort
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import new_token


class OpenShell:
    """``with OpenShell(...) as opened:``; nothing is sent before something is asked of it.

    :param server: what errors call the server.
    :param sleep: waits between two attempts.
    """

    def __init__(
        self,
        connect: Connect,
        server: str,
        *,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        token: Callable[[], str] = new_token,
    ) -> None:
        self._connect = connect
        self.server = server
        self.sleep = sleep
        self.clock = clock
        self.token = token
        self._stack = ExitStack()
        self._client: ClientPort | None = None
        self._shell: ShellPort | None = None
        self._roots: tuple[str, str] | None = None

    def __enter__(self) -> OpenShell:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.drop()

    @property
    def client(self) -> ClientPort:
        """The connection."""
        if self._client is None:
            self._client = self._connect()
            self._stack.callback(self._client.close)
        return self._client

    @property
    def shell(self) -> ShellPort:
        """The shell."""
        if self._shell is None:
            self._shell = self._stack.enter_context(self.client.shell())
        return self._shell

    @property
    def files(self) -> GuestFiles:
        """The collection's files, through this shell."""
        files = GuestFiles(self.shell, self.server, roots=self._roots, token=self.token)
        self._roots = files.roots
        return files

    def drop(self) -> None:
        """Give connection and shell up; the next use makes new ones."""
        stack, self._stack = self._stack, ExitStack()
        self._client = self._shell = None
        stack.close()

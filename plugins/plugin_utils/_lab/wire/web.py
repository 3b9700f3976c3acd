# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web site of one server on a loopback port, which is closed while the site does not run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import LabMachine, LabWebSite, Record
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.http import (
    HttpConnection,
    HttpRequest,
    HttpResponse,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.listener import bound_socket


class WebListener:
    """Serves the site of one machine."""

    def __init__(self, machine: LabMachine, site: LabWebSite, advance: Callable[[], None]) -> None:
        self._machine = machine
        self._site = site
        self._advance = advance
        self._socket = bound_socket()
        self.port: int = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def follow(self) -> None:
        """Open or close the port as the site wants."""
        if self._site.open and self._server is None:
            self._server = await asyncio.start_server(self._accept, sock=self._socket)
        elif not self._site.open and self._server is not None:
            self._drop_connections()
            self._server.close()
            self._server = None
            self._socket = bound_socket(self.port)

    def stop(self) -> None:
        """Close the port and all connections for good."""
        self._drop_connections()
        if self._server is not None:
            self._server.close()
        else:
            self._socket.close()

    def _drop_connections(self) -> None:
        for writer in list(self._connections):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        connection = HttpConnection(reader, writer)
        try:
            while (request := await connection.next_request()) is not None:
                self._advance()
                if not self._site.open:
                    writer.transport.abort()
                    break
                if not await connection.send(self._respond(request)):
                    break
        except OSError:
            writer.transport.abort()
        finally:
            self._connections.discard(writer)
            with suppress(OSError):
                writer.close()

    def _respond(self, request: HttpRequest) -> HttpResponse:
        if request.failure:
            return HttpResponse(request.failure, close=True)
        answer = self._site.answer(request.method, request.path, request.header("authorization"))
        body = answer.text.encode()
        self._machine.record(
            Record(
                time=datetime.now(UTC),
                method=f"Web:{request.method}",
                target=request.path,
                user=None,
                status=answer.status,
                bytes_in=len(request.body),
                bytes_out=len(body),
            )
        )
        return HttpResponse(answer.status, body, "text/html" if body else "", answer.headers)

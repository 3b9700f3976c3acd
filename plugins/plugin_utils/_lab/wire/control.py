# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control address over HTTP: the lab's truth for tests and people. What it answers is the world half's business."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from urllib.parse import parse_qsl, unquote, urlsplit

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import LabWorld
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.http import (
    HttpConnection,
    HttpRequest,
    HttpResponse,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.listener import bound_socket


class ControlServer:
    """Serves ``world.control`` on a loopback port.

    :ivar stopped: set when somebody asked the lab to end.
    """

    def __init__(self, world: LabWorld) -> None:
        self._world = world
        self._socket = bound_socket()
        self.port: int = self._socket.getsockname()[1]
        self.stopped = asyncio.Event()
        self.moved = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Begin to accept connections."""
        self._server = await asyncio.start_server(self._accept, sock=self._socket)

    def stop(self) -> None:
        """Close the port and all connections."""
        for writer in list(self._connections):
            writer.transport.abort()
        if self._server is not None:
            self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        connection = HttpConnection(reader, writer)
        try:
            while (request := await connection.next_request()) is not None:
                response, ends = self._respond(request)
                goes_on = await connection.send(response)
                if ends:
                    self.stopped.set()
                if not goes_on:
                    break
        except OSError:
            writer.transport.abort()
        finally:
            self._connections.discard(writer)
            with suppress(OSError):
                writer.close()

    def _respond(self, request: HttpRequest) -> tuple[HttpResponse, bool]:
        if request.failure:
            return HttpResponse(request.failure, close=True), False
        if request.header("origin") is not None:  # a page in somebody's browser has no business here
            return _json(403, {"error": "requests from web pages are refused"}), False
        parts = urlsplit(request.target)
        body: object = None
        if request.method == "POST" and request.body.strip():
            try:
                body = json.loads(request.body)
            except ValueError:
                return _json(400, {"error": "the body is not JSON"}), False
        self._world.advance()
        answer = self._world.control(request.method, unquote(parts.path), dict(parse_qsl(parts.query)), body)
        self.moved.set()
        headers = tuple(answer.headers.items())
        return _json(answer.status, answer.document, headers), answer.stop


def _json(status: int, document: object, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    return HttpResponse(status, json.dumps(document, indent=1).encode() + b"\n", "application/json", headers)

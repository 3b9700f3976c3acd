# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ARM's endpoint on loopback: HTTP for requests, HTTPS for requests and logins, over one and the same Azure.

Azure is only ever spoken to over TLS; plain HTTP is there for those who want to see what is sent. Logins are offered on
the HTTPS port alone, as azure-identity wants them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLContext, SSLError
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    CONTENT_TYPE,
    ArmAnswer,
    ArmRequest,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.http import (
    HttpConnection,
    HttpRequest,
    HttpResponse,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.listener import bound_socket


class ArmServer:
    """Puts one Azure on two loopback ports.

    :ivar moved: called after each request, because it may have changed what is due next.
    """

    def __init__(self, azure: Azure, tls: SSLContext) -> None:
        self.azure = azure
        self._tls = tls
        self._sockets = {"http": bound_socket(), "https": bound_socket()}
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.StreamWriter] = set()
        self.moved: Callable[[], None] = lambda: None
        azure.listens_at(self.addresses["https"])

    @property
    def addresses(self) -> dict[str, str]:
        """By scheme."""
        return {scheme: f"{scheme}://127.0.0.1:{sock.getsockname()[1]}" for scheme, sock in self._sockets.items()}

    async def start(self) -> None:
        """Begin to accept connections."""
        addresses = self.addresses
        for scheme, sock in self._sockets.items():

            async def accept(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, origin: str = addresses[scheme]
            ) -> None:
                await self._accept(reader, writer, origin)

            tls = self._tls if scheme == "https" else None
            self._servers.append(await asyncio.start_server(accept, sock=sock, ssl=tls, backlog=256))

    def stop(self) -> None:
        """Close the ports and all connections."""
        for writer in list(self._connections):
            writer.transport.abort()
        for server in self._servers:
            server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, origin: str) -> None:
        self._connections.add(writer)
        connection = HttpConnection(reader, writer)
        try:
            while (request := await connection.next_request()) is not None:
                answer = self._answer(request, origin)
                self.moved()
                if answer.delay:
                    await asyncio.sleep(answer.delay)
                if answer.lost:
                    writer.transport.abort()
                    return
                if not await connection.send(_response(answer)):
                    return
        except (OSError, SSLError, EOFError):
            writer.transport.abort()
        finally:
            self._connections.discard(writer)
            with suppress(OSError, SSLError):
                writer.close()

    def _answer(self, request: HttpRequest, origin: str) -> ArmAnswer:
        if request.failure:
            return ArmAnswer(request.failure)
        headers = {name.lower(): text for name, text in request.headers}
        if "origin" in headers:  # a page in somebody's browser has no business here
            return ArmAnswer(403, {"error": {"code": "Forbidden", "message": "Requests from web pages are refused."}})
        parts = urlsplit(request.target)
        body: Any = None
        if request.body.strip():
            if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
                body = dict(parse_qsl(request.body.decode("utf-8", "replace")))
            else:
                try:
                    body = json.loads(request.body)
                except ValueError:
                    words = "The request content was invalid and could not be deserialized."
                    return ArmAnswer(400, {"error": {"code": "InvalidRequestContent", "message": words}})
        self.azure.timeline.advance()
        return self.azure.answer(
            ArmRequest(request.method, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body, origin)
        )


def _response(answer: ArmAnswer) -> HttpResponse:
    body = b"" if answer.document is None else json.dumps(answer.document).encode()
    return HttpResponse(answer.status, body, CONTENT_TYPE if body else "", tuple(answer.headers.items()))

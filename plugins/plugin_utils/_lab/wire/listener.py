# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One WinRM listener: logins, sealing, HTTP statuses and the network states of one server on one port."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from ssl import SSLContext, SSLError

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import LabMachine, Record
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire import names
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.auth import (
    SEALED_TYPE,
    AccountFile,
    Login,
    NotSealed,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.http import (
    HttpConnection,
    HttpRequest,
    HttpResponse,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.service import Reply, Service
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.shell import Caller

PATHS = ("/wsman", "/wsman-anon/identify")
_GARBAGE = b"\x00\x17\xfe\xff220 this is not the service you look for\r\n\x00\x00\x80"
_BACKLOG = 128
# A closed listener keeps its port by a socket that is bound and does not listen: connecting to it is refused.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def bound_socket(port: int = 0) -> socket.socket:
    """A TCP socket on loopback that holds its port and refuses connections until it listens."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", port))
    return sock


class Listener:
    """The WinRM listener of one machine on one port.

    :param tls: the TLS settings of an HTTPS listener, None for HTTP.
    :param moved: called after each request, because it may have changed what is due next.
    """

    def __init__(
        self,
        service: Service,
        accounts: AccountFile,
        advance: Callable[[], None],
        moved: Callable[[], None],
        tls: SSLContext | None = None,
    ) -> None:
        self._service = service
        self._accounts = accounts
        self._advance = advance
        self._moved = moved
        self._tls = tls
        self._socket = bound_socket()
        self.port: int = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def _machine(self) -> LabMachine:
        return self._service.machine

    async def follow(self, *, restarted: bool) -> None:
        """Open or close the port as the machine's network state wants; drop what a restart has cut."""
        closed = self._machine.network == "closed"
        if restarted or closed:
            self._drop_connections()
        if closed and self._server is not None:
            self._server.close()
            self._server = None
            self._socket = bound_socket(self.port)
        elif not closed and self._server is None:
            self._server = await asyncio.start_server(self._accept, sock=self._socket, ssl=self._tls, backlog=_BACKLOG)

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

    # -- connections -------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            await self._talk(reader, writer)
        except (OSError, SSLError, EOFError):
            writer.transport.abort()
        finally:
            self._connections.discard(writer)
            with suppress(OSError, SSLError):
                writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._advance()
        login = Login(self._machine.accounts, self._machine.limits, self._accounts, secure=self._tls is not None)
        connection = HttpConnection(reader, writer)
        if not await self._lets_talk(reader, writer):
            return
        client_ip = str(writer.get_extra_info("peername", ("127.0.0.1", 0))[0])

        def is_gone() -> bool:
            return reader.at_eof() or writer.is_closing()

        stranger = Caller(None, client_ip, is_gone)
        boot_id = self._machine.boot_id
        while (request := await connection.next_request()) is not None:
            self._advance()
            if self._machine.boot_id != boot_id or not await self._lets_talk(reader, writer):
                return
            response = await self._respond(request, login, stranger)
            self._moved()
            # A server that went down meanwhile answers nothing more.
            if self._machine.boot_id != boot_id or self._machine.network == "closed":
                writer.transport.abort()
                return
            cut = self._machine.network == "half_answer" and bool(response.body)
            if not await connection.send(response, cut=cut) or response.close:
                return

    async def _lets_talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Play the network states that never lead to an answer."""
        match self._machine.network:
            case "silent":
                while await reader.read(65536):
                    pass
                return False
            case "garbage":
                await reader.read(65536)  # what is not read would turn the answer into a reset
                writer.write(_GARBAGE)
                await writer.drain()
                return False
            case "reset":
                sock = writer.get_extra_info("socket")
                if sock is not None:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                writer.transport.abort()
                return False
            case "closed":
                writer.transport.abort()
                return False
        return True

    # -- requests ----------------------------------------------------------------------------------------------------

    async def _respond(self, request: HttpRequest, login: Login, stranger: Caller) -> HttpResponse:
        if request.failure:
            return HttpResponse(request.failure, close=True)
        if request.path.lower() not in PATHS:
            return HttpResponse(404, b"<h2>Not Found</h2>", "text/html; charset=us-ascii", close=True)
        if request.method != "POST":
            return HttpResponse(405, headers=(("Allow", "POST"),))
        if (request.header("wsmanidentify") or "").lower() == "unauthenticated":
            reply = await self._service.answer(request.body, stranger)
            response = self._refuse(login.offered) if reply.status == 401 else _plain(reply)
            return self._recorded(request, response, reply, None)
        verdict = login.check(request.header("authorization"))
        if verdict.user is None:
            response = self._refuse(verdict.challenges, keep=verdict.keep)
            return self._recorded(request, response, Reply(401, b"", "Login", ""), None)
        closing = tuple(("WWW-Authenticate", value) for value in verdict.challenges)
        if not request.body:
            response = HttpResponse(200, headers=closing)
            return self._recorded(request, response, Reply(200, b"", "Login", ""), verdict.user)
        return await self._answer(request, login, replace(stranger, user=verdict.user), closing)

    async def _answer(
        self, request: HttpRequest, login: Login, caller: Caller, headers: tuple[tuple[str, str], ...]
    ) -> HttpResponse:
        """A request of a known user."""
        user = caller.user
        kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
        sealed = kind == "multipart/encrypted"
        body = request.body
        if sealed:
            try:
                body = login.unseal(body)
            except NotSealed:
                reply = Reply(400, b"", "Unsealing", "")
                return self._recorded(request, HttpResponse(400, close=True), reply, user)
        elif self._tls is None and not self._machine.limits.allow_unencrypted:
            # pywinrm issues 129 and 208, winrm4j issue 151: status 500, and nothing in it that is a fault.
            reply = Reply(500, b"", "Unencrypted", "")
            return self._recorded(request, HttpResponse(500, headers=headers), reply, user)
        elif kind != "application/soap+xml":
            reply = Reply(415, b"", "MediaType", "")
            return self._recorded(request, HttpResponse(415, headers=headers), reply, user)
        reply = await self._service.answer(body, caller)
        if sealed and reply.body:
            response = HttpResponse(reply.status, login.seal(reply.body), SEALED_TYPE, headers)
        else:
            response = _plain(reply, headers)
        return self._recorded(request, response, reply, user)

    def _refuse(self, challenges: tuple[str, ...], *, keep: bool = False) -> HttpResponse:
        headers = tuple(("WWW-Authenticate", value) for value in challenges)
        return HttpResponse(401, headers=headers, close=not keep)

    def _recorded(self, request: HttpRequest, response: HttpResponse, reply: Reply, user: str | None) -> HttpResponse:
        self._machine.record(
            Record(
                time=datetime.now(UTC),
                method=reply.method,
                target=reply.target,
                user=user,
                status=response.status,
                bytes_in=len(request.body),
                bytes_out=len(response.body),
                write=reply.write,
            )
        )
        return response


def _plain(reply: Reply, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    return HttpResponse(reply.status, reply.body, names.CONTENT_TYPE if reply.body else "", headers)

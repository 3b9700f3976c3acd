# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 over asyncio streams, as much of http.sys as a WinRM client sees. The parsing is h11's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

try:
    import h11
except ImportError:  # the lab's __main__ says what to install
    h11 = None  # type: ignore[assignment]

SERVER = "Microsoft-HTTPAPI/2.0"
# Far above MaxEnvelopeSize: what is larger still is answered 413 and not read.
MAX_BODY = 8 * 1024 * 1024
IDLE_SECONDS = 120.0  # http.sys' default for an idle connection
_CHUNK = 65536


@dataclass(frozen=True)
class HttpRequest:
    """One request; ``failure`` is the status to answer at once when it could not be read."""

    method: str = ""
    target: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    failure: int = 0

    def header(self, name: str) -> str | None:
        """The value of a header (name in lower case), None when absent."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


@dataclass(frozen=True)
class HttpResponse:
    """One answer; ``headers`` stand between Server and Date."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False


@dataclass
class HttpConnection:
    """HTTP on one open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _protocol: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=_CHUNK)
    )
    _head_only: bool = False

    async def next_request(self) -> HttpRequest | None:
        """The next request, None when the client is gone or silent for too long."""
        protocol = self._protocol
        head: h11.Request | None = None
        parts: list[bytes] = []
        size = 0
        if protocol.our_state is h11.DONE:
            protocol.start_next_cycle()
        try:
            while True:
                event = protocol.next_event()
                if event is h11.NEED_DATA:
                    if protocol.they_are_waiting_for_100_continue:
                        await self._write(protocol.send(h11.InformationalResponse(status_code=100, headers=[])))
                    async with asyncio.timeout(IDLE_SECONDS):
                        data = await self.reader.read(_CHUNK)
                    protocol.receive_data(data)
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    size += len(event.data)
                    if size > MAX_BODY:
                        return HttpRequest(failure=413)
                    parts.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage) and head is not None:
                    break
                else:
                    return None
        except h11.RemoteProtocolError as error:
            return HttpRequest(failure=error.error_status_hint if head is not None or size else 400)
        except TimeoutError:
            return None
        self._head_only = head.method == b"HEAD"
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
        return HttpRequest(head.method.decode("latin-1"), head.target.decode("latin-1"), headers, b"".join(parts))

    async def send(self, response: HttpResponse, *, cut: bool = False) -> bool:
        """Send an answer; whether the connection can go on. ``cut`` stops in the middle of the body."""
        if self._protocol.our_state not in (h11.SEND_RESPONSE, h11.IDLE):
            return False
        headers = [("Server", SERVER), *response.headers, ("Date", formatdate(usegmt=True))]
        if response.content_type:
            headers.insert(0, ("Content-Type", response.content_type))
        if response.close:
            headers.append(("Connection", "close"))
        headers.append(("Content-Length", str(len(response.body))))
        head = h11.Response(status_code=response.status, reason=_reason(response.status), headers=_encoded(headers))
        out = self._protocol.send(head) or b""
        if cut:
            await self._write(out + response.body[: len(response.body) // 2])
            return False
        if response.body and not self._head_only:
            out += self._protocol.send(h11.Data(data=response.body)) or b""
        out += self._protocol.send(h11.EndOfMessage()) or b""
        await self._write(out)
        return self._can_go_on()

    def _can_go_on(self) -> bool:
        states = self._protocol.states
        return states[h11.SERVER] is h11.DONE and states[h11.CLIENT] is h11.DONE

    async def _write(self, data: bytes | None) -> None:
        self.writer.write(data or b"")
        await self.writer.drain()


def _reason(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode() if status in HTTPStatus.__members__.values() else b""


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]

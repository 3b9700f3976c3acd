# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Bounds of size and time for everything read from and written to a server's socket, and a count of it.

The timeout of a socket is one for each read: a server that sends a byte a second would never meet it. So every read
and write here gets what is left of the whole exchange's time.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.traffic import Traffic
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.xml_answer import MAX_BYTES


class DeadlineError(Exception):
    """The time for the exchange is over."""


class OversizeError(Exception):
    """More bytes came than an answer may have."""


class SealLostError(Exception):
    """The connection that the sealed session belongs to is gone; nothing was sent."""


class CompressedError(Exception):
    """The answer's body is compressed."""


class Meter:
    """Watches the exchange under way: its deadline, its size, whether the message has gone out."""

    def __init__(self, traffic: Traffic, monotonic: Callable[[], float], *, secure: bool) -> None:
        self.traffic = traffic
        self.secure = secure
        self.sealed = False
        self.message_sent = False
        self.connected = False
        self.status: int | None = None
        self.content_type = ""
        self.offers = ""
        self._monotonic = monotonic
        self._deadline = 0.0
        self._request_deadline = 0.0
        self._received = 0
        self._with_message = False

    def begin(self, seconds: float) -> None:
        """A new message with this much time for all that it needs, login included."""
        self._deadline = self._request_deadline = self._monotonic() + seconds
        self.message_sent = False
        self.status = None

    def begin_request(self, seconds: float, *, with_message: bool) -> None:
        """One HTTP request of the message, its answer's body included."""
        self._request_deadline = min(self._deadline, self._monotonic() + seconds)
        self.status = None
        self._received = 0
        self._with_message = with_message

    def end_request(self, status: int, headers: Mapping[str, str]) -> None:
        """Its answer's head has come."""
        self.status = status
        self.content_type = headers.get("Content-Type", "")
        if status == 401:
            self.offers = headers.get("WWW-Authenticate", "")
            self.message_sent = False  # the server refused that copy unread
        if status == 401 or not self._with_message:
            self.traffic.handshakes += 1
        else:
            self.traffic.requests += 1

    def remaining(self) -> float:
        """Seconds left for the request under way.

        :raises DeadlineError: when there are none.
        """
        left = self._request_deadline - self._monotonic()
        if left <= 0:
            raise DeadlineError
        return left

    def sending(self, size: int) -> None:
        """So many bytes go out."""
        self.traffic.bytes_sent += size
        if self._with_message:
            self.message_sent = True

    def received(self, size: int) -> None:
        """So many bytes came in.

        :raises OversizeError: when the answer's limit is passed.
        """
        self.traffic.bytes_received += size
        self._received += size
        if self._received > MAX_BYTES:
            raise OversizeError

    def connecting(self) -> None:
        """A new connection is to be opened.

        :raises SealLostError: when the session is sealed, for it cannot move to another connection.
        """
        if self.sealed:
            raise SealLostError
        self.connected = False

    def has_connected(self) -> None:
        """It is open, TLS included."""
        self.connected = True
        self.traffic.connections += 1


class BoundedSocket:
    """A connected socket (plain or TLS) of which every read and write obeys the meter."""

    def __init__(self, inner: socket.socket, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Send everything before the deadline; a peer that takes a little at a time does not stretch it."""
        view = memoryview(data).cast("B")
        self._meter.sending(len(view))
        while len(view):
            self._inner.settimeout(self._meter.remaining())
            view = view[self._inner.send(view, flags) :]

    def makefile(self, mode: str = "r", *_args: Any, **_more: Any) -> io.BufferedReader:
        """The stream http.client reads an answer from."""
        return io.BufferedReader(_BoundedStream(self._inner, self._meter), 65536)

    def fileno(self) -> int:
        return self._inner.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _BoundedStream(io.RawIOBase):
    """Reads from the socket, each time with what is left of the time."""

    def __init__(self, inner: socket.socket, meter: Meter) -> None:
        super().__init__()
        # The login libraries find the server's certificate (channel binding) by this name, as in the stream of a bare
        # socket.
        self._sock = inner
        self._stream = inner.makefile("rb", buffering=0)
        self._meter = meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._meter.remaining())
        count = self._stream.readinto(buffer)
        self._meter.received(count or 0)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def bounded_pools(pools: Mapping[str, Any], meter: Meter) -> dict[str, Any]:
    """The same connection pools (plain, TLS, SOCKS), with connections that hand out bounded sockets."""

    def bounded(pool: Any) -> Any:
        plain = pool.ConnectionCls

        def connect(self: Any) -> None:
            meter.connecting()
            plain.connect(self)
            meter.has_connected()
            if not isinstance(self.sock, BoundedSocket):
                self.sock = BoundedSocket(self.sock, meter)

        connection = type(f"Bounded{plain.__name__}", (plain,), {"connect": connect})
        return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})

    return {scheme: bounded(pool) for scheme, pool in pools.items()}

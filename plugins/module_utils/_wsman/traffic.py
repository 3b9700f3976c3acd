# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What one client has put on the wire and taken from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass
class Traffic:
    """Running totals of one client, over every connection it opened.

    ``requests`` are HTTP requests that carried a message the server took; ``handshakes`` are the blank or refused
    ones a login needs. Bytes are those of HTTP, head and body, before TLS.
    """

    requests: int = 0
    handshakes: int = 0
    connections: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0

    def as_facts(self) -> dict[str, int]:
        """The totals as JSON types."""
        return asdict(self)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Where an address leads, told only when every library must tell the same.

A token follows this, so that it must not be read by one library and connected to by another that finds another host in
it: they differ on backslashes, on names before an ``@``, on what is no port.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:]+\])(?::([0-9]{1,5}))?(?=[/?]|$)", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Place:
    """The first part of an address; the host in lower case, the port in any case."""

    scheme: str
    host: str
    port: int

    def holds(self, other: Place) -> bool:
        """Whether another is this very one, or a name below it."""
        return (other.scheme, other.port) == (self.scheme, self.port) and (
            other.host == self.host or other.host.endswith(f".{self.host}")
        )


def place_of(address: str) -> Place | None:
    """The place of an ``http`` or ``https`` address; None when it is none, or could be read in two ways."""
    found = _BEGIN.match(address)
    if found is None:
        return None
    scheme = found[1].lower()
    port = int(found[3] or _PORTS[scheme])
    return Place(scheme, found[2].lower(), port) if port < 65536 else None

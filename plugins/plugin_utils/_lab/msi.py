# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows Installer packages as this lab has them: the first bytes of a real one, what it installs, and a signature.

A signature is good when it fits the rest of the file; a changed byte breaks it, as in a real package.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

AGENT = "Azure Connected Machine Agent"
MICROSOFT = "CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, C=US"

_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True)
class Package:
    """What a package says of itself. ``signature`` is Valid, NotSigned, HashMismatch or NotTrusted."""

    product: str
    version: str
    code: str
    signature: str
    signer: str


def make_package(
    version: str, *, product: str = AGENT, signer: str | None = MICROSOFT, trusted: bool = True, size: int = 300_000
) -> bytes:
    """A package; ``signer`` None leaves it unsigned."""
    code = "{" + hashlib.sha256(f"{product}/{version}".encode()).hexdigest().upper()[:32] + "}"
    code = f"{code[:9]}-{code[9:13]}-{code[13:17]}-{code[17:21]}-{code[21:]}"
    about = json.dumps({"product": product, "version": version, "code": code}).encode()
    body = _MAGIC + len(about).to_bytes(4, "big") + about + _filling(size)
    sign = {} if signer is None else {"signer": signer, "trusted": trusted, "hash": hashlib.sha256(body).hexdigest()}
    signature = json.dumps(sign).encode()
    return body + signature + len(signature).to_bytes(4, "big")


@lru_cache(maxsize=8)
def _filling(size: int) -> bytes:
    """Bytes that no line of text holds, so that a channel that breaks binary data is found out."""
    return bytes(index * 7 % 256 for index in range(size))


def read_package(content: bytes) -> Package | None:
    """What a file installs; None when it is no package."""
    if not content.startswith(_MAGIC) or len(content) < 20:
        return None
    try:
        length = int.from_bytes(content[8:12], "big")
        about = json.loads(content[12 : 12 + length])
        signed = int.from_bytes(content[-4:], "big")
        sign = json.loads(content[-4 - signed : -4])
    except ValueError:
        return None
    if not sign:
        status = "NotSigned"
    elif hashlib.sha256(content[: -4 - signed]).hexdigest() != sign["hash"]:
        status = "HashMismatch"
    else:
        status = "Valid" if sign["trusted"] else "NotTrusted"
    return Package(about["product"], about["version"], about["code"], status, sign.get("signer", ""))

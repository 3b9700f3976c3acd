# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Any bytes onto a server through the cmd shell: Base64 over standard input, decoded there by certutil.

A large file goes in parts. A part stands under its own name only when it is whole, so an upload that was cut off goes
on where it ended; the whole is put together, checked by its SHA-256 and only then moved into place. A secret lies in a
folder of its own, which is deleted whatever happens.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.files import GuestFiles, read_hash
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.quoting import cmd_quote

#: Bytes of one part: 2 MB as Base64, which is ten or eleven messages.
PART_BYTES = 1_500_000
_LINE_BYTES = 57  # 76 characters of Base64
_PART_SECONDS = 180
_JOIN_SECONDS = 300

#: What the folder of a secret begins with; its name ends in chance.
GUARDED_PREFIX = "secret-"

ReadPart = Callable[[int, int], bytes]


def put_bytes(files: GuestFiles, path: str, data: bytes, *, seconds: float = _PART_SECONDS) -> None:
    """Write a small file into a folder that is there, whole or not at all.

    :raises HotpatchError: it was not written.
    """
    coded, partial = cmd_quote(f"{path}.b64"), cmd_quote(f"{path}.tmp")
    answers = files.ask(
        {
            "write": f'findstr "^" > {coded}',
            "decode": f"certutil -f -decode {coded} {partial} >nul && move /y {partial} {cmd_quote(path)} >nul",
            "clean": f"del /f /q {coded} 2>nul",
        },
        stdin=_as_text(data),
        timeout=seconds,
    )
    if not answers["write"].ok or not answers["decode"].ok:
        raise HotpatchError(
            f"{files.server}: the file {path} could not be written.",
            code="file",
            hint="Check the free space of the system drive, and whether a security product guards the folder.",
            server=files.server,
        )


def upload(
    files: GuestFiles,
    path: str,
    read: ReadPart,
    size: int,
    sha256: str,
    *,
    progress: Callable[[str], None] = lambda _line: None,
    part_bytes: int | None = None,
) -> None:
    """Bring a large file to the server; its folder must be there.

    :param read: gives so many bytes from a position of the source.
    :param sha256: of the whole source, in lower case.
    :raises HotpatchError: it could not be written, or did not arrive as it was sent.
    """
    part_bytes = part_bytes or PART_BYTES
    name = f"upload-{sha256[:16]}"
    folder = files.ensure_folder(name, below=path.rpartition("\\")[0].rpartition("\\")[2])
    there = files.ask({"parts": f"dir /b /a-d {cmd_quote(folder)} 2>nul"})["parts"]
    done = {line.strip().lower() for line in there.text.split("\n")} if there.ok else set()
    count = max(1, -(-size // part_bytes))
    for number in range(count):
        part = f"part-{number:05d}-of-{count:05d}-{part_bytes}.bin"
        if part in done:
            continue
        start = number * part_bytes
        put_bytes(files, f"{folder}\\{part}", read(start, min(part_bytes, size - start)))
        progress(f"uploaded {_megabytes(min(size, start + part_bytes))} of {_megabytes(size)}")
    pattern = f"{folder}\\part-*-of-{count:05d}-{part_bytes}.bin"
    joined = f"{path}.tmp"
    answers = files.ask(
        {
            "join": f"copy /b /y {cmd_quote(pattern)} {cmd_quote(joined)} >nul",
            "hash": files.hash_step(joined),
            "clean": f"rmdir /s /q {cmd_quote(folder)} 2>nul",
        },
        timeout=_JOIN_SECONDS,
    )
    if read_hash(answers["hash"].text) != sha256 or not answers["join"].ok:
        files.ask({"drop": f"del /f /q {cmd_quote(joined)} 2>nul"})
        raise HotpatchError(
            f"{files.server}: the file did not arrive as it was sent: {path} is not the same.",
            code="upload",
            hint="Run again; check the free space of the system drive, and whether a security product changes files.",
            retryable=True,
            server=files.server,
        )
    if not files.ask({"move": f"move /y {cmd_quote(joined)} {cmd_quote(path)} >nul"})["move"].ok:
        raise HotpatchError(
            f"{files.server}: the file {path} could not be put in place.", code="file", server=files.server
        )


def make_secret_folder(files: GuestFiles, token: str) -> str:
    """A folder for secrets; its path."""
    return files.ensure_folder(f"{GUARDED_PREFIX}{token}", below=None)


def secret_folders(listing: str) -> list[str]:
    """The folders of secrets in a listing of the collection's folder."""
    names = (line.strip().lower() for line in listing.split("\n"))
    return [name for name in names if name.startswith(GUARDED_PREFIX) and name[len(GUARDED_PREFIX) :].isalnum()]


def delete_secret_folders(files: GuestFiles, names: list[str]) -> bool:
    """Delete folders of secrets; whether they are surely gone.

    The listing shows the folder of runs or of the agent too, so an empty answer proves nothing.
    """
    steps = {f"drop{number}": f"rmdir /s /q {cmd_quote(files.path(name))} 2>nul" for number, name in enumerate(names)}
    answers = files.ask({**steps, "left": f"dir /b /ad {cmd_quote(files.folder)} 2>nul"})
    return answers["left"].ok and not set(names) & set(secret_folders(answers["left"].text))


def _as_text(data: bytes) -> bytes:
    coded = [base64.b64encode(data[start : start + _LINE_BYTES]) for start in range(0, len(data), _LINE_BYTES)]
    return b"\r\n".join([*coded, b""])


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"

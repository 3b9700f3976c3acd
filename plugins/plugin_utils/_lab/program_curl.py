# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""curl.exe as Windows brings it, for addresses of the lab's small internet.

Options and exit codes: curl's manual page. Certificates are verified by Windows (Schannel); ``-k`` is not played.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DEVICES, DiskError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.internet import Page, Reach, page, reach
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Pause, Program
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Call

VERSION = "8.13.0"
_BYTES_PER_SECOND = 8_000_000
_DEFAULT_CONNECT = 300.0
_MAX_REDIRECTS = 50

_WITH_VALUE = {
    "-o": "output",
    "--output": "output",
    "-x": "proxy",
    "--proxy": "proxy",
    "-m": "max-time",
    "--max-time": "max-time",
    "--connect-timeout": "connect-timeout",
    "-w": "write-out",
    "--write-out": "write-out",
    "--proto": "proto",
    "--proto-redir": "proto-redir",
    "--retry": "retry",
    "--retry-delay": "retry-delay",
    "--max-redirs": "max-redirs",
    "-A": "user-agent",
    "--user-agent": "user-agent",
    "--noproxy": "noproxy",
}
_PLAIN = {
    "-f": "fail",
    "--fail": "fail",
    "-s": "silent",
    "--silent": "silent",
    "-S": "show-error",
    "--show-error": "show-error",
    "-L": "location",
    "--location": "location",
    "-I": "head",
    "--head": "head",
    "--tlsv1.2": "tls",
    "--tlsv1.3": "tls",
    "--ssl-revoke-best-effort": "revoke",
    "-V": "version",
    "--version": "version",
}
_FAILURES = {
    Reach.UNKNOWN_PROXY: (5, "Could not resolve proxy: {0}"),
    Reach.UNKNOWN_HOST: (6, "Could not resolve host: {0}"),
    Reach.REFUSED: (7, "Failed to connect to {0} port 443 after 2 ms: Could not connect to server"),
    Reach.SILENT: (28, "Failed to connect to {0} port 443 after {1} ms: Timeout was reached"),
    Reach.PROXY_DENIES: (56, "CONNECT tunnel failed, response 403"),
    Reach.BAD_CERTIFICATE: (
        60,
        "schannel: SEC_E_UNTRUSTED_ROOT (0x80090325) - The certificate chain was issued by an authority that is not "
        "trusted.",
    ),
}


@dataclass
class _Wish:
    options: dict[str, str] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        return name in self.options


class _Failed(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def curl(call: Call) -> Program:
    """The program."""
    wish = _Wish()
    try:
        _read(call.words, wish)
        if wish.has("version"):
            call.out(f"curl {VERSION} (Windows) libcurl/{VERSION} Schannel zlib/1.3.1 WinIDN\r\n")
            return 0
        if len(wish.addresses) != 1:
            raise _Failed(2, "no URL specified" if not wish.addresses else "this lab takes one URL")
        return (yield from _fetch(call, wish))
    except _Failed as failure:
        if not wish.has("silent") or wish.has("show-error"):
            call.err(f"curl: ({failure.code}) {failure.message}\r\n")
        return failure.code


def _read(words: list[str], wish: _Wish) -> None:
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("-"):
            wish.addresses.append(word)
            continue
        names = [word] if word.startswith("--") or len(word) == 2 else [f"-{letter}" for letter in word[1:]]
        for name in names:
            if name in _PLAIN:
                wish.options[_PLAIN[name]] = ""
            elif name in _WITH_VALUE and position < len(words):
                wish.options[_WITH_VALUE[name]] = words[position]
                position += 1
            else:
                raise _Failed(2, f"option {word}: is unknown")


def _fetch(call: Call, wish: _Wish) -> Program:
    address = wish.addresses[0]
    proxy = wish.options.get("proxy", "")
    answer = Page(0)
    for step in range(_MAX_REDIRECTS + 1):
        _check_scheme(address, wish.options.get("proto-redir" if step else "proto", ""))
        host = re.sub(r"^[a-z]+://", "", address, flags=re.IGNORECASE).split("/")[0].split(":")[0]
        met = reach(call.machine, host, proxy)
        limit = float(wish.options.get("connect-timeout") or wish.options.get("max-time") or _DEFAULT_CONNECT)
        yield Pause(limit if met is Reach.SILENT else 0.2)
        if met in _FAILURES:
            code, words = _FAILURES[met]
            raise _Failed(code, words.format(proxy if code == 5 else host, int(limit * 1000)))
        answer = page(address)
        if not answer.location or not wish.has("location"):
            break
        address = answer.location
    else:
        raise _Failed(47, f"Maximum ({_MAX_REDIRECTS}) redirects followed")
    yield Pause(len(answer.content) / _BYTES_PER_SECOND)
    if wish.has("fail") and answer.status >= 400:
        raise _Failed(22, f"The requested URL returned error: {answer.status}")
    _deliver(call, wish, b"" if wish.has("head") else answer.content)
    if wish.has("write-out"):
        call.out(wish.options["write-out"].replace("%{http_code}", str(answer.status)).replace("\\n", "\n"))
    return 0


def _check_scheme(address: str, allowed: str) -> None:
    scheme = address.partition("://")[0].lower() if "://" in address else "http"
    if scheme not in {"http", "https"} or (allowed and scheme not in allowed.lstrip("=").split(",")):
        raise _Failed(1, f'Protocol "{scheme}" disabled or not supported')
    if scheme == "http":
        raise _Failed(7, "Failed to connect: nothing of this lab's internet answers on port 80")


def _deliver(call: Call, wish: _Wish, content: bytes) -> None:
    target = wish.options.get("output")
    if target is None or target == "-":
        call.streams.stdout.write(content)
        return
    if target.lower() in DEVICES:
        return
    try:
        path = call.session.path(target)
        call.machine.disk.write(path, content, call.machine.now(), call.session.who)
    except DiskError as error:
        raise _Failed(23, f"client returned ERROR on write: {error.message}") from None
    call.wrote("file", path)

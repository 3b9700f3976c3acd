# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What can go wrong between two messages, as one small record, and its words for a person."""

from __future__ import annotations

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadAnswer,
    CertificateNotTrusted,
    HotpatchError,
    InvalidInput,
    NotSupported,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings


class ExchangeError(Exception):
    """An exchange that brought no answer.

    :ivar kind: one of the keys of the tables below.
    :ivar detail: a clause that says more, free of secrets.
    :ivar sent: whether the message, or a part of it, went out to a server that had not refused it.
    """

    def __init__(self, kind: str, detail: str = "", *, sent: bool = False) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.sent = sent

    @property
    def not_processed(self) -> bool:
        """Whether it is certain that the server did nothing with the message."""
        return not self.sent or self.kind in ("login", "seal_lost")

    @property
    def connection_died(self) -> bool:
        """Whether a new connection may fare better at once."""
        return self.kind in ("dropped", "half", "seal_lost", "unsealed", "login")


_LISTENER = (
    "Check that the server runs and that a WinRM listener (winrm enumerate winrm/config/listener) is on this port, "
    "open in the firewall."
)
_GARBLED = (
    "Check that the port and path are those of WinRM (5985 for http, 5986 for https, /wsman) and that no proxy stands "
    "between."
)
_LOAD = "Check the server's load and the network; raise ansible_winrm_connection_timeout if the server is merely slow."

_UNREACHABLE: dict[str, tuple[str, str]] = {
    "resolve": ("its address cannot be resolved", "Correct ansible_host in the inventory, or the name service."),
    "refused": ("the connection was refused", _LISTENER),
    "no_route": ("there is no route to it", "Check the address, the network and the firewall."),
    "connect_timeout": ("the connection timed out", _LISTENER),
    "dropped": ("the connection was closed before an answer came", "The server may be restarting. " + _LISTENER),
    "tls": (
        "TLS could not be set up",
        "Check that the port is an https listener; for http use port 5985 and ansible_winrm_scheme=http.",
    ),
    "proxy": ("the proxy did not let the connection through", "Check ansible_winrm_proxy, or the proxy's own rules."),
    "unavailable": (
        "the web service answers, but WinRM does not (HTTP 503)",
        "The WinRM service may still be starting or be stopped.",
    ),
}

_BAD_ANSWER: dict[str, tuple[str, str]] = {
    "not_http": ("what answered does not speak HTTP", _GARBLED),
    "half": (
        "the answer broke off before its end",
        "Try again; if it stays, check the server's event log for WinRM and the network between.",
    ),
    "too_big": ("the answer is larger than any WS-Management answer may be", _GARBLED),
    "redirect": ("the server redirects to another address, which WinRM never does", _GARBLED),
    "encoded": ("the answer is compressed, which WinRM never does", _GARBLED),
    "unsealed": (
        "the encrypted answer or request could not be decrypted",
        "Try again; if it stays, check for a proxy that changes messages.",
    ),
    "http": ("the answer is not WS-Management", _GARBLED),
    "xml": ("the answer cannot be read", _GARBLED),
    "unrelated": ("the answer belongs to another request", "Check for a proxy that mixes up answers, then try again."),
    "unexpected": ("the answer is not what this request calls for", _GARBLED),
}


def explain(problem: ExchangeError, settings: Settings, what: str, *, repeatable: bool, met: bool) -> HotpatchError:
    """The error to raise.

    :param what: the operation, as the beginning of a sentence.
    :param repeatable: whether the message changes nothing on the server.
    :param met: whether this server has answered before in this client's life.
    """
    kind, detail = problem.kind, f" ({problem.detail})" if problem.detail else ""
    where = f"{what} on {settings.where}"
    name = settings.name
    if problem.sent and not repeatable and not problem.not_processed and kind != "http":
        return OutcomeUnknown(
            f"{where} was sent, but its answer was lost: {_words(kind)}{detail}. It may have run.",
            hint="Read the server's state before doing it again.",
            server=name,
        )
    if kind == "login":
        return AuthenticationFailed(
            f"{where} failed: the server refused the account {settings.username or '(certificate)'} "
            f"with {', '.join(settings.transports)}{detail}.",
            hint="Check the user name and password, and that the server's WinRM allows this way to log in "
            "(ansible_winrm_transport).",
            server=name,
        )
    if kind == "certificate":
        return CertificateNotTrusted(
            f"{where} failed: the server's TLS certificate is not trusted{detail}.",
            hint="Give its certification authority with ansible_winrm_ca_trust_path, and use the name the certificate "
            "was made for.",
            server=name,
        )
    if kind == "setup":
        return InvalidInput(
            f"{where} failed: the connection settings cannot be used{detail}.",
            hint="Correct the host's winrm connection variables in the inventory.",
            server=name,
        )
    if kind == "missing":
        return NotSupported(
            f"{where} failed: a Python package is missing on the controller{detail}.",
            hint="Install it into the environment that runs Ansible.",
            server=name,
        )
    if kind == "timeout":
        words = f"{where} failed: {_words(kind)}{detail}."
        return AnswerTimeout(words, hint=_LOAD, server=name) if met else Unreachable(words, hint=_LISTENER, server=name)
    if kind in _UNREACHABLE:
        return Unreachable(f"{where} failed: {_words(kind)}{detail}.", hint=_UNREACHABLE[kind][1], server=name)
    return BadAnswer(
        f"{where} failed: {_words(kind)}{detail}.", hint=_BAD_ANSWER[kind][1], retryable=kind == "half", server=name
    )


def _words(kind: str) -> str:
    if kind == "timeout":
        return "no complete answer came in time"
    return (_UNREACHABLE.get(kind) or _BAD_ANSWER[kind])[0]

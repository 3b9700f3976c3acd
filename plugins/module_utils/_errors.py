# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The errors of this collection: one class for each remedy, each with words for a person and keys for a playbook.

Every layer below the fronts raises these and nothing else on purpose; only a front (module or action plugin) turns one
into a task result. ``message`` is a full sentence that names the server and the cause, ``code`` is stable and meant for
conditions in playbooks, ``hint`` says what to do. No error ever carries a secret.
"""

from __future__ import annotations

from typing import Any


class HotpatchError(Exception):
    """Something the collection could not do, said in words.

    :param message: what failed on which server and why, one sentence or two.
    :param code: a short stable word (``authentication``) or a Windows code (``0x80240016``).
    :param hint: what the person can do about it.
    :param retryable: whether the same call may succeed later with nothing changed.
    :param server: the name the person knows the server by; None when no server is concerned.
    :ivar changed: whether something was changed on the server before it failed.
    :ivar details: further keys of the task result, such as what had been done by then.
    """

    default_code = "error"
    default_retryable = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        retryable: bool | None = None,
        server: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.retryable = self.default_retryable if retryable is None else retryable
        self.server = server
        self.changed = False
        self.details: dict[str, Any] = {}

    def as_result(self) -> dict[str, Any]:
        """The keys a task result carries beside ``msg``."""
        return {"code": self.code, "hint": self.hint, "retryable": self.retryable}

    def sentence(self) -> str:
        """The message followed by the hint, for ``msg``."""
        return f"{self.message} {self.hint}" if self.hint else self.message


class InvalidInput(HotpatchError):
    """An option, a policy or a file the person gave is wrong; nothing was done."""

    default_code = "invalid_input"


class Unreachable(HotpatchError):
    """The server could not be talked to at all."""

    default_code = "unreachable"
    default_retryable = True


class AuthenticationFailed(Unreachable):
    """The server refused the account."""

    default_code = "authentication"
    default_retryable = False


class CertificateNotTrusted(Unreachable):
    """The server's TLS certificate does not verify."""

    default_code = "certificate"
    default_retryable = False


class BadAnswer(HotpatchError):
    """What came back is not what the protocol allows: garbage, half a message, a wrong type, too much."""

    default_code = "bad_answer"


class Fault(HotpatchError):
    """The server understood and refused, with a WS-Management or WMI fault."""

    default_code = "fault"


class AnswerTimeout(HotpatchError):
    """No answer in the time allowed to the operation."""

    default_code = "timeout"
    default_retryable = True


class OutcomeUnknown(HotpatchError):
    """An operation was sent and its answer lost: it may have run. Read the state back before anything else."""

    default_code = "outcome_unknown"


class NotSupported(HotpatchError):
    """This server, connection or installation cannot do what was asked."""

    default_code = "not_supported"


class Refused(HotpatchError):
    """The collection declines, because what was asked would or might break a promise (a restart, the track)."""

    default_code = "refused"


class UpdateFailed(HotpatchError):
    """Windows Update or servicing failed on the server; ``code`` is the HRESULT."""

    default_code = "update_failed"


class RestartFailed(HotpatchError):
    """A restart was not proven within its time."""

    default_code = "restart_failed"


class Unhealthy(HotpatchError):
    """A server does not do what it did before, or does not pass its checks."""

    default_code = "unhealthy"


class Busy(HotpatchError):
    """Somebody else's work is under way on the server."""

    default_code = "busy"
    default_retryable = True


class AgentFailed(HotpatchError):
    """The Arc agent, its package or the download of it failed; ``code`` is the program's own, such as AZCM0041."""

    default_code = "agent_failed"

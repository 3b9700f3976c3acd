# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""One message out, one checked answer back: logins, lost connections, and what must never be sent twice."""

from __future__ import annotations

import time
from collections.abc import Callable

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    HotpatchError,
    OutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.envelope import ADDRESSING, SOAP, Message
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.faults import TIMED_OUT, WsmanFault, read_fault
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.problems import ExchangeError, explain
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.traffic import Traffic
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.wire import Reply, Wire
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.xml_answer import Node, UnreadableError, parse

# Windows forgets a sealed session after about five idle minutes and then answers HTTP 400; a new login well before
# that costs less than not knowing whether a message was taken.
SEAL_LASTS = 120.0
# Tidying up must not cost a person waiting at a server that is gone more than a few seconds.
TIDY_SECONDS = 5.0

MakeWire = Callable[[Settings, str, Traffic, Callable[[], float]], Wire]


class Exchange:
    """Sends messages to one server over one login at a time."""

    def __init__(
        self, settings: Settings, *, monotonic: Callable[[], float] = time.monotonic, make_wire: MakeWire = Wire
    ) -> None:
        self.settings = settings
        self.traffic = Traffic()
        self.monotonic = monotonic
        self._make_wire = make_wire
        self._wire: Wire | None = None
        self._transports = list(settings.transports)
        self._met = False

    def close(self) -> None:
        """Close the connection; the next message would open another."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def run(
        self, message: Message, what: str, *, repeatable: bool, seconds: float | None = None, harmless: bool = False
    ) -> Node:
        """Send a message and give the answer's ``s:Body``.

        A lost connection is made anew and the message repeated once, where that is safe: always when the server
        refused the message unread, otherwise only when ``repeatable``.

        :param what: the operation in words, as the beginning of a sentence.
        :param repeatable: the message may run twice, for it changes nothing.
        :param seconds: what one attempt may take; the settings' read timeout by default.
        :param harmless: not to be repeated, yet nothing on the server changes either (reading a stream): a lost
            answer is an ordinary error.
        :raises WsmanFault: the server understood and refused.
        :raises OutcomeUnknown: a message that may not be repeated was sent and its answer lost.
        :raises Unreachable: also AuthenticationFailed and CertificateNotTrusted.
        :raises BadAnswer: the answer is not one.
        :raises AnswerTimeout: no answer in time.
        """
        limit = float(self.settings.read_timeout)
        repeated = False
        refused: ExchangeError | None = None
        while True:
            result = self._attempt(message, what, min(seconds or limit, limit))
            if isinstance(result, Node):
                return result
            problem, had_answered = result
            self.close()
            if problem.kind in ("login", "missing") and not self._met and len(self._transports) > 1:
                self._transports.pop(0)
                refused = problem if problem.kind == "login" else refused
                continue
            if problem.kind == "missing" and refused is not None:
                problem = refused
            again = problem.connection_died and (repeatable or problem.not_processed)
            if again and had_answered and not repeated:
                repeated = True
                continue
            raise explain(problem, self.settings, what, repeatable=repeatable or harmless, met=self._met)

    def ask(self, message: Message, what: str, *, repeatable: bool, harmless: bool = False) -> Node:
        """As `run`, with the server's own timeout told apart from a refusal.

        :raises AnswerTimeout: the server gave up on a message that changes nothing.
        :raises OutcomeUnknown: it gave up on one that may have changed something.
        """
        try:
            return self.run(message, what, repeatable=repeatable, harmless=harmless)
        except WsmanFault as fault:
            refusal = self.fault_as_error(fault, what, repeatable=repeatable or harmless)
        raise refusal

    def fault_as_error(self, fault: WsmanFault, what: str, *, repeatable: bool) -> HotpatchError:
        """The error for a fault: the server's own timeout is no refusal, and a change may have been made."""
        if not fault.has(TIMED_OUT):
            return fault
        if repeatable:
            return AnswerTimeout(fault.message, code=fault.code, hint=fault.hint, server=self.settings.name)
        return OutcomeUnknown(
            f"{what} on {self.settings.where} did not end within the server's operation timeout ({fault.code}). "
            "It may have run.",
            hint="Read the server's state before doing it again.",
            server=self.settings.name,
        )

    def expect(self, body: Node, what: str, name: str, *namespaces: str) -> Node:
        """The element of this name in an answer.

        :raises BadAnswer: when it is not there.
        """
        found = body.child(name, *namespaces)
        if found is None:
            raise self.bad_answer(what, f"no {name} in it")
        return found

    def bad_answer(self, what: str, why: str) -> HotpatchError:
        """The error for an answer that makes no sense."""
        return explain(ExchangeError("unexpected", why), self.settings, what, repeatable=True, met=True)

    def _attempt(self, message: Message, what: str, seconds: float) -> Node | tuple[ExchangeError, bool]:
        """The body, or the problem and whether its login had answered a message before."""
        had_answered = False
        try:
            wire = self._ready_wire()
            had_answered = wire.answered
            reply = wire.send(message.text, seconds)
            self._met = True
            return self._body(reply, message, what, sealed_before=wire.sealed and had_answered)
        except ExchangeError as problem:
            return problem, had_answered

    def _ready_wire(self) -> Wire:
        wire = self._wire
        if wire is not None and wire.sealed and self.monotonic() - wire.last_used > SEAL_LASTS:
            self.close()
            wire = None
        if wire is None:
            wire = self._wire = self._make_wire(self.settings, self._transports[0], self.traffic, self.monotonic)
        return wire

    def _body(self, reply: Reply, message: Message, what: str, *, sealed_before: bool) -> Node:
        if reply.status == 400 and not reply.body.strip() and sealed_before:
            raise ExchangeError("unsealed", "HTTP 400", sent=True)
        try:
            root = parse(reply.body)
        except UnreadableError as unreadable:
            trouble = _no_envelope(reply, str(unreadable))
        else:
            if root.name == "Envelope" and root.namespace == SOAP:
                return self._checked(root, reply, message, what)
            trouble = _no_envelope(reply, "it is XML, but no SOAP envelope")
        raise trouble

    def _checked(self, root: Node, reply: Reply, message: Message, what: str) -> Node:
        body = root.child("Body", SOAP)
        if body is None:
            raise ExchangeError("xml", "the envelope has no body", sent=True)
        header = root.child("Header", SOAP)
        relates = header.child("RelatesTo", ADDRESSING) if header else None
        fault = body.child("Fault", SOAP)
        if message.message_id is not None:
            related = relates.text.strip().lower() if relates is not None else None
            # Some of Windows' faults name no request (the shell quota's does not); an ordinary answer always does.
            if related != message.message_id.lower() and not (related is None and fault is not None):
                raise ExchangeError("unrelated", "RelatesTo is not this request's MessageID", sent=True)
        if fault is not None:
            raise WsmanFault(read_fault(fault), what=what, where=self.settings.where, server=self.settings.name)
        if reply.status != 200:
            raise ExchangeError("http", f"HTTP {reply.status} with a SOAP answer that is no fault", sent=True)
        return body


def _no_envelope(reply: Reply, why: str) -> ExchangeError:
    """The problem for a body that is not SOAP, by its HTTP status."""
    if reply.status == 200:
        return ExchangeError("xml", why, sent=True)
    if reply.status == 503:
        return ExchangeError("unavailable", sent=False)
    if reply.status == 407:
        return ExchangeError("proxy", "it asks for a login", sent=False)
    if reply.status == 403:
        return ExchangeError("login", "HTTP 403", sent=False)
    if reply.status < 500:
        return ExchangeError("http", f"HTTP {reply.status}", sent=False)
    # A server error without a fault says nothing about how far the server came.
    return ExchangeError("xml", f"HTTP {reply.status} without a SOAP fault", sent=True)

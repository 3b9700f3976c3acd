# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""One WQL query under way: its pages, in bounded number and time, and its release."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import AnswerTimeout, HotpatchError
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.envelope import ENUMERATION, WSMAN, Writer
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.exchange import TIDY_SECONDS, Exchange
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.faults import WsmanFault
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.xml_answer import Node

# A server cannot keep a query going for ever, however small its pages and slow its answers.
MAX_ROWS = 100_000
MAX_EMPTY_PAGES = 20
MAX_QUERY_SECONDS = 300.0


class Query:
    """Enumerate, then Pull with the newest context until the end (DSP0226 8)."""

    def __init__(
        self, exchange: Exchange, writer: Writer, namespace: str, wql: str, max_elements: int, what: str
    ) -> None:
        self._exchange = exchange
        self._writer = writer
        self._namespace = namespace
        self._wql = wql
        self._max_elements = max_elements
        self._what = what
        self._seconds = exchange.settings.operation_timeout
        self._context = ""

    def pages(self) -> Iterator[list[Node]]:
        """The rows' elements, page by page.

        A page that is lost with its connection cannot be asked for again, since a Pull moves the server's cursor. The
        query begins anew, once, as long as no row has been handed out.
        """
        rows, empty, restarted, spent = 0, 0, False, 0.0
        page = self._first()
        while True:
            if page.items:
                rows += len(page.items)
                empty = 0
                yield page.items
            else:
                empty += 1
            if not self._context:
                return
            if rows > MAX_ROWS:
                raise self._exchange.bad_answer(self._what, f"over {MAX_ROWS} rows")
            if empty > MAX_EMPTY_PAGES:
                raise self._exchange.bad_answer(self._what, "page after page without a row")
            if spent > MAX_QUERY_SECONDS:
                settings = self._exchange.settings
                raise AnswerTimeout(
                    f"{self._what} on {settings.where} was given up after {MAX_QUERY_SECONDS:.0f} s of waiting.",
                    hint="Check the server's load and the health of its WMI.",
                    server=settings.name,
                )
            before = self._exchange.monotonic()
            outcome = self._next()
            if isinstance(outcome, HotpatchError):
                if rows or restarted or isinstance(outcome, WsmanFault):
                    raise outcome
                restarted = True
                outcome = self._first()
            page = outcome
            spent += self._exchange.monotonic() - before

    def release(self) -> None:
        """Give back what the server still holds. That it fails is of no consequence: it lapses after four minutes."""
        if not self._context:
            return
        message = self._writer.release(self._namespace, self._context, self._seconds)
        self._context = ""
        try:
            self._exchange.run(message, self._what, repeatable=False, harmless=True, seconds=TIDY_SECONDS)
        except HotpatchError:
            return

    def _first(self) -> _Page:
        message = self._writer.enumerate(self._namespace, self._wql, self._max_elements, self._seconds)
        body = self._exchange.ask(message, self._what, repeatable=True)
        return self._page(self._exchange.expect(body, self._what, "EnumerateResponse", ENUMERATION))

    def _next(self) -> _Page | HotpatchError:
        """The next page, or why there is none; then the server holds nothing more that could be released."""
        message = self._writer.pull(self._namespace, self._context, self._max_elements, self._seconds)
        self._context = ""
        try:
            body = self._exchange.ask(message, self._what, repeatable=False, harmless=True)
            return self._page(self._exchange.expect(body, self._what, "PullResponse", ENUMERATION))
        except HotpatchError as error:
            return error

    def _page(self, answer: Node) -> _Page:
        page = _Page(answer)
        self._context = "" if page.last else page.context
        return page


class _Page:
    """One answer of a query: its rows, whether it is the last, and the context that asks for the next.

    Items and EndOfSequence stand in the w: namespace in a first answer and in n: in a later one; each is taken from
    either, but from no other, since a property may bear such a name.
    """

    def __init__(self, answer: Node) -> None:
        self.items = [row for holder in answer.all("Items", WSMAN, ENUMERATION) for row in holder.children]
        context = answer.child("EnumerationContext", ENUMERATION, WSMAN)
        self.context = context.text.strip() if context is not None and not context.is_nil else ""
        # Windows leaves the context empty in the last answer; some servers give only one of the two signs.
        self.last = answer.child("EndOfSequence", WSMAN, ENUMERATION) is not None or not self.context

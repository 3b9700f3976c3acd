# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The WS-Management client: CIM queries, reads, calls and the cmd shell of one Windows server."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from types import TracebackType

from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.envelope import IDENTITY, Message, Writer
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.exchange import Exchange, MakeWire
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.faults import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.query import Query
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.shell import Shell
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.traffic import Traffic
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import CimInput, Instance, read_instance
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.wire import Wire
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.xml_answer import Node


class WsmanClient:
    """One server. Opens its connection with the first message; not for two threads at once.

    :ivar traffic: what it has sent and received.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        make_wire: MakeWire = Wire,
    ) -> None:
        self.settings = settings
        self._sleep = sleep
        self._exchange = Exchange(settings, monotonic=monotonic, make_wire=make_wire)
        self._writer = Writer(settings.endpoint)

    @property
    def traffic(self) -> Traffic:
        return self._exchange.traffic

    def __enter__(self) -> WsmanClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._exchange.close()

    def identify(self) -> dict[str, str]:
        """``protocol_version``, ``product_vendor``, ``product_version`` (``OS: 10.0.26100 SP: 0.0 Stack: 3.0``)."""
        what = "Identify"
        answer = self._exchange.expect(self._read(self._writer.identify(), what), what, "IdentifyResponse", IDENTITY)
        named = {
            "protocol_version": "ProtocolVersion",
            "product_vendor": "ProductVendor",
            "product_version": "ProductVersion",
        }
        found = {key: answer.child(name, IDENTITY) for key, name in named.items()}
        return {key: clean(node.text, 200) if node else "" for key, node in found.items()}

    def enumerate(
        self,
        namespace: str,
        wql: str,
        *,
        arrays: Collection[str] = (),
        max_elements: int = 1000,
        limit: int | None = None,
    ) -> Iterator[Instance]:
        """The rows of a WQL query, page by page as they are consumed.

        :param arrays: properties that are arrays: always lists. All others are text, None or an embedded instance.
        :param max_elements: rows asked for in one page.
        :param limit: stop after so many rows; what is left on the server is released, as it is when the caller stops
            early.
        """
        if limit is not None:
            max_elements = max(1, min(max_elements, limit))
        return self._rows(namespace, wql, arrays, max_elements, limit)

    def get(
        self,
        namespace: str,
        class_name: str,
        selectors: Mapping[str, CimInput] | None = None,
        *,
        arrays: Collection[str] = (),
    ) -> Instance:
        """One instance by its keys; no keys for a singleton."""
        what = f"Reading {class_name}"
        body = self._read(self._writer.get(namespace, class_name, selectors or {}, self._seconds), what)
        if len(body.children) != 1:
            raise self._exchange.bad_answer(what, f"{len(body.children)} instances instead of one")
        return self._instance(body.children[0], arrays, class_name)

    def invoke(
        self,
        namespace: str,
        class_name: str,
        method: str,
        params: Mapping[str, CimInput] | None = None,
        *,
        selectors: Mapping[str, CimInput] | None = None,
        arrays: Collection[str] = (),
        repeatable: bool = False,
    ) -> Instance:
        """Call a method and give its out-parameters; a non-zero ``ReturnValue`` among them is the caller's to judge.

        :param repeatable: the method only reads, so that it may be sent again when an answer is lost.
        :raises OutcomeUnknown: the call was sent and may have run.
        """
        what = f"Calling {class_name}.{method}"
        message = self._writer.invoke(namespace, class_name, method, params or {}, selectors or {}, self._seconds)
        body = self._read(message, what) if repeatable else self._change(message, what)
        output = self._exchange.expect(body, what, f"{method}_OUTPUT")
        return self._instance(output, arrays, f"{class_name}.{method}")

    def delete(self, namespace: str, class_name: str, selectors: Mapping[str, CimInput]) -> None:
        """Delete one instance by its keys.

        :raises OutcomeUnknown: it was sent and may have been done.
        """
        self._change(
            self._writer.delete(namespace, class_name, selectors, self._seconds),
            f"Deleting an instance of {class_name}",
        )

    def shell(self, *, codepage: int = 65001) -> Shell:
        """A cmd shell, opened by its first command; use it in a ``with`` block, which deletes it on the server."""
        return Shell(self._exchange, self._writer, codepage=codepage, sleep=self._sleep)

    @property
    def _seconds(self) -> int:
        return self.settings.operation_timeout

    def _read(self, message: Message, what: str) -> Node:
        return self._exchange.ask(message, what, repeatable=True)

    def _change(self, message: Message, what: str) -> Node:
        return self._exchange.ask(message, what, repeatable=False)

    def _rows(
        self, namespace: str, wql: str, arrays: Collection[str], max_elements: int, limit: int | None
    ) -> Iterator[Instance]:
        source = re.search(r"\bfrom\s+(\w+)", wql, re.IGNORECASE)
        asked = source[1] if source else "a query"
        query = Query(self._exchange, self._writer, namespace, wql, max_elements, f"Reading {asked}")
        given = 0
        try:
            for page in query.pages():
                for element in page:
                    if limit is not None and given >= limit:
                        return
                    given += 1
                    yield self._instance(element, arrays, asked)
                if limit is not None and given >= limit:
                    return
        finally:
            query.release()

    def _instance(self, element: Node, arrays: Collection[str], asked: str) -> Instance:
        row = read_instance(element, arrays, about=f"{asked} on {self.settings.where}", server=self.settings.name)
        if not row.class_name and element.name != "XmlFragment" and not element.name.endswith("_OUTPUT"):
            row.class_name = element.name
        return row

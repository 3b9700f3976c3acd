# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Enumeration contexts: what is left of an Enumerate, given out by Pull.

Windows' ways (captures of 2008 R2 to Windows 10): an optimised Enumerate answers one item whatever MaxElements says, a
Pull without MaxElements one item, pages end near half of MaxEnvelopeSize, every Pull has a new context, the last an
empty one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire import faults, soap

MAX_CONTEXTS = 1500  # MaxConcurrentOperationsPerUser


@dataclass
class _Rest:
    items: list[str]
    position: int
    deadline: float


@dataclass(frozen=True)
class Page:
    """Items of one answer; ``context`` is empty when nothing is left."""

    items: list[str]
    context: str

    @property
    def is_last(self) -> bool:
        """Whether the sequence ends here."""
        return not self.context


class Enumerations:
    """The open enumerations of one machine.

    :param lifetime: seconds after which a context that nobody pulls dies (EnumerationTimeoutms).
    :param monotonic: the clock for it.
    """

    def __init__(self, lifetime: float, monotonic: Callable[[], float]) -> None:
        self._lifetime = lifetime
        self._monotonic = monotonic
        self._open: dict[str, _Rest] = {}

    def start(self, items: list[str], count: int, page_size: int, envelope_size: int) -> Page:
        """Begin with ``count`` items at once (0: only a context)."""
        self._drop_dead()
        if len(self._open) >= MAX_CONTEXTS:
            raise faults.too_many_operations(MAX_CONTEXTS)
        rest = _Rest(items, 0, 0.0)
        if count == 0:
            return Page([], self._keep(rest))
        return self._page(rest, count, page_size, envelope_size)

    def pull(self, context: str, count: int, page_size: int, envelope_size: int) -> Page:
        """The next items. Raises the fault for a context that is not valid."""
        self._drop_dead()
        rest = self._open.pop(context.removeprefix("uuid:").upper(), None)
        if rest is None:
            raise faults.invalid_context()
        return self._page(rest, count, page_size, envelope_size)

    def release(self, context: str) -> None:
        """Forget an enumeration. Raises the fault for a context that is not valid."""
        self._drop_dead()
        if self._open.pop(context.removeprefix("uuid:").upper(), None) is None:
            raise faults.invalid_context()

    def clear(self) -> None:
        """Forget all (the machine has restarted)."""
        self._open.clear()

    def _page(self, rest: _Rest, count: int, page_size: int, envelope_size: int) -> Page:
        taken: list[str] = []
        size = 0
        while rest.position < len(rest.items) and len(taken) < count:
            item = rest.items[rest.position]
            length = len(item.encode())
            if length > envelope_size:
                text = "One item alone is larger than the maximum envelope size of the request. "
                raise faults.encoding_limit(text)
            if taken and size + length > page_size:
                break
            taken.append(item)
            size += length
            rest.position += 1
        return Page(taken, self._keep(rest) if rest.position < len(rest.items) else "")

    def _keep(self, rest: _Rest) -> str:
        identifier = soap.new_id()
        rest.deadline = self._monotonic() + self._lifetime
        self._open[identifier] = rest
        return f"uuid:{identifier}"

    def _drop_dead(self) -> None:
        now = self._monotonic()
        for identifier in [key for key, rest in self._open.items() if rest.deadline <= now]:
            del self._open[identifier]

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Reading XML that a server sent: untrusted, so without document types or entities and within limits.

expat is used directly because it alone lets a document type be refused before anything in it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

MAX_BYTES = 16 * 1024 * 1024
MAX_TEXT = 8 * 1024 * 1024
MAX_ELEMENTS = 250_000
MAX_DEPTH = 64

_ENCODINGS = ("utf-8", "utf-16", "us-ascii", "iso-8859-1")

XSI = "http://www.w3.org/2001/XMLSchema-instance"


class UnreadableError(Exception):
    """The answer is not XML, or XML that no WS-Management server sends; the text says which, in a clause."""


class Node:
    """One element: its namespace and local name, attributes (``namespace local`` or ``local``), text and children."""

    __slots__ = ("attributes", "children", "name", "namespace", "text")

    def __init__(self, namespace: str, name: str, attributes: dict[str, str]) -> None:
        self.namespace = namespace
        self.name = name
        self.attributes = attributes
        self.children: list[Node] = []
        self.text = ""

    def all(self, name: str, *namespaces: str) -> list[Node]:
        """The children of this name, in any of the namespaces (in whatever namespace when none is given)."""
        return [one for one in self.children if one.name == name and (not namespaces or one.namespace in namespaces)]

    def child(self, name: str, *namespaces: str) -> Node | None:
        """The first such child."""
        return next(iter(self.all(name, *namespaces)), None)

    def path(self, *names: str) -> Node | None:
        """The element reached by walking these local names, whatever their namespaces."""
        found: Node | None = self
        for name in names:
            if found is None:
                return None
            found = found.child(name)
        return found

    def walk(self) -> Iterator[Node]:
        """Every element below this one, outermost first, in document order."""
        waiting = list(reversed(self.children))
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def all_text(self) -> str:
        """The text of this element and of all below it, in document order of elements."""
        return " ".join(part for part in (self.text, *(node.text for node in self.walk())) if part.strip())

    @property
    def is_nil(self) -> bool:
        """Whether ``xsi:nil`` says null."""
        return self.attributes.get(f"{XSI} nil", "").strip().lower() in ("true", "1")


def parse(data: bytes) -> Node:
    """The root element of ``data``.

    :raises UnreadableError: when it is not well-formed, holds a document type, or exceeds a limit.
    """
    if not data.strip():
        raise UnreadableError("the answer is empty")
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"the answer is larger than {MAX_BYTES // (1024 * 1024)} MiB")
    builder = _Builder()
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        problem, line = expat.ErrorString(error.code), error.lineno
    else:
        if builder.root is None:
            raise UnreadableError("the answer holds no XML element")
        return builder.root
    raise UnreadableError(f"the answer is not well-formed XML ({problem}, line {line})")


class _Builder:
    """Builds the tree from expat's events and stops at the first thing that must not be there."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._texts: list[list[str]] = []
        self._elements = 0
        self._characters = 0
        # A blank separates namespace and local name: the local name cannot hold one, so the last blank always is the
        # separator.
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._entity
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        # For any other name expat would have Python look for a codec of that name.
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise UnreadableError("the answer is in a character encoding that no WS-Management server uses")

    def _doctype(self, *_about: object) -> None:
        raise UnreadableError("the answer holds a document type declaration, which SOAP forbids")

    def _entity(self, *_about: object) -> None:
        raise UnreadableError("the answer declares an entity, which SOAP forbids")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise UnreadableError(f"the answer holds more than {MAX_ELEMENTS} elements")
        if len(self._open) >= MAX_DEPTH:
            raise UnreadableError(f"the answer nests elements more than {MAX_DEPTH} deep")
        namespace, _blank, name = tag.rpartition(" ")
        node = Node(namespace, name, attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)
        self._texts.append([])

    def _end(self, _tag: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def _text(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > MAX_TEXT:
            raise UnreadableError(f"the answer holds more than {MAX_TEXT // (1024 * 1024)} Mi characters of text")
        self._texts[-1].append(text)

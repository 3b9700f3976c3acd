# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request's body may hold, checked as ARM checks it: an unknown member, a wrong type, a wrong word are refused.

A form is a tree: a dict of members (``"name!"`` must be there), a list with one form for its elements, a tuple of the
words that are taken, a type, or ``ANY``. Taken from Microsoft's specifications; what they mark read-only is no
member of a form, and sending it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import ArmRefusal

ANY = object()
TAGS: Any = {"*": str}
_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def check(body: Any, form: Mapping[str, Any]) -> None:
    """Check a whole body.

    :raises ArmRefusal: 400, with the path of what is wrong.
    """
    if not isinstance(body, dict):
        raise ArmRefusal(400, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
    _members(body, form, "")


def _members(found: Mapping[str, Any], form: Mapping[str, Any], path: str) -> None:
    known = {name.rstrip("!"): inner for name, inner in form.items()}
    for name, value in found.items():
        inner = known.get(name, known.get("*"))
        if inner is None:
            raise ArmRefusal(
                400,
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized: "
                f"'Could not find member '{name}' on object of type '{path or 'ResourceDefinition'}'.",
            )
        _value(value, inner, f"{path}.{name}" if path else name)
    for name in form:
        if name.endswith("!") and found.get(name[:-1]) is None:
            raise _invalid(f"The required property '{f'{path}.' if path else ''}{name[:-1]}' is missing.")


def _value(value: Any, form: Any, path: str) -> None:
    if value is None or form is ANY:
        return
    if isinstance(form, Mapping):
        if not isinstance(value, dict):
            raise _invalid(f"The value of '{path}' must be an object.")
        _members(value, form, path)
    elif isinstance(form, list):
        if not isinstance(value, list):
            raise _invalid(f"The value of '{path}' must be an array.")
        for number, item in enumerate(value):
            _value(item, form[0], f"{path}[{number}]")
    elif isinstance(form, tuple):
        if value not in form:
            raise _invalid(f"The value '{value}' of '{path}' is not allowed. Allowed values are {', '.join(form)}.")
    elif not isinstance(value, form) or (isinstance(value, bool) and form is not bool):
        raise _invalid(f"The value of '{path}' must be {_WORDS[form]}.")


def _invalid(words: str) -> ArmRefusal:
    return ArmRefusal(400, "InvalidParameter", words)

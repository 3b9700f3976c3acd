# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Which releases a call knows: the shipped catalogue, a person's own file, and the day taken as today."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import last_day, month_of, parse_month
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue_file import parse

#: A catalogue of ten years is a few hundred kilobytes; more than this is not one.
_MAX_BYTES = 2 * 1024 * 1024


def day_of(call: Call) -> date:
    """The day the call takes as today.

    :raises InvalidInput: ``as_of`` or ``month`` is malformed, or they contradict each other.
    """
    return day_in(call.params, call.now().date())


def day_in(params: Mapping[str, Any], today: date) -> date:
    """The same from options, for those that are no call.

    :raises InvalidInput: ``as_of`` or ``month`` is malformed, or they contradict each other.
    """
    month, as_of = params.get("month"), params.get("as_of")
    if month:
        try:
            parse_month(month)
        except ValueError as error:
            raise InvalidInput(f"month: {error}.") from None
    if not as_of:
        return min(today, last_day(month)) if month else today
    try:
        day = date.fromisoformat(as_of)
    except ValueError:
        raise InvalidInput(f"as_of: {as_of!r} is not a date; a date looks like 2025-12-20.") from None
    if month and month_of(day) != month:
        raise InvalidInput(
            f"as_of {as_of} does not lie in the month {month}.",
            hint="Leave one of the two out; as_of alone decides the month.",
        )
    return day


def catalogue_of(call: Call) -> Catalogue:
    """The catalogue of the call, standing at its day.

    :raises InvalidInput: the file cannot be read, or a row is wrong; the message names file and line.
    """
    return catalogue_at(day_of(call), call.params.get("catalogue"))


def catalogue_at(day: date, path: str | None) -> Catalogue:
    """The shipped catalogue on a day, with a person's file over it when there is one."""
    catalogue = Catalogue.shipped(day)
    if not path:
        return catalogue
    return catalogue.merge(parse(_text_of(os.path.expanduser(path)), path))


def _text_of(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"The catalogue file {path} cannot be read: {error.strerror}.") from None
    if len(data) > _MAX_BYTES:
        raise InvalidInput(f"The catalogue file {path} is larger than {_MAX_BYTES // 1024} KiB.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The catalogue file {path} is not UTF-8 text (byte {error.start}).") from None

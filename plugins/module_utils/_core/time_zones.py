# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The rules of a Windows time zone, from the IANA data of the host that this runs on."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.windows_zones import iana_zone


def rules_of(windows: str) -> tzinfo:
    """The rules of a zone that :func:`windows_zone` knows.

    :raises InvalidInput: this host has no data for it.
    """
    name = iana_zone(windows) or windows
    if name == "Etc/UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            f"This host has no data of the time zone {name}.",
            code="no_time_zone_data",
            hint="Install the time zones of the operating system (package tzdata), or: pip install tzdata",
        ) from None

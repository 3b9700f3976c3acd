# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The classifications of Windows Update, by the names people know and the ids that never change.

Titles and category names on a server are translated; the ids are not. A cumulative update may carry its classification
and nothing else, no product. Ids: Microsoft Learn, WSUS "Update Classification GUIDs".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CLASSIFICATIONS: Mapping[str, str] = {
    "critical_updates": "e6cf1350-c01b-414d-a61f-263d14d133b4",
    "definition_updates": "e0789628-ce08-4437-be74-2495b842f43b",
    "drivers": "ebfc1fc5-71a4-4f7b-9aca-3b9a503104a0",
    "feature_packs": "b54e7d24-7add-428f-8b75-90a396fa584f",
    "security_updates": "0fa1201d-4330-4fa8-8ae9-b877473b6441",
    "service_packs": "68c5b0a3-d1a6-4553-ae49-01d3a7827828",
    "tools": "b4832bd8-e735-4761-8daf-37f882276dab",
    "update_rollups": "28bc880e-0592-4cbf-8f95-c79b17911d5f",
    "updates": "cd5ffd1e-e932-4e3a-bf74-18bf0b1bbd83",
    "upgrades": "3689bdc8-b205-4af4-8d4a-a63924c5e9d5",
}
_NAMES = {identifier: name for name, identifier in CLASSIFICATIONS.items()}

# IUpdate.Type (Microsoft Learn, wuapi).
_DRIVER = 2


def classifications_of(update: Mapping[str, Any]) -> tuple[str, ...]:
    """The classifications an offered update carries; one may have none that is known."""
    found = [_NAMES.get(str(category.get("id") or "").lower()) for category in update.get("categories") or ()]
    return tuple(dict.fromkeys(name for name in found if name is not None))


def is_driver(update: Mapping[str, Any]) -> bool:
    """Whether it is a driver, which is never an update of Windows itself."""
    return update.get("type") == _DRIVER or "drivers" in classifications_of(update)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""From a maintenance configuration as it is to the one that is wanted, and what a person should know about it.

What the person leaves out stays as it is. A write sends the whole configuration: what others have set in it, such as
the part for Linux, is sent back as it was read.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_recurrence import parse_recurrence
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.maintenance_schedule import (
    Window,
    duration_text,
    moment_text,
    parse_duration,
    parse_moment,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.patch_request import (
    CLASSIFICATIONS,
    REBOOT_SETTINGS,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.windows_zones import windows_zone

SCOPE = "InGuestPatch"
#: What Azure writes where no end was given.
_NEVER = 9999
_KB = re.compile(r"(?:KB)?(\d{5,9})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Configuration:
    """What this collection sets in a maintenance configuration; None where it has nothing of the kind.

    :ivar window: None when Azure's texts for it make no sense here; ``texts`` has them.
    """

    location: str
    window: Window | None
    texts: Mapping[str, str | None] = field(default_factory=dict)
    reboot_setting: str | None = None
    classifications: tuple[str, ...] = ()
    kb_include: tuple[str, ...] = ()
    kb_exclude: tuple[str, ...] = ()
    exclude_kbs_requiring_reboot: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For a task's result, for a diff, and what decides whether something has changed."""
        return {
            "location": self.location,
            **(window_texts(self.window) if self.window else self.texts),
            "reboot_setting": self.reboot_setting,
            "classifications": list(self.classifications),
            "kb_include": list(self.kb_include),
            "kb_exclude": list(self.kb_exclude),
            "exclude_kbs_requiring_reboot": self.exclude_kbs_requiring_reboot,
            "tags": dict(self.tags),
        }


def window_texts(window: Window) -> dict[str, str | None]:
    """A window in Azure's own texts."""
    return {
        "start": moment_text(window.start),
        "duration": duration_text(window.duration),
        "time_zone": window.zone,
        "recur_every": str(window.recurrence),
        "expiration": moment_text(window.expiration) if window.expiration else None,
    }


def read_configuration(document: Mapping[str, Any]) -> Configuration:
    """Make sense of a configuration.

    :raises Refused: it is none for updates inside of servers.
    """
    properties = _inner(document, "properties")
    scope = properties.get("maintenanceScope")
    if scope != SCOPE:
        raise Refused(
            f"The maintenance configuration is for {scope}, not for updates inside of servers ({SCOPE}).",
            hint="Take another name; the scope of a configuration cannot be changed.",
        )
    patches = _inner(properties, "installPatches")
    windows = _inner(patches, "windowsParameters")
    window, texts = _window(_inner(properties, "maintenanceWindow"))
    reboot = {word.lower(): name for name, word in REBOOT_SETTINGS.items()}
    return Configuration(
        location=location_key(str(document.get("location") or "")),
        window=window,
        texts=texts,
        reboot_setting=reboot.get(str(patches.get("rebootSetting") or "IfRequired").lower()),
        classifications=_classifications(windows.get("classificationsToInclude")),
        kb_include=_kbs_shown(windows.get("kbNumbersToInclude")),
        kb_exclude=_kbs_shown(windows.get("kbNumbersToExclude")),
        exclude_kbs_requiring_reboot=windows.get("excludeKbsRequiringReboot") is True,
        tags={str(key): str(text) for key, text in _inner(document, "tags").items()},
    )


def _window(found: Mapping[str, Any]) -> tuple[Window | None, dict[str, str | None]]:
    texts = {
        name: str(found[key])[:200] if found.get(key) else None
        for name, key in (
            ("start", "startDateTime"), ("duration", "duration"), ("time_zone", "timeZone"),
            ("recur_every", "recurEvery"), ("expiration", "expirationDateTime"),
        )
    }  # fmt: skip
    try:
        expiration = parse_moment(texts["expiration"], "expiration") if texts["expiration"] else None
        return (
            Window(
                parse_moment(texts["start"] or "", "start"),
                parse_duration(texts["duration"] or ""),
                windows_zone(texts["time_zone"] or ""),
                parse_recurrence(texts["recur_every"] or ""),
                None if expiration is None or expiration.year == _NEVER else expiration,
            ),
            {},
        )
    except InvalidInput:
        return None, texts


def _classifications(found: Any) -> tuple[str, ...]:
    known = {word.lower(): name for name, word in CLASSIFICATIONS.items()}
    names = {known.get(str(word).lower(), str(word)) for word in found} if isinstance(found, list) else set()
    return in_order(names)


def in_order(names: Any) -> tuple[str, ...]:
    """Classifications in the order in which Azure names them; others after them."""
    chosen = set(names)
    return (*(name for name in CLASSIFICATIONS if name in chosen), *sorted(chosen - set(CLASSIFICATIONS)))


def kbs_of(given: Sequence[str], option: str) -> tuple[str, ...]:
    """KB numbers as a person writes them, in one form.

    :raises InvalidInput: one is none.
    """
    found = [(text, _KB.fullmatch(str(text).strip())) for text in given]
    wrong = [text for text, match in found if match is None]
    if wrong:
        raise InvalidInput(f"{option}: {wrong[0]!r} is no KB number such as KB5072014.")
    return tuple(sorted({f"KB{match[1]}" for _text, match in found if match}))


def _kbs_shown(found: Any) -> tuple[str, ...]:
    """As Azure has them; with or without ``KB``, it is the same update."""
    names = found if isinstance(found, list) else []
    matches = ((str(text), _KB.fullmatch(str(text).strip())) for text in names)
    return tuple(sorted({f"KB{match[1]}" if match else text for text, match in matches}))


def body_of(wanted: Configuration, window: Window, document: Mapping[str, Any] | None) -> dict[str, Any]:
    """The whole configuration as it is written.

    :param document: the one that is there, whose other parts stay.
    """
    kept = copy.deepcopy(dict(_inner(document or {}, "properties")))
    texts = window_texts(window)
    patches = {**_inner(kept, "installPatches"), "rebootSetting": REBOOT_SETTINGS[str(wanted.reboot_setting)]}
    patches["windowsParameters"] = {
        **_inner(patches, "windowsParameters"),
        "classificationsToInclude": [CLASSIFICATIONS.get(name, name) for name in wanted.classifications],
        "kbNumbersToInclude": list(wanted.kb_include),
        "kbNumbersToExclude": list(wanted.kb_exclude),
        "excludeKbsRequiringReboot": wanted.exclude_kbs_requiring_reboot,
    }
    properties = {
        **{key: value for key, value in kept.items() if key in ("namespace", "visibility", "extensionProperties")},
        "maintenanceScope": SCOPE,
        "maintenanceWindow": {
            "startDateTime": texts["start"],
            "duration": texts["duration"],
            "timeZone": texts["time_zone"],
            "recurEvery": texts["recur_every"],
            **({"expirationDateTime": texts["expiration"]} if texts["expiration"] else {}),
        },
        "installPatches": patches,
    }
    # Without it Azure refuses a configuration for updates inside of servers.
    properties["extensionProperties"] = {**_inner(properties, "extensionProperties"), "InGuestPatchMode": "User"}
    location = str((document or {}).get("location") or wanted.location)
    tags = {"tags": dict(wanted.tags)} if wanted.tags or (document or {}).get("tags") else {}
    return {"location": location, **tags, "properties": properties}


def warnings_of(wanted: Configuration, *, too_early: bool) -> list[str]:
    """What endangers the hotpatch track, or restarts a server that need not restart; one sentence each."""
    found: list[str] = []
    chosen = set(wanted.classifications)
    if not chosen & {"security"} and not wanted.kb_include:
        found.append("Hotpatches and baselines are security updates; this schedule installs none of either.")
    if outside := [name for name in ("updates", "feature_pack", "service_pack") if name in chosen]:
        found.append(
            f"The classification {' and '.join(outside)} also brings updates that are no security updates. Outside of "
            "a baseline month one of them takes a server off the hotpatch track until the next baseline."
        )
    if wanted.reboot_setting == "always":
        found.append("Servers restart after every window, also when a hotpatch needed no restart.")
    if wanted.exclude_kbs_requiring_reboot:
        found.append(
            "Updates that may need a restart are left out, and baselines are among them: install those in another way, "
            "or hotpatches end with the next baseline."
        )
    if too_early:
        found.append("The window may open before Microsoft has published the month's updates; add a day.")
    if wanted.window is not None and any(day > 28 for day in wanted.window.recurrence.days):
        found.append("Not every month has each of these days; such a month has one window fewer.")
    return found


def check_lists(wanted: Configuration) -> None:
    """:raises InvalidInput: the lists contradict each other, or leave nothing."""
    both = sorted(set(wanted.kb_include) & set(wanted.kb_exclude))
    if both:
        raise InvalidInput(f"{', '.join(both)}: both included and excluded.")
    if not wanted.classifications and not wanted.kb_include:
        raise InvalidInput("A schedule without classifications and without kb_include installs nothing.")


def check_expiration(window: Window, now: datetime) -> None:
    """:param now: wall time in the window's zone.

    :raises InvalidInput: it is over before it begins.
    """
    if window.expiration is not None and window.expiration <= max(window.start, now):
        raise InvalidInput(f"expiration: {moment_text(window.expiration)} is not after the start and after now.")


def location_key(text: str) -> str:
    """A region in its short form: ``West Europe`` is ``westeurope``."""
    return text.replace(" ", "").lower()


def _inner(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}

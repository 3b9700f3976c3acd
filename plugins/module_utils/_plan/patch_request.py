# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What an installation by Azure Update Manager is asked for, and whether the train guard lets it. Pure.

``rebootSetting`` Never keeps Azure from restarting the machine, and nobody else: a policy of the server that restarts
after updates does so all the same. A classification takes whatever is offered under it, an update that leaves the track
or restarts included; so with ``hotpatch_only`` only single KBs are asked for that the catalogue knows as hotpatches of
this very machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import normal_kb
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import HOTPATCH_KINDS, Verdict, judge

CLASSIFICATIONS = {
    "critical": "Critical",
    "security": "Security",
    "update_rollup": "UpdateRollUp",
    "feature_pack": "FeaturePack",
    "service_pack": "ServicePack",
    "definition": "Definition",
    "tools": "Tools",
    "updates": "Updates",
}
REBOOT_SETTINGS = {"never": "Never", "if_required": "IfRequired", "always": "Always"}
MODES = ("any", "hotpatch_only")
SHORTEST, LONGEST = timedelta(minutes=5), timedelta(hours=4)
NEVER_IS_AZURES = (
    "reboot_setting never holds for Azure: a policy of the server that restarts it after updates still can. "
    "winops.hotpatch.update_policy shows and changes those."
)
_ISO = re.compile(r"P(?:(\d{1,2})D)?(?:T(?:(\d{1,3})H)?(?:(\d{1,4})M)?(?:(\d{1,6})S)?)?")
_FRIENDLY = re.compile(r"(?:(\d{1,3})\s*h)?\s*(?:(\d{1,4})\s*m(?:in)?)?", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """An installation, checked as far as it can be without a machine."""

    mode: str
    classifications: tuple[str, ...]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    exclude_rebooting: bool
    reboot_setting: str
    longest: timedelta
    published_until: datetime | None

    def body(self) -> dict[str, Any]:
        """In ARM's wire form; what was not asked for is not sent."""
        windows: dict[str, Any] = {}
        if self.classifications:
            windows["classificationsToInclude"] = [CLASSIFICATIONS[word] for word in self.classifications]
        # Azure takes the bare numbers.
        if self.include:
            windows["kbNumbersToInclude"] = [kb.removeprefix("KB") for kb in self.include]
        if self.exclude:
            windows["kbNumbersToExclude"] = [kb.removeprefix("KB") for kb in self.exclude]
        if self.exclude_rebooting:
            windows["excludeKbsRequiringReboot"] = True
        if self.published_until is not None:
            windows["maxPatchPublishDate"] = f"{self.published_until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return {
            "maximumDuration": iso_duration(self.longest),
            "rebootSetting": REBOOT_SETTINGS[self.reboot_setting],
            "windowsParameters": windows,
        }


def request_of(params: Mapping[str, Any]) -> Request:
    """The request of a module's options.

    :raises InvalidInput: an option is malformed, or they contradict each other.
    :raises Refused: the train guard refuses them for any machine.
    """
    include, exclude = (_kbs(params[name] or (), name) for name in ("kb_include", "kb_exclude"))
    if both := sorted(set(include) & set(exclude)):
        raise InvalidInput(f"kb_include and kb_exclude both name {', '.join(both)}.")
    request = Request(
        mode=params["mode"],
        classifications=tuple(dict.fromkeys(params["classifications"] or ())),
        include=include,
        exclude=exclude,
        exclude_rebooting=bool(params["exclude_kbs_requiring_reboot"]),
        reboot_setting=params["reboot_setting"],
        longest=duration_of(str(params["maximum_duration"])),
        published_until=_moment(params["max_patch_publish_date"]),
    )
    if not request.classifications and not request.include:
        raise InvalidInput(
            "Name what to install: kb_include, classifications, or both. Azure takes all that is offered when neither "
            "is given.",
            hint="For a hotpatch, name its KB in kb_include; winops.hotpatch.patch_assessment shows it.",
        )
    if request.mode == "hotpatch_only" and request.classifications:
        raise Refused(
            "hotpatch_only and classifications exclude each other: a classification takes every update under it, and "
            "on a machine that is off the track, or offered both, that is the cumulative update, which restarts it and "
            "takes it off the track until the next baseline.",
            code="classification_not_guarded",
            hint="Name the hotpatch in kb_include instead; winops.hotpatch.patch_assessment shows its KB.",
        )
    if request.mode == "hotpatch_only" and request.reboot_setting == "always":
        raise Refused(
            "reboot_setting always restarts the machine even after a hotpatch.",
            code="reboot_always",
            hint="Use never, or mode any.",
        )
    return request


def guard(request: Request, where: Standing, catalogue: Catalogue) -> list[Verdict]:
    """The verdicts of the KBs that are asked for.

    :raises Refused: one of them is no hotpatch for this machine.
    """
    verdicts = [judge(kb, "", where, catalogue) for kb in request.include]
    if request.mode != "hotpatch_only":
        return verdicts
    bad = [verdict for verdict in verdicts if verdict.kind not in HOTPATCH_KINDS]
    if bad:
        raise Refused(
            f"Not a hotpatch for this machine: {' '.join(verdict.words for verdict in bad)}",
            code=bad[0].reason,
            hint="Nothing was sent. Take it out of kb_include, or use mode any if the machine may leave the track.",
        )
    return verdicts


def duration_of(text: str) -> timedelta:
    """A duration as ISO 8601 has it (``PT2H30M``) or as people write it (``2h``, ``90m``, ``2h30m``).

    :raises InvalidInput: it is none, or not one that Azure takes.
    """
    given = text.strip()
    found = _ISO.fullmatch(given.upper())
    if found is not None and any(found.groups()):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    else:
        friendly = _FRIENDLY.fullmatch(given)
        if friendly is None or not any(friendly.groups()):
            raise InvalidInput(
                f"maximum_duration: {text!r} is no duration.", hint="Write 2h, 90m, 2h30m, or PT2H30M as Azure does."
            )
        days, seconds = 0, 0
        hours, minutes = (int(part or 0) for part in friendly.groups())
    longest = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not SHORTEST <= longest <= LONGEST:
        raise InvalidInput(f"maximum_duration: {text} is not between 5 minutes and 4 hours.")
    return longest


def iso_duration(longest: timedelta) -> str:
    """``PT2H30M``: hours and minutes, and seconds only where there are some."""
    minutes, seconds = divmod(int(longest.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number]
    return f"PT{''.join(parts)}"


def _moment(text: str | None) -> datetime | None:
    """The end of a day, or a moment with its zone."""
    if text is None:
        return None
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC)
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise InvalidInput(
            f"max_patch_publish_date: {text!r} is neither a date (2025-12-09) nor a moment (2025-12-09T18:00:00Z)."
        ) from None
    if moment.tzinfo is None:
        raise InvalidInput(f"max_patch_publish_date: {text!r} has no time zone; write Z for UTC.")
    return moment


def _kbs(entries: Sequence[str], option: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for entry in entries:
        kb = normal_kb(str(entry))
        if kb is None:
            raise InvalidInput(f"{option}: {entry!r} is no KB number; one looks like KB5072033.")
        found[kb] = None
    return tuple(found)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The results of Azure Update Manager as data and in words: assessments, installations, single patches. Pure.

Four forms say the same in different names: the result of an operation (Arc, VM), the VM's instance view, and Resource
Graph. All end in one form here. What Azure sends is taken with care: types, sizes, and words that are not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes import codes_in
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import normal_kb
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import Verdict

#: Both Azure's word for a class in a request and Windows' name of the category.
_CLASSES = {
    "critical": ("critical", "critical updates"),
    "security": ("security", "security updates"),
    "update_rollup": ("updaterollup", "update rollups"),
    "feature_pack": ("featurepack", "feature packs"),
    "service_pack": ("servicepack", "service packs"),
    "definition": ("definition", "definition updates"),
    "tools": ("tools",),
    "updates": ("updates",),
}
_RESTARTS = {"NeverReboots": "never", "AlwaysRequiresReboot": "always", "CanRequestReboot": "can_request"}
_STATES = {
    "Available": "available",
    "Installed": "installed",
    "Failed": "failed",
    "Excluded": "excluded",
    "NotSelected": "not_selected",
    "Pending": "pending",
}
_STATUSES = {
    "InProgress": "in_progress",
    "NotStarted": "in_progress",
    "Failed": "failed",
    "Succeeded": "succeeded",
    "CompletedWithWarnings": "completed_with_warnings",
}
_REBOOTS = {
    "NotNeeded": "not_needed",
    "Required": "required",
    "Started": "started",
    "Failed": "failed",
    "Completed": "completed",
}
_REBOOT_WORDS = {
    "not_needed": "no restart needed",
    "required": "a restart is needed and was not made",
    "started": "the restart was started, and its end was not seen",
    "failed": "the restart failed",
    "completed": "the machine was restarted",
    "unknown": "whether a restart is needed is not known",
}
_COUNTS = {
    "installed": "installedPatchCount",
    "failed": "failedPatchCount",
    "pending": "pendingPatchCount",
    "excluded": "excludedPatchCount",
    "not_selected": "notSelectedPatchCount",
}
_AVAILABLE = ("critical", "security", "updateRollup", "featurePack", "servicePack", "definition", "tools", "updates",
              "other")  # fmt: skip
_MOST_PATCHES = 2000

Judge = Callable[[str, str], Verdict]


@dataclass(frozen=True)
class Patch:
    """One update."""

    name: str
    kb: str | None
    classifications: tuple[str, ...] = ()
    severity: str | None = None
    state: str = "unknown"
    restart: str = "unknown"
    version: str | None = None
    published: str | None = None
    update_id: str | None = None

    def as_dict(self, judge: Judge | None) -> dict[str, Any]:
        """For a task's result; with a judge, what the catalogue says of it for this machine."""
        verdict = judge(self.kb or "", self.name) if judge is not None else None
        return {
            "name": self.name,
            "kb": self.kb,
            "classifications": list(self.classifications),
            "severity": self.severity,
            "state": self.state,
            "restart": self.restart,
            "version": self.version,
            "published": self.published,
            "update_id": self.update_id,
            "verdict": {"kind": verdict.kind.value, "reason": verdict.reason, "words": verdict.words}
            if verdict
            else None,
        }


@dataclass(frozen=True)
class RunResult:
    """One assessment or installation.

    :ivar patches: None when they are not known.
    """

    activity: str | None = None
    status: str = "unknown"
    started: datetime | None = None
    finished: datetime | None = None
    patches: tuple[Patch, ...] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    reboot_pending: bool | None = None
    reboot_status: str = "unknown"
    exceeded: bool = False

    @property
    def is_over(self) -> bool:
        return self.status != "in_progress"

    @property
    def failed_patches(self) -> list[Patch]:
        return [patch for patch in self.patches or () if patch.state == "failed"]


def read_assessment(document: Mapping[str, Any]) -> RunResult:
    """An assessment, in any of its forms."""
    counts = _available(document)
    found = document.get("availablePatches")
    return _run(document, "assessmentActivityId", counts, found if isinstance(found, list) else None)


def read_installation(document: Mapping[str, Any]) -> RunResult:
    """An installation, in any of its forms."""
    counts = {name: _number(document.get(key)) for name, key in _COUNTS.items()}
    found = document.get("patches")
    return _run(document, "installationActivityId", counts, found if isinstance(found, list) else None)


def read_patches(documents: Iterable[Any]) -> tuple[Patch, ...]:
    """Patches, in either form, the most weighty first."""
    found = [_patch(item) for item in list(documents)[:_MOST_PATCHES] if isinstance(item, Mapping)]
    order = {name: number for number, name in enumerate(_CLASSES)}
    return tuple(
        sorted(
            found, key=lambda patch: (min((order.get(c, 99) for c in patch.classifications), default=99), patch.name)
        )
    )


def installation_words(result: RunResult) -> str:
    """An installation in a sentence."""
    counts = {name: number for name, number in result.counts.items() if number}
    what = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items()) or "nothing to install"
    late = "; the maximum duration was over before all was done" if result.exceeded else ""
    named = result.failed_patches
    bad = f"; failed: {', '.join(patch.kb or patch.name for patch in named[:10])}" if named else ""
    said = f" {azure_says(result)}" if result.errors else ""
    return f"{what}{bad}{late}; {_REBOOT_WORDS[result.reboot_status]}.{said}"


def azure_says(result: RunResult) -> str:
    """Azure's reasons, with the server's codes among them in words."""
    said = " ".join(result.errors) or "It gives no reason."
    return " ".join([f"Azure says: {said}", *(each.sentence for each in codes_in(said))])


def remedies(result: RunResult) -> str | None:
    """What to do about the codes that Azure names; None where it names none that has a remedy."""
    return " ".join(dict.fromkeys(each.remedy for each in codes_in(" ".join(result.errors)) if each.remedy)) or None


def _run(document: Mapping[str, Any], activity: str, counts: Mapping[str, int], found: list[Any] | None) -> RunResult:
    finished = document.get("lastModifiedDateTime") or document.get("lastModifiedTime")
    status = _STATUSES.get(str(document.get("status")), "unknown")
    pending = document.get("rebootPending")
    return RunResult(
        activity=_text(document.get(activity)) or _text(document.get("name")),
        status=status,
        started=moment(document.get("startDateTime") or document.get("startTime")),
        finished=moment(finished) if status != "in_progress" else None,
        patches=None if found is None else read_patches(found),
        counts=counts,
        errors=_errors(document.get("errorDetails") or document.get("error")),
        reboot_pending=pending if isinstance(pending, bool) else None,
        reboot_status=_REBOOTS.get(str(document.get("rebootStatus")), "unknown"),
        exceeded=document.get("maintenanceWindowExceeded") is True,
    )


def _available(document: Mapping[str, Any]) -> dict[str, int]:
    by_class = document.get("availablePatchCountByClassification")
    if isinstance(by_class, Mapping):
        return {_snake(name): _number(by_class.get(name)) for name in _AVAILABLE}
    return {
        "critical_and_security": _number(document.get("criticalAndSecurityPatchCount")),
        "other": _number(document.get("otherPatchCount")),
    }


def _patch(document: Mapping[str, Any]) -> Patch:
    name = _text(document.get("name")) or _text(document.get("patchName")) or ""
    number = document.get("kbId") or document.get("Kbid") or ""
    given = document.get("classifications")
    classes = [_class(str(item)) for item in (given if isinstance(given, list) else [given] if given else [])]
    state = document.get("installationState") or document.get("assessmentState") or "Available"
    return Patch(
        name=name,
        kb=normal_kb(str(number)),
        classifications=tuple(dict.fromkeys(classes)),
        severity=_text(document.get("msrcSeverity")),
        state=_STATES.get(str(state), "unknown"),
        restart=_RESTARTS.get(str(document.get("rebootBehavior")), "unknown"),
        version=_text(document.get("version")),
        published=iso(moment(document.get("publishedDate") or document.get("publishedDateTime"))),
        update_id=_text(document.get("patchId")),
    )


def moment(text: Any) -> datetime | None:
    """A time as Azure writes it: up to seven digits of a second."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    whole, dot, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    plain = f"{whole}{dot}{rest[:digits][:6].ljust(6, '0')}{rest[digits:]}" if dot else text
    try:
        found = datetime.fromisoformat(plain.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def iso(when: datetime | None) -> str | None:
    """In UTC, to the second."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if when is not None else None


def _class(word: str) -> str:
    plain = word.strip().lower()
    return next((name for name, words in _CLASSES.items() if plain in words), plain[:60])


def _snake(word: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word)


def _errors(value: Any) -> tuple[str, ...]:
    """Azure's error and its details, the innermost last; each once."""
    found: list[str] = []
    items = [value, *(value.get("details") or ())] if isinstance(value, Mapping) else value
    for item in items if isinstance(items, list) else []:
        if isinstance(item, Mapping) and (item.get("message") or item.get("code")):
            words = _text(item.get("message")) or ""
            code = _text(item.get("code")) or ""
            text = words if code in words or not code else f"{code}: {words}".strip(": ")
            if text not in found:
                found.append(text)
    return tuple(found[:6])


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    plain = "".join(letter if letter.isprintable() else " " for letter in value)
    return plain.strip()[:400]

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What Resource Graph answered, as one row for each machine: product, track, enrollment, settings, updates.

What cannot be told stays unknown: a machine without a known build has no track, one whose licence profile and switch
contradict each other has no enrollment. Texts of Azure are cut and freed of control characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.enrollment_change import Enrollment, read_enrollment
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.fleet_query import ARC, VM
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product, identify_product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing, standing

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LONGEST = 300
_CLIENT, _SERVER = 1, 3
#: The agent's word for the edition to that of the registry; others tell nothing.
_EDITIONS = {
    "standard": "ServerStandard",
    "datacenter": "ServerDatacenter",
    "turbine": "ServerTurbine",
    "serverstandard": "ServerStandard",
    "serverdatacenter": "ServerDatacenter",
    "serverturbine": "ServerTurbine",
    "datacenterazureedition": "ServerTurbine",
}
_IMAGE = re.compile(r"(20\d\d)-datacenter(-azure-edition)?(-.+)?", re.IGNORECASE)
_YEARS = {"2016": 14393, "2019": 17763, "2022": 20348, "2025": 26100}
_COUNTS = {
    "critical": "critical",
    "security": "security",
    "updateRollup": "update_rollup",
    "featurePack": "feature_pack",
    "servicePack": "service_pack",
    "definition": "definition",
    "tools": "tools",
    "updates": "updates",
}


class FleetRows:
    """Makes rows; judges each combination of product, build and enrollment only once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._judged: dict[tuple[Any, ...], Standing] = {}

    def machine(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """One machine."""
        is_arc = str(raw.get("type", "")).lower() == "microsoft.hybridcompute/machines"
        found = _enrollment(raw)
        settings = _map(raw.get("patchSettings"))
        enrolled, opted_out = _truth(found) if is_arc else _own_truth(settings)
        build = Build.read(text_of(raw.get("osVersion")))
        product = _product(raw, build)
        judged = self._standing(product, build, enrolled, opted_out)
        return {
            "name": text_of(raw.get("name")) or "",
            "id": text_of(raw.get("id")) or "",
            "kind": ARC if is_arc else VM,
            "subscription_id": text_of(raw.get("subscriptionId")),
            "resource_group": text_of(raw.get("resourceGroup")),
            "location": text_of(raw.get("location")),
            "tags": tags_of(raw.get("tags")),
            "computer_name": text_of(raw.get("computer")),
            "fqdn": text_of(raw.get("fqdn")),
            "os_name": text_of(raw.get("osName")),
            "os_version": text_of(raw.get("osVersion")),
            "product": product.id,
            "edition": product.edition,
            "image_sku": text_of(_map(raw.get("image")).get("sku")),
            "track": judged.track.value,
            "track_reason": judged.reason,
            "kb": judged.level.kb if judged.level is not None else None,
            "enrollment": _state(found, enrolled, is_arc),
            "enrolled": enrolled,
            "opted_out": opted_out,
            "subscription_status": found.status,
            "hotpatch_status": found.switch_status,
            "hotpatching": found.switch,
            "patch_mode": text_of(settings.get("patchMode")),
            "assessment_mode": text_of(settings.get("assessmentMode")),
            "status_error": found.error,
            "agent_status": text_of(raw.get("agentStatus")),
            "agent_version": text_of(raw.get("agentVersion")),
            "last_status_change": text_of(raw.get("lastStatusChange")),
            "power_state": _after_slash(raw.get("power")),
        }

    def _standing(
        self, product: Product, build: Build | None, enrolled: bool | None, opted_out: bool | None
    ) -> Standing:
        key = (product, build, enrolled, opted_out)
        if key not in self._judged:
            self._judged[key] = standing(product, build, None, enrolled, opted_out, self._catalogue)
        return self._judged[key]


def assessment_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The last assessment of a machine."""
    counts = _map(raw.get("counts"))
    return {
        "status": text_of(raw.get("status")),
        "started": text_of(raw.get("started")),
        "ended": text_of(raw.get("at")),
        "restart_pending": _bool(raw.get("restartPending")),
        "counts": {word: _int(counts.get(name)) for name, word in _COUNTS.items() if name in counts},
        "error_text": _error(raw.get("error")),
    }


def installation_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """One installation on a machine."""
    return {
        "id": text_of(raw.get("run")),
        "status": text_of(raw.get("status")),
        "started": text_of(raw.get("started")),
        "ended": text_of(raw.get("at")),
        "started_by": text_of(raw.get("startedBy")),
        "restart": text_of(raw.get("restart")),
        "window_exceeded": _bool(raw.get("exceeded")),
        "counts": {
            word: _int(raw.get(name))
            for name, word in (
                ("installed", "installed"),
                ("failed", "failed"),
                ("pending", "pending"),
                ("excluded", "excluded"),
                ("notSelected", "not_selected"),
            )
        },
        "error_text": _error(raw.get("error")),
    }


def patch_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """One update of an assessment or an installation."""
    kb = text_of(raw.get("kb"))
    classifications = raw.get("classifications")
    return {
        "title": text_of(raw.get("title")),
        "kb": f"KB{kb}" if kb and kb.isdigit() else kb,
        "classifications": [text_of(item) for item in classifications] if isinstance(classifications, list) else [],
        "severity": text_of(raw.get("severity")),
        "restart_behavior": text_of(raw.get("restarts")),
        "published": text_of(raw.get("published")),
        "state": text_of(raw.get("state")),
    }


def text_of(value: Any) -> str | None:
    """A text of Azure without control characters, cut where it is too long; None where there is none."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    text = _CONTROL.sub(" ", str(value)).strip()
    return text[:_LONGEST] or None


def tags_of(value: Any) -> dict[str, str]:
    """Tags by name."""
    return {text_of(name) or "": text_of(text) or "" for name, text in _map(value).items() if text_of(name)}


def counts_of(rows: Iterable[Mapping[str, Any]], key: str) -> dict[str, int]:
    """How many machines have which word."""
    found: dict[str, int] = {}
    for row in rows:
        word = str(row[key] if row[key] is not None else "unknown")
        found[word] = found.get(word, 0) + 1
    return dict(sorted(found.items()))


def _enrollment(raw: Mapping[str, Any]) -> Enrollment:
    """As a licence profile and its machine would be read."""
    product = _map(raw.get("product")) or _map(raw.get("machineProduct"))
    profile = {"properties": {"productProfile": product}} if product or raw.get("profile") else None
    configuration = {"windowsConfiguration": {"patchSettings": _map(raw.get("patchSettings"))}}
    return read_enrollment(profile, {"properties": {"status": raw.get("agentStatus"), "osProfile": configuration}})


def _truth(found: Enrollment) -> tuple[bool | None, bool | None]:
    """Whether an Arc machine is enrolled and opted out; None where Azure's words do not fit each other."""
    opted_out = None if found.switch is None else not found.switch
    if found.status in ("Enabled", "Disabled", "Failed", None):
        enrolled: bool | None = found.status == "Enabled"
    else:
        enrolled = None
    if not enrolled and found.switch_status == "Enabled":
        enrolled = None
    return enrolled, opted_out


def _own_truth(settings: Mapping[str, Any]) -> tuple[bool | None, bool | None]:
    """A virtual machine of Azure has one switch and no licence."""
    switch = settings.get("enableHotpatching")
    return (switch, False if switch else None) if isinstance(switch, bool) else (None, None)


def _state(found: Enrollment, enrolled: bool | None, is_arc: bool) -> str:
    """The words of the enrollment modules; ``unknown`` where what was read does not fit together."""
    if enrolled is None:
        return found.state if found.state in ("enrolling", "disenrolling") else "unknown"
    if is_arc:
        return found.state
    return "enrolled" if enrolled else "not_enrolled"


def _product(raw: Mapping[str, Any], build: Build | None) -> Product:
    major = build.major if build else None
    image = _IMAGE.fullmatch(str(_map(raw.get("image")).get("sku") or ""))
    if image is not None:
        edition = "ServerTurbine" if image[2] else "ServerDatacenter"
        return identify_product(major or _YEARS.get(image[1]), _SERVER, edition, None, None)
    name = (text_of(raw.get("osName")) or "").lower()
    kind = _SERVER if "server" in name else _CLIENT if re.match(r"(microsoft )?windows 1[01]\b", name) else None
    edition_id = _EDITIONS.get((text_of(raw.get("osEdition")) or "").lower().replace(" ", ""))
    return identify_product(major, kind, edition_id, None, None)


def _after_slash(value: Any) -> str | None:
    """``PowerState/running``."""
    text = text_of(value)
    return text.rsplit("/", 1)[-1] if text else None


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _error(value: Any) -> str | None:
    found = _map(value)
    words = [text_of(found.get(key)) for key in ("code", "message")]
    return ": ".join(word for word in words if word) or None

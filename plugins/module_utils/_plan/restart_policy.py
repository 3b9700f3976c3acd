# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Which settings of a server restart it by themselves.

A hotpatch asks for no restart. What breaks the promise is another update: one that the server installs by itself, or
one that waits already and that a policy carries through. So each setting is one of three.

``yes``, the never-restart mode is refused:

- AlwaysAutoRebootAtScheduledTime: the restart timer starts when Windows Update has installed something important.
- Automatic updates that install by themselves: AUOptions 4, or the same chosen on the server where no policy decides;
  AllowAutoUpdate 1 to 4 of a device management. They install what is offered, a cumulative update included, and restart
  when nobody is signed in. NoAutoRebootWithLoggedOnUsers is no help: on a server nobody is signed in, and a
  disconnected remote session does not count (Microsoft Learn, "Manage device restarts after updates").
- A deadline for quality updates: it installs and restarts, in active hours too. "No restart before the deadline" only
  moves the restart to the end of the grace period (help text of the policy; Policy CSP,
  ConfigureDeadlineNoAutoRebootForQualityUpdates).
- The older deadlines, AutoRestartDeadline and EngagedRestartDeadline: a pending restart is carried out after some days.

``unknown``, which is no yes, so nothing is installed either: a value that is not understood, a deadline that is only
half set, settings that could not be read.

``caution``, said and nothing more: AUOptions 2, with which Windows installs what a person lets it download; a deadline
for feature updates; no setting at all, so that the default of Windows counts. That default is manual on Server Core and
differs for servers with a desktop (windowsserverdocs, hotpatch for Azure Edition; Azure Update Manager,
configure-wu-agent). Active hours restart nothing; they only move restarts that others make.
AUOptions 7 notifies before the restart, 3 before the installation: neither restarts by itself (WindowsUpdate.admx).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Likelihood(StrEnum):
    """How sure it is that a setting restarts the server by itself."""

    YES = "yes"
    UNKNOWN = "unknown"
    CAUTION = "caution"


POLICY = "policy"
DEVICE_MANAGEMENT = "device_management"
SERVER_SETTING = "server_setting"

_SOURCES = {
    POLICY: "A policy",
    DEVICE_MANAGEMENT: "The device management",
    SERVER_SETTING: "The server's own setting (SConfig)",
}
_AUTOMATIC_REMEDY = "Set automatic_updates to download, notify_restart or disabled."


@dataclass(frozen=True)
class Risk:
    """One setting that restarts the server, or may.

    :ivar setting: the option of the module update_policy.
    :ivar value_name: the value as Windows calls it.
    :ivar value: its data as read; None when there is none or it could not be read.
    """

    likelihood: Likelihood
    setting: str
    value_name: str
    value: int | str | None
    source: str
    words: str
    remedy: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "likelihood": self.likelihood.value,
            "setting": self.setting,
            "value_name": self.value_name,
            "value": self.value,
            "source": self.source,
            "words": self.words,
            "remedy": self.remedy,
        }


def restart_risks(policy: Mapping[str, Any] | None) -> tuple[Risk, ...] | None:
    """Every setting that restarts the server by itself or may; None when the settings could not be read.

    :param policy: ``readable``; ``values`` of the policy, ``local`` (the server's own settings) and ``mdm`` (the Policy
        CSP) by Windows' names. Facts of an older form have ``always_auto_reboot``, ``au_options``, ``no_auto_update``.
    """
    if not policy or policy.get("readable") is not True:
        return None
    values = _older_form(policy) | _plain(policy.get("values"))
    mdm, local = _part(policy, "mdm"), _part(policy, "local")
    return (
        *_always(values),
        *_automatic(values, mdm, local),
        *_deadline(values, mdm),
        *_older_deadlines(values, mdm),
    )


def of_likelihood(risks: Iterable[Risk], likelihood: Likelihood) -> list[Risk]:
    """Those that are this likely."""
    return [risk for risk in risks if risk.likelihood is likelihood]


def restarts_by_itself(policy: Mapping[str, Any] | None) -> bool | None:
    """Whether a setting restarts the server by itself; None when nobody can tell."""
    risks = restart_risks(policy)
    if risks is None:
        return None
    if of_likelihood(risks, Likelihood.YES):
        return True
    return None if of_likelihood(risks, Likelihood.UNKNOWN) else False


def _older_form(policy: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, name in (
        ("always_auto_reboot", "alwaysautorebootatscheduledtime"),
        ("au_options", "auoptions"),
        ("no_auto_update", "noautoupdate"),
    ):
        said = policy.get(key)
        if said is not None and said is not False:
            found[name] = 1 if said is True else said
    return found


def _plain(values: Any) -> dict[str, Any]:
    return {str(name).lower(): data for name, data in values.items()} if isinstance(values, Mapping) else {}


def _part(policy: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The values of another place; None when it could not be read. Facts that never looked there have none."""
    return None if policy.get(name, {}) is None else _plain(policy.get(name, {}))


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: Any) -> int | str | None:
    return value if value is None or _number(value) else str(value)


def _not_understood(setting: str, name: str, value: Any, source: str) -> Risk:
    words = f"{_SOURCES[source]} has a value that is not understood: {name} is {_shown(value)!r}."
    remedy = f"Set {setting} to what is wanted, or remove the value."
    return Risk(Likelihood.UNKNOWN, setting, name, _shown(value), source, words, remedy)


def _always(values: Mapping[str, Any]) -> Iterator[Risk]:
    name, setting = "AlwaysAutoRebootAtScheduledTime", "always_restart_at_scheduled_time"
    value = values.get(name.lower())
    if value is None or (_number(value) and value == 0):
        return
    if not _number(value) or value != 1:
        yield _not_understood(setting, name, value, POLICY)
        return
    words = f"A policy restarts the server on its own after updates ({name})."
    yield Risk(Likelihood.YES, setting, name, 1, POLICY, words, f"Set {setting} to false.")


def _automatic(
    values: Mapping[str, Any], mdm: Mapping[str, Any] | None, local: Mapping[str, Any] | None
) -> Iterator[Risk]:
    off = values.get("noautoupdate")
    if off is not None and not (_number(off) and off in (0, 1)):
        yield _not_understood("automatic_updates", "NoAutoUpdate", off, POLICY)
    if _number(off) and off == 1:
        return
    option = values.get("auoptions")
    left_to_the_server = _number(option) and option == 5
    if option is not None and not left_to_the_server:
        yield from _of_option(option, POLICY, understood=(1, 2, 3, 4, 7))
        return
    if not left_to_the_server:
        if mdm is None:
            words = "Whether a device management lets the server restart by itself could not be read."
            yield _unread("AllowAutoUpdate", DEVICE_MANAGEMENT, words)
        elif "allowautoupdate" in mdm:
            yield from _of_management(mdm["allowautoupdate"])
            return
    yield from _of_server(local)


def _of_option(option: Any, source: str, understood: tuple[int, ...]) -> Iterator[Risk]:
    if not _number(option) or option not in understood:
        yield _not_understood("automatic_updates", "AUOptions", option, source)
    elif option == 4:
        words = (
            f"{_SOURCES[source]} lets the server install updates by itself at a scheduled time and restart when nobody "
            "is signed in (AUOptions 4)."
        )
        yield Risk(Likelihood.YES, "automatic_updates", "AUOptions", 4, source, words, _AUTOMATIC_REMEDY)
    elif option == 2:
        words = (
            f"{_SOURCES[source]} lets Windows install whatever a person on the server lets it download (AUOptions 2)."
        )
        yield Risk(Likelihood.CAUTION, "automatic_updates", "AUOptions", 2, source, words, _AUTOMATIC_REMEDY)


def _of_management(option: Any) -> Iterator[Risk]:
    if not _number(option) or option not in range(6):
        yield _not_understood("automatic_updates", "AllowAutoUpdate", option, DEVICE_MANAGEMENT)
    elif option in (1, 2, 3, 4):
        words = (
            f"The device management lets the server install updates by itself and restart (AllowAutoUpdate {option})."
        )
        remedy = f"Change it there, or let a policy win over it: {_AUTOMATIC_REMEDY[0].lower()}{_AUTOMATIC_REMEDY[1:]}"
        yield Risk(Likelihood.YES, "automatic_updates", "AllowAutoUpdate", option, DEVICE_MANAGEMENT, words, remedy)


def _of_server(local: Mapping[str, Any] | None) -> Iterator[Risk]:
    if local is None:
        yield _unread("AUOptions", SERVER_SETTING, "The server's own setting of automatic updates could not be read.")
    elif local.get("auoptions") is None:
        words = "Nothing says how automatic updates work on the server, so the default of its Windows counts."
        yield Risk(Likelihood.CAUTION, "automatic_updates", "AUOptions", None, SERVER_SETTING, words, _AUTOMATIC_REMEDY)
    else:
        yield from _of_option(local["auoptions"], SERVER_SETTING, understood=(0, 1, 2, 3, 4))


def _unread(name: str, source: str, words: str) -> Risk:
    return Risk(Likelihood.UNKNOWN, "automatic_updates", name, None, source, words, _AUTOMATIC_REMEDY)


def _deadline(values: Mapping[str, Any], mdm: Mapping[str, Any] | None) -> Iterator[Risk]:
    name, setting = "ConfigureDeadlineForQualityUpdates", "quality_deadline_days"
    remedy = f"Add {setting} to not_configured."
    days, feature_days = values.get(name.lower()), values.get("configuredeadlineforfeatureupdates")
    flags = [values.get(flag) for flag in ("setcompliancedeadline", "setcompliancedeadlineforqu")]
    on = any(_number(flag) and flag == 1 for flag in flags)
    strange = any(flag is not None and not (_number(flag) and flag in (0, 1)) for flag in flags)
    half = (on and not _number(days) and (days is not None or feature_days is None)) or (
        days is not None and flags == [None, None]
    )
    if on and _number(days):
        words = (
            f"A policy installs quality updates within {days} days and restarts the server after the deadline and its "
            f"grace period ({name})."
        )
        yield Risk(Likelihood.YES, setting, name, days, POLICY, words, remedy)
    elif half or strange:
        words = f"A policy sets a deadline for quality updates only in part; whether it restarts is unknown ({name})."
        yield Risk(Likelihood.UNKNOWN, setting, name, _shown(days), POLICY, words, remedy)
    if feature_days is not None:
        words = "A policy sets a deadline for feature updates, which restarts the server after one of those."
        other = "ConfigureDeadlineForFeatureUpdates"
        yield Risk(
            Likelihood.CAUTION, setting, other, _shown(feature_days), POLICY, words, "Remove it where it was set."
        )
    managed = (mdm or {}).get(name.lower())
    if managed is not None and days is None:
        words = f"The device management sets a deadline after which the server restarts by itself ({name})."
        yield Risk(
            Likelihood.YES,
            setting,
            name,
            _shown(managed),
            DEVICE_MANAGEMENT,
            words,
            "Remove it in the device management.",
        )


def _older_deadlines(values: Mapping[str, Any], mdm: Mapping[str, Any] | None) -> Iterator[Risk]:
    for flag, name, setting in (
        ("SetAutoRestartDeadline", "AutoRestartDeadlinePeriodInDays", "restart_deadline_days"),
        ("SetEngagedRestartTransitionSchedule", "EngagedRestartDeadline", "engaged_restart_deadline_days"),
    ):
        on, days = values.get(flag.lower()), values.get(name.lower())
        remedy = f"Add {setting} to not_configured."
        if on is None:
            managed = (mdm or {}).get(name.lower())
            # The engaged deadline 0 means that there is none (Policy CSP, EngagedRestartDeadline).
            if managed is not None and not (_number(managed) and managed == 0):
                words = f"The device management restarts the server after days when a restart is pending ({name})."
                remedy = "Remove it in the device management."
                yield Risk(Likelihood.YES, setting, name, _shown(managed), DEVICE_MANAGEMENT, words, remedy)
        elif not _number(on) or on not in (0, 1):
            yield _not_understood(setting, flag, on, POLICY)
        elif on == 1 and days is None:
            words = (
                f"A policy restarts the server some days after a restart is pending, and does not say which ({flag})."
            )
            yield Risk(Likelihood.UNKNOWN, setting, flag, 1, POLICY, words, remedy)
        elif on == 1 and not _number(days):
            yield _not_understood(setting, name, days, POLICY)
        elif on == 1 and isinstance(days, int) and days > 0:
            words = f"A policy restarts the server {days} days after a restart is pending ({name})."
            yield Risk(Likelihood.YES, setting, name, days, POLICY, words, remedy)

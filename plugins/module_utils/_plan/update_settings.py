# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The Windows Update settings of Group Policy: one table from a name a person knows to its registry values.

The table feeds the module's options, what is read, what is written, and the test of the documentation. A setting is
"not configured" when its values are not there.

Sources: WindowsUpdate.admx (names, keys, ranges); Microsoft Learn, "Manage additional Windows Update settings", "Manage
device restarts after updates", Policy CSP Update, "Use Windows Update client policies and WSUS together" (a scan
source written to the registry needs UseUpdateClassPolicySource). The deadline has two names: newer ADMX files have
SetComplianceDeadlineForQU and ConfigureDeadlineNoAutoRebootForQualityUpdates, older ones SetComplianceDeadline and
ConfigureDeadlineNoAutoReboot; each Windows passes over the names it does not know, so both are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

#: The two keys of the policy, below HKEY_LOCAL_MACHINE.
ROOT = r"SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate"
AUTOMATIC = ROOT + r"\AU"

AUTOMATIC_UPDATES = "automatic_updates"

#: What the setting "Configure Automatic Updates" means in AUOptions, in words.
AU_OPTIONS: Mapping[int, str] = {
    1: "disabled",
    2: "notify",
    3: "download",
    4: "schedule",
    5: "local_choice",
    7: "notify_restart",
}
#: The same for AllowAutoUpdate of the Policy CSP.
MDM_OPTIONS: Mapping[int, str] = {
    0: "notify",
    1: "install_and_notify_restart",
    2: "install_and_restart",
    3: "schedule",
    4: "install_and_restart_without_control",
    5: "disabled",
}
MEANINGS: Mapping[str, str] = {
    "disabled": "Automatic updates are off.",
    "notify": "Windows notifies before it downloads; what a person lets it download it installs.",
    "download": "Windows downloads and notifies before it installs.",
    "schedule": "Windows downloads, installs at the scheduled time, and restarts.",
    "local_choice": "An administrator of the server chooses.",
    "notify_restart": "Windows downloads, and notifies before it installs and before it restarts.",
    "install_and_notify_restart": "Windows installs by itself and asks for the restart, which it forces after days.",
    "install_and_restart": "Windows installs and restarts by itself.",
    "install_and_restart_without_control": "Windows installs and restarts by itself, whatever a person says.",
}

_DAYS = ("every_day", "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_WEEKS = ("every", "first", "second", "third", "fourth")

#: A value's data.
Raw: TypeAlias = "int | str"
#: A value's name in lower case -> its data; None: it is to be removed.
Writes: TypeAlias = "dict[str, Raw | None]"


@dataclass(frozen=True)
class Setting:
    """One setting.

    :ivar kind: bool, int, str, date, choice or weeks.
    :ivar key: where its values stand.
    :ivar value: its main value; a choice may have more.
    :ivar title: what Group Policy's editor calls it.
    :ivar flags: values that are set to 1 with it.
    :ivar also: values under which older or newer Windows knows the same data.
    :ivar choices: word -> data.
    :ivar mdm: its name in the Policy CSP.
    """

    option: str
    kind: str
    key: str
    value: str
    title: str
    flags: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    choices: Mapping[str, int] = field(default_factory=dict)
    low: int = 0
    high: int = 0
    mdm: str | None = None

    @property
    def main(self) -> tuple[str, ...]:
        """Every value that carries its data."""
        if self.kind == "weeks":
            return tuple(f"ScheduledInstall{week.capitalize()}Week" for week in _WEEKS)
        if self.option == AUTOMATIC_UPDATES:
            return ("NoAutoUpdate", self.value)
        return (self.value, *self.also)


SETTINGS: tuple[Setting, ...] = (
    Setting(
        AUTOMATIC_UPDATES,
        "choice",
        AUTOMATIC,
        "AUOptions",
        "Configure Automatic Updates",
        choices={word: number for number, word in AU_OPTIONS.items()},
        mdm="AllowAutoUpdate",
    ),
    Setting(
        "install_day",
        "choice",
        AUTOMATIC,
        "ScheduledInstallDay",
        "Scheduled install day",
        choices={day: number for number, day in enumerate(_DAYS)},
        mdm="ScheduledInstallDay",
    ),
    Setting(
        "install_time",
        "int",
        AUTOMATIC,
        "ScheduledInstallTime",
        "Scheduled install time",
        high=23,
        mdm="ScheduledInstallTime",
    ),
    Setting("install_weeks", "weeks", AUTOMATIC, "ScheduledInstallEveryWeek", "Weeks of the month of the schedule"),
    Setting(
        "wsus_server",
        "str",
        ROOT,
        "WUServer",
        "Specify intranet Microsoft update service location",
        mdm="UpdateServiceUrl",
    ),
    Setting("wsus_status_server", "str", ROOT, "WUStatusServer", "Set the intranet statistics server"),
    Setting("use_wsus", "bool", AUTOMATIC, "UseWUServer", "Specify intranet Microsoft update service location"),
    Setting("target_group", "str", ROOT, "TargetGroup", "Enable client-side targeting", flags=("TargetGroupEnabled",)),
    Setting(
        "quality_updates_source",
        "choice",
        ROOT,
        "SetPolicyDrivenUpdateSourceForQualityUpdates",
        "Specify source service for specific classes of Windows Updates",
        flags=("UseUpdateClassPolicySource",),
        choices={"windows_update": 0, "wsus": 1},
        mdm="SetPolicyDrivenUpdateSourceForQualityUpdates",
    ),
    Setting(
        "detection_frequency_hours",
        "int",
        AUTOMATIC,
        "DetectionFrequency",
        "Automatic Updates detection frequency",
        flags=("DetectionFrequencyEnabled",),
        low=1,
        high=22,
        mdm="DetectionFrequency",
    ),
    Setting(
        "defer_quality_updates_days",
        "int",
        ROOT,
        "DeferQualityUpdatesPeriodInDays",
        "Select when Quality Updates are received",
        flags=("DeferQualityUpdates",),
        high=30,
        mdm="DeferQualityUpdatesPeriodInDays",
    ),
    Setting(
        "pause_quality_updates_from",
        "date",
        ROOT,
        "PauseQualityUpdatesStartTime",
        "Select when Quality Updates are received",
        mdm="PauseQualityUpdatesStartTime",
    ),
    Setting(
        "exclude_drivers",
        "bool",
        ROOT,
        "ExcludeWUDriversInQualityUpdate",
        "Do not include drivers with Windows Updates",
        mdm="ExcludeWUDriversInQualityUpdate",
    ),
    Setting(
        "include_recommended_updates",
        "bool",
        AUTOMATIC,
        "IncludeRecommendedUpdates",
        "Turn on recommended updates via Automatic Updates",
    ),
    Setting(
        "microsoft_update",
        "bool",
        AUTOMATIC,
        "AllowMUUpdateService",
        "Install updates for other Microsoft products",
        mdm="AllowMUUpdateService",
    ),
    Setting(
        "forbid_internet_locations",
        "bool",
        ROOT,
        "DoNotConnectToWindowsUpdateInternetLocations",
        "Do not connect to any Windows Update Internet locations",
    ),
    Setting(
        "disable_access",
        "bool",
        ROOT,
        "DisableWindowsUpdateAccess",
        "Turn off access to all Windows Update features",
    ),
    Setting(
        "no_restart_with_logged_on_users",
        "bool",
        AUTOMATIC,
        "NoAutoRebootWithLoggedOnUsers",
        "No auto-restart with logged on users for scheduled automatic updates installations",
    ),
    Setting(
        "always_restart_at_scheduled_time",
        "bool",
        AUTOMATIC,
        "AlwaysAutoRebootAtScheduledTime",
        "Always automatically restart at the scheduled time",
    ),
    Setting(
        "always_restart_minutes",
        "int",
        AUTOMATIC,
        "AlwaysAutoRebootAtScheduledTimeMinutes",
        "Always automatically restart at the scheduled time",
        low=15,
        high=180,
    ),
    Setting(
        "active_hours_start",
        "int",
        ROOT,
        "ActiveHoursStart",
        "Turn off auto-restart for updates during active hours",
        flags=("SetActiveHours",),
        high=23,
        mdm="ActiveHoursStart",
    ),
    Setting(
        "active_hours_end",
        "int",
        ROOT,
        "ActiveHoursEnd",
        "Turn off auto-restart for updates during active hours",
        flags=("SetActiveHours",),
        high=23,
        mdm="ActiveHoursEnd",
    ),
    Setting(
        "quality_deadline_days",
        "int",
        ROOT,
        "ConfigureDeadlineForQualityUpdates",
        "Specify deadline for automatic updates and restarts for quality update",
        flags=("SetComplianceDeadlineForQU", "SetComplianceDeadline"),
        high=30,
        mdm="ConfigureDeadlineForQualityUpdates",
    ),
    Setting(
        "quality_deadline_grace_days",
        "int",
        ROOT,
        "ConfigureDeadlineGracePeriod",
        "Specify deadline for automatic updates and restarts for quality update",
        high=7,
        mdm="ConfigureDeadlineGracePeriod",
    ),
    Setting(
        "no_restart_before_deadline",
        "bool",
        ROOT,
        "ConfigureDeadlineNoAutoRebootForQualityUpdates",
        "Specify deadline for automatic updates and restarts for quality update",
        also=("ConfigureDeadlineNoAutoReboot",),
        mdm="ConfigureDeadlineNoAutoRebootForQualityUpdates",
    ),
    Setting(
        "restart_deadline_days",
        "int",
        ROOT,
        "AutoRestartDeadlinePeriodInDays",
        "Specify deadline before auto-restart for update installation",
        flags=("SetAutoRestartDeadline",),
        low=2,
        high=30,
        mdm="AutoRestartDeadlinePeriodInDays",
    ),
    Setting(
        "engaged_restart_deadline_days",
        "int",
        ROOT,
        "EngagedRestartDeadline",
        "Specify Engaged restart transition and notification schedule for updates",
        flags=("SetEngagedRestartTransitionSchedule",),
        low=2,
        high=30,
        mdm="EngagedRestartDeadline",
    ),
)

BY_OPTION: Mapping[str, Setting] = {setting.option: setting for setting in SETTINGS}

#: Flags that stand in another key than their setting.
_FLAG_KEYS = {"useupdateclasspolicysource": AUTOMATIC}
#: A flag stays while one of these is there, which no option of ours writes.
_FLAG_USERS = {
    "setcompliancedeadline": ("configuredeadlineforfeatureupdates",),
    "useupdateclasspolicysource": (
        "setpolicydrivenupdatesourceforfeatureupdates",
        "setpolicydrivenupdatesourcefordriverupdates",
        "setpolicydrivenupdatesourceforotherupdates",
    ),
    "deferqualityupdates": ("pausequalityupdatesstarttime",),
}


def _places() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for setting in SETTINGS:
        for name in setting.main:
            found[name.lower()] = (setting.key, name)
        for name in setting.flags:
            found[name.lower()] = (_FLAG_KEYS.get(name.lower(), setting.key), name)
    for users in _FLAG_USERS.values():
        for name in users:
            found.setdefault(name, (ROOT, name))
    return found


#: Every value of the table, by its name in lower case: its key, and its name as Windows writes it.
PLACES: Mapping[str, tuple[str, str]] = _places()
_TEXTS = frozenset(name.lower() for setting in SETTINGS if setting.kind in ("str", "date") for name in setting.main)


def is_text(name: str) -> bool:
    """Whether a value is a REG_SZ; all others are REG_DWORD."""
    return name.lower() in _TEXTS


# ---- from words to values


def problem(option: str, given: Any) -> str | None:
    """What is wrong with an option's value, in words; its type was checked before."""
    setting = BY_OPTION[option]
    if setting.kind == "int" and not setting.low <= given <= setting.high:
        return f"{option} must be from {setting.low} to {setting.high}, not {given}"
    if setting.kind == "date":
        try:
            date.fromisoformat(given)
        except ValueError:
            return f"{option} must be a day such as 2025-12-20, not {given!r}"
    if setting.kind == "weeks" and (not given or ("every" in given and len(given) > 1)):
        return f"{option} must be every, or one or more of first, second, third and fourth"
    if setting.kind == "str":
        if not given.strip() or len(given) > 400 or not given.isprintable():
            return f"{option} must be one line of text that is not empty"
        if option.startswith("wsus_") and not re.match(r"https?://[^/\s]+", given, re.IGNORECASE):
            return f"{option} must be an address that begins with http:// or https://, not {given!r}"
    return None


def writes_for(option: str, given: Any) -> Writes:
    """The values that say this, those to be removed included."""
    setting = BY_OPTION[option]
    if option == AUTOMATIC_UPDATES:
        return {"noautoupdate": 1, "auoptions": None} if given == "disabled" else {
            "noautoupdate": 0, "auoptions": setting.choices[given],
        }  # fmt: skip
    if setting.kind == "weeks":
        return {name.lower(): 1 if week in given else None for week, name in zip(_WEEKS, setting.main, strict=True)}
    data: Raw = setting.choices[given] if setting.kind == "choice" else int(given) if setting.kind == "bool" else given
    written: Writes = {name.lower(): data for name in setting.main}
    return written | {name.lower(): 1 for name in setting.flags}


def target(wanted: Mapping[str, Any], not_configured: list[str], values: Mapping[str, Raw]) -> dict[str, Raw]:
    """The values after a change.

    :param wanted: option -> what it is to be.
    :param not_configured: options whose values are to go.
    :param values: the values now, by name in lower case.
    """
    after = dict(values)
    for option in not_configured:
        for name in BY_OPTION[option].main:
            after.pop(name.lower(), None)
    for option, given in wanted.items():
        for name, data in writes_for(option, given).items():
            if data is None:
                after.pop(name, None)
            else:
                after[name] = data
    for option in not_configured:
        for flag in (name.lower() for name in BY_OPTION[option].flags):
            if not any(user in after for user in _users(flag)):
                after.pop(flag, None)
    return after


def _users(flag: str) -> Iterator[str]:
    yield from _FLAG_USERS.get(flag, ())
    for setting in SETTINGS:
        if flag in (name.lower() for name in setting.flags):
            yield from (name.lower() for name in setting.main)


def changes(before: Mapping[str, Raw], after: Mapping[str, Raw]) -> Writes:
    """What has to be written (None: removed) to get from one to the other."""
    found: Writes = {name: after.get(name) for name in sorted({*before, *after}) if before.get(name) != after.get(name)}
    return found


# ---- from values to words


def read_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the policy's values say, by option; a value that says nothing understood is given as it is.

    A value whose flag is not 1 is not in force, so it says nothing.

    :param values: by name in lower case.
    """
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        said = _read(setting, values)
        if said is not None:
            found[setting.option] = said
    return found


def _read(setting: Setting, values: Mapping[str, Any]) -> Any:
    if setting.option == AUTOMATIC_UPDATES:
        if values.get("noautoupdate") == 1:
            return "disabled"
        number = values.get("auoptions")
        return AU_OPTIONS.get(number, number) if isinstance(number, int) else number
    if setting.kind == "weeks":
        weeks = [week for week, name in zip(_WEEKS, setting.main, strict=True) if values.get(name.lower()) == 1]
        return weeks or None
    if setting.flags and not any(values.get(flag.lower()) == 1 for flag in setting.flags):
        return None
    data = next((values[name.lower()] for name in setting.main if name.lower() in values), None)
    return in_words(setting, data)


def in_words(setting: Setting, data: Any) -> Any:
    """A value's data as the option has it; as it is when that is not possible."""
    if setting.kind == "bool":
        return {0: False, 1: True}.get(data, data) if isinstance(data, int) else data
    if setting.kind == "choice":
        return next((word for word, number in setting.choices.items() if number == data), data)
    return data


def mdm_words(setting: Setting, data: Any) -> Any:
    """The same for a value of the Policy CSP, which has numbers of its own for automatic updates."""
    if setting.option == AUTOMATIC_UPDATES:
        return MDM_OPTIONS.get(data, data) if isinstance(data, int) else data
    return in_words(setting, data)


def say(setting: Setting, said: Any) -> str:
    """A setting's value as a sentence."""
    if setting.option == AUTOMATIC_UPDATES and said in MEANINGS:
        return MEANINGS[said]
    shown = "on" if said is True else "off" if said is False else ", ".join(said) if isinstance(said, list) else said
    return f"{setting.title}: {shown}."

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy values the lab knows: in which key each stands, and whether it is a number or a text.

Names, keys and types: WindowsUpdate.admx (Windows Server 2022 and 2025) and DeviceGuard.admx; Microsoft Learn, "Manage
device restarts after updates" and "Manage additional Windows Update settings".
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import REG_DWORD, REG_SZ

POLICIES = r"HKLM\SOFTWARE\Policies\Microsoft\Windows"
WINDOWS_UPDATE = POLICIES + r"\WindowsUpdate"
AUTOMATIC = WINDOWS_UPDATE + r"\AU"
DEVICE_GUARD = POLICIES + r"\DeviceGuard"

_AUTOMATIC_NUMBERS = (
    "AUOptions",
    "AllowMUUpdateService",
    "AlwaysAutoRebootAtScheduledTime",
    "AlwaysAutoRebootAtScheduledTimeMinutes",
    "AutoInstallMinorUpdates",
    "AutomaticMaintenanceEnabled",
    "DetectionFrequency",
    "DetectionFrequencyEnabled",
    "IncludeRecommendedUpdates",
    "NoAutoRebootWithLoggedOnUsers",
    "NoAutoUpdate",
    "ScheduledInstallDay",
    "ScheduledInstallEveryWeek",
    "ScheduledInstallFirstWeek",
    "ScheduledInstallFourthWeek",
    "ScheduledInstallSecondWeek",
    "ScheduledInstallThirdWeek",
    "ScheduledInstallTime",
    "UseUpdateClassPolicySource",
    "UseWUServer",
)
_UPDATE_NUMBERS = (
    "ActiveHoursEnd",
    "ActiveHoursStart",
    "AutoRestartDeadlinePeriodInDays",
    "ConfigureDeadlineForFeatureUpdates",
    "ConfigureDeadlineForQualityUpdates",
    "ConfigureDeadlineGracePeriod",
    "ConfigureDeadlineNoAutoReboot",
    "ConfigureDeadlineNoAutoRebootForQualityUpdates",
    "DeferFeatureUpdates",
    "DeferFeatureUpdatesPeriodInDays",
    "DeferQualityUpdates",
    "DeferQualityUpdatesPeriodInDays",
    "DisableWindowsUpdateAccess",
    "DoNotConnectToWindowsUpdateInternetLocations",
    "EngagedRestartDeadline",
    "ExcludeWUDriversInQualityUpdate",
    "SetActiveHours",
    "SetAutoRestartDeadline",
    "SetComplianceDeadline",
    "SetComplianceDeadlineForQU",
    "SetDisableUXWUAccess",
    "SetEngagedRestartTransitionSchedule",
    "SetPolicyDrivenUpdateSourceForDriverUpdates",
    "SetPolicyDrivenUpdateSourceForFeatureUpdates",
    "SetPolicyDrivenUpdateSourceForOtherUpdates",
    "SetPolicyDrivenUpdateSourceForQualityUpdates",
    "TargetGroupEnabled",
    "TargetReleaseVersion",
)
_UPDATE_TEXTS = (
    "PauseQualityUpdatesStartTime",
    "ProductVersion",
    "TargetGroup",
    "TargetReleaseVersionInfo",
    "UpdateServiceUrlAlternate",
    "WUServer",
    "WUStatusServer",
)
_GUARD_NUMBERS = (
    "ConfigureSystemGuardLaunch",
    "EnableVirtualizationBasedSecurity",
    "HVCIMATRequired",
    "HypervisorEnforcedCodeIntegrity",
    "LsaCfgFlags",
    "RequirePlatformSecurityFeatures",
)

#: Where a policy value stands and whether it is a number or a text, by its name in lower case.
PLACES: Mapping[str, tuple[str, str, int]] = {
    name.lower(): (key, name, kind)
    for key, kind, names in (
        (AUTOMATIC, REG_DWORD, _AUTOMATIC_NUMBERS),
        (WINDOWS_UPDATE, REG_DWORD, _UPDATE_NUMBERS),
        (WINDOWS_UPDATE, REG_SZ, _UPDATE_TEXTS),
        (DEVICE_GUARD, REG_DWORD, _GUARD_NUMBERS),
    )
    for name in names
}


def place(name: str) -> tuple[str, str, int] | None:
    """Key, name as Windows writes it, and registry type of a policy value; None when the lab does not know it."""
    return PLACES.get(name.lower())

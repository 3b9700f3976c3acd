# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Whether a server may be enrolled for hotpatches, with every blocker named at once.

Rules of windowsserverdocs, hotpatch for Arc, 2025-10-30: Windows Server 2025 Standard or Datacenter, build 26100.1742
or later, virtualization-based security running, UEFI with Secure Boot, connected to Azure Arc. Azure Edition needs no
Arc. Being eligible, being enrolled and being on the track are three different questions. What could not be
read never passes: it makes the answer unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.blockers import (
    Blocker,
    FixPlan,
    fix_plan,
    in_order,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product, identify_product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import SERVER_2025

FLOOR = Build(26100, 1742)
VBS_RUNNING = 2

# Firmware switches, the VBS setting and a cumulative update all take effect at the same restart.
_ONE_RESTART = ("build_below_floor", "bios_firmware", "secure_boot_off", "vbs_not_enabled", "vbs_not_running")
# A client, an old server or an unknown system needs none of the rest explained.
_NOTHING_MORE = ("not_windows_server", "product_without_hotpatch", "product_unknown")


@dataclass(frozen=True)
class Caution:
    """Something that does not block but will be noticed."""

    code: str
    words: str

    def as_dict(self) -> dict[str, Any]:
        return {"code": self.code, "words": self.words}


@dataclass(frozen=True)
class Eligibility:
    """``eligible`` is None when nothing is known to be wrong but something could not be read."""

    eligible: bool | None
    blockers: tuple[Blocker, ...] = ()
    warnings: tuple[Caution, ...] = ()
    enrolled: bool | None = None
    opted_out: bool | None = None

    @property
    def fixes(self) -> FixPlan:
        return fix_plan(self.blockers)

    def as_dict(self) -> dict[str, Any]:
        return {
            "eligible": self.eligible,
            "blockers": [blocker.as_dict() for blocker in self.blockers],
            "warnings": [warning.as_dict() for warning in self.warnings],
            "fix_plan": self.fixes.as_dict(),
            "enrolled": self.enrolled,
            "opted_out": self.opted_out,
        }


def product_of(facts: Mapping[str, Any]) -> Product:
    """The product that a server's facts describe."""
    system = facts.get("os") or {}
    return identify_product(
        system.get("build"),
        system.get("product_type"),
        system.get("edition_id"),
        system.get("sku"),
        system.get("installation_type"),
    )


def build_of(facts: Mapping[str, Any]) -> Build | None:
    """Build and revision of a server's facts; None when either is unknown."""
    return Build.read((facts.get("os") or {}).get("build_ubr"))


def evaluate(
    facts: Mapping[str, Any],
    *,
    enrolled: bool | None = None,
    opted_out: bool | None = None,
    platform: str | None = None,
) -> Eligibility:
    """Judge a server's facts.

    :param enrolled: passed through; enrollment never makes a server eligible.
    :param platform: ``azure`` for an Azure VM, which cannot be connected to Arc; None when unknown.
    """
    product = product_of(facts)
    found = _product_blockers(product)
    if not any(blocker.code in _NOTHING_MORE for blocker in found):
        found += _build_blockers(facts, product)
        found += _firmware_blockers(facts.get("firmware") or {}, facts.get("hardware") or {})
        found += _vbs_blockers(facts.get("vbs") or {})
        if product.id == SERVER_2025 and not product.azure_edition:
            found += _arc_blockers(facts.get("arc") or {}, platform)
    blockers = in_order(found)
    if any(not blocker.unknown for blocker in blockers):
        eligible: bool | None = False
    else:
        eligible = None if blockers else True
    return Eligibility(eligible, blockers, _warnings(facts, product), enrolled, opted_out)


def _product_blockers(product: Product) -> list[Blocker]:
    if product.is_server is False:
        return [
            Blocker(
                "not_windows_server",
                f"This is {product.name}, a client; it shares builds with Windows Server but is none.",
                "product type 1 (workstation)",
                None,
            )
        ]
    if not product.known:
        return [
            Blocker(
                "product_unknown",
                f"This is {product.name}; Insider builds and unknown products have no hotpatches.",
                product.name,
                "Read the server again, or install a released Windows Server.",
                unknown=True,
            )
        ]
    if product.edition is None:
        return [
            Blocker(
                "edition_unknown",
                "The edition could not be read.",
                "EditionID and SKU are unknown",
                "Read the server again with an account that may read its registry.",
                unknown=True,
            )
        ]
    if product.hotpatch_capable is False:
        if product.id == SERVER_2025:
            return [
                Blocker(
                    "edition_without_hotpatch",
                    f"The edition {product.edition} has no hotpatches; Standard, Datacenter and Azure Edition have.",
                    f"edition {product.edition}",
                    None,
                )
            ]
        return [
            Blocker(
                "product_without_hotpatch",
                f"{product.name} has no hotpatches.",
                f"product {product.id}",
                None,
            )
        ]
    return []


def _build_blockers(facts: Mapping[str, Any], product: Product) -> list[Blocker]:
    if product.id != SERVER_2025:
        return []
    build = build_of(facts)
    if build is None:
        return [
            Blocker(
                "build_unknown",
                "The build and its revision could not be read.",
                "UBR is unknown",
                "Read the server again with an account that may read its registry.",
                unknown=True,
            )
        ]
    if build < FLOOR:
        return [
            Blocker(
                "build_below_floor",
                f"Build {build} is older than {FLOOR}, the first that may have hotpatches.",
                f"build {build}",
                "Install the current cumulative update and restart.",
                restart=True,
                shares_restart_with=_others("build_below_floor"),
            )
        ]
    return []


def _firmware_blockers(firmware: Mapping[str, Any], hardware: Mapping[str, Any]) -> list[Blocker]:
    kind, secure = firmware.get("type"), firmware.get("secure_boot")
    found = []
    if kind == "bios":
        virtual = "virtual" in str(hardware.get("model") or "").casefold()
        fix = (
            "Move the server to a Generation 2 virtual machine, with Secure Boot on."
            if virtual
            else "Convert the system disk to GPT (mbr2gpt) and switch the firmware to UEFI, with a backup at hand."
        )
        found.append(
            Blocker(
                "bios_firmware",
                "It starts from BIOS firmware; UEFI with Secure Boot is needed.",
                "firmware type bios",
                fix,
                restart=True,
                shares_restart_with=_others("bios_firmware"),
            )
        )
    elif kind != "uefi":
        found.append(_unread("firmware_unknown", "Whether it starts from UEFI could not be read.", "firmware type"))
    if secure is False:
        found.append(
            Blocker(
                "secure_boot_off",
                "Secure Boot is off.",
                "Secure Boot state 0",
                "Turn Secure Boot on in the firmware or in the settings of the virtual machine.",
                restart=True,
                shares_restart_with=_others("secure_boot_off"),
            )
        )
    elif secure is not True and kind != "bios":
        found.append(_unread("secure_boot_unknown", "Whether Secure Boot is on could not be read.", "Secure Boot"))
    return found


def _vbs_blockers(vbs: Mapping[str, Any]) -> list[Blocker]:
    status = None if isinstance(vbs.get("status"), bool) else vbs.get("status")
    if status == VBS_RUNNING:
        return []
    if status == 0:
        return [
            Blocker(
                "vbs_not_enabled",
                "Virtualization-based security is not enabled.",
                "VirtualizationBasedSecurityStatus 0",
                r"Set EnableVirtualizationBasedSecurity to 1 below HKLM\SYSTEM\CurrentControlSet\Control\DeviceGuard, "
                "or use the Group Policy, restart, and check for status 2.",
                restart=True,
                shares_restart_with=_others("vbs_not_enabled"),
            )
        ]
    if status == 1:
        return [
            Blocker(
                "vbs_not_running",
                "Virtualization-based security is enabled but not running.",
                "VirtualizationBasedSecurityStatus 1",
                "Restart if it was enabled since the last start; else let the hardware or the virtual machine offer "
                "virtualization and Secure Boot, and check for status 2.",
                restart=True,
                shares_restart_with=_others("vbs_not_running"),
            )
        ]
    why = vbs.get("why_unknown")
    words = "Whether virtualization-based security runs could not be read."
    return [_unread("vbs_unknown", words, str(why) if why else "VirtualizationBasedSecurityStatus")]


def _arc_blockers(arc: Mapping[str, Any], platform: str | None) -> list[Blocker]:
    if platform == "azure":
        return [
            Blocker(
                "azure_vm_needs_azure_edition",
                "An Azure VM cannot be connected to Arc; only Datacenter: Azure Edition has hotpatches there.",
                "declared platform azure",
                None,
            )
        ]
    installed, service, status = arc.get("installed"), arc.get("service"), arc.get("status")
    if installed is False or service == "absent":
        return [
            Blocker(
                "arc_missing",
                "The Azure Connected Machine agent is not installed.",
                "service himds absent",
                "Install the agent and connect the server (azcmagent connect).",
            )
        ]
    shown = str(status or "").casefold()
    detail = ", ".join(str(part) for part in (arc.get("error_code"), arc.get("error_details")) if part)
    evidence = f"service {service or 'unknown'}, status {status or 'unknown'}{', ' + detail if detail else ''}"
    if shown == "expired":
        return [
            Blocker(
                "arc_expired",
                "The Arc connection has expired: the machine's identity is no longer valid.",
                evidence,
                "Disconnect with --force-local-only, delete the resource if it is left, and connect again; note the "
                "role assignments of the old identity first.",
            )
        ]
    if shown == "disconnected" or (installed is True and service == "stopped"):
        return [
            Blocker(
                "arc_disconnected",
                "The Arc agent has no contact with Azure.",
                evidence,
                "Start the service himds and check the network (azcmagent check), dls.microsoft.com included.",
            )
        ]
    if shown == "connected" and installed is True and service == "running":
        return []
    if shown and shown != "connected":
        return [
            Blocker(
                "arc_not_connected",
                f"The Arc agent is not connected; it says {status}.",
                evidence,
                "Look at azcmagent show and its log, and connect the server.",
            )
        ]
    return [_unread("arc_unknown", "Whether the server is connected to Azure Arc could not be read.", evidence)]


def _warnings(facts: Mapping[str, Any], product: Product) -> tuple[Caution, ...]:
    found = []
    if product.evaluation:
        words = "Evaluation editions are not on Microsoft's list; hotpatching worked there for some."
        found.append(Caution("evaluation_edition", words))
    policy = facts.get("update_policy") or {}
    if policy.get("use_wsus") is True:
        server = policy.get("wsus_server")
        where = f"WSUS ({server})" if server else "WSUS"
        words = f"Updates come from {where}: a hotpatch arrives only when it is approved there."
        found.append(Caution("wsus", words))
    return tuple(found)


def _others(code: str) -> tuple[str, ...]:
    return tuple(other for other in _ONE_RESTART if other != code)


def _unread(code: str, words: str, evidence: str) -> Blocker:
    fix = "Find out why it could not be read, and read the server again."
    return Blocker(code, words, evidence, fix, unknown=True)

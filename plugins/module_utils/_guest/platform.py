# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Where a server runs, by what it shows: two CIM classes and three registry queries; the judgement is a pure rule.

Sources: Win32_SystemEnclosure.SMBIOSAssetTag (Hyper-V's ChassisAssetTag); the registry key of Hyper-V's integration
services below ``Virtual Machine\\Guest\\Parameters``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.platform_kind import Platform, classify
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    BadAnswer,
    Fault,
    OutcomeUnknown,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean, read_registry
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import StepAnswer
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import as_str

CIMV2 = "root/cimv2"
_VERSION = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_GUEST = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Virtual Machine\Guest\Parameters"

#: Steps for the cmd shell that belong to it; constants.
HOST_STEPS = {
    "edition": f'reg query "{_VERSION.replace("HKEY_LOCAL_MACHINE", "HKLM")}" /v EditionID 2>nul',
    "product": f'reg query "{_VERSION.replace("HKEY_LOCAL_MACHINE", "HKLM")}" /v ProductName 2>nul',
    "guest": f'reg query "{_GUEST.replace("HKEY_LOCAL_MACHINE", "HKLM")}" 2>nul',
}


@dataclass(frozen=True)
class PlatformRows:
    """What CIM says; with the answers of HOST_STEPS it is judged."""

    asset_tag: str | None
    manufacturer: str | None
    model: str | None

    def judge(self, steps: Mapping[str, StepAnswer], cloud_provider: str | None) -> Platform:
        """The platform.

        :param cloud_provider: what the Arc agent says of it, where there is one.
        """
        read = [name for name in HOST_STEPS if name in steps and steps[name].ok]
        registry = read_registry("\n".join(steps[name].text for name in read))

        def text(step: str, path: str, name: str) -> str | None:
            return clean(registry.text(path, name) or "") if step in read else None

        return classify(
            {
                "asset_tag": self.asset_tag,
                "manufacturer": self.manufacturer,
                "model": self.model,
                "edition_id": text("edition", _VERSION, "EditionID"),
                "product_name": text("product", _VERSION, "ProductName"),
                "host_sku": text("guest", _GUEST, "HostingSystemEditionId"),
                "cloud_provider": cloud_provider,
            }
        )


def read_platform(client: ClientPort, notes: list[str]) -> PlatformRows:
    """Read the two classes; what could not be read is None, with a note. An empty text was read.

    :raises Unreachable: the server cannot be talked to.
    """
    enclosure = _row(client, "SELECT SMBIOSAssetTag FROM Win32_SystemEnclosure", ("SMBIOSAssetTag",), notes)
    system = _row(client, "SELECT Manufacturer, Model FROM Win32_ComputerSystem", ("Manufacturer", "Model"), notes)
    return PlatformRows(enclosure.get("SMBIOSAssetTag"), system.get("Manufacturer"), system.get("Model"))


def _row(client: ClientPort, wql: str, names: tuple[str, ...], notes: list[str]) -> dict[str, str]:
    try:
        rows = list(client.enumerate(CIMV2, wql))
        if rows:
            return {name: clean(as_str(rows[0], name) or "") for name in names}
        notes.append(f"The platform could not be read: no row for {wql}.")
    except (Fault, BadAnswer, AnswerTimeout, OutcomeUnknown) as error:
        notes.append(f"The platform could not be read: {clean(error.message)}")
    return {}

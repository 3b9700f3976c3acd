# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arc machines that only Azure has: no server of the lab stands behind them, so that thousands cost little.

They are read, enrolled and taken out like others, at once; nothing can be installed on them. The fleet file asks for
them with ``azure: {extra_machines: 5000}``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date

from ansible_collections.winops.hotpatch.plugins.module_utils._release.calendar import month_of
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue, Unknown
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import SERVER_2022_AZURE, SERVER_2025
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import (
    ArcMachine,
    AzureSettings,
    Reported,
)

_IDS = uuid.UUID("7f3f1d52-8a4e-4a27-9f53-5b8d1f3f0c11")
_PLACES = ("westeurope", "northeurope", "eastus", "uksouth")
_STAGES = ("prod", "prod", "prod", "test")
_EDITIONS = (("Datacenter", "Windows Server 2025 Datacenter"), ("Standard", "Windows Server 2025 Standard"))


def azure_only(settings: AzureSettings, as_of: date) -> Iterator[ArcMachine]:
    """The extra machines of a fleet; the same at every start.

    Of ten, seven are enrolled and one of these is paused, one has lost contact, and one is Windows Server 2022.
    """
    builds = _builds(as_of)
    for number in range(1, settings.extra_machines + 1):
        name = f"arc{number:05d}"
        kind = number % 10
        edition, caption = _EDITIONS[number % 2]
        licence = "paused" if kind == 7 else "enrolled" if 1 <= kind <= 6 else ""
        build = builds["hotpatch" if licence == "enrolled" else "lcu"]
        if kind == 0:
            edition, caption, build = "Standard", "Windows Server 2022 Standard", builds["2022"]
        yield ArcMachine(
            name=name,
            resource_group=settings.resource_groups[number % len(settings.resource_groups)],
            subscription_id=settings.subscription_id,
            tenant_id=settings.tenant_id,
            location=_PLACES[number % len(_PLACES)],
            vm_id=str(uuid.uuid5(_IDS, name)),
            tags={"stage": _STAGES[number % len(_STAGES)], "site": f"site{number % 7}"},
            status="Disconnected" if kind == 9 else "Connected",
            reported=Reported(f"10.0.{build}", caption, edition, f"{name}.example.com", licence),
        )


def _builds(as_of: date) -> dict[str, str]:
    """Builds of the releases of that day."""
    catalogue = Catalogue.shipped(as_of)
    hotpatch = catalogue.latest_hotpatch(SERVER_2025, month_of(as_of))
    found = {}
    for name, product, bare in (("lcu", SERVER_2025, "26100.1742"), ("2022", SERVER_2022_AZURE, "20348.169")):
        latest = catalogue.latest_lcu(product)
        found[name] = bare if isinstance(latest, Unknown) or not latest.builds else str(latest.builds[-1])
    found["hotpatch"] = str(hotpatch.builds[-1]) if hotpatch is not None and hotpatch.builds else found["lcu"]
    return found

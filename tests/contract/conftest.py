# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The validator of Azure's traffic, where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.azure_recording import ROOT, contract_folder, install_contract


@pytest.fixture(scope="session")
def contract() -> Path:
    """Microsoft's specifications and their validator, ready to run."""
    folder = contract_folder()
    if folder is None:
        pytest.skip("azure-contract, node or npm are not at hand")
    return install_contract(folder, ROOT / ".cache")

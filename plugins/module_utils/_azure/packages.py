# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The Azure packages, which not everybody has: a missing one ends in a sentence, not in a traceback."""

from __future__ import annotations

import importlib
import logging
from types import ModuleType

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import NotSupported

#: Import name and name on PyPI.
_PACKAGES = (
    ("azure.core", "azure-core"),
    ("azure.mgmt.core", "azure-mgmt-core"),
    ("azure.identity", "azure-identity"),
    ("azure.mgmt.hybridcompute", "azure-mgmt-hybridcompute"),
)


# Their logger complains on the standard error where nobody has set it up; what went wrong is said in our errors.
logging.getLogger("azure").addHandler(logging.NullHandler())


def azure(name: str) -> ModuleType:
    """Import a module of the Azure packages at the moment it is needed.

    :raises NotSupported: it is not installed where this runs.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = next((package for module, package in reversed(_PACKAGES) if name.startswith(module)), name)
        raise NotSupported(
            f"The Python package {package} is needed to talk to Azure, and cannot be imported: {error}.",
            code="package_missing",
            hint="Install the packages of meta/azure-requirements.txt for the Python that runs Ansible's modules here.",
        ) from None

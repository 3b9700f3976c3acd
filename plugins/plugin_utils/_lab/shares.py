# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file server of the lab's network, for copying from it.

A command of WinRM runs with a network logon, which has no credentials to pass on: ``\\\\files\\agents`` asks for a
login and so refuses it, ``\\\\files\\public`` lets everybody in.
"""

from __future__ import annotations

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError, denied, not_found
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.internet import LATEST_AGENT
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.msi import make_package

_SERVER = "files"
_FILES = ("azureconnectedmachineagent.msi",)


def is_share(path: str) -> bool:
    """Whether a path names a share."""
    return path.strip('"').startswith("\\\\") and not path.strip('"').startswith("\\\\?\\")


def read_share(path: str) -> bytes:
    """The content of a file of a share.

    :raises DiskError: no such server, no access, or no such file.
    """
    parts = path.strip('"').lower().strip("\\").split("\\")
    if parts[0] != _SERVER:
        raise DiskError(53, "The network path was not found.")
    if len(parts) < 2 or parts[1] not in {"agents", "public"}:
        raise DiskError(67, "The network name cannot be found.")
    if parts[1] == "agents":
        raise denied()
    if len(parts) != 3 or parts[2] not in _FILES:
        raise not_found()
    return make_package(LATEST_AGENT)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The update scripts that the lab plays, by the SHA-256 of their bytes.

There is no PowerShell here: the lab does not run a script, it does what this script does on a real server. Any other
text is refused, so that a changed script cannot pass by accident. A test holds the shipped script against this table.
"""

from __future__ import annotations

# SHA-256 of the file as it stands on the server -> version of the contract that it speaks.
KNOWN_SCRIPTS: dict[str, int] = {
    "63c4f73c53fa1a5ec0a0bc3a574ae8aa7784436bc658071a82341109af29c957": 1,
}

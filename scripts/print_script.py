# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the PowerShell script that the collection places on servers to .cache, to read it or check it elsewhere."""

from __future__ import annotations

from ansible_collections.winops.hotpatch.plugins.module_utils._guest import update_script
from scripts.collection_tree import CHECKOUT


def main() -> None:
    """Write the script, byte for byte as a server gets it, and say where and with which hash."""
    target = CHECKOUT / ".cache" / update_script.FILE_NAME
    target.write_bytes(update_script.as_bytes())
    print(f"{target.relative_to(CHECKOUT)}  SHA-256 {update_script.SHA256}")


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m ansible_collections.winops.hotpatch.plugins.plugin_utils._lab``: the lab in the foreground.

Only the standard library is imported here, so that a missing package ends in a sentence.
"""

from __future__ import annotations

import importlib
import sys

# Import name and name on PyPI of what the lab needs beside ansible-core.
_NEEDED = {"yaml": "PyYAML", "h11": "h11", "spnego": "pyspnego", "cryptography": "cryptography"}


def missing_packages() -> list[str]:
    """The PyPI names of the packages that cannot be imported."""
    missing = []
    for module, package in _NEEDED.items():
        try:
            importlib.import_module(module)
        except ImportError:
            missing.append(package)
    return missing


def main(arguments: list[str]) -> int:
    """Run the lab; the exit status is 2 for what the person has to put right first."""
    missing = missing_packages()
    if missing:
        print(f"The lab needs packages that are not installed: pip install {' '.join(missing)}", file=sys.stderr)
        return 2
    cli = importlib.import_module("ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cli")
    status: int = cli.run(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let Ansible find the collection in a checkout that may lie anywhere under any name.

Ansible finds a collection only at ``.../ansible_collections/<namespace>/<name>``. The tree made here is such a path, in
the temporary folder, whose last part is a link to the checkout: it must lie outside the checkout, or whatever walks the
checkout would walk in circles.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def collection_path() -> Path:
    """Return ``ansible_collections/<namespace>/<name>`` as galaxy.yml names them (read without a YAML parser)."""
    text = (CHECKOUT / "galaxy.yml").read_text(encoding="utf-8")
    named = dict(re.findall(r"^(namespace|name): *(\w+)$", text, flags=re.MULTILINE))
    return Path("ansible_collections", named["namespace"], named["name"])


def build_tree() -> Path:
    """Make the tree, an empty Ansible configuration and a home for Ansible's own files; return its root."""
    tree = Path(tempfile.mkdtemp(prefix="winops-hotpatch-"))
    link = tree / collection_path()
    link.parent.mkdir(parents=True)
    link.symlink_to(CHECKOUT, target_is_directory=True)
    (tree / "ansible.cfg").touch()
    return tree


def remove_tree(tree: Path) -> None:
    """Remove the tree, never what its link points to; a tree already gone is fine."""
    shutil.rmtree(tree, ignore_errors=True)


def environment_for(tree: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which Ansible sees this tree and nothing of the person's own Ansible set-up.

    The lab listens on loopback, so a proxy that the person has set must not stand between.
    """
    ours = {name: value for name, value in environment.items() if not name.startswith("ANSIBLE_")}
    direct = ",".join(filter(None, [ours.get("NO_PROXY") or ours.get("no_proxy"), "127.0.0.1", "localhost"]))
    return ours | {
        "ANSIBLE_COLLECTIONS_PATH": str(tree),
        "ANSIBLE_CONFIG": str(tree / "ansible.cfg"),
        "ANSIBLE_HOME": str(tree / "ansible-home"),
        "ANSIBLE_LOCAL_TEMP": str(tree / "ansible-home" / "tmp"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CHECKOUT / ".cache" / "hypothesis"),
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def set_environment(tree: Path) -> None:
    """Give this process, and all that it starts, the environment of :func:`environment_for`."""
    wanted = environment_for(tree, os.environ)
    os.environ.clear()
    os.environ.update(wanted)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the checkout where Ansible and Python look for the collection, for the time of a test run.

The work is done on import, because test modules and their own conftest files import from ``ansible_collections``. The
workers of pytest-xdist inherit the tree of the process that started them.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

import pytest

from scripts.collection_tree import build_tree, remove_tree, set_environment

_INHERITED = "WINOPS_HOTPATCH_TEST_TREE"


def _tree() -> Path:
    """Return the tree of this run, made by whichever process of it came first."""
    inherited = os.environ.get(_INHERITED)
    if inherited and "PYTEST_XDIST_WORKER" in os.environ:
        return Path(inherited)
    tree = build_tree()
    atexit.register(remove_tree, tree)
    os.environ[_INHERITED] = str(tree)
    return tree


TREE = _tree()
set_environment(TREE)
sys.path.insert(0, str(TREE))

# At once, not in pytest_configure: conftest files of folders named on the command line are imported before that,
# and a collection that was imported without Ansible's own finder cannot be imported with it any more. It reads the
# environment when it is imported, hence only here.
from ansible.plugins.loader import init_plugin_loader  # noqa: E402

init_plugin_loader([str(TREE)])


@pytest.fixture(scope="session")
def collections_path() -> Path:
    """The folder that holds ``ansible_collections``; ANSIBLE_COLLECTIONS_PATH names it already."""
    return TREE

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other major of Arc's SDK: 9.0.0, the one that goes together with azure.azcollection, with azure-mgmt-core 1.4.0.

It is put before the installed packages for a pytest of its own, which holds the same traffic to the same recording.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("azure-mgmt-hybridcompute==9.0.0", "azure-mgmt-core==1.4.0", "azure-common>=1.1,<2")
TESTS = (
    "tests/contract/test_enrollment_traffic.py",
    "tests/wire/test_enrollment.py::test_enrolling_reaches_the_server",
    "tests/wire/test_enrollment.py::test_leaving_and_coming_back",
    "tests/wire/test_enrollment.py::test_a_write_whose_answer_is_missing_is_not_repeated",
    "tests/wire/test_enrollment.py::test_a_provider_is_not_registered_by_itself",
    "tests/wire/test_enrollment.py::test_one_of_many_fails",
)


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder with the older packages; installed once for all runs of a checkout."""
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    folder = cache / f"azure-nine-{sys.version_info.major}.{sys.version_info.minor}"
    stamp = hashlib.sha256(" ".join((*PACKAGES, sys.version)).encode()).hexdigest()
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = folder / "installed"
        if not installed.is_file() or installed.read_text() != stamp:
            pip = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--quiet",
                "--no-deps",
                "--upgrade",
                "--target",
                str(folder),
            ]
            subprocess.run([*pip, *PACKAGES], check=True)
            installed.write_text(stamp)
    return folder


def test_the_older_sdk_sends_the_same(packages: Path) -> None:
    environment = {key: text for key, text in os.environ.items() if not key.startswith(("PYTEST_", "WINOPS_"))}
    environment["PYTHONPATH"] = str(packages)
    version = "from importlib.metadata import version; print(version('azure-mgmt-hybridcompute'))"
    found = subprocess.run([sys.executable, "-c", version], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "9.0.0"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", *TESTS],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

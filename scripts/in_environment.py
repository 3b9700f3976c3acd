# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command with what it needs installed: ``python -m scripts.in_environment SET COMMAND [ARGUMENT ...]``.

SET names a file of ``requirements/``. Its packages go into ``.cache/venv-<X.Y>``, one for each Python, by the Python
that runs this file; the command runs with that environment first on PATH, inside a collection tree that is removed
afterwards. Each set holds the one before it (demo, test, lint), so one environment serves them all and the demo
installs least.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from scripts.collection_tree import CHECKOUT, build_tree, environment_for, remove_tree

SETS = ("demo", "test", "lint")
CACHE = CHECKOUT / ".cache"


def fingerprint(name: str) -> str:
    """Hash all that decides what the set holds: its file, the files it includes, and the Python.

    The Python is the one below any environment: called with the environment active, this must not take it for outdated,
    remove it, and with it the Python that runs this.
    """
    digest = hashlib.sha256(sys.version.encode() + sys.base_prefix.encode())
    for included in ("../meta/ee-requirements", "../meta/azure-requirements", *SETS[: SETS.index(name) + 1]):
        digest.update((CHECKOUT / "requirements" / f"{included}.txt").read_bytes())
    return digest.hexdigest()


def is_installed(name: str, venv: Path) -> bool:
    """Tell whether an install of this set, as the files are now, once came to its end."""
    stamp = venv / f"installed-{name}"
    return stamp.is_file() and stamp.read_text(encoding="ascii") == fingerprint(name)


def run_logged(command: list[str], log: Path) -> None:
    """Run a step of the set-up with its output in a file; end with the file's last lines when it fails."""
    with log.open("ab") as output:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False).returncode
    if status:
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        sys.exit("\n".join([*last, f"Setting up failed: {' '.join(command)}", f"The whole log is {log}"]))


def install(name: str, venv: Path) -> None:
    """Bring the environment to this set. The stamps are written last: an interrupted install is begun anew."""
    log = CACHE / f"install-{venv.name}.log"
    log.unlink(missing_ok=True)
    done = [known for known in SETS if (venv / f"installed-{known}").exists()]
    if not done or not all(is_installed(known, venv) for known in done):
        print(f"Making {venv.relative_to(CHECKOUT)} with Python {sys.version.split()[0]} ...", flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        run_logged([getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(venv)], log)
    print(f"Installing requirements/{name}.txt (once; less than a minute on a good line) ...", flush=True)
    for known in done:
        (venv / f"installed-{known}").unlink(missing_ok=True)
    requirements = str(CHECKOUT / "requirements" / f"{name}.txt")
    run_logged([str(venv / "bin" / "python"), "-m", "pip", "install", "--progress-bar=off", "-r", requirements], log)
    for held in SETS[: SETS.index(name) + 1]:
        (venv / f"installed-{held}").write_text(fingerprint(held), encoding="ascii")


def environment_of(name: str) -> Path:
    """Return the environment that holds this set, installed if need be; a second command meanwhile waits."""
    CACHE.mkdir(exist_ok=True)
    venv = CACHE / f"venv-{sys.version_info.major}.{sys.version_info.minor}"
    with (CACHE / f"{venv.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not any(is_installed(larger, venv) for larger in SETS[SETS.index(name) :]):
            install(name, venv)
    return venv


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run the command in the foreground; a signal that asks us to end is for the command, whose end we wait for."""
    process = subprocess.Popen(command, env=environment, cwd=CHECKOUT)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the command as well
    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGHUP, pass_on)
    status = process.wait()
    return status if status >= 0 else 128 - status


def main() -> int:
    """Set up, run, clean up; the command's own exit status is ours."""
    if len(sys.argv) < 3 or sys.argv[1] not in SETS:
        sys.exit(f"usage: python -m scripts.in_environment {{{','.join(SETS)}}} COMMAND [ARGUMENT ...]")
    name, *command = sys.argv[1:]
    venv = environment_of(name)
    tree = build_tree()
    try:
        environment = environment_for(tree, os.environ) | {"VIRTUAL_ENV": str(venv)}
        environment["PATH"] = f"{venv / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
        environment.pop("PYTHONHOME", None)
        command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
        return run(command, environment)
    except FileNotFoundError as missing:
        sys.exit(f"{missing.filename}: no such command")
    finally:
        remove_tree(tree)


if __name__ == "__main__":
    sys.exit(main())

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``ansible-test sanity`` of the ansible-core on PATH over a copy of the checkout.

A copy, because ansible-test refuses a path with a link in it. Its environments stay in ``.cache/ansible-test-home``, so
that a second run is quick and the person's own home stays as it is.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.collection_tree import CHECKOUT, collection_path

HOME = CHECKOUT / ".cache" / "ansible-test-home"

# ansible-test fetches the pip of its environments from a host of its own. Where it finds this at the place of that
# download, it takes pip from the package index instead, as it does with everything else.
GET_PIP = """\
import runpy
import sys

WHEEL = {wheel!r}
sys.path.insert(0, WHEEL)
kept = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel") and not word.startswith("pip==")]
sys.argv = ["pip", "install", "--no-index", *kept, WHEEL]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def copy_checkout(parent: Path) -> Path:
    """Copy what git knows or would add to where ansible-test accepts a collection."""
    target = parent / collection_path()
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0"):
        source = CHECKOUT / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return target


def keep_pip_settings() -> None:
    """Hand the person's pip settings on: ansible-test passes on neither their home nor their environment."""
    listed = [sys.executable, "-m", "pip", "config", "list"]
    text = subprocess.run(listed, stdout=subprocess.PIPE, text=True, check=True).stdout
    settings: dict[str, str] = {}
    for section in ("global", "install", ":env:"):  # as pip weighs them, the last one wins
        settings |= dict(re.findall(rf"^{section}\.\.?([\w-]+)='(.*)'$", text, flags=re.MULTILINE))
    target = HOME / ".config" / "pip" / "pip.conf"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)  # an address in it may carry a password
    target.write_text("\n".join(["[global]", *(f"{key} = {value}" for key, value in settings.items()), ""]), "utf-8")


def provide_pip() -> None:
    """Put the stand-in for the download of pip where this ansible-test looks, with the version that it asks for."""
    spec = importlib.util.find_spec("ansible_test")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("ansible-test is not installed beside this Python")
    source = Path(spec.submodule_search_locations[0], "_internal", "python_requirements.py").read_text(encoding="utf-8")
    version = re.search(r"\bpip='([\d.]+)'", source)
    if version is None:
        sys.exit("this ansible-test does not say which pip it wants")
    wheels = HOME / "wheels"
    wheel = wheels / f"pip-{version[1]}-py3-none-any.whl"
    if not wheel.exists():
        download = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(wheels), f"pip=={version[1]}"]
        done = subprocess.run(download, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            sys.exit(f"{done.stdout}pip {version[1]}, which ansible-test asks for, could not be downloaded")
    stand_in = HOME / ".ansible" / "test" / "cache" / f"get_pip_{version[1].replace('.', '_')}.py"
    stand_in.parent.mkdir(parents=True, exist_ok=True)
    stand_in.write_text(GET_PIP.format(wheel=str(wheel)), encoding="utf-8")


def run_sanity(arguments: list[str], copy: Path) -> int:
    """Run ansible-test, everything into a log, only what a person must read on the terminal."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment["HOME"] = str(HOME)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = ["ansible-test", "sanity", "--local", "--python", python, "--color", "no", *arguments]
    log_name = Path(".cache", f"sanity-{python}.log")
    tests = 0
    with (
        (CHECKOUT / log_name).open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            cwd=copy,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            tests += line.startswith("Running sanity test")
            if re.match(r"ERROR|FATAL|WARNING: Skipping|Traceback", line):
                print(line, end="", flush=True)
    print(f"{tests} tests, exit status {process.returncode}; the whole output is in {log_name}", flush=True)
    return process.returncode


def main() -> int:
    """Run all sanity tests, or those named as arguments (``--test pep8``)."""
    keep_pip_settings()
    provide_pip()
    with tempfile.TemporaryDirectory(prefix="winops-hotpatch-sanity-") as parent:
        return run_sanity(sys.argv[1:], copy_checkout(Path(parent)))


if __name__ == "__main__":
    sys.exit(main())

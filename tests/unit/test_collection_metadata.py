# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection says of itself, and what its archive holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))
ACTIONS = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("[!_]*.py"))

# All that a person who installs the collection gets: what it runs with, its words, its history. The tests, the demo
# and the tools are for a clone of the repository.
SHIPPED = {
    *("CHANGELOG.md", "COPYING", "FILES.json", "MANIFEST.json", "README.md"),
    *("changelogs", "docs", "meta", "playbooks", "plugins", "roles"),
}


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def documentation_of(module: str) -> dict[str, str]:
    """Return the documentation strings that a module assigns at its top."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text("utf-8"))
    return {
        target.id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name) and isinstance(statement.value.value, str)
    }


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the archive that ansible-galaxy builds."""
    target = tmp_path_factory.mktemp("built")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run([galaxy, "collection", "build", "--output-path", target], cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(next(target.glob("*.tar.gz"))) as archive:
        return {member.name for member in archive if member.isfile()}


def test_the_archive_holds_the_product_and_nothing_else(shipped: set[str]) -> None:
    assert {name.split("/")[0] for name in shipped} - SHIPPED == set()
    strays = [name for name in shipped if "__pycache__" in name or "/." in name or name.endswith((".pyc", ".retry"))]
    assert strays == []


def test_the_archive_holds_all_that_runs(shipped: set[str]) -> None:
    listed = ["git", "ls-files", "-z", "plugins", "roles", "playbooks", "meta", "README.md", "COPYING", "CHANGELOG.md"]
    tracked = subprocess.run(listed, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    assert {name for name in tracked if name and (ROOT / name).is_file()} - shipped == set()


def test_the_archive_is_small() -> None:
    """Galaxy takes 20 MB; ours should never come near."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode()
    sizes = {name: (ROOT / name).stat().st_size for name in listed.split("\0") if name and (ROOT / name).is_file()}
    assert {name: size for name, size in sizes.items() if size > 500_000} == {}


def test_runtime_names_the_oldest_ansible_and_every_module() -> None:
    runtime = loaded("meta/runtime.yml")
    assert runtime["requires_ansible"] == ">=2.19.0"
    assert {name: sorted(members) for name, members in runtime["action_groups"].items()} == {"hotpatch": MODULES}


def test_the_execution_environment_installs_what_the_demo_and_tests_install() -> None:
    environment = loaded("meta/execution-environment.yml")
    assert environment["version"] == 3
    listed = environment["dependencies"]["python"]
    # Only meta, plugins, roles and playbooks may be relied on where the collection is installed.
    assert listed.startswith("meta/")
    lines = (ROOT / listed).read_text("utf-8").splitlines()
    assert {Requirement(line).name for line in lines if line and not line.startswith("#")} == {"pywinrm"}
    assert f"-r ../{listed}" in (ROOT / "requirements" / "demo.txt").read_text("utf-8").splitlines()


def test_the_azure_packages_are_extras_that_the_tests_install() -> None:
    lines = (ROOT / "meta" / "azure-requirements.txt").read_text("utf-8").splitlines()
    packages = {Requirement(line).name: Requirement(line) for line in lines if line and not line.startswith("#")}
    assert {"azure-identity", "azure-mgmt-hybridcompute"} <= set(packages)
    assert all(packages["azure-mgmt-hybridcompute"].specifier.contains(version) for version in ("9.0.0", "10.0.0"))
    # The demo enrolls servers, and the tests hold all that the demo does.
    assert "-r ../meta/azure-requirements.txt" in (ROOT / "requirements" / "demo.txt").read_text("utf-8").splitlines()
    assert "-r demo.txt" in (ROOT / "requirements" / "test.txt").read_text("utf-8").splitlines()


def test_no_requirement_names_a_place() -> None:
    """Requirements name packages and versions; where they come from is the person's pip configuration."""
    for path in [*(ROOT / "requirements").glob("*.txt"), *(ROOT / "meta").glob("*requirements.txt")]:
        for line in path.read_text("utf-8").splitlines():
            if line and not line.startswith(("#", "-r ")):
                assert Requirement(line).url is None, f"{path.name}: {line}"


def test_every_action_plugin_has_a_module_of_its_name() -> None:
    assert set(ACTIONS) <= set(MODULES)


@pytest.mark.parametrize(
    ("row", "pattern"),
    [
        ("modules", "plugins/modules/[!_]*.py"),
        ("roles", "roles/*"),
        ("playbooks", "playbooks/*.yml"),
        ("filters", "plugins/filter/[!_]*.py"),
        ("inventory", "plugins/inventory/[!_]*.py"),
    ],
)
def test_the_readme_names_all_that_is_in_the_collection(row: str, pattern: str) -> None:
    (line,) = re.findall(rf"^\| {row} \| (`.*) \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"`(\w+)`", line) == sorted(path.stem for path in ROOT.glob(pattern))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_documented(module: str) -> None:
    found = documentation_of(module)
    documentation = yaml.safe_load(found["DOCUMENTATION"])
    assert documentation["module"] == module
    assert documentation["short_description"] and not documentation["short_description"].endswith(".")
    examples = yaml.safe_load(found["EXAMPLES"])
    called = [key for task in examples for key in task if key.startswith("winops.hotpatch.")]
    assert f"winops.hotpatch.{module}" in called
    assert all(task["name"][0].isupper() for task in examples)
    assert yaml.safe_load(found["RETURN"])


def test_galaxy_yml_is_what_galaxy_takes() -> None:
    galaxy = loaded("galaxy.yml")
    assert re.fullmatch(r"\d+\.\d+\.\d+", galaxy["version"])
    assert galaxy["dependencies"] == {}
    assert len(galaxy["tags"]) <= 20
    assert (ROOT / galaxy["readme"]).is_file()


def test_the_changelog_names_this_version_and_every_module() -> None:
    version = loaded("galaxy.yml")["version"]
    releases = loaded("changelogs/changelog.yaml")["releases"]
    assert version in releases
    assert f"v{version}" in (ROOT / "CHANGELOG.md").read_text("utf-8").replace("\\", "")  # which Markdown escapes
    named = sorted(module["name"] for release in releases.values() for module in release.get("modules", []))
    assert named == MODULES, "run `make changelog`"

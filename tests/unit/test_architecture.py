# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of the tree: imports point one way, pure rules stay pure, every file is what its place promises.

A rule is a function from a path and a text to what is wrong with it, so that the rule itself can be shown to bite.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.winops.hotpatch.plugins"
LONGEST_FILE = 600

PURE = ("_release", "_eligibility", "_plan")
MODULE_UTILS = (*PURE, "_errors", "_wsman", "_guest", "_azure", "_core")

# Which part may import which others; each may import itself. Fronts, then edges, then pure rules, from bottom to top.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "_errors": (),
    "_release": ("_errors",),
    "_eligibility": ("_errors", "_release"),
    "_plan": ("_errors", "_release", "_eligibility"),
    "_wsman": ("_errors",),
    "_guest": (*PURE, "_errors", "_wsman"),
    "_azure": (*PURE, "_errors"),
    "_core": (*PURE, "_errors", "_wsman", "_guest", "_azure"),
    # The lab must not be proven by the code that it proves: it shares the real releases and the script's hash, no more.
    "_lab": ("_release", "_guest", "_errors"),
    "plugin_utils": MODULE_UTILS,
    "modules": MODULE_UTILS,
    "action": (*MODULE_UTILS, "plugin_utils"),
    "filter": (*MODULE_UTILS, "plugin_utils"),
    "inventory": (*MODULE_UTILS, "plugin_utils"),
    "doc_fragments": (),
}

# All that a pure rule may import from outside: nothing here reads a file, a socket, a clock or chance.
PURE_STDLIB = frozenset(
    "__future__ bisect calendar collections copy dataclasses datetime decimal enum fractions functools hashlib heapq "
    "ipaddress itertools json math operator re string textwrap types typing unicodedata".split()
)
# Parsing the text of a person's own catalogue needs a parser; the text itself comes in as an argument.
PURE_EXCEPTIONS = {"plugins/module_utils/_release/catalogue_file.py": {"yaml"}}
IMPURE_CALLS = frozenset(
    {"open", "input", "print", "eval", "exec", "__import__", "now", "today", "utcnow", "fromtimestamp"}
)

LICENCE = (
    "# Copyright (c) 2026, the winops.hotpatch contributors",
    "# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)
PRIVATE = "# This file is private to the winops.hotpatch collection; it may change without notice."

Rule = Callable[[PurePosixPath, str], Iterator[str]]


def part_of(path: PurePosixPath) -> str:
    """Return the part of the house that a file under plugins belongs to: a key of MAY_IMPORT."""
    kind, *inner = path.parts[1:]
    if kind == "module_utils":
        return inner[0].removesuffix(".py")
    return "_lab" if kind == "plugin_utils" and inner[0] == "_lab" else kind


def imports_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of everything imported; a relative import keeps its dots."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def imports_point_one_way(path: PurePosixPath, text: str) -> Iterator[str]:
    """Fronts import edges, edges import pure rules, never the other way; no product code knows the lab or the tests."""
    part = part_of(path)
    if path.name == "__init__.py":  # empty, as another rule holds
        return
    if part not in MAY_IMPORT:
        yield f"{path}: {part} is no known part of the collection"
        return
    for line, name in imports_of(text):
        if name.startswith(f"{COLLECTION}."):
            target = part_of(PurePosixPath("plugins", *name.removeprefix(f"{COLLECTION}.").split(".")))
            if target != part and target not in MAY_IMPORT[part]:
                yield f"{path}:{line}: {part} imports {target}"
        elif name.startswith((".", "ansible_collections.", "tests.", "demo.", "scripts.", "conftest.")):
            yield f"{path}:{line}: imports {name}"
        elif "module_utils" in path.parts and re.match(r"ansible\.(?!module_utils\.)", name):
            yield f"{path}:{line}: a module cannot import {name}"


def pure_rules_stay_pure(path: PurePosixPath, text: str) -> Iterator[str]:
    """No Ansible, no SDK, no input or output, no clock: what a rule needs to know comes in as an argument."""
    if part_of(path) not in PURE:
        return
    allowed = PURE_STDLIB | PURE_EXCEPTIONS.get(str(path), set())
    for line, name in imports_of(text):
        if not name.startswith(f"{COLLECTION}.") and name.split(".")[0] not in allowed:
            yield f"{path}:{line}: a pure rule imports {name}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in IMPURE_CALLS:
                yield f"{path}:{node.lineno}: a pure rule calls {called}"


def exceptions_are_named(path: PurePosixPath, text: str) -> Iterator[str]:
    """A handler that catches everything hides defects."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or getattr(kind, "id", "") in ("Exception", "BaseException") for kind in caught):
                yield f"{path}:{node.lineno}: catches everything"


def azure_packages_come_late(path: PurePosixPath, text: str) -> Iterator[str]:
    """Not everybody has the Azure packages, and they cost a start-up: they are imported when they are needed."""
    for node in ast.parse(text).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name.split(".")[0] in ("azure", "msal"):
                yield f"{path}:{node.lineno}: imports {name} at its top"


def private_files_say_so(path: PurePosixPath, text: str) -> Iterator[str]:
    """Whatever other collections could import and must not is marked."""
    if path.parts[1] == "module_utils" and text and PRIVATE not in text.splitlines()[:6]:
        yield f"{path}: lacks the line {PRIVATE!r}"


def names_say_something(path: PurePosixPath, text: str) -> Iterator[str]:
    """A file is named after what it is about."""
    if path.stem.strip("_") in ("util", "utils", "helper", "helpers", "common", "misc", "base", "manager"):
        yield f"{path}: rename it after what it is about"


def files_are_short(path: PurePosixPath, text: str) -> Iterator[str]:
    """One idea has room in this many lines."""
    lines = text.count("\n")
    if lines > LONGEST_FILE:
        yield f"{path}: {lines} lines"


def licence_comes_first(path: PurePosixPath, text: str) -> Iterator[str]:
    """Every file with text starts with the licence; a package's __init__.py is empty."""
    lines = text.splitlines()
    if path.name == "__init__.py":
        if text:
            yield f"{path}: must be empty"
    elif tuple(lines[1:4] if lines and lines[0].startswith("#!") else lines[:3]) != LICENCE:
        yield f"{path}: does not start with the licence"


# A folder of somebody's home; not the WMI namespaces, which start with root/ too.
HOMES = re.compile(
    r"(?<![\w/.}:])/(?:root/(?!cimv2|microsoft|standardcimv2|wmi)|work/|home/\w|users/\w)", re.IGNORECASE
)
# Spelled so that this file does not match itself.
REGISTRIES = re.compile(r"py[p]i\.org|python[h]osted\.org|registry\.npm[j]s|deb\.debian[.]org|--(extra-)?index[-]url")


def no_machine_is_named(path: PurePosixPath, text: str) -> Iterator[str]:
    """A clone works anywhere: no path of a person's machine, no address of a package registry."""
    for number, line in enumerate(text.splitlines(), 1):
        if HOMES.search(line):
            yield f"{path}:{number}: names a path of one machine"
        if REGISTRIES.search(line):
            yield f"{path}:{number}: names a package registry's address"


def texts(*patterns: str) -> list[tuple[PurePosixPath, str]]:
    """Return path and text of the files that git knows or would add."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(listed, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    return [
        (PurePosixPath(name), (ROOT / name).read_text("utf-8")) for name in names if name and (ROOT / name).is_file()
    ]


PLUGINS: tuple[Rule, ...] = (
    imports_point_one_way,
    pure_rules_stay_pure,
    exceptions_are_named,
    azure_packages_come_late,
    private_files_say_so,
    files_are_short,
)
ALL_PYTHON: tuple[Rule, ...] = (names_say_something, licence_comes_first)


def rule_and_files(rules: tuple[Rule, ...], *patterns: str) -> list[object]:
    return [pytest.param(rule, patterns, id=rule.__name__) for rule in rules]


@pytest.mark.parametrize(
    ("rule", "patterns"),
    [
        *rule_and_files(PLUGINS, "plugins/*.py"),
        *rule_and_files(ALL_PYTHON, "*.py"),
        *rule_and_files((no_machine_is_named,), ".", ":!COPYING"),
    ],
)
def test_the_tree_keeps_the_rule(rule: Rule, patterns: tuple[str, ...]) -> None:
    files = texts(*patterns)
    assert files
    broken = [words for path, text in files for words in rule(path, text)]
    assert not broken, "\n".join(broken)


IMPORT = f"from {COLLECTION}"


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (imports_point_one_way, "plugins/module_utils/_release/x.py", f"{IMPORT}.module_utils._plan.waves import plan"),
        (imports_point_one_way, "plugins/module_utils/_wsman/x.py", f"{IMPORT}.module_utils import _guest"),
        (imports_point_one_way, "plugins/module_utils/_guest/x.py", f"import {COLLECTION}.modules.restart"),
        (imports_point_one_way, "plugins/modules/x.py", f"{IMPORT}.plugin_utils._table import table"),
        (imports_point_one_way, "plugins/action/x.py", f"{IMPORT}.plugin_utils._lab.world import World"),
        (imports_point_one_way, "plugins/plugin_utils/_lab/x.py", f"{IMPORT}.module_utils._wsman.client import Client"),
        (
            imports_point_one_way,
            "plugins/module_utils/_core/x.py",
            "def f():\n    import ansible.errors",
        ),
        (imports_point_one_way, "plugins/module_utils/_core/x.py", "from . import call"),
        (imports_point_one_way, "plugins/module_utils/_core/x.py", "from tests.unit import rows"),
        (imports_point_one_way, "plugins/module_utils/_new/x.py", ""),
        (pure_rules_stay_pure, "plugins/module_utils/_plan/x.py", "import os.path"),
        (
            pure_rules_stay_pure,
            "plugins/module_utils/_plan/x.py",
            "from ansible.module_utils import basic",
        ),
        (pure_rules_stay_pure, "plugins/module_utils/_plan/x.py", "import yaml"),
        (pure_rules_stay_pure, "plugins/module_utils/_plan/x.py", "import datetime\ndatetime.datetime.now()"),
        (pure_rules_stay_pure, "plugins/module_utils/_plan/x.py", "open('x')"),
        (exceptions_are_named, "plugins/x.py", "try:\n    f()\nexcept:\n    g()"),
        (exceptions_are_named, "plugins/x.py", "try:\n    f()\nexcept (OSError, Exception):\n    g()"),
        (azure_packages_come_late, "plugins/module_utils/_azure/x.py", "from azure.core import PipelineClient"),
        (azure_packages_come_late, "plugins/module_utils/_azure/x.py", "import azure.identity"),
        (
            imports_point_one_way,
            "plugins/module_utils/_azure/x.py",
            f"{IMPORT}.module_utils._guest.server import Server",
        ),
        (private_files_say_so, "plugins/module_utils/_x.py", "\n".join(LICENCE)),
        (names_say_something, "plugins/module_utils/_utils.py", ""),
        (files_are_short, "plugins/x.py", "\n" * (LONGEST_FILE + 1)),
        (licence_comes_first, "plugins/x.py", '"""No licence."""\n'),
        (licence_comes_first, "plugins/__init__.py", "\n".join(LICENCE)),
        (no_machine_is_named, "docs/x.md", "see /home/" + "ada/notes"),
        (no_machine_is_named, "docs/x.md", "pip install --index" + "-url=x"),
    ],
)
def test_the_rule_bites(rule: Rule, path: str, text: str) -> None:
    assert list(rule(PurePosixPath(path), text))


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (imports_point_one_way, "plugins/action/x.py", f"{IMPORT}.plugin_utils._table import table"),
        (
            imports_point_one_way,
            "plugins/module_utils/_core/x.py",
            "from ansible.module_utils import basic",
        ),
        (exceptions_are_named, "plugins/x.py", "try:\n    f()\nexcept (OSError, ValueError):\n    g()"),
        (licence_comes_first, "plugins/modules/x.py", "\n".join(("#!/usr/bin/python", *LICENCE))),
        (no_machine_is_named, "docs/x.md", "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Process"),
    ],
)
def test_the_rule_lets_the_right_thing_pass(rule: Rule, path: str, text: str) -> None:
    assert list(rule(PurePosixPath(path), text)) == []


TASK_LISTS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")


def tasks_in(entries: object) -> Iterator[dict[str, object]]:
    """Yield every task of a task file or playbook, those in blocks and handlers too."""
    for entry in entries if isinstance(entries, list) else []:
        inner = [entry[key] for key in TASK_LISTS if key in entry]
        for tasks in inner:
            yield from tasks_in(tasks)
        if not inner and "hosts" not in entry:
            yield entry


def short_names_in(text: str) -> list[str]:
    """Return what a playbook or task file calls without saying from which collection."""
    from ansible.playbook.task import Task

    keywords = {*Task.fattributes} - {"action", "local_action"}
    return [key for task in tasks_in(yaml.safe_load(text)) for key in task if key not in keywords and "." not in key]


def test_playbooks_and_roles_name_the_collection_of_what_they_call() -> None:
    files = texts("playbooks/*.yml", "roles/*/tasks/*.yml", "roles/*/handlers/*.yml")
    assert {path: short_names_in(text) for path, text in files if short_names_in(text)} == {}


def test_a_short_name_in_a_block_is_noticed() -> None:
    text = "- hosts: all\n  tasks:\n    - name: A\n      block:\n        - name: B\n          debug:\n"
    assert short_names_in(text) == ["debug"]
    assert short_names_in(text.replace("debug", "ansible.builtin.debug")) == []


ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_is_described(role: Path) -> None:
    assert (role / "README.md").is_file()
    options = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text("utf-8"))["argument_specs"]["main"][
        "options"
    ]
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text("utf-8"))
    assert set(defaults) <= set(options), "a default that argument_specs.yml does not describe"
    assert [name for name in options if not name.startswith(f"{role.name}_")] == []

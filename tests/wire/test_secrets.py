# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret planted in every option appears nowhere: no output at -vvvv, no log, no result, no command line, no file.

Which options hold secrets is read from the specifications of the modules, so a new one that is not in the table of
cases below fails a test. Each module is run in both fronts against a lab, once so that it works and once so that it
fails, with a secret of its own in each of these options, and the lab knows the right ones. The secrets come from a
file of variables, as from a vault: Ansible itself shows the lines of a playbook around a task that fails.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml

from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.client import WsmanClient
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.settings import Settings
from ansible_collections.winops.hotpatch.plugins.plugin_utils._action_front import ServerAction
from ansible_collections.winops.hotpatch.plugins.plugin_utils._azure_front import AzureAction
from tests.wire.azure_calls import ELSEWHERE, account
from tests.wire.running_lab import LabServer, RunningLab, running_lab

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
COLLECTION = "ansible_collections.winops.hotpatch.plugins"

# ---- which options hold secrets


def action_of(module: str) -> type[Any]:
    found: type[Any] = importlib.import_module(f"{COLLECTION}.action.{module}").ActionModule
    return found


MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("[!_]*.py"))
SERVER_MODULES = [module for module in MODULES if issubclass(action_of(module), ServerAction)]
AZURE_MODULES = [module for module in MODULES if issubclass(action_of(module), AzureAction)]


def options_of(spec: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every option with its path, those in options too (``checks[].password``)."""
    for name, option in spec.items():
        yield f"{path}{name}", option
        inner = "[]" if option.get("type") == "list" else ""
        yield from options_of(option.get("options") or {}, f"{path}{name}{inner}.")


def secret_options(module: str) -> set[str]:
    return {path for path, option in options_of(action_of(module).SPEC.argument_spec) if option.get("no_log") is True}


_LOOKS_SECRET = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|private|api_?key|(^|_)key($|_)|(^|_)config($|_)", re.IGNORECASE
)


def looks_secret(path: str, option: Mapping[str, Any]) -> bool:
    """Whether the name sounds like one. The path of a file is none, and neither is a yes or no, or a resource id."""
    name = path.rpartition(".")[2]
    harmless = option.get("type") in ("path", "bool", "int", "float", "dict") or name == "private_link_scope"
    return bool(_LOOKS_SECRET.search(name)) and not harmless


@pytest.mark.parametrize("module", MODULES)
def test_an_option_whose_name_sounds_like_a_secret_is_hidden(module: str) -> None:
    options = dict(options_of(action_of(module).SPEC.argument_spec))
    assert {path for path, option in options.items() if looks_secret(path, option)} <= secret_options(module)


def test_such_a_name_is_noticed() -> None:
    for name in ("password", "checks[].password", "api_key", "vault_token", "connect_config", "key", "private_pem"):
        assert looks_secret(name, {"type": "str"}), name
    for name in ("resource_group", "monkey", "poll_interval", "private_link_scope", "configuration"):
        assert not looks_secret(name, {"type": "str"}), name
    assert not looks_secret("certificate_key", {"type": "path"})


# ---- the secrets, and what is done with them

#: What is planted, by a name. Marks that other encodings change, so that those are looked for as well.
PLANTED = {
    name: f"Planted+{name}/9=2&x"
    for name in (
        "web01", "now01", "wrong-login", "unused", "wrong-page", "sp", "wrong-sp", "token", "wrong-token",
        "in-wrong-config", "certificate", "vm",
    )
}  # fmt: skip
ARC_NAMES = [f"arc0{number}" for number in range(1, 10)]
PLANTED.update({name: f"Planted+{name}/9=2&x" for name in ARC_NAMES})

PRINCIPAL = "3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21"
BY_CERTIFICATE = "77aa0a11-7c52-4f5e-8f0a-2f6d1c9b7e99"
PLACE = {
    "subscription_id": "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33",
    "resource_group": "rg-arc-servers",
    "location": "westeurope",
}
TENANT = {"tenant_id": "6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10"}
CERTIFICATE = f"-----BEGIN PRIVATE KEY-----\n{PLANTED['certificate']}\n-----END PRIVATE KEY-----\n"

FLEET = {
    "as_of": "2025-12-20",
    "azure": {
        "service_principals": [
            {"id": PRINCIPAL, "secret": PLANTED["sp"]},
            {"id": BY_CERTIFICATE, "certificate": CERTIFICATE},
        ],
        "access_tokens": [PLANTED["token"]],
    },
    "servers": [
        {"name": "web01", "level": "KB5068966", "roles": ["web"], "web_site": True, "password": PLANTED["web01"]},
        {"name": "now01", "level": "KB5072014", "password": PLANTED["now01"]},
        *(
            {"name": name, "level": "KB5072014", "arc": "installed", "enrolled": False, "password": PLANTED[name]}
            for name in ARC_NAMES
        ),
    ],
}
DAY = {"as_of": "2025-12-20"}


@dataclass(frozen=True)
class Secret:
    """A planted secret as the value of an option."""

    name: str


@dataclass(frozen=True)
class File:
    """A file with planted secrets whose path is the value of an option."""

    name: str


def file_content(name: str) -> str:
    if name == "certificate.pem":
        return CERTIFICATE
    secret = PLANTED["in-wrong-config" if name == "wrong-config.json" else "sp"]
    return json.dumps(
        {
            "tenant-id": TENANT["tenant_id"],
            "subscription-id": PLACE["subscription_id"],
            "resource-group": PLACE["resource_group"],
            "location": PLACE["location"],
            "service-principal-id": PRINCIPAL,
            "service-principal-secret": secret,
        }
    )


FILES = ("certificate.pem", "config.json", "wrong-config.json")


@dataclass(frozen=True)
class Case:
    """One module called once; ``good`` says whether it must work."""

    module: str
    server: str
    options: Mapping[str, Any] = field(default_factory=dict)
    good: bool = True
    wrong_login: bool = False

    @property
    def planted(self) -> set[str]:
        """The options of the module that hold a secret in this case; the account's password always is one."""
        return {"password", *_planted(self.options)}


def _planted(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Secret):
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _planted(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _planted(item, f"{path}[]")


def page(secret: str) -> dict[str, Any]:
    check = {"kind": "http", "url": "{{ site }}private", "username": "Administrator", "password": Secret(secret)}
    return {"checks": [check], "timeout": 2}


def connect(*ways: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {**PLACE, "wait_timeout": 20}
    for way in ways:
        merged.update(way)
    return merged


def principal(secret: str) -> dict[str, Any]:
    return {**TENANT, "service_principal_id": PRINCIPAL, "service_principal_secret": Secret(secret)}


#: What a module must be given to do anything.
AT_LEAST = {"health_check": {"mode": "record"}}
#: The same of modules that talk to Azure; the others are given a machine.
AZURE_AT_LEAST: dict[str, dict[str, Any]] = {
    "azure_vm": {
        "name": "webvm01",
        "location": "westeurope",
        "admin_username": "patchadmin",
        "admin_password": Secret("vm"),
        "subnet_id": f"/subscriptions/{PLACE['subscription_id']}/resourceGroups/rg-net/providers/Microsoft.Network/"
        "virtualNetworks/vnet/subnets/servers",
    },
    "fleet_info": {},
    "maintenance_assignment": {"name": "web01", "configuration": "nothing", "state": "absent"},
    "maintenance_configuration": {"name": "nothing", "state": "absent"},
    "patch_installation": {**DAY, "name": "web01", "kb_include": ["KB5072014"], "wait_timeout": 60},
    "preview_feature": {},
    "resource_provider": {"namespaces": ["Microsoft.Compute"]},
}

CASES = [
    # It works, and it fails because the account is refused: for each module.
    Case("host_info", "web01", DAY),
    Case("updates", "web01", DAY),
    Case("update_history_info", "web01", DAY),
    Case("restart", "now01", {}),
    Case("rollback", "now01", {**DAY, "plan_only": True}),
    Case("update_policy", "now01", {"automatic_updates": "download"}),
    Case("vbs", "now01", {}),
    Case("health_check", "web01", page("web01")),
    Case("arc_agent", "arc01", connect(principal("sp"))),
    *(Case(module, "now01", AT_LEAST.get(module, {}), good=False, wrong_login=True) for module in SERVER_MODULES),
    # It fails after the login, because of the secret in the option itself.
    Case("health_check", "web01", page("wrong-page"), good=False),
    Case("arc_agent", "arc02", connect(principal("wrong-sp")), good=False),
    Case("arc_agent", "arc03", connect({"access_token": Secret("token")})),
    Case("arc_agent", "arc04", connect({"access_token": Secret("wrong-token")}), good=False),
    # It is refused before anything is done.
    Case("arc_agent", "arc05", connect(principal("sp"), {"access_token": Secret("token")}), good=False),
    # Secrets that stand in files.
    Case("arc_agent", "arc06", {"connect_config": File("config.json"), "wait_timeout": 20}),
    Case("arc_agent", "arc07", {"connect_config": File("wrong-config.json"), "wait_timeout": 20}, good=False),
    Case("arc_agent", "arc08",
         connect(TENANT, {"service_principal_id": BY_CERTIFICATE,
                          "service_principal_certificate": File("certificate.pem")})),
    Case("arc_agent", "arc01", {"state": "disconnected", **principal("sp"), "wait_timeout": 20}),
    # Azure: logging in works, and it fails because of the secret.
    *(
        Case(module, "web01", {**AZURE_AT_LEAST.get(module, {"name": "web01"}), **login}, good=good)
        for module in AZURE_MODULES
        for login, good in (
            ({"secret": Secret("sp")}, True),
            ({"secret": Secret("wrong-sp")}, False),
            ({"access_token": Secret("token")}, True),
            ({"access_token": Secret("wrong-token")}, False),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_every_secret_option_of_every_module_is_planted_in_success_and_in_failure(module: str) -> None:
    for good in (True, False):
        planted = {path for case in CASES if case.module == module and case.good is good for path in case.planted}
        assert secret_options(module) <= planted, f"add cases to CASES for {module}"


# ---- running them


def as_option(value: Any, folder: Path) -> Any:
    """The value as it stands in the playbook: a variable for a secret, a path for a file."""
    if isinstance(value, Secret):
        return f"{{{{ planted['{value.name}'] }}}}"
    if isinstance(value, File):
        return str(folder / value.name)
    if isinstance(value, Mapping):
        return {key: as_option(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [as_option(item, folder) for item in value]
    return value


def azure_task_of(case: Case, front: str, lab: RunningLab, folder: Path) -> dict[str, Any]:
    accepted = set(dict(options_of(action_of(case.module).SPEC.argument_spec)))
    options = {**account(lab), **as_option(dict(case.options), folder)}
    if "access_token" in case.options:
        del options["secret"]
    if "resource_group" not in accepted:  # what is of a whole subscription
        del options["resource_group"]
    paced = {"poll_interval"} & accepted
    options.update(dict.fromkeys(paced, 0.2))
    connection = "local" if front == "action" else "elsewhere"
    variables = {"ansible_connection": connection, "ansible_python_interpreter": sys.executable}
    return {f"winops.hotpatch.{case.module}": options, "vars": variables}


def task_of(case: Case, front: str, lab: RunningLab, folder: Path) -> dict[str, Any]:
    if case.module in AZURE_MODULES:
        return azure_task_of(case, front, lab, folder)
    server = lab.servers[case.server]
    password = as_option(Secret("wrong-login" if case.wrong_login else case.server), folder)
    options = as_option(dict(case.options), folder)
    paced = {"poll_interval"} & set(dict(options_of(action_of(case.module).SPEC.argument_spec)))
    options.update(dict.fromkeys(paced, 0.2))
    variables: dict[str, Any] = {"site": server.web_url or ""}
    if front == "action":
        # Without an address the module's own password is not used; it is hidden all the same.
        options["password"] = as_option(Secret("unused"), folder)
        variables.update(
            ansible_connection="winrm",
            ansible_host=server.address,
            ansible_port=server.http_port,
            ansible_winrm_scheme="http",
            ansible_winrm_transport="ntlm",
            ansible_user=server.user,
            ansible_password=password,
        )
    else:
        options.update(
            address=server.address, port=server.http_port, scheme="http", transport=["ntlm"],
            username=server.user, password=password,
        )  # fmt: skip
        variables.update(ansible_connection="local", ansible_python_interpreter=sys.executable)
    return {f"winops.hotpatch.{case.module}": options, "vars": variables}


@dataclass(frozen=True)
class Ran:
    """What one front left behind."""

    results: list[dict[str, Any]]
    places: dict[str, str]


def run_front(lab: RunningLab, folder: Path, front: str) -> Ran:
    """All cases, with the most talkative output there is, a log file, and temporary folders that are kept in sight."""
    for name in FILES:
        (folder / name).write_text(file_content(name), encoding="utf-8")
    (folder / "connection_plugins").mkdir()
    (folder / "connection_plugins" / "elsewhere.py").write_text(ELSEWHERE, encoding="utf-8")
    hosts = [case.server if front == "action" else "localhost" for case in CASES]
    plays: list[dict[str, Any]] = [
        {
            "name": f"{number} {case.module}",
            "hosts": host,
            "gather_facts": False,
            "tasks": [
                {
                    "name": f"{number} {case.module}",
                    **task_of(case, front, lab, folder),
                    "register": f"result_{number}",
                    "ignore_errors": True,
                    "ignore_unreachable": True,
                    "diff": True,
                }
            ],
        }
        for number, (host, case) in enumerate(zip(hosts, CASES, strict=True))
    ]
    gathered = ", ".join(f"hostvars['{host}'].result_{number}" for number, host in enumerate(hosts))
    kept = folder / f"{front}-results.json"
    keep = {"content": "{{ [" + gathered + "] | to_json }}", "dest": str(kept), "mode": "0600"}
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    plays.append(
        {"name": "Keep", "hosts": "localhost", "gather_facts": False, "vars": local,
         "tasks": [{"name": "Keep", "ansible.builtin.copy": keep}]}
    )  # fmt: skip
    paths = {name: folder / f"{front}-{name}" for name in ("play.yml", "inventory.yml", "secrets.json", "log", "tmp")}
    paths["play.yml"].write_text(yaml.safe_dump(plays, width=4096), encoding="utf-8")
    paths["inventory.yml"].write_text(yaml.safe_dump({"all": {"hosts": dict.fromkeys(lab.servers)}}), encoding="utf-8")
    paths["secrets.json"].write_text(json.dumps({"planted": PLANTED}), encoding="utf-8")
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, str(paths["play.yml"]), "-i", str(paths["inventory.yml"]), "-vvvv",
         "-e", f"@{paths['secrets.json']}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
        env=os.environ | {
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOG_PATH": str(paths["log"]),
            "ANSIBLE_LOCAL_TEMP": str(paths["tmp"]),
            "ANSIBLE_REMOTE_TMP": str(paths["tmp"]),
        },
    )  # fmt: skip
    assert kept.is_file(), f"the {front} front left no results:\n{done.stdout[-4000:]}"
    left = [path for path in paths["tmp"].rglob("*") if path.is_file()]
    places = {
        "the output": done.stdout,
        "the log": paths["log"].read_text(encoding="utf-8", errors="replace"),
        "the results": kept.read_text(encoding="utf-8"),
        "temporary files": "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in left),
        "the lab's record": json.dumps(lab.ask("/record"), ensure_ascii=False),
        "the record of the lab's Azure": json.dumps(lab.ask("/azure/record"), ensure_ascii=False),
        "the states": json.dumps([lab.state(name) for name in lab.servers], ensure_ascii=False),
        "the lab's log": (lab.folder / "lab.log").read_text(errors="replace"),
        **{f"the disk of {name}": disk_of(server) for name, server in lab.servers.items()},
    }
    return Ran(json.loads(places["the results"]), places)


def disk_of(server: LabServer) -> str:
    """The names and the contents of all files of a server, read as a person would."""
    settings = Settings(
        name=server.name, address=server.address, port=server.http_port, scheme="http",
        username=server.user, password=server.password, transports=("basic",),
    )  # fmt: skip
    with WsmanClient(settings) as client, client.shell() as shell:
        listed = shell.run("dir /s /b /a-d C:\\", timeout=60)
        assert listed.exit_code == 0 and listed.stdout, listed.stderr
        texts = listed.stdout.decode("utf-8", "replace").splitlines()
        readable = [name for name in texts if name.strip() and not name.lower().endswith((".exe", ".com"))]
        for start in range(0, len(readable), 20):
            answer = shell.run("type", readable[start : start + 20], timeout=60)
            texts.append(answer.stdout.decode("utf-8", "replace"))
    return "\n".join(texts)


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ran]]:
    """Both fronts, at the same time, each on its own lab."""
    folders = {front: tmp_path_factory.mktemp(front) for front in ("action", "module")}
    labs = {front: tmp_path_factory.mktemp(f"{front}-lab") for front in folders}
    with (
        running_lab(FLEET, labs["action"], "--scale", "1000", "--seed", "7") as first,
        running_lab(FLEET, labs["module"], "--scale", "1000", "--seed", "7") as second,
        ThreadPoolExecutor(2) as pool,
    ):
        started = {"action": first, "module": second}
        running = {front: pool.submit(run_front, lab, folders[front], front) for front, lab in started.items()}
        yield {front: future.result() for front, future in running.items()}


# ---- looking for them


def forms(secret: str) -> Iterator[str]:
    """A secret as it may be written: plain, in an address, in JSON or HTML, in hexadecimal, and in base64 at each of
    the three places where it may begin in a longer text.
    """
    yield from {secret, quote(secret, safe=""), quote_plus(secret), quote(secret), json.dumps(secret)[1:-1]}
    yield secret.replace("&", "&amp;")
    for raw in (secret.encode(), secret.encode("utf-16-le")):
        yield raw.hex()
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
            # What touches the neighbours depends on them.
            yield coded[4 if shift else 0 : -2]


def found_in(text: str, secret: str) -> str | None:
    return next((form for form in forms(secret) if form in text), None)


@pytest.mark.parametrize("wrap", [str, lambda text: base64.b64encode(f"user:{text}".encode()).decode(), quote])
def test_a_secret_in_any_form_would_be_found(wrap: Any) -> None:
    assert found_in(f"before {wrap('Planted+x/9=2&x')} after", "Planted+x/9=2&x")
    assert not found_in(f"before {wrap('Planted+y/9=2&x')} after", "Planted+x/9=2&x")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("front", ["action", "module"])
def test_the_cases_worked_and_failed_as_meant(fronts: dict[str, Ran], front: str) -> None:
    for case, result in zip(CASES, fronts[front].results, strict=True):
        bad = bool(result.get("failed") or result.get("unreachable"))
        assert bad is not case.good, (front, case, result.get("msg"))
        if case.wrong_login:
            assert result["error"]["code"] == "authentication", (case, result)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("front", ["action", "module"])
def test_no_secret_appears_anywhere(fronts: dict[str, Ran], front: str) -> None:
    places = fronts[front].places
    for name in ("the output", "the log", "the lab's record", "the disk of arc01"):
        assert places[name], f"{name} is empty, so nothing was looked at"
    assert "Traceback" not in places["the output"]
    shown = {
        (place, name, form)
        for place, text in places.items()
        for name, secret in PLANTED.items()
        if (form := found_in(text, secret))
    }
    assert shown == set()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("front", ["action", "module"])
def test_the_modules_were_asked_with_what_was_planted(fronts: dict[str, Ran], front: str) -> None:
    """The invocation is there to be hidden: a front that shows none would prove nothing."""
    hidden = re.findall(r'"(?:password|secret|access_token)": "(.*?)"', fronts[front].places["the output"])
    assert len(hidden) >= len(CASES)
    assert set(hidden) <= {"VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "********"}

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: reads a fleet file, starts the servers, writes their addresses, stays until it is ended."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.arm_server import ArmServer
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Timeline
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import (
    Fleet,
    FleetError,
    load_fleet,
    with_date,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import LabWorld
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.server import TooManyServers, WireServer
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.tls import make_tls
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.world import World

TRANSPORTS = ("basic", "ntlm", "https")
_ADDRESS = "127.0.0.1"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab", description="Simulated Windows servers on loopback that speak WinRM. Ends on SIGTERM or Ctrl-C."
    )
    parser.add_argument("--fleet", type=Path, required=True, metavar="FILE", help="fleet file or month file (YAML)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where inventory.yml and lab.json go")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the day Windows Update is looked at"
    )
    parser.add_argument("--scale", type=float, default=300.0, help="by how much durations are shortened (300)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that looks like chance (1)")
    parser.add_argument(
        "--transport", choices=TRANSPORTS, default="basic", help="how the inventory says to log in (basic)"
    )
    return parser


def run(arguments: list[str]) -> int:
    """Run the lab until it is ended; 2 when it cannot start."""
    options = _parser().parse_args(arguments)
    if options.scale <= 0:
        return _refuse("--scale must be above 0.")
    try:
        fleet = with_date(load_fleet(options.fleet), options.as_of)
        world = World(fleet, Timeline(options.scale), options.seed)
        options.out.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_serve(world, fleet, options.out, options.transport))
    except (FleetError, TooManyServers) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{error.filename or options.out}: {error.strerror or error}")


def _refuse(sentence: str) -> int:
    print(f"The lab cannot start: {sentence}", file=sys.stderr)
    return 2


async def _serve(world: World, fleet: Fleet, folder: Path, transport: str) -> int:
    stop, ready = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ca_file = folder.resolve() / "ca.pem"
    tls = make_tls(ca_file)
    arm = ArmServer(world.arm, tls)
    server = WireServer(world, tls, arm)
    running = asyncio.create_task(server.run(ready, stop))
    starting = asyncio.create_task(ready.wait())
    await asyncio.wait([running, starting], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await running
        return 1
    _write(
        folder / "inventory.yml", yaml.safe_dump(inventory(world, fleet, server, transport, ca_file), sort_keys=False)
    )
    # Last, because others take this file for the sign that the lab is ready.
    _write(folder / "lab.json", json.dumps(addresses(world, fleet, server, ca_file), indent=1) + "\n")
    print(f"lab ready: {len(world.machines)} servers, inventory {folder / 'inventory.yml'}", flush=True)
    await running
    return 0


def addresses(world: LabWorld, fleet: Fleet, server: WireServer, ca_file: Path) -> dict[str, Any]:
    """What lab.json holds."""
    servers = {
        spec.name: {
            "address": _ADDRESS,
            "http_port": server.doors[spec.name].http.port,
            "https_port": server.doors[spec.name].https.port,
            "user": spec.username,
            "password": world.machines[spec.name].accounts[spec.username],
            **_web_site(server, spec.name, "web_url"),
        }
        for spec in fleet.servers
    }
    return {
        "control": f"http://{_ADDRESS}:{server.control.port}",
        "ca_file": str(ca_file),
        "process_id": os.getpid(),
        "azure": {"arm": server.arm.addresses, **server.arm.azure.account()} if server.arm else {},
        "servers": servers,
    }


def _web_site(server: WireServer, name: str, key: str) -> dict[str, str]:
    """Where the web site of a server is, under a key; nothing when it has none."""
    web = server.doors[name].web
    return {} if web is None else {key: f"http://{_ADDRESS}:{web.port}/"}


def inventory(world: LabWorld, fleet: Fleet, server: WireServer, transport: str, ca_file: Path) -> dict[str, Any]:
    """An Ansible inventory of the fleet; groups and variables are those that the fleet file gives."""
    hosts: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    for spec in fleet.servers:
        doors = server.doors[spec.name]
        hosts[spec.name] = {
            "ansible_port": doors.https.port if transport == "https" else doors.http.port,
            "ansible_user": spec.username,
            "ansible_password": world.machines[spec.name].accounts[spec.username],
            **_web_site(server, spec.name, "lab_web_url"),
            **spec.vars,
        }
        for group in spec.groups:
            groups.setdefault(group, {"hosts": {}})["hosts"][spec.name] = None
    common: dict[str, Any] = {
        "ansible_connection": "winrm",
        "ansible_host": _ADDRESS,
        "ansible_winrm_scheme": "https" if transport == "https" else "http",
        "ansible_winrm_transport": "ntlm" if transport == "ntlm" else "basic",
    }
    if transport == "https":
        common["ansible_winrm_ca_trust_path"] = str(ca_file)
    if server.arm is not None:
        common |= _azure_variables(server.arm, ca_file)
    return {"all": {"hosts": hosts, "vars": common, **({"children": groups} if groups else {})}}


def _azure_variables(arm: ArmServer, ca_file: Path) -> dict[str, Any]:
    """What a person whose servers are in this Azure has in the inventory."""
    account = arm.azure.account()
    names = ("tenant", "client_id", "secret", "subscription_id", "resource_group")
    return {
        "hotpatch_azure_cloud": arm.addresses["http"],
        "hotpatch_azure_ca_path": str(ca_file),
        **{f"hotpatch_azure_{name}": account[name] for name in names if account[name]},
    }


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner reads, complete from the moment it is there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)

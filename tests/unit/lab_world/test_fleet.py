# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import ManualTime, Timeline
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fault_kinds import KINDS
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.faults import EFFECTS, give
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import FleetError, load_fleet
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.world import World

from .rehearsal import START, Rehearsal

DEMO = Path(__file__).parents[3] / "demo"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_month_changes_single_servers(tmp_path: Path) -> None:
    write(
        tmp_path / "fleet.yml",
        "schema: 1\ndefaults: {level: KB5068966}\nservers:\n  - {name: a, roles: [web]}\n  - {name: b}\n",
    )
    month = write(
        tmp_path / "month.yml",
        "schema: 1\nfleet: fleet.yml\nas_of: 2025-10-28\nservers:\n  b: {level: KB5066835}\n",
    )
    fleet = load_fleet(month)
    assert [(server.name, server.level) for server in fleet.servers] == [("a", "KB5068966"), ("b", "KB5066835")]
    assert fleet.as_of is not None
    assert fleet.as_of.isoformat() == "2025-10-28"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema: 2\nservers: [{name: a}]", "schema"),
        ("schema: 1\nservers: []", "servers"),
        ("schema: 1\nservers: [{name: a, colour: red}]", "a: unknown key 'colour'"),
        ("schema: 1\nservers: [{name: a}, {name: A}]", "two servers"),
        ("schema: 1\nservers: [{name: a, level: KB1}]", "level"),
        ("schema: 1\nservers: [{name: a, level: KB5071413}]", "level"),
        ("schema: 1\nservers: [{name: a, edition: ServerAzure}]", "edition"),
        ("schema: 1\nservers: [{name: a, vbs: 3}]", "vbs"),
        ("schema: 1\nservers: [{name: a, core: 'yes'}]", "core"),
        ("schema: 1\nservers: [{name: a, arc: lost}]", "arc"),
        ("schema: 1\nservers: [{name: a, faults: [{kind: fire}]}]", "there is no fault 'fire'"),
        ("schema: 1\nservers: [{name: a, faults: [{kind: install_fails, hresult: 5}]}]", "hresult"),
        ("schema: 1\nservers: [{name: a, faults: [{kind: service_not_started}]}]", "name"),
        ("schema: 1\nservers: [{name: 'a b'}]", "host name"),
        ("schema: 1\nas_of: soon\nservers: [{name: a}]", "as_of"),
        ("schema: 1\nfleet: nope.yml", "cannot be read"),
        ("a: [", "not YAML"),
        ("- a", "keys and values"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FleetError) as caught:
        load_fleet(write(tmp_path / "fleet.yml", text))
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("month", ["2025-12", "2025-10", "2026-04"])
def test_the_demo_has_24_servers_of_every_kind(month: str) -> None:
    fleet = load_fleet(DEMO / "months" / f"{month}.yml")
    world = World(fleet, Timeline(300.0, ManualTime(START)), seed=1)
    assert len(world.machines) == 24
    assert f"{fleet.as_of:%Y-%m}" == month
    specs = fleet.servers
    assert {spec.arc for spec in specs} == {"connected", "none", "disconnected", "expired"}
    assert {spec.vbs for spec in specs} == {0, 1, 2, "unreadable"}
    assert {spec.edition for spec in specs} >= {
        "ServerStandard",
        "ServerDatacenter",
        "ServerStandardEval",
        "ServerTurbine",
    }
    assert {spec.product_data.build for spec in specs} == {26100, 20348}
    assert any(spec.core for spec in specs)
    assert any(not spec.product_data.server for spec in specs)
    assert any(spec.opted_out for spec in specs)
    assert any(spec.restart_pending for spec in specs)
    assert any(spec.network == "closed" for spec in specs)
    missed = [name for name, machine in world.machines.items() if name in ("file01", "file02", "hv01", "sql02")]
    assert all(not world.machines[name].updates.on_track for name in missed)


def test_every_fault_has_an_effect_and_a_meaning() -> None:
    assert set(KINDS) == set(EFFECTS)
    needed: dict[str, dict[str, Any]] = {
        "network": {"state": "silent"},
        "service_not_started": {"name": "W3SVC"},
        "class_missing": {"name": "Win32_DeviceGuard"},
        "access_denied": {"namespace": "root/cimv2"},
        "registry_denied": {"key": "HKLM\\SOFTWARE"},
    }
    for kind in KINDS:
        server = Rehearsal()
        give(server.machine, {"kind": kind, **needed.get(kind, {})})
        assert server.machine.faults.active[0]["kind"] == kind


def test_the_same_seed_gives_the_same_fleet() -> None:
    fleet = load_fleet(DEMO / "fleet.yml")
    worlds = [World(fleet, Timeline(1.0, ManualTime(START)), seed=7) for _number in range(2)]
    shown = [
        [(machine.accounts, machine.boot_time, machine.jitter()) for machine in w.machines.values()] for w in worlds
    ]
    assert shown[0] == shown[1]


def test_the_control_address() -> None:
    server = Rehearsal()
    world = server.world
    server.run("mkdir C:\\x")
    assert world.control("GET", "/servers", {}, None).document["servers"][0]["build"] == "26100.7092"
    state = world.control("GET", "/servers/web01", {}, None).document
    assert (state["level"], state["baseline"], state["on_track"]) == ("KB5068966", "KB5066835", True)
    assert world.control("GET", "/servers/nope", {}, None).status == 404
    record = world.control("GET", "/record", {"server": "web01", "writes": "1"}, None).document
    assert [item["what"] for item in record["writes"]] == ["C:\\x\\"]
    assert "requests" not in record
    given = world.control("POST", "/servers/web01/faults", {}, {"kind": "never_returns"})
    assert given.status == 200
    assert server.machine.faults.never_returns
    assert world.control("POST", "/servers/web01/faults", {}, {"kind": "fire"}).status == 400
    assert world.control("POST", "/servers/web01/faults", {}, None).status == 400
    assert world.control("DELETE", "/servers/web01/faults", {}, None).status == 200
    assert not server.machine.faults.never_returns
    assert world.control("GET", "/clock", {}, None).document["scale"] == 1.0
    assert world.control("POST", "/shutdown", {}, None).stop
    assert world.control("GET", "/nope", {}, None).status == 404

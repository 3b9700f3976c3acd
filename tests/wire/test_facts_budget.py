# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reading a server costs on the wire, as the server counts it, and that reading changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import host_info
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import settings_from_options
from tests.wire.running_lab import RunningLab, running_lab

#: What the documentation of host_info promises, the requests of an NTLM handshake included.
MOST_REQUESTS = 16
MOST_BYTES_SENT = 30_000

#: More KBs than fit into one page of rows: far above what a server collects in its life.
MANY_KBS = [f"KB59{number:05d}" for number in range(1500)]

#: Scheme, the logins offered, and how many requests the login may cost beside those that carry a message.
WAYS = {
    "basic": ("http", ["basic"], 0),
    "ntlm_sealed": ("http", ["ntlm"], 3),
    "https_basic": ("https", ["basic"], 0),
    "https_ntlm": ("https", ["ntlm"], 3),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    fleet = {
        "as_of": "2025-12-20",
        "defaults": {"product": "windows-server-2025", "level": "KB5068966"},
        "servers": [
            {"name": "web01"},
            {"name": "sealed01", "winrm": {"encryption_required": True}},
            {"name": "old01", "extra_kbs": MANY_KBS},
            {"name": "bare01", "arc": "none", "enrolled": False, "vbs": 0},
        ],
    }
    with running_lab(fleet, tmp_path_factory.mktemp("budget"), "--scale", "1000") as running:
        yield running


def read(lab: RunningLab, name: str, way: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The result of host_info, and what the server recorded meanwhile."""
    scheme, transport, _handshakes = WAYS[way]
    server = lab.servers[name]
    params: dict[str, Any] = {key: option.get("default") for key, option in host_info.SPEC.argument_spec.items()}
    params.update(
        address=server.address,
        port=server.https_port if scheme == "https" else server.http_port,
        scheme=scheme,
        transport=transport,
        username=server.user,
        password=server.password,
        ca_path=str(lab.ca_file),
        as_of="2025-12-20",
    )
    seen = len(lab.record(name))
    result = host_info.run(Call(params=params, name=name, settings=settings_from_options(params)))
    return result, lab.record(name)[seen:]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["web01", "old01", "bare01"])
def test_reading_a_server_stays_within_its_budget(lab: RunningLab, name: str, way: str) -> None:
    result, record = read(lab, name, way)
    _scheme, _transport, handshakes = WAYS[way]
    logins = [entry for entry in record if entry["status"] == 401 or entry["bytes_in"] == 0]
    messages = [entry for entry in record if entry not in logins]
    assert len(record) <= MOST_REQUESTS, Counter(entry["method"] for entry in record)
    assert len(logins) <= handshakes
    assert {entry["status"] for entry in messages} == {200}

    # The result counts what the server counted; its bytes hold the heads as well, which the record leaves out.
    traffic = result["server"]["traffic"]
    assert traffic["requests"] == len(messages)
    bodies_in, bodies_out = (sum(entry[key] for entry in record) for key in ("bytes_in", "bytes_out"))
    assert bodies_in < traffic["bytes_sent"] <= MOST_BYTES_SENT
    assert traffic["bytes_sent"] - bodies_in < 1000 * len(record)
    assert bodies_out < traffic["bytes_received"] < bodies_out + 1000 * len(record)

    # One shell, closed again, with one command; nothing that is left running.
    methods = Counter(entry["method"] for entry in messages)
    assert (methods["Shell:Create"], methods["Shell:Command"], methods["Shell:Delete"]) == (1, 1, 1)
    assert set(methods) <= {"Enumerate", "Pull", "Shell:Create", "Shell:Command", "Shell:Receive", "Shell:Delete"}


@pytest.mark.parametrize("way", WAYS)
def test_a_long_list_of_kbs_comes_in_pages_and_whole(lab: RunningLab, way: str) -> None:
    result, record = read(lab, "old01", way)
    assert [entry["method"] for entry in record].count("Pull") >= 2
    kbs = [row["kb"] for row in result["server"]["kbs"]]
    assert len(kbs) == len(set(kbs))
    assert set(kbs) >= {*MANY_KBS, "KB5068966"}
    assert sorted(kbs) == sorted(lab.state("old01")["quick_fixes"])


@pytest.mark.parametrize("way", ["ntlm_sealed", "https_basic"])
def test_a_server_that_wants_encryption_costs_no_more(lab: RunningLab, way: str) -> None:
    result, record = read(lab, "sealed01", way)
    assert len(record) <= MOST_REQUESTS
    assert result["server"]["traffic"]["bytes_sent"] <= MOST_BYTES_SENT
    assert result["standing"]["track"] == "hotpatch"


def test_reading_never_writes(lab: RunningLab) -> None:
    """All servers, over every way, read once more, and judged by what they hold."""
    for name in lab.servers:
        before = lab.state(name)
        for way in WAYS:
            if (name, way) != ("sealed01", "basic"):
                _result, record = read(lab, name, way)
                assert [entry for entry in record if entry["write"]] == []
        after = lab.state(name)
        assert lab.record(name, writes=True) == []
        assert after["writes"] == 0
        for key in ("tasks", "files", "installs", "downloads", "restarts", "last_boot"):
            assert after[key] == before[key], key
        assert after["files"] == []

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic between our modules and the lab's Azure, in a form that can be kept, compared, and judged.

A recording is one JSON line for each exchange: ``{"request": {...}, "response": {...}}``, what azure-contract's
``check_traffic.js`` takes. Dates, operation ids and ports are made the same at every run.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("recordings")
#: Set it to write the recordings anew, and look at what changed in them.
RECORD = "WINOPS_RECORD_AZURE"
ROOT = Path(__file__).resolve().parents[2]

_KEPT = ("content-type", "location", "azure-asyncoperation", "retry-after")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_ORIGIN = re.compile(r"https?://127\.0\.0\.1:\d+")
_OPERATION = re.compile(r"(operation(?:Status|Results|s)/)[0-9a-f-]{36}", re.IGNORECASE)


def normalized(exchanges: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The exchanges as they are kept."""
    kept = []
    for item in exchanges:
        text = json.dumps(
            {side: _side(item[side]) for side in ("request", "response")}, ensure_ascii=False, sort_keys=True
        )
        text = _ORIGIN.sub("https://management.azure.com", text)
        text = _OPERATION.sub(r"\g<1>00000000-0000-0000-0000-000000000000", text)
        kept.append(json.loads(_DATE.sub("2026-01-01T00:00:00Z", text)))
    return kept


def _side(side: dict[str, Any]) -> dict[str, Any]:
    headers = {key.lower(): text for key, text in side["headers"].items() if key.lower() in _KEPT}
    body = side["body"]
    if isinstance(body, dict) and "startTime" in body:
        body = {**body, "name": "00000000-0000-0000-0000-000000000000"}
    return {**{key: side[key] for key in ("method", "url", "status") if key in side}, "headers": headers, "body": body}


def stored(name: str) -> list[dict[str, Any]]:
    """A recording of the repository."""
    lines = (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def compare_or_store(name: str, exchanges: list[dict[str, Any]]) -> None:
    """Hold the requests recorded now against those of the repository's recording."""
    if os.environ.get(RECORD):
        lines = [json.dumps(item, ensure_ascii=False, sort_keys=True) for item in exchanges]
        (FOLDER / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    wanted, found = (_distinct(items) for items in (stored(name), exchanges))
    assert found == wanted, f"the traffic differs from recordings/{name}.jsonl; {RECORD}=1 writes it anew"


def _distinct(exchanges: Iterable[dict[str, Any]]) -> list[str]:
    """The requests without their repetitions: how often something is looked at, and what shows, is a matter of time."""
    return sorted({json.dumps(item["request"], sort_keys=True) for item in exchanges})


def contract_folder() -> Path | None:
    """Microsoft's specifications with their validator, where they lie beside the checkout or AZURE_CONTRACT says."""
    named = os.environ.get("AZURE_CONTRACT")
    found = Path(named) if named else ROOT.parent / "shared" / "azure-contract"
    programs = all(shutil.which(name) for name in ("node", "npm"))
    return found if programs and (found / "check_traffic.js").is_file() else None


def install_contract(folder: Path, where: Path) -> Path:
    """A copy of it that runs; installed once for all tests of a checkout, whichever of its processes comes first."""
    copy = where / "azure-contract"
    where.mkdir(parents=True, exist_ok=True)
    with (where / "azure-contract.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (copy / "installed").is_file():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder, copy)
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=copy, check=True, capture_output=True)
            (copy / "installed").touch()
    return copy


def judged(contract: Path, exchanges: Iterable[dict[str, Any]], work: Path) -> list[str]:
    """What the validator refuses, in its words; equal exchanges are judged once.

    Looking at an operation is not part of any specification.
    """
    lines = dict.fromkeys(
        json.dumps(item, sort_keys=True) for item in exchanges if not _OPERATION.search(item["request"]["url"])
    )
    traffic = work / "traffic.jsonl"
    traffic.write_text("\n".join(lines), "utf-8")
    command = ["node", "check_traffic.js", str(traffic)]
    done = subprocess.run(command, cwd=contract, capture_output=True, text=True, timeout=110, check=False)
    refused = [words for words in re.split(r"^(?=ok  |BAD )", done.stdout, flags=re.MULTILINE) if words[:3] == "BAD"]
    assert done.returncode == (1 if refused else 0), done.stdout + done.stderr
    return refused

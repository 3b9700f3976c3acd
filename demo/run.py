# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Onboard servers of the lab's fleet and play one month on it, and say whether every server ended as it must.

    python demo/run.py --month 2025-12

Starts the lab, runs the playbooks ``winops.hotpatch.onboard`` (on the group onboarding; it enrolls through the lab's
Azure Resource Manager) and ``winops.hotpatch.patch_month`` on it as anybody would, ends the lab, and compares two
things with each other and with ``demo/expected/<month>.yml``: what the reports say of each server, and what the lab
itself knows to have happened to it, in Azure too. The exit code is 0 only when all three agree, the planted failures
included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from demo.agreement import (  # noqa: E402
    SUCCEEDED,
    azure_disagreements,
    disagreements,
    onboarding_disagreements,
    since,
)
from demo.lab_process import LabProcess  # noqa: E402

#: What the playbook's exit code must be when a planted server is unreachable, whoever else failed.
_UNREACHABLE = 4
_FAILED = 2

#: Where servers are connected, and who may do it: the lab's own Azure (docs/lab.md).
ARC = {
    "hotpatch_arc_subscription_id": "0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33",
    "hotpatch_arc_tenant_id": "6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10",
    "hotpatch_arc_resource_group": "rg-arc-servers",
    "hotpatch_arc_location": "westeurope",
    "hotpatch_arc_service_principal_id": "3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21",
    "hotpatch_arc_service_principal_secret": "Lab-onboarding-secret-1",
}


def main() -> int:
    months = sorted(path.stem for path in (HERE / "months").glob("*.yml"))
    parser = argparse.ArgumentParser(description="Play one month on the lab's fleet.")
    parser.add_argument("--month", default="2025-12", choices=months, metavar="MONTH", help=", ".join(months))
    parser.add_argument("--out", type=Path, default=Path(".demo"), help="where the reports go")
    parser.add_argument("--transport", default="basic", choices=["basic", "ntlm", "https"])
    parser.add_argument("--twice", action="store_true", help="play again and demand that nothing changes")
    options = parser.parse_args()

    expected = yaml.safe_load((HERE / "expected" / f"{options.month}.yml").read_text(encoding="utf-8"))
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for stale in ("summary.json", "report.html", "onboarding.json"):
        (out / stale).unlink(missing_ok=True)

    print(f"Starting the lab with the fleet of {options.month} ...", flush=True)
    with LabProcess(HERE / "months" / f"{options.month}.yml", out / "lab", transport=options.transport) as lab:
        print(
            f"{len(lab.servers)} servers answer on 127.0.0.1. Onboarding those that are not on the track:", flush=True
        )
        code = onboard(lab, options.month, out)
        onboarded = lab.states()
        wrong = onboarding_verdict(code, expected, out, onboarded, lab)
        print("Playing the month:", flush=True)
        began = time.monotonic()
        code = play(lab, options.month, expected, out)
        print(f"The play took {time.monotonic() - began:.0f} s and ended with exit code {code}.", flush=True)
        wrong += verdict(code, expected, out, since(lab.states(), onboarded))
        if not wrong and options.twice:
            print("Onboarding and playing it again; nothing may change:", flush=True)
            before, asked = lab.states(), len(lab.azure_writes())
            onboard(lab, options.month, out)
            play(lab, options.month, expected, out)
            wrong = changes(before, lab.states(), out)
            if len(lab.azure_writes()) != asked:
                wrong.append("the second run asked Azure for changes")
    for line in wrong:
        print(f"  NOT AS EXPECTED  {line}")
    if wrong:
        return 1
    print(f"Every server ended as it must, and the lab's own record agrees. Look at {out / 'report.html'}")
    return 0


def onboard(lab: LabProcess, month: str, out: Path) -> int:
    """Bring the group onboarding onto the track; the exit code of the playbook."""
    settings = {
        "hotpatch_hosts": "onboarding",
        "hotpatch_restart_reasons": ["vbs"],
        "hotpatch_enroll": True,
        "hotpatch_azure_poll_interval": 0.5,
        **ARC,
    }
    return run_playbook("winops.hotpatch.onboard", lab, month, out, settings)


def onboarding_verdict(
    code: int, expected: dict[str, Any], out: Path, states: dict[str, dict[str, Any]], lab: LabProcess
) -> list[str]:
    """What is not as it must be, in words; empty when all is well."""
    path = out / "onboarding.json"
    if not path.is_file():
        return [f"the onboarding wrote no {path}"]
    wrong = [f"the onboarding ended with exit code {code}, and 0 was to be"] if code else []
    summary = json.loads(path.read_text(encoding="utf-8"))
    wrong += onboarding_disagreements(summary, expected["onboarding"], states)
    return wrong + azure_disagreements(summary, lab.licences(), lab.azure_writes())


def play(lab: LabProcess, month: str, expected: dict[str, Any], out: Path) -> int:
    """Patch the month; the exit code of the playbook."""
    settings = {"hotpatch_restart_reasons": expected["restart_reasons"], "hotpatch_batch_size": 4}
    return run_playbook("winops.hotpatch.patch_month", lab, month, out, settings)


def run_playbook(name: str, lab: LabProcess, month: str, out: Path, settings: dict[str, Any]) -> int:
    """Run a playbook as a person would; its exit code."""
    settings = {
        "hotpatch_month": month,
        "hotpatch_report_dir": str(out),
        # The lab's minutes pass in a blink.
        "hotpatch_poll_interval": 0.5,
        "hotpatch_restart_delay": 1,
        **settings,
    }
    command = ["ansible-playbook", name, "-i", str(lab.inventory), "-e", json.dumps(settings), "--forks", "12"]
    return subprocess.run(command, env=os.environ | {"ANSIBLE_NOCOWS": "1"}, check=False).returncode


def verdict(code: int, expected: dict[str, Any], out: Path, states: dict[str, dict[str, Any]]) -> list[str]:
    """What is not as it must be, in words; empty when all is well."""
    path = out / "summary.json"
    if not path.is_file():
        return [f"the play wrote no {path}"]
    summary = json.loads(path.read_text(encoding="utf-8"))
    wrong = disagreements(summary, expected["servers"], states)
    outcomes = {entry["outcome"] for entry in expected["servers"].values()}
    must = _UNREACHABLE if "unreachable" in outcomes else _FAILED if "failed" in outcomes else 0
    if code != must:
        wrong.append(f"the play ended with exit code {code}, and {must} was to be")
    return wrong


def changes(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], out: Path) -> list[str]:
    """What a second run changed, by the lab's record and by the report, in words."""
    kept = ("build", "installed_kbs", "boots", "installs", "restarts")
    wrong = [
        f"{name}: the second run changed its {key}"
        for name in before
        for key in kept
        # A server whose update fails is tried again, and fails again.
        if before[name][key] != after[name][key] and not (key == "installs" and _all_failed(after[name][key]))
    ]
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    done = [server["name"] for server in summary["servers"] if server["outcome"] in ("hotpatched", "baselined")]
    return wrong + [f"{name}: the second run says that it installed something" for name in done]


def _all_failed(installs: list[dict[str, Any]]) -> bool:
    return all(install["result_code"] != SUCCEEDED for install in installs)


if __name__ == "__main__":
    sys.exit(main())

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the report, the expectation and the lab's own record say the same of each server."""

from __future__ import annotations

from typing import Any

#: OperationResultCode of the Windows Update Agent.
SUCCEEDED = 2


def disagreements(
    summary: dict[str, Any], expected: dict[str, dict[str, Any]], states: dict[str, dict[str, Any]]
) -> list[str]:
    """Every point where two of the three differ, in words.

    :param summary: what ``summary.json`` holds.
    :param expected: by server name, ``outcome`` and, where it matters, ``kbs``, ``track_after``, ``build_after`` and
        words that must stand in the ``reason``.
    :param states: by server name, what the lab knows to be true.
    """
    reported = {server["name"]: server for server in summary["servers"]}
    wrong = []
    if set(reported) != set(expected):
        wrong.append(f"the report and the expectation name different servers: {sorted(set(reported) ^ set(expected))}")
    for name in sorted(set(reported) & set(expected)):
        wrong += [f"{name}: {words}" for words in _against_expectation(reported[name], expected[name])]
        wrong += [f"{name}: {words}" for words in _against_truth(reported[name], states[name])]
    counted: dict[str, int] = {}
    for server in summary["servers"]:
        counted[server["outcome"]] = counted.get(server["outcome"], 0) + 1
    totals = {key: value for key, value in summary["totals"].items() if value and key != "servers"}
    if totals != counted:
        wrong.append(f"the totals {totals} are not what the servers add up to, {counted}")
    return wrong


def onboarding_disagreements(
    summary: dict[str, Any], expected: dict[str, dict[str, Any]], states: dict[str, dict[str, Any]]
) -> list[str]:
    """The same for the onboarding.

    :param summary: what ``onboarding.json`` holds.
    :param expected: by server name, ``outcome``, ``stages``, ``restarts``, and words of the ``reason``.
    """
    reported = {server["name"]: server for server in summary["servers"]}
    wrong = []
    if set(reported) != set(expected):
        wrong.append(f"the onboarding named other servers: {sorted(set(reported) ^ set(expected))}")
    for name in sorted(set(reported) & set(expected)):
        server, must, truth = reported[name], dict(expected[name]), states[name]
        restarts = must.pop("restarts")
        wrong += [f"{name}: {words}" for words in _against_expectation(server, must)]
        if len(truth["restarts"]) != restarts:
            wrong.append(
                f"{name}: onboarding was to restart it {restarts} times, and did {len(truth['restarts'])} times"
            )
        if bool(truth["restarts"]) != bool(server["restarted"]):
            wrong.append(f"{name}: reported restarted={server['restarted']}, and the lab says otherwise")
        if (server["outcome"] == "enrolled") != bool(truth["capable"]):
            wrong.append(
                f"{name}: reported {server['outcome']}, and the lab's server can have hotpatches: {truth['capable']}"
            )
    return wrong


def azure_disagreements(
    summary: dict[str, Any], licences: dict[str, dict[str, Any]], writes: list[dict[str, Any]]
) -> list[str]:
    """What Azure has and was asked for, beside what the onboarding reports of its enrollments.

    :param licences: by server name, how Azure has it: ``id``, ``status``, ``hotpatching``.
    :param writes: the exchanges with Azure that were to change something.
    """
    wrong = []
    asked = [str(item["request"]["url"]).lower() for item in writes]
    for server in summary["servers"]:
        name, licence = server["name"], licences.get(server["name"])
        if server["outcome"] == "enrolled" and (
            licence is None or licence["status"] != "Enabled" or licence["hotpatching"] is not True
        ):
            wrong.append(f"{name}: reported enrolled, and Azure has it as {licence}")
        if licence is None:
            continue
        mine = [url for url in asked if f"{licence['id'].lower()}/" in f"{url.split('?')[0]}/"]
        if bool(mine) != ("enroll" in server["stages"]):
            wrong.append(f"{name}: reported the stages {server['stages']}, and Azure was asked to change it {mine}")
    return wrong


def since(states: dict[str, dict[str, Any]], before: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The states with only what was done to each server after an earlier look."""
    return {
        name: state | {key: state[key][len(before[name][key]) :] for key in ("restarts", "installs")}
        for name, state in states.items()
    }


def _against_expectation(server: dict[str, Any], must: dict[str, Any]) -> list[str]:
    wrong = []
    for key, wanted in must.items():
        if key == "reason":
            missing = [word for word in wanted if word.lower() not in server["reason"].lower()]
            if missing:
                wrong.append(f"the reason lacks {missing}: {server['reason']!r}")
        elif key == "kbs":
            if sorted(server["kbs_installed"]) != sorted(wanted):
                wrong.append(f"installed {server['kbs_installed']}, and {wanted} was to be")
        elif server[key] != wanted:
            wrong.append(f"{key} is {server[key]!r}, and {wanted!r} was to be ({server['reason']})")
    return wrong


def _against_truth(server: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    wrong = []
    restarts = len(truth["restarts"])
    if bool(restarts) != bool(server["restarted"]):
        wrong.append(f"reported restarted={server['restarted']}, and the lab saw {restarts} restarts")
    if restarts and server["outcome"] != "baselined":
        wrong.append(f"was restarted, and its outcome is {server['outcome']}")
    succeeded = [install["kb"] for install in truth["installs"] if install["result_code"] == SUCCEEDED]
    done = sorted(set(succeeded))
    if done != sorted(server["kbs_installed"]):
        wrong.append(f"reported {sorted(server['kbs_installed'])} installed, and the lab installed {done}")
    twice = [kb for kb in done if succeeded.count(kb) > 1]
    if twice:
        wrong.append(f"{twice} was installed more than once")
    if server["build_after"] is not None and server["build_after"] != truth["build"]:
        wrong.append(f"reported build {server['build_after']}, and the lab's server has {truth['build']}")
    if server["outcome"] in ("hotpatched", "baselined", "current") and server["build_after"] is None:
        wrong.append(f"the outcome is {server['outcome']} without a build read afterwards")
    return wrong

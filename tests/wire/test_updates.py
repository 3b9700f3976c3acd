# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates and their history over the real protocol, on servers where something is wrong; the lab's record decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._core import update_history_info, updates
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec, settings_from_options
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError, Refused
from tests.receipts import check_receipt
from tests.wire.running_lab import RunningLab, running_lab

DAY = "2025-12-20"
WINDOWS_UPDATE_POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate"

# What fails, with which code, its class, and how often the search is made (two retries are the default).
FAILURES = [
    ("search_fails", "0x8024402C", "fix", 1),
    ("search_fails", "0x8024401C", "retry", 3),
    ("search_fails", "0x8024001E", "retry", 3),
    ("search_fails", "0x8024002E", "fix", 1),
    ("search_fails", "0x80072EE2", "retry", 3),
    ("search_fails", "0x80070422", "fix", 1),
    ("search_fails", "0x80070005", "fix", 1),
    ("install_fails", "0x800F0983", "fix", 1),
    ("install_fails", "0x80240016", "retry", 1),
    ("download_fails", "0x80070070", "fix", 1),
]


def failing(kind: str, code: str) -> str:
    return f"f{code[2:].lower()}"


def server(name: str, *faults: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"name": name, "level": "KB5068966", "other_updates": [], "faults": list(faults), **keys}


FLEET = {
    "as_of": DAY,
    "servers": [
        *(server(failing(kind, code), {"kind": kind, "hresult": code}) for kind, code, *_rest in FAILURES),
        server("passing01", {"kind": "search_fails", "hresult": "0x8024401C", "times": 2}),
        server("full01", free_gb=1.5),
        server("filling01", {"kind": "download_fails", "hresult": "0x80070070", "times": 1}),
        server("licence01", {"kind": "eula_not_accepted"}),
        server("again01", {"kind": "update_reoffered", "kb": "KB5072014"}, level="KB5072014"),
        server("dotnet01", level="KB5065474", other_updates=["dotnet", "malware-tool", "defender"]),
        server(
            "wsus01",
            wsus=["all"],
            registry={
                WINDOWS_UPDATE_POLICY: {
                    "WUServer": "http://reader:Planted-Pa55word@wsus.example.com:8530",
                    "DoNotConnectToWindowsUpdateInternetLocations": 1,
                },
                WINDOWS_UPDATE_POLICY + r"\AU": {"UseWUServer": 1},
            },
        ),
        server("plain01"),
        server("microsoft01", microsoft_update=True),
        server("throws01", {"kind": "evaluation_throws"}),
        server("null01", {"kind": "evaluation_null"}),
        server("policy01", {"kind": "always_auto_reboot"}),
        server("waits01", restart_pending=["component_based_servicing"]),
        server("past01", other_updates=["defender", "malware-tool"]),
    ],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    with running_lab(FLEET, tmp_path_factory.mktemp("updates"), "--scale", "1000") as running:
        yield running


Core = Callable[[Call], dict[str, Any]]


def call(
    lab: RunningLab, name: str, spec: Spec, core: Core, check_mode: bool, params: Mapping[str, Any], **ways: Any
) -> Any:
    on = lab.servers[name]
    options: dict[str, Any] = {key: option.get("default") for key, option in spec.argument_spec.items()}
    options.update(
        address=on.address, port=on.http_port, scheme="http", transport=["basic"], username=on.user,
        password=on.password, as_of=DAY, poll_interval=0.05, **params,
    )  # fmt: skip
    return core(Call(params=options, name=name, settings=settings_from_options(options), check_mode=check_mode, **ways))


def run(lab: RunningLab, name: str, **params: Any) -> dict[str, Any]:
    """The result; of a failure its details, its code and its class."""
    try:
        result: dict[str, Any] = call(lab, name, updates.SPEC, updates.run, False, params)
    except HotpatchError as error:
        result = {
            **error.details,
            "changed": error.changed,
            "error": error.as_result(),
            "sentence": error.sentence(),
        }
    if "receipt" in result:
        check_receipt(result["receipt"])
    return result


def history(lab: RunningLab, name: str, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = call(lab, name, update_history_info.SPEC, update_history_info.run, check_mode, params)
    return found


def installs(lab: RunningLab, name: str) -> list[str]:
    """What was really begun to be installed on a server."""
    return [each["kb"] for each in lab.state(name)["installs"]]


@pytest.mark.parametrize(("kind", "code", "error_class", "searches"), FAILURES)
def test_each_failure_has_its_class_and_is_repeated_only_when_that_may_help(
    lab: RunningLab, kind: str, code: str, error_class: str, searches: int
) -> None:
    name = failing(kind, code)
    result = run(lab, name)
    assert result["error"]["code"] == code and code in result["sentence"]
    assert result["error_class"] == error_class
    assert result["error"]["retryable"] is (error_class == "retry")
    assert result["changed"] is False and result["kbs_installed"] == []
    operations = [each["operation"] for each in result["receipt"]["operations"]]
    assert operations.count("search") == searches
    assert operations.count("install") <= 1 and operations.count("download") <= 1
    assert lab.state(name)["build"] == "26100.7092"
    if error_class == "fix":
        assert result["error"]["hint"]
    if kind != "search_fails":
        (failed,) = [each for each in result["results"] if each["result"] == "failed"]
        assert (failed["hresult"], failed["class"]) == (code, error_class)


def test_a_search_that_fails_for_a_while_is_tried_again(lab: RunningLab) -> None:
    result = run(lab, "passing01")
    assert result["kbs_installed"] == ["KB5072014"]
    operations = [(each["operation"], each["hresult"]) for each in result["receipt"]["operations"]]
    assert operations[:3] == [("search", "0x8024401C"), ("search", "0x8024401C"), ("search", None)]


def test_a_full_disk_is_seen_before_anything_is_downloaded(lab: RunningLab) -> None:
    result = run(lab, "full01")
    (refused,) = result["refused"]
    assert (refused["why"], refused["class"]) == ("disk_space", "fix")
    assert "1.5 GB free, and 2.0 GB are needed" in refused["refused"]
    assert [each["operation"] for each in result["receipt"]["operations"]] == ["search"]
    assert (result["changed"], installs(lab, "full01")) == (False, [])
    assert run(lab, "full01", min_free_bytes=1_000_000_000)["kbs_installed"] == ["KB5072014"]


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_half_done(lab: RunningLab) -> None:
    result = run(lab, "filling01")
    assert result["error"]["code"] == "0x80070070" and "Make room" in result["error"]["hint"]
    assert installs(lab, "filling01") == []
    assert run(lab, "filling01")["kbs_installed"] == ["KB5072014"]
    assert installs(lab, "filling01") == ["KB5072014"]


def test_licence_terms(lab: RunningLab) -> None:
    result = run(lab, "licence01", accept_eula=False)
    assert [each["why"] for each in result["refused"]] == ["licence"]
    assert installs(lab, "licence01") == []
    assert run(lab, "licence01")["kbs_installed"] == ["KB5072014"]


def test_what_is_offered_again_is_recognised_flagged_once_and_not_installed(lab: RunningLab) -> None:
    for _time in range(2):
        result = run(lab, "again01")
        (again,) = result["offered_again"]
        assert again["kb"] == "KB5072014" and "offers it again" in again["words"]
        assert [each["why"] for each in result["refused"]] == ["installed"]
        assert (result["changed"], result["kbs_installed"]) == (False, [])
    assert installs(lab, "again01") == []


def test_others_come_with_the_baseline_in_one_go(lab: RunningLab) -> None:
    result = run(
        lab, "dotnet01", mode="baseline", other_updates="with_baseline", classifications=["security_updates", "updates"]
    )
    assert sorted(result["kbs_installed"]) == ["KB5066131", "KB5066835"]
    assert [each["operation"] for each in result["receipt"]["operations"]].count("install") == 1
    assert (result["expected_build"], result["restart_required"]) == ("26100.6899", True)
    why = {each["kb"]: each["why"] for each in result["refused"]}
    assert why["KB890830"] == why["KB2267602"] == "other_classification"
    assert lab.state("dotnet01")["restarts"] == []


def test_the_source_is_told_and_what_policy_forbids_is_not_begun(lab: RunningLab) -> None:
    result = run(lab, "wsus01", mode="search")
    source = result["receipt"]["source"]
    assert (source["managed_by_policy"], source["service"]) == (True, "its own update server")
    assert source["update_server"] == "http://wsus.example.com:8530"
    assert "Planted" not in repr(result)
    before = len(lab.record("wsus01", writes=True))
    for selection in ("windows_update", "microsoft_update"):
        with pytest.raises(Refused, match="DoNotConnectToWindowsUpdateInternetLocations") as caught:
            call(lab, "wsus01", updates.SPEC, updates.run, False, {"server_selection": selection})
        assert caught.value.code == "0x8024002E"
    with pytest.raises(Refused, match="no policy names an update server"):
        call(lab, "plain01", updates.SPEC, updates.run, False, {"server_selection": "managed_server"})
    assert len(lab.record("wsus01", writes=True)) == before
    assert lab.record("plain01", writes=True) == []


def test_microsoft_update_must_be_registered(lab: RunningLab) -> None:
    found = run(lab, "microsoft01", mode="search", server_selection="microsoft_update")
    assert found["source"]["service"] == "Microsoft Update"
    assert [each["kb"] for each in found["offered"]] == ["KB5072014"]
    missing = run(lab, "plain01", mode="search", server_selection="microsoft_update")
    assert (missing["error"]["code"], missing["error_class"]) == ("0x80248014", "fix")
    assert "AddService2" in missing["error"]["hint"]


@pytest.mark.parametrize(
    ("name", "witness"),
    [
        ("throws01", "forecast"),
        ("null01", "forecast"),
        ("policy01", "restart_policy"),
        ("waits01", "no_restart_pending"),
    ],
)
def test_one_witness_that_does_not_say_yes_means_no_install(lab: RunningLab, name: str, witness: str) -> None:
    result = run(lab, name)
    said = {each["name"]: each["answer"] for each in result["receipt"]["witnesses_before"]}
    assert [each for each, answer in said.items() if answer != "yes" and each != "forecast"] in ([witness], [])
    assert said[witness] != "yes"
    assert [each["why"] for each in result["refused"]] == ["not_proven"]
    assert (result["changed"], installs(lab, name), lab.state(name)["restarts"]) == (False, [], [])


def test_the_history_goes_further_back_than_the_event_log(lab: RunningLab) -> None:
    result = history(lab, "past01")
    rows = result["history"]
    assert (result["source"], result["complete"], result["total"]) == ("windows_update", True, len(rows))
    assert [row["date"] for row in rows] == sorted((row["date"] for row in rows), reverse=True)
    assert rows[-1]["date"] < "2025-11-20"
    tracks = {row["kb"]: row["track"] for row in rows}
    assert tracks["KB5068966"] == "hotpatch" and tracks["KB5066835"] == "baseline"
    assert tracks["KB5065426"] == "lcu" or "lcu" in tracks.values()
    assert tracks["KB2267602"] == tracks[None] == "other"
    (failed,) = [row for row in rows if row["result"] == "failed"]
    assert failed["hresult"] == "0x80070643" and failed["class"] in ("retry", "fix", "stop") and failed["meaning"]
    short = history(lab, "past01", since="2025-12-15", limit=3)
    assert short["history"] == rows[:3] and short["complete"] is False
    assert history(lab, "past01", since="2025-11-01")["history"] == [row for row in rows if row["date"] >= "2025-11-01"]


def test_check_mode_reads_the_event_log_and_writes_nothing(lab: RunningLab) -> None:
    before = lab.record("past01", writes=True)
    result = history(lab, "past01", check_mode=True)
    assert lab.record("past01", writes=True) == before
    assert (result["source"], result["total"], result["changed"]) == ("event_log", None, False)
    whole = history(lab, "past01")["history"]
    assert 5 < len(result["history"]) < len(whole)
    keys = ("date", "kb", "title", "track", "operation", "result", "hresult", "update_id", "revision", "service_id")
    for row in result["history"]:
        assert {key: row[key] for key in keys} in [{key: each[key] for key in keys} for each in whole]


def test_an_install_is_in_the_history(lab: RunningLab) -> None:
    assert run(lab, "past01")["kbs_installed"] == ["KB5072014"]
    newest = history(lab, "past01", limit=1)["history"][0]
    assert (newest["kb"], newest["result"], newest["client"]) == ("KB5072014", "succeeded", "winops.hotpatch")


def test_connections_that_drop_during_the_install_are_made_anew_and_nothing_is_done_twice(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    fleet = {"as_of": DAY, "servers": [server("flaps01"), server("lost01")]}
    with running_lab(fleet, tmp_path_factory.mktemp("flaps"), "--scale", "150") as slower:
        dropped: list[str] = []

        def drop(line: str) -> None:
            if line.startswith("installing") and not dropped:
                dropped.append(line)
                slower.break_server("flaps01", kind="winrm_flaps", seconds=60)

        result = call(slower, "flaps01", updates.SPEC, updates.run, False, {}, progress=drop)
        assert dropped, "the install was over before the connections were dropped"
        assert result["kbs_installed"] == ["KB5072014"]
        check_receipt(result["receipt"])
        assert installs(slower, "flaps01") == ["KB5072014"]

        # The same when the caller gives up meanwhile: the next call with that run id finds the work, and its result.
        def give_up(line: str) -> None:
            if line.startswith("installing"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            call(slower, "lost01", updates.SPEC, updates.run, False, {"run_id": "december"}, progress=give_up)
        again = call(slower, "lost01", updates.SPEC, updates.run, False, {"run_id": "december"})
        assert (again["kbs_installed"], again["attached"]) == (["KB5072014"], True)
        assert [each["attached"] for each in again["receipt"]["operations"] if each["operation"] == "install"] == [
            "running"
        ]
        assert installs(slower, "lost01") == ["KB5072014"]

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files through the cmd shell, and several commands in one."""

from __future__ import annotations

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer, HotpatchError, InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.files import GuestFiles, checked_run_id, read_hash
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import command_line, read_answers

from .fake_server import FOLDER, Answer, FakeServer

GUARD = f'icacls "{FOLDER}" /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F /q'


def files(server: FakeServer) -> GuestFiles:
    return GuestFiles(server.connect().shell(), "web01")


def test_steps_are_one_line_that_begins_with_a_word() -> None:
    line = command_line({"one": "ver", "two": 'type "C:\\a b" 2>nul'}, "ab12")
    assert line == (
        "echo @ab12 one& ver && echo @ab12 ok|| echo @ab12 failed& "
        'echo @ab12 two& type "C:\\a b" 2>nul && echo @ab12 ok|| echo @ab12 failed'
    )
    with pytest.raises(ValueError, match="characters"):
        command_line({"long": "x" * 8000}, "ab12")


def test_answers_are_told_apart_even_without_a_last_line_end() -> None:
    output = (
        b"@t1 one\r\n\r\nMicrosoft Windows [Version 10.0.26100.7348]\r\n@t1 ok\r\n"
        b"@t1 two\r\n{}@t1 ok\r\n@t1 three\r\n@t1 failed\r\n"
    )
    answers = read_answers(["one", "two", "three"], "t1", output, "web01")
    assert answers["one"].ok and answers["one"].text == "Microsoft Windows [Version 10.0.26100.7348]"
    assert answers["two"].text == "{}" and not answers["three"].ok


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"@t1 one\r\nhalf",
        b"@t1 one\r\n@t1 maybe\r\n",
        b"@t1 two\r\n@t1 ok\r\n",
        b"@t1 one\r\n@t1 ok\r\n@t1 one\r\n@t1 ok\r\n",
        b"@t2 one\r\n@t2 ok\r\n",
    ],
)
def test_output_that_is_not_whole(output: bytes) -> None:
    with pytest.raises(BadAnswer, match="web01"):
        read_answers(["one"], "t1", output, "web01")


def test_a_file_is_written_under_another_name_and_moved() -> None:
    server = FakeServer()
    files(server).write_text(FOLDER + r"\runs\current.json", '{\n "a": 1\n}')
    assert server.files == {FOLDER + r"\runs\current.json": '{\r\n "a": 1\r\n}\r\n'}
    assert server.command_lines[-1].index("findstr") < server.command_lines[-1].index("&& move /y")


@pytest.mark.parametrize("text", ["\xe4", "x" * 1001])
def test_text_that_the_shell_would_spoil_is_not_sent(text: str) -> None:
    server = FakeServer()
    with pytest.raises(InvalidInput):
        files(server).write_text(FOLDER + r"\a", text)
    assert server.command_lines == []


def test_a_write_that_fails_is_an_error() -> None:
    server = FakeServer()
    server.on_command = lambda _server, line: Answer(
        1, f"@{line.split()[1].removeprefix('@')} write\r\n@{line.split()[1].removeprefix('@')} failed\r\n".encode()
    )
    with pytest.raises(HotpatchError, match="could not be written"):
        files(server).write_text(FOLDER + r"\a", "x")


def test_the_folder_is_protected_by_sid() -> None:
    server = FakeServer()
    files(server).ensure_folder("r1")
    assert GUARD in server.command_lines[-1]


def test_a_folder_that_cannot_be_protected_is_an_error() -> None:
    server = FakeServer(outputs={GUARD: None})
    with pytest.raises(HotpatchError, match="protected"):
        files(server).ensure_folder("r1")


def test_a_folder_that_its_parent_does_not_list_was_not_made() -> None:
    server = FakeServer(outputs={f'dir /b /ad "{FOLDER}\\runs" 2>nul': "r10\r\nR2\r\n"})
    with pytest.raises(HotpatchError, match="made"):
        files(server).ensure_folder("r1")
    assert files(server).ensure_folder("r2") == FOLDER + r"\runs\r2"


@pytest.mark.parametrize("root", ["%ProgramFiles%", "", "\\\\server\\share", 'C:\\a" & del', "C:\\a\r\nC:\\b"])
def test_a_root_that_is_no_plain_folder_is_refused(root: str) -> None:
    server = FakeServer(outputs={"echo %ProgramFiles%": root + "\r\n"})
    with pytest.raises(BadAnswer):
        files(server).ensure_folder("r1")


def test_hash_is_found_in_any_language() -> None:
    digest = "ab" * 32
    assert read_hash(f"SHA256-Hash von x:\n{digest}\nCertUtil: erfolgreich") == digest
    assert read_hash(f"SHA256 hash of file x:\n{' '.join(['ab'] * 32)}\nCertUtil: ok") == digest
    assert read_hash(f"  {digest.upper()}  ") == digest
    for wrong in (None, "", "CertUtil: -hashfile command FAILED: 0x80070002", "a" * 63, "a" * 65):
        assert read_hash(wrong) is None


def test_old_runs_go_and_others_stay() -> None:
    names = [f"run-{number:02}" for number in range(30)]
    server = FakeServer(folders=[*names, "not ours", "..", "a" * 65])
    manager = files(server)
    gone = manager.delete_runs("\n".join(server.folders), 20, {"run-25"})
    assert gone == [f"run-{number:02}" for number in range(20, 30) if number != 25]
    assert server.folders == [*names[:20], "run-25", "not ours", "..", "a" * 65]
    assert manager.delete_runs("", 20, set()) == []


@pytest.mark.parametrize("run_id", ["", ".", "..", "a/b", "a\\b", "a b", "x" * 65, "a%b", "a.", "a\n"])
def test_run_ids_that_are_no_folder_names(run_id: str) -> None:
    with pytest.raises(InvalidInput):
        checked_run_id(run_id)


def test_run_ids() -> None:
    assert checked_run_id("2026-05_web.01") == "2026-05_web.01"

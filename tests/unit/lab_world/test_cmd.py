# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import ProgramNotFound

from .rehearsal import FOLDER, Rehearsal


@pytest.fixture
def server() -> Rehearsal:
    return Rehearsal()


@pytest.mark.parametrize(
    ("line", "out", "code"),
    [
        ("echo hi", "hi\r\n", 0),
        ("echo out & echo more", "out \r\nmore\r\n", 0),
        ("echo.", "\r\n", 0),
        ("echo a&& echo b|| echo c", "a\r\nb\r\n", 0),
        ("exit 3 || echo no", "", 3),
        ("cmd /c exit 3 || echo no", "no\r\n", 0),
        ("cmd /c exit 3 && echo no", "", 3),
        ('(echo a& echo b) | find /c /v ""', "2\r\n", 0),
        ('echo ^& ^| ^^ "a ^& b"', '& | ^ "a ^& b"\r\n', 0),
        ("echo %COMPUTERNAME% %NoSuch%", "WEB01 %NoSuch%\r\n", 0),
        ("echo %COMPUTERNAME:WEB=sql% %COMPUTERNAME:~0,3% %COMPUTERNAME:~-2%", "sql01 WEB 01\r\n", 0),
        ("cmd /c exit 5 & echo %ERRORLEVEL%", "0\r\n", 0),
        ('cmd /v:on /c "cmd /c exit 5 & echo !errorlevel!"', "5\r\n", 0),
        ("if exist C:\\Windows (echo yes) else (echo no)", "yes\r\n", 0),
        ("if exist C:\\Nope\\ (echo yes) else (echo no)", "no\r\n", 0),
        ("if not exist C:\\Nope echo a & echo b", "a \r\nb\r\n", 0),
        ("if exist C:\\Nope echo a & echo b", "", 0),
        ("if /i A==a echo same", "same\r\n", 0),
        ("if 10 gtr 9 echo more", "more\r\n", 0),
        ('cmd /c "exit 4" & if errorlevel 4 echo four', "four\r\n", 0),
        ("echo a 1>&2", "", 0),
        ("echo a>nul", "", 0),
        ("cd C:\\Users & cd", "C:\\Users\r\n", 0),
        ("hostname", "WEB01\r\n", 0),
        ("HOSTNAME.EXE", "WEB01\r\n", 0),
        ("%SystemRoot%\\System32\\hostname.exe", "WEB01\r\n", 0),
        ("whoami", "web01\\administrator\r\n", 0),
        ("ver", "\r\nMicrosoft Windows [Version 10.0.26100.7092]\r\n", 0),
        ("powershell -NoProfile -EncodedCommand aABvAHMAdABuAGEAbQBlAA==", "WEB01\r\n", 0),
        ("echo one| findstr /i ONE", "one\r\n", 0),
        ("echo one| findstr two", "", 1),
        ("azcmagent version", "azcmagent version 1.58.03228.2572\r\n", 0),
    ],
)
def test_output_and_exit_code(server: Rehearsal, line: str, out: str, code: int) -> None:
    ran = server.run(line)
    assert (ran.out, ran.code) == (out, code)


def test_unknown_command(server: Rehearsal) -> None:
    ran = server.run("nosuch /x")
    assert ran.code == 1
    assert ran.err == (
        "'nosuch' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
    )


@pytest.mark.parametrize("line", ["wmic os get caption", "C:\\Temp\\hostname.exe", "System32\\reg.exe"])
def test_programs_are_only_where_they_are(server: Rehearsal, line: str) -> None:
    assert "is not recognized" in server.run(line).err


@pytest.mark.parametrize(
    "line", ["powershell Get-Process", "powershell -EncodedCommand !!", "schtasks /query", "for %i in (1) do x"]
)
def test_what_is_not_played_is_said(server: Rehearsal, line: str) -> None:
    ran = server.run(line)
    assert ran.code == 1
    assert "lab" in ran.err.lower()


def test_without_cmd_an_unknown_program_is_not_started(server: Rehearsal) -> None:
    with pytest.raises(ProgramNotFound):
        server.machine.start_process(
            "nosuch",
            through_cmd=False,
            stdin_console=False,
            codepage=437,
            user="Administrator",
            environment={},
            directory=None,
        )


def test_standard_input_into_a_file_and_its_hash(server: Rehearsal) -> None:
    data = b'first line\r\n\r\nlast, with "quotes" & more\r\n'
    path = rf"{FOLDER}\x.ps1"
    assert server.run(f'mkdir "{FOLDER}"').code == 0
    assert server.run(f'findstr "^" > "{path}"', data).code == 0
    assert server.machine.disk.read(path) == data
    ran = server.run(f'certutil -hashfile "{path}" SHA256')
    assert ran.out.splitlines()[1] == hashlib.sha256(data).hexdigest()
    assert [item.what for item in server.machine.journal.writes] == [f"{FOLDER}\\", path]


def test_certutil_of_a_missing_file_ends_with_an_unsigned_code(server: Rehearsal) -> None:
    assert server.run(r"certutil -hashfile C:\nope SHA256").code == 2147942402


def test_access_list_is_kept_and_shown(server: Rehearsal) -> None:
    server.run(rf'mkdir "{FOLDER}\runs"')
    line = f'icacls "{FOLDER}" /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F'
    assert server.run(line).code == 0
    shown = server.run(f'icacls "{FOLDER}"').out
    margin = " " * len(FOLDER)
    assert shown == (
        f"{FOLDER} NT AUTHORITY\\SYSTEM:(OI)(CI)(F)\r\n{margin} BUILTIN\\Administrators:(OI)(CI)(F)\r\n\r\n"
        "Successfully processed 1 files; Failed processing 0 files\r\n"
    )
    assert "BUILTIN\\Administrators:(I)(OI)(CI)(F)" in server.run(rf'icacls "{FOLDER}\runs"').out
    assert "BUILTIN\\Users" in server.run('icacls "C:\\Program Files"').out


def test_only_administrators_may_write_below_program_files(server: Rehearsal) -> None:
    ran = server.run(rf'echo x> "{FOLDER}.txt"', user="LOCAL SERVICE")
    assert (ran.code, ran.err) == (1, "Access is denied.\r\n")
    assert server.machine.write_count == 0


def test_registry_text(server: Rehearsal) -> None:
    key = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
    ran = server.run(r'reg query "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion" /v UBR')
    assert ran.out == f"\r\n{key}\r\n    UBR    REG_DWORD    0x1bb4\r\n\r\n"
    ran = server.run(r"reg query HKLM\SYSTEM\CurrentControlSet\Control\ComputerName")
    assert ran.out.startswith(
        "\r\nHKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\ComputerName\\ComputerName\r\n"
    )
    ran = server.run(r"reg query HKLM\SOFTWARE\Nope")
    assert (ran.code, ran.out) == (1, "")
    assert server.run(r"reg add HKLM\SOFTWARE\Contoso /v a /t REG_DWORD /d 5 /f").code == 0
    assert "0x5" in server.run(r"reg query HKLM\SOFTWARE\Contoso /s").out
    assert server.run(r"reg delete HKLM\SOFTWARE\Contoso /f").code == 0
    assert server.machine.write_count == 2


def test_service_text(server: Rehearsal) -> None:
    assert "STATE              : 4  RUNNING" in server.run("sc query himds").out
    ran = server.run("sc query nope")
    assert ran.code == 1060
    assert "1060" in ran.out


def test_shutdown_codes(server: Rehearsal) -> None:
    assert server.run("shutdown /a").code == 1116
    assert server.run("shutdown /r /t 100").code == 0
    ran = server.run("shutdown /r /t 0")
    assert (ran.code, ran.err) == (1190, "A system shutdown has already been scheduled.(1190)\r\n")
    assert server.run("shutdown /a").code == 0
    assert server.run("shutdown /r /t 0").code == 0
    assert server.run("shutdown /r /t 0").code == 1115


def test_time_passes_in_a_slow_command(server: Rehearsal) -> None:
    process = server.machine.start_process(
        "ping -n 5 127.0.0.1 > nul & echo done",
        through_cmd=True,
        stdin_console=False,
        codepage=65001,
        user="Administrator",
        environment={},
        directory=None,
    )
    server.let_pass(3.5)
    assert process.read() == []
    server.let_pass(1)
    assert process.exit_code == 0
    assert process.read() == [("stdout", b"done\r\n")]


def test_a_command_that_waits_for_input_can_be_ended(server: Rehearsal) -> None:
    process = server.machine.start_process(
        'findstr "^" > C:\\x.txt',
        through_cmd=True,
        stdin_console=True,
        codepage=65001,
        user="Administrator",
        environment={},
        directory=None,
    )
    process.write_stdin(b"never ends\r\n", True)
    assert process.exit_code is None
    process.terminate()
    assert process.exit_code == 1223


def test_a_full_disk_is_said(server: Rehearsal) -> None:
    server.machine.disk.full = True
    ran = server.run("echo x> C:\\x.txt")
    assert (ran.code, ran.err) == (1, "There is not enough space on the disk.\r\n")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("type C:\\nope.txt", 1),
        ("mkdir C:\\Users", 1),
        ("move C:\\nope C:\\x", 1),
        ("cd C:\\nope", 1),
        ("rmdir C:\\Users", 1),
    ],
)
def test_refusals_of_file_commands(server: Rehearsal, line: str, code: int) -> None:
    ran = server.run(line)
    assert ran.code == code
    assert ran.err
    assert server.machine.write_count == 0


def test_files_come_and_go(server: Rehearsal) -> None:
    assert server.run("mkdir C:\\a\\b && echo x> C:\\a\\b\\1.txt && copy C:\\a\\b\\1.txt C:\\a\\2.txt").code == 0
    assert server.run("move /y C:\\a\\2.txt C:\\a\\b\\1.txt").code == 0
    assert server.run("dir /b /s C:\\a").out == "C:\\a\\b\r\nC:\\a\\b\\1.txt\r\n"
    assert server.run("del C:\\a\\b\\*.txt & dir /b C:\\a\\b").code == 1
    assert server.run("rmdir /s /q C:\\a & if exist C:\\a echo there").out == ""


@pytest.mark.parametrize("line", ["echo a &", "| echo", "echo a >", "if", "(echo a", "echo ) & (", "&&", "a" * 9000])
def test_a_broken_line_ends_with_an_error_and_no_exception(server: Rehearsal, line: str) -> None:
    assert server.run(line).code is not None

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The Arc agent's package on one server: fetch it, check it, install it, take it away.

Wherever it comes from, it is copied into the collection's folder first, which only SYSTEM and Administrators can write:
what was checked is what is run. There is no WMI class for Authenticode, so one cmdlet of Windows PowerShell is asked
for its answer as JSON; what cannot be read counts as a bad signature.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.agent_exit_codes import (
    ExitText,
    describe_download,
    describe_installer,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AgentFailed,
    AnswerTimeout,
    BadAnswer,
    Busy,
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
    Refused,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.arc_agent import FOLDER
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.arc_agent_text import read_curl, read_signature
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.files import read_hash
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.files_upload import ReadPart, upload
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.open_shell import OpenShell
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.quoting import cmd_quote

BUSY, RESTART_ASKED, RESTART_BEGUN = 1618, 3010, 1641
GOOD = (0, RESTART_ASKED, RESTART_BEGUN)
_SETTLE_SECONDS = 120
#: Looks between two attempts while another installation is under way.
_BUSY_LOOKS = 6
_COPY_SECONDS = 600
_CHECK_SECONDS = 120


@dataclass(frozen=True)
class Source:
    """Where the package comes from: exactly one of an address, a path of the server or of a share, or a local file.

    :param read: gives parts of the local file; with its size and SHA-256.
    """

    kind: str  # url, remote_path, share or local
    name: str
    read: ReadPart | None = None
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Checked:
    """A package in the collection's folder that may be run."""

    path: str
    sha256: str
    signer: str | None


class GuestArcPackage:
    """The package on one server."""

    def __init__(
        self,
        opened: OpenShell,
        progress: Callable[[str], None] = lambda _line: None,
        *,
        poll_interval: float = 5.0,
    ) -> None:
        self._opened = opened
        self._server = opened.server
        self._progress = progress
        self._pause = poll_interval

    # ---- getting it

    def fetch(self, source: Source, proxy: str | None, seconds: float) -> str:
        """Bring the package into the collection's folder; its path there.

        :raises AgentFailed: the download failed; ``code`` is curl's.
        :raises HotpatchError: it could not be copied or written.
        """
        files = self._opened.files
        folder = files.ensure_folder(FOLDER, below=None)
        path = f"{folder}\\agent-{secrets.token_hex(4)}.msi"
        try:
            if source.kind == "url":
                self._download(source.name, path, proxy, seconds)
            elif source.kind == "local":
                if source.read is None or not source.size:
                    raise InvalidInput(f"{self._server}: the package {source.name} is empty.")
                upload(files, path, source.read, source.size, source.sha256, progress=self._progress)
            else:
                self._copy(source, path)
        except HotpatchError:
            self.drop(path)
            raise
        return path

    def _download(self, address: str, path: str, proxy: str | None, seconds: float) -> None:
        self._progress(f"downloading {address}")
        through = f"-x {cmd_quote(proxy)} " if proxy else ""
        # Redirects may lead elsewhere, but never away from https; certificates are verified, as curl does by default.
        line = (
            f'curl.exe -f -sS -L --proto "=https" --proto-redir "=https" --connect-timeout 30 -m {int(seconds)} '
            f"--retry 3 {through}-o {cmd_quote(path)} {cmd_quote(address)} 2>&1"
        )
        answer = self._opened.files.ask({"get": line}, timeout=seconds + 60)["get"]
        if answer.ok:
            return
        code = read_curl(answer.text)
        if code is None:
            raise AgentFailed(
                f"{self._server}: the package could not be downloaded: curl.exe could not be run.",
                code="download",
                hint="Windows Server 2019 and newer bring curl.exe; use installer_path to upload the package instead.",
                server=self._server,
            )
        text = describe_download(code)
        raise AgentFailed(
            f"{self._server}: the package could not be downloaded from {address}: {text.sentence}",
            code="download",
            hint=text.remedy,
            retryable=text.retryable,
            server=self._server,
        )

    def _copy(self, source: Source, path: str) -> None:
        self._progress(f"copying {source.name}")
        line = f"copy /b /y {cmd_quote(source.name)} {cmd_quote(path)} 2>&1"
        answer = self._opened.files.ask({"copy": line}, timeout=_COPY_SECONDS)["copy"]
        if answer.ok:
            return
        said = clean(answer.text, 120)
        if source.kind == "share":
            raise HotpatchError(
                f"{self._server}: the package could not be copied from {source.name}: {said}",
                code="share",
                hint="A command over WinRM has no credentials to pass on to a share (the second hop). Use the "
                "transport credssp or Kerberos delegation, let the computer's account read the share and copy by a "
                "task, or use installer_path or installer_url.",
                server=self._server,
            )
        raise HotpatchError(
            f"{self._server}: the package could not be copied from {source.name}: {said}",
            code="file",
            hint="Check the path, which is one on the server.",
            server=self._server,
        )

    # ---- checking it

    def check(self, path: str, sha256: str | None, *, signature: bool) -> Checked:
        """Make sure of a package before anything of it is run.

        :param sha256: what it must be; None when nobody said.
        :param signature: whether Microsoft must have signed it.
        :raises Refused: it is not what it should be, or that cannot be told.
        """
        files = self._opened.files
        found = read_hash(files.ask({"hash": files.hash_step(path)}, timeout=_CHECK_SECONDS)["hash"].text)
        if found is None:
            raise Refused(
                f"{self._server}: the package's hash could not be read, so it is not run.",
                code="hash",
                server=self._server,
            )
        if sha256 is not None and found != sha256:
            raise Refused(
                f"{self._server}: the package's SHA-256 is {found} and not {sha256}, so it is not run.",
                code="hash",
                hint="Find out why it differs: another version at the same address, or a changed file.",
                server=self._server,
            )
        return Checked(path, found, self._signer(path) if signature else None)

    def _signer(self, path: str) -> str:
        literal = path.replace("'", "''")
        command = (
            f"Get-AuthenticodeSignature -LiteralPath '{literal}' | Select-Object Status,"
            "@{Name='Subject';Expression={$_.SignerCertificate.Subject}} | ConvertTo-Json -Compress"
        )
        program = r"%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -NonInteractive -Command"
        line = f"{program} {cmd_quote(command)} 2>nul"
        answer = self._opened.files.ask({"signature": line}, timeout=_CHECK_SECONDS)["signature"]
        found = read_signature(answer.text) if answer.ok else None
        if found is None:
            raise Refused(
                f"{self._server}: the package's signature could not be read, so it is not run.",
                code="signature_unreadable",
                hint="See why Get-AuthenticodeSignature does not work there. With a sha256 from a source you trust, "
                "verify_signature may be set to false.",
                server=self._server,
            )
        if not found.valid or not found.by_microsoft:
            words = "is not valid" if not found.valid else f"is by {clean(found.subject, 120) or 'nobody'}"
            raise Refused(
                f"{self._server}: the package's signature {words}, so it is not run.",
                code="signature",
                hint="Take the package from Microsoft: https://aka.ms/AzureConnectedMachineAgent.",
                server=self._server,
            )
        return clean(found.subject, 200)

    # ---- running it

    def install(self, checked: Checked, version: Callable[[], str | None], seconds: float) -> ExitText:
        """Install it, over an older version too.

        :param version: reads which version is installed, for when the answer is lost.
        :return: the exit code of msiexec; the log is agent-install.log in the same folder.
        :raises AgentFailed: msiexec says no.
        :raises Busy: another installation was under way for all the time.
        """
        before = version()
        log = f"{checked.path.rpartition(chr(92))[0]}\\agent-install.log"
        line = ["/i", checked.path, "/qn", "/norestart", "/l*v", log]
        return self._run(line, log, seconds, lambda: version() not in (None, before))

    def uninstall(self, code: str, version: Callable[[], str | None], seconds: float) -> ExitText:
        """Take the product of that code away."""
        folder = self._opened.files.ensure_folder(FOLDER, below=None)
        log = f"{folder}\\agent-uninstall.log"
        line = ["/x", code, "/qn", "/norestart", "/l*v", log]
        return self._run(line, log, seconds, lambda: version() is None)

    def _run(self, words: list[str], log: str, seconds: float, done: Callable[[], bool]) -> ExitText:
        self._progress("running the Windows Installer")
        end = self._opened.clock() + seconds
        while True:
            left = max(1.0, end - self._opened.clock())
            try:
                # START /WAIT waits for a program without a console, too.
                answer = self._opened.shell.run('start "" /wait msiexec.exe', words, timeout=left)
            except (AnswerTimeout, OutcomeUnknown, Unreachable) as error:
                return self._read_back(done, error)
            text = describe_installer(answer.exit_code)
            if answer.exit_code in GOOD:
                return text
            if answer.exit_code != BUSY:
                raise AgentFailed(
                    f"{self._server}: the Windows Installer failed: {text.sentence} Its log is {log}.",
                    code=f"msi_{text.label}",
                    hint=text.remedy,
                    retryable=text.retryable,
                    server=self._server,
                )
            if self._opened.clock() + _BUSY_LOOKS * self._pause >= end:
                raise Busy(
                    f"{self._server}: another installation was under way for all of {seconds:.0f} s.",
                    code="msi_1618",
                    hint=text.remedy,
                    server=self._server,
                )
            self._progress("another installation is under way; waiting for its end")
            self._opened.sleep(_BUSY_LOOKS * self._pause)

    def _read_back(self, done: Callable[[], bool], error: HotpatchError) -> ExitText:
        """The answer was lost: never run it again, look what became of it."""
        end = self._opened.clock() + _SETTLE_SECONDS
        while True:
            self._opened.drop()
            try:
                if done():
                    return describe_installer(0)
            except (AnswerTimeout, BadAnswer, OutcomeUnknown, Unreachable):
                pass
            if self._opened.clock() >= end:
                raise OutcomeUnknown(
                    f"{self._server}: the Windows Installer did not answer, and its work does not show.",
                    hint="Read the server again before anything else.",
                    server=self._server,
                ) from error
            self._opened.sleep(self._pause)

    def drop(self, path: str) -> None:
        """Delete a package that has done its work; that it fails is of no consequence."""
        try:
            self._opened.files.ask({"drop": f"del /f /q {cmd_quote(path)} {cmd_quote(f'{path}.tmp')} 2>nul"})
        except HotpatchError:
            return

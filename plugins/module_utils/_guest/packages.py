# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The packages of a server's component store, listed and taken off by DISM in the cmd shell.

``dism /English`` so that the table can be read in every language. What it printed is untrusted: rows are taken by the
shape of a package's identity, and a table without its last sentence is not whole. An exit code alone proves nothing:
0 is also the answer when nothing was done, so the listing is read again afterwards. A removal whose answer is lost is
never sent again; it is looked for in the listing.

Sources: public DISM outputs of WS2022 and WS2025; Microsoft Learn, "DISM operating system package servicing"; a public
lab log of removals on a 26100-base system.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadAnswer,
    CertificateNotTrusted,
    Fault,
    HotpatchError,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort, Connect
from ansible_collections.winops.hotpatch.plugins.module_utils._release.error_codes import describe
from ansible_collections.winops.hotpatch.plugins.module_utils._release.packages import (
    CBS_PERMANENT,
    IDENTITY,
    Package,
    PackageState,
    state_of,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.values import as_str

_LIST = "dism.exe /English /Online /Get-Packages /Format:Table"
_REMOVE = "dism.exe /English /Online /Remove-Package /Quiet /NoRestart"
_CBS_PACKAGES = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages"
_DONE = "The operation completed successfully."
_STATE = re.compile(r"(?im)^\s*CurrentState\s+REG_DWORD\s+0x([0-9a-f]{1,8})\s*$")

#: A full server lists about 300 packages in some 60 KB.
MAX_LISTING = 2 * 1024 * 1024
_MAX_PACKAGES = 5000
LISTING_SECONDS = 300.0
#: How long a removal whose answer was lost is looked for after its program has ended.
_SETTLE_SECONDS = 20.0

#: DISM's own exit codes that are no HRESULT, in words with what to do.
_PLAIN_CODES = {
    5: ("access is denied", "The account must be an administrator of the server with a full token."),
    87: ("DISM did not take the parameters", "Look at DISM's log on the server; this DISM may be of another version."),
    740: ("the account has no full token", "The account must be an administrator of the server with a full token."),
    1726: ("the servicing process died", "The listing shows what it came to; run again when the server is calm."),
    3017: ("an earlier servicing operation failed in its restart", "Restart the server, then run again."),
}
RESTART_NEEDED = 3010
PERMANENT = 0x800F0825


@dataclass(frozen=True)
class Removal:
    """What a removal came to, by the listing before and after.

    :param exit_code: DISM's, unsigned; None when its answer was lost, and ``lost`` says how.
    :param taken: whether the package waits for the restart that takes it off, or is gone already.
    """

    exit_code: int | None
    taken: bool
    after: tuple[Package, ...]
    lost: str | None = None

    @property
    def permanent(self) -> bool:
        """Whether Windows says that the package can never be taken off."""
        return self.exit_code == PERMANENT and not self.taken


class GuestPackages:
    """The component store of one server.

    :param connect: makes a client; called again after a lost connection.
    :param server: what errors call the server.
    """

    def __init__(
        self, connect: Connect, server: str, *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._connect = connect
        self._server = server
        self._clock = clock
        self._sleep = sleep

    def read(self) -> tuple[Package, ...]:
        """All packages.

        :raises HotpatchError: DISM failed; ``code`` is its exit code.
        :raises BadAnswer: its table is not whole, or not a table.
        """
        client = self._connect()
        try:
            with client.shell() as shell:
                answer = shell.run(_LIST, timeout=LISTING_SECONDS, max_output=MAX_LISTING)
        finally:
            client.close()
        if answer.exit_code:
            raise removal_error(self._server, "listing the packages", answer.exit_code)
        return read_table(answer.stdout, self._server)

    def cbs_state(self, identity: str) -> int | None:
        """CurrentState of a package in the registry; None when it cannot be read."""
        client = self._connect()
        try:
            with client.shell() as shell:
                answer = shell.run("reg query", [rf"{_CBS_PACKAGES}\{_checked(identity)}", "/v", "CurrentState"])
        finally:
            client.close()
        found = _STATE.search(answer.stdout.decode("utf-8", "replace")) if answer.exit_code == 0 else None
        return int(found[1], 16) if found else None

    def says_permanent(self, package: Package) -> bool:
        """Whether the listing or the registry says so. That neither does, proves nothing."""
        return package.state is PackageState.PERMANENT or self.cbs_state(package.identity) == CBS_PERMANENT

    def busy(self) -> str | None:
        """The program that services the component store at this moment, if one does."""
        client = self._connect()
        try:
            return _servicing_program(client)
        finally:
            client.close()

    def remove(self, identity: str, *, seconds: float, pause: float = 5.0) -> Removal:
        """Take one package off, without a restart, and read the packages back.

        :param seconds: for DISM to end; it was seen to take 16 minutes.
        :raises AnswerTimeout: DISM did not end in time, or its answer was lost and it still works.
        :raises HotpatchError: the listing could not be read again, so what it came to is not known.
        """
        deadline = self._clock() + seconds
        argument = f"/PackageName:{_checked(identity)}"
        exit_code: int | None = None
        lost: str | None = None
        client = self._connect()
        try:
            with client.shell() as shell:
                exit_code = shell.run(_REMOVE, [argument], timeout=seconds).exit_code
        except (AuthenticationFailed, CertificateNotTrusted):
            raise
        except (OutcomeUnknown, AnswerTimeout, Unreachable, BadAnswer, Fault) as error:
            # It may run, or have run, or not. It is not sent again: the listing will tell.
            lost = error.message
        finally:
            client.close()
        # A time that is over leaves room for one look at a calm server.
        after = self._settled(identity, exit_code, max(deadline, self._clock() + 2 * _SETTLE_SECONDS), pause)
        found = next((item for item in after if item.identity.lower() == identity.lower()), None)
        taken = found is None or found.state is PackageState.UNINSTALL_PENDING
        return Removal(exit_code, taken, after, lost)

    def _settled(self, identity: str, exit_code: int | None, deadline: float, pause: float) -> tuple[Package, ...]:
        """The packages once nothing services them any more; at once when DISM's answer is there."""
        calm_since: float | None = None
        trouble: HotpatchError | None = None
        while True:
            try:
                if exit_code is not None:
                    return self.read()
                program = self.busy()
                if program is None:
                    calm_since = self._clock() if calm_since is None else calm_since
                    packages = self.read()
                    found = next((item for item in packages if item.identity.lower() == identity.lower()), None)
                    pending = found is None or found.state is PackageState.UNINSTALL_PENDING
                    if pending or self._clock() - calm_since >= _SETTLE_SECONDS:
                        return packages
                else:
                    calm_since, trouble = None, None
            except (AuthenticationFailed, CertificateNotTrusted):
                raise
            except (OutcomeUnknown, AnswerTimeout, Unreachable, BadAnswer, Fault) as error:
                trouble = error
            if self._clock() >= deadline:
                cause = trouble.message if trouble else "servicing has not ended"
                raise AnswerTimeout(
                    f"{self._server}: whether {identity} was taken off is not known: {cause}",
                    hint="Nothing is sent twice: run again, and the packages tell how far it came.",
                    server=self._server,
                )
            self._sleep(pause)


def read_table(output: bytes, server: str) -> tuple[Package, ...]:
    """The packages in the table of ``dism /Get-Packages /Format:Table``.

    :raises BadAnswer: the table is cut off, or it is not one.
    """
    text = output.decode("utf-8", "replace").replace("\r\n", "\n")
    packages: dict[str, Package] = {}
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != 4 or not IDENTITY.fullmatch(cells[0]):
            continue
        moment = clean(cells[3], 40) or None
        packages[cells[0].lower()] = Package(cells[0], state_of(cells[1]), clean(cells[2], 40), moment)
    whole = any(line.strip() == _DONE for line in text.split("\n")[-5:])
    if not whole or not packages or len(packages) > _MAX_PACKAGES:
        why = "it holds no package" if whole and not packages else "it is not whole, or not in English"
        raise BadAnswer(
            f"{server}: DISM's list of packages cannot be used: {why}.",
            hint="Run dism /English /Online /Get-Packages /Format:Table on the server and look.",
            server=server,
        )
    return tuple(packages.values())


def removal_error(server: str, what: str, exit_code: int) -> HotpatchError:
    """An error for DISM's exit code, in words."""
    if exit_code in _PLAIN_CODES:
        words, hint = _PLAIN_CODES[exit_code]
        return HotpatchError(
            f"{server}: {what} failed: {words} ({exit_code}).", code=str(exit_code), hint=hint, server=server
        )
    text = describe(exit_code)
    if not exit_code & 0x80000000:
        return HotpatchError(
            f"{server}: {what} failed: DISM ended with {exit_code}.",
            code=str(exit_code),
            hint="Look at DISM's log on the server, %windir%\\Logs\\DISM\\dism.log.",
            server=server,
        )
    name = f"{text.code} {text.name}" if text.name else text.code
    return HotpatchError(
        f"{server}: {what} failed: {text.meaning} ({name}).",
        code=text.code,
        hint=text.remedy or "Look at DISM's log on the server, %windir%\\Logs\\DISM\\dism.log.",
        retryable=text.retryable,
        server=server,
    )


def _checked(identity: str) -> str:
    """An identity that may stand in a command line; what a server names is not taken as it is."""
    if not IDENTITY.fullmatch(identity):
        raise BadAnswer(f"The package name {clean(identity, 80)!r} is not one.")
    return identity


def _servicing_program(client: ClientPort) -> str | None:
    query = "SELECT Name FROM Win32_Process WHERE Name='TiWorker.exe' OR Name='Dism.exe'"
    for row in client.enumerate("root/cimv2", query, limit=1):
        return clean(as_str(row, "Name") or "", 40) or "a servicing program"
    return None

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Windows Update work on a server: started once, followed over dropped connections, attached to again by its run id.

The work runs in a scheduled task and outlives every connection, so each call first looks at what is there. A finished
operation of the same run id gives its stored result and starts nothing; a running one is followed; one that began and
left no result is unknown, and an installation in that state is never started again. Every start has a nonce, which the
script accepts once.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AnswerTimeout,
    AuthenticationFailed,
    BadAnswer,
    Busy,
    CertificateNotTrusted,
    Fault,
    HotpatchError,
    InvalidInput,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest import update_script
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.files import GuestFiles, checked_run_id, read_hash
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import ClientPort, Connect
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import new_token
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.tasks import UNDER_WAY, GuestTask, task_xml
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_result import (
    belongs,
    read_document,
    read_progress,
    read_result,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.quoting import quote_argument

#: What Windows Update offers and nobody has hidden.
OFFERED = "IsInstalled=0 and IsHidden=0"
#: What somebody has hidden, so that it is not offered.
HIDDEN = "IsInstalled=0 and IsHidden=1"

#: Runs whose files stay on the server.
KEEP_RUNS = 20

#: Last results of a task that tell of no failed start of its program: the script's own, and "has not run yet" (0x41303,
#: SCHED_S_TASK_HAS_NOT_RUN), which a task shows that was registered anew while it ran.
_NO_FAULT = (update_script.EXIT_DONE, update_script.EXIT_NOT_STARTED, 0x41303)

#: Below the Windows folder; a 64-bit task gets the 64-bit host there.
_POWERSHELL = r"System32\WindowsPowerShell\v1.0\powershell.exe"

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Pace:
    """How often a running operation is looked at, in seconds.

    :param first: between the start and the first look; grows by half each time.
    :param last: what it grows to.
    :param progress: between two reads of the progress file, which cost more than a look at the task.
    :param grace: how long a task that was started may not be running yet.
    """

    first: float = 1.0
    last: float = 10.0
    progress: float = 15.0
    grace: float = 30.0


@dataclass(frozen=True)
class Start:
    """One start of the task: which run, which operation, and its nonce."""

    run_id: str
    operation: str
    nonce: str


@dataclass(frozen=True)
class _Look:
    """What stands on the server for one run and operation, and what its task does."""

    state: int | None
    current: Start | None
    request: dict[str, Any] | None
    progress: dict[str, Any] | None
    result: str | None
    script_hash: str | None
    runs: str

    @property
    def run_ids(self) -> list[str]:
        """The runs that have a folder on the server, newest first."""
        return [line.strip() for line in self.runs.split("\n") if line.strip()]

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY

    def began(self, start: Start) -> bool:
        """Whether the script took this start: it writes its progress before anything else."""
        return belongs(self.progress, start.run_id, start.operation, start.nonce)

    def spoiled(self, start: Start) -> bool:
        """Whether the script took this start and what it left is not JSON, or is its result in part only."""
        document = read_document(self.result)
        return self.began(start) and (document is None or document.get("nonce") == start.nonce)

    def finished(self, start: Start) -> bool:
        """Whether a result of this start is there."""
        return belongs(read_document(self.result), start.run_id, start.operation, start.nonce)


class NeverBegan(HotpatchError):
    """The task was started and the script did not take that start; nothing was done."""

    default_code = "script_did_not_run"
    default_retryable = True


class UpdateRunner:
    """Runs operations of one run on one server.

    :param connect: makes a client; called again after each lost connection.
    :param server: what errors call the server.
    :param run_id: names the run; the same id attaches to what it did before.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        connect: Connect,
        server: str,
        run_id: str,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        pace: Pace | None = None,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
        token: Callable[[], str] = new_token,
    ) -> None:
        self._connect = connect
        self._server = server
        self.run_id = checked_run_id(run_id)
        self._clock = clock
        self._sleep = sleep
        self._pace = pace or Pace()
        self._nonce = nonce
        self._token = token
        self._client: ClientPort | None = None
        self._roots: tuple[str, str] | None = None
        self._known_runs: set[str] = set()

    # ---- what callers use

    def run(
        self,
        operation: str,
        updates: Sequence[Mapping[str, Any]] = (),
        *,
        seconds: float,
        criteria: str | None = None,
        server_selection: int = 0,
        service_id: str | None = None,
        accept_eula: bool = False,
        history: tuple[int, int] | None = None,
        again: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Do one operation, or attach to it, and return its result (docs/update-contract.md).

        The result has one more key, ``attached``: ``no`` when this call started the work, ``running`` when it was found
        running, ``finished`` when its stored result was there.

        :param operation: search, evaluate, download, install, history, hide or unhide.
        :param updates: ``update_id`` and ``revision`` of each; for all but search and history. They must be among what
            a search with the criteria finds.
        :param seconds: how long this call waits; the work itself goes on.
        :param criteria: of the search: by default what is offered and not hidden, for unhide what is hidden.
        :param service_id: the service to ask with the server selection 3 (others).
        :param history: how many of the newest rows of the history are left out, and how many are read at most. A search
            gives those of the updates that it found; when it cannot read them, its history is None.
        :param again: do not take a stored result; an installation's is taken all the same.
        :param progress: called with each new state of the work.
        :raises Busy: other work is under way on the server.
        :raises OutcomeUnknown: it began and left no result; an installation is not started again.
        :raises AnswerTimeout: it still runs; call again with the same run id.
        :raises BadAnswer: the server's files are not by the contract.
        """
        request = self._request(operation, updates, history) | {
            "criteria": criteria or (HIDDEN if operation == "unhide" else OFFERED),
            "server_selection": server_selection,
            "service_id": service_id,
            "accept_eula": accept_eula,
        }
        deadline = self._clock() + seconds
        try:
            start, how, stored = self._start_or_attach(operation, request, again)
            result = self._read(start, stored) if stored else self._follow(start, deadline, progress, fresh=how == "no")
            return result | {"attached": how}
        finally:
            self._drop_client()

    def attach(self, *, seconds: float, progress: Progress | None = None) -> dict[str, Any] | None:
        """Follow whatever runs now, of any run id, to its end; None when nothing runs, or when what ran cannot be told.

        :raises Busy: the task runs and its files do not say for whom.
        """
        deadline = self._clock() + seconds
        try:
            look = self._look("search", self._now_client())
            if not look.under_way:
                return None
            if look.current is None:
                raise self._busy(None)
            try:
                return self._follow(look.current, deadline, progress, fresh=False) | {"attached": "running"}
            except (NeverBegan, Busy):
                return None  # two calls started at once, and the files name the one that gave way
        finally:
            self._drop_client()

    def under_way(self) -> Start | None:
        """Which start runs now; None when none does or nobody knows."""
        try:
            look = self._look("search", self._now_client())
            return look.current if look.under_way else None
        finally:
            self._drop_client()

    # ---- start

    def _request(
        self, operation: str, updates: Sequence[Mapping[str, Any]], history: tuple[int, int] | None
    ) -> dict[str, Any]:
        if operation not in update_script.OPERATIONS:
            raise InvalidInput(f"The operation {operation!r} is not one of {', '.join(update_script.OPERATIONS)}.")
        takes = operation in update_script.FOR_UPDATES
        if takes != bool(updates):
            raise InvalidInput(f"{operation} takes {'at least one update' if takes else 'no updates'}.")
        if history is None and operation == "history":
            raise InvalidInput("history needs to know how many rows to read.")
        return {
            "contract": update_script.CONTRACT,
            "run_id": self.run_id,
            "nonce": self._nonce(),
            "operation": operation,
            "client_application_id": "winops.hotpatch",
            "history": {"skip": history[0], "limit": history[1]} if history else None,
            "updates": [{"update_id": str(item["update_id"]), "revision": int(item["revision"])} for item in updates],
        }

    def _start_or_attach(self, operation: str, request: dict[str, Any], again: bool) -> tuple[Start, str, str | None]:
        client = self._now_client()
        look = self._look(operation, client)
        earlier = self._earlier(look, operation, request)
        if look.under_way:
            if look.current is not None and (look.current.run_id, look.current.operation) == (self.run_id, operation):
                return look.current, "running", None
            raise self._busy(look.current)
        if earlier is not None:
            if look.finished(earlier) and not (again and operation != "install"):
                return earlier, "finished", look.result
            if operation == "install" and look.began(earlier) and not look.finished(earlier):
                raise self._lost(earlier)
        start = Start(self.run_id, operation, request["nonce"])
        self._begin(client, start, request, look)
        return start, "no", None

    def _earlier(self, look: _Look, operation: str, request: dict[str, Any]) -> Start | None:
        """The earlier start of this run and operation, when there was one.

        :raises InvalidInput: it was for other updates.
        """
        before = look.request
        if before is None or before.get("run_id") != self.run_id or before.get("operation") != operation:
            return None
        if operation in update_script.FOR_UPDATES and _identities(before) != _identities(request):
            raise InvalidInput(
                f"{self._server}: the run id {self.run_id} was used for another {operation} before.",
                hint="Use a new run id for other updates.",
                server=self._server,
            )
        return Start(self.run_id, operation, str(before.get("nonce")))

    def _begin(self, client: ClientPort, start: Start, request: dict[str, Any], look: _Look) -> None:
        """Place the files, check the script, register and start the task."""
        self._known_runs = {start.run_id, *look.run_ids}
        with client.shell() as shell:
            files = self._files(shell)
            run_folder = files.ensure_folder(start.run_id)
            script = files.path(update_script.FILE_NAME)
            if look.script_hash != update_script.SHA256:
                files.write_text(script, update_script.TEXT)
            files.write_text(rf"{run_folder}\{start.operation}.request.json", json.dumps(request, indent=1))
            current = {"run_id": start.run_id, "operation": start.operation, "nonce": start.nonce}
            answers = files.write_text(
                files.path("runs", "current.json"),
                json.dumps(current, indent=1),
                also={"hash": files.hash_step(script)},
            )
            if read_hash(answers["hash"].text) != update_script.SHA256:
                raise HotpatchError(
                    f"{self._server}: the script {script} is not the one this collection wrote, and was not started.",
                    code="script_changed",
                    hint="Find out who or what changes files there; an antivirus exclusion may be needed.",
                    server=self._server,
                )
            files.delete_runs(look.runs, KEEP_RUNS, {start.run_id, look.current.run_id if look.current else ""})
            powershell = rf"{files.windows}\{_POWERSHELL}"
        arguments = " ".join(
            (
                "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File",
                quote_argument(script, always=True),
                "-RunFolder",
                quote_argument(run_folder, always=True),
                "-Operation",
                start.operation,
            )
        )
        task = GuestTask(client, self._server, sleep=self._sleep)
        try:
            task.register(task_xml(powershell, arguments))
        except OutcomeUnknown:
            # Registering replaces the task by the same task, so this one change may be asked for twice.
            task.register(task_xml(powershell, arguments))
        try:
            task.start()
        except OutcomeUnknown:
            # It may run. It is not started again: what follows looks at the task and the files.
            self._drop_client()

    # ---- follow

    def _follow(self, start: Start, deadline: float, progress: Progress | None, *, fresh: bool) -> dict[str, Any]:
        """Look at the task until the result of this start is there."""
        began_at = self._clock()
        wait = self._pace.first
        shown: dict[str, Any] | None = None
        next_progress = began_at + (self._pace.progress if fresh else 0)
        trouble: HotpatchError | None = None
        first = not fresh
        ran = False
        while True:
            if not first:
                self._wait(start, wait, deadline, trouble)
                wait = min(self._pace.last, wait * 1.5)
            first = False
            try:
                look = self._glance(start, with_files=progress is not None and self._clock() >= next_progress)
                trouble = None
            except (AuthenticationFailed, CertificateNotTrusted):
                raise
            except (Unreachable, AnswerTimeout, OutcomeUnknown, BadAnswer, Fault) as error:
                if isinstance(error, Fault) and not error.retryable:
                    raise
                # The work goes on without us: look again over a new connection.
                self._drop_client()
                trouble = error
                continue
            if look.finished(start):
                return self._read(start, look.result or "")
            if progress is not None and look.progress is not None:
                next_progress = self._clock() + self._pace.progress
                if look.began(start) and (now := read_progress(look.progress)) != shown:
                    shown = now
                    progress(now)
            if look.under_way:
                ran = True
                continue
            if fresh and not look.began(start):
                self._give_way(start, look, ran)
                if self._clock() - began_at < self._pace.grace:
                    continue
            if look.result is not None and look.spoiled(start):
                self._read(start, look.result)  # says what is wrong with it
            raise self._lost(start) if look.began(start) else self._never_began(start)

    def _give_way(self, start: Start, look: _Look, ran: bool) -> None:
        """Tell when another call started at the same moment: both found nothing running, and the task takes one only.

        :param ran: whether the task was seen at work since our start.
        :raises Busy: the files name another start than ours, or a run that was not there before, or the task worked
            without fault and not for us.
        """
        other = look.current.run_id if look.current not in (None, start) else None
        if other is None and look.request is not None and look.request.get("nonce") != start.nonce:
            other = start.run_id
        if other is None:
            other = next((run_id for run_id in look.run_ids if run_id not in self._known_runs), None)
        if other is None and ran and self._last_result() in _NO_FAULT:
            other = next((run_id for run_id in look.run_ids if run_id != start.run_id), None)
        if other is not None:
            raise Busy(
                f"{self._server}: run {other} began on the server at the same moment, so {start.operation} of run"
                f" {start.run_id} was not started.",
                hint="Wait for it, or attach to it.",
                server=self._server,
            )

    def _read(self, start: Start, text: str) -> dict[str, Any]:
        return read_result(text, server=self._server, run_id=start.run_id, nonce=start.nonce, operation=start.operation)

    def _wait(self, start: Start, wait: float, deadline: float, trouble: HotpatchError | None) -> None:
        left = deadline - self._clock()
        if left > 0:
            self._sleep(min(wait, left))
            return
        contact = f" The last look at it failed: {trouble.message}" if trouble else ""
        raise AnswerTimeout(
            f"{self._server}: {start.operation} (run {start.run_id}) is still running on the server, and the time to"
            f" wait for it is over.{contact}",
            hint="Run again with the same run id to attach to it.",
            server=self._server,
        )

    def _glance(self, start: Start, *, with_files: bool) -> _Look:
        """The task's state; the files too when it no longer runs or when they are wanted."""
        client = self._now_client()
        state = GuestTask(client, self._server, sleep=self._sleep).state(after_change=True)
        if state in UNDER_WAY and not with_files:
            return _Look(state, None, None, None, None, None, "")
        return self._look(start.operation, client, run_id=start.run_id, state=state)

    def _look(
        self, operation: str, client: ClientPort, *, run_id: str | None = None, state: int | None = None
    ) -> _Look:
        """The task's state first, then the files: a task that had ended by then has written all it will."""
        if state is None:
            state = GuestTask(client, self._server, sleep=self._sleep).state()
        with client.shell() as shell:
            files = self._files(shell)
            self._roots = files.roots
            run = ("runs", run_id or self.run_id)
            texts = files.read_texts(
                {
                    "current": files.path("runs", "current.json"),
                    "request": files.path(*run, f"{operation}.request.json"),
                    "progress": files.path(*run, f"{operation}.progress.json"),
                    "result": files.path(*run, f"{operation}.result.json"),
                },
                also={
                    "hash": files.hash_step(files.path(update_script.FILE_NAME)),
                    "runs": files.list_step(files.path("runs")),
                },
            )
        return _Look(
            state=state,
            current=_start_of(read_document(texts["current"])),
            request=read_document(texts["request"]),
            progress=read_document(texts["progress"]),
            result=texts["result"],
            script_hash=read_hash(texts["hash"]),
            runs=texts["runs"] or "",
        )

    # ---- words

    def _busy(self, other: Start | None) -> Busy:
        who = f"{other.operation} of run {other.run_id}" if other else "work that left no word of itself"
        return Busy(
            f"{self._server}: {who} is under way on the server, so nothing was started.",
            hint="Wait for it, or attach to it.",
            server=self._server,
        )

    def _last_result(self) -> int | None:
        """The task's last exit code, for words only."""
        try:
            info = GuestTask(self._now_client(), self._server, sleep=self._sleep).info()
        except HotpatchError:
            return None
        return info.last_result if info else None

    def _lost(self, start: Start) -> OutcomeUnknown:
        code = self._last_result()
        told = f" (last result of the task 0x{code:X})" if code is not None else ""
        return OutcomeUnknown(
            f"{self._server}: {start.operation} (run {start.run_id}) began, its task no longer runs, and it left no"
            f" result{told}. It may have been done, in part or whole, or still go on inside Windows.",
            hint="Before anything else read the server's state: search under a new run id, look for a pending restart.",
            server=self._server,
        )

    def _never_began(self, start: Start) -> HotpatchError:
        code = self._last_result()
        if code == update_script.EXIT_NOT_STARTED:
            return self._busy(None)
        told = f" The task's last result is 0x{code:X}." if code is not None else ""
        return NeverBegan(
            f"{self._server}: {start.operation} (run {start.run_id}) was started and its script never began; nothing"
            f" was done.{told}",
            hint="Look for a policy that wants signed scripts, for application control, or for a security product; the"
            " script may be signed, see docs/update-contract.md.",
            server=self._server,
        )

    # ---- connection

    def _now_client(self) -> ClientPort:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _files(self, shell: Any) -> GuestFiles:
        return GuestFiles(shell, self._server, roots=self._roots, token=self._token)


def _identities(request: Mapping[str, Any]) -> set[tuple[str, object]] | None:
    """The updates of a request, in any order; None when they cannot be read."""
    updates = request.get("updates")
    if not isinstance(updates, list) or any(not isinstance(item, dict) for item in updates):
        return None
    return {(str(item.get("update_id")).lower(), item.get("revision")) for item in updates}


def _start_of(document: Mapping[str, Any] | None) -> Start | None:
    """The start that current.json names; None when it names none that could be ours."""
    if document is None:
        return None
    run_id, operation, nonce = (document.get(key) for key in ("run_id", "operation", "nonce"))
    if not isinstance(run_id, str) or not isinstance(nonce, str) or operation not in update_script.OPERATIONS:
        return None
    try:
        return Start(checked_run_id(run_id), str(operation), nonce)
    except InvalidInput:
        return None

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The Azure Connected Machine agent of one server: read it, set it, connect and disconnect it.

The agent's program runs in the cmd shell and may hang, so every call has its own time. A login goes to it by a
configuration file in a folder that only SYSTEM and Administrators may enter (azure-management-docs, azcmagent connect);
the folder is deleted in every case, also over a new connection when the old one was lost. An answer that was lost is
never asked for again by doing the work twice: the agent's state is read back.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.agent_exit_codes import (
    describe_agent,
    describe_download,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.platform_kind import Platform
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import (
    AgentFailed,
    AnswerTimeout,
    HotpatchError,
    OutcomeUnknown,
    Unreachable,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.arc_agent_text import (
    Endpoint,
    Setting,
    agent_message,
    read_check,
    read_curl,
    read_product_code,
    read_settings,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_shell import ShellFacts
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.files_upload import (
    delete_secret_folders,
    make_secret_folder,
    put_bytes,
    secret_folders,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.open_shell import OpenShell
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.platform import HOST_STEPS, read_platform
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import StepAnswer
from ansible_collections.winops.hotpatch.plugins.module_utils._wsman.quoting import cmd_quote

AGENT = r'"%ProgramFiles%\AzureConnectedMachineAgent\azcmagent.exe"'
#: The folder of packages and logs, below the collection's own.
FOLDER = "arc"
PRODUCT = "Azure Connected Machine Agent"

_UNINSTALL = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
_STEPS = {
    "himds": "sc query himds",
    "programs": 'dir /b /ad "%ProgramFiles%" 2>nul',
    "uninstall": f'reg query {_UNINSTALL} /s /f "{PRODUCT}" /d /e 2>nul',
    "folder": r'dir /b /ad "%ProgramFiles%\winops.hotpatch" 2>nul',
}
#: Asked last, because the agent may hang; left out when it did.
_AGENT_STEPS = {"settings": f"{AGENT} config list 2>nul", "agent": f"{AGENT} show -j 2>nul"}

_READ_SECONDS = 90
_SETTING_SECONDS = 60
_CHECK_SECONDS = 240
_REACH_SECONDS = 10
_DISCONNECT_SECONDS = 90
#: For how long the deletion of a login's folder is tried again after the connection was lost.
_DELETE_SECONDS = 180


@dataclass(frozen=True)
class ArcReading:
    """What a server shows of its agent. ``left_over`` are folders of logins that an earlier run could not delete."""

    arc: dict[str, Any]
    settings: dict[str, Setting] | None
    platform: Platform
    product_code: str | None
    left_over: list[str]
    notes: list[str]


@dataclass(frozen=True)
class LoginFile:
    """What the agent's configuration file holds.

    :param options: the agent's option names and their values; secrets among them.
    :param secrets: the values that must never be shown.
    :param certificate: the content of a certificate file that goes beside it, and its ending.
    """

    options: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    certificate: bytes | None = None
    certificate_ending: str = "pem"


class GuestArcAgent:
    """The agent of one server.

    :param opened: the connection and shell; made anew when they are lost.
    :param poll_interval: seconds between two looks.
    :param wait_seconds: for how long the agent is waited for after something was done to it.
    """

    def __init__(
        self,
        opened: OpenShell,
        progress: Callable[[str], None] = lambda _line: None,
        *,
        poll_interval: float = 5.0,
        wait_seconds: float = 60.0,
    ) -> None:
        self._opened = opened
        self._server = opened.server
        self._progress = progress
        self._pause = poll_interval
        self._patience = wait_seconds

    # ---- reading

    def read(self) -> ArcReading:
        """The agent, its settings, and the platform; what could not be read is None, with a note.

        :raises Unreachable: the server cannot be talked to.
        """
        notes: list[str] = []
        platform_rows = read_platform(self._opened.client, notes)
        try:
            steps = self._ask({**_STEPS, **HOST_STEPS, **_AGENT_STEPS})
        except AnswerTimeout as error:
            notes.append(f"The agent's own answer could not be read: {clean(error.message)}")
            self._opened.drop()
            steps = self._ask({**_STEPS, **HOST_STEPS})
        arc = ShellFacts(steps, notes).arc()
        settings = read_settings(steps["settings"].text) if "settings" in steps and steps["settings"].ok else None
        code = read_product_code(steps["uninstall"].text)
        if code is None and arc["status"] is None and arc["service"] == "absent":
            # The package leaves its folder behind: without package and service there is no agent.
            arc["installed"] = False
        platform = platform_rows.judge(steps, arc["cloud_provider"])
        return ArcReading(arc, settings, platform, code, secret_folders(steps["folder"].text), notes)

    def show(self) -> dict[str, Any]:
        """Only the agent's own words.

        :raises AnswerTimeout: it hangs.
        """
        names = ("himds", "programs")
        steps = self._ask({name: _STEPS[name] for name in names} | {"agent": _AGENT_STEPS["agent"]})
        return ShellFacts(steps, []).arc()

    def _ask(self, steps: Mapping[str, str]) -> dict[str, StepAnswer]:
        return self._opened.files.ask(steps, timeout=_READ_SECONDS)

    # ---- endpoints

    def check(self, location: str | None, cloud: str | None, *, private: bool) -> list[Endpoint]:
        """The agent's own network check; one unknown row when it cannot be read."""
        words = ["check", "-j"]
        words += ["--location", location] if location else []
        words += ["--cloud", cloud] if cloud and location else []
        words += ["--enable-pls-check"] if private else []
        try:
            code, output = self._run(words, _CHECK_SECONDS)
        except AnswerTimeout:
            self._opened.drop()
            return [Endpoint("azcmagent check", None, True, "it did not end in time")]
        found = read_check(output)
        if found is None:
            return [Endpoint("azcmagent check", None, True, describe_agent(code).sentence)]
        return found

    def reach(self, hosts: list[str], proxy: str | None, *, required: bool) -> list[Endpoint]:
        """Whether the server itself reaches hosts over TLS; any answer of the web server will do."""
        through = f"-x {cmd_quote(proxy)} " if proxy else ""
        steps = {
            f"host{number}": f"curl.exe -sS -o NUL --connect-timeout {_REACH_SECONDS} -m {2 * _REACH_SECONDS} {through}"
            f"{cmd_quote(f'https://{host}/')} 2>&1"
            for number, host in enumerate(hosts)
        }
        answers = self._opened.files.ask(steps, timeout=30 + 2 * _REACH_SECONDS * len(hosts))
        found = []
        for number, host in enumerate(hosts):
            answer = answers[f"host{number}"]
            code = 0 if answer.ok else read_curl(answer.text)
            detail = (
                "" if code == 0 else "curl.exe could not be run" if code is None else describe_download(code).sentence
            )
            # An option that this curl does not know tells nothing of the host.
            reached = True if code == 0 else None if code in (None, 2) else False
            found.append(Endpoint(f"https://{host}", reached, required, detail))
        return found

    # ---- settings and service

    def change_settings(self, changes: Mapping[str, Setting]) -> None:
        """Set or clear the agent's settings, one after another.

        :raises AgentFailed: one was refused; those before it are set.
        """
        for name, value in changes.items():
            text = ",".join(value) if isinstance(value, tuple) else value
            words = ["config", "set", name, text] if text else ["config", "clear", name]
            code, output = self._run(words, _SETTING_SECONDS)
            if code:
                raise self._failed(f"The setting {name} could not be changed", code, output)

    def start_service(self) -> None:
        """Start himds; that it runs already is fine."""
        self._opened.files.ask({"start": "sc start himds"}, timeout=60)
        self._wait(lambda arc: arc["service"] == "running" and arc["status"] is not None)

    def wait_for_contact(self) -> dict[str, Any]:
        """The agent's words once it has contact, or after some time without."""
        return self._wait(lambda arc: str(arc["status"]).casefold() == "connected")

    def _wait(self, done: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        end = self._opened.clock() + self._patience
        while True:
            arc = self.show()
            if done(arc) or self._opened.clock() >= end:
                return arc
            self._opened.sleep(self._pause)

    # ---- connecting

    def connect(self, login: LoginFile, seconds: float) -> None:
        """Connect the server.

        :param seconds: for all of it.
        :raises AgentFailed: the agent says no; ``code`` is its AZCM number.
        :raises OutcomeUnknown: whether it worked cannot be told, or the login's folder may still be there.
        """
        self._progress("connecting to Azure Arc")
        self._with_login("connect", login, seconds)

    def disconnect(self, login: LoginFile | None, seconds: float = _DISCONNECT_SECONDS) -> None:
        """Disconnect it: with a login the resource in Azure is deleted, without one only the agent forgets."""
        self._progress("disconnecting from Azure Arc")
        if login is None:
            self._finish(lambda: self._run(["disconnect", "--force-local-only"], seconds), "disconnect", ())
        else:
            self._with_login("disconnect", login, seconds)

    def _with_login(self, verb: str, login: LoginFile, seconds: float) -> None:
        files = self._opened.files
        files.ensure_folder(FOLDER, below=None)
        # A name of its own: not the token that parts the answers of a shell, which is shown there.
        name = secrets.token_hex(8)
        folder = ""
        try:
            folder = make_secret_folder(files, name)
            options = dict(login.options)
            if login.certificate is not None:
                path = f"{folder}\\certificate.{login.certificate_ending}"
                put_bytes(files, path, login.certificate)
                options["service-principal-cert"] = path
            file = f"{folder}\\{verb}.json"
            put_bytes(files, file, json.dumps(options).encode())
            self._finish(lambda: self._run([verb, "--config", file], seconds), verb, login.secrets)
        finally:
            self._delete(f"secret-{name}")

    def _finish(self, work: Callable[[], tuple[int, str]], verb: str, hidden: tuple[str, ...]) -> None:
        """Do the work once; when its answer is lost, read what became of it."""
        try:
            code, output = work()
        except (AnswerTimeout, OutcomeUnknown, Unreachable) as error:
            self._progress("the answer was lost; reading what became of it")
            if self._became(verb):
                return
            raise OutcomeUnknown(
                f"{self._server}: azcmagent {verb} did not answer, and the agent does not show that it worked.",
                hint="Read the server again before anything else; look at the agent's log, azcmagent.log.",
                server=self._server,
            ) from error
        if code == 0 or (code == 67 and verb == "connect" and self._became(verb)):
            return
        raise self._failed(f"azcmagent {verb} failed", code, output, hidden)

    def _became(self, verb: str) -> bool:
        end = self._opened.clock() + self._patience
        while True:
            self._opened.drop()
            try:
                arc = self.show()
                connected = str(arc["status"]).casefold() == "connected" and arc["resource_name"]
                if (verb == "connect" and connected) or (
                    verb == "disconnect" and arc["status"] and not arc["resource_name"]
                ):
                    return True
            except (AnswerTimeout, OutcomeUnknown, Unreachable):
                pass
            if self._opened.clock() >= end:
                return False
            self._opened.sleep(self._pause)

    def _delete(self, name: str) -> None:
        """Delete a login's folder and make sure of it.

        :raises HotpatchError: it may still be there.
        """
        if self.delete_left_over([name]):
            return
        raise HotpatchError(
            f"{self._server}: the folder with the login, %ProgramFiles%\\winops.hotpatch\\{name}, may still be there: "
            "its deletion could not be confirmed.",
            code="secret_not_deleted",
            hint="Run again, which deletes it, or delete it by hand. Only SYSTEM and Administrators can enter it.",
            server=self._server,
        )

    def delete_left_over(self, names: list[str]) -> bool:
        """Delete folders of logins, over a new connection when the old one is lost; whether they are surely gone."""
        end = self._opened.clock() + _DELETE_SECONDS
        while True:
            try:
                if delete_secret_folders(self._opened.files, names):
                    return True
            except HotpatchError:
                # Whatever it was: the folder matters more, and the time for it is bounded.
                pass
            if self._opened.clock() >= end:
                return False
            self._opened.drop()
            self._opened.sleep(self._pause)

    # ---- how

    def _run(self, words: list[str], seconds: float) -> tuple[int, str]:
        """Run azcmagent; its exit code and what it wrote."""
        # The line begins with a word: cmd.exe strips quotes from one that begins with a quote.
        answer = self._opened.shell.run(f"echo @& {AGENT}", words, timeout=seconds)
        text = (answer.stdout + b"\n" + answer.stderr).decode("utf-8", "replace")
        return answer.exit_code, text

    def _failed(self, what: str, code: int, output: str, hidden: tuple[str, ...] = ()) -> AgentFailed:
        text = describe_agent(code)
        said = agent_message(output, hidden)
        words = f"{self._server}: {what}: {text.sentence}"
        return AgentFailed(
            f"{words} The agent says: {said}" if said and said != "@" else words,
            code=text.label,
            hint=text.remedy,
            retryable=text.retryable,
            server=self._server,
        )

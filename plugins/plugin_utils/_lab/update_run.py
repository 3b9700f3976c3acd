# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the known update script does on a server, step by step over time.

Nothing of the script is run: this follows its documented contract (docs/update-contract.md, version 1) and the way
the Windows Update Agent answers it. Files come out as the script writes them; the agent's side is in
``update_service``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import update_sources
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.journal import Installation
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.principals import SYSTEM, Principal
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_history import Entry
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_offers import Offer
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_service import (
    BOOTSTRAPPER_SECONDS,
    COULD_NOT_EVALUATE,
    EULAS_DECLINED,
    INSTALL_NOT_ALLOWED,
    NOT_DOWNLOADED,
    SEARCH_SECONDS,
    AgentError,
    utc_text,
)

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine

OPERATIONS = ("search", "evaluate", "download", "install", "history", "hide", "unhide")
DONE, FAILED, NO_RESULT, NOT_STARTED = 0, 1, 2, 3
START_SECONDS = 3.0
HISTORY_SECONDS = 4.0
MAX_REQUEST = 1_000_000

# A step yields how many seconds pass, or an installation to wait for.
Step = float | Offer
Steps = Iterator[Step]


class BadRequest(Exception):
    """The request file is not there or is not JSON with the members that the script reads."""


class UpdateRun:
    """One start of the script."""

    def __init__(
        self,
        machine: Machine,
        script_folder: str,
        run_folder: str,
        operation: str,
        who: Principal,
        done: Callable[[int], None],
    ) -> None:
        self._machine = machine
        self._folder = run_folder.rstrip("\\")
        self._operation = operation
        self._who = who
        self._done = done
        self._lock_path = f"{script_folder}\\lock"
        self._current_path = f"{script_folder}\\runs\\current.json"
        self._request: dict[str, Any] = {}
        self._result: dict[str, Any] = {}
        self._holds_lock = False
        self._ended = False
        self._steps: Steps = iter(())
        self._last_install: Installation | None = None

    def start(self) -> None:
        """PowerShell starts."""
        self._steps = self._whole()
        self._machine.timeline.after(START_SECONDS, self._go_on)

    def stop(self) -> None:
        """The process is killed: no result, the lock is free."""
        self._ended = True
        self._release()

    def _go_on(self) -> None:
        if self._ended:
            return
        try:
            step = next(self._steps)
        except StopIteration:
            return
        if isinstance(step, Offer):
            self._machine.updates.begin_install(step, self._run_id, self._installed)
        else:
            self._machine.timeline.after(step, self._go_on)

    def _installed(self, entry: Installation) -> None:
        self._last_install = entry
        self._go_on()

    def _exit(self, code: int) -> None:
        self._ended = True
        self._release()
        self._done(code)

    @property
    def _run_id(self) -> str | None:
        value = self._request.get("run_id")
        return value if isinstance(value, str) else None

    def _whole(self) -> Steps:
        try:
            self._request = self._read_request()
        except BadRequest:
            self._exit(NO_RESULT)
            return
        code = self._take_lock()
        if code is not None:
            self._exit(code)
            return
        if self._seen_before():
            self._exit(NOT_STARTED)
            return
        self._write_current()
        self._result = self._empty_result()
        stage = "request"
        try:
            self._phase("starting", 0, 0, None)
            if self._operation not in OPERATIONS or not self._fits():
                raise AgentError(0x80070057, "The request is for another contract version or operation.")
            for part in self._work():
                if isinstance(part, str):
                    stage = part
                else:
                    yield part
            self._result["state"] = "done"
        except AgentError as error:
            self._result["error"] = failure(stage, error)
        except DiskError:
            self._exit(NO_RESULT)
            return
        self._result["finished"] = utc_text(self._machine.now())
        try:
            self._write("result", self._result)
        except DiskError:
            self._exit(NO_RESULT)
            return
        finally:
            self._write_current()
        self._exit(DONE if self._result["state"] == "done" else FAILED)

    def _work(self) -> Iterator[str | Step]:
        """The work itself: yields the name of each stage it enters, and its steps."""
        machine = self._machine
        yield "session"
        agent = self._result["agent"]
        agent["user_sid"] = self._who.sid
        if self._who.sid != SYSTEM:
            raise AgentError(0x80070005, "Access is denied. (Exception from HRESULT: 0x80070005 (E_ACCESSDENIED))")
        agent["wua_version"] = f"10.0.{machine.spec.product_data.build}.{machine.updates.ubr}"
        self._agent_state()
        agent["service_id"] = str(self._request.get("service_id") or "")
        agent["services"] = update_sources.services(machine)
        if self._operation == "history":
            yield "history"
            self._phase("reading", 0, 0, None)
            yield HISTORY_SECONDS * machine.jitter()
            self._result["history"] = self._history()
            return
        yield "search"
        self._phase("searching", 0, 0, None)
        yield SEARCH_SECONDS * machine.jitter()
        service_id = self._request.get("service_id")
        found = machine.updates.search(
            str(self._request.get("criteria")),
            self._selection(),
            service_id if isinstance(service_id, str) else None,
        )
        self._result["search"] = {"result_code": 2, "warnings": []}
        if self._operation == "search" and isinstance(self._request.get("history"), dict):
            self._phase("reading", 0, 0, None)
            ids = {offer.update_id for offer in found}
            history = self._history()
            history["entries"] = [row for row in history["entries"] if row["update_id"] in ids]
            self._result["history"] = history
        yield "match"
        chosen = found if self._operation == "search" else self._chosen(found)
        records = [self._record(offer) for offer in chosen]
        self._result["updates"] = records
        yield self._operation
        total = len(chosen)
        for position, (offer, record) in enumerate(zip(chosen, records, strict=True), 1):
            if self._operation in ("download", "install") and self._request.get("accept_eula") is True:
                machine.updates.accept_eula(offer, self._run_id)
            if self._operation in ("hide", "unhide"):
                machine.updates.hide(offer, self._operation == "hide", self._run_id)
            if self._operation == "evaluate":
                yield from self._evaluate(offer, record, position, total)
            elif self._operation == "download":
                self._phase("downloading", position, total, offer.update_id)
                yield machine.updates.download_seconds(offer)
                record["download"] = outcome(*machine.updates.download(offer, self._run_id))
            record["downloaded"] = machine.updates.downloaded(offer)
            record["eula_accepted"] = machine.updates.eula_accepted(offer)
            record["hidden"] = offer.update_id in machine.updates.hidden
        if self._operation == "install" and chosen:
            yield from self._install(chosen, records)

    def _evaluate(self, offer: Offer, record: dict[str, Any], position: int, total: int) -> Steps:
        updates = self._machine.updates
        self._phase("bootstrapper", position, total, offer.update_id)
        yield BOOTSTRAPPER_SECONDS
        answer: bool | None = None
        error: dict[str, Any] | None = None
        try:
            updates.fetch_bootstrapper(offer)
            self._phase("evaluating", position, total, offer.update_id)
            answer = updates.evaluate(offer)
            if answer is None:
                raise AgentError(COULD_NOT_EVALUATE, "The agent answered something that is not a Boolean.")
        except AgentError as problem:
            error = failure("evaluating", problem)
        record["evaluation"] = {"requires_restart": answer, "error": error}

    def _install(self, chosen: list[Offer], records: list[dict[str, Any]]) -> Iterator[str | Step]:
        updates = self._machine.updates
        self._agent_state()
        agent = self._result["agent"]
        if agent["busy"] or agent["restart_required_before_installation"] or agent["restart_required"]:
            raise AgentError(
                INSTALL_NOT_ALLOWED,
                "Nothing was installed: the agent is busy, a restart is pending, or it does not tell.",
            )
        total = len(chosen)
        self._phase("installing", 1, total, chosen[0].update_id)
        for offer, record in zip(chosen, records, strict=True):
            missing = None if updates.downloaded(offer) else NOT_DOWNLOADED
            problem = missing if updates.eula_accepted(offer) else EULAS_DECLINED
            if problem is not None:
                record["install"] = {**outcome(4, problem), "restart_required": False}
                continue
            yield offer
            entry = self._last_install
            if entry is None:
                raise AgentError(0x80240069, "The service exited unexpectedly.")
            record["install"] = {
                **outcome(entry.result_code or 4, entry.hresult),
                "restart_required": entry.restart_required,
            }
        yield "finishing"
        self._phase("finishing", total, total, None)
        self._agent_state()

    def _history(self) -> dict[str, Any]:
        history = self._machine.updates.history
        wanted = self._request.get("history")
        if not isinstance(wanted, dict):
            raise AgentError(0x80131501, "The property 'skip' cannot be found on this object.")
        total = len(history.entries)
        skip, limit = int(wanted.get("skip") or 0), int(wanted.get("limit") or 0)
        count = min(limit, total - skip)
        rows = history.query(skip, count) if count > 0 else []
        if rows is None:
            raise AgentError(0x80240007, "The index is not valid.")
        return {"total": total, "entries": [history_row(row) for row in rows]}

    def _selection(self) -> int:
        value = self._request.get("server_selection")
        return value if isinstance(value, int) else 0

    def _chosen(self, found: list[Offer]) -> list[Offer]:
        chosen: list[Offer] = []
        for wanted in self._request.get("updates") or []:
            match = next(
                (
                    offer
                    for offer in found
                    if offer.update_id == str(wanted.get("update_id")).lower()
                    and offer.revision == wanted.get("revision")
                ),
                None,
            )
            if match is None:
                raise AgentError(0x80240024, f"Update {wanted.get('update_id')} is not offered now.")
            chosen.append(match)
        return chosen

    def _record(self, offer: Offer) -> dict[str, Any]:
        updates = self._machine.updates
        bootstrapper: bool | None = None
        error: dict[str, Any] | None = None
        try:
            bootstrapper = updates.bootstrapper(offer)
        except AgentError as problem:
            error = failure("bootstrapper", problem)
        return {
            "update_id": offer.update_id,
            "revision": offer.revision,
            "title": offer.title,
            "kbs": [offer.kb.removeprefix("KB")],
            "categories": [{"id": key, "name": name} for key, name in offer.categories],
            "type": 1,
            "deployment_action": 1,
            "max_download_bytes": offer.size,
            "downloaded": updates.downloaded(offer),
            "installed": updates.has(offer),
            "hidden": offer.update_id in updates.hidden,
            "eula_accepted": updates.eula_accepted(offer),
            "uninstallable": False,
            "msrc_severity": offer.severity or "",
            "restart_behavior": offer.restart_behavior,
            "impact": offer.impact,
            "can_request_user_input": False,
            "bootstrapper": bootstrapper,
            "bootstrapper_error": error,
            "evaluation": None,
            "download": None,
            "install": None,
        }

    def _agent_state(self) -> None:
        updates = self._machine.updates
        self._result["agent"].update(
            {
                "busy": updates.is_busy,
                "restart_required": updates.restart_required,
                "restart_required_before_installation": updates.restart_required,
            }
        )

    def _read_request(self) -> dict[str, Any]:
        try:
            raw = self._machine.disk.read(f"{self._folder}\\{self._operation}.request.json", self._who)
        except DiskError as error:
            raise BadRequest(error.message) from error
        if len(raw) > MAX_REQUEST:
            raise BadRequest("too long")
        try:
            document = json.loads(raw.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise BadRequest("no JSON") from error
        needed = ("contract", "run_id", "nonce", "operation", "server_selection", "criteria", "updates")
        if not isinstance(document, dict) or not all(key in document for key in needed):
            raise BadRequest("members are missing")
        updates = document["updates"]
        if not isinstance(updates, list) or not all(isinstance(item, dict) for item in updates):
            raise BadRequest("updates is no list of objects")
        return document

    def _fits(self) -> bool:
        return self._request.get("contract") == 1 and self._request.get("operation") == self._operation

    def _seen_before(self) -> bool:
        """Whether this very request was taken already: its nonce stands in the progress file."""
        try:
            earlier = json.loads(self._machine.disk.read(f"{self._folder}\\{self._operation}.progress.json"))
        except (DiskError, ValueError):
            return False
        return isinstance(earlier, dict) and earlier.get("nonce") == self._request.get("nonce")

    def _take_lock(self) -> int | None:
        disk = self._machine.disk
        node = disk.find(self._lock_path)
        if node is not None and node.held_by is not None:
            return NOT_STARTED
        try:
            if node is None:
                disk.write(self._lock_path, b"", self._machine.now(), self._who)
        except DiskError:
            return NO_RESULT
        node = disk.find(self._lock_path)
        if node is not None:
            node.held_by = self._run_id or "a run"
            self._holds_lock = True
        return None

    def _release(self) -> None:
        node = self._machine.disk.find(self._lock_path)
        if self._holds_lock and node is not None:
            node.held_by = None
        self._holds_lock = False

    def _empty_result(self) -> dict[str, Any]:
        now = utc_text(self._machine.now())
        agent = {
            "language_mode": "FullLanguage",
            "ps_version": f"5.1.{self._machine.spec.product_data.build}.{self._machine.updates.ubr}",
            "user_sid": None,
            "wua_version": None,
            "server_selection": self._request.get("server_selection"),
            "service_id": None,
            "services": None,
            "busy": None,
            "restart_required": None,
            "restart_required_before_installation": None,
        }
        return {
            "contract": 1,
            "run_id": self._request.get("run_id"),
            "nonce": self._request.get("nonce"),
            "operation": self._operation,
            "state": "failed",
            "error": None,
            "started": now,
            "finished": None,
            "agent": agent,
            "search": None,
            "history": None,
            "updates": [],
        }

    def _phase(self, phase: str, current: int, total: int, update_id: str | None) -> None:
        document = {
            "contract": 1,
            "run_id": self._request.get("run_id"),
            "nonce": self._request.get("nonce"),
            "operation": self._operation,
            "phase": phase,
            "current": current,
            "total": total,
            "update_id": update_id,
            "heartbeat": utc_text(self._machine.now()),
        }
        try:
            self._write("progress", document)
        except DiskError:
            if phase == "starting":
                raise

    def _write(self, kind: str, document: dict[str, Any]) -> None:
        self._put(f"{self._folder}\\{self._operation}.{kind}.json", document)

    def _write_current(self) -> None:
        current = {
            "run_id": self._request.get("run_id"),
            "operation": self._operation,
            "nonce": self._request.get("nonce"),
        }
        with suppress(DiskError):
            self._put(self._current_path, current)

    def _put(self, path: str, document: dict[str, Any]) -> None:
        """Under a temporary name first, then moved over the old file, as the script does."""
        machine = self._machine
        text = json.dumps(document, indent=4, ensure_ascii=True)
        machine.disk.write(f"{path}.new", text.replace("\n", "\r\n").encode("ascii"), machine.now(), self._who)
        machine.disk.move(f"{path}.new", path, machine.now(), self._who)


def history_row(entry: Entry) -> dict[str, Any]:
    """A row of the history as the script writes it down."""
    return {
        "date": utc_text(entry.moment),
        "operation": entry.operation,
        "title": entry.title,
        "update_id": entry.update_id,
        "revision": entry.revision,
        "client_application_id": entry.client,
        "server_selection": entry.server_selection,
        "service_id": entry.service_id,
        **outcome(entry.result_code, entry.hresult),
    }


def failure(stage: str, error: AgentError) -> dict[str, Any]:
    """An error as the script writes it down."""
    return {
        "stage": stage,
        "hresult": f"0x{error.hresult:08X}",
        "hresult_signed": signed(error.hresult),
        "message": error.message,
    }


def outcome(result_code: int, hresult: int) -> dict[str, Any]:
    """The result of one update as the script writes it down."""
    return {"result_code": result_code, "hresult": f"0x{hresult:08X}", "hresult_signed": signed(hresult)}


def signed(hresult: int) -> int:
    """An HRESULT as the signed number that PowerShell shows."""
    return hresult - 0x1_0000_0000 if hresult >= 0x8000_0000 else hresult

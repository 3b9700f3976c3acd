# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""What the script on a server writes, read as untrusted input: limited, parsed, and checked key by key.

Only what the contract names comes through (docs/update-contract.md); texts are cleaned of control characters and cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import BadAnswer
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_script import CONTRACT

#: A server offers some tens of updates, each takes about 1.5 KB; a row of the history takes about 0.5 KB.
MAX_DOCUMENT = 2 * 1024 * 1024
_MAX_ITEMS = 1000

_GUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_KB = re.compile(r"(?:KB)?([0-9]{4,9})", re.IGNORECASE | re.ASCII)

_UPDATE_BOOLS = (
    "downloaded",
    "installed",
    "hidden",
    "eula_accepted",
    "uninstallable",
    "can_request_user_input",
    "bootstrapper",
)
_UPDATE_INTS = ("type", "deployment_action", "restart_behavior", "impact")
_HISTORY_INTS = ("operation", "result_code", "hresult_signed", "revision", "server_selection")
_AGENT_BOOLS = ("busy", "restart_required", "restart_required_before_installation")
_AGENT_TEXTS = ("language_mode", "ps_version", "user_sid", "wua_version")


def read_document(text: str | None) -> dict[str, Any] | None:
    """A JSON object; None when the text is none, is too large or is something else."""
    if text is None or len(text) > MAX_DOCUMENT:
        return None
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def read_result(text: str, *, server: str, run_id: str, nonce: str, operation: str) -> dict[str, Any]:
    """The result of one operation.

    :raises BadAnswer: it is not a result by the contract, or belongs to another run.
    """
    document = read_document(text)
    return _ResultReader(f"{server}: the result of {operation} (run {run_id})", server).result(
        document, run_id, nonce, operation
    )


def belongs(document: Mapping[str, Any] | None, run_id: str, operation: str, nonce: str) -> bool:
    """Whether a request, a progress or a result belongs to this very start."""
    wanted = {"contract": CONTRACT, "run_id": run_id, "operation": operation, "nonce": nonce}
    return (
        document is not None
        and not isinstance(document.get("contract"), bool)
        and all(document.get(key) == value for key, value in wanted.items())
    )


def read_progress(document: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a progress file a person may be shown, whatever the server wrote."""
    update_id = document.get("update_id")
    return {
        "operation": clean(str(document.get("operation")), 20),
        "phase": clean(str(document.get("phase")), 20),
        "current": _int_or_none(document.get("current")),
        "total": _int_or_none(document.get("total")),
        "update_id": update_id.lower() if isinstance(update_id, str) and _GUID.fullmatch(update_id) else None,
        "heartbeat": clean(str(document.get("heartbeat")), 40),
    }


def _int_or_none(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


class _ResultReader:
    """Reads one result; ``about`` begins each of its complaints."""

    def __init__(self, about: str, server: str) -> None:
        self.about = about
        self.server = server

    def bad(self, why: str) -> NoReturn:
        raise BadAnswer(
            f"{self.about} cannot be used: {why}.",
            hint="Look at the file on the server; if nobody has changed it, report this.",
            server=self.server,
        )

    def result(self, document: dict[str, Any] | None, run_id: str, nonce: str, operation: str) -> dict[str, Any]:
        if document is None:
            self.bad("it is not a JSON object, or too large")
        if document.get("contract") != CONTRACT or isinstance(document["contract"], bool):
            self.bad(f"it is not of contract version {CONTRACT}")
        if not belongs(document, run_id, operation, nonce):
            self.bad("it belongs to another run")
        state = document.get("state")
        if state not in ("done", "failed"):
            self.bad("its state is neither done nor failed")
        error = self.failure(document, "error")
        if (error is None) != (state == "done"):
            self.bad(f"its state is {state}, and its error says otherwise")
        updates = [self.update(item) for item in self.items(document, "updates")]
        return {
            "contract": CONTRACT,
            "run_id": run_id,
            "operation": operation,
            "state": state,
            "started": self.text(document, "started"),
            "finished": self.text(document, "finished"),
            "error": error,
            "agent": self.agent(document.get("agent")),
            "search": self.search(document.get("search")),
            "history": self.history(document.get("history")),
            "updates": updates,
        }

    def agent(self, agent: object) -> dict[str, Any]:
        if not isinstance(agent, dict):
            self.bad("it says nothing of the agent")
        facts: dict[str, Any] = {name: self.text(agent, name) or None for name in _AGENT_TEXTS}
        facts |= {name: self.boolean(agent, name) for name in _AGENT_BOOLS}
        facts |= {
            "server_selection": self.integer(agent, "server_selection"),
            "service_id": self.guid(agent, "service_id"),
            "services": None,
        }
        if agent.get("services") is not None:
            facts["services"] = [
                {
                    "id": self.guid(item, "id"),
                    "name": self.text(item, "name"),
                    "default": self.boolean(item, "default"),
                }
                for item in self.items(agent, "services")
            ]
        return facts

    def search(self, search: object) -> dict[str, Any] | None:
        if search is None:
            return None
        if not isinstance(search, dict):
            self.bad("search is not an object")
        code = self.integer(search, "result_code")
        if code is None:
            self.bad("its search has no result code")
        warnings = [
            {"hresult": self.text(item, "hresult"), "message": self.text(item, "message")}
            for item in self.items(search, "warnings")
        ]
        return {"result_code": code, "warnings": warnings}

    def history(self, history: object) -> dict[str, Any] | None:
        if history is None:
            return None
        if not isinstance(history, dict):
            self.bad("history is not an object")
        total = self.integer(history, "total")
        if total is None or total < 0:
            self.bad("its history has no number of rows")
        return {"total": total, "entries": [self.history_entry(item) for item in self.items(history, "entries")]}

    def history_entry(self, item: dict[str, Any]) -> dict[str, Any]:
        """A row that Windows left incomplete is kept as far as it goes: the history is evidence."""
        entry: dict[str, Any] = {name: self.text(item, name) or None for name in ("date", "title")}
        entry |= {name: self.integer(item, name) for name in _HISTORY_INTS}
        entry["hresult"] = self.text(item, "hresult")
        entry["client_application_id"] = self.text(item, "client_application_id") or None
        return entry | {name: self.guid(item, name) for name in ("update_id", "service_id")}

    def update(self, item: dict[str, Any]) -> dict[str, Any]:
        update_id, revision = item.get("update_id"), self.integer(item, "revision")
        title = self.text(item, "title")
        if not isinstance(update_id, str) or not _GUID.fullmatch(update_id) or revision is None:
            self.bad("an update has no id and revision")
        if not title:
            self.bad(f"the update {update_id} has no title, so the agent's type information is broken")
        kbs = item.get("kbs")
        if not isinstance(kbs, list) or len(kbs) > _MAX_ITEMS:
            self.bad("kbs is not a list")
        facts: dict[str, Any] = {
            "update_id": update_id.lower(),
            "revision": revision,
            "title": title,
            "kbs": [found[1] for kb in kbs if isinstance(kb, str) and (found := _KB.fullmatch(kb.strip()))],
            "categories": [
                {"id": self.text(entry, "id"), "name": self.text(entry, "name")}
                for entry in self.items(item, "categories")
            ],
            "max_download_bytes": self.integer(item, "max_download_bytes"),
            "msrc_severity": self.text(item, "msrc_severity") or None,
            "bootstrapper_error": self.failure(item, "bootstrapper_error"),
            "evaluation": self.evaluation(item),
            "download": self.outcome(item, "download"),
            "install": self.outcome(item, "install"),
        }
        facts |= {name: self.boolean(item, name) for name in _UPDATE_BOOLS}
        facts |= {name: self.integer(item, name) for name in _UPDATE_INTS}
        return facts

    def evaluation(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """Three values: true, false, or null with its reason; a false beside an error is no answer."""
        evaluation = item.get("evaluation")
        if evaluation is None:
            return None
        if not isinstance(evaluation, dict):
            self.bad("evaluation is not an object")
        requires, error = self.boolean(evaluation, "requires_restart"), self.failure(evaluation, "error")
        if (requires is None) != (error is not None):
            self.bad("an evaluation is neither an answer nor an error")
        return {"requires_restart": requires, "error": error}

    def outcome(self, item: dict[str, Any], name: str) -> dict[str, Any] | None:
        outcome = item.get(name)
        if outcome is None:
            return None
        if not isinstance(outcome, dict):
            self.bad(f"{name} is not an object")
        code = self.integer(outcome, "result_code")
        if code is None:
            self.bad(f"{name} has no result code")
        facts: dict[str, Any] = {
            "result_code": code,
            "hresult": self.text(outcome, "hresult"),
            "hresult_signed": self.integer(outcome, "hresult_signed"),
        }
        return facts | {"restart_required": self.boolean(outcome, "restart_required")} if name == "install" else facts

    def failure(self, holder: dict[str, Any], name: str) -> dict[str, Any] | None:
        failure = holder.get(name)
        if failure is None:
            return None
        if not isinstance(failure, dict):
            self.bad(f"{name} is not an object")
        return {
            "stage": self.text(failure, "stage"),
            "hresult": self.text(failure, "hresult"),
            "hresult_signed": self.integer(failure, "hresult_signed"),
            "message": self.text(failure, "message"),
        }

    def items(self, holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
        items = holder.get(name)
        if not isinstance(items, list) or len(items) > _MAX_ITEMS or any(not isinstance(item, dict) for item in items):
            self.bad(f"{name} is not a list of objects")
        return items

    def text(self, holder: dict[str, Any], name: str) -> str | None:
        value = holder.get(name)
        if value is not None and not isinstance(value, str):
            self.bad(f"{name} is not text")
        return clean(value, 1000) if value is not None else None

    def guid(self, holder: dict[str, Any], name: str) -> str | None:
        """In lower case; None when it is empty, the nil GUID, or no GUID."""
        text = self.text(holder, name) or ""
        return text.lower() if _GUID.fullmatch(text) and text.strip("0-") else None

    def boolean(self, holder: dict[str, Any], name: str) -> bool | None:
        value = holder.get(name)
        if value is not None and not isinstance(value, bool):
            self.bad(f"{name} is neither true, false nor null")
        return value

    def integer(self, holder: dict[str, Any], name: str) -> int | None:
        value = holder.get(name)
        if value is not None and _int_or_none(value) is None:
            self.bad(f"{name} is not a number")
        return _int_or_none(value)

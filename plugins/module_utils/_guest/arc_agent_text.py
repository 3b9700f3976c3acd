# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Readers of what azcmagent, curl and Get-AuthenticodeSignature print. What cannot be read is None."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Union

from ansible_collections.winops.hotpatch.plugins.module_utils._guest.facts_text import clean

Setting = Union[str, tuple[str, ...]]  # noqa: UP007 - pylint takes "|" for an operation here

_SETTING = re.compile(r"^\s+([a-z][a-z.]{2,60})(?:\s+\([a-z ]+\))?\s*:\s?(.*)$")
_CURL = re.compile(r"curl: \((\d{1,3})\)")
_AZCM = re.compile(r"\bAZCM(\d{4})\b")
_PRODUCT = re.compile(r"\\Uninstall\\(\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\})\s*$")
_MAX_TEXT = 256 * 1024
_MAX_ENDPOINTS = 100

#: SignatureStatus.Valid.
_VALID = 0
_MICROSOFT = "Microsoft Corporation"


def read_settings(text: str) -> dict[str, Setting] | None:
    """``azcmagent config list``: name, a remark in brackets, a colon, the value; a list stands in square brackets."""
    found: dict[str, Setting] = {}
    for line in text[:_MAX_TEXT].replace("\r\n", "\n").split("\n"):
        match = _SETTING.match(line)
        if match is None:
            continue
        value = match[2].strip()
        if value.startswith("[") and value.endswith("]"):
            items = re.split(r"[,\s]+", value[1:-1].strip())
            found[match[1]] = tuple(clean(item.strip("\"'")) for item in items if item.strip("\"'"))
        else:
            found[match[1]] = clean(value)
    return found or None


@dataclass(frozen=True)
class Endpoint:
    """A host, whether it is reached (None: not known), whether it must be, and why that is thought."""

    name: str
    reachable: bool | None
    required: bool
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        words = {True: "yes", False: "no", None: "unknown"}
        return {
            "endpoint": self.name,
            "reachable": words[self.reachable],
            "required": self.required,
            "detail": self.detail,
        }


def read_check(text: str) -> list[Endpoint] | None:
    """``azcmagent check -j``: an object keyed by endpoint. Log lines around it are allowed."""
    document = read_object(text)
    if document is None:
        return None
    found = []
    for name, row in list(document.items())[:_MAX_ENDPOINTS]:
        if not isinstance(row, dict) or "reachable" not in {str(key).lower() for key in row}:
            continue
        plain = {str(key).lower(): value for key, value in row.items()}
        required = _truth(plain.get("required"))
        detail = clean(str(plain.get("tls") or ""), 80)
        found.append(Endpoint(clean(str(name), 200), _truth(plain["reachable"]), required is not False, detail))
    return found or None


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(str(value).strip().lower())


def read_curl(text: str) -> int | None:
    """The exit code that curl names in its own message; its messages are not translated."""
    found = _CURL.search(text)
    return int(found[1]) if found else None


def read_product_code(text: str) -> str | None:
    """The product code in what ``reg query ... /s /f`` printed: the key's name is the code."""
    for line in text.replace("\r\n", "\n").split("\n"):
        if found := _PRODUCT.search(line):
            return found[1].upper()
    return None


@dataclass(frozen=True)
class Signature:
    """What Windows says of a file's Authenticode signature."""

    valid: bool
    subject: str

    @property
    def by_microsoft(self) -> bool:
        """Whether both the name and the organisation of the signer are Microsoft Corporation."""
        names = _distinguished(self.subject)
        return names.get("CN") == _MICROSOFT and names.get("O") == _MICROSOFT


def read_signature(text: str) -> Signature | None:
    """The JSON of Status and Subject; None when it is anything else."""
    document = read_object(text)
    if document is None or "Status" not in document:
        return None
    status = document["Status"]
    subject = document.get("Subject")
    if isinstance(status, bool) or not isinstance(status, int | str):
        return None
    valid = status == _VALID if isinstance(status, int) else status == "Valid"
    return Signature(valid, subject if isinstance(subject, str) else "")


def _distinguished(subject: str) -> dict[str, str]:
    """The parts of a subject as Windows writes it. One in quotes (it may hold commas) or given twice counts as none."""
    found: dict[str, str] = {}
    for part in re.findall(r'(?:"(?:[^"]|"")*"|[^,"])+', subject[:1000]):
        name, mark, value = part.strip().partition("=")
        if mark:
            plain = value.strip()
            quoted = plain.startswith('"')
            found[name.strip().upper()] = "" if quoted or name.strip().upper() in found else plain
    return found


def read_object(text: str) -> dict[str, Any] | None:
    """The JSON object in a text."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start or end - start > _MAX_TEXT:
        return None
    try:
        document: Any = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def agent_message(output: str, secrets: Iterable[str]) -> str:
    """The last telling line of the agent's output, without secrets and cut; empty when there is none."""
    lines = [line.strip() for line in output[-16384:].replace("\r", "\n").split("\n") if line.strip()]
    telling = [line for line in lines if _AZCM.search(line) or "level=" in line]
    # A secret is looked for before the text is cleaned and cut, and wherever it stands.
    return clean(without((telling or lines or [""])[-1], secrets), 300)


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret made unreadable."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, "********")
    return text

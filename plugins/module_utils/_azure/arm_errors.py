# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Azure Resource Manager's errors in words: what was refused, why, and what the person can do about it.

ARM's own code and sentence are always shown. One class for each remedy; none is ``Unreachable``, because that would
take the controller out of the play where only Azure did not answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError, OutcomeUnknown

_LONGEST = 600
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_ACTION = re.compile(r"perform action '([^']+)'")
_NAMESPACE = re.compile(r"namespace '([\w.]+)'")
#: Whoever may read but not write usually lacks one of these; the role is named when the action is one of its own.
_ROLES = (
    ("microsoft.hybridcompute/", "Azure Connected Machine Resource Administrator"),
    ("microsoft.compute/", "Virtual Machine Contributor"),
    ("microsoft.maintenance/", "Scheduled Patching Contributor"),
    ("microsoft.features/", "Owner or Contributor of the subscription"),
    ("microsoft.resourcegraph/", "Reader"),
)


class ArmError(HotpatchError):
    """ARM, or a resource provider behind it, refused.

    :ivar status: the HTTP status; 0 when there was no answer.
    """

    default_code = "arm_error"

    def __init__(self, message: str, *, status: int = 0, **keys: Any) -> None:
        super().__init__(message, **keys)
        self.status = status


class LoginFailed(ArmError):
    """No token could be had, or ARM does not take it."""

    default_code = "azure_login"


class NotAllowed(ArmError):
    """The account lacks a permission."""

    default_code = "azure_permission"


class NotFound(ArmError):
    """There is no such resource."""

    default_code = "azure_not_found"


class Conflict(ArmError):
    """The resource is in another operation, or in a state that does not allow this one."""

    default_code = "azure_conflict"
    default_retryable = True


class ProviderNotRegistered(ArmError):
    """The subscription is not registered for the resource provider. Nothing registers it by itself."""

    default_code = "azure_provider_not_registered"


class Throttled(ArmError):
    """ARM asks to wait longer than there is time."""

    default_code = "azure_throttled"
    default_retryable = True


class ArmUnavailable(ArmError):
    """ARM did not answer, or answered that it cannot now."""

    default_code = "azure_unavailable"
    default_retryable = True


class OperationFailed(ArmError):
    """A long-running operation came to its end and failed."""

    default_code = "azure_operation_failed"


class OperationUnfinished(ArmError):
    """A long-running operation was accepted and did not end in the time given; it goes on by itself."""

    default_code = "azure_operation_unfinished"
    default_retryable = True


class WriteOutcomeUnknown(OutcomeUnknown):
    """A write was sent and what became of it is not known. Read before anything is written again."""

    def __init__(self, message: str, *, status: int = 0, **keys: Any) -> None:
        super().__init__(message, **keys)
        self.status = status


def arm_code_and_words(document: Any) -> tuple[str, str]:
    """ARM's own code and sentence out of an error document; the innermost detail is the one that says why."""
    error = document.get("error") if isinstance(document, Mapping) else None
    if not isinstance(error, Mapping):
        return "", ""
    code, words = str(error.get("code") or ""), str(error.get("message") or "")
    details = error.get("details")
    if isinstance(details, list) and details and isinstance(details[0], Mapping) and details[0].get("message"):
        inner = str(details[0]["message"])
        words = words if inner in words else f"{words} {inner}".strip()
        code = code or str(details[0].get("code") or "")
    return _plain(code)[:100], _plain(words)


def error_of(status: int, document: Any, doing: str, account: str) -> HotpatchError:
    """The error for an answer of ARM.

    :param doing: what was being done, for the sentence: ``reading the licence profile of web01``.
    :param account: who asked, without a secret.
    """
    code, words = arm_code_and_words(document)
    said = f" ARM says: {words}" if words else ""
    shown = f"HTTP {status}{f' {code}' if code else ''}"
    begin = f"{doing}: "
    if status == 401:
        return LoginFailed(
            f"{begin}Azure does not take the token of {account} ({shown}).{said}",
            hint="Check the tenant, the cloud and the clock of this machine; a given access_token may have expired.",
            status=status,
        )
    if status == 403 and code not in ("RequestDisallowedByPolicy", "ScopeLocked"):
        return _not_allowed(begin, shown, words, account)
    if code in ("MissingSubscriptionRegistration", "SubscriptionNotRegistered"):
        found = _NAMESPACE.search(words)
        namespace = found[1] if found else "the resource provider"
        return ProviderNotRegistered(
            f"{begin}the subscription is not registered for {namespace} ({shown}).",
            hint="Register it once: winops.hotpatch.resource_provider, or az provider register --namespace "
            f"{namespace}. Nothing was registered by itself.",
            status=status,
        )
    if status == 404:
        hint = "Check the name, the resource group and the subscription; reading needs a role on it as well."
        return NotFound(f"{begin}it does not exist ({shown}).{said}", hint=hint, status=status)
    if status in (409, 412) or code == "ScopeLocked":
        hint = (
            "Remove the lock, or leave the resource alone."
            if code == "ScopeLocked"
            else "Something else is being done to it; look at its activity log, or try again later."
        )
        return Conflict(f"{begin}refused because of the state it is in ({shown}).{said}", hint=hint, status=status)
    if status == 429:
        return Throttled(
            f"{begin}ARM throttles {account} ({shown}).{said}",
            hint="Other tools may use the same account; try again later, or lower arm_share.",
            status=status,
        )
    if status >= 500:
        return ArmUnavailable(f"{begin}Azure cannot now ({shown}).{said}", hint="Try again later.", status=status)
    retryable = False
    return ArmError(f"{begin}Azure refused ({shown}).{said}", code=code or None, retryable=retryable, status=status)


def _not_allowed(begin: str, shown: str, words: str, account: str) -> NotAllowed:
    action = _ACTION.search(words)
    if action is None:
        said = f" ARM says: {words}" if words else ""
        return NotAllowed(
            f"{begin}{account} may not ({shown}).{said}", hint="Give the account a role that may.", status=403
        )
    role = next((role for prefix, role in _ROLES if action[1].lower().startswith(prefix)), None)
    where = re.search(r"over scope '([^']+)'", words)
    hint = f"Give it a role with {action[1]}{f', such as {role}' if role else ''}"
    return NotAllowed(
        f"{begin}{account} lacks the permission {action[1]} ({shown}).",
        hint=f"{hint}, on {where[1] if where else 'the resource group'}. A new role takes minutes to count.",
        status=403,
    )


def _plain(text: str) -> str:
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."

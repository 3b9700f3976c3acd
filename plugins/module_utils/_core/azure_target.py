# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Which Azure machines a call is about: one by name or id, or a list; and the client to reach them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import Arm, arm_for
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import CREDENTIAL_OPTIONS
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.resource_ids import ResourceId, resource_of
from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError, InvalidInput

#: The account, and the machines.
AZURE_OPTIONS: dict[str, dict[str, Any]] = {
    **CREDENTIAL_OPTIONS,
    "name": {"type": "str"},
    "machines": {"type": "list", "elements": "str"},
    "resource_group": {"type": "str"},
}
#: Of the two ways to name machines only one.
EXCLUSIVE: tuple[tuple[str, ...], ...] = (("name", "machines"),)


def arm_of(call: Call) -> Arm:
    """The client for a call's own options."""
    return arm_for(call.params, environment=call.environment, monotonic=call.monotonic, sleep=call.sleep)


def targets_of(call: Call, arm: Arm, kinds: Sequence[str]) -> dict[str, ResourceId]:
    """The machines of a call, by the words the person used for each.

    :raises InvalidInput: none is named, or one twice.
    """
    params = call.params
    named = [params["name"]] if params.get("name") else params.get("machines")
    if not named:
        raise InvalidInput("Name a machine with name, or several with machines.")
    found: dict[str, ResourceId] = {}
    known: dict[str, str] = {}
    for text in named:
        resource = resource_of(
            str(text), kinds, subscription=arm.account.subscription_id, group=params.get("resource_group")
        )
        if resource.key in known:
            raise InvalidInput(f"machines: {text!r} and {known[resource.key]!r} are the same machine.")
        known[resource.key] = str(text)
        found[str(text)] = resource
    return found


def failure_of(
    rows: Mapping[str, Mapping[str, Any]], errors: Mapping[str, HotpatchError], what: str, *, each: str = "machines"
) -> HotpatchError:
    """One error for all machines that failed; what the others came to stays in its ``details``.

    :param each: what the rows are, in the plural; the result's key for their list.
    """
    if len(rows) == 1:
        return next(iter(errors.values()))
    codes = {error.code for error in errors.values()}
    shown = list(errors.items())[:10]
    more = f"; and {len(errors) - len(shown)} more" if len(errors) > len(shown) else ""
    words = "; ".join(
        error.message if name.lower() in error.message.lower() else f"{name}: {error.message}" for name, error in shown
    )
    hints = list(dict.fromkeys(error.hint for error in errors.values() if error.hint))
    return HotpatchError(
        f"{what} failed for {len(errors)} of {len(rows)} {each}: {words}{more}",
        code=codes.pop() if len(codes) == 1 else f"some_{each}_failed",
        hint=hints[0] if len(hints) == 1 else f"{each} has the error of each; those without one are done.",
        retryable=any(error.retryable for error in errors.values()),
    )

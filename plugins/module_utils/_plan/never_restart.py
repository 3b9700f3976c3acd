# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The never-restart contract: what must be known before a hotpatch is installed, and what must hold afterwards.

Three witnesses before: the forecast (Windows Update's own answer, or the catalogue where Windows has no such
interface), the server's restart policy, and that no restart is pending. Two after: the same boot time, and nothing
newly pending. Each answers yes, no or unknown; anything but yes from all three means no install.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._plan.restart_policy import (
    Likelihood,
    of_likelihood,
    restart_risks,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import Product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import SERVER_2022_AZURE
from ansible_collections.winops.hotpatch.plugins.module_utils._release.verdicts import HOTPATCH_KINDS, Verdict

FORECAST = "forecast"
POLICY = "restart_policy"
PENDING = "no_restart_pending"
SAME_BOOT = "same_boot"
NOTHING_NEW = "nothing_newly_pending"
BEFORE = (FORECAST, POLICY, PENDING)
AFTER = (SAME_BOOT, NOTHING_NEW)

WINDOWS_UPDATE = "Windows Update"
CATALOGUE = "catalogue"
FACTS = "facts of the server"

# WU_E_NOT_SUPPORTED: the update carries no answer, or the agent has no such interface (IUpdateEx, Microsoft Learn).
_NOT_SUPPORTED = 0x80240037
# Late binding finds no such member: PowerShell's own RuntimeException, whose HResult is always COR_E_SYSTEM. A failure
# inside Windows Update carries the agent's HRESULT instead (PowerShell engine source, Microsoft Learn).
_NO_SUCH_MEMBER = 0x80131501
# The boot time is derived from the clock, so a time correction moves it a little; no restart takes this little.
SAME_BOOT_SECONDS = 2.0


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Witness:
    """One answer, in words, and who gave it."""

    name: str
    answer: Answer
    words: str
    source: str = FACTS

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "answer": self.answer.value, "words": self.words, "source": self.source}


def witnesses_before(
    update: Mapping[str, Any] | None,
    product: Product,
    verdict: Verdict,
    update_policy: Mapping[str, Any] | None,
    restart_pending: Mapping[str, Any] | None,
) -> tuple[Witness, Witness, Witness]:
    """The three witnesses before an install.

    :param update: the update as evaluated on the server, with ``bootstrapper``, ``bootstrapper_error`` and
        ``evaluation``; None when it could not be evaluated.
    :param verdict: what the train guard says it is.
    """
    return _forecast(update, product, verdict), _policy(update_policy), _pending(restart_pending)


def witnesses_after(facts_before: Mapping[str, Any], facts_after: Mapping[str, Any] | None) -> tuple[Witness, Witness]:
    """The two witnesses after an install: the same boot time, and nothing newly pending."""
    if facts_after is None:
        lost = "The server could not be read afterwards."
        return Witness(SAME_BOOT, Answer.UNKNOWN, lost), Witness(NOTHING_NEW, Answer.UNKNOWN, lost)
    return _same_boot(facts_before, facts_after), _nothing_new(facts_before, facts_after)


def all_yes(witnesses: Iterable[Witness], names: tuple[str, ...]) -> bool:
    """Whether exactly these witnesses spoke and each said yes."""
    heard = list(witnesses)
    return sorted(witness.name for witness in heard) == sorted(names) and all(
        witness.answer is Answer.YES for witness in heard
    )


def may_install(witnesses: Iterable[Witness]) -> bool:
    """Whether a hotpatch may be installed: the three witnesses before spoke, and all said yes."""
    return all_yes(witnesses, BEFORE)


def restarted(facts_before: Mapping[str, Any] | None, facts_after: Mapping[str, Any] | None) -> bool | None:
    """Whether the boot time changed between two readings; None when one of them is missing."""
    before, after = _boot_time(facts_before), _boot_time(facts_after)
    if before is None or after is None:
        return None
    return abs((after - before).total_seconds()) > SAME_BOOT_SECONDS


def _forecast(update: Mapping[str, Any] | None, product: Product, verdict: Verdict) -> Witness:
    evaluation = (update or {}).get("evaluation")
    bootstrapper_error = (update or {}).get("bootstrapper_error")
    answer = evaluation.get("requires_restart") if isinstance(evaluation, Mapping) else None
    error = evaluation.get("error") if isinstance(evaluation, Mapping) else None
    if answer is True:
        return Witness(FORECAST, Answer.NO, "Windows Update says that it restarts the server.", WINDOWS_UPDATE)
    if answer is False and not error:
        return Witness(FORECAST, Answer.YES, "Windows Update says that it needs no restart.", WINDOWS_UPDATE)
    if answer is None and (_interface_absent(error) or _interface_absent(bootstrapper_error)):
        return _from_catalogue(product, verdict)
    failure = error or bootstrapper_error
    if isinstance(failure, Mapping):
        why = f"the evaluation failed with {failure.get('hresult') or 'an error'}"
    else:
        why = "Windows Update gave no answer"
    return Witness(FORECAST, Answer.UNKNOWN, f"Whether it restarts the server is unknown: {why}.", WINDOWS_UPDATE)


def _from_catalogue(product: Product, verdict: Verdict) -> Witness:
    """Windows Server 2022 has no restart forecast (the SDK of build 22000 lacks the interface), so a hotpatch that
    Microsoft documents as one speaks for itself."""
    level = verdict.level
    if product.id != SERVER_2022_AZURE:
        words = "Windows Update offers no restart forecast for it, though this product has the interface."
        return Witness(FORECAST, Answer.UNKNOWN, words, WINDOWS_UPDATE)
    if level is not None and verdict.kind in HOTPATCH_KINDS and level.release.evidence == "documented":
        words = f"This Windows has no restart forecast; Microsoft documents {level.kb} as a hotpatch."
        return Witness(FORECAST, Answer.YES, words, CATALOGUE)
    words = "This Windows has no restart forecast, and the catalogue has no documented hotpatch row for the update."
    return Witness(FORECAST, Answer.UNKNOWN, words, CATALOGUE)


def _interface_absent(error: Any) -> bool:
    if not isinstance(error, Mapping):
        return False
    signed, text = error.get("hresult_signed"), str(error.get("hresult") or "")
    code = signed & 0xFFFFFFFF if isinstance(signed, int) else None
    return any(absent == code or text.casefold() == f"0x{absent:08x}" for absent in (_NOT_SUPPORTED, _NO_SUCH_MEMBER))


def _policy(policy: Mapping[str, Any] | None) -> Witness:
    """What restarts the server by itself (see restart_policy.py); a setting to be cautious of is said with the yes."""
    risks = restart_risks(policy)
    if risks is None:
        return Witness(POLICY, Answer.UNKNOWN, "The server's restart policy could not be read.")
    for likelihood, answer in ((Likelihood.YES, Answer.NO), (Likelihood.UNKNOWN, Answer.UNKNOWN)):
        if found := of_likelihood(risks, likelihood):
            return Witness(POLICY, answer, " ".join(risk.words for risk in found))
    cautions = [risk.words for risk in risks if risk.value is not None]
    words = " ".join(["No policy restarts the server on its own.", *cautions])
    return Witness(POLICY, Answer.YES, words)


def _pending(pending: Mapping[str, Any] | None) -> Witness:
    state = (pending or {}).get("pending")
    if state is False:
        return Witness(PENDING, Answer.YES, "No restart is pending.")
    if state is True:
        return Witness(PENDING, Answer.NO, f"A restart is pending already ({', '.join(pending_sources(pending))}).")
    return Witness(PENDING, Answer.UNKNOWN, "Whether a restart is pending could not be read.")


def pending_sources(pending: Mapping[str, Any] | None) -> list[str]:
    """The sources that ask for a restart, by name; pending file renames never count (they stay on healthy servers)."""
    sources = (pending or {}).get("sources") or {}
    found = sorted(name for name, state in sources.items() if state is True and name != "pending_file_rename")
    return found or (["source not named"] if (pending or {}).get("pending") is True else [])


def _same_boot(before: Mapping[str, Any], after: Mapping[str, Any]) -> Witness:
    changed = restarted(before, after)
    if changed is None:
        return Witness(SAME_BOOT, Answer.UNKNOWN, "The boot time could not be read.")
    since = (after.get("boot") or {}).get("last_boot")
    if changed:
        was = (before.get("boot") or {}).get("last_boot")
        return Witness(SAME_BOOT, Answer.NO, f"The server restarted: up since {since}, before since {was}.")
    return Witness(SAME_BOOT, Answer.YES, f"The server is up since {since}, as before.")


def _nothing_new(before: Mapping[str, Any], after: Mapping[str, Any]) -> Witness:
    pending = after.get("restart_pending") or {}
    state = pending.get("pending")
    if state is False:
        return Witness(NOTHING_NEW, Answer.YES, "Nothing waits for a restart.")
    if state is True:
        old = set(pending_sources(before.get("restart_pending")))
        new = [source for source in pending_sources(pending) if source not in old]
        if new:
            return Witness(NOTHING_NEW, Answer.NO, f"A restart is newly pending ({', '.join(new)}).")
        return Witness(NOTHING_NEW, Answer.YES, "A restart is pending as before, from the same sources.")
    return Witness(NOTHING_NEW, Answer.UNKNOWN, "Whether a restart is pending could not be read afterwards.")


def _boot_time(facts: Mapping[str, Any] | None) -> datetime | None:
    text = ((facts or {}).get("boot") or {}).get("last_boot")
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None

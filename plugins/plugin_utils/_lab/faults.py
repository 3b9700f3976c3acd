# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each fault does to a server: one function for each kind, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fault_kinds import check_fault
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry_content import UPDATE_POLICY

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.machine import Machine


@dataclass
class Failure:
    """An error for updates of one KB ("any": all), for so many times (None: always)."""

    kb: str
    hresult: int
    times: int | None = None

    def hits(self, kb: str) -> bool:
        """Whether it strikes now; each strike is counted."""
        if self.kb not in ("any", kb) or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class AgentFailure:
    """An AZCM code for a command of azcmagent, for so many times (None: always), before its work or after it."""

    verb: str
    code: int
    times: int | None
    done: bool


@dataclass(frozen=True)
class WebFailure:
    """A status that the web site answers to so many of a hundred requests."""

    status: int
    percent: float


@dataclass
class Faults:
    """What is wrong with one server at this moment."""

    active: list[dict[str, Any]] = field(default_factory=list)
    install: list[Failure] = field(default_factory=list)
    download: list[Failure] = field(default_factory=list)
    search: list[Failure] = field(default_factory=list)
    evaluation_errors: list[Failure] = field(default_factory=list)
    evaluation_null: set[str] = field(default_factory=set)
    hangs: set[str] = field(default_factory=set)
    wants_restart: set[str] = field(default_factory=set)
    reoffered: set[str] = field(default_factory=set)
    eulas: set[str] = field(default_factory=set)
    permanent: dict[str, bool] = field(default_factory=dict)  # KB (or "any") -> whether a listing shows it
    removal: list[Failure] = field(default_factory=list)
    removal_ignored: set[str] = field(default_factory=set)
    enrollment_stuck: bool = False
    pending_returns: bool = False
    agent_hangs: set[str] = field(default_factory=set)
    agent: list[AgentFailure] = field(default_factory=list)
    unreachable_hosts: set[str] = field(default_factory=set)
    bad_certificates: set[str] = field(default_factory=set)
    msi: list[Failure] = field(default_factory=list)
    msi_busy_until: float = 0.0
    never_returns: bool = False
    rollbacks: int = 0
    extra_boot_seconds: float = 0.0
    stopped_services: set[str] = field(default_factory=set)
    web_failure: WebFailure | None = None
    network: str | None = None
    answer_delay: float = 0.0

    def agent_failure(self, verb: str, *, done: bool) -> int | None:
        """The AZCM code with which a command of azcmagent ends; ``done`` asks after its work."""
        for failure in self.agent:
            if failure.verb == verb and failure.done is done and failure.times != 0:
                failure.times = None if failure.times is None else failure.times - 1
                return failure.code
        return None

    def next_msi_failure(self) -> int | None:
        """The code with which msiexec ends without doing anything."""
        return self.strikes(self.msi, "any")

    def strikes(self, failures: list[Failure], kb: str) -> int | None:
        """The error of the first failure that hits."""
        return next((failure.hresult for failure in failures if failure.hits(kb)), None)


ALWAYS = 1_000_000


def concerns(kbs: set[str], kb: str) -> bool:
    """Whether a set of KBs (with "any" for all) holds this one."""
    return bool(kbs & {"any", kb})


def give(machine: Machine, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Give a server one fault; returns it with all its settings.

    :raises FaultError: the fault or one of its settings is not known.
    """
    settings = check_fault(raw)
    machine.faults.active.append(settings)
    EFFECTS[settings["kind"]](machine, settings)
    return settings


def clear(machine: Machine) -> None:
    """Take all faults away; what they have already done stays done."""
    machine.faults = Faults()
    machine.packages.show()
    machine.disk.full = False
    machine.registry.allow_all()
    machine.repository.missing_classes.clear()
    machine.repository.denied_namespaces.clear()
    machine.registry.remove_value(UPDATE_POLICY + r"\AU", "AlwaysAutoRebootAtScheduledTime")


def _install_fails(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.install.append(Failure(settings["kb"], settings["hresult"], settings["times"]))


def _download_fails(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.download.append(Failure(settings["kb"], settings["hresult"], settings["times"]))


def _search_fails(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.search.append(Failure("any", settings["hresult"], settings["times"]))


def _evaluation_unknown(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.evaluation_errors.append(Failure(settings["kb"], 0x80240068))


def _evaluation_throws(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.evaluation_errors.append(Failure(settings["kb"], settings["hresult"]))


def _evaluation_null(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.evaluation_null.add(settings["kb"])


def _install_hangs(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.hangs.add(settings["kb"])


def _installer_busy(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.updates.occupy(settings["seconds"])


def _hotpatch_wants_restart(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.wants_restart.add(settings["kb"])


def _update_reoffered(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.reoffered.add(settings["kb"])


def _package_permanent(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.permanent[settings["kb"]] = settings["shown"]
    machine.packages.show()


def _payload_missing(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.packages.clean_up(reset_base=False)


def _removal_fails(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.removal.append(Failure(settings["kb"], settings["hresult"], settings["times"]))


def _removal_ignored(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.removal_ignored.add(settings["kb"])


def _eula_not_accepted(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.eulas.add(settings["kb"])


def _enrollment_stuck(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.enrollment_stuck = True


def _pending_returns(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.pending_returns = True


def _never_returns(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.never_returns = True


def _wrong_build_after_restart(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.rollbacks = settings["times"] or ALWAYS


def _slow_restart(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.extra_boot_seconds = settings["seconds"]


def _restart_by_itself(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.timeline.after(settings["after"], lambda: machine.power.restart_now("fault", "restart_by_itself"))


def _always_auto_reboot(machine: Machine, settings: Mapping[str, Any]) -> None:
    policy = UPDATE_POLICY + r"\AU"
    machine.registry.number(policy, "AUOptions", 4)
    machine.registry.number(policy, "AlwaysAutoRebootAtScheduledTime", 1)
    machine.registry.number(policy, "AlwaysAutoRebootAtScheduledTimeMinutes", 15)


def _service_not_started(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.stopped_services.add(settings["name"])


def _web_site_fails(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.web_failure = WebFailure(settings["status"], settings["percent"])


def _network(machine: Machine, settings: Mapping[str, Any]) -> None:
    faults = machine.faults

    def begin() -> None:
        faults.network = settings["state"]
        if settings["seconds"] is not None:
            machine.timeline.after(settings["seconds"], end)

    def end() -> None:
        faults.network = None

    if settings["after"]:
        machine.timeline.after(settings["after"], begin)
    else:
        begin()


def _winrm_flaps(machine: Machine, settings: Mapping[str, Any]) -> None:
    _network(machine, {"state": "reset", "seconds": settings["seconds"], "after": settings["after"]})


def _slow(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.answer_delay = settings["seconds"]


def _disk_full(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.disk.full = True


def _agent_hangs(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.agent_hangs.add(settings["verb"])


def _agent_fails(machine: Machine, settings: Mapping[str, Any]) -> None:
    failure = AgentFailure(settings["verb"], settings["code"], settings["times"], settings["done"])
    machine.faults.agent.append(failure)


def _endpoint_unreachable(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.unreachable_hosts.add(settings["host"].lower())


def _certificate_untrusted(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.bad_certificates.add(settings["host"].lower())


def _msi_fails(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.faults.msi.append(Failure("any", settings["code"], settings["times"]))


def _msi_busy(machine: Machine, settings: Mapping[str, Any]) -> None:
    timeline = machine.timeline
    machine.faults.msi_busy_until = timeline.seconds() + settings["seconds"] / timeline.scale


def _class_missing(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.repository.missing_classes.add(settings["name"].lower())


def _access_denied(machine: Machine, settings: Mapping[str, Any]) -> None:
    plain = settings["namespace"].replace("\\", "/").strip("/").lower()
    machine.repository.denied_namespaces.add(plain)


def _registry_denied(machine: Machine, settings: Mapping[str, Any]) -> None:
    machine.registry.deny(settings["key"])


EFFECTS: Mapping[str, Callable[[Machine, Mapping[str, Any]], None]] = {
    "install_fails": _install_fails,
    "download_fails": _download_fails,
    "search_fails": _search_fails,
    "evaluation_unknown": _evaluation_unknown,
    "evaluation_throws": _evaluation_throws,
    "evaluation_null": _evaluation_null,
    "install_hangs": _install_hangs,
    "installer_busy": _installer_busy,
    "hotpatch_wants_restart": _hotpatch_wants_restart,
    "update_reoffered": _update_reoffered,
    "package_permanent": _package_permanent,
    "payload_missing": _payload_missing,
    "removal_fails": _removal_fails,
    "removal_ignored": _removal_ignored,
    "eula_not_accepted": _eula_not_accepted,
    "enrollment_stuck": _enrollment_stuck,
    "pending_returns": _pending_returns,
    "never_returns": _never_returns,
    "wrong_build_after_restart": _wrong_build_after_restart,
    "slow_restart": _slow_restart,
    "restart_by_itself": _restart_by_itself,
    "always_auto_reboot": _always_auto_reboot,
    "service_not_started": _service_not_started,
    "web_site_fails": _web_site_fails,
    "network": _network,
    "winrm_flaps": _winrm_flaps,
    "slow": _slow,
    "disk_full": _disk_full,
    "agent_hangs": _agent_hangs,
    "agent_fails": _agent_fails,
    "endpoint_unreachable": _endpoint_unreachable,
    "certificate_untrusted": _certificate_untrusted,
    "msi_fails": _msi_fails,
    "msi_busy": _msi_busy,
    "class_missing": _class_missing,
    "access_denied": _access_denied,
    "registry_denied": _registry_denied,
}

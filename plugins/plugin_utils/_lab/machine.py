# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulated server: everything that the other files know about, put together.

``interface.LabMachine`` says which part of it the wire half uses.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import (
    cmd_parser,
    faults,
    policies,
    registry_content,
    wmi_computer,
    wmi_events,
    wmi_policy,
    wmi_registry,
    wmi_security,
    wmi_software,
    wmi_tasks,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arc import ArcAgent
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arguments import first_word
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import AzureSide
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimInstance, CimValue
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.clock import Timeline
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cmd import CommandShell, finished
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cmd_builtins import BUILTINS
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.component_store import ComponentStore
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import Disk, DiskError, normal
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import ServerSpec
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.hardware import Hardware
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import (
    Limits,
    ProgramNotFound,
    RawParameters,
    Record,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.journal import Journal, Write
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.licence import Licence
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.policy_effects import AutomaticUpdates
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.principals import (
    LOCAL_SYSTEM,
    SYSTEM,
    WELL_KNOWN,
    Principal,
    administrator,
    ordinary,
    sid_of,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Process, Program
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.program_azcmagent import azcmagent
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.programs import programs
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import Registry
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.restart import Power
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.services import RUNNING, Service, Services
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Body, Call, Session
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.tasks import TaskScheduler
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_service import UpdateService
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.web_site import WebSite
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wmi import Repository

NAMESPACES = (
    "root",
    "root/cimv2",
    "root/default",
    "root/Microsoft",
    "root/Microsoft/Windows",
    wmi_security.DEVICE_GUARD,
    wmi_tasks.NAMESPACE,
    wmi_computer.WINDOWS_UPDATE,
    "root/StandardCimv2",
    "root/rsop",
    wmi_policy.NAMESPACE,
    "root/cimv2/Security",
    wmi_security.TPM,
)

_MAKERS = {
    "hyper-v": ("Microsoft Corporation", "Virtual Machine"),
    "azure": ("Microsoft Corporation", "Virtual Machine"),
    "azure-local": ("Microsoft Corporation", "Virtual Machine"),
    "azure-local-host": ("Dell Inc.", "AX-760"),
    "vmware": ("VMware, Inc.", "VMware20,1"),
    "physical": ("Dell Inc.", "PowerEdge R660"),
}

# Where the file of a program is empty, nobody could look at its hash.
_PROGRAM_BYTES = b"MZ\x90\x00"


class Machine:
    """One server of the fleet; see ``interface.LabMachine`` for what the wire half uses."""

    def __init__(
        self,
        spec: ServerSpec,
        number: int,
        timeline: Timeline,
        seed: int,
        as_of: date,
        azure: AzureSide | None = None,
    ) -> None:
        self.spec = spec
        self.number = number
        self.timeline = timeline
        self.random = random.Random(f"{seed}/{spec.name}")  # noqa: S311  jitter that a seed repeats
        self.journal = Journal()
        self.faults = faults.Faults()
        self.windows_directory = spec.product_data.windows_directory
        self.manufacturer, self.model = _MAKERS[spec.platform]
        self.vbs: int | None = spec.vbs if isinstance(spec.vbs, int) else None
        self._password = spec.password or _password(seed, spec.name)
        self._processes: list[Process] = []
        self._next_process = 4000
        # Up for some days, the fraction as real servers show it.
        up = timedelta(days=3 + self.random.randrange(20), seconds=self.random.randrange(80000))
        self.power = Power(self, (timeline.now() - up).replace(microsecond=500000))
        self.registry = Registry()
        self.services = Services(spec.roles, arc=spec.arc != "none")
        self.disk = Disk(self.now(), self.windows_directory)
        self.arc = ArcAgent(self, azure or AzureSide())
        self.arc_connections = 0
        self.deleted_by_azure = False
        self.packages = ComponentStore(self)
        self.licence = Licence(self)
        self.updates = UpdateService(self, as_of)
        self.packages.begin(self.updates.lcu, self.updates.hotpatch)
        self.tasks = TaskScheduler(self)
        self.web_site = WebSite(self) if spec.web_site else None
        self.repository = Repository(NAMESPACES)
        for module in (wmi_computer, wmi_security, wmi_software, wmi_events, wmi_registry, wmi_tasks, wmi_policy):
            module.add_classes(self.repository, self)
        self._programs = programs(self.windows_directory, arc_agent=self.arc.installed)
        registry_content.fill(self.registry, spec, self.services, self.hostname, self.updates.ubr)
        if self.arc.installed:
            self.arc.register()
        policies.lay(self)
        self.hardware = Hardware(self)
        self.automatic_updates = AutomaticUpdates(self)
        self.automatic_updates.arm()
        for source in spec.restart_pending:
            registry_content.mark_pending(self.registry, source, self.hostname)
        self._lay_files()
        for fault in spec.faults:
            faults.give(self, {key: _as_given(key, value) for key, value in fault.items()})

    # What it is

    @property
    def name(self) -> str:
        """The inventory name."""
        return self.spec.name

    @property
    def hostname(self) -> str:
        """The Windows name: at most 15 characters, in capitals."""
        return self.spec.name.upper()[:15].rstrip("-")

    @property
    def accounts(self) -> Mapping[str, str]:
        """User name to password."""
        return {self.spec.username: self._password}

    @property
    def account_sids(self) -> dict[str, str]:
        """The server's own accounts: name in lower case to SID."""
        machine = int(hashlib.sha256(self.name.encode()).hexdigest()[:8], 16)
        relative = 500 if self.spec.username.lower() == "administrator" else 1001
        return {self.spec.username.lower(): f"S-1-5-21-{machine}-1005678901-2345678901-{relative}"}

    @property
    def account_names(self) -> dict[str, str]:
        """The same the other way round, with the names as Windows shows them."""
        return {sid: f"{self.hostname}\\{name}" for name, sid in self.account_sids.items()}

    @property
    def os_version_text(self) -> str:
        """For Identify."""
        return f"OS: 10.0.{self.spec.product_data.build} SP: 0.0 Stack: 3.0"

    @property
    def limits(self) -> Limits:
        """WinRM's settings."""
        return Limits(
            one_row_first=not self.spec.winrm.many_rows_first,
            allow_unencrypted=not self.spec.winrm.encryption_required,
            transports=self.spec.winrm.transports,
        )

    @property
    def product_type(self) -> int:
        """1 workstation, 2 domain controller, 3 server."""
        if not self.spec.product_data.server:
            return 1
        return 2 if "domain-controller" in self.spec.roles else 3

    @property
    def free_bytes(self) -> int:
        """Free space of drive C:."""
        return 0 if self.disk.full else int(self.spec.free_gb * 1024**3)

    # How it is now

    def now(self) -> datetime:
        """The server's own clock."""
        return self.timeline.now() + timedelta(seconds=self.spec.clock_skew_seconds)

    @property
    def boot_time(self) -> datetime:
        """LastBootUpTime, by the server's own clock."""
        return self.power.booted

    @property
    def boot_id(self) -> int:
        """Counts the boots."""
        return self.power.boots

    @property
    def network(self) -> str:
        """What a connection meets now."""
        if not self.power.reachable:
            return "closed"
        return self.faults.network or self.spec.network

    @property
    def answer_delay(self) -> float:
        """Wall seconds that an answer is held back."""
        return self.faults.answer_delay

    @property
    def write_count(self) -> int:
        """How many changes were made from outside."""
        return len(self.journal.writes)

    def jitter(self) -> float:
        """A factor around 1 for a duration, repeatable by the seed."""
        return self.random.uniform(0.9, 1.1)

    # What can be done to it

    def query(self, namespace: str, wql: str | None, class_name: str | None) -> list[CimInstance]:
        """Enumerate a class, or answer a WQL statement."""
        return self.repository.query(namespace, wql, class_name)

    def get(self, namespace: str, class_name: str, selectors: Mapping[str, str]) -> CimInstance:
        """One instance."""
        return self.repository.get(namespace, class_name, selectors)

    def invoke(
        self,
        namespace: str,
        class_name: str,
        method: str,
        params: RawParameters,
        selectors: Mapping[str, str],
        user: str,
    ) -> dict[str, CimValue]:
        """Call a method."""
        return self.repository.invoke(namespace, class_name, method, params, selectors, user)

    def delete(self, namespace: str, class_name: str, selectors: Mapping[str, str], user: str) -> None:
        """Delete an instance."""
        self.repository.delete(namespace, class_name, selectors, user)

    def record(self, entry: Record) -> None:
        """Keep one answered request."""
        self.journal.requests.append(entry)

    def wrote(self, kind: str, what: str, by: str) -> None:
        """Keep one change."""
        self.journal.writes.append(Write(self.now(), kind, what, by))

    def start_process(
        self,
        command_line: str,
        *,
        through_cmd: bool,
        stdin_console: bool,
        codepage: int,
        user: str,
        environment: Mapping[str, str],
        directory: str | None,
    ) -> Process:
        """Start a command of a shell."""
        who = self.principal(user) or LOCAL_SYSTEM
        session = self._session(who, codepage, environment, directory)
        process = self._new_process(command_line, stdin_console=stdin_console)
        if through_cmd:
            process.begin(CommandShell(session, BUILTINS).run_line(command_line, process.streams()))
        else:
            process.begin(self._direct(command_line, session, process))
        return process

    def launch(
        self,
        command_line: str,
        who: Principal,
        *,
        directory: str | None = None,
        on_exit: Callable[[int], None] | None = None,
    ) -> Process:
        """Start a program without a console.

        :raises ProgramNotFound: there is none of that name.
        """
        session = self._session(who, 437, {}, directory or f"{self.windows_directory}\\System32")
        process = self._new_process(command_line, on_exit=on_exit)
        process.stdin.ended = True
        process.begin(self._direct(command_line, session, process))
        return process

    def _direct(self, command_line: str, session: Session, process: Process) -> Program:
        name, tail = first_word(command_line)
        body = self.find_program(name, session)
        if body is None:
            self._processes.remove(process)
            raise ProgramNotFound(name)
        return finished(body(Call(session, name, tail, process.streams())))

    def end_everything(self) -> None:
        """The server goes down: commands, tasks and an installation end, files are free."""
        self.updates.interrupted()
        self.tasks.end_all()
        for process in self._processes:
            process.terminate()
        self._processes.clear()
        self.disk.release_all()

    def service_changed(self, service: Service) -> None:
        """A service was started or stopped: Windows Update reads its policies when it starts."""
        if service.name == "wuauserv" and service.state == RUNNING:
            self.automatic_updates.arm()
        if service.name == "himds" and service.state == RUNNING:
            self.arc.regain_contact()

    # Accounts and programs

    def principal(self, account: str) -> Principal | None:
        """Who an account name or SID stands for; None when there is no such account."""
        plain = account.rsplit("\\", 1)[-1]
        own = self.account_sids
        sid = sid_of(account, own) or own.get(plain.lower())
        if sid is None:
            return None
        if sid == SYSTEM:
            return LOCAL_SYSTEM
        if sid in own.values():
            return administrator(f"{self.hostname}\\{plain}", sid)
        if sid not in WELL_KNOWN:
            return None
        return ordinary(WELL_KNOWN[sid], sid)

    def find_program(self, name: str, session: Session) -> Body | None:
        """The program for a name as typed: alone, or with the path where it really is."""
        plain = name.strip('"')
        base = plain.replace("/", "\\").rsplit("\\", 1)[-1].lower()
        key = base.rsplit(".", 1)[0] if base.endswith((".exe", ".com")) else base
        found = self._programs.get(key)
        if found is None or (base.endswith((".exe", ".com")) and not found[0].lower().endswith(base)):
            return None
        if "\\" in plain or "/" in plain:
            try:
                path = normal(plain, session.directory)
            except DiskError:
                return None
            if path.lower() not in {found[0].lower(), found[0].rsplit(".", 1)[0].lower()}:
                return None
        return found[1]

    def place_program(self, name: str, path: str) -> None:
        """A package puts the Arc agent's program onto the disk."""
        self._programs[name] = (path, azcmagent)
        self.disk.write(path, _PROGRAM_BYTES, self.now())

    def drop_program(self, name: str) -> None:
        """A package takes a program away; its folder stays, as the agent's does (azure-management-docs)."""
        path, _body = self._programs.pop(name)
        self.disk.remove(path)

    def program_path(self, name: str) -> str | None:
        """Where a program is."""
        found = self._programs.get(name.lower().removesuffix(".exe"))
        return None if found is None else found[0]

    def expand(self, text: str) -> str:
        """Replace the variables of the machine in a text."""
        environment = self._environment(LOCAL_SYSTEM)
        return cmd_parser.expand(text, lambda name: environment.get(name.upper()))

    def service_process(self, service: Service) -> int:
        """The process id of a service; 0 while it does not run."""
        if service.state != RUNNING:
            return 0
        return 600 + 4 * (sum(service.name.encode()) % 800)

    def process_rows(self) -> list[dict[str, Any]]:
        """Win32_Process, as far as the lab knows processes."""
        booted = self.boot_time
        rows = [_process_row(0, "System Idle Process", None, booted), _process_row(4, "System", None, booted)]
        for service in self.services.all():
            number = self.service_process(service)
            if number:
                program = service.path.strip('"').split('"')[0].split(" -")[0]
                rows.append(_process_row(number, program.rsplit("\\", 1)[-1], service.path, booted))
        if self.updates.is_busy or self.packages.working:
            rows.append(_process_row(3996, "TiWorker.exe", None, self.now()))
        if self.packages.working:
            rows.append(_process_row(3992, "Dism.exe", None, self.now()))
        rows += [
            _process_row(process.identifier, "cmd.exe", process.command_line, self.now())
            for process in self._processes
            if process.exit_code is None
        ]
        for row in rows:
            row["CSName"] = self.hostname
        return rows

    def _new_process(
        self, command_line: str, *, stdin_console: bool = False, on_exit: Callable[[int], None] | None = None
    ) -> Process:
        self._processes = [item for item in self._processes if item.exit_code is None]
        process = Process(self.timeline, command_line, stdin_console=stdin_console, on_exit=on_exit)
        self._next_process += 4
        process.identifier = self._next_process
        self._processes.append(process)
        return process

    def _session(self, who: Principal, codepage: int, environment: Mapping[str, str], directory: str | None) -> Session:
        values = self._environment(who)
        values.update({name.upper(): value for name, value in environment.items()})
        start = directory or values["USERPROFILE"]
        try:
            start = normal(start)
        except DiskError:
            start = "C:\\"
        if self.disk.find(start) is None:
            start = "C:\\"
        return Session(self, who, values, start, codepage)

    def _environment(self, who: Principal) -> dict[str, str]:
        short = who.name.rsplit("\\", 1)[-1]
        system = who.sid == SYSTEM
        profile = rf"{self.windows_directory}\system32\config\systemprofile" if system else rf"C:\Users\{short}"
        temporary = rf"{self.windows_directory}\TEMP" if system else rf"{profile}\AppData\Local\Temp"
        root = self.windows_directory
        return {
            "ALLUSERSPROFILE": r"C:\ProgramData",
            "COMMONPROGRAMFILES": r"C:\Program Files\Common Files",
            "COMPUTERNAME": self.hostname,
            "COMSPEC": rf"{root}\system32\cmd.exe",
            "NUMBER_OF_PROCESSORS": str(self.spec.cores * 2),
            "OS": "Windows_NT",
            "PATH": rf"{root}\system32;{root};{root}\System32\Wbem;{root}\System32\WindowsPowerShell\v1.0",
            "PATHEXT": ".COM;.EXE;.BAT;.CMD;.VBS;.VBE;.JS;.JSE;.WSF;.WSH;.MSC",
            "PROCESSOR_ARCHITECTURE": "AMD64",
            "PROGRAMDATA": r"C:\ProgramData",
            "PROGRAMFILES": r"C:\Program Files",
            "PROGRAMFILES(X86)": r"C:\Program Files (x86)",
            "PROGRAMW6432": r"C:\Program Files",
            "PROMPT": "$P$G",
            "PUBLIC": r"C:\Users\Public",
            "SYSTEMDRIVE": "C:",
            "SYSTEMROOT": root,
            "TEMP": temporary,
            "TMP": temporary,
            "USERDOMAIN": self.hostname,
            "USERNAME": f"{self.hostname}$" if system else short,
            "USERPROFILE": profile,
            "WINDIR": root,
        }

    def _lay_files(self) -> None:
        for path, _body in self._programs.values():
            folder = path.rsplit("\\", 1)[0]
            self.disk.make_folder(folder, self.now())
            self.disk.write(path, _PROGRAM_BYTES, self.now())
        profile = rf"C:\Users\{self.spec.username}"
        self.disk.make_folder(rf"{profile}\AppData\Local\Temp", self.now())
        self.disk.make_folder(r"C:\Program Files\Common Files", self.now())
        if self.arc.installed:
            self.disk.make_folder(r"C:\ProgramData\AzureConnectedMachineAgent\Log", self.now())


def _process_row(number: int, name: str, command_line: str | None, started: datetime) -> dict[str, Any]:
    return {
        "ProcessId": number,
        "Handle": str(number),
        "Name": name,
        "Caption": name,
        "Description": name,
        "CommandLine": command_line,
        "CreationClassName": "Win32_Process",
        "CreationDate": started,
        "ParentProcessId": 4 if number > 4 else 0,
        "Priority": 8,
        "SessionId": 0,
        "HandleCount": 100,
        "ThreadCount": 4,
        "WorkingSetSize": 12640256,
    }


def _password(seed: int, name: str) -> str:
    """A password of its own for each server, the same for the same seed."""
    return "Lab-" + uuid.uuid5(uuid.NAMESPACE_DNS, f"{seed}.{name}").hex[:16]


def _as_given(key: str, value: Any) -> Any:
    """A checked fault holds numbers where a fleet file has text."""
    return f"0x{value:08X}" if key == "hresult" and isinstance(value, int) else value

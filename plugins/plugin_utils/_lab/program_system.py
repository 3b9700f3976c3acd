# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs about the machine itself: hostname, whoami, sc, gpupdate, shutdown, tasklist, systeminfo, ping, timeout.

Texts: Microsoft Learn, "sc query", "shutdown", "whoami", "tasklist"; systeminfo: public outputs of WS2022 and WS2025.
Error 1190 of shutdown: ansible.windows, plugin_utils/_reboot.
"""

from __future__ import annotations

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import policies
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Pause, Program
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.restart import (
    ALREADY_SCHEDULED,
    NONE_IN_PROGRESS,
    SHUTDOWN_IN_PROGRESS,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.services import (
    RUNNING,
    STATE_NUMBERS,
    STOPPED,
    Service,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Call, switches

ACCESS_DENIED = 5
MAX_SHUTDOWN_DELAY = 315_360_000

_SHUTDOWN_TEXTS = {
    ALREADY_SCHEDULED: "A system shutdown has already been scheduled.",
    SHUTDOWN_IN_PROGRESS: "A system shutdown is in progress.",
    NONE_IN_PROGRESS: "Unable to abort the system shutdown because no shutdown was in progress.",
    ACCESS_DENIED: "Access is denied.",
}


def hostname(call: Call) -> int:
    """The computer's name."""
    if call.words:
        call.err("sethostname: Use the Network Control Panel Applet to set hostname.\r\n")
        return 1
    call.out(f"{call.machine.hostname}\r\n")
    return 0


def whoami(call: Call) -> int:
    """Who runs this; /user with the SID."""
    words = [word.lower() for word in call.words]
    name = call.session.who.name.lower()
    if "\\" not in name:
        name = f"{call.machine.hostname.lower()}\\{name}"
    if not words:
        call.out(f"{name}\r\n")
        return 0
    if words[0] != "/user":
        call.err("This lab only simulates WHOAMI and WHOAMI /USER.\r\n")
        return 1
    sid = call.session.who.sid
    call.out("\r\nUSER INFORMATION\r\n----------------\r\n\r\n")
    call.out(f"{'User Name':<{len(name)}} SID\r\n{'=' * max(len(name), 9)} {'=' * len(sid)}\r\n{name} {sid}\r\n")
    return 0


def service_control(call: Call) -> int:
    """sc query, queryex, qc, start, stop, config."""
    words = call.words
    if words and words[0].startswith("\\\\"):
        words = words[1:]
    verb = words[0].lower() if words else ""
    if verb in {"query", "queryex"}:
        return _sc_query(call, words[1:], extended=verb == "queryex")
    if verb not in {"qc", "start", "stop", "config"} or len(words) < 2:
        call.out("DESCRIPTION:\r\n        SC is a command line program used for communicating with the\r\n")
        call.out("        Service Control Manager and services.\r\n")
        return 1639
    service = call.machine.services.find(words[1])
    if service is None:
        call.out("[SC] OpenService FAILED 1060:\r\n\r\n")
        call.out("The specified service does not exist as an installed service.\r\n\r\n")
        return 1060
    if verb == "qc":
        return _sc_configuration(call, service)
    if not call.session.who.is_administrator:
        call.out("[SC] OpenService FAILED 5:\r\n\r\nAccess is denied.\r\n\r\n")
        return 5
    if verb == "config":
        return _sc_config(call, service, words[2:])
    return _sc_change(call, service, start=verb == "start")


def _sc_query(call: Call, words: list[str], *, extended: bool) -> int:
    plain = [word for word in words if "=" not in word]
    if not plain or plain[0].lower() in {"type=", "state="}:
        wanted_all = "all" in [word.lower() for word in words]
        for service in call.machine.services.all():
            if wanted_all or service.state == RUNNING:
                _sc_show(call, service, extended=extended, display=True)
        return 0
    found = call.machine.services.find(plain[0])
    if found is None:
        call.out("[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\r\n\r\n")
        call.out("The specified service does not exist as an installed service.\r\n\r\n")
        return 1060
    _sc_show(call, found, extended=extended, display=False)
    return 0


def _sc_show(call: Call, service: Service, *, extended: bool, display: bool) -> None:
    running = service.state == RUNNING
    own = service.path.lower().endswith(('.exe"', ".exe"))
    kind = "10  WIN32_OWN_PROCESS  " if own else "30  WIN32  "
    text = f"\r\nSERVICE_NAME: {service.name} \r\n"
    if display:
        text += f"DISPLAY_NAME: {service.display_name}\r\n"
    text += f"        TYPE               : {kind}\r\n"
    state = service.state.upper().replace(" ", "_")
    text += f"        STATE              : {STATE_NUMBERS[service.state]}  {state} \r\n"
    if running:
        text += "                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)\r\n"
    code = 0 if running else 1077 if service.start == "demand" else 0
    text += f"        WIN32_EXIT_CODE    : {code}  (0x{code:x})\r\n"
    text += "        SERVICE_EXIT_CODE  : 0  (0x0)\r\n"
    text += "        CHECKPOINT         : 0x0\r\n"
    text += "        WAIT_HINT          : 0x0\r\n"
    if extended:
        text += f"        PID                : {call.machine.service_process(service)}\r\n"
        text += "        FLAGS              : \r\n"
    call.out(text)


def _sc_configuration(call: Call, service: Service) -> int:
    number, words = {
        "auto": (2, "AUTO_START"),
        "delayed": (2, "AUTO_START  (DELAYED)"),
        "demand": (3, "DEMAND_START"),
        "disabled": (4, "DISABLED"),
    }[service.start]
    call.out("[SC] QueryServiceConfig SUCCESS\r\n\r\n")
    call.out(f"SERVICE_NAME: {service.name}\r\n        TYPE               : 20  WIN32_SHARE_PROCESS \r\n")
    call.out(f"        START_TYPE         : {number}   {words}\r\n        ERROR_CONTROL      : 1   NORMAL\r\n")
    call.out(f"        BINARY_PATH_NAME   : {service.path}\r\n        LOAD_ORDER_GROUP   : \r\n")
    call.out(f"        TAG                : 0\r\n        DISPLAY_NAME       : {service.display_name}\r\n")
    call.out(f"        DEPENDENCIES       : \r\n        SERVICE_START_NAME : {service.account}\r\n")
    return 0


def _sc_config(call: Call, service: Service, words: list[str]) -> int:
    joined = " ".join(words).lower().replace("start= ", "start=")
    kinds = {"auto": "auto", "delayed-auto": "delayed", "demand": "demand", "disabled": "disabled"}
    for word in joined.split():
        if word.startswith("start=") and word[6:] in kinds:
            service.start = kinds[word[6:]]
            call.wrote("service", f"{service.name} start={service.start}")
            call.out("[SC] ChangeServiceConfig SUCCESS\r\n")
            return 0
    call.out("This lab only simulates SC CONFIG <name> START=.\r\n")
    return 1639


def _sc_change(call: Call, service: Service, *, start: bool) -> int:
    if start and service.start == "disabled":
        call.out("[SC] StartService FAILED 1058:\r\n\r\nThe service cannot be started, either because ")
        call.out("it is disabled or because it has no enabled devices associated with it.\r\n\r\n")
        return 1058
    if start and service.state == RUNNING:
        call.out("[SC] StartService FAILED 1056:\r\n\r\nAn instance of the service is already running.\r\n\r\n")
        return 1056
    if not start and service.state == STOPPED:
        call.out("[SC] ControlService FAILED 1062:\r\n\r\nThe service has not been started.\r\n\r\n")
        return 1062
    service.state = RUNNING if start else STOPPED
    call.wrote("service", f"{'start' if start else 'stop'} {service.name}")
    call.machine.service_changed(service)
    _sc_show(call, service, extended=start, display=False)
    return 0


def gpupdate(call: Call) -> int:
    """/force applies the registry policies of the domain again; without it unchanged GPOs are passed over."""
    words = [word.lower() for word in call.words]
    if any(
        word not in {"/force", "/target:computer", "/target:user"} and not word.startswith("/wait:") for word in words
    ):
        call.out("This lab only simulates GPUPDATE with /force, /target and /wait.\r\n")
        return 1
    if not call.session.who.is_administrator:
        call.out("Access is denied.\r\n")
        return 1
    call.out("Updating policy...\r\n\r\n")
    if "/force" in words and "/target:user" not in words and policies.apply_domain_policy(call.machine):
        call.wrote("registry", "policies of the domain applied")
    call.out("Computer Policy update has completed successfully.\r\n")
    return 0


def shutdown(call: Call) -> int:
    """/r /s /a with /t /c /d /f."""
    known = {"r": False, "s": False, "a": False, "f": False, "g": False, "t": True, "c": True, "d": True, "p": False}
    parsed = switches(call.words, known)
    if parsed is None or parsed[1] or not set(parsed[0]) & {"r", "s", "a", "g", "p"}:
        call.out("Usage: shutdown [/i | /l | /s | /sg | /r | /g | /a | /p | /h | /e | /o] [/hybrid] [/f]\r\n")
        return 1
    options = parsed[0]
    if not call.session.who.is_administrator:
        return _shutdown_error(call, ACCESS_DENIED)
    by = call.session.who.name
    if "a" in options:
        return _shutdown_error(call, call.machine.power.abort(by))
    delay = options.get("t", "0" if "p" in options else "30")
    if not delay.isdigit() or int(delay) > MAX_SHUTDOWN_DELAY:
        call.err(f"Invalid shutdown delay {delay}.\r\n")
        return 1
    restart = bool({"r", "g"} & set(options))
    how = f"shutdown {call.tail.strip()}"
    return _shutdown_error(call, call.machine.power.schedule(float(delay), by, how, restart=restart))


def _shutdown_error(call: Call, code: int) -> int:
    if code:
        call.err(f"{_SHUTDOWN_TEXTS[code]}({code})\r\n")
    return code


def tasklist(call: Call) -> int:
    """The processes, without filters."""
    if call.words:
        call.err("This lab only simulates TASKLIST without parameters.\r\n")
        return 1
    call.out("\r\nImage Name                     PID Session Name        Session#    Mem Usage\r\n")
    call.out("========================= ======== ================ =========== ============\r\n")
    for row in call.machine.process_rows():
        call.out(f"{row['Name'][:25]:<25} {row['ProcessId']:>8} {'Services':<16} {0:>11} {'12,344 K':>12}\r\n")
    return 0


def systeminfo(call: Call) -> int:
    """The lines a script looks for, in the order of the real program."""
    machine = call.machine
    spec = machine.spec
    edition = spec.edition_data
    boot = machine.power.booted
    role = "Primary Domain Controller" if "domain-controller" in spec.roles else "Standalone Server"
    if spec.domain and role == "Standalone Server":
        role = "Member Server"
    rows = [
        ("Host Name", machine.hostname),
        ("OS Name", f"Microsoft {edition.name}"),
        ("OS Version", f"10.0.{spec.product_data.build} N/A Build {spec.product_data.build}"),
        ("OS Manufacturer", "Microsoft Corporation"),
        ("OS Configuration", role if spec.product_data.server else "Standalone Workstation"),
        ("OS Build Type", "Multiprocessor Free"),
        ("Product ID", "00491-50000-00001-AA486"),
        ("System Boot Time", f"{boot.month}/{boot.day}/{boot.year}, {boot:%I:%M:%S %p}"),
        ("System Manufacturer", machine.manufacturer),
        ("System Model", machine.model),
        ("Domain", spec.domain or "WORKGROUP"),
    ]
    call.out("\r\n" + "".join(f"{name + ':':<26} {value}\r\n" for name, value in rows))
    fixes = machine.updates.quick_fixes
    call.out(f"{'Hotfix(s):':<26} {len(fixes)} Hotfix(s) Installed.\r\n")
    for number, fix in enumerate(fixes, 1):
        call.out(f"{'':<26} [{number:02d}]: {fix.kb}\r\n")
    status = {1: "Enabled but not running", 2: "Running"}.get(machine.vbs or 0, "Not enabled")
    call.out(f"{'Virtualization-based security:':<26} Status: {status}\r\n")
    return 0


def ping(call: Call) -> Program:
    """One second for each echo request, on loopback."""
    parsed = switches(call.words, {"n": True, "w": True, "l": True, "4": False, "6": False, "t": False, "a": False})
    if parsed is None or len(parsed[1]) != 1 or not parsed[0].get("n", "4").isdigit():
        call.out("Bad option or value, or no destination.\r\n")
        return 1
    count = int(parsed[0].get("n", "4"))
    target = parsed[1][0]
    call.out(f"\r\nPinging {target} with 32 bytes of data:\r\n")
    for number in range(count):
        if number:
            yield Pause(1.0)
        call.out(f"Reply from {target}: bytes=32 time<1ms TTL=128\r\n")
    call.out(f"\r\nPing statistics for {target}:\r\n")
    call.out(f"    Packets: Sent = {count}, Received = {count}, Lost = 0 (0% loss),\r\n")
    return 0


def timeout(call: Call) -> int:
    """The real one refuses to run without a console, as in every WinRM shell."""
    call.err("ERROR: Input redirection is not supported, exiting the process immediately.\r\n")
    return 1

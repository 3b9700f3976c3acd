# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that others wrote must be content with the lab: what they send and expect is not of our making.

pywinrm and pypsrp are always there; curl, Debian's wsl and ansible are tried where they are installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import winrm
import winrm.exceptions
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from pypsrp.powershell import RunspacePool
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import SelectorSet, WSMan

from tests.unit.lab_wire.messages import envelope
from tests.wire.running_lab import LabServer, RunningLab

SERVICE = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service"
SYSTEM = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_OperatingSystem"
REGISTRY = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/StdRegProv"
CURRENT_VERSION = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
NS = {
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "svc": SERVICE,
    "os": SYSTEM,
    "reg": REGISTRY,
}
IDENTIFY = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd">'
    "<s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"
)
SOAP_TYPE = "Content-Type: application/soap+xml;charset=UTF-8"


# -- pywinrm ---------------------------------------------------------------------------------------------------------


def pywinrm_session(lab: RunningLab, server: LabServer, way: str) -> winrm.Session:
    """A session by one of the ways to log in."""
    url = server.https_url if way == "ssl" or way.startswith("https") else server.http_url
    transport = "ntlm" if way.endswith("ntlm") else way
    return winrm.Session(
        url, auth=(server.user, server.password), transport=transport, ca_trust_path=str(lab.ca_file), proxy=None
    )


@pytest.mark.parametrize("way", ["basic", "ntlm", "ssl", "https-ntlm"])
def test_pywinrm_runs_commands(lab: RunningLab, way: str) -> None:
    session = pywinrm_session(lab, lab.servers["web01"], way)
    answer = session.run_cmd("echo", ["one", "two"])
    assert (answer.std_out, answer.std_err, answer.status_code) == (b"one two\r\n", b"", 0)
    assert session.run_cmd("exit", ["42"]).status_code == 42
    name = session.run_cmd("hostname")
    assert name.std_out.decode().strip().upper() == "WEB01"


@pytest.mark.parametrize("way", ["basic", "ntlm"])
def test_pywinrm_sends_input(lab: RunningLab, way: str) -> None:
    protocol = pywinrm_session(lab, lab.servers["web01"], way).protocol
    shell = protocol.open_shell(codepage=65001)
    command = protocol.run_command(shell, 'findstr "^"', console_mode_stdin=False)
    protocol.send_command_input(shell, command, b"first\r\n")
    protocol.send_command_input(shell, command, b"second\r\n", end=True)
    assert protocol.get_command_output(shell, command) == (b"first\r\nsecond\r\n", b"", 0)
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell)


@pytest.mark.parametrize("way", ["basic", "ntlm"])
def test_pywinrm_is_refused_with_a_wrong_password(lab: RunningLab, way: str) -> None:
    server = lab.servers["web01"]
    session = winrm.Session(server.http_url, auth=(server.user, "wrong"), transport=way, ca_trust_path=None, proxy=None)
    with pytest.raises(winrm.exceptions.InvalidCredentialsError):
        session.run_cmd("hostname")


def test_pywinrm_where_encryption_is_required(lab: RunningLab) -> None:
    server = lab.servers["sealed01"]
    assert pywinrm_session(lab, server, "ntlm").run_cmd("echo", ["x"]).std_out == b"x\r\n"
    with pytest.raises(winrm.exceptions.InvalidCredentialsError):
        pywinrm_session(lab, server, "basic").run_cmd("hostname")
    login = (server.user, server.password)
    plain = winrm.Session(
        server.http_url, auth=login, transport="ntlm", message_encryption="never", ca_trust_path=None, proxy=None
    )
    with pytest.raises(winrm.exceptions.WinRMTransportError, match="500"):
        plain.run_cmd("hostname")


# -- pypsrp ----------------------------------------------------------------------------------------------------------


def pypsrp_wsman(lab: RunningLab, server: LabServer, way: str) -> WSMan:
    """A WSMan object by one of the ways to log in."""
    secure = way.startswith("https")
    auth = way.rpartition("-")[2]
    return WSMan(
        server.address,
        port=server.https_port if secure else server.http_port,
        ssl=secure,
        username=server.user,
        password=server.password,
        auth=auth,
        encryption="never" if auth == "basic" else "auto",
        cert_validation=str(lab.ca_file),
        no_proxy=True,
    )


WAYS = ["basic", "ntlm", "negotiate", "https-basic", "https-ntlm"]


def enumerate_body(*inside: str) -> ElementTree.Element:
    """An Enumerate element."""
    names = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NS.items())
    return ElementTree.fromstring(f"<n:Enumerate {names}>{''.join(inside)}</n:Enumerate>")


@pytest.mark.parametrize("way", WAYS)
def test_pypsrp_enumerates_gets_and_invokes(lab: RunningLab, way: str) -> None:
    with pypsrp_wsman(lab, lab.servers["web01"], way) as wsman:
        first = wsman.enumerate(SERVICE, enumerate_body("<w:OptimizeEnumeration/><w:MaxElements>100</w:MaxElements>"))
        found = [item.text for item in first.iterfind(".//w:Items//svc:Name", NS)]
        assert len(found) == 1
        context = first.findtext(".//n:EnumerationContext", namespaces=NS)
        assert context
        names = f'xmlns:n="{NS["n"]}"'
        pull = f"<n:Pull {names}><n:EnumerationContext>{context}</n:EnumerationContext>"
        rest = wsman.pull(SERVICE, ElementTree.fromstring(f"{pull}<n:MaxElements>1000</n:MaxElements></n:Pull>"))
        found += [item.text for item in rest.iterfind(".//n:Items//svc:Name", NS)]
        assert rest.find(".//n:EndOfSequence", NS) is not None
        assert "WinRM" in found

        selectors = SelectorSet()
        selectors.add_option("Name", "WinRM")
        assert wsman.get(SERVICE, selector_set=selectors).findtext(".//svc:State", namespaces=NS) == "Running"
        assert wsman.get(SYSTEM).findtext(".//os:BuildNumber", namespaces=NS) == "26100"

        body = ElementTree.Element(f"{{{REGISTRY}}}GetStringValue_INPUT")
        for name, value in (("hDefKey", "2147483650"), ("sSubKeyName", CURRENT_VERSION), ("sValueName", "EditionID")):
            ElementTree.SubElement(body, f"{{{REGISTRY}}}{name}").text = value
        answer = wsman.invoke(f"{REGISTRY}/GetStringValue", REGISTRY, body)
        assert answer.findtext(".//reg:ReturnValue", namespaces=NS) == "0"
        assert answer.findtext(".//reg:sValue", namespaces=NS) == "ServerStandard"


def test_pypsrp_reads_faults_of_both_families(lab: RunningLab) -> None:
    with pypsrp_wsman(lab, lab.servers["web01"], "ntlm") as wsman:
        selectors = SelectorSet()
        selectors.add_option("Name", "NoSuchService")
        with pytest.raises(WSManFaultError) as missing:
            wsman.get(SERVICE, selector_set=selectors)
        assert missing.value.code == 2150858752
        assert missing.value.provider == "WMI Provider"
        with pytest.raises(WSManFaultError) as unknown:
            wsman.invoke(f"{REGISTRY}/NoSuchMethod", REGISTRY, None)
        assert unknown.value.code == "w:InternalError"  # it does not look into the detail of this family


def test_pywinrm_reads_faults_of_both_families(lab: RunningLab) -> None:
    protocol = pywinrm_session(lab, lab.servers["web01"], "ntlm").protocol

    def fault(uri: str, action: str) -> winrm.exceptions.WSManFaultError:
        with pytest.raises(winrm.exceptions.WSManFaultError) as caught:
            protocol.send_message(envelope(action, uri, selectors={"Name": "NoSuchService"}))
        found: winrm.exceptions.WSManFaultError = caught.value
        return found

    missing = fault(SERVICE, "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get")
    assert (missing.fault_subcode, missing.wsman_fault_code) == ("a:DestinationUnreachable", 2150858752)
    unknown = fault(REGISTRY, f"{REGISTRY}/NoSuchMethod")
    assert (unknown.fault_subcode, unknown.wmierror_code) == ("w:InternalError", 0x8004102E)


@pytest.mark.parametrize("way", WAYS)
def test_pypsrp_runs_a_process_with_input(lab: RunningLab, way: str) -> None:
    with pypsrp_wsman(lab, lab.servers["web02"], way) as wsman, WinRS(wsman, codepage=65001) as shell:
        process = Process(shell, "findstr", ['"^"'])
        process.begin_invoke()
        process.send(b"a line\r\n", end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        assert (process.stdout, process.stderr, process.rc) == (b"a line\r\n", b"", 0)
        failing = Process(shell, "exit", ["7"])
        failing.invoke()
        assert failing.rc == 7


def test_pypsrp_learns_the_envelope_size(lab: RunningLab) -> None:
    with pypsrp_wsman(lab, lab.servers["web01"], "basic") as wsman:
        wsman.update_max_payload_size()
        assert wsman.max_envelope_size == 500 * 1024


def test_pypsrp_is_told_that_there_is_no_powershell(lab: RunningLab) -> None:
    with pypsrp_wsman(lab, lab.servers["web01"], "ntlm") as wsman:
        pool = RunspacePool(wsman)
        with pytest.raises(WSManFaultError, match="no PowerShell remoting"):
            pool.open()


def test_pypsrp_with_a_wrong_password_and_a_server_that_is_off(lab: RunningLab) -> None:
    server = lab.servers["web01"]
    wrong = LabServer(server.name, server.address, server.http_port, server.https_port, server.user, "wrong")
    with pypsrp_wsman(lab, wrong, "ntlm") as wsman, pytest.raises(AuthenticationError):
        wsman.get(SYSTEM)
    with pypsrp_wsman(lab, wrong, "basic") as wsman, pytest.raises((AuthenticationError, WinRMTransportError)):
        wsman.get(SYSTEM)
    with pypsrp_wsman(lab, lab.servers["off01"], "basic") as wsman, pytest.raises(Exception, match="refused"):
        wsman.get(SYSTEM)


# -- curl ------------------------------------------------------------------------------------------------------------


def curl(*arguments: str) -> str:
    """Run curl: the headers and the body of the answer."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--include", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.replace("\r\n", "\n")


def check_curl(lab: RunningLab, _folder: Path) -> None:
    """Identify with and without a login, a wrong password, broken XML, a large request."""
    server = lab.servers["web01"]
    login = ("--user", f"{server.user}:{server.password}")
    known = curl(*login, "--header", SOAP_TYPE, "--data", IDENTIFY, server.http_url)
    assert known.startswith("HTTP/1.1 200")
    assert "Server: Microsoft-HTTPAPI/2.0\n" in known
    assert "<wsmid:ProductVersion>OS: 10.0.26100 SP: 0.0 Stack: 3.0</wsmid:ProductVersion>" in known
    secure = curl(*login, "--cacert", str(lab.ca_file), "--header", SOAP_TYPE, "--data", IDENTIFY, server.https_url)
    assert secure.startswith("HTTP/1.1 200")
    stranger = curl(
        "--header", SOAP_TYPE, "--header", "WSMANIDENTIFY: unauthenticated", "--data", IDENTIFY, server.http_url
    )
    assert "OS: 0.0.0 SP: 0.0 Stack: 3.0" in stranger
    for refused in (
        curl("--header", SOAP_TYPE, "--data", IDENTIFY, server.http_url),
        curl("--user", f"{server.user}:wrong", "--header", SOAP_TYPE, "--data", IDENTIFY, server.http_url),
    ):
        assert refused.startswith("HTTP/1.1 401")
        assert "WWW-Authenticate: Negotiate\n" in refused
        assert 'WWW-Authenticate: Basic realm="WSMAN"\n' in refused
    assert curl(*login, "--header", SOAP_TYPE, "--data", "<broken", server.http_url).startswith("HTTP/1.1 400")
    assert curl(*login, server.http_url).startswith("HTTP/1.1 405")
    large = "<a>" + " " * 2000000 + "</a>"  # large enough for curl to ask with Expect: 100-continue
    file = lab.folder / "large.xml"
    file.write_text(large, encoding="utf-8")
    answer = curl(*login, "--header", SOAP_TYPE, "--data-binary", f"@{file}", server.http_url)
    assert "w:EncodingLimit" in answer


# -- wsl -------------------------------------------------------------------------------------------------------------


class Wsl:
    """Debian's wsl, which keeps its files and settings in the folder it is called in."""

    def __init__(self, folder: Path, server: LabServer) -> None:
        self._folder = folder
        programs = folder / "bin"
        programs.mkdir()
        stand_in = programs / "uuidgen"  # of uuid-runtime, which the package does not bring along
        stand_in.write_text("#!/bin/sh\ncat /proc/sys/kernel/random/uuid\n", encoding="ascii")
        stand_in.chmod(0o755)
        self._environment = {
            "PATH": f"{os.environ['PATH']}{os.pathsep}{programs}",
            "HOME": str(folder),
            "SHELL": "/bin/bash",
            "WSENDPOINT": f"{server.address}:{server.http_port}",
            "WSUSER": server.user,
            "WSPASS": server.password,
            "WSNOSSL": "true",
            "WSAUTOMATED": "1",
            "OUTLEVEL": "1",
        }

    def __call__(self, *arguments: str) -> str:
        """Run one command; what it printed."""
        done = subprocess.run(
            ["wsl", *arguments],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def check_wsl(lab: RunningLab, folder: Path) -> None:
    """Identify, Enumerate of objects and references with Pull, a WQL filter, Get, Invoke."""
    wsl = Wsl(folder, lab.servers["web01"])
    assert "OS: 10.0.26100" in wsl("identify", "check")
    services = wsl("enum", SERVICE)
    assert services.count("<p:Win32_Service ") > 5
    assert "EndOfSequence" in services
    references = wsl("enum", SERVICE, "-mode", "epr")
    assert references.count("<a:EndpointReference>") == services.count("<p:Win32_Service ")
    assert '<w:Selector Name="Name">WinRM</w:Selector>' in references
    assert "<p:State>Running</p:State>" in wsl("get", SERVICE, "Name=WinRM")
    dialect = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
    query = "SELECT Name FROM Win32_Service WHERE Name='WinRM'"
    assert "<Name>WinRM</Name>" in wsl("enum", SERVICE, "-dialect", dialect, "-filter", query)
    instance = folder / "registry.xml"  # wsl pastes this text into an envelope of its own prefixes
    instance.write_text(
        "<wsa:ReferenceParameters>\n"
        f"<wsman:ResourceURI>{REGISTRY}</wsman:ResourceURI>\n"
        '<wsman:SelectorSet><wsman:Selector Name="__cimnamespace">root/cimv2</wsman:Selector></wsman:SelectorSet>\n'
        "</wsa:ReferenceParameters>\n",
        encoding="ascii",
    )
    values = ("hDefKey=2147483650", "sSubKeyName=SOFTWARE", "sValueName=None")
    answer = wsl("invoke", REGISTRY, "GetStringValue", *values, "-inst", str(instance))
    assert "GetStringValue_OUTPUT" in answer


# -- Ansible ---------------------------------------------------------------------------------------------------------


def check_ansible_raw(lab: RunningLab, transport: str, servers: str) -> None:
    """The stock winrm connection plugin."""
    program = _program("ansible")
    assert program
    done = subprocess.run(
        [
            program,
            servers,
            "--inventory",
            str(lab.inventory),
            "--extra-vars",
            f"ansible_winrm_transport={transport}",
            "--module-name",
            "ansible.builtin.raw",
            "--args",
            "hostname",
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_DEPRECATION_WARNINGS": "0"},
        cwd=lab.folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for server in servers.split(","):
        heading, _separator, rest = done.stdout.partition(f"{server} | CHANGED | rc=0 >>\n")
        assert heading != done.stdout, done.stdout
        assert rest.upper().startswith(server.upper())


def check_ansible_basic(lab: RunningLab, _folder: Path) -> None:
    """raw with Basic."""
    check_ansible_raw(lab, "basic", "web01,web02")


def check_ansible_ntlm(lab: RunningLab, _folder: Path) -> None:
    """raw with NTLM and sealed messages."""
    check_ansible_raw(lab, "ntlm", "web01,sealed01")


def _program(name: str) -> str | None:
    """Where a program is: beside our Python, or on the PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


CHECKS: dict[str, tuple[str, Callable[[RunningLab, Path], None]]] = {
    "curl": ("curl", check_curl),
    "wsl": ("wsl", check_wsl),
    "ansible-basic": ("ansible", check_ansible_basic),
    "ansible-ntlm": ("ansible", check_ansible_ntlm),
}


@pytest.mark.parametrize("client", [name for name, (program, _check) in CHECKS.items() if _program(program)])
def test_installed_programs(lab: RunningLab, tmp_path: Path, client: str) -> None:
    CHECKS[client][1](lab, tmp_path)

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""azcmagent.exe: show, version, check, config, connect, disconnect, help.

Options, rules and exit codes: azure-management-docs, the pages of each command and troubleshoot-agent-onboard; texts
of connect and disconnect: three recorded machines. That an error is printed as ``level=fatal`` with its AZCM code, and
that ``check`` ends with 0 whatever it finds, is assumed. Without a login the real program opens a browser or shows a
device code and waits for five minutes; so does this one, and then nobody has logged in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arc import PREVIEW, SETTINGS, new_vm_id
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import (
    CLOUDS,
    REGIONS,
    ArcMachine,
    AzureRefusal,
    Login,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.disk import DiskError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.internet import Reach, check_hosts, reach
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.process import Pause, Program, Wait
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.session import Call

try:
    import yaml
except ImportError:  # without it a configuration file is read as JSON only
    yaml = None  # type: ignore[assignment]

_NEVER = 10_000_000.0
_LOGIN_SECONDS = 300.0

#: Long option -> whether a value follows; short ones beside.
_COMMON = {"config": True, "help": False, "json": False, "log-stderr": False, "no-color": False, "verbose": False}
_LOGIN = {
    "access-token": True,
    "service-principal-id": True,
    "service-principal-secret": True,
    "service-principal-cert": True,
    "service-principal-cert-thumbprint": True,
    "use-device-code": False,
    "use-azcli": False,
    "user-tenant-id": True,
    "tenant-id": True,
}
_OPTIONS: Mapping[str, Mapping[str, bool]] = {
    "show": {"os": False},
    "version": {},
    "check": {
        "cloud": True,
        "location": True,
        "extensions": True,
        "enable-pls-check": False,
        "use-private-link": False,
        "include-all": False,
    },
    "config": {"add": False, "remove": False},
    "connect": {
        **_LOGIN,
        "automanage-profile": True,
        "cloud": True,
        "correlation-id": True,
        "enable-automatic-upgrade": False,
        "gateway-id": True,
        "ignore-network-check": False,
        "location": True,
        "private-link-scope": True,
        "resource-group": True,
        "resource-name": True,
        "subscription-id": True,
        "tags": True,
    },
    "disconnect": {**_LOGIN, "force-local-only": False},
    "help": {},
    "license": {},
}
_SHORT = {"h": "help", "j": "json", "v": "verbose"}
_SHORT_OF = {
    "check": {"e": "extensions", "l": "location", "p": "enable-pls-check"},
    "config": {"a": "add", "r": "remove"},
    "connect": {
        "i": "service-principal-id",
        "l": "location",
        "g": "resource-group",
        "n": "resource-name",
        "p": "service-principal-secret",
        "s": "subscription-id",
        "t": "tenant-id",
    },
    "disconnect": {"f": "force-local-only", "i": "service-principal-id", "p": "service-principal-secret"},
}
_PROXY_BYPASS = ("AAD", "ARM", "AMA", "Arc", "ArcData")
_EXTENSION = re.compile(r"[A-Za-z0-9.]+/[A-Za-z0-9.*]+")
_RESOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,52}[A-Za-z0-9]")


class AgentFailure(Exception):
    """The program ends with this AZCM code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def azcmagent(call: Call) -> Program:
    """The program."""
    try:
        verb, words, options = _arguments(call)
        if "help" in options or verb in {"help", "license"}:
            call.out("Usage:\r\n  azcmagent [command]\r\n\r\nAvailable Commands:\r\n")
            call.out("".join(f"  {name}\r\n" for name in sorted(_OPTIONS)))
            return 0
        return (yield from _run(call, verb, words, options))
    except AgentFailure as failure:
        text = f'level=fatal msg="AZCM{failure.code:04d}: {failure.message}"\r\n'
        (call.err if "--log-stderr" in call.words else call.out)(text)
        return failure.code


def _run(call: Call, verb: str, words: list[str], options: dict[str, str]) -> Program:
    agent = call.machine.arc
    if verb in call.machine.faults.agent_hangs:
        yield Pause(_NEVER)
    if verb == "version":
        call.out(f"azcmagent version {agent.version}\r\n")
        return 0
    if verb in {"config", "connect", "disconnect"} and not call.session.who.is_administrator:
        raise AgentFailure(18, "This command requires administrative privileges")
    if verb != "check" and not agent.answers:
        raise AgentFailure(61, "The agent service is not responding or unavailable")
    _fail_as_planned(call, verb)
    if verb == "show":
        return _show(call, words, options)
    if verb == "check":
        return (yield from _check(call, options))
    if verb == "config":
        return _config(call, words, options)
    return (yield from (_connect if verb == "connect" else _disconnect)(call, options))


def _fail_as_planned(call: Call, verb: str) -> None:
    code = call.machine.faults.agent_failure(verb, done=False)
    if code is not None:
        raise AgentFailure(code, "this failure was planted in the lab")


def _arguments(call: Call) -> tuple[str, list[str], dict[str, str]]:
    """The command, its words, and the options; those of a configuration file count where the line has none."""
    words = call.words
    verb = next((word for word in words if not word.startswith("-")), "help")
    if verb not in _OPTIONS:
        raise AgentFailure(101, f"unknown command '{verb}' for 'azcmagent'")
    known = {**_COMMON, **_OPTIONS[verb]}
    short = {**_SHORT, **_SHORT_OF.get(verb, {})}
    options: dict[str, str] = {}
    plain: list[str] = []
    position = words.index(verb) + 1 if verb in words else 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("-") or word == "-":
            plain.append(word)
            continue
        name, mark, value = word.lstrip("-").partition("=")
        name = name if word.startswith("--") else short.get(name, f"-{name}")
        if name not in known:
            raise AgentFailure(23, f"unknown flag: {word}")
        if known[name] and not mark:
            if position >= len(words):
                raise AgentFailure(23, f"flag needs an argument: {word}")
            value = words[position]
            position += 1
        options[name] = value if known[name] or mark else "true"
    if "config" in options:
        options = {**_configuration(call, options["config"], known), **options}
    return verb, plain, options


def _configuration(call: Call, path: str, known: Mapping[str, bool]) -> dict[str, str]:
    try:
        text = call.machine.disk.read(call.session.path(path), call.session.who).decode("utf-8-sig")
    except (DiskError, UnicodeDecodeError):
        raise AgentFailure(19, f"Configuration file {path} not found") from None
    if yaml is None:
        raise AgentFailure(19, "The lab needs PyYAML to read a configuration file; it comes with ansible-core")
    try:
        document: Any = yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        raise AgentFailure(19, f"Configuration file {path} cannot be parsed") from None
    if not isinstance(document, dict):
        raise AgentFailure(19, f"Configuration file {path} holds no keys")
    found: dict[str, str] = {}
    for key, value in document.items():
        if key not in known:
            raise AgentFailure(19, f"Configuration file {path}: unknown key")
        found[str(key)] = str(value).lower() if isinstance(value, bool) else str(value)
    return {key: value for key, value in found.items() if known[key] or value == "true"}


# ---- show


_LABELS = (
    ("Resource Name", "resourceName"),
    ("Resource Group Name", "resourceGroup"),
    ("Resource Namespace", "resourceNamespace"),
    ("Resource Id", "resourceId"),
    ("Subscription ID", "subscriptionId"),
    ("Tenant ID", "tenantId"),
    ("VM ID", "vmId"),
    ("Correlation ID", "correlationId"),
    ("VM UUID", "vmUuid"),
    ("Location", "location"),
    ("Cloud", "cloud"),
    ("Agent Version", "agentVersion"),
    ("Agent Logfile", "agentLogfile"),
    ("Agent Status", "status"),
    ("Agent Last Heartbeat", "lastHeartbeat"),
    ("Agent Error Code", "agentErrorCode"),
    ("Agent Error Details", "agentErrorDetails"),
    ("Agent Error Timestamp", "agentErrorTimestamp"),
    ("Using HTTPS Proxy", "httpsProxy"),
    ("Proxy Bypass List", "proxyBypass"),
    ("Upstream Proxy", "upstreamProxy"),
    ("Gateway URL", "gatewayUrl"),
    ("Cloud Provider", "cloudProvider"),
    ("Manufacturer", "manufacturer"),
    ("Model", "model"),
    ("MSSQL Server Detected", "mssqlDiscovered"),
)


def _show(call: Call, words: list[str], options: dict[str, str]) -> int:
    found = call.machine.arc.document()
    if words:
        by_label = {label.lower(): key for label, key in _LABELS}
        wanted = {by_label.get(word.lower(), word).lower() for word in words}
        found = {key: value for key, value in found.items() if key.lower() in wanted}
    if "json" in options:
        call.out(json.dumps(found, indent=2) + "\n")
        return 0
    for label, key in _LABELS:
        if key in found:
            value = found[key]
            call.out(f"{label:<40}: {', '.join(value) if isinstance(value, list) else value}\r\n")
    if "services" in found:
        call.out(f"{'Dependent Service Status':<40}\r\n")
        for row in found["services"]:
            call.out(f"  {row['displayName']:<38}: {row['status']}\r\n")
    if "portalPage" in found:
        call.out(f"{'Portal Page':<40}: {found['portalPage']}\r\n{'Disabled Features':<40}: \r\n")
    return 0


# ---- check


def _check(call: Call, options: dict[str, str]) -> Program:
    agent = call.machine.arc
    own = agent.identity
    cloud = options.get("cloud") or (own.cloud if own else "AzureCloud")
    location = options.get("location") or (own.location if own else "")
    if cloud not in CLOUDS:
        raise AgentFailure(23, f"'{cloud}' is not a supported cloud")
    if location.lower().replace(" ", "") not in REGIONS:
        raise AgentFailure(20 if location else 16, f"Unknown region '{location}'")
    rows: dict[str, dict[str, Any]] = {}
    for host in check_hosts(cloud, location):
        met = reach(call.machine, host, agent.proxy)
        yield Pause(5.0 if met in {Reach.SILENT, Reach.REFUSED} else 0.5)
        rows[f"https://{host}"] = {
            "reachable": met is Reach.OPEN,
            "required": True,
            "private": False,
            "tls": "TLS 1.3" if met is Reach.OPEN else "",
            "proxyStatus": "set" if agent.proxy else "not set",
        }
    if "json" in options:
        call.out(json.dumps(rows, indent=2) + "\n")
        return 0
    call.out(f"{'ENDPOINT':<60} |REACHABLE |REQUIRED |PRIVATE |TLS      |PROXY\r\n")
    for endpoint, row in rows.items():
        shown = [str(row[key]).lower() for key in ("reachable", "required", "private")]
        call.out(f"{endpoint:<60} |{shown[0]:<10}|{shown[1]:<9}|{shown[2]:<8}|{row['tls']:<9}|{row['proxyStatus']}\r\n")
    return 0


# ---- config


def _config(call: Call, words: list[str], options: dict[str, str]) -> int:
    settings = call.machine.arc.settings
    verb = words[0] if words else ""
    if verb == "list" and len(words) == 1:
        if "json" in options:
            call.out(json.dumps({"localconfig": settings}, indent=2) + "\n")
            return 0
        call.out("Local Configuration Settings\r\n")
        for name, value in settings.items():
            label = f"{name} (preview)" if name in PREVIEW else name
            call.out(f"  {label:<54}: {_shown(value)}\r\n")
        return 0
    if verb == "info":
        call.out("".join(f"{name}\r\n" for name in words[1:] or SETTINGS))
        return 0
    if verb not in {"get", "set", "clear"} or len(words) != (3 if verb == "set" else 2):
        raise AgentFailure(23, "config takes get PROPERTY, set PROPERTY VALUE, clear PROPERTY, list or info")
    name = words[1].lower()
    if name not in settings:
        raise AgentFailure(23, f"'{words[1]}' is not a configuration property")
    if verb == "get":
        call.out(f"{_shown(settings[name])}\r\n")
        return 0
    _change_setting(call, name, words[2] if verb == "set" else None, options)
    return 0


def _shown(value: str | list[str]) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else value


def _change_setting(call: Call, name: str, text: str | None, options: dict[str, str]) -> None:
    settings = call.machine.arc.settings
    before = settings[name]
    if settings["config.mode"] == "monitor" and name in {"extensions.allowlist", "extensions.blocklist"}:
        raise AgentFailure(27, f"{name} cannot be changed in monitor mode")
    if text is None:
        default = SETTINGS[name]
        settings[name] = list(default) if isinstance(default, list) else default
        call.out(f"Config property {name} cleared\r\n")
    elif isinstance(before, list):
        given = [item.strip() for item in text.split(",") if item.strip()]
        for item in given:
            _check_value(name, item)
        kept = [item for item in before if item not in given]
        settings[name] = kept + given if "add" in options else kept if "remove" in options else given
        call.out(f"Config property {name} set to value {text}\r\n")
    else:
        if {"add", "remove"} & set(options):
            raise AgentFailure(23, f"{name} holds one value")
        _check_value(name, text)
        settings[name] = text
        call.out(f"Config property {name} set to value {text}\r\n")
    call.wrote("agent", f"setting {name}")
    call.out("INFO    Updating service configuration: Azure Arc Proxy\r\n" if name.startswith("proxy.") else "")


def _check_value(name: str, text: str) -> None:
    good = {
        "proxy.url": re.fullmatch(r"http://[A-Za-z0-9.-]+(:\d{1,5})?/?", text) is not None,
        "proxy.bypass": text in _PROXY_BYPASS,
        "config.mode": text in {"full", "monitor"},
        "incomingconnections.ports": text.isdigit(),
        "extensions.allowlist": _EXTENSION.fullmatch(text) is not None or text == "Allow/None",
        "extensions.blocklist": _EXTENSION.fullmatch(text) is not None,
    }
    if name.endswith(".enabled"):
        good[name] = text in {"true", "false"}
    if not good.get(name, True):
        raise AgentFailure(23, f"'{text}' is not a value for {name}")


# ---- connect and disconnect


def _login(call: Call, options: dict[str, str]) -> Generator[Wait, None, Login]:
    azure = call.machine.arc.azure
    principal, tenant = options.get("service-principal-id", ""), options.get("tenant-id", "")
    try:
        if "access-token" in options:
            return azure.login_with_token(options["access-token"])
        if principal:
            if not tenant:
                own = call.machine.arc.identity
                if own is None:
                    raise AgentFailure(16, "tenant-id is required with a service principal")
                tenant = own.tenant_id
            if "service-principal-secret" in options:
                return azure.login_with_secret(principal, options["service-principal-secret"], tenant)
            if "service-principal-cert" in options:
                text = _certificate(call, options["service-principal-cert"])
                return azure.login_with_certificate(principal, tenant, text=text)
            if "service-principal-cert-thumbprint" in options:
                thumbprint = options["service-principal-cert-thumbprint"]
                return azure.login_with_certificate(principal, tenant, thumbprint=thumbprint)
            raise AgentFailure(16, "service-principal-secret or service-principal-cert is required")
    except AzureRefusal as refusal:
        raise AgentFailure(refusal.code, refusal.message) from None
    call.out("INFO    Please login using the pop-up browser to authenticate.\r\n")
    yield Pause(_LOGIN_SECONDS)
    raise AgentFailure(41, "Failed to obtain an access token: nobody has logged in")


def _certificate(call: Call, path: str) -> str:
    try:
        return call.machine.disk.read(call.session.path(path), call.session.who).decode("utf-8", "replace")
    except DiskError:
        raise AgentFailure(23, f"the certificate {path} cannot be read") from None


def _connect(call: Call, options: dict[str, str]) -> Program:
    machine = call.machine
    agent = machine.arc
    if agent.identity is not None:
        raise AgentFailure(67, "The machine is already connected to Azure")
    for name in ("subscription-id", "resource-group", "location"):
        if not options.get(name):
            raise AgentFailure(16, f"Missing mandatory parameter: {name}")
    location = options["location"].lower().replace(" ", "")
    if location not in REGIONS:
        raise AgentFailure(20, f"Unknown region '{options['location']}'")
    cloud = options.get("cloud", "AzureCloud")
    if cloud not in CLOUDS:
        raise AgentFailure(23, f"'{cloud}' is not a supported cloud")
    name = options.get("resource-name") or machine.hostname
    if not _RESOURCE_NAME.fullmatch(name):
        raise AgentFailure(102, f"'{name}' cannot be the name of a resource")
    tags = _tags(options.get("tags", ""))
    call.out("INFO    Connecting machine to Azure... This might take a few minutes.\r\n")
    call.out("INFO    Testing connectivity to endpoints that are needed to connect to Azure... ")
    call.out("This might take a few minutes.\r\n  20% [==>            ]\r\n")
    yield Pause(15 * machine.jitter())
    closed = _closed(call, cloud, location)
    if closed and "ignore-network-check" not in options:
        raise AgentFailure(26, f"Network error: {', '.join(closed)} cannot be reached")
    login = yield from _login(call, options)
    call.out("  30% [===>           ]\r\n")
    yield Pause(10 * machine.jitter())
    machine.arc_connections += 1
    resource = ArcMachine(
        name=name,
        resource_group=options["resource-group"],
        subscription_id=options["subscription-id"],
        tenant_id=options.get("tenant-id") or login.tenant_id or agent.azure.settings.tenant_id,
        location=location,
        vm_id=new_vm_id(machine, machine.arc_connections),
        cloud=cloud,
        tags=tags,
        correlation_id=options.get("correlation-id", ""),
        private_link_scope=options.get("private-link-scope", ""),
        gateway_id=options.get("gateway-id", ""),
        created=machine.now(),
    )
    try:
        agent.azure.create(resource)
    except AzureRefusal as refusal:
        raise AgentFailure(refusal.code, refusal.message) from None
    call.out(f"  INFO    Creating resource in Azure...                 Resource ID={resource.id}\r\n")
    call.out("  60% [========>      ]\r\n  80% [===========>   ]\r\n")
    yield Pause(20 * machine.jitter())
    agent.connect(resource)
    call.wrote("agent", f"connect to {resource.id}")
    code = machine.faults.agent_failure("connect", done=True)
    if code is not None:
        raise AgentFailure(code, "this failure was planted in the lab")
    call.out(" 100% [===============]\r\n  INFO    Connected machine to Azure\r\n")
    call.out(
        f"INFO    Machine overview page: https://portal.azure.com/#@{resource.tenant_id}/resource{resource.id}/overview"
        "\r\n"
    )
    return 0


def _closed(call: Call, cloud: str, location: str) -> list[str]:
    proxy = call.machine.arc.proxy
    return [host for host in check_hosts(cloud, location) if reach(call.machine, host, proxy) is not Reach.OPEN]


def _tags(text: str) -> dict[str, str]:
    """``A=1,'B C'='2, 3'``: single quotes hold blanks and commas together."""
    found: dict[str, str] = {}
    for part in re.findall(r"(?:'[^']*'|[^,'])+", text):
        name, mark, value = part.partition("=")
        if not mark or not name.strip("' "):
            raise AgentFailure(23, "tags must look like Name=Value,Name=Value")
        found[name.strip("' ")] = value.strip("'")
    return found


def _disconnect(call: Call, options: dict[str, str]) -> Program:
    machine = call.machine
    agent = machine.arc
    own = agent.identity
    local_only = "force-local-only" in options
    if own is None and not local_only:
        raise AgentFailure(63, "The machine is not connected to Azure")
    if own is not None and not local_only:
        login = yield from _login(call, options)
        closed = [
            host for host in check_hosts(own.cloud, own.location) if reach(machine, host, agent.proxy) is not Reach.OPEN
        ]
        if closed:
            raise AgentFailure(26, f"Network error: {', '.join(closed)} cannot be reached")
        yield Pause(10 * machine.jitter())
        try:
            there = agent.azure.delete(own.id, login)
        except AzureRefusal as refusal:
            raise AgentFailure(refusal.code, refusal.message) from None
        if not there:
            call.out("INFO    Resource is already deleted\r\n")
        elif machine.spec.platform == "azure-local":
            # The documented danger: on Azure Local the resource stands for the machine itself.
            machine.deleted_by_azure = True
    yield Pause(5 * machine.jitter())
    agent.forget()
    call.wrote("agent", f"disconnect{' --force-local-only' if local_only else ''}")
    call.out("INFO    Disconnected machine from Azure\r\n")
    return 0

# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a fleet file: the machines of the lab and the state each one starts in.

A *fleet file* lists machines. A *month file* names a fleet file (``fleet: ../fleet.yml``), the date Windows Update is
looked at, and what differs for single servers in that month. Both are read strictly: an unknown key is an error that
names file and server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import (
    AzureSettings,
    AzureSettingsError,
    azure_settings,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.editions import (
    LOCAL_HOST,
    PRODUCTS,
    Edition,
    Product,
    edition_ids,
    edition_of,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fault_kinds import FaultError, check_fault
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.policy_values import place as policy_place
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.registry import REG_DWORD
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.update_rows import find_update

try:
    import yaml
except ImportError:  # PyYAML comes with ansible-core; without it there is no lab, and load_fleet says so
    yaml = None  # type: ignore[assignment]

ARC_STATES = ("connected", "none", "installed", "disconnected", "expired", "resource_deleted")
AZURE_VM = ("image", "scale_set", "orchestration", "provision_vm_agent")
ARC_RESOURCE = ("name", "resource_group", "subscription_id", "tenant_id", "location")
FIRMWARE = ("uefi", "bios")
TPMS = ("2.0", "1.2", "none")
PLATFORMS = ("hyper-v", "physical", "azure", "azure-local", "azure-local-host", "vmware")
NETWORKS = ("open", "closed", "silent", "garbage", "half_answer", "reset")
PENDING_SOURCES = (
    "component_based_servicing",
    "reboot_in_progress",
    "packages_pending",
    "windows_update",
    "computer_rename",
    "pending_file_rename",
)
#: A server that was set up from a preview's medium: 26100.1, before the product was released.
PREVIEW = "preview"
ROLES = ("web", "sql", "domain-controller", "hyper-v", "file", "print")
OTHER_UPDATES = ("defender", "malware-tool", "dotnet")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_KB = re.compile(r"KB\d{6,8}")


class FleetError(Exception):
    """The fleet file cannot be used; the text says which file, which server, and why."""


@dataclass(frozen=True)
class WinRmSettings:
    """How this server's WinRM is set up."""

    encryption_required: bool = False
    transports: tuple[str, ...] = ("basic", "negotiate")
    many_rows_first: bool = False


@dataclass(frozen=True)
class ServerSpec:
    """One machine of the fleet; the field names are the keys of the file."""

    name: str
    product: str = "windows-server-2025"
    edition: str = "ServerStandard"
    core: bool = False
    level: str = "rtm"
    previous_level: str = ""
    enrolled: bool = True
    opted_out: bool = False
    arc: str = "connected"
    arc_resource: Mapping[str, str] = field(default_factory=dict)
    azure_vm: Mapping[str, str] = field(default_factory=dict)
    internet: bool = True
    internet_proxy: str = ""
    vbs: int | str = 2
    firmware: str = "uefi"
    secure_boot: bool = True
    virtualization: bool | None = None
    dma_protection: bool = True
    tpm: str = "2.0"
    platform: str = "hyper-v"
    restart_pending: tuple[str, ...] = ()
    network: str = "open"
    clock_skew_seconds: float = 0
    free_gb: float = 40
    cores: int = 4
    extra_kbs: tuple[str, ...] = ()
    other_updates: tuple[str, ...] = ("defender", "malware-tool")
    offers_old_baseline: bool = True
    hotpatch_in_quick_fixes: bool = True
    second_restart: bool = True
    roles: tuple[str, ...] = ()
    domain: str | None = None
    web_site: bool = False
    faults: tuple[Mapping[str, Any], ...] = ()
    winrm: WinRmSettings = WinRmSettings()
    username: str = "Administrator"
    password: str | None = None
    policy: Mapping[str, str | int] = field(default_factory=dict)
    domain_policy: Mapping[str, str | int] = field(default_factory=dict)
    mdm_policy: Mapping[str, str | int] = field(default_factory=dict)
    local_update_option: int | None = None
    registry: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    wsus: tuple[str, ...] | None = None
    microsoft_update: bool = False
    groups: tuple[str, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=dict)

    @property
    def product_data(self) -> Product:
        """The product's own data."""
        return PRODUCTS[self.product]

    @property
    def edition_data(self) -> Edition:
        """The edition's own data."""
        if self.platform == "azure-local-host":
            return LOCAL_HOST
        found = edition_of(self.product_data, self.edition)
        if found is None:
            raise FleetError(f"{self.product} has no edition {self.edition!r}.")
        return found


@dataclass(frozen=True)
class Fleet:
    """A fleet as read; ``as_of`` is the day Windows Update is looked at (None: today)."""

    servers: tuple[ServerSpec, ...]
    as_of: date | None = None
    source: str = ""
    azure: AzureSettings = field(default_factory=AzureSettings)


def load_fleet(path: Path) -> Fleet:
    """Read a fleet file or a month file.

    :raises FleetError: the file cannot be read or holds something the lab does not know.
    """
    document = _read(path)
    if "fleet" in document:
        return _month(path, document)
    _only(document, {"schema", "as_of", "azure", "defaults", "servers"}, f"{path}")
    defaults = _mapping(document.get("defaults", {}), f"{path}: defaults")
    if "name" in defaults:
        raise FleetError(f"{path}: defaults cannot hold 'name'.")
    rows = document.get("servers")
    if not isinstance(rows, list) or not rows:
        raise FleetError(f"{path}: 'servers' must be a list with at least one server.")
    servers: list[ServerSpec] = []
    for number, row in enumerate(rows, 1):
        where = f"{path}: server {number}"
        plain = _mapping(row, where)
        servers.append(server_from({**defaults, **plain}, f"{path}: server {plain.get('name', number)}"))
    return Fleet(_distinct(servers, path), _day(document.get("as_of"), path), str(path), _azure(document, path))


def _azure(document: Mapping[str, Any], path: Path) -> AzureSettings:
    where = f"{path}: azure"
    try:
        return azure_settings(_mapping(document.get("azure", {}), where), where)
    except AzureSettingsError as error:
        raise FleetError(str(error)) from error


def _month(path: Path, document: Mapping[str, Any]) -> Fleet:
    _only(document, {"schema", "fleet", "as_of", "servers"}, f"{path}")
    if not isinstance(document["fleet"], str):
        raise FleetError(f"{path}: 'fleet' must be the path of a fleet file.")
    fleet = load_fleet(path.parent / document["fleet"])
    changes = _mapping(document.get("servers", {}), f"{path}: servers")
    known = {server.name for server in fleet.servers}
    for name in changes:
        if name not in known:
            raise FleetError(f"{path}: there is no server {name!r} in {fleet.source}.")
    servers: list[ServerSpec] = []
    for server in fleet.servers:
        row = _mapping(changes.get(server.name, {}), f"{path}: server {server.name}")
        if "name" in row:
            raise FleetError(f"{path}: server {server.name}: the name cannot be changed by a month.")
        shown = {item.name: getattr(server, item.name) for item in fields(server)}
        servers.append(server_from({**shown, **row}, f"{path}: server {server.name}") if row else server)
    as_of = _day(document.get("as_of"), path) or fleet.as_of
    return Fleet(_distinct(servers, path), as_of, str(path), fleet.azure)


def with_date(fleet: Fleet, as_of: date | None) -> Fleet:
    """The fleet looked at on another day; None leaves its own."""
    return fleet if as_of is None else replace(fleet, as_of=as_of)


def server_from(row: Mapping[str, Any], where: str) -> ServerSpec:
    """One server from its keys.

    :raises FleetError: a key or a value the lab does not know.
    """
    kinds = {item.name for item in fields(ServerSpec)}
    _only(row, kinds, where)
    name = row.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FleetError(f"{where}: 'name' must be a host name.")
    values = dict(row)
    for key in ("core", "enrolled", "opted_out", "secure_boot", "offers_old_baseline", "hotpatch_in_quick_fixes"):
        _typed(values, key, bool, "true or false", where)
    _typed(values, "dma_protection", bool, "true or false", where)
    if values.get("virtualization") is not None:
        _typed(values, "virtualization", bool, "true or false", where)
    for key in ("second_restart", "microsoft_update", "web_site"):
        _typed(values, key, bool, "true or false", where)
    _typed(values, "cores", int, "a whole number", where)
    for key in ("free_gb", "clock_skew_seconds"):
        _typed(values, key, (int, float), "a number", where)
    for key in ("level", "previous_level", "username"):
        _typed(values, key, str, "text", where)
    for key in ("password", "domain"):
        _typed(values, key, (str, type(None)), "text", where)
    _choice(values, "product", tuple(PRODUCTS), where)
    _choice(values, "arc", ARC_STATES, where)
    for key, inside in (("arc_resource", ARC_RESOURCE), ("azure_vm", AZURE_VM)):
        values[key] = _mapping(values.get(key, {}), f"{where}: {key}")
        _only(values[key], set(inside), f"{where}: {key}")
        for inner in values[key]:
            _typed(values[key], inner, str, "text", f"{where}: {key}")
    _choice(values["azure_vm"], "orchestration", ("Flexible", "Uniform"), f"{where}: azure_vm")
    _choice(values["azure_vm"], "provision_vm_agent", ("true", "false"), f"{where}: azure_vm")
    _choice(values, "firmware", FIRMWARE, where)
    _choice(values, "tpm", TPMS, where)
    _choice(values, "platform", PLATFORMS, where)
    _choice(values, "network", NETWORKS, where)
    if values.get("vbs", 2) not in (0, 1, 2, "unreadable") or isinstance(values.get("vbs"), bool):
        raise FleetError(f"{where}: 'vbs' must be 0, 1, 2 or unreadable, not {values['vbs']!r}.")
    for key, known in (
        ("restart_pending", PENDING_SOURCES),
        ("roles", ROLES),
        ("other_updates", OTHER_UPDATES),
        ("groups", None),
        ("extra_kbs", None),
    ):
        _texts(values, key, known, where)
    for kb in values.get("extra_kbs", ()):
        if not _KB.fullmatch(kb):
            raise FleetError(f"{where}: 'extra_kbs' holds {kb!r}; a KB looks like KB5066835.")
    if "winrm" in values and not isinstance(values["winrm"], WinRmSettings):
        values["winrm"] = _winrm(values["winrm"], where)
    for key in ("policy", "domain_policy", "mdm_policy"):
        values[key] = _policy(values.get(key, {}), f"{where}: {key}", known=key != "mdm_policy")
    if values.get("local_update_option") not in (None, 1, 2, 3, 4, 5):
        raise FleetError(f"{where}: 'local_update_option' must be a number from 1 to 5.")
    if values.get("wsus") is not None:
        _texts(values, "wsus", None, where)
    values["registry"] = _registry(values.get("registry", {}), f"{where}: registry")
    values["vars"] = _mapping(values.get("vars", {}), f"{where}: vars")
    values["faults"] = _faults(values.get("faults", ()), where)
    spec = ServerSpec(**values)
    _check_together(spec, where)
    return spec


def _policy(raw: Any, where: str, *, known: bool) -> dict[str, str | int]:
    """Policy values by their names; ``known``: the lab has to know where the value stands, and of which type it is."""
    values = dict(_mapping(raw, where))
    for name, value in values.items():
        found = policy_place(name) if known else None
        if known and found is None:
            raise FleetError(f"{where}: the lab knows no policy value {name!r}.")
        fits = isinstance(value, str | int) and not isinstance(value, bool)
        if not fits or (found is not None and isinstance(value, int) != (found[2] == REG_DWORD)):
            kind = "a number or a text" if found is None else "a number" if found[2] == REG_DWORD else "a text"
            raise FleetError(f"{where}: {name!r} must be {kind}, not {value!r}.")
    return values


def _registry(raw: Any, where: str) -> dict[str, dict[str, str | int]]:
    """Further registry values by key and name, for what has no key of its own in a fleet file."""
    keys: dict[str, dict[str, str | int]] = {}
    for path, values in _mapping(raw, where).items():
        if not re.match(r"HKLM\\[^\\]", path):
            raise FleetError(f"{where}: {path!r} must begin with HKLM\\.")
        keys[path] = {}
        for name, data in _mapping(values, f"{where}: {path}").items():
            if not isinstance(data, str | int) or isinstance(data, bool):
                raise FleetError(f"{where}: {path}: {name!r} must be a number or a text, not {data!r}.")
            keys[path][name] = data
    return keys


def _check_together(spec: ServerSpec, where: str) -> None:
    product = spec.product_data
    if spec.web_site and "web" not in spec.roles:
        raise FleetError(f"{where}: 'web_site' needs the role web, whose service runs it.")
    if spec.domain_policy and spec.domain is None:
        raise FleetError(f"{where}: 'domain_policy' needs 'domain': only a member has policies of a domain.")
    if edition_of(product, spec.edition) is None:
        allowed = ", ".join(edition_ids(product))
        raise FleetError(f"{where}: {spec.product} has no edition {spec.edition!r}; it has {allowed}.")
    if spec.level not in ("rtm", PREVIEW) and find_update(product.rows, product.build, spec.level) is None:
        raise FleetError(
            f"{where}: 'level' {spec.level!r} is no update of the catalogue with a known build for {spec.product}; "
            "give a KB such as KB5068966, or rtm."
        )
    before = find_update(product.rows, product.build, spec.previous_level)
    if spec.previous_level not in ("", "rtm") and (before is None or before.is_hotpatch):
        raise FleetError(
            f"{where}: 'previous_level' {spec.previous_level!r} is no cumulative update of the catalogue with a known "
            f"build for {spec.product}."
        )


def _faults(raw: Any, where: str) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(raw, list | tuple):
        raise FleetError(f"{where}: 'faults' must be a list.")
    checked: list[Mapping[str, Any]] = []
    for item in raw:
        try:
            checked.append(check_fault(_mapping(item, f"{where}: faults")))
        except FaultError as error:
            raise FleetError(f"{where}: {error}") from error
    return tuple(checked)


def _winrm(raw: Any, where: str) -> WinRmSettings:
    row = dict(_mapping(raw, f"{where}: winrm"))
    _only(row, {item.name for item in fields(WinRmSettings)}, f"{where}: winrm")
    for key in ("encryption_required", "many_rows_first"):
        _typed(row, key, bool, "true or false", f"{where}: winrm")
    _texts(row, "transports", ("basic", "negotiate"), f"{where}: winrm")
    return WinRmSettings(**row)


def _read(path: Path) -> Mapping[str, Any]:
    if yaml is None:
        raise FleetError("The lab needs PyYAML to read a fleet file; it comes with ansible-core.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FleetError(f"{path}: the fleet file cannot be read: {error}") from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FleetError(f"{path}: the fleet file is not YAML: {error}") from error
    plain = _mapping(document, str(path))
    if plain.get("schema") != 1:
        raise FleetError(f"{path}: 'schema' must be 1, the only one this lab reads.")
    return plain


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise FleetError(f"{where}: keys and values are expected here.")
    return value


def _only(row: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in row:
        if key not in known:
            raise FleetError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}.")


def _typed(values: Mapping[str, Any], key: str, kind: Any, words: str, where: str) -> None:
    if key not in values:
        return
    value = values[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise FleetError(f"{where}: {key!r} must be {words}, not {value!r}.")


def _choice(values: Mapping[str, Any], key: str, known: tuple[str, ...], where: str) -> None:
    if key in values and values[key] not in known:
        raise FleetError(f"{where}: {key!r} must be one of {', '.join(known)}, not {values[key]!r}.")


def _texts(values: dict[str, Any], key: str, known: tuple[str, ...] | None, where: str) -> None:
    if key not in values:
        return
    items = values[key]
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise FleetError(f"{where}: {key!r} must be a list of texts.")
    for item in items:
        if known is not None and item not in known:
            raise FleetError(f"{where}: {key!r} holds {item!r}; known are {', '.join(known)}.")
    values[key] = tuple(items)


def _day(value: Any, path: Path) -> date | None:
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise FleetError(f"{path}: 'as_of' must be a day such as 2025-12-20, not {value!r}.") from error


def _distinct(servers: list[ServerSpec], path: Path) -> tuple[ServerSpec, ...]:
    seen: set[str] = set()
    for server in servers:
        if server.name.lower() in seen:
            raise FleetError(f"{path}: two servers are called {server.name!r}.")
        seen.add(server.name.lower())
    return tuple(servers)

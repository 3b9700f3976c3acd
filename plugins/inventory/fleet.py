# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows servers of Azure Arc and Azure as an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: Windows servers of Azure Arc and Azure as an inventory, grouped by how they stand with hotpatching
version_added: 0.2.0
description:
  - Takes the Windows machines of Azure Arc and the Windows virtual machines of Azure from Azure Resource Graph, a
    thousand with each query, and groups them by product, track, enrollment, status, region and tags.
  - What is known of a machine is in its variable C(hotpatch_azure), with the keys of M(winops.hotpatch.fleet_info).
    C(hotpatch_enrolled) and C(hotpatch_opted_out), which the roles of this collection heed, are set where Azure knows
    them, so that a month is planned by what Azure says and not by a hint on the server. C(hotpatch_azure_machine) is
    the resource id, so that the roles that work in Azure need not be told which machine a server is.
  - Resource Graph lags by seconds to minutes behind what happens, and a cache by up to its timeout.
  - Azure does not know how to log in to a server. Set C(ansible_host) and its like with O(compose), and the account in
    C(group_vars).
  - Texts that come from Azure are never taken as templates, and become part of the name of a group only with other
    characters than letters, digits and underscores replaced.
  - The file's name is C(fleet.yml), or ends with C(.fleet.yml) or C(hotpatch_fleet.yml) (or C(.yaml)).
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.azure.account
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - azure-core, azure-identity (for the Python of ansible-core; meta/azure-requirements.txt)
options:
  plugin:
    description: Says that this file is for this plugin.
    type: str
    required: true
    choices: [winops.hotpatch.fleet]
  subscriptions:
    description:
      - Ids of the subscriptions to look into. The default is O(subscription_id), and where there is none, everything
        that the account may read.
    type: list
    elements: str
  resource_groups:
    description: Only machines of these resource groups.
    type: list
    elements: str
  locations:
    description: Only machines of these regions, such as V(westeurope) or V(West Europe).
    type: list
    elements: str
  tags:
    description:
      - Only machines that have all of these tags. Case does not matter in values, but does in names. An empty value
        means any.
    type: dict
  kinds:
    description: V(arc) for Arc machines, V(vm) for virtual machines of Azure.
    type: list
    elements: str
    choices: [arc, vm]
    default: [arc, vm]
  hostnames:
    description:
      - What a host is called, the first of these that a machine has. Machines of one name get eight more characters,
        made from their ids.
    type: list
    elements: str
    choices: [name, computer_name, fqdn]
    default: [name]
  group_by:
    description:
      - Which groups are made. V(kind) makes C(azure_arc) and C(azure_vm), V(product) C(product_windows_server_2025) and
        so on, V(track) C(track_hotpatch), C(track_lcu), C(track_off_track) and C(track_unknown), V(enrollment)
        C(enrollment_enrolled), C(enrollment_paused) and so on, V(hotpatch_status) C(hotpatch_status_enabled) and so on,
        V(agent_status) C(agent_connected) and so on, V(location) C(location_westeurope) and so on, V(resource_group)
        C(resource_group_NAME), V(tags) C(tag_NAME_VALUE).
      - What is not known goes into a group that ends with C(unknown); a virtual machine has no agent status.
    type: list
    elements: str
    choices: [kind, product, track, enrollment, hotpatch_status, agent_status, location, resource_group, tags]
    default: [kind, product, track, enrollment, hotpatch_status, agent_status, location, tags]
  as_of:
    description: The day that is taken as today when tracks are judged, C(YYYY-MM-DD). Defaults to today in UTC.
    type: str
  catalogue:
    description:
      - A catalogue file of your own, merged over the one that comes with the collection, for judging tracks.
    type: path
seealso:
  - module: winops.hotpatch.fleet_info
"""

EXAMPLES = r"""
---
# fleet.yml: all that the account may read; the account comes from the environment (AZURE_CLIENT_ID and its like)
plugin: winops.hotpatch.fleet

---
# production.hotpatch_fleet.yml: the production servers of a region, reached by their full names over WinRM
plugin: winops.hotpatch.fleet
subscription_id: 00000000-0000-0000-0000-000000000000
locations: [westeurope]
tags:
  stage: prod
# What is the same for all hosts is better in group_vars: Ansible evaluates each of these for each host anew.
compose:
  ansible_host: hotpatch_azure.fqdn or hotpatch_azure.name
  ansible_connection: "'winrm'"
groups:
  # Reachable by their agents and not on the track although they are enrolled.
  look_at: hotpatch_azure.enrolled and hotpatch_azure.track not in ('hotpatch', 'unknown')
keyed_groups:
  - key: hotpatch_azure.tags.site
    prefix: site
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/hotpatch-fleet
cache_timeout: 900

---
# vms.fleet.yml: Azure VMs of two regions, by resource group
plugin: winops.hotpatch.fleet
kinds: [vm]
locations: [westeurope, uksouth]
hostnames: [computer_name, name]
group_by: [resource_group, track]
"""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.winops.hotpatch.plugins.module_utils._azure import fleet
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.arm import arm_for
from ansible_collections.winops.hotpatch.plugins.module_utils._azure.credential_options import CREDENTIAL_OPTIONS
from ansible_collections.winops.hotpatch.plugins.module_utils._eligibility.platform_kind import AZURE_VM
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError

_FILE = re.compile(r"(?:.*\.)?(?:hotpatch_)?fleet\.ya?ml", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,253}")
#: These mean something to Ansible itself.
_TAKEN = ("all", "ungrouped", "localhost")
_PREFIXES = {
    "product": "product",
    "track": "track",
    "enrollment": "enrollment",
    "hotpatch_status": "hotpatch_status",
    "agent_status": "agent",
    "location": "location",
    "resource_group": "resource_group",
}
#: The form of what is kept in the cache; another one is read anew.
_FORM = 1


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    NAME = "winops.hotpatch.fleet"

    def verify_file(self, path: str) -> bool:
        """Whether a file is for this plugin, by its name."""
        return bool(super().verify_file(path)) and _FILE.fullmatch(path.rsplit("/", 1)[-1]) is not None

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory."""
        super().parse(inventory, loader, path)
        self._read_config_data(path)
        try:
            machines = self._machines(path, cache)
        except HotpatchError as error:
            raise AnsibleParserError(error.sentence()) from error
        self._fill(machines)

    # From Azure or from the cache

    def _machines(self, path: str, cache: bool) -> list[dict[str, Any]]:
        """The machines, from the cache where it may be used and holds them."""
        params = self._params()
        wanted = fleet.narrowed(params)
        keeps = bool(self.get_option("cache"))
        judged = {name: self.get_option(name) for name in ("as_of", "catalogue")}
        key = f"{self.get_cache_key(path)}_{_fingerprint({**params, **judged})}"
        if keeps and cache:
            try:
                return _unpacked(self._cache[key])
            except KeyError:
                pass  # not there, too old, or in another form
        # Here, not above: an answer from the cache needs none of it, and loading it would take a part of that time.
        from ansible_collections.winops.hotpatch.plugins.module_utils._core.knowledge import (
            catalogue_at,
            day_in,
        )

        arm = arm_for(params, environment=os.environ)
        catalogue = catalogue_at(day_in({**judged, "month": None}, datetime.now(UTC).date()), judged["catalogue"])
        found = fleet.machines(arm, wanted, fleet.scope_of(params, arm), catalogue)
        if keeps:
            # One text: a cache plugin that looks into every value would take longer than Azure.
            self._cache[key] = {"form": _FORM, "machines": json.dumps(found)}
        return found

    def _params(self) -> dict[str, Any]:
        """The options; those of the account may be templates, such as a lookup of a secret."""
        account = {name: self._own(self.get_option(name)) for name in CREDENTIAL_OPTIONS}
        return {**account, **{name: self.get_option(name) for name in fleet.NARROWING_OPTIONS}}

    def _own(self, value: Any) -> Any:
        """What a person wrote in the file is theirs: templates in it count."""
        return self.templar.template(value) if isinstance(value, str) else value

    # Into the inventory

    def _fill(self, machines: list[dict[str, Any]]) -> None:
        group_by = self.get_option("group_by")
        groups: dict[str, list[str]] = {}
        for host, machine in self._named(machines):
            self.inventory.add_host(host)
            # At the host itself: the inventory's own way marks each text with the file it is from, which takes longer
            # than all the rest. Texts without marks are no templates.
            variables = self.inventory.get_host(host)
            for name, value in _variables(machine).items():
                variables.set_variable(name, value)
            for group in _groups(machine, group_by):
                groups.setdefault(group, []).append(host)
            self._construct(host)
        for group, hosts in groups.items():
            self.inventory.add_group(group)
            for host in hosts:
                self.inventory.add_child(group, host)

    def _construct(self, host: str) -> None:
        compose, groups, keyed = (self.get_option(name) for name in ("compose", "groups", "keyed_groups"))
        if not (compose or groups or keyed):
            return
        strict = self.get_option("strict")
        variables = self.inventory.get_host(host).get_vars()
        self._set_composite_vars(compose, variables, host, strict=strict)
        self._add_host_to_composed_groups(groups, variables, host, strict=strict)
        self._add_host_to_keyed_groups(keyed, variables, host, strict=strict)

    def _named(self, machines: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each machine with the name of its host; one that has no usable name is left out, and said."""
        order = self.get_option("hostnames")
        named: list[tuple[str, dict[str, Any]]] = []
        for machine in machines:
            host = next((name for key in order if (name := _usable(machine.get(key)))), None)
            if host is None:
                self.display.warning(f"{machine['id']} is left out: it has no name that a host can have.")
            else:
                named.append((host, machine))
        times = Counter(host.lower() for host, _machine in named)
        for host, machine in named:
            if times[host.lower()] > 1:
                digest = hashlib.sha256(machine["id"].lower().encode()).hexdigest()[:8]
                host = f"{host}_{digest}"
            yield host, machine


def _fingerprint(params: Mapping[str, Any]) -> str:
    """Which machines, of whose subscription: what is kept for one question does not answer another. No secret in it."""
    named = (
        *fleet.NARROWING_OPTIONS,
        "subscription_id",
        "cloud_environment",
        "client_id",
        "profile",
        "as_of",
        "catalogue",
    )
    text = json.dumps({name: params.get(name) for name in named}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _unpacked(kept: Any) -> list[dict[str, Any]]:
    """:raises KeyError: it is nothing that this plugin has kept."""
    if not isinstance(kept, Mapping) or kept.get("form") != _FORM:
        raise KeyError("another form")
    try:
        machines = json.loads(str(kept["machines"]))
    except ValueError:
        raise KeyError("no list") from None
    if not isinstance(machines, list):
        raise KeyError("no list")
    return machines


def _usable(name: Any) -> str | None:
    if not isinstance(name, str) or not _HOST.fullmatch(name) or name.lower() in _TAKEN:
        return None
    return name


def _variables(machine: Mapping[str, Any]) -> dict[str, Any]:
    """What is not known is not set, so that a person's own group_vars count."""
    known = {
        "hotpatch_azure_machine": machine["id"],
        "hotpatch_enrolled": machine["enrolled"],
        "hotpatch_opted_out": machine["opted_out"],
        "hotpatch_platform": AZURE_VM if machine["kind"] == "vm" else None,
    }
    return {"hotpatch_azure": machine, **{name: value for name, value in known.items() if value is not None}}


def _groups(machine: Mapping[str, Any], group_by: list[str]) -> Iterator[str]:
    for key in group_by:
        if key == "kind":
            yield f"azure_{machine['kind']}"
        elif key == "tags":
            for name, value in machine["tags"].items():
                yield _safe(f"tag_{name}_{value}" if value else f"tag_{name}")
        elif key != "agent_status" or machine["kind"] == "arc":
            yield _safe(f"{_PREFIXES[key]}_{machine[key] or 'unknown'}")


@lru_cache(maxsize=4096)
def _safe(text: str) -> str:
    """The name of a group: nothing in it that means something to a pattern of hosts."""
    return re.sub(r"[^a-z0-9_]", "_", text.lower())

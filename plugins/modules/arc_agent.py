#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: arc_agent
short_description: Install, configure, connect and disconnect the Azure Connected Machine agent of a Windows server
version_added: 0.2.0
description:
  - Brings a server to Azure Arc, which Windows Server 2025 Standard and Datacenter need for hotpatches, and keeps the
    agent as you want it. Running it again changes nothing.
  - Connected to another tenant, subscription, resource group, name or region is an error and never "ok". Disconnected,
    expired and "the resource was deleted" are three conditions with three remedies; see RV(condition).
  - A login goes to the agent by a file in a folder that only SYSTEM and Administrators may enter, and is deleted in
    every case. It never stands on a command line.
  - Nothing of a package is run before its signature by Microsoft Corporation, and O(sha256) where given, is verified.
  - Refuses Azure VMs and Azure Local hosts. On virtual machines of Azure Local, and where that is not known, only the
    local form of disconnecting is used, because the plain one can delete the machine.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.connection
options:
  state:
    description:
      - V(connected) installs the agent where it is missing, applies the settings, checks the endpoints and connects.
      - V(installed) installs and configures, and leaves the connection alone.
      - V(disconnected) takes the server out of Azure and leaves the agent installed. This deletes its resource in
        Azure, unless O(force_local_only).
      - V(absent) disconnects, then removes the agent.
    type: str
    choices: [connected, installed, disconnected, absent]
    default: connected
  version:
    description:
      - The lowest version that will do, such as V(1.58). An older agent is upgraded; a newer one is never downgraded.
    type: str
  installer_url:
    description:
      - Address of the package, downloaded by the server itself with curl.exe through O(proxy_url). Redirects are
        followed, certificates are verified, and only https is used.
      - Defaults to Microsoft's newest, V(https://aka.ms/AzureConnectedMachineAgent).
      - An address with a login or a query is refused, because it stands on a command line.
    type: str
  installer_path:
    description:
      - Package on the machine that runs the task, uploaded over WinRM in parts. An upload that was cut off goes on
        where it ended.
    type: path
  installer_share:
    description:
      - UNC path of the package. A command over WinRM has no credentials to pass on, so the share must let the
        connection in, by O(transport=credssp), Kerberos delegation, or everybody's access.
    type: str
  installer_remote_path:
    description: Full path of the package on the server.
    type: str
  sha256:
    description: SHA-256 that the package must have.
    type: str
  verify_signature:
    description:
      - Whether the package must have a valid Authenticode signature of Microsoft Corporation.
      - May be V(false) only together with O(sha256). A signature that cannot be read is not valid.
    type: bool
    default: true
  subscription_id:
    description: Id of the subscription. Needed to connect.
    type: str
  resource_group:
    description: Name of the resource group. Needed to connect.
    type: str
  tenant_id:
    description: Id of the tenant. Needed with a service principal.
    type: str
  location:
    description: Azure region, such as V(westeurope). Needed to connect.
    type: str
  resource_name:
    description: Name of the resource. Defaults to the host name.
    type: str
  cloud:
    description: The Azure cloud. The agent takes V(AzureCloud) when nothing is said.
    type: str
    choices: [AzureCloud, AzureUSGovernment, AzureChinaCloud]
  tags:
    description:
      - Tags that the resource gets when the server is connected. They are not compared or changed afterwards, because
        the agent does not show them.
    type: dict
    default: {}
  correlation_id:
    description: A GUID by which Azure's telemetry tells how servers were connected.
    type: str
  private_link_scope:
    description:
      - Resource id of an Azure Arc private link scope, given to the agent when the server is connected.
      - A server that is connected already and shows another scope, or none, is left as it is, with a warning.
    type: str
  gateway_id:
    description:
      - Resource id of an Azure Arc gateway, given to the agent when the server is connected. It is not compared
        afterwards, because the agent does not show it.
    type: str
  service_principal_id:
    description:
      - Application id of a service principal. The role Azure Connected Machine Onboarding is enough to connect; to
        disconnect it needs Azure Connected Machine Resource Administrator.
    type: str
  service_principal_secret:
    description: Secret of O(service_principal_id).
    type: str
  service_principal_certificate:
    description:
      - Certificate of O(service_principal_id) with its private key, PEM or PFX without a password, on the machine that
        runs the task. It is uploaded beside the login's file and deleted with it.
    type: path
  service_principal_certificate_thumbprint:
    description: Thumbprint of a certificate of O(service_principal_id) in the server's own certificate store.
    type: str
  access_token:
    description: Access token for Azure Resource Manager. It lives for about an hour.
    type: str
  connect_config:
    description:
      - File on the machine that runs the task, JSON or YAML, with the agent's own option names, as issued for
        C(azcmagent connect --config). Other options of this module win over what it holds.
    type: path
  proxy_url:
    description:
      - The agent's proxy, C(http://host:port), set before connecting and used for the download. An empty text clears
        it. The agent knows no login to a proxy.
    type: str
  proxy_bypass:
    description: Services that do not go through the proxy. An empty list clears the setting.
    type: list
    elements: str
    choices: [AAD, ARM, AMA, Arc, ArcData]
  extensions_allowlist:
    description: Extensions that may be installed, C(Publisher/Type). An empty list clears the setting.
    type: list
    elements: str
  extensions_blocklist:
    description: Extensions that may not be installed, C(Publisher/Type). An empty list clears the setting.
    type: list
    elements: str
  incoming_connections:
    description: Whether Azure may open connections to the server (SSH, Windows Admin Center).
    type: bool
  guest_configuration:
    description: Whether machine configuration (Azure Policy in the server) is on.
    type: bool
  mode:
    description: V(monitor) limits the agent to monitoring and security; then it fixes the extension lists itself.
    type: str
    choices: [full, monitor]
  check_endpoints:
    description:
      - Before connecting, the agent's own network check is run and O(endpoints) are asked for from the server.
      - V(enforce) refuses to connect when one cannot be reached, V(report) only tells, V(skip) asks for none.
    type: str
    choices: [enforce, report, skip]
    default: enforce
  endpoints:
    description:
      - Host names beside those that the agent's own check knows. Hotpatch needs V(dls.microsoft.com) for its licence.
    type: list
    elements: str
    default: [dls.microsoft.com]
  allow_identity_reset:
    description:
      - Whether a server whose identity has expired, or whose resource was deleted in Azure, may be connected anew.
      - The new identity inherits no role assignment. Record those of the old one before.
    type: bool
    default: false
  reconnect:
    description:
      - Whether a server that is connected to another place may be moved. Within a tenant the old resource is deleted
        with the login given; else it stays, with a warning.
    type: bool
    default: false
  force_local_only:
    description: With O(state=disconnected) or O(state=absent), leave the resource in Azure where it is.
    type: bool
    default: false
  timeout:
    description: Seconds for each of the download, the installer and the connecting.
    type: int
    default: 900
  wait_timeout:
    description: Seconds that the agent is waited for after something was done to it, until it answers or has contact.
    type: int
    default: 60
  poll_interval:
    description: Seconds between two looks.
    type: float
    default: 5
attributes:
  diff_mode:
    description: Returns the agent's state and settings before and after.
    support: full
notes:
  - The agent writes the output of its commands, not the files given to it, into C(azcmagent.log) on the server.
  - The role P(azure.azcollection.azure_arc#role) connects Linux servers and servers that have no such demands.
seealso:
  - module: winops.hotpatch.host_info
"""

EXAMPLES = r"""
- name: Install the agent that was tested, uploaded from the controller
  winops.hotpatch.arc_agent:
    state: installed
    installer_path: "{{ playbook_dir }}/files/AzureConnectedMachineAgent.msi"

- name: Connect the server with a service principal
  winops.hotpatch.arc_agent:
    subscription_id: 0b9d6a52-3a6e-4f2b-8d11-2f1c7d2e9b33
    resource_group: rg-arc-servers
    tenant_id: 6f1e2c4a-2f0b-4f0e-9a51-6a4d6f8f2b10
    location: westeurope
    service_principal_id: 3f6d0a11-7c52-4f5e-8f0a-2f6d1c9b7e21
    service_principal_secret: "{{ vault_arc_secret }}"
    tags:
      environment: production
      owner: Windows team

- name: Let only the monitoring agent be installed as an extension
  winops.hotpatch.arc_agent:
    state: installed
    extensions_allowlist: [Microsoft.Azure.Monitor/AzureMonitorWindowsAgent]
    incoming_connections: false
"""

RETURN = r"""
condition:
  description:
    - How the server stands with Azure Arc now (in check mode, before).
    - V(absent), V(not_connected), V(connected), V(disconnected) (no contact; the identity is good), V(expired) (the
      identity is not), V(resource_deleted), V(unknown), or that it belongs elsewhere, V(other_tenant), V(other_cloud),
      V(other_subscription), V(other_resource_group), V(other_resource_name), V(other_location).
    - An error carries it too, with RV(remedy).
  returned: when the agent was read
  type: str
  sample: connected
words:
  description: The condition in a sentence.
  returned: when the agent was read
  type: str
  sample: The server is connected to Azure Arc.
remedy:
  description: What to do about the condition.
  returned: when the agent was read
  type: str
  sample: null
evidence:
  description: What the condition was told by.
  returned: when the agent was read
  type: str
  sample: service running, status Connected, last heartbeat 2025-12-20T11:57:00Z
differences:
  description: How the place of the server in Azure differs from the one that is wanted.
  returned: when the agent was read
  type: list
  elements: str
  sample: []
agent:
  description: The facts of the agent, as M(winops.hotpatch.host_info) has them in C(server.arc).
  returned: when the agent was read
  type: dict
  sample: {installed: true, service: running, status: Connected, agent_version: 1.61.03319.2737}
settings:
  description: The agent's settings by their own names; null when they could not be read.
  returned: success
  type: dict
  sample: {proxy.url: '', config.mode: full}
platform:
  description:
    - Where the server runs, C(kind) being V(azure_vm), V(azure_local_host), V(azure_local_vm), V(other) or V(unknown),
      with three answers and their evidence.
  returned: when the agent was read
  type: dict
  sample: {kind: other, azure_vm: false, azure_local_host: false, azure_local_vm: false, evidence: []}
steps:
  description: What was done, in order (in check mode, what would be), each with its reason.
  returned: when the agent was read and nothing was refused
  type: list
  elements: dict
  sample: [{kind: connect, why: The agent is installed and not connected to Azure.}]
endpoints:
  description: The endpoints that were asked for, each reachable V(yes), V(no) or V(unknown).
  returned: when the agent was read and nothing was refused
  type: list
  elements: dict
  sample: [{endpoint: 'https://dls.microsoft.com', reachable: 'yes', required: true, detail: ''}]
package:
  description: The package that was installed, its SHA-256 and signer, and what the Windows Installer said.
  returned: success
  type: dict
  sample: {source: 'https://aka.ms/AzureConnectedMachineAgent', exit_code: 0, meaning: it worked}
notes:
  description: What could not be read, in words.
  returned: when the agent was read
  type: list
  elements: str
  sample: []
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import arc_agent, arc_options
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(arc_options.SPEC), arc_agent.run)


if __name__ == "__main__":
    main()

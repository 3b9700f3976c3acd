# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Azure account, which cloud, which machines: a module about machines takes all three parts, any other two."""

from __future__ import annotations


class ModuleDocFragment:
    # What every module that talks to Azure is like.
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what would change. Nothing but reads is sent to Azure.
    support: full
requirements:
  - azure-identity, azure-mgmt-hybridcompute >= 9 (on the host that runs the work; meta/azure-requirements.txt)
notes:
  - On localhost and on hosts whose connection plugin is P(ansible.builtin.winrm#connection) or
    P(ansible.builtin.psrp#connection) the work is done inside Ansible's worker on the controller, and shows its
    progress. Elsewhere, and with C(become) or C(async), it is done as a module on the task's host.
  - No resource provider is registered by itself, no licence profile is ever deleted, and the pay-as-you-go licence of
    Windows Server is never touched.
"""

    ACCOUNT = r"""
options:
  auth_source:
    description:
      - Where the account comes from. Environment variable E(ANSIBLE_AZURE_AUTH_SOURCE).
      - V(auto) takes the first that is there of these options, the environment, the section O(profile) of
        C(~/.azure/credentials), and the Azure CLI.
      - V(env) is a service principal of the environment, V(credential_file) one of the file, V(cli) the account the
        Azure CLI is logged in with, V(msi) the managed identity of the machine this runs on, V(workload_identity) that
        of a Kubernetes pod or a CI job (E(AZURE_FEDERATED_TOKEN_FILE)), V(access_token) a token that you have.
    type: str
    choices: [auto, env, credential_file, cli, msi, workload_identity, access_token]
  profile:
    description: Section of C(~/.azure/credentials). Environment variable E(AZURE_PROFILE).
    type: str
  subscription_id:
    description:
      - Subscription of the machines that are given by name. Environment variable E(AZURE_SUBSCRIPTION_ID).
    type: str
  client_id:
    description:
      - Application id of the service principal, or of a user-assigned managed identity. Environment variable
        E(AZURE_CLIENT_ID).
    type: str
  secret:
    description:
      - Secret of the service principal. Environment variables E(AZURE_SECRET) and E(AZURE_CLIENT_SECRET).
    type: str
  tenant:
    description: Tenant of the account. Environment variables E(AZURE_TENANT) and E(AZURE_TENANT_ID).
    type: str
  x509_certificate_path:
    description:
      - PEM file with the service principal's certificate and its private key, instead of O(secret). Environment
        variables E(AZURE_X509_CERTIFICATE_PATH) and E(AZURE_CLIENT_CERTIFICATE_PATH).
    type: path
  thumbprint:
    description:
      - The SHA-1 thumbprint that the certificate in O(x509_certificate_path) must have. Environment variable
        E(AZURE_THUMBPRINT).
    type: str
  access_token:
    description:
      - A token for Azure Resource Manager that you have from elsewhere, such as from a pipeline. It cannot be renewed,
        so it must outlive the task. Environment variable E(AZURE_ACCESS_TOKEN).
    type: str
  cloud_environment:
    description:
      - V(AzureCloud), V(AzureChinaCloud), V(AzureUSGovernment), or the address of an ARM endpoint, such as Azure Stack
        Hub's, that describes itself under C(/metadata/endpoints). Defaults to V(AzureCloud). Environment variable
        E(AZURE_CLOUD_ENVIRONMENT).
    type: str
  adfs_authority_url:
    description:
      - Where logins go, instead of the cloud's own address. Environment variables E(AZURE_ADFS_AUTHORITY_URL) and
        E(AZURE_AUTHORITY_HOST).
    type: str
  disable_instance_discovery:
    description:
      - Do not ask the public cloud whether O(adfs_authority_url) is known. Environment variable
        E(AZURE_DISABLE_INSTANCE_DISCOVERY).
    type: bool
  ca_path:
    description:
      - File with the authorities that may have signed the certificates of Azure's endpoints, where a proxy inspects TLS
        or the cloud is your own. Environment variable E(AZURE_CA_PATH).
    type: path
  arm_share:
    description:
      - Which part of what Azure Resource Manager allows an account (250 reads and 200 writes at once, then 25 and 10 a
        second) this task may use. Lower it when others use the same account at the same time.
    type: float
    default: 1.0
  arm_timeout:
    description: Seconds that one answer of Azure may take.
    type: int
    default: 60
"""

    MACHINES = r"""
options:
  name:
    description:
      - One machine, by its name in O(resource_group) or by its whole resource id.
      - Mutually exclusive with O(machines).
    type: str
  machines:
    description:
      - Several machines, by name in O(resource_group) or by whole resource id. They are one task, one login and one
        share of what Azure allows; each succeeds or fails for itself.
    type: list
    elements: str
  resource_group:
    description: The resource group of the machines that are given by name.
    type: str
"""

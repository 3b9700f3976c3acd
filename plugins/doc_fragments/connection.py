# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server is reached."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  address:
    description:
      - Host name or IP address of the server.
      - Leave this out on hosts whose connection plugin is P(ansible.builtin.winrm#connection) or
        P(ansible.builtin.psrp#connection). Address, account, transport and every other setting are then taken from the
        host's own connection options, and the work is done inside Ansible's worker, without starting another Python.
      - Set it to run this on another host with Python, such as a jump host, that reaches the server.
    type: str
  port:
    description:
      - WinRM port. Defaults to 5986 with O(scheme=https) and 5985 with O(scheme=http).
      - Used only with O(address), as are all options down to O(connection_timeout).
    type: int
  scheme:
    description: Whether WinRM is spoken over TLS.
    type: str
    choices: [http, https]
    default: https
  username:
    description: Account to log in with. It must be an administrator of the server.
    type: str
  password:
    description: Password of O(username).
    type: str
  transport:
    description: Authentication methods, tried in this order.
    type: list
    elements: str
    choices: [basic, ntlm, kerberos, credssp, certificate]
    default: [ntlm]
  validate_certs:
    description: Whether the server's TLS certificate must verify.
    type: bool
    default: true
  ca_path:
    description: File with the authorities that may have signed the server's certificate.
    type: path
  certificate:
    description: Client certificate (PEM) for O(transport=certificate).
    type: path
  certificate_key:
    description: Private key (PEM) of O(certificate).
    type: path
  connection_timeout:
    description: Seconds the server may take for one answer.
    type: int
    default: 30
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what would change without changing the server.
    support: full
requirements:
  - pywinrm >= 0.5.0 (on the host that runs the work)
notes:
  - The account must be an administrator of the server. A local account other than the built-in Administrator gets a
    filtered token over the network unless C(LocalAccountTokenFilterPolicy) is 1; reads are then denied and reported so.
  - C(become) is refused. Work that must run as SYSTEM is done by a scheduled task on the server.
"""

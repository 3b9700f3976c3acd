#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_check
short_description: Record what runs on a Windows server, and prove that it runs again
version_added: 0.2.0
description:
  - Before a restart or an update, O(mode=record) records which services run and, with O(checks), whether the server's
    workload answers and how fast.
  - Afterwards, O(mode=prove) waits until every service that ran runs again and every check passes. When that is not
    proven in O(timeout), the module fails and says of each check what was seen. What is unknown is never a pass.
  - A server may answer WinRM before its services run, and may restart a second time. So everything is looked at again
    and again, each look has its own time limit, and a boot seen meanwhile makes all looks before it void.
  - One look decides nothing, since a probe lies now and then. See O(successes_in_a_row) and O(attempts).
  - Nothing is changed on the server, so RV(ignore:changed) is always V(false).
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.connection
options:
  mode:
    description: Whether to record what the server does now, or to prove that it does it.
    type: str
    choices: [record, prove]
    default: prove
  before:
    description:
      - With O(mode=prove), the RV(record) that O(mode=record) returned.
      - Without it only O(checks) are proven.
    type: dict
  automatic_services:
    description:
      - With O(mode=record), whether the services that start with Windows and run now are recorded.
      - Those that are known to stop by themselves, such as Windows Update's own, are left out.
    type: bool
    default: true
  services:
    description: With O(mode=record), further services to record, however they start.
    type: list
    elements: str
    default: []
  ignore_services:
    description:
      - Services that need not run again, such as those that stop by themselves. A star at the end stands for any rest.
      - With O(mode=record), a service that O(services) names is recorded all the same.
    type: list
    elements: str
    default: []
  checks:
    description:
      - What else must work. With O(mode=record) the checks are measured, as something to compare with.
      - V(tcp) and V(http) look from where this runs, usually the controller, as a client of the server would. To look
        from the server itself, use V(command) with C(curl.exe).
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Whether to look at a Windows service, a TCP port, a web page, or a command on the server.
        type: str
        choices: [service, tcp, http, command]
        required: true
      name:
        description: What messages and results call this check. Defaults to words made of what it looks at.
        type: str
      timeout:
        description: Seconds for one look. What does not answer in that time has not passed.
        type: float
        default: 10
      max_seconds:
        description:
          - How many seconds a look may take and still pass. Keep it below O(checks[].timeout).
          - The time of a V(command) includes the way to the server and back.
        type: float
      max_slowdown:
        description:
          - How many times as long as in the record a look may take and still pass. A time below a tenth of a second in
            the record is taken as one.
          - When O(before) holds no time of a check of this name, the answer is unknown. It plays no part with
            O(mode=record).
        type: float
      service:
        description: Name of the service, such as V(W3SVC). Required for V(service).
        type: str
      state:
        description: What the service must do.
        type: str
        choices: [running, stopped, any]
        default: running
      start_mode:
        description: How the service must start.
        type: str
        choices: [auto, manual, disabled]
      host:
        description: Host of the port. Defaults to the server itself, by the address of its connection.
        type: str
      port:
        description: The TCP port. Required for V(tcp).
        type: int
      url:
        description: Address of the page. Required for V(http). Its query is not shown in results.
        type: str
      status:
        description: The HTTP statuses that are right.
        type: list
        elements: int
        default: [200]
      contains:
        description: Text that must stand in the page (in its first MiB) or in the standard output of the command.
        type: str
      redirects:
        description: How many redirects are followed. With V(0), a redirect is the answer.
        type: int
        default: 3
      validate_certs:
        description: Whether the TLS certificate must verify.
        type: bool
        default: true
      ca_path:
        description:
          - File with the authorities that may have signed the certificate.
          - Defaults to the environment variable E(REQUESTS_CA_BUNDLE), else to those that come with Python's requests.
        type: path
      username:
        description: Account for Basic authentication. It is not sent on to another host by a redirect.
        type: str
      password:
        description: Password of O(checks[].username).
        type: str
      program:
        description:
          - Program to run on the server, in the command shell of WinRM. Required for V(command).
          - It is run at each look, so it must change nothing. It is not run in check mode.
        type: str
      arguments:
        description:
          - Arguments of the program, each one quoted for it.
          - They show in results and in the server's logs, so they are no place for a secret. A percent sign or an
            exclamation mark is refused, because C(cmd.exe) may expand it.
        type: list
        elements: str
        default: []
      exit_codes:
        description: The exit codes that are right.
        type: list
        elements: int
        default: [0]
  delay:
    description: Seconds to wait before the first look, for example to let a server run for a while under its load.
    type: float
    default: 0
  timeout:
    description:
      - Seconds until everything must be proven. A single look may outlast it by a few seconds.
      - With O(mode=record), seconds for measuring the checks; a server that cannot be read is not waited for.
    type: int
    default: 600
  poll_interval:
    description: Seconds between two looks, at the longest.
    type: float
    default: 5
  successes_in_a_row:
    description:
      - How many good looks in a row let a check pass. Services must be good in the latest ones; any other check that
        has passed is not asked again.
    type: int
    default: 3
  attempts:
    description:
      - How many looks may be spent on that. They are counted from the first good look, because before it the server
        may just not be ready; with O(mode=record), from the first look. When they are used up, the module fails at
        once.
      - V(0) means as many as O(timeout) allows.
    type: int
    default: 20
attributes:
  check_mode:
    description: Nothing is changed in any mode. In check mode commands are not run, and are not counted.
  diff_mode:
    description: There is never a difference.
    support: none
seealso:
  - module: winops.hotpatch.restart
"""

EXAMPLES = r"""
- name: Record what runs, and how fast the workload answers
  winops.hotpatch.health_check:
    mode: record
    services: [WAS]
    checks:
      - kind: tcp
        port: "{{ ansible_port }}"
      - name: disk
        kind: command
        program: cmd.exe
        arguments: [/c, dir, 'C:\Windows']
        max_seconds: 30
    poll_interval: 0.5
  register: health

- name: Prove that it all works, for instance after a restart
  winops.hotpatch.health_check:
    before: "{{ health.record }}"
    checks:
      - kind: tcp
        port: "{{ ansible_port }}"
      - name: disk
        kind: command
        program: cmd.exe
        arguments: [/c, dir, 'C:\Windows']
        max_seconds: 30
      - kind: service
        service: W32Time
        start_mode: auto
    timeout: 900
    poll_interval: 0.5
  register: proof

- name: Show what each check came to
  ansible.builtin.debug:
    msg: "{{ proof.checks }}"
"""

RETURN = r"""
passed:
  description: V(yes) when everything was good, V(no) when something was not, V(unknown) when something was not seen.
  returned: success, or when something is not proven
  type: str
  sample: 'yes'
record:
  description:
    - What to give as O(before) later. Plain data, to be kept in a file as well.
    - Its C(version) is V(1). Among others it holds C(services), those that ran, and C(checks).
  returned: with O(mode=record)
  type: dict
  sample:
    version: 1
    server: web01
    taken: '2026-07-14T22:00:05Z'
    boot_time: '2026-04-16T01:02:03Z'
    services: [Dnscache, W32Time, W3SVC]
    services_not_running: []
    checks: [{name: 'tcp web01.example.com:443', kind: tcp, passed: 'yes', seconds: 0.004}]
checks:
  description:
    - One entry for each check, and with O(before) one of kind V(services) for the services of the record.
    - C(seconds) is the median of the good looks, C(attempts) the number of looks, C(words) what was seen.
    - With O(mode=prove), C(seconds_before) is what the record says.
  returned: success, or when something is not proven
  type: list
  elements: dict
  sample:
    - name: disk
      kind: command
      passed: 'yes'
      words: cmd.exe ended with 0
      seconds: 0.31
      seconds_before: 0.28
      attempts: 3
services_missing:
  description: Services that ran before and did not run at the latest look.
  returned: success, or when something is not proven
  type: list
  elements: str
  sample: []
boot_time:
  description: When the server has started. Null when nothing had to be asked of the server itself.
  returned: success, or when something is not proven
  type: str
  sample: '2026-07-14T22:41:10Z'
restarted:
  description: Whether the server has started anew since the record. Null without O(before).
  returned: success, or when something is not proven
  type: bool
  sample: true
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import health_check
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(health_check.SPEC), health_check.run)


if __name__ == "__main__":
    main()

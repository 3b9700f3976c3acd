#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: update_policy
short_description: Set a server's Windows Update policy, and see what restarts it by itself
version_added: 0.2.0
description:
  - Sets the Windows Update settings of Group Policy by names a person knows, as values in Group Policy's registry key.
    An option that is left out leaves its setting alone; O(not_configured) takes settings away.
  - Reads every place that decides, which are Group Policy's key, a device management, and the server's own setting as
    SConfig writes it, and returns what wins, in words, with its source and what loses.
  - Names each setting that restarts the server by itself, and with O(never_restart) refuses, before anything is
    written, to leave one standing.
  - On a member of a domain it asks the server which Group Policy object gave each value. What the domain has otherwise
    is refused, or warned of, and never overwritten in silence.
  - With no option it only reads.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.connection
options:
  automatic_updates:
    description:
      - What Windows does with updates by itself (Configure Automatic Updates).
      - V(disabled) does nothing; V(notify) notifies before the download and then installs; V(download) downloads and
        notifies before the installation; V(schedule) installs at O(install_time) and restarts; V(local_choice) leaves
        it to the server's own setting; V(notify_restart) downloads and notifies before the installation and the
        restart.
    type: str
    choices: [disabled, notify, download, schedule, local_choice, notify_restart]
  install_day:
    description: The day for V(schedule).
    type: str
    choices: [every_day, sunday, monday, tuesday, wednesday, thursday, friday, saturday]
  install_time:
    description: The hour for V(schedule), from 0 to 23, by the server's clock.
    type: int
  install_weeks:
    description: The weeks of the month for V(schedule).
    type: list
    elements: str
    choices: [every, first, second, third, fourth]
  wsus_server:
    description: The address of the update server, such as V(http://wsus.example:8530). It counts with O(use_wsus) only.
    type: str
  wsus_status_server:
    description: The address to which the server reports. Windows takes O(wsus_server) only together with it.
    type: str
  use_wsus:
    description: Whether updates come from O(wsus_server). It decides which updates are offered, hotpatches included.
    type: bool
  target_group:
    description: The group of the update server into which this server puts itself.
    type: str
  quality_updates_source:
    description: Where quality updates come from, hotpatches included, on a server that has an update server too.
    type: str
    choices: [windows_update, wsus]
  detection_frequency_hours:
    description: Hours between two searches for updates, from 1 to 22.
    type: int
  defer_quality_updates_days:
    description:
      - Days, from 0 to 30, for which quality updates are held back after their release, hotpatches included.
    type: int
  pause_quality_updates_from:
    description: The day, C(YYYY-MM-DD), from which quality updates are paused; Windows ends the pause after 35 days.
    type: str
  exclude_drivers:
    description: Whether drivers are left out.
    type: bool
  include_recommended_updates:
    description: Whether recommended updates count as important ones.
    type: bool
  microsoft_update:
    description: Whether updates of other Microsoft products are installed too.
    type: bool
  forbid_internet_locations:
    description: Whether a server with an update server may ask no other; searches of Windows Update then fail.
    type: bool
  disable_access:
    description: Whether Windows Update is shut off altogether; searches then fail, those of this collection too.
    type: bool
  no_restart_with_logged_on_users:
    description:
      - Whether a scheduled installation does not restart the server while somebody is signed in. On most servers
        nobody is, so this does not keep a server from restarting.
    type: bool
  always_restart_at_scheduled_time:
    description: Whether the server restarts after an installation, whoever is signed in.
    type: bool
  always_restart_minutes:
    description: Minutes until that restart, from 15 to 180.
    type: int
  active_hours_start:
    description: The hour, from 0 to 23, from which automatic restarts wait. Belongs to O(active_hours_end).
    type: int
  active_hours_end:
    description: The hour, from 0 to 23, until which they wait, at most 18 hours after O(active_hours_start).
    type: int
  quality_deadline_days:
    description: Days, from 0 to 30, after which quality updates are installed and the server restarts.
    type: int
  quality_deadline_grace_days:
    description: Days of grace, from 0 to 7, between the installation and that restart.
    type: int
  no_restart_before_deadline:
    description: Whether the server does not restart before the deadline and the grace are over.
    type: bool
  restart_deadline_days:
    description: Days, from 2 to 30, after which a pending restart is carried out (older policy).
    type: int
  engaged_restart_deadline_days:
    description: Days, from 2 to 30, after which a restart that people were asked for is carried out (older policy).
    type: int
  not_configured:
    description:
      - Settings to take away from the policy, by the names of the options. V(all) stands for every one that this task
        does not set.
    type: list
    elements: str
    default: []
    choices:
      - all
      - automatic_updates
      - install_day
      - install_time
      - install_weeks
      - wsus_server
      - wsus_status_server
      - use_wsus
      - target_group
      - quality_updates_source
      - detection_frequency_hours
      - defer_quality_updates_days
      - pause_quality_updates_from
      - exclude_drivers
      - include_recommended_updates
      - microsoft_update
      - forbid_internet_locations
      - disable_access
      - no_restart_with_logged_on_users
      - always_restart_at_scheduled_time
      - always_restart_minutes
      - active_hours_start
      - active_hours_end
      - quality_deadline_days
      - quality_deadline_grace_days
      - no_restart_before_deadline
      - restart_deadline_days
      - engaged_restart_deadline_days
  never_restart:
    description:
      - Whether to fail, before anything is written, when the settings as they would be then restart the server by
        themselves, or when that cannot be told. All of them are named.
      - Without other options this is a check that writes nothing.
    type: bool
    default: false
  domain_conflict:
    description:
      - What to do when a Group Policy object of the domain has a setting otherwise. V(fail) writes nothing; V(warn)
        writes, and says that Group Policy writes its own value back when it changes or is forced.
    type: str
    choices: [fail, warn]
    default: fail
  restart_service:
    description:
      - Whether to restart the service wuauserv after a change, so that it reads its settings. While updates are
        installed it is left alone, and RV(service) says that it is due.
    type: bool
    default: true
attributes:
  diff_mode:
    description: Returns the values of the policy that differ, by the names Windows has for them.
    support: full
notes:
  - Values are written into the registry as a person does with C(reg.exe). The file of the local Group Policy is not
    changed; where it holds the same setting, RV(conflicts) says so.
seealso:
  - module: winops.hotpatch.updates
  - module: winops.hotpatch.host_info
"""

EXAMPLES = r"""
- name: Download updates, install none, and never restart by itself
  winops.hotpatch.update_policy:
    automatic_updates: download
    always_restart_at_scheduled_time: false
    not_configured: [quality_deadline_days, restart_deadline_days, engaged_restart_deadline_days]
    never_restart: true
  register: update_policy

- name: Show what decides about updates on the server
  ansible.builtin.debug:
    msg:
      - "{{ update_policy.effective.automatic_updates.words }}"
      - "Source: {{ update_policy.effective.automatic_updates.source_words }}."

- name: Take updates from an update server
  winops.hotpatch.update_policy:
    wsus_server: http://wsus.example:8530
    wsus_status_server: http://wsus.example:8530
    use_wsus: true

- name: Check that nothing restarts the server by itself
  winops.hotpatch.update_policy:
    never_restart: true
"""

RETURN = r"""
effective:
  description:
    - By option, each setting that any place has. C(value) is what counts, C(words) says it in words, C(source) is
      where it comes from, which is V(domain_policy), V(local_group_policy), V(policy), V(device_management) or
      V(server_setting), C(source_words) names the Group Policy object where one is known, and C(loses) holds what other
      places say.
  returned: success, and when a setting is refused
  type: dict
  sample:
    automatic_updates:
      value: download
      words: Windows downloads and notifies before it installs.
      source: policy
      source_words: the server's own policy values
      loses:
        - value: schedule
          source: server_setting
          source_words: the server's own setting, as SConfig writes it
restarts_by_itself:
  description: Each setting that restarts the server by itself, and how to change that.
  returned: success, and when a setting is refused
  type: list
  elements: dict
  sample:
    - likelihood: 'yes'
      setting: always_restart_at_scheduled_time
      value_name: AlwaysAutoRebootAtScheduledTime
      value: 1
      source: policy
      words: A policy restarts the server on its own after updates (AlwaysAutoRebootAtScheduledTime).
      remedy: Set always_restart_at_scheduled_time to false.
may_restart:
  description:
    - Each setting of which that is unknown, such as a value that is not understood, or one that Group Policy writes
      back.
  returned: success, and when a setting is refused
  type: list
  elements: dict
  sample: []
cautions:
  description: Settings that restart nothing by themselves and are worth a look.
  returned: success, and when a setting is refused
  type: list
  elements: dict
  sample: []
domain_member:
  description: Whether the server is a member of a domain; V(null) when that could not be read.
  returned: success
  type: bool
  sample: false
conflicts:
  description: What may undo the settings or has them otherwise, in words; each is shown as a warning too.
  returned: success, and when the domain's settings are the reason of the failure
  type: list
  elements: str
  sample: []
service:
  description: Whether the service wuauserv was restarted, whether that is still due, and why.
  returned: success
  type: dict
  sample: {restarted: true, due: false, words: The service wuauserv was started and has read its settings.}
written:
  description: The values that had been written when the task failed.
  returned: when writing failed
  type: list
  elements: str
  sample: [AUOptions]
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import update_policy
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(update_policy.SPEC), update_policy.run)


if __name__ == "__main__":
    main()

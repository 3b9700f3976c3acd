#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_configuration
short_description: Make, change or delete a schedule of Azure Update Manager
version_added: 0.2.0
description:
  - Makes sure that a maintenance configuration for updates inside of servers stands as described. Which servers it is
    for is decided with M(winops.hotpatch.maintenance_assignment).
  - What is left out stays as it is; for a new one the defaults are named with each option. What others have set in it,
    such as the part for Linux, stays.
  - Everything that Azure takes without a look, such as time zone and rate, is checked before anything is sent. The next
    starts are returned and shown, by the clock of the zone, with their distance from Patch Tuesday.
  - It warns of what takes servers off the hotpatch track, or restarts servers that need not restart.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.azure
  - winops.hotpatch.azure.account
options:
  name:
    description: Name of the maintenance configuration in O(resource_group), or its whole resource id.
    type: str
    required: true
  resource_group:
    description: Its resource group. Needed unless O(name) is a resource id.
    type: str
  state:
    description:
      - V(absent) deletes it. How many machines and scopes were assigned to it is said.
    type: str
    choices: [present, absent]
    default: present
  location:
    description: Its region, such as V(westeurope). Needed for a new one, and cannot be changed.
    type: str
  start:
    description:
      - Time of day of the window, such as V('22:00'), or first day and time, such as V('2027-01-14 22:00'), by the
        clock of O(time_zone). In quotes, because YAML makes a number of some times.
      - With the time of day alone, a new schedule begins with its next start, and one that is there keeps its first
        day.
      - Needed for a new one. A day in the past is refused, unless it is the one that is there.
    type: str
  time_zone:
    description:
      - An IANA time zone such as V(Europe/Berlin), or one of Windows such as V(W. Europe Standard Time). Needed for a
        new one.
    type: str
  duration:
    description:
      - Length of the window, V('1:30') to V('3:55'), in quotes.
      - For a new one V('3:55') when left out.
    type: str
  patch_tuesday:
    description:
      - So many days after Patch Tuesday, the second Tuesday of the month, V(-6) to V(6).
      - Microsoft publishes at 10 in the morning in Redmond, which is the evening in Europe and the next day in Asia.
        It is warned of a window that may open before that.
      - A new schedule needs one of O(patch_tuesday), O(every) and O(recur_every), which exclude each other.
    type: int
  quarter_month:
    description:
      - With O(patch_tuesday), only the first, second or third month of each quarter. V(1) is the planned baseline
        months January, April, July and October; V(2) and V(3) are the hotpatch months.
    type: int
    choices: [1, 2, 3]
  every:
    description: How often, in words.
    type: dict
    suboptions:
      hours:
        description: Every so many hours, at least 6.
        type: int
      days:
        description: Every so many days.
        type: int
      weeks:
        description: Every so many weeks.
        type: int
      months:
        description: Every so many months.
        type: int
      weekdays:
        description:
          - With O(every.weeks), days of the week, such as V(saturday); when left out, the weekday of the start.
        type: list
        elements: str
      day:
        description: With O(every.months), days of the month; when left out, the day of the start.
        type: list
        elements: int
      nth:
        description: With O(every.months) and O(every.weekday), which one of the month.
        type: str
        choices: [first, second, third, fourth, last]
      weekday:
        description: Day of the week for O(every.nth), such as V(tuesday).
        type: str
      offset_days:
        description: So many days after the day that O(every.nth) and O(every.weekday) name, V(-6) to V(6).
        type: int
  recur_every:
    description: How often, in Azure's own text, such as V(Month Second Tuesday Offset2).
    type: str
  expiration:
    description: Day and time after which no window opens any more, or V(never).
    type: str
  reboot_setting:
    description:
      - Whether servers restart in the window. For a new one V(never) when left out.
      - A policy of the server can restart it all the same, see M(winops.hotpatch.update_policy).
    type: str
    choices: [never, if_required, always]
  classifications:
    description:
      - Which updates are installed; what the catalogue calls them. Hotpatches and baselines are V(security).
      - For a new one V(critical) and V(security) when left out.
    type: list
    elements: str
    choices: [critical, security, update_rollup, feature_pack, service_pack, definition, tools, updates]
  kb_include:
    description: Updates that are installed besides, by KB number.
    type: list
    elements: str
  kb_exclude:
    description: Updates that are not installed, by KB number.
    type: list
    elements: str
  exclude_kbs_requiring_reboot:
    description: Install only updates that never need a restart. Baselines are left out by that, too.
    type: bool
  tags:
    description: All tags of the configuration.
    type: dict
attributes:
  diff_mode:
    description: Returns the configuration before and after.
    support: full
notes:
  - Azure's own limits are 250 configurations in a subscription's region, 3000 machines and 200 dynamic scopes for each.
    A new configuration beyond the first is refused with these words.
seealso:
  - module: winops.hotpatch.maintenance_assignment
  - module: winops.hotpatch.patch_installation
"""

EXAMPLES = r"""
- name: Patch two days after Patch Tuesday, and never restart
  winops.hotpatch.maintenance_configuration:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: hotpatch-every-month
    location: westeurope
    start: "22:00"
    time_zone: Europe/Berlin
    patch_tuesday: 2
    reboot_setting: never
  register: schedule

- name: Show when that is
  ansible.builtin.debug:
    msg: "{{ schedule.next_starts | map(attribute='words') }}"

- name: Take servers over the baseline four times a year
  winops.hotpatch.maintenance_configuration:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: baseline-ring-1
    location: westeurope
    start: "22:00"
    time_zone: W. Europe Standard Time
    duration: "3:55"
    patch_tuesday: 4
    quarter_month: 1
    reboot_setting: if_required

- name: Install what the antivirus needs on Saturdays and Sundays, too
  winops.hotpatch.maintenance_configuration:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: definitions
    location: westeurope
    start: "06:00"
    time_zone: UTC
    duration: "1:30"
    every:
      weeks: 1
      weekdays: [saturday, sunday]
    classifications: [definition, security]

- name: Delete a schedule
  winops.hotpatch.maintenance_configuration:
    subscription_id: "{{ azure_subscription }}"
    resource_group: rg-arc-servers
    name: baseline-ring-9
    state: absent
"""

RETURN = r"""
id:
  description: Resource id of the maintenance configuration.
  returned: always
  type: str
configuration:
  description: How it stands; null when there is none.
  returned: always
  type: dict
  contains:
    location:
      description: Its region.
      type: str
      returned: always
      sample: westeurope
    start:
      description: First day and time of day, by the clock of the zone.
      type: str
      returned: always
      sample: 2027-01-14 22:00
    duration:
      description: Length of the window.
      type: str
      returned: always
      sample: "03:55"
    time_zone:
      description: The zone, by its Windows name.
      type: str
      returned: always
      sample: W. Europe Standard Time
    recur_every:
      description: The rate in Azure's text.
      type: str
      returned: always
      sample: 3Months Second Tuesday Offset2
    expiration:
      description: After that no window opens; null when it has no end.
      type: str
      returned: always
    reboot_setting:
      description: V(never), V(if_required) or V(always).
      type: str
      returned: always
      sample: never
    classifications:
      description: Which updates are installed.
      type: list
      elements: str
      returned: always
      sample: [critical, security]
    kb_include:
      description: Updates that are installed besides.
      type: list
      elements: str
      returned: always
    kb_exclude:
      description: Updates that are not installed.
      type: list
      elements: str
      returned: always
    exclude_kbs_requiring_reboot:
      description: Whether only updates that never need a restart are installed.
      type: bool
      returned: always
    tags:
      description: Its tags.
      type: dict
      returned: always
next_starts:
  description: The next six times the window opens.
  returned: always
  type: list
  elements: dict
  contains:
    local:
      description: Day and time by the clock of the zone.
      type: str
      returned: always
      sample: 2027-01-14 22:00
    ends:
      description: When it closes.
      type: str
      returned: always
      sample: 2027-01-15 01:55
    utc:
      description: The same moment in UTC.
      type: str
      returned: always
      sample: 2027-01-14T21:00Z
    release:
      description: The month whose updates are the newest by then.
      type: str
      returned: always
      sample: 2027-01
    planned_baseline:
      description: Whether that month is a planned baseline month.
      type: bool
      returned: always
      sample: true
    days_after_patch_tuesday:
      description: Days since that month's Patch Tuesday.
      type: int
      returned: always
      sample: 2
    words:
      description: All of it in one sentence.
      type: str
      returned: always
      sample: "Thursday 14 January 2027 22:00 (UTC+01:00): 2 days after Patch Tuesday, baseline of January 2027"
notes:
  description: What was warned of.
  returned: always
  type: list
  elements: str
traffic:
  description: How many requests were sent to Azure, throttled by it, and repeated.
  returned: always
  type: dict
  sample: {requests: 3, throttled: 0, repeated: 0}
correlation_id:
  description: Under which Azure's activity log keeps what this task did.
  returned: always
  type: str
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import maintenance_configuration
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(maintenance_configuration.SPEC), maintenance_configuration.run, server=False)


if __name__ == "__main__":
    main()

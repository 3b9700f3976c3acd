#!/usr/bin/python
# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: Take the latest hotpatch or cumulative update off a server, and keep it off
version_added: 0.2.0
description:
  - Takes one update off, by DISM, because C(wusa) cannot take off updates that come with a servicing stack. What is in
    effect afterwards is the baseline below a hotpatch, or the cumulative update that was installed before.
  - Plans first. The plan names the package, what comes back, the number of restarts, the track the server is on then,
    the CVEs that open again as far as you say which, and everything that speaks against it at once.
  - Never restarts the server. With O(phase=remove) the package is taken off so that it goes with the next restart.
    With O(phase=finish), after M(winops.hotpatch.restart), that is proven and the update is hidden from the next scan.
  - Current releases mark some packages as permanent, and nothing on the server tells it for sure beforehand. The
    attempt does, within seconds, and changes nothing. So make it before the server is drained. A permanent package is
    never tried again, and the error names the ways that remain.
  - A note on the server tells how far a rollback came. A call that was cut off is gone on with from any controller, and
    a second call does not take the next update off as well.
author: The winops.hotpatch contributors (@winops)
extends_documentation_fragment:
  - winops.hotpatch.connection
  - winops.hotpatch.release
options:
  what:
    description:
      - With V(latest) the update that is in effect is taken off, a hotpatch or a cumulative update.
      - With V(hotpatch) only a hotpatch is taken off; a server without one is left alone.
      - With V(baseline) only a cumulative update is taken off, a baseline or an ordinary one. A hotpatch on it has to
        go first.
    type: str
    choices: [latest, hotpatch, baseline]
    default: latest
  kb:
    description:
      - Take this update off and no other. It must be the latest one. A server that does not have it is left alone.
    type: str
  phase:
    description:
      - With V(remove) the update is taken off, so that it goes with the next restart.
      - With V(finish), after the restart, it is proven that it is off, and it is held back.
      - With V(release) the update that was taken off, or O(kb), is shown again, so that Windows Update offers it as
        before.
    type: str
    choices: [remove, finish, release]
    default: remove
  plan_only:
    description: Only plan, as in check mode, and report no change.
    type: bool
    default: false
  hold:
    description:
      - Hide the update that was taken off, so that Windows Update does not offer it to this server again. Only with
        O(phase=finish).
      - RV(hold_words) says what else keeps it away.
    type: bool
    default: true
  cves:
    description:
      - The CVEs that updates close, by KB, as far as you know them. The plan then names those that open again.
      - Updates are cumulative, so every update between what comes back and what goes is looked up.
    type: dict
    default: {}
  hotpatch_package:
    description:
      - Pattern for the name of a hotpatch's package, where C(*) stands for anything. Its version must begin with the
        hotpatch's build as well.
      - No public source shows what Windows calls it. Where no package fits, one with the KB in its name is looked for,
        then a C(Package_for_RollupFix) with the hotpatch's build.
    type: str
    default: '*Hotpatch*'
  min_free_bytes:
    description:
      - Free bytes that the system drive must have.
      - When left out, 2 GiB for a hotpatch and 10 GiB for a cumulative update.
    type: int
  timeout:
    description: Seconds for DISM, or for the search and the hiding. DISM was seen to take 16 minutes.
    type: int
    default: 3600
  poll_interval:
    description: Seconds between two looks at the work, at the longest.
    type: float
    default: 5
attributes:
  diff_mode:
    description: Returns the state of the package, or what is hidden, before and after.
    support: full
seealso:
  - module: winops.hotpatch.restart
  - module: winops.hotpatch.updates
"""

EXAMPLES = r"""
- name: Plan to take the December hotpatch off
  winops.hotpatch.rollback:
    kb: KB5072014
    plan_only: true
    as_of: '2025-12-20'
    cves:
      KB5072014: [CVE-2025-62221]
  register: plan

- name: Show the steps
  ansible.builtin.debug:
    msg: "{{ plan.plan.steps }}"

- name: Take it off; nothing restarts yet
  winops.hotpatch.rollback:
    kb: KB5072014
    as_of: '2025-12-20'

- name: Restart the server without it
  winops.hotpatch.restart:
    timeout: 1800

- name: Prove that it is off, and hold it back
  winops.hotpatch.rollback:
    phase: finish
    as_of: '2025-12-20'
"""

RETURN = r"""
plan:
  description: The plan.
  returned: success, and when the rollback was refused or failed
  type: dict
  sample:
    status: possible
    kb: KB5072014
    removable: unknown
    returns_to: KB5066835
    build_after: '26100.6899'
    track_after: hotpatch
    restarts: 1
  contains:
    status:
      description: >-
        V(possible), V(restart_due) (it is taken off and goes with the restart), V(done), V(nothing) (there is nothing
        to take off) or V(refused).
      type: str
    words:
      description: The plan in a sentence, or all that speaks against it.
      type: str
    kb:
      description: The update.
      type: str
    form:
      description: V(hotpatch), V(baseline) or V(lcu).
      type: str
    package:
      description: Identity of the package that is taken off.
      type: str
    package_state:
      description: Its state now.
      type: str
    refused:
      description: Everything that speaks against it, each with a C(code) and C(words).
      type: list
      elements: dict
    removable:
      description: >-
        V(yes) once it is taken off, V(no) where Windows or an earlier attempt says that it is permanent, else
        V(unknown), because only the attempt tells.
      type: str
    removable_words:
      description: Why that is so.
      type: str
    returns_to:
      description: The cumulative update that is in effect afterwards; V(null) when the catalogue does not know it.
      type: str
    build_after:
      description: The build afterwards.
      type: str
    track_after:
      description: The track afterwards.
      type: str
    state_after:
      description: The state on that track, such as V(behind).
      type: str
    words_after:
      description: The same in a sentence.
      type: str
    last_good_baseline:
      description: The baseline the server should stand on afterwards.
      type: str
    then_install:
      description: KBs to install afterwards to reach it, mostly none.
      type: list
      elements: str
    payload:
      description: Where the files of what comes back are, V(component_store), or V(null) when they are gone.
      type: str
    restarts:
      description: How many restarts all of it takes.
      type: int
    cves_open_again:
      description: CVEs that open again, of those that O(cves) names; V(null) when not known.
      type: list
      elements: str
    cves_unknown_for:
      description: Updates concerned whose CVEs O(cves) does not name.
      type: list
      elements: str
    steps:
      description: What is done, in order.
      type: list
      elements: str
    ways:
      description: The ways that remain where the update cannot be taken off, each with a C(code) and C(words).
      type: list
      elements: dict
kb:
  description: The update.
  returned: success, and when the rollback was refused or failed
  type: str
  sample: KB5072014
phase:
  description: The phase of this call.
  returned: success
  type: str
  sample: remove
removed:
  description: Whether the update is off, or goes with the next restart.
  returned: success
  type: bool
  sample: true
finished:
  description: Whether that was proven after the restart.
  returned: success
  type: bool
  sample: false
held:
  description: Whether the update is hidden; V(null) when that was not looked at.
  returned: success
  type: bool
  sample: true
hold_words:
  description: What keeps the update away, in words; V(null) when that was not looked at.
  returned: success
  type: str
  sample: KB5072014 is hidden. Opt the server out of hotpatches in Azure, if none at all is to come for a while.
restart_required:
  description: Whether the server waits for a restart; V(null) when that could not be read.
  returned: success
  type: bool
  sample: true
build:
  description: Build and revision now.
  returned: success
  type: str
  sample: '26100.6899'
track:
  description: The track the server is on now.
  returned: success
  type: str
  sample: hotpatch
state:
  description: The state on that track.
  returned: success
  type: str
  sample: behind
"""

from ansible_collections.winops.hotpatch.plugins.module_utils._core import rollback
from ansible_collections.winops.hotpatch.plugins.module_utils._core.module_front import ansible_module, run_module


def main() -> None:
    run_module(ansible_module(rollback.SPEC), rollback.run)


if __name__ == "__main__":
    main()

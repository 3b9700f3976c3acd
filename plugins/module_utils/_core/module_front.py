# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The module front: runs a core as an ordinary Ansible module, in a Python process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec, settings_from_options
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError


def run_module(module: AnsibleModule, core: Callable[[Call], dict[str, Any]], *, server: bool = True) -> None:
    """Run a core with a module's options and end the module with its answer or its error.

    :param server: whether the core talks to a server; then the module's connection options say which.
    """
    try:
        settings = settings_from_options(module.params) if server else None
        result = core(
            Call(
                params=module.params,
                name=settings.name if settings else "localhost",
                settings=settings,
                check_mode=module.check_mode,
                warn=module.warn,
            )
        )
    except HotpatchError as error:
        # A module has no "unreachable" of its own; error.code tells it apart.
        keys = {**error.details, "changed": error.changed, "error": error.as_result()}
        module.fail_json(msg=error.sentence(), **keys)
    module.exit_json(**result)


def ansible_module(spec: Spec) -> AnsibleModule:
    """An AnsibleModule for a spec, with check mode."""
    return AnsibleModule(
        argument_spec=spec.argument_spec,
        mutually_exclusive=spec.mutually_exclusive,
        required_together=spec.required_together,
        required_if=spec.required_if,
        supports_check_mode=True,
    )

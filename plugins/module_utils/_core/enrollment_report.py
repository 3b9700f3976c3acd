# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Say what an enrollment task in Azure came to for each server, on the screen and in a file."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._core.call import Call
from ansible_collections.winops.hotpatch.plugins.module_utils._core.report_file import write_file
from ansible_collections.winops.hotpatch.plugins.module_utils._core.spec import Spec
from ansible_collections.winops.hotpatch.plugins.module_utils._core.table import table_lines
from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.enrollment_scope import conclude, totals

SPEC = Spec(
    {
        "scope": {"type": "dict", "required": True},
        "done": {"type": "list", "elements": "dict", "required": True},
        "switched": {"type": "list", "elements": "dict", "default": []},
        "directory": {"type": "path"},
    }
)


def run(call: Call) -> dict[str, Any]:
    """The keys are those of the module's documentation.

    :raises InvalidInput: the scope is none.
    :raises HotpatchError: the directory cannot be written to.
    """
    try:
        params = call.params
        concluded = conclude(params["scope"], params["done"], params["switched"], check_mode=call.check_mode)
    except (KeyError, TypeError, IndexError) as error:
        raise InvalidInput(f"What was given as the scope is not the result of enrollment_scope: {error}.") from None
    summary = {
        "written": call.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "totals": totals(concluded),
        "servers": [{"name": name, **each} for name, each in concluded.items()],
    }
    rows = [
        [name, each["outcome"], each["azure_state"] or "?", "yes" if each["changed"] else "no", each["reason"]]
        for name, each in concluded.items()
    ]
    for line in ["", *table_lines(["SERVER", "OUTCOME", "IN AZURE", "CHANGED", "REASON"], rows), ""]:
        call.progress(line)
    files = []
    directory = call.params["directory"]
    if directory and not call.check_mode:
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        files = [write_file(os.path.expanduser(directory), "enrollment.json", text)]
        call.progress(f"Written: {', '.join(files)}")
    return {"changed": False, "summary": summary, "outcomes": concluded, "files": files}

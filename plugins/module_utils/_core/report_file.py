# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""Write a report's file."""

from __future__ import annotations

import os
import tempfile

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import HotpatchError


def write_file(folder: str, name: str, text: str) -> str:
    """Write a file whole or not at all; its path.

    :raises HotpatchError: the folder cannot be written to.
    """
    path = os.path.join(folder, name)
    try:
        os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise HotpatchError(
            f"The report {path} cannot be written: {error.strerror}.",
            code="report",
            hint="Set hotpatch_report_dir (or the directory option) to a folder you may write to.",
        ) from None
    return path

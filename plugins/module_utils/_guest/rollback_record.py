# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The note that a rollback leaves on the server: what is taken off, and how far it came.

It stands in the collection's folder, which only SYSTEM and Administrators can write, so that any controller can go on,
and so that a second call does not take the next update off as well. It is read as untrusted input all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._guest.files import GuestFiles
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.ports import Connect
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.steps import new_token
from ansible_collections.winops.hotpatch.plugins.module_utils._guest.update_result import read_document
from ansible_collections.winops.hotpatch.plugins.module_utils._plan.rollback import Record, Stage
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.packages import IDENTITY
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import Form

VERSION = 1
FILE_NAME = "rollback.json"

#: A folder of the collection that is made and guarded before the note is written.
_RUN_FOLDER = "rollback"
_KB = re.compile(r"KB[0-9]{6,8}")


class RollbackRecord:
    """The note of one server."""

    def __init__(self, connect: Connect, server: str, *, token: Callable[[], str] = new_token) -> None:
        self._connect = connect
        self._server = server
        self._token = token

    def read(self) -> Record | None:
        """The note of the last rollback; None when there is none, or none that can be used."""
        client = self._connect()
        try:
            with client.shell() as shell:
                files = GuestFiles(shell, self._server, token=self._token)
                text = files.read_text(files.path(FILE_NAME))
        finally:
            client.close()
        return record_of(read_document(text))

    def write(self, record: Record) -> None:
        """Put the note in place of the last one.

        :raises HotpatchError: it was not written.
        """
        client = self._connect()
        try:
            with client.shell() as shell:
                files = GuestFiles(shell, self._server, token=self._token)
                files.ensure_folder(_RUN_FOLDER)
                files.write_text(files.path(FILE_NAME), json.dumps(document_of(record), indent=1))
        finally:
            client.close()


def document_of(record: Record) -> dict[str, Any]:
    """The note as it stands in the file."""
    return {
        "version": VERSION,
        "kb": record.kb,
        "form": record.form.value,
        "package": record.package,
        "build_before": record.build_before,
        "build_after": record.build_after,
        "stage": record.stage.value,
        "attempts": record.attempts,
        "then_install": list(record.then_install),
    }


def record_of(document: Mapping[str, Any] | None) -> Record | None:
    """The note in a file, when each of its keys is what it should be."""
    if document is None or document.get("version") != VERSION:
        return None
    texts = {key: document.get(key) for key in ("kb", "form", "package", "build_before", "build_after", "stage")}
    kb, form, package, before, after, stage = (value if isinstance(value, str) else "" for value in texts.values())
    attempts, then = document.get("attempts"), document.get("then_install")
    good = (
        _KB.fullmatch(kb)
        and IDENTITY.fullmatch(package)
        and Build.read(before)
        and Build.read(after)
        and form in tuple(Form)
        and stage in tuple(Stage)
        and isinstance(attempts, int)
        and not isinstance(attempts, bool)
        and 0 <= attempts < 1000
        and isinstance(then, list)
        and all(isinstance(item, str) and _KB.fullmatch(item) for item in then)
    )
    if not good:
        return None
    return Record(kb, Form(form), package, before, after, Stage(stage), int(attempts or 0), tuple(then or ()))
